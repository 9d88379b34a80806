/* Keys: what is read, what is refused, and that every form comes back as the same key. */
#include "tests/unit/shared/crypto/suite.h"

#include "shared/crypto/jose.h"

#define COOKBOOK "tests/vectors/jose-cookbook/jwk/"

#define X256 "\"x\":\"weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ\""
#define Y256 "\"y\":\"e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck\""
#define D256 "\"d\":\"VEmDZpDXXK8p8N0Cndsxs924q6nS1RXFASRl6BfUqdw\""
#define P256 "\"kty\":\"EC\",\"crv\":\"P-256\"," X256 "," Y256
#define ED                                                                                         \
    "\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\""
/* RFC 7638 3.1 */
#define RSA_N                                                                                      \
    "\"n\":"                                                                                       \
    "\"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_"    \
    "BJECPebWKRXjBZCiFV4"                                                                          \
    "n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_"                        \
    "FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6q"                                              \
    "MQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_"               \
    "xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqD"                                                      \
    "Kgw\""
#define RSA "\"kty\":\"RSA\"," RSA_N ",\"e\":\"AQAB\""

static const struct {
    const char *label;
    const char *json;
    enum vd_key_purpose purpose;
    bool want;
} jwks[] = {
    { "EC", "{" P256 "}", VD_KEY_VERIFY, true },
    { "EC for both", "{" P256 "}", VD_KEY_ENCRYPT, true },
    { "RSA", "{" RSA "}", VD_KEY_VERIFY, true },
    { "Ed25519", "{" ED "}", VD_KEY_VERIFY, true },
    { "Ed25519 cannot encrypt", "{" ED "}", VD_KEY_ENCRYPT, false },
    { "pair", "{" P256 "," D256 "}", VD_KEY_ANY, true },
    { "pair where a public key belongs", "{" P256 "," D256 "}", VD_KEY_VERIFY, false },
    { "pair where a public key belongs 2", "{" P256 "," D256 "}", VD_KEY_ENCRYPT, false },
    { "pair of another point", "{" P256 ",\"d\":\"0_NxaRPUMQoAJt50Gz8YiTr8gRTwyEaCumd-MToTmIo\"}",
      VD_KEY_ANY, false },
    { "zero scalar", "{" P256 ",\"d\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}", VD_KEY_ANY,
      false },
    { "symmetric member", "{" P256 ",\"k\":\"AAAA\"}", VD_KEY_VERIFY, false },
    { "unknown members", "{" P256 ",\"kid\":\"1\",\"x5c\":[\"MII\"],\"note\":{}}", VD_KEY_VERIFY,
      true },
    { "use sig", "{" P256 ",\"use\":\"sig\"}", VD_KEY_VERIFY, true },
    { "use sig to encrypt", "{" P256 ",\"use\":\"sig\"}", VD_KEY_ENCRYPT, false },
    { "use enc to verify", "{" P256 ",\"use\":\"enc\"}", VD_KEY_VERIFY, false },
    { "use of its own", "{" P256 ",\"use\":\"tls\"}", VD_KEY_VERIFY, false },
    { "use not a string", "{" P256 ",\"use\":1}", VD_KEY_VERIFY, false },
    { "ops verify", "{" P256 ",\"key_ops\":[\"verify\"]}", VD_KEY_VERIFY, true },
    { "ops derive to verify", "{" P256 ",\"key_ops\":[\"deriveBits\"]}", VD_KEY_VERIFY, false },
    { "ops derive to encrypt", "{" P256 ",\"key_ops\":[\"deriveKey\",\"x\"]}", VD_KEY_ENCRYPT,
      true },
    { "ops empty", "{" P256 ",\"key_ops\":[]}", VD_KEY_VERIFY, false },
    { "ops twice", "{" P256 ",\"key_ops\":[\"verify\",\"verify\"]}", VD_KEY_VERIFY, false },
    { "ops not strings", "{" P256 ",\"key_ops\":[1]}", VD_KEY_VERIFY, false },
    { "ops not an array", "{" P256 ",\"key_ops\":\"verify\"}", VD_KEY_VERIFY, false },
    { "use and ops disagree", "{" P256 ",\"use\":\"enc\",\"key_ops\":[\"verify\"]}", VD_KEY_VERIFY,
      false },
    { "alg ES256", "{" P256 ",\"alg\":\"ES256\"}", VD_KEY_VERIFY, true },
    { "alg ES384 on P-256", "{" P256 ",\"alg\":\"ES384\"}", VD_KEY_ANY, false },
    { "alg RS256 on P-256", "{" P256 ",\"alg\":\"RS256\"}", VD_KEY_VERIFY, false },
    { "alg HS256", "{" P256 ",\"alg\":\"HS256\"}", VD_KEY_VERIFY, false },
    { "alg none", "{" P256 ",\"alg\":\"none\"}", VD_KEY_VERIFY, false },
    { "alg not a string", "{" P256 ",\"alg\":7}", VD_KEY_VERIFY, false },
    { "alg of encryption to verify", "{" P256 ",\"alg\":\"ECDH-ES+A256KW\"}", VD_KEY_VERIFY,
      false },
    { "x missing", "{\"kty\":\"EC\",\"crv\":\"P-256\"," Y256 "}", VD_KEY_ANY, false },
    { "x a number", "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":1," Y256 "}", VD_KEY_ANY, false },
    { "x empty", "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"\"," Y256 "}", VD_KEY_ANY, false },
    { "x padded",
      "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ="
      "\"," Y256 "}",
      VD_KEY_ANY, false },
    { "x a byte short",
      "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxA\"," Y256
      "}",
      VD_KEY_ANY, false },
    { "x a byte long",
      "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":"
      "\"AMHjScth7HAkjOgBA0w4NOG4jr4RYcslrzh0H3hfz8TE\"," Y256 "}",
      VD_KEY_ANY, false },
    { "x with stray bits",
      "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_"
      "PxMR\"," Y256 "}",
      VD_KEY_ANY, false },
    { "x and y the same",
      "{\"kty\":\"EC\",\"crv\":\"P-256\"," X256
      ",\"y\":\"weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ\"}",
      VD_KEY_ANY, false },
    { "x twice", "{\"kty\":\"EC\",\"crv\":\"P-256\"," X256 "," X256 "," Y256 "}", VD_KEY_ANY,
      false },
    { "point zero",
      "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\","
      "\"y\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
      VD_KEY_ANY, false },
    { "coordinate above the prime",
      "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"_____________________________________________"
      "\"," Y256 "}",
      VD_KEY_ANY, false },
    { "crv missing", "{\"kty\":\"EC\"," X256 "," Y256 "}", VD_KEY_ANY, false },
    { "crv in another case", "{\"kty\":\"EC\",\"crv\":\"p-256\"," X256 "," Y256 "}", VD_KEY_ANY,
      false },
    { "crv secp256k1", "{\"kty\":\"EC\",\"crv\":\"secp256k1\"," X256 "," Y256 "}", VD_KEY_ANY,
      false },
    { "crv P-384", "{\"kty\":\"EC\",\"crv\":\"P-384\"," X256 "," Y256 "}", VD_KEY_ANY, false },
    { "kty in another case", "{\"kty\":\"ec\",\"crv\":\"P-256\"," X256 "," Y256 "}", VD_KEY_ANY,
      false },
    { "kty missing", "{\"crv\":\"P-256\"," X256 "," Y256 "}", VD_KEY_ANY, false },
    { "kty oct", "{\"kty\":\"oct\",\"k\":\"AAAA\"}", VD_KEY_ANY, false },
    { "X25519",
      "{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}",
      VD_KEY_ANY, false },
    { "Ed25519 short", "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qY\"}", VD_KEY_ANY, false },
    { "RSA e 1", "{\"kty\":\"RSA\"," RSA_N ",\"e\":\"AQ\"}", VD_KEY_ANY, false },
    { "RSA e 2", "{\"kty\":\"RSA\"," RSA_N ",\"e\":\"Ag\"}", VD_KEY_ANY, false },
    { "RSA e 3", "{\"kty\":\"RSA\"," RSA_N ",\"e\":\"Aw\"}", VD_KEY_ANY, true },
    { "RSA e 0", "{\"kty\":\"RSA\"," RSA_N ",\"e\":\"AA\"}", VD_KEY_ANY, false },
    { "RSA e with a zero byte", "{\"kty\":\"RSA\"," RSA_N ",\"e\":\"AAEAAQ\"}", VD_KEY_ANY, false },
    { "RSA e above 64 bits", "{\"kty\":\"RSA\"," RSA_N ",\"e\":\"AQAAAAAAAAAB\"}", VD_KEY_ANY,
      false },
    { "RSA e missing", "{\"kty\":\"RSA\"," RSA_N "}", VD_KEY_ANY, false },
    { "RSA n small", "{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}", VD_KEY_ANY, false },
    { "RSA part of a pair", "{" RSA ",\"p\":\"AQAB\"}", VD_KEY_ANY, false },
    { "RSA pair that is none", "{" RSA ",\"d\":\"AQAB\"}", VD_KEY_ANY, false },
    { "RSA of three primes", "{" RSA ",\"d\":\"AQAB\",\"oth\":[]}", VD_KEY_ANY, false },
    { "AKP without alg", "{\"kty\":\"AKP\",\"pub\":\"AAAA\"}", VD_KEY_ANY, false },
    { "AKP of another alg", "{\"kty\":\"AKP\",\"alg\":\"ML-DSA-44\",\"pub\":\"AAAA\"}", VD_KEY_ANY,
      false },
    { "AKP short", "{\"kty\":\"AKP\",\"alg\":\"ML-KEM-768+A192KW\",\"pub\":\"AAAA\"}", VD_KEY_ANY,
      false },
    { "not an object", "[1]", VD_KEY_ANY, false },
    { "trailing bytes", "{" P256 "} ;", VD_KEY_ANY, false },
};

