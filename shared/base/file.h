/* Making small files that must be whole and durable once they exist (keys, salts), and asking
 * whether a name is taken. Reading: slurp.h for public files, vd_secret_read_file for private ones.
 */
#pragma once

#include "shared/base/err.h"

/* A new owner-only file (0600) with these bytes: file and folder are synced before the return.
 * VD_E_EXISTS when anything has that name; VD_E_FILE. A half-written file is removed again. */
vd_rc vd_file_create(const char *path, vd_span bytes, vd_err *err);
/* Gives a finished and synced file its final name and makes that durable. VD_E_EXISTS: somebody
 * else has the name. `from` is gone afterwards, whatever the result. */
vd_rc vd_file_publish(const char *from, const char *path, vd_err *err);
/* Is there anything under this name (a dangling link counts)? */
bool vd_file_exists(const char *path);
