/* What must be refused: every flipped byte of a quote and of each signed piece of collateral, every
 * truncation, pieces that belong to something else, chains that are none. */
#include "tests/unit/issuer/tee/dcap/fixture.h"

#include "issuer/tee/dcap/signed.h"
#include "shared/crypto/x509_facts.h"

#define NOW_QVL "2025-07-01T00:00:00Z"

static vd_buf copy_of(vd_span s)
{
    vd_buf b = vd_buf_of(1 << 20);
    vd_buf_add(&b, s);
    assert_ok(vd_buf_check(&b, NULL));
    return b;
}

/* The genuine pairs of the three layouts. */
static const struct layout {
    const char *name;
    const char *quote;
    bool sgx;
    bool automata;
    const char *clock;
    /* absolute offsets: end of body, attestation key, QE report, authentication data, PEM */
    size_t body_end;
    size_t key;
    size_t qe;
    size_t auth;
    size_t pem;
} layouts[] = {
    { "version 3", INTEL "dcap-qvl/sgx_quote", true, false, NOW_QVL, 432, 500, 564, 1014, 1052 },
    { "version 4", INTEL "dcap-qvl/tdx_quote", false, false, NOW_QVL, 632, 700, 770, 1220, 1258 },
    { "version 5", OE "tdx_quote_v5.bin", false, true, "2025-11-01T00:00:00Z", 702, 770, 840, 1290,
      1328 },
};
enum { LAYOUTS = sizeof layouts / sizeof layouts[0] };

static struct coll load(const struct layout *l)
{
    if (l->automata)
        return coll_1025();
    return coll_qvl(l->sgx ? INTEL "dcap-qvl/sgx_quote_collateral.json"
                           : INTEL "dcap-qvl/tdx_quote_collateral.json");
}

/* Which error a flip at that place must give. */
static bool expected_code(const struct layout *l, size_t at_byte, vd_code got)
{
    if (at_byte < 48) /* version, key type, TEE type, vendor are looked at first */
        return got == VD_E_SIG || got == VD_E_EVIDENCE_VERSION || got == VD_E_KEY_TYPE ||
               got == VD_E_BAD_EVIDENCE || got == VD_E_CERT_DATA;
    if (at_byte < l->body_end) /* SVNs and the module's signer are judged before the signature */
        return got == VD_E_SIG || got == VD_E_TDX_MODULE || got == VD_E_BAD_EVIDENCE ||
               got == VD_E_EVIDENCE_VERSION;
    if (at_byte < l->body_end + 4)
        return got == VD_E_BAD_EVIDENCE;
    if (at_byte < l->key)
        return got == VD_E_SIG;
    if (at_byte < l->key + 64)
        return got == VD_E_QE_BINDING;
    if (at_byte < l->qe)
        return got == VD_E_BAD_EVIDENCE || got == VD_E_CERT_DATA;
    if (at_byte < l->qe + 448)
        return got == VD_E_QE_SIG;
    if (at_byte >= l->auth && at_byte < l->auth + 32)
        return got == VD_E_QE_BINDING;
    return got == VD_E_BAD_EVIDENCE || got == VD_E_CERT_DATA || got == VD_E_CHAIN;
}

static void every_flipped_byte_of_a_quote_is_refused(void **state)
{
    (void)state;
    for (int i = 0; i < LAYOUTS; i++) {
        const struct layout *l = &layouts[i];
        AUTO_KIT k = kit_new();
        AUTO_COLL c = load(l);
        struct dcap_collateral v = coll_view(&c);
        VD_AUTO_BUF quote = vd_test_file(l->quote);
        struct dcap_quote q;
        assert_ok(dcap_quote_parse(vd_buf_span(&quote), &q, NULL));
        size_t end = q.consumed;
        expect(l->name, VD_E_OK, &k, vd_buf_span(&quote), &v, at(l->clock));
        size_t same_chain = 0;
        for (size_t b = 0; b < end; b++) {
            quote.p[b] ^= (uint8_t)(1u << b % 7);
            DCAP_AUTO_RESULT res = { 0 };
            vd_err err;
            vd_code got = verify(&k, vd_buf_span(&quote), &v, at(l->clock), &res, &err);
            if (got == VD_E_OK && b >= l->pem)
                same_chain++; /* a line end of the PEM text became another blank */
            else if (!expected_code(l, b, got)) {
                print_error("%s: byte %zu: %s (%s)\n", l->name, b,
                            got ? vd_error_row(got)->symbol : "OK", err.msg);
                fail();
            }
            quote.p[b] ^= (uint8_t)(1u << b % 7);
        }
        print_message("%s: %zu flips refused, %zu in line ends of the PEM text\n", l->name,
                      end - same_chain, same_chain);
        assert_true(same_chain < 80);
    }
}

