/* The release decision: Trustee's documents, results that are no `true`, scope of an issuer,
 * versions of the policy, explanations, and the seal. */
#include "tests/support/support.h"

#include "broker/release/decide.h"
#include "broker/release/explain.h"
#include "broker/release/seal.h"
#include "tests/unit/broker/mint.h"

static const char builtin[] = "package policy\nimport rego.v1\ndefault allow := false\n"
                              "allow if input.submods.cpu0[\"ear.status\"] == \"affirming\"\n";

struct fixture {
    struct mint key;
    int64_t now_ns;
    struct brk_trust *trust;
    struct brk_passport *passport;
    struct vd_store *store;
    struct brk_policies *policies;
};

static struct fixture fx;

static int setup(void **state)
{
    (void)state;
    static const uint8_t root[32] = { 7 };
    static const char *const repos[] = { "default", NULL };
    assert_ok(vd_base_init(NULL));
    fx.now_ns = (int64_t)NOW * 1000000000;
    fx.key = mint_new(VD_KTY_P256, VD_SIG_ES256);
    const struct mint *keys[] = { &fx.key };
    VD_AUTO_BUF jwks = vd_buf_of(65536);
    jwks_of(keys, 1, &jwks);
    fx.trust = trust_new(&fx.now_ns, NULL, 0);
    struct brk_issuer_spec spec = spec_of(vd_buf_span(&jwks));
    spec.repositories = repos;
    trust_entry(fx.trust, &spec);
    VD_AUTO(free) char *token = token_of(&fx.key, NULL, 0);
    assert_ok(brk_accept(fx.trust, vd_span_str(token), &fx.passport, NULL));

    VD_AUTO(free) char *dir = vd_test_dir("decide");
    VD_AUTO_BUF path = vd_buf_of(4096);
    vd_buf_printf(&path, "%s/store.db", dir);
    const struct vd_store_cfg cfg = { vd_buf_cstr(&path), "broker", root };
    assert_ok(vd_store_create(&cfg, NULL));
    assert_ok(vd_store_open(&cfg, &fx.store, NULL));
    assert_ok(
        brk_policies_new(fx.store, NULL, &test_limits, vd_span_str(builtin), &fx.policies, NULL));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    brk_policies_free(fx.policies);
    vd_store_close(fx.store);
    brk_passport_unref(fx.passport);
    brk_trust_free(fx.trust);
    mint_done(&fx.key);
    return 0;
}

static void store(const char *kind, const char *name, const char *body, bool sealed)
{
    struct vd_put put = {
        .owner = VD_OWNER_DEFAULT,
        .kind = kind,
        .name = name,
        .body = vd_span_str(body),
        .sealed = sealed,
        .remove = body == NULL,
        .match = VD_MATCH_ANY,
        .by = "test",
        .now = NOW,
    };
    assert_ok(vd_store_put(fx.store, &put, 1, 1, NULL));
}

static vd_code decide(const char *repo, const char *query, struct brk_policy_use *use, vd_err *err)
{
    struct vd_resource_id id;
    assert_ok(vd_resource_id_of(vd_span_str(repo), VD_LIT("key"), VD_LIT("1"), &id, NULL));
    const struct brk_ask ask = { fx.passport, &id, VD_OWNER_DEFAULT, vd_span_str(query),
                                 fx.now_ns };
    return brk_decide(fx.policies, &test_limits, &ask, use, err).code;
}

static vd_code decide_once(const char *repo, const char *query)
{
    struct brk_policy_use use = { 0 };
    vd_code code = decide(repo, query, &use, NULL);
    brk_policy_use_done(&use);
    return code;
}

