/* JSON evidence: what is put back into the signed bytes, and the table of what is refused. The
 * table edits the text of genuine evidence, so each row differs from an accepted one in one thing
 * only. */
#include "tests/unit/issuer/tee/snp/fixture.h"

#include "issuer/tee/snp/json.h"

static vd_rc parse_text(vd_span text, struct snp_evidence *ret)
{
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    VD_TRY(vd_json_parse(text, VD_JSON_LIMITS(1u << 20), &doc, NULL));
    return snp_json_parse(vd_json_root(doc), ret, NULL);
}

/* text with the first `from` replaced by `to`; fails when it is not there. */
static vd_buf edited(vd_span text, const char *from, const char *to)
{
    vd_span f = vd_span_str(from);
    size_t at = 0;
    while (at + f.n <= text.n && !vd_span_starts(vd_span_part(text, at, text.n), f))
        at++;
    assert_true(at + f.n <= text.n);
    vd_buf out = vd_buf_of(1u << 20);
    vd_buf_add(&out, vd_span_part(text, 0, at));
    vd_buf_str(&out, to);
    vd_buf_add(&out, vd_span_part(text, at + f.n, text.n));
    return out;
}

static void snp_json_gives_the_bytes_that_were_signed(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        const char *bytes;
    } rows[] = {
        { VECTORS "trustee/e2e-evidence.json", VECTORS "trustee/e2e-report.reconstructed.bin" },
        { VECTORS "derived/evidence-v2-milan-vcek.json", VECTORS "trustee/test-report.bin" },
        { VECTORS "derived/evidence-v3-milan-vlek-vmpl1.json",
          VECTORS "trustee/test-vlek-report.bin" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        VD_AUTO_BUF text = vd_test_file(rows[i].json);
        VD_AUTO_BUF bytes = vd_test_file(rows[i].bytes);
        SNP_AUTO_EVIDENCE e = { 0 };
        assert_ok(parse_text(vd_buf_span(&text), &e));
        assert_int_equal(bytes.n, SNP_REPORT_BYTES);
        assert_memory_equal(e.report, bytes.p, SNP_REPORT_BYTES);
        assert_true(e.has_chain);
        assert_int_equal(e.n_vcek + e.n_vlek, 1);
    }
}

static void snp_json_gives_the_bytes_of_every_version_and_line(void **state)
{
    (void)state;
    size_t n = 0;
    for (int line = 0; line < SIM_LINE_MAX; line++)
        for (uint32_t version = 2; version <= 5; version++, n++) {
            struct sim_report r;
            uint8_t bytes[SIM_REPORT];
            sim_report_defaults((enum sim_line)line, &r);
            r.version = version;
            r.policy = UINT64_C(0x3ffffff); /* all defined bits */
            r.plat_info = UINT64_C(0xfedcba9876543210);
            r.launch_mit = UINT64_C(0xffffffffffffffff);
            r.current_mit = UINT64_C(0x8000000000000001);
            sim_report_bytes(&r, bytes);
            bytes[0x2a0] = 1;
            bytes[0x2e8 + 47] = 0xff;
            VD_AUTO_BUF text = vd_buf_of(1u << 20);
            sim_evidence_json(vd_span_of(bytes, sizeof bytes), (enum sim_line)line, "VCEK",
                              VD_SPAN_NONE, &text);
            SNP_AUTO_EVIDENCE e = { 0 };
            assert_ok(parse_text(vd_buf_span(&text), &e));
            assert_memory_equal(e.report, bytes, sizeof bytes);
            assert_false(e.has_chain);
        }
    print_message("versions and lines: %zu\n", n);
}

