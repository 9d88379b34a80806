/* vd_bench: what each flow costs, as a ratio to the floor of the same run (docs/performance.md says
 * how the floors are made up). usage: vd_bench --bin DIR [--json FILE] [--seconds N] [--flow NAME]
 * [--connections N] */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/base/secret.h"
#include "shared/codec/b64.h"
#include "shared/codec/json.h"
#include "tests/bench/intel.h"
#include "tests/bench/restart.h"
#include "tests/bench/strangers.h"

enum { ATTESTS = 6000 };

struct options {
    const char *bin;
    const char *json;
    const char *flow;
    double seconds;
    unsigned connections;
};

struct report {
    const struct options *opt;
    struct bench *bench;
    struct vd_policy_workers *policies;
    struct floors *floors;
    const struct simtdx_pki *intel;
    double auth_rate;
    vd_buf json;
    vd_jw w;
    int failures;
};

static bool wanted(const struct report *r, const char *flow)
{
    return !r->opt->flow || strncmp(r->opt->flow, flow, strlen(r->opt->flow)) == 0;
}

static void number(struct report *r, const char *key, double value, int digits)
{
    vd_jw_key(&r->w, key);
    vd_buf_printf(&r->json, "%.*f", digits, value);
    r->w.after_key = false;
}

static void line(struct report *r, const struct flow *f, const struct measured *m)
{
    const struct load_result *l = &m->middle.result;
    printf("%-26s %9.0f/s  p50 %7.0f us  p99 %7.0f us  cpu %6.0f us  floor %6.0f us  ratio %5.2f "
           "(%.2f to %.2f)  goal %4.2f  %s\n",
           f->name, l->rate, l->p50_us, l->p99_us, l->cpu_us, m->middle.floor_us, m->middle.ratio,
           m->lowest, m->highest, f->goal, m->middle.ratio >= f->goal ? "ok" : "BELOW");
    vd_jw_obj(&r->w);
    vd_jw_kstr(&r->w, "flow", f->name);
    number(r, "rate", l->rate, 1);
    vd_jw_ku64(&r->w, "p50_us", (uint64_t)l->p50_us);
    vd_jw_ku64(&r->w, "p99_us", (uint64_t)l->p99_us);
    vd_jw_ku64(&r->w, "cpu_us", (uint64_t)l->cpu_us);
    number(r, "floor_us", m->middle.floor_us, 1);
    number(r, "ratio", m->middle.ratio, 3);
    number(r, "ratio_lowest", m->lowest, 3);
    number(r, "ratio_highest", m->highest, 3);
    vd_jw_ku64(&r->w, "answers", m->done);
    vd_jw_ku64(&r->w, "not_200", m->failed);
    vd_jw_end(&r->w);
    if (m->failed > 0) {
        printf("%-26s %zu answers were not 200\n", "", m->failed);
        r->failures++;
    }
    (void)fflush(stdout);
}

struct same {
    vd_buf request;
};

static vd_span same_request(void *ctx, size_t i)
{
    (void)i;
    return vd_buf_span(&((struct same *)ctx)->request);
}

/* The same request over and over for the measured time. */
static bool repeat(struct report *r, const struct server *to, struct same *s, const char *name,
                   struct recipe recipe, double goal, struct measured *m)
{
    const struct flow f = { .name = name,
                            .recipe = recipe,
                            .goal = goal,
                            .load = { .port = to->guest,
                                      .pid = to->pid,
                                      .connections = r->opt->connections,
                                      .seconds = r->opt->seconds,
                                      .request = same_request,
                                      .ctx = s } };
    if (!flow_measure(r->bench, r->floors, &f, m))
        return false;
    line(r, &f, m);
    return true;
}

/* A floor of itself: the time of one exchange beside that of the moment before. */
static bool flow_exchange(struct report *r)
{
    struct same s = { vd_buf_of(4096) };
    struct measured m;
    vd_buf_str(&s.request, "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    bool ok = repeat(r, &r->bench->issuer, &s, "bare exchange (/healthz)", (struct recipe){ { 0 } },
                     0, &m);
    vd_buf_done(&s.request);
    return ok;
}

