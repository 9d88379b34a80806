/* Facts of certificates and CRLs; see x509_facts.h. Certificate signatures are checked over the
 * bytes that were parsed, by the same ECDSA as everywhere else. */
#include "shared/crypto/x509_facts.h"

#include "shared/codec/der.h"
#include "shared/crypto/x509_priv.h"

struct vd_cert_facts vd_cert_facts(const struct vd_cert *c)
{
    uint32_t flags = X509_get_extension_flags(c->x);
    uint32_t usage = flags & EXFLAG_KUSAGE ? X509_get_key_usage(c->x) : 0;
    return (struct vd_cert_facts){
        .version = (int)X509_get_version(c->x) + 1,
        .constraints = (flags & EXFLAG_BCONS) != 0,
        .ca = (flags & EXFLAG_CA) != 0,
        .path_len = X509_get_pathlen(c->x),
        .key_usage = (flags & EXFLAG_KUSAGE) != 0,
        .cert_sign = (usage & KU_KEY_CERT_SIGN) != 0,
        .crl_sign = (usage & KU_CRL_SIGN) != 0,
        .digital_signature = (usage & KU_DIGITAL_SIGNATURE) != 0,
        .unknown_critical = (flags & (EXFLAG_CRITICAL | EXFLAG_INVALID)) != 0,
    };
}

static vd_span name_der(const X509_NAME *name)
{
    const unsigned char *p = NULL;
    size_t n = 0;
    return X509_NAME_get0_der(name, &p, &n) == 1 ? vd_span_of(p, n) : VD_SPAN_NONE;
}

vd_span vd_cert_subject_der(const struct vd_cert *c)
{
    return name_der(X509_get_subject_name(c->x));
}

vd_span vd_cert_issuer_der(const struct vd_cert *c)
{
    return name_der(X509_get_issuer_name(c->x));
}

vd_rc vd_cert_signed_es256(const struct vd_cert *c, const struct vd_cert *issuer, vd_err *err)
{
    if (!vd_span_eq(vd_cert_issuer_der(c), vd_cert_subject_der(issuer)))
        return vd_fail(err, VD_E_CHAIN, "certificate: made by another issuer");
    if (!issuer->key || vd_key_type(issuer->key) != VD_KTY_P256)
        return vd_fail(err, VD_E_CHAIN, "certificate: its issuer's key is not on P-256");
    const ASN1_BIT_STRING *sig = NULL;
    const X509_ALGOR *alg = NULL;
    X509_get0_signature(&sig, &alg, c->x);
    if (X509_get_signature_nid(c->x) != NID_ecdsa_with_SHA256 ||
        X509_ALGOR_cmp(alg, X509_get0_tbs_sigalg(c->x)) != 0)
        return vd_fail(err, VD_E_CHAIN, "certificate: not signed by ECDSA with SHA-256");
    /* the signed part is the first element of the certificate */
    vd_rd r = vd_rd_of(vd_cert_der(c));
    vd_rd whole = vd_der_enter(&r, VD_DER_SEQUENCE);
    vd_span tbs = vd_der_element(&whole);
    if (whole.bad)
        return vd_fail(err, VD_E_CHAIN, "certificate: not in DER");
    vd_span value = vd_span_of(ASN1_STRING_get0_data(sig), (size_t)ASN1_STRING_length(sig));
    if (vd_verify_ecdsa_der(issuer->key, VD_SHA256, tbs, value, NULL).code != VD_E_OK)
        return vd_fail(err, VD_E_CHAIN, "certificate: its signature does not verify");
    return VD_OK;
}
