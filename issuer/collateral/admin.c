/* What operators do with collateral: look at it, bring it in, take it along. */
#include <stdio.h>

#include "issuer/collateral/collateral_priv.h"

/* What is fetched is renewed three days before its end: if it was not, somebody must look for the
 * reason. What is brought by hand needs a hand in time. */
enum {
    HELD_MAX = 20000,
    ABOUT_BYTES = 256,
    WATCH_FETCHED = 2 * 86400,
    WATCH_BROUGHT = 7 * 86400,
};

/* One thing that is held somewhere. */
struct held {
    const struct coll_kind *kind;
    const char *source; /* literal */
    vd_buf key;
    vd_buf bytes; /* empty unless they were asked for */
    struct iss_collateral_rank rank;
    int64_t fetched; /* 0: unknown */
    char sha256[65]; /* empty: unknown */
    char file[200];  /* bundle or directory: where it lies */
    vd_err why;      /* code set: refused */
};
struct all_held {
    const struct coll_places *places;
    struct held *item;
    size_t n;
    size_t cap;
    bool want_bytes;
    bool nomem;
};

static void all_held_done(struct all_held *a)
{
    for (size_t i = 0; i < a->n; i++) {
        vd_buf_done(&a->item[i].key);
        vd_buf_done(&a->item[i].bytes);
    }
    free(a->item);
}
#define AUTO_HELD __attribute__((cleanup(all_held_done))) struct all_held

static struct held *add(struct all_held *a, const struct coll_kind *k, vd_span key,
                        const char *source, const struct iss_collateral_rank *rank)
{
    if (a->n == a->cap && a->cap < HELD_MAX) {
        size_t cap = a->cap ? 2 * a->cap : 32;
        struct held *more = reallocarray(a->item, cap, sizeof *more);
        a->nomem |= !more;
        if (!more)
            return NULL;
        a->item = more;
        a->cap = cap;
    }
    if (a->n == a->cap)
        return NULL;
    struct held *h = &a->item[a->n++];
    *h = (struct held){ .kind = k,
                        .source = source,
                        .key = vd_buf_of(ISS_COLLATERAL_KEY_MAX),
                        .bytes = vd_buf_of(ISS_COLLATERAL_BYTES_MAX),
                        .rank = *rank };
    vd_buf_add(&h->key, key);
    a->nomem |= h->key.bad;
    return h;
}

static void put_bytes(struct all_held *a, struct held *h, vd_span bytes)
{
    if (!a->want_bytes)
        return;
    vd_buf_add(&h->bytes, bytes);
    a->nomem |= h->bytes.bad;
}

/* ---- collecting --------------------------------------------------------------------------------
 */

static vd_rc from_cache(void *ctx, const struct coll_kind *k, vd_span key,
                        const struct coll_index *index, vd_err *err)
{
    struct all_held *a = ctx;
    const struct coll_cached *cached = NULL;
    VD_AUTO_BUF bytes = vd_buf_of(ISS_COLLATERAL_BYTES_MAX);
    (void)err;
    if (coll_cache_read(a->places, index, &bytes, &cached, NULL).code != VD_E_OK)
        return VD_OK; /* only the floor is known */
    struct held *h = add(a, k, key, "cache", &cached->rank);
    if (!h)
        return VD_OK;
    h->fetched = cached->fetched;
    memcpy(h->sha256, cached->sha256, sizeof h->sha256);
    put_bytes(a, h, vd_buf_span(&bytes));
    return VD_OK;
}

static vd_rc from_shelf(void *ctx, struct iss_collateral_shelf *shelf, vd_err *err)
{
    struct all_held *a = ctx;
    (void)err;
    for (size_t i = 0; i < shelf->n; i++) {
        const struct coll_thing *t = &shelf->thing[i];
        struct held *h = add(a, t->kind, vd_buf_span(&t->key), "offline", &t->rank);
        if (!h)
            return VD_OK;
        (void)snprintf(h->file, sizeof h->file, "%s", t->from);
        if (t->refused)
            h->why = t->why;
        put_bytes(a, h, vd_buf_span(&t->bytes));
    }
    return VD_OK;
}

static void from_memory(void *ctx, const struct coll_kind *k, vd_span key,
                        const struct iss_collateral_item *item)
{
    struct all_held *a = ctx;
    for (size_t i = 0; i < a->n; i++) /* what came from a file is listed as such */
        if (a->item[i].kind == k && a->item[i].rank.issued == item->rank.issued &&
            a->item[i].rank.level == item->rank.level &&
            vd_span_eq(vd_buf_span(&a->item[i].key), key))
            return;
    struct held *h = add(a, k, key, "memory", &item->rank);
    if (h)
        put_bytes(a, h, vd_buf_span(&item->bytes));
}

