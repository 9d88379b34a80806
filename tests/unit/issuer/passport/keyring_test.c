/* The key ring over a real store: import, rotation by command and by schedule, revocation, what is
 * published when, restarts at any point, signers under rotation. */
#include "tests/support/support.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "shared/codec/json.h"
#include "tests/unit/issuer/passport/ring_kit.h"

static struct iss_keyring *open_ring(const struct iss_keyring_cfg *cfg)
{
    struct iss_keyring *r = NULL;
    vd_err err = { 0 };
    if (iss_keyring_open(cfg, &r, &err).code != VD_E_OK)
        print_error("%s\n", err.msg);
    assert_non_null(r);
    return r;
}

static struct iss_keyring *fresh_ring(struct kit *k)
{
    struct iss_keyring_cfg cfg = kit_cfg(k);
    assert_ok(iss_keyring_create(&cfg, NULL));
    return open_ring(&cfg);
}

static void signer_kid(struct iss_keyring *r, const struct kit *k, char ret[ISS_KID])
{
    VD_AUTO(iss_signer_free) struct iss_signer *s = NULL;
    assert_ok(iss_keyring_signer(r, kit_now(k), &s, NULL));
    (void)snprintf(ret, ISS_KID, "%s", s->kid);
}

static void expect_signer(struct iss_keyring *r, const struct kit *k, const char *kid)
{
    char got[ISS_KID];
    signer_kid(r, k, got);
    assert_string_equal(got, kid);
}

struct set {
    uint64_t seq;
    int64_t iat;
    size_t n;
    char kid[64][ISS_KID];
    char use[64][16];
    char etag[ISS_ETAG];
};

static struct set read_set(struct iss_keyring *r)
{
    struct set s = { 0 };
    VD_AUTO_BUF text = vd_buf_of(1 << 20);
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    assert_ok(iss_keyring_jwks(r, &text, s.etag, NULL));
    assert_ok(vd_json_parse(vd_buf_span(&text), VD_JSON_LIMITS(1 << 20), &doc, NULL));
    vd_jv root = vd_json_root(doc);
    assert_ok(vd_jv_u64(vd_jv_get(root, "vidimus_seq"), INT64_MAX, &s.seq, NULL));
    assert_ok(vd_jv_i64(vd_jv_get(root, "iat"), &s.iat, NULL));
    vd_jv_iter each = vd_jv_iter_of(vd_jv_get(root, "keys"));
    while (vd_jv_next(&each)) {
        vd_span kid = vd_jv_str_raw(vd_jv_get(each.value, "kid"));
        vd_span use = vd_jv_str_raw(vd_jv_get(each.value, "vidimus_use"));
        assert_false(vd_jv_ok(vd_jv_get(each.value, "d")));
        (void)snprintf(s.kid[s.n], ISS_KID, "%.*s", (int)kid.n, (const char *)kid.p);
        (void)snprintf(s.use[s.n++], 16, "%.*s", (int)use.n, use.n ? (const char *)use.p : "");
    }
    return s;
}

static bool published(struct iss_keyring *r, const char *kid)
{
    struct set s = read_set(r);
    for (size_t i = 0; i < s.n; i++)
        if (strcmp(s.kid[i], kid) == 0)
            return true;
    return false;
}

static bool half_stored(const struct kit *k, const char *kid)
{
    VD_AUTO_SECRET pem = { 0 };
    uint64_t version = 0;
    return vd_store_get_secret(k->store, VD_OWNER_DEFAULT, "passport-key", kid, &pem, &version,
                               NULL)
               .code == VD_E_OK;
}

