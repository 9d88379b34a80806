/* What the store promises its callers: versions, matching, all or nothing, listings, erasure. */
#include "tests/unit/shared/store/store_kit.h"

#include <pthread.h>
#include <sqlite3.h>
#include <time.h>

#include "shared/crypto/hash.h"

static void what_is_put_is_got_and_outlasts_a_restart(void **state)
{
    (void)state;
    KIT k = kit_new();
    kit_put(&k, "release-policy", "p", "package policy");
    kit_put(&k, "secret", "repo/type/tag", "s3cret");
    kit_put(&k, "secret", "empty", "");
    kit_put(&k, "release-policy", "empty", "");
    for (int i = 0; i < 2; i++) {
        kit_expect(&k, "release-policy", "p", "package policy");
        kit_expect(&k, "secret", "repo/type/tag", "s3cret");
        kit_expect(&k, "secret", "empty", "");
        kit_expect(&k, "release-policy", "empty", "");
        kit_close(&k);
        kit_open(&k);
    }
    VD_AUTO_SECRET s = { 0 };
    uint64_t version = 0;
    assert_ok(
        vd_store_get_secret(k.s, VD_OWNER_DEFAULT, "secret", "repo/type/tag", &s, &version, NULL));
    assert_span_str(vd_secret_span(&s), "s3cret");
    assert_int_equal(version, 1);
}

static void metadata_is_complete(void **state)
{
    (void)state;
    KIT k = kit_new();
    struct vd_put p = kit_put_of("release-policy", "p", "body");
    p.by = "alice";
    assert_ok(vd_store_put(k.s, &p, 1, 77, NULL));
    assert_int_equal(p.ret_version, 1);
    VD_AUTO_OBJECT o = { 0 };
    uint8_t sha[32];
    assert_ok(vd_hash_of(VD_SHA256, VD_LIT("body"), sha, NULL));
    assert_ok(vd_store_get(k.s, VD_OWNER_DEFAULT, "release-policy", "p", 0, &o, NULL));
    assert_string_equal(o.name, "p");
    assert_int_equal(o.version, 1);
    assert_false(o.deleted);
    assert_false(o.sealed);
    assert_int_equal(o.size, 4);
    assert_memory_equal(o.sha256, sha, 32);
    assert_int_equal(o.created_at, 1780272000);
    assert_string_equal(o.created_by, "alice");
    assert_int_equal(o.audit_seq, 77);
}

static void a_sealed_object_shows_no_plaintext_and_no_digest_of_it(void **state)
{
    (void)state;
    KIT k = kit_new();
    kit_put(&k, "secret", "s", "plaintext-canary");
    VD_AUTO_OBJECT o = { 0 };
    uint8_t sha[32];
    assert_ok(vd_hash_of(VD_SHA256, VD_LIT("plaintext-canary"), sha, NULL));
    assert_ok(vd_store_get(k.s, VD_OWNER_DEFAULT, "secret", "s", 0, &o, NULL));
    assert_true(o.sealed);
    assert_int_equal(o.body.n, 0);
    assert_int_equal(o.size, 16 + 40);
    assert_memory_not_equal(o.sha256, sha, 32);
    static const char *const files[] = { "store.db", "store.db-wal" };
    for (size_t i = 0; i < 2; i++) {
        VD_AUTO(free) char *path = kit_path(k.dir, files[i]);
        VD_AUTO(fclose) FILE *f = fopen(path, "rb");
        assert_non_null(f);
        static char all[1 << 20];
        size_t n = fread(all, 1, sizeof all, f);
        assert_null(memmem(all, n, "plaintext-canary", 16));
        assert_null(memmem(all, n, sha, 32));
    }
}

