/* The report parser: genuine bytes, every truncation, every reserved byte, versions. */
#include "tests/unit/issuer/tee/snp/fixture.h"

static void snp_report_reads_a_genuine_report(void **state)
{
    (void)state;
    VD_AUTO_BUF b = vd_test_file(VECTORS "trustee/e2e-report.reconstructed.bin");
    struct snp_report r;
    assert_ok(snp_report_parse(vd_buf_span(&b), &r, NULL));
    assert_int_equal(r.version, 3);
    assert_int_equal(r.policy, 0x30000);
    assert_int_equal(r.vmpl, 0);
    assert_int_equal(r.cpuid_fam, 0x19);
    assert_int_equal(r.cpuid_mod, 0xa0);
    assert_int_equal(snp_report_line(&r), SNP_GENOA);
    assert_int_equal(snp_signing_key(&r), SNP_KEY_VCEK);
    assert_int_equal(r.current.major, 1);
    assert_int_equal(r.current.minor, 55);
    struct snp_tcb t;
    assert_ok(snp_tcb_parse(r.reported_tcb, SNP_GENOA, &t, NULL));
    assert_int_equal(t.bootloader, 10);
    assert_int_equal(t.snp, 23);
    assert_int_equal(t.microcode, 25);
    assert_int_equal(r.signed_part.n, SNP_SIGNED_BYTES);
}

static void snp_report_refuses_every_other_length(void **state)
{
    (void)state;
    VD_AUTO_BUF b = vd_test_file(VECTORS "trustee/e2e-report.reconstructed.bin");
    struct snp_report r;
    for (size_t n = 0; n < b.n; n++) {
        vd_span cut = vd_test_guarded(vd_span_part(vd_buf_span(&b), 0, n));
        assert_rc(VD_E_BAD_EVIDENCE, snp_report_parse(cut, &r, NULL));
        vd_test_guarded_free(cut);
    }
    vd_buf_u8(&b, 0);
    assert_rc(VD_E_BAD_EVIDENCE, snp_report_parse(vd_buf_span(&b), &r, NULL));
    print_message("truncations: %d\n", SNP_REPORT_BYTES);
}

static void snp_report_refuses_reserved_bytes(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint8_t version;
        unsigned from;
        unsigned to; /* exclusive */
    } rows[] = {
        { "behind key information", 3, 0x04c, 0x050 },
        { "CPUID bytes of version 2", 2, 0x188, 0x1a0 },
        { "behind the CPUID bytes", 3, 0x18b, 0x1a0 },
        { "behind the current version", 3, 0x1eb, 0x1ec },
        { "behind the committed version", 3, 0x1ef, 0x1f0 },
        { "vectors before version 5", 4, 0x1f8, 0x2a0 },
        { "behind the vectors", 5, 0x208, 0x2a0 },
        { "top of r", 3, 0x2d0, 0x2e8 },
        { "top of s", 3, 0x318, 0x330 },
        { "behind the signature", 3, 0x330, 0x4a0 },
    };
    size_t tried = 0;
    struct snp_report r;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t b[SNP_REPORT_BYTES] = { rows[i].version };
        assert_ok(snp_report_parse(vd_span_of(b, sizeof b), &r, NULL));
        for (unsigned at = rows[i].from; at < rows[i].to; at++, tried++) {
            b[at] = 1;
            if (snp_report_parse(vd_span_of(b, sizeof b), &r, NULL).code != VD_E_BAD_EVIDENCE) {
                print_error("%s: byte 0x%x accepted\n", rows[i].name, at);
                fail();
            }
            b[at] = 0;
        }
    }
    print_message("reserved bytes: %zu\n", tried);
}

static void snp_report_knows_versions_2_to_5(void **state)
{
    (void)state;
    struct snp_report r;
    for (unsigned v = 0; v < 256; v++) {
        uint8_t b[SNP_REPORT_BYTES] = { (uint8_t)v };
        vd_code want = v >= 2 && v <= 5 ? VD_E_OK : VD_E_EVIDENCE_VERSION;
        assert_int_equal(snp_report_parse(vd_span_of(b, sizeof b), &r, NULL).code, want);
    }
    uint8_t high[SNP_REPORT_BYTES] = { 3, 0, 1 };
    assert_rc(VD_E_EVIDENCE_VERSION, snp_report_parse(vd_span_of(high, sizeof high), &r, NULL));
}

static void snp_line_follows_the_processor(void **state)
{
    (void)state;
    static const struct {
        uint8_t family;
        uint8_t model;
        enum snp_line want;
    } rows[] = {
        { 0x19, 0x00, SNP_MILAN },        { 0x19, 0x0f, SNP_MILAN },
        { 0x19, 0x10, SNP_GENOA },        { 0x19, 0x1f, SNP_GENOA },
        { 0x19, 0x20, SNP_LINE_UNKNOWN }, { 0x19, 0x9f, SNP_LINE_UNKNOWN },
        { 0x19, 0xa0, SNP_GENOA },        { 0x19, 0xaf, SNP_GENOA },
        { 0x19, 0xb0, SNP_LINE_UNKNOWN }, { 0x1a, 0x00, SNP_TURIN },
        { 0x1a, 0x11, SNP_TURIN },        { 0x1a, 0x12, SNP_LINE_UNKNOWN },
        { 0x1a, 0x50, SNP_LINE_UNKNOWN }, { 0x18, 0x00, SNP_LINE_UNKNOWN },
        { 0x1b, 0x00, SNP_LINE_UNKNOWN },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(snp_line_of_cpuid(rows[i].family, rows[i].model), rows[i].want);
}

static void snp_tcb_has_one_map_per_line(void **state)
{
    (void)state;
    static const uint8_t raw[8] = { 1, 2, 0, 0, 0, 0, 7, 8 };
    static const uint8_t turin[8] = { 1, 2, 3, 4, 0, 0, 0, 8 };
    struct snp_tcb t;
    assert_ok(snp_tcb_parse(vd_span_of(raw, 8), SNP_MILAN, &t, NULL));
    assert_int_equal(t.bootloader, 1);
    assert_int_equal(t.tee, 2);
    assert_int_equal(t.snp, 7);
    assert_int_equal(t.microcode, 8);
    assert_ok(snp_tcb_parse(vd_span_of(turin, 8), SNP_TURIN, &t, NULL));
    assert_int_equal(t.fmc, 1);
    assert_int_equal(t.bootloader, 2);
    assert_int_equal(t.tee, 3);
    assert_int_equal(t.snp, 4);
    assert_rc(VD_E_BAD_EVIDENCE, snp_tcb_parse(vd_span_of(turin, 8), SNP_GENOA, &t, NULL));
    assert_rc(VD_E_BAD_EVIDENCE, snp_tcb_parse(vd_span_of(raw, 8), SNP_TURIN, &t, NULL));
    assert_rc(VD_E_BAD_EVIDENCE, snp_tcb_parse(vd_span_of(raw, 7), SNP_MILAN, &t, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(snp_report_reads_a_genuine_report),
        cmocka_unit_test(snp_report_refuses_every_other_length),
        cmocka_unit_test(snp_report_refuses_reserved_bytes),
        cmocka_unit_test(snp_report_knows_versions_2_to_5),
        cmocka_unit_test(snp_line_follows_the_processor),
        cmocka_unit_test(snp_tcb_has_one_map_per_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
