/* Creating and opening: whose file it is, which schema, which root key, and that nothing is
 * missing. Rows are checked when they are read, so that a large store is ready as fast as a small
 * one. */
#include "shared/store/sqlite/sqlite_priv.h"

#include <errno.h>
#include <sys/stat.h>

#include "shared/base/file.h"
#include "shared/crypto/seal.h"

/* Up to this size SQLite's own check of all pages costs a few milliseconds, so it is done. */
enum { QUICK_CHECK = 8 << 20, DATA_KEY = 32 };

#define DATA_KEY_NAME "data_key.1"

struct keys {
    uint8_t check[32]; /* says in meta which root key it was, and nothing about the key */
    uint8_t wrap[32];
    uint8_t mac[32];
};

static void keys_wipe(struct keys *k)
{
    vd_wipe(k, sizeof *k);
}

static void keys_derive(const uint8_t *root, struct keys *ret)
{
    vd_derive(root, "store root key check", ret->check);
    vd_derive(root, "store data key wrap", ret->wrap);
    vd_derive(root, "store row mac", ret->mac);
}

static void data_key_aad(vd_buf *out)
{
    static const vd_span texts[] = { { (const uint8_t *)"vidimus1", 8 },
                                     { (const uint8_t *)"data key", 8 } };
    for (size_t i = 0; i < 2; i++) {
        vd_buf_be(out, texts[i].n, 8);
        vd_buf_add(out, texts[i]);
    }
    vd_buf_be(out, 8, 8);
    vd_buf_be(out, VD_SQL_EPOCH, 8);
}

static vd_rc fill_meta(struct vd_sql *c, const struct keys *k, const char *program, vd_err *err)
{
    VD_AUTO_SECRET key = { 0 };
    VD_TRY(vd_secret_new(DATA_KEY, &key, err));
    vd_random(key.p, key.n);
    VD_AUTO_BUF aad = vd_buf_of(256);
    VD_AUTO_BUF wrapped = vd_buf_of(256);
    data_key_aad(&aad);
    VD_TRY(vd_seal(k->wrap, vd_secret_span(&key), vd_buf_span(&aad), &wrapped, err));
    VD_TRY(vd_sql_run(c, VD_SQL_BEGIN_WRITE, "creating", err));
    VD_TRY(vd_sql_meta_put(c, k->mac, "program", vd_span_str(program), err));
    VD_TRY(vd_sql_meta_put(c, k->mac, "key_check", vd_span_of(k->check, sizeof k->check), err));
    VD_TRY(vd_sql_meta_put(c, k->mac, DATA_KEY_NAME, vd_buf_span(&wrapped), err));
    return vd_sql_run(c, VD_SQL_COMMIT, "creating", err);
}

static vd_rc fill(const char *path, const struct vd_store_cfg *cfg, vd_err *err)
{
    __attribute__((cleanup(keys_wipe))) struct keys k;
    keys_derive(cfg->root, &k);
    VD_AUTO(vd_sql_close) struct vd_sql *c = NULL;
    VD_TRY(vd_sql_open(path, false, &c, err));
    char pragma[64];
    (void)snprintf(pragma, sizeof pragma, "PRAGMA application_id=%d", VD_SQL_APPLICATION);
    VD_TRY(vd_sql_exec(c, pragma, "creating", err));
    VD_TRY(vd_sql_exec(c, "PRAGMA journal_mode=WAL", "creating", err));
    VD_TRY(vd_sql_migrate(c, k.mac, 0, err));
    VD_TRY(fill_meta(c, &k, cfg->program, err));
    /* Leaves one whole file that can get its name. */
    return vd_sql_exec(c, "PRAGMA wal_checkpoint(TRUNCATE)", "creating", err);
}

static void unlink_with_logs(const char *path)
{
    static const char *const ends[] = { "", "-wal", "-shm", "-journal" };
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        VD_AUTO_BUF name = vd_buf_of(8192);
        vd_buf_printf(&name, "%s%s", path, ends[i]);
        const char *text = vd_buf_cstr(&name);
        if (text)
            (void)unlink(text);
    }
}

vd_rc vd_store_create(const struct vd_store_cfg *cfg, vd_err *err)
{
    struct stat st;
    if (lstat(cfg->path, &st) == 0)
        return vd_fail(err, VD_E_EXISTS, "%s: exists already", cfg->path);
    VD_AUTO_BUF draft = vd_buf_of(8192);
    vd_buf_printf(&draft, "%s.new", cfg->path);
    const char *path = vd_buf_cstr(&draft);
    if (!path)
        return vd_fail(err, VD_E_FILE, "%s: name is too long", cfg->path);
    unlink_with_logs(path);                          /* left by an attempt that was killed */
    VD_TRY(vd_file_create(path, VD_SPAN_NONE, err)); /* owner-only from the first moment */
    vd_rc_ rc = fill(path, cfg, err);
    if (rc.code == VD_E_OK)
        rc = vd_file_publish(path, cfg->path, err);
    if (rc.code != VD_E_OK)
        unlink_with_logs(path);
    return rc;
}

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Size of a file beside the store, 0 when there is none. */
static uint64_t size_beside(const char *path, const char *end)
{
    VD_AUTO_BUF name = vd_buf_of(8192);
    vd_buf_printf(&name, "%s%s", path, end);
    const char *text = vd_buf_cstr(&name);
    struct stat st;
    return text && stat(text, &st) == 0 && st.st_size > 0 ? (uint64_t)st.st_size : 0;
}