static void jwks_are_taken_exactly_when_sound(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof jwks / sizeof jwks[0]; i++) {
        VD_AUTO(vd_key_unref) struct vd_key *k = NULL;
        vd_err err = { 0 };
        vd_rc_ rc = vd_key_from_jwk_text(vd_span_str(jwks[i].json), jwks[i].purpose, &k, &err);
        if (rc.code != (jwks[i].want ? VD_E_OK : VD_E_SYNTAX))
            fail_msg("%s: %s", jwks[i].label, rc.code ? err.msg : "accepted");
    }
    print_message("JWK table: %zu rows\n", sizeof jwks / sizeof jwks[0]);
}

static void an_rsa_modulus_of_wrong_size_or_parity_is_refused(void **state)
{
    (void)state;
    static const struct {
        size_t bytes;
        uint8_t first;
        uint8_t last;
        bool want;
    } cases[] = {
        { 255, 0xff, 1, false },  { 256, 0x7f, 1, false }, { 256, 0x80, 1, true },
        { 256, 0x80, 2, false },  { 512, 0xff, 1, true },  { 513, 0x01, 1, false },
        { 1024, 0x80, 1, false }, { 256, 0x00, 1, false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        VD_AUTO_BUF n = vd_buf_of(2048);
        uint8_t *p = vd_buf_extend(&n, cases[i].bytes);
        assert_non_null(p);
        memset(p, 0x5a, cases[i].bytes);
        p[0] = cases[i].first;
        p[cases[i].bytes - 1] = cases[i].last;
        VD_AUTO_BUF json = vd_buf_of(4096);
        vd_buf_str(&json, "{\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"");
        vd_b64_encode(vd_buf_span(&n), VD_B64_URL, &json);
        vd_buf_str(&json, "\"}");
        VD_AUTO(vd_key_unref) struct vd_key *k = NULL;
        assert_int_equal(vd_key_from_jwk_text(vd_buf_span(&json), VD_KEY_ANY, &k, NULL).code,
                         cases[i].want ? VD_E_OK : VD_E_SYNTAX);
    }
}

static void what_a_jwk_says_of_itself_binds_the_key(void **state)
{
    (void)state;
    VD_AUTO(vd_key_unref) struct vd_key *pair = NULL;
    VD_AUTO(vd_key_unref) struct vd_key *enc = NULL;
    VD_AUTO_BUF out = vd_buf_of(65536);
    vd_err err = { 0 };
    assert_ok(vd_key_from_jwk_text(VD_LIT("{" P256 "," D256 ",\"use\":\"sig\"}"), VD_KEY_ANY, &pair,
                                   &err));
    assert_ok(vd_sign(pair, VD_SIG_ES256, VD_LIT("x"), &out, &err));
    assert_rc(VD_E_JWE_KEY, vd_jwe_seal(pair, NULL, VD_LIT("x"), &out, NULL));
    assert_ok(vd_key_from_jwk_text(VD_LIT("{" P256 "," D256 ",\"alg\":\"ECDH-ES+A256KW\"}"),
                                   VD_KEY_ANY, &enc, &err));
    assert_rc(VD_E_CRYPTO, vd_sign(enc, VD_SIG_ES256, VD_LIT("x"), &out, NULL));
    assert_ok(vd_jwe_seal(enc, NULL, VD_LIT("x"), &out, &err));
}

static void cookbook_keys_are_read_or_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        bool want;
        bool pair;
    } files[] = {
        { COOKBOOK "3_1.ec_public_key.json", true, false },
        { COOKBOOK "3_2.ec_private_key.json", true, true },
        { COOKBOOK "3_3.rsa_public_key.json", true, false },
        { COOKBOOK "3_4.rsa_private_key.json", true, true },
        { COOKBOOK "3_5.symmetric_key_mac_computation.json", false, false }, /* oct */
        { COOKBOOK "3_6.symmetric_key_encryption.json", false, false },      /* oct */
    };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        VD_AUTO_BUF text = vd_test_file(files[i].path);
        VD_AUTO(vd_key_unref) struct vd_key *k = NULL;
        vd_code code = vd_key_from_jwk_text(vd_buf_span(&text), VD_KEY_ANY, &k, NULL).code;
        assert_int_equal(code, files[i].want ? VD_E_OK : VD_E_SYNTAX);
        if (k)
            assert_int_equal(vd_key_private(k), files[i].pair);
    }
    print_message("suite jose-cookbook JWK: 6 cases, 4 passed, 2 refused by name\n");
}

