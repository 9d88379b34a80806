/* Secret memory, constant-time comparison, randomness and private files (libsodium). */
#include "shared/base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/base/auto.h"

vd_rc vd_base_init(vd_err *err)
{
    if (sodium_init() < 0)
        return vd_fail(err, VD_E_INTERNAL, "libsodium cannot be initialised");
    return VD_OK;
}

vd_rc vd_base_harden(vd_err *err)
{
    const struct rlimit none = { 0, 0 };
    if (setrlimit(RLIMIT_CORE, &none) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return vd_fail(err, VD_E_INTERNAL, "core files cannot be switched off: %s",
                       strerror(errno));
    return VD_OK;
}

vd_rc vd_secret_new(size_t n, vd_secret *ret, vd_err *err)
{
    uint8_t *p = sodium_malloc(n ? n : 1);
    if (!p)
        return vd_fail(err, VD_E_NOMEM,
                       "secret of %zu bytes (see the locked-memory limit, ulimit -l)", n);
    sodium_memzero(p, n ? n : 1);
    *ret = (vd_secret){ p, n };
    return VD_OK;
}

vd_rc vd_secret_copy(vd_span in, vd_secret *ret, vd_err *err)
{
    VD_TRY(vd_secret_new(in.n, ret, err));
    if (in.n)
        memcpy(ret->p, in.p, in.n);
    return VD_OK;
}

void vd_secret_done(vd_secret *s)
{
    sodium_free(s->p);
    *s = (vd_secret){ 0 };
}

bool vd_ct_equal(vd_span a, vd_span b)
{
    if (a.n != b.n)
        return false; /* lengths are public */
    return a.n == 0 || sodium_memcmp(a.p, b.p, a.n) == 0;
}

void vd_wipe(void *p, size_t n)
{
    sodium_memzero(p, n);
}

void vd_random(void *p, size_t n)
{
    randombytes_buf(p, n);
}

static vd_rc check_file(int fd, const char *path, size_t max, bool private_file, size_t *ret_size,
                        vd_err *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return vd_fail(err, VD_E_FILE, "%s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return vd_fail(err, VD_E_FILE, "%s: not a regular file", path);
    if (private_file && (st.st_mode & 077) != 0)
        return vd_fail(err, VD_E_FILE, "%s: others can read it; chmod 600 it", path);
    if (private_file && st.st_uid != geteuid() && st.st_uid != 0)
        return vd_fail(err, VD_E_FILE, "%s: belongs to another user", path);
    if (st.st_size < 0 || (uint64_t)st.st_size > max)
        return vd_fail(err, VD_E_FILE, "%s: larger than %zu bytes", path, max);
    *ret_size = (size_t)st.st_size;
    return VD_OK;
}

vd_rc vd_secret_read_file(const char *path, size_t max, bool private_file, vd_secret *ret,
                          vd_err *err)
{
    VD_AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return vd_fail(err, VD_E_FILE, "%s: %s", path,
                       errno == ELOOP ? "is a symbolic link" : strerror(errno));
    size_t size = 0;
    VD_TRY(check_file(fd, path, max, private_file, &size, err));
    VD_AUTO_SECRET s = { 0 };
    VD_TRY(vd_secret_new(size, &s, err));
    for (size_t at = 0; at < size;) {
        ssize_t got = read(fd, s.p + at, size - at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return vd_fail(err, VD_E_FILE, "%s: %s", path,
                           got < 0 ? strerror(errno) : "became shorter");
        at += (size_t)got;
    }
    *ret = s;
    s = (vd_secret){ 0 };
    return VD_OK;
}
