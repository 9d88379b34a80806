/* policy, refvalue, secret, issuer: the owners' verbs over the native API. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "shared/wire/resource.h"

enum { PATH_BYTES = 4096 };

/* /policies on an issuer, /release-policies on a broker. */
static const char *policy_root(const struct cli_api *api)
{
    return strcmp(api->server, "issuer") == 0 ? "/policies" : "/release-policies";
}

static const char *policy_path(const struct cli_api *api, const char *id, const char *tail,
                               vd_buf *b)
{
    vd_buf_printf(b, "%s/", policy_root(api));
    cli_percent(vd_span_str(id), b);
    vd_buf_str(b, tail);
    return vd_buf_cstr(b);
}

int cli_policy_put(const struct cli_args *a)
{
    vd_err err = { 0 };
    CLI_AUTO_API api = { 0 };
    VD_AUTO_BUF text = vd_buf_of(0);
    VD_AUTO_BUF path = vd_buf_of(PATH_BYTES);
    if (cli_read(a->arg[1], 1u << 20, &text, &err).code != VD_E_OK ||
        cli_api_open(a, NULL, &api, &err).code != VD_E_OK)
        return cli_fail_err(&err);
    return cli_api_change(a, &api, "PUT", policy_path(&api, a->arg[0], "", &path),
                          vd_buf_span(&text), "text/plain; charset=utf-8");
}

static int policy_get(const struct cli_args *a, const char *tail)
{
    vd_err err = { 0 };
    CLI_AUTO_API api = { 0 };
    VD_AUTO_BUF path = vd_buf_of(PATH_BYTES);
    if (cli_api_open(a, NULL, &api, &err).code != VD_E_OK)
        return cli_fail_err(&err);
    return cli_api_show(a, &api, policy_path(&api, a->arg[0], tail, &path));
}

int cli_policy_show(const struct cli_args *a)
{
    char tail[64] = "";
    if (a->if_version)
        (void)snprintf(tail, sizeof tail, "/versions/%.20s", a->if_version);
    return policy_get(a, tail);
}

int cli_policy_history(const struct cli_args *a)
{
    return policy_get(a, "/versions");
}

int cli_policy_list(const struct cli_args *a)
{
    vd_err err = { 0 };
    CLI_AUTO_API api = { 0 };
    if (cli_api_open(a, NULL, &api, &err).code != VD_E_OK)
        return cli_fail_err(&err);
    return cli_api_show(a, &api, policy_root(&api));
}

int cli_policy_rm(const struct cli_args *a)
{
    vd_err err = { 0 };
    CLI_AUTO_API api = { 0 };
    VD_AUTO_BUF path = vd_buf_of(PATH_BYTES);
    if (cli_api_open(a, NULL, &api, &err).code != VD_E_OK)
        return cli_fail_err(&err);
    return cli_api_change(a, &api, "DELETE", policy_path(&api, a->arg[0], "", &path), VD_SPAN_NONE,
                          NULL);
}

static const char *refvalue_path(const char *name, vd_buf *b)
{
    vd_buf_str(b, "/reference-values?name=");
    cli_percent(vd_span_str(name), b);
    return vd_buf_cstr(b);
}

/* The value is JSON; a plain word that is no JSON is taken as a string.
 * {"value":...,"expires_at":...}
 */
static vd_rc refvalue_body(const struct cli_args *a, vd_buf *body, vd_err *err)
{
    VD_AUTO_BUF text = vd_buf_of(0);
    if (a->arg[1][0] == '@' || strcmp(a->arg[1], "-") == 0) {
        VD_TRY(cli_read(a->arg[1] + (a->arg[1][0] == '@'), 4u << 20, &text, err));
    } else {
        text = vd_buf_of(65536);
        vd_buf_str(&text, a->arg[1]);
    }
    VD_AUTO(vd_json_free) struct vd_json *j = NULL;
    const struct vd_json_limits limits = { 4u << 20, 32, 200000 };
    bool json = vd_json_parse(vd_buf_span(&text), &limits, &j, NULL).code == VD_E_OK;
    *body = vd_buf_of(8u << 20);
    vd_jw w = vd_jw_of(body);
    vd_jw_obj(&w);
    vd_jw_key(&w, "value");
    if (json)
        vd_jw_raw(&w, vd_jv_raw(vd_json_root(j)));
    else
        vd_jw_str_span(&w, cli_trim(vd_buf_span(&text)));
    if (a->expires)
        vd_jw_kstr(&w, "expires_at", a->expires);
    vd_jw_end(&w);
    return vd_buf_check(body, err);
}

