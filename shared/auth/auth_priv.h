/* Inside of vd_auth, shared by auth.c (building), guard.c (deciding) and acl.c (roles). */
#pragma once

#include "shared/auth/auth.h"
#include "shared/crypto/jose.h"

enum {
    VD_AUTH_TOKEN_MAX = 8192,  /* a real one has about 400 bytes */
    VD_AUTH_FILE_MAX = 262144, /* a key file */
    VD_AUTH_FILE_BUF = 2 * VD_AUTH_FILE_MAX,
    VD_AUTH_NAME_MAX = 64,
};

struct vd_auth_key {
    struct vd_key *key;
    enum vd_sig alg; /* follows from the key, never from a token */
    char *kid;       /* of a JWKS entry; NULL for a PEM file */
};

struct vd_acl_entry {
    int method; /* enum vd_method, or VD_ACL_ANY */
    char *pattern;
};
enum { VD_ACL_ANY = -1 };

struct vd_acl_role {
    char *name;
    struct vd_acl_entry *entry;
    size_t n;
};

struct vd_auth_who {
    char *name;
    char *audience;
    char *issuer;
    char **roles; /* NULL-terminated */
    char *default_role;
    bool jwks;
    struct vd_auth_key *key;
    size_t n_key;
};

struct vd_auth {
    enum vd_auth_mode mode;
    uint64_t max_token_life;
    uint64_t leeway;
    struct vd_auth_who *who;
    size_t n_who;
    struct vd_acl_role *role;
    size_t n_role;
};

/* [A-Za-z0-9_.-]{1,64}: what may appear in answers, records and logs. */
bool vd_auth_name_ok(const char *name);

/* Compiles the roles; each entry must overlap a route. VD_E_CONFIG. */
vd_rc vd_acl_compile(const struct vd_auth_cfg *cfg, const struct vd_router *const *routers,
                     size_t n_routers, struct vd_auth *a, vd_err *err);
void vd_acl_free(struct vd_acl_role *role, size_t n);
const struct vd_acl_role *vd_acl_role(const struct vd_auth *a, const char *name);
bool vd_acl_allows(const struct vd_acl_role *role, enum vd_method method, vd_span path);

/* Reads the keys of one identity. VD_E_CONFIG. */
vd_rc vd_auth_keys(const struct vd_auth_identity *id, struct vd_auth_who *who, vd_err *err);
void vd_auth_keys_free(struct vd_auth_key *key, size_t n);
