/* Rego behind one header (regorus by shared/rust): compile once per version, evaluate with budgets,
 * in this process or in sandboxed workers (workers.h), which servers always do. Error, undefined
 * and wrong type are for the caller to deny; nothing here defaults to yes.
 * query_reference_value(name) and time.now_ns are host-await calls answered in C. */
#pragma once

#include "shared/base/auto.h"
#include "shared/base/buf.h"
#include "shared/base/limits.h"

struct vd_policy; /* compiled, immutable, reference counted, thread safe */

/* What kind of policy; decides the entry points and whether query_reference_value exists. */
enum vd_policy_kind {
    VD_POLICY_ATTESTATION, /* data.policy.trust_claims, data.policy.extensions;
                              query_reference_value */
    VD_POLICY_RELEASE,     /* data.policy.allow */
};
enum { VD_POLICY_TRUST_CLAIMS = 0, VD_POLICY_EXTENSIONS = 1, VD_POLICY_ALLOW = 0 };

/* VD_E_POLICY_COMPILE with text_line/text_column and the engine's message in msg. */
vd_rc vd_policy_compile(enum vd_policy_kind kind, vd_span rego, const struct vd_limits *limits,
                        struct vd_policy **ret, vd_err *err);
struct vd_policy_workers;
/* The same, compiled and evaluated in workers that outlive the policy; NULL: in this process. Also
 * VD_E_POLICY_BUDGET (it takes too long or too much), VD_E_BUSY, VD_E_UNAVAILABLE: try again. */
vd_rc vd_policy_compile_in(struct vd_policy_workers *workers, enum vd_policy_kind kind,
                           vd_span rego, const struct vd_limits *limits, struct vd_policy **ret,
                           vd_err *err);
/* Whether a text that somebody uploads can be compiled. VD_E_POLICY_COMPILE when it cannot, or not
 * within its budgets. */
vd_rc vd_policy_check(struct vd_policy_workers *workers, enum vd_policy_kind kind, vd_span rego,
                      const struct vd_limits *limits, vd_err *err);
struct vd_policy *vd_policy_ref(struct vd_policy *p);
void vd_policy_unref(struct vd_policy *p);
VD_DEFINE_CLEANUP(struct vd_policy, vd_policy_unref)
const uint8_t *vd_policy_sha256(const struct vd_policy *p); /* of the Rego text, 32 bytes */
/* Why every evaluation of an entry point will fail although the text is accepted (Trustee accepts
 * an unknown function when a policy is set), or NULL. Owned by the policy. */
const char *vd_policy_warning(const struct vd_policy *p, unsigned entry);
/* True when the register VM's value counts (fast, all budgets); false when the interpreter decides.
 */
bool vd_policy_on_vm(const struct vd_policy *p, unsigned entry);

/* Answers query_reference_value: appends the JSON value, or nothing for "unknown" (the policy sees
 * null). */
typedef vd_rc (*vd_policy_lookup)(void *ctx, vd_span name, vd_buf *ret_json, vd_err *err);

struct vd_policy_query {
    vd_span input; /* JSON */
    vd_span data;  /* JSON object, or empty */
    int64_t now_ns;
    /* NULL: query_reference_value is an evaluation error. May be called for names that the policy
     * does not ask for. */
    vd_policy_lookup lookup;
    /* Told each name that the policy asked for and what it got, in order; may be NULL. */
    void (*asked)(void *ctx, vd_span name, vd_span json);
    void *ctx;
    const struct vd_limits *limits;
};
enum vd_policy_state {
    VD_POLICY_DEFINED,   /* result is JSON */
    VD_POLICY_UNDEFINED, /* the rule exists but has no value */
    VD_POLICY_ABSENT,    /* no such rule in the policy */
};
/* One entry point. VD_E_POLICY_EVAL, VD_E_POLICY_BUDGET; with workers VD_E_BUSY and
 * VD_E_UNAVAILABLE too. */
vd_rc vd_policy_eval(const struct vd_policy *p, unsigned entry, const struct vd_policy_query *q,
                     enum vd_policy_state *ret_state, vd_buf *ret_json, vd_err *err);
/* data.policy.allow: VD_OK only if defined and exactly true; VD_E_POLICY_DENY when false, absent,
 * undefined or not boolean; else what vd_policy_eval failed with. */
vd_rc vd_policy_allows(const struct vd_policy *p, const struct vd_policy_query *q, vd_err *err);
