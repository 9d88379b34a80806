/* Outgoing calls over libcurl: every call has a time limit, a size limit and a list of schemes; no
 * proxies and no redirects unless asked for. Handles are kept with their connections and lent to
 * one call at a time. */
#include "shared/http/client.h"

#include <pthread.h>

#include "shared/http/curl_priv.h"
#include "shared/http/plane_priv.h"

enum { KEPT_DEFAULT = 8, KEPT_MAX = 64, CONNECT_SECONDS = 5, HEAD_MAX = 64 << 10 };

struct vd_client {
    char *ca_file;
    char *user_agent;
    const struct vd_curl *curl; /* NULL before the first call */
    pthread_mutex_t lock;       /* guards curl and the idle handles */
    unsigned n_idle;
    unsigned max_idle;
    CURL *idle[KEPT_MAX];
};

vd_rc vd_client_new(const struct vd_client_cfg *cfg, struct vd_client **ret, vd_err *err)
{
    vd_ignore_sigpipe();
    struct vd_client *c = calloc(1, sizeof *c);
    if (!c || pthread_mutex_init(&c->lock, NULL) != 0) {
        free(c);
        return vd_fail(err, VD_E_NOMEM, "http client");
    }
    c->max_idle = cfg->connections ? cfg->connections : KEPT_DEFAULT;
    if (c->max_idle > KEPT_MAX)
        c->max_idle = KEPT_MAX;
    c->user_agent =
        vd_strdup_span(vd_span_str(cfg->user_agent ? cfg->user_agent : "vidimus/" VD_VERSION));
    if (cfg->ca_file)
        c->ca_file = vd_strdup_span(vd_span_str(cfg->ca_file));
    if (!c->user_agent || (cfg->ca_file && !c->ca_file)) {
        vd_client_free(c);
        return vd_fail(err, VD_E_NOMEM, "http client");
    }
    if (c->ca_file && access(c->ca_file, R_OK) != 0) {
        vd_client_free(c);
        return vd_fail(err, VD_E_FILE, "CA file %s cannot be read: check the path", cfg->ca_file);
    }
    *ret = c;
    return VD_OK;
}

void vd_client_free(struct vd_client *c)
{
    if (!c)
        return;
    for (unsigned i = 0; i < c->n_idle; i++)
        c->curl->easy_cleanup(c->idle[i]);
    (void)pthread_mutex_destroy(&c->lock);
    free(c->ca_file);
    free(c->user_agent);
    free(c);
}

static vd_rc borrow(struct vd_client *c, CURL **ret, vd_err *err)
{
    const struct vd_curl *curl = NULL;
    CURL *h = NULL;
    VD_TRY(vd_curl_get(&curl, err));
    (void)pthread_mutex_lock(&c->lock);
    if (!c->curl) /* written once: others read it without the lock */
        c->curl = curl;
    if (c->n_idle > 0)
        h = c->idle[--c->n_idle];
    (void)pthread_mutex_unlock(&c->lock);
    *ret = h ? h : curl->easy_init();
    return *ret ? VD_OK : vd_fail(err, VD_E_NOMEM, "http client");
}

static void give_back(struct vd_client *c, CURL *h)
{
    c->curl->easy_reset(h); /* options only: connections, sessions and the DNS cache stay */
    (void)pthread_mutex_lock(&c->lock);
    bool kept = c->n_idle < c->max_idle;
    if (kept)
        c->idle[c->n_idle++] = h;
    (void)pthread_mutex_unlock(&c->lock);
    if (!kept)
        c->curl->easy_cleanup(h);
}

static size_t take_body(char *p, size_t size, size_t n, void *arg)
{
    vd_buf *b = arg;
    vd_buf_add(b, vd_span_of(p, size * n));
    return b->bad ? 0 : size * n;
}

static size_t take_head(char *p, size_t size, size_t n, void *arg)
{
    struct vd_answer *a = arg;
    vd_span line = vd_span_of(p, size * n);
    if (vd_span_starts(line,
                       VD_LIT("HTTP/"))) { /* after a redirect or a 100 only the last head counts */
        vd_buf_reset(&a->head);
        vd_buf_reset(&a->body);
    }
    vd_buf_add(&a->head, line);
    return a->head.bad ? 0 : line.n;
}

static vd_rc field_list(const struct vd_curl *curl, const struct vd_call *call,
                        struct curl_slist **ret, vd_err *err)
{
    /* libcurl would wait a second for a 100 that many servers never send. */
    struct curl_slist *list = curl->slist_append(NULL, "Expect:");
    bool ok = list != NULL;
    for (size_t i = 0; ok && call->field && call->field[i]; i++) {
        for (const char *s = call->field[i]; *s; s++)
            ok &= (unsigned char)*s >= 0x20 && *s != 0x7f;
        struct curl_slist *longer = ok ? curl->slist_append(list, call->field[i]) : NULL;
        ok = longer != NULL;
        if (ok)
            list = longer;
    }
    if (!ok) {
        curl->slist_free_all(list);
        return vd_fail(err, VD_E_INTERNAL, "request fields of a call cannot be built");
    }
    *ret = list;
    return VD_OK;
}

static bool set_body(const struct vd_curl *curl, CURL *h, const struct vd_call *call)
{
    if (!call->has_body)
        return true;
    static const char nothing[] = "";
    bool ok = curl->easy_setopt(h, CURLOPT_POST, 1L) == CURLE_OK;
    ok &= curl->easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.n) == CURLE_OK;
    return ok && curl->easy_setopt(h, CURLOPT_POSTFIELDS,
                                   call->body.n ? (const char *)call->body.p : nothing) == CURLE_OK;
}

