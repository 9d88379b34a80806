/* Targets iss_init_data_parse: whatever a guest calls init data. What is accepted has claims that
 * are one JSON object without repeated names, shallow enough for every reader of a passport. */
#include <stdlib.h>

#include "issuer/appraise/initdata.h"
#include "shared/codec/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ISS_AUTO_INIT_DATA d = { 0 };
    if (iss_init_data_parse(vd_span_of(data, size), &d, NULL).code != VD_E_OK)
        return 0;
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    const struct vd_json_limits limits = { d.claims.n, 26, 1000000 };
    if (vd_json_parse(vd_buf_span(&d.claims), &limits, &doc, NULL).code != VD_E_OK ||
        d.digest_n == 0)
        abort();
    return 0;
}
