/* The ring of spent challenges. All atomics are sequentially consistent: a spender that finds a bit
 * clear because its block was cleared for newer serials also sees, in the test after the fetch-or,
 * how far the newest serial has come, and is refused. */
#include "issuer/session/ring.h"

#include <stdlib.h>

_Static_assert(ISS_RING_SLOTS % ISS_RING_BLOCK == 0, "whole blocks");
_Static_assert(ISS_RING_BLOCK % 64 == 0, "whole words");

vd_rc iss_ring_init(struct iss_ring *r, vd_err *err)
{
    r->word = calloc(ISS_RING_SLOTS / 64, sizeof *r->word);
    if (!r->word)
        return vd_fail(err, VD_E_NOMEM, "ring of spent challenges");
    atomic_init(&r->next, 0);
    atomic_init(&r->cleared, ISS_RING_SLOTS);
    if (pthread_mutex_init(&r->clearing, NULL) != 0) {
        free(r->word);
        r->word = NULL;
        return vd_fail(err, VD_E_INTERNAL, "mutex of the ring of spent challenges");
    }
    return VD_OK;
}

void iss_ring_done(struct iss_ring *r)
{
    if (!r->word)
        return;
    (void)pthread_mutex_destroy(&r->clearing);
    free(r->word);
    r->word = NULL;
}

/* Makes room for the next block of serials; the slots held serials that are no longer live. */
static void clear_block(struct iss_ring *r)
{
    (void)pthread_mutex_lock(&r->clearing);
    uint64_t from = atomic_load(&r->cleared);
    if (atomic_load(&r->next) >= from) {
        size_t first = (size_t)(from % ISS_RING_SLOTS) / 64;
        for (size_t i = 0; i < ISS_RING_BLOCK / 64; i++)
            atomic_store(&r->word[first + i], 0);
        atomic_store(&r->cleared, from + ISS_RING_BLOCK);
    }
    (void)pthread_mutex_unlock(&r->clearing);
}

uint64_t iss_ring_next(struct iss_ring *r)
{
    uint64_t serial = atomic_load(&r->next);
    for (;;) {
        if (serial >= atomic_load(&r->cleared)) {
            clear_block(r);
            serial = atomic_load(&r->next);
        } else if (atomic_compare_exchange_weak(&r->next, &serial, serial + 1)) {
            return serial;
        }
    }
}

bool iss_ring_live(const struct iss_ring *r, uint64_t serial)
{
    uint64_t next = atomic_load(&r->next);
    return serial < next && next - 1 - serial < ISS_RING_SLOTS - ISS_RING_GUARD;
}

bool iss_ring_spent(const struct iss_ring *r, uint64_t serial)
{
    size_t slot = (size_t)(serial % ISS_RING_SLOTS);
    return !iss_ring_live(r, serial) || (atomic_load(&r->word[slot / 64]) >> (slot % 64) & 1) != 0;
}

bool iss_ring_spend(struct iss_ring *r, uint64_t serial)
{
    if (!iss_ring_live(r, serial))
        return false;
    size_t slot = (size_t)(serial % ISS_RING_SLOTS);
    uint64_t bit = UINT64_C(1) << (slot % 64);
    bool first = (atomic_fetch_or(&r->word[slot / 64], bit) & bit) == 0;
    return first && iss_ring_live(r, serial);
}
