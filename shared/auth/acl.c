/* Roles: lists of "METHOD PATTERN" compared with the method and the routed path (SHAPES section 8).
 * The request target, its query and any encoding of it are never looked at. */
#include <string.h>

#include "shared/auth/auth_priv.h"

static int method_of(vd_span word)
{
    if (vd_span_eq_str(word, "*"))
        return VD_ACL_ANY;
    for (int m = 0; m < VD_METHOD_MAX; m++)
        if (vd_span_eq_str(word, vd_method_name((enum vd_method)m)))
            return m;
    return VD_METHOD_MAX;
}

/* A segment is literal, {name}, or, last only, '*'; letters of a literal are those a routed path
 * can have. */
static bool pattern_ok(const char *pattern)
{
    if (pattern[0] != '/' || !pattern[1])
        return false;
    for (const char *s = pattern + 1;; s++) {
        size_t n = strcspn(s, "/");
        bool last = s[n] == 0;
        bool param = n >= 3 && s[0] == '{' && s[n - 1] == '}';
        bool star = n == 1 && s[0] == '*';
        if (n == 0 || (star && !last))
            return false;
        for (size_t i = param ? 1 : 0; i < (param ? n - 1 : n) && !star; i++)
            if (s[i] <= 0x20 || s[i] >= 0x7f || strchr("{}*%?#\\", s[i]))
                return false;
        if (last)
            return true;
        s += n;
    }
}

static bool has_route(const struct vd_acl_entry *e, const struct vd_router *const *routers,
                      size_t n_routers)
{
    for (size_t r = 0; r < n_routers; r++)
        for (size_t i = 0; i < routers[r]->n; i++) {
            const struct vd_route *route = &routers[r]->route[i];
            if ((e->method == VD_ACL_ANY || e->method == (int)route->method) &&
                vd_pattern_overlaps(e->pattern, route->pattern))
                return true;
        }
    return false;
}

static vd_rc compile_entry(const char *role, const char *text,
                           const struct vd_router *const *routers, size_t n_routers,
                           struct vd_acl_entry *ret, vd_err *err)
{
    size_t blank = strcspn(text, " ");
    int method = method_of(vd_span_of(text, blank));
    const char *pattern = text[blank] ? text + blank + 1 : "";
    if (method == VD_METHOD_MAX || !pattern_ok(pattern))
        return vd_fail(err, VD_E_CONFIG,
                       "admin.role %s: \"%.80s\" is no entry; write \"METHOD PATTERN\" such as "
                       "\"GET /api/v1/*\"",
                       role, text);
    *ret = (struct vd_acl_entry){ method, strdup(pattern) };
    if (!ret->pattern)
        return vd_fail(err, VD_E_NOMEM, "admin.role");
    if (!has_route(ret, routers, n_routers))
        return vd_fail(err, VD_E_CONFIG,
                       "admin.role %s: \"%.100s\" matches no route; correct or remove it", role,
                       text);
    return VD_OK;
}

static vd_rc compile_role(const struct vd_auth_role *in, const struct vd_router *const *routers,
                          size_t n_routers, struct vd_acl_role *ret, vd_err *err)
{
    size_t n = 0;
    while (in->allow && in->allow[n])
        n++;
    if (n == 0)
        return vd_fail(err, VD_E_CONFIG,
                       "admin.role %s: allow is empty; add an entry or remove the role", in->name);
    ret->name = strdup(in->name);
    ret->entry = calloc(n, sizeof *ret->entry);
    if (!ret->name || !ret->entry)
        return vd_fail(err, VD_E_NOMEM, "admin.role");
    for (ret->n = 0; ret->n < n; ret->n++) {
        vd_rc_ rc = compile_entry(in->name, in->allow[ret->n], routers, n_routers,
                                  &ret->entry[ret->n], err);
        if (rc.code != VD_E_OK) {
            ret->n++; /* its pattern may be allocated */
            return rc;
        }
    }
    return VD_OK;
}

vd_rc vd_acl_compile(const struct vd_auth_cfg *cfg, const struct vd_router *const *routers,
                     size_t n_routers, struct vd_auth *a, vd_err *err)
{
    a->role = calloc(cfg->n_role + 1, sizeof *a->role);
    if (!a->role)
        return vd_fail(err, VD_E_NOMEM, "admin.role");
    for (size_t i = 0; i < cfg->n_role; i++) {
        const char *name = cfg->role[i].name;
        if (!vd_auth_name_ok(name))
            return vd_fail(
                err, VD_E_CONFIG,
                "admin.role %zu: the name must have 1 to 64 letters, digits, '_', '.' or '-'",
                i + 1);
        if (vd_acl_role(a, name))
            return vd_fail(err, VD_E_CONFIG, "admin.role %s stands twice; join the two", name);
        a->n_role++;
        VD_TRY(compile_role(&cfg->role[i], routers, n_routers, &a->role[i], err));
    }
    return VD_OK;
}

void vd_acl_free(struct vd_acl_role *role, size_t n)
{
    for (size_t i = 0; role && i < n; i++) {
        for (size_t k = 0; role[i].entry && k < role[i].n; k++)
            free(role[i].entry[k].pattern);
        free(role[i].entry);
        free(role[i].name);
    }
    free(role);
}

const struct vd_acl_role *vd_acl_role(const struct vd_auth *a, const char *name)
{
    for (size_t i = 0; i < a->n_role; i++)
        if (vd_span_eq_str(vd_span_str(a->role[i].name), name))
            return &a->role[i];
    return NULL;
}

bool vd_acl_allows(const struct vd_acl_role *role, enum vd_method method, vd_span path)
{
    for (size_t i = 0; i < role->n; i++)
        if ((role->entry[i].method == VD_ACL_ANY || role->entry[i].method == (int)method) &&
            vd_pattern_match(role->entry[i].pattern, path))
            return true;
    return false;
}
