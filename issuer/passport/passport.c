/* Claim set of a passport. Member order is SHAPES section 4; everything is written once, in order,
 * into one buffer, so that minting costs one signature and little else. */
#include "issuer/passport/passport.h"

#include "shared/base/secret.h"
#include "shared/codec/b64.h"

_Static_assert(sizeof(((struct iss_passport *)0)->audience[0]) == 129,
               "audience of 128 characters");

const char *iss_freshness_name(enum iss_freshness f)
{
    static const char *const name[] = {
        [ISS_FRESH_NONCE] = "issuer-nonce",
        [ISS_FRESH_CALLER] = "caller-data",
        [ISS_FRESH_NONE] = "none",
    };
    _Static_assert(sizeof name / sizeof name[0] == ISS_FRESH_MAX, "one name each");
    return name[f];
}

static void write_vector(vd_jw *w, const struct iss_appraisal *a)
{
    bool any = false;
    for (int i = 0; i < VD_EAR_CLAIM_MAX; i++)
        any = any || a->set[i];
    if (!any)
        return;
    vd_jw_key(w, VD_EAR_VECTOR);
    vd_jw_obj(w);
    for (int i = 0; i < VD_EAR_CLAIM_MAX; i++)
        if (a->set[i])
            vd_jw_ki64(w, vd_ear_claim_name((enum vd_ear_claim)i), a->value[i]);
    vd_jw_end(w);
}

static void write_submod(vd_jw *w, const struct iss_passport *p, const struct iss_appraisal *a)
{
    vd_jw_key(w, a->name);
    vd_jw_obj(w);
    vd_jw_kstr(w, VD_EAR_STATUS, vd_ear_tier_name(a->tier));
    write_vector(w, a);
    vd_jw_kstr(w, VD_EAR_POLICY_ID, p->policy_base);
    vd_jw_key(w, VD_EAR_ANNOTATED);
    vd_jw_raw(w, vd_buf_span(&a->annotated));
    vd_buf_add(w->out, vd_buf_span(&a->extensions)); /* begins with a comma */
    vd_jw_key(w, VD_EAR_OURS);
    vd_jw_obj(w);
    vd_jw_kstr(w, "tee", a->claims->tee);
    vd_jw_kbool(w, "debug", a->claims->debug);
    if (a->claims->hw_id[0])
        vd_jw_kstr(w, "hw_id", a->claims->hw_id);
    if (a->event_log.n) {
        vd_jw_key(w, "event_log");
        vd_jw_raw(w, vd_buf_span(&a->event_log));
    }
    vd_jw_end(w);
    vd_jw_end(w);
}

static bool class_seen(const struct iss_appraisals *all, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (strcmp(all->item[j].claims->cls, all->item[i].claims->cls) == 0)
            return true;
    return false;
}

static void write_ours(vd_jw *w, const struct iss_passport *p)
{
    bool simulated = false;
    for (size_t i = 0; i < p->appraisals->n; i++)
        simulated = simulated || p->appraisals->item[i].claims->simulated;
    vd_jw_key(w, VD_EAR_OURS);
    vd_jw_obj(w);
    vd_jw_ku64(w, "v", 1);
    vd_jw_kstr(w, "freshness", iss_freshness_name(p->freshness));
    vd_jw_kbool(w, "simulated", simulated);
    vd_jw_key(w, "policies");
    vd_jw_arr(w);
    for (size_t i = 0; i < p->appraisals->n; i++) {
        const struct iss_appraisal *a = &p->appraisals->item[i];
        if (class_seen(p->appraisals, i))
            continue;
        vd_jw_obj(w);
        vd_jw_kstr(w, "id", p->policy_base);
        vd_jw_kstr(w, "class", a->claims->cls);
        vd_jw_khex(w, "sha256", vd_span_of(a->policy_sha256, sizeof a->policy_sha256));
        vd_jw_end(w);
    }
    vd_jw_end(w);
    vd_jw_end(w);
}

static void write_claims(const struct iss_passport *p, const char *jti, vd_buf *out)
{
    vd_jw w = vd_jw_of(out);
    vd_jw_obj(&w);
    vd_jw_kstr(&w, "eat_profile", VD_EAR_PROFILE);
    vd_jw_kstr(&w, "iss", p->issuer);
    vd_jw_ki64(&w, "iat", p->now);
    vd_jw_ki64(&w, "nbf", p->now);
    vd_jw_ki64(&w, "exp", p->now + (int64_t)p->lifetime);
    vd_jw_kstr(&w, "jti", jti);
    if (p->n_audience) {
        vd_jw_key(&w, "aud");
        vd_jw_arr(&w);
        for (size_t i = 0; i < p->n_audience; i++)
            vd_jw_str(&w, p->audience[i]);
        vd_jw_end(&w);
    }
    vd_jw_key(&w, VD_EAR_VERIFIER_ID);
    vd_jw_obj(&w);
    vd_jw_kstr(&w, "developer", "vidimus");
    vd_jw_kstr(&w, "build", "vidimus-issuer " VD_VERSION);
    vd_jw_end(&w);
    vd_jw_key(&w, VD_EAR_SUBMODS);
    vd_jw_obj(&w);
    for (size_t i = 0; i < p->appraisals->n; i++)
        write_submod(&w, p, &p->appraisals->item[i]);
    vd_jw_end(&w);
    write_ours(&w, p);
    vd_jw_end(&w);
}

static void make_jti(char ret[ISS_JTI])
{
    uint8_t bytes[16];
    VD_AUTO_BUF text = vd_buf_of(32);
    vd_random(bytes, sizeof bytes);
    vd_b64_encode(vd_span_of(bytes, sizeof bytes), VD_B64_URL, &text);
    (void)snprintf(ret, ISS_JTI, "%.*s", (int)text.n, text.p ? (const char *)text.p : "");
}

vd_rc iss_passport_mint(const struct iss_signer *s, const struct iss_passport *p, size_t max,
                        vd_buf *out, char ret_jti[ISS_JTI], vd_err *err)
{
    if (p->appraisals->n == 0 || p->lifetime == 0 || p->lifetime > VD_PASSPORT_SECONDS_MAX)
        return vd_fail(err, VD_E_INTERNAL, "a passport of nothing, or with a lifetime of %llu s",
                       (unsigned long long)p->lifetime);
    make_jti(ret_jti);
    VD_AUTO_BUF claims = vd_buf_of(max);
    VD_AUTO_BUF token = vd_buf_of(2 * max);
    write_claims(p, ret_jti, &claims);
    vd_err why = { 0 };
    if (vd_buf_check(&claims, &why).code == VD_E_NOMEM)
        return vd_fail(err, VD_E_NOMEM, "passport");
    if (!claims.bad)
        VD_TRY(vd_jws_sign(vd_buf_span(&s->header), vd_buf_span(&claims), s->sign, s->ctx, &token,
                           err));
    if (claims.bad || token.n > max)
        return vd_fail(err, VD_E_PASSPORT_TOO_LARGE,
                       "the passport would be larger than %zu bytes (passport.max_bytes)", max);
    vd_buf_add(out, vd_buf_span(&token));
    return vd_buf_check(out, err);
}
