/* Administrators: building the immutable table of identities and roles from the configuration. What
 * could be misunderstood stops the start: unknown roles, keys used twice, tokens without an
 * audience. */
#include "shared/auth/auth.h"

#include <string.h>

#include "shared/auth/auth_priv.h"

bool vd_auth_name_ok(const char *name)
{
    size_t n = name ? strlen(name) : 0;
    if (n == 0 || n > VD_AUTH_NAME_MAX)
        return false;
    for (size_t i = 0; i < n; i++) {
        char c = name[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_' || c == '.' || c == '-'))
            return false;
    }
    return true;
}

static vd_rc copy(const char *text, char **ret, vd_err *err)
{
    if (!text)
        return VD_OK;
    *ret = strdup(text);
    return *ret ? VD_OK : vd_fail(err, VD_E_NOMEM, "admin.identity");
}

static bool in_list(char *const *list, const char *word)
{
    for (; list && *list; list++)
        if (strcmp(*list, word) == 0)
            return true;
    return false;
}

static vd_rc take_roles(const struct vd_auth *a, const struct vd_auth_identity *id,
                        struct vd_auth_who *who, vd_err *err)
{
    size_t n = 0;
    while (id->roles && id->roles[n])
        n++;
    if (n == 0)
        return vd_fail(err, VD_E_CONFIG,
                       "admin.identity %s: roles is empty; name the roles it may take", id->name);
    who->roles = calloc(n + 1, sizeof *who->roles);
    if (!who->roles)
        return vd_fail(err, VD_E_NOMEM, "admin.identity");
    for (size_t i = 0; i < n; i++) {
        if (!vd_acl_role(a, id->roles[i]))
            return vd_fail(
                err, VD_E_CONFIG,
                "admin.identity %s: there is no role %.64s; add [[admin.role]] with this name",
                id->name, id->roles[i]);
        VD_TRY(copy(id->roles[i], &who->roles[i], err));
    }
    if (id->default_role && !in_list(who->roles, id->default_role))
        return vd_fail(err, VD_E_CONFIG,
                       "admin.identity %s: default_role %.64s is not one of its roles", id->name,
                       id->default_role);
    return copy(id->default_role, &who->default_role, err);
}

/* One key, one identity: otherwise the record could name the wrong administrator. */
static vd_rc keys_are_new(const struct vd_auth *a, const struct vd_auth_who *who, vd_err *err)
{
    for (size_t k = 0; k < who->n_key; k++) {
        for (size_t j = 0; j < k; j++)
            if (vd_key_same(who->key[k].key, who->key[j].key))
                return vd_fail(err, VD_E_CONFIG,
                               "admin.identity %s: a key stands twice in its file", who->name);
        for (size_t i = 0; i < a->n_who; i++)
            for (size_t j = 0; &a->who[i] != who && j < a->who[i].n_key; j++)
                if (vd_key_same(who->key[k].key, a->who[i].key[j].key))
                    return vd_fail(err, VD_E_CONFIG,
                                   "admin.identity %s and %s have the same key; give each its own",
                                   a->who[i].name, who->name);
    }
    return VD_OK;
}

static vd_rc take_identity(struct vd_auth *a, const struct vd_auth_identity *id, size_t index,
                           vd_err *err)
{
    if (!vd_auth_name_ok(id->name))
        return vd_fail(
            err, VD_E_CONFIG,
            "admin.identity %zu: the name must have 1 to 64 letters, digits, '_', '.' or '-'",
            index + 1);
    for (size_t i = 0; i < a->n_who; i++)
        if (strcmp(a->who[i].name, id->name) == 0)
            return vd_fail(err, VD_E_CONFIG, "admin.identity %s stands twice; rename one",
                           id->name);
    if (!id->audience && !id->default_role)
        return vd_fail(err, VD_E_CONFIG,
                       "admin.identity %s: audience is missing; only an identity with default_role "
                       "may go without",
                       id->name);
    struct vd_auth_who *who = &a->who[a->n_who++];
    VD_TRY(copy(id->name, &who->name, err));
    VD_TRY(copy(id->audience, &who->audience, err));
    VD_TRY(copy(id->issuer, &who->issuer, err));
    VD_TRY(take_roles(a, id, who, err));
    VD_TRY(vd_auth_keys(id, who, err));
    return keys_are_new(a, who, err);
}

vd_rc vd_auth_new(const struct vd_auth_cfg *cfg, const struct vd_router *const *routers,
                  size_t n_routers, struct vd_auth **ret, vd_err *err)
{
    VD_AUTO(vd_auth_free) struct vd_auth *a = calloc(1, sizeof *a);
    if (!a || !(a->who = calloc(cfg->n_identity + 1, sizeof *a->who)))
        return vd_fail(err, VD_E_NOMEM, "administrators");
    a->mode = cfg->mode;
    a->leeway = cfg->leeway;
    a->max_token_life = cfg->max_token_life < VD_ADMIN_TOKEN_SECONDS_MAX
                            ? cfg->max_token_life
                            : VD_ADMIN_TOKEN_SECONDS_MAX;
    VD_TRY(vd_acl_compile(cfg, routers, n_routers, a, err));
    for (size_t i = 0; i < cfg->n_identity; i++)
        VD_TRY(take_identity(a, &cfg->identity[i], i, err));
    *ret = VD_TAKE(a);
    return VD_OK;
}

void vd_auth_free(struct vd_auth *a)
{
    if (!a)
        return;
    for (size_t i = 0; a->who && i < a->n_who; i++) {
        struct vd_auth_who *who = &a->who[i];
        vd_auth_keys_free(who->key, who->n_key);
        for (size_t k = 0; who->roles && who->roles[k]; k++)
            free(who->roles[k]);
        free(who->roles);
        free(who->default_role);
        free(who->issuer);
        free(who->audience);
        free(who->name);
    }
    free(a->who);
    vd_acl_free(a->role, a->n_role);
    free(a);
}

bool vd_auth_has_key(const struct vd_auth *a, const struct vd_key *k)
{
    for (size_t i = 0; i < a->n_who; i++)
        for (size_t j = 0; j < a->who[i].n_key; j++)
            if (vd_key_same(a->who[i].key[j].key, k))
                return true;
    return false;
}
