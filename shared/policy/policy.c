/* Rego policies over the engine behind shared/rust. This file owns the meaning: which rules are
 * entry points, what is a denial, how a lookup is answered. The engine's answers are checked, not
 * trusted: whatever is not a value that was asked for is an error. */
#include "shared/policy/policy.h"

#include <stdio.h>

#include "shared/crypto/hash.h"
#include "shared/policy/policy_priv.h"

void vd_policy_warn(struct vd_policy *p, unsigned entry, uint32_t line, uint32_t column,
                    vd_span text)
{
    vd_err e = { 0 };
    (void)vd_engine_failed(VDR_EVAL, line, column, text, &e).code;
    (void)snprintf(p->warning[entry], sizeof p->warning[entry], "%s", e.msg);
}

vd_rc vd_policy_new(enum vd_policy_kind kind, vd_span rego, const struct vd_limits *limits,
                    struct vd_policy **ret, vd_err *err)
{
    if (rego.n > limits->policy_body)
        return vd_fail(err, VD_E_TOO_LARGE, "policy: %zu bytes, the limit is %llu", rego.n,
                       (unsigned long long)limits->policy_body);
    VD_AUTO(vd_policy_unref) struct vd_policy *p = calloc(1, sizeof *p);
    if (!p)
        return vd_fail(err, VD_E_NOMEM, "policy");
    atomic_init(&p->refs, 1);
    for (unsigned i = 0; i < VD_POLICY_ENTRIES; i++)
        vd_names_init(&p->names[i]);
    p->kind = kind;
    p->n_entries = vd_engine_entries(kind);
    VD_TRY(vd_hash_of(VD_SHA256, rego, p->sha256, err));
    *ret = VD_TAKE(p);
    return VD_OK;
}

vd_rc vd_policy_compile(enum vd_policy_kind kind, vd_span rego, const struct vd_limits *limits,
                        struct vd_policy **ret, vd_err *err)
{
    VD_AUTO(vd_policy_unref) struct vd_policy *p = NULL;
    VD_TRY(vd_policy_new(kind, rego, limits, &p, err));
    struct vdr_fault fault = { 0 };
    int rc = vd_engine_compile(kind, rego, &p->rego, &fault);
    if (rc != VDR_OK)
        return vd_engine_fault(rc, &fault, err);
    for (unsigned i = 0; i < p->n_entries; i++) {
        int state = vdr_rego_entry(p->rego, i, &fault);
        p->state[i] = (uint8_t)(state < 0 ? VDR_REGO_BROKEN : state);
        if (p->state[i] == VDR_REGO_BROKEN)
            vd_policy_warn(p, i, fault.line, fault.column,
                           vd_span_of(fault.text, strnlen(fault.text, sizeof fault.text)));
    }
    *ret = VD_TAKE(p);
    return VD_OK;
}

struct vd_policy *vd_policy_ref(struct vd_policy *p)
{
    if (p)
        atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
    return p;
}

