/* The store of collateral: a table of what was found, one search per key at a time. The lock is
 * never held over a file or the network. Files are searched by the caller; the vendor by threads of
 * the store, while the caller waits as long as it may, or not at all. */
#include <errno.h>
#include <time.h>

#include "issuer/collateral/store_priv.h"

enum { FOUND_MAX = 4096, MISSING_MAX = 1024, PAUSE_LOCAL = 10 };

/* ---- items -------------------------------------------------------------------------------------
 */

static struct iss_collateral_item *item_ref(struct iss_collateral_item *i)
{
    __atomic_add_fetch(&i->refs, 1, __ATOMIC_RELAXED);
    return i;
}

void iss_collateral_item_unref(struct iss_collateral_item *i)
{
    if (!i || __atomic_sub_fetch(&i->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    vd_buf_done(&i->bytes);
    free(i);
}

vd_span iss_collateral_item_bytes(const struct iss_collateral_item *i)
{
    return vd_buf_span(&i->bytes);
}

uint64_t iss_collateral_item_id(const struct iss_collateral_item *i)
{
    return i->id;
}

/* ---- the table (under the lock) -----------------------------------------------------------------
 */

static void entry_free(struct coll_entry *e)
{
    iss_collateral_item_unref(e->item);
    vd_buf_done(&e->key);
    free(e);
}

static size_t bucket_of(const struct coll_kind *k, vd_span key)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325) ^ (uintptr_t)k;
    for (size_t i = 0; i < key.n; i++)
        h = (h ^ key.p[i]) * UINT64_C(0x100000001b3);
    return (size_t)((h ^ h >> 32) % COLL_BUCKETS);
}

/* Makes room: first something that was not found, else anything that nobody holds. */
static void evict_one(struct iss_collateral *c, bool missing_only)
{
    for (size_t i = 0; i < COLL_BUCKETS; i++) {
        c->sweep = (c->sweep + 1) % COLL_BUCKETS;
        for (struct coll_entry **at = &c->bucket[c->sweep]; *at; at = &(*at)->next) {
            struct coll_entry *e = *at;
            if (e->pins > 0 || e->flying || (missing_only && e->item))
                continue;
            *at = e->next;
            c->n_entries--;
            entry_free(e);
            return;
        }
    }
}

static struct coll_entry *find_entry(const struct iss_collateral *c, const struct coll_kind *k,
                                     vd_span key)
{
    struct coll_entry *e = c->bucket[bucket_of(k, key)];
    while (e && (e->kind != k || !vd_span_eq(vd_buf_span(&e->key), key)))
        e = e->next;
    return e;
}

static struct coll_entry *entry_of(struct iss_collateral *c, const struct coll_kind *k, vd_span key)
{
    struct coll_entry *e = find_entry(c, k, key);
    if (e)
        return e;
    if (c->n_entries >= FOUND_MAX)
        evict_one(c, false);
    else if (c->n_entries >= MISSING_MAX)
        evict_one(c, true);
    e = calloc(1, sizeof *e);
    if (!e)
        return NULL;
    e->kind = k;
    e->key = vd_buf_of(ISS_COLLATERAL_KEY_MAX);
    vd_buf_add(&e->key, key);
    if (e->key.bad) {
        entry_free(e);
        return NULL;
    }
    struct coll_entry **bucket = &c->bucket[bucket_of(k, key)];
    e->next = *bucket;
    *bucket = e;
    c->n_entries++;
    return e;
}

/* ---- searching (under the lock, which is open over files) ---------------------------------------
 */

static bool usable(const struct iss_collateral *c, const struct coll_entry *e)
{
    return e->item && coll_valid(&e->item->rank, vd_clock_s(&c->at.clock));
}

static vd_rc give(const struct coll_entry *e, struct iss_collateral_item **ret, vd_err *err)
{
    if (!e->item)
        return vd_fail(err, e->code ? e->code : VD_E_COLLATERAL, "%s",
                       e->msg[0] ? e->msg : "is being fetched");
    *ret = item_ref(e->item);
    return VD_OK;
}

/* Until nobody else searches for this entry. Workers that wait are few, so that others find one
 * free: who comes too late is told to come again. */
