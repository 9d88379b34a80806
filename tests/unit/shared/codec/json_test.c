/* The JSON tape: the public suite of accepted and refused texts, our stricter rules, exact numbers.
 */
#include "tests/support/support.h"

#include <dirent.h>
#include <string.h>

#include "shared/codec/json.h"

#define SUITE "tests/vectors/jsontestsuite/test_parsing"

/* Accepted by RFC 8259, refused by us: duplicate names, and NUL inside a string. */
static const char *const stricter[] = {
    "y_object_duplicated_key.json",
    "y_object_duplicated_key_and_value.json",
    "y_object_escaped_null_in_key.json",
    "y_string_null_escape.json",
};

static bool is_stricter(const char *name)
{
    for (size_t i = 0; i < sizeof stricter / sizeof stricter[0]; i++)
        if (strcmp(stricter[i], name) == 0)
            return true;
    return false;
}

static bool accepted(vd_span in)
{
    struct vd_json *j = NULL;
    vd_err err = { 0 };
    vd_rc_ rc = vd_json_parse(in, VD_JSON_LIMITS(1u << 20), &j, &err);
    vd_json_free(j);
    if (rc.code != VD_E_OK)
        assert_true(err.code == rc.code && err.msg[0] != 0);
    return rc.code == VD_E_OK;
}

static void json_passes_the_public_parsing_suite(void **state)
{
    (void)state;
    DIR *d = opendir(VD_SOURCE_DIR "/" SUITE);
    assert_non_null(d);
    int y = 0, n = 0, by_name = 0, free_choice = 0;
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        if (e->d_name[0] == '.')
            continue;
        VD_AUTO_BUF path = vd_buf_of(512);
        vd_buf_printf(&path, "%s/%s", SUITE, e->d_name);
        VD_AUTO_BUF text = vd_test_file(vd_buf_cstr(&path));
        vd_span in = vd_test_guarded(vd_buf_span(&text));
        bool ok = accepted(in);
        vd_test_guarded_free(in);
        bool want = e->d_name[0] == 'y' && !is_stricter(e->d_name);
        if (e->d_name[0] != 'i' && ok != want) {
            print_error("%s: %s\n", e->d_name, ok ? "accepted" : "refused");
            fail();
        }
        y += want;
        n += e->d_name[0] == 'n';
        by_name += is_stricter(e->d_name);
        free_choice += e->d_name[0] == 'i';
    }
    (void)closedir(d);
    print_message("suite JSONTestSuite: %d accepted, %d refused, %d refused by name, %d free\n", y,
                  n, by_name, free_choice);
    assert_int_equal(y, 91);
    assert_int_equal(n, 188);
    assert_int_equal(by_name, 4);
}

