/* What the tests of the TDX and SGX drivers share: the registry with settings, collateral of all
 * vectors at a clock, one verification. */
#pragma once

#include "tests/support/support.h"

#include "issuer/collateral/collateral.h"
#include "issuer/tee/tee.h"

#define UNUSED __attribute__((unused))
#define INTEL "tests/vectors/intel/"

enum { SETTINGS_MAX = 128 };

struct intel_world {
    struct vd_setting settings[SETTINGS_MAX];
    struct vd_config *config;
    struct iss_collateral *collateral;
    struct iss_tees *tees;
    int64_t at_ns;
    struct iss_claims_list *list; /* of the last verification */
    vd_err err;
};

UNUSED static void intel_world_done(struct intel_world *w)
{
    iss_claims_list_free(w->list);
    iss_tees_close(w->tees);
    iss_collateral_close(w->collateral);
    vd_config_free(w->config);
}
#define AUTO_INTEL __attribute__((cleanup(intel_world_done))) struct intel_world

UNUSED static vd_code intel_open(struct intel_world *w, int64_t at, const char *const *set)
{
    size_t n_rows = iss_tee_settings(w->settings, SETTINGS_MAX);
    assert_true(n_rows <= SETTINGS_MAX);
    const struct vd_setting *tables[] = { w->settings, vd_settings_common };
    size_t n[] = { n_rows, vd_settings_common_n };
    struct vd_config_src src = { .program = "issuer", .set = set };
    vd_rc_ rc = vd_config_load(&src, tables, n, 2, &w->config, &w->err);
    assert_int_equal(rc.code, VD_E_OK);
    w->at_ns = at * 1000000000;
    struct iss_collateral_cfg cfg = { .config = w->config,
                                      .clock = vd_clock_fixed(&w->at_ns),
                                      .dir = VD_SOURCE_DIR "/" INTEL,
                                      .offline = true };
    cfg.kinds = iss_tee_collateral_kinds(&cfg.n_kinds);
    rc = iss_collateral_open(&cfg, &w->collateral, &w->err);
    if (rc.code != VD_E_OK)
        print_error("%s\n", w->err.msg);
    assert_int_equal(rc.code, VD_E_OK);
    return iss_tees_open(w->config, NULL, &w->tees, &w->err).code;
}

/* in's clock and collateral are the world's. */
UNUSED static vd_code intel_verify(struct intel_world *w, const char *tee, struct iss_evidence *in)
{
    iss_claims_list_free(w->list);
    w->list = iss_claims_list_new();
    assert_non_null(w->list);
    vd_err_clear(&w->err);
    in->now = w->at_ns / 1000000000;
    in->collateral = w->collateral;
    return iss_tees_verify(w->tees, tee, in, w->list, &w->err).code;
}

UNUSED static void intel_expect(const char *name, vd_code want, struct intel_world *w,
                                const char *tee, struct iss_evidence *in)
{
    vd_code got = intel_verify(w, tee, in);
    if (got != want)
        fail_msg("%s: got %s (%s), wanted %s", name, got ? vd_error_row(got)->symbol : "OK",
                 w->err.msg, want ? vd_error_row(want)->symbol : "OK");
}
