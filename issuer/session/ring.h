/* One bit for each of the newest challenges: open or spent. Memory is fixed whatever the rate; a
 * flood shortens the lives of challenges and never makes one usable twice (SHAPES section 5). */
#pragma once

#include <stdatomic.h>
#include <pthread.h>

#include "shared/base/err.h"

enum {
    ISS_RING_SLOTS = 6144000, /* 750 KiB of bits */
    ISS_RING_BLOCK = 4096,    /* slots that are cleared together */
    ISS_RING_GUARD = 2 * ISS_RING_BLOCK,
};

struct iss_ring {
    _Atomic uint64_t next;    /* the serial that is given out next */
    _Atomic uint64_t cleared; /* serials below this may be given out */
    pthread_mutex_t clearing;
    _Atomic uint64_t *word;
};

vd_rc iss_ring_init(struct iss_ring *r, vd_err *err);
void iss_ring_done(struct iss_ring *r);
/* A serial that was never given out before. */
uint64_t iss_ring_next(struct iss_ring *r);
/* Young enough to be spent? A serial that was never given out is not. */
bool iss_ring_live(const struct iss_ring *r, uint64_t serial);
/* Spent already (or too old)? A look only: for refusals before a body is read. */
bool iss_ring_spent(const struct iss_ring *r, uint64_t serial);
/* True for exactly one caller per serial, and only while it is live. */
bool iss_ring_spend(struct iss_ring *r, uint64_t serial);
