/* What a simulated platform may be and still be accepted: every version and body type, statuses,
 * advisories and dates of every part, relaunch. */
#include "tests/unit/issuer/tee/dcap/simulated/kit.h"

static const struct {
    unsigned version;
    unsigned body;
} kinds[] = { { 3, 1 }, { 4, 2 }, { 5, 1 }, { 5, 2 }, { 5, 3 }, { 5, 4 } };
enum { KINDS = sizeof kinds / sizeof kinds[0] };

static void every_version_and_body_type_is_accepted(void **state)
{
    const struct kit *k = *state;
    for (size_t i = 0; i < KINDS; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "version %u, body %u", kinds[i].version, kinds[i].body);
        struct trial t = trial_of(kinds[i].version, kinds[i].body);
        expect_status(k, name, "UpToDate", &t);
        t.quote.chain_nul = true;
        expect_status(k, "PEM text with a NUL", "UpToDate", &t);
        t.quote.trailing = VD_LIT("what lay in the buffer");
        expect_status(k, "trailing bytes", "UpToDate", &t);
    }
}

static void an_enclave_in_a_version_4_quote_is_accepted_or_named(void **state)
{
    struct trial t = trial_of(4, 2);
    t.quote.sgx = true;
    t.quote.tee_type = 0;
    t.quote.qe.isv_prod_id = 1;
    for (size_t i = 0; i < sizeof t.quote.qe.mrsigner; i++)
        t.quote.qe.mrsigner[i] = (uint8_t)(0x8c + i);
    struct outcome o = trial_run(*state, &t);
    assert_true(o.code == VD_E_OK || o.code == VD_E_EVIDENCE_VERSION);
    outcome_done(&o);
}

static void a_processor_ca_is_accepted_for_both(void **state)
{
    for (size_t i = 0; i < KINDS; i++) {
        struct trial t = trial_of(kinds[i].version, kinds[i].body);
        t.pck.processor = t.coll.processor = true;
        t.pck.sgx_type = 0;
        struct outcome o = trial_run(*state, &t);
        assert_int_equal(o.code, VD_E_OK);
        assert_int_equal(o.result.trust->ca, DCAP_CA_PROCESSOR);
        assert_false(o.result.trust->pck.has_platform);
        outcome_done(&o);
    }
}

static void certificates_in_any_order_are_accepted(void **state)
{
    static const enum simtdx_chain_order order[] = { SIMTDX_LEAF_CA_ROOT, SIMTDX_LEAF_ROOT_CA,
                                                     SIMTDX_ROOT_CA_LEAF };
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        struct trial t = trial_of(4, 2);
        t.quote.order = order[i];
        expect(*state, "order", VD_E_OK, &t);
    }
}

/* The status of the platform's level, then of the module's and the quoting enclave's. */
static const struct {
    const char *platform;
    const char *module;
    const char *qe;
    const char *want;
} mixes[] = {
    { "UpToDate", "UpToDate", "UpToDate", "UpToDate" },
    { "SWHardeningNeeded", "UpToDate", "UpToDate", "SWHardeningNeeded" },
    { "ConfigurationNeeded", "UpToDate", "UpToDate", "ConfigurationNeeded" },
    { "ConfigurationAndSWHardeningNeeded", "UpToDate", "UpToDate",
      "ConfigurationAndSWHardeningNeeded" },
    { "OutOfDate", "UpToDate", "UpToDate", "OutOfDate" },
    { "OutOfDateConfigurationNeeded", "UpToDate", "UpToDate", "OutOfDateConfigurationNeeded" },
    { "UpToDate", "OutOfDate", "UpToDate", "OutOfDate" },
    { "UpToDate", "UpToDate", "OutOfDate", "OutOfDate" },
    { "UpToDate", "OutOfDate", "OutOfDate", "OutOfDate" },
    { "SWHardeningNeeded", "OutOfDate", "UpToDate", "OutOfDate" },
    { "SWHardeningNeeded", "UpToDate", "OutOfDate", "OutOfDate" },
    { "ConfigurationNeeded", "OutOfDate", "UpToDate", "OutOfDateConfigurationNeeded" },
    { "ConfigurationNeeded", "UpToDate", "OutOfDate", "OutOfDateConfigurationNeeded" },
    { "ConfigurationAndSWHardeningNeeded", "OutOfDate", "UpToDate",
      "OutOfDateConfigurationNeeded" },
    { "ConfigurationAndSWHardeningNeeded", "UpToDate", "OutOfDate",
      "OutOfDateConfigurationNeeded" },
    { "OutOfDate", "OutOfDate", "OutOfDate", "OutOfDate" },
    { "OutOfDateConfigurationNeeded", "OutOfDate", "UpToDate", "OutOfDateConfigurationNeeded" },
    { "UpToDate", "UpToDate", "SWHardeningNeeded", "OutOfDate" },
    { "UpToDate", "UpToDate", "ConfigurationNeeded", "OutOfDate" },
    { "ConfigurationNeeded", "UpToDate", "ConfigurationNeeded", "OutOfDateConfigurationNeeded" },
};

