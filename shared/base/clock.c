/* The wall clock, a fixed clock, and the two text forms of time that the wire uses. */
#include "shared/base/clock.h"

#include <time.h>

static int64_t real_now(void *ctx)
{
    (void)ctx;
    struct timespec ts;
    (void)clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static int64_t fixed_now(void *ctx)
{
    return *(const int64_t *)ctx;
}

struct vd_clock vd_clock_real(void)
{
    return (struct vd_clock){ real_now, NULL };
}

struct vd_clock vd_clock_fixed(const int64_t *ns)
{
    union {
        const int64_t *in;
        void *out;
    } ctx = { .in = ns };
    return (struct vd_clock){ fixed_now, ctx.out };
}

/* Days since 1970-01-01 of a proleptic Gregorian date (H. Hinnant, days_from_civil). */
static int64_t days_of(int64_t y, unsigned m, unsigned d)
{
    y -= m <= 2;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    unsigned yoe = (unsigned)(y - era * 400);
    unsigned doy = (153 * (m > 2 ? m - 3 : m + 9) + 2) / 5 + d - 1;
    unsigned doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    return era * 146097 + (int64_t)doe - 719468;
}

static struct tm tm_of(int64_t unix_s)
{
    struct tm tm = { 0 };
    time_t t = (time_t)unix_s;
    (void)gmtime_r(&t, &tm);
    return tm;
}

static void put_two(vd_buf *out, int v, char behind)
{
    vd_buf_u8(out, (uint8_t)('0' + v / 10 % 10));
    vd_buf_u8(out, (uint8_t)('0' + v % 10));
    vd_buf_u8(out, (uint8_t)behind);
}

/* By hand where the year has four digits: claims hold dozens of times. */
void vd_time_rfc3339(int64_t unix_s, vd_buf *out)
{
    struct tm tm = tm_of(unix_s);
    int year = tm.tm_year + 1900;
    if (year < 0 || year > 9999) {
        vd_buf_printf(out, "%04d-", year);
    } else {
        vd_buf_u8(out, (uint8_t)('0' + year / 1000));
        vd_buf_u8(out, (uint8_t)('0' + year / 100 % 10));
        put_two(out, year % 100, '-');
    }
    put_two(out, tm.tm_mon + 1, '-');
    put_two(out, tm.tm_mday, 'T');
    put_two(out, tm.tm_hour, ':');
    put_two(out, tm.tm_min, ':');
    put_two(out, tm.tm_sec, 'Z');
}

void vd_time_imf(int64_t unix_s, vd_buf *out)
{
    static const char days[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
    static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    struct tm tm = tm_of(unix_s);
    vd_buf_printf(out, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[tm.tm_wday], tm.tm_mday,
                  months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

static unsigned digits(vd_rd *r, unsigned n)
{
    vd_span s = vd_rd_take(r, n);
    unsigned v = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9') {
            r->bad = true;
            return 0;
        }
        v = v * 10 + (unsigned)(s.p[i] - '0');
    }
    return v;
}

static void expect(vd_rd *r, char c)
{
    if (vd_rd_u8(r) != (uint8_t)c)
        r->bad = true;
}

static bool day_exists(unsigned y, unsigned m, unsigned d)
{
    static const unsigned char last[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    if (m < 1 || m > 12 || d < 1)
        return false;
    bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
    return d <= last[m - 1] + (unsigned)(m == 2 && leap);
}

static int64_t read_offset(vd_rd *r)
{
    uint8_t c = vd_rd_u8(r);
    if (c == '.') {
        unsigned n = 0;
        for (c = vd_rd_u8(r); c >= '0' && c <= '9' && n < 9; c = vd_rd_u8(r))
            n++;
        if (n == 0)
            r->bad = true;
    }
    if (c == 'Z')
        return 0;
    if (c != '+' && c != '-') {
        r->bad = true;
        return 0;
    }
    unsigned h = digits(r, 2);
    expect(r, ':');
    unsigned m = digits(r, 2);
    if (h > 23 || m > 59)
        r->bad = true;
    int64_t s = (int64_t)h * 3600 + (int64_t)m * 60;
    return c == '+' ? s : -s;
}

vd_rc vd_time_parse(vd_span text, int64_t *ret_unix_s, vd_err *err)
{
    vd_rd r = vd_rd_of(text);
    unsigned y = digits(&r, 4);
    expect(&r, '-');
    unsigned mo = digits(&r, 2);
    expect(&r, '-');
    unsigned d = digits(&r, 2);
    expect(&r, 'T');
    unsigned h = digits(&r, 2);
    expect(&r, ':');
    unsigned mi = digits(&r, 2);
    expect(&r, ':');
    unsigned s = digits(&r, 2);
    int64_t offset = read_offset(&r);
    if (!vd_rd_end(&r) || !day_exists(y, mo, d) || h > 23 || mi > 59 || s > 59)
        return vd_fail(err, VD_E_SYNTAX, "not a time such as 2026-06-01T00:00:00Z");
    *ret_unix_s =
        days_of(y, mo, d) * 86400 + (int64_t)h * 3600 + (int64_t)mi * 60 + (int64_t)s - offset;
    return VD_OK;
}
