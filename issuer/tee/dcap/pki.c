/* Certificates and CRLs of Intel's PKI; see pki_priv.h (RFC 5280, Intel SGX PCK certificate and CRL
 * specification). */
#include "issuer/tee/dcap/pki_priv.h"

#include "shared/base/clock.h"
#include "shared/codec/der.h"
#include "shared/crypto/hash.h"

enum {
    CERT_BYTES_MAX = 16384,
    CRL_BYTES_MAX = 4 << 20,
    EXTENSIONS_MAX = 16,
    TAG_BITS = 0x03,
    TAG_UTF8 = 0x0c,
    TAG_PRINTABLE = 0x13,
    TAG_UTC_TIME = 0x17,
    TAG_TIME = 0x18,
    TAG_SET = 0x31,
    TAG_0 = 0xa0,
    TAG_3 = 0xa3,
};

/* SEQUENCE { ecdsa-with-SHA256 } */
static const vd_span es256 = VD_LIT("\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02");
static const vd_span oid_cn = VD_LIT("\x55\x04\x03");
static const vd_span oid_usage = VD_LIT("\x55\x1d\x0f");
static const vd_span oid_constraints = VD_LIT("\x55\x1d\x13");
static const vd_span oid_crl_number = VD_LIT("\x55\x1d\x14");
static const vd_span oid_delta = VD_LIT("\x55\x1d\x1b");
static const vd_span oid_partial = VD_LIT("\x55\x1d\x1c");
static const vd_span oid_authority_key = VD_LIT("\x55\x1d\x23");
static const vd_span oid_sgx = VD_LIT("\x2a\x86\x48\x86\xf8\x4d\x01\x0d\x01");

static int peek(const vd_rd *r)
{
    return r->bad || vd_rd_left(r) == 0 ? -1 : r->in.p[r->at];
}

/* Time to seconds. UTCTime: 1950 to 2049; both without fraction, in UTC. */
static int64_t read_time(vd_rd *r)
{
    int tag = peek(r);
    vd_span s = vd_der_value(r, tag == TAG_UTC_TIME ? TAG_UTC_TIME : TAG_TIME);
    size_t year = tag == TAG_UTC_TIME ? 2 : 4;
    char text[] = "2000-00-00T00:00:00Z";
    int64_t t = 0;
    if (s.n != year + 11 || s.p[s.n - 1] != 'Z') {
        r->bad = true;
        return 0;
    }
    static const uint8_t place[] = { 0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18 };
    for (size_t i = 0; i + 1 < s.n; i++)
        text[place[i + 4 - year]] = (char)s.p[i];
    if (year == 2 && s.p[0] >= '5') {
        text[0] = '1';
        text[1] = '9';
    }
    if (vd_time_parse(vd_span_str(text), &t, NULL).code != VD_E_OK)
        r->bad = true;
    return t;
}

/* A positive serial number of at most 20 bytes. */
static void read_serial(vd_rd *r, uint8_t ret[DCAP_SERIAL])
{
    vd_span s = vd_der_value(r, VD_DER_INTEGER);
    bool ok = s.n > 0 && s.p[0] < 0x80 && (s.n == 1 || s.p[0] != 0 || s.p[1] >= 0x80);
    if (ok && s.n > 1 && s.p[0] == 0)
        s = vd_span_part(s, 1, s.n);
    if (!ok || s.n > DCAP_SERIAL) {
        r->bad = true;
        return;
    }
    for (size_t i = 0; i < DCAP_SERIAL; i++)
        ret[i] = i < DCAP_SERIAL - s.n ? 0 : s.p[i - (DCAP_SERIAL - s.n)];
}

/* The common name of a Name; empty when it has none or two, or of a strange type. */
static vd_span common_name(vd_rd *name)
{
    vd_span cn = VD_SPAN_NONE;
    unsigned n = 0;
    while (vd_rd_left(name) > 0 && !name->bad) {
        vd_rd set = vd_der_enter(name, TAG_SET);
        vd_rd pair = vd_der_enter(&set, VD_DER_SEQUENCE);
        vd_span oid = vd_der_value(&pair, VD_DER_OID);
        int tag = peek(&pair);
        vd_span value = vd_der_element(&pair);
        if (!vd_rd_end(&pair) || !vd_rd_end(&set))
            name->bad = true;
        if (!vd_span_eq(oid, oid_cn))
            continue;
        n++;
        vd_rd v = vd_rd_of(value);
        cn =
            tag == TAG_UTF8 || tag == TAG_PRINTABLE ? vd_der_value(&v, (uint8_t)tag) : VD_SPAN_NONE;
    }
    return n == 1 ? cn : VD_SPAN_NONE;
}

