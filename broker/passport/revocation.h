/* The revocation statement of an issuer: a compact JWS of its own type, signed by a key of its own.
 * Read strictly, looked up by binary search; immutable, reference counted. */
#pragma once

#include "broker/passport/keyset.h"
#include "broker/passport/passport.h"

enum { BRK_STATEMENT_SECONDS = 120, BRK_REVOKED_TEXT = 128 };

enum brk_revoked_list { BRK_REVOKED_JTI, BRK_REVOKED_HW_ID, BRK_REVOKED_POLICY, BRK_REVOKED_MAX };

struct brk_revocation {
    _Atomic unsigned refs;
    uint64_t seq;
    int64_t iat;
    int64_t exp;
    int64_t not_before;             /* passports with an earlier iat are revoked; 0: none */
    vd_buf payload;                 /* what the spans point into */
    vd_span *list[BRK_REVOKED_MAX]; /* sorted */
    size_t n[BRK_REVOKED_MAX];
};
struct brk_revocation *brk_revocation_ref(struct brk_revocation *r);
void brk_revocation_unref(struct brk_revocation *r);
VD_DEFINE_CLEANUP(struct brk_revocation, brk_revocation_unref)

/* A claim set: exactly iss (this issuer's), iat, exp (1 to 120 s later), seq, jti, hw_id,
 * policy_sha256, not_before. An unknown member refuses it: what a newer issuer revokes by it would
 * be overlooked. VD_E_REMOTE. */
vd_rc brk_revocation_parse(vd_span payload, const char *issuer, struct brk_revocation **ret,
                           vd_err *err);
/* A statement as it was fetched: typ, alg (one of the entry's), a key of `keys` marked for
 * statements, signature, claims, times. VD_E_NOT_FOUND: it names a key that the set does not have.
 * VD_E_REMOTE. */
vd_rc brk_revocation_open(vd_span token, const struct brk_issuer *issuer,
                          const struct brk_keyset *keys, int64_t now, uint64_t leeway,
                          struct brk_revocation **ret, vd_err *err);
/* The same number and the same content? */
bool brk_revocation_same(const struct brk_revocation *a, const struct brk_revocation *b);
/* Is a passport (its verified claims) revoked: by jti, time, platform of any submod, or policy?
 * VD_E_PASSPORT_REVOKED. */
vd_rc brk_revocation_check(const struct brk_revocation *r, const struct brk_passport *p,
                           vd_jv claims, vd_err *err);
