/* Changes of revocations and their signed statement; see revocation.h. */
#include "issuer/passport/revocation.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "issuer/passport/revoked.h"
#include "shared/codec/json.h"

enum { STATEMENT_BYTES = 2 << 20, NAME_BYTES = 160, COMPLAIN_SECONDS = 60 };

struct iss_revocations {
    struct iss_revocations_cfg cfg;
    struct iss_keyring *keys;
    pthread_mutex_t change; /* one change at a time; held over store and audit */
    pthread_mutex_t lock;   /* guards what follows */
    struct iss_revoked *now;
    int64_t signed_at;
    uint64_t signed_seq;
    char signed_kid[ISS_KID];
    vd_buf statement;
    bool stale;            /* with `change`: the store is ahead of `now` */
    int64_t complained_at; /* with `change` */
};

/* ---- life ------------------------------------------------------------------------------------ */

static struct iss_revoked *view(struct iss_revocations *r)
{
    (void)pthread_mutex_lock(&r->lock);
    struct iss_revoked *v = r->now;
    atomic_fetch_add_explicit(&v->refs, 1, memory_order_relaxed);
    (void)pthread_mutex_unlock(&r->lock);
    return v;
}

static vd_rc reload(struct iss_revocations *r, vd_err *err)
{
    VD_AUTO(iss_revoked_unref) struct iss_revoked *v = NULL;
    VD_TRY(iss_revoked_load(r->cfg.store, vd_clock_s(&r->cfg.clock), &v, err));
    (void)pthread_mutex_lock(&r->lock);
    struct iss_revoked *old = r->now;
    r->now = VD_TAKE(v);
    (void)pthread_mutex_unlock(&r->lock);
    iss_revoked_unref(old);
    r->stale = false;
    return VD_OK;
}

vd_rc iss_revocations_open(const struct iss_revocations_cfg *cfg, struct iss_keyring *keys,
                           struct iss_revocations **ret, vd_err *err)
{
    VD_AUTO(iss_revocations_free) struct iss_revocations *r = calloc(1, sizeof *r);
    if (!r)
        return vd_fail(err, VD_E_NOMEM, "revocations");
    r->cfg = *cfg;
    r->keys = keys;
    r->statement = vd_buf_of(STATEMENT_BYTES);
    (void)pthread_mutex_init(&r->change, NULL);
    (void)pthread_mutex_init(&r->lock, NULL);
    VD_TRY(reload(r, err));
    *ret = VD_TAKE(r);
    return VD_OK;
}

void iss_revocations_free(struct iss_revocations *r)
{
    if (!r)
        return;
    iss_revoked_unref(r->now);
    vd_buf_done(&r->statement);
    (void)pthread_mutex_destroy(&r->change);
    (void)pthread_mutex_destroy(&r->lock);
    free(r);
}

bool iss_revocations_hit(struct iss_revocations *r, enum iss_revoke type, vd_span value)
{
    VD_AUTO(iss_revoked_unref) struct iss_revoked *v = view(r);
    return type < ISS_REVOKE_BEFORE && iss_revoked_hit(v, type, value);
}

void iss_revocations_tick(struct iss_revocations *r)
{
    vd_err err = { 0 };
    int64_t now = vd_clock_s(&r->cfg.clock);
    VD_AUTO(iss_revoked_unref) struct iss_revoked *v = view(r);
    (void)pthread_mutex_lock(&r->change);
    if ((r->stale || now >= v->drops_at) && reload(r, &err).code != VD_E_OK &&
        now - r->complained_at >= COMPLAIN_SECONDS) {
        r->complained_at = now;
        vd_context(&err, "revocations");
        vd_log_err(r->cfg.log, VD_LOG_ERROR, "passport", &err);
    }
    (void)pthread_mutex_unlock(&r->change);
}

/* ---- changes --------------------------------------------------------------------------------- */

static bool each_of(vd_span s, const char *set)
{
    for (size_t i = 0; i < s.n; i++)
        if (!s.p[i] || !strchr(set, s.p[i]))
            return false;
    return true;
}

static vd_rc check_value(enum iss_revoke type, vd_span v, vd_err *err)
{
    static const char hex[] = "0123456789abcdef";
    static const char b64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    if (type == ISS_REVOKE_JTI && (v.n != 22 || !each_of(v, b64)))
        return vd_fail(err, VD_E_SETTING, "a jti is 22 base64url characters");
    if (type == ISS_REVOKE_POLICY && (v.n != 64 || !each_of(v, hex)))
        return vd_fail(err, VD_E_SETTING, "a policy is named by its SHA-256, 64 lower-case digits");
    if (type == ISS_REVOKE_HW_ID && (v.n == 0 || v.n > ISS_HW_ID_MAX || !each_of(v, hex)))
        return vd_fail(err, VD_E_SETTING,
                       "a hw_id is lower-case hex, at most %d digits, as passports show it",
                       ISS_HW_ID_MAX);
    return VD_OK;
}

