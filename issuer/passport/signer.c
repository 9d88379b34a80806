/* Passport keys. Parsing a PEM costs as much as ten signatures, so key, header and JWK are made
 * once. */
#include "issuer/passport/signer.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "shared/base/file.h"
#include "shared/base/slurp.h"
#include "shared/codec/b64.h"
#include "shared/crypto/x509.h"

enum { KEY_FILE_MAX = 65536, CERT_FILE_MAX = 65536, JWK_MAX = 3 * CERT_FILE_MAX, CHAIN_MAX = 8 };

static const struct {
    enum vd_sig alg;
    enum vd_kty kty;
} algorithms[] = {
    { VD_SIG_ES256, VD_KTY_P256 },
    { VD_SIG_ES384, VD_KTY_P384 },
    { VD_SIG_EDDSA, VD_KTY_ED25519 },
};

static vd_rc algorithm_of(const char *name, enum vd_sig *ret_alg, enum vd_kty *ret_kty, vd_err *err)
{
    vd_err ignored = { 0 };
    enum vd_sig alg = VD_SIG_MAX;
    vd_rc_ rc = vd_jws_alg_by_name(vd_span_str(name), &alg, &ignored);
    for (size_t i = 0; rc.code == VD_E_OK && i < sizeof algorithms / sizeof algorithms[0]; i++) {
        if (algorithms[i].alg == alg) {
            *ret_alg = alg;
            *ret_kty = algorithms[i].kty;
            return VD_OK;
        }
    }
    return vd_fail(err, VD_E_CONFIG,
                   "passport.alg %s: passports are signed with ES256, ES384 or EdDSA", name);
}

vd_rc iss_signer_generate(const char *alg, struct vd_key **ret, enum vd_sig *ret_alg, vd_err *err)
{
    enum vd_kty kty;
    VD_TRY(algorithm_of(alg, ret_alg, &kty, err));
    return vd_key_generate(kty, 0, ret, err);
}

vd_rc iss_signer_alg(const struct vd_key *key, enum vd_sig *ret, vd_err *err)
{
    for (size_t i = 0; i < sizeof algorithms / sizeof algorithms[0]; i++) {
        if (algorithms[i].kty == vd_key_type(key)) {
            *ret = algorithms[i].alg;
            return VD_OK;
        }
    }
    return vd_fail(err, VD_E_CONFIG, "a signing key is P-256, P-384 or Ed25519");
}

vd_rc iss_signer_create(const struct iss_signer_cfg *cfg, vd_err *err)
{
    enum vd_sig alg;
    VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
    VD_AUTO_SECRET pem = { 0 };
    if (vd_file_exists(cfg->key_file))
        return vd_fail(err, VD_E_EXISTS, "%s exists already", cfg->key_file);
    VD_TRY(iss_signer_generate(cfg->alg, &key, &alg, err));
    VD_TRY(vd_key_to_pem_private(key, false, &pem, err));
    return vd_file_create(cfg->key_file, vd_secret_span(&pem), err);
}

static vd_rc sign_here(void *ctx, vd_span in, vd_buf *out, vd_err *err)
{
    const struct iss_signer *s = ctx;
    return vd_sign(s->key, s->alg, in, out, err);
}

/* {"alg":..,"x5c":[..],"kty":..}: alg first and x5c second, as Trustee writes them. */
static vd_rc make_jwk(struct iss_signer *s, const struct vd_certs *chain, vd_err *err)
{
    VD_AUTO_BUF plain = vd_buf_of(4096);
    s->jwk = vd_buf_of(JWK_MAX);
    VD_TRY(vd_key_to_jwk(s->key, NULL, &plain, err));
    vd_buf_printf(&s->jwk, "{\"alg\":\"%s\",", vd_jws_alg_name(s->alg));
    if (chain) {
        vd_buf_str(&s->jwk, "\"x5c\":");
        vd_jw w = vd_jw_of(&s->jwk);
        vd_jw_arr(&w);
        for (size_t i = 0; i < chain->n; i++)
            vd_jw_b64(&w, vd_cert_der(chain->item[i]), VD_B64_STD);
        vd_jw_end(&w);
        vd_buf_u8(&s->jwk, ',');
    }
    vd_buf_add(&s->jwk, vd_span_part(vd_buf_span(&plain), 1, plain.n));
    return vd_buf_check(&s->jwk, err);
}

static vd_rc make_header(struct iss_signer *s, vd_err *err)
{
    s->header = vd_buf_of(s->jwk.n + 256);
    vd_jw w = vd_jw_of(&s->header);
    vd_jw_obj(&w);
    vd_jw_kstr(&w, "alg", vd_jws_alg_name(s->alg));
    vd_jw_kstr(&w, "typ", "JWT");
    vd_jw_kstr(&w, "kid", s->kid);
    vd_jw_key(&w, "jwk");
    vd_jw_raw(&w, vd_buf_span(&s->jwk));
    vd_jw_end(&w);
    return vd_buf_check(&s->header, err);
}

