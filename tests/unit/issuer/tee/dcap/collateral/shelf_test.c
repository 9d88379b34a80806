/* Files of operators, told by content: every form that the vectors have, alone and all of them in
 * one heap; what is refused is said, with the reason. */
#include "tests/unit/issuer/tee/dcap/collateral/world.h"

#define ALL VD_SOURCE_DIR "/tests/vectors/intel"

static const struct {
    const char *name;
    const char *quote;
    const char *clock;
    vd_code want;
    enum dcap_status status;
    uint32_t eval;
} pairs[] = {
    { "P1", INTEL "dcap-qvl/sgx_quote", "2025-07-01T00:00:00Z", VD_E_OK,
      DCAP_CONFIGURATION_SW_HARDENING, 17 },
    { "P2", INTEL "dcap-qvl/tdx_quote", "2025-07-01T00:00:00Z", VD_E_OK, DCAP_UP_TO_DATE, 17 },
    { "P3", INTEL "dcap-qvl/tdx_quote_outdated", "2026-03-01T00:00:00Z", VD_E_TCB_UNSUPPORTED, 0,
      0 },
    { "P9", OE "tdx_quote.bin", "2023-07-01T01:00:00Z", VD_E_OK, DCAP_UP_TO_DATE, 15 },
    { "P11", OE "tdx_quote-moduleupdate-seamldr5.dat", "2025-03-10T00:00:00Z", VD_E_OK,
      DCAP_RELAUNCH, 18 },
    { "P14", INTEL "go-tdx-guest/ccel/cos-113-tdx-quote.dat", "2025-11-01T00:00:00Z", VD_E_OK,
      DCAP_UP_TO_DATE, 17 },
    { "P15", INTEL "trustee-az-tdx-vtpm/td-quote.bin", "2025-11-01T00:00:00Z", VD_E_OK,
      DCAP_OUT_OF_DATE, 17 },
    { "P20", INTEL "trustee-verifier/occlum_quote.dat", "2025-09-01T00:00:00Z", VD_E_OK,
      DCAP_OUT_OF_DATE, 17 },
};
enum { PAIRS = sizeof pairs / sizeof pairs[0] };

/* The right documents out of two hundred files of all years and formats. */
static void a_heap_of_files_gives_each_quote_what_is_its_own(void **state)
{
    (void)state;
    const char *const none[] = { NULL };
    for (int i = 0; i < PAIRS; i++) {
        AUTO_COLL_STORE s = { 0 };
        vd_err err = { 0 };
        set_clock(&s, at(pairs[i].clock));
        assert_int_equal(coll_store_open(&s, ALL, none, &err), VD_E_OK);
        DCAP_AUTO_RESULT res = { 0 };
        vd_code got = judge_with(&s, pairs[i].quote, at(pairs[i].clock), &res, &err);
        if (got != pairs[i].want)
            print_error("%s: %s\n", pairs[i].name, err.msg);
        assert_int_equal(got, pairs[i].want);
        if (got == VD_E_OK) {
            assert_int_equal(res.tcb.status, pairs[i].status);
            assert_int_equal(res.eval_num, pairs[i].eval);
        }
    }
    print_message("pairs out of one heap: %d cases\n", PAIRS);
}

static void one_file_is_enough_when_it_holds_all(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        size_t pair;
    } cases[] = { { ALL "/dcap-qvl/sgx_quote_collateral.json", 0 },
                  { ALL "/dcap-qvl/tdx_quote_collateral.json", 1 },
                  { ALL "/openenclave/host_verify/tdx_endorsement.bin", 4 } };
    const char *const none[] = { NULL };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        AUTO_COLL_STORE s = { 0 };
        DCAP_AUTO_RESULT res = { 0 };
        vd_err err = { 0 };
        size_t p = cases[i].pair;
        set_clock(&s, at(pairs[p].clock));
        assert_int_equal(coll_store_open(&s, cases[i].file, none, &err), VD_E_OK);
        assert_int_equal(judge_with(&s, pairs[p].quote, at(pairs[p].clock), &res, &err), VD_E_OK);
        assert_int_equal(res.tcb.status, pairs[p].status);
    }
}

