/* One connection of the guest plane: a state machine fed by its loop (reads, writes, ticks, jobs
 * that come back). One request at a time; after a refusal nothing that followed is looked at.
 * Functions set c->dead and return; only settle(), called last by each entry point, frees.
 * request.c knows what a request means. */
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
};

static const struct vd_limits *limits(const struct vd_conn *c)
{
    return c->loop->g->cfg.limits;
}

static size_t unread(const struct vd_conn *c)
{
    return evbuffer_get_length(bufferevent_get_input(c->bev));
}

/* No reading while enough is there. libevent's own watermark does the same, but it takes memory for
 * each connection and crashes when there is none. */
static void pace(struct vd_conn *c)
{
    bool full = c->bev && unread(c) >= c->ahead;
    if (!c->bev || c->dead || full == c->held)
        return;
    c->held = full;
    if (full)
        (void)bufferevent_disable(c->bev, EV_READ);
    else if (bufferevent_enable(c->bev, EV_READ) != 0)
        c->dead = true;
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

/* The end of each entry point. A dead connection goes at once, unless a worker still holds its job:
 * then only the socket goes. */
static void settle(struct vd_conn *c)
{
    pace(c);
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
    c->deadline_us = vd_mono_us() + vd_seconds(limits(c)->idle_seconds);
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
    c->deadline_us = vd_mono_us() + (int64_t)VD_LINGER_MS * 1000;
    struct evbuffer *in = bufferevent_get_input(c->bev);
    (void)evbuffer_drain(in, evbuffer_get_length(in));
}

/* Everything of the answer is with the kernel. */
void vd_conn_written(struct vd_conn *c)
{
    if (c->close)
        linger(c);
    else
        next_request(c);
}

/* ---- heads ----------------------------------------------------------------------------------- */

/* One head, if it is complete. False when more bytes are needed. */
static bool read_head(struct vd_conn *c)
{
    struct evbuffer *in = bufferevent_get_input(c->bev);
    size_t n = evbuffer_get_length(in);
    const uint8_t *p = evbuffer_pullup(in, -1);
    if (n == 0)
        return false;
    if (!p) { /* no memory to have it in one piece: nobody can be told */
        c->dead = true;
        return false;
    }
    if (!c->began) {
        c->began = true;
        c->began_us = vd_mono_us();
        if (c->kept) /* a new connection has its deadline from accept */
            c->deadline_us = c->began_us + vd_seconds(limits(c)->head_seconds);
    }
    bool done = false;
    vd_err err = { 0 };
    if (vd_head_scan(&c->scan, vd_span_of(p, n), &c->loop->g->head_limits, &done, &err).code !=
        VD_E_OK) {
        vd_request_refuse_head(c, &err);
        return true;
    }
    if (!done) {
        if (n >= WATERMARK) /* a long Authorization */
            c->ahead = (uint32_t)(n + WATERMARK);
        return false;
    }
    vd_request_begin(c, vd_span_of(p, n), c->scan.at);
    return true;
}

/* No more bytes will come. */
static void end_of_head(struct vd_conn *c)
{
    if (c->began && unread(c) > 0) {
        vd_err err = { 0 };
        (void)vd_fail(&err, VD_E_BAD_REQUEST, "the connection ended within the head").code;
        vd_request_refuse_head(c, &err);
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

void vd_conn_job_done(struct vd_job *job)
{
    struct vd_conn *c = job->conn;
    if (job->rc.code == VD_E_OK)
        job->rc = vd_exch_finish(&job->x); /* also for a client that is gone: it is on record */
    if (c->dead)
        c->state = VD_CONN_WRITE; /* no worker holds it any more */
    else
        vd_request_job_done(c);
    if (c->bev)
        read_requests(c);
    settle(c);
}

static void on_read(struct bufferevent *bev, void *arg)
{
    struct vd_conn *c = arg;
    if (c->state == VD_CONN_HEAD) {
        read_requests(c);
    } else if (c->state == VD_CONN_BODY) {
        vd_request_body(c);
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
        vd_conn_written(c);
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
        vd_request_refuse_body(c, VD_E_BAD_REQUEST, "the connection ended within the body");
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
            vd_request_refuse_head(c, &err);
        } else {
            c->dead = true;
        }
        break;
    case VD_CONN_BODY:
        vd_request_refuse_body(c, VD_E_REQUEST_TIMEOUT, "the body came too slowly");
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
    int64_t for_bytes = vd_seconds(c->job->body.n) / (int64_t)limits(c)->body_bytes_per_second;
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
    c->ahead = WATERMARK;
    c->deadline_us = vd_mono_us() + vd_seconds(limits(c)->head_seconds);
    SSL *ssl = l->g->tls ? vd_tls_connection(l->g->tls, c->fd) : NULL;
    if (ssl) /* it is libevent's now, also when this fails; the socket is not until it succeeds */
        c->bev = bufferevent_openssl_socket_new(l->base, c->fd, ssl, BUFFEREVENT_SSL_ACCEPTING,
                                                BEV_OPT_CLOSE_ON_FREE);
    else if (!l->g->tls)
        c->bev = bufferevent_socket_new(l->base, c->fd, BEV_OPT_CLOSE_ON_FREE);
    if (!c->bev) {
        c->dead = true;
        settle(c);
        return;
    }
    if (ssl)
        bufferevent_openssl_set_allow_dirty_shutdown(c->bev, 1);
    bufferevent_setcb(c->bev, on_read, on_write, on_event, c);
    if (bufferevent_enable(c->bev, EV_READ) != 0)
        c->dead = true;
    settle(c);
}