static void data_document_is_trustees(void **state)
{
    (void)state;
    static const struct {
        const char *query;
        const char *want; /* NULL: refused */
    } rows[] = {
        { "", "{}" },
        { "k=v", "{\"k\":\"v\"}" },
        { "k", "{\"k\":\"\"}" },
        { "k=", "{\"k\":\"\"}" },
        { "a=1&b=2", "{\"a\":\"1\",\"b\":\"2\"}" },
        { "&&a=1&", "{\"a\":\"1\"}" },
        { "k=%76", "{\"k\":\"v\"}" },
        { "k=a+b", "{\"k\":\"a b\"}" },
        { "k=%zz", "{\"k\":\"%zz\"}" },
        { "k=%", "{\"k\":\"%\"}" },
        { "k=%4", "{\"k\":\"%4\"}" },
        { "k=a=b", "{\"k\":\"a=b\"}" },
        { "=v", "{\"\":\"v\"}" },
        { "%6b=v", "{\"k\":\"v\"}" },
        { "k=%22%5c", "{\"k\":\"\\\"\\\\\"}" },
        { "k=1&k=2", NULL },
        { "k=1&%6b=2", NULL },
        { "k&k", NULL },
        { "%ff=1&%fe=2", NULL },
        { "k=%00", NULL },
    };
    struct vd_resource_id id;
    assert_ok(vd_resource_id_parse(VD_LIT("r/t/a.b"), &id, NULL));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        VD_AUTO_BUF out = vd_buf_of(4096);
        VD_AUTO_BUF want = vd_buf_of(4096);
        vd_rc_ rc = brk_data_document(&id, vd_span_str(rows[i].query), &out, NULL);
        if (!rows[i].want) {
            assert_int_equal(rc.code, VD_E_BAD_TARGET);
            continue;
        }
        vd_buf_printf(
            &want, "{\"plugin\":\"resource\",\"resource-path\":[\"r\",\"t\",\"a.b\"],\"query\":%s}",
            rows[i].want);
        assert_span_str(vd_buf_span(&out), vd_buf_cstr(&want));
    }
}

static void query_of_invalid_utf8_stays_json(void **state)
{
    (void)state;
    struct vd_resource_id id;
    VD_AUTO_BUF out = vd_buf_of(4096);
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    assert_ok(vd_resource_id_parse(VD_LIT("r/t/a"), &id, NULL));
    assert_ok(brk_data_document(&id, VD_LIT("k=%ff%fe&%c3=1"), &out, NULL));
    assert_ok(vd_json_parse(vd_buf_span(&out), VD_JSON_LIMITS(out.n), &doc, NULL));
}

static void only_a_true_is_a_yes(void **state)
{
    (void)state;
    static const struct {
        const char *label;
        const char *rego;
        vd_code want;
    } rows[] = {
        { "true", "package policy\nallow := true\n", VD_E_OK },
        { "false", "package policy\nallow := false\n", VD_E_POLICY_DENY },
        { "a string", "package policy\nallow := \"true\"\n", VD_E_POLICY_DENY },
        { "a number", "package policy\nallow := 1\n", VD_E_POLICY_DENY },
        { "null", "package policy\nallow := null\n", VD_E_POLICY_DENY },
        { "an array", "package policy\nallow := [true]\n", VD_E_POLICY_DENY },
        { "an object", "package policy\nallow := {\"a\":true}\n", VD_E_POLICY_DENY },
        { "a set", "package policy\nallow contains true if 1 == 1\n", VD_E_POLICY_DENY },
        { "no rule", "package policy\nx := true\n", VD_E_POLICY_DENY },
        { "undefined", "package policy\nallow if input.nothing\n", VD_E_POLICY_DENY },
        { "other package", "package other\nallow := true\n", VD_E_POLICY_DENY },
        { "default true", "package policy\ndefault allow := true\n", VD_E_OK },
        { "data.plugin and path",
          "package policy\nallow if { data.plugin == \"resource\"; data[\"resource-path\"] == "
          "[\"default\",\"key\",\"1\"] }\n",
          VD_E_OK },
        { "query", "package policy\nallow if data.query.k == \"v\"\n", VD_E_POLICY_DENY },
        { "input is the whole payload",
          "package policy\nallow if { input.iss == \"https://issuer.test\"; input.vidimus.v == 1 "
          "}\n",
          VD_E_OK },
        { "time is a parameter", "package policy\nallow if time.now_ns() == 1800000000000000000\n",
          VD_E_OK },
        { "conflict, the yes first", "package policy\nallow := true\nallow := false\n",
          VD_E_POLICY_EVAL },
        { "conflict, the no first", "package policy\nallow := false\nallow := true\n",
          VD_E_POLICY_EVAL },
        { "conflict of constants, the no first",
          "package policy\nallow := false if 1 == 1\nallow := true if 1 == 1\n", VD_E_POLICY_EVAL },
        { "conflict of constants, the yes first",
          "package policy\nallow := true if 1 == 1\nallow := false if 1 == 1\n", VD_E_POLICY_EVAL },
        { "conflict under conditions",
          "package policy\nallow := false if input.iss\nallow := true if input.iss\n",
          VD_E_POLICY_EVAL },
        { "reference values are not known here",
          "package policy\nallow if query_reference_value(\"x\") == null\n", VD_E_POLICY_EVAL },
    };
    size_t bad = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        store(BRK_KIND_POLICY, BRK_POLICY_ID, rows[i].rego, false);
        vd_code got = decide_once("default", "");
        if (got != rows[i].want)
            print_error("%s: got %s\n", rows[i].label, vd_error_row(got)->symbol);
        bad += got != rows[i].want;
    }
    assert_int_equal(bad, 0);
    store(BRK_KIND_POLICY, BRK_POLICY_ID, "package policy\nallow if data.query.k == \"v\"\n",
          false);
    assert_int_equal(decide_once("default", "k=v"), VD_E_OK);
}

