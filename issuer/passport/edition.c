/* Numbers of published documents, which only grow: brokers refuse older ones. The number is stored
 * before the document is shown. */
#include "issuer/passport/edition.h"

#include "shared/codec/json.h"
#include "shared/crypto/hash.h"

enum { VALUE_BYTES = 256 };

static bool read_value(vd_span text, struct iss_edition *ret)
{
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    VD_AUTO_BUF sum = vd_buf_of(64);
    if (vd_json_parse(text, VD_JSON_LIMITS(VALUE_BYTES), &doc, NULL).code != VD_E_OK)
        return false;
    vd_jv v = vd_json_root(doc);
    if (vd_jv_u64(vd_jv_get(v, "seq"), INT64_MAX, &ret->seq, NULL).code != VD_E_OK ||
        vd_jv_i64(vd_jv_get(v, "iat"), &ret->iat, NULL).code != VD_E_OK ||
        vd_jv_str(vd_jv_get(v, "sha256"), &sum, NULL).code != VD_E_OK || sum.n != 64)
        return false;
    (void)snprintf(ret->sha256, sizeof ret->sha256, "%s", vd_buf_cstr(&sum));
    return true;
}

vd_rc iss_edition_of(struct vd_store *s, const char *name, vd_span content, int64_t now,
                     struct iss_edition *ret, vd_err *err)
{
    uint8_t digest[32];
    struct iss_edition e = { 0 };
    vd_err why = { 0 };
    VD_AUTO_BUF value = vd_buf_of(VALUE_BYTES);
    VD_AUTO_BUF hex = vd_buf_of(80);
    vd_rc_ rc = vd_store_meta_get(s, name, &value, &why);
    if (rc.code != VD_E_OK && rc.code != VD_E_NOT_FOUND)
        return vd_fail(err, rc.code, "%s", why.msg);
    if (rc.code == VD_E_OK && !read_value(vd_buf_span(&value), &e))
        return vd_fail(err, VD_E_STORE_CORRUPT, "the stored number of %s is not readable", name);
    VD_TRY(vd_hash_of(VD_SHA256, content, digest, err));
    for (size_t i = 0; i < sizeof digest; i++)
        vd_buf_printf(&hex, "%02x", digest[i]);
    VD_TRY(vd_buf_check(&hex, err));
    if (e.seq == 0 || !vd_span_eq_str(vd_buf_span(&hex), e.sha256)) {
        e.seq++;
        e.iat = now > e.iat ? now : e.iat;
        (void)snprintf(e.sha256, sizeof e.sha256, "%s", vd_buf_cstr(&hex));
        vd_buf_reset(&value);
        vd_buf_printf(&value, "{\"seq\":%llu,\"iat\":%lld,\"sha256\":\"%s\"}",
                      (unsigned long long)e.seq, (long long)e.iat, e.sha256);
        VD_TRY(vd_buf_check(&value, err));
        VD_TRY(vd_store_meta_put(s, name, vd_buf_span(&value), err));
    }
    *ret = e;
    return VD_OK;
}
