/* Where collateral comes from: bundle and offline directory, the cache folder, the vendor; and what
 * is good enough to be kept. Bytes of kinds without a full check are looked at only as far as "is
 * this of its kind"; whether they are good is the driver's business. */
#include <errno.h>

#include "issuer/collateral/collateral_priv.h"
#include "shared/base/slurp.h"
#include "shared/codec/b64.h"

/* An operator may replace an offline file at any time: things that expire are read again soon. */
enum {
    OFFLINE_REREAD = 10,
    REFETCH_SOONEST = 3600,
    PAUSE_MISSING = 300,
    PAUSE_ASKED_TOO_OFTEN = 60,
    PAUSE_TROUBLE = 30
};

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* ---- judging -----------------------------------------------------------------------------------
 */

vd_rc coll_rank(const struct coll_kind *k, vd_span key, vd_span bytes,
                struct iss_collateral_rank *ret, vd_err *err)
{
    if (k->kind->rank)
        return k->kind->rank(k->state, key, bytes, ret, err);
    VD_TRY(k->kind->verify(bytes, err));
    /* The date is the driver's to judge: an old copy is better than none to say so. */
    *ret = (struct iss_collateral_rank){ .expires = k->kind->expiry(bytes) };
    return VD_OK;
}

bool coll_below(const struct iss_collateral_rank *r, const struct coll_floor *floor)
{
    return r->level < floor->level || r->issued < floor->issued;
}

void coll_raise_to(struct coll_floor *floor, const struct coll_floor *other)
{
    if (other->level > floor->level)
        floor->level = other->level;
    if (other->issued > floor->issued)
        floor->issued = other->issued;
}

void coll_raise(struct coll_floor *floor, const struct iss_collateral_rank *r)
{
    const struct coll_floor other = { .level = r->level, .issued = r->issued };
    coll_raise_to(floor, &other);
}

vd_rc coll_may_keep(const struct iss_collateral_rank *r, const struct coll_floor *floor,
                    int64_t now, vd_err *err)
{
    if (r->unproven)
        return vd_fail(err, VD_E_COLLATERAL,
                       "its signature cannot be checked without the certificate of its issuer");
    if (now >= r->expires)
        return vd_fail(err, VD_E_COLLATERAL_EXPIRED, "it is out of date");
    if (r->begin > now + COLL_SKEW || r->issued > now + COLL_SKEW)
        return vd_fail(err, VD_E_COLLATERAL_EXPIRED, "it is dated in the future");
    if (r->level < floor->level)
        return vd_fail(err, VD_E_COLLATERAL_OLD,
                       "its evaluation number is %llu, and %llu was held already",
                       (unsigned long long)r->level, (unsigned long long)floor->level);
    if (r->issued < floor->issued)
        return vd_fail(err, VD_E_COLLATERAL_OLD, "it was issued before what was held already");
    return VD_OK;
}

vd_rc coll_item_new(vd_buf *bytes, const struct iss_collateral_rank *rank, int64_t refetch_at,
                    struct iss_collateral_item **ret, vd_err *err)
{
    VD_TRY(vd_buf_check(bytes, err));
    struct iss_collateral_item *item = calloc(1, sizeof *item);
    if (!item)
        return vd_fail(err, VD_E_NOMEM, "collateral");
    item->refs = 1;
    item->refetch_at = refetch_at;
    item->rank = *rank;
    item->bytes = *bytes;
    *bytes = vd_buf_of(bytes->max);
    *ret = item;
    return VD_OK;
}

int64_t coll_refetch_at(const struct coll_kind *k, const struct iss_collateral_rank *rank,
                        int64_t fetched_at)
{
    int64_t at = rank->expires;
    if (at != INT64_MAX && k->kind->lead > 0) {
        at -= k->kind->lead;
        /* something short-lived must not be asked for all the time */
        if (at < fetched_at + REFETCH_SOONEST)
            at = sooner(fetched_at + REFETCH_SOONEST, rank->expires);
    }
    if (k->kind->max_age > 0)
        at = sooner(at, fetched_at + k->kind->max_age);
    return at;
}

