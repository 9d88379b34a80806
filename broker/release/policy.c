/* Compiled release policies; see policy.h. */
#include "broker/release/policy.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct brk_policies {
    struct vd_store *store;
    struct vd_policy_workers *workers;
    const struct vd_limits *limits;
    vd_span builtin;
    struct vd_policy *builtin_compiled;
    pthread_mutex_t lock;
    /* The one owner of this version. */
    uint64_t epoch; /* store epoch at which `version` was read; 0: never */
    uint64_t version;
    struct vd_policy *policy; /* compiled `version`; NULL when it does not compile */
};

vd_rc brk_policies_new(struct vd_store *store, struct vd_policy_workers *workers,
                       const struct vd_limits *limits, vd_span builtin, struct brk_policies **ret,
                       vd_err *err)
{
    VD_AUTO(brk_policies_free) struct brk_policies *p = calloc(1, sizeof *p);
    if (!p)
        return vd_fail(err, VD_E_NOMEM, "release policies");
    (void)pthread_mutex_init(&p->lock, NULL);
    p->store = store;
    p->workers = workers;
    p->limits = limits;
    p->builtin = builtin;
    /* Our own text: nobody has to be kept from it, and it is evaluated faster in this process. */
    VD_TRY(vd_policy_compile(VD_POLICY_RELEASE, builtin, limits, &p->builtin_compiled, err));
    *ret = VD_TAKE(p);
    return VD_OK;
}

void brk_policies_free(struct brk_policies *p)
{
    if (!p)
        return;
    vd_policy_unref(p->builtin_compiled);
    vd_policy_unref(p->policy);
    (void)pthread_mutex_destroy(&p->lock);
    free(p);
}

vd_span brk_policies_builtin(const struct brk_policies *p)
{
    return p->builtin;
}

void brk_policy_use_done(struct brk_policy_use *u)
{
    vd_policy_unref(u->policy);
    *u = (struct brk_policy_use){ 0 };
}

/* What is compiled for a version: nothing when it does not compile, so that every use of it is
 * refused. Fails when that cannot be known now. */
static vd_rc compile(struct brk_policies *p, vd_span text, struct vd_policy **ret, vd_err *err)
{
    vd_err why = { 0 };
    vd_rc_ rc = vd_policy_compile_in(p->workers, VD_POLICY_RELEASE, text, p->limits, ret, &why);
    if (rc.code == VD_E_OK || rc.code == VD_E_POLICY_COMPILE || rc.code == VD_E_TOO_LARGE)
        return VD_OK;
    return vd_fail(err, rc.code, "release policy: %.200s", why.msg);
}

/* With the lock held: makes version and policy those of the store. */
static vd_rc load(struct brk_policies *p, const char *owner, vd_err *err)
{
    vd_err cause = { 0 };
    uint64_t epoch = vd_store_epoch(p->store);
    VD_AUTO_OBJECT object = { 0 };
    if (p->epoch == epoch && p->epoch != 0)
        return VD_OK;
    vd_rc_ rc = vd_store_get(p->store, owner, BRK_KIND_POLICY, BRK_POLICY_ID, 0, &object, &cause);
    if (rc.code != VD_E_OK && rc.code != VD_E_NOT_FOUND)
        return vd_fail(err, rc.code, "release policy: %s", cause.msg);
    uint64_t version = rc.code == VD_E_OK ? object.version : 0;
    if (p->epoch == 0 || version != p->version) {
        struct vd_policy *policy = NULL;
        if (version == 0)
            policy = vd_policy_ref(p->builtin_compiled);
        else
            VD_TRY(compile(p, vd_buf_span(&object.body), &policy, err));
        vd_policy_unref(p->policy);
        p->policy = policy;
        p->version = version;
    }
    p->epoch = epoch;
    return VD_OK;
}

vd_rc brk_policies_get(struct brk_policies *p, const char *owner, struct brk_policy_use *ret,
                       vd_err *err)
{
    if (strcmp(owner, VD_OWNER_DEFAULT) != 0)
        return vd_fail(err, VD_E_POLICY_DENY, "owner %.64s has no release policy", owner);
    (void)pthread_mutex_lock(&p->lock);
    vd_rc_ rc = load(p, owner, err);
    struct vd_policy *policy = rc.code == VD_E_OK && p->policy ? vd_policy_ref(p->policy) : NULL;
    uint64_t version = p->version;
    (void)pthread_mutex_unlock(&p->lock);
    if (rc.code != VD_E_OK)
        return rc;
    if (!policy)
        return vd_fail(err, VD_E_POLICY_EVAL, "version %llu of the release policy does not compile",
                       (unsigned long long)version);
    *ret = (struct brk_policy_use){ .policy = policy, .version = version };
    return VD_OK;
}

vd_rc brk_policies_still(struct brk_policies *p, const char *owner,
                         const struct brk_policy_use *use, bool *ret, vd_err *err)
{
    (void)pthread_mutex_lock(&p->lock);
    vd_rc_ rc = load(p, owner, err);
    *ret = rc.code == VD_E_OK && p->version == use->version;
    (void)pthread_mutex_unlock(&p->lock);
    return rc;
}
