/* KBS messages, report data vectors, resource names and the EAR tiers (spec: KBS protocol 0.4.0,
 * 0.2.0). */
#include "tests/support/support.h"

#include <string.h>

#include "shared/codec/b64.h"
#include "shared/codec/json.h"
#include "shared/wire/ear.h"
#include "shared/wire/kbs.h"
#include "shared/wire/resource.h"

#define NONCE "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define KEY                                                                                        \
    "{\"kty\":\"EC\",\"crv\":\"P-256\",\"alg\":\"ECDH-ES+A256KW\","                                \
    "\"x\":\"weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ\",\"more\":{\"dropped\":1},"              \
    "\"y\":\"e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck\"}"

static struct vd_json *parse(const char *text)
{
    struct vd_json *j = NULL;
    assert_ok(vd_json_parse(vd_span_str(text), VD_JSON_LIMITS(1u << 16), &j, NULL));
    return j;
}

static void report_data_equals_the_published_vectors(void **state)
{
    (void)state;
    static const struct {
        const char *additional; /* NULL: no member */
        const char *sha384;
    } cases[] = {
        { NULL, "aa29da4707a36a4cdb112f5ba622c8d08443b311fd3985eb197711c8fa3db695fbc4c0d05ec867f41e"
                "656490aee5120d" },
        { "", "d59c5ca13c55df86b2fc4ce983ae8f26d00a1082f3acf26d7b077c4a7a264e44b4b1f8cce97801cfba20"
              "2e3197d053ef" },
        { "{\"sampledevice\":{\"svn\":\"2\",\"report_data\":\"QUJD\"}}",
          "8527583dfaabc87209387a858cc49d012257befe91d20e896d9df726e63ccfc2d8aaebdc52243b01c5ec2abd"
          "3dc81e9d" },
    };
    VD_AUTO(vd_json_free) struct vd_json *key = parse(KEY);
    VD_AUTO_BUF canonical = vd_buf_of(1024);
    assert_ok(vd_kbs_tee_key_canonical(vd_json_root(key), &canonical, NULL));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t digest[VD_HASH_BYTES_MAX];
        vd_span additional = vd_span_str(cases[i].additional);
        assert_ok(vd_kbs_report_data(VD_SHA384, VD_LIT(NONCE), vd_buf_span(&canonical),
                                     cases[i].additional ? &additional : NULL, digest, NULL));
        VD_AUTO_BUF hex = vd_buf_of(128);
        vd_hex_encode(vd_span_of(digest, 48), &hex);
        assert_span_str(vd_buf_span(&hex), cases[i].sha384);
    }
}

static void tee_keys_of_other_shapes_are_refused(void **state)
{
    (void)state;
    static const char *const refused[] = {
        "{}",
        "[]",
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"a\",\"y\":\"b\"}",
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"alg\":\"a\",\"x\":\"a\"}",
        "{\"kty\":\"EC\",\"crv\":1,\"alg\":\"a\",\"x\":\"a\",\"y\":\"b\"}",
        "{\"kty\":\"ec\",\"crv\":\"P-256\",\"alg\":\"a\",\"x\":\"a\",\"y\":\"b\"}",
        "{\"kty\":\"oct\",\"k\":\"a\",\"alg\":\"a\"}",
        "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"a\",\"alg\":\"a\"}",
        "{\"kty\":\"RSA\",\"alg\":\"a\",\"n\":\"a\"}",
        "{\"kty\":\"AKP\",\"alg\":\"a\"}",
    };
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        VD_AUTO(vd_json_free) struct vd_json *j = parse(refused[i]);
        VD_AUTO_BUF out = vd_buf_of(256);
        assert_rc(VD_E_TEE_KEY_SHAPE, vd_kbs_tee_key_canonical(vd_json_root(j), &out, NULL));
    }
}

