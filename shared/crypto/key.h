/* Public and private keys, parsed once and kept: JWK and PEM in, signatures and key agreement out.
 * Curves P-256, P-384, P-521 and ML-KEM-768 run on AWS-LC (shared/rust), RSA on OpenSSL, Ed25519 on
 * libsodium. One operation has one implementation; the Wycheproof files run through these
 * functions. Keys are immutable after creation, reference counted and thread safe. */
#pragma once

#include "shared/base/buf.h"
#include "shared/base/secret.h"
#include "shared/codec/json.h"

enum vd_kty {
    VD_KTY_P256,
    VD_KTY_P384,
    VD_KTY_P521,
    VD_KTY_RSA,
    VD_KTY_ED25519,
    VD_KTY_MLKEM768, /* JWK kty AKP, alg ML-KEM-768+A192KW */
    VD_KTY_MAX
};

struct vd_key; /* public key, or key pair when vd_key_private says so */

void vd_key_unref(struct vd_key *k);
struct vd_key *vd_key_ref(struct vd_key *k);
VD_DEFINE_CLEANUP(struct vd_key, vd_key_unref)

enum vd_kty vd_key_type(const struct vd_key *k);
bool vd_key_private(const struct vd_key *k);
/* RSA modulus bits; otherwise the curve's size. */
unsigned vd_key_bits(const struct vd_key *k);

/* JWK (RFC 7517/7518/8037). Checks: strings, strict base64url, coordinates of full length and on
 * the curve, RSA 2048..4096 bits without leading zeros, odd modulus, e > 1 and odd, no ROCA modulus
 * (CVE-2017-15361). VERIFY and ENCRYPT refuse private members and a `use`, `key_ops` or `alg` that
 * does not allow the purpose; ANY takes a key pair too. Whatever the purpose, the key remembers its
 * `use`, `key_ops` and `alg`, and vd_sign, vd_verify and vd_jwe_seal refuse what they do not allow.
 * VD_E_SYNTAX. */
enum vd_key_purpose { VD_KEY_ANY, VD_KEY_VERIFY, VD_KEY_ENCRYPT };
vd_rc vd_key_from_jwk(vd_jv jwk, enum vd_key_purpose purpose, struct vd_key **ret, vd_err *err);
vd_rc vd_key_from_jwk_text(vd_span json, enum vd_key_purpose purpose, struct vd_key **ret,
                           vd_err *err);
/* PEM: SubjectPublicKeyInfo, PKCS#8, SEC1 EC, PKCS#1 RSA, or the first certificate's key. */
vd_rc vd_key_from_pem(vd_span pem, struct vd_key **ret, vd_err *err);
/* DER SubjectPublicKeyInfo. */
vd_rc vd_key_from_spki(vd_span der, struct vd_key **ret, vd_err *err);
/* P-256/384/521: uncompressed point 04|x|y. */
vd_rc vd_key_from_point(enum vd_kty kty, vd_span point, struct vd_key **ret, vd_err *err);
/* A P-256/384/521 pair from the big-endian scalar (full width) and its point (checked). */
vd_rc vd_key_from_scalar(enum vd_kty kty, vd_span d, vd_span point, struct vd_key **ret,
                         vd_err *err);
/* rsa_bits counts for RSA only. */
vd_rc vd_key_generate(enum vd_kty kty, unsigned rsa_bits, struct vd_key **ret, vd_err *err);

/* Public half as a compact JWK with exactly the members of its type, in this order:
 * EC kty,crv,x,y - RSA kty,n,e - OKP kty,crv,x - AKP kty,alg,pub; `alg` (may be NULL) first when
 * given for EC/RSA/OKP: {"alg":..,"kty":..}. */
vd_rc vd_key_to_jwk(const struct vd_key *k, const char *alg, vd_buf *out, vd_err *err);
/* RFC 7638 SHA-256 thumbprint, base64url (43 characters). */
vd_rc vd_key_thumbprint(const struct vd_key *k, char ret[44], vd_err *err);
/* PKCS#8 PEM of a key pair into guarded memory (EC, RSA, Ed25519); RSA PKCS#1 by `rsa_pkcs1`. */
vd_rc vd_key_to_pem_private(const struct vd_key *k, bool rsa_pkcs1, vd_secret *ret, vd_err *err);
vd_rc vd_key_to_pem_public(const struct vd_key *k, vd_buf *out, vd_err *err);
/* DER SubjectPublicKeyInfo, appended. Not for ML-KEM. */
vd_rc vd_key_to_spki(const struct vd_key *k, vd_buf *out, vd_err *err);
/* Same public key? */
bool vd_key_same(const struct vd_key *a, const struct vd_key *b);

/* Signatures over `in`, raw forms: ECDSA r|s fixed width (P1363), RSA, Ed25519 64 bytes. */
enum vd_sig {
    VD_SIG_ES256, /* P-256, SHA-256 */
    VD_SIG_ES384, /* P-384, SHA-384 */
    VD_SIG_ES512, /* P-521, SHA-512 */
    VD_SIG_EDDSA, /* Ed25519 */
    VD_SIG_RS256,
    VD_SIG_PS256,
    VD_SIG_PS384,
    VD_SIG_MAX
};
vd_rc vd_sign(const struct vd_key *k, enum vd_sig alg, vd_span in, vd_buf *out, vd_err *err);
/* VD_E_SIG when it does not verify; VD_E_CRYPTO when key and algorithm do not fit. */
vd_rc vd_verify(const struct vd_key *k, enum vd_sig alg, vd_span in, vd_span sig, vd_err *err);
/* ECDSA with an ASN.1 DER signature (strict DER), any of the curves with any hash of hash.h. */
vd_rc vd_verify_ecdsa_der(const struct vd_key *k, int hash, vd_span in, vd_span der_sig,
                          vd_err *err);
/* ECDSA over P-256/P-384/P-521 with r|s fixed width and a chosen hash. */
vd_rc vd_verify_ecdsa_raw(const struct vd_key *k, int hash, vd_span in, vd_span rs, vd_err *err);

/* ECDH: the x coordinate of the shared point, full width. */
vd_rc vd_ecdh(const struct vd_key *priv, const struct vd_key *pub, vd_secret *ret, vd_err *err);
/* Ephemeral key on pub's curve and agreement in one call; ret_point is 04|x|y of the ephemeral key.
 * z has room for 66 bytes and must be wiped by the caller. */
vd_rc vd_ecdh_ephemeral(const struct vd_key *pub, uint8_t *z, size_t *ret_z, vd_buf *ret_point,
                        vd_err *err);
