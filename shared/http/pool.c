/* Worker threads behind one bounded queue: full means refused, so load never turns into memory. */
#include "shared/http/pool_priv.h"

#include <semaphore.h>

#include "shared/base/thread.h"

enum { STACK_BYTES = 4 << 20 }; /* policy engines are deep; only touched pages cost memory */

struct worker {
    struct vd_pool *p;
    struct worker *below; /* on the stack of idle ones */
    sem_t wake;
    pthread_t thread;
};

struct vd_pool {
    pthread_mutex_t lock;
    struct vd_task *head;
    struct vd_task **tail;
    /* The one that slept last is woken first: its stack is warm, and the others sleep on. Each has
     * a semaphore of its own, which costs half the system calls of a shared condition. */
    struct worker *idle;
    size_t waiting;
    size_t max;
    unsigned busy;
    bool stop;
    unsigned n;
    struct worker worker[];
};

static void wait_for_work(struct vd_pool *p, struct worker *w)
{
    w->below = p->idle;
    p->idle = w;
    (void)pthread_mutex_unlock(&p->lock);
    while (sem_wait(&w->wake) != 0)
        ; /* interrupted by a debugger */
    (void)pthread_mutex_lock(&p->lock);
}

static void *work(void *arg)
{
    struct worker *w = arg;
    struct vd_pool *p = w->p;
    (void)pthread_mutex_lock(&p->lock);
    for (;;) {
        while (!p->head && !p->stop)
            wait_for_work(p, w);
        struct vd_task *t = p->head;
        if (!t)
            break;
        p->head = t->next;
        if (!p->head)
            p->tail = &p->head;
        p->waiting--;
        p->busy++;
        (void)pthread_mutex_unlock(&p->lock);
        t->run(t);
        (void)pthread_mutex_lock(&p->lock);
        p->busy--;
    }
    (void)pthread_mutex_unlock(&p->lock);
    return NULL;
}

static bool start(struct vd_pool *p, const pthread_attr_t *attr)
{
    struct worker *w = &p->worker[p->n];
    w->p = p;
    if (sem_init(&w->wake, 0, 0) != 0)
        return false;
    bool ok = vd_thread_start(&w->thread, attr, work, w);
    if (!ok)
        (void)sem_destroy(&w->wake);
    return ok;
}

vd_rc vd_pool_new(unsigned threads, size_t queue, struct vd_pool **ret, vd_err *err)
{
    struct vd_pool *p = calloc(1, sizeof *p + threads * sizeof p->worker[0]);
    pthread_attr_t attr;
    if (!p || pthread_mutex_init(&p->lock, NULL) != 0 || pthread_attr_init(&attr) != 0) {
        free(p);
        return vd_fail(err, VD_E_NOMEM, "worker pool");
    }
    p->tail = &p->head;
    p->max = queue;
    (void)pthread_attr_setstacksize(&attr, STACK_BYTES);
    bool ok = true;
    while (ok && p->n < threads) {
        ok = start(p, &attr);
        (void)pthread_mutex_lock(&p->lock); /* those that run already read it */
        p->n += ok ? 1 : 0;
        (void)pthread_mutex_unlock(&p->lock);
    }
    (void)pthread_attr_destroy(&attr);
    if (!ok) {
        unsigned made = p->n;
        vd_pool_free(p);
        return vd_fail(err, VD_E_NOMEM, "only %u of %u worker threads could be started", made,
                       threads);
    }
    *ret = p;
    return VD_OK;
}

bool vd_pool_submit(struct vd_pool *p, struct vd_task *task)
{
    struct worker *w = NULL;
    (void)pthread_mutex_lock(&p->lock);
    /* A thread that has not woken up yet is as good as an idle one. */
    bool ok = !p->stop && p->waiting + p->busy < p->max + p->n;
    if (ok) {
        task->next = NULL;
        *p->tail = task;
        p->tail = &task->next;
        p->waiting++;
        w = p->idle;
        if (w)
            p->idle = w->below;
    }
    (void)pthread_mutex_unlock(&p->lock);
    if (w)
        (void)sem_post(&w->wake);
    return ok;
}

size_t vd_pool_waiting(struct vd_pool *p)
{
    (void)pthread_mutex_lock(&p->lock);
    size_t n = p->waiting;
    (void)pthread_mutex_unlock(&p->lock);
    return n;
}

void vd_pool_free(struct vd_pool *p)
{
    if (!p)
        return;
    (void)pthread_mutex_lock(&p->lock);
    p->stop = true;
    struct worker *idle = p->idle;
    p->idle = NULL;
    (void)pthread_mutex_unlock(&p->lock);
    while (idle) {
        struct worker *w = idle;
        idle = w->below;
        (void)sem_post(&w->wake);
    }
    for (unsigned i = 0; i < p->n; i++) {
        (void)pthread_join(p->worker[i].thread, NULL);
        (void)sem_destroy(&p->worker[i].wake);
    }
    (void)pthread_mutex_destroy(&p->lock);
    free(p);
}
