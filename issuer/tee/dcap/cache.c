/* The three tables of kept results; see cache_priv.h. */
#include "issuer/tee/dcap/cache_priv.h"

#include "issuer/tee/dcap/set_priv.h"

enum { WAYS = 4, ISSUERS = 32, SETS = 512 };

static void *take_ref(enum dcap_kept kind, void *item)
{
    unsigned *refs = NULL;
    switch (kind) {
    case DCAP_KEPT_TRUST:
        refs = &((struct dcap_trust *)item)->refs;
        break;
    case DCAP_KEPT_ISSUER:
        refs = &((struct dcap_issuer *)item)->refs;
        break;
    case DCAP_KEPT_SET:
    case DCAP_KEPT_MAX:
    default:
        refs = &((struct dcap_set *)item)->refs;
        break;
    }
    __atomic_add_fetch(refs, 1, __ATOMIC_RELAXED);
    return item;
}

static void drop_ref(enum dcap_kept kind, void *item)
{
    if (kind == DCAP_KEPT_TRUST)
        dcap_trust_unref(item);
    else if (kind == DCAP_KEPT_ISSUER)
        dcap_issuer_unref(item);
    else
        dcap_set_unref(item);
}

vd_rc dcap_cache_new(const struct dcap_roots *roots, size_t entries, struct dcap_cache **ret,
                     vd_err *err)
{
    const size_t want[] = { [DCAP_KEPT_TRUST] = entries,
                            [DCAP_KEPT_ISSUER] = ISSUERS,
                            [DCAP_KEPT_SET] = entries < SETS ? entries : SETS };
    struct dcap_cache *c = calloc(1, sizeof *c);
    if (!c || pthread_mutex_init(&c->lock, NULL) != 0) {
        free(c);
        return vd_fail(err, VD_E_NOMEM, "dcap cache");
    }
    VD_AUTO(dcap_cache_free) struct dcap_cache *own = c;
    c->roots = roots;
    for (int k = 0; k < DCAP_KEPT_MAX; k++) {
        size_t sets = want[k] < WAYS ? 1 : want[k] / WAYS;
        c->kept[k].slot = calloc(sets * WAYS, sizeof *c->kept[k].slot);
        if (!c->kept[k].slot)
            return vd_fail(err, VD_E_NOMEM, "dcap cache of %zu entries", want[k]);
        c->kept[k].sets = sets;
    }
    *ret = VD_TAKE(own);
    return VD_OK;
}

void dcap_cache_free(struct dcap_cache *c)
{
    if (!c)
        return;
    for (int k = 0; k < DCAP_KEPT_MAX; k++) {
        for (size_t i = 0; i < c->kept[k].sets * WAYS; i++)
            if (c->kept[k].slot[i].item)
                drop_ref((enum dcap_kept)k, c->kept[k].slot[i].item);
        free(c->kept[k].slot);
    }
    (void)pthread_mutex_destroy(&c->lock);
    free(c);
}

static struct dcap_slot *set_of(struct dcap_slots *s, vd_span hash)
{
    vd_rd r = vd_rd_of(hash);
    return &s->slot[vd_rd_u64le(&r) % s->sets * WAYS];
}

void *dcap_kept_find(struct dcap_cache *c, enum dcap_kept kind, const uint8_t hash[DCAP_HASH])
{
    vd_span want = vd_span_of(hash, DCAP_HASH);
    struct dcap_slots *s = &c->kept[kind];
    void *found = NULL;
    (void)pthread_mutex_lock(&c->lock);
    struct dcap_slot *set = set_of(s, want);
    for (size_t i = 0; i < WAYS && !found; i++)
        if (set[i].item && vd_span_eq(vd_span_of(set[i].hash, DCAP_HASH), want))
            found = take_ref(kind, set[i].item);
    s->hits += found != NULL;
    (void)pthread_mutex_unlock(&c->lock);
    return found;
}

void dcap_kept_add(struct dcap_cache *c, enum dcap_kept kind, const uint8_t hash[DCAP_HASH],
                   void *item)
{
    vd_span want = vd_span_of(hash, DCAP_HASH);
    struct dcap_slots *s = &c->kept[kind];
    (void)pthread_mutex_lock(&c->lock);
    struct dcap_slot *set = set_of(s, want);
    struct dcap_slot *place = &set[s->next++ % WAYS];
    for (size_t i = 0; i < WAYS; i++)
        if (!set[i].item || vd_span_eq(vd_span_of(set[i].hash, DCAP_HASH), want)) {
            place = &set[i];
            break;
        }
    void *old = place->item;
    for (size_t i = 0; i < DCAP_HASH; i++)
        place->hash[i] = hash[i];
    place->item = take_ref(kind, item);
    (void)pthread_mutex_unlock(&c->lock);
    if (old)
        drop_ref(kind, old);
}

static uint64_t hits_of(struct dcap_cache *c, enum dcap_kept kind)
{
    (void)pthread_mutex_lock(&c->lock);
    uint64_t hits = c->kept[kind].hits;
    (void)pthread_mutex_unlock(&c->lock);
    return hits;
}

uint64_t dcap_cache_chain_hits(struct dcap_cache *c)
{
    return hits_of(c, DCAP_KEPT_TRUST);
}

uint64_t dcap_cache_set_hits(struct dcap_cache *c)
{
    return hits_of(c, DCAP_KEPT_SET);
}
