/* Worker threads behind one bounded queue: full means refused, so load never turns into memory.
 * Only as many run as there are processors: more would take turns on them and on their caches. A
 * thread that waits for something else (a fetch, a policy, a disk) looks busy as well; so while
 * work is left, one idle thread looks now and then who is still at the same task, and lets others
 * run in their place. */
#include "shared/http/pool_priv.h"

#include <errno.h>
#include <semaphore.h>
#include <time.h>

#include "shared/base/thread.h"

enum {
    STACK_BYTES = 4 << 20, /* policy engines are deep; only touched pages cost memory */
    LOOK_MS = 5,
    LOOKS_IDLE = 5, /* looks at a pool without work before the watch ends */
};

struct worker {
    struct vd_waker waker; /* first member */
    struct vd_pool *p;
    struct worker *below; /* on the stack of idle ones */
    sem_t wake;
    pthread_t thread;
    uint64_t task; /* number of the one it is at; 0: none */
    uint64_t seen; /* the same at the last look */
    bool stuck;    /* at one task for long, at the last look */
    bool watches;  /* woken to watch */
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
    uint64_t tasks; /* taken so far */
    unsigned busy;
    unsigned awake; /* neither idle nor watching */
    unsigned stuck; /* of these, those that are */
    unsigned at_once;
    bool watched;
    bool stop;
    unsigned n;
    struct worker worker[];
};

static void post(struct vd_waker *w, unsigned times)
{
    (void)times;
    (void)sem_post(&((struct worker *)w)->wake);
}

/* Lock held, as for all below. */
static struct worker *pop_idle(struct vd_pool *p)
{
    struct worker *w = p->idle;
    if (w)
        p->idle = w->below;
    return w;
}

/* One more to run what is queued; NULL: enough run, or none is left. */
static struct worker *one_more(struct vd_pool *p)
{
    struct worker *w = p->awake < p->at_once + p->stuck ? pop_idle(p) : NULL;
    if (w)
        p->awake++;
    return w;
}

static struct worker *begin_watch(struct vd_pool *p)
{
    struct worker *w = p->watched ? NULL : pop_idle(p);
    if (w)
        p->watched = w->watches = true;
    return w;
}

static void look(struct vd_pool *p)
{
    p->stuck = 0;
    for (unsigned i = 0; i < p->n; i++) {
        struct worker *w = &p->worker[i];
        w->stuck = w->task != 0 && w->task == w->seen;
        w->seen = w->task;
        p->stuck += w->stuck;
    }
}

static void sleep_a_look(struct worker *w)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += LOOK_MS * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec++;
    }
    while (sem_clockwait(&w->wake, CLOCK_MONOTONIC, &until) != 0 && errno == EINTR)
        ;
}

/* Ends when there has been nothing to do for a while (the watcher is idle again then), or when the
 * watcher itself is the last that can run something. */
static void watch(struct vd_pool *p, struct worker *self)
{
    unsigned idle = 0;
    while (!p->stop && idle < LOOKS_IDLE) {
        (void)pthread_mutex_unlock(&p->lock);
        sleep_a_look(self);
        (void)pthread_mutex_lock(&p->lock);
        look(p);
        idle = p->head || p->busy ? 0 : idle + 1;
        if (!p->head || p->awake >= p->at_once + p->stuck)
            continue;
        struct worker *w = one_more(p);
        if (!w)
            break;
        vd_wake(&w->waker);
    }
    p->watched = self->watches = false;
    p->awake++;
}

static void wait_for_work(struct vd_pool *p, struct worker *w)
{
    p->awake--;
    w->below = p->idle;
    p->idle = w;
    (void)pthread_mutex_unlock(&p->lock);
    while (sem_wait(&w->wake) != 0)
        ; /* interrupted by a debugger */
    (void)pthread_mutex_lock(&p->lock);
    if (w->watches)
        watch(p, w);
}

/* Too many run: one of them watches the others, or sleeps if somebody does. */
static void step_back(struct vd_pool *p, struct worker *w)
{
    if (p->watched) {
        wait_for_work(p, w);
        return;
    }
    p->watched = w->watches = true;
    p->awake--;
    watch(p, w);
}

static void end_task(struct vd_pool *p, struct worker *w)
{
    w->task = 0;
    p->stuck -= w->stuck;
    w->stuck = false;
    p->busy--;
}

static void *work(void *arg)
{
    struct worker *w = arg;
    struct vd_pool *p = w->p;
    (void)pthread_mutex_lock(&p->lock);
    p->awake++;
    for (;;) {
        while (!p->stop && !p->head)
            wait_for_work(p, w);
        if (!p->stop && p->awake > p->at_once + p->stuck) {
            step_back(p, w);
            continue;
        }
        struct vd_task *t = p->head;
        if (!t)
            break;
        p->head = t->next;
        if (!p->head)
            p->tail = &p->head;
        p->waiting--;
        p->busy++;
        w->task = ++p->tasks;
        (void)pthread_mutex_unlock(&p->lock);
        t->run(t);
        (void)pthread_mutex_lock(&p->lock);
        end_task(p, w);
    }
    (void)pthread_mutex_unlock(&p->lock);
    return NULL;
}

static bool start(struct vd_pool *p, const pthread_attr_t *attr)
{
    struct worker *w = &p->worker[p->n];
    w->p = p;
    w->waker.wake = post;
    if (sem_init(&w->wake, 0, 0) != 0)
        return false;
    bool ok = vd_thread_start(&w->thread, attr, work, w);
    if (!ok)
        (void)sem_destroy(&w->wake);
    return ok;
}

vd_rc vd_pool_new(unsigned threads, unsigned at_once, size_t queue, struct vd_pool **ret,
                  vd_err *err)
{
    struct vd_pool *p = calloc(1, sizeof *p + threads * sizeof p->worker[0]);
    pthread_attr_t attr;
    if (!p || pthread_mutex_init(&p->lock, NULL) != 0 || pthread_attr_init(&attr) != 0) {
        free(p);
        return vd_fail(err, VD_E_NOMEM, "worker pool");
    }
    p->tail = &p->head;
    p->max = queue;
    p->at_once = at_once > 0 && at_once < threads ? at_once : threads;
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

bool vd_pool_submit(struct vd_pool *p, struct vd_task *task, struct vd_waker **ret_wake)
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
        w = one_more(p);
        w = w ? w : begin_watch(p);
    }
    (void)pthread_mutex_unlock(&p->lock);
    *ret_wake = w ? &w->waker : NULL;
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
