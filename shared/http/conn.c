/* One connection of the guest plane: a state machine fed by its loop (reads, writes, ticks, jobs
 * that come back). One request at a time; after a refusal nothing that followed is looked at.
 * Functions set c->dead and return; only settle(), called last by each entry point, frees. */
#include "shared/http/guest_priv.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

enum {
    WATERMARK = 32 << 10, /* bytes read ahead of what is looked at */
    LINGER_BYTES = 32 << 20,
    BODY_GRACE_US = 5000000, /* before the slowest rate counts */
    BODY_STEP = 64 << 10,
    REFUSALS_LOGGED = 100, /* lines a second and loop about heads that are not HTTP */
};

static void read_requests(struct vd_conn *c);

static const struct vd_limits *limits(const struct vd_conn *c)
{
    return c->loop->g->cfg.limits;
}

static int64_t seconds(uint64_t s)
{
    return (int64_t)s * 1000000;
}

static size_t unread(const struct vd_conn *c)
{
    return evbuffer_get_length(bufferevent_get_input(c->bev));
}

void vd_conn_free(struct vd_conn *c)
{
    struct vd_loop *l = c->loop;
    if (c->bev)
        bufferevent_free(c->bev);
    else if (c->fd >= 0)
        close(c->fd);
    if (c->source)
        vd_sources_leave(l->g->sources, c->source);
    free(c);
}

static void unlink_conn(struct vd_conn *c)
{
    struct vd_loop *l = c->loop;
    if (c->prev)
        c->prev->next = c->next;
    else
        l->conns = c->next;
    if (c->next)
        c->next->prev = c->prev;
    l->n_conns--;
}

/* A dead connection goes at once, unless a worker still holds its job: then only the socket goes.
 */
static void settle(struct vd_conn *c)
{
    if (!c->dead)
        return;
    bool in_pool = c->job && c->state == VD_CONN_RUN;
    if (!in_pool) {
        vd_job_free(c->job);
        unlink_conn(c);
        vd_conn_free(c);
        return;
    }
    if (c->bev) {
        bufferevent_free(c->bev);
        c->bev = NULL;
        c->fd = -1;
    }
}

/* ---- after an answer ------------------------------------------------------------------------- */

static void next_request(struct vd_conn *c)
{
    c->state = VD_CONN_HEAD;
    c->scan = (struct vd_head_scan){ 0 };
    c->began = false;
    c->kept = true;
    c->deadline_us = vd_mono_us() + seconds(limits(c)->idle_seconds);
    if (c->eof && unread(c) == 0)
        c->dead = true;
}

/* Our side is closed, but unread bytes would turn into a reset that may overtake the answer: take
 * them in for a moment. */
static void linger(struct vd_conn *c)
{
    SSL *ssl = c->loop->g->tls ? bufferevent_openssl_get_ssl(c->bev) : NULL;
    if (ssl) {
        (void)SSL_shutdown(ssl);
        ERR_clear_error(); /* the next connection of this thread must not see it */
    }
    if (c->eof || (!c->refused && unread(c) == 0)) {
        c->dead = true;
        return;
    }
    (void)shutdown(c->fd, SHUT_WR);
    c->state = VD_CONN_LINGER;
    c->linger_left = LINGER_BYTES;
    c->deadline_us = vd_mono_us() + VD_LINGER_MS * 1000;
    struct evbuffer *in = bufferevent_get_input(c->bev);
    (void)evbuffer_drain(in, evbuffer_get_length(in));
}

/* Everything of the answer is with the kernel. */
static void written(struct vd_conn *c)
{
    if (c->close)
        linger(c);
    else
        next_request(c);
}

/* ---- answers --------------------------------------------------------------------------------- */

static void log_outcome(struct vd_loop *l, const struct vd_exch *x)
{
    /* Whoever sends garbage must not be able to fill the disk with log lines. */
    if (!x->req.route && x->err.code != VD_E_OK) {
        int64_t second = x->began_us / 1000000;
        if (second != l->refusal_second) {
            l->refusal_second = second;
            l->refusals = 0;
        }
        if (++l->refusals > REFUSALS_LOGGED)
            return;
    }
    vd_exch_log(x, &l->g->cfg);
}

