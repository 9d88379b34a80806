/* Bundles of collateral: iss_bundle_is, iss_bundle_read, and what is read inside of the payload as
 * if its signature were good. */
#include "issuer/collateral/bundle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static vd_rc take(void *ctx, const struct iss_bundle_item *item, vd_err *err)
{
    (void)err;
    *(size_t *)ctx += item->bytes.n + item->key.n;
    return VD_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vd_span in = vd_span_of(data, size);
    size_t n = 0;
    (void)iss_bundle_is(in);
    (void)iss_bundle_read(in, NULL, take, &n, NULL).code;
    (void)iss_bundle_read_payload(in, take, &n, NULL).code;
    return 0;
}