static void requests_get_exactly_the_answer_that_the_protocol_wants(void **state)
{
    (void)state;
#define REQUEST(version, tee, extra)                                                               \
    "{\"version\":" version ",\"tee\":" tee ",\"extra-params\":" extra "}"
    static const struct {
        const char *name;
        const char *body;
        vd_code want;
        int version;
        const char *tee;
    } cases[] = {
        { "current client",
          REQUEST("\"0.4.0\"", "\"snp\"", "{\"supported-hash-algorithms\":[\"sha384\"]}"), VD_E_OK,
          4, "snp" },
        { "older client", REQUEST("\"0.2.0\"", "\"tdx\"", "\"\""), VD_E_OK, 2, "tdx" },
        { "null extra", REQUEST("\"0.4.0\"", "\"sample\"", "null"), VD_E_OK, 4, "sample" },
        { "build suffix", REQUEST("\"0.4.0+build.5\"", "\"sample\"", "\"\""), VD_E_OK, 4,
          "sample" },
        { "azure old spelling", REQUEST("\"0.4.0\"", "\"azsnpvtpm\"", "\"\""), VD_E_OK, 4,
          "az-snp-vtpm" },
        { "dpu alias", REQUEST("\"0.4.0\"", "\"nvidiadpu\"", "\"\""), VD_E_OK, 4, "nvidia-dpu" },
        { "unknown member passes",
          "{\"version\":\"0.4.0\",\"tee\":\"csv\",\"extra-params\":0,\"new\":[]}", VD_E_OK, 4,
          "csv" },
        { "prerelease is another version", REQUEST("\"0.4.0-rc1\"", "\"sample\"", "\"\""),
          VD_E_KBS_VERSION, 0, NULL },
        { "0.1.0", REQUEST("\"0.1.0\"", "\"sample\"", "\"\""), VD_E_KBS_VERSION, 0, NULL },
        { "0.4.1", REQUEST("\"0.4.1\"", "\"sample\"", "\"\""), VD_E_KBS_VERSION, 0, NULL },
        { "two numbers", REQUEST("\"0.4\"", "\"sample\"", "\"\""), VD_E_KBS_VERSION_SYNTAX, 0,
          NULL },
        { "letter v", REQUEST("\"v0.4.0\"", "\"sample\"", "\"\""), VD_E_KBS_VERSION_SYNTAX, 0,
          NULL },
        { "leading zero", REQUEST("\"0.04.0\"", "\"sample\"", "\"\""), VD_E_KBS_VERSION_SYNTAX, 0,
          NULL },
        { "empty version", REQUEST("\"\"", "\"sample\"", "\"\""), VD_E_KBS_VERSION_SYNTAX, 0,
          NULL },
        { "blank behind", REQUEST("\"0.4.0 \"", "\"sample\"", "\"\""), VD_E_KBS_VERSION_SYNTAX, 0,
          NULL },
        { "version is a number", REQUEST("4", "\"sample\"", "\"\""), VD_E_AUTH_BODY, 0, NULL },
        { "upper case tee", REQUEST("\"0.4.0\"", "\"SNP\"", "\"\""), VD_E_TEE_UNKNOWN, 0, NULL },
        { "sev is gone", REQUEST("\"0.4.0\"", "\"sev\"", "\"\""), VD_E_TEE_UNKNOWN, 0, NULL },
        { "tee is null", REQUEST("\"0.4.0\"", "null", "\"\""), VD_E_AUTH_BODY, 0, NULL },
        { "no extra-params", "{\"version\":\"0.4.0\",\"tee\":\"snp\"}", VD_E_AUTH_BODY, 0, NULL },
        { "array", "[\"0.4.0\",\"sample\",\"\"]", VD_E_AUTH_BODY, 0, NULL },
        { "audience", REQUEST("\"0.4.0\"", "\"snp\"", "{\"vidimus-audience\":[\"a\",\"b\"]}"),
          VD_E_OK, 4, "snp" },
        { "no audience in the array", REQUEST("\"0.4.0\"", "\"snp\"", "{\"vidimus-audience\":[]}"),
          VD_E_AUDIENCE, 0, NULL },
        { "empty audience", REQUEST("\"0.4.0\"", "\"snp\"", "{\"vidimus-audience\":[\"\"]}"),
          VD_E_AUDIENCE, 0, NULL },
        { "five audiences",
          REQUEST("\"0.4.0\"", "\"snp\"", "{\"vidimus-audience\":[\"a\",\"b\",\"c\",\"d\",\"e\"]}"),
          VD_E_AUDIENCE, 0, NULL },
        { "audience with a line end",
          REQUEST("\"0.4.0\"", "\"snp\"", "{\"vidimus-audience\":[\"a\\n\"]}"), VD_E_AUDIENCE, 0,
          NULL },
        { "audience is a number", REQUEST("\"0.4.0\"", "\"snp\"", "{\"vidimus-audience\":7}"),
          VD_E_AUDIENCE, 0, NULL },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        VD_AUTO(vd_json_free) struct vd_json *j = parse(cases[i].body);
        struct vd_kbs_request r;
        vd_err err = { 0 };
        vd_rc_ rc = vd_kbs_request_parse(vd_json_root(j), &r, &err);
        if (rc.code != cases[i].want)
            print_error("%s\n", cases[i].name);
        assert_int_equal(rc.code, cases[i].want);
        if (rc.code == VD_E_OK) {
            assert_int_equal(r.version, cases[i].version);
            assert_string_equal(r.tee, cases[i].tee);
        }
        if (rc.code == VD_E_KBS_VERSION)
            assert_true(err.client_version[0] == '0');
    }
}

