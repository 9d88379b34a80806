/* Opening a JWE with a private key: for the guest side and for tests. A key that does not unwrap is
 * replaced by a random one, so that the only failure to be seen is that of the tag (RFC 7516 11.5).
 */
#include "shared/codec/b64.h"
#include "shared/crypto/jwe_priv.h"
#include "shared/rust/vd_rust.h"

struct parts {
    vd_span protected; /* as text: associated data */
    vd_span aad;       /* as text; flattened form only */
    bool has_aad;
    vd_buf header;
    vd_buf wrapped;
    vd_buf iv;
    vd_buf ciphertext;
    vd_buf tag;
};

static void parts_done(struct parts *p)
{
    vd_buf_done(&p->header);
    vd_buf_done(&p->wrapped);
    vd_buf_done(&p->iv);
    vd_buf_done(&p->ciphertext);
    vd_buf_done(&p->tag);
}
#define AUTO_PARTS __attribute__((cleanup(parts_done))) struct parts

static struct parts parts_of(size_t max)
{
    return (struct parts){
        .header = vd_buf_of(max),
        .wrapped = vd_buf_of(max),
        .iv = vd_buf_of(max),
        .ciphertext = vd_buf_of(max),
        .tag = vd_buf_of(max),
    };
}

static vd_rc optional_bytes(vd_jv header, const char *name, vd_buf *out, vd_err *err)
{
    vd_jv v = vd_jv_get(header, name);
    if (!vd_jv_ok(v))
        return VD_OK;
    if (!vd_jv_is(v, VD_JSON_STRING))
        return vd_fail(err, VD_E_SYNTAX, "JWE header: %s is not a string", name);
    return vd_jv_b64(v, VD_B64_URL, out, err);
}

static vd_rc kek_ecdh(const struct vd_key *priv, vd_jv header, struct vd_jwe_secrets *s,
                      vd_err *err)
{
    VD_AUTO(vd_key_unref) struct vd_key *epk = NULL;
    VD_TRY(vd_key_from_jwk(vd_jv_get(header, "epk"), VD_KEY_ENCRYPT, &epk, err));
    if (epk->kty != priv->kty)
        return vd_fail(err, VD_E_SYNTAX, "JWE header: epk is not on the key's curve");
    VD_AUTO_BUF apu = vd_buf_of(4096);
    VD_AUTO_BUF apv = vd_buf_of(4096);
    VD_TRY(optional_bytes(header, "apu", &apu, err));
    VD_TRY(optional_bytes(header, "apv", &apv, err));
    size_t n = 0;
    VD_TRY(vd_rust_rc(vdr_ecdh(priv->ec, epk->pub, epk->pub_n, s->z, &n), VD_E_CRYPTO,
                      "JWE does not open", err));
    return vd_concat_kdf(vd_span_of(s->z, n), VD_LIT("ECDH-ES+A256KW"), vd_buf_span(&apu),
                         vd_buf_span(&apv), 256, s->kek, err);
}

static vd_rc kek_mlkem(const struct vd_key *priv, vd_jv header, struct vd_jwe_secrets *s,
                       vd_err *err)
{
    VD_AUTO_BUF ek = vd_buf_of((size_t)2 * VD_MLKEM768_CT);
    VD_TRY(optional_bytes(header, "ek", &ek, err));
    if (ek.n != VD_MLKEM768_CT)
        return vd_fail(err, VD_E_SYNTAX, "JWE header: ek is missing or has the wrong length");
    VD_TRY(vd_rust_rc(vdr_mlkem768_decapsulate(priv->kem, ek.p, ek.n, s->shared), VD_E_CRYPTO,
                      "JWE does not open", err));
    return vd_kem_kdf(s->shared, s->kek, err);
}

/* The CEK, or random bytes in its place. */
static vd_rc unwrap(const struct vd_key *priv, vd_jv header, vd_span wrapped,
                    struct vd_jwe_secrets *s, vd_err *err)
{
    uint8_t cek[VD_JWE_CEK];
    vd_random(s->cek, sizeof s->cek);
    bool ok = false;
    if (priv->kty == VD_KTY_RSA) {
        size_t n = 0;
        ok =
            vd_rsa_decrypt_oaep(priv, wrapped, s->rsa, &n, NULL).code == VD_E_OK && n == VD_JWE_CEK;
        if (ok)
            memcpy(cek, s->rsa, sizeof cek);
    } else if (priv->kty == VD_KTY_MLKEM768) {
        VD_TRY(kek_mlkem(priv, header, s, err));
        ok = vd_aes_unwrap(s->kek, 24, wrapped, cek, NULL).code == VD_E_OK;
    } else {
        VD_TRY(kek_ecdh(priv, header, s, err));
        ok = vd_aes_unwrap(s->kek, 32, wrapped, cek, NULL).code == VD_E_OK;
    }
    if (ok)
        memcpy(s->cek, cek, sizeof cek);
    vd_wipe(cek, sizeof cek);
    return VD_OK;
}

