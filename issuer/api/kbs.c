/* The KBS protocol of guests: /auth and /attest, protocol 0.4.0 and 0.2.0 (spec/wire 1.4). The
 * challenge is spent before the body is looked at: a failed attest burns it, and a second one on
 * the same challenge is refused. Deliberately unlike Trustee, and harmless: clients always start
 * again at /auth. */
#include "issuer/api/handlers.h"
#include "issuer/api/issue.h"
#include "issuer/appraise/initdata.h"
#include "shared/base/secret.h"

enum {
    /* Device evidence inside the passport beyond this is left out, as Trustee does with
       verbose_token=false. */
    ADDITIONAL_MAX = 4096,
    RUNTIME_MAX = 16384,
    TEE_KEY_MAX = 8192,
};

static struct vd_json_limits body_limits(const struct vd_limits *l, uint64_t bytes)
{
    return (struct vd_json_limits){ (size_t)bytes, (uint32_t)l->json_depth,
                                    (uint32_t)l->json_nodes };
}

/* ---- /auth -------------------------------------------------------------------------------------
 */

static const struct iss_tee *driver_of(const char *tee)
{
    for (size_t i = 0; iss_tee_at(i); i++)
        if (vd_span_eq_str(vd_span_str(tee), iss_tee_at(i)->name))
            return iss_tee_at(i);
    return NULL;
}

static vd_rc make_challenge(struct iss_app *app, const struct vd_kbs_request *q,
                            struct iss_challenge *c, vd_err *err)
{
    const struct iss_tee *driver = driver_of(q->tee);
    if (!driver || !iss_tees_enabled(app->tees, q->tee))
        return vd_fail(err, VD_E_TEE_DISABLED, "%s: not enabled (tee.%s.enabled)", q->tee, q->tee);
    if (!driver->primary)
        return vd_fail(err, VD_E_TEE_DISABLED, "%s evidence is accepted beside that of a TEE only",
                       q->tee);
    *c = (struct iss_challenge){
        .version = q->version, .hash = VD_SHA384, .tee = q->tee, .n_audience = q->n_audience
    };
    for (size_t i = 0; i < q->n_audience; i++)
        memcpy(c->audience[i], q->audience[i], sizeof c->audience[i]);
    iss_challenge_nonce(c);
    return VD_OK;
}

/* Max-Age and not Expires: a guest's clock may be far off. */
static vd_rc set_cookie(struct vd_resp *resp, const struct vd_req *req, vd_span value,
                        uint64_t seconds, vd_err *err)
{
    VD_AUTO_BUF text = vd_buf_of(value.n + 256);
    vd_buf_str(&text, VD_COOKIE_NAME "=");
    vd_buf_add(&text, value);
    vd_buf_printf(&text, "; Path=/kbs/v0; Max-Age=%llu; HttpOnly; SameSite=Strict%s",
                  (unsigned long long)seconds, req->tls ? "; Secure" : "");
    VD_TRY(vd_buf_check(&text, err));
    return vd_resp_field(resp, "Set-Cookie", vd_buf_span(&text), err);
}

vd_rc iss_kbs_auth(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    struct iss_app *app = iss_app_of(req);
    const struct vd_limits *l = app->server->limits;
    const struct vd_json_limits limits = body_limits(l, l->auth_body);
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    vd_err why = { 0 };
    if (vd_json_parse(req->body, &limits, &doc, &why).code != VD_E_OK)
        return vd_fail(err, VD_E_AUTH_BODY, "/auth: %.200s", why.msg);
    struct vd_kbs_request q = { 0 };
    struct iss_challenge c;
    VD_TRY(vd_kbs_request_parse(vd_json_root(doc), &q, err));
    VD_TRY(make_challenge(app, &q, &c, err));

    VD_AUTO_BUF cookie = vd_buf_of(4096);
    VD_TRY(iss_challenge_issue(app->challenges, &c, req->now, &cookie, err));
    VD_TRY(
        set_cookie(resp, req, vd_buf_span(&cookie), iss_challenges_lifetime(app->challenges), err));
    vd_jw w = vd_jw_of(&resp->body);
    vd_jw_obj(&w);
    vd_jw_kspan(&w, "nonce", vd_span_of(c.nonce, c.nonce_n));
    vd_jw_kstr(&w, "extra-params", "");
    vd_jw_end(&w);
    resp->content_type = "application/json";
    atomic_fetch_add(&app->count.auths, 1);
    return vd_buf_check(&resp->body, err);
}

