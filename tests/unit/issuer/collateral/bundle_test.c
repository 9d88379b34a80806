/* Bundles: what goes in comes out; whatever is changed or cut off is refused as a whole. */
#include "tests/support/support.h"

#include "issuer/collateral/bundle.h"
#include "issuer/collateral/collateral.h"
#include "shared/codec/b64.h"
#include "shared/crypto/jose.h"

enum { NOW = 1762000000 };

struct seen {
    size_t n;
    vd_buf text;
    vd_code answer;
};

static vd_rc take(void *ctx, const struct iss_bundle_item *item, vd_err *err)
{
    struct seen *s = ctx;
    s->n++;
    vd_buf_printf(&s->text, "%.*s|%.*s|%.*s|%lld;", (int)item->kind.n, (const char *)item->kind.p,
                  (int)item->key.n, (const char *)item->key.p, (int)item->bytes.n,
                  (const char *)item->bytes.p,
                  (long long)(item->expires == INT64_MAX ? -1 : item->expires));
    return s->answer == VD_E_OK ? VD_OK : vd_fail(err, s->answer, "as the test wants");
}

static const struct iss_bundle_item items[] = {
    { VD_LIT("b.kind"), VD_LIT("two"), VD_LIT("guests of two"), NOW + 500, VD_LIT("second") },
    { VD_LIT("a.kind"), VD_LIT("one"), VD_LIT("guests of one"), NOW + 100, VD_LIT("first") },
    { VD_LIT("c.kind"), VD_LIT("ever"), VD_LIT("nobody"), INT64_MAX, VD_LIT("third") },
};

static vd_buf make(enum vd_kty type, struct vd_key **ret_key)
{
    vd_buf b = vd_buf_of(1 << 20);
    assert_ok(vd_key_generate(type, 0, ret_key, NULL));
    assert_ok(iss_bundle_write(items, 3, NOW, *ret_key, &b, NULL));
    return b;
}

static vd_code read_back(vd_span bytes, const struct vd_key *signer, struct seen *s)
{
    *s = (struct seen){ .text = vd_buf_of(1 << 16) };
    return iss_bundle_read(bytes, signer, take, s, NULL).code;
}

static void what_goes_in_comes_out_sorted_by_time(void **state)
{
    (void)state;
    static const enum vd_kty types[] = { VD_KTY_P256, VD_KTY_P384, VD_KTY_ED25519 };
    for (size_t i = 0; i < 3; i++) {
        VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
        VD_AUTO_BUF b = make(types[i], &key);
        struct seen s;
        assert_true(iss_bundle_is(vd_buf_span(&b)));
        assert_int_equal(read_back(vd_buf_span(&b), key, &s), VD_E_OK);
        assert_string_equal(vd_buf_cstr(&s.text),
                            "a.kind|one|first|1762000100;b.kind|two|second|1762000500;"
                            "c.kind|ever|third|-1;");
        vd_buf_done(&s.text);
    }
}

static void it_says_what_stops_working_and_when(void **state)
{
    (void)state;
    VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
    VD_AUTO_BUF b = make(VD_KTY_P256, &key);
    VD_AUTO(vd_jws_free) struct vd_jws *j = NULL;
    vd_span s = vd_buf_span(&b);
    s.n--; /* the line end */
    assert_ok(vd_jws_parse(s, 1 << 20, &j, NULL));
    vd_buf_u8(&j->payload, 0);
    assert_non_null(strstr((const char *)j->payload.p,
                           "\"stops\":[{\"at\":\"2025-11-01T12:28:20Z\",\"what\":\"guests of "
                           "one\"},{\"at\":\"2025-11-01T12:35:00Z\",\"what\":\"guests of two\"}]"));
}

static void another_signer_is_refused(void **state)
{
    (void)state;
    VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
    VD_AUTO(vd_key_unref) struct vd_key *other = NULL;
    VD_AUTO_BUF b = make(VD_KTY_P256, &key);
    struct seen s;
    assert_ok(vd_key_generate(VD_KTY_P256, 0, &other, NULL));
    assert_int_equal(read_back(vd_buf_span(&b), other, &s), VD_E_SIG);
    assert_int_equal(s.n, 0);
    assert_int_equal(read_back(vd_buf_span(&b), NULL, &s), VD_E_OK); /* whole, by anybody */
    vd_buf_done(&s.text);
}

static void a_public_key_cannot_sign(void **state)
{
    (void)state;
    VD_AUTO(vd_key_unref) struct vd_key *pair = NULL;
    VD_AUTO(vd_key_unref) struct vd_key *public = NULL;
    VD_AUTO_BUF jwk = vd_buf_of(4096);
    VD_AUTO_BUF out = vd_buf_of(1 << 20);
    assert_ok(vd_key_generate(VD_KTY_P256, 0, &pair, NULL));
    assert_ok(vd_key_to_jwk(pair, NULL, &jwk, NULL));
    assert_ok(vd_key_from_jwk_text(vd_buf_span(&jwk), VD_KEY_VERIFY, &public, NULL));
    assert_rc(VD_E_CONFIG, iss_bundle_write(items, 3, NOW, public, &out, NULL));
}

