/* The head file, PATH.head: a copy of the newest checkpoint. It is small enough to be sent to
 * another party after each checkpoint, and it says whether the record that is opened is as long as
 * it was. Every checkpoint in it was durable in the record before. */
#include "shared/audit/audit_priv.h"

#include <errno.h>
#include <fcntl.h>

#include "shared/base/slurp.h"
#include "shared/crypto/hash.h"

enum { NAME = 8192, HEAD_MAX = 4096, SAID = 400 };

/* ---- writing --------------------------------------------------------------------------------- */

static int write_file(struct vd_audit *a, const char *name, vd_span line)
{
    VD_AUTO_FD int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return errno;
    int cause = vd_audit_write_at(a, fd, line, 0, NULL);
    if (cause == 0 && a->ops.fdatasync(a->ops.ctx, fd) != 0)
        cause = errno;
    return cause;
}

void vd_audit_head_save(struct vd_audit *a, vd_span line)
{
    VD_AUTO_BUF name = vd_buf_of(NAME);
    VD_AUTO_BUF fresh = vd_buf_of(NAME);
    int cause = ENOMEM;
    if (vd_audit_beside(a->path, ".head", &name, NULL).code == VD_E_OK &&
        vd_audit_beside(a->path, ".head.new", &fresh, NULL).code == VD_E_OK) {
        cause = write_file(a, vd_buf_cstr(&fresh), line);
        if (cause == 0 && rename(vd_buf_cstr(&fresh), vd_buf_cstr(&name)) != 0)
            cause = errno;
        if (cause != 0)
            (void)unlink(vd_buf_cstr(&fresh));
    }
    (void)pthread_mutex_lock(&a->lock);
    vd_buf_reset(&a->head_line);
    vd_buf_add(&a->head_line, line);
    (void)pthread_mutex_unlock(&a->lock);
    if (cause == EIO)
        vd_audit_break(a, "its head file cannot be written", cause);
    else if (cause != 0)
        vd_log_msg(a->log, VD_LOG_WARN, "audit",
                   "%s.head: %s; it stays behind until the next checkpoint", a->path,
                   strerror(cause));
}

/* ---- comparing at the start ------------------------------------------------------------------ */

/* An error, or what the record lacks kept for accept-rollback. */
static vd_rc is_behind(struct vd_audit *a, bool accept, vd_err *err, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
static vd_rc is_behind(struct vd_audit *a, bool accept, vd_err *err, const char *fmt, ...)
{
    char text[SAID];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (!accept)
        return vd_fail(err, VD_E_STORE_CORRUPT,
                       "%s; restore the newest files, or see: vidimus-%s accept-rollback --help",
                       text, a->program);
    a->behind = strdup(text);
    return a->behind ? VD_OK : vd_fail(err, VD_E_NOMEM, "audit record");
}

struct looking {
    vd_span line;
    uint64_t seq;
    bool seen; /* the record has that sequence */
    bool same;
};

static vd_rc look(void *ctx, uint64_t seq, vd_span text, bool *ret_stop, vd_err *err)
{
    struct looking *l = ctx;
    (void)err;
    l->seen = seq == l->seq;
    l->same = l->seen && vd_span_eq(text, l->line);
    *ret_stop = true;
    return VD_OK;
}

static bool record_has_checkpoint(const struct vd_audit *a)
{
    return a->first_seq > 1 || a->tree_from > a->first_seq;
}

static vd_rc compare(struct vd_audit *a, vd_span line, const struct vd_audit_line *q, bool accept,
                     vd_err *err)
{
    struct looking l = { .line = line, .seq = q->seq };
    if (q->seq > vd_audit_seq(a))
        return is_behind(a, accept, err,
                         "%s ends at record %llu, but its head file tells of %llu: records were "
                         "taken away or an older file was put back",
                         a->path, (unsigned long long)vd_audit_seq(a), (unsigned long long)q->seq);
    VD_TRY(vd_audit_walk(a, q->seq, look, &l, err));
    if (l.seen && !l.same)
        return is_behind(a, accept, err,
                         "%s: record %llu is not the checkpoint that its head file has: another "
                         "record was put in its place",
                         a->path, (unsigned long long)q->seq);
    if (!l.seen)
        vd_log_msg(a->log, VD_LOG_WARN, "audit",
                   "%s: the file with record %llu of its head file was put away; not compared",
                   a->path, (unsigned long long)q->seq);
    vd_buf_add(&a->head_line, line);
    vd_buf_u8(&a->head_line, '\n');
    return vd_buf_check(&a->head_line, err);
}

static vd_rc understand(const struct vd_audit *a, vd_span line, struct vd_audit_line *q,
                        vd_err *err)
{
    struct vd_audit_checkpoint c;
    VD_TRY(vd_audit_line_parse(line, q, err));
    VD_TRY(vd_audit_checkpoint_parse(q, &c, err));
    if (strcmp(c.program, a->program) != 0 || strcmp(c.log, a->log_id) != 0)
        return vd_fail(err, VD_E_SYNTAX, "is the head of another record");
    return vd_audit_checkpoint_verify(&c, q->time, a->signer, err);
}

vd_rc vd_audit_head_check(struct vd_audit *a, bool accept, vd_err *err)
{
    VD_AUTO_BUF name = vd_buf_of(NAME);
    VD_AUTO_BUF text = vd_buf_of(HEAD_MAX + 65536);
    struct vd_audit_line q;
    vd_err own = { 0 };
    VD_TRY(vd_audit_beside(a->path, ".head", &name, err));
    vd_rc_ rc = vd_file_read(vd_buf_cstr(&name), HEAD_MAX, &text, NULL, &own);
    if (rc.code == VD_E_NOT_FOUND && !record_has_checkpoint(a))
        return VD_OK;
    if (rc.code == VD_E_NOT_FOUND)
        return is_behind(a, accept, err,
                         "%s is missing: without it nobody can tell whether %s is whole",
                         vd_buf_cstr(&name), a->path);
    if (rc.code == VD_E_FILE || rc.code == VD_E_NOMEM)
        return vd_fail(err, rc.code, "%s", own.msg);
    vd_span line = vd_span_part(vd_buf_span(&text), 0, vd_span_find(vd_buf_span(&text), '\n'));
    if (line.n + 1 != text.n)
        rc = vd_fail(&own, VD_E_SYNTAX, "is no line");
    else
        rc = understand(a, line, &q, &own);
    if (rc.code == VD_E_NOMEM)
        return vd_fail(err, rc.code, "%s", own.msg);
    if (rc.code != VD_E_OK)
        return is_behind(a, accept, err, "%s: %.100s", vd_buf_cstr(&name),
                         rc.code == VD_E_SIG ? "its signature is not of this record's key"
                                             : own.msg);
    return compare(a, line, &q, accept, err);
}
