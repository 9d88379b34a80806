/* Cache of accepted passports; see cache.h. */
#include "broker/passport/cache.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { WAYS = 8, STRIPES = 64 };

struct brk_cache {
    struct brk_passport **place; /* sets * WAYS */
    size_t sets;
    pthread_mutex_t lock[STRIPES];
    _Atomic uint64_t tick;
};

struct brk_cache *brk_cache_new(uint64_t entries)
{
    struct brk_cache *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->sets = (size_t)(entries / WAYS) + 1;
    c->place = calloc(c->sets * WAYS, sizeof *c->place);
    if (!c->place) {
        free(c);
        return NULL;
    }
    for (size_t i = 0; i < STRIPES; i++)
        (void)pthread_mutex_init(&c->lock[i], NULL);
    return c;
}

void brk_cache_free(struct brk_cache *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->sets * WAYS; i++)
        brk_passport_unref(c->place[i]);
    for (size_t i = 0; i < STRIPES; i++)
        (void)pthread_mutex_destroy(&c->lock[i]);
    free(c->place);
    free(c);
}

/* The digest is of attacker-chosen but accepted tokens: its bytes spread well enough as they are.
 */
static size_t set_of(const struct brk_cache *c, const uint8_t sha256[32])
{
    uint64_t v = 0;
    for (size_t i = 0; i < 8; i++)
        v = v << 8 | sha256[i];
    return (size_t)(v % c->sets);
}

static bool is_it(const struct brk_passport *p, const uint8_t sha256[32])
{
    return p && vd_span_eq(vd_span_of(p->sha256, 32), vd_span_of(sha256, 32));
}

struct brk_passport *brk_cache_get(struct brk_cache *c, const uint8_t sha256[32], uint64_t epoch)
{
    struct brk_passport *found = NULL;
    size_t set = set_of(c, sha256);
    struct brk_passport **place = c->place + set * WAYS;
    (void)pthread_mutex_lock(&c->lock[set % STRIPES]);
    for (size_t i = 0; i < WAYS && !found; i++) {
        if (!is_it(place[i], sha256) || place[i]->epoch != epoch)
            continue;
        found = brk_passport_ref(place[i]);
        atomic_store_explicit(&found->used,
                              atomic_fetch_add_explicit(&c->tick, 1, memory_order_relaxed),
                              memory_order_relaxed);
    }
    (void)pthread_mutex_unlock(&c->lock[set % STRIPES]);
    return found;
}

/* Smaller goes first. */
static uint64_t worth(const struct brk_passport *held, const struct brk_passport *p, int64_t now)
{
    if (!held)
        return 0;
    if (held->epoch != p->epoch || held->exp <= now || is_it(held, p->sha256))
        return 1;
    return 2 + atomic_load_explicit(&held->used, memory_order_relaxed);
}

void brk_cache_put(struct brk_cache *c, struct brk_passport *p, int64_t now)
{
    size_t set = set_of(c, p->sha256);
    struct brk_passport **place = c->place + set * WAYS;
    struct brk_passport *out = NULL;
    atomic_store_explicit(&p->used, atomic_fetch_add_explicit(&c->tick, 1, memory_order_relaxed),
                          memory_order_relaxed);
    (void)pthread_mutex_lock(&c->lock[set % STRIPES]);
    size_t least = 0;
    for (size_t i = 0; i < WAYS; i++) {
        if (is_it(place[i], p->sha256)) {
            least = i; /* the same token twice at once: one place is enough */
            break;
        }
        if (worth(place[i], p, now) < worth(place[least], p, now))
            least = i;
    }
    out = place[least];
    place[least] = brk_passport_ref(p);
    (void)pthread_mutex_unlock(&c->lock[set % STRIPES]);
    brk_passport_unref(out);
}
