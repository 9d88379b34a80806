/* What the two servers share in running: verbs (init, serve, check-config, config-default), lock
 * file, signals, root key, store, audit, administrators, both planes, and the common native routes.
 */
#pragma once

#include "shared/audit/audit.h"
#include "shared/audit/decision.h"
#include "shared/auth/auth.h"
#include "shared/http/http.h"
#include "shared/policy/workers.h"
#include "shared/program/config.h"
#include "shared/store/store.h"

struct vd_program;

/* Where a plane listens, for the ready line, /api/v1/status and the log. */
struct vd_plane_facts {
    char address[96]; /* with the bound port */
    bool tls;
    bool loopback;
};

/* Everything a handler may need that both programs have. Reached by req->server. */
struct vd_server {
    const struct vd_program *self;
    const char *program; /* "issuer" or "broker" */
    const struct vd_config *config;
    const struct vd_limits *limits;
    struct vd_limits guest_limits; /* the same, connections within the descriptors there are */
    struct vd_log *log;
    struct vd_clock clock;
    vd_secret root; /* root key */
    struct vd_store *store;
    struct vd_audit *audit;
    struct vd_decisions *decisions;
    struct vd_thinner *denials;
    struct vd_policy_workers *policies; /* NULL outside of `serve` */
    struct vd_auth *auth;
    struct vd_guest *guest;
    struct vd_admin *admin;
    struct vd_plane_facts guest_facts;
    struct vd_plane_facts admin_facts;
    bool listening;  /* atomic: planes and facts above are filled */
    vd_span openapi; /* embedded openapi.json of the program */
    int64_t started;
    void *app;
};

struct vd_verb {
    const char *name;
    const char *summary;
    int (*run)(int argc, char **argv); /* argv[0] is the verb */
};

struct vd_program {
    const char *name;    /* "vidimus-issuer" */
    const char *program; /* "issuer" */
    const char *summary;
    const struct vd_setting *settings;
    size_t n_settings;
    const struct vd_route *guest_routes;
    size_t n_guest_routes;
    const struct vd_route *admin_routes; /* without the common ones */
    size_t n_admin_routes;
    vd_guard_fn session_guard;  /* may be NULL; ctx is the vd_server */
    vd_guard_fn passport_guard; /* may be NULL; ctx is the vd_server */
    /* Is this row served under this configuration? NULL: all are. A row that is off is no route:
     * 404. */
    bool (*route_on)(const struct vd_server *s, const struct vd_route *route);
    const struct vd_verb *verbs; /* further ones: verify ... */
    size_t n_verbs;
    vd_span openapi;
    /* Keys of settings (paths) whose files `init` below makes: checked beforehand, removed when it
     * fails. */
    const char *const *state_keys; /* NULL-terminated; may be NULL */
    /* What the table of settings cannot say, for check-config and before a start. May be NULL. */
    vd_rc (*check)(const struct vd_config *config, vd_err *err);
    /* `init`: after root key, store and audit were made and opened. */
    vd_rc (*init)(struct vd_server *s, vd_err *err);
    /* After store, audit and auth are open, before a socket listens. Sets s->app. */
    vd_rc (*open)(struct vd_server *s, vd_err *err);
    void (*close)(struct vd_server *s);
    /* Every tick_seconds on the main thread; may be NULL. */
    void (*tick)(struct vd_server *s);
    unsigned tick_seconds;
    /* Extra members for /api/v1/status ("a":1,"b":2 without braces) and lines for /metrics; each
     * may be NULL. */
    void (*status)(struct vd_server *s, vd_buf *members_json);
    void (*metrics)(struct vd_server *s, vd_buf *lines);
};
/* The whole main() of a server. */
int vd_program_main(const struct vd_program *p, int argc, char **argv);

/* VD_E_STORE after a write to the store whose fate is unknown: nothing is released any more either,
 * because what is read may not be what a restart finds. */
vd_rc vd_server_sound(const struct vd_server *s, vd_err *err);

/* GET /healthz on either plane (OPEN): 200 without a body; 503 when store or audit stopped. */
vd_rc vd_healthz(const struct vd_req *req, struct vd_resp *resp, vd_err *err);

/* The header Vidimus-Audit: the sequence of the record that an answer has, for a receipt later. */
vd_rc vd_audit_field(struct vd_resp *resp, uint64_t seq, vd_err *err);

/* Common native routes (status, audit, decisions, openapi, metrics, healthz), for the route tests.
 */
extern const struct vd_route vd_common_admin_routes[];
extern const size_t vd_common_admin_routes_n;

/* Exit codes of every verb (SHAPES section 12). */
enum {
    VD_EXIT_OK = 0,
    VD_EXIT_USAGE = 1,
    VD_EXIT_REMOTE = 2,
    VD_EXIT_AUTH = 3,
    VD_EXIT_DENIED = 4,
    VD_EXIT_NOT_FOUND = 5,
    VD_EXIT_VERSION = 6,
    VD_EXIT_APPROVAL = 7,
    VD_EXIT_VERIFY = 8,
};
