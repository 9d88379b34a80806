/* Native objects over a real store and audit file: lists, versions, preconditions, and what is
 * recorded. */
#include "tests/support/support.h"

#include <stdio.h>
#include <string.h>

#include "shared/codec/b64.h"
#include "shared/codec/json.h"
#include "shared/crypto/hash.h"
#include "shared/program/objects.h"

enum { NOW = 1780272000 }; /* 2026-06-01T00:00:00Z */

struct fixture {
    struct vd_server s;
    int64_t ns;
    char *dir;
};

static vd_rc_ check_note(struct vd_server *s, const char *name, vd_span body, vd_err *err)
{
    (void)s;
    if (vd_span_eq_str(body, "bad"))
        return vd_fail(err, VD_E_POLICY_COMPILE, "%s does not compile", name);
    return VD_OK;
}

static const struct vd_object_kind note = {
    .kind = "note",
    .content_type = "text/plain; charset=utf-8",
    .what_put = "note.put",
    .what_delete = "note.delete",
    .check = check_note,
};
static const struct vd_object_kind sealed = {
    .kind = "secret",
    .content_type = "application/octet-stream",
    .sealed = true,
    .what_put = "secret.put",
    .what_delete = "secret.delete",
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    char store[600], audit[600];
    vd_err err = { 0 };
    f->dir = vd_test_dir("objects");
    f->ns = NOW * 1000000000LL;
    f->s.program = "issuer";
    f->s.clock = vd_clock_fixed(&f->ns);
    assert_ok(vd_secret_new(32, &f->s.root, &err));
    (void)snprintf(store, sizeof store, "%s/store.db", f->dir);
    (void)snprintf(audit, sizeof audit, "%s/audit.jsonl", f->dir);
    const struct vd_store_cfg sc = { store, "issuer", f->s.root.p };
    assert_ok(vd_store_create(&sc, &err));
    assert_ok(vd_store_open(&sc, &f->s.store, &err));
    assert_ok(vd_audit_create(audit, "issuer", NULL, NOW, &err));
    const struct vd_audit_cfg ac = { .path = audit, .clock = f->s.clock, .program = "issuer" };
    assert_ok(vd_audit_open(&ac, &f->s.audit, &err));
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    vd_audit_close(f->s.audit);
    vd_store_close(f->s.store);
    vd_secret_done(&f->s.root);
    free(f->dir);
    free(f);
    return 0;
}

/* ---- asking ---------------------------------------------------------------------------------- */

struct call {
    struct vd_req req;
    struct vd_field field;
    struct vd_resp resp;
    vd_err err;
};

static void begin(struct fixture *f, struct call *c, const char *field, const char *value,
                  const char *query, const char *body)
{
    *c = (struct call){ 0 };
    c->req.server = &f->s;
    c->req.now = NOW;
    c->req.query = vd_span_str(query ? query : "");
    c->req.body = vd_span_str(body ? body : "");
    c->resp.status = 200;
    c->resp.body = vd_buf_of(1u << 20);
    (void)snprintf(c->req.admin.identity, sizeof c->req.admin.identity, "ops");
    (void)snprintf(c->req.admin.role, sizeof c->req.admin.role, "owner");
    if (field) {
        c->field = (struct vd_field){ vd_span_str(field), vd_span_str(value) };
        c->req.field = &c->field;
        c->req.n_field = 1;
    }
}

#define AUTO_CALL __attribute__((cleanup(call_done))) struct call
static void call_done(struct call *c)
{
    vd_resp_done(&c->resp);
}

static const char *etag(struct call *c)
{
    for (size_t i = 0; i < c->resp.n_field; i++)
        if (strcmp(c->resp.field[i].name, "ETag") == 0)
            return c->resp.field[i].value;
    return "";
}

static vd_code put(struct fixture *f, const struct vd_object_kind *k, const char *name,
                   const char *field, const char *value, const char *body)
{
    AUTO_CALL c;
    begin(f, &c, field, value, NULL, body);
    return vd_objects_put(k, name, &c.req, &c.resp, &c.err).code;
}

static void body_is(struct call *c, const char *want)
{
    assert_string_equal(vd_buf_cstr(&c->resp.body), want);
}

