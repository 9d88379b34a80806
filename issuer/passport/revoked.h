/* The entries of revocations that are in force, as one immutable view. */
#pragma once

#include "issuer/passport/edition.h"
#include "issuer/passport/revocation.h"

#define ISS_REVOCATION_KIND "revocation"

struct iss_revoked_item {
    char *value;
    char *reason; /* "" when none was given */
    int64_t created_at;
    char created_by[65];
};

struct iss_revoked {
    _Atomic unsigned refs;
    struct iss_revoked_item *item[ISS_REVOKE_BEFORE]; /* sorted by value */
    size_t n[ISS_REVOKE_BEFORE];
    int64_t not_before; /* 0: none */
    uint64_t before_version;
    int64_t drops_at; /* when the next entry is over; INT64_MAX */
    struct iss_edition edition;
    vd_buf lists; /* members of the statement behind `seq` */
};
void iss_revoked_unref(struct iss_revoked *v);
VD_DEFINE_CLEANUP(struct iss_revoked, iss_revoked_unref)

/* Reads the store. */
vd_rc iss_revoked_load(struct vd_store *s, int64_t now, struct iss_revoked **ret, vd_err *err);
size_t iss_revoked_count(const struct iss_revoked *v);
bool iss_revoked_hit(const struct iss_revoked *v, enum iss_revoke type, vd_span value);
