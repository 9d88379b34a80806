/* UTF-8 and JSON string text: the two decoders that parser, reader and writer share. Room-private.
 */
#pragma once

#include "shared/base/buf.h"

enum { VD_CP_BAD = 0x110000 };

/* The code point at *at, which moves behind it. VD_CP_BAD (and *at + 1) on ill-formed UTF-8. */
uint32_t vd_utf8_next(vd_span s, size_t *at);
void vd_utf8_put(vd_buf *out, uint32_t cp);
/* The code point at *at of text between JSON quotes, escapes decoded. The text passed the parser.
 */
uint32_t vd_jtext_next(vd_span text, size_t *at);
/* Decoded UTF-8 as a JSON string with quotes and minimal escapes (RFC 8785 3.2.2.2); ill-formed
 * bytes become U+FFFD. */
void vd_jtext_quote(vd_buf *out, vd_span utf8);
/* Order of two texts between quotes, by code point. */
int vd_jtext_cmp(vd_span a, bool a_escaped, vd_span b, bool b_escaped);
/* The same by UTF-16 code unit (RFC 8785 3.2.3). */
int vd_jtext_cmp16(vd_span a, vd_span b);
/* Shortest ECMAScript form of a finite double (RFC 8785 3.2.2.3). */
void vd_double_put(vd_buf *out, double v);