int cli_refvalue_put(const struct cli_args *a)
{
    vd_err err = { 0 };
    CLI_AUTO_API api = { 0 };
    VD_AUTO_BUF body = vd_buf_of(0);
    VD_AUTO_BUF path = vd_buf_of(PATH_BYTES);
    if (refvalue_body(a, &body, &err).code != VD_E_OK ||
        cli_api_open(a, "issuer", &api, &err).code != VD_E_OK)
        return cli_fail_err(&err);
    return cli_api_change(a, &api, "PUT", refvalue_path(a->arg[0], &path), vd_buf_span(&body),
                          "application/json");
}

int cli_refvalue_show(const struct cli_args *a)
{
    vd_err err = { 0 };
    CLI_AUTO_API api = { 0 };
    VD_AUTO_BUF path = vd_buf_of(PATH_BYTES);
    if (cli_api_open(a, "issuer", &api, &err).code != VD_E_OK)
        return cli_fail_err(&err);
    return cli_api_show(a, &api, refvalue_path(a->arg[0], &path));
}

int cli_refvalue_list(const struct cli_args *a)
{
    vd_err err = { 0 };
    CLI_AUTO_API api = { 0 };
    if (cli_api_open(a, "issuer", &api, &err).code != VD_E_OK)
        return cli_fail_err(&err);
    return cli_api_show(a, &api, "/reference-values");
}

int cli_refvalue_rm(const struct cli_args *a)
{
    vd_err err = { 0 };
    CLI_AUTO_API api = { 0 };
    VD_AUTO_BUF path = vd_buf_of(PATH_BYTES);
    if (cli_api_open(a, "issuer", &api, &err).code != VD_E_OK)
        return cli_fail_err(&err);
    return cli_api_change(a, &api, "DELETE", refvalue_path(a->arg[0], &path), VD_SPAN_NONE, NULL);
}

static vd_rc secret_path(const char *resource, vd_buf *path, vd_err *err)
{
    struct vd_resource_id id;
    VD_TRY(vd_resource_id_parse(vd_span_str(resource), &id, err));
    char name[VD_RESOURCE_NAME];
    vd_resource_id_name(&id, name);
    vd_buf_printf(path, "/secrets/%s", name);
    return vd_buf_check(path, err);
}

int cli_secret_put(const struct cli_args *a)
{
    vd_err err = { 0 };
    CLI_AUTO_API api = { 0 };
    VD_AUTO_BUF_WIPED bytes = vd_buf_of(0);
    VD_AUTO_BUF path = vd_buf_of(PATH_BYTES);
    vd_rc_ rc = secret_path(a->arg[0], &path, &err);
    if (rc.code == VD_E_OK)
        rc = cli_read(a->arg[1], CLI_FILE_MAX, &bytes, &err);
    if (rc.code == VD_E_OK)
        rc = cli_api_open(a, "broker", &api, &err);
    if (rc.code != VD_E_OK)
        return cli_fail_err(&err);
    return cli_api_change(a, &api, "PUT", vd_buf_cstr(&path), vd_buf_span(&bytes),
                          "application/octet-stream");
}

int cli_secret_rm(const struct cli_args *a)
{
    vd_err err = { 0 };
    CLI_AUTO_API api = { 0 };
    VD_AUTO_BUF path = vd_buf_of(PATH_BYTES);
    if (secret_path(a->arg[0], &path, &err).code != VD_E_OK ||
        cli_api_open(a, "broker", &api, &err).code != VD_E_OK)
        return cli_fail_err(&err);
    return cli_api_change(a, &api, "DELETE", vd_buf_cstr(&path), VD_SPAN_NONE, NULL);
}

int cli_secret_list(const struct cli_args *a)
{
    vd_err err = { 0 };
    CLI_AUTO_API api = { 0 };
    VD_AUTO_BUF path = vd_buf_of(PATH_BYTES);
    vd_buf_str(&path, "/secrets?prefix=");
    cli_percent(vd_span_str(a->n_arg ? a->arg[0] : ""), &path);
    if (cli_api_open(a, "broker", &api, &err).code != VD_E_OK)
        return cli_fail_err(&err);
    return cli_api_show(a, &api, vd_buf_cstr(&path));
}

