/* Passports: claim order, signatures of every algorithm, limits; signers: key files and
 * certificates. */
#include "tests/support/support.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "issuer/passport/passport.h"
#include "shared/base/file.h"
#include "shared/crypto/x509.h"

static const struct {
    const char *name;
    enum vd_sig alg;
    enum vd_kty kty;
} algs[] = {
    { "ES256", VD_SIG_ES256, VD_KTY_P256 },
    { "ES384", VD_SIG_ES384, VD_KTY_P384 },
    { "EdDSA", VD_SIG_EDDSA, VD_KTY_ED25519 },
};

static struct iss_signer *signer_of(size_t i, vd_span cert)
{
    VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
    struct iss_signer *s = NULL;
    assert_ok(vd_key_generate(algs[i].kty, 0, &key, NULL));
    assert_ok(iss_signer_of(key, algs[i].alg, cert, &s, NULL));
    return s;
}

/* Two submods: a simulated CPU with extensions and a device, as an appraisal leaves them. */
static struct iss_appraisals *sample(struct iss_claims_list *list)
{
    struct iss_claims *cpu = iss_claims_add(list, "snp", "cpu");
    struct iss_claims *gpu = iss_claims_add(list, "sampledevice", "gpu");
    (void)snprintf(cpu->hw_id, sizeof cpu->hw_id, "00ff");
    cpu->simulated = true;
    gpu->debug = true;
    struct iss_appraisals *a = iss_appraisals_new();
    assert_non_null(a);
    a->n = 2;
    a->item[0] = (struct iss_appraisal){ .name = "cpu0", .claims = cpu, .tier = VD_EAR_AFFIRMING };
    a->item[0].set[VD_EAR_HARDWARE] = a->item[0].set[VD_EAR_CONFIGURATION] = true;
    a->item[0].value[VD_EAR_HARDWARE] = 2;
    a->item[0].value[VD_EAR_CONFIGURATION] = -1;
    a->item[0].annotated = vd_buf_of(64);
    vd_buf_str(&a->item[0].annotated, "{\"snp\":{}}");
    a->item[0].extensions = vd_buf_of(64);
    vd_buf_str(&a->item[0].extensions, ",\"ear.x\":[1]");
    memset(a->item[0].policy_sha256, 0xab, 32);
    a->item[1] = (struct iss_appraisal){ .name = "gpu0", .claims = gpu, .tier = VD_EAR_NONE };
    a->item[1].annotated = vd_buf_of(64);
    vd_buf_str(&a->item[1].annotated, "{\"sampledevice\":{}}");
    a->item[1].event_log = vd_buf_of(64);
    vd_buf_str(&a->item[1].event_log, "{\"state\":\"replayed\"}");
    return a;
}

#define AB8 "abababababababab"
static const char want_claims[] =
    "{\"eat_profile\":\"tag:github.com,2024:confidential-containers/Trustee\",\"iss\":\"https://"
    "i.test\","
    "\"iat\":1780000000,\"nbf\":1780000000,\"exp\":1780000300,\"jti\":\"%s\",\"aud\":[\"a\",\"b "
    "c\"],"
    "\"ear.verifier-id\":{\"developer\":\"vidimus\",\"build\":\"vidimus-issuer " VD_VERSION "\"},"
    "\"submods\":{\"cpu0\":{\"ear.status\":\"affirming\","
    "\"ear.trustworthiness-vector\":{\"configuration\":-1,\"hardware\":2},"
    "\"ear.appraisal-policy-id\":\"default\",\"ear.veraison.annotated-evidence\":{\"snp\":{}},"
    "\"ear.x\":[1],"
    "\"vidimus\":{\"tee\":\"snp\",\"debug\":false,\"hw_id\":\"00ff\"}},"
    "\"gpu0\":{\"ear.status\":\"none\",\"ear.appraisal-policy-id\":\"default\","
    "\"ear.veraison.annotated-evidence\":{\"sampledevice\":{}},"
    "\"vidimus\":{\"tee\":\"sampledevice\",\"debug\":true,\"event_log\":{\"state\":\"replayed\"}}}}"
    ","
    "\"vidimus\":{\"v\":1,\"freshness\":\"caller-data\",\"simulated\":true,\"policies\":["
    "{\"id\":\"default\",\"class\":\"cpu\",\"sha256\":\"" AB8 AB8 AB8 AB8 "\"},"
    "{\"id\":\"default\",\"class\":\"gpu\",\"sha256\":"
    "\"0000000000000000000000000000000000000000000000000000000000000000\"}]}}";

