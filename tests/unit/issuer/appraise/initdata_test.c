/* Init data: the recorded documents of a real server, digests, claims, and what is refused. */
#include "tests/support/support.h"

#include "issuer/appraise/initdata.h"
#include "shared/codec/b64.h"
#include "shared/codec/json.h"

static bool same_json(vd_span a, vd_span b)
{
    VD_AUTO(vd_json_free) struct vd_json *x = NULL;
    VD_AUTO(vd_json_free) struct vd_json *y = NULL;
    VD_AUTO_BUF p = vd_buf_of(1 << 20);
    VD_AUTO_BUF q = vd_buf_of(1 << 20);
    assert_ok(vd_json_parse(a, VD_JSON_LIMITS(a.n), &x, NULL));
    assert_ok(vd_json_parse(b, VD_JSON_LIMITS(b.n), &y, NULL));
    assert_ok(vd_json_canonical(vd_json_root(x), &p, NULL));
    assert_ok(vd_json_canonical(vd_json_root(y), &q, NULL));
    return vd_span_eq(vd_buf_span(&p), vd_buf_span(&q));
}

static void check_case(vd_jv c, unsigned *ret_claims)
{
    VD_AUTO_BUF text = vd_buf_of(1 << 16);
    VD_AUTO(free) char *name = NULL;
    ISS_AUTO_INIT_DATA d = { 0 };
    assert_ok(vd_jv_strdup(vd_jv_get(c, "name"), &name, NULL));
    assert_ok(vd_jv_str(vd_jv_get(c, "text"), &text, NULL));
    vd_span in = vd_test_guarded(vd_buf_span(&text));
    vd_rc_ rc = iss_init_data_parse(in, &d, NULL);
    vd_test_guarded_free(in);
    bool want = vd_jv_is(vd_jv_get(c, "ok"), VD_JSON_TRUE);
    if (want != (rc.code == VD_E_OK) || (!want && rc.code != VD_E_INIT_DATA_SYNTAX))
        fail_msg("%s: %s", name, rc.code ? vd_error_row(rc.code)->symbol : "OK");
    if (!vd_jv_ok(vd_jv_get(c, "claims")))
        return;
    VD_AUTO_BUF digest = vd_buf_of(256);
    vd_b64_encode(iss_init_data_digest(&d), VD_B64_STD, &digest);
    if (!vd_span_eq(vd_buf_span(&digest), vd_jv_str_raw(vd_jv_get(c, "init_data"))))
        fail_msg("%s: digest", name);
    if (!same_json(vd_buf_span(&d.claims), vd_jv_raw(vd_jv_get(c, "claims"))))
        fail_msg("%s: %.*s", name, (int)d.claims.n, (const char *)d.claims.p);
    ++*ret_claims;
}

static void recorded_documents_give_the_recorded_digests_and_claims(void **state)
{
    (void)state;
    VD_AUTO_BUF file = vd_test_file("tests/vectors/kbs-wire-initdata/cases.json");
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    assert_ok(vd_json_parse(vd_buf_span(&file), VD_JSON_LIMITS(file.n), &doc, NULL));
    unsigned claims = 0;
    vd_jv_iter it = vd_jv_iter_of(vd_json_root(doc));
    while (vd_jv_next(&it))
        check_case(it.value, &claims);
    print_message("recorded init data: %zu documents, %u with claims\n",
                  vd_jv_count(vd_json_root(doc)), claims);
    assert_true(claims >= 4);
}

#define HEAD "version = \"0.1.0\"\nalgorithm = \"sha256\"\n[data]\n"

