/* Inside issuer/appraise only: reading of what a policy returned. */
#pragma once

#include "issuer/appraise/appraise.h"

/* data.policy.trust_claims -> set, value, tier of the appraisal. VD_E_POLICY_RESULT. */
vd_rc iss_vector_read(enum vd_policy_state state, vd_span json, struct iss_appraisal *a,
                      vd_err *err);
/* data.policy.extensions -> members of the submod. VD_E_POLICY_RESULT. */
vd_rc iss_extensions_read(enum vd_policy_state state, vd_span json, struct iss_appraisal *a,
                          vd_err *err);
