/* The record's life: creating, opening, appending, reading back, closing. Appending is a group
 * commit without a thread of its own: who finds nobody writing becomes the leader, takes all that
 * is queued, and hands the lead to one of those who queued up meanwhile before he wakes the ones he
 * served. */
#include "shared/audit/audit_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "shared/base/file.h"
#include "shared/codec/json.h"

enum { LAZY_BYTES = 16 << 20, BATCH_BYTES = 128 << 20, KEEP_BYTES = 1 << 20 };

vd_rc vd_audit_create(const char *path, const char *program, int64_t now, vd_err *err)
{
    static const uint8_t zeros[32] = { 0 };
    uint8_t hash[32];
    VD_AUTO_BUF time = vd_buf_of(64);
    VD_AUTO_BUF detail = vd_buf_of(1024);
    VD_AUTO_BUF line = vd_buf_of(4096);
    vd_time_rfc3339(now, &time);
    vd_jw w = vd_jw_of(&detail);
    vd_jw_obj(&w);
    vd_jw_kstr(&w, "program", program);
    vd_jw_ku64(&w, "format", 1);
    vd_jw_end(&w);
    VD_TRY(vd_buf_check(&detail, err));
    VD_TRY(vd_audit_line_write(1, vd_buf_span(&time), "begin", zeros, vd_buf_span(&detail), &line,
                               hash, err));
    return vd_file_create(path, vd_buf_span(&line), err);
}

static ssize_t real_pwrite(void *ctx, int fd, const void *p, size_t n, off_t at)
{
    (void)ctx;
    return pwrite(fd, p, n, at);
}

static int real_fdatasync(void *ctx, int fd)
{
    (void)ctx;
    return fdatasync(fd);
}

static int real_ftruncate(void *ctx, int fd, off_t size)
{
    (void)ctx;
    return ftruncate(fd, size);
}

static int real_allocate(void *ctx, int fd, off_t size)
{
    (void)ctx;
    int cause = posix_fallocate(fd, 0, size);
    errno = cause;
    return cause == 0 ? 0 : -1;
}

static struct vd_audit_ops with_defaults(const struct vd_audit_ops *ops)
{
    struct vd_audit_ops all = ops ? *ops : (struct vd_audit_ops){ 0 };
    all.pwrite = all.pwrite ? all.pwrite : real_pwrite;
    all.fdatasync = all.fdatasync ? all.fdatasync : real_fdatasync;
    all.ftruncate = all.ftruncate ? all.ftruncate : real_ftruncate;
    all.allocate = all.allocate ? all.allocate : real_allocate;
    return all;
}

static vd_rc grow(uint64_t **list, size_t n, size_t *cap, vd_err *err)
{
    if (n < *cap)
        return VD_OK;
    size_t more = *cap ? *cap * 2 : 64;
    uint64_t *p = reallocarray(*list, more, sizeof *p);
    if (!p)
        return vd_fail(err, VD_E_NOMEM, "audit record");
    *list = p;
    *cap = more;
    return VD_OK;
}

static bool close_intent(struct vd_audit *a, uint64_t intent)
{
    for (size_t i = a->n_intents; i > 0; i--)
        if (a->intents[i - 1] == intent) {
            memmove(a->intents + i - 1, a->intents + i, (a->n_intents - i) * sizeof *a->intents);
            a->n_intents--;
            return true;
        }
    return false;
}

vd_rc vd_audit_note(struct vd_audit *a, const char *event, size_t event_n, uint64_t seq,
                    vd_span detail, uint64_t offset, vd_err *err)
{
    vd_span e = vd_span_of(event, event_n);
    if (seq == 1 + a->n_index * VD_AUDIT_INDEX) {
        VD_TRY(grow(&a->index, a->n_index, &a->cap_index, err));
        a->index[a->n_index++] = offset;
    }
    if (vd_span_eq_str(e, "intent")) {
        VD_TRY(grow(&a->intents, a->n_intents, &a->cap_intents, err));
        a->intents[a->n_intents++] = seq;
    } else if (vd_span_eq_str(e, "done")) {
        uint64_t intent = vd_audit_line_intent(detail);
        if (close_intent(a, intent) && intent > a->last_done)
            a->last_done = intent;
    } else if (vd_span_eq_str(e, "aborted")) {
        (void)close_intent(a, vd_audit_line_intent(detail));
    } else if (vd_span_eq_str(e, "rollback-accepted")) {
        a->last_done = 0;
    }
    return VD_OK;
}

