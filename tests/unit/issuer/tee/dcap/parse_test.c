/* The parsers by themselves: quotes with one field out of line, the PCK extension with one element
 * changed, documents that are not quite Intel's. Genuine input first, then a table of what is
 * wrong with it. */
#include "tests/unit/issuer/tee/dcap/fixture.h"

#include "issuer/tee/dcap/signed.h"
#include "shared/codec/der.h"

/* ---- quotes ---- */

#define V3 INTEL "dcap-qvl/sgx_quote"
#define V4 INTEL "dcap-qvl/tdx_quote"
#define V5 OE "tdx_quote_v5.bin"

static const struct {
    const char *name;
    const char *quote;
    size_t at;
    uint8_t value[4];
    size_t n;
    vd_code want;
} fields[] = {
    { "as it is, version 3", V3, 0, { 0 }, 0, VD_E_OK },
    { "as it is, version 4", V4, 0, { 0 }, 0, VD_E_OK },
    { "as it is, version 5", V5, 0, { 0 }, 0, VD_E_OK },
    { "version 2", V3, 0, { 2 }, 1, VD_E_EVIDENCE_VERSION },
    { "version 6", V4, 0, { 6 }, 1, VD_E_EVIDENCE_VERSION },
    { "version 260", V4, 1, { 1 }, 1, VD_E_EVIDENCE_VERSION },
    { "TDX in version 3", V3, 4, { 0x81 }, 1, VD_E_EVIDENCE_VERSION },
    { "unknown TEE", V4, 4, { 0x82 }, 1, VD_E_EVIDENCE_VERSION },
    { "unknown TEE, high byte", V4, 7, { 1 }, 1, VD_E_EVIDENCE_VERSION },
    { "SGX with a TD's body", V4, 4, { 0 }, 1, VD_E_BAD_EVIDENCE },
    { "P-384 attestation key", V4, 2, { 3 }, 1, VD_E_KEY_TYPE },
    { "EPID key type", V3, 2, { 0 }, 1, VD_E_KEY_TYPE },
    { "other vendor", V4, 12, { 0 }, 1, VD_E_KEY_TYPE },
    { "body type 0", V5, 48, { 0 }, 1, VD_E_EVIDENCE_VERSION },
    { "body type 5", V5, 48, { 5 }, 1, VD_E_EVIDENCE_VERSION },
    { "enclave in a TDX quote", V5, 48, { 1 }, 1, VD_E_BAD_EVIDENCE },
    { "TD 1.0 with the size of 1.5", V5, 48, { 2 }, 1, VD_E_BAD_EVIDENCE },
    { "TD 1.5ex with the size of 1.5", V5, 48, { 4 }, 1, VD_E_BAD_EVIDENCE },
    { "size one less", V5, 50, { 0x87, 2, 0, 0 }, 4, VD_E_BAD_EVIDENCE },
    { "size 4 GiB", V5, 50, { 0xff, 0xff, 0xff, 0xff }, 4, VD_E_BAD_EVIDENCE },
    { "signature data empty", V3, 432, { 0, 0, 0, 0 }, 4, VD_E_BAD_EVIDENCE },
    { "signature data 4 GiB", V3, 432, { 0xff, 0xff, 0xff, 0xff }, 4, VD_E_BAD_EVIDENCE },
    { "outer type 5", V4, 764, { 5 }, 1, VD_E_CERT_DATA },
    { "outer length 0", V4, 766, { 0, 0, 0, 0 }, 4, VD_E_BAD_EVIDENCE },
    { "outer length 4 GiB", V4, 766, { 0xff, 0xff, 0xff, 0xff }, 4, VD_E_BAD_EVIDENCE },
    { "authentication data too long", V4, 1218, { 0xff, 0xff }, 2, VD_E_BAD_EVIDENCE },
    { "no authentication data", V4, 1218, { 0, 0 }, 2, VD_E_BAD_EVIDENCE },
    { "plain PPID", V3, 1046, { 1 }, 1, VD_E_CERT_DATA },
    { "encrypted PPID", V4, 1252, { 3 }, 1, VD_E_CERT_DATA },
    { "certificate alone", V5, 1322, { 4 }, 1, VD_E_CERT_DATA },
    { "certification data 4 GiB", V4, 1254, { 0xff, 0xff, 0xff, 0xff }, 4, VD_E_BAD_EVIDENCE },
};

