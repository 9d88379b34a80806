/* Policies under attack: every bomb of tests/vectors/policy-bombs ends in a denial while others are
 * evaluated undisturbed; workers that are killed, or that lie, cost their own evaluation only. */
#include "tests/support/support.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "shared/policy/workers_priv.h"
#include "tests/unit/shared/policy/query.h"

#define BOMBS "tests/vectors/policy-bombs"

enum { BOMBS_MAX = 128, CHILDREN_MAX = 64 };

/* ---- processes --------------------------------------------------------------------------------
 */

static int parent_of(int pid)
{
    char path[64];
    char text[512];
    (void)snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *f = fopen(path, "r");
    if (!f)
        return -1;
    size_t n = fread(text, 1, sizeof text - 1, f);
    (void)fclose(f);
    text[n] = 0;
    /* PID (NAME) STATE PPID; a name may hold anything, but no more brackets follow it */
    const char *at = strrchr(text, ')');
    return at && at[1] && at[2] && at[2] != 'Z' ? (int)strtol(at + 4, NULL, 10) : -1;
}

static size_t children_of(int pid, int ret[CHILDREN_MAX])
{
    size_t n = 0;
    DIR *d = opendir("/proc");
    assert_non_null(d);
    for (struct dirent *e = readdir(d); e && n < CHILDREN_MAX; e = readdir(d)) {
        int one = (int)strtol(e->d_name, NULL, 10);
        if (one > 0 && parent_of(one) == pid)
            ret[n++] = one;
    }
    (void)closedir(d);
    return n;
}

static int nursery_pid(void)
{
    int pid[CHILDREN_MAX];
    assert_int_equal(children_of(getpid(), pid), 1);
    return pid[0];
}