static void a_rotation_publishes_signs_and_retires_in_time(void **state)
{
    struct kit *k = *state;
    char old[ISS_KID];
    char next[ISS_KID];
    VD_AUTO(iss_keyring_free) struct iss_keyring *r = fresh_ring(k);
    signer_kid(r, k, old);
    struct set first = read_set(r);
    assert_int_equal(first.n, 1);
    kit_pass(k, 1000);
    assert_ok(iss_keyring_rotate(r, &kit_admin, false, next, NULL));
    assert_true(published(r, next));
    assert_true(read_set(r).seq > first.seq);
    kit_pass(k, PUBLISH - 1);
    iss_keyring_tick(r);
    expect_signer(r, k, old);
    kit_pass(k, 1);
    expect_signer(r, k, next); /* nobody had to tick */
    iss_keyring_tick(r);
    expect_signer(r, k, next);
    assert_true(published(r, old));
    kit_pass(k, LIFE + LEEWAY + MAX_AGE - 1);
    iss_keyring_tick(r);
    assert_true(published(r, old));
    assert_true(half_stored(k, old));
    struct set before = read_set(r);
    kit_pass(k, 1);
    iss_keyring_tick(r);
    assert_false(published(r, old));
    assert_false(half_stored(k, old));
    assert_true(half_stored(k, next));
    assert_true(read_set(r).seq > before.seq && strcmp(read_set(r).etag, before.etag) != 0);
    expect_signer(r, k, next);
}

static void a_restart_at_any_second_changes_nothing(void **state)
{
    struct kit *k = *state;
    char a[ISS_KID];
    char b[ISS_KID];
    struct iss_keyring *r = fresh_ring(k);
    signer_kid(r, k, a);
    assert_ok(iss_keyring_rotate(r, &kit_admin, false, b, NULL));
    uint64_t seq = 0;
    size_t restarts = 0;
    for (int64_t t = 0; t < PUBLISH + LIFE + LEEWAY + MAX_AGE + 120; t += 60, restarts++) {
        iss_keyring_free(r);
        kit_close(k);
        kit_open(k);
        struct iss_keyring_cfg cfg = kit_cfg(k);
        r = open_ring(&cfg);
        expect_signer(r, k, t < PUBLISH ? a : b);
        assert_int_equal(published(r, a), t < PUBLISH + LIFE + LEEWAY + MAX_AGE);
        assert_true(published(r, b));
        assert_true(read_set(r).seq >= seq);
        seq = read_set(r).seq;
        kit_pass(k, 60);
    }
    iss_keyring_free(r);
    print_message("restarts: %zu\n", restarts);
}

static void a_key_file_is_taken_in_once(void **state)
{
    struct kit *k = *state;
    struct iss_keyring_cfg cfg = kit_cfg(k);
    const struct iss_signer_cfg file = { .alg = "ES256", .key_file = k->key_file };
    char first[ISS_KID];
    char next[ISS_KID];
    struct iss_keyring *none = NULL;
    vd_err err = { 0 };
    assert_rc(VD_E_CONFIG, iss_keyring_open(&cfg, &none, &err));
    assert_non_null(strstr(err.msg, k->key_file));
    assert_non_null(strstr(err.msg, "init"));
    assert_ok(iss_signer_create(&file, NULL));
    struct iss_keyring *r = open_ring(&cfg);
    signer_kid(r, k, first);
    VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
    char kid[ISS_KID];
    assert_ok(iss_signer_key(&file, &key, NULL));
    assert_ok(vd_key_thumbprint(key, kid, NULL));
    assert_string_equal(first, kid);
    /* Rotated away: the file that still lies there is not new. */
    assert_ok(iss_keyring_rotate(r, &kit_admin, true, next, NULL));
    kit_pass(k, 10000);
    iss_keyring_tick(r);
    iss_keyring_free(r);
    r = open_ring(&cfg);
    expect_signer(r, k, next);
    assert_false(published(r, first));
    iss_keyring_free(r);
    /* Gone: not needed. Another: signs from now on. */
    assert_int_equal(unlink(k->key_file), 0);
    r = open_ring(&cfg);
    expect_signer(r, k, next);
    iss_keyring_free(r);
    assert_ok(iss_signer_create(&file, NULL));
    r = open_ring(&cfg);
    signer_kid(r, k, kid);
    assert_string_not_equal(kid, next);
    assert_true(published(r, next));
    iss_keyring_free(r);
}

