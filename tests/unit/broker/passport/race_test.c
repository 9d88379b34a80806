/* Many requests while trusted issuers change: suspensions, keys and entries take effect at once,
 * and no reader ever sees a half-made view. Meant for the thread sanitizer as well. */
#include "tests/support/support.h"

#include <pthread.h>
#include <stdatomic.h>

#include "tests/unit/broker/mint.h"

enum { READERS = 4, TOKENS = 32, CHANGES = 300 };

struct race {
    struct brk_trust *trust;
    char *token[TOKENS];
    _Atomic bool stop;
    _Atomic uint64_t accepted;
    _Atomic uint64_t refused;
    _Atomic uint64_t wrong;
};

static void *reader(void *arg)
{
    struct race *r = arg;
    for (size_t i = 0; !atomic_load(&r->stop); i++) {
        vd_code got = code_of(r->trust, r->token[i % TOKENS]);
        bool refused =
            got == VD_E_ISSUER_SUSPENDED || got == VD_E_PASSPORT_KEY || got == VD_E_PASSPORT_ISSUER;
        atomic_fetch_add(got == VD_E_OK ? &r->accepted : refused ? &r->refused : &r->wrong, 1);
    }
    return NULL;
}

static void changes_take_effect_at_once_under_load(void **state)
{
    (void)state;
    const int64_t now_ns = (int64_t)NOW * 1000000000;
    assert_ok(vd_base_init(NULL));
    struct mint key = mint_new(VD_KTY_P256, VD_SIG_ES256);
    struct mint other = mint_new(VD_KTY_P256, VD_SIG_ES256);
    VD_AUTO_BUF ours = vd_buf_of(65536), theirs = vd_buf_of(65536);
    const struct mint *one[] = { &key }, *two[] = { &other };
    jwks_of(one, 1, &ours);
    jwks_of(two, 1, &theirs);
    struct race r = { .trust = trust_new(&now_ns, NULL, 0) };
    struct brk_issuer_spec spec = spec_of(vd_buf_span(&ours));
    trust_entry(r.trust, &spec);
    for (size_t i = 0; i < TOKENS; i++) {
        char jti[16];
        (void)snprintf(jti, sizeof jti, "\"%zu\"", i);
        const struct member change = { "jti", jti };
        r.token[i] = token_of(&key, &change, 1);
    }
    pthread_t thread[READERS];
    for (size_t i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, reader, &r), 0);
    for (uint64_t i = 0; i < CHANGES; i++) {
        VD_AUTO(brk_keyset_unref) struct brk_keyset *keys = NULL;
        VD_AUTO(brk_trust_view_unref) struct brk_trust_view *view = brk_trust_view(r.trust);
        assert_ok(brk_trust_suspend(r.trust, "main", true, i, NULL));
        assert_int_equal(code_of(r.trust, r.token[i % TOKENS]), VD_E_ISSUER_SUSPENDED);
        assert_ok(brk_trust_suspend(r.trust, "main", false, i, NULL));
        assert_int_equal(code_of(r.trust, r.token[i % TOKENS]), VD_E_OK);
        assert_ok(brk_keyset_parse(vd_buf_span(&theirs), &keys, NULL));
        assert_ok(brk_trust_set_keys(r.trust, view->row[0].issuer, keys, NULL));
        assert_int_equal(code_of(r.trust, r.token[i % TOKENS]), VD_E_PASSPORT_KEY);
        struct brk_trust_row row = { 0 };
        assert_ok(brk_issuer_new(&spec, &row.issuer, &row.keys, NULL));
        assert_ok(brk_trust_replace(r.trust, &row, NULL));
        assert_int_equal(code_of(r.trust, r.token[i % TOKENS]), VD_E_OK);
        if (i % 10 == 0) {
            assert_ok(brk_trust_remove(r.trust, "main", NULL));
            assert_int_equal(code_of(r.trust, r.token[i % TOKENS]), VD_E_PASSPORT_ISSUER);
            trust_entry(r.trust, &spec);
        }
    }
    atomic_store(&r.stop, true);
    for (size_t i = 0; i < READERS; i++)
        (void)pthread_join(thread[i], NULL);
    print_message("race: %llu accepted, %llu refused\n", (unsigned long long)r.accepted,
                  (unsigned long long)r.refused);
    assert_int_equal(r.wrong, 0);
    brk_trust_free(r.trust);
    for (size_t i = 0; i < TOKENS; i++)
        free(r.token[i]);
    mint_done(&key);
    mint_done(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(changes_take_effect_at_once_under_load) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
