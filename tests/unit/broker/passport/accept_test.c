/* Acceptance of passports: every claim wrong, every algorithm confused, issuers mixed up, hostile
 * key ids, several TEE keys, suspension, and the cache that dies with the epoch. */
#include "tests/support/support.h"

#include "shared/crypto/hash.h"
#include "tests/unit/broker/mint.h"

struct fixture {
    struct mint key;
    struct mint stranger;
    int64_t now_ns;
    struct brk_trust *trust;
    vd_buf jwks;
};

static struct fixture fx;

static int setup(void **state)
{
    (void)state;
    assert_ok(vd_base_init(NULL));
    fx.key = mint_new(VD_KTY_P256, VD_SIG_ES256);
    fx.stranger = mint_new(VD_KTY_P256, VD_SIG_ES256);
    fx.jwks = vd_buf_of(65536);
    const struct mint *keys[] = { &fx.key };
    jwks_of(keys, 1, &fx.jwks);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    mint_done(&fx.key);
    mint_done(&fx.stranger);
    vd_buf_done(&fx.jwks);
    return 0;
}

static int fresh(void **state)
{
    (void)state;
    static const char *const ours[] = { "broker-one", "broker-two" };
    fx.now_ns = (int64_t)NOW * 1000000000;
    fx.trust = trust_new(&fx.now_ns, ours, 2);
    struct brk_issuer_spec spec = spec_of(vd_buf_span(&fx.jwks));
    trust_entry(fx.trust, &spec);
    return 0;
}

static int fresh_done(void **state)
{
    (void)state;
    brk_trust_free(fx.trust);
    return 0;
}

static void expect(const char *label, vd_code want, const struct member *change, size_t n)
{
    VD_AUTO(free) char *token = token_of(&fx.key, change, n);
    vd_code got = code_of(fx.trust, token);
    if (got != want)
        print_error("%s: got %s, wanted %s\n", label, vd_error_row(got)->symbol,
                    want ? vd_error_row(want)->symbol : "OK");
    assert_int_equal(got, want);
}

static void standard_passport_is_accepted_and_read(void **state)
{
    (void)state;
    VD_AUTO(brk_passport_unref) struct brk_passport *p = NULL;
    VD_AUTO(free) char *token = token_of(&fx.key, NULL, 0);
    assert_ok(brk_accept(fx.trust, vd_span_str(token), &p, NULL));
    assert_string_equal(p->issuer->name, "main");
    assert_string_equal(p->jti, "AAAAAAAAAAAAAAAAAAAAAA");
    assert_int_equal(p->n_submods, 1);
    assert_string_equal(p->submod[0].tee, "snp");
    assert_string_equal(p->submod[0].measurement, "ab01");
    assert_int_equal(p->submod[0].status, VD_EAR_AFFIRMING);
    assert_int_equal(p->submod[0].vector[VD_EAR_EXECUTABLES], 3);
    assert_int_equal(p->freshness, BRK_FRESH_ISSUER_NONCE);
    assert_non_null(p->tee_key);
    assert_int_equal(strlen(p->tee_thumbprint), 43);
}

static void times_of_wrong_type_or_missing_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        NULL,
        "\"1800000000\"",
        "1800000000.0",
        "1800000000.5",
        "1.8e9",
        "-1",
        "-1800000000",
        "null",
        "true",
        "[]",
        "[1800000000]",
        "{}",
        "1e400",
        "18446744073709551615",
        "99999999999999999999",
        "\"\"",
        "\"NaN\"",
        "0x1",
        "01800000000",
        "1800000000e0",
        "\"1e3\"",
        "{\"exp\":1}",
        "-0",
        "+1",
        "1_800_000_000",
        "Infinity",
        "1800000000 1",
        "9007199254740993",
        "-0.0",
        "0.1",
        "[[]]",
        "false",
        "\"0\"",
        "1800000000,",
        "'1'",
        "\"\\u0031\"",
        "[null]",
        "{\"$numberLong\":\"1\"}",
        "2e9",
        "1800000000.",
    };
    static const char *const names[] = { "exp", "iat", "nbf" };
    size_t n = 0;
    for (size_t c = 0; c < 3; c++) {
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
            if (!bad[i] && c == 2)
                continue; /* Trustee's passports have no nbf */
            const struct member change = { names[c], bad[i] };
            VD_AUTO(free) char *token = token_of(&fx.key, &change, 1);
            vd_code got = code_of(fx.trust, token);
            if (got == VD_E_OK)
                print_error("%s = %s was accepted\n", names[c], bad[i] ? bad[i] : "(missing)");
            assert_int_not_equal(got, VD_E_OK);
            n++;
        }
    }
    print_message("times: %zu variants refused\n", n);
    assert_true(n >= 119);
}

static void clock_edges_hold(void **state)
{
    (void)state;
    static const struct {
        const char *label;
        int64_t now;
        vd_code want;
    } rows[] = {
        { "one second before exp", NOW + 299, VD_E_OK },
        { "at exp", NOW + 300, VD_E_OK },
        { "last second of the leeway", NOW + 359, VD_E_OK },
        { "leeway over", NOW + 360, VD_E_PASSPORT_EXPIRED },
        { "an hour later", NOW + 3600, VD_E_PASSPORT_EXPIRED },
        { "our clock 60 s behind", NOW - 60, VD_E_OK },
        { "our clock 61 s behind", NOW - 61, VD_E_PASSPORT },
        { "our clock an hour behind", NOW - 3600, VD_E_PASSPORT },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        /* Another jti each time: not a cached one. */
        char jti[32];
        (void)snprintf(jti, sizeof jti, "\"edge-%zu\"", i);
        const struct member change = { "jti", jti };
        fx.now_ns = rows[i].now * 1000000000;
        expect(rows[i].label, rows[i].want, &change, 1);
    }
}

static void cached_passport_still_expires(void **state)
{
    (void)state;
    VD_AUTO(free) char *token = token_of(&fx.key, NULL, 0);
    assert_int_equal(code_of(fx.trust, token), VD_E_OK);
    fx.now_ns = (int64_t)(NOW + 360) * 1000000000;
    assert_int_equal(code_of(fx.trust, token), VD_E_PASSPORT_EXPIRED);
}

