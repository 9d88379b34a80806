/* Chains of VEK certificates and their cache; see chain.h. Checks: AMD 57230; all signatures
 * RSASSA-PSS with SHA-384, the leaf's key on P-384, exactly leaf, ASK or ASVK, ARK. Public-key work
 * happens outside the lock. */
#include "issuer/tee/snp/chain.h"

#include <pthread.h>

#include "shared/crypto/hash.h"

enum { WAYS = 4, HASH = 32, CHAIN_LENGTH = 3, SECURITY_LEVEL = 3 };

struct slot {
    uint8_t hash[HASH];
    struct snp_trust *trust; /* NULL: free */
};
struct snp_chains {
    const struct snp_roots *roots;
    pthread_mutex_t lock;
    struct slot *slot; /* sets of WAYS */
    size_t sets;
    unsigned next; /* way that is replaced next */
    uint64_t hits;
};

static struct snp_trust *trust_ref(struct snp_trust *t)
{
    __atomic_add_fetch(&t->refs, 1, __ATOMIC_RELAXED);
    return t;
}

void snp_trust_unref(struct snp_trust *t)
{
    if (!t || __atomic_sub_fetch(&t->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    vd_key_unref(t->key);
    free(t);
}

vd_rc snp_chains_new(const struct snp_roots *roots, size_t entries, struct snp_chains **ret,
                     vd_err *err)
{
    size_t sets = entries < WAYS ? 1 : entries / WAYS;
    VD_AUTO(free) struct snp_chains *c = calloc(1, sizeof *c);
    VD_AUTO(free) struct slot *slot = calloc(sets * WAYS, sizeof *slot);
    if (!c || !slot || pthread_mutex_init(&c->lock, NULL) != 0)
        return vd_fail(err, VD_E_NOMEM, "snp chain cache of %zu entries", entries);
    c->roots = roots;
    c->sets = sets;
    c->slot = VD_TAKE(slot);
    *ret = VD_TAKE(c);
    return VD_OK;
}

void snp_chains_free(struct snp_chains *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->sets * WAYS; i++)
        snp_trust_unref(c->slot[i].trust);
    (void)pthread_mutex_destroy(&c->lock);
    free(c->slot);
    free(c);
}

static struct slot *set_of(struct snp_chains *c, vd_span hash)
{
    vd_rd r = vd_rd_of(hash);
    return &c->slot[vd_rd_u64le(&r) % c->sets * WAYS];
}

/* NULL when it is not there, or when `now` is outside its validity: then the whole check says why.
 */
static struct snp_trust *cache_find(struct snp_chains *c, vd_span hash, int64_t now)
{
    struct snp_trust *found = NULL;
    (void)pthread_mutex_lock(&c->lock);
    struct slot *set = set_of(c, hash);
    for (size_t i = 0; i < WAYS && !found; i++)
        if (set[i].trust && vd_span_eq(vd_span_of(set[i].hash, HASH), hash))
            found = set[i].trust;
    if (found && (now < found->from || now > found->until))
        found = NULL;
    if (found) {
        c->hits++;
        (void)trust_ref(found);
    }
    (void)pthread_mutex_unlock(&c->lock);
    return found;
}

static void cache_add(struct snp_chains *c, vd_span hash, struct snp_trust *trust)
{
    (void)pthread_mutex_lock(&c->lock);
    struct slot *set = set_of(c, hash);
    struct slot *place = &set[c->next++ % WAYS];
    for (size_t i = 0; i < WAYS; i++)
        if (!set[i].trust || vd_span_eq(vd_span_of(set[i].hash, HASH), hash)) {
            place = &set[i];
            break;
        }
    struct snp_trust *old = place->trust;
    for (size_t i = 0; i < HASH; i++)
        place->hash[i] = hash.p[i];
    place->trust = trust_ref(trust);
    (void)pthread_mutex_unlock(&c->lock);
    snp_trust_unref(old);
}

uint64_t snp_chains_hits(struct snp_chains *c)
{
    (void)pthread_mutex_lock(&c->lock);
    uint64_t hits = c->hits;
    (void)pthread_mutex_unlock(&c->lock);
    return hits;
}

/* Before any signature is checked, only to give the better reason: a VLEK never chains to an ASK.
 */
static vd_rc check_kind(const struct vd_cert *cert, enum snp_signing_key kind, vd_err *err)
{
    VD_AUTO_BUF cn = vd_buf_of(SNP_TEXT_MAX);
    vd_rc_ rc = vd_cert_subject_cn(cert, &cn, NULL);
    const char *want = kind == SNP_KEY_VCEK ? "SEV-VCEK" : "SEV-VLEK";
    if (rc.code != VD_E_OK || !vd_span_eq_str(vd_buf_span(&cn), want))
        return vd_fail(err, VD_E_KEY_TYPE, "snp: the certificate is not a %s", want);
    return VD_OK;
}

static vd_rc verify_under(const struct vd_cert *leaf, enum snp_signing_key kind,
                          const struct snp_root *root, int64_t now, vd_err *err)
{
    struct vd_cert *middle = kind == SNP_KEY_VCEK ? root->ask : root->asvk;
    if (!middle)
        return vd_fail(err, VD_E_CHAIN, "snp: the root has no %s",
                       kind == SNP_KEY_VCEK ? "ASK" : "ASVK");
    if (!vd_cert_signed_pss_sha384(leaf) || !vd_cert_signed_pss_sha384(middle))
        return vd_fail(err, VD_E_CHAIN,
                       "snp: a certificate is not signed by RSASSA-PSS with SHA-384");
    struct vd_chain_opts opts = { .at = now,
                                  .check_time = true,
                                  .max_depth = 2,
                                  .exact_length = CHAIN_LENGTH,
                                  .security_level = SECURITY_LEVEL };
    return vd_chain_verify(leaf, &middle, 1, &root->ark, 1, &opts, err);
}

/* Every root of the line, AMD's first. The reason that is told is the first one, unless a later
 * root did sign the chain and only the time is wrong. */
static vd_rc find_root(const struct snp_chains *c, const struct vd_cert *leaf,
                       enum snp_signing_key kind, enum snp_line line, int64_t now,
                       const struct snp_root **ret, vd_err *err)
{
    vd_err first = { 0 };
    for (size_t i = 0; i < c->roots->n; i++) {
        const struct snp_root *root = &c->roots->item[i];
        if (line != SNP_LINE_UNKNOWN && root->line != line)
            continue;
        vd_err cause = { 0 };
        vd_rc_ rc = verify_under(leaf, kind, root, now, &cause);
        if (rc.code == VD_E_OK) {
            *ret = root;
            return VD_OK;
        }
        if (first.code == VD_E_OK || rc.code == VD_E_CERT_EXPIRED)
            first = cause;
    }
    return vd_fail(err, first.code == VD_E_CERT_EXPIRED ? VD_E_CERT_EXPIRED : VD_E_CHAIN,
                   "snp: no chain to a root of %s: %s",
                   line == SNP_LINE_UNKNOWN ? "AMD" : snp_line_name(line),
                   first.msg[0] ? first.msg : "no root is known for it");
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}
static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static vd_rc make_trust(const struct vd_cert *leaf, enum snp_signing_key kind,
                        const struct snp_root *root, struct snp_trust **ret, vd_err *err)
{
    VD_AUTO(snp_trust_unref) struct snp_trust *t = calloc(1, sizeof *t);
    if (!t)
        return vd_fail(err, VD_E_NOMEM, "snp chain");
    t->refs = 1;
    t->root = root;
    VD_TRY(snp_vek_parse(leaf, root->line, &t->vek, err));
    t->key = vd_cert_key(leaf);
    if (!t->key || vd_key_type(t->key) != VD_KTY_P384)
        return vd_fail(err, VD_E_KEY_TYPE, "snp: the certificate's key is not on P-384");
    const struct vd_cert *middle = kind == SNP_KEY_VCEK ? root->ask : root->asvk;
    t->from = later(vd_cert_not_before(leaf),
                    later(vd_cert_not_before(middle), vd_cert_not_before(root->ark)));
    t->until = sooner(vd_cert_not_after(leaf),
                      sooner(vd_cert_not_after(middle), vd_cert_not_after(root->ark)));
    *ret = VD_TAKE(t);
    return VD_OK;
}

static vd_rc verify_cold(struct snp_chains *c, vd_span cert, enum snp_signing_key kind,
                         enum snp_line line, int64_t now, struct snp_trust **ret, vd_err *err)
{
    VD_AUTO(vd_cert_unref) struct vd_cert *leaf = NULL;
    vd_err cause = { 0 };
    if (vd_cert_parse(cert, &leaf, &cause).code != VD_E_OK)
        return vd_fail(err, VD_E_BAD_EVIDENCE, "snp: the signing certificate cannot be read: %s",
                       cause.msg);
    VD_TRY(check_kind(leaf, kind, err));
    const struct snp_root *root = NULL;
    VD_TRY(find_root(c, leaf, kind, line, now, &root, err));
    return make_trust(leaf, kind, root, ret, err);
}

vd_rc snp_chains_verify(struct snp_chains *c, vd_span cert, enum snp_signing_key kind,
                        enum snp_line line, int64_t now, struct snp_trust **ret, vd_err *err)
{
    uint8_t digest[HASH];
    VD_TRY(vd_hash_of(VD_SHA256, cert, digest, err));
    vd_span hash = vd_span_of(digest, sizeof digest);
    VD_AUTO(snp_trust_unref) struct snp_trust *trust = cache_find(c, hash, now);
    if (!trust) {
        VD_TRY(verify_cold(c, cert, kind, line, now, &trust, err));
        cache_add(c, hash, trust);
    }
    if (trust->vek.kind != kind)
        return vd_fail(err, VD_E_KEY_TYPE, "snp: the certificate is not a %s",
                       kind == SNP_KEY_VCEK ? "SEV-VCEK" : "SEV-VLEK");
    if (line != SNP_LINE_UNKNOWN && trust->root->line != line)
        return vd_fail(err, VD_E_CHAIN,
                       "snp: the certificate chains to the root of %s, the report is from %s",
                       snp_line_name(trust->root->line), snp_line_name(line));
    *ret = VD_TAKE(trust);
    return VD_OK;
}
