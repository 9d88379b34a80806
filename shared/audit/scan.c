/* Reading the record from its beginning: form, sequence and chain of every line, in one pass with a
 * buffer of fixed size; the unfinished last line that a crash may leave is told apart from damage.
 */
#include "shared/audit/audit_priv.h"

#include <errno.h>

enum { CHUNK = 1 << 20 };

struct reading {
    const char *path;
    vd_audit_each each;
    void *ctx;
    struct vd_audit_scan *scan;
    bool continued; /* the first line need not be a beginning */
};

static vd_rc damaged(const struct reading *g, const char *what, vd_err *err)
{
    return vd_fail(err, VD_E_STORE_CORRUPT, "%s: line %llu %s", g->path,
                   (unsigned long long)(g->scan->records + 1), what);
}

static vd_rc take_line(const struct reading *g, vd_span text, vd_err *err)
{
    struct vd_audit_scan *s = g->scan;
    struct vd_audit_line line;
    vd_err own = { 0 };
    vd_rc_ rc = vd_audit_line_parse(text, &line, &own);
    if (rc.code != VD_E_OK && rc.code != VD_E_SYNTAX)
        return vd_fail(err, rc.code, "%s", own.msg);
    if (rc.code == VD_E_SYNTAX)
        return damaged(g, own.msg, err);
    bool first = s->records == 0 && !g->continued;
    if (first && !vd_span_eq_str(line.event, "begin"))
        return damaged(g, "is not the record's beginning", err);
    if (first && line.seq > 1) { /* a later file: its first line says what it continues */
        s->last_seq = line.seq - 1;
        memcpy(s->head, line.prev, 32);
    }
    if (line.seq != s->last_seq + 1)
        return damaged(g, "is out of sequence: lines are missing or doubled", err);
    if (!vd_span_eq(vd_span_of(line.prev, sizeof line.prev), vd_span_of(s->head, sizeof s->head)))
        return damaged(g, "does not continue the line before: one of the two was changed", err);
    if (s->records == 0)
        memcpy(s->before, line.prev, 32);
    memcpy(s->head, line.hash, sizeof s->head);
    if (g->each)
        VD_TRY(g->each(g->ctx, &line, s->good_end, err));
    if (s->records == 0)
        s->first_seq = line.seq;
    s->records++;
    s->last_seq = line.seq;
    s->good_end += text.n + 1;
    return VD_OK;
}

/* All whole lines of the buffer; *ret_used is what they took. */
static vd_rc take_lines(const struct reading *g, vd_span in, size_t *ret_used, vd_err *err)
{
    size_t at = 0;
    for (;;) {
        vd_span left = vd_span_part(in, at, in.n);
        size_t n = vd_span_find(left, '\n');
        if (n == left.n)
            break;
        VD_TRY(take_line(g, vd_span_part(left, 0, n), err));
        at += n + 1;
    }
    *ret_used = at;
    return VD_OK;
}

/* What is left without a newline: cut off in the writing, unless a whole record stands in it, which
 * means that its newline was changed. */
static vd_rc take_tail(const struct reading *g, vd_span tail, vd_err *err)
{
    struct vd_audit_line line;
    g->scan->torn = tail.n;
    if (tail.n > 0 &&
        vd_audit_line_parse(vd_span_part(tail, 0, tail.n - 1), &line, NULL).code == VD_E_OK)
        return damaged(g, "has lost its newline", err);
    return VD_OK;
}

static vd_rc fill(const struct reading *g, int fd, vd_buf *buf, uint64_t at, bool *ret_end,
                  vd_err *err)
{
    uint8_t *p = vd_buf_reserve(buf, CHUNK);
    if (!p)
        return vd_buf_check(buf, err);
    ssize_t n;
    do
        n = pread(fd, p, CHUNK, (off_t)at);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return vd_fail(err, VD_E_FILE, "%s: cannot be read: %s", g->path, strerror(errno));
    buf->n += (size_t)n;
    *ret_end = n == 0;
    return VD_OK;
}

vd_rc vd_audit_scan(const char *path, int fd, const struct vd_audit_scan *start, vd_audit_each each,
                    void *ctx, struct vd_audit_scan *ret, vd_err *err)
{
    struct vd_audit_scan scan = start ? *start : (struct vd_audit_scan){ 0 };
    const struct reading g = { path, each, ctx, &scan, start != NULL };
    VD_AUTO_BUF buf = vd_buf_of(CHUNK + VD_AUDIT_LINE + 1);
    uint64_t at = scan.good_end;
    scan.records = 0;
    for (;;) {
        size_t before = buf.n;
        bool end = false;
        VD_TRY(fill(&g, fd, &buf, at, &end, err));
        if (end)
            break;
        at += buf.n - before;
        size_t used = 0;
        VD_TRY(take_lines(&g, vd_buf_span(&buf), &used, err));
        if (buf.n - used > VD_AUDIT_LINE)
            return damaged(&g, "is longer than any record", err);
        memmove(buf.p, buf.p + used, buf.n - used);
        buf.n -= used;
    }
    VD_TRY(take_tail(&g, vd_buf_span(&buf), err));
    if (scan.records == 0 && !start)
        return vd_fail(err, VD_E_STORE_CORRUPT, "%s: has no beginning; restore it from a backup",
                       path);
    *ret = scan;
    return VD_OK;
}
