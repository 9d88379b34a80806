/* Both planes of a server: the rule for plain HTTP, the tables that are served, the guards, the
 * start and the reload of certificates. */
#include <stdio.h>

#include "shared/program/server_priv.h"

/* ---- tables ---------------------------------------------------------------------------------- */

vd_rc vd_tables_all(const struct vd_program *p, struct vd_tables *ret, vd_err *err)
{
    VD_AUTO_TABLES t = { 0 };
    size_t n_admin = p->n_admin_routes + vd_common_admin_routes_n;
    t.guest = calloc(p->n_guest_routes + 1, sizeof *t.guest);
    t.admin = calloc(n_admin + 1, sizeof *t.admin);
    if (!t.guest || !t.admin)
        return vd_fail(err, VD_E_NOMEM, "routes");
    for (size_t i = 0; i < p->n_guest_routes; i++)
        t.guest[i] = p->guest_routes[i];
    for (size_t i = 0; i < vd_common_admin_routes_n; i++)
        t.admin[i] = vd_common_admin_routes[i];
    for (size_t i = 0; i < p->n_admin_routes; i++)
        t.admin[vd_common_admin_routes_n + i] = p->admin_routes[i];
    t.guest_router = (struct vd_router){ .route = t.guest, .n = p->n_guest_routes };
    t.admin_router = (struct vd_router){ .route = t.admin, .n = n_admin };
    VD_TRY(vd_router_check(&t.guest_router, err));
    VD_TRY(vd_router_check(&t.admin_router, err));
    *ret = t;
    t = (struct vd_tables){ 0 };
    return VD_OK;
}

void vd_tables_done(struct vd_tables *t)
{
    free(t->guest);
    free(t->admin);
    *t = (struct vd_tables){ 0 };
}

/* guest.kbs_admin = false: the administration of the KBS protocol is no route of the guest plane.
 */
static bool served(const struct vd_program *p, const struct vd_server *s, const struct vd_route *r)
{
    bool kbs_admin =
        r->guard == VD_ADMIN && vd_span_starts(vd_span_str(r->pattern), VD_LIT("/kbs/"));
    if (kbs_admin && !vd_config_bool(s->config, "guest.kbs_admin"))
        return false;
    return !p->route_on || p->route_on(s, r);
}

static size_t keep_served(const struct vd_program *p, const struct vd_server *s,
                          struct vd_route *route, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (served(p, s, &route[i]))
            route[kept++] = route[i];
    return kept;
}

static void wire(const struct vd_program *p, struct vd_server *s, struct vd_router *r)
{
    r->guard[VD_SESSION] = p->session_guard;
    r->guard_ctx[VD_SESSION] = s;
    r->guard[VD_PASSPORT] = p->passport_guard;
    r->guard_ctx[VD_PASSPORT] = s;
    r->guard[VD_ADMIN] = vd_auth_guard;
    r->guard_ctx[VD_ADMIN] = s->auth;
    r->app = s->app;
    r->server = s;
}

void vd_tables_wire(const struct vd_program *p, struct vd_server *s, struct vd_tables *t)
{
    t->guest_router.n = keep_served(p, s, t->guest, t->guest_router.n);
    t->admin_router.n = keep_served(p, s, t->admin, t->admin_router.n);
    wire(p, s, &t->guest_router);
    wire(p, s, &t->admin_router);
}

/* ---- listening ------------------------------------------------------------------------------- */

static const char *of(const struct vd_config *c, const char *plane, const char *key, char name[32])
{
    (void)snprintf(name, 32, "%s.%s", plane, key);
    return vd_config_str(c, name);
}

static vd_rc check_plane(const struct vd_config *c, const char *plane, vd_err *err)
{
    char name[32];
    const char *cert = of(c, plane, "tls_cert", name);
    const char *key = of(c, plane, "tls_key", name);
    if (cert && key)
        return VD_OK;
    if (cert || key)
        return vd_fail(err, VD_E_CONFIG,
                       "%s.tls_cert and %s.tls_key: one is set without the other; set both", plane,
                       plane);
    (void)snprintf(name, sizeof name, "%s.insecure_http", plane);
    if (!vd_config_bool(c, name))
        return vd_fail(err, VD_E_CONFIG,
                       "%s.tls_cert and %s.tls_key are not set; set them, or %s.insecure_http = "
                       "true for plain HTTP",
                       plane, plane, plane);
    return VD_OK;
}

vd_rc vd_planes_check(const struct vd_config *c, vd_err *err)
{
    VD_TRY(check_plane(c, "guest", err));
    return check_plane(c, "admin", err);
}