static void thumbprints_are_those_of_the_rfcs(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        const char *want;
    } cases[] = {
        { "{" RSA ",\"alg\":\"RS256\",\"kid\":\"2011-04-29\"}",
          "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs" },             /* RFC 7638 */
        { "{" ED "}", "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k" }, /* RFC 8037 A.3 */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        VD_AUTO(vd_key_unref) struct vd_key *k = NULL;
        char print[44];
        vd_err err = { 0 };
        assert_ok(vd_key_from_jwk_text(vd_span_str(cases[i].json), VD_KEY_ANY, &k, &err));
        assert_ok(vd_key_thumbprint(k, print, &err));
        assert_string_equal(print, cases[i].want);
    }
}

static void a_jwk_is_written_with_its_members_in_order(void **state)
{
    (void)state;
    VD_AUTO(vd_key_unref) struct vd_key *k = NULL;
    VD_AUTO_BUF out = vd_buf_of(4096);
    vd_err err = { 0 };
    assert_ok(vd_key_from_jwk_text(VD_LIT("{" Y256 "," X256 ",\"crv\":\"P-256\",\"kty\":\"EC\"}"),
                                   VD_KEY_ANY, &k, &err));
    assert_ok(vd_key_to_jwk(k, "ES256", &out, &err));
    assert_span_str(vd_buf_span(&out), "{\"alg\":\"ES256\"," P256 "}");
    vd_buf_reset(&out);
    assert_ok(vd_key_to_jwk(k, NULL, &out, &err));
    assert_span_str(vd_buf_span(&out), "{" P256 "}");
}

