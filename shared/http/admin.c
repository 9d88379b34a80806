/* The admin plane: civetweb on its own listener, one request a connection, a thread for each up to
 * a ceiling. civetweb parses the head, so what it swallows cannot be refused here (docs/limits.md);
 * what it shows is checked by the rules of head.c, and because a connection ends after its answer
 * nothing that follows is ever read as a request. Guards and handlers run on our own pool:
 * civetweb's threads have stacks of 100 KiB. */
#include "shared/http/admin_priv.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <inttypes.h>
#include <limits.h>
#include <netinet/in.h>
#include <time.h>

#include "shared/base/secret.h"

enum { READ_STEP = 64 << 10, POOL_THREADS = 8 };

/* ---- waiting for a pool thread --------------------------------------------------------------- */

static void run_task(struct vd_task *task)
{
    struct admin_call *call = (struct admin_call *)task; /* task is the first member */
    vd_rc_ rc = VD_OK;
    if (call->guard)
        rc = vd_exch_guard(&call->x, call->a->cfg.router);
    if (rc.code == VD_E_OK && call->handle)
        rc = vd_exch_handle(&call->x);
    (void)pthread_mutex_lock(&call->lock);
    call->rc = rc;
    call->finished = true;
    (void)pthread_cond_signal(&call->wake);
    (void)pthread_mutex_unlock(&call->lock);
}

static vd_rc in_pool(struct admin_call *call, bool guard, bool handle)
{
    call->guard = guard;
    call->handle = handle;
    call->finished = false;
    call->task.run = run_task;
    struct vd_waker *w;
    if (!vd_pool_submit(call->a->pool, &call->task, &w))
        return vd_fail(&call->x.err, VD_E_BUSY, "the admin plane is stopping");
    vd_wake(w);
    (void)pthread_mutex_lock(&call->lock);
    while (!call->finished)
        (void)pthread_cond_wait(&call->wake, &call->lock);
    (void)pthread_mutex_unlock(&call->lock);
    return call->rc;
}

/* ---- the request ----------------------------------------------------------------------------- */

static vd_rc take_target(struct admin_call *call, const struct mg_request_info *ri)
{
    const char *uri = ri->request_uri ? ri->request_uri : "";
    vd_buf_str(&call->target, uri);
    if (ri->query_string) {
        vd_buf_u8(&call->target, '?');
        vd_buf_str(&call->target, ri->query_string);
    }
    if (call->target.bad)
        return vd_fail(&call->x.err, VD_E_HEAD_TOO_LARGE, "request target above %d bytes",
                       VD_HEAD_LINE_MAX);
    call->x.head.target = vd_buf_span(&call->target);
    return VD_OK;
}

static vd_rc take_head(struct admin_call *call, const struct mg_request_info *ri)
{
    struct vd_head *h = &call->x.head;
    const struct vd_limits *l = call->a->cfg.limits;
    h->method = VD_METHOD_MAX;
    for (int m = 0; m < VD_METHOD_MAX; m++)
        if (vd_span_eq_str(vd_span_str(ri->request_method), vd_method_name((enum vd_method)m)))
            h->method = (enum vd_method)m;
    call->x.req.method = h->method;
    VD_TRY(take_target(call, ri));
    if (h->method == VD_METHOD_MAX)
        return vd_fail(&call->x.err, VD_E_BAD_REQUEST, "unknown method");
    vd_span version = vd_span_str(ri->http_version);
    h->http10 = vd_span_eq(version, VD_LIT("1.0"));
    if (!h->http10 && !vd_span_eq(version, VD_LIT("1.1")))
        return vd_fail(&call->x.err, VD_E_BAD_REQUEST, "not HTTP/1.1 or HTTP/1.0");
    /* civetweb keeps the first MG_MAX_HEADERS fields and drops the rest without a word. */
    size_t n = ri->num_headers < 0 ? 0 : (size_t)ri->num_headers;
    if (n > l->head_fields || n >= MG_MAX_HEADERS)
        return vd_fail(&call->x.err, VD_E_HEAD_TOO_LARGE, "too many header fields");
    size_t plain = 0;
    for (size_t i = 0; i < n; i++) {
        struct vd_field *f = &call->field[i];
        *f = (struct vd_field){ vd_span_str(ri->http_headers[i].name),
                                vd_span_str(ri->http_headers[i].value) };
        bool authorization = vd_span_eq_nocase(f->name, "authorization");
        if (authorization && f->value.n > l->authorization_bytes)
            return vd_fail(&call->x.err, VD_E_HEAD_TOO_LARGE, "Authorization is too long");
        plain += authorization ? 0 : f->name.n + f->value.n + 4;
    }
    if (plain > l->head_bytes)
        return vd_fail(&call->x.err, VD_E_HEAD_TOO_LARGE, "head above %zu bytes",
                       (size_t)l->head_bytes);
    h->field = call->field;
    h->n_field = n;
    return vd_head_fields(h, &call->x.err);
}