static void statuses_of_the_parts_converge(void **state)
{
    for (size_t i = 0; i < sizeof mixes / sizeof mixes[0]; i++) {
        char name[160];
        (void)snprintf(name, sizeof name, "%s + %s + %s", mixes[i].platform, mixes[i].module,
                       mixes[i].qe);
        struct trial t = trial_of(4, 2);
        t.coll.info[1].level[0].status = mixes[i].platform;
        t.coll.info[1].module[1].level[0].status = mixes[i].module;
        t.coll.identity[1].level[0].status = mixes[i].qe;
        expect_status(*state, name, mixes[i].want, &t);
    }
    print_message("convergence: %zu mixes\n", sizeof mixes / sizeof mixes[0]);
}

static bool names(const char **list, size_t n, const char *want)
{
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(list[i]);
        if (strncmp(want + at, list[i], len) != 0)
            return false;
        at += len;
        if (want[at] == ',')
            at++;
    }
    return want[at] == '\0';
}

static void advisories_are_united_sorted_and_each_once(void **state)
{
    struct trial t = trial_of(4, 2);
    t.coll.info[1].level[0].advisories = "INTEL-SA-3,INTEL-SA-1";
    t.coll.info[1].module[1].level[0].advisories = "INTEL-SA-2,INTEL-SA-1";
    t.coll.identity[1].level[0].advisories = "INTEL-SA-0";
    struct outcome o = trial_run(*state, &t);
    assert_int_equal(o.code, VD_E_OK);
    assert_true(names(o.result.advisories, o.result.n_advisories,
                      "INTEL-SA-0,INTEL-SA-1,INTEL-SA-2,INTEL-SA-3"));
    outcome_done(&o);
    t = trial_of(3, 1);
    o = trial_run(*state, &t);
    assert_int_equal(o.result.n_advisories, 0);
    outcome_done(&o);
}

static void the_level_reached_decides_whatever_the_order(void **state)
{
    struct trial t = trial_of(4, 2);
    struct simtdx_level newer = t.coll.info[1].level[0];
    t.coll.info[1].level[0] = t.coll.info[1].level[1];
    t.coll.info[1].level[1] = newer;
    expect_status(*state, "levels turned round", "UpToDate", &t);
    static const struct {
        const char *name;
        size_t component;
        uint8_t svn;
    } rows[] = { { "first", 0, 6 }, { "fourth", 3, 2 }, { "fifth", 4, 254 }, { "eighth", 7, 1 } };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        t.pck.component[rows[i].component] = rows[i].svn;
        expect_status(*state, rows[i].name, "OutOfDate", &t);
        t = trial_of(4, 2);
    }
    t.pck.pcesvn = 12;
    expect_status(*state, "PCESVN", "OutOfDate", &t);
    t = trial_of(4, 2);
    memset(t.pck.cpusvn, 0, sizeof t.pck.cpusvn);
    expect_status(*state, "CPUSVN is opaque", "UpToDate", &t);
    t.quote.td.tcb_svn[2] = 2;
    expect_status(*state, "loader of the module", "OutOfDate", &t);
    t = trial_of(4, 2);
    t.quote.td.tcb_svn[0] = 4;
    expect_status(*state, "module", "OutOfDate", &t);
    t.quote.td.tcb_svn[0] = 7;
    expect_status(*state, "module that is newer", "UpToDate", &t);
    t.quote.td.tcb_svn[1] = 3;
    expect_status(*state, "another major version of the module", "UpToDate", &t);
    t.quote.td.tcb_svn[1] = 0;
    t.quote.td.tcb_svn[0] = 4;
    expect_status(*state, "version 0 is judged by the platform's level", "OutOfDate", &t);
    t = trial_of(4, 2);
    t.quote.qe.isv_svn = 7;
    expect_status(*state, "quoting enclave", "OutOfDate", &t);
}

static void dates_are_the_older_of_platform_and_quoting_enclave(void **state)
{
    struct trial t = trial_of(4, 2);
    t.coll.info[1].level[0].date = "2025-03-01T00:00:00Z";
    t.coll.identity[1].level[0].date = "2025-02-01T00:00:00Z";
    t.coll.info[1].module[1].level[0].date = "2020-01-01T00:00:00Z";
    struct outcome o = trial_run(*state, &t);
    assert_int_equal(o.code, VD_E_OK);
    assert_int_equal(o.result.tcb.launch.date, 1738368000); /* 2025-02-01 */
    assert_int_equal(o.result.tcb.launch.module.date, 1577836800);
    assert_int_equal(o.result.tcb_info.begin, AT_2026 - 3600);
    assert_int_equal(o.result.latest_issue, AT_2026 - 3600);
    assert_int_equal(o.result.earliest_expiration, AT_2026 - 3600 + 30 * 86400);
    assert_int_equal(o.result.earliest_issue, 1577836800); /* of the CA certificates */
    assert_int_equal(o.result.eval_num, 20);
    assert_int_equal(o.result.pck_crl_num, 1);
    outcome_done(&o);
    t.coll.info[1].eval = 21;
    t.coll.identity[1].eval = 19;
    o = trial_run(*state, &t);
    assert_int_equal(o.result.eval_num, 19);
    assert_int_equal(o.result.tcb_info_eval_num, 21);
    outcome_done(&o);
}

