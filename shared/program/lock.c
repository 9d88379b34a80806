/* The lock file of a state: two processes on one store would each think the audit file theirs. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>

#include "shared/program/server_priv.h"

/* The holder's number, for the message only. */
static long holder(int fd)
{
    char text[24] = "";
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    long pid = 0;
    for (ssize_t i = 0; i < n && text[i] >= '0' && text[i] <= '9' && pid < 100000000; i++)
        pid = pid * 10 + (text[i] - '0');
    return pid;
}

vd_rc vd_lock_take(const char *store, const char *name, int *ret_fd, vd_err *err)
{
    VD_AUTO_BUF path = vd_buf_of(4096);
    vd_buf_printf(&path, "%s.lock", store);
    VD_TRY(vd_buf_check(&path, err));
    VD_AUTO_FD int fd = open(vd_buf_cstr(&path), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return vd_fail(err, VD_E_FILE, "%s: %s", vd_buf_cstr(&path), strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK)
            return vd_fail(
                err, VD_E_CONFIG,
                "%s is held: %s runs with this store already (process %ld); stop it first",
                vd_buf_cstr(&path), name, holder(fd));
        return vd_fail(err, VD_E_FILE, "%s: %s", vd_buf_cstr(&path), strerror(errno));
    }
    char text[24];
    int n = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)n, 0) != n)
        return vd_fail(err, VD_E_FILE, "%s: %s", vd_buf_cstr(&path), strerror(errno));
    *ret_fd = vd_fd_take(&fd);
    return VD_OK;
}