static void a_schedule_makes_keys_in_time(void **state)
{
    struct kit *k = *state;
    struct iss_keyring_cfg cfg = kit_cfg(k);
    cfg.rotate_every = 3600;
    assert_ok(iss_keyring_create(&cfg, NULL));
    VD_AUTO(iss_keyring_free) struct iss_keyring *r = open_ring(&cfg);
    char last[ISS_KID];
    size_t keys = 0;
    int64_t changed = kit_now(k);
    signer_kid(r, k, last);
    for (int64_t t = 0; t < 84600; t += 10) {
        char now[ISS_KID];
        iss_keyring_tick(r);
        signer_kid(r, k, now);
        if (strcmp(now, last) != 0) {
            assert_int_equal(kit_now(k) - changed, 3600);
            changed = kit_now(k);
            (void)snprintf(last, sizeof last, "%s", now);
            keys++;
        }
        assert_true(read_set(r).n <= 3);
        kit_pass(k, 10);
    }
    assert_int_equal(keys, 23);
    /* A pause of a week: the key that is due is published first, then signs. */
    kit_pass(k, 7 * 86400);
    iss_keyring_tick(r);
    expect_signer(r, k, last);
    kit_pass(k, PUBLISH);
    char now[ISS_KID];
    signer_kid(r, k, now);
    assert_string_not_equal(now, last);
}

static void a_revoked_key_is_gone_at_once(void **state)
{
    struct kit *k = *state;
    char a[ISS_KID];
    char b[ISS_KID];
    char c[ISS_KID];
    VD_AUTO(iss_keyring_free) struct iss_keyring *r = fresh_ring(k);
    signer_kid(r, k, a);
    assert_ok(iss_keyring_rotate(r, &kit_admin, false, b, NULL));
    kit_pass(k, 10);
    /* The active one: the one that waits takes over, also for who asks with an earlier time. */
    assert_ok(iss_keyring_revoke(r, &kit_admin, vd_span_str(a), NULL));
    expect_signer(r, k, b);
    VD_AUTO(iss_signer_free) struct iss_signer *early = NULL;
    assert_ok(iss_keyring_signer(r, kit_now(k) - 5, &early, NULL));
    assert_string_equal(early->kid, b);
    assert_false(published(r, a));
    assert_false(half_stored(k, a));
    assert_rc(VD_E_KEY_STATE, iss_keyring_revoke(r, &kit_admin, vd_span_str(a), NULL));
    assert_rc(VD_E_NOT_FOUND, iss_keyring_revoke(r, &kit_admin, VD_LIT("nobody"), NULL));
    /* No one waits: a fresh one. */
    kit_pass(k, 10);
    assert_ok(iss_keyring_revoke(r, &kit_admin, vd_span_str(b), NULL));
    signer_kid(r, k, c);
    assert_string_not_equal(c, b);
    assert_int_equal(read_set(r).n, 1);
    /* One that waits: nothing else changes. */
    assert_ok(iss_keyring_rotate(r, &kit_admin, false, b, NULL));
    assert_ok(iss_keyring_revoke(r, &kit_admin, vd_span_str(b), NULL));
    kit_pass(k, 2 * PUBLISH);
    iss_keyring_tick(r);
    expect_signer(r, k, c);
}

