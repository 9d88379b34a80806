/* Changes secrets and records releases without end, in several threads, and says on standard output
 * what was acknowledged: "S name version sha256" (sha256 "-" for a deletion) and "R sequence". Made
 * to be killed at any moment; the checks are in crash_store.c. */
#include <pthread.h>

#include "tests/crash/crash.h"

struct worker {
    unsigned me;
    struct vd_audit *audit;
    struct vd_store *store;
    uint64_t version[CRASH_GROUP]; /* newest; 0 never */
    bool live[CRASH_GROUP];
    uint64_t step;
};

static void die(const char *doing, const vd_err *err)
{
    (void)fprintf(stderr, "writer: %s: %s\n", doing, err->msg);
    _exit(3);
}

/* One write below PIPE_BUF: a line is there whole or not at all. */
static void say(const vd_buf *line)
{
    if (line->bad || write(STDOUT_FILENO, line->p, line->n) != (ssize_t)line->n)
        _exit(4);
}

static void say_change(const char *name, uint64_t version, vd_span body, bool removed)
{
    VD_AUTO_BUF line = vd_buf_of(512);
    uint8_t sha[32];
    vd_buf_printf(&line, "S %s %llu ", name, (unsigned long long)version);
    if (removed)
        vd_buf_str(&line, "-");
    else if (vd_hash_of(VD_SHA256, body, sha, NULL).code == VD_E_OK)
        for (size_t i = 0; i < sizeof sha; i++)
            vd_buf_printf(&line, "%02x", sha[i]);
    vd_buf_str(&line, "\n");
    say(&line);
}

/* The body names its place, its step and the number of names of that step, and has a random tail.
 */
static void make_body(const struct worker *w, const char *name, unsigned names, vd_buf *out)
{
    uint32_t r;
    vd_random(&r, sizeof r);
    vd_buf_printf(out, "%s step %llu of %u ", name, (unsigned long long)w->step, names);
    size_t n = r % 3000;
    uint8_t *p = vd_buf_extend(out, n);
    if (p)
        vd_random(p, n);
}

static void read_back(struct worker *w)
{
    for (unsigned m = 0; m < CRASH_GROUP; m++) {
        char name[16];
        VD_AUTO_OBJECT o = { 0 };
        vd_err err = { 0 };
        crash_name(w->me, m, name);
        w->version[m] = 0;
        vd_code got = vd_store_get(w->store, VD_OWNER_DEFAULT, "secret", name, 0, &o, &err).code;
        w->live[m] = got == VD_E_OK;
        if (got != VD_E_OK && got != VD_E_NOT_FOUND)
            die("reading", &err);
    }
}

static void change(struct worker *w, unsigned first, unsigned n, bool remove)
{
    char names[CRASH_GROUP][16];
    vd_buf bodies[CRASH_GROUP];
    struct vd_put puts[CRASH_GROUP];
    vd_err err = { 0 };
    w->step++;
    for (unsigned i = 0; i < n; i++) {
        crash_name(w->me, first + i, names[i]);
        bodies[i] = vd_buf_of(8192);
        make_body(w, names[i], n, &bodies[i]);
        puts[i] = (struct vd_put){ .owner = VD_OWNER_DEFAULT,
                                   .kind = "secret",
                                   .name = names[i],
                                   .body = vd_buf_span(&bodies[i]),
                                   .sealed = true,
                                   .remove = remove,
                                   .match = VD_MATCH_ANY,
                                   .by = "crash",
                                   .now = 1780272000 };
    }
    const char *what = remove ? "secret.delete" : "secret.put";
    if (vd_change(w->audit, w->store, what, "crash", "admin", puts, n, &err).code != VD_E_OK)
        die("changing", &err);
    for (unsigned i = 0; i < n; i++) {
        w->live[first + i] = !remove;
        say_change(names[i], puts[i].ret_version, vd_buf_span(&bodies[i]), remove);
        vd_buf_done(&bodies[i]);
    }
}

static void release(struct worker *w)
{
    uint64_t seq = 0;
    vd_err err = { 0 };
    if (vd_audit_append(w->audit, "release", VD_LIT("{\"crash\":true}"), VD_AUDIT_DURABLE, &seq,
                        &err)
            .code != VD_E_OK)
        die("recording", &err);
    VD_AUTO_BUF line = vd_buf_of(64);
    vd_buf_printf(&line, "R %llu\n", (unsigned long long)seq);
    say(&line);
}

static void *work(void *ctx)
{
    struct worker *w = ctx;
    read_back(w);
    for (;;) {
        uint8_t dice[2];
        vd_random(dice, sizeof dice);
        unsigned m = dice[1] % CRASH_GROUP;
        if (dice[0] < 60)
            release(w);
        else if (dice[0] < 120)
            change(w, 0, CRASH_GROUP, false);
        else if (dice[0] < 150 && w->live[m])
            change(w, m, 1, true);
        else
            change(w, m, 1, false);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    vd_err err = { 0 };
    struct crash_place place;
    struct vd_store *store = NULL;
    struct vd_audit *audit = NULL;
    if (argc != 2 || vd_base_init(&err).code != VD_E_OK)
        return 1;
    if (!crash_place_init(&place, argv[1], false) ||
        vd_store_open(&place.store_cfg, &store, &err).code != VD_E_OK ||
        vd_audit_open(&place.audit_cfg, &audit, &err).code != VD_E_OK ||
        vd_change_recover(audit, store, &err).code != VD_E_OK)
        die("opening", &err);
    struct worker w[CRASH_THREADS];
    pthread_t t[CRASH_THREADS];
    for (unsigned i = 0; i < CRASH_THREADS; i++) {
        w[i] = (struct worker){ .me = i, .audit = audit, .store = store };
        if (pthread_create(&t[i], NULL, work, &w[i]) != 0)
            return 1;
    }
    for (unsigned i = 0; i < CRASH_THREADS; i++)
        (void)pthread_join(t[i], NULL);
    return 0;
}
