/* The head parser against the framing list of the threat model, every split of the bytes, every
 * truncation. */
#include "tests/support/support.h"

#include "shared/http/head.h"
#include "tests/unit/shared/http/framing_rows.h"

static const struct vd_head_limits limits = { .bytes = 16384,
                                              .authorization = 81920,
                                              .fields = 48 };

/* What a server does: scan as bytes arrive `step` at a time, then parse. VD_E_OK with *done false:
 * more. */
static vd_code feed(vd_span in, size_t step, struct vd_head *h, struct vd_field *field, bool *done,
                    size_t *n)
{
    struct vd_head_scan scan = { 0 };
    vd_err err = { 0 };
    *done = false;
    for (size_t have = step < in.n ? step : in.n;; have = in.n - have > step ? have + step : in.n) {
        vd_rc_ rc = vd_head_scan(&scan, vd_span_part(in, 0, have), &limits, done, &err);
        if (rc.code != VD_E_OK)
            return rc.code;
        if (*done || have == in.n)
            break;
    }
    if (!*done)
        return VD_E_OK;
    *n = scan.at;
    return vd_head_parse(vd_span_part(in, 0, scan.at), field, limits.fields, h, &err).code;
}

static vd_code once(vd_span in, struct vd_head *h, bool *done)
{
    static struct vd_field field[VD_HEAD_FIELDS_HARD];
    size_t n = 0;
    return feed(in, in.n ? in.n : 1, h, field, done, &n);
}

static const struct row good_rows[] = {
    ROW("smallest 1.1", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", OK),
    ROW("smallest 1.0", "GET / HTTP/1.0\r\n\r\n", OK),
    ROW("1.0 with Host", "GET / HTTP/1.0\r\nHost: a\r\n\r\n", OK),
    ROW("one empty line first", "\r\n" GET E, OK),
    ROW("Host with port", "GET / HTTP/1.1\r\nHost: a:8080\r\n\r\n", OK),
    ROW("Host IPv4", "GET / HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n", OK),
    ROW("Host IPv6", "GET / HTTP/1.1\r\nHost: [::1]:65535\r\n\r\n", OK),
    ROW("Host IPv6 without port", "GET / HTTP/1.1\r\nHost: [fe80::1]\r\n\r\n", OK),
    ROW("no blank behind the colon", "GET / HTTP/1.1\r\nHost:a\r\n\r\n", OK),
    ROW("tabs around a value", "GET / HTTP/1.1\r\nHost:\ta\t\r\n\r\n", OK),
    ROW("empty value", GET "X:\r\n" E, OK),
    ROW("tab in a value", GET "X: a\tb and a longer tail of it\r\n" E, OK),
    ROW("UTF-8 in a value", GET "User-Agent: \xc3\xa4\xc3\xb6\r\n" E, OK),
    ROW("colon in a value", GET "X: a:b:c\r\n" E, OK),
    ROW("every token character", GET "!#$%&'*+-.^_`|~09AZaz: a\r\n" E, OK),
    ROW("POST without a length", POST E, OK),
    ROW("CL zero", POST "Content-Length: 0\r\n" E, OK),
    ROW("CL zero on GET", GET "Content-Length: 0\r\n" E, OK),
    ROW("CL with zeros before", POST "Content-Length: 0005\r\n" E "hello", OK),
    ROW("CL just below 2^63", POST "Content-Length: 9223372036854775799\r\n" E, OK),
    ROW("PUT", "PUT /a HTTP/1.1\r\n" H "Content-Length: 2\r\n" E "ab", OK),
    ROW("DELETE", "DELETE /a HTTP/1.1\r\n" H E, OK),
    ROW("HEAD", "HEAD /a HTTP/1.1\r\n" H E, OK),
    ROW("OPTIONS", "OPTIONS /a HTTP/1.1\r\n" H E, OK),
    ROW("Expect", POST "Expect: 100-continue\r\nContent-Length: 1\r\n" E "x", OK),
    ROW("Expect in capitals", POST "Expect: 100-Continue\r\nContent-Length: 1\r\n" E "x", OK),
    ROW("TE field (not Transfer-Encoding)", GET "TE: trailers\r\n" E, OK),
    ROW("pipelined behind", GET E GET E, OK),
};

static void every_framing_error_is_refused(void **state)
{
    (void)state;
    size_t n = sizeof bad_rows / sizeof bad_rows[0];
    for (size_t i = 0; i < n; i++) {
        struct vd_head h;
        bool done;
        vd_code got = once(bad_rows[i].in, &h, &done);
        if (got != bad_rows[i].want) {
            print_error("%s: got %d, done %d\n", bad_rows[i].name, (int)got, (int)done);
            fail();
        }
    }
    print_message("framing: %zu cases refused\n", n);
}

static void good_heads_are_taken(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good_rows / sizeof good_rows[0]; i++) {
        struct vd_head h;
        bool done;
        vd_code got = once(good_rows[i].in, &h, &done);
        if (got != VD_E_OK || !done) {
            print_error("%s: got %d, done %d\n", good_rows[i].name, (int)got, (int)done);
            fail();
        }
    }
}

