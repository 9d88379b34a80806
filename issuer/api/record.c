/* Audit records and explanations of attestations; see record.h. */
#include "issuer/api/record.h"

#include "shared/program/recorded.h"

enum { RECORD_MAX = 65536, EXPLANATION_MAX = 131072 };

static void write_submods(vd_jw *j, const struct iss_appraisals *all)
{
    vd_jw_key(j, "submods");
    vd_jw_arr(j);
    for (size_t i = 0; i < all->n; i++) {
        const struct iss_appraisal *a = &all->item[i];
        vd_jw_obj(j);
        vd_jw_kstr(j, "name", a->name);
        vd_jw_kstr(j, "tee", a->claims->tee);
        vd_jw_kstr(j, "status", vd_ear_tier_name(a->tier));
        vd_jw_kstr(j, "policy", a->policy_id);
        vd_jw_khex(j, "policy_sha256", vd_span_of(a->policy_sha256, sizeof a->policy_sha256));
        if (a->claims->hw_id[0])
            vd_jw_kstr(j, "hw_id", a->claims->hw_id);
        vd_jw_kbool(j, "simulated", a->claims->simulated);
        vd_jw_kbool(j, "debug", a->claims->debug);
        vd_jw_end(j);
    }
    vd_jw_end(j);
}

static void write_common(vd_jw *j, const struct iss_work *w, const char *outcome)
{
    vd_jw_kstr(j, "outcome", outcome);
    vd_jw_kstr(j, "surface", w->surface);
    vd_jw_kstr(j, "source", w->req->source);
    if (w->tee)
        vd_jw_kstr(j, "tee", w->tee);
}

static void write_audience(vd_jw *j, const struct iss_work *w)
{
    if (w->n_audience == 0)
        return;
    vd_jw_key(j, "aud");
    vd_jw_arr(j);
    for (size_t i = 0; i < w->n_audience; i++)
        vd_jw_str(j, w->audience[i]);
    vd_jw_end(j);
}

static void write_checks(vd_jw *j, const struct iss_claims_list *l)
{
    vd_jw_key(j, "checks");
    vd_jw_arr(j);
    for (size_t i = 0; i < l->n_checks; i++) {
        const struct iss_check *c = &l->check[i];
        vd_jw_obj(j);
        vd_jw_kstr(j, "name", c->name);
        vd_jw_kbool(j, "ok", c->ok);
        vd_jw_kstr(j, "observed", c->observed);
        vd_jw_kstr(j, "expected", c->expected);
        vd_jw_end(j);
    }
    vd_jw_end(j);
}

/* How every explanation begins, a broker's too. */
static void write_head(vd_jw *j, const char *decision, int64_t now)
{
    vd_jw_kstr(j, "id", decision);
    vd_jw_key(j, "time");
    vd_jw_time(j, now);
}

static void write_reason(vd_jw *j, const vd_err *why)
{
    vd_jw_kstr(j, "error", vd_error_row(why->code)->slug);
    vd_jw_kstr(j, "reason", why->msg);
}

/* Into text, which stays empty when the explanation cannot be made: a log line, not a failure. */
static void write_explanation(struct iss_work *w, const vd_err *why, vd_buf *text)
{
    struct vd_server *s = w->app->server;
    *text = vd_buf_of(EXPLANATION_MAX);
    vd_jw j = vd_jw_of(text);
    vd_jw_obj(&j);
    write_head(&j, w->decision, w->req->now);
    write_common(&j, w, why ? "refused" : "passport");
    if (why) {
        write_reason(&j, why);
        write_checks(&j, w->list);
    } else {
        vd_jw_key(&j, "passport");
        vd_jw_obj(&j);
        vd_jw_kstr(&j, "jti", w->jti);
        write_audience(&j, w);
        vd_jw_end(&j);
    }
    vd_jw_key(&j, "appraisals");
    VD_AUTO_BUF appraisals = vd_buf_of(EXPLANATION_MAX / 2);
    vd_err failed = { 0 };
    if (iss_explain(w->appraisals, &appraisals, &failed).code == VD_E_OK)
        vd_jw_raw(&j, vd_buf_span(&appraisals));
    else
        vd_jw_null(&j);
    vd_jw_end(&j);
    if (!text->bad)
        return;
    vd_buf_done(text);
    vd_log_msg(s->log, VD_LOG_WARN, "attest", "explanation of decision %s is too large to keep",
               w->decision);
}

/* The passport may go, or it may not because it is not on record: what its owner reads then. */
static void outcome(const struct vd_recorded *r, vd_err *why)
{
    struct iss_app *app = r->server->app;
    if (!why) {
        atomic_fetch_add(&app->count.passports, 1);
        if (r->text.n > 0)
            vd_decisions_add(r->server->decisions, r->decision, r->owner, vd_buf_span(&r->text));
        return;
    }
    VD_AUTO_BUF text = vd_buf_of(RECORD_MAX);
    atomic_fetch_add(&app->count.refusals, 1);
    vd_jw j = vd_jw_of(&text);
    vd_jw_obj(&j);
    write_head(&j, r->decision, r->now);
    vd_jw_kstr(&j, "outcome", "refused");
    vd_jw_kstr(&j, "surface", r->about);
    write_reason(&j, why);
    vd_jw_end(&j);
    memcpy(why->decision, r->decision, sizeof why->decision);
    if (!text.bad)
        vd_decisions_add(r->server->decisions, r->decision, r->owner, vd_buf_span(&text));
}

vd_rc iss_record_passport(struct iss_work *w, struct vd_resp *resp, vd_err *err)
{
    VD_AUTO_BUF detail = vd_buf_of(RECORD_MAX);
    vd_jw j = vd_jw_of(&detail);
    vd_jw_obj(&j);
    vd_jw_kstr(&j, "decision", w->decision);
    write_common(&j, w, "passport");
    vd_jw_kstr(&j, "passport", w->jti);
    vd_jw_kstr(&j, "kid", w->kid);
    vd_jw_kstr(&j, "freshness", iss_freshness_name(w->freshness));
    write_audience(&j, w);
    write_submods(&j, w->appraisals);
    vd_jw_end(&j);
    VD_TRY(vd_buf_check(&detail, err));
    struct vd_recorded r = { .outcome = outcome,
                             .server = w->app->server,
                             .owner = VD_OWNER_DEFAULT,
                             .now = w->req->now,
                             .about = w->surface };
    memcpy(r.decision, w->decision, sizeof r.decision);
    write_explanation(w, NULL, &r.text);
    return vd_answer_recorded(&r, "attest", &detail, resp, err);
}

void iss_record_refusal(struct iss_work *w, const vd_err *why)
{
    struct vd_server *s = w->app->server;
    VD_AUTO_BUF text = vd_buf_of(0);
    write_explanation(w, why, &text);
    if (text.n > 0)
        vd_decisions_add(s->decisions, w->decision, VD_OWNER_DEFAULT, vd_buf_span(&text));
    VD_AUTO_BUF detail = vd_buf_of(RECORD_MAX);
    vd_jw j = vd_jw_of(&detail);
    vd_jw_obj(&j);
    vd_jw_kstr(&j, "decision", w->decision);
    write_common(&j, w, "refused");
    vd_jw_kstr(&j, "rule", vd_error_row(why->code)->slug);
    vd_jw_end(&j);
    vd_err failed = { 0 };
    if (detail.bad || vd_thinner_denial(s->denials, "attest", vd_span_str(w->req->source),
                                        vd_buf_span(&detail), &failed)
                              .code != VD_E_OK)
        vd_log_err(s->log, VD_LOG_WARN, "audit", &failed);
}
