/* A policy that lives in workers: compiled there, evaluated there, its reference values sent along
 * as far as they can be guessed. The worker's answers are those of a stranger. */
#include <stdio.h>
#include <string.h>

#include "shared/policy/policy_priv.h"
#include "shared/policy/worker.h"
#include "shared/policy/workers_priv.h"

enum {
    PATIENCE = 4, /* the deadline on the wall, as a multiple of the processor time allowed */
    GUESSED = 4 * VD_NAMES_EACH, /* reference values sent unasked, and their bytes */
    GUESSED_BYTES = 256 << 10,
    MS = 1000000,
};

/* ---- a worker for one call, given back at the end of the scope --------------------------------
 */

struct use {
    struct vd_policy_workers *workers;
    struct vd_worker *worker;
};

static void use_done(struct use *u)
{
    if (u->worker)
        vd_workers_give(u->workers, u->worker);
    u->worker = NULL;
}
#define AUTO_USE __attribute__((cleanup(use_done))) struct use

static vd_rc broke_protocol(struct use *u, vd_err *err)
{
    vd_worker_end(u->workers, u->worker, true);
    return vd_fail(err, VD_E_POLICY_EVAL, "policy: the worker does not keep to the protocol");
}

/* One exchange; the worker is known to be gone, or to have answered by the rules. */
static vd_rc exchange(struct use *u, vd_span frame, int64_t deadline, size_t max, size_t n_given,
                      struct vd_answer *ret, vd_err *err)
{
    vd_span body;
    VD_TRY(vd_worker_call(u->workers, u->worker, frame, deadline, max, &body, err));
    vd_rc_ rc = vd_answer_parse(body, n_given, ret, err);
    if (rc.code != VD_E_OK || ret->leaving)
        vd_worker_end(u->workers, u->worker, rc.code != VD_E_OK);
    return rc;
}

static vd_rc failed(const struct vd_answer *a, vd_err *err)
{
    return vd_engine_failed(a->rc, a->fault.line, a->fault.column, a->fault.text, err);
}

/* ---- compiling --------------------------------------------------------------------------------
 */

static vd_rc compile_there(struct use *u, const struct vd_policy *p, struct vd_answer *ret,
                           vd_err *err)
{
    VD_AUTO_BUF frame = vd_buf_of(p->text.n + 1024);
    struct vd_ask q = { .op = VD_ASK_COMPILE,
                        .policy_kind = (uint8_t)p->kind,
                        .text = vd_buf_span(&p->text) };
    memcpy(q.sha256, p->sha256, sizeof q.sha256);
    vd_ask_write(&q, &frame);
    vd_frame_close(&frame);
    VD_TRY(vd_buf_check(&frame, err));
    int64_t deadline = vd_monotonic_ns() + (int64_t)VD_WORKER_COMPILE_MS * PATIENCE * MS;
    VD_TRY(exchange(u, vd_buf_span(&frame), deadline, 0, 0, ret, err));
    if (ret->op == VD_ANSWER_FAILED)
        return failed(ret, err);
    if (ret->op != VD_ANSWER_COMPILED || ret->n_entries != p->n_entries)
        return u->worker->fd < 0 ? vd_fail(err, VD_E_POLICY_EVAL, "policy: a wrong answer")
                                 : broke_protocol(u, err);
    return VD_OK;
}

vd_rc vd_policy_compile_in(struct vd_policy_workers *workers, enum vd_policy_kind kind,
                           vd_span rego, const struct vd_limits *limits, struct vd_policy **ret,
                           vd_err *err)
{
    if (!workers)
        return vd_policy_compile(kind, rego, limits, ret, err);
    VD_AUTO(vd_policy_unref) struct vd_policy *p = NULL;
    VD_TRY(vd_policy_new(kind, rego, limits, &p, err));
    p->workers = workers;
    p->text = vd_buf_of(rego.n);
    vd_buf_add(&p->text, rego);
    VD_TRY(vd_buf_check(&p->text, err));

    AUTO_USE u = { .workers = workers };
    struct vd_answer a = { 0 };
    VD_TRY(vd_workers_take(workers, VD_LANE_COMPILE, &u.worker, err));
    VD_TRY(compile_there(&u, p, &a, err));
    for (unsigned i = 0; i < p->n_entries; i++) {
        p->state[i] = a.state[i];
        if (a.state[i] == VDR_REGO_BROKEN)
            vd_policy_warn(p, i, a.warning[i].line, a.warning[i].column, a.warning[i].text);
    }
    *ret = VD_TAKE(p);
    return VD_OK;
}

