/* Revocation statements; see revocation.h. */
#include "broker/passport/revocation.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "broker/passport/text.h"
#include "shared/crypto/jose.h"

enum { STATEMENT_BYTES = 16 << 20, TIME_MAX_BITS = 53 };

static const char *const list_names[BRK_REVOKED_MAX] = {
    [BRK_REVOKED_JTI] = "jti",
    [BRK_REVOKED_HW_ID] = "hw_id",
    [BRK_REVOKED_POLICY] = "policy_sha256",
};

struct brk_revocation *brk_revocation_ref(struct brk_revocation *r)
{
    if (r)
        atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
    return r;
}

void brk_revocation_unref(struct brk_revocation *r)
{
    if (!r || atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (int l = 0; l < BRK_REVOKED_MAX; l++)
        free(r->list[l]);
    vd_buf_done(&r->payload);
    free(r);
}

/* ---- lists ----------------------------------------------------------------------------------- */

static int order(vd_span a, vd_span b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    for (size_t i = 0; i < n; i++)
        if (a.p[i] != b.p[i])
            return a.p[i] < b.p[i] ? -1 : 1;
    return a.n < b.n ? -1 : a.n > b.n;
}

static int order_of(const void *a, const void *b)
{
    return order(*(const vd_span *)a, *(const vd_span *)b);
}

static bool listed(const struct brk_revocation *r, enum brk_revoked_list l, vd_span text)
{
    return r->n[l] && bsearch(&text, r->list[l], r->n[l], sizeof text, order_of);
}

static bool plain(vd_span s, bool hex)
{
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];
        bool digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
        if (hex ? !digit : c < 0x20 || c > 0x7e || c == '\\')
            return false;
    }
    return s.n >= 1 && s.n <= BRK_REVOKED_TEXT;
}

static vd_rc read_list(vd_jv v, enum brk_revoked_list l, struct brk_revocation *r, vd_err *err)
{
    if (!vd_jv_is(v, VD_JSON_ARRAY))
        return vd_fail(err, VD_E_REMOTE, "%s is no array", list_names[l]);
    r->list[l] = calloc(vd_jv_count(v) + 1, sizeof(vd_span));
    if (!r->list[l])
        return vd_fail(err, VD_E_NOMEM, "revocation statement");
    vd_jv_iter each = vd_jv_iter_of(v);
    while (vd_jv_next(&each)) {
        vd_span text = vd_jv_str_raw(each.value);
        if (!vd_jv_is(each.value, VD_JSON_STRING) || !plain(text, l != BRK_REVOKED_JTI) ||
            (l == BRK_REVOKED_POLICY && text.n != 64))
            return vd_fail(err, VD_E_REMOTE, "an element of %s is not what it should be",
                           list_names[l]);
        r->list[l][r->n[l]++] = text;
    }
    qsort(r->list[l], r->n[l], sizeof(vd_span), order_of);
    return VD_OK;
}

/* ---- claims ---------------------------------------------------------------------------------- */

static vd_rc read_number(vd_jv v, const char *name, int64_t *ret, vd_err *err)
{
    uint64_t n = 0;
    if (vd_jv_u64(v, (uint64_t)1 << TIME_MAX_BITS, &n, NULL).code != VD_E_OK)
        return vd_fail(err, VD_E_REMOTE, "%s is no whole number", name);
    *ret = (int64_t)n;
    return VD_OK;
}

static vd_rc read_times(vd_jv root, struct brk_revocation *r, vd_err *err)
{
    int64_t seq = 0;
    VD_TRY(read_number(vd_jv_get(root, "iat"), "iat", &r->iat, err));
    VD_TRY(read_number(vd_jv_get(root, "exp"), "exp", &r->exp, err));
    VD_TRY(read_number(vd_jv_get(root, "seq"), "seq", &seq, err));
    VD_TRY(read_number(vd_jv_get(root, "not_before"), "not_before", &r->not_before, err));
    if (r->exp <= r->iat || r->exp - r->iat > BRK_STATEMENT_SECONDS)
        return vd_fail(err, VD_E_REMOTE, "it lives %lld seconds, 1 to %d are allowed",
                       (long long)(r->exp - r->iat), BRK_STATEMENT_SECONDS);
    if (seq == 0)
        return vd_fail(err, VD_E_REMOTE, "seq is 0");
    r->seq = (uint64_t)seq;
    return VD_OK;
}