static void every_truncation_of_a_quote_is_refused(void **state)
{
    (void)state;
    for (int i = 0; i < LAYOUTS; i++) {
        VD_AUTO_BUF quote = vd_test_file(layouts[i].quote);
        struct dcap_quote q;
        assert_ok(dcap_quote_parse(vd_buf_span(&quote), &q, NULL));
        size_t end = q.consumed;
        for (size_t n = 0; n < end; n++) {
            vd_span cut = vd_test_guarded(vd_span_part(vd_buf_span(&quote), 0, n));
            assert_rc(VD_E_BAD_EVIDENCE, dcap_quote_parse(cut, &q, NULL));
            vd_test_guarded_free(cut);
        }
        assert_ok(dcap_quote_parse(vd_span_part(vd_buf_span(&quote), 0, end), &q, NULL));
    }
}

static void trailing_bytes_are_ignored(void **state)
{
    (void)state;
    const struct layout *l = &layouts[1];
    AUTO_KIT k = kit_new();
    AUTO_COLL c = load(l);
    struct dcap_collateral v = coll_view(&c);
    VD_AUTO_BUF quote = vd_test_file(l->quote);
    struct dcap_quote q;
    assert_ok(dcap_quote_parse(vd_buf_span(&quote), &q, NULL));
    size_t end = q.consumed;
    assert_int_equal(quote.n - end, 70);
    for (size_t i = end; i < quote.n; i++)
        quote.p[i] = 0xa5;
    expect("other padding", VD_E_OK, &k, vd_buf_span(&quote), &v, at(l->clock));
    expect("no padding", VD_E_OK, &k, vd_span_part(vd_buf_span(&quote), 0, end), &v, at(l->clock));
    VD_AUTO_BUF big = vd_buf_of(DCAP_QUOTE_MAX + 1);
    vd_buf_add(&big, vd_buf_span(&quote));
    uint8_t *p = vd_buf_extend(&big, DCAP_QUOTE_MAX - big.n);
    assert_non_null(p);
    for (size_t i = quote.n; i < big.n; i++)
        big.p[i] = 0;
    expect("as much as allowed", VD_E_OK, &k, vd_buf_span(&big), &v, at(l->clock));
    vd_buf_u8(&big, 0);
    expect("one byte more", VD_E_BAD_EVIDENCE, &k, vd_buf_span(&big), &v, at(l->clock));
}

/* The chain's three blocks. */
static void blocks_of(vd_span pem, vd_span ret[3])
{
    static const vd_span tail = VD_LIT("-----END CERTIFICATE-----\n");
    size_t from = 0;
    for (int i = 0; i < 3; i++) {
        size_t to = from;
        while (!vd_span_starts(vd_span_part(pem, to, pem.n), vd_span_part(tail, 0, tail.n - 1)))
            to++;
        to += tail.n - 1;
        while (to < pem.n && pem.p[to] == '\n')
            to++;
        ret[i] = vd_span_part(pem, from, to - from);
        from = to;
    }
}

static vd_code chain_of(const struct kit *k, const vd_span *block, const int *order, size_t n,
                        const char *between)
{
    VD_AUTO_BUF pem = vd_buf_of(1 << 16);
    for (size_t i = 0; i < n; i++) {
        vd_buf_add(&pem, block[order[i]]);
        vd_buf_str(&pem, between);
    }
    VD_AUTO(dcap_trust_unref) struct dcap_trust *t = NULL;
    return dcap_chain_verify(k->cache, vd_buf_span(&pem), at(NOW_QVL), &t, NULL).code;
}