vd_rc vd_policy_check(struct vd_policy_workers *workers, enum vd_policy_kind kind, vd_span rego,
                      const struct vd_limits *limits, vd_err *err)
{
    VD_AUTO(vd_policy_unref) struct vd_policy *p = NULL;
    vd_err why = { 0 };
    vd_rc_ rc = vd_policy_compile_in(workers, kind, rego, limits, &p, &why);
    if (rc.code == VD_E_POLICY_BUDGET || rc.code == VD_E_POLICY_EVAL)
        return vd_fail(err, VD_E_POLICY_COMPILE, "%.200s", why.msg);
    if (rc.code != VD_E_OK && err && err->code == VD_E_OK)
        *err = why;
    return rc;
}

/* ---- reference values -------------------------------------------------------------------------
 */

struct row {
    uint32_t name, name_n;
    uint32_t value, value_n;
};

/* What the worker was given in this evaluation, by number. */
struct given {
    const struct vd_policy_query *q;
    vd_buf text;
    size_t n;
    struct row row[VD_FRAME_GIVEN];
};

static void given_free(struct given *g)
{
    vd_buf_done(&g->text);
    free(g);
}
VD_DEFINE_CLEANUP(struct given, given_free)

static vd_span name_of(const struct given *g, size_t i)
{
    return vd_span_part(vd_buf_span(&g->text), g->row[i].name, g->row[i].name_n);
}

static vd_span value_of(const struct given *g, size_t i)
{
    return vd_span_part(vd_buf_span(&g->text), g->row[i].value, g->row[i].value_n);
}

static bool was_given(const struct given *g, vd_span name)
{
    for (size_t i = 0; i < g->n; i++)
        if (vd_span_eq(name_of(g, i), name))
            return true;
    return false;
}

/* Looks one value up and notes it. */
static vd_rc give(struct given *g, vd_span name, vd_err *err)
{
    size_t before = g->text.n;
    if (g->n == VD_FRAME_GIVEN || before + name.n > UINT32_MAX / 2)
        return vd_fail(err, VD_E_POLICY_BUDGET, "policy: too many reference values");
    vd_buf_add(&g->text, name);
    size_t at = g->text.n;
    vd_rc_ rc = g->q->lookup(g->q->ctx, name, &g->text, err);
    if (rc.code == VD_E_OK && g->text.n - at > g->q->limits->policy_result)
        rc = vd_fail(err, VD_E_TOO_LARGE, "policy: a reference value is too large");
    if (rc.code == VD_E_OK)
        rc = vd_buf_check(&g->text, err);
    if (rc.code != VD_E_OK) {
        g->text.n = before;
        return rc;
    }
    g->row[g->n++] = (struct row){ (uint32_t)before, (uint32_t)name.n, (uint32_t)at,
                                   (uint32_t)(g->text.n - at) };
    return VD_OK;
}

/* A list of names that may be asked for: what fails here is asked for again if it is wanted. */
static void give_list(struct given *g, vd_span list)
{
    vd_rd r = vd_rd_of(list);
    vd_span name = VD_SPAN_NONE;
    while (vd_names_next(&r, &name) && g->text.n < GUESSED_BYTES && g->n < GUESSED) {
        vd_err ignored = { 0 };
        if (!was_given(g, name) && give(g, name, &ignored).code != VD_E_OK)
            return;
    }
}

