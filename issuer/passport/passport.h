/* The passport: an EAR in Trustee's dotted dialect with our additions (SHAPES section 4), signed as
 * a compact JWS. Building and signing only: what it says comes from the appraisal. */
#pragma once

#include "issuer/appraise/appraise.h"
#include "issuer/passport/signer.h"
#include "shared/wire/kbs.h"

enum iss_freshness { ISS_FRESH_NONCE, ISS_FRESH_CALLER, ISS_FRESH_NONE, ISS_FRESH_MAX };
const char *iss_freshness_name(enum iss_freshness f);

enum { ISS_JTI = 23 };

struct iss_passport {
    const char *issuer;
    int64_t now;
    uint64_t lifetime;
    const char (*audience)[VD_KBS_AUDIENCE_BYTES +
                           1]; /* n_audience strings; NULL when none was asked for */
    size_t n_audience;
    enum iss_freshness freshness;
    const char *policy_base; /* "default": ear.appraisal-policy-id and vidimus.policies[].id */
    const struct iss_appraisals *appraisals;
};

/* Appends the token; ret_jti gets its 22 characters. VD_E_PASSPORT_TOO_LARGE above max bytes. */
vd_rc iss_passport_mint(const struct iss_signer *s, const struct iss_passport *p, size_t max,
                        vd_buf *out, char ret_jti[ISS_JTI], vd_err *err);
