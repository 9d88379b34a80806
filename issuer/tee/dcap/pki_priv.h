/* Certificates and CRLs of Intel's PKI, read straight from DER: the profile is narrow (ECDSA P-256
 * with SHA-256, version 3 and 2, a handful of extensions), everything outside of it is refused, and
 * a chain costs its signatures instead of many times as much. Reading only: a signature is checked
 * by dcap_x509_signed. Spans point into the parsed input. */
#pragma once

#include "issuer/tee/dcap/chain.h"
#include "shared/crypto/key.h"

enum dcap_role { DCAP_ROLE_ROOT, DCAP_ROLE_CA, DCAP_ROLE_PCK, DCAP_ROLE_TCB_SIGNING };

struct dcap_x509 {
    vd_span der;
    vd_span tbs;                 /* the signed part */
    vd_span signature;           /* DER */
    uint8_t serial[DCAP_SERIAL]; /* big-endian, zeros in front */
    vd_span issuer;              /* Name */
    vd_span subject;
    vd_span cn; /* of the subject; empty unless there is exactly one */
    int64_t from;
    int64_t until; /* notAfter: no longer valid from then on */
    vd_span spki;
    bool constraints; /* basicConstraints is there */
    bool ca;
    bool path_limited;
    uint64_t path_len;
    bool usage; /* keyUsage is there */
    bool digital_signature;
    bool cert_sign;
    bool crl_sign;
    bool has_sgx;
    vd_span sgx; /* value of the SGX extension */
};
/* VD_E_CHAIN: not a certificate of the profile. */
vd_rc dcap_x509_parse(vd_span der, struct dcap_x509 *ret, vd_err *err);
/* Name and constraints of the role together: one alone would let a CA sign TCB info. ret_ca: of a
 * CA, may be NULL. VD_E_CHAIN. */
vd_rc dcap_x509_role(const struct dcap_x509 *x, enum dcap_role role, enum dcap_ca *ret_ca,
                     vd_err *err);
/* P-256. VD_E_CHAIN. */
vd_rc dcap_x509_key(const struct dcap_x509 *x, struct vd_key **ret, vd_err *err);
/* x names the issuer, byte for byte, and its signature is by this key. VD_E_CHAIN. */
vd_rc dcap_x509_signed(const struct dcap_x509 *x, vd_span issuer_subject,
                       const struct vd_key *issuer_key, vd_err *err);

/* A certificate with a root's key is that root: its role, and its own signature unless it is the
 * very certificate that was checked at start. VD_E_CHAIN. */
vd_rc dcap_top_check(const struct dcap_x509 *x, const struct dcap_root *root, vd_err *err);

struct dcap_x509_crl {
    vd_span tbs;
    vd_span signature;
    vd_span issuer;
    int64_t from;
    int64_t until;
    bool has_number;
    uint64_t number;
    bool has_authority_key;
    vd_span revoked; /* the entries, each checked */
    size_t n_revoked;
};
/* VD_E_SYNTAX: not a CRL of the profile: delta, partial, with critical extensions. */
vd_rc dcap_x509_crl_parse(vd_span der, struct dcap_x509_crl *ret, vd_err *err);
/* Serial numbers of the n_revoked entries, as in dcap_x509. */
void dcap_x509_crl_serials(const struct dcap_x509_crl *c, uint8_t (*ret)[DCAP_SERIAL]);

/* PEM text of certificates and nothing else but line ends, decoded into room; a chain has at most
 * four. Zero bytes and blanks at the end are left out. VD_E_SYNTAX. */
enum { DCAP_PEM_CERTS = 4 };
struct dcap_pem {
    vd_buf room;
    vd_span cert[DCAP_PEM_CERTS];
    size_t n;
};
vd_rc dcap_pem_read(vd_span text, struct dcap_pem *ret, vd_err *err);
void dcap_pem_done(struct dcap_pem *p);
#define DCAP_AUTO_PEM __attribute__((cleanup(dcap_pem_done))) struct dcap_pem
/* The text without what some producers leave behind it. */
vd_span dcap_pem_trim(vd_span text);
