/* Trusted issuers as the configuration writes them, and as JSON of the native API and of the store.
 */
#include <stdlib.h>

#include "broker/passport/issuer.h"
#include "broker/passport/keyset.h"
#include "broker/passport/text.h"
#include "shared/base/log.h"
#include "shared/crypto/jose.h"

static const char *const *strs(const struct vd_config *c, size_t i, const char *key)
{
    size_t n = 0;
    const char *const *list = vd_config_tstrs(c, "trusted_issuer", i, key, &n);
    return n ? list : NULL;
}

vd_rc brk_issuer_from_config(const struct vd_config *c, size_t i, struct brk_issuer **ret,
                             struct brk_keyset **ret_keys, vd_err *err)
{
    static const char table[] = "trusted_issuer";
    const struct brk_issuer_spec spec = {
        .name = vd_config_tstr(c, table, i, "name"),
        .issuer = vd_config_tstr(c, table, i, "issuer"),
        .jwks_file = vd_config_tstr(c, table, i, "jwks_file"),
        .jwks_url = vd_config_tstr(c, table, i, "jwks_url"),
        .jwks_url_ca = vd_config_tstr(c, table, i, "jwks_url_ca"),
        .ca_file = vd_config_tstr(c, table, i, "ca_file"),
        .leaf_name = vd_config_tstr(c, table, i, "leaf_name"),
        .revocation_url = vd_config_tstr(c, table, i, "revocation_url"),
        .require_revocation = vd_config_tbool(c, table, i, "require_revocation"),
        .algs = strs(c, i, "algs"),
        .tees = strs(c, i, "tees"),
        .repositories = strs(c, i, "repositories"),
        .policies = strs(c, i, "policies"),
        .accept_freshness = strs(c, i, "accept_freshness"),
        .assume_freshness = vd_config_tstr(c, table, i, "assume_freshness"),
        .require_audience = vd_config_tbool(c, table, i, "require_audience"),
        .accept_simulated = vd_config_tbool(c, table, i, "accept_simulated"),
        .max_lifetime = vd_config_tu64(c, table, i, "max_lifetime"),
    };
    if (brk_issuer_new(&spec, ret, ret_keys, err).code == VD_E_OK)
        return VD_OK;
    char where[96];
    (void)snprintf(where, sizeof where, "[[trusted_issuer]] number %zu (%.40s)", i + 1,
                   spec.name ? spec.name : "no name");
    vd_context(err, where);
    return VD_RC(VD_E_CONFIG);
}

/* Strings of one JSON body, freed together. */
struct strings {
    char *item[BRK_LIST_MAX * 6];
    size_t n;
};

static void strings_done(struct strings *s)
{
    for (size_t i = 0; i < s->n; i++)
        free(s->item[i]);
    s->n = 0;
}

static vd_rc str_of(vd_jv v, const char *what, struct strings *pool, const char **ret, vd_err *err)
{
    char *s = NULL;
    if (!vd_jv_is(v, VD_JSON_STRING))
        return vd_fail(err, VD_E_SETTING, "%s is a string", what);
    if (pool->n == sizeof pool->item / sizeof *pool->item)
        return vd_fail(err, VD_E_SETTING, "the entry has too many strings");
    VD_TRY(vd_jv_strdup(v, &s, err));
    pool->item[pool->n++] = s;
    *ret = s;
    return VD_OK;
}

static vd_rc list_of(vd_jv v, const char *what, struct strings *pool,
                     const char *list[BRK_LIST_MAX + 1], vd_err *err)
{
    size_t n = 0;
    if (!vd_jv_is(v, VD_JSON_ARRAY) || vd_jv_count(v) > BRK_LIST_MAX)
        return vd_fail(err, VD_E_SETTING, "%s is an array of at most %d strings", what,
                       BRK_LIST_MAX);
    vd_jv_iter each = vd_jv_iter_of(v);
    while (vd_jv_next(&each))
        VD_TRY(str_of(each.value, what, pool, &list[n++], err));
    list[n] = NULL;
    return VD_OK;
}

struct body {
    struct strings pool;
    const char *list[5][BRK_LIST_MAX + 1];
    struct brk_issuer_spec spec;
    bool suspended;
};

static void body_done(struct body *b)
{
    strings_done(&b->pool);
}

