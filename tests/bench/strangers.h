/* Flows with strangers: good traffic beside 10,000 idle half-requests, and what a bad attest costs
 * beside a good one. */
#pragma once

#include "shared/codec/json.h"
#include "tests/bench/guest.h"

/* Before the servers start: half-requests must live as long as a flow takes. */
void strangers_prepare(void);

struct strangers {
    const struct bench *bench;
    const struct sim_pki *pki;
    unsigned connections;
    double seconds;
    vd_jw *w; /* inside the array of flows */
};
/* wanted: does the caller want this flow? The secret bench/key/1 and its policies are in place. */
bool strangers_run(const struct strangers *s, bool (*wanted)(void *ctx, const char *flow),
                   void *ctx);
