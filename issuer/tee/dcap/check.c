/* Single pieces of collateral; see check.h. */
#include "issuer/tee/dcap/check.h"

#include <string.h>

#include "issuer/tee/dcap/check_priv.h"
#include "issuer/tee/dcap/doc_priv.h"
#include "issuer/tee/dcap/pki_priv.h"
#include "shared/crypto/hash.h"

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
    struct dcap_pem pem;
    struct dcap_x509 signer;
    struct dcap_x509 top;
    const struct dcap_root *root;
};

static void pair_done(struct pair *p)
{
    dcap_pem_done(&p->pem);
}
#define AUTO_PAIR __attribute__((cleanup(pair_done))) struct pair

static vd_rc read_pair(const struct dcap_roots *roots, vd_span text, struct pair *p, vd_err *err)
{
    vd_err cause = { 0 };
    if (dcap_pem_read(text, &p->pem, &cause).code != VD_E_OK)
        return vd_fail(err, VD_E_COLLATERAL_SYNTAX, "collateral: issuer chain: %s", cause.msg);
    if (p->pem.n != CHAIN)
        return vd_fail(err, VD_E_COLLATERAL_CHAIN,
                       "collateral: issuer chain: %zu certificates instead of %d", p->pem.n, CHAIN);
    for (size_t i = 0; i < CHAIN; i++) {
        struct dcap_x509 x;
        if (dcap_x509_parse(p->pem.cert[i], &x, &cause).code != VD_E_OK)
            return vd_fail(err, VD_E_COLLATERAL_SYNTAX, "collateral: issuer chain: %s", cause.msg);
        const struct dcap_root *root = dcap_roots_find_spki(roots, x.spki);
        *(root && !p->root ? &p->top : &p->signer) = x;
        p->root = root ? root : p->root;
    }
    if (!p->root || !p->signer.der.p)
        return vd_fail(err, VD_E_COLLATERAL_CHAIN,
                       "collateral: issuer chain: not a signer and a root that is pinned or "
                       "configured");
    return VD_OK;
}

static vd_rc check_pair(const struct pair *p, enum dcap_role role, enum dcap_ca *ret_ca,
                        vd_err *err)
{
    vd_err cause = { 0 };
    vd_rc_ rc = dcap_top_check(&p->top, p->root, &cause);
    if (rc.code == VD_E_OK)
        rc = dcap_x509_role(&p->signer, role, ret_ca, &cause);
    if (rc.code == VD_E_OK)
        rc = dcap_x509_signed(&p->signer, p->top.subject, p->root->key, &cause);
    if (rc.code != VD_E_OK)
        return vd_fail(err, VD_E_COLLATERAL_CHAIN, "collateral: issuer chain: %s", cause.msg);
    return VD_OK;
}

static struct dcap_window window_of(const struct pair *p)
{
    const struct dcap_x509 *a = &p->signer;
    const struct dcap_x509 *b = &p->top;
    return (struct dcap_window){ .begin = a->from > b->from ? a->from : b->from,
                                 .end = a->until < b->until ? a->until : b->until };
}

vd_rc dcap_signer_check(const struct dcap_roots *roots, vd_span chain_pem, struct dcap_signer *ret,
                        vd_err *err)
{
    AUTO_PAIR p = { 0 };
    VD_TRY(read_pair(roots, chain_pem, &p, err));
    VD_TRY(check_pair(&p, DCAP_ROLE_TCB_SIGNING, NULL, err));
    struct dcap_signer s = { .root = p.root, .window = window_of(&p) };
    s.earliest = p.signer.from < p.top.from ? p.signer.from : p.top.from;
    memcpy(s.serial, p.signer.serial, DCAP_SERIAL);
    vd_err cause = { 0 };
    if (dcap_x509_key(&p.signer, &s.key, &cause).code != VD_E_OK)
        return vd_fail(err, VD_E_COLLATERAL_CHAIN, "collateral: issuer chain: %s", cause.msg);
    *ret = s;
    return VD_OK;
}

/* The member, once its bytes were found signed. */
static vd_rc open_document(vd_span body, const char *member, const struct dcap_signer *signer,
                           struct vd_json **ret, vd_jv *ret_inner, vd_err *err)
{
    uint8_t signature[64];
    VD_TRY(dcap_signed_open(body, member, ret, ret_inner, signature, err));
    return dcap_signed_verify(vd_jv_raw(*ret_inner), signature, signer->key, err);
}

vd_rc dcap_tcb_info_by(const struct dcap_signer *signer, vd_span body, struct dcap_tcb_info **ret,
                       vd_err *err)
{
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    vd_jv inner;
    VD_TRY(open_document(body, "tcbInfo", signer, &doc, &inner, err));
    return dcap_tcb_info_read(inner, ret, err);
}

vd_rc dcap_identity_by(const struct dcap_signer *signer, vd_span body, struct dcap_identity **ret,
                       vd_err *err)
{
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    vd_jv inner;
    VD_TRY(open_document(body, "enclaveIdentity", signer, &doc, &inner, err));
    return dcap_identity_read(inner, ret, err);
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
    VD_TRY(dcap_signer_check(roots, chain_pem, &signer, err));
    VD_TRY(dcap_tcb_info_by(&signer, body, ret, err));
    hand_over(&signer, ret_signer);
    return VD_OK;
}