static long resident_kib(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    char text[128] = "";
    assert_non_null(f);
    assert_non_null(fgets(text, sizeof text, f));
    (void)fclose(f);
    char *at = NULL;
    (void)strtol(text, &at, 10);
    pages = strtol(at, NULL, 10);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* ---- a good policy, all the time --------------------------------------------------------------
 */

struct good {
    struct vd_policy *policy;
    atomic_bool stop;
    size_t right;
    size_t wrong;
    vd_err why;
};

/* Time of its own: what is tested is that nobody takes its worker, not how busy the machine is. */
static const struct vd_limits patient = {
#define PATIENT(field, def, hard, reason) .field = (hard),
    VD_LIMITS(PATIENT)
#undef PATIENT
};

static void *good_thread(void *arg)
{
    struct good *g = arg;
    for (unsigned i = 0; !atomic_load(&g->stop); i++) {
        char input[64];
        vd_err err = { 0 };
        bool yes = i % 3 == 0;
        (void)snprintf(input, sizeof input, "{\"n\":%u,\"yes\":%s}", i, yes ? "true" : "false");
        struct vd_policy_query q = test_query(vd_span_str(input), NULL);
        q.data = vd_span_str(input);
        q.limits = &patient;
        vd_code got = vd_policy_allows(g->policy, &q, &err).code;
        if (got == (yes ? VD_E_OK : VD_E_POLICY_DENY)) {
            g->right++;
        } else {
            g->wrong++;
            g->why = err;
        }
    }
    return NULL;
}

/* ---- bombs ------------------------------------------------------------------------------------
 */

struct tally {
    size_t refused; /* when it was set */
    size_t budget;
    size_t failed; /* an error of the evaluation */
    size_t denied; /* false or undefined */
};

static void explode(const char *name, struct tally *t)
{
    char path[512];
    (void)snprintf(path, sizeof path, BOMBS "/%s", name);
    vd_buf rego = vd_test_file(path);
    struct vd_policy *p = NULL;
    vd_err err = { 0 };
    int64_t begun = vd_monotonic_ns();
    vd_code rc = vd_policy_compile_in(test_workers, VD_POLICY_RELEASE, vd_buf_span(&rego),
                                      &test_limits, &p, &err)
                     .code;
    const char *how = "refused";
    if (rc == VD_E_POLICY_COMPILE || rc == VD_E_POLICY_BUDGET) {
        t->refused++;
    } else {
        struct vd_policy_query q = test_query(VD_LIT("{\"a\":\"aaaaaaaa\"}"), NULL);
        assert_int_equal(rc, VD_E_OK);
        begun = vd_monotonic_ns();
        rc = vd_policy_allows(p, &q, &err).code;
        t->budget += rc == VD_E_POLICY_BUDGET;
        t->failed += rc == VD_E_POLICY_EVAL;
        t->denied += rc == VD_E_POLICY_DENY;
        how = rc == VD_E_POLICY_BUDGET ? "budget" : rc == VD_E_POLICY_EVAL ? "error" : "denied";
    }
    print_message("  %-28s %-8s %4d ms  %s\n", name, how,
                  (int)((vd_monotonic_ns() - begun) / 1000000), err.msg);
    if (rc != VD_E_POLICY_COMPILE && rc != VD_E_POLICY_BUDGET && rc != VD_E_POLICY_EVAL &&
        rc != VD_E_POLICY_DENY)
        fail_msg("%s: %d %s", name, rc, err.msg);
    vd_policy_unref(p);
    vd_buf_done(&rego);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static size_t bomb_names(char *ret[BOMBS_MAX])
{
    size_t n = 0;
    char path[512];
    (void)snprintf(path, sizeof path, "%s/" BOMBS, VD_SOURCE_DIR);
    DIR *d = opendir(path);
    assert_non_null(d);
    for (struct dirent *e = readdir(d); e && n < BOMBS_MAX; e = readdir(d))
        if (strlen(e->d_name) > 5 && strcmp(e->d_name + strlen(e->d_name) - 5, ".rego") == 0)
            ret[n++] = strdup(e->d_name);
    (void)closedir(d);
    qsort(ret, n, sizeof ret[0], by_name);
    return n;
}

static void every_bomb_ends_in_a_denial_and_disturbs_nobody(void **state)
{
    (void)state;
    char *name[BOMBS_MAX];
    size_t n = bomb_names(name);
    struct tally t = { 0 };
    struct good g = { 0 };
    pthread_t thread;
    assert_ok(vd_policy_compile_in(
        test_workers, VD_POLICY_RELEASE,
        VD_LIT("package policy\nallow if { input.yes == true; data.n == input.n }\n"), &test_limits,
        &g.policy, NULL));
    explode(name[0], &t); /* buffers have their size before memory is compared */
    long before = resident_kib();
    assert_int_equal(pthread_create(&thread, NULL, good_thread, &g), 0);
    for (size_t i = 1; i < n; i++)
        explode(name[i], &t);
    atomic_store(&g.stop, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    long grown = resident_kib() - before;

    struct vd_policy_workers_facts f;
    vd_policy_workers_facts(test_workers, &f);
    print_message("policy bombs: %zu, of which refused when set %zu, over budget %zu, failed %zu, "
                  "denied %zu\n",
                  n, t.refused, t.budget, t.failed, t.denied);
    print_message("meanwhile: %zu right answers, %zu wrong; this process grew by %ld KiB; workers: "
                  "%d started, %d ended by force\n",
                  g.right, g.wrong, grown, (int)f.started, (int)f.failed);
    if (g.wrong)
        fail_msg("another policy was disturbed: %s", g.why.msg);
    assert_true(n >= 60);
    assert_true(t.budget >= 50);
    assert_true(g.right > 0);
    assert_true(f.failed > 0);
#if !defined(__SANITIZE_ADDRESS__)
    assert_true(grown < 16 << 10);
#endif
    for (size_t i = 0; i < n; i++)
        free(name[i]);
    vd_policy_unref(g.policy);
}

/* The machine may be that busy; a policy that was stopped must not stay suspected. */
static void a_policy_that_was_stopped_once_works_again(void **state)
{
    (void)state;
    struct vd_policy *p = NULL;
    assert_ok(vd_policy_compile_in(
        test_workers, VD_POLICY_RELEASE,
        VD_LIT("package policy\nallow if { input.bomb; count(numbers.range(1, 1000000000)) == 0 }\n"
               "allow if input.good\n"),
        &test_limits, &p, NULL));
    struct vd_policy_query q = test_query(VD_LIT("{\"good\":true}"), NULL);
    for (int i = 0; i < 4; i++) {
        q.limits = &patient;
        q.input = VD_LIT("{\"good\":true}");
        assert_ok(vd_policy_allows(p, &q, NULL));
        q.limits = &test_limits;
        q.input = VD_LIT("{\"good\":true,\"bomb\":true}");
        assert_rc(VD_E_POLICY_BUDGET, vd_policy_allows(p, &q, NULL));
    }
    vd_policy_unref(p);
}

/* ---- killed workers ---------------------------------------------------------------------------
 */

static struct vd_policy *endless(void)
{
    struct vd_policy *p = NULL;
    assert_ok(vd_policy_compile_in(
        test_workers, VD_POLICY_RELEASE,
        VD_LIT("package policy\na := numbers.range(1, 10000)\nslow if { some i in a; some j in a; "
               "i + j == 0 }\nallow if slow with input as {}\nallow if input.good\n"),
        &test_limits, &p, NULL));
    return p;
}

struct slow {
    struct vd_policy *policy;
    vd_code got;
    vd_err err;
    atomic_bool done;
};

static void *slow_thread(void *arg)
{
    struct slow *s = arg;
    struct vd_policy_query q = test_query(VD_LIT("{}"), NULL);
    struct vd_limits l = test_limits;
    l.policy_milliseconds = 5000;
    l.policy_instructions = 100000000;
    q.limits = &l;
    s->got = vd_policy_allows(s->policy, &q, &s->err).code;
    atomic_store(&s->done, true);
    return NULL;
}

static void kill_all_workers(void)
{
    int pid[CHILDREN_MAX];
    size_t n = children_of(nursery_pid(), pid);
    for (size_t i = 0; i < n; i++)
        (void)kill(pid[i], SIGKILL);
    for (int tries = 0; tries < 1000 && children_of(nursery_pid(), pid) > 0; tries++)
        (void)usleep(1000);
}

static void a_worker_killed_within_an_evaluation_is_a_denial_then_replaced(void **state)
{
    (void)state;
    struct slow s = { .policy = endless() };
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, slow_thread, &s), 0);
    (void)usleep(100000);
    kill_all_workers();
    assert_int_equal(pthread_join(thread, NULL), 0);
    /* a fast machine may have ended it by itself: a denial too */
    if (s.got != VD_E_POLICY_BUDGET)
        fail_msg("%d %s", s.got, s.err.msg);
    struct vd_policy *p = NULL;
    assert_ok(vd_policy_compile_in(test_workers, VD_POLICY_RELEASE,
                                   VD_LIT("package policy\nallow := true\n"), &test_limits, &p,
                                   NULL));
    struct vd_policy_query q = test_query(VD_LIT("{}"), NULL);
    q.limits = &patient;
    for (int i = 0; i < 3; i++) {
        assert_ok(vd_policy_allows(p, &q, NULL));
        kill_all_workers(); /* while idle: nobody notices */
    }
    assert_ok(vd_policy_allows(p, &q, NULL));
    vd_policy_unref(p);
    vd_policy_unref(s.policy);
}

/* ---- workers that lie -------------------------------------------------------------------------
 */

static const struct {
    const char *name;
    const char *say;
    size_t n;
    bool stays; /* does not end by itself */
    vd_code want;
} lies[] = {
    { "nothing, and ends", "", 0, false, VD_E_POLICY_BUDGET },
    { "nothing, and stays", "", 0, true, VD_E_POLICY_BUDGET },
    { "half a length", "\x04\x00", 2, false, VD_E_POLICY_BUDGET },
    { "half a length, and stays", "\x04\x00", 2, true, VD_E_POLICY_BUDGET },
    { "less than it promised", "\x04\x00\x00\x00\x07", 5, false, VD_E_POLICY_BUDGET },
    { "more than it promised", "\x02\x00\x00\x00\x04\x00\x00", 7, true, VD_E_POLICY_EVAL },
    { "two frames", "\x02\x00\x00\x00\x04\x00\x02\x00\x00\x00\x04\x00", 12, true,
      VD_E_POLICY_EVAL },
    { "a length beyond the limit", "\xff\xff\xff\x7f", 4, true, VD_E_POLICY_EVAL },
    { "the greatest length", "\xff\xff\xff\xff\xff", 5, true, VD_E_POLICY_EVAL },
};

enum way { BY_MAIL, BY_SOCKET, WAYS };

static void say(struct vd_mail *mail, int fd, enum way way, vd_span text)
{
    if (way == BY_MAIL && text.n > 0) {
        (void)vd_slot_post(&mail->tell, text);
    } else if (way == BY_SOCKET) {
        if (write(fd, text.p, text.n) != (ssize_t)text.n)
            _exit(1);
        (void)vd_slot_post(&mail->tell, VD_SPAN_NONE);
    }
}

/* A worker that is only its end of socket and mailbox. */
static void make_worker(struct vd_worker *k, int *ret_other)
{
    int pair[2];
    int fd = vd_mail_create();
    assert_true(fd >= 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    *k = (struct vd_worker){ .fd = pair[0], .mail = vd_mail_map(fd) };
    assert_non_null(k->mail);
    (void)close(fd);
    *ret_other = pair[1];
}

static vd_code call(struct vd_worker *k, int pid, vd_err *err)
{
    vd_span body;
    k->pid = pid;
    k->pidfd = (int)syscall(SYS_pidfd_open, pid, 0U);
    assert_true(k->pidfd >= 0);
    return vd_worker_call(test_workers, k, VD_SPAN_NONE, vd_monotonic_ns() + 200000000, 1024, &body,
                          err)
        .code;
}

static void ended(struct vd_worker *k, pid_t pid)
{
    int status = 0;
    assert_int_equal(k->fd, -1);
    assert_null(k->mail);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    vd_buf_done(&k->in);
}

static void a_worker_that_breaks_the_protocol_is_ended(void **state)
{
    (void)state;
    size_t n = sizeof lies / sizeof lies[0];
    for (size_t i = 0; i < n * WAYS; i++) {
        struct vd_worker k;
        int other = -1;
        vd_err err = { 0 };
        make_worker(&k, &other);
        pid_t pid = fork();
        if (pid == 0) {
            (void)close(k.fd);
            say(k.mail, other, i % WAYS, vd_span_of(lies[i / WAYS].say, lies[i / WAYS].n));
            while (lies[i / WAYS].stays)
                (void)pause();
            _exit(0);
        }
        (void)close(other);
        vd_code rc = call(&k, pid, &err);
        if (rc != lies[i / WAYS].want)
            fail_msg("%s: %d %s", lies[i / WAYS].name, rc, err.msg);
        ended(&k, pid);
    }
    print_message("workers that lie: %zu, by mailbox and by socket\n", n);
}

/* What only the mailbox makes possible. */
static const struct {
    uint32_t posted, n;
    vd_code want;
} mails[] = {
    { 1, VD_MAIL_FRAME + 1, VD_E_POLICY_EVAL }, { 1, UINT32_MAX, VD_E_POLICY_EVAL },
    { 1, VD_MAIL_FRAME, VD_E_POLICY_EVAL },     { 2, 6, VD_E_POLICY_BUDGET },
    { UINT32_MAX, 6, VD_E_POLICY_BUDGET },      { 0, 6, VD_E_POLICY_BUDGET },
};

static void a_mailbox_that_lies_is_believed_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof mails / sizeof mails[0]; i++) {
        struct vd_worker k;
        int other = -1;
        vd_err err = { 0 };
        make_worker(&k, &other);
        pid_t pid = fork();
        if (pid == 0) {
            memcpy(k.mail->tell.bytes, "\x02\x00\x00\x00\x04\x00", 6);
            atomic_store(&k.mail->tell.n, mails[i].n);
            atomic_store(&k.mail->tell.posted, mails[i].posted);
            for (;;)
                (void)pause();
        }
        assert_int_equal(call(&k, pid, &err), mails[i].want);
        ended(&k, pid);
        (void)close(other);
    }
}

