/* Entries of trusted issuers: required values, lists, key sources, the JSON of the native API, key
 * sets. */
#include "tests/support/support.h"

#include "tests/unit/broker/mint.h"

static struct mint key;
static vd_buf jwks;

static int setup(void **state)
{
    (void)state;
    assert_ok(vd_base_init(NULL));
    key = mint_new(VD_KTY_P256, VD_SIG_ES256);
    jwks = vd_buf_of(65536);
    const struct mint *keys[] = { &key };
    jwks_of(keys, 1, &jwks);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    mint_done(&key);
    vd_buf_done(&jwks);
    return 0;
}

static vd_code new_of(const struct brk_issuer_spec *spec)
{
    VD_AUTO(brk_issuer_unref) struct brk_issuer *i = NULL;
    VD_AUTO(brk_keyset_unref) struct brk_keyset *k = NULL;
    vd_err err = { 0 };
    vd_rc_ rc = brk_issuer_new(spec, &i, &k, &err);
    if (rc.code != VD_E_OK)
        assert_true(err.msg[0] != '\0');
    return rc.code;
}

static void bad_values_of_an_entry_are_refused(void **state)
{
    (void)state;
    static const char *const empty[] = { NULL };
    static const char *const hs256[] = { "HS256", NULL };
    static const char *const none[] = { "none", NULL };
    static const char *const tee[] = { "sev-snp", NULL };
    static const char *const repo[] = { "a/b", NULL };
    static const char *const dots[] = { "..", NULL };
    static const char *const pin[] = { "default@12", NULL };
    static const char *const fresh[] = { "nonce", NULL };
    struct brk_issuer_spec good = spec_of(vd_buf_span(&jwks));
    assert_int_equal(new_of(&good), VD_E_OK);
#define BAD(change)                                                                                \
    do {                                                                                           \
        struct brk_issuer_spec s = good;                                                           \
        change;                                                                                    \
        assert_int_equal(new_of(&s), VD_E_SETTING);                                                \
    } while (0)
    BAD(s.name = NULL);
    BAD(s.name = "");
    BAD(s.name = ".hidden");
    BAD(s.name = "a b");
    BAD(s.name = "a/b");
    BAD(s.name = "12345678901234567890123456789012345678901234567890123456789012345");
    BAD(s.issuer = NULL);
    BAD(s.issuer = "");
    BAD(s.issuer = "a\nb");
    BAD(s.algs = NULL);
    BAD(s.algs = empty);
    BAD(s.algs = hs256);
    BAD(s.algs = none);
    BAD(s.tees = NULL);
    BAD(s.tees = tee);
    BAD(s.repositories = NULL);
    BAD(s.repositories = repo);
    BAD(s.repositories = dots);
    BAD(s.policies = empty);
    BAD(s.policies = pin);
    BAD(s.accept_freshness = fresh);
    BAD(s.assume_freshness = "fresh");
    BAD(s.max_lifetime = 631152001);
    BAD(s.jwks = VD_SPAN_NONE);
    BAD(s.jwks_url = "https://issuer.test/jwks");
    BAD(s.leaf_name = "x");
    BAD(s.jwks_url_ca = "/etc/ssl/cert.pem");
    BAD((s.jwks = VD_SPAN_NONE, s.ca = VD_LIT("no PEM"), s.leaf_name = "x"));
    BAD((s.jwks = VD_SPAN_NONE, s.ca = VD_LIT("no PEM")));
    BAD((s.jwks = VD_SPAN_NONE, s.jwks_url = "http://issuer.test/jwks"));
    BAD((s.jwks = VD_SPAN_NONE, s.jwks_url = "http://127.0.0.1.evil.test/jwks"));
    BAD((s.jwks = VD_SPAN_NONE, s.jwks_url = "https://user@issuer.test/jwks"));
    BAD((s.jwks = VD_SPAN_NONE, s.jwks_url = "file:///etc/jwks"));
    BAD((s.jwks = VD_SPAN_NONE, s.jwks_url = "ftp://issuer.test/jwks"));
#undef BAD
    struct brk_issuer_spec s = good;
    s.jwks = VD_SPAN_NONE;
    s.jwks_file = "/nonexistent/jwks.json";
    assert_int_equal(new_of(&s), VD_E_FILE);
    s.jwks_file = NULL;
    s.jwks_url = "http://127.0.0.1:8080/.well-known/jwks.json";
    assert_int_equal(new_of(&s), VD_E_OK);
    s.jwks_url = "https://issuer.test/.well-known/jwks.json";
    assert_int_equal(new_of(&s), VD_E_OK);
}

