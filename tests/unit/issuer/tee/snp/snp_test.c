/* The driver over genuine evidence: verdicts of the vectors at their clocks, claims, every flipped
 * bit, and the edits that must fail each for its own reason. */
#include "tests/unit/issuer/tee/snp/fixture.h"

#include <pthread.h>

#include "issuer/tee/snp/json.h"
#include "shared/codec/b64.h"

static const struct snp_cfg allow_v2 = { .vcek_from_evidence = true,
                                         .chain_cache = 64,
                                         .allow_v2 = true };
static const char *const any_cloud[] = { "*" };
static const struct snp_cfg aws = { .vcek_from_evidence = true,
                                    .chain_cache = 64,
                                    .max_vmpl = 1,
                                    .permit_provisional = true,
                                    .csp_ids = any_cloud,
                                    .n_csp_ids = 1 };

static vd_buf file_bytes(const char *name)
{
    VD_AUTO_BUF path = vd_buf_of(512);
    vd_buf_printf(&path, VECTORS "%s", name);
    vd_buf b = vd_test_file(vd_buf_cstr(&path));
    vd_span s = vd_buf_span(&b);
    if (s.n > 4 &&
        vd_span_eq_str(vd_span_part(s, 0, 4), "0200")) { /* the one vector in hexadecimal */
        vd_buf raw = vd_buf_of(4096);
        assert_ok(vd_hex_decode(s, &raw, NULL));
        vd_buf_done(&b);
        return raw;
    }
    return b;
}

static struct iss_evidence raw_evidence(const vd_buf *report, const vd_buf *vek, int64_t now)
{
    return (
        struct iss_evidence){ .raw = vd_buf_span(report), .vcek = vd_buf_span(vek), .now = now };
}

