/* Limits per source: counting, the turn of the minute, kinds, memory that does not grow. */
#include "tests/support/support.h"

#include "issuer/api/rate.h"

enum { NOW = 1780000000 - 1780000000 % 60 };

static void a_source_has_its_number_of_turns_in_a_minute(void **state)
{
    (void)state;
    VD_AUTO(iss_rate_free) struct iss_rate *r = iss_rate_new();
    assert_non_null(r);
    for (int i = 0; i < 5; i++)
        assert_true(iss_rate_take(r, 's', VD_LIT("127.0.0.1"), 5, NOW + 10 * i));
    assert_false(iss_rate_take(r, 's', VD_LIT("127.0.0.1"), 5, NOW + 59));
    assert_true(iss_rate_take(r, 's', VD_LIT("127.0.0.2"), 5, NOW + 59));
    assert_true(iss_rate_take(r, 'h', VD_LIT("127.0.0.1"), 5, NOW + 59));
    assert_true(iss_rate_take(r, 's', VD_LIT("127.0.0.1"), 5, NOW + 60));
    assert_false(iss_rate_take(r, 's', VD_LIT("never"), 0, NOW));
    assert_int_equal(iss_rate_wait(NOW), 60);
    assert_int_equal(iss_rate_wait(NOW + 59), 1);
}

static void a_crowd_of_sources_pushes_out_the_quiet_not_the_busy(void **state)
{
    (void)state;
    VD_AUTO(iss_rate_free) struct iss_rate *r = iss_rate_new();
    assert_non_null(r);
    for (int i = 0; i < 100; i++)
        (void)iss_rate_take(r, 's', VD_LIT("busy"), 100, NOW);
    for (unsigned i = 0; i < 200000; i++) {
        char name[32];
        int n = snprintf(name, sizeof name, "10.%u.%u.%u", i >> 16, (i >> 8) & 255, i & 255);
        assert_true(iss_rate_take(r, 's', vd_span_of(name, (size_t)n), 100, NOW + 1));
    }
    assert_false(iss_rate_take(r, 's', VD_LIT("busy"), 100, NOW + 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_source_has_its_number_of_turns_in_a_minute),
        cmocka_unit_test(a_crowd_of_sources_pushes_out_the_quiet_not_the_busy),
    };
    return vd_base_init(NULL).code == VD_E_OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
