/* Output for people and for programs, files, durations, and exit codes. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/cli.h"

void cli_note(const struct cli_args *a, const char *fmt, ...)
{
    if (a->quiet)
        return;
    va_list ap;
    va_start(ap, fmt);
    (void)vfprintf(stderr, fmt, ap);
    va_end(ap);
    (void)fputc('\n', stderr);
}

int cli_fail(int code, const char *fmt, ...)
{
    (void)fputs("vidimus: ", stderr);
    va_list ap;
    va_start(ap, fmt);
    (void)vfprintf(stderr, fmt, ap);
    va_end(ap);
    (void)fputc('\n', stderr);
    return code;
}

/* Codes whose exit code does not follow from their status. */
static const struct {
    vd_code code;
    int exit_code;
} exit_codes[] = {
    { VD_E_SIG, VD_EXIT_VERIFY },
    { VD_E_CHAIN, VD_EXIT_VERIFY },
    { VD_E_PASSPORT, VD_EXIT_VERIFY },
    { VD_E_PASSPORT_EXPIRED, VD_EXIT_VERIFY },
    { VD_E_PASSPORT_AUDIENCE, VD_EXIT_VERIFY },
    { VD_E_PASSPORT_ISSUER, VD_EXIT_VERIFY },
    { VD_E_STORE_CORRUPT, VD_EXIT_VERIFY },
    { VD_E_BAD_EVIDENCE, VD_EXIT_VERIFY },
    { VD_E_REMOTE, VD_EXIT_REMOTE },
    { VD_E_TIMEOUT, VD_EXIT_REMOTE },
    { VD_E_VERSION, VD_EXIT_VERSION },
    { VD_E_ADMIN_TOKEN, VD_EXIT_AUTH },
    { VD_E_POLICY_DENY, VD_EXIT_DENIED },
};

static int exit_of(vd_code code)
{
    for (size_t i = 0; i < sizeof exit_codes / sizeof exit_codes[0]; i++)
        if (exit_codes[i].code == code)
            return exit_codes[i].exit_code;
    return VD_EXIT_USAGE;
}

int cli_fail_err(const vd_err *err)
{
    return cli_fail(exit_of(err->code), "%s",
                    err->msg[0] ? err->msg : vd_error_row(err->code)->text);
}

int cli_write(vd_span bytes, bool line)
{
    size_t done = bytes.n ? fwrite(bytes.p, 1, bytes.n, stdout) : 0;
    if (line && done == bytes.n)
        (void)fputc('\n', stdout);
    if (done != bytes.n || fflush(stdout) != 0)
        return cli_fail(VD_EXIT_USAGE, "standard output: %s", strerror(errno));
    return VD_EXIT_OK;
}

static void print_scalar(vd_jv v)
{
    VD_AUTO_BUF text = vd_buf_of(1u << 20);
    if (vd_jv_is(v, VD_JSON_STRING) && vd_jv_str(v, &text, NULL).code == VD_E_OK) {
        for (size_t i = 0; i < text.n; i++) /* no control characters of a stranger on a terminal */
            (void)fputc(text.p[i] < 0x20 && text.p[i] != '\n' ? '?' : text.p[i], stdout);
        return;
    }
    vd_span raw = vd_jv_raw(v);
    (void)fwrite(raw.p, 1, raw.n, stdout);
}

static bool container(vd_jv v)
{
    return (vd_jv_is(v, VD_JSON_OBJECT) || vd_jv_is(v, VD_JSON_ARRAY)) && vd_jv_count(v) > 0;
}

void cli_print_people(vd_jv v)
{
    if (!container(v)) {
        print_scalar(v);
        (void)fputc('\n', stdout);
        return;
    }
    vd_jv_iter level[64];
    size_t depth = 0;
    level[depth] = vd_jv_iter_of(v);
    for (;;) {
        if (!vd_jv_next(&level[depth])) {
            if (depth == 0)
                return;
            depth--;
            continue;
        }
        vd_jv_iter *it = &level[depth];
        (void)printf("%*s", (int)(2 * depth), "");
        if (it->object) {
            print_scalar(it->name);
            (void)putchar(':');
        } else {
            (void)putchar('-');
        }
        if (container(it->value) && depth + 1 < sizeof level / sizeof level[0]) {
            (void)fputc('\n', stdout);
            level[++depth] = vd_jv_iter_of(it->value);
            continue;
        }
        (void)putchar(' ');
        print_scalar(it->value);
        (void)putchar('\n');
    }
}

