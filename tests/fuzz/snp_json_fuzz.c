/* snp_json_parse behind the JSON scan. What it accepts must come back as a report of 1184 bytes
 * that the report parser takes, or refuses for its reserved signature bytes only. */
#include "issuer/tee/snp/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    if (vd_json_parse(vd_span_of(data, size), VD_JSON_LIMITS(65536), &doc, NULL).code != VD_E_OK)
        return 0;
    SNP_AUTO_EVIDENCE e = { 0 };
    if (snp_json_parse(vd_json_root(doc), &e, NULL).code != VD_E_OK)
        return 0;
    struct snp_report r;
    vd_code code = snp_report_parse(vd_span_of(e.report, sizeof e.report), &r, NULL).code;
    if (code != VD_E_OK && code != VD_E_BAD_EVIDENCE)
        __builtin_trap();
    return 0;
}
