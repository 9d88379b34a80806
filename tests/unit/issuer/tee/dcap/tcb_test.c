/* The TCB function by itself: levels, module, quoting enclave, convergence and relaunch as a table.
 * No signature is needed to know what a document means. */
#include "tests/support/support.h"

#include "issuer/tee/dcap/tcb.h"

enum { DAY = 86400 };

/* Levels of the table's document: everything compares the first component, pcesvn and the TDX
 * components 1 to 3. */
static struct dcap_tcb_level level(uint8_t sgx, uint16_t pce, uint8_t tdx0, uint8_t tdx1,
                                   uint8_t tdx2, enum dcap_status status, int64_t day)
{
    return (struct dcap_tcb_level){ .sgx = { sgx },
                                    .pce_svn = pce,
                                    .tdx = { tdx0, tdx1, tdx2 },
                                    .status = status,
                                    .date = day * DAY };
}

static vd_code evaluate(const struct dcap_tcb_info *info, const struct dcap_identity *id,
                        uint8_t sgx, uint16_t pce, uint16_t qe, const uint8_t *t, const uint8_t *t2,
                        struct dcap_tcb *ret, vd_err *err)
{
    uint8_t svn[DCAP_SVNS] = { sgx };
    uint8_t tee[DCAP_SVNS] = { 0 };
    uint8_t tee2[DCAP_SVNS] = { 0 };
    for (int i = 0; i < 3; i++) {
        tee[i] = t ? t[i] : 0;
        tee2[i] = t2 ? t2[i] : 0;
    }
    struct dcap_tcb_in in = { .info = info,
                              .identity = id,
                              .svn = svn,
                              .pce_svn = pce,
                              .qe_svn = qe,
                              .tee_tcb_svn = t ? vd_span_of(tee, sizeof tee) : VD_SPAN_NONE,
                              .tee_tcb_svn2 = t2 ? vd_span_of(tee2, sizeof tee2) : VD_SPAN_NONE };
    *err = (vd_err){ 0 };
    return dcap_tcb_evaluate(&in, ret, err).code;
}

static struct dcap_isv_level qe_levels[] = {
    { .isvsvn = 8, .status = DCAP_UP_TO_DATE, .date = 90 * DAY },
    { .isvsvn = 6, .status = DCAP_OUT_OF_DATE, .date = 60 * DAY },
    { .isvsvn = 5, .status = DCAP_SW_HARDENING, .date = 50 * DAY },
    { .isvsvn = 4, .status = DCAP_CONFIGURATION, .date = 40 * DAY },
    { .isvsvn = 2, .status = DCAP_REVOKED, .date = 20 * DAY },
};
static const struct dcap_identity identity = { .id = DCAP_QE, .level = qe_levels, .n_levels = 5 };

