/* What is kept about an attestation: the audit record (durable before the answer; thinned for
 * refusals) and the explanation that owners read by decision id. Neither holds evidence, tokens or
 * keys. */
#pragma once

#include "issuer/api/issue.h"

/* Makes resp wait for the durable record of the passport; the explanation is kept then. */
vd_rc iss_record_passport(struct iss_work *w, struct vd_resp *resp, vd_err *err);
/* Never fails for the caller: a refusal stays one. */
void iss_record_refusal(struct iss_work *w, const vd_err *why);
