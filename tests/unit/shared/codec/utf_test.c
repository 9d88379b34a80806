/* UTF-8 is judged and UTF-16LE is converted as the standard says (Unicode 15, 3.9, table 3-7). */
#include "tests/support/support.h"

#include "shared/codec/utf.h"

static void utf8_is_valid_exactly_when_well_formed(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *text;
        size_t n;
        bool want;
    } cases[] = {
        { "empty", "", 0, true },
        { "ASCII with a NUL", "a\0b", 3, true },
        { "two bytes", "\xC2\x80", 2, true },
        { "three bytes", "\xEF\xBF\xBD", 3, true },
        { "last code point", "\xF4\x8F\xBF\xBF", 4, true },
        { "behind the last", "\xF4\x90\x80\x80", 4, false },
        { "long form", "\xC0\x80", 2, false },
        { "long form of three", "\xE0\x80\x80", 3, false },
        { "surrogate", "\xED\xA0\x80", 3, false },
        { "cut", "\xE2\x82", 2, false },
        { "continuation alone", "\x80", 1, false },
        { "a byte that never occurs", "\xFF", 1, false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        vd_span s = vd_test_guarded(vd_span_of(cases[i].text, cases[i].n));
        if (vd_utf8_valid(s) != cases[i].want)
            fail_msg("%s", cases[i].name);
        vd_test_guarded_free(s);
    }
}

static void utf16_becomes_utf8(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *in;
        size_t n;
        const char *want;
        bool good;
    } cases[] = {
        { "empty", "", 0, "", true },
        { "ASCII", "a\0b\0", 4, "ab", true },
        { "two bytes", "\xE4\0", 2, "\xC3\xA4", true },
        { "three bytes", "\xAC\x20", 2, "\xE2\x82\xAC", true },
        { "a pair", "\x3D\xD8\x00\xDE", 4, "\xF0\x9F\x98\x80", true },
        { "high alone", "\x3D\xD8", 2, "\xEF\xBF\xBD", false },
        { "high before a letter",
          "\x3D\xD8"
          "a\0",
          4,
          "\xEF\xBF\xBD"
          "a",
          false },
        { "low alone",
          "\x00\xDE"
          "a\0",
          4,
          "\xEF\xBF\xBD"
          "a",
          false },
        { "two highs and a low", "\x3D\xD8\x3D\xD8\x00\xDE", 6, "\xEF\xBF\xBD\xF0\x9F\x98\x80",
          false },
        { "odd", "a\0b", 3, "a", false },
        { "one byte", "a", 1, "", false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        vd_span s = vd_test_guarded(vd_span_of(cases[i].in, cases[i].n));
        VD_AUTO_BUF out = vd_buf_of(64);
        bool good = vd_utf16le_put(s, &out);
        if (good != cases[i].good || !vd_span_eq_str(vd_buf_span(&out), cases[i].want))
            fail_msg("%s", cases[i].name);
        vd_test_guarded_free(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utf8_is_valid_exactly_when_well_formed),
        cmocka_unit_test(utf16_becomes_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