static bool flow_auth(struct report *r)
{
    if (!wanted(r, "auth"))
        return true;
    struct same s = { vd_buf_of(4096) };
    struct measured m = { .done = 0 };
    http_post(&s.request, "/kbs/v0/auth", VD_SPAN_NONE, guest_auth_body(GUEST_SAMPLE));
    bool ok = repeat(r, &r->bench->issuer, &s, "auth", (struct recipe){ { 0 } }, 0.5, &m);
    vd_buf_done(&s.request);
    r->auth_rate = m.middle.result.rate;
    return ok;
}

/* A passport: its signature, one policy, its share of a sync. */
static struct recipe passport_recipe(enum floor_part policy, unsigned p256, unsigned p384)
{
    struct recipe c = { { 0 } };
    c.times[FLOOR_P256_SIGN] = 1;
    c.times[FLOOR_SYNC] = 1;
    c.times[policy] = 1;
    c.times[FLOOR_P256_VERIFY] = p256;
    c.times[FLOOR_P384_VERIFY] = p384;
    return c;
}

enum { TDX_LOG = 16384 }; /* bytes of the event log in "tdx attest, log" */

/* log: of TDX only. */
static bool start_guest(const struct report *r, struct guest *g, enum guest_tee tee,
                        const struct sim_pki *pki, size_t log)
{
    return tee == GUEST_TDX ? guest_init_tdx(g, r->intel, log)
                            : guest_init(g, tee, pki, VD_KTY_P256);
}

static bool flow_attest_log(struct report *r, const char *name, enum guest_tee tee,
                            const struct sim_pki *pki, size_t log, struct recipe recipe,
                            double goal)
{
    if (!wanted(r, name))
        return true;
    struct guest g;
    struct requests requests = { 0 };
    double start = now_us();
    bool ok = start_guest(r, &g, tee, pki, log) &&
              guest_prepare(&g, r->bench->issuer.guest, ATTESTS, &requests);
    double prepared = (now_us() - start) / 1e6;
    const struct flow f = { .name = name,
                            .recipe = recipe,
                            .goal = goal,
                            .load = { .port = r->bench->issuer.guest,
                                      .pid = r->bench->issuer.pid,
                                      .connections = r->opt->connections,
                                      .requests = ATTESTS,
                                      .request = requests_at,
                                      .ctx = &requests } };
    struct measured m;
    ok = ok && flow_measure(r->bench, r->floors, &f, &m);
    requests_done(&requests);
    guest_done(&g);
    if (!ok)
        return false;
    line(r, &f, &m);
    if (r->auth_rate > 0)
        printf("%-26s %9.0f/s  pairs of /auth and /attest, from both rates\n", "",
               1 / (1 / r->auth_rate + 1 / m.middle.result.rate));
    printf("%-26s challenges and evidence for %d attests were made in %.1f s before\n", "", ATTESTS,
           prepared);
    return true;
}

static bool flow_attest(struct report *r, const char *name, enum guest_tee tee,
                        const struct sim_pki *pki, struct recipe recipe, double goal)
{
    return flow_attest_log(r, name, tee, pki, 0, recipe, goal);
}

static bool read_source(const struct report *r, const char *name, vd_buf *ret)
{
    char path[1024];
    (void)snprintf(path, sizeof path, "%s/%s", r->bench->source, name);
    FILE *f = fopen(path, "rb");
    if (!f) {
        (void)fprintf(stderr, "vd_bench: %s: %s\n", path, strerror(errno));
        return false;
    }
    *ret = vd_buf_of(1u << 20);
    uint8_t *at = vd_buf_reserve(ret, 1u << 19);
    ret->n = at ? fread(at, 1, 1u << 19, f) : 0;
    (void)fclose(f);
    return ret->n > 0;
}

static bool flow_rest(struct report *r)
{
    if (!wanted(r, "rest genoa"))
        return true;
    VD_AUTO_BUF evidence = vd_buf_of(0);
    VD_AUTO_BUF body = vd_buf_of(1u << 20);
    struct same s = { vd_buf_of(2u << 20) };
    struct measured m;
    if (!read_source(r, "tests/vectors/snp/trustee/e2e-evidence.json", &evidence))
        return false;
    vd_buf_str(&body, "{\"verification_requests\":[{\"tee\":\"snp\",\"evidence\":\"");
    vd_b64_encode(vd_buf_span(&evidence), VD_B64_URL, &body);
    vd_buf_str(&body, "\"}],\"policy_ids\":[]}");
    http_post(&s.request, "/attestation", VD_SPAN_NONE, vd_buf_span(&body));
    bool ok = repeat(r, &r->bench->issuer, &s, "rest genoa",
                     passport_recipe(FLOOR_POLICY_SNP, 0, 1), 0.65, &m);
    vd_buf_done(&s.request);
    return ok;
}