static vd_rc decrypt(const struct parts *p, const struct vd_jwe_secrets *s, vd_secret *ret,
                     vd_err *err)
{
    if (!vd_algs()->aes256gcm)
        return vd_fail(err, VD_E_CRYPTO, "AES-GCM is not available");
    if (p->ciphertext.n > INT32_MAX || p->protected.n > INT32_MAX || p->aad.n > INT32_MAX)
        return vd_fail(err, VD_E_TOO_LARGE, "JWE of %zu bytes", p->ciphertext.n);
    VD_AUTO_SECRET plain = { 0 };
    VD_TRY(vd_secret_new(p->ciphertext.n, &plain, err));
    VD_AUTO(EVP_CIPHER_CTX_free) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    if (!ctx)
        return vd_fail(err, VD_E_NOMEM, "AES-GCM");
    uint8_t last[VD_JWE_TAG];
    int n = 0;
    static const uint8_t dot[] = { '.' };
    bool ok = EVP_DecryptInit_ex2(ctx, vd_algs()->aes256gcm, s->cek, p->iv.p, NULL) == 1 &&
              EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, VD_JWE_TAG, p->tag.p) == 1 &&
              EVP_DecryptUpdate(ctx, NULL, &n, p->protected.p, (int)p->protected.n) == 1;
    if (ok && p->has_aad)
        ok = EVP_DecryptUpdate(ctx, NULL, &n, dot, 1) == 1 &&
             (p->aad.n == 0 || EVP_DecryptUpdate(ctx, NULL, &n, p->aad.p, (int)p->aad.n) == 1);
    if (ok && p->ciphertext.n)
        ok = EVP_DecryptUpdate(ctx, plain.p, &n, p->ciphertext.p, (int)p->ciphertext.n) == 1;
    ok = ok && EVP_DecryptFinal_ex(ctx, last, &n) == 1;
    vd_ossl_forget();
    if (!ok)
        return vd_fail(err, VD_E_CRYPTO, "JWE does not open");
    *ret = plain;
    plain = (vd_secret){ 0 };
    return VD_OK;
}

static vd_rc open_parts(const struct vd_key *priv, const struct parts *p, vd_secret *ret,
                        vd_err *err)
{
    const char *alg = priv->is_private ? vd_jwe_alg(priv, false) : NULL;
    if (!alg)
        return vd_fail(err, VD_E_CRYPTO, "this key opens nothing");
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    vd_span text = vd_buf_span(&p->header);
    VD_TRY(vd_json_parse(text, VD_JSON_LIMITS(text.n), &doc, err));
    vd_jv header = vd_json_root(doc);
    if (!vd_jv_is(header, VD_JSON_OBJECT) || vd_jv_ok(vd_jv_get(header, "zip")) ||
        vd_jv_ok(vd_jv_get(header, "crit")))
        return vd_fail(err, VD_E_SYNTAX, "JWE header: not an object, or with zip or crit");
    if (!vd_span_eq_str(vd_jv_str_raw(vd_jv_get(header, "alg")), alg) ||
        !vd_span_eq_str(vd_jv_str_raw(vd_jv_get(header, "enc")), "A256GCM"))
        return vd_fail(err, VD_E_SYNTAX, "JWE header: alg is not %s or enc is not A256GCM", alg);
    if (p->iv.n != VD_JWE_IV || p->tag.n != VD_JWE_TAG)
        return vd_fail(err, VD_E_SYNTAX, "JWE: iv or tag has the wrong length");
    __attribute__((cleanup(vd_jwe_secrets_done))) struct vd_jwe_secrets s = { 0 };
    VD_TRY(unwrap(priv, header, vd_buf_span(&p->wrapped), &s, err));
    return decrypt(p, &s, ret, err);
}

static vd_rc member(vd_jv root, const char *name, vd_buf *out, vd_err *err)
{
    vd_jv v = vd_jv_get(root, name);
    if (!vd_jv_is(v, VD_JSON_STRING))
        return vd_fail(err, VD_E_SYNTAX, "JWE: %s is missing or not a string", name);
    return vd_jv_b64(v, VD_B64_URL, out, err);
}

vd_rc vd_jwe_open(const struct vd_key *priv, vd_span json, vd_secret *ret, vd_err *err)
{
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    VD_TRY(vd_json_parse(json, VD_JSON_LIMITS(json.n), &doc, err));
    vd_jv root = vd_json_root(doc);
    static const char *const others[] = { "header", "unprotected", "recipients" };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (vd_jv_ok(vd_jv_get(root, others[i])))
            return vd_fail(err, VD_E_SYNTAX, "JWE: %s is not taken", others[i]);
    AUTO_PARTS p = parts_of(json.n);
    VD_TRY(member(root, "protected", &p.header, err));
    VD_TRY(member(root, "encrypted_key", &p.wrapped, err));
    VD_TRY(member(root, "iv", &p.iv, err));
    VD_TRY(member(root, "ciphertext", &p.ciphertext, err));
    VD_TRY(member(root, "tag", &p.tag, err));
    p.protected = vd_jv_str_raw(vd_jv_get(root, "protected"));
    vd_jv aad = vd_jv_get(root, "aad");
    if (vd_jv_ok(aad)) {
        VD_AUTO_BUF checked = vd_buf_of(json.n);
        VD_TRY(member(root, "aad", &checked, err));
        p.aad = vd_jv_str_raw(aad);
        p.has_aad = true;
    }
    return open_parts(priv, &p, ret, err);
}

vd_rc vd_jwe_open_compact(const struct vd_key *priv, vd_span compact, vd_secret *ret, vd_err *err)
{
    AUTO_PARTS p = parts_of(compact.n);
    vd_buf *const to[] = { &p.header, &p.wrapped, &p.iv, &p.ciphertext, &p.tag };
    vd_span left = compact;
    for (size_t i = 0; i < 5; i++) {
        size_t end = i < 4 ? vd_span_find(left, '.') : left.n;
        if (i < 4 && end == left.n)
            return vd_fail(err, VD_E_SYNTAX, "JWE: fewer than five parts");
        VD_TRY(vd_b64_decode(vd_span_part(left, 0, end), VD_B64_URL, to[i], err));
        if (i == 0)
            p.protected = vd_span_part(left, 0, end);
        left = vd_span_part(left, end + 1, left.n);
    }
    return open_parts(priv, &p, ret, err);
}
