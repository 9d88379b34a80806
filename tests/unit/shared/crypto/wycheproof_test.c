/* Wycheproof's files for the primitives, through the functions that the products call. */
#include "tests/unit/shared/crypto/suite.h"

#include "shared/crypto/hash.h"
#include "shared/crypto/key_priv.h"

#define DIR "tests/vectors/wycheproof/"

static int hash_named(vd_jv group)
{
    vd_jv sha = vd_jv_get(group, "sha");
    if (vd_jv_str_eq(sha, "SHA-256"))
        return VD_SHA256;
    if (vd_jv_str_eq(sha, "SHA-384"))
        return VD_SHA384;
    assert_true(vd_jv_str_eq(sha, "SHA-512"));
    return VD_SHA512;
}

/* ---- ECDSA ---- */

static const struct {
    const char *path;
    bool der;
    unsigned cases;
} ecdsa_files[] = {
    { DIR "ecdsa_secp256r1_sha256_test.json", true, 484 },
    { DIR "ecdsa_secp256r1_sha512_test.json", true, 554 },
    { DIR "ecdsa_secp256r1_sha256_p1363_test.json", false, 262 },
    { DIR "ecdsa_secp384r1_sha256_test.json", true, 472 },
    { DIR "ecdsa_secp384r1_sha384_test.json", true, 504 },
    { DIR "ecdsa_secp384r1_sha384_p1363_test.json", false, 280 },
    { DIR "ecdsa_secp521r1_sha512_p1363_test.json", false, 318 },
};

static void ecdsa_group(struct suite *s, vd_jv group, bool der)
{
    VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
    VD_AUTO_BUF spki = hex_of(group, "publicKeyDer");
    vd_err err = { 0 };
    assert_ok(vd_key_from_spki(vd_buf_span(&spki), &key, &err));
    vd_jv_iter it = vd_jv_iter_of(vd_jv_get(group, "tests"));
    while (vd_jv_next(&it)) {
        VD_AUTO_BUF msg = hex_of(it.value, "msg");
        VD_AUTO_BUF sig = hex_of(it.value, "sig");
        vd_rc_ rc = der ? vd_verify_ecdsa_der(key, hash_named(group), vd_buf_span(&msg),
                                              vd_buf_span(&sig), NULL)
                        : vd_verify_ecdsa_raw(key, hash_named(group), vd_buf_span(&msg),
                                              vd_buf_span(&sig), NULL);
        assert_true(rc.code == VD_E_OK || rc.code == VD_E_SIG);
        suite_case(s, it.value, is_valid(it.value), rc.code == VD_E_OK);
    }
}

static void ecdsa_signatures_verify_exactly_when_valid(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof ecdsa_files / sizeof ecdsa_files[0]; i++) {
        struct suite s = suite_open(ecdsa_files[i].path);
        vd_jv_iter it = vd_jv_iter_of(vd_jv_get(vd_json_root(s.doc), "testGroups"));
        while (vd_jv_next(&it))
            ecdsa_group(&s, it.value, ecdsa_files[i].der);
        suite_close(&s, ecdsa_files[i].cases);
    }
}

/* ---- ECDH ---- */

static const uint8_t oid_p256[] = { 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07 };
static const uint8_t oid_p384[] = { 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22 };
static const uint8_t oid_p521[] = { 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23 };

/* The suite gives the scalar alone: a SEC1 key without its point, which the PEM reader completes.
 */
static struct vd_key *private_of_scalar(enum vd_kty kty, vd_span d)
{
    static const vd_span oids[] = {
        [VD_KTY_P256] = { oid_p256, sizeof oid_p256 },
        [VD_KTY_P384] = { oid_p384, sizeof oid_p384 },
        [VD_KTY_P521] = { oid_p521, sizeof oid_p521 },
    };
    size_t width = vd_curve_of(kty)->width;
    while (d.n > width && d.p[0] == 0)
        d = vd_span_part(d, 1, d.n);
    VD_AUTO_BUF full = vd_buf_of(128);
    for (size_t i = d.n; i < width; i++)
        vd_buf_u8(&full, 0);
    vd_buf_add(&full, d);
    VD_AUTO_BUF body = vd_buf_of(256);
    der_add(&body, 0x02, VD_LIT("\x01"));
    der_add(&body, 0x04, vd_buf_span(&full));
    der_add(&body, 0xa0, oids[kty]);
    VD_AUTO_BUF der = vd_buf_of(256);
    der_add(&der, 0x30, vd_buf_span(&body));
    VD_AUTO_BUF pem = pem_of("EC PRIVATE KEY", vd_buf_span(&der));
    struct vd_key *k = NULL;
    vd_err err = { 0 };
    assert_ok(vd_key_from_pem(vd_buf_span(&pem), &k, &err));
    return k;
}

