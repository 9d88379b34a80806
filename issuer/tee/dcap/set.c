/* Sets of verified collateral; see set_priv.h. The set belongs to one CA: a PCK CRL is good only
 * under the very CA that the quote's certificate comes from, or the usually empty list of the other
 * CA could be put in its place. */
#include "issuer/tee/dcap/set_priv.h"

#include "issuer/tee/dcap/check_priv.h"
#include "shared/crypto/hash.h"

static const char *const names[] = {
    [DCAP_TCB_INFO] = "TCB info",
    [DCAP_TCB_INFO_CHAIN] = "issuer chain of the TCB info",
    [DCAP_IDENTITY] = "identity of the quoting enclave",
    [DCAP_IDENTITY_CHAIN] = "issuer chain of the quoting enclave's identity",
    [DCAP_PCK_CRL] = "PCK CRL",
    [DCAP_PCK_CRL_CHAIN] = "issuer chain of the PCK CRL",
    [DCAP_ROOT_CRL] = "root CA CRL",
};
_Static_assert(sizeof names / sizeof names[0] == DCAP_ITEM_MAX, "one name for each item");

const char *dcap_item_name(enum dcap_item item)
{
    return item < DCAP_ITEM_MAX ? names[item] : "unknown";
}

void dcap_set_unref(struct dcap_set *s)
{
    if (!s || __atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    dcap_tcb_info_unref(s->info);
    dcap_identity_unref(s->identity);
    dcap_crl_done(&s->pck_crl);
    dcap_crl_done(&s->root_crl);
    free(s);
}

struct items {
    vd_span bytes[DCAP_ITEM_MAX];
};

static struct items items_of(const struct dcap_collateral *c)
{
    return (struct items){ .bytes = {
                               [DCAP_TCB_INFO] = c->tcb_info,
                               [DCAP_TCB_INFO_CHAIN] = c->tcb_info_chain,
                               [DCAP_IDENTITY] = c->identity,
                               [DCAP_IDENTITY_CHAIN] = c->identity_chain,
                               [DCAP_PCK_CRL] = c->pck_crl,
                               [DCAP_PCK_CRL_CHAIN] = c->pck_crl_chain,
                               [DCAP_ROOT_CRL] = c->root_crl,
                           } };
}

static vd_rc check_complete(const struct items *in, const struct dcap_trust *t, vd_err *err)
{
    const uint8_t *f = t->pck.fmspc;
    for (unsigned i = 0; i < DCAP_ITEM_MAX; i++)
        if (in->bytes[i].n == 0 && i != DCAP_PCK_CRL_CHAIN)
            return vd_fail(err, VD_E_COLLATERAL,
                           "collateral is missing: %s (FMSPC %02x%02x%02x%02x%02x%02x, %s CA)",
                           names[i], f[0], f[1], f[2], f[3], f[4], f[5], dcap_ca_name(t->ca));
    return VD_OK;
}

/* An item counts by its number, or by its digest when it has none. */
static vd_rc make_key(const struct items *in, const struct dcap_collateral *coll,
                      const struct dcap_issuer *issuer, uint8_t ret[DCAP_HASH], vd_err *err)
{
    VD_AUTO_BUF key = vd_buf_of(512);
    vd_buf_add(&key, vd_span_of(issuer->hash, DCAP_HASH));
    for (unsigned i = 0; i < DCAP_ITEM_MAX; i++) {
        uint64_t id = coll->id[i];
        uint8_t digest[DCAP_HASH];
        vd_buf_u8(&key, id != 0);
        if (id == 0)
            VD_TRY(vd_hash_of(VD_SHA256, in->bytes[i], digest, err));
        if (id == 0)
            vd_buf_add(&key, vd_span_of(digest, sizeof digest));
        else
            vd_buf_le(&key, id, 8);
    }
    VD_TRY(vd_buf_check(&key, err));
    return vd_hash_of(VD_SHA256, vd_buf_span(&key), ret, err);
}

static vd_rc check_signer(const struct dcap_set *s, const struct dcap_signer *signer,
                          const struct dcap_trust *t, enum dcap_item item, vd_err *err)
{
    if (signer->root != t->root)
        return vd_fail(err, VD_E_COLLATERAL_CHAIN, "%s: under another root than the quote",
                       names[item]);
    if (dcap_crl_lists(&s->root_crl, signer->serial))
        return vd_fail(err, VD_E_REVOKED, "%s: its signer is revoked", names[item]);
    return VD_OK;
}

static vd_rc verify_crls(struct dcap_cache *c, const struct dcap_trust *t, const struct items *in,
                         struct dcap_set *s, vd_err *err)
{
    const struct dcap_root *root = NULL;
    VD_TRY(dcap_root_crl_check(c->roots, in->bytes[DCAP_ROOT_CRL], &s->root_crl, &root, err));
    if (root != t->root)
        return vd_fail(err, VD_E_COLLATERAL_SIG, "root CA CRL: of another root than the quote's");
    vd_err cause = { 0 };
    vd_rc_ rc = dcap_crl_by(dcap_issuer_subject(t->issuer), t->issuer->key, in->bytes[DCAP_PCK_CRL],
                            &s->pck_crl, &cause);
    if (rc.code != VD_E_OK)
        return vd_fail(err, rc.code, "PCK CRL (%s CA of the quote): %s", dcap_ca_name(t->ca),
                       cause.msg);
    s->window[DCAP_ROOT_CRL] = s->root_crl.window;
    s->window[DCAP_PCK_CRL] = s->pck_crl.window;
    s->window[DCAP_PCK_CRL_CHAIN] =
        (struct dcap_window){ .begin = t->issuer->from, .end = t->issuer->until };
    if (in->bytes[DCAP_PCK_CRL_CHAIN].n > 0) {
        struct dcap_ca_chain chain = { 0 };
        VD_TRY(
            dcap_ca_chain_check(c->roots, in->bytes[DCAP_PCK_CRL_CHAIN], t->issuer, &chain, err));
        VD_AUTO(vd_key_unref) struct vd_key *theirs = chain.key;
        if (chain.root != t->root || chain.ca != t->ca || !vd_key_same(theirs, t->issuer->key))
            return vd_fail(err, VD_E_COLLATERAL_CHAIN,
                           "issuer chain of the PCK CRL: not of the quote's own %s CA",
                           dcap_ca_name(t->ca));
        s->window[DCAP_PCK_CRL_CHAIN] = chain.window;
    }
    if (dcap_crl_lists(&s->root_crl, t->issuer->serial))
        return vd_fail(err, VD_E_REVOKED, "PCK chain: the %s CA is revoked", dcap_ca_name(t->ca));
    return VD_OK;
}

static vd_rc chain_of(struct dcap_cache *c, const struct items *in, enum dcap_item item,
                      struct dcap_signer *ret, vd_err *err)
{
    vd_err cause = { 0 };
    vd_rc_ rc = dcap_signer_check(c->roots, in->bytes[item], ret, &cause);
    return rc.code == VD_E_OK ? VD_OK : vd_fail(err, rc.code, "%s: %s", names[item], cause.msg);
}

static vd_rc verify_documents(struct dcap_cache *c, const struct dcap_trust *t,
                              const struct items *in, struct dcap_set *s, vd_err *err)
{
    DCAP_AUTO_SIGNER info = { 0 };
    DCAP_AUTO_SIGNER identity = { 0 };
    VD_TRY(chain_of(c, in, DCAP_TCB_INFO_CHAIN, &info, err));
    /* as a rule both documents come with the same chain */
    if (vd_span_eq(in->bytes[DCAP_TCB_INFO_CHAIN], in->bytes[DCAP_IDENTITY_CHAIN])) {
        identity = info;
        identity.key = vd_key_ref(info.key);
    } else {
        VD_TRY(chain_of(c, in, DCAP_IDENTITY_CHAIN, &identity, err));
    }
    vd_err cause = { 0 };
    vd_rc_ rc = dcap_tcb_info_by(&info, in->bytes[DCAP_TCB_INFO], &s->info, &cause);
    if (rc.code != VD_E_OK)
        return vd_fail(err, rc.code, "TCB info: %s", cause.msg);
    rc = dcap_identity_by(&identity, in->bytes[DCAP_IDENTITY], &s->identity, &cause);
    if (rc.code != VD_E_OK)
        return vd_fail(err, rc.code, "identity of the quoting enclave: %s", cause.msg);
    VD_TRY(check_signer(s, &info, t, DCAP_TCB_INFO_CHAIN, err));
    VD_TRY(check_signer(s, &identity, t, DCAP_IDENTITY_CHAIN, err));
    s->window[DCAP_TCB_INFO] =
        (struct dcap_window){ .begin = s->info->issue_date, .end = s->info->next_update };
    s->window[DCAP_IDENTITY] =
        (struct dcap_window){ .begin = s->identity->issue_date, .end = s->identity->next_update };
    s->window[DCAP_TCB_INFO_CHAIN] = info.window;
    s->window[DCAP_IDENTITY_CHAIN] = identity.window;
    s->earliest = info.earliest < identity.earliest ? info.earliest : identity.earliest;
    return VD_OK;
}

static void sum_up(struct dcap_set *s)
{
    s->latest = s->window[0].begin;
    s->until = s->window[0].end;
    for (unsigned i = 0; i < DCAP_ITEM_MAX; i++) {
        const struct dcap_window *w = &s->window[i];
        if (w->begin < s->earliest)
            s->earliest = w->begin;
        if (w->begin > s->latest)
            s->latest = w->begin;
        if (w->end < s->until)
            s->until = w->end;
    }
}

vd_rc dcap_set_get(struct dcap_cache *c, const struct dcap_trust *trust,
                   const struct dcap_collateral *coll, struct dcap_set **ret, vd_err *err)
{
    struct items in = items_of(coll);
    VD_TRY(check_complete(&in, trust, err));
    uint8_t key[DCAP_HASH];
    VD_TRY(make_key(&in, coll, trust->issuer, key, err));
    VD_AUTO(dcap_set_unref) struct dcap_set *s = dcap_kept_find(c, DCAP_KEPT_SET, key);
    if (!s) {
        s = calloc(1, sizeof *s);
        if (!s)
            return vd_fail(err, VD_E_NOMEM, "collateral");
        s->refs = 1;
        VD_TRY(verify_crls(c, trust, &in, s, err));
        VD_TRY(verify_documents(c, trust, &in, s, err));
        sum_up(s);
        dcap_kept_add(c, DCAP_KEPT_SET, key, s);
    }
    *ret = VD_TAKE(s);
    return VD_OK;
}
