/* Claims of TDX evidence: Trustee's names and types, and ours beside them (docs/tee/tdx.md). */
#pragma once

#include "issuer/tee/tdx/check.h"

/* One JSON object appended; report data, MRCONFIGID (init data) and events are not in it. Without
 * c->result what only certificates and collateral tell is left out. */
vd_rc tdx_claims_write(const struct tdx_case *c, vd_buf *out, vd_err *err);
/* Adds the entry of a verified case to its list. */
vd_rc tdx_claims_add(const struct tdx_case *c, vd_err *err);
