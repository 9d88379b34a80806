/* What becomes of a request on the guest plane: from a complete head over guard, body and handler
 * to the answer. Called by conn.c on the loop's thread; none of these functions frees the
 * connection. */
#include "shared/http/guest_priv.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>

enum {
    BODY_STEP = 64 << 10,
    REFUSALS_LOGGED = 100, /* lines a second and loop about heads that are not HTTP */
};

static size_t unread(const struct vd_conn *c)
{
    return evbuffer_get_length(bufferevent_get_input(c->bev));
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
    c->deadline_us = vd_mono_us() + vd_seconds(c->loop->g->cfg.limits->request_seconds) +
                     (int64_t)x->resp.body.n * 16;
    bool sent = vd_conn_send(c, &l->out, body ? &x->resp.body : NULL, x->resp.secret_body);
    if (x->resp.secret_body)
        vd_buf_wipe(&x->resp.body);
    if (sent)
        vd_conn_written(c);
}

/* Refuses with x->err. */
static void refuse(struct vd_conn *c, struct vd_exch *x)
{
    vd_exch_refuse(x);
    answer(c, x, true);
}

void vd_request_refuse_head(struct vd_conn *c, const vd_err *err)
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

void vd_request_refuse_body(struct vd_conn *c, vd_code code, const char *why)
{
    (void)vd_fail(&c->job->x.err, code, "%s", why).code;
    refuse_job(c);
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

void vd_request_body(struct vd_conn *c)
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
    c->deadline_us = c->began_us + vd_seconds(c->loop->g->cfg.limits->request_seconds);
    if (job->x.head.expect_continue && unread(c) == 0 && job->want > 0) {
        const vd_span go = VD_LIT("HTTP/1.1 100 Continue\r\n\r\n");
        (void)bufferevent_write(c->bev, go.p, go.n);
    }
    vd_request_body(c);
    if (c->job && c->state == VD_CONN_BODY && c->eof && !c->dead)
        vd_request_refuse_body(c, VD_E_BAD_REQUEST, "the connection ended within the body");
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
        vd_request_body(c); /* guard and handler in one go: nothing more is read between them */
    } else {
        job->rc = vd_exch_guard(&job->x, l->g->cfg.router);
        if (job->rc.code != VD_E_OK)
            refuse_job(c);
        else
            begin_body(c);
    }
}

/* ---- heads ----------------------------------------------------------------------------------- */

void vd_request_begin(struct vd_conn *c, vd_span in, size_t head_n)
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

void vd_request_job_done(struct vd_conn *c)
{
    if (c->job->handle || c->job->rc.code != VD_E_OK)
        finish_job(c);
    else
        begin_body(c);
}
