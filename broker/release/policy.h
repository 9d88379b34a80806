/* The release policies of owners, compiled and kept. The owner `default` has the built-in policy
 * until one is stored; any other owner without a policy of his own releases nothing. */
#pragma once

#include "shared/policy/policy.h"
#include "shared/store/store.h"

#define BRK_KIND_POLICY "release-policy"
#define BRK_POLICY_ID                                                                              \
    "resource-policy" /* the id of the KBS protocol; the only one that is evaluated */

struct brk_policies; /* thread safe */
/* Compiles `builtin` (Rego; lives as long). workers NULL: policies run in this process. Whatever
 * vd_policy_compile_in fails with. */
vd_rc brk_policies_new(struct vd_store *store, struct vd_policy_workers *workers,
                       const struct vd_limits *limits, vd_span builtin, struct brk_policies **ret,
                       vd_err *err);
void brk_policies_free(struct brk_policies *p);
VD_DEFINE_CLEANUP(struct brk_policies, brk_policies_free)
vd_span brk_policies_builtin(const struct brk_policies *p);

/* The policy in force; `policy` is a reference. version 0: the built-in one. */
struct brk_policy_use {
    struct vd_policy *policy;
    uint64_t version;
};
void brk_policy_use_done(struct brk_policy_use *u);
/* VD_E_POLICY_DENY for an owner without policy; VD_E_POLICY_EVAL when the stored one does not
 * compile. */
vd_rc brk_policies_get(struct brk_policies *p, const char *owner, struct brk_policy_use *ret,
                       vd_err *err);
/* Is that use still the policy in force? (asked after the secret was read: no release may pair a
 * policy with a secret that never were in force together) */
vd_rc brk_policies_still(struct brk_policies *p, const char *owner,
                         const struct brk_policy_use *use, bool *ret, vd_err *err);