static void repositories_of_the_issuer_come_before_the_policy(void **state)
{
    (void)state;
    store(BRK_KIND_POLICY, BRK_POLICY_ID, "package policy\nallow := true\n", false);
    assert_int_equal(decide_once("default", ""), VD_E_OK);
    assert_int_equal(decide_once("other", ""), VD_E_PASSPORT_SCOPE);
}

static void built_in_policy_holds_until_one_is_stored_and_after_it_is_deleted(void **state)
{
    (void)state;
    struct brk_policy_use use = { 0 };
    bool still = true;
    store(BRK_KIND_POLICY, BRK_POLICY_ID, "package policy\nallow := false\n", false);
    assert_int_equal(decide_once("default", ""), VD_E_POLICY_DENY);
    store(BRK_KIND_POLICY, BRK_POLICY_ID, NULL, false);
    assert_int_equal(decide("default", "", &use, NULL), VD_E_OK);
    assert_int_equal(use.version, 0);

    /* A secret that is stored changes nothing; another policy does. */
    store(BRK_KIND_SECRET, "default/key/1", "x", true);
    assert_ok(brk_policies_still(fx.policies, VD_OWNER_DEFAULT, &use, &still, NULL));
    assert_true(still);
    store(BRK_KIND_POLICY, BRK_POLICY_ID, "package policy\nallow := false\n", false);
    assert_ok(brk_policies_still(fx.policies, VD_OWNER_DEFAULT, &use, &still, NULL));
    assert_false(still);
    brk_policy_use_done(&use);
}

static void stored_text_that_does_not_compile_denies(void **state)
{
    (void)state;
    store(BRK_KIND_POLICY, BRK_POLICY_ID, "this is not rego {", false);
    assert_int_equal(decide_once("default", ""), VD_E_POLICY_EVAL);
}

static void other_owner_without_policy_releases_nothing(void **state)
{
    (void)state;
    struct brk_policy_use use = { 0 };
    assert_rc(VD_E_POLICY_DENY, brk_policies_get(fx.policies, "somebody", &use, NULL));
}

static void explanation_names_what_does_not_hold(void **state)
{
    (void)state;
    const struct member change[] = {
        { "submods",
          "{\"cpu0\":{\"ear.status\":\"contraindicated\",\"ear.trustworthiness-vector\":{"
          "\"executables\":33,"
          "\"hardware\":2,\"configuration\":2},\"ear.appraisal-policy-id\":\"default\","
          "\"ear.veraison.annotated-evidence\":{\"snp\":{\"measurement\":\"ab01\"},\"runtime_data_"
          "claims\":{"
          "\"tee-pubkey\":" TEE_JWK "}},\"vidimus\":{\"tee\":\"snp\",\"debug\":true}}}" },
    };
    VD_AUTO(brk_passport_unref) struct brk_passport *p = NULL;
    VD_AUTO(free) char *token = token_of(&fx.key, change, 1);
    VD_AUTO_BUF out = vd_buf_of(65536);
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    struct vd_resource_id id;
    vd_err why = { .code = VD_E_POLICY_DENY, .msg = "allow is false" };
    assert_ok(brk_accept(fx.trust, vd_span_str(token), &p, NULL));
    assert_ok(vd_resource_id_parse(VD_LIT("default/key/1"), &id, NULL));
    const struct brk_ask ask = { p, &id, VD_OWNER_DEFAULT, VD_SPAN_NONE, fx.now_ns };
    brk_explain(&ask, NULL, "decision-id", &why, &out);
    assert_ok(vd_json_parse(vd_buf_span(&out), VD_JSON_LIMITS(out.n), &doc, NULL));
    vd_jv root = vd_json_root(doc);
    assert_true(vd_jv_str_eq(vd_jv_get(root, "id"), "decision-id"));
    assert_true(vd_jv_str_eq(vd_jv_get(root, "error"), "policy.deny"));
    assert_true(vd_jv_str_eq(vd_jv_get(root, "resource"), "default/key/1"));
    vd_jv unmet = vd_jv_get(root, "unmet");
    assert_int_equal(vd_jv_count(unmet), 3);
    assert_true(vd_jv_str_eq(vd_jv_pointer(unmet, "/0/claim"), "/submods/cpu0/ear.status"));
    assert_true(vd_jv_str_eq(vd_jv_pointer(unmet, "/2/claim"),
                             "/submods/cpu0/ear.trustworthiness-vector/executables"));
    assert_true(vd_jv_str_eq(vd_jv_pointer(unmet, "/2/observed"), "33"));
    assert_true(vd_jv_str_eq(vd_jv_pointer(root, "/passport/submods/0/measurement"), "ab01"));
}

