/* The guest plane: listener, event loops, start and stop. One loop a core; loop 0 also accepts and
 * deals the connections out in turn. Loops never share a connection, so libevent needs no locks;
 * other threads reach a loop by its inbox and an eventfd. */
#include "shared/http/guest_priv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "shared/base/secret.h"
#include "shared/base/thread.h"

enum { BACKLOG = 4096, RELAY_THREADS_MAX = 32 };

/* ---- inbox ----------------------------------------------------------------------------------- */

/* Not under the lock while the loop is signalled: it may run at once, and would wait for it. */
static void signal_loop(struct vd_loop *l)
{
    const uint64_t one = 1;
    (void)pthread_mutex_lock(&l->lock);
    bool sleeps = !l->signalled;
    l->signalled = true;
    (void)pthread_mutex_unlock(&l->lock);
    ssize_t n = sleeps ? write(l->wake_fd, &one, sizeof one) : 0;
    (void)n; /* cannot fail before 2^64 - 1 wake-ups are pending */
}

/* The plane may be gone behind the last line. */
static void on_later(struct vd_waker *w, unsigned times)
{
    struct vd_loop *l = (struct vd_loop *)w;
    struct vd_guest *g = l->g;
    signal_loop(l);
    atomic_fetch_sub(&g->later, times);
}

void vd_loop_put(struct vd_loop *l, struct vd_job *job)
{
    (void)pthread_mutex_lock(&l->lock);
    job->next = l->done;
    l->done = job;
    (void)pthread_mutex_unlock(&l->lock);
}

void vd_loop_push(struct vd_loop *l, struct vd_job *job)
{
    vd_loop_put(l, job);
    signal_loop(l);
}

static void push_conn(struct vd_loop *l, struct vd_conn *c)
{
    (void)pthread_mutex_lock(&l->lock);
    c->next = l->fresh;
    l->fresh = c;
    (void)pthread_mutex_unlock(&l->lock);
    signal_loop(l);
}

static void begin_drain(struct vd_loop *l)
{
    l->draining = true;
    l->drain_until_us = vd_mono_us() + (int64_t)VD_STOP_SECONDS * 1000000;
    if (l == &l->g->loop[0] && l->g->listener) {
        evconnlistener_free(l->g->listener);
        l->g->listener = NULL;
    }
    vd_conn_tick(l);
}

static void start_tick(struct vd_loop *l)
{
    const struct timeval every = { VD_TICK_MS / 1000, (suseconds_t)(VD_TICK_MS % 1000) * 1000 };
    if (!event_pending(l->tick, EV_TIMEOUT, NULL))
        (void)event_add(l->tick, &every);
}

static void end_if_drained(struct vd_loop *l)
{
    /* Not a break: libevent closes sockets after the callback that freed them. */
    if (l->draining && l->n_conns == 0)
        (void)event_base_loopexit(l->base, NULL);
}

static void attach(struct vd_loop *l, struct vd_conn *c)
{
    vd_conn_attach(l, c);
    start_tick(l);
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    struct vd_loop *l = arg;
    (void)fd; /* edge-triggered: its counter is never read, which saves a system call a wake-up */
    (void)what;
    (void)pthread_mutex_lock(&l->lock);
    struct vd_conn *fresh = l->fresh;
    struct vd_job *done = l->done;
    l->fresh = NULL;
    l->done = NULL;
    l->signalled = false;
    (void)pthread_mutex_unlock(&l->lock);
    while (fresh) {
        struct vd_conn *c = fresh;
        fresh = c->next;
        attach(l, c);
    }
    while (done) {
        struct vd_job *job = done;
        done = job->next;
        vd_conn_job_done(job);
    }
    if (atomic_load(&l->g->stopping) && !l->draining)
        begin_drain(l);
    end_if_drained(l);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct vd_loop *l = arg;
    (void)fd;
    (void)what;
    vd_conn_tick(l);
    bool paused = l == &l->g->loop[0] && l->g->listener_paused;
    if (paused && l->g->listener) {
        l->g->listener_paused = false;
        (void)evconnlistener_enable(l->g->listener);
    }
    if (l->n_conns == 0 && !paused)
        (void)event_del(l->tick);
    end_if_drained(l);
}