static const char *date_now(struct vd_loop *l)
{
    int64_t now = vd_clock_s(&l->g->cfg.clock);
    if (now != l->date_s) {
        VD_AUTO_BUF text = vd_buf_of(sizeof l->date - 1);
        vd_time_imf(now, &text);
        const char *s = vd_buf_cstr(&text);
        (void)snprintf(l->date, sizeof l->date, "%s", s ? s : "");
        l->date_s = now;
    }
    return l->date;
}

static void answer(struct vd_conn *c, struct vd_exch *x, bool refused)
{
    struct vd_loop *l = c->loop;
    bool stopping = atomic_load_explicit(&l->g->stopping, memory_order_relaxed);
    bool last = c->eof && (!c->bev || unread(c) == 0);
    c->refused = refused;
    c->close = refused || x->resp.close || !x->head.keep_alive || stopping || last;
    c->state = VD_CONN_WRITE;
    int hundred = x->resp.status / 100;
    vd_count(&l->count.requests);
    vd_count(&l->count.status[hundred >= 1 && hundred <= 5 ? hundred : 0]);
    if (vd_log_wants(l->g->cfg.log, x->resp.status >= 400 ? VD_LOG_INFO : VD_LOG_DEBUG))
        log_outcome(l, x);
    if (!c->bev || c->dead) {
        c->dead = true;
        return;
    }
    vd_buf_reset(&l->out);
    vd_resp_head(&x->resp, date_now(l), c->close, &l->out);
    if (l->out.bad) {
        c->dead = true;
        return;
    }
    bool body = x->head.method != VD_HEAD && x->resp.status != 204 && x->resp.status != 304;
    c->deadline_us =
        vd_mono_us() + seconds(limits(c)->request_seconds) + (int64_t)x->resp.body.n * 16;
    if (vd_conn_send(c, &l->out, body ? &x->resp.body : NULL, x->resp.secret_body))
        written(c);
}

/* Refuses with x->err. */
static void refuse(struct vd_conn *c, struct vd_exch *x)
{
    vd_exch_refuse(x);
    answer(c, x, true);
}

/* Refuses a request whose head never became a request. */
static void refuse_head(struct vd_conn *c, const vd_err *err)
{
    struct vd_loop *l = c->loop;
    struct vd_exch *x = &l->x;
    vd_exch_reset(x, &l->g->cfg);
    x->err = *err;
    x->head.method = VD_METHOD_MAX;
    x->req.method = VD_METHOD_MAX;
    x->req.tls = l->g->tls != NULL;
    memcpy(x->req.source, c->source_text, sizeof x->req.source);
    vd_request_id(&l->id_state, x->req.request_id);
    vd_count(&l->count.refused_head);
    refuse(c, x);
}

/* ---- jobs ------------------------------------------------------------------------------------ */

static void drop_job(struct vd_conn *c)
{
    vd_job_free(c->job);
    c->job = NULL;
}

static void refuse_job(struct vd_conn *c)
{
    vd_job_drop_body(c->job);
    refuse(c, &c->job->x);
    drop_job(c);
}

static void finish_job(struct vd_conn *c)
{
    struct vd_exch *x = &c->job->x;
    if (c->job->rc.code != VD_E_OK) {
        refuse_job(c);
        return;
    }
    vd_job_drop_body(c->job); /* before the answer: a client that has it may count on the memory */
    answer(c, x, false);
    drop_job(c);
}

static void submit(struct vd_conn *c)
{
    c->state = VD_CONN_RUN;
    if (vd_job_submit(c->job).code != VD_E_OK)
        refuse_job(c);
}

