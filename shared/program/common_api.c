/* Native routes that both servers have: status, decisions, the OpenAPI file, metrics,
 * health. Nothing here changes anything. */
#include <stdio.h>

#include "shared/codec/json.h"
#include "shared/program/server_priv.h"

enum { ID_MAX = 64, MEMBERS_MAX = 65536 };

static const char json_type[] = "application/json";

vd_rc vd_server_sound(const struct vd_server *s, vd_err *err)
{
    if (!vd_store_ok(s->store))
        return vd_fail(err, VD_E_STORE, "the store stopped; see the log, then restart");
    return VD_OK;
}

vd_rc vd_healthz(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    const struct vd_server *s = req->server;
    if (!vd_audit_ok(s->audit))
        return vd_fail(err, VD_E_AUDIT, "audit records are refused (full disk or failed sync)");
    VD_TRY(vd_server_sound(s, err));
    resp->status = 200;
    return VD_OK;
}

/* ---- status ---------------------------------------------------------------------------------- */

/* Zeros while the planes are still starting: a request may come before the main thread has noted
 * them. */
static void stats_of(const struct vd_server *s, struct vd_plane_stats *guest,
                     struct vd_plane_stats *admin)
{
    *guest = (struct vd_plane_stats){ 0 };
    *admin = (struct vd_plane_stats){ 0 };
    if (!__atomic_load_n(&s->listening, __ATOMIC_ACQUIRE))
        return;
    vd_guest_stats(s->guest, guest);
    vd_admin_stats(s->admin, admin);
}

static void facts_of(const struct vd_server *s, struct vd_plane_facts *guest,
                     struct vd_plane_facts *admin)
{
    *guest = (struct vd_plane_facts){ 0 };
    *admin = (struct vd_plane_facts){ 0 };
    if (!__atomic_load_n(&s->listening, __ATOMIC_ACQUIRE))
        return;
    *guest = s->guest_facts;
    *admin = s->admin_facts;
}

static void plane_status(vd_jw *w, const char *name, const struct vd_plane_facts *f,
                         const struct vd_plane_stats *st)
{
    vd_jw_key(w, name);
    vd_jw_obj(w);
    vd_jw_kstr(w, "address", f->address);
    vd_jw_kbool(w, "tls", f->tls);
    vd_jw_kbool(w, "insecure_http", f->address[0] && !f->tls && !f->loopback);
    vd_jw_ku64(w, "connections", st->connections_open);
    vd_jw_ku64(w, "requests", st->requests);
    vd_jw_ku64(w, "queue", st->queue);
    vd_jw_end(w);
}

static vd_rc get_status(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    struct vd_server *s = req->server;
    struct vd_plane_stats guest, admin;
    stats_of(s, &guest, &admin);
    struct vd_plane_facts guest_facts, admin_facts;
    facts_of(s, &guest_facts, &admin_facts);
    vd_jw w = vd_jw_of(&resp->body);
    vd_jw_obj(&w);
    vd_jw_kstr(&w, "program", s->program);
    vd_jw_kstr(&w, "version", VD_VERSION);
    vd_jw_key(&w, "started_at");
    vd_jw_time(&w, s->started);
    vd_jw_key(&w, "now");
    vd_jw_time(&w, req->now);
    plane_status(&w, "guest", &guest_facts, &guest);
    plane_status(&w, "admin", &admin_facts, &admin);
    vd_jw_key(&w, "store");
    vd_jw_obj(&w);
    vd_jw_kbool(&w, "ok", vd_store_ok(s->store));
    vd_jw_end(&w);
    vd_jw_key(&w, "audit");
    vd_jw_obj(&w);
    vd_jw_kbool(&w, "ok", vd_audit_ok(s->audit));
    vd_jw_ku64(&w, "seq", vd_audit_seq(s->audit));
    vd_jw_end(&w);
    VD_AUTO_BUF members = vd_buf_of(MEMBERS_MAX);
    if (s->self->status)
        s->self->status(s, &members);
    VD_TRY(vd_buf_check(&members, err));
    if (members.n) {
        vd_buf_u8(&resp->body, ',');
        vd_buf_add(&resp->body, vd_buf_span(&members));
    }
    vd_jw_end(&w);
    resp->content_type = json_type;
    return VD_OK;
}

/* ---- decisions, OpenAPI ---------------------------------------------------------------------- */

static vd_rc get_decision(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    char id[ID_MAX];
    vd_span text = req->param[0];
    if (text.n >= sizeof id)
        return vd_fail(err, VD_E_NOT_FOUND, "no such decision");
    memcpy(id, text.p, text.n);
    id[text.n] = 0;
    resp->content_type = json_type;
    return vd_decisions_get(req->server->decisions, id, &resp->body, err);
}

static vd_rc get_openapi(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    vd_span text = req->server->openapi;
    if (text.n == 0)
        return vd_fail(err, VD_E_NOT_FOUND, "this program was built without its OpenAPI file");
    vd_buf_add(&resp->body, text);
    resp->content_type = json_type;
    return VD_OK;
}

/* ---- metrics --------------------------------------------------------------------------------- */

static void metric_head(vd_buf *out, const char *name, const char *type, const char *help)
{
    vd_buf_printf(out, "# HELP vidimus_%s %s\n# TYPE vidimus_%s %s\n", name, help, name, type);
}

