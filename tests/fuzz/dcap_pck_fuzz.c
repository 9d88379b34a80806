/* dcap_pck_parse: the SGX extension of PCK certificates, DER. */
#include "issuer/tee/dcap/pck.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vd_span in = vd_span_of(data, size);
    struct dcap_pck p;
    if (dcap_pck_parse(in, &p, NULL).code == VD_E_OK) {
        /* strict: a shorter or longer text is none */
        struct dcap_pck other;
        if (dcap_pck_parse(vd_span_part(in, 0, size - 1), &other, NULL).code == VD_E_OK)
            __builtin_trap();
        if (!p.has_platform && !vd_span_zero(vd_span_of(p.instance_id, sizeof p.instance_id)))
            __builtin_trap();
    }
    return 0;
}
