/* The audit record (SHAPES section 10): its own append-only file of JSON lines, hash-chained, group
 * commit: a caller waits for its own record, many share one fdatasync. If it cannot be written,
 * nothing is acknowledged or released. After a failed fsync nothing more is written until a
 * restart. */
#pragma once

#include "shared/base/auto.h"
#include "shared/base/buf.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"

struct vd_audit; /* thread safe */

struct vd_audit_cfg {
    const char *path;
    uint64_t reserve; /* bytes kept usable for administrators' changes when the disk is full */
    struct vd_clock clock;
    struct vd_log *log;
    const char *program;
};
vd_rc vd_audit_create(const char *path, const char *program, int64_t now,
                      vd_err *err); /* VD_E_EXISTS */
/* Reads the file back and checks the chain; a torn last line (no newline) is cut off, any other
 * damage is VD_E_STORE_CORRUPT with the line. */
vd_rc vd_audit_open(const struct vd_audit_cfg *cfg, struct vd_audit **ret, vd_err *err);
void vd_audit_close(struct vd_audit *a);
VD_DEFINE_CLEANUP(struct vd_audit, vd_audit_close)

enum vd_audit_flags {
    VD_AUDIT_LAZY = 0,    /* written soon, not waited for */
    VD_AUDIT_DURABLE = 1, /* returns after fdatasync */
    VD_AUDIT_ADMIN = 2,   /* may use the reserve */
};
/* event: literal of [a-z0-9._-] such as "release", "attest". detail: a JSON object on one
 * line, at most 256 KiB, or empty. A lazy record's *ret_seq may be 0: it is numbered when it is
 * written. VD_E_AUDIT. */
vd_rc vd_audit_append(struct vd_audit *a, const char *event, vd_span detail, unsigned flags,
                      uint64_t *ret_seq, vd_err *err);
/* Records after a sequence, as JSON lines appended to out (each a complete record), at most n. */
vd_rc vd_audit_read(struct vd_audit *a, uint64_t after, size_t n, vd_buf *out, vd_err *err);
uint64_t vd_audit_seq(const struct vd_audit *a);
/* False while records other than administrators' are refused: the disk is full (it recovers by
 * itself), or a sync failed (until a restart). For /healthz and status. */
bool vd_audit_ok(const struct vd_audit *a);

struct vd_audit_report {
    uint64_t records;
    uint64_t first_seq;
    uint64_t last_seq;
    char head[65]; /* hash of the last record, hex */
    uint64_t torn; /* bytes of an unfinished last line, which the next start cuts off */
};
/* Offline check of a file. VD_E_STORE_CORRUPT names the line and what is wrong. */
vd_rc vd_audit_verify(const char *path, struct vd_audit_report *ret, vd_err *err);
/* Calls back for every open intent (no done/aborted with its sequence), used at start. */
typedef vd_rc (*vd_audit_intent)(void *ctx, uint64_t seq, vd_err *err);
vd_rc vd_audit_open_intents(struct vd_audit *a, vd_audit_intent each, void *ctx, vd_err *err);

/* A change by an administrator, on the store: intent (durable) -> commit -> done / aborted. All
 * puts are one transaction; what = "policy.put" etc. Answer the client only after this returned
 * VD_OK. */
struct vd_store;
struct vd_put;
vd_rc vd_change(struct vd_audit *a, struct vd_store *s, const char *what, const char *identity,
                const char *role, struct vd_put *put, size_t n, vd_err *err);
/* Closes open intents after a crash: done if the store has a row with the sequence, else aborted.
 * VD_E_STORE_CORRUPT when a change that the record calls done is not in the store: an older copy of
 * the store was put back, or its log (-wal) was taken away. */
vd_rc vd_change_recover(struct vd_audit *a, struct vd_store *s, vd_err *err);
/* The administrator says that the older store is wanted: recorded, and vd_change_recover passes. */
vd_rc vd_change_accept_rollback(struct vd_audit *a, const char *identity, vd_err *err);
