/* Simulated guests: every switch of the configuration both ways, every line and version, and
 * platforms that lie. Each row changes one thing of a guest that is accepted. */
#include "tests/unit/issuer/tee/snp/fixture.h"

#include "shared/codec/json.h"

static const char *const sim_cloud[] = { "CN=cc-simulated.example" };
static const char *const other_cloud[] = { "CN=cc-us-east-2.amazonaws.com",
                                           "CN=cc-simulated.example2" };
static const char *const any_cloud[] = { "CN=nobody", "*" };

/* The roots of all three lines; strings live as long as the process's PKIs. */
struct sims {
    struct sim_pki *pki[SIM_LINE_MAX];
    const char *roots[SIM_LINE_MAX];
};
static struct sims *sims_of(void **state)
{
    return *state;
}

static int set_up(void **state)
{
    struct sims *s = calloc(1, sizeof *s);
    for (int i = 0; s && i < SIM_LINE_MAX; i++) {
        s->pki[i] = sim_pki((enum sim_line)i);
        s->roots[i] = sim_pki_roots(s->pki[i]);
    }
    *state = s;
    return s ? 0 : -1;
}
static int tear_down(void **state)
{
    struct sims *s = *state;
    for (int i = 0; i < SIM_LINE_MAX; i++)
        sim_pki_free(s->pki[i]);
    free(s);
    return 0;
}

static struct snp_cfg cfg_of(const struct sims *s)
{
    struct snp_cfg cfg = strict_cfg();
    cfg.extra_roots = s->roots;
    cfg.n_extra_roots = SIM_LINE_MAX;
    return cfg;
}

static void expect_guest(const struct sims *sims, const char *name, const struct guest *g,
                         const struct snp_cfg *cfg, vd_code want)
{
    VD_AUTO(snp_free) struct snp *s = open_snp(cfg);
    uint8_t report[SIM_REPORT];
    VD_AUTO_BUF cert = vd_buf_of(8192);
    guest_bytes(sims->pki[g->report.line], g, report, &cert);
    struct iss_evidence raw = { .raw = vd_span_of(report, sizeof report),
                                .vcek = vd_buf_span(&cert),
                                .now = AT_2026 };
    expect_code(name, want, s, &raw);
    /* the same as JSON, where the JSON can say it at all */
    VD_AUTO_BUF text = vd_buf_of(1u << 20);
    sim_evidence_json(vd_span_of(report, sizeof report), g->report.line, g->vlek ? "VLEK" : "VCEK",
                      vd_buf_span(&cert), &text);
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    assert_ok(vd_json_parse(vd_buf_span(&text), VD_JSON_LIMITS(1u << 20), &doc, NULL));
    struct iss_evidence json = { .json = vd_json_root(doc), .now = AT_2026 };
    expect_code(name, want, s, &json);
}

static void simulated_guests_of_every_line_are_accepted(void **state)
{
    const struct sims *sims = sims_of(state);
    struct snp_cfg cfg = cfg_of(sims);
    cfg.csp_ids = sim_cloud;
    cfg.n_csp_ids = 1;
    size_t n = 0;
    for (int line = 0; line < SIM_LINE_MAX; line++)
        for (uint32_t version = 3; version <= 5; version++)
            for (int vlek = 0; vlek < 2; vlek++, n++) {
                struct guest g = guest_of((enum sim_line)line, vlek == 1);
                g.report.version = version;
                expect_guest(sims, sim_line_name((enum sim_line)line), &g, &cfg, VD_E_OK);
            }
    print_message("lines, versions and keys: %zu\n", n);
}

static void simulated_guests_need_their_root_in_the_configuration(void **state)
{
    const struct sims *sims = sims_of(state);
    struct guest g = guest_of(SIM_GENOA, false);
    struct snp_cfg none = strict_cfg();
    expect_guest(sims, "no extra roots", &g, &none, VD_E_CHAIN);
    struct snp_cfg other = cfg_of(sims);
    other.n_extra_roots = 1; /* Milan only */
    expect_guest(sims, "the root of another line", &g, &other, VD_E_CHAIN);
    struct snp_cfg all = cfg_of(sims);
    expect_guest(sims, "its root", &g, &all, VD_E_OK);
}

