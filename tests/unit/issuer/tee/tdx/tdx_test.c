/* The TDX driver: a genuine quote with its event log, what attributes are refused, what claims
 * newer bodies have, settings, and what an earlier refusal saves. */
#include "tests/unit/issuer/tee/tdx/intel_world.h"

#include "issuer/tee/tdx/claims.h"
#include "shared/codec/b64.h"

#define AT INT64_C(1761955200) /* 2025-11-01T00:00:00Z */
#define QUOTE INTEL "go-tdx-guest/ccel/cos-113-tdx-quote.dat"
#define LOG INTEL "go-tdx-guest/ccel/ccel_data.dat"
enum { LOG_USED = 18101 };

static void a_genuine_quote_with_its_log_becomes_claims(void **state)
{
    (void)state;
    AUTO_INTEL w = { 0 };
    assert_int_equal(intel_open(&w, AT, NULL), VD_E_OK);
    VD_AUTO_BUF quote = vd_test_file(QUOTE);
    VD_AUTO_BUF log = vd_test_file(LOG);
    struct iss_evidence in = { .raw = vd_buf_span(&quote), .event_log = vd_buf_span(&log) };
    intel_expect("P14", VD_E_OK, &w, "tdx", &in);
    const struct iss_claims *c = &w.list->item[0];
    assert_string_equal(c->tee, "tdx");
    assert_string_equal(c->cls, "cpu");
    assert_string_equal(c->hw_id, "8ebf889447fd60ab1913348582eb509e");
    assert_false(c->debug);
    assert_false(c->simulated);
    assert_int_equal(c->event_log, ISS_EVENT_LOG_REPLAYED);
    uint8_t want[VD_HASH_BYTES_MAX];
    assert_ok(vd_hash_of(VD_SHA256, vd_span_part(vd_buf_span(&log), 0, LOG_USED), want, NULL));
    assert_memory_equal(c->event_log_sha256, want, 32);
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    assert_ok(vd_json_parse(vd_buf_span(&c->events), VD_JSON_LIMITS(1u << 20), &doc, NULL));
    assert_int_equal(vd_jv_count(vd_json_root(doc)), 43);
    for (size_t i = 0; i < w.list->n_checks; i++)
        assert_true(w.list->check[i].ok);
}

static void a_log_that_is_cut_or_changed_is_refused(void **state)
{
    (void)state;
    AUTO_INTEL w = { 0 };
    assert_int_equal(intel_open(&w, AT, NULL), VD_E_OK);
    VD_AUTO_BUF quote = vd_test_file(QUOTE);
    VD_AUTO_BUF log = vd_test_file(LOG);
    struct iss_evidence in = { .raw = vd_buf_span(&quote) };
    size_t cases = 0;
    for (size_t n = 1; n<LOG_USED; n += n> LOG_USED - 200 ? 1 : 61, cases++) {
        vd_span cut = vd_test_guarded(vd_span_part(vd_buf_span(&log), 0, n));
        in.event_log = cut;
        vd_code got = intel_verify(&w, "tdx", &in);
        assert_true(got == VD_E_BAD_EVIDENCE || got == VD_E_EVENT_LOG);
        assert_int_equal(w.list->n, 0);
        vd_test_guarded_free(cut);
    }
    print_message("event logs behind a quote: cut at %zu places\n", cases);
    in.event_log = vd_buf_span(&log);
    log.p[65 + 12 + 2 + 20] ^= 1; /* a digest */
    intel_expect("digest changed", VD_E_EVENT_LOG, &w, "tdx", &in);
    assert_non_null(strstr(w.err.msg, "RTMR0"));
    assert_true(w.list->unverified.n > 0);
}