static void *run_loop(void *arg)
{
    struct vd_loop *l = arg;
    const int once = EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY;
    while (event_base_loop(l->base, once) == 0 && !event_base_got_exit(l->base))
        vd_wakers_wake(&l->wakers);
    vd_wakers_wake(&l->wakers);
    return NULL;
}

/* ---- accepting ------------------------------------------------------------------------------- */

/* At the ceiling: a stranger gets a readable answer if that costs one system call. */
static void turn_away(struct vd_guest *g, int fd)
{
    if (!g->tls) {
        const struct vd_error_row *row = vd_error_row(VD_E_BUSY);
        char body[256], all[512];
        int n = snprintf(body, sizeof body, "{\"type\":\"%s%s\",\"detail\":\"%s\"}",
                         VD_KBS_ERROR_PREFIX, row->kbs_name, row->text);
        n = snprintf(all, sizeof all,
                     "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
                     "Retry-After: 1\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
                     n, body);
        ssize_t sent = send(fd, all, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
        (void)sent;
        (void)shutdown(fd, SHUT_WR);
    }
    close(fd);
    vd_count(&g->loop[0].count.status[5]);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *sa,
                      int len, void *arg)
{
    struct vd_guest *g = arg;
    (void)listener;
    (void)len;
    struct vd_conn *c = calloc(1, sizeof *c);
    if (!c) {
        close(fd);
        return;
    }
    vd_source_text(sa, c->source_text);
    c->source = vd_sources_enter(g->sources, c->source_text, g->cfg.limits->connections_per_source,
                                 g->cfg.limits->connections);
    if (!c->source) {
        turn_away(g, fd);
        free(c);
        return;
    }
    const int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    c->fd = fd;
    struct vd_loop *l = &g->loop[g->next++ % g->n];
    c->loop = l;
    if (l == &g->loop[0])
        attach(l, c);
    else
        push_conn(l, c);
}

/* Out of descriptors: without a pause this loop would spin. */
static void on_accept_error(struct evconnlistener *listener, void *arg)
{
    struct vd_guest *g = arg;
    vd_log_msg(g->cfg.log, VD_LOG_WARN, "http", "a connection could not be accepted (errno %d)",
               EVUTIL_SOCKET_ERROR());
    (void)evconnlistener_disable(listener);
    g->listener_paused = true;
    start_tick(&g->loop[0]);
}

static vd_rc make_address(const char *listen, struct sockaddr_storage *sa, socklen_t *n,
                          vd_err *err)
{
    char host[64];
    uint16_t port;
    VD_TRY(vd_listen_split(listen, host, &port, err));
    struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
    memset(sa, 0, sizeof *sa);
    if (inet_pton(AF_INET, host, &v4.sin_addr) == 1) {
        memcpy(sa, &v4, sizeof v4);
        *n = sizeof v4;
    } else if (inet_pton(AF_INET6, host, &v6.sin6_addr) == 1) {
        memcpy(sa, &v6, sizeof v6);
        *n = sizeof v6;
    } else {
        return vd_fail(err, VD_E_CONFIG, "listen = \"%s\": %s is no IP address", listen, host);
    }
    return VD_OK;
}

static uint16_t port_of(int fd)
{
    struct sockaddr_storage ss = { 0 };
    socklen_t n = sizeof ss;
    if (getsockname(fd, (struct sockaddr *)&ss, &n) != 0)
        return 0;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    memcpy(&v4, &ss, sizeof v4);
    memcpy(&v6, &ss, sizeof v6);
    return ntohs(ss.ss_family == AF_INET6 ? v6.sin6_port : v4.sin_port);
}

static vd_rc open_listener(struct vd_guest *g, vd_err *err)
{
    struct sockaddr_storage sa;
    socklen_t n;
    VD_TRY(make_address(g->cfg.listen, &sa, &n, err));
    VD_AUTO_FD int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int on = 1;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(fd, (struct sockaddr *)&sa, n) != 0 || listen(fd, BACKLOG) != 0)
        return vd_fail(err, VD_E_CONFIG, "cannot listen on %s: %s; choose another [guest] listen",
                       g->cfg.listen,
                       errno == EADDRINUSE ? "the address is in use" : "the system refuses it");
    g->listener = evconnlistener_new(g->loop[0].base, on_accept, g,
                                     LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
    if (!g->listener)
        return vd_fail(err, VD_E_NOMEM, "listener");
    g->port = port_of(vd_fd_take(&fd));
    evconnlistener_set_error_cb(g->listener, on_accept_error);
    return VD_OK;
}

/* ---- start and stop -------------------------------------------------------------------------- */

static vd_rc init_loop(struct vd_guest *g, struct vd_loop *l, vd_err *err)
{
    l->later.wake = on_later;
    l->g = g;
    l->out = vd_buf_of(64 << 10);
    l->date_s = INT64_MIN;
    vd_random(&l->id_state, sizeof l->id_state);
    struct event_config *cfg = event_config_new();
    if (cfg) {
        (void)event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV);
        l->base = event_base_new_with_config(cfg);
        event_config_free(cfg);
    }
    l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!l->base || l->wake_fd < 0)
        return vd_fail(err, VD_E_NOMEM, "event loop");
    l->wake = event_new(l->base, l->wake_fd, EV_READ | EV_PERSIST | EV_ET, on_wake, l);
    l->tick = event_new(l->base, -1, EV_PERSIST, on_tick, l);
    if (!l->wake || !l->tick || event_add(l->wake, NULL) != 0)
        return vd_fail(err, VD_E_NOMEM, "event loop");
    return VD_OK;
}

