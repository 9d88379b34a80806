/* X.509 certificates (OpenSSL), chains against pinned roots at a given time, extensions by OID,
 * CRLs. */
#pragma once

#include "shared/crypto/key.h"

struct vd_cert; /* immutable, reference counted */
void vd_cert_unref(struct vd_cert *c);
struct vd_cert *vd_cert_ref(struct vd_cert *c);
VD_DEFINE_CLEANUP(struct vd_cert, vd_cert_unref)

/* DER (exactly one certificate, no trailing bytes) or PEM by its first bytes. VD_E_SYNTAX. */
vd_rc vd_cert_parse(vd_span in, struct vd_cert **ret, vd_err *err);
/* All certificates of a PEM text, in order; at most max. *ret is an array the caller frees with
 * vd_certs_free. */
struct vd_certs {
    struct vd_cert **item;
    size_t n;
};
vd_rc vd_certs_parse_pem(vd_span pem, size_t max, struct vd_certs **ret, vd_err *err);
void vd_certs_free(struct vd_certs *c);
VD_DEFINE_CLEANUP(struct vd_certs, vd_certs_free)

vd_span vd_cert_der(const struct vd_cert *c); /* lives with c */
void vd_cert_sha256(const struct vd_cert *c, uint8_t ret[32]);
/* New reference; NULL when of an unsupported type. */
struct vd_key *vd_cert_key(const struct vd_cert *c);
/* UTF-8. VD_E_NOT_FOUND; VD_E_SYNTAX when there are two. */
vd_rc vd_cert_subject_cn(const struct vd_cert *c, vd_buf *out, vd_err *err);
vd_rc vd_cert_issuer_cn(const struct vd_cert *c, vd_buf *out, vd_err *err);
vd_rc vd_cert_serial(const struct vd_cert *c, vd_buf *ret_be, vd_err *err);
int64_t vd_cert_not_before(const struct vd_cert *c);
int64_t vd_cert_not_after(const struct vd_cert *c);
/* extnValue content (inside the OCTET STRING) by dotted OID; empty span and VD_E_NOT_FOUND when
 * absent; VD_E_SYNTAX when it occurs twice. */
vd_rc vd_cert_ext(const struct vd_cert *c, const char *oid, vd_span *ret, vd_err *err);
/* Is the certificate's own signature RSASSA-PSS with SHA-384 (AMD chains)? */
bool vd_cert_signed_pss_sha384(const struct vd_cert *c);
bool vd_cert_has_san_dns(const struct vd_cert *c, const char *name);

struct vd_chain_opts {
    int64_t at;            /* evaluation time, unix seconds; required */
    bool check_time;       /* true as a rule; false only for forensic display */
    int max_depth;         /* intermediates allowed; 0: default 3 */
    unsigned exact_length; /* 0, or the number of certificates of the built chain */
    bool partial;          /* an anchor need not be self-signed */
    int security_level;    /* 0: default 2 */
};
/* leaf to one of `anchors` through `untrusted`. VD_E_CHAIN, VD_E_CERT_EXPIRED (the reason and the
 * subject in msg). No network, no system trust store. */
vd_rc vd_chain_verify(const struct vd_cert *leaf, struct vd_cert *const *untrusted,
                      size_t n_untrusted, struct vd_cert *const *anchors, size_t n_anchors,
                      const struct vd_chain_opts *opts, vd_err *err);

struct vd_crl; /* immutable, reference counted */
void vd_crl_unref(struct vd_crl *c);
VD_DEFINE_CLEANUP(struct vd_crl, vd_crl_unref)
vd_rc vd_crl_parse(vd_span der_or_pem, struct vd_crl **ret, vd_err *err);
/* Signature by issuer and thisUpdate <= at < nextUpdate. VD_E_SIG, VD_E_COLLATERAL_EXPIRED. */
vd_rc vd_crl_check(const struct vd_crl *c, const struct vd_cert *issuer, int64_t at, vd_err *err);
bool vd_crl_lists(const struct vd_crl *c, const struct vd_cert *cert);
int64_t vd_crl_next_update(const struct vd_crl *c);
