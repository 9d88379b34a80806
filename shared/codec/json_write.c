/* Writing JSON: values of the tape in canonical or compact form, and the streaming writer. */
#include <stdlib.h>

#include "shared/base/clock.h"
#include "shared/codec/b64.h"
#include "shared/codec/json.h"
#include "shared/codec/text.h"

enum { DEPTH_HARD = 64 };

struct frame {
    bool object;
    size_t first; /* of its members in `order` */
    size_t i;
    size_t n;
};

struct emit {
    const struct vd_json *doc;
    bool canonical;
    vd_buf *out;
    uint32_t *order; /* member or element tokens of all open containers */
    size_t n_order;
    struct frame frame[DEPTH_HARD];
    unsigned depth;
    vd_err *err;
};

static vd_span text_at(const struct vd_json *j, uint32_t at)
{
    return vd_span_part(j->in, j->tok[at].off, j->tok[at].len);
}

static int cmp16(const void *a, const void *b, void *doc)
{
    return vd_jtext_cmp16(text_at(doc, *(const uint32_t *)a), text_at(doc, *(const uint32_t *)b));
}

static vd_rc emit_string(struct emit *e, uint32_t at)
{
    vd_span text = text_at(e->doc, at);
    if (!e->doc->tok[at].escaped) { /* nothing in it needs an escape: the parser saw to that */
        vd_buf_u8(e->out, '"');
        vd_buf_add(e->out, text);
        vd_buf_u8(e->out, '"');
        return VD_OK;
    }
    VD_AUTO_BUF plain = vd_buf_of(text.n);
    VD_TRY(vd_jv_str((vd_jv){ e->doc, at }, &plain, e->err));
    vd_jtext_quote(e->out, vd_buf_span(&plain));
    return VD_OK;
}

static vd_rc emit_number(struct emit *e, uint32_t at)
{
    if (!e->canonical) {
        vd_buf_add(e->out, text_at(e->doc, at));
        return VD_OK;
    }
    double v = 0;
    VD_TRY(vd_jv_double((vd_jv){ e->doc, at }, &v, e->err));
    vd_double_put(e->out, v);
    return VD_OK;
}

static vd_rc emit_open(struct emit *e, uint32_t at)
{
    const struct vd_json_tok *t = &e->doc->tok[at];
    if (e->depth == DEPTH_HARD)
        return vd_fail(e->err, VD_E_TOO_LARGE, "JSON: nested deeper than %d", DEPTH_HARD);
    bool object = t->type == VD_JSON_OBJECT;
    struct frame *f = &e->frame[e->depth++];
    *f = (struct frame){ object, e->n_order, 0, t->count };
    uint32_t child = at + 1;
    for (uint32_t i = 0; i < t->count; i++) {
        e->order[e->n_order++] = child;
        child = e->doc->tok[object ? child + 1 : child].next;
    }
    if (object && e->canonical && f->n > 1) {
        union {
            const struct vd_json *in;
            void *out;
        } doc = { .in = e->doc };
        qsort_r(e->order + f->first, f->n, sizeof *e->order, cmp16, doc.out);
    }
    vd_buf_u8(e->out, object ? '{' : '[');
    return VD_OK;
}

static vd_rc emit_value(struct emit *e, uint32_t at)
{
    switch ((enum vd_json_type)e->doc->tok[at].type) {
    case VD_JSON_OBJECT:
    case VD_JSON_ARRAY:
        return emit_open(e, at);
    case VD_JSON_STRING:
        return emit_string(e, at);
    case VD_JSON_NUMBER:
        return emit_number(e, at);
    case VD_JSON_TRUE:
    case VD_JSON_FALSE:
    case VD_JSON_NULL:
        vd_buf_add(e->out, text_at(e->doc, at));
        return VD_OK;
    case VD_JSON_NONE:
        break;
    }
    return vd_fail(e->err, VD_E_INTERNAL, "JSON tape");
}

static vd_rc emit_next(struct emit *e)
{
    struct frame *f = &e->frame[e->depth - 1];
    if (f->i == f->n) {
        vd_buf_u8(e->out, f->object ? '}' : ']');
        e->n_order = f->first;
        e->depth--;
        return VD_OK;
    }
    if (f->i > 0)
        vd_buf_u8(e->out, ',');
    uint32_t at = e->order[f->first + f->i++];
    if (f->object) {
        VD_TRY(emit_string(e, at));
        vd_buf_u8(e->out, ':');
        at++;
    }
    return emit_value(e, at);
}

static vd_rc emit(vd_jv v, bool canonical, vd_buf *out, vd_err *err)
{
    if (!vd_jv_ok(v))
        return vd_fail(err, VD_E_SYNTAX, "JSON: missing value");
    struct emit e = { .doc = v.doc, .canonical = canonical, .out = out, .err = err };
    VD_AUTO(free) uint32_t *order = calloc(v.doc->n, sizeof *order);
    if (!order)
        return vd_fail(err, VD_E_NOMEM, "JSON order");
    e.order = order;
    VD_TRY(emit_value(&e, v.at));
    while (e.depth > 0)
        VD_TRY(emit_next(&e));
    return vd_buf_check(out, err);
}

