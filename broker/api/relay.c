/* The relay; see relay.h. Cookie and body go through, redirects are not followed, and a passport is
 * handed on only after it passed acceptance like any other. */
#include "broker/api/relay.h"

#include <strings.h>

#include "broker/api/app.h"
#include "broker/api/cookies.h"
#include "shared/codec/json.h"
#include "shared/wire/ear.h"

enum {
    CALL_SECONDS = 40, /* agents give up at 50 */
    ANSWER_BYTES = 262144,
    COOKIES = 8192,
    COOKIE_BYTES = 64 << 20,
    COOKIE_MAX = 4096,
};

struct brk_relay {
    struct vd_client *client;
    struct brk_cookies *cookies;
    char *auth_url;
    char *attest_url;
    const char *issuer;   /* lives with the configuration */
    const char *audience; /* may be NULL */
};

vd_rc brk_relay_check(const struct vd_config *c, vd_err *err)
{
    const char *url = vd_config_str(c, "relay.issuer_url");
    const char *issuer = vd_config_str(c, "relay.trusted_issuer");
    if (!url && !issuer && !vd_config_str(c, "relay.ca_file"))
        return VD_OK;
    if (!url || !issuer)
        return vd_fail(err, VD_E_CONFIG, "[relay] needs both issuer_url and trusted_issuer");
    if (strncmp(url, "https://", 8) != 0 && strncmp(url, "http://", 7) != 0)
        return vd_fail(err, VD_E_CONFIG, "relay.issuer_url begins with https:// (or http://)");
    if (strpbrk(url, " ?#@"))
        return vd_fail(err, VD_E_CONFIG,
                       "relay.issuer_url is a plain URL: no blank, query, fragment or user");
    return VD_OK;
}

static char *join(const char *base, const char *path)
{
    VD_AUTO_BUF url = vd_buf_of(4096);
    size_t n = strlen(base);
    while (n && base[n - 1] == '/')
        n--;
    vd_buf_add(&url, vd_span_of(base, n));
    vd_buf_str(&url, path);
    return url.bad ? NULL : vd_strdup_span(vd_buf_span(&url));
}

vd_rc brk_relay_new(const struct vd_config *c, const struct vd_limits *limits, const char *audience,
                    struct brk_relay **ret, vd_err *err)
{
    const char *url = vd_config_str(c, "relay.issuer_url");
    VD_TRY(brk_relay_check(c, err));
    *ret = NULL;
    if (!url)
        return VD_OK;
    struct brk_relay *r = calloc(1, sizeof *r);
    if (!r)
        return vd_fail(err, VD_E_NOMEM, "relay");
    const struct vd_client_cfg cfg = { .ca_file = vd_config_str(c, "relay.ca_file"),
                                       .connections = (unsigned)limits->relay_waiting };
    r->issuer = vd_config_str(c, "relay.trusted_issuer");
    r->audience = audience;
    r->auth_url = join(url, "/kbs/v0/auth");
    r->attest_url = join(url, "/kbs/v0/attest");
    r->cookies = brk_cookies_new(COOKIES, (size_t)COOKIE_BYTES);
    vd_rc_ rc = r->auth_url && r->attest_url && r->cookies ? vd_client_new(&cfg, &r->client, err)
                                                           : vd_fail(err, VD_E_NOMEM, "relay");
    if (rc.code != VD_E_OK) {
        brk_relay_free(r);
        return rc;
    }
    *ret = r;
    return VD_OK;
}

void brk_relay_free(struct brk_relay *r)
{
    if (!r)
        return;
    vd_client_free(r->client);
    brk_cookies_free(r->cookies);
    free(r->auth_url);
    free(r->attest_url);
    free(r);
}

const char *brk_relay_issuer(const struct brk_relay *r)
{
    return r->issuer;
}

bool brk_relay_token(struct brk_relay *r, vd_span cookie, int64_t now, vd_buf *ret_token)
{
    return brk_cookies_get(r->cookies, cookie, now, ret_token);
}

/* ---- the body of /auth ------------------------------------------------------------------------
 */

