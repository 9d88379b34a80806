/* SHA-256 of a session cookie -> the passport that the relayed handshake ended with (SHAPES 12).
 * Bounded in entries and bytes; an entry lives to the end of its passport; when full, the one
 * nearest its end goes. */
#pragma once

#include "shared/base/auto.h"
#include "shared/base/buf.h"

struct brk_cookies;                                                /* thread safe */
struct brk_cookies *brk_cookies_new(size_t entries, size_t bytes); /* NULL: no memory */
void brk_cookies_free(struct brk_cookies *c);
VD_DEFINE_CLEANUP(struct brk_cookies, brk_cookies_free)

vd_rc brk_cookies_put(struct brk_cookies *c, vd_span cookie, vd_span token, int64_t exp,
                      int64_t now, vd_err *err);
/* Appends the token; false when there is none or it has ended. */
bool brk_cookies_get(struct brk_cookies *c, vd_span cookie, int64_t now, vd_buf *ret_token);
size_t brk_cookies_count(struct brk_cookies *c);