vd_rc vd_json_canonical(vd_jv v, vd_buf *out, vd_err *err)
{
    return emit(v, true, out, err);
}

vd_rc vd_json_compact(vd_jv v, vd_buf *out, vd_err *err)
{
    return emit(v, false, out, err);
}

/* ---- the streaming writer ----------------------------------------------------------------------
 */

vd_jw vd_jw_of(vd_buf *out)
{
    return (vd_jw){ .out = out };
}

static void before_value(vd_jw *w)
{
    uint64_t bit = UINT64_C(1) << w->depth;
    if (w->depth > 0 && !(w->is_array & bit) && !w->after_key)
        w->out->bad = true; /* a value in an object needs a key: our bug */
    if (!w->after_key && (w->has_item & bit))
        vd_buf_u8(w->out, ',');
    w->has_item |= bit;
    w->after_key = false;
}

static void open_level(vd_jw *w, bool array)
{
    before_value(w);
    if (w->depth >= DEPTH_HARD - 1) {
        w->out->bad = true;
        return;
    }
    w->depth++;
    uint64_t bit = UINT64_C(1) << w->depth;
    w->has_item &= ~bit;
    w->is_array = array ? w->is_array | bit : w->is_array & ~bit;
    vd_buf_u8(w->out, array ? '[' : '{');
}

void vd_jw_obj(vd_jw *w)
{
    open_level(w, false);
}

void vd_jw_arr(vd_jw *w)
{
    open_level(w, true);
}

void vd_jw_end(vd_jw *w)
{
    if (w->depth == 0 || w->after_key) {
        w->out->bad = true;
        return;
    }
    vd_buf_u8(w->out, w->is_array & (UINT64_C(1) << w->depth) ? ']' : '}');
    w->depth--;
}

void vd_jw_key_span(vd_jw *w, vd_span name)
{
    uint64_t bit = UINT64_C(1) << w->depth;
    if (w->depth == 0 || (w->is_array & bit) || w->after_key)
        w->out->bad = true;
    if (w->has_item & bit)
        vd_buf_u8(w->out, ',');
    w->has_item |= bit;
    vd_jtext_quote(w->out, name);
    vd_buf_u8(w->out, ':');
    w->after_key = true;
}

void vd_jw_key(vd_jw *w, const char *name)
{
    vd_jw_key_span(w, vd_span_str(name));
}

void vd_jw_str_span(vd_jw *w, vd_span s)
{
    before_value(w);
    vd_jtext_quote(w->out, s);
}

void vd_jw_str(vd_jw *w, const char *s)
{
    vd_jw_str_span(w, vd_span_str(s));
}

void vd_jw_u64(vd_jw *w, uint64_t v)
{
    before_value(w);
    vd_buf_u64(w->out, v);
}

void vd_jw_i64(vd_jw *w, int64_t v)
{
    before_value(w);
    vd_buf_i64(w->out, v);
}

void vd_jw_raw(vd_jw *w, vd_span json)
{
    before_value(w);
    if (json.n == 0)
        w->out->bad = true;
    vd_buf_add(w->out, json);
}

void vd_jw_bool(vd_jw *w, bool v)
{
    vd_jw_raw(w, v ? VD_LIT("true") : VD_LIT("false"));
}

void vd_jw_null(vd_jw *w)
{
    vd_jw_raw(w, VD_LIT("null"));
}

void vd_jw_hex(vd_jw *w, vd_span bytes)
{
    before_value(w);
    vd_buf_u8(w->out, '"');
    vd_hex_encode(bytes, w->out);
    vd_buf_u8(w->out, '"');
}

void vd_jw_b64(vd_jw *w, vd_span bytes, int form)
{
    before_value(w);
    vd_buf_u8(w->out, '"');
    vd_b64_encode(bytes, (enum vd_b64_form)form, w->out);
    vd_buf_u8(w->out, '"');
}

void vd_jw_time(vd_jw *w, int64_t unix_s)
{
    before_value(w);
    vd_buf_u8(w->out, '"');
    vd_time_rfc3339(unix_s, w->out);
    vd_buf_u8(w->out, '"');
}

void vd_jw_kstr(vd_jw *w, const char *key, const char *s)
{
    vd_jw_key(w, key);
    vd_jw_str(w, s);
}

void vd_jw_kspan(vd_jw *w, const char *key, vd_span s)
{
    vd_jw_key(w, key);
    vd_jw_str_span(w, s);
}

void vd_jw_ku64(vd_jw *w, const char *key, uint64_t v)
{
    vd_jw_key(w, key);
    vd_jw_u64(w, v);
}

void vd_jw_ki64(vd_jw *w, const char *key, int64_t v)
{
    vd_jw_key(w, key);
    vd_jw_i64(w, v);
}

void vd_jw_kbool(vd_jw *w, const char *key, bool v)
{
    vd_jw_key(w, key);
    vd_jw_bool(w, v);
}

void vd_jw_khex(vd_jw *w, const char *key, vd_span bytes)
{
    vd_jw_key(w, key);
    vd_jw_hex(w, bytes);
}
