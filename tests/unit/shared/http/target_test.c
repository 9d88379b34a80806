/* Request targets: the URI list of the threat model, the two rewrites, a property over random
 * targets. */
#include "tests/support/support.h"

#include "shared/http/http.h"

struct row {
    const char *name;
    vd_span target;
    const char *path; /* NULL: refused */
    const char *query;
};
#define BAD(label, text)                                                                           \
    {                                                                                              \
        label, VD_LIT(text), NULL, NULL                                                            \
    }
#define GOOD(label, text, path, query)                                                             \
    {                                                                                              \
        label, VD_LIT(text), path, query                                                           \
    }

static const struct row rows[] = {
    GOOD("plain", "/kbs/v0/auth", "/kbs/v0/auth", ""),
    GOOD("root", "/", "/", ""),
    GOOD("trailing slash stays", "/kbs/v0/auth/", "/kbs/v0/auth/", ""),
    GOOD("query", "/a?b=c", "/a", "b=c"),
    GOOD("query with escapes and slashes", "/a?b=%2f//..%00", "/a", "b=%2f//..%00"),
    GOOD("empty query", "/a?", "/a", ""),
    GOOD("two question marks", "/a?b?c", "/a", "b?c"),
    GOOD("dots inside a name", "/a/v1.2..3/b", "/a/v1.2..3/b", ""),
    GOOD("three dots", "/a/.../b", "/a/.../b", ""),
    GOOD("plus stays a plus", "/a/b+c", "/a/b+c", ""),
    GOOD("upper case is another path", "/KBS/v0/auth", "/KBS/v0/auth", ""),
    GOOD("four segments", "/kbs/v0/resource/a/b/c/d", "/kbs/v0/resource/a/b/c/d", ""),
    GOOD("parameters in a name", "/a/b;v=1", "/a/b;v=1", ""),
    GOOD("doubled first slash", "//kbs/v0/auth", "/kbs/v0/auth", ""),
    GOOD("doubled first slash with query", "//kbs/v0/auth?x", "/kbs/v0/auth", "x"),
    GOOD("doubled resource slash", "/kbs/v0/resource//a/b/c", "/kbs/v0/resource/a/b/c", ""),
    GOOD("both", "//kbs/v0/resource//a/b/c", "/kbs/v0/resource/a/b/c", ""),
    GOOD("resource and nothing", "/kbs/v0/resource//", "/kbs/v0/resource/", ""),

    BAD("empty", ""),
    BAD("asterisk", "*"),
    BAD("authority", "kbs:8080"),
    BAD("absolute http", "http://kbs/kbs/v0/auth"),
    BAD("absolute https", "https://kbs/kbs/v0/auth"),
    BAD("no slash first", "kbs/v0/auth"),
    BAD("query first", "?a=b"),
    BAD("parent", "/a/../b"),
    BAD("parent first", "/../a"),
    BAD("parent last", "/a/.."),
    BAD("parent, then slash", "/a/../"),
    BAD("self", "/a/./b"),
    BAD("self first", "/./a"),
    BAD("self last", "/a/."),
    BAD("parent with parameters", "/a/..;/b"),
    BAD("parent with parameters and text", "/a/..;x=1/b"),
    BAD("self with parameters", "/a/.;/b"),
    BAD("%2e%2e", "/a/%2e%2e/b"),
    BAD("%2E%2E", "/a/%2E%2E/b"),
    BAD("%2E.", "/a/%2E./b"),
    BAD(".%2e", "/a/.%2e/b"),
    BAD("%252e", "/a/%252e%252e/b"),
    BAD("%2f", "/a%2fb"),
    BAD("%2F", "/kbs/v0/resource/default%2Fkey%2F1"),
    BAD("%5c", "/a%5cb"),
    BAD("%5C", "/a/..%5C..%5Cb"),
    BAD("%61uth", "/kbs/v0/%61uth"),
    BAD("%00", "/a%00"),
    BAD("%00 before a suffix", "/a%00.txt"),
    BAD("%", "/a%"),
    BAD("% and one digit", "/a%2"),
    BAD("%zz", "/a%zz"),
    BAD("%u002e", "/a/%u002e"),
    BAD("overlong UTF-8, escaped", "/a/%c0%ae%c0%ae/b"),
    BAD("overlong UTF-8, raw", "/a/\xc0\xae/b"),
    BAD("overlong slash, raw", "/a\xc0\xaf"
                               "b"),
    BAD("UTF-8, raw", "/\xc3\xa4"),
    BAD("Latin-1, raw", "/\xe4"),
    BAD("full-width dot", "/a/\xef\xbc\x8e\xef\xbc\x8e/b"),
    BAD("non-ASCII in the query", "/a?\xc3\xa4"),
    BAD("backslash", "/a\\b"),
    BAD("backslash first", "\\a"),
    BAD("slash backslash", "/\\a"),
    BAD("backslash parent", "/a/..\\b"),
    BAD("doubled slash", "/a//b"),
    BAD("doubled slash last", "/a//"),
    BAD("doubled slash first", "//a"),
    BAD("doubled slash first, other api", "//api/v1/status"),
    BAD("tripled slash first", "///kbs/v0/auth"),
    BAD("doubled slash in kbs", "/kbs//v0/auth"),
    BAD("doubled slash behind v0", "/kbs/v0//auth"),
    BAD("tripled slash behind resource", "/kbs/v0/resource///a/b/c"),
    BAD("doubled slash later in resource", "/kbs/v0/resource/a//b/c"),
    BAD("doubled twice in resource", "/kbs/v0/resource//a//b"),
    BAD("doubled in resource-policy", "/kbs/v0/resource-policy//x"),
    BAD("doubled in reference-value", "/kbs/v0/reference-value//x"),
    BAD("authority form of a double slash", "//kbs"),
    BAD("NUL", "/a\0b"),
    BAD("control", "/a\x01"),
    BAD("tab", "/a\tb"),
    BAD("CR", "/a\rb"),
    BAD("LF", "/a\nb"),
    BAD("DEL", "/a\x7f"),
    BAD("blank", "/a b"),
    BAD("trailing blank", "/a "),
    BAD("blank in the query", "/a?b c"),
    BAD("fragment", "/a#b"),
    BAD("fragment in the query", "/a?b#c"),
    BAD("fragment only", "#"),
    BAD("brace", "/a/{id}"),
    BAD("brackets", "/a/[b]"),
    BAD("quote", "/a\"b"),
    BAD("less", "/a<b"),
    BAD("greater", "/a>b"),
    BAD("caret", "/a^b"),
    BAD("backtick", "/a`b"),
    BAD("pipe", "/a|b"),
    BAD("resource URI as a path", "/kbs/v0/resource/kbs:///a/b/c"),
};

