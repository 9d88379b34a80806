/* Background check: /kbs/v0/auth and /kbs/v0/attest handed to one trusted issuer, for guests that
 * know one URL (SHAPES 12). */
#pragma once

#include "shared/http/client.h"
#include "shared/program/config.h"

struct brk_relay; /* thread safe */
/* From [relay]; *ret is NULL when it is not configured. `audience` is the broker's own first name
 * or NULL. */
vd_rc brk_relay_new(const struct vd_config *c, const struct vd_limits *limits, const char *audience,
                    struct brk_relay **ret, vd_err *err);
void brk_relay_free(struct brk_relay *r);
/* [relay] as far as it can be checked without the state. VD_E_CONFIG. */
vd_rc brk_relay_check(const struct vd_config *c, vd_err *err);
const char *brk_relay_issuer(const struct brk_relay *r); /* name of the trusted issuer */
/* The passport that belongs to a session cookie, appended; false when there is none. */
bool brk_relay_token(struct brk_relay *r, vd_span cookie, int64_t now, vd_buf *ret_token);

/* Body of /auth with our audience in extra-params.vidimus-audience, when extra-params is an object;
 * as it came otherwise. VD_E_AUTH_BODY. */
vd_rc brk_relay_auth_body(vd_span body, const char *audience, vd_buf *out, vd_err *err);
/* Value and Max-Age (seconds) of kbs-session-id in the raw header lines of an answer; empty when
 * there is none, or when the value is not of the characters of a cookie. */
vd_span brk_relay_cookie_of(vd_span head, uint64_t *ret_max_age);
