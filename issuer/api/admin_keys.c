/* /api/v1/keys: the keys that sign passports, their rotation and revocation. Public halves only. */
#include "issuer/api/app.h"
#include "issuer/api/handlers.h"
#include "shared/codec/json.h"

enum { BODY_BYTES = 16384 };

static struct iss_actor actor(const struct vd_req *req)
{
    return (struct iss_actor){ req->admin.identity, req->admin.role };
}

static vd_rc answer_key(const struct vd_req *req, vd_span kid, struct vd_resp *resp, vd_err *err)
{
    vd_jw w = vd_jw_of(&resp->body);
    resp->content_type = "application/json";
    VD_TRY(iss_keyring_to_json(iss_app_of(req)->keys, kid, &w, err));
    return vd_buf_check(&resp->body, err);
}

vd_rc iss_admin_keys(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    vd_jw w = vd_jw_of(&resp->body);
    vd_jw_obj(&w);
    vd_jw_key(&w, "items");
    vd_jw_arr(&w);
    VD_TRY(iss_keyring_to_json(iss_app_of(req)->keys, VD_SPAN_NONE, &w, err));
    vd_jw_end(&w);
    vd_jw_key(&w, "next");
    vd_jw_null(&w);
    vd_jw_end(&w);
    resp->content_type = "application/json";
    return vd_buf_check(&resp->body, err);
}

/* Nothing, or {"now":true}. */
static vd_rc read_now(vd_span body, bool *ret, vd_err *err)
{
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    vd_err why = { 0 };
    *ret = false;
    if (body.n == 0)
        return VD_OK;
    if (vd_json_parse(body, VD_JSON_LIMITS(BODY_BYTES), &doc, &why).code != VD_E_OK)
        return vd_fail(err, VD_E_SYNTAX, "%s", why.msg);
    vd_jv root = vd_json_root(doc);
    vd_jv now = vd_jv_get(root, "now");
    if (!vd_jv_is(root, VD_JSON_OBJECT) || vd_jv_count(root) != vd_jv_ok(now) ||
        (vd_jv_ok(now) && vd_jv_bool(now, ret, NULL).code != VD_E_OK))
        return vd_fail(err, VD_E_SETTING, "the body is empty or {\"now\":true}");
    return VD_OK;
}

vd_rc iss_admin_keys_rotate(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    bool now = false;
    char kid[ISS_KID];
    const struct iss_actor who = actor(req);
    VD_TRY(read_now(req->body, &now, err));
    VD_TRY(iss_keyring_rotate(iss_app_of(req)->keys, &who, now, kid, err));
    VD_TRY(answer_key(req, vd_span_str(kid), resp, err));
    resp->status = 201;
    return VD_OK;
}

vd_rc iss_admin_keys_revoke(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    const struct iss_actor who = actor(req);
    VD_TRY(iss_keyring_revoke(iss_app_of(req)->keys, &who, req->param[0], err));
    return answer_key(req, req->param[0], resp, err);
}
