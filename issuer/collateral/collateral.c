/* The store of collateral: a table of what was found, one search per key at a time, a thread that
 * fetches behind the back of callers who do not wait. The lock is never held over a file or the
 * network. An entry is "flying" while somebody searches; its finder or the thread lands it. */
#include "issuer/collateral/collateral_priv.h"

#include <errno.h>
#include <sys/stat.h>
#include <time.h>

enum { BUCKETS = 1024, FOUND_MAX = 4096, MISSING_MAX = 1024, QUEUE_MAX = 16, PAUSE_LOCAL = 10 };

struct entry {
    struct entry *next;
    const struct coll_kind *kind;
    vd_buf key;
    struct iss_collateral_item *item; /* what is known, however old */
    int64_t pause_until;              /* no new search before; why: code and msg */
    vd_code code;
    char msg[240];
    bool flying;
    unsigned pins; /* pointers to it outside the table */
};

struct iss_collateral {
    struct coll_places at;
    struct coll_bound *bound;
    pthread_mutex_t lock;
    pthread_cond_t landed; /* an entry is no longer flying */
    pthread_cond_t queued; /* work for the thread, or the end */
    struct entry *bucket[BUCKETS];
    size_t n_entries;
    size_t sweep; /* bucket where the next eviction begins */
    uint64_t last_id;
    struct entry *queue[QUEUE_MAX];
    size_t n_queue;
    bool ending;
    bool has_thread;
    pthread_t thread;
};

const struct vd_setting iss_collateral_settings[] = {
    { .key = "collateral.dir",
      .type = VD_SET_PATH,
      .help = "Directory of vendor certificates and CRLs that were brought here by hand "
              "(vcek/<chip id>/..., crl/<line>.crl)." },
    { .key = "collateral.cache",
      .type = VD_SET_PATH,
      .help = "Folder where fetched certificates and CRLs are kept across restarts. Unset: in "
              "memory only." },
    { .key = "collateral.sources",
      .type = VD_SET_STRS,
      .def = "[\"offline\", \"vendor\"]",
      .help = "Where collateral may come from: \"offline\" is the directory above, \"vendor\" the "
              "vendor's service." },
    { .key = "collateral.fetches_per_source",
      .type = VD_SET_U64,
      .def = "60",
      .min = 1,
      .max = 100000,
      .help = "Different things that one source (an IPv4 address or an IPv6 /64) may make us fetch "
              "in a minute." },
};
const size_t iss_collateral_settings_n =
    sizeof iss_collateral_settings / sizeof iss_collateral_settings[0];

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

static void entry_free(struct entry *e)
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
    return (size_t)((h ^ h >> 32) % BUCKETS);
}

/* Makes room: first something that was not found, else anything that nobody holds. */
static void evict_one(struct iss_collateral *c, bool missing_only)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        c->sweep = (c->sweep + 1) % BUCKETS;
        for (struct entry **at = &c->bucket[c->sweep]; *at; at = &(*at)->next) {
            struct entry *e = *at;
            if (e->pins > 0 || e->flying || (missing_only && e->item))
                continue;
            *at = e->next;
            c->n_entries--;
            entry_free(e);
            return;
        }
    }
}

static struct entry *entry_of(struct iss_collateral *c, const struct coll_kind *k, vd_span key)
{
    struct entry **bucket = &c->bucket[bucket_of(k, key)];
    for (struct entry *e = *bucket; e; e = e->next)
        if (e->kind == k && vd_span_eq(vd_buf_span(&e->key), key))
            return e;
    if (c->n_entries >= FOUND_MAX)
        evict_one(c, false);
    else if (c->n_entries >= MISSING_MAX)
        evict_one(c, true);
    struct entry *e = calloc(1, sizeof *e);
    if (!e)
        return NULL;
    e->kind = k;
    e->key = vd_buf_of(ISS_COLLATERAL_KEY_MAX);
    vd_buf_add(&e->key, key);
    if (e->key.bad) {
        entry_free(e);
        return NULL;
    }
    e->next = *bucket;
    *bucket = e;
    c->n_entries++;
    return e;
}

/* Ends a search: a new item, which the entry takes over, or the reason why there is none and how
 * long nobody should ask. */
