/* Reading a JWK (RFC 7517, 7518 section 6, 8037, draft-ietf-jose-pqc-kem for AKP). The tape reader
 * has already refused duplicates; here every member of the type is required, exact, and nothing is
 * mended. */
#include "shared/codec/b64.h"
#include "shared/crypto/jose.h"
#include "shared/crypto/key.h"
#include "shared/crypto/key_priv.h"

enum { JWK_TEXT_MAX = 65536 };

static const char *const private_members[] = {
    "d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"
};

static bool has_private(vd_jv jwk)
{
    for (size_t i = 0; i < sizeof private_members / sizeof private_members[0]; i++)
        if (vd_jv_ok(vd_jv_get(jwk, private_members[i])))
            return true;
    return false;
}

/* Base64url of exactly n bytes, or of any number above zero with n = 0. */
static vd_rc bytes_of(vd_jv jwk, const char *name, size_t n, vd_buf *out, vd_err *err)
{
    vd_jv v = vd_jv_get(jwk, name);
    if (!vd_jv_is(v, VD_JSON_STRING))
        return vd_fail(err, VD_E_SYNTAX, "JWK: %s is missing or not a string", name);
    vd_rc_ rc = vd_jv_b64(v, VD_B64_URL, out, err);
    if (rc.code != VD_E_OK) {
        vd_context(err, name);
        return rc;
    }
    if (out->n == 0 || (n && out->n != n))
        return vd_fail(err, VD_E_SYNTAX, "JWK: %s has %zu bytes", name, out->n);
    return VD_OK;
}

static vd_rc read_ec(vd_jv jwk, bool with_private, struct vd_key **ret, vd_err *err)
{
    vd_jv crv = vd_jv_get(jwk, "crv");
    const struct vd_curve *c = NULL;
    enum vd_kty kty = VD_KTY_P256;
    for (; kty <= VD_KTY_P521; kty++)
        if (vd_jv_str_eq(crv, vd_curve_of(kty)->crv))
            break;
    c = vd_curve_of(kty);
    if (!c)
        return vd_fail(err, VD_E_SYNTAX, "JWK: crv is none of P-256, P-384, P-521");
    VD_AUTO_BUF x = vd_buf_of(1024);
    VD_AUTO_BUF y = vd_buf_of(1024);
    VD_AUTO_BUF_WIPED d = vd_buf_of(1024);
    VD_TRY(bytes_of(jwk, "x", c->width, &x, err));
    VD_TRY(bytes_of(jwk, "y", c->width, &y, err));
    uint8_t point[VD_EC_POINT_MAX] = { 4 };
    memcpy(point + 1, x.p, c->width);
    memcpy(point + 1 + c->width, y.p, c->width);
    vd_span at = { point, 1 + 2 * c->width };
    if (!with_private)
        return vd_key_from_point(kty, at, ret, err);
    VD_TRY(bytes_of(jwk, "d", c->width, &d, err));
    return vd_key_from_scalar(kty, vd_buf_span(&d), at, ret, err);
}

enum { RSA_N, RSA_E, RSA_D, RSA_P, RSA_Q, RSA_DP, RSA_DQ, RSA_QI, RSA_MEMBERS };

static void members_done(vd_buf (*b)[RSA_MEMBERS])
{
    for (int i = 0; i < RSA_MEMBERS; i++)
        vd_buf_wipe(&(*b)[i]);
}

static vd_rc read_rsa(vd_jv jwk, bool with_private, struct vd_key **ret, vd_err *err)
{
    static const char *const names[RSA_MEMBERS] = { "n", "e", "d", "p", "q", "dp", "dq", "qi" };
    __attribute__((cleanup(members_done))) vd_buf b[RSA_MEMBERS] = { 0 };
    if (vd_jv_ok(vd_jv_get(jwk, "oth")))
        return vd_fail(err, VD_E_SYNTAX, "JWK: RSA keys of more than two primes are not taken");
    /* RFC 7518 6.3.2: the five CRT members come together or not at all. */
    bool crt = vd_jv_ok(vd_jv_get(jwk, "p")) || vd_jv_ok(vd_jv_get(jwk, "q")) ||
               vd_jv_ok(vd_jv_get(jwk, "dp")) || vd_jv_ok(vd_jv_get(jwk, "dq")) ||
               vd_jv_ok(vd_jv_get(jwk, "qi"));
    int last = !with_private ? RSA_E : crt ? RSA_QI : RSA_D;
    for (int i = 0; i <= last; i++) {
        b[i] = vd_buf_of((size_t)2 * VD_RSA_BYTES_MAX);
        VD_TRY(bytes_of(jwk, names[i], 0, &b[i], err));
    }
    const struct vd_rsa_parts parts = {
        .n = vd_buf_span(&b[RSA_N]),
        .e = vd_buf_span(&b[RSA_E]),
        .d = vd_buf_span(&b[RSA_D]),
        .p = vd_buf_span(&b[RSA_P]),
        .q = vd_buf_span(&b[RSA_Q]),
        .dp = vd_buf_span(&b[RSA_DP]),
        .dq = vd_buf_span(&b[RSA_DQ]),
        .qi = vd_buf_span(&b[RSA_QI]),
    };
    return vd_rsa_from_parts(&parts, ret, err);
}

