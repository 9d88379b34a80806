/* The router, the accessors of a request, and the pattern language of administrators' roles. */
#include "tests/support/support.h"

#include "shared/http/http.h"

static vd_rc nothing(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    (void)req;
    (void)resp;
    (void)err;
    return VD_OK;
}

#define ROUTE(m, p)                                                                                \
    {                                                                                              \
        m, p, VD_OPEN, VD_NO_BODY, VD_SHAPE_KBS, VD_WORK, nothing                                  \
    }
static const struct vd_route routes[] = {
    ROUTE(VD_POST, "/kbs/v0/auth"),
    ROUTE(VD_GET, "/kbs/v0/resource/{repo}/{type}/{tag}"),
    ROUTE(VD_POST, "/kbs/v0/resource/{repo}/{type}/{tag}"),
    ROUTE(VD_GET, "/kbs/v0/reference-value/*"),
    ROUTE(VD_GET, "/api/v1/policies"),
    ROUTE(VD_GET, "/api/v1/policies/{id}"),
    ROUTE(VD_PUT, "/api/v1/policies/{id}"),
    ROUTE(VD_DELETE, "/api/v1/policies/{id}"),
    ROUTE(VD_GET, "/api/v1/policies/{id}/versions/{n}"),
    ROUTE(VD_GET, "/"),
};
static const struct vd_router router = { .route = routes, .n = sizeof routes / sizeof routes[0] };

static vd_code find(enum vd_method m, const char *path, struct vd_req *req, vd_buf *allow)
{
    vd_err err = { 0 };
    *req = (struct vd_req){ .method = m, .path = vd_span_str(path) };
    return vd_router_find(&router, req, allow, &err).code;
}

static void routes_are_found_with_their_parameters(void **state)
{
    (void)state;
    static const struct {
        enum vd_method m;
        const char *path;
        size_t row;
        size_t n;
        const char *param[3];
    } rows[] = {
        { VD_POST, "/kbs/v0/auth", 0, 0, { 0 } },
        { VD_GET, "/kbs/v0/resource/a/b/c", 1, 3, { "a", "b", "c" } },
        { VD_POST, "/kbs/v0/resource/-a/_b/1.2", 2, 3, { "-a", "_b", "1.2" } },
        { VD_GET, "/kbs/v0/reference-value/x", 3, 1, { "x" } },
        { VD_GET, "/kbs/v0/reference-value/x/y/z", 3, 1, { "x/y/z" } },
        { VD_GET, "/api/v1/policies", 4, 0, { 0 } },
        { VD_DELETE, "/api/v1/policies/p1", 7, 1, { "p1" } },
        { VD_GET, "/api/v1/policies/p1/versions/7", 8, 2, { "p1", "7" } },
        { VD_GET, "/", 9, 0, { 0 } },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        VD_AUTO_BUF allow = vd_buf_of(128);
        struct vd_req req;
        assert_int_equal(find(rows[i].m, rows[i].path, &req, &allow), VD_E_OK);
        assert_ptr_equal(req.route, &routes[rows[i].row]);
        assert_int_equal(req.n_param, rows[i].n);
        for (size_t k = 0; k < rows[i].n; k++)
            assert_span_str(req.param[k], rows[i].param[k]);
    }
}

static void unknown_paths_are_404(void **state)
{
    (void)state;
    static const char *const paths[] = {
        "/kbs",
        "/kbs/v0",
        "/kbs/v0/",
        "/kbs/v0/auth/",
        "/kbs/v0/auth/x",
        "/kbs/v0/Auth",
        "/KBS/v0/auth",
        "/kbs/v0/aut",
        "/kbs/v0/authx",
        "/kbs/v0/resource",
        "/kbs/v0/resource/",
        "/kbs/v0/resource/a",
        "/kbs/v0/resource/a/b",
        "/kbs/v0/resource/a/b/",
        "/kbs/v0/resource/a/b/c/",
        "/kbs/v0/resource/a/b/c/d",
        "/kbs/v0/reference-value",
        "/kbs/v0/reference-value/",
        "/api/v1/policies/",
        "/api/v1/policies/a/versions",
        "/api/v1/policies/a/versions/",
        "/x",
    };
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        VD_AUTO_BUF allow = vd_buf_of(128);
        struct vd_req req;
        vd_code got = find(VD_GET, paths[i], &req, &allow);
        if (got != VD_E_BAD_PATH) {
            print_error("%s: %d\n", paths[i], (int)got);
            fail();
        }
        assert_null(req.route);
    }
}

