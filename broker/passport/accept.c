/* Token in, passport out: the strict acceptance of SHAPES 4. The payload's `iss` is only a name to
 * look an entry up by; algorithm, keys and all rules are the entry's; keys in the header are at
 * most compared. */
#include <stdatomic.h>
#include <stdlib.h>

#include "broker/passport/text.h"
#include "broker/passport/trust_priv.h"
#include "broker/passport/x5c.h"
#include "shared/crypto/hash.h"

/* What a failed step says becomes the message; its code becomes one of ours. */
static vd_rc refuse(vd_err *err, vd_code code, const char *what, const vd_err *cause)
{
    if (cause->code == VD_E_NOMEM)
        code = VD_E_NOMEM;
    return vd_fail(err, code, "passport refused: %s%s", what, cause->msg);
}

static vd_rc payload_parse(const struct vd_jws *jws, struct vd_json **ret, vd_err *err)
{
    vd_err cause = { 0 };
    if (vd_json_parse(vd_buf_span(&jws->payload), VD_JSON_LIMITS(jws->payload.n), ret, &cause)
            .code != VD_E_OK)
        return refuse(err, VD_E_PASSPORT, "payload: ", &cause);
    if (!vd_jv_is(vd_json_root(*ret), VD_JSON_OBJECT))
        return vd_fail(err, VD_E_PASSPORT, "passport refused: the payload is no JSON object");
    return VD_OK;
}

static vd_rc row_find(const struct brk_trust_view *view, vd_jv claims,
                      const struct brk_trust_row **ret, vd_err *err)
{
    vd_err cause = { 0 };
    char issuer[BRK_ISSUER_MAX + 1] = "";
    vd_jv iss = vd_jv_get(claims, "iss");
    /* Without iss only an entry that says so (issuer = "") can be meant: Trustee before v0.21. */
    if (!vd_jv_is(iss, VD_JSON_NONE) &&
        brk_text_copy(iss, "claim iss", issuer, sizeof issuer - 1, &cause).code != VD_E_OK)
        return refuse(err, VD_E_PASSPORT, "", &cause);
    const struct brk_trust_row *row = brk_trust_by_issuer(view, issuer);
    if (!row)
        return vd_fail(err, VD_E_PASSPORT_ISSUER,
                       "passport refused: issuer \"%.100s\" is not trusted here", issuer);
    if (row->suspended)
        return vd_fail(err, VD_E_ISSUER_SUSPENDED, "passport refused: the issuer %s is suspended",
                       row->issuer->name);
    *ret = row;
    return VD_OK;
}

static vd_rc header_check(const struct vd_jws *jws, const struct brk_issuer *issuer,
                          enum vd_sig *ret_alg, vd_err *err)
{
    if (!vd_jv_str_eq(jws->typ, "JWT"))
        return vd_fail(err, VD_E_PASSPORT, "passport refused: its typ is not JWT");
    if (vd_jws_alg_by_name(vd_jv_str_raw(jws->alg), ret_alg, NULL).code != VD_E_OK ||
        !issuer->alg[*ret_alg])
        return vd_fail(err, VD_E_PASSPORT_KEY,
                       "passport refused: its alg is none of those of the entry %s", issuer->name);
    return VD_OK;
}

/* The entry's key that the header means; header keys are compared by thumbprint, never used. */
static vd_rc set_key(const struct vd_jws *jws, const struct brk_keyset *keys,
                     const struct brk_jwk **ret, vd_err *err)
{
    vd_err cause = { 0 };
    const struct brk_jwk *by_kid = NULL;
    const struct brk_jwk *by_jwk = NULL;
    bool has_kid = !vd_jv_is(jws->kid, VD_JSON_NONE);
    bool has_jwk = !vd_jv_is(jws->jwk, VD_JSON_NONE);
    if (!has_kid && !has_jwk)
        return vd_fail(err, VD_E_PASSPORT_KEY,
                       "passport refused: neither kid nor jwk in its header");
    if (has_kid) {
        char kid[BRK_KID_MAX + 1];
        if (brk_text_copy(jws->kid, "kid", kid, BRK_KID_MAX, &cause).code != VD_E_OK)
            return refuse(err, VD_E_PASSPORT_KEY, "", &cause);
        by_kid = brk_keyset_by_kid(keys, vd_span_str(kid));
    }
    if (has_jwk) {
        char thumbprint[44];
        VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
        if (vd_key_from_jwk(jws->jwk, VD_KEY_VERIFY, &key, &cause).code != VD_E_OK ||
            vd_key_thumbprint(key, thumbprint, &cause).code != VD_E_OK)
            return refuse(err, VD_E_PASSPORT_KEY, "header jwk: ", &cause);
        by_jwk = brk_keyset_by_thumbprint(keys, thumbprint);
    }
    const struct brk_jwk *named = by_kid ? by_kid : by_jwk;
    if (!named || (has_kid && !by_kid) || (has_jwk && !by_jwk))
        return vd_fail(err, VD_E_PASSPORT_KEY,
                       "passport refused: it names a key that its issuer does "
                       "not publish");
    if (by_kid && by_jwk && by_kid != by_jwk)
        return vd_fail(err, VD_E_PASSPORT_KEY,
                       "passport refused: kid and jwk of its header name two keys");
    *ret = named;
    return VD_OK;
}