static bool after(const struct held *a, const struct held *b)
{
    if (a->rank.expires != b->rank.expires)
        return a->rank.expires > b->rank.expires;
    return strcmp(a->kind->kind->name, b->kind->kind->name) > 0;
}

/* Soonest expiry first. */
static vd_rc collect(struct iss_collateral *c, struct all_held *a, vd_err *err)
{
    a->places = coll_places_of(c);
    VD_TRY(coll_cache_each(a->places, from_cache, a, err));
    if (a->places->files)
        VD_TRY(coll_files_with(a->places->files, from_shelf, a, err));
    if (!a->places->cache)
        coll_each(c, from_memory, a);
    if (a->nomem)
        return vd_fail(err, VD_E_NOMEM, "list of collateral");
    for (size_t i = 1; i < a->n; i++) {
        const struct held h = a->item[i];
        size_t k = i;
        for (; k > 0 && after(&a->item[k - 1], &h); k--)
            a->item[k] = a->item[k - 1];
        a->item[k] = h;
    }
    return VD_OK;
}

/* ---- showing -----------------------------------------------------------------------------------
 */

static const char *state_of(const struct held *h, int64_t now)
{
    if (h->why.code != VD_E_OK)
        return "refused";
    if (now >= h->rank.expires)
        return "expired";
    if (now < h->rank.begin)
        return "not-yet-valid";
    return h->rank.unproven ? "unproven" : "good";
}

static void about(const struct coll_kind *k, vd_span key, vd_buf *ret)
{
    if (k->kind->about)
        k->kind->about(key, ret);
    else
        vd_buf_printf(ret, "what needs %s %.*s", k->kind->name, (int)key.n, (const char *)key.p);
}

static void put_time(vd_jw *w, const char *name, int64_t t)
{
    if (t <= 0 || t == INT64_MAX)
        return;
    vd_jw_key(w, name);
    vd_jw_time(w, t);
}

static void put_held(vd_jw *w, const struct held *h, int64_t now)
{
    VD_AUTO_BUF stops = vd_buf_of(2 * ABOUT_BYTES + ISS_COLLATERAL_KEY_MAX);
    about(h->kind, vd_buf_span(&h->key), &stops);
    vd_jw_obj(w);
    vd_jw_kstr(w, "kind", h->kind->kind->name);
    vd_jw_kspan(w, "key", vd_buf_span(&h->key));
    vd_jw_kstr(w, "state", state_of(h, now));
    vd_jw_kstr(w, "source", h->source);
    if (h->file[0])
        vd_jw_kstr(w, "file", h->file);
    if (h->rank.level > 0)
        vd_jw_ku64(w, "evaluation_number", h->rank.level);
    put_time(w, "issued", h->rank.issued);
    put_time(w, "expires", h->rank.expires);
    if (h->why.code == VD_E_OK && h->rank.expires != INT64_MAX)
        vd_jw_ki64(w, "days_left", (h->rank.expires - now) / 86400);
    put_time(w, "fetched", h->fetched);
    if (h->sha256[0])
        vd_jw_kstr(w, "sha256", h->sha256);
    if (h->why.code != VD_E_OK)
        vd_jw_kstr(w, "reason", h->why.msg);
    else
        vd_jw_kspan(w, "stops", vd_buf_span(&stops));
    vd_jw_end(w);
}

vd_rc iss_collateral_list(struct iss_collateral *c, vd_jw *w, vd_err *err)
{
    AUTO_HELD a = { .want_bytes = false };
    VD_TRY(collect(c, &a, err));
    int64_t now = vd_clock_s(&a.places->clock);
    vd_jw_arr(w);
    for (size_t i = 0; i < a.n; i++)
        put_held(w, &a.item[i], now);
    vd_jw_end(w);
    return VD_OK;
}

/* Is it the copy of its key that ends last? */
static bool last_to_end(const struct all_held *a, size_t at)
{
    const struct held *h = &a->item[at];
    for (size_t i = 0; i < a->n; i++) {
        const struct held *o = &a->item[i];
        bool later =
            o->rank.expires > h->rank.expires || (o->rank.expires == h->rank.expires && i > at);
        if (i != at && o->kind == h->kind && o->why.code == VD_E_OK && later &&
            vd_span_eq(vd_buf_span(&o->key), vd_buf_span(&h->key)))
            return false;
    }
    return h->why.code == VD_E_OK && h->rank.expires != INT64_MAX;
}

vd_rc iss_collateral_ends(struct iss_collateral *c, iss_collateral_end each, void *ctx, vd_err *err)
{
    AUTO_HELD a = { .want_bytes = false };
    VD_TRY(collect(c, &a, err));
    for (size_t i = 0; i < a.n; i++) {
        const struct held *h = &a.item[i];
        VD_AUTO_BUF stops = vd_buf_of(2 * ABOUT_BYTES + ISS_COLLATERAL_KEY_MAX);
        if (!last_to_end(&a, i))
            continue;
        about(h->kind, vd_buf_span(&h->key), &stops);
        each(ctx, h->kind->kind->name, vd_buf_span(&h->key), h->rank.expires, vd_buf_span(&stops));
    }
    return VD_OK;
}

