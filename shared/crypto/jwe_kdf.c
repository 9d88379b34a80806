/* Key derivation and key wrapping of JWE: Concat KDF, KMAC256 for ML-KEM, AES-KW. */
#include <openssl/core_names.h>

#include "shared/crypto/jwe_priv.h"

void vd_jwe_secrets_done(struct vd_jwe_secrets *s)
{
    vd_wipe(s, sizeof *s);
}

const char *vd_jwe_alg(const struct vd_key *k, bool rsa1_5)
{
    if (!k->may_encrypt || (rsa1_5 && k->kty != VD_KTY_RSA))
        return NULL;
    switch (k->kty) {
    case VD_KTY_P256:
    case VD_KTY_P384:
    case VD_KTY_P521:
        return "ECDH-ES+A256KW";
    case VD_KTY_RSA:
        return rsa1_5 ? "RSA1_5" : "RSA-OAEP-256";
    case VD_KTY_MLKEM768:
        return "ML-KEM-768+A192KW";
    case VD_KTY_ED25519:
    case VD_KTY_MAX:
        break;
    }
    return NULL;
}

static void be32(uint8_t p[4], size_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}

vd_rc vd_concat_kdf(vd_span z, vd_span algorithm_id, vd_span apu, vd_span apv, unsigned bits,
                    uint8_t *ret, vd_err *err)
{
    if (bits == 0 || bits > 256 || bits % 8 != 0 || apu.n > UINT32_MAX || apv.n > UINT32_MAX)
        return vd_fail(err, VD_E_CRYPTO, "key derivation of %u bits", bits);
    uint8_t n[5][4];
    be32(n[0], 1); /* round */
    be32(n[1], algorithm_id.n);
    be32(n[2], apu.n);
    be32(n[3], apv.n);
    be32(n[4], bits); /* SuppPubInfo */
    const vd_span parts[] = { { n[0], 4 }, z,           { n[1], 4 }, algorithm_id, { n[2], 4 },
                              apu,         { n[3], 4 }, apv,         { n[4], 4 } };
    uint8_t digest[32];
    VD_TRY(vd_hash_parts(VD_SHA256, parts, sizeof parts / sizeof parts[0], digest, err));
    memcpy(ret, digest, bits / 8);
    vd_wipe(digest, sizeof digest);
    return VD_OK;
}

vd_rc vd_kem_kdf(const uint8_t shared_secret[32], uint8_t ret[24], vd_err *err)
{
    /* X of the draft: be32(length) | alg | be32(192). */
    static const uint8_t x[] = "\0\0\0\x11"
                               "ML-KEM-768+A192KW"
                               "\0\0\0\xc0";
    const struct vd_algs *a = vd_algs();
    VD_AUTO(EVP_MAC_CTX_free) EVP_MAC_CTX *ctx = a->kmac256 ? EVP_MAC_CTX_new(a->kmac256) : NULL;
    if (!ctx)
        return vd_fail(err, VD_E_CRYPTO, "KMAC256 is not in this libcrypto");
    size_t size = 24;
    const OSSL_PARAM params[] = { OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size),
                                  OSSL_PARAM_construct_end() };
    size_t got = 0;
    if (EVP_MAC_init(ctx, shared_secret, 32, params) != 1 ||
        EVP_MAC_update(ctx, x, sizeof x - 1) != 1 || EVP_MAC_final(ctx, ret, &got, size) != 1 ||
        got != size)
        return vd_ossl_fail(err, VD_E_CRYPTO, "KMAC256");
    return VD_OK;
}

static vd_rc wrap_ctx(size_t kek_n, EVP_CIPHER_CTX **ret_ctx, const EVP_CIPHER **ret_cipher,
                      vd_err *err)
{
    const struct vd_algs *a = vd_algs();
    const EVP_CIPHER *cipher = kek_n == 32 ? a->aes256wrap : kek_n == 24 ? a->aes192wrap : NULL;
    EVP_CIPHER_CTX *ctx = cipher ? EVP_CIPHER_CTX_new() : NULL;
    if (!ctx)
        return vd_fail(err, VD_E_CRYPTO, "AES-KW is not available");
    EVP_CIPHER_CTX_set_flags(ctx, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
    *ret_ctx = ctx;
    *ret_cipher = cipher;
    return VD_OK;
}

vd_rc vd_aes_wrap(const uint8_t *kek, size_t kek_n, const uint8_t cek[VD_JWE_CEK],
                  uint8_t ret[VD_JWE_WRAPPED], vd_err *err)
{
    VD_AUTO(EVP_CIPHER_CTX_free) EVP_CIPHER_CTX *ctx = NULL;
    const EVP_CIPHER *cipher = NULL;
    VD_TRY(wrap_ctx(kek_n, &ctx, &cipher, err));
    int n = 0;
    if (EVP_EncryptInit_ex2(ctx, cipher, kek, NULL, NULL) != 1 ||
        EVP_EncryptUpdate(ctx, ret, &n, cek, VD_JWE_CEK) != 1 || n != VD_JWE_WRAPPED)
        return vd_ossl_fail(err, VD_E_CRYPTO, "AES-KW");
    return VD_OK;
}

vd_rc vd_aes_unwrap(const uint8_t *kek, size_t kek_n, vd_span wrapped, uint8_t ret[VD_JWE_CEK],
                    vd_err *err)
{
    VD_AUTO(EVP_CIPHER_CTX_free) EVP_CIPHER_CTX *ctx = NULL;
    const EVP_CIPHER *cipher = NULL;
    VD_TRY(wrap_ctx(kek_n, &ctx, &cipher, err));
    /* OpenSSL writes a block more than the key while it unwraps. */
    uint8_t plain[VD_JWE_WRAPPED] = { 0 };
    int n = 0;
    bool ok = wrapped.n == VD_JWE_WRAPPED &&
              EVP_DecryptInit_ex2(ctx, cipher, kek, NULL, NULL) == 1 &&
              EVP_DecryptUpdate(ctx, plain, &n, wrapped.p, VD_JWE_WRAPPED) == 1 && n == VD_JWE_CEK;
    if (ok)
        memcpy(ret, plain, VD_JWE_CEK);
    vd_wipe(plain, sizeof plain);
    vd_ossl_forget();
    return ok ? VD_OK : vd_fail(err, VD_E_CRYPTO, "AES-KW integrity");
}
