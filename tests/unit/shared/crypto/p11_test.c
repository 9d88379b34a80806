/* Keys in a PKCS#11 token (SoftHSM): made, found, used and destroyed there; what is wrong with a
 * setting is said. */
#include "tests/support/softhsm.h"

#include <p11-kit/pkcs11.h>
#include <pthread.h>
#include <sys/stat.h>

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
        struct vd_p11_pair pair = { 0 };
        VD_AUTO(vd_key_unref) struct vd_key *made = NULL;
        VD_AUTO(vd_key_unref) struct vd_key *found = NULL;
        assert_ok(vd_p11_generate(token, kinds[i].kty, &made, NULL));
        assert_false(vd_key_private(made));
        assert_ok(vd_key_thumbprint(made, kid, NULL));
        assert_ok(vd_p11_find(token, kid, &found, &pair, NULL));
        assert_true(vd_key_same(made, found));
        for (int n = 0; n < 20; n++) {
            VD_AUTO_BUF sig = vd_buf_of(128);
            assert_ok(vd_p11_sign(token, &pair, kinds[i].alg, VD_LIT("signed text"), &sig, NULL));
            assert_int_equal(sig.n, kinds[i].bytes);
            assert_ok(
                vd_verify(found, kinds[i].alg, VD_LIT("signed text"), vd_buf_span(&sig), NULL));
            assert_rc(VD_E_SIG, vd_verify(found, kinds[i].alg, VD_LIT("signed texT"),
                                          vd_buf_span(&sig), NULL));
        }
        assert_ok(vd_p11_destroy(token, kid, NULL));
        assert_rc(VD_E_NOT_FOUND, vd_p11_destroy(token, kid, NULL));
        VD_AUTO(vd_key_unref) struct vd_key *gone = NULL;
        assert_rc(VD_E_NOT_FOUND, vd_p11_find(token, kid, &gone, &pair, NULL));
        VD_AUTO_BUF sig = vd_buf_of(128);
        assert_rc(VD_E_CRYPTO, vd_p11_sign(token, &pair, kinds[i].alg, VD_LIT("x"), &sig, NULL));
    }
}

static void other_algorithms_are_refused(void **state)
{
    (void)state;
    struct vd_p11_pair pair = { 0 };
    VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
    VD_AUTO_BUF sig = vd_buf_of(1024);
    assert_rc(VD_E_CONFIG, vd_p11_generate(token, VD_KTY_ED25519, &key, NULL));
    assert_rc(VD_E_CONFIG, vd_p11_generate(token, VD_KTY_RSA, &key, NULL));
    assert_rc(VD_E_CRYPTO, vd_p11_sign(token, &pair, VD_SIG_EDDSA, VD_LIT("x"), &sig, NULL));
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
    struct vd_p11_pair *pair = arg;
    for (int i = 0; i < 50; i++) {
        VD_AUTO_BUF sig = vd_buf_of(128);
        if (vd_p11_sign(token, pair, VD_SIG_ES256, VD_LIT("x"), &sig, NULL).code != VD_E_OK)
            return arg;
    }
    return NULL;
}

static void threads_share_a_token(void **state)
{
    (void)state;
    char kid[44];
    struct vd_p11_pair pair = { 0 };
    pthread_t thread[4];
    VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
    VD_AUTO(vd_key_unref) struct vd_key *found = NULL;
    assert_ok(vd_p11_generate(token, VD_KTY_P256, &key, NULL));
    assert_ok(vd_key_thumbprint(key, kid, NULL));
    assert_ok(vd_p11_find(token, kid, &found, &pair, NULL));
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, sign_often, &pair), 0);
    for (size_t i = 0; i < 4; i++) {
        void *failed = NULL;
        assert_int_equal(pthread_join(thread[i], &failed), 0);
        assert_null(failed);
    }
}

/* ---- a token that goes away ------------------------------------------------------------------ */

static CK_FUNCTION_LIST *module(void)
{
    CK_FUNCTION_LIST *f = NULL;
    void *library = dlopen(HSM_MODULE, RTLD_NOW | RTLD_LOCAL);
    assert_non_null(library);
    union {
        void *object;
        CK_C_GetFunctionList function;
    } u = { .object = dlsym(library, "C_GetFunctionList") };
    assert_non_null(u.object);
    assert_int_equal(u.function(&f), CKR_OK);
    assert_int_equal(dlclose(library), 0);
    return f;
}

static void close_all(void)
{
    CK_SLOT_ID slot[8];
    CK_ULONG n = 8;
    assert_int_equal(module()->C_GetSlotList(CK_TRUE, slot, &n), CKR_OK);
    for (CK_ULONG i = 0; i < n; i++)
        (void)module()->C_CloseAllSessions(slot[i]);
}

static void log_out(void)
{
    CK_SLOT_ID slot[8];
    CK_ULONG n = 8;
    CK_SESSION_HANDLE s = 0;
    assert_int_equal(module()->C_GetSlotList(CK_TRUE, slot, &n), CKR_OK);
    assert_int_equal(module()->C_OpenSession(slot[0], CKF_SERIAL_SESSION, NULL, NULL, &s), CKR_OK);
    assert_int_equal(module()->C_Logout(s), CKR_OK); /* ends the login of all sessions */
    assert_int_equal(module()->C_CloseSession(s), CKR_OK);
}

static const struct {
    const char *name;
    void (*lose)(void);
} losses[] = {
    { "its sessions are closed", close_all },
    { "it is logged out", log_out },
    { "the module is finalized", hsm_finalize },
};

