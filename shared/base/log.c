/* Log lines: logfmt or JSON, one write(2) a line, so lines of threads do not mix. */
#include "shared/base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 4096, VALUE_MAX = 256 };

struct vd_log {
    int fd;
    enum vd_log_level level;
    enum vd_log_format format;
    struct vd_clock clock;
};

static const char *const level_names[] = {
    [VD_LOG_DEBUG] = "debug",
    [VD_LOG_INFO] = "info",
    [VD_LOG_WARN] = "warn",
    [VD_LOG_ERROR] = "error",
};
_Static_assert(sizeof level_names / sizeof level_names[0] == VD_LOG_LEVEL_MAX,
               "every level has a name");

struct vd_log *vd_log_new(int fd, enum vd_log_level level, enum vd_log_format format,
                          struct vd_clock clock)
{
    struct vd_log *log = calloc(1, sizeof *log);
    if (log)
        *log = (struct vd_log){ fd, level, format, clock };
    return log;
}

void vd_log_free(struct vd_log *log)
{
    free(log);
}

bool vd_log_wants(const struct vd_log *log, enum vd_log_level level)
{
    return log && level >= log->level;
}

void vd_text_escape(vd_span in, size_t max, vd_buf *out)
{
    size_t start = out->n;
    for (size_t i = 0; i < in.n; i++) {
        uint8_t c = in.p[i];
        bool plain = c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
        if (out->n - start + (plain ? 1 : 6) > max) {
            vd_buf_str(out, "...");
            return;
        }
        if (plain)
            vd_buf_u8(out, c);
        else
            vd_buf_printf(out, "\\u%04x", (unsigned)c);
    }
}

static void add_pair(vd_buf *b, enum vd_log_format format, const char *key, vd_span value)
{
    bool json = format == VD_LOG_JSON;
    if (b->n > (json ? 1u : 0u))
        vd_buf_str(b, json ? "," : " ");
    vd_buf_printf(b, json ? "\"%s\":\"" : "%s=\"", key);
    vd_text_escape(value, VALUE_MAX, b);
    vd_buf_u8(b, '"');
}

void vd_log_write(struct vd_log *log, enum vd_log_level level, const char *room, const char *text,
                  const struct vd_log_field *fields, size_t n)
{
    if (!log || level < log->level)
        return;
    VD_AUTO_BUF when = vd_buf_of(64);
    vd_time_rfc3339(vd_clock_s(&log->clock), &when);
    VD_AUTO_BUF b = vd_buf_of(LINE_MAX_BYTES);
    if (log->format == VD_LOG_JSON)
        vd_buf_u8(&b, '{');
    add_pair(&b, log->format, "time", vd_buf_span(&when));
    add_pair(&b, log->format, "level", vd_span_str(level_names[level]));
    add_pair(&b, log->format, "room", vd_span_str(room));
    add_pair(&b, log->format, "text", vd_span_str(text));
    for (size_t i = 0; i < n && fields[i].key; i++)
        add_pair(&b, log->format, fields[i].key, fields[i].value);
    vd_buf_str(&b, log->format == VD_LOG_JSON ? "}\n" : "\n");
    if (!b.bad && write(log->fd, b.p, b.n) < 0)
        return; /* nowhere to say it */
}

void vd_log_msg(struct vd_log *log, enum vd_log_level level, const char *room, const char *fmt, ...)
{
    if (!log || level < log->level)
        return;
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    vd_log_write(log, level, room, text, NULL, 0);
}

void vd_log_err(struct vd_log *log, enum vd_log_level level, const char *room, const vd_err *err)
{
    char place[128];
    (void)snprintf(place, sizeof place, "%s:%d", err->file ? err->file : "?", err->line);
    const struct vd_log_field fields[] = {
        { "slug", vd_span_str(vd_error_row(err->code)->slug) },
        { "place", vd_span_str(place) },
    };
    vd_log_write(log, level, room, err->msg, fields, 2);
}