static vd_rc ca_key(struct brk_trust *t, const struct vd_jws *jws, const struct brk_issuer *issuer,
                    struct vd_key **ret, vd_err *err)
{
    vd_err cause = { 0 };
    VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
    vd_jv alg = vd_jv_get(jws->jwk, "alg");
    if (brk_x5c_key(issuer, jws->jwk, vd_clock_s(&t->cfg.clock), &key, &cause).code != VD_E_OK)
        return refuse(err, VD_E_PASSPORT_KEY, "", &cause);
    if (t->cfg.auth && vd_auth_has_key(t->cfg.auth, key))
        return vd_fail(err, VD_E_PASSPORT_KEY, "passport refused: its key is an administrator's");
    if (!vd_jv_is(alg, VD_JSON_NONE) && (!vd_jv_is(alg, VD_JSON_STRING) ||
                                         !vd_span_eq(vd_jv_str_raw(alg), vd_jv_str_raw(jws->alg))))
        return vd_fail(err, VD_E_PASSPORT_KEY, "passport refused: its jwk is for another alg");
    *ret = VD_TAKE(key);
    return VD_OK;
}

static vd_rc key_find(struct brk_trust *t, const struct vd_jws *jws,
                      const struct brk_trust_row *row, enum vd_sig alg, struct vd_key **ret,
                      vd_err *err)
{
    const struct brk_jwk *jwk = NULL;
    if (row->issuer->source == BRK_KEYS_CA)
        return ca_key(t, jws, row->issuer, ret, err);
    if (!row->keys && row->issuer->source != BRK_KEYS_URL)
        return vd_fail(err, VD_E_UNAVAILABLE,
                       "the key set of %s is older than one seen before; vidimus issuer reset %s",
                       row->issuer->name, row->issuer->name);
    if (!row->keys)
        return vd_fail(err, VD_E_UNAVAILABLE, "the key set of %s could not be fetched yet",
                       row->issuer->name);
    VD_TRY(set_key(jws, row->keys, &jwk, err));
    if (!jwk)
        return vd_fail(err, VD_E_INTERNAL, "a key was found and is not there");
    if (jwk->has_alg && jwk->alg != alg)
        return vd_fail(err, VD_E_PASSPORT_KEY, "passport refused: its key is for another alg");
    *ret = vd_key_ref(jwk->key);
    return VD_OK;
}

static vd_rc signature_check(const struct vd_jws *jws, const struct vd_key *key, enum vd_sig alg,
                             vd_err *err)
{
    vd_err cause = { 0 };
    if (!brk_alg_fits(key, alg))
        return vd_fail(err, VD_E_PASSPORT_KEY, "passport refused: its alg does not fit its key");
    if (vd_jws_verify(jws, key, alg, &cause).code != VD_E_OK)
        return refuse(err, VD_E_PASSPORT, "signature: ", &cause);
    return VD_OK;
}

static vd_rc passport_make(struct brk_trust *t, struct vd_jws *jws, vd_jv claims,
                           const struct brk_trust_row *row, uint64_t epoch,
                           const uint8_t sha256[32], struct brk_passport **ret, vd_err *err)
{
    const struct brk_claims_cfg cfg = {
        .now = vd_clock_s(&t->cfg.clock),
        .leeway = t->cfg.limits->leeway,
        .audience = t->cfg.audience,
        .n_audience = t->cfg.n_audience,
        .allow_rsa1_5 = t->cfg.allow_rsa1_5,
    };
    VD_AUTO(brk_passport_unref) struct brk_passport *p = calloc(1, sizeof *p);
    if (!p)
        return vd_fail(err, VD_E_NOMEM, "passport");
    atomic_init(&p->refs, 1);
    p->issuer = brk_issuer_ref(row->issuer);
    p->epoch = epoch;
    memcpy(p->sha256, sha256, 32);
    vd_rc_ rc = brk_claims_read(&cfg, claims, p, err);
    if (rc.code == VD_E_OK && row->revoked)
        rc = brk_revocation_check(row->revoked, p, claims, err);
    if (rc.code != VD_E_OK) {
        vd_context(err, "passport refused");
        return rc;
    }
    p->payload = vd_buf_of(jws->payload.n);
    vd_buf_add(&p->payload, vd_buf_span(&jws->payload));
    VD_TRY(vd_buf_check(&p->payload, err));
    *ret = VD_TAKE(p);
    return VD_OK;
}

