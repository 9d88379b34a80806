/* Attestation policies: which text an id means, and its compiled form. A stored policy wins over
 * the default of the same name; deleting it brings the default back. Compiled forms are kept by id
 * and the digest of the text; the store's epoch says when a row has to be looked at again. */
#include "issuer/appraise/policies.h"

#include <pthread.h>
#include <stdlib.h>

#include "shared/crypto/hash.h"

enum { KEPT_MAX = 256 };

#define BUILTINS(X)                                                                                \
    X(cpu, "default_cpu")                                                                          \
    X(gpu, "default_gpu")                                                                          \
    X(switch, "default_switch")                                                                    \
    X(ppcie, "default_ppcie")

#define BUILTIN_EXTERN(sym, id)                                                                    \
    extern const uint8_t iss_rego_##sym[];                                                         \
    extern const size_t iss_rego_##sym##_n;
BUILTINS(BUILTIN_EXTERN)
#undef BUILTIN_EXTERN

static const struct {
    const char *id;
    const uint8_t *text;
    const size_t *n;
} builtins[] = {
#define BUILTIN_ROW(sym, id) { id, iss_rego_##sym, &iss_rego_##sym##_n },
    BUILTINS(BUILTIN_ROW)
#undef BUILTIN_ROW
};

struct kept {
    char *id;
    struct vd_policy *policy;
    bool builtin;
    uint64_t epoch; /* of the store when the row was read */
};

struct iss_policies {
    struct vd_store *store; /* NULL: built-in defaults only */
    struct vd_policy_workers *workers;
    struct vd_policy *fixed; /* or one policy for every id */
    const struct vd_limits *limits;
    pthread_rwlock_t lock;
    size_t n;
    struct kept kept[KEPT_MAX];
};

bool iss_policy_builtin_at(size_t i, const char **ret_id, vd_span *ret_text)
{
    if (i >= sizeof builtins / sizeof builtins[0])
        return false;
    *ret_id = builtins[i].id;
    *ret_text = vd_span_of(builtins[i].text, *builtins[i].n);
    return true;
}

vd_span iss_policy_builtin(const char *id)
{
    const char *at;
    vd_span text;
    for (size_t i = 0; iss_policy_builtin_at(i, &at, &text); i++)
        if (strcmp(at, id) == 0)
            return text;
    return VD_SPAN_NONE;
}

vd_rc iss_policies_new(struct vd_store *store, struct vd_policy_workers *workers,
                       const struct vd_limits *limits, struct iss_policies **ret, vd_err *err)
{
    struct iss_policies *p = calloc(1, sizeof *p);
    if (!p)
        return vd_fail(err, VD_E_NOMEM, "policies");
    if (pthread_rwlock_init(&p->lock, NULL) != 0) {
        free(p);
        return vd_fail(err, VD_E_INTERNAL, "lock of the policies");
    }
    p->store = store;
    p->workers = workers;
    p->limits = limits;
    *ret = p;
    return VD_OK;
}

vd_rc iss_policies_fixed(vd_span rego, const struct vd_limits *limits, struct iss_policies **ret,
                         vd_err *err)
{
    VD_AUTO(iss_policies_free) struct iss_policies *p = NULL;
    VD_TRY(iss_policies_new(NULL, NULL, limits, &p, err));
    VD_TRY(vd_policy_compile(VD_POLICY_ATTESTATION, rego, limits, &p->fixed, err));
    *ret = VD_TAKE(p);
    return VD_OK;
}

static void kept_done(struct kept *k)
{
    free(k->id);
    vd_policy_unref(k->policy);
    *k = (struct kept){ 0 };
}

void iss_policies_free(struct iss_policies *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->n; i++)
        kept_done(&p->kept[i]);
    vd_policy_unref(p->fixed);
    (void)pthread_rwlock_destroy(&p->lock);
    free(p);
}

/* A lock is held. */
static struct kept *find_kept(struct iss_policies *p, const char *id)
{
    for (size_t i = 0; i < p->n; i++)
        if (strcmp(p->kept[i].id, id) == 0)
            return &p->kept[i];
    return NULL;
}