static void free_loop(struct vd_loop *l)
{
    while (l->fresh) { /* accepted while stopping, never attached */
        struct vd_conn *c = l->fresh;
        l->fresh = c->next;
        vd_conn_free(c);
    }
    if (l->tick)
        event_free(l->tick);
    if (l->wake)
        event_free(l->wake);
    if (l->base)
        event_base_free(l->base);
    if (l->wake_fd >= 0)
        close(l->wake_fd);
    vd_buf_done(&l->out);
    vd_exch_done(&l->x);
    (void)pthread_mutex_destroy(&l->lock);
}

static bool has_lane(const struct vd_router *r, enum vd_lane lane)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->route[i].lane == lane)
            return true;
    return false;
}

static vd_rc make_pools(struct vd_guest *g, vd_err *err)
{
    const struct vd_limits *l = g->cfg.limits;
    if (has_lane(g->cfg.router, VD_WORK))
        VD_TRY(vd_pool_new((unsigned)(l->workers ? l->workers : 1), vd_processors(),
                           (size_t)l->queue, &g->work, err));
    if (has_lane(g->cfg.router, VD_RELAY)) {
        /* Threads wait for the issuer; what waits for a thread counts as a waiting call as well. */
        size_t all = l->relay_waiting ? (size_t)l->relay_waiting : 1;
        unsigned threads = all > RELAY_THREADS_MAX ? RELAY_THREADS_MAX : (unsigned)all;
        VD_TRY(vd_pool_new(threads, 0, all - threads, &g->relay, err));
    }
    return VD_OK;
}

static vd_rc start_loops(struct vd_guest *g, vd_err *err)
{
    for (unsigned i = 0; i < g->n; i++)
        g->loop[i].running = vd_thread_start(&g->loop[i].thread, NULL, run_loop, &g->loop[i]);
    for (unsigned i = 0; i < g->n; i++)
        if (!g->loop[i].running)
            return vd_fail(err, VD_E_NOMEM, "event loop thread");
    return VD_OK;
}

