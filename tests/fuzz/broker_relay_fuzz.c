/* What the relay and the release read of strangers besides passports: the body of /auth, the head
 * of an issuer's answer, and the query of a resource. */
#include "broker/api/relay.h"
#include "broker/release/decide.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct vd_resource_id id = { "repo", "type", "tag" };
    vd_span in = vd_span_of(data, size);
    uint64_t age = 0;
    VD_AUTO_BUF body = vd_buf_of(1 << 20);
    VD_AUTO_BUF document = vd_buf_of(1 << 20);
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    if (vd_base_init(NULL).code != VD_E_OK)
        return 0;
    if (brk_relay_auth_body(in, "broker", &body, NULL).code == VD_E_OK &&
        vd_json_parse(vd_buf_span(&body), VD_JSON_LIMITS(1 << 20), &doc, NULL).code != VD_E_OK)
        __builtin_trap(); /* what was JSON must still be JSON */
    vd_span cookie = brk_relay_cookie_of(in, &age);
    for (size_t i = 0; i < cookie.n; i++)
        if (cookie.p[i] <= 0x20 || cookie.p[i] >= 0x7f || cookie.p[i] == ';')
            __builtin_trap();
    VD_AUTO(vd_json_free) struct vd_json *data_doc = NULL;
    if (brk_data_document(&id, in, &document, NULL).code == VD_E_OK &&
        vd_json_parse(vd_buf_span(&document), VD_JSON_LIMITS(1 << 20), &data_doc, NULL).code !=
            VD_E_OK)
        __builtin_trap(); /* two names that differ may not become one, nor break the document */
    return 0;
}
