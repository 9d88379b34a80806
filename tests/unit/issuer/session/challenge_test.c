/* Sealed challenges: what goes in comes out, nothing else opens, single use, expiry, a restart. */
#include "tests/support/support.h"

#include <pthread.h>
#include <stdatomic.h>

#include "issuer/session/challenge.h"

enum { NOW = 1780000000, LIFE = 300, THREADS = 64 };

static int setup(void **state)
{
    vd_err err = { 0 };
    if (vd_base_init(&err).code != VD_E_OK)
        return -1;
    return iss_challenges_new(LIFE, (struct iss_challenges **)state, &err).code == VD_E_OK ? 0 : -1;
}

static int teardown(void **state)
{
    iss_challenges_free(*state);
    return 0;
}

static struct iss_challenge sample(void)
{
    struct iss_challenge c = { .version = VD_KBS_0_4_0,
                               .hash = VD_SHA384,
                               .tee = vd_kbs_tee_name(VD_LIT("sample")) };
    iss_challenge_nonce(&c);
    return c;
}

static void a_challenge_comes_back_as_it_was_issued(void **state)
{
    struct iss_challenge c = sample(), got;
    c.n_audience = 2;
    memcpy(c.audience[0], "broker-a", 9);
    memset(c.audience[1], 'x', VD_KBS_AUDIENCE_BYTES);
    VD_AUTO_BUF cookie = vd_buf_of(4096);
    assert_ok(iss_challenge_issue(*state, &c, NOW, &cookie, NULL));
    assert_int_equal(c.nonce_n, 44);
    assert_ok(iss_challenge_open(*state, vd_buf_span(&cookie), NOW + LIFE - 1, &got, NULL));
    assert_int_equal(got.version, VD_KBS_0_4_0);
    assert_int_equal(got.hash, VD_SHA384);
    assert_string_equal(got.tee, "sample");
    assert_string_equal(got.nonce, c.nonce);
    assert_int_equal(got.n_audience, 2);
    assert_string_equal(got.audience[0], "broker-a");
    assert_string_equal(got.audience[1], c.audience[1]);
    assert_int_equal(got.serial, c.serial);
    assert_int_equal(got.expires, NOW + LIFE);
    for (size_t i = 0; i < cookie.n; i++)
        assert_true(cookie.p[i] == '-' || cookie.p[i] == '_' ||
                    (cookie.p[i] >= '0' && cookie.p[i] <= 'z'));
}

static void a_challenge_opens_until_it_is_spent_and_never_again(void **state)
{
    struct iss_challenge c = sample(), got;
    VD_AUTO_BUF cookie = vd_buf_of(4096);
    assert_ok(iss_challenge_issue(*state, &c, NOW, &cookie, NULL));
    assert_ok(iss_challenge_open(*state, vd_buf_span(&cookie), NOW, &got, NULL));
    assert_ok(iss_challenge_open(*state, vd_buf_span(&cookie), NOW, &got, NULL));
    assert_ok(iss_challenge_spend(*state, &got, NULL));
    assert_rc(VD_E_SESSION_SPENT, iss_challenge_spend(*state, &got, NULL));
    assert_rc(VD_E_SESSION_SPENT,
              iss_challenge_open(*state, vd_buf_span(&cookie), NOW, &got, NULL));
}

static void an_expired_challenge_is_refused(void **state)
{
    struct iss_challenge c = sample(), got;
    VD_AUTO_BUF cookie = vd_buf_of(4096);
    assert_ok(iss_challenge_issue(*state, &c, NOW, &cookie, NULL));
    assert_rc(VD_E_SESSION_EXPIRED,
              iss_challenge_open(*state, vd_buf_span(&cookie), NOW + LIFE, &got, NULL));
    assert_rc(VD_E_SESSION_EXPIRED,
              iss_challenge_open(*state, vd_buf_span(&cookie), INT64_MAX, &got, NULL));
}

static void after_a_restart_old_cookies_do_not_open(void **state)
{
    struct iss_challenge c = sample(), got;
    VD_AUTO_BUF cookie = vd_buf_of(4096);
    VD_AUTO(iss_challenges_free) struct iss_challenges *again = NULL;
    assert_ok(iss_challenge_issue(*state, &c, NOW, &cookie, NULL));
    assert_ok(iss_challenges_new(LIFE, &again, NULL));
    assert_rc(VD_E_SESSION_BAD, iss_challenge_open(again, vd_buf_span(&cookie), NOW, &got, NULL));
}

