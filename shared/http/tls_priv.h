/* Server side TLS of both planes: certificate and key from PEM files, exchangeable while running.
 * Private to shared/http; only libssl calls here. */
#pragma once

#include "shared/http/http.h"

struct ssl_ctx_st;
struct ssl_st;
struct vd_tls; /* thread safe */

/* VD_E_CONFIG names the file and the cure. */
vd_rc vd_tls_new(const char *cert, const char *key, struct vd_tls **ret, vd_err *err);
void vd_tls_free(struct vd_tls *t);
VD_DEFINE_CLEANUP(struct vd_tls, vd_tls_free)
/* Reads both files again; on failure the old ones stay in use. Open connections keep theirs. */
vd_rc vd_tls_reload(struct vd_tls *t, vd_err *err);
/* A server-side connection object with the newest certificate, over a socket that stays the
 * caller's; NULL when out of memory. */
struct ssl_st *vd_tls_connection(struct vd_tls *t, int fd);
/* A context for a server that makes its connection objects itself: each handshake takes the newest
 * certificate. Lives as long as t. */
struct ssl_ctx_st *vd_tls_front(struct vd_tls *t);
