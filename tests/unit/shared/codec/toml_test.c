/* TOML to JSON: the toml-test suite for TOML 1.0, the places of keys and faults, and the limits. */
#include "tests/support/support.h"

#include <math.h>

#include "shared/codec/json.h"
#include "shared/codec/toml.h"

#define SUITE "tests/vectors/toml-test/"

static const struct vd_json_limits wide = { 1u << 20, 64, 100000 };

/* Valid documents that are refused here: inf and nan are no numbers in JSON. */
static const char *const no_json_form[] = {
    "valid/comment/after-literal-no-ws.toml",
    "valid/float/inf-and-nan.toml",
    "valid/spec-1.0.0/float-2.toml",
};

/* Valid documents whose JSON the strict reader refuses: NUL in a string. */
static const char *const nul_in_string[] = {
    "valid/key/quoted-unicode.toml",
    "valid/string/quoted-unicode.toml",
    "valid/string/unicode-escape.toml",
};

static bool listed(const char *const *names, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}
#define LISTED(names, name) listed((names), sizeof(names) / sizeof *(names), (name))

/* Date-times: T and Z in capitals, fractions without trailing zeros. */
static void normal_time(vd_span in, char *out, size_t room)
{
    size_t n = 0;
    bool fraction = false;
    assert_true(in.n + 1 < room);
    for (size_t i = 0; i < in.n; i++) {
        char c = (char)in.p[i];
        bool digit = c >= '0' && c <= '9';
        if (fraction && !digit) {
            while (n && out[n - 1] == '0')
                n--;
            if (n && out[n - 1] == '.')
                n--;
            fraction = false;
        }
        if (c == '.')
            fraction = true;
        out[n++] = (char)(c == ' ' || c == 't' ? 'T' : c == 'z' ? 'Z' : c);
    }
    while (fraction && n && out[n - 1] == '0')
        n--;
    if (n && out[n - 1] == '.')
        n--;
    out[n] = '\0';
}

static void compare_scalar(const char *file, vd_jv got, vd_jv type, vd_jv value)
{
    char *want = NULL;
    vd_err err = { 0 };
    assert_ok(vd_jv_strdup(value, &want, &err));
    if (vd_jv_str_eq(type, "string")) {
        if (!vd_jv_str_eq(got, want))
            fail_msg("%s: a string differs", file);
    } else if (vd_jv_str_eq(type, "integer")) {
        int64_t n = 0;
        assert_ok(vd_jv_i64(got, &n, &err));
        assert_int_equal(n, strtoll(want, NULL, 10));
    } else if (vd_jv_str_eq(type, "float")) {
        double d = 0;
        assert_ok(vd_jv_double(got, &d, &err));
        if (fabs(d - strtod(want, NULL)) > 0)
            fail_msg("%s: %s differs", file, want);
    } else if (vd_jv_str_eq(type, "bool")) {
        assert_true(vd_jv_is(got, strcmp(want, "true") == 0 ? VD_JSON_TRUE : VD_JSON_FALSE));
    } else {
        char a[64];
        char b[64];
        normal_time(vd_jv_str_raw(got), a, sizeof a);
        normal_time(vd_span_str(want), b, sizeof b);
        if (strcmp(a, b) != 0)
            fail_msg("%s: %s is not %s", file, a, b);
    }
    free(want);
}

static bool is_tagged(vd_jv v)
{
    return vd_jv_is(v, VD_JSON_OBJECT) && vd_jv_count(v) == 2 &&
           vd_jv_is(vd_jv_get(v, "type"), VD_JSON_STRING) &&
           vd_jv_is(vd_jv_get(v, "value"), VD_JSON_STRING);
}

/* Depth is that of the suite's own files. */
static void compare(const char *file, vd_jv got, vd_jv want)
{
    if (is_tagged(want)) {
        compare_scalar(file, got, vd_jv_get(want, "type"), vd_jv_get(want, "value"));
        return;
    }
    if (vd_jv_type(got) != vd_jv_type(want) || vd_jv_count(got) != vd_jv_count(want))
        fail_msg("%s: %.*s", file, (int)vd_jv_raw(got).n, (const char *)vd_jv_raw(got).p);
    vd_jv_iter w = vd_jv_iter_of(want);
    vd_jv_iter g = vd_jv_iter_of(got);
    while (vd_jv_next(&w)) {
        vd_jv value = { 0 };
        if (vd_jv_is(want, VD_JSON_OBJECT)) {
            vd_buf name = vd_buf_of(1024);
            assert_ok(vd_jv_str(w.name, &name, NULL));
            value = vd_jv_get_span(got, vd_buf_span(&name));
            vd_buf_done(&name);
        } else {
            assert_true(vd_jv_next(&g));
            value = g.value;
        }
        if (!vd_jv_ok(value))
            fail_msg("%s: a member is missing", file);
        compare(file, value, w.value);
    }
}