struct watch {
    const struct coll_places *places;
    int64_t now;
};

static void warn_end(void *ctx, const char *kind, vd_span key, int64_t expires, vd_span stops)
{
    const struct watch *w = ctx;
    VD_AUTO_BUF when = vd_buf_of(64);
    const struct coll_kind *k = coll_kind_of(w->places, vd_span_str(kind));
    bool fetched = k && k->vendor && w->places->client;
    if (expires - w->now > (fetched ? WATCH_FETCHED : WATCH_BROUGHT))
        return;
    vd_time_rfc3339(expires, &when);
    vd_log_msg(w->places->log, VD_LOG_WARN, "collateral",
               "%s %.*s %s %s; without it stop: %.*s; bring newer collateral, or see why it is not "
               "fetched",
               kind, (int)key.n, (const char *)key.p, expires <= w->now ? "ended" : "ends",
               vd_buf_cstr(&when), (int)stops.n, (const char *)stops.p);
}

void iss_collateral_watch(struct iss_collateral *c)
{
    const struct coll_places *p = coll_places_of(c);
    struct watch w = { .places = p, .now = vd_clock_s(&p->clock) };
    vd_err why = { 0 };
    if (iss_collateral_ends(c, warn_end, &w, &why).code != VD_E_OK)
        vd_log_err(p->log, VD_LOG_WARN, "collateral", &why);
}

struct notes {
    vd_buf *out;
    int64_t now;
    bool refusals_only;
};

static vd_rc put_notes(void *ctx, struct iss_collateral_shelf *shelf, vd_err *err)
{
    const struct notes *n = ctx;
    (void)err;
    if (n->refusals_only)
        vd_buf_add(n->out, vd_buf_span(&shelf->notes));
    else
        coll_shelf_unused(shelf, n->now, n->out);
    return VD_OK;
}

void iss_collateral_refusals(struct iss_collateral *c, vd_buf *ret)
{
    const struct coll_places *p = coll_places_of(c);
    struct notes n = { .out = ret, .refusals_only = true };
    if (p->files)
        (void)coll_files_with(p->files, put_notes, &n, NULL).code;
}

void iss_collateral_notes(struct iss_collateral *c, vd_buf *ret)
{
    const struct coll_places *p = coll_places_of(c);
    struct notes n = { .out = ret, .now = vd_clock_s(&p->clock) };
    vd_err why = { 0 };
    if (p->files && coll_files_with(p->files, put_notes, &n, &why).code != VD_E_OK)
        vd_buf_printf(ret, "%s\n", why.msg);
}

/* ---- taking along ------------------------------------------------------------------------------
 */

/* The newest good copy of each key. */
static bool best_of_key(const struct all_held *a, size_t at, int64_t now)
{
    const struct held *h = &a->item[at];
    if (h->why.code != VD_E_OK || h->rank.unproven || !coll_valid(&h->rank, now))
        return false;
    for (size_t i = 0; i < a->n; i++) {
        const struct held *o = &a->item[i];
        if (i == at || o->kind != h->kind || o->why.code != VD_E_OK || o->rank.unproven ||
            !vd_span_eq(vd_buf_span(&o->key), vd_buf_span(&h->key)) || !coll_valid(&o->rank, now))
            continue;
        const struct coll_floor mine = { h->rank.level, h->rank.issued };
        bool same = o->rank.level == mine.level && o->rank.issued == mine.issued;
        if (same ? i < at : !coll_below(&o->rank, &mine))
            return false;
    }
    return true;
}

vd_rc iss_collateral_export(struct iss_collateral *c, const struct vd_key *key, vd_buf *ret,
                            vd_err *err)
{
    AUTO_HELD a = { .want_bytes = true };
    VD_TRY(collect(c, &a, err));
    int64_t now = vd_clock_s(&a.places->clock);
    VD_AUTO(free) struct iss_bundle_item *item = calloc(a.n + 1, sizeof *item);
    VD_AUTO_BUF text = vd_buf_of((size_t)HELD_MAX * ABOUT_BYTES);
    VD_AUTO(free) size_t *at = calloc(a.n + 1, sizeof *at);
    if (!item || !at)
        return vd_fail(err, VD_E_NOMEM, "bundle");
    size_t n = 0;
    for (size_t i = 0; i < a.n; i++) {
        if (!best_of_key(&a, i, now))
            continue;
        at[n] = text.n;
        about(a.item[i].kind, vd_buf_span(&a.item[i].key), &text);
        item[n++] = (struct iss_bundle_item){ .kind = vd_span_str(a.item[i].kind->kind->name),
                                              .key = vd_buf_span(&a.item[i].key),
                                              .expires = a.item[i].rank.expires,
                                              .bytes = vd_buf_span(&a.item[i].bytes) };
    }
    at[n] = text.n;
    VD_TRY(vd_buf_check(&text, err));
    if (n == 0)
        return vd_fail(
            err, VD_E_COLLATERAL,
            "nothing good is held that a bundle could take along; fetch or import first");
    for (size_t i = 0; i < n; i++)
        item[i].about = vd_span_part(vd_buf_span(&text), at[i], at[i + 1] - at[i]);
    return iss_bundle_write(item, n, now, key, ret, err);
}

