/* Calls of the native API: which server, with which token, and what its problem documents mean. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

static vd_rc choose(const struct cli_args *a, const char *fixed, struct cli_api *ret, vd_err *err)
{
    const char *server = fixed ? fixed : a->server;
    if (!server && a->issuer_admin && !a->broker_admin)
        server = "issuer";
    if (!server && a->broker_admin && !a->issuer_admin)
        server = "broker";
    if (!server)
        return vd_fail(err, VD_E_SETTING, "which server? add --server issuer or --server broker");
    bool issuer = strcmp(server, "issuer") == 0;
    if (!issuer && strcmp(server, "broker") != 0)
        return vd_fail(err, VD_E_SETTING, "--server is issuer or broker, not %s", server);
    ret->server = issuer ? "issuer" : "broker";
    ret->url = issuer ? a->issuer_admin : a->broker_admin;
    if (!ret->url)
        return vd_fail(
            err, VD_E_SETTING,
            "where is the admin plane of the %s? add --%s-admin URL or set VIDIMUS_%s_ADMIN_URL",
            server, server, issuer ? "ISSUER" : "BROKER");
    return VD_OK;
}

static vd_rc read_token(const struct cli_args *a, struct cli_api *ret, vd_err *err)
{
    const char *file = a->token_file;
    if (!file)
        file =
            secure_getenv(strcmp(ret->server, "issuer") == 0 ? "VIDIMUS_ISSUER_ADMIN_TOKEN_FILE"
                                                             : "VIDIMUS_BROKER_ADMIN_TOKEN_FILE");
    if (!file)
        return vd_fail(err, VD_E_SETTING,
                       "an administrator's token is needed: add --token-file FILE (make one with: "
                       "vidimus admin token)");
    VD_AUTO_BUF_WIPED text = vd_buf_of(0);
    VD_TRY(cli_read(file, 16384, &text, err));
    vd_span token = cli_trim(vd_buf_span(&text));
    for (size_t i = 0; i < token.n; i++)
        if (token.p[i] <= ' ' || token.p[i] >= 0x7f)
            return vd_fail(err, VD_E_SETTING, "%s: does not hold a token", file);
    return vd_secret_copy(token, &ret->token, err);
}

vd_rc cli_api_open(const struct cli_args *a, const char *fixed, struct cli_api *ret, vd_err *err)
{
    VD_TRY(choose(a, fixed, ret, err));
    VD_TRY(read_token(a, ret, err));
    const struct vd_client_cfg cfg = { .ca_file = a->ca_file };
    return vd_client_new(&cfg, &ret->client, err);
}

void cli_api_done(struct cli_api *api)
{
    vd_client_free(api->client);
    api->client = NULL;
    vd_secret_done(&api->token);
}

/* "http://host:8081/" and "/policies" -> "http://host:8081/api/v1/policies". */
static void join(vd_buf *out, const char *url, const char *path)
{
    vd_span base = vd_span_str(url);
    while (base.n > 0 && base.p[base.n - 1] == '/')
        base.n--;
    vd_buf_add(out, base);
    vd_buf_str(out, "/api/v1");
    vd_buf_str(out, path);
}

vd_rc cli_api_call(struct cli_api *api, const struct cli_req *req, struct vd_answer *ret,
                   vd_err *err)
{
    VD_AUTO_BUF url = vd_buf_of(8192);
    join(&url, api->url, req->path);
    VD_AUTO_BUF_WIPED bearer = vd_buf_of(20000);
    vd_buf_str(&bearer, "Authorization: Bearer ");
    vd_buf_add(&bearer, vd_secret_span(&api->token));
    VD_AUTO_BUF type = vd_buf_of(256);
    vd_buf_printf(&type, "Content-Type: %s",
                  req->content_type ? req->content_type : "application/json");
    VD_AUTO_BUF match = vd_buf_of(256);
    if (req->create)
        vd_buf_str(&match, "If-None-Match: *");
    else if (req->match)
        vd_buf_printf(&match, "If-Match: \"%s\"", req->match);
    const char *field[4] = { vd_buf_cstr(&bearer) };
    size_t n = 1;
    if (req->has_body)
        field[n++] = vd_buf_cstr(&type);
    if (match.n)
        field[n++] = vd_buf_cstr(&match);
    const char *where = vd_buf_cstr(&url);
    if (!where || !field[0])
        return vd_fail(err, VD_E_SETTING, "the address or the token is too long");
    const struct vd_call call = { .method = req->method,
                                  .url = where,
                                  .body = req->body,
                                  .has_body = req->has_body,
                                  .field = field,
                                  .seconds = 45,
                                  .max_bytes = CLI_FILE_MAX };
    return vd_client_call(api->client, &call, ret, err);
}

static int exit_of_status(int status)
{
    switch (status) {
    case 401:
        return VD_EXIT_AUTH;
    case 403:
        return VD_EXIT_DENIED;
    case 404:
        return VD_EXIT_NOT_FOUND;
    case 409:
    case 412:
    case 428:
        return VD_EXIT_VERSION;
    default:
        return VD_EXIT_REMOTE;
    }
}

