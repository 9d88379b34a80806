/* Strict incremental parser of request heads; see head.h. The order of checks inside vd_head_scan
 * is by position of the first offending byte, so that one big read and many small ones agree. */
#include "shared/http/head.h"

static const char auth_name[] = "authorization:";

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

bool vd_span_eq_nocase(vd_span a, const char *want)
{
    for (size_t i = 0; i < a.n; i++)
        if (want[i] == 0 || lower(a.p[i]) != (uint8_t)want[i])
            return false;
    return want[a.n] == 0;
}

/* 0: the line is no Authorization line; 1: it is; 2: too short to tell. */
static int authorization_line(vd_span line)
{
    size_t n = sizeof auth_name - 1;
    for (size_t i = 0; i < n; i++) {
        if (i == line.n)
            return 2;
        if (lower(line.p[i]) != (uint8_t)auth_name[i])
            return 0;
    }
    return 1;
}

/* Sizes of the line that starts at s->line, complete or not: `line` holds what is there of it. */
static vd_rc check_sizes(struct vd_head_scan *s, vd_span line, const struct vd_head_limits *l,
                         int *ret_auth, vd_err *err)
{
    if (!s->started) {
        *ret_auth = 0;
        if (line.n > 0 && line.p[0] != '\r' && (line.p[0] < 'A' || line.p[0] > 'Z'))
            return vd_fail(err, VD_E_BAD_REQUEST, "request line does not start with a method");
        if (line.n > VD_HEAD_LINE_MAX)
            return vd_fail(err, VD_E_HEAD_TOO_LARGE, "request line above %d bytes",
                           VD_HEAD_LINE_MAX);
        return VD_OK;
    }
    *ret_auth = authorization_line(line);
    if (*ret_auth == 1) {
        if (s->authorization)
            return vd_fail(err, VD_E_BAD_REQUEST, "second Authorization");
        if (line.n > l->authorization + sizeof auth_name + 2)
            return vd_fail(err, VD_E_HEAD_TOO_LARGE, "Authorization above %zu bytes",
                           l->authorization);
    }
    if (*ret_auth == 0 && s->plain + line.n > l->bytes)
        return vd_fail(err, VD_E_HEAD_TOO_LARGE, "head above %zu bytes", l->bytes);
    return VD_OK;
}

/* A complete line, CRLF included. */
static vd_rc end_line(struct vd_head_scan *s, vd_span line, int auth,
                      const struct vd_head_limits *l, bool *ret_done, vd_err *err)
{
    if (line.n < 2 || line.p[line.n - 2] != '\r')
        return vd_fail(err, VD_E_BAD_REQUEST, "line ends with a bare LF");
    bool blank = line.n == 2;
    if (blank && s->started) {
        *ret_done = true;
        return VD_OK;
    }
    if (blank) { /* RFC 9112 2.2: one empty line before the request line is forgiven */
        if (s->line != 0)
            return vd_fail(err, VD_E_BAD_REQUEST, "empty lines before the request line");
        return VD_OK;
    }
    if (s->started && ++s->fields > l->fields)
        return vd_fail(err, VD_E_HEAD_TOO_LARGE, "more than %zu header fields", l->fields);
    if (auth == 1)
        s->authorization = true;
    else
        s->plain += (uint32_t)line.n;
    s->started = true;
    return VD_OK;
}

vd_rc vd_head_scan(struct vd_head_scan *s, vd_span in, const struct vd_head_limits *limits,
                   bool *ret_done, vd_err *err)
{
    *ret_done = false;
    while (!*ret_done) {
        vd_span fresh = vd_span_part(in, s->at, in.n);
        size_t lf = vd_span_find(fresh, '\n');
        bool whole = lf < fresh.n;
        size_t end = s->at + (whole ? lf + 1 : fresh.n);
        vd_span line = vd_span_part(in, s->line, end - s->line);
        int auth = 0;
        VD_TRY(check_sizes(s, line, limits, &auth, err));
        s->at = (uint32_t)end;
        if (!whole)
            return VD_OK;
        VD_TRY(end_line(s, line, auth, limits, ret_done, err));
        s->line = (uint32_t)end;
    }
    return VD_OK;
}

