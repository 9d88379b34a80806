/* Reading public files; see slurp.h. */
#include "shared/base/slurp.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "shared/base/auto.h"

vd_rc vd_file_read(const char *path, size_t max, vd_buf *out, int64_t *ret_mtime, vd_err *err)
{
    VD_AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0)
        return vd_fail(err, errno == ENOENT || errno == ENOTDIR ? VD_E_NOT_FOUND : VD_E_FILE,
                       "%s: %s", path, strerror(errno));
    size_t start = out->n;
    for (;;) {
        uint8_t *at = vd_buf_reserve(out, 16384);
        if (!at)
            return vd_buf_check(out, err);
        ssize_t got = read(fd, at, 16384);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return vd_fail(err, VD_E_FILE, "%s: %s", path, strerror(errno));
        if (got == 0)
            break;
        out->n += (size_t)got;
        if (out->n - start > max)
            return vd_fail(err, VD_E_TOO_LARGE, "%s: larger than %zu bytes", path, max);
    }
    if (ret_mtime)
        *ret_mtime = (int64_t)st.st_mtime;
    return VD_OK;
}
