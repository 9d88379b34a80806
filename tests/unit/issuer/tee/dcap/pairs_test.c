/* Genuine quotes with their genuine collateral: verdict, status, date and advisories at a time at
 * which all of it is valid, and a refusal one second outside of it. The verdicts were computed by
 * an independent program. Pairs without a complete set must be refused by the name of what is
 * missing, and are judged by the TCB function alone. */
#include "tests/unit/issuer/tee/dcap/fixture.h"

enum source { QVL_SGX, QVL_TDX, QVL_OUTDATED, GO_2023, OE_DUMP, AUTOMATA_1025, AUTOMATA_0825 };

static struct coll load(enum source s)
{
    switch (s) {
    case QVL_SGX:
        return coll_qvl(INTEL "dcap-qvl/sgx_quote_collateral.json");
    case QVL_TDX:
        return coll_qvl(INTEL "dcap-qvl/tdx_quote_collateral.json");
    case QVL_OUTDATED:
        return coll_qvl(INTEL "dcap-qvl/tdx_quote_outdated_collateral.json");
    case GO_2023:
        return coll_2023();
    case OE_DUMP:
        return coll_oe_dump(OE "tdx_endorsement.bin");
    case AUTOMATA_1025:
        return coll_1025();
    case AUTOMATA_0825:
    default:
        return coll_automata(FORGE_0825 "sgx_tcbinfov3_00606a000000.json",
                             FORGE_0825 "sgx_qeidentity_v4.json", FORGE_0825 "platform_crl.der");
    }
}

static const struct pair {
    const char *name;
    const char *quote;
    enum source source;
    const char *from; /* the collateral's window */
    const char *until;
    const char *clock;
    vd_code want;
    enum dcap_status status;
    enum dcap_status current;
    const char *date; /* of the platform's level; NULL: not stated */
    const char *advisories;
    size_t n_advisories; /* when `advisories` is NULL */
    uint32_t eval_num;
} pairs[] = {
    { "P1", INTEL "dcap-qvl/sgx_quote", QVL_SGX, "2025-06-19T10:56:11Z", "2025-07-19T10:01:18Z",
      "2025-07-01T00:00:00Z", VD_E_OK, DCAP_CONFIGURATION_SW_HARDENING,
      DCAP_CONFIGURATION_SW_HARDENING, "2024-03-13T00:00:00Z", "INTEL-SA-00289 INTEL-SA-00615 ", 2,
      17 },
    { "P2", INTEL "dcap-qvl/tdx_quote", QVL_TDX, "2025-06-19T10:32:27Z", "2025-07-19T10:00:35Z",
      "2025-07-01T00:00:00Z", VD_E_OK, DCAP_UP_TO_DATE, DCAP_UP_TO_DATE, NULL, "", 0, 17 },
    { "P3", INTEL "dcap-qvl/tdx_quote_outdated", QVL_OUTDATED, "2026-02-18T10:58:51Z",
      "2026-03-20T10:41:15Z", "2026-03-01T00:00:00Z", VD_E_TCB_UNSUPPORTED, 0, 0, NULL, NULL, 0,
      0 },
    { "P8", INTEL "go-tdx-guest/tdx_prod_quote_SPR_E4.dat", GO_2023, "2023-06-18T08:42:58Z",
      "2023-07-08T07:24:59Z", "2023-07-01T01:00:00Z", VD_E_TCB_UNSUPPORTED, 0, 0, NULL, NULL, 0,
      0 },
    { "P9", OE "tdx_quote.bin", GO_2023, "2023-06-18T08:42:58Z", "2023-07-08T07:24:59Z",
      "2023-07-01T01:00:00Z", VD_E_OK, DCAP_UP_TO_DATE, DCAP_UP_TO_DATE, NULL, "", 0, 15 },
    { "P10", INTEL "trustee-verifier/tdx_quote_4.dat", GO_2023, "2023-06-18T08:42:58Z",
      "2023-07-08T07:24:59Z", "2023-07-01T01:00:00Z", VD_E_OK, DCAP_UP_TO_DATE, DCAP_UP_TO_DATE,
      NULL, "", 0, 15 },
    { "P11", OE "tdx_quote-moduleupdate-seamldr5.dat", OE_DUMP, "2025-02-26T10:37:20Z",
      "2025-03-22T11:31:38Z", "2025-03-10T00:00:00Z", VD_E_OK, DCAP_RELAUNCH, DCAP_UP_TO_DATE, NULL,
      "INTEL-SA-01036 INTEL-SA-01099 ", 2, 18 },
    { "P14", INTEL "go-tdx-guest/ccel/cos-113-tdx-quote.dat", AUTOMATA_1025, "2025-10-19T17:48:50Z",
      "2025-11-12T10:45:32Z", "2025-11-01T00:00:00Z", VD_E_OK, DCAP_UP_TO_DATE, DCAP_UP_TO_DATE,
      NULL, "", 0, 17 },
    { "P15", INTEL "trustee-az-tdx-vtpm/td-quote.bin", AUTOMATA_1025, "2025-10-19T17:48:50Z",
      "2025-11-12T10:45:32Z", "2025-11-01T00:00:00Z", VD_E_OK, DCAP_OUT_OF_DATE, DCAP_OUT_OF_DATE,
      NULL, NULL, 0, 17 },
    { "P16", OE "tdx_quote_v5.bin", AUTOMATA_1025, "2025-10-19T17:48:50Z", "2025-11-12T10:45:32Z",
      "2025-11-01T00:00:00Z", VD_E_OK, DCAP_OUT_OF_DATE, DCAP_OUT_OF_DATE, NULL, NULL, 0, 17 },
    { "P20", INTEL "trustee-verifier/occlum_quote.dat", AUTOMATA_0825, "2025-08-15T05:41:26Z",
      "2025-09-14T04:36:46Z", "2025-09-01T00:00:00Z", VD_E_OK, DCAP_OUT_OF_DATE, DCAP_OUT_OF_DATE,
      "2021-11-10T00:00:00Z", NULL, 10, 17 },
};
enum { PAIRS = sizeof pairs / sizeof pairs[0] };

