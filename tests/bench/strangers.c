/* Strangers beside guests; see strangers.h. Both goals are ratios of two figures of the same run.
 */
#include "tests/bench/strangers.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { IDLE = 10000, BAD = 1500, KEPT = 64 };
static const double p99_goal = 1.5; /* spec: L4 */
static const double bad_goal = 0.2; /* spec: DO-6 */

void strangers_prepare(void)
{
    (void)setenv("VIDIMUS_LIMITS__HEAD_SECONDS", "30", 1);
    (void)setenv("VIDIMUS_LIMITS__REQUEST_SECONDS", "45", 1);
    (void)setenv("VIDIMUS_LIMITS__BODY_BYTES_PER_SECOND", "1", 1);
}

static void put_double(vd_jw *w, const char *name, double v)
{
    vd_jw_key(w, name);
    vd_buf_printf(w->out, "%.3f", v);
    w->after_key = false;
}

/* ---- idle half-requests -----------------------------------------------------------------------
 */

static int dial(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons(port),
                              .sin_addr = { htonl(INADDR_LOOPBACK) } };
    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
        return fd;
    if (fd >= 0)
        (void)close(fd);
    return -1;
}

/* As many descriptors as a crowd needs; how many strangers there can be. */
static size_t crowd_size(void)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) != 0)
        return 0;
    if (r.rlim_cur < IDLE + KEPT && r.rlim_cur < r.rlim_max) {
        r.rlim_cur = r.rlim_max < IDLE + KEPT ? r.rlim_max : IDLE + KEPT;
        (void)setrlimit(RLIMIT_NOFILE, &r);
    }
    return r.rlim_cur >= IDLE + KEPT ? IDLE : (size_t)r.rlim_cur - KEPT;
}

static size_t crowd_open(uint16_t port, int *fd, size_t n)
{
    static const char *const half[] = {
        "GET /healthz HTTP/1.1\r\nHost: a\r\nX: ",
        "POST /kbs/v0/auth HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{",
        "G",
        "",
    };
    size_t i = 0;
    for (; i < n; i++) {
        fd[i] = dial(port);
        const char *text = half[i % 4];
        if (fd[i] < 0 || send(fd[i], text, strlen(text), MSG_NOSIGNAL) < 0)
            break;
    }
    const struct timespec moment = { 0, 300000000 };
    (void)nanosleep(&moment, NULL);
    return i;
}

static size_t crowd_close(int *fd, size_t n)
{
    size_t open = 0;
    for (size_t i = 0; i < n; i++) {
        char c;
        open += recv(fd[i], &c, 1, MSG_DONTWAIT) < 0; /* 0: the server had closed it */
        (void)close(fd[i]);
    }
    return open;
}

struct beside {
    const char *name;
    const struct server *server;
    vd_span request;
};

static vd_span beside_request(void *ctx, size_t i)
{
    (void)i;
    return ((struct beside *)ctx)->request;
}

static bool measure(const struct strangers *s, struct beside *b, double seconds,
                    struct load_result *ret)
{
    const struct load l = { .port = b->server->guest,
                            .connections = s->connections,
                            .seconds = seconds,
                            .request = beside_request,
                            .ctx = b };
    return load_run(&l, ret) && ret->failed == 0;
}

/* The same flow without, with and again without the crowd. */
static bool flow_beside(const struct strangers *s, struct beside *b)
{
    struct load_result before, with, after;
    size_t n = crowd_size();
    VD_AUTO(free) int *fd = calloc(n ? n : 1, sizeof *fd);
    if (!fd || !measure(s, b, 0.5, &before) || !measure(s, b, s->seconds, &before))
        return false;
    size_t rss = rss_kib(b->server->pid);
    size_t opened = crowd_open(b->server->guest, fd, n);
    size_t grown = rss_kib(b->server->pid) - rss;
    bool ok = opened == n && measure(s, b, s->seconds, &with);
    size_t held = crowd_close(fd, opened);
    const struct timespec moment = { 1, 0 };
    (void)nanosleep(&moment, NULL);
    if (!ok || !measure(s, b, s->seconds, &after))
        return false;
    double base = (before.p99_us + after.p99_us) / 2;
    double ratio = base > 0 ? with.p99_us / base : 0;
    double each = (double)grown * 1024 / (double)opened;
    printf("%-26s p99 %7.0f us, without %7.0f us, ratio %5.2f (goal at most %.2f) %s; rate %.0f/s, "
           "without %.0f/s; %zu half-requests held, %.0f bytes each\n",
           b->name, with.p99_us, base, ratio, p99_goal, ratio <= p99_goal ? "ok" : "ABOVE",
           with.rate, (before.rate + after.rate) / 2, held, each);
    vd_jw_obj(s->w);
    vd_jw_kstr(s->w, "flow", b->name);
    put_double(s->w, "rate", with.rate);
    vd_jw_ku64(s->w, "p50_us", (uint64_t)with.p50_us);
    vd_jw_ku64(s->w, "p99_us", (uint64_t)with.p99_us);
    put_double(s->w, "p99_ratio", ratio);
    vd_jw_ku64(s->w, "held", held);
    vd_jw_ku64(s->w, "bytes_each", (uint64_t)each);
    vd_jw_end(s->w);
    (void)fflush(stdout);
    return held == opened;
}

/* ---- bad attests ------------------------------------------------------------------------------
 */