static bool set_options(CURL *h, const struct vd_client *c, const struct vd_call *call,
                        struct curl_slist *fields, struct vd_answer *a, char *why)
{
    const struct vd_curl *curl = c->curl;
    bool ok = true;
#define SET(option, value) ok = ok && curl->easy_setopt(h, option, value) == CURLE_OK
    SET(CURLOPT_ERRORBUFFER, why);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_URL, call->url);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_REDIR_PROTOCOLS_STR, strncmp(call->url, "https:", 6) == 0 ? "https" : "http,https");
    SET(CURLOPT_PROXY, ""); /* attestation does not go through what an environment variable names */
    SET(CURLOPT_USERAGENT, c->user_agent);
    SET(CURLOPT_TIMEOUT, (long)call->seconds);
    SET(CURLOPT_CONNECTTIMEOUT,
        (long)(call->seconds < CONNECT_SECONDS ? call->seconds : CONNECT_SECONDS));
    SET(CURLOPT_FOLLOWLOCATION, call->redirects > 0 ? 1L : 0L);
    SET(CURLOPT_MAXREDIRS, (long)call->redirects);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_HTTPHEADER, fields);
    SET(CURLOPT_WRITEFUNCTION, take_body);
    SET(CURLOPT_WRITEDATA, &a->body);
    SET(CURLOPT_HEADERFUNCTION, take_head);
    SET(CURLOPT_HEADERDATA, a);
    SET(CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)call->max_bytes);
    if (c->ca_file) {
        SET(CURLOPT_CAINFO, c->ca_file);
        SET(CURLOPT_CAPATH, NULL);
    }
    ok = ok && set_body(curl, h, call);
    if (strcmp(call->method, "HEAD") == 0)
        SET(CURLOPT_NOBODY, 1L);
    SET(CURLOPT_CUSTOMREQUEST, call->method);
#undef SET
    return ok;
}

static vd_rc outcome(const struct vd_curl *curl, CURLcode code, const struct vd_call *call,
                     const struct vd_answer *a, const char *why, vd_err *err)
{
    const char *text = why[0] ? why : curl->easy_strerror(code);
    switch ((int)code) {
    case CURLE_OK:
        return VD_OK;
    case CURLE_OPERATION_TIMEDOUT:
        return vd_fail(err, VD_E_TIMEOUT, "%.100s: no complete answer within %u s", call->url,
                       call->seconds);
    case CURLE_FILESIZE_EXCEEDED:
        return vd_fail(err, VD_E_TOO_LARGE, "%.100s: answer above %zu bytes", call->url,
                       call->max_bytes);
    case CURLE_OUT_OF_MEMORY:
        return vd_fail(err, VD_E_NOMEM, "%.100s", call->url);
    default:
        if (a->body.bad || a->head.bad)
            return vd_fail(err, VD_E_TOO_LARGE, "%.100s: answer above %zu bytes", call->url,
                           call->max_bytes);
        return vd_fail(err, VD_E_REMOTE, "%.100s: %.120s", call->url, text);
    }
}

vd_rc vd_client_call(struct vd_client *c, const struct vd_call *call, struct vd_answer *ret,
                     vd_err *err)
{
    if (call->seconds == 0 || call->max_bytes == 0 || !call->url || !call->method)
        return vd_fail(err, VD_E_INTERNAL, "a call without limits");
    struct curl_slist *fields = NULL;
    CURL *h = NULL;
    VD_TRY(borrow(c, &h, err));
    const struct vd_curl *curl = c->curl;
    vd_rc_ rc = field_list(curl, call, &fields, err);
    if (rc.code != VD_E_OK) {
        give_back(c, h);
        return rc;
    }
    struct vd_answer a = { .body = vd_buf_of(call->max_bytes), .head = vd_buf_of(HEAD_MAX) };
    char why[CURL_ERROR_SIZE] = "";
    if (!set_options(h, c, call, fields, &a, why)) {
        rc = vd_fail(err, VD_E_INTERNAL, "%.100s: the HTTP client library refuses an option",
                     call->url);
    } else {
        rc = outcome(curl, curl->easy_perform(h), call, &a, why, err);
        long status = 0;
        if (rc.code == VD_E_OK &&
            curl->easy_getinfo(h, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK)
            a.status = (int)status;
    }
    give_back(c, h);
    curl->slist_free_all(fields);
    if (rc.code != VD_E_OK) {
        vd_answer_done(&a);
        return rc;
    }
    *ret = a;
    return VD_OK;
}

void vd_answer_done(struct vd_answer *a)
{
    vd_buf_wipe(&a->body); /* may hold a passport or a secret of the one who asks */
    vd_buf_done(&a->head);
    a->status = 0;
}

vd_span vd_answer_field(const struct vd_answer *a, const char *name)
{
    char low[64];
    size_t n = 0;
    for (; name[n] && n < sizeof low - 1; n++)
        low[n] = name[n] >= 'A' && name[n] <= 'Z' ? (char)(name[n] | 0x20) : name[n];
    low[n] = 0;
    vd_span rest = vd_buf_span(&a->head);
    while (rest.n > 0) {
        size_t lf = vd_span_find(rest, '\n');
        vd_span line = vd_span_part(rest, 0, lf);
        rest = vd_span_part(rest, lf + 1, rest.n);
        size_t colon = vd_span_find(line, ':');
        if (colon == line.n || !vd_span_eq_nocase(vd_span_part(line, 0, colon), low))
            continue;
        vd_span v = vd_span_part(line, colon + 1, line.n);
        while (v.n > 0 && (v.p[0] == ' ' || v.p[0] == '\t'))
            v = vd_span_part(v, 1, v.n);
        while (v.n > 0 && (v.p[v.n - 1] == ' ' || v.p[v.n - 1] == '\t' || v.p[v.n - 1] == '\r'))
            v.n--;
        return v;
    }
    return VD_SPAN_NONE;
}
