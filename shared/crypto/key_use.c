/* What keys do: sign, verify, agree. The algorithm comes from the caller; a key does only what its
 * type and its own JWK members allow. */
#include <sodium.h>

#include "shared/crypto/key.h"
#include "shared/crypto/key_priv.h"
#include "shared/rust/vd_rust.h"

static const struct {
    enum vd_kty kty;
    enum vd_hash hash; /* RSA only; a curve knows its own */
    bool pss;
} sigs[] = {
    [VD_SIG_ES256] = { .kty = VD_KTY_P256 },
    [VD_SIG_ES384] = { .kty = VD_KTY_P384 },
    [VD_SIG_ES512] = { .kty = VD_KTY_P521 },
    [VD_SIG_EDDSA] = { .kty = VD_KTY_ED25519 },
    [VD_SIG_RS256] = { .kty = VD_KTY_RSA, .hash = VD_SHA256 },
    [VD_SIG_PS256] = { .kty = VD_KTY_RSA, .hash = VD_SHA256, .pss = true },
    [VD_SIG_PS384] = { .kty = VD_KTY_RSA, .hash = VD_SHA384, .pss = true },
};
_Static_assert(sizeof sigs / sizeof sigs[0] == VD_SIG_MAX, "one row for each algorithm");

enum vd_kty vd_sig_kty(enum vd_sig alg)
{
    return sigs[alg].kty;
}

static vd_rc fits(const struct vd_key *k, enum vd_sig alg, vd_err *err)
{
    if (alg >= VD_SIG_MAX || sigs[alg].kty != k->kty)
        return vd_fail(err, VD_E_CRYPTO, "the signature algorithm does not fit the key's type");
    if (k->sigs == VD_SIGS_NONE || (k->sigs == VD_SIGS_ONE && k->only_sig != alg))
        return vd_fail(err, VD_E_CRYPTO,
                       "the key's own use, key_ops or alg do not allow this signature algorithm");
    return VD_OK;
}

vd_rc vd_sign(const struct vd_key *k, enum vd_sig alg, vd_span in, vd_buf *out, vd_err *err)
{
    VD_TRY(fits(k, alg, err));
    if (!k->is_private)
        return vd_fail(err, VD_E_CRYPTO, "a public key cannot sign");
    if (k->kty == VD_KTY_RSA)
        return vd_rsa_sign(k, sigs[alg].hash, sigs[alg].pss, in, out, err);
    uint8_t sig[2 * VD_EC_WIDTH_MAX];
    size_t n = 0;
    if (k->kty == VD_KTY_ED25519) {
        n = crypto_sign_BYTES;
        if (crypto_sign_detached(sig, NULL, in.p, in.n, k->ed.p) != 0)
            return vd_fail(err, VD_E_CRYPTO, "Ed25519 signature");
    } else {
        VD_TRY(vd_rust_rc(vdr_ecdsa_sign(k->ec, in.p, in.n, sig, &n), VD_E_CRYPTO,
                          "ECDSA signature", err));
    }
    vd_buf_add(out, vd_span_of(sig, n));
    return vd_buf_check(out, err);
}

static vd_rc verify_ecdsa(const struct vd_key *k, int hash, int form, vd_span in, vd_span sig,
                          vd_err *err)
{
    const struct vd_curve *c = vd_curve_of(k->kty);
    if (!c)
        return vd_fail(err, VD_E_CRYPTO, "not an elliptic-curve key");
    int digest = 0;
    switch (hash) {
    case VD_SHA256:
        digest = VDR_SHA256;
        break;
    case VD_SHA384:
        digest = VDR_SHA384;
        break;
    case VD_SHA512:
        digest = VDR_SHA512;
        break;
    default:
        return vd_fail(err, VD_E_CRYPTO, "ECDSA with this hash is not offered");
    }
    if (form == VDR_SIG_RAW && sig.n != 2 * c->width)
        return vd_fail(err, VD_E_SIG, "ECDSA signature of %zu bytes", sig.n);
    return vd_rust_rc(
        vdr_ecdsa_verify(c->rust, digest, form, k->pub, k->pub_n, in.p, in.n, sig.p, sig.n),
        VD_E_SIG, "ECDSA signature does not verify", err);
}

vd_rc vd_verify(const struct vd_key *k, enum vd_sig alg, vd_span in, vd_span sig, vd_err *err)
{
    VD_TRY(fits(k, alg, err));
    if (k->kty == VD_KTY_RSA)
        return vd_rsa_verify(k, sigs[alg].hash, sigs[alg].pss, in, sig, err);
    if (k->kty != VD_KTY_ED25519)
        return verify_ecdsa(k, (int)vd_curve_of(k->kty)->hash, VDR_SIG_RAW, in, sig, err);
    if (sig.n != crypto_sign_BYTES || crypto_sign_verify_detached(sig.p, in.p, in.n, k->pub) != 0)
        return vd_fail(err, VD_E_SIG, "Ed25519 signature does not verify");
    return VD_OK;
}

vd_rc vd_verify_ecdsa_der(const struct vd_key *k, int hash, vd_span in, vd_span der_sig,
                          vd_err *err)
{
    return verify_ecdsa(k, hash, VDR_SIG_DER, in, der_sig, err);
}

vd_rc vd_verify_ecdsa_raw(const struct vd_key *k, int hash, vd_span in, vd_span rs, vd_err *err)
{
    return verify_ecdsa(k, hash, VDR_SIG_RAW, in, rs, err);
}

vd_rc vd_ecdh(const struct vd_key *priv, const struct vd_key *pub, vd_secret *ret, vd_err *err)
{
    if (!priv->ec || priv->kty != pub->kty)
        return vd_fail(err, VD_E_CRYPTO,
                       "key agreement needs a private and a public key of one curve");
    VD_AUTO_SECRET z = { 0 };
    VD_TRY(vd_secret_new(VD_EC_WIDTH_MAX, &z, err));
    size_t n = 0;
    VD_TRY(vd_rust_rc(vdr_ecdh(priv->ec, pub->pub, pub->pub_n, z.p, &n), VD_E_CRYPTO,
                      "key agreement", err));
    return vd_secret_copy(vd_span_of(z.p, n), ret, err);
}

vd_rc vd_ecdh_ephemeral(const struct vd_key *pub, uint8_t *z, size_t *ret_z, vd_buf *ret_point,
                        vd_err *err)
{
    const struct vd_curve *c = vd_curve_of(pub->kty);
    if (!c)
        return vd_fail(err, VD_E_CRYPTO, "key agreement needs an elliptic-curve key");
    uint8_t point[VD_EC_POINT_MAX];
    size_t n = 0;
    VD_TRY(vd_rust_rc(vdr_ecdh_ephemeral(c->rust, pub->pub, pub->pub_n, z, ret_z, point, &n),
                      VD_E_CRYPTO, "key agreement", err));
    vd_buf_add(ret_point, vd_span_of(point, n));
    return vd_buf_check(ret_point, err);
}