static vd_rc read_claims(vd_jv root, const char *issuer, struct brk_revocation *r, vd_err *err)
{
    enum { MEMBERS = 5 + BRK_REVOKED_MAX };
    if (!vd_jv_is(root, VD_JSON_OBJECT))
        return vd_fail(err, VD_E_REMOTE, "its claims are no object");
    if (!vd_jv_str_eq(vd_jv_get(root, "iss"), issuer))
        return vd_fail(err, VD_E_REMOTE, "its iss is not that of the entry");
    VD_TRY(read_times(root, r, err));
    for (int l = 0; l < BRK_REVOKED_MAX; l++)
        VD_TRY(read_list(vd_jv_get(root, list_names[l]), (enum brk_revoked_list)l, r, err));
    /* All of ours are there, and no name twice: more means one that we do not know. */
    if (vd_jv_count(root) != MEMBERS)
        return vd_fail(err, VD_E_REMOTE, "it has a member that is not known here");
    return VD_OK;
}

vd_rc brk_revocation_parse(vd_span payload, const char *issuer, struct brk_revocation **ret,
                           vd_err *err)
{
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    VD_AUTO(brk_revocation_unref) struct brk_revocation *r = calloc(1, sizeof *r);
    vd_err why = { 0 };
    if (!r)
        return vd_fail(err, VD_E_NOMEM, "revocation statement");
    atomic_init(&r->refs, 1);
    r->payload = vd_buf_of(STATEMENT_BYTES);
    vd_buf_add(&r->payload, payload);
    if (vd_buf_check(&r->payload, &why).code != VD_E_OK ||
        vd_json_parse(vd_buf_span(&r->payload), VD_JSON_LIMITS(STATEMENT_BYTES), &doc, &why).code !=
            VD_E_OK)
        return vd_fail(err, why.code == VD_E_NOMEM ? VD_E_NOMEM : VD_E_REMOTE, "%s", why.msg);
    VD_TRY(read_claims(vd_json_root(doc), issuer, r, err));
    *ret = VD_TAKE(r);
    return VD_OK;
}

/* ---- the token ------------------------------------------------------------------------------- */

static vd_rc key_of(const struct vd_jws *jws, const struct brk_issuer *issuer,
                    const struct brk_keyset *keys, const struct brk_jwk **ret, enum vd_sig *ret_alg,
                    vd_err *err)
{
    char kid[BRK_KID_MAX + 1];
    if (!vd_jv_str_eq(jws->typ, "vidimus-revocation+jwt"))
        return vd_fail(err, VD_E_REMOTE, "its typ is not vidimus-revocation+jwt");
    if (vd_jws_alg_by_name(vd_jv_str_raw(jws->alg), ret_alg, NULL).code != VD_E_OK ||
        !issuer->alg[*ret_alg])
        return vd_fail(err, VD_E_REMOTE, "its alg is none of those of the entry");
    if (brk_text_copy(jws->kid, "kid", kid, BRK_KID_MAX, NULL).code != VD_E_OK)
        return vd_fail(err, VD_E_REMOTE, "it names no key");
    const struct brk_jwk *jwk = keys ? brk_keyset_statement(keys, vd_span_str(kid)) : NULL;
    if (!jwk)
        return vd_fail(err, VD_E_NOT_FOUND,
                       "it names a key that the key set does not mark for statements");
    if ((jwk->has_alg && jwk->alg != *ret_alg) || !brk_alg_fits(jwk->key, *ret_alg))
        return vd_fail(err, VD_E_REMOTE, "its alg does not fit its key");
    *ret = jwk;
    return VD_OK;
}

vd_rc brk_revocation_open(vd_span token, const struct brk_issuer *issuer,
                          const struct brk_keyset *keys, int64_t now, uint64_t leeway,
                          struct brk_revocation **ret, vd_err *err)
{
    VD_AUTO(vd_jws_free) struct vd_jws *jws = NULL;
    VD_AUTO(brk_revocation_unref) struct brk_revocation *r = NULL;
    const struct brk_jwk *jwk = NULL;
    enum vd_sig alg = VD_SIG_MAX;
    vd_err why = { 0 };
    if (vd_jws_parse(token, STATEMENT_BYTES, &jws, &why).code != VD_E_OK)
        return vd_fail(err, VD_E_REMOTE, "%s", why.msg);
    VD_TRY(key_of(jws, issuer, keys, &jwk, &alg, err));
    if (vd_jws_verify(jws, jwk->key, alg, &why).code != VD_E_OK)
        return vd_fail(err, VD_E_REMOTE, "signature: %s", why.msg);
    VD_TRY(brk_revocation_parse(vd_buf_span(&jws->payload), issuer->issuer, &r, err));
    if (r->iat > now + (int64_t)leeway)
        return vd_fail(err, VD_E_REMOTE, "it is of the future; compare the clocks");
    if (r->exp <= now)
        return vd_fail(err, VD_E_REMOTE, "it expired %lld seconds ago; compare the clocks",
                       (long long)(now - r->exp));
    *ret = VD_TAKE(r);
    return VD_OK;
}

