/* PKCS#11 tokens; see p11.h. The module is loaded by name and stays loaded: its destructors are not
 * made for an unload while threads run. */
#include "shared/crypto/p11.h"

#include <dlfcn.h>
#include <p11-kit/pkcs11.h>
#include <pthread.h>
#include <stdlib.h>

#include "shared/base/auto.h"
#include "shared/crypto/hash.h"

enum { SLOTS_MAX = 64, PAIRS_MAX = 256, POINT_MAX = 160, ID_MAX = 64, SIG_MAX = 96 };

static const struct curve {
    enum vd_kty kty;
    size_t point; /* bytes of 04|x|y */
    uint8_t oid[10];
    size_t oid_n;
} curves[] = {
    { VD_KTY_P256, 65, { 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07 }, 10 },
    { VD_KTY_P384, 97, { 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22 }, 7 },
};

struct vd_p11 {
    CK_FUNCTION_LIST *f;
    CK_SESSION_HANDLE session;
    bool initialized; /* by us */
    bool opened;
    char *label;
    pthread_mutex_t lock;
};

/* One pair as it was found. */
struct pair {
    CK_OBJECT_HANDLE pub;
    CK_OBJECT_HANDLE priv;
    struct vd_key *key;
};

static vd_rc failed(vd_err *err, vd_code code, const char *what, CK_RV rv)
{
    return vd_fail(err, code, "PKCS#11: %s failed (0x%lx)", what, (unsigned long)rv);
}

/* Attributes want pointers to bytes that the module may write; it does not write these. */
static CK_ATTRIBUTE attribute(CK_ATTRIBUTE_TYPE type, const void *p, size_t n)
{
    union {
        const void *in;
        void *out;
    } u = { .in = p };
    return (CK_ATTRIBUTE){ type, u.out, (CK_ULONG)n };
}

/* ---- opening --------------------------------------------------------------------------------- */

static vd_rc load(const char *module, struct vd_p11 *p, vd_err *err)
{
    void *library = dlopen(module, RTLD_NOW | RTLD_LOCAL);
    union {
        void *object;
        CK_C_GetFunctionList function;
    } u = { .object = library ? dlsym(library, "C_GetFunctionList") : NULL };
    if (!u.object)
        return vd_fail(err, VD_E_CONFIG, "pkcs11_module %s is no PKCS#11 module: %.120s", module,
                       library ? "C_GetFunctionList is missing" : dlerror());
    CK_C_INITIALIZE_ARGS args = { .flags = CKF_OS_LOCKING_OK };
    CK_RV rv = u.function(&p->f);
    if (rv != CKR_OK || !p->f)
        return failed(err, VD_E_CONFIG, "C_GetFunctionList", rv);
    rv = p->f->C_Initialize(&args);
    if (rv != CKR_OK && rv != CKR_CRYPTOKI_ALREADY_INITIALIZED)
        return failed(err, VD_E_CONFIG, "C_Initialize", rv);
    p->initialized = rv == CKR_OK;
    return VD_OK;
}

/* Labels of tokens are padded with blanks. */
static bool is_token(const CK_TOKEN_INFO *info, const char *label)
{
    size_t n = sizeof info->label;
    while (n && info->label[n - 1] == ' ')
        n--;
    return (info->flags & CKF_TOKEN_INITIALIZED) != 0 &&
           vd_span_eq_str(vd_span_of(info->label, n), label);
}

static vd_rc find_slot(const struct vd_p11 *p, const char *token, CK_SLOT_ID *ret, vd_err *err)
{
    CK_SLOT_ID slot[SLOTS_MAX];
    CK_ULONG n = SLOTS_MAX;
    CK_RV rv = p->f->C_GetSlotList(CK_TRUE, slot, &n);
    if (rv != CKR_OK)
        return failed(err, VD_E_CONFIG, "C_GetSlotList", rv);
    for (CK_ULONG i = 0; i < n; i++) {
        CK_TOKEN_INFO info;
        if (p->f->C_GetTokenInfo(slot[i], &info) == CKR_OK && is_token(&info, token)) {
            *ret = slot[i];
            return VD_OK;
        }
    }
    return vd_fail(err, VD_E_CONFIG, "pkcs11_token: the module has no token with the label %s",
                   token);
}

static vd_rc log_in(struct vd_p11 *p, CK_SLOT_ID slot, vd_span pin, vd_err *err)
{
    CK_RV rv =
        p->f->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &p->session);
    if (rv != CKR_OK)
        return failed(err, VD_E_CONFIG, "C_OpenSession", rv);
    p->opened = true;
    VD_AUTO_SECRET copy = { 0 };
    VD_TRY(vd_secret_copy(pin, &copy, err));
    rv = p->f->C_Login(p->session, CKU_USER, copy.p, (CK_ULONG)copy.n);
    if (rv == CKR_PIN_INCORRECT || rv == CKR_PIN_LEN_RANGE)
        return vd_fail(err, VD_E_CONFIG, "pkcs11_pin_file does not hold the PIN of the token");
    if (rv != CKR_OK && rv != CKR_USER_ALREADY_LOGGED_IN)
        return failed(err, VD_E_CONFIG, "C_Login", rv);
    return VD_OK;
}

