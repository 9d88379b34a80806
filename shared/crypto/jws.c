/* JWS (RFC 7515), compact form only: taken apart strictly in one pass, verified with the algorithm
 * and the key that the caller names, made with exact header bytes. HMAC and "none" do not exist
 * here. */
#include "shared/codec/b64.h"
#include "shared/crypto/jose.h"

static const char *const names[] = {
    [VD_SIG_ES256] = "ES256", [VD_SIG_ES384] = "ES384", [VD_SIG_ES512] = "ES512",
    [VD_SIG_EDDSA] = "EdDSA", [VD_SIG_RS256] = "RS256", [VD_SIG_PS256] = "PS256",
    [VD_SIG_PS384] = "PS384",
};
_Static_assert(sizeof names / sizeof names[0] == VD_SIG_MAX, "one name for each algorithm");

vd_rc vd_jws_alg_by_name(vd_span name, enum vd_sig *ret, vd_err *err)
{
    for (size_t i = 0; i < VD_SIG_MAX; i++) {
        if (vd_span_eq_str(name, names[i])) {
            *ret = (enum vd_sig)i;
            return VD_OK;
        }
    }
    return vd_fail(err, VD_E_SYNTAX,
                   "signature algorithm is none of ES256 ES384 ES512 EdDSA RS256 PS256 PS384");
}

const char *vd_jws_alg_name(enum vd_sig alg)
{
    return alg < VD_SIG_MAX ? names[alg] : "";
}

void vd_jws_free(struct vd_jws *j)
{
    if (!j)
        return;
    vd_json_free(j->header);
    vd_buf_done(&j->header_text);
    vd_buf_done(&j->payload);
    vd_buf_done(&j->signature);
    free(j);
}

static vd_rc optional(vd_jv header, const char *name, enum vd_json_type type, vd_jv *ret,
                      vd_err *err)
{
    *ret = vd_jv_get(header, name);
    if (vd_jv_ok(*ret) && !vd_jv_is(*ret, type))
        return vd_fail(err, VD_E_SYNTAX, "JWS header: %s has the wrong type", name);
    return VD_OK;
}

static vd_rc read_header(struct vd_jws *j, vd_err *err)
{
    vd_span text = vd_buf_span(&j->header_text);
    VD_TRY(vd_json_parse(text, VD_JSON_LIMITS(text.n), &j->header, err));
    vd_jv header = vd_json_root(j->header);
    if (!vd_jv_is(header, VD_JSON_OBJECT))
        return vd_fail(err, VD_E_SYNTAX, "JWS header: not an object");
    /* We have no extension to understand (RFC 7515 4.1.11), and b64 changes what is signed (RFC
     * 7797). */
    if (vd_jv_ok(vd_jv_get(header, "crit")) || vd_jv_ok(vd_jv_get(header, "b64")))
        return vd_fail(err, VD_E_SYNTAX, "JWS header: crit and b64 are not taken");
    VD_TRY(optional(header, "alg", VD_JSON_STRING, &j->alg, err));
    VD_TRY(optional(header, "kid", VD_JSON_STRING, &j->kid, err));
    VD_TRY(optional(header, "typ", VD_JSON_STRING, &j->typ, err));
    VD_TRY(optional(header, "jwk", VD_JSON_OBJECT, &j->jwk, err));
    if (!vd_jv_ok(j->alg))
        return vd_fail(err, VD_E_SYNTAX, "JWS header: no alg");
    return VD_OK;
}

vd_rc vd_jws_parse(vd_span token, size_t max, struct vd_jws **ret, vd_err *err)
{
    if (token.n > max)
        return vd_fail(err, VD_E_TOO_LARGE, "token of %zu bytes; %zu are taken", token.n, max);
    size_t dot1 = vd_span_find(token, '.');
    vd_span rest = vd_span_part(token, dot1 + 1, token.n);
    size_t dot2 = vd_span_find(rest, '.');
    vd_span last = vd_span_part(rest, dot2 + 1, rest.n);
    /* The dots are counted before anything is allocated: a token of dots costs a look at three. */
    if (dot1 == 0 || dot1 == token.n || dot2 == rest.n || last.n == 0 ||
        vd_span_find(last, '.') < last.n)
        return vd_fail(err, VD_E_SYNTAX, "token is not header.payload.signature");

    VD_AUTO(vd_jws_free) struct vd_jws *j = calloc(1, sizeof *j);
    if (!j)
        return vd_fail(err, VD_E_NOMEM, "token");
    j->token = token;
    j->signing_input = vd_span_part(token, 0, dot1 + 1 + dot2);
    j->header_text = vd_buf_of(token.n);
    j->payload = vd_buf_of(token.n);
    j->signature = vd_buf_of(token.n);
    VD_TRY(vd_b64_decode(last, VD_B64_URL, &j->signature, err)); /* first: it is short */
    VD_TRY(vd_b64_decode(vd_span_part(token, 0, dot1), VD_B64_URL, &j->header_text, err));
    VD_TRY(read_header(j, err));
    VD_TRY(vd_b64_decode(vd_span_part(rest, 0, dot2), VD_B64_URL, &j->payload, err));
    *ret = VD_TAKE(j);
    return VD_OK;
}

vd_rc vd_jws_verify(const struct vd_jws *j, const struct vd_key *key, enum vd_sig alg, vd_err *err)
{
    /* The text as it stands: an alg written with escapes is refused, whatever it decodes to. */
    if (alg >= VD_SIG_MAX || !vd_span_eq_str(vd_jv_str_raw(j->alg), names[alg]))
        return vd_fail(err, VD_E_SIG, "the token's alg is not the %s that is configured",
                       vd_jws_alg_name(alg));
    vd_err inner = { 0 };
    vd_rc_ rc = vd_verify(key, alg, j->signing_input, vd_buf_span(&j->signature), &inner);
    if (rc.code == VD_E_OK)
        return VD_OK;
    return vd_fail(err, rc.code == VD_E_CRYPTO ? VD_E_SIG : rc.code, "%s", inner.msg);
}

vd_rc vd_jws_sign(vd_span header_json, vd_span payload, vd_sign_fn sign, void *ctx, vd_buf *out,
                  vd_err *err)
{
    size_t start = out->n;
    vd_b64_encode(header_json, VD_B64_URL, out);
    vd_buf_u8(out, '.');
    vd_b64_encode(payload, VD_B64_URL, out);
    VD_TRY(vd_buf_check(out, err));
    VD_AUTO_BUF sig = vd_buf_of(4096);
    vd_rc_ rc = sign(ctx, vd_span_of(out->p + start, out->n - start), &sig, err);
    if (rc.code == VD_E_OK) {
        vd_buf_u8(out, '.');
        vd_b64_encode(vd_buf_span(&sig), VD_B64_URL, out);
        rc = vd_buf_check(out, err);
    }
    if (rc.code != VD_E_OK)
        out->n = start; /* a caller must never send a token without its signature */
    return rc;
}

struct signer {
    const struct vd_key *key;
    enum vd_sig alg;
};

static vd_rc sign_with_key(void *ctx, vd_span in, vd_buf *out, vd_err *err)
{
    const struct signer *s = ctx;
    return vd_sign(s->key, s->alg, in, out, err);
}

vd_rc vd_jws_sign_key(vd_span header_json, vd_span payload, const struct vd_key *key,
                      enum vd_sig alg, vd_buf *out, vd_err *err)
{
    struct signer s = { key, alg };
    return vd_jws_sign(header_json, payload, sign_with_key, &s, out, err);
}