static uint64_t records(struct fixture *f)
{
    return vd_audit_seq(f->s.audit);
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void a_creation_gives_201_version_1_and_two_records(void **state)
{
    struct fixture *f = *state;
    uint64_t before = records(f);
    AUTO_CALL c;
    begin(f, &c, "If-None-Match", "*", NULL, "hello");
    assert_ok(vd_objects_put(&note, "first", &c.req, &c.resp, &c.err));
    assert_int_equal(c.resp.status, 201);
    assert_string_equal(etag(&c), "\"1\"");
    body_is(&c, "{\"name\":\"first\",\"version\":1,"
                "\"sha256\":\"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\","
                "\"created_at\":\"2026-06-01T00:00:00Z\",\"created_by\":\"ops\",\"size\":5}");
    VD_AUTO_BUF lines = vd_buf_of(1u << 20);
    assert_ok(vd_audit_append(f->s.audit, "test", VD_SPAN_NONE, VD_AUDIT_DURABLE, NULL, &c.err));
    assert_ok(vd_audit_read(f->s.audit, before, 100, &lines, &c.err));
    const char *text = vd_buf_cstr(&lines);
    assert_non_null(strstr(text, "note.put"));
    assert_non_null(strstr(text, "\"ops\""));
    assert_non_null(strstr(text, "\"owner\""));
    assert_non_null(strstr(text, "intent"));
    assert_non_null(strstr(text, "done"));
}

static void a_read_gives_the_body_and_the_version(void **state)
{
    AUTO_CALL c;
    begin(*state, &c, NULL, NULL, NULL, NULL);
    assert_ok(vd_objects_get(&note, "first", &c.req, &c.resp, &c.err));
    body_is(&c, "hello");
    assert_string_equal(etag(&c), "\"1\"");
    assert_string_equal(c.resp.content_type, "text/plain; charset=utf-8");
}

static void a_change_must_name_the_version_it_replaces(void **state)
{
    static const struct {
        const char *name, *field, *value;
        vd_code want;
    } rows[] = {
        { "nothing", NULL, NULL, VD_E_PRECONDITION },
        { "create what exists", "If-None-Match", "*", VD_E_EXISTS },
        { "another version", "If-Match", "\"2\"", VD_E_VERSION },
        { "no quotes", "If-Match", "1", VD_E_SETTING },
        { "weak", "If-Match", "W/\"1\"", VD_E_SETTING },
        { "a list", "If-Match", "\"1\", \"2\"", VD_E_SETTING },
        { "zero", "If-Match", "\"0\"", VD_E_SETTING },
        { "leading zero", "If-Match", "\"01\"", VD_E_SETTING },
        { "negative", "If-Match", "\"-1\"", VD_E_SETTING },
        { "empty tag", "If-Match", "\"\"", VD_E_SETTING },
        { "too long", "If-Match", "\"1111111111111111111111\"", VD_E_SETTING },
        { "tag for a creation", "If-None-Match", "\"1\"", VD_E_SETTING },
    };
    struct fixture *f = *state;
    uint64_t before = records(f);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        vd_code got = put(f, &note, "first", rows[i].field, rows[i].value, "x");
        if (got != rows[i].want)
            print_error("%s: %s\n", rows[i].name, vd_error_row(got)->symbol);
        assert_int_equal(got, rows[i].want);
    }
    AUTO_CALL c;
    begin(f, &c, NULL, NULL, NULL, NULL);
    assert_ok(vd_objects_get(&note, "first", &c.req, &c.resp, &c.err));
    body_is(&c, "hello");
    /* Only the two that reached the store left an intent and its abort. */
    assert_true(records(f) <= before + 4);
    print_message("preconditions: %zu cases\n", sizeof rows / sizeof rows[0]);
}

static void both_preconditions_at_once_are_refused(void **state)
{
    const struct vd_field both[] = { { VD_LIT("If-Match"), VD_LIT("\"1\"") },
                                     { VD_LIT("If-None-Match"), VD_LIT("*") } };
    AUTO_CALL c;
    int64_t match = 0;
    begin(*state, &c, NULL, NULL, NULL, NULL);
    c.req.field = both;
    c.req.n_field = 2;
    assert_rc(VD_E_SETTING, vd_objects_match(&c.req, &match, &c.err));
}

static void a_change_gives_200_and_the_next_version(void **state)
{
    struct fixture *f = *state;
    AUTO_CALL c;
    begin(f, &c, "If-Match", "\"1\"", NULL, "second text");
    assert_ok(vd_objects_put(&note, "first", &c.req, &c.resp, &c.err));
    assert_int_equal(c.resp.status, 200);
    assert_string_equal(etag(&c), "\"2\"");
    assert_int_equal(put(f, &note, "first", "If-Match", "*", "third"), VD_E_OK);
    assert_int_equal(put(f, &note, "absent", "If-Match", "*", "x"), VD_E_VERSION);
    assert_int_equal(put(f, &note, "absent", "If-Match", "\"1\"", "x"), VD_E_VERSION);
}

