/* Appraisal: what policies see, what their results mean, and what is refused. */
#include "tests/support/support.h"

#include "issuer/appraise/appraise.h"
#include "issuer/rvps/rvps.h"

static const struct vd_limits limits = VD_LIMITS_DEFAULT;

#define SAMPLE                                                                                     \
    "{\"svn\":\"1\",\"launch_digest\":\"abcde\",\"platform_version\":{\"major\":1,\"minor\":4},"   \
    "\"debug\":false}"

struct run {
    struct iss_claims_list *list;
    struct iss_plain plain[ISS_CLAIMS_MAX];
    struct iss_policies *policies;
    struct iss_rvps *rvps;
    struct iss_appraisals *out;
    bool event_logs;
    vd_err err;
};

static struct iss_claims *add(struct run *r, const char *tee, const char *cls, const char *claims)
{
    if (!r->list)
        r->list = iss_claims_list_new();
    struct iss_claims *c = iss_claims_add(r->list, tee, cls);
    assert_non_null(c);
    vd_buf_str(&c->claims, claims);
    c->has_report_data = true;
    vd_buf_str(&c->report_data, "cmVwb3J0");
    return c;
}

static void done(struct run *r)
{
    iss_claims_list_free(r->list);
    iss_policies_free(r->policies);
    iss_rvps_free(r->rvps);
    iss_appraisals_free(r->out);
}

static vd_rc_ go(struct run *r, const char *policy, const char *refvalues)
{
    if (policy)
        assert_ok(iss_policies_fixed(vd_span_str(policy), &limits, &r->policies, &r->err));
    if (refvalues)
        assert_ok(iss_rvps_fixed(vd_span_str(refvalues), &limits, &r->rvps, &r->err));
    r->out = iss_appraisals_new();
    const struct iss_appraise_in in = {
        .list = r->list,
        .plain = r->plain,
        .policy_base = "default",
        .policies = r->policies,
        .lookup = r->rvps ? iss_rvps_lookup : NULL,
        .lookup_ctx = r->rvps,
        .now_ns = INT64_C(1780000000000000000),
        .event_logs = r->event_logs,
        .limits = &limits,
    };
    return iss_appraise(&in, r->out, &r->err);
}

/* ---- results of policies -----------------------------------------------------------------------
 */

#define CLAIMS(text) "package policy\ntrust_claims := " text "\n"

static const struct {
    const char *label, *policy;
    vd_code want;
    int executables, hardware; /* -1000: not set */
    enum vd_ear_tier tier;
} results[] = {
    { "affirming", CLAIMS("{\"executables\": 3, \"hardware\": 2}"), VD_E_OK, 3, 2,
      VD_EAR_AFFIRMING },
    { "2.0 is 2", CLAIMS("{\"executables\": 2.0}"), VD_E_OK, 2, -1000, VD_EAR_AFFIRMING },
    { "warning", CLAIMS("{\"executables\": 33, \"hardware\": 2}"), VD_E_OK, 33, 2, VD_EAR_WARNING },
    { "contraindicated", CLAIMS("{\"executables\": 2, \"hardware\": 97}"), VD_E_OK, 2, 97,
      VD_EAR_CONTRAINDICATED },
    { "largest", CLAIMS("{\"executables\": 127}"), VD_E_OK, 127, -1000, VD_EAR_CONTRAINDICATED },
    { "smallest", CLAIMS("{\"executables\": -128}"), VD_E_OK, -128, -1000, VD_EAR_CONTRAINDICATED },
    { "all zero", CLAIMS("{\"executables\": 0, \"hardware\": 1}"), VD_E_OK, 0, 1, VD_EAR_NONE },
    { "no such rule", "package policy\nx := 1\n", VD_E_OK, 0, 0, VD_EAR_NONE },
    { "another package", "package other\ntrust_claims := {\"executables\": 2}\n", VD_E_OK, 0, 0,
      VD_EAR_NONE },
    { "128", CLAIMS("{\"executables\": 128}"), VD_E_POLICY_RESULT, 0, 0, 0 },
    { "-129", CLAIMS("{\"executables\": -129}"), VD_E_POLICY_RESULT, 0, 0, 0 },
    { "300", CLAIMS("{\"executables\": 300}"), VD_E_POLICY_RESULT, 0, 0, 0 },
    { "2.5", CLAIMS("{\"executables\": 2.5}"), VD_E_POLICY_RESULT, 0, 0, 0 },
    { "1e30", CLAIMS("{\"executables\": 1e30}"), VD_E_POLICY_RESULT, 0, 0, 0 },
    { "string", CLAIMS("{\"executables\": \"2\"}"), VD_E_POLICY_RESULT, 0, 0, 0 },
    { "boolean", CLAIMS("{\"executables\": true}"), VD_E_POLICY_RESULT, 0, 0, 0 },
    { "null", CLAIMS("{\"executables\": null}"), VD_E_POLICY_RESULT, 0, 0, 0 },
    { "unknown name", CLAIMS("{\"foo\": 2}"), VD_E_POLICY_RESULT, 0, 0, 0 },
    { "name with underscore", CLAIMS("{\"instance_identity\": 2}"), VD_E_POLICY_RESULT, 0, 0, 0 },
    { "empty object", CLAIMS("{}"), VD_E_POLICY_RESULT, 0, 0, 0 },
    { "array", CLAIMS("[1]"), VD_E_POLICY_RESULT, 0, 0, 0 },
    { "number", CLAIMS("2"), VD_E_POLICY_RESULT, 0, 0, 0 },
    { "undefined", "package policy\ntrust_claims := {\"executables\": 2} if { input.nosuch }\n",
      VD_E_POLICY_RESULT, 0, 0, 0 },
    { "conflict", CLAIMS("{\"executables\": 2}") "trust_claims := {\"executables\": 3}\n",
      VD_E_POLICY_EVAL, 0, 0, 0 },
};