enum form { POINT, SPKI, JWK };
static const struct {
    const char *path;
    enum vd_kty kty;
    enum form form;
    unsigned cases;
} ecdh_files[] = {
    { DIR "ecdh_secp256r1_ecpoint_test.json", VD_KTY_P256, POINT, 355 },
    { DIR "ecdh_secp384r1_ecpoint_test.json", VD_KTY_P384, POINT, 790 },
    { DIR "ecdh_secp521r1_ecpoint_test.json", VD_KTY_P521, POINT, 661 },
    { DIR "ecdh_secp256r1_test.json", VD_KTY_P256, SPKI, 612 },
    { DIR "ecdh_secp256r1_webcrypto_test.json", VD_KTY_P256, JWK, 353 },
    { DIR "ecdh_secp384r1_webcrypto_test.json", VD_KTY_P384, JWK, 794 },
    { DIR "ecdh_secp521r1_webcrypto_test.json", VD_KTY_P521, JWK, 655 },
};

static bool agrees(vd_jv test, enum vd_kty kty, enum form form)
{
    VD_AUTO(vd_key_unref) struct vd_key *pub = NULL;
    VD_AUTO(vd_key_unref) struct vd_key *priv = NULL;
    vd_rc_ rc;
    if (form == JWK) {
        if (vd_key_from_jwk(vd_jv_get(test, "private"), VD_KEY_ANY, &priv, NULL).code != VD_E_OK)
            return false;
        rc = vd_key_from_jwk(vd_jv_get(test, "public"), VD_KEY_ENCRYPT, &pub, NULL);
    } else {
        VD_AUTO_BUF d = hex_of(test, "private");
        VD_AUTO_BUF q = hex_of(test, "public");
        priv = private_of_scalar(kty, vd_buf_span(&d));
        rc = form == POINT ? vd_key_from_point(kty, vd_buf_span(&q), &pub, NULL)
                           : vd_key_from_spki(vd_buf_span(&q), &pub, NULL);
    }
    if (rc.code != VD_E_OK)
        return false;
    VD_AUTO_BUF want = hex_of(test, "shared");
    VD_AUTO_SECRET z = { 0 };
    return vd_ecdh(priv, pub, &z, NULL).code == VD_E_OK &&
           vd_span_eq(vd_secret_span(&z), vd_buf_span(&want));
}

/* Our choice for "acceptable": refused, one and all. They are compressed points, curves given by
 * their parameters, and keys that are not in DER; none of our formats allows them. */
static void ecdh_agrees_on_valid_keys_and_refuses_every_other(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof ecdh_files / sizeof ecdh_files[0]; i++) {
        struct suite s = suite_open(ecdh_files[i].path);
        vd_jv_iter groups = vd_jv_iter_of(vd_jv_get(vd_json_root(s.doc), "testGroups"));
        while (vd_jv_next(&groups)) {
            vd_jv_iter it = vd_jv_iter_of(vd_jv_get(groups.value, "tests"));
            while (vd_jv_next(&it))
                suite_case(&s, it.value, is_valid(it.value),
                           agrees(it.value, ecdh_files[i].kty, ecdh_files[i].form));
        }
        suite_close(&s, ecdh_files[i].cases);
    }
}

/* ---- Ed25519 ---- */

