/* Spellings of collateral, and files that are cut off or are something else. */
#include "tests/unit/issuer/tee/dcap/collateral/world.h"

#include "issuer/tee/dcap/sort_priv.h"

static void a_wrapped_piece_comes_apart_again(void **state)
{
    (void)state;
    VD_AUTO_BUF b = vd_buf_of(4096);
    vd_span chain, body;
    dcap_wrap(VD_LIT("chain"), VD_LIT("the body"), &b);
    assert_ok(dcap_unwrap(vd_buf_span(&b), &chain, &body, NULL));
    assert_span_str(chain, "chain");
    assert_span_str(body, "the body");
    for (size_t cut = 0; cut < b.n; cut++) {
        vd_span s = vd_test_guarded(vd_span_of(b.p, cut));
        vd_code want = cut > 8 + 5 ? VD_E_OK : VD_E_COLLATERAL_SYNTAX; /* a body has any length */
        assert_int_equal(dcap_unwrap(s, &chain, &body, NULL).code, want);
        vd_test_guarded_free(s);
    }
    b.p[4] = 0xff;
    assert_rc(VD_E_COLLATERAL_SYNTAX, dcap_unwrap(vd_buf_span(&b), &chain, &body, NULL));
    b.p[0] = 'X';
    assert_rc(VD_E_COLLATERAL_SYNTAX, dcap_unwrap(vd_buf_span(&b), &chain, &body, NULL));
}

static void percent_encoding_is_undone_strictly(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        const char *out; /* NULL: refused */
    } cases[] = { { "plain\ntext", "plain\ntext" },
                  { "a%0Ab", "a\nb" },
                  { "%2d%2D", "--" },
                  { "%", NULL },
                  { "%2", NULL },
                  { "%zz", NULL },
                  { "a+b%20c", "a+b c" },
                  { "%25%20", "% " },
                  { "", "" } };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        VD_AUTO_BUF out = vd_buf_of(4096);
        vd_code got = dcap_chain_text(vd_span_str(cases[i].in), &out, NULL).code;
        assert_int_equal(got, cases[i].out ? VD_E_OK : VD_E_COLLATERAL_SYNTAX);
        if (cases[i].out)
            assert_span_str(vd_buf_span(&out), cases[i].out);
    }
}

static void a_crl_becomes_der_or_nothing(void **state)
{
    (void)state;
    static const char *const bad[] = { "",
                                       "zz",
                                       "abc",
                                       "-----BEGIN X509 CRL-----",
                                       "-----BEGIN X509 CRL-----\nAAAA",
                                       "-----BEGIN X509 CRL-----\n!!!!\n-----END X509 CRL-----",
                                       "<html>",
                                       " \n" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        VD_AUTO_BUF out = vd_buf_of(1 << 16);
        assert_rc(VD_E_COLLATERAL_SYNTAX, dcap_crl_der(vd_span_str(bad[i]), &out, NULL));
    }
    VD_AUTO_BUF der = vd_test_file(SOLANA "intel_root_ca_crl.der");
    VD_AUTO_BUF hex = vd_buf_of(1 << 16);
    VD_AUTO_BUF out = vd_buf_of(1 << 16);
    vd_hex_encode(vd_buf_span(&der), &hex);
    assert_ok(dcap_crl_der(vd_buf_span(&hex), &out, NULL));
    assert_true(vd_span_eq(vd_buf_span(&out), vd_buf_span(&der)));
}

static struct dcap_sorter sorted(vd_span bytes, bool *known)
{
    struct dcap_sorter s = { 0 };
    *known = false;
    assert_ok(dcap_sorter_file(&s, 0, bytes, known, NULL));
    return s;
}

static void each_file_gives_its_pieces(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        size_t pieces;
        size_t certs;
    } cases[] = {
        { INTEL "dcap-qvl/sgx_quote_collateral.json", 4, 3 },
        { OE "tdx_endorsement.bin", 4, 3 },
        { INTEL "openenclave/attestation_plugin/endorsements", 4, 3 },
        { FORGE_1025 "tcb_info.json", 1, 0 },
        { FORGE_1025 "pck_crl.der", 1, 0 },
        { SOLANA "signing.der", 0, 1 },
        { INTEL "automata-dcap-rs/pck_certchain.pem", 0, 3 },
        { INTEL "fortanix-pcs/platform.crl", 1, 2 },
        { FORGE_1025 "tdxtcbeval.json", 0, 0 },
        { INTEL "dcap-qvl/tdx_quote", 0, 0 },
        { INTEL "go-tdx-guest/ccel/ccel_data.dat", 0, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        VD_AUTO_BUF b = vd_test_file(cases[i].path);
        bool known = false;
        struct dcap_sorter s = sorted(vd_buf_span(&b), &known);
        if (s.n_pieces != cases[i].pieces || s.n_certs != cases[i].certs)
            print_error("%s: %zu pieces, %zu certificates\n", cases[i].path, s.n_pieces, s.n_certs);
        assert_int_equal(s.n_pieces, cases[i].pieces);
        assert_int_equal(s.n_certs, cases[i].certs);
        assert_int_equal(known, cases[i].pieces + cases[i].certs > 0);
        dcap_sorter_done(&s);
    }
    print_message("files: %zu cases\n", sizeof cases / sizeof cases[0]);
}

static void cut_off_files_do_no_harm(void **state)
{
    (void)state;
    static const char *const files[] = { OE "tdx_endorsement.bin",
                                         INTEL "openenclave/attestation_plugin/endorsements",
                                         FORGE_1025 "identity.json",
                                         SOLANA "intel_root_ca_crl.der" };
    size_t cuts = 0;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        VD_AUTO_BUF b = vd_test_file(files[i]);
        size_t step = b.n > 4000 ? 37 : 1;
        for (size_t cut = 0; cut < b.n; cut += step, cuts++) {
            vd_span part = vd_test_guarded(vd_span_of(b.p, cut));
            bool known = false;
            struct dcap_sorter s = sorted(part, &known);
            dcap_sorter_done(&s);
            vd_test_guarded_free(part);
        }
    }
    print_message("cut files: %zu cases\n", cuts);
}

/* JSON in strings in JSON, deeper than anybody has it. */
static void nesting_ends(void **state)
{
    (void)state;
    VD_AUTO_BUF inner = vd_test_file(FORGE_1025 "identity.json");
    for (int level = 0; level < 6; level++) {
        VD_AUTO_BUF next = vd_buf_of(8 << 20);
        bool known = false;
        struct dcap_sorter s = sorted(vd_buf_span(&inner), &known);
        assert_int_equal(s.n_pieces, level <= 3 ? 1 : 0);
        dcap_sorter_done(&s);
        vd_jw w = vd_jw_of(&next);
        vd_jw_obj(&w);
        vd_jw_kspan(&w, "x", vd_buf_span(&inner));
        vd_jw_end(&w);
        vd_buf_reset(&inner);
        vd_buf_done(&inner);
        inner = vd_buf_of(8 << 20);
        vd_buf_add(&inner, vd_buf_span(&next));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wrapped_piece_comes_apart_again),
        cmocka_unit_test(percent_encoding_is_undone_strictly),
        cmocka_unit_test(a_crl_becomes_der_or_nothing),
        cmocka_unit_test(each_file_gives_its_pieces),
        cmocka_unit_test(cut_off_files_do_no_harm),
        cmocka_unit_test(nesting_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