static void evidence_of_another_conversation_costs_no_signature(void **state)
{
    (void)state;
    AUTO_INTEL w = { 0 };
    assert_int_equal(intel_open(&w, AT, NULL), VD_E_OK);
    VD_AUTO_BUF quote = vd_test_file(QUOTE);
    struct iss_evidence in = { .raw = vd_buf_span(&quote),
                               .report_data = { .given = true, .value = VD_LIT("x") } };
    intel_expect("another nonce", VD_E_BINDING, &w, "tdx", &in);
    assert_int_equal(w.list->n_checks, 1);
    assert_int_equal(w.list->unverified.n, 0);
    static const uint8_t zero[65] = { 0 };
    in.report_data.value = vd_span_of(zero, 64);
    intel_expect("its own report data", VD_E_OK, &w, "tdx", &in);
    in.report_data.value = vd_span_of(zero, 48);
    intel_expect("filled up with zeros", VD_E_OK, &w, "tdx", &in);
    in.report_data.value = vd_span_of(zero, 65);
    intel_expect("longer than the field", VD_E_BINDING, &w, "tdx", &in);
    in.report_data.given = false;
    in.init_data.given = true;
    in.init_data.value = VD_LIT("digest");
    intel_expect("other init data", VD_E_INIT_DATA, &w, "tdx", &in);
}

static void a_quote_without_collateral_is_refused(void **state)
{
    (void)state;
    AUTO_INTEL w = { 0 };
    assert_int_equal(intel_open(&w, AT, NULL), VD_E_OK);
    VD_AUTO_BUF quote = vd_test_file(QUOTE);
    struct iss_evidence in = { .raw = vd_buf_span(&quote), .now = AT };
    VD_AUTO(iss_claims_list_free) struct iss_claims_list *list = iss_claims_list_new();
    assert_rc(VD_E_COLLATERAL, iss_tees_verify(w.tees, "tdx", &in, list, NULL));
    assert_int_equal(list->n, 0);
}

/* ---- attributes ---------------------------------------------------------------------------------
 */

static const uint8_t zeros[48] = { 0 };
static const uint8_t ones[48] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
                                  1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
                                  1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
static const char *const ones_listed[] = { "0101010101010101010101010101010101010101010101010101010"
                                           "10101010101010101010101010101010101010101" };
static const char *const zeros_listed[] = { "000000000000000000000000000000000000000000000000000000"
                                            "000000000000000000000000000000000000000000" };

static const struct {
    const char *name;
    uint64_t attributes;
    uint64_t xfam;
    const uint8_t *service;     /* MRSERVICETD, NULL: body 1.0 */
    const uint8_t *service_now; /* of a body 1.5ex */
    const char *const *listed;
    bool allow_debug;
    bool allow_migratable;
    vd_code want;
} attributes[] = {
    { "none", 0, 3, NULL, NULL, NULL, false, false, VD_E_OK },
    { "ordinary", 1u << 28, 0xE7, zeros, NULL, NULL, false, false, VD_E_OK },
    { "performance monitor, protection keys", UINT64_C(1) << 63 | 1u << 30, 3, NULL, NULL, NULL,
      false, false, VD_E_OK },
    { "XFAM without SSE", 0, 1, NULL, NULL, NULL, false, false, VD_E_BAD_EVIDENCE },
    { "XFAM of nothing", 0, 0, NULL, NULL, NULL, true, true, VD_E_BAD_EVIDENCE },
    { "debug", 1, 3, NULL, NULL, NULL, false, false, VD_E_DEBUG },
    { "debug, allowed", 1, 3, NULL, NULL, NULL, true, false, VD_E_OK },
    { "profiling", 1u << 4, 3, NULL, NULL, NULL, false, false, VD_E_DEBUG },
    { "reserved bit beside debug", 1u << 7, 3, NULL, NULL, NULL, false, true, VD_E_DEBUG },
    { "migratable", 1u << 29, 3, NULL, NULL, NULL, false, false, VD_E_MIGRATABLE },
    { "migratable, nobody bound", 1u << 29, 3, zeros, NULL, ones_listed, false, false,
      VD_E_MIGRATABLE },
    { "migratable, nobody bound, and that listed", 1u << 29, 3, zeros, NULL, zeros_listed, false,
      false, VD_E_OK },
    { "migratable, allowed", 1u << 29, 3, NULL, NULL, NULL, false, true, VD_E_OK },
    { "bound", 0, 3, ones, NULL, NULL, false, false, VD_E_MIGRATABLE },
    { "bound, debug allowed", 0, 3, ones, NULL, NULL, true, false, VD_E_MIGRATABLE },
    { "bound and listed", 1u << 29, 3, ones, NULL, ones_listed, false, false, VD_E_OK },
    { "bound, another one listed", 0, 3, ones, NULL, zeros_listed, false, false, VD_E_MIGRATABLE },
    { "1.5ex, bound now", 0, 3, zeros, ones, zeros_listed, false, false, VD_E_MIGRATABLE },
    { "1.5ex, bound now and listed", 0, 3, ones, ones, ones_listed, false, false, VD_E_OK },
};

