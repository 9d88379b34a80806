/* Raw sockets, throw-away certificates and answers taken apart, for the tests of both planes. */
#pragma once

#include "tests/support/support.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "shared/http/client.h"
#include "shared/http/http.h"

#define UNUSED __attribute__((unused))

static UNUSED int64_t now_ms(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static UNUSED void sleep_ms(long ms)
{
    const struct timespec ts = { ms / 1000, (ms % 1000) * 1000000 };
    (void)nanosleep(&ts, NULL);
}

static UNUSED int dial(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(port) };
    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    const int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

/* False when the peer has closed. */
static UNUSED bool put(int fd, vd_span s)
{
    while (s.n > 0) {
        ssize_t n = send(fd, s.p, s.n, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        s = vd_span_part(s, (size_t)n, s.n);
    }
    return true;
}
#define PUT(fd, text) assert_true(put((fd), VD_LIT(text)))

/* Appends what arrives within `ms`; 0 at the end of the stream, -1 when nothing came. */
static UNUSED ssize_t get_some(int fd, vd_buf *b, int ms)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    if (poll(&p, 1, ms) <= 0)
        return -1;
    uint8_t *at = vd_buf_reserve(b, 65536);
    assert_non_null(at);
    ssize_t n = recv(fd, at, 65536, 0);
    if (n < 0)
        return 0; /* a reset ends the stream as well */
    b->n += (size_t)n;
    return n;
}

struct answer {
    int status;
    vd_span head;
    vd_span body;
    size_t n; /* bytes of the whole answer */
};

/* The first answer in b, if it is complete. */
static UNUSED bool first_answer(vd_span b, bool head_only, struct answer *ret)
{
    static const char end[] = "\r\n\r\n";
    uint8_t *at = b.n ? memmem(b.p, b.n, end, 4) : NULL;
    if (!at)
        return false;
    size_t head_n = (size_t)(at - b.p) + 4;
    vd_span head = vd_span_part(b, 0, head_n);
    assert_true(vd_span_starts(head, VD_LIT("HTTP/1.1 ")));
    int status = (head.p[9] - '0') * 100 + (head.p[10] - '0') * 10 + (head.p[11] - '0');
    size_t length = 0;
    static const char name[] = "Content-Length: ";
    uint8_t *l = memmem(head.p, head.n, name, sizeof name - 1);
    if (l)
        for (l += sizeof name - 1; *l >= '0' && *l <= '9'; l++)
            length = length * 10 + (size_t)(*l - '0');
    if (head_only || status == 100)
        length = 0;
    if (b.n - head_n < length)
        return false;
    *ret = (struct answer){ status, head, vd_span_part(b, head_n, length), head_n + length };
    return true;
}

static UNUSED bool has(vd_span s, const char *text)
{
    return s.n && memmem(s.p, s.n, text, strlen(text)) != NULL;
}

/* Reads one answer; what follows stays in b behind ret->n. */
static UNUSED struct answer read_answer(int fd, vd_buf *b, int ms)
{
    struct answer a = { 0 };
    int64_t until = now_ms() + ms;
    while (!first_answer(vd_buf_span(b), false, &a)) {
        int64_t left = until - now_ms();
        if (left <= 0 || get_some(fd, b, (int)left) <= 0)
            return (struct answer){ 0 };
    }
    return a;
}

/* One request on a connection of its own; everything until the end of the stream into b. */
static UNUSED struct answer ask(uint16_t port, vd_span request, vd_buf *b)
{
    int fd = dial(port);
    (void)put(fd, request);
    struct answer a = read_answer(fd, b, 10000);
    close(fd);
    return a;
}

/* True when the peer closes within ms and sends nothing more. */
static UNUSED bool closed_within(int fd, int ms)
{
    VD_AUTO_BUF b = vd_buf_of(1 << 20);
    int64_t until = now_ms() + ms;
    for (;;) {
        int64_t left = until - now_ms();
        ssize_t n = left > 0 ? get_some(fd, &b, (int)left) : -1;
        if (n == 0)
            return b.n == 0;
        if (n < 0)
            return false;
    }
}

static UNUSED void run_openssl(char *const argv[])
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);
        (void)dup2(null, 1);
        (void)dup2(null, 2);
        (void)execvp("openssl", argv);
        _exit(127);
    }
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* A self-signed certificate; the file names are owned by the caller. */
static UNUSED void make_certificate_for(const char *dir, const char *name, const char *san,
                                        char **cert, char **key)
{
    char c[512], k[512], subject[64], names[128];
    (void)snprintf(c, sizeof c, "%s/%s.pem", dir, name);
    (void)snprintf(k, sizeof k, "%s/%s.key", dir, name);
    (void)snprintf(subject, sizeof subject, "/CN=%s", name);
    (void)snprintf(names, sizeof names, "subjectAltName=%s", san);
    char *argv[] = { (char[]){ "openssl" },
                     (char[]){ "req" },
                     (char[]){ "-x509" },
                     (char[]){ "-newkey" },
                     (char[]){ "ec" },
                     (char[]){ "-pkeyopt" },
                     (char[]){ "ec_paramgen_curve:P-256" },
                     (char[]){ "-nodes" },
                     (char[]){ "-days" },
                     (char[]){ "2" },
                     (char[]){ "-keyout" },
                     k,
                     (char[]){ "-out" },
                     c,
                     (char[]){ "-subj" },
                     subject,
                     (char[]){ "-addext" },
                     names,
                     NULL };
    run_openssl(argv);
    *cert = vd_strdup_span(vd_span_str(c));
    *key = vd_strdup_span(vd_span_str(k));
}

