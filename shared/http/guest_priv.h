/* Insides of the guest plane: loops, connections, jobs. Private to guest.c, conn.c, job.c,
 * source.c. A connection belongs to one loop and is touched by its thread only; a job in a pool is
 * touched by the worker only, until it is back in the loop's inbox. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "shared/http/plane_priv.h"
#include "shared/http/pool_priv.h"
#include "shared/http/tls_priv.h"

struct bufferevent;
struct event;
struct event_base;
struct evconnlistener;

/* ---- open connections per source ------------------------------------------------------------- */

struct vd_sources; /* thread safe */
struct vd_source;
struct vd_sources *vd_sources_new(void);
void vd_sources_free(struct vd_sources *s);
/* NULL when the source, or all together, are at their ceiling (or out of memory). */
struct vd_source *vd_sources_enter(struct vd_sources *s, const char *text, uint64_t each,
                                   uint64_t all);
void vd_sources_leave(struct vd_sources *s, struct vd_source *source);
uint64_t vd_sources_count(struct vd_sources *s);

/* ---- the plane ------------------------------------------------------------------------------- */

enum { VD_TICK_MS = 200, VD_LINGER_MS = 2000, VD_STOP_SECONDS = 10 };

struct vd_counters { /* one writer each, read by anybody */
    atomic_uint_fast64_t requests;
    atomic_uint_fast64_t refused_head;
    atomic_uint_fast64_t status[6];
};

struct vd_loop {
    struct vd_waker later; /* first member; for what vd_later tells */
    struct vd_guest *g;
    struct event_base *base;
    struct event *wake;
    struct event *tick;
    int wake_fd;
    pthread_t thread;
    bool running; /* the thread was started */
    pthread_mutex_t lock;
    struct vd_conn *fresh; /* inbox: accepted connections */
    struct vd_job *done;   /* inbox: jobs back from a pool */
    bool signalled;
    /* below: only the loop's thread */
    struct vd_wakers wakers; /* workers, when what is there has been read */
    struct vd_conn *conns;
    size_t n_conns;
    bool draining;
    int64_t drain_until_us;
    uint64_t id_state;
    int64_t date_s;
    char date[40];
    vd_buf out;
    struct vd_exch x; /* the request that is handled on the loop */
    struct vd_field field[VD_HEAD_FIELDS_HARD];
    uint8_t rewritten[VD_TARGET_ROOM];
    int64_t refusal_second; /* log lines about bad heads are bounded per second */
    unsigned refusals;
    struct vd_counters count;
};

struct vd_guest {
    struct vd_plane_cfg cfg;
    struct vd_head_limits head_limits;
    struct vd_tls *tls;
    struct vd_pool *work;
    struct vd_pool *relay;
    struct vd_sources *sources;
    struct evconnlistener *listener; /* runs on loop 0 */
    atomic_uint_fast64_t body_memory;
    atomic_uint_fast64_t later; /* answers that wait for their vd_later, or to be told */
    atomic_bool stopping;
    bool listener_paused;
    uint16_t port;
    unsigned next;
    unsigned n;
    struct vd_loop loop[];
};

enum vd_conn_state {
    VD_CONN_HEAD,   /* waits for, or reads, a head */
    VD_CONN_BODY,   /* reads a body into its job */
    VD_CONN_RUN,    /* its job is in a pool */
    VD_CONN_WRITE,  /* an answer is not yet written */
    VD_CONN_LINGER, /* answered and closed our side; what comes is thrown away */
};

struct vd_conn {
    struct vd_conn *next;
    struct vd_conn *prev;
    struct vd_loop *loop;
    struct bufferevent *bev; /* NULL: not attached yet, or gone while its job runs */
    struct vd_source *source;
    struct vd_job *job;
    struct vd_head_scan scan;
    int64_t deadline_us;
    int64_t began_us; /* first byte of the request */
    size_t linger_left;
    int fd;
    uint32_t ahead; /* bytes read ahead of what is looked at */
    uint8_t state;  /* enum vd_conn_state */
    bool began;     /* bytes of the request are there */
    bool kept;      /* a request was answered before */
    bool eof;       /* the peer will send no more */
    bool close;     /* after the answer that is being written */
    bool refused;   /* ... and unread bytes may be on their way */
    bool held;      /* so much is there that nothing is read */
    bool dead;
    char source_text[48];
};

/* Takes over a connection that was accepted (fd, source, source_text are set). */
void vd_conn_attach(struct vd_loop *l, struct vd_conn *c);
void vd_conn_job_done(struct vd_job *job);
/* Checks deadlines of all connections; closes idle ones while draining. */
void vd_conn_tick(struct vd_loop *l);
void vd_conn_free(struct vd_conn *c);
/* Sends head and body (may be NULL). True: all is with the kernel; false: the loop calls on_write
 * when it is. A body that has to wait is taken over from *body, and wiped after it was sent when
 * `secret`. */
bool vd_conn_send(struct vd_conn *c, vd_buf *head, vd_buf *body, bool secret);

/* The answer is with the kernel: next request, or the end. */
void vd_conn_written(struct vd_conn *c);

/* ---- requests (request.c) -------------------------------------------------------------------- */

/* `in`: what was received; the head is its first head_n bytes. Sets c->state. */
void vd_request_begin(struct vd_conn *c, vd_span in, size_t head_n);
/* Takes what there is of the body; runs the request when it is complete. State BODY only. */
void vd_request_body(struct vd_conn *c);
/* The job of c is back from its pool. */
void vd_request_job_done(struct vd_conn *c);
/* Refuses a request whose head never became one, or whose body does not come. */
void vd_request_refuse_head(struct vd_conn *c, const vd_err *err);
void vd_request_refuse_body(struct vd_conn *c, vd_code code, const char *why);

/* ---- jobs ------------------------------------------------------------------------------------ */

/* A request that outlives one callback: it owns copies of its head and body. */
struct vd_job {
    struct vd_task task;
    struct vd_job *next;
    struct vd_conn *conn;
    struct vd_guest *g;
    struct vd_exch x;
    vd_buf body;
    size_t want;    /* bytes of the body */
    size_t charged; /* of the common body memory */
    int64_t body_began_us;
    bool guard; /* what the worker has to do */
    bool handle;
    bool guarded; /* the guard has passed */
    vd_rc_ rc;
    uint8_t *rewritten;
    struct vd_field *field;
    size_t memory_n;
    uint8_t memory[];
};

/* A job with its own copy of head; x is parsed and routed from that copy. NULL: out of memory. A
 * parse failure (impossible after a first success) is in job->rc. */
struct vd_job *vd_job_new(struct vd_conn *c, vd_span head, size_t n_field,
                          const struct vd_exch *like);
void vd_job_free(struct vd_job *job);
/* Room for n more bytes of body, charged to the common memory; NULL when there is none. */
uint8_t *vd_job_body_room(struct vd_job *job, size_t n);
/* Wipes the body and gives its memory back to the common budget. */
void vd_job_drop_body(struct vd_job *job);
/* Hands over to the pool of its lane; VD_E_BUSY when that is full. */
vd_rc vd_job_submit(struct vd_job *job);
/* Into the inbox of the loop; called by other threads. The first wakes it, after the second
 * somebody has to. */
void vd_loop_push(struct vd_loop *l, struct vd_job *job);
void vd_loop_put(struct vd_loop *l, struct vd_job *job);

static inline int64_t vd_seconds(uint64_t s)
{
    return (int64_t)s * 1000000;
}

static inline void vd_count(atomic_uint_fast64_t *n)
{
    atomic_store_explicit(n, atomic_load_explicit(n, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}