static void check_result(const struct pair *p, const struct dcap_result *res)
{
    VD_AUTO_BUF got = vd_buf_of(4096);
    for (size_t i = 0; i < res->n_advisories; i++)
        vd_buf_printf(&got, "%s ", res->advisories[i]);
    print_message("%s: %s of %lld, module %s, advisories %s, held back by %s / %s / %s (%s)\n",
                  p->name, dcap_status_name(res->tcb.status), (long long)res->tcb.launch.date,
                  res->tcb.launch.module.present ? dcap_status_name(res->tcb.launch.module.status)
                                                 : "none",
                  vd_buf_cstr(&got), res->tcb.launch.platform.limit, res->tcb.launch.module.limit,
                  res->tcb.launch.qe.limit, dcap_eval_limit(&res->tcb.launch));
    assert_int_equal(res->tcb.status, p->status);
    assert_int_equal(res->tcb.current.status, p->current);
    if (p->date)
        assert_int_equal(res->tcb.launch.platform.date, at(p->date));
    if (p->advisories)
        assert_string_equal(vd_buf_cstr(&got), p->advisories);
    else if (p->n_advisories)
        assert_int_equal(res->n_advisories, p->n_advisories);
    assert_int_equal(res->eval_num, p->eval_num);
    assert_false(res->collateral_expired);
    assert_false(res->simulated);
    assert_int_equal(res->earliest_issue, at("2018-05-21T10:45:10Z"));
    assert_int_equal(res->earliest_expiration, at(p->until));
}

static void each_pair_has_its_verdict(void **state)
{
    (void)state;
    for (int i = 0; i < PAIRS; i++) {
        const struct pair *p = &pairs[i];
        AUTO_KIT k = kit_new();
        AUTO_COLL c = load(p->source);
        struct dcap_collateral v = coll_view(&c);
        VD_AUTO_BUF quote = vd_test_file(p->quote);
        DCAP_AUTO_RESULT res = { 0 };
        vd_err err;
        vd_code got = verify(&k, vd_buf_span(&quote), &v, at(p->clock), &res, &err);
        if (got != VD_E_OK)
            print_message("%s: %s\n", p->name, err.msg);
        assert_int_equal(got, p->want);
        if (got == VD_E_OK)
            check_result(p, &res);
    }
    print_message("pairs: %d cases\n", PAIRS);
}

