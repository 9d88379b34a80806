/* vidimus-issuer: evidence in, passport out. */
#include "issuer/api/app.h"
#include "issuer/api/handlers.h"
#include "issuer/api/routes.h"
#include "issuer/collateral_verb.h"
#include "issuer/config.h"
#include "issuer/verify.h"

extern const uint8_t iss_openapi[];
extern const size_t iss_openapi_n;

static const struct vd_verb verbs[] = {
    { "verify", "checks one piece of evidence, without a server and without the network",
      iss_verify_verb },
    { "collateral", "fetches, brings in, takes along and shows vendor collateral; needs no server",
      iss_collateral_verb },
};

static const char *const state_keys[] = { "passport.key_file", "revocation.key_file", NULL };

/* Roots, directories and names of sources: what the drivers and the collateral would refuse. */
static vd_rc check_app(const struct vd_config *c, vd_err *err)
{
    uint64_t every = vd_config_u64(c, "passport.rotate_every");
    if (every && every <= vd_config_u64(c, "passport.publish_before"))
        return vd_fail(err, VD_E_CONFIG,
                       "passport.rotate_every is longer than passport.publish_before, or 0");
    if (every && vd_config_str(c, "passport.cert_file"))
        return vd_fail(err, VD_E_CONFIG,
                       "passport.rotate_every and passport.cert_file do not go together: a new key "
                       "would have no certificate");
    VD_AUTO(iss_tees_close) struct iss_tees *tees = NULL;
    VD_AUTO(iss_collateral_close) struct iss_collateral *collateral = NULL;
    VD_TRY(iss_token_check(c, err));
    struct iss_collateral_cfg cfg = { .config = c, .clock = vd_clock_real() };
    cfg.kinds = iss_tee_collateral_kinds(&cfg.n_kinds);
    VD_TRY(iss_collateral_open(&cfg, &collateral, err));
    return iss_tees_open(c, NULL, &tees, err);
}

static vd_rc open_app(struct vd_server *s, vd_err *err)
{
    struct iss_app *app = NULL;
    VD_TRY(iss_app_open(s, &app, err));
    s->app = app;
    return VD_OK;
}

static void close_app(struct vd_server *s)
{
    iss_app_close(s->app);
    s->app = NULL;
}

int main(int argc, char **argv)
{
    struct vd_setting settings[ISS_SETTINGS_MAX];
    size_t n_settings = iss_settings(settings);
    if (n_settings == 0) {
        (void)fputs("vidimus-issuer: more settings than ISS_SETTINGS_MAX\n", stderr);
        return VD_EXIT_USAGE;
    }
    const struct vd_program program = {
        .name = "vidimus-issuer",
        .program = "issuer",
        .summary = "verifies evidence of TEEs and issues passports",
        .settings = settings,
        .n_settings = n_settings,
        .guest_routes = iss_guest_routes,
        .n_guest_routes = iss_guest_routes_n,
        .admin_routes = iss_admin_routes,
        .n_admin_routes = iss_admin_routes_n,
        .session_guard = iss_session_guard,
        .verbs = verbs,
        .n_verbs = sizeof verbs / sizeof verbs[0],
        .route_on = iss_route_on,
        .openapi = vd_span_of(iss_openapi, iss_openapi_n),
        .state_keys = state_keys,
        .check = check_app,
        .init = iss_app_init,
        .open = open_app,
        .close = close_app,
        .tick = iss_app_tick,
        .tick_seconds = 1,
        .status = iss_status,
        .metrics = iss_metrics,
    };
    return vd_program_main(&program, argc, argv);
}
