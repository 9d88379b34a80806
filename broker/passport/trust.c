/* Views of the trusted issuers; see trust.h. */
#include "broker/passport/trust.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "broker/passport/trust_priv.h"

enum { ROWS_MAX = 1024 };

static struct brk_trust_view *view_new(size_t n)
{
    struct brk_trust_view *v = calloc(1, sizeof *v + n * sizeof v->row[0]);
    if (v) {
        atomic_init(&v->refs, 1);
        v->n = n;
    }
    return v;
}

void brk_trust_view_unref(struct brk_trust_view *v)
{
    if (!v || atomic_fetch_sub_explicit(&v->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < v->n; i++) {
        brk_issuer_unref(v->row[i].issuer);
        brk_keyset_unref(v->row[i].keys);
        brk_revocation_unref(v->row[i].revoked);
    }
    free(v);
}

struct brk_trust_view *brk_trust_view(struct brk_trust *t)
{
    (void)pthread_mutex_lock(&t->lock);
    struct brk_trust_view *v = t->view;
    atomic_fetch_add_explicit(&v->refs, 1, memory_order_relaxed);
    (void)pthread_mutex_unlock(&t->lock);
    return v;
}

const struct brk_trust_row *brk_trust_by_name(const struct brk_trust_view *v, const char *name)
{
    for (size_t i = 0; i < v->n; i++)
        if (strcmp(v->row[i].issuer->name, name) == 0)
            return &v->row[i];
    return NULL;
}

const struct brk_trust_row *brk_trust_by_issuer(const struct brk_trust_view *v, const char *issuer)
{
    for (size_t i = 0; i < v->n; i++)
        if (strcmp(v->row[i].issuer->issuer, issuer) == 0)
            return &v->row[i];
    return NULL;
}

uint64_t brk_trust_epoch(const struct brk_trust *t)
{
    return atomic_load_explicit(&t->epoch, memory_order_acquire);
}

vd_rc brk_trust_new(const struct brk_trust_cfg *cfg, struct brk_trust **ret, vd_err *err)
{
    VD_AUTO(brk_trust_free) struct brk_trust *t = calloc(1, sizeof *t);
    pthread_condattr_t attr;
    if (!t)
        return vd_fail(err, VD_E_NOMEM, "trusted issuers");
    t->cfg = *cfg;
    (void)pthread_mutex_init(&t->lock, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&t->wake, &attr);
    (void)pthread_cond_init(&t->done, &attr);
    (void)pthread_condattr_destroy(&attr);
    t->view = view_new(0);
    t->cache = brk_cache_new(cfg->limits->passport_cache);
    t->seen = brk_seen_new(cfg->store, cfg->log);
    if (!t->view || !t->cache || !t->seen)
        return vd_fail(err, VD_E_NOMEM, "trusted issuers");
    t->view->epoch = 1;
    atomic_store(&t->epoch, 1);
    *ret = VD_TAKE(t);
    return VD_OK;
}

void brk_trust_free(struct brk_trust *t)
{
    if (!t)
        return;
    brk_refresh_stop(t);
    brk_trust_view_unref(t->view);
    brk_cache_free(t->cache);
    brk_seen_free(t->seen);
    (void)pthread_cond_destroy(&t->wake);
    (void)pthread_cond_destroy(&t->done);
    (void)pthread_mutex_destroy(&t->lock);
    free(t);
}

/* Keys of administrators never sign passports: one stolen key would be worth both. */
static vd_rc disjoint(const struct brk_trust *t, const struct brk_keyset *keys, vd_err *err)
{
    for (size_t i = 0; t->cfg.auth && keys && i < keys->n; i++)
        if (vd_auth_has_key(t->cfg.auth, keys->item[i].key))
            return vd_fail(err, VD_E_SETTING,
                           "the key %s is an administrator's; passports need keys of "
                           "their own",
                           keys->item[i].thumbprint);
    return VD_OK;
}

static struct brk_mark mark_of(const struct brk_keyset *keys)
{
    return (struct brk_mark){ .seq = keys->seq, .iat = keys->iat };
}

/* Is the set at least as new as every one before it? Then it is the newest from now on. */
static vd_rc newest(struct brk_trust *t, const struct brk_issuer *issuer,
                    const struct brk_keyset *keys, vd_err *err)
{
    return keys ? brk_seen_pass(t->seen, issuer->issuer, BRK_SEEN_JWKS, mark_of(keys), err) : VD_OK;
}

static vd_rc free_place(const struct brk_trust_view *v, const struct brk_issuer *issuer,
                        vd_err *err)
{
    for (size_t i = 0; i < v->n; i++) {
        const struct brk_issuer *there = v->row[i].issuer;
        if (strcmp(there->name, issuer->name) != 0 && strcmp(there->issuer, issuer->issuer) == 0)
            return vd_fail(err, VD_E_SETTING, "the issuer \"%.80s\" is already trusted, as %s",
                           issuer->issuer, there->name);
    }
    return VD_OK;
}

vd_rc brk_trust_check(struct brk_trust *t, const struct brk_trust_row *row, vd_err *err)
{
    VD_AUTO(brk_trust_view_unref) struct brk_trust_view *v = brk_trust_view(t);
    VD_TRY(disjoint(t, row->keys, err));
    VD_TRY(free_place(v, row->issuer, err));
    return row->keys ? brk_seen_check(t->seen, row->issuer->issuer, BRK_SEEN_JWKS,
                                      mark_of(row->keys), err)
                     : VD_OK;
}

/* A copy of the present view with references of its own, `extra` empty rows at its end. */
static struct brk_trust_view *view_copy(const struct brk_trust_view *old, size_t extra)
{
    struct brk_trust_view *v = view_new(old->n + extra);
    for (size_t i = 0; v && i < old->n; i++) {
        v->row[i] = old->row[i];
        (void)brk_issuer_ref(v->row[i].issuer);
        (void)brk_keyset_ref(v->row[i].keys);
        (void)brk_revocation_ref(v->row[i].revoked);
    }
    return v;
}

/* With the lock held. The old view goes when its last reader does. */
static void view_install(struct brk_trust *t, struct brk_trust_view *v)
{
    struct brk_trust_view *old = t->view;
    v->epoch = old->epoch + 1;
    t->view = v;
    atomic_store_explicit(&t->epoch, v->epoch, memory_order_release);
    brk_trust_view_unref(old);
    (void)pthread_cond_broadcast(&t->wake);
}

static struct brk_trust_row *row_of(struct brk_trust_view *v, const char *name)
{
    for (size_t i = 0; i < v->n; i++)
        if (v->row[i].issuer && strcmp(v->row[i].issuer->name, name) == 0)
            return &v->row[i];
    return NULL;
}

static vd_rc add_locked(struct brk_trust *t, const struct brk_trust_row *row, vd_err *err)
{
    VD_TRY(free_place(t->view, row->issuer, err));
    if (row_of(t->view, row->issuer->name))
        return vd_fail(err, VD_E_SETTING, "the name %s is taken", row->issuer->name);
    if (t->view->n >= ROWS_MAX)
        return vd_fail(err, VD_E_SETTING, "there are %d trusted issuers already", ROWS_MAX);
    struct brk_trust_view *v = view_copy(t->view, 1);
    if (!v)
        return vd_fail(err, VD_E_NOMEM, "trusted issuers");
    v->row[v->n - 1] = *row;
    view_install(t, v);
    return VD_OK;
}

vd_rc brk_trust_add(struct brk_trust *t, const struct brk_trust_row *row, vd_err *err)
{
    VD_TRY(disjoint(t, row->keys, err));
    VD_TRY(newest(t, row->issuer, row->keys, err));
    (void)pthread_mutex_lock(&t->lock);
    vd_rc_ rc = add_locked(t, row, err);
    (void)pthread_mutex_unlock(&t->lock);
    return rc;
}

/* What an issuer has revoked stays revoked while its entry is edited. */
static void keep_statement(const struct brk_trust_row *old, struct brk_trust_row *r)
{
    if (r->revoked || !r->issuer->revocation_url ||
        strcmp(old->issuer->issuer, r->issuer->issuer) != 0)
        return;
    r->revoked = brk_revocation_ref(old->revoked);
    if (r->revoked)
        atomic_store(&r->issuer->statement.good_until, r->revoked->exp);
}

static vd_rc replace_locked(struct brk_trust *t, const struct brk_trust_row *row, vd_err *err)
{
    VD_TRY(free_place(t->view, row->issuer, err));
    if (!row_of(t->view, row->issuer->name))
        return vd_fail(err, VD_E_NOT_FOUND, "there is no trusted issuer %s", row->issuer->name);
    struct brk_trust_view *v = view_copy(t->view, 0);
    if (!v)
        return vd_fail(err, VD_E_NOMEM, "trusted issuers");
    struct brk_trust_row *r = row_of(v, row->issuer->name);
    struct brk_trust_row old = *r;
    *r = *row;
    keep_statement(&old, r);
    brk_issuer_unref(old.issuer);
    brk_keyset_unref(old.keys);
    brk_revocation_unref(old.revoked);
    view_install(t, v);
    return VD_OK;
}

vd_rc brk_trust_replace(struct brk_trust *t, const struct brk_trust_row *row, vd_err *err)
{
    VD_TRY(disjoint(t, row->keys, err));
    VD_TRY(newest(t, row->issuer, row->keys, err));
    (void)pthread_mutex_lock(&t->lock);
    vd_rc_ rc = replace_locked(t, row, err);
    (void)pthread_mutex_unlock(&t->lock);
    return rc;
}

vd_rc brk_trust_suspend(struct brk_trust *t, const char *name, bool suspended, uint64_t version,
                        vd_err *err)
{
    vd_rc_ rc = VD_OK;
    (void)pthread_mutex_lock(&t->lock);
    struct brk_trust_view *v = view_copy(t->view, 0);
    struct brk_trust_row *r = v ? row_of(v, name) : NULL;
    if (r) {
        r->suspended = suspended;
        r->version = version;
        view_install(t, v);
    } else {
        rc = v ? vd_fail(err, VD_E_NOT_FOUND, "there is no trusted issuer %.64s", name)
               : vd_fail(err, VD_E_NOMEM, "trusted issuers");
        brk_trust_view_unref(v);
    }
    (void)pthread_mutex_unlock(&t->lock);
    return rc;
}

vd_rc brk_trust_remove(struct brk_trust *t, const char *name, vd_err *err)
{
    vd_rc_ rc = VD_OK;
    (void)pthread_mutex_lock(&t->lock);
    struct brk_trust_view *v = view_copy(t->view, 0);
    struct brk_trust_row *r = v ? row_of(v, name) : NULL;
    if (r) {
        brk_issuer_unref(r->issuer);
        brk_keyset_unref(r->keys);
        brk_revocation_unref(r->revoked);
        *r = v->row[v->n - 1];
        v->n--;
        view_install(t, v);
    } else {
        rc = v ? vd_fail(err, VD_E_NOT_FOUND, "there is no trusted issuer %.64s", name)
               : vd_fail(err, VD_E_NOMEM, "trusted issuers");
        brk_trust_view_unref(v);
    }
    (void)pthread_mutex_unlock(&t->lock);
    return rc;
}

static vd_rc set_keys_locked(struct brk_trust *t, const struct brk_issuer *issuer,
                             struct brk_keyset *keys, vd_err *err)
{
    const struct brk_trust_row *now = row_of(t->view, issuer->name);
    if (!now || now->issuer != issuer)
        return VD_OK; /* replaced or removed while its keys were on the way */
    if (now->keys == keys || (now->keys && keys && brk_keyset_same(now->keys, keys)))
        return VD_OK;
    struct brk_trust_view *v = view_copy(t->view, 0);
    if (!v)
        return vd_fail(err, VD_E_NOMEM, "trusted issuers");
    struct brk_trust_row *r = row_of(v, issuer->name);
    brk_keyset_unref(r->keys);
    r->keys = brk_keyset_ref(keys);
    view_install(t, v);
    return VD_OK;
}

vd_rc brk_trust_set_keys(struct brk_trust *t, const struct brk_issuer *issuer,
                         struct brk_keyset *keys, vd_err *err)
{
    VD_TRY(disjoint(t, keys, err));
    VD_TRY(newest(t, issuer, keys, err));
    (void)pthread_mutex_lock(&t->lock);
    vd_rc_ rc = set_keys_locked(t, issuer, keys, err);
    (void)pthread_mutex_unlock(&t->lock);
    return rc;
}

static vd_rc set_revoked_locked(struct brk_trust *t, const struct brk_issuer *issuer,
                                struct brk_revocation *revoked, vd_err *err)
{
    const struct brk_trust_row *now = row_of(t->view, issuer->name);
    if (!now || now->issuer != issuer)
        return VD_OK; /* replaced or removed while it was on the way */
    if (now->revoked && brk_revocation_same(now->revoked, revoked))
        return VD_OK;
    struct brk_trust_view *v = view_copy(t->view, 0);
    if (!v)
        return vd_fail(err, VD_E_NOMEM, "trusted issuers");
    struct brk_trust_row *r = row_of(v, issuer->name);
    brk_revocation_unref(r->revoked);
    r->revoked = brk_revocation_ref(revoked);
    view_install(t, v);
    return VD_OK;
}

vd_rc brk_trust_set_revoked(struct brk_trust *t, const struct brk_issuer *issuer,
                            struct brk_revocation *revoked, vd_err *err)
{
    (void)pthread_mutex_lock(&t->lock);
    vd_rc_ rc = set_revoked_locked(t, issuer, revoked, err);
    (void)pthread_mutex_unlock(&t->lock);
    return rc;
}

vd_rc brk_trust_marks(struct brk_trust *t, const struct brk_issuer *issuer,
                      struct brk_mark ret[BRK_SEEN_MAX], vd_err *err)
{
    return brk_seen_get(t->seen, issuer->issuer, ret, err);
}

vd_rc brk_trust_reset(struct brk_trust *t, const char *name, vd_err *err)
{
    VD_AUTO(brk_trust_view_unref) struct brk_trust_view *v = brk_trust_view(t);
    const struct brk_trust_row *row = brk_trust_by_name(v, name);
    if (!row)
        return vd_fail(err, VD_E_NOT_FOUND, "there is no trusted issuer %.64s", name);
    VD_TRY(brk_seen_reset(t->seen, row->issuer->issuer, err));
    if (row->issuer->source == BRK_KEYS_FILE) {
        VD_AUTO(brk_keyset_unref) struct brk_keyset *keys = NULL;
        VD_TRY(brk_keyset_read(row->issuer->where, &keys, err));
        VD_TRY(brk_trust_set_keys(t, row->issuer, keys, err));
    }
    (void)pthread_mutex_lock(&t->lock);
    row->issuer->fetch.etag[0] = '\0';
    row->issuer->fetch.next = 0;
    row->issuer->statement.next = 0;
    (void)pthread_cond_broadcast(&t->wake);
    (void)pthread_mutex_unlock(&t->lock);
    return VD_OK;
}

void brk_trust_stats(const struct brk_trust *t, struct brk_trust_stats *ret)
{
    ret->hits = atomic_load_explicit(&t->hits, memory_order_relaxed);
    ret->accepted = atomic_load_explicit(&t->accepted, memory_order_relaxed);
    ret->refused = atomic_load_explicit(&t->refused, memory_order_relaxed);
}