static void no_more_keys_than_brokers_take(void **state)
{
    struct kit *k = *state;
    char kid[ISS_KID];
    VD_AUTO(iss_keyring_free) struct iss_keyring *r = fresh_ring(k);
    size_t made = 0;
    while (iss_keyring_rotate(r, &kit_admin, true, kid, NULL).code == VD_E_OK)
        made++;
    assert_int_equal(made, ISS_RING_PUBLISHED - 1);
    assert_rc(VD_E_KEYS_FULL, iss_keyring_rotate(r, &kit_admin, false, kid, NULL));
    /* A revocation is never refused for want of room. */
    signer_kid(r, k, kid);
    assert_ok(iss_keyring_revoke(r, &kit_admin, vd_span_str(kid), NULL));
    /* Hundreds of keys later the ring still remembers what it must and no more. */
    for (int i = 0; i < 140; i++) {
        kit_pass(k, LIFE + LEEWAY + MAX_AGE);
        iss_keyring_tick(r);
        assert_ok(iss_keyring_rotate(r, &kit_admin, true, kid, NULL));
        expect_signer(r, k, kid);
    }
    assert_true(read_set(r).n <= 2);
}

static void statement_kid(struct iss_keyring *ring, const struct kit *k, char ret[ISS_KID])
{
    VD_AUTO(iss_signer_free) struct iss_signer *s = NULL;
    assert_ok(iss_keyring_signer(ring, kit_now(k), &s, NULL));
    (void)snprintf(ret, ISS_KID, "%s", s->kid);
}

static void the_key_of_statements_is_marked_and_no_key_of_passports(void **state)
{
    struct kit *k = *state;
    char kid[ISS_KID];
    char again[ISS_KID];
    struct iss_keyring_cfg cfg = kit_cfg(k);
    struct iss_keyring_cfg statements = kit_statements(k);
    VD_AUTO(iss_keyring_free) struct iss_keyring *ring = open_ring(&statements);
    statement_kid(ring, k, kid);
    iss_keyring_free(VD_TAKE(ring));
    ring = open_ring(&statements);
    statement_kid(ring, k, again);
    assert_string_equal(kid, again);
    cfg.statements = ring;
    assert_ok(iss_keyring_create(&cfg, NULL));
    VD_AUTO(iss_keyring_free) struct iss_keyring *r = open_ring(&cfg);
    struct set s = read_set(r);
    assert_int_equal(s.n, 2);
    assert_string_equal(s.use[0], "");
    assert_string_equal(s.use[1], "revocation");
    assert_string_equal(s.kid[1], kid);
    iss_keyring_free(VD_TAKE(r));
}

/* In either order, and what was refused leaves nothing behind. */
static void one_file_for_both_rings_is_refused(void **state)
{
    struct kit *k = *state;
    const struct iss_signer_cfg file = { .alg = "ES256", .key_file = k->key_file };
    struct iss_keyring_cfg cfg = kit_cfg(k);
    struct iss_keyring_cfg statements = kit_statements(k);
    struct iss_keyring *none = NULL;
    assert_ok(iss_signer_create(&file, NULL));
    iss_keyring_free(open_ring(&cfg));
    statements.key_file = k->key_file;
    assert_rc(VD_E_CONFIG, iss_keyring_open(&statements, &none, NULL));
    statements.key_file = NULL;
    VD_AUTO(iss_keyring_free) struct iss_keyring *ring = open_ring(&statements);
    iss_keyring_free(open_ring(&cfg));
    /* The other way round, with a second file. */
    VD_AUTO(free) char *second = kit_path(k, "revocation.key");
    const struct iss_signer_cfg other = { .alg = "ES256", .key_file = second };
    assert_ok(iss_signer_create(&other, NULL));
    iss_keyring_free(VD_TAKE(ring));
    statements.key_file = second;
    iss_keyring_free(open_ring(&statements));
    cfg.key_file = second;
    assert_rc(VD_E_CONFIG, iss_keyring_open(&cfg, &none, NULL));
    cfg.key_file = k->key_file;
    iss_keyring_free(open_ring(&cfg));
}

