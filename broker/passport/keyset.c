/* JWK sets of trusted issuers; see keyset.h. */
#include "broker/passport/keyset.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "broker/passport/text.h"
#include "shared/base/auto.h"
#include "shared/crypto/jose.h"

bool brk_alg_fits(const struct vd_key *key, enum vd_sig alg)
{
    static const enum vd_kty kty_of[VD_SIG_MAX] = {
        [VD_SIG_ES256] = VD_KTY_P256,    [VD_SIG_ES384] = VD_KTY_P384, [VD_SIG_ES512] = VD_KTY_P521,
        [VD_SIG_EDDSA] = VD_KTY_ED25519, [VD_SIG_RS256] = VD_KTY_RSA,  [VD_SIG_PS256] = VD_KTY_RSA,
        [VD_SIG_PS384] = VD_KTY_RSA,
    };
    return alg < VD_SIG_MAX && vd_key_type(key) == kty_of[alg];
}

/* A key that no passport can be signed with is no fault of the set. */
static bool is_foreign(vd_jv jwk)
{
    vd_jv kty = vd_jv_get(jwk, "kty");
    vd_jv crv = vd_jv_get(jwk, "crv");
    vd_jv alg = vd_jv_get(jwk, "alg");
    enum vd_sig sig = VD_SIG_MAX;
    if (vd_jv_str_eq(vd_jv_get(jwk, "use"), "enc"))
        return true;
    if (vd_jv_is(alg, VD_JSON_STRING) &&
        vd_jws_alg_by_name(vd_jv_str_raw(alg), &sig, NULL).code != VD_E_OK)
        return true;
    if (vd_jv_str_eq(kty, "EC"))
        return !vd_jv_str_eq(crv, "P-256") && !vd_jv_str_eq(crv, "P-384") &&
               !vd_jv_str_eq(crv, "P-521");
    if (vd_jv_str_eq(kty, "OKP"))
        return !vd_jv_str_eq(crv, "Ed25519");
    return vd_jv_is(kty, VD_JSON_STRING) && !vd_jv_str_eq(kty, "RSA");
}

static vd_rc item_read(vd_jv jwk, struct brk_jwk *it, vd_err *err)
{
    vd_jv alg = vd_jv_get(jwk, "alg");
    vd_jv kid = vd_jv_get(jwk, "kid");
    if (!vd_jv_is(alg, VD_JSON_NONE)) {
        if (!vd_jv_is(alg, VD_JSON_STRING))
            return vd_fail(err, VD_E_SETTING, "alg of a key is no string");
        VD_TRY(vd_jws_alg_by_name(vd_jv_str_raw(alg), &it->alg, err));
        it->has_alg = true;
    }
    if (!vd_jv_is(kid, VD_JSON_NONE))
        VD_TRY(brk_text_copy(kid, "kid", it->kid, BRK_KID_MAX, err));
    VD_TRY(vd_key_from_jwk(jwk, VD_KEY_VERIFY, &it->key, err));
    if (it->has_alg && !brk_alg_fits(it->key, it->alg))
        return vd_fail(err, VD_E_SETTING, "alg of a key does not fit its type");
    return vd_key_thumbprint(it->key, it->thumbprint, err);
}

static vd_rc unique_in(const struct brk_jwk *list, size_t n, const struct brk_jwk *it, vd_err *err)
{
    for (size_t i = 0; i < n; i++) {
        if (it->kid[0] && strcmp(list[i].kid, it->kid) == 0)
            return vd_fail(err, VD_E_SETTING, "two keys have the kid %.40s", it->kid);
        if (strcmp(list[i].thumbprint, it->thumbprint) == 0)
            return vd_fail(err, VD_E_SETTING, "the key %s is in the set twice", it->thumbprint);
    }
    return VD_OK;
}

/* Among the keys of both uses: one that signs passports and statements would be worth both. */
static vd_rc unique(const struct brk_keyset *k, const struct brk_jwk *it, vd_err *err)
{
    VD_TRY(unique_in(k->item, k->n, it, err));
    return unique_in(k->statement, k->n_statement, it, err);
}

static vd_rc set_fill(vd_jv keys, struct brk_keyset *k, vd_err *err)
{
    vd_jv_iter each = vd_jv_iter_of(keys);
    while (vd_jv_next(&each)) {
        if (!vd_jv_is(each.value, VD_JSON_OBJECT))
            return vd_fail(err, VD_E_SETTING, "an element of keys is no object");
        vd_jv use = vd_jv_get(each.value, "vidimus_use");
        bool statement = vd_jv_str_eq(use, "revocation");
        if (is_foreign(each.value) || (vd_jv_ok(use) && !statement))
            continue;
        struct brk_jwk it = { 0 };
        vd_rc_ rc = item_read(each.value, &it, err);
        if (rc.code == VD_E_OK)
            rc = unique(k, &it, err);
        if (rc.code != VD_E_OK) {
            vd_key_unref(it.key);
            return VD_RC(VD_E_SETTING);
        }
        if (statement)
            k->statement[k->n_statement++] = it;
        else
            k->item[k->n++] = it;
    }
    return VD_OK;
}

