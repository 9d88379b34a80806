/* Passports with certificate chains: the scenarios of Trustee's unit tests (leaf trusted, leaf of
 * another key, no chain, wrong anchor, intermediates, their order, part of them in the trust file),
 * and the rule for the leaf's name. */
#include "tests/support/support.h"

#include "tests/unit/broker/mint.h"

#define DIR "tests/vectors/broker-x5c/"

static int64_t now_ns = (int64_t)NOW * 1000000000;

static int setup(void **state)
{
    (void)state;
    return vd_base_init(NULL).code == VD_E_OK ? 0 : 1;
}

static struct mint mint_file(const char *file)
{
    struct mint m = { .alg = VD_SIG_ES256 };
    VD_AUTO_BUF pem = vd_test_file(file);
    assert_ok(vd_key_from_pem(vd_buf_span(&pem), &m.key, NULL));
    assert_ok(vd_key_thumbprint(m.key, m.thumbprint, NULL));
    return m;
}

/* Files joined by blanks. */
static void pem_of(const char *files, vd_buf *out)
{
    vd_span rest = vd_span_str(files);
    while (rest.n) {
        size_t n = vd_span_find(rest, ' ');
        VD_AUTO_BUF path = vd_buf_of(256);
        vd_buf_printf(&path, DIR "%.*s.pem", (int)n, (const char *)rest.p);
        VD_AUTO_BUF pem = vd_test_file(vd_buf_cstr(&path));
        vd_buf_add(out, vd_buf_span(&pem));
        rest = vd_span_part(rest, n + 1, rest.n);
    }
}

static char *token_with(const struct mint *m, const char *chain, const char *jwk_alg)
{
    VD_AUTO_BUF head = vd_buf_of(65536), body = vd_buf_of(65536), jwk = vd_buf_of(4096),
                pem = vd_buf_of(65536);
    VD_AUTO(vd_certs_free) struct vd_certs *certs = NULL;
    assert_ok(vd_key_to_jwk(m->key, NULL, &jwk, NULL));
    vd_buf_printf(&head, "{\"typ\":\"JWT\",\"alg\":\"ES256\",\"jwk\":{%s%s%s",
                  jwk_alg ? "\"alg\":\"" : "", jwk_alg ? jwk_alg : "", jwk_alg ? "\"," : "");
    if (chain) {
        vd_buf_str(&head, "\"x5c\":[");
        if (*chain) {
            pem_of(chain, &pem);
            assert_ok(vd_certs_parse_pem(vd_buf_span(&pem), 16, &certs, NULL));
        }
        for (size_t i = 0; certs && i < certs->n; i++) {
            vd_buf_str(&head, i ? ",\"" : "\"");
            vd_b64_encode(vd_cert_der(certs->item[i]), VD_B64_STD, &head);
            vd_buf_str(&head, "\"");
        }
        vd_buf_str(&head, "],");
    }
    vd_buf_printf(&head, "%.*s}", (int)jwk.n - 1, (const char *)jwk.p + 1);
    payload_of(NULL, 0, &body);
    return sign_text(m, vd_buf_cstr(&head), vd_buf_span(&body));
}

static struct brk_trust *trust_ca(const char *anchors, const char *leaf_name)
{
    VD_AUTO_BUF pem = vd_buf_of(65536);
    pem_of(anchors, &pem);
    struct brk_trust *t = trust_new(&now_ns, NULL, 0);
    struct brk_issuer_spec spec = spec_of(VD_SPAN_NONE);
    spec.ca = vd_buf_span(&pem);
    spec.leaf_name = leaf_name;
    trust_entry(t, &spec);
    return t;
}

