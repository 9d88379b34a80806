/* File descriptors: as many as the connections that are allowed, or as many connections as the
 * system has descriptors for. Without this, a flood would meet the system's limit first, where a
 * connection cannot even be accepted to be turned away. */
#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include "shared/program/server_priv.h"

vd_rc vd_descriptors_for(uint64_t connections, uint64_t *ret_connections, vd_err *err)
{
    struct rlimit have;
    if (getrlimit(RLIMIT_NOFILE, &have) != 0)
        return vd_fail(err, VD_E_INTERNAL, "limit of open files: %s", strerror(errno));
    uint64_t want = connections + VD_DESCRIPTORS_KEPT;
    uint64_t hard = have.rlim_max == RLIM_INFINITY ? UINT64_MAX : (uint64_t)have.rlim_max;
    uint64_t soft = have.rlim_cur == RLIM_INFINITY ? UINT64_MAX : (uint64_t)have.rlim_cur;
    if (hard < (uint64_t)VD_DESCRIPTORS_KEPT * 2)
        return vd_fail(err, VD_E_CONFIG,
                       "only %llu files may be open (ulimit -Hn), at least %d are needed",
                       (unsigned long long)hard, VD_DESCRIPTORS_KEPT * 2);
    uint64_t next = want < hard ? want : hard;
    if (next > soft) {
        have.rlim_cur = (rlim_t)next;
        if (setrlimit(RLIMIT_NOFILE, &have) != 0)
            return vd_fail(err, VD_E_INTERNAL, "limit of open files: %s", strerror(errno));
        soft = next;
    }
    uint64_t left = soft - VD_DESCRIPTORS_KEPT;
    *ret_connections = connections < left ? connections : left;
    return VD_OK;
}