static void claims_say_simulated(void **state)
{
    const struct sims *sims = sims_of(state);
    struct snp_cfg cfg = cfg_of(sims);
    VD_AUTO(snp_free) struct snp *s = open_snp(&cfg);
    struct guest g = guest_of(SIM_TURIN, false);
    uint8_t report[SIM_REPORT];
    VD_AUTO_BUF cert = vd_buf_of(8192);
    guest_bytes(sims->pki[SIM_TURIN], &g, report, &cert);
    struct iss_evidence in = { .raw = vd_span_of(report, sizeof report),
                               .vcek = vd_buf_span(&cert),
                               .now = AT_2026 };
    VD_AUTO(iss_claims_list_free) struct iss_claims_list *list = NULL;
    vd_err err;
    assert_int_equal(verify_in(s, &in, &list, &err), VD_E_OK);
    assert_true(list->item[0].simulated);
    assert_string_equal(list->item[0].hw_id, "5154575a5d606366"); /* eight bytes on Turin */
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    assert_ok(
        vd_json_parse(vd_buf_span(&list->item[0].claims), VD_JSON_LIMITS(1u << 20), &doc, NULL));
    vd_jv c = vd_json_root(doc);
    assert_true(vd_jv_is(vd_jv_get(c, "simulated"), VD_JSON_TRUE));
    assert_true(vd_jv_is(vd_jv_get(c, "crl_checked"), VD_JSON_FALSE));
    assert_true(vd_jv_is(vd_jv_get(c, "chip_id_masked"), VD_JSON_FALSE));
    assert_true(vd_jv_str_eq(vd_jv_get(c, "product"), "Turin"));
    assert_true(vd_jv_str_eq(vd_jv_get(c, "launch_mit_vector"), "0000000000000001"));
    assert_span_str(vd_jv_raw(vd_jv_get(c, "reported_tcb_fmc")), "1");
    assert_span_str(vd_jv_raw(vd_jv_get(c, "reported_tcb_bootloader")), "1");
    assert_span_str(vd_jv_raw(vd_jv_get(c, "reported_tcb_microcode")), "71");
}

/* One switch: refused with `code` as it is by default, accepted with the setting. */
struct change {
    const char *name;
    void (*make)(struct guest *g);
    void (*allow)(struct snp_cfg *cfg);
    vd_code code;
};
static void make_v2(struct guest *g)
{
    g->report.version = 2;
}
static void allow_v2(struct snp_cfg *c)
{
    c->allow_v2 = true;
}
static void make_vmpl1(struct guest *g)
{
    g->report.vmpl = 1;
}
static void make_vmpl3(struct guest *g)
{
    g->report.vmpl = 3;
}
static void allow_vmpl1(struct snp_cfg *c)
{
    c->max_vmpl = 1;
}
static void allow_vmpl3(struct snp_cfg *c)
{
    c->max_vmpl = 3;
}
static void make_debug(struct guest *g)
{
    g->report.policy |= UINT64_C(1) << 19;
}
static void allow_debug(struct snp_cfg *c)
{
    c->allow_debug = true;
}
static void make_migratable(struct guest *g)
{
    g->report.policy |= UINT64_C(1) << 18;
}
static void allow_migratable(struct snp_cfg *c)
{
    c->allow_migratable = true;
}
static void make_provisional_tcb(struct guest *g)
{
    g->report.committed.snp--;
}
static void make_provisional_build(struct guest *g)
{
    g->report.committed_fw.build--;
}
static void make_provisional_minor(struct guest *g)
{
    g->report.committed_fw.minor--;
}
static void make_provisional_major(struct guest *g)
{
    g->report.committed_fw.major--;
}
static void allow_provisional(struct snp_cfg *c)
{
    c->permit_provisional = true;
}

