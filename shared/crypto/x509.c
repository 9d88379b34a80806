/* Certificates: parsing and what is read from them. Chains are chain.c, revocation lists crl.c. */
#include "shared/crypto/x509.h"

#include <openssl/pem.h>

#include "shared/crypto/hash.h"
#include "shared/crypto/x509_priv.h"

enum { CERT_MAX = 1 << 20 };

static vd_rc own(X509 *x, vd_span der, struct vd_cert **ret, vd_err *err)
{
    VD_AUTO(vd_cert_unref) struct vd_cert *c = calloc(1, sizeof *c + der.n);
    if (!c)
        return vd_fail(err, VD_E_NOMEM, "certificate");
    atomic_init(&c->refs, 1);
    memcpy(c->der, der.p, der.n);
    c->der_n = der.n;
    VD_TRY(vd_hash_of(VD_SHA256, der, c->sha256, err));
    VD_TRY(vd_asn1_time(X509_get0_notBefore(x), &c->not_before, err));
    VD_TRY(vd_asn1_time(X509_get0_notAfter(x), &c->not_after, err));
    unsigned char *spki = NULL;
    int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &spki);
    /* A key of a type that we have no use for is no fault of the certificate: vd_cert_key says
     * NULL. */
    if (n > 0)
        (void)(vd_key_from_spki(vd_span_of(spki, (size_t)n), &c->key, NULL).code);
    OPENSSL_free(spki);
    /* OpenSSL fills its cache of extensions on first use: now, while one thread holds the object.
     */
    (void)X509_check_purpose(x, -1, 0);
    vd_ossl_forget();
    if (X509_up_ref(x) != 1)
        return vd_ossl_fail(err, VD_E_CRYPTO, "certificate");
    c->x = x;
    *ret = VD_TAKE(c);
    return VD_OK;
}

static vd_rc from_der(vd_span der, struct vd_cert **ret, vd_err *err)
{
    if (der.n == 0 || der.n > CERT_MAX)
        return vd_fail(err, VD_E_SYNTAX, "certificate of %zu bytes", der.n);
    const unsigned char *at = der.p;
    VD_AUTO(X509_free) X509 *x = d2i_X509(NULL, &at, (long)der.n);
    if (!x)
        return vd_ossl_fail(err, VD_E_SYNTAX, "certificate");
    if (at != der.p + der.n)
        return vd_fail(err, VD_E_SYNTAX, "certificate: bytes follow it");
    /* d2i takes BER too; the same certificate must not exist in two encodings. */
    unsigned char *again = NULL;
    int n = i2d_X509(x, &again);
    bool same = n > 0 && vd_span_eq(vd_span_of(again, (size_t)n), der);
    OPENSSL_free(again);
    if (!same)
        return vd_ossl_fail(err, VD_E_SYNTAX, "certificate: not in DER");
    return own(x, der, ret, err);
}

/* The next certificate of a PEM text. *ret stays NULL at its end. */
static vd_rc next_pem(BIO *bio, struct vd_cert **ret, vd_err *err)
{
    char *name = NULL;
    char *header = NULL;
    unsigned char *der = NULL;
    long n = 0;
    if (PEM_read_bio(bio, &name, &header, &der, &n) != 1) {
        unsigned long why = ERR_peek_last_error();
        bool end = ERR_GET_LIB(why) == ERR_LIB_PEM && ERR_GET_REASON(why) == PEM_R_NO_START_LINE;
        return end ? (vd_ossl_forget(), VD_OK) : vd_ossl_fail(err, VD_E_SYNTAX, "certificate: PEM");
    }
    vd_rc_ rc = VD_OK;
    if ((strcmp(name, PEM_STRING_X509) != 0 && strcmp(name, PEM_STRING_X509_OLD) != 0) ||
        header[0] != 0)
        rc = vd_fail(err, VD_E_SYNTAX, "PEM text: a block is not a certificate");
    else
        rc = from_der(vd_span_of(der, (size_t)n), ret, err);
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(der);
    return rc;
}

vd_rc vd_certs_parse_pem(vd_span pem, size_t max, struct vd_certs **ret, vd_err *err)
{
    if (pem.n == 0 || pem.n > (size_t)16 * CERT_MAX)
        return vd_fail(err, VD_E_SYNTAX, "PEM text of %zu bytes", pem.n);
    VD_AUTO(BIO_free_all) BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    VD_AUTO(vd_certs_free) struct vd_certs *all = calloc(1, sizeof *all);
    if (!bio || !all || !(all->item = calloc(max ? max : 1, sizeof *all->item)))
        return vd_fail(err, VD_E_NOMEM, "certificates");
    for (;;) {
        struct vd_cert *c = NULL;
        VD_TRY(next_pem(bio, &c, err));
        if (!c)
            break;
        if (all->n == max) {
            vd_cert_unref(c);
            return vd_fail(err, VD_E_SYNTAX, "PEM text: more than %zu certificates", max);
        }
        all->item[all->n++] = c;
    }
    if (all->n == 0)
        return vd_fail(err, VD_E_SYNTAX, "PEM text: no certificate");
    *ret = VD_TAKE(all);
    return VD_OK;
}

