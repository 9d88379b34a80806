/* Keys of administrators: a PEM file or a JWKS file, Ed25519 or P-256, public halves only. */
#include <string.h>

#include "shared/auth/auth_priv.h"
#include "shared/base/slurp.h"

static vd_rc refuse(const struct vd_auth_identity *id, const char *file, const char *what,
                    vd_err *err)
{
    return vd_fail(err, VD_E_CONFIG, "admin.identity %s: %.120s: %s", id->name, file, what);
}

static vd_rc read_file(const struct vd_auth_identity *id, const char *file, vd_buf *out,
                       vd_err *err)
{
    vd_err cause = { 0 };
    if (vd_file_read(file, VD_AUTH_FILE_MAX, out, NULL, &cause).code != VD_E_OK)
        return vd_fail(err, VD_E_CONFIG,
                       "admin.identity %s: %.160s; make a pair with: vidimus admin keygen",
                       id->name, cause.msg);
    return VD_OK;
}

static bool alg_of(const struct vd_key *key, enum vd_sig *ret)
{
    if (vd_key_type(key) == VD_KTY_ED25519)
        *ret = VD_SIG_EDDSA;
    else if (vd_key_type(key) == VD_KTY_P256)
        *ret = VD_SIG_ES256;
    else
        return false;
    return true;
}

static vd_rc add_key(const struct vd_auth_identity *id, const char *file, struct vd_key *key,
                     const char *kid, struct vd_auth_who *who, vd_err *err)
{
    enum vd_sig alg;
    if (vd_key_private(key))
        return refuse(id, file, "holds a private key; give the public half", err);
    if (!alg_of(key, &alg))
        return refuse(id, file, "is neither an Ed25519 nor a P-256 key", err);
    char *copy = kid ? strdup(kid) : NULL;
    if (kid && !copy)
        return vd_fail(err, VD_E_NOMEM, "admin.identity");
    who->key[who->n_key++] = (struct vd_auth_key){ vd_key_ref(key), alg, copy };
    return VD_OK;
}

static vd_rc load_pem(const struct vd_auth_identity *id, struct vd_auth_who *who, vd_err *err)
{
    VD_AUTO_BUF_WIPED pem = vd_buf_of(VD_AUTH_FILE_BUF);
    VD_TRY(read_file(id, id->public_key_file, &pem, err));
    VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
    vd_err cause = { 0 };
    if (vd_key_from_pem(vd_buf_span(&pem), &key, &cause).code != VD_E_OK)
        return refuse(id, id->public_key_file, "holds no PEM public key", err);
    who->key = calloc(1, sizeof *who->key);
    if (!who->key)
        return vd_fail(err, VD_E_NOMEM, "admin.identity");
    return add_key(id, id->public_key_file, key, NULL, who, err);
}

/* An alg member, if there is one, must be the one the key type means. */
static bool alg_fits(vd_jv jwk, const struct vd_key *key)
{
    enum vd_sig alg;
    vd_jv named = vd_jv_get(jwk, "alg");
    return !vd_jv_ok(named) || (alg_of(key, &alg) && vd_jv_str_eq(named, vd_jws_alg_name(alg)));
}

static vd_rc load_jwk(const struct vd_auth_identity *id, vd_jv jwk, size_t n_keys,
                      struct vd_auth_who *who, vd_err *err)
{
    VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
    VD_AUTO(free) char *kid = NULL;
    vd_jv name = vd_jv_get(jwk, "kid");
    vd_err cause = { 0 };
    if (vd_jv_ok(vd_jv_get(jwk, "d")))
        return refuse(id, id->jwks_file, "holds a private key; give the public half", err);
    if (vd_key_from_jwk(jwk, VD_KEY_VERIFY, &key, &cause).code != VD_E_OK || !alg_fits(jwk, key))
        return vd_fail(err, VD_E_CONFIG, "admin.identity %s: %.100s: key %zu cannot be used: %.60s",
                       id->name, id->jwks_file, who->n_key + 1,
                       cause.msg[0] ? cause.msg : "alg does not fit");
    if (vd_jv_ok(name))
        VD_TRY(vd_jv_strdup(name, &kid, err));
    else if (n_keys > 1)
        return refuse(id, id->jwks_file, "several keys, and one has no kid; give each a kid", err);
    for (size_t i = 0; i < who->n_key && kid; i++)
        if (vd_span_eq_str(vd_span_str(who->key[i].kid), kid))
            return refuse(id, id->jwks_file, "two keys have the same kid", err);
    return add_key(id, id->jwks_file, key, kid, who, err);
}

static vd_rc load_jwks(const struct vd_auth_identity *id, struct vd_auth_who *who, vd_err *err)
{
    VD_AUTO_BUF text = vd_buf_of(VD_AUTH_FILE_BUF);
    VD_TRY(read_file(id, id->jwks_file, &text, err));
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    vd_err cause = { 0 };
    if (vd_json_parse(vd_buf_span(&text), VD_JSON_LIMITS(VD_AUTH_FILE_MAX), &doc, &cause).code !=
        VD_E_OK)
        return refuse(id, id->jwks_file, "is not valid JSON", err);
    vd_jv keys = vd_jv_get(vd_json_root(doc), "keys");
    size_t n = vd_jv_is(keys, VD_JSON_ARRAY) ? vd_jv_count(keys) : 0;
    if (n == 0)
        return refuse(id, id->jwks_file, "has no keys; a JWK set is {\"keys\":[...]}", err);
    who->key = calloc(n, sizeof *who->key);
    if (!who->key)
        return vd_fail(err, VD_E_NOMEM, "admin.identity");
    vd_jv_iter it = vd_jv_iter_of(keys);
    while (vd_jv_next(&it))
        VD_TRY(load_jwk(id, it.value, n, who, err));
    return VD_OK;
}

vd_rc vd_auth_keys(const struct vd_auth_identity *id, struct vd_auth_who *who, vd_err *err)
{
    if (!id->public_key_file == !id->jwks_file)
        return vd_fail(err, VD_E_CONFIG, "admin.identity %s: give public_key_file or jwks_file, %s",
                       id->name, id->jwks_file ? "not both" : "one of them");
    who->jwks = id->jwks_file != NULL;
    return who->jwks ? load_jwks(id, who, err) : load_pem(id, who, err);
}

void vd_auth_keys_free(struct vd_auth_key *key, size_t n)
{
    for (size_t i = 0; key && i < n; i++) {
        vd_key_unref(key[i].key);
        free(key[i].kid);
    }
    free(key);
}