static vd_rc wait_landed(struct iss_collateral *c, const struct coll_entry *e,
                         const struct timespec *end, vd_err *err)
{
    if (!e->flying)
        return VD_OK;
    if (c->waiting >= c->max_waiting)
        return vd_fail(err, VD_E_BUSY, "%s: %u requests wait for collateral already",
                       e->kind->kind->name, c->waiting);
    c->waiting++;
    int rc = 0;
    while (e->flying && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&c->landed, &c->lock, end);
    c->waiting--;
    return e->flying ? vd_fail(err, VD_E_TIMEOUT, "%s %.*s: still being fetched after %u s",
                               e->kind->kind->name, (int)e->key.n, (const char *)e->key.p,
                               c->at.fetch_seconds)
                     : VD_OK;
}

static void fetch_by_thread(struct iss_collateral *c, struct coll_entry *e, const char *source,
                            enum iss_collateral_wait wait)
{
    vd_err why = { 0 };
    int64_t now = vd_clock_s(&c->at.clock);
    e->flying = true;
    /* Renewing what is known is no stranger's doing. */
    if (wait == ISS_COLLATERAL_WAIT && !usable(c, e)) {
        if (coll_bound_enter(c->bound, source, now, &e->slot, &why).code != VD_E_OK) {
            coll_land(c, e, NULL, &why, 0); /* another source may ask at once */
            return;
        }
        e->bounded = true;
    }
    const vd_err full = { .code = wait == ISS_COLLATERAL_WAIT ? VD_E_BUSY : VD_E_COLLATERAL,
                          .msg = "too many fetches wait" };
    if (!coll_queue(c, e))
        coll_land(c, e, NULL, &full, wait == ISS_COLLATERAL_WAIT ? 0 : PAUSE_LOCAL);
}

/* Files first; the vendor when they have nothing that is new enough. */
static void search(struct iss_collateral *c, struct coll_entry *e, const char *source,
                   enum iss_collateral_wait wait)
{
    struct iss_collateral_item *item = NULL;
    struct coll_floor floor = e->floor;
    vd_err why = { 0 };
    e->flying = true;
    (void)pthread_mutex_unlock(&c->lock);
    vd_rc_ rc = coll_read_local(&c->at, e->kind, vd_buf_span(&e->key), &floor, &item, &why);
    (void)pthread_mutex_lock(&c->lock);
    coll_raise_to(&e->floor, &floor);
    int64_t now = vd_clock_s(&c->at.clock);
    bool valid = item && coll_valid(&item->rank, now);
    bool fresh = valid && item->refetch_at > now;
    bool fetch = !fresh && c->at.client && e->kind->vendor && rc.code != VD_E_FILE;
    if (!fetch && !item) { /* a file that is gone or spoilt is not what it was */
        iss_collateral_item_unref(e->item);
        e->item = NULL;
    }
    if (!fetch || item) {
        coll_land(c, e, item, item ? NULL : &why, PAUSE_LOCAL);
        if (!fresh)
            e->pause_until = now + PAUSE_LOCAL;
    }
    if (fetch)
        fetch_by_thread(c, e, source, wait);
}

/* Begins whatever is needed for an answer. */
static void start(struct iss_collateral *c, struct coll_entry *e, const char *source,
                  enum iss_collateral_wait wait)
{
    int64_t now = vd_clock_s(&c->at.clock);
    e->asked_at = now;
    bool fresh = usable(c, e) && e->item->refetch_at > now;
    if (!e->flying && !fresh && coll_rested(e, now))
        search(c, e, source, wait);
}

static vd_rc finish(struct iss_collateral *c, struct coll_entry *e, const struct timespec *end,
                    const char *source, enum iss_collateral_wait wait,
                    struct iss_collateral_item **ret, vd_err *err)
{
    if (wait == ISS_COLLATERAL_WAIT && !usable(c, e)) {
        VD_TRY(wait_landed(c, e, end, err));
        start(c, e, source, wait); /* what others searched for may have been another answer */
        if (!usable(c, e))
            VD_TRY(wait_landed(c, e, end, err));
    }
    return give(e, ret, err);
}

const struct coll_kind *coll_kind_of(const struct coll_places *p, vd_span name)
{
    for (size_t i = 0; i < p->n_kinds; i++)
        if (vd_span_eq_str(name, p->kind[i].kind->name))
            return &p->kind[i];
    return NULL;
}

static struct timespec deadline(const struct iss_collateral *c)
{
    struct timespec end;
    (void)clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += (time_t)c->at.fetch_seconds;
    return end;
}

