/* Kills crash_writer with SIGKILL at random moments, again and again on the same files, and after
 * each kill checks what the store and the record promise: every acknowledged change and release is
 * there, a change of several names is there for all or none of them, the chain verifies, open
 * intents are closed. vd_crash_store [--kills N] [--long] FOLDER     (--long: 2,000 kills) */
#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "tests/crash/crash.h"

struct known {
    uint64_t version; /* newest acknowledged; 0 none */
    bool removed;
    char sha[65];
};

struct totals {
    unsigned kills;
    unsigned before_first; /* killed before anything was acknowledged */
    uint64_t changes;
    uint64_t releases;
    uint64_t in_flight; /* changes that were durable and not yet acknowledged */
    uint64_t recovered; /* intents closed at start */
    uint64_t torn;      /* unfinished last lines */
    double slowest_open;
};

struct driver {
    char writer[4096];
    struct crash_place place;
    struct known known[CRASH_THREADS][CRASH_GROUP];
    uint64_t last_release;
    struct totals sum;
};

static int wrong(const char *what, const char *detail)
{
    (void)fprintf(stderr, "crash: %s: %s\n", what, detail);
    return 1;
}

static double seconds(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint32_t dice(uint32_t n)
{
    uint32_t r;
    vd_random(&r, sizeof r);
    return r % n;
}

/* "S t0/m1 7 HASH" or "R 12": what the writer acknowledged. */
static int take_line(struct driver *d, vd_span line)
{
    char text[200];
    char *rest = NULL;
    if (line.n < 3 || line.n >= sizeof text)
        return wrong("line of the writer", "has another form");
    memcpy(text, line.p, line.n);
    text[line.n] = 0;
    if (text[0] == 'R') {
        uint64_t seq = strtoull(text + 2, &rest, 10);
        d->last_release = seq > d->last_release ? seq : d->last_release;
        d->sum.releases++;
        return 0;
    }
    unsigned thread = (unsigned)(text[3] - '0');
    unsigned member = (unsigned)(text[6] - '0');
    if (text[0] != 'S' || thread >= CRASH_THREADS || member >= CRASH_GROUP)
        return wrong("line of the writer", text);
    struct known *k = &d->known[thread][member];
    uint64_t version = strtoull(text + 7, &rest, 10);
    if (version <= k->version)
        return wrong("a version did not grow", text);
    k->version = version;
    k->removed = rest[1] == '-';
    (void)snprintf(k->sha, sizeof k->sha, "%s", rest + 1);
    d->sum.changes++;
    return 0;
}

static int take_lines(struct driver *d, const vd_buf *said)
{
    size_t at = 0;
    while (at < said->n) {
        vd_span left = vd_span_part(vd_buf_span(said), at, said->n);
        size_t n = vd_span_find(left, '\n');
        if (n == left.n)
            return wrong("the writer", "said half a line");
        if (take_line(d, vd_span_part(left, 0, n)) != 0)
            return 1;
        at += n + 1;
    }
    return 0;
}

/* Starts the writer; half of the kills count from its start (they hit opening and recovery), half
 * from its first word. Everything it said comes back. */
static int run_and_kill(struct driver *d, const char *dir, vd_buf *said)
{
    int fds[2];
    if (pipe(fds) != 0)
        return wrong("pipe", strerror(errno));
    pid_t pid = fork();
    if (pid < 0)
        return wrong("fork", strerror(errno));
    if (pid == 0) {
        (void)dup2(fds[1], STDOUT_FILENO);
        (void)close(fds[0]);
        (void)close(fds[1]);
        (void)execl(d->writer, d->writer, dir, (char *)NULL);
        _exit(5);
    }
    (void)close(fds[1]);
    bool from_start = dice(2) == 0;
    if (!from_start) {
        uint8_t *p = vd_buf_reserve(said, 4096);
        ssize_t n = p ? read(fds[0], p, 4096) : 0;
        said->n += n > 0 ? (size_t)n : 0;
    }
    (void)usleep(dice(from_start ? 120000 : 60000));
    (void)kill(pid, SIGKILL);
    for (;;) {
        uint8_t *p = vd_buf_reserve(said, 65536);
        ssize_t n = p ? read(fds[0], p, 65536) : 0;
        if (n <= 0)
            break;
        said->n += (size_t)n;
    }
    (void)close(fds[0]);
    int status = 0;
    (void)waitpid(pid, &status, 0);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        return wrong("the writer", "ended by itself");
    return 0;
}

static bool find_step(vd_span body, const char *name, uint64_t *ret_step, unsigned *ret_names)
{
    char head[80];
    char *rest = NULL;
    vd_span part = vd_span_part(body, 0, sizeof head - 1);
    memcpy(head, part.p, part.n);
    head[part.n] = 0;
    size_t n = strlen(name);
    if (strncmp(head, name, n) != 0 || strncmp(head + n, " step ", 6) != 0)
        return false;
    *ret_step = strtoull(head + n + 6, &rest, 10);
    if (strncmp(rest, " of ", 4) != 0)
        return false;
    *ret_names = (unsigned)strtoul(rest + 4, NULL, 10);
    return true;
}

static void hash_of(vd_span body, char ret[65])
{
    uint8_t sha[32] = { 0 };
    (void)!vd_hash_of(VD_SHA256, body, sha, NULL).code;
    for (size_t i = 0; i < sizeof sha; i++)
        (void)snprintf(ret + 2 * i, 3, "%02x", sha[i]);
}

struct now {
    bool live;
    uint64_t version;
    uint64_t step;
    unsigned names;
};

static bool newest(void *ctx, const struct vd_object *o)
{
    *(uint64_t *)ctx = o->version;
    return false;
}

static int check_name(struct driver *d, struct vd_store *s, unsigned thread, unsigned member,
                      struct now *ret)
{
    char name[16];
    char sha[65] = "-";
    VD_AUTO_BUF_WIPED body = vd_buf_of(1 << 16);
    struct known *k = &d->known[thread][member];
    vd_err err = { 0 };
    *ret = (struct now){ 0 };
    crash_name(thread, member, name);
    vd_code code =
        vd_store_get_secret_buf(s, VD_OWNER_DEFAULT, "secret", name, &body, &ret->version, &err)
            .code;
    ret->live = code == VD_E_OK;
    if (code != VD_E_OK && code != VD_E_NOT_FOUND)
        return wrong(name, err.msg);
    if (!ret->live &&
        vd_store_history(s, VD_OWNER_DEFAULT, "secret", name, newest, &ret->version, NULL).code ==
            VD_E_STORE_CORRUPT)
        return wrong(name, "its history is damaged");
    if (ret->live && !find_step(vd_buf_span(&body), name, &ret->step, &ret->names))
        return wrong(name, "its content is not what was put");
    if (ret->live)
        hash_of(vd_buf_span(&body), sha);
    if (ret->version < k->version)
        return wrong(name, "an acknowledged change is lost");
    if (ret->version > k->version + 1)
        return wrong(name, "more changes than one were in flight");
    if (ret->version == k->version && k->version > 0 && strcmp(sha, k->sha) != 0)
        return wrong(name, "has another content than was acknowledged");
    d->sum.in_flight += ret->version > k->version;
    *k = (struct known){ .version = ret->version, .removed = !ret->live };
    (void)snprintf(k->sha, sizeof k->sha, "%s", sha);
    return 0;
}

/* At most one change of a thread was in flight: of one name, or of all of its group in one step. */
static int check_group(struct driver *d, struct vd_store *s, unsigned thread)
{
    struct now now[CRASH_GROUP];
    uint64_t acknowledged[CRASH_GROUP];
    for (unsigned m = 0; m < CRASH_GROUP; m++) {
        acknowledged[m] = d->known[thread][m].version;
        if (check_name(d, s, thread, m, &now[m]) != 0)
            return 1;
    }
    unsigned ahead = 0;
    unsigned whole = 0;
    for (unsigned m = 0; m < CRASH_GROUP; m++)
        if (now[m].version > acknowledged[m]) {
            ahead++;
            whole += now[m].live && now[m].names == CRASH_GROUP;
        }
    if (whole == 0)
        return ahead > 1 ? wrong("two changes of one thread", "were in flight") : 0;
    /* Acknowledgements are said name by name, so those that were not heard are the last of the
     * group. */
    for (unsigned m = 0; m < CRASH_GROUP; m++) {
        bool gap = m + 1 < CRASH_GROUP && now[m].version > acknowledged[m] &&
                   now[m + 1].version == acknowledged[m + 1];
        if (gap || !now[m].live || now[m].names != CRASH_GROUP || now[m].step != now[0].step)
            return wrong("a change of several names", "was done for some of them only");
    }
    return 0;
}

static int check(struct driver *d)
{
    VD_AUTO(vd_store_close) struct vd_store *s = NULL;
    VD_AUTO(vd_audit_close) struct vd_audit *a = NULL;
    struct vd_audit_report r;
    vd_err err = { 0 };
    if (vd_audit_verify(d->place.audit_cfg.path, &r, &err).code != VD_E_OK)
        return wrong("the record", err.msg);
    d->sum.torn += r.torn > 0;
    if (r.last_seq < d->last_release)
        return wrong("the record", "an acknowledged release is not in it");
    double start = seconds();
    if (vd_store_open(&d->place.store_cfg, &s, &err).code != VD_E_OK ||
        vd_audit_open(&d->place.audit_cfg, &a, &err).code != VD_E_OK)
        return wrong("opening", err.msg);
    uint64_t before = vd_audit_seq(a);
    if (vd_change_recover(a, s, &err).code != VD_E_OK)
        return wrong("recovery", err.msg);
    double took = seconds() - start;
    d->sum.slowest_open = took > d->sum.slowest_open ? took : d->sum.slowest_open;
    d->sum.recovered += vd_audit_seq(a) - before;
    for (unsigned t = 0; t < CRASH_THREADS; t++)
        if (check_group(d, s, t) != 0)
            return 1;
    vd_audit_close(VD_TAKE(a));
    if (vd_audit_verify(d->place.audit_cfg.path, &r, &err).code != VD_E_OK || r.torn > 0)
        return wrong("the record after recovery", err.msg);
    return 0;
}

static int kill_once(struct driver *d, const char *dir)
{
    VD_AUTO_BUF said = vd_buf_of(64 << 20);
    if (run_and_kill(d, dir, &said) != 0)
        return 1;
    d->sum.kills++;
    d->sum.before_first += said.n == 0;
    return take_lines(d, &said) != 0 || check(d) != 0;
}

/* As init does it: with a first checkpoint, so that there is a head file. */
static int create(struct crash_place *p, const char *dir)
{
    VD_AUTO(vd_audit_close) struct vd_audit *a = NULL;
    vd_err err = { 0 };
    if (!crash_place_init(p, dir, true))
        return wrong("creating", "no key");
    if (vd_store_create(&p->store_cfg, &err).code != VD_E_OK ||
        vd_audit_create(p->audit_cfg.path, "broker", p->audit_cfg.signer, 1780272000, &err).code !=
            VD_E_OK ||
        vd_audit_open(&p->audit_cfg, &a, &err).code != VD_E_OK)
        return wrong("creating", err.msg);
    return 0;
}

/* All files, from the first record on: now and then, because it takes longer each time. */
static int check_whole(const struct driver *d)
{
    const char *const file[] = { d->place.audit_cfg.path };
    const struct vd_audit_check check = { .file = file, .n = 1, .key = d->place.audit_cfg.signer };
    struct vd_audit_report r = { 0 };
    vd_err err = { 0 };
    if (vd_audit_verify_files(&check, &r, &err).code != VD_E_OK)
        return wrong("the whole record", err.msg);
    (void)printf("crash: after %u kills %llu records in %zu files, %llu checkpoints verified\n",
                 d->sum.kills, (unsigned long long)r.records, r.files,
                 (unsigned long long)r.checkpoints);
    return fflush(stdout);
}

static int usage(void)
{
    (void)fprintf(stderr, "usage: vd_crash_store [--kills N] [--long] FOLDER\n");
    return 1;
}

int main(int argc, char **argv)
{
    struct driver d = { 0 };
    const char *nightly = secure_getenv("VD_LONG");
    unsigned long kills = nightly && strcmp(nightly, "1") == 0 ? 2000 : 200;
    int at = 1;
    for (; at < argc && argv[at][0] == '-'; at++) {
        if (strcmp(argv[at], "--long") == 0)
            kills = 2000;
        else if (strcmp(argv[at], "--kills") == 0 && at + 1 < argc)
            kills = strtoul(argv[++at], NULL, 10);
        else
            return usage();
    }
    if (at + 1 != argc || vd_base_init(NULL).code != VD_E_OK)
        return usage();
    ssize_t n = readlink("/proc/self/exe", d.writer, sizeof d.writer - 32);
    char *slash = n > 0 ? strrchr(d.writer, '/') : NULL;
    if (!slash)
        return wrong("my own path", "is unknown");
    (void)snprintf(slash + 1, 20, "vd_crash_writer");
    VD_AUTO_BUF dir = vd_buf_of(4096);
    vd_buf_printf(&dir, "%s/crash-XXXXXX", argv[at]);
    if (!vd_buf_cstr(&dir) || (mkdir(argv[at], 0700) != 0 && errno != EEXIST) ||
        !mkdtemp((char *)dir.p))
        return wrong(argv[at], strerror(errno));
    if (create(&d.place, vd_buf_cstr(&dir)) != 0)
        return 1;
    int bad = 0;
    for (unsigned long i = 0; i < kills && !bad; i++)
        bad = kill_once(&d, vd_buf_cstr(&dir)) || ((i + 1) % 200 == 0 && check_whole(&d) != 0);
    const struct totals *t = &d.sum;
    (void)printf("crash: %u kills (%u before the first acknowledgement), %llu changes and %llu "
                 "releases acknowledged, "
                 "0 lost; %llu in flight were durable, %llu intents closed, %llu torn lines cut, "
                 "slowest start %.0f ms\n",
                 t->kills, t->before_first, (unsigned long long)t->changes,
                 (unsigned long long)t->releases, (unsigned long long)t->in_flight,
                 (unsigned long long)t->recovered, (unsigned long long)t->torn,
                 t->slowest_open * 1e3);
    crash_place_done(&d.place);
    return bad;
}
