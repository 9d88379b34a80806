/* Public files whole: certificates, evidence, policies. Secrets are read by vd_secret_read_file. */
#pragma once

#include "shared/base/buf.h"

/* Appends the file's bytes, at most max of them. VD_E_NOT_FOUND: there is none; VD_E_TOO_LARGE;
 * VD_E_FILE. The message names the file. ret_mtime (may be NULL): seconds of its last change. */
vd_rc vd_file_read(const char *path, size_t max, vd_buf *out, int64_t *ret_mtime, vd_err *err);
