/* Growable bytes with a maximum; see buf.h. */
#include "shared/base/buf.h"

#include <stdio.h>
#include <stdlib.h>

#include "shared/base/secret.h"

enum { FIRST = 256 }; /* most texts end below 4 KiB: few steps, little waste */

void vd_buf_done(vd_buf *b)
{
    free(b->p);
    *b = vd_buf_of(b->max);
}

void vd_buf_wipe(vd_buf *b)
{
    if (b->p)
        vd_wipe(b->p, b->cap);
    vd_buf_done(b);
}

void vd_buf_reset(vd_buf *b)
{
    b->n = 0;
    b->bad = false;
    b->over = false;
}

uint8_t *vd_buf_reserve(vd_buf *b, size_t n)
{
    if (b->bad || n > b->max || b->n > b->max - n) {
        b->over = b->over || !b->bad;
        b->bad = true;
        return NULL;
    }
    if (b->cap - b->n >= n && b->p)
        return b->p + b->n;
    size_t cap = b->cap ? b->cap : FIRST < b->max ? FIRST : b->max;
    while (cap - b->n < n)
        cap = cap > b->max / 2 ? b->max : cap * 2;
    /* One byte more than the capacity: vd_buf_cstr always has room for its NUL. */
    uint8_t *p = realloc(b->p, cap + 1);
    if (!p) {
        b->bad = true;
        return NULL;
    }
    b->p = p;
    b->cap = cap;
    return b->p + b->n;
}

uint8_t *vd_buf_extend(vd_buf *b, size_t n)
{
    uint8_t *at = vd_buf_reserve(b, n);
    if (at)
        b->n += n;
    return at;
}

void vd_buf_add(vd_buf *b, vd_span s)
{
    if (s.n == 0)
        return;
    uint8_t *at = vd_buf_extend(b, s.n);
    if (at)
        memcpy(at, s.p, s.n);
}

void vd_buf_str(vd_buf *b, const char *s)
{
    vd_buf_add(b, vd_span_str(s));
}

void vd_buf_u8_grow(vd_buf *b, uint8_t v)
{
    vd_buf_add(b, (vd_span){ &v, 1 });
}

void vd_buf_u64(vd_buf *b, uint64_t v)
{
    uint8_t digits[20];
    size_t at = sizeof digits;
    do
        digits[--at] = (uint8_t)('0' + v % 10);
    while (v /= 10);
    vd_buf_add(b, vd_span_of(digits + at, sizeof digits - at));
}

void vd_buf_i64(vd_buf *b, int64_t v)
{
    if (v < 0)
        vd_buf_u8(b, '-');
    vd_buf_u64(b, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

void vd_buf_le(vd_buf *b, uint64_t v, unsigned width)
{
    for (unsigned i = 0; i < width; i++, v >>= 8)
        vd_buf_u8(b, (uint8_t)v);
}

void vd_buf_be(vd_buf *b, uint64_t v, unsigned width)
{
    for (unsigned i = width; i > 0; i--)
        vd_buf_u8(b, (uint8_t)(v >> (8 * (i - 1))));
}

/* Bytes that are there already, with the one for a NUL. */
static size_t spare(const vd_buf *b)
{
    size_t end = b->cap < b->max ? b->cap : b->max;
    return b->p && !b->bad && b->n <= end ? end - b->n + 1 : 0;
}

void vd_buf_printf(vd_buf *b, const char *fmt, ...)
{
    va_list ap;
    size_t room = spare(b);
    va_start(ap, fmt);
    int n = vsnprintf(room ? (char *)b->p + b->n : NULL, room, fmt, ap);
    va_end(ap);
    if (n < 0) {
        b->bad = true;
        return;
    }
    if ((size_t)n < room) {
        b->n += (size_t)n;
        return;
    }
    uint8_t *at = vd_buf_reserve(b, (size_t)n);
    if (!at)
        return;
    va_start(ap, fmt);
    (void)vsnprintf((char *)at, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->n += (size_t)n;
}

const char *vd_buf_cstr(vd_buf *b)
{
    if (!vd_buf_reserve(b, b->p ? 0 : 1))
        return NULL;
    b->p[b->n] = 0;
    return (const char *)b->p;
}

vd_rc vd_buf_check(const vd_buf *b, vd_err *err)
{
    if (!b->bad)
        return VD_OK;
    if (b->over)
        return vd_fail(err, VD_E_TOO_LARGE, "more than %zu bytes", b->max);
    return vd_fail(err, VD_E_NOMEM, "buffer of %zu bytes (maximum %zu)", b->n, b->max);
}

char *vd_strdup_span(vd_span s)
{
    char *copy = malloc(s.n + 1);
    if (!copy)
        return NULL;
    if (s.n)
        memcpy(copy, s.p, s.n);
    copy[s.n] = 0;
    return copy;
}
