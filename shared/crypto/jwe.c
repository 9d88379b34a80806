/* Sealing a secret to a TEE key as a flattened JWE (RFC 7516). The text is written straight into
 * the caller's buffer: plaintext is encrypted and base64url-encoded chunk by chunk, so that no copy
 * of it and no second copy of the ciphertext exists. */
#include "shared/codec/b64.h"
#include "shared/crypto/jwe_priv.h"
#include "shared/rust/vd_rust.h"

enum {
    CHUNK = 3 * 1024,  /* a multiple of 3: chunks join without padding */
    HEADER_MAX = 2048, /* ML-KEM: 1451 characters of ek and the rest */
    FIXED_MAX = 256,   /* member names, iv, tag */
};

static void coordinate(vd_buf *out, const char *before, const uint8_t *p, size_t n)
{
    vd_buf_str(out, before);
    vd_b64_encode(vd_span_of(p, n), VD_B64_URL, out);
}

static vd_rc wrap_ecdh(const struct vd_key *pub, struct vd_jwe_secrets *s, vd_buf *header,
                       uint8_t *wrapped, size_t *ret_n, vd_err *err)
{
    const struct vd_curve *c = vd_curve_of(pub->kty);
    VD_AUTO_BUF point = vd_buf_of(VD_EC_POINT_MAX);
    size_t z_n = 0;
    VD_TRY(vd_ecdh_ephemeral(pub, s->z, &z_n, &point, err));
    vd_buf_printf(header, ",\"epk\":{\"crv\":\"%s\",\"kty\":\"EC\",\"x\":\"", c->crv);
    coordinate(header, "", point.p + 1, c->width);
    coordinate(header, "\",\"y\":\"", point.p + 1 + c->width, c->width);
    vd_buf_str(header, "\"}");
    VD_TRY(vd_concat_kdf(vd_span_of(s->z, z_n), VD_LIT("ECDH-ES+A256KW"), VD_SPAN_NONE,
                         VD_SPAN_NONE, 256, s->kek, err));
    *ret_n = VD_JWE_WRAPPED;
    return vd_aes_wrap(s->kek, 32, s->cek, wrapped, err);
}

static vd_rc wrap_mlkem(const struct vd_key *pub, struct vd_jwe_secrets *s, vd_buf *header,
                        uint8_t *wrapped, size_t *ret_n, vd_err *err)
{
    uint8_t ct[VD_MLKEM768_CT];
    VD_TRY(vd_rust_rc(vdr_mlkem768_encapsulate(pub->pub, pub->pub_n, ct, s->shared), VD_E_JWE_KEY,
                      "ML-KEM encapsulation", err));
    coordinate(header, ",\"ek\":\"", ct, sizeof ct);
    vd_buf_u8(header, '"');
    VD_TRY(vd_kem_kdf(s->shared, s->kek, err));
    *ret_n = VD_JWE_WRAPPED;
    return vd_aes_wrap(s->kek, 24, s->cek, wrapped, err);
}

/* Header JSON into `header`, the encrypted CEK into `wrapped` (VD_RSA_BYTES_MAX bytes). */
static vd_rc wrap(const struct vd_key *pub, const char *alg, bool rsa1_5, struct vd_jwe_secrets *s,
                  vd_buf *header, uint8_t *wrapped, size_t *ret_n, vd_err *err)
{
    vd_buf_printf(header, "{\"alg\":\"%s\",\"enc\":\"A256GCM\"", alg);
    if (pub->kty == VD_KTY_RSA)
        VD_TRY(
            vd_rsa_encrypt(pub, !rsa1_5, vd_span_of(s->cek, sizeof s->cek), wrapped, ret_n, err));
    else if (pub->kty == VD_KTY_MLKEM768)
        VD_TRY(wrap_mlkem(pub, s, header, wrapped, ret_n, err));
    else
        VD_TRY(wrap_ecdh(pub, s, header, wrapped, ret_n, err));
    vd_buf_u8(header, '}');
    return vd_buf_check(header, err);
}

/* Encrypts `plain` and appends ciphertext and tag with their member names. */
static vd_rc encrypt(EVP_CIPHER_CTX *ctx, vd_span plain, vd_buf *out, vd_err *err)
{
    uint8_t block[CHUNK];
    int n = 0;
    vd_buf_str(out, "\",\"ciphertext\":\"");
    for (size_t at = 0; at < plain.n; at += CHUNK) {
        vd_span part = vd_span_part(plain, at, CHUNK);
        if (EVP_EncryptUpdate(ctx, block, &n, part.p, (int)part.n) != 1 || (size_t)n != part.n)
            return vd_ossl_fail(err, VD_E_CRYPTO, "AES-GCM");
        vd_b64_encode(vd_span_of(block, part.n), VD_B64_URL, out);
    }
    uint8_t tag[VD_JWE_TAG];
    if (EVP_EncryptFinal_ex(ctx, block, &n) != 1 ||
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, sizeof tag, tag) != 1)
        return vd_ossl_fail(err, VD_E_CRYPTO, "AES-GCM");
    vd_buf_str(out, "\",\"tag\":\"");
    vd_b64_encode(vd_span_of(tag, sizeof tag), VD_B64_URL, out);
    vd_buf_str(out, "\"}");
    return vd_buf_check(out, err);
}

