/* Policies that a real Trustee was given: taken or refused, and evaluated, as it was recorded. */
#include "tests/support/support.h"

#include "shared/codec/b64.h"
#include "shared/policy/policy.h"
#include "tests/unit/shared/policy/query.h"

#define VECTORS "tests/vectors/kbs-wire-policies/policies.json"

/* Built in or signed into the token that the recorded requests presented. */
static const char input_form[] =
    "{\"eat_profile\":\"tag:github.com,2024:confidential-containers/Trustee\","
    "\"iss\":\"CoCo-Attestation-Service\",\"exp\":1767225900,"
    "\"submods\":{\"cpu0\":{\"ear.status\":\"%s\"}}}";

static bool is_text(vd_jv v, const char *name, const char *text)
{
    return vd_jv_str_eq(vd_jv_get(v, name), text);
}

static void use_release(const char *id, const struct vd_policy *p, vd_jv use)
{
    char status[32];
    char input[512];
    vd_span s = vd_jv_str_raw(vd_jv_get(use, "status"));
    (void)snprintf(status, sizeof status, "%.*s", (int)s.n, (const char *)s.p);
    (void)snprintf(input, sizeof input, input_form, status);

    vd_buf data = vd_buf_of(4096);
    vd_span query = vd_jv_raw(vd_jv_get(use, "query"));
    vd_buf_printf(
        &data,
        "{\"plugin\":\"resource\",\"resource-path\":[\"default\",\"key\",\"1\"],\"query\":%.*s}",
        (int)query.n, (const char *)query.p);
    struct vd_policy_query q = test_query(vd_span_str(input), NULL);
    q.data = vd_buf_span(&data);

    vd_err err = { 0 };
    vd_code got = vd_policy_allows(p, &q, &err).code;
    vd_code want = is_text(use, "want", "allow")  ? VD_E_OK
                   : is_text(use, "want", "deny") ? VD_E_POLICY_DENY
                                                  : VD_E_POLICY_EVAL;
    if (got != want)
        fail_msg("%s: got %d (%s), wanted %d", id, got, err.msg, want);
    vd_buf_done(&data);
}

/* The token has the value cut to a signed byte. */
static void compare_vector(const char *id, vd_span claims, vd_jv vector)
{
    struct vd_json *j = test_json(claims);
    vd_jv root = vd_json_root(j);
    if (vd_jv_count(root) != vd_jv_count(vector))
        fail_msg("%s: %.*s", id, (int)claims.n, (const char *)claims.p);
    vd_jv_iter it = vd_jv_iter_of(vector);
    while (vd_jv_next(&it)) {
        double got = 0;
        int64_t want = 0;
        assert_ok(vd_jv_double(vd_jv_get_span(root, vd_jv_str_raw(it.name)), &got, NULL));
        assert_ok(vd_jv_i64(it.value, &want, NULL));
        assert_int_equal((int8_t)(uint8_t)(int64_t)got, want);
    }
    vd_json_free(j);
}

static void use_attestation(const char *id, const struct vd_policy *p, vd_jv use)
{
    struct vd_json *none = test_json(VD_LIT("{}"));
    vd_jv values = vd_json_root(none);
    vd_span input = vd_jv_raw(vd_jv_get(use, "input"));
    struct vd_policy_query q = test_query(input, &values);
    vd_buf out = vd_buf_of(65536);
    enum vd_policy_state state = VD_POLICY_ABSENT;
    vd_err err = { 0 };
    vd_code got = vd_policy_eval(p, VD_POLICY_TRUST_CLAIMS, &q, &state, &out, &err).code;

    if (is_text(use, "want", "error")) {
        if (got != VD_E_POLICY_EVAL)
            fail_msg("%s: got %d (%s), wanted an evaluation error", id, got, err.msg);
    } else {
        enum vd_policy_state want = is_text(use, "want", "absent")      ? VD_POLICY_ABSENT
                                    : is_text(use, "want", "undefined") ? VD_POLICY_UNDEFINED
                                                                        : VD_POLICY_DEFINED;
        if (got != VD_E_OK || state != want)
            fail_msg("%s: got %d (%s), state %d, wanted %d", id, got, err.msg, state, want);
        if (state == VD_POLICY_DEFINED && vd_jv_ok(vd_jv_get(use, "vector")))
            compare_vector(id, vd_buf_span(&out), vd_jv_get(use, "vector"));
    }
    vd_buf_done(&out);
    vd_json_free(none);
}

static size_t run_policy(vd_jv one)
{
    char *id = NULL;
    vd_err err = { 0 };
    vd_buf text = vd_buf_of(1u << 20);
    assert_ok(vd_jv_strdup(vd_jv_get(one, "id"), &id, &err));
    if (vd_jv_ok(vd_jv_get(one, "policy")))
        assert_ok(vd_jv_str(vd_jv_get(one, "policy"), &text, &err));
    else
        assert_ok(vd_jv_b64(vd_jv_get(one, "policy_b64"), VD_B64_URL, &text, &err));

    bool release = is_text(one, "kind", "release");
    struct vd_policy *p = NULL;
    vd_code got =
        vd_policy_compile_in(test_workers, release ? VD_POLICY_RELEASE : VD_POLICY_ATTESTATION,
                             vd_buf_span(&text), &test_limits, &p, &err)
            .code;
    /* deliberately unlike Trustee: what reaches out of the process is refused when it is set */
    bool ours = strcmp(id, "resource/policy-http-send/set") == 0;
    vd_code want = is_text(one, "set", "accepted") && !ours ? VD_E_OK : VD_E_POLICY_COMPILE;
    if (got != want)
        fail_msg("%s: got %d (%s), wanted %d", id, got, err.msg, want);

    size_t uses = 0;
    vd_jv_iter it = vd_jv_iter_of(vd_jv_get(one, "uses"));
    for (; p && vd_jv_next(&it); uses++)
        (release ? use_release : use_attestation)(id, p, it.value);
    vd_policy_unref(p);
    vd_buf_done(&text);
    free(id);
    return uses;
}

static void policies_recorded_from_trustee_behave_as_recorded(void **state)
{
    (void)state;
    vd_buf file = vd_test_file(VECTORS);
    struct vd_json *j = test_json(vd_buf_span(&file));
    size_t policies = 0;
    size_t uses = 0;
    vd_jv_iter it = vd_jv_iter_of(vd_json_root(j));
    for (; vd_jv_next(&it); policies++)
        uses += run_policy(it.value);
    print_message("kbs-wire: %zu policies, %zu evaluations\n", policies, uses);
    assert_int_equal(policies, 111);
    assert_int_equal(uses, 80);
    vd_json_free(j);
    vd_buf_done(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(policies_recorded_from_trustee_behave_as_recorded),
    };
    if (!test_begin())
        return 1;
    int failed = cmocka_run_group_tests_name("in process", tests, NULL, NULL);
    if (!test_use_workers())
        return 1;
    failed += cmocka_run_group_tests_name("in workers", tests, NULL, NULL);
    test_end();
    return failed;
}
