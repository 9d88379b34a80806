/* JWE: the conformance vectors of the KBS protocol, RFC 7518 appendix C, the suites, the exact
 * bytes of the header, and what must not open. */
#include "tests/unit/shared/crypto/suite.h"

#include "shared/crypto/jose.h"

#define WYCHE "tests/vectors/wycheproof/"
#define COOKBOOK "tests/vectors/jose-cookbook/"

static struct vd_key *key_of(const char *jwk)
{
    struct vd_key *k = NULL;
    vd_err err = { 0 };
    assert_ok(vd_key_from_jwk_text(vd_span_str(jwk), VD_KEY_ANY, &k, &err));
    return k;
}

/* RFC 7518 appendix C. */
#define ALICE_POINT                                                                                \
    "\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0\","      \
    "\"y\":\"SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps\""
#define BOB_POINT                                                                                  \
    "\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ\","      \
    "\"y\":\"e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck\""
#define ALICE "{" ALICE_POINT ",\"d\":\"0_NxaRPUMQoAJt50Gz8YiTr8gRTwyEaCumd-MToTmIo\"}"
#define BOB "{" BOB_POINT ",\"d\":\"VEmDZpDXXK8p8N0Cndsxs924q6nS1RXFASRl6BfUqdw\"}"

static void assert_hex(vd_span got, const char *hex)
{
    VD_AUTO_BUF b = vd_buf_of(1024);
    vd_hex_encode(got, &b);
    assert_span_str(vd_buf_span(&b), hex);
}

static void rfc_7518_appendix_c_gives_its_key(void **state)
{
    (void)state;
    VD_AUTO(vd_key_unref) struct vd_key *alice = key_of(ALICE);
    VD_AUTO(vd_key_unref) struct vd_key *bob = key_of("{" BOB_POINT "}");
    VD_AUTO_SECRET z = { 0 };
    vd_err err = { 0 };
    assert_ok(vd_ecdh(alice, bob, &z, &err));
    assert_hex(vd_secret_span(&z),
               "9e56d91d817135d372834283bf84269cfb316ea3da806a48f6daa7798cfe90c4");
    uint8_t key[32];
    assert_ok(vd_concat_kdf(vd_secret_span(&z), VD_LIT("A128GCM"), VD_LIT("Alice"), VD_LIT("Bob"),
                            128, key, &err));
    VD_AUTO_BUF b64 = vd_buf_of(64);
    vd_b64_encode(vd_span_of(key, 16), VD_B64_URL, &b64);
    assert_span_str(vd_buf_span(&b64), "VqqN6vgjbSBcIijNcacQGg");
    /* and the wrapping key of the protocol's conformance vector */
    assert_ok(vd_concat_kdf(vd_secret_span(&z), VD_LIT("ECDH-ES+A256KW"), VD_SPAN_NONE,
                            VD_SPAN_NONE, 256, key, &err));
    assert_hex(vd_span_of(key, 32),
               "89ab838633757805bd678cb164f2427776824e8f784152f23747096449921f46");
    assert_rc(VD_E_CRYPTO, vd_concat_kdf(vd_secret_span(&z), VD_SPAN_NONE, VD_SPAN_NONE,
                                         VD_SPAN_NONE, 264, key, NULL));
}

static const char conformance[] = "{\"protected\":"
                                  "\"eyJhbGciOiJFQ0RILUVTK0EyNTZLVyIsImVuYyI6IkEyNTZHQ00iLCJlcGsiOn"
                                  "siY3J2IjoiUC0yNTYiLCJrdHkiOiJFQyIs"
                                  "IngiOiJnSTBHQUlMQmR1N1Q1M2FrckZtTXlHY3NGM241ZE83TW13TkJIS1c1U1Yw"
                                  "IiwieSI6IlNMV194U2ZmemxQV3JIRVZJMzBESE1fNGVnVnd0"
                                  "M05RcWVVRDduTUZwcHMifX0\",\"encrypted_key\":"
                                  "\"T0NVWKoWucQiDmmVc2dmvQ8xVyt-7o5H1C0MnaCf5KFFpsfACs-0RQ\","
                                  "\"iv\":\"AAECAwQFBgcICQoL\",\"ciphertext\":\"NGq-c62NqnM\","
                                  "\"tag\":\"jU5qgZTmuz8ivmu5_eqohQ\"}";