static void unknown_names_are_not_found(void **state)
{
    (void)state;
    KIT k = kit_new();
    kit_put(&k, "secret", "s", "x");
    VD_AUTO_OBJECT o = { 0 };
    VD_AUTO_BUF b = vd_buf_of(100);
    VD_AUTO_SECRET s = { 0 };
    const struct {
        const char *owner;
        const char *kind;
        const char *name;
        uint64_t version;
    } cases[] = { { "default", "secret", "t", 0 }, { "default", "secrets", "s", 0 },
                  { "other", "secret", "s", 0 },   { "default", "secret", "s", 2 },
                  { "default", "secret", "", 0 },  { "default", "secret", "s", UINT64_MAX },
                  { "default", "secret", "S", 0 } };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        vd_err err = { 0 };
        assert_rc(VD_E_NOT_FOUND, vd_store_get(k.s, cases[i].owner, cases[i].kind, cases[i].name,
                                               cases[i].version, &o, &err));
        if (cases[i].version)
            continue;
        assert_rc(VD_E_NOT_FOUND, vd_store_get_secret_buf(k.s, cases[i].owner, cases[i].kind,
                                                          cases[i].name, &b, NULL, NULL));
        assert_rc(VD_E_NOT_FOUND, vd_store_get_secret(k.s, cases[i].owner, cases[i].kind,
                                                      cases[i].name, &s, NULL, NULL));
    }
    kit_put(&k, "release-policy", "p", "x");
    assert_rc(VD_E_INTERNAL, vd_store_get_secret_buf(k.s, VD_OWNER_DEFAULT, "release-policy", "p",
                                                     &b, NULL, NULL));
}

static void match_decides_as_if_match_and_if_none_match(void **state)
{
    (void)state;
    enum before { NEVER, ONE, TWO, GONE };
    static const struct {
        const char *label;
        enum before before;
        int64_t match;
        bool remove;
        vd_code want;
        uint64_t version;
    } cases[] = {
        { "any on nothing", NEVER, VD_MATCH_ANY, false, VD_E_OK, 1 },
        { "any on one", ONE, VD_MATCH_ANY, false, VD_E_OK, 2 },
        { "any on a deleted one", GONE, VD_MATCH_ANY, false, VD_E_OK, 3 },
        { "none on nothing", NEVER, VD_MATCH_NONE, false, VD_E_OK, 1 },
        { "none on one", ONE, VD_MATCH_NONE, false, VD_E_EXISTS, 0 },
        { "none on a deleted one", GONE, VD_MATCH_NONE, false, VD_E_OK, 3 },
        { "1 on nothing", NEVER, 1, false, VD_E_VERSION, 0 },
        { "1 on one", ONE, 1, false, VD_E_OK, 2 },
        { "2 on one", ONE, 2, false, VD_E_VERSION, 0 },
        { "1 on two", TWO, 1, false, VD_E_VERSION, 0 },
        { "2 on two", TWO, 2, false, VD_E_OK, 3 },
        { "2 on a deleted one", GONE, 2, false, VD_E_VERSION, 0 },
        { "a negative version", ONE, -2, false, VD_E_VERSION, 0 },
        { "the largest version", ONE, INT64_MAX, false, VD_E_VERSION, 0 },
        { "remove any of nothing", NEVER, VD_MATCH_ANY, true, VD_E_NOT_FOUND, 0 },
        { "remove any", TWO, VD_MATCH_ANY, true, VD_E_OK, 3 },
        { "remove 2", TWO, 2, true, VD_E_OK, 3 },
        { "remove 1 of two", TWO, 1, true, VD_E_VERSION, 0 },
        { "remove none", TWO, VD_MATCH_NONE, true, VD_E_EXISTS, 0 },
        { "remove a deleted one", GONE, VD_MATCH_ANY, true, VD_E_NOT_FOUND, 0 },
        { "remove 2 of a deleted one", GONE, 2, true, VD_E_NOT_FOUND, 0 },
    };
    static const char *const kinds[] = { "secret", "release-policy" };
    KIT k = kit_new();
    for (size_t i = 0; i < 2 * sizeof cases / sizeof cases[0]; i++) {
        size_t c = i / 2;
        char name[16];
        (void)snprintf(name, sizeof name, "n%zu", c);
        for (int v = 0; v < (cases[c].before == TWO ? 2 : cases[c].before == NEVER ? 0 : 1); v++)
            kit_put(&k, kinds[i % 2], name, "old");
        if (cases[c].before == GONE)
            kit_remove(&k, kinds[i % 2], name);
        struct vd_put p = kit_put_of(kinds[i % 2], name, "new");
        p.match = cases[c].match;
        p.remove = cases[c].remove;
        uint64_t epoch = vd_store_epoch(k.s);
        vd_rc_ rc = vd_store_put(k.s, &p, 1, 0, NULL);
        if (rc.code != cases[c].want)
            print_error("%s: %d\n", cases[c].label, rc.code);
        assert_int_equal(rc.code, cases[c].want);
        assert_int_equal(p.ret_version, cases[c].version);
        assert_int_equal(vd_store_epoch(k.s) > epoch, cases[c].want == VD_E_OK);
        if (cases[c].want == VD_E_OK && !cases[c].remove)
            kit_expect(&k, kinds[i % 2], name, "new");
        if (cases[c].want != VD_E_OK && (cases[c].before == ONE || cases[c].before == TWO))
            kit_expect(&k, kinds[i % 2], name, "old");
    }
}

