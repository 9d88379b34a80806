/* Error answers: every row of the table in every shape, parameters, and what a failure leaves
 * behind. */
#include "tests/support/support.h"

#include "shared/codec/json.h"
#include "shared/http/plane_priv.h"

static vd_rc nothing(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    (void)req;
    (void)resp;
    (void)err;
    return VD_OK;
}

static const struct vd_route kbs = { VD_GET,       "/kbs/v0/resource/{repo}/{type}/{tag}",
                                     VD_OPEN,      VD_NO_BODY,
                                     VD_SHAPE_KBS, VD_WORK,
                                     nothing };
static const struct vd_route native = { VD_GET,     "/api/v1/policies/{id}", VD_OPEN,
                                        VD_NO_BODY, VD_SHAPE_NATIVE,         VD_WORK,
                                        nothing };
static const struct vd_route text = { VD_POST,       "/attestation", VD_OPEN, VD_NO_BODY,
                                      VD_SHAPE_TEXT, VD_WORK,        nothing };

static void string_is(vd_jv object, const char *name, const char *want)
{
    if (!vd_jv_str_eq(vd_jv_get(object, name), want)) {
        vd_span raw = vd_jv_raw(vd_jv_get(object, name));
        print_error("%s is %.*s, wanted %s\n", name, (int)raw.n, (const char *)raw.p, want);
        fail();
    }
}

static struct vd_json *body_of(const struct vd_resp *resp)
{
    struct vd_json *j = NULL;
    vd_err err = { 0 };
    assert_true(resp->body.n <= 512);
    assert_ok(vd_json_parse(vd_buf_span(&resp->body), VD_JSON_LIMITS(4096), &j, &err));
    return j;
}

static void field_is(const struct vd_resp *resp, const char *name, const char *want)
{
    for (size_t i = 0; i < resp->n_field; i++)
        if (strcmp(resp->field[i].name, name) == 0) {
            assert_non_null(want);
            assert_string_equal(resp->field[i].value, want);
            return;
        }
    assert_null(want);
}

static void every_row_is_rendered_in_every_shape(void **state)
{
    (void)state;
    size_t n = 0;
    for (const struct vd_error_row *row; (row = vd_error_at(n)); n++) {
        vd_err err = { .code = row->code, .decision = "d-1" };
        (void)snprintf(err.msg, sizeof err.msg, "internal text that no client may see");
        char type[160];

        struct vd_req req = { .route = &kbs, .request_id = "0123456789abcdef" };
        struct vd_resp resp = { .status = 200 };
        vd_resp_error(&resp, &req, &err);
        assert_int_equal(resp.status, row->kbs_http);
        assert_string_equal(resp.content_type, "application/json");
        VD_AUTO(vd_json_free) struct vd_json *j = body_of(&resp);
        (void)snprintf(type, sizeof type, "%s%s", VD_KBS_ERROR_PREFIX, row->kbs_name);
        string_is(vd_json_root(j), "type", type);
        assert_int_equal(vd_jv_type(vd_jv_get(vd_json_root(j), "detail")), VD_JSON_STRING);
        assert_int_equal(vd_jv_count(vd_json_root(j)), 2);
        field_is(&resp, "Vidimus-Decision", "d-1");
        field_is(&resp, "Vidimus-Request-Id", NULL);
        vd_resp_done(&resp);

        req.route = &native;
        vd_resp_error(&resp, &req, &err);
        assert_int_equal(resp.status, row->http);
        assert_string_equal(resp.content_type, "application/problem+json");
        VD_AUTO(vd_json_free) struct vd_json *k = body_of(&resp);
        (void)snprintf(type, sizeof type, "urn:vidimus:error:%s", row->slug);
        string_is(vd_json_root(k), "type", type);
        string_is(vd_json_root(k), "request_id", "0123456789abcdef");
        string_is(vd_json_root(k), "decision", "d-1");
        uint64_t status = 0;
        assert_ok(vd_jv_u64(vd_jv_get(vd_json_root(k), "status"), 999, &status, &err));
        assert_int_equal(status, row->http);
        field_is(&resp, "WWW-Authenticate", row->http == 401 ? "Bearer" : NULL);
        field_is(&resp, "Vidimus-Request-Id", "0123456789abcdef");
        vd_resp_done(&resp);

        req.route = &text;
        vd_resp_error(&resp, &req, &err);
        assert_int_equal(resp.status, row->http);
        assert_string_equal(resp.content_type, "text/plain; charset=utf-8");
        assert_true(resp.body.n > 0);
        vd_resp_done(&resp);
    }
    print_message("error rows: %zu, each in 3 shapes\n", n);
}

