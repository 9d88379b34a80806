/* RFC 8785: the public input and output pairs, the number table of appendix B, and idempotence. */
#include "tests/support/support.h"

#include <string.h>

#include "shared/codec/json.h"
#include "shared/codec/text.h"

static void canonical(vd_span in, vd_buf *out)
{
    VD_AUTO(vd_json_free) struct vd_json *j = NULL;
    assert_ok(vd_json_parse(in, VD_JSON_LIMITS(1u << 20), &j, NULL));
    assert_ok(vd_json_canonical(vd_json_root(j), out, NULL));
}

static void jcs_passes_the_public_pairs(void **state)
{
    (void)state;
    static const char *const names[] = { "arrays",  "french", "structures",
                                         "unicode", "values", "weird" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[128];
        (void)snprintf(path, sizeof path, "tests/vectors/jcs/testdata/input/%s.json", names[i]);
        VD_AUTO_BUF in = vd_test_file(path);
        (void)snprintf(path, sizeof path, "tests/vectors/jcs/testdata/output/%s.json", names[i]);
        VD_AUTO_BUF want = vd_test_file(path);
        VD_AUTO_BUF got = vd_buf_of(1u << 16);
        canonical(vd_buf_span(&in), &got);
        if (!vd_span_eq(vd_buf_span(&got), vd_buf_span(&want))) {
            print_error("%s: %.*s\n", names[i], (int)got.n, (const char *)got.p);
            fail();
        }
        VD_AUTO_BUF again = vd_buf_of(1u << 16);
        canonical(vd_buf_span(&got), &again);
        assert_true(vd_span_eq(vd_buf_span(&got), vd_buf_span(&again)));
    }
    print_message("suite JCS: %zu pairs\n", sizeof names / sizeof names[0]);
}

static void jcs_writes_numbers_as_appendix_b_says(void **state)
{
    (void)state;
    static const struct {
        uint64_t bits;
        const char *text;
    } cases[] = {
        { 0x0000000000000000, "0" },
        { 0x8000000000000000, "0" },
        { 0x0000000000000001, "5e-324" },
        { 0x8000000000000001, "-5e-324" },
        { 0x7fefffffffffffff, "1.7976931348623157e+308" },
        { 0x4340000000000000, "9007199254740992" },
        { 0xc340000000000000, "-9007199254740992" },
        { 0x4430000000000000, "295147905179352830000" },
        { 0x44b52d02c7e14af5, "9.999999999999997e+22" },
        { 0x44b52d02c7e14af6, "1e+23" },
        { 0x44b52d02c7e14af7, "1.0000000000000001e+23" },
        { 0x444b1ae4d6e2ef4e, "999999999999999700000" },
        { 0x444b1ae4d6e2ef4f, "999999999999999900000" },
        { 0x444b1ae4d6e2ef50, "1e+21" },
        { 0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7" },
        { 0x3eb0c6f7a0b5ed8d, "0.000001" },
        { 0x41b3de4355555553, "333333333.3333332" },
        { 0x41b3de4355555557, "333333333.33333343" },
        { 0xbecbf647612f3696, "-0.0000033333333333333333" },
        { 0x43143ff3c1cb0959, "1424953923781206.2" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double v;
        memcpy(&v, &cases[i].bits, sizeof v);
        VD_AUTO_BUF b = vd_buf_of(64);
        vd_double_put(&b, v);
        if (!vd_span_eq_str(vd_buf_span(&b), cases[i].text)) {
            print_error("%s: got %.*s\n", cases[i].text, (int)b.n, (const char *)b.p);
            fail();
        }
    }
}

static void jcs_sorts_names_by_utf16_units(void **state)
{
    (void)state;
    VD_AUTO_BUF b = vd_buf_of(256);
    /* U+FB33 sorts behind U+1F600 in UTF-16, before it in UTF-8 */
    canonical(VD_LIT("{\"\xef\xac\xb3\":1,\"\xf0\x9f\x98\x80\":2,\"\\u0031\":3}"), &b);
    assert_span_str(vd_buf_span(&b), "{\"1\":3,\"\xf0\x9f\x98\x80\":2,\"\xef\xac\xb3\":1}");
}

static void compact_keeps_order_and_number_text(void **state)
{
    (void)state;
    VD_AUTO(vd_json_free) struct vd_json *j = NULL;
    assert_ok(vd_json_parse(
        VD_LIT(" { \"b\" : 1.0 , \"a\" : [ 18446744073709551615, \"\\u0041\\/\" ] } "),
        VD_JSON_LIMITS(256), &j, NULL));
    VD_AUTO_BUF b = vd_buf_of(256);
    assert_ok(vd_json_compact(vd_json_root(j), &b, NULL));
    assert_span_str(vd_buf_span(&b), "{\"b\":1.0,\"a\":[18446744073709551615,\"A/\"]}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jcs_passes_the_public_pairs),
        cmocka_unit_test(jcs_writes_numbers_as_appendix_b_says),
        cmocka_unit_test(jcs_sorts_names_by_utf16_units),
        cmocka_unit_test(compact_keeps_order_and_number_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
