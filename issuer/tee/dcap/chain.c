/* PCK chains; see chain.h. The order of the three certificates is told by what they are, not by
 * their place: quotes with leaf, root, CA exist. */
#include "issuer/tee/dcap/chain.h"

#include <string.h>

#include "issuer/tee/dcap/cache_priv.h"
#include "issuer/tee/dcap/pki_priv.h"
#include "shared/crypto/hash.h"

enum { CERTS = 3 };

struct roles {
    const struct dcap_x509 *leaf;
    const struct dcap_x509 *ca;
    const struct dcap_x509 *top; /* the root as the chain has it */
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
    vd_key_unref(i->key);
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

static vd_rc find_roles(const struct dcap_x509 x[CERTS], const struct dcap_roots *roots,
                        struct roles *ret, vd_err *err)
{
    struct roles r = { 0 };
    for (size_t i = 0; i < CERTS; i++) {
        const struct dcap_root *root = dcap_roots_find_spki(roots, x[i].spki);
        const struct dcap_x509 **place = root ? &r.top : x[i].has_sgx ? &r.leaf : &r.ca;
        if (*place)
            return vd_fail(err, VD_E_CHAIN,
                           "PCK chain: not one PCK certificate, one CA and one root that is pinned "
                           "or configured");
        *place = &x[i];
        r.root = root ? root : r.root;
    }
    *ret = r; /* three places, each taken once */
    return VD_OK;
}

vd_rc dcap_issuer_hash(vd_span ca_der, vd_span root_der, uint8_t ret[DCAP_HASH], vd_err *err)
{
    uint8_t digest[2][DCAP_HASH];
    VD_TRY(vd_hash_of(VD_SHA256, ca_der, digest[0], err));
    VD_TRY(vd_hash_of(VD_SHA256, root_der, digest[1], err));
    return vd_hash_of(VD_SHA256, vd_span_of(digest, sizeof digest), ret, err);
}

static vd_rc verify_issuer(const struct roles *r, const uint8_t hash[DCAP_HASH],
                           struct dcap_issuer **ret, vd_err *err)
{
    VD_AUTO(dcap_issuer_unref) struct dcap_issuer *i = calloc(1, sizeof *i);
    if (!i)
        return vd_fail(err, VD_E_NOMEM, "PCK chain");
    i->refs = 1;
    VD_TRY(dcap_top_check(r->top, r->root, err));
    VD_TRY(dcap_x509_role(r->ca, DCAP_ROLE_CA, &i->ca, err));
    VD_TRY(dcap_x509_signed(r->ca, r->top->subject, r->root->key, err));
    VD_TRY(dcap_x509_key(r->ca, &i->key, err));
    if (r->ca->subject.n > DCAP_NAME)
        return vd_fail(err, VD_E_CHAIN, "PCK chain: the CA's name is too long");
    memcpy(i->subject, r->ca->subject.p, r->ca->subject.n);
    i->subject_n = r->ca->subject.n;
    memcpy(i->serial, r->ca->serial, DCAP_SERIAL);
    memcpy(i->hash, hash, DCAP_HASH);
    i->root = r->root;
    i->from = later(r->ca->from, r->top->from);
    i->until = sooner(r->ca->until, r->top->until);
    i->earliest = sooner(r->ca->from, r->top->from);
    *ret = VD_TAKE(i);
    return VD_OK;
}

/* CAs are few and live long: theirs are the signatures that need not be checked per platform. */
static vd_rc find_issuer(struct dcap_cache *c, const struct roles *r, struct dcap_issuer **ret,
                         vd_err *err)
{
    uint8_t hash[DCAP_HASH];
    VD_TRY(dcap_issuer_hash(r->ca->der, r->top->der, hash, err));
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
    VD_TRY(dcap_x509_role(r->leaf, DCAP_ROLE_PCK, NULL, err));
    VD_TRY(dcap_x509_signed(r->leaf, dcap_issuer_subject(t->issuer), t->issuer->key, err));
    VD_TRY(dcap_x509_key(r->leaf, &t->key, err));
    VD_TRY(dcap_pck_parse(r->leaf->sgx, &t->pck, err));
    t->ca = t->issuer->ca;
    if (t->pck.has_platform != (t->ca == DCAP_CA_PLATFORM))
        return vd_fail(err, VD_E_CHAIN,
                       "PCK chain: a certificate of the %s CA %s a platform instance",
                       dcap_ca_name(t->ca), t->pck.has_platform ? "names" : "does not name");
    memcpy(t->serial, r->leaf->serial, DCAP_SERIAL);
    t->root = r->root;
    t->from = later(r->leaf->from, t->issuer->from);
    t->until = sooner(r->leaf->until, t->issuer->until);
    t->earliest = sooner(r->leaf->from, t->issuer->earliest);
    *ret = VD_TAKE(t);
    return VD_OK;
}

static vd_rc verify_cold(struct dcap_cache *c, vd_span text, struct dcap_trust **ret, vd_err *err)
{
    DCAP_AUTO_PEM pem = { 0 };
    vd_err cause = { 0 };
    vd_rc_ rc = dcap_pem_read(text, &pem, &cause);
    if (rc.code != VD_E_OK || pem.n != CERTS)
        return vd_fail(err, VD_E_BAD_EVIDENCE, "PCK chain: not three certificates in PEM%s%s",
                       cause.msg[0] ? ": " : "", cause.msg);
    struct dcap_x509 x[CERTS];
    for (size_t i = 0; i < CERTS; i++)
        VD_TRY(dcap_x509_parse(pem.cert[i], &x[i], err));
    struct roles r = { 0 };
    VD_TRY(find_roles(x, c->roots, &r, err));
    return make_trust(c, &r, ret, err);
}

vd_rc dcap_chain_verify(struct dcap_cache *c, vd_span pem, int64_t now, struct dcap_trust **ret,
                        vd_err *err)
{
    pem = dcap_pem_trim(pem);
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
