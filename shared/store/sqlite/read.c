/* Reading: every row is checked before a byte of it is used. A statement that is reset ends its
 * read transaction, so no reader holds the log back. */
#include "shared/store/sqlite/sqlite_priv.h"

#include "shared/crypto/seal.h"

/* A borrowed reader that goes back by itself. */
struct reader {
    struct vd_store *s;
    struct vd_sql *c;
};

static void reader_done(struct reader *r)
{
    if (r->c)
        vd_sql_give_back(r->s, r->c);
}
#define VD_AUTO_READER __attribute__((cleanup(reader_done))) struct reader

/* Cleanups run in reverse order: declare the reader before the statement, which is then reset
 * first. */
static vd_rc start(struct reader *r, enum vd_sql_stmt which, const char *a, const char *b,
                   const char *name, sqlite3_stmt **ret, vd_err *err)
{
    if (!r->c)
        VD_TRY(vd_sql_borrow(r->s, &r->c, err));
    sqlite3_stmt *st = NULL;
    VD_TRY(vd_sql_stmt(r->c, which, &st, err));
    (void)sqlite3_bind_text(st, 1, a, -1, SQLITE_STATIC);
    (void)sqlite3_bind_text(st, 2, b, -1, SQLITE_STATIC);
    (void)sqlite3_bind_text(st, 3, name, -1, SQLITE_STATIC);
    *ret = st;
    return VD_OK;
}

static vd_rc unknown(const char *kind, const char *name, vd_err *err)
{
    return vd_fail(err, VD_E_NOT_FOUND, "there is no %s named %.100s", kind, name);
}

/* The row of a name, checked to be the one that was asked for. */
static vd_rc find(struct reader *r, const char *owner, const char *kind, const char *name,
                  uint64_t version, sqlite3_stmt **ret_st, struct vd_sql_row *ret, vd_err *err)
{
    if (version > INT64_MAX)
        return unknown(kind, name, err);
    VD_TRY(start(r, version ? VD_SQL_ONE : VD_SQL_NEWEST, owner, kind, name, ret_st, err));
    if (version)
        (void)sqlite3_bind_int64(*ret_st, 4, (sqlite3_int64)version);
    int code = sqlite3_step(*ret_st);
    if (code == SQLITE_DONE)
        return unknown(kind, name, err);
    if (code != SQLITE_ROW)
        return vd_sql_fail(r->c, code, "reading", err);
    VD_TRY(vd_sql_row_read(r->s, *ret_st, ret, err));
    /* A damaged index could lead to another genuine row. */
    if (!vd_span_eq_str(ret->owner, owner) || !vd_span_eq_str(ret->kind, kind) ||
        !vd_span_eq_str(ret->name, name) || (version && ret->version != version))
        return vd_fail(err, VD_E_STORE_CORRUPT,
                       "%s: its index is damaged; restore it from a backup", r->s->path);
    if (version == 0 && ret->state != VD_SQL_LIVE)
        return unknown(kind, name, err);
    return VD_OK;
}

vd_rc vd_store_get(struct vd_store *s, const char *owner, const char *kind, const char *name,
                   uint64_t version, struct vd_object *ret, vd_err *err)
{
    VD_AUTO_READER r = { .s = s };
    VD_AUTO_RESET *st = NULL;
    struct vd_sql_row row = { 0 };
    VD_TRY(find(&r, owner, kind, name, version, &st, &row, err));
    VD_AUTO_OBJECT o = { 0 };
    VD_TRY(vd_sql_row_object(&row, &o, err));
    *ret = o;
    o = (struct vd_object){ 0 };
    return VD_OK;
}

/* The sealed row and its associated data. */
static vd_rc find_sealed(struct reader *r, const char *owner, const char *kind, const char *name,
                         sqlite3_stmt **ret_st, struct vd_sql_row *ret, vd_buf *aad, vd_err *err)
{
    VD_TRY(find(r, owner, kind, name, 0, ret_st, ret, err));
    if (ret->key_epoch == 0)
        return vd_fail(err, VD_E_INTERNAL, "%s %.100s is not kept sealed", kind, name);
    vd_sql_row_aad(ret, aad);
    return vd_buf_check(aad, err);
}

vd_rc vd_store_get_secret(struct vd_store *s, const char *owner, const char *kind, const char *name,
                          vd_secret *ret, uint64_t *ret_version, vd_err *err)
{
    VD_AUTO_READER r = { .s = s };
    VD_AUTO_RESET *st = NULL;
    struct vd_sql_row row = { 0 };
    VD_AUTO_BUF aad = vd_buf_of(4096);
    VD_TRY(find_sealed(&r, owner, kind, name, &st, &row, &aad, err));
    VD_TRY(vd_unseal_secret(vd_sql_data_key(s), row.body, vd_buf_span(&aad), ret, err));
    if (ret_version)
        *ret_version = row.version;
    return VD_OK;
}

vd_rc vd_store_get_secret_buf(struct vd_store *s, const char *owner, const char *kind,
                              const char *name, vd_buf *ret, uint64_t *ret_version, vd_err *err)
{
    VD_AUTO_READER r = { .s = s };
    VD_AUTO_RESET *st = NULL;
    struct vd_sql_row row = { 0 };
    VD_AUTO_BUF aad = vd_buf_of(4096);
    VD_TRY(find_sealed(&r, owner, kind, name, &st, &row, &aad, err));
    VD_TRY(vd_unseal(vd_sql_data_key(s), row.body, vd_buf_span(&aad), ret, err));
    if (ret_version)
        *ret_version = row.version;
    return VD_OK;
}

