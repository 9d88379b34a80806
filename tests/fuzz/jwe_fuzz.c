/* Targets vd_jwe_open and vd_jwe_open_compact with Bob's key of RFC 7518 appendix C. */
#include <stdlib.h>

#include "shared/crypto/jose.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BOB                                                                                        \
    "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ\","     \
    "\"y\":\"e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck\",\"d\":"                                 \
    "\"VEmDZpDXXK8p8N0Cndsxs924q6nS1RXFASRl6BfUqdw\"}"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vd_span in = vd_span_of(data, size);
    VD_AUTO(vd_key_unref) struct vd_key *bob = NULL;
    VD_AUTO_SECRET a = { 0 };
    VD_AUTO_SECRET b = { 0 };
    if (vd_base_init(NULL).code != VD_E_OK ||
        vd_key_from_jwk_text(VD_LIT(BOB), VD_KEY_ANY, &bob, NULL).code != VD_E_OK)
        abort();
    bool flat = vd_jwe_open(bob, in, &a, NULL).code == VD_E_OK;
    bool compact = vd_jwe_open_compact(bob, in, &b, NULL).code == VD_E_OK;
    if (flat && compact)
        abort();
    return 0;
}