static void attributes_are_judged_as_listed(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof attributes / sizeof attributes[0]; i++) {
        VD_AUTO(iss_claims_list_free) struct iss_claims_list *list = iss_claims_list_new();
        const struct tdx_cfg cfg = { .allow_debug = attributes[i].allow_debug,
                                     .allow_migratable = attributes[i].allow_migratable,
                                     .service_tds = attributes[i].listed,
                                     .n_service_tds = attributes[i].listed ? 1 : 0 };
        VD_AUTO_BUF td_attributes = vd_buf_of(8);
        VD_AUTO_BUF xfam = vd_buf_of(8);
        vd_buf_le(&td_attributes, attributes[i].attributes, 8);
        vd_buf_le(&xfam, attributes[i].xfam, 8);
        const struct iss_evidence in = { 0 };
        struct tdx_case c = { .cfg = &cfg, .in = &in, .list = list };
        c.quote.td.td_attributes = vd_buf_span(&td_attributes);
        c.quote.td.xfam = vd_buf_span(&xfam);
        if (attributes[i].service)
            c.quote.td.mr_service_td = vd_span_of(attributes[i].service, 48);
        if (attributes[i].service_now) {
            c.quote.td.service_td_hash = vd_span_of(attributes[i].service_now, 48);
            c.quote.td.init_service_td_hash = vd_span_of(zeros, 48);
        }
        vd_rc_ rc = tdx_check_attributes(&c, NULL);
        if (rc.code != attributes[i].want)
            fail_msg("%s: got %d", attributes[i].name, (int)rc.code);
        assert_true(list->n_checks > 0);
        assert_true(list->check[list->n_checks - 1].ok == (rc.code == VD_E_OK));
        if (rc.code == VD_E_OK) /* what was allowed is marked */
            assert_true(c.under_debug == ((attributes[i].attributes & 0xff) != 0));
    }
    print_message("TD attributes: %zu cases\n", sizeof attributes / sizeof attributes[0]);
}

/* ---- claims -------------------------------------------------------------------------------------
 */

static void claims_have_what_the_body_has(void **state)
{
    (void)state;
    static const uint8_t wire[2] = { 4, 0 };
    const struct iss_evidence in = { 0 };
    struct tdx_case c = { .in = &in };
    c.quote.raw_version = vd_span_of(wire, 2);
    c.quote.td.td_attributes = vd_span_of(zeros, 8);
    c.quote.td.rtmr[3] = vd_span_of(ones, 48);
    VD_AUTO_BUF old = vd_buf_of(8192);
    assert_ok(tdx_claims_write(&c, &old, NULL));
    assert_null(strstr(vd_buf_cstr(&old), "tee_tcb_svn2"));
    assert_null(strstr(vd_buf_cstr(&old), "\"type\""));
    assert_null(strstr(vd_buf_cstr(&old), "tcb_status")); /* nothing was verified */
    assert_non_null(strstr(vd_buf_cstr(&old), "\"version\":\"0400\""));
    c.quote.raw_body_type = vd_span_of(wire, 2);
    c.quote.td.tee_tcb_svn2 = vd_span_of(ones, 16);
    c.quote.td.vmid = vd_span_of(ones, 1);
    VD_AUTO_BUF new = vd_buf_of(8192);
    assert_ok(tdx_claims_write(&c, &new, NULL));
    assert_non_null(strstr(vd_buf_cstr(&new), "\"type\":\"0400\""));
    assert_non_null(strstr(vd_buf_cstr(&new), "\"vmid\":\"01\""));
    assert_non_null(
        strstr(vd_buf_cstr(&new), "\"tee_tcb_svn2\":\"01010101010101010101010101010101\""));
    VD_AUTO_BUF tiny = vd_buf_of(100);
    assert_rc(VD_E_TOO_LARGE, tdx_claims_write(&c, &tiny, NULL));
}