/* vidimus_seq and iat, both or neither. */
static vd_rc edition_read(vd_jv root, struct brk_keyset *k, vd_err *err)
{
    uint64_t iat = 0;
    vd_jv seq = vd_jv_get(root, "vidimus_seq");
    if (!vd_jv_ok(seq))
        return VD_OK;
    if (vd_jv_u64(seq, INT64_MAX, &k->seq, NULL).code != VD_E_OK || k->seq == 0 ||
        vd_jv_u64(vd_jv_get(root, "iat"), INT64_MAX, &iat, NULL).code != VD_E_OK)
        return vd_fail(err, VD_E_SETTING, "vidimus_seq and iat of a key set are whole numbers");
    k->iat = (int64_t)iat;
    return VD_OK;
}

vd_rc brk_keyset_parse(vd_span jwks, struct brk_keyset **ret, vd_err *err)
{
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    if (vd_json_parse(jwks, VD_JSON_LIMITS(BRK_JWKS_BYTES), &doc, err).code != VD_E_OK)
        return VD_RC(VD_E_SETTING);
    vd_jv keys = vd_jv_get(vd_json_root(doc), "keys");
    if (!vd_jv_is(keys, VD_JSON_ARRAY) || vd_jv_count(keys) > BRK_KEYS_PER_SET)
        return vd_fail(err, VD_E_SETTING, "a key set is {\"keys\":[...]} with at most %d keys",
                       BRK_KEYS_PER_SET);

    VD_AUTO(brk_keyset_unref) struct brk_keyset *k = calloc(1, sizeof *k);
    if (!k)
        return vd_fail(err, VD_E_NOMEM, "key set");
    atomic_init(&k->refs, 1);
    k->item = calloc(vd_jv_count(keys) + 1, sizeof *k->item);
    k->statement = calloc(vd_jv_count(keys) + 1, sizeof *k->statement);
    if (!k->item || !k->statement)
        return vd_fail(err, VD_E_NOMEM, "key set");
    VD_TRY(edition_read(vd_json_root(doc), k, err));
    VD_TRY(set_fill(keys, k, err));
    if (k->n == 0)
        return vd_fail(err, VD_E_SETTING, "the key set has no key that can verify a passport");
    *ret = VD_TAKE(k);
    return VD_OK;
}

vd_rc brk_keyset_read(const char *path, struct brk_keyset **ret, vd_err *err)
{
    VD_AUTO_BUF text = vd_buf_of(BRK_JWKS_BYTES);
    VD_TRY(brk_file_read(path, &text, err));
    vd_rc_ rc = brk_keyset_parse(vd_buf_span(&text), ret, err);
    if (rc.code != VD_E_OK)
        vd_context(err, path);
    return rc;
}

struct brk_keyset *brk_keyset_ref(struct brk_keyset *k)
{
    if (k)
        atomic_fetch_add_explicit(&k->refs, 1, memory_order_relaxed);
    return k;
}

void brk_keyset_unref(struct brk_keyset *k)
{
    if (!k || atomic_fetch_sub_explicit(&k->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < k->n; i++)
        vd_key_unref(k->item[i].key);
    for (size_t i = 0; i < k->n_statement; i++)
        vd_key_unref(k->statement[i].key);
    free(k->item);
    free(k->statement);
    free(k);
}

const struct brk_jwk *brk_keyset_by_thumbprint(const struct brk_keyset *k, const char *thumbprint)
{
    for (size_t i = 0; i < k->n; i++)
        if (strcmp(k->item[i].thumbprint, thumbprint) == 0)
            return &k->item[i];
    return NULL;
}

const struct brk_jwk *brk_keyset_by_kid(const struct brk_keyset *k, vd_span kid)
{
    for (size_t i = 0; i < k->n; i++)
        if (k->item[i].kid[0] && vd_span_eq_str(kid, k->item[i].kid))
            return &k->item[i];
    for (size_t i = 0; i < k->n; i++)
        if (!k->item[i].kid[0] && vd_span_eq_str(kid, k->item[i].thumbprint))
            return &k->item[i];
    return NULL;
}

const struct brk_jwk *brk_keyset_statement(const struct brk_keyset *k, vd_span kid)
{
    for (size_t i = 0; i < k->n_statement; i++) {
        const struct brk_jwk *it = &k->statement[i];
        if (vd_span_eq_str(kid, it->kid[0] ? it->kid : it->thumbprint))
            return it;
    }
    return NULL;
}

static bool same_list(const struct brk_jwk *a, size_t n, const struct brk_jwk *b, size_t m)
{
    size_t found = 0;
    for (size_t i = 0; n == m && i < n; i++)
        for (size_t j = 0; j < m; j++)
            found += strcmp(a[i].thumbprint, b[j].thumbprint) == 0 &&
                     strcmp(a[i].kid, b[j].kid) == 0 && a[i].has_alg == b[j].has_alg &&
                     a[i].alg == b[j].alg;
    return n == m && found == n;
}

bool brk_keyset_same(const struct brk_keyset *a, const struct brk_keyset *b)
{
    return same_list(a->item, a->n, b->item, b->n) &&
           same_list(a->statement, a->n_statement, b->statement, b->n_statement);
}
