/* The DCAP claims of genuine pairs: Trustee's names, types and encodings, and ours. */
#include "tests/unit/issuer/tee/dcap/fixture.h"

static void claims_of(const char *quote_path, const struct coll *c, const char *clock, vd_buf *out)
{
    AUTO_KIT k = kit_new();
    struct dcap_collateral v = coll_view(c);
    VD_AUTO_BUF quote = vd_test_file(quote_path);
    DCAP_AUTO_RESULT res = { 0 };
    vd_err err;
    assert_int_equal(verify(&k, vd_buf_span(&quote), &v, at(clock), &res, &err), VD_E_OK);
    vd_jw w = vd_jw_of(out);
    vd_jw_obj(&w);
    dcap_claims_put(&w, &res);
    vd_jw_end(&w);
    assert_ok(vd_buf_check(out, NULL));
}

static void expect_members(vd_span json, const char *const *want, size_t n)
{
    VD_AUTO(vd_json_free) struct vd_json *j = NULL;
    assert_ok(vd_json_parse(json, VD_JSON_LIMITS(1 << 16), &j, NULL));
    for (size_t i = 0; i < n; i += 2) {
        vd_jv v = vd_jv_pointer(vd_json_root(j), want[i]);
        if (!want[i + 1]) {
            if (vd_jv_ok(v))
                print_error("%s is there\n", want[i]);
            assert_false(vd_jv_ok(v));
            continue;
        }
        vd_span raw = vd_jv_raw(v);
        if (!vd_span_eq_str(raw, want[i + 1])) {
            print_error("%s: %.*s, wanted %s\n", want[i], (int)raw.n, (const char *)raw.p,
                        want[i + 1]);
            fail();
        }
    }
}
#define EXPECT(json, ...)                                                                          \
    do {                                                                                           \
        static const char *const want_[] = { __VA_ARGS__ };                                        \
        expect_members(vd_buf_span(json), want_, sizeof want_ / sizeof want_[0]);                  \
    } while (0)

#define ROOT_KEY_ID                                                                                \
    "\"46e403bd34f05a3f2817ab9badcaacc7ffc98e0f261008cd30dae936cace18d5dcf58eef31463613de1570d51"  \
    "6200993\""

static void an_sgx_platform_of_one_socket(void **state)
{
    (void)state;
    AUTO_COLL c = coll_qvl(INTEL "dcap-qvl/sgx_quote_collateral.json");
    VD_AUTO_BUF json = vd_buf_of(1 << 16);
    claims_of(INTEL "dcap-qvl/sgx_quote", &c, "2025-07-01T00:00:00Z", &json);
    EXPECT(&json, "/tcb_status", "\"ConfigurationAndSWHardeningNeeded\"", "/advisory_ids",
           "[\"INTEL-SA-00289\",\"INTEL-SA-00615\"]", "/tcb_date", "\"2024-03-13T00:00:00Z\"",
           "/tcb_eval_num", "17", "/collateral_expiration_status", "\"0\"", "/earliest_issue_date",
           "\"2018-05-21T10:45:10Z\"", "/latest_issue_date", "\"2025-06-19T10:56:11Z\"",
           "/earliest_expiration_date", "\"2025-07-19T10:01:18Z\"", "/pck_crl_num", "1",
           "/root_ca_crl_num", "1", "/root_key_id", ROOT_KEY_ID, "/sgx_type", "\"Standard\"",
           "/is_dynamic_platform", NULL, "/platform_instance_id", NULL, "/tcb_status_current",
           "\"ConfigurationAndSWHardeningNeeded\"", "/tcb_date_current", "\"2024-03-13T00:00:00Z\"",
           "/advisory_ids_current", "[\"INTEL-SA-00289\",\"INTEL-SA-00615\"]", "/dcap_algorithm",
           "1", "/fmspc", "\"00a067110000\"", "/pck_ca", "\"processor\"", "/tcb_date_module", NULL,
           "/tcb_parts/platform/held_back_by", "\"SGX TCB component 7: 0 < 12\"",
           "/tcb_parts/quoting_enclave/status", "\"UpToDate\"", "/tcb_parts/tdx_module", NULL,
           "/collateral/pck_crl/next_update", "\"2025-07-19T10:23:18Z\"");
}

static void a_td_that_should_be_launched_again(void **state)
{
    (void)state;
    AUTO_COLL c = coll_oe_dump(OE "tdx_endorsement.bin");
    VD_AUTO_BUF json = vd_buf_of(1 << 16);
    claims_of(OE "tdx_quote-moduleupdate-seamldr5.dat", &c, "2025-03-10T00:00:00Z", &json);
    EXPECT(&json, "/tcb_status", "\"TDRelaunchAdvised\"", "/tcb_status_current", "\"UpToDate\"",
           "/advisory_ids", "[\"INTEL-SA-01036\",\"INTEL-SA-01099\"]", "/advisory_ids_current",
           "[]", "/tcb_eval_num", "18", "/tcb_parts/tdx_module/status", "\"OutOfDate\"",
           "/tcb_parts/tdx_module/held_back_by", "\"ISVSVN 4 < 6\"", "/tcb_parts/platform/status",
           "\"UpToDate\"", "/pck_ca", "\"platform\"", "/tcb_date", "\"2024-11-13T00:00:00Z\"");
}

/* Trustee prints the instance's sixteen bytes in reverse. */
static void the_platform_instance_is_reversed(void **state)
{
    (void)state;
    AUTO_COLL c = coll_automata(FORGE_0825 "sgx_tcbinfov3_00606a000000.json",
                                FORGE_0825 "sgx_qeidentity_v4.json", FORGE_0825 "platform_crl.der");
    VD_AUTO_BUF json = vd_buf_of(1 << 16);
    claims_of(INTEL "trustee-verifier/occlum_quote.dat", &c, "2025-09-01T00:00:00Z", &json);
    EXPECT(&json, "/platform_instance_id", "\"7a3a6941065cd5060bd93d3db2cfc0c8\"", "/sgx_type",
           "\"Scalable\"", "/tcb_status", "\"OutOfDate\"", "/tcb_date", "\"2021-11-10T00:00:00Z\"",
           "/fmspc", "\"00606a000000\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_sgx_platform_of_one_socket),
        cmocka_unit_test(a_td_that_should_be_launched_again),
        cmocka_unit_test(the_platform_instance_is_reversed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
