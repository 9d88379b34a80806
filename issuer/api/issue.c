/* Issuing: claims -> appraisal -> passport -> durable record -> answer. See issue.h. */
#include "issuer/api/issue.h"

#include "issuer/api/record.h"
#include "shared/codec/b64.h"

enum { PROXY_SAFE = 12288 };

vd_rc iss_work_init(struct iss_work *w, const struct vd_req *req, const char *surface, vd_err *err)
{
    *w = (struct iss_work){
        .app = iss_app_of(req), .req = req, .surface = surface, .policy_base = "default"
    };
    if (!w->app)
        return vd_fail(err, VD_E_INTERNAL, "no application behind the request");
    vd_decision_id(w->decision);
    w->token = vd_buf_of(2 * w->app->max_passport);
    w->list = iss_claims_list_new();
    w->appraisals = iss_appraisals_new();
    if (!w->list || !w->appraisals)
        return vd_fail(err, VD_E_NOMEM, "attestation");
    return VD_OK;
}

void iss_work_done(struct iss_work *w)
{
    iss_claims_list_free(w->list);
    iss_appraisals_free(w->appraisals);
    vd_buf_done(&w->token);
    *w = (struct iss_work){ 0 };
}

static bool is_relay(const struct iss_app *app, const char *source)
{
    for (size_t i = 0; i < app->n_relays; i++)
        if (vd_span_eq_str(vd_span_str(source), app->relays[i]))
            return true;
    return false;
}

static vd_rc over_limit(struct iss_work *w, struct vd_resp *resp, const char *what, vd_err *err)
{
    char seconds[16];
    (void)snprintf(seconds, sizeof seconds, "%u", iss_rate_wait(w->req->now));
    VD_TRY(vd_resp_field(resp, "Retry-After", vd_span_str(seconds), err));
    atomic_fetch_add(&w->app->count.limited, 1);
    return vd_fail(err, VD_E_RATE, "too many attests of one %s in this minute", what);
}

vd_rc iss_work_admit(struct iss_work *w, struct vd_resp *resp, vd_err *err)
{
    const struct vd_limits *limits = w->app->server->limits;
    bool relay = is_relay(w->app, w->req->source);
    uint64_t max = relay ? limits->relays_per_source : limits->attests_per_source;
    if (!iss_rate_take(w->app->rate, 's', vd_span_str(w->req->source), max, w->req->now))
        return over_limit(w, resp, relay ? "relay" : "source", err);
    return VD_OK;
}

vd_rc iss_work_verify(struct iss_work *w, const char *tee, struct iss_evidence *in,
                      const struct iss_plain *plain, vd_err *err)
{
    size_t before = w->list->n;
    if (!iss_tees_enabled(w->app->tees, tee))
        return vd_fail(err, VD_E_EVIDENCE_TEE, "%s: not enabled (tee.%s.enabled)", tee, tee);
    in->now = w->req->now;
    in->collateral = w->app->collateral;
    in->source = w->req->source;
    vd_rc_ rc = iss_tees_verify(w->app->tees, tee, in, w->list, err);
    if (rc.code != VD_E_OK) {
        vd_context(err, tee);
        return rc;
    }
    for (size_t i = before; i < w->list->n && i < ISS_CLAIMS_MAX; i++)
        w->plain[i] = *plain;
    return VD_OK;
}

static vd_rc check_hardware(struct iss_work *w, struct vd_resp *resp, vd_err *err)
{
    const struct vd_limits *limits = w->app->server->limits;
    for (size_t i = 0; i < w->list->n; i++) {
        vd_span id = vd_span_str(w->list->item[i].hw_id);
        if (id.n && !iss_rate_take(w->app->rate, 'h', id, limits->attests_per_source, w->req->now))
            return over_limit(w, resp, "platform", err);
    }
    return VD_OK;
}

