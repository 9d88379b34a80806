/* The parts of check.h that verification uses with what it has checked already. */
#pragma once

#include "issuer/tee/dcap/cache_priv.h"
#include "issuer/tee/dcap/check.h"

/* The CRL is by that issuer. VD_E_COLLATERAL_SYNTAX, VD_E_COLLATERAL_SIG. */
vd_rc dcap_crl_by(vd_span subject, const struct vd_key *key, vd_span der, struct dcap_crl *ret,
                  vd_err *err);
/* Documents by a signer whose chain was good. */
vd_rc dcap_tcb_info_by(const struct dcap_signer *signer, vd_span body, struct dcap_tcb_info **ret,
                       vd_err *err);
vd_rc dcap_identity_by(const struct dcap_signer *signer, vd_span body, struct dcap_identity **ret,
                       vd_err *err);

struct dcap_ca_chain {
    enum dcap_ca ca;
    const struct dcap_root *root;
    struct dcap_window window;
    struct vd_key *key; /* of the CA; the caller's reference */
    uint8_t subject[DCAP_NAME];
    size_t subject_n;
};
/* CA and root. known: a CA that was verified before, so that its signatures need not be checked
 * again; may be NULL. VD_E_COLLATERAL_SYNTAX, VD_E_COLLATERAL_CHAIN. */
vd_rc dcap_ca_chain_check(const struct dcap_roots *roots, vd_span chain_pem,
                          const struct dcap_issuer *known, struct dcap_ca_chain *ret, vd_err *err);
