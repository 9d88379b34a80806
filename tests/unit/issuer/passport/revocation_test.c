/* Revocations of the issuer: what may be revoked, the statement and its numbers, and that they
 * outlast restarts. */
#include "tests/support/support.h"

#include "shared/codec/json.h"
#include "tests/unit/issuer/passport/ring_kit.h"

#define JTI "AAAAAAAAAAAAAAAAAAAAAA"
#define SHA "00000000000000000000000000000000000000000000000000000000000000ab"

struct open {
    struct iss_keyring *keys;
    struct iss_revocations *r;
};

static struct open open_all(struct kit *k)
{
    struct open o = { 0 };
    const struct iss_revocations_cfg cfg = { k->store, k->audit, k->clock, NULL,
                                             "https://issuer.test" };
    struct iss_keyring_cfg keys = kit_statements(k);
    assert_ok(iss_keyring_open(&keys, &o.keys, NULL));
    assert_ok(iss_revocations_open(&cfg, o.keys, &o.r, NULL));
    return o;
}

static void close_all(struct open *o)
{
    iss_revocations_free(o->r);
    iss_keyring_free(o->keys);
}
#define AUTO_OPEN __attribute__((cleanup(close_all))) struct open

static vd_code add(struct iss_revocations *r, enum iss_revoke type, const char *value)
{
    vd_err err = { 0 };
    return iss_revocations_add(r, &kit_admin, type, vd_span_str(value), VD_LIT("why"), &err).code;
}

struct claims {
    struct vd_jws *jws;
    struct vd_json *doc;
    uint64_t seq;
    int64_t iat;
    int64_t exp;
};

static void claims_done(struct claims *c)
{
    vd_json_free(c->doc);
    vd_jws_free(c->jws);
}
#define AUTO_CLAIMS __attribute__((cleanup(claims_done))) struct claims

static struct claims statement(const struct open *o)
{
    struct claims c = { 0 };
    static vd_buf token;
    vd_buf_done(&token);
    token = vd_buf_of(1 << 20);
    assert_ok(iss_revocations_statement(o->r, &token, NULL));
    assert_ok(vd_jws_parse(vd_buf_span(&token), token.n, &c.jws, NULL));
    VD_AUTO(iss_signer_free) struct iss_signer *signer = NULL;
    assert_ok(iss_keyring_signer(o->keys, 0, &signer, NULL));
    assert_ok(vd_jws_verify(c.jws, signer->key, signer->alg, NULL));
    assert_true(vd_jv_str_eq(c.jws->typ, "vidimus-revocation+jwt"));
    assert_true(vd_jv_str_eq(c.jws->kid, signer->kid));
    assert_ok(vd_json_parse(vd_buf_span(&c.jws->payload), VD_JSON_LIMITS(1 << 20), &c.doc, NULL));
    vd_jv root = vd_json_root(c.doc);
    assert_true(vd_jv_str_eq(vd_jv_get(root, "iss"), "https://issuer.test"));
    assert_ok(vd_jv_u64(vd_jv_get(root, "seq"), INT64_MAX, &c.seq, NULL));
    assert_ok(vd_jv_i64(vd_jv_get(root, "iat"), &c.iat, NULL));
    assert_ok(vd_jv_i64(vd_jv_get(root, "exp"), &c.exp, NULL));
    assert_int_equal(c.exp, c.iat + 120);
    vd_buf_done(&token);
    return c;
}

static size_t count(const struct claims *c, const char *list)
{
    vd_jv v = vd_jv_get(vd_json_root(c->doc), list);
    assert_true(vd_jv_is(v, VD_JSON_ARRAY));
    return vd_jv_count(v);
}

static void values_are_checked(void **state)
{
    struct kit *k = *state;
    AUTO_OPEN o = open_all(k);
    static const struct {
        enum iss_revoke type;
        const char *value;
        vd_code want;
    } rows[] = {
        { ISS_REVOKE_JTI, JTI, VD_E_OK },
        { ISS_REVOKE_JTI, JTI, VD_E_EXISTS },
        { ISS_REVOKE_JTI, "AAAA", VD_E_SETTING },
        { ISS_REVOKE_JTI, "AAAAAAAAAAAAAAAAAAAAA=", VD_E_SETTING },
        { ISS_REVOKE_JTI, "", VD_E_SETTING },
        { ISS_REVOKE_HW_ID, "00ff", VD_E_OK },
        { ISS_REVOKE_HW_ID, "00FF", VD_E_SETTING },
        { ISS_REVOKE_HW_ID, "", VD_E_SETTING },
        { ISS_REVOKE_HW_ID, "xyz", VD_E_SETTING },
        { ISS_REVOKE_POLICY, SHA, VD_E_OK },
        { ISS_REVOKE_POLICY, "ab", VD_E_SETTING },
        { ISS_REVOKE_BEFORE, "2026-05-28T20:26:41Z", VD_E_SETTING }, /* a second ahead */
        { ISS_REVOKE_BEFORE, "yesterday", VD_E_SETTING },
        { ISS_REVOKE_BEFORE, "2026-05-28T20:00:00Z", VD_E_OK },
        { ISS_REVOKE_BEFORE, "2026-05-28T19:00:00Z", VD_E_EXISTS },
        { ISS_REVOKE_BEFORE, "now", VD_E_OK },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        vd_code got = add(o.r, rows[i].type, rows[i].value);
        if (got != rows[i].want)
            print_error("%s %s\n", iss_revoke_name(rows[i].type), rows[i].value);
        assert_int_equal(got, rows[i].want);
    }
    AUTO_CLAIMS c = statement(&o);
    assert_int_equal(count(&c, "jti"), 1);
    assert_int_equal(count(&c, "hw_id"), 1);
    assert_int_equal(count(&c, "policy_sha256"), 1);
    assert_true(iss_revocations_hit(o.r, ISS_REVOKE_HW_ID, VD_LIT("00ff")));
    assert_false(iss_revocations_hit(o.r, ISS_REVOKE_HW_ID, VD_LIT("00f")));
    assert_false(iss_revocations_hit(o.r, ISS_REVOKE_HW_ID, VD_SPAN_NONE));
    char reason[ISS_REVOKE_REASON + 1];
    memset(reason, 'r', sizeof reason);
    assert_rc(VD_E_SETTING, iss_revocations_add(o.r, &kit_admin, ISS_REVOKE_HW_ID, VD_LIT("01"),
                                                vd_span_of(reason, sizeof reason), NULL));
}

