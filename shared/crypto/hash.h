/* Digests (OpenSSL, fetched once) and HMAC. */
#pragma once

#include "shared/base/buf.h"

enum vd_hash { VD_SHA256, VD_SHA384, VD_SHA512, VD_SM3, VD_HASH_MAX };
enum { VD_HASH_BYTES_MAX = 64 };

size_t vd_hash_size(enum vd_hash alg);
/* "sha256" etc., as the KBS protocol spells them, any case. VD_E_SYNTAX. */
vd_rc vd_hash_by_name(vd_span name, enum vd_hash *ret, vd_err *err);
const char *vd_hash_name(enum vd_hash alg);
/* Writes vd_hash_size(alg) bytes. */
vd_rc vd_hash_of(enum vd_hash alg, vd_span in, uint8_t *ret, vd_err *err);
/* Several parts, as if concatenated. */
vd_rc vd_hash_parts(enum vd_hash alg, const vd_span *parts, size_t n, uint8_t *ret, vd_err *err);
/* Of the first n bytes and of all of them, read once. */
vd_rc vd_hash_prefix(enum vd_hash alg, vd_span in, size_t n, uint8_t *ret_prefix, uint8_t *ret_all,
                     vd_err *err);
vd_rc vd_hmac(enum vd_hash alg, vd_span key, vd_span in, uint8_t *ret, vd_err *err);
