/* JWS (RFC 7515) and JWE (RFC 7516), compact and flattened forms that Vidimus uses. The algorithm
 * and the key come from our configuration; a token's header never chooses them. */
#pragma once

#include "shared/crypto/key.h"

/* "ES256" etc. VD_E_SYNTAX for any other, "none" and HMAC included. */
vd_rc vd_jws_alg_by_name(vd_span name, enum vd_sig *ret, vd_err *err);
const char *vd_jws_alg_name(enum vd_sig alg);

/* A compact JWS taken apart in one pass: exactly two dots, strict base64url, header a JSON object
 * without duplicates, no `crit`, no `b64`, `alg` a string. Nothing is verified yet. Spans point
 * into the token or into the struct's own buffers. */
struct vd_jws {
    vd_span token;
    vd_span signing_input;
    vd_buf header_text;
    struct vd_json *header;
    vd_buf payload;
    vd_buf signature;
    vd_jv alg; /* string value */
    vd_jv kid; /* may be missing */
    vd_jv typ; /* may be missing */
    vd_jv jwk; /* may be missing */
};
vd_rc vd_jws_parse(vd_span token, size_t max, struct vd_jws **ret, vd_err *err);
void vd_jws_free(struct vd_jws *j);
VD_DEFINE_CLEANUP(struct vd_jws, vd_jws_free)
/* Header alg must equal `alg` byte for byte and the key must be of its type. VD_E_SIG. */
vd_rc vd_jws_verify(const struct vd_jws *j, const struct vd_key *key, enum vd_sig alg, vd_err *err);

/* Compact JWS: base64url(header_json).base64url(payload).signature appended to out. */
typedef vd_rc (*vd_sign_fn)(void *ctx, vd_span in, vd_buf *out, vd_err *err);
vd_rc vd_jws_sign(vd_span header_json, vd_span payload, vd_sign_fn sign, void *ctx, vd_buf *out,
                  vd_err *err);
vd_rc vd_jws_sign_key(vd_span header_json, vd_span payload, const struct vd_key *key,
                      enum vd_sig alg, vd_buf *out, vd_err *err);

/* JWE for a TEE key, flattened JSON {"protected","encrypted_key","iv","ciphertext","tag"} appended
 * to out. The header bytes are exactly those that clients rebuild: alg, enc, epk{crv,kty,x,y} or
 * ek. The algorithm follows the key: EC -> ECDH-ES+A256KW, RSA -> RSA-OAEP-256 (RSA1_5 with
 * rsa1_5), AKP -> ML-KEM-768+A192KW; enc is always A256GCM. VD_E_JWE_KEY when the key cannot be
 * encrypted to. */
struct vd_jwe_opts {
    bool rsa1_5;
};
vd_rc vd_jwe_seal(const struct vd_key *pub, const struct vd_jwe_opts *opts, vd_span plain,
                  vd_buf *out, vd_err *err);
/* The TEE key as a JWK of the KBS protocol (kty, alg, members): alg must fit. Sets opts->rsa1_5
 * when the JWK asks for RSA1_5 and allow_rsa1_5. VD_E_JWE_KEY. */
vd_rc vd_jwe_key(vd_jv jwk, bool allow_rsa1_5, struct vd_jwe_opts *opts, struct vd_key **ret,
                 vd_err *err);
/* Opens a flattened JWE (guest side, tests). The algorithm follows the private key as in
 * vd_jwe_seal and the header must name it; RSA1_5 is never opened; enc A256GCM, 96-bit iv, 128-bit
 * tag; no zip, no crit. VD_E_SYNTAX when malformed, VD_E_CRYPTO when it does not open (one answer
 * for every cause). */
vd_rc vd_jwe_open(const struct vd_key *priv, vd_span json, vd_secret *ret, vd_err *err);
/* The same for the compact form. */
vd_rc vd_jwe_open_compact(const struct vd_key *priv, vd_span compact, vd_secret *ret, vd_err *err);

/* Concat KDF of RFC 7518 4.6.2: SHA-256, one round, so at most 256 bits; ret has room for them. */
vd_rc vd_concat_kdf(vd_span z, vd_span algorithm_id, vd_span apu, vd_span apv, unsigned bits,
                    uint8_t *ret, vd_err *err);
/* KEK of ML-KEM-768+A192KW from the KEM's shared secret (draft-ietf-jose-pqc-kem): KMAC256, 192
 * bits. */
vd_rc vd_kem_kdf(const uint8_t shared_secret[32], uint8_t ret[24], vd_err *err);
