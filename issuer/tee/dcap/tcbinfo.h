/* TCB info of one platform family (FMSPC), version 3: which security versions have which status.
 * Parsed from the very bytes that Intel signed; the signature is checked by check.h. Levels are
 * sorted, highest first. */
#pragma once

#include "issuer/tee/dcap/pck.h"
#include "issuer/tee/dcap/status.h"

enum { DCAP_LEVELS_MAX = 512, DCAP_MODULES_MAX = 64, DCAP_MR = 48 };

struct dcap_tcb_level {
    uint8_t sgx[DCAP_SVNS];
    uint8_t tdx[DCAP_SVNS]; /* zero in an SGX document */
    uint16_t pce_svn;
    enum dcap_status status;
    int64_t date;
    struct dcap_advisory_list adv;
};

/* A TDX module as the document describes it. */
struct dcap_module {
    uint8_t mr_signer[DCAP_MR];
    uint8_t attributes[8];
    uint8_t mask[8];
};
struct dcap_module_identity {
    uint8_t major; /* of "TDX_03": 3 */
    struct dcap_module module;
    struct dcap_isv_level *level;
    size_t n_levels;
};

/* Immutable, reference counted. */
struct dcap_tcb_info {
    unsigned refs; /* atomic */
    enum dcap_tee tee;
    uint8_t fmspc[DCAP_FMSPC];
    uint8_t pce_id[DCAP_PCEID];
    int64_t issue_date;
    int64_t next_update;
    uint32_t eval_num;         /* tcbEvaluationDataNumber */
    struct dcap_module module; /* TDX only */
    struct dcap_module_identity *identity;
    size_t n_identities;
    struct dcap_tcb_level *level;
    size_t n_levels;
    struct dcap_advisories adv;
};
/* inner: the value of "tcbInfo". VD_E_COLLATERAL_SYNTAX; VD_E_COLLATERAL_VERSION: version 2, or
 * another that is not 3. */
vd_rc dcap_tcb_info_parse(vd_span inner, struct dcap_tcb_info **ret, vd_err *err);
struct dcap_tcb_info *dcap_tcb_info_ref(struct dcap_tcb_info *t);
void dcap_tcb_info_unref(struct dcap_tcb_info *t);
VD_DEFINE_CLEANUP(struct dcap_tcb_info, dcap_tcb_info_unref)
