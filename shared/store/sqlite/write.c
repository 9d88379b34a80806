/* Writing: one writer, one transaction for all puts of a call. The commit is durable
 * (synchronous=FULL) before it is acknowledged; if its fate is unknown nothing more is written
 * until the store is opened again and has read its log back. */
#include "shared/store/sqlite/sqlite_priv.h"

#include "shared/crypto/hash.h"
#include "shared/crypto/seal.h"

/* What stands before a put: the newest version, if any. */
struct before {
    bool exists;
    uint64_t version;
    bool live;
    bool erase; /* it holds a sealed body, which goes when the next version comes */
    uint8_t erased_mac[32];
    bool genuine;
};

static vd_rc check_text(const char *what, const char *text, size_t max, vd_err *err)
{
    if (!text || !*text)
        return vd_fail(err, VD_E_SETTING, "an object needs %s", what);
    if (strlen(text) > max)
        return vd_fail(err, VD_E_SETTING, "%s is longer than %zu bytes", what, max);
    return VD_OK;
}

static vd_rc check_put(const struct vd_put *put, vd_err *err)
{
    VD_TRY(check_text("an owner", put->owner, VD_SQL_SHORT, err));
    VD_TRY(check_text("a kind", put->kind, VD_SQL_SHORT, err));
    VD_TRY(check_text("a name", put->name, VD_SQL_NAME, err));
    VD_TRY(check_text("an author", put->by, VD_SQL_SHORT, err));
    if (put->body.n > VD_SQL_BODY - VD_SEAL_OVERHEAD)
        return vd_fail(err, VD_E_TOO_LARGE, "%s %.60s has %zu bytes", put->kind, put->name,
                       put->body.n);
    return VD_OK;
}

static void bind_text(sqlite3_stmt *st, int i, vd_span s)
{
    (void)sqlite3_bind_text64(st, i, s.n ? (const char *)s.p : "", s.n, SQLITE_STATIC, SQLITE_UTF8);
}

static void bind_blob(sqlite3_stmt *st, int i, vd_span s)
{
    (void)sqlite3_bind_blob64(st, i, s.n ? (const void *)s.p : "", s.n, SQLITE_STATIC);
}

static vd_rc look_before(struct vd_store *s, const struct vd_put *put, struct before *ret,
                         vd_err *err)
{
    VD_AUTO_RESET *st = NULL;
    VD_TRY(vd_sql_stmt(s->writer, VD_SQL_NEWEST, &st, err));
    bind_text(st, 1, vd_span_str(put->owner));
    bind_text(st, 2, vd_span_str(put->kind));
    bind_text(st, 3, vd_span_str(put->name));
    int code = sqlite3_step(st);
    *ret = (struct before){ 0 };
    if (code == SQLITE_DONE)
        return VD_OK;
    if (code != SQLITE_ROW)
        return vd_sql_fail(s->writer, code, "reading the newest version", err);
    struct vd_sql_row row = { 0 };
    vd_rc_ rc = vd_sql_row_read(s, st, &row, NULL);
    /* A damaged row is replaced by a put that does not depend on what it says: that is the cure. */
    if (rc.code != VD_E_OK && put->match != VD_MATCH_ANY)
        return vd_sql_row_read(s, st, &row, err);
    vd_sql_row_columns(st, &row);
    if (row.version == 0 || row.version >= INT64_MAX)
        return vd_fail(err, VD_E_STORE_CORRUPT,
                       "%s: version of %s %.60s is damaged; restore a backup", s->path, put->kind,
                       put->name);
    *ret = (struct before){ .exists = true,
                            .version = row.version,
                            .live = row.state == VD_SQL_LIVE,
                            .erase = row.key_epoch != 0 && row.has_body,
                            .genuine = rc.code == VD_E_OK };
    row.state = VD_SQL_ERASED;
    row.has_body = false;
    row.body = VD_SPAN_NONE;
    vd_sql_row_mac(s, &row, ret->erased_mac);
    return VD_OK;
}

static vd_rc check_match(const struct vd_put *put, const struct before *b, vd_err *err)
{
    bool live = b->exists && b->live;
    if (put->remove && !live)
        return vd_fail(err, VD_E_NOT_FOUND, "there is no %s named %.100s", put->kind, put->name);
    if (put->match == VD_MATCH_ANY)
        return VD_OK;
    if (put->match == VD_MATCH_NONE) {
        if (live)
            return vd_fail(err, VD_E_EXISTS, "%s %.100s exists already", put->kind, put->name);
        return VD_OK;
    }
    if (!live || put->match < 0 || b->version != (uint64_t)put->match)
        return vd_fail(err, VD_E_VERSION, "%s %.100s: version %lld is not the newest", put->kind,
                       put->name, (long long)put->match);
    return VD_OK;
}

