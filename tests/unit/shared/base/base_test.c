/* The base types: reader, buffer, errors, time, secrets, log. */
#include "tests/support/support.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "shared/base/clock.h"
#include "shared/base/limits.h"
#include "shared/base/log.h"

static void reader_is_sticky_after_the_first_short_read(void **state)
{
    (void)state;
    static const uint8_t bytes[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };
    vd_span in = vd_test_guarded(vd_span_of(bytes, sizeof bytes));
    vd_rd r = vd_rd_of(in);
    assert_int_equal(vd_rd_u16le(&r), 0x0201);
    assert_int_equal(vd_rd_u32be(&r), 0x03040506);
    vd_rd sub = vd_rd_sub(&r, 2);
    assert_int_equal(vd_rd_u8(&sub), 7);
    assert_int_equal(vd_rd_u64le(&sub), 0);
    assert_true(sub.bad);
    assert_false(vd_rd_end(&r));
    assert_int_equal(vd_rd_take(&r, SIZE_MAX).n, 0);
    assert_true(r.bad);
    assert_int_equal(r.bad_at, 8);
    assert_int_equal(vd_rd_u8(&r), 0);
    assert_false(vd_rd_end(&r));
    vd_test_guarded_free(in);
}

static void buffer_never_grows_above_its_maximum(void **state)
{
    (void)state;
    VD_AUTO_BUF b = vd_buf_of(10);
    vd_buf_str(&b, "0123456789");
    assert_ok(vd_buf_check(&b, NULL));
    assert_string_equal(vd_buf_cstr(&b), "0123456789");
    vd_buf_u8(&b, 'x');
    assert_rc(VD_E_TOO_LARGE, vd_buf_check(&b, NULL));
    vd_buf_reset(&b);
    vd_buf_printf(&b, "%s-%d", "ab", 42);
    vd_buf_be(&b, 0x0102, 2);
    assert_int_equal(b.n, 7);
    vd_buf_str(&b, "abcd");
    vd_buf_str(&b, "a"); /* sticky: nothing more goes in */
    assert_int_equal(b.n, 7);
    assert_true(b.bad);
}

static void numbers_are_written_as_printf_writes_them(void **state)
{
    (void)state;
    static const int64_t values[] = { 0,      1,       -1,        9,         10,        -10, 99,
                                      123456, -987654, INT64_MAX, INT64_MIN, INT32_MAX, -128 };
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        VD_AUTO_BUF ours = vd_buf_of(256);
        VD_AUTO_BUF wanted = vd_buf_of(256);
        vd_buf_i64(&ours, values[i]);
        vd_buf_u8(&ours, ' ');
        vd_buf_u64(&ours, (uint64_t)values[i]);
        vd_buf_printf(&wanted, "%lld %llu", (long long)values[i], (unsigned long long)values[i]);
        assert_string_equal(vd_buf_cstr(&ours), vd_buf_cstr(&wanted));
    }
}

