/* Single pieces of collateral; see check.h. */
#include "issuer/tee/dcap/check.h"

#include <string.h>

#include "issuer/tee/dcap/cert_priv.h"
#include "issuer/tee/dcap/check_priv.h"
#include "issuer/tee/dcap/signed.h"

enum { CHAIN = 2 };

void dcap_signer_done(struct dcap_signer *s)
{
    vd_key_unref(s->key);
    *s = (struct dcap_signer){ 0 };
}

void dcap_crl_done(struct dcap_crl *c)
{
    free(c->serial);
    *c = (struct dcap_crl){ 0 };
}

/* Two certificates, one with a root's key; the other is the signer. */
struct pair {
    struct vd_cert *signer;
    struct vd_cert *top;
    const struct dcap_root *root;
};

static vd_rc read_pair(const struct dcap_roots *roots, vd_span pem, struct vd_certs **ret_certs,
                       struct pair *ret, vd_err *err)
{
    vd_err cause = { 0 };
    vd_rc_ rc = vd_certs_parse_pem(pem, CHAIN, ret_certs, &cause);
    if (rc.code != VD_E_OK)
        return vd_fail(err, rc.code == VD_E_NOMEM ? rc.code : VD_E_COLLATERAL_SYNTAX,
                       "collateral: issuer chain: %s", cause.msg);
    struct vd_certs *certs = *ret_certs;
    size_t at = dcap_certs_root(certs, roots, &ret->root);
    if (at == certs->n)
        return vd_fail(err, VD_E_COLLATERAL_CHAIN,
                       "collateral: issuer chain: no certificate has the key of Intel's root");
    if (certs->n != CHAIN)
        return vd_fail(err, VD_E_COLLATERAL_CHAIN,
                       "collateral: issuer chain: %zu certificates instead of %d", certs->n, CHAIN);
    ret->top = certs->item[at];
    ret->signer = certs->item[1 - at];
    return VD_OK;
}

static vd_rc check_pair(const struct pair *p, enum dcap_role role, enum dcap_ca *ret_ca,
                        vd_err *err)
{
    vd_err cause = { 0 };
    vd_rc_ rc = dcap_cert_check(p->top, DCAP_ROLE_ROOT, NULL, &cause);
    if (rc.code == VD_E_OK)
        rc = vd_cert_signed_es256(p->top, p->top, &cause);
    if (rc.code == VD_E_OK)
        rc = dcap_cert_check(p->signer, role, ret_ca, &cause);
    if (rc.code == VD_E_OK)
        rc = vd_cert_signed_es256(p->signer, p->top, &cause);
    if (rc.code != VD_E_OK)
        return vd_fail(err, VD_E_COLLATERAL_CHAIN, "collateral: issuer chain: %s", cause.msg);
    return VD_OK;
}

static struct dcap_window window_of(const struct pair *p)
{
    int64_t b1 = vd_cert_not_before(p->signer);
    int64_t b2 = vd_cert_not_before(p->top);
    int64_t e1 = vd_cert_not_after(p->signer);
    int64_t e2 = vd_cert_not_after(p->top);
    return (struct dcap_window){ .begin = b1 > b2 ? b1 : b2, .end = e1 < e2 ? e1 : e2 };
}

vd_rc dcap_signer_check(const struct dcap_roots *roots, vd_span chain_pem, struct dcap_signer *ret,
                        vd_err *err)
{
    VD_AUTO(vd_certs_free) struct vd_certs *certs = NULL;
    struct pair p = { 0 };
    VD_TRY(read_pair(roots, chain_pem, &certs, &p, err));
    VD_TRY(check_pair(&p, DCAP_ROLE_TCB_SIGNING, NULL, err));
    struct dcap_signer s = { .root = p.root, .window = window_of(&p) };
    if (dcap_cert_serial(p.signer, s.serial, NULL).code != VD_E_OK)
        return vd_fail(err, VD_E_COLLATERAL_CHAIN, "collateral: issuer chain: serial number");
    int64_t b1 = vd_cert_not_before(p.signer);
    int64_t b2 = vd_cert_not_before(p.top);
    s.earliest = b1 < b2 ? b1 : b2;
    s.key = vd_cert_key(p.signer);
    *ret = s;
    return VD_OK;
}

/* Splits, checks the chain, verifies the signature. */
static vd_rc open_document(const struct dcap_roots *roots, vd_span body, const char *member,
                           vd_span chain_pem, vd_span *ret_inner, struct dcap_signer *signer,
                           vd_err *err)
{
    uint8_t signature[64];
    VD_TRY(dcap_signed_split(body, member, ret_inner, signature, err));
    VD_TRY(dcap_signer_check(roots, chain_pem, signer, err));
    return dcap_signed_verify(*ret_inner, signature, signer->key, err);
}

static void hand_over(struct dcap_signer *from, struct dcap_signer *to)
{
    if (!to)
        return;
    *to = *from;
    *from = (struct dcap_signer){ 0 };
}

vd_rc dcap_tcb_info_check(const struct dcap_roots *roots, vd_span body, vd_span chain_pem,
                          struct dcap_tcb_info **ret, struct dcap_signer *ret_signer, vd_err *err)
{
    DCAP_AUTO_SIGNER signer = { 0 };
    vd_span inner = VD_SPAN_NONE;
    VD_TRY(open_document(roots, body, "tcbInfo", chain_pem, &inner, &signer, err));
    VD_TRY(dcap_tcb_info_parse(inner, ret, err));
    hand_over(&signer, ret_signer);
    return VD_OK;
}