/* Documents, signer and CRLs of pair P14 as single files. */
static char *folder_1025(void)
{
    char *dir = vd_test_dir("dcap-shelf");
    copy_to(dir, "a", FORGE_1025 "tcb_info.json");
    copy_to(dir, "b", FORGE_1025 "identity.json");
    copy_to(dir, "c", FORGE_1025 "pck_crl.der");
    copy_to(dir, "d", SOLANA "intel_root_ca_crl.der");
    copy_to(dir, "e", SOLANA "signing.der");
    return dir;
}

static vd_code find_1025(const char *dir, vd_err *err, vd_buf *notes)
{
    const char *const none[] = { NULL };
    AUTO_COLL_STORE s = { 0 };
    DCAP_AUTO_RESULT res = { 0 };
    set_clock(&s, at("2025-11-01T00:00:00Z"));
    assert_int_equal(coll_store_open(&s, dir, none, err), VD_E_OK);
    vd_code got = judge_with(&s, pairs[5].quote, at("2025-11-01T00:00:00Z"), &res, err);
    if (notes)
        iss_collateral_notes(s.c, notes);
    return got;
}

static void crls_and_certificates_are_read_in_every_spelling(void **state)
{
    (void)state;
    VD_AUTO(free) char *dir = folder_1025();
    vd_err err = { 0 };
    assert_int_equal(find_1025(dir, &err, NULL), VD_E_OK);
    VD_AUTO_BUF crl = vd_test_file(FORGE_1025 "pck_crl.der");
    VD_AUTO_BUF text64 = vd_buf_of(1 << 16);
    VD_AUTO_BUF pem = vd_buf_of(1 << 16);
    VD_AUTO_BUF hex = vd_buf_of(1 << 16);
    vd_b64_encode(vd_buf_span(&crl), VD_B64_STD, &text64);
    vd_buf_str(&pem, "-----BEGIN X509 CRL-----\n");
    vd_buf_add(&pem, vd_buf_span(&text64));
    vd_buf_str(&pem, "\n-----END X509 CRL-----\n");
    put_bytes(dir, "c", vd_buf_span(&pem));
    assert_int_equal(find_1025(dir, &err, NULL), VD_E_OK);
    vd_hex_encode(vd_buf_span(&crl), &hex);
    vd_buf_str(&hex, "\n");
    vd_buf_u8(&hex, 0); /* as Open Enclave writes it */
    put_bytes(dir, "c", vd_buf_span(&hex));
    assert_int_equal(find_1025(dir, &err, NULL), VD_E_OK);
    /* the signer's chain as a response header has it */
    AUTO_COLL chain = coll_1025();
    const vd_buf cert = chain.buf[DCAP_TCB_INFO_CHAIN];
    VD_AUTO_BUF percent = vd_buf_of(1 << 16);
    for (size_t i = 0; i < cert.n; i++) {
        if (cert.p[i] == '\n' || cert.p[i] == '+' || cert.p[i] == ' ')
            vd_buf_printf(&percent, "%%%02X", cert.p[i]);
        else
            vd_buf_u8(&percent, cert.p[i]);
    }
    put_bytes(dir, "e", vd_buf_span(&percent));
    assert_int_equal(find_1025(dir, &err, NULL), VD_E_OK);
}

static void what_is_missing_is_refused_by_its_kind(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        const char *says;
    } cases[] = { { "a", "dcap.tcb" },
                  { "b", "dcap.identity" },
                  { "c", "dcap.pckcrl" },
                  { "d", "dcap.rootcrl" } };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        VD_AUTO(free) char *dir = folder_1025();
        VD_AUTO(free) char *path = text("%s/%s", dir, cases[i].file);
        vd_err err = { 0 };
        assert_int_equal(unlink(path), 0);
        assert_int_equal(find_1025(dir, &err, NULL), VD_E_COLLATERAL);
        assert_non_null(strstr(err.msg, cases[i].says));
    }
}

