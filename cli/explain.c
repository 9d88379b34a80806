/* vidimus explain: why a request was decided as it was, in few lines; --json gives all of it. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

enum { CUT = 48 };

/* A scalar for people, long ones cut in the middle of nowhere with dots. */
static void put(vd_jv v)
{
    VD_AUTO_BUF text = vd_buf_of(65536);
    if (!vd_jv_is(v, VD_JSON_STRING) || vd_jv_str(v, &text, NULL).code != VD_E_OK) {
        vd_buf_reset(&text);
        vd_buf_add(&text, vd_jv_raw(v));
    }
    for (size_t i = 0; i < text.n && i < CUT; i++)
        (void)putchar(text.p[i] < 0x20 || text.p[i] == 0x7f ? '?' : text.p[i]);
    if (text.n > CUT)
        (void)fputs("...", stdout);
}

static void field(vd_jv v, const char *name, const char *label)
{
    vd_jv value = vd_jv_get(v, name);
    if (!vd_jv_ok(value) || vd_jv_is(value, VD_JSON_NULL))
        return;
    (void)printf("%-10s ", label);
    if (vd_jv_is(value, VD_JSON_STRING)) { /* whole: a reason is not cut */
        VD_AUTO_BUF text = vd_buf_of(65536);
        if (vd_jv_str(value, &text, NULL).code == VD_E_OK)
            for (size_t i = 0; i < text.n; i++)
                (void)putchar(text.p[i] < 0x20 || text.p[i] == 0x7f ? '?' : text.p[i]);
    } else {
        put(value);
    }
    (void)putchar('\n');
}

/* "  claim: observed X, expected Y [, nearest Z]" for each row of a list. */
static void rows(vd_jv list, const char *title)
{
    vd_jv_iter it = vd_jv_iter_of(list);
    bool first = true;
    while (vd_jv_next(&it)) {
        if (first)
            (void)printf("%s\n", title);
        first = false;
        vd_jv name = vd_jv_get(it.value, "claim");
        if (!vd_jv_ok(name))
            name = vd_jv_get(it.value, "name");
        (void)fputs("  ", stdout);
        put(vd_jv_ok(name) ? name : vd_jv_get(it.value, "rule"));
        static const char *const members[] = { "observed", "expected", "nearest" };
        for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
            vd_jv v = vd_jv_get(it.value, members[i]);
            if (!vd_jv_ok(v) || vd_jv_is(v, VD_JSON_NULL))
                continue;
            (void)printf("%s %s ", i ? "," : ":", members[i]);
            put(v);
        }
        (void)putchar('\n');
    }
}

static void checks(vd_jv list)
{
    size_t ok = 0;
    vd_jv_iter it = vd_jv_iter_of(list);
    while (vd_jv_next(&it))
        ok += vd_jv_is(vd_jv_get(it.value, "ok"), VD_JSON_TRUE);
    if (vd_jv_count(list) == 0)
        return;
    (void)printf("checks     %zu passed, %zu failed\n", ok, vd_jv_count(list) - ok);
    it = vd_jv_iter_of(list);
    while (vd_jv_next(&it)) {
        if (vd_jv_is(vd_jv_get(it.value, "ok"), VD_JSON_TRUE))
            continue;
        (void)fputs("  ", stdout);
        put(vd_jv_get(it.value, "name"));
        (void)fputs(": observed ", stdout);
        put(vd_jv_get(it.value, "observed"));
        (void)fputs(", expected ", stdout);
        put(vd_jv_get(it.value, "expected"));
        (void)putchar('\n');
    }
}

static void policy(vd_jv v)
{
    if (!vd_jv_is(v, VD_JSON_OBJECT))
        return;
    (void)fputs("policy     ", stdout);
    put(vd_jv_get(v, "id"));
    if (vd_jv_ok(vd_jv_get(v, "version"))) {
        (void)fputs(" version ", stdout);
        put(vd_jv_get(v, "version"));
    }
    if (vd_jv_is(vd_jv_get(v, "built_in"), VD_JSON_TRUE))
        (void)fputs(" (built in)", stdout);
    (void)putchar('\n');
}

static void appraisals(vd_jv list)
{
    vd_jv_iter it = vd_jv_iter_of(list);
    while (vd_jv_next(&it)) {
        (void)fputs("appraisal  ", stdout);
        put(vd_jv_get(it.value, "submod"));
        (void)fputs(" is ", stdout);
        put(vd_jv_get(it.value, "status"));
        (void)putchar('\n');
        rows(vd_jv_get(it.value, "findings"), "what did not match");
    }
}

static void people(vd_jv v)
{
    field(v, "outcome", "outcome");
    field(v, "time", "time");
    field(v, "resource", "resource");
    field(v, "tee", "tee");
    field(v, "source", "source");
    field(v, "reason", "reason");
    policy(vd_jv_get(v, "policy"));
    vd_jv passport = vd_jv_get(v, "passport");
    field(passport, "issuer", "issuer");
    field(passport, "jti", "passport");
    checks(vd_jv_get(v, "checks"));
    rows(vd_jv_get(v, "unmet"), "not as the shipped release policy expects");
    appraisals(vd_jv_get(v, "appraisals"));
}

int cli_explain(const struct cli_args *a)
{
    vd_err err = { 0 };
    CLI_AUTO_API api = { 0 };
    VD_AUTO_BUF path = vd_buf_of(512);
    vd_buf_str(&path, "/decisions/");
    cli_percent(vd_span_str(a->arg[0]), &path);
    if (cli_api_open(a, NULL, &api, &err).code != VD_E_OK)
        return cli_fail_err(&err);
    if (a->json)
        return cli_api_show(a, &api, vd_buf_cstr(&path));
    const struct cli_req req = { .method = "GET", .path = vd_buf_cstr(&path) };
    struct vd_answer answer = { 0 };
    if (cli_api_call(&api, &req, &answer, &err).code != VD_E_OK)
        return cli_fail_err(&err);
    int code = VD_EXIT_OK;
    VD_AUTO(vd_json_free) struct vd_json *j = NULL;
    if (answer.status != 200)
        code = cli_api_problem(a, &answer);
    else if (vd_json_parse(vd_buf_span(&answer.body), VD_JSON_LIMITS(CLI_FILE_MAX), &j, &err)
                 .code != VD_E_OK)
        code = cli_fail(VD_EXIT_REMOTE, "the server's answer is not JSON");
    else
        people(vd_json_root(j));
    vd_answer_done(&answer);
    return fflush(stdout) == 0 ? code : VD_EXIT_USAGE;
}
