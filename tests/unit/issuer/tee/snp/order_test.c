/* Cheap refusals come first: evidence of another conversation is refused before a certificate is
 * looked for or a signature is checked, however good or bad the rest of it is. */
#include "tests/unit/issuer/tee/snp/fixture.h"

static bool was_checked(const struct iss_claims_list *list, const char *name)
{
    for (size_t i = 0; i < list->n_checks; i++)
        if (strcmp(list->check[i].name, name) == 0)
            return true;
    return false;
}

static void evidence_of_another_conversation_costs_no_signature(void **state)
{
    (void)state;
    static const uint8_t mine[64] = { 1, 2, 3 };
    static const uint8_t other[64] = { 1, 2, 4 };
    static const struct {
        const char *name;
        bool bound, flipped, cert;
        vd_code want;
    } rows[] = {
        { "another's report data", false, false, true, VD_E_BINDING },
        { "another's, and no signature", false, true, true, VD_E_BINDING },
        { "another's, and no certificate", false, false, false, VD_E_BINDING },
        { "ours, and no signature", true, true, true, VD_E_SIG },
        { "ours, and no certificate", true, false, false, VD_E_COLLATERAL },
    };
    VD_AUTO(sim_pki_free) struct sim_pki *pki = sim_pki(SIM_MILAN);
    const char *roots[] = { sim_pki_roots(pki) };
    struct snp_cfg cfg = strict_cfg();
    cfg.extra_roots = roots;
    cfg.n_extra_roots = 1;
    VD_AUTO(snp_free) struct snp *s = open_snp(&cfg);
    struct guest g = guest_of(SIM_MILAN, false);
    memcpy(g.report.report_data, mine, sizeof mine);
    uint8_t report[SIM_REPORT];
    VD_AUTO_BUF cert = vd_buf_of(65536);
    guest_bytes(pki, &g, report, &cert);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint8_t bytes[SIM_REPORT];
        memcpy(bytes, report, sizeof bytes);
        bytes[0x2A0] ^= rows[i].flipped ? 1 : 0; /* first byte of the signature */
        const struct iss_evidence in = {
            .raw = vd_span_of(bytes, sizeof bytes),
            .vcek = rows[i].cert ? vd_buf_span(&cert) : VD_SPAN_NONE,
            .now = AT_2026,
            .report_data = { true, { rows[i].bound ? mine : other, sizeof mine } },
        };
        VD_AUTO(iss_claims_list_free) struct iss_claims_list *list = NULL;
        vd_err err;
        vd_code got = verify_in(s, &in, &list, &err);
        if (got != rows[i].want)
            print_error("%s: %s\n", rows[i].name, err.msg);
        assert_int_equal(got, rows[i].want);
        assert_true(was_checked(list, "report data"));
        assert_int_equal(was_checked(list, "signing certificate"), rows[i].bound && rows[i].cert);
        assert_int_equal(was_checked(list, "report signature"), got == VD_E_SIG);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(evidence_of_another_conversation_costs_no_signature),
    };
    assert_ok(vd_base_init(NULL));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
