/* Opening of the issuer: everything a handler needs is made here or the start fails. */
#include "issuer/api/app.h"

#include <stdlib.h>

enum { PIN_MAX = 256, WATCH_EVERY = 86400 };

static struct iss_revocations_cfg revocations_cfg(const struct vd_server *s)
{
    return (struct iss_revocations_cfg){
        .store = s->store,
        .audit = s->audit,
        .clock = s->clock,
        .log = s->log,
        .issuer = vd_config_str(s->config, "passport.issuer"),
    };
}

static struct iss_keyring_cfg keyring_cfg(const struct vd_server *s)
{
    const struct vd_config *c = s->config;
    /* With a token, a file that merely lies at the default place is not meant. */
    bool file =
        vd_config_is_set(c, "passport.key_file") || !vd_config_str(c, "passport.pkcs11_module");
    return (struct iss_keyring_cfg){
        .store = s->store,
        .audit = s->audit,
        .clock = s->clock,
        .log = s->log,
        .auth = s->auth,
        .alg = vd_config_str(c, "passport.alg"),
        .key_file = file ? vd_config_str(c, "passport.key_file") : NULL,
        .cert_file = vd_config_str(c, "passport.cert_file"),
        .lifetime = vd_config_u64(c, "passport.lifetime"),
        .publish_before = vd_config_u64(c, "passport.publish_before"),
        .rotate_every = vd_config_u64(c, "passport.rotate_every"),
        .max_age = vd_config_u64(c, "passport.jwks_max_age"),
        .leeway = s->limits->leeway,
    };
}

vd_rc iss_token_check(const struct vd_config *c, vd_err *err)
{
    static const char *const keys[] = { "passport.pkcs11_module", "passport.pkcs11_token",
                                        "passport.pkcs11_key_label", "passport.pkcs11_pin_file" };
    size_t n = 0;
    for (size_t i = 0; i < 4; i++)
        n += vd_config_str(c, keys[i]) != NULL;
    if (n != 0 && n != 4)
        return vd_fail(err, VD_E_CONFIG,
                       "passport.pkcs11_module, pkcs11_token, pkcs11_key_label and pkcs11_pin_file "
                       "go together");
    if (n && strcmp(vd_config_str(c, "passport.alg"), "EdDSA") == 0)
        return vd_fail(err, VD_E_CONFIG,
                       "passport.alg of keys in a PKCS#11 token is ES256 or ES384");
    return VD_OK;
}

static vd_rc open_token(const struct vd_config *c, struct vd_p11 **ret, vd_err *err)
{
    VD_AUTO_SECRET text = { 0 };
    if (!vd_config_str(c, "passport.pkcs11_module"))
        return VD_OK;
    if (vd_secret_read_file(vd_config_str(c, "passport.pkcs11_pin_file"), PIN_MAX, true, &text, err)
            .code != VD_E_OK) {
        vd_context(err, "passport.pkcs11_pin_file");
        return VD_RC(VD_E_CONFIG);
    }
    vd_span pin = vd_secret_span(&text);
    pin = vd_span_part(pin, 0, vd_span_find(pin, '\n'));
    const struct vd_p11_cfg cfg = {
        .module = vd_config_str(c, "passport.pkcs11_module"),
        .token = vd_config_str(c, "passport.pkcs11_token"),
        .label = vd_config_str(c, "passport.pkcs11_key_label"),
        .pin = pin,
    };
    return vd_p11_open(&cfg, ret, err);
}

/* The keys of revocation statements: nothing of a token or a certificate, no schedule. */
static struct iss_keyring_cfg statements_cfg(const struct vd_server *s)
{
    struct iss_keyring_cfg cfg = keyring_cfg(s);
    cfg.names = &iss_statement_ring;
    cfg.key_file = vd_config_str(s->config, "revocation.key_file");
    cfg.cert_file = NULL;
    cfg.lifetime = ISS_STATEMENT_SECONDS;
    cfg.rotate_every = 0;
    return cfg;
}

static vd_rc open_keys(struct iss_app *app, vd_err *err)
{
    const struct vd_server *s = app->server;
    const struct iss_revocations_cfg revocations = revocations_cfg(s);
    struct iss_keyring_cfg ring = keyring_cfg(s);
    const struct iss_keyring_cfg statements = statements_cfg(s);
    VD_TRY(open_token(s->config, &app->token, err));
    VD_TRY(iss_keyring_open(&statements, &app->statement_keys, err));
    ring.token = app->token;
    ring.statements = app->statement_keys;
    VD_TRY(iss_keyring_open(&ring, &app->keys, err));
    if (ring.publish_before < ring.max_age)
        vd_log_msg(s->log, VD_LOG_WARN, "passport",
                   "passport.publish_before (%llu s) is shorter than passport.jwks_max_age (%llu "
                   "s): after a rotation brokers may refuse passports for a while",
                   (unsigned long long)ring.publish_before, (unsigned long long)ring.max_age);
    return iss_revocations_open(&revocations, app->statement_keys, &app->revocations, err);
}