static bool admin_post(struct report *r, uint16_t port, const char *path, vd_span body)
{
    VD_AUTO_BUF token = vd_buf_of(16384);
    VD_AUTO_BUF fields = vd_buf_of(32768);
    VD_AUTO_BUF answer = vd_buf_of(65536);
    if (!admin_token(r->bench, &token))
        return false;
    vd_buf_printf(&fields, "Authorization: Bearer %s\r\n", vd_buf_cstr(&token));
    int status = call(port, "POST", path, vd_buf_cstr(&fields), body, &answer);
    if (status != 200)
        (void)fprintf(stderr, "vd_bench: POST %s: %d %.*s\n", path, status, (int)answer.n,
                      (const char *)answer.p);
    return status == 200;
}

static bool post_policy(struct report *r, uint16_t port, const char *path, const char *id,
                        const char *file)
{
    VD_AUTO_BUF text = vd_buf_of(0);
    VD_AUTO_BUF body = vd_buf_of(1u << 20);
    if (!read_source(r, file, &text))
        return false;
    vd_buf_printf(&body, "{\"type\":\"rego\",\"policy_id\":\"%s\",\"policy\":\"", id);
    vd_b64_encode(vd_buf_span(&text), VD_B64_URL, &body);
    vd_buf_str(&body, "\"}");
    return admin_post(r, port, path, vd_buf_span(&body));
}

/* The quickstart policies, one reference value and one secret: what a release needs. */
static bool prepare_release(struct report *r)
{
    VD_AUTO_BUF hex = vd_buf_of(256);
    VD_AUTO_BUF values = vd_buf_of(1024);
    VD_AUTO_BUF body = vd_buf_of(4096);
    guest_measurement(&hex);
    vd_buf_printf(&values, "{\"snp_launch_measurement\":[\"%s\"]}", vd_buf_cstr(&hex));
    vd_buf_str(&body, "{\"version\":\"0.1.0\",\"type\":\"sample\",\"payload\":\"");
    vd_b64_encode(vd_buf_span(&values), VD_B64_STD, &body);
    vd_buf_str(&body, "\"}");
    const struct bench *b = r->bench;
    return admin_post(r, b->issuer.guest, "/kbs/v0/reference-value", vd_buf_span(&body)) &&
           post_policy(r, b->issuer.guest, "/kbs/v0/attestation-policy", "default_cpu",
                       "examples/quickstart/issuer-policy.rego") &&
           post_policy(r, b->broker.guest, "/kbs/v0/resource-policy", "resource-policy",
                       "examples/quickstart/release-policy.rego") &&
           admin_post(r, b->broker.guest, "/kbs/v0/resource/bench/key/1",
                      VD_LIT("a secret of thirty-two bytes....."));
}

static bool flow_release(struct report *r, const char *name, enum vd_kty kty,
                         const struct sim_pki *pki, enum floor_part operation, double goal)
{
    if (!wanted(r, name))
        return true;
    struct guest g;
    VD_AUTO_BUF passport = vd_buf_of(131072);
    struct same s = { vd_buf_of(262144) };
    struct recipe c = { { 0 } };
    c.times[FLOOR_SYNC] = c.times[FLOOR_POLICY_RELEASE] = c.times[operation] = 1;
    struct measured m;
    bool ok = guest_init(&g, GUEST_SNP, pki, kty) &&
              guest_passport(&g, r->bench->issuer.guest, &passport);
    vd_buf_printf(&s.request,
                  "GET /kbs/v0/resource/bench/key/1 HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: "
                  "Bearer %s\r\n\r\n",
                  ok ? vd_buf_cstr(&passport) : "");
    ok = ok && repeat(r, &r->bench->broker, &s, name, c, goal, &m);
    vd_buf_done(&s.request);
    guest_done(&g);
    return ok;
}