static vd_rc bool_of(vd_jv v, const char *what, bool *ret, vd_err *err)
{
    if (vd_jv_bool(v, ret, NULL).code != VD_E_OK)
        return vd_fail(err, VD_E_SETTING, "%s is true or false", what);
    return VD_OK;
}

static vd_rc string_member(vd_jv_iter m, struct body *b, bool *ret_known, vd_err *err)
{
    struct brk_issuer_spec *s = &b->spec;
    const struct {
        const char *name;
        const char **to;
    } row[] = {
        { "issuer", &s->issuer },
        { "jwks_url", &s->jwks_url },
        { "leaf_name", &s->leaf_name },
        { "revocation_url", &s->revocation_url },
        { "assume_freshness", &s->assume_freshness },
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        if (vd_jv_str_eq(m.name, row[i].name)) {
            *ret_known = true;
            return str_of(m.value, row[i].name, &b->pool, row[i].to, err);
        }
    }
    return VD_OK;
}

static vd_rc list_member(vd_jv_iter m, struct body *b, bool *ret_known, vd_err *err)
{
    struct brk_issuer_spec *s = &b->spec;
    const struct {
        const char *name;
        const char *const **to;
    } row[] = {
        { "algs", &s->algs },
        { "tees", &s->tees },
        { "repositories", &s->repositories },
        { "policies", &s->policies },
        { "accept_freshness", &s->accept_freshness },
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        if (vd_jv_str_eq(m.name, row[i].name)) {
            *ret_known = true;
            *row[i].to = b->list[i];
            return list_of(m.value, row[i].name, &b->pool, b->list[i], err);
        }
    }
    return VD_OK;
}

static vd_rc other_member(vd_jv_iter m, struct body *b, vd_err *err)
{
    struct brk_issuer_spec *s = &b->spec;
    if (vd_jv_str_eq(m.name, "require_audience"))
        return bool_of(m.value, "require_audience", &s->require_audience, err);
    if (vd_jv_str_eq(m.name, "accept_simulated"))
        return bool_of(m.value, "accept_simulated", &s->accept_simulated, err);
    if (vd_jv_str_eq(m.name, "require_revocation"))
        return bool_of(m.value, "require_revocation", &s->require_revocation, err);
    if (vd_jv_str_eq(m.name, "suspended"))
        return bool_of(m.value, "suspended", &b->suspended, err);
    if (vd_jv_str_eq(m.name, "max_lifetime")) {
        if (vd_jv_u64(m.value, BRK_LIFETIME_MAX, &s->max_lifetime, NULL).code != VD_E_OK ||
            s->max_lifetime == 0)
            return vd_fail(err, VD_E_SETTING, "max_lifetime is 1 to %d seconds", BRK_LIFETIME_MAX);
        return VD_OK;
    }
    if (vd_jv_str_eq(m.name, "jwks")) {
        if (!vd_jv_is(m.value, VD_JSON_OBJECT))
            return vd_fail(err, VD_E_SETTING, "jwks is a JWK set, {\"keys\":[...]}");
        s->jwks = vd_jv_raw(m.value);
        return VD_OK;
    }
    if (vd_jv_str_eq(m.name, "ca")) {
        const char *pem = NULL;
        VD_TRY(str_of(m.value, "ca", &b->pool, &pem, err));
        s->ca = vd_span_str(pem);
        return VD_OK;
    }
    VD_AUTO_BUF name = vd_buf_of(512);
    vd_text_escape(vd_jv_str_raw(m.name), 60, &name);
    return vd_fail(err, VD_E_SETTING, "unknown member %s", vd_buf_cstr(&name));
}

vd_rc brk_issuer_from_json(const char *name, vd_span text, struct brk_issuer **ret,
                           struct brk_keyset **ret_keys, bool *ret_suspended, vd_err *err)
{
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    __attribute__((cleanup(body_done))) struct body b = { .spec.name = name };
    VD_TRY(vd_json_parse(text, VD_JSON_LIMITS((size_t)BRK_JWKS_BYTES * 2), &doc, err));
    if (!vd_jv_is(vd_json_root(doc), VD_JSON_OBJECT))
        return vd_fail(err, VD_E_SETTING, "a trusted issuer is a JSON object");
    vd_jv_iter m = vd_jv_iter_of(vd_json_root(doc));
    while (vd_jv_next(&m)) {
        bool known = false;
        VD_TRY(string_member(m, &b, &known, err));
        if (!known)
            VD_TRY(list_member(m, &b, &known, err));
        if (!known)
            VD_TRY(other_member(m, &b, err));
    }
    VD_TRY(brk_issuer_new(&b.spec, ret, ret_keys, err));
    *ret_suspended = b.suspended;
    return VD_OK;
}