static void splits_of(const struct row *r)
{
    static struct vd_field f1[VD_HEAD_FIELDS_HARD], f2[VD_HEAD_FIELDS_HARD];
    struct vd_head a = { 0 }, b = { 0 };
    bool done_a, done_b;
    size_t na = 0, nb = 0;
    vd_span in = vd_test_guarded(r->in);
    vd_code ca = feed(in, in.n, &a, f1, &done_a, &na);
    for (size_t step = 1; step < 9; step++) {
        vd_code cb = feed(in, step, &b, f2, &done_b, &nb);
        if (ca != cb || done_a != done_b || na != nb) {
            print_error("%s, %zu at a time: %d against %d\n", r->name, step, (int)cb, (int)ca);
            fail();
        }
        if (ca == VD_E_OK && done_a) {
            assert_int_equal(a.method, b.method);
            assert_int_equal(a.length, b.length);
            assert_int_equal(a.n_field, b.n_field);
            assert_true(vd_span_eq(a.target, b.target));
            assert_int_equal(a.keep_alive, b.keep_alive);
        }
    }
    vd_test_guarded_free(in);
}

static void the_answer_does_not_depend_on_how_the_bytes_arrive(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad_rows / sizeof bad_rows[0]; i++)
        splits_of(&bad_rows[i]);
    for (size_t i = 0; i < sizeof good_rows / sizeof good_rows[0]; i++)
        splits_of(&good_rows[i]);
}

static void a_truncated_head_is_never_complete(void **state)
{
    (void)state;
    const vd_span whole =
        VD_LIT(POST "Content-Length: 3\r\nAuthorization: Bearer abc\r\nCookie: a=b; "
                    "kbs-session-id=xyz; c=d\r\n" E);
    size_t n = 0;
    for (size_t cut = 0; cut < whole.n; cut++, n++) {
        vd_span in = vd_test_guarded(vd_span_part(whole, 0, cut));
        struct vd_head h;
        bool done;
        assert_int_equal(once(in, &h, &done), VD_E_OK);
        assert_false(done);
        /* Handed over as if it were whole, it is refused. */
        struct vd_field field[48];
        vd_err err = { 0 };
        assert_rc(VD_E_BAD_REQUEST, vd_head_parse(in, field, 48, &h, &err));
        vd_test_guarded_free(in);
    }
    print_message("truncations: %zu\n", n);
}