static void each_switch_of_the_configuration_lets_its_guest_pass(void **state)
{
    const struct sims *sims = sims_of(state);
    static const struct change rows[] = {
        { "version 2", make_v2, allow_v2, VD_E_EVIDENCE_VERSION },
        { "VMPL 1", make_vmpl1, allow_vmpl1, VD_E_VMPL },
        { "VMPL 3", make_vmpl3, allow_vmpl3, VD_E_VMPL },
        { "debug", make_debug, allow_debug, VD_E_DEBUG },
        { "migration agent", make_migratable, allow_migratable, VD_E_MIGRATABLE },
        { "provisional TCB", make_provisional_tcb, allow_provisional, VD_E_TCB },
        { "provisional build", make_provisional_build, allow_provisional, VD_E_TCB },
        { "provisional minor version", make_provisional_minor, allow_provisional, VD_E_TCB },
        { "provisional major version", make_provisional_major, allow_provisional, VD_E_TCB },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct guest g = guest_of(SIM_MILAN, false);
        rows[i].make(&g);
        struct snp_cfg cfg = cfg_of(sims);
        expect_guest(sims, rows[i].name, &g, &cfg, rows[i].code);
        rows[i].allow(&cfg);
        expect_guest(sims, rows[i].name, &g, &cfg, VD_E_OK);
        /* every other switch on, this one off */
        struct snp_cfg others = cfg_of(sims);
        for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++)
            if (rows[k].code != rows[i].code)
                rows[k].allow(&others);
        expect_guest(sims, rows[i].name, &g, &others, rows[i].code);
    }
}

static void vlek_needs_its_cloud_in_the_list(void **state)
{
    const struct sims *sims = sims_of(state);
    struct guest g = guest_of(SIM_GENOA, true);
    struct snp_cfg cfg = cfg_of(sims);
    expect_guest(sims, "no list", &g, &cfg, VD_E_CSP);
    cfg.csp_ids = other_cloud;
    cfg.n_csp_ids = 2;
    expect_guest(sims, "other clouds", &g, &cfg, VD_E_CSP);
    cfg.csp_ids = any_cloud;
    expect_guest(sims, "any cloud", &g, &cfg, VD_E_OK);
    cfg.csp_ids = sim_cloud;
    cfg.n_csp_ids = 1;
    expect_guest(sims, "this cloud", &g, &cfg, VD_E_OK);
    g.report.chip_id[63] = 1;
    expect_guest(sims, "a chip id beside a VLEK", &g, &cfg, VD_E_CHIP);
}

static void bad_vmpl_all(struct guest *g)
{
    g->report.vmpl = UINT32_C(0xffffffff);
}
static void bad_vmpl_4(struct guest *g)
{
    g->report.vmpl = 4;
}
static void bad_algo(struct guest *g)
{
    g->report.sig_algo = 2;
}
static void bad_algo_zero(struct guest *g)
{
    g->report.sig_algo = 0;
}
static void bad_policy_17(struct guest *g)
{
    g->report.policy &= ~(UINT64_C(1) << 17);
}
static void bad_policy_26(struct guest *g)
{
    g->report.policy |= UINT64_C(1) << 26;
}
static void bad_policy_63(struct guest *g)
{
    g->report.policy |= UINT64_C(1) << 63;
}
static void bad_key_info(struct guest *g)
{
    g->report.key_info |= 1u << 5;
}
static void bad_key_info_top(struct guest *g)
{
    g->report.key_info |= 1u << 31;
}
static void bad_masked_key(struct guest *g)
{
    g->report.key_info |= 2;
}
static void bad_key_2(struct guest *g)
{
    g->report.key_info |= 2u << 2;
}
static void bad_key_none(struct guest *g)
{
    g->report.key_info |= 7u << 2;
}
static void bad_key_vlek(struct guest *g)
{
    g->report.key_info |= 1u << 2;
}
static void bad_cert_tcb(struct guest *g)
{
    g->cert.tcb.snp--;
}
static void bad_cert_tcb_above(struct guest *g)
{
    g->cert.tcb.microcode++;
}
static void bad_chip(struct guest *g)
{
    g->cert.hwid[63] ^= 1;
}
static void bad_reported_above(struct guest *g)
{
    g->report.reported.snp = g->cert.tcb.snp = 25;
}
static void bad_committed_above(struct guest *g)
{
    g->report.committed.microcode++;
}
static void bad_genoa_cpu(struct guest *g)
{
    g->report.cpuid[1] = 0x11;
}
static void bad_cert_expired(struct guest *g)
{
    g->cert.until = AT_2026 - 1;
}
static void bad_cert_future(struct guest *g)
{
    g->cert.from = AT_2026 + 1;
}
static void bad_curve(struct guest *g)
{
    g->cert.p256 = true;
}
static void bad_digest(struct guest *g)
{
    g->cert.sha256 = true;
}
static void bad_name(struct guest *g)
{
    g->cert.common_name = "SEV-VLEK";
}
static void bad_product(struct guest *g)
{
    g->cert.product = "Genoa";
}
static void bad_no_id(struct guest *g)
{
    g->cert.without_hwid = true;
}
static void bad_both(struct guest *g)
{
    g->cert.with_csp_on_vcek = true;
}