static vd_rc check_pace(struct admin_call *call, int64_t began)
{
    const struct vd_limits *l = call->a->cfg.limits;
    int64_t passed = vd_mono_us() - began;
    int64_t paced = 5000000 + (int64_t)(call->body.n * 1000000 / l->body_bytes_per_second);
    if (passed > (int64_t)l->request_seconds * 1000000 || passed > paced)
        return vd_fail(&call->x.err, VD_E_REQUEST_TIMEOUT, "the body came too slowly");
    return VD_OK;
}

static vd_rc read_body(struct admin_call *call, struct mg_connection *conn)
{
    struct vd_exch *x = &call->x;
    size_t want = (size_t)x->head.length;
    int64_t began = vd_mono_us();
    call->body = vd_buf_of(want);
    if (x->head.expect_continue && want > 0)
        (void)mg_printf(conn, "HTTP/1.1 100 Continue\r\n\r\n");
    while (call->body.n < want) {
        size_t n = want - call->body.n < READ_STEP ? want - call->body.n : READ_STEP;
        size_t before = call->body.cap;
        uint8_t *room = vd_buf_reserve(&call->body, n);
        size_t grown = call->body.cap - before;
        call->charged += grown;
        uint64_t all = atomic_fetch_add(&call->a->body_memory, grown) + grown;
        if (!room || all > call->a->cfg.limits->body_memory)
            return vd_fail(&x->err, VD_E_BUSY, "no memory left for request bodies");
        int got = mg_read(conn, room, n);
        if (got <= 0)
            return vd_fail(&x->err, VD_E_BAD_REQUEST, "the connection ended within the body");
        call->body.n += (size_t)got;
        VD_TRY(check_pace(call, began));
    }
    x->req.body = vd_buf_span(&call->body);
    return VD_OK;
}

static vd_rc serve(struct admin_call *call, struct mg_connection *conn)
{
    struct vd_exch *x = &call->x;
    if (atomic_load(&call->a->stopping))
        return vd_fail(&x->err, VD_E_BUSY, "the admin plane is stopping");
    VD_TRY(take_head(call, mg_get_request_info(conn)));
    VD_TRY(vd_exch_route(x, &call->a->cfg, call->rewritten));
    if (x->head.length == 0)
        return in_pool(call, true, true);
    VD_TRY(in_pool(call, true, false));
    VD_TRY(read_body(call, conn));
    return in_pool(call, false, true);
}

static void send_answer(struct admin_call *call, struct mg_connection *conn)
{
    struct vd_exch *x = &call->x;
    VD_AUTO_BUF date = vd_buf_of(64);
    vd_time_imf(vd_clock_s(&call->a->cfg.clock), &date);
    VD_AUTO_BUF head = vd_buf_of(64 << 10);
    const char *text = vd_buf_cstr(&date);
    vd_resp_head(&x->resp, text ? text : "", true, &head);
    if (head.bad || mg_write(conn, head.p, head.n) <= 0)
        return;
    bool body = x->head.method != VD_HEAD && x->resp.status != 204 && x->resp.status != 304;
    if (body && x->resp.body.n > 0)
        (void)mg_write(conn, x->resp.body.p, x->resp.body.n);
}

static void count(struct vd_admin *a, const struct vd_exch *x)
{
    int hundred = x->resp.status / 100;
    (void)atomic_fetch_add(&a->count.requests, 1);
    (void)atomic_fetch_add(&a->count.status[hundred >= 1 && hundred <= 5 ? hundred : 0], 1);
}

static void source_of(const char *addr, char out[48])
{
    struct sockaddr_in v4 = { .sin_family = AF_INET };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
    if (inet_pton(AF_INET, addr, &v4.sin_addr) == 1)
        vd_source_text((const struct sockaddr *)&v4, out);
    else if (inet_pton(AF_INET6, addr, &v6.sin6_addr) == 1)
        vd_source_text((const struct sockaddr *)&v6, out);
    else
        (void)snprintf(out, 48, "unknown");
}

static struct admin_call *call_new(struct vd_admin *a, const struct mg_connection *conn)
{
    struct admin_call *call = calloc(1, sizeof *call);
    if (!call)
        return NULL;
    (void)pthread_mutex_init(&call->lock, NULL);
    (void)pthread_cond_init(&call->wake, NULL);
    call->a = a;
    call->target = vd_buf_of(VD_HEAD_LINE_MAX);
    vd_exch_reset(&call->x, &a->cfg);
    call->x.req.admin_plane = true;
    call->x.req.tls = a->tls != NULL;
    source_of(mg_get_request_info(conn)->remote_addr, call->x.req.source);
    uint64_t id = atomic_fetch_add(&a->id_state, 0x9e3779b97f4a7c15u);
    vd_request_id(&id, call->x.req.request_id);
    return call;
}

