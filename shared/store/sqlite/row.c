/* One row: its columns, its MAC over all of them, the associated data of its body, and the object
 * that callers get. */
#include "shared/store/sqlite/sqlite_priv.h"

#include "shared/base/log.h"
#include "shared/crypto/seal.h"

static void put_be64(uint8_t p[8], uint64_t v)
{
    for (unsigned i = 8; i > 0; i--, v >>= 8)
        p[i - 1] = (uint8_t)v;
}

void vd_sql_row_mac(const struct vd_store *s, const struct vd_sql_row *row, uint8_t ret[32])
{
    const uint64_t numbers[] = { row->version,    row->state,     row->key_epoch, row->size,
                                 row->created_at, row->audit_seq, row->has_body };
    uint8_t fixed[sizeof numbers];
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        put_be64(fixed + 8 * i, numbers[i]);
    const vd_span parts[] = {
        VD_LIT("object"), row->owner, row->kind,       row->name, vd_span_of(fixed, sizeof fixed),
        row->sha256,      row->body,  row->created_by,
    };
    vd_mac_parts(vd_sql_mac_key(s), parts, sizeof parts / sizeof parts[0], ret);
}

static vd_span column(sqlite3_stmt *st, int i)
{
    const void *p = sqlite3_column_blob(st, i);
    int n = sqlite3_column_bytes(st, i);
    return p && n > 0 ? vd_span_of(p, (size_t)n) : VD_SPAN_NONE;
}

void vd_sql_row_columns(sqlite3_stmt *st, struct vd_sql_row *ret)
{
    *ret = (struct vd_sql_row){
        .owner = column(st, 0),
        .kind = column(st, 1),
        .name = column(st, 2),
        .version = (uint64_t)sqlite3_column_int64(st, 3),
        .state = (uint64_t)sqlite3_column_int64(st, 4),
        .key_epoch = (uint64_t)sqlite3_column_int64(st, 5),
        .sha256 = column(st, 6),
        .size = (uint64_t)sqlite3_column_int64(st, 7),
        .has_body = sqlite3_column_type(st, 8) != SQLITE_NULL,
        .body = column(st, 8),
        .created_at = (uint64_t)sqlite3_column_int64(st, 9),
        .created_by = column(st, 10),
        .audit_seq = (uint64_t)sqlite3_column_int64(st, 11),
        .mac = column(st, 12),
    };
}

static vd_rc corrupt(const struct vd_store *s, const struct vd_sql_row *row, vd_err *err)
{
    VD_AUTO_BUF name = vd_buf_of(4096);
    vd_text_escape(row->kind, 40, &name);
    vd_buf_str(&name, " ");
    vd_text_escape(row->name, 80, &name);
    const char *text = vd_buf_cstr(&name);
    return vd_fail(
        err, VD_E_STORE_CORRUPT,
        "%s: %s version %llu is damaged or was changed outside of the server; put it again or "
        "restore a backup",
        s->path, text ? text : "an object", (unsigned long long)row->version);
}

vd_rc vd_sql_row_read(const struct vd_store *s, sqlite3_stmt *st, struct vd_sql_row *ret,
                      vd_err *err)
{
    struct vd_sql_row row = { 0 };
    uint8_t mac[32];
    vd_sql_row_columns(st, &row);
    vd_sql_row_mac(s, &row, mac);
    if (!vd_ct_equal(row.mac, vd_span_of(mac, sizeof mac)))
        return corrupt(s, &row, err);
    /* Ours by its MAC: what is odd now was written by a fault of our own. */
    if (row.sha256.n != 32 || row.state >= VD_SQL_STATE_MAX || row.version == 0 ||
        (row.key_epoch != 0 && row.key_epoch != VD_SQL_EPOCH))
        return corrupt(s, &row, err);
    *ret = row;
    return VD_OK;
}

void vd_sql_row_aad(const struct vd_sql_row *row, vd_buf *out)
{
    const vd_span texts[] = { VD_LIT("vidimus1"), row->owner, row->kind, row->name };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        vd_buf_be(out, texts[i].n, 8);
        vd_buf_add(out, texts[i]);
    }
    vd_buf_be(out, 8, 8);
    vd_buf_be(out, row->version, 8);
    vd_buf_be(out, 8, 8);
    vd_buf_be(out, row->key_epoch, 8);
}

void vd_object_done(struct vd_object *o)
{
    free(o->name);
    vd_buf_done(&o->body);
    *o = (struct vd_object){ 0 };
}

vd_rc vd_sql_row_object(const struct vd_sql_row *row, struct vd_object *ret, vd_err *err)
{
    VD_AUTO(free) char *name = vd_strdup_span(row->name);
    if (!name)
        return vd_fail(err, VD_E_NOMEM, "name of an object");
    vd_buf body = ret->body;
    vd_buf_reset(&body);
    body.max = VD_SQL_BODY;
    if (row->key_epoch == 0)
        vd_buf_add(&body, row->body);
    ret->body = body; /* grown or not, it is the caller's to free */
    VD_TRY(vd_buf_check(&body, err));

    free(ret->name);
    *ret = (struct vd_object){
        .name = VD_TAKE(name),
        .version = row->version,
        .deleted = row->state == VD_SQL_DELETED,
        .body = body,
        .sealed = row->key_epoch != 0,
        .size = row->size,
        .created_at = (int64_t)row->created_at,
        .audit_seq = row->audit_seq,
    };
    memcpy(ret->sha256, row->sha256.p, sizeof ret->sha256);
    vd_span by = vd_span_part(row->created_by, 0, sizeof ret->created_by - 1);
    if (by.n)
        memcpy(ret->created_by, by.p, by.n);
    return VD_OK;
}