static const struct {
    const char *name;
    enum dcap_status platform;
    uint16_t qe;
    vd_code want;
    enum dcap_status status;
} converged[] = {
    { "all up to date", DCAP_UP_TO_DATE, 8, VD_E_OK, DCAP_UP_TO_DATE },
    { "newer enclave than any level", DCAP_UP_TO_DATE, 9, VD_E_OK, DCAP_UP_TO_DATE },
    { "between two levels", DCAP_UP_TO_DATE, 7, VD_E_OK, DCAP_OUT_OF_DATE },
    { "hardening stays", DCAP_SW_HARDENING, 8, VD_E_OK, DCAP_SW_HARDENING },
    { "configuration stays", DCAP_CONFIGURATION, 8, VD_E_OK, DCAP_CONFIGURATION },
    { "configuration and hardening stay", DCAP_CONFIGURATION_SW_HARDENING, 8, VD_E_OK,
      DCAP_CONFIGURATION_SW_HARDENING },
    { "out of date stays", DCAP_OUT_OF_DATE, 8, VD_E_OK, DCAP_OUT_OF_DATE },
    { "out of date, configuration stays", DCAP_OUT_OF_DATE_CONFIGURATION, 8, VD_E_OK,
      DCAP_OUT_OF_DATE_CONFIGURATION },
    { "old enclave, up to date", DCAP_UP_TO_DATE, 6, VD_E_OK, DCAP_OUT_OF_DATE },
    { "old enclave, hardening", DCAP_SW_HARDENING, 6, VD_E_OK, DCAP_OUT_OF_DATE },
    { "old enclave, configuration", DCAP_CONFIGURATION, 6, VD_E_OK,
      DCAP_OUT_OF_DATE_CONFIGURATION },
    { "old enclave, configuration and hardening", DCAP_CONFIGURATION_SW_HARDENING, 6, VD_E_OK,
      DCAP_OUT_OF_DATE_CONFIGURATION },
    { "old enclave, out of date", DCAP_OUT_OF_DATE, 6, VD_E_OK, DCAP_OUT_OF_DATE },
    { "old enclave, out of date and configuration", DCAP_OUT_OF_DATE_CONFIGURATION, 6, VD_E_OK,
      DCAP_OUT_OF_DATE_CONFIGURATION },
    { "enclave that needs hardening counts as old", DCAP_UP_TO_DATE, 5, VD_E_OK, DCAP_OUT_OF_DATE },
    { "enclave that needs configuration counts as old", DCAP_CONFIGURATION, 4, VD_E_OK,
      DCAP_OUT_OF_DATE_CONFIGURATION },
    { "revoked enclave", DCAP_UP_TO_DATE, 3, VD_E_TCB_REVOKED, 0 },
    { "enclave below every level", DCAP_UP_TO_DATE, 1, VD_E_TCB_UNSUPPORTED, 0 },
    { "revoked platform", DCAP_REVOKED, 8, VD_E_TCB_REVOKED, 0 },
    { "revoked platform, old enclave", DCAP_REVOKED, 6, VD_E_TCB_REVOKED, 0 },
};

static void statuses_of_platform_and_quoting_enclave_converge(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof converged / sizeof converged[0]; i++) {
        struct dcap_tcb_level l = level(1, 1, 0, 0, 0, converged[i].platform, 70);
        struct dcap_tcb_info info = { .tee = DCAP_SGX, .level = &l, .n_levels = 1 };
        struct dcap_tcb tcb = { 0 };
        vd_err err;
        vd_code got = evaluate(&info, &identity, 1, 1, converged[i].qe, NULL, NULL, &tcb, &err);
        if (got != converged[i].want || (got == VD_E_OK && tcb.status != converged[i].status)) {
            print_error("%s: %d %s (%s)\n", converged[i].name, got, dcap_status_name(tcb.status),
                        err.msg);
            fail();
        }
        if (got != VD_E_OK)
            continue;
        assert_false(tcb.has_current);
        assert_int_equal(tcb.current.status, tcb.launch.status);
        assert_int_equal(tcb.launch.date, converged[i].qe >= 8 ? 70 * DAY : tcb.launch.qe.date);
        assert_false(tcb.launch.module.present);
    }
    print_message("convergence: %zu cases\n", sizeof converged / sizeof converged[0]);
}

/* The first level in order that has nothing above the platform. */
static void the_highest_level_that_is_reached_counts(void **state)
{
    (void)state;
    struct dcap_tcb_level l[] = {
        level(7, 13, 0, 0, 0, DCAP_UP_TO_DATE, 80),
        level(7, 5, 0, 0, 0, DCAP_SW_HARDENING, 70),
        level(5, 13, 0, 0, 0, DCAP_CONFIGURATION, 60),
        level(5, 5, 0, 0, 0, DCAP_OUT_OF_DATE, 50),
    };
    struct dcap_tcb_info info = { .tee = DCAP_SGX, .level = l, .n_levels = 4 };
    static const struct {
        const char *name;
        uint8_t sgx;
        uint16_t pce;
        vd_code want;
        enum dcap_status status;
        const char *limit;
    } rows[] = {
        { "top", 7, 13, VD_E_OK, DCAP_UP_TO_DATE, "" },
        { "above the top", 200, 60000, VD_E_OK, DCAP_UP_TO_DATE, "" },
        { "old PCE", 7, 12, VD_E_OK, DCAP_SW_HARDENING, "pcesvn 12 < 13" },
        { "old component", 6, 13, VD_E_OK, DCAP_CONFIGURATION, "SGX TCB component 1: 6 < 7" },
        { "both old", 6, 12, VD_E_OK, DCAP_OUT_OF_DATE, "pcesvn 12 < 13" },
        { "component below all", 4, 13, VD_E_TCB_UNSUPPORTED, 0, NULL },
        { "PCE below all", 7, 4, VD_E_TCB_UNSUPPORTED, 0, NULL },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dcap_tcb tcb = { 0 };
        vd_err err;
        vd_code got =
            evaluate(&info, &identity, rows[i].sgx, rows[i].pce, 8, NULL, NULL, &tcb, &err);
        if (got != rows[i].want) {
            print_error("%s: %d %s\n", rows[i].name, got, err.msg);
            fail();
        }
        if (got != VD_E_OK)
            continue;
        assert_int_equal(tcb.status, rows[i].status);
        assert_string_equal(tcb.launch.platform.limit, rows[i].limit);
        assert_string_equal(dcap_eval_limit(&tcb.launch),
                            rows[i].status == DCAP_UP_TO_DATE ? "" : "platform");
    }
}

