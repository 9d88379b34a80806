/* Writing and reading the frames of frame.h. Lengths are read by the bounded reader only, and a
 * body must end exactly where its last member does. */
#include "shared/policy/frame.h"

enum { LENGTH_BYTES = 4, STATES = 4, RC_MAX = 8 };

static void add_sized(vd_buf *out, vd_span s)
{
    vd_buf_le(out, s.n, LENGTH_BYTES);
    vd_buf_add(out, s);
}

static vd_span take_sized(vd_rd *r)
{
    return vd_rd_take(r, vd_rd_u32le(r));
}

void vd_frame_close(vd_buf *out)
{
    if (out->bad || out->n < VD_FRAME_HEAD)
        return;
    size_t n = out->n - VD_FRAME_HEAD;
    for (unsigned i = 0; i < VD_FRAME_HEAD; i++)
        out->p[i] = (uint8_t)(n >> (8 * i));
}

/* ---- requests ---------------------------------------------------------------------------------
 */

void vd_ask_write(const struct vd_ask *a, vd_buf *out)
{
    vd_buf_le(out, 0, VD_FRAME_HEAD);
    vd_buf_u8(out, (uint8_t)a->op);
    if (a->op != VD_ASK_GIVEN) {
        vd_buf_u8(out, a->policy_kind);
        vd_buf_add(out, vd_span_of(a->sha256, sizeof a->sha256));
    }
    if (a->op == VD_ASK_COMPILE)
        add_sized(out, a->text);
    if (a->op == VD_ASK_EVAL) {
        vd_buf_u8(out, a->entry);
        vd_buf_u8(out, a->lookups);
        vd_buf_le(out, (uint64_t)a->now_ns, 8);
        vd_buf_le(out, a->instructions, 8);
        vd_buf_le(out, a->milliseconds, 8);
        vd_buf_le(out, a->memory, 8);
        vd_buf_le(out, a->result, 8);
        add_sized(out, a->input);
        add_sized(out, a->data);
    }
    if (a->op != VD_ASK_COMPILE)
        vd_buf_le(out, a->n_given, 2);
}

void vd_ask_given(vd_span name, vd_span value, vd_buf *out)
{
    add_sized(out, name);
    add_sized(out, value);
}

bool vd_ask_next(struct vd_ask *a, struct vd_given *ret)
{
    ret->name = take_sized(&a->given);
    ret->value = take_sized(&a->given);
    return !a->given.bad;
}

static void parse_eval(vd_rd *r, struct vd_ask *a)
{
    a->entry = vd_rd_u8(r);
    a->lookups = vd_rd_u8(r) != 0;
    a->now_ns = (int64_t)vd_rd_u64le(r);
    a->instructions = vd_rd_u64le(r);
    a->milliseconds = vd_rd_u64le(r);
    a->memory = vd_rd_u64le(r);
    a->result = vd_rd_u64le(r);
    a->input = take_sized(r);
    a->data = take_sized(r);
}

bool vd_ask_parse(vd_span body, struct vd_ask *ret)
{
    struct vd_ask a = { 0 };
    vd_rd r = vd_rd_of(body);
    uint8_t op = vd_rd_u8(&r);
    if (op != VD_ASK_COMPILE && op != VD_ASK_EVAL && op != VD_ASK_GIVEN)
        return false;
    a.op = (enum vd_ask_op)op;
    if (a.op != VD_ASK_GIVEN) {
        a.policy_kind = vd_rd_u8(&r);
        vd_span sha256 = vd_rd_take(&r, sizeof a.sha256);
        if (r.bad)
            return false;
        memcpy(a.sha256, sha256.p, sizeof a.sha256);
    }
    if (a.op == VD_ASK_COMPILE)
        a.text = take_sized(&r);
    if (a.op == VD_ASK_EVAL)
        parse_eval(&r, &a);
    if (a.op != VD_ASK_COMPILE)
        a.n_given = vd_rd_u16le(&r);
    if (r.bad || a.n_given > VD_FRAME_GIVEN)
        return false;
    struct vd_ask walk = a;
    struct vd_given g;
    walk.given = r;
    for (unsigned i = 0; i < a.n_given; i++)
        if (!vd_ask_next(&walk, &g))
            return false;
    a.given = r;
    *ret = a;
    return vd_rd_end(&walk.given);
}

/* ---- answers ----------------------------------------------------------------------------------
 */

