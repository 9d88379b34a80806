/* The ADMIN guard: who signed this token, is it one of ours and in time, may its role call this
 * route. The key picks the identity and the algorithm; nothing of the token is read as true before
 * its signature has verified (RFC 7515, RFC 7519, RFC 8725). */
#include <string.h>

#include "shared/auth/auth_priv.h"

struct claims {
    int64_t iat;
    int64_t exp;
    char *role; /* NULL: none */
};

/* NumericDate as a whole number; a fraction or a sign is no time of ours. */
static vd_rc read_time(vd_jv payload, const char *name, bool required, int64_t *ret, vd_err *err)
{
    vd_jv v = vd_jv_get(payload, name);
    uint64_t n = 0;
    vd_err none = { 0 };
    if (!vd_jv_ok(v) && !required)
        return VD_OK;
    if (vd_jv_u64(v, INT64_MAX / 2, &n, &none).code != VD_E_OK)
        return vd_fail(err, VD_E_ADMIN_TOKEN, "%s is missing or no whole number", name);
    *ret = (int64_t)n;
    return VD_OK;
}

static vd_rc check_times(const struct vd_auth *a, vd_jv payload, int64_t now, struct claims *c,
                         vd_err *err)
{
    int64_t leeway = (int64_t)a->leeway;
    int64_t nbf = 0;
    VD_TRY(read_time(payload, "exp", true, &c->exp, err));
    VD_TRY(read_time(payload, "iat", true, &c->iat, err));
    VD_TRY(read_time(payload, "nbf", false, &nbf, err));
    if (c->exp <= c->iat || (uint64_t)(c->exp - c->iat) > a->max_token_life)
        return vd_fail(err, VD_E_ADMIN_TOKEN,
                       "exp - iat is %lld s; allowed are 1 to %llu (admin.max_token_life)",
                       (long long)(c->exp - c->iat), (unsigned long long)a->max_token_life);
    if (now >= c->exp + leeway)
        return vd_fail(err, VD_E_ADMIN_TOKEN, "expired %lld s ago", (long long)(now - c->exp));
    if (c->iat > now + leeway || nbf > now + leeway)
        return vd_fail(err, VD_E_ADMIN_TOKEN, "made in the future; compare the clocks");
    return VD_OK;
}

static bool audience_has(vd_jv aud, const char *want)
{
    if (vd_jv_is(aud, VD_JSON_STRING))
        return vd_jv_str_eq(aud, want);
    vd_jv_iter it = vd_jv_iter_of(aud);
    bool found = false;
    while (vd_jv_is(aud, VD_JSON_ARRAY) && vd_jv_next(&it))
        found = found || vd_jv_str_eq(it.value, want);
    return found;
}

static vd_rc check_names(const struct vd_auth_who *who, vd_jv payload, vd_err *err)
{
    vd_jv aud = vd_jv_get(payload, "aud");
    if (!vd_jv_ok(aud)) {
        if (!who->default_role)
            return vd_fail(err, VD_E_ADMIN_TOKEN, "aud is missing");
    } else if (!who->audience || !audience_has(aud, who->audience)) {
        return vd_fail(err, VD_E_ADMIN_TOKEN, "aud is not this server's audience");
    }
    if (who->issuer && !vd_jv_str_eq(vd_jv_get(payload, "iss"), who->issuer))
        return vd_fail(err, VD_E_ADMIN_TOKEN, "iss is not the identity's issuer");
    return VD_OK;
}

static vd_rc check_claims(const struct vd_auth *a, const struct vd_auth_who *who, vd_span text,
                          int64_t now, struct claims *c, vd_err *err)
{
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    vd_err none = { 0 };
    if (vd_json_parse(text, VD_JSON_LIMITS(VD_AUTH_TOKEN_MAX), &doc, &none).code != VD_E_OK ||
        !vd_jv_is(vd_json_root(doc), VD_JSON_OBJECT))
        return vd_fail(err, VD_E_ADMIN_TOKEN, "payload is no JSON object");
    vd_jv payload = vd_json_root(doc);
    if (vd_jv_ok(vd_jv_get(payload, "submods")))
        return vd_fail(err, VD_E_ADMIN_TOKEN, "it is a passport, not an administrator's token");
    VD_TRY(check_times(a, payload, now, c, err));
    VD_TRY(check_names(who, payload, err));
    vd_jv role = vd_jv_get(payload, "role");
    if (!vd_jv_ok(role))
        return VD_OK;
    if (vd_jv_strdup(role, &c->role, &none).code != VD_E_OK || !vd_auth_name_ok(c->role))
        return vd_fail(err, VD_E_ADMIN_TOKEN, "role is no name");
    return VD_OK;
}

