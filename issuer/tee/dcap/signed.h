/* Intel's signed JSON documents: {"<member>":{...},"signature":"<128 hex digits>"}. The signature
 * is over the bytes of the member as they stand, so those are found, verified, and parsed; nothing
 * is ever written again to be verified. */
#pragma once

#include "shared/codec/json.h"
#include "shared/crypto/key.h"

enum { DCAP_DOCUMENT_MAX = 1 << 20 };
/* For texts of Intel's documents: 1 MiB, depth 32. */
extern const struct vd_json_limits dcap_json_limits;

/* Spans into body. VD_E_COLLATERAL_SYNTAX. */
vd_rc dcap_signed_split(vd_span body, const char *member, vd_span *ret_inner,
                        uint8_t ret_signature[64], vd_err *err);
/* The same with the tape, so that the member is read from it and not scanned again. */
vd_rc dcap_signed_open(vd_span body, const char *member, struct vd_json **ret, vd_jv *ret_inner,
                       uint8_t ret_signature[64], vd_err *err);
/* ECDSA P-256 with SHA-256. VD_E_COLLATERAL_SIG. */
vd_rc dcap_signed_verify(vd_span inner, const uint8_t signature[64], const struct vd_key *key,
                         vd_err *err);
