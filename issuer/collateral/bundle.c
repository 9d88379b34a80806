/* Writing and reading bundles; see bundle.h. */
#include "issuer/collateral/bundle.h"

#include "issuer/collateral/collateral.h"
#include "shared/base/clock.h"
#include "shared/base/secret.h"
#include "shared/codec/b64.h"
#include "shared/crypto/hash.h"
#include "shared/crypto/jose.h"

enum { HEADER_BYTES = 4096, NODES = 200000, HASH = 32 };

static bool alg_of(const struct vd_key *key, enum vd_sig *ret)
{
    switch ((int)vd_key_type(key)) {
    case VD_KTY_P256:
        *ret = VD_SIG_ES256;
        return true;
    case VD_KTY_P384:
        *ret = VD_SIG_ES384;
        return true;
    case VD_KTY_ED25519:
        *ret = VD_SIG_EDDSA;
        return true;
    default:
        return false;
    }
}

vd_rc iss_bundle_key(const char *file, struct vd_key **ret, vd_err *err)
{
    VD_AUTO_SECRET pem = { 0 };
    vd_err why = { 0 };
    if (vd_secret_read_file(file, 65536, true, &pem, &why).code != VD_E_OK)
        return vd_fail(err, VD_E_CONFIG, "%s", why.msg);
    if (vd_key_from_pem(vd_secret_span(&pem), ret, &why).code != VD_E_OK)
        return vd_fail(err, VD_E_CONFIG, "%s: holds no private key in PEM: %s", file, why.msg);
    return VD_OK;
}

/* ---- writing -----------------------------------------------------------------------------------
 */

/* Positions in order of expiry: what ends first is what an operator must look at first. */
static vd_rc by_expiry(const struct iss_bundle_item *item, size_t n, size_t **ret, vd_err *err)
{
    VD_AUTO(free) size_t *at = calloc(n ? n : 1, sizeof *at);
    if (!at)
        return vd_fail(err, VD_E_NOMEM, "bundle");
    for (size_t i = 0; i < n; i++) {
        size_t k = i;
        for (; k > 0 && item[at[k - 1]].expires > item[i].expires; k--)
            at[k] = at[k - 1];
        at[k] = i;
    }
    *ret = VD_TAKE(at);
    return VD_OK;
}

static vd_rc put_item(vd_jw *w, const struct iss_bundle_item *item, vd_err *err)
{
    uint8_t digest[HASH];
    VD_TRY(vd_hash_of(VD_SHA256, item->bytes, digest, err));
    vd_jw_obj(w);
    vd_jw_kspan(w, "kind", item->kind);
    vd_jw_kspan(w, "key", item->key);
    if (item->expires != INT64_MAX) {
        vd_jw_key(w, "expires");
        vd_jw_time(w, item->expires);
    }
    vd_jw_khex(w, "sha256", vd_span_of(digest, sizeof digest));
    vd_jw_key(w, "data");
    vd_jw_b64(w, item->bytes, VD_B64_URL);
    vd_jw_end(w);
    return VD_OK;
}

static vd_rc put_payload(vd_jw *w, const struct iss_bundle_item *item, size_t n, int64_t now,
                         vd_err *err)
{
    VD_AUTO(free) size_t *at = NULL;
    VD_TRY(by_expiry(item, n, &at, err));
    vd_jw_obj(w);
    vd_jw_ku64(w, "v", 1);
    vd_jw_key(w, "created");
    vd_jw_time(w, now);
    vd_jw_key(w, "stops");
    vd_jw_arr(w);
    for (size_t i = 0; i < n; i++) {
        const struct iss_bundle_item *it = &item[at[i]];
        if (it->expires == INT64_MAX)
            continue;
        vd_jw_obj(w);
        vd_jw_key(w, "at");
        vd_jw_time(w, it->expires);
        vd_jw_kspan(w, "what", it->about);
        vd_jw_end(w);
    }
    vd_jw_end(w);
    vd_jw_key(w, "items");
    vd_jw_arr(w);
    for (size_t i = 0; i < n; i++)
        VD_TRY(put_item(w, &item[at[i]], err));
    vd_jw_end(w);
    vd_jw_end(w);
    return VD_OK;
}

vd_rc iss_bundle_write(const struct iss_bundle_item *item, size_t n, int64_t now,
                       const struct vd_key *key, vd_buf *ret, vd_err *err)
{
    enum vd_sig alg;
    if (!vd_key_private(key) || !alg_of(key, &alg))
        return vd_fail(err, VD_E_CONFIG,
                       "a bundle is signed with a private key of type P-256, P-384 or Ed25519");
    VD_AUTO_BUF payload = vd_buf_of((size_t)ISS_BUNDLE_BYTES_MAX / 4 * 3);
    VD_AUTO_BUF header = vd_buf_of(HEADER_BYTES);
    VD_AUTO_BUF jwk = vd_buf_of(HEADER_BYTES);
    vd_jw w = vd_jw_of(&payload);
    VD_TRY(put_payload(&w, item, n, now, err));
    VD_TRY(vd_buf_check(&payload, err));
    VD_TRY(vd_key_to_jwk(key, NULL, &jwk, err));
    vd_jw h = vd_jw_of(&header);
    vd_jw_obj(&h);
    vd_jw_kstr(&h, "alg", vd_jws_alg_name(alg));
    vd_jw_kstr(&h, "typ", ISS_BUNDLE_TYP);
    vd_jw_key(&h, "jwk");
    vd_jw_raw(&h, vd_buf_span(&jwk));
    vd_jw_end(&h);
    VD_TRY(vd_buf_check(&header, err));
    VD_TRY(vd_jws_sign_key(vd_buf_span(&header), vd_buf_span(&payload), key, alg, ret, err));
    vd_buf_u8(ret, '\n');
    return vd_buf_check(ret, err);
}