/* One request on a connection of its own, because a refusal ends its connection. Status, or 0. */
static int alone(uint16_t port, vd_span request)
{
    VD_AUTO_FD int fd = dial(port);
    char head[4096];
    size_t got = 0;
    while (fd >= 0 && request.n > 0) {
        ssize_t n = send(fd, request.p, request.n, MSG_NOSIGNAL);
        if (n <= 0)
            return 0;
        request = vd_span_part(request, (size_t)n, request.n);
    }
    while (fd >= 0 && got < 12) {
        ssize_t n = recv(fd, head + got, sizeof head - got, 0);
        if (n <= 0)
            return 0;
        got += (size_t)n;
    }
    return got < 12 ? 0 : (head[9] - '0') * 100 + (head[10] - '0') * 10 + (head[11] - '0');
}

/* Puts one character behind the first `mark` in place of another. */
static bool spoil(vd_buf *request, const char *mark)
{
    uint8_t *at = memmem(request->p, request->n, mark, strlen(mark));
    if (!at)
        return false;
    at += strlen(mark);
    *at = *at == 'A' ? 'B' : 'A';
    return true;
}

static const struct {
    const char *name;
    const char *mark; /* NULL: nothing is spoiled */
    int status;
} attests[] = {
    { "good attest, alone", NULL, 200 },
    { "bad attest, wrong nonce", "\"nonce\":\"", 401 },
    { "bad attest, report data", "\"x\":\"", 401 }, /* another key than was hashed */
    { "bad attest, malformed", "\"init-data\":", 400 },
};

/* BAD requests one behind the other; the server's processor time for each. */
static bool spent_on(const struct server *to, vd_span (*request)(void *ctx, size_t i), void *ctx,
                     const char *name, int status, double *ret_us)
{
    double before = used_us(to->pid);
    size_t as_wanted = 0;
    for (size_t i = 0; i < BAD; i++)
        as_wanted += alone(to->guest, request(ctx, i)) == status;
    *ret_us = (used_us(to->pid) - before) / BAD;
    if (as_wanted != BAD)
        printf("%-26s only %zu of %d were answered with %d\n", name, as_wanted, BAD, status);
    return as_wanted == BAD;
}

static bool flow_bad(const struct strangers *s, struct guest *g, size_t which, double *ret_us)
{
    struct requests r = { 0 };
    const struct server *to = &s->bench->issuer;
    bool ok = guest_prepare(g, to->guest, BAD, &r);
    for (size_t i = 0; ok && i < r.n; i++)
        ok = !attests[which].mark || spoil(&r.item[i], attests[which].mark);
    ok = ok && spent_on(to, requests_at, &r, attests[which].name, attests[which].status, ret_us);
    requests_done(&r);
    return ok;
}

/* A refusal ends its connection, so all are made on connections of their own; what that costs by
 * itself is measured too, and taken off before the two are compared. */
static bool flow_bad_attests(const struct strangers *s)
{
    struct guest g;
    double us[sizeof attests / sizeof *attests];
    double bare = 0;
    VD_AUTO_BUF hello = vd_buf_of(256);
    vd_buf_str(&hello, "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    struct beside b = { .request = vd_buf_span(&hello) };
    bool ok = guest_init(&g, GUEST_SNP, s->pki, VD_KTY_P256) &&
              spent_on(&s->bench->issuer, beside_request, &b, "bare exchange, alone", 200, &bare);
    if (ok)
        printf("%-26s %7.0f us of the server's processor time\n", "bare exchange, alone", bare);
    for (size_t i = 0; ok && i < sizeof attests / sizeof *attests; i++) {
        ok = flow_bad(s, &g, i, &us[i]);
        double ratio = (us[i] - bare) / (us[0] - bare);
        if (!ok)
            break;
        printf("%-26s %7.0f us of the server's processor time", attests[i].name, us[i]);
        if (i > 0)
            printf(", %.2f of a good one (goal at most %.2f) %s; with the connection %.2f", ratio,
                   bad_goal, ratio <= bad_goal ? "ok" : "ABOVE", us[i] / us[0]);
        printf("\n");
        vd_jw_obj(s->w);
        vd_jw_kstr(s->w, "flow", attests[i].name);
        vd_jw_ku64(s->w, "cpu_us", (uint64_t)us[i]);
        put_double(s->w, "of_good", ratio);
        vd_jw_end(s->w);
    }
    guest_done(&g);
    return ok;
}

/* ---- all --------------------------------------------------------------------------------------
 */

static bool release_request(const struct strangers *s, vd_buf *out)
{
    struct guest g;
    VD_AUTO_BUF passport = vd_buf_of(131072);
    bool ok = guest_init(&g, GUEST_SNP, s->pki, VD_KTY_P256) &&
              guest_passport(&g, s->bench->issuer.guest, &passport);
    if (ok)
        vd_buf_printf(out,
                      "GET /kbs/v0/resource/bench/key/1 HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                      "Authorization: Bearer %s\r\n\r\n",
                      vd_buf_cstr(&passport));
    guest_done(&g);
    return ok && !out->bad;
}

bool strangers_run(const struct strangers *s, bool (*wanted)(void *ctx, const char *flow),
                   void *ctx)
{
    VD_AUTO_BUF auth = vd_buf_of(4096);
    VD_AUTO_BUF release = vd_buf_of(262144);
    struct beside flow[] = { { .name = "auth with 10000 idle", .server = &s->bench->issuer },
                             { .name = "release with 10000 idle", .server = &s->bench->broker } };
    http_post(&auth, "/kbs/v0/auth", VD_SPAN_NONE, guest_auth_body(GUEST_SAMPLE));
    flow[0].request = vd_buf_span(&auth);
    if (wanted(ctx, flow[0].name) && !flow_beside(s, &flow[0]))
        return false;
    if (wanted(ctx, flow[1].name)) {
        if (!release_request(s, &release))
            return false;
        flow[1].request = vd_buf_span(&release);
        if (!flow_beside(s, &flow[1]))
            return false;
    }
    return !wanted(ctx, "bad attest") || flow_bad_attests(s);
}
