/* Certificates and CRLs of SNP from their places: offline directory, KDS on loopback; every state
 * of a CRL. The whole way through the registry, as a server goes it. */
#include "tests/unit/issuer/tee/snp/fixture.h"

#include <sys/stat.h>
#include <time.h>

#include "issuer/tee/snp/roots.h"
#include "shared/codec/b64.h"
#include "tests/support/simsnp/kds.h"

/* ---- names --------------------------------------------------------------------------------------
 */

static void expect_names(const struct iss_collateral_kind *k, const vd_buf *key, const char *path0,
                         const char *path1, const char *url)
{
    VD_AUTO_BUF a = vd_buf_of(1024);
    VD_AUTO_BUF b = vd_buf_of(1024);
    VD_AUTO_BUF u = vd_buf_of(1024);
    assert_ok(k->offline_path(vd_buf_span(key), 0, &a, NULL));
    assert_span_str(vd_buf_span(&a), path0);
    if (path1) {
        assert_ok(k->offline_path(vd_buf_span(key), 1, &b, NULL));
        assert_span_str(vd_buf_span(&b), path1);
    }
    assert_rc(VD_E_NOT_FOUND, k->offline_path(vd_buf_span(key), path1 ? 2 : 1, &b, NULL));
    if (!url) {
        assert_rc(VD_E_NOT_FOUND, k->url(vd_buf_span(key), &u, NULL));
        return;
    }
    assert_ok(k->url(vd_buf_span(key), &u, NULL));
    assert_span_str(vd_buf_span(&u), url);
}

static void places_are_named_as_kds_and_the_offline_store_do(void **state)
{
    (void)state;
    static const uint8_t id[8] = { 0x1e, 0x55, 0x0a, 0x8e, 0xe5, 0xcf, 0x9f, 0x4d };
    const struct snp_tcb genoa = { .bootloader = 10, .tee = 0, .snp = 23, .microcode = 115 };
    const struct snp_tcb turin = {
        .has_fmc = true, .fmc = 1, .bootloader = 2, .tee = 3, .snp = 4, .microcode = 71
    };
    VD_AUTO_BUF key = vd_buf_of(1024);
    snp_vcek_key(SNP_GENOA, vd_span_of(id, 8), &genoa, &key);
    expect_names(&snp_collateral_vcek, &key,
                 "vcek/1e550a8ee5cf9f4d/bl10_tee00_snp23_ucode115_vcek.der",
                 "vcek/1e550a8ee5cf9f4d/vcek.der",
                 "/vcek/v1/Genoa/1e550a8ee5cf9f4d?blSPL=10&teeSPL=00&snpSPL=23&ucodeSPL=115");
    vd_buf_reset(&key);
    snp_vcek_key(SNP_TURIN, vd_span_of(id, 8), &turin, &key);
    expect_names(
        &snp_collateral_vcek, &key, "vcek/1e550a8ee5cf9f4d/bl02_tee03_snp04_ucode71_fmc01_vcek.der",
        "vcek/1e550a8ee5cf9f4d/vcek.der",
        "/vcek/v1/Turin/1e550a8ee5cf9f4d?fmcSPL=01&blSPL=02&teeSPL=03&snpSPL=04&ucodeSPL=71");
    vd_buf_reset(&key);
    snp_vcek_key(SNP_LINE_UNKNOWN, vd_span_of(id, 8), &genoa, &key);
    expect_names(&snp_collateral_vcek, &key,
                 "vcek/1e550a8ee5cf9f4d/bl10_tee00_snp23_ucode115_vcek.der",
                 "vcek/1e550a8ee5cf9f4d/vcek.der", NULL);
    vd_buf_reset(&key);
    snp_crl_key(SNP_MILAN, false, NULL, &key);
    expect_names(&snp_collateral_crl, &key, "crl/Milan.crl", NULL, "/vcek/v1/Milan/crl");
    vd_buf_reset(&key);
    snp_crl_key(SNP_MILAN, true, NULL, &key);
    expect_names(&snp_collateral_crl, &key, "crl/Milan_vlek.crl", NULL, "/vlek/v1/Milan/crl");
    vd_buf_reset(&key);
    snp_crl_key(SNP_MILAN, true, "ab12", &key);
    expect_names(&snp_collateral_crl, &key, "crl/ab12.crl", NULL, NULL);
}

