/* What a TD report itself may say: attributes and event log. Everything here is read after the
 * quote was verified. */
#pragma once

#include "issuer/tee/eventlog/eventlog.h"
#include "issuer/tee/tdx/tdx.h"

/* Bits of TDATTRIBUTES (Intel TDX module ABI, 1.5). */
enum tdx_attribute {
    TDX_DEBUG = 0, /* bits 0 to 7: the TD is under debugging or profiling */
    TDX_SEPT_VE_DISABLE = 28,
    TDX_MIGRATABLE = 29,
    TDX_PKS = 30,
    TDX_KEY_LOCKER = 31,
    TDX_PERFMON = 63,
};
static inline bool tdx_bit(uint64_t v, enum tdx_attribute bit)
{
    return (v >> (unsigned)bit & 1) != 0;
}

/* One verification. The caller fills the first four. */
struct tdx_case {
    const struct tdx_cfg *cfg;
    const struct iss_evidence *in;
    struct iss_claims_list *list;
    struct dcap_quote quote;
    /* Filled by the checks. */
    uint64_t attributes;
    bool under_debug;
    bool migratable;
    bool service_td_listed;
    struct evl_log *log;              /* replayed; NULL: none came; owned by the caller */
    const struct dcap_result *result; /* NULL for claims that are shown as unverified */
};

/* VD_E_DEBUG, VD_E_MIGRATABLE, VD_E_BAD_EVIDENCE (XFAM). */
vd_rc tdx_check_attributes(struct tdx_case *c, vd_err *err);
/* bytes: of the evidence; empty: none. VD_E_BAD_EVIDENCE, VD_E_EVENT_LOG. */
vd_rc tdx_check_log(struct tdx_case *c, vd_span bytes, vd_err *err);