static void the_conformance_vector_opens(void **state)
{
    (void)state;
    VD_AUTO(vd_key_unref) struct vd_key *bob = key_of(BOB);
    VD_AUTO_SECRET plain = { 0 };
    vd_err err = { 0 };
    assert_ok(vd_jwe_open(bob, vd_span_str(conformance), &plain, &err));
    assert_span_str(vd_secret_span(&plain), "shhhhhhh");
}

static void every_cut_and_change_of_the_vector_is_refused(void **state)
{
    (void)state;
    VD_AUTO(vd_key_unref) struct vd_key *bob = key_of(BOB);
    unsigned n = 0;
    for (size_t cut = 0; cut < sizeof conformance - 1; cut++, n++) {
        VD_AUTO_SECRET plain = { 0 };
        vd_span part = vd_test_guarded(vd_span_of(conformance, cut));
        assert_int_not_equal(vd_jwe_open(bob, part, &plain, NULL).code, VD_E_OK);
        vd_test_guarded_free(part);
    }
    VD_AUTO_BUF copy = vd_buf_of(4096);
    vd_buf_add(&copy, vd_span_str(conformance));
    for (size_t at = 0; at < copy.n; at++, n++) {
        VD_AUTO_SECRET plain = { 0 };
        copy.p[at] = (uint8_t)(copy.p[at] == 'A' ? 'B' : 'A');
        assert_int_not_equal(vd_jwe_open(bob, vd_buf_span(&copy), &plain, NULL).code, VD_E_OK);
        copy.p[at] = (uint8_t)conformance[at];
    }
    print_message("cuts and changes: %u\n", n);
}

/* ---- what we seal ---- */

static const struct {
    enum vd_kty kty;
    const char *header; /* X and Y stand for coordinates, E for the KEM's ciphertext */
    size_t encrypted_key;
} seals[] = {
    { VD_KTY_P256,
      "{\"alg\":\"ECDH-ES+A256KW\",\"enc\":\"A256GCM\",\"epk\":{\"crv\":\"P-256\",\"kty\":\"EC\","
      "\"x\":\"X\",\"y\":\"Y\"}}",
      40 },
    { VD_KTY_P384,
      "{\"alg\":\"ECDH-ES+A256KW\",\"enc\":\"A256GCM\",\"epk\":{\"crv\":\"P-384\",\"kty\":\"EC\","
      "\"x\":\"X\",\"y\":\"Y\"}}",
      40 },
    { VD_KTY_P521,
      "{\"alg\":\"ECDH-ES+A256KW\",\"enc\":\"A256GCM\",\"epk\":{\"crv\":\"P-521\",\"kty\":\"EC\","
      "\"x\":\"X\",\"y\":\"Y\"}}",
      40 },
    { VD_KTY_RSA, "{\"alg\":\"RSA-OAEP-256\",\"enc\":\"A256GCM\"}", 256 },
    { VD_KTY_MLKEM768, "{\"alg\":\"ML-KEM-768+A192KW\",\"enc\":\"A256GCM\",\"ek\":\"E\"}", 40 },
};

/* The header as it must be, with the values of this JWE put in. */
static void assert_header(const char *template, vd_span header)
{
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    vd_err err = { 0 };
    assert_ok(vd_json_parse(header, VD_JSON_LIMITS(header.n), &doc, &err));
    VD_AUTO_BUF want = vd_buf_of(4096);
    for (const char *c = template; *c; c++) {
        bool value = c > template && c[-1] == '"' && c[1] == '"';
        if (value && *c == 'X')
            vd_buf_add(&want, vd_jv_str_raw(vd_jv_pointer(vd_json_root(doc), "/epk/x")));
        else if (value && *c == 'Y')
            vd_buf_add(&want, vd_jv_str_raw(vd_jv_pointer(vd_json_root(doc), "/epk/y")));
        else if (value && *c == 'E' && c[2] == '}')
            vd_buf_add(&want, vd_jv_str_raw(vd_jv_pointer(vd_json_root(doc), "/ek")));
        else
            vd_buf_u8(&want, (uint8_t)*c);
    }
    assert_span_str(header, vd_buf_cstr(&want));
}