vd_rc iss_signer_of(struct vd_key *key, enum vd_sig alg, vd_span cert_pem, struct iss_signer **ret,
                    vd_err *err)
{
    VD_AUTO(iss_signer_free) struct iss_signer *s = calloc(1, sizeof *s);
    VD_AUTO(vd_certs_free) struct vd_certs *chain = NULL;
    if (!s)
        return vd_fail(err, VD_E_NOMEM, "passport key");
    atomic_init(&s->refs, 1);
    s->alg = alg;
    s->key = vd_key_ref(key);
    s->sign = sign_here;
    s->ctx = s;
    VD_TRY(vd_key_thumbprint(key, s->kid, err));
    if (cert_pem.n) {
        VD_TRY(vd_certs_parse_pem(cert_pem, CHAIN_MAX, &chain, err));
        VD_AUTO(vd_key_unref) struct vd_key *leaf = chain->n ? vd_cert_key(chain->item[0]) : NULL;
        if (!leaf || !vd_key_same(leaf, key))
            return vd_fail(err, VD_E_CONFIG,
                           "the first certificate is not one of the passport key");
    }
    VD_TRY(make_jwk(s, chain, err));
    VD_TRY(make_header(s, err));
    *ret = VD_TAKE(s);
    return VD_OK;
}

vd_rc iss_signer_key(const struct iss_signer_cfg *cfg, struct vd_key **ret, vd_err *err)
{
    enum vd_sig alg;
    enum vd_kty kty;
    vd_err why = { 0 };
    VD_AUTO_SECRET pem = { 0 };
    VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
    VD_TRY(algorithm_of(cfg->alg, &alg, &kty, err));
    if (vd_secret_read_file(cfg->key_file, KEY_FILE_MAX, true, &pem, &why).code != VD_E_OK)
        return vd_fail(err, VD_E_CONFIG, "passport key: %.150s; `vidimus-issuer init` makes one",
                       why.msg);
    if (vd_key_from_pem(vd_secret_span(&pem), &key, &why).code != VD_E_OK || !vd_key_private(key))
        return vd_fail(err, VD_E_CONFIG, "passport.key_file %s holds no private key in PEM form",
                       cfg->key_file);
    if (vd_key_type(key) != kty)
        return vd_fail(err, VD_E_CONFIG, "passport.key_file %s is not a key for passport.alg %s",
                       cfg->key_file, cfg->alg);
    *ret = VD_TAKE(key);
    return VD_OK;
}

vd_rc iss_signer_open(const struct iss_signer_cfg *cfg, struct iss_signer **ret, vd_err *err)
{
    vd_err why = { 0 };
    enum vd_sig alg = VD_SIG_MAX;
    VD_AUTO_BUF cert = vd_buf_of(CERT_FILE_MAX);
    VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
    VD_TRY(iss_signer_key(cfg, &key, err));
    VD_TRY(iss_signer_alg(key, &alg, err));
    VD_TRY(iss_signer_cert(cfg->cert_file, &cert, err));
    if (iss_signer_of(key, alg, vd_buf_span(&cert), ret, &why).code != VD_E_OK)
        return vd_fail(err, VD_E_CONFIG, "passport.cert_file %s: %.120s",
                       cfg->cert_file ? cfg->cert_file : "(none)", why.msg);
    return VD_OK;
}

vd_rc iss_signer_cert(const char *path, vd_buf *ret, vd_err *err)
{
    vd_err why = { 0 };
    *ret = vd_buf_of(CERT_FILE_MAX);
    if (!path)
        return VD_OK;
    if (vd_file_read(path, CERT_FILE_MAX, ret, NULL, &why).code != VD_E_OK)
        return vd_fail(err, VD_E_CONFIG, "passport.cert_file: %.180s", why.msg);
    if (ret->n == 0)
        return vd_fail(err, VD_E_CONFIG, "passport.cert_file %s is empty", path);
    return VD_OK;
}

struct iss_signer *iss_signer_ref(struct iss_signer *s)
{
    if (s)
        atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void iss_signer_free(struct iss_signer *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (s->close)
        s->close(s->ctx);
    vd_key_unref(s->key);
    vd_buf_done(&s->jwk);
    vd_buf_done(&s->header);
    free(s);
}

void iss_jwks_item(vd_span jwk, const char *kid, const char *use, vd_buf *out)
{
    vd_buf_add(out, vd_span_part(jwk, 0, jwk.n - 1));
    vd_buf_printf(out, ",\"kid\":\"%s\",\"use\":\"sig\"", kid);
    if (use)
        vd_buf_printf(out, ",\"vidimus_use\":\"%s\"", use);
    vd_buf_u8(out, '}');
}

vd_rc iss_jwks(const struct iss_signer *const *signers, size_t n, vd_buf *out, vd_err *err)
{
    vd_buf_str(out, "{\"keys\":[");
    for (size_t i = 0; i < n; i++) {
        if (i)
            vd_buf_u8(out, ',');
        iss_jwks_item(vd_buf_span(&signers[i]->jwk), signers[i]->kid, NULL, out);
    }
    vd_buf_str(out, "]}");
    return vd_buf_check(out, err);
}
