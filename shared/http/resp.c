/* Responses: fields, and error bodies in the three shapes of SHAPES section 6. A failure replaces
 * whatever the handler had begun: body and fields of a half-made success never leave the server. */
#include "shared/http/http.h"

#include <strings.h>

#include "shared/codec/json.h"
#include "shared/http/plane_priv.h"

enum { ERROR_BODY_MAX = 2048, DETAIL_MAX = 1024 };

vd_rc vd_resp_field(struct vd_resp *resp, const char *name, vd_span value, vd_err *err)
{
    if (resp->n_field == VD_RESP_FIELDS)
        return vd_fail(err, VD_E_INTERNAL, "more than %d response fields", VD_RESP_FIELDS);
    for (size_t i = 0; i < value.n; i++)
        if (value.p[i] < 0x20 || value.p[i] == 0x7f)
            return vd_fail(err, VD_E_INTERNAL, "control character in the response field %s", name);
    char *copy = vd_strdup_span(value);
    if (!copy)
        return vd_fail(err, VD_E_NOMEM, "response field %s", name);
    resp->field[resp->n_field].name = name;
    resp->field[resp->n_field++].value = copy;
    return VD_OK;
}

static void drop_body(struct vd_resp *resp)
{
    if (resp->secret_body)
        vd_buf_wipe(&resp->body);
    else
        vd_buf_reset(&resp->body);
    resp->secret_body = false;
}

void vd_resp_done(struct vd_resp *resp)
{
    drop_body(resp);
    vd_buf_done(&resp->body);
    for (size_t i = 0; i < resp->n_field; i++)
        free(resp->field[i].value);
    *resp = (struct vd_resp){ .body = resp->body };
}

static bool has_field(const struct vd_resp *resp, const char *name)
{
    for (size_t i = 0; i < resp->n_field; i++)
        if (strcasecmp(resp->field[i].name, name) == 0)
            return true;
    return false;
}

/* What still makes sense beside an error; the rest (cookies, ETag, Location) is dropped. */
static void keep_error_fields(struct vd_resp *resp)
{
    static const char *const kept[] = { "Retry-After", "Allow", "WWW-Authenticate" };
    size_t n = 0;
    for (size_t i = 0; i < resp->n_field; i++) {
        bool keep = false;
        for (size_t k = 0; k < sizeof kept / sizeof kept[0]; k++)
            keep |= strcasecmp(resp->field[i].name, kept[k]) == 0;
        if (!keep)
            free(resp->field[i].value);
        else
            resp->field[n++] = resp->field[i];
    }
    resp->n_field = n;
}

static void add_field(struct vd_resp *resp, const char *name, const char *value)
{
    if (has_field(resp, name))
        return;
    vd_err ignored = { 0 }; /* an error answer without a helpful field is still an answer */
    (void)vd_resp_field(resp, name, vd_span_str(value), &ignored).code;
}

/* Value of a parameter of a public text, "" when it is none of the closed set. */
static const char *parameter(vd_span name, const struct vd_req *req, const vd_err *err)
{
    if (vd_span_eq_str(name, "client_version"))
        return err->client_version[0] ? err->client_version : "unknown";
    if (vd_span_eq_str(name, "own_version"))
        return VD_VERSION;
    if (vd_span_eq_str(name, "role"))
        return err->role[0] ? err->role : "unknown";
    if (vd_span_eq_str(name, "decision"))
        return err->decision;
    if (vd_span_eq_str(name, "endpoint"))
        return req && req->route ? req->route->pattern : "unknown";
    return "";
}

static void expand(const char *text, const struct vd_req *req, const vd_err *err, vd_buf *out)
{
    vd_span rest = vd_span_str(text);
    while (rest.n > 0) {
        size_t open = vd_span_find(rest, '{');
        vd_buf_add(out, vd_span_part(rest, 0, open));
        rest = vd_span_part(rest, open, rest.n);
        if (rest.n == 0)
            break;
        size_t close = vd_span_find(rest, '}');
        vd_buf_str(out, parameter(vd_span_part(rest, 1, close - 1), req, err));
        rest = vd_span_part(rest, close + 1, rest.n);
    }
}

enum vd_shape vd_req_shape(const struct vd_req *req)
{
    if (req && req->route)
        return req->route->shape;
    /* The head parser fails before there is a path: then the raw target decides, else the plane. */
    vd_span path = req ? (req->path.n ? req->path : req->target) : VD_SPAN_NONE;
    if (vd_span_starts(path, VD_LIT("/kbs")) || vd_span_starts(path, VD_LIT("//kbs")))
        return VD_SHAPE_KBS;
    if (vd_span_starts(path, VD_LIT("/api/v1")))
        return VD_SHAPE_NATIVE;
    return req && req->admin_plane ? VD_SHAPE_NATIVE : VD_SHAPE_KBS;
}

static void native_body(struct vd_resp *resp, const struct vd_req *req, const vd_err *err,
                        const struct vd_error_row *row, vd_span detail)
{
    vd_jw w = vd_jw_of(&resp->body);
    char type[96];
    (void)snprintf(type, sizeof type, "%s%s", VD_NATIVE_ERROR_PREFIX, row->slug);
    vd_jw_obj(&w);
    vd_jw_kstr(&w, "type", type);
    vd_jw_kstr(&w, "title", vd_status_text(row->http));
    vd_jw_ku64(&w, "status", (uint64_t)row->http);
    vd_jw_kspan(&w, "detail", detail);
    if (req)
        vd_jw_kstr(&w, "request_id", req->request_id);
    if (err->text_line) {
        vd_jw_ku64(&w, "line", err->text_line);
        vd_jw_ku64(&w, "column", err->text_column);
    }
    if (err->decision[0])
        vd_jw_kstr(&w, "decision", err->decision);
    vd_jw_end(&w);
}

