/* DCAP and event logs in the measuring program's own process: what a server does once for a
 * platform, and what it keeps of one. */
#pragma once

#include "tests/bench/bench.h"
#include "tests/support/simtdx/simtdx.h"

struct intel_costs {
    double cold_us;   /* one verification, nothing kept: chain, collateral, signatures */
    double warm_us;   /* the same quote again */
    double log_us;    /* parse and replay of an event log */
    size_t log_bytes; /* its size */
    size_t log_events;
    size_t platform_bytes; /* kept of one platform with a PCK certificate of its own */
    size_t family_bytes;   /* kept of one family: TCB info, with identity and CRLs */
    bool cache_holds;      /* the measured platforms were all kept */
};
/* The collateral of the simulated platform, good now, as files below a folder that is made. */
void intel_prepare(const struct simtdx_pki *pki, const char *folder);
/* False with a message on failure. */
bool intel_measure(const struct simtdx_pki *pki, struct intel_costs *ret);