static vd_rc read_okp(vd_jv jwk, bool with_private, struct vd_key **ret, vd_err *err)
{
    if (!vd_jv_str_eq(vd_jv_get(jwk, "crv"), "Ed25519"))
        return vd_fail(err, VD_E_SYNTAX, "JWK: the only crv of kty OKP is Ed25519");
    VD_AUTO_BUF x = vd_buf_of(256);
    VD_AUTO_BUF_WIPED d = vd_buf_of(256);
    VD_TRY(bytes_of(jwk, "x", VD_ED25519_PUB, &x, err));
    if (!with_private)
        return vd_key_from_raw(VD_KTY_ED25519, vd_buf_span(&x), ret, err);
    VD_TRY(bytes_of(jwk, "d", 32, &d, err));
    VD_AUTO(vd_key_unref) struct vd_key *k = NULL;
    VD_TRY(vd_key_from_seed(vd_buf_span(&d), &k, err));
    if (!vd_span_eq(vd_key_pub(k), vd_buf_span(&x)))
        return vd_fail(err, VD_E_SYNTAX, "JWK: d and x do not belong together");
    *ret = VD_TAKE(k);
    return VD_OK;
}

static vd_rc read_akp(vd_jv jwk, bool with_private, struct vd_key **ret, vd_err *err)
{
    if (!vd_jv_str_eq(vd_jv_get(jwk, "alg"), "ML-KEM-768+A192KW"))
        return vd_fail(err, VD_E_SYNTAX, "JWK: the only alg of kty AKP is ML-KEM-768+A192KW");
    if (with_private)
        return vd_fail(err, VD_E_SYNTAX, "JWK: private ML-KEM keys are not read");
    VD_AUTO_BUF pub = vd_buf_of((size_t)2 * VD_MLKEM768_PUB);
    VD_TRY(bytes_of(jwk, "pub", VD_MLKEM768_PUB, &pub, err));
    return vd_key_from_raw(VD_KTY_MLKEM768, vd_buf_span(&pub), ret, err);
}

struct allowed {
    bool sign;
    bool encrypt;
};

/* `use` (RFC 7517 4.2) and `key_ops` (4.3); an unknown word allows nothing. */
static vd_rc read_use(vd_jv jwk, struct allowed *a, vd_err *err)
{
    vd_jv use = vd_jv_get(jwk, "use");
    if (vd_jv_ok(use)) {
        if (!vd_jv_is(use, VD_JSON_STRING))
            return vd_fail(err, VD_E_SYNTAX, "JWK: use is not a string");
        a->sign = vd_jv_str_eq(use, "sig");
        a->encrypt = vd_jv_str_eq(use, "enc");
    }
    vd_jv ops = vd_jv_get(jwk, "key_ops");
    if (!vd_jv_ok(ops))
        return VD_OK;
    if (!vd_jv_is(ops, VD_JSON_ARRAY))
        return vd_fail(err, VD_E_SYNTAX, "JWK: key_ops is not an array");
    static const struct {
        const char *name;
        bool sign;
    } known[] = { { "sign", true },       { "verify", true },     { "encrypt", false },
                  { "decrypt", false },   { "wrapKey", false },   { "unwrapKey", false },
                  { "deriveKey", false }, { "deriveBits", false } };
    bool seen[sizeof known / sizeof known[0]] = { 0 };
    bool sign = false;
    bool encrypt = false;
    vd_jv_iter it = vd_jv_iter_of(ops);
    while (vd_jv_next(&it)) {
        if (!vd_jv_is(it.value, VD_JSON_STRING))
            return vd_fail(err, VD_E_SYNTAX, "JWK: key_ops holds something else than strings");
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
            if (!vd_jv_str_eq(it.value, known[i].name))
                continue;
            if (seen[i])
                return vd_fail(err, VD_E_SYNTAX, "JWK: key_ops names %s twice", known[i].name);
            seen[i] = true;
            sign = sign || known[i].sign;
            encrypt = encrypt || !known[i].sign;
        }
    }
    a->sign = a->sign && sign;
    a->encrypt = a->encrypt && encrypt;
    return VD_OK;
}

