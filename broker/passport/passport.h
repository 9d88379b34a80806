/* A passport that was accepted, and its claims as release decisions need them. Immutable (but for
 * its counter of releases), reference counted; nothing here was believed before the signature held.
 */
#pragma once

#include "broker/passport/issuer.h"
#include "shared/crypto/jose.h"
#include "shared/wire/ear.h"

enum { BRK_SUBMODS_MAX = 64, BRK_JTI_MAX = 128, BRK_POLICY_ID_MAX = 128, BRK_MEASURE_MAX = 128 };

/* One device of the passport. */
struct brk_submod {
    char name[33]; /* "cpu0" */
    char tee[33];
    char policy_id[BRK_POLICY_ID_MAX + 1];
    enum vd_ear_tier status;
    int8_t vector[VD_EAR_CLAIM_MAX]; /* 0 when the passport has no such claim */
    bool debug;
    char measurement[BRK_MEASURE_MAX + 1]; /* launch measurement for explanations; empty: none */
};

struct brk_passport {
    _Atomic unsigned refs;
    _Atomic uint64_t used;     /* tick of the last use, for the cache */
    _Atomic uint64_t releases; /* minute << 32 | count */
    uint8_t sha256[32];        /* of the token */
    uint64_t epoch;            /* of the keys it was checked with */
    vd_buf payload;            /* the claim set: input document of the release policy */
    struct brk_issuer *issuer;
    char jti[BRK_JTI_MAX + 1]; /* empty when another issuer gave none */
    int64_t iat;
    int64_t exp;
    bool ours; /* has our `vidimus` member */
    enum brk_freshness freshness;
    bool simulated;
    struct brk_submod *submod;
    size_t n_submods;
    struct vd_key *tee_key; /* NULL: well-formed, but a key that nothing can be encrypted to */
    struct vd_jwe_opts jwe;
    char tee_thumbprint[44]; /* RFC 7638; empty without tee_key */
    char tee_fault[120];     /* why tee_key is NULL */
};

struct brk_passport *brk_passport_ref(struct brk_passport *p);
void brk_passport_unref(struct brk_passport *p);
VD_DEFINE_CLEANUP(struct brk_passport, brk_passport_unref)

/* Counts one release in the running minute; VD_E_RATE above `max`. */
vd_rc brk_passport_count(struct brk_passport *p, int64_t now, uint64_t max, vd_err *err);

/* What a claim set is measured against, besides the issuer's entry. */
struct brk_claims_cfg {
    int64_t now;
    uint64_t leeway;
    const char *const *audience;
    size_t n_audience;
    bool allow_rsa1_5;
};
/* Reads and judges a verified claim set (p->payload, p->issuer are set; fills the rest).
 * VD_E_PASSPORT, VD_E_PASSPORT_EXPIRED, VD_E_PASSPORT_AUDIENCE, VD_E_PASSPORT_TEE_KEY. */
vd_rc brk_claims_read(const struct brk_claims_cfg *cfg, vd_jv claims, struct brk_passport *p,
                      vd_err *err);
/* exp, iat and nbf against now: done again on each use. VD_E_PASSPORT_EXPIRED. */
vd_rc brk_passport_alive(const struct brk_passport *p, int64_t now, uint64_t leeway, vd_err *err);
/* The one TEE key of a claim set (spec/wire.md 3.5). VD_E_PASSPORT_TEE_KEY. */
vd_rc brk_tee_key_find(vd_jv claims, vd_jv *ret, vd_err *err);
