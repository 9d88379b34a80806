/* Facts of CRLs; see x509_facts.h. */
#include "shared/crypto/x509_facts.h"
#include "shared/crypto/x509_priv.h"

#include <string.h>

static vd_rc read_number(const X509_CRL *x, struct vd_crl_facts *f, vd_err *err)
{
    int crit = 0;
    ASN1_INTEGER *number = X509_CRL_get_ext_d2i(x, NID_crl_number, &crit, NULL);
    if (!number) {
        vd_ossl_forget();
        return crit == -1 ? VD_OK : vd_fail(err, VD_E_SYNTAX, "CRL: its number is malformed");
    }
    bool ok = ASN1_INTEGER_get_uint64(&f->number, number) == 1;
    ASN1_INTEGER_free(number);
    if (!ok)
        return vd_ossl_fail(err, VD_E_SYNTAX, "CRL: its number");
    f->has_number = true;
    return VD_OK;
}

vd_rc vd_crl_facts(const struct vd_crl *c, struct vd_crl_facts *ret, vd_err *err)
{
    struct vd_crl_facts f = { .this_update = c->this_update, .next_update = c->next_update };
    VD_TRY(read_number(c->x, &f, err));
    f.has_authority_key = X509_CRL_get_ext_by_NID(c->x, NID_authority_key_identifier, -1) >= 0;
    int n = sk_X509_REVOKED_num(X509_CRL_get_REVOKED(c->x));
    f.revoked = n > 0 ? (size_t)n : 0;
    *ret = f;
    return VD_OK;
}

vd_span vd_crl_issuer_der(const struct vd_crl *c)
{
    const unsigned char *p = NULL;
    size_t n = 0;
    return X509_NAME_get0_der(X509_CRL_get_issuer(c->x), &p, &n) == 1 ? vd_span_of(p, n)
                                                                      : VD_SPAN_NONE;
}

vd_rc vd_crl_signed_es256(const struct vd_crl *c, const struct vd_cert *issuer, vd_err *err)
{
    if (!vd_span_eq(vd_crl_issuer_der(c), vd_cert_subject_der(issuer)))
        return vd_fail(err, VD_E_SIG, "CRL: made by another issuer");
    if (!vd_cert_facts(issuer).crl_sign)
        return vd_fail(err, VD_E_SIG, "CRL: its issuer may not sign revocation lists");
    if (!issuer->key || vd_key_type(issuer->key) != VD_KTY_P256 ||
        X509_CRL_get_signature_nid(c->x) != NID_ecdsa_with_SHA256)
        return vd_fail(err, VD_E_SIG, "CRL: not signed by ECDSA P-256 with SHA-256");
    if (X509_CRL_verify(c->x, X509_get0_pubkey(issuer->x)) != 1) {
        vd_ossl_forget();
        return vd_fail(err, VD_E_SIG, "CRL: signature does not verify");
    }
    return VD_OK;
}

static int cmp_serials(const void *a, const void *b, void *width)
{
    vd_span x = vd_span_of(a, *(const size_t *)width);
    vd_span y = vd_span_of(b, *(const size_t *)width);
    for (size_t i = 0; i < x.n; i++)
        if (x.p[i] != y.p[i])
            return x.p[i] < y.p[i] ? -1 : 1;
    return 0;
}

vd_rc vd_crl_serials(const struct vd_crl *c, size_t width, vd_buf *out, vd_err *err)
{
    STACK_OF(X509_REVOKED) *all = X509_CRL_get_REVOKED(c->x);
    int n = sk_X509_REVOKED_num(all);
    if (n <= 0)
        return VD_OK;
    uint8_t *p = vd_buf_extend(out, (size_t)n * width);
    if (!p)
        return vd_buf_check(out, err);
    memset(p, 0, (size_t)n * width);
    for (int i = 0; i < n; i++) {
        const ASN1_INTEGER *s = X509_REVOKED_get0_serialNumber(sk_X509_REVOKED_value(all, i));
        vd_span v = vd_span_of(ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s));
        if (v.n > width || ASN1_STRING_type(s) != V_ASN1_INTEGER)
            return vd_fail(err, VD_E_SYNTAX, "CRL: a serial number is negative or too long");
        for (size_t k = 0; k < v.n; k++)
            p[(size_t)i * width + width - v.n + k] = v.p[k];
    }
    qsort_r(p, (size_t)n, width, cmp_serials, &width);
    return VD_OK;
}
