/* The claim set of a revocation statement behind its signature (brk_revocation_parse), and looking
 * a passport up in it (brk_revocation_check) with the same bytes as its claims. */
#include "broker/passport/revocation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vd_span in = vd_span_of(data, size);
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    VD_AUTO(brk_revocation_unref) struct brk_revocation *r = NULL;
    struct brk_passport p = { .iat = 1800000000, .jti = "AAAAAAAAAAAAAAAAAAAAAA" };
    if (vd_base_init(NULL).code != VD_E_OK ||
        brk_revocation_parse(in, "https://issuer.test", &r, NULL).code != VD_E_OK)
        return 0;
    if (vd_json_parse(in, VD_JSON_LIMITS(size), &doc, NULL).code == VD_E_OK)
        (void)brk_revocation_check(r, &p, vd_json_root(doc), NULL).code;
    return brk_revocation_same(r, r) ? 0 : -1;
}
