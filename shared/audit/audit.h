/* The audit record (SHAPES section 10): its own append-only file of JSON lines, hash-chained, group
 * commit: a caller waits for its own record, many share one fdatasync. If it cannot be written,
 * nothing is acknowledged or released. After a failed fsync nothing more is written until a
 * restart. */
#pragma once

#include "shared/base/auto.h"
#include "shared/base/buf.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/waker.h"
#include "shared/crypto/key.h"

struct vd_audit; /* thread safe */

struct vd_audit_cfg {
    const char *path;
    uint64_t reserve; /* bytes kept usable for administrators' changes when the disk is full */
    struct vd_clock clock;
    struct vd_log *log;
    const char *program;
    struct vd_key *signer;       /* Ed25519 pair; referenced. NULL: no checkpoints, no head file */
    uint64_t checkpoint_records; /* one after so many records; 0: never for that */
    uint64_t checkpoint_seconds; /* one after so long when there is something new; 0: likewise */
    uint64_t rotate_bytes;       /* a new file at this size; 0: never */
    bool accept_behind;          /* open although the head file tells of more (accept-rollback) */
};
/* The first file of a record. signer may be NULL. VD_E_EXISTS. */
vd_rc vd_audit_create(const char *path, const char *program, const struct vd_key *signer,
                      int64_t now, vd_err *err);
/* Reads the file back and checks the chain; a torn last line (no newline) is cut off, any other
 * damage is VD_E_STORE_CORRUPT with the line, and so is a record that ends before its head file. */
vd_rc vd_audit_open(const struct vd_audit_cfg *cfg, struct vd_audit **ret, vd_err *err);
/* With a signer: writes a last checkpoint. */
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
/* A durable append that does not wait: `then` is called once, from a thread of the record, when the
 * record is durable or when it is clear that it will not be; err then says why (VD_E_OK: durable).
 * It must not wait for anything; whom it returns (or NULL) is woken when all of the same sync have
 * been told. event and detail live until then. Any other result than VD_OK:
 * `then` is not called. */
typedef struct vd_waker *(*vd_audit_then)(void *ctx, uint64_t seq, const vd_err *err);
vd_rc vd_audit_append_then(struct vd_audit *a, const char *event, vd_span detail,
                           vd_audit_then then, void *ctx, vd_err *err);
/* Records after a sequence, as JSON lines appended to out (each a complete record), at most n. */
vd_rc vd_audit_read(struct vd_audit *a, uint64_t after, size_t n, vd_buf *out, vd_err *err);
uint64_t vd_audit_seq(const struct vd_audit *a);

/* ---- checkpoints (docs/audit.md) ---- */

/* The key that signs them: <path>.key sealed under the root key, <path>.pub for auditors. */
vd_rc vd_audit_key_create(const char *path, const uint8_t root[32], vd_err *err); /* VD_E_EXISTS */
vd_rc vd_audit_key_load(const char *path, const uint8_t root[32], struct vd_key **ret, vd_err *err);
/* The public half of the signer; NULL without one. */
const struct vd_key *vd_audit_signer(const struct vd_audit *a);
/* Signs what is new, now; nothing is written when there is nothing new. VD_E_AUDIT. */
vd_rc vd_audit_checkpoint(struct vd_audit *a, vd_err *err);
/* The same when checkpoint_seconds have passed: for a timer of the program. */
void vd_audit_tick(struct vd_audit *a);
/* The newest checkpoint as its line, which says by itself how far the record goes; when there is
 * none yet one is made. VD_E_UNAVAILABLE without a signer. */
vd_rc vd_audit_head(struct vd_audit *a, vd_buf *out, vd_err *err);
/* Proof that a record stands under a checkpoint, as JSON; a checkpoint that is not due yet is
 * brought forward. VD_E_NOT_FOUND: no such record, a checkpoint itself, or its file is gone. */
vd_rc vd_audit_receipt(struct vd_audit *a, uint64_t seq, vd_buf *out, vd_err *err);
/* What vd_audit_open let pass by accept_behind; NULL when nothing. Lives with the record. */
const char *vd_audit_behind(const struct vd_audit *a);

/* False while records other than administrators' are refused: the disk is full (it recovers by
 * itself), or a sync failed (until a restart). For /healthz and status. */
bool vd_audit_ok(const struct vd_audit *a);

struct vd_audit_report {
    uint64_t records;
    uint64_t first_seq;
    uint64_t last_seq;
    char head[65]; /* hash of the last record, hex */
    uint64_t torn; /* bytes of an unfinished last line, which the next start cuts off */
    size_t files;
    uint64_t checkpoints; /* all verified */
    uint64_t signed_to;   /* the last record under a checkpoint; 0: none */
    char key[44];         /* thumbprint of the key that signed them; "" when there are none */
    bool key_given;       /* by the caller, not taken from the file itself */
    bool part;            /* an export: a range of a record */
};
/* Offline check of one file. VD_E_STORE_CORRUPT names the line and what is wrong. */
vd_rc vd_audit_verify(const char *path, struct vd_audit_report *ret, vd_err *err);

struct vd_audit_check {
    const char *const *file; /* any order; of a single one the earlier files beside it are found */
    size_t n;
    struct vd_key *key; /* that must have signed; NULL: the one the first file names */
    vd_span head;       /* a checkpoint line kept by somebody, which the record must contain */
};
/* Chain over all files and every checkpoint. */
vd_rc vd_audit_verify_files(const struct vd_audit_check *check, struct vd_audit_report *ret,
                            vd_err *err);
/* Verifies, then writes records from..to and what is needed to verify them alone: the range grows
 * to whole checkpoints. ret tells of the range. VD_E_NOT_FOUND: not there, or not signed yet. */
typedef vd_rc (*vd_audit_sink)(void *ctx, vd_span bytes, vd_err *err);
vd_rc vd_audit_export(const struct vd_audit_check *check, uint64_t from, uint64_t to,
                      vd_audit_sink sink, void *ctx, struct vd_audit_report *ret, vd_err *err);

struct vd_audit_receipt_facts {
    uint64_t seq;
    uint64_t checkpoint;
    char time[21];
    char event[33];
    char program[17];
    char log[33];
};
/* Checks a receipt against the public key of the record. record (may be empty): the line it must be
 * about. VD_E_STORE_CORRUPT says what does not fit. */
vd_rc vd_audit_receipt_check(vd_span receipt, const struct vd_key *key, vd_span record,
                             struct vd_audit_receipt_facts *ret, vd_err *err);

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
vd_rc vd_change_check(struct vd_audit *a, struct vd_store *s, vd_err *err); /* writes nothing */
vd_rc vd_change_recover(struct vd_audit *a, struct vd_store *s, vd_err *err);
/* The administrator says that the older store, or an older record, is wanted: recorded, signed, and
 * vd_change_recover passes. */
vd_rc vd_change_accept_rollback(struct vd_audit *a, const char *identity, vd_err *err);