/* RFC 9110 5.6.2 */
static bool is_token_char(uint8_t c)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
        return true;
    switch (c) {
    case '!':
    case '#':
    case '$':
    case '%':
    case '&':
    case '\'':
    case '*':
    case '+':
    case '-':
    case '.':
    case '^':
    case '_':
    case '`':
    case '|':
    case '~':
        return true;
    default:
        return false;
    }
}

/* No control characters except a tab. Eight at a time: a passport in Authorization is long. */
static bool is_field_text(vd_span v)
{
    const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
    size_t i = 0;
    for (; v.n - i >= 8; i += 8) {
        uint64_t w;
        memcpy(&w, v.p + i, 8);
        uint64_t del = w ^ (ones * 0x7f);
        uint64_t below = (w - ones * 0x20) & ~w & tops;
        uint64_t is_del = (del - ones) & ~del & tops;
        if (below | is_del)
            break; /* perhaps only a tab: look at each */
    }
    for (; i < v.n; i++)
        if ((v.p[i] < 0x20 && v.p[i] != '\t') || v.p[i] == 0x7f)
            return false;
    return true;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

static vd_span trim(vd_span v)
{
    while (v.n > 0 && is_blank(v.p[0])) {
        v.p++;
        v.n--;
    }
    while (v.n > 0 && is_blank(v.p[v.n - 1]))
        v.n--;
    return v;
}

/* The line up to its CRLF, which is taken too. A CR inside is left in and refused with the
 * controls. */
static vd_span take_line(vd_rd *r)
{
    vd_span rest = vd_span_part(r->in, r->at, r->in.n);
    size_t lf = vd_span_find(rest, '\n');
    if (lf == 0 || lf == rest.n || rest.p[lf - 1] != '\r') {
        r->bad = true;
        return VD_SPAN_NONE;
    }
    vd_span line = vd_rd_take(r, lf - 1);
    vd_rd_skip(r, 2);
    return line;
}

static vd_rc parse_request_line(vd_span line, struct vd_head *h, vd_err *err)
{
    size_t sp = vd_span_find(line, ' ');
    vd_span method = vd_span_part(line, 0, sp);
    vd_span rest = vd_span_part(line, sp + 1, line.n);
    h->method = VD_METHOD_MAX;
    for (int m = 0; m < VD_METHOD_MAX; m++)
        if (vd_span_eq_str(method, vd_method_name((enum vd_method)m)))
            h->method = (enum vd_method)m;
    if (h->method == VD_METHOD_MAX)
        return vd_fail(err, VD_E_BAD_REQUEST, "unknown method");
    sp = vd_span_find(rest, ' ');
    h->target = vd_span_part(rest, 0, sp);
    vd_span version = vd_span_part(rest, sp + 1, rest.n);
    if (h->target.n == 0)
        return vd_fail(err, VD_E_BAD_REQUEST, "no request target");
    h->http10 = vd_span_eq(version, VD_LIT("HTTP/1.0"));
    if (!h->http10 && !vd_span_eq(version, VD_LIT("HTTP/1.1")))
        return vd_fail(err, VD_E_BAD_REQUEST, "not HTTP/1.1 or HTTP/1.0");
    return VD_OK;
}

static vd_rc parse_field_line(vd_span line, struct vd_field *f, vd_err *err)
{
    if (line.n > 0 && is_blank(line.p[0]))
        return vd_fail(err, VD_E_BAD_REQUEST, "folded header line");
    size_t colon = vd_span_find(line, ':');
    if (colon == line.n)
        return vd_fail(err, VD_E_BAD_REQUEST, "header line without a colon");
    f->name = vd_span_part(line, 0, colon);
    f->value = trim(vd_span_part(line, colon + 1, line.n));
    return VD_OK;
}

/* uri-host [":" port] of RFC 9110 7.2, without percent-encoding; never empty. */
static bool is_host(vd_span v)
{
    size_t i = 0;
    if (v.n > 0 && v.p[0] == '[') {
        for (i = 1; i < v.n && v.p[i] != ']'; i++) {
            uint8_t c = lower(v.p[i]);
            if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f') && c != ':' && c != '.')
                return false;
        }
        if (i < 3 || i == v.n)
            return false;
        i++;
    } else {
        for (; i < v.n && v.p[i] != ':'; i++) {
            uint8_t c = lower(v.p[i]);
            if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'z') && c != '.' && c != '-' &&
                c != '_')
                return false;
        }
        if (i == 0)
            return false;
    }
    if (i == v.n)
        return true;
    vd_span port = vd_span_part(v, i + 1, v.n);
    unsigned value = 0;
    for (size_t k = 0; k < port.n && k < 6; k++) {
        if (port.p[k] < '0' || port.p[k] > '9')
            return false;
        value = value * 10 + (unsigned)(port.p[k] - '0');
    }
    return v.p[i] == ':' && port.n > 0 && port.n < 6 && value <= 65535;
}