static void land(struct iss_collateral *c, struct entry *e, struct iss_collateral_item *item,
                 const vd_err *why, int64_t pause)
{
    if (item) {
        bool same = e->item && vd_span_eq(vd_buf_span(&e->item->bytes), vd_buf_span(&item->bytes));
        item->id = same ? e->item->id : ++c->last_id;
        iss_collateral_item_unref(e->item);
        e->item = item;
    }
    e->code = why ? why->code : VD_E_OK;
    e->pause_until = why ? vd_clock_s(&c->at.clock) + pause : 0;
    if (why)
        (void)snprintf(e->msg, sizeof e->msg, "%s", why->msg);
    e->flying = false;
    (void)pthread_cond_broadcast(&c->landed);
}

/* ---- the thread ---------------------------------------------------------------------------------
 */

static void *fetch_thread(void *arg)
{
    struct iss_collateral *c = arg;
    (void)pthread_mutex_lock(&c->lock);
    for (;;) {
        while (c->n_queue == 0 && !c->ending)
            (void)pthread_cond_wait(&c->queued, &c->lock);
        if (c->ending)
            break;
        struct entry *e = c->queue[--c->n_queue];
        (void)pthread_mutex_unlock(&c->lock);
        struct iss_collateral_item *item = NULL;
        int64_t pause = 0;
        vd_err why = { 0 };
        vd_rc_ rc = coll_fetch(&c->at, e->kind, vd_buf_span(&e->key), &item, &pause, &why);
        if (rc.code != VD_E_OK)
            vd_log_err(c->at.log, VD_LOG_WARN, "collateral", &why);
        (void)pthread_mutex_lock(&c->lock);
        land(c, e, item, rc.code == VD_E_OK ? NULL : &why, pause);
        e->pins--;
    }
    (void)pthread_mutex_unlock(&c->lock);
    return NULL;
}

/* Under the lock; the entry stays flying and pinned until the thread lands it. */
static bool queue_fetch(struct iss_collateral *c, struct entry *e)
{
    if (!c->has_thread)
        c->has_thread = pthread_create(&c->thread, NULL, fetch_thread, c) == 0;
    if (!c->has_thread || c->n_queue == QUEUE_MAX)
        return false;
    c->queue[c->n_queue++] = e;
    e->pins++;
    (void)pthread_cond_signal(&c->queued);
    return true;
}

/* ---- searching ----------------------------------------------------------------------------------
 */

static vd_rc give(const struct entry *e, struct iss_collateral_item **ret, vd_err *err)
{
    if (!e->item)
        return vd_fail(err, e->code ? e->code : VD_E_COLLATERAL, "%s",
                       e->msg[0] ? e->msg : "is being fetched");
    *ret = item_ref(e->item);
    return VD_OK;
}

/* Waits until nobody else searches for this entry. */
static vd_rc wait_landed(struct iss_collateral *c, const struct entry *e, vd_err *err)
{
    struct timespec end;
    (void)clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += (time_t)c->at.fetch_seconds;
    while (e->flying)
        if (pthread_cond_timedwait(&c->landed, &c->lock, &end) == ETIMEDOUT && e->flying)
            return vd_fail(err, VD_E_TIMEOUT, "%s: still being fetched after %u s",
                           e->kind->kind->name, c->at.fetch_seconds);
    return VD_OK;
}

/* The vendor, by the caller itself. Called and left under the lock, which is open in between. */
static void fetch_now(struct iss_collateral *c, struct entry *e, const char *source)
{
    vd_err why = { 0 };
    int64_t pause = 0;
    if (coll_bound_enter(c->bound, source, vd_clock_s(&c->at.clock), &why).code != VD_E_OK) {
        land(c, e, NULL, &why, 0); /* another source may ask at once */
        return;
    }
    (void)pthread_mutex_unlock(&c->lock);
    struct iss_collateral_item *item = NULL;
    vd_rc_ rc = coll_fetch(&c->at, e->kind, vd_buf_span(&e->key), &item, &pause, &why);
    (void)pthread_mutex_lock(&c->lock);
    coll_bound_leave(c->bound, source);
    land(c, e, item, rc.code == VD_E_OK ? NULL : &why, pause);
}

