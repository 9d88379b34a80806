/* Keys: the object, its public forms and its birth. Reading JWK is key_jwk.c, PEM and DER
 * key_pem.c, signatures and agreement key_use.c, everything RSA rsa.c. */
#include "shared/crypto/key.h"

#include <sodium.h>

#include "shared/codec/b64.h"
#include "shared/crypto/hash.h"
#include "shared/crypto/key_priv.h"
#include "shared/rust/vd_rust.h"

/* SubjectPublicKeyInfo up to the point (RFC 5480): there is exactly one DER form for each curve. */
static const uint8_t spki_p256[] = { 0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
                                     0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
                                     0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00 };
static const uint8_t spki_p384[] = { 0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86,
                                     0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b,
                                     0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00 };
static const uint8_t spki_p521[] = { 0x30, 0x81, 0x9b, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86,
                                     0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81,
                                     0x04, 0x00, 0x23, 0x03, 0x81, 0x86, 0x00 };

static const struct vd_curve curves[] = {
    [VD_KTY_P256] = { "P-256", VDR_P256, 32, 256, VD_SHA256, { spki_p256, sizeof spki_p256 } },
    [VD_KTY_P384] = { "P-384", VDR_P384, 48, 384, VD_SHA384, { spki_p384, sizeof spki_p384 } },
    [VD_KTY_P521] = { "P-521", VDR_P521, 66, 521, VD_SHA512, { spki_p521, sizeof spki_p521 } },
};

const struct vd_curve *vd_curve_of(enum vd_kty kty)
{
    return (size_t)kty < sizeof curves / sizeof curves[0] ? &curves[kty] : NULL;
}

vd_rc vd_rust_rc(int rc, vd_code bad, const char *what, vd_err *err)
{
    switch (rc) {
    case VDR_OK:
        return VD_OK;
    case VDR_BAD_INPUT:
    case VDR_REFUSED:
        return vd_fail(err, bad, "%s", what);
    case VDR_NOMEM:
        return vd_fail(err, VD_E_NOMEM, "%s", what);
    default:
        return vd_fail(err, VD_E_CRYPTO, "%s: the cryptographic library failed (%d)", what, rc);
    }
}

vd_rc vd_key_alloc(enum vd_kty kty, vd_span pub, vd_span more, struct vd_key **ret, vd_err *err)
{
    struct vd_key *k = calloc(1, sizeof *k + pub.n + more.n);
    if (!k)
        return vd_fail(err, VD_E_NOMEM, "key");
    atomic_init(&k->refs, 1);
    k->kty = kty;
    k->may_encrypt = kty != VD_KTY_ED25519;
    k->sigs = kty == VD_KTY_MLKEM768 ? VD_SIGS_NONE : VD_SIGS_FITTING;
    k->pub_n = pub.n + more.n;
    if (pub.n)
        memcpy(k->pub, pub.p, pub.n);
    if (more.n)
        memcpy(k->pub + pub.n, more.p, more.n);
    *ret = k;
    return VD_OK;
}

struct vd_key *vd_key_ref(struct vd_key *k)
{
    atomic_fetch_add_explicit(&k->refs, 1, memory_order_relaxed);
    return k;
}

