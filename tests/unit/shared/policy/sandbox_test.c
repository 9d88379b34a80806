/* What a process can still do behind vd_sandbox_enter: each probe runs in a process of its own,
 * which tells by its exit status how far it came. */
#include "tests/support/support.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#include "shared/policy/sandbox.h"

enum { ALLOWED = 0, REFUSED = 10, SETUP = 20, MEMORY = 32 << 20 };

static long open_file(void)
{
    return open("/etc/passwd", O_RDONLY | O_CLOEXEC);
}
static long create_file(void)
{
    return open("/tmp/vd-sandbox-probe", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
}
static long open_by_openat2(void)
{
    return syscall(437 /* openat2 */, AT_FDCWD, "/etc/passwd", NULL, 0);
}
static long stat_file(void)
{
    return syscall(SYS_newfstatat, AT_FDCWD, "/etc/passwd", NULL, 0);
}
static long inet_socket(void)
{
    return socket(AF_INET, SOCK_STREAM, 0);
}
static long unix_socket(void)
{
    return socket(AF_UNIX, SOCK_STREAM, 0);
}
static long socket_pair(void)
{
    int pair[2];
    return socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
}
static long send_descriptor(void)
{
    struct msghdr m = { .msg_iov = NULL };
    return sendmsg(0, &m, 0);
}
static long receive_descriptor(void)
{
    struct msghdr m = { .msg_iov = NULL };
    return recvmsg(0, &m, MSG_DONTWAIT);
}
static long write_elsewhere(void)
{
    return syscall(SYS_write, 2, "x", 1);
}
static long read_elsewhere(void)
{
    char c;
    return syscall(SYS_read, 3, &c, 1);
}
static long duplicate(void)
{
    return dup(0);
}
static long fork_process(void)
{
    return syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
}
static long start_thread(void)
{
    return syscall(SYS_clone3, NULL, 0);
}
static long execute(void)
{
    char *const none[] = { NULL };
    return execve("/bin/true", none, none);
}
static long kill_parent(void)
{
    return kill(getppid(), 0);
}
static long trace_parent(void)
{
    return ptrace(PTRACE_ATTACH, 1, NULL, NULL);
}
static long read_parent(void)
{
    return syscall(SYS_process_vm_readv, 1, NULL, 0, NULL, 0, 0);
}
static long executable_memory(void)
{
    void *p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? -1 : 0;
}
static long make_executable(void)
{
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return mprotect(p, 4096, PROT_READ | PROT_EXEC);
}
static long shared_memory(void)
{
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? -1 : 0;
}
static long growing_memory(void)
{
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN,
                   -1, 0);
    return p == MAP_FAILED ? -1 : 0;
}
static long memory_file(void)
{
    return syscall(SYS_memfd_create, "x", 0U);
}
static long io_ring(void)
{
    return syscall(425 /* io_uring_setup */, 1U, NULL);
}
static long bpf_program(void)
{
    return syscall(SYS_bpf, 0, NULL, 0);
}
static long new_namespace(void)
{
    return syscall(SYS_unshare, 0x10000000 /* CLONE_NEWUSER */);
}
static long become_dumpable(void)
{
    return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}
