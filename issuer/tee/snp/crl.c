/* CRL checks and their results; see crl.h. A result is filed under the number of the CRL's bytes,
 * so a new CRL is a new check, and it counts from the time of the check to the CRL's nextUpdate. */
#include "issuer/tee/snp/crl.h"

#include <pthread.h>

#include "issuer/tee/snp/collateral.h"

struct result {
    const struct snp_root *root;
    enum snp_signing_key kind;
    uint64_t item;
    bool revoked;
    int64_t from;
    int64_t until; /* exclusive */
};
enum { RESULTS = 2 * SNP_ROOTS_MAX };

struct snp_crls {
    pthread_mutex_t lock;
    struct result result[RESULTS];
    size_t n;
};

vd_rc snp_crls_new(struct snp_crls **ret, vd_err *err)
{
    VD_AUTO(free) struct snp_crls *c = calloc(1, sizeof *c);
    if (!c || pthread_mutex_init(&c->lock, NULL) != 0)
        return vd_fail(err, VD_E_NOMEM, "snp crl results");
    *ret = VD_TAKE(c);
    return VD_OK;
}

void snp_crls_free(struct snp_crls *c)
{
    if (!c)
        return;
    (void)pthread_mutex_destroy(&c->lock);
    free(c);
}

/* One place per root and kind. */
static struct result *place_of(struct snp_crls *c, const struct snp_crl_ask *ask)
{
    for (size_t i = 0; i < c->n; i++)
        if (c->result[i].root == ask->root && c->result[i].kind == ask->kind)
            return &c->result[i];
    if (c->n == RESULTS)
        return NULL;
    c->result[c->n] = (struct result){ .root = ask->root, .kind = ask->kind };
    return &c->result[c->n++];
}

static bool find_result(struct snp_crls *c, const struct snp_crl_ask *ask, uint64_t item,
                        bool *ret_revoked)
{
    (void)pthread_mutex_lock(&c->lock);
    struct result *r = place_of(c, ask);
    bool good = r && r->item == item && ask->now >= r->from && ask->now < r->until;
    *ret_revoked = good && r->revoked;
    (void)pthread_mutex_unlock(&c->lock);
    return good;
}

static void keep_result(struct snp_crls *c, const struct snp_crl_ask *ask, uint64_t item,
                        bool revoked, int64_t until)
{
    (void)pthread_mutex_lock(&c->lock);
    struct result *r = place_of(c, ask);
    if (r) {
        r->item = item;
        r->revoked = revoked;
        r->from = ask->now;
        r->until = until;
    }
    (void)pthread_mutex_unlock(&c->lock);
}

static vd_rc check_bytes(struct snp_crls *c, const struct snp_crl_ask *ask,
                         const struct iss_collateral_item *item, bool *ret_revoked, vd_err *err)
{
    VD_AUTO(vd_crl_unref) struct vd_crl *crl = NULL;
    vd_err cause = { 0 };
    if (vd_crl_parse(iss_collateral_item_bytes(item), &crl, &cause).code != VD_E_OK)
        return vd_fail(err, VD_E_SIG, "snp: the CRL cannot be read: %s", cause.msg);
    vd_rc_ rc = vd_crl_check(crl, ask->root->ark, ask->now, &cause);
    if (rc.code != VD_E_OK)
        return vd_fail(err, rc.code == VD_E_COLLATERAL_EXPIRED ? VD_E_COLLATERAL_EXPIRED : VD_E_SIG,
                       "snp: the CRL of %s is not good: %s", snp_line_name(ask->root->line),
                       cause.msg);
    const struct vd_cert *middle = ask->kind == SNP_KEY_VCEK ? ask->root->ask : ask->root->asvk;
    *ret_revoked = vd_crl_lists(crl, middle);
    keep_result(c, ask, iss_collateral_item_id(item), *ret_revoked, vd_crl_next_update(crl));
    return VD_OK;
}

vd_rc snp_crls_check(struct snp_crls *c, const struct snp_crl_ask *ask, bool *ret_checked,
                     vd_err *err)
{
    VD_AUTO(iss_collateral_item_unref) struct iss_collateral_item *item = NULL;
    VD_AUTO_BUF key = vd_buf_of(ISS_COLLATERAL_KEY_MAX);
    snp_crl_key(ask->root->line, ask->kind == SNP_KEY_VLEK,
                ask->root->simulated ? ask->root->ark_sha256 : NULL, &key);
    VD_TRY(vd_buf_check(&key, err));
    vd_err cause = { .code = VD_E_COLLATERAL, .msg = "no collateral is configured" };
    if (ask->collateral) {
        vd_err_clear(&cause);
        vd_rc_ rc = iss_collateral_find(
            ask->collateral, snp_collateral_crl.name, vd_buf_span(&key), ask->source,
            ask->require ? ISS_COLLATERAL_WAIT : ISS_COLLATERAL_NO_WAIT, &item, &cause);
        /* there, but unreadable or no CRL at all: that is not the same as absent */
        if (rc.code == VD_E_FILE || rc.code == VD_E_NOMEM || rc.code == VD_E_INTERNAL)
            return vd_fail(err, VD_E_COLLATERAL, "snp: CRL: %s", cause.msg);
    }
    if (!item && ask->require)
        return vd_fail(err, VD_E_COLLATERAL,
                       "snp: tee.snp.crl = \"require\", and there is no CRL of %s: %s",
                       snp_line_name(ask->root->line), cause.msg);
    *ret_checked = item != NULL;
    if (!item)
        return VD_OK;
    bool revoked = false;
    if (!find_result(c, ask, iss_collateral_item_id(item), &revoked))
        VD_TRY(check_bytes(c, ask, item, &revoked, err));
    if (revoked)
        return vd_fail(err, VD_E_REVOKED, "snp: the %s of %s is revoked",
                       ask->kind == SNP_KEY_VCEK ? "ASK" : "ASVK", snp_line_name(ask->root->line));
    return VD_OK;
}