static void passports_have_the_claims_in_order_and_verify_with_every_algorithm(void **state)
{
    (void)state;
    static const char audience[2][VD_KBS_AUDIENCE_BYTES + 1] = { "a", "b c" };
    for (size_t i = 0; i < 3; i++) {
        VD_AUTO(iss_signer_free) struct iss_signer *s = signer_of(i, VD_SPAN_NONE);
        VD_AUTO(iss_claims_list_free) struct iss_claims_list *list = iss_claims_list_new();
        VD_AUTO(iss_appraisals_free) struct iss_appraisals *a = sample(list);
        const struct iss_passport p = { .issuer = "https://i.test",
                                        .now = 1780000000,
                                        .lifetime = 300,
                                        .audience = audience,
                                        .n_audience = 2,
                                        .freshness = ISS_FRESH_CALLER,
                                        .policy_base = "default",
                                        .appraisals = a };
        VD_AUTO_BUF token = vd_buf_of(65536);
        VD_AUTO_BUF want = vd_buf_of(65536);
        char jti[ISS_JTI];
        vd_err err = { 0 };
        assert_ok(iss_passport_mint(s, &p, 49152, &token, jti, &err));
        assert_int_equal(strlen(jti), 22);

        VD_AUTO(vd_jws_free) struct vd_jws *j = NULL;
        assert_ok(vd_jws_parse(vd_buf_span(&token), 65536, &j, &err));
        assert_ok(vd_jws_verify(j, s->key, algs[i].alg, &err));
        assert_true(vd_jv_str_eq(j->alg, algs[i].name));
        assert_true(vd_jv_str_eq(j->typ, "JWT"));
        assert_true(vd_jv_str_eq(j->kid, s->kid));
        assert_true(vd_jv_str_eq(vd_jv_get(j->jwk, "alg"), algs[i].name));
        VD_AUTO(vd_key_unref) struct vd_key *embedded = NULL;
        assert_ok(vd_key_from_jwk(j->jwk, VD_KEY_VERIFY, &embedded, &err));
        assert_true(vd_key_same(embedded, s->key));
        vd_buf_printf(&want, want_claims, jti);
        assert_span_str(vd_buf_span(&j->payload), vd_buf_cstr(&want));
    }
}

static void without_an_audience_there_is_no_aud_and_jtis_differ(void **state)
{
    (void)state;
    VD_AUTO(iss_signer_free) struct iss_signer *s = signer_of(0, VD_SPAN_NONE);
    VD_AUTO(iss_claims_list_free) struct iss_claims_list *list = iss_claims_list_new();
    VD_AUTO(iss_appraisals_free) struct iss_appraisals *a = sample(list);
    const struct iss_passport p = {
        .issuer = "i", .now = 1, .lifetime = 900, .policy_base = "x", .appraisals = a
    };
    char last[ISS_JTI] = "";
    for (int i = 0; i < 100; i++) {
        VD_AUTO_BUF token = vd_buf_of(65536);
        VD_AUTO(vd_jws_free) struct vd_jws *j = NULL;
        char jti[ISS_JTI];
        assert_ok(iss_passport_mint(s, &p, 49152, &token, jti, NULL));
        assert_ok(vd_jws_parse(vd_buf_span(&token), 65536, &j, NULL));
        assert_null(memmem(j->payload.p, j->payload.n, "\"aud\"", 5));
        assert_non_null(memmem(j->payload.p, j->payload.n, "\"freshness\":\"issuer-nonce\"", 26));
        assert_string_not_equal(jti, last);
        memcpy(last, jti, sizeof last);
    }
}

