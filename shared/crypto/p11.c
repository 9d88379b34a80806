/* Keys in PKCS#11 tokens; see p11.h. */
#include "shared/crypto/p11.h"

#include <stdlib.h>

#include "shared/base/auto.h"
#include "shared/crypto/hash.h"
#include "shared/crypto/p11_priv.h"

enum { PAIRS_MAX = 256, POINT_MAX = 160, ID_MAX = 64, SIG_MAX = 96 };

static const struct curve {
    enum vd_kty kty;
    size_t point; /* bytes of 04|x|y */
    uint8_t oid[10];
    size_t oid_n;
} curves[] = {
    { VD_KTY_P256, 65, { 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07 }, 10 },
    { VD_KTY_P384, 97, { 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22 }, 7 },
};

/* One pair as it was found. */
struct pair {
    CK_OBJECT_HANDLE pub;
    CK_OBJECT_HANDLE priv;
    struct vd_key *key;
};

/* Attributes want pointers to bytes that the module may write; it does not write these. */
static CK_ATTRIBUTE attribute(CK_ATTRIBUTE_TYPE type, const void *p, size_t n)
{
    union {
        const void *in;
        void *out;
    } u = { .in = p };
    return (CK_ATTRIBUTE){ type, u.out, (CK_ULONG)n };
}

/* ---- finding; with the lock held ------------------------------------------------------------- */

static vd_rc find_objects(struct vd_p11 *p, CK_ATTRIBUTE *want, CK_ULONG n_want,
                          CK_OBJECT_HANDLE *ret, CK_ULONG max, CK_ULONG *ret_n, vd_err *err)
{
    CK_RV rv = p->f->C_FindObjectsInit(p->session, want, n_want);
    if (rv != CKR_OK)
        return vd_p11_failed(p, err, VD_E_CRYPTO, "C_FindObjectsInit", rv);
    rv = p->f->C_FindObjects(p->session, ret, max, ret_n);
    (void)p->f->C_FindObjectsFinal(p->session);
    return rv == CKR_OK ? VD_OK : vd_p11_failed(p, err, VD_E_CRYPTO, "C_FindObjects", rv);
}

/* CKA_EC_POINT is 04|x|y in a DER octet string; some modules leave the string away. */
static vd_rc key_of_point(vd_span params, vd_span point, struct vd_key **ret, vd_err *err)
{
    for (size_t i = 0; i < sizeof curves / sizeof curves[0]; i++) {
        const struct curve *c = &curves[i];
        if (!vd_span_eq(params, vd_span_of(c->oid, c->oid_n)))
            continue;
        if (point.n == c->point + 2 && point.p[0] == 0x04 && point.p[1] == c->point)
            point = vd_span_part(point, 2, point.n);
        return vd_key_from_point(c->kty, point, ret, err);
    }
    return vd_fail(err, VD_E_CRYPTO, "PKCS#11: a key of the label is on neither P-256 nor P-384");
}

static vd_rc read_pair(struct vd_p11 *p, CK_OBJECT_HANDLE pub, struct pair *ret, vd_err *err)
{
    uint8_t params[32];
    uint8_t point[POINT_MAX];
    uint8_t id[ID_MAX];
    CK_OBJECT_CLASS private_class = CKO_PRIVATE_KEY;
    CK_ULONG n = 0;
    CK_ATTRIBUTE read[] = { { CKA_EC_PARAMS, params, sizeof params },
                            { CKA_EC_POINT, point, sizeof point },
                            { CKA_ID, id, sizeof id } };
    CK_RV rv = p->f->C_GetAttributeValue(p->session, pub, read, 3);
    if (rv != CKR_OK)
        return vd_p11_failed(p, err, VD_E_CRYPTO, "C_GetAttributeValue", rv);
    CK_ATTRIBUTE want[] = { attribute(CKA_CLASS, &private_class, sizeof private_class),
                            attribute(CKA_LABEL, p->label, strlen(p->label)),
                            attribute(CKA_ID, id, read[2].ulValueLen) };
    VD_TRY(find_objects(p, want, 3, &ret->priv, 1, &n, err));
    if (n == 0)
        return vd_fail(err, VD_E_CRYPTO, "PKCS#11: a public key of the label has no private half");
    ret->pub = pub;
    return key_of_point(vd_span_of(params, read[0].ulValueLen),
                        vd_span_of(point, read[1].ulValueLen), &ret->key, err);
}

