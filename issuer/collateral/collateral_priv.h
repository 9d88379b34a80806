/* Inside of the collateral room: items, where they come from, the cache folder, the shelf of files
 * told by content, and the bound on fetches. */
#pragma once

#include <pthread.h>

#include "issuer/collateral/bundle.h"
#include "issuer/collateral/collateral.h"
#include "shared/http/client.h"

enum { COLL_HASH = 32, COLL_GENERATIONS = 4, COLL_PATH_BYTES = 4096, COLL_SKEW = 300 };

struct iss_collateral_item {
    unsigned refs; /* atomic */
    uint64_t id;
    vd_buf bytes;
    int64_t refetch_at; /* unix seconds; INT64_MAX: never */
    struct iss_collateral_rank rank;
};

/* Where one kind may come from. */
struct coll_kind {
    const struct iss_collateral_kind *kind;
    void *state; /* of its family */
    bool offline;
    bool vendor;
    const char *base_url; /* NULL: the kind makes whole addresses */
};

struct coll_family {
    const struct iss_collateral_family *family;
    void *state;
};

/* The newest that was ever held: nothing older is taken any more. */
struct coll_floor {
    uint64_t level;
    int64_t issued;
};

/* What does not change after open. */
struct coll_places {
    struct coll_kind *kind;
    size_t n_kinds;
    struct coll_family *family;
    size_t n_families;
    const char *dir;           /* offline directory, NULL: none */
    const char *cache;         /* folder of fetched things, NULL: none */
    struct vd_key *bundle_key; /* who must have signed bundles, NULL: anybody */
    struct coll_files *files;  /* bundle and directory, told by content; NULL: neither */
    struct vd_client *client;  /* NULL: nothing is fetched */
    struct vd_clock clock;
    struct vd_log *log;
    unsigned fetch_seconds;
    size_t fetch_bytes;
};

/* ---- judging (source.c) ------------------------------------------------------------------------
 */

/* The full check of a kind, dates aside. */
vd_rc coll_rank(const struct coll_kind *k, vd_span key, vd_span bytes,
                struct iss_collateral_rank *ret, vd_err *err);
static inline bool coll_valid(const struct iss_collateral_rank *r, int64_t now)
{
    return r->begin <= now && now < r->expires;
}
/* What is bound to be kept: proven, valid now, not of the future, not below the floor.
 * VD_E_COLLATERAL_EXPIRED, VD_E_COLLATERAL. */
vd_rc coll_may_keep(const struct iss_collateral_rank *r, const struct coll_floor *floor,
                    int64_t now, vd_err *err);
bool coll_below(const struct iss_collateral_rank *r, const struct coll_floor *floor);
void coll_raise(struct coll_floor *floor, const struct iss_collateral_rank *r);
void coll_raise_to(struct coll_floor *floor, const struct coll_floor *other);
/* A new item that takes the content of `bytes`. */
vd_rc coll_item_new(vd_buf *bytes, const struct iss_collateral_rank *rank, int64_t refetch_at,
                    struct iss_collateral_item **ret, vd_err *err);
/* When a copy that was fetched at that time is fetched again. */
int64_t coll_refetch_at(const struct coll_kind *k, const struct iss_collateral_rank *rank,
                        int64_t fetched_at);

/* ---- sources (source.c) ------------------------------------------------------------------------
 */

/* Bundle and offline directory, then the cache folder. VD_E_COLLATERAL: nothing there; VD_E_FILE
 * and the codes of rank(): there, but unreadable or not good. The item may be past its refetch
 * time, or expired. */
vd_rc coll_read_local(const struct coll_places *p, const struct coll_kind *k, vd_span key,
                      struct coll_floor *floor, struct iss_collateral_item **ret, vd_err *err);
/* The floor as the cache folder has it; memory may know a higher one. */
void coll_floor_load(const struct coll_places *p, const struct coll_kind *k, vd_span key,
                     struct coll_floor *floor);
/* One request to the vendor; the answer goes to the cache folder too. VD_E_COLLATERAL,
 * VD_E_TIMEOUT; ret_pause: seconds for which nobody should ask again after a failure. */
vd_rc coll_fetch(const struct coll_places *p, const struct coll_kind *k, vd_span key,
                 struct coll_floor *floor, struct iss_collateral_item **ret, int64_t *ret_pause,
                 vd_err *err);

/* ---- cache folder (cache.c): content-addressed, several generations ----------------------------
 */

struct coll_cached {
    char sha256[2 * COLL_HASH + 1];
    struct iss_collateral_rank rank;
    int64_t fetched;
};
/* What is known of one key; items newest first. */
struct coll_index {
    struct coll_floor floor;
    size_t n;
    struct coll_cached item[COLL_GENERATIONS];
};
/* False: nothing is known (or the file is damaged, which is the same). */
bool coll_cache_index(const struct coll_places *p, const struct coll_kind *k, vd_span key,
                      struct coll_index *ret);