static void seal_and_open(const char *resource, const struct mint *tee, const char *alg)
{
    VD_AUTO_BUF jwk = vd_buf_of(8192), submods = vd_buf_of(32768), out = vd_buf_of(1 << 20);
    VD_AUTO(brk_passport_unref) struct brk_passport *p = NULL;
    assert_ok(vd_key_to_jwk(tee->key, alg, &jwk, NULL));
    vd_buf_printf(&submods,
                  "{\"cpu0\":{\"ear.status\":\"affirming\",\"ear.appraisal-policy-id\":\"default\","
                  "\"ear.veraison.annotated-evidence\":{\"snp\":{},\"runtime_data_claims\":{\"tee-"
                  "pubkey\":%s}},"
                  "\"vidimus\":{\"tee\":\"snp\"}}}",
                  vd_buf_cstr(&jwk));
    const struct member change = { "submods", vd_buf_cstr(&submods) };
    VD_AUTO(free) char *token = token_of(&fx.key, &change, 1);
    assert_ok(brk_accept(fx.trust, vd_span_str(token), &p, NULL));
    struct vd_resource_id id;
    assert_ok(vd_resource_id_parse(vd_span_str(resource), &id, NULL));
    uint64_t version = 0;
    assert_rc(VD_E_SECRET_UNKNOWN,
              brk_seal(fx.store, VD_OWNER_DEFAULT, &id, p, &out, &version, NULL));
    assert_int_equal(out.n, 0);
    store(BRK_KIND_SECRET, resource, "the secret", true);
    assert_ok(brk_seal(fx.store, VD_OWNER_DEFAULT, &id, p, &out, &version, NULL));
    assert_int_equal(version, 1);
    VD_AUTO_SECRET plain = { 0 };
    assert_ok(vd_jwe_open(tee->key, vd_buf_span(&out), &plain, NULL));
    assert_span_str(vd_secret_span(&plain), "the secret");
}

static void secret_is_sealed_to_the_tee_key(void **state)
{
    (void)state;
    static const struct {
        enum vd_kty kty;
        const char *alg;
        const char *resource;
    } rows[] = {
        { VD_KTY_P256, "ECDH-ES+A256KW", "default/seal/p256" },
        { VD_KTY_P384, "ECDH-ES+A256KW", "default/seal/p384" },
        { VD_KTY_P521, "ECDH-ES+A256KW", "default/seal/p521" },
        { VD_KTY_RSA, "RSA-OAEP-256", "default/seal/rsa" },
        { VD_KTY_MLKEM768, NULL, "default/seal/mlkem" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct mint tee = mint_new(rows[i].kty, VD_SIG_ES256);
        seal_and_open(rows[i].resource, &tee, rows[i].alg);
        mint_done(&tee);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_document_is_trustees),
        cmocka_unit_test(query_of_invalid_utf8_stays_json),
        cmocka_unit_test(only_a_true_is_a_yes),
        cmocka_unit_test(repositories_of_the_issuer_come_before_the_policy),
        cmocka_unit_test(built_in_policy_holds_until_one_is_stored_and_after_it_is_deleted),
        cmocka_unit_test(stored_text_that_does_not_compile_denies),
        cmocka_unit_test(other_owner_without_policy_releases_nothing),
        cmocka_unit_test(explanation_names_what_does_not_hold),
        cmocka_unit_test(secret_is_sealed_to_the_tee_key),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
