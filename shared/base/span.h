/* Borrowed bytes and the bounded reader. Source: house style, section 2.
 * Everything that reads bytes of a stranger goes through vd_rd: it subtracts, never adds,
 * and after the first short read every later read yields zero or empty and `bad` stays set. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Borrowed bytes. Never owns, never NUL-terminated. {NULL,0} means empty. */
typedef struct {
    const uint8_t *p;
    size_t n;
} vd_span;

#define VD_SPAN_NONE ((vd_span){ NULL, 0 })
/* A string literal as a span, usable in initialisers. */
#define VD_LIT(s) ((vd_span){ (const uint8_t *)("" s), sizeof(s) - 1 })

static inline vd_span vd_span_of(const void *p, size_t n)
{
    return (vd_span){ (const uint8_t *)p, n };
}

static inline vd_span vd_span_str(const char *s)
{
    return (vd_span){ (const uint8_t *)s, s ? strlen(s) : 0 };
}

/* Not for secrets: see vd_ct_equal in secret.h. */
static inline bool vd_span_eq(vd_span a, vd_span b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool vd_span_eq_str(vd_span a, const char *s)
{
    return vd_span_eq(a, vd_span_str(s));
}

static inline bool vd_span_starts(vd_span a, vd_span prefix)
{
    return a.n >= prefix.n && (prefix.n == 0 || memcmp(a.p, prefix.p, prefix.n) == 0);
}

/* The part from `at` on, `n` bytes at most; empty when `at` is behind the end. */
static inline vd_span vd_span_part(vd_span a, size_t at, size_t n)
{
    if (at >= a.n)
        return VD_SPAN_NONE;
    size_t left = a.n - at;
    return (vd_span){ a.p + at, n < left ? n : left };
}

/* Index of the first `c`, or a.n. */
static inline size_t vd_span_find(vd_span a, uint8_t c)
{
    const uint8_t *at = a.n ? memchr(a.p, c, a.n) : NULL;
    return at ? (size_t)(at - a.p) : a.n;
}

/* True when every byte is zero. */
static inline bool vd_span_zero(vd_span a)
{
    for (size_t i = 0; i < a.n; i++)
        if (a.p[i] != 0)
            return false;
    return true;
}

/* How many bytes from `at` on are printable ASCII and neither a quote nor a backslash: what JSON
 * strings mostly consist of. Eight at a time: a byte is found by the borrow that it causes in a
 * subtraction, which can mark a byte behind the first one wrongly, so the last steps are single. */
static inline size_t vd_span_plain(vd_span s, size_t at)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    size_t i = at;
    for (; i + 8 <= s.n; i += 8) {
        uint64_t x;
        memcpy(&x, s.p + i, sizeof x);
        uint64_t quote = x ^ (ones * '"');
        uint64_t slash = x ^ (ones * '\\');
        uint64_t found = x | (x - ones * 0x20) | (quote - ones) | (slash - ones);
        if (found & (ones * 0x80))
            break;
    }
    for (; i < s.n; i++)
        if (s.p[i] < 0x20 || s.p[i] >= 0x80 || s.p[i] == '"' || s.p[i] == '\\')
            break;
    return i - at;
}

/* True when every byte is printable ASCII and no blank. */
static inline bool vd_span_graphic(vd_span s)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t found = 0;
    size_t i = 0;
    for (; i + 8 <= s.n; i += 8) {
        uint64_t x;
        memcpy(&x, s.p + i, sizeof x);
        found |= x | (x - ones * 0x21) | (x + ones);
    }
    bool good = (found & (ones * 0x80)) == 0;
    for (; i < s.n; i++)
        good = good && s.p[i] > 0x20 && s.p[i] < 0x7f;
    return good;
}

/* Reading head over hostile bytes; see the opening comment. A value read may feed take/sub
 * before the test; for any other use as a size, a count or an index, test `bad` first. */
typedef struct {
    vd_span in;
    size_t at;
    bool bad;
    size_t bad_at;
} vd_rd;

static inline vd_rd vd_rd_of(vd_span in)
{
    return (vd_rd){ .in = in };
}

static inline size_t vd_rd_left(const vd_rd *r)
{
    return r->in.n - r->at;
}

static inline vd_span vd_rd_take(vd_rd *r, size_t n)
{
    if (r->bad || n > vd_rd_left(r) || (n > 0 && !r->in.p)) {
        if (!r->bad) {
            r->bad = true;
            r->bad_at = r->at;
        }
        return VD_SPAN_NONE;
    }
    vd_span s = { n > 0 ? r->in.p + r->at : NULL, n };
    r->at += n;
    return s;
}

static inline void vd_rd_skip(vd_rd *r, size_t n)
{
    (void)vd_rd_take(r, n);
}

static inline uint64_t vd_rd_le(vd_rd *r, unsigned width) /* 1..8 */
{
    vd_span s = vd_rd_take(r, width);
    uint64_t v = 0;
    for (size_t i = s.n; i > 0; i--)
        v = (v << 8) | s.p[i - 1];
    return v;
}

static inline uint64_t vd_rd_be(vd_rd *r, unsigned width) /* 1..8 */
{
    vd_span s = vd_rd_take(r, width);
    uint64_t v = 0;
    for (size_t i = 0; i < s.n; i++)
        v = (v << 8) | s.p[i];
    return v;
}

static inline uint8_t vd_rd_u8(vd_rd *r)
{
    return (uint8_t)vd_rd_le(r, 1);
}
static inline uint16_t vd_rd_u16le(vd_rd *r)
{
    return (uint16_t)vd_rd_le(r, 2);
}
static inline uint16_t vd_rd_u16be(vd_rd *r)
{
    return (uint16_t)vd_rd_be(r, 2);
}
static inline uint32_t vd_rd_u32le(vd_rd *r)
{
    return (uint32_t)vd_rd_le(r, 4);
}
static inline uint32_t vd_rd_u32be(vd_rd *r)
{
    return (uint32_t)vd_rd_be(r, 4);
}
static inline uint64_t vd_rd_u64le(vd_rd *r)
{
    return vd_rd_le(r, 8);
}
static inline uint64_t vd_rd_u64be(vd_rd *r)
{
    return vd_rd_be(r, 8);
}

/* A child reader that cannot see past its own n bytes. */
static inline vd_rd vd_rd_sub(vd_rd *r, size_t n)
{
    vd_span s = vd_rd_take(r, n);
    return (vd_rd){ .in = s, .bad = r->bad, .bad_at = r->bad_at };
}

/* True only if nothing failed and nothing is left over. */
static inline bool vd_rd_end(const vd_rd *r)
{
    return !r->bad && vd_rd_left(r) == 0;
}
