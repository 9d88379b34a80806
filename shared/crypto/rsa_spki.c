/* RSA keys as SubjectPublicKeyInfo (RFC 8017 A.1, RFC 5280 4.1.2.7): exactly one DER form for a
 * key, so that it is read without OpenSSL's decoders, which take 0.3 ms and BER as well. */
#include "shared/crypto/key_priv.h"

enum { DER_INTEGER = 0x02, DER_BIT_STRING = 0x03, DER_SEQUENCE = 0x30, HEAD_MAX = 4 };

/* AlgorithmIdentifier of rsaEncryption with its NULL. */
static const uint8_t algorithm[] = { 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
                                     0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00 };

/* Content of an element of this tag, its length in the shortest form. Keys are far below 64 KiB. */
static vd_rd element(vd_rd *r, uint8_t tag)
{
    bool ok = vd_rd_u8(r) == tag;
    uint64_t n = vd_rd_u8(r);
    if (n == 0x81) {
        n = vd_rd_u8(r);
        ok = ok && n >= 0x80;
    } else if (n == 0x82) {
        n = vd_rd_u16be(r);
        ok = ok && n >= 0x100;
    } else {
        ok = ok && n < 0x80;
    }
    vd_rd content = vd_rd_sub(r, (size_t)n);
    content.bad = content.bad || !ok;
    return content;
}

/* A positive number without leading zeros; *ret_ok false for any other. */
static vd_span number(vd_rd *r, bool *ret_ok)
{
    vd_rd content = element(r, DER_INTEGER);
    vd_span n = vd_rd_take(&content, vd_rd_left(&content));
    bool sign = n.n > 0 && n.p[0] == 0;
    *ret_ok = !content.bad && n.n > 0 && n.p[0] < 0x80 && (!sign || (n.n > 1 && n.p[1] >= 0x80));
    return sign ? vd_span_part(n, 1, n.n) : n;
}

vd_rc vd_rsa_from_spki(vd_span der, struct vd_key **ret, vd_err *err)
{
    bool n_ok = false;
    bool e_ok = false;
    vd_rd r = vd_rd_of(der);
    vd_rd all = element(&r, DER_SEQUENCE);
    bool known =
        vd_span_eq(vd_rd_take(&all, sizeof algorithm), vd_span_of(algorithm, sizeof algorithm));
    vd_rd bits = element(&all, DER_BIT_STRING);
    bool whole_bytes = vd_rd_u8(&bits) == 0;
    vd_rd key = element(&bits, DER_SEQUENCE);
    struct vd_rsa_parts parts = { .n = number(&key, &n_ok) };
    parts.e = number(&key, &e_ok);
    if (!known || !whole_bytes || !n_ok || !e_ok || !vd_rd_end(&key) || !vd_rd_end(&bits) ||
        !vd_rd_end(&all) || !vd_rd_end(&r))
        return vd_fail(err, VD_E_SYNTAX,
                       "public key is none of P-256, P-384, P-521, Ed25519, RSA in DER");
    return vd_rsa_from_parts(&parts, ret, err);
}

/* ---- out ---- */

static size_t size_of(size_t content)
{
    return content + (content < 0x80 ? 2 : content < 0x100 ? 3 : HEAD_MAX);
}

static void head(vd_buf *out, uint8_t tag, size_t content)
{
    vd_buf_u8(out, tag);
    if (content >= 0x80)
        vd_buf_u8(out, content < 0x100 ? 0x81 : 0x82);
    vd_buf_be(out, content, content < 0x100 ? 1 : 2);
}

static size_t number_size(vd_span n)
{
    return n.n + (n.n > 0 && n.p[0] >= 0x80);
}

static void put_number(vd_buf *out, vd_span n)
{
    head(out, DER_INTEGER, number_size(n));
    if (number_size(n) > n.n)
        vd_buf_u8(out, 0);
    vd_buf_add(out, n);
}

void vd_rsa_to_spki(const struct vd_key *k, vd_buf *out)
{
    vd_span n = vd_key_rsa_n(k);
    vd_span e = vd_key_rsa_e(k);
    size_t key = size_of(number_size(n)) + size_of(number_size(e));
    size_t bits = 1 + size_of(key);
    head(out, DER_SEQUENCE, sizeof algorithm + size_of(bits));
    vd_buf_add(out, vd_span_of(algorithm, sizeof algorithm));
    head(out, DER_BIT_STRING, bits);
    vd_buf_u8(out, 0);
    head(out, DER_SEQUENCE, key);
    put_number(out, n);
    put_number(out, e);
}
