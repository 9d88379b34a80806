/* The claim set of a passport: times, audience, what the issuer's entry allows, devices, TEE key.
 * Every member that is looked at has exactly its type, or the passport is refused. */
#include <stdatomic.h>
#include <stdlib.h>

#include "broker/passport/passport.h"
#include "broker/passport/text.h"
#include "shared/codec/b64.h"

enum { TIME_MAX_BITS = 53, AUD_MAX = 16, PINS_MAX = 64 };

/* Seconds since the epoch: a non-negative integer, small enough for sums. */
static vd_rc time_claim(vd_jv claims, const char *name, bool required, int64_t fallback,
                        int64_t *ret, vd_err *err)
{
    uint64_t v = 0;
    vd_jv claim = vd_jv_get(claims, name);
    if (vd_jv_is(claim, VD_JSON_NONE) && !required) {
        *ret = fallback;
        return VD_OK;
    }
    if (vd_jv_u64(claim, (uint64_t)1 << TIME_MAX_BITS, &v, NULL).code != VD_E_OK)
        return vd_fail(err, VD_E_PASSPORT, "claim %s is no whole number of seconds", name);
    *ret = (int64_t)v;
    return VD_OK;
}

vd_rc brk_passport_alive(const struct brk_passport *p, int64_t now, uint64_t leeway, vd_err *err)
{
    if (now >= p->exp + (int64_t)leeway)
        return vd_fail(err, VD_E_PASSPORT_EXPIRED, "it expired %lld seconds ago",
                       (long long)(now - p->exp));
    return VD_OK;
}

static vd_rc times(const struct brk_claims_cfg *cfg, vd_jv claims, struct brk_passport *p,
                   vd_err *err)
{
    int64_t nbf = 0;
    int64_t soon = cfg->now + (int64_t)cfg->leeway;
    VD_TRY(time_claim(claims, "exp", true, 0, &p->exp, err));
    VD_TRY(time_claim(claims, "iat", true, 0, &p->iat, err));
    VD_TRY(time_claim(claims, "nbf", false, p->iat, &nbf, err));
    if (p->exp <= p->iat || p->exp - p->iat > (int64_t)p->issuer->max_lifetime)
        return vd_fail(err, VD_E_PASSPORT, "it lives %lld seconds, the entry %s allows 1 to %llu",
                       (long long)(p->exp - p->iat), p->issuer->name,
                       (unsigned long long)p->issuer->max_lifetime);
    if (p->iat > soon || nbf > soon)
        return vd_fail(err, VD_E_PASSPORT, "it is of the future (iat or nbf); compare the clocks");
    return brk_passport_alive(p, cfg->now, cfg->leeway, err);
}

static bool is_ours(const struct brk_claims_cfg *cfg, vd_jv aud)
{
    for (size_t i = 0; i < cfg->n_audience; i++)
        if (vd_jv_str_eq(aud, cfg->audience[i]))
            return true;
    return false;
}

static vd_rc audience(const struct brk_claims_cfg *cfg, vd_jv claims, const struct brk_passport *p,
                      vd_err *err)
{
    bool hit = false;
    vd_jv aud = vd_jv_get(claims, "aud");
    if (vd_jv_is(aud, VD_JSON_NONE)) {
        if (p->issuer->require_audience)
            return vd_fail(err, VD_E_PASSPORT_AUDIENCE, "it has no aud, the entry %s requires one",
                           p->issuer->name);
        return VD_OK;
    }
    if (vd_jv_is(aud, VD_JSON_STRING))
        hit = is_ours(cfg, aud);
    else if (!vd_jv_is(aud, VD_JSON_ARRAY) || vd_jv_count(aud) > AUD_MAX)
        return vd_fail(err, VD_E_PASSPORT, "claim aud is neither a string nor a short array");
    vd_jv_iter each = vd_jv_iter_of(aud);
    while (vd_jv_next(&each)) {
        if (!vd_jv_is(each.value, VD_JSON_STRING))
            return vd_fail(err, VD_E_PASSPORT, "claim aud has an element that is no string");
        hit = is_ours(cfg, each.value) || hit;
    }
    if (!hit)
        return vd_fail(err, VD_E_PASSPORT_AUDIENCE,
                       "it is for somebody else: no aud equals one of [accept] audience");
    return VD_OK;
}