bool brk_revocation_same(const struct brk_revocation *a, const struct brk_revocation *b)
{
    if (a->seq != b->seq || a->not_before != b->not_before)
        return false;
    for (int l = 0; l < BRK_REVOKED_MAX; l++) {
        if (a->n[l] != b->n[l])
            return false;
        for (size_t i = 0; i < a->n[l]; i++)
            if (!vd_span_eq(a->list[l][i], b->list[l][i]))
                return false;
    }
    return true;
}

/* ---- passports ------------------------------------------------------------------------------- */

/* A JSON string of hex in lower case, as statements have it. Empty: nothing that could be listed.
 */
static vd_span lower(vd_jv v, char out[BRK_REVOKED_TEXT + 1])
{
    vd_span s = vd_jv_str_raw(v);
    if (s.n > BRK_REVOKED_TEXT)
        return VD_SPAN_NONE;
    for (size_t i = 0; i < s.n; i++)
        out[i] = (char)(s.p[i] >= 'A' && s.p[i] <= 'F' ? s.p[i] - 'A' + 'a' : s.p[i]);
    return vd_span_of(out, s.n);
}

static vd_rc check_submods(const struct brk_revocation *r, vd_jv submods, vd_err *err)
{
    char text[BRK_REVOKED_TEXT + 1];
    vd_jv_iter each = vd_jv_iter_of(submods);
    while (vd_jv_next(&each)) {
        vd_jv id = vd_jv_get(vd_jv_get(each.value, VD_EAR_OURS), "hw_id");
        if (!vd_jv_ok(id))
            continue;
        vd_span hex = lower(id, text);
        /* Not ours to guess at: a platform that hides behind another spelling. */
        if (!vd_jv_is(id, VD_JSON_STRING) || !plain(hex, true))
            return vd_fail(err, VD_E_PASSPORT, "hw_id of a submod is no hex");
        if (listed(r, BRK_REVOKED_HW_ID, hex))
            return vd_fail(err, VD_E_PASSPORT_REVOKED,
                           "its platform %.64s is revoked (statement %llu)", text,
                           (unsigned long long)r->seq);
    }
    return VD_OK;
}

static vd_rc check_policies(const struct brk_revocation *r, vd_jv policies, vd_err *err)
{
    char text[BRK_REVOKED_TEXT + 1] = "";
    vd_jv_iter each = vd_jv_iter_of(policies);
    while (vd_jv_next(&each)) {
        vd_span hex = lower(vd_jv_get(each.value, "sha256"), text);
        if (listed(r, BRK_REVOKED_POLICY, hex))
            return vd_fail(err, VD_E_PASSPORT_REVOKED,
                           "the policy %.64s that it was made under is revoked (statement %llu)",
                           text, (unsigned long long)r->seq);
    }
    return VD_OK;
}

vd_rc brk_revocation_check(const struct brk_revocation *r, const struct brk_passport *p,
                           vd_jv claims, vd_err *err)
{
    if (p->iat < r->not_before)
        return vd_fail(err, VD_E_PASSPORT_REVOKED,
                       "passports issued before %lld are revoked (statement %llu)",
                       (long long)r->not_before, (unsigned long long)r->seq);
    if (p->jti[0] && listed(r, BRK_REVOKED_JTI, vd_span_str(p->jti)))
        return vd_fail(err, VD_E_PASSPORT_REVOKED, "it is revoked by its jti (statement %llu)",
                       (unsigned long long)r->seq);
    VD_TRY(check_submods(r, vd_jv_get(claims, VD_EAR_SUBMODS), err));
    return check_policies(r, vd_jv_get(vd_jv_get(claims, VD_EAR_OURS), "policies"), err);
}