static vd_rc find_pair(struct vd_p11 *p, const char *thumbprint, struct pair *ret, vd_err *err)
{
    CK_OBJECT_HANDLE found[PAIRS_MAX];
    CK_OBJECT_CLASS public_class = CKO_PUBLIC_KEY;
    CK_KEY_TYPE ec = CKK_EC;
    CK_ULONG n = 0;
    CK_ATTRIBUTE want[] = { attribute(CKA_CLASS, &public_class, sizeof public_class),
                            attribute(CKA_KEY_TYPE, &ec, sizeof ec),
                            attribute(CKA_LABEL, p->label, strlen(p->label)) };
    VD_TRY(find_objects(p, want, 3, found, PAIRS_MAX, &n, err));
    for (CK_ULONG i = 0; i < n; i++) {
        struct pair one = { 0 };
        char name[44] = "";
        /* What cannot be used is passed over: somebody may keep more under the label. */
        if (read_pair(p, found[i], &one, NULL).code != VD_E_OK)
            continue;
        if (!thumbprint || (vd_key_thumbprint(one.key, name, NULL).code == VD_E_OK &&
                            strcmp(name, thumbprint) == 0)) {
            *ret = one;
            return VD_OK;
        }
        vd_key_unref(one.key);
    }
    return vd_fail(err, VD_E_NOT_FOUND, "the token has no key pair %s of the label %s",
                   thumbprint ? thumbprint : "", p->label);
}

/* ---- one call, and once more after a lost session ---------------------------------------------
 */

struct call {
    const char *thumbprint;
    const struct curve *curve;
    struct vd_p11_pair *pair;
    uint8_t *digest;
    size_t n_digest;
    uint8_t *sig;
    CK_ULONG n_sig;
    struct pair found; /* the key is handed on, or freed */
};

static vd_rc do_call(struct vd_p11 *p, vd_rc_ (*op)(struct vd_p11 *, struct call *, vd_err *),
                     struct call *c, vd_err *err)
{
    vd_err why = { 0 };
    vd_rc_ rc = VD_OK;
    (void)pthread_mutex_lock(&p->lock);
    if (p->lost)
        rc = vd_p11_reopen(p, &why);
    if (rc.code == VD_E_OK) {
        rc = op(p, c, &why);
        if (rc.code != VD_E_OK && vd_p11_lost(p)) {
            why = (vd_err){ 0 };
            rc = vd_p11_reopen(p, &why);
            if (rc.code == VD_E_OK)
                rc = op(p, c, &why);
        }
    }
    (void)pthread_mutex_unlock(&p->lock);
    return rc.code == VD_E_OK ? VD_OK : vd_fail(err, rc.code, "%s", why.msg);
}

static vd_rc find(struct vd_p11 *p, struct call *c, vd_err *err)
{
    VD_TRY(find_pair(p, c->thumbprint, &c->found, err));
    c->pair->handle = c->found.priv;
    c->pair->opening = p->opening;
    return VD_OK;
}

vd_rc vd_p11_find(struct vd_p11 *p, const char *thumbprint, struct vd_key **ret,
                  struct vd_p11_pair *ret_pair, vd_err *err)
{
    struct vd_p11_pair pair = { 0 };
    struct call c = { .thumbprint = thumbprint, .pair = &pair };
    VD_TRY(do_call(p, find, &c, err));
    VD_AUTO(vd_key_unref) struct vd_key *key = c.found.key;
    VD_TRY(vd_key_thumbprint(key, pair.thumbprint, err));
    *ret = VD_TAKE(key);
    *ret_pair = pair;
    return VD_OK;
}

/* ---- making, using, destroying --------------------------------------------------------------- */

static vd_rc generate(struct vd_p11 *p, struct call *call, vd_err *err)
{
    const struct curve *c = call->curve;
    CK_BBOOL yes = CK_TRUE;
    CK_BBOOL no = CK_FALSE;
    uint8_t id[16];
    struct pair made = { 0 };
    CK_OBJECT_HANDLE priv = 0;
    CK_MECHANISM mechanism = { CKM_EC_KEY_PAIR_GEN, NULL, 0 };
    vd_random(id, sizeof id);
    CK_ATTRIBUTE pub_is[] = { attribute(CKA_TOKEN, &yes, sizeof yes),
                              attribute(CKA_VERIFY, &yes, sizeof yes),
                              attribute(CKA_LABEL, p->label, strlen(p->label)),
                              attribute(CKA_ID, id, sizeof id),
                              attribute(CKA_EC_PARAMS, c->oid, c->oid_n) };
    CK_ATTRIBUTE priv_is[] = { attribute(CKA_TOKEN, &yes, sizeof yes),
                               attribute(CKA_PRIVATE, &yes, sizeof yes),
                               attribute(CKA_SENSITIVE, &yes, sizeof yes),
                               attribute(CKA_EXTRACTABLE, &no, sizeof no),
                               attribute(CKA_SIGN, &yes, sizeof yes),
                               attribute(CKA_LABEL, p->label, strlen(p->label)),
                               attribute(CKA_ID, id, sizeof id) };
    CK_RV rv =
        p->f->C_GenerateKeyPair(p->session, &mechanism, pub_is, sizeof pub_is / sizeof pub_is[0],
                                priv_is, sizeof priv_is / sizeof priv_is[0], &made.pub, &priv);
    if (rv != CKR_OK)
        return vd_p11_failed(p, err, VD_E_CRYPTO, "C_GenerateKeyPair", rv);
    VD_TRY(read_pair(p, made.pub, &made, err));
    call->found = made;
    return VD_OK;
}