#define ATTEST(init, runtime, primary, additional)                                                 \
    "{\"init-data\":" init ",\"runtime-data\":" runtime                                            \
    ",\"tee-evidence\":{\"primary_evidence\":" primary ",\"additional_evidence\":" additional "}}"
#define RUNTIME "{\"nonce\":\"n\",\"tee-pubkey\":{}}"

static void attestations_must_have_the_shape_of_their_version(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *body;
        enum vd_kbs_version version;
        vd_code want;
        size_t devices;
    } cases[] = {
        { "plain", ATTEST("null", RUNTIME, "{}", "\"\""), VD_KBS_0_4_0, VD_E_OK, 0 },
        { "no init-data",
          "{\"runtime-data\":" RUNTIME
          ",\"tee-evidence\":{\"primary_evidence\":1,\"additional_evidence\":\"\"}}",
          VD_KBS_0_4_0, VD_E_OK, 0 },
        { "init data", ATTEST("{\"format\":\"toml\",\"body\":\"\"}", RUNTIME, "{}", "\"\""),
          VD_KBS_0_4_0, VD_E_OK, 0 },
        { "init data as json", ATTEST("{\"format\":\"json\",\"body\":\"\"}", RUNTIME, "{}", "\"\""),
          VD_KBS_0_4_0, VD_E_INIT_DATA_SYNTAX, 0 },
        { "init data without body", ATTEST("{\"format\":\"toml\"}", RUNTIME, "{}", "\"\""),
          VD_KBS_0_4_0, VD_E_ATTEST_BODY, 0 },
        { "no devices", ATTEST("null", RUNTIME, "{}", "\"{}\""), VD_KBS_0_4_0, VD_E_OK, 0 },
        { "two devices",
          ATTEST("null", RUNTIME, "{}", "\"{\\\"sampledevice\\\":{},\\\"nvidia\\\":1}\""),
          VD_KBS_0_4_0, VD_E_OK, 2 },
        { "repeated device",
          ATTEST("null", RUNTIME, "{}", "\"{\\\"nvidia\\\":{},\\\"nvidia\\\":1}\""), VD_KBS_0_4_0,
          VD_E_ATTEST_BODY, 0 },
        { "device by alias",
          ATTEST("null", RUNTIME, "{}", "\"{\\\"dpu\\\":{},\\\"nvidiadpu\\\":1}\""), VD_KBS_0_4_0,
          VD_E_ATTEST_BODY, 0 },
        { "unknown device", ATTEST("null", RUNTIME, "{}", "\"{\\\"abacus\\\":{}}\""), VD_KBS_0_4_0,
          VD_E_ATTEST_BODY, 0 },
        { "additional is a blank", ATTEST("null", RUNTIME, "{}", "\" \""), VD_KBS_0_4_0,
          VD_E_ATTEST_BODY, 0 },
        { "additional is an array", ATTEST("null", RUNTIME, "{}", "\"[]\""), VD_KBS_0_4_0,
          VD_E_ATTEST_BODY, 0 },
        { "additional is an object", ATTEST("null", RUNTIME, "{}", "{}"), VD_KBS_0_4_0,
          VD_E_ATTEST_BODY, 0 },
        { "no nonce", ATTEST("null", "{\"tee-pubkey\":{}}", "{}", "\"\""), VD_KBS_0_4_0,
          VD_E_ATTEST_BODY, 0 },
        { "no key", ATTEST("null", "{\"nonce\":\"n\"}", "{}", "\"\""), VD_KBS_0_4_0,
          VD_E_ATTEST_BODY, 0 },
        { "old shape", "{\"tee-pubkey\":{},\"tee-evidence\":{}}", VD_KBS_0_2_0, VD_E_OK, 0 },
        { "old shape in a new session", "{\"tee-pubkey\":{},\"tee-evidence\":{}}", VD_KBS_0_4_0,
          VD_E_ATTEST_BODY, 0 },
        { "new shape in an old session", ATTEST("null", RUNTIME, "{}", "\"\""), VD_KBS_0_2_0,
          VD_E_ATTEST_BODY, 0 },
        { "array", "[]", VD_KBS_0_4_0, VD_E_ATTEST_BODY, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        VD_AUTO(vd_json_free) struct vd_json *j = parse(cases[i].body);
        struct vd_kbs_attestation a;
        vd_rc_ rc = vd_kbs_attestation_parse(vd_json_root(j), cases[i].version, &a, NULL);
        if (rc.code != cases[i].want)
            print_error("%s\n", cases[i].name);
        assert_int_equal(rc.code, cases[i].want);
        if (rc.code == VD_E_OK) {
            assert_int_equal(a.n_devices, cases[i].devices);
            vd_kbs_attestation_done(&a);
        }
    }
}

