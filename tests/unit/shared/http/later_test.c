/* Answers that wait for something outside while no thread does (struct vd_later). */
#include "tests/support/support.h"

#include "tests/unit/shared/http/net.h"

static void start(struct server *s, unsigned workers)
{
    vd_err err = { 0 };
    server_init(s);
    s->limits.workers = workers;
    assert_ok(vd_guest_start(&s->cfg, &s->guest, &err));
    s->port = vd_guest_port(s->guest);
}

static void stop(struct server *s)
{
    atomic_store(&s->app.gate, true);
    vd_guest_stop(s->guest);
    assert_int_equal(atomic_load(&s->app.freed),
                     atomic_load(&s->app.finished)); /* each once, and none is left */
}

static void check(const struct answer *a, const char *name, bool good)
{
    bool ok = good ? a->status == 200 && has(a->head, "X-Early: yes") &&
                         has(a->head, "X-Came: yes") && vd_span_eq_str(a->body, "kept back")
                   : a->status == 503 && !has(a->head, "X-") && !has(a->body, "kept back") &&
                         has(a->body, "\"detail\":\"");
    if (!ok)
        print_error("%s: %d %.*s\n", name, a->status, (int)a->body.n, (const char *)a->body.p);
    assert_true(ok);
}

static const struct {
    const char *how;
    bool good;
} rows[] = { { "now", true }, { "soon", true }, { "never", false } };

static void an_answer_leaves_when_what_it_waits_for_has_come(void **state)
{
    (void)state;
    struct server s;
    start(&s, 2);
    for (unsigned lane = 0; lane < 2; lane++)
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            VD_AUTO_BUF out = vd_buf_of(4096), in = vd_buf_of(1 << 20);
            vd_buf_printf(&out, "GET /kbs/v0/later%s/%s HTTP/1.1\r\nHost: a\r\n\r\n",
                          lane ? "-inline" : "", rows[i].how);
            struct answer a = ask(s.port, vd_buf_span(&out), &in);
            check(&a, rows[i].how, rows[i].good);
        }
    assert_int_equal(atomic_load(&s.app.finished), 6);
    stop(&s);
}

static void a_handler_that_fails_waits_for_nothing(void **state)
{
    (void)state;
    struct server s;
    start(&s, 2);
    VD_AUTO_BUF in = vd_buf_of(1 << 20);
    struct answer a =
        ask(s.port, VD_LIT("GET /kbs/v0/later/fail HTTP/1.1\r\nHost: a\r\n\r\n"), &in);
    assert_int_equal(a.status, 403);
    assert_false(has(a.body, "kept back"));
    assert_int_equal(atomic_load(&s.app.running), 0);
    assert_int_equal(atomic_load(&s.app.freed), 1);
    assert_int_equal(atomic_load(&s.app.finished), 0);
    vd_guest_stop(s.guest);
}

static void one_worker_serves_while_hundred_answers_wait(void **state)
{
    (void)state;
    enum { N = 100 };
    struct server s;
    int fd[N];
    start(&s, 1);
    for (int i = 0; i < N; i++) {
        fd[i] = dial(s.port);
        PUT(fd[i], "GET /kbs/v0/later/gate HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    while (atomic_load(&s.app.running) < N)
        sleep_ms(5);
    VD_AUTO_BUF in = vd_buf_of(1 << 20);
    struct answer a = ask(s.port, VD_LIT("GET /kbs/v0/work HTTP/1.1\r\nHost: a\r\n\r\n"), &in);
    assert_int_equal(a.status, 200);
    atomic_store(&s.app.gate, true);
    for (int i = 0; i < N; i++) {
        vd_buf_reset(&in);
        a = read_answer(fd[i], &in, 10000);
        check(&a, "gate", true);
        close(fd[i]);
    }
    stop(&s);
}

static void a_client_that_left_changes_nothing(void **state)
{
    (void)state;
    struct server s;
    start(&s, 1);
    for (int i = 0; i < 4; i++) {
        int fd = dial(s.port);
        PUT(fd, "GET /kbs/v0/later/gate HTTP/1.1\r\nHost: a\r\n\r\n");
        while (atomic_load(&s.app.running) < i + 1)
            sleep_ms(2);
        const struct linger now = { 1, 0 };
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        close(fd);
    }
    sleep_ms(50);
    assert_int_equal(atomic_load(&s.app.finished), 0);
    atomic_store(&s.app.gate, true);
    while (atomic_load(&s.app.finished) < 4)
        sleep_ms(2);
    stop(&s);
}

static void *open_gate(void *arg)
{
    struct app *app = arg;
    sleep_ms(300);
    atomic_store(&app->gate, true);
    return NULL;
}

static void a_stop_lets_waiting_answers_leave(void **state)
{
    (void)state;
    struct server s;
    start(&s, 1);
    int fd = dial(s.port);
    PUT(fd, "GET /kbs/v0/later/gate HTTP/1.1\r\nHost: a\r\n\r\n");
    while (atomic_load(&s.app.running) < 1)
        sleep_ms(2);
    pthread_t t;
    assert_int_equal(pthread_create(&t, NULL, open_gate, &s.app), 0);
    vd_guest_stop(s.guest);
    VD_AUTO_BUF in = vd_buf_of(1 << 20);
    struct answer a = read_answer(fd, &in, 5000);
    check(&a, "gate", true);
    assert_true(has(a.head, "Connection: close"));
    close(fd);
    assert_int_equal(pthread_join(t, NULL), 0);
    assert_int_equal(atomic_load(&s.app.freed), 1);
}

static void the_admin_plane_waits_too(void **state)
{
    (void)state;
    struct server s;
    vd_err err = { 0 };
    server_init(&s);
    assert_ok(vd_admin_start(&s.cfg, &s.admin, &err));
    s.port = vd_admin_port(s.admin);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        VD_AUTO_BUF out = vd_buf_of(4096), in = vd_buf_of(1 << 20);
        vd_buf_printf(&out, "GET /kbs/v0/later/%s HTTP/1.1\r\nHost: a\r\n\r\n", rows[i].how);
        struct answer a = ask(s.port, vd_buf_span(&out), &in);
        check(&a, rows[i].how, rows[i].good);
    }
    vd_admin_stop(s.admin);
    assert_int_equal(atomic_load(&s.app.freed), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_leaves_when_what_it_waits_for_has_come),
        cmocka_unit_test(a_handler_that_fails_waits_for_nothing),
        cmocka_unit_test(one_worker_serves_while_hundred_answers_wait),
        cmocka_unit_test(a_client_that_left_changes_nothing),
        cmocka_unit_test(a_stop_lets_waiting_answers_leave),
        cmocka_unit_test(the_admin_plane_waits_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
