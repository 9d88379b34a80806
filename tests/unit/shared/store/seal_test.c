/* Sealing, MACs, derivation, and the root key in a file or from a passphrase. */
#include "tests/support/support.h"

#include <sys/stat.h>

#include "shared/base/file.h"
#include "shared/codec/b64.h"
#include "shared/crypto/seal.h"

static const uint8_t key[32] = { 1, 2, 3 };

static void what_is_sealed_opens_with_the_same_key_and_data(void **state)
{
    (void)state;
    static const size_t sizes[] = { 0, 1, 15, 16, 17, 31, 32, 33, 1000, 65537 };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        VD_AUTO_BUF plain = vd_buf_of(1 << 20);
        VD_AUTO_BUF sealed = vd_buf_of(1 << 20);
        VD_AUTO_BUF_WIPED opened = vd_buf_of(1 << 20);
        VD_AUTO_SECRET secret = { 0 };
        if (sizes[i])
            memset(vd_buf_extend(&plain, sizes[i]), 'a', sizes[i]);
        assert_ok(vd_seal(key, vd_buf_span(&plain), VD_LIT("place"), &sealed, NULL));
        assert_int_equal(sealed.n, sizes[i] + VD_SEAL_OVERHEAD);
        assert_ok(vd_unseal(key, vd_buf_span(&sealed), VD_LIT("place"), &opened, NULL));
        assert_true(vd_span_eq(vd_buf_span(&plain), vd_buf_span(&opened)));
        assert_ok(vd_unseal_secret(key, vd_buf_span(&sealed), VD_LIT("place"), &secret, NULL));
        assert_true(vd_span_eq(vd_buf_span(&plain), vd_secret_span(&secret)));
    }
}

static void sealing_twice_gives_different_bytes(void **state)
{
    (void)state;
    VD_AUTO_BUF a = vd_buf_of(1024);
    VD_AUTO_BUF b = vd_buf_of(1024);
    assert_ok(vd_seal(key, VD_LIT("same"), VD_SPAN_NONE, &a, NULL));
    assert_ok(vd_seal(key, VD_LIT("same"), VD_SPAN_NONE, &b, NULL));
    assert_false(vd_span_eq(vd_buf_span(&a), vd_buf_span(&b)));
}

static void every_flipped_bit_and_every_truncation_is_refused(void **state)
{
    (void)state;
    VD_AUTO_BUF sealed = vd_buf_of(1024);
    assert_ok(vd_seal(key, VD_LIT("a secret of some length"), VD_LIT("aad"), &sealed, NULL));
    size_t tried = 0;
    for (size_t bit = 0; bit < sealed.n * 8; bit++, tried++) {
        VD_AUTO_BUF out = vd_buf_of(1024);
        vd_err err = { 0 };
        sealed.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_rc(VD_E_STORE_CORRUPT,
                  vd_unseal(key, vd_buf_span(&sealed), VD_LIT("aad"), &out, &err));
        assert_int_equal(out.n, 0);
        sealed.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t n = 0; n < sealed.n; n++, tried++) {
        VD_AUTO_BUF out = vd_buf_of(1024);
        VD_AUTO_SECRET s = { 0 };
        vd_span cut = vd_test_guarded(vd_span_part(vd_buf_span(&sealed), 0, n));
        assert_rc(VD_E_STORE_CORRUPT, vd_unseal(key, cut, VD_LIT("aad"), &out, NULL));
        assert_rc(VD_E_STORE_CORRUPT, vd_unseal_secret(key, cut, VD_LIT("aad"), &s, NULL));
        vd_test_guarded_free(cut);
    }
    print_message("seal: %zu damaged boxes\n", tried);
}

static void another_key_or_place_does_not_open(void **state)
{
    (void)state;
    static const uint8_t other[32] = { 9 };
    VD_AUTO_BUF sealed = vd_buf_of(1024);
    VD_AUTO_BUF out = vd_buf_of(1024);
    assert_ok(vd_seal(key, VD_LIT("x"), VD_LIT("aad"), &sealed, NULL));
    assert_rc(VD_E_STORE_CORRUPT,
              vd_unseal(other, vd_buf_span(&sealed), VD_LIT("aad"), &out, NULL));
    assert_rc(VD_E_STORE_CORRUPT, vd_unseal(key, vd_buf_span(&sealed), VD_LIT("aae"), &out, NULL));
    assert_rc(VD_E_STORE_CORRUPT, vd_unseal(key, vd_buf_span(&sealed), VD_SPAN_NONE, &out, NULL));
}

