/* Administrators' changes: intent, commit, done; and what a start makes of every place a crash can
 * be. */
#include "tests/unit/shared/audit/audit_kit.h"

#include "shared/codec/json.h"
#include "shared/store/store.h"

static const uint8_t root[32] = { 3 };

struct both {
    struct kit k;
    char *db;
    struct vd_store_cfg cfg;
    struct vd_store *s;
};

static void both_init(struct both *b)
{
    kit_init(&b->k, 0);
    VD_AUTO_BUF path = vd_buf_of(4096);
    vd_buf_printf(&path, "%s/store.db", b->k.dir);
    b->db = vd_strdup_span(vd_buf_span(&path));
    b->cfg = (struct vd_store_cfg){ .path = b->db, .program = "broker", .root = root };
    b->s = NULL;
    assert_ok(vd_store_create(&b->cfg, NULL));
    assert_ok(vd_store_open(&b->cfg, &b->s, NULL));
}

static void both_done(struct both *b)
{
    vd_store_close(b->s);
    free(b->db);
    kit_done(&b->k);
}
#define BOTH __attribute__((cleanup(both_done))) struct both

static struct vd_put put_of(const char *name, const char *body, int64_t match)
{
    return (struct vd_put){ .owner = VD_OWNER_DEFAULT,
                            .kind = "secret",
                            .name = name,
                            .body = vd_span_str(body),
                            .sealed = true,
                            .match = match,
                            .by = "alice",
                            .now = 1780272000 };
}

/* The events of the record behind the beginning, as one text. */
static void expect_events(struct both *b, const char *want)
{
    VD_AUTO_BUF lines = vd_buf_of(1 << 20);
    VD_AUTO_BUF got = vd_buf_of(4096);
    assert_ok(vd_audit_read(b->k.a, 1, 1000, &lines, NULL));
    size_t at = 0;
    while (at < lines.n) {
        vd_span left = vd_span_part(vd_buf_span(&lines), at, lines.n);
        vd_span line = vd_span_part(left, 0, vd_span_find(left, '\n'));
        struct vd_audit_line l;
        assert_ok(vd_audit_line_parse(line, &l, NULL));
        vd_buf_printf(&got, "%s%.*s", at ? " " : "", (int)l.event.n, (const char *)l.event.p);
        uint64_t intent = vd_audit_line_intent(l.detail);
        if (intent)
            vd_buf_printf(&got, "%llu", (unsigned long long)intent);
        at += line.n + 1;
    }
    assert_span_str(vd_buf_span(&got), want);
}

static vd_code change(struct both *b, const char *name, const char *body, int64_t match)
{
    struct vd_put p = put_of(name, body, match);
    return vd_change(b->k.a, b->s, "secret.put", "alice", "admin", &p, 1, NULL).code;
}

static void a_change_is_said_before_and_after(void **state)
{
    (void)state;
    BOTH b;
    both_init(&b);
    assert_int_equal(change(&b, "s", "plaintext-canary", VD_MATCH_NONE), VD_E_OK);
    assert_int_equal(change(&b, "s", "x", VD_MATCH_NONE), VD_E_EXISTS);
    assert_int_equal(change(&b, "s", "y", 1), VD_E_OK);
    assert_int_equal(change(&b, "s", "y", 1), VD_E_VERSION);
    assert_ok(vd_change(b.k.a, b.s, "x", "alice", "admin", NULL, 0, NULL));
    expect_events(&b, "intent done2 intent aborted4 intent done6 intent aborted8");
    VD_AUTO_OBJECT o = { 0 };
    assert_ok(vd_store_get(b.s, VD_OWNER_DEFAULT, "secret", "s", 0, &o, NULL));
    assert_int_equal(o.version, 2);
    assert_int_equal(o.audit_seq, 6);
    VD_AUTO_BUF all = kit_bytes(&b.k);
    assert_null(memmem(all.p, all.n, "plaintext-canary", 16));
}

