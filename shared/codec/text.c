/* UTF-8 and JSON string text, and numbers as ECMAScript writes them. */
#include "shared/codec/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static bool cont(vd_span s, size_t at)
{
    return at < s.n && (s.p[at] & 0xC0) == 0x80;
}

uint32_t vd_utf8_next(vd_span s, size_t *at)
{
    size_t i = *at;
    uint8_t c = s.p[i];
    if (c < 0x80) {
        *at = i + 1;
        return c;
    }
    unsigned more = c >= 0xF0 ? 3 : c >= 0xE0 ? 2 : 1;
    static const uint32_t least[] = { 0, 0x80, 0x800, 0x10000 };
    uint32_t cp = c & (0x3Fu >> more);
    *at = i + 1;
    if (c < 0xC2 || c > 0xF4)
        return VD_CP_BAD;
    for (unsigned k = 1; k <= more; k++) {
        if (!cont(s, i + k))
            return VD_CP_BAD;
        cp = (cp << 6) | (s.p[i + k] & 0x3Fu);
    }
    if (cp < least[more] || cp > 0x10FFFF || (cp >= 0xD800 && cp <= 0xDFFF))
        return VD_CP_BAD;
    *at = i + 1 + more;
    return cp;
}

void vd_utf8_put(vd_buf *out, uint32_t cp)
{
    if (cp < 0x80) {
        vd_buf_u8(out, (uint8_t)cp);
    } else if (cp < 0x800) {
        vd_buf_u8(out, (uint8_t)(0xC0 | (cp >> 6)));
        vd_buf_u8(out, (uint8_t)(0x80 | (cp & 0x3F)));
    } else if (cp < 0x10000) {
        vd_buf_u8(out, (uint8_t)(0xE0 | (cp >> 12)));
        vd_buf_u8(out, (uint8_t)(0x80 | ((cp >> 6) & 0x3F)));
        vd_buf_u8(out, (uint8_t)(0x80 | (cp & 0x3F)));
    } else {
        vd_buf_u8(out, (uint8_t)(0xF0 | (cp >> 18)));
        vd_buf_u8(out, (uint8_t)(0x80 | ((cp >> 12) & 0x3F)));
        vd_buf_u8(out, (uint8_t)(0x80 | ((cp >> 6) & 0x3F)));
        vd_buf_u8(out, (uint8_t)(0x80 | (cp & 0x3F)));
    }
}

static uint32_t hex4(vd_span s, size_t at)
{
    uint32_t v = 0;
    for (size_t i = at; i < at + 4 && i < s.n; i++) {
        uint8_t c = s.p[i];
        uint32_t d = c <= '9' ? (uint32_t)(c - '0') : (uint32_t)(c | 0x20) - 'a' + 10;
        v = (v << 4) | (d & 15u);
    }
    return v;
}

uint32_t vd_jtext_next(vd_span text, size_t *at)
{
    if (text.p[*at] != '\\')
        return vd_utf8_next(text, at);
    if (*at + 1 >= text.n) { /* cannot happen behind the parser */
        *at = text.n;
        return VD_CP_BAD;
    }
    uint8_t c = text.p[*at + 1];
    if (c != 'u') {
        *at += 2;
        switch (c) {
        case 'b':
            return '\b';
        case 'f':
            return '\f';
        case 'n':
            return '\n';
        case 'r':
            return '\r';
        case 't':
            return '\t';
        default:
            return c;
        }
    }
    uint32_t cp = hex4(text, *at + 2);
    *at = *at + 6 < text.n ? *at + 6 : text.n;
    if (cp >= 0xD800 && cp <= 0xDBFF) {
        uint32_t low = hex4(text, *at + 2);
        *at = *at + 6 < text.n ? *at + 6 : text.n;
        cp = 0x10000 + ((cp - 0xD800) << 10) + (low - 0xDC00);
    }
    return cp;
}

static void quote_special(vd_buf *out, uint8_t c)
{
    static const char names[] = "btn\0fr"; /* 08 09 0a 0b 0c 0d */
    if (c == '"' || c == '\\') {
        vd_buf_u8(out, '\\');
        vd_buf_u8(out, c);
    } else if (c >= 8 && c <= 13 && c != 11) {
        vd_buf_u8(out, '\\');
        vd_buf_u8(out, (uint8_t)names[c - 8]);
    } else {
        vd_buf_printf(out, "\\u%04x", (unsigned)c);
    }
}

