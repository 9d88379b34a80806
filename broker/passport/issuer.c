/* Trusted issuers: the checks of an entry, whatever it came from; see issuer.h. */
#include "broker/passport/issuer.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "broker/passport/keyset.h"
#include "broker/passport/text.h"
#include "broker/passport/x5c.h"
#include "shared/codec/b64.h"
#include "shared/crypto/jose.h"
#include "shared/wire/kbs.h"
#include "shared/wire/resource.h"

enum { CA_BYTES = 1 << 20, CA_CERTS = 32 };

static const char *const freshness_names[BRK_FRESH_MAX] = {
    [BRK_FRESH_ISSUER_NONCE] = "issuer-nonce",
    [BRK_FRESH_CALLER_DATA] = "caller-data",
    [BRK_FRESH_NONE] = "none",
};

const char *brk_freshness_name(enum brk_freshness f)
{
    return f < BRK_FRESH_MAX ? freshness_names[f] : "none";
}

vd_rc brk_freshness_by_name(vd_span name, enum brk_freshness *ret, vd_err *err)
{
    for (int i = 0; i < BRK_FRESH_MAX; i++) {
        if (vd_span_eq_str(name, freshness_names[i])) {
            *ret = (enum brk_freshness)i;
            return VD_OK;
        }
    }
    return vd_fail(err, VD_E_SETTING, "freshness is issuer-nonce, caller-data or none");
}

static vd_rc list_size(const char *const *list, const char *what, size_t *ret, vd_err *err)
{
    size_t n = 0;
    while (list && list[n] && n <= BRK_LIST_MAX)
        n++;
    if (n == 0)
        return vd_fail(err, VD_E_SETTING, "%s is required; [\"*\"] says all", what);
    if (n > BRK_LIST_MAX)
        return vd_fail(err, VD_E_SETTING, "%s has more than %d entries", what, BRK_LIST_MAX);
    *ret = n;
    return VD_OK;
}

static vd_rc algs_set(struct brk_issuer *i, const struct brk_issuer_spec *s, vd_err *err)
{
    size_t n = 0;
    VD_TRY(list_size(s->algs, "algs", &n, err));
    for (size_t k = 0; k < n; k++) {
        enum vd_sig alg = VD_SIG_MAX;
        if (strcmp(s->algs[k], "*") == 0) {
            for (int a = 0; a < VD_SIG_MAX; a++)
                i->alg[a] = true;
            continue;
        }
        if (vd_jws_alg_by_name(vd_span_str(s->algs[k]), &alg, NULL).code != VD_E_OK)
            return vd_fail(err, VD_E_SETTING,
                           "algs: %.20s is not an algorithm that is accepted here", s->algs[k]);
        i->alg[alg] = true;
    }
    return VD_OK;
}

static vd_rc tees_set(struct brk_issuer *i, const struct brk_issuer_spec *s, vd_err *err)
{
    size_t n = 0;
    VD_TRY(list_size(s->tees, "tees", &n, err));
    for (size_t k = 0; k < n; k++) {
        if (strcmp(s->tees[k], "*") == 0) {
            i->any_tee = true;
            continue;
        }
        const char *tee = vd_kbs_tee_name(vd_span_str(s->tees[k]));
        if (!tee)
            return vd_fail(err, VD_E_SETTING, "tees: %.40s is no TEE name", s->tees[k]);
        i->tee[i->n_tees++] = tee;
    }
    return VD_OK;
}

static vd_rc repositories_set(struct brk_issuer *i, const struct brk_issuer_spec *s, vd_err *err)
{
    size_t n = 0;
    VD_TRY(list_size(s->repositories, "repositories", &n, err));
    i->repository = calloc(n + 1, sizeof *i->repository);
    if (!i->repository)
        return vd_fail(err, VD_E_NOMEM, "trusted issuer");
    for (size_t k = 0; k < n; k++) {
        struct vd_resource_id id;
        if (strcmp(s->repositories[k], "*") == 0) {
            i->any_repository = true;
            continue;
        }
        vd_span repo = vd_span_str(s->repositories[k]);
        if (vd_resource_id_of(repo, VD_LIT("t"), VD_LIT("t"), &id, NULL).code != VD_E_OK)
            return vd_fail(err, VD_E_SETTING, "repositories: %.40s is no repository name",
                           s->repositories[k]);
        char *copy = vd_strdup_span(repo);
        if (!copy)
            return vd_fail(err, VD_E_NOMEM, "trusted issuer");
        i->repository[i->n_repositories++] = copy;
    }
    return VD_OK;
}