/* The body is complete (or there is none): handler, here or in a pool. */
static void run_job(struct vd_conn *c)
{
    struct vd_job *job = c->job;
    job->guard = !job->guarded;
    job->handle = true;
    if (job->x.req.route->lane != VD_INLINE) {
        submit(c);
        return;
    }
    job->rc = job->guard ? vd_exch_guard(&job->x, c->loop->g->cfg.router) : VD_OK;
    job->x.req.body = vd_buf_span(&job->body);
    if (job->rc.code == VD_E_OK)
        job->rc = vd_exch_handle(&job->x);
    finish_job(c);
}

static void take_body(struct vd_conn *c)
{
    struct vd_job *job = c->job;
    struct evbuffer *in = bufferevent_get_input(c->bev);
    while (job->body.n < job->want && evbuffer_get_length(in) > 0) {
        size_t n = job->want - job->body.n;
        if (n > BODY_STEP)
            n = BODY_STEP;
        uint8_t *room = vd_job_body_room(job, n);
        if (!room) {
            (void)vd_fail(&job->x.err, VD_E_BUSY, "no memory left for request bodies").code;
            refuse_job(c);
            return;
        }
        int got = evbuffer_remove(in, room, n);
        if (got <= 0)
            break;
        job->body.n += (size_t)got;
    }
    if (job->body.n == job->want)
        run_job(c);
}

/* The guard has passed, and more of the body has to come from the network. */
static void begin_body(struct vd_conn *c)
{
    struct vd_job *job = c->job;
    job->guarded = true;
    job->body_began_us = vd_mono_us();
    c->state = VD_CONN_BODY;
    c->deadline_us = c->began_us + seconds(limits(c)->request_seconds);
    if (job->x.head.expect_continue && unread(c) == 0 && job->want > 0) {
        const vd_span go = VD_LIT("HTTP/1.1 100 Continue\r\n\r\n");
        (void)bufferevent_write(c->bev, go.p, go.n);
    }
    take_body(c);
    if (c->state == VD_CONN_BODY && c->eof && !c->dead) {
        (void)vd_fail(&job->x.err, VD_E_BAD_REQUEST, "the connection ended within the body").code;
        refuse_job(c);
    }
}

static bool guard_is_costly(const struct vd_exch *x, const struct vd_router *r)
{
    enum vd_guard g = x->req.route->guard;
    return (g == VD_ADMIN || g == VD_PASSPORT) && r->guard[g] && x->req.route->lane != VD_INLINE;
}

/* Work for a pool, or a body that is not all there. `head` stands at the start of the input. */
static void start_job(struct vd_conn *c, vd_span head, bool body_here)
{
    struct vd_loop *l = c->loop;
    struct vd_exch *x = &l->x;
    struct vd_job *job = vd_job_new(c, head, x->head.n_field, x);
    if (!job) {
        (void)vd_fail(&x->err, VD_E_NOMEM, "request").code;
        refuse(c, x);
        return;
    }
    c->job = job;
    (void)evbuffer_drain(bufferevent_get_input(c->bev), head.n);
    if (job->rc.code != VD_E_OK) {
        refuse_job(c);
    } else if (job->want == 0) {
        run_job(c);
    } else if (guard_is_costly(&job->x, l->g->cfg.router) && !body_here) {
        job->guard = true;
        submit(c);
    } else if (body_here && guard_is_costly(&job->x, l->g->cfg.router)) {
        c->state = VD_CONN_BODY;
        take_body(c); /* guard and handler in one go: nothing more is read between them */
    } else {
        job->rc = vd_exch_guard(&job->x, l->g->cfg.router);
        if (job->rc.code != VD_E_OK)
            refuse_job(c);
        else
            begin_body(c);
    }
}

void vd_conn_job_done(struct vd_job *job)
{
    struct vd_conn *c = job->conn;
    if (c->dead) {
        c->state = VD_CONN_WRITE; /* no worker holds it any more */
    } else if (job->handle || job->rc.code != VD_E_OK) {
        finish_job(c);
    } else {
        begin_body(c);
    }
    if (c->bev)
        read_requests(c);
    settle(c);
}

/* ---- heads ----------------------------------------------------------------------------------- */

