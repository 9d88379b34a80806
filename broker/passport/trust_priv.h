/* Inside of brk_trust, for the files of this folder. */
#pragma once

#include <pthread.h>

#include "broker/passport/cache.h"
#include "broker/passport/trust.h"

struct brk_trust {
    struct brk_trust_cfg cfg;
    pthread_mutex_t lock; /* guards view and the fetch times of issuers */
    pthread_cond_t wake;  /* the refresher: something is wanted, or stop */
    pthread_cond_t done;  /* waiting requests: a fetch ended */
    struct brk_trust_view *view;
    struct brk_cache *cache;
    pthread_t refresher;
    bool running;
    bool stop;
    _Atomic uint64_t epoch;
    _Atomic uint64_t hits;
    _Atomic uint64_t accepted;
    _Atomic uint64_t refused;
};

/* Stops and joins the refresher. */
void brk_refresh_stop(struct brk_trust *t);