static void old_versions_stay_readable(void **state)
{
    static const struct {
        const char *n;
        const char *body;
        vd_code want;
    } rows[] = {
        { "1", "hello", VD_E_OK },   { "2", "second text", VD_E_OK },
        { "3", "third", VD_E_OK },   { "4", NULL, VD_E_NOT_FOUND },
        { "0", NULL, VD_E_SETTING }, { "x", NULL, VD_E_SETTING },
        { "", NULL, VD_E_SETTING },  { "99999999999999999999", NULL, VD_E_SETTING },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        AUTO_CALL c;
        begin(*state, &c, NULL, NULL, NULL, NULL);
        assert_int_equal(
            vd_objects_version(&note, "first", vd_span_str(rows[i].n), &c.req, &c.resp, &c.err)
                .code,
            rows[i].want);
        if (rows[i].body)
            body_is(&c, rows[i].body);
    }
}

static void what_does_not_pass_its_check_is_not_stored(void **state)
{
    struct fixture *f = *state;
    uint64_t before = records(f);
    assert_int_equal(put(f, &note, "broken", "If-None-Match", "*", "bad"), VD_E_POLICY_COMPILE);
    AUTO_CALL c;
    begin(f, &c, NULL, NULL, NULL, NULL);
    assert_rc(VD_E_NOT_FOUND, vd_objects_get(&note, "broken", &c.req, &c.resp, &c.err));
    assert_int_equal(records(f), before);
}

static void names_are_plain(void **state)
{
    static const char *const bad[] = { "",     ".hidden",  "a/b",  "a b", "a%20b",
                                       "a\nb", "\xc3\xa4", "a\"b", ".." };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(put(f, &note, bad[i], "If-None-Match", "*", "x"), VD_E_SETTING);
    char longest[257];
    memset(longest, 'a', sizeof longest);
    longest[256] = 0;
    assert_int_equal(put(f, &note, longest, "If-None-Match", "*", "x"), VD_E_SETTING);
    longest[255] = 0;
    assert_int_equal(put(f, &note, longest, "If-None-Match", "*", "x"), VD_E_OK);
}

static void lists_come_in_pages(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 7; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "page-%d", i);
        assert_int_equal(put(f, &note, name, "If-None-Match", "*", "x"), VD_E_OK);
    }
    static const struct {
        const char *query, *first, *next;
        size_t n;
    } rows[] = {
        { "prefix=page-", "page-0", NULL, 7 },
        { "prefix=page-&limit=3", "page-0", "page-2", 3 },
        { "prefix=page-&limit=3&after=page-2", "page-3", "page-5", 3 },
        { "prefix=page-&limit=3&after=page-5", "page-6", NULL, 1 },
        { "prefix=page-&limit=7", "page-0", NULL, 7 },
        { "prefix=page-&after=page-6", NULL, NULL, 0 },
        { "prefix=none", NULL, NULL, 0 },
        { "prefix=page%2D1", "page-1", NULL, 1 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        AUTO_CALL c;
        begin(f, &c, NULL, NULL, rows[i].query, NULL);
        assert_ok(vd_objects_list(&note, &c.req, &c.resp, &c.err));
        VD_AUTO(vd_json_free) struct vd_json *j = NULL;
        assert_ok(vd_json_parse(vd_buf_span(&c.resp.body), VD_JSON_LIMITS(1u << 20), &j, &c.err));
        vd_jv root = vd_json_root(j);
        assert_int_equal(vd_jv_count(vd_jv_get(root, "items")), rows[i].n);
        if (rows[i].first)
            assert_true(vd_jv_str_eq(vd_jv_pointer(root, "/items/0/name"), rows[i].first));
        if (rows[i].next)
            assert_true(vd_jv_str_eq(vd_jv_get(root, "next"), rows[i].next));
        else
            assert_true(vd_jv_is(vd_jv_get(root, "next"), VD_JSON_NULL));
    }
    static const char *const bad[] = { "limit=0",  "limit=1001",      "limit=x",
                                       "limit=-1", "limit=1&limit=2", "prefix=%zz" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        AUTO_CALL c;
        begin(f, &c, NULL, NULL, bad[i], NULL);
        assert_rc(VD_E_SETTING, vd_objects_list(&note, &c.req, &c.resp, &c.err));
    }
}

static void a_deletion_is_a_version_and_a_new_creation_goes_on(void **state)
{
    struct fixture *f = *state;
    AUTO_CALL c;
    begin(f, &c, NULL, NULL, NULL, NULL);
    assert_rc(VD_E_PRECONDITION, vd_objects_delete(&note, "first", &c.req, &c.resp, &c.err));
    AUTO_CALL none;
    begin(f, &none, "If-None-Match", "*", NULL, NULL);
    assert_rc(VD_E_SETTING, vd_objects_delete(&note, "first", &none.req, &none.resp, &none.err));
    AUTO_CALL old;
    begin(f, &old, "If-Match", "\"2\"", NULL, NULL);
    assert_rc(VD_E_VERSION, vd_objects_delete(&note, "first", &old.req, &old.resp, &old.err));
    AUTO_CALL right;
    begin(f, &right, "If-Match", "\"3\"", NULL, NULL);
    assert_ok(vd_objects_delete(&note, "first", &right.req, &right.resp, &right.err));
    assert_int_equal(right.resp.status, 204);
    assert_int_equal(right.resp.body.n, 0);
    AUTO_CALL gone;
    begin(f, &gone, NULL, NULL, NULL, NULL);
    assert_rc(VD_E_NOT_FOUND, vd_objects_get(&note, "first", &gone.req, &gone.resp, &gone.err));
    AUTO_CALL version;
    begin(f, &version, NULL, NULL, NULL, NULL);
    assert_rc(VD_E_NOT_FOUND, vd_objects_version(&note, "first", VD_LIT("4"), &version.req,
                                                 &version.resp, &version.err));
    AUTO_CALL again;
    begin(f, &again, "If-None-Match", "*", NULL, "again");
    assert_ok(vd_objects_put(&note, "first", &again.req, &again.resp, &again.err));
    assert_int_equal(again.resp.status, 201);
    assert_string_equal(etag(&again), "\"5\"");
}