static void call_free(struct admin_call *call)
{
    (void)atomic_fetch_sub(&call->a->body_memory, call->charged);
    vd_buf_wipe(&call->body); /* may be a secret that an administrator sets */
    vd_buf_done(&call->target);
    vd_exch_done(&call->x);
    (void)pthread_cond_destroy(&call->wake);
    (void)pthread_mutex_destroy(&call->lock);
    free(call);
}

static int finish(struct admin_call *call, struct mg_connection *conn, bool failed)
{
    struct vd_exch *x = &call->x;
    if (failed)
        vd_exch_refuse(x);
    mg_disable_keep_alive(conn);
    count(call->a, x);
    vd_exch_log(x, &call->a->cfg);
    send_answer(call, conn);
    int status = x->resp.status;
    call_free(call);
    return status;
}

static int on_request(struct mg_connection *conn)
{
    struct vd_admin *a = mg_get_user_data(mg_get_context(conn));
    (void)atomic_fetch_add(&a->in_flight, 1);
    struct admin_call *call = call_new(a, conn);
    int status = 500;
    if (call) {
        bool failed = serve(call, conn).code != VD_E_OK;
        status = finish(call, conn, failed);
    } else {
        mg_disable_keep_alive(conn);
    }
    (void)atomic_fetch_sub(&a->in_flight, 1);
    return status;
}

/* Heads that civetweb itself refuses get the same error bodies as all others. */
static int on_error(struct mg_connection *conn, int status, const char *message)
{
    struct vd_admin *a = mg_get_user_data(mg_get_context(conn));
    struct admin_call *call = call_new(a, conn);
    if (!call)
        return 1;
    vd_code code = VD_E_BAD_REQUEST; /* 505 too: a version of HTTP that is none of ours */
    if (status == 408)
        code = VD_E_REQUEST_TIMEOUT;
    else if (status == 413 || status == 414 || status == 431)
        code = VD_E_HEAD_TOO_LARGE;
    else if (status == 503)
        code = VD_E_BUSY;
    else if (status == 500)
        code = VD_E_INTERNAL;
    (void)message; /* may quote the request */
    (void)vd_fail(&call->x.err, code, "the head was refused with %d", status).code;
    call->x.head.method = VD_METHOD_MAX;
    call->x.req.method = VD_METHOD_MAX;
    (void)atomic_fetch_add(&a->count.refused_head, 1);
    (void)finish(call, conn, true);
    return 0;
}

static int on_log(const struct mg_connection *conn, const char *message)
{
    struct vd_admin *a = mg_get_user_data(mg_get_context(conn));
    if (a)
        vd_log_msg(a->cfg.log, VD_LOG_DEBUG, "http", "admin plane: %.200s", message);
    return 1;
}

static int own_context(void **ssl_ctx, void *user_data)
{
    struct vd_admin *a = user_data;
    *ssl_ctx = vd_tls_front(a->tls);
    return 1; /* ours: neither set up nor freed by civetweb */
}

/* ---- start and stop -------------------------------------------------------------------------- */

/* See shim/ssl.c. They stay loaded as long as the process. */
static vd_rc load_shims(vd_err *err)
{
    static const char *const names[] = { "libcrypto.so", "libssl.so" };
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    size_t dir = n > 0 ? (size_t)n : 0;
    while (dir > 0 && path[dir - 1] != '/')
        dir--;
    path[dir] = 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        VD_AUTO_BUF file = vd_buf_of(PATH_MAX + 64);
        vd_buf_printf(&file, "%s../lib/vidimus/%s", path, names[i]);
        const char *s = vd_buf_cstr(&file);
        if (!s || !dlopen(s, RTLD_NOW | RTLD_NODELETE))
            return vd_fail(
                err, VD_E_FILE,
                "%s cannot be loaded: TLS on the admin plane needs it; install the whole package",
                s ? s : names[i]);
    }
    return VD_OK;
}