static void fields_are_read(void **state)
{
    (void)state;
    const vd_span in =
        VD_LIT("POST /kbs/v0/attest?x=1 HTTP/1.1\r\nhost: a\r\ncontent-length: 12\r\n"
               "authorization:  Bearer a.b.c \r\n"
               "cookie: x=1; kbs-session-id=first; kbs-session-id=second\r\n"
               "cookie: kbs-session-id=third\r\nexpect: 100-continue\r\n\r\nrest");
    struct vd_head h;
    bool done;
    assert_int_equal(once(in, &h, &done), VD_E_OK);
    assert_int_equal(h.method, VD_POST);
    assert_span_str(h.target, "/kbs/v0/attest?x=1");
    assert_int_equal(h.length, 12);
    assert_true(h.has_length);
    assert_true(h.expect_continue);
    assert_true(h.keep_alive);
    assert_false(h.http10);
    assert_span_str(h.authorization, "Bearer a.b.c");
    assert_span_str(h.cookie, "first");
    assert_int_equal(h.n_field, 6);
    assert_span_str(h.field[2].name, "authorization");
}

static void connection_is_kept_or_closed_as_asked(void **state)
{
    (void)state;
    static const struct {
        vd_span in;
        bool keep;
    } rows[] = {
        { VD_LIT(GET E), true },
        { VD_LIT(GET "Connection: close\r\n" E), false },
        { VD_LIT(GET "Connection: Close\r\n" E), false },
        { VD_LIT(GET "Connection: keep-alive\r\n" E), true },
        { VD_LIT(GET "Connection: keep-alive, close\r\n" E), false },
        { VD_LIT(GET "Connection: keep-alive\r\nConnection: close\r\n" E), false },
        { VD_LIT(GET "Connection: x , CLOSE ,y\r\n" E), false },
        { VD_LIT("GET / HTTP/1.0\r\n" E), false },
        { VD_LIT("GET / HTTP/1.0\r\nConnection: keep-alive\r\n" E), true },
        { VD_LIT("GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n" E), false },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct vd_head h;
        bool done;
        assert_int_equal(once(rows[i].in, &h, &done), VD_E_OK);
        assert_int_equal(h.keep_alive, rows[i].keep);
    }
}

static void expect_is_ignored_on_http_1_0(void **state)
{
    (void)state;
    struct vd_head h;
    bool done;
    assert_int_equal(
        once(VD_LIT("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx"), &h,
             &done),
        VD_E_OK);
    assert_false(h.expect_continue);
}

/* Builds a head: request line, Host, `fields` fillers of `size` bytes, Authorization of `auth`
 * bytes. */
static vd_buf build(size_t fields, size_t size, size_t auth, size_t target)
{
    vd_buf b = vd_buf_of(1 << 20);
    vd_buf_str(&b, "GET /");
    for (size_t i = 0; i < target; i++)
        vd_buf_u8(&b, 'p');
    vd_buf_str(&b, " HTTP/1.1\r\nHost: a\r\n");
    for (size_t i = 0; i < fields; i++) {
        vd_buf_printf(&b, "X-%zu: ", i);
        for (size_t k = 0; k < size; k++)
            vd_buf_u8(&b, 'v');
        vd_buf_str(&b, "\r\n");
    }
    if (auth) {
        vd_buf_str(&b, "Authorization: ");
        for (size_t k = 0; k < auth; k++)
            vd_buf_u8(&b, 't');
        vd_buf_str(&b, "\r\n");
    }
    vd_buf_str(&b, "\r\n");
    return b;
}

