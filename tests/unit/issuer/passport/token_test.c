/* The key ring over a PKCS#11 token (SoftHSM): first key, rotation, revocation and restart with
 * private halves that never leave it; the way from keys of the store into a token. */
#include "tests/support/softhsm.h"

#include "shared/codec/json.h"
#include "shared/crypto/p11.h"
#include "tests/unit/issuer/passport/ring_kit.h"

static struct vd_p11 *token;

static int setup(void **state)
{
    (void)state;
    assert_ok(vd_base_init(NULL));
    hsm_make();
    const struct vd_p11_cfg cfg = { HSM_MODULE, HSM_TOKEN, "passport", VD_LIT(HSM_PIN) };
    assert_ok(vd_p11_open(&cfg, &token, NULL));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    vd_p11_close(token);
    return 0;
}

static struct iss_keyring *open_ring(const struct kit *k)
{
    struct iss_keyring *r = NULL;
    struct iss_keyring_cfg cfg = kit_cfg(k);
    vd_err err = { 0 };
    cfg.key_file = NULL;
    cfg.token = token;
    if (iss_keyring_open(&cfg, &r, &err).code != VD_E_OK)
        print_error("%s\n", err.msg);
    assert_non_null(r);
    return r;
}

static bool in_token(const char *kid)
{
    struct vd_p11_pair pair;
    VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
    return vd_p11_find(token, kid, &key, &pair, NULL).code == VD_E_OK;
}

static void signs_with(struct iss_keyring *r, const struct kit *k, char ret[ISS_KID])
{
    VD_AUTO(iss_signer_free) struct iss_signer *s = NULL;
    VD_AUTO_BUF sig = vd_buf_of(256);
    assert_ok(iss_keyring_signer(r, kit_now(k), &s, NULL));
    assert_ok(s->sign(s->ctx, VD_LIT("passport"), &sig, NULL));
    assert_ok(vd_verify(s->key, s->alg, VD_LIT("passport"), vd_buf_span(&sig), NULL));
    (void)snprintf(ret, ISS_KID, "%s", s->kid);
}

static void keys_live_and_die_in_the_token(void **state)
{
    struct kit *k = *state;
    char first[ISS_KID];
    char next[ISS_KID];
    char now[ISS_KID];
    struct iss_keyring *r = open_ring(k);
    signs_with(r, k, first);
    assert_true(in_token(first));
    assert_ok(iss_keyring_rotate(r, &kit_admin, false, next, NULL));
    assert_true(in_token(next));
    iss_keyring_free(r);
    r = open_ring(k);
    signs_with(r, k, now);
    assert_string_equal(now, first);
    kit_pass(k, PUBLISH);
    signs_with(r, k, now);
    assert_string_equal(now, next);
    kit_pass(k, LIFE + LEEWAY + MAX_AGE);
    iss_keyring_tick(r);
    assert_false(in_token(first));
    assert_ok(iss_keyring_revoke(r, &kit_admin, vd_span_str(next), NULL));
    assert_false(in_token(next));
    signs_with(r, k, now);
    assert_string_not_equal(now, next);
    iss_keyring_free(r);
    VD_AUTO_SECRET pem = { 0 };
    uint64_t version = 0;
    assert_rc(VD_E_NOT_FOUND, vd_store_get_secret(k->store, VD_OWNER_DEFAULT, "passport-key", now,
                                                  &pem, &version, NULL));
    /* Without the token nothing signs. */
    struct iss_keyring_cfg cfg = kit_cfg(k);
    struct iss_keyring *none = NULL;
    vd_err err = { 0 };
    assert_rc(VD_E_CONFIG, iss_keyring_open(&cfg, &none, &err));
    assert_non_null(strstr(err.msg, "pkcs11_module"));
    assert_ok(vd_p11_destroy(token, now, NULL));
}

static void a_lost_token_needs_no_restart(void **state)
{
    struct kit *k = *state;
    char first[ISS_KID];
    char now[ISS_KID];
    struct iss_keyring *r = open_ring(k);
    signs_with(r, k, first);
    hsm_finalize();
    signs_with(r, k, now);
    assert_string_equal(now, first);
    hsm_finalize();
    assert_ok(iss_keyring_rotate(r, &kit_admin, true, now, NULL));
    hsm_finalize();
    signs_with(r, k, now);
    assert_string_not_equal(now, first);
    iss_keyring_tick(r);
    iss_keyring_free(r);
    assert_ok(vd_p11_destroy(token, now, NULL));
}

static void keys_of_the_store_hand_over_in_time(void **state)
{
    struct kit *k = *state;
    char old[ISS_KID];
    char now[ISS_KID];
    struct iss_keyring_cfg cfg = kit_cfg(k);
    struct iss_keyring *r = NULL;
    assert_ok(iss_keyring_create(&cfg, NULL));
    assert_ok(iss_keyring_open(&cfg, &r, NULL));
    signs_with(r, k, old);
    iss_keyring_free(r);
    kit_pass(k, 1000);
    r = open_ring(k);
    signs_with(r, k, now);
    assert_string_equal(now, old);
    kit_pass(k, PUBLISH);
    signs_with(r, k, now);
    assert_string_not_equal(now, old);
    assert_true(in_token(now));
    VD_AUTO_BUF text = vd_buf_of(65536);
    vd_jw w = vd_jw_of(&text);
    assert_ok(iss_keyring_to_json(r, vd_span_str(now), &w, NULL));
    assert_non_null(strstr(vd_buf_cstr(&text), "\"origin\":\"pkcs11\""));
    iss_keyring_free(r);
}

#define T(name) cmocka_unit_test_setup_teardown(name, kit_setup, kit_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(keys_live_and_die_in_the_token),
        T(a_lost_token_needs_no_restart),
        T(keys_of_the_store_hand_over_in_time),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
