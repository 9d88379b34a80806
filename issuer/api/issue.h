/* From verified evidence to a passport that is on record, and what happens when it is refused: the
 * part that /attest and /attestation share. */
#pragma once

#include "issuer/api/app.h"
#include "issuer/appraise/appraise.h"
#include "issuer/passport/passport.h"

/* One attestation on its way. Init with iss_work_init, end with iss_work_done. */
struct iss_work {
    struct iss_app *app;
    const struct vd_req *req;
    const char *surface; /* "kbs", "as": literal */
    const char *tee;     /* of the first evidence, for records; NULL when not known yet */
    const char *policy_base;
    enum iss_freshness freshness;
    const char (*audience)[VD_KBS_AUDIENCE_BYTES + 1];
    size_t n_audience;
    char decision[24];
    struct iss_claims_list *list;
    struct iss_plain plain[ISS_CLAIMS_MAX];
    struct iss_appraisals *appraisals;
    char jti[ISS_JTI];
    char kid[ISS_KID]; /* of the key that signed */
    vd_buf token;
};
vd_rc iss_work_init(struct iss_work *w, const struct vd_req *req, const char *surface, vd_err *err);
void iss_work_done(struct iss_work *w);
#define ISS_AUTO_WORK __attribute__((cleanup(iss_work_done))) struct iss_work

/* Within the limits of the source? VD_E_RATE, with Retry-After in resp. Before anything is spent or
 * recorded. */
vd_rc iss_work_admit(struct iss_work *w, struct vd_resp *resp, vd_err *err);
/* One piece of evidence: the driver's claims join the list, bound to these plain texts. */
vd_rc iss_work_verify(struct iss_work *w, const char *tee, struct iss_evidence *in,
                      const struct iss_plain *plain, vd_err *err);
/* Appraise and mint; resp waits for the durable record. w->token is the passport. */
vd_rc iss_work_issue(struct iss_work *w, struct vd_resp *resp, vd_err *err);
/* Keeps the explanation of a refusal, records it (thinned), and gives err its decision id. */
void iss_work_refuse(struct iss_work *w, vd_err *err);