static void bad_puts_are_refused_before_anything_is_written(void **state)
{
    (void)state;
    KIT k = kit_new();
    char name[1030];
    char shorter[70];
    memset(name, 'n', sizeof name);
    memset(shorter, 's', sizeof shorter);
    name[1025] = shorter[65] = 0;
    struct vd_put puts[8];
    for (size_t i = 0; i < 8; i++)
        puts[i] = kit_put_of("secret", "s", "x");
    puts[0].name = "";
    puts[1].name = NULL;
    puts[2].name = name;
    puts[3].owner = shorter;
    puts[4].kind = shorter;
    puts[5].by = shorter;
    puts[6].by = NULL;
    puts[7].body = vd_span_of("", (size_t)100 << 20);
    for (size_t i = 0; i < 8; i++) {
        vd_code want = i == 7 ? VD_E_TOO_LARGE : VD_E_SETTING;
        assert_rc(want, vd_store_put(k.s, &puts[i], 1, 0, NULL));
    }
    struct vd_put p = kit_put_of("secret", "s", "x");
    assert_rc(VD_E_SETTING, vd_store_put(k.s, &p, 1, UINT64_MAX, NULL));
    assert_ok(vd_store_put(k.s, NULL, 0, 0, NULL));
    VD_AUTO_OBJECT o = { 0 };
    assert_rc(VD_E_NOT_FOUND, vd_store_get(k.s, VD_OWNER_DEFAULT, "secret", "s", 0, &o, NULL));
    name[1024] = 0;
    shorter[64] = 0;
    p.name = name;
    p.by = shorter;
    p.owner = shorter;
    assert_ok(vd_store_put(k.s, &p, 1, INT64_MAX, NULL));
    assert_ok(vd_store_get(k.s, shorter, "secret", name, 0, &o, NULL));
    assert_string_equal(o.created_by, shorter);
}

static void a_bulk_put_is_all_or_nothing(void **state)
{
    (void)state;
    enum { N = 50 };
    KIT k = kit_new();
    char names[N][8];
    for (size_t bad = 0; bad <= N; bad += 7) {
        struct vd_put puts[N];
        for (size_t i = 0; i < N; i++) {
            (void)snprintf(names[i], sizeof names[i], "n%zu", i);
            puts[i] = kit_put_of(i % 2 ? "secret" : "release-policy", names[i], "body");
            puts[i].match = i == bad ? 5 : VD_MATCH_NONE;
        }
        uint64_t epoch = vd_store_epoch(k.s);
        assert_rc(VD_E_VERSION, vd_store_put(k.s, puts, N, 9, NULL));
        assert_int_equal(vd_store_epoch(k.s), epoch);
        bool there = true;
        assert_ok(vd_store_has_audit_seq(k.s, 9, &there, NULL));
        assert_false(there);
        for (size_t i = 0; i < N; i++)
            assert_int_equal(puts[i].ret_version, 0);
        if (bad == 49)
            break;
    }
    struct vd_put puts[N];
    for (size_t i = 0; i < N; i++) {
        puts[i] = kit_put_of("secret", names[i], "body");
        puts[i].match = VD_MATCH_NONE;
    }
    assert_ok(vd_store_put(k.s, puts, N, 10, NULL));
    bool there = false;
    assert_ok(vd_store_has_audit_seq(k.s, 10, &there, NULL));
    assert_true(there);
    for (size_t i = 0; i < N; i++)
        kit_expect(&k, "secret", names[i], "body");
}