static void lists_say_what_is_allowed(void **state)
{
    (void)state;
    static const char *const repos[] = { "default", "team-a", NULL };
    static const char *const tees[] = { "snp", "azsnpvtpm", NULL };
    VD_AUTO(brk_issuer_unref) struct brk_issuer *i = NULL;
    VD_AUTO(brk_keyset_unref) struct brk_keyset *k = NULL;
    struct brk_issuer_spec s = spec_of(vd_buf_span(&jwks));
    s.repositories = repos;
    s.tees = tees;
    assert_ok(brk_issuer_new(&s, &i, &k, NULL));
    assert_true(brk_issuer_has_repository(i, "default"));
    assert_true(brk_issuer_has_repository(i, "team-a"));
    assert_false(brk_issuer_has_repository(i, "team"));
    assert_false(brk_issuer_has_repository(i, "Default"));
    assert_true(brk_issuer_has_tee(i, "snp"));
    assert_true(brk_issuer_has_tee(i, "az-snp-vtpm"));
    assert_false(brk_issuer_has_tee(i, "tdx"));
    assert_true(brk_issuer_has_policy(i, "default", NULL));
    assert_false(brk_issuer_has_policy(i, "other", NULL));
}

static void key_sets_are_strict(void **state)
{
    (void)state;
    VD_AUTO_BUF jwk = vd_buf_of(4096);
    assert_ok(vd_key_to_jwk(key.key, NULL, &jwk, NULL));
    const char *j = vd_buf_cstr(&jwk);
    const struct {
        const char *label;
        const char *fmt;
        bool ok;
    } rows[] = {
        { "one key", "{\"keys\":[%s]}", true },
        { "other members beside keys", "{\"keys\":[%s],\"version\":3}", true },
        { "an oct key is left out", "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AA\"},%s]}", true },
        { "an unknown alg is left out",
          "{\"keys\":[{\"kty\":\"RSA\",\"alg\":\"RS1\",\"n\":\"AA\",\"e\":\"AQAB\"},%s]}", true },
        { "an unknown curve is left out",
          "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"secp256k1\",\"x\":\"\",\"y\":\"\"},%s]}", true },
        { "an encryption key is left out",
          "{\"keys\":[{\"kty\":\"RSA\",\"use\":\"enc\",\"n\":\"AA\",\"e\":\"AQAB\"},%s]}", true },
        { "only foreign keys", "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AA\"}]}", false },
        { "no keys", "{\"keys\":[]}", false },
        { "no member keys", "{}", false },
        { "keys no array", "{\"keys\":{}}", false },
        { "an element no object", "{\"keys\":[\"x\",%s]}", false },
        { "the same key twice", "{\"keys\":[%s,%1$s]}", false },
        { "a key off its curve",
          "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":"
          "\"weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ\",\"y\":"
          "\"weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ\"},%s]}",
          false },
        { "no JSON", "keys", false },
        { "trailing bytes", "{\"keys\":[%s]}x", false },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        VD_AUTO(brk_keyset_unref) struct brk_keyset *k = NULL;
        VD_AUTO_BUF text = vd_buf_of(65536);
        /* Each %s stands for the key. */
        for (const char *c = rows[i].fmt; *c; c++) {
            if (strncmp(c, "%1$s", 4) == 0 || strncmp(c, "%s", 2) == 0) {
                vd_buf_str(&text, j);
                c += c[1] == 's' ? 1 : 3;
            } else {
                vd_buf_u8(&text, (uint8_t)*c);
            }
        }
        bool ok = brk_keyset_parse(vd_buf_span(&text), &k, NULL).code == VD_E_OK;
        if (ok != rows[i].ok)
            print_error("%s\n", rows[i].label);
        assert_int_equal(ok, rows[i].ok);
    }
}