static void a_field_out_of_line_is_refused_with_its_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        VD_AUTO_BUF b = vd_test_file(fields[i].quote);
        for (size_t k = 0; k < fields[i].n; k++)
            b.p[fields[i].at + k] = fields[i].value[k];
        struct dcap_quote q;
        vd_err err = { 0 };
        vd_code got = dcap_quote_parse(vd_buf_span(&b), &q, &err).code;
        if (got != fields[i].want) {
            print_error("%s: %d (%s)\n", fields[i].name, got, err.msg);
            fail();
        }
    }
    print_message("quote fields: %zu cases\n", sizeof fields / sizeof fields[0]);
}

static void lengths_that_disagree_by_one_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *quote;
        size_t at;
    } rows[] = { { V3, 432 },  { V3, 1048 }, { V4, 632 }, { V4, 766 },
                 { V4, 1254 }, { V5, 702 },  { V5, 836 }, { V5, 1324 } };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (int step = -1; step <= 1; step += 2) {
            VD_AUTO_BUF b = vd_test_file(rows[i].quote);
            vd_rd r = vd_rd_of(vd_span_part(vd_buf_span(&b), rows[i].at, 4));
            uint32_t v = vd_rd_u32le(&r) + (uint32_t)step;
            for (size_t k = 0; k < 4; k++)
                b.p[rows[i].at + k] = (uint8_t)(v >> (8 * k));
            struct dcap_quote q;
            vd_code got = dcap_quote_parse(vd_buf_span(&b), &q, NULL).code;
            assert_int_equal(got, VD_E_BAD_EVIDENCE);
        }
}

static void the_fields_of_a_quote_are_where_they_belong(void **state)
{
    (void)state;
    VD_AUTO_BUF b = vd_test_file(INTEL "trustee-verifier/occlum_quote.dat");
    struct dcap_quote q;
    assert_ok(dcap_quote_parse(vd_buf_span(&b), &q, NULL));
    assert_int_equal(q.version, 3);
    assert_int_equal(q.tee, DCAP_SGX);
    assert_int_equal(q.signed_part.n, 432);
    static const struct {
        const char *hex;
        size_t at;
    } rows[] = {
        { "0800", 8 },
        { "0d00", 10 },
        { "dccde9b31ce8860548173bb4a2a57a1600000000", 28 },
        { "06060c0cffff00000000000000000000", 48 },
        { "0700000000000000", 96 },
        { "e700000000000000", 104 },
        { "8f173e4613ff05c52aaf04162d234edae8c9977eae47eb2299ae16a553011c68", 112 },
        { "83d719e77deaca1470f6baf62a4d774303c899db69020f9c70ee1dfc08c7ce9e", 176 },
    };
    const vd_span got[] = {
        q.qe_svn,        q.pce_svn,      q.user_data,          q.enclave.cpu_svn,
        q.enclave.flags, q.enclave.xfrm, q.enclave.mr_enclave, q.enclave.mr_signer
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        VD_AUTO_BUF hex = vd_buf_of(256);
        vd_hex_encode(got[i], &hex);
        assert_string_equal(vd_buf_cstr(&hex), rows[i].hex);
        assert_ptr_equal(got[i].p, b.p + rows[i].at);
    }
    assert_memory_equal(q.enclave.report_data.p, "test\0\0", 6);
    VD_AUTO_BUF c = vd_test_file(OE "tdx_quote-moduleupdate-seamldr5.dat");
    assert_ok(dcap_quote_parse(vd_buf_span(&c), &q, NULL));
    assert_int_equal(q.version, 5);
    assert_int_equal(q.body, DCAP_BODY_TD15);
    assert_int_equal(q.signed_part.n, 702);
    assert_memory_equal(q.td.tee_tcb_svn.p, "\4\1\3", 3);
    assert_memory_equal(q.td.tee_tcb_svn2.p, "\7\1\3", 3);
    assert_ptr_equal(q.td.tee_tcb_svn2.p, c.p + 638);
    assert_ptr_equal(q.td.report_data.p, c.p + 574);
    assert_ptr_equal(q.td.rtmr[3].p, c.p + 526);
    assert_int_equal(q.td.vmid.n, 0);
}

/* ---- PCK extension ---- */

static void value_of(const char *quote, size_t which, vd_buf *out)
{
    VD_AUTO_BUF b = vd_test_file(quote);
    struct dcap_quote q;
    assert_ok(dcap_quote_parse(vd_buf_span(&b), &q, NULL));
    VD_AUTO(vd_certs_free) struct vd_certs *certs = NULL;
    assert_ok(vd_certs_parse_pem(q.cert_data, 3, &certs, NULL));
    vd_span v;
    assert_ok(vd_cert_ext(certs->item[which], DCAP_PCK_OID, &v, NULL));
    vd_buf_add(out, v);
}