/* Everything that can be allowed is allowed: these are refused whatever the configuration says. */
static void lies_are_refused_whatever_is_allowed(void **state)
{
    const struct sims *sims = sims_of(state);
    static const struct {
        const char *name;
        void (*make)(struct guest *g);
        vd_code want;
    } rows[] = {
        { "VMPL of a host's request", bad_vmpl_all, VD_E_VMPL },
        { "VMPL 4", bad_vmpl_4, VD_E_VMPL },
        { "signature algorithm 2", bad_algo, VD_E_BAD_EVIDENCE },
        { "signature algorithm 0", bad_algo_zero, VD_E_BAD_EVIDENCE },
        { "policy bit 17 clear", bad_policy_17, VD_E_BAD_EVIDENCE },
        { "policy bit 26", bad_policy_26, VD_E_BAD_EVIDENCE },
        { "policy bit 63", bad_policy_63, VD_E_BAD_EVIDENCE },
        { "key information bit 5", bad_key_info, VD_E_BAD_EVIDENCE },
        { "key information bit 31", bad_key_info_top, VD_E_BAD_EVIDENCE },
        { "chip key masked", bad_masked_key, VD_E_KEY_TYPE },
        { "signing key 2", bad_key_2, VD_E_KEY_TYPE },
        { "signing key none", bad_key_none, VD_E_KEY_TYPE },
        { "signing key VLEK, certificate VCEK", bad_key_vlek, VD_E_KEY_TYPE },
        { "certificate of older firmware", bad_cert_tcb, VD_E_TCB },
        { "certificate of newer firmware", bad_cert_tcb_above, VD_E_TCB },
        { "certificate of another chip", bad_chip, VD_E_CHIP },
        { "reported above current", bad_reported_above, VD_E_TCB },
        { "committed above current", bad_committed_above, VD_E_TCB },
        { "Genoa's processor under Milan's root", bad_genoa_cpu, VD_E_CHAIN },
        { "certificate expired", bad_cert_expired, VD_E_CERT_EXPIRED },
        { "certificate not yet valid", bad_cert_future, VD_E_CERT_EXPIRED },
        { "key on P-256", bad_curve, VD_E_KEY_TYPE },
        { "certificate signed with SHA-256", bad_digest, VD_E_CHAIN },
        { "certificate named VLEK", bad_name, VD_E_KEY_TYPE },
        { "certificate of another product", bad_product, VD_E_PRODUCT },
        { "certificate without a hardware id", bad_no_id, VD_E_KEY_TYPE },
        { "certificate with a cloud", bad_both, VD_E_KEY_TYPE },
    };
    struct snp_cfg cfg = cfg_of(sims);
    cfg.allow_v2 = cfg.permit_provisional = cfg.allow_debug = cfg.allow_migratable = true;
    cfg.max_vmpl = 3;
    cfg.csp_ids = any_cloud;
    cfg.n_csp_ids = 2;
    size_t n = sizeof rows / sizeof rows[0];
    for (size_t i = 0; i < n; i++) {
        struct guest g = guest_of(SIM_MILAN, false);
        rows[i].make(&g);
        expect_guest(sims, rows[i].name, &g, &cfg, rows[i].want);
    }
    print_message("lies: %zu rows\n", n);
}

