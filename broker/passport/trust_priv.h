/* Inside of brk_trust, for the files of this folder. */
#pragma once

#include <pthread.h>

#include "broker/passport/cache.h"
#include "broker/passport/seen.h"
#include "broker/passport/trust.h"

struct brk_trust {
    struct brk_trust_cfg cfg;
    pthread_mutex_t lock; /* guards view and the fetch times of issuers */
    pthread_cond_t wake;  /* the refresher: something is wanted, or stop */
    pthread_cond_t done;  /* waiting requests: a fetch ended */
    struct brk_trust_view *view;
    struct brk_cache *cache;
    struct brk_seen *seen;
    pthread_t refresher;
    pthread_t statements;
    bool fetching; /* the second thread runs */
    bool running;
    bool stop;
    _Atomic uint64_t epoch;
    _Atomic uint64_t hits;
    _Atomic uint64_t accepted;
    _Atomic uint64_t refused;
};

/* Stops and joins both threads. */
void brk_refresh_stop(struct brk_trust *t);

enum { BRK_STATEMENT_INTERVAL = 15 };
/* The thread that fetches revocation statements; arg is the trust. */
void *brk_statements_run(void *arg);
/* A statement as it came: checked, remembered, in force. VD_E_NOT_FOUND: of a key that is not in
 * the set. */
vd_rc brk_statement_take(struct brk_trust *t, struct brk_issuer *issuer, vd_span token,
                         vd_err *err);
/* In force from the next request on, if the entry is still this one. */
vd_rc brk_trust_set_revoked(struct brk_trust *t, const struct brk_issuer *issuer,
                            struct brk_revocation *r, vd_err *err);