static void the_extension_of_a_genuine_certificate_is_read(void **state)
{
    (void)state;
    VD_AUTO_BUF v = vd_buf_of(4096);
    value_of(V4, 0, &v);
    struct dcap_pck p;
    assert_ok(dcap_pck_parse(vd_buf_span(&v), &p, NULL));
    assert_memory_equal(p.fmspc, "\xb0\xc0\x6f\0\0\0", 6);
    assert_true(p.has_platform);
    assert_int_equal(p.pce_id[0] | p.pce_id[1], 0);
    /* on all genuine certificates the opaque CPUSVN happens to repeat the components */
    assert_memory_equal(p.cpu_svn, p.svn, DCAP_SVNS);
    vd_buf_reset(&v);
    value_of(V3, 0, &v);
    assert_ok(dcap_pck_parse(vd_buf_span(&v), &p, NULL));
    assert_false(p.has_platform);
    assert_int_equal(p.sgx_type, DCAP_SGX_STANDARD);
    assert_memory_equal(p.fmspc, "\x00\xa0\x67\x11\0\0", 6);
}

static void every_truncation_of_the_extension_is_refused(void **state)
{
    (void)state;
    VD_AUTO_BUF v = vd_buf_of(4096);
    value_of(V4, 0, &v);
    struct dcap_pck p;
    for (size_t n = 0; n < v.n; n++) {
        vd_span cut = vd_test_guarded(vd_span_part(vd_buf_span(&v), 0, n));
        assert_rc(VD_E_BAD_EVIDENCE, dcap_pck_parse(cut, &p, NULL));
        vd_test_guarded_free(cut);
    }
    vd_buf_u8(&v, 0);
    assert_rc(VD_E_BAD_EVIDENCE, dcap_pck_parse(vd_buf_span(&v), &p, NULL));
}

/* A small writer: the extension with one thing changed. */
enum change {
    NOTHING,
    COMPONENT_255,
    COMPONENT_256,
    COMPONENT_PADDED,
    COMPONENT_NEGATIVE,
    PCESVN_65535,
    PCESVN_65536,
    SEVENTEEN_COMPONENTS,
    COMPONENT_TWICE,
    NO_PPID,
    PPID_TWICE,
    SHORT_PPID,
    LONG_FMSPC,
    TYPE_INTEGER,
    UNKNOWN_ELEMENT,
    INSTANCE_WITHOUT_CONFIGURATION,
    CONFIGURATION_WITHOUT_INSTANCE,
    BOTH,
    EMPTY_CONFIGURATION,
    BOOLEAN_ONE,
    UNKNOWN_CONFIGURATION,
    OTHER_OID,
};

static void tlv(vd_buf *out, uint8_t tag, vd_span v)
{
    vd_buf_u8(out, tag);
    if (v.n >= 0x100) {
        vd_buf_u8(out, 0x82);
        vd_buf_be(out, v.n, 2);
    } else if (v.n >= 0x80) {
        vd_buf_u8(out, 0x81);
        vd_buf_be(out, v.n, 1);
    } else {
        vd_buf_u8(out, (uint8_t)v.n);
    }
    vd_buf_add(out, v);
}

/* SEQUENCE { OID 1.2.840.113741.1.13.1.a[.b], value } */
static void pair_of(vd_buf *out, uint8_t a, uint8_t b, uint8_t tag, vd_span v)
{
    VD_AUTO_BUF oid = vd_buf_of(32);
    vd_buf_add(&oid, VD_LIT("\x2a\x86\x48\x86\xf8\x4d\x01\x0d\x01"));
    vd_buf_u8(&oid, a);
    if (b)
        vd_buf_u8(&oid, b);
    VD_AUTO_BUF in = vd_buf_of(2048);
    tlv(&in, VD_DER_OID, vd_buf_span(&oid));
    tlv(&in, tag, v);
    tlv(out, VD_DER_SEQUENCE, vd_buf_span(&in));
}

