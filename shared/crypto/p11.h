/* Signing keys that live in a PKCS#11 token (2.40): elliptic curve pairs of one label, found by the
 * thumbprint of their public half, made, used and destroyed there. Private halves never leave it.
 */
#pragma once

#include "shared/crypto/key.h"

struct vd_p11; /* thread safe: one session, one call at a time */

/* A pair as it was found; vd_p11_sign brings it up to date. */
struct vd_p11_pair {
    char thumbprint[44];
    unsigned long handle;
    uint64_t opening;
};

struct vd_p11_cfg {
    const char *module; /* path of the module's shared object */
    const char *token;  /* label of the token */
    const char *label;  /* of the keys */
    vd_span pin;        /* of the token's user; a guarded copy is kept */
};
/* Loads the module, opens a session, logs in. VD_E_CONFIG says what is wrong with which setting. A
 * session that is lost later is opened again by the next call, which fails with VD_E_CRYPTO as long
 * as the token is away; not when the token refuses the PIN, because tries are counted. */
vd_rc vd_p11_open(const struct vd_p11_cfg *cfg, struct vd_p11 **ret, vd_err *err);
void vd_p11_close(struct vd_p11 *p);
VD_DEFINE_CLEANUP(struct vd_p11, vd_p11_close)
/* How many sessions it took so far: more than one, and the token was away. */
uint64_t vd_p11_openings(struct vd_p11 *p);

/* Public half of the pair with that thumbprint, or (NULL) of the first pair of the label; and
 * what vd_p11_sign takes, good until the pair is destroyed. VD_E_NOT_FOUND. */
vd_rc vd_p11_find(struct vd_p11 *p, const char *thumbprint, struct vd_key **ret,
                  struct vd_p11_pair *ret_pair, vd_err *err);
/* A new pair: P-256 or P-384. */
vd_rc vd_p11_generate(struct vd_p11 *p, enum vd_kty kty, struct vd_key **ret, vd_err *err);
/* ES256 or ES384, r|s as vd_sign gives it. Threads may share a pair. VD_E_CRYPTO. */
vd_rc vd_p11_sign(struct vd_p11 *p, struct vd_p11_pair *pair, enum vd_sig alg, vd_span in,
                  vd_buf *out, vd_err *err);
/* Both halves. VD_E_NOT_FOUND. */
vd_rc vd_p11_destroy(struct vd_p11 *p, const char *thumbprint, vd_err *err);