static const char *issuer_path(const char *name, vd_buf *b)
{
    vd_buf_str(b, "/trusted-issuers/");
    cli_percent(vd_span_str(name), b);
    return vd_buf_cstr(b);
}

static void put_list(vd_jw *w, const char *key, const struct cli_list *l)
{
    if (l->n == 0)
        return;
    vd_jw_key(w, key);
    vd_jw_arr(w);
    for (size_t i = 0; i < l->n; i++)
        vd_jw_str(w, l->item[i]);
    vd_jw_end(w);
}

static vd_rc trust_body(const struct cli_args *a, vd_buf *body, vd_err *err)
{
    VD_AUTO_BUF jwks = vd_buf_of(0);
    VD_AUTO(vd_json_free) struct vd_json *j = NULL;
    if (!a->iss || (!a->jwks && !a->jwks_url))
        return vd_fail(err, VD_E_SETTING, "needed: --iss ID and --jwks FILE or --jwks-url URL");
    if (a->alg.n == 0 || a->tee_allowed.n == 0 || a->repository.n == 0)
        return vd_fail(err, VD_E_SETTING,
                       "needed: --alg, --allow-tee and --repository (\"*\" says all)");
    if (a->jwks) {
        VD_TRY(cli_read(a->jwks, 1u << 20, &jwks, err));
        VD_TRY(vd_json_parse(vd_buf_span(&jwks), VD_JSON_LIMITS(1u << 20), &j, err));
    }
    vd_jw w = vd_jw_of(body);
    vd_jw_obj(&w);
    vd_jw_kstr(&w, "issuer", a->iss);
    if (j) {
        vd_jw_key(&w, "jwks");
        vd_jw_raw(&w, vd_jv_raw(vd_json_root(j)));
    } else {
        vd_jw_kstr(&w, "jwks_url", a->jwks_url);
    }
    put_list(&w, "algs", &a->alg);
    put_list(&w, "tees", &a->tee_allowed);
    put_list(&w, "repositories", &a->repository);
    put_list(&w, "policies", &a->policy);
    if (a->revocation_url)
        vd_jw_kstr(&w, "revocation_url", a->revocation_url);
    if (a->require_revocation)
        vd_jw_kbool(&w, "require_revocation", true);
    if (a->accept_simulated)
        vd_jw_kbool(&w, "accept_simulated", true);
    vd_jw_end(&w);
    return vd_buf_check(body, err);
}

int cli_issuer_trust(const struct cli_args *a)
{
    vd_err err = { 0 };
    CLI_AUTO_API api = { 0 };
    VD_AUTO_BUF body = vd_buf_of(2u << 20);
    VD_AUTO_BUF path = vd_buf_of(PATH_BYTES);
    if (trust_body(a, &body, &err).code != VD_E_OK ||
        cli_api_open(a, "broker", &api, &err).code != VD_E_OK)
        return cli_fail_err(&err);
    return cli_api_change(a, &api, "PUT", issuer_path(a->arg[0], &path), vd_buf_span(&body),
                          "application/json");
}

int cli_issuer_list(const struct cli_args *a)
{
    vd_err err = { 0 };
    CLI_AUTO_API api = { 0 };
    if (cli_api_open(a, "broker", &api, &err).code != VD_E_OK)
        return cli_fail_err(&err);
    return cli_api_show(a, &api, "/trusted-issuers");
}

int cli_issuer_suspend(const struct cli_args *a)
{
    vd_err err = { 0 };
    CLI_AUTO_API api = { 0 };
    VD_AUTO_BUF path = vd_buf_of(PATH_BYTES);
    if (cli_api_open(a, "broker", &api, &err).code != VD_E_OK)
        return cli_fail_err(&err);
    return cli_api_change(a, &api, "PUT", issuer_path(a->arg[0], &path),
                          a->resume ? VD_LIT("{\"suspended\":false}")
                                    : VD_LIT("{\"suspended\":true}"),
                          "application/json");
}

int cli_issuer_reset(const struct cli_args *a)
{
    vd_err err = { 0 };
    CLI_AUTO_API api = { 0 };
    VD_AUTO_BUF path = vd_buf_of(PATH_BYTES);
    if (cli_api_open(a, "broker", &api, &err).code != VD_E_OK)
        return cli_fail_err(&err);
    (void)issuer_path(a->arg[0], &path);
    vd_buf_str(&path, "/reset");
    return cli_api_post(a, &api, vd_buf_cstr(&path), VD_SPAN_NONE);
}