/* ---- a server's registry and collateral
 * ---------------------------------------------------------- */

struct world {
    struct sim_pki *pki;
    struct guest guest;
    char *dir;
    char ark[65];
    struct sim_kds *kds;
    const char *status;
    vd_buf body; /* what KDS answers */
    struct vd_setting settings[64];
    struct vd_config *config;
    struct iss_collateral *collateral;
    struct iss_tees *tees;
    int64_t ns;
};

static void answer(void *ctx, const char *target, vd_buf *response)
{
    const struct world *w = ctx;
    (void)target;
    sim_kds_reply(response, w->status, vd_buf_span(&w->body));
}

static void close_drivers(struct world *w)
{
    iss_tees_close(w->tees);
    iss_collateral_close(w->collateral);
    vd_config_free(w->config);
    w->tees = NULL;
    w->collateral = NULL;
    w->config = NULL;
}

static void world_done(struct world *w)
{
    close_drivers(w);
    sim_kds_stop(w->kds);
    sim_pki_free(w->pki);
    vd_buf_done(&w->body);
    free(w->dir);
}
#define AUTO_WORLD __attribute__((cleanup(world_done))) struct world

static void make_dirs(struct world *w)
{
    char path[4096];
    static const char *const names[] = { "crl", "vcek" };
    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", w->dir, names[i]);
        assert_int_equal(mkdir(path, 0700), 0);
    }
}

static void find_ark(struct world *w)
{
    const char *const one[] = { sim_pki_roots(w->pki) };
    VD_AUTO(snp_roots_free) struct snp_roots *roots = NULL;
    assert_ok(snp_roots_new(one, 1, &roots, NULL));
    memcpy(w->ark, roots->item[roots->n - 1].ark_sha256, sizeof w->ark);
}

static void world_init(struct world *w, enum sim_line line, bool vlek)
{
    w->pki = sim_pki(line);
    w->guest = guest_of(line, vlek);
    w->dir = vd_test_dir("snp-collateral");
    make_dirs(w);
    find_ark(w);
    w->status = "404 Not Found";
    w->body = vd_buf_of(4u << 20);
    w->kds = sim_kds_start(answer, w);
    w->ns = AT_2026 * 1000000000;
}

/* Registry and collateral with these settings besides roots, directory and KDS. */
static void open_drivers(struct world *w, const char *extra, bool vendor)
{
    char set[5][4096];
    (void)snprintf(set[0], sizeof set[0], "tee.snp.extra_roots=[\"%s\"]", sim_pki_roots(w->pki));
    (void)snprintf(set[1], sizeof set[1], "tee.snp.kds_url=%s", sim_kds_url(w->kds));
    (void)snprintf(set[2], sizeof set[2], "collateral.dir=%s", w->dir);
    (void)snprintf(set[3], sizeof set[3], "collateral.sources=%s",
                   vendor ? "[\"offline\",\"vendor\"]" : "[\"offline\"]");
    (void)snprintf(set[4], sizeof set[4], "tee.snp.vlek_csp_ids=[\"*\"]");
    const char *const sets[] = { set[0], set[1], set[2], set[3], set[4], extra, NULL };
    size_t n_rows = iss_tee_settings(w->settings, 64);
    assert_true(n_rows <= 64);
    const struct vd_setting *tables[] = { w->settings, vd_settings_common };
    size_t n[] = { n_rows, vd_settings_common_n };
    struct vd_config_src src = { .program = "issuer", .set = sets };
    vd_err err = { 0 };
    if (vd_config_load(&src, tables, n, 2, &w->config, &err).code != VD_E_OK) {
        print_error("%s\n", err.msg);
        fail();
    }
    struct iss_collateral_cfg cfg = { .config = w->config, .clock = vd_clock_fixed(&w->ns) };
    cfg.kinds = iss_tee_collateral_kinds(&cfg.n_kinds);
    assert_ok(iss_collateral_open(&cfg, &w->collateral, NULL));
    assert_ok(iss_tees_open(w->config, NULL, &w->tees, NULL));
}