static void lifetime_is_capped(void **state)
{
    (void)state;
    const struct member rows[] = { { "exp", "1800000900" },
                                   { "exp", "1800000901" },
                                   { "exp", "1800000000" },
                                   { "exp", "1799999999" },
                                   { "exp", "1800086400" } };
    const vd_code want[] = { VD_E_OK, VD_E_PASSPORT, VD_E_PASSPORT, VD_E_PASSPORT, VD_E_PASSPORT };
    for (size_t i = 0; i < 5; i++)
        expect(rows[i].json, want[i], &rows[i], 1);
}

static void other_claims_wrong_or_missing_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *label;
        struct member change;
        vd_code want;
    } rows[] = {
        { "iss missing", { "iss", NULL }, VD_E_PASSPORT_ISSUER },
        { "iss of somebody else", { "iss", "\"https://other.test\"" }, VD_E_PASSPORT_ISSUER },
        { "iss with a slash more", { "iss", "\"https://issuer.test/\"" }, VD_E_PASSPORT_ISSUER },
        { "iss in upper case", { "iss", "\"HTTPS://ISSUER.TEST\"" }, VD_E_PASSPORT_ISSUER },
        { "iss a number", { "iss", "1" }, VD_E_PASSPORT },
        { "iss null", { "iss", "null" }, VD_E_PASSPORT },
        { "iss an array", { "iss", "[\"https://issuer.test\"]" }, VD_E_PASSPORT },
        { "iss empty", { "iss", "\"\"" }, VD_E_PASSPORT },
        { "iss with a NUL", { "iss", "\"https://issuer.test\\u0000\"" }, VD_E_PASSPORT },
        { "jti missing", { "jti", NULL }, VD_E_PASSPORT },
        { "jti a number", { "jti", "7" }, VD_E_PASSPORT },
        { "jti with a control character", { "jti", "\"a\\u000ab\"" }, VD_E_PASSPORT },
        { "submods missing", { "submods", NULL }, VD_E_PASSPORT },
        { "submods empty", { "submods", "{}" }, VD_E_PASSPORT },
        { "submods an array", { "submods", "[]" }, VD_E_PASSPORT },
        { "submods null", { "submods", "null" }, VD_E_PASSPORT },
        { "submod a string", { "submods", "{\"cpu0\":\"x\"}" }, VD_E_PASSPORT },
        { "role besides submods", { "role", "\"admin\"" }, VD_E_PASSPORT },
        { "role null besides submods", { "role", "null" }, VD_E_PASSPORT },
        { "TEE not of the entry",
          { "submods", "{\"cpu0\":" SUBMOD("tdx", "affirming", "default", TEE_JWK) "}" },
          VD_E_PASSPORT },
        { "sample not of the entry",
          { "submods", "{\"cpu0\":" SUBMOD("sample", "affirming", "default", TEE_JWK) "}" },
          VD_E_PASSPORT },
        { "second device not of the entry",
          { "submods",
            "{\"cpu0\":" SUBMOD("snp", "affirming", "default", TEE_JWK) ",\"gpu0\":" SUBMOD(
                "nvidia", "affirming", "default", TEE_JWK) "}" },
          VD_E_PASSPORT },
        { "status unknown",
          { "submods", "{\"cpu0\":" SUBMOD("snp", "good", "default", TEE_JWK) "}" },
          VD_E_PASSPORT },
        { "status warning is accepted (policy decides)",
          { "submods", "{\"cpu0\":" SUBMOD("snp", "warning", "default", TEE_JWK) "}" },
          VD_E_OK },
        { "vidimus a string", { "vidimus", "\"x\"" }, VD_E_PASSPORT },
        { "vidimus null", { "vidimus", "null" }, VD_E_PASSPORT },
        { "vidimus missing, nothing assumed", { "vidimus", NULL }, VD_E_PASSPORT },
        { "vidimus.v 2",
          { "vidimus",
            "{\"v\":2,\"freshness\":\"issuer-nonce\",\"simulated\":false,\"policies\":[{\"id\":"
            "\"default\",\"sha256\":\"" SHA "\"}]}" },
          VD_E_PASSPORT },
        { "vidimus.v a string",
          { "vidimus",
            "{\"v\":\"1\",\"freshness\":\"issuer-nonce\",\"simulated\":false,\"policies\":[{\"id\":"
            "\"default\",\"sha256\":\"" SHA "\"}]}" },
          VD_E_PASSPORT },
        { "freshness caller-data",
          { "vidimus",
            "{\"v\":1,\"freshness\":\"caller-data\",\"simulated\":false,\"policies\":[{\"id\":"
            "\"default\",\"sha256\":\"" SHA "\"}]}" },
          VD_E_PASSPORT },
        { "freshness none",
          { "vidimus",
            "{\"v\":1,\"freshness\":\"none\",\"simulated\":false,\"policies\":[{\"id\":\"default\","
            "\"sha256\":\"" SHA "\"}]}" },
          VD_E_PASSPORT },
        { "freshness missing",
          { "vidimus",
            "{\"v\":1,\"simulated\":false,\"policies\":[{\"id\":\"default\",\"sha256\":\"" SHA
            "\"}]}" },
          VD_E_PASSPORT },
        { "freshness unknown",
          { "vidimus",
            "{\"v\":1,\"freshness\":\"Issuer-Nonce\",\"simulated\":false,\"policies\":[{\"id\":"
            "\"default\",\"sha256\":\"" SHA "\"}]}" },
          VD_E_PASSPORT },
        { "simulated",
          { "vidimus",
            "{\"v\":1,\"freshness\":\"issuer-nonce\",\"simulated\":true,\"policies\":[{\"id\":"
            "\"default\",\"sha256\":\"" SHA "\"}]}" },
          VD_E_PASSPORT },
        { "simulated missing",
          { "vidimus", "{\"v\":1,\"freshness\":\"issuer-nonce\",\"policies\":[{\"id\":\"default\","
                       "\"sha256\":\"" SHA "\"}]}" },
          VD_E_PASSPORT },
        { "simulated a string",
          { "vidimus",
            "{\"v\":1,\"freshness\":\"issuer-nonce\",\"simulated\":\"false\",\"policies\":[{\"id\":"
            "\"default\",\"sha256\":\"" SHA "\"}]}" },
          VD_E_PASSPORT },
        { "policy of another name",
          { "vidimus", "{\"v\":1,\"freshness\":\"issuer-nonce\",\"simulated\":false,\"policies\":[{"
                       "\"id\":\"mine\","
                       "\"sha256\":\"" SHA "\"}]}" },
          VD_E_PASSPORT },
        { "one policy of two of another name",
          { "vidimus",
            "{\"v\":1,\"freshness\":\"issuer-nonce\",\"simulated\":false,\"policies\":[{\"id\":"
            "\"default\",\"sha256\":\"" SHA "\"},{\"id\":\"mine\",\"sha256\":\"" SHA "\"}]}" },
          VD_E_PASSPORT },
        { "policies empty",
          { "vidimus",
            "{\"v\":1,\"freshness\":\"issuer-nonce\",\"simulated\":false,\"policies\":[]}" },
          VD_E_PASSPORT },
        { "policies missing",
          { "vidimus", "{\"v\":1,\"freshness\":\"issuer-nonce\",\"simulated\":false}" },
          VD_E_PASSPORT },
        { "policy digest short",
          { "vidimus",
            "{\"v\":1,\"freshness\":\"issuer-nonce\",\"simulated\":false,\"policies\":[{\"id\":"
            "\"default\",\"sha256\":\"00\"}]}" },
          VD_E_PASSPORT },
        { "debug a string",
          { "submods",
            "{\"cpu0\":{\"ear.status\":\"affirming\",\"ear.appraisal-policy-id\":\"default\","
            "\"ear.veraison.annotated-evidence\":{\"snp\":{},\"runtime_data_claims\":{\"tee-"
            "pubkey\":" TEE_JWK "}},\"vidimus\":{\"tee\":\"snp\",\"debug\":\"false\"}}}" },
          VD_E_PASSPORT },
        { "trust claim beyond 8 bits",
          { "submods", "{\"cpu0\":{\"ear.status\":\"affirming\",\"ear.trustworthiness-vector\":{"
                       "\"hardware\":300},"
                       "\"ear.appraisal-policy-id\":\"default\",\"ear.veraison.annotated-"
                       "evidence\":{\"snp\":{},"
                       "\"runtime_data_claims\":{\"tee-pubkey\":" TEE_JWK
                       "}},\"vidimus\":{\"tee\":\"snp\"}}}" },
          VD_E_PASSPORT },
        { "trust claim a fraction",
          { "submods", "{\"cpu0\":{\"ear.status\":\"affirming\",\"ear.trustworthiness-vector\":{"
                       "\"hardware\":2.0},"
                       "\"ear.appraisal-policy-id\":\"default\",\"ear.veraison.annotated-"
                       "evidence\":{\"snp\":{},"
                       "\"runtime_data_claims\":{\"tee-pubkey\":" TEE_JWK
                       "}},\"vidimus\":{\"tee\":\"snp\"}}}" },
          VD_E_PASSPORT },
        { "unknown extra claim passes", { "something", "{\"a\":[1,2,3]}" }, VD_E_OK },
        { "aud of ours", { "aud", "[\"broker-one\"]" }, VD_E_OK },
        { "aud of ours as a string", { "aud", "\"broker-two\"" }, VD_E_OK },
        { "aud of ours among others", { "aud", "[\"x\",\"broker-two\"]" }, VD_E_OK },
        { "aud of somebody else", { "aud", "[\"x\"]" }, VD_E_PASSPORT_AUDIENCE },
        { "aud in another case", { "aud", "[\"Broker-One\"]" }, VD_E_PASSPORT_AUDIENCE },
        { "aud with a blank", { "aud", "[\"broker-one \"]" }, VD_E_PASSPORT_AUDIENCE },
        { "aud empty array", { "aud", "[]" }, VD_E_PASSPORT_AUDIENCE },
        { "aud null", { "aud", "null" }, VD_E_PASSPORT },
        { "aud a number", { "aud", "1" }, VD_E_PASSPORT },
        { "aud an object", { "aud", "{\"a\":\"broker-one\"}" }, VD_E_PASSPORT },
        { "aud with a number in it", { "aud", "[\"broker-one\",1]" }, VD_E_PASSPORT },
    };
    size_t n = sizeof rows / sizeof *rows;
    for (size_t i = 0; i < n; i++)
        expect(rows[i].label, rows[i].want, &rows[i].change, 1);
    print_message("claims: %zu rows\n", n);
}

