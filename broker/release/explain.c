/* Explanations of denials; see explain.h. */
#include "broker/release/explain.h"

#include "shared/codec/json.h"

enum { FACT_BYTES = 96 };

/* One condition that does not hold. `claim` is a JSON pointer into the policy's input. */
static void miss(vd_jw *w, const char *claim, const char *observed, const char *expected)
{
    vd_jw_obj(w);
    vd_jw_kstr(w, "claim", claim);
    vd_jw_kstr(w, "observed", observed);
    vd_jw_kstr(w, "expected", expected);
    vd_jw_end(w);
}

static void vector_misses(vd_jw *w, const struct brk_submod *s)
{
    /* What the built-in policy wants of a cpu (SHAPES 12); others are not judged by it. */
    static const enum vd_ear_claim wanted[] = { VD_EAR_EXECUTABLES, VD_EAR_HARDWARE,
                                                VD_EAR_CONFIGURATION };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        char claim[FACT_BYTES];
        char observed[8];
        int8_t v = s->vector[wanted[i]];
        if (v >= 2 && v <= 31)
            continue;
        (void)snprintf(claim, sizeof claim, "/submods/%s/%s/%s", s->name, VD_EAR_VECTOR,
                       vd_ear_claim_name(wanted[i]));
        (void)snprintf(observed, sizeof observed, "%d", v);
        miss(w, claim, observed, "2 to 31");
    }
}

static void submod_misses(vd_jw *w, const struct brk_submod *s)
{
    char claim[FACT_BYTES];
    if (s->status != VD_EAR_AFFIRMING) {
        (void)snprintf(claim, sizeof claim, "/submods/%s/%s", s->name, VD_EAR_STATUS);
        miss(w, claim, vd_ear_tier_name(s->status), "affirming");
    }
    if (s->debug) {
        (void)snprintf(claim, sizeof claim, "/submods/%s/vidimus/debug", s->name);
        miss(w, claim, "true", "false");
    }
    if (strcmp(s->tee, "sample") == 0 || strcmp(s->tee, "sampledevice") == 0) {
        (void)snprintf(claim, sizeof claim, "/submods/%s/vidimus/tee", s->name);
        miss(w, claim, s->tee, "a TEE of hardware");
    }
    if (strncmp(s->name, "cpu", 3) == 0)
        vector_misses(w, s);
}

static void misses(vd_jw *w, const struct brk_ask *ask, const vd_err *why)
{
    const struct brk_passport *p = ask->passport;
    bool cpu = false;
    vd_jw_key(w, "unmet");
    vd_jw_arr(w);
    if (why->code == VD_E_PASSPORT_SCOPE)
        miss(w, "trusted issuer's repositories", ask->id->repo, "one of the entry's repositories");
    if (!p->ours)
        miss(w, "/vidimus", "absent: made by another product", "the member vidimus");
    if (p->freshness != BRK_FRESH_ISSUER_NONCE)
        miss(w, "/vidimus/freshness", brk_freshness_name(p->freshness), "issuer-nonce");
    if (p->simulated)
        miss(w, "/vidimus/simulated", "true", "false");
    for (size_t i = 0; i < p->n_submods; i++) {
        cpu = cpu || strncmp(p->submod[i].name, "cpu", 3) == 0;
        submod_misses(w, &p->submod[i]);
    }
    if (!cpu)
        miss(w, "/submods", "no cpu submod", "a cpu submod");
    vd_jw_end(w);
}

static void submod_facts(vd_jw *w, const struct brk_submod *s)
{
    vd_jw_obj(w);
    vd_jw_kstr(w, "name", s->name);
    vd_jw_kstr(w, "tee", s->tee);
    vd_jw_kstr(w, "status", vd_ear_tier_name(s->status));
    vd_jw_kstr(w, "appraisal_policy", s->policy_id);
    vd_jw_kbool(w, "debug", s->debug);
    vd_jw_key(w, "vector");
    vd_jw_obj(w);
    for (int c = 0; c < VD_EAR_CLAIM_MAX; c++)
        if (s->vector[c] != 0)
            vd_jw_ki64(w, vd_ear_claim_name((enum vd_ear_claim)c), s->vector[c]);
    vd_jw_end(w);
    if (s->measurement[0])
        vd_jw_kstr(w, "measurement", s->measurement);
    vd_jw_end(w);
}

static void passport_facts(vd_jw *w, const struct brk_passport *p)
{
    vd_jw_key(w, "passport");
    vd_jw_obj(w);
    vd_jw_kstr(w, "trusted_issuer", p->issuer->name);
    vd_jw_kstr(w, "issuer", p->issuer->issuer);
    vd_jw_kstr(w, "jti", p->jti);
    vd_jw_khex(w, "sha256_prefix", vd_span_of(p->sha256, 8));
    vd_jw_key(w, "issued_at");
    vd_jw_time(w, p->iat);
    vd_jw_key(w, "expires_at");
    vd_jw_time(w, p->exp);
    vd_jw_kstr(w, "freshness", brk_freshness_name(p->freshness));
    vd_jw_kbool(w, "simulated", p->simulated);
    vd_jw_kstr(w, "tee_key", p->tee_thumbprint);
    vd_jw_key(w, "submods");
    vd_jw_arr(w);
    for (size_t i = 0; i < p->n_submods; i++)
        submod_facts(w, &p->submod[i]);
    vd_jw_end(w);
    vd_jw_end(w);
}

void brk_explain(const struct brk_ask *ask, const struct brk_policy_use *use, const char *decision,
                 const vd_err *why, vd_buf *out)
{
    char name[VD_RESOURCE_NAME];
    vd_jw w = vd_jw_of(out);
    vd_resource_id_name(ask->id, name);
    vd_jw_obj(&w);
    vd_jw_kstr(&w, "id", decision);
    vd_jw_key(&w, "time");
    vd_jw_time(&w, ask->now_ns / 1000000000);
    vd_jw_kstr(&w, "outcome", "denied");
    vd_jw_kstr(&w, "error", vd_error_row(why->code)->slug);
    vd_jw_kstr(&w, "reason", why->msg);
    vd_jw_kstr(&w, "resource", name);
    if (use && use->policy) {
        vd_jw_key(&w, "policy");
        vd_jw_obj(&w);
        vd_jw_kstr(&w, "id", BRK_POLICY_ID);
        vd_jw_kbool(&w, "built_in", use->version == 0);
        vd_jw_ku64(&w, "version", use->version);
        vd_jw_khex(&w, "sha256", vd_span_of(vd_policy_sha256(use->policy), 32));
        vd_jw_end(&w);
    }
    passport_facts(&w, ask->passport);
    misses(&w, ask, why);
    vd_jw_end(&w);
}
