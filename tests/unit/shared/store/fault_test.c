/* The disk fails: every write and every sync of a put in turn, as full and as broken. Nothing is
 * acknowledged that is not durable, nothing is half done, a full disk recovers, a broken one stops.
 */
#include "tests/unit/shared/store/store_kit.h"

#include <sqlite3.h>

/* A VFS in front of the real one. The countdowns reach 0 at the call that fails; negative: never.
 */
static struct {
    int write_in;
    int sync_in;
    int code;
    int writes;
    int syncs;
    bool lasting; /* all later calls fail too */
} fault = { -1, -1, 0, 0, 0, false };

struct shim {
    sqlite3_file base;
    sqlite3_file *real;
};

static sqlite3_file *real_of(sqlite3_file *f)
{
    return ((struct shim *)f)->real;
}

static bool fails(int *countdown)
{
    if (*countdown < 0)
        return false;
    if (*countdown == 0) {
        *countdown = fault.lasting ? 0 : -1;
        return true;
    }
    --*countdown;
    return false;
}

static int shim_close(sqlite3_file *f)
{
    int code = real_of(f)->pMethods->xClose(real_of(f));
    sqlite3_free(real_of(f));
    return code;
}

static int shim_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
    return real_of(f)->pMethods->xRead(real_of(f), p, n, at);
}

/* A write that fails has written half: what a full disk does. */
static int shim_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
    fault.writes++;
    if (fails(&fault.write_in)) {
        (void)real_of(f)->pMethods->xWrite(real_of(f), p, n / 2, at);
        return fault.code;
    }
    return real_of(f)->pMethods->xWrite(real_of(f), p, n, at);
}

static int shim_truncate(sqlite3_file *f, sqlite3_int64 n)
{
    return real_of(f)->pMethods->xTruncate(real_of(f), n);
}

static int shim_sync(sqlite3_file *f, int flags)
{
    fault.syncs++;
    return fails(&fault.sync_in) ? SQLITE_IOERR_FSYNC
                                 : real_of(f)->pMethods->xSync(real_of(f), flags);
}

static int shim_size(sqlite3_file *f, sqlite3_int64 *n)
{
    return real_of(f)->pMethods->xFileSize(real_of(f), n);
}

static int shim_lock(sqlite3_file *f, int level)
{
    return real_of(f)->pMethods->xLock(real_of(f), level);
}

static int shim_unlock(sqlite3_file *f, int level)
{
    return real_of(f)->pMethods->xUnlock(real_of(f), level);
}

static int shim_reserved(sqlite3_file *f, int *ret)
{
    return real_of(f)->pMethods->xCheckReservedLock(real_of(f), ret);
}

static int shim_control(sqlite3_file *f, int op, void *arg)
{
    return real_of(f)->pMethods->xFileControl(real_of(f), op, arg);
}

static int shim_sector(sqlite3_file *f)
{
    return real_of(f)->pMethods->xSectorSize(real_of(f));
}

static int shim_traits(sqlite3_file *f)
{
    return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f));
}

static int shim_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **ret)
{
    return real_of(f)->pMethods->xShmMap(real_of(f), page, size, extend, ret);
}

static int shim_shm_lock(sqlite3_file *f, int at, int n, int flags)
{
    return real_of(f)->pMethods->xShmLock(real_of(f), at, n, flags);
}

static void shim_shm_barrier(sqlite3_file *f)
{
    real_of(f)->pMethods->xShmBarrier(real_of(f));
}

static int shim_shm_unmap(sqlite3_file *f, int gone)
{
    return real_of(f)->pMethods->xShmUnmap(real_of(f), gone);
}

static const sqlite3_io_methods shim_methods = {
    .iVersion = 2,
    .xClose = shim_close,
    .xRead = shim_read,
    .xWrite = shim_write,
    .xTruncate = shim_truncate,
    .xSync = shim_sync,
    .xFileSize = shim_size,
    .xLock = shim_lock,
    .xUnlock = shim_unlock,
    .xCheckReservedLock = shim_reserved,
    .xFileControl = shim_control,
    .xSectorSize = shim_sector,
    .xDeviceCharacteristics = shim_traits,
    .xShmMap = shim_shm_map,
    .xShmLock = shim_shm_lock,
    .xShmBarrier = shim_shm_barrier,
    .xShmUnmap = shim_shm_unmap,
};

static int shim_open(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *ret_flags)
{
    sqlite3_vfs *real = v->pAppData;
    struct shim *s = (struct shim *)f;
    s->base.pMethods = NULL;
    s->real = sqlite3_malloc(real->szOsFile);
    if (!s->real)
        return SQLITE_NOMEM;
    memset(s->real, 0, (size_t)real->szOsFile);
    int code = real->xOpen(real, name, s->real, flags, ret_flags);
    if (code == SQLITE_OK)
        s->base.pMethods = &shim_methods;
    else
        sqlite3_free(s->real);
    return code;
}

static void no_fault(void)
{
    fault.write_in = fault.sync_in = -1;
    fault.lasting = false;
}

static int setup(void **state)
{
    static sqlite3_vfs shim;
    sqlite3_vfs *real = sqlite3_vfs_find(NULL);
    shim = *real;
    shim.zName = "shim";
    shim.szOsFile = (int)sizeof(struct shim);
    shim.pAppData = real;
    shim.xOpen = shim_open;
    return sqlite3_vfs_register(&shim, 1) == SQLITE_OK ? kit_setup(state) : 1;
}

enum { PUTS = 5 };

