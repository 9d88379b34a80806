/* Space set aside for administrators' changes: a file beside the record that holds blocks and
 * nothing else. When the disk is full it is given back; until it could be taken again only they are
 * written. */
#include "shared/audit/audit_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

vd_rc vd_audit_reserve_paths(struct vd_audit *a, vd_err *err)
{
    VD_AUTO_BUF name = vd_buf_of(8192);
    vd_buf_printf(&name, "%s.reserve", a->path);
    VD_TRY(vd_buf_check(&name, err));
    a->reserve_path = vd_strdup_span(vd_buf_span(&name));
    if (!a->reserve_path)
        return vd_fail(err, VD_E_NOMEM, "audit record");
    return VD_OK;
}

bool vd_audit_reserve_take(struct vd_audit *a)
{
    if (a->reserve == 0)
        return true;
    VD_AUTO_FD int fd = open(a->reserve_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return false;
    /* Longer than wanted: the setting was lowered. */
    if ((uint64_t)st.st_size > a->reserve && ftruncate(fd, (off_t)a->reserve) != 0)
        return false;
    if (a->ops.allocate(a->ops.ctx, fd, (off_t)a->reserve) == 0)
        return true;
    (void)unlink(a->reserve_path); /* a part of it would only be in the way */
    return false;
}

void vd_audit_reserve_give(struct vd_audit *a)
{
    if (a->reserve > 0)
        (void)unlink(a->reserve_path);
}