static bool on_loopback(vd_span host)
{
    return vd_span_starts(host, VD_LIT("127.")) || vd_span_eq_str(host, "[::1]") ||
           vd_span_eq_str(host, "localhost");
}

/* "ADDRESS:PORT" with the port that was bound, since a configured 0 picks one. */
static void note_facts(const char *listen, uint16_t port, bool tls, struct vd_plane_facts *ret)
{
    vd_span host = vd_span_str(listen);
    while (host.n > 0 && host.p[host.n - 1] != ':')
        host.n--;
    host.n -= host.n > 0;
    (void)snprintf(ret->address, sizeof ret->address, "%.*s:%u", (int)(host.n < 80 ? host.n : 80),
                   (const char *)host.p, port);
    ret->tls = tls;
    ret->loopback = on_loopback(host);
}

static void say_plain(struct vd_server *s, const char *plane, const struct vd_plane_facts *f)
{
    if (f->tls || f->loopback)
        return;
    vd_log_msg(s->log, VD_LOG_WARN, "program",
               "INSECURE: the %s plane serves plain HTTP on %s, not on loopback: everyone on the "
               "way can read and "
               "change it; set %s.tls_cert and %s.tls_key",
               plane, f->address, plane, plane);
}

static struct vd_plane_cfg plane_cfg(const struct vd_server *s, const char *plane,
                                     const struct vd_router *r)
{
    char name[32];
    return (struct vd_plane_cfg){
        .listen = of(s->config, plane, "listen", name),
        .tls_cert = of(s->config, plane, "tls_cert", name),
        .tls_key = of(s->config, plane, "tls_key", name),
        .router = r,
        .limits = s->limits,
        .clock = s->clock,
        .log = s->log,
    };
}

static vd_rc fit_connections(struct vd_server *s, vd_err *err)
{
    s->guest_limits = *s->limits;
    VD_TRY(vd_descriptors_for(s->limits->connections, &s->guest_limits.connections, err));
    if (s->guest_limits.connections < s->limits->connections)
        vd_log_msg(s->log, VD_LOG_WARN, "program",
                   "the system's limit of open files allows %llu guest connections, "
                   "limits.connections asks for %llu: raise it (ulimit -Hn, LimitNOFILE)",
                   (unsigned long long)s->guest_limits.connections,
                   (unsigned long long)s->limits->connections);
    return VD_OK;
}

vd_rc vd_planes_start(struct vd_server *s, const struct vd_tables *t, vd_err *err)
{
    const struct vd_plane_cfg admin = plane_cfg(s, "admin", &t->admin_router);
    struct vd_plane_cfg guest = plane_cfg(s, "guest", &t->guest_router);
    VD_TRY(fit_connections(s, err));
    guest.limits = &s->guest_limits;
    vd_rc_ rc = vd_admin_start(&admin, &s->admin, err);
    if (rc.code != VD_E_OK) {
        vd_context(err, "admin plane");
        return rc;
    }
    note_facts(admin.listen, vd_admin_port(s->admin), admin.tls_cert != NULL, &s->admin_facts);
    rc = vd_guest_start(&guest, &s->guest, err);
    if (rc.code != VD_E_OK) {
        vd_context(err, "guest plane");
        return rc;
    }
    note_facts(guest.listen, vd_guest_port(s->guest), guest.tls_cert != NULL, &s->guest_facts);
    say_plain(s, "guest", &s->guest_facts);
    say_plain(s, "admin", &s->admin_facts);
    __atomic_store_n(&s->listening, true, __ATOMIC_RELEASE);
    return VD_OK;
}

/* The admin plane first: its /api/v1/status looks at the guest plane. */
void vd_planes_stop(struct vd_server *s)
{
    if (s->admin)
        vd_admin_stop(s->admin);
    s->admin = NULL;
    if (s->guest)
        vd_guest_stop(s->guest);
    s->guest = NULL;
}

void vd_planes_reload(struct vd_server *s)
{
    vd_err err = { 0 };
    if (s->guest_facts.tls && vd_guest_reload(s->guest, &err).code != VD_E_OK)
        vd_log_err(s->log, VD_LOG_ERROR, "program", &err);
    else if (s->guest_facts.tls)
        vd_log_msg(s->log, VD_LOG_INFO, "program", "guest plane: certificate read again");
    vd_err_clear(&err);
    if (s->admin_facts.tls && vd_admin_reload(s->admin, &err).code != VD_E_OK)
        vd_log_err(s->log, VD_LOG_ERROR, "program", &err);
    else if (s->admin_facts.tls)
        vd_log_msg(s->log, VD_LOG_INFO, "program", "admin plane: certificate read again");
}