static const enum vd_kty all[] = { VD_KTY_P256, VD_KTY_P384, VD_KTY_P521, VD_KTY_RSA,
                                   VD_KTY_ED25519 };
static const enum vd_sig sig_of[] = { VD_SIG_ES256, VD_SIG_ES384, VD_SIG_ES512, VD_SIG_PS256,
                                      VD_SIG_EDDSA };

static void keys_survive_every_form(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        VD_AUTO(vd_key_unref) struct vd_key *k = NULL;
        VD_AUTO(vd_key_unref) struct vd_key *jwk = NULL;
        VD_AUTO(vd_key_unref) struct vd_key *spki = NULL;
        VD_AUTO(vd_key_unref) struct vd_key *pem = NULL;
        VD_AUTO(vd_key_unref) struct vd_key *pair = NULL;
        VD_AUTO_BUF jwk_text = vd_buf_of(8192);
        VD_AUTO_BUF der = vd_buf_of(8192);
        VD_AUTO_BUF pem_text = vd_buf_of(8192);
        VD_AUTO_BUF sig = vd_buf_of(8192);
        VD_AUTO_SECRET secret = { 0 };
        vd_err err = { 0 };
        assert_ok(vd_key_generate(all[i], 2048, &k, &err));
        assert_ok(vd_key_to_jwk(k, NULL, &jwk_text, &err));
        assert_ok(vd_key_from_jwk_text(vd_buf_span(&jwk_text), VD_KEY_VERIFY, &jwk, &err));
        assert_ok(vd_key_to_spki(k, &der, &err));
        assert_ok(vd_key_from_spki(vd_buf_span(&der), &spki, &err));
        assert_ok(vd_key_to_pem_public(k, &pem_text, &err));
        assert_ok(vd_key_from_pem(vd_buf_span(&pem_text), &pem, &err));
        assert_ok(vd_key_to_pem_private(k, false, &secret, &err));
        assert_true(vd_span_starts(vd_secret_span(&secret), VD_LIT("-----BEGIN PRIVATE KEY-----")));
        assert_ok(vd_key_from_pem(vd_secret_span(&secret), &pair, &err));
        assert_true(vd_key_same(k, jwk) && vd_key_same(k, spki) && vd_key_same(k, pem) &&
                    vd_key_same(k, pair));
        assert_true(vd_key_private(pair) && !vd_key_private(jwk) && !vd_key_private(pem));
        assert_ok(vd_sign(pair, sig_of[i], VD_LIT("message"), &sig, &err));
        assert_ok(vd_verify(jwk, sig_of[i], VD_LIT("message"), vd_buf_span(&sig), &err));
        assert_rc(VD_E_SIG, vd_verify(spki, sig_of[i], VD_LIT("massage"), vd_buf_span(&sig), NULL));
        assert_rc(VD_E_CRYPTO, vd_sign(pem, sig_of[i], VD_LIT("message"), &sig, NULL));
    }
}

