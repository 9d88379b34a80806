/* Messages of the KBS protocol 0.4.0 and 0.2.0 (spec/wire.md 1.4): parsed forms, and the hash that
 * binds runtime data to evidence. Parsed forms point into the JSON they came from. */
#pragma once

#include "shared/base/buf.h"
#include "shared/codec/json.h"
#include "shared/crypto/hash.h"

enum vd_kbs_version { VD_KBS_0_2_0 = 2, VD_KBS_0_4_0 = 4 };
enum { VD_KBS_AUDIENCES_MAX = 4, VD_KBS_AUDIENCE_BYTES = 128, VD_KBS_DEVICES_MAX = 16 };

/* TEE names with aliases made canonical (azsnpvtpm -> az-snp-vtpm ...). NULL when unknown. Static.
 */
const char *vd_kbs_tee_name(vd_span name);

struct vd_kbs_request {
    enum vd_kbs_version version;
    const char *tee; /* canonical, static */
    vd_jv extra_params;
    char audience[VD_KBS_AUDIENCES_MAX][VD_KBS_AUDIENCE_BYTES + 1];
    size_t n_audience;
};
/* VD_E_AUTH_BODY, VD_E_KBS_VERSION_SYNTAX, VD_E_KBS_VERSION (fills err->client_version),
 * VD_E_TEE_UNKNOWN, VD_E_AUDIENCE. */
vd_rc vd_kbs_request_parse(vd_jv body, struct vd_kbs_request *ret, vd_err *err);

struct vd_kbs_device {
    const char *tee; /* canonical, static */
    vd_jv evidence;
};
struct vd_kbs_attestation {
    enum vd_kbs_version version;
    vd_jv runtime_data; /* 0.4.0: {nonce, tee-pubkey} */
    vd_jv nonce;        /* missing for 0.2.0 */
    vd_jv tee_pubkey;
    bool has_init_data;
    vd_jv init_data_body; /* string; format was toml */
    vd_jv primary;
    vd_jv additional_string;    /* the string as sent; missing for 0.2.0 */
    struct vd_json *additional; /* parsed from the string; owned; NULL when empty */
    vd_buf additional_text;     /* decoded string that `additional` points into */
    struct vd_kbs_device device[VD_KBS_DEVICES_MAX];
    size_t n_devices;
};
/* The body must have the shape of `version` (the sealed one). VD_E_ATTEST_BODY. */
vd_rc vd_kbs_attestation_parse(vd_jv body, enum vd_kbs_version version,
                               struct vd_kbs_attestation *ret, vd_err *err);
void vd_kbs_attestation_done(struct vd_kbs_attestation *a);

/* Shape of a tee-pubkey (known kty, all members strings, alg present) and its canonical JSON with
 * only the known members of its kty: EC alg,crv,kty,x,y - RSA alg,e,kty,n - AKP alg,kty,pub.
 * VD_E_TEE_KEY_SHAPE. */
vd_rc vd_kbs_tee_key_canonical(vd_jv jwk, vd_buf *out, vd_err *err);
/* H(JCS({additional-evidence?, nonce, tee-pubkey})): additional NULL leaves the member out (device,
 * 0.2.0). */
vd_rc vd_kbs_report_data(enum vd_hash alg, vd_span nonce_text, vd_span tee_key_canonical,
                         const vd_span *additional, uint8_t *ret, vd_err *err);