/* One step of a listing: the newest row of the next name. *ret_more false: there is none. */
static vd_rc list_step(struct reader *r, const char *owner, const char *kind, const char *from,
                       bool exclusive, vd_span prefix, struct vd_object *o, bool *ret_more,
                       vd_err *err)
{
    VD_AUTO_RESET *st = NULL;
    VD_TRY(start(r, exclusive ? VD_SQL_LIST_AFTER : VD_SQL_LIST_FROM, owner, kind, from, &st, err));
    int code = sqlite3_step(st);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        return vd_sql_fail(r->c, code, "listing", err);
    struct vd_sql_row row = { 0 };
    *ret_more = false;
    if (code == SQLITE_DONE)
        return VD_OK;
    vd_sql_row_columns(st, &row);
    if (!vd_span_starts(row.name, prefix))
        return VD_OK;
    VD_TRY(vd_sql_row_read(r->s, st, &row, err));
    if (!vd_span_eq_str(row.owner, owner) || !vd_span_eq_str(row.kind, kind))
        return vd_fail(err, VD_E_STORE_CORRUPT,
                       "%s: its index is damaged; restore it from a backup", r->s->path);
    *ret_more = true;
    return vd_sql_row_object(&row, o, err);
}

static vd_rc list_all(struct reader *r, const char *owner, const char *kind, vd_span prefix,
                      const char *from, bool exclusive, vd_store_each each, void *ctx, vd_err *err)
{
    VD_AUTO_OBJECT o = { 0 };
    VD_AUTO(free) char *last = NULL;
    for (;;) {
        bool more = false;
        VD_TRY(list_step(r, owner, kind, from, exclusive, prefix, &o, &more, err));
        if (!more || (!o.deleted && !each(ctx, &o)))
            return VD_OK;
        free(last);
        last = VD_TAKE(o.name);
        from = last;
        exclusive = true;
    }
}

vd_rc vd_store_list(struct vd_store *s, const char *owner, const char *kind, const char *prefix,
                    const char *after, vd_store_each each, void *ctx, vd_err *err)
{
    VD_AUTO_READER r = { .s = s };
    vd_span start_with = vd_span_str(prefix ? prefix : "");
    bool exclusive = after && strcmp(after, prefix ? prefix : "") >= 0;
    VD_TRY(vd_sql_borrow(s, &r.c, err));
    /* One transaction: the listing is of one moment. */
    VD_TRY(vd_sql_run(r.c, VD_SQL_BEGIN, "listing", err));
    vd_rc_ rc = list_all(&r, owner, kind, start_with, exclusive ? after : (prefix ? prefix : ""),
                         exclusive, each, ctx, err);
    vd_rc_ end = vd_sql_run(r.c, VD_SQL_ROLLBACK, "listing", rc.code == VD_E_OK ? err : NULL);
    if (end.code != VD_E_OK) /* it would hold its moment, and the log, for ever */
        vd_sql_close(VD_TAKE(r.c));
    return rc.code != VD_E_OK ? rc : end;
}

vd_rc vd_store_history(struct vd_store *s, const char *owner, const char *kind, const char *name,
                       vd_store_each each, void *ctx, vd_err *err)
{
    VD_AUTO_READER r = { .s = s };
    VD_AUTO_RESET *st = NULL;
    VD_AUTO_OBJECT o = { 0 };
    VD_TRY(start(&r, VD_SQL_HISTORY, owner, kind, name, &st, err));
    int code;
    bool any = false;
    while ((code = sqlite3_step(st)) == SQLITE_ROW) {
        struct vd_sql_row row = { 0 };
        VD_TRY(vd_sql_row_read(s, st, &row, err));
        VD_TRY(vd_sql_row_object(&row, &o, err));
        any = true;
        if (!each(ctx, &o))
            return VD_OK;
    }
    if (code != SQLITE_DONE)
        return vd_sql_fail(r.c, code, "reading versions", err);
    return any ? VD_OK : unknown(kind, name, err);
}

vd_rc vd_store_has_audit_seq(struct vd_store *s, uint64_t audit_seq, bool *ret, vd_err *err)
{
    VD_AUTO_READER r = { .s = s };
    VD_AUTO_RESET *st = NULL;
    VD_TRY(vd_sql_borrow(s, &r.c, err));
    VD_TRY(vd_sql_stmt(r.c, VD_SQL_BY_AUDIT, &st, err));
    (void)sqlite3_bind_int64(st, 1, (sqlite3_int64)audit_seq);
    int code = sqlite3_step(st);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        return vd_sql_fail(r.c, code, "looking for a change", err);
    if (code == SQLITE_ROW) {
        struct vd_sql_row row = { 0 };
        VD_TRY(vd_sql_row_read(s, st, &row, err));
    }
    *ret = code == SQLITE_ROW;
    return VD_OK;
}

vd_rc vd_store_meta_get(struct vd_store *s, const char *key, vd_buf *ret, vd_err *err)
{
    VD_AUTO_READER r = { .s = s };
    VD_AUTO_BUF name = vd_buf_of(256);
    vd_buf_printf(&name, "user.%s", key);
    VD_TRY(vd_buf_check(&name, err));
    VD_TRY(vd_sql_borrow(s, &r.c, err));
    return vd_sql_meta_get(r.c, vd_sql_mac_key(s), vd_buf_cstr(&name), ret, err);
}