static void kbs_body(struct vd_resp *resp, const struct vd_error_row *row, vd_span detail)
{
    vd_jw w = vd_jw_of(&resp->body);
    char type[128];
    (void)snprintf(type, sizeof type, "%s%s", VD_KBS_ERROR_PREFIX, row->kbs_name);
    vd_jw_obj(&w);
    vd_jw_kstr(&w, "type", type);
    vd_jw_kspan(&w, "detail", detail);
    vd_jw_end(&w);
}

static void error_fields(struct vd_resp *resp, enum vd_shape shape, const struct vd_req *req,
                         const vd_err *err, vd_code code)
{
    if (resp->status == 401 && shape == VD_SHAPE_NATIVE)
        add_field(resp, "WWW-Authenticate", "Bearer");
    if (resp->status == 503)
        add_field(resp, "Retry-After", code == VD_E_BUSY ? "1" : "5");
    if (resp->status == 429)
        add_field(resp, "Retry-After", "10");
    if (err->decision[0])
        add_field(resp, "Vidimus-Decision", err->decision);
    if (shape == VD_SHAPE_NATIVE && req)
        add_field(resp, "Vidimus-Request-Id", req->request_id);
}

void vd_resp_error(struct vd_resp *resp, const struct vd_req *req, const vd_err *err)
{
    /* A failure without a code is our bug; it must not look like a success. */
    const struct vd_error_row *row = vd_error_row(err->code == VD_E_OK ? VD_E_INTERNAL : err->code);
    enum vd_shape shape = vd_req_shape(req);
    drop_body(resp);
    keep_error_fields(resp);
    resp->status = shape == VD_SHAPE_KBS ? row->kbs_http : row->http;
    if (resp->body.max < ERROR_BODY_MAX)
        resp->body.max = ERROR_BODY_MAX;
    VD_AUTO_BUF detail = vd_buf_of(DETAIL_MAX);
    expand(row->text, req, err, &detail);
    switch (shape) {
    case VD_SHAPE_KBS:
        resp->content_type = "application/json";
        kbs_body(resp, row, vd_buf_span(&detail));
        break;
    case VD_SHAPE_NATIVE:
        resp->content_type = "application/problem+json";
        native_body(resp, req, err, row, vd_buf_span(&detail));
        break;
    case VD_SHAPE_TEXT:
    case VD_SHAPE_MAX:
        resp->content_type = "text/plain; charset=utf-8";
        vd_buf_add(&resp->body, vd_buf_span(&detail));
        break;
    }
    error_fields(resp, shape, req, err, row->code);
}

const char *vd_status_text(int status)
{
    static const struct {
        int status;
        const char *text;
    } rows[] = {
        { 200, "OK" },
        { 201, "Created" },
        { 202, "Accepted" },
        { 204, "No Content" },
        { 301, "Moved Permanently" },
        { 302, "Found" },
        { 303, "See Other" },
        { 304, "Not Modified" },
        { 307, "Temporary Redirect" },
        { 308, "Permanent Redirect" },
        { 400, "Bad Request" },
        { 401, "Unauthorized" },
        { 403, "Forbidden" },
        { 404, "Not Found" },
        { 405, "Method Not Allowed" },
        { 408, "Request Timeout" },
        { 409, "Conflict" },
        { 412, "Precondition Failed" },
        { 413, "Content Too Large" },
        { 415, "Unsupported Media Type" },
        { 422, "Unprocessable Content" },
        { 428, "Precondition Required" },
        { 429, "Too Many Requests" },
        { 431, "Request Header Fields Too Large" },
        { 500, "Internal Server Error" },
        { 501, "Not Implemented" },
        { 502, "Bad Gateway" },
        { 503, "Service Unavailable" },
        { 504, "Gateway Timeout" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].status == status)
            return rows[i].text;
    return "Status";
}

static void add_number(vd_buf *out, uint64_t v)
{
    uint8_t text[20];
    size_t at = sizeof text;
    do {
        text[--at] = (uint8_t)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    vd_buf_add(out, vd_span_of(text + at, sizeof text - at));
}

static void add_line(vd_buf *out, const char *name, const char *value)
{
    vd_buf_str(out, name);
    vd_buf_add(out, VD_LIT(": "));
    vd_buf_str(out, value);
    vd_buf_add(out, VD_LIT("\r\n"));
}

void vd_resp_head(const struct vd_resp *resp, const char *date, bool close, vd_buf *out)
{
    vd_buf_add(out, VD_LIT("HTTP/1.1 "));
    add_number(out, (uint64_t)resp->status);
    vd_buf_u8(out, ' ');
    vd_buf_str(out, vd_status_text(resp->status));
    vd_buf_add(out, VD_LIT("\r\nDate: "));
    vd_buf_str(out, date);
    vd_buf_add(out, VD_LIT("\r\n"));
    if (resp->content_type)
        add_line(out, "Content-Type", resp->content_type);
    for (size_t i = 0; i < resp->n_field; i++)
        add_line(out, resp->field[i].name, resp->field[i].value);
    if (!has_field(resp, "Cache-Control"))
        vd_buf_add(out, VD_LIT("Cache-Control: no-store\r\n"));
    if (resp->status != 204) { /* RFC 9110 8.6: must not be sent with 204 */
        vd_buf_add(out, VD_LIT("Content-Length: "));
        add_number(out, resp->body.n);
        vd_buf_add(out, VD_LIT("\r\n"));
    }
    if (close)
        vd_buf_add(out, VD_LIT("Connection: close\r\n"));
    vd_buf_add(out, VD_LIT("\r\n"));
}
