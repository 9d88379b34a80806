/* What an offline hand can do to the file: every change to a row is seen, by name, before a byte of
 * it is used; whole files that are not this store's, are older, newer, cut or scrambled are refused
 * at open. */
#include "tests/unit/shared/store/store_kit.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>

static void sql(const struct kit *k, const char *text)
{
    sqlite3 *db = NULL;
    char *why = NULL;
    assert_int_equal(sqlite3_open(k->path, &db), SQLITE_OK);
    (void)sqlite3_busy_timeout(db, 1000);
    if (sqlite3_exec(db, text, NULL, NULL, &why) != SQLITE_OK) {
        print_error("%s: %s\n", text, why);
        fail();
    }
    sqlite3_free(why);
    (void)sqlite3_close(db);
}

static vd_rc_ read_secret(struct kit *k, const char *name, vd_err *err)
{
    VD_AUTO_BUF_WIPED out = vd_buf_of(4096);
    vd_rc_ rc = vd_store_get_secret_buf(k->s, VD_OWNER_DEFAULT, "secret", name, &out, NULL, err);
    if (rc.code != VD_E_OK)
        assert_int_equal(out.n, 0);
    return rc;
}

static void every_flipped_bit_of_every_column_is_seen(void **state)
{
    (void)state;
    static const char *const columns[] = { "body",       "mac",  "sha256", "name",
                                           "created_by", "kind", "owner" };
    KIT k = kit_new();
    kit_put(&k, "secret", "s", "0123456789");
    size_t tried = 0;
    for (size_t c = 0; c < sizeof columns / sizeof columns[0]; c++) {
        sqlite3 *db = NULL;
        sqlite3_stmt *get = NULL;
        sqlite3_stmt *set = NULL;
        char text[200];
        assert_int_equal(sqlite3_open(k.path, &db), SQLITE_OK);
        (void)snprintf(text, sizeof text, "SELECT CAST(%s AS BLOB) FROM object WHERE id=1",
                       columns[c]);
        assert_int_equal(sqlite3_prepare_v2(db, text, -1, &get, NULL), SQLITE_OK);
        (void)snprintf(text, sizeof text, "UPDATE object SET %s=CAST(?1 AS %s) WHERE id=1",
                       columns[c], c < 3 ? "BLOB" : "TEXT");
        assert_int_equal(sqlite3_prepare_v2(db, text, -1, &set, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_step(get), SQLITE_ROW);
        uint8_t bytes[200];
        size_t n = (size_t)sqlite3_column_bytes(get, 0);
        assert_in_range(n, 1, sizeof bytes);
        memcpy(bytes, sqlite3_column_blob(get, 0), n);
        (void)sqlite3_reset(get);
        for (size_t bit = 0; bit <= n * 8; bit++) {
            /* The last round writes the genuine bytes back. */
            if (bit < n * 8)
                bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
            (void)sqlite3_bind_blob(set, 1, bytes, (int)n, SQLITE_STATIC);
            assert_int_equal(sqlite3_step(set), SQLITE_DONE);
            (void)sqlite3_reset(set);
            vd_err err = { 0 };
            vd_code got = read_secret(&k, "s", &err).code;
            if (bit == n * 8) {
                assert_int_equal(got, VD_E_OK);
                break;
            }
            /* A row whose name was changed is another row, which does not open either. */
            bool renamed = c == 3 || c == 5 || c == 6;
            assert_int_equal(got, renamed ? VD_E_NOT_FOUND : VD_E_STORE_CORRUPT);
            if (!renamed)
                assert_non_null(strstr(err.msg, "secret s version 1"));
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
            tried++;
        }
        (void)sqlite3_finalize(get);
        (void)sqlite3_finalize(set);
        (void)sqlite3_close(db);
    }
    print_message("store: %zu flipped bits in a row\n", tried);
}

static bool count_one(void *ctx, const struct vd_object *o)
{
    (void)o;
    (*(size_t *)ctx)++;
    return true;
}

static void every_way_to_change_a_row_is_seen(void **state)
{
    (void)state;
    static const struct {
        const char *label;
        const char *sql;
        const char *name;
        vd_code want;
    } cases[] = {
        { "version raised", "UPDATE object SET version=9 WHERE name='a'", "a", VD_E_STORE_CORRUPT },
        { "state changed", "UPDATE object SET state=2 WHERE name='a'", "a", VD_E_STORE_CORRUPT },
        { "a deletion undone", "UPDATE object SET state=0 WHERE name='gone'", "gone",
          VD_E_STORE_CORRUPT },
        { "called unsealed", "UPDATE object SET key_epoch=0 WHERE name='a'", "a",
          VD_E_STORE_CORRUPT },
        { "another epoch", "UPDATE object SET key_epoch=2 WHERE name='a'", "a",
          VD_E_STORE_CORRUPT },
        { "size", "UPDATE object SET size=1 WHERE name='a'", "a", VD_E_STORE_CORRUPT },
        { "time", "UPDATE object SET created_at=1 WHERE name='a'", "a", VD_E_STORE_CORRUPT },
        { "author", "UPDATE object SET created_by='root' WHERE name='a'", "a", VD_E_STORE_CORRUPT },
        { "audit sequence", "UPDATE object SET audit_seq=1 WHERE name='a'", "a",
          VD_E_STORE_CORRUPT },
        { "body gone", "UPDATE object SET body=NULL WHERE name='a'", "a", VD_E_STORE_CORRUPT },
        { "body empty", "UPDATE object SET body=x'' WHERE name='a'", "a", VD_E_STORE_CORRUPT },
        { "mac empty", "UPDATE object SET mac=x'' WHERE name='a'", "a", VD_E_STORE_CORRUPT },
        { "bodies swapped",
          "UPDATE object SET body=(SELECT body FROM object WHERE name='b') WHERE name='a'", "a",
          VD_E_STORE_CORRUPT },
        { "bodies and MACs swapped",
          "UPDATE object SET (body,mac,sha256)=(SELECT body,mac,sha256 FROM object WHERE name='b') "
          "WHERE name='a'",
          "a", VD_E_STORE_CORRUPT },
        { "rows swapped",
          "UPDATE object SET name='x' WHERE name='a'; UPDATE object SET name='a' WHERE name='b'; "
          "UPDATE object SET name='b' WHERE name='x'",
          "a", VD_E_STORE_CORRUPT },
        { "moved to another owner", "UPDATE object SET owner='default' WHERE owner='other'",
          "theirs", VD_E_STORE_CORRUPT },
        { "moved to another kind", "UPDATE object SET kind='secret' WHERE kind='release-policy'",
          "p", VD_E_STORE_CORRUPT },
        { "an old version put on top",
          "INSERT INTO object SELECT "
          "NULL,owner,kind,name,9,state,key_epoch,sha256,size,body,created_at,"
          "created_by,audit_seq,mac FROM object WHERE name='a'",
          "a", VD_E_STORE_CORRUPT },
        { "a row of one's own",
          "INSERT INTO object "
          "VALUES(NULL,'default','secret','mine',1,0,0,zeroblob(32),1,x'00',1,'me',0,zeroblob(32))",
          "mine", VD_E_STORE_CORRUPT },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        KIT k = kit_new();
        kit_put(&k, "secret", "a", "body of a");
        kit_put(&k, "secret", "b", "body of b");
        kit_put(&k, "secret", "gone", "x");
        kit_remove(&k, "secret", "gone");
        kit_put(&k, "release-policy", "p", "x");
        struct vd_put p = kit_put_of("secret", "theirs", "x");
        p.owner = "other";
        assert_ok(vd_store_put(k.s, &p, 1, 5, NULL));
        for (int restart = 0; restart < 2; restart++) {
            if (restart)
                kit_close(&k);
            else
                sql(&k, cases[i].sql);
            if (restart)
                kit_open(&k);
            vd_err err = { 0 };
            vd_code got = read_secret(&k, cases[i].name, &err).code;
            if (got != cases[i].want)
                print_error("%s: %d\n", cases[i].label, got);
            assert_int_equal(got, cases[i].want);
            assert_non_null(strstr(err.msg, cases[i].name));
            size_t n = 0;
            assert_rc(VD_E_STORE_CORRUPT, vd_store_list(k.s, VD_OWNER_DEFAULT, "secret", "", NULL,
                                                        count_one, &n, NULL));
            assert_rc(VD_E_STORE_CORRUPT, vd_store_history(k.s, VD_OWNER_DEFAULT, "secret",
                                                           cases[i].name, count_one, &n, NULL));
            struct vd_put q = kit_put_of("secret", cases[i].name, "new");
            q.match = 1;
            assert_rc(VD_E_STORE_CORRUPT, vd_store_put(k.s, &q, 1, 0, NULL));
        }
    }
    print_message("store: %zu ways to change a row\n", sizeof cases / sizeof cases[0]);
}

static void a_damaged_row_is_cured_by_putting_it_again(void **state)
{
    (void)state;
    KIT k = kit_new();
    kit_put(&k, "secret", "a", "body");
    sql(&k, "UPDATE object SET created_by='root' WHERE name='a'");
    assert_int_equal(read_secret(&k, "a", NULL).code, VD_E_STORE_CORRUPT);
    kit_put(&k, "secret", "a", "again");
    kit_expect(&k, "secret", "a", "again");
    /* The old row was erased, not blessed. */
    VD_AUTO_OBJECT o = { 0 };
    assert_rc(VD_E_STORE_CORRUPT, vd_store_get(k.s, VD_OWNER_DEFAULT, "secret", "a", 1, &o, NULL));
    sql(&k, "UPDATE object SET version=9223372036854775807 WHERE name='a' AND version=2");
    struct vd_put p = kit_put_of("secret", "a", "x");
    assert_rc(VD_E_STORE_CORRUPT, vd_store_put(k.s, &p, 1, 0, NULL));
}

static void changed_small_values_are_seen(void **state)
{
    (void)state;
    KIT k = kit_new();
    VD_AUTO_BUF b = vd_buf_of(100);
    assert_ok(vd_store_meta_put(k.s, "a", VD_LIT("1"), NULL));
    assert_ok(vd_store_meta_put(k.s, "b", VD_LIT("2"), NULL));
    sql(&k, "UPDATE meta SET (value,mac)=(SELECT value,mac FROM meta WHERE key='user.b') WHERE "
            "key='user.a'");
    vd_err err = { 0 };
    assert_rc(VD_E_STORE_CORRUPT, vd_store_meta_get(k.s, "a", &b, &err));
    assert_non_null(strstr(err.msg, "user.a"));
    assert_ok(vd_store_meta_put(k.s, "a", VD_LIT("3"), NULL));
    assert_ok(vd_store_meta_get(k.s, "a", &b, NULL));
}

static void files_of_others_and_of_other_times_are_refused_by_name(void **state)
{
    (void)state;
    static const uint8_t other_root[32] = { 8 };
    static const struct {
        const char *label;
        const char *sql;
        const char *program;
        const uint8_t *root;
        vd_code want;
        const char *says;
    } cases[] = {
        { "nothing changed", "SELECT 1", "broker", kit_root, VD_E_OK, NULL },
        { "wrong root key", "SELECT 1", "broker", other_root, VD_E_CONFIG, "another root key" },
        { "wrong root key and program", "SELECT 1", "issuer", other_root, VD_E_CONFIG,
          "another root key" },
        { "another program", "SELECT 1", "issuer", kit_root, VD_E_CONFIG,
          "store of vidimus-broker" },
        { "newer schema", "UPDATE meta SET value=CAST('2' AS BLOB) WHERE key='schema_version'",
          "broker", kit_root, VD_E_CONFIG, "newer version" },
        { "much newer schema",
          "UPDATE meta SET value=CAST('123456789' AS BLOB) WHERE key='schema_version'", "broker",
          kit_root, VD_E_CONFIG, "newer version" },
        { "schema of nothing", "UPDATE meta SET value=CAST('0' AS BLOB) WHERE key='schema_version'",
          "broker", kit_root, VD_E_STORE_CORRUPT, "schema_version" },
        { "schema in words", "UPDATE meta SET value=CAST('one' AS BLOB) WHERE key='schema_version'",
          "broker", kit_root, VD_E_STORE_CORRUPT, "schema_version" },
        { "schema empty", "UPDATE meta SET value=CAST('' AS BLOB) WHERE key='schema_version'",
          "broker", kit_root, VD_E_STORE_CORRUPT, "schema_version" },
        { "schema gone", "DELETE FROM meta WHERE key='schema_version'", "broker", kit_root,
          VD_E_STORE_CORRUPT, "schema_version" },
        { "schema with a foreign mac",
          "UPDATE meta SET mac=zeroblob(32) WHERE key='schema_version'", "broker", kit_root,
          VD_E_STORE_CORRUPT, "schema_version" },
        { "program changed", "UPDATE meta SET value=CAST('issuer' AS BLOB) WHERE key='program'",
          "issuer", kit_root, VD_E_STORE_CORRUPT, "program" },
        { "key check changed", "UPDATE meta SET value=zeroblob(32) WHERE key='key_check'", "broker",
          kit_root, VD_E_STORE_CORRUPT, "key_check" },
        { "key check gone", "DELETE FROM meta WHERE key='key_check'", "broker", kit_root,
          VD_E_STORE_CORRUPT, "key_check" },
        { "data key changed", "UPDATE meta SET value=zeroblob(72) WHERE key='data_key.1'", "broker",
          kit_root, VD_E_STORE_CORRUPT, "data_key" },
        { "data key cut", "UPDATE meta SET value=x'00' WHERE key='data_key.1'", "broker", kit_root,
          VD_E_STORE_CORRUPT, "data_key" },
        { "data key gone", "DELETE FROM meta WHERE key='data_key.1'", "broker", kit_root,
          VD_E_STORE_CORRUPT, "data_key" },
        { "a trigger added",
          "CREATE TRIGGER t AFTER INSERT ON object BEGIN DELETE FROM object; END", "broker",
          kit_root, VD_E_STORE_CORRUPT, "tables" },
        { "a view added", "CREATE VIEW v AS SELECT * FROM object", "broker", kit_root,
          VD_E_STORE_CORRUPT, "tables" },
        { "a table added", "CREATE TABLE t(x)", "broker", kit_root, VD_E_STORE_CORRUPT, "tables" },
        { "an index gone", "DROP INDEX object_by_name", "broker", kit_root, VD_E_STORE_CORRUPT,
          "tables" },
        { "the table gone", "DROP TABLE object", "broker", kit_root, VD_E_STORE_CORRUPT, "tables" },
        { "the values gone", "DROP TABLE meta", "broker", kit_root, VD_E_STORE_CORRUPT, "meta" },
        { "another application", "PRAGMA application_id=1", "broker", kit_root, VD_E_CONFIG,
          "another application" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        KIT k = kit_new();
        kit_put(&k, "secret", "s", "x");
        kit_close(&k);
        sql(&k, cases[i].sql);
        k.cfg.program = cases[i].program;
        k.cfg.root = cases[i].root;
        vd_err err = { 0 };
        vd_rc_ rc = vd_store_open(&k.cfg, &k.s, &err);
        if (rc.code != cases[i].want)
            print_error("%s: %d %s\n", cases[i].label, rc.code, err.msg);
        assert_int_equal(rc.code, cases[i].want);
        if (!cases[i].says)
            continue;
        assert_null(k.s);
        if (!strstr(err.msg, cases[i].says) || !strstr(err.msg, k.path))
            print_error("%s: %s\n", cases[i].label, err.msg);
        assert_non_null(strstr(err.msg, cases[i].says));
        assert_non_null(strstr(err.msg, k.path));
    }
    print_message("store: %zu files that are not this store's\n", sizeof cases / sizeof cases[0]);
}

static void creating_never_overwrites_and_opening_never_creates(void **state)
{
    (void)state;
    KIT k = kit_new();
    struct stat st;
    vd_err err = { 0 };
    assert_rc(VD_E_EXISTS, vd_store_create(&k.cfg, &err));
    assert_int_equal(stat(k.path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    kit_close(&k);
    VD_AUTO(free) char *none = kit_path(k.dir, "none.db");
    struct vd_store_cfg cfg = k.cfg;
    cfg.path = none;
    vd_err_clear(&err);
    assert_rc(VD_E_FILE, vd_store_open(&cfg, &k.s, &err));
    assert_non_null(strstr(err.msg, none));
    assert_non_null(strstr(err.msg, "vidimus-broker init"));
    assert_int_not_equal(stat(none, &st), 0);
    cfg.path = k.dir;
    assert_rc(VD_E_FILE, vd_store_open(&cfg, &k.s, NULL));
    assert_rc(VD_E_EXISTS, vd_store_create(&cfg, NULL));
    VD_AUTO(free) char *nowhere = kit_path(k.dir, "no/such/folder.db");
    cfg.path = nowhere;
    assert_rc(VD_E_FILE, vd_store_create(&cfg, NULL));
    /* What an interrupted creation left is in nobody's way. */
    VD_AUTO(free) char *again = kit_path(k.dir, "again.db");
    VD_AUTO(free) char *left = kit_path(k.dir, "again.db.new");
    VD_AUTO(fclose) FILE *f = fopen(left, "wb");
    assert_non_null(f);
    assert_int_equal(fputs("left over", f) >= 0, 1);
    cfg.path = again;
    assert_ok(vd_store_create(&cfg, NULL));
    assert_ok(vd_store_open(&cfg, &k.s, NULL));
    assert_int_not_equal(stat(left, &st), 0);
}

static void write_bytes(const char *path, const uint8_t *p, size_t n)
{
    VD_AUTO(fclose) FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(p, 1, n, f), n);
}

/* Opens what stands at the path, reads everything; no crash, and never other contents than were
 * put. */
static vd_code try_all(struct kit *k)
{
    vd_rc_ rc = vd_store_open(&k->cfg, &k->s, NULL);
    if (rc.code != VD_E_OK)
        return rc.code;
    for (int i = 0; i < 20 && rc.code == VD_E_OK; i++) {
        char name[8];
        VD_AUTO_BUF_WIPED out = vd_buf_of(4096);
        (void)snprintf(name, sizeof name, "n%d", i);
        rc = vd_store_get_secret_buf(k->s, VD_OWNER_DEFAULT, "secret", name, &out, NULL, NULL);
        if (rc.code == VD_E_OK)
            assert_span_str(vd_buf_span(&out), name);
    }
    kit_close(k);
    return rc.code;
}

static void damaged_files_are_refused_or_read_correctly(void **state)
{
    (void)state;
    KIT k = kit_new();
    for (int i = 0; i < 20; i++) {
        char name[8];
        (void)snprintf(name, sizeof name, "n%d", i);
        kit_put(&k, "secret", name, name);
    }
    kit_close(&k);
    static uint8_t good[1 << 20];
    static uint8_t bad[1 << 20];
    FILE *f = fopen(k.path, "rb");
    assert_non_null(f);
    size_t n = fread(good, 1, sizeof good, f);
    (void)fclose(f);
    assert_in_range(n, 20000, sizeof good - 1);

    size_t refused = 0;
    size_t harmless = 0;
    /* Each page: its header flipped byte by byte, and the page zeroed. */
    for (size_t page = 0; page < n; page += 4096)
        for (size_t i = 0; i <= 12; i++) {
            memcpy(bad, good, n);
            size_t at = page + (page == 0 ? 100 : 0);
            if (i < 12)
                bad[at + i] ^= 0xff;
            else
                memset(bad + page, 0, 4096);
            write_bytes(k.path, bad, n);
            *(try_all(&k) == VD_E_OK ? &harmless : &refused) += 1;
        }
    for (size_t at = 0; at < n; at += 61) {
        memcpy(bad, good, n);
        bad[at] ^= (uint8_t)(1u << at % 8);
        write_bytes(k.path, bad, n);
        *(try_all(&k) == VD_E_OK ? &harmless : &refused) += 1;
    }
    for (size_t cut = 0; cut < n; cut += cut < 200 ? 1 : 509) {
        write_bytes(k.path, good, cut);
        vd_code got = try_all(&k);
        assert_int_equal(got, VD_E_STORE_CORRUPT);
        refused++;
    }
    for (size_t i = 0; i < n; i++)
        bad[i] = (uint8_t)(i * 2654435761u >> 13);
    write_bytes(k.path, bad, n);
    assert_int_equal(try_all(&k), VD_E_STORE_CORRUPT);
    write_bytes(k.path, good, n);
    assert_int_equal(try_all(&k), VD_E_OK);
    print_message("store: %zu damaged files refused, %zu harmless\n", refused, harmless);
    assert_true(refused > harmless);
}

static void a_file_that_cannot_be_written_is_refused(void **state)
{
    (void)state;
    if (geteuid() == 0)
        skip(); /* root writes everything */
    KIT k = kit_new();
    kit_close(&k);
    assert_int_equal(chmod(k.path, 0400), 0);
    vd_err err = { 0 };
    vd_rc_ rc = vd_store_open(&k.cfg, &k.s, &err);
    assert_true(rc.code == VD_E_STORE || rc.code == VD_E_FILE);
    assert_non_null(strstr(err.msg, k.path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_flipped_bit_of_every_column_is_seen),
        cmocka_unit_test(every_way_to_change_a_row_is_seen),
        cmocka_unit_test(a_damaged_row_is_cured_by_putting_it_again),
        cmocka_unit_test(changed_small_values_are_seen),
        cmocka_unit_test(files_of_others_and_of_other_times_are_refused_by_name),
        cmocka_unit_test(creating_never_overwrites_and_opening_never_creates),
        cmocka_unit_test(damaged_files_are_refused_or_read_correctly),
        cmocka_unit_test(a_file_that_cannot_be_written_is_refused),
    };
    return cmocka_run_group_tests(tests, kit_setup, NULL);
}
