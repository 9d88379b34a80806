/* Targets iss_vector_read and iss_extensions_read: what a policy of any owner may return.
 * Extensions that are accepted continue a JSON object as they stand and carry none of the reserved
 * names. */
#include <stdlib.h>

#include "issuer/appraise/appraise_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vd_span in = vd_span_of(data, size);
    struct iss_appraisal a = { 0 };
    (void)iss_vector_read(VD_POLICY_DEFINED, in, &a, NULL).code;
    if (iss_extensions_read(VD_POLICY_DEFINED, in, &a, NULL).code == VD_E_OK) {
        VD_AUTO_BUF whole = vd_buf_of(a.extensions.n + 64);
        VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
        vd_buf_str(&whole, "{\"ear.status\":1,\"vidimus\":2");
        vd_buf_add(&whole, vd_buf_span(&a.extensions));
        vd_buf_u8(&whole, '}');
        const struct vd_json_limits limits = { whole.n, 32, 1000000 };
        if (vd_json_parse(vd_buf_span(&whole), &limits, &doc, NULL).code != VD_E_OK)
            abort();
    }
    vd_buf_done(&a.extensions);
    return 0;
}
