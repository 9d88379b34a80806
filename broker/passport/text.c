/* Short texts into fixed fields; see text.h. */
#include "broker/passport/text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/base/auto.h"

static vd_rc copy(vd_span s, const char *what, char *out, size_t max, vd_err *err)
{
    if (s.n > max)
        return vd_fail(err, VD_E_SETTING, "%s is longer than %zu characters", what, max);
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < 0x20 || s.p[i] > 0x7e)
            return vd_fail(err, VD_E_SETTING, "%s is not printable ASCII", what);
    for (size_t i = 0; i < s.n; i++)
        out[i] = (char)s.p[i];
    out[s.n] = '\0';
    return VD_OK;
}

vd_rc brk_text_copy(vd_jv v, const char *what, char *out, size_t max, vd_err *err)
{
    VD_AUTO_BUF text = vd_buf_of(max * 6 + 16);
    if (!vd_jv_is(v, VD_JSON_STRING))
        return vd_fail(err, VD_E_SETTING, "%s is no string", what);
    if (vd_jv_str(v, &text, err).code != VD_E_OK || text.bad)
        return vd_fail(err, VD_E_SETTING, "%s is longer than %zu characters", what, max);
    if (text.n == 0)
        return vd_fail(err, VD_E_SETTING, "%s is empty", what);
    return copy(vd_buf_span(&text), what, out, max, err);
}

vd_rc brk_text_copy_str(const char *s, const char *what, bool allow_empty, char *out, size_t max,
                        vd_err *err)
{
    if (!s || (!*s && !allow_empty))
        return vd_fail(err, VD_E_SETTING, "%s is missing or empty", what);
    return copy(vd_span_str(s), what, out, max, err);
}

vd_rc brk_file_read(const char *path, vd_buf *out, vd_err *err)
{
    struct stat st;
    VD_AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) != 0)
        return vd_fail(err, VD_E_FILE, "%s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return vd_fail(err, VD_E_FILE, "%s is no regular file", path);
    for (;;) {
        uint8_t *at = vd_buf_reserve(out, 1);
        size_t room = out->cap - out->n;
        if (room > out->max - out->n)
            room = out->max - out->n;
        if (!at)
            return vd_fail(err, VD_E_FILE, "%s is longer than %zu bytes", path, out->max);
        ssize_t got = read(fd, at, room);
        if (got == 0)
            return VD_OK;
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return vd_fail(err, VD_E_FILE, "%s: %s", path, strerror(errno));
        out->n += (size_t)got;
    }
}
