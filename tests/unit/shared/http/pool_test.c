/* The worker pool: bounded, nothing lost, nothing run twice. */
#include "tests/support/support.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "shared/http/pool_priv.h"

struct work {
    struct vd_task task;
    atomic_int *ran;
    atomic_bool *gate;
};

static void pause_ms(long ms)
{
    const struct timespec ts = { 0, ms * 1000000 };
    (void)nanosleep(&ts, NULL);
}

static void run(struct vd_task *task)
{
    struct work *w = (struct work *)task;
    while (w->gate && !atomic_load(w->gate))
        pause_ms(1);
    atomic_fetch_add(w->ran, 1);
}

static bool submit(struct vd_pool *p, struct work *w)
{
    struct vd_waker *waker = NULL;
    bool ok = vd_pool_submit(p, &w->task, &waker);
    vd_wake(waker);
    return ok;
}

static void a_pool_takes_threads_plus_queue_and_no_more(void **state)
{
    (void)state;
    for (size_t queue = 0; queue < 3; queue++) {
        vd_err err = { 0 };
        struct vd_pool *p = NULL;
        atomic_int ran = 0;
        atomic_bool gate = false;
        struct work w[8];
        assert_ok(vd_pool_new(2, 1, queue, &p, &err));
        size_t taken = 0;
        for (size_t i = 0; i < 8; i++) {
            w[i] = (struct work){ { NULL, run }, &ran, &gate };
            taken += submit(p, &w[i]);
        }
        assert_int_equal(taken, 2 + queue);
        atomic_store(&gate, true);
        vd_pool_free(p);
        assert_int_equal(atomic_load(&ran), (int)taken);
    }
}

static void everything_that_was_taken_runs_once(void **state)
{
    (void)state;
    enum { N = 20000 };
    static struct work w[N];
    for (unsigned at_once = 0; at_once < 4; at_once++) {
        vd_err err = { 0 };
        struct vd_pool *p = NULL;
        atomic_int ran = 0;
        assert_ok(vd_pool_new(4, at_once, 100, &p, &err));
        for (size_t i = 0; i < N; i++) {
            w[i] = (struct work){ { NULL, run }, &ran, NULL };
            while (!submit(p, &w[i]))
                pause_ms(1);
        }
        vd_pool_free(p);
        assert_int_equal(atomic_load(&ran), N);
    }
}

static void those_who_wait_for_something_do_not_hold_up_others(void **state)
{
    (void)state;
    enum { STUCK = 3, QUICK = 50 };
    vd_err err = { 0 };
    struct vd_pool *p = NULL;
    atomic_int waited = 0, ran = 0;
    atomic_bool gate = false;
    struct work stuck[STUCK], quick[QUICK];
    assert_ok(vd_pool_new(STUCK + 1, 1, 1000, &p, &err));
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < STUCK; i++) {
            stuck[i] = (struct work){ { NULL, run }, &waited, &gate };
            assert_true(submit(p, &stuck[i]));
        }
        for (size_t i = 0; i < QUICK; i++) {
            quick[i] = (struct work){ { NULL, run }, &ran, NULL };
            assert_true(submit(p, &quick[i]));
        }
        while (atomic_load(&ran) < (round + 1) * QUICK)
            pause_ms(1);
        assert_int_equal(atomic_load(&waited), round * STUCK);
        atomic_store(&gate, true);
        while (atomic_load(&waited) < (round + 1) * STUCK)
            pause_ms(1);
        atomic_store(&gate, false);
        pause_ms(round * 20); /* also after the watch has ended */
    }
    vd_pool_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pool_takes_threads_plus_queue_and_no_more),
        cmocka_unit_test(everything_that_was_taken_runs_once),
        cmocka_unit_test(those_who_wait_for_something_do_not_hold_up_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