static vd_rc_ put_many(struct kit *k, const char *body, vd_err *err)
{
    static char names[PUTS][8];
    struct vd_put puts[PUTS];
    for (size_t i = 0; i < PUTS; i++) {
        (void)snprintf(names[i], sizeof names[i], "n%zu", i);
        puts[i] = kit_put_of("secret", names[i], body);
    }
    return vd_store_put(k->s, puts, PUTS, 0, err);
}

/* The version all of them have; half-done work fails the test. */
static int whole_state(struct kit *k, const char *old, const char *new)
{
    int is_new = -1;
    for (size_t i = 0; i < PUTS; i++) {
        char name[8];
        VD_AUTO_BUF_WIPED out = vd_buf_of(4096);
        (void)snprintf(name, sizeof name, "n%zu", i);
        assert_ok(
            vd_store_get_secret_buf(k->s, VD_OWNER_DEFAULT, "secret", name, &out, NULL, NULL));
        int this = vd_span_eq_str(vd_buf_span(&out), new);
        assert_true(this || vd_span_eq_str(vd_buf_span(&out), old));
        assert_true(is_new == -1 || is_new == this);
        is_new = this;
    }
    return is_new;
}

static void a_full_disk_changes_nothing_and_recovers(void **state)
{
    (void)state;
    size_t tried = 0;
    for (int lasting = 0; lasting < 2; lasting++)
        for (int n = 0;; n++) {
            KIT k = kit_new();
            vd_err err = { 0 };
            assert_ok(put_many(&k, "old", NULL));
            fault.code = SQLITE_FULL;
            fault.lasting = lasting;
            fault.write_in = n;
            vd_rc_ rc = put_many(&k, "new", &err);
            bool hit = fault.write_in <= 0 && (lasting || fault.write_in < 0);
            no_fault();
            if (rc.code != VD_E_OK) {
                assert_int_equal(rc.code, VD_E_STORE);
                assert_non_null(strstr(err.msg, "free space"));
                assert_true(vd_store_ok(k.s));
                assert_int_equal(whole_state(&k, "old", "new"), 0);
                assert_ok(put_many(&k, "newer", NULL));
                assert_int_equal(whole_state(&k, "old", "newer"), 1);
                kit_close(&k);
                kit_open(&k);
                assert_int_equal(whole_state(&k, "old", "newer"), 1);
                tried++;
            } else
                assert_int_equal(whole_state(&k, "old", "new"), 1);
            if (!hit)
                break;
        }
    print_message("store: %zu writes on a full disk\n", tried);
    assert_true(tried > 10);
}

static void after_an_error_of_a_commit_nothing_is_written_until_it_is_read_back(void **state)
{
    (void)state;
    size_t stopped = 0;
    size_t kept = 0;
    for (int sync = 0; sync < 2; sync++)
        for (int n = 0;; n++) {
            KIT k = kit_new();
            vd_err err = { 0 };
            assert_ok(put_many(&k, "old", NULL));
            fault.code = SQLITE_IOERR_WRITE;
            *(sync ? &fault.sync_in : &fault.write_in) = n;
            vd_rc_ rc = put_many(&k, "new", &err);
            bool hit = (sync ? fault.sync_in : fault.write_in) < 0;
            no_fault();
            if (rc.code != VD_E_OK) {
                assert_int_equal(rc.code, VD_E_STORE);
                assert_int_equal(whole_state(&k, "old", "new"), 0);
                if (!vd_store_ok(k.s)) {
                    vd_err_clear(&err);
                    assert_int_equal(put_many(&k, "newer", &err).code, VD_E_STORE);
                    assert_non_null(strstr(err.msg, "restart"));
                    assert_rc(VD_E_STORE, vd_store_meta_put(k.s, "a", VD_LIT("1"), NULL));
                    stopped++;
                }
                kit_close(&k);
                kit_open(&k);
                kept += (size_t)whole_state(&k, "old", "new");
                assert_ok(put_many(&k, "newest", NULL));
            } else
                assert_int_equal(whole_state(&k, "old", "new"), 1);
            if (!hit)
                break;
        }
    print_message("store: %zu commits in doubt, %zu of them were in the log after all\n", stopped,
                  kept);
    assert_true(stopped > 5);
}

static void creation_that_fails_leaves_nothing(void **state)
{
    (void)state;
    size_t tried = 0;
    for (int sync = 0; sync < 2; sync++)
        for (int n = 0;; n++) {
            VD_AUTO(free) char *dir = vd_test_dir("store");
            VD_AUTO(free) char *path = kit_path(dir, "s.db");
            struct vd_store_cfg cfg = { .path = path, .program = "broker", .root = kit_root };
            fault.code = SQLITE_FULL;
            *(sync ? &fault.sync_in : &fault.write_in) = n;
            vd_rc_ rc = vd_store_create(&cfg, NULL);
            bool hit = (sync ? fault.sync_in : fault.write_in) < 0;
            no_fault();
            if (rc.code != VD_E_OK) {
                assert_int_not_equal(access(path, F_OK), 0);
                VD_AUTO(free) char *draft = kit_path(dir, "s.db.new");
                assert_int_not_equal(access(draft, F_OK), 0);
                assert_ok(vd_store_create(&cfg, NULL));
                tried++;
            }
            if (!hit)
                break;
        }
    print_message("store: %zu creations on a failing disk\n", tried);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_disk_changes_nothing_and_recovers),
        cmocka_unit_test(after_an_error_of_a_commit_nothing_is_written_until_it_is_read_back),
        cmocka_unit_test(creation_that_fails_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