static void a_spoilt_document_is_refused_with_its_own_reason(void **state)
{
    (void)state;
    VD_AUTO(free) char *dir = folder_1025();
    VD_AUTO_BUF doc = vd_test_file(FORGE_1025 "tcb_info.json");
    VD_AUTO_BUF notes = vd_buf_of(1 << 16);
    vd_err err = { 0 };
    doc.p[200] ^= 1; /* a digit or a letter of it */
    put_bytes(dir, "a", vd_buf_span(&doc));
    vd_code got = find_1025(dir, &err, &notes);
    print_message("%s\n", err.msg);
    assert_true(got == VD_E_COLLATERAL_SIG || got == VD_E_COLLATERAL_SYNTAX);
    /* a good one beside it counts, and the bad one is named */
    copy_to(dir, "z", FORGE_1025 "tcb_info.json");
    vd_buf_reset(&notes);
    assert_int_equal(find_1025(dir, &err, &notes), VD_E_OK);
    assert_non_null(strstr(vd_buf_cstr(&notes), "a: "));
    print_message("%s", vd_buf_cstr(&notes));
    /* no signer: the document is there, and nobody vouches for it */
    VD_AUTO(free) char *signer = text("%s/e", dir);
    assert_int_equal(unlink(signer), 0);
    assert_int_equal(find_1025(dir, &err, NULL), VD_E_COLLATERAL_CHAIN);
}

static void a_document_of_version_2_is_refused_as_such(void **state)
{
    (void)state;
    const char *const none[] = { NULL };
    AUTO_COLL_STORE s = { 0 };
    vd_err err = { 0 };
    struct dcap_ask ask = { .tee = DCAP_SGX, .fmspc = { 0x00, 0x90, 0x6e, 0xd5, 0, 0 } };
    DCAP_AUTO_FOUND found = { 0 };
    set_clock(&s, at("2022-05-01T00:00:00Z"));
    assert_int_equal(
        coll_store_open(&s, ALL "/openenclave/attestation_plugin/endorsements", none, &err),
        VD_E_OK);
    assert_rc(VD_E_COLLATERAL_VERSION, dcap_collateral_find(s.c, &ask, NULL, &found, &err));
    print_message("%s\n", err.msg);
}

static void what_is_not_used_is_said_with_the_reason(void **state)
{
    (void)state;
    VD_AUTO(free) char *dir = folder_1025();
    VD_AUTO_BUF notes = vd_buf_of(1 << 16);
    vd_err err = { 0 };
    copy_to(dir, "old", INTEL "dcap-qvl/tdx_quote_collateral.json");
    copy_to(dir, "quote", INTEL "dcap-qvl/tdx_quote");
    assert_int_equal(find_1025(dir, &err, &notes), VD_E_OK);
    print_message("%s", vd_buf_cstr(&notes));
    assert_non_null(strstr(vd_buf_cstr(&notes), "quote: holds no collateral"));
    assert_non_null(strstr(vd_buf_cstr(&notes), "old: dcap.identity tdx: out of date"));
    assert_non_null(
        strstr(vd_buf_cstr(&notes), "old: dcap.tcb tdx/b0c06f000000: nothing that was looked for"));
}