struct counts {
    size_t valid;
    size_t invalid;
    size_t no_json;
    size_t nul;
};

static void run_valid(const char *name, struct counts *n)
{
    char path[512];
    (void)snprintf(path, sizeof path, SUITE "%s", name);
    vd_buf toml = vd_test_file(path);
    vd_buf json = vd_buf_of(1u << 20);
    vd_buf lines = vd_buf_of(1u << 20);
    vd_err err = { 0 };
    vd_code rc = vd_toml_to_json(vd_buf_span(&toml), &json, &lines, &err).code;
    struct vd_json *got = NULL;
    struct vd_json *places = NULL;
    if (LISTED(no_json_form, name)) {
        assert_int_equal(rc, VD_E_SYNTAX);
        n->no_json++;
    } else if (rc != VD_E_OK) {
        fail_msg("%s: %s", name, err.msg);
    } else if (LISTED(nul_in_string, name)) {
        assert_rc(VD_E_SYNTAX, vd_json_parse(vd_buf_span(&json), &wide, &got, &err));
        n->nul++;
    } else {
        (void)snprintf(path, sizeof path, SUITE "%.*s.json", (int)(strlen(name) - 5), name);
        vd_buf file = vd_test_file(path);
        struct vd_json *want = NULL;
        if (vd_json_parse(vd_buf_span(&file), &wide, &want, &err).code != VD_E_OK)
            fail_msg("%s: %s", path, err.msg);
        if (vd_json_parse(vd_buf_span(&json), &wide, &got, &err).code != VD_E_OK)
            fail_msg("%s: %s: %.*s", name, err.msg, (int)json.n, (const char *)json.p);
        if (vd_json_parse(vd_buf_span(&lines), &wide, &places, &err).code != VD_E_OK)
            fail_msg("%s: lines: %s", name, err.msg);
        compare(name, vd_json_root(got), vd_json_root(want));
        vd_json_free(want);
        vd_buf_done(&file);
        n->valid++;
    }
    vd_json_free(got);
    vd_json_free(places);
    vd_buf_done(&toml);
    vd_buf_done(&json);
    vd_buf_done(&lines);
}

static void run_invalid(const char *name, struct counts *n)
{
    char path[512];
    (void)snprintf(path, sizeof path, SUITE "%s", name);
    vd_buf toml = vd_test_file(path);
    vd_buf json = vd_buf_of(1u << 20);
    vd_err err = { 0 };
    if (vd_toml_to_json(vd_buf_span(&toml), &json, NULL, &err).code != VD_E_SYNTAX)
        fail_msg("%s: accepted: %.*s", name, (int)json.n, (const char *)json.p);
    assert_true(err.text_line >= 1 && err.text_column >= 1);
    assert_int_equal(json.n, 0);
    n->invalid++;
    vd_buf_done(&toml);
    vd_buf_done(&json);
}

static void the_toml_1_0_suite_passes(void **state)
{
    (void)state;
    struct counts n = { 0 };
    vd_buf list = vd_test_file(SUITE "files-toml-1.0.0");
    vd_span left = vd_buf_span(&list);
    while (left.n) {
        size_t end = vd_span_find(left, '\n');
        char name[256];
        (void)snprintf(name, sizeof name, "%.*s", (int)end, (const char *)left.p);
        left = vd_span_part(left, end + 1, left.n);
        size_t len = strlen(name);
        if (len < 6 || strcmp(name + len - 5, ".toml") != 0)
            continue;
        if (strncmp(name, "valid/", 6) == 0)
            run_valid(name, &n);
        else
            run_invalid(name, &n);
    }
    print_message(
        "toml-test 1.0: %zu valid, %zu invalid; by name: %zu without JSON form (inf, nan), "
        "%zu with NUL in a string\n",
        n.valid, n.invalid, n.no_json, n.nul);
    assert_int_equal(n.valid + n.no_json + n.nul, 210);
    assert_int_equal(n.invalid, 499);
    vd_buf_done(&list);
}

static void every_key_has_its_line(void **state)
{
    (void)state;
    static const char toml[] = "a = 1\n"
                               "b.c = [\n"
                               "  2,\n"
                               "  { d = 3 },\n"
                               "]\n"
                               "[t]\n"
                               "\"x.y\" = true\n"
                               "[[many]]\n"
                               "n = 1\n"
                               "[[many]]\n"
                               "n = 2\n";
    static const struct {
        const char *path;
        uint64_t line;
    } want[] = {
        { "a", 1 },        { "b", 2 },         { "b.c", 2 },       { "b.c.1.d", 4 },
        { "t", 6 },        { "t.\"x.y\"", 7 }, { "many", 8 },      { "many.0", 8 },
        { "many.0.n", 9 }, { "many.1", 10 },   { "many.1.n", 11 },
    };
    vd_buf json = vd_buf_of(4096);
    vd_buf lines = vd_buf_of(4096);
    vd_err err = { 0 };
    assert_ok(vd_toml_to_json(vd_span_str(toml), &json, &lines, &err));
    struct vd_json *j = NULL;
    assert_ok(vd_json_parse(vd_buf_span(&lines), &wide, &j, &err));
    assert_int_equal(vd_jv_count(vd_json_root(j)), sizeof want / sizeof *want);
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        uint64_t line = 0;
        assert_ok(vd_jv_u64(vd_jv_get(vd_json_root(j), want[i].path), 100, &line, &err));
        assert_int_equal(line, want[i].line);
    }
    vd_json_free(j);
    vd_buf_done(&json);
    vd_buf_done(&lines);
}