static void copy_member(vd_jw *w, vd_jv_iter m)
{
    VD_AUTO_BUF name = vd_buf_of(65536);
    if (vd_jv_str(m.name, &name, NULL).code != VD_E_OK)
        w->out->bad = true;
    vd_jw_key_span(w, vd_buf_span(&name));
    vd_jw_raw(w, vd_jv_raw(m.value));
}

/* The guest's own audiences stay; ours is added unless it is among them. What is no array is left
 * to the issuer to refuse. */
static void audiences(vd_jw *w, vd_jv asked, const char *ours)
{
    bool there = false;
    vd_jw_key(w, "vidimus-audience");
    if (vd_jv_ok(asked) && !vd_jv_is(asked, VD_JSON_ARRAY)) {
        vd_jw_raw(w, vd_jv_raw(asked));
        return;
    }
    vd_jw_arr(w);
    vd_jv_iter each = vd_jv_iter_of(asked);
    while (vd_jv_next(&each)) {
        there = there || vd_jv_str_eq(each.value, ours);
        vd_jw_raw(w, vd_jv_raw(each.value));
    }
    if (!there)
        vd_jw_str(w, ours);
    vd_jw_end(w);
}

static void extra_params(vd_jw *w, vd_jv extra, const char *audience)
{
    vd_jw_key(w, "extra-params");
    vd_jw_obj(w);
    vd_jv_iter m = vd_jv_iter_of(extra);
    while (vd_jv_next(&m))
        if (!vd_jv_str_eq(m.name, "vidimus-audience"))
            copy_member(w, m);
    audiences(w, vd_jv_get(extra, "vidimus-audience"), audience);
    vd_jw_end(w);
}

vd_rc brk_relay_auth_body(vd_span body, const char *audience, vd_buf *out, vd_err *err)
{
    vd_err cause = { 0 };
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    if (vd_json_parse(body, VD_JSON_LIMITS(body.n), &doc, &cause).code != VD_E_OK)
        return vd_fail(err, VD_E_AUTH_BODY, "%s", cause.msg);
    vd_jv root = vd_json_root(doc);
    vd_jv extra = vd_jv_get(root, "extra-params");
    if (!audience || !vd_jv_is(extra, VD_JSON_OBJECT)) {
        vd_buf_add(out, body);
        return vd_buf_check(out, err);
    }
    vd_jw w = vd_jw_of(out);
    vd_jw_obj(&w);
    vd_jv_iter m = vd_jv_iter_of(root);
    while (vd_jv_next(&m)) {
        if (vd_jv_str_eq(m.name, "extra-params"))
            extra_params(&w, extra, audience);
        else
            copy_member(&w, m);
    }
    vd_jw_end(&w);
    return vd_buf_check(out, err);
}

/* ---- the issuer's answer ----------------------------------------------------------------------
 */

static bool cookie_char(uint8_t c)
{
    /* RFC 6265 cookie-octet. */
    return c > 0x20 && c < 0x7f && c != '"' && c != ',' && c != ';' && c != '\\';
}

static uint64_t max_age_of(vd_span attributes)
{
    static const char key[] = "max-age=";
    for (size_t i = 0; i + sizeof key - 1 < attributes.n; i++) {
        uint64_t v = 0;
        if (strncasecmp((const char *)attributes.p + i, key, sizeof key - 1) != 0)
            continue;
        for (i += sizeof key - 1;
             i < attributes.n && attributes.p[i] >= '0' && attributes.p[i] <= '9'; i++)
            if (v < VD_CHALLENGE_SECONDS)
                v = v * 10 + (uint64_t)(attributes.p[i] - '0');
        return v < VD_CHALLENGE_SECONDS ? v : VD_CHALLENGE_SECONDS;
    }
    return VD_CHALLENGE_SECONDS;
}

static bool is_set_cookie(vd_span line)
{
    static const char name[] = "set-cookie:";
    return line.n > sizeof name - 1 &&
           strncasecmp((const char *)line.p, name, sizeof name - 1) == 0;
}