/* An answer that waits for the next question is not taken for the answer to it. */
static void a_worker_that_speaks_unasked_is_replaced(void **state)
{
    (void)state;
    struct vd_worker *k = NULL;
    assert_ok(vd_workers_take(test_workers, VD_LANE_OPEN, &k, NULL));
    int pid = k->pid;
    vd_workers_give(test_workers, k);
    assert_ok(vd_workers_take(test_workers, VD_LANE_OPEN, &k, NULL));
    assert_int_equal(k->pid, pid); /* a silent one stays */
    (void)vd_slot_post(&k->mail->tell, VD_LIT("\x02\x00\x00\x00\x04\x00"));
    vd_workers_give(test_workers, k);
    assert_ok(vd_workers_take(test_workers, VD_LANE_OPEN, &k, NULL));
    assert_int_not_equal(k->pid, pid);
    vd_workers_give(test_workers, k);
}

/* Its size is sealed: a worker cannot cut off what the server is about to touch. */
static void a_mailbox_keeps_its_size(void **state)
{
    (void)state;
    int fd = vd_mail_create();
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, 0), -1);
    assert_int_equal(ftruncate(fd, 1 << 20), -1);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_size, sizeof(struct vd_mail));
    (void)close(fd);
}

/* Documents and results on both sides of what fits into the mailbox. */
static void long_frames_go_over_the_socket(void **state)
{
    (void)state;
    static const char rego[] = "package policy\ntrust_claims := {\"is\": input.text}\n";
    struct vd_policy *p = NULL;
    assert_ok(vd_policy_compile_in(test_workers, VD_POLICY_ATTESTATION, vd_span_str(rego),
                                   &test_limits, &p, NULL));
    size_t tried = 0;
    for (size_t n = VD_MAIL_FRAME - 400; n <= VD_MAIL_FRAME + 80; n += 16)
        for (size_t twice = 1; twice <= 2; twice++) {
            VD_AUTO_BUF input = vd_buf_of(1 << 20), result = vd_buf_of(1 << 20);
            vd_buf_str(&input, "{\"text\":\"");
            for (size_t i = 0; i < n * twice; i++)
                vd_buf_u8(&input, (uint8_t)('a' + i % 26));
            vd_buf_str(&input, "\"}");
            const struct vd_policy_query q = { .input = vd_buf_span(&input),
                                               .limits = &test_limits };
            enum vd_policy_state got = VD_POLICY_UNDEFINED;
            assert_ok(vd_policy_eval(p, VD_POLICY_TRUST_CLAIMS, &q, &got, &result, NULL));
            assert_int_equal(got, VD_POLICY_DEFINED);
            vd_span is = vd_span_part(vd_buf_span(&result), 6, result.n - 7);
            assert_true(vd_span_eq(is, vd_span_part(vd_buf_span(&input), 8, input.n - 9)));
            tried++;
        }
    vd_policy_unref(p);
    print_message("frames around the size of the mailbox: %zu\n", tried);
}