static void the_history_tells_each_version_newest_first(void **state)
{
    AUTO_CALL c;
    begin(*state, &c, NULL, NULL, NULL, NULL);
    assert_ok(vd_objects_history(&note, "first", &c.req, &c.resp, &c.err));
    VD_AUTO(vd_json_free) struct vd_json *j = NULL;
    assert_ok(vd_json_parse(vd_buf_span(&c.resp.body), VD_JSON_LIMITS(1u << 20), &j, &c.err));
    vd_jv root = vd_json_root(j);
    assert_int_equal(vd_jv_count(vd_jv_get(root, "items")), 5);
    uint64_t newest = 0;
    assert_ok(vd_jv_u64(vd_jv_pointer(root, "/items/0/version"), 100, &newest, &c.err));
    assert_int_equal(newest, 5);
    assert_true(vd_jv_str_eq(vd_jv_pointer(root, "/items/0/state"), "active"));
    assert_true(vd_jv_str_eq(vd_jv_pointer(root, "/items/1/state"), "deleted"));
    AUTO_CALL none;
    begin(*state, &none, NULL, NULL, NULL, NULL);
    assert_rc(VD_E_NOT_FOUND, vd_objects_history(&note, "never", &none.req, &none.resp, &none.err));
}

static void a_sealed_object_never_shows_its_bytes(void **state)
{
    struct fixture *f = *state;
    AUTO_CALL c;
    begin(f, &c, "If-None-Match", "*", NULL, "top secret canary");
    assert_ok(vd_objects_put(&sealed, "key", &c.req, &c.resp, &c.err));
    assert_null(strstr(vd_buf_cstr(&c.resp.body), "canary"));
    uint8_t digest[VD_HASH_BYTES_MAX];
    VD_AUTO_BUF hex = vd_buf_of(128);
    assert_ok(vd_hash_of(VD_SHA256, VD_LIT("top secret canary"), digest, &c.err));
    vd_hex_encode(vd_span_of(digest, 32), &hex);
    assert_null(strstr(vd_buf_cstr(&c.resp.body), vd_buf_cstr(&hex)));
    AUTO_CALL got;
    begin(f, &got, NULL, NULL, NULL, NULL);
    assert_ok(vd_objects_get(&sealed, "key", &got.req, &got.resp, &got.err));
    assert_string_equal(got.resp.content_type, "application/json");
    assert_null(strstr(vd_buf_cstr(&got.resp.body), "canary"));
    assert_non_null(strstr(vd_buf_cstr(&got.resp.body), "\"version\":1"));
    VD_AUTO_SECRET plain = { 0 };
    uint64_t version = 0;
    assert_ok(vd_store_get_secret(f->s.store, VD_OWNER_DEFAULT, "secret", "key", &plain, &version,
                                  &c.err));
    assert_span_str(vd_secret_span(&plain), "top secret canary");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_creation_gives_201_version_1_and_two_records),
        cmocka_unit_test(a_read_gives_the_body_and_the_version),
        cmocka_unit_test(a_change_must_name_the_version_it_replaces),
        cmocka_unit_test(both_preconditions_at_once_are_refused),
        cmocka_unit_test(a_change_gives_200_and_the_next_version),
        cmocka_unit_test(old_versions_stay_readable),
        cmocka_unit_test(what_does_not_pass_its_check_is_not_stored),
        cmocka_unit_test(names_are_plain),
        cmocka_unit_test(lists_come_in_pages),
        cmocka_unit_test(a_deletion_is_a_version_and_a_new_creation_goes_on),
        cmocka_unit_test(the_history_tells_each_version_newest_first),
        cmocka_unit_test(a_sealed_object_never_shows_its_bytes),
    };
    vd_err err = { 0 };
    if (vd_base_init(&err).code != VD_E_OK)
        return 1;
    return cmocka_run_group_tests(tests, setup, teardown);
}
