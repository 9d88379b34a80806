/* The pool of policy workers: processes that run nothing but policies, closed off from everything
 * (no files, no network, bounded memory), killed and replaced when one overruns its time. */
#pragma once

#include "shared/base/auto.h"
#include "shared/base/limits.h"
#include "shared/policy/policy.h"

/* Forks the process that workers come from. Call it first of all: before threads, secrets, open
 * files. VD_E_CONFIG: this system has no sandbox for them. */
vd_rc vd_policy_workers_new(struct vd_policy_workers **ret, vd_err *err);
/* How many at most and how much memory each; the first one is started and must report that it is
 * closed off, further ones start when they are needed. VD_E_CONFIG. */
vd_rc vd_policy_workers_start(struct vd_policy_workers *w, const struct vd_limits *limits,
                              vd_err *err);
/* Ends all of them; no policy of theirs may be in use. */
void vd_policy_workers_free(struct vd_policy_workers *w);
VD_DEFINE_CLEANUP(struct vd_policy_workers, vd_policy_workers_free)
/* False once the process that they come from has ended: then every evaluation is refused, and only
 * a restart helps. */
bool vd_policy_workers_alive(struct vd_policy_workers *w);

struct vd_policy_workers_facts {
    uint64_t running; /* processes */
    uint64_t started; /* ever */
    uint64_t ended;   /* ever */
    uint64_t failed;  /* of these, the ones that did not answer: overran a limit, killed, lied */
    uint64_t refused; /* evaluations for which none was free in time */
};
void vd_policy_workers_facts(struct vd_policy_workers *w, struct vd_policy_workers_facts *ret);
