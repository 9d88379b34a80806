/* The guest plane over real sockets. */
#include "tests/support/support.h"

#include "tests/unit/shared/http/framing_rows.h"
#include "tests/unit/shared/http/net.h"

static void start(struct server *s)
{
    vd_err err = { 0 };
    vd_rc_ rc = vd_guest_start(&s->cfg, &s->guest, &err);
    if (rc.code != VD_E_OK)
        print_error("%s\n", err.msg);
    assert_int_equal(rc.code, VD_E_OK);
    s->port = vd_guest_port(s->guest);
    assert_true(s->port != 0);
}

static void stop(struct server *s)
{
    atomic_store(&s->app.gate, true);
    vd_guest_stop(s->guest);
    s->guest = NULL;
}

static void fresh(struct server *s)
{
    server_init(s);
    start(s);
}

#define HELLO "GET /kbs/v0/hello HTTP/1.1\r\nHost: a\r\n\r\n"
#define WORK "GET /kbs/v0/work HTTP/1.1\r\nHost: a\r\n\r\n"

static void a_connection_is_kept(void **state)
{
    (void)state;
    struct server s;
    fresh(&s);
    int fd = dial(s.port);
    for (int i = 0; i < 200; i++) {
        VD_AUTO_BUF b = vd_buf_of(1 << 20);
        assert_true(put(fd, i & 1 ? VD_LIT(HELLO) : VD_LIT(WORK)));
        struct answer a = read_answer(fd, &b, 5000);
        assert_int_equal(a.status, 200);
        assert_span_str(a.body, "hello");
        assert_false(has(a.head, "Connection: close"));
        assert_true(has(a.head, "Date: "));
        assert_int_equal(a.n, b.n);
    }
    close(fd);
    assert_int_equal(atomic_load(&s.app.handled), 200);
    struct vd_plane_stats st;
    vd_guest_stats(s.guest, &st);
    assert_int_equal(st.requests, 200);
    assert_int_equal(st.status[2], 200);
    stop(&s);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    (void)state;
    struct server s;
    fresh(&s);
    int fd = dial(s.port);
    VD_AUTO_BUF out = vd_buf_of(1 << 20);
    enum { N = 100 };
    for (int i = 0; i < N; i++) {
        char body[16];
        int n = snprintf(body, sizeof body, "number %d", i);
        vd_buf_printf(&out, "POST /kbs/v0/%s HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s",
                      i % 3 ? "auth" : "attest", n, body);
    }
    assert_true(put(fd, vd_buf_span(&out)));
    VD_AUTO_BUF in = vd_buf_of(1 << 20);
    size_t at = 0;
    for (int i = 0; i < N; i++) {
        struct answer a;
        while (!first_answer(vd_span_part(vd_buf_span(&in), at, in.n), false, &a))
            assert_true(get_some(fd, &in, 5000) > 0);
        char body[16];
        (void)snprintf(body, sizeof body, "number %d", i);
        assert_int_equal(a.status, 200);
        assert_span_str(a.body, body);
        at += a.n;
    }
    assert_int_equal(at, in.n);
    close(fd);
    stop(&s);
}