static void any_changed_or_missing_byte_refuses_the_whole(void **state)
{
    (void)state;
    VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
    VD_AUTO_BUF b = make(VD_KTY_P256, &key);
    size_t n = b.n - 1;
    struct seen s;
    for (size_t cut = 0; cut < n; cut++) {
        assert_int_not_equal(read_back(vd_span_of(b.p, cut), key, &s), VD_E_OK);
        assert_int_equal(s.n, 0);
    }
    for (size_t i = 0; i < n; i += 3) {
        uint8_t was = b.p[i];
        b.p[i] = was == 'A' ? 'B' : 'A';
        /* the last character of a part may hold bits that are not used: strict decoding refuses */
        assert_int_not_equal(read_back(vd_buf_span(&b), key, &s), VD_E_OK);
        assert_int_equal(s.n, 0);
        b.p[i] = was;
    }
    print_message("bundle: %zu cuts, %zu changes\n", n, (n + 2) / 3);
}

static void what_is_no_bundle_is_told_by_its_looks(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "", "{}", "a.b.c", "eyJ", "eyJ.eyJ", "eyJh.b!.c", "eyJhbGciOiJub25lIn0..", "eyJ.a.b.c"
    };
    static const bool is[] = { false, false, false, false, false, false, true, false };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct seen s;
        assert_int_equal(iss_bundle_is(vd_span_str(cases[i])), is[i]);
        assert_int_not_equal(read_back(vd_span_str(cases[i]), NULL, &s), VD_E_OK);
    }
}

static void other_signed_files_are_no_bundles(void **state)
{
    (void)state;
    VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
    VD_AUTO_BUF jwk = vd_buf_of(4096);
    struct seen s;
    assert_ok(vd_key_generate(VD_KTY_P256, 0, &key, NULL));
    assert_ok(vd_key_to_jwk(key, NULL, &jwk, NULL));
    static const char *const typ[] = { "JWT", "vidimus-revocation+jwt", "" };
    for (size_t i = 0; i < 3; i++) {
        VD_AUTO_BUF header = vd_buf_of(8192);
        VD_AUTO_BUF out = vd_buf_of(1 << 16);
        vd_buf_printf(&header, "{\"alg\":\"ES256\",\"typ\":\"%s\",\"jwk\":%s}", typ[i],
                      vd_buf_cstr(&jwk));
        assert_ok(vd_jws_sign_key(vd_buf_span(&header), VD_LIT("{\"v\":1,\"items\":[]}"), key,
                                  VD_SIG_ES256, &out, NULL));
        assert_int_equal(read_back(vd_buf_span(&out), key, &s), VD_E_SYNTAX);
    }
}

static void payloads_are_read_strictly(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *text;
        vd_code want;
    } cases[] = {
        { "empty", "{\"v\":1,\"items\":[]}", VD_E_OK },
        { "one",
          "{\"v\":1,\"items\":[{\"kind\":\"k\",\"key\":\"x\",\"sha256\":\"e3b0c44298fc1c149afbf4c89"
          "96fb92427ae41e4649b934ca495991b7852b855\",\"data\":\"\"}]}",
          VD_E_OK },
        { "no version", "{\"items\":[]}", VD_E_SYNTAX },
        { "version 2", "{\"v\":2,\"items\":[]}", VD_E_SYNTAX },
        { "no items", "{\"v\":1}", VD_E_SYNTAX },
        { "items no array", "{\"v\":1,\"items\":{}}", VD_E_SYNTAX },
        { "another digest",
          "{\"v\":1,\"items\":[{\"kind\":\"k\",\"key\":\"x\",\"sha256\":\"e3b0c44298fc1c149afbf4c89"
          "96fb92427ae41e4649b934ca495991b7852b855\",\"data\":\"AA\"}]}",
          VD_E_SYNTAX },
        { "no kind", "{\"v\":1,\"items\":[{\"key\":\"x\",\"sha256\":\"\",\"data\":\"\"}]}",
          VD_E_SYNTAX },
        { "a bad time",
          "{\"v\":1,\"items\":[{\"kind\":\"k\",\"key\":\"x\",\"expires\":\"soon\",\"sha256\":"
          "\"e3b0c"
          "44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\",\"data\":\"\"}]}",
          VD_E_SYNTAX },
        { "trailing bytes", "{\"v\":1,\"items\":[]} x", VD_E_SYNTAX },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct seen s = { .text = vd_buf_of(4096) };
        vd_code got = iss_bundle_read_payload(vd_span_str(cases[i].text), take, &s, NULL).code;
        if (got != cases[i].want)
            print_error("%s\n", cases[i].name);
        assert_int_equal(got, cases[i].want);
        vd_buf_done(&s.text);
    }
}

static int base(void **state)
{
    (void)state;
    return vd_base_init(NULL).code == VD_E_OK ? 0 : 1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_goes_in_comes_out_sorted_by_time),
        cmocka_unit_test(it_says_what_stops_working_and_when),
        cmocka_unit_test(another_signer_is_refused),
        cmocka_unit_test(a_public_key_cannot_sign),
        cmocka_unit_test(any_changed_or_missing_byte_refuses_the_whole),
        cmocka_unit_test(what_is_no_bundle_is_told_by_its_looks),
        cmocka_unit_test(other_signed_files_are_no_bundles),
        cmocka_unit_test(payloads_are_read_strictly),
    };
    return cmocka_run_group_tests(tests, base, NULL);
}