/* What they are at the beginning; each slice of a flow has its own. */
static bool print_floors(const struct report *r)
{
    pin(r->bench->core_server);
    printf("floors at the beginning (us):");
    bool ok = true;
    for (int part = 0; ok && part <= FLOOR_POLICY_TDX; part++) {
        double us = floor_now(r->floors, (enum floor_part)part);
        ok = us >= 0;
        printf("%s%s %.1f",
               part == 0             ? " "
               : part == FLOOR_MLKEM ? ",\n  "
                                     : ", ",
               floor_name((enum floor_part)part), us);
    }
    printf("\n");
    pin(r->bench->core_client);
    return ok;
}

static bool stranger_wanted(void *ctx, const char *flow)
{
    return wanted(ctx, flow);
}

static bool flow_strangers(struct report *r, const struct sim_pki *pki)
{
    const struct strangers s = { .bench = r->bench,
                                 .pki = pki,
                                 .connections = r->opt->connections,
                                 .seconds = r->opt->seconds,
                                 .w = &r->w };
    return strangers_run(&s, stranger_wanted, r);
}

static bool passport_of(struct report *r, enum guest_tee tee, const struct sim_pki *pki,
                        vd_buf *ret)
{
    struct guest g;
    bool ok = start_guest(r, &g, tee, pki, 0) && guest_passport(&g, r->bench->issuer.guest, ret);
    guest_done(&g);
    return ok;
}

/* The policies' floors need the inputs of the flows, and so the servers. */
static bool attestation_floors(struct report *r, const struct sim_pki *pki)
{
    static const char policy[] = "policies/attestation/default_cpu.rego";
    VD_AUTO_BUF sample = vd_buf_of(131072);
    VD_AUTO_BUF snp = vd_buf_of(131072);
    VD_AUTO_BUF tdx = vd_buf_of(131072);
    const char *source = r->bench->source;
    return passport_of(r, GUEST_SAMPLE, NULL, &sample) && passport_of(r, GUEST_SNP, pki, &snp) &&
           passport_of(r, GUEST_TDX, NULL, &tdx) &&
           floors_policy(r->floors, FLOOR_POLICY_SAMPLE, NULL, source, policy,
                         vd_buf_span(&sample)) &&
           floors_policy(r->floors, FLOOR_POLICY_SNP, NULL, source, policy, vd_buf_span(&snp)) &&
           floors_policy(r->floors, FLOOR_POLICY_TDX, NULL, source, policy, vd_buf_span(&tdx));
}

static bool release_floor(struct report *r, const struct sim_pki *pki)
{
    VD_AUTO_BUF passport = vd_buf_of(131072);
    if (!passport_of(r, GUEST_SNP, pki, &passport))
        return false;
    static const char policy[] = "examples/quickstart/release-policy.rego";
    static const struct vd_limits limits = VD_LIMITS_DEFAULT;
    const char *source = r->bench->source;
    vd_err err = { 0 };
    if (vd_policy_workers_start(r->policies, &limits, &err).code != VD_E_OK) {
        (void)fprintf(stderr, "vd_bench: %s\n", err.msg);
        return false;
    }
    if (!floors_policy(r->floors, FLOOR_POLICY_RELEASE, NULL, source, policy,
                       vd_buf_span(&passport)) ||
        !floors_policy(r->floors, FLOOR_POLICY_WORKER, r->policies, source, policy,
                       vd_buf_span(&passport)))
        return false;
    double here = floor_now(r->floors, FLOOR_POLICY_RELEASE);
    double there = floor_now(r->floors, FLOOR_POLICY_WORKER);
    printf("release policy %.1f us; in a worker %.1f, so the process boundary costs %.1f\n", here,
           there, there - here);
    return here > 0 && there > 0;
}

static bool flow_restart(struct report *r)
{
    return !wanted(r, "restart") || restart_run(r->bench, &r->w);
}

/* A cost that has a ceiling rather than a floor. */
static void cost_line(struct report *r, const char *flow, double value, double ceiling,
                      const char *unit)
{
    bool ok = value <= ceiling;
    printf("%-26s %9.0f %s  goal under %.0f  %s\n", flow, value, unit, ceiling,
           ok ? "ok" : "ABOVE");
    vd_jw_obj(&r->w);
    vd_jw_kstr(&r->w, "flow", flow);
    vd_jw_ku64(&r->w, "value", (uint64_t)value);
    vd_jw_kstr(&r->w, "unit", unit);
    vd_jw_ku64(&r->w, "ceiling", (uint64_t)ceiling);
    vd_jw_kbool(&r->w, "within", ok);
    vd_jw_end(&r->w);
}