static void two_keys_of_one_kid_are_refused(void **state)
{
    (void)state;
    struct mint other = mint_new(VD_KTY_P256, VD_SIG_ES256);
    VD_AUTO(brk_keyset_unref) struct brk_keyset *k = NULL;
    VD_AUTO_BUF a = vd_buf_of(4096), b = vd_buf_of(4096), text = vd_buf_of(65536);
    assert_ok(vd_key_to_jwk(key.key, NULL, &a, NULL));
    assert_ok(vd_key_to_jwk(other.key, NULL, &b, NULL));
    vd_buf_printf(&text, "{\"keys\":[{\"kid\":\"a\",%.*s,{\"kid\":\"a\",%.*s]}", (int)a.n - 1,
                  (const char *)a.p + 1, (int)b.n - 1, (const char *)b.p + 1);
    assert_rc(VD_E_SETTING, brk_keyset_parse(vd_buf_span(&text), &k, NULL));
    mint_done(&other);
}

static void json_of_an_entry_goes_in_and_out(void **state)
{
    (void)state;
    VD_AUTO(brk_issuer_unref) struct brk_issuer *i = NULL;
    VD_AUTO(brk_keyset_unref) struct brk_keyset *k = NULL;
    VD_AUTO_BUF body = vd_buf_of(65536);
    bool suspended = false;
    vd_buf_printf(&body,
                  "{\"issuer\":\"" ISS
                  "\",\"jwks\":%.*s,\"algs\":[\"ES256\",\"EdDSA\"],\"tees\":[\"*\"],"
                  "\"repositories\":[\"a\",\"b\"],\"policies\":[\"default\",\"strict@" SHA
                  "\"],\"max_lifetime\":60,"
                  "\"accept_freshness\":[\"issuer-nonce\",\"none\"],\"require_audience\":true,"
                  "\"suspended\":true}",
                  (int)jwks.n, (const char *)jwks.p);
    assert_ok(brk_issuer_from_json("x", vd_buf_span(&body), &i, &k, &suspended, NULL));
    assert_true(suspended);
    VD_AUTO_BUF out = vd_buf_of(65536);
    vd_jw w = vd_jw_of(&out);
    vd_jw_obj(&w);
    brk_issuer_to_json(i, k, &w);
    vd_jw_end(&w);
    assert_ok(vd_buf_check(&out, NULL));
    const char *text = vd_buf_cstr(&out);
    assert_non_null(strstr(text, "\"algs\":[\"ES256\",\"EdDSA\"]"));
    assert_non_null(strstr(text, "\"tees\":[\"*\"]"));
    assert_non_null(strstr(text, "\"repositories\":[\"a\",\"b\"]"));
    assert_non_null(strstr(text, "\"policies\":[\"default\",\"strict@" SHA "\"]"));
    assert_non_null(strstr(text, "\"max_lifetime\":60"));
    assert_non_null(strstr(text, key.thumbprint));
}

static void json_of_an_entry_is_strict(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "[]",
        "null",
        "{",
        "{\"issuer\":1}",
        "{\"issuer\":\"a\",\"algs\":\"ES256\"}",
        "{\"issuer\":\"a\",\"algs\":[1]}",
        "{\"unknown\":1}",
        "{\"Issuer\":\"a\"}",
        "{\"jwks_file\":\"/etc/passwd\"}",
        "{\"ca_file\":\"/etc/passwd\"}",
        "{\"jwks\":\"x\"}",
        "{\"max_lifetime\":\"60\"}",
        "{\"max_lifetime\":0}",
        "{\"max_lifetime\":1.5}",
        "{\"suspended\":\"no\"}",
        "{\"suspended\":1}",
        "{\"require_audience\":null}",
        "{\"issuer\":\"a\",\"issuer\":\"a\"}",
        "{\"tees\":{}}",
        "{\"ca\":{}}",
    };
    for (size_t n = 0; n < sizeof bad / sizeof *bad; n++) {
        VD_AUTO(brk_issuer_unref) struct brk_issuer *i = NULL;
        VD_AUTO(brk_keyset_unref) struct brk_keyset *k = NULL;
        bool suspended = false;
        vd_code got = brk_issuer_from_json("x", vd_span_str(bad[n]), &i, &k, &suspended, NULL).code;
        assert_true(got == VD_E_SETTING || got == VD_E_SYNTAX || got == VD_E_TOO_LARGE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_values_of_an_entry_are_refused),
        cmocka_unit_test(lists_say_what_is_allowed),
        cmocka_unit_test(key_sets_are_strict),
        cmocka_unit_test(two_keys_of_one_kid_are_refused),
        cmocka_unit_test(json_of_an_entry_goes_in_and_out),
        cmocka_unit_test(json_of_an_entry_is_strict),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
