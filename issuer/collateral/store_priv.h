/* The store of collateral: a table of what was found, and threads that fetch. */
#pragma once

#include "issuer/collateral/collateral_priv.h"

enum { COLL_BUCKETS = 1024, COLL_QUEUE = 16, COLL_THREADS = 4, COLL_PAUSE_MAX = 300 };

/* One key. "Flying" while somebody searches; its finder or a thread lands it. */
struct coll_entry {
    struct coll_entry *next;
    const struct coll_kind *kind;
    vd_buf key;
    struct iss_collateral_item *item; /* what is known, however old */
    struct coll_floor floor;
    int64_t pause_until; /* no new search before; why: code and msg */
    int64_t asked_at;
    vd_code code;
    char msg[240];
    bool flying;
    bool bounded; /* a fetch that counts for the slot */
    unsigned slot;
    unsigned pins; /* pointers to it outside the table */
};

struct iss_collateral {
    struct coll_places at;
    struct coll_bound *bound;
    pthread_mutex_t lock;
    pthread_cond_t landed; /* an entry is no longer flying */
    pthread_cond_t queued; /* work for a thread, or the end */
    struct coll_entry *bucket[COLL_BUCKETS];
    size_t n_entries;
    size_t sweep; /* bucket where the next eviction begins */
    uint64_t last_id;
    struct coll_entry *queue[COLL_QUEUE]; /* oldest first */
    size_t n_queue;
    unsigned waiting; /* callers that wait for a fetch */
    unsigned max_waiting;
    bool ending;
    unsigned n_threads;
    unsigned n_idle;
    pthread_t thread[COLL_THREADS];
};

/* May it be searched for again? A clock that was set back must not stop it for longer than any
 * pause. */
static inline bool coll_rested(const struct coll_entry *e, int64_t now)
{
    return now >= e->pause_until || e->pause_until - now > COLL_PAUSE_MAX;
}

/* ---- settings.c ---- */
vd_rc coll_places_open(struct coll_places *at, const struct iss_collateral_cfg *cfg, vd_err *err);
void coll_places_close(struct coll_places *at);

/* ---- threads.c (all under the lock) ---- */
/* Ends a search: a new item, which the entry takes over, or the reason why there is none and how
 * long nobody should ask. */
void coll_land(struct iss_collateral *c, struct coll_entry *e, struct iss_collateral_item *item,
               const vd_err *why, int64_t pause);
/* The entry stays flying and pinned until a thread lands it. False: too many wait. */
bool coll_queue(struct iss_collateral *c, struct coll_entry *e);
void coll_threads_end(struct iss_collateral *c); /* not under the lock */
