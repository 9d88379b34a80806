/* Quotes of the kinds of which no genuine one is public, and collateral, byte by byte: every flip
 * before the certificates and every truncation is refused. */
#include "tests/unit/issuer/tee/dcap/simulated/kit.h"

static const struct {
    unsigned version;
    unsigned body;
} kinds[] = { { 5, 1 }, { 5, 2 }, { 5, 4 } };
enum { KINDS = sizeof kinds / sizeof kinds[0] };

static struct dcap_collateral spans(const struct simtdx_pieces *x)
{
    return (struct dcap_collateral){ .tcb_info = vd_buf_span(&x->info),
                                     .tcb_info_chain = vd_buf_span(&x->info_chain),
                                     .identity = vd_buf_span(&x->identity),
                                     .identity_chain = vd_buf_span(&x->identity_chain),
                                     .pck_crl = vd_buf_span(&x->pck_crl),
                                     .pck_crl_chain = vd_buf_span(&x->pck_crl_chain),
                                     .root_crl = vd_buf_span(&x->root_crl) };
}

static vd_code check(const struct kit *k, vd_span bytes, const struct dcap_collateral *c)
{
    struct dcap_quote q;
    DCAP_AUTO_RESULT result = { 0 };
    vd_rc_ rc = dcap_quote_parse(bytes, &q, NULL);
    if (rc.code == VD_E_OK)
        rc = dcap_verify(&k->cfg, &q, c, AT_2026, &result, NULL, NULL);
    return rc.code;
}

static void every_flip_and_every_truncation_of_a_quote_is_refused(void **state)
{
    const struct kit *k = *state;
    size_t flips = 0, cuts = 0;
    for (size_t i = 0; i < KINDS; i++) {
        struct trial t = trial_of(kinds[i].version, kinds[i].body);
        struct simtdx_pieces x;
        VD_AUTO_BUF quote = vd_buf_of(1u << 20);
        simtdx_quote_make(k->pki, &t.quote, &t.pck, &quote);
        simtdx_pieces_make(k->pki, &t.coll, !t.quote.sgx, &x);
        struct dcap_collateral c = spans(&x);
        assert_int_equal(check(k, vd_buf_span(&quote), &c), VD_E_OK);
        const char *pem = memmem(quote.p, quote.n, "-----BEGIN", 10);
        assert_non_null(pem);
        for (size_t at = 0; at < (size_t)((const uint8_t *)pem - quote.p); at++, flips++) {
            quote.p[at] ^= (uint8_t)(1u << at % 8);
            if (check(k, vd_buf_span(&quote), &c) == VD_E_OK) {
                print_error("version %u, body %u: byte %zu\n", kinds[i].version, kinds[i].body, at);
                fail();
            }
            quote.p[at] ^= (uint8_t)(1u << at % 8);
        }
        for (size_t n = 0; n < quote.n; n++, cuts++) {
            vd_span cut = vd_test_guarded(vd_span_of(quote.p, n));
            assert_int_not_equal(check(k, cut, &c), VD_E_OK);
            vd_test_guarded_free(cut);
        }
        simtdx_pieces_done(&x);
    }
    print_message("quotes: %zu flips, %zu truncations\n", flips, cuts);
}

static void every_flip_in_a_document_or_crl_is_refused(void **state)
{
    const struct kit *k = *state;
    struct trial t = trial_of(5, 3);
    struct simtdx_pieces x;
    VD_AUTO_BUF quote = vd_buf_of(1u << 20);
    simtdx_quote_make(k->pki, &t.quote, &t.pck, &quote);
    simtdx_pieces_make(k->pki, &t.coll, true, &x);
    struct dcap_collateral c = spans(&x);
    vd_buf *const pieces[] = { &x.info, &x.identity, &x.pck_crl, &x.root_crl };
    size_t flips = 0;
    assert_int_equal(check(k, vd_buf_span(&quote), &c), VD_E_OK);
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++)
        for (size_t at = 0; at < pieces[i]->n; at++, flips++) {
            /* the case of a hexadecimal digit of the signature says nothing: bit 5 is left alone */
            uint8_t bit = (uint8_t)(1u << (at % 8 == 5 ? 6 : at % 8));
            pieces[i]->p[at] ^= bit;
            if (check(k, vd_buf_span(&quote), &c) == VD_E_OK) {
                print_error("piece %zu: byte %zu\n", i, at);
                fail();
            }
            pieces[i]->p[at] ^= bit;
        }
    assert_int_equal(check(k, vd_buf_span(&quote), &c), VD_E_OK);
    simtdx_pieces_done(&x);
    print_message("collateral: %zu flips\n", flips);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_flip_and_every_truncation_of_a_quote_is_refused),
        cmocka_unit_test(every_flip_in_a_document_or_crl_is_refused),
    };
    return cmocka_run_group_tests(tests, open_kit, close_kit);
}
