/* The process that workers come from. It is forked before the server has anything to lose, so a
 * worker inherits neither memory nor descriptors of the server; it warms the engine up once, so
 * workers share those pages and begin quickly. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shared/policy/worker.h"
#include "shared/rust/vd_rust.h"

enum { CONTROL = 3 };

/* Signals of a terminal or a service manager go to the whole group; the server decides when its
 * workers end, and they notice by the end of their sockets. */
static void keep_to_itself(void)
{
    static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGCHLD };
    const struct sigaction ignore = { .sa_handler = SIG_IGN };
    const struct rlimit none = { 0, 0 };
    sigset_t all;
    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
        (void)sigaction(ignored[i], &ignore, NULL);
    (void)sigemptyset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, NULL);
    (void)setsid();
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    (void)prctl(PR_SET_NAME, "vd-policies", 0, 0, 0);
    if (chdir("/") != 0)
        _exit(1);
}

/* Descriptor 3 is the control socket, 0 to 2 lead nowhere, and there are no others: a server's
 * standard output must not stay open because its nursery has it. */
static void keep_only(int control)
{
    if (control != CONTROL && dup2(control, CONTROL) < 0)
        _exit(1);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd < CONTROL; fd++)
        if (null < 0 || dup2(null, fd) < 0)
            (void)close(fd);
    (void)syscall(SYS_close_range, CONTROL + 1U, ~0U, 0U);
}

static void warm_up(void)
{
    static const char text[] = "package policy\nallow if {\n\tsome x in input.list\n\tx == 1\n\t"
                               "regex.match(`^a+$`, input.text)\n\tnot input.none\n}\n";
    static const char *const entry[] = { "data.policy.allow" };
    static const char input[] = "{\"list\":[0,1],\"text\":\"aa\"}";
    struct vdr_rego *rego = NULL;
    struct vdr_rego_run *run = NULL;
    struct vdr_fault fault = { 0 };
    struct vdr_bytes bytes = { 0 };
    int step = VDR_REGO_UNDEFINED;
    const struct vdr_rego_query q = {
        .input = (const uint8_t *)input,
        .input_n = sizeof input - 1,
        .budget = { 100000, 1000, 16u << 20, 4096 },
    };
    if (vdr_rego_compile((const uint8_t *)text, sizeof text - 1, entry, 1, 0, &rego, &fault) !=
        VDR_OK)
        return;
    if (vdr_rego_start(rego, 0, &q, &run, &step, &bytes, &fault) == VDR_OK) {
        if (bytes.p)
            vdr_free(bytes);
        vdr_rego_end(run);
    }
    vdr_rego_free(rego);
}

static void be_worker(int fd, int mail_fd, pid_t nursery, const struct vd_worker_order *order)
{
    struct vd_mail *mail = vd_mail_map(mail_fd);
    /* the nursery may have died before the request was in force */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0 || getppid() != nursery || dup2(fd, 0) < 0 ||
        !mail)
        _exit(1);
    (void)prctl(PR_SET_NAME, "vd-policy", 0, 0, 0);
    vd_worker_run(order, mail);
}

static void send_birth(const struct vd_worker_birth *birth, const int fds[VD_BIRTH_FDS])
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(VD_BIRTH_FDS * sizeof(int))];
    } control = { .bytes = { 0 } };
    struct vd_worker_birth copy = *birth;
    struct iovec part = { &copy, sizeof copy };
    struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1 };
    if (birth->error == 0) {
        m.msg_control = control.bytes;
        m.msg_controllen = sizeof control.bytes;
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(VD_BIRTH_FDS * sizeof(int));
        memcpy(CMSG_DATA(c), fds, VD_BIRTH_FDS * sizeof(int));
    }
    if (sendmsg(CONTROL, &m, MSG_NOSIGNAL) < 0)
        _exit(1);
}

/* 0 or an errno. */
static int fork_worker(const struct vd_worker_order *order, int other_end, int fds[VD_BIRTH_FDS],
                       int32_t *ret_pid)
{
    pid_t self = getpid();
    if ((fds[VD_BIRTH_MAIL] = vd_mail_create()) < 0)
        return errno;
    pid_t pid = fork();
    if (pid == 0)
        be_worker(other_end, fds[VD_BIRTH_MAIL], self, order);
    if (pid < 0)
        return errno;
    *ret_pid = pid;
    if ((fds[VD_BIRTH_PIDFD] = (int)syscall(SYS_pidfd_open, pid, 0U)) >= 0)
        return 0;
    int cause = errno;
    (void)kill(pid, SIGKILL);
    return cause;
}

static void give_birth(const struct vd_worker_order *order)
{
    struct vd_worker_birth birth = { 0 };
    int fds[VD_BIRTH_FDS] = { -1, -1, -1 };
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        birth.error = errno;
    } else {
        fds[VD_BIRTH_SOCKET] = pair[0];
        birth.error = fork_worker(order, pair[1], fds, &birth.pid);
        (void)close(pair[1]);
    }
    send_birth(&birth, fds);
    for (int i = 0; i < VD_BIRTH_FDS; i++)
        if (fds[i] >= 0)
            (void)close(fds[i]);
}

void vd_nursery_run(int control)
{
    keep_to_itself();
    keep_only(control);
    vdr_rego_alone();
    warm_up();
    for (;;) {
        struct vd_worker_order order;
        ssize_t n = recv(CONTROL, &order, sizeof order, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n != (ssize_t)sizeof order)
            _exit(0);
        give_birth(&order);
    }
}
