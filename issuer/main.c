/* vidimus-issuer: evidence in, passport out. */
#include "issuer/api/app.h"
#include "issuer/api/handlers.h"
#include "issuer/api/routes.h"
#include "issuer/config.h"
#include "issuer/verify.h"

extern const uint8_t iss_openapi[];
extern const size_t iss_openapi_n;

static const struct vd_verb verbs[] = {
    { "verify", "checks one piece of evidence, without a server and without the network",
      iss_verify_verb },
};

static const char *const state_keys[] = { "passport.key_file", NULL };

static struct iss_signer_cfg signer_cfg(const struct vd_config *c)
{
    return (struct iss_signer_cfg){
        .alg = vd_config_str(c, "passport.alg"),
        .key_file = vd_config_str(c, "passport.key_file"),
        .cert_file = vd_config_str(c, "passport.cert_file"),
    };
}

/* Roots, directories and names of sources: what the drivers and the collateral would refuse. */
static vd_rc check_app(const struct vd_config *c, vd_err *err)
{
    VD_AUTO(iss_tees_close) struct iss_tees *tees = NULL;
    VD_AUTO(iss_collateral_close) struct iss_collateral *collateral = NULL;
    struct iss_collateral_cfg cfg = { .config = c, .clock = vd_clock_real() };
    cfg.kinds = iss_tee_collateral_kinds(&cfg.n_kinds);
    VD_TRY(iss_collateral_open(&cfg, &collateral, err));
    return iss_tees_open(c, NULL, &tees, err);
}

static vd_rc init_app(struct vd_server *s, vd_err *err)
{
    const struct iss_signer_cfg cfg = signer_cfg(s->config);
    return iss_signer_create(&cfg, err);
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
        .init = init_app,
        .open = open_app,
        .close = close_app,
        .status = iss_status,
        .metrics = iss_metrics,
    };
    return vd_program_main(&program, argc, argv);
}