/* Signatures of a cold verification: PCK certificate, its CA, TCB signer, TCB info, identity, both
 * CRLs, QE report, quote. The root is pinned. */
enum { COLD_SIGNATURES = 9, WARM_SIGNATURES = 2 };

static bool flows_tdx_here(struct report *r)
{
    if (!wanted(r, "tdx here"))
        return true;
    struct intel_costs c;
    if (!intel_measure(r->intel, &c))
        return false;
    double verify = floor_now(r->floors, FLOOR_P256_VERIFY);
    printf("in this process: a quote warm %.0f us (floor %.0f, ratio %.2f), cold %.0f us (floor "
           "%.0f, ratio %.2f, goal 0.70 %s)\n",
           c.warm_us, WARM_SIGNATURES * verify, WARM_SIGNATURES * verify / c.warm_us, c.cold_us,
           COLD_SIGNATURES * verify, COLD_SIGNATURES * verify / c.cold_us,
           COLD_SIGNATURES * verify / c.cold_us >= 0.7 ? "ok" : "BELOW");
    printf("%-26s %zu bytes, %zu events\n", "event log", c.log_bytes, c.log_events);
    cost_line(r, "event log parse, replay", c.log_us, 1000, "us");
    cost_line(r, "a cached platform", (double)c.platform_bytes, 8192, "bytes");
    cost_line(r, "and its own family", (double)(c.family_bytes), 8192, "bytes");
    if (!c.cache_holds)
        printf("%-26s not all measured platforms were kept\n", "");
    return true;
}

static bool flows_tdx(struct report *r)
{
    const struct recipe c = passport_recipe(FLOOR_POLICY_TDX, WARM_SIGNATURES, 0);
    return flow_attest(r, "tdx attest", GUEST_TDX, NULL, c, 0.65) &&
           flow_attest_log(r, "tdx attest, log", GUEST_TDX, NULL, TDX_LOG, c, 0) &&
           flows_tdx_here(r);
}

static bool flows(struct report *r, const struct sim_pki *pki)
{
    if (!attestation_floors(r, pki) || !print_floors(r))
        return false;
    return flow_exchange(r) && flow_auth(r) &&
           flow_attest(r, "sample attest", GUEST_SAMPLE, NULL,
                       passport_recipe(FLOOR_POLICY_SAMPLE, 0, 0), 0.5) &&
           flow_attest(r, "snp attest", GUEST_SNP, pki, passport_recipe(FLOOR_POLICY_SNP, 0, 1),
                       0.65) &&
           flows_tdx(r) && flow_rest(r) && prepare_release(r) && release_floor(r, pki) &&
           flow_release(r, "release P-256", VD_KTY_P256, pki, FLOOR_P256_AGREE, 0.5) &&
           flow_release(r, "release RSA-2048", VD_KTY_RSA, pki, FLOOR_RSA, 0) &&
           flow_release(r, "release ML-KEM-768", VD_KTY_MLKEM768, pki, FLOOR_MLKEM, 0) &&
           flow_strangers(r, pki) && flow_restart(r);
}

static bool save_json(const struct report *r)
{
    if (!r->opt->json)
        return true;
    FILE *out = fopen(r->opt->json, "wb");
    if (!out)
        return false;
    bool ok = fwrite(r->json.p, 1, r->json.n, out) == r->json.n;
    return fclose(out) == 0 && ok;
}

