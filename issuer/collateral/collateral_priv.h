/* Inside of the collateral room: items, where they come from, and the bound on fetches. */
#pragma once

#include <pthread.h>

#include "issuer/collateral/collateral.h"
#include "shared/http/client.h"

enum { COLL_HASH = 32 };

struct iss_collateral_item {
    unsigned refs; /* atomic */
    uint64_t id;
    vd_buf bytes;
    int64_t refetch_at; /* unix seconds; INT64_MAX: never */
};

/* Where one kind may come from. */
struct coll_kind {
    const struct iss_collateral_kind *kind;
    bool offline;
    bool vendor;
    const char *base_url;
};

/* What does not change after open. */
struct coll_places {
    struct coll_kind *kind;
    size_t n_kinds;
    const char *dir;          /* offline directory, NULL: none */
    const char *cache;        /* folder of fetched things, NULL: none */
    struct vd_client *client; /* NULL: nothing is fetched */
    struct vd_clock clock;
    struct vd_log *log;
    unsigned fetch_seconds;
    size_t fetch_bytes;
};

/* Offline directory, then the cache folder. VD_E_COLLATERAL: nothing there; VD_E_FILE: there, but
 * unreadable or not of its kind. The item may be past its refetch time. */
vd_rc coll_read_local(const struct coll_places *p, const struct coll_kind *k, vd_span key,
                      struct iss_collateral_item **ret, vd_err *err);
/* One request to the vendor; the answer goes to the cache folder too. VD_E_COLLATERAL,
 * VD_E_TIMEOUT; ret_pause: seconds for which nobody should ask again after a failure. */
vd_rc coll_fetch(const struct coll_places *p, const struct coll_kind *k, vd_span key,
                 struct iss_collateral_item **ret, int64_t *ret_pause, vd_err *err);

/* How many different things one source may make us fetch. */
struct coll_bound;
vd_rc coll_bound_new(uint64_t per_minute, struct coll_bound **ret, vd_err *err);
void coll_bound_free(struct coll_bound *b);
VD_DEFINE_CLEANUP(struct coll_bound, coll_bound_free)
/* VD_E_RATE, VD_E_BUSY; after success coll_bound_leave must follow. Not thread safe: under the
 * caller's lock. */
vd_rc coll_bound_enter(struct coll_bound *b, const char *source, int64_t now, vd_err *err);
void coll_bound_leave(struct coll_bound *b, const char *source);
