/* /api/v1/policies: attestation policies as versioned objects. The defaults that the program
 * carries are readable under their ids as version 0 until something is stored there. */
#include "issuer/api/change.h"
#include "issuer/api/handlers.h"

static vd_rc name_of(const struct vd_req *req, char **ret, vd_err *err)
{
    *ret = vd_strdup_span(req->param[0]);
    return *ret ? VD_OK : vd_fail(err, VD_E_NOMEM, "policy id");
}

vd_rc iss_admin_policy_list(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    return vd_objects_list(&iss_policy_kind, req, resp, err);
}

vd_rc iss_admin_policy_get(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    VD_AUTO(free) char *name = NULL;
    VD_TRY(name_of(req, &name, err));
    vd_err why = { 0 };
    vd_rc_ rc = vd_objects_get(&iss_policy_kind, name, req, resp, &why);
    vd_span builtin = iss_policy_builtin(name);
    if (rc.code != VD_E_NOT_FOUND || builtin.n == 0) {
        *err = why;
        return VD_RC(rc.code);
    }
    VD_TRY(vd_resp_field(resp, "ETag", VD_LIT("\"0\""), err));
    vd_buf_add(&resp->body, builtin);
    resp->content_type = iss_policy_kind.content_type;
    return vd_buf_check(&resp->body, err);
}

vd_rc iss_admin_policy_put(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    VD_AUTO(free) char *name = NULL;
    VD_TRY(name_of(req, &name, err));
    return vd_objects_put(&iss_policy_kind, name, req, resp, err);
}

vd_rc iss_admin_policy_delete(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    VD_AUTO(free) char *name = NULL;
    VD_TRY(name_of(req, &name, err));
    return vd_objects_delete(&iss_policy_kind, name, req, resp, err);
}

vd_rc iss_admin_policy_history(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    VD_AUTO(free) char *name = NULL;
    VD_TRY(name_of(req, &name, err));
    return vd_objects_history(&iss_policy_kind, name, req, resp, err);
}

vd_rc iss_admin_policy_version(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    VD_AUTO(free) char *name = NULL;
    VD_TRY(name_of(req, &name, err));
    return vd_objects_version(&iss_policy_kind, name, req->param[1], req, resp, err);
}