/* ---- evidence and settings ----------------------------------------------------------------------
 */

static void evidence_that_is_no_quote_and_log_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *json;
        vd_code want;
    } cases[] = {
        { "an array", "[]", VD_E_BAD_EVIDENCE },
        { "a string", "\"quote\"", VD_E_BAD_EVIDENCE },
        { "nothing", "{}", VD_E_BAD_EVIDENCE },
        { "quote null", "{\"quote\":null}", VD_E_BAD_EVIDENCE },
        { "quote empty", "{\"quote\":\"\"}", VD_E_BAD_EVIDENCE },
        { "quote no base64", "{\"quote\":\"****\"}", VD_E_BAD_EVIDENCE },
        { "quote unpadded", "{\"quote\":\"BAACAA\"}", VD_E_BAD_EVIDENCE },
        { "quote short", "{\"quote\":\"BAACAA==\"}", VD_E_BAD_EVIDENCE },
        { "name in capitals", "{\"Quote\":\"BAACAA==\"}", VD_E_BAD_EVIDENCE },
        { "log a number", "{\"quote\":\"BAACAA==\",\"cc_eventlog\":1}", VD_E_BAD_EVIDENCE },
        { "log an object", "{\"quote\":\"BAACAA==\",\"cc_eventlog\":{}}", VD_E_BAD_EVIDENCE },
        { "quote of 12 bytes", "{\"quote\":\"CQACAIEAAAAAAAAA\"}", VD_E_BAD_EVIDENCE },
    };
    AUTO_INTEL w = { 0 };
    assert_int_equal(intel_open(&w, AT, NULL), VD_E_OK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
        assert_ok(vd_json_parse(vd_span_str(cases[i].json), VD_JSON_LIMITS(4096), &doc, NULL));
        struct iss_evidence in = { .json = vd_json_root(doc) };
        vd_code got = intel_verify(&w, "tdx", &in);
        if (got != cases[i].want)
            fail_msg("%s: got %d (%s)", cases[i].name, (int)got, w.err.msg);
        assert_int_equal(w.list->n, 0);
    }
    VD_AUTO_BUF sgx = vd_test_file(INTEL "dcap-qvl/sgx_quote");
    struct iss_evidence in = { .raw = vd_buf_span(&sgx) };
    intel_expect("an enclave's quote", VD_E_EVIDENCE_VERSION, &w, "tdx", &in);
}

static void settings_that_mean_nothing_stop_the_start(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        { "tee.tdx.service_tds=[\"00\"]", NULL },
        { "tee.tdx.service_tds=[\"zz\"]", NULL },
        { "tee.dcap.fmspcs=[\"00806F05000\"]", NULL },
        { "tee.dcap.fmspcs=[\"00806F05000000\"]", NULL },
        { "tee.dcap.min_tcb_date=yesterday", NULL },
        { "tee.dcap.extra_roots=[\"/nonexistent\"]", NULL },
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        AUTO_INTEL w = { 0 };
        size_t n_rows = iss_tee_settings(w.settings, SETTINGS_MAX);
        const struct vd_setting *tables[] = { w.settings, vd_settings_common };
        size_t n[] = { n_rows, vd_settings_common_n };
        struct vd_config_src src = { .program = "issuer", .set = bad[i] };
        assert_ok(vd_config_load(&src, tables, n, 2, &w.config, NULL));
        vd_code got = iss_tees_open(w.config, NULL, &w.tees, &w.err).code;
        if (got != VD_E_CONFIG && got != VD_E_FILE)
            fail_msg("%s: got %d", bad[i][0], (int)got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_genuine_quote_with_its_log_becomes_claims),
        cmocka_unit_test(a_log_that_is_cut_or_changed_is_refused),
        cmocka_unit_test(evidence_of_another_conversation_costs_no_signature),
        cmocka_unit_test(a_quote_without_collateral_is_refused),
        cmocka_unit_test(attributes_are_judged_as_listed),
        cmocka_unit_test(claims_have_what_the_body_has),
        cmocka_unit_test(evidence_that_is_no_quote_and_log_is_refused),
        cmocka_unit_test(settings_that_mean_nothing_stop_the_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
