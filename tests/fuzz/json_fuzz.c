/* Targets vd_json_parse, the readers, vd_json_canonical and vd_json_compact: what is accepted must
 * come back the same from its own canonical and compact form. */
#include <stdlib.h>

#include "shared/codec/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(vd_jv v, vd_buf *scratch)
{
    uint64_t u = 0;
    double d = 0;
    vd_buf_reset(scratch);
    (void)vd_jv_u64(v, UINT64_MAX, &u, NULL).code;
    (void)vd_jv_double(v, &d, NULL).code;
    (void)vd_jv_str(v, scratch, NULL).code;
    (void)vd_jv_get(v, "a").at;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vd_json *j = NULL;
    if (vd_json_parse(vd_span_of(data, size), VD_JSON_LIMITS(1u << 20), &j, NULL).code != VD_E_OK)
        return 0;
    VD_AUTO_BUF a = vd_buf_of(16u << 20);
    VD_AUTO_BUF b = vd_buf_of(16u << 20);
    VD_AUTO_BUF scratch = vd_buf_of(1u << 20);
    for (uint32_t at = 0; at < j->n; at++)
        walk((vd_jv){ j, at }, &scratch);
    bool canonical = vd_json_canonical(vd_json_root(j), &a, NULL).code == VD_E_OK;
    if (vd_json_compact(vd_json_root(j), &b, NULL).code != VD_E_OK)
        abort();
    vd_json_free(j);
    if (!canonical)
        return 0;
    j = NULL;
    if (vd_json_parse(vd_buf_span(&a), VD_JSON_LIMITS(16u << 20), &j, NULL).code != VD_E_OK)
        abort();
    vd_buf_reset(&b);
    if (vd_json_canonical(vd_json_root(j), &b, NULL).code != VD_E_OK ||
        !vd_span_eq(vd_buf_span(&a), vd_buf_span(&b)))
        abort();
    vd_json_free(j);
    return 0;
}