static int measure(struct report *r)
{
    struct bench *b = r->bench;
    char pki_dir[512];
    (void)snprintf(pki_dir, sizeof pki_dir, "%s/pki", b->dir);
    printf("making keys of a simulated SEV-SNP and a simulated Intel platform\n");
    VD_AUTO(sim_pki_free) struct sim_pki *pki = sim_pki_load(pki_dir, SIM_MILAN);
    b->roots = sim_pki_roots(pki);
    char intel_dir[512];
    char collateral[512];
    (void)snprintf(intel_dir, sizeof intel_dir, "%s/intel", b->dir);
    (void)snprintf(collateral, sizeof collateral, "%s/collateral", b->dir);
    VD_AUTO(simtdx_pki_free) struct simtdx_pki *intel = simtdx_pki_load(intel_dir);
    intel_prepare(intel, collateral);
    r->intel = intel;
    b->intel_root = simtdx_pki_root(intel);
    b->collateral = collateral;
    VD_AUTO(floors_free) struct floors *floors = floors_new(b->dir);
    r->floors = floors;
    if (!floors || !servers_start(b))
        return 1;
    struct memory issuer = memory_of(b->issuer.pid), broker = memory_of(b->broker.pid);
    size_t idle = issuer.rss_kib + broker.rss_kib;
    size_t pss = issuer.family_pss_kib + broker.family_pss_kib;
    double ready =
        b->issuer.ready_ms > b->broker.ready_ms ? b->issuer.ready_ms : b->broker.ready_ms;
    printf("%u connections, server on core %d, client on core %d; idle: %zu KiB together (goal "
           "40960); ready after %.0f ms\n",
           r->opt->connections, b->core_server, b->core_client, idle, ready);
    printf(
        "with their policy workers (%zu processes in all): %zu KiB of pages, shared ones counted "
        "once; %zu KiB counted in each\n",
        issuer.processes + broker.processes, pss, issuer.family_rss_kib + broker.family_rss_kib);
    vd_jw_obj(&r->w);
    vd_jw_ku64(&r->w, "rss_idle_kib", idle);
    vd_jw_ku64(&r->w, "pss_idle_kib", pss);
    vd_jw_ku64(&r->w, "ready_ms", (uint64_t)ready);
    vd_jw_ku64(&r->w, "connections", r->opt->connections);
    vd_jw_key(&r->w, "flows");
    vd_jw_arr(&r->w);
    bool ok = flows(r, pki);
    vd_jw_end(&r->w);
    vd_jw_end(&r->w);
    printf("after the run: issuer %zu KiB, broker %zu KiB\n", rss_kib(b->issuer.pid),
           rss_kib(b->broker.pid));
    servers_stop(b);
    return ok && save_json(r) && r->failures == 0 ? 0 : 1;
}

static bool parse(int argc, char **argv, struct options *o)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--bin") == 0)
            o->bin = argv[i + 1];
        else if (strcmp(argv[i], "--json") == 0)
            o->json = argv[i + 1];
        else if (strcmp(argv[i], "--flow") == 0)
            o->flow = argv[i + 1];
        else if (strcmp(argv[i], "--seconds") == 0)
            o->seconds = strtod(argv[i + 1], NULL);
        else if (strcmp(argv[i], "--connections") == 0)
            o->connections = (unsigned)strtoul(argv[i + 1], NULL, 10);
        else
            return false;
    }
    return argc % 2 == 1 && o->bin && o->seconds > 0 && o->connections > 0;
}

int main(int argc, char **argv)
{
    struct options o = { .seconds = 3, .connections = 8 };
    if (!parse(argc, argv, &o)) {
        (void)fprintf(stderr, "usage: vd_bench --bin DIR [--json FILE] [--seconds N] [--flow NAME] "
                              "[--connections N]\n");
        return 1;
    }
    VD_AUTO(vd_policy_workers_free) struct vd_policy_workers *policies = NULL;
    if (vd_base_init(NULL).code != VD_E_OK ||
        vd_policy_workers_new(&policies, NULL).code != VD_E_OK)
        return 1;
    strangers_prepare();
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    struct bench b = { .bin = o.bin,
                       .source = VD_SOURCE_DIR,
                       .core_server = cores > 1 ? 0 : -1,
                       .core_client = cores > 1 ? 1 : -1 };
    const char *base = secure_getenv("TMPDIR");
    (void)snprintf(b.dir, sizeof b.dir, "%.200s/vidimus-bench-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(b.dir))
        return 1;
    struct report r = { .opt = &o, .bench = &b, .policies = policies, .json = vd_buf_of(1u << 20) };
    r.w = vd_jw_of(&r.json);
    int code = measure(&r);
    servers_stop(&b);
    vd_buf_done(&r.json);
    printf(code == 0 ? "files: %s\n" : "failed; files: %s\n", b.dir);
    return code;
}