struct outcome {
    vd_code code;
    char msg[240];
    bool crl_checked;
};

static struct outcome verify_json(struct world *w, vd_span text)
{
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    assert_ok(vd_json_parse(text, VD_JSON_LIMITS(1u << 20), &doc, NULL));
    struct iss_evidence in = { .json = vd_json_root(doc),
                               .now = w->ns / 1000000000,
                               .collateral = w->collateral,
                               .source = "10.0.0.1" };
    VD_AUTO(iss_claims_list_free) struct iss_claims_list *list = iss_claims_list_new();
    vd_err err = { 0 };
    struct outcome o = { .code = iss_tees_verify(w->tees, "snp", &in, list, &err).code };
    memcpy(o.msg, err.msg, sizeof o.msg);
    if (o.code == VD_E_OK) {
        VD_AUTO(vd_json_free) struct vd_json *claims = NULL;
        assert_ok(vd_json_parse(vd_buf_span(&list->item[0].claims), VD_JSON_LIMITS(1u << 20),
                                &claims, NULL));
        o.crl_checked = vd_jv_is(vd_jv_get(vd_json_root(claims), "crl_checked"), VD_JSON_TRUE);
    }
    return o;
}

/* The guest's evidence, with or without its certificate. */
static struct outcome attest(struct world *w, bool with_cert)
{
    uint8_t report[SIM_REPORT];
    VD_AUTO_BUF cert = vd_buf_of(8192);
    VD_AUTO_BUF text = vd_buf_of(1u << 20);
    guest_bytes(w->pki, &w->guest, report, &cert);
    sim_evidence_json(vd_span_of(report, sizeof report), w->guest.report.line,
                      w->guest.vlek ? "VLEK" : "VCEK",
                      with_cert ? vd_buf_span(&cert) : VD_SPAN_NONE, &text);
    return verify_json(w, vd_buf_span(&text));
}

static void expect_attest(struct world *w, const char *name, bool with_cert, vd_code want)
{
    struct outcome o = attest(w, with_cert);
    if (o.code != want) {
        print_error("%s: got %s (%s)\n", name, o.code ? vd_error_row(o.code)->symbol : "OK", o.msg);
        fail();
    }
}

static void put_file(struct world *w, const char *name, vd_span bytes)
{
    char path[8192];
    (void)snprintf(path, sizeof path, "%s/%s", w->dir, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes.p, 1, bytes.n, f), bytes.n);
    (void)fclose(f);
}

static void put_crl(struct world *w, const struct sim_crl *c)
{
    VD_AUTO_BUF der = vd_buf_of(8192);
    char name[128];
    sim_crl_make(w->pki, c, &der);
    (void)snprintf(name, sizeof name, "crl/%s.crl", w->ark);
    put_file(w, name, vd_buf_span(&der));
}

static void make_cert(struct world *w, vd_buf *der)
{
    sim_cert_make(w->pki, &w->guest.cert, der);
}

static void chip_folder(struct world *w, char ret[512])
{
    VD_AUTO_BUF hex = vd_buf_of(256);
    size_t n = w->guest.report.line == SIM_TURIN ? 8 : 64;
    vd_hex_encode(vd_span_of(w->guest.report.chip_id, n), &hex);
    (void)snprintf(ret, 512, "vcek/%s", vd_buf_cstr(&hex));
    char path[8192];
    (void)snprintf(path, sizeof path, "%s/%s", w->dir, ret);
    assert_int_equal(mkdir(path, 0700), 0);
}

/* ---- VCEK
 * ---------------------------------------------------------------------------------------- */

static void a_vcek_is_found_in_the_offline_directory(void **state)
{
    (void)state;
    static const char *const names[SIM_LINE_MAX] = { "bl04_tee00_snp24_ucode219",
                                                     "bl10_tee00_snp23_ucode84",
                                                     "bl01_tee01_snp04_ucode71_fmc01" };
    for (int line = 0; line < SIM_LINE_MAX; line++)
        for (int plain = 0; plain < 2; plain++) {
            AUTO_WORLD w = { 0 };
            world_init(&w, (enum sim_line)line, false);
            open_drivers(&w, "tee.snp.crl=if-available", false);
            char folder[512];
            char name[1024];
            chip_folder(&w, folder);
            VD_AUTO_BUF der = vd_buf_of(8192);
            make_cert(&w, &der);
            (void)snprintf(name, sizeof name, plain ? "%s/vcek.der" : "%s/%s_vcek.der", folder,
                           names[line]);
            put_file(&w, name, vd_buf_span(&der));
            expect_attest(&w, name, false, VD_E_OK);
            w.guest.report.reported
                .snp--; /* another firmware: not this file, or not this certificate */
            expect_attest(&w, "another TCB", false, plain ? VD_E_TCB : VD_E_COLLATERAL);
        }
}

