/* Requests that outlive one callback of the loop, and their way through a worker pool and back. */
#include "shared/base/secret.h"
#include "shared/http/guest_priv.h"

/* What the answer waited for has happened. The plane lives until no answer waits any more. */
static struct vd_waker *came(void *ctx)
{
    struct vd_job *job = ctx;
    struct vd_loop *l = job->conn->loop;
    vd_loop_put(l, job);
    return &l->later;
}

static void run(struct vd_task *task)
{
    struct vd_job *job = (struct vd_job *)task; /* task is the first member */
    struct vd_guest *g = job->g;
    int64_t waited = vd_mono_us() - job->x.began_us;
    job->rc = VD_OK;
    if (waited > (int64_t)g->cfg.limits->request_seconds * 1000000)
        job->rc = vd_fail(&job->x.err, VD_E_BUSY, "waited %lld ms for a worker",
                          (long long)waited / 1000);
    if (job->rc.code == VD_E_OK && job->guard)
        job->rc = vd_exch_guard(&job->x, g->cfg.router);
    if (job->rc.code == VD_E_OK && job->handle) {
        job->x.req.body = vd_buf_span(&job->body); /* guards never see a body */
        job->rc = vd_exch_begin(&job->x);
    }
    if (job->x.resp.later) {
        atomic_fetch_add(&g->later, 1);
        job->x.resp.later->begin(job->x.resp.later, came, job);
        return; /* the job may be gone already */
    }
    vd_loop_push(job->conn->loop, job);
}

struct vd_job *vd_job_new(struct vd_conn *c, vd_span head, size_t n_field,
                          const struct vd_exch *like)
{
    struct vd_guest *g = c->loop->g;
    size_t fields = n_field * sizeof(struct vd_field);
    size_t memory = fields + head.n + like->head.target.n; /* the last: a rewritten path */
    struct vd_job *job = malloc(sizeof *job + memory);
    if (!job)
        return NULL;
    memset(job, 0, sizeof *job);
    job->task.run = run;
    job->conn = c;
    job->g = g;
    job->memory_n = memory;
    job->field = (struct vd_field *)(void *)job->memory;
    uint8_t *copy = job->memory + fields;
    memcpy(copy, head.p, head.n);
    job->rewritten = copy + head.n;

    struct vd_exch *x = &job->x;
    vd_exch_reset(x, &g->cfg);
    x->began_us = like->began_us;
    x->req.tls = like->req.tls;
    memcpy(x->req.source, like->req.source, sizeof x->req.source);
    memcpy(x->req.request_id, like->req.request_id, sizeof x->req.request_id);
    job->rc = vd_head_parse(vd_span_of(copy, head.n), job->field, n_field, &x->head, &x->err);
    if (job->rc.code == VD_E_OK)
        job->rc = vd_exch_route(x, &g->cfg, job->rewritten);
    job->want = (size_t)x->head.length;
    job->body = vd_buf_of(job->want);
    return job;
}

void vd_job_drop_body(struct vd_job *job)
{
    vd_buf_wipe(&job->body); /* may be a secret that an administrator sets */
    job->x.req.body = VD_SPAN_NONE;
    atomic_fetch_sub_explicit(&job->g->body_memory, job->charged, memory_order_relaxed);
    job->charged = 0;
}

void vd_job_free(struct vd_job *job)
{
    if (!job)
        return;
    vd_job_drop_body(job);
    vd_exch_done(&job->x);
    vd_wipe(job->memory, job->memory_n); /* tokens in the head */
    free(job);
}

uint8_t *vd_job_body_room(struct vd_job *job, size_t n)
{
    size_t before = job->body.cap;
    uint8_t *room = vd_buf_reserve(&job->body, n);
    if (!room)
        return NULL;
    size_t grown = job->body.cap - before;
    uint64_t all =
        atomic_fetch_add_explicit(&job->g->body_memory, grown, memory_order_relaxed) + grown;
    job->charged += grown;
    return all > job->g->cfg.limits->body_memory ? NULL : room;
}

vd_rc vd_job_submit(struct vd_job *job)
{
    struct vd_pool *pool = job->x.req.route->lane == VD_RELAY ? job->g->relay : job->g->work;
    struct vd_loop *l = job->conn->loop;
    struct vd_waker *w;
    if (!vd_pool_submit(pool, &job->task, &w))
        return vd_fail(&job->x.err, VD_E_BUSY, "all workers are busy and the queue is full");
    vd_wakers_add(&l->wakers, w);
    return VD_OK;
}
