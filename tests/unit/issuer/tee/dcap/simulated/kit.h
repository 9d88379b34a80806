/* A simulated Intel platform before dcap_verify: one trial is a quote, a PCK certificate and a set
 * of collateral, each with any deviation. */
#pragma once

#include "tests/support/support.h"

#include "issuer/tee/dcap/dcap.h"
#include "tests/support/simtdx/simtdx.h"

#define UNUSED __attribute__((unused))
#define AT_2026 INT64_C(1780272000) /* 2026-06-01T00:00:00Z */

struct kit {
    struct simtdx_pki *pki;
    struct dcap_roots *roots;
    struct dcap_cache *cache;
    struct dcap_cfg cfg;
};

UNUSED static void kit_open(struct kit *k)
{
    char dir[4096];
    vd_err err = { 0 };
    (void)snprintf(dir, sizeof dir, "%s/simtdx", VD_BINARY_DIR);
    *k = (struct kit){ .pki = simtdx_pki_load(dir) };
    const char *extra[] = { simtdx_pki_root(k->pki) };
    assert_ok(dcap_roots_new(extra, 1, &k->roots, &err));
    assert_ok(dcap_cache_new(k->roots, 16, &k->cache, &err));
    k->cfg = (struct dcap_cfg){ .roots = k->roots, .cache = k->cache, .skew = 300 };
}

UNUSED static void kit_close(struct kit *k)
{
    dcap_cache_free(k->cache);
    dcap_roots_free(k->roots);
    simtdx_pki_free(k->pki);
}

/* A text in a document that is replaced before it is signed. */
struct swap {
    const char *from;
    const char *to;
};
struct trial {
    struct simtdx_quote quote;
    struct simtdx_pck pck;
    struct simtdx_collateral coll;
    struct swap info;
    struct swap identity;
    enum dcap_item missing; /* with has_missing */
    bool has_missing;
    int64_t now;
};

UNUSED static struct trial trial_of(unsigned version, unsigned body_type)
{
    struct trial t = { .now = AT_2026 };
    simtdx_quote_defaults(version, body_type, &t.quote);
    simtdx_pck_defaults(&t.pck);
    simtdx_collateral_defaults(AT_2026, &t.coll);
    return t;
}

static void swap_text(const struct kit *k, const char *name, const struct swap *s, vd_buf *doc)
{
    VD_AUTO_BUF inner = vd_buf_of(1u << 20);
    const char *text = vd_buf_cstr(doc);
    const char *from = strchr(text, ':') + 1;
    const char *end = strstr(text, ",\"signature\":\"");
    const char *at = strstr(from, s->from);
    assert_non_null(at);
    assert_true(at < end);
    const char *behind = at + strlen(s->from);
    vd_buf_add(&inner, vd_span_of(from, (size_t)(at - from)));
    vd_buf_str(&inner, s->to);
    vd_buf_add(&inner, vd_span_of(behind, (size_t)(end - behind)));
    vd_buf_reset(doc);
    simtdx_sign_json(k->pki, SIMTDX_SIGNER, name, vd_buf_span(&inner), doc);
}

/* What a trial gives; free with outcome_done. */
struct outcome {
    vd_code code;
    vd_err err;
    struct dcap_result result;
    struct iss_claims_list *checks;
};

UNUSED static void outcome_done(struct outcome *o)
{
    dcap_result_done(&o->result);
    iss_claims_list_free(o->checks);
}