static void put_tcb(vd_buf *out, enum change c)
{
    VD_AUTO_BUF list = vd_buf_of(2048);
    unsigned last = c == SEVENTEEN_COMPONENTS ? 15 : 16;
    for (unsigned i = 1; i <= last; i++) {
        vd_span v = VD_LIT("\x07");
        if (i == 4 && c == COMPONENT_255)
            v = VD_LIT("\x00\xff");
        if (i == 4 && c == COMPONENT_256)
            v = VD_LIT("\x01\x00");
        if (i == 4 && c == COMPONENT_PADDED)
            v = VD_LIT("\x00\x07");
        if (i == 4 && c == COMPONENT_NEGATIVE)
            v = VD_LIT("\xff");
        pair_of(&list, 2, (uint8_t)(i == 5 && c == COMPONENT_TWICE ? 4 : i), VD_DER_INTEGER, v);
    }
    vd_span pce = VD_LIT("\x0d");
    if (c == PCESVN_65535)
        pce = VD_LIT("\x00\xff\xff");
    if (c == PCESVN_65536)
        pce = VD_LIT("\x01\x00\x00");
    pair_of(&list, 2, 17, VD_DER_INTEGER, pce);
    pair_of(&list, 2, 18, VD_DER_OCTETS, VD_LIT("0123456789abcdef"));
    pair_of(out, 2, 0, VD_DER_SEQUENCE, vd_buf_span(&list));
}

static void put_configuration(vd_buf *out, enum change c)
{
    VD_AUTO_BUF list = vd_buf_of(2048);
    if (c != EMPTY_CONFIGURATION) {
        pair_of(&list, 7, 1, VD_DER_BOOLEAN, c == BOOLEAN_ONE ? VD_LIT("\x01") : VD_LIT("\xff"));
        pair_of(&list, 7, 2, VD_DER_BOOLEAN, VD_LIT("\0"));
        pair_of(&list, 7, c == UNKNOWN_CONFIGURATION ? 4 : 3, VD_DER_BOOLEAN, VD_LIT("\xff"));
    }
    pair_of(out, 7, 0, VD_DER_SEQUENCE, vd_buf_span(&list));
}

static void write_extension(vd_buf *out, enum change c)
{
    VD_AUTO_BUF in = vd_buf_of(4096);
    if (c != NO_PPID)
        pair_of(&in, 1, 0, VD_DER_OCTETS,
                c == SHORT_PPID ? VD_LIT("0123456789abcde") : VD_LIT("0123456789abcdef"));
    if (c == PPID_TWICE)
        pair_of(&in, 1, 0, VD_DER_OCTETS, VD_LIT("0123456789abcdef"));
    put_tcb(&in, c);
    pair_of(&in, 3, 0, VD_DER_OCTETS, VD_LIT("\0\0"));
    pair_of(&in, 4, 0, VD_DER_OCTETS,
            c == LONG_FMSPC ? VD_LIT("\0\1\2\3\4\5\6") : VD_LIT("\0\1\2\3\4\5"));
    pair_of(&in, 5, 0, c == TYPE_INTEGER ? VD_DER_INTEGER : VD_DER_ENUMERATED, VD_LIT("\1"));
    bool both = c == BOTH || c >= EMPTY_CONFIGURATION;
    if ((both && c != OTHER_OID) || c == INSTANCE_WITHOUT_CONFIGURATION)
        pair_of(&in, 6, 0, VD_DER_OCTETS, VD_LIT("fedcba9876543210"));
    if ((both && c != OTHER_OID) || c == CONFIGURATION_WITHOUT_INSTANCE)
        put_configuration(&in, c);
    if (c == UNKNOWN_ELEMENT)
        pair_of(&in, 8, 0, VD_DER_OCTETS, VD_LIT("x"));
    tlv(out, VD_DER_SEQUENCE, vd_buf_span(&in));
    if (c == OTHER_OID)
        out->p[out->n - 8] ^= 1;
    assert_ok(vd_buf_check(out, NULL));
}

