/* See intel.h. Times are the least of several rounds of this thread's own time; memory is what the
 * allocator handed out. */
#include "tests/bench/intel.h"

#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "issuer/tee/dcap/dcap.h"
#include "issuer/tee/eventlog/eventlog.h"

enum { ROUNDS = 5, QUOTES = 64, PLATFORMS = 256, LOG_BYTES = 65536 };

void intel_prepare(const struct simtdx_pki *pki, const char *folder)
{
    struct simtdx_collateral c;
    simtdx_collateral_defaults((int64_t)time(NULL), &c);
    simtdx_folder_write(pki, &c, folder, false);
}

static double own_us(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

struct work {
    const struct simtdx_pki *pki;
    struct dcap_roots *roots;
    struct dcap_cfg cfg;
    int64_t now;
    struct simtdx_pieces pieces;
    struct dcap_collateral coll;
    vd_buf quote;
};

static bool complain(const char *what, const vd_err *err)
{
    (void)fprintf(stderr, "vd_bench: %s: %s\n", what, err->msg);
    return false;
}

static void spans_of(const struct simtdx_pieces *x, uint64_t id, struct dcap_collateral *ret)
{
    *ret = (struct dcap_collateral){ .tcb_info = vd_buf_span(&x->info),
                                     .tcb_info_chain = vd_buf_span(&x->info_chain),
                                     .identity = vd_buf_span(&x->identity),
                                     .identity_chain = vd_buf_span(&x->identity_chain),
                                     .pck_crl = vd_buf_span(&x->pck_crl),
                                     .pck_crl_chain = vd_buf_span(&x->pck_crl_chain),
                                     .root_crl = vd_buf_span(&x->root_crl) };
    /* as the store of collateral numbers its items */
    for (size_t i = 0; i < DCAP_ITEM_MAX; i++)
        ret->id[i] = id * DCAP_ITEM_MAX + i + 1;
}

/* A quote and its collateral of the n-th family; serial tells platforms apart. */
static void make(struct work *w, uint16_t family, uint32_t serial)
{
    struct simtdx_quote q;
    struct simtdx_pck pck;
    struct simtdx_collateral c;
    simtdx_quote_defaults(4, 2, &q);
    simtdx_pck_defaults(&pck);
    simtdx_collateral_defaults(w->now, &c);
    pck.serial += serial;
    pck.fmspc[4] = c.info[1].fmspc[4] = (uint8_t)(family >> 8);
    pck.fmspc[5] = c.info[1].fmspc[5] = (uint8_t)family;
    w->quote = vd_buf_of(1u << 20);
    simtdx_quote_make(w->pki, &q, &pck, &w->quote);
    simtdx_pieces_make(w->pki, &c, true, &w->pieces);
    spans_of(&w->pieces, family, &w->coll);
}

static void drop(struct work *w)
{
    simtdx_pieces_done(&w->pieces);
    vd_buf_done(&w->quote);
}

/* What a server does with a quote, apart from claims. */
static bool verify(struct work *w)
{
    struct dcap_quote q;
    DCAP_AUTO_RESULT result = { 0 };
    vd_err err = { 0 };
    if (dcap_quote_parse(vd_buf_span(&w->quote), &q, &err).code != VD_E_OK ||
        dcap_verify(&w->cfg, &q, &w->coll, w->now, &result, NULL, &err).code != VD_E_OK)
        return complain("verifying a simulated quote", &err);
    return true;
}

static bool fresh_cache(struct work *w, size_t entries)
{
    vd_err err = { 0 };
    dcap_cache_free(w->cfg.cache);
    w->cfg.cache = NULL;
    if (dcap_cache_new(w->roots, entries, &w->cfg.cache, &err).code != VD_E_OK)
        return complain("making a cache", &err);
    return true;
}

/* Least microseconds of a verification over the rounds. */
static double timed(struct work *w, bool cold)
{
    double best = 1e12;
    if (!fresh_cache(w, 64) || !verify(w))
        return -1;
    for (int round = 0; round < ROUNDS; round++) {
        double spent = 0;
        for (int i = 0; i < QUOTES; i++) {
            if (cold && !fresh_cache(w, 64))
                return -1;
            double start = own_us();
            if (!verify(w))
                return -1;
            spent += own_us() - start;
        }
        best = spent / QUOTES < best ? spent / QUOTES : best;
    }
    return best;
}

static size_t in_use(void)
{
    return mallinfo2().uordblks + mallinfo2().hblkhd;
}

/* Bytes that each of PLATFORMS adds to a warm cache, the second time, when all that is built lazily
 * is there. */
static bool kept(struct work *w, bool families, size_t *ret, bool *holds)
{
    if (!fresh_cache(w, 2 * PLATFORMS))
        return false;
    size_t before = 0;
    for (uint32_t i = 0; i <= PLATFORMS; i++) {
        drop(w);
        make(w, families ? (uint16_t)(0x1000 + i) : 0x2000, i);
        if (!verify(w))
            return false;
        if (i == 0) {
            drop(w);
            before = in_use();
            make(w, 0x3000, 0);
        }
    }
    drop(w);
    size_t after = in_use();
    make(w, families ? 0x1000 + PLATFORMS : 0x2000, PLATFORMS);
    uint64_t hits = dcap_cache_chain_hits(w->cfg.cache);
    if (!verify(w))
        return false;
    *holds = *holds && dcap_cache_chain_hits(w->cfg.cache) == hits + 1;
    *ret = (after - before) / PLATFORMS;
    return true;
}

static bool measure_log(struct intel_costs *ret)
{
    struct simtdx_log log;
    vd_err err = { 0 };
    simtdx_log_boot(&log, LOG_BYTES);
    simtdx_log_end(&log);
    ret->log_bytes = log.bytes.n;
    ret->log_us = 1e12;
    bool ok = true;
    for (int round = 0; ok && round < 40; round++) {
        VD_AUTO(evl_free) struct evl_log *l = NULL;
        uint8_t got[EVL_REGISTERS][VD_HASH_BYTES_MAX];
        double start = own_us();
        ok = evl_parse(vd_buf_span(&log.bytes), VD_SHA384, &l, &err).code == VD_E_OK &&
             evl_replay(l, got, &err).code == VD_E_OK;
        double spent = own_us() - start;
        ret->log_us = spent < ret->log_us ? spent : ret->log_us;
        for (size_t i = 0; ok && i < EVL_REGISTERS; i++)
            ok = vd_span_eq(vd_span_of(got[i], 48), vd_span_of(log.rtmr[i], 48));
        ret->log_events = ok ? l->n : 0;
    }
    simtdx_log_done(&log);
    return ok || complain("replaying a log", &err);
}

static bool measure(struct work *w, struct intel_costs *ret)
{
    ret->cache_holds = true;
    ret->cold_us = timed(w, true);
    ret->warm_us = timed(w, false);
    return ret->cold_us > 0 && ret->warm_us > 0 &&
           kept(w, false, &ret->platform_bytes, &ret->cache_holds) &&
           kept(w, true, &ret->family_bytes, &ret->cache_holds) && measure_log(ret);
}

bool intel_measure(const struct simtdx_pki *pki, struct intel_costs *ret)
{
    vd_err err = { 0 };
    const char *extra[] = { simtdx_pki_root(pki) };
    struct work w = { .pki = pki, .now = INT64_C(1780272000) };
    *ret = (struct intel_costs){ 0 };
    if (dcap_roots_new(extra, 1, &w.roots, &err).code != VD_E_OK)
        return complain("reading the root", &err);
    w.cfg = (struct dcap_cfg){ .roots = w.roots, .skew = 300 };
    make(&w, 0x4000, 0);
    bool ok = measure(&w, ret);
    drop(&w);
    dcap_cache_free(w.cfg.cache);
    dcap_roots_free(w.roots);
    return ok;
}
