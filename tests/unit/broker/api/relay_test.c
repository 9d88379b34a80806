/* The relay's parts: our audience in the body of /auth, the issuer's cookie, and the table of
 * cookies. */
#include "tests/support/support.h"

#include "broker/api/cookies.h"
#include "broker/api/relay.h"
#include "shared/crypto/hash.h"

static int setup(void **state)
{
    (void)state;
    return vd_base_init(NULL).code == VD_E_OK ? 0 : 1;
}

static void our_audience_is_added_to_an_object_only(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        const char *out; /* NULL: refused */
    } rows[] = {
        { "{\"version\":\"0.4.0\",\"tee\":\"snp\",\"extra-params\":\"\"}",
          "{\"version\":\"0.4.0\",\"tee\":\"snp\",\"extra-params\":\"\"}" },
        { "{\"version\":\"0.4.0\",\"tee\":\"snp\",\"extra-params\":null}",
          "{\"version\":\"0.4.0\",\"tee\":\"snp\",\"extra-params\":null}" },
        { "{\"version\":\"0.4.0\",\"tee\":\"snp\",\"extra-params\":{}}",
          "{\"version\":\"0.4.0\",\"tee\":\"snp\",\"extra-params\":{\"vidimus-audience\":[\"me\"]}"
          "}" },
        { "{\"extra-params\":{\"supported-hash-algorithms\":[\"sha256\",\"sm3\"]},\"tee\":\"snp\","
          "\"version\":\"0.4.0\"}",
          "{\"extra-params\":{\"supported-hash-algorithms\":[\"sha256\",\"sm3\"],\"vidimus-"
          "audience\":[\"me\"]},"
          "\"tee\":\"snp\",\"version\":\"0.4.0\"}" },
        { "{\"extra-params\":{\"vidimus-audience\":[\"x\"]}}",
          "{\"extra-params\":{\"vidimus-audience\":[\"x\",\"me\"]}}" },
        { "{\"extra-params\":{\"vidimus-audience\":[\"me\"]}}",
          "{\"extra-params\":{\"vidimus-audience\":[\"me\"]}}" },
        { "{\"extra-params\":{\"vidimus-audience\":\"x\"}}",
          "{\"extra-params\":{\"vidimus-audience\":\"x\"}}" },
        { "{ \"extra-params\" : { \"a\\u0062\" : 1.50 } }",
          "{\"extra-params\":{\"ab\":1.50,\"vidimus-audience\":[\"me\"]}}" },
        { "[\"0.4.0\",\"sample\",\"\"]", "[\"0.4.0\",\"sample\",\"\"]" },
        { "", NULL },
        { "{", NULL },
        { "{\"extra-params\":{},\"extra-params\":{}}", NULL },
        { "{\"extra-params\":{}} x", NULL },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        VD_AUTO_BUF out = vd_buf_of(4096);
        vd_rc_ rc = brk_relay_auth_body(vd_span_str(rows[i].in), "me", &out, NULL);
        if (!rows[i].out) {
            assert_int_equal(rc.code, VD_E_AUTH_BODY);
            continue;
        }
        assert_int_equal(rc.code, VD_E_OK);
        assert_span_str(vd_buf_span(&out), rows[i].out);
    }
    VD_AUTO_BUF same = vd_buf_of(4096);
    assert_ok(brk_relay_auth_body(VD_LIT("{\"extra-params\":{}}"), NULL, &same, NULL));
    assert_span_str(vd_buf_span(&same), "{\"extra-params\":{}}");
}