static void snp_gives_the_verdict_of_every_genuine_report(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *report;
        const char *vek;
        struct snp_cfg cfg;
        int64_t now;
        vd_code want;
    } rows[] = {
        { "Genoa, version 3",
          "trustee/e2e-report.reconstructed.bin",
          NULL,
          { 0 },
          AT_2026,
          VD_E_COLLATERAL },
        { "Milan, version 2",
          "virtee-sev/report_milan.hex",
          "virtee-sev/vcek_milan.der",
          { 0 },
          AT_2026,
          VD_E_EVIDENCE_VERSION },
        { "Milan, version 2 allowed",
          "virtee-sev/report_milan.hex",
          "virtee-sev/vcek_milan.der",
          { .allow_v2 = true },
          AT_2026,
          VD_E_OK },
        { "Milan, another chip's certificate",
          "virtee-sev/report_milan.hex",
          "trustee/test-vcek.der",
          { .allow_v2 = true },
          AT_2026,
          VD_E_SIG },
        { "Azure, version 2",
          "trustee/test-report.bin",
          "trustee/test-vcek.der",
          { 0 },
          AT_2026,
          VD_E_EVIDENCE_VERSION },
        { "Azure, version 2 allowed, provisional",
          "trustee/test-report.bin",
          "trustee/test-vcek.der",
          { .allow_v2 = true },
          AT_2026,
          VD_E_TCB },
        { "Azure, version 2 and provisional allowed",
          "trustee/test-report.bin",
          "trustee/test-vcek.der",
          { .allow_v2 = true, .permit_provisional = true },
          AT_2026,
          VD_E_OK },
        { "synthetic VCEK, old form",
          "trustee/test-report.bin",
          "trustee/test-vcek-invalid-legacy.der",
          { .allow_v2 = true },
          AT_2026,
          VD_E_CHAIN },
        { "synthetic VCEK, new form",
          "trustee/test-report.bin",
          "trustee/test-vcek-invalid-new.der",
          { .allow_v2 = true },
          AT_2026,
          VD_E_CHAIN },
        { "debug allowed by the guest, version 2",
          "go-sev-guest/attestation.bin",
          "go-sev-guest/vcek.testcer",
          { 0 },
          AT_2026,
          VD_E_EVIDENCE_VERSION },
        { "debug allowed by the guest",
          "go-sev-guest/attestation.bin",
          "go-sev-guest/vcek.testcer",
          { .allow_v2 = true, .permit_provisional = true },
          AT_2026,
          VD_E_DEBUG },
        { "debug allowed by both",
          "go-sev-guest/attestation.bin",
          "go-sev-guest/vcek.testcer",
          { .allow_v2 = true, .permit_provisional = true, .allow_debug = true },
          AT_2026,
          VD_E_OK },
        { "VLEK today",
          "trustee/test-vlek-report.bin",
          "trustee/test-vlek.der",
          { 0 },
          AT_2026,
          VD_E_CERT_EXPIRED },
        { "VLEK, cloud not listed",
          "trustee/test-vlek-report.bin",
          "trustee/test-vlek.der",
          { 0 },
          AT_VLEK,
          VD_E_CSP },
        { "VLEK, VMPL 1",
          "trustee/test-vlek-report.bin",
          "trustee/test-vlek.der",
          { .csp_ids = any_cloud, .n_csp_ids = 1 },
          AT_VLEK,
          VD_E_VMPL },
        { "VLEK, provisional firmware",
          "trustee/test-vlek-report.bin",
          "trustee/test-vlek.der",
          { .csp_ids = any_cloud, .n_csp_ids = 1, .max_vmpl = 1 },
          AT_VLEK,
          VD_E_TCB },
        { "VLEK, all of it allowed",
          "trustee/test-vlek-report.bin",
          "trustee/test-vlek.der",
          { .csp_ids = any_cloud, .n_csp_ids = 1, .max_vmpl = 1, .permit_provisional = true },
          AT_VLEK,
          VD_E_OK },
        { "VLEK's report with a VCEK",
          "trustee/test-vlek-report.bin",
          "trustee/test-vcek.der",
          { 0 },
          AT_VLEK,
          VD_E_KEY_TYPE },
        { "VCEK's report with a VLEK",
          "trustee/test-report.bin",
          "trustee/test-vlek.der",
          { .allow_v2 = true },
          AT_VLEK,
          VD_E_KEY_TYPE },
        { "Genoa's report with a Milan certificate",
          "trustee/e2e-report.reconstructed.bin",
          "virtee-sev/vcek_milan.der",
          { 0 },
          AT_2026,
          VD_E_CHAIN },
        { "Milan's report with a Turin certificate",
          "virtee-sev/report_milan.hex",
          "virtee-sev/vcek_turin.der",
          { .allow_v2 = true },
          AT_2026,
          VD_E_SIG },
        { "before the certificate was made",
          "virtee-sev/report_milan.hex",
          "virtee-sev/vcek_milan.der",
          { .allow_v2 = true },
          1600000000,
          VD_E_CERT_EXPIRED },
        { "after the certificate expired",
          "virtee-sev/report_milan.hex",
          "virtee-sev/vcek_milan.der",
          { .allow_v2 = true },
          1950000000,
          VD_E_CERT_EXPIRED },
    };
    size_t n = sizeof rows / sizeof rows[0];
    for (size_t i = 0; i < n; i++) {
        struct snp_cfg cfg = rows[i].cfg;
        cfg.chain_cache = 4;
        VD_AUTO(snp_free) struct snp *s = open_snp(&cfg);
        VD_AUTO_BUF report = file_bytes(rows[i].report);
        VD_AUTO_BUF vek = rows[i].vek ? file_bytes(rows[i].vek) : vd_buf_of(1);
        struct iss_evidence in = raw_evidence(&report, &vek, rows[i].now);
        expect_code(rows[i].name, rows[i].want, s, &in);
    }
    print_message("genuine verdicts: %zu rows\n", n);
}

struct json_evidence {
    vd_buf text;
    struct vd_json *doc;
};

static struct json_evidence json_evidence(const char *name)
{
    struct json_evidence j = { .text = file_bytes(name) };
    assert_ok(vd_json_parse(vd_buf_span(&j.text), VD_JSON_LIMITS(1u << 20), &j.doc, NULL));
    return j;
}
static void json_evidence_done(struct json_evidence *j)
{
    vd_json_free(j->doc);
    vd_buf_done(&j->text);
}
#define AUTO_JSON __attribute__((cleanup(json_evidence_done))) struct json_evidence

