/* The route tables: well-formed, and nothing open but what is meant to be. */
#include "tests/support/support.h"

#include "issuer/api/names.h"
#include "issuer/api/routes.h"

static void both_tables_are_well_formed(void **state)
{
    (void)state;
    const struct vd_router guest = { .route = iss_guest_routes, .n = iss_guest_routes_n };
    const struct vd_router admin = { .route = iss_admin_routes, .n = iss_admin_routes_n };
    vd_err err = { 0 };
    assert_ok(vd_router_check(&guest, &err));
    assert_ok(vd_router_check(&admin, &err));
}

static void only_these_routes_need_no_credential(void **state)
{
    (void)state;
    static const char *const open[] = { "/kbs/v0/auth",
                                        "/challenge",
                                        "/attestation",
                                        "/.well-known/jwks.json",
                                        "/.well-known/vidimus-revocation",
                                        "/healthz" };
    size_t n = 0;
    for (size_t i = 0; i < iss_guest_routes_n; i++) {
        const struct vd_route *r = &iss_guest_routes[i];
        bool listed = false;
        for (size_t k = 0; k < sizeof open / sizeof open[0]; k++)
            listed = listed || strcmp(open[k], r->pattern) == 0;
        assert_int_equal(listed, r->guard == VD_OPEN && r->body != SIZE_MAX);
        n += r->guard == VD_OPEN;
    }
    assert_int_equal(n, sizeof open / sizeof open[0]);
    for (size_t i = 0; i < iss_admin_routes_n; i++)
        assert_int_equal(iss_admin_routes[i].guard, VD_ADMIN);
}

static void error_bodies_have_the_shape_of_their_surface(void **state)
{
    (void)state;
    for (size_t i = 0; i < iss_guest_routes_n; i++) {
        bool kbs = strncmp(iss_guest_routes[i].pattern, "/kbs/v0/", 8) == 0;
        assert_int_equal(iss_guest_routes[i].shape, kbs ? VD_SHAPE_KBS : VD_SHAPE_TEXT);
    }
    for (size_t i = 0; i < iss_admin_routes_n; i++)
        assert_int_equal(iss_admin_routes[i].shape, VD_SHAPE_NATIVE);
}

static void policy_ids_are_plain_names(void **state)
{
    (void)state;
    static const char *const good[] = { "default_cpu", "default_nvidia-dpu", "a", "A.b-c_9" };
    static const char *const bad[] = { "",    ".",   "..",       ".x",   "../x", "/etc/x",
                                       "a b", "a/b", "\xc3\xa9", "a%2f", "a\n" };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_true(iss_policy_name_ok(vd_span_str(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(iss_policy_name_ok(vd_span_str(bad[i])));
    assert_false(iss_policy_name_ok(vd_span_of("a\0b", 3)));
    char name[202];
    memset(name, 'a', sizeof name);
    assert_true(iss_policy_name_ok(vd_span_of(name, 200)));
    assert_false(iss_policy_name_ok(vd_span_of(name, 201)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_tables_are_well_formed),
        cmocka_unit_test(only_these_routes_need_no_credential),
        cmocka_unit_test(error_bodies_have_the_shape_of_their_surface),
        cmocka_unit_test(policy_ids_are_plain_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
