/* The pool: orders workers from the nursery, lends them out, speaks frames with them, and ends
 * those that overrun. A server thread waits at its worker's mailbox, so a policy that never returns
 * costs its own request a deadline and nobody else anything. */
#include "shared/policy/workers.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "shared/policy/sandbox.h"
#include "shared/policy/worker.h"
#include "shared/policy/workers_priv.h"

enum {
    WORKERS_MAX = 64,
    WAIT_MS = 2000, /* for a free worker */
    SUSPECT_WAIT_MS = 500,
    BIRTH_MS = 10000, /* for a new one; the nursery does nothing else */
    READ_AHEAD = 16 << 10,
    BUFFER_KEPT = 1 << 20,
    MS = 1000000,
};

struct vd_policy_workers {
    pid_t nursery;
    int control;
    bool reaped;
    pthread_mutex_t birth; /* one order at a time */
    pthread_mutex_t lock;  /* of everything below */
    pthread_cond_t freed;
    struct vd_limits limits;
    unsigned n; /* workers at most */
    uint64_t turn;
    unsigned in_lane[VD_LANE_COMPILE + 1];
    struct vd_worker worker[WORKERS_MAX];
    atomic_uint_fast64_t started, ended, failed, refused;
};

int64_t vd_monotonic_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ---- nursery ----------------------------------------------------------------------------------
 */

static vd_rc init_locks(struct vd_policy_workers *w, vd_err *err)
{
    pthread_condattr_t monotonic;
    if (pthread_condattr_init(&monotonic) != 0 ||
        pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) != 0 ||
        pthread_cond_init(&w->freed, &monotonic) != 0 || pthread_mutex_init(&w->lock, NULL) != 0 ||
        pthread_mutex_init(&w->birth, NULL) != 0)
        return vd_fail(err, VD_E_INTERNAL, "locks of the policy workers");
    (void)pthread_condattr_destroy(&monotonic);
    return VD_OK;
}

vd_rc vd_policy_workers_new(struct vd_policy_workers **ret, vd_err *err)
{
    int pair[2];
    if (!vd_sandbox_possible())
        return vd_fail(err, VD_E_CONFIG,
                       "policies cannot be sandboxed: this kernel or container offers no seccomp "
                       "filters (CONFIG_SECCOMP_FILTER)");
    struct vd_policy_workers *w = calloc(1, sizeof *w);
    if (!w)
        return vd_fail(err, VD_E_NOMEM, "policy workers");
    vd_rc_ rc = init_locks(w, err);
    if (rc.code == VD_E_OK && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        rc = vd_fail(err, VD_E_INTERNAL, "policy workers: socketpair: %s", strerror(errno));
    if (rc.code != VD_E_OK) {
        free(w);
        return rc;
    }
    w->nursery = fork();
    if (w->nursery == 0)
        vd_nursery_run(pair[1]);
    (void)close(pair[1]);
    w->control = pair[0];
    for (unsigned i = 0; i < WORKERS_MAX; i++)
        w->worker[i] = (struct vd_worker){ .fd = -1, .pidfd = -1 };
    if (w->nursery < 0) {
        rc = vd_fail(err, VD_E_INTERNAL, "policy workers: fork: %s", strerror(errno));
        w->reaped = true;
        vd_policy_workers_free(w);
        return rc;
    }
    *ret = w;
    return VD_OK;
}

bool vd_policy_workers_alive(struct vd_policy_workers *w)
{
    (void)pthread_mutex_lock(&w->lock);
    if (!w->reaped && waitpid(w->nursery, NULL, WNOHANG) == w->nursery)
        w->reaped = true;
    bool alive = !w->reaped;
    (void)pthread_mutex_unlock(&w->lock);
    return alive;
}

void vd_policy_workers_free(struct vd_policy_workers *w)
{
    if (!w)
        return;
    for (unsigned i = 0; i < WORKERS_MAX; i++) {
        struct vd_worker *k = &w->worker[i];
        if (k->fd >= 0)
            vd_worker_end(w, k, true);
        vd_buf_done(&k->in);
        vd_buf_done(&k->out);
    }
    (void)close(w->control);
    if (!w->reaped) {
        (void)kill(w->nursery, SIGKILL);
        (void)waitpid(w->nursery, NULL, 0);
    }
    (void)pthread_cond_destroy(&w->freed);
    (void)pthread_mutex_destroy(&w->lock);
    (void)pthread_mutex_destroy(&w->birth);
    free(w);
}

/* What is there already counts, however late it is looked at. */
static bool wait_for(int fd, short what, int64_t deadline)
{
    for (;;) {
        int64_t left = deadline - vd_monotonic_ns();
        if (left < 0)
            left = 0;
        const struct timespec t = { left / 1000000000, left % 1000000000 };
        struct pollfd p = { .fd = fd, .events = what };
        int n = ppoll(&p, 1, &t, NULL);
        if (n > 0)
            return true;
        if (n == 0 || errno != EINTR)
            return false;
    }
}

/* The nursery's answer to one order. The birth lock is held. */
static vd_rc receive_birth(struct vd_policy_workers *w, struct vd_worker *k, vd_err *err)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(VD_BIRTH_FDS * sizeof(int))];
    } control;
    struct vd_worker_birth birth = { 0 };
    struct iovec part = { &birth, sizeof birth };
    struct msghdr m = { .msg_iov = &part,
                        .msg_iovlen = 1,
                        .msg_control = control.bytes,
                        .msg_controllen = sizeof control.bytes };
    if (!wait_for(w->control, POLLIN, vd_monotonic_ns() + (int64_t)BIRTH_MS * MS) ||
        recvmsg(w->control, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) != (ssize_t)sizeof birth)
        return vd_fail(err, VD_E_UNAVAILABLE,
                       "the process of the policy workers has ended; restart the server");
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    if (birth.error != 0 || !c || c->cmsg_type != SCM_RIGHTS ||
        c->cmsg_len != CMSG_LEN(VD_BIRTH_FDS * sizeof(int)))
        return vd_fail(err, VD_E_UNAVAILABLE, "no policy worker can be started: %s",
                       strerror(birth.error));
    int fds[VD_BIRTH_FDS];
    memcpy(fds, CMSG_DATA(c), sizeof fds);
    k->fd = fds[VD_BIRTH_SOCKET];
    k->pidfd = fds[VD_BIRTH_PIDFD];
    k->pid = birth.pid;
    k->told = 0;
    atomic_fetch_add_explicit(&w->started, 1, memory_order_relaxed);
    k->mail = vd_mail_map(fds[VD_BIRTH_MAIL]);
    (void)close(fds[VD_BIRTH_MAIL]);
    if (k->mail)
        return VD_OK;
    vd_worker_end(w, k, true);
    return vd_fail(err, VD_E_NOMEM, "memory shared with a policy worker");
}