/* Edits of the Genoa evidence (version 3). */
static const struct {
    const char *name;
    const char *from;
    const char *to;
    vd_code want;
} rows[] = {
    { "unknown member", "\"version\":3", "\"version\":3,\"new\":[1]", VD_E_OK },
    { "vectors null", "\"guest_svn\":0",
      "\"guest_svn\":0,\"launch_mit_vector\":null,\"current_mit_vector\":null", VD_E_OK },
    { "fmc left out", "\"fmc\":null,", "", VD_E_OK },
    { "report missing", "\"attestation_report\"", "\"attestation_repord\"", VD_E_BAD_EVIDENCE },
    { "version missing", "\"version\":3,", "", VD_E_BAD_EVIDENCE },
    { "version as text", "\"version\":3", "\"version\":\"3\"", VD_E_BAD_EVIDENCE },
    { "version as fraction", "\"version\":3", "\"version\":3.0", VD_E_BAD_EVIDENCE },
    { "version 1", "\"version\":3", "\"version\":1", VD_E_EVIDENCE_VERSION },
    { "version 6", "\"version\":3", "\"version\":6", VD_E_EVIDENCE_VERSION },
    { "version above 32 bits", "\"version\":3", "\"version\":4294967299", VD_E_BAD_EVIDENCE },
    { "version 2 with CPUID", "\"version\":3", "\"version\":2", VD_E_BAD_EVIDENCE },
    { "version 5 without vectors", "\"version\":3", "\"version\":5", VD_E_BAD_EVIDENCE },
    { "version 3 with a vector", "\"guest_svn\":0", "\"guest_svn\":0,\"launch_mit_vector\":1",
      VD_E_BAD_EVIDENCE },
    { "policy with exponent", "\"policy\":196608", "\"policy\":1.96608e5", VD_E_BAD_EVIDENCE },
    { "policy negative", "\"policy\":196608", "\"policy\":-196608", VD_E_BAD_EVIDENCE },
    { "policy minus zero", "\"policy\":196608", "\"policy\":-0", VD_E_BAD_EVIDENCE },
    { "policy above 64 bits", "\"policy\":196608", "\"policy\":18446744073709551616",
      VD_E_BAD_EVIDENCE },
    { "policy 64 bits", "\"policy\":196608", "\"policy\":18446744073709551615", VD_E_OK },
    { "policy null", "\"policy\":196608", "\"policy\":null", VD_E_BAD_EVIDENCE },
    { "policy twice", "\"policy\":196608", "\"policy\":196608,\"policy\":196608", VD_E_SYNTAX },
    { "measurement twice", "\"measurement\":", "\"measurement\":[],\"measurement\":", VD_E_SYNTAX },
    { "element 256", "\"report_data\":[126", "\"report_data\":[256", VD_E_BAD_EVIDENCE },
    { "element negative", "\"report_data\":[126", "\"report_data\":[-1", VD_E_BAD_EVIDENCE },
    { "element with fraction", "\"report_data\":[126", "\"report_data\":[126.0",
      VD_E_BAD_EVIDENCE },
    { "element with exponent", "\"report_data\":[126", "\"report_data\":[1e2", VD_E_BAD_EVIDENCE },
    { "element as text", "\"report_data\":[126", "\"report_data\":[\"126\"", VD_E_BAD_EVIDENCE },
    { "element as boolean", "\"report_data\":[126", "\"report_data\":[true", VD_E_BAD_EVIDENCE },
    { "element as array", "\"report_data\":[126", "\"report_data\":[[126]", VD_E_BAD_EVIDENCE },
    { "one element more", "\"report_data\":[126", "\"report_data\":[0,126", VD_E_BAD_EVIDENCE },
    { "one element less", "\"report_data\":[126,", "\"report_data\":[", VD_E_BAD_EVIDENCE },
    { "array as object", "\"family_id\":[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]", "\"family_id\":{}",
      VD_E_BAD_EVIDENCE },
    { "array missing", "\"family_id\":[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0],", "", VD_E_BAD_EVIDENCE },
    { "fmc set on Genoa", "\"fmc\":null", "\"fmc\":0", VD_E_BAD_EVIDENCE },
    { "TCB as array",
      "\"current_tcb\":{\"fmc\":null,\"bootloader\":10,\"tee\":0,\"snp\":23,\"microcode\":25}",
      "\"current_tcb\":[]", VD_E_BAD_EVIDENCE },
    { "bootloader missing", "\"bootloader\":10,", "", VD_E_BAD_EVIDENCE },
    { "bootloader 256", "\"bootloader\":10", "\"bootloader\":256", VD_E_BAD_EVIDENCE },
    { "family null", "\"cpuid_fam_id\":25", "\"cpuid_fam_id\":null", VD_E_BAD_EVIDENCE },
    { "family missing", "\"cpuid_fam_id\":25,", "", VD_E_BAD_EVIDENCE },
    { "family 256", "\"cpuid_fam_id\":25", "\"cpuid_fam_id\":256", VD_E_BAD_EVIDENCE },
    { "model missing", "\"cpuid_mod_id\":160,", "", VD_E_BAD_EVIDENCE },
    { "stepping missing", "\"cpuid_step\":2,", "", VD_E_BAD_EVIDENCE },
    { "Turin without fmc", "\"cpuid_fam_id\":25,\"cpuid_mod_id\":160",
      "\"cpuid_fam_id\":26,\"cpuid_mod_id\":2", VD_E_BAD_EVIDENCE },
    { "a processor without a root", "\"cpuid_fam_id\":25,\"cpuid_mod_id\":160",
      "\"cpuid_fam_id\":26,\"cpuid_mod_id\":80", VD_E_PRODUCT },
    { "another family", "\"cpuid_fam_id\":25", "\"cpuid_fam_id\":24", VD_E_PRODUCT },
    { "current without build", "\"current\":{", "\"current\":{\"buildd\":1},\"x\":{",
      VD_E_BAD_EVIDENCE },
    { "signature missing", "\"signature\":{", "\"signaturf\":{", VD_E_BAD_EVIDENCE },
    { "r missing", "\"r\":[", "\"q\":[", VD_E_BAD_EVIDENCE },
    { "s missing", "\"s\":[", "\"t\":[", VD_E_BAD_EVIDENCE },
    { "r of 73", "\"r\":[", "\"r\":[0,", VD_E_BAD_EVIDENCE },
    { "name in another case", "\"vmpl\":0", "\"VMPL\":0", VD_E_BAD_EVIDENCE },
    { "chain null", "\"cert_chain\":[", "\"cert_chain\":null,\"x\":[", VD_E_OK },
    { "chain missing", "\"cert_chain\":[", "\"x\":[", VD_E_OK },
    { "chain as object", "\"cert_chain\":[", "\"cert_chain\":{},\"x\":[", VD_E_BAD_EVIDENCE },
    { "certificate type missing", "\"cert_type\"", "\"cert_typf\"", VD_E_BAD_EVIDENCE },
    { "certificate type as number", "\"cert_type\":\"VCEK\"", "\"cert_type\":3",
      VD_E_BAD_EVIDENCE },
    { "certificate of another type", "\"cert_type\":\"VCEK\"", "\"cert_type\":{\"OTHER\":\"x\"}",
      VD_E_OK },
    { "certificate data missing", "\"data\":[", "\"datb\":[", VD_E_BAD_EVIDENCE },
    { "certificate data empty", "\"data\":[", "\"data\":[],\"x\":[", VD_E_BAD_EVIDENCE },
    { "certificate data with 256", "\"data\":[", "\"data\":[256,", VD_E_BAD_EVIDENCE },
    { "older shape", "\"key_info\":0", "\"_author_key_en\":0", VD_E_BAD_EVIDENCE },
};

