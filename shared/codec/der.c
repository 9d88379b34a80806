/* DER elements; see der.h. */
#include "shared/codec/der.h"

static void spoil(vd_rd *r)
{
    if (!r->bad) {
        r->bad = true;
        r->bad_at = r->at;
    }
}

/* Length octets: up to three bytes behind the first, which covers 16 MiB. */
static size_t length(vd_rd *r)
{
    uint8_t first = vd_rd_u8(r);
    if (first < 0x80)
        return first;
    unsigned width = first & 0x7f;
    if (width < 1 || width > 3) {
        spoil(r);
        return 0;
    }
    uint64_t n = vd_rd_be(r, width);
    if (n < 0x80 || n >> (8 * (width - 1)) == 0)
        spoil(r);
    return (size_t)n;
}

vd_rd vd_der_enter(vd_rd *r, uint8_t tag)
{
    if (vd_rd_u8(r) != tag)
        spoil(r);
    size_t n = length(r);
    return vd_rd_sub(r, n);
}

vd_span vd_der_value(vd_rd *r, uint8_t tag)
{
    return vd_der_enter(r, tag).in;
}

vd_span vd_der_element(vd_rd *r)
{
    size_t from = r->at;
    (void)vd_rd_u8(r);
    size_t n = length(r);
    vd_rd_skip(r, n);
    return r->bad ? VD_SPAN_NONE : vd_span_part(r->in, from, r->at - from);
}

uint64_t vd_der_uint(vd_rd *r, uint8_t tag, uint64_t max)
{
    vd_rd v = vd_der_enter(r, tag);
    vd_span s = v.in;
    /* two's complement: a sign byte of zero stands only in front of a set high bit */
    bool ok = s.n >= 1 && s.n <= 9 && s.p[0] < 0x80 && (s.n == 1 || s.p[0] != 0 || s.p[1] >= 0x80);
    uint64_t n = 0;
    for (size_t i = 0; ok && i < s.n; i++)
        n = n << 8 | s.p[i];
    ok = ok && (s.n < 9 || s.p[0] == 0) && n <= max;
    if (!ok)
        spoil(r);
    return ok ? n : 0;
}

bool vd_der_bool(vd_rd *r)
{
    vd_span s = vd_der_value(r, VD_DER_BOOLEAN);
    if (s.n != 1 || (s.p[0] != 0 && s.p[0] != 0xff)) {
        spoil(r);
        return false;
    }
    return s.p[0] != 0;
}
