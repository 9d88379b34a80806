/* Certificate revocation lists: full lists by the issuer itself; delta, indirect and partial lists
 * are refused, because what they leave out would count as good. */
#include <openssl/pem.h>

#include "shared/crypto/x509_priv.h"

enum { CRL_MAX = 16 << 20 };

void vd_crl_unref(struct vd_crl *c)
{
    if (!c || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1)
        return;
    X509_CRL_free(c->x);
    free(c);
}

static vd_rc read_crl(vd_span in, X509_CRL **ret, vd_err *err)
{
    const unsigned char *at = in.p;
    if (vd_span_starts(in, VD_LIT("-----BEGIN"))) {
        VD_AUTO(BIO_free_all) BIO *bio = BIO_new_mem_buf(in.p, (int)in.n);
        *ret = bio ? PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL) : NULL;
    } else {
        *ret = d2i_X509_CRL(NULL, &at, (long)in.n);
        if (*ret && at != in.p + in.n)
            return vd_fail(err, VD_E_SYNTAX, "CRL: bytes follow it");
    }
    return *ret ? VD_OK : vd_ossl_fail(err, VD_E_SYNTAX, "CRL");
}

/* No extension of a list may change what its absence of an entry means. */
static vd_rc check_extensions(const X509_CRL *x, vd_err *err)
{
    int n = X509_CRL_get_ext_count(x);
    for (int i = 0; i < n; i++) {
        X509_EXTENSION *e = X509_CRL_get_ext(x, i);
        int nid = OBJ_obj2nid(X509_EXTENSION_get_object(e));
        if (X509_EXTENSION_get_critical(e) || nid == NID_delta_crl ||
            nid == NID_issuing_distribution_point)
            return vd_fail(err, VD_E_SYNTAX,
                           "CRL: delta, partial, or with an unknown critical extension");
    }
    return VD_OK;
}

vd_rc vd_crl_parse(vd_span der_or_pem, struct vd_crl **ret, vd_err *err)
{
    if (der_or_pem.n == 0 || der_or_pem.n > CRL_MAX)
        return vd_fail(err, VD_E_SYNTAX, "CRL of %zu bytes", der_or_pem.n);
    VD_AUTO(X509_CRL_free) X509_CRL *x = NULL;
    VD_TRY(read_crl(der_or_pem, &x, err));
    VD_TRY(check_extensions(x, err));
    VD_AUTO(vd_crl_unref) struct vd_crl *c = calloc(1, sizeof *c);
    if (!c)
        return vd_fail(err, VD_E_NOMEM, "CRL");
    atomic_init(&c->refs, 1);
    VD_TRY(vd_asn1_time(X509_CRL_get0_lastUpdate(x), &c->this_update, err));
    VD_TRY(vd_asn1_time(X509_CRL_get0_nextUpdate(x), &c->next_update, err));
    c->x = VD_TAKE(x);
    *ret = VD_TAKE(c);
    return VD_OK;
}

vd_rc vd_crl_check(const struct vd_crl *c, const struct vd_cert *issuer, int64_t at, vd_err *err)
{
    if (X509_NAME_cmp(X509_CRL_get_issuer(c->x), X509_get_subject_name(issuer->x)) != 0)
        return vd_fail(err, VD_E_SIG, "CRL: made by another issuer");
    if ((X509_get_extension_flags(issuer->x) & EXFLAG_KUSAGE) &&
        !(X509_get_key_usage(issuer->x) & KU_CRL_SIGN))
        return vd_fail(err, VD_E_SIG, "CRL: its issuer may not sign revocation lists");
    if (X509_CRL_verify(c->x, X509_get0_pubkey(issuer->x)) != 1) {
        vd_ossl_forget();
        return vd_fail(err, VD_E_SIG, "CRL: signature does not verify");
    }
    if (at < c->this_update || at >= c->next_update)
        return vd_fail(err, VD_E_COLLATERAL_EXPIRED, "CRL: %s",
                       at < c->this_update ? "not valid yet" : "out of date");
    return VD_OK;
}

bool vd_crl_lists(const struct vd_crl *c, const struct vd_cert *cert)
{
    X509_REVOKED *entry = NULL;
    return X509_CRL_get0_by_cert(c->x, &entry, cert->x) != 0;
}

int64_t vd_crl_next_update(const struct vd_crl *c)
{
    return c->next_update;
}