/* `in`: what was received; the head is its first head_n bytes. */
static void handle_head(struct vd_conn *c, vd_span in, size_t head_n)
{
    struct vd_loop *l = c->loop;
    struct vd_exch *x = &l->x;
    vd_span head = vd_span_part(in, 0, head_n);
    vd_exch_reset(x, &l->g->cfg);
    x->req.tls = l->g->tls != NULL;
    memcpy(x->req.source, c->source_text, sizeof x->req.source);
    vd_request_id(&l->id_state, x->req.request_id);
    vd_rc_ rc = vd_head_parse(head, l->field, l->g->head_limits.fields, &x->head, &x->err);
    if (rc.code != VD_E_OK)
        vd_count(&l->count.refused_head);
    else
        rc = vd_exch_route(x, &l->g->cfg, l->rewritten);
    if (rc.code != VD_E_OK) {
        refuse(c, x);
        return;
    }
    bool body_here = in.n - head_n >= x->head.length;
    if (x->req.route->lane != VD_INLINE || !body_here) {
        start_job(c, head, body_here);
        return;
    }
    size_t body_n = (size_t)x->head.length;
    rc = vd_exch_guard(x, l->g->cfg.router);
    x->req.body = vd_span_part(in, head_n, body_n);
    if (rc.code == VD_E_OK)
        rc = vd_exch_handle(x);
    if (rc.code != VD_E_OK)
        vd_exch_refuse(x);
    (void)evbuffer_drain(bufferevent_get_input(c->bev), head_n + body_n);
    answer(c, x, rc.code != VD_E_OK);
}

/* One head, if it is complete. False when more bytes are needed. */
static bool read_head(struct vd_conn *c)
{
    struct evbuffer *in = bufferevent_get_input(c->bev);
    size_t n = evbuffer_get_length(in);
    const uint8_t *p = evbuffer_pullup(in, -1);
    if (n == 0 || !p)
        return false;
    if (!c->began) {
        c->began = true;
        c->began_us = vd_mono_us();
        if (c->kept) /* a new connection has its deadline from accept */
            c->deadline_us = c->began_us + seconds(limits(c)->head_seconds);
    }
    bool done = false;
    vd_err err = { 0 };
    if (vd_head_scan(&c->scan, vd_span_of(p, n), &c->loop->g->head_limits, &done, &err).code !=
        VD_E_OK) {
        refuse_head(c, &err);
        return true;
    }
    if (!done) {
        if (n >= WATERMARK) /* a long Authorization */
            bufferevent_setwatermark(c->bev, EV_READ, 0, n + WATERMARK);
        return false;
    }
    handle_head(c, vd_span_of(p, n), c->scan.at);
    return true;
}

/* No more bytes will come. */
static void end_of_head(struct vd_conn *c)
{
    if (c->began && unread(c) > 0) {
        vd_err err = { 0 };
        (void)vd_fail(&err, VD_E_BAD_REQUEST, "the connection ended within the head").code;
        refuse_head(c, &err);
    } else {
        c->dead = true;
    }
}

static void read_requests(struct vd_conn *c)
{
    while (c->state == VD_CONN_HEAD && !c->dead && read_head(c))
        ;
    if (c->state == VD_CONN_HEAD && c->eof && !c->dead)
        end_of_head(c);
}

/* ---- entry points ---------------------------------------------------------------------------- */

static void on_read(struct bufferevent *bev, void *arg)
{
    struct vd_conn *c = arg;
    if (c->state == VD_CONN_HEAD) {
        read_requests(c);
    } else if (c->state == VD_CONN_BODY) {
        take_body(c);
        read_requests(c);
    } else if (c->state == VD_CONN_LINGER) {
        size_t n = unread(c);
        c->dead = n >= c->linger_left;
        c->linger_left -= n;
        (void)evbuffer_drain(bufferevent_get_input(bev), n);
    }
    settle(c);
}

static void on_write(struct bufferevent *bev, void *arg)
{
    struct vd_conn *c = arg;
    if (c->state == VD_CONN_WRITE && evbuffer_get_length(bufferevent_get_output(bev)) == 0) {
        written(c);
        read_requests(c);
    }
    settle(c);
}