static void each_change_of_the_extension_has_its_verdict(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum change c;
        bool good;
    } rows[] = {
        { "as it should be", NOTHING, true },
        { "component 255", COMPONENT_255, true },
        { "component 256", COMPONENT_256, false },
        { "component with a needless zero", COMPONENT_PADDED, false },
        { "negative component", COMPONENT_NEGATIVE, false },
        { "PCESVN 65535", PCESVN_65535, true },
        { "PCESVN 65536", PCESVN_65536, false },
        { "a component is missing", SEVENTEEN_COMPONENTS, false },
        { "a component twice", COMPONENT_TWICE, false },
        { "no PPID", NO_PPID, false },
        { "PPID twice", PPID_TWICE, false },
        { "short PPID", SHORT_PPID, false },
        { "long FMSPC", LONG_FMSPC, false },
        { "type as INTEGER", TYPE_INTEGER, false },
        { "unknown element", UNKNOWN_ELEMENT, false },
        { "instance alone", INSTANCE_WITHOUT_CONFIGURATION, false },
        { "configuration alone", CONFIGURATION_WITHOUT_INSTANCE, false },
        { "instance and configuration", BOTH, true },
        { "empty configuration", EMPTY_CONFIGURATION, true },
        { "BOOLEAN of 1", BOOLEAN_ONE, false },
        { "unknown configuration", UNKNOWN_CONFIGURATION, false },
        { "another OID", OTHER_OID, false },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        VD_AUTO_BUF v = vd_buf_of(8192);
        write_extension(&v, rows[i].c);
        struct dcap_pck p;
        vd_err err = { 0 };
        vd_code got = dcap_pck_parse(vd_buf_span(&v), &p, &err).code;
        if (got != (rows[i].good ? VD_E_OK : VD_E_BAD_EVIDENCE)) {
            print_error("%s: %d (%s)\n", rows[i].name, got, err.msg);
            fail();
        }
        if (rows[i].c == COMPONENT_255)
            assert_int_equal(p.svn[3], 255);
        if (rows[i].c == PCESVN_65535)
            assert_int_equal(p.pce_svn, 65535);
        if (rows[i].c == BOTH)
            assert_true(p.has_platform && p.dynamic_platform && !p.cached_keys && p.smt_enabled);
        if (rows[i].c == EMPTY_CONFIGURATION)
            assert_true(p.has_platform && !p.dynamic_platform && !p.smt_enabled);
    }
    print_message("PCK extension: %zu cases\n", sizeof rows / sizeof rows[0]);
}

/* ---- documents ---- */

/* Replaces the first `from` in a genuine text. */
static void replace(vd_span in, const char *from, const char *to, vd_buf *out)
{
    vd_span f = vd_span_str(from);
    size_t at = 0;
    while (at + f.n <= in.n && !vd_span_starts(vd_span_part(in, at, in.n), f))
        at++;
    assert_true(at + f.n <= in.n);
    vd_buf_add(out, vd_span_part(in, 0, at));
    vd_buf_str(out, to);
    vd_buf_add(out, vd_span_part(in, at + f.n, in.n));
    assert_ok(vd_buf_check(out, NULL));
}

static void inner_of(const char *path, const char *member, vd_buf *out)
{
    VD_AUTO_BUF b = vd_test_file(path);
    vd_span inner;
    uint8_t sig[64];
    assert_ok(dcap_signed_split(vd_buf_span(&b), member, &inner, sig, NULL));
    vd_buf_add(out, inner);
}