/* First a request that is refused, then a good one in the same write: one answer, then the end. */
static void nothing_behind_a_refusal_is_looked_at(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        vd_span first;
        int status;
    } rows[] = {
        { "head", VD_LIT("GET /kbs/v0/hello HTTP/1.1\r\n\r\n"), 400 },
        { "target", VD_LIT("GET /kbs/v0/../x HTTP/1.1\r\nHost: a\r\n\r\n"), 400 },
        { "unknown path", VD_LIT("GET /kbs/v0/nothing HTTP/1.1\r\nHost: a\r\n\r\n"), 404 },
        { "method", VD_LIT("DELETE /kbs/v0/hello HTTP/1.1\r\nHost: a\r\n\r\n"), 405 },
        { "guard, inline", VD_LIT("PUT /api/v1/inline HTTP/1.1\r\nHost: a\r\n\r\n"), 401 },
        { "guard, worker", VD_LIT("GET /api/v1/see/x HTTP/1.1\r\nHost: a\r\n\r\n"), 401 },
        { "guard, body",
          VD_LIT("POST /kbs/v0/secret/x HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"),
          401 },
        { "session",
          VD_LIT("POST /kbs/v0/session HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"),
          401 },
        { "too large",
          VD_LIT("POST /kbs/v0/auth HTTP/1.1\r\nHost: a\r\nContent-Length: 16385\r\n\r\n"), 413 },
        { "body where none is",
          VD_LIT("DELETE /kbs/v0/hello HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"),
          405 },
        { "handler", VD_LIT("GET /kbs/v0/fail HTTP/1.1\r\nHost: a\r\n\r\n"), 403 },
        { "handler, inline", VD_LIT("GET /kbs/v0/fail-inline HTTP/1.1\r\nHost: a\r\n\r\n"), 403 },
        { "guard that the program lacks",
          VD_LIT("GET /kbs/v0/unguarded HTTP/1.1\r\nHost: a\r\n\r\n"), 500 },
    };
    struct server s;
    fresh(&s);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int before = atomic_load(&s.app.handled);
        VD_AUTO_BUF both = vd_buf_of(4096), in = vd_buf_of(1 << 20);
        vd_buf_add(&both, rows[i].first);
        vd_buf_add(&both, VD_LIT(HELLO));
        int fd = dial(s.port);
        assert_true(put(fd, vd_buf_span(&both)));
        struct answer a = read_answer(fd, &in, 5000);
        if (a.status != rows[i].status || a.n != in.n || !has(a.head, "Connection: close")) {
            print_error("%s: %d\n", rows[i].name, a.status);
            fail();
        }
        assert_true(has(a.body, "\"type\":\"") && has(a.body, "\"detail\":\""));
        (void)shutdown(fd, SHUT_WR);
        assert_true(closed_within(fd, 3000));
        close(fd);
        int ran = atomic_load(&s.app.handled) - before;
        assert_int_equal(ran, rows[i].status == 403 ? 1 : 0);
    }
    stop(&s);
}

static void every_framing_error_is_refused_with_a_json_body_and_a_close(void **state)
{
    (void)state;
    struct server s;
    fresh(&s);
    size_t n = sizeof bad_rows / sizeof bad_rows[0];
    for (size_t i = 0; i < n; i++) {
        int fd = dial(s.port);
        (void)put(fd, bad_rows[i].in);
        VD_AUTO_BUF in = vd_buf_of(1 << 20);
        struct answer a = read_answer(fd, &in, 5000);
        if (a.status < 400 || a.status > 499 || a.n != in.n || !has(a.head, "Connection: close") ||
            !has(a.body, "\"type\":\"https://github.com/confidential-containers/kbs/errors/") ||
            a.body.n > 512) {
            print_error("%s: %d\n", bad_rows[i].name, a.status);
            fail();
        }
        (void)shutdown(fd, SHUT_WR);
        assert_true(closed_within(fd, 3000));
        close(fd);
    }
    assert_int_equal(atomic_load(&s.app.handled), 0);
    print_message("framing over sockets: %zu cases refused\n", n);
    stop(&s);
}

static void bytes_may_come_one_at_a_time(void **state)
{
    (void)state;
    struct server s;
    fresh(&s);
    static const vd_span requests[] = {
        VD_LIT("POST /kbs/v0/auth HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"),
        VD_LIT("POST /kbs/v0/attest HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"),
        VD_LIT("POST /kbs/v0/secret/x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer good\r\n"
               "Content-Length: 5\r\n\r\nhello"),
        VD_LIT("PUT /api/v1/inline HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer good\r\n"
               "Content-Length: 5\r\n\r\nhello"),
    };
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        int fd = dial(s.port);
        for (size_t k = 0; k < requests[i].n; k++) {
            assert_true(put(fd, vd_span_part(requests[i], k, 1)));
            if (k % 16 == 0)
                sleep_ms(1);
        }
        VD_AUTO_BUF in = vd_buf_of(1 << 20);
        struct answer a = read_answer(fd, &in, 5000);
        assert_int_equal(a.status, 200);
        assert_span_str(a.body, "hello");
        close(fd);
    }
    stop(&s);
}

static void slow_and_silent_connections_end_at_their_deadline(void **state)
{
    (void)state;
    struct server s;
    server_init(&s);
    s.limits.head_seconds = 1;
    s.limits.idle_seconds = 4;
    s.limits.request_seconds = 2;
    start(&s);
    int silent = dial(s.port), slow = dial(s.port), kept = dial(s.port), body = dial(s.port);
    int64_t t0 = now_ms();
    PUT(slow, "GET /kbs/v0/hello HTTP/1.1\r\nHo");
    PUT(kept, HELLO);
    PUT(body, "POST /kbs/v0/attest HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc");
    VD_AUTO_BUF k = vd_buf_of(1 << 20), b = vd_buf_of(1 << 20), c = vd_buf_of(1 << 20);
    assert_int_equal(read_answer(kept, &k, 5000).status, 200);
    struct answer a = read_answer(slow, &b, 5000);
    assert_int_equal(a.status, 408);
    assert_true(has(a.head, "Connection: close"));
    int64_t passed = now_ms() - t0;
    assert_true(passed >= 900 && passed < 3500);
    assert_true(closed_within(silent, 3000));
    /* The kept one still serves after a pause longer than the head's deadline, then it ends. */
    sleep_ms(300);
    PUT(kept, HELLO);
    vd_buf_reset(&k);
    assert_int_equal(read_answer(kept, &k, 5000).status, 200);
    assert_int_equal(read_answer(body, &c, 5000).status, 408);
    assert_true(closed_within(kept, 8000));
    passed = now_ms() - t0;
    assert_true(passed >= 4500);
    close(silent);
    close(slow);
    close(kept);
    close(body);
    stop(&s);
}