/* Two issues of one document, an hour apart. */
static void of_two_issues_the_newer_is_taken(void **state)
{
    (void)state;
    static const char *const order[][2] = { { "1", "2" }, { "2", "1" } };
    for (size_t i = 0; i < 2; i++) {
        VD_AUTO(free) char *dir = vd_test_dir("dcap-two");
        const char *const none[] = { NULL };
        AUTO_COLL_STORE s = { 0 };
        DCAP_AUTO_FOUND found = { 0 };
        vd_err err = { 0 };
        copy_to(dir, order[i][0], INTEL "automata-dcap-rs/tcb_info_v3_tdx_0.json");
        copy_to(dir, order[i][1], INTEL "automata-dcap-rs/tcb_info_v3_tdx_1.json");
        copy_to(dir, "3", INTEL "automata-dcap-rs/tcb_signing_cert.pem");
        copy_to(dir, "4", OE "tdx_endorsement.bin"); /* the old signer */
        set_clock(&s, at("2025-02-20T00:00:00Z"));
        assert_int_equal(coll_store_open(&s, dir, none, &err), VD_E_OK);
        struct dcap_ask ask = { .tee = DCAP_TDX, .fmspc = { 0x90, 0xc0, 0x6f, 0, 0, 0 } };
        (void)dcap_collateral_find(s.c, &ask, NULL, &found, &err).code;
        assert_true(found.set.tcb_info.n > 0);
        VD_AUTO_BUF a = vd_test_file(INTEL "automata-dcap-rs/tcb_info_v3_tdx_0.json");
        VD_AUTO_BUF b = vd_test_file(INTEL "automata-dcap-rs/tcb_info_v3_tdx_1.json");
        VD_AUTO_BUF got = vd_buf_of(1 << 20);
        vd_buf_add(&got, found.set.tcb_info);
        const char *da = strstr(vd_buf_cstr(&a), "issueDate\":\"") + 12;
        const char *db = strstr(vd_buf_cstr(&b), "issueDate\":\"") + 12;
        const char *dg = strstr(vd_buf_cstr(&got), "issueDate\":\"") + 12;
        const char *newest = strncmp(da, db, 20) > 0 ? da : db;
        assert_int_not_equal(strncmp(da, db, 20), 0);
        assert_int_equal(strncmp(dg, newest, 20), 0);
    }
}

/* ---- bundles -----------------------------------------------------------------------------------
 */

static char *write_key(const char *dir, struct vd_key **ret)
{
    assert_ok(vd_key_generate(VD_KTY_P256, 0, ret, NULL));
    VD_AUTO_BUF public = vd_buf_of(4096);
    assert_ok(vd_key_to_pem_public(*ret, &public, NULL));
    put_bytes(dir, "bundle.pub", vd_buf_span(&public));
    return text("%s/bundle.pub", dir);
}

static void a_bundle_carries_what_is_good_and_nothing_else(void **state)
{
    (void)state;
    const char *const none[] = { NULL };
    int64_t now = at("2025-11-01T00:00:00Z");
    VD_AUTO(free) char *dir = vd_test_dir("dcap-bundle");
    VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
    VD_AUTO(vd_key_unref) struct vd_key *other = NULL;
    VD_AUTO(free) char *public = write_key(dir, &key);
    VD_AUTO_BUF bundle = vd_buf_of(ISS_COLLATERAL_BYTES_MAX * 4);
    VD_AUTO_BUF forged = vd_buf_of(ISS_COLLATERAL_BYTES_MAX * 4);
    vd_err err = { 0 };
    {
        AUTO_COLL_STORE s = { 0 };
        set_clock(&s, now);
        assert_int_equal(coll_store_open(&s, ALL, none, &err), VD_E_OK);
        assert_ok(iss_collateral_export(s.c, key, &bundle, &err));
        assert_ok(vd_key_generate(VD_KTY_P256, 0, &other, NULL));
        assert_ok(iss_collateral_export(s.c, other, &forged, &err));
    }
    put_bytes(dir, "good", vd_buf_span(&bundle));
    put_bytes(dir, "strange", vd_buf_span(&forged));
    bundle.p[bundle.n / 2] ^= 1;
    put_bytes(dir, "spoilt", vd_buf_span(&bundle));
    static const struct {
        const char *file;
        bool key;
        vd_code want;
    } cases[] = { { "good", true, VD_E_OK },
                  { "good", false, VD_E_OK },
                  { "strange", true, VD_E_COLLATERAL },
                  { "strange", false, VD_E_OK },
                  { "spoilt", false, VD_E_COLLATERAL } };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        VD_AUTO(free) char *set = text("collateral.bundle=\"%s/%s\"", dir, cases[i].file);
        VD_AUTO(free) char *trust = text("collateral.bundle_key=\"%s\"", public);
        const char *const sets[] = { set, "collateral.sources=[\"offline\"]",
                                     cases[i].key ? trust : NULL, NULL };
        AUTO_COLL_STORE s = { 0 };
        DCAP_AUTO_RESULT res = { 0 };
        set_clock(&s, now);
        assert_int_equal(coll_store_open(&s, NULL, sets, &err), VD_E_OK);
        vd_code got = judge_with(&s, pairs[5].quote, now, &res, &err);
        if (got != cases[i].want)
            print_error("%s: %s\n", cases[i].file, err.msg);
        assert_int_equal(got, cases[i].want);
        VD_AUTO_BUF notes = vd_buf_of(1 << 16);
        iss_collateral_notes(s.c, &notes);
        if (got != VD_E_OK)
            print_message("%s", vd_buf_cstr(&notes));
    }
}

