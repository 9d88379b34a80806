/* The outgoing client against a scripted server and against the guest plane over TLS. */
#include "tests/support/support.h"

#include "tests/unit/shared/http/net.h"

struct script {
    int listener;
    uint16_t port;
    pthread_t thread;
    atomic_bool stop;
    atomic_int requests;
    vd_buf last; /* head of the last request; read after its answer only */
    pthread_mutex_t lock;
};

static void send_text(int fd, const char *text)
{
    (void)put(fd, vd_span_str(text));
}

static void repeat(int fd, const char *text, size_t n)
{
    for (size_t i = 0; i < n && put(fd, vd_span_str(text)); i++)
        ;
}

/* One answer a path. */
static void play(struct script *s, int fd, const char *path)
{
    char text[256];
    if (strcmp(path, "/ok") == 0)
        send_text(
            fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Test:  value \r\nETag: \"1\"\r\n\r\nok");
    else if (strcmp(path, "/404") == 0)
        send_text(fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnope");
    else if (strcmp(path, "/100") == 0)
        send_text(fd, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nX-Test: "
                      "second\r\nContent-Length: 2\r\n\r\nok");
    else if (strcmp(path, "/redirect") == 0)
        send_text(fd, "HTTP/1.1 302 Found\r\nLocation: /ok\r\nX-Test: first\r\nContent-Length: "
                      "5\r\n\r\nmoved");
    else if (strcmp(path, "/loop") == 0)
        send_text(fd, "HTTP/1.1 302 Found\r\nLocation: /loop\r\nContent-Length: 0\r\n\r\n");
    else if (strcmp(path, "/file") == 0)
        send_text(
            fd,
            "HTTP/1.1 302 Found\r\nLocation: file:///etc/hostname\r\nContent-Length: 0\r\n\r\n");
    else if (strcmp(path, "/gopher") == 0)
        send_text(
            fd, "HTTP/1.1 302 Found\r\nLocation: gopher://127.0.0.1/\r\nContent-Length: 0\r\n\r\n");
    else if (strcmp(path, "/large") == 0) {
        send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n");
        repeat(fd, "0123456789abcdef", 65536);
    } else if (strcmp(path, "/endless") == 0) {
        send_text(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        repeat(fd, "10\r\n0123456789abcdef\r\n", 65536);
    } else if (strcmp(path, "/until-close") == 0) {
        send_text(fd, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
        repeat(fd, "0123456789abcdef", 65536);
    } else if (strcmp(path, "/cut") == 0) {
        send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this");
        (void)shutdown(fd, SHUT_RDWR);
    } else if (strcmp(path, "/cut-chunk") == 0) {
        send_text(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n0123");
        (void)shutdown(fd, SHUT_RDWR);
    } else if (strcmp(path, "/garbage") == 0)
        send_text(fd, "what?\r\n\r\n");
    else if (strcmp(path, "/head") == 0) {
        send_text(fd, "HTTP/1.1 200 OK\r\n");
        repeat(
            fd,
            "X-Filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n",
            4096);
    } else if (strcmp(path, "/drip") == 0) {
        send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
        for (int i = 0; i < 100 && !atomic_load(&s->stop) && put(fd, VD_LIT("x")); i++)
            sleep_ms(50);
    } else if (strcmp(path, "/hang") == 0) {
        for (int i = 0; i < 100 && !atomic_load(&s->stop); i++)
            sleep_ms(50);
    } else {
        (void)snprintf(text, sizeof text, "HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n");
        send_text(fd, text);
    }
}

static void serve(struct script *s, int fd)
{
    VD_AUTO_BUF in = vd_buf_of(1 << 20);
    while (!atomic_load(&s->stop)) {
        vd_buf_reset(&in);
        while (!has(vd_buf_span(&in), "\r\n\r\n"))
            if (get_some(fd, &in, 200) == 0 || atomic_load(&s->stop))
                return;
        char path[64] = "";
        vd_span line = vd_buf_span(&in);
        size_t sp = vd_span_find(line, ' ');
        vd_span rest = vd_span_part(line, sp + 1, line.n);
        (void)snprintf(path, sizeof path, "%.*s", (int)vd_span_find(rest, ' '),
                       (const char *)rest.p);
        (void)pthread_mutex_lock(&s->lock);
        vd_buf_reset(&s->last);
        vd_buf_add(&s->last, vd_buf_span(&in));
        (void)pthread_mutex_unlock(&s->lock);
        atomic_fetch_add(&s->requests, 1);
        play(s, fd, path);
        if (strcmp(path, "/until-close") == 0)
            return;
    }
}

static void *script_thread(void *arg)
{
    struct script *s = arg;
    while (!atomic_load(&s->stop)) {
        struct pollfd p = { .fd = s->listener, .events = POLLIN };
        if (poll(&p, 1, 100) <= 0)
            continue;
        int fd = accept(s->listener, NULL, NULL);
        if (fd < 0)
            continue;
        serve(s, fd);
        close(fd);
    }
    return NULL;
}

static void script_start(struct script *s)
{
    *s = (struct script){ .last = vd_buf_of(1 << 20) };
    (void)pthread_mutex_init(&s->lock, NULL);
    s->listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in sa = { .sin_family = AF_INET };
    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t n = sizeof sa;
    assert_int_equal(bind(s->listener, (struct sockaddr *)&sa, sizeof sa), 0);
    assert_int_equal(listen(s->listener, 16), 0);
    assert_int_equal(getsockname(s->listener, (struct sockaddr *)&sa, &n), 0);
    s->port = ntohs(sa.sin_port);
    assert_int_equal(pthread_create(&s->thread, NULL, script_thread, s), 0);
}

static void script_stop(struct script *s)
{
    atomic_store(&s->stop, true);
    (void)pthread_join(s->thread, NULL);
    close(s->listener);
    vd_buf_done(&s->last);
    (void)pthread_mutex_destroy(&s->lock);
}

static vd_code get(uint16_t port, const char *path, unsigned redirects, struct vd_answer *a,
                   vd_err *err)
{
    VD_AUTO(vd_client_free) struct vd_client *c = NULL;
    vd_err_clear(err);
    assert_ok(vd_client_new(&(struct vd_client_cfg){ 0 }, &c, err));
    char url[128];
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u%s", (unsigned)port, path);
    const struct vd_call call = {
        .method = "GET", .url = url, .seconds = 1, .max_bytes = 1000, .redirects = redirects
    };
    return vd_client_call(c, &call, a, err).code;
}

static void every_limit_holds(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        unsigned redirects;
        vd_code want;
        int status;
    } rows[] = {
        { "/ok", 0, VD_E_OK, 200 },           { "/404", 0, VD_E_OK, 404 },
        { "/100", 0, VD_E_OK, 200 },          { "/redirect", 0, VD_E_OK, 302 },
        { "/redirect", 1, VD_E_OK, 200 },     { "/loop", 3, VD_E_REMOTE, 0 },
        { "/file", 3, VD_E_REMOTE, 0 },       { "/gopher", 3, VD_E_REMOTE, 0 },
        { "/file", 0, VD_E_OK, 302 },         { "/large", 0, VD_E_TOO_LARGE, 0 },
        { "/endless", 0, VD_E_TOO_LARGE, 0 }, { "/until-close", 0, VD_E_TOO_LARGE, 0 },
        { "/cut", 0, VD_E_REMOTE, 0 },        { "/cut-chunk", 0, VD_E_REMOTE, 0 },
        { "/garbage", 0, VD_E_REMOTE, 0 },    { "/head", 0, VD_E_TOO_LARGE, 0 },
        { "/drip", 0, VD_E_TIMEOUT, 0 },      { "/hang", 0, VD_E_TIMEOUT, 0 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct script s;
        script_start(&s);
        struct vd_answer a = { 0 };
        vd_err err = { 0 };
        int64_t t = now_ms();
        vd_code got = get(s.port, rows[i].path, rows[i].redirects, &a, &err);
        if (got != rows[i].want || a.status != rows[i].status || now_ms() - t > 3000) {
            print_error("%s, %u redirects: %d, status %d, %s\n", rows[i].path, rows[i].redirects,
                        (int)got, a.status, err.msg);
            fail();
        }
        vd_answer_done(&a);
        script_stop(&s);
    }
}

static void only_the_last_answer_counts(void **state)
{
    (void)state;
    struct script s;
    script_start(&s);
    struct vd_answer a = { 0 };
    vd_err err = { 0 };
    assert_int_equal(get(s.port, "/ok", 0, &a, &err), VD_E_OK);
    assert_span_str(vd_buf_span(&a.body), "ok");
    assert_span_str(vd_answer_field(&a, "x-test"), "value");
    assert_span_str(vd_answer_field(&a, "ETag"), "\"1\"");
    assert_int_equal(vd_answer_field(&a, "X-None").n, 0);
    vd_answer_done(&a);
    assert_int_equal(get(s.port, "/redirect", 1, &a, &err), VD_E_OK);
    assert_span_str(vd_buf_span(&a.body), "ok");
    assert_span_str(vd_answer_field(&a, "X-Test"), "value");
    vd_answer_done(&a);
    assert_int_equal(get(s.port, "/100", 0, &a, &err), VD_E_OK);
    assert_span_str(vd_answer_field(&a, "X-Test"), "second");
    vd_answer_done(&a);
    script_stop(&s);
}

static void refused_connections_and_urls_are_remote_errors(void **state)
{
    (void)state;
    VD_AUTO(vd_client_free) struct vd_client *c = NULL;
    vd_err err = { 0 };
    assert_ok(vd_client_new(&(struct vd_client_cfg){ 0 }, &c, &err));
    static const char *const urls[] = { "http://127.0.0.1:1/",
                                        "file:///etc/hostname",
                                        "ftp://127.0.0.1/",
                                        "gopher://127.0.0.1/",
                                        "http://",
                                        "https://127.0.0.1:1/",
                                        "nonsense://x",
                                        "http://name.invalid/" };
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        struct vd_answer a = { 0 };
        const struct vd_call call = {
            .method = "GET", .url = urls[i], .seconds = 3, .max_bytes = 1000
        };
        vd_err_clear(&err);
        assert_rc(VD_E_REMOTE, vd_client_call(c, &call, &a, &err));
        assert_non_null(strstr(err.msg, urls[i]));
        assert_null(a.body.p);
    }
    struct vd_answer a = { 0 };
    const struct vd_call unlimited[] = {
        { .method = "GET", .url = "http://127.0.0.1/", .max_bytes = 1 },
        { .method = "GET", .url = "http://127.0.0.1/", .seconds = 1 },
    };
    for (size_t i = 0; i < 2; i++) {
        vd_err_clear(&err);
        assert_rc(VD_E_INTERNAL, vd_client_call(c, &unlimited[i], &a, &err));
    }
}

static void requests_carry_what_was_asked_and_connections_are_kept(void **state)
{
    (void)state;
    struct script s;
    script_start(&s);
    VD_AUTO(vd_client_free) struct vd_client *c = NULL;
    vd_err err = { 0 };
    assert_ok(vd_client_new(&(struct vd_client_cfg){ .user_agent = "test/1" }, &c, &err));
    char url[64];
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/ok", (unsigned)s.port);
    static const char *const fields[] = { "Authorization: Bearer abc", "If-None-Match: *", NULL };
    /* An environment of somebody else must not redirect attestation. */
    (void)setenv("http_proxy", "http://127.0.0.1:1", 1);
    for (int i = 0; i < 3; i++) {
        struct vd_answer a = { 0 };
        const struct vd_call call = {
            .method = "GET", .url = url, .field = fields, .seconds = 3, .max_bytes = 1000
        };
        assert_ok(vd_client_call(c, &call, &a, &err));
        vd_answer_done(&a);
    }
    (void)unsetenv("http_proxy");
    (void)pthread_mutex_lock(&s.lock);
    vd_span head = vd_buf_span(&s.last);
    assert_true(has(head, "GET /ok HTTP/1.1\r\n") && has(head, "Authorization: Bearer abc\r\n"));
    assert_true(has(head, "If-None-Match: *\r\n") && has(head, "User-Agent: test/1\r\n"));
    assert_false(has(head, "Expect"));
    (void)pthread_mutex_unlock(&s.lock);
    assert_int_equal(atomic_load(&s.requests), 3);
    static const char *const split[] = { "X: a\r\nY: b", NULL };
    struct vd_answer a = { 0 };
    const struct vd_call bad = {
        .method = "GET", .url = url, .field = split, .seconds = 3, .max_bytes = 1000
    };
    assert_rc(VD_E_INTERNAL, vd_client_call(c, &bad, &a, &err));
    script_stop(&s);
}

static void bodies_and_methods_arrive(void **state)
{
    (void)state;
    struct server s;
    vd_err err = { 0 };
    server_init(&s);
    assert_ok(vd_guest_start(&s.cfg, &s.guest, &err));
    VD_AUTO(vd_client_free) struct vd_client *c = NULL;
    assert_ok(vd_client_new(&(struct vd_client_cfg){ 0 }, &c, &err));
    char url[64];
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/api/v1/inline",
                   (unsigned)vd_guest_port(s.guest));
    static const char *const fields[] = { "Authorization: Bearer good", NULL };
    static const char *const bodies[] = { "", "hello", "a longer body with \xff bytes" };
    for (size_t i = 0; i < 3; i++) {
        struct vd_answer a = { 0 };
        const struct vd_call call = { .method = "PUT",
                                      .url = url,
                                      .field = fields,
                                      .body = vd_span_str(bodies[i]),
                                      .has_body = true,
                                      .seconds = 3,
                                      .max_bytes = 1000 };
        assert_ok(vd_client_call(c, &call, &a, &err));
        assert_int_equal(a.status, 200);
        assert_span_str(vd_buf_span(&a.body), bodies[i]);
        vd_answer_done(&a);
    }
    struct vd_answer a = { 0 };
    const struct vd_call del = { .method = "DELETE", .url = url, .seconds = 3, .max_bytes = 1000 };
    assert_ok(vd_client_call(c, &del, &a, &err));
    assert_int_equal(a.status, 405);
    assert_span_str(vd_answer_field(&a, "allow"), "PUT");
    vd_answer_done(&a);
    vd_guest_stop(s.guest);
}

static void tls_is_verified(void **state)
{
    (void)state;
    char *dir = vd_test_dir("client"), *cert[3], *key[3];
    make_certificate(dir, "right", &cert[0], &key[0]);
    make_certificate(dir, "other", &cert[1], &key[1]);
    make_certificate_for(dir, "elsewhere", "DNS:kbs.example,IP:10.0.0.1", &cert[2], &key[2]);
    const struct {
        int server;
        const char *ca;
        vd_code want;
    } rows[] = {
        { 0, cert[0], VD_E_OK },
        { 0, cert[1], VD_E_REMOTE },
        { 0, NULL, VD_E_REMOTE },
        { 2, cert[2], VD_E_REMOTE },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct server s;
        vd_err err = { 0 };
        server_init(&s);
        s.cfg.tls_cert = cert[rows[i].server];
        s.cfg.tls_key = key[rows[i].server];
        assert_ok(vd_guest_start(&s.cfg, &s.guest, &err));
        VD_AUTO(vd_client_free) struct vd_client *c = NULL;
        assert_ok(vd_client_new(&(struct vd_client_cfg){ .ca_file = rows[i].ca }, &c, &err));
        char url[64];
        (void)snprintf(url, sizeof url, "https://127.0.0.1:%u/kbs/v0/hello",
                       (unsigned)vd_guest_port(s.guest));
        struct vd_answer a = { 0 };
        const struct vd_call call = {
            .method = "GET", .url = url, .seconds = 5, .max_bytes = 1000
        };
        vd_code got = vd_client_call(c, &call, &a, &err).code;
        if (got != rows[i].want) {
            print_error("row %zu: %s\n", i, err.msg);
            fail();
        }
        vd_answer_done(&a);
        vd_guest_stop(s.guest);
    }
    vd_err err = { 0 };
    struct vd_client *none = NULL;
    assert_rc(VD_E_FILE, vd_client_new(&(struct vd_client_cfg){ .ca_file = "/nonexistent/ca.pem" },
                                       &none, &err));
    for (int i = 0; i < 3; i++) {
        free(cert[i]);
        free(key[i]);
    }
    free(dir);
}

int main(void)
{
    vd_err err = { 0 };
    if (vd_base_init(&err).code != VD_E_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_limit_holds),
        cmocka_unit_test(only_the_last_answer_counts),
        cmocka_unit_test(refused_connections_and_urls_are_remote_errors),
        cmocka_unit_test(requests_carry_what_was_asked_and_connections_are_kept),
        cmocka_unit_test(bodies_and_methods_arrive),
        cmocka_unit_test(tls_is_verified),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
