/* What a policy worker may still do once it has begun: compute, ask for a bounded amount of memory,
 * read and write descriptor 0, end. Linux only: resource limits and a seccomp filter. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Bytes of stack that the engine's recursion may use; beyond it the process dies. */
enum { VD_SANDBOX_STACK = 64 << 20 };

/* False: this kernel or processor has no filters, so nothing may run. */
bool vd_sandbox_possible(void);
/* For the calling process, which has one thread: closes every descriptor but 0 and gives up
 * everything else, for good. memory: bytes of private memory beyond what it has now. False with
 * errno and the step that failed; then the process must end. */
bool vd_sandbox_enter(uint64_t memory, const char **ret_step);