/* Its first frame says that the sandbox is closed. */
static vd_rc await_ready(struct vd_policy_workers *w, struct vd_worker *k, vd_err *err)
{
    vd_span body = VD_SPAN_NONE;
    struct vd_answer a = { 0 };
    vd_err why = { 0 };
    if (vd_worker_call(w, k, VD_SPAN_NONE, vd_monotonic_ns() + (int64_t)BIRTH_MS * MS, 0, &body,
                       &why)
            .code != VD_E_OK)
        return vd_fail(err, VD_E_UNAVAILABLE, "a policy worker ended before it began");
    vd_rc_ rc = vd_answer_parse(body, 0, &a, err);
    if (rc.code == VD_E_OK && a.op == VD_ANSWER_READY)
        return VD_OK;
    vd_worker_end(w, k, true);
    if (rc.code == VD_E_OK && a.op == VD_ANSWER_FAILED)
        return vd_fail(err, VD_E_UNAVAILABLE, "policies cannot be sandboxed: %.*s: %s",
                       (int)a.fault.text.n, (const char *)a.fault.text.p,
                       strerror((int)(a.fault.line & 0xfff)));
    return vd_fail(err, VD_E_UNAVAILABLE, "a policy worker began with a wrong word");
}

/* The worker is busy for the caller, so nobody else looks at it. */
static vd_rc start_one(struct vd_policy_workers *w, struct vd_worker *k, vd_err *err)
{
    const struct vd_worker_order order = { .memory = w->limits.policy_memory };
    (void)pthread_mutex_lock(&w->birth);
    vd_rc_ rc = VD_OK;
    if (send(w->control, &order, sizeof order, MSG_NOSIGNAL) != (ssize_t)sizeof order)
        rc = vd_fail(err, VD_E_UNAVAILABLE,
                     "the process of the policy workers has ended; restart the server");
    else
        rc = receive_birth(w, k, err);
    (void)pthread_mutex_unlock(&w->birth);
    VD_TRY(rc);
    return await_ready(w, k, err);
}

vd_rc vd_policy_workers_start(struct vd_policy_workers *w, const struct vd_limits *limits,
                              vd_err *err)
{
    struct vd_worker *k = NULL;
    (void)pthread_mutex_lock(&w->lock);
    w->limits = *limits;
    w->n = limits->policy_workers < 1             ? 1
           : limits->policy_workers < WORKERS_MAX ? (unsigned)limits->policy_workers
                                                  : WORKERS_MAX;
    (void)pthread_mutex_unlock(&w->lock);
    VD_TRY(vd_workers_take(w, VD_LANE_OPEN, &k, err));
    vd_workers_give(w, k);
    return VD_OK;
}