static vd_rc pin_set(const char *text, struct brk_policy_pin *pin, vd_err *err)
{
    char copy[200];
    VD_TRY(brk_text_copy_str(text, "an entry of policies", false, copy, sizeof copy - 1, err));
    char *at = strchr(copy, '@');
    if (at) {
        VD_AUTO_BUF digest = vd_buf_of(32);
        *at = '\0';
        if (vd_hex_decode(vd_span_str(at + 1), &digest, NULL).code != VD_E_OK || digest.n != 32)
            return vd_fail(err, VD_E_SETTING,
                           "policies: %.80s: behind the @ stands a SHA-256 in hex", copy);
        memcpy(pin->sha256, digest.p, 32);
        pin->hashed = true;
    }
    pin->any = strcmp(copy, "*") == 0 && !pin->hashed;
    return brk_text_copy_str(copy, "an entry of policies", false, pin->id, sizeof pin->id - 1, err);
}

static vd_rc policies_set(struct brk_issuer *i, const struct brk_issuer_spec *s, vd_err *err)
{
    static const char *const standard[] = { "default", NULL };
    const char *const *list = s->policies ? s->policies : standard;
    size_t n = 0;
    VD_TRY(list_size(list, "policies", &n, err));
    i->policy = calloc(n, sizeof *i->policy);
    if (!i->policy)
        return vd_fail(err, VD_E_NOMEM, "trusted issuer");
    for (; i->n_policies < n; i->n_policies++)
        VD_TRY(pin_set(list[i->n_policies], &i->policy[i->n_policies], err));
    return VD_OK;
}

static vd_rc freshness_set(struct brk_issuer *i, const struct brk_issuer_spec *s, vd_err *err)
{
    static const char *const standard[] = { "issuer-nonce", NULL };
    const char *const *list = s->accept_freshness ? s->accept_freshness : standard;
    size_t n = 0;
    VD_TRY(list_size(list, "accept_freshness", &n, err));
    for (size_t k = 0; k < n; k++) {
        enum brk_freshness f = BRK_FRESH_NONE;
        VD_TRY(brk_freshness_by_name(vd_span_str(list[k]), &f, err));
        i->fresh[f] = true;
    }
    if (s->assume_freshness) {
        VD_TRY(brk_freshness_by_name(vd_span_str(s->assume_freshness), &i->assumed, err));
        i->assumes = true;
    }
    return VD_OK;
}

static bool is_loopback_url(const char *url)
{
    static const char *const at_home[] = { "http://127.0.0.1", "http://localhost", "http://[::1]" };
    for (size_t i = 0; i < sizeof at_home / sizeof *at_home; i++) {
        size_t n = strlen(at_home[i]);
        if (strncmp(url, at_home[i], n) == 0 && (url[n] == ':' || url[n] == '/' || url[n] == '\0'))
            return true;
    }
    return false;
}

static vd_rc url_copy(const char *url, const char *what, char **ret, vd_err *err)
{
    char text[1025];
    VD_TRY(brk_text_copy_str(url, what, false, text, sizeof text - 1, err));
    if (strncmp(text, "https://", 8) != 0 && !is_loopback_url(text))
        return vd_fail(err, VD_E_SETTING,
                       "%s begins with https:// (http:// only for the machine itself)", what);
    if (strchr(text, ' ') || strchr(text, '@') || strchr(text, '#'))
        return vd_fail(err, VD_E_SETTING, "%s has a blank, a user name or a fragment", what);
    *ret = vd_strdup_span(vd_span_str(text));
    return *ret ? VD_OK : vd_fail(err, VD_E_NOMEM, "trusted issuer");
}

