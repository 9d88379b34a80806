/* Versioned objects (SHAPES section 9): one table, sealed bodies where asked, every row
 * authenticated. SQLite (WAL, synchronous=FULL) behind this header. An acknowledged write is
 * durable. */
#pragma once

#include "shared/base/auto.h"
#include "shared/base/buf.h"
#include "shared/base/secret.h"

#define VD_OWNER_DEFAULT "default"

/* Kinds in use: "attestation-policy" "reference-value" "release-policy" "secret" "trusted-issuer".
 */
struct vd_object {
    char *name;
    uint64_t version; /* 1.. */
    bool deleted;
    uint8_t sha256[32]; /* of the stored body (sealed if sealed) */
    vd_buf body;        /* plain; empty for sealed objects, use vd_store_get_secret */
    bool sealed;
    uint64_t size; /* of the stored body */
    int64_t created_at;
    char created_by[65];
    uint64_t audit_seq;
};
void vd_object_done(struct vd_object *o);
#define VD_AUTO_OBJECT __attribute__((cleanup(vd_object_done))) struct vd_object

struct vd_store; /* thread safe */

struct vd_store_cfg {
    const char *path;    /* SQLite file; its folder exists */
    const char *program; /* "issuer" or "broker": kept in meta, another one's file is refused */
    const uint8_t *root; /* 32 bytes root key; subkeys are derived, it is not kept */
};
/* Creates file and schema; VD_E_EXISTS. */
vd_rc vd_store_create(const struct vd_store_cfg *cfg, vd_err *err);
/* VD_E_FILE (missing; names the file and the cure), VD_E_STORE_CORRUPT, VD_E_CONFIG (newer schema,
 * wrong root key). */
vd_rc vd_store_open(const struct vd_store_cfg *cfg, struct vd_store **ret, vd_err *err);
void vd_store_close(struct vd_store *s);
VD_DEFINE_CLEANUP(struct vd_store, vd_store_close)

/* version 0: newest. VD_E_NOT_FOUND (also when the newest is deleted and version is 0),
 * VD_E_STORE_CORRUPT. */
vd_rc vd_store_get(struct vd_store *s, const char *owner, const char *kind, const char *name,
                   uint64_t version, struct vd_object *ret, vd_err *err);
/* Newest version of a sealed object, opened into guarded memory. */
vd_rc vd_store_get_secret(struct vd_store *s, const char *owner, const char *kind, const char *name,
                          vd_secret *ret, uint64_t *ret_version, vd_err *err);
/* The same into a buffer that the caller wipes (VD_AUTO_BUF_WIPED): the hot path of a release. */
vd_rc vd_store_get_secret_buf(struct vd_store *s, const char *owner, const char *kind,
                              const char *name, vd_buf *ret, uint64_t *ret_version, vd_err *err);

enum { VD_MATCH_ANY = -1, VD_MATCH_NONE = 0 }; /* or the version that must be the newest */
struct vd_put {
    const char *owner;
    const char *kind;
    const char *name;
    vd_span body;
    bool sealed;
    bool remove;    /* a deletion: new version with state deleted; body ignored */
    int64_t match;  /* VD_MATCH_ANY, VD_MATCH_NONE (must not exist), or a version */
    const char *by; /* identity */
    int64_t now;
    uint64_t ret_version; /* out */
};
/* All or nothing, one transaction, durable on return. VD_E_VERSION, VD_E_EXISTS, VD_E_NOT_FOUND
 * (remove). */
vd_rc vd_store_put(struct vd_store *s, struct vd_put *put, size_t n, uint64_t audit_seq,
                   vd_err *err);

/* Newest, not deleted, names with `prefix`, after `after` (exclusive; NULL from the start), by
 * name. The callback returns false to stop. Bodies are given for unsealed kinds. */
typedef bool (*vd_store_each)(void *ctx, const struct vd_object *o);
vd_rc vd_store_list(struct vd_store *s, const char *owner, const char *kind, const char *prefix,
                    const char *after, vd_store_each each, void *ctx, vd_err *err);
/* All versions of one object, newest first. VD_E_NOT_FOUND. */
vd_rc vd_store_history(struct vd_store *s, const char *owner, const char *kind, const char *name,
                       vd_store_each each, void *ctx, vd_err *err);
/* Is any row written under this audit sequence? (recovery of open intents) */
vd_rc vd_store_has_audit_seq(struct vd_store *s, uint64_t audit_seq, bool *ret, vd_err *err);
/* Small named values that must outlast restarts (highest seq seen, sealed counters).
 * VD_E_NOT_FOUND. */
vd_rc vd_store_meta_get(struct vd_store *s, const char *key, vd_buf *ret, vd_err *err);
vd_rc vd_store_meta_put(struct vd_store *s, const char *key, vd_span value, vd_err *err);
/* Grows with every committed put: caches of compiled policies and the like die with it. */
uint64_t vd_store_epoch(const struct vd_store *s);
/* False after a write whose fate on the disk is unknown (an I/O error of a commit): nothing is
 * written until the store is opened again. A full disk is not that: the write failed and the next
 * may succeed. */
bool vd_store_ok(const struct vd_store *s);
/* After a write whose fate is unknown, for want of memory too: until the next one that succeeds, a
 * restart might find it. */
bool vd_store_in_doubt(const struct vd_store *s);
