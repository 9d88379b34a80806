/* Small named values, each with a MAC over name and value. */
#include "shared/store/sqlite/sqlite_priv.h"

#include "shared/crypto/seal.h"

enum { META_VALUE = 64 << 10 };

static void meta_mac(const uint8_t key[32], const char *name, vd_span value, uint8_t ret[32])
{
    const vd_span parts[] = { VD_LIT("meta"), vd_span_str(name), value };
    vd_mac_parts(key, parts, 3, ret);
}

/* The row; mac_key NULL: unchecked. */
static vd_rc get(struct vd_sql *c, const uint8_t *mac_key, const char *key, vd_buf *ret,
                 vd_err *err)
{
    VD_AUTO_RESET *st = NULL;
    VD_TRY(vd_sql_stmt(c, VD_SQL_META_GET, &st, err));
    (void)sqlite3_bind_text(st, 1, key, -1, SQLITE_STATIC);
    int code = sqlite3_step(st);
    if (code == SQLITE_DONE)
        return vd_fail(err, VD_E_NOT_FOUND, "%s: no value %s", c->path, key);
    if (code != SQLITE_ROW)
        return vd_sql_fail(c, code, "reading a value", err);
    const void *p = sqlite3_column_blob(st, 0);
    vd_span value = vd_span_of(p, (size_t)sqlite3_column_bytes(st, 0));
    const void *mac = sqlite3_column_blob(st, 1);
    vd_span stored = vd_span_of(mac, (size_t)sqlite3_column_bytes(st, 1));
    if (mac_key) {
        uint8_t want[32];
        meta_mac(mac_key, key, value, want);
        if (!vd_ct_equal(stored, vd_span_of(want, sizeof want)))
            return vd_fail(
                err, VD_E_STORE_CORRUPT,
                "%s: value %s is damaged or was changed outside of the server; restore a backup",
                c->path, key);
    }
    vd_buf_add(ret, value);
    return vd_buf_check(ret, err);
}

vd_rc vd_sql_meta_get(struct vd_sql *c, const uint8_t mac_key[32], const char *key, vd_buf *ret,
                      vd_err *err)
{
    return get(c, mac_key, key, ret, err);
}

vd_rc vd_sql_meta_raw(struct vd_sql *c, const char *key, vd_buf *ret, vd_err *err)
{
    return get(c, NULL, key, ret, err);
}

vd_rc vd_sql_meta_put(struct vd_sql *c, const uint8_t mac_key[32], const char *key, vd_span value,
                      vd_err *err)
{
    if (value.n > META_VALUE)
        return vd_fail(err, VD_E_TOO_LARGE, "value %s has %zu bytes, at most %d are kept", key,
                       value.n, META_VALUE);
    VD_AUTO_RESET *st = NULL;
    VD_TRY(vd_sql_stmt(c, VD_SQL_META_PUT, &st, err));
    uint8_t mac[32];
    meta_mac(mac_key, key, value, mac);
    (void)sqlite3_bind_text(st, 1, key, -1, SQLITE_STATIC);
    (void)sqlite3_bind_blob(st, 2, value.n ? (const void *)value.p : "", (int)value.n,
                            SQLITE_STATIC);
    (void)sqlite3_bind_blob(st, 3, mac, sizeof mac, SQLITE_STATIC);
    int code = sqlite3_step(st);
    return code == SQLITE_DONE ? VD_OK : vd_sql_fail(c, code, "writing a value", err);
}
