/* Outgoing HTTP (libcurl) with limits on every call: time, size, no redirects unless asked, http
 * and https only, TLS verified against a CA file or the system's. */
#pragma once

#include "shared/base/auto.h"
#include "shared/base/buf.h"

struct vd_client; /* thread safe; keeps connections */

struct vd_client_cfg {
    const char *ca_file;    /* PEM; NULL: the system's */
    const char *user_agent; /* NULL: vidimus/VERSION */
    unsigned connections;   /* kept, at most; 0: 8 */
};
vd_rc vd_client_new(const struct vd_client_cfg *cfg, struct vd_client **ret, vd_err *err);
void vd_client_free(struct vd_client *c);
VD_DEFINE_CLEANUP(struct vd_client, vd_client_free)

struct vd_call {
    const char *method; /* literal */
    const char *url;
    vd_span body;
    bool has_body;
    const char *const *field; /* "Name: value", NULL-terminated; may be NULL */
    unsigned seconds;         /* whole call; required */
    size_t max_bytes;         /* of the answer's body; required */
    unsigned redirects;       /* 0: none */
};
struct vd_answer {
    int status;
    vd_buf body;
    vd_buf head; /* raw header lines of the last answer */
};
/* VD_E_REMOTE (no connection, TLS), VD_E_TIMEOUT, VD_E_TOO_LARGE. Any status is a success here. */
vd_rc vd_client_call(struct vd_client *c, const struct vd_call *call, struct vd_answer *ret,
                     vd_err *err);
void vd_answer_done(struct vd_answer *a);
/* Value of a header line, empty span if none. */
vd_span vd_answer_field(const struct vd_answer *a, const char *name);
