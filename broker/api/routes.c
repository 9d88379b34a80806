/* The whole attack surface of the broker: guest plane, then admin plane. The first row that fits
 * wins. */
#include "broker/api/app.h"

/* clang-format off */
const struct vd_route brk_guest_routes[] = {
    /* method    pattern                                          who may      body limit             error shape      lane       handler */
    { VD_GET,    "/kbs/v0/resource/{repo}/{type}/{tag}",          VD_PASSPORT, VD_NO_BODY,            VD_SHAPE_KBS,    VD_WORK,   brk_resource_get },
    { VD_POST,   "/kbs/v0/resource/{repo}/{type}/{tag}",          VD_ADMIN,    VD_BODY(secret_body),  VD_SHAPE_KBS,    VD_WORK,   brk_resource_post },
    { VD_DELETE, "/kbs/v0/resource/{repo}/{type}/{tag}",          VD_ADMIN,    VD_NO_BODY,            VD_SHAPE_KBS,    VD_WORK,   brk_resource_delete },
    { VD_PUT,    "/kbs/v0/resource/{repo}/{type}/{tag}",          VD_OPEN,     VD_BODY(auth_body),    VD_SHAPE_KBS,    VD_INLINE, brk_resource_put },
    { VD_GET,    "/kbs/v0/resource/*",                            VD_OPEN,     VD_NO_BODY,            VD_SHAPE_KBS,    VD_INLINE, brk_resource_bad_path },
    { VD_POST,   "/kbs/v0/resource/*",                            VD_OPEN,     VD_BODY(auth_body),    VD_SHAPE_KBS,    VD_INLINE, brk_resource_bad_path },
    { VD_DELETE, "/kbs/v0/resource/*",                            VD_OPEN,     VD_NO_BODY,            VD_SHAPE_KBS,    VD_INLINE, brk_resource_bad_path },
    { VD_GET,    "/kbs/v0/resource",                              VD_OPEN,     VD_NO_BODY,            VD_SHAPE_KBS,    VD_INLINE, brk_resource_bad_path },
    { VD_GET,    "/kbs/v0/resource-policy",                       VD_ADMIN,    VD_NO_BODY,            VD_SHAPE_KBS,    VD_INLINE, brk_resource_policy_list },
    { VD_POST,   "/kbs/v0/resource-policy",                       VD_ADMIN,    VD_BODY(policy_body),  VD_SHAPE_KBS,    VD_WORK,   brk_resource_policy_set },
    { VD_POST,   "/kbs/v0/auth",                                  VD_OPEN,     VD_BODY(auth_body),    VD_SHAPE_KBS,    VD_RELAY,  brk_relay_auth },
    { VD_POST,   "/kbs/v0/attest",                                VD_SESSION,  VD_BODY(attest_body),  VD_SHAPE_KBS,    VD_RELAY,  brk_relay_attest },
    { VD_GET,    "/kbs/v0/*",                                     VD_OPEN,     VD_NO_BODY,            VD_SHAPE_KBS,    VD_INLINE, brk_no_plugin },
    { VD_POST,   "/kbs/v0/*",                                     VD_OPEN,     VD_BODY(auth_body),    VD_SHAPE_KBS,    VD_INLINE, brk_no_plugin },
    { VD_PUT,    "/kbs/v0/*",                                     VD_OPEN,     VD_BODY(auth_body),    VD_SHAPE_KBS,    VD_INLINE, brk_no_plugin },
    { VD_DELETE, "/kbs/v0/*",                                     VD_OPEN,     VD_NO_BODY,            VD_SHAPE_KBS,    VD_INLINE, brk_no_plugin },
    { VD_GET,    "/healthz",                                      VD_OPEN,     VD_NO_BODY,            VD_SHAPE_TEXT,   VD_INLINE, vd_healthz },
};
const size_t brk_guest_routes_n = sizeof brk_guest_routes / sizeof *brk_guest_routes;

