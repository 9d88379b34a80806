/* Single facts of certificates and CRLs, on genuine ones of two PKIs. */
#include "tests/support/support.h"

#include "shared/crypto/x509_facts.h"

#define SOLANA "tests/vectors/intel/automata-dcap-attestation/solana/"
#define X509 "tests/vectors/x509/"

static struct vd_cert *cert(const char *path)
{
    VD_AUTO_BUF b = vd_test_file(path);
    struct vd_cert *c = NULL;
    assert_ok(vd_cert_parse(vd_buf_span(&b), &c, NULL));
    return c;
}

static struct vd_crl *crl(const char *path)
{
    VD_AUTO_BUF b = vd_test_file(path);
    struct vd_crl *c = NULL;
    assert_ok(vd_crl_parse(vd_buf_span(&b), &c, NULL));
    return c;
}

static void constraints_and_usages_are_told(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        bool ca;
        long path_len;
        bool cert_sign;
        bool crl_sign;
        bool digital_signature;
    } rows[] = {
        { SOLANA "root.der", true, 1, true, true, false },
        { SOLANA "platform.der", true, 0, true, true, false },
        { SOLANA "pck.der", false, -1, false, false, true },
        { SOLANA "signing.der", false, -1, false, false, true },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        VD_AUTO(vd_cert_unref) struct vd_cert *c = cert(rows[i].path);
        struct vd_cert_facts f = vd_cert_facts(c);
        assert_int_equal(f.version, 3);
        assert_true(f.constraints && f.key_usage && !f.unknown_critical);
        assert_int_equal(f.ca, rows[i].ca);
        if (rows[i].ca)
            assert_int_equal(f.path_len, rows[i].path_len);
        assert_int_equal(f.cert_sign, rows[i].cert_sign);
        assert_int_equal(f.crl_sign, rows[i].crl_sign);
        assert_int_equal(f.digital_signature, rows[i].digital_signature);
    }
}

static void one_signature_at_a_time(void **state)
{
    (void)state;
    VD_AUTO(vd_cert_unref) struct vd_cert *root = cert(SOLANA "root.der");
    VD_AUTO(vd_cert_unref) struct vd_cert *ca = cert(SOLANA "platform.der");
    VD_AUTO(vd_cert_unref) struct vd_cert *pck = cert(SOLANA "pck.der");
    VD_AUTO(vd_cert_unref) struct vd_cert *signer = cert(SOLANA "signing.der");
    VD_AUTO(vd_cert_unref) struct vd_cert *amd = cert(X509 "amd-ark-milan.pem");
    assert_ok(vd_cert_signed_es256(root, root, NULL));
    assert_ok(vd_cert_signed_es256(ca, root, NULL));
    assert_ok(vd_cert_signed_es256(pck, ca, NULL));
    assert_ok(vd_cert_signed_es256(signer, root, NULL));
    /* named by another, or the other way round, or by another algorithm */
    assert_rc(VD_E_CHAIN, vd_cert_signed_es256(pck, root, NULL));
    assert_rc(VD_E_CHAIN, vd_cert_signed_es256(root, ca, NULL));
    assert_rc(VD_E_CHAIN, vd_cert_signed_es256(amd, amd, NULL));
}

/* The same certificate with each bit of one byte changed: it does not parse, or its signature is
 * refused. */
static void a_changed_certificate_is_not_signed(void **state)
{
    (void)state;
    VD_AUTO(vd_cert_unref) struct vd_cert *ca = cert(SOLANA "platform.der");
    VD_AUTO_BUF b = vd_test_file(SOLANA "pck.der");
    size_t parsed = 0;
    for (size_t i = 0; i < b.n; i++) {
        b.p[i] ^= (uint8_t)(1u << i % 8);
        VD_AUTO(vd_cert_unref) struct vd_cert *c = NULL;
        if (vd_cert_parse(vd_buf_span(&b), &c, NULL).code == VD_E_OK) {
            parsed++;
            assert_rc(VD_E_CHAIN, vd_cert_signed_es256(c, ca, NULL));
        }
        b.p[i] ^= (uint8_t)(1u << i % 8);
    }
    print_message("%zu changed certificates parsed, none was signed\n", parsed);
    assert_true(parsed > 500);
}

static void crls_tell_number_and_key(void **state)
{
    (void)state;
    VD_AUTO(vd_cert_unref) struct vd_cert *ca = cert(SOLANA "platform.der");
    VD_AUTO(vd_crl_unref) struct vd_crl *c = crl(SOLANA "pck_platform_crl.der");
    struct vd_crl_facts f;
    assert_ok(vd_crl_facts(c, &f, NULL));
    assert_true(f.has_number && f.has_authority_key);
    assert_int_equal(f.number, 1);
    assert_true(f.revoked > 0);
    assert_true(f.this_update < f.next_update);
    assert_int_equal(f.next_update, vd_crl_next_update(c));
    assert_true(vd_span_eq(vd_crl_issuer_der(c), vd_cert_subject_der(ca)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(constraints_and_usages_are_told),
        cmocka_unit_test(one_signature_at_a_time),
        cmocka_unit_test(a_changed_certificate_is_not_signed),
        cmocka_unit_test(crls_tell_number_and_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