void vd_key_unref(struct vd_key *k)
{
    if (!k || atomic_fetch_sub_explicit(&k->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (k->ec)
        vdr_ec_key_free(k->ec);
    if (k->kem)
        vdr_mlkem768_free(k->kem);
    vd_secret_done(&k->ed);
    EVP_PKEY_free(k->rsa);
    free(k);
}

enum vd_kty vd_key_type(const struct vd_key *k)
{
    return k->kty;
}

bool vd_key_private(const struct vd_key *k)
{
    return k->is_private;
}

unsigned vd_key_bits(const struct vd_key *k)
{
    return k->bits;
}

bool vd_key_same(const struct vd_key *a, const struct vd_key *b)
{
    return a->kty == b->kty && a->rsa_n == b->rsa_n && vd_span_eq(vd_key_pub(a), vd_key_pub(b));
}

vd_rc vd_key_from_point(enum vd_kty kty, vd_span point, struct vd_key **ret, vd_err *err)
{
    const struct vd_curve *c = vd_curve_of(kty);
    if (!c)
        return vd_fail(err, VD_E_SYNTAX, "not a curve");
    if (point.n != 1 + 2 * c->width || point.p[0] != 4)
        return vd_fail(err, VD_E_SYNTAX, "%s: not an uncompressed point of %zu bytes", c->crv,
                       1 + 2 * c->width);
    VD_TRY(vd_rust_rc(vdr_ec_point_check(c->rust, point.p, point.n), VD_E_SYNTAX,
                      "the point is not on the curve", err));
    struct vd_key *k = NULL;
    VD_TRY(vd_key_alloc(kty, point, VD_SPAN_NONE, &k, err));
    k->bits = c->bits;
    *ret = k;
    return VD_OK;
}

vd_rc vd_key_from_scalar(enum vd_kty kty, vd_span d, vd_span point, struct vd_key **ret,
                         vd_err *err)
{
    const struct vd_curve *c = vd_curve_of(kty);
    if (!c || d.n != c->width)
        return vd_fail(err, VD_E_SYNTAX, "private key: not a scalar of the curve's width");
    VD_AUTO(vd_key_unref) struct vd_key *k = NULL;
    VD_TRY(vd_key_from_point(kty, point, &k, err));
    VD_TRY(vd_rust_rc(vdr_ec_key_new(c->rust, d.p, d.n, point.p, point.n, &k->ec), VD_E_SYNTAX,
                      "private key: the halves do not belong together", err));
    k->is_private = true;
    *ret = VD_TAKE(k);
    return VD_OK;
}

vd_rc vd_key_from_raw(enum vd_kty kty, vd_span pub, struct vd_key **ret, vd_err *err)
{
    bool ed = kty == VD_KTY_ED25519;
    if (pub.n != (ed ? (size_t)VD_ED25519_PUB : (size_t)VD_MLKEM768_PUB))
        return vd_fail(err, VD_E_SYNTAX, "public key of %zu bytes has the wrong length", pub.n);
    if (!ed)
        VD_TRY(vd_rust_rc(vdr_mlkem768_check(pub.p, pub.n), VD_E_SYNTAX, "not an ML-KEM-768 key",
                          err));
    struct vd_key *k = NULL;
    VD_TRY(vd_key_alloc(kty, pub, VD_SPAN_NONE, &k, err));
    k->bits = ed ? 256 : 768;
    *ret = k;
    return VD_OK;
}

vd_rc vd_key_from_seed(vd_span seed, struct vd_key **ret, vd_err *err)
{
    if (seed.n != crypto_sign_SEEDBYTES)
        return vd_fail(err, VD_E_SYNTAX, "Ed25519 private key is not 32 bytes");
    VD_AUTO_SECRET secret = { 0 };
    uint8_t pub[VD_ED25519_PUB];
    VD_TRY(vd_secret_new(VD_ED25519_SECRET, &secret, err));
    if (crypto_sign_seed_keypair(pub, secret.p, seed.p) != 0)
        return vd_fail(err, VD_E_CRYPTO, "Ed25519 key pair");
    struct vd_key *k = NULL;
    VD_TRY(vd_key_from_raw(VD_KTY_ED25519, vd_span_of(pub, sizeof pub), &k, err));
    k->ed = secret;
    secret = (vd_secret){ 0 };
    k->is_private = true;
    *ret = k;
    return VD_OK;
}

static vd_rc generate_ec(enum vd_kty kty, struct vd_key **ret, vd_err *err)
{
    const struct vd_curve *c = vd_curve_of(kty);
    struct vdr_ec_key *pair = NULL;
    VD_TRY(vd_rust_rc(vdr_ec_key_generate(c->rust, &pair), VD_E_CRYPTO, "key generation", err));
    uint8_t d[VD_EC_WIDTH_MAX], point[VD_EC_POINT_MAX];
    size_t d_n = 0, point_n = 0;
    int rc = vdr_ec_key_export(pair, d, &d_n, point, &point_n);
    vd_wipe(d, sizeof d);
    struct vd_key *k = NULL;
    vd_rc_ done = vd_rust_rc(rc, VD_E_CRYPTO, "key generation", err);
    if (done.code == VD_E_OK)
        done = vd_key_alloc(kty, vd_span_of(point, point_n), VD_SPAN_NONE, &k, err);
    if (done.code != VD_E_OK) {
        vdr_ec_key_free(pair);
        return done;
    }
    k->ec = pair;
    k->bits = c->bits;
    k->is_private = true;
    *ret = k;
    return VD_OK;
}

static vd_rc generate_mlkem(struct vd_key **ret, vd_err *err)
{
    uint8_t pub[VD_MLKEM768_PUB];
    struct vdr_mlkem_key *pair = NULL;
    VD_TRY(vd_rust_rc(vdr_mlkem768_generate(&pair, pub), VD_E_CRYPTO, "key generation", err));
    struct vd_key *k = NULL;
    vd_rc_ done = vd_key_from_raw(VD_KTY_MLKEM768, vd_span_of(pub, sizeof pub), &k, err);
    if (done.code != VD_E_OK) {
        vdr_mlkem768_free(pair);
        return done;
    }
    k->kem = pair;
    k->is_private = true;
    *ret = k;
    return VD_OK;
}

vd_rc vd_key_generate(enum vd_kty kty, unsigned rsa_bits, struct vd_key **ret, vd_err *err)
{
    switch (kty) {
    case VD_KTY_P256:
    case VD_KTY_P384:
    case VD_KTY_P521:
        return generate_ec(kty, ret, err);
    case VD_KTY_RSA:
        return vd_rsa_generate(rsa_bits, ret, err);
    case VD_KTY_MLKEM768:
        return generate_mlkem(ret, err);
    case VD_KTY_ED25519: {
        VD_AUTO_SECRET seed = { 0 };
        VD_TRY(vd_secret_new(crypto_sign_SEEDBYTES, &seed, err));
        vd_random(seed.p, seed.n);
        return vd_key_from_seed(vd_secret_span(&seed), ret, err);
    }
    case VD_KTY_MAX:
        break;
    }
    return vd_fail(err, VD_E_CRYPTO, "unknown key type");
}

static void member(vd_buf *out, const char *name, vd_span value)
{
    vd_buf_printf(out, "%s\":\"", name);
    vd_b64_encode(value, VD_B64_URL, out);
}

/* The members of RFC 7638 in their order (sorted by name) with `sorted`, else kty first. */
static void jwk_body(const struct vd_key *k, bool sorted, vd_buf *out)
{
    const struct vd_curve *c = vd_curve_of(k->kty);
    if (c) {
        vd_buf_printf(out,
                      sorted ? "crv\":\"%s\",\"kty\":\"EC\",\"" : "kty\":\"EC\",\"crv\":\"%s\",\"",
                      c->crv);
        member(out, "x", vd_span_part(vd_key_pub(k), 1, c->width));
        vd_buf_str(out, "\",\"");
        member(out, "y", vd_span_part(vd_key_pub(k), 1 + c->width, c->width));
    } else if (k->kty == VD_KTY_RSA) {
        vd_buf_str(out, sorted ? "" : "kty\":\"RSA\",\"");
        member(out, sorted ? "e" : "n", sorted ? vd_key_rsa_e(k) : vd_key_rsa_n(k));
        vd_buf_str(out, sorted ? "\",\"kty\":\"RSA\",\"" : "\",\"");
        member(out, sorted ? "n" : "e", sorted ? vd_key_rsa_n(k) : vd_key_rsa_e(k));
    } else if (k->kty == VD_KTY_ED25519) {
        vd_buf_str(out, sorted ? "crv\":\"Ed25519\",\"kty\":\"OKP\",\""
                               : "kty\":\"OKP\",\"crv\":\"Ed25519\",\"");
        member(out, "x", vd_key_pub(k));
    } else {
        vd_buf_str(out, sorted ? "alg\":\"ML-KEM-768+A192KW\",\"kty\":\"AKP\",\""
                               : "kty\":\"AKP\",\"alg\":\"ML-KEM-768+A192KW\",\"");
        member(out, "pub", vd_key_pub(k));
    }
    vd_buf_str(out, "\"}");
}

vd_rc vd_key_to_jwk(const struct vd_key *k, const char *alg, vd_buf *out, vd_err *err)
{
    vd_buf_str(out, "{\"");
    if (alg && k->kty != VD_KTY_MLKEM768)
        vd_buf_printf(out, "alg\":\"%s\",\"", alg);
    jwk_body(k, false, out);
    return vd_buf_check(out, err);
}

vd_rc vd_key_thumbprint(const struct vd_key *k, char ret[44], vd_err *err)
{
    VD_AUTO_BUF text = vd_buf_of(4096);
    vd_buf_str(&text, "{\"");
    jwk_body(k, true, &text);
    VD_TRY(vd_buf_check(&text, err));
    uint8_t digest[32];
    VD_TRY(vd_hash_of(VD_SHA256, vd_buf_span(&text), digest, err));
    VD_AUTO_BUF b64 = vd_buf_of(64);
    vd_b64_encode(vd_span_of(digest, sizeof digest), VD_B64_URL, &b64);
    VD_TRY(vd_buf_check(&b64, err));
    memcpy(ret, b64.p, 43);
    ret[43] = 0;
    return VD_OK;
}