static void each_pair_is_refused_outside_its_window(void **state)
{
    (void)state;
    for (int i = 0; i < PAIRS; i++) {
        const struct pair *p = &pairs[i];
        AUTO_KIT k = kit_new();
        AUTO_COLL c = load(p->source);
        struct dcap_collateral v = coll_view(&c);
        VD_AUTO_BUF quote = vd_test_file(p->quote);
        vd_span q = vd_buf_span(&quote);
        /* with the caches warm, too */
        expect(p->name, p->want, &k, q, &v, at(p->clock));
        expect(p->name, p->want, &k, q, &v, at(p->from));
        expect(p->name, p->want, &k, q, &v, at(p->until) - 1);
        expect(p->name, VD_E_COLLATERAL_EXPIRED, &k, q, &v, at(p->from) - 1);
        expect(p->name, VD_E_COLLATERAL_EXPIRED, &k, q, &v, at(p->until));
        /* before the PCK certificate was made, after the CA ends */
        expect(p->name, VD_E_CERT_EXPIRED, &k, q, &v, at("2018-05-21T10:45:09Z"));
        expect(p->name, VD_E_CERT_EXPIRED, &k, q, &v, at("2050-01-01T00:00:00Z"));
    }
}

static void expired_collateral_passes_marked_within_the_grace(void **state)
{
    (void)state;
    AUTO_KIT k = kit_new();
    AUTO_COLL c = load(QVL_TDX);
    struct dcap_collateral v = coll_view(&c);
    VD_AUTO_BUF quote = vd_test_file(INTEL "dcap-qvl/tdx_quote");
    int64_t end = at("2025-07-19T10:00:35Z");
    k.cfg.grace = 3600;
    DCAP_AUTO_RESULT res = { 0 };
    vd_err err;
    assert_int_equal(verify(&k, vd_buf_span(&quote), &v, end - 1, &res, &err), VD_E_OK);
    assert_false(res.collateral_expired);
    dcap_result_done(&res);
    assert_int_equal(verify(&k, vd_buf_span(&quote), &v, end, &res, &err), VD_E_OK);
    assert_true(res.collateral_expired);
    expect("end of grace", VD_E_COLLATERAL_EXPIRED, &k, vd_buf_span(&quote), &v, end + 3600);
    k.cfg.skew = 300;
    int64_t begin = at("2025-06-19T10:32:27Z");
    expect("within the skew", VD_E_OK, &k, vd_buf_span(&quote), &v, begin - 300);
    expect("before the skew", VD_E_COLLATERAL_EXPIRED, &k, vd_buf_span(&quote), &v, begin - 301);
}

static void a_missing_piece_is_named(void **state)
{
    (void)state;
    for (int i = 0; i < PAIRS; i++) {
        const struct pair *p = &pairs[i];
        AUTO_KIT k = kit_new();
        VD_AUTO_BUF quote = vd_test_file(p->quote);
        for (int item = 0; item < DCAP_ITEM_MAX; item++) {
            AUTO_COLL c = load(p->source);
            vd_buf_reset(&c.buf[item]);
            struct dcap_collateral v = coll_view(&c);
            DCAP_AUTO_RESULT res = { 0 };
            vd_err err;
            vd_code got = verify(&k, vd_buf_span(&quote), &v, at(p->clock), &res, &err);
            bool optional = item == DCAP_PCK_CRL_CHAIN;
            assert_int_equal(got, optional ? p->want : VD_E_COLLATERAL);
            if (!optional)
                assert_non_null(strstr(err.msg, dcap_item_name((enum dcap_item)item)));
        }
    }
}

