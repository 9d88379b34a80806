/* Where the TEE key of a passport is (spec/wire.md 3.5). Trustee takes the first hit; a passport
 * with two candidates is refused here, since policies and release could mean different ones. */
#include "broker/passport/passport.h"
#include "shared/wire/kbs.h"

static const char *const places[] = {
    "/tdx/attester_runtime_data/tee-pubkey",
    "/tdx/attester_user_data/tee-pubkey",
    "/customized_claims/runtime_data/tee-pubkey",
    "/submods/cpu0/" VD_EAR_ANNOTATED "/" VD_EAR_RUNTIME_CLAIMS "/" VD_EAR_TEE_KEY,
    "/tee-pubkey",
};

/* Devices carry the runtime data of the same challenge: the same key or none. */
static vd_rc devices_agree(vd_jv claims, vd_span canonical, vd_err *err)
{
    vd_jv_iter each = vd_jv_iter_of(vd_jv_get(claims, VD_EAR_SUBMODS));
    while (vd_jv_next(&each)) {
        VD_AUTO_BUF text = vd_buf_of(VD_EVIDENCE_MAX);
        vd_jv runtime = vd_jv_get(vd_jv_get(each.value, VD_EAR_ANNOTATED), VD_EAR_RUNTIME_CLAIMS);
        vd_jv key = vd_jv_get(runtime, VD_EAR_TEE_KEY);
        if (vd_jv_is(key, VD_JSON_NONE))
            continue;
        if (vd_kbs_tee_key_canonical(key, &text, NULL).code != VD_E_OK ||
            !vd_span_eq(vd_buf_span(&text), canonical))
            return vd_fail(err, VD_E_PASSPORT_TEE_KEY, "two submods have different TEE keys");
    }
    return VD_OK;
}

vd_rc brk_tee_key_find(vd_jv claims, vd_jv *ret, vd_err *err)
{
    vd_jv found = { 0 };
    size_t n = 0;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        vd_jv v = vd_jv_pointer(claims, places[i]);
        if (vd_jv_is(v, VD_JSON_NONE))
            continue;
        found = v;
        n++;
    }
    if (n == 0)
        return vd_fail(err, VD_E_PASSPORT_TEE_KEY, "it has no TEE key");
    if (n > 1)
        return vd_fail(err, VD_E_PASSPORT_TEE_KEY, "it has TEE keys at %zu places", n);
    VD_AUTO_BUF canonical = vd_buf_of(VD_EVIDENCE_MAX);
    if (vd_kbs_tee_key_canonical(found, &canonical, NULL).code != VD_E_OK)
        return vd_fail(err, VD_E_PASSPORT_TEE_KEY, "its TEE key is no JWK of the KBS protocol");
    VD_TRY(devices_agree(claims, vd_buf_span(&canonical), err));
    *ret = found;
    return VD_OK;
}