static const struct {
    const char *label, *text, *claims;
} shapes[] = {
    { "policy data as claims", HEAD "\"policy.rego\" = 'policy_data := {\"a\": [1, 2.5]}'\n",
      "{\"agent_policy_claims\":{\"a\":[1,2.5]}}" },
    { "policy data with white space behind it",
      HEAD "\"policy.rego\" = \"\"\"x\npolicy_data := {}\n \"\"\"\n",
      "{\"agent_policy_claims\":{}}" },
    { "policy data with text behind it stays a text",
      HEAD "\"policy.rego\" = 'policy_data := {} # x'\n",
      "{\"policy.rego\":\"policy_data := {} # x\"}" },
    { "an entry cannot stand beside the claims made of the policy",
      HEAD "agent_policy_claims = 'forged'\n\"policy.rego\" = 'policy_data := {\"a\":1}'\n",
      "{\"agent_policy_claims\":{\"a\":1}}" },
    { "without a policy the name is free", HEAD "agent_policy_claims = 'x'\n",
      "{\"agent_policy_claims\":\"x\"}" },
    { "a fraction is a number and a date a string",
      HEAD "\"cdh.toml\" = \"f = 1.5\\nd = 1979-05-27T07:32:00Z\\n\"\n",
      "{\"cdh.toml\":{\"f\":1.5,\"d\":\"1979-05-27T07:32:00Z\"}}" },
    { "infinity is no JSON: the text stays", HEAD "\"cdh.toml\" = \"f = inf\"\n",
      "{\"cdh.toml\":\"f = inf\"}" },
    { "only two names are read as TOML", HEAD "\"x.toml\" = \"a = 1\"\n",
      "{\"x.toml\":\"a = 1\"}" },
    { "policy data with a repeated name stays a text",
      HEAD "\"policy.rego\" = 'policy_data := {\"a\":1,\"a\":2}'\n",
      "{\"policy.rego\":\"policy_data := {\\\"a\\\":1,\\\"a\\\":2}\"}" },
};

static void claims_have_the_shape_that_policies_expect(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        ISS_AUTO_INIT_DATA d = { 0 };
        vd_err err = { 0 };
        if (iss_init_data_parse(vd_span_str(shapes[i].text), &d, &err).code != VD_E_OK)
            fail_msg("%s: %s", shapes[i].label, err.msg);
        if (!same_json(vd_buf_span(&d.claims), vd_span_str(shapes[i].claims)))
            fail_msg("%s: %.*s", shapes[i].label, (int)d.claims.n, (const char *)d.claims.p);
    }
}

/* A claim that a reader of the passport would have to refuse for its depth must not become one. */
static void nesting_that_no_reader_takes_stays_a_text(void **state)
{
    (void)state;
    VD_AUTO_BUF text = vd_buf_of(4096);
    vd_buf_str(&text, HEAD "\"cdh.toml\" = 'a = ");
    for (int i = 0; i < 30; i++)
        vd_buf_u8(&text, '[');
    for (int i = 0; i < 30; i++)
        vd_buf_u8(&text, ']');
    vd_buf_str(&text, "'\n");
    ISS_AUTO_INIT_DATA d = { 0 };
    assert_ok(iss_init_data_parse(vd_buf_span(&text), &d, NULL));
    assert_true(vd_span_starts(vd_buf_span(&d.claims), VD_LIT("{\"cdh.toml\":\"a = [[")));
}

static void cut_and_changed_documents_do_not_crash(void **state)
{
    (void)state;
    const vd_span whole =
        VD_LIT(HEAD "\"cdh.toml\" = '''\na = [1, {b = 2.5}]\n'''\n\"policy.rego\" = 'policy_data "
                    ":= {\"a\":{\"b\":[]}}'\n");
    size_t tried = 0;
    for (size_t n = 0; n <= whole.n; n++) {
        vd_span cut = vd_test_guarded(vd_span_part(whole, 0, n));
        ISS_AUTO_INIT_DATA d = { 0 };
        vd_rc_ rc = iss_init_data_parse(cut, &d, NULL);
        assert_true(rc.code == VD_E_OK || rc.code == VD_E_INIT_DATA_SYNTAX);
        vd_test_guarded_free(cut);
        tried++;
    }
    for (size_t i = 0; i < whole.n; i++) {
        VD_AUTO_BUF changed = vd_buf_of(4096);
        vd_buf_add(&changed, whole);
        changed.p[i] ^= 0x15;
        ISS_AUTO_INIT_DATA d = { 0 };
        vd_rc_ rc = iss_init_data_parse(vd_buf_span(&changed), &d, NULL);
        assert_true(rc.code == VD_E_OK || rc.code == VD_E_INIT_DATA_SYNTAX);
        if (rc.code == VD_E_OK)
            assert_true(same_json(vd_buf_span(&d.claims), vd_buf_span(&d.claims)));
        tried++;
    }
    print_message("init data: %zu cuts and changes\n", tried);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recorded_documents_give_the_recorded_digests_and_claims),
        cmocka_unit_test(claims_have_the_shape_that_policies_expect),
        cmocka_unit_test(nesting_that_no_reader_takes_stays_a_text),
        cmocka_unit_test(cut_and_changed_documents_do_not_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