static void write_given(const struct given *g, size_t from, vd_buf *out)
{
    for (size_t i = from; i < g->n; i++)
        vd_ask_given(name_of(g, i), value_of(g, i), out);
}

/* The worker asks for a value: that one, and those that were asked for with it before. */
static vd_rc answer_lookup(const struct vd_policy *p, unsigned entry, struct given *g,
                           vd_span asked, vd_buf *out, vd_err *err)
{
    VD_AUTO_BUF list = vd_buf_of(VD_NAMES_BYTES);
    VD_AUTO_BUF name = vd_buf_of(VD_FRAME_NAME); /* `asked` lives in the buffer of the answer */
    size_t from = g->n;
    if (!g->q->lookup)
        return vd_fail(err, VD_E_POLICY_EVAL, "policy: no reference values here");
    vd_buf_add(&name, asked);
    VD_TRY(vd_buf_check(&name, err));
    VD_TRY(give(g, vd_buf_span(&name), err));
    struct vd_policy *mine = (struct vd_policy *)(uintptr_t)p;
    vd_names_beside(&mine->names[entry], vd_buf_span(&name), &list);
    if (!list.bad)
        give_list(g, vd_buf_span(&list));
    const struct vd_ask q = { .op = VD_ASK_GIVEN, .n_given = (uint16_t)(g->n - from) };
    vd_buf_reset(out);
    vd_ask_write(&q, out);
    write_given(g, from, out);
    vd_frame_close(out);
    return vd_buf_check(out, err);
}

/* What was asked for: told to the caller, and remembered for the next request. */
static void note_used(struct vd_policy *p, unsigned entry, const struct given *g,
                      const struct vd_answer *a)
{
    VD_AUTO_BUF list = vd_buf_of(1u << 20);
    for (size_t i = 0; i < a->n_used; i++) {
        size_t at = vd_answer_used(a, i);
        if (g->q->asked)
            g->q->asked(g->q->ctx, name_of(g, at), value_of(g, at));
        vd_names_add(&list, name_of(g, at));
    }
    if (list.n && !list.bad)
        vd_names_learn(&p->names[entry], vd_buf_span(&list));
}

/* ---- evaluating -------------------------------------------------------------------------------
 */

static vd_rc write_eval(struct vd_policy *p, unsigned entry, struct given *g, vd_buf *out,
                        vd_err *err)
{
    const struct vd_policy_query *query = g->q;
    VD_AUTO_BUF list = vd_buf_of(VD_NAMES_BYTES);
    if (query->lookup)
        vd_names_likely(&p->names[entry], &list);
    if (!list.bad)
        give_list(g, vd_buf_span(&list));
    struct vd_ask q = {
        .op = VD_ASK_EVAL,
        .policy_kind = (uint8_t)p->kind,
        .entry = (uint8_t)entry,
        .lookups = query->lookup != NULL,
        .now_ns = query->now_ns,
        .instructions = query->limits->policy_instructions,
        .milliseconds = query->limits->policy_milliseconds,
        .memory = query->limits->policy_memory,
        .result = query->limits->policy_result,
        .input = query->input,
        .data = query->data,
        .n_given = (uint16_t)g->n,
    };
    memcpy(q.sha256, p->sha256, sizeof q.sha256);
    vd_buf_reset(out);
    vd_ask_write(&q, out);
    write_given(g, 0, out);
    vd_frame_close(out);
    return vd_buf_check(out, err);
}

