/* A worker as evaluations use it: taken, spoken to by frames, given back. */
#pragma once

#include "shared/policy/frame.h"
#include "shared/policy/mailbox.h"
#include "shared/policy/workers.h"

enum vd_lane {
    VD_LANE_OPEN,
    /* One short of all workers at a time, and a short wait: others find a worker, and server
     * threads do not stand in a queue of policies that will be stopped. */
    VD_LANE_SUSPECT,
    VD_LANE_COMPILE, /* one at a time */
};

struct vd_worker {
    int fd;
    int pidfd;
    int pid;
    bool busy;
    enum vd_lane lane;
    uint64_t given_back; /* the one used last is warmest */
    struct vd_mail *mail;
    uint32_t told; /* frames that it has posted */
    vd_buf in;     /* a frame, as read */
    vd_buf out;    /* for the caller to build frames in */
};

int64_t vd_monotonic_ns(void);
/* A running one, fresh if it must be. VD_E_BUSY: none was free in time. VD_E_UNAVAILABLE: none can
 * be started. */
vd_rc vd_workers_take(struct vd_policy_workers *w, enum vd_lane lane, struct vd_worker **ret,
                      vd_err *err);
void vd_workers_give(struct vd_policy_workers *w, struct vd_worker *k);
/* Sends a frame and waits for one; ret_body is valid until the next call. Any failure is the end of
 * the process: VD_E_POLICY_BUDGET, it did not answer in time or died; VD_E_POLICY_EVAL, it broke
 * the protocol. */
vd_rc vd_worker_call(struct vd_policy_workers *w, struct vd_worker *k, vd_span frame,
                     int64_t deadline, size_t max, vd_span *ret_body, vd_err *err);
/* Ends the process. */
void vd_worker_end(struct vd_policy_workers *w, struct vd_worker *k, bool kill_it);
