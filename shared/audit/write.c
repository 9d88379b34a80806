/* Putting a batch of records into the file: one write, one sync for all of it. Only the leader is
 * here. A full or read-only disk costs nothing but time: what was written in part is cut off again
 * and the next batch tries anew. A sync that failed ends all writing: what the disk holds is then
 * unknown. */
#include "shared/audit/audit_priv.h"

#include <errno.h>

static void fail_all(struct vd_audit_node *batch, vd_code code, int cause)
{
    for (struct vd_audit_node *n = batch; n; n = n->next)
        if (n->code == VD_E_OK && !n->skip) {
            n->code = code;
            n->cause = cause;
        }
}

static bool passing(int cause)
{
    return cause == ENOSPC || cause == EDQUOT || cause == EROFS || cause == EFBIG;
}

/* Lines of the nodes that are not skipped, continuing the chain; state is left as it is. */
static vd_rc compose(struct vd_audit *a, struct vd_audit_node *batch, uint8_t head[32],
                     uint64_t *ret_seq, bool *ret_sync, vd_err *err)
{
    VD_AUTO_BUF time = vd_buf_of(64);
    vd_time_rfc3339(vd_clock_s(&a->clock), &time);
    VD_TRY(vd_buf_check(&time, err));
    uint64_t seq = atomic_load(&a->seq);
    memcpy(head, a->head, 32);
    vd_buf_reset(&a->out);
    *ret_sync = false;
    for (struct vd_audit_node *n = batch; n; n = n->next) {
        if (n->skip)
            continue;
        n->seq = ++seq;
        VD_TRY(vd_audit_line_write(seq, vd_buf_span(&time), n->event, head, n->detail, &a->out,
                                   head, err));
        *ret_sync = *ret_sync || (n->flags & VD_AUDIT_DURABLE);
    }
    *ret_seq = seq;
    return VD_OK;
}

/* 0 or an errno. Nothing of the batch is left in the file unless that is impossible. */
static int write_out(struct vd_audit *a)
{
    size_t at = 0;
    while (at < a->out.n) {
        ssize_t n =
            a->ops.pwrite(a->ops.ctx, a->fd, a->out.p + at, a->out.n - at, (off_t)(a->end + at));
        if (n < 0 && errno == EINTR)
            continue;
        if (n > 0) {
            at += (size_t)n;
            continue;
        }
        int cause = n < 0 ? errno : ENOSPC;
        if (at > 0 && a->ops.ftruncate(a->ops.ctx, a->fd, (off_t)a->end) != 0)
            return EIO;
        return cause;
    }
    return 0;
}

static void break_off(struct vd_audit *a, const char *doing, int cause)
{
    atomic_store(&a->broken, true);
    vd_log_msg(a->log, VD_LOG_ERROR, "audit",
               "%s: %s: %s; nothing is released or changed until a restart", a->path, doing,
               strerror(cause));
}

/* Counts the batch in: offsets, open intents, sequence. */
static void take_in(struct vd_audit *a, struct vd_audit_node *batch, const uint8_t head[32],
                    uint64_t seq)
{
    vd_span left = vd_buf_span(&a->out);
    uint64_t offset = a->end;
    (void)pthread_mutex_lock(&a->lock);
    for (struct vd_audit_node *n = batch; n; n = n->next) {
        if (n->skip)
            continue;
        /* Without memory for it only reading gets slower, and an intent is closed at the next
         * start. */
        (void)!vd_audit_note(a, n->event, strlen(n->event), n->seq, n->detail, offset, NULL).code;
        size_t line = vd_span_find(left, '\n') + 1;
        left = vd_span_part(left, line, left.n);
        offset += line;
    }
    (void)pthread_mutex_unlock(&a->lock);
    memcpy(a->head, head, 32);
    a->end = offset;
    atomic_store(&a->seq, seq);
    atomic_store(&a->written, offset);
}

/* One attempt with what is not skipped. Returns 0, or an errno that may pass; others end all
 * writing. */
static int attempt(struct vd_audit *a, struct vd_audit_node *batch)
{
    uint8_t head[32];
    uint64_t seq = 0;
    bool sync = false;
    vd_rc_ rc = compose(a, batch, head, &seq, &sync, NULL);
    if (rc.code != VD_E_OK) {
        fail_all(batch, rc.code == VD_E_NOMEM ? VD_E_NOMEM : VD_E_AUDIT, EINVAL);
        return 0;
    }
    if (a->out.n == 0)
        return 0;
    int cause = write_out(a);
    if (passing(cause))
        return cause;
    if (cause != 0) {
        break_off(a, "writing failed", cause);
        fail_all(batch, VD_E_AUDIT, cause);
        return 0;
    }
    a->unsynced = true;
    if (sync && a->ops.fdatasync(a->ops.ctx, a->fd) != 0) {
        break_off(a, "syncing failed", errno);
        fail_all(batch, VD_E_AUDIT, EIO);
        return 0;
    }
    a->unsynced = a->unsynced && !sync;
    take_in(a, batch, head, seq);
    return 0;
}

static size_t skip_others(struct vd_audit_node *batch)
{
    size_t left = 0;
    for (struct vd_audit_node *n = batch; n; n = n->next) {
        if (!(n->flags & VD_AUDIT_ADMIN) && n->code == VD_E_OK) {
            n->skip = true;
            n->code = VD_E_AUDIT;
            n->cause = ENOSPC;
        }
        left += !n->skip;
    }
    return left;
}

/* At most once a second: asking for many blocks on a full disk is work. */
static bool space_again(struct vd_audit *a)
{
    int64_t now = vd_clock_s(&a->clock);
    if (a->reserve > 0 && now == a->tried)
        return false;
    a->tried = now;
    if (!vd_audit_reserve_take(a))
        return false;
    atomic_store(&a->starved, false);
    vd_log_msg(a->log, VD_LOG_INFO, "audit", "%s: there is space again", a->path);
    return true;
}

void vd_audit_flush(struct vd_audit *a, struct vd_audit_node *batch)
{
    if (atomic_load(&a->broken)) {
        fail_all(batch, VD_E_AUDIT, EIO);
        return;
    }
    size_t n = 1;
    if (atomic_load(&a->starved) && !space_again(a))
        n = skip_others(batch);
    if (n == 0)
        return;
    int cause = attempt(a, batch);
    if (cause == 0)
        return;
    if (!atomic_exchange(&a->starved, true))
        vd_log_msg(a->log, VD_LOG_ERROR, "audit",
                   "%s: %s; only administrators' changes are written until there is space", a->path,
                   strerror(cause));
    a->tried = vd_clock_s(&a->clock);
    vd_audit_reserve_give(a);
    if (skip_others(batch) == 0)
        return;
    cause = attempt(a, batch);
    if (cause != 0)
        fail_all(batch, VD_E_AUDIT, cause);
}