/* TEE_TCB_SVN at launch is old, TEE_TCB_SVN2 is what runs now. */
static const struct {
    const char *name;
    unsigned body;
    uint8_t launch;
    uint8_t current;
    const char *platform;
    const char *want;
} relaunches[] = {
    { "both new", 3, 5, 5, "UpToDate", "UpToDate" },
    { "both old", 3, 3, 3, "UpToDate", "OutOfDate" },
    { "updated", 3, 3, 5, "UpToDate", "TDRelaunchAdvised" },
    { "updated further", 3, 4, 9, "UpToDate", "TDRelaunchAdvised" },
    { "updated, 1.5ex", 4, 3, 5, "UpToDate", "TDRelaunchAdvised" },
    { "updated, hardening", 3, 3, 5, "SWHardeningNeeded", "TDRelaunchAdvised" },
    { "updated, configuration", 3, 3, 5, "ConfigurationNeeded",
      "TDRelaunchAdvisedConfigurationNeeded" },
    { "updated, both", 3, 3, 5, "ConfigurationAndSWHardeningNeeded",
      "TDRelaunchAdvisedConfigurationNeeded" },
    { "updated, platform old", 3, 3, 5, "OutOfDate", "OutOfDate" },
    { "went back", 3, 5, 3, "UpToDate", "UpToDate" },
    { "body 1.0 has no second", 2, 3, 5, "UpToDate", "OutOfDate" },
};

static void a_module_updated_under_a_running_td_advises_a_relaunch(void **state)
{
    for (size_t i = 0; i < sizeof relaunches / sizeof relaunches[0]; i++) {
        struct trial t = trial_of(5, relaunches[i].body);
        t.quote.td.tcb_svn[0] = relaunches[i].launch;
        t.quote.td.tcb_svn2[0] = relaunches[i].current;
        t.coll.info[1].level[0].status = relaunches[i].platform;
        expect_status(*state, relaunches[i].name, relaunches[i].want, &t);
        struct outcome o = trial_run(*state, &t);
        assert_true(o.result.tcb.has_current == (relaunches[i].body != 2));
        outcome_done(&o);
    }
    print_message("relaunch: %zu rows\n", sizeof relaunches / sizeof relaunches[0]);
}

static void advisories_of_launch_and_of_now_are_kept_apart(void **state)
{
    struct trial t = trial_of(5, 3);
    t.quote.td.tcb_svn[0] = 3;
    struct outcome o = trial_run(*state, &t);
    assert_int_equal(o.code, VD_E_OK);
    assert_true(names(o.result.advisories, o.result.n_advisories, "INTEL-SA-01036"));
    assert_true(names(o.result.advisories_current, o.result.n_advisories_current, ""));
    assert_string_equal(dcap_eval_limit(&o.result.tcb.launch), "TDX module");
    assert_string_equal(dcap_eval_limit(&o.result.tcb.current), "");
    outcome_done(&o);
}

static void a_second_look_costs_no_chain_and_no_collateral(void **state)
{
    const struct kit *k = *state;
    struct trial t = trial_of(4, 2);
    expect(k, "first", VD_E_OK, &t);
    uint64_t chains = dcap_cache_chain_hits(k->cache);
    expect(k, "second", VD_E_OK, &t);
    assert_int_equal(dcap_cache_chain_hits(k->cache), chains + 1);
    /* what is kept is good only while it is valid */
    t.now = AT_2026 + 40 * 86400;
    expect(k, "later", VD_E_COLLATERAL_EXPIRED, &t);
    t.now = INT64_C(2400000000);
    expect(k, "much later", VD_E_CERT_EXPIRED, &t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_version_and_body_type_is_accepted),
        cmocka_unit_test(an_enclave_in_a_version_4_quote_is_accepted_or_named),
        cmocka_unit_test(a_processor_ca_is_accepted_for_both),
        cmocka_unit_test(certificates_in_any_order_are_accepted),
        cmocka_unit_test(statuses_of_the_parts_converge),
        cmocka_unit_test(advisories_are_united_sorted_and_each_once),
        cmocka_unit_test(the_level_reached_decides_whatever_the_order),
        cmocka_unit_test(dates_are_the_older_of_platform_and_quoting_enclave),
        cmocka_unit_test(a_module_updated_under_a_running_td_advises_a_relaunch),
        cmocka_unit_test(advisories_of_launch_and_of_now_are_kept_apart),
        cmocka_unit_test(a_second_look_costs_no_chain_and_no_collateral),
    };
    return cmocka_run_group_tests(tests, open_kit, close_kit);
}
