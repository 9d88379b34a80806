/* Names of the EAR claims in Trustee's dotted dialect (spec/wire.md 3; SHAPES section 4), shared by
 * issuer, broker and command line. */
#pragma once

#define VD_EAR_PROFILE "tag:github.com,2024:confidential-containers/Trustee"
#define VD_EAR_STATUS "ear.status"
#define VD_EAR_VECTOR "ear.trustworthiness-vector"
#define VD_EAR_POLICY_ID "ear.appraisal-policy-id"
#define VD_EAR_ANNOTATED "ear.veraison.annotated-evidence"
#define VD_EAR_VERIFIER_ID "ear.verifier-id"
#define VD_EAR_SUBMODS "submods"
#define VD_EAR_OURS "vidimus"
#define VD_EAR_RUNTIME_CLAIMS "runtime_data_claims"
#define VD_EAR_TEE_KEY "tee-pubkey"
#define VD_COOKIE_NAME "kbs-session-id"

#include "shared/base/span.h"

/* AR4SI trustworthiness vector, in the order that Trustee serialises. */
#define VD_EAR_CLAIMS(X)                                                                           \
    X(INSTANCE_IDENTITY, "instance-identity")                                                      \
    X(CONFIGURATION, "configuration")                                                              \
    X(EXECUTABLES, "executables")                                                                  \
    X(FILE_SYSTEM, "file-system")                                                                  \
    X(HARDWARE, "hardware")                                                                        \
    X(RUNTIME_OPAQUE, "runtime-opaque")                                                            \
    X(STORAGE_OPAQUE, "storage-opaque")                                                            \
    X(SOURCED_DATA, "sourced-data")
enum vd_ear_claim {
#define VD_EAR_CLAIM_ENUM(sym, name) VD_EAR_##sym,
    VD_EAR_CLAIMS(VD_EAR_CLAIM_ENUM)
#undef VD_EAR_CLAIM_ENUM
        VD_EAR_CLAIM_MAX
};
enum vd_ear_tier {
    VD_EAR_NONE,
    VD_EAR_AFFIRMING,
    VD_EAR_WARNING,
    VD_EAR_CONTRAINDICATED,
    VD_EAR_TIER_MAX
};

const char *vd_ear_claim_name(enum vd_ear_claim c);
/* -1 when unknown. */
int vd_ear_claim_by_name(vd_span name);
enum vd_ear_tier vd_ear_tier_of(int8_t value); /* spec/wire.md 4.5 */
const char *vd_ear_tier_name(enum vd_ear_tier t);
/* -1 when unknown. */
int vd_ear_tier_by_name(vd_span name);