/* All sixteen components count, not only the first. */
static void every_component_counts(void **state)
{
    (void)state;
    for (size_t k = 0; k < DCAP_SVNS; k++) {
        struct dcap_tcb_level l = { .status = DCAP_UP_TO_DATE };
        struct dcap_tcb_info info = { .tee = DCAP_TDX, .level = &l, .n_levels = 1 };
        uint8_t svn[DCAP_SVNS];
        uint8_t tee[DCAP_SVNS];
        for (size_t i = 0; i < DCAP_SVNS; i++) {
            l.sgx[i] = 2;
            l.tdx[i] = i == 1 ? 0 : 2; /* major version 0: the first two are compared as well */
            svn[i] = 2;
            tee[i] = i == 1 ? 0 : 2;
        }
        struct dcap_tcb_in in = { .info = &info,
                                  .identity = &identity,
                                  .svn = svn,
                                  .qe_svn = 8,
                                  .tee_tcb_svn = vd_span_of(tee, sizeof tee) };
        struct dcap_tcb tcb;
        assert_ok(dcap_tcb_evaluate(&in, &tcb, NULL));
        svn[k] = 1;
        assert_rc(VD_E_TCB_UNSUPPORTED, dcap_tcb_evaluate(&in, &tcb, NULL));
        svn[k] = 2;
        if (k == 1) {
            l.tdx[1] = 1;
            assert_rc(VD_E_TCB_UNSUPPORTED, dcap_tcb_evaluate(&in, &tcb, NULL));
            continue;
        }
        tee[k] = 1;
        assert_rc(VD_E_TCB_UNSUPPORTED, dcap_tcb_evaluate(&in, &tcb, NULL));
    }
}

/* A document with modules of major version 1 and 3, and platform levels that would compare the
 * module's two bytes if they were asked to. */
static struct dcap_isv_level module_1[] = {
    { .isvsvn = 5, .status = DCAP_UP_TO_DATE, .date = 80 * DAY },
    { .isvsvn = 3, .status = DCAP_OUT_OF_DATE, .date = 30 * DAY },
    { .isvsvn = 2, .status = DCAP_REVOKED, .date = 20 * DAY },
};
static struct dcap_isv_level module_3[] = {
    { .isvsvn = 2, .status = DCAP_UP_TO_DATE, .date = 85 * DAY },
};
static struct dcap_module_identity modules[] = {
    { .major = 1, .level = module_1, .n_levels = 3 },
    { .major = 3, .level = module_3, .n_levels = 1 },
};