static void the_order_of_certificates_does_not_matter_but_their_number_does(void **state)
{
    (void)state;
    AUTO_KIT k = kit_new();
    VD_AUTO_BUF quote = vd_test_file(layouts[1].quote);
    struct dcap_quote q;
    assert_ok(dcap_quote_parse(vd_buf_span(&quote), &q, NULL));
    vd_span block[3];
    blocks_of(q.cert_data, block);
    static const struct {
        const char *name;
        int order[4];
        size_t n;
        vd_code want;
    } rows[] = {
        { "leaf CA root", { 0, 1, 2 }, 3, VD_E_OK },
        { "leaf root CA", { 0, 2, 1 }, 3, VD_E_OK },
        { "CA leaf root", { 1, 0, 2 }, 3, VD_E_OK },
        { "CA root leaf", { 1, 2, 0 }, 3, VD_E_OK },
        { "root leaf CA", { 2, 0, 1 }, 3, VD_E_OK },
        { "root CA leaf", { 2, 1, 0 }, 3, VD_E_OK },
        { "nothing", { 0 }, 0, VD_E_BAD_EVIDENCE },
        { "no root", { 0, 1 }, 2, VD_E_BAD_EVIDENCE },
        { "no CA", { 0, 2 }, 2, VD_E_BAD_EVIDENCE },
        { "four", { 0, 1, 2, 1 }, 4, VD_E_BAD_EVIDENCE },
        { "two leaves", { 0, 0, 2 }, 3, VD_E_CHAIN },
        { "two CAs", { 1, 1, 2 }, 3, VD_E_CHAIN },
        { "two roots", { 0, 2, 2 }, 3, VD_E_CHAIN },
        { "CA for the root", { 0, 1, 1 }, 3, VD_E_CHAIN },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        vd_code got = chain_of(&k, block, rows[i].order, rows[i].n, "");
        if (got != rows[i].want) {
            print_error("%s: %d\n", rows[i].name, got);
            fail();
        }
    }
    /* what providers leave at the end */
    assert_int_equal(chain_of(&k, block, (int[]){ 0, 1, 2 }, 3, "\n"), VD_E_OK);
    VD_AUTO_BUF nul = copy_of(q.cert_data);
    vd_buf_u8(&nul, 0);
    vd_buf_str(&nul, "\n");
    vd_buf_u8(&nul, 0);
    VD_AUTO(dcap_trust_unref) struct dcap_trust *t = NULL;
    assert_ok(dcap_chain_verify(k.cache, vd_buf_span(&nul), at(NOW_QVL), &t, NULL));
    /* a genuine quote has leaf, root, CA */
    VD_AUTO_BUF other = vd_test_file(INTEL "fortanix-dcap-ql/quote_pck_cert_chain.bin");
    assert_ok(dcap_quote_parse(vd_buf_span(&other), &q, NULL));
    VD_AUTO(dcap_trust_unref) struct dcap_trust *t2 = NULL;
    assert_ok(dcap_chain_verify(k.cache, q.cert_data, at("2020-06-01T00:00:00Z"), &t2, NULL));
}

