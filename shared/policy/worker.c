/* A policy worker: compiles and evaluates policies for one server thread at a time. Nothing it
 * does is trusted, so it checks little: whatever goes wrong, it ends, and its server denies. */
#include "shared/policy/worker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include "shared/policy/engine.h"
#include "shared/policy/frame.h"
#include "shared/policy/sandbox.h"

enum {
    KEPT_MAX = 32,
    KEPT_TEXT = 1 << 20,   /* bytes of policy text that stay compiled */
    OWN_MEMORY = 16 << 20, /* requests, answers and fragmentation */
    GROWN_KIB = 48 << 10,  /* a worker that has grown by so much ends behind its answer */
    READ_AHEAD = 64 << 10,
    BUFFER_KEPT = 1 << 20,
    LOOK_EVERY = 16, /* answers between two looks at how much it has grown */
};

struct kept {
    uint8_t sha256[32];
    uint8_t kind;
    struct vdr_rego *rego;
    size_t text_n;
    uint64_t used_at;
};

struct span_at {
    size_t at;
    size_t n;
};

struct worker {
    struct vd_mail *mail;
    uint32_t asked; /* frames that the server has posted */
    struct kept kept[KEPT_MAX];
    size_t n_kept;
    uint64_t uses;
    long rss_at_birth;
    uint64_t answers;
    vd_buf in;  /* a request from the socket */
    vd_buf out; /* the answer */
    /* reference values of this evaluation */
    vd_buf values;
    struct span_at name[VD_FRAME_GIVEN];
    struct span_at value[VD_FRAME_GIVEN];
    size_t n_given;
    bool is_used[VD_FRAME_GIVEN];
    uint8_t used[VD_FRAME_GIVEN * 2];
    uint16_t n_used;
};

static long rss_kib(void)
{
    struct rusage u = { 0 };
    return getrusage(RUSAGE_SELF, &u) == 0 ? u.ru_maxrss : 0;
}

/* ---- frames -----------------------------------------------------------------------------------
 */