static const struct {
    const char *name;
    enum dcap_status platform; /* of the level that demands SEAM loader 3 */
    uint8_t t[3];
    uint8_t t2[3];
    bool has_t2;
    vd_code want;
    enum dcap_status status;
    enum dcap_status launch;
    enum dcap_status current;
} tdx[] = {
    { "module up to date",
      DCAP_UP_TO_DATE,
      { 5, 1, 3 },
      { 0 },
      false,
      VD_E_OK,
      DCAP_UP_TO_DATE,
      DCAP_UP_TO_DATE,
      DCAP_UP_TO_DATE },
    { "other major version",
      DCAP_UP_TO_DATE,
      { 2, 3, 3 },
      { 0 },
      false,
      VD_E_OK,
      DCAP_UP_TO_DATE,
      DCAP_UP_TO_DATE,
      DCAP_UP_TO_DATE },
    { "old module",
      DCAP_UP_TO_DATE,
      { 4, 1, 3 },
      { 0 },
      false,
      VD_E_OK,
      DCAP_OUT_OF_DATE,
      DCAP_OUT_OF_DATE,
      DCAP_OUT_OF_DATE },
    { "old module, configuration",
      DCAP_CONFIGURATION,
      { 3, 1, 3 },
      { 0 },
      false,
      VD_E_OK,
      DCAP_OUT_OF_DATE_CONFIGURATION,
      DCAP_OUT_OF_DATE_CONFIGURATION,
      DCAP_OUT_OF_DATE_CONFIGURATION },
    { "revoked module", DCAP_UP_TO_DATE, { 2, 1, 3 }, { 0 }, false, VD_E_TCB_REVOKED, 0, 0, 0 },
    { "module below every level",
      DCAP_UP_TO_DATE,
      { 1, 1, 3 },
      { 0 },
      false,
      VD_E_TCB_UNSUPPORTED,
      0,
      0,
      0 },
    { "module of unknown major version",
      DCAP_UP_TO_DATE,
      { 5, 2, 3 },
      { 0 },
      false,
      VD_E_TDX_MODULE,
      0,
      0,
      0 },
    { "major 0 compares all components",
      DCAP_UP_TO_DATE,
      { 9, 0, 3 },
      { 0 },
      false,
      VD_E_OK,
      DCAP_OUT_OF_DATE,
      DCAP_OUT_OF_DATE,
      DCAP_OUT_OF_DATE },
    { "old SEAM loader",
      DCAP_UP_TO_DATE,
      { 5, 1, 2 },
      { 0 },
      false,
      VD_E_OK,
      DCAP_OUT_OF_DATE,
      DCAP_OUT_OF_DATE,
      DCAP_OUT_OF_DATE },
    { "relaunch advised",
      DCAP_UP_TO_DATE,
      { 4, 1, 3 },
      { 5, 1, 3 },
      true,
      VD_E_OK,
      DCAP_RELAUNCH,
      DCAP_OUT_OF_DATE,
      DCAP_UP_TO_DATE },
    { "relaunch advised, hardening",
      DCAP_SW_HARDENING,
      { 4, 1, 3 },
      { 5, 1, 3 },
      true,
      VD_E_OK,
      DCAP_RELAUNCH,
      DCAP_OUT_OF_DATE,
      DCAP_SW_HARDENING },
    { "relaunch advised, configuration",
      DCAP_CONFIGURATION,
      { 4, 1, 3 },
      { 5, 1, 3 },
      true,
      VD_E_OK,
      DCAP_RELAUNCH_CONFIGURATION,
      DCAP_OUT_OF_DATE_CONFIGURATION,
      DCAP_CONFIGURATION },
    { "relaunch advised, configuration and hardening",
      DCAP_CONFIGURATION_SW_HARDENING,
      { 4, 1, 3 },
      { 5, 1, 3 },
      true,
      VD_E_OK,
      DCAP_RELAUNCH_CONFIGURATION,
      DCAP_OUT_OF_DATE_CONFIGURATION,
      DCAP_CONFIGURATION_SW_HARDENING },
    { "still old",
      DCAP_UP_TO_DATE,
      { 3, 1, 3 },
      { 4, 1, 3 },
      true,
      VD_E_OK,
      DCAP_OUT_OF_DATE,
      DCAP_OUT_OF_DATE,
      DCAP_OUT_OF_DATE },
    { "never old",
      DCAP_UP_TO_DATE,
      { 5, 1, 3 },
      { 6, 1, 3 },
      true,
      VD_E_OK,
      DCAP_UP_TO_DATE,
      DCAP_UP_TO_DATE,
      DCAP_UP_TO_DATE },
    { "went back",
      DCAP_UP_TO_DATE,
      { 5, 1, 3 },
      { 4, 1, 3 },
      true,
      VD_E_OK,
      DCAP_UP_TO_DATE,
      DCAP_UP_TO_DATE,
      DCAP_OUT_OF_DATE },
    { "updated to another major version",
      DCAP_UP_TO_DATE,
      { 4, 1, 3 },
      { 2, 3, 3 },
      true,
      VD_E_OK,
      DCAP_RELAUNCH,
      DCAP_OUT_OF_DATE,
      DCAP_UP_TO_DATE },
    { "current module revoked",
      DCAP_UP_TO_DATE,
      { 5, 1, 3 },
      { 2, 1, 3 },
      true,
      VD_E_TCB_REVOKED,
      0,
      0,
      0 },
    { "launched under a revoked module",
      DCAP_UP_TO_DATE,
      { 2, 1, 3 },
      { 5, 1, 3 },
      true,
      VD_E_TCB_REVOKED,
      0,
      0,
      0 },
    { "current module unknown",
      DCAP_UP_TO_DATE,
      { 5, 1, 3 },
      { 5, 9, 3 },
      true,
      VD_E_TDX_MODULE,
      0,
      0,
      0 },
    { "current not supported",
      DCAP_UP_TO_DATE,
      { 5, 1, 3 },
      { 5, 1, 0 },
      true,
      VD_E_TCB_UNSUPPORTED,
      0,
      0,
      0 },
};