static void a_chain_of_other_peoples_certificates_is_refused(void **state)
{
    (void)state;
    AUTO_KIT k = kit_new();
    vd_span sgx[3];
    vd_span tdx[3];
    VD_AUTO_BUF a = vd_test_file(layouts[0].quote); /* Processor CA */
    VD_AUTO_BUF b = vd_test_file(layouts[1].quote); /* Platform CA */
    struct dcap_quote q;
    assert_ok(dcap_quote_parse(vd_buf_span(&a), &q, NULL));
    blocks_of(q.cert_data, sgx);
    assert_ok(dcap_quote_parse(vd_buf_span(&b), &q, NULL));
    blocks_of(q.cert_data, tdx);
    vd_span mixed[] = { sgx[0], tdx[1], tdx[2] };
    assert_int_equal(chain_of(&k, mixed, (int[]){ 0, 1, 2 }, 3, ""), VD_E_CHAIN);
    mixed[0] = tdx[0];
    mixed[1] = sgx[1];
    assert_int_equal(chain_of(&k, mixed, (int[]){ 0, 1, 2 }, 3, ""), VD_E_CHAIN);
    /* an altered CA: subject and signature no longer fit */
    VD_AUTO_BUF bad = vd_test_file(OE "sgx_report_bad.bin");
    assert_ok(dcap_quote_parse(vd_span_part(vd_buf_span(&bad), 16, bad.n), &q, NULL));
    VD_AUTO(dcap_trust_unref) struct dcap_trust *t = NULL;
    vd_err err = { 0 };
    vd_rc_ rc = dcap_chain_verify(k.cache, q.cert_data, at("2021-01-01T00:00:00Z"), &t, &err);
    assert_true(rc.code == VD_E_CHAIN || rc.code == VD_E_BAD_EVIDENCE);
    print_message("altered CA: %s\n", err.msg);
    assert_int_equal(dcap_cache_chain_hits(k.cache), 0);
}

static void a_changed_quote_signature_does_not_verify(void **state)
{
    (void)state;
    static const char *const paths[] = { INTEL "fortanix-dcap-ql/quote_pck_cert_chain.bin", INTEL
                                         "fortanix-dcap-ql/quote_pck_cert_chain_corrupted.bin" };
    for (size_t i = 0; i < 2; i++) {
        VD_AUTO_BUF quote = vd_test_file(paths[i]);
        struct dcap_quote q;
        assert_ok(dcap_quote_parse(vd_buf_span(&quote), &q, NULL));
        uint8_t point[65] = { 4 };
        memcpy(point + 1, q.att_key.p, 64);
        VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
        assert_ok(vd_key_from_point(VD_KTY_P256, vd_span_of(point, 65), &key, NULL));
        vd_rc_ rc = vd_verify(key, VD_SIG_ES256, q.signed_part, q.signature, NULL);
        assert_int_equal(rc.code, i == 0 ? VD_E_OK : VD_E_SIG);
    }
}

/* ---- collateral ---- */

static void every_flipped_byte_of_a_document_is_refused(void **state)
{
    (void)state;
    AUTO_KIT k = kit_new();
    AUTO_COLL c = load(&layouts[1]);
    static const struct {
        enum dcap_item item;
        enum dcap_item chain;
        const char *member;
    } rows[] = { { DCAP_TCB_INFO, DCAP_TCB_INFO_CHAIN, "tcbInfo" },
                 { DCAP_IDENTITY, DCAP_IDENTITY_CHAIN, "enclaveIdentity" } };
    for (size_t i = 0; i < 2; i++) {
        vd_buf *doc = &c.buf[rows[i].item];
        DCAP_AUTO_SIGNER s = { 0 };
        assert_ok(dcap_signer_check(k.roots, vd_buf_span(&c.buf[rows[i].chain]), &s, NULL));
        for (size_t b = 0; b < doc->n; b++) {
            doc->p[b] ^= (uint8_t)(1u << b % 7);
            vd_span inner;
            uint8_t sig[64];
            vd_rc_ rc = dcap_signed_split(vd_buf_span(doc), rows[i].member, &inner, sig, NULL);
            if (rc.code == VD_E_OK)
                rc = dcap_signed_verify(inner, sig, s.key, NULL);
            /* a hexadecimal digit of the signature may change its case */
            bool signature = b > inner.n && rc.code == VD_E_OK;
            assert_true(signature || rc.code == VD_E_COLLATERAL_SIG ||
                        rc.code == VD_E_COLLATERAL_SYNTAX);
            doc->p[b] ^= (uint8_t)(1u << b % 7);
        }
        print_message("%s: %zu flips\n", rows[i].member, doc->n);
    }
}