static void tee_key_must_be_at_one_place(void **state)
{
    (void)state;
    static const char other[] =
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"alg\":\"ECDH-ES+A256KW\",\"x\":\"f\",\"y\":\"g\"}";
    static const char no_key[] =
        "{\"cpu0\":{\"ear.status\":\"affirming\",\"ear.appraisal-policy-id\":\"default\","
        "\"ear.veraison.annotated-evidence\":{\"snp\":{}},\"vidimus\":{\"tee\":\"snp\"}}}";
    VD_AUTO_BUF two = vd_buf_of(16384);
    vd_buf_printf(&two, "{\"cpu0\":%s,\"cpu1\":%s}", SUBMOD("snp", "affirming", "default", TEE_JWK),
                  SUBMOD("snp", "affirming", "default",
                         "{\"kty\":\"EC\",\"crv\":\"P-256\",\"alg\":\"ECDH-ES+A256KW\",\"x\":\"f\","
                         "\"y\":\"g\"}"));
    const struct {
        const char *label;
        struct member change[6];
        size_t n;
        vd_code want;
    } rows[] = {
        { "none", { { "submods", no_key } }, 1, VD_E_PASSPORT_TEE_KEY },
        { "at the root alone", { { "submods", no_key }, { "tee-pubkey", TEE_JWK } }, 2, VD_E_OK },
        { "under customized_claims alone",
          { { "submods", no_key },
            { "customized_claims", "{\"runtime_data\":{\"tee-pubkey\":" TEE_JWK "}}" } },
          2,
          VD_E_OK },
        { "under tdx runtime data alone",
          { { "submods", no_key },
            { "tdx", "{\"attester_runtime_data\":{\"tee-pubkey\":" TEE_JWK "}}" } },
          2,
          VD_E_OK },
        { "under tdx user data alone",
          { { "submods", no_key },
            { "tdx", "{\"attester_user_data\":{\"tee-pubkey\":" TEE_JWK "}}" } },
          2,
          VD_E_OK },
        { "EAR and root", { { "tee-pubkey", TEE_JWK } }, 1, VD_E_PASSPORT_TEE_KEY },
        { "EAR and another at the root", { { "tee-pubkey", other } }, 1, VD_E_PASSPORT_TEE_KEY },
        { "EAR and null at the root", { { "tee-pubkey", "null" } }, 1, VD_E_PASSPORT_TEE_KEY },
        { "EAR and tdx",
          { { "tdx", "{\"attester_runtime_data\":{\"tee-pubkey\":" TEE_JWK "}}" } },
          1,
          VD_E_PASSPORT_TEE_KEY },
        { "both tdx places",
          { { "submods", no_key },
            { "tdx", "{\"attester_runtime_data\":{\"tee-pubkey\":" TEE_JWK
                     "},\"attester_user_data\":{\"tee-pubkey\":" TEE_JWK "}}" } },
          2,
          VD_E_PASSPORT_TEE_KEY },
        { "all five",
          { { "tee-pubkey", TEE_JWK },
            { "customized_claims", "{\"runtime_data\":{\"tee-pubkey\":" TEE_JWK "}}" },
            { "tdx", "{\"attester_runtime_data\":{\"tee-pubkey\":" TEE_JWK
                     "},\"attester_user_data\":{\"tee-pubkey\":" TEE_JWK "}}" } },
          3,
          VD_E_PASSPORT_TEE_KEY },
        { "two devices disagree",
          { { "submods", (const char *)vd_buf_cstr(&two) } },
          1,
          VD_E_PASSPORT_TEE_KEY },
        { "two devices agree",
          { { "submods",
              "{\"cpu0\":" SUBMOD("snp", "affirming", "default", TEE_JWK) ",\"cpu1\":" SUBMOD(
                  "snp", "affirming", "default", TEE_JWK) "}" } },
          1,
          VD_E_OK },
        { "only under gpu0",
          { { "submods", "{\"gpu0\":" SUBMOD("snp", "affirming", "default", TEE_JWK) "}" } },
          1,
          VD_E_PASSPORT_TEE_KEY },
        { "an extension named tee-pubkey is no place",
          { { "ear.trustee.identifiers", "{\"tee-pubkey\":" TEE_JWK "}" } },
          1,
          VD_E_OK },
        { "init data that say tee-pubkey are no place",
          { { "init_data_claims", "{\"tee-pubkey\":" TEE_JWK "}" } },
          1,
          VD_E_OK },
        { "a string",
          { { "submods", no_key }, { "tee-pubkey", "\"x\"" } },
          2,
          VD_E_PASSPORT_TEE_KEY },
        { "oct",
          { { "submods", no_key },
            { "tee-pubkey", "{\"kty\":\"oct\",\"alg\":\"A256KW\",\"k\":\"AA\"}" } },
          2,
          VD_E_PASSPORT_TEE_KEY },
        { "without alg",
          { { "submods", no_key },
            { "tee-pubkey", "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f\",\"y\":\"g\"}" } },
          2,
          VD_E_PASSPORT_TEE_KEY },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect(rows[i].label, rows[i].want, rows[i].change, rows[i].n);
}

static void unusable_tee_key_is_kept_with_its_fault(void **state)
{
    (void)state;
    static const struct member rows[] = {
        { "submods",
          "{\"cpu0\":" SUBMOD("snp", "affirming", "default",
                              "{\"kty\":\"EC\",\"crv\":\"P-256\",\"alg\":\"ECDH-ES+A256KW\","
                              "\"x\":\"weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ\","
                              "\"y\":\"weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ\"}") "}" },
        { "submods",
          "{\"cpu0\":" SUBMOD("snp", "affirming", "default",
                              "{\"kty\":\"EC\",\"crv\":\"P-256\",\"alg\":\"ECDH-ES\","
                              "\"x\":\"weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ\","
                              "\"y\":\"e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck\"}") "}" },
        { "submods",
          "{\"cpu0\":" SUBMOD(
              "snp", "affirming", "default",
              "{\"kty\":\"RSA\",\"alg\":\"RSA1_5\",\"n\":\"AQAB\",\"e\":\"AQAB\"}") "}" },
        { "submods", "{\"cpu0\":" SUBMOD(
                         "snp", "affirming", "default",
                         "{\"kty\":\"AKP\",\"alg\":\"ML-KEM-768+A192KW\",\"pub\":\"AAAA\"}") "}" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        VD_AUTO(brk_passport_unref) struct brk_passport *p = NULL;
        VD_AUTO(free) char *token = token_of(&fx.key, &rows[i], 1);
        assert_ok(brk_accept(fx.trust, vd_span_str(token), &p, NULL));
        assert_null(p->tee_key);
        assert_true(p->tee_fault[0] != '\0');
    }
}

/* ---- header, keys, algorithms -------------------------------------------------------------------
 */

static void expect_header(const char *label, vd_code want, const struct mint *m, const char *header)
{
    VD_AUTO_BUF payload = vd_buf_of(65536);
    payload_of(NULL, 0, &payload);
    VD_AUTO(free) char *token = sign_text(m, header, vd_buf_span(&payload));
    vd_code got = code_of(fx.trust, token);
    if (got != want)
        print_error("%s: got %s, wanted %s\n", label, vd_error_row(got)->symbol,
                    want ? vd_error_row(want)->symbol : "OK");
    assert_int_equal(got, want);
}

static void header_variants_are_refused(void **state)
{
    (void)state;
    VD_AUTO_BUF jwk = vd_buf_of(8192);
    VD_AUTO_BUF foreign = vd_buf_of(8192);
    assert_ok(vd_key_to_jwk(fx.key.key, NULL, &jwk, NULL));
    assert_ok(vd_key_to_jwk(fx.stranger.key, NULL, &foreign, NULL));
    const char *kid = fx.key.thumbprint;
    const char *j = vd_buf_cstr(&jwk);
    const char *f = vd_buf_cstr(&foreign);
    struct {
        const char *label;
        vd_code want;
        vd_buf text;
    } rows[24] = { 0 };
    size_t n = 0;
#define ROW(label_, want_, ...)                                                                    \
    do {                                                                                           \
        rows[n].label = (label_);                                                                  \
        rows[n].want = (want_);                                                                    \
        rows[n].text = vd_buf_of(65536);                                                           \
        vd_buf_printf(&rows[n].text, __VA_ARGS__);                                                 \
        n++;                                                                                       \
    } while (0)
    ROW("kid alone", VD_E_OK, "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"%s\"}", kid);
    ROW("jwk alone", VD_E_OK, "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"jwk\":%s}", j);
    ROW("neither", VD_E_PASSPORT_KEY, "{\"alg\":\"ES256\",\"typ\":\"JWT\"}");
    ROW("typ missing", VD_E_PASSPORT, "{\"alg\":\"ES256\",\"kid\":\"%s\"}", kid);
    ROW("typ at+jwt", VD_E_PASSPORT, "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"%s\"}", kid);
    ROW("typ of a revocation", VD_E_PASSPORT,
        "{\"alg\":\"ES256\",\"typ\":\"vidimus-revocation+jwt\",\"kid\":\"%s\"}", kid);
    ROW("typ lower case", VD_E_PASSPORT, "{\"alg\":\"ES256\",\"typ\":\"jwt\",\"kid\":\"%s\"}", kid);
    ROW("typ a number", VD_E_PASSPORT, "{\"alg\":\"ES256\",\"typ\":1,\"kid\":\"%s\"}", kid);
    ROW("kid right, jwk of a stranger", VD_E_PASSPORT_KEY,
        "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"%s\",\"jwk\":%s}", kid, f);
    ROW("kid unknown, jwk right", VD_E_PASSPORT_KEY,
        "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"nobody\",\"jwk\":%s}", j);
    ROW("kid a number", VD_E_PASSPORT, "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":1}");
    ROW("jwk a string", VD_E_PASSPORT, "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"jwk\":\"x\"}");
    ROW("jku is no key", VD_E_PASSPORT_KEY,
        "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"jku\":\"https://evil.test/jwks\"}");
    ROW("x5u is no key", VD_E_PASSPORT_KEY,
        "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"x5u\":\"https://evil.test/c.pem\"}");
    ROW("x5c in the header is no key", VD_E_PASSPORT_KEY,
        "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"x5c\":[\"AAAA\"]}");
    ROW("crit", VD_E_PASSPORT,
        "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"%s\",\"crit\":[\"exp\"]}", kid);
    ROW("b64", VD_E_PASSPORT, "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"%s\",\"b64\":false}",
        kid);
    ROW("alg twice", VD_E_PASSPORT,
        "{\"alg\":\"ES256\",\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"%s\"}", kid);
    ROW("no alg", VD_E_PASSPORT, "{\"typ\":\"JWT\",\"kid\":\"%s\"}", kid);
    ROW("extra header members pass", VD_E_OK,
        "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"%s\",\"zz\":{\"a\":1}}", kid);
#undef ROW
    for (size_t i = 0; i < n; i++) {
        expect_header(rows[i].label, rows[i].want, &fx.key, vd_buf_cstr(&rows[i].text));
        vd_buf_done(&rows[i].text);
    }
}

static void stranger_with_any_header_is_refused(void **state)
{
    (void)state;
    VD_AUTO_BUF ours = vd_buf_of(8192);
    VD_AUTO_BUF header = vd_buf_of(65536);
    assert_ok(vd_key_to_jwk(fx.key.key, NULL, &ours, NULL));
    vd_buf_printf(&header, "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"jwk\":%s}", vd_buf_cstr(&ours));
    expect_header("stranger's signature under our jwk", VD_E_PASSPORT, &fx.stranger,
                  vd_buf_cstr(&header));
    expect_header("stranger's own header", VD_E_PASSPORT_KEY, &fx.stranger, NULL);
}

static void alg_none_in_any_case_is_refused(void **state)
{
    (void)state;
    static const char *const names[] = { "none",   "None",  "NONE",  "nOnE",
                                         "noNe",   "NoNe",  "nonE",  "nONE",
                                         "",       "null",  "es256", "ES256 ",
                                         " ES256", "Es256", "eS256", "ES256\\u0000" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        VD_AUTO_BUF head = vd_buf_of(1024);
        VD_AUTO_BUF body = vd_buf_of(65536);
        VD_AUTO_BUF token = vd_buf_of(1 << 17);
        vd_buf_printf(&head, "{\"alg\":\"%s\",\"typ\":\"JWT\",\"kid\":\"%s\"}", names[i],
                      fx.key.thumbprint);
        payload_of(NULL, 0, &body);
        vd_b64_encode(vd_buf_span(&head), VD_B64_URL, &token);
        vd_buf_u8(&token, '.');
        vd_b64_encode(vd_buf_span(&body), VD_B64_URL, &token);
        vd_buf_u8(&token, '.');
        assert_int_not_equal(code_of(fx.trust, vd_buf_cstr(&token)), VD_E_OK);
        vd_buf_str(&token, "AAAA");
        assert_int_not_equal(code_of(fx.trust, vd_buf_cstr(&token)), VD_E_OK);
    }
}

static void hmac_with_public_key_bytes_is_refused(void **state)
{
    (void)state;
    VD_AUTO_BUF jwk = vd_buf_of(8192);
    VD_AUTO_BUF pem = vd_buf_of(8192);
    assert_ok(vd_key_to_jwk(fx.key.key, NULL, &jwk, NULL));
    assert_ok(vd_key_to_pem_public(fx.key.key, &pem, NULL));
    const vd_span secrets[] = { vd_buf_span(&jwk), vd_buf_span(&pem), vd_buf_span(&fx.jwks),
                                VD_LIT("secret"), VD_SPAN_NONE };
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++) {
        uint8_t mac[VD_HASH_BYTES_MAX];
        VD_AUTO_BUF head = vd_buf_of(1024);
        VD_AUTO_BUF body = vd_buf_of(65536);
        VD_AUTO_BUF token = vd_buf_of(1 << 17);
        vd_buf_printf(&head, "{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"%s\"}",
                      fx.key.thumbprint);
        payload_of(NULL, 0, &body);
        vd_b64_encode(vd_buf_span(&head), VD_B64_URL, &token);
        vd_buf_u8(&token, '.');
        vd_b64_encode(vd_buf_span(&body), VD_B64_URL, &token);
        assert_ok(vd_hmac(VD_SHA256, secrets[i], vd_buf_span(&token), mac, NULL));
        vd_buf_u8(&token, '.');
        vd_b64_encode(vd_span_of(mac, 32), VD_B64_URL, &token);
        assert_int_equal(code_of(fx.trust, vd_buf_cstr(&token)), VD_E_PASSPORT_KEY);
    }
}

/* Keys of three types in one set, every header alg on every key: only the key's own alg holds. */
static void only_the_diagonal_of_algs_and_keys_is_accepted(void **state)
{
    (void)state;
    static const char *const algs[] = { "ES256", "ES384", "ES512", "EdDSA",
                                        "RS256", "PS256", "PS384" };
    struct mint keys[] = { mint_new(VD_KTY_P256, VD_SIG_ES256), mint_new(VD_KTY_P384, VD_SIG_ES384),
                           mint_new(VD_KTY_ED25519, VD_SIG_EDDSA) };
    const struct mint *list[] = { &keys[0], &keys[1], &keys[2] };
    VD_AUTO_BUF jwks = vd_buf_of(65536);
    jwks_of(list, 3, &jwks);
    struct brk_trust *t = trust_new(&fx.now_ns, NULL, 0);
    struct brk_issuer_spec spec = spec_of(vd_buf_span(&jwks));
    spec.algs = all;
    trust_entry(t, &spec);
    size_t accepted = 0;
    for (size_t k = 0; k < 3; k++) {
        for (size_t a = 0; a < sizeof algs / sizeof *algs; a++) {
            VD_AUTO_BUF head = vd_buf_of(1024);
            VD_AUTO_BUF body = vd_buf_of(65536);
            vd_buf_printf(&head, "{\"alg\":\"%s\",\"typ\":\"JWT\",\"kid\":\"%s\"}", algs[a],
                          keys[k].thumbprint);
            payload_of(NULL, 0, &body);
            VD_AUTO(free) char *token = sign_text(&keys[k], vd_buf_cstr(&head), vd_buf_span(&body));
            bool own = strcmp(algs[a], vd_jws_alg_name(keys[k].alg)) == 0;
            vd_code got = code_of(t, token);
            assert_int_equal(got == VD_E_OK, own);
            accepted += got == VD_E_OK;
        }
    }
    assert_int_equal(accepted, 3);
    brk_trust_free(t);
    for (size_t k = 0; k < 3; k++)
        mint_done(&keys[k]);
}

static void entry_allows_only_its_algs(void **state)
{
    (void)state;
    struct mint key = mint_new(VD_KTY_ED25519, VD_SIG_EDDSA);
    const struct mint *list[] = { &key };
    VD_AUTO_BUF jwks = vd_buf_of(65536);
    jwks_of(list, 1, &jwks);
    struct brk_trust *t = trust_new(&fx.now_ns, NULL, 0);
    struct brk_issuer_spec spec = spec_of(vd_buf_span(&jwks)); /* ES256 */
    trust_entry(t, &spec);
    VD_AUTO(free) char *token = token_of(&key, NULL, 0);
    assert_int_equal(code_of(t, token), VD_E_PASSPORT_KEY);
    brk_trust_free(t);
    mint_done(&key);
}

static void issuers_cannot_speak_for_one_another(void **state)
{
    (void)state;
    enum { N = 6 };
    struct mint key[N];
    struct brk_trust *t = trust_new(&fx.now_ns, NULL, 0);
    char name[N][16], iss[N][64], quoted[N][80];
    for (size_t i = 0; i < N; i++) {
        key[i] = mint_new(VD_KTY_P256, VD_SIG_ES256);
        VD_AUTO_BUF jwks = vd_buf_of(65536);
        VD_AUTO_BUF jwk = vd_buf_of(8192);
        assert_ok(vd_key_to_jwk(key[i].key, NULL, &jwk, NULL));
        /* The same kid everywhere: a kid means something within one issuer only. */
        vd_buf_printf(&jwks, "{\"keys\":[{\"kid\":\"k1\",%.*s]}", (int)jwk.n - 1,
                      (const char *)jwk.p + 1);
        (void)snprintf(name[i], sizeof name[i], "issuer-%zu", i);
        (void)snprintf(iss[i], sizeof iss[i], "https://issuer-%zu.test", i);
        (void)snprintf(quoted[i], sizeof quoted[i], "\"%s\"", iss[i]);
        struct brk_issuer_spec spec = spec_of(vd_buf_span(&jwks));
        spec.name = name[i];
        spec.issuer = iss[i];
        trust_entry(t, &spec);
    }
    for (size_t k = 0; k < N; k++) {
        for (size_t i = 0; i < N; i++) {
            const struct member change = { "iss", quoted[i] };
            VD_AUTO_BUF body = vd_buf_of(65536);
            payload_of(&change, 1, &body);
            VD_AUTO(free)
            char *token = sign_text(&key[k], "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"k1\"}",
                                    vd_buf_span(&body));
            assert_int_equal(code_of(t, token) == VD_E_OK, i == k);
            /* The standard header's kid is a thumbprint, which is no key's name here. */
            VD_AUTO(free) char *with_jwk = sign_text(&key[k], NULL, vd_buf_span(&body));
            assert_int_equal(code_of(t, with_jwk), VD_E_PASSPORT_KEY);
        }
    }
    brk_trust_free(t);
    for (size_t i = 0; i < N; i++)
        mint_done(&key[i]);
}

static void hostile_key_ids_are_refused(void **state)
{
    (void)state;
    static const char *const seeds[] = {
        "../../dev/null",
        "/etc/passwd",
        "' OR 1=1 --",
        "\\\"; DROP TABLE object; --",
        "\\u0000",
        "a\\u0000b",
        "%00",
        "..",
        ".",
        "*",
        "{{7*7}}",
        "${jndi:ldap://x}",
        "$(id)",
        "`id`",
        "|id",
        ";id",
        "\\n",
        "\\r\\n",
        "\\t",
        "\\ud83d\\ude00",
        "\\u202e",
        "\\u00e9",
        "file:///dev/null",
        "http://127.0.0.1/",
        "__proto__",
        "constructor",
        "true",
        "null",
        "0",
        "-1",
        "1e9",
        "NaN",
        "[]",
        "{}",
        "<script>",
        "AAAA",
        "=",
        "==",
        " ",
        "  ",
    };
    size_t n = 0;
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++) {
        for (size_t form = 0; form < 5; form++) {
            VD_AUTO_BUF head = vd_buf_of(4 << 20);
            VD_AUTO_BUF body = vd_buf_of(65536);
            VD_AUTO_BUF kid = vd_buf_of(1 << 20);
            vd_buf_printf(&kid, "%s%s%s", form == 2 ? "x" : "", seeds[i],
                          form == 1 ? fx.key.thumbprint : "");
            if (form == 3)
                for (size_t k = 0; k < 300; k++)
                    vd_buf_str(&kid, "a");
            if (form == 4)
                vd_buf_str(&kid, seeds[i]);
            vd_buf_printf(&head, "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"%s\"}",
                          vd_buf_cstr(&kid));
            payload_of(NULL, 0, &body);
            VD_AUTO(free) char *token = sign_text(&fx.key, vd_buf_cstr(&head), vd_buf_span(&body));
            vd_code got = code_of(fx.trust, token);
            assert_true(got == VD_E_PASSPORT_KEY || got == VD_E_PASSPORT);
            n++;
        }
    }
    print_message("hostile kids: %zu refused\n", n);
    assert_true(n >= 200);
}