struct opening {
    struct vd_audit *a;
    const char *program;
};

static vd_rc check_begin(const struct opening *o, const struct vd_audit_line *line, vd_err *err)
{
    VD_AUTO(vd_json_free) struct vd_json *j = NULL;
    vd_rc_ rc = vd_json_parse(line->detail, VD_JSON_LIMITS(4096), &j, NULL);
    if (rc.code != VD_E_OK)
        return vd_fail(err, rc.code == VD_E_NOMEM ? VD_E_NOMEM : VD_E_STORE_CORRUPT,
                       "%s: line 1 is damaged", o->a->path);
    uint64_t format = 0;
    if (vd_jv_u64(vd_jv_get(vd_json_root(j), "format"), 1000, &format, NULL).code != VD_E_OK ||
        format != 1)
        return vd_fail(err, VD_E_CONFIG, "%s: was written by a newer version; start that version",
                       o->a->path);
    if (!vd_jv_str_eq(vd_jv_get(vd_json_root(j), "program"), o->program))
        return vd_fail(err, VD_E_CONFIG, "%s: is not the record of vidimus-%s; set [audit] path",
                       o->a->path, o->program);
    return VD_OK;
}

static vd_rc note_line(void *ctx, const struct vd_audit_line *line, uint64_t offset, vd_err *err)
{
    const struct opening *o = ctx;
    if (line->seq == 1)
        VD_TRY(check_begin(o, line, err));
    return vd_audit_note(o->a, (const char *)line->event.p, line->event.n, line->seq, line->detail,
                         offset, err);
}

/* The file as it was left: its chain, then a torn last line cut off, then durable as read. */
static vd_rc read_back(struct vd_audit *a, const char *program, vd_err *err)
{
    struct stat st;
    a->fd = open(a->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (a->fd < 0 && errno == ENOENT)
        return vd_fail(
            err, VD_E_FILE,
            "%s: the audit record is missing; create it with vidimus-%s init, or restore it",
            a->path, program);
    if (a->fd < 0 || fstat(a->fd, &st) != 0 || !S_ISREG(st.st_mode))
        return vd_fail(err, VD_E_FILE, "%s: %s", a->path,
                       a->fd < 0 ? strerror(errno) : "is not a file");
    struct opening o = { a, program };
    struct vd_audit_scan scan;
    VD_TRY(vd_audit_scan(a->path, a->fd, note_line, &o, &scan, err));
    if (scan.torn > 0) {
        vd_log_msg(a->log, VD_LOG_WARN, "audit",
                   "%s: %llu bytes of an unfinished record were cut off", a->path,
                   (unsigned long long)scan.torn);
        if (a->ops.ftruncate(a->ops.ctx, a->fd, (off_t)scan.good_end) != 0)
            return vd_fail(err, VD_E_AUDIT, "%s: its unfinished last line cannot be cut off: %s",
                           a->path, strerror(errno));
    }
    if (a->ops.fdatasync(a->ops.ctx, a->fd) != 0)
        return vd_fail(err, VD_E_AUDIT, "%s: cannot be made durable: %s", a->path, strerror(errno));
    a->end = scan.good_end;
    memcpy(a->head, scan.head, sizeof a->head);
    atomic_store(&a->seq, scan.last_seq);
    atomic_store(&a->written, scan.good_end);
    return VD_OK;
}

vd_rc vd_audit_open_ops(const struct vd_audit_cfg *cfg, const struct vd_audit_ops *ops,
                        struct vd_audit **ret, vd_err *err)
{
    VD_AUTO(vd_audit_close) struct vd_audit *a = calloc(1, sizeof *a);
    if (!a)
        return vd_fail(err, VD_E_NOMEM, "audit record");
    (void)pthread_mutex_init(&a->lock, NULL);
    a->fd = -1;
    a->last = &a->first;
    a->out = vd_buf_of(BATCH_BYTES);
    a->clock = cfg->clock;
    a->log = cfg->log;
    a->ops = with_defaults(ops);
    a->reserve = cfg->reserve;
    a->path = strdup(cfg->path);
    if (!a->path)
        return vd_fail(err, VD_E_NOMEM, "audit record");
    VD_TRY(vd_audit_reserve_paths(a, err));
    VD_TRY(read_back(a, cfg->program, err));
    a->tried = vd_clock_s(&a->clock);
    if (!vd_audit_reserve_take(a)) {
        atomic_store(&a->starved, true);
        vd_log_msg(a->log, VD_LOG_WARN, "audit",
                   "%s: no space for the reserve; only administrators' changes are written",
                   a->path);
    }
    *ret = VD_TAKE(a);
    return VD_OK;
}

vd_rc vd_audit_open(const struct vd_audit_cfg *cfg, struct vd_audit **ret, vd_err *err)
{
    return vd_audit_open_ops(cfg, NULL, ret, err);
}

void vd_audit_close(struct vd_audit *a)
{
    if (!a)
        return;
    if (a->unsynced && !atomic_load(&a->broken))
        (void)a->ops.fdatasync(a->ops.ctx, a->fd);
    vd_fd_done(&a->fd);
    vd_buf_done(&a->out);
    (void)pthread_mutex_destroy(&a->lock);
    free(a->index);
    free(a->intents);
    free(a->reserve_path);
    free(a->path);
    free(a);
}

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
        if (!n->lazy)
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
    while (batch) {
        struct vd_audit_node *next = batch->next;
        if (batch->lazy) {
            if (batch->code != VD_E_OK)
                vd_log_msg(a->log, VD_LOG_ERROR, "audit", "a record (%s) could not be written",
                           batch->event);
            node_free(batch);
        } else {
            batch->done = true;
            (void)sem_post(&batch->wake);
        }
        batch = next;
    }
}

