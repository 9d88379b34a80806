/* Facts of CRLs; see x509_facts.h. */
#include "shared/crypto/x509_facts.h"
#include "shared/crypto/x509_priv.h"

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
