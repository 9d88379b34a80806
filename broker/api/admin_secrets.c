/* Native routes of secrets: metadata and writing. No route gives a secret's bytes to an
 * administrator. */
#include "broker/api/app.h"
#include "broker/vault/vault.h"
#include "shared/program/objects.h"

static vd_rc name_ok(vd_span name, vd_err *err)
{
    struct vd_resource_id id;
    return vd_resource_id_parse(name, &id, err);
}

static const struct vd_object_kind kind = {
    .kind = BRK_KIND_SECRET,
    .content_type = "application/octet-stream",
    .sealed = true,
    .what_put = "secret.put",
    .what_delete = "secret.delete",
    .name_ok = name_ok,
};

static vd_rc name_of(const struct vd_req *req, char name[VD_RESOURCE_NAME], vd_err *err)
{
    struct vd_resource_id id;
    VD_TRY(vd_resource_id_of(req->param[0], req->param[1], req->param[2], &id, err));
    vd_resource_id_name(&id, name);
    return VD_OK;
}

vd_rc brk_secrets_list(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    return vd_objects_list(&kind, req, resp, err);
}

vd_rc brk_secrets_get(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    char name[VD_RESOURCE_NAME];
    VD_TRY(name_of(req, name, err));
    return vd_objects_get(&kind, name, req, resp, err);
}

vd_rc brk_secrets_history(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    char name[VD_RESOURCE_NAME];
    VD_TRY(name_of(req, name, err));
    return vd_objects_history(&kind, name, req, resp, err);
}

vd_rc brk_secrets_put(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    char name[VD_RESOURCE_NAME];
    VD_TRY(name_of(req, name, err));
    return vd_objects_put(&kind, name, req, resp, err);
}

vd_rc brk_secrets_delete(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    char name[VD_RESOURCE_NAME];
    VD_TRY(name_of(req, name, err));
    return vd_objects_delete(&kind, name, req, resp, err);
}
