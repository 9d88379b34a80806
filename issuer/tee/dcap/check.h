/* Pieces of DCAP collateral, each checked by itself against the pinned roots: what dcap_verify does
 * with all of them, and what a store does before it keeps one. Dates are returned and not judged,
 * so that an old document can be told from a forged one. */
#pragma once

#include "issuer/tee/dcap/chain.h"
#include "issuer/tee/dcap/identity.h"
#include "issuer/tee/dcap/tcbinfo.h"

/* Validity of a piece: begin <= t < end. */
struct dcap_window {
    int64_t begin;
    int64_t end;
};

/* A chain of collateral, two certificates in either order, the signer and a pinned root. */
struct dcap_signer {
    const struct dcap_root *root;
    struct vd_key *key;
    uint8_t serial[DCAP_SERIAL];
    struct dcap_window window; /* of both certificates */
    int64_t earliest;          /* the older notBefore */
};
void dcap_signer_done(struct dcap_signer *s);
#define DCAP_AUTO_SIGNER __attribute__((cleanup(dcap_signer_done))) struct dcap_signer

/* The TCB signing chain. VD_E_COLLATERAL_SYNTAX, VD_E_COLLATERAL_CHAIN. */
vd_rc dcap_signer_check(const struct dcap_roots *roots, vd_span chain_pem, struct dcap_signer *ret,
                        vd_err *err);
/* body as PCS serves it, with the chain of its response header. VD_E_COLLATERAL_SYNTAX,
 * VD_E_COLLATERAL_VERSION, VD_E_COLLATERAL_CHAIN, VD_E_COLLATERAL_SIG. ret_signer is filled on
 * success; may be NULL. */
vd_rc dcap_tcb_info_check(const struct dcap_roots *roots, vd_span body, vd_span chain_pem,
                          struct dcap_tcb_info **ret, struct dcap_signer *ret_signer, vd_err *err);
vd_rc dcap_identity_check(const struct dcap_roots *roots, vd_span body, vd_span chain_pem,
                          struct dcap_identity **ret, struct dcap_signer *ret_signer, vd_err *err);

/* A CRL, reduced to what is asked of it. */
struct dcap_crl {
    struct dcap_window window;
    uint64_t number;
    size_t n;                       /* revoked certificates */
    uint8_t (*serial)[DCAP_SERIAL]; /* sorted */
};
void dcap_crl_done(struct dcap_crl *c);
#define DCAP_AUTO_CRL __attribute__((cleanup(dcap_crl_done))) struct dcap_crl
bool dcap_crl_lists(const struct dcap_crl *c, const uint8_t serial[DCAP_SERIAL]);
/* DER. Of a root: which one is told by the issuer's signature. VD_E_COLLATERAL_SYNTAX,
 * VD_E_COLLATERAL_SIG. */
vd_rc dcap_root_crl_check(const struct dcap_roots *roots, vd_span der, struct dcap_crl *ret,
                          const struct dcap_root **ret_root, vd_err *err);
/* DER, with the chain of its response header (CA and root). ret_ca, ret_window (of the chain) may
 * be NULL. */
vd_rc dcap_pck_crl_check(const struct dcap_roots *roots, vd_span der, vd_span chain_pem,
                         struct dcap_crl *ret, enum dcap_ca *ret_ca, struct dcap_window *ret_window,
                         vd_err *err);