vd_rc dcap_identity_check(const struct dcap_roots *roots, vd_span body, vd_span chain_pem,
                          struct dcap_identity **ret, struct dcap_signer *ret_signer, vd_err *err)
{
    DCAP_AUTO_SIGNER signer = { 0 };
    vd_span inner = VD_SPAN_NONE;
    VD_TRY(open_document(roots, body, "enclaveIdentity", chain_pem, &inner, &signer, err));
    VD_TRY(dcap_identity_parse(inner, ret, err));
    hand_over(&signer, ret_signer);
    return VD_OK;
}

static int cmp_serial(const void *a, const void *b)
{
    const uint8_t *x = a;
    const uint8_t *y = b;
    for (size_t i = 0; i < DCAP_SERIAL; i++)
        if (x[i] != y[i])
            return x[i] < y[i] ? -1 : 1;
    return 0;
}

bool dcap_crl_lists(const struct dcap_crl *c, const uint8_t serial[DCAP_SERIAL])
{
    return c->n > 0 && bsearch(serial, c->serial, c->n, DCAP_SERIAL, cmp_serial) != NULL;
}

static vd_rc open_crl(vd_span der, struct vd_crl **ret, vd_err *err)
{
    vd_err cause = { 0 };
    vd_rc_ rc = vd_crl_parse(der, ret, &cause);
    if (rc.code != VD_E_OK)
        return vd_fail(err, rc.code == VD_E_NOMEM ? rc.code : VD_E_COLLATERAL_SYNTAX,
                       "collateral: %s", cause.msg);
    return VD_OK;
}

/* What is kept of a CRL whose signature was good. */
static vd_rc reduce_crl(const struct vd_crl *crl, size_t max, struct dcap_crl *ret, vd_err *err)
{
    struct vd_crl_facts f = { 0 };
    VD_AUTO_BUF serials = vd_buf_of(max);
    vd_err cause = { 0 };
    vd_rc_ rc = vd_crl_facts(crl, &f, &cause);
    if (rc.code == VD_E_OK)
        rc = vd_crl_serials(crl, DCAP_SERIAL, &serials, &cause);
    if (rc.code != VD_E_OK)
        return vd_fail(err, rc.code == VD_E_NOMEM ? rc.code : VD_E_COLLATERAL_SYNTAX,
                       "collateral: %s", cause.msg);
    if (!f.has_number || !f.has_authority_key)
        return vd_fail(err, VD_E_COLLATERAL_SYNTAX,
                       "collateral: CRL without its number or authority key identifier");
    struct dcap_crl c = { .window = { f.this_update, f.next_update },
                          .number = f.number,
                          .n = serials.n / DCAP_SERIAL };
    c.serial = calloc(c.n ? c.n : 1, DCAP_SERIAL);
    if (!c.serial)
        return vd_fail(err, VD_E_NOMEM, "collateral: CRL");
    if (serials.n > 0)
        memcpy(c.serial, serials.p, serials.n);
    *ret = c;
    return VD_OK;
}

static vd_rc crl_signed_by(const struct vd_crl *crl, const struct vd_cert *issuer, vd_err *err)
{
    vd_err cause = { 0 };
    if (vd_crl_signed_es256(crl, issuer, &cause).code != VD_E_OK)
        return vd_fail(err, VD_E_COLLATERAL_SIG, "collateral: %s", cause.msg);
    return VD_OK;
}

vd_rc dcap_root_crl_check(const struct dcap_roots *roots, vd_span der, struct dcap_crl *ret,
                          const struct dcap_root **ret_root, vd_err *err)
{
    VD_AUTO(vd_crl_unref) struct vd_crl *crl = NULL;
    VD_TRY(open_crl(der, &crl, err));
    vd_err first = { 0 };
    for (size_t i = 0; i < roots->n; i++) {
        if (crl_signed_by(crl, roots->item[i].cert, &first).code != VD_E_OK)
            continue;
        VD_TRY(reduce_crl(crl, der.n + 64, ret, err));
        *ret_root = &roots->item[i];
        return VD_OK;
    }
    return vd_fail(err, VD_E_COLLATERAL_SIG, "root CA CRL: %s", first.msg);
}

vd_rc dcap_crl_check_under(const struct vd_cert *issuer, vd_span der, struct dcap_crl *ret,
                           vd_err *err)
{
    VD_AUTO(vd_crl_unref) struct vd_crl *crl = NULL;
    VD_TRY(open_crl(der, &crl, err));
    VD_TRY(crl_signed_by(crl, issuer, err));
    return reduce_crl(crl, der.n + 64, ret, err);
}

vd_rc dcap_ca_chain_check(const struct dcap_roots *roots, vd_span chain_pem,
                          struct dcap_ca_chain *ret, vd_err *err)
{
    VD_AUTO(vd_certs_free) struct vd_certs *certs = NULL;
    struct pair p = { 0 };
    struct dcap_ca_chain c = { 0 };
    VD_TRY(read_pair(roots, chain_pem, &certs, &p, err));
    VD_TRY(check_pair(&p, DCAP_ROLE_CA, &c.ca, err));
    c.root = p.root;
    c.window = window_of(&p);
    c.cert = vd_cert_ref(p.signer);
    *ret = c;
    return VD_OK;
}

vd_rc dcap_pck_crl_check(const struct dcap_roots *roots, vd_span der, vd_span chain_pem,
                         struct dcap_crl *ret, enum dcap_ca *ret_ca, struct dcap_window *ret_window,
                         vd_err *err)
{
    struct dcap_ca_chain chain = { 0 };
    VD_TRY(dcap_ca_chain_check(roots, chain_pem, &chain, err));
    VD_AUTO(vd_cert_unref) struct vd_cert *issuer = chain.cert;
    VD_TRY(dcap_crl_check_under(issuer, der, ret, err));
    if (ret_ca)
        *ret_ca = chain.ca;
    if (ret_window)
        *ret_window = chain.window;
    return VD_OK;
}