static void one_bulk_put_may_touch_an_object_twice(void **state)
{
    (void)state;
    KIT k = kit_new();
    struct vd_put puts[] = { kit_put_of("secret", "s", "one"), kit_put_of("secret", "s", "two"),
                             kit_put_of("secret", "s", NULL), kit_put_of("secret", "s", "three") };
    puts[1].match = 1;
    puts[2].remove = true;
    puts[3].match = VD_MATCH_NONE;
    assert_ok(vd_store_put(k.s, puts, 4, 0, NULL));
    assert_int_equal(puts[3].ret_version, 4);
    kit_expect(&k, "secret", "s", "three");
}

struct seen {
    size_t n;
    size_t stop;
    char names[64][16];
    uint64_t version[64];
    bool deleted[64];
    uint64_t size[64];
    size_t body[64];
};

static bool see(void *ctx, const struct vd_object *o)
{
    struct seen *s = ctx;
    (void)snprintf(s->names[s->n], 16, "%s", o->name);
    s->version[s->n] = o->version;
    s->deleted[s->n] = o->deleted;
    s->size[s->n] = o->size;
    s->body[s->n] = o->body.n;
    s->n++;
    return s->stop == 0 || s->n < s->stop;
}

static void listings_are_of_live_names_by_prefix_in_pages(void **state)
{
    (void)state;
    KIT k = kit_new();
    static const char *const names[] = {
        "a", "b/1", "b/2", "b/3", "b/4", "b0", "c", "\xff\xff", "b"
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        for (int v = 0; v < 3; v++)
            kit_put(&k, "release-policy", names[i], v == 2 ? "newest" : "older");
    kit_remove(&k, "release-policy", "b/2");
    kit_put(&k, "secret", "b/s", "x");
    static const struct {
        const char *label;
        const char *prefix;
        const char *after;
        size_t stop;
        const char *want;
    } cases[] = {
        { "all", "", NULL, 0, "a b b/1 b/3 b/4 b0 c \xff\xff" },
        { "no prefix", NULL, NULL, 0, "a b b/1 b/3 b/4 b0 c \xff\xff" },
        { "a prefix", "b/", NULL, 0, "b/1 b/3 b/4" },
        { "a prefix that is a name", "b", NULL, 0, "b b/1 b/3 b/4 b0" },
        { "first page", "b/", NULL, 2, "b/1 b/3" },
        { "second page", "b/", "b/3", 2, "b/4" },
        { "after the last", "b/", "b/4", 2, "" },
        { "after a deleted one", "b/", "b/2", 0, "b/3 b/4" },
        { "after a name before the prefix", "b/", "a", 0, "b/1 b/3 b/4" },
        { "after a name behind the prefix", "b/", "c", 0, "" },
        { "after nothing", "", "", 0, "a b b/1 b/3 b/4 b0 c \xff\xff" },
        { "a prefix without names", "x", NULL, 0, "" },
        { "high bytes", "\xff", NULL, 0, "\xff\xff" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct seen s = { .stop = cases[i].stop };
        VD_AUTO_BUF got = vd_buf_of(4096);
        assert_ok(vd_store_list(k.s, VD_OWNER_DEFAULT, "release-policy", cases[i].prefix,
                                cases[i].after, see, &s, NULL));
        for (size_t j = 0; j < s.n; j++) {
            vd_buf_printf(&got, "%s%s", j ? " " : "", s.names[j]);
            assert_int_equal(s.version[j], 3);
            assert_int_equal(s.body[j], 6);
        }
        if (!vd_span_eq_str(vd_buf_span(&got), cases[i].want))
            print_error("%s: %s\n", cases[i].label, vd_buf_cstr(&got));
        assert_span_str(vd_buf_span(&got), cases[i].want);
    }
    struct seen s = { 0 };
    assert_ok(vd_store_list(k.s, VD_OWNER_DEFAULT, "secret", "", NULL, see, &s, NULL));
    assert_int_equal(s.n, 1);
    assert_int_equal(s.body[0], 0);
    assert_int_equal(s.size[0], 41);
}

struct nested {
    struct kit *k;
    size_t n;
};

static bool nest(void *ctx, const struct vd_object *o)
{
    struct nested *n = ctx;
    kit_expect(n->k, "release-policy", o->name, "x");
    kit_put(n->k, "release-policy", "z", "x"); /* not seen: the listing is of one moment */
    n->n++;
    return true;
}

static void a_listing_may_read_and_write_on_its_way(void **state)
{
    (void)state;
    KIT k = kit_new();
    kit_put(&k, "release-policy", "a", "x");
    kit_put(&k, "release-policy", "b", "x");
    struct nested n = { &k, 0 };
    assert_ok(vd_store_list(k.s, VD_OWNER_DEFAULT, "release-policy", "", NULL, nest, &n, NULL));
    assert_int_equal(n.n, 2);
    kit_expect(&k, "release-policy", "z", "x");
}

static void history_keeps_policies_and_erases_old_secrets(void **state)
{
    (void)state;
    KIT k = kit_new();
    static const char *const kinds[] = { "release-policy", "secret" };
    for (size_t i = 0; i < 2; i++) {
        kit_put(&k, kinds[i], "o", "one");
        kit_put(&k, kinds[i], "o", "three");
        kit_remove(&k, kinds[i], "o");
        kit_put(&k, kinds[i], "o", "four");
        struct seen s = { 0 };
        assert_ok(vd_store_history(k.s, VD_OWNER_DEFAULT, kinds[i], "o", see, &s, NULL));
        assert_int_equal(s.n, 4);
        for (size_t j = 0; j < 4; j++) {
            assert_int_equal(s.version[j], 4 - j);
            assert_int_equal(s.deleted[j], j == 1);
        }
        size_t sealed = i ? 40 : 0;
        assert_int_equal(s.size[3], 3 + sealed);
        assert_int_equal(s.size[0], 4 + sealed);
        assert_int_equal(s.body[3], i ? 0 : 3);
        VD_AUTO_OBJECT o = { 0 };
        assert_ok(vd_store_get(k.s, VD_OWNER_DEFAULT, kinds[i], "o", 1, &o, NULL));
        assert_int_equal(o.version, 1);
        assert_int_equal(o.body.n, i ? 0 : 3);
        struct seen one = { .stop = 1 };
        assert_ok(vd_store_history(k.s, VD_OWNER_DEFAULT, kinds[i], "o", see, &one, NULL));
        assert_int_equal(one.n, 1);
    }
    struct seen s = { 0 };
    assert_rc(VD_E_NOT_FOUND,
              vd_store_history(k.s, VD_OWNER_DEFAULT, "secret", "p", see, &s, NULL));
}

/* The stored (sealed) body of a version. */
static vd_buf raw_body(const struct kit *k, const char *name, int version)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *st = NULL;
    vd_buf b = vd_buf_of(1 << 20);
    assert_int_equal(sqlite3_open(k->path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_prepare_v2(db, "SELECT body FROM object WHERE name=? AND version=?", -1, &st, NULL),
        SQLITE_OK);
    (void)sqlite3_bind_text(st, 1, name, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int(st, 2, version);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    vd_buf_add(&b, vd_span_of(sqlite3_column_blob(st, 0), (size_t)sqlite3_column_bytes(st, 0)));
    (void)sqlite3_finalize(st);
    (void)sqlite3_close(db);
    return b;
}

static bool in_file(const struct kit *k, const char *name, vd_span what)
{
    VD_AUTO(free) char *path = kit_path(k->dir, name);
    VD_AUTO(fclose) FILE *f = fopen(path, "rb");
    static char all[4 << 20];
    size_t n = f ? fread(all, 1, sizeof all, f) : 0;
    return memmem(all, n, what.p, what.n) != NULL;
}

static void sealed_bytes_of_old_versions_leave_the_files(void **state)
{
    (void)state;
    KIT k = kit_new();
    static const char *const ways[] = { "overwritten", "removed" };
    for (size_t i = 0; i < 2; i++) {
        char body[600];
        memset(body, 'x', sizeof body);
        body[599] = 0;
        kit_put(&k, "secret", ways[i], body);
        VD_AUTO_BUF sealed = raw_body(&k, ways[i], 1);
        assert_true(in_file(&k, "store.db", vd_span_part(vd_buf_span(&sealed), 24, 64)) ||
                    in_file(&k, "store.db-wal", vd_span_part(vd_buf_span(&sealed), 24, 64)));
        if (i == 0)
            kit_put(&k, "secret", ways[i], "new");
        else
            kit_remove(&k, "secret", ways[i]);
        for (size_t at = 0; at + 16 <= sealed.n; at += 100) {
            assert_false(in_file(&k, "store.db", vd_span_part(vd_buf_span(&sealed), at, 16)));
            assert_false(in_file(&k, "store.db-wal", vd_span_part(vd_buf_span(&sealed), at, 16)));
        }
    }
}

static void small_values_are_kept(void **state)
{
    (void)state;
    KIT k = kit_new();
    VD_AUTO_BUF b = vd_buf_of(1 << 20);
    assert_rc(VD_E_NOT_FOUND, vd_store_meta_get(k.s, "seen", &b, NULL));
    assert_ok(vd_store_meta_put(k.s, "seen", VD_LIT("17"), NULL));
    assert_ok(vd_store_meta_put(k.s, "empty", VD_SPAN_NONE, NULL));
    assert_ok(vd_store_meta_put(k.s, "program", VD_LIT("not the store's own"), NULL));
    assert_ok(vd_store_meta_put(k.s, "seen", VD_LIT("18"), NULL));
    kit_close(&k);
    kit_open(&k);
    assert_ok(vd_store_meta_get(k.s, "seen", &b, NULL));
    assert_span_str(vd_buf_span(&b), "18");
    vd_buf_reset(&b);
    assert_ok(vd_store_meta_get(k.s, "empty", &b, NULL));
    assert_int_equal(b.n, 0);
    assert_rc(VD_E_TOO_LARGE, vd_store_meta_put(k.s, "big", vd_span_of("", 1 << 20), NULL));
    assert_rc(
        VD_E_TOO_LARGE,
        vd_store_meta_put(
            k.s,
            "a-key-that-is-much-too-long-a-key-that-is-much-too-long-a-key-that-is-much-too-long-"
            "a-key-that-is-much-too-long-a-key-that-is-much-too-long-a-key-that-is-much-too-long-"
            "a-key-that-is-much-too-long-a-key-that-is-much-too-long-a-key-that-is-much-too-long-",
            VD_LIT("x"), NULL));
}

static void audit_sequences_are_found(void **state)
{
    (void)state;
    KIT k = kit_new();
    for (uint64_t i = 1; i < 50; i += 2) {
        struct vd_put p = kit_put_of("secret", "s", "x");
        assert_ok(vd_store_put(k.s, &p, 1, i, NULL));
    }
    for (uint64_t i = 1; i < 50; i++) {
        bool there = false;
        assert_ok(vd_store_has_audit_seq(k.s, i, &there, NULL));
        assert_int_equal(there, i % 2);
    }
}

static void a_large_secret_is_kept(void **state)
{
    (void)state;
    KIT k = kit_new();
    VD_AUTO_BUF body = vd_buf_of(32 << 20);
    size_t n = 10 << 20;
    memset(vd_buf_extend(&body, n), 'x', n);
    struct vd_put p = kit_put_of("secret", "big", NULL);
    p.body = vd_buf_span(&body);
    assert_ok(vd_store_put(k.s, &p, 1, 0, NULL));
    VD_AUTO_BUF_WIPED out = vd_buf_of(32 << 20);
    assert_ok(vd_store_get_secret_buf(k.s, VD_OWNER_DEFAULT, "secret", "big", &out, NULL, NULL));
    assert_true(vd_span_eq(vd_buf_span(&out), vd_buf_span(&body)));
    VD_AUTO_BUF_WIPED tight = vd_buf_of(100);
    assert_rc(VD_E_TOO_LARGE,
              vd_store_get_secret_buf(k.s, VD_OWNER_DEFAULT, "secret", "big", &tight, NULL, NULL));
}

struct crowd {
    struct kit *k;
    unsigned me;
    _Atomic bool *stop;
    unsigned reads;
};

/* Every body names its object and version: a reader sees whole versions, and never an older one
 * later. */
static void *read_on(void *ctx)
{
    struct crowd *c = ctx;
    uint64_t newest[4] = { 0 };
    while (!*c->stop || c->reads < 200) {
        unsigned i = c->reads++ % 4;
        char name[8];
        char want[32];
        (void)snprintf(name, sizeof name, "s%u", i);
        VD_AUTO_BUF_WIPED out = vd_buf_of(1024);
        uint64_t version = 0;
        if (vd_store_get_secret_buf(c->k->s, VD_OWNER_DEFAULT, "secret", name, &out, &version, NULL)
                .code != VD_E_OK)
            return "read";
        (void)snprintf(want, sizeof want, "%s v%llu", name, (unsigned long long)version);
        if (!vd_span_eq_str(vd_buf_span(&out), want) || version < newest[i])
            return "content";
        newest[i] = version;
    }
    return NULL;
}

static void *write_on(void *ctx)
{
    struct crowd *c = ctx;
    for (unsigned v = 2; v < 60; v++) {
        char name[8];
        char body[32];
        (void)snprintf(name, sizeof name, "s%u", c->me);
        (void)snprintf(body, sizeof body, "%s v%u", name, v);
        struct vd_put p = kit_put_of("secret", name, body);
        p.match = (int64_t)v - 1;
        if (vd_store_put(c->k->s, &p, 1, v, NULL).code != VD_E_OK || p.ret_version != v)
            return "write";
    }
    return NULL;
}

static void readers_and_writers_run_side_by_side(void **state)
{
    (void)state;
    enum { READERS = 6, WRITERS = 4 };
    KIT k = kit_new();
    _Atomic bool stop = false;
    pthread_t t[READERS + WRITERS];
    struct crowd c[READERS + WRITERS];
    for (unsigned i = 0; i < WRITERS; i++) {
        char name[8];
        char body[32];
        (void)snprintf(name, sizeof name, "s%u", i);
        (void)snprintf(body, sizeof body, "%s v1", name);
        kit_put(&k, "secret", name, body);
    }
    for (unsigned i = 0; i < READERS + WRITERS; i++) {
        c[i] = (struct crowd){ .k = &k, .me = i, .stop = &stop };
        assert_int_equal(pthread_create(&t[i], NULL, i < WRITERS ? write_on : read_on, &c[i]), 0);
    }
    for (unsigned i = 0; i < READERS + WRITERS; i++) {
        void *bad = NULL;
        if (i == WRITERS)
            stop = true;
        (void)pthread_join(t[i], &bad);
        if (bad)
            print_error("thread %u: %s\n", i, (const char *)bad);
        assert_null(bad);
    }
    assert_int_equal(vd_store_epoch(k.s), 1 + WRITERS + WRITERS * 58);
}

static double us_now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void a_warm_secret_is_read_fast(void **state)
{
    (void)state;
    enum { N = 2000 };
    KIT k = kit_new();
    kit_put(&k, "secret", "default/key/1", "0123456789abcdef0123456789abcdef");
    VD_AUTO_BUF_WIPED out = vd_buf_of(1024);
    double start = us_now();
    for (int i = 0; i < N; i++) {
        vd_buf_reset(&out);
        assert_ok(vd_store_get_secret_buf(k.s, VD_OWNER_DEFAULT, "secret", "default/key/1", &out,
                                          NULL, NULL));
    }
    print_message("store: %.1f us for a warm secret\n", (us_now() - start) / N);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_put_is_got_and_outlasts_a_restart),
        cmocka_unit_test(metadata_is_complete),
        cmocka_unit_test(a_sealed_object_shows_no_plaintext_and_no_digest_of_it),
        cmocka_unit_test(unknown_names_are_not_found),
        cmocka_unit_test(match_decides_as_if_match_and_if_none_match),
        cmocka_unit_test(bad_puts_are_refused_before_anything_is_written),
        cmocka_unit_test(a_bulk_put_is_all_or_nothing),
        cmocka_unit_test(one_bulk_put_may_touch_an_object_twice),
        cmocka_unit_test(listings_are_of_live_names_by_prefix_in_pages),
        cmocka_unit_test(a_listing_may_read_and_write_on_its_way),
        cmocka_unit_test(history_keeps_policies_and_erases_old_secrets),
        cmocka_unit_test(sealed_bytes_of_old_versions_leave_the_files),
        cmocka_unit_test(small_values_are_kept),
        cmocka_unit_test(audit_sequences_are_found),
        cmocka_unit_test(a_large_secret_is_kept),
        cmocka_unit_test(readers_and_writers_run_side_by_side),
        cmocka_unit_test(a_warm_secret_is_read_fast),
    };
    return cmocka_run_group_tests(tests, kit_setup, NULL);
}
