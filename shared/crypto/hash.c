/* Digests and HMAC over algorithms that are fetched once; see hash.h. */
#include "shared/crypto/hash.h"

#include <openssl/core_names.h>

#include "shared/crypto/ossl_priv.h"

static const struct {
    const char *name;
    size_t size;
} hashes[] = {
    [VD_SHA256] = { "sha256", 32 },
    [VD_SHA384] = { "sha384", 48 },
    [VD_SHA512] = { "sha512", 64 },
    [VD_SM3] = { "sm3", 32 },
};
_Static_assert(sizeof hashes / sizeof hashes[0] == VD_HASH_MAX, "one row for each hash");

size_t vd_hash_size(enum vd_hash alg)
{
    return alg < VD_HASH_MAX ? hashes[alg].size : 0;
}

const char *vd_hash_name(enum vd_hash alg)
{
    return alg < VD_HASH_MAX ? hashes[alg].name : "";
}

static bool same_but_case(vd_span a, const char *lower)
{
    for (size_t i = 0; i < a.n; i++) {
        uint8_t c = a.p[i];
        if (c >= 'A' && c <= 'Z')
            c = (uint8_t)(c - 'A' + 'a');
        if (c == 0 || c != (uint8_t)lower[i])
            return false;
    }
    return lower[a.n] == 0;
}

vd_rc vd_hash_by_name(vd_span name, enum vd_hash *ret, vd_err *err)
{
    for (size_t i = 0; i < VD_HASH_MAX; i++) {
        if (same_but_case(name, hashes[i].name)) {
            *ret = (enum vd_hash)i;
            return VD_OK;
        }
    }
    return vd_fail(err, VD_E_SYNTAX, "hash algorithm is none of sha256, sha384, sha512, sm3");
}

vd_rc vd_hash_of(enum vd_hash alg, vd_span in, uint8_t *ret, vd_err *err)
{
    return vd_hash_parts(alg, &in, 1, ret, err);
}

vd_rc vd_hash_parts(enum vd_hash alg, const vd_span *parts, size_t n, uint8_t *ret, vd_err *err)
{
    const EVP_MD *md = alg < VD_HASH_MAX ? vd_algs()->md[alg] : NULL;
    if (!md)
        return vd_fail(err, VD_E_CRYPTO, "hash %s is not in this libcrypto", vd_hash_name(alg));
    VD_AUTO(EVP_MD_CTX_free) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (!ctx)
        return vd_fail(err, VD_E_NOMEM, "hash context");
    if (EVP_DigestInit_ex2(ctx, md, NULL) != 1)
        return vd_ossl_fail(err, VD_E_CRYPTO, "hash");
    for (size_t i = 0; i < n; i++)
        if (parts[i].n && EVP_DigestUpdate(ctx, parts[i].p, parts[i].n) != 1)
            return vd_ossl_fail(err, VD_E_CRYPTO, "hash");
    unsigned got = 0;
    if (EVP_DigestFinal_ex(ctx, ret, &got) != 1 || got != vd_hash_size(alg))
        return vd_ossl_fail(err, VD_E_CRYPTO, "hash");
    return VD_OK;
}

vd_rc vd_hash_prefix(enum vd_hash alg, vd_span in, size_t n, uint8_t *ret_prefix, uint8_t *ret_all,
                     vd_err *err)
{
    const EVP_MD *md = alg < VD_HASH_MAX ? vd_algs()->md[alg] : NULL;
    if (!md)
        return vd_fail(err, VD_E_CRYPTO, "hash %s is not in this libcrypto", vd_hash_name(alg));
    VD_AUTO(EVP_MD_CTX_free) EVP_MD_CTX *all = EVP_MD_CTX_new();
    VD_AUTO(EVP_MD_CTX_free) EVP_MD_CTX *prefix = EVP_MD_CTX_new();
    if (!all || !prefix)
        return vd_fail(err, VD_E_NOMEM, "hash context");
    vd_span head = vd_span_part(in, 0, n);
    vd_span rest = vd_span_part(in, n, in.n);
    if (EVP_DigestInit_ex2(all, md, NULL) != 1 || EVP_DigestUpdate(all, head.p, head.n) != 1 ||
        EVP_MD_CTX_copy_ex(prefix, all) != 1 || EVP_DigestUpdate(all, rest.p, rest.n) != 1 ||
        EVP_DigestFinal_ex(prefix, ret_prefix, NULL) != 1 ||
        EVP_DigestFinal_ex(all, ret_all, NULL) != 1)
        return vd_ossl_fail(err, VD_E_CRYPTO, "hash");
    return VD_OK;
}

vd_rc vd_hmac(enum vd_hash alg, vd_span key, vd_span in, uint8_t *ret, vd_err *err)
{
    const struct vd_algs *a = vd_algs();
    const EVP_MD *md = alg < VD_HASH_MAX ? a->md[alg] : NULL;
    if (!md || !a->hmac)
        return vd_fail(err, VD_E_CRYPTO, "HMAC %s is not in this libcrypto", vd_hash_name(alg));
    VD_AUTO(EVP_MAC_CTX_free) EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(a->hmac);
    if (!ctx)
        return vd_fail(err, VD_E_NOMEM, "HMAC context");
    /* The parameter is only read; its type has no const. */
    char name[32];
    (void)snprintf(name, sizeof name, "%s", EVP_MD_get0_name(md));
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
        OSSL_PARAM_construct_end(),
    };
    /* A NULL key would mean "the key of before" to OpenSSL. */
    static const uint8_t no_key[1] = { 0 };
    size_t got = 0;
    if (EVP_MAC_init(ctx, key.n ? key.p : no_key, key.n, params) != 1 ||
        (in.n && EVP_MAC_update(ctx, in.p, in.n) != 1) ||
        EVP_MAC_final(ctx, ret, &got, vd_hash_size(alg)) != 1 || got != vd_hash_size(alg))
        return vd_ossl_fail(err, VD_E_CRYPTO, "HMAC");
    return VD_OK;
}
