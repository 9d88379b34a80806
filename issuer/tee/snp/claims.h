/* Claims of SNP evidence: Trustee's names and types, and ours beside them (docs list them). */
#pragma once

#include "issuer/tee/snp/check.h"

/* One JSON object appended; report_data and host data are not in it. c->trust may be NULL for
 * claims that are shown as unverified: what only a certificate tells is left out then. */
vd_rc snp_claims_write(const struct snp_case *c, vd_buf *out, vd_err *err);
/* Adds the entry of a verified case to its list. */
vd_rc snp_claims_add(const struct snp_case *c, vd_err *err);