static void ed25519_signatures_verify_exactly_when_valid(void **state)
{
    (void)state;
    struct suite s = suite_open(DIR "ed25519_test.json");
    vd_jv_iter groups = vd_jv_iter_of(vd_jv_get(vd_json_root(s.doc), "testGroups"));
    while (vd_jv_next(&groups)) {
        VD_AUTO_BUF spki = hex_of(groups.value, "publicKeyDer");
        VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
        VD_AUTO(vd_key_unref) struct vd_key *jwk = NULL;
        vd_err err = { 0 };
        assert_ok(vd_key_from_spki(vd_buf_span(&spki), &key, &err));
        assert_ok(
            vd_key_from_jwk(vd_jv_get(groups.value, "publicKeyJwk"), VD_KEY_VERIFY, &jwk, &err));
        assert_true(vd_key_same(key, jwk));
        vd_jv_iter it = vd_jv_iter_of(vd_jv_get(groups.value, "tests"));
        while (vd_jv_next(&it)) {
            VD_AUTO_BUF msg = hex_of(it.value, "msg");
            VD_AUTO_BUF sig = hex_of(it.value, "sig");
            vd_rc_ rc = vd_verify(key, VD_SIG_EDDSA, vd_buf_span(&msg), vd_buf_span(&sig), NULL);
            suite_case(&s, it.value, is_valid(it.value), rc.code == VD_E_OK);
        }
    }
    suite_close(&s, 151);
}

/* ---- RSA ---- */

static const struct {
    const char *path;
    enum vd_sig alg;
    unsigned cases;
} rsa_files[] = {
    { DIR "rsa_signature_2048_sha256_test.json", VD_SIG_RS256, 259 },
    { DIR "rsa_signature_3072_sha256_test.json", VD_SIG_RS256, 259 },
    { DIR "rsa_signature_4096_sha256_test.json", VD_SIG_RS256, 258 },
    { DIR "rsa_pss_2048_sha256_mgf1_32_test.json", VD_SIG_PS256, 108 },
    { DIR "rsa_pss_2048_sha384_mgf1_48_test.json", VD_SIG_PS384, 141 },
    { DIR "rsa_pss_3072_sha256_mgf1_32_test.json", VD_SIG_PS256, 108 },
    { DIR "rsa_pss_4096_sha256_mgf1_32_test.json", VD_SIG_PS256, 108 },
    { DIR "rsa_pss_4096_sha384_mgf1_48_test.json", VD_SIG_PS384, 141 },
};

/* Both kinds of file have the PKCS#1 form of the key. */
static struct vd_key *rsa_public(vd_jv group)
{
    VD_AUTO_BUF der = hex_of(group, "publicKeyAsn");
    VD_AUTO_BUF pem = pem_of("RSA PUBLIC KEY", vd_buf_span(&der));
    struct vd_key *k = NULL;
    vd_err err = { 0 };
    assert_ok(vd_key_from_pem(vd_buf_span(&pem), &k, &err));
    return k;
}

/* Our choice for "acceptable" (a DigestInfo without its NULL): refused, as OpenSSL does. */
static void rsa_signatures_verify_exactly_when_valid(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rsa_files / sizeof rsa_files[0]; i++) {
        struct suite s = suite_open(rsa_files[i].path);
        vd_jv_iter groups = vd_jv_iter_of(vd_jv_get(vd_json_root(s.doc), "testGroups"));
        while (vd_jv_next(&groups)) {
            VD_AUTO(vd_key_unref) struct vd_key *key = rsa_public(groups.value);
            vd_jv_iter it = vd_jv_iter_of(vd_jv_get(groups.value, "tests"));
            while (vd_jv_next(&it)) {
                VD_AUTO_BUF msg = hex_of(it.value, "msg");
                VD_AUTO_BUF sig = hex_of(it.value, "sig");
                vd_rc_ rc =
                    vd_verify(key, rsa_files[i].alg, vd_buf_span(&msg), vd_buf_span(&sig), NULL);
                suite_case(&s, it.value, is_valid(it.value), rc.code == VD_E_OK);
            }
        }
        suite_close(&s, rsa_files[i].cases);
    }
}

