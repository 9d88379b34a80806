/* Base64 (RFC 4648), strict: no white space, no foreign characters, zero trailing bits. Also hex.
 */
#pragma once

#include "shared/base/buf.h"

enum vd_b64_form {
    VD_B64_STD,       /* + and /, padded */
    VD_B64_URL,       /* - and _, no padding (JOSE) */
    VD_B64_URL_PAD,   /* - and _, padded */
    VD_B64_STD_NOPAD, /* + and /, no padding */
};

void vd_b64_encode(vd_span in, enum vd_b64_form form, vd_buf *out);
/* Appends to out. VD_E_SYNTAX; out is unchanged on failure. */
vd_rc vd_b64_decode(vd_span text, enum vd_b64_form form, vd_buf *out, vd_err *err);
/* Decodes exactly n bytes into p. VD_E_SYNTAX when the text is another length. */
vd_rc vd_b64_decode_exact(vd_span text, enum vd_b64_form form, uint8_t *p, size_t n, vd_err *err);

void vd_hex_encode(vd_span in, vd_buf *out); /* lower case */
/* Either case, even number of digits. VD_E_SYNTAX. */
vd_rc vd_hex_decode(vd_span text, vd_buf *out, vd_err *err);