static vd_rc take_length(struct vd_head *h, vd_span v, vd_err *err)
{
    if (h->has_length)
        return vd_fail(err, VD_E_BAD_REQUEST, "second Content-Length");
    uint64_t n = 0;
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] < '0' || v.p[i] > '9')
            return vd_fail(err, VD_E_BAD_REQUEST, "Content-Length is not digits only");
        if (n > (INT64_MAX - 9) / 10)
            return vd_fail(err, VD_E_BAD_REQUEST, "Content-Length is out of range");
        n = n * 10 + (uint64_t)(v.p[i] - '0');
    }
    if (v.n == 0)
        return vd_fail(err, VD_E_BAD_REQUEST, "empty Content-Length");
    h->has_length = true;
    h->length = n;
    return VD_OK;
}

/* The next member of a comma list, trimmed; *rest moves behind it. */
static vd_span next_item(vd_span *rest)
{
    size_t comma = vd_span_find(*rest, ',');
    vd_span item = trim(vd_span_part(*rest, 0, comma));
    *rest = vd_span_part(*rest, comma + 1, rest->n);
    return item;
}

static vd_rc take_connection(vd_span v, bool *close, bool *keep, vd_err *err)
{
    for (vd_span rest = v; rest.n > 0;) {
        vd_span item = next_item(&rest);
        if (vd_span_eq_nocase(item, "close"))
            *close = true;
        else if (vd_span_eq_nocase(item, "keep-alive"))
            *keep = true;
        else if (vd_span_eq_nocase(item, "upgrade") || vd_span_eq_nocase(item, "http2-settings"))
            return vd_fail(err, VD_E_BAD_REQUEST, "upgrades are not offered");
    }
    return VD_OK;
}

/* The first kbs-session-id of a Cookie field (RFC 6265 4.2.1). */
static vd_span session_cookie(vd_span v)
{
    static const char name[] = "kbs-session-id=";
    while (v.n > 0) {
        size_t semi = vd_span_find(v, ';');
        vd_span pair = trim(vd_span_part(v, 0, semi));
        v = vd_span_part(v, semi + 1, v.n);
        if (vd_span_starts(pair, VD_LIT("kbs-session-id=")))
            return vd_span_part(pair, sizeof name - 1, pair.n);
    }
    return VD_SPAN_NONE;
}

struct seen {
    bool host, authorization, expect, close, keep;
};