static void a_passport_above_its_limit_is_refused_whole(void **state)
{
    (void)state;
    VD_AUTO(iss_signer_free) struct iss_signer *s = signer_of(0, VD_SPAN_NONE);
    VD_AUTO(iss_claims_list_free) struct iss_claims_list *list = iss_claims_list_new();
    VD_AUTO(iss_appraisals_free) struct iss_appraisals *a = sample(list);
    const struct iss_passport p = {
        .issuer = "i", .now = 1, .lifetime = 300, .policy_base = "x", .appraisals = a
    };
    char jti[ISS_JTI];
    VD_AUTO_BUF token = vd_buf_of(1 << 20);
    assert_ok(iss_passport_mint(s, &p, 49152, &token, jti, NULL));
    size_t n = token.n;
    vd_buf_reset(&token);
    assert_ok(iss_passport_mint(s, &p, n, &token, jti, NULL));
    for (size_t max = n - 1; max > n - 40; max--) {
        vd_buf_reset(&token);
        assert_rc(VD_E_PASSPORT_TOO_LARGE, iss_passport_mint(s, &p, max, &token, jti, NULL));
        assert_int_equal(token.n, 0);
    }
    assert_rc(VD_E_PASSPORT_TOO_LARGE, iss_passport_mint(s, &p, 64, &token, jti, NULL));
    const struct iss_passport long_life = {
        .issuer = "i", .now = 1, .lifetime = 901, .policy_base = "x", .appraisals = a
    };
    assert_rc(VD_E_INTERNAL, iss_passport_mint(s, &long_life, 49152, &token, jti, NULL));
}

/* ---- signers
 * --------------------------------------------------------------------------------------- */

