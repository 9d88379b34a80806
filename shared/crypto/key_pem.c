/* Keys as PEM and DER. Public keys are read by exact DER (one encoding for a key); private keys,
 * which are the operator's own files, by OpenSSL's decoders. Curve points then go to AWS-LC like
 * all others. */
#include <openssl/core_names.h>
#include <openssl/pem.h>

#include "shared/crypto/key.h"
#include "shared/crypto/key_priv.h"
#include "shared/rust/vd_rust.h"

enum { PEM_MAX = 1 << 20, PEM_BLOCKS_MAX = 16 };

static const uint8_t spki_ed25519[] = { 0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
                                        0x2b, 0x65, 0x70, 0x03, 0x21, 0x00 };

vd_rc vd_key_from_spki(vd_span der, struct vd_key **ret, vd_err *err)
{
    for (enum vd_kty kty = VD_KTY_P256; kty <= VD_KTY_P521; kty++) {
        vd_span head = vd_curve_of(kty)->spki;
        if (vd_span_starts(der, head))
            return vd_key_from_point(kty, vd_span_part(der, head.n, der.n), ret, err);
    }
    vd_span ed = { spki_ed25519, sizeof spki_ed25519 };
    if (vd_span_starts(der, ed))
        return vd_key_from_raw(VD_KTY_ED25519, vd_span_part(der, ed.n, der.n), ret, err);
    if (der.n == 0 || der.n > PEM_MAX)
        return vd_fail(err, VD_E_SYNTAX, "public key of %zu bytes", der.n);
    return vd_rsa_from_spki(der, ret, err);
}

vd_rc vd_key_to_spki(const struct vd_key *k, vd_buf *out, vd_err *err)
{
    const struct vd_curve *c = vd_curve_of(k->kty);
    if (c || k->kty == VD_KTY_ED25519) {
        vd_buf_add(out, c ? c->spki : vd_span_of(spki_ed25519, sizeof spki_ed25519));
        vd_buf_add(out, vd_key_pub(k));
    } else if (k->kty == VD_KTY_RSA) {
        vd_rsa_to_spki(k, out);
    } else {
        return vd_fail(err, VD_E_CRYPTO, "ML-KEM keys have no SubjectPublicKeyInfo here");
    }
    return vd_buf_check(out, err);
}

/* ---- private keys in ---- */

static vd_rc number(EVP_PKEY *pkey, const char *name, uint8_t *p, size_t n, vd_err *err)
{
    BIGNUM *raw = NULL;
    if (EVP_PKEY_get_bn_param(pkey, name, &raw) != 1)
        return vd_ossl_fail(err, VD_E_SYNTAX, "private key: a part is missing");
    VD_AUTO(BN_clear_free) BIGNUM *bn = raw;
    if (BN_bn2binpad(bn, p, (int)n) != (int)n)
        return vd_ossl_fail(err, VD_E_SYNTAX, "private key: a part is too long");
    return VD_OK;
}

static vd_rc ec_from_pkey(EVP_PKEY *pkey, struct vd_key **ret, vd_err *err)
{
    char group[64] = "";
    if (EVP_PKEY_get_group_name(pkey, group, sizeof group, NULL) != 1)
        return vd_ossl_fail(err, VD_E_SYNTAX, "private key: its curve has no name");
    static const char *const groups[] = {
        [VD_KTY_P256] = "prime256v1",
        [VD_KTY_P384] = "secp384r1",
        [VD_KTY_P521] = "secp521r1",
    };
    enum vd_kty kty = VD_KTY_P256;
    while (kty <= VD_KTY_P521 && strcmp(group, groups[kty]) != 0)
        kty++;
    const struct vd_curve *c = kty <= VD_KTY_P521 ? vd_curve_of(kty) : NULL;
    if (!c)
        return vd_fail(err, VD_E_SYNTAX, "private key: its curve is none of P-256, P-384, P-521");
    uint8_t point[VD_EC_POINT_MAX] = { 4 };
    VD_TRY(number(pkey, OSSL_PKEY_PARAM_EC_PUB_X, point + 1, c->width, err));
    VD_TRY(number(pkey, OSSL_PKEY_PARAM_EC_PUB_Y, point + 1 + c->width, c->width, err));
    VD_AUTO_SECRET d = { 0 };
    VD_TRY(vd_secret_new(c->width, &d, err));
    VD_TRY(number(pkey, OSSL_PKEY_PARAM_PRIV_KEY, d.p, c->width, err));
    return vd_key_from_scalar(kty, vd_secret_span(&d), vd_span_of(point, 1 + 2 * c->width), ret,
                              err);
}

static vd_rc ed_from_pkey(const EVP_PKEY *pkey, struct vd_key **ret, vd_err *err)
{
    VD_AUTO_SECRET seed = { 0 };
    VD_TRY(vd_secret_new(32, &seed, err));
    size_t n = seed.n;
    if (EVP_PKEY_get_raw_private_key(pkey, seed.p, &n) != 1 || n != seed.n)
        return vd_ossl_fail(err, VD_E_SYNTAX, "private Ed25519 key");
    return vd_key_from_seed(vd_secret_span(&seed), ret, err);
}

