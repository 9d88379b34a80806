/* Appraisal of verified claims by Rego policies. What a policy returns is read strictly: Trustee
 * cuts values to eight bits and drops the connection on an unknown name; both are refusals here. */
#include "issuer/appraise/appraise.h"

#include <stdlib.h>

#include "issuer/appraise/appraise_priv.h"

struct iss_appraisals *iss_appraisals_new(void)
{
    /* 24 KiB, of which an attestation uses the first: entries are cleared when they are begun. */
    struct iss_appraisals *a = malloc(sizeof *a);
    if (a)
        a->n = 0;
    return a;
}

void iss_appraisals_free(struct iss_appraisals *a)
{
    for (size_t i = 0; a && i < a->n; i++) {
        vd_buf_done(&a->item[i].annotated);
        vd_buf_done(&a->item[i].extensions);
        vd_buf_done(&a->item[i].event_log);
        vd_buf_done(&a->item[i].traced);
    }
    free(a);
}

/* ---- annotated evidence ------------------------------------------------------------------------
 */

struct parts {
    vd_span claims; /* of the verifier */
    vd_span events; /* a member more of these; empty: none */
    vd_span runtime;
    vd_span init;
};

static void raw_or_null(vd_jw *w, const char *key, vd_span json)
{
    vd_jw_key(w, key);
    if (json.n)
        vd_jw_raw(w, json);
    else
        vd_jw_null(w);
}

/* The object of spec/wire 3.3. The claims about plain texts stand there as soon as the verifier
 * reports the field they are bound to, null if there is no plain text. */
static vd_rc write_annotated(const struct iss_claims *c, const struct parts *p, vd_buf *out,
                             vd_err *err)
{
    *out = vd_buf_of(p->claims.n + p->events.n + p->runtime.n + p->init.n +
                     6 * (c->report_data.n + c->init_data.n) + 1024);
    vd_jw w = vd_jw_of(out);
    vd_jw_obj(&w);
    if (c->has_init_data) {
        vd_jw_kspan(&w, "init_data", vd_buf_span(&c->init_data));
        raw_or_null(&w, "init_data_claims", p->init);
    }
    if (c->has_report_data) {
        vd_jw_kspan(&w, "report_data", vd_buf_span(&c->report_data));
        raw_or_null(&w, VD_EAR_RUNTIME_CLAIMS, p->runtime);
    }
    vd_jw_key(&w, c->tee);
    vd_jw_raw(&w, p->claims);
    iss_claims_put_events(p->events, out);
    vd_jw_end(&w);
    return vd_buf_check(out, err);
}

/* Policies see the annotated evidence and one member more: facts that are not the platform's word.
 */
static vd_rc write_input(const struct iss_claims *c, vd_span annotated, vd_buf *out, vd_err *err)
{
    *out = vd_buf_of(annotated.n + 512);
    vd_buf_add(out, vd_span_part(annotated, 0, annotated.n - 1));
    vd_buf_str(out, ",\"" VD_EAR_OURS "\":");
    vd_jw w = vd_jw_of(out);
    vd_jw_obj(&w);
    vd_jw_kstr(&w, "tee", c->tee);
    vd_jw_kstr(&w, "class", c->cls);
    vd_jw_kbool(&w, "simulated", c->simulated);
    vd_jw_kbool(&w, "debug", c->debug);
    if (c->hw_id[0])
        vd_jw_kstr(&w, "hw_id", c->hw_id);
    vd_jw_end(&w);
    vd_buf_u8(out, '}');
    return vd_buf_check(out, err);
}

/* What the passport says of the event log in place of its events. */
static vd_rc write_event_log(const struct iss_claims *c, vd_buf *out, vd_err *err)
{
    if (c->event_log == ISS_EVENT_LOG_NONE)
        return VD_OK;
    *out = vd_buf_of(256);
    vd_jw w = vd_jw_of(out);
    vd_jw_obj(&w);
    if (c->event_log == ISS_EVENT_LOG_REPLAYED)
        vd_jw_khex(&w, "sha256", vd_span_of(c->event_log_sha256, sizeof c->event_log_sha256));
    vd_jw_kstr(&w, "state", c->event_log == ISS_EVENT_LOG_REPLAYED ? "replayed" : "absent");
    vd_jw_end(&w);
    return vd_buf_check(out, err);
}

/* ---- policy ------------------------------------------------------------------------------------
 */

struct asking {
    const struct iss_appraise_in *in;
    struct iss_appraisal *a;
};