/* Documents without CRLs: the chain, the two signatures of the documents, and the TCB function. */
static void judge(const char *quote_path, const char *tcb_path, const char *identity,
                  enum dcap_status want, const char *limit)
{
    AUTO_KIT k = kit_new();
    AUTO_COLL c = coll_1025(); /* for the signer's chain */
    coll_file(&c, DCAP_TCB_INFO, tcb_path);
    coll_file(&c, DCAP_IDENTITY, identity);
    struct dcap_collateral v = coll_view(&c);
    VD_AUTO_BUF quote = vd_test_file(quote_path);
    struct dcap_quote q;
    assert_ok(dcap_quote_parse(vd_buf_span(&quote), &q, NULL));
    VD_AUTO(dcap_trust_unref) struct dcap_trust *t = NULL;
    assert_ok(dcap_chain_verify(k.cache, q.cert_data, at("2025-11-01T00:00:00Z"), &t, NULL));
    VD_AUTO(dcap_tcb_info_unref) struct dcap_tcb_info *info = NULL;
    VD_AUTO(dcap_identity_unref) struct dcap_identity *id = NULL;
    assert_ok(dcap_tcb_info_check(k.roots, v.tcb_info, v.tcb_info_chain, &info, NULL, NULL));
    assert_ok(dcap_identity_check(k.roots, v.identity, v.identity_chain, &id, NULL, NULL));
    assert_memory_equal(info->fmspc, t->pck.fmspc, DCAP_FMSPC);
    struct dcap_tcb_in in = { .info = info,
                              .identity = id,
                              .svn = t->pck.svn,
                              .pce_svn = t->pck.pce_svn,
                              .qe_svn = (uint16_t)dcap_le(q.qe.isv_svn),
                              .tee_tcb_svn = q.td.tee_tcb_svn,
                              .tee_tcb_svn2 = q.td.tee_tcb_svn2 };
    struct dcap_tcb tcb;
    assert_ok(dcap_tcb_evaluate(&in, &tcb, NULL));
    assert_int_equal(tcb.status, want);
    if (limit)
        assert_string_equal(tcb.launch.platform.limit, limit);
    /* and the whole way is refused, because something is missing */
    v.pck_crl = VD_SPAN_NONE;
    expect(quote_path, VD_E_COLLATERAL, &k, vd_buf_span(&quote), &v, at("2025-11-01T00:00:00Z"));
}

static void pairs_without_crls_are_judged_by_the_tcb_function(void **state)
{
    (void)state;
    judge(INTEL "dcap-qvl/tdx_quote", INTEL "fortanix-pcs/tcb-json/tcb-tdx-2.json",
          INTEL "fortanix-pcs/qe-identity/qeid-tdx.json", DCAP_UP_TO_DATE, NULL); /* P2b */
    judge(INTEL "trustee-verifier/tdx_quote_6.dat", INTEL "trustee-verifier/tcbInfo.json",
          INTEL "trustee-verifier/enclaveIdentity.json", DCAP_OUT_OF_DATE,
          "pcesvn 11 < 13"); /* P12 */
    judge(INTEL "trustee-verifier/tdx_quote_6.dat", INTEL "fortanix-pcs/tcb-json/tcb-tdx.json",
          INTEL "fortanix-pcs/qe-identity/qeid-tdx.json", DCAP_OUT_OF_DATE, NULL); /* P12b */
    judge(OE "tdx_quote_v5.bin", FORGE_1025 "tcb_info.json", FORGE_1025 "identity.json",
          DCAP_OUT_OF_DATE, NULL);
}

/* ---- P5b: one platform type under three evaluation numbers ---- */

#define BEST INTEL "fortanix-pcs/eval-num-select-best/"
enum { P5B_EDITIONS = 3, P5B_FIRST = 17 };

/* The documents of one evaluation number, without CRLs. */
static struct coll p5b(int edition)
{
    char path[256];
    struct coll c = coll_new();
    (void)snprintf(path, sizeof path, BEST "00606a000000-%d.tcb", P5B_FIRST + edition);
    coll_fortanix(&c, DCAP_TCB_INFO, path);
    (void)snprintf(path, sizeof path, BEST "qe3_identity-%d.id", P5B_FIRST + edition);
    coll_fortanix(&c, DCAP_IDENTITY, path);
    return c;
}