static void json_refuses_what_our_stricter_rules_forbid(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *text;
    } cases[] = {
        { "duplicate name", "{\"a\":1,\"a\":2}" },
        { "duplicate by escape", "{\"a\":1,\"\\u0061\":2}" },
        { "duplicate in a nested object", "{\"x\":[{\"k\":1,\"k\":1}]}" },
        { "NUL by escape", "\"\\u0000\"" },
        { "lone high surrogate", "\"\\ud800\"" },
        { "lone low surrogate", "\"\\udc00\"" },
        { "high surrogate and no low", "\"\\ud800\\u0041\"" },
        { "overlong UTF-8", "\"\xc0\xaf\"" },
        { "surrogate in UTF-8", "\"\xed\xa0\x80\"" },
        { "above U+10FFFF", "\"\xf4\x90\x80\x80\"" },
        { "two values", "1 2" },
        { "byte order mark", "\xef\xbb\xbf{}" },
        { "comma at the end", "[1,]" },
        { "only blanks", "  " },
        { "nothing", "" },
        { "leading zero", "[01]" },
        { "plus", "[+1]" },
        { "hexadecimal", "[0x1]" },
        { "NaN", "[NaN]" },
        { "comment", "[1/*x*/]" },
        { "single quotes", "{'a':1}" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (accepted(vd_span_str(cases[i].text))) {
            print_error("accepted: %s\n", cases[i].name);
            fail();
        }
}

static void json_finds_a_duplicate_among_many_names(void **state)
{
    (void)state;
    VD_AUTO_BUF b = vd_buf_of(1u << 20);
    vd_buf_str(&b, "{");
    for (int i = 0; i < 5000; i++)
        vd_buf_printf(&b, "\"name%d\":0,", (i * 7919) % 5000);
    size_t without = b.n;
    vd_buf_str(&b, "\"other\":0}");
    assert_true(accepted(vd_buf_span(&b)));
    b.n = without;
    vd_buf_str(&b, "\"n\\u0061me77\":0}");
    assert_false(accepted(vd_buf_span(&b)));
}

/* Objects of every size that has a way of its own, the double name at every pair of ends. */
static void json_finds_a_duplicate_among_few_names(void **state)
{
    (void)state;
    static const char *const again[] = { "\"n0\"", "\"\\u006e0\"", "\"n\\u0030\"" };
    for (int n = 1; n <= 80; n++) {
        VD_AUTO_BUF b = vd_buf_of(4096);
        vd_buf_str(&b, "{");
        for (int i = 0; i < n; i++)
            vd_buf_printf(&b, "%s\"n%d\":[%d]", i ? "," : "", i, i);
        size_t without = b.n;
        vd_buf_str(&b, "}");
        assert_true(accepted(vd_buf_span(&b)));
        for (size_t k = 0; k < sizeof again / sizeof again[0]; k++) {
            b.n = without;
            vd_buf_printf(&b, ",%s:0}", again[k]);
            assert_false(accepted(vd_buf_span(&b)));
        }
    }
    /* different names with one hash (FNV-1a, 32 bits), and names beyond ASCII */
    assert_true(accepted(VD_LIT("{\"a\":1,\"costarring\":1,\"b\":1,\"liquid\":1,\"c\":1}")));
    assert_false(accepted(VD_LIT("{\"a\":1,\"costarring\":1,\"b\":1,\"liquid\":1,\"b\":1}")));
    assert_true(accepted(VD_LIT("{\"\xc3\xa9\":1,\"\xc3\xa8\":1,\"b\":1,\"c\":1}")));
    assert_false(accepted(VD_LIT("{\"\xc3\xa9\":1,\"\\u00e9\":1,\"b\":1,\"c\":1}")));
}

static void json_bounds_depth_and_values(void **state)
{
    (void)state;
    VD_AUTO_BUF b = vd_buf_of(1u << 20);
    for (int i = 0; i < 32; i++)
        vd_buf_u8(&b, '[');
    for (int i = 0; i < 32; i++)
        vd_buf_u8(&b, ']');
    assert_true(accepted(vd_buf_span(&b)));
    vd_buf_reset(&b);
    for (int i = 0; i < 33; i++)
        vd_buf_u8(&b, '[');
    for (int i = 0; i < 33; i++)
        vd_buf_u8(&b, ']');
    assert_false(accepted(vd_buf_span(&b)));
    vd_buf_reset(&b);
    vd_buf_str(&b, "[0");
    for (int i = 1; i < 19999; i++)
        vd_buf_str(&b, ",0");
    vd_buf_str(&b, "]");
    assert_true(accepted(vd_buf_span(&b)));
    b.n--;
    vd_buf_str(&b, ",0]");
    assert_false(accepted(vd_buf_span(&b)));
}

static void json_refuses_every_truncation(void **state)
{
    (void)state;
    static const char text[] =
        "{\"a\":[1,-2.5e+3,true,null,\"\\ud83d\\ude00\xc3\xa9\"],\"b\":{\"c\":\"x\\n\"}}";
    assert_true(accepted(vd_span_str(text)));
    for (size_t n = 0; n < sizeof text - 1; n++) {
        vd_span in = vd_test_guarded(vd_span_of(text, n));
        assert_false(accepted(in));
        vd_test_guarded_free(in);
    }
}

static struct vd_json *parse(const char *text)
{
    struct vd_json *j = NULL;
    assert_ok(vd_json_parse(vd_span_str(text), VD_JSON_LIMITS(1u << 16), &j, NULL));
    return j;
}

static void json_reads_numbers_exactly_from_their_text(void **state)
{
    (void)state;
    VD_AUTO(vd_json_free)
    struct vd_json *j =
        parse("[18446744073709551615,18446744073709551616,9007199254740993,1.0,1e2,-1,-0,"
              "-9223372036854775808,-9223372036854775809,\"7\"]");
    vd_jv root = vd_json_root(j);
    uint64_t u = 0;
    int64_t i = 0;
    assert_ok(vd_jv_u64(vd_jv_pointer(root, "/0"), UINT64_MAX, &u, NULL));
    assert_true(u == UINT64_MAX);
    assert_ok(vd_jv_u64(vd_jv_pointer(root, "/2"), UINT64_MAX, &u, NULL));
    assert_true(u == UINT64_C(9007199254740993));
    static const char *const refused[] = { "/1", "/3", "/4", "/5", "/6", "/9", "/10" };
    for (size_t k = 0; k < sizeof refused / sizeof refused[0]; k++)
        assert_rc(VD_E_SYNTAX, vd_jv_u64(vd_jv_pointer(root, refused[k]), UINT64_MAX, &u, NULL));
    assert_ok(vd_jv_i64(vd_jv_pointer(root, "/7"), &i, NULL));
    assert_true(i == INT64_MIN);
    assert_rc(VD_E_SYNTAX, vd_jv_i64(vd_jv_pointer(root, "/8"), &i, NULL));
    assert_rc(VD_E_SYNTAX, vd_jv_u64(vd_jv_pointer(root, "/2"), 255, &u, NULL));
}

static void json_reads_byte_arrays_strictly(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        vd_code want;
    } cases[] = {
        { "[0,255]", VD_E_OK },
        { "[0,256]", VD_E_SYNTAX },
        { "[0,-1]", VD_E_SYNTAX },
        { "[0,1.0]", VD_E_SYNTAX },
        { "[0]", VD_E_SYNTAX },
        { "[0,1,2]", VD_E_SYNTAX },
        { "[0,\"1\"]", VD_E_SYNTAX },
        { "[0,1e0]", VD_E_SYNTAX },
        { "{\"a\":0,\"b\":1}", VD_E_SYNTAX },
        { "\"ab\"", VD_E_SYNTAX },
        { "[0,-0]", VD_E_SYNTAX },
    };
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        uint8_t two[2];
        VD_AUTO(vd_json_free) struct vd_json *j = parse(cases[k].text);
        assert_rc(cases[k].want, vd_jv_bytes(vd_json_root(j), two, 2, NULL));
    }
}