int cli_api_problem(const struct cli_args *a, const struct vd_answer *answer)
{
    int code = exit_of_status(answer->status);
    VD_AUTO(vd_json_free) struct vd_json *j = NULL;
    VD_AUTO_BUF detail = vd_buf_of(4096);
    VD_AUTO_BUF type = vd_buf_of(512);
    if (vd_json_parse(vd_buf_span(&answer->body), VD_JSON_LIMITS(65536), &j, NULL).code !=
            VD_E_OK ||
        vd_jv_str(vd_jv_get(vd_json_root(j), "detail"), &detail, NULL).code != VD_E_OK ||
        vd_jv_str(vd_jv_get(vd_json_root(j), "type"), &type, NULL).code != VD_E_OK)
        return cli_fail(code, "the server answered %d without an explanation", answer->status);
    if (a->json)
        (void)cli_write(vd_buf_span(&answer->body), true);
    uint64_t line = 0;
    if (vd_jv_u64(vd_jv_get(vd_json_root(j), "line"), UINT32_MAX, &line, NULL).code == VD_E_OK &&
        line > 0)
        return cli_fail(code, "%.*s (line %llu) [%.*s]", (int)detail.n, (const char *)detail.p,
                        (unsigned long long)line, (int)type.n, (const char *)type.p);
    return cli_fail(code, "%.*s [%.*s]", (int)detail.n, (const char *)detail.p, (int)type.n,
                    (const char *)type.p);
}

vd_rc cli_api_version(const struct cli_args *a, struct cli_api *api, const char *path, char ret[24],
                      bool *ret_create, vd_err *err)
{
    *ret_create = false;
    if (a->if_version) {
        *ret_create = strcmp(a->if_version, "0") == 0;
        (void)snprintf(ret, 24, "%s", a->if_version);
        return VD_OK;
    }
    const struct cli_req req = { .method = "GET", .path = path };
    struct vd_answer answer = { 0 };
    VD_TRY(cli_api_call(api, &req, &answer, err));
    vd_span etag = vd_answer_field(&answer, "ETag");
    /* Version 0 is a policy that is built in: nothing is stored under the name yet. */
    *ret_create = answer.status == 404 || vd_span_eq_str(etag, "\"0\"");
    bool ok = answer.status == 404 ||
              (answer.status == 200 && etag.n > 2 && etag.n < 24 && etag.p[0] == '"');
    if (ok && !*ret_create)
        (void)snprintf(ret, 24, "%.*s", (int)(etag.n - 2), (const char *)etag.p + 1);
    int status = answer.status;
    vd_answer_done(&answer);
    if (!ok && (status == 401 || status == 403))
        return vd_fail(err, VD_E_ADMIN_TOKEN, "the server refused the administrator's token (%d)",
                       status);
    if (!ok)
        return vd_fail(err, VD_E_REMOTE,
                       "the present version could not be read: the server answered %d", status);
    return VD_OK;
}

int cli_api_change(const struct cli_args *a, struct cli_api *api, const char *method,
                   const char *path, vd_span body, const char *content_type)
{
    vd_err err = { 0 };
    char version[24] = "";
    bool create = false;
    if (cli_api_version(a, api, path, version, &create, &err).code != VD_E_OK)
        return cli_fail_err(&err);
    bool removal = strcmp(method, "DELETE") == 0;
    if (removal && create)
        return cli_fail(VD_EXIT_NOT_FOUND, "there is nothing to remove");
    const struct cli_req req = { .method = method,
                                 .path = path,
                                 .body = body,
                                 .has_body = !removal,
                                 .content_type = content_type,
                                 .match = version,
                                 .create = create };
    struct vd_answer answer = { 0 };
    if (cli_api_call(api, &req, &answer, &err).code != VD_E_OK)
        return cli_fail_err(&err);
    int code = VD_EXIT_OK;
    if (answer.status >= 300)
        code = cli_api_problem(a, &answer);
    else if (answer.body.n > 0)
        code = cli_print(a, vd_buf_span(&answer.body));
    else
        cli_note(a, "%s", removal ? "removed" : "done");
    vd_answer_done(&answer);
    return code;
}

int cli_api_show(const struct cli_args *a, struct cli_api *api, const char *path)
{
    vd_err err = { 0 };
    const struct cli_req req = { .method = "GET", .path = path };
    struct vd_answer answer = { 0 };
    if (cli_api_call(api, &req, &answer, &err).code != VD_E_OK)
        return cli_fail_err(&err);
    int code = answer.status == 200 ? cli_print(a, vd_buf_span(&answer.body))
                                    : cli_api_problem(a, &answer);
    vd_answer_done(&answer);
    return code;
}

int cli_api_post(const struct cli_args *a, struct cli_api *api, const char *path, vd_span body)
{
    vd_err err = { 0 };
    const struct cli_req req = { .method = "POST", .path = path, .body = body, .has_body = true };
    struct vd_answer answer = { 0 };
    if (cli_api_call(api, &req, &answer, &err).code != VD_E_OK)
        return cli_fail_err(&err);
    int code =
        answer.status < 300 ? cli_print(a, vd_buf_span(&answer.body)) : cli_api_problem(a, &answer);
    vd_answer_done(&answer);
    return code;
}

void cli_percent(vd_span in, vd_buf *out)
{
    for (size_t i = 0; i < in.n; i++) {
        uint8_t c = in.p[i];
        bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                     c == '-' || c == '.' || c == '_' || c == '~';
        if (plain)
            vd_buf_u8(out, c);
        else
            vd_buf_printf(out, "%%%02X", (unsigned)c);
    }
}