/* Until there is an answer that is not a question. */
static vd_rc converse(struct use *u, struct vd_policy *p, unsigned entry, struct given *g,
                      struct vd_answer *ret, vd_err *err)
{
    const struct vd_limits *l = g->q->limits;
    vd_buf *out = &u->worker->out;
    int64_t time = ((int64_t)l->policy_milliseconds + VD_WORKER_GRACE_MS) * PATIENCE * MS;
    bool taught = false;
    out->max = VD_FRAME_REQUEST_MAX;
    VD_TRY(write_eval(p, entry, g, out, err));
    int64_t deadline = vd_monotonic_ns() + time;
    for (;;) {
        size_t max = (size_t)l->policy_result;
        VD_TRY(exchange(u, vd_buf_span(out), deadline, max, g->n, ret, err));
        if (ret->op == VD_ANSWER_UNKNOWN && !taught && !ret->leaving) {
            struct vd_answer compiled = { 0 };
            taught = true;
            VD_TRY(compile_there(u, p, &compiled, err));
            if (compiled.leaving)
                return vd_fail(err, VD_E_POLICY_BUDGET, "policy: compiling it takes too much");
            deadline = vd_monotonic_ns() + time;
        } else if (ret->op == VD_ANSWER_LOOKUP && !ret->leaving) {
            int64_t asked_at = vd_monotonic_ns();
            VD_TRY(answer_lookup(p, entry, g, ret->bytes, out, err));
            deadline += vd_monotonic_ns() - asked_at;
        } else {
            return VD_OK;
        }
    }
}

static vd_rc evaluate(struct use *u, struct vd_policy *p, unsigned entry, struct given *g,
                      enum vd_policy_state *ret_state, vd_buf *ret_json, vd_err *err)
{
    struct vd_answer a = { 0 };
    vd_rc_ rc = converse(u, p, entry, g, &a, err);
    if (rc.code != VD_E_OK) {
        /* it waits for an answer that it will not get */
        if (u->worker->fd >= 0)
            vd_worker_end(u->workers, u->worker, true);
        return rc;
    }
    switch (a.op) {
    case VD_ANSWER_FAILED:
        note_used(p, entry, g, &a);
        return failed(&a, err);
    case VD_ANSWER_UNDEFINED:
        note_used(p, entry, g, &a);
        *ret_state = VD_POLICY_UNDEFINED;
        return VD_OK;
    case VD_ANSWER_VALUE:
        if (a.bytes.n > g->q->limits->policy_result)
            break;
        note_used(p, entry, g, &a);
        vd_buf_add(ret_json, a.bytes);
        VD_TRY(vd_buf_check(ret_json, err));
        *ret_state = VD_POLICY_DEFINED;
        return VD_OK;
    case VD_ANSWER_READY:
    case VD_ANSWER_COMPILED:
    case VD_ANSWER_UNKNOWN:
    case VD_ANSWER_LOOKUP:
        break;
    }
    if (u->worker->fd < 0)
        return vd_fail(err, VD_E_POLICY_EVAL, "policy: a wrong answer");
    return broke_protocol(u, err);
}

vd_rc vd_policy_eval_apart(const struct vd_policy *policy, unsigned entry,
                           const struct vd_policy_query *q, enum vd_policy_state *ret_state,
                           vd_buf *ret_json, vd_err *err)
{
    /* names and suspicion change behind the constant face of a policy, under locks of their own */
    struct vd_policy *p = (struct vd_policy *)(uintptr_t)policy;
    VD_AUTO(given_free) struct given *g = calloc(1, sizeof *g);
    if (!g)
        return vd_fail(err, VD_E_NOMEM, "policy");
    g->q = q;
    g->text = vd_buf_of(VD_FRAME_REQUEST_MAX);

    bool suspect = atomic_load_explicit(&p->suspect, memory_order_relaxed);
    AUTO_USE u = { .workers = p->workers };
    vd_rc_ rc =
        vd_workers_take(p->workers, suspect ? VD_LANE_SUSPECT : VD_LANE_OPEN, &u.worker, err);
    if (rc.code == VD_E_OK)
        rc = evaluate(&u, p, entry, g, ret_state, ret_json, err);
    if (rc.code == VD_E_OK && suspect)
        atomic_store_explicit(&p->suspect, false, memory_order_relaxed);
    else if (rc.code == VD_E_POLICY_BUDGET)
        atomic_store_explicit(&p->suspect, true, memory_order_relaxed);
    return rc;
}