static void a_version_2_report_is_looked_up_offline_only(void **state)
{
    (void)state;
    AUTO_WORLD w = { 0 };
    world_init(&w, SIM_MILAN, false);
    w.guest.report.version = 2;
    open_drivers(&w, "tee.snp.allow_v2=true", true);
    expect_attest(&w, "nothing there", false, VD_E_COLLATERAL);
    assert_int_equal(sim_kds_requests(w.kds), 0);
    w.ns += INT64_C(400) * 1000000000;
    char folder[512];
    char name[1024];
    chip_folder(&w, folder);
    VD_AUTO_BUF der = vd_buf_of(8192);
    make_cert(&w, &der);
    (void)snprintf(name, sizeof name, "%s/vcek.der", folder);
    put_file(&w, name, vd_buf_span(&der));
    expect_attest(&w, "by hand", false, VD_E_OK);
}

static void a_vcek_is_fetched_from_kds_once(void **state)
{
    (void)state;
    AUTO_WORLD w = { 0 };
    world_init(&w, SIM_TURIN, false);
    open_drivers(&w, "tee.snp.crl=if-available", true);
    make_cert(&w, &w.body);
    w.status = "200 OK";
    for (int i = 0; i < 3; i++)
        expect_attest(&w, "from KDS", false, VD_E_OK);
    assert_int_equal(sim_kds_requests(w.kds), 1);
    char last[512];
    sim_kds_last(w.kds, last);
    assert_string_equal(
        last, "/vcek/v1/Turin/5154575a5d606366?fmcSPL=01&blSPL=01&teeSPL=01&snpSPL=04&ucodeSPL=71");
}

static void kds_cannot_do_more_than_deny(void **state)
{
    (void)state;
    struct guest other = guest_of(SIM_MILAN, false);
    other.cert.hwid[5] ^= 1;
    struct guest older = guest_of(SIM_MILAN, false);
    older.cert.tcb.snp--;
    static const char html[] = "<html>";
    AUTO_WORLD base = { 0 };
    world_init(&base, SIM_MILAN, false);
    const struct {
        const char *name;
        const char *status;
        const struct sim_cert *cert; /* NULL: no certificate */
        vd_code want;
    } cases[] = {
        { "asked too often", "429 Too Many Requests", NULL, VD_E_COLLATERAL },
        { "not there", "404 Not Found", NULL, VD_E_COLLATERAL },
        { "a page", "200 OK", NULL, VD_E_COLLATERAL },
        { "of another chip", "200 OK", &other.cert, VD_E_CHIP },
        { "of other firmware", "200 OK", &older.cert, VD_E_TCB },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        AUTO_WORLD w = { 0 };
        world_init(&w, SIM_MILAN, false);
        open_drivers(&w, "tee.snp.crl=if-available", true);
        w.status = cases[i].status;
        if (cases[i].cert)
            sim_cert_make(w.pki, cases[i].cert, &w.body);
        else
            vd_buf_str(&w.body, html);
        expect_attest(&w, cases[i].name, false, cases[i].want);
    }
}

static void kds_is_not_asked_without_a_reason(void **state)
{
    (void)state;
    AUTO_WORLD w = { 0 };
    world_init(&w, SIM_MILAN, false);
    open_drivers(&w, "tee.snp.crl=if-available", true);
    expect_attest(&w, "certificate in the evidence", true, VD_E_OK);
    memset(w.guest.report.chip_id, 0, sizeof w.guest.report.chip_id);
    expect_attest(&w, "masked chip id, no certificate", false, VD_E_COLLATERAL);
    w.guest = guest_of(SIM_MILAN, true);
    expect_attest(&w, "VLEK without its certificate", false, VD_E_COLLATERAL);
    assert_int_equal(sim_kds_requests(w.kds), 0);
}

