/* Putting a batch of records into the file: one write, one sync for all of it. Only the leader is
 * here. A full or read-only disk costs nothing but time: what was written in part is cut off again
 * and the next batch tries anew. A sync that failed ends all writing: what the disk holds is then
 * unknown. */
#include "shared/audit/audit_priv.h"

#include <errno.h>
#include <sys/stat.h>

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

/* What the batch makes of the chain and the tree, to be kept once it is written. */
struct next {
    uint8_t head[32];
    uint64_t seq;
    bool sync;
    struct vd_merkle tree;
    uint64_t tree_from;
    int64_t signed_at;
    bool checkpoint;
    size_t checkpoint_at; /* its line in the output */
};

static vd_rc add_record(struct vd_audit *a, struct next *t, vd_span time, const char *event,
                        vd_span detail, vd_err *err)
{
    uint8_t leaf[32];
    size_t at = a->out.n;
    VD_TRY(vd_audit_line_write(t->seq + 1, time, event, t->head, detail, &a->out, t->head, err));
    t->seq++;
    if (!a->signer || t->checkpoint)
        return VD_OK;
    VD_TRY(vd_merkle_leaf(vd_span_part(vd_buf_span(&a->out), at, a->out.n - at - 1), leaf, err));
    return vd_merkle_add(&t->tree, leaf, err);
}

static vd_rc add_checkpoint(struct vd_audit *a, struct next *t, vd_span time, vd_err *err)
{
    VD_AUTO_BUF detail = vd_buf_of(2048);
    struct vd_audit_checkpoint c = { .from = t->tree_from, .to = t->seq };
    memcpy(c.program, a->program, sizeof c.program);
    memcpy(c.log, a->log_id, sizeof c.log);
    memcpy(c.head, t->head, sizeof c.head);
    VD_TRY(vd_merkle_root(&t->tree, c.root, err));
    VD_TRY(vd_audit_checkpoint_write(&c, time, a->signer, &detail, err));
    t->checkpoint = true;
    t->checkpoint_at = a->out.n;
    VD_TRY(add_record(a, t, time, VD_AUDIT_CHECKPOINT, vd_buf_span(&detail), err));
    t->tree = (struct vd_merkle){ 0 };
    t->tree_from = t->seq + 1;
    t->sync = true;
    return VD_OK;
}

static bool due(const struct vd_audit *a, const struct next *t, int64_t now)
{
    if (a->checkpoint_records > 0 && t->tree.n >= a->checkpoint_records)
        return true;
    return a->checkpoint_seconds > 0 && now - t->signed_at >= (int64_t)a->checkpoint_seconds;
}

/* Lines of the nodes that are not skipped, continuing the chain; state is left as it is. */
static vd_rc compose(struct vd_audit *a, struct vd_audit_node *batch, bool force, struct next *t,
                     vd_err *err)
{
    VD_AUTO_BUF time = vd_buf_of(64);
    int64_t now = vd_clock_s(&a->clock);
    vd_time_rfc3339(now, &time);
    VD_TRY(vd_buf_check(&time, err));
    *t = (struct next){ .seq = atomic_load(&a->seq),
                        .tree = a->tree,
                        .tree_from = a->tree_from,
                        .signed_at = a->tree.n > 0 ? a->signed_at : now };
    memcpy(t->head, a->head, 32);
    vd_buf_reset(&a->out);
    for (struct vd_audit_node *n = batch; n; n = n->next) {
        force = force || (n->mark && !n->skip);
        if (n->skip || n->mark)
            continue;
        n->seq = t->seq + 1;
        VD_TRY(add_record(a, t, vd_buf_span(&time), n->event, n->detail, err));
        t->sync = t->sync || (n->flags & VD_AUDIT_DURABLE);
    }
    if (a->signer && t->tree.n > 0 && (force || due(a, t, now)))
        VD_TRY(add_checkpoint(a, t, vd_buf_span(&time), err));
    return VD_OK;
}