static void remember(struct iss_appraisal *a, vd_span name, vd_span value)
{
    for (size_t i = 0; i < a->n_trace; i++)
        if (vd_span_eq(name, iss_trace_name(a, i)))
            return;
    if (a->n_trace == ISS_TRACE_MAX)
        return;
    struct iss_trace t = { .name = (uint32_t)a->traced.n, .name_n = (uint32_t)name.n };
    vd_buf_add(&a->traced, name);
    t.value = (uint32_t)a->traced.n;
    t.value_n = (uint32_t)value.n;
    vd_buf_add(&a->traced, value);
    if (a->traced.bad) { /* explanations stay incomplete rather than wrong */
        vd_buf_reset(&a->traced);
        a->n_trace = 0;
        return;
    }
    a->trace[a->n_trace++] = t;
}

static vd_rc ask(void *ctx, vd_span name, vd_buf *ret_json, vd_err *err)
{
    struct asking *x = ctx;
    if (x->in->lookup)
        VD_TRY(x->in->lookup(x->in->lookup_ctx, name, ret_json, err));
    return VD_OK;
}

static void asked(void *ctx, vd_span name, vd_span json)
{
    struct asking *x = ctx;
    remember(x->a, name, json);
}

static vd_rc run_policy(struct asking *x, struct vd_policy *policy, vd_span input, vd_err *err)
{
    const struct vd_policy_query q = {
        .input = input,
        .now_ns = x->in->now_ns,
        .lookup = ask,
        .asked = asked,
        .ctx = x,
        .limits = x->in->limits,
    };
    enum vd_policy_state state = VD_POLICY_UNDEFINED;
    VD_AUTO_BUF vector = vd_buf_of((size_t)x->in->limits->policy_result);
    VD_TRY(vd_policy_eval(policy, VD_POLICY_TRUST_CLAIMS, &q, &state, &vector, err));
    VD_TRY(iss_vector_read(state, vd_buf_span(&vector), x->a, err));

    VD_AUTO_BUF extensions = vd_buf_of((size_t)x->in->limits->policy_result);
    VD_TRY(vd_policy_eval(policy, VD_POLICY_EXTENSIONS, &q, &state, &extensions, err));
    return iss_extensions_read(state, vd_buf_span(&extensions), x->a, err);
}

static vd_rc appraise_one(const struct iss_appraise_in *in, size_t i, struct iss_appraisal *a,
                          vd_err *err)
{
    const struct iss_claims *c = a->claims;
    struct parts p = {
        .claims = vd_buf_span(&c->claims),
        .events = vd_buf_span(&c->events),
        .runtime = in->plain ? in->plain[i].runtime : VD_SPAN_NONE,
        .init = in->plain ? in->plain[i].init : VD_SPAN_NONE,
    };
    VD_AUTO(vd_policy_unref) struct vd_policy *policy = NULL;
    VD_AUTO_BUF input = vd_buf_of(0);
    VD_TRY(iss_policies_find(in->policies, a->policy_id, &policy, &a->builtin, err));
    memcpy(a->policy_sha256, vd_policy_sha256(policy), sizeof a->policy_sha256);

    VD_TRY(write_annotated(c, &p, &a->annotated, err));
    VD_TRY(write_input(c, vd_buf_span(&a->annotated), &input, err));
    VD_TRY(write_event_log(c, &a->event_log, err));
    if (!in->event_logs && p.events.n) {
        p.events = VD_SPAN_NONE;
        vd_buf_done(&a->annotated);
        VD_TRY(write_annotated(c, &p, &a->annotated, err));
    }
    struct asking x = { in, a };
    return run_policy(&x, policy, vd_buf_span(&input), err);
}

vd_rc iss_appraise(const struct iss_appraise_in *in, struct iss_appraisals *out, vd_err *err)
{
    if (in->list->n == 0)
        return vd_fail(err, VD_E_INTERNAL, "nothing to appraise");
    for (size_t i = 0; i < in->list->n; i++) {
        const struct iss_claims *c = &in->list->item[i];
        unsigned index = 0;
        for (size_t j = 0; j < i; j++)
            index += strcmp(in->list->item[j].cls, c->cls) == 0;
        struct iss_appraisal *a = &out->item[i];
        out->n = i + 1;
        *a = (struct iss_appraisal){ .claims = c, .traced = vd_buf_of(1u << 16) };
        (void)snprintf(a->name, sizeof a->name, "%.16s%u", c->cls, index);
        int n = snprintf(a->policy_id, sizeof a->policy_id, "%s_%s", in->policy_base, c->cls);
        if (n < 0 || (size_t)n >= sizeof a->policy_id)
            return vd_fail(err, VD_E_POLICY_MISSING, "policy id of more than %d bytes",
                           ISS_POLICY_ID - 1);
        vd_rc_ rc = appraise_one(in, i, a, err);
        if (rc.code != VD_E_OK) {
            vd_context(err, a->policy_id);
            return rc;
        }
    }
    return VD_OK;
}