static bool is_plain(uint8_t c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/* Every byte at every place of two words and a rest, behind every neighbour that could borrow. */
static void plain_bytes_are_counted_as_one_by_one(void **state)
{
    (void)state;
    uint8_t text[19];
    for (unsigned before = 0x1f; before <= 0x80; before++)
        for (unsigned c = 0; c < 256; c++)
            for (size_t at = 0; at + 1 < sizeof text; at++) {
                memset(text, 'a', sizeof text);
                text[at] = (uint8_t)before;
                text[at + 1] = (uint8_t)c;
                size_t want = 0;
                while (want < sizeof text && is_plain(text[want]))
                    want++;
                assert_int_equal(vd_span_plain(vd_span_of(text, sizeof text), 0), want);
            }
    assert_int_equal(vd_span_plain(VD_LIT("abc"), 3), 0);
    assert_int_equal(vd_span_plain(VD_SPAN_NONE, 0), 0);
}

static void graphic_bytes_are_those_between_blank_and_delete(void **state)
{
    (void)state;
    uint8_t text[19];
    for (unsigned before = 0; before < 256; before++)
        for (unsigned c = 0; c < 256; c++)
            for (size_t at = 0; at + 1 < sizeof text; at += 3) {
                memset(text, 'a', sizeof text);
                text[at] = (uint8_t)before;
                text[at + 1] = (uint8_t)c;
                bool want = before > 0x20 && before < 0x7f && c > 0x20 && c < 0x7f;
                assert_int_equal(vd_span_graphic(vd_span_of(text, sizeof text)), want);
            }
    assert_true(vd_span_graphic(VD_SPAN_NONE));
}

static void every_error_row_is_complete_and_unique(void **state)
{
    (void)state;
    size_t n = 0;
    for (const struct vd_error_row *a = vd_error_at(0); a; a = vd_error_at(++n)) {
        assert_true(a->http >= 400 && a->http < 600);
        assert_true(a->kbs_http >= 400 && a->kbs_http < 600);
        assert_ptr_equal(vd_error_row(a->code), a);
        for (size_t i = 0; i < n; i++) {
            assert_string_not_equal(vd_error_at(i)->slug, a->slug);
            assert_int_not_equal(vd_error_at(i)->code, a->code);
        }
    }
    assert_true(n > 60);
    assert_int_equal(vd_error_row((vd_code)9999)->code, VD_E_INTERNAL);
}

static void the_first_cause_of_a_failure_is_kept(void **state)
{
    (void)state;
    vd_err err = { 0 };
    assert_rc(VD_E_SIG, vd_fail(&err, VD_E_SIG, "first %d", 1));
    assert_rc(VD_E_NOMEM, vd_fail(&err, VD_E_NOMEM, "second"));
    vd_context(&err, "snp");
    assert_int_equal(err.code, VD_E_SIG);
    assert_string_equal(err.msg, "snp: first 1");
}

/* Formatted text that fits into what is there, that needs more, and that is over the maximum. */
static void formatted_text_ends_where_the_buffer_may(void **state)
{
    (void)state;
    size_t fitted = 0;
    for (size_t before = 250; before <= 262; before++)
        for (size_t max = 262; max <= 270; max++) {
            VD_AUTO_BUF b = vd_buf_of(max);
            for (size_t i = 0; i < before; i++)
                vd_buf_u8(&b, 'x');
            vd_buf_printf(&b, "%s-%u", "abc", 12u);
            bool fits = before + 6 <= max;
            assert_int_equal(b.bad, !fits);
            assert_int_equal(b.over, !fits);
            assert_int_equal(b.n, before + (fits ? 6 : 0));
            if (!fits)
                continue;
            assert_span_str(vd_span_part(vd_buf_span(&b), before, 6), "abc-12");
            assert_int_equal(strlen(vd_buf_cstr(&b)), b.n);
            fitted++;
        }
    assert_true(fitted > 0);
    VD_AUTO_BUF less = vd_buf_of(1024);
    vd_buf_str(&less, "0123456789");
    less.max = 12; /* lowered below what is there */
    vd_buf_printf(&less, "%s", "abc");
    assert_true(less.bad);
}

static void time_is_written_and_read_in_both_forms(void **state)
{
    (void)state;
    VD_AUTO_BUF b = vd_buf_of(64);
    vd_time_rfc3339(1780272000, &b);
    assert_span_str(vd_buf_span(&b), "2026-06-01T00:00:00Z");
    vd_buf_reset(&b);
    vd_time_rfc3339(253402300800, &b); /* five digits are no RFC 3339, and are not hidden */
    assert_span_str(vd_buf_span(&b), "10000-01-01T00:00:00Z");
    vd_buf_reset(&b);
    vd_time_rfc3339(-62135596801, &b);
    assert_span_str(vd_buf_span(&b), "0000-12-31T23:59:59Z");
    vd_buf_reset(&b);
    vd_time_imf(1780272000, &b);
    assert_span_str(vd_buf_span(&b), "Mon, 01 Jun 2026 00:00:00 GMT");
    static const struct {
        const char *text;
        int64_t want;
    } good[] = {
        { "2026-06-01T00:00:00Z", 1780272000 },
        { "2026-06-01T02:30:00+02:30", 1780272000 },
        { "2026-05-31T23:00:00-01:00", 1780272000 },
        { "2026-06-01T00:00:00.123456Z", 1780272000 },
        { "1970-01-01T00:00:00Z", 0 },
        { "2000-02-29T12:00:00Z", 951825600 },
        { "1969-12-31T23:59:59Z", -1 },
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        int64_t got = 0;
        assert_ok(vd_time_parse(vd_span_str(good[i].text), &got, NULL));
        assert_true(got == good[i].want);
    }
    static const char *const refused[] = {
        "",
        "2026-06-01",
        "2026-06-01T00:00:00",
        "2026-06-01 00:00:00Z",
        "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-06-31T00:00:00Z",
        "2026-06-01T24:00:00Z",
        "2026-06-01T00:00:60Z",
        "2026-06-01T00:00:00.Z",
        "2026-06-01T00:00:00+2:00",
        "2026-06-01T00:00:00Zx",
        "1900-02-29T00:00:00Z",
        "+026-06-01T00:00:00Z",
    };
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        int64_t got = 0;
        assert_rc(VD_E_SYNTAX, vd_time_parse(vd_span_str(refused[i]), &got, NULL));
    }
    for (int64_t t = -2000000000; t < 5000000000; t += 98765431) {
        int64_t got = 0;
        vd_buf_reset(&b);
        vd_time_rfc3339(t, &b);
        assert_ok(vd_time_parse(vd_buf_span(&b), &got, NULL));
        assert_true(got == t);
    }
}

static void fixed_clock_says_what_it_is_told(void **state)
{
    (void)state;
    int64_t now = 5000000000;
    struct vd_clock c = vd_clock_fixed(&now);
    assert_true(vd_clock_s(&c) == 5);
    now += 1000000000;
    assert_true(vd_clock_s(&c) == 6);
    struct vd_clock real = vd_clock_real();
    assert_true(vd_clock_s(&real) > 1700000000);
}

