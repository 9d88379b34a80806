/* VEK certificates: single extensions, genuine ones of each line and kind, and wrong ones. */
#include "tests/unit/issuer/tee/snp/fixture.h"

#include "issuer/tee/snp/vek.h"

static vd_rc parse_file(const char *path, enum snp_line line, struct snp_vek *ret)
{
    VD_AUTO_BUF der = vd_test_file(path);
    VD_AUTO(vd_cert_unref) struct vd_cert *cert = NULL;
    VD_TRY(vd_cert_parse(vd_buf_span(&der), &cert, NULL));
    return snp_vek_parse(cert, line, ret, NULL);
}

static void snp_vek_reads_genuine_certificates(void **state)
{
    (void)state;
    struct snp_vek v;
    assert_ok(parse_file(VECTORS "virtee-sev/vcek_milan.der", SNP_MILAN, &v));
    assert_int_equal(v.kind, SNP_KEY_VCEK);
    assert_string_equal(v.subject, "SEV-VCEK");
    assert_string_equal(v.product, "Milan-B0");
    assert_int_equal(v.tcb.bootloader, 3);
    assert_int_equal(v.tcb.snp, 8);
    assert_int_equal(v.tcb.microcode, 115);
    assert_false(v.tcb.has_fmc);
    assert_int_equal(v.hwid_n, 64);
    assert_int_equal(v.hwid[0], 0xd4);

    assert_ok(parse_file(VECTORS "virtee-sev/vcek_turin.der", SNP_TURIN, &v));
    assert_string_equal(v.product, "Turin");
    assert_int_equal(v.hwid_n, 8);
    assert_int_equal(v.hwid[0], 0x1e);
    assert_true(v.tcb.has_fmc);
    assert_int_equal(v.tcb.fmc, 0);
    assert_int_equal(v.tcb.microcode, 9);

    assert_ok(parse_file(VECTORS "trustee/test-vlek.der", SNP_MILAN, &v));
    assert_int_equal(v.kind, SNP_KEY_VLEK);
    assert_string_equal(v.csp_id, "CN=cc-us-east-2.amazonaws.com");
    assert_int_equal(v.hwid_n, 0);
    assert_int_equal(v.tcb.microcode, 217);

    /* the synthetic ones are well-formed: one with the id bare, one with it in an OCTET STRING */
    assert_ok(parse_file(VECTORS "trustee/test-vcek-invalid-legacy.der", SNP_MILAN, &v));
    assert_int_equal(v.hwid[1], 1);
    assert_int_equal(v.tcb.microcode, 0xa9);
    assert_ok(parse_file(VECTORS "trustee/test-vcek-invalid-new.der", SNP_MILAN, &v));
    assert_int_equal(v.hwid[1], 1);
}

static void snp_vek_refuses_the_wrong_line(void **state)
{
    (void)state;
    struct snp_vek v;
    assert_rc(VD_E_PRODUCT, parse_file(VECTORS "virtee-sev/vcek_milan.der", SNP_GENOA, &v));
    assert_rc(VD_E_PRODUCT, parse_file(VECTORS "virtee-sev/vcek_turin.der", SNP_MILAN, &v));
    VD_AUTO_BUF pem = vd_test_file("tests/vectors/snp/virtee-sev/milan-ask.pem");
    VD_AUTO(vd_cert_unref) struct vd_cert *ask = NULL;
    assert_ok(vd_cert_parse(vd_buf_span(&pem), &ask, NULL));
    assert_rc(VD_E_KEY_TYPE, snp_vek_parse(ask, SNP_MILAN, &v, NULL));
}

static void snp_ext_reads_integers_strictly(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint8_t der[6];
        size_t n;
        int want; /* -1: refused */
    } rows[] = {
        { "zero", { 2, 1, 0 }, 3, 0 },
        { "127", { 2, 1, 127 }, 3, 127 },
        { "128", { 2, 2, 0, 128 }, 4, 128 },
        { "255", { 2, 2, 0, 255 }, 4, 255 },
        { "negative", { 2, 1, 128 }, 3, -1 },
        { "padded", { 2, 2, 0, 127 }, 4, -1 },
        { "256", { 2, 2, 1, 0 }, 4, -1 },
        { "empty", { 2, 0 }, 2, -1 },
        { "three bytes", { 2, 3, 0, 0, 200 }, 5, -1 },
        { "another tag", { 4, 1, 1 }, 3, -1 },
        { "trailing", { 2, 1, 1, 0 }, 4, -1 },
        { "short", { 2, 2, 0 }, 3, -1 },
        { "length in two bytes", { 2, 0x81, 1, 5 }, 4, -1 },
        { "nothing", { 0 }, 0, -1 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t v = 0;
        vd_span in = vd_test_guarded(vd_span_of(rows[i].der, rows[i].n));
        vd_code code = snp_ext_int(in, &v, NULL).code;
        if (code != (rows[i].want < 0 ? VD_E_BAD_EVIDENCE : VD_E_OK) ||
            (rows[i].want >= 0 && v != rows[i].want)) {
            print_error("%s\n", rows[i].name);
            fail();
        }
        vd_test_guarded_free(in);
    }
}