int cli_print(const struct cli_args *a, vd_span json)
{
    if (a->json)
        return cli_write(json, true);
    VD_AUTO(vd_json_free) struct vd_json *j = NULL;
    const struct vd_json_limits wide = { CLI_FILE_MAX, 64, 1000000 };
    if (vd_json_parse(json, &wide, &j, NULL).code != VD_E_OK)
        return cli_write(json, true);
    cli_print_people(vd_json_root(j));
    return fflush(stdout) == 0 ? VD_EXIT_OK : VD_EXIT_USAGE;
}

vd_rc cli_read(const char *path, size_t max, vd_buf *out, vd_err *err)
{
    VD_AUTO_FD int own = -1;
    int fd = STDIN_FILENO;
    if (strcmp(path, "-") != 0) {
        own = open(path, O_RDONLY | O_CLOEXEC);
        fd = own;
        if (fd < 0)
            return vd_fail(err, VD_E_FILE, "%s: %s", path, strerror(errno));
    }
    *out = vd_buf_of(max + 1);
    for (;;) {
        uint8_t *at = vd_buf_reserve(out, 1);
        if (!at)
            return vd_fail(err, VD_E_FILE, "%s: no memory", path);
        ssize_t got = read(fd, at, out->cap - out->n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return vd_fail(err, VD_E_FILE, "%s: %s", path, strerror(errno));
        if (got == 0)
            return VD_OK;
        out->n += (size_t)got;
        if (out->n > max)
            return vd_fail(err, VD_E_FILE, "%s: larger than %zu bytes", path, max);
    }
}

static vd_rc write_all(int fd, const char *path, vd_span bytes, vd_err *err)
{
    for (size_t at = 0; at < bytes.n;) {
        ssize_t n = write(fd, bytes.p + at, bytes.n - at);
        if (n < 0 && errno != EINTR)
            return vd_fail(err, VD_E_FILE, "%s: %s", path, strerror(errno));
        at += n > 0 ? (size_t)n : 0;
    }
    return VD_OK;
}

vd_rc cli_save(const char *path, vd_span bytes, vd_err *err)
{
    if (!path || strcmp(path, "-") == 0)
        return write_all(STDOUT_FILENO, "standard output", bytes, err);
    VD_AUTO_BUF temporary = vd_buf_of(4096);
    vd_buf_printf(&temporary, "%s.%ld.new", path, (long)getpid());
    const char *name = vd_buf_cstr(&temporary);
    if (!name)
        return vd_fail(err, VD_E_FILE, "%s: name too long", path);
    VD_AUTO_FD int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return vd_fail(err, VD_E_FILE, "%s: %s", path, strerror(errno));
    vd_rc_ rc = write_all(fd, path, bytes, err);
    if (rc.code == VD_E_OK && (fsync(fd) != 0 || rename(name, path) != 0))
        rc = vd_fail(err, VD_E_FILE, "%s: %s", path, strerror(errno));
    if (rc.code != VD_E_OK)
        (void)unlink(name);
    return rc;
}

vd_span cli_trim(vd_span s)
{
    while (s.n > 0 && s.p[s.n - 1] <= ' ')
        s.n--;
    while (s.n > 0 && s.p[0] <= ' ')
        s = vd_span_part(s, 1, s.n);
    return s;
}

vd_rc cli_duration(const char *text, int64_t *ret, vd_err *err)
{
    static const struct {
        char unit;
        int64_t seconds;
    } units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
    vd_span s = vd_span_str(text);
    int64_t scale = 1;
    for (size_t i = 0; s.n > 0 && i < sizeof units / sizeof units[0]; i++)
        if (s.p[s.n - 1] == (uint8_t)units[i].unit) {
            scale = units[i].seconds;
            s.n--;
            break;
        }
    int64_t v = 0;
    for (size_t i = 0; i < s.n && v < 100000000; i++)
        v = s.p[i] >= '0' && s.p[i] <= '9' ? v * 10 + (s.p[i] - '0') : INT64_MAX / 2;
    if (s.n == 0 || v >= 100000000)
        return vd_fail(err, VD_E_SETTING, "%s: not a duration such as 15m, 900s, 2h or 1d", text);
    *ret = v * scale;
    return VD_OK;
}