static vd_rc from_private(EVP_PKEY *pkey, struct vd_key **ret, vd_err *err)
{
    switch (EVP_PKEY_get_base_id(pkey)) {
    case EVP_PKEY_EC:
        return ec_from_pkey(pkey, ret, err);
    case EVP_PKEY_ED25519:
        return ed_from_pkey(pkey, ret, err);
    case EVP_PKEY_RSA:
        return vd_rsa_from_pkey(pkey, true, ret, err);
    default:
        return vd_fail(err, VD_E_SYNTAX,
                       "private key is none of P-256, P-384, P-521, Ed25519, RSA");
    }
}

static vd_rc private_block(int type, vd_span der, struct vd_key **ret, vd_err *err)
{
    const unsigned char *at = der.p;
    VD_AUTO(EVP_PKEY_free) EVP_PKEY *pkey = NULL;
    if (type == EVP_PKEY_NONE) {
        VD_AUTO(PKCS8_PRIV_KEY_INFO_free)
        PKCS8_PRIV_KEY_INFO *info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &at, (long)der.n);
        pkey = info ? EVP_PKCS82PKEY(info) : NULL;
    } else {
        pkey = d2i_PrivateKey(type, NULL, &at, (long)der.n);
    }
    if (!pkey || at != der.p + der.n)
        return vd_ossl_fail(err, VD_E_SYNTAX, "private key");
    vd_rc_ rc = from_private(pkey, ret, err);
    vd_ossl_forget();
    return rc;
}

/* ---- PEM blocks ---- */

static vd_rc pkcs1_public(vd_span der, struct vd_key **ret, vd_err *err)
{
    const unsigned char *at = der.p;
    VD_AUTO(EVP_PKEY_free) EVP_PKEY *pkey = d2i_PublicKey(EVP_PKEY_RSA, NULL, &at, (long)der.n);
    if (!pkey || at != der.p + der.n)
        return vd_ossl_fail(err, VD_E_SYNTAX, "RSA public key");
    return vd_rsa_from_pkey(pkey, false, ret, err);
}

static vd_rc certificate(vd_span der, struct vd_key **ret, vd_err *err)
{
    const unsigned char *at = der.p;
    VD_AUTO(X509_free) X509 *x = d2i_X509(NULL, &at, (long)der.n);
    if (!x || at != der.p + der.n)
        return vd_ossl_fail(err, VD_E_SYNTAX, "certificate");
    unsigned char *spki = NULL;
    int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &spki);
    if (n <= 0)
        return vd_ossl_fail(err, VD_E_SYNTAX, "certificate: its key");
    vd_rc_ rc = vd_key_from_spki(vd_span_of(spki, (size_t)n), ret, err);
    OPENSSL_free(spki);
    return rc;
}

/* *ret stays NULL for a block that says nothing about a key (EC PARAMETERS). */
static vd_rc block(const char *name, const char *header, vd_span der, struct vd_key **ret,
                   vd_err *err)
{
    if (header[0] != 0 || strcmp(name, "ENCRYPTED PRIVATE KEY") == 0)
        return vd_fail(
            err, VD_E_SYNTAX,
            "the private key is encrypted; decrypt it, or keep it in the root-key store");
    if (strcmp(name, PEM_STRING_PUBLIC) == 0)
        return vd_key_from_spki(der, ret, err);
    if (strcmp(name, PEM_STRING_RSA_PUBLIC) == 0)
        return pkcs1_public(der, ret, err);
    if (strcmp(name, PEM_STRING_X509) == 0)
        return certificate(der, ret, err);
    if (strcmp(name, PEM_STRING_PKCS8INF) == 0)
        return private_block(EVP_PKEY_NONE, der, ret, err);
    if (strcmp(name, PEM_STRING_ECPRIVATEKEY) == 0)
        return private_block(EVP_PKEY_EC, der, ret, err);
    if (strcmp(name, PEM_STRING_RSA) == 0)
        return private_block(EVP_PKEY_RSA, der, ret, err);
    if (strcmp(name, PEM_STRING_ECPARAMETERS) == 0)
        return VD_OK;
    return vd_fail(err, VD_E_SYNTAX, "PEM block is neither a key nor a certificate");
}

