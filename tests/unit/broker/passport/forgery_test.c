/* Forgeries of a passport that is in the cache, and tokens of other purposes under the issuer's own
 * key: what was verified once makes nothing else good. */
#include "tests/support/support.h"

#include "shared/base/secret.h"
#include "tests/unit/broker/mint.h"

struct fixture {
    struct mint key;
    struct mint other;
    int64_t now_ns;
    struct brk_trust *trust;
};

static int setup(void **state)
{
    static struct fixture f;
    assert_ok(vd_base_init(NULL));
    f = (struct fixture){ .key = mint_new(VD_KTY_P256, VD_SIG_ES256),
                          .other = mint_new(VD_KTY_P256, VD_SIG_ES256),
                          .now_ns = (int64_t)NOW * 1000000000 };
    const struct mint *keys[] = { &f.key };
    const struct mint *others[] = { &f.other };
    VD_AUTO_BUF jwks = vd_buf_of(65536);
    VD_AUTO_BUF more = vd_buf_of(65536);
    jwks_of(keys, 1, &jwks);
    jwks_of(others, 1, &more);
    f.trust = trust_new(&f.now_ns, NULL, 0);
    struct brk_issuer_spec spec = spec_of(vd_buf_span(&jwks));
    trust_entry(f.trust, &spec);
    spec = spec_of(vd_buf_span(&more));
    spec.name = "other";
    spec.issuer = "https://other.test";
    trust_entry(f.trust, &spec);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    brk_trust_free(f->trust);
    mint_done(&f->key);
    mint_done(&f->other);
    return 0;
}

static void expect_refused(struct fixture *f, const char *token, size_t *n)
{
    assert_int_not_equal(code_of(f->trust, token), VD_E_OK);
    (*n)++;
}

/* RFC 7515's parts of one token in another's place, and everything that shares a beginning or an
 * end with a token that was accepted a moment ago. */
static void forgeries_that_share_parts_of_a_cached_passport_are_refused(void **state)
{
    struct fixture *f = *state;
    static const struct member change = { "jti", "\"BBBBBBBBBBBBBBBBBBBBBB\"" };
    VD_AUTO(free) char *good = token_of(&f->key, NULL, 0);
    VD_AUTO(free) char *second = token_of(&f->key, &change, 1);
    assert_int_equal(code_of(f->trust, good), VD_E_OK);
    assert_int_equal(code_of(f->trust, second), VD_E_OK);
    assert_int_equal(code_of(f->trust, good), VD_E_OK);
    size_t n = 0;
    size_t dot = (size_t)(strrchr(good, '.') - good);
    for (size_t i = 0; i < 200; i++) { /* a signature of random bytes over the cached text */
        uint8_t sig[64];
        vd_random(sig, sizeof sig);
        VD_AUTO_BUF forged = vd_buf_of(1 << 16);
        vd_buf_add(&forged, vd_span_of(good, dot + 1));
        vd_b64_encode(vd_span_of(sig, sizeof sig), VD_B64_URL, &forged);
        expect_refused(f, vd_buf_cstr(&forged), &n);
    }
    size_t dot2 = (size_t)(strrchr(second, '.') - second);
    VD_AUTO_BUF swapped = vd_buf_of(1 << 16);
    vd_buf_add(&swapped, vd_span_of(good, dot));
    vd_buf_str(&swapped, second + dot2);
    expect_refused(f, vd_buf_cstr(&swapped), &n);
    for (size_t i = 1; i < 64; i++) { /* longer and shorter by a few characters */
        VD_AUTO_BUF longer = vd_buf_of(1 << 16);
        vd_buf_str(&longer, good);
        for (size_t k = 0; k < i; k++)
            vd_buf_u8(&longer, (uint8_t) "A=.\n AB-_"[i % 9]);
        expect_refused(f, vd_buf_cstr(&longer), &n);
        VD_AUTO(free) char *shorter = vd_strdup_span(vd_span_of(good, strlen(good) - i));
        expect_refused(f, shorter, &n);
    }
    assert_int_equal(code_of(f->trust, good), VD_E_OK);
    print_message("forgeries of a cached passport: %zu refused\n", n);
}