static void a_masked_chip_id_is_accepted_and_said(void **state)
{
    const struct sims *sims = sims_of(state);
    struct snp_cfg cfg = cfg_of(sims);
    VD_AUTO(snp_free) struct snp *s = open_snp(&cfg);
    struct guest g = guest_of(SIM_MILAN, false);
    memset(g.report.chip_id, 0, sizeof g.report.chip_id);
    uint8_t report[SIM_REPORT];
    VD_AUTO_BUF cert = vd_buf_of(8192);
    guest_bytes(sims->pki[SIM_MILAN], &g, report, &cert);
    struct iss_evidence in = { .raw = vd_span_of(report, sizeof report),
                               .vcek = vd_buf_span(&cert),
                               .now = AT_2026 };
    VD_AUTO(iss_claims_list_free) struct iss_claims_list *list = NULL;
    vd_err err;
    assert_int_equal(verify_in(s, &in, &list, &err), VD_E_OK);
    assert_string_equal(list->item[0].hw_id, "");
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    assert_ok(
        vd_json_parse(vd_buf_span(&list->item[0].claims), VD_JSON_LIMITS(1u << 20), &doc, NULL));
    assert_true(vd_jv_is(vd_jv_get(vd_json_root(doc), "chip_id_masked"), VD_JSON_TRUE));
}

static void turin_compares_eight_bytes_and_wants_the_rest_zero(void **state)
{
    const struct sims *sims = sims_of(state);
    struct snp_cfg cfg = cfg_of(sims);
    struct guest g = guest_of(SIM_TURIN, false);
    g.report.chip_id[8] = 1;
    expect_guest(sims, "a ninth byte", &g, &cfg, VD_E_CHIP);
    g = guest_of(SIM_TURIN, false);
    g.report.chip_id[7] ^= 1;
    expect_guest(sims, "another eighth byte", &g, &cfg, VD_E_CHIP);
    g = guest_of(SIM_TURIN, false);
    g.cert.tcb.fmc++;
    expect_guest(sims, "certificate of another FMC", &g, &cfg, VD_E_TCB);
    g = guest_of(SIM_TURIN, false);
    g.cert.without_fmc = true;
    expect_guest(sims, "certificate without FMC", &g, &cfg, VD_E_BAD_EVIDENCE);
    g = guest_of(SIM_TURIN, false);
    g.report.committed.fmc--;
    expect_guest(sims, "FMC not committed", &g, &cfg, VD_E_TCB);
}

static void version_2_takes_its_line_from_the_chain(void **state)
{
    const struct sims *sims = sims_of(state);
    struct snp_cfg cfg = cfg_of(sims);
    cfg.allow_v2 = true;
    for (int line = 0; line < SIM_LINE_MAX; line++) {
        struct guest g = guest_of((enum sim_line)line, false);
        g.report.version = 2;
        expect_guest(sims, sim_line_name((enum sim_line)line), &g, &cfg, VD_E_OK);
    }
    /* a report written with Turin's map, signed by a Milan chip: the chain's map finds nonsense */
    struct guest g = guest_of(SIM_TURIN, false);
    g.report.version = 2;
    uint8_t report[SIM_REPORT];
    VD_AUTO_BUF cert = vd_buf_of(8192);
    sim_report_bytes(&g.report, report);
    sim_report_sign(sims->pki[SIM_MILAN], false, report);
    struct guest milan = guest_of(SIM_MILAN, false);
    sim_cert_make(sims->pki[SIM_MILAN], &milan.cert, &cert);
    VD_AUTO(snp_free) struct snp *s = open_snp(&cfg);
    struct iss_evidence in = { .raw = vd_span_of(report, sizeof report),
                               .vcek = vd_buf_span(&cert),
                               .now = AT_2026 };
    expect_code("Turin's map under Milan's root", VD_E_BAD_EVIDENCE, s, &in);
}

