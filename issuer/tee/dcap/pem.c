/* PEM text of certificates, strictly: blocks one after the other, nothing between them but line
 * ends, so that the same chain cannot come in endless spellings. */
#include "issuer/tee/dcap/pki_priv.h"
#include "shared/codec/b64.h"

enum { TEXT_MAX = 65536 };

static const vd_span begin = VD_LIT("-----BEGIN CERTIFICATE-----");
static const vd_span end = VD_LIT("-----END CERTIFICATE-----");

static bool blank(uint8_t c)
{
    return c == '\n' || c == '\r' || c == ' ';
}

vd_span dcap_pem_trim(vd_span text)
{
    while (text.n > 0 && (text.p[text.n - 1] == 0 || blank(text.p[text.n - 1])))
        text.n--;
    return text;
}

void dcap_pem_done(struct dcap_pem *p)
{
    vd_buf_done(&p->room);
    *p = (struct dcap_pem){ 0 };
}

/* Everything up to the next hyphen, line ends left out. */
static void take_base64(vd_rd *r, vd_buf *out)
{
    while (vd_rd_left(r) > 0 && r->in.p[r->at] != '-') {
        uint8_t c = vd_rd_u8(r);
        if (!blank(c))
            vd_buf_u8(out, c);
    }
}

/* One block; its DER appended to room. */
static bool take_block(vd_rd *r, vd_buf *room)
{
    VD_AUTO_BUF text = vd_buf_of(TEXT_MAX);
    if (!vd_span_eq(vd_rd_take(r, begin.n), begin))
        return false;
    take_base64(r, &text);
    return vd_span_eq(vd_rd_take(r, end.n), end) && text.n > 0 && !text.bad &&
           vd_b64_decode(vd_buf_span(&text), VD_B64_STD, room, NULL).code == VD_E_OK;
}

vd_rc dcap_pem_read(vd_span text, struct dcap_pem *ret, vd_err *err)
{
    DCAP_AUTO_PEM p = { .room = vd_buf_of(TEXT_MAX) };
    vd_rd r = vd_rd_of(dcap_pem_trim(text));
    size_t ends[DCAP_PEM_CERTS] = { 0 };
    if (text.n == 0 || text.n > TEXT_MAX || !vd_buf_reserve(&p.room, text.n))
        return vd_fail(err, VD_E_SYNTAX, "PEM text of %zu bytes", text.n);
    while (vd_rd_left(&r) > 0) {
        if (blank(r.in.p[r.at])) {
            vd_rd_skip(&r, 1);
            continue;
        }
        if (p.n == DCAP_PEM_CERTS || !take_block(&r, &p.room))
            return vd_fail(err, VD_E_SYNTAX,
                           "PEM text: not certificates alone, or more than %d, near byte %zu",
                           DCAP_PEM_CERTS, r.at);
        ends[p.n++] = p.room.n;
    }
    for (size_t i = 0; i < p.n; i++) {
        size_t from = i ? ends[i - 1] : 0;
        p.cert[i] = vd_span_part(vd_buf_span(&p.room), from, ends[i] - from);
    }
    *ret = p;
    p = (struct dcap_pem){ 0 };
    return VD_OK;
}