static void snp_gives_the_verdict_of_json_evidence(void **state)
{
    (void)state;
    VD_AUTO(snp_free)
    struct snp *strict = open_snp(&(struct snp_cfg){ .vcek_from_evidence = true });
    VD_AUTO(snp_free) struct snp *old = open_snp(&allow_v2);
    VD_AUTO(snp_free) struct snp *cloud = open_snp(&aws);
    AUTO_JSON genoa = json_evidence("trustee/e2e-evidence.json");
    AUTO_JSON milan = json_evidence("derived/evidence-v2-milan-vcek.json");
    AUTO_JSON vlek = json_evidence("derived/evidence-v3-milan-vlek-vmpl1.json");
    struct iss_evidence in = { .json = vd_json_root(genoa.doc), .now = AT_2026 };
    expect_code("Genoa", VD_E_OK, strict, &in);
    in.json = vd_json_root(milan.doc);
    expect_code("Milan version 2", VD_E_EVIDENCE_VERSION, strict, &in);
    expect_code("Milan version 2, provisional", VD_E_TCB, old, &in);
    in.json = vd_json_root(vlek.doc);
    expect_code("VLEK today", VD_E_CERT_EXPIRED, cloud, &in);
    in.now = AT_VLEK;
    expect_code("VLEK, strict", VD_E_CSP, strict, &in);
    expect_code("VLEK, allowed", VD_E_OK, cloud, &in);
}

/* Every member of the expected claims is there with the same text. */
static size_t compare_claims(const struct iss_claims *got, vd_jv want)
{
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    assert_ok(vd_json_parse(vd_buf_span(&got->claims), VD_JSON_LIMITS(1u << 20), &doc, NULL));
    size_t n = 0;
    vd_jv_iter it = vd_jv_iter_of(want);
    while (vd_jv_next(&it)) {
        VD_AUTO_BUF name = vd_buf_of(256);
        assert_ok(vd_jv_str(it.name, &name, NULL));
        vd_span value = vd_jv_raw(vd_jv_get(vd_json_root(doc), vd_buf_cstr(&name)));
        VD_AUTO_BUF moved = vd_buf_of(1024);
        if (vd_jv_str_eq(it.name, "report_data") || vd_jv_str_eq(it.name, "init_data")) {
            assert_int_equal(value.n, 0); /* these two are beside the claims */
            const vd_buf *text =
                vd_jv_str_eq(it.name, "report_data") ? &got->report_data : &got->init_data;
            vd_buf_printf(&moved, "\"%.*s\"", (int)text->n, (const char *)text->p);
            value = vd_buf_span(&moved);
        }
        if (!vd_span_eq(value, vd_jv_raw(it.value))) {
            print_error("claim %s: %.*s\n", vd_buf_cstr(&name), (int)value.n,
                        (const char *)value.p);
            fail();
        }
        n++;
    }
    return n;
}