static void platform_bits_that_are_unknown_are_not_refused(void **state)
{
    const struct sims *sims = sims_of(state);
    struct snp_cfg cfg = cfg_of(sims);
    struct guest g = guest_of(SIM_MILAN, false);
    g.report.plat_info = UINT64_C(0xffffffffffffff40);
    expect_guest(sims, "unknown platform bits", &g, &cfg, VD_E_OK);
}

static void roots_that_are_none_stop_the_start(void **state)
{
    const struct sims *sims = sims_of(state);
    VD_AUTO(free) char *dir = vd_test_dir("roots");
    char missing[4096];
    char junk[4096];
    (void)snprintf(missing, sizeof missing, "%s/missing.pem", dir);
    (void)snprintf(junk, sizeof junk, "%s/junk.pem", dir);
    FILE *f = fopen(junk, "w");
    assert_non_null(f);
    (void)fputs("no certificate\n", f);
    (void)fclose(f);
    const char *const names[] = { missing, junk,
                                  VD_SOURCE_DIR "/tests/vectors/snp/virtee-sev/milan-ark.pem" };
    for (size_t i = 0; i < 3; i++) {
        struct snp_cfg cfg = strict_cfg();
        const char *const one[] = { names[i] };
        cfg.extra_roots = one;
        cfg.n_extra_roots = 1;
        struct snp *s = NULL;
        vd_err err = { 0 };
        assert_rc(VD_E_CONFIG, snp_new(&cfg, &s, &err));
        assert_non_null(strstr(err.msg, names[i])); /* the line names the file */
    }
    struct snp_cfg many = cfg_of(sims);
    const char *too_many[14];
    for (size_t i = 0; i < 14; i++)
        too_many[i] = sims->roots[0];
    many.extra_roots = too_many;
    many.n_extra_roots = 14;
    struct snp *s = NULL;
    assert_rc(VD_E_CONFIG, snp_new(&many, &s, NULL));
}

static void many_chips_share_a_small_chain_cache(void **state)
{
    const struct sims *sims = sims_of(state);
    struct snp_cfg cfg = cfg_of(sims);
    cfg.chain_cache = 8;
    VD_AUTO(snp_free) struct snp *s = open_snp(&cfg);
    for (int round = 0; round < 2; round++)
        for (uint8_t chip = 0; chip < 24; chip++) {
            struct guest g = guest_of(SIM_MILAN, false);
            g.report.chip_id[0] = g.cert.hwid[0] = chip;
            uint8_t report[SIM_REPORT];
            VD_AUTO_BUF cert = vd_buf_of(8192);
            guest_bytes(sims->pki[SIM_MILAN], &g, report, &cert);
            struct iss_evidence in = { .raw = vd_span_of(report, sizeof report),
                                       .vcek = vd_buf_span(&cert),
                                       .now = AT_2026 };
            expect_code("one of many chips", VD_E_OK, s, &in);
            expect_code("again", VD_E_OK, s, &in);
        }
    assert_true(snp_chain_hits(s) >= 48);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(simulated_guests_of_every_line_are_accepted),
        cmocka_unit_test(simulated_guests_need_their_root_in_the_configuration),
        cmocka_unit_test(claims_say_simulated),
        cmocka_unit_test(each_switch_of_the_configuration_lets_its_guest_pass),
        cmocka_unit_test(vlek_needs_its_cloud_in_the_list),
        cmocka_unit_test(lies_are_refused_whatever_is_allowed),
        cmocka_unit_test(a_masked_chip_id_is_accepted_and_said),
        cmocka_unit_test(turin_compares_eight_bytes_and_wants_the_rest_zero),
        cmocka_unit_test(version_2_takes_its_line_from_the_chain),
        cmocka_unit_test(platform_bits_that_are_unknown_are_not_refused),
        cmocka_unit_test(roots_that_are_none_stop_the_start),
        cmocka_unit_test(many_chips_share_a_small_chain_cache),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