static UNUSED void make_certificate(const char *dir, const char *name, char **cert, char **key)
{
    make_certificate_for(dir, name, "IP:127.0.0.1,DNS:localhost", cert, key);
}

/* ---- a program with routes of every kind ------------------------------------------------------
 */

struct app {
    atomic_int handled;  /* any handler */
    atomic_int guarded;  /* the administrator's guard */
    atomic_int running;  /* handlers that wait at the gate, answers that wait */
    atomic_int finished; /* answers that waited */
    atomic_int freed;
    atomic_bool gate; /* open? */
};

static vd_rc app_hello(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    struct app *app = req->app;
    (void)err;
    atomic_fetch_add(&app->handled, 1);
    resp->content_type = "text/plain";
    vd_buf_str(&resp->body, "hello");
    return VD_OK;
}

static vd_rc app_echo(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    struct app *app = req->app;
    (void)err;
    atomic_fetch_add(&app->handled, 1);
    vd_buf_add(&resp->body, req->body);
    return VD_OK;
}

static vd_rc app_gate(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    struct app *app = req->app;
    (void)err;
    atomic_fetch_add(&app->running, 1);
    while (!atomic_load(&app->gate))
        sleep_ms(5);
    atomic_fetch_sub(&app->running, 1);
    vd_buf_str(&resp->body, "through");
    return VD_OK;
}

static vd_rc app_fail(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    struct app *app = req->app;
    (void)resp;
    atomic_fetch_add(&app->handled, 1);
    return vd_fail(err, VD_E_POLICY_DENY, "the policy said no");
}

static vd_rc app_big(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    (void)req;
    (void)err;
    resp->secret_body = true;
    uint8_t *p = vd_buf_extend(&resp->body, 8u << 20);
    for (size_t i = 0; p && i < 8u << 20; i++)
        p[i] = (uint8_t)(i * 7 + (i >> 12));
    return VD_OK;
}

/* An answer that waits: "now" comes within begin, "soon" from another thread, "gate" when the gate
 * opens; "never" is refused when it has come. */
struct app_wait {
    struct vd_later later;
    struct app *app;
    bool gate;
    bool now;
    bool never;
    vd_later_then then;
    void *ctx;
};

static void *app_wait_thread(void *arg)
{
    struct app_wait *w = arg;
    sleep_ms(10);
    while (w->gate && !atomic_load(&w->app->gate))
        sleep_ms(5);
    vd_wake(w->then(w->ctx));
    return NULL;
}

static void app_wait_begin(struct vd_later *l, vd_later_then then, void *ctx)
{
    struct app_wait *w = (struct app_wait *)l;
    pthread_t t;
    w->then = then;
    w->ctx = ctx;
    atomic_fetch_add(&w->app->running, 1);
    if (w->now) {
        vd_wake(then(ctx));
    } else {
        assert_int_equal(pthread_create(&t, NULL, app_wait_thread, w), 0);
        (void)pthread_detach(t);
    }
}

static vd_rc app_wait_finish(struct vd_later *l, struct vd_resp *resp, vd_err *err)
{
    struct app_wait *w = (struct app_wait *)l;
    atomic_fetch_add(&w->app->finished, 1);
    if (w->never)
        return vd_fail(err, VD_E_AUDIT, "not on record");
    return vd_resp_field(resp, "X-Came", VD_LIT("yes"), err);
}

static void app_wait_free(struct vd_later *l)
{
    struct app_wait *w = (struct app_wait *)l;
    atomic_fetch_add(&w->app->freed, 1);
    free(w);
}

static vd_rc app_later(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    struct app_wait *w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->later = (struct vd_later){ app_wait_begin, app_wait_finish, app_wait_free };
    w->app = req->app;
    w->gate = vd_span_eq_str(req->param[0], "gate");
    w->now = vd_span_eq_str(req->param[0], "now");
    w->never = vd_span_eq_str(req->param[0], "never");
    resp->later = &w->later;
    vd_buf_str(&resp->body, "kept back");
    VD_TRY(vd_resp_field(resp, "X-Early", VD_LIT("yes"), err));
    if (vd_span_eq_str(req->param[0], "fail"))
        return vd_fail(err, VD_E_POLICY_DENY, "the policy said no");
    return VD_OK;
}