static void cookie_is_found_in_the_head_of_an_answer(void **state)
{
    (void)state;
    static const struct {
        const char *head;
        const char *value; /* NULL: none */
        uint64_t age;
    } rows[] = {
        { "HTTP/1.1 200 OK\r\nSet-Cookie: kbs-session-id=abc; Path=/kbs/v0; Max-Age=120; "
          "HttpOnly\r\n\r\n",
          "abc", 120 },
        { "set-cookie:kbs-session-id=abc\r\n", "abc", 300 },
        { "SET-COOKIE: kbs-session-id=a-b_c.d~; max-age=9999999999\n", "a-b_c.d~", 300 },
        { "Set-Cookie: other=1\r\nSet-Cookie: kbs-session-id=abc; Expires=Tue, 24 Nov 2026 "
          "00:00:00 GMT\r\n",
          "abc", 300 },
        { "Set-Cookie: kbs-session-id=\r\n", NULL, 0 },
        { "Set-Cookie: kbs-session-id=a\"b\r\n", NULL, 0 },
        { "Set-Cookie: kbs-session-id=a\\b\r\n", NULL, 0 },
        { "Set-Cookie: kbs-session-idx=abc\r\n", NULL, 0 },
        { "X-Set-Cookie: kbs-session-id=abc\r\n", NULL, 0 },
        { "", NULL, 0 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint64_t age = 0;
        vd_span value = brk_relay_cookie_of(vd_span_str(rows[i].head), &age);
        assert_int_equal(value.n, rows[i].value ? strlen(rows[i].value) : 0);
        if (!rows[i].value)
            continue;
        assert_span_str(value, rows[i].value);
        assert_int_equal(age, rows[i].age);
    }
}

static bool has(struct brk_cookies *c, const char *cookie, int64_t now, const char *token)
{
    VD_AUTO_BUF out = vd_buf_of(4096);
    return brk_cookies_get(c, vd_span_str(cookie), now, &out) &&
           vd_span_eq_str(vd_buf_span(&out), token);
}

static void put(struct brk_cookies *c, const char *cookie, const char *token, int64_t exp,
                int64_t now)
{
    assert_ok(brk_cookies_put(c, vd_span_str(cookie), vd_span_str(token), exp, now, NULL));
}

static void cookie_gives_its_passport_until_its_end(void **state)
{
    (void)state;
    VD_AUTO(brk_cookies_free) struct brk_cookies *c = brk_cookies_new(4, 1000);
    put(c, "a", "token-a", 100, 1);
    assert_true(has(c, "a", 99, "token-a"));
    assert_false(has(c, "b", 99, "token-a"));
    put(c, "a", "token-b", 200, 1);
    assert_true(has(c, "a", 150, "token-b"));
    assert_int_equal(brk_cookies_count(c), 1);
    assert_false(has(c, "a", 200, "token-b"));
    assert_int_equal(brk_cookies_count(c), 0);
}

static void full_table_loses_the_entry_nearest_its_end(void **state)
{
    (void)state;
    VD_AUTO(brk_cookies_free) struct brk_cookies *c = brk_cookies_new(3, 1000);
    put(c, "a", "ta", 300, 1);
    put(c, "b", "tb", 100, 1);
    put(c, "c", "tc", 200, 1);
    put(c, "d", "td", 400, 1);
    assert_false(has(c, "b", 1, "tb"));
    assert_true(has(c, "a", 1, "ta") && has(c, "c", 1, "tc") && has(c, "d", 1, "td"));
    put(c, "e", "te", 50, 1);
    assert_false(has(c, "c", 1, "tc"));
    assert_true(has(c, "e", 1, "te"));
}

static void bytes_are_bounded_too(void **state)
{
    (void)state;
    VD_AUTO(brk_cookies_free) struct brk_cookies *c = brk_cookies_new(100, 10);
    put(c, "a", "12345", 100, 1);
    put(c, "b", "12345", 200, 1);
    put(c, "c", "1", 300, 1);
    assert_false(has(c, "a", 1, "12345"));
    assert_true(has(c, "b", 1, "12345"));
    assert_int_equal(brk_cookies_count(c), 2);
}

static void table_stays_whole_under_many_changes(void **state)
{
    (void)state;
    VD_AUTO(brk_cookies_free) struct brk_cookies *c = brk_cookies_new(64, 1 << 20);
    uint32_t seed = 1;
    for (int i = 0; i < 20000; i++) {
        char name[16];
        seed = seed * 1664525 + 1013904223;
        (void)snprintf(name, sizeof name, "c%u", (seed >> 8) % 200);
        if (seed >> 31)
            put(c, name, name, 1000 + (int64_t)((seed >> 12) % 500), i % 1400);
        else {
            VD_AUTO_BUF out = vd_buf_of(64);
            if (brk_cookies_get(c, vd_span_str(name), i % 1400, &out))
                assert_span_str(vd_buf_span(&out), name);
        }
        assert_true(brk_cookies_count(c) <= 64);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(our_audience_is_added_to_an_object_only),
        cmocka_unit_test(cookie_is_found_in_the_head_of_an_answer),
        cmocka_unit_test(cookie_gives_its_passport_until_its_end),
        cmocka_unit_test(full_table_loses_the_entry_nearest_its_end),
        cmocka_unit_test(bytes_are_bounded_too),
        cmocka_unit_test(table_stays_whole_under_many_changes),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
