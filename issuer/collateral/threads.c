/* Threads that fetch behind the back of callers, started when there is work for them. Now and then
 * they look for what will expire, so that a copy is renewed before anybody has to wait for it. */
#include <errno.h>
#include <time.h>

#include "issuer/collateral/store_priv.h"

enum { LOOK_SECONDS = 30, WANTED_SECONDS = 30 * 86400 };

void coll_land(struct iss_collateral *c, struct coll_entry *e, struct iss_collateral_item *item,
               const vd_err *why, int64_t pause)
{
    if (item) {
        bool same = e->item && vd_span_eq(vd_buf_span(&e->item->bytes), vd_buf_span(&item->bytes));
        item->id = same ? e->item->id : ++c->last_id;
        iss_collateral_item_unref(e->item);
        e->item = item;
    }
    e->code = why ? why->code : VD_E_OK;
    e->pause_until = why ? vd_clock_s(&c->at.clock) + pause : 0;
    if (why)
        (void)snprintf(e->msg, sizeof e->msg, "%s", why->msg);
    if (e->bounded)
        coll_bound_leave(c->bound, e->slot);
    e->bounded = false;
    e->flying = false;
    (void)pthread_cond_broadcast(&c->landed);
}

static void fetch_one(struct iss_collateral *c, struct coll_entry *e)
{
    struct iss_collateral_item *item = NULL;
    struct coll_floor floor = e->floor;
    int64_t pause = 0;
    vd_err why = { 0 };
    (void)pthread_mutex_unlock(&c->lock);
    vd_rc_ rc = coll_fetch(&c->at, e->kind, vd_buf_span(&e->key), &floor, &item, &pause, &why);
    if (rc.code != VD_E_OK)
        vd_log_err(c->at.log, VD_LOG_WARN, "collateral", &why);
    (void)pthread_mutex_lock(&c->lock);
    coll_raise_to(&e->floor, &floor);
    coll_land(c, e, item, rc.code == VD_E_OK ? NULL : &why, pause);
    e->pins--;
}

/* What is held, wanted lately, and due. */
static void queue_due(struct iss_collateral *c)
{
    int64_t now = vd_clock_s(&c->at.clock);
    for (size_t i = 0; i < COLL_BUCKETS && c->n_queue < COLL_QUEUE; i++)
        for (struct coll_entry *e = c->bucket[i]; e && c->n_queue < COLL_QUEUE; e = e->next) {
            bool due = e->item && e->kind->vendor && e->item->refetch_at <= now &&
                       coll_rested(e, now) && now - e->asked_at < WANTED_SECONDS;
            if (!due || e->flying)
                continue;
            e->flying = true;
            if (!coll_queue(c, e))
                e->flying = false;
        }
}

static void *fetch_thread(void *arg)
{
    struct iss_collateral *c = arg;
    (void)pthread_mutex_lock(&c->lock);
    while (!c->ending) {
        if (c->n_queue == 0) {
            struct timespec until;
            (void)clock_gettime(CLOCK_MONOTONIC, &until);
            until.tv_sec += LOOK_SECONDS;
            c->n_idle++;
            int rc = pthread_cond_timedwait(&c->queued, &c->lock, &until);
            c->n_idle--;
            if (rc == ETIMEDOUT && !c->ending)
                queue_due(c);
            continue;
        }
        struct coll_entry *e = c->queue[0];
        c->n_queue--;
        for (size_t i = 0; i < c->n_queue; i++)
            c->queue[i] = c->queue[i + 1];
        fetch_one(c, e);
    }
    (void)pthread_mutex_unlock(&c->lock);
    return NULL;
}

bool coll_queue(struct iss_collateral *c, struct coll_entry *e)
{
    if (c->n_queue == COLL_QUEUE)
        return false;
    if (c->n_idle <= c->n_queue && c->n_threads < COLL_THREADS &&
        pthread_create(&c->thread[c->n_threads], NULL, fetch_thread, c) == 0)
        c->n_threads++;
    if (c->n_threads == 0)
        return false;
    c->queue[c->n_queue++] = e;
    e->pins++;
    (void)pthread_cond_signal(&c->queued);
    return true;
}

void coll_threads_end(struct iss_collateral *c)
{
    (void)pthread_mutex_lock(&c->lock);
    c->ending = true;
    (void)pthread_cond_broadcast(&c->queued);
    unsigned n = c->n_threads;
    (void)pthread_mutex_unlock(&c->lock);
    for (unsigned i = 0; i < n; i++)
        (void)pthread_join(c->thread[i], NULL);
}