static void sources_of_a_vcek_are_a_setting(void **state)
{
    (void)state;
    AUTO_WORLD w = { 0 };
    world_init(&w, SIM_MILAN, false);
    make_cert(&w, &w.body);
    w.status = "200 OK";
    open_drivers(&w, "tee.snp.vcek_sources=[\"vendor\"]", true);
    expect_attest(&w, "evidence is not asked", true, VD_E_OK);
    assert_int_equal(sim_kds_requests(w.kds), 1);
    close_drivers(&w);
    open_drivers(&w, "tee.snp.vcek_sources=[\"evidence\"]", true);
    expect_attest(&w, "evidence only", true, VD_E_OK);
    expect_attest(&w, "evidence only, none there", false, VD_E_COLLATERAL);
    close_drivers(&w);
    open_drivers(&w, "tee.snp.vcek_sources=[\"evidence\",\"offline\"]", true);
    expect_attest(&w, "not the vendor", false, VD_E_COLLATERAL);
    assert_int_equal(sim_kds_requests(w.kds), 1);
}

/* ---- CRL
 * ----------------------------------------------------------------------------------------- */

static void every_state_of_a_crl_has_its_verdict(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool present;
        struct sim_crl crl;
        bool vlek;
        const char *mode;
        vd_code want;
        bool checked;
    } cases[] = {
        { "absent", false, { 0 }, false, "if-available", VD_E_OK, false },
        { "absent, required", false, { 0 }, false, "require", VD_E_COLLATERAL, false },
        { "good", true, { 0 }, false, "if-available", VD_E_OK, true },
        { "good, required", true, { 0 }, false, "require", VD_E_OK, true },
        { "expired",
          true,
          { .until = AT_2026 - 1 },
          false,
          "if-available",
          VD_E_COLLATERAL_EXPIRED,
          false },
        { "expires now",
          true,
          { .until = AT_2026 },
          false,
          "if-available",
          VD_E_COLLATERAL_EXPIRED,
          false },
        { "not yet valid",
          true,
          { .from = AT_2026 + 10 },
          false,
          "if-available",
          VD_E_COLLATERAL_EXPIRED,
          false },
        { "expired, required",
          true,
          { .until = AT_2026 - 1 },
          false,
          "require",
          VD_E_COLLATERAL_EXPIRED,
          false },
        { "signed by another",
          true,
          { .wrong_issuer = true },
          false,
          "if-available",
          VD_E_SIG,
          false },
        { "ASK revoked", true, { .revoke_ask = true }, false, "if-available", VD_E_REVOKED, false },
        { "ASK revoked, required",
          true,
          { .revoke_ask = true },
          false,
          "require",
          VD_E_REVOKED,
          false },
        { "ASVK revoked, VCEK",
          true,
          { .revoke_asvk = true },
          false,
          "if-available",
          VD_E_OK,
          true },
        { "ASVK revoked, VLEK",
          true,
          { .revoke_asvk = true },
          true,
          "if-available",
          VD_E_REVOKED,
          false },
        { "ASK revoked, VLEK", true, { .revoke_ask = true }, true, "require", VD_E_OK, true },
    };
    size_t n = sizeof cases / sizeof cases[0];
    for (size_t i = 0; i < n; i++) {
        AUTO_WORLD w = { 0 };
        world_init(&w, SIM_GENOA, cases[i].vlek);
        char mode[64];
        (void)snprintf(mode, sizeof mode, "tee.snp.crl=%s", cases[i].mode);
        open_drivers(&w, mode, false);
        if (cases[i].present)
            put_crl(&w, &cases[i].crl);
        for (int again = 0; again < 2; again++) { /* cold, then with the results kept */
            struct outcome o = attest(&w, true);
            if (o.code != cases[i].want || o.crl_checked != cases[i].checked) {
                print_error("%s: got %s (%s)\n", cases[i].name,
                            o.code ? vd_error_row(o.code)->symbol : "OK", o.msg);
                fail();
            }
        }
    }
    print_message("crl states: %zu rows\n", n);
}

