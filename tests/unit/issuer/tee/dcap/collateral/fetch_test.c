/* Fetching DCAP collateral by the real client from a service on loopback that answers as PCS and
 * PCCS do, or as neither should: genuine documents at a clock at which they are good. */
#include "tests/unit/issuer/tee/dcap/collateral/world.h"

#include <pthread.h>
#include <time.h>

#include "tests/support/simsnp/kds.h"

#define CLOCK "2025-07-01T00:00:00Z"

enum piece { TCB, IDENTITY, PCKCRL, ROOTCRL, PIECES };

/* How the service behaves now. */
struct manner {
    bool hex;          /* CRLs as a PCCS has them */
    bool lower;        /* names of fields in lower case */
    int without_chain; /* piece, -1: none */
    int broken;        /* piece whose document has a changed byte */
    int missing;       /* piece: 404 */
    int huge;          /* piece: more than any limit */
    int redirect;      /* piece */
    int swapped;       /* piece: the document of the other TEE */
    unsigned delay_ms;
};
static const struct manner good = {
    .without_chain = -1, .broken = -1, .missing = -1, .huge = -1, .redirect = -1, .swapped = -1
};

struct service {
    pthread_mutex_t lock;
    struct manner manner;
    struct coll tdx;
    struct coll sgx;
    struct sim_kds *kds;
    unsigned asked[PIECES];
};

static void percent(vd_span in, vd_buf *out)
{
    for (size_t i = 0; i < in.n; i++) {
        uint8_t c = in.p[i];
        bool plain =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
        if (plain)
            vd_buf_u8(out, c);
        else
            vd_buf_printf(out, "%%%02X", c);
    }
}

static enum piece piece_of(const char *target)
{
    if (strstr(target, "/tcb?"))
        return TCB;
    if (strstr(target, "/qe/identity"))
        return IDENTITY;
    return strstr(target, "/pckcrl") ? PCKCRL : ROOTCRL;
}