int vd_audit_write_at(struct vd_audit *a, int fd, vd_span bytes, uint64_t at, bool *ret_touched)
{
    size_t done = 0;
    while (done < bytes.n) {
        ssize_t n =
            a->ops.pwrite(a->ops.ctx, fd, bytes.p + done, bytes.n - done, (off_t)(at + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? errno : ENOSPC;
        done += (size_t)n;
        if (ret_touched)
            *ret_touched = true;
    }
    return 0;
}

int vd_audit_trim(struct vd_audit *a)
{
    struct stat st;
    bool longer = fstat(a->fd, &st) != 0 || st.st_size > (off_t)a->end;
    if (longer && a->ops.ftruncate(a->ops.ctx, a->fd, (off_t)a->end) != 0)
        return errno;
    a->size = a->end;
    return 0;
}

/* Blanks for the batch and for some that follow. When the disk does not have that much the batch
 * goes without: it may still fit. 0, or EIO when blanks of an attempt cannot be cut off. */
static int make_room(struct vd_audit *a)
{
    static const uint64_t block = 4096;
    uint64_t want = (a->end + a->out.n + VD_AUDIT_ROOM) / block * block;
    VD_AUTO_BUF blanks = vd_buf_of((size_t)(want - a->size));
    uint8_t *p = vd_buf_extend(&blanks, (size_t)(want - a->size));
    if (!p)
        return 0;
    memset(p, VD_AUDIT_BLANK, blanks.n);
    bool touched = false;
    if (vd_audit_write_at(a, a->fd, vd_buf_span(&blanks), a->size, &touched) != 0)
        return touched && vd_audit_trim(a) != 0 ? EIO : 0;
    a->size = want;
    return 0;
}

/* 0 or an errno. Nothing of the batch is left in the file unless that is impossible. */
static int write_out(struct vd_audit *a)
{
    bool room = a->end + a->out.n <= a->size || atomic_load(&a->starved);
    int cause = room ? 0 : make_room(a);
    bool touched = false;
    if (cause != 0)
        return cause;
    cause = vd_audit_write_at(a, a->fd, vd_buf_span(&a->out), a->end, &touched);
    if (cause != 0)
        return touched && vd_audit_trim(a) != 0 ? EIO : cause;
    if (a->size < a->end + a->out.n)
        a->size = a->end + a->out.n;
    return 0;
}

void vd_audit_break(struct vd_audit *a, const char *doing, int cause)
{
    if (!atomic_exchange(&a->broken, true))
        vd_log_msg(a->log, VD_LOG_ERROR, "audit",
                   "%s: %s: %s; nothing is released or changed until a restart", a->path, doing,
                   strerror(cause));
}

/* One line of the output that is in the file now. Without memory for it only reading gets slower,
 * and an intent is closed at the next start. */
static void note(struct vd_audit *a, const char *event, uint64_t seq, vd_span detail,
                 uint64_t *offset, vd_span *left)
{
    (void)!vd_audit_note(a, event, strlen(event), seq, detail, *offset, NULL).code;
    size_t line = vd_span_find(*left, '\n') + 1;
    *left = vd_span_part(*left, line, left->n);
    *offset += line;
}

/* Counts the batch in: offsets, open intents, sequence, tree. */
static void take_in(struct vd_audit *a, struct vd_audit_node *batch, const struct next *t)
{
    vd_span left = vd_buf_span(&a->out);
    uint64_t offset = a->end;
    (void)pthread_mutex_lock(&a->lock);
    for (struct vd_audit_node *n = batch; n; n = n->next)
        if (!n->skip && !n->mark)
            note(a, n->event, n->seq, n->detail, &offset, &left);
    if (t->checkpoint)
        note(a, VD_AUDIT_CHECKPOINT, t->seq, VD_SPAN_NONE, &offset, &left);
    (void)pthread_mutex_unlock(&a->lock);
    memcpy(a->head, t->head, 32);
    a->end = offset;
    a->tree = t->tree;
    a->tree_from = t->tree_from;
    a->signed_at = t->signed_at;
    atomic_store(&a->due, t->tree.n > 0 && a->checkpoint_seconds > 0
                              ? t->signed_at + (int64_t)a->checkpoint_seconds
                              : 0);
    atomic_store(&a->seq, t->seq);
    atomic_store(&a->written, offset);
    atomic_store(&a->signed_next, t->tree_from);
}

int vd_audit_attempt(struct vd_audit *a, struct vd_audit_node *batch, bool force)
{
    struct next t;
    vd_rc_ rc = compose(a, batch, force, &t, NULL);
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
        vd_audit_break(a, "writing failed", cause);
        fail_all(batch, VD_E_AUDIT, cause);
        return 0;
    }
    a->unsynced = true;
    if (t.sync && a->ops.fdatasync(a->ops.ctx, a->fd) != 0) {
        vd_audit_break(a, "syncing failed", errno);
        fail_all(batch, VD_E_AUDIT, EIO);
        return 0;
    }
    a->unsynced = a->unsynced && !t.sync;
    take_in(a, batch, &t);
    if (t.checkpoint)
        vd_audit_head_save(a, vd_span_part(vd_buf_span(&a->out), t.checkpoint_at, a->out.n));
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
    if (a->rotate_bytes > 0 && a->end >= a->rotate_at && !atomic_load(&a->starved))
        vd_audit_rotate(a);
    if (atomic_load(&a->broken)) {
        fail_all(batch, VD_E_AUDIT, EIO);
        return;
    }
    size_t n = 1;
    if (atomic_load(&a->starved) && !space_again(a))
        n = skip_others(batch);
    if (n == 0)
        return;
    int cause = vd_audit_attempt(a, batch, false);
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
    cause = vd_audit_attempt(a, batch, false);
    if (cause != 0)
        fail_all(batch, VD_E_AUDIT, cause);
}