static vd_code parse(vd_span target, struct vd_req *req, uint8_t *room)
{
    vd_err err = { 0 };
    return vd_target_parse(target, room, req, &err).code;
}

static void every_target_of_the_list_has_its_answer(void **state)
{
    (void)state;
    size_t refused = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *r = &rows[i];
        vd_span in = vd_test_guarded(r->target);
        uint8_t *room = malloc(in.n + 1);
        assert_non_null(room);
        struct vd_req req = { 0 };
        vd_code got = parse(in, &req, room);
        if (got != (r->path ? VD_E_OK : VD_E_BAD_TARGET)) {
            print_error("%s: %d\n", r->name, (int)got);
            fail();
        }
        if (r->path) {
            assert_span_str(req.path, r->path);
            assert_span_str(req.query, r->query);
            assert_true(vd_span_eq(req.target, in));
        } else {
            refused++;
        }
        free(room);
        vd_test_guarded_free(in);
    }
    print_message("targets: %zu cases, %zu of them refused\n", sizeof rows / sizeof rows[0],
                  refused);
}

static void a_long_query_is_refused(void **state)
{
    (void)state;
    VD_AUTO_BUF b = vd_buf_of(8192);
    vd_buf_str(&b, "/a?");
    while (b.n < 3 + 2048)
        vd_buf_u8(&b, 'q');
    uint8_t room[8192];
    struct vd_req req = { 0 };
    assert_int_equal(parse(vd_buf_span(&b), &req, room), VD_E_OK);
    vd_buf_u8(&b, 'q');
    assert_int_equal(parse(vd_buf_span(&b), &req, room), VD_E_BAD_TARGET);
}

/* Whatever is accepted has one reading: no escapes, no empty or dot segment, printable ASCII, and
 * it is its own normal form. */
static void accepted_paths_have_one_reading(void **state)
{
    (void)state;
    static const char alphabet[] = "/.%2e5cf\\ab?#;/kbs/v0/resource//\xc3\x01 +";
    uint64_t seed = 42;
    unsigned accepted = 0, n = 1000000;
    for (unsigned i = 0; i < n; i++) {
        uint8_t text[24], room[24];
        size_t len = 0;
        if (i % 3 == 0) {
            memcpy(text, "/kbs/v0/resource", 16);
            len = 16;
        } else {
            text[len++] = '/';
        }
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        uint64_t bits = seed;
        for (unsigned k = (unsigned)(bits & 7); k > 0; k--) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            text[len++] = (uint8_t)alphabet[(seed >> 33) % (sizeof alphabet - 1)];
        }
        struct vd_req req = { 0 };
        if (parse(vd_span_of(text, len), &req, room) != VD_E_OK)
            continue;
        accepted++;
        vd_span p = req.path;
        assert_true(p.n > 0 && p.p[0] == '/');
        for (size_t k = 0; k < p.n; k++) {
            assert_true(p.p[k] > 0x20 && p.p[k] < 0x7f && p.p[k] != '%' && p.p[k] != '\\' &&
                        p.p[k] != '#');
            if (k > 0)
                assert_false(p.p[k] == '/' && p.p[k - 1] == '/');
        }
        struct vd_req again = { 0 };
        uint8_t room2[24];
        assert_int_equal(parse(p, &again, room2), VD_E_OK);
        assert_true(vd_span_eq(again.path, p));
    }
    print_message("random targets: %u, %u accepted\n", n, accepted);
    assert_true(accepted > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_target_of_the_list_has_its_answer),
        cmocka_unit_test(a_long_query_is_refused),
        cmocka_unit_test(accepted_paths_have_one_reading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
