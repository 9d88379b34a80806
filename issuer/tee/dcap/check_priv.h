/* The parts of check.h that verification uses with the quote's own CA. */
#pragma once

#include "issuer/tee/dcap/check.h"

/* The CRL is the issuer's. VD_E_COLLATERAL_SYNTAX, VD_E_COLLATERAL_SIG. */
vd_rc dcap_crl_check_under(const struct vd_cert *issuer, vd_span der, struct dcap_crl *ret,
                           vd_err *err);

struct dcap_ca_chain {
    enum dcap_ca ca;
    const struct dcap_root *root;
    struct dcap_window window;
    struct vd_cert *cert; /* of the CA; the caller's reference */
};
/* CA and root. VD_E_COLLATERAL_SYNTAX, VD_E_COLLATERAL_CHAIN. */
vd_rc dcap_ca_chain_check(const struct dcap_roots *roots, vd_span chain_pem,
                          struct dcap_ca_chain *ret, vd_err *err);