static void results_of_policies_are_read_strictly(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof results / sizeof results[0]; i++) {
        struct run r = { 0 };
        (void)add(&r, "sample", "cpu", SAMPLE);
        vd_rc_ rc = go(&r, results[i].policy, NULL);
        if (rc.code != results[i].want)
            fail_msg("%s: %s %s", results[i].label, rc.code ? vd_error_row(rc.code)->symbol : "OK",
                     r.err.msg);
        const struct iss_appraisal *a = &r.out->item[0];
        if (rc.code == VD_E_OK) {
            assert_int_equal(a->set[VD_EAR_EXECUTABLES], results[i].executables != -1000);
            assert_int_equal(a->set[VD_EAR_HARDWARE], results[i].hardware != -1000);
            assert_int_equal(a->value[VD_EAR_EXECUTABLES],
                             results[i].executables == -1000 ? 0 : results[i].executables);
            assert_int_equal(a->value[VD_EAR_HARDWARE],
                             results[i].hardware == -1000 ? 0 : results[i].hardware);
            assert_int_equal(a->tier, results[i].tier);
        }
        assert_int_equal(r.out->n, 1);
        assert_string_equal(a->policy_id, "default_cpu");
        done(&r);
    }
    print_message("policy results: %zu cases\n", sizeof results / sizeof results[0]);
}

#define EXT(text) CLAIMS("{\"executables\": 2}") "extensions := " text "\n"

