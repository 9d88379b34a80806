/* One request after its head was parsed; the same for both planes. See plane_priv.h. */
#include "shared/http/plane_priv.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>

enum { BODY_KEPT = 64 << 10 }; /* memory of an answer that is used again for the next */

int64_t vd_mono_us(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

void vd_ignore_sigpipe(void)
{
    struct sigaction sa = { 0 };
    if (sigaction(SIGPIPE, NULL, &sa) == 0 && sa.sa_handler == SIG_DFL) {
        sa.sa_handler = SIG_IGN;
        (void)sigaction(SIGPIPE, &sa, NULL);
    }
}

void vd_request_id(uint64_t *state, char out[17])
{
    static const char digits[] = "0123456789abcdef";
    *state += 0x9e3779b97f4a7c15u; /* splitmix64 */
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    for (int i = 0; i < 16; i++, z >>= 4)
        out[i] = digits[z & 15];
    out[16] = 0;
}

static void drop_fields(struct vd_resp *resp)
{
    for (size_t i = 0; i < resp->n_field; i++)
        free(resp->field[i].value);
    resp->n_field = 0;
}

static void drop_later(struct vd_resp *resp)
{
    if (resp->later)
        resp->later->free(resp->later);
    resp->later = NULL;
}

void vd_exch_reset(struct vd_exch *x, const struct vd_plane_cfg *cfg)
{
    drop_fields(&x->resp);
    drop_later(&x->resp);
    vd_buf body = x->resp.body;
    if (body.cap > BODY_KEPT)
        vd_buf_done(&body);
    vd_buf_reset(&body);
    body.max = VD_RESP_MAX;
    x->resp = (struct vd_resp){ .status = 200, .body = body };
    x->req = (struct vd_req){ .app = cfg->router->app, .server = cfg->router->server };
    x->head = (struct vd_head){ 0 };
    vd_err_clear(&x->err);
    x->began_us = vd_mono_us();
    x->body_limit = 0;
}

void vd_exch_done(struct vd_exch *x)
{
    drop_later(&x->resp);
    vd_resp_done(&x->resp);
}

/* A row's body column names a field of struct vd_limits by its offset. */
static size_t body_limit(const struct vd_route *route, const struct vd_limits *limits)
{
    if (route->body == VD_NO_BODY)
        return 0;
    uint64_t value;
    memcpy(&value, (const uint8_t *)limits + (route->body - 1), sizeof value);
    return value > SIZE_MAX ? SIZE_MAX : (size_t)value;
}

vd_rc vd_exch_route(struct vd_exch *x, const struct vd_plane_cfg *cfg, uint8_t *rewritten)
{
    struct vd_req *req = &x->req;
    req->method = x->head.method;
    req->target = x->head.target;
    req->field = x->head.field;
    req->n_field = x->head.n_field;
    req->authorization = x->head.authorization;
    req->cookie = x->head.cookie;
    req->now = vd_clock_s(&cfg->clock);
    VD_TRY(vd_target_parse(x->head.target, rewritten, req, &x->err));

    VD_AUTO_BUF allow = vd_buf_of(128);
    vd_rc_ found = vd_router_find(cfg->router, req, &allow, &x->err);
    if (found.code == VD_E_METHOD)
        VD_TRY(vd_resp_field(&x->resp, "Allow", vd_buf_span(&allow), &x->err));
    if (found.code != VD_E_OK)
        return found;
    x->body_limit = body_limit(req->route, cfg->limits);
    if (x->head.length > x->body_limit)
        return vd_fail(&x->err, VD_E_TOO_LARGE, "body of %llu bytes, %zu are allowed",
                       (unsigned long long)x->head.length, x->body_limit);
    return VD_OK;
}

vd_rc vd_exch_guard(struct vd_exch *x, const struct vd_router *r)
{
    enum vd_guard g = x->req.route->guard;
    if (r->guard[g])
        return r->guard[g](r->guard_ctx[g], &x->req, &x->err);
    if (g == VD_OPEN)
        return VD_OK;
    return vd_fail(&x->err, VD_E_INTERNAL, "the program has no guard %d", (int)g);
}

vd_rc vd_exch_begin(struct vd_exch *x)
{
    vd_rc_ rc = x->req.route->handler(&x->req, &x->resp, &x->err);
    if (rc.code == VD_E_OK && x->resp.body.bad)
        rc = vd_buf_check(&x->resp.body, &x->err);
    if (rc.code == VD_E_OK && x->req.route->shape == VD_SHAPE_NATIVE)
        rc = vd_resp_field(&x->resp, "Vidimus-Request-Id", vd_span_str(x->req.request_id), &x->err);
    /* A handler that forgot to fill err still tells its code. */
    if (rc.code != VD_E_OK && x->err.code == VD_E_OK)
        x->err.code = rc.code;
    if (rc.code != VD_E_OK)
        drop_later(&x->resp);
    return rc;
}

vd_rc vd_exch_finish(struct vd_exch *x)
{
    if (!x->resp.later)
        return VD_OK;
    vd_rc_ rc = x->resp.later->finish(x->resp.later, &x->resp, &x->err);
    drop_later(&x->resp);
    if (rc.code == VD_E_OK)
        return VD_OK;
    if (x->err.code == VD_E_OK)
        x->err.code = rc.code;
    vd_buf_wipe(&x->resp.body);
    drop_fields(&x->resp);
    return rc;
}

static struct vd_waker *wake(void *ctx)
{
    (void)sem_post(ctx);
    return NULL;
}

vd_rc vd_exch_handle(struct vd_exch *x)
{
    sem_t done;
    VD_TRY(vd_exch_begin(x));
    if (!x->resp.later)
        return VD_OK;
    (void)sem_init(&done, 0, 0);
    x->resp.later->begin(x->resp.later, wake, &done);
    while (sem_wait(&done) != 0)
        ; /* interrupted by a debugger */
    (void)sem_destroy(&done);
    return vd_exch_finish(x);
}

void vd_exch_refuse(struct vd_exch *x)
{
    vd_resp_error(&x->resp, &x->req, &x->err);
}

void vd_exch_log(const struct vd_exch *x, const struct vd_plane_cfg *cfg)
{
    int status = x->resp.status;
    bool failed = x->err.code != VD_E_OK;
    enum vd_log_level level = status >= 500 ? VD_LOG_WARN : failed ? VD_LOG_INFO : VD_LOG_DEBUG;
    char number[8], micros[24], place[96];
    (void)snprintf(number, sizeof number, "%d", status);
    (void)snprintf(micros, sizeof micros, "%lld", (long long)(vd_mono_us() - x->began_us));
    (void)snprintf(place, sizeof place, "%s:%d", x->err.file ? x->err.file : "", x->err.line);
    struct vd_log_field f[] = {
        { "request", vd_span_str(x->req.request_id) },
        { "status", vd_span_str(number) },
        { "method", vd_span_str(vd_method_name(x->req.method)) },
        { "route", vd_span_str(x->req.route ? x->req.route->pattern : "-") },
        { "us", vd_span_str(micros) },
        { "source", vd_span_str(x->req.source) },
        { x->req.admin.identity[0] ? "admin" : NULL, vd_span_str(x->req.admin.identity) },
        { NULL, VD_SPAN_NONE },
        { NULL, VD_SPAN_NONE },
        { NULL, VD_SPAN_NONE },
    };
    size_t n = x->req.admin.identity[0] ? 7 : 6;
    if (failed) {
        f[n++] = (struct vd_log_field){ "slug", vd_span_str(vd_error_row(x->err.code)->slug) };
        f[n++] = (struct vd_log_field){ "place", vd_span_str(place) };
        if (x->err.decision[0])
            f[n++] = (struct vd_log_field){ "decision", vd_span_str(x->err.decision) };
    }
    vd_log_write(cfg->log, level, "http", failed ? x->err.msg : "answered", f, n);
}

void vd_source_text(const struct sockaddr *sa, char out[48])
{
    (void)snprintf(out, 48, "unknown");
    if (sa->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, sa, sizeof in);
        (void)inet_ntop(AF_INET, &in.sin_addr, out, 48);
    } else if (sa->sa_family == AF_INET6) {
        struct sockaddr_in6 in;
        memcpy(&in, sa, sizeof in);
        if (IN6_IS_ADDR_V4MAPPED(&in.sin6_addr)) {
            (void)inet_ntop(AF_INET, in.sin6_addr.s6_addr + 12, out, 48);
            return;
        }
        memset(in.sin6_addr.s6_addr + 8, 0, 8);
        char text[INET6_ADDRSTRLEN];
        if (inet_ntop(AF_INET6, &in.sin6_addr, text, sizeof text))
            (void)snprintf(out, 48, "%.40s/64", text);
    }
}