/* ---- files by their path -----------------------------------------------------------------------
 */

/* VD_E_NOT_FOUND, VD_E_FILE. */
static vd_rc read_file(const struct coll_kind *k, vd_span key, const char *path, int64_t now,
                       struct iss_collateral_item **ret, vd_err *err)
{
    VD_AUTO_BUF bytes = vd_buf_of(ISS_COLLATERAL_BYTES_MAX);
    struct iss_collateral_rank rank = { 0 };
    vd_err cause = { 0 };
    vd_rc_ rc = vd_file_read(path, ISS_COLLATERAL_BYTES_MAX, &bytes, NULL, &cause);
    if (rc.code != VD_E_OK)
        return vd_fail(err, rc.code == VD_E_NOT_FOUND ? VD_E_NOT_FOUND : VD_E_FILE, "%s",
                       cause.msg);
    if (coll_rank(k, key, vd_buf_span(&bytes), &rank, &cause).code != VD_E_OK)
        return vd_fail(err, VD_E_FILE, "%s: is no %s: %s", path, k->kind->name, cause.msg);
    int64_t refetch = rank.expires == INT64_MAX ? INT64_MAX : now + OFFLINE_REREAD;
    return coll_item_new(&bytes, &rank, refetch, ret, err);
}

static vd_rc read_offline(const struct coll_places *p, const struct coll_kind *k, vd_span key,
                          int64_t now, struct iss_collateral_item **ret, vd_err *err)
{
    for (unsigned nth = 0;; nth++) {
        VD_AUTO_BUF path = vd_buf_of(COLL_PATH_BYTES);
        vd_buf_str(&path, p->dir);
        vd_buf_str(&path, "/");
        VD_TRY(k->kind->offline_path(key, nth, &path, err));
        VD_TRY(vd_buf_check(&path, err));
        vd_err cause = { 0 };
        vd_rc_ rc = read_file(k, key, vd_buf_cstr(&path), now, ret, &cause);
        if (rc.code != VD_E_NOT_FOUND)
            return rc.code == VD_E_OK ? VD_OK : vd_fail(err, rc.code, "%s", cause.msg);
    }
}

/* ---- files by their content --------------------------------------------------------------------
 */

struct choice {
    const struct coll_kind *kind;
    vd_span key;
    const struct coll_floor *floor;
    int64_t now;
    struct iss_collateral_item *item;
    vd_err refused; /* code set: something was there, and it is not good */
};

static vd_rc choose(void *ctx, struct iss_collateral_shelf *shelf, vd_err *err)
{
    struct choice *c = ctx;
    struct coll_thing *bad = NULL;
    struct coll_thing *best = coll_shelf_best(shelf, c->kind, c->key, c->floor, c->now, &bad);
    if (bad) {
        c->refused.code = bad->why.code;
        (void)snprintf(c->refused.msg, sizeof c->refused.msg, "%.90s: %.140s", bad->from,
                       bad->why.msg);
    }
    if (!best)
        return VD_OK;
    best->used = true;
    VD_AUTO_BUF bytes = vd_buf_of(ISS_COLLATERAL_BYTES_MAX);
    vd_buf_add(&bytes, vd_buf_span(&best->bytes));
    int64_t refetch = best->rank.expires == INT64_MAX ? INT64_MAX : c->now + OFFLINE_REREAD;
    return coll_item_new(&bytes, &best->rank, refetch, &c->item, err);
}

/* ---- all local places --------------------------------------------------------------------------
 */

