/* The state of a running broker, and the functions of its routes. */
#pragma once

#include <pthread.h>

#include "broker/passport/trust.h"
#include "broker/release/policy.h"
#include "shared/program/server.h"

struct brk_relay;

struct brk_app {
    struct vd_server *server;
    struct brk_trust *trust;
    struct brk_policies *policies;
    struct brk_relay *relay; /* NULL: not configured */
    bool deny_as_401;
    pthread_mutex_t
        issuers; /* one change of a trusted issuer at a time: store and memory stay alike */
    _Atomic uint64_t released;
    _Atomic uint64_t denied;
};

/* What the table of settings cannot say. VD_E_CONFIG. */
vd_rc brk_app_check(const struct vd_config *config, vd_err *err);
/* Trusted issuers of file and store, release policies, relay. Sets s->app. */
vd_rc brk_app_open(struct vd_server *s, vd_span builtin_policy, vd_err *err);
void brk_app_close(struct vd_server *s);
/* Rows of the relay exist only with a relay. */
bool brk_route_on(const struct vd_server *s, const struct vd_route *route);
void brk_status(struct vd_server *s, vd_buf *members);
void brk_metrics(struct vd_server *s, vd_buf *lines);

extern const struct vd_route brk_guest_routes[];
extern const size_t brk_guest_routes_n;
extern const struct vd_route brk_admin_routes[];
extern const size_t brk_admin_routes_n;

/* Guards that need the head only. */
vd_rc brk_guard_passport(void *ctx, struct vd_req *req,
                         vd_err *err);                               /* Bearer or cookie is there */
vd_rc brk_guard_session(void *ctx, struct vd_req *req, vd_err *err); /* cookie is there */

/* resource.c */
vd_rc brk_resource_get(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
/* kbs.c */
vd_rc brk_resource_post(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
vd_rc brk_resource_delete(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
vd_rc brk_resource_put(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
vd_rc brk_resource_bad_path(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
vd_rc brk_resource_policy_list(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
vd_rc brk_resource_policy_set(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
vd_rc brk_no_plugin(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
/* relay.c */
vd_rc brk_relay_auth(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
vd_rc brk_relay_attest(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
/* admin_issuers.c */
vd_rc brk_issuers_load(struct brk_app *app, vd_err *err);
vd_rc brk_issuers_list(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
vd_rc brk_issuers_get(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
vd_rc brk_issuers_put(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
vd_rc brk_issuers_delete(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
vd_rc brk_issuers_reset(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
/* admin_policies.c */
vd_rc brk_policies_list_route(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
vd_rc brk_policies_get_route(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
vd_rc brk_policies_history_route(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
vd_rc brk_policies_version_route(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
vd_rc brk_policies_put_route(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
vd_rc brk_policies_delete_route(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
/* Compiles a policy before it is stored. */
vd_rc brk_policy_body_check(struct vd_server *s, const char *name, vd_span body, vd_err *err);
/* admin_secrets.c */
vd_rc brk_secrets_list(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
vd_rc brk_secrets_get(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
vd_rc brk_secrets_history(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
vd_rc brk_secrets_put(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
vd_rc brk_secrets_delete(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