static void snp_claims_are_those_that_were_computed_independently(void **state)
{
    (void)state;
    static const struct {
        const char *report;
        const char *vek;
        const char *json;
        const char *want;
        struct snp_cfg cfg;
        int64_t now;
    } rows[] = {
        { NULL,
          NULL,
          "trustee/e2e-evidence.json",
          "expected/trustee__e2e-report.reconstructed.bin.claims.json",
          { .vcek_from_evidence = true },
          AT_2026 },
        { "virtee-sev/report_milan.hex",
          "virtee-sev/vcek_milan.der",
          NULL,
          "expected/virtee-sev__report_milan.hex.claims.json",
          { .allow_v2 = true },
          AT_2026 },
        { "trustee/test-report.bin",
          "trustee/test-vcek.der",
          NULL,
          "expected/trustee__test-report.bin.claims.json",
          { .allow_v2 = true, .permit_provisional = true },
          AT_2026 },
        { "go-sev-guest/attestation.bin",
          "go-sev-guest/vcek.testcer",
          NULL,
          "expected/go-sev-guest__attestation.bin.claims.json",
          { .allow_v2 = true, .permit_provisional = true, .allow_debug = true },
          AT_2026 },
        { "trustee/test-vlek-report.bin",
          "trustee/test-vlek.der",
          NULL,
          "expected/trustee__test-vlek-report.bin.claims.json",
          { .csp_ids = any_cloud, .n_csp_ids = 1, .max_vmpl = 1, .permit_provisional = true },
          AT_VLEK },
    };
    size_t members = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        VD_AUTO(snp_free) struct snp *s = open_snp(&rows[i].cfg);
        VD_AUTO_BUF report = rows[i].report ? file_bytes(rows[i].report) : vd_buf_of(1);
        VD_AUTO_BUF vek = rows[i].vek ? file_bytes(rows[i].vek) : vd_buf_of(1);
        struct iss_evidence in = raw_evidence(&report, &vek, rows[i].now);
        AUTO_JSON json = { 0 };
        if (rows[i].json) {
            json = json_evidence(rows[i].json);
            in.json = vd_json_root(json.doc);
        }
        VD_AUTO(iss_claims_list_free) struct iss_claims_list *list = NULL;
        vd_err err;
        assert_int_equal(verify_in(s, &in, &list, &err), VD_E_OK);
        AUTO_JSON want = json_evidence(rows[i].want);
        members += compare_claims(&list->item[0], vd_json_root(want.doc));
        assert_string_equal(list->item[0].cls, "cpu");
        assert_false(list->item[0].simulated);
    }
    print_message("expected claims: %zu members equal\n", members);
}

static void snp_claims_name_the_hardware_and_the_debug_state(void **state)
{
    (void)state;
    VD_AUTO(snp_free) struct snp *cloud = open_snp(&aws);
    struct snp_cfg cfg = allow_v2;
    cfg.allow_debug = true;
    cfg.permit_provisional = true;
    VD_AUTO(snp_free) struct snp *debug = open_snp(&cfg);
    VD_AUTO_BUF report = file_bytes("go-sev-guest/attestation.bin");
    VD_AUTO_BUF vek = file_bytes("go-sev-guest/vcek.testcer");
    struct iss_evidence in = raw_evidence(&report, &vek, AT_2026);
    VD_AUTO(iss_claims_list_free) struct iss_claims_list *list = NULL;
    vd_err err;
    assert_int_equal(verify_in(debug, &in, &list, &err), VD_E_OK);
    assert_true(list->item[0].debug);
    assert_int_equal(strlen(list->item[0].hw_id), 128);
    VD_AUTO_BUF vlek_report = file_bytes("trustee/test-vlek-report.bin");
    VD_AUTO_BUF vlek = file_bytes("trustee/test-vlek.der");
    in = raw_evidence(&vlek_report, &vlek, AT_VLEK);
    VD_AUTO(iss_claims_list_free) struct iss_claims_list *second = NULL;
    assert_int_equal(verify_in(cloud, &in, &second, &err), VD_E_OK);
    assert_false(second->item[0].debug);
    assert_string_equal(second->item[0].hw_id, "");
}

/* A flip that the parser or a check refuses before the signature is fine too: refused is refused.
 */