static void truncation_and_every_flipped_byte_is_refused(void **state)
{
    (void)state;
    VD_AUTO(free) char *token = token_of(&fx.key, NULL, 0);
    size_t n = strlen(token);
    for (size_t i = 0; i < n; i++) {
        VD_AUTO(brk_passport_unref) struct brk_passport *p = NULL;
        vd_span cut = vd_test_guarded(vd_span_of(token, i));
        assert_int_not_equal(brk_accept(fx.trust, cut, &p, NULL).code, VD_E_OK);
        vd_test_guarded_free(cut);
    }
    for (size_t i = 0; i < n; i += 7) {
        VD_AUTO(free) char *copy = vd_strdup_span(vd_span_str(token));
        copy[i] = copy[i] == 'A' ? 'B' : 'A';
        if (strcmp(copy, token) != 0)
            assert_int_not_equal(code_of(fx.trust, copy), VD_E_OK);
    }
}

static void empty_and_oversized_tokens_are_refused(void **state)
{
    (void)state;
    VD_AUTO_BUF dots = vd_buf_of(2 << 20);
    for (size_t i = 0; i < 1 << 20; i++)
        vd_buf_u8(&dots, '.');
    assert_int_equal(code_of(fx.trust, ""), VD_E_NO_PASSPORT);
    assert_int_equal(code_of(fx.trust, vd_buf_cstr(&dots)), VD_E_PASSPORT);
    assert_int_equal(code_of(fx.trust, ".."), VD_E_PASSPORT);
    assert_int_equal(code_of(fx.trust, "a.b.c"), VD_E_PASSPORT);
}

