/* What the SNP tests share: the clock, files as evidence, a verification from settings, simulated
 * guests. */
#pragma once

#include "tests/support/support.h"

#include "issuer/tee/snp/snp.h"
#include "tests/support/simsnp/simsnp.h"

#define UNUSED __attribute__((unused))
#define AT_2026 INT64_C(1780272000) /* 2026-06-01T00:00:00Z */
#define AT_VLEK INT64_C(1740000000)
#define VECTORS "tests/vectors/snp/"

/* A driver that accepts what is genuine and nothing that needs a switch. */
UNUSED static struct snp_cfg strict_cfg(void)
{
    return (struct snp_cfg){ .vcek_from_evidence = true,
                             .vcek_from_collateral = true,
                             .chain_cache = 64 };
}

UNUSED static struct snp *open_snp(const struct snp_cfg *cfg)
{
    struct snp *s = NULL;
    vd_err err = { 0 };
    vd_rc_ rc = snp_new(cfg, &s, &err);
    if (rc.code != VD_E_OK)
        print_error("%s\n", err.msg);
    assert_int_equal(rc.code, VD_E_OK);
    return s;
}

/* One verification; the list is the caller's. */
UNUSED static vd_code verify_in(struct snp *s, const struct iss_evidence *in,
                                struct iss_claims_list **ret, vd_err *err)
{
    *ret = iss_claims_list_new();
    assert_non_null(*ret);
    *err = (vd_err){ 0 };
    return snp_verify(s, in, *ret, err).code;
}

UNUSED static vd_code verify_code(struct snp *s, const struct iss_evidence *in)
{
    VD_AUTO(iss_claims_list_free) struct iss_claims_list *list = NULL;
    vd_err err;
    return verify_in(s, in, &list, &err);
}

/* Fails the test with the reason when the code is another. */
UNUSED static void expect_code(const char *name, vd_code want, struct snp *s,
                               const struct iss_evidence *in)
{
    VD_AUTO(iss_claims_list_free) struct iss_claims_list *list = NULL;
    vd_err err;
    vd_code got = verify_in(s, in, &list, &err);
    if (got != want) {
        print_error("%s: got %s (%s), wanted %s\n", name, got ? vd_error_row(got)->symbol : "OK",
                    err.msg, want ? vd_error_row(want)->symbol : "OK");
        fail();
    }
    /* success has claims, refusal has none */
    assert_int_equal(list->n, want == VD_E_OK ? 1 : 0);
}

/* The simulated PKI of a line, made once per build folder. */
UNUSED static struct sim_pki *sim_pki(enum sim_line line)
{
    char dir[4096];
    (void)snprintf(dir, sizeof dir, "%s/simsnp/%s", VD_BINARY_DIR, sim_line_name(line));
    return sim_pki_load(dir, line);
}

/* A simulated guest: report and certificate as evidence. */
struct guest {
    struct sim_report report;
    struct sim_cert cert;
    bool vlek;
};
UNUSED static struct guest guest_of(enum sim_line line, bool vlek)
{
    struct guest g = { .vlek = vlek };
    sim_report_defaults(line, &g.report);
    if (vlek)
        sim_report_vlek(&g.report);
    sim_cert_defaults(&g.report, vlek, &g.cert);
    return g;
}

UNUSED static void guest_bytes(const struct sim_pki *pki, const struct guest *g,
                               uint8_t report[SIM_REPORT], vd_buf *cert)
{
    sim_report_bytes(&g->report, report);
    sim_report_sign(pki, g->vlek, report);
    sim_cert_make(pki, &g->cert, cert);
}