static void rsa_keys_are_written_as_pkcs1_too(void **state)
{
    (void)state;
    VD_AUTO(vd_key_unref) struct vd_key *k = NULL;
    VD_AUTO(vd_key_unref) struct vd_key *back = NULL;
    VD_AUTO_SECRET pem = { 0 };
    vd_err err = { 0 };
    assert_ok(vd_key_generate(VD_KTY_RSA, 2048, &k, &err));
    assert_ok(vd_key_to_pem_private(k, true, &pem, &err));
    assert_true(vd_span_starts(vd_secret_span(&pem), VD_LIT("-----BEGIN RSA PRIVATE KEY-----")));
    assert_ok(vd_key_from_pem(vd_secret_span(&pem), &back, &err));
    assert_true(vd_key_same(k, back));
}

static void spki_is_taken_in_its_one_encoding(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        VD_AUTO(vd_key_unref) struct vd_key *k = NULL;
        VD_AUTO_BUF der = vd_buf_of(8192);
        vd_err err = { 0 };
        assert_ok(vd_key_generate(all[i], 2048, &k, &err));
        assert_ok(vd_key_to_spki(k, &der, &err));
        for (size_t cut = 0; cut < der.n; cut++) {
            struct vd_key *none = NULL;
            vd_span part = vd_test_guarded(vd_span_part(vd_buf_span(&der), 0, cut));
            assert_int_equal(vd_key_from_spki(part, &none, NULL).code, VD_E_SYNTAX);
            vd_test_guarded_free(part);
        }
        vd_buf_u8(&der, 0);
        struct vd_key *none = NULL;
        assert_int_equal(vd_key_from_spki(vd_buf_span(&der), &none, NULL).code, VD_E_SYNTAX);
    }
}

/* A 2048-bit key: 30 82 01 22 | algorithm (15) | 03 82 01 0f 00 | 30 82 01 0a | 02 82 01 01 00 n |
 * 02 03 e. */
