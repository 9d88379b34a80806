/* What the issuer takes back: single passports by jti, platforms by hw_id, attestation policies by
 * digest, and everything minted before a time. Kept in the store (kind "revocation"), published as
 * a signed statement that lives 120 s. Its keys are a ring of their own and never sign passports.
 */
#pragma once

#include "issuer/passport/keyring.h"
#include "issuer/tee/tee.h"

enum iss_revoke {
    ISS_REVOKE_HW_ID,
    ISS_REVOKE_JTI,
    ISS_REVOKE_POLICY,
    ISS_REVOKE_BEFORE,
    ISS_REVOKE_MAX
};
/* "hw-id" "jti" "policy" "before" */
const char *iss_revoke_name(enum iss_revoke t);
vd_rc iss_revoke_by_name(vd_span name, enum iss_revoke *ret, vd_err *err); /* VD_E_SETTING */

enum {
    ISS_STATEMENT_SECONDS = 120,
    ISS_REVOKED_MAX = 4096, /* entries in force: a statement stays below what brokers fetch */
    ISS_REVOKE_REASON = 200,
};

struct iss_revocations; /* thread safe */

struct iss_revocations_cfg {
    struct vd_store *store;
    struct vd_audit *audit;
    struct vd_clock clock;
    struct vd_log *log; /* may be NULL */
    const char *issuer; /* iss of the statement; lives with it */
};
/* `keys`: a ring of iss_statement_ring, which outlives it. */
vd_rc iss_revocations_open(const struct iss_revocations_cfg *cfg, struct iss_keyring *keys,
                           struct iss_revocations **ret, vd_err *err);
void iss_revocations_free(struct iss_revocations *r);
VD_DEFINE_CLEANUP(struct iss_revocations, iss_revocations_free)

/* value: 22 base64url characters of a jti; lower-case hex of a hw_id; 64 hex digits; "now" or an
 * RFC 3339 time that is past, and not before the present one. Durable and in the statement on
 * return. VD_E_SETTING, VD_E_EXISTS. */
vd_rc iss_revocations_add(struct iss_revocations *r, const struct iss_actor *who,
                          enum iss_revoke type, vd_span value, vd_span reason, vd_err *err);
/* Takes an entry back; "before" cannot be. VD_E_NOT_FOUND, VD_E_SETTING. */
vd_rc iss_revocations_remove(struct iss_revocations *r, const struct iss_actor *who,
                             enum iss_revoke type, vd_span value, vd_err *err);
/* {"seq","not_before","kid","items":[...],"next":null} */
vd_rc iss_revocations_to_json(struct iss_revocations *r, vd_buf *out, vd_err *err);
/* Is it revoked? BEFORE is not asked for. */
bool iss_revocations_hit(struct iss_revocations *r, enum iss_revoke type, vd_span value);
/* The statement of this second: a compact JWS, appended. */
vd_rc iss_revocations_statement(struct iss_revocations *r, vd_buf *out, vd_err *err);
/* Entries of passports that are over anyway are dropped. Every second or so. */
void iss_revocations_tick(struct iss_revocations *r);
