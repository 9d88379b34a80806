/* Whole small files that are no secrets: configuration, public keys, policies. Links are followed,
 * because configuration managers mount files as links; private files go through secret.h. */
#pragma once

#include "shared/base/buf.h"

/* Appends a regular file (or a pipe) of at most max bytes. VD_E_FILE names the file and the cause. */
vd_rc vd_file_read(const char *path, size_t max, vd_buf *ret, vd_err *err);
/* Is there anything under this name (a dangling link counts)? */
bool vd_file_exists(const char *path);
