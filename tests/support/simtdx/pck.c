/* The PCK certificate and its SGX extension (1.2.840.113741.1.13.1); see simtdx.h. The extension is
 * written by hand, so that any content can be said. */
#include <openssl/x509v3.h>
#include <string.h>

#include "tests/support/simtdx/priv.h"

enum { DER_BOOL = 1, DER_INT = 2, DER_OCTETS = 4, DER_OID = 6, DER_ENUM = 10, DER_SEQ = 0x30 };
#define SGX_OID "1.2.840.113741.1.13.1"
/* 1.2.840.113741.1.13.1 */
static const uint8_t sgx_oid[] = { 0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01 };

static void tlv(vd_buf *out, uint8_t tag, vd_span content)
{
    vd_buf_u8(out, tag);
    if (content.n < 0x80) {
        vd_buf_u8(out, (uint8_t)content.n);
    } else if (content.n < 0x100) {
        vd_buf_u8(out, 0x81);
        vd_buf_u8(out, (uint8_t)content.n);
    } else {
        vd_buf_u8(out, 0x82);
        vd_buf_be(out, content.n, 2);
    }
    vd_buf_add(out, content);
}

/* SEQUENCE { OID sgx.<path>, value }; value is a whole TLV. */
static void pair(vd_buf *out, const uint8_t *path, size_t n_path, vd_span value)
{
    VD_AUTO_BUF oid = vd_buf_of(64);
    VD_AUTO_BUF both = vd_buf_of(4096);
    vd_buf_add(&oid, vd_span_of(sgx_oid, sizeof sgx_oid));
    vd_buf_add(&oid, vd_span_of(path, n_path));
    tlv(&both, DER_OID, vd_buf_span(&oid));
    vd_buf_add(&both, value);
    tlv(out, DER_SEQ, vd_buf_span(&both));
}

static void pair_of(vd_buf *out, uint8_t one, uint8_t two, uint8_t tag, vd_span content)
{
    VD_AUTO_BUF value = vd_buf_of(4096);
    const uint8_t path[2] = { one, two };
    tlv(&value, tag, content);
    pair(out, path, two ? 2 : 1, vd_buf_span(&value));
}

static void pair_number(vd_buf *out, uint8_t one, uint8_t two, uint16_t v)
{
    uint8_t be[3] = { 0, (uint8_t)(v >> 8), (uint8_t)v };
    size_t from = 0;
    while (from < 2 && be[from] == 0 && be[from + 1] < 0x80)
        from++;
    pair_of(out, one, two, DER_INT, vd_span_of(be + from, sizeof be - from));
}

static void pair_bool(vd_buf *out, uint8_t one, uint8_t two, bool v)
{
    const uint8_t byte = v ? 0xff : 0;
    pair_of(out, one, two, DER_BOOL, vd_span_of(&byte, 1));
}

void simtdx_pck_extension(const struct simtdx_pck *c, vd_buf *der)
{
    VD_AUTO_BUF all = vd_buf_of(4096);
    VD_AUTO_BUF tcb = vd_buf_of(4096);
    VD_AUTO_BUF flags = vd_buf_of(4096);
    for (uint8_t i = 0; i < 16; i++)
        pair_number(&tcb, 2, (uint8_t)(i + 1), c->component[i]);
    pair_number(&tcb, 2, 17, c->pcesvn);
    pair_of(&tcb, 2, 18, DER_OCTETS, vd_span_of(c->cpusvn, sizeof c->cpusvn));
    pair_of(&all, 1, 0, DER_OCTETS, vd_span_of(c->ppid, sizeof c->ppid));
    pair_of(&all, 2, 0, DER_SEQ, vd_buf_span(&tcb));
    pair_of(&all, 3, 0, DER_OCTETS, vd_span_of(c->pceid, sizeof c->pceid));
    pair_of(&all, 4, 0, DER_OCTETS, vd_span_of(c->fmspc, sizeof c->fmspc));
    pair_of(&all, 5, 0, DER_ENUM, vd_span_of(&c->sgx_type, 1));
    if (!c->processor) {
        pair_of(&all, 6, 0, DER_OCTETS, vd_span_of(c->instance, sizeof c->instance));
        pair_bool(&flags, 7, 1, c->dynamic);
        pair_bool(&flags, 7, 2, c->cached_keys);
        pair_bool(&flags, 7, 3, c->smt);
        pair_of(&all, 7, 0, DER_SEQ, vd_buf_span(&flags));
    }
    tlv(der, DER_SEQ, vd_buf_span(&all));
}