static void sealed_text_has_the_exact_form_that_clients_rebuild(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof seals / sizeof seals[0]; i++) {
        VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
        vd_err err = { 0 };
        assert_ok(vd_key_generate(seals[i].kty, 2048, &key, &err));
        VD_AUTO_BUF out = vd_buf_of(1 << 16);
        assert_ok(vd_jwe_seal(key, NULL, VD_LIT("secret"), &out, &err));
        VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
        assert_ok(vd_json_parse(vd_buf_span(&out), VD_JSON_LIMITS(out.n), &doc, &err));
        static const char *const order[] = { "protected", "encrypted_key", "iv", "ciphertext",
                                             "tag" };
        const size_t sizes[] = { 0, seals[i].encrypted_key, 12, 6, 16 };
        vd_jv_iter it = vd_jv_iter_of(vd_json_root(doc));
        for (size_t m = 0; m < 5; m++) {
            assert_true(vd_jv_next(&it));
            assert_span_str(vd_jv_str_raw(it.name), order[m]);
            VD_AUTO_BUF bytes = vd_buf_of(1 << 16);
            assert_ok(vd_jv_b64(it.value, VD_B64_URL, &bytes, &err));
            if (m == 0)
                assert_header(seals[i].header, vd_buf_span(&bytes));
            else
                assert_int_equal(bytes.n, sizes[m]);
        }
        assert_false(vd_jv_next(&it));
        assert_int_equal(vd_span_find(vd_buf_span(&out), ' '), out.n);
    }
}

static void what_is_sealed_opens_at_every_length(void **state)
{
    (void)state;
    static const size_t sizes[] = { 0, 1, 2, 3, 15, 16, 17, 3071, 3072, 3073, 6144, 100000 };
    VD_AUTO_BUF plain = vd_buf_of(1 << 20);
    uint8_t *p = vd_buf_extend(&plain, 100000);
    assert_non_null(p);
    vd_random(p, 100000);
    for (size_t i = 0; i < sizeof seals / sizeof seals[0]; i++) {
        VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
        vd_err err = { 0 };
        assert_ok(vd_key_generate(seals[i].kty, 2048, &key, &err));
        for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
            VD_AUTO_BUF out = vd_buf_of(1 << 20);
            VD_AUTO_SECRET back = { 0 };
            vd_buf_str(&out, "kept");
            vd_span part = vd_test_guarded(vd_span_part(vd_buf_span(&plain), 0, sizes[s]));
            assert_ok(vd_jwe_seal(key, NULL, part, &out, &err));
            assert_ok(vd_jwe_open(key, vd_span_part(vd_buf_span(&out), 4, out.n), &back, &err));
            assert_true(vd_ct_equal(vd_secret_span(&back), part));
            vd_test_guarded_free(part);
        }
    }
}

static void nothing_repeats_between_two_seals(void **state)
{
    (void)state;
    VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
    vd_err err = { 0 };
    assert_ok(vd_key_generate(VD_KTY_P256, 0, &key, &err));
    VD_AUTO_BUF a = vd_buf_of(4096);
    VD_AUTO_BUF b = vd_buf_of(4096);
    assert_ok(vd_jwe_seal(key, NULL, VD_LIT("the same secret"), &a, &err));
    assert_ok(vd_jwe_seal(key, NULL, VD_LIT("the same secret"), &b, &err));
    VD_AUTO(vd_json_free) struct vd_json *ja = NULL;
    VD_AUTO(vd_json_free) struct vd_json *jb = NULL;
    assert_ok(vd_json_parse(vd_buf_span(&a), VD_JSON_LIMITS(a.n), &ja, &err));
    assert_ok(vd_json_parse(vd_buf_span(&b), VD_JSON_LIMITS(b.n), &jb, &err));
    static const char *const all[] = { "protected", "encrypted_key", "iv", "ciphertext", "tag" };
    for (size_t i = 0; i < 5; i++)
        assert_false(vd_span_eq(vd_jv_str_raw(vd_jv_get(vd_json_root(ja), all[i])),
                                vd_jv_str_raw(vd_jv_get(vd_json_root(jb), all[i]))));
}

static void a_full_buffer_is_left_as_it_was(void **state)
{
    (void)state;
    VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
    vd_err err = { 0 };
    assert_ok(vd_key_generate(VD_KTY_P256, 0, &key, &err));
    VD_AUTO_BUF out = vd_buf_of(200);
    vd_buf_str(&out, "kept");
    assert_int_not_equal(vd_jwe_seal(key, NULL, VD_LIT("secret"), &out, &err).code, VD_E_OK);
    assert_span_str(vd_buf_span(&out), "kept");
}