/* The peer closed its sending side. Half-closed clients still get their answer. */
static void on_eof(struct vd_conn *c)
{
    c->eof = true;
    switch ((enum vd_conn_state)c->state) {
    case VD_CONN_HEAD:
        end_of_head(c);
        break;
    case VD_CONN_BODY:
        (void)vd_fail(&c->job->x.err, VD_E_BAD_REQUEST, "the connection ended within the body")
            .code;
        refuse_job(c);
        break;
    case VD_CONN_LINGER:
        c->dead = true;
        break;
    case VD_CONN_RUN:
    case VD_CONN_WRITE:
        break;
    }
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    struct vd_conn *c = arg;
    (void)bev;
    if (what & BEV_EVENT_ERROR)
        c->dead = true;
    else if (what & BEV_EVENT_EOF)
        on_eof(c);
    settle(c);
}

static void expire(struct vd_conn *c)
{
    vd_err err = { 0 };
    switch ((enum vd_conn_state)c->state) {
    case VD_CONN_HEAD:
        if (c->began) {
            (void)vd_fail(&err, VD_E_REQUEST_TIMEOUT, "the head was not complete in time").code;
            refuse_head(c, &err);
        } else {
            c->dead = true;
        }
        break;
    case VD_CONN_BODY:
        (void)vd_fail(&c->job->x.err, VD_E_REQUEST_TIMEOUT, "the body came too slowly").code;
        refuse_job(c);
        break;
    case VD_CONN_WRITE:
    case VD_CONN_LINGER:
        c->dead = true;
        break;
    case VD_CONN_RUN:
        break;
    }
}

static bool is_late(const struct vd_conn *c, int64_t now)
{
    if (c->state == VD_CONN_RUN)
        return false;
    if (now > c->deadline_us)
        return true;
    if (c->state != VD_CONN_BODY)
        return false;
    int64_t for_bytes = seconds(c->job->body.n) / (int64_t)limits(c)->body_bytes_per_second;
    return now - c->job->body_began_us > BODY_GRACE_US + for_bytes;
}

void vd_conn_tick(struct vd_loop *l)
{
    int64_t now = vd_mono_us();
    struct vd_conn *next;
    for (struct vd_conn *c = l->conns; c; c = next) {
        next = c->next;
        bool idle = c->state == VD_CONN_HEAD && !c->began;
        if (l->draining && (idle || now > l->drain_until_us))
            c->dead = true;
        else if (is_late(c, now))
            expire(c);
        settle(c);
    }
}

void vd_conn_attach(struct vd_loop *l, struct vd_conn *c)
{
    c->prev = NULL;
    c->next = l->conns;
    if (l->conns)
        l->conns->prev = c;
    l->conns = c;
    l->n_conns++;
    c->loop = l;
    c->state = VD_CONN_HEAD;
    c->deadline_us = vd_mono_us() + seconds(limits(c)->head_seconds);
    SSL *ssl = l->g->tls ? vd_tls_connection(l->g->tls) : NULL;
    if (ssl)
        c->bev = bufferevent_openssl_socket_new(l->base, c->fd, ssl, BUFFEREVENT_SSL_ACCEPTING,
                                                BEV_OPT_CLOSE_ON_FREE);
    else if (!l->g->tls)
        c->bev = bufferevent_socket_new(l->base, c->fd, BEV_OPT_CLOSE_ON_FREE);
    if (!c->bev) {
        if (ssl)
            SSL_free(ssl);
        c->dead = true;
        settle(c);
        return;
    }
    if (ssl)
        bufferevent_openssl_set_allow_dirty_shutdown(c->bev, 1);
    bufferevent_setcb(c->bev, on_read, on_write, on_event, c);
    bufferevent_setwatermark(c->bev, EV_READ, 0, WATERMARK);
    if (bufferevent_enable(c->bev, EV_READ) != 0)
        c->dead = true;
    settle(c);
}
