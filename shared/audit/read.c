/* Reading records back: lines from a sequence on over all files of the record, for paging and for
 * receipts, and the intents that are still open. In the file that is written remembered offsets say
 * where to look; an older file is halved until the place is near. */
#include "shared/audit/audit_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

enum { NEAR = 64 << 10 };

/* A part of the record that can be read from `at` to `end`; the line there is `seq`. */
struct segment {
    int fd;
    uint64_t first; /* sequence that its file begins with */
    uint64_t seq;
    uint64_t at;
    uint64_t end;
    bool last; /* the file that is written */
};

static vd_rc read_at(const struct vd_audit *a, int fd, uint64_t at, uint64_t end, size_t most,
                     vd_buf *buf, vd_err *err)
{
    size_t want = end - at < most ? (size_t)(end - at) : most;
    uint8_t *p = vd_buf_reserve(buf, want);
    if (!p)
        return vd_buf_check(buf, err);
    ssize_t n;
    do
        n = pread(fd, p, want, (off_t)at);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return vd_fail(err, VD_E_AUDIT, "%s: cannot be read: %s", a->path,
                       n < 0 ? strerror(errno) : "it was cut off");
    buf->n += (size_t)n;
    return VD_OK;
}

/* ---- where ----------------------------------------------------------------------------------- */

/* The file that holds the sequence, or the next behind it. A copy of the descriptor: the file may
 * be replaced by the next one while it is read. */
static uint64_t choose(struct vd_audit *a, uint64_t seq, struct segment *ret)
{
    uint64_t older = 0;
    (void)pthread_mutex_lock(&a->lock);
    for (size_t i = 0; i < a->n_older; i++)
        if (older == 0 || a->older[i] <= seq)
            older = a->older[i];
    if (seq >= a->first_seq || older == 0) {
        uint64_t want = seq > a->first_seq ? seq : a->first_seq;
        uint64_t i = (want - a->first_seq) / VD_AUDIT_INDEX;
        if (i >= a->n_index)
            i = a->n_index - 1; /* never empty: the first record is always noted */
        *ret = (struct segment){ .fd = fcntl(a->fd, F_DUPFD_CLOEXEC, 0),
                                 .first = a->first_seq,
                                 .seq = a->first_seq + i * VD_AUDIT_INDEX,
                                 .at = a->index[i],
                                 .end = atomic_load(&a->written),
                                 .last = true };
        older = 0;
    }
    (void)pthread_mutex_unlock(&a->lock);
    return older;
}

/* The first line that begins behind `at`: its offset and sequence; false: none before the end. */
static vd_rc line_behind(struct vd_audit *a, const struct segment *s, uint64_t at, vd_buf *buf,
                         uint64_t *ret_at, uint64_t *ret_seq, bool *ret_there, vd_err *err)
{
    *ret_there = false;
    vd_buf_reset(buf);
    while (at + buf->n < s->end) {
        VD_TRY(read_at(a, s->fd, at + buf->n, s->end, NEAR, buf, err));
        size_t newline = vd_span_find(vd_buf_span(buf), '\n');
        vd_rd r = vd_rd_of(vd_span_part(vd_buf_span(buf), newline + 1, buf->n));
        if (newline < buf->n && vd_rd_left(&r) < 32 && at + buf->n < s->end)
            continue;
        if (newline == buf->n && buf->n <= VD_AUDIT_LINE)
            continue;
        *ret_there = vd_audit_take_literal(&r, "{\"seq\":") && vd_audit_take_number(&r, ret_seq);
        *ret_at = at + newline + 1;
        return VD_OK;
    }
    return VD_OK;
}

static vd_rc halve(struct vd_audit *a, uint64_t seq, struct segment *s, vd_err *err)
{
    VD_AUTO_BUF buf = vd_buf_of(VD_AUDIT_LINE + 2 * NEAR);
    uint64_t far = s->end;
    while (far - s->at > NEAR) {
        uint64_t middle = s->at + (far - s->at) / 2;
        uint64_t at = 0;
        uint64_t found = 0;
        bool there = false;
        VD_TRY(line_behind(a, s, middle, &buf, &at, &found, &there, err));
        if (there && at < far && found <= seq) {
            s->at = at;
            s->seq = found;
        } else {
            far = middle;
        }
    }
    return VD_OK;
}