static vd_rc refused(vd_err *err, vd_err *cause)
{
    return vd_fail(err, VD_E_PASSPORT, "%s", cause->msg);
}

/* vidimus.policies: every policy that judged a device must be one that the entry allows. */
static vd_rc pins(const struct brk_passport *p, vd_jv list, vd_err *err)
{
    if (!vd_jv_is(list, VD_JSON_ARRAY) || vd_jv_count(list) == 0 || vd_jv_count(list) > PINS_MAX)
        return vd_fail(err, VD_E_PASSPORT, "vidimus.policies is no list of policies");
    vd_jv_iter each = vd_jv_iter_of(list);
    while (vd_jv_next(&each)) {
        vd_err cause = { 0 };
        char id[BRK_POLICY_ID_MAX + 1];
        VD_AUTO_BUF digest = vd_buf_of(32);
        vd_jv sha256 = vd_jv_get(each.value, "sha256");
        if (brk_text_copy(vd_jv_get(each.value, "id"), "vidimus.policies id", id, sizeof id - 1,
                          &cause)
                .code != VD_E_OK)
            return refused(err, &cause);
        if (!vd_jv_is(sha256, VD_JSON_STRING) ||
            vd_hex_decode(vd_jv_str_raw(sha256), &digest, NULL).code != VD_E_OK || digest.n != 32)
            return vd_fail(err, VD_E_PASSPORT, "vidimus.policies sha256 is no digest in hex");
        if (!brk_issuer_has_policy(p->issuer, id, digest.p))
            return vd_fail(err, VD_E_PASSPORT,
                           "it was made under policy %.60s, which the entry %s does "
                           "not accept (or not this version)",
                           id, p->issuer->name);
    }
    return VD_OK;
}

/* The `vidimus` member (SHAPES 4), or the assumption of the entry when another issuer made it. */
static vd_rc our_facts(vd_jv claims, struct brk_passport *p, vd_err *err)
{
    uint64_t v = 0;
    vd_jv ours = vd_jv_get(claims, VD_EAR_OURS);
    vd_jv fresh = vd_jv_get(ours, "freshness");
    if (vd_jv_is(ours, VD_JSON_NONE)) {
        if (!p->issuer->assumes)
            return vd_fail(err, VD_E_PASSPORT,
                           "it does not say how fresh its evidence was, and the "
                           "entry %s has no assume_freshness",
                           p->issuer->name);
        p->freshness = p->issuer->assumed;
    } else {
        p->ours = true;
        if (vd_jv_u64(vd_jv_get(ours, "v"), 1, &v, NULL).code != VD_E_OK || v != 1)
            return vd_fail(err, VD_E_PASSPORT, "vidimus.v is not 1");
        if (!vd_jv_is(fresh, VD_JSON_STRING) ||
            brk_freshness_by_name(vd_jv_str_raw(fresh), &p->freshness, NULL).code != VD_E_OK)
            return vd_fail(err, VD_E_PASSPORT, "vidimus.freshness is unknown");
        if (vd_jv_bool(vd_jv_get(ours, "simulated"), &p->simulated, NULL).code != VD_E_OK)
            return vd_fail(err, VD_E_PASSPORT, "vidimus.simulated is no boolean");
        VD_TRY(pins(p, vd_jv_get(ours, "policies"), err));
    }
    if (!p->issuer->fresh[p->freshness])
        return vd_fail(err, VD_E_PASSPORT,
                       "its freshness is %s, which the entry %s does not accept",
                       brk_freshness_name(p->freshness), p->issuer->name);
    if (p->simulated && !p->issuer->accept_simulated)
        return vd_fail(err, VD_E_PASSPORT,
                       "it is about a simulated TEE, which the entry %s does not accept",
                       p->issuer->name);
    return VD_OK;
}