static vd_rc url_ca_set(struct brk_issuer *i, const struct brk_issuer_spec *s, vd_err *err)
{
    if (!s->jwks_url_ca)
        return VD_OK;
    if (!s->jwks_url && !s->revocation_url)
        return vd_fail(err, VD_E_SETTING, "jwks_url_ca goes with jwks_url or revocation_url only");
    i->url_ca = vd_strdup_span(vd_span_str(s->jwks_url_ca));
    return i->url_ca ? VD_OK : vd_fail(err, VD_E_NOMEM, "trusted issuer");
}

/* The statement is verified by a key of the set, so a CA alone is not enough. */
static vd_rc revocation_set(struct brk_issuer *i, const struct brk_issuer_spec *s, vd_err *err)
{
    i->require_revocation = s->require_revocation;
    if (s->require_revocation && !s->revocation_url)
        return vd_fail(err, VD_E_SETTING, "require_revocation goes with revocation_url only");
    if (!s->revocation_url)
        return VD_OK;
    if (i->source == BRK_KEYS_CA)
        return vd_fail(err, VD_E_SETTING,
                       "revocation_url needs a key set (a JWKS or jwks_url): it holds the key of "
                       "the statements");
    return url_copy(s->revocation_url, "revocation_url", &i->revocation_url, err);
}

static vd_rc ca_set(struct brk_issuer *i, const struct brk_issuer_spec *s, vd_err *err)
{
    VD_AUTO_BUF pem = vd_buf_of(CA_BYTES);
    if (s->ca_file) {
        VD_TRY(brk_file_read(s->ca_file, &pem, err));
        i->where = vd_strdup_span(vd_span_str(s->ca_file));
        if (!i->where)
            return vd_fail(err, VD_E_NOMEM, "trusted issuer");
    }
    VD_TRY(brk_text_copy_str(s->leaf_name, "leaf_name (it goes with a CA)", false, i->leaf_name,
                             BRK_ISSUER_MAX, err));
    if (vd_certs_parse_pem(s->ca_file ? vd_buf_span(&pem) : s->ca, CA_CERTS, &i->anchors, err)
            .code != VD_E_OK) {
        vd_context(err, s->ca_file ? s->ca_file : "ca");
        return VD_RC(VD_E_SETTING);
    }
    if (i->anchors->n == 0)
        return vd_fail(err, VD_E_SETTING, "%s has no certificate", s->ca_file ? s->ca_file : "ca");
    i->chains = brk_chains_new();
    return i->chains ? VD_OK : vd_fail(err, VD_E_NOMEM, "trusted issuer");
}

static vd_rc keys_set(struct brk_issuer *i, const struct brk_issuer_spec *s,
                      struct brk_keyset **ret, vd_err *err)
{
    bool ca = s->ca_file || s->ca.n;
    int sources = (s->jwks_file != NULL) + (s->jwks_url != NULL) + (s->jwks.n != 0) + ca;
    if (sources != 1)
        return vd_fail(
            err, VD_E_SETTING,
            "exactly one source of keys is needed: a JWKS, jwks_url, or a CA with leaf_name");
    if (!ca && s->leaf_name)
        return vd_fail(err, VD_E_SETTING, "leaf_name goes with a CA only");
    if (ca) {
        i->source = BRK_KEYS_CA;
        return ca_set(i, s, err);
    }
    if (s->jwks_url) {
        i->source = BRK_KEYS_URL;
        return url_copy(s->jwks_url, "jwks_url", &i->where, err);
    }
    if (!s->jwks_file) {
        i->source = BRK_KEYS_INLINE;
        return brk_keyset_parse(s->jwks, ret, err);
    }
    i->source = BRK_KEYS_FILE;
    i->where = vd_strdup_span(vd_span_str(s->jwks_file));
    if (!i->where)
        return vd_fail(err, VD_E_NOMEM, "trusted issuer");
    return brk_keyset_read(s->jwks_file, ret, err);
}