UNUSED static struct outcome trial_run(const struct kit *k, const struct trial *t)
{
    struct outcome o = { .checks = iss_claims_list_new() };
    VD_AUTO_BUF bytes = vd_buf_of(1u << 20);
    struct simtdx_pieces x;
    struct dcap_quote q;
    assert_non_null(o.checks);
    simtdx_quote_make(k->pki, &t->quote, &t->pck, &bytes);
    simtdx_pieces_make(k->pki, &t->coll, !t->quote.sgx, &x);
    if (t->info.from)
        swap_text(k, "tcbInfo", &t->info, &x.info);
    if (t->identity.from)
        swap_text(k, "enclaveIdentity", &t->identity, &x.identity);
    struct dcap_collateral c = { .tcb_info = vd_buf_span(&x.info),
                                 .tcb_info_chain = vd_buf_span(&x.info_chain),
                                 .identity = vd_buf_span(&x.identity),
                                 .identity_chain = vd_buf_span(&x.identity_chain),
                                 .pck_crl = vd_buf_span(&x.pck_crl),
                                 .pck_crl_chain = vd_buf_span(&x.pck_crl_chain),
                                 .root_crl = vd_buf_span(&x.root_crl) };
    vd_span *const span[DCAP_ITEM_MAX] = { &c.tcb_info,       &c.tcb_info_chain, &c.identity,
                                           &c.identity_chain, &c.pck_crl,        &c.pck_crl_chain,
                                           &c.root_crl };
    if (t->has_missing)
        *span[t->missing] = VD_SPAN_NONE;
    o.code = dcap_quote_parse(vd_buf_span(&bytes), &q, &o.err).code;
    if (o.code == VD_E_OK)
        o.code = dcap_verify(&k->cfg, &q, &c, t->now, &o.result, o.checks, &o.err).code;
    simtdx_pieces_done(&x);
    return o;
}

UNUSED static const char *code_name(vd_code code)
{
    return code == VD_E_OK ? "OK" : vd_error_row(code)->symbol;
}

/* Fails the test with the reason when the code is another. */
UNUSED static void expect(const struct kit *k, const char *name, vd_code want,
                          const struct trial *t)
{
    struct outcome o = trial_run(k, t);
    if (o.code != want) {
        print_error("%s: got %s (%s), wanted %s\n", name, code_name(o.code), o.err.msg,
                    code_name(want));
        fail();
    }
    /* a refusal leaves nothing behind and says in the record what failed */
    if (want != VD_E_OK) {
        assert_null(o.result.trust);
        assert_null(o.result.set);
    }
    outcome_done(&o);
}

/* Accepted, with this converged status. */
UNUSED static void expect_status(const struct kit *k, const char *name, const char *want,
                                 const struct trial *t)
{
    struct outcome o = trial_run(k, t);
    if (o.code != VD_E_OK) {
        print_error("%s: refused with %s (%s)\n", name, code_name(o.code), o.err.msg);
        fail();
    }
    if (strcmp(dcap_status_name(o.result.tcb.status), want) != 0) {
        print_error("%s: %s, wanted %s\n", name, dcap_status_name(o.result.tcb.status), want);
        fail();
    }
    assert_true(o.result.simulated);
    outcome_done(&o);
}

/* Each deviation alone, on quotes of three kinds. */
struct row {
    const char *name;
    vd_code want;
    void (*deviate)(struct trial *t);
};

UNUSED static void run_rows(const struct kit *k, const char *what, const struct row *row, size_t n)
{
    static const struct {
        unsigned version;
        unsigned body;
    } kinds[] = { { 4, 2 }, { 5, 3 }, { 3, 1 } };
    size_t ran = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < sizeof kinds / sizeof kinds[0]; j++) {
            char name[160];
            struct trial t = trial_of(kinds[j].version, kinds[j].body);
            (void)snprintf(name, sizeof name, "%s: %s, version %u", what, row[i].name,
                           kinds[j].version);
            row[i].deviate(&t);
            expect(k, name, row[i].want, &t);
            ran++;
        }
    print_message("%s: %zu cases\n", what, ran);
}
#define RUN(what, rows) run_rows(*state, what, rows, sizeof(rows) / sizeof((rows)[0]))
#define DEVIATION(name) static void name(struct trial *t)

UNUSED static int open_kit(void **state)
{
    struct kit *k = calloc(1, sizeof *k);
    if (!k || vd_base_init(NULL).code != VD_E_OK)
        return -1;
    kit_open(k);
    *state = k;
    return 0;
}

UNUSED static int close_kit(void **state)
{
    kit_close(*state);
    free(*state);
    return 0;
}
