/* RSA on OpenSSL: import with the checks of key.h, signatures (PKCS#1 v1.5 and PSS), OAEP. The
 * parsed EVP_PKEY is kept in the key; a context is made for each operation, so that threads share
 * nothing. */
#include <openssl/core_names.h>
#include <openssl/rsa.h>

#include "shared/crypto/key_priv.h"

/* A modulus made by the flawed generator of CVE-2017-15361 is a power of 65537 modulo every small
 * prime; a sound modulus is that by chance once in some 2^27. */
static bool roca_shaped(const BIGNUM *n)
{
    static const uint8_t primes[] = { 3,   5,   7,   11,  13,  17,  19,  23,  29,  31,
                                      37,  41,  43,  47,  53,  59,  61,  67,  71,  73,
                                      79,  83,  89,  97,  101, 103, 107, 109, 113, 127,
                                      131, 137, 139, 149, 151, 157, 163, 167 };
    for (size_t i = 0; i < sizeof primes; i++) {
        unsigned p = primes[i];
        unsigned want = (unsigned)BN_mod_word(n, p);
        unsigned power = 1;
        unsigned left = p;
        while (power != want && --left > 0)
            power = power * (65537u % p) % p;
        if (left == 0)
            return false;
    }
    return true;
}

static vd_rc check_public(const BIGNUM *n, const BIGNUM *e, vd_err *err)
{
    int bits = BN_num_bits(n);
    if (bits < VD_RSA_BITS_MIN || bits > VD_RSA_BITS_MAX)
        return vd_fail(err, VD_E_SYNTAX, "RSA key of %d bits; %d to %d are taken", bits,
                       VD_RSA_BITS_MIN, VD_RSA_BITS_MAX);
    if (!BN_is_odd(n))
        return vd_fail(err, VD_E_SYNTAX, "RSA modulus is even");
    if (!BN_is_odd(e) || BN_is_one(e) || BN_num_bits(e) > 64)
        return vd_fail(err, VD_E_SYNTAX, "RSA exponent is even, one, or above 64 bits");
    if (roca_shaped(n))
        return vd_fail(err, VD_E_SYNTAX, "RSA modulus of the weak generator of CVE-2017-15361");
    return VD_OK;
}

static vd_rc adopt(EVP_PKEY *pkey, const BIGNUM *n, const BIGNUM *e, bool is_private,
                   struct vd_key **ret, vd_err *err)
{
    VD_TRY(check_public(n, e, err));
    uint8_t nb[VD_RSA_BYTES_MAX], eb[8];
    int n_n = BN_bn2bin(n, nb);
    int e_n = BN_bn2bin(e, eb);
    struct vd_key *k = NULL;
    VD_TRY(vd_key_alloc(VD_KTY_RSA, vd_span_of(nb, (size_t)n_n), vd_span_of(eb, (size_t)e_n), &k,
                        err));
    if (EVP_PKEY_up_ref(pkey) != 1) {
        vd_key_unref(k);
        return vd_ossl_fail(err, VD_E_CRYPTO, "RSA key");
    }
    k->rsa = pkey;
    k->rsa_n = (size_t)n_n;
    k->bits = (unsigned)BN_num_bits(n);
    k->is_private = is_private;
    *ret = k;
    return VD_OK;
}

vd_rc vd_rsa_from_pkey(EVP_PKEY *pkey, bool is_private, struct vd_key **ret, vd_err *err)
{
    BIGNUM *raw_n = NULL;
    BIGNUM *raw_e = NULL;
    int ok = EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_N, &raw_n) == 1 &&
             EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &raw_e) == 1;
    VD_AUTO(BN_clear_free) BIGNUM *n = raw_n;
    VD_AUTO(BN_clear_free) BIGNUM *e = raw_e;
    if (!ok)
        return vd_ossl_fail(err, VD_E_SYNTAX, "RSA key without modulus or exponent");
    return adopt(pkey, n, e, is_private, ret, err);
}

enum { PART_N, PART_E, PART_D, PART_P, PART_Q, PART_DP, PART_DQ, PART_QI, PART_MAX };

static vd_rc pkey_of(BIGNUM *const bn[PART_MAX], EVP_PKEY **ret, vd_err *err)
{
    static const char *const names[PART_MAX] = {
        OSSL_PKEY_PARAM_RSA_N,         OSSL_PKEY_PARAM_RSA_E,
        OSSL_PKEY_PARAM_RSA_D,         OSSL_PKEY_PARAM_RSA_FACTOR1,
        OSSL_PKEY_PARAM_RSA_FACTOR2,   OSSL_PKEY_PARAM_RSA_EXPONENT1,
        OSSL_PKEY_PARAM_RSA_EXPONENT2, OSSL_PKEY_PARAM_RSA_COEFFICIENT1,
    };
    VD_AUTO(OSSL_PARAM_BLD_free) OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
    if (!bld)
        return vd_fail(err, VD_E_NOMEM, "RSA key");
    for (int i = 0; i < PART_MAX; i++)
        if (bn[i] && OSSL_PARAM_BLD_push_BN(bld, names[i], bn[i]) != 1)
            return vd_ossl_fail(err, VD_E_CRYPTO, "RSA key");
    VD_AUTO(OSSL_PARAM_free) OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
    VD_AUTO(EVP_PKEY_CTX_free) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    EVP_PKEY *pkey = NULL;
    if (!params || !ctx || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &pkey, bn[PART_D] ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY,
                          params) != 1)
        return vd_ossl_fail(err, VD_E_SYNTAX, "RSA key");
    *ret = pkey;
    return VD_OK;
}