/* draft-irtf-cfrg-xchacha-03, A.3.1. */
static void the_draft_vector_of_xchacha20_poly1305_opens(void **state)
{
    (void)state;
    static const char box[] =
        "404142434445464748494a4b4c4d4e4f5051525354555657"
        "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f4e"
        "da7e39"
        "ae64c6708c54c216cb96b72e1213b4522f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565"
        "d3fff9"
        "21f9664c97637da9768812f615c68b13b52ec0875924c1c7987947deafd8780acf49";
    static const char text[] =
        "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the "
        "future, sunscreen would be it.";
    uint8_t k[32];
    for (unsigned i = 0; i < sizeof k; i++)
        k[i] = (uint8_t)(0x80 + i);
    VD_AUTO_BUF sealed = vd_buf_of(1024);
    VD_AUTO_BUF aad = vd_buf_of(64);
    VD_AUTO_BUF out = vd_buf_of(1024);
    assert_ok(vd_hex_decode(vd_span_str(box), &sealed, NULL));
    assert_ok(vd_hex_decode(VD_LIT("50515253c0c1c2c3c4c5c6c7"), &aad, NULL));
    assert_ok(vd_unseal(k, vd_buf_span(&sealed), vd_buf_span(&aad), &out, NULL));
    assert_span_str(vd_buf_span(&out), text);
}

static void a_mac_depends_on_the_key_and_on_where_parts_end(void **state)
{
    (void)state;
    static const uint8_t other[32] = { 9 };
    const vd_span ab_c[] = { VD_LIT("ab"), VD_LIT("c") };
    const vd_span a_bc[] = { VD_LIT("a"), VD_LIT("bc") };
    const vd_span abc[] = { VD_LIT("abc"), VD_SPAN_NONE };
    uint8_t m[5][32];
    vd_mac_parts(key, ab_c, 2, m[0]);
    vd_mac_parts(key, a_bc, 2, m[1]);
    vd_mac_parts(key, abc, 2, m[2]);
    vd_mac_parts(key, abc, 1, m[3]);
    vd_mac_parts(other, ab_c, 2, m[4]);
    for (size_t i = 0; i < 5; i++)
        for (size_t j = i + 1; j < 5; j++)
            assert_false(vd_span_eq(vd_span_of(m[i], 32), vd_span_of(m[j], 32)));
}

static void derived_keys_differ_by_purpose_and_root_and_are_stable(void **state)
{
    (void)state;
    static const uint8_t other[32] = { 9 };
    uint8_t a[32];
    uint8_t b[32];
    vd_derive(key, "purpose", a);
    vd_derive(key, "purpose", b);
    assert_memory_equal(a, b, 32);
    vd_derive(key, "purpose2", b);
    assert_memory_not_equal(a, b, 32);
    vd_derive(other, "purpose", b);
    assert_memory_not_equal(a, b, 32);
}

static char *path_in(const char *dir, const char *name)
{
    VD_AUTO_BUF b = vd_buf_of(4096);
    vd_buf_printf(&b, "%s/%s", dir, name);
    char *p = vd_strdup_span(vd_buf_span(&b));
    assert_non_null(p);
    return p;
}

static void a_root_key_file_is_private_and_never_overwritten(void **state)
{
    (void)state;
    VD_AUTO(free) char *dir = vd_test_dir("seal");
    VD_AUTO(free) char *path = path_in(dir, "root.key");
    VD_AUTO_SECRET a = { 0 };
    VD_AUTO_SECRET b = { 0 };
    vd_err err = { 0 };
    struct stat st;
    assert_ok(vd_root_key_create(path, NULL));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(st.st_size, 32);
    assert_ok(vd_root_key_load(path, NULL, NULL, &a, NULL));
    assert_rc(VD_E_EXISTS, vd_root_key_create(path, &err));
    assert_ok(vd_root_key_load(path, "", "", &b, NULL));
    assert_true(vd_ct_equal(vd_secret_span(&a), vd_secret_span(&b)));

    assert_int_equal(chmod(path, 0640), 0);
    vd_err_clear(&err);
    VD_AUTO_SECRET c = { 0 };
    assert_rc(VD_E_FILE, vd_root_key_load(path, NULL, NULL, &c, &err));
    assert_non_null(strstr(err.msg, path));
    assert_non_null(strstr(err.msg, "chmod"));
}

