/* collateral: what the issuer holds of vendors' certificates, CRLs and TCB documents. */
#include <string.h>

#include "cli/cli.h"

enum { PATH_BYTES = 8192, BODY_BYTES = 8192 };

int cli_collateral_status(const struct cli_args *a)
{
    vd_err err = { 0 };
    CLI_AUTO_API api = { 0 };
    if (cli_api_open(a, "issuer", &api, &err).code != VD_E_OK)
        return cli_fail_err(&err);
    return cli_api_show(a, &api, "/collateral");
}

int cli_collateral_fetch(const struct cli_args *a)
{
    vd_err err = { 0 };
    CLI_AUTO_API api = { 0 };
    VD_AUTO_BUF body = vd_buf_of(BODY_BYTES);
    vd_jw w = vd_jw_of(&body);
    vd_jw_obj(&w);
    if (a->fmspc)
        vd_jw_kstr(&w, "fmspc", a->fmspc);
    if (a->tee)
        vd_jw_kstr(&w, "tee", a->tee);
    if (a->ca)
        vd_jw_kstr(&w, "ca", a->ca);
    vd_jw_end(&w);
    if (vd_buf_check(&body, &err).code != VD_E_OK ||
        cli_api_open(a, "issuer", &api, &err).code != VD_E_OK)
        return cli_fail_err(&err);
    return cli_api_post(a, &api, "/collateral/fetch", vd_buf_span(&body));
}

/* 422 has the same body as success: what was wrong with each thing. */
static int import_one(const struct cli_args *a, struct cli_api *api, const char *file)
{
    vd_err err = { 0 };
    VD_AUTO_BUF bytes = vd_buf_of(0);
    VD_AUTO_BUF path = vd_buf_of(PATH_BYTES);
    struct vd_answer answer = { 0 };
    vd_buf_str(&path, "/collateral/import?name=");
    const char *last = strrchr(file, '/');
    cli_percent(vd_span_str(last ? last + 1 : file), &path);
    if (cli_read(file, CLI_FILE_MAX, &bytes, &err).code != VD_E_OK ||
        vd_buf_check(&path, &err).code != VD_E_OK)
        return cli_fail_err(&err);
    const struct cli_req req = { .method = "POST",
                                 .path = vd_buf_cstr(&path),
                                 .body = vd_buf_span(&bytes),
                                 .has_body = true,
                                 .content_type = "application/octet-stream" };
    if (cli_api_call(api, &req, &answer, &err).code != VD_E_OK)
        return cli_fail_err(&err);
    int code = VD_EXIT_OK;
    if (answer.status == 422) {
        (void)cli_print(a, vd_buf_span(&answer.body));
        code = cli_fail(VD_EXIT_VERIFY, "%s: nothing of it was taken", file);
    } else if (answer.status >= 300) {
        code = cli_api_problem(a, &answer);
    } else {
        code = cli_print(a, vd_buf_span(&answer.body));
    }
    vd_answer_done(&answer);
    return code;
}

int cli_collateral_import(const struct cli_args *a)
{
    vd_err err = { 0 };
    CLI_AUTO_API api = { 0 };
    if (cli_api_open(a, "issuer", &api, &err).code != VD_E_OK)
        return cli_fail_err(&err);
    int worst = VD_EXIT_OK;
    for (size_t i = 0; i < a->n_arg; i++) {
        int code = import_one(a, &api, a->arg[i]);
        if (code != VD_EXIT_OK)
            worst = code;
    }
    return worst;
}

int cli_collateral_export(const struct cli_args *a)
{
    vd_err err = { 0 };
    CLI_AUTO_API api = { 0 };
    struct vd_answer answer = { 0 };
    const struct cli_req req = { .method = "GET", .path = "/collateral/export" };
    if (cli_api_open(a, "issuer", &api, &err).code != VD_E_OK ||
        cli_api_call(&api, &req, &answer, &err).code != VD_E_OK)
        return cli_fail_err(&err);
    int code = VD_EXIT_OK;
    if (answer.status >= 300)
        code = cli_api_problem(a, &answer);
    else if (cli_save(a->out, vd_buf_span(&answer.body), &err).code != VD_E_OK)
        code = cli_fail_err(&err);
    vd_answer_done(&answer);
    return code;
}