static const struct {
    const char *label, *policy;
    vd_code want;
    const char *members;
} extensions[] = {
    { "one", EXT("[{\"name\":\"ear.x\",\"key\":-100,\"value\":{\"a\":[1,\"b\"]}}]"), VD_E_OK,
      ",\"ear.x\":{\"a\":[1,\"b\"]}" },
    { "two",
      EXT("[{\"name\":\"y\",\"key\":-1,\"value\":true},{\"name\":\"x\",\"key\":1,\"value\":1.5}]"),
      VD_E_OK, ",\"y\":true,\"x\":1.5" },
    { "none", EXT("[]"), VD_E_OK, "" },
    { "null is dropped", EXT("[{\"name\":\"n\",\"key\":1,\"value\":null}]"), VD_E_OK, "" },
    { "undefined", CLAIMS("{\"executables\": 2}") "extensions := [] if { input.nosuch }\n", VD_E_OK,
      "" },
    { "same name",
      EXT("[{\"name\":\"x\",\"key\":1,\"value\":1},{\"name\":\"x\",\"key\":2,\"value\":1}]"),
      VD_E_POLICY_RESULT, NULL },
    { "same key",
      EXT("[{\"name\":\"x\",\"key\":1,\"value\":1},{\"name\":\"y\",\"key\":1,\"value\":1}]"),
      VD_E_POLICY_RESULT, NULL },
    { "no key", EXT("[{\"name\":\"x\",\"value\":1}]"), VD_E_POLICY_RESULT, NULL },
    { "no value", EXT("[{\"name\":\"x\",\"key\":1}]"), VD_E_POLICY_RESULT, NULL },
    { "key beyond 32 bits", EXT("[{\"name\":\"x\",\"key\":2147483648,\"value\":1}]"),
      VD_E_POLICY_RESULT, NULL },
    { "object", EXT("{\"a\":1}"), VD_E_POLICY_RESULT, NULL },
    { "empty name", EXT("[{\"name\":\"\",\"key\":1,\"value\":1}]"), VD_E_POLICY_RESULT, NULL },
    { "name of the status", EXT("[{\"name\":\"ear.status\",\"key\":1,\"value\":\"affirming\"}]"),
      VD_E_POLICY_RESULT, NULL },
    { "name of the evidence",
      EXT("[{\"name\":\"ear.veraison.annotated-evidence\",\"key\":1,\"value\":{}}]"),
      VD_E_POLICY_RESULT, NULL },
    { "name of our member", EXT("[{\"name\":\"vidimus\",\"key\":1,\"value\":{}}]"),
      VD_E_POLICY_RESULT, NULL },
    { "name of the TEE key", EXT("[{\"name\":\"tee-pubkey\",\"key\":1,\"value\":{}}]"),
      VD_E_POLICY_RESULT, NULL },
};

static void extensions_become_members_unless_they_would_say_what_is_not_theirs(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof extensions / sizeof extensions[0]; i++) {
        struct run r = { 0 };
        (void)add(&r, "sample", "cpu", SAMPLE);
        vd_rc_ rc = go(&r, extensions[i].policy, NULL);
        if (rc.code != extensions[i].want)
            fail_msg("%s: %s %s", extensions[i].label,
                     rc.code ? vd_error_row(rc.code)->symbol : "OK", r.err.msg);
        if (rc.code == VD_E_OK)
            assert_span_str(vd_buf_span(&r.out->item[0].extensions), extensions[i].members);
        done(&r);
    }
    print_message("extensions: %zu cases\n", sizeof extensions / sizeof extensions[0]);
}

/* ---- input -------------------------------------------------------------------------------------
 */

static void policies_see_the_annotated_evidence_and_our_facts(void **state)
{
    (void)state;
    struct run r = { 0 };
    struct iss_claims *c = add(&r, "sample", "cpu", SAMPLE);
    c->has_init_data = true;
    vd_buf_str(&c->init_data, "ZGlnZXN0");
    c->simulated = true;
    (void)snprintf(c->hw_id, sizeof c->hw_id, "00ff");
    r.plain[0] = (struct iss_plain){ VD_LIT("{\"nonce\":\"n\"}"), VD_LIT("{\"a\":\"b\"}") };
    assert_rc(VD_E_OK,
              go(&r,
                 "package policy\ndefault executables := 33\n"
                 "executables := 3 if {\n input.sample.platform_version.minor == 4\n"
                 " input.report_data == \"cmVwb3J0\"\n input.runtime_data_claims.nonce == \"n\"\n"
                 " input.init_data == \"ZGlnZXN0\"\n input.init_data_claims.a == \"b\"\n"
                 " input.vidimus.simulated == true\n input.vidimus.debug == false\n"
                 " input.vidimus.tee == \"sample\"\n input.vidimus.hw_id == \"00ff\"\n}\n"
                 "trust_claims := {\"executables\": executables}\n",
                 NULL));
    assert_int_equal(r.out->item[0].value[VD_EAR_EXECUTABLES], 3);
    assert_span_str(vd_buf_span(&r.out->item[0].annotated),
                    "{\"init_data\":\"ZGlnZXN0\",\"init_data_claims\":{\"a\":\"b\"},\"report_"
                    "data\":\"cmVwb3J0\","
                    "\"runtime_data_claims\":{\"nonce\":\"n\"},\"sample\":" SAMPLE "}");
    done(&r);
}