static void resource_names_follow_the_table_of_the_protocol(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        vd_code want;
    } cases[] = {
        { "default/1/2", VD_E_OK },
        { "kbs:///a/b/c", VD_E_OK },
        { "1.ok/2ok./3...", VD_E_OK },
        { "-a/_b/-c", VD_E_OK },
        { "/1/2", VD_E_RESOURCE_PATH },
        { "/repo/type/tag", VD_E_RESOURCE_PATH },
        { "1/2", VD_E_RESOURCE_PATH },
        { "a/b/c/d", VD_E_RESOURCE_PATH },
        { "a/b/c/", VD_E_RESOURCE_PATH },
        { ".1/ok/ok", VD_E_RESOURCE_PATH },
        { "ok/.ok/ok", VD_E_RESOURCE_PATH },
        { "ok/ok/..", VD_E_RESOURCE_PATH },
        { "a/b/c d", VD_E_RESOURCE_PATH },
        { "a/b/c%2f", VD_E_RESOURCE_PATH },
        { "a/b/\xc3\xa9", VD_E_RESOURCE_PATH },
        { "a//c", VD_E_RESOURCE_PATH },
        { "", VD_E_RESOURCE_PATH },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct vd_resource_id id;
        vd_rc_ rc = vd_resource_id_parse(vd_span_str(cases[i].text), &id, NULL);
        if (rc.code != cases[i].want)
            print_error("%s\n", cases[i].text);
        assert_int_equal(rc.code, cases[i].want);
    }
    struct vd_resource_id id;
    char name[VD_RESOURCE_NAME];
    assert_ok(vd_resource_id_parse(VD_LIT("kbs:///a/b/c"), &id, NULL));
    vd_resource_id_name(&id, name);
    assert_string_equal(name, "a/b/c");
    char longest[VD_RESOURCE_SEGMENT_MAX + 2];
    memset(longest, 'a', sizeof longest);
    assert_ok(vd_resource_id_of(VD_LIT("a"), VD_LIT("b"),
                                vd_span_of(longest, VD_RESOURCE_SEGMENT_MAX), &id, NULL));
    assert_rc(VD_E_RESOURCE_PATH,
              vd_resource_id_of(VD_LIT("a"), VD_LIT("b"), vd_span_of(longest, sizeof longest), &id,
                                NULL));
}

static void trust_tiers_have_their_bounds(void **state)
{
    (void)state;
    static const struct {
        int value;
        enum vd_ear_tier want;
    } cases[] = {
        { -128, VD_EAR_CONTRAINDICATED },
        { -97, VD_EAR_CONTRAINDICATED },
        { -96, VD_EAR_WARNING },
        { -33, VD_EAR_WARNING },
        { -32, VD_EAR_AFFIRMING },
        { -2, VD_EAR_AFFIRMING },
        { -1, VD_EAR_NONE },
        { 0, VD_EAR_NONE },
        { 1, VD_EAR_NONE },
        { 2, VD_EAR_AFFIRMING },
        { 31, VD_EAR_AFFIRMING },
        { 32, VD_EAR_WARNING },
        { 95, VD_EAR_WARNING },
        { 96, VD_EAR_CONTRAINDICATED },
        { 127, VD_EAR_CONTRAINDICATED },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(vd_ear_tier_of((int8_t)cases[i].value), cases[i].want);
    for (int i = 0; i < VD_EAR_CLAIM_MAX; i++)
        assert_int_equal(vd_ear_claim_by_name(vd_span_str(vd_ear_claim_name((enum vd_ear_claim)i))),
                         i);
    assert_int_equal(vd_ear_claim_by_name(VD_LIT("hardwar")), -1);
    assert_int_equal(vd_ear_tier_by_name(VD_LIT("affirming")), VD_EAR_AFFIRMING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(report_data_equals_the_published_vectors),
        cmocka_unit_test(tee_keys_of_other_shapes_are_refused),
        cmocka_unit_test(requests_get_exactly_the_answer_that_the_protocol_wants),
        cmocka_unit_test(attestations_must_have_the_shape_of_their_version),
        cmocka_unit_test(resource_names_follow_the_table_of_the_protocol),
        cmocka_unit_test(trust_tiers_have_their_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
