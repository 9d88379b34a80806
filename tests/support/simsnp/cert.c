/* Certificates and CRLs of the throw-away PKI, as AMD's look; see simsnp.h. */
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "tests/support/simsnp/sim_priv.h"

static const int64_t from_default = 1704067200;  /* 2024-01-01 */
static const int64_t until_default = 2335219200; /* 2044-01-01 */
enum { ASK_SERIAL = 0x10001, ASVK_SERIAL = 0x10101, ARK_SERIAL = 0x10000 };

/* RSASSA-PSS with SHA-384 and 48 bytes of salt, as AMD signs everything. */
static EVP_MD_CTX *pss(EVP_PKEY *key, const EVP_MD *md)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *p = NULL;
    sim_must(ctx && EVP_DigestSignInit(ctx, &p, md, NULL, key) == 1 &&
                 EVP_PKEY_CTX_set_rsa_padding(p, RSA_PKCS1_PSS_PADDING) == 1 &&
                 EVP_PKEY_CTX_set_rsa_pss_saltlen(p, EVP_MD_get_size(md)) == 1,
             "preparing a signature");
    return ctx;
}

static void set_name(X509_NAME *name, const char *cn)
{
    const struct {
        const char *key;
        const char *value;
    } rows[] = { { "OU", "Simulation" }, { "O", "Vidimus simulated SEV-SNP" }, { "CN", cn } };
    for (size_t i = 0; i < 3; i++)
        sim_must(X509_NAME_add_entry_by_txt(name, rows[i].key, MBSTRING_ASC,
                                            (const uint8_t *)rows[i].value, -1, -1, 0) == 1,
                 "naming a certificate");
}

static void set_times(X509 *x, int64_t from, int64_t until)
{
    sim_must(ASN1_TIME_set(X509_getm_notBefore(x), (time_t)(from ? from : from_default)) &&
                 ASN1_TIME_set(X509_getm_notAfter(x), (time_t)(until ? until : until_default)),
             "dating a certificate");
}

static void add_ext(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    sim_must(e && X509_add_ext(x, e, -1) == 1, "adding an extension");
    X509_EXTENSION_free(e);
}

X509 *sim_ca_make(enum sim_line line, enum sim_ca which, EVP_PKEY *key, X509 *issuer,
                  EVP_PKEY *issuer_key)
{
    static const char *const prefix[SIM_CA_MAX] = { "Simulated-ARK", "Simulated-SEV",
                                                    "Simulated-SEV-VLEK" };
    static const long serial[SIM_CA_MAX] = { ARK_SERIAL, ASK_SERIAL, ASVK_SERIAL };
    char cn[64];
    (void)snprintf(cn, sizeof cn, "%s-%s", prefix[which], sim_line_name(line));
    X509 *x = X509_new();
    sim_must(x && X509_set_version(x, 2) == 1, "making a certificate");
    ASN1_INTEGER_set(X509_get_serialNumber(x), serial[which]);
    set_name(X509_get_subject_name(x), cn);
    sim_must(X509_set_issuer_name(x, X509_get_subject_name(issuer ? issuer : x)) == 1 &&
                 X509_set_pubkey(x, key) == 1,
             "making a certificate");
    set_times(x, 1577836800, 2524608000); /* 2020 to 2050 */
    add_ext(x, issuer ? issuer : x, NID_basic_constraints,
            issuer ? "critical,CA:TRUE,pathlen:0" : "critical,CA:TRUE");
    add_ext(x, issuer ? issuer : x, NID_key_usage, "critical,keyCertSign,cRLSign");
    add_ext(x, issuer ? issuer : x, NID_subject_key_identifier, "hash");
    add_ext(x, issuer ? issuer : x, NID_authority_key_identifier, "keyid");
    EVP_MD_CTX *md = pss(issuer_key, EVP_sha384());
    sim_must(X509_sign_ctx(x, md) > 0, "signing a certificate");
    EVP_MD_CTX_free(md);
    return x;
}

/* One of AMD's extensions: the content as it is. */
static void add_amd(X509 *x, const char *suffix, const uint8_t *p, size_t n)
{
    char oid[64];
    (void)snprintf(oid, sizeof oid, "1.3.6.1.4.1.3704.1.%s", suffix);
    ASN1_OBJECT *obj = OBJ_txt2obj(oid, 1);
    ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
    sim_must(obj && value && ASN1_OCTET_STRING_set(value, p, (int)n) == 1, "adding an extension");
    X509_EXTENSION *e = X509_EXTENSION_create_by_OBJ(NULL, obj, 0, value);
    sim_must(e && X509_add_ext(x, e, -1) == 1, "adding an extension");
    X509_EXTENSION_free(e);
    ASN1_OCTET_STRING_free(value);
    ASN1_OBJECT_free(obj);
}

static void add_int(X509 *x, const char *suffix, uint8_t v)
{
    uint8_t der[4] = { 2, 1, v, 0 };
    if (v < 0x80) {
        add_amd(x, suffix, der, 3);
        return;
    }
    der[1] = 2;
    der[2] = 0;
    der[3] = v;
    add_amd(x, suffix, der, 4);
}

static void add_text(X509 *x, const char *suffix, const char *text)
{
    uint8_t der[130] = { 0x16, (uint8_t)strlen(text) };
    sim_must(strlen(text) < 128, "a text that is too long");
    memcpy(der + 2, text, strlen(text));
    add_amd(x, suffix, der, strlen(text) + 2);
}

