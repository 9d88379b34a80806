/* Making durable private files; see file.h. */
#include "shared/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "shared/base/auto.h"

static vd_rc write_all(int fd, const char *path, vd_span bytes, vd_err *err)
{
    for (size_t at = 0; at < bytes.n;) {
        ssize_t put = write(fd, bytes.p + at, bytes.n - at);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return vd_fail(err, VD_E_FILE, "%s: %s", path, strerror(errno));
        at += (size_t)put;
    }
    if (fsync(fd) != 0)
        return vd_fail(err, VD_E_FILE, "%s: %s", path, strerror(errno));
    return VD_OK;
}

/* The name is durable only when its folder is. */
static vd_rc sync_folder(const char *path, vd_err *err)
{
    const char *slash = strrchr(path, '/');
    VD_AUTO(free)
    char *folder = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
    if (!folder)
        return vd_fail(err, VD_E_NOMEM, "%s", path);
    VD_AUTO_FD int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0)
        return vd_fail(err, VD_E_FILE, "%s: %s", folder, strerror(errno));
    return VD_OK;
}

vd_rc vd_file_create(const char *path, vd_span bytes, vd_err *err)
{
    VD_AUTO_FD int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return vd_fail(err, errno == EEXIST ? VD_E_EXISTS : VD_E_FILE, "%s: %s", path,
                       strerror(errno));
    vd_rc_ rc = write_all(fd, path, bytes, err);
    if (rc.code == VD_E_OK)
        rc = sync_folder(path, err);
    if (rc.code != VD_E_OK)
        (void)unlink(path);
    return rc;
}

vd_rc vd_file_publish(const char *from, const char *path, vd_err *err)
{
    /* link, not rename: it refuses a name that exists, in the same step. */
    int cause = link(from, path) == 0 ? 0 : errno;
    (void)unlink(from);
    if (cause != 0)
        return vd_fail(err, cause == EEXIST ? VD_E_EXISTS : VD_E_FILE, "%s: %s", path,
                       strerror(cause));
    return sync_folder(path, err);
}

bool vd_file_exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0 || (errno != ENOENT && errno != ENOTDIR);
}
