/* Owned, growable bytes with a compulsory maximum. A failed append (no memory, or over the
 * maximum) is sticky: build the whole thing, then test `bad` once, or call vd_buf_check. */
#pragma once

#include <stdarg.h>

#include "shared/base/err.h"
#include "shared/base/span.h"

typedef struct {
    uint8_t *p;
    size_t n;
    size_t cap;
    size_t max; /* bytes; appending beyond sets bad */
    bool bad;
    bool over; /* bad because of the maximum, not of the memory */
} vd_buf;

/* An empty buffer that never grows above `max` bytes. Allocates nothing yet. */
static inline vd_buf vd_buf_of(size_t max)
{
    return (vd_buf){ .max = max };
}

void vd_buf_done(vd_buf *b);  /* frees; the buffer is reusable with the same maximum */
void vd_buf_wipe(vd_buf *b);  /* overwrites the content, then vd_buf_done */
void vd_buf_reset(vd_buf *b); /* n = 0, bad = false, keeps the memory */
/* Room for n more bytes; the returned pointer is valid until the next append. NULL and bad on
 * failure. */
uint8_t *vd_buf_reserve(vd_buf *b, size_t n);
/* vd_buf_reserve and count them as written: the caller fills them. */
uint8_t *vd_buf_extend(vd_buf *b, size_t n);
void vd_buf_add(vd_buf *b, vd_span s);
void vd_buf_str(vd_buf *b, const char *s);
void vd_buf_u8_grow(vd_buf *b, uint8_t v); /* the rare half of the next */
static inline void vd_buf_u8(vd_buf *b, uint8_t v)
{
    if (b->n < b->cap && !b->bad)
        b->p[b->n++] = v;
    else
        vd_buf_u8_grow(b, v);
}
/* Decimal digits, with a sign if negative. */
void vd_buf_u64(vd_buf *b, uint64_t v);
void vd_buf_i64(vd_buf *b, int64_t v);
void vd_buf_le(vd_buf *b, uint64_t v, unsigned width);
void vd_buf_be(vd_buf *b, uint64_t v, unsigned width);
void vd_buf_printf(vd_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* NUL-terminated view (the NUL is not counted); NULL when bad. */
const char *vd_buf_cstr(vd_buf *b);

static inline vd_span vd_buf_span(const vd_buf *b)
{
    return (vd_span){ b->p, b->n };
}

/* VD_E_NOMEM or VD_E_TOO_LARGE when an append failed. */
vd_rc vd_buf_check(const vd_buf *b, vd_err *err);

/* Owned NUL-terminated copy of a span; NULL when out of memory. Caller frees. */
char *vd_strdup_span(vd_span s);

#define VD_AUTO_BUF __attribute__((cleanup(vd_buf_done))) vd_buf
#define VD_AUTO_BUF_WIPED __attribute__((cleanup(vd_buf_wipe))) vd_buf