static void policies_to_json(const struct brk_issuer *i, vd_jw *w)
{
    vd_jw_key(w, "policies");
    vd_jw_arr(w);
    for (size_t k = 0; k < i->n_policies; k++) {
        VD_AUTO_BUF text = vd_buf_of(256);
        vd_buf_str(&text, i->policy[k].id);
        if (i->policy[k].hashed) {
            vd_buf_u8(&text, '@');
            for (size_t b = 0; b < 32; b++)
                vd_buf_printf(&text, "%02x", i->policy[k].sha256[b]);
        }
        vd_jw_str_span(w, vd_buf_span(&text));
    }
    vd_jw_end(w);
}

static void lists_to_json(const struct brk_issuer *i, vd_jw *w)
{
    vd_jw_key(w, "algs");
    vd_jw_arr(w);
    for (int a = 0; a < VD_SIG_MAX; a++)
        if (i->alg[a])
            vd_jw_str(w, vd_jws_alg_name((enum vd_sig)a));
    vd_jw_end(w);
    vd_jw_key(w, "tees");
    vd_jw_arr(w);
    if (i->any_tee)
        vd_jw_str(w, "*");
    for (size_t k = 0; k < i->n_tees; k++)
        vd_jw_str(w, i->tee[k]);
    vd_jw_end(w);
    vd_jw_key(w, "repositories");
    vd_jw_arr(w);
    if (i->any_repository)
        vd_jw_str(w, "*");
    for (size_t k = 0; k < i->n_repositories; k++)
        vd_jw_str(w, i->repository[k]);
    vd_jw_end(w);
    policies_to_json(i, w);
    vd_jw_key(w, "accept_freshness");
    vd_jw_arr(w);
    for (int f = 0; f < BRK_FRESH_MAX; f++)
        if (i->fresh[f])
            vd_jw_str(w, brk_freshness_name((enum brk_freshness)f));
    vd_jw_end(w);
}

static void keys_to_json(const struct brk_issuer *i, const struct brk_keyset *keys, vd_jw *w)
{
    static const char *const source[BRK_KEYS_MAX] = {
        [BRK_KEYS_FILE] = "jwks_file",
        [BRK_KEYS_URL] = "jwks_url",
        [BRK_KEYS_INLINE] = "jwks",
        [BRK_KEYS_CA] = "ca",
    };
    vd_jw_kstr(w, "key_source", source[i->source]);
    if (i->where)
        vd_jw_kstr(w, i->source == BRK_KEYS_CA ? "ca_file" : source[i->source], i->where);
    if (i->leaf_name[0])
        vd_jw_kstr(w, "leaf_name", i->leaf_name);
    vd_jw_key(w, "keys");
    vd_jw_arr(w);
    for (size_t k = 0; keys && k < keys->n; k++) {
        vd_jw_obj(w);
        if (keys->item[k].kid[0])
            vd_jw_kstr(w, "kid", keys->item[k].kid);
        vd_jw_kstr(w, "thumbprint", keys->item[k].thumbprint);
        vd_jw_end(w);
    }
    vd_jw_end(w);
}

void brk_issuer_to_json(const struct brk_issuer *i, const struct brk_keyset *keys, vd_jw *w)
{
    vd_jw_kstr(w, "issuer", i->issuer);
    keys_to_json(i, keys, w);
    lists_to_json(i, w);
    vd_jw_kbool(w, "require_audience", i->require_audience);
    vd_jw_ku64(w, "max_lifetime", i->max_lifetime);
    vd_jw_kbool(w, "accept_simulated", i->accept_simulated);
    if (i->revocation_url)
        vd_jw_kstr(w, "revocation_url", i->revocation_url);
    vd_jw_kbool(w, "require_revocation", i->require_revocation);
    if (i->assumes)
        vd_jw_kstr(w, "assume_freshness", brk_freshness_name(i->assumed));
}
