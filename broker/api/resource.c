/* GET of a resource: passport accepted -> policy allowed -> secret exists -> sealed to the TEE ->
 * audit record durable -> answer. Whatever fails before the last step, nothing leaves. */
#include <stdatomic.h>

#include "broker/api/app.h"
#include "broker/api/relay.h"
#include "broker/release/explain.h"
#include "broker/release/seal.h"
#include "shared/program/recorded.h"

enum { DETAIL_BYTES = 4096, EXPLANATION_BYTES = 128 * 1024, POLICY_RACES = 3 };

/* One attempt to release, as the records need it. */
struct attempt {
    struct brk_app *app;
    const struct vd_req *req;
    struct brk_ask ask;
    struct brk_policy_use use;
    uint64_t version; /* of the secret */
    char decision[24];
    char resource[VD_RESOURCE_NAME];
};

static void attempt_done(struct attempt *a)
{
    brk_policy_use_done(&a->use);
}

/* ---- credential -------------------------------------------------------------------------------
 */

static vd_rc credential(struct brk_app *app, const struct vd_req *req, struct brk_passport **ret,
                        vd_err *err)
{
    VD_AUTO_BUF token = vd_buf_of((size_t)app->server->limits->passport_accept);
    if (req->cookie.n && app->relay &&
        brk_relay_token(app->relay, req->cookie, vd_clock_s(&app->server->clock), &token))
        return brk_accept(app->trust, vd_buf_span(&token), ret, err);
    return brk_accept(app->trust, vd_req_bearer(req), ret, err);
}

/* A refused credential: one record a source and minute. */
static void note_refusal(struct brk_app *app, const struct vd_req *req, const char *resource,
                         const vd_err *why)
{
    vd_err ignored = { 0 };
    VD_AUTO_BUF detail = vd_buf_of(DETAIL_BYTES);
    const struct vd_error_row *row = vd_error_row(why->code);
    if (row->kbs_http != 401 || why->code == VD_E_NO_PASSPORT)
        return;
    vd_jw w = vd_jw_of(&detail);
    vd_jw_obj(&w);
    vd_jw_kstr(&w, "source", req->source);
    vd_jw_kstr(&w, "resource", resource);
    vd_jw_kstr(&w, "error", row->slug);
    vd_jw_kstr(&w, "reason", why->msg);
    vd_jw_end(&w);
    if (vd_thinner_denial(app->server->denials, "refusal", vd_span_str(req->source),
                          vd_buf_span(&detail), &ignored)
            .code != VD_E_OK)
        vd_log_err(app->server->log, VD_LOG_ERROR, "audit", &ignored);
}

/* A passport that was genuine and is revoked, or may be: its owner can ask why by the decision id.
 * Other refusals get none, as strangers could push explanations out with them. */
static void explain_revocation(struct brk_app *app, const struct vd_req *req, const char *resource,
                               vd_err *why)
{
    VD_AUTO_BUF text = vd_buf_of(DETAIL_BYTES);
    if (why->code != VD_E_PASSPORT_REVOKED && why->code != VD_E_REVOCATION_STALE)
        return;
    vd_decision_id(why->decision);
    vd_jw w = vd_jw_of(&text);
    vd_jw_obj(&w);
    vd_jw_kstr(&w, "id", why->decision);
    vd_jw_key(&w, "time");
    vd_jw_time(&w, req->now);
    vd_jw_kstr(&w, "outcome", "denied");
    vd_jw_kstr(&w, "error", vd_error_row(why->code)->slug);
    vd_jw_kstr(&w, "reason", why->msg);
    vd_jw_kstr(&w, "resource", resource);
    vd_jw_end(&w);
    if (!text.bad)
        vd_decisions_add(app->server->decisions, why->decision, VD_OWNER_DEFAULT,
                         vd_buf_span(&text));
}

/* ---- records ----------------------------------------------------------------------------------
 */

static void common_facts(const struct attempt *a, vd_jw *w)
{
    const struct brk_passport *p = a->ask.passport;
    vd_jw_kstr(w, "decision", a->decision);
    vd_jw_kstr(w, "trusted_issuer", p->issuer->name);
    vd_jw_kstr(w, "issuer", p->issuer->issuer);
    vd_jw_kstr(w, "jti", p->jti);
    vd_jw_khex(w, "passport", vd_span_of(p->sha256, 16));
    vd_jw_kstr(w, "resource", a->resource);
    if (a->use.policy) {
        vd_jw_ku64(w, "policy_version", a->use.version);
        vd_jw_khex(w, "policy_sha256", vd_span_of(vd_policy_sha256(a->use.policy), 32));
    }
}

static void outcome(const struct vd_recorded *r, vd_err *why)
{
    struct brk_app *app = r->server->app;
    if (!why)
        atomic_fetch_add_explicit(&app->released, 1, memory_order_relaxed);
}

/* The record without which nothing leaves: resp waits for it. */
static vd_rc record_release(const struct attempt *a, struct vd_resp *resp, vd_err *err)
{
    VD_AUTO_BUF detail = vd_buf_of(DETAIL_BYTES);
    const struct brk_passport *p = a->ask.passport;
    vd_jw w = vd_jw_of(&detail);
    vd_jw_obj(&w);
    common_facts(a, &w);
    vd_jw_ku64(&w, "version", a->version);
    vd_jw_kstr(&w, "tee_key", p->tee_thumbprint);
    vd_jw_kstr(&w, "tee", p->n_submods ? p->submod[0].tee : "");
    vd_jw_kstr(&w, "source", a->req->source);
    vd_jw_end(&w);
    VD_TRY(vd_buf_check(&detail, err));
    struct vd_recorded r = { .outcome = outcome, .server = a->app->server };
    memcpy(r.decision, a->decision, sizeof r.decision);
    return vd_answer_recorded(&r, "release", &detail, resp, err);
}