static void rsa1_5_is_sealed_only_by_the_switch_and_never_opened(void **state)
{
    (void)state;
    VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
    VD_AUTO(vd_key_unref) struct vd_key *ec = NULL;
    vd_err err = { 0 };
    assert_ok(vd_key_generate(VD_KTY_RSA, 2048, &key, &err));
    assert_ok(vd_key_generate(VD_KTY_P256, 0, &ec, &err));
    const struct vd_jwe_opts on = { .rsa1_5 = true };
    VD_AUTO_BUF out = vd_buf_of(4096);
    VD_AUTO_SECRET back = { 0 };
    assert_ok(vd_jwe_seal(key, &on, VD_LIT("secret"), &out, &err));
    /* {"alg":"RSA1_5","enc":"A256GCM"} */
    assert_true(
        vd_span_starts(vd_buf_span(&out),
                       VD_LIT("{\"protected\":\"eyJhbGciOiJSU0ExXzUiLCJlbmMiOiJBMjU2R0NNIn0\",")));
    assert_rc(VD_E_SYNTAX, vd_jwe_open(key, vd_buf_span(&out), &back, NULL));
    assert_rc(VD_E_JWE_KEY, vd_jwe_seal(ec, &on, VD_LIT("secret"), &out, NULL));
}

/* ---- TEE keys ---- */

#define P521_X                                                                                     \
    "\"x\":\"AHKZLLOsCOzz5cY97ewNUajB957y-C-U88c3v13nmGZx6sYl_oJXu9A5RkTKqjqvjyekWF-"              \
    "7ytDyRXYgCF5cj0Kt\""
#define P521_Y                                                                                     \
    "\"y\":\"AdymlHvOiLxXkEhayXQnNCvDX4h9htZaCJN34kfmC6pV5OhQHiraVySsUdaQkAgDPrwQrJmbnX9cwlGfP-"   \
    "HqHZR1\""
#define RSA_N                                                                                      \
    "\"n\":\"n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-"                            \
    "XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJmSCpMaJMRBSFKrKb"                                            \
    "2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpPe7Tpe-"                 \
    "OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bTwJlsde"                                                     \
    "3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__"   \
    "kRhuaxwUkRz5iaiQkqgc5gHdrNP5"                                                                 \
    "zw\""

static const struct {
    const char *label;
    const char *jwk;
    bool allow_rsa1_5;
    bool want;
    bool rsa1_5;
} tee_keys[] = {
    { "P-256", "{" BOB_POINT ",\"alg\":\"ECDH-ES+A256KW\"}", false, true, false },
    { "P-521",
      "{\"kty\":\"EC\",\"crv\":\"P-521\"," P521_X "," P521_Y ",\"alg\":\"ECDH-ES+A256KW\"}", false,
      true, false },
    { "RSA", "{\"kty\":\"RSA\"," RSA_N ",\"e\":\"AQAB\",\"alg\":\"RSA-OAEP-256\"}", false, true,
      false },
    { "RSA1_5 switched off", "{\"kty\":\"RSA\"," RSA_N ",\"e\":\"AQAB\",\"alg\":\"RSA1_5\"}", false,
      false, false },
    { "RSA1_5 switched on", "{\"kty\":\"RSA\"," RSA_N ",\"e\":\"AQAB\",\"alg\":\"RSA1_5\"}", true,
      true, true },
    { "further members", "{" BOB_POINT ",\"alg\":\"ECDH-ES+A256KW\",\"kid\":\"x\"}", false, true,
      false },
    { "no alg", "{" BOB_POINT "}", false, false, false },
    { "signature alg", "{" BOB_POINT ",\"alg\":\"ES256\"}", false, false, false },
    { "other alg", "{" BOB_POINT ",\"alg\":\"ECDH-ES+A128KW\"}", false, false, false },
    { "alg of another type", "{" BOB_POINT ",\"alg\":\"RSA-OAEP-256\"}", false, false, false },
    { "RSA1_5 on a curve", "{" BOB_POINT ",\"alg\":\"RSA1_5\"}", true, false, false },
    { "SHA-1 OAEP", "{\"kty\":\"RSA\"," RSA_N ",\"e\":\"AQAB\",\"alg\":\"RSA-OAEP\"}", false, false,
      false },
    { "private key", BOB, false, false, false },
    { "for signatures", "{" BOB_POINT ",\"alg\":\"ECDH-ES+A256KW\",\"use\":\"sig\"}", false, false,
      false },
    { "not on the curve",
      "{\"kty\":\"EC\",\"crv\":\"P-256\",\"alg\":\"ECDH-ES+A256KW\",\"x\":"
      "\"weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ\","
      "\"y\":\"weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ\"}",
      false, false, false },
    { "Ed25519",
      "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}",
      false, false, false },
    { "a string", "\"x\"", false, false, false },
    { "empty", "{}", false, false, false },
};