static vd_rc start(struct vd_guest *g, vd_err *err)
{
    const struct vd_plane_cfg *cfg = &g->cfg;
    VD_TRY(vd_router_check(cfg->router, err));
    vd_ignore_sigpipe();
    g->sources = vd_sources_new();
    if (!g->sources)
        return vd_fail(err, VD_E_NOMEM, "guest plane");
    if (cfg->tls_cert || cfg->tls_key)
        VD_TRY(vd_tls_new(cfg->tls_cert, cfg->tls_key, &g->tls, err));
    for (unsigned i = 0; i < g->n; i++)
        VD_TRY(init_loop(g, &g->loop[i], err));
    VD_TRY(open_listener(g, err));
    VD_TRY(make_pools(g, err));
    return start_loops(g, err);
}

vd_rc vd_guest_start(const struct vd_plane_cfg *cfg, struct vd_guest **ret, vd_err *err)
{
    unsigned n = cfg->loops ? cfg->loops : vd_processors();
    struct vd_guest *g = calloc(1, sizeof *g + n * sizeof g->loop[0]);
    if (!g)
        return vd_fail(err, VD_E_NOMEM, "guest plane");
    g->cfg = *cfg;
    g->n = n;
    uint64_t fields = cfg->limits->head_fields;
    g->head_limits = (struct vd_head_limits){
        .bytes = (size_t)cfg->limits->head_bytes,
        .authorization = (size_t)cfg->limits->authorization_bytes,
        .fields = fields < VD_HEAD_FIELDS_HARD ? (size_t)fields : VD_HEAD_FIELDS_HARD,
    };
    for (unsigned i = 0; i < n; i++) {
        g->loop[i].wake_fd = -1;
        (void)pthread_mutex_init(&g->loop[i].lock, NULL);
    }
    vd_rc_ rc = start(g, err);
    if (rc.code != VD_E_OK) {
        vd_guest_stop(g);
        return rc;
    }
    *ret = g;
    return VD_OK;
}

void vd_guest_stop(struct vd_guest *g)
{
    if (!g)
        return;
    atomic_store(&g->stopping, true);
    for (unsigned i = 0; i < g->n; i++) {
        if (g->loop[i].running)
            signal_loop(&g->loop[i]);
    }
    for (unsigned i = 0; i < g->n; i++)
        if (g->loop[i].running)
            (void)pthread_join(g->loop[i].thread, NULL);
    if (g->listener)
        evconnlistener_free(g->listener);
    vd_pool_free(g->work);
    vd_pool_free(g->relay);
    while (atomic_load(&g->later) > 0)
        (void)usleep(1000);
    for (unsigned i = 0; i < g->n; i++)
        free_loop(&g->loop[i]);
    vd_tls_free(g->tls);
    vd_sources_free(g->sources);
    free(g);
}

uint16_t vd_guest_port(const struct vd_guest *g)
{
    return g->port;
}

vd_rc vd_guest_reload(struct vd_guest *g, vd_err *err)
{
    return g->tls ? vd_tls_reload(g->tls, err) : VD_OK;
}

void vd_guest_stats(const struct vd_guest *g, struct vd_plane_stats *ret)
{
    struct vd_plane_stats s = { .connections_open = vd_sources_count(g->sources) };
    for (unsigned i = 0; i < g->n; i++) {
        const struct vd_counters *c = &g->loop[i].count;
        s.requests += atomic_load_explicit(&c->requests, memory_order_relaxed);
        s.refused_head += atomic_load_explicit(&c->refused_head, memory_order_relaxed);
        for (int k = 0; k < 6; k++)
            s.status[k] += atomic_load_explicit(&c->status[k], memory_order_relaxed);
    }
    if (g->work)
        s.queue += vd_pool_waiting(g->work);
    if (g->relay)
        s.queue += vd_pool_waiting(g->relay);
    *ret = s;
}