static void every_truncation_of_a_document_is_refused(void **state)
{
    (void)state;
    AUTO_COLL c = load(&layouts[1]);
    vd_span doc = vd_buf_span(&c.buf[DCAP_TCB_INFO]);
    for (size_t n = 0; n < doc.n; n++) {
        vd_span inner;
        uint8_t sig[64];
        vd_span cut = vd_test_guarded(vd_span_part(doc, 0, n));
        assert_rc(VD_E_COLLATERAL_SYNTAX, dcap_signed_split(cut, "tcbInfo", &inner, sig, NULL));
        vd_test_guarded_free(cut);
    }
}

static void every_flip_and_truncation_of_a_crl_is_refused(void **state)
{
    (void)state;
    AUTO_KIT k = kit_new();
    AUTO_COLL c = load(&layouts[1]);
    const struct dcap_root *root = NULL;
    DCAP_AUTO_CRL crl = { 0 };
    vd_buf *b = &c.buf[DCAP_ROOT_CRL];
    assert_ok(dcap_root_crl_check(k.roots, vd_buf_span(b), &crl, &root, NULL));
    assert_int_equal(crl.n, 0);
    for (size_t i = 0; i < b->n; i++) {
        b->p[i] ^= (uint8_t)(1u << i % 8);
        vd_rc_ rc = dcap_root_crl_check(k.roots, vd_buf_span(b), &crl, &root, NULL);
        assert_true(rc.code == VD_E_COLLATERAL_SIG || rc.code == VD_E_COLLATERAL_SYNTAX);
        b->p[i] ^= (uint8_t)(1u << i % 8);
        vd_span cut = vd_test_guarded(vd_span_part(vd_buf_span(b), 0, i));
        rc = dcap_root_crl_check(k.roots, cut, &crl, &root, NULL);
        assert_int_equal(rc.code, VD_E_COLLATERAL_SYNTAX);
        vd_test_guarded_free(cut);
    }
    b = &c.buf[DCAP_PCK_CRL];
    vd_span chain = vd_buf_span(&c.buf[DCAP_PCK_CRL_CHAIN]);
    DCAP_AUTO_CRL pck = { 0 };
    enum dcap_ca ca = DCAP_CA_PROCESSOR;
    assert_ok(dcap_pck_crl_check(k.roots, vd_buf_span(b), chain, &pck, &ca, NULL, NULL));
    assert_int_equal(pck.n, 44);
    assert_int_equal(pck.number, 1);
    assert_int_equal(ca, DCAP_CA_PLATFORM);
    for (size_t i = 0; i < b->n; i += 3) {
        b->p[i] ^= (uint8_t)(1u << i % 8);
        vd_rc_ rc = dcap_pck_crl_check(k.roots, vd_buf_span(b), chain, &crl, NULL, NULL, NULL);
        assert_true(rc.code == VD_E_COLLATERAL_SIG || rc.code == VD_E_COLLATERAL_SYNTAX);
        b->p[i] ^= (uint8_t)(1u << i % 8);
    }
    /* lookup: every one that is in, none that is not */
    for (size_t i = 0; i < pck.n; i++) {
        uint8_t serial[DCAP_SERIAL];
        memcpy(serial, pck.serial[i], sizeof serial);
        assert_true(dcap_crl_lists(&pck, serial));
        serial[DCAP_SERIAL - 1] ^= 1;
        assert_false(dcap_crl_lists(&pck, serial));
    }
}

static void every_flip_of_a_signing_chain_is_refused(void **state)
{
    (void)state;
    AUTO_KIT k = kit_new();
    AUTO_COLL c = load(&layouts[1]);
    vd_buf *b = &c.buf[DCAP_TCB_INFO_CHAIN];
    size_t blanks = 0;
    for (size_t i = 0; i < b->n; i++) {
        b->p[i] ^= (uint8_t)(1u << i % 7);
        DCAP_AUTO_SIGNER s = { 0 };
        vd_rc_ rc = dcap_signer_check(k.roots, vd_buf_span(b), &s, NULL);
        blanks += rc.code == VD_E_OK;
        assert_true(rc.code == VD_E_OK || rc.code == VD_E_COLLATERAL_CHAIN ||
                    rc.code == VD_E_COLLATERAL_SYNTAX);
        b->p[i] ^= (uint8_t)(1u << i % 7);
    }
    print_message("signing chain: %zu flips, %zu of them in line ends\n", b->n, blanks);
    assert_true(blanks < 40);
}