static long more_limits(void)
{
    return syscall(SYS_prlimit64, 0, 2 /* RLIMIT_DATA */, NULL, NULL);
}
static long change_directory(void)
{
    return chdir("/");
}
static long host_name(void)
{
    return syscall(SYS_uname, NULL);
}
static long much_memory(void)
{
    void *p = mmap(NULL, 2u * MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? -1 : 0;
}
static long much_memory_later(void)
{
    void *p = mmap(NULL, 2u * MEMORY, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? 0 : mprotect(p, 2u * MEMORY, PROT_READ | PROT_WRITE);
}
static long some_memory(void)
{
    void *p = mmap(NULL, MEMORY / 2, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? -1 : 0;
}
static long answer(void)
{
    return write(0, "x", 1);
}
static long read_the_clock(void)
{
    struct timespec t;
    return syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &t);
}

enum { DIES = SIGSYS, SAYS_NO = 1000, WORKS = 1001 };

static const struct {
    const char *name;
    long (*probe)(void);
    int want; /* the signal, or what the call gave */
} probes[] = {
    { "answering on descriptor 0", answer, WORKS },
    { "reading the clock", read_the_clock, WORKS },
    { "memory within the limit", some_memory, WORKS },
    { "memory beyond the limit", much_memory, SAYS_NO },
    { "memory beyond the limit, made writable later", much_memory_later, SAYS_NO },
    { "opening a file", open_file, SAYS_NO },
    { "making a file", create_file, SAYS_NO },
    { "opening a file by a newer call", open_by_openat2, DIES },
    { "looking at a file", stat_file, SAYS_NO },
    { "changing the directory", change_directory, DIES },
    { "a socket to the network", inet_socket, DIES },
    { "a socket to this machine", unix_socket, DIES },
    { "a pair of sockets", socket_pair, DIES },
    { "sending a descriptor", send_descriptor, DIES },
    { "receiving a descriptor", receive_descriptor, DIES },
    { "writing to another descriptor", write_elsewhere, DIES },
    { "reading from another descriptor", read_elsewhere, DIES },
    { "duplicating the descriptor", duplicate, DIES },
    { "a process", fork_process, DIES },
    { "a thread", start_thread, DIES },
    { "another program", execute, DIES },
    { "a signal to the parent", kill_parent, DIES },
    { "tracing", trace_parent, DIES },
    { "reading another process", read_parent, DIES },
    { "executable memory", executable_memory, DIES },
    { "memory made executable", make_executable, DIES },
    { "shared memory", shared_memory, DIES },
    { "memory that grows uncounted", growing_memory, DIES },
    { "a file in memory", memory_file, DIES },
    { "io_uring", io_ring, DIES },
    { "bpf", bpf_program, DIES },
    { "a namespace", new_namespace, DIES },
    { "becoming dumpable", become_dumpable, SAYS_NO },
    { "limits", more_limits, DIES },
    { "the name of the host", host_name, DIES },
};

static void run_probe(size_t i, int *ret_status)
{
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    pid_t pid = fork();
    if (pid == 0) {
        const char *step = "";
        if (dup2(pair[1], 0) < 0 || !vd_sandbox_enter(MEMORY, &step))
            _exit(SETUP);
        _exit(probes[i].probe() >= 0 ? ALLOWED : REFUSED);
    }
    (void)close(pair[1]);
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, ret_status, 0), pid);
    (void)close(pair[0]);
}

static void only_computing_and_answering_is_left(void **state)
{
    (void)state;
    size_t n = sizeof probes / sizeof probes[0];
    assert_true(vd_sandbox_possible());
    for (size_t i = 0; i < n; i++) {
        int status = 0;
        run_probe(i, &status);
        int got = WIFSIGNALED(status)              ? WTERMSIG(status)
                  : WEXITSTATUS(status) == ALLOWED ? WORKS
                  : WEXITSTATUS(status) == REFUSED ? SAYS_NO
                                                   : -WEXITSTATUS(status);
        if (got != probes[i].want)
            fail_msg("%s: got %d, wanted %d", probes[i].name, got, probes[i].want);
    }
    print_message("sandbox: %zu probes\n", n);
}

static void processor_time_ends_the_process(void **state)
{
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        const char *step = "";
        const struct itimerval t = { .it_value = { .tv_usec = 20000 } };
        if (!vd_sandbox_enter(MEMORY, &step) || setitimer(ITIMER_PROF, &t, NULL) != 0)
            _exit(SETUP);
        for (volatile unsigned i = 0;; i++)
            continue;
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGPROF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_computing_and_answering_is_left),
        cmocka_unit_test(processor_time_ends_the_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
