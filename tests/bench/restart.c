/* How long a broker takes until it is ready again with many secrets and a long audit record. The
 * secrets are put into its store by this program, a thousand in a change, while it is stopped: over
 * HTTP that would take longer than all other flows together. Every stop is a kill. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "shared/audit/audit.h"
#include "shared/base/secret.h"
#include "shared/crypto/seal.h"
#include "shared/store/store.h"
#include "tests/bench/restart.h"

enum { SECRETS = 100000, BATCH = 1000, STARTS = 5, RECORDS = 100000 };

struct state {
    struct vd_store *store;
    struct vd_audit *audit;
};

static void state_close(struct state *s)
{
    vd_audit_close(s->audit);
    vd_store_close(s->store);
}

static vd_rc state_open(const struct bench *b, struct state *ret, vd_err *err)
{
    char root_file[512];
    char store_file[512];
    char audit_file[512];
    VD_AUTO_SECRET root = { 0 };
    VD_AUTO(vd_key_unref) struct vd_key *signer = NULL;
    (void)snprintf(root_file, sizeof root_file, "%s/broker/root.key", b->dir);
    (void)snprintf(store_file, sizeof store_file, "%s/broker/store.sqlite", b->dir);
    (void)snprintf(audit_file, sizeof audit_file, "%s/broker/audit.log", b->dir);
    VD_TRY(vd_root_key_load(root_file, NULL, NULL, &root, err));
    VD_TRY(vd_audit_key_load(audit_file, root.p, &signer, err));
    const struct vd_store_cfg store = { store_file, "broker", root.p };
    const struct vd_audit_cfg audit = { .path = audit_file,
                                        .clock = vd_clock_real(),
                                        .program = "broker",
                                        .signer = signer,
                                        .checkpoint_records = 1000,
                                        .rotate_bytes = 16 << 20 }; /* the default */
    VD_TRY(vd_store_open(&store, &ret->store, err));
    return vd_audit_open(&audit, &ret->audit, err);
}

static vd_rc put_batch(struct state *s, size_t first, vd_err *err)
{
    static const char body[] = "a secret of thirty-two bytes.....";
    VD_AUTO(free) struct vd_put *put = calloc(BATCH, sizeof *put);
    VD_AUTO(free) char *names = calloc(BATCH, 32);
    if (!put || !names)
        return vd_fail(err, VD_E_NOMEM, "secrets");
    for (size_t i = 0; i < BATCH; i++) {
        (void)snprintf(names + 32 * i, 32, "bench/many/%zu", first + i);
        put[i] = (struct vd_put){ .owner = VD_OWNER_DEFAULT,
                                  .kind = "secret",
                                  .name = names + 32 * i,
                                  .body = vd_span_str(body),
                                  .sealed = true,
                                  .match = VD_MATCH_ANY,
                                  .by = "bench",
                                  .now = 1780272000 };
    }
    return vd_change(s->audit, s->store, "secret.put", "bench", "admin", put, BATCH, err);
}

/* Releases as long as those of the broker. */
static vd_rc add_records(struct state *s, size_t n, vd_err *err)
{
    static const char detail[] =
        "{\"decision\":\"0123456789abcdef0123456789abcdef\",\"trusted_issuer\":\"bench\","
        "\"issuer\":\"https://issuer.bench\",\"jti\":\"0123456789abcdefghijkl\","
        "\"passport\":\"0123456789abcdef0123456789abcdef\",\"resource\":\"bench/key/1\","
        "\"policy_version\":1,\"policy_sha256\":\"0123456789abcdef0123456789abcdef0123456789abcdef"
        "0123456789abcdef\",\"version\":1,\"tee_key\":\"0123456789abcdef0123456789abcdef0123456789a"
        "\",\"tee\":\"snp\",\"source\":\"127.0.0.1\"}";
    for (size_t i = 0; i < n; i++)
        VD_TRY(vd_audit_append(s->audit, "release", vd_span_str(detail), VD_AUDIT_LAZY, NULL, err));
    return VD_OK;
}

static bool fill(const struct bench *b, size_t secrets, size_t records)
{
    struct state s = { 0 };
    vd_err err = { 0 };
    vd_rc_ rc = state_open(b, &s, &err);
    for (size_t i = 0; i < secrets && rc.code == VD_E_OK; i += BATCH)
        rc = put_batch(&s, i, &err);
    if (rc.code == VD_E_OK)
        rc = add_records(&s, records, &err);
    state_close(&s);
    if (rc.code != VD_E_OK)
        (void)fprintf(stderr, "vd_bench: %s\n", err.msg);
    return rc.code == VD_E_OK;
}

static void kill_broker(struct bench *b)
{
    (void)kill(b->broker.pid, SIGKILL);
    (void)waitpid(b->broker.pid, NULL, 0);
    b->broker.pid = 0;
}

static int by_time(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The middle of a few starts, each after a kill. The server must be running. */
static bool measure(struct bench *b, const char *flow, vd_jw *w)
{
    double ms[STARTS];
    for (size_t i = 0; i < STARTS; i++) {
        kill_broker(b);
        if (!server_serve(b, &b->broker, "broker"))
            return false;
        ms[i] = b->broker.ready_ms;
    }
    qsort(ms, STARTS, sizeof ms[0], by_time);
    printf("%-26s ready after %.0f ms (slowest %.0f), %zu KiB\n", flow, ms[STARTS / 2],
           ms[STARTS - 1], rss_kib(b->broker.pid));
    vd_jw_obj(w);
    vd_jw_kstr(w, "flow", flow);
    vd_jw_ku64(w, "ready_ms", (uint64_t)ms[STARTS / 2]);
    vd_jw_ku64(w, "slowest_ms", (uint64_t)ms[STARTS - 1]);
    vd_jw_end(w);
    return true;
}

bool restart_run(struct bench *b, vd_jw *w)
{
    kill_broker(b);
    if (!fill(b, SECRETS, 0) || !server_serve(b, &b->broker, "broker") ||
        !measure(b, "restart 1e5 secrets", w))
        return false;
    kill_broker(b);
    return fill(b, 0, RECORDS) && server_serve(b, &b->broker, "broker") &&
           measure(b, "restart 1e5 records too", w);
}
