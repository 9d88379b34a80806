/* Looks a request up in a constant route table, and the accessors of vd_req. Patterns are compared
 * segment by segment with the path as it came; the first row that fits wins. */
#include "shared/http/http.h"

#include "shared/http/head.h"

static const char *const method_names[] = {
    [VD_GET] = "GET",       [VD_POST] = "POST", [VD_PUT] = "PUT",
    [VD_DELETE] = "DELETE", [VD_HEAD] = "HEAD", [VD_OPTIONS] = "OPTIONS",
};
_Static_assert(sizeof method_names / sizeof method_names[0] == VD_METHOD_MAX,
               "every method has a name");

const char *vd_method_name(enum vd_method m)
{
    return m >= 0 && m < VD_METHOD_MAX ? method_names[m] : "?";
}

/* The text up to the next slash; *rest moves behind the slash. *ret_last: there was none. */
static vd_span next_segment(vd_span *rest, bool *ret_last)
{
    size_t slash = vd_span_find(*rest, '/');
    *ret_last = slash == rest->n;
    vd_span s = vd_span_part(*rest, 0, slash);
    *rest = vd_span_part(*rest, slash + 1, rest->n);
    return s;
}

static bool is_param(vd_span s)
{
    return s.n >= 3 && s.p[0] == '{' && s.p[s.n - 1] == '}';
}

static bool is_star(vd_span s)
{
    return s.n == 1 && s.p[0] == '*';
}

/* Segment-wise comparison. Parameters are stored when `param` is not NULL. With `loose`, a
 * parameter or star in `path` (which is then a pattern itself) fits any segment of `pattern`. */
static bool match(vd_span pattern, vd_span path, bool loose, vd_span *param, size_t *n_param)
{
    if (pattern.n == 0 || path.n == 0 || pattern.p[0] != '/' || path.p[0] != '/')
        return false;
    pattern = vd_span_part(pattern, 1, pattern.n);
    path = vd_span_part(path, 1, path.n);
    size_t n = 0;
    for (;;) {
        bool pattern_last, path_last;
        vd_span rest = path;
        vd_span want = next_segment(&pattern, &pattern_last);
        vd_span have = next_segment(&path, &path_last);
        bool star = is_star(want) && pattern_last;
        if (star || is_param(want)) {
            if (have.n == 0)
                return false;
            if (param && n < VD_ROUTE_PARAMS)
                param[n++] = star ? rest : have;
            if (star)
                break;
        } else if (loose && is_star(have) && path_last) {
            break;
        } else if (!vd_span_eq(want, have) && !(loose && is_param(have))) {
            return false;
        }
        if (loose && is_star(have) && path_last)
            break;
        if (pattern_last || path_last) {
            if (pattern_last != path_last)
                return false;
            break;
        }
    }
    if (n_param)
        *n_param = n;
    return true;
}

bool vd_pattern_match(const char *pattern, vd_span path)
{
    return match(vd_span_str(pattern), path, false, NULL, NULL);
}

bool vd_pattern_overlaps(const char *pattern, const char *route)
{
    return match(vd_span_str(pattern), vd_span_str(route), true, NULL, NULL);
}

static bool pattern_ok(const char *pattern)
{
    if (!pattern || pattern[0] != '/')
        return false;
    vd_span rest = vd_span_str(pattern + 1);
    if (rest.n == 0)
        return true; /* "/" itself */
    size_t params = 0;
    for (bool last = false; !last;) {
        vd_span s = next_segment(&rest, &last);
        bool star = is_star(s) && last;
        params += star || is_param(s);
        if (s.n == 0 || params > VD_ROUTE_PARAMS)
            return false;
        for (size_t i = 0; i < s.n && !star && !is_param(s); i++)
            if (s.p[i] == '{' || s.p[i] == '}' || s.p[i] == '*')
                return false;
    }
    return true;
}