vd_rc vd_key_from_pem(vd_span pem, struct vd_key **ret, vd_err *err)
{
    if (pem.n == 0 || pem.n > PEM_MAX)
        return vd_fail(err, VD_E_SYNTAX, "PEM text of %zu bytes", pem.n);
    VD_AUTO(BIO_free_all) BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    if (!bio)
        return vd_fail(err, VD_E_NOMEM, "PEM text");
    VD_AUTO(vd_key_unref) struct vd_key *k = NULL;
    for (int i = 0; i < PEM_BLOCKS_MAX && !k; i++) {
        char *name = NULL;
        char *header = NULL;
        unsigned char *der = NULL;
        long n = 0;
        if (PEM_read_bio(bio, &name, &header, &der, &n) != 1)
            return vd_ossl_fail(err, VD_E_SYNTAX, "no key in the PEM text");
        vd_rc_ rc = block(name, header, vd_span_of(der, (size_t)n), &k, err);
        OPENSSL_free(name);
        OPENSSL_free(header);
        OPENSSL_clear_free(der, (size_t)n);
        VD_TRY(rc);
    }
    if (!k)
        return vd_fail(err, VD_E_SYNTAX, "no key in the PEM text");
    *ret = VD_TAKE(k);
    return VD_OK;
}

/* ---- PEM out ---- */

static vd_rc ec_to_pkey(const struct vd_key *k, EVP_PKEY **ret, vd_err *err)
{
    const struct vd_curve *c = vd_curve_of(k->kty);
    VD_AUTO_SECRET d = { 0 };
    VD_TRY(vd_secret_new(VD_EC_WIDTH_MAX, &d, err));
    uint8_t point[VD_EC_POINT_MAX];
    size_t d_n = 0, point_n = 0;
    VD_TRY(vd_rust_rc(vdr_ec_key_export(k->ec, d.p, &d_n, point, &point_n), VD_E_CRYPTO,
                      "private key", err));
    VD_AUTO(OSSL_PARAM_BLD_free) OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
    VD_AUTO(BN_clear_free) BIGNUM *bn = BN_secure_new();
    VD_AUTO(EVP_PKEY_CTX_free) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    if (!bld || !bn || !ctx || !BN_bin2bn(d.p, (int)d_n, bn) ||
        OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, c->crv, 0) != 1 ||
        OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, k->pub, k->pub_n) != 1 ||
        OSSL_PARAM_BLD_push_BN_pad(bld, OSSL_PKEY_PARAM_PRIV_KEY, bn, c->width) != 1)
        return vd_ossl_fail(err, VD_E_CRYPTO, "private key");
    VD_AUTO(OSSL_PARAM_free) OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
    if (!params || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, ret, EVP_PKEY_KEYPAIR, params) != 1)
        return vd_ossl_fail(err, VD_E_CRYPTO, "private key");
    return VD_OK;
}

static vd_rc to_pkey(const struct vd_key *k, EVP_PKEY **ret, vd_err *err)
{
    if (k->ec)
        return ec_to_pkey(k, ret, err);
    if (k->kty == VD_KTY_ED25519)
        *ret = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, k->ed.p, 32);
    else if (k->kty == VD_KTY_RSA && EVP_PKEY_up_ref(k->rsa) == 1)
        *ret = k->rsa;
    return *ret ? VD_OK
                : vd_ossl_fail(err, VD_E_CRYPTO, "this type of private key has no PEM form");
}

vd_rc vd_key_to_pem_private(const struct vd_key *k, bool rsa_pkcs1, vd_secret *ret, vd_err *err)
{
    if (!k->is_private)
        return vd_fail(err, VD_E_CRYPTO, "a public key has no private PEM form");
    EVP_PKEY *made = NULL;
    VD_TRY(to_pkey(k, &made, err));
    VD_AUTO(EVP_PKEY_free) EVP_PKEY *pkey = made;
    /* Memory of this BIO is wiped when it is freed. */
    VD_AUTO(BIO_free_all) BIO *bio = BIO_new(BIO_s_secmem());
    if (!bio)
        return vd_fail(err, VD_E_NOMEM, "private key");
    int ok = k->kty == VD_KTY_RSA && rsa_pkcs1
                 ? PEM_write_bio_PrivateKey_traditional(bio, pkey, NULL, NULL, 0, NULL, NULL)
                 : PEM_write_bio_PKCS8PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL);
    char *text = NULL;
    long n = ok == 1 ? BIO_get_mem_data(bio, &text) : 0;
    if (n <= 0)
        return vd_ossl_fail(err, VD_E_CRYPTO, "private key");
    return vd_secret_copy(vd_span_of(text, (size_t)n), ret, err);
}

vd_rc vd_key_to_pem_public(const struct vd_key *k, vd_buf *out, vd_err *err)
{
    VD_AUTO_BUF der = vd_buf_of(2048);
    VD_TRY(vd_key_to_spki(k, &der, err));
    VD_AUTO(BIO_free_all) BIO *bio = BIO_new(BIO_s_mem());
    if (!bio)
        return vd_fail(err, VD_E_NOMEM, "public key");
    char *text = NULL;
    if (PEM_write_bio(bio, PEM_STRING_PUBLIC, "", der.p, (long)der.n) <= 0)
        return vd_ossl_fail(err, VD_E_CRYPTO, "public key");
    long n = BIO_get_mem_data(bio, &text);
    vd_buf_add(out, vd_span_of(text, (size_t)(n > 0 ? n : 0)));
    return vd_buf_check(out, err);
}