/* ---- /attest -----------------------------------------------------------------------------------
 */

/* The guard before the body: a cookie of this process, not expired, not spent. Spends nothing. */
vd_rc iss_session_guard(void *ctx, struct vd_req *req, vd_err *err)
{
    (void)ctx;
    struct iss_app *app = iss_app_of(req);
    struct iss_challenge c;
    if (!app)
        return vd_fail(err, VD_E_INTERNAL, "no application behind the request");
    return iss_challenge_open(app->challenges, req->cookie, req->now, &c, err);
}

/* All that is made of one /attest body; spans of `plain` point into the buffers. */
struct conversation {
    struct iss_challenge challenge;
    struct vd_json *doc;
    struct vd_kbs_attestation body;
    vd_buf key;     /* canonical tee-pubkey */
    vd_buf primary; /* runtime_data_claims */
    vd_buf device;
    struct iss_init_data init;
    uint8_t primary_data[VD_HASH_BYTES_MAX];
    uint8_t device_data[VD_HASH_BYTES_MAX];
};

static void conversation_done(struct conversation *c)
{
    vd_kbs_attestation_done(&c->body);
    vd_json_free(c->doc);
    vd_buf_done(&c->key);
    vd_buf_done(&c->primary);
    vd_buf_done(&c->device);
    iss_init_data_done(&c->init);
}

static vd_rc read_body(struct conversation *c, const struct vd_req *req, const struct vd_limits *l,
                       vd_err *err)
{
    const struct vd_json_limits limits = body_limits(l, l->attest_body);
    vd_err why = { 0 };
    if (vd_json_parse(req->body, &limits, &c->doc, &why).code != VD_E_OK)
        return vd_fail(err, VD_E_ATTEST_BODY, "/attest: %.200s", why.msg);
    return vd_kbs_attestation_parse(vd_json_root(c->doc), c->challenge.version, &c->body, err);
}

static vd_rc check_nonce(const struct conversation *c, vd_err *err)
{
    if (c->challenge.version == VD_KBS_0_2_0) /* never echoed there: the hash alone binds it */
        return VD_OK;
    VD_AUTO_BUF text = vd_buf_of(ISS_NONCE_TEXT_MAX);
    vd_err ignored = { 0 };
    vd_span issued = vd_span_of(c->challenge.nonce, c->challenge.nonce_n);
    if (vd_jv_str(c->body.nonce, &text, &ignored).code != VD_E_OK ||
        !vd_ct_equal(vd_buf_span(&text), issued))
        return vd_fail(err, VD_E_NONCE, "runtime-data.nonce is not the one of this challenge");
    return VD_OK;
}

/* runtime_data_claims of spec/wire 3.3; additional: JSON string as sent, or empty: no member. */
static vd_rc write_runtime(const struct conversation *c, vd_span additional, vd_buf *out,
                           vd_err *err)
{
    *out = vd_buf_of(RUNTIME_MAX + ADDITIONAL_MAX);
    vd_jw w = vd_jw_of(out);
    vd_jw_obj(&w);
    if (additional.n && additional.n <= ADDITIONAL_MAX) {
        vd_jw_key(&w, "additional-evidence");
        vd_jw_raw(&w, additional);
    }
    vd_jw_kspan(&w, "nonce", vd_span_of(c->challenge.nonce, c->challenge.nonce_n));
    vd_jw_key(&w, VD_EAR_TEE_KEY);
    vd_jw_raw(&w, vd_buf_span(&c->key));
    vd_jw_end(&w);
    return vd_buf_check(out, err);
}

