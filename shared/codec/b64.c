/* Strict base64 in its four forms, and hex. */
#include "shared/codec/b64.h"

static bool url_form(enum vd_b64_form f)
{
    return f == VD_B64_URL || f == VD_B64_URL_PAD;
}

static bool padded(enum vd_b64_form f)
{
    return f == VD_B64_STD || f == VD_B64_URL_PAD;
}

void vd_b64_encode(vd_span in, enum vd_b64_form form, vd_buf *out)
{
    static const char std[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    static const char url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const char *set = url_form(form) ? url : std;
    size_t rest = in.n % 3;
    size_t n = in.n / 3 * 4 + (rest == 0 ? 0 : padded(form) ? 4 : rest + 1);
    uint8_t *at = vd_buf_extend(out, n);
    if (!at)
        return;
    size_t i = 0;
    for (; i + 3 <= in.n; i += 3) {
        uint32_t v = ((uint32_t)in.p[i] << 16) | ((uint32_t)in.p[i + 1] << 8) | in.p[i + 2];
        *at++ = (uint8_t)set[v >> 18];
        *at++ = (uint8_t)set[(v >> 12) & 63];
        *at++ = (uint8_t)set[(v >> 6) & 63];
        *at++ = (uint8_t)set[v & 63];
    }
    if (rest == 0)
        return;
    uint32_t v = (uint32_t)in.p[i] << 16 | (rest == 2 ? (uint32_t)in.p[i + 1] << 8 : 0);
    *at++ = (uint8_t)set[v >> 18];
    *at++ = (uint8_t)set[(v >> 12) & 63];
    if (rest == 2)
        *at++ = (uint8_t)set[(v >> 6) & 63];
    if (padded(form)) {
        *at++ = '=';
        if (rest == 1)
            *at++ = '=';
    }
}

/* 0..63, or 64 for a foreign character: the standard alphabet, then the one for URLs. */
/* clang-format off */
static const uint8_t values[2][128] = {
    {
        64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
        64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
        64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 62, 64, 64, 64, 63,
        52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 64, 64, 64, 64, 64, 64,
        64, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
        15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 64, 64, 64, 64, 64,
        64, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
        41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 64, 64, 64, 64, 64,
    },
    {
        64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
        64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
        64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 62, 64, 64,
        52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 64, 64, 64, 64, 64, 64,
        64, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
        15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 64, 64, 64, 64, 63,
        64, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
        41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 64, 64, 64, 64, 64,
    },
};
/* clang-format on */

static uint32_t value_of(uint8_t c, bool url)
{
    return c < 128 ? values[url][c] : 64;
}

/* Text without its padding; VD_E_SYNTAX when the padding is not as the form wants it. */
static vd_rc strip(vd_span text, enum vd_b64_form form, vd_span *ret, vd_err *err)
{
    if (padded(form)) {
        if (text.n % 4 != 0)
            return vd_fail(err, VD_E_SYNTAX, "base64: length %zu is no multiple of 4", text.n);
        for (int i = 0; i < 2 && text.n > 0 && text.p[text.n - 1] == '='; i++)
            text.n--;
    }
    if (text.n % 4 == 1)
        return vd_fail(err, VD_E_SYNTAX, "base64: impossible length %zu", text.n);
    *ret = text;
    return VD_OK;
}

static bool decode_into(vd_span text, bool url, uint8_t *at)
{
    uint32_t seen = 0;
    size_t i = 0;
    for (; i + 4 <= text.n; i += 4) {
        uint32_t a = value_of(text.p[i], url), b = value_of(text.p[i + 1], url);
        uint32_t c = value_of(text.p[i + 2], url), d = value_of(text.p[i + 3], url);
        seen |= a | b | c | d;
        uint32_t v = (a << 18) | (b << 12) | (c << 6) | d;
        *at++ = (uint8_t)(v >> 16);
        *at++ = (uint8_t)(v >> 8);
        *at++ = (uint8_t)v;
    }
    size_t rest = text.n - i;
    if (rest == 0)
        return seen < 64;
    uint32_t a = value_of(text.p[i], url), b = value_of(text.p[i + 1], url);
    uint32_t c = rest == 3 ? value_of(text.p[i + 2], url) : 0;
    seen |= a | b | c;
    *at++ = (uint8_t)((a << 2) | (b >> 4));
    if (rest == 3)
        *at++ = (uint8_t)((b << 4) | (c >> 2));
    return seen < 64 && (rest == 3 ? (c & 3) : (b & 15)) == 0;
}

vd_rc vd_b64_decode(vd_span text, enum vd_b64_form form, vd_buf *out, vd_err *err)
{
    VD_TRY(strip(text, form, &text, err));
    size_t n = text.n / 4 * 3 + (text.n % 4 ? text.n % 4 - 1 : 0);
    if (n == 0)
        return VD_OK;
    uint8_t *at = vd_buf_reserve(out, n);
    if (!at)
        return vd_buf_check(out, err);
    if (!decode_into(text, url_form(form), at))
        return vd_fail(err, VD_E_SYNTAX, "base64: foreign character or stray bits");
    out->n += n;
    return VD_OK;
}

vd_rc vd_b64_decode_exact(vd_span text, enum vd_b64_form form, uint8_t *p, size_t n, vd_err *err)
{
    VD_TRY(strip(text, form, &text, err));
    size_t has = text.n / 4 * 3 + (text.n % 4 ? text.n % 4 - 1 : 0);
    if (has != n)
        return vd_fail(err, VD_E_SYNTAX, "base64: %zu bytes, expected %zu", has, n);
    if (n > 0 && !decode_into(text, url_form(form), p))
        return vd_fail(err, VD_E_SYNTAX, "base64: foreign character or stray bits");
    return VD_OK;
}

void vd_hex_encode(vd_span in, vd_buf *out)
{
    static const char set[] = "0123456789abcdef";
    uint8_t *at = vd_buf_extend(out, in.n * 2);
    if (!at)
        return;
    for (size_t i = 0; i < in.n; i++) {
        *at++ = (uint8_t)set[in.p[i] >> 4];
        *at++ = (uint8_t)set[in.p[i] & 15];
    }
}

static int nibble(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

vd_rc vd_hex_decode(vd_span text, vd_buf *out, vd_err *err)
{
    if (text.n % 2)
        return vd_fail(err, VD_E_SYNTAX, "hex: odd number of digits");
    size_t was = out->n;
    for (size_t i = 0; i < text.n; i += 2) {
        int hi = nibble(text.p[i]);
        int lo = nibble(text.p[i + 1]);
        if (hi < 0 || lo < 0) {
            out->n = was;
            return vd_fail(err, VD_E_SYNTAX, "hex: foreign character at %zu", i);
        }
        vd_buf_u8(out, (uint8_t)(hi << 4 | lo));
    }
    return vd_buf_check(out, err);
}