/* For the one who found `leading` false and set it, or who was woken without being done. The lead
 * is handed on before anybody else is woken, so that the next sync begins early. */
static void lead(struct vd_audit *a)
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
        /* Lazy records that nobody waits for are written before the lead is laid down. */
        on = a->first && !heir;
        a->leading = on || heir;
        (void)pthread_mutex_unlock(&a->lock);
        if (heir)
            (void)sem_post(&heir->wake);
        wake(a, batch);
    }
}

static void enqueue(struct vd_audit *a, struct vd_audit_node *n)
{
    n->next = NULL;
    *a->last = n;
    a->last = &n->next;
}

static vd_rc result(const struct vd_audit *a, const struct vd_audit_node *n, vd_err *err)
{
    if (n->code == VD_E_OK)
        return VD_OK;
    if (n->code == VD_E_NOMEM)
        return vd_fail(err, VD_E_NOMEM, "audit record");
    if (atomic_load(&a->broken))
        return vd_fail(err, VD_E_AUDIT, "%s: a write or sync failed; check the disk and restart",
                       a->path);
    return vd_fail(err, VD_E_AUDIT, "%s: %s%s", a->path, strerror(n->cause),
                   n->cause == EINVAL ? "" : "; free space on its disk");
}

static vd_rc append_waiting(struct vd_audit *a, const char *event, vd_span detail, unsigned flags,
                            uint64_t *ret_seq, vd_err *err)
{
    struct vd_audit_node n = { .event = event, .detail = detail, .flags = flags };
    (void)sem_init(&n.wake, 0, 0);
    (void)pthread_mutex_lock(&a->lock);
    enqueue(a, &n);
    bool first = !a->leading;
    a->leading = true;
    (void)pthread_mutex_unlock(&a->lock);
    while (!first && sem_wait(&n.wake) != 0)
        ; /* interrupted by a debugger */
    if (!n.done)
        lead(a);
    (void)sem_destroy(&n.wake);
    vd_rc_ rc = result(a, &n, err);
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
        enqueue(a, VD_TAKE(n));
    }
    (void)pthread_mutex_unlock(&a->lock);
    if (first)
        lead(a);
    return room ? VD_OK
                : vd_fail(err, VD_E_AUDIT, "%s: too many records wait to be written", a->path);
}

static vd_rc check_record(const char *event, vd_span detail, vd_err *err)
{
    bool good = vd_audit_event_form(vd_span_str(event)) && detail.n <= VD_AUDIT_DETAIL;
    good = good && (detail.n == 0 || vd_audit_detail_form(detail));
    if (!good)
        return vd_fail(err, VD_E_AUDIT, "record (%.32s, %zu bytes) is not one object on one line",
                       event, detail.n);
    return VD_OK;
}

vd_rc vd_audit_append(struct vd_audit *a, const char *event, vd_span detail, unsigned flags,
                      uint64_t *ret_seq, vd_err *err)
{
    VD_TRY(check_record(event, detail, err));
    if (atomic_load(&a->broken))
        return vd_fail(err, VD_E_AUDIT, "%s: a write or sync failed; check the disk and restart",
                       a->path);
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