static void tee_keys_are_taken_as_the_protocol_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof tee_keys / sizeof tee_keys[0]; i++) {
        VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
        VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
        vd_err err = { 0 };
        vd_span text = vd_span_str(tee_keys[i].jwk);
        assert_ok(vd_json_parse(text, VD_JSON_LIMITS(text.n), &doc, &err));
        struct vd_jwe_opts opts = { 0 };
        vd_rc_ rc = vd_jwe_key(vd_json_root(doc), tee_keys[i].allow_rsa1_5, &opts, &key, &err);
        if (rc.code != (tee_keys[i].want ? VD_E_OK : VD_E_JWE_KEY) ||
            opts.rsa1_5 != tee_keys[i].rsa1_5)
            fail_msg("%s: %s", tee_keys[i].label, err.msg);
        VD_AUTO_BUF out = vd_buf_of(8192);
        if (rc.code == VD_E_OK)
            assert_ok(vd_jwe_seal(key, &opts, VD_LIT("x"), &out, &err));
    }
}

static void an_ml_kem_key_of_a_jwk_can_be_sealed_to(void **state)
{
    (void)state;
    VD_AUTO(vd_key_unref) struct vd_key *pair = NULL;
    VD_AUTO(vd_key_unref) struct vd_key *pub = NULL;
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    VD_AUTO_BUF jwk = vd_buf_of(4096);
    VD_AUTO_BUF out = vd_buf_of(4096);
    VD_AUTO_SECRET back = { 0 };
    struct vd_jwe_opts opts = { 0 };
    vd_err err = { 0 };
    assert_ok(vd_key_generate(VD_KTY_MLKEM768, 0, &pair, &err));
    assert_ok(vd_key_to_jwk(pair, NULL, &jwk, &err));
    assert_ok(vd_json_parse(vd_buf_span(&jwk), VD_JSON_LIMITS(jwk.n), &doc, &err));
    assert_ok(vd_jwe_key(vd_json_root(doc), false, &opts, &pub, &err));
    assert_ok(vd_jwe_seal(pub, &opts, VD_LIT("for later"), &out, &err));
    assert_ok(vd_jwe_open(pair, vd_buf_span(&out), &back, &err));
    assert_span_str(vd_secret_span(&back), "for later");
}

/* KMAC256 of the 32 bytes 00..1f as the draft says, computed by an independent implementation. */
static void the_kem_kdf_gives_the_known_answer(void **state)
{
    (void)state;
    uint8_t shared[32], kek[24];
    for (size_t i = 0; i < sizeof shared; i++)
        shared[i] = (uint8_t)i;
    vd_err err = { 0 };
    assert_ok(vd_kem_kdf(shared, kek, &err));
    assert_hex(vd_span_of(kek, sizeof kek), "3ca895ec8c52f6c90562f607de97f1dd01e5cb9da6c23525");
}

/* ---- opening ---- */

static const struct {
    const char *label;
    const char *json;
} bad_jwe[] = {
    { "not JSON", "eyJ.x.y.z.w" },
    { "array", "[]" },
    { "no tag", "{\"protected\":\"e30\",\"encrypted_key\":\"\",\"iv\":\"\",\"ciphertext\":\"\"}" },
    { "member not a string",
      "{\"protected\":\"e30\",\"encrypted_key\":1,\"iv\":\"\",\"ciphertext\":\"\",\"tag\":\"\"}" },
    { "header without alg", "{\"protected\":\"e30\",\"encrypted_key\":\"\",\"iv\":\"\","
                            "\"ciphertext\":\"\",\"tag\":\"\"}" },
    { "padded", "{\"protected\":\"e30=\",\"encrypted_key\":\"\",\"iv\":\"\",\"ciphertext\":\"\","
                "\"tag\":\"\"}" },
    { "unprotected", "{\"unprotected\":{},\"protected\":\"e30\",\"encrypted_key\":\"\",\"iv\":\"\","
                     "\"ciphertext\":\"\",\"tag\":\"\"}" },
};