vd_span brk_relay_cookie_of(vd_span head, uint64_t *ret_max_age)
{
    while (head.n) {
        size_t end = vd_span_find(head, '\n');
        vd_span line = vd_span_part(head, 0, end);
        head = vd_span_part(head, end + 1, head.n);
        while (line.n && line.p[line.n - 1] == '\r')
            line.n--;
        if (!is_set_cookie(line))
            continue;
        vd_span rest = vd_span_part(line, sizeof "set-cookie:" - 1, line.n);
        while (rest.n && rest.p[0] == ' ')
            rest = vd_span_part(rest, 1, rest.n);
        if (!vd_span_starts(rest, VD_LIT(VD_COOKIE_NAME "=")))
            continue;
        rest = vd_span_part(rest, sizeof VD_COOKIE_NAME, rest.n);
        size_t n = 0;
        while (n < rest.n && cookie_char(rest.p[n]))
            n++;
        if (n == 0 || n > COOKIE_MAX || (n < rest.n && rest.p[n] != ';' && rest.p[n] != ' '))
            return VD_SPAN_NONE;
        *ret_max_age = max_age_of(vd_span_part(rest, n, rest.n));
        return vd_span_part(rest, 0, n);
    }
    return VD_SPAN_NONE;
}

/* The issuer's cookie under our own attributes: its Secure or Domain may not fit our listener. */
static vd_rc pass_cookie(const struct vd_req *req, vd_span value, uint64_t max_age,
                         struct vd_resp *resp, vd_err *err)
{
    VD_AUTO_BUF text = vd_buf_of(COOKIE_MAX + 256);
    if (value.n == 0)
        return VD_OK;
    vd_buf_str(&text, VD_COOKIE_NAME "=");
    vd_buf_add(&text, value);
    vd_buf_printf(&text, "; Path=/kbs/v0; Max-Age=%llu; HttpOnly; SameSite=Strict%s",
                  (unsigned long long)max_age, req->tls ? "; Secure" : "");
    VD_TRY(vd_buf_check(&text, err));
    return vd_resp_field(resp, "Set-Cookie", vd_buf_span(&text), err);
}

static bool is_error_body(vd_span body)
{
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    if (vd_json_parse(body, VD_JSON_LIMITS(ANSWER_BYTES), &doc, NULL).code != VD_E_OK)
        return false;
    vd_jv root = vd_json_root(doc);
    return vd_jv_is(vd_jv_get(root, "type"), VD_JSON_STRING) &&
           vd_jv_is(vd_jv_get(root, "detail"), VD_JSON_STRING);
}

/* A refusal of the issuer goes through; anything that clients would choke on does not. */
static vd_rc pass_error(const struct vd_answer *a, struct vd_resp *resp, vd_err *err)
{
    bool refusal = a->status == 400 || a->status == 401 || a->status == 403 || a->status == 404 ||
                   a->status == 413 || a->status == 429;
    if (!refusal || !is_error_body(vd_buf_span(&a->body)))
        return vd_fail(err, VD_E_REMOTE, "the issuer answered with status %d", a->status);
    vd_span retry = vd_answer_field(a, "Retry-After");
    if (a->status == 429 && retry.n)
        VD_TRY(vd_resp_field(resp, "Retry-After", retry, err));
    resp->status = a->status;
    resp->content_type = "application/json";
    vd_buf_add(&resp->body, vd_buf_span(&a->body));
    return vd_buf_check(&resp->body, err);
}

