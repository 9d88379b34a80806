/* The broker's state: opened after store, audit and administrators, before a socket listens. */
#include "broker/api/app.h"

#include <stdatomic.h>

#include "broker/api/relay.h"

enum { LONG_LIFE = 86400 };

static vd_rc audience_check(const struct vd_config *c, vd_err *err)
{
    size_t n = 0;
    const char *const *names = vd_config_strs(c, "accept.audience", &n);
    for (size_t i = 0; i < n; i++) {
        size_t length = strlen(names[i]);
        bool ok = length >= 1 && length <= 128;
        for (size_t k = 0; k < length; k++)
            ok = ok && names[i][k] >= 0x20 && names[i][k] <= 0x7e;
        if (!ok)
            return vd_fail(err, VD_E_CONFIG,
                           "accept.audience: a name is 1 to 128 characters of printable ASCII");
    }
    return VD_OK;
}

vd_rc brk_app_check(const struct vd_config *c, vd_err *err)
{
    uint64_t status = vd_config_u64(c, "release.denial_status");
    if (status != 401 && status != 403)
        return vd_fail(err, VD_E_CONFIG, "release.denial_status is 403 or 401");
    VD_TRY(audience_check(c, err));
    VD_TRY(brk_relay_check(c, err));
    for (size_t i = 0; i < vd_config_tables(c, "trusted_issuer"); i++) {
        VD_AUTO(brk_issuer_unref) struct brk_issuer *issuer = NULL;
        VD_AUTO(brk_keyset_unref) struct brk_keyset *keys = NULL;
        VD_TRY(brk_issuer_from_config(c, i, &issuer, &keys, err));
    }
    return VD_OK;
}

static vd_rc trust_open(struct brk_app *app, vd_err *err)
{
    struct vd_server *s = app->server;
    struct brk_trust_cfg cfg = {
        .limits = s->limits,
        .clock = s->clock,
        .log = s->log,
        .store = s->store,
        .auth = s->auth,
        .allow_rsa1_5 = vd_config_bool(s->config, "release.allow_rsa1_5"),
    };
    cfg.audience = vd_config_strs(s->config, "accept.audience", &cfg.n_audience);
    VD_TRY(brk_trust_new(&cfg, &app->trust, err));
    VD_TRY(brk_issuers_load(app, err));
    VD_TRY(brk_relay_new(s->config, s->limits, cfg.n_audience ? cfg.audience[0] : NULL, &app->relay,
                         err));
    VD_AUTO(brk_trust_view_unref) struct brk_trust_view *view = brk_trust_view(app->trust);
    if (app->relay && !brk_trust_by_name(view, brk_relay_issuer(app->relay)))
        return vd_fail(err, VD_E_CONFIG, "relay.trusted_issuer: there is no trusted issuer %.64s",
                       brk_relay_issuer(app->relay));
    for (size_t i = 0; i < view->n; i++)
        if (view->row[i].issuer->max_lifetime > LONG_LIFE)
            vd_log_msg(
                s->log, VD_LOG_WARN, "broker",
                "trusted issuer %s: passports may live %llu seconds; a stolen or outdated one is "
                "good for as long",
                view->row[i].issuer->name, (unsigned long long)view->row[i].issuer->max_lifetime);
    if (view->n == 0)
        vd_log_msg(s->log, VD_LOG_WARN, "broker",
                   "no trusted issuer: no passport is accepted; add a [[trusted_issuer]] or "
                   "PUT /api/v1/trusted-issuers/{name}");
    return brk_trust_start(app->trust, err);
}

vd_rc brk_app_open(struct vd_server *s, vd_span builtin_policy, vd_err *err)
{
    struct brk_app *app = calloc(1, sizeof *app);
    if (!app)
        return vd_fail(err, VD_E_NOMEM, "broker");
    app->server = s;
    app->deny_as_401 = vd_config_u64(s->config, "release.denial_status") == 401;
    (void)pthread_mutex_init(&app->issuers, NULL);
    s->app = app;
    VD_TRY(brk_policies_new(s->store, s->policies, s->limits, builtin_policy, &app->policies, err));
    return trust_open(app, err);
}

void brk_app_close(struct vd_server *s)
{
    struct brk_app *app = s->app;
    if (!app)
        return;
    brk_trust_free(app->trust);
    brk_policies_free(app->policies);
    brk_relay_free(app->relay);
    (void)pthread_mutex_destroy(&app->issuers);
    free(app);
    s->app = NULL;
}

bool brk_route_on(const struct vd_server *s, const struct vd_route *route)
{
    const struct brk_app *app = s->app;
    bool relayed = route->handler == brk_relay_auth || route->handler == brk_relay_attest;
    return !relayed || app->relay;
}

void brk_status(struct vd_server *s, vd_buf *members)
{
    const struct brk_app *app = s->app;
    struct brk_trust_stats stats;
    VD_AUTO(brk_trust_view_unref) struct brk_trust_view *view = brk_trust_view(app->trust);
    size_t suspended = 0;
    for (size_t i = 0; i < view->n; i++)
        suspended += view->row[i].suspended;
    brk_trust_stats(app->trust, &stats);
    vd_buf_printf(
        members,
        "\"trusted_issuers\":%zu,\"suspended_issuers\":%zu,\"relay\":%s,\"releases\":%llu,"
        "\"denials\":%llu,\"passports_accepted\":%llu,\"passports_refused\":%llu,"
        "\"passport_cache_hits\":%llu",
        view->n, suspended, app->relay ? "true" : "false",
        (unsigned long long)atomic_load(&app->released),
        (unsigned long long)atomic_load(&app->denied), (unsigned long long)stats.accepted,
        (unsigned long long)stats.refused, (unsigned long long)stats.hits);
}

static void counter(vd_buf *out, const char *name, const char *help, uint64_t value)
{
    vd_buf_printf(out, "# HELP %s %s\n# TYPE %s counter\n%s %llu\n", name, help, name, name,
                  (unsigned long long)value);
}

void brk_metrics(struct vd_server *s, vd_buf *lines)
{
    struct brk_app *app = s->app;
    struct brk_trust_stats stats;
    brk_trust_stats(app->trust, &stats);
    counter(lines, "vidimus_releases_total", "Secrets released.", atomic_load(&app->released));
    counter(lines, "vidimus_denials_total", "Releases denied to an accepted passport.",
            atomic_load(&app->denied));
    counter(lines, "vidimus_passports_accepted_total", "Passports that passed the whole check.",
            stats.accepted);
    counter(lines, "vidimus_passports_refused_total", "Passports refused.", stats.refused);
    counter(lines, "vidimus_passport_cache_hits_total", "Passports found already checked.",
            stats.hits);
}