/* A JWKS identity picks by kid, and only a set of one key serves tokens without; a PEM file is one
 * key, whatever the token says. */
static bool key_in_question(const struct vd_auth_who *who, const struct vd_auth_key *key,
                            const struct vd_jws *jws)
{
    if (!who->jwks)
        return true;
    if (!vd_jv_ok(jws->kid))
        return who->n_key == 1;
    return key->kid && vd_jv_str_eq(jws->kid, key->kid);
}

static const struct vd_auth_who *signer(const struct vd_auth *a, const struct vd_jws *jws)
{
    for (size_t i = 0; i < a->n_who; i++)
        for (size_t k = 0; k < a->who[i].n_key; k++) {
            const struct vd_auth_key *key = &a->who[i].key[k];
            vd_err none = { 0 };
            if (key_in_question(&a->who[i], key, jws) &&
                vd_jv_str_eq(jws->alg, vd_jws_alg_name(key->alg)) &&
                vd_jws_verify(jws, key->key, key->alg, &none).code == VD_E_OK)
                return &a->who[i];
        }
    return NULL;
}

static vd_rc check_role(const struct vd_auth *a, const struct vd_auth_who *who, const char *claimed,
                        struct vd_req *req, vd_err *err)
{
    const char *role = claimed ? claimed : who->default_role;
    if (!role)
        return vd_fail(err, VD_E_ADMIN_NO_ROLE,
                       "identity %s: the token has no role, and there is no default_role",
                       who->name);
    if (err)
        (void)snprintf(err->role, sizeof err->role, "%s", role);
    bool listed = false;
    for (char *const *r = who->roles; *r; r++)
        listed = listed || strcmp(*r, role) == 0;
    if (!listed)
        return vd_fail(err, VD_E_ADMIN_ROLE, "identity %s may not take role %s", who->name, role);
    const struct vd_acl_role *acl = vd_acl_role(a, role);
    if (!acl || !vd_acl_allows(acl, req->method, req->path))
        return vd_fail(err, VD_E_ADMIN_ROLE, "identity %s, role %s: no entry allows %s %s",
                       who->name, role, vd_method_name(req->method),
                       req->route ? req->route->pattern : "this path");
    if (err)
        err->role[0] = 0;
    (void)snprintf(req->admin.identity, sizeof req->admin.identity, "%s", who->name);
    (void)snprintf(req->admin.role, sizeof req->admin.role, "%s", role);
    return VD_OK;
}

vd_rc vd_auth_guard(void *ctx, struct vd_req *req, vd_err *err)
{
    const struct vd_auth *a = ctx;
    req->admin = (struct vd_principal){ 0 };
    if (a->mode == VD_AUTH_DENY)
        return vd_fail(err, VD_E_ADMIN_DENY_ALL, "admin.mode is deny");
    vd_span token = vd_req_bearer(req);
    if (token.n == 0)
        return vd_fail(err, VD_E_ADMIN_MISSING, "no Bearer token");
    VD_AUTO(vd_jws_free) struct vd_jws *jws = NULL;
    vd_err none = { 0 };
    if (vd_jws_parse(token, VD_AUTH_TOKEN_MAX, &jws, &none).code != VD_E_OK)
        return vd_fail(err, VD_E_ADMIN_TOKEN, "malformed: %.160s", none.msg);
    if (vd_jv_ok(jws->typ) && !vd_jv_str_eq(jws->typ, "JWT"))
        return vd_fail(err, VD_E_ADMIN_TOKEN, "typ is not JWT");
    const struct vd_auth_who *who = signer(a, jws);
    if (!who)
        return vd_fail(err, VD_E_ADMIN_TOKEN, "no identity's key verifies it");
    struct claims c = { 0 };
    vd_rc_ rc = check_claims(a, who, vd_buf_span(&jws->payload), req->now, &c, err);
    if (rc.code == VD_E_OK)
        rc = check_role(a, who, c.role, req, err);
    else if (err)
        vd_context(err, who->name);
    free(c.role);
    return rc;
}