/* ---- reference values -------------------------------------------------------------------------
 */

struct heard {
    vd_jv values;
    char asked[256];
};

static vd_rc look(void *ctx, vd_span name, vd_buf *ret_json, vd_err *err)
{
    struct heard *h = ctx;
    return test_lookup(&h->values, name, ret_json, err);
}

static void note(void *ctx, vd_span name, vd_span json)
{
    struct heard *h = ctx;
    size_t n = strlen(h->asked);
    (void)snprintf(h->asked + n, sizeof h->asked - n, "%.*s=%.*s ", (int)name.n,
                   (const char *)name.p, (int)json.n, (const char *)json.p);
}

static const struct {
    const char *input;
    const char *asked;
} questions[] = {
    { "{\"tee\":\"a\"}", "a1=1 a2=2 " },  { "{\"tee\":\"a\"}", "a1=1 a2=2 " },
    { "{\"tee\":\"b\"}", "b1=3 none= " }, { "{\"tee\":\"b\"}", "b1=3 none= " },
    { "{\"tee\":\"a\"}", "a1=1 a2=2 " },  { "{\"tee\":\"short\"}", "a1=1 " },
    { "{\"tee\":\"a\"}", "a1=1 a2=2 " },  { "{\"tee\":\"none\"}", "" },
};

