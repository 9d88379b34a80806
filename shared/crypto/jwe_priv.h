/* Pieces that sealing and opening a JWE share. */
#pragma once

#include "shared/crypto/jose.h"
#include "shared/crypto/key_priv.h"

enum { VD_JWE_CEK = 32, VD_JWE_IV = 12, VD_JWE_TAG = 16, VD_JWE_WRAPPED = VD_JWE_CEK + 8 };

/* Everything of one JWE that must not outlive it: `__attribute__((cleanup(vd_jwe_secrets_done)))`.
 */
struct vd_jwe_secrets {
    uint8_t cek[VD_JWE_CEK];
    uint8_t kek[32];
    uint8_t z[VD_EC_WIDTH_MAX];
    uint8_t shared[32];
    uint8_t rsa[VD_RSA_BYTES_MAX];
};
void vd_jwe_secrets_done(struct vd_jwe_secrets *s);

/* AES-KW (RFC 3394); kek_n is 24 or 32. */
vd_rc vd_aes_wrap(const uint8_t *kek, size_t kek_n, const uint8_t cek[VD_JWE_CEK],
                  uint8_t ret[VD_JWE_WRAPPED], vd_err *err);
/* VD_E_CRYPTO when the integrity check fails. */
vd_rc vd_aes_unwrap(const uint8_t *kek, size_t kek_n, vd_span wrapped, uint8_t ret[VD_JWE_CEK],
                    vd_err *err);

/* The one key-management algorithm of a key; NULL for keys that nothing can be encrypted to. */
const char *vd_jwe_alg(const struct vd_key *k, bool rsa1_5);