static void wrong_methods_are_405_with_the_right_ones(void **state)
{
    (void)state;
    static const struct {
        enum vd_method m;
        const char *path;
        const char *allow;
    } rows[] = {
        { VD_GET, "/kbs/v0/auth", "POST" },
        { VD_HEAD, "/kbs/v0/auth", "POST" },
        { VD_HEAD, "/kbs/v0/resource/a/b/c", "GET, POST" },
        { VD_OPTIONS, "/kbs/v0/resource/a/b/c", "GET, POST" },
        { VD_POST, "/api/v1/policies/x", "GET, PUT, DELETE" },
        { VD_POST, "/", "GET" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        VD_AUTO_BUF allow = vd_buf_of(128);
        struct vd_req req;
        assert_int_equal(find(rows[i].m, rows[i].path, &req, &allow), VD_E_METHOD);
        assert_span_str(vd_buf_span(&allow), rows[i].allow);
        assert_null(req.route);
    }
}

static void bad_tables_are_refused(void **state)
{
    (void)state;
    vd_err err = { 0 };
    assert_ok(vd_router_check(&router, &err));
    static const struct vd_route bad[] = {
        ROUTE(VD_GET, "no-slash"),
        ROUTE(VD_GET, ""),
        ROUTE(VD_GET, "/a//b"),
        ROUTE(VD_GET, "/a/"),
        ROUTE(VD_GET, "/a/*/b"),
        ROUTE(VD_GET, "/a/x*"),
        ROUTE(VD_GET, "/a/{id"),
        ROUTE(VD_GET, "/a/{}"),
        ROUTE(VD_GET, "/a/x{id}"),
        ROUTE(VD_GET, "/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}"),
        ROUTE(VD_GET, NULL),
        ROUTE(VD_METHOD_MAX, "/a"),
        { VD_GET, "/a", VD_GUARD_MAX, VD_NO_BODY, VD_SHAPE_KBS, VD_WORK, nothing },
        { VD_GET, "/a", VD_OPEN, VD_NO_BODY, VD_SHAPE_MAX, VD_WORK, nothing },
        { VD_GET, "/a", VD_OPEN, VD_NO_BODY, VD_SHAPE_KBS, VD_LANE_MAX, nothing },
        { VD_GET, "/a", VD_OPEN, 4096, VD_SHAPE_KBS, VD_WORK, nothing },
        { VD_GET, "/a", VD_OPEN, VD_NO_BODY, VD_SHAPE_KBS, VD_WORK, NULL },
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        vd_err_clear(&err);
        const struct vd_router one = { .route = &bad[i], .n = 1 };
        assert_rc(VD_E_INTERNAL, vd_router_check(&one, &err));
    }
    static const struct vd_route twice[] = { ROUTE(VD_GET, "/a"), ROUTE(VD_POST, "/a"),
                                             ROUTE(VD_GET, "/a") };
    vd_err_clear(&err);
    assert_rc(VD_E_INTERNAL,
              vd_router_check(&(const struct vd_router){ .route = twice, .n = 3 }, &err));
}

static void acl_patterns_cover_what_they_say(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *path;
        bool match, overlap;
    } rows[] = {
        { "/kbs/v0/resource/{repo}/*", "/kbs/v0/resource/a/b/c", true, true },
        { "/kbs/v0/resource/{repo}/*", "/kbs/v0/resource/a", false, false },
        { "/kbs/v0/resource/{repo}/*", "/kbs/v0/resource/a/", false, false },
        { "/kbs/v0/resource/mine/*", "/kbs/v0/resource/mine/b/c", true, true },
        { "/kbs/v0/resource/mine/*", "/kbs/v0/resource/yours/b/c", false, false },
        { "/kbs/v0/resource/mine/*", "/kbs/v0/resource/mineX/b/c", false, false },
        { "/kbs/v0/resource/mine/*", "/kbs/v0/resource/{repo}/{type}/{tag}", false, true },
        { "/kbs/v0/resource/mine/x/{tag}", "/kbs/v0/resource/{repo}/{type}/{tag}", false, true },
        { "/kbs/v0/resource/{a}/{b}/{c}", "/kbs/v0/resource/{repo}/{type}/{tag}", true, true },
        { "/kbs/v0/resource/mine", "/kbs/v0/resource/{repo}/{type}/{tag}", false, false },
        { "/kbs/v0/reference-value/my/name", "/kbs/v0/reference-value/*", false, true },
        { "/kbs/v0/reference-value/*", "/kbs/v0/reference-value/*", true, true },
        { "/kbs/v0/reference-value/{x}", "/kbs/v0/reference-value/*", true, true },
        { "/*", "/anything/at/all", true, true },
        { "/*", "/", false, false },
        { "/a/{x}", "/a/b", true, true },
        { "/a/{x}", "/a/b/c", false, false },
        { "/a/{x}", "/a/", false, false },
        { "/a/b", "/a/b", true, true },
        { "/a/b", "/a/B", false, false },
        { "/a/*/c", "/a/b/c", false, false },
        { "a", "/a", false, false },
        { "", "/a", false, false },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (vd_pattern_match(rows[i].pattern, vd_span_str(rows[i].path)) != rows[i].match ||
            vd_pattern_overlaps(rows[i].pattern, rows[i].path) != rows[i].overlap) {
            print_error("%s against %s\n", rows[i].pattern, rows[i].path);
            fail();
        }
    }
}