static void modules_and_relaunch_follow_the_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof tdx / sizeof tdx[0]; i++) {
        struct dcap_tcb_level l[] = {
            level(1, 1, 9, 9, 3, tdx[i].platform, 70),
            level(1, 1, 1, 0, 1, DCAP_OUT_OF_DATE, 10),
        };
        struct dcap_tcb_info info = {
            .tee = DCAP_TDX, .level = l, .n_levels = 2, .identity = modules, .n_identities = 2
        };
        struct dcap_tcb tcb = { 0 };
        vd_err err;
        vd_code got = evaluate(&info, &identity, 1, 1, 8, tdx[i].t,
                               tdx[i].has_t2 ? tdx[i].t2 : NULL, &tcb, &err);
        bool same =
            got == tdx[i].want &&
            (got != VD_E_OK || (tcb.status == tdx[i].status && tcb.launch.status == tdx[i].launch &&
                                tcb.current.status == tdx[i].current));
        if (!same) {
            print_error("%s: %d %s (%s), current %s\n", tdx[i].name, got,
                        dcap_status_name(tcb.status), err.msg,
                        dcap_status_name(tcb.current.status));
            fail();
        }
        if (got == VD_E_OK)
            assert_int_equal(tcb.has_current, tdx[i].has_t2);
    }
    print_message("modules and relaunch: %zu cases\n", sizeof tdx / sizeof tdx[0]);
}

static void the_module_is_described_by_its_major_version(void **state)
{
    (void)state;
    struct dcap_tcb_info info = { .tee = DCAP_TDX, .identity = modules, .n_identities = 2 };
    uint8_t svn[DCAP_SVNS] = { 5, 0, 3 };
    assert_ptr_equal(dcap_tcb_module(&info, vd_span_of(svn, sizeof svn)), &info.module);
    svn[1] = 3;
    assert_ptr_equal(dcap_tcb_module(&info, vd_span_of(svn, sizeof svn)), &modules[1].module);
    svn[1] = 4;
    assert_null(dcap_tcb_module(&info, vd_span_of(svn, sizeof svn)));
}

static void a_document_of_the_other_tee_is_refused(void **state)
{
    (void)state;
    struct dcap_tcb_level l = level(1, 1, 0, 0, 0, DCAP_UP_TO_DATE, 1);
    struct dcap_tcb_info info = { .tee = DCAP_SGX, .level = &l, .n_levels = 1 };
    static const uint8_t t[3] = { 5, 1, 3 };
    struct dcap_tcb tcb;
    vd_err err;
    assert_int_equal(evaluate(&info, &identity, 1, 1, 8, t, NULL, &tcb, &err),
                     VD_E_COLLATERAL_MISMATCH);
    info.tee = DCAP_TDX;
    assert_int_equal(evaluate(&info, &identity, 1, 1, 8, NULL, NULL, &tcb, &err),
                     VD_E_COLLATERAL_MISMATCH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statuses_of_platform_and_quoting_enclave_converge),
        cmocka_unit_test(the_highest_level_that_is_reached_counts),
        cmocka_unit_test(every_component_counts),
        cmocka_unit_test(modules_and_relaunch_follow_the_table),
        cmocka_unit_test(the_module_is_described_by_its_major_version),
        cmocka_unit_test(a_document_of_the_other_tee_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
