/* Changes of policies and reference values: checked, then intent, commit, done (SHAPES section 10).
 */
#include "issuer/api/change.h"

#include "issuer/api/names.h"
#include "shared/codec/b64.h"

enum { NAME_MAX_BYTES = 256 };

static vd_rc policy_name_ok(vd_span name, vd_err *err)
{
    if (!iss_policy_name_ok(name))
        return vd_fail(err, VD_E_SETTING,
                       "a policy id has 1 to 200 of [A-Za-z0-9._-] and no dot first");
    return VD_OK;
}

static vd_rc policy_check(struct vd_server *s, const char *name, vd_span body, vd_err *err)
{
    (void)name;
    return vd_policy_check(s->policies, VD_POLICY_ATTESTATION, body, s->limits, err);
}

const struct vd_object_kind iss_policy_kind = {
    .kind = ISS_KIND_POLICY,
    .content_type = "text/plain; charset=utf-8",
    .what_put = "attestation-policy.put",
    .what_delete = "attestation-policy.delete",
    .check = policy_check,
    .name_ok = policy_name_ok,
};

vd_rc iss_policy_upload(const struct vd_req *req, vd_jv body, vd_err *err)
{
    struct vd_server *s = iss_app_of(req)->server;
    VD_AUTO_BUF id = vd_buf_of(NAME_MAX_BYTES);
    VD_AUTO_BUF text = vd_buf_of((size_t)s->limits->policy_body);
    vd_err why = { 0 };
    if (vd_jv_str(vd_jv_get(body, "policy_id"), &id, &why).code != VD_E_OK)
        return vd_fail(err, VD_E_SYNTAX, "policy_id is missing, no string or too long");
    if (vd_jv_b64(vd_jv_get(body, "policy"), VD_B64_URL, &text, &why).code != VD_E_OK)
        return vd_fail(err, VD_E_SYNTAX,
                       "policy is missing, no base64url without padding, or too long");
    VD_TRY(policy_name_ok(vd_buf_span(&id), err));
    VD_TRY(policy_check(s, vd_buf_cstr(&id), vd_buf_span(&text), err));
    struct vd_put put = {
        .owner = VD_OWNER_DEFAULT,
        .kind = ISS_KIND_POLICY,
        .name = vd_buf_cstr(&id),
        .body = vd_buf_span(&text),
        .match = VD_MATCH_ANY,
        .by = req->admin.identity,
        .now = req->now,
    };
    return vd_change(s->audit, s->store, iss_policy_kind.what_put, req->admin.identity,
                     req->admin.role, &put, 1, err);
}

vd_rc iss_refvalues_store(const struct vd_req *req, struct iss_refvalue_set *set, vd_err *err)
{
    struct vd_server *s = iss_app_of(req)->server;
    if (set->n == 0)
        return VD_OK;
    return vd_change(s->audit, s->store, "reference-value.put", req->admin.identity,
                     req->admin.role, set->put, set->n, err);
}
