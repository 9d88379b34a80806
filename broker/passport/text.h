/* Short texts of tokens and entries, copied into fixed fields: printable ASCII only, length named.
 */
#pragma once

#include "shared/base/buf.h"
#include "shared/codec/json.h"

/* Copies a JSON string of 1..max characters of 0x20..0x7e and a NUL into out (max + 1 bytes).
 * `what` names it in the message. VD_E_SETTING. */
vd_rc brk_text_copy(vd_jv v, const char *what, char *out, size_t max, vd_err *err);
/* The same for a C string; an empty one passes with allow_empty. */
vd_rc brk_text_copy_str(const char *s, const char *what, bool allow_empty, char *out, size_t max,
                        vd_err *err);
/* A whole public file (keys, certificates) of at most out->max bytes; links are followed, as
 * mounted configurations are made of them. VD_E_FILE names file and cause. */
vd_rc brk_file_read(const char *path, vd_buf *out, vd_err *err);
