/* PCK chains; see chain.h. The order of the three certificates is told by what they are, not by
 * their place: quotes with leaf, root, CA exist. */
#include "issuer/tee/dcap/chain.h"

#include "issuer/tee/dcap/cache_priv.h"
#include "issuer/tee/dcap/cert_priv.h"

enum { CERTS = 3 };

struct roles {
    struct vd_cert *leaf;
    struct vd_cert *ca;
    struct vd_cert *top; /* the root as the chain has it */
    const struct dcap_root *root;
};

struct dcap_trust *dcap_trust_ref(struct dcap_trust *t)
{
    __atomic_add_fetch(&t->refs, 1, __ATOMIC_RELAXED);
    return t;
}

void dcap_trust_unref(struct dcap_trust *t)
{
    if (!t || __atomic_sub_fetch(&t->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    vd_key_unref(t->key);
    dcap_issuer_unref(t->issuer);
    free(t);
}

void dcap_issuer_unref(struct dcap_issuer *i)
{
    if (!i || __atomic_sub_fetch(&i->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    vd_cert_unref(i->cert);
    free(i);
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}
static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Text that ends in a zero byte, or in blanks, is written by some quote providers. */
static vd_span trimmed(vd_span pem)
{
    while (pem.n > 0 && (pem.p[pem.n - 1] == 0 || pem.p[pem.n - 1] == '\n' ||
                         pem.p[pem.n - 1] == '\r' || pem.p[pem.n - 1] == ' '))
        pem.n--;
    return pem;
}

static bool has_extension(const struct vd_cert *cert)
{
    vd_span value;
    /* twice is not absent: the parser says so then */
    return vd_cert_ext(cert, DCAP_PCK_OID, &value, NULL).code != VD_E_NOT_FOUND;
}

static vd_rc find_roles(const struct vd_certs *certs, const struct dcap_roots *roots,
                        struct roles *ret, vd_err *err)
{
    struct roles r = { 0 };
    if (certs->n != CERTS)
        return vd_fail(err, VD_E_BAD_EVIDENCE, "PCK chain: %zu certificates instead of %d",
                       certs->n, CERTS);
    size_t at = dcap_certs_root(certs, roots, &r.root);
    if (at == certs->n)
        return vd_fail(err, VD_E_CHAIN, "PCK chain: no certificate has the key of Intel's root");
    r.top = certs->item[at];
    for (size_t i = 0; i < certs->n; i++) {
        if (i == at)
            continue;
        struct vd_cert **place = has_extension(certs->item[i]) ? &r.leaf : &r.ca;
        if (*place)
            return vd_fail(err, VD_E_CHAIN,
                           "PCK chain: not one PCK certificate, one CA and one root");
        *place = certs->item[i];
    }
    *ret = r;
    return VD_OK;
}

static vd_rc hash_issuer(const struct roles *r, uint8_t ret[DCAP_HASH], vd_err *err)
{
    uint8_t ca[DCAP_HASH];
    uint8_t top[DCAP_HASH];
    vd_cert_sha256(r->ca, ca);
    vd_cert_sha256(r->top, top);
    vd_span parts[] = { vd_span_of(ca, sizeof ca), vd_span_of(top, sizeof top) };
    return vd_hash_parts(VD_SHA256, parts, 2, ret, err);
}

static vd_rc verify_issuer(const struct roles *r, const uint8_t hash[DCAP_HASH],
                           struct dcap_issuer **ret, vd_err *err)
{
    VD_AUTO(dcap_issuer_unref) struct dcap_issuer *i = calloc(1, sizeof *i);
    if (!i)
        return vd_fail(err, VD_E_NOMEM, "PCK chain");
    i->refs = 1;
    VD_TRY(dcap_cert_check(r->top, DCAP_ROLE_ROOT, NULL, err));
    VD_TRY(vd_cert_signed_es256(r->top, r->top, err));
    VD_TRY(dcap_cert_check(r->ca, DCAP_ROLE_CA, &i->ca, err));
    VD_TRY(vd_cert_signed_es256(r->ca, r->top, err));
    VD_TRY(dcap_cert_serial(r->ca, i->serial, err));
    i->root = r->root;
    i->cert = vd_cert_ref(r->ca);
    i->from = later(vd_cert_not_before(r->ca), vd_cert_not_before(r->top));
    i->until = sooner(vd_cert_not_after(r->ca), vd_cert_not_after(r->top));
    i->earliest = sooner(vd_cert_not_before(r->ca), vd_cert_not_before(r->top));
    for (size_t k = 0; k < DCAP_HASH; k++)
        i->hash[k] = hash[k];
    *ret = VD_TAKE(i);
    return VD_OK;
}

/* CAs are few and live long: theirs are the signatures that need not be checked per platform. */
static vd_rc find_issuer(struct dcap_cache *c, const struct roles *r, struct dcap_issuer **ret,
                         vd_err *err)
{
    uint8_t hash[DCAP_HASH];
    VD_TRY(hash_issuer(r, hash, err));
    *ret = dcap_kept_find(c, DCAP_KEPT_ISSUER, hash);
    if (*ret)
        return VD_OK;
    VD_TRY(verify_issuer(r, hash, ret, err));
    dcap_kept_add(c, DCAP_KEPT_ISSUER, hash, *ret);
    return VD_OK;
}

static vd_rc make_trust(struct dcap_cache *c, const struct roles *r, struct dcap_trust **ret,
                        vd_err *err)
{
    VD_AUTO(dcap_trust_unref) struct dcap_trust *t = calloc(1, sizeof *t);
    if (!t)
        return vd_fail(err, VD_E_NOMEM, "PCK chain");
    t->refs = 1;
    VD_TRY(find_issuer(c, r, &t->issuer, err));
    VD_TRY(dcap_cert_check(r->leaf, DCAP_ROLE_PCK, NULL, err));
    VD_TRY(vd_cert_signed_es256(r->leaf, t->issuer->cert, err));
    VD_TRY(dcap_pck_of_cert(r->leaf, &t->pck, err));
    t->ca = t->issuer->ca;
    if (t->pck.has_platform != (t->ca == DCAP_CA_PLATFORM))
        return vd_fail(err, VD_E_CHAIN,
                       "PCK chain: a certificate of the %s CA %s a platform instance",
                       dcap_ca_name(t->ca), t->pck.has_platform ? "names" : "does not name");
    VD_TRY(dcap_cert_serial(r->leaf, t->serial, err));
    t->root = r->root;
    t->key = vd_cert_key(r->leaf);
    t->from = later(vd_cert_not_before(r->leaf), t->issuer->from);
    t->until = sooner(vd_cert_not_after(r->leaf), t->issuer->until);
    t->earliest = sooner(vd_cert_not_before(r->leaf), t->issuer->earliest);
    *ret = VD_TAKE(t);
    return VD_OK;
}

static vd_rc verify_cold(struct dcap_cache *c, vd_span pem, struct dcap_trust **ret, vd_err *err)
{
    VD_AUTO(vd_certs_free) struct vd_certs *certs = NULL;
    vd_err cause = { 0 };
    if (vd_certs_parse_pem(pem, CERTS, &certs, &cause).code != VD_E_OK)
        return vd_fail(err, VD_E_BAD_EVIDENCE, "PCK chain: not three certificates in PEM: %s",
                       cause.msg);
    struct roles r = { 0 };
    VD_TRY(find_roles(certs, c->roots, &r, err));
    return make_trust(c, &r, ret, err);
}

vd_rc dcap_chain_verify(struct dcap_cache *c, vd_span pem, int64_t now, struct dcap_trust **ret,
                        vd_err *err)
{
    pem = trimmed(pem);
    uint8_t hash[DCAP_HASH];
    VD_TRY(vd_hash_of(VD_SHA256, pem, hash, err));
    VD_AUTO(dcap_trust_unref) struct dcap_trust *trust = dcap_kept_find(c, DCAP_KEPT_TRUST, hash);
    if (!trust) {
        VD_TRY(verify_cold(c, pem, &trust, err));
        dcap_kept_add(c, DCAP_KEPT_TRUST, hash, trust);
    }
    if (now < trust->from || now >= trust->until)
        return vd_fail(err, VD_E_CERT_EXPIRED, "PCK chain: a certificate is %s",
                       now < trust->from ? "not valid yet" : "expired");
    *ret = VD_TAKE(trust);
    return VD_OK;
}
