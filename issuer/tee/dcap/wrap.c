/* Spellings of collateral; see wrap.h. */
#include "issuer/tee/dcap/wrap.h"

#include "shared/codec/b64.h"

enum { CRL_BYTES_MAX = 4 << 20, LINE = 64 };

#define MAGIC VD_LIT("VDC1")
#define CRL_HEAD VD_LIT("-----BEGIN X509 CRL-----")
#define CRL_TAIL VD_LIT("-----END X509 CRL-----")

void dcap_wrap(vd_span chain_pem, vd_span body, vd_buf *out)
{
    vd_buf_add(out, MAGIC);
    vd_buf_be(out, chain_pem.n, 4);
    vd_buf_add(out, chain_pem);
    vd_buf_add(out, body);
}

vd_rc dcap_unwrap(vd_span in, vd_span *ret_chain, vd_span *ret_body, vd_err *err)
{
    vd_rd r = vd_rd_of(in);
    bool known = vd_span_eq(vd_rd_take(&r, MAGIC.n), MAGIC);
    uint32_t n = vd_rd_u32be(&r);
    vd_span chain = vd_rd_take(&r, n);
    if (!known || r.bad || n > DCAP_CHAIN_MAX || vd_rd_left(&r) == 0)
        return vd_fail(err, VD_E_COLLATERAL_SYNTAX, "collateral: not in the form it is kept in");
    *ret_chain = chain;
    *ret_body = vd_span_part(in, r.at, in.n);
    return VD_OK;
}

vd_span dcap_trim(vd_span s)
{
    while (s.n > 0 && s.p[s.n - 1] <= ' ')
        s.n--;
    while (s.n > 0 && s.p[0] <= ' ')
        s = vd_span_part(s, 1, s.n);
    return s;
}

vd_rc dcap_chain_text(vd_span in, vd_buf *out, vd_err *err)
{
    if (in.n > DCAP_CHAIN_MAX)
        return vd_fail(err, VD_E_COLLATERAL_SYNTAX, "collateral: issuer chain of %zu bytes", in.n);
    for (size_t i = 0; i < in.n; i++) {
        if (in.p[i] != '%') {
            vd_buf_u8(out, in.p[i]);
            continue;
        }
        if (vd_hex_decode(vd_span_part(in, i + 1, 2), out, NULL).code != VD_E_OK || in.n - i < 3)
            return vd_fail(err, VD_E_COLLATERAL_SYNTAX,
                           "collateral: issuer chain: percent-encoding is broken at byte %zu", i);
        i += 2;
    }
    return vd_buf_check(out, err);
}

static bool blank(uint8_t c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* Text without white space. */
static void squeeze(vd_span in, vd_buf *out)
{
    for (size_t i = 0; i < in.n; i++)
        if (!blank(in.p[i]))
            vd_buf_u8(out, in.p[i]);
}

static bool starts_at(vd_span s, size_t at, vd_span what)
{
    return vd_span_starts(vd_span_part(s, at, s.n), what);
}

static vd_rc crl_of_pem(vd_span in, vd_buf *out, vd_err *err)
{
    size_t end = CRL_HEAD.n;
    while (end < in.n && !starts_at(in, end, CRL_TAIL))
        end++;
    VD_AUTO_BUF text = vd_buf_of(in.n + 1);
    squeeze(vd_span_part(in, CRL_HEAD.n, end - CRL_HEAD.n), &text);
    if (end >= in.n || vd_b64_decode(vd_buf_span(&text), VD_B64_STD, out, NULL).code != VD_E_OK)
        return vd_fail(err, VD_E_COLLATERAL_SYNTAX, "collateral: a CRL whose PEM is broken");
    return VD_OK;
}

vd_rc dcap_crl_der(vd_span in, vd_buf *out, vd_err *err)
{
    if (in.n == 0 || in.n > CRL_BYTES_MAX)
        return vd_fail(err, VD_E_COLLATERAL_SYNTAX, "collateral: a CRL of %zu bytes", in.n);
    if (in.p[0] == 0x30 && in.n > 1 && (in.p[1] & 0x80)) {
        vd_buf_add(out, in);
        return vd_buf_check(out, err);
    }
    vd_span text = dcap_trim(in);
    if (vd_span_starts(text, CRL_HEAD))
        return crl_of_pem(text, out, err);
    VD_AUTO_BUF digits = vd_buf_of(in.n + 1);
    squeeze(text, &digits);
    if (digits.n == 0 || vd_hex_decode(vd_buf_span(&digits), out, NULL).code != VD_E_OK)
        return vd_fail(err, VD_E_COLLATERAL_SYNTAX,
                       "collateral: a CRL that is neither DER nor PEM nor hexadecimal");
    return vd_buf_check(out, err);
}

void dcap_cert_pem(const struct vd_cert *cert, vd_buf *out)
{
    VD_AUTO_BUF text = vd_buf_of(DCAP_CHAIN_MAX);
    vd_b64_encode(vd_cert_der(cert), VD_B64_STD, &text);
    vd_buf_str(out, "-----BEGIN CERTIFICATE-----\n");
    for (size_t at = 0; at < text.n; at += LINE) {
        vd_buf_add(out, vd_span_part(vd_buf_span(&text), at, LINE));
        vd_buf_str(out, "\n");
    }
    vd_buf_str(out, "-----END CERTIFICATE-----\n");
}