/* One extension {OID, [critical], OCTET STRING}. */
struct extension {
    vd_span oid;
    bool critical;
    vd_span value;
};
static struct extension next_extension(vd_rd *list)
{
    struct extension e = { 0 };
    vd_rd x = vd_der_enter(list, VD_DER_SEQUENCE);
    e.oid = vd_der_value(&x, VD_DER_OID);
    if (peek(&x) == VD_DER_BOOLEAN) {
        e.critical = vd_der_bool(&x);
        if (!e.critical) /* the default is not written in DER */
            x.bad = true;
    }
    e.value = vd_der_value(&x, VD_DER_OCTETS);
    if (!vd_rd_end(&x))
        list->bad = true;
    return e;
}

/* Not seen before; remembers it. */
static bool first_time(vd_span *seen, size_t *n, vd_span oid)
{
    for (size_t i = 0; i < *n; i++)
        if (vd_span_eq(seen[i], oid))
            return false;
    if (*n == EXTENSIONS_MAX)
        return false;
    seen[(*n)++] = oid;
    return true;
}

static bool read_constraints(vd_span value, struct dcap_x509 *x)
{
    vd_rd r = vd_rd_of(value);
    vd_rd s = vd_der_enter(&r, VD_DER_SEQUENCE);
    if (peek(&s) == VD_DER_BOOLEAN) {
        x->ca = vd_der_bool(&s);
        if (!x->ca) /* the default, again */
            return false;
    }
    if (vd_rd_left(&s) > 0) {
        x->path_limited = true;
        x->path_len = vd_der_uint(&s, VD_DER_INTEGER, UINT8_MAX);
    }
    x->constraints = true;
    return vd_rd_end(&s) && vd_rd_end(&r) && (x->ca || !x->path_limited);
}

static bool read_usage(vd_span value, struct dcap_x509 *x)
{
    vd_rd r = vd_rd_of(value);
    vd_span bits = vd_der_value(&r, TAG_BITS);
    if (!vd_rd_end(&r) || bits.n < 2 || bits.n > 3 || bits.p[0] > 7 ||
        (bits.p[bits.n - 1] & ((1u << bits.p[0]) - 1)) != 0) /* DER: unused bits are zero */
        return false;
    /* bit 0 is the highest of the first byte behind the count of unused bits */
    x->usage = true;
    x->digital_signature = bits.p[1] >> 7 & 1;
    x->cert_sign = bits.p[1] >> 2 & 1;
    x->crl_sign = bits.p[1] >> 1 & 1;
    return true;
}

static bool take_extension(const struct extension *e, struct dcap_x509 *x)
{
    if (vd_span_eq(e->oid, oid_constraints))
        return read_constraints(e->value, x);
    if (vd_span_eq(e->oid, oid_usage))
        return read_usage(e->value, x);
    if (vd_span_eq(e->oid, oid_sgx)) {
        x->has_sgx = true;
        x->sgx = e->value;
        return true;
    }
    return !e->critical;
}

static bool read_extensions(vd_rd *tbs, struct dcap_x509 *x)
{
    vd_rd outer = vd_der_enter(tbs, TAG_3);
    vd_rd list = vd_der_enter(&outer, VD_DER_SEQUENCE);
    vd_span seen[EXTENSIONS_MAX];
    size_t n = 0;
    bool ok = vd_rd_end(&outer);
    while (ok && vd_rd_left(&list) > 0) {
        struct extension e = next_extension(&list);
        ok = !list.bad && first_time(seen, &n, e.oid) && take_extension(&e, x);
    }
    return ok && !list.bad;
}

/* SEQUENCE { tbs, algorithm, BIT STRING } of ECDSA with SHA-256. */
static bool read_frame(vd_span der, vd_span *ret_tbs, vd_span *ret_signature)
{
    vd_rd r = vd_rd_of(der);
    vd_rd whole = vd_der_enter(&r, VD_DER_SEQUENCE);
    *ret_tbs = vd_der_element(&whole);
    vd_span alg = vd_der_element(&whole);
    vd_span sig = vd_der_value(&whole, TAG_BITS);
    if (!vd_rd_end(&whole) || !vd_rd_end(&r) || !vd_span_eq(alg, es256) || sig.n < 2 ||
        sig.p[0] != 0)
        return false;
    *ret_signature = vd_span_part(sig, 1, sig.n);
    return true;
}

