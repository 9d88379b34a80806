/* Connections: opening with the settings that durability and erasure need, cached statements, what
 * SQLite's results mean to us, and the pool of readers. */
#include "shared/store/sqlite/sqlite_priv.h"

enum { IDLE_MAX = 16 }; /* above it a reader is closed when given back */

#define WHERE_ONE " WHERE owner=?1 AND kind=?2 AND name=?3 AND version=?4"
#define WHERE_NAMED " FROM object WHERE owner=?1 AND kind=?2 AND name=?3 "
#define WHERE_KIND " FROM object WHERE owner=?1 AND kind=?2 "

/* Every statement of the running store; each walks the index object_by_name or object_by_audit. */
static const char *const sql[] = {
    [VD_SQL_BEGIN] = "BEGIN",
    [VD_SQL_BEGIN_WRITE] = "BEGIN IMMEDIATE",
    [VD_SQL_COMMIT] = "COMMIT",
    [VD_SQL_ROLLBACK] = "ROLLBACK",
    [VD_SQL_NEWEST] = "SELECT " VD_SQL_COLUMNS WHERE_NAMED "ORDER BY version DESC LIMIT 1",
    [VD_SQL_ONE] = "SELECT " VD_SQL_COLUMNS " FROM object" WHERE_ONE,
    [VD_SQL_LIST_FROM] =
        "SELECT " VD_SQL_COLUMNS WHERE_KIND "AND name>=?3 ORDER BY name, version DESC LIMIT 1",
    [VD_SQL_LIST_AFTER] =
        "SELECT " VD_SQL_COLUMNS WHERE_KIND "AND name>?3 ORDER BY name, version DESC LIMIT 1",
    [VD_SQL_HISTORY] = "SELECT " VD_SQL_COLUMNS WHERE_NAMED "ORDER BY version DESC",
    [VD_SQL_BY_AUDIT] = "SELECT " VD_SQL_COLUMNS " FROM object WHERE audit_seq=?1 LIMIT 1",
    [VD_SQL_INSERT] =
        "INSERT INTO object(" VD_SQL_COLUMNS ") VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13)",
    [VD_SQL_ERASE] = ("UPDATE object SET body=NULL, state=?5, mac=?6" WHERE_ONE),
    [VD_SQL_META_GET] = "SELECT value, mac FROM meta WHERE key=?1",
    [VD_SQL_META_PUT] = "INSERT OR REPLACE INTO meta(key, value, mac) VALUES(?1,?2,?3)",
};
_Static_assert(sizeof sql / sizeof sql[0] == VD_SQL_STMT_MAX, "one text per statement");

/* Without its details; a file system's want of memory is no error of the disk. */
static int kind(int code)
{
    return code == SQLITE_IOERR_NOMEM ? SQLITE_NOMEM : code & 0xff;
}

static vd_code meaning(int code)
{
    switch (kind(code)) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_ERROR: /* our statements are fixed: a table or column they need is gone */
        return VD_E_STORE_CORRUPT;
    case SQLITE_NOMEM:
        return VD_E_NOMEM;
    default:
        return VD_E_STORE;
    }
}

static const char *cure(int code)
{
    switch (kind(code)) {
    case SQLITE_FULL:
        return "; free space on its disk";
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
        return "; check that the folder and its files can be written";
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return "; another program holds it";
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return "; the file is damaged, restore it from a backup";
    case SQLITE_IOERR:
        return "; check the disk, then restart";
    default:
        return "";
    }
}

vd_rc vd_sql_fail(struct vd_sql *c, int code, const char *doing, vd_err *err)
{
    const char *text = c->db ? sqlite3_errmsg(c->db) : sqlite3_errstr(code);
    return vd_fail(err, meaning(code), "%s: %s: %s (%d)%s", c->path, doing, text, code, cure(code));
}

