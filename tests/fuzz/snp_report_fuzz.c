/* snp_report_parse, and the whole driver over raw bytes without a certificate: nothing may crash,
 * and nothing that parses may be accepted. */
#include "issuer/tee/snp/snp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct snp *driver;
    if (!driver) {
        const struct snp_cfg cfg = { .allow_v2 = true, .max_vmpl = 3, .chain_cache = 4 };
        if (snp_new(&cfg, &driver, NULL).code != VD_E_OK)
            __builtin_trap();
    }
    if (size == 0)
        return 0;
    VD_AUTO(iss_claims_list_free) struct iss_claims_list *list = iss_claims_list_new();
    struct iss_evidence in = { .raw = vd_span_of(data, size), .now = 1780272000 };
    if (list && snp_verify(driver, &in, list, NULL).code == VD_E_OK)
        __builtin_trap();
    return 0;
}
