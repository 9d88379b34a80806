/* Claims of SGX evidence: Trustee's names and types, and ours beside them (docs/tee/sgx.md). */
#pragma once

#include "issuer/tee/sgx/sgx.h"

/* Bits of ATTRIBUTES.flags (Intel SDM, volume 3D, table 35-3). */
enum sgx_flag {
    SGX_INIT = 0,
    SGX_DEBUG = 1,
    SGX_MODE64BIT = 2,
    SGX_PROVISION_KEY = 4,
    SGX_EINITTOKEN_KEY = 5,
    SGX_CET = 6,
    SGX_KSS = 7,
    SGX_AEX_NOTIFY = 10,
};
static inline bool sgx_flag(uint64_t flags, enum sgx_flag bit)
{
    return (flags >> (unsigned)bit & 1) != 0;
}

/* One JSON object appended; report data and CONFIGID (init data) are not in it. result may be NULL
 * for claims that are shown as unverified. */
vd_rc sgx_claims_write(const struct dcap_quote *q, const struct dcap_result *result,
                       const struct iss_evidence *in, vd_buf *out, vd_err *err);
/* Adds the entry of a verified quote to the list. */
vd_rc sgx_claims_add(const struct dcap_quote *q, const struct dcap_result *result,
                     const struct iss_evidence *in, struct iss_claims_list *list, vd_err *err);