static vd_rc open_older(struct vd_audit *a, uint64_t first, uint64_t seq, struct segment *ret,
                        vd_err *err)
{
    VD_AUTO_BUF name = vd_buf_of(8192);
    struct stat st;
    VD_TRY(vd_audit_older_name(a->path, first, &name, err));
    VD_AUTO_FD int fd = open(vd_buf_cstr(&name), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    *ret = (struct segment){ .fd = -1, .first = first, .seq = first };
    if (fd < 0 && errno == ENOENT) /* put away meanwhile: nothing to read there */
        return VD_OK;
    if (fd < 0 || fstat(fd, &st) != 0)
        return vd_fail(err, VD_E_AUDIT, "%s: %s", vd_buf_cstr(&name), strerror(errno));
    struct segment s = { .fd = fd, .first = first, .seq = first, .end = (uint64_t)st.st_size };
    VD_TRY(halve(a, seq, &s, err));
    s.fd = vd_fd_take(&fd);
    *ret = s;
    return VD_OK;
}

/* ---- walking --------------------------------------------------------------------------------- */

static vd_rc walk_segment(struct vd_audit *a, const struct segment *s, uint64_t from,
                          vd_audit_visit visit, void *ctx, bool *ret_stop, vd_err *err)
{
    VD_AUTO_BUF buf = vd_buf_of(VD_AUDIT_LINE + (128u << 10));
    uint64_t at = s->at;
    uint64_t seq = s->seq;
    while (!*ret_stop && at < s->end) {
        size_t before = buf.n;
        VD_TRY(read_at(a, s->fd, at, s->end, NEAR, &buf, err));
        at += buf.n - before;
        size_t used = 0;
        while (!*ret_stop) {
            vd_span left = vd_span_part(vd_buf_span(&buf), used, buf.n);
            size_t line = vd_span_find(left, '\n');
            if (line == left.n)
                break;
            if (seq >= from)
                VD_TRY(visit(ctx, seq, vd_span_part(left, 0, line), ret_stop, err));
            seq++;
            used += line + 1;
        }
        memmove(buf.p, buf.p + used, buf.n - used);
        buf.n -= used;
    }
    return VD_OK;
}

/* The first sequence of the file behind that one. */
static uint64_t behind(struct vd_audit *a, uint64_t first)
{
    (void)pthread_mutex_lock(&a->lock);
    uint64_t next = a->first_seq;
    for (size_t i = a->n_older; i > 0; i--)
        if (a->older[i - 1] > first)
            next = a->older[i - 1];
    (void)pthread_mutex_unlock(&a->lock);
    return next;
}

vd_rc vd_audit_walk(struct vd_audit *a, uint64_t seq, vd_audit_visit visit, void *ctx, vd_err *err)
{
    bool stop = false;
    bool last = false;
    while (!stop && !last) {
        struct segment s = { .fd = -1 };
        uint64_t older = choose(a, seq, &s);
        if (older > 0)
            VD_TRY(open_older(a, older, seq, &s, err));
        else if (s.fd < 0)
            return vd_fail(err, VD_E_AUDIT, "%s: %s", a->path, strerror(errno));
        vd_rc_ rc = s.fd < 0 ? VD_OK : walk_segment(a, &s, seq, visit, ctx, &stop, err);
        vd_fd_done(&s.fd);
        if (rc.code != VD_E_OK)
            return rc;
        last = s.last;
        uint64_t next = behind(a, s.first);
        seq = next > seq ? next : seq;
    }
    return VD_OK;
}

struct paging {
    size_t n;
    vd_buf *out;
};

static vd_rc add_line(void *ctx, uint64_t seq, vd_span text, bool *ret_stop, vd_err *err)
{
    struct paging *p = ctx;
    (void)seq;
    vd_buf_add(p->out, text);
    vd_buf_u8(p->out, '\n');
    *ret_stop = --p->n == 0;
    return vd_buf_check(p->out, err);
}

vd_rc vd_audit_read(struct vd_audit *a, uint64_t after, size_t n, vd_buf *out, vd_err *err)
{
    struct paging p = { n, out };
    if (after >= vd_audit_seq(a) || n == 0)
        return VD_OK;
    return vd_audit_walk(a, after + 1, add_line, &p, err);
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
