/* Appending, which is a group commit without a thread of its own: who finds nobody writing becomes
 * the leader, takes all that is queued, and hands the lead to one of those who queued up meanwhile
 * before he wakes the ones he served. */
#include "shared/audit/audit_priv.h"

#include <errno.h>

enum { LAZY_BYTES = 16 << 20, KEEP_BYTES = 1 << 20 };

static struct vd_audit_node *take_queue(struct vd_audit *a)
{
    struct vd_audit_node *batch = a->first;
    a->first = NULL;
    a->last = &a->first;
    a->lazy_bytes = 0;
    return batch;
}

static struct vd_audit_node *first_waiting(const struct vd_audit *a)
{
    for (struct vd_audit_node *n = a->first; n; n = n->next)
        if (!n->lazy && !n->then)
            return n;
    return NULL;
}

static void node_free(struct vd_audit_node *n)
{
    free(n); /* event and detail lie behind it, in the same block */
}

/* A node may be gone as soon as its owner is woken: read what is needed before. */
static void wake(struct vd_audit *a, struct vd_audit_node *batch)
{
    struct vd_wakers wakers = { .n = 0 };
    while (batch) {
        struct vd_audit_node *next = batch->next;
        if (batch->lazy) {
            if (batch->code != VD_E_OK)
                vd_log_msg(a->log, VD_LOG_ERROR, "audit", "a record (%s) could not be written",
                           batch->event);
            node_free(batch);
        } else if (batch->then) {
            vd_err err = { 0 };
            (void)!vd_audit_result(a, batch, &err).code;
            vd_wakers_add(&wakers, batch->then(batch->then_ctx, batch->seq, &err));
            node_free(batch);
        } else {
            batch->done = true;
            (void)sem_post(&batch->wake);
        }
        batch = next;
    }
    vd_wakers_wake(&wakers);
}

/* The lead is handed on before anybody else is woken, so that the next sync begins early. Records
 * that nobody waits for are the writer's, if there is one: else a caller who came with one record
 * of his own would write those of others for as long as more come. */
void vd_audit_lead(struct vd_audit *a, bool writer)
{
    for (bool on = true; on;) {
        (void)pthread_mutex_lock(&a->lock);
        struct vd_audit_node *batch = take_queue(a);
        (void)pthread_mutex_unlock(&a->lock);
        vd_audit_flush(a, batch);
        if (a->out.cap > KEEP_BYTES)
            vd_buf_done(&a->out);
        (void)pthread_mutex_lock(&a->lock);
        struct vd_audit_node *heir = first_waiting(a);
        bool rest = a->first && !heir;
        on = rest && (writer || !a->has_writer);
        a->leading = rest || heir;
        (void)pthread_mutex_unlock(&a->lock);
        if (heir)
            (void)sem_post(&heir->wake);
        else if (rest && !on)
            (void)sem_post(&a->writer_wake);
        wake(a, batch);
    }
}

void vd_audit_enqueue(struct vd_audit *a, struct vd_audit_node *n)
{
    n->next = NULL;
    *a->last = n;
    a->last = &n->next;
}

static vd_rc unbroken(const struct vd_audit *a, vd_err *err)
{
    if (!atomic_load(&a->broken))
        return VD_OK;
    return vd_fail(err, VD_E_AUDIT, "%s: a write or sync failed; check the disk and restart",
                   a->path);
}

vd_rc vd_audit_result(const struct vd_audit *a, const struct vd_audit_node *n, vd_err *err)
{
    if (n->code == VD_E_OK)
        return VD_OK;
    if (n->code == VD_E_NOMEM)
        return vd_fail(err, VD_E_NOMEM, "audit record");
    VD_TRY(unbroken(a, err));
    return vd_fail(err, VD_E_AUDIT, "%s: %s%s", a->path, strerror(n->cause),
                   n->cause == EINVAL ? "" : "; free space on its disk");
}

static vd_rc append_waiting(struct vd_audit *a, const char *event, vd_span detail, unsigned flags,
                            uint64_t *ret_seq, vd_err *err)
{
    struct vd_audit_node n = {
        .event = event, .detail = detail, .flags = flags, .mark = event == NULL
    };
    (void)sem_init(&n.wake, 0, 0);
    (void)pthread_mutex_lock(&a->lock);
    vd_audit_enqueue(a, &n);
    bool first = !a->leading;
    a->leading = true;
    (void)pthread_mutex_unlock(&a->lock);
    while (!first && sem_wait(&n.wake) != 0)
        ; /* interrupted by a debugger */
    if (!n.done)
        vd_audit_lead(a, false);
    (void)sem_destroy(&n.wake);
    vd_rc_ rc = vd_audit_result(a, &n, err);
    if (rc.code == VD_E_OK && ret_seq)
        *ret_seq = n.seq;
    return rc;
}