static void record_denial(const struct attempt *a, const vd_err *why)
{
    vd_err ignored = { 0 };
    VD_AUTO_BUF detail = vd_buf_of(DETAIL_BYTES);
    VD_AUTO_BUF key = vd_buf_of(DETAIL_BYTES);
    const char *rule = vd_error_row(why->code)->slug;
    vd_jw w = vd_jw_of(&detail);
    vd_jw_obj(&w);
    common_facts(a, &w);
    vd_jw_kstr(&w, "error", rule);
    vd_jw_kstr(&w, "source", a->req->source);
    vd_jw_end(&w);
    vd_buf_add(&key, vd_span_of(a->ask.passport->sha256, 32));
    vd_buf_str(&key, a->resource);
    vd_buf_u8(&key, 0);
    vd_buf_str(&key, rule);
    if (vd_thinner_denial(a->app->server->denials, "denial", vd_buf_span(&key),
                          vd_buf_span(&detail), &ignored)
            .code != VD_E_OK)
        vd_log_err(a->app->server->log, VD_LOG_ERROR, "audit", &ignored);
}

/* Trustee's status for a denial, where the configuration asks for it. */
static vd_code as_401(vd_code code)
{
    if (code == VD_E_POLICY_DENY || code == VD_E_PASSPORT_SCOPE)
        return VD_E_DENIED_AS_401;
    if (code == VD_E_POLICY_EVAL || code == VD_E_POLICY_BUDGET)
        return VD_E_POLICY_FAILED_AS_401;
    return code;
}

/* Everything an accepted passport is refused for: explained in the ring, recorded thinly. */
static vd_rc denied(struct attempt *a, vd_rc_ rc, vd_err *err)
{
    VD_AUTO_BUF text = vd_buf_of(EXPLANATION_BYTES);
    int status = vd_error_row(rc.code)->kbs_http;
    if (status >= 500 || status == 400 || status == 429)
        return rc; /* our trouble or a malformed request, not a decision */
    brk_explain(&a->ask, &a->use, a->decision, err, &text);
    if (!text.bad)
        vd_decisions_add(a->app->server->decisions, a->decision, a->ask.owner, vd_buf_span(&text));
    record_denial(a, err);
    atomic_fetch_add_explicit(&a->app->denied, 1, memory_order_relaxed);
    memcpy(err->decision, a->decision, sizeof err->decision);
    err->code = a->app->deny_as_401 ? as_401(rc.code) : rc.code;
    return VD_RC(err->code);
}

/* ---- release ----------------------------------------------------------------------------------
 */

/* Policy, then secret, then again whether the policy is still the one in force. */
static vd_rc decide_and_seal(struct attempt *a, vd_buf *out, vd_err *err)
{
    struct vd_server *s = a->app->server;
    for (int i = 0; i < POLICY_RACES; i++) {
        bool still = false;
        brk_policy_use_done(&a->use);
        VD_TRY(brk_decide(a->app->policies, s->limits, &a->ask, &a->use, err));
        VD_TRY(brk_seal(s->store, a->ask.owner, a->ask.id, a->ask.passport, out, &a->version, err));
        VD_TRY(brk_policies_still(a->app->policies, a->ask.owner, &a->use, &still, err));
        if (still)
            return VD_OK;
        vd_buf_reset(out);
    }
    return vd_fail(err, VD_E_BUSY, "the release policy changes faster than it can be applied");
}

static vd_rc release(struct attempt *a, struct vd_resp *resp, vd_err *err)
{
    vd_rc_ rc = decide_and_seal(a, &resp->body, err);
    if (rc.code != VD_E_OK) {
        vd_buf_reset(&resp->body);
        return denied(a, rc, err);
    }
    rc = record_release(a, resp, err);
    if (rc.code != VD_E_OK) {
        vd_buf_reset(&resp->body);
        return rc;
    }
    resp->content_type = "application/json";
    return VD_OK;
}

vd_rc brk_resource_get(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    struct brk_app *app = req->app;
    struct vd_resource_id id;
    VD_AUTO(brk_passport_unref) struct brk_passport *passport = NULL;
    VD_TRY(vd_server_sound(app->server, err));
    VD_TRY(vd_resource_id_of(req->param[0], req->param[1], req->param[2], &id, err));

    __attribute__((cleanup(attempt_done))) struct attempt a = { .app = app, .req = req };
    vd_resource_id_name(&id, a.resource);
    vd_rc_ rc = credential(app, req, &passport, err);
    if (rc.code != VD_E_OK) {
        note_refusal(app, req, a.resource, err);
        explain_revocation(app, req, a.resource, err);
        return rc;
    }
    VD_TRY(brk_passport_count(passport, req->now, app->server->limits->releases_per_passport, err));
    vd_decision_id(a.decision);
    a.ask = (struct brk_ask){
        .passport = passport,
        .id = &id,
        .owner = VD_OWNER_DEFAULT,
        .query = req->query,
        .now_ns = vd_clock_ns(&app->server->clock),
    };
    return release(&a, resp, err);
}
