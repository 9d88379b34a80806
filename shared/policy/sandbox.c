/* The sandbox of a policy worker. The filter is an allow-list: what is not named kills the process,
 * except for a few calls that libraries make by the way and that are refused politely. */
#include "shared/policy/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define FILTER_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define FILTER_ARCH AUDIT_ARCH_AARCH64
#else
#define FILTER_ARCH 0
#endif

enum { FILTER_MAX = 128, MAPPING_SHAPE = MAP_SHARED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN };

/* Without a look at the arguments: nothing here reaches beyond the process. */
static const int harmless[] = {
    SYS_futex,        SYS_munmap,      SYS_mremap,          SYS_madvise,        SYS_brk,
    SYS_getrusage,    SYS_setitimer,   SYS_getrandom,       SYS_clock_gettime,  SYS_sched_yield,
    SYS_getpid,       SYS_gettid,      SYS_getcpu,          SYS_rt_sigprocmask, SYS_rt_sigaction,
    SYS_rt_sigreturn, SYS_sigaltstack, SYS_restart_syscall, SYS_exit,           SYS_exit_group,
};

/* Asked by libraries that can do without. */
static const int refused[] = {
    SYS_openat, SYS_readlinkat, SYS_newfstatat, SYS_prctl,  SYS_sched_getaffinity, SYS_sysinfo,
#ifdef SYS_open
    SYS_open,   SYS_readlink,   SYS_stat,       SYS_access,
#endif
};

struct filter {
    struct sock_filter rule[FILTER_MAX];
    unsigned short n;
};

static void rule(struct filter *f, uint16_t code, uint32_t k, uint8_t yes, uint8_t no)
{
    if (f->n < FILTER_MAX)
        f->rule[f->n] = (struct sock_filter){ .code = code, .jt = yes, .jf = no, .k = k };
    f->n++;
}

static void load(struct filter *f, size_t offset)
{
    rule(f, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void give(struct filter *f, uint32_t verdict)
{
    rule(f, BPF_RET | BPF_K, verdict, 0, 0);
}

/* The call's number is loaded; it is this one: verdict. */
static void on_call(struct filter *f, int nr, uint32_t verdict)
{
    rule(f, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)nr, 0, 1);
    give(f, verdict);
}

/* The low half of an argument: the kernel itself reads descriptors and protections as 32 bits. */
static size_t argument(unsigned i)
{
    return offsetof(struct seccomp_data, args) + i * sizeof(uint64_t);
}

/* The call's number is loaded; allowed if (argument & mask) == want, else death. */
static void on_call_masked(struct filter *f, int nr, unsigned arg, uint32_t mask, uint32_t want)
{
    rule(f, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)nr, 0, 5);
    load(f, argument(arg));
    rule(f, BPF_ALU | BPF_AND | BPF_K, mask, 0, 0);
    rule(f, BPF_JMP | BPF_JEQ | BPF_K, want, 0, 1);
    give(f, SECCOMP_RET_ALLOW);
    give(f, SECCOMP_RET_KILL_PROCESS);
}

static void on_mmap(struct filter *f)
{
    rule(f, BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 0, 7);
    load(f, argument(2));
    rule(f, BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 4, 0);
    load(f, argument(3));
    rule(f, BPF_ALU | BPF_AND | BPF_K, MAPPING_SHAPE, 0, 0);
    rule(f, BPF_JMP | BPF_JEQ | BPF_K, MAP_PRIVATE | MAP_ANONYMOUS, 0, 1);
    give(f, SECCOMP_RET_ALLOW);
    give(f, SECCOMP_RET_KILL_PROCESS);
}

static void build(struct filter *f)
{
    load(f, offsetof(struct seccomp_data, arch));
    rule(f, BPF_JMP | BPF_JEQ | BPF_K, FILTER_ARCH, 1, 0);
    give(f, SECCOMP_RET_KILL_PROCESS);
    load(f, offsetof(struct seccomp_data, nr));
    on_call_masked(f, SYS_read, 0, UINT32_MAX, 0);
    on_call_masked(f, SYS_write, 0, UINT32_MAX, 0);
    on_mmap(f);
    on_call_masked(f, SYS_mprotect, 2, PROT_EXEC, 0);
    for (size_t i = 0; i < sizeof harmless / sizeof harmless[0]; i++)
        on_call(f, harmless[i], SECCOMP_RET_ALLOW);
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        on_call(f, refused[i], SECCOMP_RET_ERRNO | EACCES);
    give(f, SECCOMP_RET_KILL_PROCESS);
}

bool vd_sandbox_possible(void)
{
    uint32_t kill = SECCOMP_RET_KILL_PROCESS;
    return FILTER_ARCH != 0 && syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &kill) == 0;
}

/* Bytes of private writable memory, which is what RLIMIT_DATA counts: the sixth number. */
static bool data_now(uint64_t *ret)
{
    char text[256];
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        (void)close(fd);
    if (n <= 0)
        return false;
    text[n] = 0;
    const char *at = text;
    uint64_t pages = 0;
    for (int i = 0; i < 6; i++) {
        char *end = NULL;
        pages = strtoull(at, &end, 10);
        if (end == at)
            return false;
        at = end;
    }
    *ret = pages * (uint64_t)sysconf(_SC_PAGESIZE);
    return true;
}

/* When memory is short the system takes workers before the server. Best effort. */
static void offer_to_oom_killer(void)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t n = write(fd, "1000", 4);
    (void)n;
    (void)close(fd);
}

static bool limit(int resource, rlim_t value)
{
    struct rlimit have;
    if (getrlimit((__rlimit_resource_t)resource, &have) != 0)
        return false;
    rlim_t v = have.rlim_max != RLIM_INFINITY && have.rlim_max < value ? have.rlim_max : value;
    const struct rlimit r = { v, v };
    return setrlimit((__rlimit_resource_t)resource, &r) == 0;
}

bool vd_sandbox_enter(uint64_t memory, const char **ret_step)
{
    uint64_t data = 0;
    struct filter f = { .n = 0 };
    build(&f);
    const struct sock_fprog program = { f.n, f.rule };

    *ret_step = "/proc/self/statm";
    if (!data_now(&data))
        return false;
    offer_to_oom_killer();
    *ret_step = "close_range";
    if (syscall(SYS_close_range, 1U, ~0U, 0U) != 0)
        return false;
    *ret_step = "setrlimit";
    if (!limit(RLIMIT_STACK, VD_SANDBOX_STACK) || !limit(RLIMIT_DATA, (rlim_t)(data + memory)) ||
        !limit(RLIMIT_CORE, 0) || !limit(RLIMIT_FSIZE, 0) || !limit(RLIMIT_NPROC, 0) ||
        !limit(RLIMIT_MEMLOCK, 0) || !limit(RLIMIT_NOFILE, 1))
        return false;
    *ret_step = "prctl";
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return false;
    *ret_step = "seccomp";
    errno = ENOSYS;
    return f.n <= FILTER_MAX && FILTER_ARCH != 0 &&
           syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0;
}