static struct vd_key *rsa_private(vd_jv group)
{
    VD_AUTO_BUF der = hex_of(group, "privateKeyPkcs8");
    VD_AUTO_BUF pem = pem_of("PRIVATE KEY", vd_buf_span(&der));
    struct vd_key *k = NULL;
    vd_err err = { 0 };
    assert_ok(vd_key_from_pem(vd_buf_span(&pem), &k, &err));
    assert_true(vd_key_private(k));
    return k;
}

static const struct {
    const char *path;
    unsigned cases;
} oaep_files[] = {
    { DIR "rsa_oaep_2048_sha256_mgf1sha256_test.json", 37 },
    { DIR "rsa_oaep_3072_sha256_mgf1sha256_test.json", 37 },
    { DIR "rsa_oaep_4096_sha256_mgf1sha256_test.json", 37 },
};

static void oaep_decrypts_exactly_what_is_valid(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof oaep_files / sizeof oaep_files[0]; i++) {
        struct suite s = suite_open(oaep_files[i].path);
        vd_jv_iter groups = vd_jv_iter_of(vd_jv_get(vd_json_root(s.doc), "testGroups"));
        while (vd_jv_next(&groups)) {
            VD_AUTO(vd_key_unref) struct vd_key *key = rsa_private(groups.value);
            vd_jv_iter it = vd_jv_iter_of(vd_jv_get(groups.value, "tests"));
            while (vd_jv_next(&it)) {
                VD_AUTO_BUF ct = hex_of(it.value, "ct");
                VD_AUTO_BUF want = hex_of(it.value, "msg");
                uint8_t out[VD_RSA_BYTES_MAX];
                size_t n = 0;
                bool did =
                    vd_rsa_decrypt_oaep(key, vd_buf_span(&ct), out, &n, NULL).code == VD_E_OK &&
                    vd_span_eq(vd_span_of(out, n), vd_buf_span(&want));
                if (vd_jv_str_raw(vd_jv_get(it.value, "label")).n > 0)
                    suite_refused(&s, "OAEP with a label", did); /* JOSE has no label */
                else
                    suite_case(&s, it.value, is_valid(it.value), did);
            }
        }
        suite_close(&s, oaep_files[i].cases);
    }
}

/* ---- HMAC ---- */

static const struct {
    const char *path;
    enum vd_hash hash;
} hmac_files[] = {
    { DIR "hmac_sha256_test.json", VD_SHA256 },
    { DIR "hmac_sha384_test.json", VD_SHA384 },
    { DIR "hmac_sha512_test.json", VD_SHA512 },
    { DIR "hmac_sm3_test.json", VD_SM3 },
};

static void hmac_gives_the_tags_of_the_suite(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof hmac_files / sizeof hmac_files[0]; i++) {
        struct suite s = suite_open(hmac_files[i].path);
        vd_jv_iter groups = vd_jv_iter_of(vd_jv_get(vd_json_root(s.doc), "testGroups"));
        while (vd_jv_next(&groups)) {
            vd_jv_iter it = vd_jv_iter_of(vd_jv_get(groups.value, "tests"));
            while (vd_jv_next(&it)) {
                VD_AUTO_BUF key = hex_of(it.value, "key");
                VD_AUTO_BUF msg = hex_of(it.value, "msg");
                VD_AUTO_BUF tag = hex_of(it.value, "tag");
                uint8_t got[VD_HASH_BYTES_MAX];
                vd_err err = { 0 };
                assert_ok(
                    vd_hmac(hmac_files[i].hash, vd_buf_span(&key), vd_buf_span(&msg), got, &err));
                suite_case(&s, it.value, is_valid(it.value),
                           vd_ct_equal(vd_span_of(got, tag.n), vd_buf_span(&tag)));
            }
        }
        suite_close(&s, 174);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ecdsa_signatures_verify_exactly_when_valid),
        cmocka_unit_test(ecdh_agrees_on_valid_keys_and_refuses_every_other),
        cmocka_unit_test(ed25519_signatures_verify_exactly_when_valid),
        cmocka_unit_test(rsa_signatures_verify_exactly_when_valid),
        cmocka_unit_test(oaep_decrypts_exactly_what_is_valid),
        cmocka_unit_test(hmac_gives_the_tags_of_the_suite),
    };
    if (vd_base_init(NULL).code != VD_E_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