static void malformed_jwe_are_refused(void **state)
{
    (void)state;
    VD_AUTO(vd_key_unref) struct vd_key *bob = key_of(BOB);
    for (size_t i = 0; i < sizeof bad_jwe / sizeof bad_jwe[0]; i++) {
        VD_AUTO_SECRET plain = { 0 };
        if (vd_jwe_open(bob, vd_span_str(bad_jwe[i].json), &plain, NULL).code != VD_E_SYNTAX)
            fail_msg("%s", bad_jwe[i].label);
    }
}

static void a_jwe_opens_with_its_own_key_only(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof seals / sizeof seals[0]; i++) {
        VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
        vd_err err = { 0 };
        VD_AUTO_BUF out = vd_buf_of(8192);
        assert_ok(vd_key_generate(seals[i].kty, 2048, &key, &err));
        assert_ok(vd_jwe_seal(key, NULL, VD_LIT("secret"), &out, &err));
        for (size_t o = 0; o < sizeof seals / sizeof seals[0]; o++) {
            VD_AUTO(vd_key_unref) struct vd_key *other = NULL;
            VD_AUTO_SECRET plain = { 0 };
            assert_ok(vd_key_generate(seals[o].kty, 2048, &other, &err));
            vd_code code = vd_jwe_open(other, vd_buf_span(&out), &plain, NULL).code;
            assert_true(code == VD_E_SYNTAX || code == VD_E_CRYPTO);
        }
    }
}

/* ---- suites ---- */

static bool opens_as(const struct vd_key *key, vd_jv test)
{
    VD_AUTO_BUF token = vd_buf_of(1 << 20);
    VD_AUTO_SECRET plain = { 0 };
    vd_jv jwe = vd_jv_get(test, "jwe");
    vd_err err = { 0 };
    if (vd_jv_is(jwe, VD_JSON_STRING))
        assert_ok(vd_jv_str(jwe, &token, &err));
    else
        vd_buf_add(&token, vd_jv_raw(jwe));
    if (!key || vd_jwe_open_compact(key, vd_buf_span(&token), &plain, NULL).code != VD_E_OK)
        return false;
    if (!vd_jv_ok(vd_jv_get(test, "pt")))
        return true;
    VD_AUTO_BUF want = hex_of(test, "pt");
    return vd_ct_equal(vd_secret_span(&plain), vd_buf_span(&want));
}

static bool ours(vd_jv jwk, vd_jv test)
{
    vd_jv alg = vd_jv_get(jwk, "alg");
    vd_jv enc = vd_jv_get(test, "enc");
    return (vd_jv_str_eq(alg, "ECDH-ES+A256KW") || vd_jv_str_eq(alg, "RSA-OAEP-256")) &&
           (!vd_jv_ok(enc) || vd_jv_str_eq(enc, "A256GCM"));
}

static void run_encryption_file(const char *path, unsigned cases)
{
    struct suite s = suite_open(path);
    vd_jv_iter groups = vd_jv_iter_of(vd_jv_get(vd_json_root(s.doc), "testGroups"));
    while (vd_jv_next(&groups)) {
        vd_jv jwk = vd_jv_get(groups.value, "private");
        VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
        (void)(vd_key_from_jwk(jwk, VD_KEY_ANY, &key, NULL).code);
        vd_jv_iter it = vd_jv_iter_of(vd_jv_get(groups.value, "tests"));
        while (vd_jv_next(&it)) {
            if (!vd_jv_ok(vd_jv_get(it.value, "jwe")))
                continue;
            if (ours(jwk, it.value))
                suite_case(&s, it.value, is_valid(it.value), opens_as(key, it.value));
            else
                suite_refused(&s, "an algorithm that is not ours", opens_as(key, it.value));
        }
    }
    suite_close(&s, cases);
}

static void wycheproof_jwe_open_exactly_when_valid(void **state)
{
    (void)state;
    run_encryption_file(WYCHE "json_web_encryption_test.json", 139);
    run_encryption_file(WYCHE "json_web_crypto_test.json", 34);
}

