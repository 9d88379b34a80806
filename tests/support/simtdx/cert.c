/* CA and signer certificates and CRLs of the throw-away PKI, with Intel's names and extensions; see
 * simtdx.h. */
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "tests/support/simtdx/priv.h"

static const int64_t from_default = 1704067200;  /* 2024-01-01 */
static const int64_t until_default = 2335219200; /* 2044-01-01 */

void simtdx_set_name(X509_NAME *name, const char *cn)
{
    const struct {
        const char *key;
        const char *value;
    } rows[] = { { "CN", cn },
                 { "O", "Intel Corporation" },
                 { "L", "Santa Clara" },
                 { "ST", "CA" },
                 { "C", "US" } };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        simtdx_must(X509_NAME_add_entry_by_txt(name, rows[i].key, MBSTRING_ASC,
                                               (const uint8_t *)rows[i].value, -1, -1, 0) == 1,
                    "naming a certificate");
}

void simtdx_set_times(X509 *x, int64_t from, int64_t until)
{
    simtdx_must(ASN1_TIME_set(X509_getm_notBefore(x), (time_t)(from ? from : from_default)) &&
                    ASN1_TIME_set(X509_getm_notAfter(x), (time_t)(until ? until : until_default)),
                "dating a certificate");
}

void simtdx_add_ext(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    simtdx_must(e && X509_add_ext(x, e, -1) == 1, "adding an extension");
    X509_EXTENSION_free(e);
}

uint32_t simtdx_serial(enum simtdx_key which)
{
    return SIMTDX_SERIAL_FIRST + (uint32_t)which;
}

X509 *simtdx_cert_make(enum simtdx_key which, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key)
{
    static const char *const cn[SIMTDX_CERTS_MAX] = { "Intel SGX Root CA",
                                                      "Intel SGX PCK Platform CA",
                                                      "Intel SGX PCK Processor CA",
                                                      "Intel SGX TCB Signing" };
    X509 *x = X509_new();
    simtdx_must(x && X509_set_version(x, 2) == 1, "making a certificate");
    ASN1_INTEGER_set(X509_get_serialNumber(x), (long)simtdx_serial(which));
    simtdx_set_name(X509_get_subject_name(x), cn[which]);
    X509 *by = issuer ? issuer : x;
    simtdx_must(X509_set_issuer_name(x, X509_get_subject_name(by)) == 1 &&
                    X509_set_pubkey(x, key) == 1,
                "making a certificate");
    simtdx_set_times(x, 1577836800, 2524608000); /* 2020 to 2050 */
    bool leaf = which == SIMTDX_SIGNER;
    simtdx_add_ext(x, by, NID_subject_key_identifier, "hash");
    simtdx_add_ext(x, by, NID_authority_key_identifier, "keyid");
    simtdx_add_ext(x, by, NID_crl_distribution_points, "URI:https://root.example/root.der");
    simtdx_add_ext(x, by, NID_key_usage,
                   leaf ? "critical,digitalSignature,nonRepudiation"
                        : "critical,keyCertSign,cRLSign");
    simtdx_add_ext(x, by, NID_basic_constraints,
                   leaf     ? "critical,CA:FALSE"
                   : issuer ? "critical,CA:TRUE,pathlen:0"
                            : "critical,CA:TRUE,pathlen:1");
    simtdx_must(X509_sign(x, issuer_key, EVP_sha256()) > 0, "signing a certificate");
    return x;
}

void simtdx_x509_pem(X509 *x, vd_buf *pem)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *at = NULL;
    simtdx_must(bio && PEM_write_bio_X509(bio, x) == 1, "writing a certificate");
    long n = BIO_get_mem_data(bio, &at);
    vd_buf_add(pem, vd_span_of(at, (size_t)n));
    BIO_free(bio);
}

void simtdx_x509_read(vd_span pem, X509 **ret)
{
    BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    *ret = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    simtdx_must(*ret != NULL, "reading a certificate");
    BIO_free(bio);
}