static vd_rc write_all(const struct vd_jwe_secrets *s, vd_span header, vd_span wrapped,
                       vd_span plain, vd_buf *out, vd_err *err)
{
    /* One growth; afterwards `out` does not move, and the header in it can serve as associated
     * data. */
    if (plain.n > SIZE_MAX / 2 ||
        !vd_buf_reserve(out, FIXED_MAX + (header.n + wrapped.n + plain.n) / 3 * 4 + 16))
        return vd_buf_check(out, err);
    uint8_t iv[VD_JWE_IV];
    vd_random(iv, sizeof iv);
    vd_buf_str(out, "{\"protected\":\"");
    size_t aad_at = out->n;
    vd_b64_encode(header, VD_B64_URL, out);
    size_t aad_n = out->n - aad_at;
    vd_buf_str(out, "\",\"encrypted_key\":\"");
    vd_b64_encode(wrapped, VD_B64_URL, out);
    vd_buf_str(out, "\",\"iv\":\"");
    vd_b64_encode(vd_span_of(iv, sizeof iv), VD_B64_URL, out);
    VD_TRY(vd_buf_check(out, err));

    VD_AUTO(EVP_CIPHER_CTX_free) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int n = 0;
    if (!ctx || !vd_algs()->aes256gcm)
        return vd_fail(err, VD_E_CRYPTO, "AES-GCM is not available");
    if (EVP_EncryptInit_ex2(ctx, vd_algs()->aes256gcm, s->cek, iv, NULL) != 1 ||
        EVP_EncryptUpdate(ctx, NULL, &n, out->p + aad_at, (int)aad_n) != 1)
        return vd_ossl_fail(err, VD_E_CRYPTO, "AES-GCM");
    return encrypt(ctx, plain, out, err);
}

vd_rc vd_jwe_seal(const struct vd_key *pub, const struct vd_jwe_opts *opts, vd_span plain,
                  vd_buf *out, vd_err *err)
{
    bool rsa1_5 = opts && opts->rsa1_5;
    const char *alg = vd_jwe_alg(pub, rsa1_5);
    if (!alg)
        return vd_fail(err, VD_E_JWE_KEY, "nothing can be encrypted to this key");
    __attribute__((cleanup(vd_jwe_secrets_done))) struct vd_jwe_secrets s;
    vd_random(s.cek, sizeof s.cek);
    VD_AUTO_BUF header = vd_buf_of(HEADER_MAX);
    uint8_t wrapped[VD_RSA_BYTES_MAX];
    size_t wrapped_n = 0;
    VD_TRY(wrap(pub, alg, rsa1_5, &s, &header, wrapped, &wrapped_n, err));
    size_t start = out->n;
    vd_rc_ rc =
        write_all(&s, vd_buf_span(&header), vd_span_of(wrapped, wrapped_n), plain, out, err);
    if (rc.code != VD_E_OK)
        out->n = start;
    return rc;
}

vd_rc vd_jwe_key(vd_jv jwk, bool allow_rsa1_5, struct vd_jwe_opts *opts, struct vd_key **ret,
                 vd_err *err)
{
    vd_err inner = { 0 };
    VD_AUTO(vd_key_unref) struct vd_key *k = NULL;
    if (vd_key_from_jwk(jwk, VD_KEY_ENCRYPT, &k, &inner).code != VD_E_OK)
        return vd_fail(err, inner.code == VD_E_NOMEM ? VD_E_NOMEM : VD_E_JWE_KEY, "TEE key: %s",
                       inner.msg);
    vd_jv alg = vd_jv_get(jwk, "alg");
    bool rsa1_5 = vd_jv_str_eq(alg, "RSA1_5");
    if (rsa1_5 && !allow_rsa1_5)
        return vd_fail(err, VD_E_JWE_KEY,
                       "TEE key asks for RSA1_5, which is off ([release] allow_rsa1_5)");
    const char *want = vd_jwe_alg(k, rsa1_5);
    if (!want || !vd_jv_str_eq(alg, want))
        return vd_fail(err, VD_E_JWE_KEY, "TEE key: alg is missing or not that of its type");
    opts->rsa1_5 = rsa1_5;
    *ret = VD_TAKE(k);
    return VD_OK;
}
