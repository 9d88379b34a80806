/* TLS on both planes: versions, ALPN, reload without dropping anybody, bad files. */
#include "tests/support/support.h"

#include <openssl/ssl.h>
#include <sys/stat.h>

#include "tests/unit/shared/http/net.h"

struct files {
    char *dir;
    char *cert[2], *key[2];     /* two pairs */
    char *live_cert, *live_key; /* what the server is configured with */
};

static void copy_file(const char *from, const char *to)
{
    char tmp[600];
    (void)snprintf(tmp, sizeof tmp, "%s.new", to);
    FILE *in = fopen(from, "rb"), *out = fopen(tmp, "wb");
    assert_non_null(in);
    assert_non_null(out);
    (void)fchmod(fileno(out), 0600);
    char buf[8192];
    size_t n = fread(buf, 1, sizeof buf, in);
    assert_int_equal(fwrite(buf, 1, n, out), n);
    (void)fclose(in);
    (void)fclose(out);
    assert_int_equal(rename(tmp, to), 0);
}

static void use_pair(const struct files *f, int i)
{
    copy_file(f->cert[i], f->live_cert);
    copy_file(f->key[i], f->live_key);
}

static void make_files(struct files *f)
{
    char path[600];
    f->dir = vd_test_dir("tls");
    make_certificate(f->dir, "first", &f->cert[0], &f->key[0]);
    make_certificate(f->dir, "second", &f->cert[1], &f->key[1]);
    (void)snprintf(path, sizeof path, "%s/live.pem", f->dir);
    f->live_cert = vd_strdup_span(vd_span_str(path));
    (void)snprintf(path, sizeof path, "%s/live.key", f->dir);
    f->live_key = vd_strdup_span(vd_span_str(path));
    use_pair(f, 0);
}

static void free_files(struct files *f)
{
    for (int i = 0; i < 2; i++) {
        free(f->cert[i]);
        free(f->key[i]);
    }
    free(f->live_cert);
    free(f->live_key);
    free(f->dir);
}

static void start(struct server *s, const struct files *f, bool admin)
{
    server_init(s);
    s->cfg.tls_cert = f->live_cert;
    s->cfg.tls_key = f->live_key;
    vd_err err = { 0 };
    vd_rc_ rc =
        admin ? vd_admin_start(&s->cfg, &s->admin, &err) : vd_guest_start(&s->cfg, &s->guest, &err);
    if (rc.code != VD_E_OK)
        print_error("%s\n", err.msg);
    assert_int_equal(rc.code, VD_E_OK);
    s->port = admin ? vd_admin_port(s->admin) : vd_guest_port(s->guest);
}

static void stop(struct server *s)
{
    vd_guest_stop(s->guest);
    vd_admin_stop(s->admin);
}

struct tls {
    SSL_CTX *ctx;
    SSL *ssl;
    int fd;
};

/* A handshake with at most `max` as version and the ALPN list given; false when it fails. */
static bool tls_dial(uint16_t port, int max, const char *alpn, struct tls *t)
{
    t->fd = dial(port);
    t->ctx = SSL_CTX_new(TLS_client_method());
    assert_non_null(t->ctx);
    SSL_CTX_set_security_level(t->ctx, 0);
    if (max) {
        (void)SSL_CTX_set_min_proto_version(t->ctx, max);
        (void)SSL_CTX_set_max_proto_version(t->ctx, max);
    }
    if (alpn)
        (void)SSL_CTX_set_alpn_protos(t->ctx, (const unsigned char *)alpn, (unsigned)strlen(alpn));
    t->ssl = SSL_new(t->ctx);
    assert_non_null(t->ssl);
    (void)SSL_set_fd(t->ssl, t->fd);
    return SSL_connect(t->ssl) == 1;
}

static void tls_close(struct tls *t)
{
    SSL_free(t->ssl);
    SSL_CTX_free(t->ctx);
    close(t->fd);
}

static int tls_hello(struct tls *t, bool close_after)
{
    static const char keep[] = "GET /kbs/v0/work HTTP/1.1\r\nHost: a\r\n\r\n";
    static const char end[] = "GET /kbs/v0/hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    const char *text = close_after ? end : keep;
    if (SSL_write(t->ssl, text, (int)strlen(text)) <= 0)
        return 0;
    VD_AUTO_BUF b = vd_buf_of(1 << 20);
    struct answer a = { 0 };
    while (!first_answer(vd_buf_span(&b), false, &a)) {
        uint8_t *at = vd_buf_reserve(&b, 4096);
        assert_non_null(at);
        int n = SSL_read(t->ssl, at, 4096);
        if (n <= 0)
            return 0;
        b.n += (size_t)n;
    }
    return a.status;
}

static void name_of(struct tls *t, char *name, int n)
{
    X509 *cert = SSL_get1_peer_certificate(t->ssl);
    assert_non_null(cert);
    assert_true(X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, name, n) >
                0);
    X509_free(cert);
}