/* ---- entries ------------------------------------------------------------------------------------
 */

static void other_products_need_assumed_freshness(void **state)
{
    (void)state;
    const struct member change[] = { { "vidimus", NULL }, { "jti", NULL }, { "nbf", NULL } };
    VD_AUTO(free) char *token = token_of(&fx.key, change, 3);
    struct brk_trust *t = trust_new(&fx.now_ns, NULL, 0);
    struct brk_issuer_spec spec = spec_of(vd_buf_span(&fx.jwks));
    spec.assume_freshness = "issuer-nonce";
    trust_entry(t, &spec);
    assert_int_equal(code_of(fx.trust, token), VD_E_PASSPORT);
    assert_int_equal(code_of(t, token), VD_E_OK);

    /* Trustee before v0.21 has no iss; only an entry that says so takes it. */
    const struct member no_iss[] = { { "vidimus", NULL }, { "iss", NULL } };
    VD_AUTO(free) char *old = token_of(&fx.key, no_iss, 2);
    assert_int_equal(code_of(t, old), VD_E_PASSPORT_ISSUER);
    spec.name = "old";
    spec.issuer = "";
    trust_entry(t, &spec);
    assert_int_equal(code_of(t, old), VD_E_OK);
    brk_trust_free(t);
}

static void another_product_is_held_to_tee_and_policy_ids(void **state)
{
    (void)state;
    struct brk_trust *t = trust_new(&fx.now_ns, NULL, 0);
    struct brk_issuer_spec spec = spec_of(vd_buf_span(&fx.jwks));
    spec.assume_freshness = "issuer-nonce";
    trust_entry(t, &spec);
    static const struct {
        const char *submods;
        vd_code want;
    } rows[] = {
        { "{\"cpu0\":" SUBMOD("snp", "affirming", "default", TEE_JWK) "}", VD_E_OK },
        { "{\"cpu0\":" SUBMOD("tdx", "affirming", "default", TEE_JWK) "}", VD_E_PASSPORT },
        { "{\"cpu0\":" SUBMOD("snp", "affirming", "mine", TEE_JWK) "}", VD_E_PASSPORT },
        { "{\"cpu0\":{\"ear.status\":\"affirming\",\"ear.appraisal-policy-id\":\"default\","
          "\"ear.veraison.annotated-evidence\":{\"snp\":{},\"sample\":{},\"runtime_data_claims\":{"
          "\"tee-pubkey\":" TEE_JWK "}}}}",
          VD_E_PASSPORT },
        { "{\"cpu0\":{\"ear.status\":\"affirming\",\"ear.appraisal-policy-id\":\"default\","
          "\"ear.veraison.annotated-evidence\":{\"runtime_data_claims\":{\"tee-pubkey\":" TEE_JWK
          "}}}}",
          VD_E_PASSPORT },
        { "{\"cpu0\":{\"ear.status\":\"affirming\",\"ear.veraison.annotated-evidence\":{\"snp\":{},"
          "\"runtime_data_claims\":{\"tee-pubkey\":" TEE_JWK "}}}}",
          VD_E_PASSPORT },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct member change[] = { { "vidimus", NULL }, { "submods", rows[i].submods } };
        VD_AUTO(free) char *token = token_of(&fx.key, change, 2);
        assert_int_equal(code_of(t, token), rows[i].want);
    }
    brk_trust_free(t);
}