vd_rc dcap_identity_check(const struct dcap_roots *roots, vd_span body, vd_span chain_pem,
                          struct dcap_identity **ret, struct dcap_signer *ret_signer, vd_err *err)
{
    DCAP_AUTO_SIGNER signer = { 0 };
    VD_TRY(dcap_signer_check(roots, chain_pem, &signer, err));
    VD_TRY(dcap_identity_by(&signer, body, ret, err));
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

/* Reads it, and checks name and signature. VD_E_COLLATERAL_SYNTAX, VD_E_COLLATERAL_SIG. */
static vd_rc open_crl(vd_span der, vd_span subject, const struct vd_key *key,
                      struct dcap_x509_crl *ret, vd_err *err)
{
    vd_err cause = { 0 };
    if (dcap_x509_crl_parse(der, ret, &cause).code != VD_E_OK)
        return vd_fail(err, VD_E_COLLATERAL_SYNTAX, "collateral: %s", cause.msg);
    if (!vd_span_eq(ret->issuer, subject))
        return vd_fail(err, VD_E_COLLATERAL_SIG, "collateral: CRL: made by another issuer");
    if (vd_verify_ecdsa_der(key, VD_SHA256, ret->tbs, ret->signature, NULL).code != VD_E_OK)
        return vd_fail(err, VD_E_COLLATERAL_SIG, "collateral: CRL: its signature does not verify");
    if (!ret->has_number || !ret->has_authority_key)
        return vd_fail(err, VD_E_COLLATERAL_SYNTAX,
                       "collateral: CRL without its number or authority key identifier");
    return VD_OK;
}

/* What is kept of a CRL. */
static vd_rc reduce_crl(const struct dcap_x509_crl *crl, struct dcap_crl *ret, vd_err *err)
{
    struct dcap_crl c = { .window = { crl->from, crl->until },
                          .number = crl->number,
                          .n = crl->n_revoked };
    c.serial = calloc(c.n ? c.n : 1, DCAP_SERIAL);
    if (!c.serial)
        return vd_fail(err, VD_E_NOMEM, "collateral: CRL");
    dcap_x509_crl_serials(crl, c.serial);
    qsort(c.serial, c.n, DCAP_SERIAL, cmp_serial);
    *ret = c;
    return VD_OK;
}

vd_rc dcap_root_crl_check(const struct dcap_roots *roots, vd_span der, struct dcap_crl *ret,
                          const struct dcap_root **ret_root, vd_err *err)
{
    vd_err first = { 0 };
    for (size_t i = 0; i < roots->n; i++) {
        struct dcap_x509 x;
        struct dcap_x509_crl crl;
        const struct dcap_root *root = &roots->item[i];
        VD_TRY(dcap_x509_parse(vd_cert_der(root->cert), &x, err));
        vd_rc_ rc = open_crl(der, x.subject, root->key, &crl, &first);
        if (rc.code == VD_E_COLLATERAL_SIG)
            continue;
        if (rc.code != VD_E_OK)
            return vd_fail(err, rc.code, "root CA CRL: %s", first.msg);
        VD_TRY(reduce_crl(&crl, ret, err));
        *ret_root = root;
        return VD_OK;
    }
    return vd_fail(err, VD_E_COLLATERAL_SIG, "root CA CRL: %s", first.msg);
}

vd_rc dcap_crl_by(vd_span subject, const struct vd_key *key, vd_span der, struct dcap_crl *ret,
                  vd_err *err)
{
    struct dcap_x509_crl crl;
    VD_TRY(open_crl(der, subject, key, &crl, err));
    return reduce_crl(&crl, ret, err);
}

vd_rc dcap_ca_chain_check(const struct dcap_roots *roots, vd_span chain_pem,
                          const struct dcap_issuer *known, struct dcap_ca_chain *ret, vd_err *err)
{
    AUTO_PAIR p = { 0 };
    struct dcap_ca_chain c = { 0 };
    VD_TRY(read_pair(roots, chain_pem, &p, err));
    uint8_t hash[DCAP_HASH];
    VD_TRY(dcap_issuer_hash(p.signer.der, p.top.der, hash, err));
    c.ca = known ? known->ca : DCAP_CA_PROCESSOR;
    if (!known || !vd_span_eq(vd_span_of(hash, DCAP_HASH), vd_span_of(known->hash, DCAP_HASH)))
        VD_TRY(check_pair(&p, DCAP_ROLE_CA, &c.ca, err));
    c.root = p.root;
    c.window = window_of(&p);
    if (p.signer.subject.n > DCAP_NAME)
        return vd_fail(err, VD_E_COLLATERAL_CHAIN, "collateral: issuer chain: a name is too long");
    memcpy(c.subject, p.signer.subject.p, p.signer.subject.n);
    c.subject_n = p.signer.subject.n;
    vd_err cause = { 0 };
    if (dcap_x509_key(&p.signer, &c.key, &cause).code != VD_E_OK)
        return vd_fail(err, VD_E_COLLATERAL_CHAIN, "collateral: issuer chain: %s", cause.msg);
    *ret = c;
    return VD_OK;
}

vd_rc dcap_pck_crl_check(const struct dcap_roots *roots, vd_span der, vd_span chain_pem,
                         struct dcap_crl *ret, enum dcap_ca *ret_ca, struct dcap_window *ret_window,
                         vd_err *err)
{
    struct dcap_ca_chain chain = { 0 };
    VD_TRY(dcap_ca_chain_check(roots, chain_pem, NULL, &chain, err));
    VD_AUTO(vd_key_unref) struct vd_key *key = chain.key;
    VD_TRY(dcap_crl_by(vd_span_of(chain.subject, chain.subject_n), key, der, ret, err));
    if (ret_ca)
        *ret_ca = chain.ca;
    if (ret_window)
        *ret_window = chain.window;
    return VD_OK;
}