static vd_rc before_of(const struct iss_revoked *v, vd_span value, int64_t now, int64_t *ret,
                       vd_err *err)
{
    int64_t at = now;
    if (!vd_span_eq_str(value, "now") && vd_time_parse(value, &at, NULL).code != VD_E_OK)
        return vd_fail(err, VD_E_SETTING, "before is \"now\" or a time, 2026-06-01T00:00:00Z");
    if (at > now)
        return vd_fail(err, VD_E_SETTING, "before is a time that is past");
    if (at <= v->not_before)
        return vd_fail(err, VD_E_EXISTS, "everything before a later time is revoked already");
    *ret = at;
    return VD_OK;
}

static vd_rc body_of(vd_span reason, int64_t before, vd_buf *out, vd_err *err)
{
    if (reason.n > ISS_REVOKE_REASON)
        return vd_fail(err, VD_E_SETTING, "reason has at most %d bytes", ISS_REVOKE_REASON);
    vd_jw w = vd_jw_of(out);
    vd_jw_obj(&w);
    if (before)
        vd_jw_ki64(&w, "not_before", before);
    if (reason.n)
        vd_jw_kspan(&w, "reason", reason);
    vd_jw_end(&w);
    return vd_buf_check(out, err);
}

static vd_rc store(struct iss_revocations *r, const struct iss_actor *who, const char *what,
                   struct vd_put *put, vd_err *err)
{
    put->owner = VD_OWNER_DEFAULT;
    put->kind = ISS_REVOCATION_KIND;
    put->by = who->identity;
    put->now = vd_clock_s(&r->cfg.clock);
    VD_TRY(vd_change(r->cfg.audit, r->cfg.store, what, who->identity, who->role, put, 1, err));
    r->stale = true;
    return reload(r, err);
}

static vd_rc add(struct iss_revocations *r, const struct iss_actor *who, enum iss_revoke type,
                 vd_span value, vd_span reason, vd_err *err)
{
    char name[NAME_BYTES];
    int64_t before = 0;
    VD_AUTO_BUF body = vd_buf_of(4096);
    VD_AUTO(iss_revoked_unref) struct iss_revoked *v = view(r);
    struct vd_put put = { .name = name, .match = VD_MATCH_ANY };
    VD_TRY(check_value(type, value, err));
    if (type == ISS_REVOKE_BEFORE) {
        VD_TRY(before_of(v, value, vd_clock_s(&r->cfg.clock), &before, err));
        (void)snprintf(name, sizeof name, "%s", iss_revoke_name(type));
    } else {
        if (iss_revoked_hit(v, type, value))
            return vd_fail(err, VD_E_EXISTS, "it is revoked already");
        if (iss_revoked_count(v) >= ISS_REVOKED_MAX)
            return vd_fail(err, VD_E_SETTING,
                           "there are %d revocations already; take some back, or revoke all "
                           "passports before a time",
                           ISS_REVOKED_MAX);
        (void)snprintf(name, sizeof name, "%s:%.*s", iss_revoke_name(type), (int)value.n,
                       (const char *)value.p);
    }
    VD_TRY(body_of(reason, before, &body, err));
    put.body = vd_buf_span(&body);
    return store(r, who, "revocation.add", &put, err);
}

vd_rc iss_revocations_add(struct iss_revocations *r, const struct iss_actor *who,
                          enum iss_revoke type, vd_span value, vd_span reason, vd_err *err)
{
    (void)pthread_mutex_lock(&r->change);
    vd_rc_ rc = add(r, who, type, value, reason, err);
    (void)pthread_mutex_unlock(&r->change);
    return rc;
}

vd_rc iss_revocations_remove(struct iss_revocations *r, const struct iss_actor *who,
                             enum iss_revoke type, vd_span value, vd_err *err)
{
    char name[NAME_BYTES];
    struct vd_put put = { .name = name, .match = VD_MATCH_ANY, .remove = true };
    if (type == ISS_REVOKE_BEFORE)
        return vd_fail(err, VD_E_SETTING, "a not-before is not taken back; it only moves on");
    VD_TRY(check_value(type, value, err));
    (void)snprintf(name, sizeof name, "%s:%.*s", iss_revoke_name(type), (int)value.n,
                   (const char *)value.p);
    (void)pthread_mutex_lock(&r->change);
    vd_rc_ rc = iss_revocations_hit(r, type, value)
                    ? store(r, who, "revocation.remove", &put, err)
                    : vd_fail(err, VD_E_NOT_FOUND, "it is not revoked");
    (void)pthread_mutex_unlock(&r->change);
    return rc;
}

