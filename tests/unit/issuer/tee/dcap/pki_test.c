/* Our own reading of certificates and CRLs against OpenSSL's, on everything genuine; changed ones
 * and chains in PEM as a table. */
#include "tests/unit/issuer/tee/dcap/fixture.h"

#include "issuer/tee/dcap/pki_priv.h"
#include "shared/crypto/x509_facts.h"

/* What OpenSSL reads of a certificate is what we read. */
static void compare(vd_span der)
{
    struct dcap_x509 x;
    vd_err err = { 0 };
    assert_int_equal(dcap_x509_parse(der, &x, &err).code, VD_E_OK);
    VD_AUTO(vd_cert_unref) struct vd_cert *cert = NULL;
    assert_ok(vd_cert_parse(der, &cert, NULL));
    struct vd_cert_facts f = vd_cert_facts(cert);
    assert_int_equal(f.ca, x.ca);
    assert_int_equal(f.constraints, x.constraints);
    assert_int_equal(f.key_usage, x.usage);
    assert_int_equal(f.cert_sign, x.cert_sign);
    assert_int_equal(f.crl_sign, x.crl_sign);
    assert_int_equal(f.digital_signature, x.digital_signature);
    if (x.path_limited)
        assert_int_equal(f.path_len, x.path_len);
    assert_int_equal(vd_cert_not_before(cert), x.from);
    assert_int_equal(vd_cert_not_after(cert), x.until);
    assert_true(vd_span_eq(vd_cert_subject_der(cert), x.subject));
    assert_true(vd_span_eq(vd_cert_issuer_der(cert), x.issuer));
    VD_AUTO_BUF cn = vd_buf_of(256);
    assert_ok(vd_cert_subject_cn(cert, &cn, NULL));
    assert_true(vd_span_eq(vd_buf_span(&cn), x.cn));
    VD_AUTO_BUF serial = vd_buf_of(64);
    assert_ok(vd_cert_serial(cert, &serial, NULL));
    assert_memory_equal(x.serial + DCAP_SERIAL - serial.n, serial.p, serial.n);
    VD_AUTO(vd_key_unref) struct vd_key *a = NULL;
    assert_ok(dcap_x509_key(&x, &a, NULL));
    VD_AUTO(vd_key_unref) struct vd_key *b = vd_cert_key(cert);
    assert_true(vd_key_same(a, b));
    vd_span sgx = VD_SPAN_NONE;
    bool has = vd_cert_ext(cert, DCAP_PCK_OID, &sgx, NULL).code == VD_E_OK;
    assert_int_equal(has, x.has_sgx);
    assert_true(vd_span_eq(sgx, x.sgx));
}

static void certificates_are_read_as_openssl_reads_them(void **state)
{
    (void)state;
    static const char *const ders[] = { SOLANA "root.der", SOLANA "platform.der", SOLANA "pck.der",
                                        SOLANA "signing.der", INTEL "dcap-qvl/TrustedRootCA.der" };
    static const char *const quotes[] = {
        INTEL "dcap-qvl/sgx_quote",
        INTEL "dcap-qvl/tdx_quote",
        INTEL "dcap-qvl/tdx_quote_outdated",
        INTEL "trustee-verifier/occlum_quote.dat",
        INTEL "trustee-verifier/tdx_quote_4.dat",
        INTEL "trustee-verifier/tdx_quote_5.dat",
        INTEL "trustee-verifier/tdx_quote_6.dat",
        INTEL "go-tdx-guest/tdx_prod_quote_SPR_E4.dat",
        INTEL "go-tdx-guest/quote_v5_sample.dat",
        INTEL "openenclave/intel_qve_thread_test/sgx_quote",
        INTEL "fortanix-pcs/quote.bin",
        OE "tdx_quote.bin",
        OE "tdx_quote_v5.bin",
    };
    size_t n = 0;
    for (size_t i = 0; i < sizeof ders / sizeof ders[0]; i++, n++) {
        VD_AUTO_BUF b = vd_test_file(ders[i]);
        compare(vd_buf_span(&b));
    }
    for (size_t i = 0; i < sizeof quotes / sizeof quotes[0]; i++) {
        VD_AUTO_BUF b = vd_test_file(quotes[i]);
        struct dcap_quote q;
        assert_ok(dcap_quote_parse(vd_buf_span(&b), &q, NULL));
        DCAP_AUTO_PEM pem = { 0 };
        assert_ok(dcap_pem_read(q.cert_data, &pem, NULL));
        assert_int_equal(pem.n, 3);
        for (size_t k = 0; k < pem.n; k++, n++)
            compare(pem.cert[k]);
    }
    print_message("certificates: %zu cases\n", n);
}