/* Another issuer's submod names its TEE only by the member of the annotated evidence that is none
 * of the four common ones. */
static vd_rc annotated_tee(vd_jv annotated, char *out, size_t max, vd_err *err)
{
    static const char *const common[] = { "report_data", "runtime_data_claims", "init_data",
                                          "init_data_claims" };
    vd_jv found = { 0 };
    vd_jv_iter each = vd_jv_iter_of(annotated);
    while (vd_jv_next(&each)) {
        bool skip = false;
        for (size_t i = 0; i < sizeof common / sizeof *common; i++)
            skip = skip || vd_jv_str_eq(each.name, common[i]);
        if (skip)
            continue;
        if (vd_jv_ok(found))
            return vd_fail(err, VD_E_PASSPORT, "a submod names two TEEs");
        found = each.name;
    }
    vd_err cause = { 0 };
    if (brk_text_copy(found, "TEE name of a submod", out, max, &cause).code != VD_E_OK)
        return refused(err, &cause);
    return VD_OK;
}

static vd_rc vector_read(vd_jv vector, struct brk_submod *s, vd_err *err)
{
    vd_jv_iter each = vd_jv_iter_of(vector);
    if (!vd_jv_is(vector, VD_JSON_NONE) && !vd_jv_is(vector, VD_JSON_OBJECT))
        return vd_fail(err, VD_E_PASSPORT, "a trustworthiness vector is no object");
    while (vd_jv_next(&each)) {
        int64_t v = 0;
        int claim = vd_ear_claim_by_name(vd_jv_str_raw(each.name));
        if (claim < 0)
            continue;
        if (vd_jv_i64(each.value, &v, NULL).code != VD_E_OK || v < INT8_MIN || v > INT8_MAX)
            return vd_fail(err, VD_E_PASSPORT, "a trust claim is no small integer");
        s->vector[claim] = (int8_t)v;
    }
    return VD_OK;
}

/* For explanations only: what an owner compares with his reference values. */
static void measurement_read(vd_jv annotated, struct brk_submod *s)
{
    static const char *const names[] = { "measurement", "launch_digest", "measure" };
    vd_jv tee = vd_jv_get(annotated, s->tee);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (brk_text_copy(vd_jv_get(tee, names[i]), "measurement", s->measurement, BRK_MEASURE_MAX,
                          NULL)
                .code == VD_E_OK)
            return;
}

static vd_rc submod_read(vd_jv name, vd_jv v, const struct brk_passport *p, struct brk_submod *s,
                         vd_err *err)
{
    vd_err cause = { 0 };
    vd_jv ours = vd_jv_get(v, VD_EAR_OURS);
    vd_jv annotated = vd_jv_get(v, VD_EAR_ANNOTATED);
    vd_jv status = vd_jv_get(v, VD_EAR_STATUS);
    vd_jv debug = vd_jv_get(ours, "debug");
    int tier = vd_jv_is(status, VD_JSON_STRING) ? vd_ear_tier_by_name(vd_jv_str_raw(status)) : -1;
    if (!vd_jv_is(v, VD_JSON_OBJECT) || tier < 0)
        return vd_fail(err, VD_E_PASSPORT, "a submod has no ear.status");
    s->status = (enum vd_ear_tier)tier;
    if (brk_text_copy(name, "submod name", s->name, sizeof s->name - 1, &cause).code != VD_E_OK ||
        brk_text_copy(vd_jv_get(v, VD_EAR_POLICY_ID), "appraisal policy id", s->policy_id,
                      sizeof s->policy_id - 1, &cause)
                .code != VD_E_OK)
        return refused(err, &cause);
    if (!p->ours)
        VD_TRY(annotated_tee(annotated, s->tee, sizeof s->tee - 1, err));
    else if (brk_text_copy(vd_jv_get(ours, "tee"), "TEE name of a submod", s->tee,
                           sizeof s->tee - 1, &cause)
                 .code != VD_E_OK)
        return refused(err, &cause);
    if (!vd_jv_is(debug, VD_JSON_NONE) && vd_jv_bool(debug, &s->debug, NULL).code != VD_E_OK)
        return vd_fail(err, VD_E_PASSPORT, "a submod's vidimus.debug is no boolean");
    VD_TRY(vector_read(vd_jv_get(v, VD_EAR_VECTOR), s, err));
    measurement_read(annotated, s);
    if (!brk_issuer_has_tee(p->issuer, s->tee))
        return vd_fail(err, VD_E_PASSPORT,
                       "submod %s is of TEE %s, which the entry %s does not accept", s->name,
                       s->tee, p->issuer->name);
    /* Our own passports name policies with their digests in vidimus.policies, checked there. */
    if (!p->ours && !brk_issuer_has_policy(p->issuer, s->policy_id, NULL))
        return vd_fail(err, VD_E_PASSPORT,
                       "submod %s was judged under policy %.60s, which the entry %s "
                       "does not accept",
                       s->name, s->policy_id, p->issuer->name);
    return VD_OK;
}