/* Called and left under the lock. Files first; the vendor when they have nothing that is new
 * enough. */
static void search(struct iss_collateral *c, struct entry *e, const char *source,
                   enum iss_collateral_wait wait)
{
    e->flying = true;
    (void)pthread_mutex_unlock(&c->lock);
    struct iss_collateral_item *item = NULL;
    vd_err why = { 0 };
    vd_rc_ rc = coll_read_local(&c->at, e->kind, vd_buf_span(&e->key), &item, &why);
    (void)pthread_mutex_lock(&c->lock);
    bool fresh = item && item->refetch_at > vd_clock_s(&c->at.clock);
    bool fetch = !fresh && c->at.client && e->kind->vendor &&
                 (rc.code == VD_E_OK || rc.code == VD_E_COLLATERAL);
    if (!fetch && !item) { /* a file that is gone or spoilt is not what it was */
        iss_collateral_item_unref(e->item);
        e->item = NULL;
    }
    if (!fetch || item)
        land(c, e, item, item ? NULL : &why, PAUSE_LOCAL);
    if (!fetch)
        return;
    e->flying = true;
    if (wait == ISS_COLLATERAL_WAIT)
        fetch_now(c, e, source);
    else if (!queue_fetch(c, e))
        land(c, e, NULL, &(vd_err){ .code = VD_E_COLLATERAL, .msg = "too many fetches wait" },
             PAUSE_LOCAL);
}

static vd_rc find_locked(struct iss_collateral *c, struct entry *e, const char *source,
                         enum iss_collateral_wait wait, struct iss_collateral_item **ret,
                         vd_err *err)
{
    if (e->flying && wait == ISS_COLLATERAL_NO_WAIT)
        return give(e, ret, err);
    VD_TRY(wait_landed(c, e, err));
    int64_t now = vd_clock_s(&c->at.clock);
    bool fresh = e->item && e->item->refetch_at > now;
    if (!fresh && now >= e->pause_until)
        search(c, e, source, wait);
    return give(e, ret, err);
}

static const struct coll_kind *kind_of(const struct iss_collateral *c, const char *name)
{
    for (size_t i = 0; i < c->at.n_kinds; i++)
        if (vd_span_eq_str(vd_span_str(name), c->at.kind[i].kind->name))
            return &c->at.kind[i];
    return NULL;
}

vd_rc iss_collateral_find(struct iss_collateral *c, const char *kind, vd_span key,
                          const char *source, enum iss_collateral_wait wait,
                          struct iss_collateral_item **ret, vd_err *err)
{
    const struct coll_kind *k = kind_of(c, kind);
    if (!k)
        return vd_fail(err, VD_E_INTERNAL, "%s is no kind of collateral", kind);
    (void)pthread_mutex_lock(&c->lock);
    struct entry *e = entry_of(c, k, key);
    vd_rc_ rc = { VD_E_NOMEM };
    if (e) {
        e->pins++;
        rc = find_locked(c, e, source, wait, ret, err);
        e->pins--;
    }
    (void)pthread_mutex_unlock(&c->lock);
    return e ? rc : vd_fail(err, VD_E_NOMEM, "collateral %s", kind);
}

vd_rc iss_collateral_get(struct iss_collateral *c, const char *kind, vd_span key,
                         const char *source, vd_buf *ret, vd_err *err)
{
    VD_AUTO(iss_collateral_item_unref) struct iss_collateral_item *item = NULL;
    VD_TRY(iss_collateral_find(c, kind, key, source, ISS_COLLATERAL_WAIT, &item, err));
    vd_buf_add(ret, iss_collateral_item_bytes(item));
    return vd_buf_check(ret, err);
}

/* ---- opening ------------------------------------------------------------------------------------
 */

static vd_rc check_folder(const char *key, const char *path, vd_err *err)
{
    struct stat st;
    if (path && (stat(path, &st) != 0 || !S_ISDIR(st.st_mode)))
        return vd_fail(err, VD_E_CONFIG, "%s: %s is no directory; create it or change the setting",
                       key, path);
    return VD_OK;
}

