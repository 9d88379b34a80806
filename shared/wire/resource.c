/* Resource identities: exactly three segments of a small alphabet, no leading dot. */
#include "shared/wire/resource.h"

#include <stdio.h>

static bool segment_ok(vd_span s)
{
    if (s.n == 0 || s.n > VD_RESOURCE_SEGMENT_MAX || s.p[0] == '.')
        return false;
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];
        bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '_' || c == '-' || c == '.';
        if (!ok)
            return false;
    }
    return true;
}

static void put(char *to, vd_span s)
{
    if (s.n > 0)
        memcpy(to, s.p, s.n);
    to[s.n] = 0;
}

vd_rc vd_resource_id_of(vd_span repo, vd_span type, vd_span tag, struct vd_resource_id *ret,
                        vd_err *err)
{
    if (!segment_ok(repo) || !segment_ok(type) || !segment_ok(tag))
        return vd_fail(
            err, VD_E_RESOURCE_PATH,
            "a resource is repository/type/tag, each of letters, digits, - _ and . (not first)");
    put(ret->repo, repo);
    put(ret->type, type);
    put(ret->tag, tag);
    return VD_OK;
}

vd_rc vd_resource_id_parse(vd_span text, struct vd_resource_id *ret, vd_err *err)
{
    static const vd_span scheme = { (const uint8_t *)"kbs:///", 7 };
    if (vd_span_starts(text, scheme))
        text = vd_span_part(text, scheme.n, text.n);
    vd_span part[3] = { { 0 } };
    for (size_t i = 0; i < 3; i++) {
        size_t n = vd_span_find(text, '/');
        if (i == 2)
            n = text.n;
        part[i] = vd_span_part(text, 0, n);
        text = vd_span_part(text, n + 1, text.n);
    }
    return vd_resource_id_of(part[0], part[1], part[2], ret, err);
}

void vd_resource_id_name(const struct vd_resource_id *id, char ret[VD_RESOURCE_NAME])
{
    (void)snprintf(ret, VD_RESOURCE_NAME, "%s/%s/%s", id->repo, id->type, id->tag);
}