static vd_rc read_cache(const struct coll_places *p, const struct coll_kind *k, vd_span key,
                        int64_t now, struct iss_collateral_item **ret, vd_err *err)
{
    struct coll_index index = { .n = 0 };
    const struct coll_cached *cached = NULL;
    VD_AUTO_BUF bytes = vd_buf_of(ISS_COLLATERAL_BYTES_MAX);
    if (!coll_cache_index(p, k, key, &index))
        return vd_fail(err, VD_E_NOT_FOUND, "nothing in the cache");
    VD_TRY(coll_cache_read(p, &index, &bytes, &cached, err));
    int64_t fetched = cached->fetched > now ? 0 : cached->fetched;
    return coll_item_new(&bytes, &cached->rank, coll_refetch_at(k, &cached->rank, fetched), ret,
                         err);
}

/* The floor as the cache folder has it; memory may know a higher one. */
void coll_floor_load(const struct coll_places *p, const struct coll_kind *k, vd_span key,
                     struct coll_floor *floor)
{
    struct coll_index index = { .n = 0 };
    if (coll_cache_index(p, k, key, &index))
        coll_raise_to(floor, &index.floor);
}

/* Bundle and directory: what is valid raises the floor, as if it had been fetched. */
static vd_rc read_given(const struct coll_places *p, const struct coll_kind *k, vd_span key,
                        int64_t now, struct coll_floor *floor, struct choice *ret, vd_err *err)
{
    if (!p->files || !k->offline)
        return VD_OK;
    *ret = (struct choice){ .kind = k, .key = key, .floor = floor, .now = now };
    VD_TRY(coll_files_with(p->files, choose, ret, err));
    if (!ret->item || ret->item->rank.unproven || !coll_valid(&ret->item->rank, now))
        return VD_OK;
    bool higher = ret->item->rank.level > floor->level || ret->item->rank.issued > floor->issued;
    coll_raise(floor, &ret->item->rank);
    if (higher && k->kind->rank)
        coll_cache_raise(p, k, key, &ret->item->rank);
    return VD_OK;
}

vd_rc coll_read_local(const struct coll_places *p, const struct coll_kind *k, vd_span key,
                      struct coll_floor *floor, struct iss_collateral_item **ret, vd_err *err)
{
    int64_t now = vd_clock_s(&p->clock);
    struct choice given = { .item = NULL };
    VD_AUTO(iss_collateral_item_unref) struct iss_collateral_item *old = NULL;
    coll_floor_load(p, k, key, floor);
    VD_TRY(read_given(p, k, key, now, floor, &given, err));
    if (given.item && coll_valid(&given.item->rank, now)) {
        *ret = given.item;
        return VD_OK;
    }
    old = given.item; /* better than nothing, unless the cache has a good one */
    if (k->offline && p->dir && k->kind->offline_path) {
        vd_err cause = { 0 };
        vd_rc_ rc = read_offline(p, k, key, now, ret, &cause);
        if (rc.code == VD_E_OK)
            return VD_OK;
        if (rc.code != VD_E_NOT_FOUND)
            return vd_fail(err, VD_E_FILE, "%s", cause.msg);
    }
    struct iss_collateral_item *kept = NULL;
    if (p->cache && read_cache(p, k, key, now, &kept, NULL).code == VD_E_OK) {
        bool better = coll_valid(&kept->rank, now) || !old;
        if (better && !coll_below(&kept->rank, floor)) {
            *ret = kept;
            return VD_OK;
        }
        iss_collateral_item_unref(kept);
    }
    if (old) {
        *ret = VD_TAKE(old);
        return VD_OK;
    }
    if (given.refused.code != VD_E_OK)
        return vd_fail(err, given.refused.code, "%s", given.refused.msg);
    return vd_fail(err, VD_E_COLLATERAL, "no %s for %.*s at hand", k->kind->name,
                   (int)sooner((int64_t)key.n, 120), (const char *)key.p);
}

/* ---- the vendor --------------------------------------------------------------------------------
 */

static int64_t pause_after(int status)
{
    if (status == 404 || status == 400 || status == 410)
        return PAUSE_MISSING;
    return status == 429 ? PAUSE_ASKED_TOO_OFTEN : PAUSE_TROUBLE;
}

