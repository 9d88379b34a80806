/* All collateral of one platform family, verified together once and kept: documents, CRLs, and the
 * dates of everything. Immutable, reference counted. */
#pragma once

#include "issuer/tee/dcap/cache_priv.h"
#include "issuer/tee/dcap/dcap.h"

struct dcap_set {
    unsigned refs; /* atomic */
    struct dcap_tcb_info *info;
    struct dcap_identity *identity;
    struct dcap_crl pck_crl;
    struct dcap_crl root_crl;
    struct dcap_window window[DCAP_ITEM_MAX]; /* of each item; of a chain: of both certificates */
    int64_t earliest;                         /* the oldest start of anything */
    int64_t latest;                           /* the youngest start */
    int64_t until;                            /* the first end */
};
void dcap_set_unref(struct dcap_set *s);
VD_DEFINE_CLEANUP(struct dcap_set, dcap_set_unref)

/* Signatures, roles, revocation of CAs and signers; the dates are not judged. Found again in the
 * cache when the same items were verified for the same CA. Errors: those of dcap_verify. */
vd_rc dcap_set_get(struct dcap_cache *c, const struct dcap_trust *trust,
                   const struct dcap_collateral *coll, struct dcap_set **ret, vd_err *err);