/* High S is the same signature by another text: allowed for a JWS, and never an identity. */
static void the_two_texts_of_one_signature_are_two_passports(void **state)
{
    struct fixture *f = *state;
    static const uint8_t order[32] = { 0xff, 0xff, 0xff, 0xff, 0,    0,    0,    0,
                                       0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                       0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84,
                                       0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51 };
    VD_AUTO(free) char *good = token_of(&f->key, NULL, 0);
    size_t dot = (size_t)(strrchr(good, '.') - good);
    VD_AUTO_BUF sig = vd_buf_of(128);
    assert_ok(vd_b64_decode(vd_span_str(good + dot + 1), VD_B64_URL, &sig, NULL));
    assert_int_equal(sig.n, 64);
    int borrow = 0;
    for (size_t i = 32; i > 0; i--) { /* s := order - s */
        int d = (int)order[i - 1] - (int)sig.p[32 + i - 1] - borrow;
        borrow = d < 0;
        sig.p[32 + i - 1] = (uint8_t)(d + (borrow ? 256 : 0));
    }
    VD_AUTO_BUF twin = vd_buf_of(1 << 16);
    vd_buf_add(&twin, vd_span_of(good, dot + 1));
    vd_b64_encode(vd_buf_span(&sig), VD_B64_URL, &twin);
    VD_AUTO(brk_passport_unref) struct brk_passport *a = NULL;
    VD_AUTO(brk_passport_unref) struct brk_passport *b = NULL;
    assert_ok(brk_accept(f->trust, vd_span_str(good), &a, NULL));
    assert_ok(brk_accept(f->trust, vd_buf_span(&twin), &b, NULL));
    assert_ptr_not_equal(a, b);
    assert_string_equal(a->jti, b->jti); /* what revocation and records go by */
}

/* The same key signs other documents: their typ keeps them apart, whatever they contain. */
static void documents_of_other_types_are_no_passports(void **state)
{
    struct fixture *f = *state;
    static const char *const types[] = {
        "vidimus-revocation+jwt",
        "vidimus-checkpoint+jwt",
        "vidimus-receipt+jwt",
        "at+jwt",
        "jwt",
        "Jwt",
        "JWT ",
        "application/jwt",
        "secevent+jwt",
        "dpop+jwt",
        "JOSE",
        "JWS",
        "JWE",
        "eat+jwt",
        "",
        "jwt+json",
        "id_token+jwt",
        "logout+jwt",
        "kb+jwt",
        "vc+sd-jwt",
    };
    size_t n = 0;
    VD_AUTO_BUF body = vd_buf_of(65536);
    payload_of(NULL, 0, &body);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        VD_AUTO_BUF head = vd_buf_of(1024);
        vd_buf_printf(&head, "{\"alg\":\"ES256\",\"typ\":\"%s\",\"kid\":\"%s\"}", types[i],
                      f->key.thumbprint);
        VD_AUTO(free) char *token = sign_text(&f->key, vd_buf_cstr(&head), vd_buf_span(&body));
        expect_refused(f, token, &n);
    }
    static const char *const odd[] = { "null", "1", "[\"JWT\"]", "{}", "true" };
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        VD_AUTO_BUF head = vd_buf_of(1024);
        vd_buf_printf(&head, "{\"alg\":\"ES256\",\"typ\":%s,\"kid\":\"%s\"}", odd[i],
                      f->key.thumbprint);
        VD_AUTO(free) char *token = sign_text(&f->key, vd_buf_cstr(&head), vd_buf_span(&body));
        expect_refused(f, token, &n);
    }
    print_message("documents of other types: %zu refused\n", n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forgeries_that_share_parts_of_a_cached_passport_are_refused),
        cmocka_unit_test(the_two_texts_of_one_signature_are_two_passports),
        cmocka_unit_test(documents_of_other_types_are_no_passports),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