/* Values are sent along unasked; who explains a decision must hear of the asked ones only. */
static void only_names_that_were_asked_for_are_told(void **state)
{
    (void)state;
    static const char rego[] =
        "package policy\n"
        "trust_claims := {\"x\": query_reference_value(\"a1\"), \"y\": "
        "query_reference_value(\"a2\")} if input.tee == \"a\"\n"
        "trust_claims := {\"x\": query_reference_value(\"b1\"), \"y\": "
        "query_reference_value(\"none\")} if input.tee == \"b\"\n"
        "trust_claims := {\"x\": query_reference_value(\"a1\")} if input.tee == \"short\"\n";
    struct vd_json *j = test_json(VD_LIT("{\"a1\":1,\"a2\":2,\"b1\":3}"));
    struct vd_policy_workers *where[] = { NULL, test_workers };
    for (size_t w = 0; w < 2; w++) {
        struct vd_policy *p = NULL;
        assert_ok(vd_policy_compile_in(where[w], VD_POLICY_ATTESTATION, vd_span_str(rego),
                                       &test_limits, &p, NULL));
        for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++) {
            struct heard h = { .values = vd_json_root(j) };
            struct vd_policy_query q = test_query(vd_span_str(questions[i].input), NULL);
            q.limits = &patient;
            q.lookup = look;
            q.asked = note;
            q.ctx = &h;
            vd_buf out = vd_buf_of(4096);
            enum vd_policy_state s;
            assert_ok(vd_policy_eval(p, VD_POLICY_TRUST_CLAIMS, &q, &s, &out, NULL));
            assert_string_equal(h.asked, questions[i].asked);
            vd_buf_done(&out);
        }
        vd_policy_unref(p);
    }
    vd_json_free(j);
}

