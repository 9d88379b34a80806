/* Targets iss_rvps_message, iss_rvps_one, iss_rvps_fixed and iss_refvalue_parse: uploads of
 * reference values. What is accepted is stored in a form that reads back. */
#include <stdlib.h>

#include "issuer/rvps/rvps.h"
#include "shared/base/secret.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct iss_refvalue_set *set)
{
    for (size_t i = 0; i < set->n; i++) {
        ISS_AUTO_REFVALUE v = { 0 };
        if (iss_refvalue_parse(vd_buf_span(&set->body[i]), 0, &v, NULL).code != VD_E_OK ||
            v.value.n == 0)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct vd_limits limits = VD_LIMITS_DEFAULT;
    vd_span in = vd_span_of(data, size);
    ISS_AUTO_REFVALUE_SET message = { 0 };
    ISS_AUTO_REFVALUE_SET one = { 0 };
    ISS_AUTO_REFVALUE body = { 0 };
    VD_AUTO(iss_rvps_free) struct iss_rvps *fixed = NULL;
    if (vd_base_init(NULL).code != VD_E_OK)
        abort();
    if (iss_rvps_message(in, &limits, "", 0, &message, NULL).code == VD_E_OK)
        check(&message);
    if (iss_rvps_one(VD_LIT("a"), in, 0, &limits, "", 0, &one, NULL).code == VD_E_OK)
        check(&one);
    (void)iss_refvalue_parse(in, 0, &body, NULL).code;
    (void)iss_rvps_fixed(in, &limits, &fixed, NULL).code;
    return 0;
}