/* Runs of short numbers have a way of their own through the scanner: it must see what the general
 * way sees. */
static void json_arrays_of_short_numbers_are_like_any_other(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int count; /* -1: refused */
    } cases[] = {
        { "[1]", 1 },           { "[1,2,3]", 3 },     { "[0,10,255,999]", 4 }, { "[1, 2,3 ]", 3 },
        { "[1 ,2]", 2 },        { "[1,1000,2]", 3 },  { "[1,-2,3]", 3 },       { "[1,2.5,3]", 3 },
        { "[1,2e3,3]", 3 },     { "[1,\"a\",2]", 3 }, { "[1,[2,3],4]", 3 },    { "[1,{},2]", 3 },
        { "[1,null,22,0]", 4 }, { "[1,]", -1 },       { "[,1]", -1 },          { "[1,,2]", -1 },
        { "[01]", -1 },         { "[1,02]", -1 },     { "[00]", -1 },          { "[1", -1 },
        { "[1,", -1 },          { "[1,2", -1 },       { "[1}", -1 },           { "[1,2}", -1 },
        { "{1}", -1 },          { "[1:2]", -1 },      { "[12a]", -1 },         { "[1]]", -1 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        VD_AUTO(vd_json_free) struct vd_json *j = NULL;
        vd_span in = vd_test_guarded(vd_span_str(cases[i].text));
        vd_rc_ rc = vd_json_parse(in, VD_JSON_LIMITS(100), &j, NULL);
        bool as_wanted = cases[i].count < 0 ? rc.code == VD_E_SYNTAX
                                            : rc.code == VD_E_OK && vd_jv_count(vd_json_root(j)) ==
                                                                        (size_t)cases[i].count;
        if (!as_wanted)
            fail_msg("%s", cases[i].text);
        vd_test_guarded_free(in);
    }
    const struct vd_json_limits three = { 100, 32, 3 };
    VD_AUTO(vd_json_free) struct vd_json *j = NULL;
    assert_rc(VD_E_TOO_LARGE, vd_json_parse(VD_LIT("[1,2,3]"), &three, &j, NULL));
    assert_ok(vd_json_parse(VD_LIT("[1,2]"), &three, &j, NULL));
}