vd_rc vd_p11_generate(struct vd_p11 *p, enum vd_kty kty, struct vd_key **ret, vd_err *err)
{
    const struct curve *c = NULL;
    for (size_t i = 0; i < sizeof curves / sizeof curves[0]; i++)
        if (curves[i].kty == kty)
            c = &curves[i];
    if (!c)
        return vd_fail(err, VD_E_CONFIG, "keys in a PKCS#11 token are for ES256 or ES384");
    struct call call = { .curve = c };
    VD_TRY(do_call(p, generate, &call, err));
    *ret = call.found.key;
    return VD_OK;
}

/* A handle is one of the session's opening, and ends with its pair. */
static vd_rc sign(struct vd_p11 *p, struct call *c, vd_err *err)
{
    CK_MECHANISM mechanism = { CKM_ECDSA, NULL, 0 };
    if (c->pair->opening != p->opening) {
        struct pair found = { 0 };
        VD_TRY(find_pair(p, c->pair->thumbprint, &found, err));
        vd_key_unref(found.key);
        c->pair->handle = found.priv;
        c->pair->opening = p->opening;
    }
    c->n_sig = SIG_MAX;
    CK_RV rv = p->f->C_SignInit(p->session, &mechanism, c->pair->handle);
    if (rv == CKR_OK)
        rv = p->f->C_Sign(p->session, c->digest, (CK_ULONG)c->n_digest, c->sig, &c->n_sig);
    return rv == CKR_OK ? VD_OK : vd_p11_failed(p, err, VD_E_CRYPTO, "C_Sign", rv);
}

vd_rc vd_p11_sign(struct vd_p11 *p, struct vd_p11_pair *pair, enum vd_sig alg, vd_span in,
                  vd_buf *out, vd_err *err)
{
    enum vd_hash hash = alg == VD_SIG_ES384 ? VD_SHA384 : VD_SHA256;
    uint8_t digest[VD_HASH_BYTES_MAX];
    uint8_t sig[SIG_MAX];
    if (alg != VD_SIG_ES256 && alg != VD_SIG_ES384)
        return vd_fail(err, VD_E_CRYPTO, "keys in a PKCS#11 token sign ES256 or ES384");
    VD_TRY(vd_hash_of(hash, in, digest, err));
    struct call c = { .pair = pair, .digest = digest, .n_digest = vd_hash_size(hash), .sig = sig };
    VD_TRY(do_call(p, sign, &c, err));
    if (c.n_sig != (alg == VD_SIG_ES384 ? 96 : 64))
        return vd_fail(err, VD_E_CRYPTO, "PKCS#11: a signature of %lu bytes",
                       (unsigned long)c.n_sig);
    vd_buf_add(out, vd_span_of(sig, c.n_sig));
    return vd_buf_check(out, err);
}

static vd_rc destroy(struct vd_p11 *p, struct call *c, vd_err *err)
{
    VD_TRY(find_pair(p, c->thumbprint, &c->found, err));
    vd_key_unref(VD_TAKE(c->found.key));
    CK_RV rv = p->f->C_DestroyObject(p->session, c->found.priv);
    if (rv == CKR_OK)
        rv = p->f->C_DestroyObject(p->session, c->found.pub);
    return rv == CKR_OK ? VD_OK : vd_p11_failed(p, err, VD_E_CRYPTO, "C_DestroyObject", rv);
}

vd_rc vd_p11_destroy(struct vd_p11 *p, const char *thumbprint, vd_err *err)
{
    struct call c = { .thumbprint = thumbprint };
    return do_call(p, destroy, &c, err);
}