static void a_key_of_statements_is_rotated_like_one_of_passports(void **state)
{
    struct kit *k = *state;
    char old[ISS_KID];
    char next[ISS_KID];
    char now[ISS_KID];
    struct iss_keyring_cfg cfg = kit_cfg(k);
    struct iss_keyring_cfg statements = kit_statements(k);
    VD_AUTO(iss_keyring_free) struct iss_keyring *ring = open_ring(&statements);
    cfg.statements = ring;
    assert_ok(iss_keyring_create(&cfg, NULL));
    struct iss_keyring *r = open_ring(&cfg);
    statement_kid(ring, k, old);
    uint64_t seq = read_set(r).seq;
    assert_ok(iss_keyring_rotate(ring, &kit_admin, false, next, NULL));
    assert_int_equal(read_set(r).n, 2);
    iss_keyring_tick(r); /* takes it into the set */
    struct set s = read_set(r);
    assert_int_equal(s.n, 3);
    assert_true(s.seq > seq);
    assert_string_equal(s.use[1], "revocation");
    assert_string_equal(s.use[2], "revocation");
    statement_kid(ring, k, now);
    assert_string_equal(now, old);
    kit_pass(k, PUBLISH);
    statement_kid(ring, k, now);
    assert_string_equal(now, next);
    kit_pass(k, ISS_STATEMENT_SECONDS + LEEWAY + MAX_AGE);
    iss_keyring_tick(ring);
    iss_keyring_tick(r);
    s = read_set(r);
    assert_int_equal(s.n, 2);
    assert_string_equal(s.kid[1], next);
    assert_ok(iss_keyring_revoke(ring, &kit_admin, vd_span_str(next), NULL));
    iss_keyring_tick(r);
    s = read_set(r);
    assert_int_equal(s.n, 2);
    assert_string_not_equal(s.kid[1], next);
    iss_keyring_free(r);
}

/* What the store had before keys of statements were a ring. */
static void the_key_of_statements_of_an_older_store_is_taken_in(void **state)
{
    struct kit *k = *state;
    char kid[ISS_KID];
    char now[ISS_KID];
    enum vd_sig alg;
    VD_AUTO_SECRET pem = { 0 };
    VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
    assert_ok(iss_signer_generate("ES256", &key, &alg, NULL));
    assert_ok(vd_key_thumbprint(key, kid, NULL));
    assert_ok(vd_key_to_pem_private(key, false, &pem, NULL));
    struct vd_put put = { .owner = VD_OWNER_DEFAULT,
                          .kind = "revocation-key",
                          .name = "key",
                          .body = vd_secret_span(&pem),
                          .sealed = true,
                          .match = VD_MATCH_NONE,
                          .by = "schedule",
                          .now = NOW };
    assert_ok(
        vd_change(k->audit, k->store, "revocation-key.create", "schedule", "", &put, 1, NULL));
    struct iss_keyring_cfg statements = kit_statements(k);
    for (int i = 0; i < 2; i++) {
        VD_AUTO(iss_keyring_free) struct iss_keyring *ring = open_ring(&statements);
        statement_kid(ring, k, now);
        assert_string_equal(now, kid);
    }
    VD_AUTO_SECRET gone = { 0 };
    uint64_t version = 0;
    assert_rc(VD_E_NOT_FOUND, vd_store_get_secret(k->store, VD_OWNER_DEFAULT, "revocation-key",
                                                  "key", &gone, &version, NULL));
}

static void a_longer_lifetime_keeps_keys_published_longer(void **state)
{
    struct kit *k = *state;
    char a[ISS_KID];
    char b[ISS_KID];
    iss_keyring_free(fresh_ring(k));
    struct iss_keyring_cfg cfg = kit_cfg(k);
    cfg.lifetime = 900;
    struct iss_keyring *r = open_ring(&cfg);
    signer_kid(r, k, a);
    iss_keyring_free(r);
    cfg.lifetime = 100; /* shorter again: passports of 900 s are still about */
    r = open_ring(&cfg);
    assert_ok(iss_keyring_rotate(r, &kit_admin, true, b, NULL));
    kit_pass(k, 900 + LEEWAY + MAX_AGE - 1);
    iss_keyring_tick(r);
    assert_true(published(r, a));
    kit_pass(k, 1);
    iss_keyring_tick(r);
    assert_false(published(r, a));
    iss_keyring_free(r);
}

