/* libcurl, loaded by the first outgoing call. It brings two dozen libraries with it (Kerberos,
 * LDAP, GnuTLS), 4 MiB and 20 ms of a start, and most issuers and brokers never call anybody. */
#pragma once

#define CURL_DISABLE_TYPECHECK 1 /* its macros would name the functions themselves */
#include <curl/curl.h>

#include "shared/base/err.h"

/* X(name): the functions that client.c uses. */
#define VD_CURL_FUNCTIONS(X)                                                                       \
    X(global_init)                                                                                 \
    X(easy_init)                                                                                   \
    X(easy_cleanup)                                                                                \
    X(easy_reset)                                                                                  \
    X(easy_setopt)                                                                                 \
    X(easy_perform)                                                                                \
    X(easy_getinfo)                                                                                \
    X(easy_strerror)                                                                               \
    X(slist_append)                                                                                \
    X(slist_free_all)

struct vd_curl {
#define VD_CURL_MEMBER(name) __typeof__(curl_##name) *name;
    VD_CURL_FUNCTIONS(VD_CURL_MEMBER)
#undef VD_CURL_MEMBER
};
/* The same table for every caller, for good. VD_E_INTERNAL: the library is not installed. */
vd_rc vd_curl_get(const struct vd_curl **ret, vd_err *err);
