/* Sessions with PKCS#11 tokens; see p11.h. The module is loaded by name and stays loaded: its
 * destructors are not made for an unload while threads run. A session that was lost (card pulled,
 * network HSM restarted) is opened again by the next call that needs it: first a session alone,
 * then, because some modules look for tokens only once, with the module initialized anew. */
#include <dlfcn.h>
#include <stdlib.h>

#include "shared/base/auto.h"
#include "shared/crypto/p11_priv.h"

enum { SLOTS_MAX = 64 };

/* What PKCS#11 2.40 section 5.1 has for a session, a login or a token that is no longer there. */
static bool is_loss(CK_RV rv)
{
    switch (rv) {
    case CKR_SESSION_HANDLE_INVALID:
    case CKR_SESSION_CLOSED:
    case CKR_USER_NOT_LOGGED_IN:
    case CKR_DEVICE_REMOVED:
    case CKR_DEVICE_ERROR:
    case CKR_TOKEN_NOT_PRESENT:
    case CKR_TOKEN_NOT_RECOGNIZED:
    case CKR_CRYPTOKI_NOT_INITIALIZED:
    case CKR_GENERAL_ERROR:
    case CKR_FUNCTION_FAILED:
        return true;
    default:
        return false;
    }
}

vd_rc vd_p11_failed(struct vd_p11 *p, vd_err *err, vd_code code, const char *what, CK_RV rv)
{
    p->lost = p->lost || is_loss(rv);
    return vd_fail(err, code, "PKCS#11: %s failed (0x%lx)", what, (unsigned long)rv);
}

static vd_rc initialize(struct vd_p11 *p, vd_err *err)
{
    CK_C_INITIALIZE_ARGS args = { .flags = CKF_OS_LOCKING_OK };
    CK_RV rv = p->f->C_Initialize(&args);
    if (rv != CKR_OK && rv != CKR_CRYPTOKI_ALREADY_INITIALIZED)
        return vd_p11_failed(p, err, VD_E_CONFIG, "C_Initialize", rv);
    p->initialized = p->initialized || rv == CKR_OK;
    return VD_OK;
}

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
    CK_RV rv = u.function(&p->f);
    if (rv != CKR_OK || !p->f)
        return vd_p11_failed(p, err, VD_E_CONFIG, "C_GetFunctionList", rv);
    return initialize(p, err);
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

static vd_rc find_slot(struct vd_p11 *p, CK_SLOT_ID *ret, vd_err *err)
{
    CK_SLOT_ID slot[SLOTS_MAX];
    CK_ULONG n = SLOTS_MAX;
    CK_RV rv = p->f->C_GetSlotList(CK_TRUE, slot, &n);
    if (rv != CKR_OK)
        return vd_p11_failed(p, err, VD_E_CONFIG, "C_GetSlotList", rv);
    for (CK_ULONG i = 0; i < n; i++) {
        CK_TOKEN_INFO info;
        if (p->f->C_GetTokenInfo(slot[i], &info) == CKR_OK && is_token(&info, p->token)) {
            *ret = slot[i];
            return VD_OK;
        }
    }
    return vd_fail(err, VD_E_CONFIG, "pkcs11_token: the module has no token with the label %s",
                   p->token);
}

static vd_rc log_in(struct vd_p11 *p, CK_SLOT_ID slot, vd_err *err)
{
    CK_RV rv =
        p->f->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &p->session);
    if (rv != CKR_OK)
        return vd_p11_failed(p, err, VD_E_CONFIG, "C_OpenSession", rv);
    p->opened = true;
    rv = p->f->C_Login(p->session, CKU_USER, p->pin.p, (CK_ULONG)p->pin.n);
    p->refused = rv == CKR_PIN_INCORRECT || rv == CKR_PIN_LEN_RANGE || rv == CKR_PIN_EXPIRED ||
                 rv == CKR_PIN_LOCKED;
    if (p->refused)
        return vd_fail(err, VD_E_CONFIG, "pkcs11_pin_file does not hold the PIN of the token");
    if (rv != CKR_OK && rv != CKR_USER_ALREADY_LOGGED_IN)
        return vd_p11_failed(p, err, VD_E_CONFIG, "C_Login", rv);
    return VD_OK;
}

static void close_session(struct vd_p11 *p)
{
    if (p->opened)
        (void)p->f->C_CloseSession(p->session);
    p->opened = false;
}

static vd_rc open_session(struct vd_p11 *p, vd_err *err)
{
    CK_SLOT_ID slot = 0;
    close_session(p);
    VD_TRY(find_slot(p, &slot, err));
    vd_rc_ rc = log_in(p, slot, err);
    if (rc.code != VD_E_OK) {
        close_session(p);
        return rc;
    }
    p->lost = false;
    p->opening++;
    return VD_OK;
}

bool vd_p11_lost(struct vd_p11 *p)
{
    CK_SESSION_INFO info = { 0 };
    CK_RV rv = p->f->C_GetSessionInfo(p->session, &info);
    p->lost = p->lost || rv != CKR_OK || info.state != CKS_RW_USER_FUNCTIONS;
    return p->lost;
}

vd_rc vd_p11_reopen(struct vd_p11 *p, vd_err *err)
{
    vd_err why = { 0 };
    if (p->refused)
        return vd_fail(err, VD_E_CRYPTO,
                       "PKCS#11: the token refused the PIN when the session was opened again; put "
                       "it into pkcs11_pin_file and restart");
    vd_rc_ rc = open_session(p, &why);
    if (rc.code != VD_E_OK && !p->refused && p->initialized) {
        why = (vd_err){ 0 };
        (void)p->f->C_Finalize(NULL);
        p->initialized = false;
        rc = initialize(p, &why);
        if (rc.code == VD_E_OK)
            rc = open_session(p, &why);
        else
            p->initialized = true; /* for the next try */
    }
    p->lost = rc.code != VD_E_OK;
    if (rc.code != VD_E_OK)
        return vd_fail(err, VD_E_CRYPTO, "PKCS#11: the session is lost: %.160s", why.msg);
    return VD_OK;
}

vd_rc vd_p11_open(const struct vd_p11_cfg *cfg, struct vd_p11 **ret, vd_err *err)
{
    VD_AUTO(vd_p11_close) struct vd_p11 *p = calloc(1, sizeof *p);
    if (!p)
        return vd_fail(err, VD_E_NOMEM, "PKCS#11");
    (void)pthread_mutex_init(&p->lock, NULL);
    p->label = vd_strdup_span(vd_span_str(cfg->label));
    p->token = vd_strdup_span(vd_span_str(cfg->token));
    if (!p->label || !p->token)
        return vd_fail(err, VD_E_NOMEM, "PKCS#11");
    VD_TRY(vd_secret_copy(cfg->pin, &p->pin, err));
    VD_TRY(load(cfg->module, p, err));
    VD_TRY(open_session(p, err));
    *ret = VD_TAKE(p);
    return VD_OK;
}

uint64_t vd_p11_openings(struct vd_p11 *p)
{
    (void)pthread_mutex_lock(&p->lock);
    uint64_t n = p->opening;
    (void)pthread_mutex_unlock(&p->lock);
    return n;
}

void vd_p11_close(struct vd_p11 *p)
{
    if (!p)
        return;
    close_session(p);
    if (p->initialized)
        (void)p->f->C_Finalize(NULL);
    (void)pthread_mutex_destroy(&p->lock);
    vd_secret_done(&p->pin);
    free(p->label);
    free(p->token);
    free(p);
}