static void policy_pinned_by_digest_needs_that_digest(void **state)
{
    (void)state;
    static const char *const right[] = { "default@" SHA, NULL };
    static const char *const wrong[] = {
        "default@1111111111111111111111111111111111111111111111111111111111111111", NULL
    };
    VD_AUTO(free) char *token = token_of(&fx.key, NULL, 0);
    for (int i = 0; i < 2; i++) {
        struct brk_trust *t = trust_new(&fx.now_ns, NULL, 0);
        struct brk_issuer_spec spec = spec_of(vd_buf_span(&fx.jwks));
        spec.policies = i == 0 ? right : wrong;
        trust_entry(t, &spec);
        assert_int_equal(code_of(t, token), i == 0 ? VD_E_OK : VD_E_PASSPORT);
        brk_trust_free(t);
    }
}

static void required_audience_refuses_passports_without(void **state)
{
    (void)state;
    static const char *const ours[] = { "me" };
    struct brk_trust *t = trust_new(&fx.now_ns, ours, 1);
    struct brk_issuer_spec spec = spec_of(vd_buf_span(&fx.jwks));
    spec.require_audience = true;
    trust_entry(t, &spec);
    const struct member aud = { "aud", "[\"me\"]" };
    VD_AUTO(free) char *with = token_of(&fx.key, &aud, 1);
    VD_AUTO(free) char *without = token_of(&fx.key, NULL, 0);
    assert_int_equal(code_of(t, without), VD_E_PASSPORT_AUDIENCE);
    assert_int_equal(code_of(t, with), VD_E_OK);
    brk_trust_free(t);

    /* With no audience configured any aud is for somebody else. */
    t = trust_new(&fx.now_ns, NULL, 0);
    spec.require_audience = false;
    trust_entry(t, &spec);
    assert_int_equal(code_of(t, with), VD_E_PASSPORT_AUDIENCE);
    brk_trust_free(t);
}

