/* Insides of the admin plane; private to admin.c. */
#pragma once

#include <civetweb.h>
#include <pthread.h>
#include <stdatomic.h>

#include "shared/http/plane_priv.h"
#include "shared/http/pool_priv.h"
#include "shared/http/tls_priv.h"

enum { ADMIN_THREADS = 32 };

struct vd_admin {
    struct vd_plane_cfg cfg;
    struct vd_tls *tls;
    struct vd_pool *pool;
    struct mg_context *ctx;
    bool library;
    uint16_t port;
    uint64_t fresh_id;
    atomic_uint_fast64_t id_state;
    atomic_uint_fast64_t body_memory;
    atomic_bool stopping;
    atomic_int in_flight;
    struct {
        atomic_uint_fast64_t requests;
        atomic_uint_fast64_t refused_head;
        atomic_uint_fast64_t status[6];
    } count;
};

/* One request; on the heap, because civetweb's stacks are small. */
struct admin_call {
    struct vd_task task;
    struct vd_admin *a;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool guard; /* what the pool has to do */
    bool handle;
    bool finished;
    vd_rc_ rc;
    size_t charged;
    vd_buf target;
    vd_buf body;
    struct vd_exch x;
    struct vd_field field[MG_MAX_HEADERS];
    uint8_t rewritten[VD_TARGET_ROOM];
};