/* Nobody waits: the record is copied, and written at once if nobody is writing. */
static vd_rc append_lazy(struct vd_audit *a, const char *event, vd_span detail, unsigned flags,
                         vd_err *err)
{
    size_t event_n = strlen(event) + 1;
    VD_AUTO(free) struct vd_audit_node *n = calloc(1, sizeof *n + event_n + detail.n);
    if (!n)
        return vd_fail(err, VD_E_NOMEM, "audit record");
    char *text = (char *)(n + 1);
    memcpy(text, event, event_n);
    if (detail.n)
        memcpy(text + event_n, detail.p, detail.n);
    n->event = text;
    n->detail = vd_span_of(text + event_n, detail.n);
    n->flags = flags;
    n->lazy = true;
    (void)pthread_mutex_lock(&a->lock);
    bool room = a->lazy_bytes <= LAZY_BYTES;
    bool first = room && !a->leading;
    if (room) {
        a->leading = true;
        a->lazy_bytes += sizeof *n + event_n + detail.n;
        vd_audit_enqueue(a, VD_TAKE(n));
    }
    (void)pthread_mutex_unlock(&a->lock);
    if (first)
        vd_audit_lead(a, false);
    return room ? VD_OK
                : vd_fail(err, VD_E_AUDIT, "%s: too many records wait to be written", a->path);
}

vd_rc vd_audit_check_record(const struct vd_audit *a, const char *event, vd_span detail,
                            vd_err *err)
{
    bool good = vd_audit_event_form(vd_span_str(event)) && detail.n <= VD_AUDIT_DETAIL;
    good = good && (detail.n == 0 || vd_audit_detail_form(detail));
    if (!good)
        return vd_fail(err, VD_E_AUDIT, "record (%.32s, %zu bytes) is not one object on one line",
                       event, detail.n);
    return unbroken(a, err);
}

vd_rc vd_audit_append(struct vd_audit *a, const char *event, vd_span detail, unsigned flags,
                      uint64_t *ret_seq, vd_err *err)
{
    VD_TRY(vd_audit_check_record(a, event, detail, err));
    if (flags & VD_AUDIT_DURABLE)
        return append_waiting(a, event, detail, flags, ret_seq, err);
    VD_TRY(append_lazy(a, event, detail, flags, err));
    if (ret_seq)
        *ret_seq = 0;
    return VD_OK;
}

uint64_t vd_audit_seq(const struct vd_audit *a)
{
    return atomic_load(&a->seq);
}

bool vd_audit_ok(const struct vd_audit *a)
{
    return !atomic_load(&a->broken) && !atomic_load(&a->starved);
}

/* ---- checkpoints ----------------------------------------------------------------------------- */

vd_rc vd_audit_checkpoint(struct vd_audit *a, vd_err *err)
{
    if (!a->signer)
        return vd_fail(err, VD_E_UNAVAILABLE, "%s: has no key that signs checkpoints", a->path);
    VD_TRY(unbroken(a, err));
    return append_waiting(a, NULL, VD_SPAN_NONE, VD_AUDIT_DURABLE | VD_AUDIT_ADMIN, NULL, err);
}

void vd_audit_tick(struct vd_audit *a)
{
    int64_t due = atomic_load(&a->due);
    vd_err err = { 0 };
    if (a->signer && due > 0 && vd_clock_s(&a->clock) >= due && !atomic_load(&a->broken) &&
        vd_audit_checkpoint(a, &err).code != VD_E_OK)
        vd_log_err(a->log, VD_LOG_WARN, "audit", &err);
}

vd_rc vd_audit_head(struct vd_audit *a, vd_buf *out, vd_err *err)
{
    (void)pthread_mutex_lock(&a->lock);
    bool none = a->head_line.n == 0;
    (void)pthread_mutex_unlock(&a->lock);
    if (none)
        VD_TRY(vd_audit_checkpoint(a, err));
    (void)pthread_mutex_lock(&a->lock);
    vd_buf_add(out, vd_buf_span(&a->head_line));
    (void)pthread_mutex_unlock(&a->lock);
    return vd_buf_check(out, err);
}

const char *vd_audit_behind(const struct vd_audit *a)
{
    return a->behind;
}

const struct vd_key *vd_audit_signer(const struct vd_audit *a)
{
    return a->signer;
}