static void add_leaf_exts(X509 *x, const struct sim_cert *c, enum sim_line line)
{
    bool turin = line == SIM_TURIN;
    static const char *const product[SIM_LINE_MAX] = { "Milan-B0", "Genoa", "Turin" };
    add_int(x, "1", turin && !c->vlek ? 1 : 0);
    add_text(x, "2", c->product ? c->product : product[line]);
    if (turin && !c->without_fmc)
        add_int(x, "3.9", c->tcb.fmc);
    add_int(x, "3.1", c->tcb.bootloader);
    add_int(x, "3.2", c->tcb.tee);
    add_int(x, "3.3", c->tcb.snp);
    if (!turin)
        add_int(x, "3.4", 0);
    add_int(x, "3.5", 0);
    add_int(x, "3.6", 0);
    add_int(x, "3.7", 0);
    add_int(x, "3.8", c->tcb.microcode);
    size_t n = turin ? 8 : 64;
    uint8_t id[66] = { 4, (uint8_t)n };
    memcpy(id + 2, c->hwid, n);
    if (!c->vlek && !c->without_hwid)
        add_amd(x, "4", c->hwid_octet_string ? id : id + 2, c->hwid_octet_string ? n + 2 : n);
    if (c->vlek || c->with_csp_on_vcek)
        add_text(x, "5", c->csp_id);
}

void sim_cert_defaults(const struct sim_report *r, bool vlek, struct sim_cert *ret)
{
    *ret =
        (struct sim_cert){ .vlek = vlek, .tcb = r->reported, .csp_id = "CN=cc-simulated.example" };
    memcpy(ret->hwid, r->chip_id, sizeof ret->hwid);
}

void sim_cert_make(const struct sim_pki *p, const struct sim_cert *c, vd_buf *der)
{
    enum sim_ca ca = c->vlek ? SIM_ASVK : SIM_ASK;
    EVP_PKEY *wrong = c->p256 ? EVP_EC_gen("P-256") : NULL;
    X509 *x = X509_new();
    sim_must(x && X509_set_version(x, 2) == 1, "making a certificate");
    ASN1_INTEGER_set(X509_get_serialNumber(x), 0);
    const char *cn = c->common_name ? c->common_name : c->vlek ? "SEV-VLEK" : "SEV-VCEK";
    set_name(X509_get_subject_name(x), cn);
    sim_must(X509_set_issuer_name(x, X509_get_subject_name(p->ca[ca])) == 1 &&
                 X509_set_pubkey(x, wrong     ? wrong
                                    : c->vlek ? p->vlek
                                              : p->vcek) == 1,
             "making a certificate");
    set_times(x, c->from, c->until);
    add_leaf_exts(x, c, p->line);
    EVP_MD_CTX *md = pss(p->ca_key[ca], c->sha256 ? EVP_sha256() : EVP_sha384());
    sim_must(X509_sign_ctx(x, md) > 0, "signing a certificate");
    EVP_MD_CTX_free(md);
    uint8_t *out = NULL;
    int n = i2d_X509(x, &out);
    sim_must(n > 0, "writing a certificate");
    vd_buf_add(der, vd_span_of(out, (size_t)n));
    OPENSSL_free(out);
    X509_free(x);
    EVP_PKEY_free(wrong);
}

static void list_serial(X509_CRL *crl, long serial, int64_t at)
{
    X509_REVOKED *r = X509_REVOKED_new();
    ASN1_INTEGER *n = ASN1_INTEGER_new();
    ASN1_TIME *t = ASN1_TIME_set(NULL, (time_t)at);
    sim_must(r && n && t && ASN1_INTEGER_set(n, serial) == 1 &&
                 X509_REVOKED_set_serialNumber(r, n) == 1 &&
                 X509_REVOKED_set_revocationDate(r, t) == 1 && X509_CRL_add0_revoked(crl, r) == 1,
             "revoking");
    ASN1_INTEGER_free(n);
    ASN1_TIME_free(t);
}

void sim_crl_make(const struct sim_pki *p, const struct sim_crl *c, vd_buf *der)
{
    int64_t from = c->from ? c->from : from_default;
    ASN1_TIME *last = ASN1_TIME_set(NULL, (time_t)from);
    ASN1_TIME *next = ASN1_TIME_set(NULL, (time_t)(c->until ? c->until : until_default));
    X509_CRL *crl = X509_CRL_new();
    sim_must(crl && X509_CRL_set_version(crl, 1) == 1 &&
                 X509_CRL_set_issuer_name(crl, X509_get_subject_name(p->ca[SIM_ARK])) == 1 &&
                 X509_CRL_set1_lastUpdate(crl, last) == 1 &&
                 X509_CRL_set1_nextUpdate(crl, next) == 1,
             "making a CRL");
    if (c->revoke_ask)
        list_serial(crl, ASK_SERIAL, from);
    if (c->revoke_asvk)
        list_serial(crl, ASVK_SERIAL, from);
    EVP_MD_CTX *md = pss(p->ca_key[c->wrong_issuer ? SIM_ASK : SIM_ARK], EVP_sha384());
    sim_must(X509_CRL_sort(crl) == 1 && X509_CRL_sign_ctx(crl, md) > 0, "signing a CRL");
    EVP_MD_CTX_free(md);
    uint8_t *out = NULL;
    int n = i2d_X509_CRL(crl, &out);
    sim_must(n > 0, "writing a CRL");
    vd_buf_add(der, vd_span_of(out, (size_t)n));
    OPENSSL_free(out);
    X509_CRL_free(crl);
    ASN1_TIME_free(last);
    ASN1_TIME_free(next);
}
