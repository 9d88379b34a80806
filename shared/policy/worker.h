/* The two processes behind policy workers: the nursery, forked from the server before it has
 * threads, descriptors or secrets, and the workers that the nursery forks when it is asked to. */
#pragma once

#include <stdint.h>

#include "shared/policy/mailbox.h"

/* What a worker gets from the one who asks for it. */
struct vd_worker_order {
    uint64_t memory; /* bytes for policies and one evaluation */
};
enum {
    VD_WORKER_COMPILE_MS = 2000, /* of processor time */
    /* Behind the engine's own time, by its clock: most overruns end by a word, not by force. */
    VD_WORKER_GRACE_MS = 50,
};
/* The nursery's answer; on 0 these descriptors of the worker come along. */
struct vd_worker_birth {
    int32_t error; /* errno */
    int32_t pid;
};
enum { VD_BIRTH_SOCKET, VD_BIRTH_PIDFD, VD_BIRTH_MAIL, VD_BIRTH_FDS };

/* Serves orders on the socket until its other end is closed; never returns. */
void vd_nursery_run(int control) __attribute__((noreturn));
/* Closes the sandbox around the calling process, then answers requests from the mailbox, long ones
 * on descriptor 0; never returns. */
void vd_worker_run(const struct vd_worker_order *order, struct vd_mail *mail)
    __attribute__((noreturn));