static void flip_every_bit(const char *name, const struct snp_cfg *cfg, vd_buf *report, vd_span vek)
{
    VD_AUTO(snp_free) struct snp *s = open_snp(cfg);
    struct iss_evidence in = { .raw = vd_buf_span(report), .vcek = vek, .now = AT_2026 };
    assert_int_equal(verify_code(s, &in), VD_E_OK);
    size_t by_signature = 0;
    for (size_t bit = 0; bit < 8u * SNP_REPORT_BYTES; bit++) {
        report->p[bit / 8] ^= (uint8_t)(1u << bit % 8);
        vd_code code = verify_code(s, &in);
        report->p[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (code == VD_E_OK) {
            print_error("%s: bit %zu of byte 0x%zx flipped: accepted\n", name, bit % 8, bit / 8);
            fail();
        }
        by_signature += code == VD_E_SIG;
    }
    assert_int_equal(verify_code(s, &in), VD_E_OK);
    print_message("flips of %s: %u refused, %zu of them by the signature\n", name,
                  8u * SNP_REPORT_BYTES, by_signature);
    assert_true(by_signature > 4000);
}

static void snp_refuses_every_flipped_bit_of_a_genuine_report(void **state)
{
    (void)state;
    VD_AUTO_BUF milan = file_bytes("virtee-sev/report_milan.hex");
    VD_AUTO_BUF milan_vek = file_bytes("virtee-sev/vcek_milan.der");
    flip_every_bit("Milan, version 2", &allow_v2, &milan, vd_buf_span(&milan_vek));
    VD_AUTO_BUF genoa = file_bytes("trustee/e2e-report.reconstructed.bin");
    AUTO_JSON json = json_evidence("trustee/e2e-evidence.json");
    SNP_AUTO_EVIDENCE e = { 0 };
    assert_ok(snp_json_parse(vd_json_root(json.doc), &e, NULL));
    const struct snp_cfg strict = { .vcek_from_evidence = true };
    flip_every_bit("Genoa, version 3", &strict, &genoa, vd_buf_span(&e.vcek));
}

static void snp_refuses_every_truncation(void **state)
{
    (void)state;
    VD_AUTO(snp_free) struct snp *s = open_snp(&allow_v2);
    VD_AUTO_BUF report = file_bytes("virtee-sev/report_milan.hex");
    VD_AUTO_BUF vek = file_bytes("virtee-sev/vcek_milan.der");
    for (size_t n = 1; n < report.n; n++) {
        vd_span cut = vd_test_guarded(vd_span_part(vd_buf_span(&report), 0, n));
        struct iss_evidence in = { .raw = cut, .vcek = vd_buf_span(&vek), .now = AT_2026 };
        assert_int_equal(verify_code(s, &in), VD_E_BAD_EVIDENCE);
        vd_test_guarded_free(cut);
    }
    for (size_t n = 1; n < vek.n; n++) {
        vd_span cut = vd_test_guarded(vd_span_part(vd_buf_span(&vek), 0, n));
        struct iss_evidence in = { .raw = vd_buf_span(&report), .vcek = cut, .now = AT_2026 };
        assert_int_equal(verify_code(s, &in), VD_E_BAD_EVIDENCE);
        vd_test_guarded_free(cut);
    }
    print_message("truncations: %zu of the report, %zu of the certificate\n", report.n - 1,
                  vek.n - 1);
}

static void snp_refuses_edited_bytes_each_for_its_reason(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t at;
        uint8_t add;
        vd_code want;
    } rows[] = {
        { "image id", 0x020 + 10, 1, VD_E_SIG },
        { "reported TCB", 0x180, 1, VD_E_SIG },
        { "reserved behind key information", 0x04c, 1, VD_E_BAD_EVIDENCE },
        { "r above 48 bytes", 0x2a0 + 48, 1, VD_E_BAD_EVIDENCE },
        { "s above 48 bytes", 0x2e8 + 48, 1, VD_E_BAD_EVIDENCE },
        { "signature algorithm", 0x034, 1, VD_E_BAD_EVIDENCE },
        { "guest policy bit 17", 0x00a, 0xfe, VD_E_BAD_EVIDENCE },
        { "guest policy bit 26", 0x00b, 4, VD_E_BAD_EVIDENCE },
        { "key information bit 5", 0x048, 0x20, VD_E_BAD_EVIDENCE },
        { "masked chip key", 0x048, 2, VD_E_KEY_TYPE },
        { "signing key 2", 0x048, 8, VD_E_KEY_TYPE },
        { "signing key none", 0x048, 0x1c, VD_E_KEY_TYPE },
        { "signing key VLEK", 0x048, 4, VD_E_KEY_TYPE },
        { "measurement", 0x090, 1, VD_E_SIG },
        { "chip id", 0x1a0, 1, VD_E_SIG },
    };
    VD_AUTO(snp_free) struct snp *s = open_snp(&allow_v2);
    VD_AUTO_BUF report = file_bytes("virtee-sev/report_milan.hex");
    VD_AUTO_BUF vek = file_bytes("virtee-sev/vcek_milan.der");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        report.p[rows[i].at] = (uint8_t)(report.p[rows[i].at] + rows[i].add);
        struct iss_evidence in = raw_evidence(&report, &vek, AT_2026);
        expect_code(rows[i].name, rows[i].want, s, &in);
        report.p[rows[i].at] = (uint8_t)(report.p[rows[i].at] - rows[i].add);
    }
    /* r and s all zero: what a platform that masks its chip key delivers */
    memset(report.p + 0x2a0, 0, 144);
    struct iss_evidence in = raw_evidence(&report, &vek, AT_2026);
    expect_code("zero signature", VD_E_SIG, s, &in);
}