static vd_rc check_pair(EVP_PKEY *pkey, vd_err *err)
{
    VD_AUTO(EVP_PKEY_CTX_free) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
    if (!ctx)
        return vd_fail(err, VD_E_NOMEM, "RSA key");
    if (EVP_PKEY_pairwise_check(ctx) != 1)
        return vd_ossl_fail(err, VD_E_SYNTAX, "private RSA key: the parts do not belong together");
    return VD_OK;
}

static void parts_done(BIGNUM *(*bn)[PART_MAX])
{
    for (int i = 0; i < PART_MAX; i++)
        BN_clear_free((*bn)[i]);
}

vd_rc vd_rsa_from_parts(const struct vd_rsa_parts *in, struct vd_key **ret, vd_err *err)
{
    const vd_span parts[PART_MAX] = { in->n, in->e, in->d, in->p, in->q, in->dp, in->dq, in->qi };
    __attribute__((cleanup(parts_done))) BIGNUM *bn[PART_MAX] = { 0 };
    for (int i = 0; i < PART_MAX; i++) {
        if (parts[i].n > VD_RSA_BYTES_MAX)
            return vd_fail(err, VD_E_SYNTAX, "RSA number of %zu bytes", parts[i].n);
        if (parts[i].n == 0 && i <= PART_E)
            return vd_fail(err, VD_E_SYNTAX, "RSA modulus or exponent is empty");
        /* RFC 7518 6.3.1: the minimum number of octets. */
        if (i <= PART_E && parts[i].p[0] == 0)
            return vd_fail(err, VD_E_SYNTAX, "RSA modulus or exponent begins with a zero byte");
        if (parts[i].n && !(bn[i] = BN_bin2bn(parts[i].p, (int)parts[i].n, NULL)))
            return vd_fail(err, VD_E_NOMEM, "RSA key");
    }
    VD_TRY(check_public(bn[PART_N], bn[PART_E], err));
    EVP_PKEY *made = NULL;
    VD_TRY(pkey_of(bn, &made, err));
    VD_AUTO(EVP_PKEY_free) EVP_PKEY *pkey = made;
    if (bn[PART_D])
        VD_TRY(check_pair(pkey, err));
    return adopt(pkey, bn[PART_N], bn[PART_E], bn[PART_D] != NULL, ret, err);
}

vd_rc vd_rsa_generate(unsigned bits, struct vd_key **ret, vd_err *err)
{
    if (bits < VD_RSA_BITS_MIN || bits > VD_RSA_BITS_MAX)
        return vd_fail(err, VD_E_CRYPTO, "RSA key of %u bits; %d to %d are made", bits,
                       VD_RSA_BITS_MIN, VD_RSA_BITS_MAX);
    VD_AUTO(EVP_PKEY_free) EVP_PKEY *pkey = EVP_RSA_gen(bits);
    if (!pkey)
        return vd_ossl_fail(err, VD_E_CRYPTO, "RSA key generation");
    return vd_rsa_from_pkey(pkey, true, ret, err);
}

/* The parameters are only read by OpenSSL, whose type has no const. */
static char *text(const char *s)
{
    return (char *)(uintptr_t)s;
}

static void signature_params(OSSL_PARAM p[5], enum vd_hash hash, bool pss)
{
    const char *md = EVP_MD_get0_name(vd_algs()->md[hash]);
    *p++ = OSSL_PARAM_construct_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, text(md), 0);
    *p++ = OSSL_PARAM_construct_utf8_string(
        OSSL_SIGNATURE_PARAM_PAD_MODE,
        text(pss ? OSSL_PKEY_RSA_PAD_MODE_PSS : OSSL_PKEY_RSA_PAD_MODE_PKCSV15), 0);
    if (pss) {
        /* RFC 7518 3.5: MGF1 with the same hash, salt of the hash's length and no other. */
        *p++ = OSSL_PARAM_construct_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN,
                                                text(OSSL_PKEY_RSA_PSS_SALT_LEN_DIGEST), 0);
        *p++ = OSSL_PARAM_construct_utf8_string(OSSL_SIGNATURE_PARAM_MGF1_DIGEST, text(md), 0);
    }
    *p = OSSL_PARAM_construct_end();
}