static vd_rc insert(struct vd_store *s, const struct vd_sql_row *row, vd_err *err)
{
    VD_AUTO_RESET *st = NULL;
    VD_TRY(vd_sql_stmt(s->writer, VD_SQL_INSERT, &st, err));
    uint8_t mac[32];
    vd_sql_row_mac(s, row, mac);
    bind_text(st, 1, row->owner);
    bind_text(st, 2, row->kind);
    bind_text(st, 3, row->name);
    (void)sqlite3_bind_int64(st, 4, (sqlite3_int64)row->version);
    (void)sqlite3_bind_int64(st, 5, (sqlite3_int64)row->state);
    (void)sqlite3_bind_int64(st, 6, (sqlite3_int64)row->key_epoch);
    bind_blob(st, 7, row->sha256);
    (void)sqlite3_bind_int64(st, 8, (sqlite3_int64)row->size);
    if (row->has_body)
        bind_blob(st, 9, row->body);
    (void)sqlite3_bind_int64(st, 10, (sqlite3_int64)row->created_at);
    bind_text(st, 11, row->created_by);
    (void)sqlite3_bind_int64(st, 12, (sqlite3_int64)row->audit_seq);
    bind_blob(st, 13, vd_span_of(mac, sizeof mac));
    int code = sqlite3_step(st);
    return code == SQLITE_DONE ? VD_OK : vd_sql_fail(s->writer, code, "writing", err);
}

/* The MAC of a row that was not genuine stays wrong: erasing must not bless what somebody changed.
 */
static vd_rc erase(struct vd_store *s, const struct vd_put *put, const struct before *b,
                   vd_err *err)
{
    static const uint8_t wrong[32] = { 0 };
    VD_AUTO_RESET *st = NULL;
    VD_TRY(vd_sql_stmt(s->writer, VD_SQL_ERASE, &st, err));
    bind_text(st, 1, vd_span_str(put->owner));
    bind_text(st, 2, vd_span_str(put->kind));
    bind_text(st, 3, vd_span_str(put->name));
    (void)sqlite3_bind_int64(st, 4, (sqlite3_int64)b->version);
    (void)sqlite3_bind_int64(st, 5, VD_SQL_ERASED);
    bind_blob(st, 6, vd_span_of(b->genuine ? b->erased_mac : wrong, 32));
    int code = sqlite3_step(st);
    return code == SQLITE_DONE ? VD_OK : vd_sql_fail(s->writer, code, "erasing", err);
}

static vd_rc put_one(struct vd_store *s, struct vd_put *put, uint64_t audit_seq, bool *erased,
                     vd_err *err)
{
    struct before b;
    VD_TRY(look_before(s, put, &b, err));
    VD_TRY(check_match(put, &b, err));

    struct vd_sql_row row = {
        .owner = vd_span_str(put->owner),
        .kind = vd_span_str(put->kind),
        .name = vd_span_str(put->name),
        .version = b.version + 1,
        .state = put->remove ? VD_SQL_DELETED : VD_SQL_LIVE,
        .key_epoch = put->sealed ? VD_SQL_EPOCH : 0,
        .has_body = !put->remove,
        .body = put->remove ? VD_SPAN_NONE : put->body,
        .created_at = (uint64_t)put->now,
        .created_by = vd_span_str(put->by),
        .audit_seq = audit_seq,
    };
    VD_AUTO_BUF sealed = vd_buf_of(VD_SQL_BODY);
    if (put->sealed && !put->remove) {
        VD_AUTO_BUF aad = vd_buf_of(4096);
        vd_sql_row_aad(&row, &aad);
        VD_TRY(vd_buf_check(&aad, err));
        VD_TRY(vd_seal(vd_sql_data_key(s), row.body, vd_buf_span(&aad), &sealed, err));
        row.body = vd_buf_span(&sealed);
    }
    uint8_t sha256[32];
    VD_TRY(vd_hash_of(VD_SHA256, row.body, sha256, err));
    row.sha256 = vd_span_of(sha256, sizeof sha256);
    row.size = row.body.n;
    VD_TRY(insert(s, &row, err));
    if (b.erase) {
        VD_TRY(erase(s, put, &b, err));
        *erased = true;
    }
    put->ret_version = row.version;
    return VD_OK;
}

/* An error of the commit itself leaves open whether the log holds it: SQLite may find it there when
 * it reads the log back. A full disk is told before the last frame is written, so it is not in
 * doubt. Without memory it is, but the files are well: the next commit writes over what this one
 * left there. */