static vd_rc take_field(struct vd_head *h, const struct vd_field *f, struct seen *seen, vd_err *err)
{
    vd_span n = f->name, v = f->value;
    switch (n.n) { /* by length first: most fields are none of ours */
    case 4:
        if (!vd_span_eq_nocase(n, "host"))
            return VD_OK;
        if (seen->host || !is_host(v))
            return vd_fail(err, VD_E_BAD_REQUEST, "%s Host", seen->host ? "second" : "bad");
        seen->host = true;
        return VD_OK;
    case 6:
        if (vd_span_eq_nocase(n, "cookie") && !h->cookie.p)
            h->cookie = session_cookie(v);
        if (!vd_span_eq_nocase(n, "expect"))
            return VD_OK;
        if (seen->expect || !vd_span_eq_nocase(v, "100-continue"))
            return vd_fail(err, VD_E_BAD_REQUEST, "Expect is not 100-continue");
        seen->expect = true;
        return VD_OK;
    case 7:
        if (vd_span_eq_nocase(n, "upgrade"))
            return vd_fail(err, VD_E_BAD_REQUEST, "upgrades are not offered");
        return VD_OK;
    case 10:
        if (vd_span_eq_nocase(n, "connection"))
            return take_connection(v, &seen->close, &seen->keep, err);
        return VD_OK;
    case 13:
        if (!vd_span_eq_nocase(n, "authorization"))
            return VD_OK;
        if (seen->authorization)
            return vd_fail(err, VD_E_BAD_REQUEST, "second Authorization");
        seen->authorization = true;
        h->authorization = v;
        return VD_OK;
    case 14:
        return vd_span_eq_nocase(n, "content-length") ? take_length(h, v, err) : VD_OK;
    case 17:
        if (vd_span_eq_nocase(n, "transfer-encoding"))
            return vd_fail(err, VD_E_BAD_REQUEST, "Transfer-Encoding is not accepted");
        return VD_OK;
    default:
        return VD_OK;
    }
}

vd_rc vd_head_fields(struct vd_head *h, vd_err *err)
{
    struct seen seen = { 0 };
    for (size_t i = 0; i < h->n_field; i++) {
        const struct vd_field *f = &h->field[i];
        bool token = f->name.n > 0;
        for (size_t k = 0; k < f->name.n && token; k++)
            token = is_token_char(f->name.p[k]);
        if (!token)
            return vd_fail(err, VD_E_BAD_REQUEST, "header name is not a token");
        if (!is_field_text(f->value))
            return vd_fail(err, VD_E_BAD_REQUEST, "control character in a header value");
        VD_TRY(take_field(h, f, &seen, err));
    }
    if (!seen.host && !h->http10)
        return vd_fail(err, VD_E_BAD_REQUEST, "no Host");
    bool bodyless = h->method == VD_GET || h->method == VD_HEAD || h->method == VD_OPTIONS;
    if (bodyless && h->length > 0)
        return vd_fail(err, VD_E_BAD_REQUEST, "a body on %s", vd_method_name(h->method));
    h->expect_continue = seen.expect && !h->http10; /* RFC 9110 10.1.1: ignored on 1.0 */
    h->keep_alive = !seen.close && (!h->http10 || seen.keep);
    return VD_OK;
}

vd_rc vd_head_parse(vd_span head, struct vd_field *field, size_t cap, struct vd_head *ret,
                    vd_err *err)
{
    struct vd_head h = { .field = field };
    vd_rd r = vd_rd_of(head);
    vd_span line = take_line(&r);
    if (!r.bad && line.n == 0) /* the one empty line that vd_head_scan forgives */
        line = take_line(&r);
    if (r.bad)
        return vd_fail(err, VD_E_BAD_REQUEST, "no request line");
    VD_TRY(parse_request_line(line, &h, err));
    for (;;) {
        line = take_line(&r);
        if (r.bad)
            return vd_fail(err, VD_E_BAD_REQUEST, "header line does not end with CRLF");
        if (line.n == 0)
            break;
        if (h.n_field == cap)
            return vd_fail(err, VD_E_HEAD_TOO_LARGE, "more than %zu header fields", cap);
        VD_TRY(parse_field_line(line, &field[h.n_field++], err));
    }
    if (!vd_rd_end(&r))
        return vd_fail(err, VD_E_BAD_REQUEST, "bytes behind the head");
    VD_TRY(vd_head_fields(&h, err));
    *ret = h;
    return VD_OK;
}
