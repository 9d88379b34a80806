/* Administrators of the configuration ([admin], [[admin.identity]], [[admin.role]]) as vd_auth
 * wants them. */
#include <string.h>

#include "shared/program/server_priv.h"

vd_rc vd_program_auth(const struct vd_config *c, const struct vd_limits *limits,
                      const struct vd_tables *all, struct vd_auth **ret, vd_err *err)
{
    static const char identity[] = "admin.identity";
    static const char role[] = "admin.role";
    size_t n_id = vd_config_tables(c, identity);
    size_t n_role = vd_config_tables(c, role);
    VD_AUTO(free) struct vd_auth_identity *id = calloc(n_id + 1, sizeof *id);
    VD_AUTO(free) struct vd_auth_role *roles = calloc(n_role + 1, sizeof *roles);
    if (!id || !roles)
        return vd_fail(err, VD_E_NOMEM, "administrators");
    for (size_t i = 0; i < n_id; i++)
        id[i] = (struct vd_auth_identity){
            .name = vd_config_tstr(c, identity, i, "name"),
            .public_key_file = vd_config_tstr(c, identity, i, "public_key_file"),
            .jwks_file = vd_config_tstr(c, identity, i, "jwks_file"),
            .audience = vd_config_tstr(c, identity, i, "audience"),
            .issuer = vd_config_tstr(c, identity, i, "issuer"),
            .roles = vd_config_tstrs(c, identity, i, "roles", NULL),
            .default_role = vd_config_tstr(c, identity, i, "default_role"),
        };
    for (size_t i = 0; i < n_role; i++)
        roles[i] = (struct vd_auth_role){ vd_config_tstr(c, role, i, "name"),
                                          vd_config_tstrs(c, role, i, "allow", NULL) };
    const struct vd_auth_cfg cfg = {
        .mode = strcmp(vd_config_str(c, "admin.mode"), "deny") == 0 ? VD_AUTH_DENY
                                                                    : VD_AUTH_AUTHENTICATED,
        .max_token_life = vd_config_u64(c, "admin.max_token_life"),
        .leeway = limits->leeway,
        .identity = id,
        .n_identity = n_id,
        .role = roles,
        .n_role = n_role,
    };
    const struct vd_router *const routers[] = { &all->guest_router, &all->admin_router };
    return vd_auth_new(&cfg, routers, 2, ret, err);
}