static void crls_are_read_as_openssl_reads_them(void **state)
{
    (void)state;
    static const char *const paths[] = { SOLANA "intel_root_ca_crl.der",
                                         SOLANA "pck_platform_crl.der",
                                         FORGE_0825 "platform_crl.der",
                                         FORGE_1025 "pck_crl.der",
                                         INTEL "automata-dcap-rs/intel_root_ca_crl.der",
                                         INTEL "automata-dcap-rs/pck_platform_crl.der",
                                         INTEL "go-tdx-guest/pckcrl",
                                         INTEL "go-tdx-guest/rootcrl.der",
                                         INTEL "fortanix-pcs/IntelSGXRootCA.der" };
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        VD_AUTO_BUF b = vd_test_file(paths[i]);
        struct dcap_x509_crl c;
        assert_ok(dcap_x509_crl_parse(vd_buf_span(&b), &c, NULL));
        VD_AUTO(vd_crl_unref) struct vd_crl *crl = NULL;
        assert_ok(vd_crl_parse(vd_buf_span(&b), &crl, NULL));
        struct vd_crl_facts f;
        assert_ok(vd_crl_facts(crl, &f, NULL));
        assert_int_equal(f.this_update, c.from);
        assert_int_equal(f.next_update, c.until);
        assert_int_equal(f.revoked, c.n_revoked);
        assert_int_equal(f.number, c.number);
        assert_true(f.has_number && c.has_number && f.has_authority_key && c.has_authority_key);
        for (size_t n = 0; n < b.n; n++) {
            vd_span cut = vd_test_guarded(vd_span_part(vd_buf_span(&b), 0, n));
            assert_rc(VD_E_SYNTAX, dcap_x509_crl_parse(cut, &c, NULL));
            vd_test_guarded_free(cut);
        }
    }
}

static void every_truncation_of_a_certificate_is_refused(void **state)
{
    (void)state;
    VD_AUTO_BUF b = vd_test_file(SOLANA "pck.der");
    struct dcap_x509 x;
    for (size_t n = 0; n < b.n; n++) {
        vd_span cut = vd_test_guarded(vd_span_part(vd_buf_span(&b), 0, n));
        assert_rc(VD_E_CHAIN, dcap_x509_parse(cut, &x, NULL));
        vd_test_guarded_free(cut);
    }
    vd_buf_u8(&b, 0);
    assert_rc(VD_E_CHAIN, dcap_x509_parse(vd_buf_span(&b), &x, NULL));
}

/* What OpenSSL would take, and what is none of Intel's. */
static void other_certificates_and_lists_are_refused(void **state)
{
    (void)state;
    static const char *const certs[] = { "amd-vcek-milan.der", "leaf.der" };
    for (size_t i = 0; i < 2; i++) {
        char path[128];
        (void)snprintf(path, sizeof path, "tests/vectors/x509/%s", certs[i]);
        VD_AUTO_BUF b = vd_test_file(path);
        struct dcap_x509 x;
        vd_rc_ rc = dcap_x509_parse(vd_buf_span(&b), &x, NULL);
        assert_true(rc.code == VD_E_CHAIN ||
                    dcap_x509_role(&x, DCAP_ROLE_PCK, NULL, NULL).code == VD_E_CHAIN);
    }
    static const char *const lists[] = { "crl-delta.pem", "crl-partial.pem", "crl-critical.pem",
                                         "crl.der" };
    for (size_t i = 0; i < 4; i++) {
        char path[128];
        (void)snprintf(path, sizeof path, "tests/vectors/x509/%s", lists[i]);
        VD_AUTO_BUF b = vd_test_file(path);
        struct dcap_x509_crl c;
        assert_rc(VD_E_SYNTAX, dcap_x509_crl_parse(vd_buf_span(&b), &c, NULL));
    }
}