static const struct {
    const char *name;
    const char *from;
    const char *to;
    vd_code want;
} tcb_changes[] = {
    { "as it is", "\"id\":\"TDX\"", "\"id\":\"TDX\"", VD_E_OK },
    { "an unknown member", "\"tcbType\":0", "\"tcbType\":0,\"new\":{\"a\":[1.5]}", VD_E_OK },
    { "lower-case FMSPC", "00806F050000", "00806f050000", VD_E_OK },
    { "id of nothing", "\"id\":\"TDX\"", "\"id\":\"TDY\"", VD_E_COLLATERAL_SYNTAX },
    { "no id", "\"id\":\"TDX\"", "\"ix\":\"TDX\"", VD_E_COLLATERAL_SYNTAX },
    { "SGX with a module", "\"id\":\"TDX\"", "\"id\":\"SGX\"", VD_E_COLLATERAL_SYNTAX },
    { "version 2", "\"version\":3", "\"version\":2", VD_E_COLLATERAL_VERSION },
    { "version 4", "\"version\":3", "\"version\":4", VD_E_COLLATERAL_VERSION },
    { "version as text", "\"version\":3", "\"version\":\"3\"", VD_E_COLLATERAL_SYNTAX },
    { "version as fraction", "\"version\":3", "\"version\":3.0", VD_E_COLLATERAL_SYNTAX },
    { "version as exponent", "\"version\":3", "\"version\":3e0", VD_E_COLLATERAL_SYNTAX },
    { "another comparison", "\"tcbType\":0", "\"tcbType\":1", VD_E_COLLATERAL_VERSION },
    { "a name twice", "\"tcbType\":0", "\"tcbType\":0,\"tcbType\":0", VD_E_COLLATERAL_SYNTAX },
    { "a name twice, inside", "\"isvsvn\":3", "\"isvsvn\":3,\"isvsvn\":9", VD_E_COLLATERAL_SYNTAX },
    { "date without zone", "2025-10-19T17:48:50Z", "2025-10-19T17:48:50", VD_E_COLLATERAL_SYNTAX },
    { "date with another zone", "2025-10-19T17:48:50Z", "2025-10-19T17:48:50+00:00",
      VD_E_COLLATERAL_SYNTAX },
    { "no such day", "2025-10-19T17:48:50Z", "2025-13-19T17:48:50Z", VD_E_COLLATERAL_SYNTAX },
    { "ends before it begins", "2025-11-18T17:48:50Z", "2025-10-18T17:48:50Z",
      VD_E_COLLATERAL_SYNTAX },
    { "short FMSPC", "00806F050000", "00806F0500", VD_E_COLLATERAL_SYNTAX },
    { "FMSPC that is no hex", "00806F050000", "00806G050000", VD_E_COLLATERAL_SYNTAX },
    { "no module", "\"tdxModule\"", "\"tdxModul\"", VD_E_COLLATERAL_SYNTAX },
    { "module id of one digit", "TDX_03", "TDX_3", VD_E_COLLATERAL_SYNTAX },
    { "module id twice", "TDX_03", "TDX_01", VD_E_COLLATERAL_SYNTAX },
    { "no module identities", "\"tdxModuleIdentities\"", "\"others\"", VD_E_OK },
    { "module of strange status", "\"tcbStatus\":\"UpToDate\"",
      "\"tcbStatus\":\"ConfigurationNeeded\"", VD_E_COLLATERAL_SYNTAX },
    { "unknown status", "\"tcbStatus\":\"UpToDate\"", "\"tcbStatus\":\"Uptodate\"",
      VD_E_COLLATERAL_SYNTAX },
    { "a result as status", "\"tcbStatus\":\"UpToDate\"", "\"tcbStatus\":\"TDRelaunchAdvised\"",
      VD_E_COLLATERAL_SYNTAX },
    { "no levels", "\"tcbLevels\":[{\"tcb\":{\"sgx", "\"tcbLevels\":[],\"more\":[{\"tcb\":{\"sgx",
      VD_E_COLLATERAL_SYNTAX },
    { "component 256", "\"svn\":", "\"svn\":256,\"x\":", VD_E_COLLATERAL_SYNTAX },
    { "negative component", "\"svn\":", "\"svn\":-1,\"x\":", VD_E_COLLATERAL_SYNTAX },
    { "seventeen components", "\"sgxtcbcomponents\":[", "\"sgxtcbcomponents\":[{\"svn\":0},",
      VD_E_COLLATERAL_SYNTAX },
    { "no TDX components", "\"tdxtcbcomponents\"", "\"tdxtcbcomponent\"", VD_E_COLLATERAL_SYNTAX },
    { "PCESVN 65536", "\"pcesvn\":", "\"pcesvn\":65536,\"x\":", VD_E_COLLATERAL_SYNTAX },
    { "advisories that are no list", "\"advisoryIDs\":[", "\"advisoryIDs\":1,\"x\":[",
      VD_E_COLLATERAL_SYNTAX },
    { "advisory of markup", "INTEL-SA-00", "<b>INTEL-SA-00", VD_E_COLLATERAL_SYNTAX },
    { "empty advisory", "\"advisoryIDs\":[", "\"advisoryIDs\":[\"\",", VD_E_COLLATERAL_SYNTAX },
    { "number as text", "\"tcbEvaluationDataNumber\":17", "\"tcbEvaluationDataNumber\":\"17\"",
      VD_E_COLLATERAL_SYNTAX },
    { "number above 32 bits", "\"tcbEvaluationDataNumber\":17",
      "\"tcbEvaluationDataNumber\":4294967296", VD_E_COLLATERAL_SYNTAX },
};

