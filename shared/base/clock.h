/* Time is a parameter: whoever needs the time holds a vd_clock. Unix time, UTC. */
#pragma once

#include <stdint.h>

#include "shared/base/buf.h"

struct vd_clock {
    int64_t (*now_ns)(void *ctx); /* nanoseconds since 1970-01-01T00:00:00Z */
    void *ctx;
};

/* The wall clock of the machine. */
struct vd_clock vd_clock_real(void);
/* Always *ns; the caller keeps it alive and may change it between calls. */
struct vd_clock vd_clock_fixed(const int64_t *ns);

static inline int64_t vd_clock_ns(const struct vd_clock *c)
{
    return c->now_ns(c->ctx);
}
static inline int64_t vd_clock_s(const struct vd_clock *c)
{
    return c->now_ns(c->ctx) / 1000000000;
}

/* RFC 3339 UTC with seconds, 2026-06-01T00:00:00Z. */
void vd_time_rfc3339(int64_t unix_s, vd_buf *out);
/* IMF-fixdate of RFC 9110, Mon, 01 Jun 2026 00:00:00 GMT. */
void vd_time_imf(int64_t unix_s, vd_buf *out);
/* Accepts YYYY-MM-DDTHH:MM:SS[.fraction](Z|+hh:mm|-hh:mm); fraction is dropped. VD_E_SYNTAX. */
vd_rc vd_time_parse(vd_span text, int64_t *ret_unix_s, vd_err *err);