static void detail_is(vd_err *err, const struct vd_req *req, const char *want)
{
    struct vd_resp resp = { .status = 200 };
    vd_resp_error(&resp, req, err);
    VD_AUTO(vd_json_free) struct vd_json *j = body_of(&resp);
    string_is(vd_json_root(j), "detail", want);
    vd_resp_done(&resp);
}

static void parameters_of_the_closed_set_are_filled_in(void **state)
{
    (void)state;
    struct vd_req req = { .route = &kbs };
    vd_err err = { .code = VD_E_KBS_VERSION, .client_version = "9.9.9" };
    detail_is(&err, &req,
              "Attestation error: RCAR handshake Auth failed: KBS Client Protocol Version "
              "Mismatch: expect =0.4.0 "
              "while the request is 9.9.9");
    err = (vd_err){ .code = VD_E_ADMIN_ROLE, .role = "auditor" };
    detail_is(&err, &req,
              "admin access denied for endpoint /kbs/v0/resource/{repo}/{type}/{tag}: Admin access "
              "denied: Role "
              "auditor not allowed");
    err = (vd_err){ .code = VD_E_ADMIN_MISSING };
    req = (struct vd_req){ .path = VD_LIT("/kbs/v0/x\"y") };
    detail_is(&err, &req,
              "admin access denied for endpoint unknown: Failed to parse HTTP Auth Bearer header");
}

static void a_failure_removes_what_the_handler_had_begun(void **state)
{
    (void)state;
    struct vd_req req = { .route = &native, .request_id = "0123456789abcdef" };
    struct vd_resp resp = { .status = 201, .body = vd_buf_of(1024), .secret_body = true };
    vd_err err = { 0 };
    vd_buf_str(&resp.body, "half a secret");
    assert_ok(vd_resp_field(&resp, "Set-Cookie", VD_LIT("kbs-session-id=x"), &err));
    assert_ok(vd_resp_field(&resp, "Retry-After", VD_LIT("77"), &err));
    assert_ok(vd_resp_field(&resp, "ETag", VD_LIT("\"1\""), &err));
    (void)vd_fail(&err, VD_E_BUSY, "full").code;
    vd_resp_error(&resp, &req, &err);
    assert_int_equal(resp.status, 503);
    field_is(&resp, "Set-Cookie", NULL);
    field_is(&resp, "ETag", NULL);
    field_is(&resp, "Retry-After", "77");
    VD_AUTO(vd_json_free) struct vd_json *j = body_of(&resp);
    assert_true(vd_jv_ok(vd_jv_get(vd_json_root(j), "type")));
    assert_false(resp.secret_body);
    vd_resp_done(&resp);
}

static void a_failure_without_a_code_is_an_internal_error(void **state)
{
    (void)state;
    struct vd_resp resp = { .status = 200 };
    vd_err err = { 0 };
    vd_resp_error(&resp, NULL, &err);
    assert_int_equal(resp.status, 500);
    vd_resp_done(&resp);
}

static void the_place_in_an_upload_is_told_on_the_native_api_only(void **state)
{
    (void)state;
    vd_err err = { .code = VD_E_POLICY_COMPILE, .text_line = 7, .text_column = 3 };
    struct vd_req req = { .route = &native, .request_id = "0123456789abcdef" };
    struct vd_resp resp = { .status = 200 };
    vd_resp_error(&resp, &req, &err);
    VD_AUTO(vd_json_free) struct vd_json *j = body_of(&resp);
    uint64_t v = 0;
    assert_ok(vd_jv_u64(vd_jv_get(vd_json_root(j), "line"), 100, &v, &err));
    assert_int_equal(v, 7);
    assert_ok(vd_jv_u64(vd_jv_get(vd_json_root(j), "column"), 100, &v, &err));
    assert_int_equal(v, 3);
    vd_resp_done(&resp);
}

