/* vidimus-broker: passport in, secret out. */
#include "broker/api/app.h"
#include "broker/config.h"

extern const uint8_t brk_policy_default[];
extern const size_t brk_policy_default_n;
extern const uint8_t brk_openapi[];
extern const size_t brk_openapi_n;

static vd_rc open_app(struct vd_server *s, vd_err *err)
{
    return brk_app_open(s, vd_span_of(brk_policy_default, brk_policy_default_n), err);
}

int main(int argc, char **argv)
{
    const struct vd_program program = {
        .name = "vidimus-broker",
        .program = "broker",
        .summary = "releases secrets to guests whose passports it accepts",
        .settings = brk_settings,
        .n_settings = brk_settings_n,
        .guest_routes = brk_guest_routes,
        .n_guest_routes = brk_guest_routes_n,
        .admin_routes = brk_admin_routes,
        .n_admin_routes = brk_admin_routes_n,
        .session_guard = brk_guard_session,
        .passport_guard = brk_guard_passport,
        .route_on = brk_route_on,
        .openapi = vd_span_of(brk_openapi, brk_openapi_n),
        .check = brk_app_check,
        .open = open_app,
        .close = brk_app_close,
        .status = brk_status,
        .metrics = brk_metrics,
    };
    return vd_program_main(&program, argc, argv);
}
