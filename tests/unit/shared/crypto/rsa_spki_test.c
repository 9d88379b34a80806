/* RSA public keys in DER: the one form that is right, and the many that OpenSSL would take as well.
 */
#include "tests/support/support.h"

#include "shared/base/secret.h"
#include "shared/crypto/key.h"
#include "shared/crypto/x509.h"

/* The parts of a SubjectPublicKeyInfo, so that each can be made wrong. */
struct form {
    const char *name;
    const char *algorithm; /* hex, whole AlgorithmIdentifier */
    const char *unused;    /* hex of the octet "unused bits" */
    const char *n_before;  /* hex before the modulus: its sign octet */
    const char *e;         /* hex of the exponent's content */
    const char *behind_e;  /* hex within the inner sequence */
    const char *behind;    /* hex behind everything */
    bool long_length;      /* a length in more octets than it needs */
    uint8_t number;        /* tag of numbers */
    bool good;
};
#define RSA_ALG "300d06092a864886f70d0101010500"

static void hex(vd_buf *out, const char *text)
{
    for (; *text; text += 2) {
        char two[3] = { text[0], text[1], 0 };
        vd_buf_u8(out, (uint8_t)strtoul(two, NULL, 16));
    }
}

static void element(vd_buf *out, uint8_t tag, vd_span content, bool long_length)
{
    vd_buf_u8(out, tag);
    if (long_length) {
        vd_buf_u8(out, 0x83);
        vd_buf_be(out, content.n, 3);
    } else if (content.n >= 0x100) {
        vd_buf_u8(out, 0x82);
        vd_buf_be(out, content.n, 2);
    } else if (content.n >= 0x80) {
        vd_buf_u8(out, 0x81);
        vd_buf_be(out, content.n, 1);
    } else {
        vd_buf_u8(out, (uint8_t)content.n);
    }
    vd_buf_add(out, content);
}

static void write_form(const struct form *f, vd_span modulus, vd_buf *out)
{
    VD_AUTO_BUF n = vd_buf_of(4096), e = vd_buf_of(64), key = vd_buf_of(4096),
                bits = vd_buf_of(4096), all = vd_buf_of(4096);
    hex(&n, f->n_before);
    vd_buf_add(&n, modulus);
    hex(&e, f->e);
    VD_AUTO_BUF numbers = vd_buf_of(4096);
    element(&numbers, f->number, vd_buf_span(&n), false);
    element(&numbers, f->number, vd_buf_span(&e), false);
    hex(&numbers, f->behind_e);
    element(&key, 0x30, vd_buf_span(&numbers), f->long_length);
    hex(&bits, f->unused);
    vd_buf_add(&bits, vd_buf_span(&key));
    hex(&all, f->algorithm);
    element(&all, 0x03, vd_buf_span(&bits), false);
    element(out, 0x30, vd_buf_span(&all), false);
    hex(out, f->behind);
}