static void an_intent_names_who_what_and_which(void **state)
{
    (void)state;
    BOTH b;
    both_init(&b);
    struct vd_put puts[] = { put_of("s", "x", VD_MATCH_ANY), put_of("p", "policy", VD_MATCH_ANY) };
    puts[1].kind = "release-policy";
    puts[1].sealed = false;
    assert_ok(vd_change(b.k.a, b.s, "bulk.put", "al\"ice\n", "admin", puts, 2, NULL));
    VD_AUTO_BUF lines = vd_buf_of(1 << 20);
    assert_ok(vd_audit_read(b.k.a, 1, 1, &lines, NULL));
    VD_AUTO(vd_json_free) struct vd_json *j = NULL;
    assert_ok(vd_json_parse(vd_span_part(vd_buf_span(&lines), 0, lines.n - 1),
                            VD_JSON_LIMITS(1 << 20), &j, NULL));
    vd_jv d = vd_jv_get(vd_json_root(j), "detail");
    assert_true(vd_jv_str_eq(vd_jv_get(d, "what"), "bulk.put"));
    assert_true(vd_jv_str_eq(vd_jv_get(d, "identity"), "al\"ice\n"));
    assert_true(vd_jv_str_eq(vd_jv_get(d, "role"), "admin"));
    assert_true(vd_jv_str_eq(vd_jv_pointer(d, "/objects/0/name"), "s"));
    assert_false(vd_jv_ok(vd_jv_pointer(d, "/objects/0/sha256")));
    assert_true(vd_jv_str_eq(vd_jv_pointer(d, "/objects/1/kind"), "release-policy"));
    assert_true(vd_jv_ok(vd_jv_pointer(d, "/objects/1/sha256")));
}

static void a_bulk_change_of_thousands_is_one_intent(void **state)
{
    (void)state;
    enum { N = 5000 };
    BOTH b;
    both_init(&b);
    struct vd_put *puts = calloc(N, sizeof *puts);
    char(*names)[900] = calloc(N, sizeof *names);
    assert_true(puts && names);
    for (size_t i = 0; i < N; i++) {
        memset(names[i], 'n', 890);
        (void)snprintf(names[i] + 890, 10, "%zu", i);
        puts[i] = put_of(names[i], "x", VD_MATCH_NONE);
    }
    assert_ok(vd_change(b.k.a, b.s, "bulk.put", "alice", "admin", puts, N, NULL));
    expect_events(&b, "intent done2");
    free(puts);
    free(names);
}

static void without_a_durable_intent_nothing_is_changed(void **state)
{
    (void)state;
    BOTH b;
    both_init(&b);
    VD_AUTO_OBJECT o = { 0 };
    b.k.disk.room = 10;
    assert_int_equal(change(&b, "s", "x", VD_MATCH_ANY), VD_E_AUDIT);
    b.k.disk.room = -1;
    b.k.disk.sync_in = 0;
    assert_int_equal(change(&b, "s", "x", VD_MATCH_ANY), VD_E_AUDIT);
    assert_rc(VD_E_NOT_FOUND, vd_store_get(b.s, VD_OWNER_DEFAULT, "secret", "s", 0, &o, NULL));
}

static void open_intents_are_closed_by_what_the_store_holds(void **state)
{
    (void)state;
    BOTH b;
    both_init(&b);
    uint64_t seq[4];
    for (size_t i = 0; i < 4; i++)
        assert_ok(vd_audit_append(b.k.a, "intent", VD_LIT("{}"), VD_AUDIT_DURABLE | VD_AUDIT_ADMIN,
                                  &seq[i], NULL));
    for (size_t i = 1; i < 4; i += 2) {
        struct vd_put p = put_of(i == 1 ? "a" : "b", "x", VD_MATCH_ANY);
        assert_ok(vd_store_put(b.s, &p, 1, seq[i], NULL));
    }
    assert_ok(vd_audit_append(b.k.a, "done", VD_LIT("{\"intent\":3}"), VD_AUDIT_ADMIN, NULL, NULL));
    kit_close(&b.k);
    kit_open(&b.k);
    assert_ok(vd_change_recover(b.k.a, b.s, NULL));
    expect_events(&b, "intent intent intent intent done3 aborted2 aborted4 done5");
    assert_ok(vd_change_recover(b.k.a, b.s, NULL));
    kit_close(&b.k);
    kit_open(&b.k);
    assert_ok(vd_change_recover(b.k.a, b.s, NULL));
    expect_events(&b, "intent intent intent intent done3 aborted2 aborted4 done5");
}