static void both_versions_and_no_older_ones(void **state)
{
    struct files *f = *state;
    for (int admin = 0; admin < 2; admin++) {
        struct server s;
        start(&s, f, admin);
        static const struct {
            int version;
            bool ok;
        } rows[] = {
            { TLS1_VERSION, false },
            { TLS1_1_VERSION, false },
            { TLS1_2_VERSION, true },
            { TLS1_3_VERSION, true },
        };
        for (size_t i = 0; i < 4; i++) {
            struct tls t;
            bool ok = tls_dial(s.port, rows[i].version, NULL, &t);
            assert_int_equal(ok, rows[i].ok);
            if (ok)
                assert_int_equal(tls_hello(&t, true), 200);
            tls_close(&t);
        }
        stop(&s);
    }
}

static void alpn_is_http_1_1_or_nothing(void **state)
{
    struct files *f = *state;
    struct server s;
    start(&s, f, false);
    static const struct {
        const char *alpn;
        const char *got; /* NULL: refused */
    } rows[] = {
        { NULL, "" },       { "\x08http/1.1", "http/1.1" }, { "\x02h2\x08http/1.1", "http/1.1" },
        { "\x02h2", NULL }, { "\x06spdy/3", NULL },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tls t;
        bool ok = tls_dial(s.port, 0, rows[i].alpn, &t);
        assert_int_equal(ok, rows[i].got != NULL);
        if (ok) {
            const unsigned char *got = NULL;
            unsigned n = 0;
            SSL_get0_alpn_selected(t.ssl, &got, &n);
            assert_span_str(vd_span_of(got, n), rows[i].got);
        }
        tls_close(&t);
    }
    stop(&s);
}

static vd_rc_ reload(struct server *s, vd_err *err)
{
    return s->admin ? vd_admin_reload(s->admin, err) : vd_guest_reload(s->guest, err);
}

static void a_reload_changes_new_connections_and_drops_none(void **state)
{
    struct files *f = *state;
    for (int admin = 0; admin < 2; admin++) {
        use_pair(f, 0);
        struct server s;
        start(&s, f, admin);
        struct tls old, fresh;
        char name[64];
        vd_err err = { 0 };
        assert_true(tls_dial(s.port, 0, NULL, &old));
        name_of(&old, name, sizeof name);
        assert_string_equal(name, "first");
        if (!admin)
            assert_int_equal(tls_hello(&old, false), 200);
        use_pair(f, 1);
        assert_ok(reload(&s, &err));
        assert_int_equal(tls_hello(&old, true), 200);
        assert_true(tls_dial(s.port, 0, NULL, &fresh));
        name_of(&fresh, name, sizeof name);
        assert_string_equal(name, "second");
        assert_int_equal(tls_hello(&fresh, true), 200);
        tls_close(&fresh);
        tls_close(&old);

        /* A pair that does not fit, and a file that is not there: the one in use stays. */
        copy_file(f->key[0], f->live_key);
        assert_rc(VD_E_CONFIG, reload(&s, &err));
        assert_non_null(strstr(err.msg, f->live_key));
        assert_int_equal(unlink(f->live_cert), 0);
        copy_file(f->key[1], f->live_key);
        vd_err_clear(&err);
        assert_rc(VD_E_CONFIG, reload(&s, &err));
        assert_non_null(strstr(err.msg, f->live_cert));
        assert_true(tls_dial(s.port, 0, NULL, &fresh));
        name_of(&fresh, name, sizeof name);
        assert_string_equal(name, "second");
        assert_int_equal(tls_hello(&fresh, true), 200);
        tls_close(&fresh);
        stop(&s);
    }
    use_pair(f, 0);
}

static void *reload_often(void *arg)
{
    struct server *s = arg;
    for (int i = 0; i < 100; i++) {
        vd_err err = { 0 };
        (void)reload(s, &err).code;
    }
    return NULL;
}

static void reloads_under_load_lose_no_request(void **state)
{
    struct files *f = *state;
    for (int admin = 0; admin < 2; admin++) {
        struct server s;
        start(&s, f, admin);
        pthread_t t;
        assert_int_equal(pthread_create(&t, NULL, reload_often, &s), 0);
        for (int i = 0; i < 40; i++) {
            struct tls c;
            assert_true(tls_dial(s.port, 0, NULL, &c));
            if (!admin)
                assert_int_equal(tls_hello(&c, false), 200);
            assert_int_equal(tls_hello(&c, true), 200);
            tls_close(&c);
        }
        assert_int_equal(pthread_join(t, NULL), 0);
        stop(&s);
    }
}

