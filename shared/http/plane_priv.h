/* What both planes do with a request once its head is parsed: route, limits, guard, handler, log
 * line. Private to shared/http. */
#pragma once

#include "shared/http/head.h"

enum {
    VD_TARGET_ROOM = VD_HEAD_LINE_MAX + 1,
    VD_RESP_MAX = 96 << 20, /* body of one answer; above the hard value of any stored object */
};

/* One request and its answer. */
struct vd_exch {
    struct vd_head head;
    struct vd_req req;
    struct vd_resp resp;
    vd_err err;
    int64_t began_us; /* monotonic: head complete */
    size_t body_limit;
};

int64_t vd_mono_us(void);
/* Whoever writes to sockets needs it: a peer that left must be an error, not the end of the
 * process. Leaves a handler that the program has set. */
void vd_ignore_sigpipe(void);
/* Unpredictable enough to be no oracle, unique in a process: mixes *state and moves it on. */
void vd_request_id(uint64_t *state, char out[17]);
/* A new exchange in x, which must be zeroed or vd_exch_done; keeps the memory of the answer's
 * body. */
void vd_exch_reset(struct vd_exch *x, const struct vd_plane_cfg *cfg);
void vd_exch_done(struct vd_exch *x);

/* From x->head: fills x->req, checks target, route, body limit. On failure x->err and an Allow
 * field are set. `rewritten`: VD_TARGET_ROOM bytes that live as long as the exchange. */
vd_rc vd_exch_route(struct vd_exch *x, const struct vd_plane_cfg *cfg, uint8_t *rewritten);
/* The guard of the route; VD_E_INTERNAL when the program supplies none. */
vd_rc vd_exch_guard(struct vd_exch *x, const struct vd_router *r);
/* Runs the handler; a failure is in x->err. */
vd_rc vd_exch_handle(struct vd_exch *x); /* to the end: waits for resp.later */
/* The same in two parts: between them `resp.later`, if there is one, was waited for. */
vd_rc vd_exch_begin(struct vd_exch *x);
vd_rc vd_exch_finish(struct vd_exch *x);
/* Makes the error answer from x->err. */
void vd_exch_refuse(struct vd_exch *x);
/* One line: info for refusals, warn for 5xx, debug for the rest. */
void vd_exch_log(const struct vd_exch *x, const struct vd_plane_cfg *cfg);

const char *vd_status_text(int status);
/* Shape of error bodies for a request that may have no route, or for none (NULL). */
enum vd_shape vd_req_shape(const struct vd_req *req);
/* Status line and fields, the empty line included. */
void vd_resp_head(const struct vd_resp *resp, const char *date, bool close, vd_buf *out);
/* Text of a peer's address: IPv4, or the /64 of IPv6. */
struct sockaddr;
void vd_source_text(const struct sockaddr *sa, char out[48]);
/* "127.0.0.1:80", "[::1]:80" into host and port. VD_E_CONFIG. */
vd_rc vd_listen_split(const char *listen, char host[64], uint16_t *ret_port, vd_err *err);