/* ---- reading -----------------------------------------------------------------------------------
 */

static vd_span without_line_end(vd_span s)
{
    while (s.n > 0 && (s.p[s.n - 1] == '\n' || s.p[s.n - 1] == '\r'))
        s.n--;
    return s;
}

/* Base64url of `{"`, and two dots further on: no other file of collateral looks so. */
bool iss_bundle_is(vd_span bytes)
{
    vd_span s = without_line_end(bytes);
    size_t dots = 0;
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];
        bool text = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '-' || c == '_';
        if (c != '.' && !text)
            return false;
        dots += c == '.';
    }
    return dots == 2 && vd_span_starts(s, VD_LIT("eyJ"));
}

static vd_rc check_signature(const struct vd_jws *j, const struct vd_key *signer, vd_err *err)
{
    VD_AUTO(vd_key_unref) struct vd_key *own = NULL;
    vd_err cause = { 0 };
    if (!vd_jv_str_eq(j->typ, ISS_BUNDLE_TYP))
        return vd_fail(err, VD_E_SYNTAX, "is a signed file, but no bundle of collateral");
    if (vd_key_from_jwk(j->jwk, VD_KEY_VERIFY, &own, &cause).code != VD_E_OK)
        return vd_fail(err, VD_E_SYNTAX, "bundle: its key: %s", cause.msg);
    if (signer && !vd_key_same(signer, own))
        return vd_fail(err, VD_E_SIG, "bundle: signed by another key than collateral.bundle_key");
    enum vd_sig alg;
    if (!alg_of(own, &alg))
        return vd_fail(err, VD_E_SIG, "bundle: its key is of no type that signs bundles");
    if (vd_jws_verify(j, own, alg, &cause).code != VD_E_OK)
        return vd_fail(err, VD_E_SIG, "bundle: %s", cause.msg);
    return VD_OK;
}

static vd_rc read_item(vd_jv v, iss_bundle_take take, void *ctx, vd_err *err)
{
    VD_AUTO_BUF kind = vd_buf_of(64);
    VD_AUTO_BUF key = vd_buf_of(ISS_COLLATERAL_KEY_MAX);
    VD_AUTO_BUF data = vd_buf_of(ISS_COLLATERAL_BYTES_MAX);
    VD_AUTO_BUF sum = vd_buf_of(HASH);
    VD_AUTO_BUF digits = vd_buf_of((size_t)2 * HASH);
    uint8_t digest[HASH];
    VD_TRY(vd_jv_str(vd_jv_get(v, "kind"), &kind, err));
    VD_TRY(vd_jv_str(vd_jv_get(v, "key"), &key, err));
    VD_TRY(vd_jv_b64(vd_jv_get(v, "data"), VD_B64_URL, &data, err));
    VD_TRY(vd_jv_str(vd_jv_get(v, "sha256"), &digits, err));
    VD_TRY(vd_hex_decode(vd_buf_span(&digits), &sum, err));
    VD_TRY(vd_hash_of(VD_SHA256, vd_buf_span(&data), digest, err));
    if (!vd_span_eq(vd_buf_span(&sum), vd_span_of(digest, sizeof digest)))
        return vd_fail(err, VD_E_SYNTAX, "bundle: an item has another digest than it names");
    struct iss_bundle_item item = { .kind = vd_buf_span(&kind),
                                    .key = vd_buf_span(&key),
                                    .bytes = vd_buf_span(&data),
                                    .expires = INT64_MAX };
    vd_jv until = vd_jv_get(v, "expires");
    if (vd_jv_ok(until))
        VD_TRY(vd_time_parse(vd_jv_str_raw(until), &item.expires, err));
    return take(ctx, &item, err);
}

vd_rc iss_bundle_read_payload(vd_span payload, iss_bundle_take take, void *ctx, vd_err *err)
{
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    const struct vd_json_limits limits = { ISS_BUNDLE_BYTES_MAX, 8, NODES };
    uint64_t version = 0;
    VD_TRY(vd_json_parse(payload, &limits, &doc, err));
    vd_jv root = vd_json_root(doc);
    vd_jv items = vd_jv_get(root, "items");
    if (vd_jv_u64(vd_jv_get(root, "v"), UINT32_MAX, &version, NULL).code != VD_E_OK ||
        version != 1 || !vd_jv_is(items, VD_JSON_ARRAY))
        return vd_fail(err, VD_E_SYNTAX, "bundle: of a version that is not known here");
    vd_jv_iter it = vd_jv_iter_of(items);
    while (vd_jv_next(&it))
        VD_TRY(read_item(it.value, take, ctx, err));
    return VD_OK;
}

vd_rc iss_bundle_read(vd_span bytes, const struct vd_key *signer, iss_bundle_take take, void *ctx,
                      vd_err *err)
{
    VD_AUTO(vd_jws_free) struct vd_jws *j = NULL;
    VD_TRY(vd_jws_parse(without_line_end(bytes), ISS_BUNDLE_BYTES_MAX, &j, err));
    VD_TRY(check_signature(j, signer, err));
    return iss_bundle_read_payload(vd_buf_span(&j->payload), take, ctx, err);
}