/* The whole check against one view. `ret_row` is set as soon as the issuer is known. */
static vd_rc check(struct brk_trust *t, struct brk_trust_view *view, struct vd_jws *jws,
                   const uint8_t sha256[32], const struct brk_trust_row **ret_row,
                   struct brk_passport **ret, vd_err *err)
{
    enum vd_sig alg = VD_SIG_MAX;
    const struct brk_trust_row *row = NULL;
    VD_AUTO(vd_json_free) struct vd_json *payload = NULL;
    VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
    VD_TRY(payload_parse(jws, &payload, err));
    VD_TRY(row_find(view, vd_json_root(payload), &row, err));
    *ret_row = row;
    VD_TRY(header_check(jws, row->issuer, &alg, err));
    VD_TRY(key_find(t, jws, row, alg, &key, err));
    VD_TRY(signature_check(jws, key, alg, err));
    return passport_make(t, jws, vd_json_root(payload), row, view->epoch, sha256, ret, err);
}

static vd_rc accept_new(struct brk_trust *t, vd_span token, const uint8_t sha256[32],
                        struct brk_passport **ret, vd_err *err)
{
    vd_err cause = { 0 };
    const struct brk_trust_row *row = NULL;
    VD_AUTO(vd_jws_free) struct vd_jws *jws = NULL;
    VD_AUTO(brk_trust_view_unref) struct brk_trust_view *view = brk_trust_view(t);
    if (vd_jws_parse(token, (size_t)t->cfg.limits->passport_accept, &jws, &cause).code != VD_E_OK)
        return refuse(err, VD_E_PASSPORT, "", &cause);

    vd_err first = { 0 };
    vd_rc_ rc = check(t, view, jws, sha256, &row, ret, &first);
    bool unknown_key = rc.code == VD_E_PASSPORT_KEY || rc.code == VD_E_UNAVAILABLE;
    if (unknown_key && row && row->issuer->source == BRK_KEYS_URL &&
        brk_trust_want_keys(t, row->issuer)) {
        brk_trust_view_unref(view);
        view = brk_trust_view(t);
        vd_err_clear(&first);
        rc = check(t, view, jws, sha256, &row, ret, &first);
    }
    if (rc.code != VD_E_OK)
        return vd_fail(err, rc.code, "%s", first.msg);
    return VD_OK;
}

/* require_revocation: nothing of an issuer is accepted without knowing what it has revoked. */
static vd_rc statement_good(const struct brk_trust *t, const struct brk_issuer *i, int64_t now,
                            vd_err *err)
{
    /* One that is good for longer than any statement is of a time to come: the clock was put back.
     */
    int64_t longest = BRK_STATEMENT_SECONDS + (int64_t)t->cfg.limits->leeway;
    int64_t until = atomic_load_explicit(&i->statement.good_until, memory_order_acquire);
    if (!i->require_revocation || (now < until && until - now <= longest))
        return VD_OK;
    return vd_fail(err, VD_E_REVOCATION_STALE, "the revocation statement of %s %s", i->name,
                   until ? "has expired and no newer one was had" : "was not had yet");
}

vd_rc brk_accept(struct brk_trust *t, vd_span token, struct brk_passport **ret, vd_err *err)
{
    uint8_t sha256[32];
    int64_t now = vd_clock_s(&t->cfg.clock);
    if (token.n == 0)
        return vd_fail(err, VD_E_NO_PASSPORT, "no passport was presented");
    if (token.n > t->cfg.limits->passport_accept)
        return vd_fail(err, VD_E_PASSPORT, "passport refused: longer than %llu bytes",
                       (unsigned long long)t->cfg.limits->passport_accept);
    VD_TRY(vd_hash_of(VD_SHA256, token, sha256, err));
    VD_AUTO(brk_passport_unref)
    struct brk_passport *p = brk_cache_get(t->cache, sha256, brk_trust_epoch(t));
    if (p) {
        atomic_fetch_add_explicit(&t->hits, 1, memory_order_relaxed);
        VD_TRY(brk_passport_alive(p, now, t->cfg.limits->leeway, err));
        VD_TRY(statement_good(t, p->issuer, now, err));
        *ret = VD_TAKE(p);
        return VD_OK;
    }
    vd_rc_ rc = accept_new(t, token, sha256, &p, err);
    if (rc.code == VD_E_OK)
        rc = statement_good(t, p->issuer, now, err);
    atomic_fetch_add_explicit(rc.code == VD_E_OK ? &t->accepted : &t->refused, 1,
                              memory_order_relaxed);
    if (rc.code != VD_E_OK)
        return rc;
    brk_cache_put(t->cache, p, now);
    *ret = VD_TAKE(p);
    return VD_OK;
}
