/* The floors: public-key operations, one policy evaluation, one synced append; each the best of
 * several rounds, so that a disturbed round does not make us look good. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "shared/base/limits.h"
#include "shared/codec/b64.h"
#include "shared/codec/json.h"
#include "shared/crypto/hash.h"
#include "shared/policy/policy.h"
#include "shared/rust/vd_rust.h"
#include "tests/bench/bench.h"

enum { ROUNDS = 5 };

typedef bool (*once)(void *ctx);

/* This thread's own time: what others do on the same core must not make a floor look high. */
static double own_us(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

/* Least microseconds of one call over ROUNDS rounds of about 60 ms. */
static double least(once f, void *ctx)
{
    double best = 1e12;
    for (int round = 0; round < ROUNDS; round++) {
        double start = own_us();
        double end = start;
        size_t n = 0;
        for (; end - start < 60e3; end = own_us(), n++)
            if (!f(ctx))
                return -1;
        double each = (end - start) / (double)n;
        best = each < best ? each : best;
    }
    return best;
}

/* By the clock on the wall, for work that another process does: the least of short rounds. */
static double least_wall(once f, void *ctx)
{
    enum { SHORT_ROUNDS = 400, CALLS = 50 };
    double best = 1e12;
    for (int round = 0; round < SHORT_ROUNDS; round++) {
        double start = now_us();
        for (int i = 0; i < CALLS; i++)
            if (!f(ctx))
                return -1;
        double each = (now_us() - start) / CALLS;
        best = each < best ? each : best;
    }
    return best;
}

struct key_work {
    struct vd_key *key;
    enum vd_sig alg;
    vd_buf sig;
    uint8_t mlkem[1184];
};

static const uint8_t message[672] = { 1 };

static bool sign_once(void *ctx)
{
    struct key_work *w = ctx;
    vd_buf_reset(&w->sig);
    return vd_sign(w->key, w->alg, vd_span_of(message, sizeof message), &w->sig, NULL).code ==
           VD_E_OK;
}

static bool verify_once(void *ctx)
{
    struct key_work *w = ctx;
    return vd_verify(w->key, w->alg, vd_span_of(message, sizeof message), vd_buf_span(&w->sig),
                     NULL)
               .code == VD_E_OK;
}

static bool agree_once(void *ctx)
{
    struct key_work *w = ctx;
    uint8_t z[66];
    size_t n = 0;
    vd_buf_reset(&w->sig);
    return vd_ecdh_ephemeral(w->key, z, &n, &w->sig, NULL).code == VD_E_OK;
}

static bool mlkem_once(void *ctx)
{
    struct key_work *w = ctx;
    uint8_t ct[1088];
    uint8_t ss[32];
    return vdr_mlkem768_encapsulate(w->mlkem, sizeof w->mlkem, ct, ss) == VDR_OK;
}

static bool measure_keys(struct floors *ret)
{
    struct key_work w = { .sig = vd_buf_of(1024) };
    bool ok = vd_key_generate(VD_KTY_P256, 0, &w.key, NULL).code == VD_E_OK;
    w.alg = VD_SIG_ES256;
    ret->p256_sign_us = ok ? least(sign_once, &w) : -1;
    ret->p256_verify_us = ok && sign_once(&w) ? least(verify_once, &w) : -1;
    ret->p256_agree_us = ok ? least(agree_once, &w) : -1;
    vd_key_unref(w.key);
    w.key = NULL;
    ok = ok && vd_key_generate(VD_KTY_P384, 0, &w.key, NULL).code == VD_E_OK;
    w.alg = VD_SIG_ES384;
    ret->p384_verify_us = ok && sign_once(&w) ? least(verify_once, &w) : -1;
    vd_key_unref(w.key);
    w.key = NULL;
    struct vdr_mlkem_key *mlkem = NULL;
    ok = ok && vdr_mlkem768_generate(&mlkem, w.mlkem) == VDR_OK;
    ret->mlkem_us = ok ? least(mlkem_once, &w) : -1;
    vdr_mlkem768_free(mlkem);
    vd_buf_done(&w.sig);
    return ok;
}

/* The public RSA operation is that of a verification; a signature of zeros costs the same until the
 * padding is looked at, so a wrong signature is measured and must be refused. */
static bool rsa_once(void *ctx)
{
    struct key_work *w = ctx;
    return vd_verify(w->key, VD_SIG_RS256, vd_span_of(message, 32), vd_buf_span(&w->sig), NULL)
               .code == VD_E_SIG;
}

static bool measure_rsa(struct floors *ret)
{
    struct key_work w = { .sig = vd_buf_of(1024) };
    bool ok = vd_key_generate(VD_KTY_RSA, 2048, &w.key, NULL).code == VD_E_OK;
    uint8_t *sig = vd_buf_extend(&w.sig, 256);
    if (sig) {
        memset(sig, 0, 256);
        sig[255] = 2;
    }
    ret->rsa_us = ok && sig ? least(rsa_once, &w) : -1;
    vd_key_unref(w.key);
    vd_buf_done(&w.sig);
    return ok;
}

static bool read_file(const char *dir, const char *name, vd_buf *ret)
{
    char path[1024];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
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

enum { VARIANTS = 16 };

struct policy_work {
    struct vd_policy *policy;
    struct vd_policy_query query;
    unsigned entries;       /* rules of one evaluation: trust_claims and extensions, or allow */
    vd_buf input[VARIANTS]; /* of an attestation: the next piece of evidence each time, as none
                               comes twice; of a release: one, as a guest fetches many secrets */
    size_t variants;
    size_t next;
    vd_buf result;
};

/* No reference value is known while the flows are measured. */
static vd_rc lookup(void *ctx, vd_span name, vd_buf *ret_json, vd_err *err)
{
    (void)ctx;
    (void)name;
    return vd_buf_check(ret_json, err);
}

static bool policy_once(void *ctx)
{
    struct policy_work *w = ctx;
    enum vd_policy_state state;
    vd_err err = { 0 };
    w->query.input = vd_buf_span(&w->input[w->next++ % w->variants]);
    for (unsigned i = 0; i < w->entries; i++) {
        vd_buf_reset(&w->result);
        if (vd_policy_eval(w->policy, i, &w->query, &state, &w->result, &err).code == VD_E_OK)
            continue;
        (void)fprintf(stderr, "vd_bench: floor of a policy: %s\n", err.msg);
        return false;
    }
    return true;
}

/* workers NULL: in this process. */
static double measure_policy(struct vd_policy_workers *workers, const char *source,
                             const char *file, enum vd_policy_kind kind, struct policy_work *w)
{
    static const struct vd_limits limits = VD_LIMITS_DEFAULT;
    VD_AUTO_BUF text = vd_buf_of(0);
    w->result = vd_buf_of(1u << 18);
    w->query.limits = &limits;
    w->query.now_ns = INT64_C(1780272000000000000);
    double us = -1;
    if (read_file(source, file, &text) &&
        vd_policy_compile_in(workers, kind, vd_buf_span(&text), &limits, &w->policy, NULL).code ==
            VD_E_OK)
        us = workers ? least_wall(policy_once, w) : least(policy_once, w);
    vd_policy_unref(w->policy);
    vd_buf_done(&w->result);
    for (size_t i = 0; i < w->variants; i++)
        vd_buf_done(&w->input[i]);
    return us;
}

static bool payload_of(vd_span passport, vd_buf *ret)
{
    size_t first = vd_span_find(passport, '.');
    vd_span rest = vd_span_part(passport, first + 1, passport.n);
    *ret = vd_buf_of(1u << 20);
    return vd_b64_decode(vd_span_part(rest, 0, vd_span_find(rest, '.')), VD_B64_URL, ret, NULL)
                   .code == VD_E_OK &&
           ret->n > 0;
}

/* Annotated evidence and our facts, as issuer/appraise gives them to a policy. */
double floor_attestation(const char *source_dir, const char *file, vd_span passport)
{
    VD_AUTO_BUF payload = vd_buf_of(0);
    VD_AUTO(vd_json_free) struct vd_json *j = NULL;
    if (!payload_of(passport, &payload) ||
        vd_json_parse(vd_buf_span(&payload), VD_JSON_LIMITS(1u << 20), &j, NULL).code != VD_E_OK)
        return -1;
    vd_jv submod = vd_jv_pointer(vd_json_root(j), "/submods/cpu0");
    vd_span evidence = vd_jv_raw(vd_jv_get(submod, "ear.veraison.annotated-evidence"));
    vd_span ours = vd_jv_raw(vd_jv_get(submod, "vidimus"));
    if (evidence.n == 0 || ours.n == 0)
        return -1;
    struct policy_work w = { .entries = 2, .variants = VARIANTS, .query = { .lookup = lookup } };
    for (unsigned i = 0; i < VARIANTS; i++) {
        w.input[i] = vd_buf_of(1u << 20);
        vd_buf_add(&w.input[i], vd_span_part(evidence, 0, evidence.n - 1));
        vd_buf_str(&w.input[i], ",\"vidimus\":");
        vd_buf_add(&w.input[i], ours);
        vd_buf_printf(&w.input[i], ",\"variant\":%u}", i);
    }
    return measure_policy(NULL, source_dir, file, VD_POLICY_ATTESTATION, &w);
}

double floor_release(struct vd_policy_workers *workers, const char *source_dir, const char *file,
                     vd_span passport)
{
    struct policy_work w = { .entries = 1, .variants = 1 };
    w.query.data = VD_LIT("{\"plugin\":\"resource\",\"resource-path\":[\"bench\",\"key\",\"1\"],"
                          "\"query\":{}}");
    if (!payload_of(passport, &w.input[0]))
        return -1;
    return measure_policy(workers, source_dir, file, VD_POLICY_RELEASE, &w);
}

static bool measure_sync(const char *dir, struct floors *ret)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/floor.log", dir);
    VD_AUTO_FD int fd = open(path, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    char line[400];
    memset(line, 'x', sizeof line);
    double best = 1e12;
    for (int round = 0; round < ROUNDS; round++) {
        double start = now_us();
        for (int i = 0; i < 200; i++)
            if (write(fd, line, sizeof line) != (ssize_t)sizeof line || fdatasync(fd) != 0)
                return false;
        double each = (now_us() - start) / 200;
        best = each < best ? each : best;
    }
    ret->sync_us = best;
    (void)unlink(path);
    return true;
}

bool floors_measure(const char *dir, struct floors *ret)
{
    return measure_keys(ret) && measure_rsa(ret) && measure_sync(dir, ret);
}
