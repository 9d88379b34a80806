/* Administration of the KBS protocol: setting and deleting secrets, the resource policy; and the
 * paths that the protocol knows but this server refuses. */
#include "broker/api/app.h"
#include "broker/vault/vault.h"
#include "shared/codec/b64.h"
#include "shared/codec/json.h"

static vd_rc change(const struct vd_req *req, const char *what, struct vd_put *put, vd_err *err)
{
    put->by = req->admin.identity;
    put->now = req->now;
    return vd_change(req->server->audit, req->server->store, what, req->admin.identity,
                     req->admin.role, put, 1, err);
}

vd_rc brk_resource_post(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    char name[VD_RESOURCE_NAME];
    struct vd_resource_id id;
    VD_TRY(vd_resource_id_of(req->param[0], req->param[1], req->param[2], &id, err));
    struct vd_put put = brk_vault_put(VD_OWNER_DEFAULT, &id, name, req->body);
    VD_TRY(change(req, "secret.put", &put, err));
    resp->content_type = "text/xml"; /* as the recorded server says */
    return VD_OK;
}

vd_rc brk_resource_delete(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    vd_err cause = { 0 };
    char name[VD_RESOURCE_NAME];
    struct vd_resource_id id;
    VD_TRY(vd_resource_id_of(req->param[0], req->param[1], req->param[2], &id, err));
    struct vd_put put = brk_vault_remove(VD_OWNER_DEFAULT, &id, name);
    vd_rc_ rc = change(req, "secret.delete", &put, &cause);
    if (rc.code == VD_E_NOT_FOUND)
        return vd_fail(err, VD_E_SECRET_UNKNOWN, "there is no secret %.180s", name);
    if (rc.code != VD_E_OK)
        return vd_fail(err, rc.code, "%s", cause.msg);
    resp->content_type = "text/xml";
    return VD_OK;
}

vd_rc brk_resource_put(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    (void)req;
    VD_TRY(vd_resp_field(resp, "Allow", VD_LIT("GET, POST, DELETE"), err));
    return vd_fail(err, VD_E_METHOD, "a resource is set by POST");
}

vd_rc brk_resource_bad_path(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    (void)req;
    (void)resp;
    return vd_fail(err, VD_E_RESOURCE_PATH, "a resource has exactly three segments");
}

vd_rc brk_no_plugin(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    (void)req;
    (void)resp;
    return vd_fail(err, VD_E_PLUGIN_UNKNOWN, "no such plugin");
}

vd_rc brk_resource_policy_list(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    (void)req;
    (void)err;
    resp->content_type = "application/json";
    vd_jw w = vd_jw_of(&resp->body);
    vd_jw_arr(&w);
    vd_jw_str(&w, BRK_POLICY_ID);
    vd_jw_end(&w);
    return VD_OK;
}

/* {"policy":"<base64url>"}; other members are ignored, as by the recorded server. */
static vd_rc policy_text(vd_span body, vd_buf *out, vd_err *err)
{
    vd_err cause = { 0 };
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    if (vd_json_parse(body, VD_JSON_LIMITS(body.n), &doc, &cause).code != VD_E_OK)
        return vd_fail(err, VD_E_POLICY_BODY, "%s", cause.msg);
    vd_jv policy = vd_jv_get(vd_json_root(doc), "policy");
    if (vd_jv_b64(policy, VD_B64_URL, out, &cause).code != VD_E_OK)
        return vd_fail(err, VD_E_POLICY_BODY, "member policy: %s", cause.msg);
    return VD_OK;
}

vd_rc brk_resource_policy_set(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    (void)resp;
    VD_AUTO_BUF text = vd_buf_of(req->body.n + 1);
    VD_TRY(policy_text(req->body, &text, err));
    VD_TRY(brk_policy_body_check(req->server, BRK_POLICY_ID, vd_buf_span(&text), err));
    struct vd_put put = {
        .owner = VD_OWNER_DEFAULT,
        .kind = BRK_KIND_POLICY,
        .name = BRK_POLICY_ID,
        .body = vd_buf_span(&text),
        .match = VD_MATCH_ANY,
    };
    return change(req, "release-policy.put", &put, err);
}