static bool encrypts_as(vd_jv alg, enum vd_kty kty)
{
    switch (kty) {
    case VD_KTY_P256:
    case VD_KTY_P384:
    case VD_KTY_P521:
        return vd_jv_str_eq(alg, "ECDH-ES+A256KW");
    case VD_KTY_RSA:
        return vd_jv_str_eq(alg, "RSA-OAEP-256") || vd_jv_str_eq(alg, "RSA1_5");
    case VD_KTY_MLKEM768:
        return true; /* looked at by read_akp */
    case VD_KTY_ED25519:
    case VD_KTY_MAX:
        break;
    }
    return false;
}

/* What the JWK lets the key do, kept in the key. */
static vd_rc restrict_key(vd_jv jwk, struct vd_key *k, vd_err *err)
{
    struct allowed a = { true, true };
    VD_TRY(read_use(jwk, &a, err));
    vd_jv alg = vd_jv_get(jwk, "alg");
    if (vd_jv_ok(alg)) {
        if (!vd_jv_is(alg, VD_JSON_STRING))
            return vd_fail(err, VD_E_SYNTAX, "JWK: alg is not a string");
        enum vd_sig sig = VD_SIG_MAX;
        if (vd_jws_alg_by_name(vd_jv_str_raw(alg), &sig, NULL).code == VD_E_OK) {
            if (vd_sig_kty(sig) != k->kty)
                return vd_fail(err, VD_E_SYNTAX, "JWK: alg does not belong to this type of key");
            k->sigs = VD_SIGS_ONE;
            k->only_sig = sig;
            a.encrypt = false;
        } else {
            a.sign = false;
            a.encrypt = a.encrypt && encrypts_as(alg, k->kty);
        }
    }
    if (!a.sign)
        k->sigs = VD_SIGS_NONE;
    k->may_encrypt = k->may_encrypt && a.encrypt;
    return VD_OK;
}

static vd_rc read_key(vd_jv jwk, bool with_private, struct vd_key **ret, vd_err *err)
{
    vd_jv kty = vd_jv_get(jwk, "kty");
    if (vd_jv_str_eq(kty, "EC"))
        return read_ec(jwk, with_private, ret, err);
    if (vd_jv_str_eq(kty, "RSA"))
        return read_rsa(jwk, with_private, ret, err);
    if (vd_jv_str_eq(kty, "OKP"))
        return read_okp(jwk, with_private, ret, err);
    if (vd_jv_str_eq(kty, "AKP"))
        return read_akp(jwk, with_private, ret, err);
    return vd_fail(err, VD_E_SYNTAX, "JWK: kty is none of EC, RSA, OKP, AKP");
}

vd_rc vd_key_from_jwk(vd_jv jwk, enum vd_key_purpose purpose, struct vd_key **ret, vd_err *err)
{
    if (!vd_jv_is(jwk, VD_JSON_OBJECT))
        return vd_fail(err, VD_E_SYNTAX, "JWK: not an object");
    bool with_private = has_private(jwk);
    if (with_private && purpose != VD_KEY_ANY)
        return vd_fail(err, VD_E_SYNTAX,
                       "JWK: a private key stands where a public key is expected");
    VD_AUTO(vd_key_unref) struct vd_key *k = NULL;
    VD_TRY(read_key(jwk, with_private, &k, err));
    VD_TRY(restrict_key(jwk, k, err));
    if (purpose == VD_KEY_VERIFY && k->sigs == VD_SIGS_NONE)
        return vd_fail(err, VD_E_SYNTAX,
                       "JWK: its type, use, key_ops or alg do not allow verifying");
    if (purpose == VD_KEY_ENCRYPT && !k->may_encrypt)
        return vd_fail(err, VD_E_SYNTAX,
                       "JWK: its type, use, key_ops or alg do not allow encrypting to it");
    *ret = VD_TAKE(k);
    return VD_OK;
}

vd_rc vd_key_from_jwk_text(vd_span json, enum vd_key_purpose purpose, struct vd_key **ret,
                           vd_err *err)
{
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    VD_TRY(vd_json_parse(json, VD_JSON_LIMITS(JWK_TEXT_MAX), &doc, err));
    return vd_key_from_jwk(vd_json_root(doc), purpose, ret, err);
}
