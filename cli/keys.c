/* key, revoke: the issuer's keys, and what it takes back. */
#include <string.h>

#include "cli/cli.h"

enum { PATH_BYTES = 4096, BODY_BYTES = 8192 };

int cli_key_list(const struct cli_args *a)
{
    vd_err err = { 0 };
    CLI_AUTO_API api = { 0 };
    if (cli_api_open(a, "issuer", &api, &err).code != VD_E_OK)
        return cli_fail_err(&err);
    return cli_api_show(a, &api, a->revocation ? "/revocation-keys" : "/keys");
}

int cli_key_rotate(const struct cli_args *a)
{
    vd_err err = { 0 };
    CLI_AUTO_API api = { 0 };
    if (cli_api_open(a, "issuer", &api, &err).code != VD_E_OK)
        return cli_fail_err(&err);
    return cli_api_post(a, &api, a->revocation ? "/revocation-keys/rotate" : "/keys/rotate",
                        a->now ? VD_LIT("{\"now\":true}") : VD_LIT("{\"now\":false}"));
}

int cli_key_revoke(const struct cli_args *a)
{
    vd_err err = { 0 };
    CLI_AUTO_API api = { 0 };
    VD_AUTO_BUF path = vd_buf_of(PATH_BYTES);
    vd_buf_str(&path, a->revocation ? "/revocation-keys/" : "/keys/");
    cli_percent(vd_span_str(a->arg[0]), &path);
    vd_buf_str(&path, "/revoke");
    if (cli_api_open(a, "issuer", &api, &err).code != VD_E_OK)
        return cli_fail_err(&err);
    return cli_api_post(a, &api, vd_buf_cstr(&path), VD_SPAN_NONE);
}

static int revoke_one(const struct cli_args *a, const char *type)
{
    vd_err err = { 0 };
    CLI_AUTO_API api = { 0 };
    VD_AUTO_BUF body = vd_buf_of(BODY_BYTES);
    vd_jw w = vd_jw_of(&body);
    vd_jw_obj(&w);
    vd_jw_kstr(&w, "type", type);
    vd_jw_kstr(&w, "value", a->arg[0]);
    if (a->reason)
        vd_jw_kstr(&w, "reason", a->reason);
    vd_jw_end(&w);
    if (vd_buf_check(&body, &err).code != VD_E_OK ||
        cli_api_open(a, "issuer", &api, &err).code != VD_E_OK)
        return cli_fail_err(&err);
    return cli_api_post(a, &api, "/revocations", vd_buf_span(&body));
}

int cli_revoke_jti(const struct cli_args *a)
{
    return revoke_one(a, "jti");
}

int cli_revoke_hw_id(const struct cli_args *a)
{
    return revoke_one(a, "hw-id");
}

int cli_revoke_policy(const struct cli_args *a)
{
    return revoke_one(a, "policy");
}

int cli_revoke_before(const struct cli_args *a)
{
    return revoke_one(a, "before");
}

int cli_revoke_list(const struct cli_args *a)
{
    vd_err err = { 0 };
    CLI_AUTO_API api = { 0 };
    if (cli_api_open(a, "issuer", &api, &err).code != VD_E_OK)
        return cli_fail_err(&err);
    return cli_api_show(a, &api, "/revocations");
}

/* No version: an entry has none that anybody could have seen change. */
int cli_revoke_rm(const struct cli_args *a)
{
    vd_err err = { 0 };
    CLI_AUTO_API api = { 0 };
    VD_AUTO_BUF path = vd_buf_of(PATH_BYTES);
    struct vd_answer answer = { 0 };
    vd_buf_str(&path, "/revocations/");
    cli_percent(vd_span_str(a->arg[0]), &path);
    vd_buf_u8(&path, '/');
    cli_percent(vd_span_str(a->arg[1]), &path);
    const struct cli_req req = { .method = "DELETE", .path = vd_buf_cstr(&path) };
    if (cli_api_open(a, "issuer", &api, &err).code != VD_E_OK ||
        cli_api_call(&api, &req, &answer, &err).code != VD_E_OK)
        return cli_fail_err(&err);
    int code = VD_EXIT_OK;
    if (answer.status >= 300)
        code = cli_api_problem(a, &answer);
    else
        cli_note(a, "removed");
    vd_answer_done(&answer);
    return code;
}