static void query_members_are_decoded_once(void **state)
{
    (void)state;
    static const struct {
        const char *query, *name, *value; /* value NULL: refused */
        vd_code want;
    } rows[] = {
        { "name=abc", "name", "abc", VD_E_OK },
        { "x=1&name=abc&y=2", "name", "abc", VD_E_OK },
        { "name=a%2Fb%20c%25", "name", "a/b c%", VD_E_OK },
        { "name=%252e", "name", "%2e", VD_E_OK },
        { "name=a+b", "name", "a+b", VD_E_OK },
        { "name=", "name", "", VD_E_OK },
        { "name", "name", "", VD_E_OK },
        { "name=a=b", "name", "a=b", VD_E_OK },
        { "name=%c3%a4", "name", "\xc3\xa4", VD_E_OK },
        { "", "name", NULL, VD_E_NOT_FOUND },
        { "Name=abc", "name", NULL, VD_E_NOT_FOUND },
        { "names=abc", "name", NULL, VD_E_NOT_FOUND },
        { "name=a&name=b", "name", NULL, VD_E_SYNTAX },
        { "name=a&name=a", "name", NULL, VD_E_SYNTAX },
        { "name=%", "name", NULL, VD_E_SYNTAX },
        { "name=%2", "name", NULL, VD_E_SYNTAX },
        { "name=%zz", "name", NULL, VD_E_SYNTAX },
        { "name=%+1", "name", NULL, VD_E_SYNTAX },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct vd_req req = { .query = vd_span_str(rows[i].query) };
        VD_AUTO_BUF out = vd_buf_of(64);
        vd_err err = { 0 };
        assert_rc(rows[i].want, vd_req_query(&req, rows[i].name, &out, &err));
        if (rows[i].value)
            assert_span_str(vd_buf_span(&out), rows[i].value);
    }
}

static void bearer_is_taken_exactly(void **state)
{
    (void)state;
    static const struct {
        const char *value, *token;
    } rows[] = {
        { "Bearer abc", "abc" },
        { "Bearer a.b-c_d", "a.b-c_d" },
        { "bearer abc", "" },
        { "BEARER abc", "" },
        { "Bearer  abc", "" },
        { "Bearer abc def", "" },
        { "Bearer\tabc", "" },
        { "Bearer ", "" },
        { "Bearer", "" },
        { "Basic abc", "" },
        { "", "" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct vd_req req = { .authorization = vd_span_str(rows[i].value) };
        assert_span_str(vd_req_bearer(&req), rows[i].token);
    }
}

static void fields_are_found_without_regard_to_case(void **state)
{
    (void)state;
    const struct vd_field f[] = {
        { VD_LIT("If-Match"), VD_LIT("\"1\"") },
        { VD_LIT("if-match"), VD_LIT("\"2\"") },
        { VD_LIT("X"), VD_LIT("") },
    };
    struct vd_req req = { .field = f, .n_field = 3 };
    assert_span_str(vd_req_field(&req, "IF-MATCH"), "\"1\"");
    assert_int_equal(vd_req_field(&req, "x").n, 0);
    assert_int_equal(vd_req_field(&req, "If-Matc").n, 0);
    assert_int_equal(vd_req_field(&req, "If-Match2").n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(routes_are_found_with_their_parameters),
        cmocka_unit_test(unknown_paths_are_404),
        cmocka_unit_test(wrong_methods_are_405_with_the_right_ones),
        cmocka_unit_test(bad_tables_are_refused),
        cmocka_unit_test(acl_patterns_cover_what_they_say),
        cmocka_unit_test(query_members_are_decoded_once),
        cmocka_unit_test(bearer_is_taken_exactly),
        cmocka_unit_test(fields_are_found_without_regard_to_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
