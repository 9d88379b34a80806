/* Parts of vd_program_main, shared by server.c (verbs), init.c, serve.c, planes.c and lock.c only.
 */
#pragma once

#include "shared/program/server.h"

struct vd_options {
    const char *config;     /* file; never NULL after parsing */
    const char *ready_file; /* serve; may be NULL */
    const char **set;       /* NULL-terminated, owned */
    size_t n_set;
    bool yes; /* accept-rollback */
    bool help;
    char fallback[64]; /* the default file's name */
};

/* Configuration for this program from file, environment and --set. */
vd_rc vd_program_load(const struct vd_program *p, const struct vd_options *o,
                      struct vd_config **ret, vd_err *err);
/* Paths of the state: root key or salt, store, audit. */
struct vd_state_paths {
    const char *root_file;  /* NULL when a passphrase is configured */
    const char *passphrase; /* NULL when a file is configured */
    char *salt;             /* owned; beside the store */
    const char *store;
    const char *audit;
};
vd_rc vd_state_paths_of(const struct vd_config *c, struct vd_state_paths *ret, vd_err *err);
/* Everything that init made is there. */
vd_rc vd_state_check(const struct vd_program *p, const struct vd_options *o,
                     const struct vd_state_paths *s, vd_err *err);
void vd_state_paths_done(struct vd_state_paths *s);
#define VD_AUTO_STATE __attribute__((cleanup(vd_state_paths_done))) struct vd_state_paths

/* One process for each store: flock on "<store>.lock". VD_E_CONFIG tells who has it. */
vd_rc vd_lock_take(const char *store, const char *name, int *ret_fd, vd_err *err);

/* Descriptors for everything but guests: store, audit, admin plane, fetches, workers. */
enum { VD_DESCRIPTORS_KEPT = 256 };
/* Raises the soft limit of open files for so many connections; *ret_connections is how many it
 * allows (fewer where the hard limit is lower). VD_E_CONFIG when there is hardly any. */
vd_rc vd_descriptors_for(uint64_t connections, uint64_t *ret_connections, vd_err *err);

/* Both route tables of a running server: what the configuration serves. */
struct vd_tables {
    struct vd_route *guest;
    struct vd_route *admin;
    struct vd_router guest_router;
    struct vd_router admin_router;
};
/* All rows, whatever the configuration (checks of roles, route tests). Caller vd_tables_done. */
vd_rc vd_tables_all(const struct vd_program *p, struct vd_tables *ret, vd_err *err);
/* Takes away what the configuration does not serve and wires guards. */
void vd_tables_wire(const struct vd_program *p, struct vd_server *s, struct vd_tables *t);
void vd_tables_done(struct vd_tables *t);
#define VD_AUTO_TABLES __attribute__((cleanup(vd_tables_done))) struct vd_tables

/* Administrators out of the configuration, checked against all routes. */
vd_rc vd_program_auth(const struct vd_config *c, const struct vd_limits *limits,
                      const struct vd_tables *all, struct vd_auth **ret, vd_err *err);
/* TLS or insecure_http, for both planes. VD_E_CONFIG. */
vd_rc vd_planes_check(const struct vd_config *c, vd_err *err);
vd_rc vd_planes_start(struct vd_server *s, const struct vd_tables *t, vd_err *err);
void vd_planes_stop(struct vd_server *s);
void vd_planes_reload(struct vd_server *s);

/* Log, clock, limits: what needs nothing but the configuration. */
vd_rc vd_server_begin(const struct vd_program *p, const struct vd_config *c, struct vd_server *s,
                      vd_err *err);
/* Root key, store, audit: what `init` made. */
vd_rc vd_server_state(struct vd_server *s, const struct vd_state_paths *paths, vd_err *err);
/* The audit record alone; the root key is loaded. */
vd_rc vd_server_audit(struct vd_server *s, const struct vd_state_paths *paths, bool accept_behind,
                      vd_err *err);
void vd_server_end(struct vd_server *s);

/* audit_api.c: handlers of the common routes. */
vd_rc vd_audit_list(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
vd_rc vd_audit_head_get(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
vd_rc vd_audit_key_get(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
vd_rc vd_audit_receipt_get(const struct vd_req *req, struct vd_resp *resp, vd_err *err);

vd_rc vd_init(const struct vd_program *p, const struct vd_options *o, vd_err *err);
vd_rc vd_serve(const struct vd_program *p, const struct vd_options *o, vd_err *err);
vd_rc vd_accept_rollback(const struct vd_program *p, const struct vd_options *o, vd_err *err);