/* The platform of P5b, whose quote is not among the vectors: its versions are those of the level
 * with 8, 10 and 11 advisories. */
static void a_newer_evaluation_names_more_advisories(void **state)
{
    (void)state;
    static const uint8_t svn[DCAP_SVNS] = { 7, 9, 3, 3, 255, 255, 1 };
    static const size_t advisories[P5B_EDITIONS] = { 8, 10, 11 };
    AUTO_KIT k = kit_new();
    for (int i = 0; i < P5B_EDITIONS; i++) {
        AUTO_COLL c = p5b(i);
        struct dcap_collateral v = coll_view(&c);
        VD_AUTO(dcap_tcb_info_unref) struct dcap_tcb_info *info = NULL;
        VD_AUTO(dcap_identity_unref) struct dcap_identity *id = NULL;
        assert_ok(dcap_tcb_info_check(k.roots, v.tcb_info, v.tcb_info_chain, &info, NULL, NULL));
        assert_ok(dcap_identity_check(k.roots, v.identity, v.identity_chain, &id, NULL, NULL));
        const struct dcap_tcb_in in = {
            .info = info, .identity = id, .svn = svn, .pce_svn = 13, .qe_svn = 10
        };
        struct dcap_tcb tcb;
        assert_ok(dcap_tcb_evaluate(&in, &tcb, NULL));
        assert_int_equal(tcb.status, DCAP_OUT_OF_DATE);
        assert_int_equal(tcb.launch.platform.date, at("2022-08-10T00:00:00Z"));
        assert_int_equal(tcb.launch.platform.adv.n, advisories[i]);
        assert_int_equal(tcb.launch.qe.status, DCAP_UP_TO_DATE);
        assert_int_equal(tcb.launch.qe.adv.n, 0);
    }
}

/* The first of the quotes that this file holds in hex. */
static vd_buf go_sample(void)
{
    VD_AUTO_BUF file = vd_test_file(INTEL "automata-dcap-attestation/go-sample_quotes.hex");
    size_t line = vd_span_find(vd_buf_span(&file), '\n');
    vd_span hex = vd_span_part(vd_buf_span(&file), 2, line - 2); /* behind 0x */
    vd_buf out = vd_buf_of(1 << 16);
    assert_ok(vd_hex_decode(hex, &out, NULL));
    return out;
}

/* Two genuine quotes of that type: refused without CRLs, and with those of the same month judged as
 * the number of the documents says. */
static void quotes_of_that_type_follow_the_evaluation_number(void **state)
{
    (void)state;
    static const struct {
        const char *quote; /* NULL: go_sample */
        enum dcap_status status[P5B_EDITIONS];
        size_t advisories[P5B_EDITIONS];
    } rows[] = {
        { INTEL "trustee-verifier/occlum_quote.dat",
          { DCAP_OUT_OF_DATE, DCAP_OUT_OF_DATE, DCAP_OUT_OF_DATE },
          { 10, 12, 13 } },
        { NULL, { DCAP_SW_HARDENING, DCAP_OUT_OF_DATE, DCAP_OUT_OF_DATE }, { 1, 5, 6 } },
    };
    const int64_t now = at("2025-07-01T00:00:00Z");
    AUTO_KIT k = kit_new();
    AUTO_COLL lists = load(QVL_TDX);
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        VD_AUTO_BUF quote = rows[r].quote ? vd_test_file(rows[r].quote) : go_sample();
        for (int i = 0; i < P5B_EDITIONS; i++) {
            AUTO_COLL c = p5b(i);
            struct dcap_collateral v = coll_view(&c);
            DCAP_AUTO_RESULT res = { 0 };
            vd_err err;
            expect("P5b", VD_E_COLLATERAL, &k, vd_buf_span(&quote), &v, now);
            v.pck_crl = vd_buf_span(&lists.buf[DCAP_PCK_CRL]);
            v.pck_crl_chain = vd_buf_span(&lists.buf[DCAP_PCK_CRL_CHAIN]);
            v.root_crl = vd_buf_span(&lists.buf[DCAP_ROOT_CRL]);
            assert_int_equal(verify(&k, vd_buf_span(&quote), &v, now, &res, &err), VD_E_OK);
            assert_int_equal(res.tcb.status, rows[r].status[i]);
            assert_int_equal(res.n_advisories, rows[r].advisories[i]);
            assert_int_equal(res.eval_num, P5B_FIRST + i);
            assert_true(res.earliest_expiration < at("2025-07-06T12:31:00Z"));
        }
    }
}

