/* Reading the record from its beginning: form, sequence and chain of every line, in one pass with a
 * buffer of fixed size; what a crash may leave behind the last record is told apart from damage.
 * Records are written over blanks, so that can be a line without its end, but also, when the disk
 * kept later sectors and lost earlier ones, sectors of blanks with parts of records behind them. */
#include "shared/audit/audit_priv.h"

#include <errno.h>

enum { CHUNK = 1 << 20, SECTOR = 512 };

struct reading {
    const char *path;
    vd_audit_each each;
    void *ctx;
    struct vd_audit_scan *scan;
    bool continued; /* the first line need not be a beginning */
    bool ended;     /* the last record has been read; `behind` bytes came after it, so far */
    uint64_t behind;
    bool solid; /* not all of them are blanks */
};

static bool all_of(vd_span s, uint8_t c)
{
    size_t i = 0;
    while (i < s.n && s.p[i] == c)
        i++;
    return i == s.n;
}

/* Is a sector of the file in it, whole, that was never written? Zeros: the file was made longer and
 * its bytes had not come yet. */
static bool has_hole(vd_span s, uint64_t offset)
{
    size_t at = (size_t)((SECTOR - offset % SECTOR) % SECTOR);
    for (; at + SECTOR <= s.n; at += SECTOR) {
        vd_span sector = vd_span_part(s, at, SECTOR);
        if (all_of(sector, VD_AUDIT_BLANK) || all_of(sector, 0))
            return true;
    }
    return false;
}

/* The same at its beginning, as far as the sector or the text goes. */
static bool has_gap(vd_span s, uint64_t offset)
{
    size_t n = 0;
    while (n < s.n && s.p[n] == s.p[0] && (s.p[0] == VD_AUDIT_BLANK || s.p[0] == 0))
        n++;
    return n > 0 && (n == s.n || n >= SECTOR - offset % SECTOR);
}

static void end_records(struct reading *g, vd_span rest)
{
    g->ended = true;
    g->behind += rest.n;
    g->solid = g->solid || !all_of(rest, VD_AUDIT_BLANK);
}

static vd_rc damaged(const struct reading *g, const char *what, vd_err *err)
{
    return vd_fail(err, VD_E_STORE_CORRUPT, "%s: line %llu %s", g->path,
                   (unsigned long long)(g->scan->records + 1), what);
}

/* *ret_end: it is no record, but what a crash left of one. */
static vd_rc take_line(const struct reading *g, vd_span text, bool *ret_end, vd_err *err)
{
    struct vd_audit_scan *s = g->scan;
    struct vd_audit_line line;
    vd_err own = { 0 };
    vd_rc_ rc = vd_audit_line_parse(text, &line, &own);
    if (rc.code != VD_E_OK && rc.code != VD_E_SYNTAX)
        return vd_fail(err, rc.code, "%s", own.msg);
    *ret_end = rc.code == VD_E_SYNTAX && has_hole(text, s->good_end);
    if (*ret_end)
        return VD_OK;
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
static vd_rc take_lines(struct reading *g, vd_span in, size_t *ret_used, vd_err *err)
{
    size_t at = 0;
    for (;;) {
        vd_span left = vd_span_part(in, at, in.n);
        size_t n = vd_span_find(left, '\n');
        bool end = has_gap(left, g->scan->good_end);
        if (!end && n == left.n)
            break;
        if (!end)
            VD_TRY(take_line(g, vd_span_part(left, 0, n), &end, err));
        if (end) {
            end_records(g, left);
            at = in.n;
            break;
        }
        at += n + 1;
    }
    *ret_used = at;
    return VD_OK;
}

/* What is left without a newline: cut off in the writing, unless a whole record stands in it, which
 * means that its newline was changed. */
static vd_rc take_tail(struct reading *g, vd_span tail, vd_err *err)
{
    struct vd_audit_line line;
    size_t n = tail.n;
    while (n > 0 && tail.p[n - 1] == VD_AUDIT_BLANK)
        n--;
    if (n > 0 && vd_audit_line_parse(vd_span_part(tail, 0, n - 1), &line, NULL).code == VD_E_OK)
        return damaged(g, "has lost its newline", err);
    end_records(g, tail);
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
    struct reading g = {
        .path = path, .each = each, .ctx = ctx, .scan = &scan, .continued = start != NULL
    };
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
        if (g.ended) {
            end_records(&g, vd_buf_span(&buf));
            vd_buf_reset(&buf);
            continue;
        }
        size_t used = 0;
        VD_TRY(take_lines(&g, vd_buf_span(&buf), &used, err));
        vd_span rest = vd_span_part(vd_buf_span(&buf), used, buf.n);
        if (rest.n > VD_AUDIT_LINE && !has_hole(rest, scan.good_end))
            return damaged(&g, "is longer than any record", err);
        if (rest.n > VD_AUDIT_LINE) {
            end_records(&g, rest);
            used = buf.n;
        }
        memmove(buf.p, buf.p + used, buf.n - used);
        buf.n -= used;
    }
    if (!g.ended)
        VD_TRY(take_tail(&g, vd_buf_span(&buf), err));
    scan.torn = g.solid ? g.behind : 0;
    scan.blank = g.solid ? 0 : g.behind;
    if (scan.records == 0 && !start)
        return vd_fail(err, VD_E_STORE_CORRUPT, "%s: has no beginning; restore it from a backup",
                       path);
    *ret = scan;
    return VD_OK;
}
