/* Worker threads behind one bounded queue: full means refused, so load never turns into memory. */
#include "shared/http/pool_priv.h"

#include <pthread.h>
#include <signal.h>

enum { STACK_BYTES = 4 << 20 }; /* policy engines are deep; only touched pages cost memory */

struct vd_pool {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct vd_task *head;
    struct vd_task **tail;
    size_t waiting;
    size_t max;
    unsigned idle;
    unsigned busy;
    bool stop;
    unsigned n;
    pthread_t thread[];
};

static void *work(void *arg)
{
    struct vd_pool *p = arg;
    (void)pthread_mutex_lock(&p->lock);
    for (;;) {
        while (!p->head && !p->stop) {
            p->idle++;
            (void)pthread_cond_wait(&p->wake, &p->lock);
            p->idle--;
        }
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

/* Signals are for main's thread. */
static bool start(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
    sigset_t all, old;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_BLOCK, &all, &old);
    int rc = pthread_create(thread, attr, run, arg);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    return rc == 0;
}

vd_rc vd_pool_new(unsigned threads, size_t queue, struct vd_pool **ret, vd_err *err)
{
    struct vd_pool *p = calloc(1, sizeof *p + threads * sizeof p->thread[0]);
    if (!p)
        return vd_fail(err, VD_E_NOMEM, "worker pool");
    p->tail = &p->head;
    p->max = queue;
    pthread_attr_t attr;
    (void)pthread_mutex_init(&p->lock, NULL);
    (void)pthread_cond_init(&p->wake, NULL);
    if (pthread_attr_init(&attr) != 0) {
        vd_pool_free(p);
        return vd_fail(err, VD_E_NOMEM, "worker pool");
    }
    (void)pthread_attr_setstacksize(&attr, STACK_BYTES);
    while (p->n < threads && start(&p->thread[p->n], &attr, work, p))
        p->n++;
    (void)pthread_attr_destroy(&attr);
    if (p->n < threads) {
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
    (void)pthread_mutex_lock(&p->lock);
    /* A thread that has not woken up yet is as good as an idle one. */
    bool ok = !p->stop && p->waiting + p->busy < p->max + p->n;
    if (ok) {
        task->next = NULL;
        *p->tail = task;
        p->tail = &task->next;
        p->waiting++;
        if (p->idle)
            (void)pthread_cond_signal(&p->wake);
    }
    (void)pthread_mutex_unlock(&p->lock);
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
    (void)pthread_cond_broadcast(&p->wake);
    (void)pthread_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < p->n; i++)
        (void)pthread_join(p->thread[i], NULL);
    (void)pthread_cond_destroy(&p->wake);
    (void)pthread_mutex_destroy(&p->lock);
    free(p);
}
