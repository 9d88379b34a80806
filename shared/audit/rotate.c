/* A new file for the record: the old one ends with a checkpoint and keeps its place under another
 * name (a link), then the new one takes over the name in one step. Whatever moment a crash picks,
 * PATH is a whole file: the old one, or the new one with the old one beside it. Until the new file
 * is durable nothing has happened, so most failures only put it off. */
#include "shared/audit/audit_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

enum { NAME = 8192 };

/* The file that is to come. */
struct coming {
    int fd;
    uint64_t seq;
    uint64_t size;
    uint8_t head[32];
    struct vd_merkle tree;
    bool durable; /* it has the name, or may have it */
};

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Only the leader changes the lists of intents, so they can be read without the lock. */
static vd_rc begin_line(struct vd_audit *a, const char *older, struct coming *c, vd_buf *out,
                        vd_err *err)
{
    struct vd_audit_begin b = { .continues = last_part(older),
                                .last_done = a->last_done,
                                .intents = a->intents,
                                .n_intents = a->n_intents };
    uint8_t leaf[32];
    VD_AUTO_BUF time = vd_buf_of(64);
    VD_AUTO_BUF jwk = vd_buf_of(1024);
    VD_AUTO_BUF detail = vd_buf_of(VD_AUDIT_DETAIL);
    memcpy(b.program, a->program, sizeof b.program);
    memcpy(b.log, a->log_id, sizeof b.log);
    if (a->signer)
        VD_TRY(vd_key_to_jwk(a->signer, NULL, &jwk, err));
    b.key = vd_buf_span(&jwk);
    vd_time_rfc3339(vd_clock_s(&a->clock), &time);
    VD_TRY(vd_audit_begin_write(&b, &detail, err));
    c->seq = atomic_load(&a->seq) + 1;
    VD_TRY(vd_audit_line_write(c->seq, vd_buf_span(&time), "begin", a->head, vd_buf_span(&detail),
                               out, c->head, err));
    c->size = out->n;
    VD_TRY(vd_merkle_leaf(vd_span_part(vd_buf_span(out), 0, out->n - 1), leaf, err));
    return vd_merkle_add(&c->tree, leaf, err);
}

static vd_rc failed(const char *name, int cause, vd_err *err)
{
    return vd_fail(err, VD_E_AUDIT, "%s: %s", name, strerror(cause));
}

static vd_rc write_new(struct vd_audit *a, const char *name, const char *older, struct coming *c,
                       vd_err *err)
{
    VD_AUTO_BUF line = vd_buf_of(VD_AUDIT_LINE + 1);
    VD_TRY(begin_line(a, older, c, &line, err));
    (void)unlink(name); /* left by an attempt that was cut short */
    c->fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (c->fd < 0)
        return failed(name, errno, err);
    int cause = vd_audit_write_at(a, c->fd, vd_buf_span(&line), 0, NULL);
    if (cause == 0 && a->ops.fdatasync(a->ops.ctx, c->fd) != 0)
        cause = errno;
    return cause == 0 ? VD_OK : failed(name, cause, err);
}

/* The old file's second name; it may have it from an attempt that was cut short. */
static vd_rc link_old(struct vd_audit *a, const char *older, vd_err *err)
{
    struct stat own, there;
    if (link(a->path, older) == 0)
        return VD_OK;
    int cause = errno;
    if (cause == EEXIST && fstat(a->fd, &own) == 0 && lstat(older, &there) == 0 &&
        own.st_ino == there.st_ino && own.st_dev == there.st_dev)
        return VD_OK;
    return failed(older, cause, err);
}