/* P2b: two documents whose windows never overlap. */
static void documents_of_different_times_are_expired_at_every_clock(void **state)
{
    (void)state;
    AUTO_KIT k = kit_new();
    AUTO_COLL c = load(QVL_OUTDATED); /* chains and CRLs of 2026 */
    coll_file(&c, DCAP_TCB_INFO, INTEL "fortanix-pcs/tcb-json/tcb-tdx-2.json");
    coll_file(&c, DCAP_IDENTITY, INTEL "fortanix-pcs/qe-identity/qeid-tdx.json");
    struct dcap_collateral v = coll_view(&c);
    VD_AUTO_BUF quote = vd_test_file(INTEL "dcap-qvl/tdx_quote");
    for (int64_t t = at("2026-01-01T00:00:00Z"); t < at("2026-04-05T00:00:00Z"); t += 43200)
        expect("P2b", VD_E_COLLATERAL_EXPIRED, &k, vd_buf_span(&quote), &v, t);
}

/* P22: genuine, but of version 2. */
static void tcb_info_of_version_2_is_refused_as_such(void **state)
{
    (void)state;
    static const char *const paths[] = { INTEL "automata-dcap-rs/tcbinfov2.json", INTEL
                                         "automata-dcap-attestation/forge-0625/tcbinfo.json" };
    AUTO_KIT k = kit_new();
    AUTO_COLL c = coll_1025();
    for (size_t i = 0; i < 2; i++) {
        coll_file(&c, DCAP_TCB_INFO, paths[i]);
        struct dcap_collateral v = coll_view(&c);
        struct dcap_tcb_info *info = NULL;
        assert_rc(VD_E_COLLATERAL_VERSION,
                  dcap_tcb_info_check(k.roots, v.tcb_info, v.tcb_info_chain, &info, NULL, NULL));
    }
    VD_AUTO_BUF ev = vd_test_file(INTEL "openenclave/attestation_plugin/evidence");
    VD_AUTO_BUF en = vd_test_file(INTEL "openenclave/attestation_plugin/endorsements");
    vd_rd r = vd_rd_of(after_comments(&en));
    vd_rd_skip(&r, 12);
    uint32_t n = vd_rd_u32le(&r);
    assert_int_equal(n, 9);
    size_t offset[10];
    for (size_t i = 0; i < 9; i++)
        offset[i] = vd_rd_u32le(&r);
    offset[9] = vd_rd_left(&r);
    vd_span data = vd_rd_take(&r, offset[9]);
    vd_span part[9];
    for (size_t i = 0; i < 9; i++) {
        part[i] = vd_span_part(data, offset[i], offset[i + 1] - offset[i]);
        if (i != 3 && i != 4) /* the CRLs are in DER */
            until_nul(&part[i]);
    }
    /* version, TCB info, its chain, PCK CRL, root CRL, CRL chain, identity, its chain, time */
    struct dcap_collateral v = { .tcb_info = part[1],
                                 .tcb_info_chain = part[2],
                                 .pck_crl_chain = part[5],
                                 .identity = part[6],
                                 .identity_chain = part[7] };
    v.pck_crl = part[3];
    v.root_crl = vd_span_part(part[4], 0, part[4].n - 1); /* and one of them has a NUL behind */
    expect("P22", VD_E_COLLATERAL_VERSION, &k, after_comments(&ev), &v, at("2022-04-26T23:43:10Z"));
}

