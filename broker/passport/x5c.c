/* Keys by certificate chain; see x5c.h. */
#include "broker/passport/x5c.h"

#include <pthread.h>
#include <stdlib.h>

#include "shared/codec/b64.h"
#include "shared/crypto/hash.h"
#include "shared/crypto/x509.h"

struct kept {
    uint8_t digest[32]; /* of the jwk as it stood in the header */
    struct vd_key *key;
    int64_t until;
};

struct brk_chains {
    pthread_mutex_t lock;
    struct kept item[BRK_CHAINS_KEPT];
    size_t next;
};

struct brk_chains *brk_chains_new(void)
{
    struct brk_chains *c = calloc(1, sizeof *c);
    if (c && pthread_mutex_init(&c->lock, NULL) != 0) {
        free(c);
        return NULL;
    }
    return c;
}

void brk_chains_free(struct brk_chains *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < BRK_CHAINS_KEPT; i++)
        vd_key_unref(c->item[i].key);
    (void)pthread_mutex_destroy(&c->lock);
    free(c);
}

static struct vd_key *recall(struct brk_chains *c, const uint8_t digest[32], int64_t now)
{
    struct vd_key *key = NULL;
    (void)pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < BRK_CHAINS_KEPT && !key; i++) {
        const struct kept *k = &c->item[i];
        if (k->key && now < k->until &&
            vd_span_eq(vd_span_of(k->digest, 32), vd_span_of(digest, 32)))
            key = vd_key_ref(k->key);
    }
    (void)pthread_mutex_unlock(&c->lock);
    return key;
}

static void remember(struct brk_chains *c, const uint8_t digest[32], struct vd_key *key,
                     int64_t until)
{
    (void)pthread_mutex_lock(&c->lock);
    struct kept *k = &c->item[c->next];
    c->next = (c->next + 1) % BRK_CHAINS_KEPT;
    vd_key_unref(k->key);
    memcpy(k->digest, digest, 32);
    k->key = vd_key_ref(key);
    k->until = until;
    (void)pthread_mutex_unlock(&c->lock);
}

struct chain {
    struct vd_cert *cert[BRK_X5C_MAX];
    size_t n;
};

static void chain_done(struct chain *c)
{
    for (size_t i = 0; i < c->n; i++)
        vd_cert_unref(c->cert[i]);
    c->n = 0;
}

static vd_rc chain_read(vd_jv x5c, struct chain *c, vd_err *err)
{
    if (!vd_jv_is(x5c, VD_JSON_ARRAY) || vd_jv_count(x5c) == 0)
        return vd_fail(err, VD_E_PASSPORT_KEY, "the header's jwk has no x5c chain");
    if (vd_jv_count(x5c) > BRK_X5C_MAX)
        return vd_fail(err, VD_E_PASSPORT_KEY, "x5c has more than %d certificates", BRK_X5C_MAX);
    vd_jv_iter each = vd_jv_iter_of(x5c);
    while (vd_jv_next(&each)) {
        VD_AUTO_BUF der = vd_buf_of(BRK_X5C_CERT_BYTES);
        if (vd_jv_b64(each.value, VD_B64_STD, &der, err).code != VD_E_OK)
            return VD_RC(VD_E_PASSPORT_KEY);
        if (vd_cert_parse(vd_buf_span(&der), &c->cert[c->n], err).code != VD_E_OK)
            return VD_RC(VD_E_PASSPORT_KEY);
        c->n++;
    }
    return VD_OK;
}

/* The rule that keeps every other certificate of the same CA from making passports. */
static vd_rc name_check(const struct brk_issuer *issuer, const struct vd_cert *leaf, vd_err *err)
{
    VD_AUTO_BUF cn = vd_buf_of(1024);
    if (vd_cert_has_san_dns(leaf, issuer->leaf_name))
        return VD_OK;
    if (vd_cert_subject_cn(leaf, &cn, NULL).code == VD_E_OK &&
        vd_span_eq_str(vd_buf_span(&cn), issuer->leaf_name))
        return VD_OK;
    return vd_fail(err, VD_E_PASSPORT_KEY, "the leaf certificate is not named %s",
                   issuer->leaf_name);
}

static vd_rc chain_check(const struct brk_issuer *issuer, const struct chain *c,
                         const struct vd_key *jwk, int64_t now, int64_t *ret_until, vd_err *err)
{
    const struct vd_chain_opts opts = { .at = now, .check_time = true, .max_depth = BRK_X5C_MAX };
    VD_AUTO(vd_key_unref) struct vd_key *leaf_key = vd_cert_key(c->cert[0]);
    if (!leaf_key || !vd_key_same(leaf_key, jwk))
        return vd_fail(err, VD_E_PASSPORT_KEY, "the leaf certificate of x5c is for another key");
    VD_TRY(name_check(issuer, c->cert[0], err));
    if (vd_chain_verify(c->cert[0], c->cert + 1, c->n - 1, issuer->anchors->item,
                        issuer->anchors->n, &opts, err)
            .code != VD_E_OK)
        return VD_RC(VD_E_PASSPORT_KEY);
    int64_t until = now + BRK_CHAIN_SECONDS;
    for (size_t i = 0; i < c->n; i++)
        if (vd_cert_not_after(c->cert[i]) < until)
            until = vd_cert_not_after(c->cert[i]);
    *ret_until = until;
    return VD_OK;
}

vd_rc brk_x5c_key(const struct brk_issuer *issuer, vd_jv header_jwk, int64_t now,
                  struct vd_key **ret, vd_err *err)
{
    uint8_t digest[32];
    int64_t until = 0;
    if (!vd_jv_is(header_jwk, VD_JSON_OBJECT))
        return vd_fail(err, VD_E_PASSPORT_KEY, "the header has no jwk with an x5c chain");
    VD_TRY(vd_hash_of(VD_SHA256, vd_jv_raw(header_jwk), digest, err));
    struct vd_key *known = recall(issuer->chains, digest, now);
    if (known) {
        *ret = known;
        return VD_OK;
    }
    VD_AUTO(vd_key_unref) struct vd_key *jwk = NULL;
    if (vd_key_from_jwk(header_jwk, VD_KEY_VERIFY, &jwk, err).code != VD_E_OK)
        return VD_RC(VD_E_PASSPORT_KEY);

    __attribute__((cleanup(chain_done))) struct chain chain = { 0 };
    VD_TRY(chain_read(vd_jv_get(header_jwk, "x5c"), &chain, err));
    VD_TRY(chain_check(issuer, &chain, jwk, now, &until, err));
    remember(issuer->chains, digest, jwk, until);
    *ret = VD_TAKE(jwk);
    return VD_OK;
}