static void suspension_refuses_at_once_and_is_lifted(void **state)
{
    (void)state;
    VD_AUTO(free) char *token = token_of(&fx.key, NULL, 0);
    assert_int_equal(code_of(fx.trust, token), VD_E_OK); /* cached now */
    assert_ok(brk_trust_suspend(fx.trust, "main", true, 1, NULL));
    assert_int_equal(code_of(fx.trust, token), VD_E_ISSUER_SUSPENDED);
    assert_ok(brk_trust_suspend(fx.trust, "main", false, 2, NULL));
    assert_int_equal(code_of(fx.trust, token), VD_E_OK);
}

static void cache_dies_with_the_epoch_of_the_keys(void **state)
{
    (void)state;
    struct brk_trust_stats stats;
    VD_AUTO(free) char *token = token_of(&fx.key, NULL, 0);
    assert_int_equal(code_of(fx.trust, token), VD_E_OK);
    assert_int_equal(code_of(fx.trust, token), VD_E_OK);
    brk_trust_stats(fx.trust, &stats);
    assert_int_equal(stats.hits, 1);
    assert_int_equal(stats.accepted, 1);

    /* The issuer withdraws the key: a cached passport is worth nothing. */
    const struct mint *other[] = { &fx.stranger };
    VD_AUTO_BUF jwks = vd_buf_of(65536);
    jwks_of(other, 1, &jwks);
    VD_AUTO(brk_keyset_unref) struct brk_keyset *keys = NULL;
    assert_ok(brk_keyset_parse(vd_buf_span(&jwks), &keys, NULL));
    VD_AUTO(brk_trust_view_unref) struct brk_trust_view *view = brk_trust_view(fx.trust);
    uint64_t before = brk_trust_epoch(fx.trust);
    assert_ok(brk_trust_set_keys(fx.trust, view->row[0].issuer, keys, NULL));
    assert_int_equal(brk_trust_epoch(fx.trust), before + 1);
    assert_int_equal(code_of(fx.trust, token), VD_E_PASSPORT_KEY);

    /* The same keys again change nothing. */
    VD_AUTO(brk_keyset_unref) struct brk_keyset *again = NULL;
    assert_ok(brk_keyset_parse(vd_buf_span(&jwks), &again, NULL));
    assert_ok(brk_trust_set_keys(fx.trust, view->row[0].issuer, again, NULL));
    assert_int_equal(brk_trust_epoch(fx.trust), before + 1);
}