/* P23: the identity of the other quoting enclave. */
static void the_identity_of_the_other_quoting_enclave_is_refused(void **state)
{
    (void)state;
    AUTO_KIT k = kit_new();
    AUTO_COLL c = coll_automata(SOLANA "tcb_info_v3_sgx.json", SOLANA "qe_identity.json",
                                SOLANA "pck_platform_crl.der");
    VD_AUTO_BUF quote = vd_test_file(SOLANA "quote_sgx.bin");
    struct dcap_quote q;
    assert_ok(dcap_quote_parse(vd_buf_span(&quote), &q, NULL));
    VD_AUTO(dcap_trust_unref) struct dcap_trust *t = NULL;
    assert_ok(dcap_chain_verify(k.cache, q.cert_data, at("2025-05-20T00:00:00Z"), &t, NULL));
    if (t->ca == DCAP_CA_PROCESSOR) { /* the list of the CA that this platform has */
        AUTO_COLL other = load(QVL_SGX);
        coll_set(&c, DCAP_PCK_CRL, vd_buf_span(&other.buf[DCAP_PCK_CRL]));
    }
    struct dcap_collateral v = coll_view(&c);
    expect("P23", VD_E_COLLATERAL_MISMATCH, &k, vd_buf_span(&quote), &v,
           at("2025-05-20T00:00:00Z"));
}

/* P24, P25: Intel's synthetic samples, under a root of their own. */
static void synthetic_roots_are_no_roots(void **state)
{
    (void)state;
    AUTO_KIT k = kit_new();
    AUTO_COLL c = load(QVL_TDX);
    struct dcap_collateral v = coll_view(&c);
    VD_AUTO_BUF p24 = vd_test_file(INTEL "intel-qvl-sampleData/quote.dat");
    VD_AUTO_BUF p25 = vd_test_file(INTEL "intel-qvl-sampleData/tdx/quote.dat");
    expect("P24", VD_E_CERT_DATA, &k, vd_buf_span(&p24), &v, at("2025-07-01T00:00:00Z"));
    expect("P25", VD_E_BAD_EVIDENCE, &k, vd_buf_span(&p25), &v, at("2025-07-01T00:00:00Z"));
    static const char *const dirs[] = { INTEL "intel-qvl-sampleData/",
                                        INTEL "intel-qvl-sampleData/tdx/" };
    for (size_t i = 0; i < 2; i++) {
        char path[256];
        VD_AUTO_BUF pem = vd_buf_of(1 << 16);
        static const char *const files[] = { "pckCert.pem", "pckSignChain.pem" };
        for (size_t f = 0; f < 2; f++) {
            (void)snprintf(path, sizeof path, "%s%s", dirs[i], files[f]);
            VD_AUTO_BUF b = vd_test_file(path);
            vd_buf_add(&pem, vd_buf_span(&b));
            vd_buf_str(&pem, "\n");
        }
        struct dcap_trust *t = NULL;
        assert_rc(VD_E_CHAIN, dcap_chain_verify(k.cache, vd_buf_span(&pem),
                                                at("2025-07-01T00:00:00Z"), &t, NULL));
        (void)snprintf(path, sizeof path, "%stcbSignChain.pem", dirs[i]);
        VD_AUTO_BUF chain = vd_test_file(path);
        struct dcap_signer s = { 0 };
        assert_rc(VD_E_COLLATERAL_CHAIN, dcap_signer_check(k.roots, vd_buf_span(&chain), &s, NULL));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_pair_has_its_verdict),
        cmocka_unit_test(each_pair_is_refused_outside_its_window),
        cmocka_unit_test(expired_collateral_passes_marked_within_the_grace),
        cmocka_unit_test(a_missing_piece_is_named),
        cmocka_unit_test(pairs_without_crls_are_judged_by_the_tcb_function),
        cmocka_unit_test(a_newer_evaluation_names_more_advisories),
        cmocka_unit_test(quotes_of_that_type_follow_the_evaluation_number),
        cmocka_unit_test(documents_of_different_times_are_expired_at_every_clock),
        cmocka_unit_test(tcb_info_of_version_2_is_refused_as_such),
        cmocka_unit_test(the_identity_of_the_other_quoting_enclave_is_refused),
        cmocka_unit_test(synthetic_roots_are_no_roots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
