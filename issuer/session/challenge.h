/* Challenges of the KBS protocol (SHAPES section 5): the cookie kbs-session-id is a sealed token
 * that holds all there is to know about a conversation, so nothing is kept for it but one bit once
 * it is spent. The sealing key lives in memory only: a restart voids what is outstanding. */
#pragma once

#include "issuer/session/ring.h"
#include "shared/base/auto.h"
#include "shared/base/buf.h"
#include "shared/wire/kbs.h"

enum {
    ISS_NONCE_BYTES = 32,
    ISS_NONCE_TEXT_MAX =
        1024, /* longer ones belong to TEEs whose nonce is a request of their own */
};

/* What a challenge says. Everything but serial and expires is the caller's. */
struct iss_challenge {
    enum vd_kbs_version version;
    enum vd_hash hash; /* of the report data of this conversation */
    const char *tee;   /* canonical, static */
    size_t nonce_n;
    char nonce[ISS_NONCE_TEXT_MAX + 1];
    size_t n_audience;
    char audience[VD_KBS_AUDIENCES_MAX][VD_KBS_AUDIENCE_BYTES + 1];
    uint64_t serial;
    int64_t expires; /* unix seconds; not valid any more at that second */
};

struct iss_challenges; /* thread safe */
vd_rc iss_challenges_new(uint64_t lifetime_s, struct iss_challenges **ret, vd_err *err);
void iss_challenges_free(struct iss_challenges *s);
VD_DEFINE_CLEANUP(struct iss_challenges, iss_challenges_free)
uint64_t iss_challenges_lifetime(const struct iss_challenges *s);

/* 32 random bytes as standard base64 (44 characters). */
void iss_challenge_nonce(struct iss_challenge *c);
/* Gives c a serial and an expiry and appends the cookie's value. */
vd_rc iss_challenge_issue(struct iss_challenges *s, struct iss_challenge *c, int64_t now,
                          vd_buf *ret_cookie, vd_err *err);
/* Opens a cookie's value: VD_E_NO_SESSION (empty), VD_E_SESSION_BAD, VD_E_SESSION_EXPIRED,
 * VD_E_SESSION_SPENT. Spends nothing: for the guard that runs before a body is read. */
vd_rc iss_challenge_open(struct iss_challenges *s, vd_span cookie, int64_t now,
                         struct iss_challenge *ret, vd_err *err);
/* Spends an opened challenge: VD_OK for exactly one caller, VD_E_SESSION_SPENT for all others. */
vd_rc iss_challenge_spend(struct iss_challenges *s, const struct iss_challenge *c, vd_err *err);