void vd_policy_unref(struct vd_policy *p)
{
    if (!p || atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (p->rego)
        vdr_rego_free(p->rego);
    vd_buf_done(&p->text);
    for (unsigned i = 0; i < VD_POLICY_ENTRIES; i++)
        vd_names_done(&p->names[i]);
    free(p);
}

const uint8_t *vd_policy_sha256(const struct vd_policy *p)
{
    return p->sha256;
}

const char *vd_policy_warning(const struct vd_policy *p, unsigned entry)
{
    return entry < p->n_entries && p->warning[entry][0] ? p->warning[entry] : NULL;
}

bool vd_policy_on_vm(const struct vd_policy *p, unsigned entry)
{
    return entry < p->n_entries && p->state[entry] == VDR_REGO_VM;
}

/* Answers lookups until the run stands at a value or at undefined. */
static vd_rc run_to_end(struct vdr_rego_run *run, const struct vd_policy_query *q, int *step,
                        struct vd_engine_bytes *bytes, vd_err *err)
{
    while (*step == VDR_REGO_LOOKUP) {
        VD_AUTO_BUF answer = vd_buf_of(q->limits->policy_result);
        if (!q->lookup)
            return vd_fail(err, VD_E_POLICY_EVAL, "policy: no reference values here");
        VD_TRY(q->lookup(q->ctx, vd_span_of(bytes->b.p, bytes->b.n), &answer, err));
        VD_TRY(vd_buf_check(&answer, err));
        if (q->asked)
            q->asked(q->ctx, vd_span_of(bytes->b.p, bytes->b.n), vd_buf_span(&answer));
        vd_engine_bytes_done(bytes);
        struct vdr_fault fault = { 0 };
        int rc = vdr_rego_resume(run, answer.p, answer.n, step, &bytes->b, &fault);
        if (rc != VDR_OK)
            return vd_engine_fault(rc, &fault, err);
    }
    return VD_OK;
}

static vd_rc eval_here(const struct vd_policy *p, unsigned entry, const struct vd_policy_query *q,
                       enum vd_policy_state *ret_state, vd_buf *ret_json, vd_err *err)
{
    struct vdr_fault fault = { 0 };
    const struct vdr_rego_query query = {
        .input = q->input.p,
        .input_n = q->input.n,
        .data = q->data.p,
        .data_n = q->data.n,
        .now_ns = q->now_ns,
        .budget = { .instructions = q->limits->policy_instructions,
                    .milliseconds = q->limits->policy_milliseconds,
                    .memory = q->limits->policy_memory,
                    .result = q->limits->policy_result },
    };
    VD_AUTO(vdr_rego_end) struct vdr_rego_run *run = NULL;
    VD_AUTO_ENGINE_BYTES bytes = { 0 };
    int step = VDR_REGO_UNDEFINED;
    int rc = vdr_rego_start(p->rego, entry, &query, &run, &step, &bytes.b, &fault);
    if (rc != VDR_OK)
        return vd_engine_fault(rc, &fault, err);
    VD_TRY(run_to_end(run, q, &step, &bytes, err));

    if (step == VDR_REGO_UNDEFINED) {
        *ret_state = VD_POLICY_UNDEFINED;
        return VD_OK;
    }
    vd_buf_add(ret_json, vd_span_of(bytes.b.p, bytes.b.n));
    VD_TRY(vd_buf_check(ret_json, err));
    *ret_state = VD_POLICY_DEFINED;
    return VD_OK;
}

vd_rc vd_policy_eval(const struct vd_policy *p, unsigned entry, const struct vd_policy_query *q,
                     enum vd_policy_state *ret_state, vd_buf *ret_json, vd_err *err)
{
    if (entry >= p->n_entries)
        return vd_fail(err, VD_E_INTERNAL, "policy: no entry point %u", entry);
    if (p->state[entry] == VDR_REGO_ABSENT) {
        *ret_state = VD_POLICY_ABSENT;
        return VD_OK;
    }
    if (p->rego)
        return eval_here(p, entry, q, ret_state, ret_json, err);
    return vd_policy_eval_apart(p, entry, q, ret_state, ret_json, err);
}

vd_rc vd_policy_allows(const struct vd_policy *p, const struct vd_policy_query *q, vd_err *err)
{
    VD_AUTO_BUF json = vd_buf_of(q->limits->policy_result);
    enum vd_policy_state state = VD_POLICY_ABSENT;
    VD_TRY(vd_policy_eval(p, VD_POLICY_ALLOW, q, &state, &json, err));

    switch (state) {
    case VD_POLICY_ABSENT:
        return vd_fail(err, VD_E_POLICY_DENY, "policy: there is no rule data.policy.allow");
    case VD_POLICY_UNDEFINED:
        return vd_fail(err, VD_E_POLICY_DENY, "policy: data.policy.allow is undefined");
    case VD_POLICY_DEFINED:
        break;
    }
    if (vd_span_eq_str(vd_buf_span(&json), "true"))
        return VD_OK;
    if (vd_span_eq_str(vd_buf_span(&json), "false"))
        return vd_fail(err, VD_E_POLICY_DENY, "policy: data.policy.allow is false");
    return vd_fail(err, VD_E_POLICY_DENY, "policy: data.policy.allow is not a boolean");
}