static void plane_pair(vd_buf *out, const char *name, const char *type, const char *help,
                       uint64_t guest, uint64_t admin)
{
    metric_head(out, name, type, help);
    vd_buf_printf(out, "vidimus_%s{plane=\"guest\"} %llu\nvidimus_%s{plane=\"admin\"} %llu\n", name,
                  (unsigned long long)guest, name, (unsigned long long)admin);
}

static void plane_metrics(vd_buf *out, const struct vd_plane_stats *guest,
                          const struct vd_plane_stats *admin)
{
    plane_pair(out, "connections", "gauge", "Open connections.", guest->connections_open,
               admin->connections_open);
    plane_pair(out, "queue", "gauge", "Requests that wait for a worker.", guest->queue,
               admin->queue);
    plane_pair(out, "requests_total", "counter", "Requests with a readable head.", guest->requests,
               admin->requests);
    plane_pair(out, "heads_refused_total", "counter", "Request heads that were refused.",
               guest->refused_head, admin->refused_head);
    metric_head(out, "responses_total", "counter", "Answers by hundred of the status.");
    for (unsigned i = 1; i < 6; i++)
        vd_buf_printf(out,
                      "vidimus_responses_total{plane=\"guest\",status=\"%uxx\"} %llu\n"
                      "vidimus_responses_total{plane=\"admin\",status=\"%uxx\"} %llu\n",
                      i, (unsigned long long)guest->status[i], i,
                      (unsigned long long)admin->status[i]);
}

static void policy_metrics(const struct vd_server *s, vd_buf *out)
{
    struct vd_policy_workers_facts f = { 0 };
    if (s->policies)
        vd_policy_workers_facts(s->policies, &f);
    const struct {
        const char *name, *type, *help;
        uint64_t value;
    } rows[] = {
        { "policy_workers", "gauge", "Processes that evaluate policies.", f.running },
        { "policy_workers_started_total", "counter", "Policy workers started.", f.started },
        { "policy_workers_failed_total", "counter",
          "Policy workers that overran a limit, were killed or broke the protocol.", f.failed },
        { "policy_workers_busy_total", "counter", "Evaluations for which no worker was free.",
          f.refused },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        metric_head(out, rows[i].name, rows[i].type, rows[i].help);
        vd_buf_printf(out, "vidimus_%s %llu\n", rows[i].name, (unsigned long long)rows[i].value);
    }
}

static vd_rc get_metrics(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    struct vd_server *s = req->server;
    struct vd_plane_stats guest, admin;
    vd_buf *out = &resp->body;
    stats_of(s, &guest, &admin);
    metric_head(out, "build_info", "gauge", "Program and version.");
    vd_buf_printf(out, "vidimus_build_info{program=\"%s\",version=\"%s\"} 1\n", s->program,
                  VD_VERSION);
    metric_head(out, "start_time_seconds", "gauge", "Unix time of the start.");
    vd_buf_printf(out, "vidimus_start_time_seconds %lld\n", (long long)s->started);
    plane_metrics(out, &guest, &admin);
    metric_head(out, "audit_sequence", "counter", "Sequence of the last audit record.");
    vd_buf_printf(out, "vidimus_audit_sequence %llu\n", (unsigned long long)vd_audit_seq(s->audit));
    metric_head(out, "audit_ok", "gauge",
                "0: nothing more is written or released until a restart.");
    vd_buf_printf(out, "vidimus_audit_ok %d\n", vd_audit_ok(s->audit) ? 1 : 0);
    metric_head(out, "store_ok", "gauge", "0: nothing more is stored until a restart.");
    vd_buf_printf(out, "vidimus_store_ok %d\n", vd_store_ok(s->store) ? 1 : 0);
    policy_metrics(s, out);
    if (s->self->metrics)
        s->self->metrics(s, out);
    resp->content_type = "text/plain; version=0.0.4; charset=utf-8";
    return vd_buf_check(out, err);
}

const struct vd_route vd_common_admin_routes[] = {
    { VD_GET, "/healthz", VD_OPEN, VD_NO_BODY, VD_SHAPE_TEXT, VD_WORK, vd_healthz },
    { VD_GET, "/metrics", VD_ADMIN, VD_NO_BODY, VD_SHAPE_TEXT, VD_WORK, get_metrics },
    { VD_GET, "/api/v1/status", VD_ADMIN, VD_NO_BODY, VD_SHAPE_NATIVE, VD_WORK, get_status },
    { VD_GET, "/api/v1/audit", VD_ADMIN, VD_NO_BODY, VD_SHAPE_NATIVE, VD_WORK, vd_audit_list },
    { VD_GET, "/api/v1/audit/head", VD_ADMIN, VD_NO_BODY, VD_SHAPE_NATIVE, VD_WORK,
      vd_audit_head_get },
    { VD_GET, "/api/v1/audit/key", VD_ADMIN, VD_NO_BODY, VD_SHAPE_NATIVE, VD_WORK,
      vd_audit_key_get },
    { VD_GET, "/api/v1/audit/receipts/{seq}", VD_ADMIN, VD_NO_BODY, VD_SHAPE_NATIVE, VD_WORK,
      vd_audit_receipt_get },
    { VD_GET, "/api/v1/decisions/{id}", VD_ADMIN, VD_NO_BODY, VD_SHAPE_NATIVE, VD_WORK,
      get_decision },
    { VD_GET, "/api/v1/openapi.json", VD_OPEN, VD_NO_BODY, VD_SHAPE_NATIVE, VD_WORK, get_openapi },
};
const size_t vd_common_admin_routes_n =
    sizeof vd_common_admin_routes / sizeof vd_common_admin_routes[0];
