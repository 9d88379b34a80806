/* /api/v1/revocations: passports, platforms and policies that are taken back. */
#include "issuer/api/app.h"
#include "issuer/api/handlers.h"
#include "shared/codec/json.h"

enum { BODY_BYTES = 16384 };

static vd_rc answer(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    resp->content_type = "application/json";
    return iss_revocations_to_json(iss_app_of(req)->revocations, &resp->body, err);
}

vd_rc iss_admin_revocations(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    return answer(req, resp, err);
}

static vd_rc member(vd_jv root, const char *name, vd_buf *out, size_t *ret_known, vd_err *err)
{
    vd_jv v = vd_jv_get(root, name);
    if (!vd_jv_ok(v))
        return VD_OK;
    ++*ret_known;
    if (vd_jv_str(v, out, NULL).code != VD_E_OK)
        return vd_fail(err, VD_E_SETTING, "%s is a string of at most %zu bytes", name, out->max);
    return VD_OK;
}

vd_rc iss_admin_revocations_add(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    enum iss_revoke type = ISS_REVOKE_MAX;
    const struct iss_actor who = { req->admin.identity, req->admin.role };
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    VD_AUTO_BUF name = vd_buf_of(16);
    VD_AUTO_BUF value = vd_buf_of(256);
    VD_AUTO_BUF reason = vd_buf_of(ISS_REVOKE_REASON);
    size_t known = 0;
    vd_err why = { 0 };
    if (vd_json_parse(req->body, VD_JSON_LIMITS(BODY_BYTES), &doc, &why).code != VD_E_OK)
        return vd_fail(err, VD_E_SYNTAX, "%s", why.msg);
    vd_jv root = vd_json_root(doc);
    VD_TRY(member(root, "type", &name, &known, err));
    VD_TRY(member(root, "value", &value, &known, err));
    VD_TRY(member(root, "reason", &reason, &known, err));
    if (!vd_jv_is(root, VD_JSON_OBJECT) || vd_jv_count(root) != known || name.n == 0)
        return vd_fail(err, VD_E_SETTING,
                       "a revocation is {\"type\",\"value\"} and, if you like, \"reason\"");
    VD_TRY(iss_revoke_by_name(vd_buf_span(&name), &type, err));
    VD_TRY(iss_revocations_add(iss_app_of(req)->revocations, &who, type, vd_buf_span(&value),
                               vd_buf_span(&reason), err));
    VD_TRY(answer(req, resp, err));
    resp->status = 201;
    return VD_OK;
}

vd_rc iss_admin_revocations_remove(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    enum iss_revoke type = ISS_REVOKE_MAX;
    const struct iss_actor who = { req->admin.identity, req->admin.role };
    VD_TRY(iss_revoke_by_name(req->param[0], &type, err));
    VD_TRY(iss_revocations_remove(iss_app_of(req)->revocations, &who, type, req->param[1], err));
    resp->status = 204;
    return VD_OK;
}