static void snp_json_refuses_what_is_not_exact(void **state)
{
    (void)state;
    VD_AUTO_BUF genuine = vd_test_file(VECTORS "trustee/e2e-evidence.json");
    size_t n = sizeof rows / sizeof rows[0];
    for (size_t i = 0; i < n; i++) {
        VD_AUTO_BUF text = edited(vd_buf_span(&genuine), rows[i].from, rows[i].to);
        SNP_AUTO_EVIDENCE e = { 0 };
        vd_code got = parse_text(vd_buf_span(&text), &e).code;
        if (got != rows[i].want) {
            print_error("%s: got %s\n", rows[i].name, got ? vd_error_row(got)->symbol : "OK");
            fail();
        }
    }
    print_message("json table: %zu rows\n", n);
}

static void snp_json_refuses_what_is_no_object(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "null",
        "[]",
        "\"x\"",
        "1",
        "{}",
        "{\"attestation_report\":null}",
        "{\"attestation_report\":[]}",
        "{\"attestation_report\":{}}",
        "{\"attestation_report\":\"AgAAAA==\",\"cert_chain\":null}"
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        SNP_AUTO_EVIDENCE e = { 0 };
        assert_rc(VD_E_BAD_EVIDENCE, parse_text(vd_span_str(texts[i]), &e));
    }
}