/* ---- lending ----------------------------------------------------------------------------------
 */

/* The lock is held. */
static bool lane_free(const struct vd_policy_workers *w, enum vd_lane lane)
{
    switch (lane) {
    case VD_LANE_SUSPECT:
        return w->in_lane[lane] + 1 < (w->n > 1 ? w->n : 2);
    case VD_LANE_COMPILE:
        return w->in_lane[lane] == 0;
    case VD_LANE_OPEN:
        break;
    }
    return true;
}

/* The lock is held. The running one used last, else a place for a new one, else NULL. */
static struct vd_worker *choose(struct vd_policy_workers *w)
{
    struct vd_worker *best = NULL;
    for (unsigned i = 0; i < w->n; i++) {
        struct vd_worker *k = &w->worker[i];
        if (k->busy)
            continue;
        if (!best || (k->fd >= 0 && (best->fd < 0 || k->given_back > best->given_back)))
            best = k;
    }
    return best;
}

/* A worker that is not asked says nothing, by mailbox or socket, unless it has died. */
static void drop_if_dead(struct vd_policy_workers *w, struct vd_worker *k)
{
    struct pollfd p = { .fd = k->fd, .events = POLLIN };
    if (k->fd >= 0 && (poll(&p, 1, 0) != 0 || !vd_slot_wait(&k->mail->tell, k->told, 0)))
        vd_worker_end(w, k, true);
}

vd_rc vd_workers_take(struct vd_policy_workers *w, enum vd_lane lane, struct vd_worker **ret,
                      vd_err *err)
{
    int64_t wait = lane == VD_LANE_SUSPECT ? SUSPECT_WAIT_MS : WAIT_MS;
    int64_t until = vd_monotonic_ns() + wait * MS;
    const struct timespec deadline = { until / 1000000000, until % 1000000000 };
    struct vd_worker *k = NULL;
    (void)pthread_mutex_lock(&w->lock);
    for (int rc = 0; rc == 0;) {
        k = lane_free(w, lane) ? choose(w) : NULL;
        if (k)
            break;
        rc = pthread_cond_timedwait(&w->freed, &w->lock, &deadline);
    }
    if (k) {
        k->busy = true;
        k->lane = lane;
        w->in_lane[lane]++;
    }
    (void)pthread_mutex_unlock(&w->lock);
    if (!k) {
        atomic_fetch_add_explicit(&w->refused, 1, memory_order_relaxed);
        return vd_fail(err, VD_E_BUSY, "all policy workers are busy (limits.policy_workers)");
    }
    drop_if_dead(w, k);
    if (k->fd < 0) {
        vd_rc_ rc = start_one(w, k, err);
        if (rc.code != VD_E_OK) {
            vd_workers_give(w, k);
            return rc;
        }
    }
    *ret = k;
    return VD_OK;
}

void vd_workers_give(struct vd_policy_workers *w, struct vd_worker *k)
{
    if (k->in.cap > BUFFER_KEPT)
        vd_buf_done(&k->in);
    if (k->out.cap > BUFFER_KEPT)
        vd_buf_done(&k->out);
    (void)pthread_mutex_lock(&w->lock);
    k->busy = false;
    k->given_back = ++w->turn;
    w->in_lane[k->lane]--;
    /* lanes differ, so the one that is woken might not be one that can go on */
    (void)pthread_cond_broadcast(&w->freed);
    (void)pthread_mutex_unlock(&w->lock);
}

void vd_worker_end(struct vd_policy_workers *w, struct vd_worker *k, bool kill_it)
{
    if (kill_it)
        (void)syscall(SYS_pidfd_send_signal, k->pidfd, SIGKILL, NULL, 0U);
    (void)close(k->fd);
    (void)close(k->pidfd);
    vd_mail_unmap(k->mail);
    k->mail = NULL;
    k->fd = -1;
    k->pidfd = -1;
    atomic_fetch_add_explicit(&w->ended, 1, memory_order_relaxed);
}

void vd_policy_workers_facts(struct vd_policy_workers *w, struct vd_policy_workers_facts *ret)
{
    *ret = (struct vd_policy_workers_facts){
        .started = atomic_load_explicit(&w->started, memory_order_relaxed),
        .ended = atomic_load_explicit(&w->ended, memory_order_relaxed),
        .failed = atomic_load_explicit(&w->failed, memory_order_relaxed),
        .refused = atomic_load_explicit(&w->refused, memory_order_relaxed),
    };
    ret->running = ret->started > ret->ended ? ret->started - ret->ended : 0;
}