static void an_older_store_is_refused_until_an_administrator_accepts_it(void **state)
{
    (void)state;
    BOTH b;
    both_init(&b);
    assert_int_equal(change(&b, "s", "x", VD_MATCH_ANY), VD_E_OK);
    /* The store of another time: the record knows more. */
    vd_store_close(b.s);
    b.s = NULL;
    assert_int_equal(unlink(b.db), 0);
    assert_ok(vd_store_create(&b.cfg, NULL));
    assert_ok(vd_store_open(&b.cfg, &b.s, NULL));
    for (int restart = 0; restart < 2; restart++) {
        vd_err err = { 0 };
        assert_rc(VD_E_STORE_CORRUPT, vd_change_recover(b.k.a, b.s, &err));
        assert_non_null(strstr(err.msg, "change 2"));
        kit_close(&b.k);
        kit_open(&b.k);
    }
    assert_ok(vd_change_accept_rollback(b.k.a, "alice", NULL));
    for (int restart = 0; restart < 2; restart++) {
        assert_ok(vd_change_recover(b.k.a, b.s, NULL));
        kit_close(&b.k);
        kit_open(&b.k);
    }
    expect_events(&b, "intent done2 rollback-accepted");
    assert_int_equal(change(&b, "s", "x", VD_MATCH_ANY), VD_E_OK);
    assert_ok(vd_change_recover(b.k.a, b.s, NULL));
}

struct worker {
    struct both *b;
    unsigned me;
};

static void *change_on(void *ctx)
{
    const struct worker *w = ctx;
    for (int v = 0; v < 20; v++) {
        char name[8];
        (void)snprintf(name, sizeof name, "s%u", w->me);
        if (change(w->b, name, "x", v ? v : VD_MATCH_NONE) != VD_E_OK)
            return "change";
    }
    return NULL;
}

static void many_administrators_change_at_once(void **state)
{
    (void)state;
    enum { N = 8 };
    BOTH b;
    both_init(&b);
    pthread_t t[N];
    struct worker w[N];
    for (unsigned i = 0; i < N; i++) {
        w[i] = (struct worker){ &b, i };
        assert_int_equal(pthread_create(&t[i], NULL, change_on, &w[i]), 0);
    }
    for (unsigned i = 0; i < N; i++) {
        void *bad = NULL;
        (void)pthread_join(t[i], &bad);
        assert_null(bad);
    }
    kit_close(&b.k);
    kit_open(&b.k);
    assert_int_equal(vd_audit_seq(b.k.a), 1 + N * 20 * 2);
    assert_ok(vd_change_recover(b.k.a, b.s, NULL));
    assert_int_equal(vd_audit_seq(b.k.a), 1 + N * 20 * 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_change_is_said_before_and_after),
        cmocka_unit_test(an_intent_names_who_what_and_which),
        cmocka_unit_test(a_bulk_change_of_thousands_is_one_intent),
        cmocka_unit_test(without_a_durable_intent_nothing_is_changed),
        cmocka_unit_test(open_intents_are_closed_by_what_the_store_holds),
        cmocka_unit_test(an_older_store_is_refused_until_an_administrator_accepts_it),
        cmocka_unit_test(many_administrators_change_at_once),
    };
    return cmocka_run_group_tests(tests, kit_setup, NULL);
}