/* Tells what a handler sees. */
static vd_rc app_see(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    (void)err;
    vd_buf_printf(&resp->body, "%s|%.*s|%.*s|%.*s|%s|%s|%s|%zu|%d|%d", vd_method_name(req->method),
                  (int)req->path.n, (const char *)req->path.p, (int)req->query.n,
                  (const char *)req->query.p, (int)req->cookie.n, (const char *)req->cookie.p,
                  req->source, req->admin.identity, req->route->pattern, req->authorization.n,
                  req->tls, req->admin_plane);
    return VD_OK;
}

static vd_rc app_admin(void *ctx, struct vd_req *req, vd_err *err)
{
    struct app *app = ctx;
    atomic_fetch_add(&app->guarded, 1);
    assert_int_equal(req->body.n, 0);
    if (!vd_span_eq_str(vd_req_bearer(req), "good"))
        return vd_fail(err, VD_E_ADMIN_TOKEN, "not the token");
    (void)snprintf(req->admin.identity, sizeof req->admin.identity, "alice");
    return VD_OK;
}

static vd_rc app_session(void *ctx, struct vd_req *req, vd_err *err)
{
    (void)ctx;
    return req->cookie.n ? VD_OK : vd_fail(err, VD_E_NO_SESSION, "no cookie");
}

static const struct vd_route app_routes[] = {
    { VD_GET, "/kbs/v0/hello", VD_OPEN, VD_NO_BODY, VD_SHAPE_KBS, VD_INLINE, app_hello },
    { VD_GET, "/kbs/v0/work", VD_OPEN, VD_NO_BODY, VD_SHAPE_KBS, VD_WORK, app_hello },
    { VD_POST, "/kbs/v0/auth", VD_OPEN, VD_BODY(auth_body), VD_SHAPE_KBS, VD_INLINE, app_echo },
    { VD_POST, "/kbs/v0/attest", VD_OPEN, VD_BODY(attest_body), VD_SHAPE_KBS, VD_WORK, app_echo },
    { VD_POST, "/kbs/v0/session", VD_SESSION, VD_BODY(attest_body), VD_SHAPE_KBS, VD_WORK,
      app_echo },
    { VD_POST, "/kbs/v0/secret/{name}", VD_ADMIN, VD_BODY(secret_body), VD_SHAPE_KBS, VD_WORK,
      app_echo },
    { VD_PUT, "/api/v1/inline", VD_ADMIN, VD_BODY(secret_body), VD_SHAPE_NATIVE, VD_INLINE,
      app_echo },
    { VD_GET, "/api/v1/see/*", VD_ADMIN, VD_NO_BODY, VD_SHAPE_NATIVE, VD_WORK, app_see },
    { VD_GET, "/kbs/v0/see/{x}", VD_OPEN, VD_NO_BODY, VD_SHAPE_KBS, VD_INLINE, app_see },
    { VD_GET, "/kbs/v0/resource/{a}/{b}/{c}", VD_OPEN, VD_NO_BODY, VD_SHAPE_KBS, VD_WORK, app_see },
    { VD_GET, "/kbs/v0/gate", VD_OPEN, VD_NO_BODY, VD_SHAPE_KBS, VD_WORK, app_gate },
    { VD_GET, "/kbs/v0/relay", VD_OPEN, VD_NO_BODY, VD_SHAPE_KBS, VD_RELAY, app_gate },
    { VD_GET, "/kbs/v0/fail", VD_OPEN, VD_NO_BODY, VD_SHAPE_KBS, VD_WORK, app_fail },
    { VD_GET, "/kbs/v0/fail-inline", VD_OPEN, VD_NO_BODY, VD_SHAPE_KBS, VD_INLINE, app_fail },
    { VD_GET, "/kbs/v0/big", VD_OPEN, VD_NO_BODY, VD_SHAPE_KBS, VD_WORK, app_big },
    { VD_GET, "/kbs/v0/later/{how}", VD_OPEN, VD_NO_BODY, VD_SHAPE_KBS, VD_WORK, app_later },
    { VD_GET, "/kbs/v0/later-inline/{how}", VD_OPEN, VD_NO_BODY, VD_SHAPE_KBS, VD_INLINE,
      app_later },
    { VD_GET, "/kbs/v0/unguarded", VD_PASSPORT, VD_NO_BODY, VD_SHAPE_KBS, VD_WORK, app_hello },
};

struct server {
    struct app app;
    struct vd_limits limits;
    struct vd_router router;
    struct vd_plane_cfg cfg;
    struct vd_guest *guest;
    struct vd_admin *admin;
    uint16_t port;
};

static UNUSED void server_init(struct server *s)
{
    *s = (struct server){ .limits = VD_LIMITS_DEFAULT };
    s->router = (struct vd_router){ .route = app_routes,
                                    .n = sizeof app_routes / sizeof app_routes[0],
                                    .app = &s->app };
    s->router.guard[VD_ADMIN] = app_admin;
    s->router.guard_ctx[VD_ADMIN] = &s->app;
    s->router.guard[VD_SESSION] = app_session;
    s->cfg = (struct vd_plane_cfg){ .listen = "127.0.0.1:0",
                                    .router = &s->router,
                                    .limits = &s->limits,
                                    .clock = vd_clock_real(),
                                    .loops = 2 };
}