static void each_change_of_tcb_info_has_its_verdict(void **state)
{
    (void)state;
    VD_AUTO_BUF inner = vd_buf_of(1 << 20);
    inner_of(FORGE_1025 "tcb_info.json", "tcbInfo", &inner);
    for (size_t i = 0; i < sizeof tcb_changes / sizeof tcb_changes[0]; i++) {
        VD_AUTO_BUF b = vd_buf_of(1 << 20);
        replace(vd_buf_span(&inner), tcb_changes[i].from, tcb_changes[i].to, &b);
        VD_AUTO(dcap_tcb_info_unref) struct dcap_tcb_info *t = NULL;
        vd_err err = { 0 };
        vd_code got = dcap_tcb_info_parse(vd_buf_span(&b), &t, &err).code;
        if (got != tcb_changes[i].want) {
            print_error("%s: %d (%s)\n", tcb_changes[i].name, got, err.msg);
            fail();
        }
    }
    print_message("TCB info: %zu cases\n", sizeof tcb_changes / sizeof tcb_changes[0]);
}

static void each_change_of_an_identity_has_its_verdict(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *from;
        const char *to;
        vd_code want;
    } rows[] = {
        { "as it is", "\"TD_QE\"", "\"TD_QE\"", VD_E_OK },
        { "QVE", "\"TD_QE\"", "\"QVE\"", VD_E_OK },
        { "no such enclave", "\"TD_QE\"", "\"TDQE\"", VD_E_COLLATERAL_SYNTAX },
        { "version 1", "\"version\":2", "\"version\":1", VD_E_COLLATERAL_VERSION },
        { "empty signer", "\"mrsigner\":\"", "\"mrsigner\":\"\",\"x\":\"", VD_E_COLLATERAL_SYNTAX },
        { "no signer", "\"mrsigner\"", "\"signer\"", VD_E_COLLATERAL_SYNTAX },
        { "short mask", "\"attributesMask\":\"FB", "\"attributesMask\":\"",
          VD_E_COLLATERAL_SYNTAX },
        { "no product", "\"isvprodid\":2", "\"isvprodid\":null", VD_E_COLLATERAL_SYNTAX },
        { "level twice", "\"tcbLevels\":[",
          "\"tcbLevels\":[{\"tcb\":{\"isvsvn\":4},\"tcbDate\":\"2024-03-13T00:00:00Z\","
          "\"tcbStatus\":\"Revoked\"},",
          VD_E_COLLATERAL_SYNTAX },
        { "no levels", "\"tcbLevels\":[", "\"tcbLevels\":[],\"x\":[", VD_E_COLLATERAL_SYNTAX },
    };
    VD_AUTO_BUF inner = vd_buf_of(1 << 20);
    inner_of(FORGE_1025 "identity.json", "enclaveIdentity", &inner);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        VD_AUTO_BUF b = vd_buf_of(1 << 20);
        replace(vd_buf_span(&inner), rows[i].from, rows[i].to, &b);
        VD_AUTO(dcap_identity_unref) struct dcap_identity *d = NULL;
        vd_err err = { 0 };
        vd_code got = dcap_identity_parse(vd_buf_span(&b), &d, &err).code;
        if (got != rows[i].want) {
            print_error("%s: %d (%s)\n", rows[i].name, got, err.msg);
            fail();
        }
    }
}

static void the_frame_of_a_signed_document_is_strict(void **state)
{
    (void)state;
#define HEX64 "00000000000000000000000000000000000000000000000000000000000000ff"
    static const struct {
        const char *name;
        const char *text;
        bool good;
    } rows[] = {
        { "plain", "{\"tcbInfo\":{\"a\":1},\"signature\":\"" HEX64 HEX64 "\"}", true },
        { "other order", "{\"signature\":\"" HEX64 HEX64 "\",\"tcbInfo\":{\"a\":1}}", true },
        { "blanks around", " { \"tcbInfo\" : {\"a\":1} , \"signature\":\"" HEX64 HEX64 "\" } \n",
          true },
        { "another member", "{\"x\":[],\"tcbInfo\":{\"a\":1},\"signature\":\"" HEX64 HEX64 "\"}",
          true },
        { "two documents",
          "{\"tcbInfo\":{\"a\":2},\"tcbInfo\":{\"a\":1},\"signature\":\"" HEX64 HEX64 "\"}",
          false },
        { "two, one escaped",
          "{\"tcb\\u0049nfo\":{\"a\":2},\"tcbInfo\":{\"a\":1},\"signature\":\"" HEX64 HEX64 "\"}",
          false },
        { "no signature", "{\"tcbInfo\":{\"a\":1}}", false },
        { "short signature", "{\"tcbInfo\":{\"a\":1},\"signature\":\"" HEX64 "\"}", false },
        { "long signature", "{\"tcbInfo\":{\"a\":1},\"signature\":\"" HEX64 HEX64 "00\"}", false },
        { "an array", "{\"tcbInfo\":[1],\"signature\":\"" HEX64 HEX64 "\"}", false },
        { "as text", "{\"tcbInfo\":\"{}\",\"signature\":\"" HEX64 HEX64 "\"}", false },
        { "something behind", "{\"tcbInfo\":{\"a\":1},\"signature\":\"" HEX64 HEX64 "\"}x", false },
        { "not JSON", "tcbInfo", false },
        { "empty", "", false },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        vd_span inner = VD_SPAN_NONE;
        uint8_t sig[64];
        vd_code got =
            dcap_signed_split(vd_span_str(rows[i].text), "tcbInfo", &inner, sig, NULL).code;
        if (got != (rows[i].good ? VD_E_OK : VD_E_COLLATERAL_SYNTAX)) {
            print_error("%s: %d\n", rows[i].name, got);
            fail();
        }
        if (rows[i].good) {
            assert_span_str(inner, "{\"a\":1}");
            assert_int_equal(sig[63], 0xff);
        }
    }
}