static void secrets_compare_in_constant_time_and_by_length(void **state)
{
    (void)state;
    assert_true(vd_ct_equal(VD_LIT("abc"), VD_LIT("abc")));
    assert_false(vd_ct_equal(VD_LIT("abc"), VD_LIT("abd")));
    assert_false(vd_ct_equal(VD_LIT("abc"), VD_LIT("abcd")));
    assert_true(vd_ct_equal(VD_SPAN_NONE, VD_SPAN_NONE));
}

static void private_files_must_be_private_regular_and_small(void **state)
{
    (void)state;
    VD_AUTO(free) char *dir = vd_test_dir("secret");
    char path[4096];
    char link_path[4096];
    (void)snprintf(path, sizeof path, "%s/key", dir);
    (void)snprintf(link_path, sizeof link_path, "%s/link", dir);
    VD_AUTO_FD int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "0123456789", 10), 10);
    assert_int_equal(symlink(path, link_path), 0);
    VD_AUTO_SECRET s = { 0 };
    vd_err err = { 0 };
    assert_ok(vd_secret_read_file(path, 10, true, &s, &err));
    assert_true(vd_ct_equal(vd_secret_span(&s), VD_LIT("0123456789")));
    assert_rc(VD_E_FILE, vd_secret_read_file(path, 9, true, &s, NULL));
    assert_rc(VD_E_FILE, vd_secret_read_file(link_path, 10, true, &s, NULL));
    assert_rc(VD_E_FILE, vd_secret_read_file(dir, 10, true, &s, NULL));
    assert_rc(VD_E_FILE, vd_secret_read_file("/nonexistent/key", 10, true, &s, &err));
    assert_non_null(strstr(err.msg, "/nonexistent/key"));
    assert_int_equal(fchmod(fd, 0640), 0);
    assert_rc(VD_E_FILE, vd_secret_read_file(path, 10, true, &s, NULL));
}

static void log_lines_escape_what_strangers_wrote(void **state)
{
    (void)state;
    VD_AUTO(free) char *dir = vd_test_dir("log");
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/log", dir);
    VD_AUTO_FD int fd = open(path, O_RDWR | O_CREAT, 0600);
    int64_t now = 1780272000000000000;
    struct vd_log *log = vd_log_new(fd, VD_LOG_INFO, VD_LOG_JSON, vd_clock_fixed(&now));
    const struct vd_log_field field = { "path", VD_LIT("/a\"b\n\x1b[31m\xff") };
    vd_log_write(log, VD_LOG_INFO, "http", "refused", &field, 1);
    vd_log_write(log, VD_LOG_DEBUG, "http", "not written", NULL, 0);
    vd_log_free(log);
    char text[512] = { 0 };
    assert_true(pread(fd, text, sizeof text - 1, 0) > 0);
    assert_string_equal(text,
                        "{\"time\":\"2026-06-01T00:00:00Z\",\"level\":\"info\",\"room\":\"http\","
                        "\"text\":\"refused\",\"path\":\"/a\\u0022b\\u000a\\u001b[31m\\u00ff\"}\n");
}

static void limits_have_defaults_below_their_hard_values(void **state)
{
    (void)state;
    const struct vd_limits limits = VD_LIMITS_DEFAULT;
    assert_int_equal(limits.attest_body, 2097152);
#define CHECK(field, def, hard, reason)                                                            \
    assert_true((uint64_t)(def) <= (uint64_t)(hard) && sizeof(reason) > 1);
    VD_LIMITS(CHECK)
#undef CHECK
}

static int init(void **state)
{
    (void)state;
    return vd_base_init(NULL).code == VD_E_OK ? 0 : 1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reader_is_sticky_after_the_first_short_read),
        cmocka_unit_test(buffer_never_grows_above_its_maximum),
        cmocka_unit_test(numbers_are_written_as_printf_writes_them),
        cmocka_unit_test(plain_bytes_are_counted_as_one_by_one),
        cmocka_unit_test(graphic_bytes_are_those_between_blank_and_delete),
        cmocka_unit_test(every_error_row_is_complete_and_unique),
        cmocka_unit_test(the_first_cause_of_a_failure_is_kept),
        cmocka_unit_test(formatted_text_ends_where_the_buffer_may),
        cmocka_unit_test(time_is_written_and_read_in_both_forms),
        cmocka_unit_test(fixed_clock_says_what_it_is_told),
        cmocka_unit_test(secrets_compare_in_constant_time_and_by_length),
        cmocka_unit_test(private_files_must_be_private_regular_and_small),
        cmocka_unit_test(log_lines_escape_what_strangers_wrote),
        cmocka_unit_test(limits_have_defaults_below_their_hard_values),
    };
    return cmocka_run_group_tests(tests, init, NULL);
}