static void scenarios_of_chains(void **state)
{
    (void)state;
    static const struct {
        const char *label;
        const char *key;
        const char *anchors;
        const char *name;
        const char *chain; /* NULL: no x5c */
        const char *alg;   /* of the jwk */
        bool ok;
    } rows[] = {
        { "self-signed leaf, itself trusted", "self", "self", "issuer.test", "self", "ES256",
          true },
        { "leaf of another key", "other", "root", "issuer.test", "leaf inter2 inter1 root", "ES256",
          false },
        { "no x5c", "leaf", "root", "issuer.test", NULL, "ES256", false },
        { "x5c empty", "leaf", "root", "issuer.test", "", "ES256", false },
        { "wrong anchor of the same name", "leaf", "stranger-root", "issuer.test",
          "leaf inter2 inter1 root", "ES256", false },
        { "stranger's chain under the same names", "leaf", "root", "issuer.test",
          "stranger-leaf stranger-root", "ES256", false },
        { "leaf and intermediates to the root", "leaf", "root", "issuer.test", "leaf inter2 inter1",
          "ES256", true },
        { "with the root in the chain", "leaf", "root", "issuer.test", "leaf inter2 inter1 root",
          "ES256", true },
        { "intermediates permuted", "leaf", "root", "issuer.test", "leaf inter1 inter2", "ES256",
          true },
        { "trust file shuffled", "leaf", "inter1 stranger-root root", "issuer.test", "leaf inter2",
          "ES256", true },
        { "part of the intermediates in the trust file", "leaf", "root inter1", "issuer.test",
          "leaf inter2", "ES256", true },
        { "all intermediates in the trust file", "leaf", "root inter1 inter2", "issuer.test",
          "leaf", "ES256", true },
        { "an intermediate missing", "leaf", "root", "issuer.test", "leaf inter2", "ES256", false },
        { "only an intermediate trusted", "leaf", "inter1", "issuer.test", "leaf inter2", "ES256",
          false },
        { "chain in reverse order", "leaf", "root", "issuer.test", "inter1 inter2 leaf", "ES256",
          false },
        { "the root alone", "leaf", "root", "issuer.test", "root", "ES256", false },
        { "name by the common name", "leaf", "root", "issuer.test", "leaf-cn", "ES256", true },
        { "another certificate of the same CA", "other", "root", "issuer.test",
          "other inter2 inter1", "ES256", false },
        { "that one under its own name", "other", "root", "other.test", "other inter2 inter1",
          "ES256", true },
        { "name in another case of letters", "leaf", "root", "issuer.tes", "leaf inter2 inter1",
          "ES256", false },
        { "certificate that has ended", "short", "root", "issuer.test", "short", "ES256", false },
        { "jwk without alg", "leaf", "root", "issuer.test", "leaf-cn", NULL, true },
        { "jwk for another alg", "leaf", "root", "issuer.test", "leaf-cn", "ES384", false },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        VD_AUTO_BUF path = vd_buf_of(256);
        vd_buf_printf(&path, DIR "%s.key", rows[i].key);
        struct mint m = mint_file(vd_buf_cstr(&path));
        struct brk_trust *t = trust_ca(rows[i].anchors, rows[i].name);
        VD_AUTO(free) char *token = token_with(&m, rows[i].chain, rows[i].alg);
        vd_code got = code_of(t, token);
        if ((got == VD_E_OK) != rows[i].ok)
            print_error("%s: got %s\n", rows[i].label, vd_error_row(got)->symbol);
        assert_int_equal(got == VD_E_OK, rows[i].ok);
        if (!rows[i].ok)
            assert_int_equal(got, VD_E_PASSPORT_KEY);
        brk_trust_free(t);
        mint_done(&m);
    }
    print_message("x5c: %zu scenarios\n", sizeof rows / sizeof *rows);
}

