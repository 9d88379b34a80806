/* Administrators (SHAPES section 8): bearer JWT (EdDSA, ES256) of configured identities, roles
 * whose entries are METHOD PATTERN over the routed path. No default account: without identities all
 * is closed. */
#pragma once

#include "shared/base/auto.h"
#include "shared/http/http.h"

enum vd_auth_mode { VD_AUTH_AUTHENTICATED, VD_AUTH_DENY };

struct vd_auth_identity {
    const char *name;
    const char *public_key_file; /* PEM; or */
    const char *jwks_file;
    const char *audience;     /* NULL: tokens must not need one */
    const char *issuer;       /* NULL: not compared */
    const char *const *roles; /* NULL-terminated, required */
    const char *default_role; /* NULL: a token without role is refused */
};
struct vd_auth_role {
    const char *name;
    const char *const *allow; /* NULL-terminated "METHOD PATTERN" */
};
struct vd_auth_cfg {
    enum vd_auth_mode mode;
    uint64_t max_token_life; /* seconds */
    uint64_t leeway;
    const struct vd_auth_identity *identity;
    size_t n_identity;
    const struct vd_auth_role *role;
    size_t n_role;
};
struct vd_auth; /* immutable after creation, thread safe */

/* Reads the key files. Entries that match none of the routes of both tables stop the start.
 * VD_E_CONFIG. */
vd_rc vd_auth_new(const struct vd_auth_cfg *cfg, const struct vd_router *const *routers,
                  size_t n_routers, struct vd_auth **ret, vd_err *err);
void vd_auth_free(struct vd_auth *a);
VD_DEFINE_CLEANUP(struct vd_auth, vd_auth_free)

/* The ADMIN guard of a router: ctx is the vd_auth. Fills req->admin. VD_E_ADMIN_MISSING,
 * VD_E_ADMIN_TOKEN, VD_E_ADMIN_NO_ROLE, VD_E_ADMIN_ROLE (err->role), VD_E_ADMIN_DENY_ALL. */
vd_rc vd_auth_guard(void *ctx, struct vd_req *req, vd_err *err);
/* Is this public key one of an administrator's? (passport keys must be disjoint) */
struct vd_key;
bool vd_auth_has_key(const struct vd_auth *a, const struct vd_key *k);

/* Makes a token for an identity's private key (vidimus admin token): EdDSA or ES256 by the key. */
struct vd_token_spec {
    const char *role;
    const char *audience; /* may be NULL */
    const char *issuer;   /* may be NULL */
    int64_t now;
    uint64_t life; /* seconds */
};
vd_rc vd_auth_token(const struct vd_key *priv, const struct vd_token_spec *spec, vd_buf *out,
                    vd_err *err);