vd_rc vd_rsa_sign(const struct vd_key *k, enum vd_hash hash, bool pss, vd_span in, vd_buf *out,
                  vd_err *err)
{
    uint8_t digest[VD_HASH_BYTES_MAX];
    VD_TRY(vd_hash_of(hash, in, digest, err));
    OSSL_PARAM params[5];
    signature_params(params, hash, pss);
    VD_AUTO(EVP_PKEY_CTX_free) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, k->rsa, NULL);
    if (!ctx)
        return vd_fail(err, VD_E_NOMEM, "RSA signature");
    uint8_t sig[VD_RSA_BYTES_MAX];
    size_t n = sizeof sig;
    if (EVP_PKEY_sign_init_ex(ctx, params) != 1 ||
        EVP_PKEY_sign(ctx, sig, &n, digest, vd_hash_size(hash)) != 1)
        return vd_ossl_fail(err, VD_E_CRYPTO, "RSA signature");
    vd_buf_add(out, vd_span_of(sig, n));
    return vd_buf_check(out, err);
}

vd_rc vd_rsa_verify(const struct vd_key *k, enum vd_hash hash, bool pss, vd_span in, vd_span sig,
                    vd_err *err)
{
    uint8_t digest[VD_HASH_BYTES_MAX];
    VD_TRY(vd_hash_of(hash, in, digest, err));
    OSSL_PARAM params[5];
    signature_params(params, hash, pss);
    VD_AUTO(EVP_PKEY_CTX_free) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, k->rsa, NULL);
    if (!ctx)
        return vd_fail(err, VD_E_NOMEM, "RSA signature");
    if (EVP_PKEY_verify_init_ex(ctx, params) != 1)
        return vd_ossl_fail(err, VD_E_CRYPTO, "RSA signature");
    if (sig.n != k->rsa_n || EVP_PKEY_verify(ctx, sig.p, sig.n, digest, vd_hash_size(hash)) != 1) {
        vd_ossl_forget();
        return vd_fail(err, VD_E_SIG, "RSA signature does not verify");
    }
    return VD_OK;
}

static void cipher_params(OSSL_PARAM p[4], bool oaep)
{
    if (!oaep) {
        *p++ = OSSL_PARAM_construct_utf8_string(OSSL_ASYM_CIPHER_PARAM_PAD_MODE,
                                                text(OSSL_PKEY_RSA_PAD_MODE_PKCSV15), 0);
    } else {
        const char *md = EVP_MD_get0_name(vd_algs()->md[VD_SHA256]);
        *p++ = OSSL_PARAM_construct_utf8_string(OSSL_ASYM_CIPHER_PARAM_PAD_MODE,
                                                text(OSSL_PKEY_RSA_PAD_MODE_OAEP), 0);
        *p++ = OSSL_PARAM_construct_utf8_string(OSSL_ASYM_CIPHER_PARAM_OAEP_DIGEST, text(md), 0);
        *p++ = OSSL_PARAM_construct_utf8_string(OSSL_ASYM_CIPHER_PARAM_MGF1_DIGEST, text(md), 0);
    }
    *p = OSSL_PARAM_construct_end();
}

vd_rc vd_rsa_encrypt(const struct vd_key *k, bool oaep, vd_span in, uint8_t *out, size_t *ret_n,
                     vd_err *err)
{
    OSSL_PARAM params[4];
    cipher_params(params, oaep);
    VD_AUTO(EVP_PKEY_CTX_free) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, k->rsa, NULL);
    if (!ctx)
        return vd_fail(err, VD_E_NOMEM, "RSA encryption");
    size_t n = VD_RSA_BYTES_MAX;
    if (EVP_PKEY_encrypt_init_ex(ctx, params) != 1 ||
        EVP_PKEY_encrypt(ctx, out, &n, in.p, in.n) != 1)
        return vd_ossl_fail(err, VD_E_JWE_KEY, "RSA encryption");
    *ret_n = n;
    return VD_OK;
}

vd_rc vd_rsa_decrypt_oaep(const struct vd_key *k, vd_span in, uint8_t *out, size_t *ret_n,
                          vd_err *err)
{
    OSSL_PARAM params[4];
    cipher_params(params, true);
    VD_AUTO(EVP_PKEY_CTX_free) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, k->rsa, NULL);
    if (!ctx)
        return vd_fail(err, VD_E_NOMEM, "RSA decryption");
    size_t n = VD_RSA_BYTES_MAX;
    if (EVP_PKEY_decrypt_init_ex(ctx, params) != 1 || in.n != k->rsa_n ||
        EVP_PKEY_decrypt(ctx, out, &n, in.p, in.n) != 1) {
        vd_ossl_forget();
        return vd_fail(err, VD_E_CRYPTO, "RSA decryption");
    }
    *ret_n = n;
    return VD_OK;
}