vd_rc vd_p11_open(const struct vd_p11_cfg *cfg, struct vd_p11 **ret, vd_err *err)
{
    CK_SLOT_ID slot = 0;
    VD_AUTO(vd_p11_close) struct vd_p11 *p = calloc(1, sizeof *p);
    if (!p)
        return vd_fail(err, VD_E_NOMEM, "PKCS#11");
    (void)pthread_mutex_init(&p->lock, NULL);
    p->label = vd_strdup_span(vd_span_str(cfg->label));
    if (!p->label)
        return vd_fail(err, VD_E_NOMEM, "PKCS#11");
    VD_TRY(load(cfg->module, p, err));
    VD_TRY(find_slot(p, cfg->token, &slot, err));
    VD_TRY(log_in(p, slot, cfg->pin, err));
    *ret = VD_TAKE(p);
    return VD_OK;
}

void vd_p11_close(struct vd_p11 *p)
{
    if (!p)
        return;
    if (p->opened)
        (void)p->f->C_CloseSession(p->session);
    if (p->initialized)
        (void)p->f->C_Finalize(NULL);
    (void)pthread_mutex_destroy(&p->lock);
    free(p->label);
    free(p);
}

/* ---- finding; with the lock held ------------------------------------------------------------- */

static vd_rc find_objects(struct vd_p11 *p, CK_ATTRIBUTE *want, CK_ULONG n_want,
                          CK_OBJECT_HANDLE *ret, CK_ULONG max, CK_ULONG *ret_n, vd_err *err)
{
    CK_RV rv = p->f->C_FindObjectsInit(p->session, want, n_want);
    if (rv != CKR_OK)
        return failed(err, VD_E_CRYPTO, "C_FindObjectsInit", rv);
    rv = p->f->C_FindObjects(p->session, ret, max, ret_n);
    (void)p->f->C_FindObjectsFinal(p->session);
    return rv == CKR_OK ? VD_OK : failed(err, VD_E_CRYPTO, "C_FindObjects", rv);
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
        return failed(err, VD_E_CRYPTO, "C_GetAttributeValue", rv);
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

vd_rc vd_p11_find(struct vd_p11 *p, const char *thumbprint, struct vd_key **ret,
                  unsigned long *ret_handle, vd_err *err)
{
    struct pair found = { 0 };
    (void)pthread_mutex_lock(&p->lock);
    vd_rc_ rc = find_pair(p, thumbprint, &found, err);
    (void)pthread_mutex_unlock(&p->lock);
    if (rc.code != VD_E_OK)
        return rc;
    *ret = found.key;
    *ret_handle = found.priv;
    return VD_OK;
}

/* ---- making, using, destroying --------------------------------------------------------------- */

static vd_rc generate(struct vd_p11 *p, const struct curve *c, struct vd_key **ret, vd_err *err)
{
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
        return failed(err, VD_E_CRYPTO, "C_GenerateKeyPair", rv);
    VD_TRY(read_pair(p, made.pub, &made, err));
    *ret = made.key;
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
    (void)pthread_mutex_lock(&p->lock);
    vd_rc_ rc = generate(p, c, ret, err);
    (void)pthread_mutex_unlock(&p->lock);
    return rc;
}

vd_rc vd_p11_sign(struct vd_p11 *p, unsigned long handle, enum vd_sig alg, vd_span in, vd_buf *out,
                  vd_err *err)
{
    enum vd_hash hash = alg == VD_SIG_ES384 ? VD_SHA384 : VD_SHA256;
    uint8_t digest[VD_HASH_BYTES_MAX];
    uint8_t sig[SIG_MAX];
    CK_ULONG n = sizeof sig;
    CK_MECHANISM mechanism = { CKM_ECDSA, NULL, 0 };
    if (alg != VD_SIG_ES256 && alg != VD_SIG_ES384)
        return vd_fail(err, VD_E_CRYPTO, "keys in a PKCS#11 token sign ES256 or ES384");
    VD_TRY(vd_hash_of(hash, in, digest, err));
    (void)pthread_mutex_lock(&p->lock);
    CK_RV rv = p->f->C_SignInit(p->session, &mechanism, handle);
    if (rv == CKR_OK)
        rv = p->f->C_Sign(p->session, digest, (CK_ULONG)vd_hash_size(hash), sig, &n);
    (void)pthread_mutex_unlock(&p->lock);
    if (rv != CKR_OK)
        return failed(err, VD_E_CRYPTO, "C_Sign", rv);
    if (n != (alg == VD_SIG_ES384 ? 96 : 64))
        return vd_fail(err, VD_E_CRYPTO, "PKCS#11: a signature of %lu bytes", (unsigned long)n);
    vd_buf_add(out, vd_span_of(sig, n));
    return vd_buf_check(out, err);
}

vd_rc vd_p11_destroy(struct vd_p11 *p, const char *thumbprint, vd_err *err)
{
    struct pair found = { 0 };
    (void)pthread_mutex_lock(&p->lock);
    vd_rc_ rc = find_pair(p, thumbprint, &found, err);
    CK_RV rv = CKR_OK;
    if (rc.code == VD_E_OK)
        rv = p->f->C_DestroyObject(p->session, found.priv);
    if (rc.code == VD_E_OK && rv == CKR_OK)
        rv = p->f->C_DestroyObject(p->session, found.pub);
    (void)pthread_mutex_unlock(&p->lock);
    vd_key_unref(found.key);
    if (rc.code == VD_E_OK && rv != CKR_OK)
        return failed(err, VD_E_CRYPTO, "C_DestroyObject", rv);
    return rc;
}
