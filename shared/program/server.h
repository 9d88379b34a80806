/* What the two servers share in running: verbs (init, serve, check-config, config-default), lock file,
 * signals, root key, store, audit, administrators, both planes, and the common native routes. */
#pragma once

#include "shared/audit/audit.h"
#include "shared/audit/decision.h"
#include "shared/auth/auth.h"
#include "shared/http/http.h"
#include "shared/program/config.h"
#include "shared/store/store.h"

/* Everything a handler may need that both programs have. Reached by req->server. */
struct vd_server {
    const char *program; /* "issuer" or "broker" */
    const struct vd_config *config;
    const struct vd_limits *limits;
    struct vd_log *log;
    struct vd_clock clock;
    vd_secret root; /* root key */
    struct vd_store *store;
    struct vd_audit *audit;
    struct vd_decisions *decisions;
    struct vd_thinner *denials;
    struct vd_auth *auth;
    struct vd_guest *guest;
    struct vd_admin *admin;
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
    vd_guard_fn session_guard;  /* may be NULL */
    vd_guard_fn passport_guard; /* may be NULL */
    const struct vd_verb *verbs; /* further ones: verify ... */
    size_t n_verbs;
    vd_span openapi;
    /* `init`: after root key, store and audit were made. */
    vd_rc (*init)(struct vd_server *s, vd_err *err);
    /* After store, audit and auth are open, before a socket listens. Sets s->app. */
    vd_rc (*open)(struct vd_server *s, vd_err *err);
    void (*close)(struct vd_server *s);
    /* Extra members for /api/v1/status and lines for /metrics; each may be NULL. */
    void (*status)(struct vd_server *s, vd_buf *members_json);
    void (*metrics)(struct vd_server *s, vd_buf *lines);
};
/* The whole main() of a server. */
int vd_program_main(const struct vd_program *p, int argc, char **argv);

/* Common native routes (status, audit, decisions, openapi, metrics, healthz), for the route tests. */
extern const struct vd_route vd_common_admin_routes[];
extern const size_t vd_common_admin_routes_n;

/* Exit codes of every verb (SHAPES section 12). */
enum {
    VD_EXIT_OK = 0, VD_EXIT_USAGE = 1, VD_EXIT_REMOTE = 2, VD_EXIT_AUTH = 3, VD_EXIT_DENIED = 4,
    VD_EXIT_NOT_FOUND = 5, VD_EXIT_VERSION = 6, VD_EXIT_APPROVAL = 7, VD_EXIT_VERIFY = 8,
};
