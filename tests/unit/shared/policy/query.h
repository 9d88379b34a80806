/* Helpers of the policy tests: a query, reference values out of a JSON object, results compared
 * with JSON. */
#pragma once

#include "tests/support/support.h"

#include "shared/codec/json.h"
#include "shared/policy/workers.h"

static const struct vd_limits test_limits = VD_LIMITS_DEFAULT;

/* NULL: in this process. */
static struct vd_policy_workers *test_workers;
static struct vd_policy_workers *test_nursery;

/* First thing in main: the nursery must be forked before anything else. */
static inline bool test_begin(void)
{
    vd_err err = { 0 };
    bool ok = vd_base_init(&err).code == VD_E_OK &&
              vd_policy_workers_new(&test_nursery, &err).code == VD_E_OK;
    if (!ok)
        print_error("%s\n", err.msg);
    return ok;
}

static inline bool test_use_workers(void)
{
    vd_err err = { 0 };
    bool ok = vd_policy_workers_start(test_nursery, &test_limits, &err).code == VD_E_OK;
    if (!ok)
        print_error("%s\n", err.msg);
    test_workers = test_nursery;
    return ok;
}

static inline void test_end(void)
{
    vd_policy_workers_free(test_nursery);
}

/* ctx is a vd_jv: an object name -> value. */
static inline vd_rc test_lookup(void *ctx, vd_span name, vd_buf *ret_json, vd_err *err)
{
    const vd_jv *values = ctx;
    (void)err;
    vd_jv v = vd_jv_get_span(*values, name);
    if (vd_jv_ok(v))
        vd_buf_add(ret_json, vd_jv_raw(v));
    return VD_OK;
}

static inline struct vd_policy_query test_query(vd_span input, vd_jv *values)
{
    return (struct vd_policy_query){
        .input = input,
        .now_ns = 1767225600000000000,
        .lookup = values ? test_lookup : NULL,
        .ctx = values,
        .limits = &test_limits,
    };
}

static inline struct vd_json *test_json(vd_span text)
{
    struct vd_json *j = NULL;
    vd_err err = { 0 };
    const struct vd_json_limits lim = { 16u << 20, 64, 2000000 };
    if (vd_json_parse(text, &lim, &j, &err).code != VD_E_OK)
        fail_msg("%s", err.msg);
    return j;
}

/* Compact text of both must be equal once canonical. */
static inline void test_same_json(const char *label, vd_span got, vd_span want)
{
    struct vd_json *a = test_json(got);
    struct vd_json *b = test_json(want);
    vd_buf x = vd_buf_of(1u << 20);
    vd_buf y = vd_buf_of(1u << 20);
    vd_err err = { 0 };
    assert_ok(vd_json_canonical(vd_json_root(a), &x, &err));
    assert_ok(vd_json_canonical(vd_json_root(b), &y, &err));
    if (!vd_span_eq(vd_buf_span(&x), vd_buf_span(&y)))
        fail_msg("%s: got %.*s, wanted %.*s", label, (int)x.n, (const char *)x.p, (int)y.n,
                 (const char *)y.p);
    vd_buf_done(&x);
    vd_buf_done(&y);
    vd_json_free(a);
    vd_json_free(b);
}