enum { WANTS_MAX = 8 };

/* Pins what is wanted and begins to search for all of it. */
static vd_rc start_all(struct iss_collateral *c, struct iss_collateral_want *want, size_t n,
                       const char *source, enum iss_collateral_wait wait,
                       struct coll_entry *entry[WANTS_MAX], vd_err *err)
{
    for (size_t i = 0; i < n; i++) {
        const struct coll_kind *k = coll_kind_of(&c->at, vd_span_str(want[i].kind));
        if (!k)
            return vd_fail(err, VD_E_INTERNAL, "%s is no kind of collateral", want[i].kind);
        entry[i] = entry_of(c, k, want[i].key);
        if (!entry[i])
            return vd_fail(err, VD_E_NOMEM, "collateral %s", want[i].kind);
        entry[i]->pins++;
        start(c, entry[i], source, wait);
    }
    return VD_OK;
}

vd_rc iss_collateral_find_all(struct iss_collateral *c, struct iss_collateral_want *want, size_t n,
                              const char *source, enum iss_collateral_wait wait, vd_err *err)
{
    struct coll_entry *entry[WANTS_MAX] = { NULL };
    const struct timespec end = deadline(c);
    if (n > WANTS_MAX)
        return vd_fail(err, VD_E_INTERNAL, "%zu things of collateral at once", n);
    (void)pthread_mutex_lock(&c->lock);
    vd_rc_ rc = start_all(c, want, n, source, wait, entry, err);
    for (size_t i = 0; i < n && entry[i]; i++) {
        vd_err why = { 0 };
        vd_rc_ one = finish(c, entry[i], &end, source, wait, &want[i].item, &why);
        if (one.code != VD_E_OK && rc.code == VD_E_OK)
            rc = vd_fail(err, one.code, "%s", why.msg);
        entry[i]->pins--;
    }
    (void)pthread_mutex_unlock(&c->lock);
    return rc;
}

vd_rc iss_collateral_find(struct iss_collateral *c, const char *kind, vd_span key,
                          const char *source, enum iss_collateral_wait wait,
                          struct iss_collateral_item **ret, vd_err *err)
{
    struct iss_collateral_want want = { .kind = kind, .key = key };
    VD_TRY(iss_collateral_find_all(c, &want, 1, source, wait, err));
    *ret = want.item;
    return VD_OK;
}

vd_rc iss_collateral_get(struct iss_collateral *c, const char *kind, vd_span key,
                         const char *source, vd_buf *ret, vd_err *err)
{
    VD_AUTO(iss_collateral_item_unref) struct iss_collateral_item *item = NULL;
    VD_TRY(iss_collateral_find(c, kind, key, source, ISS_COLLATERAL_WAIT, &item, err));
    vd_buf_add(ret, iss_collateral_item_bytes(item));
    return vd_buf_check(ret, err);
}

/* ---- for operators -----------------------------------------------------------------------------
 */

vd_rc iss_collateral_fetch(struct iss_collateral *c, const char *kind, vd_span key, vd_err *err)
{
    const struct coll_kind *k = coll_kind_of(&c->at, vd_span_str(kind));
    const struct timespec end = deadline(c);
    struct iss_collateral_item *item = NULL;
    struct coll_floor floor = { 0 };
    int64_t pause = 0;
    vd_err why = { 0 };
    if (!k || !k->vendor || !c->at.client)
        return vd_fail(err, VD_E_CONFIG,
                       "%s: nothing of this kind is fetched; see collateral.sources", kind);
    (void)pthread_mutex_lock(&c->lock);
    struct coll_entry *e = entry_of(c, k, key);
    if (e)
        e->pins++;
    vd_rc_ rc = e ? wait_landed(c, e, &end, &why) : vd_fail(&why, VD_E_NOMEM, "collateral");
    if (rc.code == VD_E_OK) {
        e->flying = true;
        floor = e->floor;
        (void)pthread_mutex_unlock(&c->lock);
        coll_floor_load(&c->at, k, key, &floor);
        rc = coll_fetch(&c->at, k, key, &floor, &item, &pause, &why);
        (void)pthread_mutex_lock(&c->lock);
        coll_raise_to(&e->floor, &floor);
        coll_land(c, e, item, rc.code == VD_E_OK ? NULL : &why, pause);
    }
    if (e)
        e->pins--;
    (void)pthread_mutex_unlock(&c->lock);
    return rc.code == VD_E_OK ? VD_OK : vd_fail(err, rc.code, "%s", why.msg);
}

