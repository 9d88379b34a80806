/* Reading records back for paging, and the intents that are still open. */
#include "shared/audit/audit_priv.h"

#include <errno.h>

/* Where the record with this sequence can be looked for: at or before it. */
static uint64_t offset_before(struct vd_audit *a, uint64_t seq, uint64_t *ret_first)
{
    (void)pthread_mutex_lock(&a->lock);
    uint64_t i = (seq - 1) / VD_AUDIT_INDEX;
    if (i >= a->n_index)
        i = a->n_index - 1; /* never empty: the first record is always noted */
    uint64_t at = a->index[i];
    (void)pthread_mutex_unlock(&a->lock);
    *ret_first = 1 + i * VD_AUDIT_INDEX;
    return at;
}

static vd_rc read_some(struct vd_audit *a, uint64_t at, uint64_t end, vd_buf *buf, vd_err *err)
{
    size_t want = end - at < (64u << 10) ? (size_t)(end - at) : 64u << 10;
    uint8_t *p = vd_buf_reserve(buf, want);
    if (!p)
        return vd_buf_check(buf, err);
    ssize_t n;
    do
        n = pread(a->fd, p, want, (off_t)at);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return vd_fail(err, VD_E_AUDIT, "%s: cannot be read: %s", a->path,
                       n < 0 ? strerror(errno) : "it was cut off");
    buf->n += (size_t)n;
    return VD_OK;
}

vd_rc vd_audit_read(struct vd_audit *a, uint64_t after, size_t n, vd_buf *out, vd_err *err)
{
    const uint64_t end = atomic_load(&a->written);
    uint64_t seq = 0;
    if (after >= vd_audit_seq(a))
        return VD_OK;
    uint64_t at = offset_before(a, after + 1, &seq);
    VD_AUTO_BUF buf = vd_buf_of(VD_AUDIT_LINE + (128u << 10));
    while (n > 0 && at < end) {
        size_t before = buf.n;
        VD_TRY(read_some(a, at, end, &buf, err));
        at += buf.n - before;
        size_t used = 0;
        for (;;) {
            vd_span left = vd_span_part(vd_buf_span(&buf), used, buf.n);
            size_t line = vd_span_find(left, '\n');
            if (line == left.n || n == 0)
                break;
            if (seq > after) {
                vd_buf_add(out, vd_span_part(left, 0, line + 1));
                n--;
            }
            seq++;
            used += line + 1;
        }
        memmove(buf.p, buf.p + used, buf.n - used);
        buf.n -= used;
    }
    return vd_buf_check(out, err);
}

vd_rc vd_audit_open_intents(struct vd_audit *a, vd_audit_intent each, void *ctx, vd_err *err)
{
    /* A copy: the callback closes intents by appending. */
    (void)pthread_mutex_lock(&a->lock);
    size_t n = a->n_intents;
    uint64_t *open = calloc(n + 1, sizeof *open);
    if (open && n)
        memcpy(open, a->intents, n * sizeof *open);
    (void)pthread_mutex_unlock(&a->lock);
    if (!open)
        return vd_fail(err, VD_E_NOMEM, "audit record");
    vd_rc_ rc = VD_OK;
    for (size_t i = 0; i < n && rc.code == VD_E_OK; i++)
        rc = each(ctx, open[i], err);
    free(open);
    return rc;
}