static const char *const cookbook[] = {
    "jwe/5_1.key_encryption_using_rsa_v15_and_aes-hmac-sha2.json",
    "jwe/5_2.key_encryption_using_rsa-oaep_with_aes-gcm.json",
    "jwe/5_3.key_wrap_using_pbes2-aes-keywrap_with-aes-cbc-hmac-sha2.json",
    "jwe/5_4.key_agreement_with_key_wrapping_using_ecdh-es_and_aes-keywrap_with_aes-gcm.json",
    "jwe/5_5.key_agreement_using_ecdh-es_with_aes-cbc-hmac-sha2.json",
    "jwe/5_6.direct_encryption_using_aes-gcm.json",
    "jwe/5_7.key_wrap_using_aes-gcm_keywrap_with_aes-cbc-hmac-sha2.json",
    "jwe/5_8.key_wrap_using_aes-keywrap_with_aes-gcm.json",
    "jwe/5_9.compressed_content.json",
    "jwe/5_10.including_additional_authentication_data.json",
    "jwe/5_11.protecting_specific_header_fields.json",
    "jwe/5_12.protecting_content_only.json",
    "jwe/5_13.encrypting_to_multiple_recipients.json",
    "curve25519/ecdh-es.json",
};

/* None of the cookbook's examples uses an algorithm of ours (they are RSA1_5, OAEP with SHA-1,
 * PBES2, A128KW, dir, X25519, CBC): each must be refused, whichever form it comes in, and whichever
 * key. */
static void every_cookbook_jwe_is_refused_by_name(void **state)
{
    (void)state;
    unsigned refused = 0;
    VD_AUTO(vd_key_unref) struct vd_key *bob = key_of(BOB);
    for (size_t i = 0; i < sizeof cookbook / sizeof cookbook[0]; i++) {
        VD_AUTO_BUF path = vd_buf_of(256);
        vd_buf_printf(&path, COOKBOOK "%s", cookbook[i]);
        struct suite s = suite_open(vd_buf_cstr(&path));
        vd_jv root = vd_json_root(s.doc);
        vd_jv jwk = vd_jv_pointer(root, "/input/key");
        VD_AUTO(vd_key_unref) struct vd_key *own = NULL;
        (void)(vd_key_from_jwk(jwk, VD_KEY_ANY, &own, NULL).code);
        const struct vd_key *keys[] = { own, bob };
        for (size_t k = 0; k < 2; k++) {
            VD_AUTO_SECRET plain = { 0 };
            static const char *const forms[] = { "/output/json", "/output/json_flat" };
            vd_span compact = vd_jv_str_raw(vd_jv_pointer(root, "/output/compact"));
            if (!keys[k])
                continue;
            assert_int_not_equal(vd_jwe_open_compact(keys[k], compact, &plain, NULL).code, VD_E_OK);
            for (size_t j = 0; j < 2; j++)
                assert_int_not_equal(
                    vd_jwe_open(keys[k], vd_jv_raw(vd_jv_pointer(root, forms[j])), &plain, NULL)
                        .code,
                    VD_E_OK);
        }
        refused++;
        vd_json_free(s.doc);
        vd_buf_done(&s.text);
    }
    print_message("suite jose-cookbook JWE: %u cases, 0 passed, %u refused by name\n", refused,
                  refused);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc_7518_appendix_c_gives_its_key),
        cmocka_unit_test(the_conformance_vector_opens),
        cmocka_unit_test(every_cut_and_change_of_the_vector_is_refused),
        cmocka_unit_test(sealed_text_has_the_exact_form_that_clients_rebuild),
        cmocka_unit_test(what_is_sealed_opens_at_every_length),
        cmocka_unit_test(nothing_repeats_between_two_seals),
        cmocka_unit_test(a_full_buffer_is_left_as_it_was),
        cmocka_unit_test(rsa1_5_is_sealed_only_by_the_switch_and_never_opened),
        cmocka_unit_test(tee_keys_are_taken_as_the_protocol_says),
        cmocka_unit_test(an_ml_kem_key_of_a_jwk_can_be_sealed_to),
        cmocka_unit_test(the_kem_kdf_gives_the_known_answer),
        cmocka_unit_test(malformed_jwe_are_refused),
        cmocka_unit_test(a_jwe_opens_with_its_own_key_only),
        cmocka_unit_test(wycheproof_jwe_open_exactly_when_valid),
        cmocka_unit_test(every_cookbook_jwe_is_refused_by_name),
    };
    if (vd_base_init(NULL).code != VD_E_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
