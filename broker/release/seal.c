/* Vault to JWE; see seal.h. */
#include "broker/release/seal.h"

vd_rc brk_seal(struct vd_store *s, const char *owner, const struct vd_resource_id *id,
               const struct brk_passport *passport, vd_buf *out, uint64_t *ret_version, vd_err *err)
{
    VD_AUTO_BUF_WIPED plain = vd_buf_of(out->max);
    VD_TRY(brk_vault_get(s, owner, id, &plain, ret_version, err));
    if (!passport->tee_key)
        return vd_fail(err, VD_E_JWE_KEY, "nothing can be encrypted to the TEE key: %s",
                       passport->tee_fault);
    return vd_jwe_seal(passport->tee_key, &passport->jwe, vd_buf_span(&plain), out, err);
}
