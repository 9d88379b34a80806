/* Rego policies over the engine behind shared/rust. This file owns the meaning: which rules are
 * entry points, what is a denial, how a lookup is answered. The engine's answers are checked, not
 * trusted: whatever is not a value that was asked for is an error. */
#include "shared/policy/policy.h"

#include <stdatomic.h>
#include <stdio.h>

#include "shared/crypto/hash.h"
#include "shared/rust/vd_rust.h"

enum { MAX_ENTRIES = 2 };

static const struct {
    const char *entry[MAX_ENTRIES];
    size_t n;
    bool lookups;
} kinds[] = {
    [VD_POLICY_ATTESTATION] = { { "data.policy.trust_claims", "data.policy.extensions" }, 2, true },
    [VD_POLICY_RELEASE] = { { "data.policy.allow" }, 1, false },
};

struct vd_policy {
    atomic_uint refs;
    struct vdr_rego *rego;
    size_t n_entries;
    bool lookups;
    uint8_t sha256[32];
    char warning[MAX_ENTRIES][240];
};

/* The engine's bytes and run, freed at the end of the scope. */
struct engine_bytes {
    struct vdr_bytes b;
};
static void engine_bytes_done(struct engine_bytes *e)
{
    if (e->b.p)
        vdr_free(e->b);
    e->b = (struct vdr_bytes){ 0 };
}
#define AUTO_ENGINE_BYTES __attribute__((cleanup(engine_bytes_done))) struct engine_bytes
VD_DEFINE_CLEANUP(struct vdr_rego_run, vdr_rego_end)

static vd_rc engine_failed(int rc, const struct vdr_fault *f, vd_err *err)
{
    static const struct {
        int rc;
        vd_code code;
    } codes[] = {
        { VDR_BUDGET, VD_E_POLICY_BUDGET },  { VDR_EVAL, VD_E_POLICY_EVAL },
        { VDR_BAD_INPUT, VD_E_POLICY_EVAL }, { VDR_COMPILE, VD_E_POLICY_COMPILE },
        { VDR_NOMEM, VD_E_NOMEM },
    };
    vd_code code = VD_E_INTERNAL;
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (codes[i].rc == rc)
            code = codes[i].code;

    if (err && err->code == VD_E_OK) {
        err->text_line = f->line;
        err->text_column = f->column;
    }
    if (f->line)
        return vd_fail(err, code, "policy line %u, column %u: %s", f->line, f->column, f->text);
    return vd_fail(err, code, "policy: %s", f->text[0] ? f->text : "the engine failed");
}

static void note_warnings(struct vd_policy *p)
{
    for (unsigned i = 0; i < p->n_entries; i++) {
        struct vdr_fault f = { 0 };
        if (vdr_rego_entry(p->rego, i, &f) != VDR_REGO_BROKEN)
            continue;
        vd_err e = { 0 };
        (void)engine_failed(VDR_EVAL, &f, &e).code;
        (void)snprintf(p->warning[i], sizeof p->warning[i], "%s", e.msg);
    }
}

vd_rc vd_policy_compile(enum vd_policy_kind kind, vd_span rego, const struct vd_limits *limits,
                        struct vd_policy **ret, vd_err *err)
{
    if (rego.n > limits->policy_body)
        return vd_fail(err, VD_E_TOO_LARGE, "policy: %zu bytes, the limit is %llu", rego.n,
                       (unsigned long long)limits->policy_body);
    VD_AUTO(vd_policy_unref) struct vd_policy *p = calloc(1, sizeof *p);
    if (!p)
        return vd_fail(err, VD_E_NOMEM, "policy");
    atomic_init(&p->refs, 1);
    p->n_entries = kinds[kind].n;
    p->lookups = kinds[kind].lookups;

    struct vdr_fault fault = { 0 };
    int rc = vdr_rego_compile(rego.p, rego.n, kinds[kind].entry, p->n_entries, p->lookups, &p->rego,
                              &fault);
    if (rc != VDR_OK)
        return engine_failed(rc, &fault, err);
    VD_TRY(vd_hash_of(VD_SHA256, rego, p->sha256, err));
    note_warnings(p);
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
    vdr_rego_free(p->rego);
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
    struct vdr_fault f = { 0 };
    return entry < p->n_entries && vdr_rego_entry(p->rego, entry, &f) == VDR_REGO_VM;
}

/* Answers lookups until the run stands at a value or at undefined. */
static vd_rc run_to_end(struct vdr_rego_run *run, const struct vd_policy_query *q, int *step,
                        struct engine_bytes *bytes, vd_err *err)
{
    while (*step == VDR_REGO_LOOKUP) {
        VD_AUTO_BUF answer = vd_buf_of(q->limits->policy_result);
        if (!q->lookup)
            return vd_fail(err, VD_E_POLICY_EVAL, "policy: no reference values here");
        VD_TRY(q->lookup(q->ctx, vd_span_of(bytes->b.p, bytes->b.n), &answer, err));
        VD_TRY(vd_buf_check(&answer, err));
        engine_bytes_done(bytes);
        struct vdr_fault fault = { 0 };
        int rc = vdr_rego_resume(run, answer.p, answer.n, step, &bytes->b, &fault);
        if (rc != VDR_OK)
            return engine_failed(rc, &fault, err);
    }
    return VD_OK;
}

vd_rc vd_policy_eval(const struct vd_policy *p, unsigned entry, const struct vd_policy_query *q,
                     enum vd_policy_state *ret_state, vd_buf *ret_json, vd_err *err)
{
    struct vdr_fault fault = { 0 };
    if (entry >= p->n_entries)
        return vd_fail(err, VD_E_INTERNAL, "policy: no entry point %u", entry);
    if (vdr_rego_entry(p->rego, entry, &fault) == VDR_REGO_ABSENT) {
        *ret_state = VD_POLICY_ABSENT;
        return VD_OK;
    }

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
    AUTO_ENGINE_BYTES bytes = { 0 };
    int step = VDR_REGO_UNDEFINED;
    int rc = vdr_rego_start(p->rego, entry, &query, &run, &step, &bytes.b, &fault);
    if (rc != VDR_OK)
        return engine_failed(rc, &fault, err);
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