/* ---- reading --------------------------------------------------------------------------------- */

static void item_to_json(const struct iss_revoked_item *it, enum iss_revoke type, vd_jw *w)
{
    vd_jw_obj(w);
    vd_jw_kstr(w, "type", iss_revoke_name(type));
    vd_jw_kstr(w, "value", it->value);
    vd_jw_kstr(w, "reason", it->reason);
    vd_jw_key(w, "created_at");
    vd_jw_time(w, it->created_at);
    vd_jw_kstr(w, "created_by", it->created_by);
    vd_jw_end(w);
}

vd_rc iss_revocations_to_json(struct iss_revocations *r, vd_buf *out, vd_err *err)
{
    VD_AUTO(iss_revoked_unref) struct iss_revoked *v = view(r);
    VD_AUTO(iss_signer_free) struct iss_signer *signer = NULL;
    VD_TRY(iss_keyring_signer(r->keys, vd_clock_s(&r->cfg.clock), &signer, err));
    vd_jw w = vd_jw_of(out);
    vd_jw_obj(&w);
    vd_jw_ku64(&w, "seq", v->edition.seq);
    vd_jw_kstr(&w, "kid", signer->kid);
    vd_jw_key(&w, "not_before");
    if (v->not_before)
        vd_jw_time(&w, v->not_before);
    else
        vd_jw_null(&w);
    vd_jw_key(&w, "items");
    vd_jw_arr(&w);
    for (int t = 0; t < ISS_REVOKE_BEFORE; t++)
        for (size_t i = 0; i < v->n[t]; i++)
            item_to_json(&v->item[t][i], (enum iss_revoke)t, &w);
    vd_jw_end(&w);
    vd_jw_key(&w, "next");
    vd_jw_null(&w);
    vd_jw_end(&w);
    return vd_buf_check(out, err);
}

static vd_rc sign(struct iss_revocations *r, const struct iss_signer *signer, int64_t now,
                  vd_err *err)
{
    const struct iss_revoked *v = r->now;
    VD_AUTO_BUF header = vd_buf_of(512);
    VD_AUTO_BUF payload = vd_buf_of(STATEMENT_BYTES);
    VD_AUTO_BUF token = vd_buf_of(STATEMENT_BYTES);
    vd_buf_printf(&header, "{\"alg\":\"%s\",\"typ\":\"vidimus-revocation+jwt\",\"kid\":\"%s\"}",
                  vd_jws_alg_name(signer->alg), signer->kid);
    vd_buf_str(&payload, "{\"iss\":");
    vd_jw w = vd_jw_of(&payload);
    vd_jw_str(&w, r->cfg.issuer);
    vd_buf_printf(&payload, ",\"iat\":%lld,\"exp\":%lld,\"seq\":%llu,", (long long)now,
                  (long long)now + ISS_STATEMENT_SECONDS, (unsigned long long)v->edition.seq);
    vd_buf_add(&payload, vd_buf_span(&v->lists));
    vd_buf_u8(&payload, '}');
    VD_TRY(vd_buf_check(&header, err));
    VD_TRY(vd_buf_check(&payload, err));
    VD_TRY(vd_jws_sign(vd_buf_span(&header), vd_buf_span(&payload), signer->sign, signer->ctx,
                       &token, err));
    vd_buf_reset(&r->statement);
    vd_buf_add(&r->statement, vd_buf_span(&token));
    VD_TRY(vd_buf_check(&r->statement, err));
    r->signed_at = now;
    r->signed_seq = v->edition.seq;
    (void)snprintf(r->signed_kid, sizeof r->signed_kid, "%s", signer->kid);
    return VD_OK;
}

/* Strangers ask for it: one signature a second at most. */
vd_rc iss_revocations_statement(struct iss_revocations *r, vd_buf *out, vd_err *err)
{
    vd_rc_ rc = VD_OK;
    int64_t now = vd_clock_s(&r->cfg.clock);
    VD_AUTO(iss_signer_free) struct iss_signer *signer = NULL;
    VD_TRY(iss_keyring_signer(r->keys, now, &signer, err));
    (void)pthread_mutex_lock(&r->lock);
    if (r->statement.n == 0 || now != r->signed_at || r->signed_seq != r->now->edition.seq ||
        strcmp(r->signed_kid, signer->kid) != 0)
        rc = sign(r, signer, now, err);
    if (rc.code == VD_E_OK)
        vd_buf_add(out, vd_buf_span(&r->statement));
    (void)pthread_mutex_unlock(&r->lock);
    return rc.code == VD_E_OK ? vd_buf_check(out, err) : rc;
}
