/* Inside of the SQLite store: connections with their cached statements, rows and their MACs.
 * Nothing outside shared/store/sqlite includes this. */
#pragma once

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>

#include "shared/store/store.h"

/* The file says whose it is: PRAGMA application_id, "VdST". */
enum { VD_SQL_APPLICATION = 0x56645354 };
enum { VD_SQL_EPOCH = 1 }; /* of the data key; rotation will add further ones */

/* Longest names and bodies; a body is a sealed secret at most (limits.h, secret_body hard value).
 */
enum { VD_SQL_SHORT = 64, VD_SQL_NAME = 1024, VD_SQL_BODY = 80 << 20 };

enum vd_sql_state { VD_SQL_LIVE = 0, VD_SQL_DELETED = 1, VD_SQL_ERASED = 2, VD_SQL_STATE_MAX };

enum vd_sql_stmt {
    VD_SQL_BEGIN,
    VD_SQL_BEGIN_WRITE,
    VD_SQL_COMMIT,
    VD_SQL_ROLLBACK,
    VD_SQL_NEWEST,
    VD_SQL_ONE,
    VD_SQL_LIST_FROM,
    VD_SQL_LIST_AFTER,
    VD_SQL_HISTORY,
    VD_SQL_BY_AUDIT,
    VD_SQL_INSERT,
    VD_SQL_ERASE,
    VD_SQL_META_GET,
    VD_SQL_META_PUT,
    VD_SQL_STMT_MAX,
};

struct vd_sql {
    sqlite3 *db;
    sqlite3_stmt *stmt[VD_SQL_STMT_MAX]; /* prepared at first use */
    const char *path;                    /* borrowed, for messages */
    struct vd_sql *next;                 /* idle connections of the pool */
};

struct vd_store {
    char *path;
    vd_secret keys; /* VD_SQL_KEY_ROWS | VD_SQL_KEY_DATA, 32 bytes each */
    pthread_mutex_t write_lock;
    struct vd_sql *writer;
    bool erased; /* old sealed bodies may still stand in the log file */
    _Atomic bool failed;
    _Atomic bool in_doubt; /* the last commit ran out of memory */
    pthread_mutex_t pool_lock;
    struct vd_sql *idle;
    unsigned n_idle;
    _Atomic uint64_t epoch;
};
static inline const uint8_t *vd_sql_mac_key(const struct vd_store *s)
{
    return s->keys.p;
}
static inline const uint8_t *vd_sql_data_key(const struct vd_store *s)
{
    return s->keys.p + 32;
}

/* conn.c. A connection is used by one thread at a time. `create`: the file is made. */
vd_rc vd_sql_open(const char *path, bool create, struct vd_sql **ret, vd_err *err);
void vd_sql_close(struct vd_sql *c);
VD_DEFINE_CLEANUP(struct vd_sql, vd_sql_close)
/* Fails with what SQLite says about the last call; `doing` is a literal. */
vd_rc vd_sql_fail(struct vd_sql *c, int code, const char *doing, vd_err *err);
vd_rc vd_sql_stmt(struct vd_sql *c, enum vd_sql_stmt which, sqlite3_stmt **ret, vd_err *err);
/* Runs a statement that gives no rows. */
vd_rc vd_sql_run(struct vd_sql *c, enum vd_sql_stmt which, const char *doing, vd_err *err);
vd_rc vd_sql_exec(struct vd_sql *c, const char *sql, const char *doing, vd_err *err);
/* Ends what a statement holds (its read transaction too); for cleanup attributes. */
static inline void vd_sql_reset_p(sqlite3_stmt **st)
{
    if (*st) {
        (void)sqlite3_reset(*st);
        (void)sqlite3_clear_bindings(*st);
    }
}
#define VD_AUTO_RESET __attribute__((cleanup(vd_sql_reset_p))) sqlite3_stmt

/* pool: a reading connection of one's own until it is given back. */
vd_rc vd_sql_borrow(struct vd_store *s, struct vd_sql **ret, vd_err *err);
void vd_sql_give_back(struct vd_store *s, struct vd_sql *c);

/* row.c: one row of `object` in the order of VD_SQL_COLUMNS. Spans are valid until step or reset.
 */
#define VD_SQL_COLUMNS                                                                             \
    "owner, kind, name, version, state, key_epoch, sha256, size, body, created_at, created_by, "   \
    "audit_seq, mac"
struct vd_sql_row {
    vd_span owner;
    vd_span kind;
    vd_span name;
    uint64_t version;
    uint64_t state;
    uint64_t key_epoch; /* 0: the body is not sealed */
    vd_span sha256;
    uint64_t size;
    bool has_body;
    vd_span body;
    uint64_t created_at;
    vd_span created_by;
    uint64_t audit_seq;
    vd_span mac;
};
void vd_sql_row_mac(const struct vd_store *s, const struct vd_sql_row *row, uint8_t ret[32]);
void vd_sql_row_columns(sqlite3_stmt *st, struct vd_sql_row *ret);
/* Reads the row a statement stands on and checks its MAC. VD_E_STORE_CORRUPT names the object. */
vd_rc vd_sql_row_read(const struct vd_store *s, sqlite3_stmt *st, struct vd_sql_row *ret,
                      vd_err *err);
/* The associated data of a sealed body: binds it to its place. */
void vd_sql_row_aad(const struct vd_sql_row *row, vd_buf *out);
/* Copies a row into an object (buffers of ret are reused). */
vd_rc vd_sql_row_object(const struct vd_sql_row *row, struct vd_object *ret, vd_err *err);

/* meta.c: authenticated named values. Names of callers get the prefix "user." */
vd_rc vd_sql_meta_get(struct vd_sql *c, const uint8_t mac_key[32], const char *key, vd_buf *ret,
                      vd_err *err);
vd_rc vd_sql_meta_put(struct vd_sql *c, const uint8_t mac_key[32], const char *key, vd_span value,
                      vd_err *err);
/* Without the check, before the key is known: schema_version, key_check, data_key. */
vd_rc vd_sql_meta_raw(struct vd_sql *c, const char *key, vd_buf *ret, vd_err *err);

/* schema.c: numbered migrations. */
extern const unsigned vd_sql_schema_newest;
/* One transaction per step; `mac_key` for the row that keeps the number. */
vd_rc vd_sql_migrate(struct vd_sql *c, const uint8_t mac_key[32], unsigned from, vd_err *err);
/* VD_E_STORE_CORRUPT when the tables are not those of the newest schema. */
vd_rc vd_sql_schema_check(struct vd_sql *c, vd_err *err);
