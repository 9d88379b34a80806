/* The shelf: what the files of an operator hold, told by content. Families put things on it; who
 * looks for a key gets the best one, and the operator hears why the others are not used. */
#include <stdio.h>

#include "issuer/collateral/collateral_priv.h"

enum { THINGS_MAX = 20000, NOTES_BYTES = 1 << 20 };

static void thing_done(struct coll_thing *t)
{
    vd_buf_done(&t->key);
    vd_buf_done(&t->bytes);
    free(t->from);
}

void coll_shelf_done(struct iss_collateral_shelf *s)
{
    for (size_t i = 0; i < s->n; i++)
        thing_done(&s->thing[i]);
    free(s->thing);
    vd_buf_done(&s->notes);
    *s = (struct iss_collateral_shelf){ 0 };
}

static void note(struct iss_collateral_shelf *s, const char *from, const char *why)
{
    vd_buf_printf(&s->notes, "%.200s: %.300s\n", from, why);
}

/* A new thing with its key; NULL: no memory, which the shelf remembers. */
static struct coll_thing *add(struct iss_collateral_shelf *s,
                              const struct iss_collateral_kind *kind, vd_span key, const char *from)
{
    const struct coll_kind *k = coll_kind_of(s->places, vd_span_str(kind->name));
    if (!k || s->n >= THINGS_MAX)
        return NULL;
    if (s->n == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : 16;
        struct coll_thing *more = reallocarray(s->thing, cap, sizeof *more);
        if (!more) {
            s->nomem = true;
            return NULL;
        }
        s->thing = more;
        s->cap = cap;
    }
    struct coll_thing *t = &s->thing[s->n];
    *t = (struct coll_thing){ .kind = k,
                              .key = vd_buf_of(ISS_COLLATERAL_KEY_MAX),
                              .bytes = vd_buf_of(ISS_COLLATERAL_BYTES_MAX) };
    vd_buf_add(&t->key, key);
    t->from = vd_strdup_span(vd_span_str(from));
    if (t->key.bad || !t->from) {
        thing_done(t);
        s->nomem = true;
        return NULL;
    }
    s->n++;
    return t;
}

void iss_collateral_shelf_put(struct iss_collateral_shelf *s,
                              const struct iss_collateral_kind *kind, vd_span key, vd_span bytes,
                              const struct iss_collateral_rank *rank, const char *from)
{
    struct coll_thing *t = add(s, kind, key, from);
    if (!t)
        return;
    t->rank = *rank;
    vd_buf_add(&t->bytes, bytes);
    s->nomem |= t->bytes.bad;
}

void iss_collateral_shelf_refuse(struct iss_collateral_shelf *s,
                                 const struct iss_collateral_kind *kind, vd_span key,
                                 const vd_err *why, const char *from)
{
    struct coll_thing *t = add(s, kind, key, from);
    if (!t)
        return;
    t->refused = true;
    t->why = *why;
    note(s, from, why->msg);
}

/* ---- filling -----------------------------------------------------------------------------------
 */

struct unpacking {
    struct iss_collateral_shelf *shelf;
    const char *from;
    size_t n;
};

static vd_rc take_bundled(void *ctx, const struct iss_bundle_item *item, vd_err *err)
{
    struct unpacking *u = ctx;
    (void)err;
    const struct coll_kind *k = coll_kind_of(u->shelf->places, item->kind);
    struct iss_collateral_rank rank = { 0 };
    vd_err why = { 0 };
    u->n++;
    if (!k) {
        note(u->shelf, u->from, "an item of a kind that is not known here");
        return VD_OK;
    }
    if (coll_rank(k, item->key, item->bytes, &rank, &why).code != VD_E_OK)
        iss_collateral_shelf_refuse(u->shelf, k->kind, item->key, &why, u->from);
    else
        iss_collateral_shelf_put(u->shelf, k->kind, item->key, item->bytes, &rank, u->from);
    return VD_OK;
}

