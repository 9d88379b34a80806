/* Request targets: compared as they came, refused when two readers could see two paths in one text
 * (escapes, backslashes, empty and dot segments). Exactly two rewrites, for real clients that send
 * a doubled slash: SHAPES section 1, spec of the clients 1.2 and 6. */
#include "shared/http/http.h"

enum { QUERY_MAX = 2048 };

/* Characters of a path: pchar and "/" of RFC 3986 without the percent sign. */
static bool is_path_char(uint8_t c)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
        return true;
    switch (c) {
    case '/':
    case '-':
    case '.':
    case '_':
    case '~':
    case '!':
    case '$':
    case '&':
    case '\'':
    case '(':
    case ')':
    case '*':
    case '+':
    case ',':
    case ';':
    case '=':
    case ':':
    case '@':
        return true;
    default:
        return false;
    }
}

/* ".", "..", and the same with parameters behind a semicolon, which some proxies resolve. */
static bool is_dot_segment(vd_span s)
{
    vd_span name = vd_span_part(s, 0, vd_span_find(s, ';'));
    return vd_span_eq(name, VD_LIT(".")) || vd_span_eq(name, VD_LIT(".."));
}

static vd_rc check_path(vd_span path, vd_err *err)
{
    size_t start = 1;
    for (size_t i = 1; i <= path.n; i++) {
        if (i < path.n && path.p[i] != '/') {
            if (!is_path_char(path.p[i]))
                return vd_fail(err, VD_E_BAD_TARGET, "byte %u in the path", (unsigned)path.p[i]);
            continue;
        }
        vd_span segment = vd_span_part(path, start, i - start);
        if (segment.n == 0 && i < path.n)
            return vd_fail(err, VD_E_BAD_TARGET, "empty segment in the path");
        if (is_dot_segment(segment))
            return vd_fail(err, VD_E_BAD_TARGET, "dot segment in the path");
        start = i + 1;
    }
    return VD_OK;
}

/* Copies path without the byte at `at`. */
static vd_span without(vd_span path, size_t at, uint8_t *out)
{
    memmove(out, path.p, at);
    memmove(out + at, path.p + at + 1, path.n - at - 1);
    return vd_span_of(out, path.n - 1);
}

vd_rc vd_target_parse(vd_span target, uint8_t *rewritten, struct vd_req *req, vd_err *err)
{
    if (target.n == 0 || target.p[0] != '/')
        return vd_fail(err, VD_E_BAD_TARGET, "not in origin form");
    for (size_t i = 0; i < target.n; i++)
        if (target.p[i] <= 0x20 || target.p[i] >= 0x7f || target.p[i] == '#')
            return vd_fail(err, VD_E_BAD_TARGET, "byte %u in the target", (unsigned)target.p[i]);
    size_t mark = vd_span_find(target, '?');
    vd_span path = vd_span_part(target, 0, mark);
    vd_span query = vd_span_part(target, mark + 1, target.n);
    if (query.n > QUERY_MAX)
        return vd_fail(err, VD_E_BAD_TARGET, "query above %d bytes", QUERY_MAX);

    if (vd_span_starts(path, VD_LIT("//kbs/v0/")))
        path = without(path, 0, rewritten);
    const vd_span resource = VD_LIT("/kbs/v0/resource//");
    if (vd_span_starts(path, resource))
        path = without(path, resource.n - 1, rewritten);
    VD_TRY(check_path(path, err));
    req->target = target;
    req->path = path;
    req->query = query;
    return VD_OK;
}
