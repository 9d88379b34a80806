/* The error table and the one place where failures are filled in. */
#include "shared/base/err.h"

#include <stdarg.h>
#include <stdio.h>

static const struct vd_error_row rows[] = {
#define VD_ERROR_ROW(sym, num, slug, http, kbs, kbs_http, text)                                    \
    { VD_E_##sym, #sym, slug, http, kbs, kbs_http, text },
    VD_ERRORS(VD_ERROR_ROW)
#undef VD_ERROR_ROW
};

static const size_t n_rows = sizeof rows / sizeof rows[0];

const struct vd_error_row *vd_error_at(size_t i)
{
    return i < n_rows ? &rows[i] : NULL;
}

const struct vd_error_row *vd_error_row(vd_code code)
{
    const struct vd_error_row *internal = &rows[0];
    for (size_t i = 0; i < n_rows; i++) {
        if (rows[i].code == code)
            return &rows[i];
        if (rows[i].code == VD_E_INTERNAL)
            internal = &rows[i];
    }
    return internal;
}

vd_rc vd_fail_(vd_err *err, const char *file, int line, vd_code code, const char *fmt, ...)
{
    if (err && err->code == VD_E_OK) {
        err->code = code;
        err->file = file;
        err->line = line;
        va_list ap;
        va_start(ap, fmt);
        (void)vsnprintf(err->msg, sizeof err->msg, fmt, ap);
        va_end(ap);
    }
    return VD_RC(code);
}

void vd_context(vd_err *err, const char *prefix)
{
    if (!err || err->code == VD_E_OK)
        return;
    char old[sizeof err->msg];
    memcpy(old, err->msg, sizeof old);
    (void)snprintf(err->msg, sizeof err->msg, "%.60s: %.170s", prefix, old);
}
