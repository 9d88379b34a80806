/* The names beside the record: PATH.key, PATH.head ..., and its older files PATH.FIRST, where FIRST
 * is the sequence of their first record in 12 digits, so that names sort as the records do. */
#include "shared/audit/audit_priv.h"

#include <dirent.h>
#include <errno.h>

enum { DIGITS = 12, NAME = 8192 };

vd_rc vd_audit_beside(const char *path, const char *end, vd_buf *out, vd_err *err)
{
    vd_buf_reset(out);
    vd_buf_printf(out, "%s%s", path, end);
    if (!vd_buf_cstr(out))
        return vd_fail(err, VD_E_FILE, "%.100s%s: name is too long", path, end);
    return VD_OK;
}

vd_rc vd_audit_older_name(const char *path, uint64_t first_seq, vd_buf *out, vd_err *err)
{
    char end[32];
    (void)snprintf(end, sizeof end, ".%0*llu", DIGITS, (unsigned long long)first_seq);
    return vd_audit_beside(path, end, out, err);
}

/* The number in "NAME.000000000123" when the name is that of an older file; 0 otherwise. */
static uint64_t first_of(vd_span name, vd_span base)
{
    vd_rd r = vd_rd_of(name);
    if (!vd_span_eq(vd_rd_take(&r, base.n), base) || vd_rd_u8(&r) != '.' || r.bad)
        return 0;
    size_t digits = vd_rd_left(&r);
    uint64_t v = 0;
    for (size_t i = 0; i < digits && i < 19; i++) {
        uint8_t c = vd_rd_u8(&r);
        if (c < '0' || c > '9')
            return 0;
        v = v * 10 + (uint64_t)(c - '0');
    }
    return digits >= DIGITS && digits < 19 ? v : 0;
}

/* Few files: an insertion keeps them in order. */
static vd_rc put_in_order(uint64_t **list, size_t *n, size_t *cap, uint64_t v, vd_err *err)
{
    VD_TRY(vd_audit_grow(list, *n, cap, err));
    size_t at = *n;
    for (; at > 0 && (*list)[at - 1] > v; at--)
        (*list)[at] = (*list)[at - 1];
    (*list)[at] = v;
    (*n)++;
    return VD_OK;
}

static vd_rc collect(DIR *dir, vd_span base, uint64_t **list, size_t *n, vd_err *err)
{
    size_t cap = 0;
    for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
        uint64_t first = first_of(vd_span_str(e->d_name), base);
        if (first > 0)
            VD_TRY(put_in_order(list, n, &cap, first, err));
    }
    return VD_OK;
}

vd_rc vd_audit_older_find(const char *path, uint64_t **ret, size_t *ret_n, vd_err *err)
{
    const char *slash = strrchr(path, '/');
    VD_AUTO_BUF folder = vd_buf_of(NAME);
    if (slash)
        vd_buf_add(&folder, vd_span_of(path, slash == path ? 1 : (size_t)(slash - path)));
    else
        vd_buf_str(&folder, ".");
    if (!vd_buf_cstr(&folder))
        return vd_fail(err, VD_E_FILE, "%.100s: name is too long", path);
    DIR *dir = opendir(vd_buf_cstr(&folder));
    if (!dir)
        return vd_fail(err, VD_E_FILE, "%s: %s", vd_buf_cstr(&folder), strerror(errno));
    uint64_t *list = NULL;
    size_t n = 0;
    vd_rc_ rc = collect(dir, vd_span_str(slash ? slash + 1 : path), &list, &n, err);
    (void)closedir(dir);
    if (rc.code != VD_E_OK) {
        free(list);
        return rc;
    }
    *ret = list;
    *ret_n = n;
    return VD_OK;
}