static void claims_about_plain_texts_are_null_or_absent_as_the_verifier_reports(void **state)
{
    (void)state;
    struct run r = { 0 };
    struct iss_claims *c = add(&r, "snp", "cpu", "{\"chip_id\":\"00\"}");
    c->has_init_data = true;
    vd_buf_str(&c->init_data, "0000");
    struct iss_claims *d = add(&r, "nvidia", "gpu", "{\"arch\":\"h\"}");
    d->has_report_data = false;
    assert_rc(VD_E_OK, go(&r, CLAIMS("{\"hardware\": 2}"), NULL));
    assert_span_str(
        vd_buf_span(&r.out->item[0].annotated),
        "{\"init_data\":\"0000\",\"init_data_claims\":null,\"report_data\":\"cmVwb3J0\","
        "\"runtime_data_claims\":null,\"snp\":{\"chip_id\":\"00\"}}");
    assert_span_str(vd_buf_span(&r.out->item[1].annotated), "{\"nvidia\":{\"arch\":\"h\"}}");
    done(&r);
}

static void submods_are_numbered_within_their_class(void **state)
{
    (void)state;
    static const char *const cls[] = { "cpu", "gpu", "gpu", "cpu", "nvidia-dpu", "gpu" };
    static const char *const want[] = { "cpu0", "gpu0", "gpu1", "cpu1", "nvidia-dpu0", "gpu2" };
    struct run r = { 0 };
    for (size_t i = 0; i < 6; i++)
        (void)add(&r, "sample", cls[i], "{}");
    assert_rc(VD_E_OK, go(&r, CLAIMS("{\"hardware\": 2}"), NULL));
    assert_int_equal(r.out->n, 6);
    for (size_t i = 0; i < 6; i++)
        assert_string_equal(r.out->item[i].name, want[i]);
    assert_string_equal(r.out->item[4].policy_id, "default_nvidia-dpu");
    done(&r);
}

static void without_a_policy_nothing_is_appraised(void **state)
{
    (void)state;
    struct run r = { 0 };
    (void)add(&r, "nvidia-dpu", "nvidia-dpu", "{}");
    assert_ok(iss_policies_new(NULL, NULL, &limits, &r.policies, &r.err));
    assert_rc(VD_E_POLICY_MISSING, go(&r, NULL, NULL));
    assert_string_equal(r.out->item[0].policy_id, "default_nvidia-dpu");
    done(&r);
}

/* ---- reference values and explanations
 * ----------------------------------------------------------- */

#define RV                                                                                         \
    "package policy\nimport rego.v1\ndefault executables := 33\ndefault hardware := 97\n"          \
    "executables := 3 if input.snp.measurement in "                                                \
    "query_reference_value(\"snp_launch_measurement\")\n"                                          \
    "hardware := 2 if input.snp.reported_tcb_bootloader in "                                       \
    "query_reference_value(\"snp_bootloader\")\n"                                                  \
    "trust_claims := {\"executables\": executables, \"hardware\": hardware}\n"
#define SNP                                                                                        \
    "{\"measurement\":\"abcd1234\",\"reported_tcb_bootloader\":10,\"policy_debug_allowed\":false}"

static void reference_values_decide_and_the_explanation_names_the_nearest(void **state)
{
    (void)state;
    struct run r = { 0 };
    VD_AUTO_BUF text = vd_buf_of(65536);
    (void)add(&r, "snp", "cpu", SNP);
    assert_rc(
        VD_E_OK,
        go(&r, RV, "{\"snp_launch_measurement\":[\"ffff\",\"abcd9999\"],\"snp_bootloader\":[10]}"));
    assert_int_equal(r.out->item[0].value[VD_EAR_EXECUTABLES], 33);
    assert_int_equal(r.out->item[0].value[VD_EAR_HARDWARE], 2);
    assert_ok(iss_explain(r.out, &text, NULL));
    const char *got = vd_buf_cstr(&text);
    assert_non_null(strstr(got,
                           "{\"rule\":\"trust_claims\",\"claim\":\"executables\",\"observed\":33,"
                           "\"expected\":\"2 to 31\",\"means\":\"warning\"}"));
    assert_non_null(
        strstr(got, "{\"rule\":\"reference value\",\"reference_value\":\"snp_launch_measurement\","
                    "\"claim\":\"snp.measurement\",\"observed\":\"abcd1234\","
                    "\"expected\":[\"ffff\",\"abcd9999\"],\"nearest\":\"abcd9999\"}"));
    assert_null(strstr(got, "snp_bootloader"));
    done(&r);
}