void simtdx_pck_defaults(struct simtdx_pck *ret)
{
    struct simtdx_pck c = { .pcesvn = 13,
                            .component = { 7, 7, 3, 3, 255, 255, 1, 2 },
                            .cpusvn = { 7, 7, 3, 3, 255, 255, 1, 2 },
                            .fmspc = { 0x51, 0x80, 0x6f, 0x05, 0x00, 0x00 },
                            .sgx_type = 1,
                            .dynamic = true,
                            .cached_keys = true,
                            .smt = true,
                            .serial = SIMTDX_SERIAL_FIRST + 0x100,
                            .extensions = 1 };
    for (uint8_t i = 0; i < 16; i++) {
        c.ppid[i] = (uint8_t)(0x30 + i);
        c.instance[i] = (uint8_t)(0xd0 + i);
    }
    *ret = c;
}

static void add_sgx(X509 *x, vd_span content)
{
    ASN1_OBJECT *obj = OBJ_txt2obj(SGX_OID, 1);
    ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
    simtdx_must(obj && value && ASN1_OCTET_STRING_set(value, content.p, (int)content.n) == 1,
                "adding an extension");
    X509_EXTENSION *e = X509_EXTENSION_create_by_OBJ(NULL, obj, 0, value);
    simtdx_must(e && X509_add_ext(x, e, -1) == 1, "adding an extension");
    X509_EXTENSION_free(e);
    ASN1_OCTET_STRING_free(value);
    ASN1_OBJECT_free(obj);
}

static X509 *leaf(const struct simtdx_pki *p, const struct simtdx_pck *c, enum simtdx_key issuer)
{
    X509 *x = X509_new();
    X509 *by = p->cert[issuer];
    simtdx_must(x && X509_set_version(x, 2) == 1, "making a certificate");
    ASN1_INTEGER_set(X509_get_serialNumber(x), (long)c->serial);
    simtdx_set_name(X509_get_subject_name(x),
                    c->common_name ? c->common_name : "Intel SGX PCK Certificate");
    simtdx_must(X509_set_issuer_name(x, X509_get_subject_name(by)) == 1 &&
                    X509_set_pubkey(x, p->key[SIMTDX_PCK]) == 1,
                "making a certificate");
    simtdx_set_times(x, c->from, c->until);
    simtdx_add_ext(x, by, NID_authority_key_identifier, "keyid");
    simtdx_add_ext(x, by, NID_crl_distribution_points, "URI:https://pck.example/pck.der");
    simtdx_add_ext(x, by, NID_subject_key_identifier, "hash");
    simtdx_add_ext(x, by, NID_key_usage,
                   c->ca ? "critical,keyCertSign,digitalSignature"
                         : "critical,digitalSignature,nonRepudiation");
    simtdx_add_ext(x, by, NID_basic_constraints, c->ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
    VD_AUTO_BUF ext = vd_buf_of(4096);
    if (c->extension.n > 0)
        vd_buf_add(&ext, c->extension);
    else
        simtdx_pck_extension(c, &ext);
    for (unsigned i = 0; i < c->extensions; i++)
        add_sgx(x, vd_buf_span(&ext));
    return x;
}

/* Name of the file that keeps the certificate: by what it says and who signs. */
static void kept_path(const struct simtdx_pki *p, X509 *x, enum simtdx_key signer,
                      char path[SIMTDX_PATH])
{
    uint8_t *tbs = NULL;
    uint8_t digest[48];
    int n = i2d_re_X509_tbs(x, &tbs);
    simtdx_must(n > 0, "making a certificate");
    simtdx_sha384(vd_span_of(tbs, (size_t)n), digest);
    VD_AUTO_BUF name = vd_buf_of(256);
    vd_buf_printf(&name, "pck-%d-", (int)signer);
    simtdx_hex_text(vd_span_of(digest, 16), false, &name);
    vd_buf_str(&name, ".pem");
    simtdx_path(path, p->dir, vd_buf_cstr(&name));
    OPENSSL_free(tbs);
}

void simtdx_pck_make(const struct simtdx_pki *p, const struct simtdx_pck *c, vd_buf *pem)
{
    enum simtdx_key issuer = c->issuer      ? c->issuer
                             : c->processor ? SIMTDX_PROCESSOR
                                            : SIMTDX_PLATFORM;
    enum simtdx_key signer = c->signer ? c->signer : issuer;
    X509 *x = leaf(p, c, issuer);
    char path[SIMTDX_PATH];
    simtdx_must(X509_sign(x, p->key[signer], c->sha384 ? EVP_sha384() : EVP_sha256()) > 0,
                "signing a certificate");
    kept_path(p, x, signer, path);
    if (!simtdx_read(path, pem)) {
        VD_AUTO_BUF text = vd_buf_of(65536);
        simtdx_x509_pem(x, &text);
        simtdx_write(path, vd_buf_span(&text));
        vd_buf_add(pem, vd_buf_span(&text));
    }
    X509_free(x);
}