static void snp_refuses_an_edited_certificate(void **state)
{
    (void)state;
    VD_AUTO(snp_free) struct snp *s = open_snp(&allow_v2);
    VD_AUTO_BUF report = file_bytes("virtee-sev/report_milan.hex");
    VD_AUTO_BUF vek = file_bytes("virtee-sev/vcek_milan.der");
    size_t accepted = 0;
    for (size_t at = 0; at < vek.n; at += 7) {
        vek.p[at] ^= 0x40;
        struct iss_evidence in = raw_evidence(&report, &vek, AT_2026);
        accepted += verify_code(s, &in) == VD_E_OK;
        vek.p[at] ^= 0x40;
    }
    assert_int_equal(accepted, 0);
    vek.p[42]++;
    struct iss_evidence in = raw_evidence(&report, &vek, AT_2026);
    assert_int_not_equal(verify_code(s, &in), VD_E_OK);
}

static void snp_compares_report_data_and_init_data(void **state)
{
    (void)state;
    static const uint8_t zero[64];
    static uint8_t longer[65];
    VD_AUTO(snp_free) struct snp *s = open_snp(&(struct snp_cfg){ .vcek_from_evidence = true });
    AUTO_JSON genoa = json_evidence("trustee/e2e-evidence.json");
    VD_AUTO_BUF bytes = file_bytes("trustee/e2e-report.reconstructed.bin");
    vd_span data = vd_span_part(vd_buf_span(&bytes), 0x50, 64);
    memcpy(longer, data.p, data.n);
    const struct {
        const char *name;
        struct iss_expected report_data;
        struct iss_expected init_data;
        vd_code want;
    } rows[] = {
        { "nothing expected", { 0 }, { 0 }, VD_E_OK },
        { "the report's own", { true, data }, { 0 }, VD_E_OK },
        { "a prefix of it", { true, vd_span_part(data, 0, 48) }, { 0 }, VD_E_BINDING },
        { "empty", { true, VD_SPAN_NONE }, { 0 }, VD_E_BINDING },
        { "zeros", { true, { zero, 64 } }, { 0 }, VD_E_BINDING },
        { "65 bytes, the first 64 equal", { true, { longer, 65 } }, { 0 }, VD_E_BINDING },
        { "init data of zeros, 32 bytes", { 0 }, { true, { zero, 32 } }, VD_E_OK },
        { "init data of zeros, 48 bytes", { 0 }, { true, { zero, 48 } }, VD_E_OK },
        { "init data empty", { 0 }, { true, VD_SPAN_NONE }, VD_E_OK },
        { "other init data", { 0 }, { true, vd_span_part(data, 0, 32) }, VD_E_INIT_DATA },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct iss_evidence in = { .json = vd_json_root(genoa.doc),
                                   .now = AT_2026,
                                   .report_data = rows[i].report_data,
                                   .init_data = rows[i].init_data };
        expect_code(rows[i].name, rows[i].want, s, &in);
    }
}

static void snp_keeps_verified_chains_within_their_validity(void **state)
{
    (void)state;
    VD_AUTO(snp_free) struct snp *s = open_snp(&allow_v2);
    VD_AUTO_BUF report = file_bytes("virtee-sev/report_milan.hex");
    VD_AUTO_BUF vek = file_bytes("virtee-sev/vcek_milan.der");
    struct iss_evidence in = raw_evidence(&report, &vek, AT_2026);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(verify_code(s, &in), VD_E_OK);
    assert_int_equal(snp_chain_hits(s), 4);
    in.now = 1950000000; /* kept, but past its end: checked again, and refused */
    assert_int_equal(verify_code(s, &in), VD_E_CERT_EXPIRED);
    in.now = AT_2026;
    assert_int_equal(verify_code(s, &in), VD_E_OK);
    assert_int_equal(snp_chain_hits(s), 5);
}