vd_rc iss_app_init(struct vd_server *s, vd_err *err)
{
    struct iss_keyring_cfg ring = keyring_cfg(s);
    VD_AUTO(vd_p11_close) struct vd_p11 *token = NULL;
    const struct iss_keyring_cfg statements = statements_cfg(s);
    const char *own = vd_config_str(s->config, "revocation.key_file");
    const struct iss_signer_cfg file = { .alg = ring.alg, .key_file = ring.key_file };
    const struct iss_signer_cfg second = { .alg = ring.alg, .key_file = own };
    if (own)
        VD_TRY(iss_signer_create(&second, err)); /* the first start takes it in */
    else
        VD_TRY(iss_keyring_create(&statements, err));
    VD_TRY(open_token(s->config, &token, err));
    ring.token = token;
    /* A file that somebody named: the first start takes it in. Else the store keeps the key. */
    if (!token && vd_config_is_set(s->config, "passport.key_file"))
        return iss_signer_create(&file, err);
    ring.cert_file = NULL; /* it can only be made for the key afterwards */
    return iss_keyring_create(&ring, err);
}

void iss_app_tick(struct vd_server *s)
{
    struct iss_app *app = s->app;
    iss_keyring_tick(app->statement_keys);
    iss_keyring_tick(app->keys);
    iss_revocations_tick(app->revocations);
    int64_t now = vd_clock_s(&s->clock);
    if (now - app->collateral_watched >= WATCH_EVERY || now < app->collateral_watched) {
        app->collateral_watched = now;
        iss_collateral_watch(app->collateral);
    }
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
    app->jwks_max_age = vd_config_u64(c, "passport.jwks_max_age");
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
    VD_TRY(open_keys(app, err));
    VD_TRY(open_evidence(app, c, err));
    VD_TRY(iss_challenges_new(vd_config_u64(c, "challenge.lifetime"), &app->challenges, err));
    VD_TRY(iss_policies_new(server->store, server->policies, server->limits, &app->policies, err));
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
    iss_revocations_free(app->revocations);
    iss_keyring_free(app->keys);
    iss_keyring_free(app->statement_keys);
    vd_p11_close(app->token);
    free(app);
}

void iss_status(struct vd_server *s, vd_buf *members_json)
{
    struct iss_app *app = s->app;
    vd_jw w = vd_jw_of(members_json);
    vd_buf_str(members_json, "\"issuer\":");
    vd_jw_str(&w, app->issuer);
    VD_AUTO(iss_signer_free) struct iss_signer *signer = NULL;
    if (iss_keyring_signer(app->keys, vd_clock_s(&s->clock), &signer, NULL).code == VD_E_OK)
        vd_buf_printf(members_json, ",\"kid\":\"%s\"", signer->kid);
    vd_buf_str(members_json, ",\"tees\":");
    w = vd_jw_of(members_json);
    vd_jw_arr(&w);
    for (size_t i = 0; iss_tee_at(i); i++)
        if (iss_tees_enabled(app->tees, iss_tee_at(i)->name))
            vd_jw_str(&w, iss_tee_at(i)->name);
    vd_jw_end(&w);
}

static void put_end(void *ctx, const char *kind, vd_span key, int64_t expires, vd_span stops)
{
    (void)stops;
    vd_buf_printf(ctx, "vidimus_collateral_ends_timestamp_seconds{kind=\"%s\",key=\"%.*s\"} %lld\n",
                  kind, (int)key.n, (const char *)key.p, (long long)expires);
}

/* Keys of collateral are words, digits and slashes: nothing in them needs an escape. */
static void put_ends(const struct iss_app *app, vd_buf *lines)
{
    vd_err why = { 0 };
    vd_buf_str(lines,
               "# HELP vidimus_collateral_ends_timestamp_seconds When vendor collateral that "
               "is held ends.\n"
               "# TYPE vidimus_collateral_ends_timestamp_seconds gauge\n");
    if (iss_collateral_ends(app->collateral, put_end, lines, &why).code != VD_E_OK)
        vd_log_err(app->server->log, VD_LOG_WARN, "collateral", &why);
}

void iss_metrics(struct vd_server *s, vd_buf *lines)
{
    put_ends(s->app, lines);
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