static vd_rc address_of(const struct coll_kind *k, vd_span key, vd_buf *ret, vd_err *err)
{
    if (!k->kind->url) {
        VD_TRY(k->kind->address(k->state, key, ret, err));
    } else {
        vd_buf_str(ret, k->base_url);
        VD_TRY(k->kind->url(key, ret, err));
    }
    return vd_buf_check(ret, err);
}

/* VD_E_TIMEOUT, VD_E_COLLATERAL; `bytes` gets the body, with the field of the answer that belongs
 * to it. */
static vd_rc call_vendor(const struct coll_places *p, const struct coll_kind *k, const char *url,
                         vd_buf *bytes, int64_t *ret_pause, vd_err *err)
{
    struct vd_call call = { .method = "GET",
                            .url = url,
                            /* whoever waits for it waits a second longer, and hears why */
                            .seconds = p->fetch_seconds > 1 ? p->fetch_seconds - 1 : 1,
                            .max_bytes = p->fetch_bytes,
                            .redirects = 0 };
    __attribute__((cleanup(vd_answer_done))) struct vd_answer answer = { 0 };
    vd_err cause = { 0 };
    vd_rc_ rc = vd_client_call(p->client, &call, &answer, &cause);
    if (rc.code != VD_E_OK)
        return vd_fail(err, rc.code == VD_E_TIMEOUT ? VD_E_TIMEOUT : VD_E_COLLATERAL, "%s",
                       cause.msg); /* it names the address */
    if (answer.status != 200) {
        *ret_pause = pause_after(answer.status);
        return vd_fail(err, VD_E_COLLATERAL, "%.120s: the vendor answers %d", url, answer.status);
    }
    if (!k->kind->pack) {
        vd_buf_add(bytes, vd_buf_span(&answer.body));
        return vd_buf_check(bytes, err);
    }
    vd_span field = k->kind->field ? vd_answer_field(&answer, k->kind->field) : VD_SPAN_NONE;
    if (k->kind->pack(vd_buf_span(&answer.body), field, bytes, &cause).code != VD_E_OK)
        return vd_fail(err, VD_E_COLLATERAL, "%.120s: %s", url, cause.msg);
    return vd_buf_check(bytes, err);
}

vd_rc coll_fetch(const struct coll_places *p, const struct coll_kind *k, vd_span key,
                 struct coll_floor *floor, struct iss_collateral_item **ret, int64_t *ret_pause,
                 vd_err *err)
{
    VD_AUTO_BUF url = vd_buf_of(COLL_PATH_BYTES);
    VD_AUTO_BUF bytes = vd_buf_of(ISS_COLLATERAL_BYTES_MAX);
    struct iss_collateral_rank rank = { 0 };
    vd_err cause = { 0 };
    *ret_pause = PAUSE_MISSING;
    if (address_of(k, key, &url, &cause).code != VD_E_OK)
        return vd_fail(err, VD_E_COLLATERAL, "%s", cause.msg);
    *ret_pause = PAUSE_TROUBLE;
    VD_TRY(call_vendor(p, k, vd_buf_cstr(&url), &bytes, ret_pause, err));
    int64_t now = vd_clock_s(&p->clock);
    vd_rc_ rc = coll_rank(k, key, vd_buf_span(&bytes), &rank, &cause);
    if (rc.code == VD_E_OK && k->kind->rank)
        rc = coll_may_keep(&rank, floor, now, &cause);
    if (rc.code != VD_E_OK)
        return vd_fail(err, VD_E_COLLATERAL, "%.110s: the answer is no good %s: %s",
                       vd_buf_cstr(&url), k->kind->name, cause.msg);
    /* A cache that cannot be written costs speed, nothing else: it is logged and forgotten. */
    if (coll_cache_put(p, k, key, vd_buf_span(&bytes), &rank, now, &cause).code != VD_E_OK)
        vd_log_err(p->log, VD_LOG_WARN, "collateral", &cause);
    coll_raise(floor, &rank);
    return coll_item_new(&bytes, &rank, coll_refetch_at(k, &rank, now), ret, err);
}
