/* /api/v1/keys and /api/v1/revocation-keys: the keys that sign passports, and those that sign
 * revocation statements; their rotation and revocation. Public halves only. */
#include "issuer/api/app.h"
#include "issuer/api/handlers.h"
#include "shared/codec/json.h"

enum { BODY_BYTES = 16384 };

static struct iss_actor actor(const struct vd_req *req)
{
    return (struct iss_actor){ req->admin.identity, req->admin.role };
}

static vd_rc answer_key(struct iss_keyring *ring, vd_span kid, struct vd_resp *resp, vd_err *err)
{
    vd_jw w = vd_jw_of(&resp->body);
    resp->content_type = "application/json";
    VD_TRY(iss_keyring_to_json(ring, kid, &w, err));
    return vd_buf_check(&resp->body, err);
}

static vd_rc list(struct iss_keyring *ring, struct vd_resp *resp, vd_err *err)
{
    vd_jw w = vd_jw_of(&resp->body);
    vd_jw_obj(&w);
    vd_jw_key(&w, "items");
    vd_jw_arr(&w);
    VD_TRY(iss_keyring_to_json(ring, VD_SPAN_NONE, &w, err));
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

static vd_rc rotate(const struct vd_req *req, struct iss_keyring *ring, struct vd_resp *resp,
                    vd_err *err)
{
    bool now = false;
    char kid[ISS_KID];
    const struct iss_actor who = actor(req);
    VD_TRY(read_now(req->body, &now, err));
    VD_TRY(iss_keyring_rotate(ring, &who, now, kid, err));
    VD_TRY(answer_key(ring, vd_span_str(kid), resp, err));
    resp->status = 201;
    return VD_OK;
}

vd_rc iss_admin_keys(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    return list(iss_app_of(req)->keys, resp, err);
}

vd_rc iss_admin_keys_rotate(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    return rotate(req, iss_app_of(req)->keys, resp, err);
}

vd_rc iss_admin_keys_revoke(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    const struct iss_actor who = actor(req);
    VD_TRY(iss_keyring_revoke(iss_app_of(req)->keys, &who, req->param[0], err));
    return answer_key(iss_app_of(req)->keys, req->param[0], resp, err);
}

vd_rc iss_admin_statement_keys(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    return list(iss_app_of(req)->statement_keys, resp, err);
}

/* The set that is published is the other ring's: it takes the change up now, not with the next
 * tick.
 */
vd_rc iss_admin_statement_keys_rotate(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    VD_TRY(rotate(req, iss_app_of(req)->statement_keys, resp, err));
    iss_keyring_tick(iss_app_of(req)->keys);
    return VD_OK;
}

vd_rc iss_admin_statement_keys_revoke(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    const struct iss_actor who = actor(req);
    struct iss_app *app = iss_app_of(req);
    VD_TRY(iss_keyring_revoke(app->statement_keys, &who, req->param[0], err));
    iss_keyring_tick(app->keys);
    return answer_key(app->statement_keys, req->param[0], resp, err);
}