static void large_bodies_pass_both_ways(void **state)
{
    struct files *f = *state;
    vd_err err = { 0 };
    for (int admin = 0; admin < 2; admin++) {
        struct server s;
        start(&s, f, admin);
        VD_AUTO(vd_client_free) struct vd_client *c = NULL;
        assert_ok(vd_client_new(&(struct vd_client_cfg){ .ca_file = f->cert[0] }, &c, &err));
        VD_AUTO_BUF body = vd_buf_of(4 << 20);
        uint8_t *p = vd_buf_extend(&body, 2000000);
        assert_non_null(p);
        for (size_t i = 0; i < body.n; i++)
            p[i] = (uint8_t)(i ^ (i >> 9));
        char url[64];
        (void)snprintf(url, sizeof url, "https://127.0.0.1:%u/kbs/v0/attest", (unsigned)s.port);
        for (int i = 0; i < 3; i++) {
            struct vd_answer a = { 0 };
            const struct vd_call call = { .method = "POST",
                                          .url = url,
                                          .body = vd_buf_span(&body),
                                          .has_body = true,
                                          .seconds = 20,
                                          .max_bytes = 4 << 20 };
            vd_rc_ rc = vd_client_call(c, &call, &a, &err);
            if (rc.code != VD_E_OK)
                print_error("%s\n", err.msg);
            assert_int_equal(rc.code, VD_E_OK);
            assert_int_equal(a.status, 200);
            assert_true(vd_span_eq(vd_buf_span(&a.body), vd_buf_span(&body)));
            vd_answer_done(&a);
        }
        (void)snprintf(url, sizeof url, "https://localhost:%u/kbs/v0/big", (unsigned)s.port);
        struct vd_answer a = { 0 };
        const struct vd_call call = {
            .method = "GET", .url = url, .seconds = 20, .max_bytes = 16 << 20
        };
        assert_ok(vd_client_call(c, &call, &a, &err));
        assert_int_equal(a.body.n, 8u << 20);
        vd_answer_done(&a);
        stop(&s);
    }
}

static void plain_http_on_a_tls_port_is_just_closed(void **state)
{
    struct files *f = *state;
    struct server s;
    start(&s, f, false);
    int fd = dial(s.port);
    PUT(fd, "GET /kbs/v0/hello HTTP/1.1\r\nHost: a\r\n\r\n");
    VD_AUTO_BUF in = vd_buf_of(1 << 20);
    while (get_some(fd, &in, 2000) > 0)
        ;
    assert_false(has(vd_buf_span(&in), "HTTP/1.1"));
    close(fd);
    struct tls t;
    assert_true(tls_dial(s.port, 0, NULL, &t));
    assert_int_equal(tls_hello(&t, true), 200);
    tls_close(&t);
    stop(&s);
}

static void bad_files_stop_the_start(void **state)
{
    struct files *f = *state;
    struct server s;
    vd_err err = { 0 };
    char missing[600];
    (void)snprintf(missing, sizeof missing, "%s/none.pem", f->dir);
    const struct {
        const char *cert, *key, *named;
    } rows[] = {
        { f->cert[0], NULL, "together" },     { NULL, f->key[0], "together" },
        { missing, f->key[0], missing },      { f->cert[0], missing, missing },
        { f->key[0], f->key[0], f->key[0] },  { f->cert[0], f->cert[0], f->cert[0] },
        { f->cert[0], f->key[1], f->key[1] }, { f->cert[0], f->dir, f->dir },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        server_init(&s);
        s.cfg.tls_cert = rows[i].cert;
        s.cfg.tls_key = rows[i].key;
        vd_err_clear(&err);
        assert_rc(VD_E_CONFIG, vd_guest_start(&s.cfg, &s.guest, &err));
        assert_non_null(strstr(err.msg, rows[i].named));
        vd_err_clear(&err);
        assert_rc(VD_E_CONFIG, vd_admin_start(&s.cfg, &s.admin, &err));
    }
    assert_int_equal(chmod(f->live_key, 0644), 0);
    server_init(&s);
    s.cfg.tls_cert = f->live_cert;
    s.cfg.tls_key = f->live_key;
    vd_err_clear(&err);
    assert_rc(VD_E_CONFIG, vd_guest_start(&s.cfg, &s.guest, &err));
    assert_non_null(strstr(err.msg, "chmod"));
    assert_int_equal(chmod(f->live_key, 0600), 0);
}

static int setup(void **state)
{
    static struct files f;
    make_files(&f);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    free_files(*state);
    return 0;
}

int main(void)
{
    vd_err err = { 0 };
    if (vd_base_init(&err).code != VD_E_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_versions_and_no_older_ones),
        cmocka_unit_test(alpn_is_http_1_1_or_nothing),
        cmocka_unit_test(a_reload_changes_new_connections_and_drops_none),
        cmocka_unit_test(reloads_under_load_lose_no_request),
        cmocka_unit_test(large_bodies_pass_both_ways),
        cmocka_unit_test(plain_http_on_a_tls_port_is_just_closed),
        cmocka_unit_test(bad_files_stop_the_start),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
