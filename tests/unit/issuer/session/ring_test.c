/* The ring of spent challenges: single use, wrap-around, a flood, many threads. */
#include "tests/support/support.h"

#include <pthread.h>

#include "issuer/session/ring.h"

enum { THREADS = 64, RACES = 1000 };

static void a_serial_is_spent_once(void **state)
{
    (void)state;
    struct iss_ring r;
    assert_ok(iss_ring_init(&r, NULL));
    assert_false(iss_ring_spend(&r, 0)); /* never given out */
    uint64_t a = iss_ring_next(&r), b = iss_ring_next(&r);
    assert_int_equal(a, 0);
    assert_int_equal(b, 1);
    assert_false(iss_ring_spent(&r, b));
    assert_true(iss_ring_spend(&r, b));
    assert_true(iss_ring_spent(&r, b));
    assert_false(iss_ring_spend(&r, b));
    assert_true(iss_ring_spend(&r, a));
    assert_false(iss_ring_live(&r, 2));
    assert_false(iss_ring_live(&r, UINT64_MAX));
    iss_ring_done(&r);
}

static void a_wrap_clears_slots_before_they_are_used_again(void **state)
{
    (void)state;
    struct iss_ring r;
    assert_ok(iss_ring_init(&r, NULL));
    /* every serial of two turns is spent at once: a slot that was not cleared would refuse */
    for (uint64_t i = 0; i < 2u * ISS_RING_SLOTS + 5; i++) {
        assert_int_equal(iss_ring_next(&r), i);
        assert_true(iss_ring_spend(&r, i));
    }
    iss_ring_done(&r);
}

static void a_flood_shortens_lives_and_revives_nothing(void **state)
{
    (void)state;
    struct iss_ring r;
    assert_ok(iss_ring_init(&r, NULL));
    uint64_t spent = iss_ring_next(&r), open = iss_ring_next(&r), late = iss_ring_next(&r);
    assert_true(iss_ring_spend(&r, spent));
    uint64_t last = late;
    while (last - late < ISS_RING_SLOTS - ISS_RING_GUARD - 1)
        last = iss_ring_next(&r);
    assert_false(iss_ring_live(&r, open));
    assert_true(iss_ring_live(&r, late));
    assert_false(iss_ring_spend(&r, open));
    assert_true(iss_ring_spend(&r, late));
    /* through the moment where the slots of the first serials are cleared, and behind it */
    for (size_t i = 0; i < 3u * ISS_RING_GUARD; i++) {
        (void)iss_ring_next(&r);
        assert_false(iss_ring_spend(&r, spent));
        assert_false(iss_ring_spend(&r, open));
        assert_false(iss_ring_spend(&r, late));
    }
    iss_ring_done(&r);
}

struct race {
    struct iss_ring ring;
    pthread_barrier_t gate;
    uint64_t serial[RACES];
    atomic_int won[RACES];
};

static void *race_thread(void *arg)
{
    struct race *x = arg;
    for (size_t i = 0; i < RACES; i++) {
        if (i % 50 == 0)
            (void)pthread_barrier_wait(&x->gate);
        if (iss_ring_spend(&x->ring, x->serial[i]))
            atomic_fetch_add(&x->won[i], 1);
    }
    return NULL;
}

static void of_64_threads_exactly_one_wins_each_of_1000_serials(void **state)
{
    (void)state;
    struct race *x = calloc(1, sizeof *x);
    assert_non_null(x);
    assert_ok(iss_ring_init(&x->ring, NULL));
    assert_int_equal(pthread_barrier_init(&x->gate, NULL, THREADS), 0);
    for (size_t i = 0; i < RACES; i++)
        x->serial[i] = iss_ring_next(&x->ring);
    pthread_t t[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&t[i], NULL, race_thread, x), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(t[i], NULL), 0);
    for (size_t i = 0; i < RACES; i++)
        assert_int_equal(atomic_load(&x->won[i]), 1);
    (void)pthread_barrier_destroy(&x->gate);
    iss_ring_done(&x->ring);
    free(x);
    print_message("races: %d serials by %d threads\n", RACES, THREADS);
}

enum { FLOODERS = 4 };
struct flood {
    struct iss_ring ring;
    atomic_bool stop;
    atomic_ulong given;
};

static void *flood_thread(void *arg)
{
    struct flood *x = arg;
    while (!atomic_load(&x->stop)) {
        uint64_t s = iss_ring_next(&x->ring);
        atomic_fetch_add(&x->given, 1);
        /* two tries on each serial: never both */
        bool a = iss_ring_spend(&x->ring, s), b = iss_ring_spend(&x->ring, s);
        if (a && b)
            atomic_store(&x->stop, true), atomic_store(&x->given, 0);
    }
    return NULL;
}

static void while_others_flood_an_old_serial_stays_spent(void **state)
{
    (void)state;
    struct flood *x = calloc(1, sizeof *x);
    assert_non_null(x);
    assert_ok(iss_ring_init(&x->ring, NULL));
    uint64_t old = iss_ring_next(&x->ring);
    assert_true(iss_ring_spend(&x->ring, old));
    pthread_t t[FLOODERS];
    for (size_t i = 0; i < FLOODERS; i++)
        assert_int_equal(pthread_create(&t[i], NULL, flood_thread, x), 0);
    for (size_t i = 0; i < 2000000; i++)
        assert_false(iss_ring_spend(&x->ring, old));
    atomic_store(&x->stop, true);
    for (size_t i = 0; i < FLOODERS; i++)
        assert_int_equal(pthread_join(t[i], NULL), 0);
    assert_true(atomic_load(&x->given) > 0);
    iss_ring_done(&x->ring);
    free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_serial_is_spent_once),
        cmocka_unit_test(a_wrap_clears_slots_before_they_are_used_again),
        cmocka_unit_test(a_flood_shortens_lives_and_revives_nothing),
        cmocka_unit_test(of_64_threads_exactly_one_wins_each_of_1000_serials),
        cmocka_unit_test(while_others_flood_an_old_serial_stays_spent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