static vd_rc submods_read(vd_jv claims, struct brk_passport *p, vd_err *err)
{
    vd_jv submods = vd_jv_get(claims, VD_EAR_SUBMODS);
    if (vd_jv_is(submods, VD_JSON_NONE)) {
        /* Not an EAR: nothing says which TEE or policy it is about, so only an entry that takes
         * all. */
        if (p->ours || !p->issuer->any_tee || !brk_issuer_has_policy(p->issuer, "*", NULL))
            return vd_fail(err, VD_E_PASSPORT, "it has no submods");
        return VD_OK;
    }
    size_t n = vd_jv_count(submods);
    if (!vd_jv_is(submods, VD_JSON_OBJECT) || n == 0 || n > BRK_SUBMODS_MAX)
        return vd_fail(err, VD_E_PASSPORT, "submods is no object of 1 to %d devices",
                       BRK_SUBMODS_MAX);
    if (!vd_jv_is(vd_jv_get(claims, "role"), VD_JSON_NONE))
        return vd_fail(err, VD_E_PASSPORT, "it has both role and submods");
    p->submod = calloc(n, sizeof *p->submod);
    if (!p->submod)
        return vd_fail(err, VD_E_NOMEM, "passport");
    vd_jv_iter each = vd_jv_iter_of(submods);
    while (vd_jv_next(&each))
        VD_TRY(submod_read(each.name, each.value, p, &p->submod[p->n_submods++], err));
    return VD_OK;
}

vd_rc brk_claims_read(const struct brk_claims_cfg *cfg, vd_jv claims, struct brk_passport *p,
                      vd_err *err)
{
    vd_err cause = { 0 };
    vd_jv jti = vd_jv_get(claims, "jti");
    VD_TRY(times(cfg, claims, p, err));
    VD_TRY(audience(cfg, claims, p, err));
    VD_TRY(our_facts(claims, p, err));
    VD_TRY(submods_read(claims, p, err));
    if (!vd_jv_is(jti, VD_JSON_NONE) || p->ours)
        if (brk_text_copy(jti, "claim jti", p->jti, BRK_JTI_MAX, &cause).code != VD_E_OK)
            return refused(err, &cause);

    vd_jv jwk = { 0 };
    VD_TRY(brk_tee_key_find(claims, &jwk, err));
    vd_rc_ rc = vd_jwe_key(jwk, cfg->allow_rsa1_5, &p->jwe, &p->tee_key, &cause);
    if (rc.code == VD_E_NOMEM)
        return vd_fail(err, VD_E_NOMEM, "TEE key");
    if (rc.code != VD_E_OK) {
        /* A passport all the same: the release says why nothing can be encrypted to it. */
        (void)snprintf(p->tee_fault, sizeof p->tee_fault, "%.110s", cause.msg);
        return VD_OK;
    }
    return vd_key_thumbprint(p->tee_key, p->tee_thumbprint, err);
}