static vd_rc start_civetweb(struct vd_admin *a, vd_err *err)
{
    const struct vd_limits *l = a->cfg.limits;
    char host[64];
    uint16_t port;
    VD_TRY(vd_listen_split(a->cfg.listen, host, &port, err));
    char ports[96], threads[16], head_ms[16], head_bytes[16];
    bool v6 = strchr(host, ':') != NULL;
    (void)snprintf(ports, sizeof ports, "%s%s%s:%u%s", v6 ? "[" : "", host, v6 ? "]" : "",
                   (unsigned)port, a->tls ? "s" : "");
    (void)snprintf(threads, sizeof threads, "%d", ADMIN_THREADS);
    (void)snprintf(head_ms, sizeof head_ms, "%" PRIu64, l->head_seconds * 1000);
    (void)snprintf(head_bytes, sizeof head_bytes, "%" PRIu64,
                   l->head_bytes + l->authorization_bytes + VD_HEAD_LINE_MAX);
    const char *options[] = {
        "listening_ports",
        ports,
        "num_threads",
        threads,
        "decode_url",
        "no",
        "tcp_nodelay",
        "1",
        "enable_keep_alive",
        "no",
        "request_timeout_ms",
        head_ms,
        "linger_timeout_ms",
        "500",
        "max_request_size",
        head_bytes,
        "enable_auth_domain_check",
        "no",
        "enable_directory_listing",
        "no",
        NULL,
    };
    struct mg_callbacks callbacks = {
        .begin_request = on_request,
        .http_error = on_error,
        .log_message = on_log,
        .external_ssl_ctx = a->tls ? own_context : NULL,
    };
    char why[160] = "";
    unsigned code = 0;
    struct mg_error_data error = { &code, why, sizeof why };
    struct mg_init_data init = { &callbacks, a, options };
    a->ctx = mg_start2(&init, &error);
    if (!a->ctx)
        return vd_fail(err, VD_E_CONFIG,
                       "cannot listen on %s: %.120s; choose another [admin] listen", a->cfg.listen,
                       why[0] ? why : "refused");
    struct mg_server_port bound[4];
    memset(bound, 0, sizeof bound);
    if (mg_get_server_ports(a->ctx, 4, bound) < 1)
        return vd_fail(err, VD_E_INTERNAL, "the admin plane has no port");
    a->port = (uint16_t)bound[0].port;
    return VD_OK;
}

static vd_rc start(struct vd_admin *a, vd_err *err)
{
    VD_TRY(vd_router_check(a->cfg.router, err));
    vd_random(&a->fresh_id, sizeof a->fresh_id);
    atomic_store(&a->id_state, a->fresh_id);
    if (a->cfg.tls_cert || a->cfg.tls_key) {
        VD_TRY(vd_tls_new(a->cfg.tls_cert, a->cfg.tls_key, &a->tls, err));
        VD_TRY(load_shims(err));
    }
    VD_TRY(vd_pool_new(POOL_THREADS, 0, ADMIN_THREADS, &a->pool, err));
    a->library = mg_init_library(a->tls ? MG_FEATURES_SSL : 0) != 0 || !a->tls;
    if (!a->library)
        return vd_fail(err, VD_E_INTERNAL, "civetweb does not find a TLS library that it can use");
    return start_civetweb(a, err);
}

vd_rc vd_admin_start(const struct vd_plane_cfg *cfg, struct vd_admin **ret, vd_err *err)
{
    struct vd_admin *a = calloc(1, sizeof *a);
    if (!a)
        return vd_fail(err, VD_E_NOMEM, "admin plane");
    a->cfg = *cfg;
    vd_rc_ rc = start(a, err);
    if (rc.code != VD_E_OK) {
        vd_admin_stop(a);
        return rc;
    }
    *ret = a;
    return VD_OK;
}

/* civetweb drops answers that are being made when it is stopped: let them out first. */
static void drain(struct vd_admin *a)
{
    const struct timespec step = { 0, 5000000 };
    int64_t until = vd_mono_us() + INT64_C(10000000);
    atomic_store(&a->stopping, true);
    while (atomic_load(&a->in_flight) > 0 && vd_mono_us() < until)
        (void)nanosleep(&step, NULL);
}

void vd_admin_stop(struct vd_admin *a)
{
    if (!a)
        return;
    if (a->ctx) {
        drain(a);
        mg_stop(a->ctx);
    }
    if (a->library)
        (void)mg_exit_library();
    vd_pool_free(a->pool);
    vd_tls_free(a->tls);
    free(a);
}

uint16_t vd_admin_port(const struct vd_admin *a)
{
    return a->port;
}

vd_rc vd_admin_reload(struct vd_admin *a, vd_err *err)
{
    return a->tls ? vd_tls_reload(a->tls, err) : VD_OK;
}

void vd_admin_stats(const struct vd_admin *a, struct vd_plane_stats *ret)
{
    struct vd_plane_stats s = { .queue = vd_pool_waiting(a->pool) };
    s.requests = atomic_load(&a->count.requests);
    s.refused_head = atomic_load(&a->count.refused_head);
    for (int k = 0; k < 6; k++)
        s.status[k] = atomic_load(&a->count.status[k]);
    *ret = s;
}
