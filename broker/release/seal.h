/* Secret bytes to the TEE: the plaintext lives inside one function, from the vault to the JWE. */
#pragma once

#include "broker/passport/passport.h"
#include "broker/vault/vault.h"

/* Reads the newest version and appends its JWE to out. VD_E_SECRET_UNKNOWN, VD_E_JWE_KEY; nothing
 * is appended then. */
vd_rc brk_seal(struct vd_store *s, const char *owner, const struct vd_resource_id *id,
               const struct brk_passport *passport, vd_buf *out, uint64_t *ret_version,
               vd_err *err);