static bool read_tbs(struct dcap_x509 *x)
{
    vd_rd r = vd_rd_of(x->tbs);
    vd_rd t = vd_der_enter(&r, VD_DER_SEQUENCE);
    vd_rd version = vd_der_enter(&t, TAG_0);
    bool ok = vd_der_uint(&version, VD_DER_INTEGER, 2) == 2 && vd_rd_end(&version);
    read_serial(&t, x->serial);
    ok = vd_span_eq(vd_der_element(&t), es256) && ok;
    x->issuer = vd_der_element(&t);
    vd_rd validity = vd_der_enter(&t, VD_DER_SEQUENCE);
    x->from = read_time(&validity);
    x->until = read_time(&validity);
    x->subject = vd_der_element(&t);
    x->spki = vd_der_element(&t);
    if (!ok || t.bad || !vd_rd_end(&validity) || !vd_rd_end(&r))
        return false;
    vd_rd subject = vd_rd_of(x->subject);
    vd_rd name = vd_der_enter(&subject, VD_DER_SEQUENCE);
    x->cn = common_name(&name);
    return vd_rd_end(&name) && vd_rd_end(&subject) && read_extensions(&t, x) && vd_rd_end(&t);
}

vd_rc dcap_x509_parse(vd_span der, struct dcap_x509 *ret, vd_err *err)
{
    struct dcap_x509 x = { .der = der };
    if (der.n > CERT_BYTES_MAX || !read_frame(der, &x.tbs, &x.signature) || !read_tbs(&x))
        return vd_fail(err, VD_E_CHAIN,
                       "certificate: not of Intel's profile (X.509 version 3, ECDSA with SHA-256, "
                       "no unknown critical extension)");
    *ret = x;
    return VD_OK;
}

vd_rc dcap_x509_role(const struct dcap_x509 *x, enum dcap_role role, enum dcap_ca *ret_ca,
                     vd_err *err)
{
    static const char *const wanted[] = {
        [DCAP_ROLE_ROOT] = "Intel SGX Root CA",
        [DCAP_ROLE_CA] = "Intel SGX PCK Platform CA",
        [DCAP_ROLE_PCK] = "Intel SGX PCK Certificate",
        [DCAP_ROLE_TCB_SIGNING] = "Intel SGX TCB Signing",
    };
    bool processor = role == DCAP_ROLE_CA && vd_span_eq_str(x->cn, "Intel SGX PCK Processor CA");
    if (!processor && !vd_span_eq_str(x->cn, wanted[role]))
        return vd_fail(err, VD_E_CHAIN, "certificate: its subject is not \"%s\"%s", wanted[role],
                       role == DCAP_ROLE_CA ? " or the Processor CA" : "");
    bool ca = role == DCAP_ROLE_ROOT || role == DCAP_ROLE_CA;
    if (!x->constraints || x->ca != ca)
        return vd_fail(err, VD_E_CHAIN, "certificate: it is %s, and should be %s",
                       x->ca ? "a CA" : "no CA", ca ? "one" : "none");
    if (role == DCAP_ROLE_ROOT && x->path_limited && x->path_len == 0)
        return vd_fail(err, VD_E_CHAIN, "certificate: a root that allows no CA below it");
    bool usage = ca ? x->cert_sign && x->crl_sign : x->digital_signature && !x->cert_sign;
    if (!x->usage || !usage)
        return vd_fail(err, VD_E_CHAIN, "certificate: its key may not be used for this");
    if (ret_ca)
        *ret_ca = processor ? DCAP_CA_PROCESSOR : DCAP_CA_PLATFORM;
    return VD_OK;
}

vd_rc dcap_x509_key(const struct dcap_x509 *x, struct vd_key **ret, vd_err *err)
{
    VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
    if (vd_key_from_spki(x->spki, &key, NULL).code != VD_E_OK || vd_key_type(key) != VD_KTY_P256)
        return vd_fail(err, VD_E_CHAIN, "certificate: its key is not on P-256");
    *ret = VD_TAKE(key);
    return VD_OK;
}

vd_rc dcap_x509_signed(const struct dcap_x509 *x, vd_span issuer_subject,
                       const struct vd_key *issuer_key, vd_err *err)
{
    if (!vd_span_eq(x->issuer, issuer_subject))
        return vd_fail(err, VD_E_CHAIN, "certificate: made by another issuer");
    if (vd_verify_ecdsa_der(issuer_key, VD_SHA256, x->tbs, x->signature, NULL).code != VD_E_OK)
        return vd_fail(err, VD_E_CHAIN, "certificate: its signature does not verify");
    return VD_OK;
}

