/* The PCK chain of a quote: leaf, Processor or Platform CA, root, in any order. Verified once and
 * kept: found again by the SHA-256 of its text, and good only while every certificate is valid.
 * What is kept of a platform is its key and the numbers of its certificate, not the certificate. */
#pragma once

#include "issuer/tee/dcap/pck.h"
#include "issuer/tee/dcap/roots.h"

enum { DCAP_SERIAL = 20 };

/* A Processor or Platform CA with its root. Immutable, reference counted. */
struct dcap_issuer;

/* A PCK certificate whose chain was good. Immutable, reference counted. */
struct dcap_trust {
    unsigned refs; /* atomic */
    struct dcap_pck pck;
    enum dcap_ca ca;
    const struct dcap_root *root;
    struct vd_key *key; /* of the leaf, P-256 */
    struct dcap_issuer *issuer;
    uint8_t serial[DCAP_SERIAL]; /* of the leaf, big-endian, zeros in front */
    int64_t from;                /* validity of the whole chain: from <= t < until */
    int64_t until;
    int64_t earliest; /* the oldest notBefore of the three */
};
struct dcap_trust *dcap_trust_ref(struct dcap_trust *t);
void dcap_trust_unref(struct dcap_trust *t);
VD_DEFINE_CLEANUP(struct dcap_trust, dcap_trust_unref)

/* Verified chains and verified collateral; thread safe. One serves both TEEs. */
struct dcap_cache;
/* roots outlive it; entries: how many platforms are kept, at most. */
vd_rc dcap_cache_new(const struct dcap_roots *roots, size_t entries, struct dcap_cache **ret,
                     vd_err *err);
void dcap_cache_free(struct dcap_cache *c);
VD_DEFINE_CLEANUP(struct dcap_cache, dcap_cache_free)
/* For counters and tests: how often a kept chain, a kept set of collateral, was good enough. */
uint64_t dcap_cache_chain_hits(struct dcap_cache *c);
uint64_t dcap_cache_set_hits(struct dcap_cache *c);

/* pem: certification data of a quote. Needs no collateral: FMSPC and CA of the result are Intel's
 * word already, and tell which collateral to look for. Revocation is dcap_verify's.
 * VD_E_BAD_EVIDENCE: not three certificates, or a malformed one; VD_E_CHAIN; VD_E_CERT_EXPIRED. */
vd_rc dcap_chain_verify(struct dcap_cache *c, vd_span pem, int64_t now, struct dcap_trust **ret,
                        vd_err *err);