vd_rc vd_listen_split(const char *listen, char host[64], uint16_t *ret_port, vd_err *err)
{
    vd_span all = vd_span_str(listen);
    size_t colon = all.n;
    while (colon > 0 && all.p[colon - 1] != ':')
        colon--;
    vd_span name = vd_span_part(all, 0, colon ? colon - 1 : 0);
    vd_span port = vd_span_part(all, colon, all.n);
    if (name.n >= 2 && name.p[0] == '[' && name.p[name.n - 1] == ']')
        name = vd_span_part(name, 1, name.n - 2);
    uint32_t value = 0;
    bool ok = colon > 0 && name.n > 0 && name.n < 64 && port.n > 0 && port.n < 6;
    for (size_t i = 0; ok && i < port.n; i++) {
        ok = port.p[i] >= '0' && port.p[i] <= '9';
        value = value * 10 + (uint32_t)(port.p[i] - '0');
    }
    if (!ok || value > 65535)
        return vd_fail(err, VD_E_CONFIG,
                       "listen = \"%s\": write ADDRESS:PORT, such as 127.0.0.1:8080 or [::1]:8080",
                       listen);
    memcpy(host, name.p, name.n);
    host[name.n] = 0;
    *ret_port = (uint16_t)value;
    return VD_OK;
}
