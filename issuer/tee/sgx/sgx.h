/* The driver of Intel SGX (`sgx`): DCAP quotes of enclaves. */
#pragma once

#include "issuer/tee/dcap/driver.h"

extern const struct iss_tee iss_tee_sgx;

struct sgx_cfg {
    bool allow_debug;
    bool allow_provisioning;
};
/* The driver's state from settings given as structs: what its `open` does after reading the
 * configuration. cfg is copied, dcap is taken over. */
struct sgx;
vd_rc sgx_new(const struct sgx_cfg *cfg, struct dcap_driver *dcap, struct sgx **ret, vd_err *err);
void sgx_free(struct sgx *s);
VD_DEFINE_CLEANUP(struct sgx, sgx_free)
vd_rc sgx_verify(struct sgx *s, const struct iss_evidence *in, struct iss_claims_list *list,
                 vd_err *err);
