/* What a handler sees: request, response, routes. A handler cannot tell which server called it: the
 * guest plane (libevent) and the admin plane (civetweb) fill the same structures and look up the
 * same kind of constant route table. Decisions: SHAPES sections 1, 3 and 6. */
#pragma once

#include "shared/base/auto.h"
#include "shared/base/buf.h"
#include "shared/base/clock.h"
#include "shared/base/limits.h"
#include "shared/base/log.h"
#include "shared/base/waker.h"

enum vd_method { VD_GET, VD_POST, VD_PUT, VD_DELETE, VD_HEAD, VD_OPTIONS, VD_METHOD_MAX };
const char *vd_method_name(enum vd_method m);

enum { VD_ROUTE_PARAMS = 8, VD_RESP_FIELDS = 12 };

struct vd_field {
    vd_span name;  /* as sent */
    vd_span value; /* without surrounding blanks */
};

/* Who an administrator is, filled in by the ADMIN guard. */
struct vd_principal {
    char identity[65]; /* name of the [[admin.identity]] */
    char role[65];
};

/* All spans live as long as the handler runs. */
struct vd_req {
    enum vd_method method;
    vd_span target; /* as sent */
    vd_span path;   /* routed path: after the two slash rewrites, without the query; never
                       percent-decoded */
    vd_span query;  /* behind the '?', raw; empty if none */
    const struct vd_route *route;
    vd_span
        param[VD_ROUTE_PARAMS]; /* text of each {name} in order; a last '*' gives the whole rest */
    size_t n_param;
    const struct vd_field *field;
    size_t n_field;
    vd_span authorization; /* value, empty if none */
    vd_span cookie;        /* value of the first kbs-session-id, empty if none */
    vd_span body;
    bool tls;
    bool admin_plane;
    char source[48];     /* IPv4 address or IPv6 /64, as text: the unit of limits and records */
    char request_id[17]; /* 16 hex digits */
    int64_t now;         /* unix seconds at arrival, from the server's clock */
    struct vd_principal admin; /* filled by the ADMIN guard; identity empty otherwise */
    void *app;                 /* the program's state */
    struct vd_server *server;  /* shared/program; NULL in unit tests of single handlers */
};

/* First field of that name (case-insensitive), empty span if none. */
vd_span vd_req_field(const struct vd_req *req, const char *name);
/* Value of one query member, percent-decoded once into out ('+' stays '+'); VD_E_NOT_FOUND if
 * absent, VD_E_SYNTAX. */
vd_rc vd_req_query(const struct vd_req *req, const char *name, vd_buf *out, vd_err *err);
/* The token behind "Bearer " (exact case, one blank); empty if there is none. */
vd_span vd_req_bearer(const struct vd_req *req);

struct vd_resp;
typedef struct vd_waker *(*vd_later_then)(void *ctx);
/* What a finished answer still waits for, such as its record: no thread waits meanwhile. */
struct vd_later {
    /* `then` is called once, from any thread, perhaps before begin returns. Whom it returns (or
     * NULL) is to be woken then, at latest when what happened with it has been told too. */
    void (*begin)(struct vd_later *l, vd_later_then then, void *ctx);
    /* After that, once: completes the answer. On failure nothing of the answer leaves. */
    vd_rc (*finish)(struct vd_later *l, struct vd_resp *resp, vd_err *err);
    void (*free)(struct vd_later *l);
};

struct vd_resp {
    int status;               /* 200 unless set */
    const char *content_type; /* literal; NULL: none is sent */
    vd_buf body;
    bool secret_body; /* wiped after it was sent */
    struct {
        const char *name; /* literal */
        char *value;      /* owned */
    } field[VD_RESP_FIELDS];
    size_t n_field;
    bool close;
    struct vd_later *later; /* owned; NULL: nothing */
};
/* Adds a field; the value is copied. Control characters in the value are an error
 * (VD_E_INTERNAL). */
vd_rc vd_resp_field(struct vd_resp *resp, const char *name, vd_span value, vd_err *err);
void vd_resp_done(struct vd_resp *resp);