static void snp_json_survives_every_truncation(void **state)
{
    (void)state;
    VD_AUTO_BUF text = vd_test_file(VECTORS "trustee/e2e-evidence.json");
    size_t whole = text.n;
    while (whole > 0 && text.p[whole - 1] != '}')
        whole--;
    for (size_t n = 0; n < whole; n++) {
        vd_span cut = vd_test_guarded(vd_span_part(vd_buf_span(&text), 0, n));
        SNP_AUTO_EVIDENCE e = { 0 };
        assert_rc(VD_E_SYNTAX, parse_text(cut, &e));
        vd_test_guarded_free(cut);
    }
    print_message("json truncations: %zu\n", whole);
}

static void snp_json_takes_the_first_of_two_and_counts_them(void **state)
{
    (void)state;
    VD_AUTO_BUF genuine = vd_test_file(VECTORS "trustee/e2e-evidence.json");
    VD_AUTO_BUF text = edited(vd_buf_span(&genuine), "\"cert_chain\":[",
                              "\"cert_chain\":[{\"cert_type\":\"ARK\",\"data\":[1]},{\"cert_type\":"
                              "\"VLEK\",\"data\":[2]},"
                              "{\"cert_type\":\"VCEK\",\"data\":[7,8]},");
    SNP_AUTO_EVIDENCE e = { 0 };
    assert_ok(parse_text(vd_buf_span(&text), &e));
    assert_int_equal(e.n_vcek, 2);
    assert_int_equal(e.n_vlek, 1);
    assert_int_equal(e.vcek.n, 2);
    assert_int_equal(e.vcek.p[0], 7);
    /* the driver needs exactly one */
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    assert_ok(vd_json_parse(vd_buf_span(&text), VD_JSON_LIMITS(1u << 20), &doc, NULL));
    struct snp_cfg cfg = strict_cfg();
    VD_AUTO(snp_free) struct snp *s = open_snp(&cfg);
    struct iss_evidence in = { .json = vd_json_root(doc), .now = AT_2026 };
    expect_code("two VCEKs", VD_E_KEY_TYPE, s, &in);
}

static void snp_evidence_needs_the_certificate_its_report_names(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *from;
        const char *to;
        vd_code want;
    } cases[] = {
        { "as it is", "\"cert_type\":\"VCEK\"", "\"cert_type\":\"VCEK\"", VD_E_OK },
        { "VCEK called VLEK", "\"cert_type\":\"VCEK\"", "\"cert_type\":\"VLEK\"", VD_E_KEY_TYPE },
        { "only an ARK", "\"cert_type\":\"VCEK\"", "\"cert_type\":\"ARK\"", VD_E_KEY_TYPE },
        { "empty chain", "\"cert_chain\":[", "\"cert_chain\":[],\"x\":[", VD_E_KEY_TYPE },
        { "no chain, nowhere to look", "\"cert_chain\":[", "\"cert_chain\":null,\"x\":[",
          VD_E_COLLATERAL },
        { "no certificate at all", "\"data\":[", "\"data\":[1,2,3],\"x\":[", VD_E_BAD_EVIDENCE },
    };
    VD_AUTO_BUF genuine = vd_test_file(VECTORS "trustee/e2e-evidence.json");
    struct snp_cfg cfg = strict_cfg();
    VD_AUTO(snp_free) struct snp *s = open_snp(&cfg);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        VD_AUTO_BUF text = edited(vd_buf_span(&genuine), cases[i].from, cases[i].to);
        VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
        assert_ok(vd_json_parse(vd_buf_span(&text), VD_JSON_LIMITS(1u << 20), &doc, NULL));
        struct iss_evidence in = { .json = vd_json_root(doc), .now = AT_2026 };
        expect_code(cases[i].name, cases[i].want, s, &in);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(snp_json_gives_the_bytes_that_were_signed),
        cmocka_unit_test(snp_json_gives_the_bytes_of_every_version_and_line),
        cmocka_unit_test(snp_json_refuses_what_is_not_exact),
        cmocka_unit_test(snp_json_refuses_what_is_no_object),
        cmocka_unit_test(snp_json_survives_every_truncation),
        cmocka_unit_test(snp_json_takes_the_first_of_two_and_counts_them),
        cmocka_unit_test(snp_evidence_needs_the_certificate_its_report_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