static vd_rc call(struct brk_relay *r, const char *url, vd_span cookie, vd_span body,
                  struct vd_answer *ret, vd_err *err)
{
    VD_AUTO_BUF line = vd_buf_of(COOKIE_MAX + 64);
    const char *fields[4] = { "Content-Type: application/json", "Accept: */*", NULL, NULL };
    if (cookie.n) {
        vd_buf_str(&line, "Cookie: " VD_COOKIE_NAME "=");
        vd_buf_add(&line, cookie);
        fields[2] = vd_buf_cstr(&line);
        if (!fields[2])
            return vd_fail(err, VD_E_SESSION_BAD, "the session cookie is too long");
    }
    const struct vd_call c = {
        .method = "POST",
        .url = url,
        .body = body,
        .has_body = true,
        .field = fields,
        .seconds = CALL_SECONDS,
        .max_bytes = ANSWER_BYTES,
    };
    vd_err cause = { 0 };
    vd_rc_ rc = vd_client_call(r->client, &c, ret, &cause);
    if (rc.code == VD_E_OK)
        return VD_OK;
    /* What is too long here is the answer, not the request. */
    return vd_fail(err, rc.code == VD_E_TOO_LARGE ? VD_E_REMOTE : rc.code, "relay: %s", cause.msg);
}

vd_rc brk_relay_auth(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    const struct brk_app *app = req->app;
    struct brk_relay *r = app->relay;
    uint64_t max_age = 0;
    VD_AUTO_BUF body = vd_buf_of(req->body.n * 6 + 1024);
    __attribute__((cleanup(vd_answer_done))) struct vd_answer answer = { 0 };
    VD_TRY(brk_relay_auth_body(req->body, r->audience, &body, err));
    VD_TRY(call(r, r->auth_url, VD_SPAN_NONE, vd_buf_span(&body), &answer, err));
    if (answer.status != 200)
        return pass_error(&answer, resp, err);
    vd_span cookie = brk_relay_cookie_of(vd_buf_span(&answer.head), &max_age);
    if (cookie.n == 0)
        return vd_fail(err, VD_E_REMOTE, "the issuer's challenge has no session cookie");
    VD_TRY(pass_cookie(req, cookie, max_age, resp, err));
    resp->content_type = "application/json";
    vd_buf_add(&resp->body, vd_buf_span(&answer.body));
    return vd_buf_check(&resp->body, err);
}

/* The token of an /attest answer, accepted, and remembered for the cookie. */
static vd_rc passport_keep(const struct brk_app *app, vd_span cookie, vd_span body, vd_err *err)
{
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    VD_AUTO(brk_passport_unref) struct brk_passport *p = NULL;
    VD_AUTO_BUF token = vd_buf_of(ANSWER_BYTES);
    if (vd_json_parse(body, VD_JSON_LIMITS(ANSWER_BYTES), &doc, NULL).code != VD_E_OK ||
        vd_jv_str(vd_jv_get(vd_json_root(doc), "token"), &token, NULL).code != VD_E_OK)
        return vd_fail(err, VD_E_REMOTE, "the issuer's answer has no token");
    VD_TRY(brk_accept(app->trust, vd_buf_span(&token), &p, err));
    if (strcmp(p->issuer->name, app->relay->issuer) != 0)
        return vd_fail(err, VD_E_PASSPORT_ISSUER, "the relayed passport is one of %s, not of %s",
                       p->issuer->name, app->relay->issuer);
    return brk_cookies_put(app->relay->cookies, cookie, vd_buf_span(&token), p->exp,
                           vd_clock_s(&app->server->clock), err);
}

vd_rc brk_relay_attest(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    const struct brk_app *app = req->app;
    struct brk_relay *r = app->relay;
    uint64_t max_age = 0;
    __attribute__((cleanup(vd_answer_done))) struct vd_answer answer = { 0 };
    for (size_t i = 0; i < req->cookie.n; i++)
        if (!cookie_char(req->cookie.p[i]))
            return vd_fail(err, VD_E_SESSION_BAD,
                           "the session cookie has characters that no cookie has");
    VD_TRY(call(r, r->attest_url, req->cookie, req->body, &answer, err));
    if (answer.status != 200)
        return pass_error(&answer, resp, err);
    VD_TRY(passport_keep(app, req->cookie, vd_buf_span(&answer.body), err));
    vd_span cookie = brk_relay_cookie_of(vd_buf_span(&answer.head), &max_age);
    VD_TRY(pass_cookie(req, cookie, max_age, resp, err));
    resp->content_type = "application/json";
    vd_buf_add(&resp->body, vd_buf_span(&answer.body));
    return vd_buf_check(&resp->body, err);
}