static void make_pair(struct vd_p11_pair *pair, struct vd_key **ret)
{
    char kid[44];
    VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
    assert_ok(vd_p11_generate(token, VD_KTY_P256, &key, NULL));
    assert_ok(vd_key_thumbprint(key, kid, NULL));
    assert_ok(vd_p11_find(token, kid, ret, pair, NULL));
    assert_string_equal(pair->thumbprint, kid);
}

static void sign_and_verify(struct vd_p11_pair *pair, const struct vd_key *key)
{
    VD_AUTO_BUF sig = vd_buf_of(128);
    assert_ok(vd_p11_sign(token, pair, VD_SIG_ES256, VD_LIT("text"), &sig, NULL));
    assert_ok(vd_verify(key, VD_SIG_ES256, VD_LIT("text"), vd_buf_span(&sig), NULL));
}

static void a_lost_session_is_opened_again(void **state)
{
    (void)state;
    struct vd_p11_pair pair;
    VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
    make_pair(&pair, &key);
    for (size_t i = 0; i < sizeof losses / sizeof *losses; i++) {
        print_message("  %s\n", losses[i].name);
        struct vd_p11_pair other;
        VD_AUTO(vd_key_unref) struct vd_key *made = NULL;
        VD_AUTO(vd_key_unref) struct vd_key *found = NULL;
        uint64_t before = vd_p11_openings(token);
        losses[i].lose();
        sign_and_verify(&pair, key);
        assert_int_equal(vd_p11_openings(token), before + 1);
        losses[i].lose();
        assert_ok(vd_p11_find(token, pair.thumbprint, &found, &other, NULL));
        losses[i].lose();
        assert_ok(vd_p11_generate(token, VD_KTY_P256, &made, NULL));
        losses[i].lose();
        assert_ok(vd_key_thumbprint(made, other.thumbprint, NULL));
        assert_ok(vd_p11_destroy(token, other.thumbprint, NULL));
        sign_and_verify(&pair, key);
    }
    assert_ok(vd_p11_destroy(token, pair.thumbprint, NULL));
}

/* The card is pulled: no module lists it; then it is back. */
static void a_token_that_comes_back_signs_again(void **state)
{
    (void)state;
    struct vd_p11_pair pair;
    VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
    VD_AUTO(free) char *away = vd_test_dir("away");
    VD_AUTO_BUF aside = vd_buf_of(4096);
    vd_buf_printf(&aside, "%s/tokens", away);
    make_pair(&pair, &key);
    const char *dir = hsm_tokens();
    assert_int_equal(rename(dir, vd_buf_cstr(&aside)), 0);
    assert_int_equal(mkdir(dir, 0700), 0);
    hsm_finalize();
    for (int i = 0; i < 3; i++) {
        vd_err err = { 0 };
        VD_AUTO_BUF sig = vd_buf_of(128);
        assert_rc(VD_E_CRYPTO, vd_p11_sign(token, &pair, VD_SIG_ES256, VD_LIT("x"), &sig, &err));
        assert_non_null(strstr(err.msg, "lost"));
    }
    assert_int_equal(rmdir(dir), 0);
    assert_int_equal(rename(vd_buf_cstr(&aside), dir), 0);
    sign_and_verify(&pair, key);
    assert_ok(vd_p11_destroy(token, pair.thumbprint, NULL));
}

static void set_pin(const char *old, const char *new)
{
    CK_SLOT_ID slot[8];
    CK_ULONG n = 8;
    CK_SESSION_HANDLE s = 0;
    CK_UTF8CHAR a[16];
    CK_UTF8CHAR b[16];
    (void)snprintf((char *)a, sizeof a, "%s", old);
    (void)snprintf((char *)b, sizeof b, "%s", new);
    assert_int_equal(module()->C_GetSlotList(CK_TRUE, slot, &n), CKR_OK);
    assert_int_equal(
        module()->C_OpenSession(slot[0], CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &s),
        CKR_OK);
    assert_int_equal(module()->C_SetPIN(s, a, strlen(old), b, strlen(new)), CKR_OK);
    assert_int_equal(module()->C_CloseSession(s), CKR_OK);
}

/* A token counts wrong PINs and locks itself: it is asked once. */
static void a_refused_pin_is_not_tried_again(void **state)
{
    (void)state;
    struct vd_p11_pair pair;
    VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
    make_pair(&pair, &key);
    set_pin(HSM_PIN, "9999");
    close_all();
    VD_AUTO_BUF sig = vd_buf_of(128);
    vd_err err = { 0 };
    assert_rc(VD_E_CRYPTO, vd_p11_sign(token, &pair, VD_SIG_ES256, VD_LIT("x"), &sig, &err));
    assert_non_null(strstr(err.msg, "pkcs11_pin_file"));
    set_pin("9999", HSM_PIN);
    err = (vd_err){ 0 };
    assert_rc(VD_E_CRYPTO, vd_p11_sign(token, &pair, VD_SIG_ES256, VD_LIT("x"), &sig, &err));
    assert_non_null(strstr(err.msg, "restart"));
    vd_p11_close(token);
    token = NULL;
    assert_ok(vd_p11_open(&good, &token, NULL));
    sign_and_verify(&pair, key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signatures_of_the_token_verify),
        cmocka_unit_test(other_algorithms_are_refused),
        cmocka_unit_test(wrong_settings_are_named),
        cmocka_unit_test(a_wrong_pin_is_refused),
        cmocka_unit_test(threads_share_a_token),
        cmocka_unit_test(a_lost_session_is_opened_again),
        cmocka_unit_test(a_token_that_comes_back_signs_again),
        cmocka_unit_test(a_refused_pin_is_not_tried_again),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