typedef vd_rc (*vd_handler)(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
/* Runs before a body is read; needs only the head. May fill req->admin. */
typedef vd_rc (*vd_guard_fn)(void *ctx, struct vd_req *req, vd_err *err);

/* Who may call; a program supplies one function per guard (main wires shared/auth in). */
enum vd_guard { VD_OPEN, VD_SESSION, VD_PASSPORT, VD_ADMIN, VD_GUARD_MAX };
/* Form of error bodies. */
enum vd_shape { VD_SHAPE_KBS, VD_SHAPE_NATIVE, VD_SHAPE_TEXT, VD_SHAPE_MAX };
/* INLINE: cheap, runs on the event loop. WORK: worker pool. RELAY: waits for another server, has
 * its own pool. */
enum vd_lane { VD_WORK, VD_INLINE, VD_RELAY, VD_LANE_MAX };

#define VD_NO_BODY ((size_t)0)
/* Body ceiling: the row of limits.h it comes from, VD_BODY(attest_body). */
#define VD_BODY(field) ((size_t)offsetof(struct vd_limits, field) + 1)

struct vd_route {
    enum vd_method method;
    const char *pattern; /* segments: literal, {name}, or a last '*' (one or more segments) */
    enum vd_guard guard;
    size_t body;
    enum vd_shape shape;
    enum vd_lane lane;
    vd_handler handler;
};

struct vd_router {
    const struct vd_route *route;
    size_t n;
    vd_guard_fn guard[VD_GUARD_MAX]; /* NULL: open for VD_OPEN; any other NULL guard refuses */
    void *guard_ctx[VD_GUARD_MAX];
    void *app;
    struct vd_server *server;
};

/* Every pattern well-formed, no two rows equal, handlers present. VD_E_INTERNAL names the row. */
vd_rc vd_router_check(const struct vd_router *r, vd_err *err);
/* Sets req->route, param. VD_E_BAD_PATH when no pattern fits, VD_E_METHOD when no method does
 * (ret_allow gets "GET, POST" then). req->path must be set. */
vd_rc vd_router_find(const struct vd_router *r, struct vd_req *req, vd_buf *ret_allow, vd_err *err);
/* Does an entry of an administrator's ACL (pattern as in SHAPES section 8) cover a route pattern or
 * path? */
bool vd_pattern_match(const char *pattern, vd_span path);
/* Is there a path that both fit? For the check at start that an ACL entry matches some route: here
 * a {name} or last '*' of the route fits a literal of the entry. Never for deciding a request. */
bool vd_pattern_overlaps(const char *pattern, const char *route);

/* Fills status, body, content type for a failure, from the error table only. Shape from the route,
 * or from the path when there is none (/kbs/v0 KBS, /api/v1 native, else text). */
void vd_resp_error(struct vd_resp *resp, const struct vd_req *req, const vd_err *err);

/* Checks a raw target (origin form) and splits it: SHAPES section 1, last paragraph. Fills target,
 * path, query; `rewritten` has room for target.n bytes and holds the path when a slash was lost.
 * VD_E_BAD_TARGET. */
vd_rc vd_target_parse(vd_span target, uint8_t *rewritten, struct vd_req *req, vd_err *err);

/* ---- planes ---------------------------------------------------------------------------------- */

struct vd_plane_cfg {
    const char *listen;   /* "127.0.0.1:8080", "[::1]:8080"; port 0 picks one */
    const char *tls_cert; /* PEM files; both NULL: plain HTTP */
    const char *tls_key;
    const struct vd_router *router; /* outlives the plane */
    const struct vd_limits *limits;
    struct vd_clock clock;
    struct vd_log *log;
    unsigned loops; /* guest plane: event loops; 0: one a core */
};

struct vd_guest; /* libevent */
vd_rc vd_guest_start(const struct vd_plane_cfg *cfg, struct vd_guest **ret, vd_err *err);
/* Stops accepting, lets running requests finish and answers leave (10 s at most), frees. A handler
 * that still runs then loses its client, but is waited for: nothing it uses may be freed before. */
void vd_guest_stop(struct vd_guest *g);
VD_DEFINE_CLEANUP(struct vd_guest, vd_guest_stop)
uint16_t vd_guest_port(const struct vd_guest *g);
/* Reads certificate and key again; the old ones stay when that fails. */
vd_rc vd_guest_reload(struct vd_guest *g, vd_err *err);

struct vd_admin; /* civetweb */
vd_rc vd_admin_start(const struct vd_plane_cfg *cfg, struct vd_admin **ret, vd_err *err);
void vd_admin_stop(struct vd_admin *a);
VD_DEFINE_CLEANUP(struct vd_admin, vd_admin_stop)
uint16_t vd_admin_port(const struct vd_admin *a);
vd_rc vd_admin_reload(struct vd_admin *a, vd_err *err);

/* Counters of a plane, for /metrics and /api/v1/status. */
struct vd_plane_stats {
    uint64_t connections_open;
    uint64_t requests;
    uint64_t refused_head;
    uint64_t status[6]; /* by hundred */
    uint64_t queue;     /* waiting for a worker */
};
void vd_guest_stats(const struct vd_guest *g, struct vd_plane_stats *ret);
void vd_admin_stats(const struct vd_admin *a, struct vd_plane_stats *ret);