static void only_the_one_der_form_is_a_key(void **state)
{
    (void)state;
    static const struct form forms[] = {
        { "right", RSA_ALG, "00", "00", "010001", "", "", false, 2, true },
        { "algorithm without its NULL", "300b06092a864886f70d010101", "00", "00", "010001", "", "",
          false, 2, false },
        { "algorithm of RSA-PSS", "300d06092a864886f70d01010a0500", "00", "00", "010001", "", "",
          false, 2, false },
        { "unused bits", RSA_ALG, "01", "00", "010001", "", "", false, 2, false },
        { "no octet of unused bits", RSA_ALG, "", "00", "010001", "", "", false, 2, false },
        { "a negative modulus", RSA_ALG, "00", "", "010001", "", "", false, 2, false },
        { "a leading zero too many", RSA_ALG, "00", "0000", "010001", "", "", false, 2, false },
        { "a leading zero of the exponent", RSA_ALG, "00", "00", "00010001", "", "", false, 2,
          false },
        { "a negative exponent", RSA_ALG, "00", "00", "810001", "", "", false, 2, false },
        { "no exponent", RSA_ALG, "00", "00", "", "", "", false, 2, false },
        { "exponent 1", RSA_ALG, "00", "00", "01", "", "", false, 2, false },
        { "an even exponent", RSA_ALG, "00", "00", "010000", "", "", false, 2, false },
        { "a third number", RSA_ALG, "00", "00", "010001", "020101", "", false, 2, false },
        { "a byte behind the key", RSA_ALG, "00", "00", "010001", "", "00", false, 2, false },
        { "a long length", RSA_ALG, "00", "00", "010001", "", "", true, 2, false },
        { "numbers of another tag", RSA_ALG, "00", "00", "010001", "", "", false, 0x0a, false },
    };
    VD_AUTO(vd_key_unref) struct vd_key *made = NULL;
    VD_AUTO_BUF right = vd_buf_of(4096), modulus = vd_buf_of(4096);
    assert_ok(vd_key_generate(VD_KTY_RSA, 2048, &made, NULL));
    assert_ok(vd_key_to_spki(made, &right, NULL));
    /* 256 bytes that end before the exponent's five */
    vd_buf_add(&modulus, vd_span_part(vd_buf_span(&right), right.n - 5 - 256, 256));
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
        VD_AUTO_BUF der = vd_buf_of(4096);
        vd_err err = { 0 };
        write_form(&forms[i], vd_buf_span(&modulus), &der);
        vd_rc_ rc = vd_key_from_spki(vd_buf_span(&der), &key, &err);
        if ((rc.code == VD_E_OK) != forms[i].good)
            print_error("%s: %d %s\n", forms[i].name, rc.code, err.msg);
        assert_int_equal(rc.code == VD_E_OK, forms[i].good);
        assert_true(forms[i].good || (key == NULL && err.msg[0] != 0));
        if (forms[i].good)
            assert_true(vd_span_eq(vd_buf_span(&der), vd_buf_span(&right)));
    }
}

static void every_size_comes_back_as_it_went_out(void **state)
{
    (void)state;
    static const unsigned sizes[] = { 2048, 3072, 4096 };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        VD_AUTO(vd_key_unref) struct vd_key *made = NULL;
        VD_AUTO(vd_key_unref) struct vd_key *read = NULL;
        VD_AUTO_BUF out = vd_buf_of(4096), again = vd_buf_of(4096);
        assert_ok(vd_key_generate(VD_KTY_RSA, sizes[i], &made, NULL));
        assert_ok(vd_key_to_spki(made, &out, NULL));
        assert_ok(vd_key_from_spki(vd_buf_span(&out), &read, NULL));
        assert_ok(vd_key_to_spki(read, &again, NULL));
        assert_true(vd_span_eq(vd_buf_span(&out), vd_buf_span(&again)));
        for (size_t n = 0; n < out.n; n++) { /* every truncation */
            struct vd_key *none = NULL;
            VD_AUTO(free) uint8_t *cut = malloc(n ? n : 1);
            assert_non_null(cut);
            memcpy(cut, out.p, n);
            assert_int_not_equal(vd_key_from_spki(vd_span_of(cut, n), &none, NULL).code, VD_E_OK);
            assert_null(none);
        }
    }
}

/* AMD's root and signing key are RSA-4096: what OpenSSL reads out of the certificate is the form.
 */
static void keys_of_genuine_certificates_are_in_it(void **state)
{
    (void)state;
    static const char *const files[] = { "tests/vectors/snp/virtee-sev/milan-ark.pem",
                                         "tests/vectors/snp/go-sev-guest/ask_ark_milan.pem" };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        VD_AUTO_BUF pem = vd_test_file(files[i]);
        VD_AUTO(vd_certs_free) struct vd_certs *certs = NULL;
        assert_ok(vd_certs_parse_pem(vd_buf_span(&pem), 4, &certs, NULL));
        assert_true(certs->n > 0);
        for (size_t c = 0; c < certs->n; c++) {
            VD_AUTO(vd_key_unref) struct vd_key *key = vd_cert_key(certs->item[c]);
            VD_AUTO_BUF spki = vd_buf_of(4096);
            assert_non_null(key);
            assert_ok(vd_key_to_spki(key, &spki, NULL));
            /* the certificate holds those very bytes */
            vd_span der = vd_cert_der(certs->item[c]);
            assert_non_null(memmem(der.p, der.n, spki.p, spki.n));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_one_der_form_is_a_key),
        cmocka_unit_test(every_size_comes_back_as_it_went_out),
        cmocka_unit_test(keys_of_genuine_certificates_are_in_it),
    };
    if (vd_base_init(NULL).code != VD_E_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