/* ---- the end ----------------------------------------------------------------------------------
 */

static void without_the_process_they_come_from_everything_is_refused(void **state)
{
    (void)state;
    struct vd_policy *p = NULL;
    assert_ok(vd_policy_compile_in(test_workers, VD_POLICY_RELEASE,
                                   VD_LIT("package policy\nallow := true\n"), &test_limits, &p,
                                   NULL));
    assert_true(vd_policy_workers_alive(test_workers));
    int pid[CHILDREN_MAX];
    int nursery = nursery_pid();
    assert_int_equal(kill(nursery, SIGKILL), 0);
    for (int tries = 0; tries < 5000 && vd_policy_workers_alive(test_workers); tries++)
        (void)usleep(1000);
    assert_false(vd_policy_workers_alive(test_workers));
    for (int tries = 0; tries < 5000 && children_of(nursery, pid) > 0; tries++)
        (void)usleep(1000);
    struct vd_policy_query q = test_query(VD_LIT("{}"), NULL);
    for (int i = 0; i < 3; i++) {
        vd_err err = { 0 };
        vd_code rc = vd_policy_allows(p, &q, &err).code;
        /* its worker may die within the first call */
        assert_true(rc == VD_E_UNAVAILABLE || (i == 0 && rc == VD_E_POLICY_BUDGET));
    }
    assert_rc(VD_E_UNAVAILABLE,
              vd_policy_check(test_workers, VD_POLICY_RELEASE,
                              VD_LIT("package policy\nallow := true\n"), &test_limits, NULL));
    vd_policy_unref(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_bomb_ends_in_a_denial_and_disturbs_nobody),
        cmocka_unit_test(a_policy_that_was_stopped_once_works_again),
        cmocka_unit_test(a_worker_killed_within_an_evaluation_is_a_denial_then_replaced),
        cmocka_unit_test(a_worker_that_breaks_the_protocol_is_ended),
        cmocka_unit_test(a_mailbox_that_lies_is_believed_nothing),
        cmocka_unit_test(a_worker_that_speaks_unasked_is_replaced),
        cmocka_unit_test(a_mailbox_keeps_its_size),
        cmocka_unit_test(long_frames_go_over_the_socket),
        cmocka_unit_test(only_names_that_were_asked_for_are_told),
        cmocka_unit_test(without_the_process_they_come_from_everything_is_refused),
    };
    if (!test_begin() || !test_use_workers())
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    test_end();
    return failed;
}
