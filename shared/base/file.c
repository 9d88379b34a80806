/* Reading of small public files; see file.h. */
#include "shared/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "shared/base/auto.h"

enum { CHUNK = 65536 };

vd_rc vd_file_read(const char *path, size_t max, vd_buf *ret, vd_err *err)
{
    VD_AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0)
        return vd_fail(err, VD_E_FILE, "%s: %s", path, strerror(errno));
    if (S_ISDIR(st.st_mode))
        return vd_fail(err, VD_E_FILE, "%s: is a folder, not a file", path);
    size_t start = ret->n;
    for (;;) {
        uint8_t *at = vd_buf_reserve(ret, CHUNK);
        if (!at)
            return vd_fail(err, VD_E_FILE, "%s: larger than %zu bytes", path, max);
        ssize_t got = read(fd, at, CHUNK);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return vd_fail(err, VD_E_FILE, "%s: %s", path, strerror(errno));
        if (got == 0)
            return VD_OK;
        ret->n += (size_t)got;
        if (ret->n - start > max)
            return vd_fail(err, VD_E_FILE, "%s: larger than %zu bytes", path, max);
    }
}

bool vd_file_exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0 || errno != ENOENT;
}
