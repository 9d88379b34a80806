/* Secrets by resource identity; see vault.h. */
#include "broker/vault/vault.h"

vd_rc brk_vault_get(struct vd_store *s, const char *owner, const struct vd_resource_id *id,
                    vd_buf *ret, uint64_t *ret_version, vd_err *err)
{
    vd_err cause = { 0 };
    char name[VD_RESOURCE_NAME];
    vd_resource_id_name(id, name);
    vd_rc_ rc = vd_store_get_secret_buf(s, owner, BRK_KIND_SECRET, name, ret, ret_version, &cause);
    if (rc.code == VD_E_OK)
        return VD_OK;
    if (rc.code == VD_E_NOT_FOUND)
        return vd_fail(err, VD_E_SECRET_UNKNOWN, "there is no secret %.180s", name);
    return vd_fail(err, rc.code, "secret %.100s: %s", name, cause.msg);
}

struct vd_put brk_vault_put(const char *owner, const struct vd_resource_id *id, char *name,
                            vd_span body)
{
    vd_resource_id_name(id, name);
    return (struct vd_put){ .owner = owner,
                            .kind = BRK_KIND_SECRET,
                            .name = name,
                            .body = body,
                            .sealed = true,
                            .match = VD_MATCH_ANY };
}

struct vd_put brk_vault_remove(const char *owner, const struct vd_resource_id *id, char *name)
{
    struct vd_put put = brk_vault_put(owner, id, name, VD_SPAN_NONE);
    put.remove = true;
    return put;
}