static void roles_are_told_by_name_and_constraints(void **state)
{
    (void)state;
    static const char *const path[] = { SOLANA "root.der", SOLANA "platform.der", SOLANA "pck.der",
                                        SOLANA "signing.der" };
    for (size_t i = 0; i < 4; i++) {
        VD_AUTO_BUF b = vd_test_file(path[i]);
        struct dcap_x509 x;
        assert_ok(dcap_x509_parse(vd_buf_span(&b), &x, NULL));
        for (unsigned role = 0; role < 4; role++)
            assert_int_equal(dcap_x509_role(&x, (enum dcap_role)role, NULL, NULL).code,
                             role == i ? VD_E_OK : VD_E_CHAIN);
        /* the name alone does not make a role */
        struct dcap_x509 y = x;
        y.ca = !x.ca;
        assert_rc(VD_E_CHAIN, dcap_x509_role(&y, (enum dcap_role)i, NULL, NULL));
        y = x;
        y.constraints = false;
        assert_rc(VD_E_CHAIN, dcap_x509_role(&y, (enum dcap_role)i, NULL, NULL));
        y = x;
        y.cert_sign = !x.cert_sign;
        assert_rc(VD_E_CHAIN, dcap_x509_role(&y, (enum dcap_role)i, NULL, NULL));
        y = x;
        y.cn = VD_SPAN_NONE;
        assert_rc(VD_E_CHAIN, dcap_x509_role(&y, (enum dcap_role)i, NULL, NULL));
    }
}

#define B "-----BEGIN CERTIFICATE-----\n"
#define E "-----END CERTIFICATE-----\n"
static void pem_text_is_read_strictly(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        vd_span in;
        size_t n; /* 0: refused */
    } rows[] = {
        { "one", VD_LIT(B "AAEC\n" E), 1 },
        { "two", VD_LIT(B "AAEC\n" E B "AAEC\n" E), 2 },
        { "CR LF", VD_LIT("-----BEGIN CERTIFICATE-----\r\nAAEC\r\n-----END CERTIFICATE-----\r\n"),
          1 },
        { "long lines, no line end", VD_LIT(B "AAECAAECAAEC" E), 1 },
        { "NUL behind", VD_LIT(B "AAEC\n" E "\0"), 1 },
        { "NUL and blanks behind", VD_LIT(B "AAEC\n" E "\n \0\n\0"), 1 },
        { "NUL between", VD_LIT(B "AAEC\n" E "\0" B "AAEC\n" E), 0 },
        { "text before", VD_LIT("subject=x\n" B "AAEC\n" E), 0 },
        { "text between", VD_LIT(B "AAEC\n" E "x\n" B "AAEC\n" E), 0 },
        { "another block", VD_LIT("-----BEGIN PUBLIC KEY-----\nAAEC\n-----END PUBLIC KEY-----\n"),
          0 },
        { "empty block", VD_LIT(B E), 0 },
        { "no end", VD_LIT(B "AAEC\n"), 0 },
        { "padding inside", VD_LIT(B "AA==AAEC\n" E), 0 },
        { "not base64", VD_LIT(B "AA?C\n" E), 0 },
        { "five", VD_LIT(B "AAEC\n" E B "AAEC\n" E B "AAEC\n" E B "AAEC\n" E B "AAEC\n" E), 0 },
        { "nothing", VD_LIT(""), 0 },
        { "binary", VD_LIT("\x30\x82\x01"), 0 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        DCAP_AUTO_PEM pem = { 0 };
        vd_span in = vd_test_guarded(rows[i].in);
        vd_code got = dcap_pem_read(in, &pem, NULL).code;
        if (got != (rows[i].n ? VD_E_OK : VD_E_SYNTAX) || pem.n != rows[i].n) {
            print_error("%s: %d, %zu\n", rows[i].name, got, pem.n);
            fail();
        }
        for (size_t k = 0; k < pem.n; k++)
            assert_memory_equal(pem.cert[k].p, "\0\1\2", 3);
        vd_test_guarded_free(in);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(certificates_are_read_as_openssl_reads_them),
        cmocka_unit_test(crls_are_read_as_openssl_reads_them),
        cmocka_unit_test(every_truncation_of_a_certificate_is_refused),
        cmocka_unit_test(other_certificates_and_lists_are_refused),
        cmocka_unit_test(roles_are_told_by_name_and_constraints),
        cmocka_unit_test(pem_text_is_read_strictly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