/* ---- bringing in -------------------------------------------------------------------------------
 */

static vd_rc import_one(struct iss_collateral *c, const struct coll_thing *t, vd_err *err)
{
    struct coll_floor floor = { 0 };
    vd_span key = vd_buf_span(&t->key);
    if (t->refused)
        return vd_fail(err, t->why.code, "%s", t->why.msg);
    coll_floor_of(c, t->kind, key, &floor);
    if (t->kind->kind->rank)
        VD_TRY(coll_may_keep(&t->rank, &floor, vd_clock_s(&coll_places_of(c)->clock), err));
    return coll_take(c, t->kind, key, vd_buf_span(&t->bytes), &t->rank, err);
}

static void put_thing(vd_jw *w, const struct coll_thing *t, const vd_err *why)
{
    vd_jw_obj(w);
    vd_jw_kstr(w, "kind", t->kind->kind->name);
    vd_jw_kspan(w, "key", vd_buf_span(&t->key));
    vd_jw_kstr(w, "file", t->from);
    if (why->code != VD_E_OK)
        vd_jw_kstr(w, "reason", why->msg);
    else
        put_time(w, "expires", t->rank.expires);
    vd_jw_end(w);
}

static void put_lists(vd_jw *w, const struct iss_collateral_shelf *shelf, const vd_err *why,
                      const char *file_why)
{
    static const char *const list[] = { "taken", "refused" };
    for (size_t bad = 0; bad < 2; bad++) {
        vd_jw_key(w, list[bad]);
        vd_jw_arr(w);
        for (size_t i = 0; i < shelf->n; i++)
            if ((why[i].code != VD_E_OK) == (bad == 1))
                put_thing(w, &shelf->thing[i], &why[i]);
        vd_jw_end(w);
    }
    if (file_why[0])
        vd_jw_kstr(w, "reason", file_why);
}

static vd_rc import_shelf(struct iss_collateral *c, const char *name,
                          const struct iss_collateral_shelf *shelf, const char *file_why, vd_jw *w,
                          vd_err *err)
{
    VD_AUTO(free) vd_err *why = calloc(shelf->n + 1, sizeof *why);
    if (!why)
        return vd_fail(err, VD_E_NOMEM, "import of collateral");
    size_t taken = 0;
    for (size_t i = 0; i < shelf->n; i++)
        taken += import_one(c, &shelf->thing[i], &why[i]).code == VD_E_OK;
    vd_jw_obj(w);
    vd_jw_kstr(w, "file", name);
    put_lists(w, shelf, why, file_why);
    vd_jw_end(w);
    if (taken > 0)
        return VD_OK;
    if (shelf->n > 0)
        return vd_fail(err, VD_E_COLLATERAL, "%.80s: %.150s", name, why[0].msg);
    return vd_fail(err, VD_E_COLLATERAL, "%.80s: %.150s", name,
                   file_why[0] ? file_why : "holds no collateral of a kind that is known here");
}

vd_rc iss_collateral_import(struct iss_collateral *c, const char *name, vd_span bytes, vd_jw *w,
                            vd_err *err)
{
    struct iss_collateral_file file = { .name = name, .bytes = bytes };
    COLL_AUTO_SHELF shelf = { 0 };
    VD_TRY(coll_shelf_fill(coll_places_of(c), &file, 1, &shelf, err));
    return import_shelf(c, name, &shelf, file.why, w, err);
}

struct importing {
    struct iss_collateral *c;
    const char *name;
    vd_jw *w;
};

static vd_rc import_present(void *ctx, struct iss_collateral_shelf *shelf, vd_err *err)
{
    struct importing *i = ctx;
    return import_shelf(i->c, i->name, shelf, "", i->w, err);
}

vd_rc iss_collateral_import_given(struct iss_collateral *c, const char *name, vd_jw *w, vd_err *err)
{
    const struct coll_places *p = coll_places_of(c);
    struct importing i = { .c = c, .name = name, .w = w };
    return p->files ? coll_files_with(p->files, import_present, &i, err)
                    : vd_fail(err, VD_E_CONFIG, "no file or folder is given");
}