static void add_fault(vd_buf *out, const struct vd_frame_fault *f)
{
    vd_buf_le(out, f->line, 4);
    vd_buf_le(out, f->column, 4);
    add_sized(out, vd_span_part(f->text, 0, VD_FRAME_TEXT));
}

static bool take_fault(vd_rd *r, struct vd_frame_fault *f)
{
    f->line = vd_rd_u32le(r);
    f->column = vd_rd_u32le(r);
    f->text = take_sized(r);
    return !r->bad && f->text.n <= VD_FRAME_TEXT;
}

static bool has_used(enum vd_answer_op op)
{
    return op == VD_ANSWER_FAILED || op == VD_ANSWER_VALUE || op == VD_ANSWER_UNDEFINED;
}

void vd_answer_write(const struct vd_answer *a, vd_buf *out)
{
    vd_buf_le(out, 0, VD_FRAME_HEAD);
    vd_buf_u8(out, (uint8_t)a->op);
    vd_buf_u8(out, a->leaving);
    if (a->op == VD_ANSWER_COMPILED) {
        vd_buf_u8(out, a->n_entries);
        for (unsigned i = 0; i < a->n_entries; i++) {
            vd_buf_u8(out, a->state[i]);
            add_fault(out, &a->warning[i]);
        }
    }
    if (a->op == VD_ANSWER_FAILED) {
        vd_buf_u8(out, a->rc);
        add_fault(out, &a->fault);
    }
    if (has_used(a->op)) {
        vd_buf_le(out, a->n_used, 2);
        vd_buf_add(out, a->used);
    }
    if (a->op == VD_ANSWER_LOOKUP || a->op == VD_ANSWER_VALUE)
        add_sized(out, a->bytes);
    vd_frame_close(out);
}

static bool parse_compiled(vd_rd *r, struct vd_answer *a)
{
    a->n_entries = vd_rd_u8(r);
    if (a->n_entries > VD_FRAME_ENTRIES)
        return false;
    for (unsigned i = 0; i < a->n_entries; i++) {
        a->state[i] = vd_rd_u8(r);
        if (!take_fault(r, &a->warning[i]) || a->state[i] >= STATES)
            return false;
    }
    return true;
}

static bool parse_used(vd_rd *r, size_t n_given, struct vd_answer *a)
{
    a->n_used = vd_rd_u16le(r);
    if (a->n_used > n_given)
        return false;
    a->used = vd_rd_take(r, (size_t)a->n_used * 2);
    if (r->bad)
        return false;
    for (size_t i = 0; i < a->n_used; i++)
        if (vd_answer_used(a, i) >= n_given)
            return false;
    return true;
}

static bool parse_rest(vd_rd *r, size_t n_given, struct vd_answer *a)
{
    if (a->op == VD_ANSWER_COMPILED && !parse_compiled(r, a))
        return false;
    if (a->op == VD_ANSWER_FAILED) {
        a->rc = vd_rd_u8(r);
        if (a->rc == 0 || a->rc > RC_MAX || !take_fault(r, &a->fault))
            return false;
    }
    if (has_used(a->op) && !parse_used(r, n_given, a))
        return false;
    if (a->op == VD_ANSWER_LOOKUP || a->op == VD_ANSWER_VALUE)
        a->bytes = take_sized(r);
    return vd_rd_end(r) && (a->op != VD_ANSWER_LOOKUP || a->bytes.n <= VD_FRAME_NAME);
}

vd_rc vd_answer_parse(vd_span body, size_t n_given, struct vd_answer *ret, vd_err *err)
{
    struct vd_answer a = { 0 };
    vd_rd r = vd_rd_of(body);
    uint8_t op = vd_rd_u8(&r);
    uint8_t leaving = vd_rd_u8(&r);
    a.op = (enum vd_answer_op)op;
    a.leaving = leaving != 0;
    if (op < VD_ANSWER_READY || op > VD_ANSWER_UNDEFINED || leaving > 1 ||
        !parse_rest(&r, n_given, &a))
        return vd_fail(err, VD_E_POLICY_EVAL, "policy: the worker does not keep to the protocol");
    *ret = a;
    return VD_OK;
}

uint16_t vd_answer_used(const struct vd_answer *a, size_t i)
{
    vd_rd r = vd_rd_of(vd_span_part(a->used, i * 2, 2));
    return vd_rd_u16le(&r);
}
