/* Secrets by resource identity. In this version one owner and one backend: the store, sealed per
 * row. */
#pragma once

#include "shared/store/store.h"
#include "shared/wire/resource.h"

#define BRK_KIND_SECRET "secret"

/* The newest version, opened into a buffer that the caller wipes (VD_AUTO_BUF_WIPED).
 * VD_E_SECRET_UNKNOWN when there is none or it was deleted. */
vd_rc brk_vault_get(struct vd_store *s, const char *owner, const struct vd_resource_id *id,
                    vd_buf *ret, uint64_t *ret_version, vd_err *err);
/* A change of one secret, as vd_change wants it. `name` has room for VD_RESOURCE_NAME bytes and
 * lives as long as the put. */
struct vd_put brk_vault_put(const char *owner, const struct vd_resource_id *id, char *name,
                            vd_span body);
struct vd_put brk_vault_remove(const char *owner, const struct vd_resource_id *id, char *name);
