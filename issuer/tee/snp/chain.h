/* A VEK certificate up to its root, verified once and kept: the two RSA signatures of a chain cost
 * as much as the report's own, and a chip's certificate stays the same for its whole TCB. Entries
 * are found by the certificate's SHA-256 and count only while every certificate of the chain is
 * within its validity. */
#pragma once

#include "issuer/tee/snp/roots.h"
#include "issuer/tee/snp/vek.h"

/* A certificate whose chain was good. Immutable, reference counted. */
struct snp_trust {
    unsigned refs; /* atomic */
    struct snp_vek vek;
    struct vd_key *key; /* P-384 */
    const struct snp_root *root;
    int64_t from; /* validity of the whole chain */
    int64_t until;
};
void snp_trust_unref(struct snp_trust *t);
VD_DEFINE_CLEANUP(struct snp_trust, snp_trust_unref)

struct snp_chains; /* thread safe */
/* roots outlive it; entries: how many chains are kept, at most. */
vd_rc snp_chains_new(const struct snp_roots *roots, size_t entries, struct snp_chains **ret,
                     vd_err *err);
void snp_chains_free(struct snp_chains *c);
VD_DEFINE_CLEANUP(struct snp_chains, snp_chains_free)

/* cert: DER or PEM of a VEK of that kind. line SNP_LINE_UNKNOWN: any. VD_E_BAD_EVIDENCE: no
 * certificate; VD_E_KEY_TYPE: the other kind, or no P-384 key; VD_E_CHAIN, VD_E_CERT_EXPIRED,
 * VD_E_PRODUCT. */
vd_rc snp_chains_verify(struct snp_chains *c, vd_span cert, enum snp_signing_key kind,
                        enum snp_line line, int64_t now, struct snp_trust **ret, vd_err *err);
/* For counters and tests: how often a kept chain was good enough. */
uint64_t snp_chains_hits(struct snp_chains *c);
