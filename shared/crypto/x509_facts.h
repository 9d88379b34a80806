/* Single facts of certificates and CRLs, for verifiers that check a short, fixed chain themselves
 * and want to name what was wrong: names as they stand, constraints, one signature at a time. */
#pragma once

#include "shared/crypto/x509.h"

struct vd_cert_facts {
    int version;      /* 3 */
    bool constraints; /* basicConstraints is there */
    bool ca;
    long path_len;  /* -1: no limit */
    bool key_usage; /* keyUsage is there; without it the three below are false */
    bool cert_sign;
    bool crl_sign;
    bool digital_signature;
    bool unknown_critical; /* a critical extension that nobody here understands, or a broken one */
};
struct vd_cert_facts vd_cert_facts(const struct vd_cert *c);
/* Raw DER of the names; live with c. */
vd_span vd_cert_subject_der(const struct vd_cert *c);
vd_span vd_cert_issuer_der(const struct vd_cert *c);
/* c names `issuer` as its issuer, byte for byte, and bears its signature: ECDSA P-256 with SHA-256,
 * nothing else. VD_E_CHAIN. */
vd_rc vd_cert_signed_es256(const struct vd_cert *c, const struct vd_cert *issuer, vd_err *err);

struct vd_crl_facts {
    int64_t this_update;
    int64_t next_update;
    bool has_number;
    uint64_t number;
    bool has_authority_key; /* authorityKeyIdentifier */
    size_t revoked;
};
/* VD_E_SYNTAX: a CRL number that is none, or above 64 bits. */
vd_rc vd_crl_facts(const struct vd_crl *c, struct vd_crl_facts *ret, vd_err *err);
vd_span vd_crl_issuer_der(const struct vd_crl *c);