void vd_certs_free(struct vd_certs *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->n; i++)
        vd_cert_unref(c->item[i]);
    free(c->item);
    free(c);
}

vd_rc vd_cert_parse(vd_span in, struct vd_cert **ret, vd_err *err)
{
    if (!vd_span_starts(in, VD_LIT("-----BEGIN")))
        return from_der(in, ret, err);
    VD_AUTO(vd_certs_free) struct vd_certs *one = NULL;
    VD_TRY(vd_certs_parse_pem(in, 1, &one, err));
    *ret = vd_cert_ref(one->item[0]);
    return VD_OK;
}

void vd_cert_unref(struct vd_cert *c)
{
    if (!c || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1)
        return;
    X509_free(c->x);
    vd_key_unref(c->key);
    free(c);
}

struct vd_cert *vd_cert_ref(struct vd_cert *c)
{
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

vd_span vd_cert_der(const struct vd_cert *c)
{
    return (vd_span){ c->der, c->der_n };
}

void vd_cert_sha256(const struct vd_cert *c, uint8_t ret[32])
{
    memcpy(ret, c->sha256, sizeof c->sha256);
}

struct vd_key *vd_cert_key(const struct vd_cert *c)
{
    return c->key ? vd_key_ref(c->key) : NULL;
}

int64_t vd_cert_not_before(const struct vd_cert *c)
{
    return c->not_before;
}

int64_t vd_cert_not_after(const struct vd_cert *c)
{
    return c->not_after;
}

static vd_rc common_name(const X509_NAME *name, vd_buf *out, vd_err *err)
{
    int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
    if (at < 0)
        return vd_fail(err, VD_E_NOT_FOUND, "certificate: no common name");
    if (X509_NAME_get_index_by_NID(name, NID_commonName, at) >= 0)
        return vd_fail(err, VD_E_SYNTAX, "certificate: two common names");
    unsigned char *utf8 = NULL;
    int n = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
    if (n < 0)
        return vd_ossl_fail(err, VD_E_SYNTAX, "certificate: common name");
    vd_span text = vd_span_of(utf8, (size_t)n);
    bool nul = vd_span_find(text, 0) != text.n;
    if (!nul)
        vd_buf_add(out, text);
    OPENSSL_free(utf8);
    if (nul)
        return vd_fail(err, VD_E_SYNTAX, "certificate: common name with a zero byte");
    return vd_buf_check(out, err);
}

vd_rc vd_cert_subject_cn(const struct vd_cert *c, vd_buf *out, vd_err *err)
{
    return common_name(X509_get_subject_name(c->x), out, err);
}

vd_rc vd_cert_issuer_cn(const struct vd_cert *c, vd_buf *out, vd_err *err)
{
    return common_name(X509_get_issuer_name(c->x), out, err);
}

vd_rc vd_cert_serial(const struct vd_cert *c, vd_buf *ret_be, vd_err *err)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(c->x);
    vd_buf_add(ret_be,
               vd_span_of(ASN1_STRING_get0_data(serial), (size_t)ASN1_STRING_length(serial)));
    return vd_buf_check(ret_be, err);
}

vd_rc vd_cert_ext(const struct vd_cert *c, const char *oid, vd_span *ret, vd_err *err)
{
    VD_AUTO(ASN1_OBJECT_free) ASN1_OBJECT *obj = OBJ_txt2obj(oid, 1);
    if (!obj)
        return vd_ossl_fail(err, VD_E_INTERNAL, "not an OID");
    int at = X509_get_ext_by_OBJ(c->x, obj, -1);
    if (at < 0)
        return vd_fail(err, VD_E_NOT_FOUND, "certificate: no extension %s", oid);
    if (X509_get_ext_by_OBJ(c->x, obj, at) >= 0)
        return vd_fail(err, VD_E_SYNTAX, "certificate: extension %s occurs twice", oid);
    const ASN1_OCTET_STRING *value = X509_EXTENSION_get_data(X509_get_ext(c->x, at));
    *ret = vd_span_of(ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value));
    return VD_OK;
}

bool vd_cert_signed_pss_sha384(const struct vd_cert *c)
{
    int md = NID_undef;
    int pk = NID_undef;
    return X509_get_signature_info(c->x, &md, &pk, NULL, NULL) == 1 && md == NID_sha384 &&
           X509_get_signature_nid(c->x) == NID_rsassaPss;
}

bool vd_cert_has_san_dns(const struct vd_cert *c, const char *name)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(c->x, NID_subject_alt_name, NULL, NULL);
    size_t n = strlen(name);
    bool found = false;
    for (int i = 0; n > 0 && i < sk_GENERAL_NAME_num(names) && !found; i++) {
        const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);
        if (g->type != GEN_DNS || (size_t)ASN1_STRING_length(g->d.dNSName) != n)
            continue;
        found =
            OPENSSL_strncasecmp((const char *)ASN1_STRING_get0_data(g->d.dNSName), name, n) == 0;
    }
    GENERAL_NAMES_free(names);
    vd_ossl_forget();
    return found;
}
