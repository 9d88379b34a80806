/* Keys in a PKCS#11 token (SoftHSM): made, found, used and destroyed there; what is wrong with a
 * setting is said. */
#include "tests/support/softhsm.h"

#include <pthread.h>

#include "shared/crypto/jose.h"
#include "shared/crypto/p11.h"

static struct vd_p11 *token;

static const struct vd_p11_cfg good = {
    .module = HSM_MODULE,
    .token = HSM_TOKEN,
    .label = "passport",
    .pin = { (const uint8_t *)HSM_PIN, sizeof HSM_PIN - 1 },
};

static int setup(void **state)
{
    (void)state;
    assert_ok(vd_base_init(NULL));
    hsm_make();
    assert_ok(vd_p11_open(&good, &token, NULL));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    vd_p11_close(token);
    return 0;
}

static const struct {
    enum vd_kty kty;
    enum vd_sig alg;
    size_t bytes;
} kinds[] = { { VD_KTY_P256, VD_SIG_ES256, 64 }, { VD_KTY_P384, VD_SIG_ES384, 96 } };

static void signatures_of_the_token_verify(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        char kid[44];
        unsigned long handle = 0;
        VD_AUTO(vd_key_unref) struct vd_key *made = NULL;
        VD_AUTO(vd_key_unref) struct vd_key *found = NULL;
        assert_ok(vd_p11_generate(token, kinds[i].kty, &made, NULL));
        assert_false(vd_key_private(made));
        assert_ok(vd_key_thumbprint(made, kid, NULL));
        assert_ok(vd_p11_find(token, kid, &found, &handle, NULL));
        assert_true(vd_key_same(made, found));
        for (int n = 0; n < 20; n++) {
            VD_AUTO_BUF sig = vd_buf_of(128);
            assert_ok(vd_p11_sign(token, handle, kinds[i].alg, VD_LIT("signed text"), &sig, NULL));
            assert_int_equal(sig.n, kinds[i].bytes);
            assert_ok(
                vd_verify(found, kinds[i].alg, VD_LIT("signed text"), vd_buf_span(&sig), NULL));
            assert_rc(VD_E_SIG, vd_verify(found, kinds[i].alg, VD_LIT("signed texT"),
                                          vd_buf_span(&sig), NULL));
        }
        assert_ok(vd_p11_destroy(token, kid, NULL));
        assert_rc(VD_E_NOT_FOUND, vd_p11_destroy(token, kid, NULL));
        VD_AUTO(vd_key_unref) struct vd_key *gone = NULL;
        assert_rc(VD_E_NOT_FOUND, vd_p11_find(token, kid, &gone, &handle, NULL));
        VD_AUTO_BUF sig = vd_buf_of(128);
        assert_rc(VD_E_CRYPTO, vd_p11_sign(token, handle, kinds[i].alg, VD_LIT("x"), &sig, NULL));
    }
}

static void other_algorithms_are_refused(void **state)
{
    (void)state;
    VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
    VD_AUTO_BUF sig = vd_buf_of(1024);
    assert_rc(VD_E_CONFIG, vd_p11_generate(token, VD_KTY_ED25519, &key, NULL));
    assert_rc(VD_E_CONFIG, vd_p11_generate(token, VD_KTY_RSA, &key, NULL));
    assert_rc(VD_E_CRYPTO, vd_p11_sign(token, 1, VD_SIG_EDDSA, VD_LIT("x"), &sig, NULL));
}

static void wrong_settings_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *module;
        const char *tok;
        const char *pin;
        const char *says;
    } rows[] = {
        { "/nonexistent.so", HSM_TOKEN, HSM_PIN, "pkcs11_module" },
        { "libc.so.6", HSM_TOKEN, HSM_PIN, "no PKCS#11 module" },
        { HSM_MODULE, "another", HSM_PIN, "pkcs11_token" },
        { HSM_MODULE, "", HSM_PIN, "pkcs11_token" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct vd_p11_cfg cfg = { rows[i].module, rows[i].tok, "passport",
                                        vd_span_str(rows[i].pin) };
        struct vd_p11 *none = NULL;
        vd_err err = { 0 };
        assert_rc(VD_E_CONFIG, vd_p11_open(&cfg, &none, &err));
        if (!strstr(err.msg, rows[i].says))
            print_error("%s\n", err.msg);
        assert_non_null(strstr(err.msg, rows[i].says));
    }
}

static void a_wrong_pin_is_refused(void **state)
{
    (void)state;
    /* A login holds for all sessions of a process, so the good one goes first. */
    vd_p11_close(token);
    token = NULL;
    struct vd_p11_cfg cfg = good;
    struct vd_p11 *none = NULL;
    vd_err err = { 0 };
    cfg.pin = VD_LIT("4321");
    assert_rc(VD_E_CONFIG, vd_p11_open(&cfg, &none, &err));
    assert_non_null(strstr(err.msg, "pkcs11_pin_file"));
    assert_null(strstr(err.msg, "4321"));
    assert_ok(vd_p11_open(&good, &token, NULL));
}

static void *sign_often(void *arg)
{
    const unsigned long *handle = arg;
    for (int i = 0; i < 50; i++) {
        VD_AUTO_BUF sig = vd_buf_of(128);
        if (vd_p11_sign(token, *handle, VD_SIG_ES256, VD_LIT("x"), &sig, NULL).code != VD_E_OK)
            return arg;
    }
    return NULL;
}

static void threads_share_a_token(void **state)
{
    (void)state;
    char kid[44];
    unsigned long handle = 0;
    pthread_t thread[4];
    VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
    VD_AUTO(vd_key_unref) struct vd_key *found = NULL;
    assert_ok(vd_p11_generate(token, VD_KTY_P256, &key, NULL));
    assert_ok(vd_key_thumbprint(key, kid, NULL));
    assert_ok(vd_p11_find(token, kid, &found, &handle, NULL));
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, sign_often, &handle), 0);
    for (size_t i = 0; i < 4; i++) {
        void *failed = NULL;
        assert_int_equal(pthread_join(thread[i], &failed), 0);
        assert_null(failed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signatures_of_the_token_verify),
        cmocka_unit_test(other_algorithms_are_refused),
        cmocka_unit_test(wrong_settings_are_named),
        cmocka_unit_test(a_wrong_pin_is_refused),
        cmocka_unit_test(threads_share_a_token),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
