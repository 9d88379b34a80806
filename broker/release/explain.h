/* Why was it denied? What the owner reads at /api/v1/decisions/{id}: resource, policy, passport,
 * what the passport says about each device, and which of the usual conditions do not hold. No
 * secrets, no tokens, no evidence but a launch measurement. */
#pragma once

#include "broker/release/decide.h"

/* use: NULL or without policy when none was evaluated. Appends one JSON object. */
void brk_explain(const struct brk_ask *ask, const struct brk_policy_use *use, const char *decision,
                 const vd_err *why, vd_buf *out);