static void names_and_issuers_are_unique(void **state)
{
    (void)state;
    struct brk_trust_row row = { 0 };
    struct brk_issuer_spec spec = spec_of(vd_buf_span(&fx.jwks));
    assert_ok(brk_issuer_new(&spec, &row.issuer, &row.keys, NULL));
    assert_rc(VD_E_SETTING, brk_trust_add(fx.trust, &row, NULL));
    brk_issuer_unref(row.issuer);
    brk_keyset_unref(row.keys);
    spec.name = "another";
    row = (struct brk_trust_row){ 0 };
    assert_ok(brk_issuer_new(&spec, &row.issuer, &row.keys, NULL));
    assert_rc(VD_E_SETTING, brk_trust_add(fx.trust, &row, NULL));
    brk_issuer_unref(row.issuer);
    brk_keyset_unref(row.keys);
}

static void releases_of_one_passport_are_counted_by_the_minute(void **state)
{
    (void)state;
    VD_AUTO(brk_passport_unref) struct brk_passport *p = NULL;
    VD_AUTO(free) char *token = token_of(&fx.key, NULL, 0);
    assert_ok(brk_accept(fx.trust, vd_span_str(token), &p, NULL));
    for (int i = 0; i < 5; i++)
        assert_ok(brk_passport_count(p, NOW, 5, NULL));
    assert_rc(VD_E_RATE, brk_passport_count(p, NOW + 1, 5, NULL));
    assert_ok(brk_passport_count(p, NOW + 60, 5, NULL));
}

static void cache_holds_its_bound(void **state)
{
    (void)state;
    /* More passports than one set has places: the oldest are checked again, none is lost or wrong.
     */
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < 200; i++) {
            char jti[32];
            (void)snprintf(jti, sizeof jti, "\"many-%zu\"", i);
            const struct member change = { "jti", jti };
            expect("many", VD_E_OK, &change, 1);
        }
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fresh, fresh_done)
    const struct CMUnitTest tests[] = {
        T(standard_passport_is_accepted_and_read),
        T(times_of_wrong_type_or_missing_are_refused),
        T(clock_edges_hold),
        T(cached_passport_still_expires),
        T(lifetime_is_capped),
        T(other_claims_wrong_or_missing_are_refused),
        T(tee_key_must_be_at_one_place),
        T(unusable_tee_key_is_kept_with_its_fault),
        T(header_variants_are_refused),
        T(stranger_with_any_header_is_refused),
        T(alg_none_in_any_case_is_refused),
        T(hmac_with_public_key_bytes_is_refused),
        T(only_the_diagonal_of_algs_and_keys_is_accepted),
        T(entry_allows_only_its_algs),
        T(issuers_cannot_speak_for_one_another),
        T(hostile_key_ids_are_refused),
        T(truncation_and_every_flipped_byte_is_refused),
        T(empty_and_oversized_tokens_are_refused),
        T(other_products_need_assumed_freshness),
        T(another_product_is_held_to_tee_and_policy_ids),
        T(policy_pinned_by_digest_needs_that_digest),
        T(required_audience_refuses_passports_without),
        T(suspension_refuses_at_once_and_is_lifted),
        T(cache_dies_with_the_epoch_of_the_keys),
        T(names_and_issuers_are_unique),
        T(releases_of_one_passport_are_counted_by_the_minute),
        T(cache_holds_its_bound),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
