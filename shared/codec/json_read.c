/* Reading values from the tape. Missing values read as NONE, so chains of gets need one test. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "shared/codec/b64.h"
#include "shared/codec/json.h"
#include "shared/codec/text.h"

static const vd_jv missing = { NULL, 0 };

static const struct vd_json_tok *tok(vd_jv v)
{
    return v.doc ? &v.doc->tok[v.at] : NULL;
}

vd_jv vd_json_root(const struct vd_json *j)
{
    return (vd_jv){ j, 0 };
}

enum vd_json_type vd_jv_type(vd_jv v)
{
    return v.doc ? (enum vd_json_type)tok(v)->type : VD_JSON_NONE;
}

size_t vd_jv_count(vd_jv v)
{
    return v.doc ? tok(v)->count : 0;
}

vd_jv_iter vd_jv_iter_of(vd_jv v)
{
    bool object = vd_jv_is(v, VD_JSON_OBJECT);
    if (!object && !vd_jv_is(v, VD_JSON_ARRAY))
        return (vd_jv_iter){ 0 };
    return (vd_jv_iter){ .doc = v.doc, .at = v.at + 1, .end = tok(v)->next, .object = object };
}

bool vd_jv_next(vd_jv_iter *it)
{
    if (!it->doc || it->at >= it->end)
        return false;
    it->name = missing;
    if (it->object)
        it->name = (vd_jv){ it->doc, it->at++ };
    it->value = (vd_jv){ it->doc, it->at };
    it->at = it->doc->tok[it->at].next;
    return true;
}

static bool text_is(vd_jv v, vd_span s)
{
    if (!vd_jv_is(v, VD_JSON_STRING))
        return false;
    if (!tok(v)->escaped)
        return vd_span_eq(vd_jv_str_raw(v), s);
    return vd_jtext_cmp(vd_jv_str_raw(v), true, s, false) == 0;
}

vd_jv vd_jv_get_span(vd_jv object, vd_span name)
{
    vd_jv_iter it = vd_jv_iter_of(object);
    while (it.object && vd_jv_next(&it))
        if (text_is(it.name, name))
            return it.value;
    return missing;
}

vd_jv vd_jv_get(vd_jv object, const char *name)
{
    return vd_jv_get_span(object, vd_span_str(name));
}

static vd_jv element(vd_jv array, vd_span index)
{
    if (index.n == 0 || index.n > 6 || (index.n > 1 && index.p[0] == '0'))
        return missing;
    size_t want = 0;
    for (size_t i = 0; i < index.n; i++) {
        if (index.p[i] < '0' || index.p[i] > '9')
            return missing;
        want = want * 10 + (size_t)(index.p[i] - '0');
    }
    vd_jv_iter it = vd_jv_iter_of(array);
    for (size_t i = 0; vd_jv_next(&it); i++)
        if (i == want)
            return it.value;
    return missing;
}

vd_jv vd_jv_pointer(vd_jv v, const char *pointer)
{
    vd_span left = vd_span_str(pointer);
    while (left.n > 0 && v.doc) {
        if (left.p[0] != '/')
            return missing;
        left = vd_span_part(left, 1, left.n);
        size_t n = vd_span_find(left, '/');
        VD_AUTO_BUF name = vd_buf_of(n + 1);
        for (size_t i = 0; i < n; i++) {
            bool tilde = left.p[i] == '~' && i + 1 < n;
            vd_buf_u8(&name, tilde ? (left.p[i + 1] == '1' ? '/' : '~') : left.p[i]);
            i += tilde;
        }
        if (name.bad)
            return missing;
        bool array = vd_jv_is(v, VD_JSON_ARRAY);
        v = array ? element(v, vd_buf_span(&name)) : vd_jv_get_span(v, vd_buf_span(&name));
        left = vd_span_part(left, n, left.n);
    }
    return v;
}

vd_span vd_jv_raw(vd_jv v)
{
    if (!v.doc)
        return VD_SPAN_NONE;
    const struct vd_json_tok *t = tok(v);
    if (t->type == VD_JSON_STRING)
        return vd_span_part(v.doc->in, t->off - 1u, (size_t)t->len + 2);
    return vd_span_part(v.doc->in, t->off, t->len);
}

vd_span vd_jv_str_raw(vd_jv v)
{
    if (!vd_jv_is(v, VD_JSON_STRING))
        return VD_SPAN_NONE;
    return vd_span_part(v.doc->in, tok(v)->off, tok(v)->len);
}

static vd_rc wrong(vd_jv v, const char *want, vd_err *err)
{
    if (!v.doc)
        return vd_fail(err, VD_E_SYNTAX, "JSON: missing value, expected %s", want);
    return vd_fail(err, VD_E_SYNTAX, "JSON: expected %s at byte %u", want, tok(v)->off);
}

vd_rc vd_jv_str(vd_jv v, vd_buf *out, vd_err *err)
{
    if (!vd_jv_is(v, VD_JSON_STRING))
        return wrong(v, "a string", err);
    vd_span text = vd_jv_str_raw(v);
    if (!tok(v)->escaped)
        vd_buf_add(out, text);
    else
        for (size_t at = 0; at < text.n;)
            vd_utf8_put(out, vd_jtext_next(text, &at));
    return vd_buf_check(out, err);
}

vd_rc vd_jv_strdup(vd_jv v, char **ret, vd_err *err)
{
    VD_AUTO_BUF b = vd_buf_of(vd_jv_str_raw(v).n + 1);
    VD_TRY(vd_jv_str(v, &b, err));
    char *s = vd_strdup_span(vd_buf_span(&b));
    if (!s)
        return vd_fail(err, VD_E_NOMEM, "string");
    *ret = s;
    return VD_OK;
}

bool vd_jv_str_eq(vd_jv v, const char *s)
{
    return text_is(v, vd_span_str(s));
}

/* Digits only; "-0" and leading zeros do not pass the parser or this. */
static bool digits_u64(vd_span s, uint64_t *ret)
{
    if (s.n == 0 || s.n > 20)
        return false;
    uint64_t v = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        uint64_t d = (uint64_t)(s.p[i] - '0');
        if (v > (UINT64_MAX - d) / 10)
            return false;
        v = v * 10 + d;
    }
    *ret = v;
    return true;
}