vd_rc vd_sql_stmt(struct vd_sql *c, enum vd_sql_stmt which, sqlite3_stmt **ret, vd_err *err)
{
    if (!c->stmt[which]) {
        int code = sqlite3_prepare_v3(c->db, sql[which], -1, SQLITE_PREPARE_PERSISTENT,
                                      &c->stmt[which], NULL);
        if (code != SQLITE_OK)
            return vd_sql_fail(c, code, "preparing a statement", err);
    }
    *ret = c->stmt[which];
    return VD_OK;
}

vd_rc vd_sql_run(struct vd_sql *c, enum vd_sql_stmt which, const char *doing, vd_err *err)
{
    VD_AUTO_RESET *st = NULL;
    VD_TRY(vd_sql_stmt(c, which, &st, err));
    int code = sqlite3_step(st);
    return code == SQLITE_DONE ? VD_OK : vd_sql_fail(c, code, doing, err);
}

vd_rc vd_sql_exec(struct vd_sql *c, const char *text, const char *doing, vd_err *err)
{
    int code = sqlite3_exec(c->db, text, NULL, NULL, NULL);
    return code == SQLITE_OK ? VD_OK : vd_sql_fail(c, code, doing, err);
}

/* secure_delete: what is erased is overwritten. trusted_schema, triggers and views off: a file that
 * somebody changed offline runs nothing. No mmap: an I/O error must be an error, not a signal. */
static vd_rc configure(struct vd_sql *c, vd_err *err)
{
    static const int flags[][2] = {
        { SQLITE_DBCONFIG_DEFENSIVE, 1 },   { SQLITE_DBCONFIG_ENABLE_TRIGGER, 0 },
        { SQLITE_DBCONFIG_ENABLE_VIEW, 0 }, { SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0 },
        { SQLITE_DBCONFIG_DQS_DDL, 0 },     { SQLITE_DBCONFIG_DQS_DML, 0 },
    };
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        int code = sqlite3_db_config(c->db, flags[i][0], flags[i][1], NULL);
        if (code != SQLITE_OK)
            return vd_sql_fail(c, code, "configuring", err);
    }
    (void)sqlite3_extended_result_codes(c->db, 1);
    (void)sqlite3_busy_timeout(c->db, 5000);
    return vd_sql_exec(c,
                       "PRAGMA temp_store=MEMORY; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON;"
                       "PRAGMA cell_size_check=ON; PRAGMA mmap_size=0; PRAGMA cache_size=-1024;",
                       "configuring", err);
}

vd_rc vd_sql_open(const char *path, bool create, struct vd_sql **ret, vd_err *err)
{
    VD_AUTO(vd_sql_close) struct vd_sql *c = calloc(1, sizeof *c);
    if (!c)
        return vd_fail(err, VD_E_NOMEM, "%s: connection", path);
    c->path = path;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
    int code = sqlite3_open_v2(path, &c->db, flags | (create ? SQLITE_OPEN_CREATE : 0), NULL);
    if (code != SQLITE_OK)
        return vd_sql_fail(c, code, "opening", err);
    VD_TRY(configure(c, err));
    *ret = VD_TAKE(c);
    return VD_OK;
}

void vd_sql_close(struct vd_sql *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < VD_SQL_STMT_MAX; i++)
        (void)sqlite3_finalize(c->stmt[i]);
    (void)sqlite3_close(c->db);
    free(c);
}

vd_rc vd_sql_borrow(struct vd_store *s, struct vd_sql **ret, vd_err *err)
{
    (void)pthread_mutex_lock(&s->pool_lock);
    struct vd_sql *c = s->idle;
    if (c) {
        s->idle = c->next;
        s->n_idle--;
    }
    (void)pthread_mutex_unlock(&s->pool_lock);
    if (!c)
        VD_TRY(vd_sql_open(s->path, false, &c, err));
    *ret = c;
    return VD_OK;
}

void vd_sql_give_back(struct vd_store *s, struct vd_sql *c)
{
    (void)pthread_mutex_lock(&s->pool_lock);
    bool keep = s->n_idle < IDLE_MAX;
    if (keep) {
        c->next = s->idle;
        s->idle = c;
        s->n_idle++;
    }
    (void)pthread_mutex_unlock(&s->pool_lock);
    if (!keep)
        vd_sql_close(c);
}
