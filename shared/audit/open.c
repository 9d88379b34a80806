/* Making a record, opening it (read back, checked, cut behind the last whole line, compared with
 * its head file) and closing it. */
#include "shared/audit/audit_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "shared/base/file.h"
#include "shared/base/secret.h"
#include "shared/codec/b64.h"

enum { BATCH_BYTES = 128 << 20, HEAD_BYTES = 8192 };

static vd_rc first_detail(const char *program, const struct vd_key *signer, vd_buf *out,
                          vd_err *err)
{
    struct vd_audit_begin b = { 0 };
    uint8_t id[VD_AUDIT_LOG_HEX / 2];
    VD_AUTO_BUF log = vd_buf_of(64);
    VD_AUTO_BUF jwk = vd_buf_of(1024);
    vd_random(id, sizeof id);
    vd_hex_encode(vd_span_of(id, sizeof id), &log);
    VD_TRY(vd_buf_check(&log, err));
    (void)snprintf(b.program, sizeof b.program, "%s", program);
    (void)snprintf(b.log, sizeof b.log, "%.*s", (int)log.n, (const char *)log.p);
    if (signer)
        VD_TRY(vd_key_to_jwk(signer, NULL, &jwk, err));
    b.key = vd_buf_span(&jwk);
    return vd_audit_begin_write(&b, out, err);
}