static void a_damaged_ring_stops_the_start(void **state)
{
    struct kit *k = *state;
    struct iss_keyring_cfg cfg = kit_cfg(k);
    static const char *const bad[] = {
        "", "{}", "[]", "{\"v\":2,\"keys\":[]}", "{\"v\":1,\"keys\":[{}]}", "{\"v\":1,\"keys\":{}}"
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct vd_put put = { .owner = VD_OWNER_DEFAULT,
                              .kind = "passport-ring",
                              .name = "ring",
                              .body = vd_span_str(bad[i]),
                              .match = VD_MATCH_ANY,
                              .by = "x",
                              .now = NOW };
        struct iss_keyring *none = NULL;
        assert_ok(vd_store_put(k->store, &put, 1, 0, NULL));
        assert_rc(VD_E_STORE_CORRUPT, iss_keyring_open(&cfg, &none, NULL));
    }
}

struct load {
    struct iss_keyring *ring;
    int64_t now;
    atomic_bool stop;
    atomic_uint_fast64_t signatures;
    atomic_uint_fast64_t failures;
};

static void *sign_all_the_time(void *arg)
{
    struct load *l = arg;
    while (!atomic_load(&l->stop)) {
        VD_AUTO(iss_signer_free) struct iss_signer *s = NULL;
        VD_AUTO_BUF out = vd_buf_of(256);
        bool ok =
            iss_keyring_signer(l->ring, l->now, &s, NULL).code == VD_E_OK &&
            s->sign(s->ctx, VD_LIT("passport"), &out, NULL).code == VD_E_OK &&
            vd_verify(s->key, s->alg, VD_LIT("passport"), vd_buf_span(&out), NULL).code == VD_E_OK;
        atomic_fetch_add(ok ? &l->signatures : &l->failures, 1);
    }
    return NULL;
}

static void signing_goes_on_while_keys_change(void **state)
{
    struct kit *k = *state;
    VD_AUTO(iss_keyring_free) struct iss_keyring *r = fresh_ring(k);
    struct load load = { .ring = r, .now = kit_now(k) };
    pthread_t thread[2];
    char kid[ISS_KID];
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, sign_all_the_time, &load), 0);
    for (int i = 0; i < 20; i++)
        assert_ok(iss_keyring_rotate(r, &kit_admin, true, kid, NULL));
    for (int i = 0; i < 10; i++) {
        signer_kid(r, k, kid);
        assert_ok(iss_keyring_revoke(r, &kit_admin, vd_span_str(kid), NULL));
    }
    atomic_store(&load.stop, true);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    assert_int_equal(atomic_load(&load.failures), 0);
    print_message("signatures during 30 changes: %llu, failures 0\n",
                  (unsigned long long)atomic_load(&load.signatures));
}

#define T(name) cmocka_unit_test_setup_teardown(name, kit_setup, kit_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_rotation_publishes_signs_and_retires_in_time),
        T(a_restart_at_any_second_changes_nothing),
        T(a_key_file_is_taken_in_once),
        T(a_schedule_makes_keys_in_time),
        T(a_revoked_key_is_gone_at_once),
        T(no_more_keys_than_brokers_take),
        T(the_key_of_statements_is_marked_and_no_key_of_passports),
        T(one_file_for_both_rings_is_refused),
        T(a_key_of_statements_is_rotated_like_one_of_passports),
        T(the_key_of_statements_of_an_older_store_is_taken_in),
        T(a_longer_lifetime_keeps_keys_published_longer),
        T(a_damaged_ring_stops_the_start),
        T(signing_goes_on_while_keys_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
