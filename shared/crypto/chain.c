/* Certificate chains against pinned anchors at a given time. A store is made for each call: nothing
 * of the machine's trust is ever consulted, and callers cache the verdict by content hash.
 * X509_STRICT is left off: AMD's genuine leaves carry no authority key identifier and would be
 * refused. */
#include "shared/crypto/x509_priv.h"

enum { DEPTH_DEFAULT = 3, SECURITY_DEFAULT = 2 };

vd_rc vd_asn1_time(const ASN1_TIME *t, int64_t *ret, vd_err *err)
{
    VD_AUTO(ASN1_TIME_free) ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    int days = 0;
    int seconds = 0;
    if (!t || !epoch || ASN1_TIME_diff(&days, &seconds, epoch, t) != 1)
        return vd_ossl_fail(err, VD_E_SYNTAX, "certificate: a time is malformed");
    *ret = (int64_t)days * 86400 + seconds;
    return VD_OK;
}

typedef STACK_OF(X509) cert_stack;

static void cert_stack_free(cert_stack *s)
{
    sk_X509_free(s); /* the certificates are borrowed */
}
VD_DEFINE_CLEANUP(cert_stack, cert_stack_free)

static vd_rc refused(X509_STORE_CTX *ctx, vd_err *err)
{
    int why = X509_STORE_CTX_get_error(ctx);
    X509 *at = X509_STORE_CTX_get_current_cert(ctx);
    char subject[160] = "";
    if (at)
        (void)X509_NAME_oneline(X509_get_subject_name(at), subject, sizeof subject);
    bool time = why == X509_V_ERR_CERT_HAS_EXPIRED || why == X509_V_ERR_CERT_NOT_YET_VALID;
    vd_ossl_forget();
    return vd_fail(err, time ? VD_E_CERT_EXPIRED : VD_E_CHAIN, "certificate chain: %s (%s)",
                   X509_verify_cert_error_string(why), subject);
}

static void set_params(X509_STORE_CTX *ctx, const struct vd_chain_opts *opts)
{
    X509_VERIFY_PARAM *p = X509_STORE_CTX_get0_param(ctx);
    X509_VERIFY_PARAM_set_depth(p, opts->max_depth ? opts->max_depth : DEPTH_DEFAULT);
    X509_VERIFY_PARAM_set_auth_level(p, opts->security_level ? opts->security_level
                                                             : SECURITY_DEFAULT);
    unsigned long flags = X509_V_FLAG_CHECK_SS_SIGNATURE;
    if (opts->partial)
        flags |= X509_V_FLAG_PARTIAL_CHAIN;
    /* A time that is set wins over the flag that switches the check off: one or the other. */
    if (opts->check_time)
        X509_VERIFY_PARAM_set_time(p, (time_t)opts->at);
    else
        flags |= X509_V_FLAG_NO_CHECK_TIME;
    (void)X509_VERIFY_PARAM_set_flags(p, flags);
}

vd_rc vd_chain_verify(const struct vd_cert *leaf, struct vd_cert *const *untrusted,
                      size_t n_untrusted, struct vd_cert *const *anchors, size_t n_anchors,
                      const struct vd_chain_opts *opts, vd_err *err)
{
    if (n_anchors == 0)
        return vd_fail(err, VD_E_CHAIN, "certificate chain: no trust anchor");
    VD_AUTO(X509_STORE_free) X509_STORE *store = X509_STORE_new();
    VD_AUTO(X509_STORE_CTX_free) X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    VD_AUTO(cert_stack_free) cert_stack *others = sk_X509_new_null();
    if (!store || !ctx || !others)
        return vd_fail(err, VD_E_NOMEM, "certificate chain");
    for (size_t i = 0; i < n_anchors; i++)
        if (X509_STORE_add_cert(store, anchors[i]->x) != 1)
            return vd_ossl_fail(err, VD_E_CRYPTO, "certificate chain");
    for (size_t i = 0; i < n_untrusted; i++)
        if (sk_X509_push(others, untrusted[i]->x) <= 0)
            return vd_fail(err, VD_E_NOMEM, "certificate chain");
    if (X509_STORE_CTX_init(ctx, store, leaf->x, others) != 1)
        return vd_ossl_fail(err, VD_E_CRYPTO, "certificate chain");
    set_params(ctx, opts);
    if (X509_verify_cert(ctx) != 1)
        return refused(ctx, err);
    int n = sk_X509_num(X509_STORE_CTX_get0_chain(ctx));
    vd_ossl_forget();
    if (opts->exact_length && n != (int)opts->exact_length)
        return vd_fail(err, VD_E_CHAIN, "certificate chain: %d certificates instead of %u", n,
                       opts->exact_length);
    return VD_OK;
}
