/* Numbered migrations, and the check that a file has exactly the tables they make. */
#include "shared/store/sqlite/sqlite_priv.h"

/* Step n leads from schema n-1 to n. A step that was released is never changed; add the next one.
 * key_epoch and size stand beside the columns of SHAPES section 9: the epoch says which data key
 * sealed the body (0: not sealed), the size outlasts an erased body. */
static const char *const steps[] = {
    [1] = "CREATE TABLE meta(key TEXT NOT NULL PRIMARY KEY, value BLOB NOT NULL, mac BLOB NOT NULL)"
          " STRICT, WITHOUT ROWID;"
          "CREATE TABLE object(id INTEGER PRIMARY KEY, owner TEXT NOT NULL, kind TEXT NOT NULL,"
          " name TEXT NOT NULL, version INTEGER NOT NULL, state INTEGER NOT NULL, key_epoch "
          "INTEGER NOT NULL,"
          " sha256 BLOB NOT NULL, size INTEGER NOT NULL, body BLOB, created_at INTEGER NOT NULL,"
          " created_by TEXT NOT NULL, audit_seq INTEGER NOT NULL, mac BLOB NOT NULL) STRICT;"
          "CREATE UNIQUE INDEX object_by_name ON object(owner, kind, name, version DESC);"
          "CREATE INDEX object_by_audit ON object(audit_seq);",
};
const unsigned vd_sql_schema_newest = sizeof steps / sizeof steps[0] - 1;

static vd_rc run_step(struct vd_sql *c, const uint8_t mac_key[32], unsigned step, vd_err *err)
{
    VD_TRY(vd_sql_exec(c, steps[step], "changing the schema", err));
    char number[16];
    (void)snprintf(number, sizeof number, "%u", step);
    return vd_sql_meta_put(c, mac_key, "schema_version", vd_span_str(number), err);
}

vd_rc vd_sql_migrate(struct vd_sql *c, const uint8_t mac_key[32], unsigned from, vd_err *err)
{
    for (unsigned step = from + 1; step <= vd_sql_schema_newest; step++) {
        VD_TRY(vd_sql_run(c, VD_SQL_BEGIN_WRITE, "changing the schema", err));
        vd_rc_ rc = run_step(c, mac_key, step, err);
        if (rc.code == VD_E_OK)
            rc = vd_sql_run(c, VD_SQL_COMMIT, "changing the schema", err);
        if (rc.code != VD_E_OK) {
            (void)sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL);
            return rc;
        }
    }
    return VD_OK;
}

/* Every table and index with its text, in one string. */
static vd_rc describe(struct vd_sql *c, vd_buf *out, vd_err *err)
{
    sqlite3_stmt *st = NULL;
    int code =
        sqlite3_prepare_v2(c->db,
                           "SELECT type || ' ' || name || ' ' || tbl_name || ' ' || ifnull(sql,'')"
                           " FROM sqlite_schema ORDER BY name",
                           -1, &st, NULL);
    if (code != SQLITE_OK)
        return vd_sql_fail(c, code, "reading the schema", err);
    while ((code = sqlite3_step(st)) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(st, 0);
        vd_buf_str(out, text ? text : "?");
        vd_buf_str(out, "\n");
    }
    vd_rc_ rc = code == SQLITE_DONE ? vd_buf_check(out, err)
                                    : vd_sql_fail(c, code, "reading the schema", err);
    (void)sqlite3_finalize(st);
    return rc;
}

vd_rc vd_sql_schema_check(struct vd_sql *c, vd_err *err)
{
    static const uint8_t no_key[32] = { 0 };
    VD_AUTO(vd_sql_close) struct vd_sql *model = NULL;
    VD_TRY(vd_sql_open(":memory:", true, &model, err));
    VD_TRY(vd_sql_migrate(model, no_key, 0, err));
    VD_AUTO_BUF want = vd_buf_of(1 << 16);
    VD_AUTO_BUF have = vd_buf_of(1 << 16);
    VD_TRY(describe(model, &want, err));
    VD_TRY(describe(c, &have, err));
    if (!vd_span_eq(vd_buf_span(&want), vd_buf_span(&have)))
        return vd_fail(err, VD_E_STORE_CORRUPT,
                       "%s: its tables are not those of schema %u; restore it from a backup",
                       c->path, vd_sql_schema_newest);
    return VD_OK;
}