static void short_certificate_counts_while_it_lasts(void **state)
{
    (void)state;
    struct mint m = mint_file(DIR "short.key");
    struct brk_trust *t = trust_ca("root", "issuer.test");
    const struct member change[] = { { "iat", "1780000000" },
                                     { "nbf", NULL },
                                     { "exp", "1780000300" } };
    VD_AUTO_BUF head = vd_buf_of(65536), body = vd_buf_of(65536);
    VD_AUTO(free) char *now_token = token_with(&m, "short", "ES256");
    vd_span token = vd_span_str(now_token);
    assert_ok(
        vd_b64_decode(vd_span_part(token, 0, vd_span_find(token, '.')), VD_B64_URL, &head, NULL));
    payload_of(change, 3, &body);
    VD_AUTO(free) char *then = sign_text(&m, vd_buf_cstr(&head), vd_buf_span(&body));
    now_ns = (int64_t)1780000000 * 1000000000; /* 2026-05-28 */
    assert_int_equal(code_of(t, then), VD_E_OK);
    now_ns = (int64_t)NOW * 1000000000;
    brk_trust_free(t);
    mint_done(&m);
}

static void bytes_of_a_chain_are_strict(void **state)
{
    (void)state;
    static const char *const x5c[] = {
        "[1]",
        "{}",
        "\"x\"",
        "[\"\"]",
        "[\"AAAA\"]",
        "[\"!!!\"]",
        "null",
        "[null]",
        "[[]]",
        "[\"AAAA\",\"AAAA\",\"AAAA\",\"AAAA\",\"AAAA\",\"AAAA\",\"AAAA\",\"AAAA\",\"AAAA\"]",
    };
    struct mint m = mint_file(DIR "leaf.key");
    struct brk_trust *t = trust_ca("root", "issuer.test");
    for (size_t i = 0; i < sizeof x5c / sizeof *x5c; i++) {
        VD_AUTO_BUF head = vd_buf_of(65536), body = vd_buf_of(65536), jwk = vd_buf_of(4096);
        assert_ok(vd_key_to_jwk(m.key, NULL, &jwk, NULL));
        vd_buf_printf(&head, "{\"typ\":\"JWT\",\"alg\":\"ES256\",\"jwk\":{\"x5c\":%s,%.*s}", x5c[i],
                      (int)jwk.n - 1, (const char *)jwk.p + 1);
        payload_of(NULL, 0, &body);
        VD_AUTO(free) char *token = sign_text(&m, vd_buf_cstr(&head), vd_buf_span(&body));
        assert_int_equal(code_of(t, token), VD_E_PASSPORT_KEY);
    }
    brk_trust_free(t);
    mint_done(&m);
}

static void chain_is_remembered_and_still_checked_by_key(void **state)
{
    (void)state;
    struct mint m = mint_file(DIR "leaf.key");
    struct mint stranger = mint_new(VD_KTY_P256, VD_SIG_ES256);
    struct brk_trust *t = trust_ca("root", "issuer.test");
    VD_AUTO(free) char *good = token_with(&m, "leaf inter2 inter1", "ES256");
    assert_int_equal(code_of(t, good), VD_E_OK);
    /* The header of the good token, whose chain is remembered, over a stranger's signature. */
    VD_AUTO_BUF head = vd_buf_of(65536), body = vd_buf_of(65536);
    vd_span token = vd_span_str(good);
    const struct member change = { "jti", "\"other\"" };
    assert_ok(
        vd_b64_decode(vd_span_part(token, 0, vd_span_find(token, '.')), VD_B64_URL, &head, NULL));
    payload_of(&change, 1, &body);
    VD_AUTO(free) char *forged = sign_text(&stranger, vd_buf_cstr(&head), vd_buf_span(&body));
    VD_AUTO(free) char *again = sign_text(&m, vd_buf_cstr(&head), vd_buf_span(&body));
    assert_int_equal(code_of(t, forged), VD_E_PASSPORT);
    assert_int_equal(code_of(t, again), VD_E_OK);
    brk_trust_free(t);
    mint_done(&m);
    mint_done(&stranger);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scenarios_of_chains),
        cmocka_unit_test(short_certificate_counts_while_it_lasts),
        cmocka_unit_test(bytes_of_a_chain_are_strict),
        cmocka_unit_test(chain_is_remembered_and_still_checked_by_key),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
