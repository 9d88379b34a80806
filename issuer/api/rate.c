/* Counting per minute in a table of fixed size: sets of eight places, chosen by a seeded hash, so
 * that a stranger cannot aim at the places of another. */
#include "issuer/api/rate.h"

#include <pthread.h>
#include <stdlib.h>

#include "shared/base/secret.h"

enum { SETS = 1024, WAYS = 8 };

struct place {
    uint64_t key;
    int64_t minute;
    uint64_t count;
};

struct iss_rate {
    pthread_mutex_t lock;
    uint64_t seed;
    struct place place[SETS][WAYS];
};

struct iss_rate *iss_rate_new(void)
{
    struct iss_rate *r = calloc(1, sizeof *r);
    if (r && pthread_mutex_init(&r->lock, NULL) != 0) {
        free(r);
        return NULL;
    }
    if (r)
        vd_random(&r->seed, sizeof r->seed);
    return r;
}

void iss_rate_free(struct iss_rate *r)
{
    if (!r)
        return;
    (void)pthread_mutex_destroy(&r->lock);
    free(r);
}

static uint64_t mix(uint64_t h)
{
    h ^= h >> 33;
    h *= UINT64_C(0xff51afd7ed558ccd);
    h ^= h >> 33;
    return h;
}

/* FNV-1a over kind and key, seeded at both ends; 0 marks an empty place. */
static uint64_t key_of(const struct iss_rate *r, char what, vd_span key)
{
    uint64_t h = (UINT64_C(0xcbf29ce484222325) ^ r->seed ^ (uint64_t)(unsigned char)what) *
                 UINT64_C(0x100000001b3);
    for (size_t i = 0; i < key.n; i++)
        h = mix((h ^ key.p[i]) * UINT64_C(0x100000001b3) + r->seed);
    return h ? h : 1;
}

bool iss_rate_take(struct iss_rate *r, char what, vd_span key, uint64_t max, int64_t now)
{
    uint64_t h = key_of(r, what, key);
    int64_t minute = now / 60;
    (void)pthread_mutex_lock(&r->lock);
    struct place *set = r->place[h % SETS], *mine = NULL, *oldest = &set[0];
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].key == h)
            mine = &set[i];
        if (set[i].minute < oldest->minute ||
            (set[i].minute == oldest->minute && set[i].count < oldest->count))
            oldest = &set[i];
    }
    if (!mine) {
        *oldest = (struct place){ .key = h, .minute = minute };
        mine = oldest;
    }
    if (mine->minute != minute) {
        mine->minute = minute;
        mine->count = 0;
    }
    bool within = mine->count < max;
    mine->count += within;
    (void)pthread_mutex_unlock(&r->lock);
    return within;
}