static vd_rc names_set(struct brk_issuer *i, const struct brk_issuer_spec *s, vd_err *err)
{
    VD_TRY(brk_text_copy_str(s->name, "name", false, i->name, BRK_NAME_MAX, err));
    for (const char *c = i->name; *c; c++) {
        bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                     (*c >= '0' && *c <= '9') || *c == '_' || *c == '-' ||
                     (*c == '.' && c > i->name);
        if (!plain)
            return vd_fail(err, VD_E_SETTING,
                           "name is made of [A-Za-z0-9._-], not beginning with a dot");
    }
    if (!s->issuer)
        return vd_fail(err, VD_E_SETTING, "issuer is required");
    if (!*s->issuer && !s->assume_freshness)
        return vd_fail(err, VD_E_SETTING,
                       "issuer \"\" (passports without iss) goes with assume_freshness only");
    return brk_text_copy_str(s->issuer, "issuer", true, i->issuer, BRK_ISSUER_MAX, err);
}

vd_rc brk_issuer_new(const struct brk_issuer_spec *s, struct brk_issuer **ret,
                     struct brk_keyset **ret_keys, vd_err *err)
{
    VD_AUTO(brk_issuer_unref) struct brk_issuer *i = calloc(1, sizeof *i);
    VD_AUTO(brk_keyset_unref) struct brk_keyset *keys = NULL;
    if (!i)
        return vd_fail(err, VD_E_NOMEM, "trusted issuer");
    atomic_init(&i->refs, 1);
    VD_TRY(names_set(i, s, err));
    VD_TRY(algs_set(i, s, err));
    VD_TRY(tees_set(i, s, err));
    VD_TRY(repositories_set(i, s, err));
    VD_TRY(policies_set(i, s, err));
    VD_TRY(freshness_set(i, s, err));
    i->require_audience = s->require_audience;
    i->accept_simulated = s->accept_simulated;
    i->max_lifetime = s->max_lifetime ? s->max_lifetime : BRK_LIFETIME_DEFAULT;
    if (i->max_lifetime > BRK_LIFETIME_MAX)
        return vd_fail(err, VD_E_SETTING, "max_lifetime is at most %d seconds", BRK_LIFETIME_MAX);
    VD_TRY(keys_set(i, s, &keys, err));
    VD_TRY(url_ca_set(i, s, err));
    VD_TRY(revocation_set(i, s, err));
    *ret_keys = VD_TAKE(keys);
    *ret = VD_TAKE(i);
    return VD_OK;
}

struct brk_issuer *brk_issuer_ref(struct brk_issuer *i)
{
    if (i)
        atomic_fetch_add_explicit(&i->refs, 1, memory_order_relaxed);
    return i;
}

void brk_issuer_unref(struct brk_issuer *i)
{
    if (!i || atomic_fetch_sub_explicit(&i->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t k = 0; k < i->n_repositories; k++)
        free(i->repository[k]);
    free(i->repository);
    free(i->policy);
    free(i->where);
    free(i->url_ca);
    free(i->revocation_url);
    vd_certs_free(i->anchors);
    brk_chains_free(i->chains);
    free(i);
}

bool brk_issuer_has_tee(const struct brk_issuer *i, const char *tee)
{
    for (size_t k = 0; k < i->n_tees; k++)
        if (strcmp(i->tee[k], tee) == 0)
            return true;
    return i->any_tee;
}

bool brk_issuer_has_repository(const struct brk_issuer *i, const char *repo)
{
    for (size_t k = 0; k < i->n_repositories; k++)
        if (strcmp(i->repository[k], repo) == 0)
            return true;
    return i->any_repository;
}

bool brk_issuer_has_policy(const struct brk_issuer *i, const char *id, const uint8_t *sha256)
{
    for (size_t k = 0; k < i->n_policies; k++) {
        const struct brk_policy_pin *pin = &i->policy[k];
        if (pin->any)
            return true;
        if (strcmp(pin->id, id) != 0)
            continue;
        if (!pin->hashed)
            return true;
        if (sha256 && vd_span_eq(vd_span_of(pin->sha256, 32), vd_span_of(sha256, 32)))
            return true;
    }
    return false;
}