vd_rc vd_router_check(const struct vd_router *r, vd_err *err)
{
    for (size_t i = 0; i < r->n; i++) {
        const struct vd_route *a = &r->route[i];
        if (a->method < 0 || a->method >= VD_METHOD_MAX || !pattern_ok(a->pattern))
            return vd_fail(err, VD_E_INTERNAL, "route %zu: bad method or pattern %s", i,
                           a->pattern ? a->pattern : "(none)");
        if (!a->handler || a->guard < 0 || a->guard >= VD_GUARD_MAX || a->shape < 0 ||
            a->shape >= VD_SHAPE_MAX || a->lane < 0 || a->lane >= VD_LANE_MAX ||
            (a->body != VD_NO_BODY && a->body - 1 > sizeof(struct vd_limits) - sizeof(uint64_t)))
            return vd_fail(err, VD_E_INTERNAL,
                           "route %zu (%s %s): a column is missing or out of range", i,
                           vd_method_name(a->method), a->pattern);
        for (size_t k = 0; k < i; k++)
            if (r->route[k].method == a->method &&
                vd_span_eq_str(vd_span_str(a->pattern), r->route[k].pattern))
                return vd_fail(err, VD_E_INTERNAL, "route %s %s stands twice",
                               vd_method_name(a->method), a->pattern);
    }
    return VD_OK;
}

static void add_allowed(vd_buf *allow, unsigned seen)
{
    for (int m = 0; m < VD_METHOD_MAX; m++) {
        if (!(seen & (1u << m)))
            continue;
        if (allow->n)
            vd_buf_str(allow, ", ");
        vd_buf_str(allow, method_names[m]);
    }
}

vd_rc vd_router_find(const struct vd_router *r, struct vd_req *req, vd_buf *ret_allow, vd_err *err)
{
    unsigned seen = 0;
    for (size_t i = 0; i < r->n; i++) {
        const struct vd_route *route = &r->route[i];
        vd_span param[VD_ROUTE_PARAMS];
        size_t n = 0;
        if (!match(vd_span_str(route->pattern), req->path, false, param, &n))
            continue;
        if (route->method == req->method) {
            req->route = route;
            req->n_param = n;
            for (size_t k = 0; k < n; k++)
                req->param[k] = param[k];
            return VD_OK;
        }
        seen |= 1u << route->method;
    }
    if (!seen)
        return vd_fail(err, VD_E_BAD_PATH, "no route");
    add_allowed(ret_allow, seen);
    return vd_fail(err, VD_E_METHOD, "%s is not routed here", vd_method_name(req->method));
}

vd_span vd_req_field(const struct vd_req *req, const char *name)
{
    char low[64];
    size_t n = 0;
    for (; name[n] && n < sizeof low - 1; n++)
        low[n] = name[n] >= 'A' && name[n] <= 'Z' ? (char)(name[n] | 0x20) : name[n];
    low[n] = 0;
    for (size_t i = 0; i < req->n_field; i++)
        if (req->field[i].name.n == n && vd_span_eq_nocase(req->field[i].name, low))
            return req->field[i].value;
    return VD_SPAN_NONE;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static vd_rc percent_decode(vd_span text, vd_buf *out, vd_err *err)
{
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] != '%') {
            vd_buf_u8(out, text.p[i]);
            continue;
        }
        int hi = i + 1 < text.n ? hex_digit(text.p[i + 1]) : -1;
        int lo = i + 2 < text.n ? hex_digit(text.p[i + 2]) : -1;
        if (hi < 0 || lo < 0)
            return vd_fail(err, VD_E_SYNTAX, "bad escape in the query");
        vd_buf_u8(out, (uint8_t)(hi << 4 | lo));
        i += 2;
    }
    return vd_buf_check(out, err);
}

vd_rc vd_req_query(const struct vd_req *req, const char *name, vd_buf *out, vd_err *err)
{
    vd_span rest = req->query, value = VD_SPAN_NONE;
    bool found = false;
    while (rest.n > 0) {
        size_t amp = vd_span_find(rest, '&');
        vd_span pair = vd_span_part(rest, 0, amp);
        rest = vd_span_part(rest, amp + 1, rest.n);
        size_t eq = vd_span_find(pair, '=');
        if (!vd_span_eq_str(vd_span_part(pair, 0, eq), name))
            continue;
        if (found) /* the first and the last are both wrong for somebody */
            return vd_fail(err, VD_E_SYNTAX, "query member %s stands twice", name);
        found = true;
        value = vd_span_part(pair, eq + 1, pair.n);
    }
    if (!found)
        return vd_fail(err, VD_E_NOT_FOUND, "no query member %s", name);
    return percent_decode(value, out, err);
}

vd_span vd_req_bearer(const struct vd_req *req)
{
    const vd_span scheme = VD_LIT("Bearer ");
    if (!vd_span_starts(req->authorization, scheme))
        return VD_SPAN_NONE;
    vd_span token = vd_span_part(req->authorization, scheme.n, req->authorization.n);
    return vd_span_graphic(token) ? token : VD_SPAN_NONE;
}
