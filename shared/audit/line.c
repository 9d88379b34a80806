/* One line of the audit record: written in exactly one form and read back in exactly that form. */
#include "shared/audit/audit_priv.h"

#include "shared/codec/b64.h"
#include "shared/crypto/hash.h"

enum { SUM_BYTES = 8, SUM_HEX = 16, TIME = 20 };

static const vd_span tail_open = { (const uint8_t *)",\"sum\":\"", 8 };
static const vd_span tail_close = { (const uint8_t *)"\"}", 2 };

static vd_rc sum_of(vd_span covered, uint8_t ret[32], vd_err *err)
{
    return vd_hash_of(VD_SHA256, covered, ret, err);
}

static bool digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool time_form(vd_span t)
{
    static const char form[] = "dddd-dd-ddTdd:dd:ddZ";
    if (t.n != TIME)
        return false;
    for (size_t i = 0; i < TIME; i++)
        if (form[i] == 'd' ? !digit(t.p[i]) : t.p[i] != (uint8_t)form[i])
            return false;
    return true;
}

vd_rc vd_audit_line_write(uint64_t seq, vd_span time, const char *event, const uint8_t prev[32],
                          vd_span detail, vd_buf *out, uint8_t ret_hash[32], vd_err *err)
{
    size_t start = out->n;
    uint8_t sum[32];
    if (!time_form(time)) /* a clock outside of the years 0000 to 9999 */
        return vd_fail(err, VD_E_AUDIT, "the clock shows no date that can be written");
    vd_buf_str(out, "{\"seq\":");
    vd_buf_u64(out, seq);
    vd_buf_str(out, ",\"time\":\"");
    vd_buf_add(out, time);
    vd_buf_str(out, "\",\"event\":\"");
    vd_buf_str(out, event);
    vd_buf_str(out, "\",\"prev\":\"");
    vd_hex_encode(vd_span_of(prev, 32), out);
    vd_buf_str(out, "\",\"detail\":");
    vd_buf_add(out, detail.n ? detail : VD_LIT("{}"));
    VD_TRY(vd_buf_check(out, err));
    VD_TRY(sum_of(vd_span_part(vd_buf_span(out), start, out->n), sum, err));
    vd_buf_add(out, tail_open);
    vd_hex_encode(vd_span_of(sum, SUM_BYTES), out);
    vd_buf_add(out, tail_close);
    VD_TRY(vd_buf_check(out, err));
    VD_TRY(vd_hash_of(VD_SHA256, vd_span_part(vd_buf_span(out), start, out->n), ret_hash, err));
    vd_buf_u8(out, '\n');
    return vd_buf_check(out, err);
}

bool vd_audit_take_literal(vd_rd *r, const char *text)
{
    vd_span want = vd_span_str(text);
    vd_span got = vd_rd_take(r, want.n);
    return got.p && vd_span_eq(got, want);
}

bool vd_audit_take_number(vd_rd *r, uint64_t *ret)
{
    uint64_t v = 0;
    size_t n = 0;
    while (vd_rd_left(r) > 0 && digit(r->in.p[r->at]) && n < 19) {
        v = v * 10 + (uint64_t)(vd_rd_u8(r) - '0');
        if (++n == 1 && v == 0)
            return false;
    }
    *ret = v;
    return n > 0 && v <= INT64_MAX;
}

bool vd_audit_event_form(vd_span e)
{
    for (size_t i = 0; i < e.n; i++)
        if (!(e.p[i] >= 'a' && e.p[i] <= 'z') && !digit(e.p[i]) && e.p[i] != '.' && e.p[i] != '-' &&
            e.p[i] != '_')
            return false;
    return e.n > 0 && e.n <= VD_AUDIT_EVENT;
}