/* The first 100 bytes of the file, SQLite's file format document, section 1.3. */
static vd_rc check_header(const struct vd_store_cfg *cfg, uint64_t *ret_size, vd_err *err)
{
    VD_AUTO(fclose) FILE *f = fopen(cfg->path, "rbe");
    if (!f && errno == ENOENT)
        return vd_fail(err, VD_E_FILE, "%s: the store is missing; create it with vidimus-%s init",
                       cfg->path, cfg->program);
    if (!f)
        return vd_fail(err, VD_E_FILE, "%s: %s", cfg->path, strerror(errno));
    struct stat st;
    if (fstat(fileno(f), &st) != 0 || !S_ISREG(st.st_mode))
        return vd_fail(err, VD_E_FILE, "%s: is not a file", cfg->path);
    uint8_t h[100];
    size_t n = fread(h, 1, sizeof h, f);
    if (n < sizeof h || !vd_span_starts(vd_span_of(h, n), VD_LIT("SQLite format 3\0")))
        return vd_fail(err, VD_E_STORE_CORRUPT, "%s: is %s; restore it from a backup", cfg->path,
                       n == 0 ? "empty" : "damaged, or no store at all");
    if (be32(h + 68) != VD_SQL_APPLICATION)
        return vd_fail(err, VD_E_CONFIG,
                       "%s: is a database of another application; set [store] path", cfg->path);
    uint64_t page = be32(h + 16) >> 16;
    uint64_t want = (page == 1 ? 65536 : page) * be32(h + 28);
    /* With a log beside it the file may lag behind its own header: a checkpoint was interrupted. */
    if (want > (uint64_t)st.st_size && size_beside(cfg->path, "-wal") == 0)
        return vd_fail(err, VD_E_STORE_CORRUPT,
                       "%s: is cut off at %lld of %llu bytes; restore it from a backup", cfg->path,
                       (long long)st.st_size, (unsigned long long)want);
    *ret_size = (uint64_t)st.st_size;
    return VD_OK;
}

static vd_rc quick_check(struct vd_sql *c, vd_err *err)
{
    sqlite3_stmt *st = NULL;
    int code = sqlite3_prepare_v2(c->db, "PRAGMA quick_check(1)", -1, &st, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(st);
    vd_rc_ rc = VD_OK;
    if (code != SQLITE_ROW)
        rc = vd_sql_fail(c, code, "checking its pages", err);
    else if (!vd_span_eq_str(vd_span_str((const char *)sqlite3_column_text(st, 0)), "ok"))
        rc = vd_fail(err, VD_E_STORE_CORRUPT, "%s: is damaged (%.80s); restore it from a backup",
                     c->path, (const char *)sqlite3_column_text(st, 0));
    (void)sqlite3_finalize(st);
    return rc;
}

/* A missing value means a damaged file: creation writes all of them in one step. */
static vd_rc need(struct vd_sql *c, const char *key, vd_buf *ret, vd_err *err)
{
    vd_err own = { 0 };
    vd_rc_ rc = vd_sql_meta_raw(c, key, ret, &own);
    if (rc.code == VD_E_NOT_FOUND)
        return vd_fail(err, VD_E_STORE_CORRUPT, "%s: value %s is missing; restore it from a backup",
                       c->path, key);
    if (rc.code != VD_E_OK && err && err->code == VD_E_OK)
        *err = own;
    return rc;
}

static vd_rc check_schema_number(struct vd_sql *c, unsigned *ret, vd_err *err)
{
    VD_AUTO_BUF text = vd_buf_of(64);
    VD_TRY(need(c, "schema_version", &text, err));
    unsigned v = 0;
    for (size_t i = 0; i < text.n && i < 8; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return vd_fail(err, VD_E_STORE_CORRUPT, "%s: value schema_version is no number",
                           c->path);
        v = v * 10 + (unsigned)(text.p[i] - '0');
    }
    if (text.n > 8 || v > vd_sql_schema_newest)
        return vd_fail(err, VD_E_CONFIG,
                       "%s: was written by a newer version (schema %u, this one knows %u); start "
                       "that version, or "
                       "restore a backup",
                       c->path, v, vd_sql_schema_newest);
    if (v == 0)
        return vd_fail(err, VD_E_STORE_CORRUPT, "%s: value schema_version is damaged", c->path);
    *ret = v;
    return VD_OK;
}

/* Two independent witnesses: only when both disagree it is the key, otherwise the file is damaged.
 */
static vd_rc check_root(struct vd_sql *c, const struct keys *k, vd_secret *ret_keys, vd_err *err)
{
    VD_AUTO_BUF check = vd_buf_of(256);
    VD_AUTO_BUF wrapped = vd_buf_of(256);
    VD_AUTO_BUF aad = vd_buf_of(256);
    VD_AUTO_SECRET key = { 0 };
    VD_TRY(need(c, "key_check", &check, err));
    VD_TRY(need(c, DATA_KEY_NAME, &wrapped, err));
    data_key_aad(&aad);
    bool same = vd_ct_equal(vd_buf_span(&check), vd_span_of(k->check, sizeof k->check));
    vd_rc_ rc = vd_unseal_secret(k->wrap, vd_buf_span(&wrapped), vd_buf_span(&aad), &key, NULL);
    if (!same && rc.code == VD_E_STORE_CORRUPT)
        return vd_fail(
            err, VD_E_CONFIG,
            "%s: was made with another root key than [root_key] names; give it the right one",
            c->path);
    if (!same || rc.code != VD_E_OK || key.n != DATA_KEY)
        return vd_fail(err, rc.code == VD_E_NOMEM ? VD_E_NOMEM : VD_E_STORE_CORRUPT,
                       "%s: value %s is damaged; restore it from a backup", c->path,
                       same ? DATA_KEY_NAME : "key_check");
    VD_TRY(vd_secret_new(64, ret_keys, err));
    memcpy(ret_keys->p, k->mac, 32);
    memcpy(ret_keys->p + 32, key.p, 32);
    return VD_OK;
}

static vd_rc check_program(struct vd_sql *c, const struct keys *k, const char *program, vd_err *err)
{
    static const char *const names[] = { "schema_version", "key_check", DATA_KEY_NAME, "program" };
    VD_AUTO_BUF value = vd_buf_of(256);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        vd_buf_reset(&value);
        VD_TRY(vd_sql_meta_get(c, k->mac, names[i], &value, err));
    }
    if (!vd_span_eq_str(vd_buf_span(&value), program))
        return vd_fail(err, VD_E_CONFIG,
                       "%s: is the store of vidimus-%.20s, not of vidimus-%s; set [store] path",
                       c->path, vd_buf_cstr(&value), program);
    return VD_OK;
}

