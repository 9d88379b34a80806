/* UTF-8 and UTF-16 of foreign formats; see utf.h. */
#include "shared/codec/utf.h"

#include "shared/codec/text.h"

bool vd_utf8_valid(vd_span s)
{
    size_t at = 0;
    while (at < s.n)
        if (vd_utf8_next(s, &at) == VD_CP_BAD)
            return false;
    return true;
}

bool vd_utf16le_put(vd_span s, vd_buf *out)
{
    bool good = s.n % 2 == 0;
    vd_rd r = vd_rd_of(vd_span_part(s, 0, s.n - s.n % 2));
    while (vd_rd_left(&r) > 0) {
        uint32_t cp = vd_rd_u16le(&r);
        if ((cp & 0xFC00) == 0xD800) {
            vd_rd peek = r;
            uint32_t low = vd_rd_u16le(&peek);
            if (!peek.bad && (low & 0xFC00) == 0xDC00) {
                r = peek;
                cp = 0x10000 + ((cp & 0x3FF) << 10) + (low & 0x3FF);
            }
        }
        bool lone = cp >= 0xD800 && cp <= 0xDFFF;
        vd_utf8_put(out, lone ? 0xFFFD : cp);
        good = good && !lone;
    }
    return good;
}