static void every_change_of_a_cookie_is_refused(void **state)
{
    struct iss_challenge c = sample(), got;
    VD_AUTO_BUF cookie = vd_buf_of(4096);
    assert_ok(iss_challenge_issue(*state, &c, NOW, &cookie, NULL));
    size_t tried = 0;
    for (size_t i = 0; i < cookie.n; i++) {
        uint8_t was = cookie.p[i];
        cookie.p[i] = was == 'A' ? 'B' : 'A';
        assert_rc(VD_E_SESSION_BAD,
                  iss_challenge_open(*state, vd_buf_span(&cookie), NOW, &got, NULL));
        cookie.p[i] = '=';
        assert_rc(VD_E_SESSION_BAD,
                  iss_challenge_open(*state, vd_buf_span(&cookie), NOW, &got, NULL));
        cookie.p[i] = was;
        vd_span cut = vd_test_guarded(vd_span_of(cookie.p, i));
        vd_code want = i ? VD_E_SESSION_BAD : VD_E_NO_SESSION;
        assert_rc(want, iss_challenge_open(*state, cut, NOW, &got, NULL));
        vd_test_guarded_free(cut);
        tried += 3;
    }
    vd_buf_u8(&cookie, 'A');
    assert_rc(VD_E_SESSION_BAD, iss_challenge_open(*state, vd_buf_span(&cookie), NOW, &got, NULL));
    static const char *const foreign[] = { "0123456789abcdef0123456789abcdef", " ",
                                           "../../etc/passwd", "%00" };
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++)
        assert_rc(VD_E_SESSION_BAD,
                  iss_challenge_open(*state, vd_span_str(foreign[i]), NOW, &got, NULL));
    VD_AUTO_BUF huge = vd_buf_of(100000);
    memset(vd_buf_extend(&huge, 90000), 'A', 90000);
    assert_rc(VD_E_SESSION_BAD, iss_challenge_open(*state, vd_buf_span(&huge), NOW, &got, NULL));
    print_message("cookies refused: %zu\n", tried);
}

struct race {
    struct iss_challenges *s;
    vd_span cookie;
    pthread_barrier_t gate;
    atomic_int won;
    atomic_int refused;
};

static void *race_thread(void *arg)
{
    struct race *x = arg;
    struct iss_challenge c;
    (void)pthread_barrier_wait(&x->gate);
    vd_rc_ rc = iss_challenge_open(x->s, x->cookie, NOW, &c, NULL);
    if (rc.code == VD_E_OK)
        rc = iss_challenge_spend(x->s, &c, NULL);
    atomic_fetch_add(rc.code == VD_E_OK ? &x->won : &x->refused, 1);
    return NULL;
}

static void of_64_threads_on_one_challenge_exactly_one_wins(void **state)
{
    struct iss_challenge c = sample();
    VD_AUTO_BUF cookie = vd_buf_of(4096);
    assert_ok(iss_challenge_issue(*state, &c, NOW, &cookie, NULL));
    struct race x = { .s = *state, .cookie = vd_buf_span(&cookie) };
    assert_int_equal(pthread_barrier_init(&x.gate, NULL, THREADS), 0);
    pthread_t t[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&t[i], NULL, race_thread, &x), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(t[i], NULL), 0);
    assert_int_equal(atomic_load(&x.won), 1);
    assert_int_equal(atomic_load(&x.refused), THREADS - 1);
    (void)pthread_barrier_destroy(&x.gate);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void nonces_are_44_characters_and_never_repeat(void **state)
{
    (void)state;
    enum { N = 100000 };
    char *all = calloc(N, 45);
    const char **at = calloc(N, sizeof *at);
    assert_non_null(all);
    assert_non_null(at);
    for (size_t i = 0; i < N; i++) {
        struct iss_challenge c = sample();
        assert_int_equal(c.nonce_n, 44);
        assert_int_equal(c.nonce[43], '=');
        memcpy(all + 45 * i, c.nonce, 45);
        at[i] = all + 45 * i;
    }
    qsort(at, N, sizeof *at, by_text);
    for (size_t i = 1; i < N; i++)
        assert_string_not_equal(at[i - 1], at[i]);
    free(at);
    free(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_challenge_comes_back_as_it_was_issued, setup, teardown),
        cmocka_unit_test_setup_teardown(a_challenge_opens_until_it_is_spent_and_never_again, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_expired_challenge_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(after_a_restart_old_cookies_do_not_open, setup, teardown),
        cmocka_unit_test_setup_teardown(every_change_of_a_cookie_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(of_64_threads_on_one_challenge_exactly_one_wins, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(nonces_are_44_characters_and_never_repeat, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