static vd_rc sync_folder(struct vd_audit *a, vd_err *err)
{
    VD_AUTO_BUF folder = vd_buf_of(NAME);
    vd_buf_add(&folder, vd_span_of(a->path, (size_t)(last_part(a->path) - a->path)));
    vd_buf_str(&folder, ".");
    VD_TRY(vd_buf_check(&folder, err));
    VD_AUTO_FD int fd = open(vd_buf_cstr(&folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0)
        return failed(vd_buf_cstr(&folder), errno, err);
    return VD_OK;
}

static vd_rc put_in_place(struct vd_audit *a, struct coming *c, vd_err *err)
{
    VD_AUTO_BUF older = vd_buf_of(NAME);
    VD_AUTO_BUF fresh = vd_buf_of(NAME);
    VD_TRY(vd_audit_older_name(a->path, a->first_seq, &older, err));
    VD_TRY(vd_audit_beside(a->path, ".new", &fresh, err));
    vd_rc_ rc = write_new(a, vd_buf_cstr(&fresh), vd_buf_cstr(&older), c, err);
    if (rc.code == VD_E_OK)
        rc = link_old(a, vd_buf_cstr(&older), err);
    if (rc.code == VD_E_OK && rename(vd_buf_cstr(&fresh), a->path) != 0)
        rc = failed(a->path, errno, err);
    if (rc.code != VD_E_OK) {
        (void)unlink(vd_buf_cstr(&fresh));
        return rc;
    }
    c->durable = true;
    return sync_folder(a, err);
}

/* Readers that have the old descriptor have a copy of their own. */
static void take_over(struct vd_audit *a, struct coming *c)
{
    (void)pthread_mutex_lock(&a->lock);
    a->older[a->n_older++] = a->first_seq; /* room was made before */
    vd_fd_done(&a->fd);
    a->fd = vd_fd_take(&c->fd);
    a->first_seq = c->seq;
    a->n_index = 1;
    a->index[0] = 0;
    atomic_store(&a->written, c->size);
    atomic_store(&a->seq, c->seq);
    (void)pthread_mutex_unlock(&a->lock);
    memcpy(a->head, c->head, 32);
    a->end = a->size = c->size;
    a->unsynced = false;
    a->tree = c->tree;
    a->tree_from = c->seq;
    a->signed_at = vd_clock_s(&a->clock);
    atomic_store(&a->signed_next, c->seq);
    atomic_store(&a->due,
                 a->checkpoint_seconds > 0 ? a->signed_at + (int64_t)a->checkpoint_seconds : 0);
    a->rotate_at = a->rotate_bytes > 2 * c->size ? a->rotate_bytes : 2 * c->size;
}

static vd_rc rotate(struct vd_audit *a, vd_err *err)
{
    struct coming c = { .fd = -1 };
    (void)pthread_mutex_lock(&a->lock);
    vd_rc_ rc = vd_audit_grow(&a->older, a->n_older, &a->cap_older, err);
    (void)pthread_mutex_unlock(&a->lock);
    if (rc.code != VD_E_OK)
        return rc;
    int cause = vd_audit_attempt(a, NULL, true);
    if (cause != 0 || atomic_load(&a->broken))
        return failed(a->path, cause ? cause : EIO, err);
    cause = vd_audit_trim(a);
    if (cause != 0)
        return failed(a->path, cause, err);
    if (a->unsynced && a->ops.fdatasync(a->ops.ctx, a->fd) != 0) {
        vd_audit_break(a, "syncing failed", errno);
        return failed(a->path, EIO, err);
    }
    a->unsynced = false;
    rc = put_in_place(a, &c, err);
    if (rc.code == VD_E_OK)
        take_over(a, &c);
    else if (c.durable)
        vd_audit_break(a, "its folder cannot be synced", EIO);
    vd_fd_done(&c.fd);
    return rc;
}

void vd_audit_rotate(struct vd_audit *a)
{
    vd_err err = { 0 };
    if (rotate(a, &err).code == VD_E_OK) {
        vd_log_msg(a->log, VD_LOG_INFO, "audit", "%s: a new file begins with record %llu", a->path,
                   (unsigned long long)a->first_seq);
        return;
    }
    vd_log_msg(a->log, VD_LOG_WARN, "audit", "no new file yet: %s", err.msg);
    a->rotate_at = a->end + a->rotate_bytes / 16 + 1;
}