const struct vd_route brk_admin_routes[] = {
    /* method    pattern                                          who may      body limit             error shape      lane       handler */
    { VD_GET,    "/api/v1/trusted-issuers",                       VD_ADMIN,    VD_NO_BODY,            VD_SHAPE_NATIVE, VD_WORK,   brk_issuers_list },
    { VD_GET,    "/api/v1/trusted-issuers/{name}",                VD_ADMIN,    VD_NO_BODY,            VD_SHAPE_NATIVE, VD_WORK,   brk_issuers_get },
    { VD_PUT,    "/api/v1/trusted-issuers/{name}",                VD_ADMIN,    VD_BODY(refvalue_body), VD_SHAPE_NATIVE, VD_WORK,   brk_issuers_put },
    { VD_DELETE, "/api/v1/trusted-issuers/{name}",                VD_ADMIN,    VD_NO_BODY,            VD_SHAPE_NATIVE, VD_WORK,   brk_issuers_delete },
    { VD_POST,   "/api/v1/trusted-issuers/{name}/reset",          VD_ADMIN,    VD_NO_BODY,            VD_SHAPE_NATIVE, VD_WORK,   brk_issuers_reset },
    { VD_GET,    "/api/v1/release-policies",                      VD_ADMIN,    VD_NO_BODY,            VD_SHAPE_NATIVE, VD_WORK,   brk_policies_list_route },
    { VD_GET,    "/api/v1/release-policies/{id}",                 VD_ADMIN,    VD_NO_BODY,            VD_SHAPE_NATIVE, VD_WORK,   brk_policies_get_route },
    { VD_GET,    "/api/v1/release-policies/{id}/versions",        VD_ADMIN,    VD_NO_BODY,            VD_SHAPE_NATIVE, VD_WORK,   brk_policies_history_route },
    { VD_GET,    "/api/v1/release-policies/{id}/versions/{n}",    VD_ADMIN,    VD_NO_BODY,            VD_SHAPE_NATIVE, VD_WORK,   brk_policies_version_route },
    { VD_PUT,    "/api/v1/release-policies/{id}",                 VD_ADMIN,    VD_BODY(policy_body),  VD_SHAPE_NATIVE, VD_WORK,   brk_policies_put_route },
    { VD_DELETE, "/api/v1/release-policies/{id}",                 VD_ADMIN,    VD_NO_BODY,            VD_SHAPE_NATIVE, VD_WORK,   brk_policies_delete_route },
    { VD_GET,    "/api/v1/secrets",                               VD_ADMIN,    VD_NO_BODY,            VD_SHAPE_NATIVE, VD_WORK,   brk_secrets_list },
    { VD_GET,    "/api/v1/secrets/{repo}/{type}/{tag}",           VD_ADMIN,    VD_NO_BODY,            VD_SHAPE_NATIVE, VD_WORK,   brk_secrets_get },
    { VD_GET,    "/api/v1/secrets/{repo}/{type}/{tag}/versions",  VD_ADMIN,    VD_NO_BODY,            VD_SHAPE_NATIVE, VD_WORK,   brk_secrets_history },
    { VD_PUT,    "/api/v1/secrets/{repo}/{type}/{tag}",           VD_ADMIN,    VD_BODY(secret_body),  VD_SHAPE_NATIVE, VD_WORK,   brk_secrets_put },
    { VD_DELETE, "/api/v1/secrets/{repo}/{type}/{tag}",           VD_ADMIN,    VD_NO_BODY,            VD_SHAPE_NATIVE, VD_WORK,   brk_secrets_delete },
};
const size_t brk_admin_routes_n = sizeof brk_admin_routes / sizeof *brk_admin_routes;
/* clang-format on */

vd_rc brk_guard_passport(void *ctx, struct vd_req *req, vd_err *err)
{
    (void)ctx;
    if (req->cookie.n == 0 && vd_req_bearer(req).n == 0)
        return vd_fail(err, VD_E_NO_PASSPORT, "neither a Bearer token nor a session cookie");
    return VD_OK;
}

vd_rc brk_guard_session(void *ctx, struct vd_req *req, vd_err *err)
{
    (void)ctx;
    if (req->cookie.n == 0)
        return vd_fail(err, VD_E_NO_SESSION, "no session cookie");
    return VD_OK;
}
