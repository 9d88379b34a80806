/* One line a request outcome, written at the edge only (dispatcher, background job, main).
 * Never logged: evidence, tokens, secrets, bodies, cookies. User text is escaped and cut. */
#pragma once

#include "shared/base/clock.h"
#include "shared/base/err.h"

enum vd_log_level { VD_LOG_DEBUG, VD_LOG_INFO, VD_LOG_WARN, VD_LOG_ERROR, VD_LOG_LEVEL_MAX };
enum vd_log_format { VD_LOG_LOGFMT, VD_LOG_JSON, VD_LOG_FORMAT_MAX };

struct vd_log; /* thread safe */
struct vd_log_field {
    const char *key; /* snake_case literal */
    vd_span value;   /* escaped and cut to 256 bytes by the logger */
};

/* fd is borrowed (stderr as a rule). NULL when out of memory. */
struct vd_log *vd_log_new(int fd, enum vd_log_level level, enum vd_log_format format,
                          struct vd_clock clock);
void vd_log_free(struct vd_log *log);
/* Would a line of this level be written? For callers whose fields cost something to make. */
bool vd_log_wants(const struct vd_log *log, enum vd_log_level level);
/* log may be NULL: nothing is written. `room` is a literal such as "http". Fields end with key NULL
 * or n. */
void vd_log_write(struct vd_log *log, enum vd_log_level level, const char *room, const char *text,
                  const struct vd_log_field *fields, size_t n);
/* printf form without fields. */
void vd_log_msg(struct vd_log *log, enum vd_log_level level, const char *room, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* A failure: slug, message and place of err become fields. */
void vd_log_err(struct vd_log *log, enum vd_log_level level, const char *room, const vd_err *err);
/* Escapes control characters, quotes and non-ASCII bytes; cuts to `max` bytes of output. */
void vd_text_escape(vd_span in, size_t max, vd_buf *out);
