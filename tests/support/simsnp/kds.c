/* The vendor's service on loopback; see kds.h. */
#include "tests/support/simsnp/kds.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/support/simsnp/sim_priv.h"

enum { CONNECTIONS = 256 };

struct sim_kds {
    sim_kds_answer answer;
    void *ctx;
    int fd;
    char url[64];
    pthread_t acceptor;
    pthread_mutex_t lock;
    unsigned requests;
    char last[512];
    pthread_t worker[CONNECTIONS];
    size_t n_workers;
};
struct connection {
    struct sim_kds *kds;
    int fd;
};

/* The target of the request line; empty when the peer sent none. */
static void read_target(int fd, char *target, size_t room)
{
    char head[4096];
    size_t n = 0;
    target[0] = '\0';
    while (n + 1 < sizeof head) {
        ssize_t got = recv(fd, head + n, sizeof head - 1 - n, 0);
        if (got <= 0)
            return;
        n += (size_t)got;
        head[n] = '\0';
        if (strstr(head, "\r\n\r\n"))
            break;
    }
    const char *from = strchr(head, ' ');
    const char *to = from ? strchr(from + 1, ' ') : NULL;
    if (to && (size_t)(to - from) <= room) {
        memcpy(target, from + 1, (size_t)(to - from - 1));
        target[to - from - 1] = '\0';
    }
}

static void *serve(void *arg)
{
    struct connection c = *(struct connection *)arg;
    free(arg);
    char target[512];
    read_target(c.fd, target, sizeof target);
    if (target[0]) {
        (void)pthread_mutex_lock(&c.kds->lock);
        c.kds->requests++;
        memcpy(c.kds->last, target, sizeof target);
        (void)pthread_mutex_unlock(&c.kds->lock);
        VD_AUTO_BUF response = vd_buf_of(64u << 20);
        c.kds->answer(c.kds->ctx, target, &response);
        for (size_t at = 0; at < response.n;) {
            ssize_t put = send(c.fd, response.p + at, response.n - at, MSG_NOSIGNAL);
            if (put <= 0)
                break;
            at += (size_t)put;
        }
    }
    (void)close(c.fd);
    return NULL;
}

static void *accept_all(void *arg)
{
    struct sim_kds *k = arg;
    for (;;) {
        int fd = accept(k->fd, NULL, NULL);
        if (fd < 0)
            return NULL; /* stopped */
        struct connection *c = malloc(sizeof *c);
        sim_must(c && k->n_workers < CONNECTIONS, "serving one more connection");
        *c = (struct connection){ k, fd };
        sim_must(pthread_create(&k->worker[k->n_workers++], NULL, serve, c) == 0,
                 "starting a thread");
    }
}

struct sim_kds *sim_kds_start(sim_kds_answer answer, void *ctx)
{
    struct sim_kds *k = calloc(1, sizeof *k);
    sim_must(k != NULL, "memory");
    k->answer = answer;
    k->ctx = ctx;
    (void)pthread_mutex_init(&k->lock, NULL);
    k->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof at;
    sim_must(k->fd >= 0 && bind(k->fd, (struct sockaddr *)&at, sizeof at) == 0 &&
                 listen(k->fd, 64) == 0 && getsockname(k->fd, (struct sockaddr *)&at, &n) == 0,
             "listening");
    (void)snprintf(k->url, sizeof k->url, "http://127.0.0.1:%u", ntohs(at.sin_port));
    sim_must(pthread_create(&k->acceptor, NULL, accept_all, k) == 0, "starting a thread");
    return k;
}

void sim_kds_stop(struct sim_kds *k)
{
    (void)shutdown(k->fd, SHUT_RDWR);
    (void)pthread_join(k->acceptor, NULL);
    for (size_t i = 0; i < k->n_workers; i++)
        (void)pthread_join(k->worker[i], NULL);
    (void)close(k->fd);
    (void)pthread_mutex_destroy(&k->lock);
    free(k);
}

const char *sim_kds_url(const struct sim_kds *k)
{
    return k->url;
}

unsigned sim_kds_requests(struct sim_kds *k)
{
    (void)pthread_mutex_lock(&k->lock);
    unsigned n = k->requests;
    (void)pthread_mutex_unlock(&k->lock);
    return n;
}

void sim_kds_last(struct sim_kds *k, char ret[512])
{
    (void)pthread_mutex_lock(&k->lock);
    memcpy(ret, k->last, 512);
    (void)pthread_mutex_unlock(&k->lock);
}

void sim_kds_reply(vd_buf *response, const char *status, vd_span body)
{
    vd_buf_printf(response, "HTTP/1.1 %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
                  status, body.n);
    vd_buf_add(response, body);
}