static void json_names_are_compared_decoded_and_case_sensitively(void **state)
{
    (void)state;
    VD_AUTO(vd_json_free)
    struct vd_json *j = parse("{\"A\":1,\"\\u0062\":{\"x/y\":{\"~\":[true]}}}");
    vd_jv root = vd_json_root(j);
    assert_false(vd_jv_ok(vd_jv_get(root, "a")));
    assert_true(vd_jv_ok(vd_jv_get(root, "b")));
    assert_true(vd_jv_is(vd_jv_pointer(root, "/b/x~1y/~0/0"), VD_JSON_TRUE));
    assert_false(vd_jv_ok(vd_jv_pointer(root, "/b/x~1y/~0/1")));
    assert_false(vd_jv_ok(vd_jv_pointer(root, "/b/x~1y/~0/00")));
    assert_false(vd_jv_ok(vd_jv_pointer(root, "b")));
}

static void json_writer_makes_what_the_parser_reads(void **state)
{
    (void)state;
    VD_AUTO_BUF b = vd_buf_of(4096);
    vd_jw w = vd_jw_of(&b);
    vd_jw_obj(&w);
    vd_jw_kstr(&w, "text", "a\"\\\b\f\n\r\t\x01/\xc3\xa9");
    vd_jw_ku64(&w, "big", UINT64_MAX);
    vd_jw_ki64(&w, "low", INT64_MIN);
    vd_jw_key(&w, "list");
    vd_jw_arr(&w);
    vd_jw_bool(&w, true);
    vd_jw_null(&w);
    vd_jw_obj(&w);
    vd_jw_end(&w);
    vd_jw_end(&w);
    vd_jw_kspan(&w, "bad", VD_LIT("\xff"));
    vd_jw_end(&w);
    assert_ok(vd_buf_check(&b, NULL));
    assert_span_str(
        vd_buf_span(&b),
        "{\"text\":\"a\\\"\\\\\\b\\f\\n\\r\\t\\u0001/\xc3\xa9\",\"big\":18446744073709551615,"
        "\"low\":-9223372036854775808,\"list\":[true,null,{}],\"bad\":\"\xef\xbf\xbd\"}");
    assert_true(accepted(vd_buf_span(&b)));
}

static void json_writer_marks_misuse(void **state)
{
    (void)state;
    VD_AUTO_BUF b = vd_buf_of(4096);
    vd_jw w = vd_jw_of(&b);
    vd_jw_obj(&w);
    vd_jw_str(&w, "a value without a name");
    assert_true(b.bad);
}

static void json_strings_are_compared_decoded_with_plain_text(void **state)
{
    (void)state;
    vd_err err = { 0 };
    VD_AUTO(vd_json_free) struct vd_json *j = NULL;
    vd_span text = VD_LIT("{\"C:\\\\u0041\":\"\\\\n \\u0041\"}");
    assert_ok(vd_json_parse(text, VD_JSON_LIMITS(1024), &j, &err));
    vd_jv v = vd_jv_get(vd_json_root(j), "C:\\u0041");
    assert_true(vd_jv_str_eq(v, "\\n A"));
    assert_false(vd_jv_str_eq(v, "\n A"));
    assert_false(vd_jv_str_eq(v, "\\n \\u0041"));
    assert_false(vd_jv_ok(vd_jv_get(vd_json_root(j), "C:A")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_strings_are_compared_decoded_with_plain_text),
        cmocka_unit_test(json_passes_the_public_parsing_suite),
        cmocka_unit_test(json_refuses_what_our_stricter_rules_forbid),
        cmocka_unit_test(json_finds_a_duplicate_among_many_names),
        cmocka_unit_test(json_finds_a_duplicate_among_few_names),
        cmocka_unit_test(json_bounds_depth_and_values),
        cmocka_unit_test(json_refuses_every_truncation),
        cmocka_unit_test(json_reads_numbers_exactly_from_their_text),
        cmocka_unit_test(json_reads_byte_arrays_strictly),
        cmocka_unit_test(json_arrays_of_short_numbers_are_like_any_other),
        cmocka_unit_test(json_names_are_compared_decoded_and_case_sensitively),
        cmocka_unit_test(json_writer_makes_what_the_parser_reads),
        cmocka_unit_test(json_writer_marks_misuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
