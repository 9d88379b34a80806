/* The SGX driver: a genuine quote becomes claims, debug enclaves are refused unless allowed and
 * then marked, another conversation's quote costs no signature. */
#include "tests/unit/issuer/tee/tdx/intel_world.h"

#define AT_2025_07 INT64_C(1751328000) /* 2025-07-01T00:00:00Z */
#define AT_2025_09 INT64_C(1756684800) /* 2025-09-01T00:00:00Z */

static vd_jv claim(const struct iss_claims *c, struct vd_json **doc, const char *pointer)
{
    assert_ok(vd_json_parse(vd_buf_span(&c->claims), VD_JSON_LIMITS(1u << 20), doc, NULL));
    return vd_jv_pointer(vd_json_root(*doc), pointer);
}

static void expect_claim(const struct iss_claims *c, const char *pointer, const char *want)
{
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    vd_span raw = vd_jv_raw(claim(c, &doc, pointer));
    if (!vd_span_eq_str(raw, want))
        fail_msg("%s is %.*s, not %s", pointer, (int)raw.n, (const char *)raw.p, want);
}

static void a_genuine_quote_becomes_claims(void **state)
{
    (void)state;
    AUTO_INTEL w = { 0 };
    assert_int_equal(intel_open(&w, AT_2025_07, NULL), VD_E_OK);
    VD_AUTO_BUF quote = vd_test_file(INTEL "dcap-qvl/sgx_quote");
    struct iss_evidence in = { .raw = vd_buf_span(&quote) };
    intel_expect("P1", VD_E_OK, &w, "sgx", &in);
    const struct iss_claims *c = &w.list->item[0];
    assert_string_equal(c->tee, "sgx");
    assert_string_equal(c->cls, "cpu");
    assert_int_equal(c->event_log, ISS_EVENT_LOG_NONE);
    assert_int_equal(c->events.n, 0);
    assert_false(c->debug);
    assert_int_equal(strlen(c->hw_id), 32);
    expect_claim(c, "/tcb_status", "\"ConfigurationAndSWHardeningNeeded\"");
    expect_claim(c, "/sgx_type", "\"Standard\"");
    expect_claim(c, "/header/version", "\"0300\"");
    expect_claim(c, "/body/attributes.flags", "\"0500000000000000\"");
    expect_claim(c, "/attributes/init", "true");
    expect_claim(c, "/attributes/debug", "false");
    expect_claim(c, "/attributes/mode64bit", "true");
    expect_claim(c, "/config_id_unexplained", "false");
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    assert_false(vd_jv_ok(claim(c, &doc, "/platform_instance_id"))); /* Processor CA */
    assert_int_equal(c->report_data.n, 128);
    assert_int_equal(c->init_data.n, 128);
}

static void a_debug_enclave_is_refused_or_marked(void **state)
{
    (void)state;
    VD_AUTO_BUF quote = vd_test_file(INTEL "trustee-verifier/occlum_quote.dat");
    struct iss_evidence in = { .raw = vd_buf_span(&quote) };
    AUTO_INTEL strict = { 0 };
    assert_int_equal(intel_open(&strict, AT_2025_09, NULL), VD_E_OK);
    intel_expect("refused", VD_E_DEBUG, &strict, "sgx", &in);
    assert_true(strict.list->unverified.n > 0);
    assert_int_equal(strict.list->n, 0);
    static const char *const set[] = { "tee.sgx.allow_debug=true", NULL };
    AUTO_INTEL w = { 0 };
    assert_int_equal(intel_open(&w, AT_2025_09, set), VD_E_OK);
    intel_expect("allowed", VD_E_OK, &w, "sgx", &in);
    assert_true(w.list->item[0].debug);
    expect_claim(&w.list->item[0], "/attributes/debug", "true");
    expect_claim(&w.list->item[0], "/tcb_status", "\"OutOfDate\"");
}

static void evidence_of_another_conversation_costs_no_signature(void **state)
{
    (void)state;
    AUTO_INTEL w = { 0 };
    assert_int_equal(intel_open(&w, AT_2025_07, NULL), VD_E_OK);
    VD_AUTO_BUF quote = vd_test_file(INTEL "dcap-qvl/sgx_quote");
    struct iss_evidence in = { .raw = vd_buf_span(&quote),
                               .report_data = { .given = true, .value = VD_LIT("x") } };
    intel_expect("another nonce", VD_E_BINDING, &w, "sgx", &in);
    assert_int_equal(w.list->n_checks, 1);
    assert_int_equal(w.list->unverified.n, 0);
    in.report_data.value = vd_span_part(vd_buf_span(&quote), 368, 64);
    intel_expect("its own report data", VD_E_OK, &w, "sgx", &in);
    in.init_data.given = true;
    in.init_data.value = VD_LIT("digest");
    intel_expect("other init data", VD_E_INIT_DATA, &w, "sgx", &in);
    in.init_data.value = VD_SPAN_NONE; /* given and empty: the field must be empty, and it is */
    intel_expect("empty init data", VD_E_OK, &w, "sgx", &in);
}

static void every_cut_and_a_td_are_refused(void **state)
{
    (void)state;
    AUTO_INTEL w = { 0 };
    assert_int_equal(intel_open(&w, AT_2025_07, NULL), VD_E_OK);
    VD_AUTO_BUF quote = vd_test_file(INTEL "dcap-qvl/sgx_quote");
    size_t n = 1;
    for (; n < quote.n; n++) {
        vd_span cut = vd_test_guarded(vd_span_part(vd_buf_span(&quote), 0, n));
        struct iss_evidence in = { .raw = cut };
        vd_code got = intel_verify(&w, "sgx", &in);
        vd_test_guarded_free(cut);
        if (got == VD_E_OK) /* what follows the declared end does not count */
            break;
        assert_int_equal(w.list->n, 0);
    }
    assert_in_range(n, 4000, quote.n);
    print_message("SGX quote: cut at %zu places\n", n);
    VD_AUTO_BUF td = vd_test_file(INTEL "dcap-qvl/tdx_quote");
    struct iss_evidence in = { .raw = vd_buf_span(&td) };
    intel_expect("a TD's quote", VD_E_EVIDENCE_VERSION, &w, "sgx", &in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_genuine_quote_becomes_claims),
        cmocka_unit_test(a_debug_enclave_is_refused_or_marked),
        cmocka_unit_test(evidence_of_another_conversation_costs_no_signature),
        cmocka_unit_test(every_cut_and_a_td_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