static void bad_root_key_settings_and_files_are_named(void **state)
{
    (void)state;
    VD_AUTO(free) char *dir = vd_test_dir("seal");
    VD_AUTO(free) char *shorter = path_in(dir, "short");
    VD_AUTO(free) char *longer = path_in(dir, "long");
    VD_AUTO(free) char *phrase = path_in(dir, "phrase");
    VD_AUTO(free) char *weak = path_in(dir, "weak");
    VD_AUTO(free) char *missing = path_in(dir, "missing");
    uint8_t bytes[33] = { 0 };
    assert_ok(vd_file_create(shorter, vd_span_of(bytes, 31), NULL));
    assert_ok(vd_file_create(longer, vd_span_of(bytes, 33), NULL));
    assert_ok(vd_file_create(phrase, VD_LIT("correct horse battery\n"), NULL));
    assert_ok(vd_file_create(weak, VD_LIT("short\nbut a second line is long\n"), NULL));
    const struct {
        const char *label;
        const char *file;
        const char *phrase;
        const char *salt;
        vd_code want;
        const char *names;
    } cases[] = {
        { "neither", NULL, NULL, NULL, VD_E_CONFIG, "root_key" },
        { "both", shorter, phrase, shorter, VD_E_CONFIG, "root_key" },
        { "missing file", missing, NULL, NULL, VD_E_FILE, missing },
        { "31 bytes", shorter, NULL, NULL, VD_E_FILE, shorter },
        { "33 bytes", longer, NULL, NULL, VD_E_FILE, longer },
        { "a folder", dir, NULL, NULL, VD_E_FILE, dir },
        { "phrase without salt", NULL, phrase, NULL, VD_E_CONFIG, "salt" },
        { "phrase, missing salt", NULL, phrase, missing, VD_E_FILE, missing },
        { "phrase, salt too long", NULL, phrase, shorter, VD_E_FILE, shorter },
        { "missing phrase", NULL, missing, shorter, VD_E_FILE, missing },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        VD_AUTO_SECRET s = { 0 };
        vd_err err = { 0 };
        vd_rc_ rc = vd_root_key_load(cases[i].file, cases[i].phrase, cases[i].salt, &s, &err);
        if (rc.code != cases[i].want)
            print_error("%s: %s\n", cases[i].label, err.msg);
        assert_int_equal(rc.code, cases[i].want);
        assert_non_null(strstr(err.msg, cases[i].names));
        assert_null(s.p);
    }
    VD_AUTO(free) char *salt = path_in(dir, "salt");
    assert_ok(vd_root_salt_create(salt, NULL));
    VD_AUTO_SECRET s = { 0 };
    vd_err err = { 0 };
    assert_rc(VD_E_FILE, vd_root_key_load(NULL, weak, salt, &s, &err));
    assert_non_null(strstr(err.msg, weak));
}

static void a_passphrase_and_its_salt_make_one_key(void **state)
{
    (void)state;
    VD_AUTO(free) char *dir = vd_test_dir("seal");
    VD_AUTO(free) char *phrase = path_in(dir, "phrase");
    VD_AUTO(free) char *same = path_in(dir, "same");
    VD_AUTO(free) char *salt = path_in(dir, "salt");
    VD_AUTO(free) char *salt2 = path_in(dir, "salt2");
    assert_ok(vd_file_create(phrase, VD_LIT("correct horse battery\n"), NULL));
    assert_ok(vd_file_create(same, VD_LIT("correct horse battery\r\nsecond line\n"), NULL));
    assert_ok(vd_root_salt_create(salt, NULL));
    assert_ok(vd_root_salt_create(salt2, NULL));
    assert_rc(VD_E_EXISTS, vd_root_salt_create(salt, NULL));
    VD_AUTO_SECRET a = { 0 };
    VD_AUTO_SECRET b = { 0 };
    VD_AUTO_SECRET c = { 0 };
    assert_ok(vd_root_key_load(NULL, phrase, salt, &a, NULL));
    assert_ok(vd_root_key_load(NULL, same, salt, &b, NULL));
    assert_ok(vd_root_key_load(NULL, phrase, salt2, &c, NULL));
    assert_int_equal(a.n, 32);
    assert_true(vd_ct_equal(vd_secret_span(&a), vd_secret_span(&b)));
    assert_false(vd_ct_equal(vd_secret_span(&a), vd_secret_span(&c)));
}

static int setup(void **state)
{
    (void)state;
    return vd_base_init(NULL).code == VD_E_OK ? 0 : 1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_sealed_opens_with_the_same_key_and_data),
        cmocka_unit_test(sealing_twice_gives_different_bytes),
        cmocka_unit_test(every_flipped_bit_and_every_truncation_is_refused),
        cmocka_unit_test(another_key_or_place_does_not_open),
        cmocka_unit_test(the_draft_vector_of_xchacha20_poly1305_opens),
        cmocka_unit_test(a_mac_depends_on_the_key_and_on_where_parts_end),
        cmocka_unit_test(derived_keys_differ_by_purpose_and_root_and_are_stable),
        cmocka_unit_test(a_root_key_file_is_private_and_never_overwritten),
        cmocka_unit_test(bad_root_key_settings_and_files_are_named),
        cmocka_unit_test(a_passphrase_and_its_salt_make_one_key),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
