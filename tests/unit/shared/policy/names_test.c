/* Lists of reference values that were asked for together. */
#include "tests/support/support.h"

#include "shared/policy/names.h"

static vd_buf list_of(const char *names)
{
    vd_buf list = vd_buf_of(1u << 20);
    vd_rd r = vd_rd_of(vd_span_str(names));
    while (vd_rd_left(&r)) {
        vd_span rest = vd_span_part(r.in, r.at, SIZE_MAX);
        vd_span one = vd_rd_take(&r, vd_span_find(rest, ' '));
        vd_rd_skip(&r, vd_rd_left(&r) ? 1 : 0);
        vd_names_add(&list, one);
    }
    return list;
}

static void learn(struct vd_names *n, const char *names)
{
    vd_buf list = list_of(names);
    vd_names_learn(n, vd_buf_span(&list));
    vd_buf_done(&list);
}

static void expect(const vd_buf *got, const char *names)
{
    vd_buf want = list_of(names);
    assert_true(vd_span_eq(vd_buf_span(got), vd_buf_span(&want)));
    vd_buf_done(&want);
}

static void names_that_were_asked_for_together_are_found_by_each_of_them(void **state)
{
    (void)state;
    struct vd_names n;
    vd_buf out = vd_buf_of(1u << 20);
    vd_names_init(&n);
    vd_names_likely(&n, &out);
    expect(&out, "");
    learn(&n, "a b c");
    learn(&n, "x y");
    vd_names_likely(&n, &out);
    expect(&out, "x y");
    vd_buf_reset(&out);
    vd_names_beside(&n, VD_LIT("c"), &out);
    expect(&out, "a b c");
    vd_buf_reset(&out);
    vd_names_beside(&n, VD_LIT("z"), &out);
    expect(&out, "");
    learn(&n, "a d a");
    vd_names_likely(&n, &out);
    expect(&out, "a b c d");
    vd_buf_done(&out);
    vd_names_done(&n);
}

static void a_policy_that_asks_for_ever_new_names_costs_a_bounded_memory(void **state)
{
    (void)state;
    struct vd_names n;
    vd_names_init(&n);
    for (int i = 0; i < 5000; i++) {
        char names[64];
        (void)snprintf(names, sizeof names, "a%d b%d c%d", i, i, i / 100);
        learn(&n, names);
        (void)snprintf(names, sizeof names, "a0 d%d", i);
        learn(&n, names);
    }
    assert_true(n.n <= VD_NAMES_LISTS);
    for (unsigned i = 0; i < n.n; i++) {
        size_t count = 0;
        vd_span one;
        assert_true(n.list[i].n <= VD_NAMES_BYTES);
        for (vd_rd r = vd_rd_of(vd_buf_span(&n.list[i])); vd_names_next(&r, &one);)
            count++;
        assert_true(count <= VD_NAMES_EACH);
    }
    vd_names_done(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_that_were_asked_for_together_are_found_by_each_of_them),
        cmocka_unit_test(a_policy_that_asks_for_ever_new_names_costs_a_bounded_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