/* Every genuine document there is. */
static void genuine_documents_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        bool tdx;
        uint32_t eval_num;
        size_t modules;
    } rows[] = {
        { FORGE_1025 "tcb_info.json", true, 17, 2 },
        { FORGE_0825 "sgx_tcbinfov3_00606a000000.json", false, 17, 0 },
        { INTEL "automata-dcap-attestation/forge-0625/tcbinfov3_90C06F000000.json", true, 17, 2 },
        { SOLANA "tcb_info_v3_sgx.json", false, 17, 0 },
        { SOLANA "tcb_info_v3_with_tdx_module.json", true, 17, 2 },
        { INTEL "automata-dcap-rs/tcb_info_v3_tdx_0.json", true, 17, 2 },
        { INTEL "automata-dcap-rs/tcb_info_v3_tdx_1.json", true, 17, 2 },
        { INTEL "go-tdx-guest/sample_tcbInfo_response", true, 15, 0 },
        { INTEL "go-tdx-guest/sample_tcbinfo_response_v5", true, 18, 2 },
        { INTEL "fortanix-pcs/tcb-json/tcb-sgx.json", false, 18, 0 },
        { INTEL "fortanix-pcs/tcb-json/tcb-tdx.json", true, 18, 2 },
        { INTEL "fortanix-pcs/tcb-json/tcb-tdx-2.json", true, 18, 2 },
        { INTEL "trustee-verifier/tcbInfo.json", true, 17, 2 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        VD_AUTO_BUF inner = vd_buf_of(1 << 20);
        inner_of(rows[i].path, "tcbInfo", &inner);
        VD_AUTO(dcap_tcb_info_unref) struct dcap_tcb_info *t = NULL;
        vd_err err = { 0 };
        vd_rc_ rc = dcap_tcb_info_parse(vd_buf_span(&inner), &t, &err);
        if (rc.code != VD_E_OK)
            print_error("%s: %s\n", rows[i].path, err.msg);
        assert_int_equal(rc.code, VD_E_OK);
        size_t bytes = sizeof *t + t->n_levels * sizeof *t->level +
                       t->n_identities * sizeof *t->identity + t->adv.cap * sizeof *t->adv.id +
                       t->adv.cap_ref * sizeof *t->adv.ref;
        print_message("%s: number %u, %zu levels, %zu modules, %zu advisories, %zu bytes\n",
                      rows[i].path, t->eval_num, t->n_levels, t->n_identities, t->adv.n, bytes);
        assert_int_equal(t->tee, rows[i].tdx ? DCAP_TDX : DCAP_SGX);
        assert_true(t->n_identities == 0 || rows[i].tdx);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_field_out_of_line_is_refused_with_its_reason),
        cmocka_unit_test(lengths_that_disagree_by_one_are_refused),
        cmocka_unit_test(the_fields_of_a_quote_are_where_they_belong),
        cmocka_unit_test(the_extension_of_a_genuine_certificate_is_read),
        cmocka_unit_test(every_truncation_of_the_extension_is_refused),
        cmocka_unit_test(each_change_of_the_extension_has_its_verdict),
        cmocka_unit_test(each_change_of_tcb_info_has_its_verdict),
        cmocka_unit_test(each_change_of_an_identity_has_its_verdict),
        cmocka_unit_test(the_frame_of_a_signed_document_is_strict),
        cmocka_unit_test(genuine_documents_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
