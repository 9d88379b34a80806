/* All trusted issuers with their keys, as one immutable view that is replaced as a whole. Each
 * change of keys, of an entry or of a suspension makes a new view with the next epoch; verified
 * passports are remembered with the epoch they were checked in, so that they die with it. */
#pragma once

#include "broker/passport/issuer.h"
#include "broker/passport/keyset.h"
#include "broker/passport/passport.h"
#include "broker/passport/revocation.h"
#include "broker/passport/seen.h"
#include "shared/auth/auth.h"

struct brk_trust; /* thread safe */

struct brk_trust_cfg {
    const struct vd_limits *limits;
    struct vd_clock clock;
    struct vd_log *log;          /* may be NULL */
    struct vd_store *store;      /* remembers the highest numbers seen; may be NULL in tests */
    const struct vd_auth *auth;  /* administrators' keys must be others; may be NULL in tests */
    const char *const *audience; /* [accept] audience; lives with the trust */
    size_t n_audience;
    bool allow_rsa1_5;
};
vd_rc brk_trust_new(const struct brk_trust_cfg *cfg, struct brk_trust **ret, vd_err *err);
void brk_trust_free(struct brk_trust *t);
VD_DEFINE_CLEANUP(struct brk_trust, brk_trust_free)

struct brk_trust_row {
    struct brk_issuer *issuer;
    struct brk_keyset *keys; /* NULL: a CA, or a URL that has not answered yet */
    bool suspended;
    bool from_file;
    uint64_t version;               /* of the object in the store; 0: none */
    struct brk_revocation *revoked; /* NULL: no statement was had */
};
struct brk_trust_view {
    _Atomic unsigned refs;
    uint64_t epoch;
    size_t n;
    struct brk_trust_row row[];
};
struct brk_trust_view *brk_trust_view(struct brk_trust *t); /* a reference */
void brk_trust_view_unref(struct brk_trust_view *v);
VD_DEFINE_CLEANUP(struct brk_trust_view, brk_trust_view_unref)
/* NULL when there is none. */
const struct brk_trust_row *brk_trust_by_name(const struct brk_trust_view *v, const char *name);
const struct brk_trust_row *brk_trust_by_issuer(const struct brk_trust_view *v, const char *issuer);
uint64_t brk_trust_epoch(const struct brk_trust *t);

/* A new entry. References of `row` are taken over on success. VD_E_SETTING when its name or issuer
 * is taken or one of its keys belongs to an administrator. VD_E_OLDER_SET when its key set is older
 * than one that was seen of that issuer. */
vd_rc brk_trust_add(struct brk_trust *t, const struct brk_trust_row *row, vd_err *err);
/* The same for an entry of that name, which must exist. */
vd_rc brk_trust_replace(struct brk_trust *t, const struct brk_trust_row *row, vd_err *err);
/* Would brk_trust_add (or replace) take it? For handlers, before they store. */
vd_rc brk_trust_check(struct brk_trust *t, const struct brk_trust_row *row, vd_err *err);
vd_rc brk_trust_suspend(struct brk_trust *t, const char *name, bool suspended, uint64_t version,
                        vd_err *err);
vd_rc brk_trust_remove(struct brk_trust *t, const char *name, vd_err *err);
/* New keys of a URL, if the entry is still this one. Same keys: nothing changes, the epoch neither.
 * VD_E_OLDER_SET. */
vd_rc brk_trust_set_keys(struct brk_trust *t, const struct brk_issuer *issuer,
                         struct brk_keyset *keys, vd_err *err);

/* Forgets the highest numbers seen of an issuer, and fetches (or reads its file) again: an issuer
 * that was set up anew begins with low numbers. VD_E_NOT_FOUND. */
vd_rc brk_trust_reset(struct brk_trust *t, const char *name, vd_err *err);
/* The highest numbers seen. */
vd_rc brk_trust_marks(struct brk_trust *t, const struct brk_issuer *issuer,
                      struct brk_mark ret[BRK_SEEN_MAX], vd_err *err);

/* Starts the threads that keep key sets and revocation statements fresh. */
vd_rc brk_trust_start(struct brk_trust *t, vd_err *err);
/* A token names a key that its issuer's set does not have: asks for a refresh (at most one per
 * BRK_REFRESH_INTERVAL) and, for the caller that caused it, waits for the end of it, at most
 * BRK_REFRESH_WAIT seconds. True when it is worth looking again. */
enum { BRK_REFRESH_INTERVAL = 10, BRK_REFRESH_WAIT = 3 };
bool brk_trust_want_keys(struct brk_trust *t, struct brk_issuer *issuer);

/* A token to an accepted passport: from the cache if it was accepted under the present keys and is
 * still alive, else by the whole check. VD_E_NO_PASSPORT, VD_E_PASSPORT and its kin,
 * VD_E_ISSUER_SUSPENDED, VD_E_UNAVAILABLE (keys were never fetched). A new reference. */
vd_rc brk_accept(struct brk_trust *t, vd_span token, struct brk_passport **ret, vd_err *err);

struct brk_trust_stats {
    uint64_t hits;
    uint64_t accepted;
    uint64_t refused;
};
void brk_trust_stats(const struct brk_trust *t, struct brk_trust_stats *ret);