/* Pieces of another set in the place of the right ones. */
static void pieces_that_belong_to_something_else_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int layout; /* whose quote and set */
        enum dcap_item item;
        int from; /* whose piece, -1: the item `other` of the same set */
        enum dcap_item other;
        vd_code want;
    } rows[] = {
        { "SGX TCB info for TDX", 1, DCAP_TCB_INFO, 0, DCAP_TCB_INFO, VD_E_COLLATERAL_MISMATCH },
        { "SGX identity for TDX", 1, DCAP_IDENTITY, 0, DCAP_IDENTITY, VD_E_COLLATERAL_MISMATCH },
        { "TDX TCB info for SGX", 0, DCAP_TCB_INFO, 1, DCAP_TCB_INFO, VD_E_COLLATERAL_MISMATCH },
        { "TDX identity for SGX", 0, DCAP_IDENTITY, 1, DCAP_IDENTITY, VD_E_COLLATERAL_MISMATCH },
        { "another family's TCB info", 1, DCAP_TCB_INFO, 2, DCAP_TCB_INFO,
          VD_E_COLLATERAL_MISMATCH },
        { "Processor CRL for Platform CA", 1, DCAP_PCK_CRL, 0, DCAP_PCK_CRL, VD_E_COLLATERAL_SIG },
        { "Platform CRL for Processor CA", 0, DCAP_PCK_CRL, 1, DCAP_PCK_CRL, VD_E_COLLATERAL_SIG },
        { "Processor chain of the PCK CRL", 1, DCAP_PCK_CRL_CHAIN, 0, DCAP_PCK_CRL_CHAIN,
          VD_E_COLLATERAL_CHAIN },
        { "root CRL as PCK CRL", 1, DCAP_PCK_CRL, -1, DCAP_ROOT_CRL, VD_E_COLLATERAL_SIG },
        { "PCK CRL as root CRL", 1, DCAP_ROOT_CRL, -1, DCAP_PCK_CRL, VD_E_COLLATERAL_SIG },
        { "identity as TCB info", 1, DCAP_TCB_INFO, -1, DCAP_IDENTITY, VD_E_COLLATERAL_SYNTAX },
        { "TCB info as identity", 1, DCAP_IDENTITY, -1, DCAP_TCB_INFO, VD_E_COLLATERAL_SYNTAX },
        { "a CA as TCB signer", 1, DCAP_TCB_INFO_CHAIN, -1, DCAP_PCK_CRL_CHAIN,
          VD_E_COLLATERAL_CHAIN },
        { "a CA as identity signer", 1, DCAP_IDENTITY_CHAIN, -1, DCAP_PCK_CRL_CHAIN,
          VD_E_COLLATERAL_CHAIN },
        { "the TCB signer as CA", 1, DCAP_PCK_CRL_CHAIN, -1, DCAP_TCB_INFO_CHAIN,
          VD_E_COLLATERAL_CHAIN },
        { "a document as a chain", 1, DCAP_TCB_INFO_CHAIN, -1, DCAP_TCB_INFO,
          VD_E_COLLATERAL_SYNTAX },
        { "a chain as a CRL", 1, DCAP_PCK_CRL, -1, DCAP_PCK_CRL_CHAIN, VD_E_COLLATERAL_SYNTAX },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct layout *l = &layouts[rows[i].layout];
        AUTO_KIT k = kit_new();
        AUTO_COLL c = load(l);
        AUTO_COLL other = load(rows[i].from >= 0 ? &layouts[rows[i].from] : l);
        coll_set(&c, rows[i].item, vd_buf_span(&other.buf[rows[i].other]));
        struct dcap_collateral v = coll_view(&c);
        VD_AUTO_BUF quote = vd_test_file(l->quote);
        expect(rows[i].name, rows[i].want, &k, vd_buf_span(&quote), &v, at(l->clock));
        /* and never remembered as good */
        expect(rows[i].name, rows[i].want, &k, vd_buf_span(&quote), &v, at(l->clock));
    }
    print_message("swapped pieces: %zu cases\n", sizeof rows / sizeof rows[0]);
}

