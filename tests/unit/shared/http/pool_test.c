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

static void a_pool_takes_threads_plus_queue_and_no_more(void **state)
{
    (void)state;
    for (size_t queue = 0; queue < 3; queue++) {
        vd_err err = { 0 };
        struct vd_pool *p = NULL;
        atomic_int ran = 0;
        atomic_bool gate = false;
        struct work w[8];
        assert_ok(vd_pool_new(2, queue, &p, &err));
        size_t taken = 0;
        for (size_t i = 0; i < 8; i++) {
            w[i] = (struct work){ { NULL, run }, &ran, &gate };
            taken += vd_pool_submit(p, &w[i].task);
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
    vd_err err = { 0 };
    struct vd_pool *p = NULL;
    atomic_int ran = 0;
    static struct work w[N];
    assert_ok(vd_pool_new(4, 100, &p, &err));
    for (size_t i = 0; i < N; i++) {
        w[i] = (struct work){ { NULL, run }, &ran, NULL };
        while (!vd_pool_submit(p, &w[i].task))
            pause_ms(1);
    }
    vd_pool_free(p);
    assert_int_equal(atomic_load(&ran), N);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pool_takes_threads_plus_queue_and_no_more),
        cmocka_unit_test(everything_that_was_taken_runs_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