static void a_made_key_file_is_private_and_opens_again_with_the_same_key(void **state)
{
    (void)state;
    VD_AUTO(free) char *dir = vd_test_dir("signer");
    for (size_t i = 0; i < 3; i++) {
        VD_AUTO_BUF path = vd_buf_of(4096);
        vd_buf_printf(&path, "%s/%s.pem", dir, algs[i].name);
        const struct iss_signer_cfg cfg = { .alg = algs[i].name, .key_file = vd_buf_cstr(&path) };
        vd_err err = { 0 };
        VD_AUTO(iss_signer_free) struct iss_signer *a = NULL;
        VD_AUTO(iss_signer_free) struct iss_signer *b = NULL;
        struct stat st;
        assert_ok(iss_signer_create(&cfg, &err));
        assert_int_equal(stat(cfg.key_file, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        assert_rc(VD_E_EXISTS, iss_signer_create(&cfg, &err));
        vd_err_clear(&err);
        assert_ok(iss_signer_open(&cfg, &a, &err));
        assert_ok(iss_signer_open(&cfg, &b, &err));
        assert_string_equal(a->kid, b->kid);
        assert_int_equal(strlen(a->kid), 43);
    }
}

static void a_start_with_a_wrong_key_names_the_file_and_the_cure(void **state)
{
    (void)state;
    VD_AUTO(free) char *dir = vd_test_dir("signer-bad");
    VD_AUTO_BUF key = vd_buf_of(4096);
    VD_AUTO_BUF junk = vd_buf_of(4096);
    VD_AUTO_BUF missing = vd_buf_of(4096);
    vd_buf_printf(&key, "%s/p256.pem", dir);
    vd_buf_printf(&junk, "%s/junk.pem", dir);
    vd_buf_printf(&missing, "%s/missing.pem", dir);
    const struct iss_signer_cfg good = { .alg = "ES256", .key_file = vd_buf_cstr(&key) };
    assert_ok(iss_signer_create(&good, NULL));
    assert_ok(vd_file_create(vd_buf_cstr(&junk), VD_LIT("-----BEGIN NONSENSE-----\n"), NULL));
    const struct {
        const char *label;
        struct iss_signer_cfg cfg;
        const char *file, *says;
    } cases[] = {
        { "missing", { "ES256", vd_buf_cstr(&missing), NULL }, "missing.pem", "init" },
        { "junk", { "ES256", vd_buf_cstr(&junk), NULL }, "junk.pem", "PEM" },
        { "another algorithm", { "ES384", vd_buf_cstr(&key), NULL }, "p256.pem", "passport.alg" },
        { "unknown algorithm", { "HS256", vd_buf_cstr(&key), NULL }, "HS256", "ES256" },
        { "verification only", { "RS256", vd_buf_cstr(&key), NULL }, "RS256", "ES256" },
        { "no certificate file",
          { "ES256", vd_buf_cstr(&key), vd_buf_cstr(&missing) },
          "missing.pem",
          "cert_file" },
        { "certificate is junk",
          { "ES256", vd_buf_cstr(&key), vd_buf_cstr(&junk) },
          "junk.pem",
          "cert_file" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct iss_signer *s = NULL;
        vd_err err = { 0 };
        vd_rc_ rc = iss_signer_open(&cases[i].cfg, &s, &err);
        if (rc.code != VD_E_CONFIG || !strstr(err.msg, cases[i].file) ||
            !strstr(err.msg, cases[i].says))
            fail_msg("%s: %s", cases[i].label, err.msg);
    }
    assert_int_equal(chmod(vd_buf_cstr(&key), 0644), 0);
    struct iss_signer *s = NULL;
    assert_rc(VD_E_CONFIG, iss_signer_open(&good, &s, NULL));
}

static void a_certificate_goes_into_the_header_if_it_is_the_keys_own(void **state)
{
    (void)state;
    VD_AUTO_BUF pem = vd_test_file("tests/vectors/broker-x5c/leaf.pem");
    VD_AUTO_BUF inter = vd_test_file("tests/vectors/broker-x5c/inter2.pem");
    vd_buf_add(&pem, vd_buf_span(&inter));
    VD_AUTO_BUF key_pem = vd_test_file("tests/vectors/broker-x5c/leaf.key");
    VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
    VD_AUTO(vd_key_unref) struct vd_key *other = NULL;
    VD_AUTO(iss_signer_free) struct iss_signer *s = NULL;
    VD_AUTO(vd_json_free) struct vd_json *jwk = NULL;
    assert_ok(vd_key_from_pem(vd_buf_span(&key_pem), &key, NULL));
    assert_ok(iss_signer_of(key, VD_SIG_ES256, vd_buf_span(&pem), &s, NULL));
    assert_ok(vd_json_parse(vd_buf_span(&s->jwk), VD_JSON_LIMITS(s->jwk.n), &jwk, NULL));
    assert_true(vd_jv_count(vd_jv_get(vd_json_root(jwk), "x5c")) == 2);
    assert_true(vd_span_starts(vd_buf_span(&s->jwk), VD_LIT("{\"alg\":\"ES256\",\"x5c\":[\"")));
    assert_ok(vd_key_generate(VD_KTY_P256, 0, &other, NULL));
    struct iss_signer *no = NULL;
    assert_rc(VD_E_CONFIG, iss_signer_of(other, VD_SIG_ES256, vd_buf_span(&pem), &no, NULL));
}

static void the_key_set_names_every_key_once(void **state)
{
    (void)state;
    VD_AUTO(iss_signer_free) struct iss_signer *a = signer_of(0, VD_SPAN_NONE);
    VD_AUTO(iss_signer_free) struct iss_signer *b = signer_of(2, VD_SPAN_NONE);
    const struct iss_signer *const both[] = { a, b };
    VD_AUTO_BUF text = vd_buf_of(65536);
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    assert_ok(iss_jwks(both, 2, &text, NULL));
    assert_ok(vd_json_parse(vd_buf_span(&text), VD_JSON_LIMITS(text.n), &doc, NULL));
    vd_jv keys = vd_jv_get(vd_json_root(doc), "keys");
    assert_int_equal(vd_jv_count(keys), 2);
    assert_true(vd_jv_str_eq(vd_jv_pointer(keys, "/0/kid"), a->kid));
    assert_true(vd_jv_str_eq(vd_jv_pointer(keys, "/1/kid"), b->kid));
    assert_true(vd_jv_str_eq(vd_jv_pointer(keys, "/1/use"), "sig"));
    VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
    assert_ok(vd_key_from_jwk(vd_jv_pointer(keys, "/1"), VD_KEY_VERIFY, &key, NULL));
    assert_true(vd_key_same(key, b->key));
    assert_null(strstr(vd_buf_cstr(&text), "\"d\":"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passports_have_the_claims_in_order_and_verify_with_every_algorithm),
        cmocka_unit_test(without_an_audience_there_is_no_aud_and_jtis_differ),
        cmocka_unit_test(a_passport_above_its_limit_is_refused_whole),
        cmocka_unit_test(a_made_key_file_is_private_and_opens_again_with_the_same_key),
        cmocka_unit_test(a_start_with_a_wrong_key_names_the_file_and_the_cure),
        cmocka_unit_test(a_certificate_goes_into_the_header_if_it_is_the_keys_own),
        cmocka_unit_test(the_key_set_names_every_key_once),
    };
    return vd_base_init(NULL).code == VD_E_OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
