/* Signed JSON documents; see signed.h. */
#include "issuer/tee/dcap/signed.h"

#include "shared/codec/b64.h"

const struct vd_json_limits dcap_json_limits = { DCAP_DOCUMENT_MAX, 32, 100000 };

vd_rc dcap_signed_open(vd_span body, const char *member, struct vd_json **ret, vd_jv *ret_inner,
                       uint8_t ret_signature[64], vd_err *err)
{
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    vd_err cause = { 0 };
    vd_rc_ rc = vd_json_parse(body, &dcap_json_limits, &doc, &cause);
    if (rc.code == VD_E_NOMEM)
        return vd_fail(err, rc.code, "%s", cause.msg);
    if (rc.code != VD_E_OK)
        return vd_fail(err, VD_E_COLLATERAL_SYNTAX, "collateral: %s: %s", member, cause.msg);
    vd_jv root = vd_json_root(doc);
    vd_jv inner = vd_jv_get(root, member);
    vd_jv sig = vd_jv_get(root, "signature");
    if (!vd_jv_is(root, VD_JSON_OBJECT) || !vd_jv_is(inner, VD_JSON_OBJECT))
        return vd_fail(err, VD_E_COLLATERAL_SYNTAX, "collateral: no object \"%s\"", member);
    VD_AUTO_BUF raw = vd_buf_of(64);
    if (!vd_jv_is(sig, VD_JSON_STRING) ||
        vd_hex_decode(vd_jv_str_raw(sig), &raw, NULL).code != VD_E_OK || raw.n != 64)
        return vd_fail(err, VD_E_COLLATERAL_SYNTAX,
                       "collateral: %s: \"signature\" is not 128 hexadecimal digits", member);
    for (size_t i = 0; i < raw.n; i++)
        ret_signature[i] = raw.p[i];
    *ret_inner = inner;
    *ret = VD_TAKE(doc);
    return VD_OK;
}

vd_rc dcap_signed_split(vd_span body, const char *member, vd_span *ret_inner,
                        uint8_t ret_signature[64], vd_err *err)
{
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    vd_jv inner;
    VD_TRY(dcap_signed_open(body, member, &doc, &inner, ret_signature, err));
    *ret_inner = vd_jv_raw(inner);
    return VD_OK;
}

vd_rc dcap_signed_verify(vd_span inner, const uint8_t signature[64], const struct vd_key *key,
                         vd_err *err)
{
    vd_rc_ rc = vd_verify(key, VD_SIG_ES256, inner, vd_span_of(signature, 64), NULL);
    if (rc.code != VD_E_OK)
        return vd_fail(err, VD_E_COLLATERAL_SIG,
                       "collateral: the document's signature does not verify");
    return VD_OK;
}