static vd_rc read_sources(const struct vd_config *config, const char *key, struct coll_kind *k,
                          vd_err *err)
{
    size_t n = 0;
    const char *const *name = vd_config_strs(config, key, &n);
    for (size_t i = 0; i < n; i++) {
        vd_span s = vd_span_str(name[i]);
        k->offline |= vd_span_eq_str(s, "offline");
        k->vendor |= vd_span_eq_str(s, "vendor");
        /* "evidence" in a kind's own list is for its driver */
        if (!vd_span_eq_str(s, "offline") && !vd_span_eq_str(s, "vendor") &&
            !vd_span_eq_str(s, "evidence"))
            return vd_fail(err, VD_E_CONFIG, "%s: \"%.40s\" is neither offline nor vendor", key,
                           name[i]);
    }
    return VD_OK;
}

static vd_rc open_kinds(struct iss_collateral *c, const struct iss_collateral_cfg *cfg, vd_err *err)
{
    c->at.kind = calloc(cfg->n_kinds ? cfg->n_kinds : 1, sizeof *c->at.kind);
    if (!c->at.kind)
        return vd_fail(err, VD_E_NOMEM, "kinds of collateral");
    c->at.n_kinds = cfg->n_kinds;
    bool vendor = false;
    for (size_t i = 0; i < cfg->n_kinds; i++) {
        struct coll_kind *k = &c->at.kind[i];
        k->kind = cfg->kinds[i];
        bool own = k->kind->sources_key && vd_config_is_set(cfg->config, k->kind->sources_key);
        VD_TRY(
            read_sources(cfg->config, own ? k->kind->sources_key : "collateral.sources", k, err));
        k->base_url = vd_config_str(cfg->config, k->kind->base_url_key);
        k->vendor = k->vendor && k->base_url && !cfg->offline;
        k->offline = k->offline || cfg->dir; /* a directory given by hand is meant */
        vendor = vendor || k->vendor;
    }
    return vendor ? vd_client_new(&(struct vd_client_cfg){ 0 }, &c->at.client, err) : VD_OK;
}

static vd_rc open_locks(struct iss_collateral *c, vd_err *err)
{
    pthread_condattr_t attr;
    bool ok = pthread_condattr_init(&attr) == 0 &&
              pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0 &&
              pthread_cond_init(&c->landed, &attr) == 0 &&
              pthread_cond_init(&c->queued, NULL) == 0 && pthread_mutex_init(&c->lock, NULL) == 0;
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
    const struct vd_limits *limits = vd_config_limits(cfg->config);
    c->at.dir = cfg->dir ? cfg->dir : vd_config_str(cfg->config, "collateral.dir");
    c->at.cache = cfg->offline ? NULL : vd_config_str(cfg->config, "collateral.cache");
    c->at.clock = cfg->clock;
    c->at.log = cfg->log;
    c->at.fetch_seconds = (unsigned)limits->fetch_seconds;
    c->at.fetch_bytes = (size_t)limits->fetch_bytes;
    VD_TRY(check_folder(cfg->dir ? "--collateral" : "collateral.dir", c->at.dir, err));
    VD_TRY(check_folder("collateral.cache", c->at.cache, err));
    VD_TRY(open_kinds(c, cfg, err));
    VD_TRY(coll_bound_new(vd_config_u64(cfg->config, "collateral.fetches_per_source"), &c->bound,
                          err));
    *ret = VD_TAKE(c);
    return VD_OK;
}

void iss_collateral_close(struct iss_collateral *c)
{
    if (!c)
        return;
    if (c->has_thread) {
        (void)pthread_mutex_lock(&c->lock);
        c->ending = true;
        (void)pthread_cond_signal(&c->queued);
        (void)pthread_mutex_unlock(&c->lock);
        (void)pthread_join(c->thread, NULL);
    }
    for (size_t i = 0; i < BUCKETS; i++)
        while (c->bucket[i]) {
            struct entry *e = c->bucket[i];
            c->bucket[i] = e->next;
            entry_free(e);
        }
    vd_client_free(c->at.client);
    coll_bound_free(c->bound);
    free(c->at.kind);
    (void)pthread_mutex_destroy(&c->lock);
    (void)pthread_cond_destroy(&c->landed);
    (void)pthread_cond_destroy(&c->queued);
    free(c);
}
