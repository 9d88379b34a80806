/* The head parser against the framing list of the threat model, every split of the bytes, every
 * truncation. */
#include "tests/support/support.h"

#include "shared/http/head.h"

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

#define H "Host: kbs.example\r\n"
#define GET "GET /a HTTP/1.1\r\n" H
#define POST "POST /a HTTP/1.1\r\n" H
#define E "\r\n"
#define ROW(label, text, want)                                                                     \
    {                                                                                              \
        label, VD_LIT(text), VD_E_##want                                                           \
    }
#define BAD(label, text) ROW(label, text, BAD_REQUEST)

struct row {
    const char *name;
    vd_span in;
    vd_code want;
};

static const struct row bad_rows[] = {
    /* length and transfer coding */
    BAD("TE and CL", POST "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n" E),
    BAD("CL and TE", POST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n" E),
    BAD("CL and TE in odd case", POST "content-length: 3\r\ntRANSFER-eNCODING: chunked\r\n" E),
    BAD("TE alone", POST "Transfer-Encoding: chunked\r\n" E "0\r\n\r\n"),
    BAD("TE identity, chunked", POST "Transfer-Encoding: identity, chunked\r\n" E),
    BAD("TE chunked, identity", POST "Transfer-Encoding: chunked, identity\r\n" E),
    BAD("TE identity", POST "Transfer-Encoding: identity\r\n" E),
    BAD("TE gzip", POST "Transfer-Encoding: gzip, chunked\r\n" E),
    BAD("TE empty", POST "Transfer-Encoding:\r\n" E),
    BAD("TE xchunked", POST "Transfer-Encoding: xchunked\r\n" E),
    BAD("TE twice", POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n" E),
    BAD("TE with a tab before the value", POST "Transfer-Encoding:\tchunked\r\n" E),
    BAD("TE with a tab behind the value", POST "Transfer-Encoding: chunked\t\r\n" E),
    BAD("TE with a CR in the value", POST "Transfer-Encoding: chun\rked\r\n" E),
    BAD("TE with a CR before the name", POST "\rTransfer-Encoding: chunked\r\n" E),
    BAD("TE with a vertical tab", POST "Transfer-Encoding: \x0b"
                                       "chunked\r\n" E),
    BAD("TE quoted", POST "Transfer-Encoding: \"chunked\"\r\n" E),
    BAD("TE on GET", GET "Transfer-Encoding: chunked\r\n" E),
    BAD("TE on HTTP/1.0", "POST /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n" E),
    BAD("chunk size with sign", POST "Transfer-Encoding: chunked\r\n" E "+3\r\nabc\r\n0\r\n\r\n"),
    BAD("chunk size 0x", POST "Transfer-Encoding: chunked\r\n" E "0x3\r\nabc\r\n0\r\n\r\n"),
    BAD("chunk size 17 digits",
        POST "Transfer-Encoding: chunked\r\n" E "00000000000000003\r\nabc\r\n0\r\n\r\n"),
    BAD("chunk size empty", POST "Transfer-Encoding: chunked\r\n" E "\r\nabc\r\n0\r\n\r\n"),
    BAD("chunk size not hex", POST "Transfer-Encoding: chunked\r\n" E "zz\r\nabc\r\n0\r\n\r\n"),
    BAD("chunk extension", POST "Transfer-Encoding: chunked\r\n" E "3;a=b\r\nabc\r\n0\r\n\r\n"),
    BAD("no CRLF behind a chunk", POST "Transfer-Encoding: chunked\r\n" E "3\r\nabc0\r\n\r\n"),
    BAD("trailer with a framing name",
        POST "Transfer-Encoding: chunked\r\n" E "0\r\nContent-Length: 5\r\n\r\n"),
    BAD("two different CL", POST "Content-Length: 3\r\nContent-Length: 5\r\n" E),
    BAD("two equal CL", POST "Content-Length: 3\r\nContent-Length: 3\r\n" E),
    BAD("two CL, other case", POST "Content-Length: 3\r\ncontent-length: 3\r\n" E),
    BAD("two CL of zero on GET", GET "Content-Length: 0\r\nContent-Length: 0\r\n" E),
    BAD("CL plus", POST "Content-Length: +5\r\n" E),
    BAD("CL minus", POST "Content-Length: -5\r\n" E),
    BAD("CL minus zero", POST "Content-Length: -0\r\n" E),
    BAD("CL with a blank inside", POST "Content-Length: 5 5\r\n" E),
    BAD("CL hex", POST "Content-Length: 0x5\r\n" E),
    BAD("CL hex digit", POST "Content-Length: 5a\r\n" E),
    BAD("CL list", POST "Content-Length: 5, 5\r\n" E),
    BAD("CL list with nothing", POST "Content-Length: 5,\r\n" E),
    BAD("CL fraction", POST "Content-Length: 5.0\r\n" E),
    BAD("CL exponent", POST "Content-Length: 1e3\r\n" E),
    BAD("CL quoted", POST "Content-Length: \"5\"\r\n" E),
    BAD("CL empty", POST "Content-Length:\r\n" E),
    BAD("CL blank", POST "Content-Length:   \r\n" E),
    BAD("CL 2^63", POST "Content-Length: 9223372036854775808\r\n" E),
    BAD("CL 2^64", POST "Content-Length: 18446744073709551616\r\n" E),
    BAD("CL 2^64 + 5", POST "Content-Length: 18446744073709551621\r\n" E),
    BAD("CL of 20 digits", POST "Content-Length: 99999999999999999999\r\n" E),
    BAD("CL of 40 digits", POST "Content-Length: 1111111111111111111111111111111111111111\r\n" E),
    BAD("CL on GET", GET "Content-Length: 5\r\n" E "hello"),
    BAD("CL on HEAD", "HEAD /a HTTP/1.1\r\n" H "Content-Length: 5\r\n" E "hello"),
    BAD("CL on OPTIONS", "OPTIONS /a HTTP/1.1\r\n" H "Content-Length: 1\r\n" E "h"),
    /* line ends */
    BAD("bare LF behind the request line", "GET /a HTTP/1.1\nHost: a\r\n" E),
    BAD("bare LF behind a field", "GET /a HTTP/1.1\r\nHost: a\n" E),
    BAD("bare LF as the empty line", "GET /a HTTP/1.1\r\nHost: a\r\n\n"),
    BAD("bare LF everywhere", "GET /a HTTP/1.1\nHost: a\n\n"),
    BAD("bare CR behind the request line", "GET /a HTTP/1.1\rHost: a\r\n" E),
    BAD("bare CR in a value", GET "X: a\rb\r\n" E),
    BAD("bare CR in a name", GET "X\r: a\r\n" E),
    BAD("CR CR LF", "GET /a HTTP/1.1\r\r\n" H E),
    BAD("CR CR LF behind a field", GET "X: a\r\r\n" E),
    /* characters */
    BAD("NUL in a value", GET "X: a\0b\r\n" E),
    BAD("NUL in a name", GET "X\0Y: b\r\n" E),
    BAD("control 01 in a value", GET "X: a\x01\r\n" E),
    BAD("control 08 in a long value", GET "X: aaaaaaaaaaaaaaaaaaaaaa\x08"
                                          "aaaaaaaaaaaa\r\n" E),
    BAD("control 1f in a value", GET "X: \x1f\r\n" E),
    BAD("DEL in a value", GET "X: a\x7f\r\n" E),
    BAD("DEL in a long value", GET "X: aaaaaaaaaaaa\x7f"
                                   "aaaaaaaaaaaaaaaaaaaa\r\n" E),
    BAD("ESC in a value", GET "X: \x1b[31m\r\n" E),
    BAD("non-ASCII in a name", GET "X\xc3\xa4: b\r\n" E),
    BAD("blank before the colon", GET "Content-Length : 0\r\n" E),
    BAD("tab before the colon", GET "Content-Length\t: 0\r\n" E),
    BAD("blank before the colon of TE", POST "Transfer-Encoding : chunked\r\n" E),
    BAD("blank in a name", GET "X Y: b\r\n" E),
    BAD("folded with a blank", GET "X: a\r\n b\r\n" E),
    BAD("folded with a tab", GET "X: a\r\n\tb\r\n" E),
    BAD("folded Content-Length", POST "Content-Length:\r\n 5\r\n" E),
    BAD("folded first field", "GET /a HTTP/1.1\r\n Host: a\r\n" H E),
    BAD("line of one blank", GET " \r\n" E),
    BAD("empty name", GET ": b\r\n" E),
    BAD("empty name with a blank", GET " : b\r\n" E),
    BAD("colon only", GET ":\r\n" E),
    BAD("no colon", GET "X\r\n" E),
    BAD("no colon, a request line", GET "GET /b HTTP/1.1\r\n" E),
    BAD("no colon, equals", GET "X=b\r\n" E),
    BAD("parenthesis in a name", GET "X(y): b\r\n" E),
    BAD("quote in a name", GET "\"X\": b\r\n" E),
    BAD("slash in a name", GET "X/Y: b\r\n" E),
    /* Host */
    BAD("no Host", "GET /a HTTP/1.1\r\n" E),
    BAD("no Host, others there", "GET /a HTTP/1.1\r\nX: y\r\n" E),
    BAD("two Hosts", GET H E),
    BAD("two Hosts, other case", GET "HOST: b\r\n" E),
    BAD("two Hosts on 1.0", "GET /a HTTP/1.0\r\nHost: a\r\nHost: a\r\n" E),
    BAD("empty Host", "GET /a HTTP/1.1\r\nHost:\r\n" E),
    BAD("blank Host", "GET /a HTTP/1.1\r\nHost:  \r\n" E),
    BAD("Host with a path", "GET /a HTTP/1.1\r\nHost: a/b\r\n" E),
    BAD("Host with userinfo", "GET /a HTTP/1.1\r\nHost: u@a\r\n" E),
    BAD("Host with a blank", "GET /a HTTP/1.1\r\nHost: a b\r\n" E),
    BAD("Host list", "GET /a HTTP/1.1\r\nHost: a, b\r\n" E),
    BAD("Host with an empty port", "GET /a HTTP/1.1\r\nHost: a:\r\n" E),
    BAD("Host with a word as port", "GET /a HTTP/1.1\r\nHost: a:http\r\n" E),
    BAD("Host with port 65536", "GET /a HTTP/1.1\r\nHost: a:65536\r\n" E),
    BAD("Host with two ports", "GET /a HTTP/1.1\r\nHost: a:1:2\r\n" E),
    BAD("Host with an open bracket", "GET /a HTTP/1.1\r\nHost: [::1\r\n" E),
    BAD("Host with letters in brackets", "GET /a HTTP/1.1\r\nHost: [xyz]\r\n" E),
    BAD("Host non-ASCII", "GET /a HTTP/1.1\r\nHost: \xc3\xa4\r\n" E),
    /* request line */
    BAD("HTTP/0.9", "GET /a\r\n" E),
    BAD("HTTP/0.9 in words", "GET /a HTTP/0.9\r\n" H E),
    BAD("HTTP/1.2", "GET /a HTTP/1.2\r\n" H E),
    BAD("HTTP/2.0", "GET /a HTTP/2.0\r\n" H E),
    BAD("HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    BAD("HTTP/3", "GET /a HTTP/3\r\n" H E),
    BAD("HTTP/1.1 in lower case", "GET /a http/1.1\r\n" H E),
    BAD("HTTP/01.1", "GET /a HTTP/01.1\r\n" H E),
    BAD("HTTP/1.10", "GET /a HTTP/1.10\r\n" H E),
    BAD("HTTP/1.1 and a blank", "GET /a HTTP/1.1 \r\n" H E),
    BAD("lower-case method", "get /a HTTP/1.1\r\n" H E),
    BAD("mixed-case method", "Get /a HTTP/1.1\r\n" H E),
    BAD("unknown method", "BREW /a HTTP/1.1\r\n" H E),
    BAD("PATCH", "PATCH /a HTTP/1.1\r\n" H E),
    BAD("TRACE", "TRACE /a HTTP/1.1\r\n" H E),
    BAD("CONNECT", "CONNECT a:80 HTTP/1.1\r\n" H E),
    BAD("method with a colon", "GET: /a HTTP/1.1\r\n" H E),
    BAD("method prefix", "GE /a HTTP/1.1\r\n" H E),
    BAD("method with a letter more", "GETS /a HTTP/1.1\r\n" H E),
    BAD("no method", " /a HTTP/1.1\r\n" H E),
    BAD("blank before the method", " GET /a HTTP/1.1\r\n" H E),
    BAD("two blanks before the target", "GET  /a HTTP/1.1\r\n" H E),
    BAD("two blanks behind the target", "GET /a  HTTP/1.1\r\n" H E),
    BAD("tabs in the request line", "GET\t/a\tHTTP/1.1\r\n" H E),
    BAD("blank in the target", "GET /a b HTTP/1.1\r\n" H E),
    BAD("no target", "GET HTTP/1.1\r\n" H E),
    BAD("method only", "GET\r\n" H E),
    BAD("two empty lines first", "\r\n\r\n" GET E),
    BAD("three empty lines first", "\r\n\r\n\r\n" GET E),
    BAD("bare LF first", "\n" GET E),
    BAD("CR first", "\r" GET E),
    BAD("TLS hello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    BAD("SSH banner in lower case", "ssh-2.0\r\n"),
    BAD("JSON", "{\"a\":1}\r\n"),
    /* fields that ask for more than we do */
    BAD("Expect something else", POST "Expect: 200-ok\r\nContent-Length: 1\r\n" E "x"),
    BAD("Expect empty", POST "Expect:\r\nContent-Length: 1\r\n" E "x"),
    BAD("Expect list", POST "Expect: 100-continue, x\r\nContent-Length: 1\r\n" E "x"),
    BAD("Expect twice", POST "Expect: 100-continue\r\nExpect: 100-continue\r\n" E),
    BAD("Upgrade websocket", GET "Upgrade: websocket\r\nConnection: Upgrade\r\n" E),
    BAD("Upgrade h2c", GET "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n" E),
    BAD("Upgrade without Connection", GET "upgrade: TLS/1.2\r\n" E),
    BAD("Connection: upgrade without Upgrade", GET "Connection: keep-alive, upgrade\r\n" E),
    BAD("Connection: HTTP2-Settings", GET "Connection: HTTP2-Settings\r\n" E),
    BAD("two Authorizations", GET "Authorization: Bearer a\r\nAuthorization: Bearer a\r\n" E),
    BAD("two Authorizations, other case",
        GET "Authorization: Bearer a\r\nX: y\r\nAUTHORIZATION: b\r\n" E),
    BAD("empty and full Authorization", GET "Authorization:\r\nAuthorization: Bearer a\r\n" E),
};

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