static void send_answer(struct worker *w, const struct vd_answer *a)
{
    vd_buf_reset(&w->out);
    vd_answer_write(a, &w->out);
    if (w->out.bad)
        _exit(1);
    bool posted = vd_slot_post(&w->mail->tell, vd_buf_span(&w->out));
    for (size_t at = 0; !posted && at < w->out.n;) {
        ssize_t n = write(0, w->out.p + at, w->out.n - at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            _exit(0);
        at += (size_t)n;
    }
    if (a->leaving)
        _exit(0);
}

/* At least n bytes in all; the server sends nothing behind a frame until it is answered. */
static void read_until(struct worker *w, size_t n)
{
    while (w->in.n < n) {
        size_t more = n - w->in.n > READ_AHEAD ? n - w->in.n : READ_AHEAD;
        uint8_t *at = vd_buf_reserve(&w->in, more);
        ssize_t got = at ? read(0, at, more) : 0;
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            _exit(0);
        w->in.n += (size_t)got;
    }
}

/* A long one, from the socket. */
static vd_span read_request(struct worker *w)
{
    vd_buf_reset(&w->in);
    read_until(w, VD_FRAME_HEAD);
    vd_rd r = vd_rd_of(vd_buf_span(&w->in));
    size_t n = vd_rd_u32le(&r);
    if (n > VD_FRAME_REQUEST_MAX)
        _exit(1);
    read_until(w, VD_FRAME_HEAD + n);
    return vd_buf_span(&w->in);
}

/* What the mailbox holds is the server's, which leaves it alone until it is answered. */
static void next_request(struct worker *w, struct vd_ask *ret)
{
    struct vd_slot *slot = &w->mail->ask;
    if (w->in.cap > BUFFER_KEPT)
        vd_buf_done(&w->in);
    while (!vd_slot_wait(slot, w->asked + 1, -1))
        ;
    w->asked++;
    size_t posted = atomic_load(&slot->n);
    vd_span frame = posted ? vd_span_of(slot->bytes, posted) : read_request(w);
    vd_rd r = vd_rd_of(frame);
    size_t n = vd_rd_u32le(&r);
    vd_span body = vd_span_part(frame, VD_FRAME_HEAD, SIZE_MAX);
    if (posted > sizeof slot->bytes || body.n != n || !vd_ask_parse(body, ret))
        _exit(1);
}

/* Ends an evaluation: memory that was claimed once is given back with the process. */
static void finish(struct worker *w, struct vd_answer *a)
{
    a->n_used = w->n_used;
    a->used = vd_span_of(w->used, (size_t)w->n_used * 2);
    a->leaving = (a->op == VD_ANSWER_FAILED && a->rc != VDR_EVAL && a->rc != VDR_COMPILE &&
                  a->rc != VDR_BAD_INPUT) ||
                 (++w->answers % LOOK_EVERY == 0 && rss_kib() - w->rss_at_birth > GROWN_KIB);
    send_answer(w, a);
}

static struct vd_frame_fault fault_of(const struct vdr_fault *f)
{
    return (struct vd_frame_fault){ f->line, f->column,
                                    vd_span_of(f->text, strnlen(f->text, sizeof f->text)) };
}

static void fail_with(struct worker *w, int rc, const struct vdr_fault *f)
{
    struct vd_answer a = { .op = VD_ANSWER_FAILED, .rc = (uint8_t)rc, .fault = fault_of(f) };
    finish(w, &a);
}

/* Processor time for this request; the signal ends the process. The server's own deadline is by the
 * clock on the wall and later, so that a busy machine does not end evaluations that never ran. */
static void allow_time(uint64_t milliseconds)
{
    const struct itimerval t = { .it_value = { .tv_sec = (time_t)(milliseconds / 1000),
                                               .tv_usec =
                                                   (suseconds_t)(milliseconds % 1000) * 1000 } };
    if (setitimer(ITIMER_PROF, &t, NULL) != 0)
        _exit(1);
}

/* ---- policies ---------------------------------------------------------------------------------
 */

static void forget(struct worker *w, size_t i)
{
    vdr_rego_free(w->kept[i].rego);
    w->kept[i] = w->kept[--w->n_kept];
}

static void make_room(struct worker *w, size_t text_n)
{
    for (;;) {
        size_t text = text_n;
        size_t oldest = 0;
        for (size_t i = 0; i < w->n_kept; i++) {
            text += w->kept[i].text_n;
            if (w->kept[i].used_at < w->kept[oldest].used_at)
                oldest = i;
        }
        if (w->n_kept == 0 || (w->n_kept < KEPT_MAX && text <= KEPT_TEXT))
            return;
        forget(w, oldest);
    }
}

static struct vdr_rego *find_policy(struct worker *w, const struct vd_ask *q)
{
    const vd_span want = vd_span_of(q->sha256, sizeof q->sha256);
    for (size_t i = 0; i < w->n_kept; i++) {
        struct kept *k = &w->kept[i];
        if (k->kind == q->policy_kind &&
            vd_span_eq(vd_span_of(k->sha256, sizeof k->sha256), want)) {
            k->used_at = ++w->uses;
            return k->rego;
        }
    }
    return NULL;
}

/* NULL: it failed, which has been answered. */
static struct vdr_rego *add_policy(struct worker *w, const struct vd_ask *q)
{
    struct vdr_fault fault = { 0 };
    struct vdr_rego *rego = NULL;
    make_room(w, q->text.n);
    int rc = vd_engine_compile(q->policy_kind, q->text, &rego, &fault);
    if (rc != VDR_OK) {
        fail_with(w, rc, &fault);
        return NULL;
    }
    struct kept *k = &w->kept[w->n_kept++];
    *k = (struct kept){
        .kind = q->policy_kind, .rego = rego, .text_n = q->text.n, .used_at = ++w->uses
    };
    memcpy(k->sha256, q->sha256, sizeof k->sha256);
    return rego;
}

static void compile(struct worker *w, const struct vd_ask *q)
{
    struct vdr_rego *rego = find_policy(w, q);
    if (!rego && !(rego = add_policy(w, q)))
        return;
    struct vdr_fault fault[VD_FRAME_ENTRIES] = { 0 };
    struct vd_answer a = { .op = VD_ANSWER_COMPILED,
                           .n_entries = (uint8_t)vd_engine_entries(q->policy_kind) };
    for (unsigned i = 0; i < a.n_entries; i++) {
        int state = vdr_rego_entry(rego, i, &fault[i]);
        a.state[i] = (uint8_t)(state < 0 ? VDR_REGO_BROKEN : state);
        a.warning[i] = fault_of(&fault[i]);
    }
    finish(w, &a);
}

/* ---- evaluation -------------------------------------------------------------------------------
 */

static void take_given(struct worker *w, struct vd_ask *q)
{
    struct vd_given g;
    for (unsigned i = 0; i < q->n_given && vd_ask_next(q, &g); i++) {
        if (w->n_given == VD_FRAME_GIVEN)
            _exit(1);
        w->name[w->n_given] = (struct span_at){ w->values.n, g.name.n };
        vd_buf_add(&w->values, g.name);
        w->value[w->n_given] = (struct span_at){ w->values.n, g.value.n };
        vd_buf_add(&w->values, g.value);
        w->n_given++;
    }
    if (w->values.bad)
        _exit(1);
}

static vd_span text_at(const struct worker *w, struct span_at s)
{
    return vd_span_part(vd_buf_span(&w->values), s.at, s.n);
}

static bool find_given(struct worker *w, vd_span name, vd_span *ret)
{
    for (size_t i = 0; i < w->n_given; i++) {
        if (!vd_span_eq(text_at(w, w->name[i]), name))
            continue;
        if (!w->is_used[i]) {
            w->is_used[i] = true;
            size_t at = 2 * (size_t)w->n_used;
            w->used[at] = (uint8_t)i;
            w->used[at + 1] = (uint8_t)(i >> 8);
            w->n_used++;
        }
        *ret = text_at(w, w->value[i]);
        return true;
    }
    return false;
}

/* The name's value: sent along with the request, or asked for now. */
static void answer_to(struct worker *w, vd_span name, vd_span *ret)
{
    if (find_given(w, name, ret))
        return;
    const struct vd_answer a = { .op = VD_ANSWER_LOOKUP, .bytes = name };
    struct vd_ask q;
    if (name.n > VD_FRAME_NAME)
        _exit(1);
    send_answer(w, &a);
    next_request(w, &q);
    if (q.op != VD_ASK_GIVEN)
        _exit(1);
    take_given(w, &q);
    if (!find_given(w, name, ret))
        _exit(1);
}

static void evaluate(struct worker *w, struct vd_ask *q)
{
    struct vdr_rego *rego = find_policy(w, q);
    if (!rego) {
        const struct vd_answer a = { .op = VD_ANSWER_UNKNOWN };
        send_answer(w, &a);
        return;
    }
    const struct vdr_rego_query query = {
        .input = q->input.p,
        .input_n = q->input.n,
        .data = q->data.p,
        .data_n = q->data.n,
        .now_ns = q->now_ns,
        .budget = { q->instructions, q->milliseconds, q->memory, q->result },
    };
    VD_AUTO(vdr_rego_end) struct vdr_rego_run *run = NULL;
    VD_AUTO_ENGINE_BYTES bytes = { 0 };
    struct vdr_fault fault = { 0 };
    int step = VDR_REGO_UNDEFINED;
    take_given(w, q);
    int rc = vdr_rego_start(rego, q->entry, &query, &run, &step, &bytes.b, &fault);
    while (rc == VDR_OK && step == VDR_REGO_LOOKUP) {
        vd_span value = VD_SPAN_NONE;
        if (!q->lookups) {
            const struct vdr_fault none = { .text = "no reference values here" };
            fail_with(w, VDR_EVAL, &none);
            return;
        }
        answer_to(w, vd_span_of(bytes.b.p, bytes.b.n), &value);
        vd_engine_bytes_done(&bytes);
        rc = vdr_rego_resume(run, value.p, value.n, &step, &bytes.b, &fault);
    }
    if (rc != VDR_OK) {
        fail_with(w, rc, &fault);
        return;
    }
    struct vd_answer a = { .op = VD_ANSWER_UNDEFINED };
    if (step == VDR_REGO_VALUE) {
        a.op = VD_ANSWER_VALUE;
        a.bytes = vd_span_of(bytes.b.p, bytes.b.n);
    }
    finish(w, &a);
}

static void forget_given(struct worker *w)
{
    memset(w->is_used, 0, w->n_given * sizeof w->is_used[0]);
    w->n_given = 0;
    w->n_used = 0;
    if (w->values.cap > BUFFER_KEPT)
        vd_buf_done(&w->values);
    vd_buf_reset(&w->values);
}

void vd_worker_run(const struct vd_worker_order *order, struct vd_mail *mail)
{
    const char *step = "";
    struct worker *w = calloc(1, sizeof *w);
    if (!w)
        _exit(1);
    w->mail = mail;
    w->in = w->out = w->values = vd_buf_of(VD_FRAME_REQUEST_MAX + VD_FRAME_HEAD + READ_AHEAD);
    struct vd_answer ready = { .op = VD_ANSWER_READY };
    if (!vd_sandbox_enter(order->memory + OWN_MEMORY, &step)) {
        ready = (struct vd_answer){ .op = VD_ANSWER_FAILED, .rc = VDR_REFUSED, .leaving = true };
        ready.fault.text = vd_span_str(step);
        ready.fault.line = (uint32_t)errno;
    }
    vdr_rego_memory(order->memory + OWN_MEMORY / 2);
    w->rss_at_birth = rss_kib();
    send_answer(w, &ready);
    for (;;) {
        struct vd_ask q;
        next_request(w, &q);
        forget_given(w);
        if (q.policy_kind >= vd_engine_kinds())
            _exit(1);
        if (q.op == VD_ASK_COMPILE) {
            allow_time(VD_WORKER_COMPILE_MS);
            compile(w, &q);
        } else if (q.op == VD_ASK_EVAL) {
            allow_time(q.milliseconds + VD_WORKER_GRACE_MS);
            evaluate(w, &q);
        } else {
            _exit(1);
        }
    }
}
