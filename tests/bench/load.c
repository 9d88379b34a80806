/* Closed loop: every connection sends its next request when the answer to the last is complete. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#include "tests/bench/bench.h"

enum { ANSWER_BYTES = 4 << 20, CONNECTIONS_MAX = 256 };

struct conn {
    int fd;
    size_t i;    /* number of the request under way */
    vd_span out; /* still to be sent */
    vd_buf in;
    double started;
    bool idle;
};

struct run {
    const struct load *load;
    struct conn conn[CONNECTIONS_MAX];
    int epoll;
    size_t next;
    size_t active;
    double *latency;
    size_t room;
    double end;
    struct load_result *ret;
    bool broken;
};

double now_us(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static int open_connection(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons(port),
                              .sin_addr = { htonl(INADDR_LOOPBACK) } };
    int one = 1;
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        return -1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

/* Sends what is left; blocking is fine, requests are far below the socket buffer or read at once.
 */
static bool flush(struct conn *c)
{
    while (c->out.n > 0) {
        ssize_t n = send(c->fd, c->out.p, c->out.n, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        c->out = vd_span_part(c->out, (size_t)n, c->out.n);
    }
    return true;
}

static void start_next(struct run *r, struct conn *c)
{
    const struct load *l = r->load;
    bool over =
        (l->requests && r->next >= l->first + l->requests) || (r->end > 0 && now_us() >= r->end);
    c->out = over ? VD_SPAN_NONE : l->request(l->ctx, r->next);
    if (c->out.n == 0) {
        c->idle = true;
        r->active--;
        return;
    }
    c->i = r->next++;
    c->started = now_us();
    vd_buf_reset(&c->in);
    if (!flush(c))
        r->broken = true;
}

static void note_latency(struct run *r, double us)
{
    if (r->ret->done == r->room) {
        size_t room = r->room ? r->room * 2 : 65536;
        double *p = realloc(r->latency, room * sizeof *p);
        if (!p) {
            r->broken = true;
            return;
        }
        r->latency = p;
        r->room = room;
    }
    r->latency[r->ret->done++] = us;
}

/* Whole answer there? Sets the parts. */
static bool complete(vd_span in, int *status, vd_span *head, vd_span *body)
{
    const uint8_t *end = in.n ? memmem(in.p, in.n, "\r\n\r\n", 4) : NULL;
    if (!end || in.n < 12)
        return false;
    *head = vd_span_of(in.p, (size_t)(end - in.p) + 2);
    *status = (in.p[9] - '0') * 100 + (in.p[10] - '0') * 10 + (in.p[11] - '0');
    size_t length = 0;
    static const char name[] = "\r\ncontent-length: ";
    for (size_t i = 0; i + sizeof name - 1 <= head->n; i++) {
        if (strncasecmp((const char *)head->p + i, name, sizeof name - 1) != 0)
            continue;
        for (size_t k = i + sizeof name - 1; head->p[k] >= '0' && head->p[k] <= '9'; k++)
            length = length * 10 + (size_t)(head->p[k] - '0');
    }
    size_t at = (size_t)(end - in.p) + 4;
    *body = vd_span_part(in, at, length);
    return in.n - at >= length;
}

static void readable(struct run *r, struct conn *c)
{
    uint8_t *at = vd_buf_reserve(&c->in, 65536);
    ssize_t n = at ? recv(c->fd, at, 65536, 0) : -1;
    if (n <= 0) {
        r->broken = true;
        return;
    }
    c->in.n += (size_t)n;
    int status = 0;
    vd_span head;
    vd_span body;
    if (!complete(vd_buf_span(&c->in), &status, &head, &body))
        return;
    note_latency(r, now_us() - c->started);
    r->ret->failed += status != 200;
    if (r->load->answer)
        r->load->answer(r->load->ctx, c->i, status, head, body);
    start_next(r, c);
}

static bool connect_all(struct run *r)
{
    for (unsigned i = 0; i < r->load->connections; i++) {
        struct conn *c = &r->conn[i];
        c->in = vd_buf_of(ANSWER_BYTES);
        c->fd = open_connection(r->load->port);
        struct epoll_event e = { .events = EPOLLIN, .data = { .ptr = c } };
        if (c->fd < 0 || epoll_ctl(r->epoll, EPOLL_CTL_ADD, c->fd, &e) != 0)
            return false;
        r->active++;
    }
    return true;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static void finish(struct run *r, double started)
{
    struct load_result *ret = r->ret;
    ret->seconds = (now_us() - started) / 1e6;
    ret->rate = ret->seconds > 0 ? (double)ret->done / ret->seconds : 0;
    if (ret->done > 0) {
        qsort(r->latency, ret->done, sizeof *r->latency, by_size);
        ret->p50_us = r->latency[ret->done / 2];
        ret->p99_us = r->latency[ret->done * 99 / 100];
    }
    free(r->latency);
    for (unsigned i = 0; i < r->load->connections; i++) {
        if (r->conn[i].fd > 0)
            (void)close(r->conn[i].fd);
        vd_buf_done(&r->conn[i].in);
    }
    (void)close(r->epoll);
}

bool load_run(const struct load *l, struct load_result *ret)
{
    *ret = (struct load_result){ 0 };
    VD_AUTO(free) struct run *r = calloc(1, sizeof *r);
    if (!r || l->connections > CONNECTIONS_MAX)
        return false;
    r->load = l;
    r->ret = ret;
    r->next = l->first;
    r->epoll = epoll_create1(EPOLL_CLOEXEC);
    bool ok = connect_all(r);
    double used = used_us(l->pid);
    double started = now_us();
    r->end = l->seconds > 0 ? started + l->seconds * 1e6 : 0;
    for (unsigned i = 0; ok && i < l->connections; i++)
        start_next(r, &r->conn[i]);
    while (ok && r->active > 0 && !r->broken) {
        struct epoll_event events[64];
        int n = epoll_wait(r->epoll, events, 64, 30000);
        if (n == 0)
            r->broken = true;
        for (int i = 0; i < n; i++)
            readable(r, events[i].data.ptr);
    }
    finish(r, started);
    ret->cpu_us = ret->done > 0 ? (used_us(l->pid) - used) / (double)ret->done : 0;
    return ok && !r->broken;
}