/* Remembers; when the table is full the oldest entry goes. Takes no reference of the caller. */
static void keep(struct iss_policies *p, const char *id, struct vd_policy *policy, bool builtin,
                 uint64_t epoch)
{
    (void)pthread_rwlock_wrlock(&p->lock);
    struct kept *k = find_kept(p, id);
    char *name = k ? NULL : strdup(id);
    if (!k && name) {
        if (p->n == KEPT_MAX) {
            kept_done(&p->kept[0]);
            memmove(&p->kept[0], &p->kept[1], (KEPT_MAX - 1) * sizeof p->kept[0]);
            p->n--;
        }
        k = &p->kept[p->n++];
        *k = (struct kept){ .id = name };
    }
    if (k) {
        vd_policy_unref(k->policy);
        k->policy = vd_policy_ref(policy);
        k->builtin = builtin;
        k->epoch = epoch;
    }
    (void)pthread_rwlock_unlock(&p->lock);
}

/* The compiled form kept for the id, if it is of exactly this text. */
static struct vd_policy *reuse(struct iss_policies *p, const char *id, const uint8_t sha256[32])
{
    (void)pthread_rwlock_rdlock(&p->lock);
    struct kept *k = find_kept(p, id);
    bool same =
        k && vd_span_eq(vd_span_of(vd_policy_sha256(k->policy), 32), vd_span_of(sha256, 32));
    struct vd_policy *policy = same ? vd_policy_ref(k->policy) : NULL;
    (void)pthread_rwlock_unlock(&p->lock);
    return policy;
}

/* The text that the id means now: stored, else built in. */
static vd_rc read_text(struct iss_policies *p, const char *id, vd_buf *ret_text, bool *ret_builtin,
                       vd_err *err)
{
    if (p->store) {
        VD_AUTO_OBJECT o = { 0 };
        vd_err why = { 0 };
        vd_rc_ rc = vd_store_get(p->store, VD_OWNER_DEFAULT, ISS_KIND_POLICY, id, 0, &o, &why);
        if (rc.code == VD_E_OK) {
            *ret_text = o.body;
            o.body = vd_buf_of(0);
            *ret_builtin = false;
            return VD_OK;
        }
        if (rc.code != VD_E_NOT_FOUND)
            return vd_fail(err, rc.code, "policy %.80s: %.120s", id, why.msg);
    }
    vd_span text = iss_policy_builtin(id);
    if (text.n == 0)
        return vd_fail(err, VD_E_POLICY_MISSING, "no attestation policy %.120s", id);
    *ret_text = vd_buf_of(text.n);
    vd_buf_add(ret_text, text);
    *ret_builtin = true;
    return vd_buf_check(ret_text, err);
}

vd_rc iss_policies_find(struct iss_policies *p, const char *id, struct vd_policy **ret,
                        bool *ret_builtin, vd_err *err)
{
    if (p->fixed) {
        *ret = vd_policy_ref(p->fixed);
        *ret_builtin = false;
        return VD_OK;
    }
    uint64_t epoch = p->store ? vd_store_epoch(p->store) : 0;
    (void)pthread_rwlock_rdlock(&p->lock);
    struct kept *k = find_kept(p, id);
    struct vd_policy *hit = k && k->epoch == epoch ? vd_policy_ref(k->policy) : NULL;
    bool builtin = hit && k->builtin;
    (void)pthread_rwlock_unlock(&p->lock);
    if (hit) {
        *ret = hit;
        *ret_builtin = builtin;
        return VD_OK;
    }

    VD_AUTO_BUF text = vd_buf_of(0);
    uint8_t sha256[VD_HASH_BYTES_MAX];
    VD_TRY(read_text(p, id, &text, &builtin, err));
    VD_TRY(vd_hash_of(VD_SHA256, vd_buf_span(&text), sha256, err));
    VD_AUTO(vd_policy_unref) struct vd_policy *policy = reuse(p, id, sha256);
    /* Workers keep owners from one another and from us; our own text needs no keeping away, and an
     * evaluation here costs a third of one over there. */
    if (!policy)
        VD_TRY(vd_policy_compile_in(builtin ? NULL : p->workers, VD_POLICY_ATTESTATION,
                                    vd_buf_span(&text), p->limits, &policy, err));
    keep(p, id, policy, builtin, epoch);
    *ret = VD_TAKE(policy);
    *ret_builtin = builtin;
    return VD_OK;
}