vd_rc vd_jv_u64(vd_jv v, uint64_t max, uint64_t *ret, vd_err *err)
{
    uint64_t n = 0;
    if (!vd_jv_is(v, VD_JSON_NUMBER) || !digits_u64(vd_jv_raw(v), &n))
        return wrong(v, "a whole number", err);
    if (n > max)
        return wrong(v, "a smaller number", err);
    *ret = n;
    return VD_OK;
}

vd_rc vd_jv_i64(vd_jv v, int64_t *ret, vd_err *err)
{
    vd_span s = vd_jv_raw(v);
    bool minus = vd_jv_is(v, VD_JSON_NUMBER) && s.n > 0 && s.p && s.p[0] == '-';
    uint64_t n = 0;
    if (!vd_jv_is(v, VD_JSON_NUMBER) || !digits_u64(vd_span_part(s, minus, s.n), &n) ||
        n > (uint64_t)INT64_MAX + minus || (minus && n == 0))
        return wrong(v, "a whole number", err);
    *ret = minus ? (int64_t)(0 - n) : (int64_t)n;
    return VD_OK;
}

vd_rc vd_jv_double(vd_jv v, double *ret, vd_err *err)
{
    if (!vd_jv_is(v, VD_JSON_NUMBER))
        return wrong(v, "a number", err);
    VD_AUTO(free) char *text = vd_strdup_span(vd_jv_raw(v));
    if (!text)
        return vd_fail(err, VD_E_NOMEM, "number");
    double d = strtod(text, NULL);
    if (!isfinite(d))
        return wrong(v, "a number that fits a double", err);
    *ret = d;
    return VD_OK;
}

vd_rc vd_jv_bool(vd_jv v, bool *ret, vd_err *err)
{
    if (!vd_jv_is(v, VD_JSON_TRUE) && !vd_jv_is(v, VD_JSON_FALSE))
        return wrong(v, "true or false", err);
    *ret = vd_jv_is(v, VD_JSON_TRUE);
    return VD_OK;
}

/* Most of a piece of evidence is bytes written as numbers: up to three digits are read at once. */
static bool small_number(const struct vd_json *j, const struct vd_json_tok *t, uint8_t *ret)
{
    if (t->type != VD_JSON_NUMBER || t->len > 3)
        return false;
    const uint8_t *d = j->in.p + t->off;
    unsigned value = 0;
    for (unsigned i = 0; i < t->len; i++) {
        if (d[i] < '0' || d[i] > '9')
            return false;
        value = 10 * value + (unsigned)(d[i] - '0');
    }
    *ret = (uint8_t)value;
    return value <= 255;
}

vd_rc vd_jv_bytes(vd_jv v, uint8_t *p, size_t n, vd_err *err)
{
    if (!vd_jv_is(v, VD_JSON_ARRAY) || vd_jv_count(v) != n) {
        char want[48];
        (void)snprintf(want, sizeof want, "an array of %zu bytes", n);
        return wrong(v, want, err);
    }
    /* Numbers are one token each, so the i-th stands i behind the first; an element of another kind
     * moves those behind it, but is refused before they are looked at. */
    for (uint32_t i = 0; i < n; i++) {
        if (small_number(v.doc, &v.doc->tok[v.at + 1 + i], &p[i]))
            continue;
        uint64_t b = 0;
        VD_TRY(vd_jv_u64((vd_jv){ v.doc, v.at + 1 + i }, 255, &b, err));
        p[i] = (uint8_t)b;
    }
    return VD_OK;
}

vd_rc vd_jv_b64(vd_jv v, int form, vd_buf *out, vd_err *err)
{
    if (!vd_jv_is(v, VD_JSON_STRING))
        return wrong(v, "a base64 string", err);
    if (!tok(v)->escaped)
        return vd_b64_decode(vd_jv_str_raw(v), (enum vd_b64_form)form, out, err);
    VD_AUTO_BUF text = vd_buf_of(vd_jv_str_raw(v).n);
    VD_TRY(vd_jv_str(v, &text, err));
    return vd_b64_decode(vd_buf_span(&text), (enum vd_b64_form)form, out, err);
}
