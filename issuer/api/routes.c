/* Who may call what, with bodies of which size. No handler checks who calls it, no row is a
 * default. */
#include "issuer/api/routes.h"

#include "issuer/api/handlers.h"
#include "shared/program/server.h"

#define KBS VD_SHAPE_KBS
#define TEXT VD_SHAPE_TEXT
#define NATIVE VD_SHAPE_NATIVE

/* clang-format off */
const struct vd_route iss_guest_routes[] = {
    { VD_POST, "/kbs/v0/auth",               VD_OPEN,    VD_BODY(auth_body),     KBS,  VD_INLINE, iss_kbs_auth },
    { VD_POST, "/kbs/v0/attest",             VD_SESSION, VD_BODY(attest_body),   KBS,  VD_WORK,   iss_kbs_attest },
    { VD_POST, "/kbs/v0/attestation-policy", VD_ADMIN,   VD_BODY(policy_body),   KBS,  VD_WORK,   iss_kbs_policy_set },
    { VD_POST, "/kbs/v0/reference-value",    VD_ADMIN,   VD_BODY(refvalue_body), KBS,  VD_WORK,   iss_kbs_refvalue_set },
    { VD_GET,  "/kbs/v0/reference-value/*",  VD_ADMIN,   VD_NO_BODY,             KBS,  VD_WORK,   iss_kbs_refvalue_get },
    { VD_POST, "/challenge",                 VD_OPEN,    VD_BODY(auth_body),     TEXT, VD_WORK,   iss_as_challenge },
    { VD_POST, "/attestation",               VD_OPEN,    VD_BODY(attest_body),   TEXT, VD_WORK,   iss_as_attestation },
    { VD_GET,  "/policy",                    VD_ADMIN,   VD_NO_BODY,             TEXT, VD_WORK,   iss_as_policy_list },
    { VD_POST, "/policy",                    VD_ADMIN,   VD_BODY(policy_body),   TEXT, VD_WORK,   iss_as_policy_set },
    { VD_GET,  "/policy/{id}",               VD_ADMIN,   VD_NO_BODY,             TEXT, VD_WORK,   iss_admin_policy_get },
    { VD_GET,  "/.well-known/jwks.json",     VD_OPEN,    VD_NO_BODY,             TEXT, VD_INLINE, iss_jwks_get },
    { VD_GET,  "/.well-known/vidimus-revocation", VD_OPEN, VD_NO_BODY,           TEXT, VD_INLINE, iss_revocation_get },
    { VD_GET,  "/healthz",                   VD_OPEN,    VD_NO_BODY,             TEXT, VD_INLINE, vd_healthz },
};
const size_t iss_guest_routes_n = sizeof iss_guest_routes / sizeof iss_guest_routes[0];

const struct vd_route iss_admin_routes[] = {
    { VD_GET,    "/api/v1/policies",                   VD_ADMIN, VD_NO_BODY,             NATIVE, VD_WORK, iss_admin_policy_list },
    { VD_GET,    "/api/v1/policies/{id}",              VD_ADMIN, VD_NO_BODY,             NATIVE, VD_WORK, iss_admin_policy_get },
    { VD_PUT,    "/api/v1/policies/{id}",              VD_ADMIN, VD_BODY(policy_body),   NATIVE, VD_WORK, iss_admin_policy_put },
    { VD_DELETE, "/api/v1/policies/{id}",              VD_ADMIN, VD_NO_BODY,             NATIVE, VD_WORK, iss_admin_policy_delete },
    { VD_GET,    "/api/v1/policies/{id}/versions",     VD_ADMIN, VD_NO_BODY,             NATIVE, VD_WORK, iss_admin_policy_history },
    { VD_GET,    "/api/v1/policies/{id}/versions/{n}", VD_ADMIN, VD_NO_BODY,             NATIVE, VD_WORK, iss_admin_policy_version },
    { VD_GET,    "/api/v1/reference-values",           VD_ADMIN, VD_NO_BODY,             NATIVE, VD_WORK, iss_admin_refvalue_get },
    { VD_PUT,    "/api/v1/reference-values",           VD_ADMIN, VD_BODY(refvalue_body), NATIVE, VD_WORK, iss_admin_refvalue_put },
    { VD_POST,   "/api/v1/reference-values",           VD_ADMIN, VD_BODY(refvalue_body), NATIVE, VD_WORK, iss_admin_refvalue_post },
    { VD_DELETE, "/api/v1/reference-values",           VD_ADMIN, VD_NO_BODY,             NATIVE, VD_WORK, iss_admin_refvalue_delete },
    { VD_GET,    "/api/v1/keys",                       VD_ADMIN, VD_NO_BODY,             NATIVE, VD_WORK, iss_admin_keys },
    { VD_POST,   "/api/v1/keys/rotate",                VD_ADMIN, VD_BODY(auth_body),     NATIVE, VD_WORK, iss_admin_keys_rotate },
    { VD_POST,   "/api/v1/keys/{kid}/revoke",          VD_ADMIN, VD_NO_BODY,             NATIVE, VD_WORK, iss_admin_keys_revoke },
    { VD_GET,    "/api/v1/revocation-keys",            VD_ADMIN, VD_NO_BODY,             NATIVE, VD_WORK, iss_admin_statement_keys },
    { VD_POST,   "/api/v1/revocation-keys/rotate",     VD_ADMIN, VD_BODY(auth_body),     NATIVE, VD_WORK, iss_admin_statement_keys_rotate },
    { VD_POST,   "/api/v1/revocation-keys/{kid}/revoke", VD_ADMIN, VD_NO_BODY,           NATIVE, VD_WORK, iss_admin_statement_keys_revoke },
    { VD_GET,    "/api/v1/revocations",                VD_ADMIN, VD_NO_BODY,             NATIVE, VD_WORK, iss_admin_revocations },
    { VD_POST,   "/api/v1/revocations",                VD_ADMIN, VD_BODY(auth_body),     NATIVE, VD_WORK, iss_admin_revocations_add },
    { VD_DELETE, "/api/v1/revocations/{type}/{value}", VD_ADMIN, VD_NO_BODY,             NATIVE, VD_WORK, iss_admin_revocations_remove },
    { VD_GET,    "/api/v1/collateral",                 VD_ADMIN, VD_NO_BODY,             NATIVE, VD_WORK, iss_admin_collateral },
    { VD_POST,   "/api/v1/collateral/fetch",           VD_ADMIN, VD_BODY(auth_body),     NATIVE, VD_WORK, iss_admin_collateral_fetch },
    { VD_POST,   "/api/v1/collateral/import",          VD_ADMIN, VD_BODY(refvalue_body), NATIVE, VD_WORK, iss_admin_collateral_import },
    { VD_GET,    "/api/v1/collateral/export",          VD_ADMIN, VD_NO_BODY,             NATIVE, VD_WORK, iss_admin_collateral_export },
};
const size_t iss_admin_routes_n = sizeof iss_admin_routes / sizeof iss_admin_routes[0];
/* clang-format on */

bool iss_route_on(const struct vd_server *s, const struct vd_route *route)
{
    static const char *const as[] = { "/challenge", "/attestation", "/policy", "/policy/{id}" };
    for (size_t i = 0; i < sizeof as / sizeof as[0]; i++)
        if (vd_span_eq_str(vd_span_str(route->pattern), as[i]))
            return vd_config_bool(s->config, "as.enabled");
    return true;
}