static vd_rc mint(struct iss_work *w, vd_err *err)
{
    const struct iss_app *app = w->app;
    const struct iss_passport p = {
        .issuer = app->issuer,
        .now = w->req->now,
        .lifetime = app->lifetime,
        .audience = w->audience,
        .n_audience = w->n_audience,
        .freshness = w->freshness,
        .policy_base = w->policy_base,
        .appraisals = w->appraisals,
    };
    VD_AUTO(iss_signer_free) struct iss_signer *signer = NULL;
    VD_TRY(iss_keyring_signer(app->keys, p.now, &signer, err));
    (void)snprintf(w->kid, sizeof w->kid, "%s", signer->kid);
    VD_TRY(iss_passport_mint(signer, &p, app->max_passport, &w->token, w->jti, err));
    if (w->token.n > PROXY_SAFE)
        vd_log_msg(
            app->server->log, VD_LOG_INFO, "passport",
            "a passport of %zu bytes: proxies may refuse it (passport.event_logs, init data)",
            w->token.n);
    return VD_OK;
}

/* The errors of policies are those of release policies elsewhere; here the guest learns no more
 * than of any other attest that failed, and the operator's message keeps the cause. */
static vd_rc appraise(const struct iss_appraise_in *in, struct iss_appraisals *ret, vd_err *err)
{
    vd_rc_ rc = iss_appraise(in, ret, err);
    if (rc.code == VD_E_POLICY_EVAL || rc.code == VD_E_POLICY_BUDGET ||
        rc.code == VD_E_POLICY_COMPILE)
        err->code = rc.code = VD_E_APPRAISE_EVAL;
    return rc;
}

/* What brokers would refuse by the revocation statement is not minted. */
static vd_rc check_revoked(const struct iss_work *w, vd_err *err)
{
    struct iss_revocations *r = w->app->revocations;
    for (size_t i = 0; i < w->appraisals->n; i++) {
        const struct iss_appraisal *a = &w->appraisals->item[i];
        VD_AUTO_BUF hex = vd_buf_of(2 * sizeof a->policy_sha256);
        vd_hex_encode(vd_span_of(a->policy_sha256, sizeof a->policy_sha256), &hex);
        VD_TRY(vd_buf_check(&hex, err));
        if (iss_revocations_hit(r, ISS_REVOKE_HW_ID, vd_span_str(a->claims->hw_id)))
            return vd_fail(err, VD_E_REVOKED, "the platform %.64s is revoked (vidimus revoke list)",
                           a->claims->hw_id);
        if (iss_revocations_hit(r, ISS_REVOKE_POLICY, vd_buf_span(&hex)))
            return vd_fail(err, VD_E_REVOKED, "the policy %s (%s) is revoked (vidimus revoke list)",
                           a->policy_id, vd_buf_cstr(&hex));
    }
    return VD_OK;
}

vd_rc iss_work_issue(struct iss_work *w, struct vd_resp *resp, vd_err *err)
{
    struct iss_app *app = w->app;
    VD_TRY(vd_server_sound(app->server, err));
    VD_TRY(check_hardware(w, resp, err));
    const struct iss_appraise_in in = {
        .list = w->list,
        .plain = w->plain,
        .policy_base = w->policy_base,
        .policies = app->policies,
        .lookup = iss_rvps_lookup,
        .lookup_ctx = app->rvps,
        .now_ns = vd_clock_ns(&app->server->clock),
        .event_logs = app->event_logs,
        .limits = app->server->limits,
    };
    VD_TRY(appraise(&in, w->appraisals, err));
    VD_TRY(check_revoked(w, err));
    VD_TRY(mint(w, err));
    return iss_record_passport(w, resp, err);
}

void iss_work_refuse(struct iss_work *w, vd_err *err)
{
    if (!w->app || err->code == VD_E_OK || err->code == VD_E_RATE)
        return;
    atomic_fetch_add(&w->app->count.refusals, 1);
    (void)snprintf(err->decision, sizeof err->decision, "%s", w->decision);
    iss_record_refusal(w, err);
}