static vd_rc commit(struct vd_store *s, vd_err *err)
{
    VD_AUTO_RESET *st = NULL;
    VD_TRY(vd_sql_stmt(s->writer, VD_SQL_COMMIT, &st, err));
    int code = sqlite3_step(st);
    int kind = code == SQLITE_IOERR_NOMEM ? SQLITE_NOMEM : code & 0xff;
    if (code == SQLITE_DONE) {
        atomic_store(&s->in_doubt, false);
        return VD_OK;
    }
    if (kind == SQLITE_NOMEM)
        atomic_store(&s->in_doubt, true);
    else if (kind != SQLITE_FULL && kind != SQLITE_BUSY)
        atomic_store(&s->failed, true);
    return vd_sql_fail(s->writer, code, "committing", err);
}

static void roll_back(struct vd_store *s)
{
    if (!sqlite3_get_autocommit(s->writer->db))
        (void)vd_sql_run(s->writer, VD_SQL_ROLLBACK, "taking a write back", NULL).code;
}

/* A write that could not be taken back for want of memory goes first. */
static vd_rc begin(struct vd_store *s, vd_err *err)
{
    if (!sqlite3_get_autocommit(s->writer->db))
        VD_TRY(vd_sql_run(s->writer, VD_SQL_ROLLBACK, "taking a write back", err));
    return vd_sql_run(s->writer, VD_SQL_BEGIN_WRITE, "beginning a write", err);
}

/* The log still holds the pages of before the erasure; emptying it takes them away. A reader in the
 * way puts it off until the next commit or the end. */
static void empty_log(struct vd_store *s)
{
    if (!s->erased)
        return;
    (void)sqlite3_busy_timeout(s->writer->db, 100);
    int code =
        sqlite3_wal_checkpoint_v2(s->writer->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    (void)sqlite3_busy_timeout(s->writer->db, 5000);
    s->erased = code != SQLITE_OK;
}

static vd_rc put_all(struct vd_store *s, struct vd_put *put, size_t n, uint64_t audit_seq,
                     vd_err *err)
{
    bool erased = false;
    VD_TRY(begin(s, err));
    for (size_t i = 0; i < n; i++)
        VD_TRY(put_one(s, &put[i], audit_seq, &erased, err));
    VD_TRY(commit(s, err));
    s->erased = s->erased || erased;
    return VD_OK;
}

static vd_rc may_write(struct vd_store *s, vd_err *err)
{
    if (atomic_load(&s->failed))
        return vd_fail(
            err, VD_E_STORE,
            "%s: a commit failed with an I/O error, nothing is written until a restart has read it "
            "back; check the disk",
            s->path);
    return VD_OK;
}

static vd_rc put_locked(struct vd_store *s, struct vd_put *put, size_t n, uint64_t audit_seq,
                        vd_err *err)
{
    VD_TRY(may_write(s, err));
    vd_rc_ rc = put_all(s, put, n, audit_seq, err);
    if (rc.code != VD_E_OK) {
        roll_back(s);
        return rc;
    }
    (void)atomic_fetch_add(&s->epoch, 1);
    empty_log(s);
    return VD_OK;
}

vd_rc vd_store_put(struct vd_store *s, struct vd_put *put, size_t n, uint64_t audit_seq,
                   vd_err *err)
{
    if (audit_seq > INT64_MAX)
        return vd_fail(err, VD_E_SETTING, "audit sequence is out of range");
    for (size_t i = 0; i < n; i++) {
        put[i].ret_version = 0;
        VD_TRY(check_put(&put[i], err));
    }
    if (n == 0)
        return VD_OK;
    (void)pthread_mutex_lock(&s->write_lock);
    vd_rc_ rc = put_locked(s, put, n, audit_seq, err);
    (void)pthread_mutex_unlock(&s->write_lock);
    for (size_t i = 0; i < n && rc.code != VD_E_OK; i++)
        put[i].ret_version = 0;
    return rc;
}

static vd_rc meta_locked(struct vd_store *s, const char *name, vd_span value, vd_err *err)
{
    VD_TRY(may_write(s, err));
    VD_TRY(begin(s, err));
    vd_rc_ rc = vd_sql_meta_put(s->writer, vd_sql_mac_key(s), name, value, err);
    if (rc.code == VD_E_OK)
        rc = commit(s, err);
    if (rc.code != VD_E_OK)
        roll_back(s);
    return rc;
}

vd_rc vd_store_meta_put(struct vd_store *s, const char *key, vd_span value, vd_err *err)
{
    VD_AUTO_BUF name = vd_buf_of(256);
    vd_buf_printf(&name, "user.%s", key);
    VD_TRY(vd_buf_check(&name, err));
    const char *text = vd_buf_cstr(&name);
    (void)pthread_mutex_lock(&s->write_lock);
    vd_rc_ rc = meta_locked(s, text, value, err);
    (void)pthread_mutex_unlock(&s->write_lock);
    return rc;
}