static void snp_ext_reads_text_strictly(void **state)
{
    (void)state;
    char text[8];
    static const uint8_t good[] = { 0x16, 3, 'a', 'b', 'c' };
    assert_ok(snp_ext_text(vd_span_of(good, 5), text, 7, NULL));
    assert_string_equal(text, "abc");
    assert_rc(VD_E_BAD_EVIDENCE, snp_ext_text(vd_span_of(good, 5), text, 2, NULL));
    assert_rc(VD_E_BAD_EVIDENCE, snp_ext_text(vd_span_of(good, 4), text, 7, NULL));
    static const uint8_t bad[][5] = { { 0x0c, 3, 'a', 'b', 'c' },  { 0x16, 2, 'a', 'b', 'c' },
                                      { 0x16, 0, 0, 0, 0 },        { 0x16, 3, 'a', 0, 'c' },
                                      { 0x16, 3, 'a', 0x80, 'c' }, { 0x16, 3, 27, 'b', 'c' } };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_rc(VD_E_BAD_EVIDENCE, snp_ext_text(vd_span_of(bad[i], 5), text, 7, NULL));
}

static void snp_ext_reads_a_hardware_id_by_its_length(void **state)
{
    (void)state;
    uint8_t b[67] = { 4, 64 };
    vd_span id;
    assert_ok(
        snp_ext_hwid(vd_span_of(b, 64), 64, &id, NULL)); /* bare, although it begins with 04 */
    assert_int_equal(id.p[0], 4);
    assert_ok(snp_ext_hwid(vd_span_of(b, 66), 64, &id, NULL));
    assert_ptr_equal(id.p, b + 2);
    assert_rc(VD_E_BAD_EVIDENCE, snp_ext_hwid(vd_span_of(b, 65), 64, &id, NULL));
    assert_rc(VD_E_BAD_EVIDENCE, snp_ext_hwid(vd_span_of(b, 67), 64, &id, NULL));
    assert_rc(VD_E_BAD_EVIDENCE, snp_ext_hwid(vd_span_of(b, 8), 64, &id, NULL));
    assert_rc(VD_E_BAD_EVIDENCE, snp_ext_hwid(VD_SPAN_NONE, 8, &id, NULL));
    b[1] = 63;
    assert_rc(VD_E_BAD_EVIDENCE, snp_ext_hwid(vd_span_of(b, 66), 64, &id, NULL));
}

/* A simulated certificate with one thing wrong, read under its own line. */
static void snp_vek_refuses_wrong_extensions(void **state)
{
    (void)state;
    struct sim_report r;
    struct sim_cert base;
    sim_report_defaults(SIM_MILAN, &r);
    sim_cert_defaults(&r, false, &base);
    struct sim_cert no_id = base, both = base, vlek = base, name = base, product = base,
                    octets = base;
    no_id.without_hwid = true;
    both.with_csp_on_vcek = true;
    vlek.common_name = "SEV-VLEK";
    name.common_name = "VCEK";
    product.product = "Milano";
    octets.hwid_octet_string = true;
    const struct {
        const char *name;
        const struct sim_cert *cert;
        vd_code want;
    } cases[] = {
        { "as it is", &base, VD_E_OK },
        { "id in an OCTET STRING", &octets, VD_E_OK },
        { "no hardware id", &no_id, VD_E_KEY_TYPE },
        { "hardware id and cloud", &both, VD_E_KEY_TYPE },
        { "a VCEK that calls itself VLEK", &vlek, VD_E_KEY_TYPE },
        { "another name", &name, VD_E_KEY_TYPE },
        { "another product", &product, VD_E_PRODUCT },
    };
    VD_AUTO(sim_pki_free) struct sim_pki *pki = sim_pki(SIM_MILAN);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        VD_AUTO_BUF der = vd_buf_of(8192);
        sim_cert_make(pki, cases[i].cert, &der);
        VD_AUTO(vd_cert_unref) struct vd_cert *cert = NULL;
        assert_ok(vd_cert_parse(vd_buf_span(&der), &cert, NULL));
        struct snp_vek v;
        vd_code got = snp_vek_parse(cert, SNP_MILAN, &v, NULL).code;
        if (got != cases[i].want) {
            print_error("%s: got %s\n", cases[i].name, got ? vd_error_row(got)->symbol : "OK");
            fail();
        }
    }
}

static void snp_vek_wants_fmc_on_turin(void **state)
{
    (void)state;
    VD_AUTO(sim_pki_free) struct sim_pki *pki = sim_pki(SIM_TURIN);
    struct sim_report r;
    struct sim_cert c;
    sim_report_defaults(SIM_TURIN, &r);
    sim_cert_defaults(&r, false, &c);
    for (int without = 0; without < 2; without++) {
        c.without_fmc = without == 1;
        VD_AUTO_BUF der = vd_buf_of(8192);
        sim_cert_make(pki, &c, &der);
        VD_AUTO(vd_cert_unref) struct vd_cert *cert = NULL;
        assert_ok(vd_cert_parse(vd_buf_span(&der), &cert, NULL));
        struct snp_vek v;
        vd_code want = without ? VD_E_BAD_EVIDENCE : VD_E_OK;
        assert_int_equal(snp_vek_parse(cert, SNP_TURIN, &v, NULL).code, want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(snp_vek_reads_genuine_certificates),
        cmocka_unit_test(snp_vek_refuses_the_wrong_line),
        cmocka_unit_test(snp_ext_reads_integers_strictly),
        cmocka_unit_test(snp_ext_reads_text_strictly),
        cmocka_unit_test(snp_ext_reads_a_hardware_id_by_its_length),
        cmocka_unit_test(snp_vek_refuses_wrong_extensions),
        cmocka_unit_test(snp_vek_wants_fmc_on_turin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