/* Report data of primary and devices, and the claims that say what was hashed. */
static vd_rc bind_runtime(struct conversation *c, vd_err *err)
{
    c->key = vd_buf_of(TEE_KEY_MAX);
    VD_TRY(vd_kbs_tee_key_canonical(c->body.tee_pubkey, &c->key, err));
    vd_span nonce = vd_span_of(c->challenge.nonce, c->challenge.nonce_n),
            key = vd_buf_span(&c->key);
    VD_TRY(vd_kbs_report_data(c->challenge.hash, nonce, key, NULL, c->device_data, err));
    VD_TRY(write_runtime(c, VD_SPAN_NONE, &c->device, err));
    if (c->challenge.version == VD_KBS_0_2_0) {
        memcpy(c->primary_data, c->device_data, sizeof c->primary_data);
        return write_runtime(c, VD_SPAN_NONE, &c->primary, err);
    }
    vd_span additional = vd_buf_span(&c->body.additional_text);
    VD_TRY(vd_kbs_report_data(c->challenge.hash, nonce, key, &additional, c->primary_data, err));
    return write_runtime(c, vd_jv_raw(c->body.additional_string), &c->primary, err);
}

static vd_rc read_init_data(struct conversation *c, vd_err *err)
{
    if (!c->body.has_init_data)
        return VD_OK;
    VD_AUTO_BUF text = vd_buf_of(vd_jv_raw(c->body.init_data_body).n);
    VD_TRY(vd_jv_str(c->body.init_data_body, &text, err));
    return iss_init_data_parse(vd_buf_span(&text), &c->init, err);
}

static vd_rc verify_all(struct iss_work *w, struct conversation *c, vd_err *err)
{
    size_t n = vd_hash_size(c->challenge.hash);
    struct iss_evidence primary = {
        .json = c->body.primary,
        .report_data = { true, vd_span_of(c->primary_data, n) },
        .init_data = { c->body.has_init_data, iss_init_data_digest(&c->init) },
    };
    const struct iss_plain plain = { vd_buf_span(&c->primary), vd_buf_span(&c->init.claims) };
    VD_TRY(iss_work_verify(w, c->challenge.tee, &primary, &plain, err));
    for (size_t i = 0; i < c->body.n_devices; i++) {
        struct iss_evidence device = {
            .json = c->body.device[i].evidence,
            .report_data = { true, vd_span_of(c->device_data, n) },
        };
        const struct iss_plain beside = { vd_buf_span(&c->device), VD_SPAN_NONE };
        VD_TRY(iss_work_verify(w, c->body.device[i].tee, &device, &beside, err));
    }
    return VD_OK;
}

static vd_rc attest(struct iss_work *w, struct conversation *c, struct vd_resp *resp, vd_err *err)
{
    VD_TRY(iss_challenge_spend(w->app->challenges, &c->challenge, err));
    VD_TRY(read_body(c, w->req, w->app->server->limits, err));
    VD_TRY(check_nonce(c, err));
    VD_TRY(bind_runtime(c, err));
    VD_TRY(read_init_data(c, err));
    VD_TRY(verify_all(w, c, err));
    w->freshness = ISS_FRESH_NONCE;
    w->audience = (const char(*)[VD_KBS_AUDIENCE_BYTES + 1]) c->challenge.audience;
    w->n_audience = c->challenge.n_audience;
    return iss_work_issue(w, resp, err);
}

vd_rc iss_kbs_attest(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    ISS_AUTO_WORK w = { 0 };
    __attribute__((cleanup(conversation_done))) struct conversation c = { 0 };
    VD_TRY(iss_work_init(&w, req, "kbs", err));
    VD_TRY(iss_challenge_open(w.app->challenges, req->cookie, req->now, &c.challenge, err));
    w.tee = c.challenge.tee;
    VD_TRY(iss_work_admit(&w, resp, err));
    vd_rc_ rc = attest(&w, &c, resp, err);
    if (rc.code != VD_E_OK) {
        iss_work_refuse(&w, err);
        return rc;
    }
    /* the same cookie for the rest of its life, as Trustee sends it: a relay finds the passport by
     * it */
    VD_TRY(set_cookie(resp, req, req->cookie, (uint64_t)(c.challenge.expires - req->now), err));
    vd_jw j = vd_jw_of(&resp->body);
    vd_jw_obj(&j);
    vd_jw_kspan(&j, "token", vd_buf_span(&w.token));
    vd_jw_end(&j);
    resp->content_type = "application/json";
    return vd_buf_check(&resp->body, err);
}
