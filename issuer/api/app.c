/* Opening of the issuer: everything a handler needs is made here or the start fails. */
#include "issuer/api/app.h"

#include <stdlib.h>

static vd_rc open_signer(struct iss_app *app, const struct vd_config *c, vd_err *err)
{
    const struct iss_signer_cfg cfg = {
        .alg = vd_config_str(c, "passport.alg"),
        .key_file = vd_config_str(c, "passport.key_file"),
        .cert_file = vd_config_str(c, "passport.cert_file"),
    };
    VD_TRY(iss_signer_open(&cfg, &app->signer, err));
    if (vd_auth_has_key(app->server->auth, app->signer->key))
        return vd_fail(err, VD_E_CONFIG,
                       "passport.key_file %s is also the key of an [[admin.identity]]: a passport "
                       "could be taken for an "
                       "administrator's token; give the administrator a key of his own",
                       cfg.key_file);
    app->jwks = vd_buf_of(1u << 20);
    const struct iss_signer *const all[] = { app->signer };
    return iss_jwks(all, 1, &app->jwks, err);
}

static vd_rc open_evidence(struct iss_app *app, const struct vd_config *c, vd_err *err)
{
    struct iss_collateral_cfg cfg = { .config = c,
                                      .clock = app->server->clock,
                                      .log = app->server->log };
    cfg.kinds = iss_tee_collateral_kinds(&cfg.n_kinds);
    VD_TRY(iss_collateral_open(&cfg, &app->collateral, err));
    return iss_tees_open(c, app->server->log, &app->tees, err);
}

static void read_settings(struct iss_app *app, const struct vd_config *c)
{
    uint64_t max = vd_config_u64(c, "passport.max_bytes");
    app->issuer = vd_config_str(c, "passport.issuer");
    app->lifetime = vd_config_u64(c, "passport.lifetime");
    app->max_passport =
        (size_t)(max < app->server->limits->passport_mint ? max
                                                          : app->server->limits->passport_mint);
    app->event_logs = vd_config_bool(c, "passport.event_logs");
    app->relays = vd_config_strs(c, "limits.relays", &app->n_relays);
}

vd_rc iss_app_open(struct vd_server *server, struct iss_app **ret, vd_err *err)
{
    VD_AUTO(iss_app_close) struct iss_app *app = calloc(1, sizeof *app);
    if (!app)
        return vd_fail(err, VD_E_NOMEM, "issuer");
    const struct vd_config *c = server->config;
    app->server = server;
    read_settings(app, c);
    VD_TRY(open_signer(app, c, err));
    VD_TRY(open_evidence(app, c, err));
    VD_TRY(iss_challenges_new(vd_config_u64(c, "challenge.lifetime"), &app->challenges, err));
    VD_TRY(iss_policies_new(server->store, server->limits, &app->policies, err));
    VD_TRY(iss_rvps_new(server->store, server->clock, &app->rvps, err));
    app->rate = iss_rate_new();
    if (!app->rate)
        return vd_fail(err, VD_E_NOMEM, "limits of sources");
    *ret = VD_TAKE(app);
    return VD_OK;
}

void iss_app_close(struct iss_app *app)
{
    if (!app)
        return;
    iss_rate_free(app->rate);
    iss_rvps_free(app->rvps);
    iss_policies_free(app->policies);
    iss_challenges_free(app->challenges);
    iss_tees_close(app->tees);
    iss_collateral_close(app->collateral);
    iss_signer_free(app->signer);
    vd_buf_done(&app->jwks);
    free(app);
}

void iss_status(struct vd_server *s, vd_buf *members_json)
{
    struct iss_app *app = s->app;
    vd_jw w = vd_jw_of(members_json);
    vd_buf_str(members_json, "\"issuer\":");
    vd_jw_str(&w, app->issuer);
    vd_buf_str(members_json, ",\"kid\":");
    w = vd_jw_of(members_json);
    vd_jw_str(&w, app->signer->kid);
    vd_buf_str(members_json, ",\"tees\":");
    w = vd_jw_of(members_json);
    vd_jw_arr(&w);
    for (size_t i = 0; iss_tee_at(i); i++)
        if (iss_tees_enabled(app->tees, iss_tee_at(i)->name))
            vd_jw_str(&w, iss_tee_at(i)->name);
    vd_jw_end(&w);
}

void iss_metrics(struct vd_server *s, vd_buf *lines)
{
    const struct iss_counters *c = &((struct iss_app *)s->app)->count;
    const struct {
        const char *name;
        const char *help;
        uint64_t value;
    } rows[] = {
        { "auths", "Challenges given out.", atomic_load(&c->auths) },
        { "passports", "Passports issued.", atomic_load(&c->passports) },
        { "attests_refused", "Attestations refused.", atomic_load(&c->refusals) },
        { "attests_limited", "Attestations above a limit of their source.",
          atomic_load(&c->limited) },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        vd_buf_printf(
            lines,
            "# HELP vidimus_%s_total %s\n# TYPE vidimus_%s_total counter\nvidimus_%s_total %llu\n",
            rows[i].name, rows[i].help, rows[i].name, rows[i].name,
            (unsigned long long)rows[i].value);
}
