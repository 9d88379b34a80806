/* Native routes of release policies: the versioned objects of the store, and the built-in policy in
 * the place of the one that is not stored. */
#include "broker/api/app.h"
#include "shared/program/objects.h"

enum { FIELDS_MAX = 128 };

static vd_rc name_ok(vd_span name, vd_err *err)
{
    /* A stored policy that nothing evaluates would be a trap. */
    if (!vd_span_eq_str(name, BRK_POLICY_ID))
        return vd_fail(err, VD_E_NOT_FOUND, "the release policy is named %s", BRK_POLICY_ID);
    return VD_OK;
}

vd_rc brk_policy_body_check(struct vd_server *s, const char *name, vd_span body, vd_err *err)
{
    (void)name;
    return vd_policy_check(s->policies, VD_POLICY_RELEASE, body, s->limits, err);
}

static const struct vd_object_kind kind = {
    .kind = BRK_KIND_POLICY,
    .content_type = "text/plain; charset=utf-8",
    .what_put = "release-policy.put",
    .what_delete = "release-policy.delete",
    .check = brk_policy_body_check,
    .name_ok = name_ok,
};

static vd_rc id_of(const struct vd_req *req, char id[64], vd_err *err)
{
    VD_TRY(name_ok(req->param[0], err));
    memcpy(id, BRK_POLICY_ID, sizeof BRK_POLICY_ID);
    return VD_OK;
}

vd_rc brk_policies_list_route(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    return vd_objects_list(&kind, req, resp, err);
}

vd_rc brk_policies_get_route(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    char id[64];
    vd_err cause = { 0 };
    const struct brk_app *app = req->app;
    VD_TRY(id_of(req, id, err));
    vd_rc_ rc = vd_objects_get(&kind, id, req, resp, &cause);
    if (rc.code == VD_E_NOT_FOUND) {
        /* Version 0: what is in force while none is stored. */
        resp->content_type = kind.content_type;
        vd_buf_add(&resp->body, brk_policies_builtin(app->policies));
        return vd_resp_field(resp, "ETag", VD_LIT("\"0\""), err);
    }
    return rc.code == VD_E_OK ? VD_OK : vd_fail(err, rc.code, "%s", cause.msg);
}

vd_rc brk_policies_history_route(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    char id[64];
    VD_TRY(id_of(req, id, err));
    return vd_objects_history(&kind, id, req, resp, err);
}

vd_rc brk_policies_version_route(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    char id[64];
    VD_TRY(id_of(req, id, err));
    return vd_objects_version(&kind, id, req->param[1], req, resp, err);
}

/* If-Match: "0" replaces the built-in policy: for the store that is a creation. */
static vd_rc as_creation(const struct vd_req *req, struct vd_req *ret, struct vd_field *field,
                         size_t max, vd_err *err)
{
    if (req->n_field > max)
        return vd_fail(err, VD_E_SETTING, "too many header fields");
    *ret = *req;
    for (size_t i = 0; i < req->n_field; i++) {
        field[i] = req->field[i];
        if (vd_span_eq_str(field[i].value, "\"0\""))
            field[i] = (struct vd_field){ VD_LIT("If-None-Match"), VD_LIT("*") };
    }
    ret->field = field;
    return VD_OK;
}

vd_rc brk_policies_put_route(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    char id[64];
    struct vd_req creation;
    struct vd_field field[FIELDS_MAX];
    VD_TRY(id_of(req, id, err));
    if (!vd_span_eq_str(vd_req_field(req, "If-Match"), "\"0\""))
        return vd_objects_put(&kind, id, req, resp, err);
    VD_TRY(as_creation(req, &creation, field, FIELDS_MAX, err));
    return vd_objects_put(&kind, id, &creation, resp, err);
}

vd_rc brk_policies_delete_route(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    char id[64];
    VD_TRY(id_of(req, id, err));
    return vd_objects_delete(&kind, id, req, resp, err);
}
