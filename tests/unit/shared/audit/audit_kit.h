/* What the tests of the audit record share: a fresh record, a clock that stands, a disk that fails.
 */
#pragma once

#include "tests/support/support.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "shared/audit/audit_priv.h"
#include "shared/base/file.h"

struct disk {
    _Atomic int64_t room;  /* bytes that may still be written; negative: as many as one likes */
    _Atomic int64_t space; /* bytes that may be set aside */
    _Atomic int cause;     /* errno of a write without room */
    _Atomic int sync_in;   /* the sync that fails; negative: none */
    _Atomic bool no_truncate;
    _Atomic unsigned writes;
    _Atomic unsigned syncs;
    _Atomic unsigned sync_us; /* how long one takes */
};

static inline ssize_t disk_pwrite(void *ctx, int fd, const void *p, size_t n, off_t at)
{
    struct disk *d = ctx;
    d->writes++;
    if (d->room < 0)
        return pwrite(fd, p, n, at);
    if (d->room == 0) {
        errno = d->cause;
        return -1;
    }
    size_t part = (int64_t)n > d->room ? (size_t)d->room : n;
    d->room -= (int64_t)part;
    return pwrite(fd, p, part, at);
}

static inline int disk_fdatasync(void *ctx, int fd)
{
    struct disk *d = ctx;
    d->syncs++;
    if (d->sync_us)
        (void)usleep(d->sync_us);
    if (d->sync_in >= 0 && d->sync_in-- == 0) {
        errno = EIO;
        return -1;
    }
    (void)fd;
    return 0;
}

static inline int disk_ftruncate(void *ctx, int fd, off_t size)
{
    struct disk *d = ctx;
    if (d->no_truncate) {
        errno = EIO;
        return -1;
    }
    return ftruncate(fd, size);
}

static inline int disk_allocate(void *ctx, int fd, off_t size)
{
    struct disk *d = ctx;
    (void)fd;
    if (d->room >= 0 && d->space < size) {
        errno = ENOSPC;
        return -1;
    }
    return 0;
}

struct kit {
    char *dir;
    char *path;
    int64_t now;
    struct disk disk;
    struct vd_audit_cfg cfg;
    struct vd_audit_ops ops;
    struct vd_audit *a;
};

static inline void kit_open(struct kit *k)
{
    vd_err err = { 0 };
    vd_rc_ rc = vd_audit_open_ops(&k->cfg, &k->ops, &k->a, &err);
    if (rc.code != VD_E_OK)
        print_error("open: %s\n", err.msg);
    assert_int_equal(rc.code, VD_E_OK);
}

/* k stays where it is: the clock and the disk point into it. */
static inline void kit_init(struct kit *k, uint64_t reserve)
{
    *k = (struct kit){ .dir = vd_test_dir("audit"), .now = 1780272000000000000 };
    VD_AUTO_BUF b = vd_buf_of(4096);
    vd_buf_printf(&b, "%s/audit.log", k->dir);
    k->path = vd_strdup_span(vd_buf_span(&b));
    k->disk.room = -1;
    k->disk.sync_in = -1;
    k->disk.cause = ENOSPC;
    k->ops = (struct vd_audit_ops){ disk_pwrite, disk_fdatasync, disk_ftruncate, disk_allocate,
                                    &k->disk };
    k->cfg = (struct vd_audit_cfg){
        .path = k->path, .reserve = reserve, .clock = vd_clock_fixed(&k->now), .program = "broker"
    };
    assert_ok(vd_audit_create(k->path, "broker", NULL, 1780272000, NULL));
    kit_open(k);
}

static inline void kit_close(struct kit *k)
{
    vd_audit_close(k->a);
    k->a = NULL;
}

static inline void kit_done(struct kit *k)
{
    kit_close(k);
    free(k->path);
    free(k->dir);
}
#define KIT __attribute__((cleanup(kit_done))) struct kit

static inline vd_code kit_append(struct kit *k, const char *event, unsigned flags)
{
    return vd_audit_append(k->a, event, VD_LIT("{\"x\":\"0123456789\"}"), flags, NULL, NULL).code;
}

static inline vd_buf kit_bytes(const struct kit *k)
{
    vd_buf b = vd_buf_of(64 << 20);
    FILE *f = fopen(k->path, "rb");
    assert_non_null(f);
    for (;;) {
        uint8_t *p = vd_buf_reserve(&b, 65536);
        assert_non_null(p);
        size_t n = fread(p, 1, 65536, f);
        if (n == 0)
            break;
        b.n += n;
    }
    (void)fclose(f);
    return b;
}

static inline void kit_write(const struct kit *k, vd_span bytes)
{
    FILE *f = fopen(k->path, "wb");
    assert_non_null(f);
    if (bytes.n)
        assert_int_equal(fwrite(bytes.p, 1, bytes.n, f), bytes.n);
    (void)fclose(f);
}

static inline int kit_setup(void **state)
{
    (void)state;
    return vd_base_init(NULL).code == VD_E_OK ? 0 : 1;
}