static vd_code fortanix_document(const struct kit *k, const char *path, bool identity)
{
    AUTO_COLL c = coll_new();
    coll_fortanix(&c, identity ? DCAP_IDENTITY : DCAP_TCB_INFO, path);
    struct dcap_collateral v = coll_view(&c);
    vd_span inner;
    uint8_t signature[64];
    assert_ok(dcap_signed_split(identity ? v.identity : v.tcb_info,
                                identity ? "enclaveIdentity" : "tcbInfo", &inner, signature, NULL));
    DCAP_AUTO_SIGNER s = { 0 };
    vd_rc_ rc =
        dcap_signer_check(k->roots, identity ? v.identity_chain : v.tcb_info_chain, &s, NULL);
    return rc.code ? rc.code : dcap_signed_verify(inner, signature, s.key, NULL).code;
}

static void altered_documents_do_not_verify(void **state)
{
    (void)state;
    AUTO_KIT k = kit_new();
    static const struct {
        const char *path;
        bool identity;
        vd_code want;
    } rows[] = {
        { "fortanix-pcs/00906ea10000.tcb", false, VD_E_OK },
        { "fortanix-pcs/corrupted/00906ea10000.tcb", false, VD_E_COLLATERAL_SIG },
        { "fortanix-pcs/qe3_identity.id", true, VD_E_OK },
        { "fortanix-pcs/corrupted/qe3_identity.id", true, VD_E_COLLATERAL_SIG },
        { "fortanix-pcs/90806f000000-19.tcb", false, VD_E_OK },
        { "fortanix-pcs/eval-num-select-best/00606a000000-17.tcb", false, VD_E_OK },
        { "fortanix-pcs/eval-num-select-best/00606a000000-18.tcb", false, VD_E_OK },
        { "fortanix-pcs/eval-num-select-best/00606a000000-19.tcb", false, VD_E_OK },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char path[256];
        (void)snprintf(path, sizeof path, INTEL "%s", rows[i].path);
        vd_code got = fortanix_document(&k, path, rows[i].identity);
        if (got != rows[i].want) {
            print_error("%s: %d\n", rows[i].path, got);
            fail();
        }
    }
    AUTO_COLL c = load(&layouts[1]); /* the signer of 2020 has the same key */
    coll_file(&c, DCAP_IDENTITY, INTEL "fortanix-dcap-ql/qe3_identity.json");
    struct dcap_identity *id = NULL;
    struct dcap_collateral v = coll_view(&c);
    assert_ok(dcap_identity_check(k.roots, v.identity, v.identity_chain, &id, NULL, NULL));
    dcap_identity_unref(id);
    coll_file(&c, DCAP_IDENTITY, INTEL "fortanix-dcap-ql/corrupt_qe3_identity.json");
    v = coll_view(&c);
    assert_rc(VD_E_COLLATERAL_SIG,
              dcap_identity_check(k.roots, v.identity, v.identity_chain, &id, NULL, NULL));
}

/* ---- what is kept, and floors ---- */