static void numbers_grow_with_content_only_and_outlast_restarts(void **state)
{
    struct kit *k = *state;
    uint64_t seq = 0;
    for (int round = 0; round < 4; round++) {
        AUTO_OPEN o = open_all(k);
        AUTO_CLAIMS before = statement(&o);
        assert_true(round == 0 || before.seq == seq);
        kit_pass(k, 15);
        AUTO_CLAIMS later = statement(&o);
        assert_int_equal(later.seq, before.seq);
        assert_int_equal(later.iat, before.iat + 15);
        char hw[8];
        (void)snprintf(hw, sizeof hw, "0%d", round);
        assert_int_equal(add(o.r, ISS_REVOKE_HW_ID, hw), VD_E_OK);
        AUTO_CLAIMS after = statement(&o);
        assert_int_equal(after.seq, before.seq + 1);
        assert_int_equal(count(&after, "hw_id"), (size_t)round + 1);
        seq = after.seq;
    }
}

static void what_is_taken_back_is_a_new_number_too(void **state)
{
    struct kit *k = *state;
    AUTO_OPEN o = open_all(k);
    AUTO_CLAIMS a = statement(&o);
    assert_int_equal(add(o.r, ISS_REVOKE_HW_ID, "aa"), VD_E_OK);
    assert_ok(iss_revocations_remove(o.r, &kit_admin, ISS_REVOKE_HW_ID, VD_LIT("aa"), NULL));
    AUTO_CLAIMS b = statement(&o);
    assert_int_equal(b.seq, a.seq + 2);
    assert_int_equal(count(&b, "hw_id"), 0);
    assert_rc(VD_E_NOT_FOUND,
              iss_revocations_remove(o.r, &kit_admin, ISS_REVOKE_HW_ID, VD_LIT("aa"), NULL));
    assert_rc(VD_E_SETTING,
              iss_revocations_remove(o.r, &kit_admin, ISS_REVOKE_BEFORE, VD_LIT("now"), NULL));
    assert_int_equal(add(o.r, ISS_REVOKE_HW_ID, "aa"), VD_E_OK);
}

static void entries_of_dead_passports_are_dropped(void **state)
{
    struct kit *k = *state;
    AUTO_OPEN o = open_all(k);
    assert_int_equal(add(o.r, ISS_REVOKE_JTI, JTI), VD_E_OK);
    assert_int_equal(add(o.r, ISS_REVOKE_HW_ID, "aa"), VD_E_OK);
    kit_pass(k, 1499);
    iss_revocations_tick(o.r);
    AUTO_CLAIMS a = statement(&o);
    assert_int_equal(count(&a, "jti"), 1);
    kit_pass(k, 1);
    iss_revocations_tick(o.r);
    AUTO_CLAIMS b = statement(&o);
    assert_int_equal(count(&b, "jti"), 0);
    assert_int_equal(count(&b, "hw_id"), 1);
    assert_int_equal(b.seq, a.seq + 1);
}

static void the_list_is_bounded(void **state)
{
    struct kit *k = *state;
    struct vd_put *put = calloc(ISS_REVOKED_MAX, sizeof *put);
    char(*name)[24] = calloc(ISS_REVOKED_MAX, sizeof *name);
    assert_non_null(put);
    assert_non_null(name);
    for (size_t i = 0; i < ISS_REVOKED_MAX; i++) {
        (void)snprintf(name[i], sizeof name[i], "hw-id:%08zx", i);
        put[i] = (struct vd_put){ .owner = VD_OWNER_DEFAULT,
                                  .kind = "revocation",
                                  .name = name[i],
                                  .body = VD_LIT("{}"),
                                  .match = VD_MATCH_NONE,
                                  .by = "x",
                                  .now = NOW };
    }
    assert_ok(vd_store_put(k->store, put, ISS_REVOKED_MAX, 0, NULL));
    free(put);
    free(name);
    AUTO_OPEN o = open_all(k);
    assert_int_equal(add(o.r, ISS_REVOKE_HW_ID, "aa"), VD_E_SETTING);
    assert_int_equal(add(o.r, ISS_REVOKE_BEFORE, "now"), VD_E_OK);
    assert_true(iss_revocations_hit(o.r, ISS_REVOKE_HW_ID, VD_LIT("00000000")));
    assert_true(iss_revocations_hit(o.r, ISS_REVOKE_HW_ID, VD_LIT("00000fff")));
    assert_false(iss_revocations_hit(o.r, ISS_REVOKE_HW_ID, VD_LIT("00001000")));
    AUTO_CLAIMS c = statement(&o);
    assert_int_equal(count(&c, "hw_id"), ISS_REVOKED_MAX);
}

#define T(name) cmocka_unit_test_setup_teardown(name, kit_setup, kit_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(values_are_checked),
        T(numbers_grow_with_content_only_and_outlast_restarts),
        T(what_is_taken_back_is_a_new_number_too),
        T(entries_of_dead_passports_are_dropped),
        T(the_list_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