static void rsa_keys_have_one_encoding(void **state)
{
    (void)state;
    static const struct {
        const char *label;
        size_t at;
        uint8_t value;
    } wrong[] = {
        { "outer tag", 0, 0x31 },
        { "outer length too large", 3, 0x23 },
        { "outer length too small", 3, 0x21 },
        { "another algorithm", 16, 0x0a },
        { "parameters that are not NULL", 17, 0x04 },
        { "tag of the bit string", 19, 0x04 },
        { "unused bits", 23, 0x01 },
        { "tag of the key", 24, 0x31 },
        { "tag of the modulus", 28, 0x03 },
        { "a negative modulus", 32, 0x80 },
        { "a modulus with two zero bytes in front", 33, 0x00 },
        { "tag of the exponent", 289, 0x03 },
        { "length of the exponent", 290, 0x02 },
        { "exponent with a zero byte in front", 291, 0x00 },
        { "a negative exponent", 291, 0x81 },
    };
    VD_AUTO(vd_key_unref) struct vd_key *k = NULL;
    VD_AUTO_BUF der = vd_buf_of(8192);
    assert_ok(vd_key_generate(VD_KTY_RSA, 2048, &k, NULL));
    assert_ok(vd_key_to_spki(k, &der, NULL));
    assert_int_equal(der.n, 294);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct vd_key *none = NULL;
        uint8_t was = der.p[wrong[i].at];
        der.p[wrong[i].at] = wrong[i].value;
        if (vd_key_from_spki(vd_buf_span(&der), &none, NULL).code != VD_E_SYNTAX)
            fail_msg("%s", wrong[i].label);
        der.p[wrong[i].at] = was;
    }
    VD_AUTO(vd_key_unref) struct vd_key *back = NULL;
    assert_ok(vd_key_from_spki(vd_buf_span(&der), &back, NULL));
    assert_true(vd_key_same(k, back));
}

static void pem_texts_that_hold_no_usable_key_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "hello",
        "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n",
        "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
        "-----BEGIN X25519-----\nAAAA\n-----END X25519-----\n",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        VD_AUTO(vd_key_unref) struct vd_key *k = NULL;
        assert_rc(VD_E_SYNTAX, vd_key_from_pem(vd_span_str(texts[i]), &k, NULL));
    }
}

static void points_are_checked(void **state)
{
    (void)state;
    uint8_t point[65] = { 4 };
    struct vd_key *k = NULL;
    assert_rc(VD_E_SYNTAX, vd_key_from_point(VD_KTY_P256, vd_span_of(point, 65), &k, NULL));
    assert_rc(VD_E_SYNTAX, vd_key_from_point(VD_KTY_P256, vd_span_of(point, 64), &k, NULL));
    assert_rc(VD_E_SYNTAX, vd_key_from_point(VD_KTY_P256, vd_span_of(point, 1), &k, NULL));
    assert_rc(VD_E_SYNTAX, vd_key_from_point(VD_KTY_P256, VD_SPAN_NONE, &k, NULL));
    assert_rc(VD_E_SYNTAX, vd_key_from_point(VD_KTY_RSA, vd_span_of(point, 65), &k, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jwks_are_taken_exactly_when_sound),
        cmocka_unit_test(an_rsa_modulus_of_wrong_size_or_parity_is_refused),
        cmocka_unit_test(what_a_jwk_says_of_itself_binds_the_key),
        cmocka_unit_test(cookbook_keys_are_read_or_refused_by_name),
        cmocka_unit_test(thumbprints_are_those_of_the_rfcs),
        cmocka_unit_test(a_jwk_is_written_with_its_members_in_order),
        cmocka_unit_test(keys_survive_every_form),
        cmocka_unit_test(rsa_keys_are_written_as_pkcs1_too),
        cmocka_unit_test(spki_is_taken_in_its_one_encoding),
        cmocka_unit_test(rsa_keys_have_one_encoding),
        cmocka_unit_test(pem_texts_that_hold_no_usable_key_are_refused),
        cmocka_unit_test(points_are_checked),
    };
    if (vd_base_init(NULL).code != VD_E_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