/* ---- frames -----------------------------------------------------------------------------------
 */

enum sent { SENT, GONE, SLOW };

static enum sent send_frame(const struct vd_worker *k, vd_span frame, int64_t deadline)
{
    if (frame.n == 0 || vd_slot_post(&k->mail->ask, frame))
        return SENT;
    for (size_t at = 0; at < frame.n;) {
        ssize_t n = send(k->fd, frame.p + at, frame.n - at, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0)
            at += (size_t)n;
        else if (errno == EAGAIN) {
            if (!wait_for(k->fd, POLLOUT, deadline))
                return SLOW;
        } else if (errno != EINTR)
            return GONE;
    }
    return SENT;
}

/* A worker that dies rings no bell, so its socket is looked at now and then. What is there already
 * counts, however late it is looked at. */
static enum sent await_post(struct vd_worker *k, int64_t deadline)
{
    enum { LOOK = 10 * MS };
    for (;;) {
        int64_t left = deadline - vd_monotonic_ns();
        if (vd_slot_wait(&k->mail->tell, k->told + 1, left < 0 ? 0 : left < LOOK ? left : LOOK)) {
            k->told++;
            return SENT;
        }
        struct pollfd p = { .fd = k->fd };
        bool gone = poll(&p, 1, 0) > 0;
        if (gone && vd_slot_wait(&k->mail->tell, k->told + 1, 0))
            continue; /* said something before it went */
        if (gone || left <= 0)
            return gone ? GONE : SLOW;
    }
}

/* Copies what is in the mailbox, once; the rest, or all of it, comes over the socket. */
static bool take_post(struct vd_worker *k)
{
    size_t n = atomic_load(&k->mail->tell.n);
    if (n > sizeof k->mail->tell.bytes)
        return false;
    vd_buf_add(&k->in, vd_span_of(k->mail->tell.bytes, n));
    return !k->in.bad;
}

/* Reads until the buffer has n bytes. */
static enum sent read_until(struct vd_worker *k, size_t n, int64_t deadline)
{
    while (k->in.n < n) {
        size_t more = n - k->in.n > READ_AHEAD ? n - k->in.n : READ_AHEAD;
        uint8_t *at = vd_buf_reserve(&k->in, more);
        if (!at)
            return GONE;
        if (!wait_for(k->fd, POLLIN, deadline))
            return SLOW;
        ssize_t got = recv(k->fd, at, more, MSG_DONTWAIT);
        if (got > 0)
            k->in.n += (size_t)got;
        else if (got == 0 || (errno != EAGAIN && errno != EINTR))
            return GONE;
    }
    return SENT;
}

static vd_rc broken(struct vd_policy_workers *w, struct vd_worker *k, enum sent how, vd_err *err)
{
    vd_worker_end(w, k, true);
    atomic_fetch_add_explicit(&w->failed, 1, memory_order_relaxed);
    if (how == SLOW)
        return vd_fail(err, VD_E_POLICY_BUDGET, "policy: it took too long and was stopped");
    return vd_fail(err, VD_E_POLICY_BUDGET,
                   "policy: its process ended (too much time, memory or recursion, or killed)");
}

vd_rc vd_worker_call(struct vd_policy_workers *w, struct vd_worker *k, vd_span frame,
                     int64_t deadline, size_t max, vd_span *ret_body, vd_err *err)
{
    enum sent how = send_frame(k, frame, deadline);
    if (how != SENT)
        return broken(w, k, how, err);
    max += VD_FRAME_SLACK;
    k->in.max = max + VD_FRAME_HEAD + READ_AHEAD;
    vd_buf_reset(&k->in);
    how = await_post(k, deadline);
    if (how != SENT)
        return broken(w, k, how, err);
    size_t n = SIZE_MAX;
    if (take_post(k)) {
        how = read_until(k, VD_FRAME_HEAD, deadline);
        if (how != SENT)
            return broken(w, k, how, err);
        vd_rd r = vd_rd_of(vd_buf_span(&k->in));
        n = vd_rd_u32le(&r);
    }
    if (n <= max) {
        how = read_until(k, VD_FRAME_HEAD + n, deadline);
        if (how != SENT)
            return broken(w, k, how, err);
        vd_span body = vd_span_part(vd_buf_span(&k->in), VD_FRAME_HEAD, SIZE_MAX);
        if (body.n == n) {
            *ret_body = body;
            return VD_OK;
        }
    }
    vd_worker_end(w, k, true);
    atomic_fetch_add_explicit(&w->failed, 1, memory_order_relaxed);
    return vd_fail(err, VD_E_POLICY_EVAL, "policy: the worker does not keep to the protocol");
}
