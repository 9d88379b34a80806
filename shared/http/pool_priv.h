/* A bounded pool of threads. Private to shared/http. */
#pragma once

#include "shared/base/waker.h"
#include "shared/http/http.h"

/* Embed it in the thing to be done; the pool never allocates for one. */
struct vd_task {
    struct vd_task *next;
    void (*run)(struct vd_task *task);
};

struct vd_pool;
/* `at_once`: threads that are kept running while there is work; 0: all. One that is at its task for
 * long is taken to wait for something, and does not count. */
vd_rc vd_pool_new(unsigned threads, unsigned at_once, size_t queue, struct vd_pool **ret,
                  vd_err *err);
/* False when `queue` tasks wait already, or the pool is stopping. *ret_wake: who is to be woken for
 * it, soon; may be NULL. */
bool vd_pool_submit(struct vd_pool *p, struct vd_task *task, struct vd_waker **ret_wake);
size_t vd_pool_waiting(struct vd_pool *p);
/* Runs what is queued, then ends the threads and frees. */
void vd_pool_free(struct vd_pool *p);
VD_DEFINE_CLEANUP(struct vd_pool, vd_pool_free)