static vd_rc use_log(struct vd_sql *c, vd_err *err)
{
    /* Persistent since creation; written again because a restored copy may have lost it. */
    VD_TRY(vd_sql_exec(c, "PRAGMA journal_mode=WAL", "opening its log", err));
    return VD_OK;
}

static vd_rc check_all(struct vd_store *s, const struct vd_store_cfg *cfg, uint64_t size,
                       vd_err *err)
{
    struct vd_sql *c = s->writer;
    __attribute__((cleanup(keys_wipe))) struct keys k;
    keys_derive(cfg->root, &k);
    unsigned schema = 0;
    VD_TRY(use_log(c, err));
    if (size <= QUICK_CHECK)
        VD_TRY(quick_check(c, err));
    VD_TRY(check_schema_number(c, &schema, err));
    VD_TRY(check_root(c, &k, &s->keys, err));
    VD_TRY(check_program(c, &k, cfg->program, err));
    VD_TRY(vd_sql_migrate(c, k.mac, schema, err));
    return vd_sql_schema_check(c, err);
}

vd_rc vd_store_open(const struct vd_store_cfg *cfg, struct vd_store **ret, vd_err *err)
{
    uint64_t size = 0;
    VD_TRY(check_header(cfg, &size, err));
    VD_AUTO(vd_store_close) struct vd_store *s = calloc(1, sizeof *s);
    if (!s)
        return vd_fail(err, VD_E_NOMEM, "store");
    (void)pthread_mutex_init(&s->write_lock, NULL);
    (void)pthread_mutex_init(&s->pool_lock, NULL);
    atomic_init(&s->epoch, 1);
    s->path = strdup(cfg->path);
    if (!s->path)
        return vd_fail(err, VD_E_NOMEM, "store");
    VD_TRY(vd_sql_open(s->path, false, &s->writer, err));
    VD_TRY(check_all(s, cfg, size, err));
    *ret = VD_TAKE(s);
    return VD_OK;
}

void vd_store_close(struct vd_store *s)
{
    if (!s)
        return;
    while (s->idle) {
        struct vd_sql *c = s->idle;
        s->idle = c->next;
        vd_sql_close(c);
    }
    vd_sql_close(s->writer); /* the last one empties the log into the file */
    vd_secret_done(&s->keys);
    (void)pthread_mutex_destroy(&s->write_lock);
    (void)pthread_mutex_destroy(&s->pool_lock);
    free(s->path);
    free(s);
}

uint64_t vd_store_epoch(const struct vd_store *s)
{
    return atomic_load(&s->epoch);
}

bool vd_store_ok(const struct vd_store *s)
{
    return !atomic_load(&s->failed);
}

bool vd_store_in_doubt(const struct vd_store *s)
{
    return atomic_load(&s->failed) || atomic_load(&s->in_doubt);
}
