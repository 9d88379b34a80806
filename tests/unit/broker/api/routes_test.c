/* The route tables: well-formed, and which row a path meets. */
#include "tests/support/support.h"

#include "broker/api/app.h"

static void tables_are_well_formed(void **state)
{
    (void)state;
    const struct vd_router guest = { .route = brk_guest_routes, .n = brk_guest_routes_n };
    const struct vd_router admin = { .route = brk_admin_routes, .n = brk_admin_routes_n };
    assert_ok(vd_router_check(&guest, NULL));
    assert_ok(vd_router_check(&admin, NULL));
}

static void every_change_needs_an_administrator(void **state)
{
    (void)state;
    for (size_t i = 0; i < brk_admin_routes_n; i++)
        assert_int_equal(brk_admin_routes[i].guard, VD_ADMIN);
    for (size_t i = 0; i < brk_guest_routes_n; i++) {
        vd_handler h = brk_guest_routes[i].handler;
        if (h == brk_resource_post || h == brk_resource_delete || h == brk_resource_policy_set ||
            h == brk_resource_policy_list)
            assert_int_equal(brk_guest_routes[i].guard, VD_ADMIN);
        if (h == brk_resource_get)
            assert_int_equal(brk_guest_routes[i].guard, VD_PASSPORT);
    }
}

static void paths_meet_their_rows(void **state)
{
    (void)state;
    static const struct {
        enum vd_method method;
        const char *path;
        vd_handler handler; /* NULL: none */
    } rows[] = {
        { VD_GET, "/kbs/v0/resource/a/b/c", brk_resource_get },
        { VD_POST, "/kbs/v0/resource/a/b/c", brk_resource_post },
        { VD_DELETE, "/kbs/v0/resource/a/b/c", brk_resource_delete },
        { VD_PUT, "/kbs/v0/resource/a/b/c", brk_resource_put },
        { VD_HEAD, "/kbs/v0/resource/a/b/c", NULL },
        { VD_OPTIONS, "/kbs/v0/resource/a/b/c", NULL },
        { VD_GET, "/kbs/v0/resource/a/b", brk_resource_bad_path },
        { VD_GET, "/kbs/v0/resource/a/b/c/d", brk_resource_bad_path },
        { VD_GET, "/kbs/v0/resource/a/b/", brk_resource_bad_path },
        { VD_GET, "/kbs/v0/resource", brk_resource_bad_path },
        { VD_POST, "/kbs/v0/resource/a", brk_resource_bad_path },
        { VD_GET, "/kbs/v0/resource-policy", brk_resource_policy_list },
        { VD_POST, "/kbs/v0/resource-policy", brk_resource_policy_set },
        { VD_PUT, "/kbs/v0/resource-policy", brk_no_plugin },
        { VD_GET, "/kbs/v0/Resource/a/b/c", brk_no_plugin },
        { VD_GET, "/kbs/v0/auth", brk_no_plugin },
        { VD_GET, "/kbs/v0/sample/x", brk_no_plugin },
        { VD_POST, "/kbs/v0/reference-value", brk_no_plugin },
        { VD_GET, "/kbs/v0", NULL },
        { VD_GET, "/", NULL },
        { VD_GET, "/healthz", vd_healthz },
        { VD_POST, "/healthz", NULL },
        { VD_GET, "/api/v1/secrets", NULL },
    };
    const struct vd_router guest = { .route = brk_guest_routes, .n = brk_guest_routes_n };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct vd_req req = { .method = rows[i].method, .path = vd_span_str(rows[i].path) };
        VD_AUTO_BUF allow = vd_buf_of(256);
        bool found = vd_router_find(&guest, &req, &allow, NULL).code == VD_E_OK;
        if (found != (rows[i].handler != NULL) || (found && req.route->handler != rows[i].handler))
            print_error("%s %s\n", vd_method_name(rows[i].method), rows[i].path);
        assert_int_equal(found, rows[i].handler != NULL);
        if (found)
            assert_true(req.route->handler == rows[i].handler);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_are_well_formed),
        cmocka_unit_test(every_change_needs_an_administrator),
        cmocka_unit_test(paths_meet_their_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
