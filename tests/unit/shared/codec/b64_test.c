/* Base64 in its four forms and hex: the RFC 4648 examples, every length, and what must be refused.
 */
#include "tests/support/support.h"

#include <string.h>

#include "shared/codec/b64.h"

static void b64_encodes_and_decodes_every_length_in_every_form(void **state)
{
    (void)state;
    uint8_t bytes[200];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 151 + 7);
    for (int form = VD_B64_STD; form <= VD_B64_STD_NOPAD; form++)
        for (size_t n = 0; n <= sizeof bytes; n++) {
            VD_AUTO_BUF text = vd_buf_of(512);
            VD_AUTO_BUF back = vd_buf_of(512);
            vd_b64_encode(vd_span_of(bytes, n), (enum vd_b64_form)form, &text);
            vd_span in = vd_test_guarded(vd_buf_span(&text));
            assert_ok(vd_b64_decode(in, (enum vd_b64_form)form, &back, NULL));
            vd_test_guarded_free(in);
            assert_true(vd_span_eq(vd_buf_span(&back), vd_span_of(bytes, n)));
        }
}

static void b64_gives_the_rfc_4648_examples(void **state)
{
    (void)state;
    static const char *const plain[] = { "", "f", "fo", "foo", "foob", "fooba", "foobar" };
    static const char *const text[] = { "",         "Zg==",     "Zm8=",    "Zm9v",
                                        "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy" };
    for (size_t i = 0; i < 7; i++) {
        VD_AUTO_BUF b = vd_buf_of(64);
        vd_b64_encode(vd_span_str(plain[i]), VD_B64_STD, &b);
        assert_span_str(vd_buf_span(&b), text[i]);
    }
}

static void b64_refuses_what_is_not_exactly_its_form(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *text;
        enum vd_b64_form form;
    } cases[] = {
        { "padding in the JOSE form", "Zg==", VD_B64_URL },
        { "missing padding", "Zg", VD_B64_STD },
        { "too much padding", "Zg===", VD_B64_STD },
        { "padding alone", "====", VD_B64_STD },
        { "padding inside", "Zg==Zg==", VD_B64_STD },
        { "impossible length", "Z", VD_B64_URL },
        { "impossible length with padding", "Z===", VD_B64_STD },
        { "stray bits, one byte", "Zh", VD_B64_URL },
        { "stray bits, two bytes", "Zm9", VD_B64_URL },
        { "white space", "Zm 9v", VD_B64_URL },
        { "line end", "Zm9v\n", VD_B64_URL },
        { "other alphabet", "ab+/", VD_B64_URL },
        { "other alphabet", "ab-_", VD_B64_STD },
        { "dot", "Zm9.", VD_B64_URL },
        { "high byte", "Zm9\xc3", VD_B64_URL },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        VD_AUTO_BUF b = vd_buf_of(64);
        vd_buf_str(&b, "kept");
        vd_err err = { 0 };
        if (vd_b64_decode(vd_span_str(cases[i].text), cases[i].form, &b, &err).code !=
            VD_E_SYNTAX) {
            print_error("accepted: %s\n", cases[i].name);
            fail();
        }
        assert_span_str(vd_buf_span(&b), "kept");
    }
    uint8_t three[3];
    assert_ok(vd_b64_decode_exact(VD_LIT("Zm9v"), VD_B64_URL, three, 3, NULL));
    assert_rc(VD_E_SYNTAX, vd_b64_decode_exact(VD_LIT("Zm9vYg"), VD_B64_URL, three, 3, NULL));
    assert_rc(VD_E_SYNTAX, vd_b64_decode_exact(VD_LIT("Zm8"), VD_B64_URL, three, 3, NULL));
}

static void hex_reads_both_cases_and_refuses_the_rest(void **state)
{
    (void)state;
    VD_AUTO_BUF b = vd_buf_of(64);
    assert_ok(vd_hex_decode(VD_LIT("00fFA9"), &b, NULL));
    VD_AUTO_BUF t = vd_buf_of(64);
    vd_hex_encode(vd_buf_span(&b), &t);
    assert_span_str(vd_buf_span(&t), "00ffa9");
    assert_rc(VD_E_SYNTAX, vd_hex_decode(VD_LIT("0"), &b, NULL));
    assert_rc(VD_E_SYNTAX, vd_hex_decode(VD_LIT("0g"), &b, NULL));
    assert_rc(VD_E_SYNTAX, vd_hex_decode(VD_LIT("0x10"), &b, NULL));
    assert_int_equal(b.n, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(b64_encodes_and_decodes_every_length_in_every_form),
        cmocka_unit_test(b64_gives_the_rfc_4648_examples),
        cmocka_unit_test(b64_refuses_what_is_not_exactly_its_form),
        cmocka_unit_test(hex_reads_both_cases_and_refuses_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