void vd_jtext_quote(vd_buf *out, vd_span s)
{
    vd_buf_u8(out, '"');
    size_t run = 0; /* start of bytes that are copied as they are */
    for (size_t at = vd_span_plain(s, 0); at < s.n; at += vd_span_plain(s, at)) {
        size_t was = at;
        uint8_t c = s.p[at];
        bool special = c < 0x80;
        if (special)
            at++;
        else if (vd_utf8_next(s, &at) != VD_CP_BAD)
            continue;
        vd_buf_add(out, vd_span_part(s, run, was - run));
        run = at;
        if (special)
            quote_special(out, c);
        else
            vd_utf8_put(out, 0xFFFD);
    }
    vd_buf_add(out, vd_span_part(s, run, s.n - run));
    vd_buf_u8(out, '"');
}

int vd_jtext_cmp(vd_span a, bool a_escaped, vd_span b, bool b_escaped)
{
    if (!a_escaped && !b_escaped) {
        size_t n = a.n < b.n ? a.n : b.n;
        for (size_t i = 0; i < n; i++)
            if (a.p[i] != b.p[i])
                return a.p[i] < b.p[i] ? -1 : 1;
        return a.n == b.n ? 0 : a.n < b.n ? -1 : 1;
    }
    size_t i = 0;
    size_t k = 0;
    while (i < a.n && k < b.n) {
        uint32_t x = a_escaped ? vd_jtext_next(a, &i) : vd_utf8_next(a, &i);
        uint32_t y = b_escaped ? vd_jtext_next(b, &k) : vd_utf8_next(b, &k);
        if (x != y)
            return x < y ? -1 : 1;
    }
    return (i < a.n) - (k < b.n);
}

/* First UTF-16 code unit of a code point. */
static uint32_t unit(uint32_t cp)
{
    return cp < 0x10000 ? cp : 0xD800 + ((cp - 0x10000) >> 10);
}

int vd_jtext_cmp16(vd_span a, vd_span b)
{
    size_t i = 0;
    size_t k = 0;
    while (i < a.n && k < b.n) {
        uint32_t x = vd_jtext_next(a, &i);
        uint32_t y = vd_jtext_next(b, &k);
        if (x == y)
            continue;
        if (unit(x) != unit(y))
            return unit(x) < unit(y) ? -1 : 1;
        return x < y ? -1 : 1;
    }
    return (i < a.n) - (k < b.n);
}

/* Digits of the shortest decimal that reads back as v: "d.ddde+xx" with the least precision. */
static void shortest(double v, char *text, size_t room)
{
    for (int precision = 0; precision <= 16; precision++) {
        (void)snprintf(text, room, "%.*e", precision, v);
        if (strtod(text, NULL) == v)
            return;
    }
}

void vd_double_put(vd_buf *out, double v)
{
    if (v == 0) {
        vd_buf_u8(out, '0');
        return;
    }
    if (v < 0) {
        vd_buf_u8(out, '-');
        v = -v;
    }
    char text[40];
    shortest(v, text, sizeof text);
    char digits[24];
    size_t n = 0;
    const char *at = text;
    for (; *at && *at != 'e'; at++)
        if (*at != '.' && n < sizeof digits)
            digits[n++] = *at;
    while (n > 1 && digits[n - 1] == '0')
        n--;
    long point =
        strtol(at + 1, NULL, 10) + 1; /* position of the decimal point behind the first digit */
    vd_span d = vd_span_of(digits, n);
    if (point > 21 || point < -5) {
        vd_buf_add(out, vd_span_part(d, 0, 1));
        if (n > 1) {
            vd_buf_u8(out, '.');
            vd_buf_add(out, vd_span_part(d, 1, n - 1));
        }
        vd_buf_printf(out, "e%+ld", point - 1);
    } else if (point <= 0) {
        vd_buf_str(out, "0.");
        for (long i = point; i < 0; i++)
            vd_buf_u8(out, '0');
        vd_buf_add(out, d);
    } else {
        size_t whole = (size_t)point;
        vd_buf_add(out, vd_span_part(d, 0, whole));
        for (size_t i = n; i < whole; i++)
            vd_buf_u8(out, '0');
        if (n > whole) {
            vd_buf_u8(out, '.');
            vd_buf_add(out, vd_span_part(d, whole, n - whole));
        }
    }
}