static void a_warm_verification_checks_two_signatures_only(void **state)
{
    (void)state;
    AUTO_KIT k = kit_new();
    AUTO_COLL c = load(&layouts[1]);
    struct dcap_collateral v = coll_view(&c);
    VD_AUTO_BUF quote = vd_test_file(layouts[1].quote);
    for (int i = 0; i < 3; i++) {
        expect("warm", VD_E_OK, &k, vd_buf_span(&quote), &v, at(NOW_QVL));
        assert_int_equal(dcap_cache_chain_hits(k.cache), i);
        assert_int_equal(dcap_cache_set_hits(k.cache), i);
    }
    /* numbered items are found by their numbers, and another number is another item */
    for (int i = 0; i < DCAP_ITEM_MAX; i++)
        v.id[i] = (uint64_t)i + 1;
    for (int i = 0; i < 2; i++)
        expect("numbered", VD_E_OK, &k, vd_buf_span(&quote), &v, at(NOW_QVL));
    assert_int_equal(dcap_cache_set_hits(k.cache), 3);
    v.id[DCAP_PCK_CRL] = 99;
    v.pck_crl = v.root_crl;
    expect("other bytes", VD_E_COLLATERAL_SIG, &k, vd_buf_span(&quote), &v, at(NOW_QVL));
    assert_int_equal(dcap_cache_set_hits(k.cache), 3);
    /* warm is not for ever */
    v = coll_view(&c);
    expect("later", VD_E_COLLATERAL_EXPIRED, &k, vd_buf_span(&quote), &v,
           at("2025-08-01T00:00:00Z"));
}

static void floors_of_the_configuration_refuse(void **state)
{
    (void)state;
    AUTO_KIT k = kit_new();
    AUTO_COLL c = load(&layouts[0]);
    struct dcap_collateral v = coll_view(&c);
    VD_AUTO_BUF quote = vd_test_file(layouts[0].quote);
    vd_span q = vd_buf_span(&quote);
    static const char *const mine[] = { "00a067110000" };
    static const char *const others[] = { "00906ED50000", "b0c06f000000" };
    static const char *const bad[] = { "INTEL-SA-09999", "INTEL-SA-00615" };
    k.cfg.min_eval_num = 17;
    expect("number 17", VD_E_OK, &k, q, &v, at(NOW_QVL));
    k.cfg.min_eval_num = 18;
    expect("number 18", VD_E_COLLATERAL_OLD, &k, q, &v, at(NOW_QVL));
    k.cfg.min_eval_num = 0;
    k.cfg.fmspcs = mine;
    k.cfg.n_fmspcs = 1;
    expect("own family", VD_E_OK, &k, q, &v, at(NOW_QVL));
    k.cfg.fmspcs = others;
    k.cfg.n_fmspcs = 2;
    expect("other families", VD_E_TCB_FLOOR, &k, q, &v, at(NOW_QVL));
    k.cfg.n_fmspcs = 0;
    k.cfg.min_tcb_date = at("2024-03-13T00:00:00Z");
    expect("date", VD_E_OK, &k, q, &v, at(NOW_QVL));
    k.cfg.min_tcb_date++;
    expect("later date", VD_E_TCB_FLOOR, &k, q, &v, at(NOW_QVL));
    k.cfg.min_tcb_date = 0;
    k.cfg.rejected_advisories = bad;
    k.cfg.n_rejected_advisories = 1;
    expect("advisory that does not apply", VD_E_OK, &k, q, &v, at(NOW_QVL));
    k.cfg.n_rejected_advisories = 2;
    expect("advisory", VD_E_TCB_FLOOR, &k, q, &v, at(NOW_QVL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_flipped_byte_of_a_quote_is_refused),
        cmocka_unit_test(every_truncation_of_a_quote_is_refused),
        cmocka_unit_test(trailing_bytes_are_ignored),
        cmocka_unit_test(the_order_of_certificates_does_not_matter_but_their_number_does),
        cmocka_unit_test(a_chain_of_other_peoples_certificates_is_refused),
        cmocka_unit_test(a_changed_quote_signature_does_not_verify),
        cmocka_unit_test(every_flipped_byte_of_a_document_is_refused),
        cmocka_unit_test(every_truncation_of_a_document_is_refused),
        cmocka_unit_test(every_flip_and_truncation_of_a_crl_is_refused),
        cmocka_unit_test(every_flip_of_a_signing_chain_is_refused),
        cmocka_unit_test(pieces_that_belong_to_something_else_are_refused),
        cmocka_unit_test(altered_documents_do_not_verify),
        cmocka_unit_test(a_warm_verification_checks_two_signatures_only),
        cmocka_unit_test(floors_of_the_configuration_refuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
