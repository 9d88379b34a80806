/* Revocation of ASK and ASVK by AMD's CRLs. VEKs all have serial 0 and are never listed: the TCB
 * plays that part. A CRL that is present must be good; whether one must be present is
 * configuration. */
#pragma once

#include "issuer/collateral/collateral.h"
#include "issuer/tee/snp/roots.h"
#include "issuer/tee/snp/vek.h"

struct snp_crls; /* thread safe; keeps the results of checked CRLs */
vd_rc snp_crls_new(struct snp_crls **ret, vd_err *err);
void snp_crls_free(struct snp_crls *c);
VD_DEFINE_CLEANUP(struct snp_crls, snp_crls_free)

struct snp_crl_ask {
    const struct snp_root *root;
    enum snp_signing_key kind;
    bool require;
    int64_t now;
    struct iss_collateral *collateral; /* may be NULL: nothing at hand */
    const char *source;
};
/* *ret_checked: a good CRL was found and does not list the intermediate. VD_E_REVOKED;
 * VD_E_COLLATERAL when one is required and none there; VD_E_COLLATERAL_EXPIRED; VD_E_SIG: not
 * signed by the root, or malformed. */
vd_rc snp_crls_check(struct snp_crls *c, const struct snp_crl_ask *ask, bool *ret_checked,
                     vd_err *err);