vd_rc vd_audit_create(const char *path, const char *program, const struct vd_key *signer,
                      int64_t now, vd_err *err)
{
    static const uint8_t zeros[32] = { 0 };
    uint8_t hash[32];
    VD_AUTO_BUF time = vd_buf_of(64);
    VD_AUTO_BUF detail = vd_buf_of(4096);
    VD_AUTO_BUF line = vd_buf_of(8192);
    vd_time_rfc3339(now, &time);
    VD_TRY(first_detail(program, signer, &detail, err));
    VD_TRY(vd_audit_line_write(1, vd_buf_span(&time), "begin", zeros, vd_buf_span(&detail), &line,
                               hash, err));
    /* Under its name it is whole, whatever moment a crash picks. */
    VD_AUTO_BUF draft = vd_buf_of(8192);
    VD_TRY(vd_audit_beside(path, ".new", &draft, err));
    if (vd_file_exists(path))
        return vd_fail(err, VD_E_EXISTS, "%s: exists already", path);
    (void)unlink(vd_buf_cstr(&draft));
    VD_TRY(vd_file_create(vd_buf_cstr(&draft), vd_buf_span(&line), err));
    return vd_file_publish(vd_buf_cstr(&draft), path, err);
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

vd_rc vd_audit_grow(uint64_t **list, size_t n, size_t *cap, vd_err *err)
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
    if (seq == a->first_seq + a->n_index * VD_AUDIT_INDEX) {
        VD_TRY(vd_audit_grow(&a->index, a->n_index, &a->cap_index, err));
        a->index[a->n_index++] = offset;
    }
    if (vd_span_eq_str(e, "intent")) {
        VD_TRY(vd_audit_grow(&a->intents, a->n_intents, &a->cap_intents, err));
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
    struct vd_audit_scan tail; /* where the newest checkpoint ends; last_seq 0: there is none */
};

static vd_rc note_intent(void *ctx, uint64_t seq, vd_err *err)
{
    struct vd_audit *a = ctx;
    VD_TRY(vd_audit_grow(&a->intents, a->n_intents, &a->cap_intents, err));
    a->intents[a->n_intents++] = seq;
    return VD_OK;
}

static vd_rc take_begin(const struct opening *o, const struct vd_audit_line *line, vd_err *err)
{
    struct vd_audit *a = o->a;
    struct vd_audit_begin b;
    vd_err own = { 0 };
    vd_rc_ rc = vd_audit_begin_parse(line->detail, &b, NULL, &own);
    if (rc.code == VD_E_OK)
        rc = vd_audit_begin_intents(line->detail, note_intent, a, &own);
    if (rc.code != VD_E_OK)
        return vd_fail(err, rc.code == VD_E_SYNTAX ? VD_E_STORE_CORRUPT : rc.code, "%s: line 1 %s",
                       a->path, own.msg);
    if (strcmp(b.program, o->program) != 0)
        return vd_fail(err, VD_E_CONFIG, "%s: is not the record of vidimus-%s; set [audit] path",
                       a->path, o->program);
    memcpy(a->program, b.program, sizeof a->program);
    memcpy(a->log_id, b.log, sizeof a->log_id);
    a->last_done = b.last_done;
    a->first_seq = line->seq;
    return VD_OK;
}

static vd_rc note_line(void *ctx, const struct vd_audit_line *line, uint64_t offset, vd_err *err)
{
    struct opening *o = ctx;
    if (offset == 0)
        VD_TRY(take_begin(o, line, err));
    if (vd_span_eq_str(line->event, VD_AUDIT_CHECKPOINT)) {
        o->tail =
            (struct vd_audit_scan){ .last_seq = line->seq, .good_end = offset + line->text.n + 1 };
        memcpy(o->tail.head, line->hash, sizeof o->tail.head);
    }
    return vd_audit_note(o->a, (const char *)line->event.p, line->event.n, line->seq, line->detail,
                         offset, err);
}

static vd_rc add_leaf(void *ctx, const struct vd_audit_line *line, uint64_t offset, vd_err *err)
{
    struct vd_audit *a = ctx;
    uint8_t leaf[32];
    (void)offset;
    VD_TRY(vd_merkle_leaf(line->text, leaf, err));
    return vd_merkle_add(&a->tree, leaf, err);
}

/* The tree of what no checkpoint covers yet. */
static vd_rc grow_tree(struct vd_audit *a, const struct opening *o, vd_err *err)
{
    struct vd_audit_scan ignored;
    bool any = o->tail.last_seq > 0;
    if (!a->signer)
        return VD_OK;
    VD_TRY(vd_audit_scan(a->path, a->fd, any ? &o->tail : NULL, add_leaf, a, &ignored, err));
    a->tree_from = any ? o->tail.last_seq + 1 : a->first_seq;
    a->signed_at = vd_clock_s(&a->clock);
    atomic_store(&a->signed_next, a->tree_from);
    if (a->tree.n > 0 && a->checkpoint_seconds > 0)
        atomic_store(&a->due, a->signed_at + (int64_t)a->checkpoint_seconds);
    return VD_OK;
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
    struct opening o = { .a = a, .program = program };
    struct vd_audit_scan scan;
    VD_TRY(vd_audit_scan(a->path, a->fd, NULL, note_line, &o, &scan, err));
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
    a->size = scan.good_end + scan.blank;
    memcpy(a->head, scan.head, sizeof a->head);
    atomic_store(&a->seq, scan.last_seq);
    atomic_store(&a->written, scan.good_end);
    return grow_tree(a, &o, err);
}

/* A link to the file itself is what a rotation that was cut short leaves; it is done again. */
static vd_rc find_older(struct vd_audit *a, vd_err *err)
{
    VD_TRY(vd_audit_older_find(a->path, &a->older, &a->n_older, err));
    a->cap_older = a->n_older;
    while (a->n_older > 0 && a->older[a->n_older - 1] >= a->first_seq)
        a->n_older--;
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
    a->head_line = vd_buf_of(HEAD_BYTES);
    a->signer = cfg->signer ? vd_key_ref(cfg->signer) : NULL;
    a->checkpoint_records = cfg->checkpoint_records;
    a->checkpoint_seconds = cfg->checkpoint_seconds;
    a->rotate_bytes = cfg->rotate_bytes;
    a->rotate_at = cfg->rotate_bytes;
    a->clock = cfg->clock;
    a->log = cfg->log;
    a->ops = with_defaults(ops);
    a->reserve = cfg->reserve;
    a->path = strdup(cfg->path);
    if (!a->path)
        return vd_fail(err, VD_E_NOMEM, "audit record");
    VD_TRY(vd_audit_reserve_paths(a, err));
    VD_TRY(read_back(a, cfg->program, err));
    VD_TRY(find_older(a, err));
    if (a->signer)
        VD_TRY(vd_audit_head_check(a, cfg->accept_behind, err));
    a->tried = vd_clock_s(&a->clock);
    if (!vd_audit_reserve_take(a)) {
        atomic_store(&a->starved, true);
        vd_log_msg(a->log, VD_LOG_WARN, "audit",
                   "%s: no space for the reserve; only administrators' changes are written",
                   a->path);
    }
    a->opened = true;
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
    vd_audit_writer_stop(a);
    /* Not while an older record has not been accepted: its head file is the proof. */
    if (a->opened && a->signer && !a->behind)
        (void)!vd_audit_checkpoint(a, NULL).code;
    if (a->opened && !atomic_load(&a->broken))
        (void)vd_audit_trim(a);
    if (a->unsynced && !atomic_load(&a->broken))
        (void)a->ops.fdatasync(a->ops.ctx, a->fd);
    vd_fd_done(&a->fd);
    vd_buf_done(&a->out);
    (void)pthread_mutex_destroy(&a->lock);
    vd_buf_done(&a->head_line);
    vd_key_unref(a->signer);
    free(a->older);
    free(a->behind);
    free(a->index);
    free(a->intents);
    free(a->reserve_path);
    free(a->path);
    free(a);
}
