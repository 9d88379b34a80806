/* How many attests one source, or one piece of hardware, made in the running minute. Memory is
 * fixed: when a place is needed, the count that is longest unused goes. */
#pragma once

#include "shared/base/auto.h"
#include "shared/base/span.h"

struct iss_rate;                     /* thread safe */
struct iss_rate *iss_rate_new(void); /* NULL: no memory */
void iss_rate_free(struct iss_rate *r);
VD_DEFINE_CLEANUP(struct iss_rate, iss_rate_free)
/* Counts one and says whether it is still within max a minute. `what` keeps kinds of keys apart. */
bool iss_rate_take(struct iss_rate *r, char what, vd_span key, uint64_t max, int64_t now);
/* Seconds until the running minute is over: Retry-After. */
static inline unsigned iss_rate_wait(int64_t now)
{
    return (unsigned)(60 - now % 60);
}