/* A bundle that is not whole, or of another signer, is not used at all. */
static void unpack(struct iss_collateral_shelf *s, const struct vd_key *signer,
                   struct iss_collateral_file *file)
{
    struct unpacking u = { .shelf = s, .from = file->name };
    vd_err why = { 0 };
    size_t before = s->n;
    file->taken = true;
    if (iss_bundle_read(file->bytes, signer, take_bundled, &u, &why).code == VD_E_OK)
        return;
    while (s->n > before)
        thing_done(&s->thing[--s->n]);
    (void)snprintf(file->why, sizeof file->why, "%.150s", why.msg);
}

vd_rc coll_shelf_fill(const struct coll_places *p, struct iss_collateral_file *file, size_t n,
                      struct iss_collateral_shelf *ret, vd_err *err)
{
    ret->places = p;
    ret->notes = vd_buf_of(NOTES_BYTES);
    for (size_t i = 0; i < n; i++)
        if (!file[i].taken && iss_bundle_is(file[i].bytes))
            unpack(ret, p->bundle_key, &file[i]);
    for (size_t i = 0; i < p->n_families; i++)
        VD_TRY(p->family[i].family->sort(p->family[i].state, file, n, ret, err));
    for (size_t i = 0; i < n; i++)
        if (file[i].why[0])
            note(ret, file[i].name, file[i].why);
        else if (!file[i].taken)
            note(ret, file[i].name, "holds no collateral of a kind that is known here");
    return ret->nomem ? vd_fail(err, VD_E_NOMEM, "offline collateral") : VD_OK;
}

/* ---- looking -----------------------------------------------------------------------------------
 */

/* Valid now is worth most, then a signature that was checked. */
static int worth(const struct coll_thing *t, int64_t now)
{
    bool valid = coll_valid(&t->rank, now);
    return (valid ? 4 : t->rank.begin <= now ? 2 : 0) + !t->rank.unproven;
}

static bool better(const struct coll_thing *a, const struct coll_thing *b, int64_t now)
{
    if (worth(a, now) != worth(b, now))
        return worth(a, now) > worth(b, now);
    if (a->rank.level != b->rank.level)
        return a->rank.level > b->rank.level;
    if (a->rank.issued != b->rank.issued)
        return a->rank.issued > b->rank.issued;
    return a->rank.expires > b->rank.expires;
}

struct coll_thing *coll_shelf_best(struct iss_collateral_shelf *s, const struct coll_kind *k,
                                   vd_span key, const struct coll_floor *floor, int64_t now,
                                   struct coll_thing **ret_refused)
{
    struct coll_thing *best = NULL;
    for (size_t i = 0; i < s->n; i++) {
        struct coll_thing *t = &s->thing[i];
        if (t->kind != k || !vd_span_eq(vd_buf_span(&t->key), key))
            continue;
        t->asked = true;
        if (t->refused) {
            if (ret_refused)
                *ret_refused = t;
            continue;
        }
        if (!coll_below(&t->rank, floor) && (!best || better(t, best, now)))
            best = t;
    }
    return best;
}

static const char *why_unused(const struct coll_thing *t, int64_t now)
{
    if (!t->asked)
        return "nothing that was looked for";
    if (now >= t->rank.expires)
        return "out of date";
    if (now < t->rank.begin)
        return "not valid yet";
    return "something newer is there";
}

void coll_shelf_unused(const struct iss_collateral_shelf *s, int64_t now, vd_buf *ret)
{
    vd_buf_add(ret, vd_buf_span(&s->notes));
    for (size_t i = 0; i < s->n; i++) {
        const struct coll_thing *t = &s->thing[i];
        if (t->used || t->refused)
            continue;
        vd_buf_printf(ret, "%.200s: %s %.*s: %s\n", t->from, t->kind->kind->name, (int)t->key.n,
                      (const char *)t->key.p, why_unused(t, now));
    }
}
