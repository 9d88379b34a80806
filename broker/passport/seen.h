/* The highest numbers that each issuer has published: an older key set or statement is a rollback
 * and refused, over restarts too. Kept in the store; an administrator may forget them. */
#pragma once

#include "shared/base/log.h"
#include "shared/store/store.h"

enum brk_seen_what { BRK_SEEN_JWKS, BRK_SEEN_STATEMENT, BRK_SEEN_MAX };

struct brk_mark {
    uint64_t seq; /* 0: none was seen */
    int64_t iat;
};

struct brk_seen; /* thread safe */

/* store and log may be NULL (tests): then only memory remembers. */
struct brk_seen *brk_seen_new(struct vd_store *store, struct vd_log *log);
void brk_seen_free(struct brk_seen *s);
VD_DEFINE_CLEANUP(struct brk_seen, brk_seen_free)

/* The highest so far. */
vd_rc brk_seen_get(struct brk_seen *s, const char *issuer, struct brk_mark ret[BRK_SEEN_MAX],
                   vd_err *err);
/* Is `m` as new as the highest? VD_E_OLDER_SET. Remembers nothing. */
vd_rc brk_seen_check(struct brk_seen *s, const char *issuer, enum brk_seen_what what,
                     struct brk_mark m, vd_err *err);
/* The same, and `m` is the highest from now on. A store that cannot be written is logged, no
 * failure: a withdrawn key must be dropped also then. */
vd_rc brk_seen_pass(struct brk_seen *s, const char *issuer, enum brk_seen_what what,
                    struct brk_mark m, vd_err *err);
vd_rc brk_seen_reset(struct brk_seen *s, const char *issuer, vd_err *err);