static void sizes_are_bounded(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t fields, size, auth, target;
        vd_code want;
    } rows[] = {
        { "47 fields and Host", 47, 1, 0, 0, VD_E_OK },
        { "48 fields and Host", 48, 1, 0, 0, VD_E_HEAD_TOO_LARGE },
        { "70 fields", 70, 1, 0, 0, VD_E_HEAD_TOO_LARGE },
        { "70 fields, then Authorization", 70, 1, 10, 0, VD_E_HEAD_TOO_LARGE },
        { "15 KiB", 15, 1000, 0, 0, VD_E_OK },
        { "17 KiB", 17, 1000, 0, 0, VD_E_HEAD_TOO_LARGE },
        { "one field of 16 KiB", 1, 16384, 0, 0, VD_E_HEAD_TOO_LARGE },
        { "Authorization of 80 KiB", 0, 0, 81920, 0, VD_E_OK },
        { "Authorization of 80 KiB and 15 KiB", 15, 1000, 81920, 0, VD_E_OK },
        { "Authorization above 80 KiB", 0, 0, 81925, 0, VD_E_HEAD_TOO_LARGE },
        { "Authorization of 200 KiB", 0, 0, 204800, 0, VD_E_HEAD_TOO_LARGE },
        { "target of 8,000", 0, 0, 0, 8000, VD_E_OK },
        { "target of 8,192", 0, 0, 0, 8192, VD_E_HEAD_TOO_LARGE },
        { "target of 70,000", 0, 0, 0, 70000, VD_E_HEAD_TOO_LARGE },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        vd_buf b = build(rows[i].fields, rows[i].size, rows[i].auth, rows[i].target);
        for (size_t step = 1; step <= 4096; step *= 64) {
            static struct vd_field field[VD_HEAD_FIELDS_HARD];
            struct vd_head h;
            bool done;
            size_t n;
            vd_code got = feed(vd_buf_span(&b), step, &h, field, &done, &n);
            if (got != rows[i].want) {
                print_error("%s, %zu at a time: %d\n", rows[i].name, step, (int)got);
                fail();
            }
        }
        vd_buf_done(&b);
    }
}

static void a_head_without_end_is_refused_while_it_grows(void **state)
{
    (void)state;
    VD_AUTO_BUF b = vd_buf_of(1 << 20);
    vd_buf_str(&b, "GET / HTTP/1.1\r\nX: ");
    while (b.n < 20000)
        vd_buf_u8(&b, 'a');
    struct vd_head h;
    bool done;
    assert_int_equal(once(vd_buf_span(&b), &h, &done), VD_E_HEAD_TOO_LARGE);
    vd_buf_reset(&b);
    while (b.n < 9000)
        vd_buf_u8(&b, 'G');
    assert_int_equal(once(vd_buf_span(&b), &h, &done), VD_E_HEAD_TOO_LARGE);
}

static void random_bytes_never_crash_and_never_depend_on_the_split(void **state)
{
    (void)state;
    static const char *const pieces[] = { "GET ",
                                          "POST ",
                                          "/a",
                                          " HTTP/1.1",
                                          "\r\n",
                                          "\n",
                                          "\r",
                                          "Host: a\r\n",
                                          "Content-Length: 3\r\n",
                                          ":",
                                          " ",
                                          "\t",
                                          "Authorization: b\r\n",
                                          "\r\n\r\n",
                                          "Transfer-Encoding: chunked\r\n",
                                          "X: y\r\n" };
    uint64_t seed = 0x1234567;
    for (unsigned round = 0; round < 20000; round++) {
        VD_AUTO_BUF b = vd_buf_of(4096);
        for (unsigned k = 0; k < 10; k++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            vd_buf_str(&b, pieces[(seed >> 33) % 16]);
        }
        struct row r = { "random", vd_buf_span(&b), VD_E_OK };
        static struct vd_field f1[VD_HEAD_FIELDS_HARD], f2[VD_HEAD_FIELDS_HARD];
        struct vd_head x, y;
        bool dx, dy;
        size_t nx = 0, ny = 0;
        vd_code cx = feed(r.in, r.in.n, &x, f1, &dx, &nx);
        vd_code cy = feed(r.in, 1, &y, f2, &dy, &ny);
        assert_int_equal(cx, cy);
        assert_int_equal(dx, dy);
        assert_int_equal(nx, ny);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_framing_error_is_refused),
        cmocka_unit_test(good_heads_are_taken),
        cmocka_unit_test(the_answer_does_not_depend_on_how_the_bytes_arrive),
        cmocka_unit_test(a_truncated_head_is_never_complete),
        cmocka_unit_test(fields_are_read),
        cmocka_unit_test(connection_is_kept_or_closed_as_asked),
        cmocka_unit_test(expect_is_ignored_on_http_1_0),
        cmocka_unit_test(sizes_are_bounded),
        cmocka_unit_test(a_head_without_end_is_refused_while_it_grows),
        cmocka_unit_test(random_bytes_never_crash_and_never_depend_on_the_split),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