static void unknown_reference_values_are_named(void **state)
{
    (void)state;
    struct run r = { 0 };
    VD_AUTO_BUF text = vd_buf_of(65536);
    (void)add(&r, "snp", "cpu", SNP);
    assert_rc(VD_E_OK, go(&r, RV, NULL));
    assert_int_equal(r.out->item[0].tier, VD_EAR_CONTRAINDICATED);
    assert_ok(iss_explain(r.out, &text, NULL));
    const char *got = vd_buf_cstr(&text);
    assert_non_null(strstr(
        got, "\"reference value is not set or expired\",\"reference_value\":\"snp_bootloader\","
             "\"claim\":\"snp.reported_tcb_bootloader\",\"observed\":10,\"expected\":null"));
    done(&r);
}

/* ---- event logs
 * ---------------------------------------------------------------------------------- */

static void an_event_log_reaches_the_policy_and_not_the_passport(void **state)
{
    (void)state;
    static const char whole[] = "\"tdx\":{\"a\":1,\"uefi_event_logs\":[{\"index\":1}]}}";
    static const char policy[] = "package policy\ndefault executables := 33\n"
                                 "executables := 3 if input.tdx.uefi_event_logs[0].index == 1\n"
                                 "trust_claims := {\"executables\": executables}\n";
    for (int keep = 0; keep < 2; keep++) {
        struct run r = { .event_logs = keep };
        struct iss_claims *c = add(&r, "tdx", "cpu", "{\"a\":1}");
        c->event_log = ISS_EVENT_LOG_REPLAYED;
        c->event_log_sha256[31] = 0x7f;
        vd_buf_str(&c->events, "[{\"index\":1}]");
        assert_rc(VD_E_OK, go(&r, policy, NULL));
        const struct iss_appraisal *a = &r.out->item[0];
        assert_int_equal(a->value[VD_EAR_EXECUTABLES], 3);
        if (keep)
            assert_non_null(memmem(a->annotated.p, a->annotated.n, whole, sizeof whole - 1));
        else
            assert_span_str(vd_buf_span(&a->annotated),
                            "{\"report_data\":\"cmVwb3J0\",\"runtime_data_claims\":null,"
                            "\"tdx\":{\"a\":1}}");
        assert_span_str(
            vd_buf_span(&a->event_log),
            "{\"sha256\":\"000000000000000000000000000000000000000000000000000000000000007f\","
            "\"state\":\"replayed\"}");
        done(&r);
    }
}

static void a_missing_event_log_is_said(void **state)
{
    (void)state;
    static const char policy[] = "package policy\ntrust_claims := {\"executables\": 3}\n";
    struct run r = { 0 };
    add(&r, "tdx", "cpu", "{}")->event_log = ISS_EVENT_LOG_ABSENT;
    (void)add(&r, "snp", "cpu", "{}");
    assert_rc(VD_E_OK, go(&r, policy, NULL));
    assert_span_str(vd_buf_span(&r.out->item[0].event_log), "{\"state\":\"absent\"}");
    assert_int_equal(r.out->item[1].event_log.n, 0);
    done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_of_policies_are_read_strictly),
        cmocka_unit_test(extensions_become_members_unless_they_would_say_what_is_not_theirs),
        cmocka_unit_test(policies_see_the_annotated_evidence_and_our_facts),
        cmocka_unit_test(claims_about_plain_texts_are_null_or_absent_as_the_verifier_reports),
        cmocka_unit_test(submods_are_numbered_within_their_class),
        cmocka_unit_test(without_a_policy_nothing_is_appraised),
        cmocka_unit_test(reference_values_decide_and_the_explanation_names_the_nearest),
        cmocka_unit_test(unknown_reference_values_are_named),
        cmocka_unit_test(an_event_log_reaches_the_policy_and_not_the_passport),
        cmocka_unit_test(a_missing_event_log_is_said),
    };
    return vd_base_init(NULL).code == VD_E_OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