static void a_crl_that_is_garbage_refuses(void **state)
{
    (void)state;
    AUTO_WORLD w = { 0 };
    world_init(&w, SIM_MILAN, false);
    open_drivers(&w, "tee.snp.crl=if-available", false);
    char name[128];
    (void)snprintf(name, sizeof name, "crl/%s.crl", w.ark);
    put_file(&w, name, VD_LIT("no CRL at all"));
    expect_attest(&w, "garbage", true, VD_E_COLLATERAL);
}

static void a_new_crl_counts_for_chains_that_are_kept(void **state)
{
    (void)state;
    AUTO_WORLD w = { 0 };
    world_init(&w, SIM_MILAN, false);
    open_drivers(&w, "tee.snp.crl=if-available", false);
    put_crl(&w, &(struct sim_crl){ 0 });
    expect_attest(&w, "good", true, VD_E_OK);
    put_crl(&w, &(struct sim_crl){ .revoke_ask = true });
    w.ns += INT64_C(11) * 1000000000;
    expect_attest(&w, "revoked meanwhile", true, VD_E_REVOKED);
    put_crl(&w, &(struct sim_crl){ .until = AT_2026 + 30 });
    w.ns += INT64_C(11) * 1000000000;
    expect_attest(&w, "good again", true, VD_E_OK);
    w.ns += INT64_C(9) * 1000000000;
    expect_attest(&w, "expired between two readings", true, VD_E_COLLATERAL_EXPIRED);
}

static void sleep_ms(unsigned ms)
{
    struct timespec t = { 0, (long)ms * 1000000 };
    (void)nanosleep(&t, NULL);
}

/* Genuine evidence under AMD's root, with a KDS that gives CRLs of somebody else. */
static void crls_of_amd_are_fetched_and_must_be_amds(void **state)
{
    (void)state;
    VD_AUTO_BUF text = vd_test_file(VECTORS "trustee/e2e-evidence.json");
    AUTO_WORLD w = { 0 };
    world_init(&w, SIM_GENOA, false);
    sim_crl_make(w.pki, &(struct sim_crl){ 0 }, &w.body);
    w.status = "200 OK";
    open_drivers(&w, "tee.snp.crl=require", true);
    assert_int_equal(verify_json(&w, vd_buf_span(&text)).code, VD_E_SIG);
    char last[512];
    sim_kds_last(w.kds, last);
    assert_string_equal(last, "/vcek/v1/Genoa/crl");
    close_drivers(&w);
    /* if available: nobody waits for it, but once it is there it counts */
    open_drivers(&w, "tee.snp.crl=if-available", true);
    struct outcome o = verify_json(&w, vd_buf_span(&text));
    assert_int_equal(o.code, VD_E_OK);
    assert_false(o.crl_checked);
    for (int i = 0; i < 300 && o.code == VD_E_OK; i++) {
        sleep_ms(10);
        o = verify_json(&w, vd_buf_span(&text));
    }
    assert_int_equal(o.code, VD_E_SIG);
    assert_int_equal(sim_kds_requests(w.kds), 2);
    close_drivers(&w);
    /* a KDS without a CRL: absent */
    w.status = "500 No";
    open_drivers(&w, "tee.snp.crl=if-available", true);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(verify_json(&w, vd_buf_span(&text)).code, VD_E_OK);
        sleep_ms(5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_are_named_as_kds_and_the_offline_store_do),
        cmocka_unit_test(a_vcek_is_found_in_the_offline_directory),
        cmocka_unit_test(a_version_2_report_is_looked_up_offline_only),
        cmocka_unit_test(a_vcek_is_fetched_from_kds_once),
        cmocka_unit_test(kds_cannot_do_more_than_deny),
        cmocka_unit_test(kds_is_not_asked_without_a_reason),
        cmocka_unit_test(sources_of_a_vcek_are_a_setting),
        cmocka_unit_test(every_state_of_a_crl_has_its_verdict),
        cmocka_unit_test(a_crl_that_is_garbage_refuses),
        cmocka_unit_test(a_new_crl_counts_for_chains_that_are_kept),
        cmocka_unit_test(crls_of_amd_are_fetched_and_must_be_amds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