void simtdx_cert_pem(const struct simtdx_pki *p, enum simtdx_key which, vd_buf *pem)
{
    simtdx_x509_pem(p->cert[which], pem);
}

void simtdx_chain_pem(const struct simtdx_pki *p, enum simtdx_key which, vd_buf *pem)
{
    simtdx_cert_pem(p, which, pem);
    simtdx_cert_pem(p, SIMTDX_ROOT, pem);
}

static void list_serial(X509_CRL *crl, uint32_t serial, int64_t at)
{
    X509_REVOKED *r = X509_REVOKED_new();
    ASN1_INTEGER *n = ASN1_INTEGER_new();
    ASN1_TIME *t = ASN1_TIME_set(NULL, (time_t)at);
    simtdx_must(r && n && t && ASN1_INTEGER_set(n, (long)serial) == 1 &&
                    X509_REVOKED_set_serialNumber(r, n) == 1 &&
                    X509_REVOKED_set_revocationDate(r, t) == 1 &&
                    X509_CRL_add0_revoked(crl, r) == 1,
                "revoking");
    ASN1_INTEGER_free(n);
    ASN1_TIME_free(t);
}

static void crl_extensions(X509_CRL *crl, const struct simtdx_crl *c, X509 *issuer)
{
    if (!c->without_aki) {
        X509V3_CTX ctx;
        X509V3_set_ctx(&ctx, issuer, NULL, NULL, crl, 0);
        X509_EXTENSION *e =
            X509V3_EXT_conf_nid(NULL, &ctx, NID_authority_key_identifier, "keyid:always");
        simtdx_must(e && X509_CRL_add_ext(crl, e, -1) == 1, "extending a CRL");
        X509_EXTENSION_free(e);
    }
    if (!c->without_number) {
        ASN1_INTEGER *n = ASN1_INTEGER_new();
        simtdx_must(n && ASN1_INTEGER_set_uint64(n, c->number) == 1 &&
                        X509_CRL_add1_ext_i2d(crl, NID_crl_number, n, 0, 0) == 1,
                    "extending a CRL");
        ASN1_INTEGER_free(n);
    }
}

void simtdx_crl_defaults(enum simtdx_key issuer, struct simtdx_crl *ret)
{
    *ret = (struct simtdx_crl){ .issuer = issuer, .signer = issuer, .number = 1 };
}

void simtdx_crl_make(const struct simtdx_pki *p, const struct simtdx_crl *c, vd_buf *der)
{
    int64_t from = c->from ? c->from : from_default;
    ASN1_TIME *last = ASN1_TIME_set(NULL, (time_t)from);
    ASN1_TIME *next = ASN1_TIME_set(NULL, (time_t)(c->until ? c->until : until_default));
    X509_CRL *crl = X509_CRL_new();
    simtdx_must(crl && X509_CRL_set_version(crl, 1) == 1 &&
                    X509_CRL_set_issuer_name(crl, X509_get_subject_name(p->cert[c->issuer])) == 1 &&
                    X509_CRL_set1_lastUpdate(crl, last) == 1 &&
                    X509_CRL_set1_nextUpdate(crl, next) == 1,
                "making a CRL");
    for (size_t i = 0; i < c->n_revoked; i++)
        list_serial(crl, c->revoked[i], from);
    crl_extensions(crl, c, p->cert[c->issuer]);
    simtdx_must(X509_CRL_sort(crl) == 1 && X509_CRL_sign(crl, p->key[c->signer], EVP_sha256()) > 0,
                "signing a CRL");
    uint8_t *out = NULL;
    int n = i2d_X509_CRL(crl, &out);
    simtdx_must(n > 0, "writing a CRL");
    vd_buf_add(der, vd_span_of(out, (size_t)n));
    OPENSSL_free(out);
    X509_CRL_free(crl);
    ASN1_TIME_free(last);
    ASN1_TIME_free(next);
}