static void the_shape_without_a_route_follows_the_path(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        bool admin;
        enum vd_shape want;
    } rows[] = {
        { "/kbs/v0/x", false, VD_SHAPE_KBS }, { "/kbs/v0/x", true, VD_SHAPE_KBS },
        { "//kbs/v0", false, VD_SHAPE_KBS },  { "/api/v1/x", true, VD_SHAPE_NATIVE },
        { "/x", false, VD_SHAPE_KBS },        { "/x", true, VD_SHAPE_NATIVE },
        { "kbs:80", false, VD_SHAPE_KBS },    { "", false, VD_SHAPE_KBS },
        { "", true, VD_SHAPE_NATIVE },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct vd_req req = { .target = vd_span_str(rows[i].path), .admin_plane = rows[i].admin };
        assert_int_equal(vd_req_shape(&req), rows[i].want);
    }
}

static void response_fields_cannot_be_split(void **state)
{
    (void)state;
    static const char *const bad[] = { "a\r\nX: y", "a\nb", "a\rb", "\x01", "a\x7f" };
    struct vd_resp resp = { .status = 200 };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        vd_err err = { 0 };
        assert_rc(VD_E_INTERNAL, vd_resp_field(&resp, "X", vd_span_str(bad[i]), &err));
    }
    vd_err err = { 0 };
    assert_rc(VD_E_INTERNAL, vd_resp_field(&resp, "X", VD_LIT("a\0b"), &err));
    for (int i = 0; i < VD_RESP_FIELDS; i++)
        assert_ok(vd_resp_field(&resp, "X", VD_LIT("ok"), &err));
    vd_err_clear(&err);
    assert_rc(VD_E_INTERNAL, vd_resp_field(&resp, "X", VD_LIT("ok"), &err));
    vd_resp_done(&resp);
}

static void the_head_is_what_http_asks_for(void **state)
{
    (void)state;
    struct vd_resp resp = { .status = 204, .body = vd_buf_of(16) };
    VD_AUTO_BUF out = vd_buf_of(4096);
    vd_resp_head(&resp, "Mon, 01 Jun 2026 00:00:00 GMT", true, &out);
    assert_span_str(vd_buf_span(&out),
                    "HTTP/1.1 204 No Content\r\nDate: Mon, 01 Jun 2026 00:00:00 GMT\r\n"
                    "Cache-Control: no-store\r\nConnection: close\r\n\r\n");
    vd_err err = { 0 };
    resp.status = 200;
    resp.content_type = "text/plain";
    vd_buf_str(&resp.body, "hello");
    assert_ok(vd_resp_field(&resp, "Cache-Control", VD_LIT("max-age=300"), &err));
    vd_buf_reset(&out);
    vd_resp_head(&resp, "D", false, &out);
    assert_span_str(vd_buf_span(&out), "HTTP/1.1 200 OK\r\nDate: D\r\nContent-Type: text/plain\r\n"
                                       "Cache-Control: max-age=300\r\nContent-Length: 5\r\n\r\n");
    vd_resp_done(&resp);
}

static void listen_addresses_are_split(void **state)
{
    (void)state;
    char host[64];
    uint16_t port = 0;
    vd_err err = { 0 };
    assert_ok(vd_listen_split("127.0.0.1:8080", host, &port, &err));
    assert_string_equal(host, "127.0.0.1");
    assert_int_equal(port, 8080);
    assert_ok(vd_listen_split("[::1]:0", host, &port, &err));
    assert_string_equal(host, "::1");
    static const char *const bad[] = { "",        ":",    ":80",      "a:", "a:b",
                                       "a:65536", "a:-1", "a:000080", "a" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        vd_err_clear(&err);
        assert_rc(VD_E_CONFIG, vd_listen_split(bad[i], host, &port, &err));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_rendered_in_every_shape),
        cmocka_unit_test(parameters_of_the_closed_set_are_filled_in),
        cmocka_unit_test(a_failure_removes_what_the_handler_had_begun),
        cmocka_unit_test(a_failure_without_a_code_is_an_internal_error),
        cmocka_unit_test(the_place_in_an_upload_is_told_on_the_native_api_only),
        cmocka_unit_test(the_shape_without_a_route_follows_the_path),
        cmocka_unit_test(response_fields_cannot_be_split),
        cmocka_unit_test(the_head_is_what_http_asks_for),
        cmocka_unit_test(listen_addresses_are_split),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