static void snp_shows_unverified_claims_and_the_failed_check(void **state)
{
    (void)state;
    VD_AUTO(snp_free) struct snp *s = open_snp(&(struct snp_cfg){ .vcek_from_evidence = true });
    VD_AUTO_BUF report = file_bytes("virtee-sev/report_milan.hex");
    VD_AUTO_BUF vek = file_bytes("virtee-sev/vcek_milan.der");
    struct iss_evidence in = raw_evidence(&report, &vek, AT_2026);
    VD_AUTO(iss_claims_list_free) struct iss_claims_list *list = NULL;
    vd_err err;
    assert_int_equal(verify_in(s, &in, &list, &err), VD_E_EVIDENCE_VERSION);
    assert_int_equal(list->n, 0);
    assert_int_equal(list->n_checks, 1);
    assert_false(list->check[0].ok);
    assert_string_equal(list->check[0].observed, "2");
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    assert_ok(vd_json_parse(vd_buf_span(&list->unverified), VD_JSON_LIMITS(1u << 20), &doc, NULL));
    assert_true(vd_jv_ok(vd_jv_get(vd_json_root(doc), "measurement")));
}

struct worker {
    struct snp *s;
    const struct iss_evidence *in;
    size_t wrong;
};
static void *verify_often(void *arg)
{
    struct worker *w = arg;
    for (size_t i = 0; i < 60; i++) {
        vd_code want = w->in[i % 3].now == AT_2026 ? VD_E_OK : VD_E_CERT_EXPIRED;
        w->wrong += verify_code(w->s, &w->in[i % 3]) != want;
    }
    return NULL;
}

static void many_threads_share_one_driver(void **state)
{
    (void)state;
    struct snp_cfg cfg = allow_v2;
    cfg.permit_provisional = true;
    cfg.chain_cache = 1; /* one set, so that entries are pushed out all the time */
    VD_AUTO(snp_free) struct snp *s = open_snp(&cfg);
    VD_AUTO_BUF milan = file_bytes("virtee-sev/report_milan.hex");
    VD_AUTO_BUF milan_vek = file_bytes("virtee-sev/vcek_milan.der");
    VD_AUTO_BUF azure = file_bytes("trustee/test-report.bin");
    VD_AUTO_BUF azure_vek = file_bytes("trustee/test-vcek.der");
    const struct iss_evidence in[3] = { raw_evidence(&milan, &milan_vek, AT_2026),
                                        raw_evidence(&azure, &azure_vek, AT_2026),
                                        raw_evidence(&milan, &milan_vek, 1950000000) };
    pthread_t t[8];
    struct worker w[8];
    for (size_t i = 0; i < 8; i++) {
        w[i] = (struct worker){ .s = s, .in = in };
        assert_int_equal(pthread_create(&t[i], NULL, verify_often, &w[i]), 0);
    }
    for (size_t i = 0; i < 8; i++) {
        (void)pthread_join(t[i], NULL);
        assert_int_equal(w[i].wrong, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(snp_gives_the_verdict_of_every_genuine_report),
        cmocka_unit_test(snp_gives_the_verdict_of_json_evidence),
        cmocka_unit_test(snp_claims_are_those_that_were_computed_independently),
        cmocka_unit_test(snp_claims_name_the_hardware_and_the_debug_state),
        cmocka_unit_test(snp_refuses_every_flipped_bit_of_a_genuine_report),
        cmocka_unit_test(snp_refuses_every_truncation),
        cmocka_unit_test(snp_refuses_edited_bytes_each_for_its_reason),
        cmocka_unit_test(snp_refuses_an_edited_certificate),
        cmocka_unit_test(snp_compares_report_data_and_init_data),
        cmocka_unit_test(snp_keeps_verified_chains_within_their_validity),
        cmocka_unit_test(snp_shows_unverified_claims_and_the_failed_check),
        cmocka_unit_test(many_threads_share_one_driver),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