static int nibble(uint8_t c)
{
    if (digit(c))
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Lower case only: there is one way to write a line. */
bool vd_audit_take_hex(vd_rd *r, uint8_t *p, size_t n)
{
    vd_span text = vd_rd_take(r, 2 * n);
    if (!text.p || text.n != 2 * n)
        return false;
    for (size_t i = 0; i < n; i++) {
        int hi = nibble(text.p[2 * i]);
        int lo = nibble(text.p[2 * i + 1]);
        if (hi < 0 || lo < 0)
            return false;
        p[i] = (uint8_t)(hi << 4 | lo);
    }
    return true;
}

bool vd_audit_take_word(vd_rd *r, char *ret, size_t room)
{
    size_t n = 0;
    while (n + 1 < room && vd_rd_left(r) > 0) {
        uint8_t c = r->in.p[r->at];
        bool fits = digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
                    c == '_' || c == '.';
        if (!fits)
            break;
        ret[n++] = (char)vd_rd_u8(r);
    }
    ret[n] = 0;
    return n > 0;
}

bool vd_audit_detail_form(vd_span d)
{
    if (d.n < 2 || d.p[0] != '{' || d.p[d.n - 1] != '}')
        return false;
    for (size_t i = 0; i < d.n; i++)
        if (d.p[i] < 0x20)
            return false;
    return true;
}

/* The event runs to its closing quote. */
static vd_span take_event(vd_rd *r)
{
    vd_span left = vd_span_part(r->in, r->at, VD_AUDIT_EVENT + 1);
    return vd_rd_take(r, vd_span_find(left, '"'));
}

static vd_rc bad(const char *what, vd_err *err)
{
    return vd_fail(err, VD_E_SYNTAX, "%s", what);
}

vd_rc vd_audit_line_parse(vd_span line, struct vd_audit_line *ret, vd_err *err)
{
    struct vd_audit_line q = { .text = line };
    uint8_t sum[SUM_BYTES];
    uint8_t want[32];
    vd_rd r = vd_rd_of(line);
    if (!vd_audit_take_literal(&r, "{\"seq\":") || !vd_audit_take_number(&r, &q.seq))
        return bad("does not begin with its sequence", err);
    bool ok = vd_audit_take_literal(&r, ",\"time\":\"");
    q.time = vd_rd_take(&r, TIME);
    if (!ok || !time_form(q.time))
        return bad("has no time", err);
    ok = vd_audit_take_literal(&r, "\",\"event\":\"");
    q.event = take_event(&r);
    if (!ok || !vd_audit_event_form(q.event))
        return bad("has no event", err);
    ok = vd_audit_take_literal(&r, "\",\"prev\":\"");
    if (!ok || !vd_audit_take_hex(&r, q.prev, sizeof q.prev))
        return bad("has no hash of the line before", err);
    const size_t tail = tail_open.n + SUM_HEX + tail_close.n;
    if (!vd_audit_take_literal(&r, "\",\"detail\":") || vd_rd_left(&r) < tail)
        return bad("has no detail", err);
    q.detail = vd_rd_take(&r, vd_rd_left(&r) - tail);
    size_t covered = r.at;
    ok = vd_span_eq(vd_rd_take(&r, tail_open.n), tail_open);
    ok = vd_audit_take_hex(&r, sum, sizeof sum) && ok;
    if (!ok || !vd_span_eq(vd_rd_take(&r, tail_close.n), tail_close) || !vd_rd_end(&r))
        return bad("does not end with its sum", err);
    if (!vd_audit_detail_form(q.detail))
        return bad("has a detail that is no object", err);
    VD_TRY(vd_hash_prefix(VD_SHA256, line, covered, want, q.hash, err));
    if (!vd_span_eq(vd_span_of(sum, sizeof sum), vd_span_of(want, sizeof sum)))
        return bad("was changed: its sum is wrong", err);
    *ret = q;
    return VD_OK;
}

uint64_t vd_audit_line_intent(vd_span detail)
{
    vd_rd r = vd_rd_of(detail);
    uint64_t seq = 0;
    return vd_audit_take_literal(&r, "{\"intent\":") && vd_audit_take_number(&r, &seq) ? seq : 0;
}
