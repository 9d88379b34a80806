/* The issuer's state behind its handlers, made at start and immutable but for what is thread safe
 * in itself. Reached by req->app. */
#pragma once

#include <stdatomic.h>

#include "issuer/api/rate.h"
#include "issuer/appraise/policies.h"
#include "issuer/collateral/collateral.h"
#include "issuer/passport/keyring.h"
#include "issuer/passport/revocation.h"
#include "issuer/rvps/rvps.h"
#include "issuer/session/challenge.h"
#include "issuer/tee/tee.h"
#include "shared/program/server.h"

struct iss_counters {
    atomic_uint_fast64_t auths;
    atomic_uint_fast64_t passports;
    atomic_uint_fast64_t refusals;
    atomic_uint_fast64_t limited;
};

struct iss_app {
    struct vd_server *server;
    struct iss_challenges *challenges;
    struct iss_collateral *collateral;
    int64_t collateral_watched; /* when its ends were looked at; of the main thread */
    struct iss_tees *tees;
    struct iss_policies *policies;
    struct iss_rvps *rvps;
    struct vd_p11 *token; /* of passport keys; NULL: the store has them */
    struct iss_keyring *keys;
    struct iss_keyring *statement_keys; /* of revocation statements */
    struct iss_revocations *revocations;
    struct iss_rate *rate;
    uint64_t jwks_max_age;
    const char *issuer;
    uint64_t lifetime; /* of passports, seconds */
    size_t max_passport;
    bool event_logs;
    const char *const *relays; /* sources with the limit of relays */
    size_t n_relays;
    struct iss_counters count;
};

/* After store, audit and administrators are open. VD_E_CONFIG names key and cure. */
vd_rc iss_app_open(struct vd_server *server, struct iss_app **ret, vd_err *err);
void iss_app_close(struct iss_app *app);
VD_DEFINE_CLEANUP(struct iss_app, iss_app_close)

/* The four pkcs11 settings together or none. VD_E_CONFIG. */
vd_rc iss_token_check(const struct vd_config *config, vd_err *err);
/* `init`: the first passport key, the key of revocation statements. */
vd_rc iss_app_init(struct vd_server *server, vd_err *err);
/* What time does to keys and revocations; every second. */
void iss_app_tick(struct vd_server *server);

/* Members of /api/v1/status and lines of /metrics. */
void iss_status(struct vd_server *s, vd_buf *members_json);
void iss_metrics(struct vd_server *s, vd_buf *lines);

/* The app of a request. */
static inline struct iss_app *iss_app_of(const struct vd_req *req)
{
    return req->app ? req->app : req->server ? req->server->app : NULL;
}
