/* The floors: public-key operations, one policy evaluation, one synced append; each measured for a
 * few milliseconds whenever it is asked for. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "shared/base/limits.h"
#include "shared/codec/b64.h"
#include "shared/codec/json.h"
#include "shared/crypto/hash.h"
#include "shared/policy/policy.h"
#include "shared/rust/vd_rust.h"
#include "tests/bench/bench.h"

enum { ROUNDS = 3 };

typedef bool (*once)(void *ctx);

/* This thread's own time: what others do on the same core must not make a floor look high. */
static double own_us(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static double middle(const double round[ROUNDS])
{
    double low = round[0] < round[1] ? round[0] : round[1];
    double high = round[0] < round[1] ? round[1] : round[0];
    return round[2] < low ? low : round[2] > high ? high : round[2];
}

/* Microseconds of one call: each round takes that many microseconds of `clock`. */
static double timed(once f, void *ctx, double (*clock)(void), double round_us)
{
    double each[ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
        double start = clock();
        double end = start;
        size_t n = 0;
        for (; end - start < round_us; end = clock(), n++)
            if (!f(ctx))
                return -1;
        each[round] = (end - start) / (double)n;
    }
    return middle(each);
}

struct key_work {
    struct vd_key *key;
    enum vd_sig alg;
    vd_buf sig;
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

struct mlkem_work {
    struct vdr_mlkem_key *key;
    uint8_t public[1184];
};

static bool mlkem_once(void *ctx)
{
    struct mlkem_work *w = ctx;
    uint8_t ct[1088];
    uint8_t ss[32];
    return vdr_mlkem768_encapsulate(w->public, sizeof w->public, ct, ss) == VDR_OK;
}

/* The public RSA operation is that of a verification; a signature of zeros costs the same until the
 * padding is looked at, so a wrong signature is measured and must be refused. */
static bool rsa_once(void *ctx)
{
    struct key_work *w = ctx;
    return vd_verify(w->key, VD_SIG_RS256, vd_span_of(message, 32), vd_buf_span(&w->sig), NULL)
               .code == VD_E_SIG;
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
static bool attestation_inputs(struct policy_work *w, vd_span payload)
{
    VD_AUTO(vd_json_free) struct vd_json *j = NULL;
    if (vd_json_parse(payload, VD_JSON_LIMITS(1u << 20), &j, NULL).code != VD_E_OK)
        return false;
    vd_jv submod = vd_jv_pointer(vd_json_root(j), "/submods/cpu0");
    vd_span evidence = vd_jv_raw(vd_jv_get(submod, "ear.veraison.annotated-evidence"));
    vd_span ours = vd_jv_raw(vd_jv_get(submod, "vidimus"));
    if (evidence.n == 0 || ours.n == 0)
        return false;
    for (unsigned i = 0; i < VARIANTS; i++) {
        vd_buf *input = &w->input[i];
        *input = vd_buf_of(1u << 20);
        vd_buf_add(input, vd_span_part(evidence, 0, evidence.n - 1));
        vd_buf_str(input, ",\"vidimus\":");
        vd_buf_add(input, ours);
        vd_buf_printf(input, ",\"variant\":%u}", i);
    }
    w->variants = VARIANTS;
    w->entries = 2;
    w->query.lookup = lookup;
    return true;
}

static void policy_done(struct policy_work *w)
{
    vd_policy_unref(w->policy);
    vd_buf_done(&w->result);
    for (size_t i = 0; i < w->variants; i++)
        vd_buf_done(&w->input[i]);
    *w = (struct policy_work){ .entries = 0 };
}

/* ---- all of them ----------------------------------------------------------------------------- */

struct floors {
    struct key_work p256;
    struct key_work p384;
    struct key_work rsa;
    struct key_work agree;
    struct mlkem_work mlkem;
    struct policy_work policy[FLOOR_PARTS];
    int fd;
    char line[400];
};

static bool sync_once(void *ctx)
{
    struct floors *f = ctx;
    return write(f->fd, f->line, sizeof f->line) == (ssize_t)sizeof f->line &&
           fdatasync(f->fd) == 0;
}

static bool make_key(struct key_work *w, enum vd_kty kty, enum vd_sig alg)
{
    w->sig = vd_buf_of(1024);
    w->alg = alg;
    return vd_key_generate(kty, kty == VD_KTY_RSA ? 2048 : 0, &w->key, NULL).code == VD_E_OK;
}

static bool make_keys(struct floors *f)
{
    bool ok = make_key(&f->p256, VD_KTY_P256, VD_SIG_ES256) && sign_once(&f->p256) &&
              make_key(&f->p384, VD_KTY_P384, VD_SIG_ES384) && sign_once(&f->p384) &&
              make_key(&f->agree, VD_KTY_P256, VD_SIG_ES256) &&
              make_key(&f->rsa, VD_KTY_RSA, VD_SIG_RS256) &&
              vdr_mlkem768_generate(&f->mlkem.key, f->mlkem.public) == VDR_OK;
    uint8_t *sig = ok ? vd_buf_extend(&f->rsa.sig, 256) : NULL;
    if (!sig)
        return false;
    memset(sig, 0, 256);
    sig[255] = 2;
    return true;
}

struct floors *floors_new(const char *dir)
{
    char path[512];
    VD_AUTO(floors_free) struct floors *f = calloc(1, sizeof *f);
    if (!f)
        return NULL;
    (void)snprintf(path, sizeof path, "%s/floor.log", dir);
    memset(f->line, 'x', sizeof f->line);
    f->fd = open(path, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    if (f->fd < 0 || !make_keys(f)) {
        (void)fprintf(stderr, "vd_bench: keys and file of the floors: %s\n", strerror(errno));
        return NULL;
    }
    (void)unlink(path);
    return VD_TAKE(f);
}

void floors_free(struct floors *f)
{
    if (!f)
        return;
    struct key_work *const keys[] = { &f->p256, &f->p384, &f->rsa, &f->agree };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        vd_key_unref(keys[i]->key);
        vd_buf_done(&keys[i]->sig);
    }
    vdr_mlkem768_free(f->mlkem.key);
    for (int i = 0; i < FLOOR_PARTS; i++)
        policy_done(&f->policy[i]);
    if (f->fd >= 0)
        (void)close(f->fd);
    free(f);
}

bool floors_policy(struct floors *f, enum floor_part part, struct vd_policy_workers *workers,
                   const char *source_dir, const char *file, vd_span passport)
{
    static const struct vd_limits limits = VD_LIMITS_DEFAULT;
    struct policy_work *w = &f->policy[part];
    VD_AUTO_BUF text = vd_buf_of(0);
    VD_AUTO_BUF payload = vd_buf_of(0);
    bool release = part == FLOOR_POLICY_RELEASE || part == FLOOR_POLICY_WORKER;
    policy_done(w);
    w->result = vd_buf_of(1u << 18);
    w->query.limits = &limits;
    w->query.now_ns = INT64_C(1780272000000000000);
    if (!payload_of(passport, &payload) || !read_file(source_dir, file, &text) ||
        vd_policy_compile_in(workers, release ? VD_POLICY_RELEASE : VD_POLICY_ATTESTATION,
                             vd_buf_span(&text), &limits, &w->policy, NULL)
                .code != VD_E_OK)
        return false;
    if (!release)
        return attestation_inputs(w, vd_buf_span(&payload));
    w->input[0] = payload;
    payload = vd_buf_of(0);
    w->variants = w->entries = 1;
    w->query.data = VD_LIT("{\"plugin\":\"resource\",\"resource-path\":[\"bench\",\"key\",\"1\"],"
                           "\"query\":{}}");
    return true;
}

static const char *const names[FLOOR_PARTS] = {
    [FLOOR_P256_SIGN] = "P-256 sign",
    [FLOOR_P256_VERIFY] = "P-256 verify",
    [FLOOR_P256_AGREE] = "P-256 key and agreement",
    [FLOOR_P384_VERIFY] = "P-384 verify",
    [FLOOR_RSA] = "RSA-2048 public",
    [FLOOR_MLKEM] = "ML-KEM-768 encapsulate",
    [FLOOR_SYNC] = "synced append",
    [FLOOR_POLICY_SAMPLE] = "policy sample",
    [FLOOR_POLICY_SNP] = "policy snp",
    [FLOOR_POLICY_TDX] = "policy tdx",
    [FLOOR_POLICY_RELEASE] = "release policy",
    [FLOOR_POLICY_WORKER] = "release policy in a worker",
};

const char *floor_name(enum floor_part part)
{
    return names[part];
}

double floor_now(struct floors *f, enum floor_part part)
{
    enum { BRIEF = 3000, POLICY = 6000, WALL = 8000 };
    switch (part) {
    case FLOOR_P256_SIGN:
        return timed(sign_once, &f->p256, own_us, BRIEF);
    case FLOOR_P256_VERIFY:
        return timed(verify_once, &f->p256, own_us, BRIEF);
    case FLOOR_P256_AGREE:
        return timed(agree_once, &f->agree, own_us, BRIEF);
    case FLOOR_P384_VERIFY:
        return timed(verify_once, &f->p384, own_us, BRIEF);
    case FLOOR_RSA:
        return timed(rsa_once, &f->rsa, own_us, BRIEF);
    case FLOOR_MLKEM:
        return timed(mlkem_once, &f->mlkem, own_us, BRIEF);
    case FLOOR_SYNC:
        return timed(sync_once, f, now_us, WALL);
    case FLOOR_POLICY_WORKER:
        return timed(policy_once, &f->policy[part], now_us, WALL);
    case FLOOR_POLICY_SAMPLE:
    case FLOOR_POLICY_SNP:
    case FLOOR_POLICY_TDX:
    case FLOOR_POLICY_RELEASE:
        return timed(policy_once, &f->policy[part], own_us, POLICY);
    case FLOOR_PARTS:
        break;
    }
    return -1;
}