const struct coll_places *coll_places_of(const struct iss_collateral *c)
{
    return &c->at;
}

void coll_floor_of(struct iss_collateral *c, const struct coll_kind *k, vd_span key,
                   struct coll_floor *ret)
{
    (void)pthread_mutex_lock(&c->lock);
    const struct coll_entry *e = find_entry(c, k, key);
    if (e)
        *ret = e->floor;
    (void)pthread_mutex_unlock(&c->lock);
    coll_floor_load(&c->at, k, key, ret);
}

vd_rc coll_take(struct iss_collateral *c, const struct coll_kind *k, vd_span key, vd_span bytes,
                const struct iss_collateral_rank *rank, vd_err *err)
{
    int64_t now = vd_clock_s(&c->at.clock);
    struct iss_collateral_item *item = NULL;
    VD_AUTO_BUF copy = vd_buf_of(ISS_COLLATERAL_BYTES_MAX);
    vd_buf_add(&copy, bytes);
    VD_TRY(coll_cache_put(&c->at, k, key, bytes, rank, now, err));
    VD_TRY(coll_item_new(&copy, rank, coll_refetch_at(k, rank, now), &item, err));
    (void)pthread_mutex_lock(&c->lock);
    struct coll_entry *e = entry_of(c, k, key);
    bool taken = e && !e->flying;
    if (taken) {
        coll_raise(&e->floor, rank);
        coll_land(c, e, VD_TAKE(item), NULL, 0);
        e->asked_at = now;
    }
    (void)pthread_mutex_unlock(&c->lock);
    iss_collateral_item_unref(item);
    /* who searches right now finds it in the cache, if there is one */
    if (!taken && !c->at.cache)
        return vd_fail(err, VD_E_BUSY, "it is being fetched right now; try again");
    return VD_OK;
}

void coll_each(struct iss_collateral *c, coll_each_fn each, void *ctx)
{
    (void)pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < COLL_BUCKETS; i++)
        for (const struct coll_entry *e = c->bucket[i]; e; e = e->next)
            if (e->item)
                each(ctx, e->kind, vd_buf_span(&e->key), e->item);
    (void)pthread_mutex_unlock(&c->lock);
}

/* ---- opening ------------------------------------------------------------------------------------
 */

static vd_rc open_locks(struct iss_collateral *c, vd_err *err)
{
    pthread_condattr_t attr;
    bool ok = pthread_condattr_init(&attr) == 0 &&
              pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0 &&
              pthread_cond_init(&c->landed, &attr) == 0 &&
              pthread_cond_init(&c->queued, &attr) == 0 && pthread_mutex_init(&c->lock, NULL) == 0;
    (void)pthread_condattr_destroy(&attr);
    return ok ? VD_OK : vd_fail(err, VD_E_NOMEM, "locks of the collateral store");
}

vd_rc iss_collateral_open(const struct iss_collateral_cfg *cfg, struct iss_collateral **ret,
                          vd_err *err)
{
    VD_AUTO(iss_collateral_close) struct iss_collateral *c = calloc(1, sizeof *c);
    if (!c)
        return vd_fail(err, VD_E_NOMEM, "collateral store");
    VD_TRY(open_locks(c, err));
    VD_TRY(coll_places_open(&c->at, cfg, err));
    uint64_t workers = vd_config_limits(cfg->config)->workers;
    c->max_waiting = workers > 2 ? (unsigned)(workers / 2) : 1;
    VD_TRY(coll_bound_new(vd_config_u64(cfg->config, "collateral.fetches_per_source"), &c->bound,
                          err));
    *ret = VD_TAKE(c);
    return VD_OK;
}

void iss_collateral_close(struct iss_collateral *c)
{
    if (!c)
        return;
    coll_threads_end(c);
    for (size_t i = 0; i < COLL_BUCKETS; i++)
        while (c->bucket[i]) {
            struct coll_entry *e = c->bucket[i];
            c->bucket[i] = e->next;
            entry_free(e);
        }
    coll_places_close(&c->at);
    coll_bound_free(c->bound);
    (void)pthread_mutex_destroy(&c->lock);
    (void)pthread_cond_destroy(&c->landed);
    (void)pthread_cond_destroy(&c->queued);
    free(c);
}
