/* What is kept: threads share one cache that is far too small for them, and results outlive it. */
#include "tests/unit/issuer/tee/dcap/fixture.h"

#include <pthread.h>

enum { THREADS = 4, ROUNDS = 60, KINDS = 3 };

struct job {
    const struct kit *k;
    const struct coll *coll;
    const vd_buf *quote;
    unsigned first;
    unsigned good;
};

static const char *const quotes[KINDS] = { INTEL "dcap-qvl/sgx_quote", INTEL "dcap-qvl/tdx_quote",
                                           OE "tdx_quote_v5.bin" };
static const char *const clocks[KINDS] = { "2025-07-01T00:00:00Z", "2025-07-01T00:00:00Z",
                                           "2025-11-01T00:00:00Z" };

static void *work(void *arg)
{
    struct job *j = arg;
    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned kind = (j->first + i) % KINDS;
        struct dcap_collateral v = coll_view(&j->coll[kind]);
        if (i % 2) /* filed under its number, or under its digest */
            for (size_t n = 0; n < DCAP_ITEM_MAX; n++)
                v.id[n] = kind * DCAP_ITEM_MAX + n + 1;
        struct dcap_quote q;
        DCAP_AUTO_RESULT res = { 0 };
        int64_t now = 0;
        if (vd_time_parse(vd_span_str(clocks[kind]), &now, NULL).code == VD_E_OK &&
            dcap_quote_parse(vd_buf_span(&j->quote[kind]), &q, NULL).code == VD_E_OK &&
            dcap_verify(&j->k->cfg, &q, &v, now, &res, NULL, NULL).code == VD_E_OK)
            j->good++;
    }
    return NULL;
}

static void threads_share_a_cache_that_is_too_small(void **state)
{
    (void)state;
    AUTO_KIT k = kit_new();
    dcap_cache_free(k.cache);
    k.cache = NULL;
    assert_ok(dcap_cache_new(k.roots, 1, &k.cache, NULL));
    k.cfg.cache = k.cache;
    struct coll coll[KINDS] = { coll_qvl(INTEL "dcap-qvl/sgx_quote_collateral.json"),
                                coll_qvl(INTEL "dcap-qvl/tdx_quote_collateral.json"), coll_1025() };
    vd_buf quote[KINDS];
    for (size_t i = 0; i < KINDS; i++)
        quote[i] = vd_test_file(quotes[i]);
    struct job job[THREADS];
    pthread_t thread[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        job[i] = (struct job){ .k = &k, .coll = coll, .quote = quote, .first = i };
        assert_int_equal(pthread_create(&thread[i], NULL, work, &job[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(thread[i], NULL), 0);
        assert_int_equal(job[i].good, ROUNDS);
    }
    print_message("%llu kept chains and %llu kept sets were used\n",
                  (unsigned long long)dcap_cache_chain_hits(k.cache),
                  (unsigned long long)dcap_cache_set_hits(k.cache));
    for (size_t i = 0; i < KINDS; i++) {
        coll_done(&coll[i]);
        vd_buf_done(&quote[i]);
    }
}

static void results_outlive_what_the_cache_drops(void **state)
{
    (void)state;
    AUTO_KIT k = kit_new();
    AUTO_COLL c = coll_oe_dump(OE "tdx_endorsement.bin");
    VD_AUTO_BUF quote = vd_test_file(OE "tdx_quote-moduleupdate-seamldr5.dat");
    struct dcap_collateral v = coll_view(&c);
    DCAP_AUTO_RESULT res = { 0 };
    vd_err err;
    assert_int_equal(verify(&k, vd_buf_span(&quote), &v, at("2025-03-10T00:00:00Z"), &res, &err),
                     VD_E_OK);
    dcap_cache_free(k.cache);
    k.cache = NULL;
    coll_done(&c);
    vd_buf_done(&quote);
    assert_int_equal(res.n_advisories, 2);
    assert_string_equal(res.advisories[0], "INTEL-SA-01036");
    assert_string_equal(dcap_part_advisory(&res.tcb.launch.module, 0), "INTEL-SA-01036");
    assert_string_equal(dcap_status_name(res.tcb.status), "TDRelaunchAdvised");
    assert_int_equal(res.trust->ca, DCAP_CA_PLATFORM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_share_a_cache_that_is_too_small),
        cmocka_unit_test(results_outlive_what_the_cache_drops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