vd_rc dcap_top_check(const struct dcap_x509 *x, const struct dcap_root *root, vd_err *err)
{
    if (vd_span_eq(x->der, vd_cert_der(root->cert)))
        return VD_OK;
    VD_TRY(dcap_x509_role(x, DCAP_ROLE_ROOT, NULL, err));
    return dcap_x509_signed(x, x->subject, root->key, err);
}

/* ---- CRLs ---- */

/* One revoked certificate; a critical entry extension would change whose it is. */
static void read_entry(vd_rd *list, uint8_t serial[DCAP_SERIAL])
{
    vd_rd e = vd_der_enter(list, VD_DER_SEQUENCE);
    read_serial(&e, serial);
    int tag = peek(&e); /* since when it counts does not matter */
    vd_span since = vd_der_value(&e, tag == TAG_UTC_TIME ? TAG_UTC_TIME : TAG_TIME);
    bool ok = !e.bad && since.n == (tag == TAG_UTC_TIME ? 13 : 15);
    if (ok && vd_rd_left(&e) > 0) {
        vd_rd extensions = vd_der_enter(&e, VD_DER_SEQUENCE);
        while (vd_rd_left(&extensions) > 0 && !extensions.bad)
            ok = !next_extension(&extensions).critical && ok;
        ok = ok && !extensions.bad;
    }
    if (!ok || !vd_rd_end(&e))
        list->bad = true;
}

static bool take_crl_extension(const struct extension *e, struct dcap_x509_crl *c)
{
    if (e->critical || vd_span_eq(e->oid, oid_delta) || vd_span_eq(e->oid, oid_partial))
        return false;
    if (vd_span_eq(e->oid, oid_authority_key))
        c->has_authority_key = true;
    if (!vd_span_eq(e->oid, oid_crl_number))
        return true;
    vd_rd r = vd_rd_of(e->value);
    c->number = vd_der_uint(&r, VD_DER_INTEGER, UINT64_MAX);
    c->has_number = vd_rd_end(&r);
    return c->has_number;
}

static bool read_crl_extensions(vd_rd *tbs, struct dcap_x509_crl *c)
{
    vd_rd outer = vd_der_enter(tbs, TAG_0);
    vd_rd list = vd_der_enter(&outer, VD_DER_SEQUENCE);
    vd_span seen[EXTENSIONS_MAX];
    size_t n = 0;
    bool ok = vd_rd_end(&outer);
    while (ok && vd_rd_left(&list) > 0) {
        struct extension e = next_extension(&list);
        ok = !list.bad && first_time(seen, &n, e.oid) && take_crl_extension(&e, c);
    }
    return ok && !list.bad;
}

static bool read_crl_tbs(struct dcap_x509_crl *c)
{
    vd_rd r = vd_rd_of(c->tbs);
    vd_rd t = vd_der_enter(&r, VD_DER_SEQUENCE);
    bool ok = vd_der_uint(&t, VD_DER_INTEGER, 1) == 1; /* version 2 */
    ok = vd_span_eq(vd_der_element(&t), es256) && ok;
    c->issuer = vd_der_element(&t);
    c->from = read_time(&t);
    c->until = read_time(&t);
    if (!ok || t.bad || !vd_rd_end(&r) || c->from >= c->until)
        return false;
    if (peek(&t) == VD_DER_SEQUENCE) {
        vd_rd list = vd_der_enter(&t, VD_DER_SEQUENCE);
        c->revoked = list.in;
        while (vd_rd_left(&list) > 0 && !list.bad) {
            uint8_t serial[DCAP_SERIAL];
            read_entry(&list, serial);
            c->n_revoked++;
        }
        if (list.bad)
            return false;
    }
    return vd_rd_left(&t) == 0 || (read_crl_extensions(&t, c) && vd_rd_end(&t));
}

vd_rc dcap_x509_crl_parse(vd_span der, struct dcap_x509_crl *ret, vd_err *err)
{
    struct dcap_x509_crl c = { 0 };
    if (der.n > CRL_BYTES_MAX || !read_frame(der, &c.tbs, &c.signature) || !read_crl_tbs(&c))
        return vd_fail(err, VD_E_SYNTAX,
                       "CRL: not of Intel's profile (DER, version 2, ECDSA with SHA-256, a full "
                       "list)");
    *ret = c;
    return VD_OK;
}

void dcap_x509_crl_serials(const struct dcap_x509_crl *c, uint8_t (*ret)[DCAP_SERIAL])
{
    vd_rd list = vd_rd_of(c->revoked);
    for (size_t i = 0; i < c->n_revoked; i++)
        read_entry(&list, ret[i]);
}