static void answer_with(const struct manner *m, const struct coll *c, enum piece p, vd_buf *out)
{
    static const enum dcap_item body_of[] = { DCAP_TCB_INFO, DCAP_IDENTITY, DCAP_PCK_CRL,
                                              DCAP_ROOT_CRL };
    static const enum dcap_item chain_of[] = { DCAP_TCB_INFO_CHAIN, DCAP_IDENTITY_CHAIN,
                                               DCAP_PCK_CRL_CHAIN };
    static const char *const field[][2] = {
        { "TCB-Info-Issuer-Chain", "tcb-info-issuer-chain" },
        { "SGX-Enclave-Identity-Issuer-Chain", "sgx-enclave-identity-issuer-chain" },
        { "SGX-PCK-CRL-Issuer-Chain", "sgx-pck-crl-issuer-chain" },
    };
    VD_AUTO_BUF body = vd_buf_of(1 << 20);
    if (m->hex && (p == PCKCRL || p == ROOTCRL))
        vd_hex_encode(vd_buf_span(&c->buf[body_of[p]]), &body);
    else
        vd_buf_add(&body, vd_buf_span(&c->buf[body_of[p]]));
    if (m->broken == (int)p)
        body.p[body.n - 12] ^= 1;
    vd_buf_str(out, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n");
    if (p != ROOTCRL && m->without_chain != (int)p) {
        vd_buf_printf(out, "%s: ", field[p][m->lower]);
        percent(vd_buf_span(&c->buf[chain_of[p]]), out);
        vd_buf_str(out, "\r\n");
    }
    vd_buf_printf(out, "Content-Length: %zu\r\nConnection: close\r\n\r\n", body.n);
    vd_buf_add(out, vd_buf_span(&body));
}

static void answer(void *ctx, const char *target, vd_buf *out)
{
    struct service *s = ctx;
    enum piece p = piece_of(target);
    (void)pthread_mutex_lock(&s->lock);
    const struct manner m = s->manner;
    s->asked[p]++;
    (void)pthread_mutex_unlock(&s->lock);
    struct timespec t = { m.delay_ms / 1000, (long)(m.delay_ms % 1000) * 1000000 };
    (void)nanosleep(&t, NULL);
    bool tdx = strncmp(target, "/tdx/", 5) == 0 || p == PCKCRL || p == ROOTCRL;
    if (m.missing == (int)p)
        sim_kds_reply(out, "404 Not Found", VD_SPAN_NONE);
    else if (m.redirect == (int)p)
        vd_buf_printf(out, "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n",
                      target);
    else if (m.huge == (int)p) {
        vd_buf_str(out, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
        for (size_t i = 0; i < (3u << 20); i++)
            vd_buf_u8(out, ' ');
    } else
        answer_with(&m, tdx != (m.swapped == (int)p) ? &s->tdx : &s->sgx, p, out);
}

static void service_close(struct service *s)
{
    sim_kds_stop(s->kds);
    coll_done(&s->tdx);
    coll_done(&s->sgx);
}
#define AUTO_SERVICE __attribute__((cleanup(service_close))) struct service

static void service_open(struct service *s)
{
    (void)pthread_mutex_init(&s->lock, NULL);
    s->manner = good;
    s->tdx = coll_qvl(INTEL "dcap-qvl/tdx_quote_collateral.json");
    s->sgx = coll_qvl(INTEL "dcap-qvl/sgx_quote_collateral.json");
    s->kds = sim_kds_start(answer, s);
}

static void set_manner(struct service *s, struct manner m)
{
    (void)pthread_mutex_lock(&s->lock);
    s->manner = m;
    (void)pthread_mutex_unlock(&s->lock);
}

static unsigned asked(struct service *s)
{
    (void)pthread_mutex_lock(&s->lock);
    unsigned n = 0;
    for (int i = 0; i < PIECES; i++)
        n += s->asked[i];
    (void)pthread_mutex_unlock(&s->lock);
    return n;
}

/* A store that fetches there, with a cache folder. */
struct place {
    struct service service;
    struct coll_store store;
    char *cache;
    char *set[5];
};

static void place_close(struct place *p)
{
    coll_store_close(&p->store);
    service_close(&p->service);
    for (size_t i = 0; i < 5; i++)
        free(p->set[i]);
    free(p->cache);
}
#define AUTO_PLACE __attribute__((cleanup(place_close))) struct place

static void place_reopen(struct place *p)
{
    vd_err err = { 0 };
    coll_store_close(&p->store);
    assert_int_equal(coll_store_open(&p->store, NULL, (const char *const *)p->set, &err), VD_E_OK);
}

static void place_open(struct place *p)
{
    service_open(&p->service);
    p->cache = vd_test_dir("dcap-cache");
    p->set[0] = text("tee.dcap.pcs_url=\"%s/\"", sim_kds_url(p->service.kds));
    p->set[1] = text("collateral.cache=\"%s\"", p->cache);
    p->set[2] = text("limits.fetch_seconds=2");
    p->set[3] = text("limits.workers=64");
    set_clock(&p->store, at(CLOCK));
    place_reopen(p);
}

static const struct dcap_ask tdx_ask = { .tee = DCAP_TDX,
                                         .ca = DCAP_CA_PLATFORM,
                                         .fmspc = { 0xb0, 0xc0, 0x6f, 0, 0, 0 } };

static vd_code find(struct place *p, vd_err *err)
{
    DCAP_AUTO_FOUND found = { 0 };
    *err = (vd_err){ 0 };
    return dcap_collateral_find(p->store.c, &tdx_ask, "10.0.0.1", &found, err).code;
}

static void expect_find(struct place *p, vd_code want, const char *says)
{
    vd_err err;
    vd_code got = find(p, &err);
    if (got != want || (says && !strstr(err.msg, says)))
        print_error("got %s (%s)\n", got ? vd_error_row(got)->symbol : "OK", err.msg);
    assert_int_equal(got, want);
    if (says)
        assert_non_null(strstr(err.msg, says));
}

static void pass(struct place *p, int64_t seconds)
{
    p->store.ns += seconds * 1000000000;
}

/* ---- what services answer ----------------------------------------------------------------------
 */

static void pcs_and_pccs_are_both_understood(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool hex, lower;
    } cases[] = { { "PCS", false, false }, { "PCCS", true, true } };
    for (size_t i = 0; i < 2; i++) {
        AUTO_PLACE p = { 0 };
        place_open(&p);
        struct manner m = good;
        m.hex = cases[i].hex;
        m.lower = cases[i].lower;
        set_manner(&p.service, m);
        DCAP_AUTO_RESULT res = { 0 };
        vd_err err = { 0 };
        vd_code got = judge_with(&p.store, INTEL "dcap-qvl/tdx_quote", at(CLOCK), &res, &err);
        if (got != VD_E_OK)
            print_error("%s: %s\n", cases[i].name, err.msg);
        assert_int_equal(got, VD_E_OK);
        assert_int_equal(res.tcb.status, DCAP_UP_TO_DATE);
        assert_int_equal(asked(&p.service), 4);
        /* once is enough, and a restart remembers */
        expect_find(&p, VD_E_OK, NULL);
        place_reopen(&p);
        expect_find(&p, VD_E_OK, NULL);
        assert_int_equal(asked(&p.service), 4);
        dcap_result_done(&res);
        assert_int_equal(judge_with(&p.store, INTEL "dcap-qvl/tdx_quote", at(CLOCK), &res, &err),
                         VD_E_OK);
    }
}

static void nothing_bad_is_ever_stored(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t at; /* of the member in struct manner */
        int piece;
        const char *says;
    } cases[] = {
        { "no chain with TCB info", offsetof(struct manner, without_chain), TCB, "issuer chain" },
        { "no chain with identity", offsetof(struct manner, without_chain), IDENTITY,
          "issuer chain" },
        { "no chain with PCK CRL", offsetof(struct manner, without_chain), PCKCRL, "issuer chain" },
        { "spoilt TCB info", offsetof(struct manner, broken), TCB, "dcap.tcb" },
        { "spoilt identity", offsetof(struct manner, broken), IDENTITY, "dcap.identity" },
        { "spoilt PCK CRL", offsetof(struct manner, broken), PCKCRL, "dcap.pckcrl" },
        { "spoilt root CRL", offsetof(struct manner, broken), ROOTCRL, "dcap.rootcrl" },
        { "SGX info for TDX", offsetof(struct manner, swapped), TCB, "it is for sgx/" },
        { "SGX identity for TDX", offsetof(struct manner, swapped), IDENTITY, "it is for sgx" },
        { "Processor CA for Platform", offsetof(struct manner, swapped), PCKCRL,
          "it is for processor" },
        { "404", offsetof(struct manner, missing), TCB, "answers 404" },
        { "redirect", offsetof(struct manner, redirect), TCB, "answers 302" },
        { "more than any limit", offsetof(struct manner, huge), TCB, "above" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        AUTO_PLACE p = { 0 };
        place_open(&p);
        struct manner m = good;
        *(int *)(void *)((char *)&m + cases[i].at) = cases[i].piece;
        set_manner(&p.service, m);
        print_message("%s\n", cases[i].name);
        expect_find(&p, VD_E_COLLATERAL, cases[i].says);
        /* the rest was stored, that piece was not: after the pause it alone is asked for again */
        unsigned before = asked(&p.service);
        pass(&p, 301);
        set_manner(&p.service, good);
        expect_find(&p, VD_E_OK, NULL);
        assert_int_equal(asked(&p.service), before + 1);
    }
}

static void what_is_out_of_date_is_not_taken(void **state)
{
    (void)state;
    AUTO_PLACE p = { 0 };
    place_open(&p);
    set_clock(&p.store, at("2025-07-20T00:00:00Z"));
    expect_find(&p, VD_E_COLLATERAL, "out of date");
    set_clock(&p.store, at("2025-06-18T00:00:00Z"));
    pass(&p, 400);
    expect_find(&p, VD_E_COLLATERAL, "future");
}

/* ---- never backwards ---------------------------------------------------------------------------
 */

static vd_code import_file(struct place *p, const char *path, vd_err *err)
{
    VD_AUTO_BUF b = vd_test_file(path);
    VD_AUTO_BUF out = vd_buf_of(1 << 20);
    vd_jw w = vd_jw_of(&out);
    *err = (vd_err){ 0 };
    return iss_collateral_import(p->store.c, path, vd_buf_span(&b), &w, err).code;
}

static void expect_fetch(struct place *p, const char *kind, const char *key, vd_code want,
                         const char *says)
{
    vd_err err = { 0 };
    vd_code got = iss_collateral_fetch(p->store.c, kind, vd_span_str(key), &err).code;
    if (got != want || (says && !strstr(err.msg, says)))
        print_error("%s: got %s (%s)\n", kind, got ? vd_error_row(got)->symbol : "OK", err.msg);
    assert_int_equal(got, want);
    if (says)
        assert_non_null(strstr(err.msg, says));
}

static void an_older_issue_is_refused_after_a_newer(void **state)
{
    (void)state;
    AUTO_PLACE p = { 0 };
    place_open(&p);
    vd_err err = { 0 };
    /* evaluation 18 of 2025-02, then a service that still has 17 of 2025-06 for the same TEE */
    set_clock(&p.store, at("2025-03-10T00:00:00Z"));
    assert_int_equal(import_file(&p, OE "tdx_endorsement.bin", &err), VD_E_OK);
    set_clock(&p.store, at(CLOCK));
    expect_fetch(&p, "dcap.identity", "tdx", VD_E_COLLATERAL, "18 was held already");
    /* what was held is still given: its driver says that it ended */
    DCAP_AUTO_RESULT res = { 0 };
    assert_int_equal(judge_with(&p.store, INTEL "dcap-qvl/tdx_quote", at(CLOCK), &res, &err),
                     VD_E_COLLATERAL_EXPIRED);
    /* a restart does not forget it, nor does it count what an operator brings */
    place_reopen(&p);
    expect_fetch(&p, "dcap.identity", "tdx", VD_E_COLLATERAL, "18 was held already");
    assert_int_equal(import_file(&p, INTEL "dcap-qvl/tdx_quote_collateral.json", &err), VD_E_OK);
    expect_fetch(&p, "dcap.identity", "tdx", VD_E_COLLATERAL, "18 was held already");
    pass(&p, 31); /* the pause after a fetch that failed */
    assert_int_equal(judge_with(&p.store, INTEL "dcap-qvl/tdx_quote", at(CLOCK), &res, &err),
                     VD_E_COLLATERAL_EXPIRED);
}

/* Later documents by hand; the service keeps its older ones. */
static void a_mirror_cannot_go_back_in_time(void **state)
{
    (void)state;
    AUTO_PLACE p = { 0 };
    place_open(&p);
    vd_err err = { 0 };
    expect_find(&p, VD_E_OK, NULL);
    set_clock(&p.store, at("2025-07-14T00:00:00Z"));
    expect_fetch(&p, "dcap.pckcrl", "platform", VD_E_OK, NULL); /* the same again is no step back */

    set_clock(&p.store, at("2026-03-01T00:00:00Z"));
    assert_int_equal(import_file(&p, INTEL "dcap-qvl/tdx_quote_outdated_collateral.json", &err),
                     VD_E_OK);
    set_clock(&p.store, at("2025-07-14T00:00:00Z"));
    expect_fetch(&p, "dcap.pckcrl", "platform", VD_E_COLLATERAL, "issued before");
    expect_fetch(&p, "dcap.rootcrl", "intel", VD_E_OK, NULL); /* one year long the same */
    expect_fetch(&p, "dcap.identity", "tdx", VD_E_COLLATERAL, "held already");
    expect_fetch(&p, "dcap.tcb", "tdx/b0c06f000000", VD_E_OK, NULL); /* of another platform */
}

/* ---- time --------------------------------------------------------------------------------------
 */

static int64_t monotonic_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void all_four_are_waited_for_together(void **state)
{
    (void)state;
    AUTO_PLACE p = { 0 };
    place_open(&p);
    struct manner m = good;
    m.delay_ms = 600;
    set_manner(&p.service, m);
    int64_t t = monotonic_ms();
    expect_find(&p, VD_E_OK, NULL);
    t = monotonic_ms() - t;
    assert_true(t >= 600 && t < 2000); /* one after the other would be 2400 */
}

static void a_request_waits_no_longer_than_the_limit(void **state)
{
    (void)state;
    AUTO_PLACE p = { 0 };
    place_open(&p);
    struct manner m = good;
    m.delay_ms = 4000;
    set_manner(&p.service, m);
    int64_t t = monotonic_ms();
    expect_find(&p, VD_E_TIMEOUT, NULL);
    t = monotonic_ms() - t;
    assert_true(t < 3000);
}

static void a_copy_is_renewed_before_anybody_waits(void **state)
{
    (void)state;
    AUTO_PLACE p = { 0 };
    place_open(&p);
    expect_find(&p, VD_E_OK, NULL);
    assert_int_equal(asked(&p.service), 4);
    pass(&p, 86401);
    struct manner m = good;
    m.delay_ms = 700;
    set_manner(&p.service, m);
    int64_t t = monotonic_ms();
    expect_find(&p, VD_E_OK, NULL); /* given at once, however slow the service */
    assert_true(monotonic_ms() - t < 500);
    for (int i = 0; i < 300 && asked(&p.service) < 8; i++)
        (void)nanosleep(&(struct timespec){ 0, 10000000 }, NULL);
    assert_int_equal(asked(&p.service), 8);
    /* a service that is gone does no harm until the copy ends */
    (void)nanosleep(&(struct timespec){ 1, 0 }, NULL);
    pass(&p, 86401);
    m.delay_ms = 0;
    m.missing = TCB;
    set_manner(&p.service, m);
    expect_find(&p, VD_E_OK, NULL);
}

/* An unknown FMSPC is a stranger's choice; many of them are not asked for. */
static void unknown_platforms_are_bounded(void **state)
{
    (void)state;
    AUTO_PLACE p = { 0 };
    place_open(&p);
    coll_store_close(&p.store);
    p.set[4] = NULL;
    free(p.set[3]);
    p.set[3] = text("collateral.fetches_per_source=10");
    place_reopen(&p);
    struct manner m = good;
    m.missing = TCB;
    set_manner(&p.service, m);
    unsigned limited = 0;
    for (uint8_t i = 0; i < 20; i++) {
        struct dcap_ask ask = tdx_ask;
        ask.fmspc[5] = i;
        DCAP_AUTO_FOUND found = { 0 };
        vd_err err = { 0 };
        limited +=
            dcap_collateral_find(p.store.c, &ask, "10.0.0.1", &found, &err).code == VD_E_RATE;
    }
    assert_int_equal(limited, 13); /* the other three pieces were the first three of ten */
    assert_int_equal(asked(&p.service), 10);
    pass(&p, 61);
    expect_find(&p, VD_E_COLLATERAL, "404");
}

static void addresses_are_those_of_the_api(void **state)
{
    (void)state;
    static const struct {
        const char *set;
        const struct iss_collateral_kind *kind;
        const char *key;
        const char *url;
    } cases[] = {
        { NULL, &dcap_collateral_tcb, "tdx/00806f050000",
          "https://api.trustedservices.intel.com/tdx/certification/v4/"
          "tcb?fmspc=00806F050000&update=early" },
        { "tee.dcap.tcb_update=\"standard\"", &dcap_collateral_tcb, "sgx/00a067110000@00112233",
          "https://api.trustedservices.intel.com/sgx/certification/v4/"
          "tcb?fmspc=00A067110000&update=standard" },
        { "tee.dcap.pcs_url=\"https://pccs.example:8081/\"", &dcap_collateral_identity, "tdx",
          "https://pccs.example:8081/tdx/certification/v4/qe/identity?update=early" },
        { NULL, &dcap_collateral_pckcrl, "processor",
          "https://api.trustedservices.intel.com/sgx/certification/v4/"
          "pckcrl?ca=processor&encoding=der" },
        { NULL, &dcap_collateral_rootcrl, "intel",
          "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der" },
        { "tee.dcap.pcs_url=\"https://pccs.example\"", &dcap_collateral_rootcrl, "intel",
          "https://pccs.example/sgx/certification/v4/rootcacrl" },
        { "tee.dcap.root_crl_url=\"https://crl.example/r.crl\"", &dcap_collateral_rootcrl, "intel",
          "https://crl.example/r.crl" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *const set[] = { cases[i].set, NULL };
        const struct vd_setting *tables[] = { dcap_collateral_settings };
        size_t n[] = { dcap_collateral_settings_n };
        struct vd_config_src src = { .program = "issuer", .set = set };
        VD_AUTO(vd_config_free) struct vd_config *config = NULL;
        VD_AUTO_BUF url = vd_buf_of(1024);
        void *family = NULL;
        assert_ok(vd_config_load(&src, tables, n, 1, &config, NULL));
        assert_ok(dcap_collateral_family.open(config, &family, NULL));
        assert_ok(cases[i].kind->address(family, vd_span_str(cases[i].key), &url, NULL));
        assert_string_equal(vd_buf_cstr(&url), cases[i].url);
        dcap_collateral_family.close(family);
    }
    print_message("addresses: %zu cases\n", sizeof cases / sizeof cases[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pcs_and_pccs_are_both_understood),
        cmocka_unit_test(nothing_bad_is_ever_stored),
        cmocka_unit_test(what_is_out_of_date_is_not_taken),
        cmocka_unit_test(an_older_issue_is_refused_after_a_newer),
        cmocka_unit_test(a_mirror_cannot_go_back_in_time),
        cmocka_unit_test(all_four_are_waited_for_together),
        cmocka_unit_test(a_request_waits_no_longer_than_the_limit),
        cmocka_unit_test(a_copy_is_renewed_before_anybody_waits),
        cmocka_unit_test(unknown_platforms_are_bounded),
        cmocka_unit_test(addresses_are_those_of_the_api),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