static void a_dripping_body_is_cut_off(void **state)
{
    (void)state;
    struct server s;
    server_init(&s);
    s.limits.body_bytes_per_second = 1000;
    start(&s);
    int fd = dial(s.port);
    PUT(fd, "POST /kbs/v0/attest HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
    int64_t t0 = now_ms();
    VD_AUTO_BUF in = vd_buf_of(1 << 20);
    while (get_some(fd, &in, 100) < 0 && now_ms() - t0 < 15000)
        (void)put(fd, VD_LIT("x"));
    int64_t passed = now_ms() - t0;
    struct answer a = read_answer(fd, &in, 1000);
    assert_int_equal(a.status, 408);
    assert_true(passed > 4500 && passed < 13000);
    close(fd);
    stop(&s);
}

static void guards_run_before_the_body_is_read(void **state)
{
    (void)state;
    struct server s;
    fresh(&s);
    static const char *const heads[] = { "POST /kbs/v0/secret/x", "PUT /api/v1/inline",
                                         "POST /kbs/v0/session" };
    for (size_t i = 0; i < 3; i++) {
        /* No body is ever sent: the refusal must come all the same, and no 100. */
        char text[256];
        int n = snprintf(
            text, sizeof text,
            "%s HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1000\r\n\r\n",
            heads[i]);
        VD_AUTO_BUF in = vd_buf_of(1 << 20);
        struct answer a = ask(s.port, vd_span_of(text, (size_t)n), &in);
        assert_int_equal(a.status, 401);
        n = snprintf(text, sizeof text,
                     "%s HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n"
                     "Cookie: kbs-session-id=1\r\nAuthorization: Bearer good\r\n\r\n",
                     heads[i]);
        int fd = dial(s.port);
        assert_true(put(fd, vd_span_of(text, (size_t)n)));
        vd_buf_reset(&in);
        a = read_answer(fd, &in, 5000);
        assert_int_equal(a.status, 100);
        assert_int_equal(a.n, in.n);
        PUT(fd, "hello");
        vd_buf_reset(&in);
        a = read_answer(fd, &in, 5000);
        assert_int_equal(a.status, 200);
        assert_span_str(a.body, "hello");
        close(fd);
    }
    assert_int_equal(atomic_load(&s.app.handled), 3);
    assert_int_equal(atomic_load(&s.app.guarded), 4);
    stop(&s);
}

static void a_body_that_came_along_needs_no_100(void **state)
{
    (void)state;
    struct server s;
    fresh(&s);
    VD_AUTO_BUF in = vd_buf_of(1 << 20);
    struct answer a =
        ask(s.port,
            VD_LIT("POST /kbs/v0/attest HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                   "Content-Length: 5\r\n\r\nhello"),
            &in);
    assert_int_equal(a.status, 200);
    assert_span_str(a.body, "hello");
    stop(&s);
}

static void the_body_limit_is_exact_and_comes_first(void **state)
{
    (void)state;
    struct server s;
    server_init(&s);
    s.limits.attest_body = 100000;
    start(&s);
    VD_AUTO_BUF out = vd_buf_of(1 << 20), in = vd_buf_of(1 << 20);
    vd_buf_str(&out, "POST /kbs/v0/attest HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
    for (int i = 0; i < 100000; i++)
        vd_buf_u8(&out, (uint8_t)i);
    struct answer a = ask(s.port, vd_buf_span(&out), &in);
    assert_int_equal(a.status, 200);
    assert_int_equal(a.body.n, 100000);
    for (size_t i = 0; i < a.body.n; i++)
        assert_int_equal(a.body.p[i], (uint8_t)i);
    vd_buf_reset(&in);
    a = ask(s.port,
            VD_LIT("POST /kbs/v0/attest HTTP/1.1\r\nHost: a\r\nContent-Length: 100001\r\n\r\n"),
            &in);
    assert_int_equal(a.status, 413);
    vd_buf_reset(&in);
    a = ask(s.port, VD_LIT("GET /kbs/v0/hello HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"),
            &in);
    assert_int_equal(a.status, 200);
    vd_buf_reset(&in);
    a = ask(s.port,
            VD_LIT("POST /kbs/v0/secret/x HTTP/1.1\r\nHost: a\r\nContent-Length: 10485761\r\n\r\n"),
            &in);
    assert_int_equal(a.status, 413);
    assert_int_equal(atomic_load(&s.app.guarded), 0);
    stop(&s);
}

static void a_large_refused_upload_still_gets_its_answer(void **state)
{
    (void)state;
    struct server s;
    fresh(&s);
    int fd = dial(s.port);
    PUT(fd, "POST /kbs/v0/attest HTTP/1.1\r\nHost: a\r\nContent-Length: 4000000\r\n\r\n");
    VD_AUTO_BUF chunk = vd_buf_of(1 << 20), in = vd_buf_of(1 << 20);
    (void)vd_buf_extend(&chunk, 100000);
    memset(chunk.p, 'x', chunk.n);
    for (int i = 0; i < 40; i++)
        assert_true(put(fd, vd_buf_span(&chunk)));
    assert_int_equal(read_answer(fd, &in, 5000).status, 413);
    close(fd);
    stop(&s);
}

static void a_post_without_length_has_an_empty_body(void **state)
{
    (void)state;
    struct server s;
    fresh(&s);
    static const vd_span requests[] = {
        VD_LIT("POST /kbs/v0/auth HTTP/1.1\r\nHost: a\r\n\r\n"),
        VD_LIT("POST /kbs/v0/attest HTTP/1.1\r\nHost: a\r\n\r\n"),
        VD_LIT("POST /kbs/v0/secret/x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer good\r\n\r\n"),
    };
    for (size_t i = 0; i < 3; i++) {
        VD_AUTO_BUF in = vd_buf_of(1 << 20);
        struct answer a = ask(s.port, requests[i], &in);
        assert_int_equal(a.status, 200);
        assert_int_equal(a.body.n, 0);
        assert_true(has(a.head, "Content-Length: 0\r\n"));
    }
    stop(&s);
}

static void a_truncated_body_never_reaches_the_handler(void **state)
{
    (void)state;
    struct server s;
    fresh(&s);
    static const char *const paths[] = { "auth", "attest", "secret/x" };
    for (size_t i = 0; i < 3; i++)
        for (int sent = 0; sent < 5; sent++) {
            char text[256];
            int n = snprintf(text, sizeof text,
                             "POST /kbs/v0/%s HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer good\r\n"
                             "Content-Length: 5\r\n\r\n%.*s",
                             paths[i], sent, "hello");
            int fd = dial(s.port);
            assert_true(put(fd, vd_span_of(text, (size_t)n)));
            (void)shutdown(fd, SHUT_WR);
            VD_AUTO_BUF in = vd_buf_of(1 << 20);
            assert_int_equal(read_answer(fd, &in, 5000).status, 400);
            close(fd);
        }
    assert_int_equal(atomic_load(&s.app.handled), 0);
    stop(&s);
}

static void a_half_closed_client_gets_its_answers(void **state)
{
    (void)state;
    struct server s;
    fresh(&s);
    int fd = dial(s.port);
    PUT(fd, WORK HELLO WORK);
    (void)shutdown(fd, SHUT_WR);
    VD_AUTO_BUF in = vd_buf_of(1 << 20);
    while (get_some(fd, &in, 5000) > 0)
        ;
    size_t at = 0, n = 0;
    struct answer a;
    for (; first_answer(vd_span_part(vd_buf_span(&in), at, in.n), false, &a); at += a.n, n++)
        assert_int_equal(a.status, 200);
    assert_int_equal(n, 3);
    close(fd);
    fd = dial(s.port);
    PUT(fd, "GET /kbs/v0/hello HT");
    (void)shutdown(fd, SHUT_WR);
    vd_buf_reset(&in);
    assert_int_equal(read_answer(fd, &in, 5000).status, 400);
    close(fd);
    stop(&s);
}

static void a_full_queue_is_503_and_others_go_on(void **state)
{
    (void)state;
    struct server s;
    server_init(&s);
    s.limits.workers = 1;
    s.limits.queue = 1;
    start(&s);
    int running = dial(s.port), waiting = dial(s.port);
    PUT(running, "GET /kbs/v0/gate HTTP/1.1\r\nHost: a\r\n\r\n");
    while (atomic_load(&s.app.running) < 1)
        sleep_ms(5);
    PUT(waiting, "GET /kbs/v0/gate HTTP/1.1\r\nHost: a\r\n\r\n");
    struct vd_plane_stats st = { 0 };
    for (int i = 0; i < 200 && st.queue < 1; i++) {
        sleep_ms(5);
        vd_guest_stats(s.guest, &st);
    }
    assert_int_equal(st.queue, 1);
    VD_AUTO_BUF in = vd_buf_of(1 << 20);
    struct answer a = ask(s.port, VD_LIT(WORK), &in);
    assert_int_equal(a.status, 503);
    assert_true(has(a.head, "Retry-After: 1\r\n"));
    vd_buf_reset(&in);
    assert_int_equal(ask(s.port, VD_LIT(HELLO), &in).status, 200);
    atomic_store(&s.app.gate, true);
    vd_buf_reset(&in);
    assert_int_equal(read_answer(running, &in, 5000).status, 200);
    vd_buf_reset(&in);
    assert_int_equal(read_answer(waiting, &in, 5000).status, 200);
    close(running);
    close(waiting);
    stop(&s);
}

static void relayed_calls_never_hold_a_worker(void **state)
{
    (void)state;
    struct server s;
    server_init(&s);
    s.limits.workers = 1;
    s.limits.relay_waiting = 3;
    start(&s);
    int fd[3];
    for (int i = 0; i < 3; i++) {
        fd[i] = dial(s.port);
        PUT(fd[i], "GET /kbs/v0/relay HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    while (atomic_load(&s.app.running) < 3)
        sleep_ms(5);
    VD_AUTO_BUF in = vd_buf_of(1 << 20);
    assert_int_equal(
        ask(s.port, VD_LIT("GET /kbs/v0/relay HTTP/1.1\r\nHost: a\r\n\r\n"), &in).status, 503);
    vd_buf_reset(&in);
    assert_int_equal(ask(s.port, VD_LIT(WORK), &in).status, 200);
    atomic_store(&s.app.gate, true);
    for (int i = 0; i < 3; i++) {
        vd_buf_reset(&in);
        assert_int_equal(read_answer(fd[i], &in, 5000).status, 200);
        close(fd[i]);
    }
    stop(&s);
}

static void bodies_share_one_budget(void **state)
{
    (void)state;
    struct server s;
    server_init(&s);
    s.limits.body_memory = 300000;
    start(&s);
    VD_AUTO_BUF out = vd_buf_of(1 << 20), in = vd_buf_of(1 << 20);
    vd_buf_str(&out, "POST /kbs/v0/attest HTTP/1.1\r\nHost: a\r\nContent-Length: 600000\r\n\r\n");
    uint8_t *p = vd_buf_extend(&out, 600000);
    assert_non_null(p);
    memset(p, 'b', 600000);
    assert_int_equal(ask(s.port, vd_buf_span(&out), &in).status, 503);
    /* What was charged came back. */
    for (int i = 0; i < 5; i++) {
        vd_buf_reset(&out);
        vd_buf_str(&out,
                   "POST /kbs/v0/attest HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n");
        p = vd_buf_extend(&out, 200000);
        assert_non_null(p);
        memset(p, 'c', 200000);
        vd_buf_reset(&in);
        assert_int_equal(ask(s.port, vd_buf_span(&out), &in).status, 200);
    }
    stop(&s);
}

static void connections_are_bounded_per_source_and_in_all(void **state)
{
    (void)state;
    for (int all = 0; all < 2; all++) {
        struct server s;
        server_init(&s);
        if (all)
            s.limits.connections = 3;
        else
            s.limits.connections_per_source = 3;
        start(&s);
        int fd[3];
        VD_AUTO_BUF in = vd_buf_of(1 << 20);
        for (int i = 0; i < 3; i++) {
            fd[i] = dial(s.port);
            PUT(fd[i], HELLO);
            vd_buf_reset(&in);
            assert_int_equal(read_answer(fd[i], &in, 5000).status, 200);
        }
        int more = dial(s.port);
        vd_buf_reset(&in);
        struct answer a = read_answer(more, &in, 5000);
        assert_int_equal(a.status, 503);
        assert_int_equal(a.n, in.n);
        assert_true(has(a.body, "\"detail\":\""));
        close(more);
        close(fd[0]);
        int status = 0;
        for (int i = 0; i < 100 && status != 200; i++) {
            sleep_ms(10);
            vd_buf_reset(&in);
            status = ask(s.port, VD_LIT(HELLO), &in).status;
        }
        assert_int_equal(status, 200);
        close(fd[1]);
        close(fd[2]);
        stop(&s);
    }
}

static void a_passport_of_80_kib_fits_into_authorization(void **state)
{
    (void)state;
    struct server s;
    fresh(&s);
    static const size_t sizes[] = { 7, 8192, 65536, 81920, 90000 };
    for (size_t i = 0; i < 5; i++) {
        VD_AUTO_BUF out = vd_buf_of(1 << 20), in = vd_buf_of(1 << 20);
        vd_buf_str(&out, "GET /kbs/v0/see/x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ");
        for (size_t k = 7; k < sizes[i]; k++)
            vd_buf_u8(&out, 'e');
        vd_buf_str(&out, "\r\n\r\n");
        struct answer a = ask(s.port, vd_buf_span(&out), &in);
        assert_int_equal(a.status, sizes[i] > 81920 ? 431 : 200);
        char want[32];
        (void)snprintf(want, sizeof want, "|%zu|0|0", sizes[i] == 7 ? 6 : sizes[i]);
        if (a.status == 200)
            assert_true(has(a.body, want));
    }
    stop(&s);
}

static void handlers_see_the_same_on_both_lanes(void **state)
{
    (void)state;
    struct server s;
    fresh(&s);
    VD_AUTO_BUF in = vd_buf_of(1 << 20);
    struct answer a = ask(s.port,
                          VD_LIT("GET //kbs/v0/see/abc?q=1 HTTP/1.1\r\nHost: a\r\n"
                                 "Cookie: kbs-session-id=xyz\r\n\r\n"),
                          &in);
    assert_span_str(a.body, "GET|/kbs/v0/see/abc|q=1|xyz|127.0.0.1||/kbs/v0/see/{x}|0|0|0");
    vd_buf_reset(&in);
    a = ask(s.port,
            VD_LIT("GET //kbs/v0/resource//r/t/g?q=1 HTTP/1.1\r\nHost: a\r\n"
                   "Cookie: kbs-session-id=xyz\r\n\r\n"),
            &in);
    assert_span_str(
        a.body, "GET|/kbs/v0/resource/r/t/g|q=1|xyz|127.0.0.1||/kbs/v0/resource/{a}/{b}/{c}|0|0|0");
    vd_buf_reset(&in);
    a = ask(s.port,
            VD_LIT("GET /api/v1/see/a/b HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer good\r\n\r\n"),
            &in);
    assert_span_str(a.body, "GET|/api/v1/see/a/b|||127.0.0.1|alice|/api/v1/see/*|11|0|0");
    stop(&s);
}

static void head_is_405_without_a_body_and_http_1_0_closes(void **state)
{
    (void)state;
    struct server s;
    fresh(&s);
    int fd = dial(s.port);
    PUT(fd, "HEAD /kbs/v0/hello HTTP/1.1\r\nHost: a\r\n\r\n");
    VD_AUTO_BUF in = vd_buf_of(1 << 20);
    while (get_some(fd, &in, 500) > 0)
        ;
    struct answer a;
    assert_true(first_answer(vd_buf_span(&in), true, &a));
    assert_int_equal(a.status, 405);
    assert_true(has(a.head, "Allow: GET\r\n"));
    assert_int_equal(a.n, in.n);
    close(fd);
    fd = dial(s.port);
    PUT(fd, "GET /kbs/v0/hello HTTP/1.0\r\n\r\n");
    vd_buf_reset(&in);
    a = read_answer(fd, &in, 5000);
    assert_int_equal(a.status, 200);
    assert_true(has(a.head, "Connection: close"));
    assert_true(closed_within(fd, 1000));
    close(fd);
    stop(&s);
}

static void a_slow_reader_gets_all_of_a_large_answer(void **state)
{
    (void)state;
    struct server s;
    fresh(&s);
    int fd = dial(s.port);
    PUT(fd, "GET /kbs/v0/big HTTP/1.1\r\nHost: a\r\n\r\n" HELLO);
    sleep_ms(300);
    VD_AUTO_BUF in = vd_buf_of(16 << 20);
    struct answer a;
    while (!first_answer(vd_buf_span(&in), false, &a)) {
        assert_true(get_some(fd, &in, 5000) > 0);
        if (in.n < 1000000)
            sleep_ms(5);
    }
    assert_int_equal(a.body.n, 8u << 20);
    for (size_t i = 0; i < a.body.n; i++)
        if (a.body.p[i] != (uint8_t)(i * 7 + (i >> 12)))
            fail();
    size_t at = a.n;
    while (!first_answer(vd_span_part(vd_buf_span(&in), at, in.n), false, &a))
        assert_true(get_some(fd, &in, 5000) > 0);
    assert_span_str(a.body, "hello");
    close(fd);
    /* One who leaves in the middle harms nobody. */
    fd = dial(s.port);
    PUT(fd, "GET /kbs/v0/big HTTP/1.1\r\nHost: a\r\n\r\n");
    sleep_ms(50);
    close(fd);
    vd_buf_reset(&in);
    assert_int_equal(ask(s.port, VD_LIT(HELLO), &in).status, 200);
    stop(&s);
}

static void good_traffic_goes_on_beside_500_half_open_requests(void **state)
{
    (void)state;
    struct server s;
    fresh(&s);
    enum { IDLE = 500 };
    static int idle[IDLE];
    for (int i = 0; i < IDLE; i++) {
        idle[i] = dial(s.port);
        (void)put(idle[i], VD_LIT("POST /kbs/v0/auth HTTP/1.1\r\nHost: a\r\nContent-Le"));
    }
    int64_t worst = 0, t0 = now_ms();
    int served = 0;
    int fd = dial(s.port);
    while (now_ms() - t0 < 1500) {
        VD_AUTO_BUF in = vd_buf_of(1 << 20);
        int64_t t = now_ms();
        assert_true(put(fd, served & 1 ? VD_LIT(WORK) : VD_LIT(HELLO)));
        assert_int_equal(read_answer(fd, &in, 5000).status, 200);
        served++;
        if (now_ms() - t > worst)
            worst = now_ms() - t;
    }
    struct vd_plane_stats st;
    vd_guest_stats(s.guest, &st);
    assert_int_equal(st.connections_open, IDLE + 1);
    print_message("beside %d half-open requests: %d served, slowest %lld ms\n", IDLE, served,
                  (long long)worst);
    assert_true(served > 100 && worst < 2000);
    for (int i = 0; i < IDLE; i++)
        close(idle[i]);
    close(fd);
    stop(&s);
}

static void *stop_it(void *arg)
{
    vd_guest_stop(arg);
    return NULL;
}

static void a_stop_lets_running_requests_finish(void **state)
{
    (void)state;
    struct server s;
    fresh(&s);
    int running = dial(s.port), idle = dial(s.port);
    PUT(running, "GET /kbs/v0/gate HTTP/1.1\r\nHost: a\r\n\r\n");
    PUT(idle, HELLO);
    VD_AUTO_BUF in = vd_buf_of(1 << 20);
    assert_int_equal(read_answer(idle, &in, 5000).status, 200);
    while (atomic_load(&s.app.running) < 1)
        sleep_ms(5);
    pthread_t t;
    assert_int_equal(pthread_create(&t, NULL, stop_it, s.guest), 0);
    assert_true(closed_within(idle, 2000));
    /* Another loop holds the listener, and it may get there later than the one of `idle`. */
    struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(s.port) };
    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bool refused = false;
    for (int i = 0; i < 500 && !refused; i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        refused = connect(fd, (struct sockaddr *)&sa, sizeof sa) != 0;
        close(fd);
        if (!refused)
            sleep_ms(10);
    }
    assert_true(refused);
    atomic_store(&s.app.gate, true);
    vd_buf_reset(&in);
    struct answer a = read_answer(running, &in, 5000);
    assert_int_equal(a.status, 200);
    assert_true(has(a.head, "Connection: close"));
    assert_int_equal(pthread_join(t, NULL), 0);
    close(running);
    close(idle);
}

static void a_client_that_leaves_does_not_disturb_its_handler(void **state)
{
    (void)state;
    struct server s;
    fresh(&s);
    for (int i = 0; i < 4; i++) {
        int fd = dial(s.port);
        PUT(fd, "GET /kbs/v0/gate HTTP/1.1\r\nHost: a\r\n\r\n");
        while (atomic_load(&s.app.running) < i + 1)
            sleep_ms(2);
        const struct linger now = { 1, 0 };
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        close(fd);
    }
    sleep_ms(100);
    atomic_store(&s.app.gate, true);
    VD_AUTO_BUF in = vd_buf_of(1 << 20);
    assert_int_equal(ask(s.port, VD_LIT(WORK), &in).status, 200);
    stop(&s);
}

static void log_lines_tell_the_outcome_and_no_secret(void **state)
{
    (void)state;
    struct server s;
    server_init(&s);
    VD_AUTO(fclose) FILE *f = tmpfile();
    assert_non_null(f);
    s.cfg.log = vd_log_new(fileno(f), VD_LOG_DEBUG, VD_LOG_LOGFMT, vd_clock_real());
    start(&s);
    VD_AUTO_BUF in = vd_buf_of(1 << 20);
    assert_int_equal(ask(s.port,
                         VD_LIT("GET /api/v1/see/secret-name?q=secret-query HTTP/1.1\r\nHost: a\r\n"
                                "Authorization: Bearer secret-token\r\n"
                                "Cookie: kbs-session-id=secret-cookie\r\n\r\n"),
                         &in)
                         .status,
                     401);
    vd_buf_reset(&in);
    assert_int_equal(
        ask(s.port,
            VD_LIT("POST /kbs/v0/auth HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n"
                   "secret-body"),
            &in)
            .status,
        200);
    stop(&s);
    vd_log_free(s.cfg.log);
    VD_AUTO_BUF log = vd_buf_of(1 << 16);
    uint8_t *at = vd_buf_reserve(&log, 32768);
    rewind(f);
    log.n = fread(at, 1, 32768, f);
    vd_span text = vd_buf_span(&log);
    assert_false(has(text, "secret-"));
    assert_true(has(text, "level=\"info\"") && has(text, "slug=\"admin.token-refused\""));
    assert_true(has(text, "route=\"/api/v1/see/*\"") && has(text, "status=\"401\"") &&
                has(text, "request=\""));
    assert_true(has(text, "level=\"debug\"") && has(text, "status=\"200\""));
}

static void bad_configuration_stops_the_start(void **state)
{
    (void)state;
    struct server s, t;
    fresh(&s);
    static const char *const listen[] = { "127.0.0.1", "localhost:80", "256.0.0.1:80", ":80", "" };
    for (size_t i = 0; i < 5; i++) {
        server_init(&t);
        t.cfg.listen = listen[i];
        vd_err err = { 0 };
        assert_rc(VD_E_CONFIG, vd_guest_start(&t.cfg, &t.guest, &err));
    }
    server_init(&t);
    char taken[32];
    (void)snprintf(taken, sizeof taken, "127.0.0.1:%u", (unsigned)s.port);
    t.cfg.listen = taken;
    vd_err err = { 0 };
    assert_rc(VD_E_CONFIG, vd_guest_start(&t.cfg, &t.guest, &err));
    assert_non_null(strstr(err.msg, "in use"));
    stop(&s);
}

int main(void)
{
    vd_err err = { 0 };
    if (vd_base_init(&err).code != VD_E_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_is_kept),
        cmocka_unit_test(pipelined_requests_are_answered_in_order),
        cmocka_unit_test(nothing_behind_a_refusal_is_looked_at),
        cmocka_unit_test(every_framing_error_is_refused_with_a_json_body_and_a_close),
        cmocka_unit_test(bytes_may_come_one_at_a_time),
        cmocka_unit_test(slow_and_silent_connections_end_at_their_deadline),
        cmocka_unit_test(a_dripping_body_is_cut_off),
        cmocka_unit_test(guards_run_before_the_body_is_read),
        cmocka_unit_test(a_body_that_came_along_needs_no_100),
        cmocka_unit_test(the_body_limit_is_exact_and_comes_first),
        cmocka_unit_test(a_large_refused_upload_still_gets_its_answer),
        cmocka_unit_test(a_post_without_length_has_an_empty_body),
        cmocka_unit_test(a_truncated_body_never_reaches_the_handler),
        cmocka_unit_test(a_half_closed_client_gets_its_answers),
        cmocka_unit_test(a_full_queue_is_503_and_others_go_on),
        cmocka_unit_test(relayed_calls_never_hold_a_worker),
        cmocka_unit_test(bodies_share_one_budget),
        cmocka_unit_test(connections_are_bounded_per_source_and_in_all),
        cmocka_unit_test(a_passport_of_80_kib_fits_into_authorization),
        cmocka_unit_test(handlers_see_the_same_on_both_lanes),
        cmocka_unit_test(head_is_405_without_a_body_and_http_1_0_closes),
        cmocka_unit_test(a_slow_reader_gets_all_of_a_large_answer),
        cmocka_unit_test(good_traffic_goes_on_beside_500_half_open_requests),
        cmocka_unit_test(a_stop_lets_running_requests_finish),
        cmocka_unit_test(a_client_that_leaves_does_not_disturb_its_handler),
        cmocka_unit_test(log_lines_tell_the_outcome_and_no_secret),
        cmocka_unit_test(bad_configuration_stops_the_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