static const struct {
    const char *name;
    const char *toml;
    uint32_t line;
    uint32_t column;
} faults[] = {
    { "no value", "a = 1\nb = \n", 2, 5 },
    { "duplicate key", "a = 1\nb = 2\na = 3\n", 3, 1 },
    { "not UTF-8", "a = 1\nb = \"\xff\"\n", 2, 6 },
    { "not UTF-8 behind a wide character", "a = \"\xc3\xa4\xff\"\n", 1, 7 },
    { "infinity", "a = 1\nb = inf\n", 2, 5 },
    { "nan in an array", "b = [1.0, nan]\n", 1, 11 },
    { "integer too large", "a = 9223372036854775808\n", 1, 5 },
    { "TOML 1.1: newline in an inline table", "a = {\n b = 1 }\n", 1, 6 },
    { "TOML 1.1: \\e escape", "a = \"\\e\"\n", 1, 8 },
};

static void a_fault_has_its_line_and_column(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        vd_buf json = vd_buf_of(4096);
        vd_err err = { 0 };
        vd_code rc = vd_toml_to_json(vd_span_str(faults[i].toml), &json, NULL, &err).code;
        if (rc != VD_E_SYNTAX || err.text_line != faults[i].line ||
            err.text_column != faults[i].column)
            fail_msg("%s: %d, %s", faults[i].name, rc, err.msg);
        vd_buf_done(&json);
    }
}

static void output_above_the_maximum_is_refused(void **state)
{
    (void)state;
    static const char toml[] = "a = \"0123456789\"\n";
    vd_err err = { 0 };
    vd_buf json = vd_buf_of(17);
    assert_rc(VD_E_TOO_LARGE, vd_toml_to_json(vd_span_str(toml), &json, NULL, &err));
    assert_int_equal(json.n, 0);
    vd_buf fits = vd_buf_of(18);
    assert_ok(vd_toml_to_json(vd_span_str(toml), &fits, NULL, NULL));
    assert_span_str(vd_buf_span(&fits), "{\"a\":\"0123456789\"}");
    vd_buf_done(&json);
    vd_buf_done(&fits);
}

/* n times `part`, then n times `end`. */
static void refuses_nesting(const char *start, const char *part, const char *end, size_t n)
{
    vd_buf toml = vd_buf_of(1u << 20);
    vd_buf json = vd_buf_of(1u << 20);
    vd_err err = { 0 };
    vd_buf_str(&toml, start);
    for (size_t i = 0; i < n; i++)
        vd_buf_str(&toml, part);
    vd_buf_str(&toml, end);
    assert_rc(VD_E_SYNTAX, vd_toml_to_json(vd_buf_span(&toml), &json, NULL, &err));
    vd_buf_done(&toml);
    vd_buf_done(&json);
}

static void deep_nesting_is_refused(void **state)
{
    (void)state;
    refuses_nesting("a = ", "[", "\n", 70);
    refuses_nesting("a = ", "[", "\n", 100000);
    refuses_nesting("a = ", "{ a = ", "\n", 50000);
    refuses_nesting("a", ".a", " = 1\n", 70);
    refuses_nesting("a", ".a", " = 1\n", 100000);
    refuses_nesting("[a", ".a", "]\n", 70);
    refuses_nesting("[[a", ".a", "]]\n", 100000);
}

static void every_truncation_is_answered(void **state)
{
    (void)state;
    vd_buf toml = vd_test_file(SUITE "valid/example.toml");
    for (size_t n = 0; n <= toml.n; n++) {
        vd_buf json = vd_buf_of(1u << 20);
        vd_span in = vd_test_guarded(vd_span_part(vd_buf_span(&toml), 0, n));
        vd_code rc = vd_toml_to_json(in, &json, NULL, NULL).code;
        assert_true(rc == VD_E_OK || rc == VD_E_SYNTAX);
        vd_test_guarded_free(in);
        vd_buf_done(&json);
    }
    vd_buf_done(&toml);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_toml_1_0_suite_passes),
        cmocka_unit_test(every_key_has_its_line),
        cmocka_unit_test(a_fault_has_its_line_and_column),
        cmocka_unit_test(output_above_the_maximum_is_refused),
        cmocka_unit_test(deep_nesting_is_refused),
        cmocka_unit_test(every_truncation_is_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