/* The newest generation whose bytes are whole. VD_E_NOT_FOUND. */
vd_rc coll_cache_read(const struct coll_places *p, const struct coll_index *index, vd_buf *ret,
                      const struct coll_cached **ret_item, vd_err *err);
/* Stores, keeping earlier generations. VD_E_FILE. */
vd_rc coll_cache_put(const struct coll_places *p, const struct coll_kind *k, vd_span key,
                     vd_span bytes, const struct iss_collateral_rank *rank, int64_t now,
                     vd_err *err);
/* Raises the floor without storing anything. */
void coll_cache_raise(const struct coll_places *p, const struct coll_kind *k, vd_span key,
                      const struct iss_collateral_rank *rank);
/* Every key of the folder. */
typedef vd_rc (*coll_cache_each_fn)(void *ctx, const struct coll_kind *k, vd_span key,
                                    const struct coll_index *index, vd_err *err);
vd_rc coll_cache_each(const struct coll_places *p, coll_cache_each_fn each, void *ctx, vd_err *err);

/* ---- the shelf (shelf.c): what files hold ------------------------------------------------------
 */

struct coll_thing {
    const struct coll_kind *kind;
    vd_buf key;
    vd_buf bytes;
    struct iss_collateral_rank rank;
    char *from;   /* file */
    bool refused; /* why says why; no bytes */
    bool asked;   /* somebody looked for its key */
    bool used;    /* and got it */
    vd_err why;
};
struct iss_collateral_shelf {
    const struct coll_places *places;
    struct coll_thing *thing;
    size_t n;
    size_t cap;
    bool nomem;
    vd_buf notes; /* lines "file: reason" */
};
void coll_shelf_done(struct iss_collateral_shelf *s);
#define COLL_AUTO_SHELF __attribute__((cleanup(coll_shelf_done))) struct iss_collateral_shelf
/* Puts what the files hold on an empty shelf: bundles, and what the families know. */
vd_rc coll_shelf_fill(const struct coll_places *p, struct iss_collateral_file *file, size_t n,
                      struct iss_collateral_shelf *ret, vd_err *err);
/* The best for a key: valid now before proven before newest; NULL: none. ret_refused (may be NULL):
 * a thing for this key that was not good. */
struct coll_thing *coll_shelf_best(struct iss_collateral_shelf *s, const struct coll_kind *k,
                                   vd_span key, const struct coll_floor *floor, int64_t now,
                                   struct coll_thing **ret_refused);
/* Lines "file: reason" on what nobody used, as far as it was looked for. */
void coll_shelf_unused(const struct iss_collateral_shelf *s, int64_t now, vd_buf *ret);

/* ---- files of the operator (files.c): bundle and directory, read again when they change --------
 */

struct coll_files;
/* bundle, path (a directory or one file): either may be NULL. */
vd_rc coll_files_new(const struct coll_places *p, const char *bundle, const char *path,
                     struct coll_files **ret, vd_err *err);
void coll_files_free(struct coll_files *f);
VD_DEFINE_CLEANUP(struct coll_files, coll_files_free)
/* Gives the present shelf to `use`, under the lock of the files. */
typedef vd_rc (*coll_files_use)(void *ctx, struct iss_collateral_shelf *shelf, vd_err *err);
vd_rc coll_files_with(struct coll_files *f, coll_files_use use, void *ctx, vd_err *err);

/* ---- bound (bound.c) ---------------------------------------------------------------------------
 */

/* How many different things one source may make us fetch. */
struct coll_bound;
vd_rc coll_bound_new(uint64_t per_minute, struct coll_bound **ret, vd_err *err);
void coll_bound_free(struct coll_bound *b);
VD_DEFINE_CLEANUP(struct coll_bound, coll_bound_free)
/* VD_E_RATE, VD_E_BUSY; after success coll_bound_leave must follow. Not thread safe: under the
 * caller's lock. */
vd_rc coll_bound_enter(struct coll_bound *b, const char *source, int64_t now, unsigned *ret_slot,
                       vd_err *err);
void coll_bound_leave(struct coll_bound *b, unsigned slot);

/* ---- what the operator's functions need of the store (collateral.c) ----------------------------
 */

const struct coll_places *coll_places_of(const struct iss_collateral *c);
const struct coll_kind *coll_kind_of(const struct coll_places *p, vd_span name);
/* Makes an item the present one of its key. */
vd_rc coll_take(struct iss_collateral *c, const struct coll_kind *k, vd_span key, vd_span bytes,
                const struct iss_collateral_rank *rank, vd_err *err);
/* The floor of a key in memory and cache. */
void coll_floor_of(struct iss_collateral *c, const struct coll_kind *k, vd_span key,
                   struct coll_floor *ret);
/* Every item in memory. */
typedef void (*coll_each_fn)(void *ctx, const struct coll_kind *k, vd_span key,
                             const struct iss_collateral_item *item);
void coll_each(struct iss_collateral *c, coll_each_fn each, void *ctx);