static void a_bundle_is_imported_and_listed(void **state)
{
    (void)state;
    const char *const none[] = { NULL };
    int64_t now = at("2025-11-01T00:00:00Z");
    VD_AUTO(free) char *cache = vd_test_dir("dcap-import");
    VD_AUTO(free) char *dir = folder_1025();
    VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
    VD_AUTO_BUF bundle = vd_buf_of(ISS_COLLATERAL_BYTES_MAX * 4);
    vd_err err = { 0 };
    assert_ok(vd_key_generate(VD_KTY_P384, 0, &key, NULL));
    copy_to(dir, "f", INTEL "automata-dcap-attestation/solana/platform.der");
    {
        AUTO_COLL_STORE s = { 0 };
        set_clock(&s, now);
        assert_int_equal(coll_store_open(&s, dir, none, &err), VD_E_OK);
        assert_ok(iss_collateral_export(s.c, key, &bundle, &err));
    }
    VD_AUTO(free) char *set = text("collateral.cache=\"%s\"", cache);
    const char *const sets[] = { set, "collateral.sources=[\"offline\"]", NULL };
    VD_AUTO_BUF out = vd_buf_of(1 << 20);
    {
        AUTO_COLL_STORE s = { 0 };
        set_clock(&s, now);
        vd_jw w = vd_jw_of(&out);
        assert_int_equal(coll_store_open(&s, NULL, sets, &err), VD_E_OK);
        assert_ok(iss_collateral_import(s.c, "bundle", vd_buf_span(&bundle), &w, &err));
        print_message("%s\n", vd_buf_cstr(&out));
    }
    AUTO_COLL_STORE s = { 0 };
    DCAP_AUTO_RESULT res = { 0 };
    set_clock(&s, now + 1);
    const char *const vendor[] = { set, "tee.dcap.pcs_url=\"http://127.0.0.1:9\"", NULL };
    assert_int_equal(coll_store_open(&s, NULL, vendor, &err), VD_E_OK);
    assert_int_equal(judge_with(&s, pairs[5].quote, now + 1, &res, &err), VD_E_OK);
    vd_buf_reset(&out);
    vd_jw w = vd_jw_of(&out);
    assert_ok(iss_collateral_list(s.c, &w, &err));
    print_message("%s\n", vd_buf_cstr(&out));
    assert_non_null(strstr(vd_buf_cstr(&out), "TDX quotes of FMSPC 00806f050000"));
    assert_non_null(strstr(vd_buf_cstr(&out), "2025-11-12T10:45:32Z"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_heap_of_files_gives_each_quote_what_is_its_own),
        cmocka_unit_test(one_file_is_enough_when_it_holds_all),
        cmocka_unit_test(crls_and_certificates_are_read_in_every_spelling),
        cmocka_unit_test(what_is_missing_is_refused_by_its_kind),
        cmocka_unit_test(a_spoilt_document_is_refused_with_its_own_reason),
        cmocka_unit_test(a_document_of_version_2_is_refused_as_such),
        cmocka_unit_test(what_is_not_used_is_said_with_the_reason),
        cmocka_unit_test(of_two_issues_the_newer_is_taken),
        cmocka_unit_test(a_bundle_carries_what_is_good_and_nothing_else),
        cmocka_unit_test(a_bundle_is_imported_and_listed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
