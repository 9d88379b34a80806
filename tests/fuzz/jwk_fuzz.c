/* Targets vd_key_from_jwk_text and vd_jwe_key: a key that is accepted must come back the same from
 * its own JWK, and what can be encrypted to can be sealed to. */
#include <stdlib.h>

#include "shared/crypto/jose.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void round_trip(const struct vd_key *k)
{
    VD_AUTO_BUF text = vd_buf_of(1u << 16);
    VD_AUTO(vd_key_unref) struct vd_key *again = NULL;
    char print[44];
    if (vd_key_to_jwk(k, NULL, &text, NULL).code != VD_E_OK ||
        vd_key_from_jwk_text(vd_buf_span(&text), VD_KEY_ANY, &again, NULL).code != VD_E_OK ||
        !vd_key_same(k, again) || vd_key_thumbprint(again, print, NULL).code != VD_E_OK)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vd_span in = vd_span_of(data, size);
    if (vd_base_init(NULL).code != VD_E_OK)
        abort();
    for (int purpose = VD_KEY_ANY; purpose <= VD_KEY_ENCRYPT; purpose++) {
        VD_AUTO(vd_key_unref) struct vd_key *k = NULL;
        if (vd_key_from_jwk_text(in, (enum vd_key_purpose)purpose, &k, NULL).code != VD_E_OK)
            continue;
        if (purpose != VD_KEY_ANY && vd_key_private(k))
            abort();
        round_trip(k);
    }
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    VD_AUTO(vd_key_unref) struct vd_key *tee = NULL;
    struct vd_jwe_opts opts = { 0 };
    if (vd_json_parse(in, VD_JSON_LIMITS(1u << 16), &doc, NULL).code != VD_E_OK ||
        vd_jwe_key(vd_json_root(doc), true, &opts, &tee, NULL).code != VD_E_OK)
        return 0;
    VD_AUTO_BUF out = vd_buf_of(1u << 16);
    if (vd_jwe_seal(tee, &opts, VD_LIT("x"), &out, NULL).code != VD_E_OK)
        abort();
    return 0;
}
