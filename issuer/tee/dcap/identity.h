/* Identity of Intel's quoting enclaves (QE for SGX, TD_QE for TDX), version 2. Parsed from the very
 * bytes that Intel signed; the signature is checked by check.h. Levels are sorted, highest first.
 */
#pragma once

#include "issuer/tee/dcap/quote.h"
#include "issuer/tee/dcap/status.h"

enum dcap_enclave_id { DCAP_QE, DCAP_TD_QE, DCAP_QVE, DCAP_ENCLAVE_ID_MAX };
/* "QE", "TD_QE", "QVE". */
const char *dcap_enclave_id_name(enum dcap_enclave_id id);

/* Immutable, reference counted. */
struct dcap_identity {
    unsigned refs; /* atomic */
    enum dcap_enclave_id id;
    int64_t issue_date;
    int64_t next_update;
    uint32_t eval_num;
    uint8_t misc_select[4];
    uint8_t misc_mask[4];
    uint8_t attributes[16];
    uint8_t attributes_mask[16];
    uint8_t mr_signer[32];
    uint16_t isv_prod_id;
    struct dcap_isv_level *level;
    size_t n_levels;
    struct dcap_advisories adv;
};
/* inner: the value of "enclaveIdentity". VD_E_COLLATERAL_SYNTAX, VD_E_COLLATERAL_VERSION. */
vd_rc dcap_identity_parse(vd_span inner, struct dcap_identity **ret, vd_err *err);
struct dcap_identity *dcap_identity_ref(struct dcap_identity *i);
void dcap_identity_unref(struct dcap_identity *i);
VD_DEFINE_CLEANUP(struct dcap_identity, dcap_identity_unref)
