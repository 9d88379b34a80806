/* Targets vd_jws_parse and vd_jws_verify with the keys of RFC 7515 A.3 and RFC 8037 A.4. An
 * accepted token must be the exact encoding of its parts: no two texts stand for one token. */
#include <stdlib.h>

#include "shared/codec/b64.h"
#include "shared/crypto/jose.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define EC_JWK                                                                                     \
    "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","     \
    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}"
#define ED_JWK                                                                                     \
    "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}"

static void verify(const struct vd_jws *j, vd_span jwk)
{
    VD_AUTO(vd_key_unref) struct vd_key *k = NULL;
    if (vd_key_from_jwk_text(jwk, VD_KEY_VERIFY, &k, NULL).code != VD_E_OK)
        abort();
    for (int alg = 0; alg < VD_SIG_MAX; alg++)
        (void)vd_jws_verify(j, k, (enum vd_sig)alg, NULL).code;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vd_span in = vd_span_of(data, size);
    VD_AUTO(vd_jws_free) struct vd_jws *j = NULL;
    if (vd_base_init(NULL).code != VD_E_OK)
        abort();
    if (vd_jws_parse(in, 1u << 16, &j, NULL).code != VD_E_OK)
        return 0;
    VD_AUTO_BUF again = vd_buf_of(1u << 17);
    vd_b64_encode(vd_buf_span(&j->header_text), VD_B64_URL, &again);
    vd_buf_u8(&again, '.');
    vd_b64_encode(vd_buf_span(&j->payload), VD_B64_URL, &again);
    if (!vd_span_eq(vd_buf_span(&again), j->signing_input))
        abort();
    vd_buf_u8(&again, '.');
    vd_b64_encode(vd_buf_span(&j->signature), VD_B64_URL, &again);
    if (!vd_span_eq(vd_buf_span(&again), in) || !vd_jv_is(j->alg, VD_JSON_STRING))
        abort();
    verify(j, VD_LIT(EC_JWK));
    verify(j, VD_LIT(ED_JWK));
    return 0;
}
