/* Passports whose header carries a certificate chain (x5c inside jwk, spec/wire.md 3.5): the leaf's
 * key must be the jwk itself, the leaf must have the configured name, and the chain must end at a
 * certificate of the issuer's CA file. Chains that held are remembered for a while by their digest.
 */
#pragma once

#include "broker/passport/issuer.h"

enum { BRK_X5C_MAX = 8, BRK_X5C_CERT_BYTES = 16384, BRK_CHAINS_KEPT = 16, BRK_CHAIN_SECONDS = 300 };

struct brk_chains *brk_chains_new(void); /* NULL: no memory */
void brk_chains_free(struct brk_chains *c);

/* The key to verify with, a new reference. VD_E_PASSPORT_KEY. */
vd_rc brk_x5c_key(const struct brk_issuer *issuer, vd_jv header_jwk, int64_t now,
                  struct vd_key **ret, vd_err *err);
