/* The system's generator of random bytes fails, in a child whose kernel says so: the process ends
 * rather than go on with weak or no bytes, at the start and later. */
#include "tests/support/support.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/base/secret.h"

#define FAIL_ON(number, error)                                                                     \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 1),                                           \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (error))

/* No getrandom, and no device instead of it. */
static void fail_from_now_on(unsigned error)
{
    struct sock_filter rows[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        FAIL_ON(SYS_getrandom, error),
        FAIL_ON(SYS_openat, EIO),
#ifdef SYS_open
        FAIL_ON(SYS_open, EIO),
#endif
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog filter = { sizeof rows / sizeof rows[0], rows };
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
        _exit(77);
}

static void use_it(int out)
{
    uint8_t bytes[32] = { 0 };
    vd_random(bytes, sizeof bytes);
    ssize_t n = write(out, bytes, sizeof bytes);
    _exit(n == sizeof bytes ? 0 : 1);
}

static void start_with_it(int out)
{
    if (vd_base_init(NULL).code != VD_E_OK)
        abort(); /* a refusal is as good */
    use_it(out);
}

/* How a child ends, and how many bytes it let out before. */
static int run(void (*what)(int out), unsigned error, ssize_t *ret_bytes)
{
    int pipe_fd[2];
    uint8_t bytes[64];
    int status = 0;
    assert_int_equal(pipe(pipe_fd), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (error)
            fail_from_now_on(error);
        what(pipe_fd[1]);
        _exit(1);
    }
    (void)close(pipe_fd[1]);
    *ret_bytes = read(pipe_fd[0], bytes, sizeof bytes);
    (void)close(pipe_fd[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static const unsigned errors[] = { EIO, ENOSYS, EPERM, EFAULT };

static void check_ends(void (*what)(int out))
{
    ssize_t n = 0;
    int status = run(what, 0, &n);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(n, 32);
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        status = run(what, errors[i], &n);
        if (!WIFSIGNALED(status))
            print_error("error %u: ended with %d\n", errors[i], WEXITSTATUS(status));
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGABRT);
        assert_int_equal(n, 0);
    }
}

/* First, while this process has not started it itself. */
static void a_start_without_random_bytes_ends(void **state)
{
    (void)state;
    check_ends(start_with_it);
}

static void no_weak_bytes_when_the_generator_fails_later(void **state)
{
    (void)state;
    assert_ok(vd_base_init(NULL));
    check_ends(use_it);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_start_without_random_bytes_ends),
        cmocka_unit_test(no_weak_bytes_when_the_generator_fails_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
