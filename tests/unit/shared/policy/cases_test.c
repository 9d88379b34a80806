/* Every policy that is shipped, with the cases beside it: NAME.rego and NAME.cases.json. The
 * defaults must run on the VM. Prints the count of each, and what one warm evaluation of the SNP
 * default takes. */
#include "tests/support/support.h"

#include <dirent.h>
#include <time.h>

#include "shared/policy/policy.h"
#include "tests/unit/shared/policy/query.h"

static struct vd_policy *load(const char *dir, const char *name, enum vd_policy_kind kind)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s.rego", dir, name);
    vd_buf rego = vd_test_file(path);
    struct vd_policy *p = NULL;
    vd_err err = { 0 };
    if (vd_policy_compile_in(test_workers, kind, vd_buf_span(&rego), &test_limits, &p, &err).code !=
        VD_E_OK)
        fail_msg("%s: %s", path, err.msg);
    vd_buf_done(&rego);
    return p;
}

static void compare(const char *label, const struct vd_policy *p, unsigned entry,
                    const struct vd_policy_query *q, vd_jv want)
{
    vd_buf out = vd_buf_of(1u << 20);
    enum vd_policy_state state = VD_POLICY_ABSENT;
    vd_err err = { 0 };
    if (vd_policy_eval(p, entry, q, &state, &out, &err).code != VD_E_OK)
        fail_msg("%s: %s", label, err.msg);
    assert_int_equal(state, VD_POLICY_DEFINED);
    test_same_json(label, vd_buf_span(&out), vd_jv_raw(want));
    vd_buf_done(&out);
}

/* The members that `want` names, and zero for every other. */
static void compare_claims(const char *label, const struct vd_policy *p,
                           const struct vd_policy_query *q, vd_jv want)
{
    vd_buf out = vd_buf_of(1u << 20);
    enum vd_policy_state state = VD_POLICY_ABSENT;
    vd_err err = { 0 };
    if (vd_policy_eval(p, VD_POLICY_TRUST_CLAIMS, q, &state, &out, &err).code != VD_E_OK)
        fail_msg("%s: %s", label, err.msg);
    assert_int_equal(state, VD_POLICY_DEFINED);
    struct vd_json *got = test_json(vd_buf_span(&out));
    assert_true(vd_jv_count(vd_json_root(got)) >= vd_jv_count(want));
    vd_jv_iter it = vd_jv_iter_of(vd_json_root(got));
    while (vd_jv_next(&it)) {
        int64_t have = 0;
        int64_t expected = 0;
        vd_jv w = vd_jv_get_span(want, vd_jv_str_raw(it.name));
        assert_ok(vd_jv_i64(it.value, &have, &err));
        if (vd_jv_ok(w))
            assert_ok(vd_jv_i64(w, &expected, &err));
        if (have != expected)
            fail_msg("%s: %.*s is %d, wanted %d", label, (int)vd_jv_str_raw(it.name).n,
                     (const char *)vd_jv_str_raw(it.name).p, (int)have, (int)expected);
    }
    vd_json_free(got);
    vd_buf_done(&out);
}

static void run_release(const char *label, const struct vd_policy *p, vd_jv one, vd_jv want)
{
    struct vd_policy_query q = test_query(vd_jv_raw(vd_jv_get(one, "input")), NULL);
    q.data = vd_jv_raw(vd_jv_get(one, "data"));
    bool allow = false;
    vd_err err = { 0 };
    assert_ok(vd_jv_bool(vd_jv_get(want, "allow"), &allow, &err));
    vd_code got = vd_policy_allows(p, &q, &err).code;
    if (got != (allow ? VD_E_OK : VD_E_POLICY_DENY))
        fail_msg("%s: %d %s", label, got, err.msg);
}

static void run_attestation(const char *label, const struct vd_policy *p, vd_jv one, vd_jv want)
{
    vd_jv values = vd_jv_get(one, "reference_values");
    struct vd_policy_query q = test_query(vd_jv_raw(vd_jv_get(one, "input")), &values);
    compare_claims(label, p, &q, vd_jv_get(want, "trust_claims"));
    if (vd_jv_ok(vd_jv_get(want, "extensions")))
        compare(label, p, VD_POLICY_EXTENSIONS, &q, vd_jv_get(want, "extensions"));
}

static size_t run_cases(const char *dir, const char *name, enum vd_policy_kind kind)
{
    char path[256];
    char label[512];
    struct vd_policy *p = load(dir, name, kind);
    assert_true(vd_policy_on_vm(p, 0));
    (void)snprintf(path, sizeof path, "%s/%s.cases.json", dir, name);
    vd_buf file = vd_test_file(path);
    struct vd_json *j = test_json(vd_buf_span(&file));
    size_t n = 0;
    vd_jv_iter it = vd_jv_iter_of(vd_json_root(j));
    for (; vd_jv_next(&it); n++) {
        vd_span case_name = vd_jv_str_raw(vd_jv_get(it.value, "name"));
        (void)snprintf(label, sizeof label, "%s: %.*s", path, (int)case_name.n,
                       (const char *)case_name.p);
        vd_jv want = vd_jv_get(it.value, "want");
        (kind == VD_POLICY_RELEASE ? run_release : run_attestation)(label, p, it.value, want);
    }
    print_message("%s: %zu cases\n", path, n);
    vd_json_free(j);
    vd_buf_done(&file);
    vd_policy_unref(p);
    assert_true(n > 0);
    return n;
}

static size_t run_folder(const char *dir, enum vd_policy_kind kind)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", VD_SOURCE_DIR, dir);
    DIR *d = opendir(path);
    assert_non_null(d);
    size_t policies = 0;
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        size_t n = strlen(e->d_name);
        char name[128];
        if (n < 6 || n >= sizeof name || strcmp(e->d_name + n - 5, ".rego") != 0)
            continue;
        (void)snprintf(name, sizeof name, "%.*s", (int)(n - 5), e->d_name);
        (void)run_cases(dir, name, kind);
        policies++;
    }
    (void)closedir(d);
    return policies;
}

static void every_attestation_policy_gives_what_its_cases_say(void **state)
{
    (void)state;
    assert_true(run_folder("policies/attestation", VD_POLICY_ATTESTATION) >= 4);
}

static void every_release_policy_gives_what_its_cases_say(void **state)
{
    (void)state;
    assert_true(run_folder("policies/release", VD_POLICY_RELEASE) >= 4);
}

static void the_policies_of_the_quickstart_give_what_their_cases_say(void **state)
{
    (void)state;
    (void)run_cases("examples/quickstart", "issuer-policy", VD_POLICY_ATTESTATION);
    (void)run_cases("examples/quickstart", "release-policy", VD_POLICY_RELEASE);
}

static double seconds(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void a_warm_evaluation_of_the_snp_default_is_quick(void **state)
{
    (void)state;
    struct vd_policy *p = load("policies/attestation", "default_cpu", VD_POLICY_ATTESTATION);
    vd_buf file = vd_test_file("policies/attestation/default_cpu.cases.json");
    struct vd_json *j = test_json(vd_buf_span(&file));
    vd_jv_iter it = vd_jv_iter_of(vd_json_root(j));
    while (vd_jv_next(&it) && !vd_jv_str_eq(vd_jv_get(it.value, "name"), "snp: all good"))
        continue;
    vd_jv values = vd_jv_get(it.value, "reference_values");
    struct vd_policy_query q = test_query(vd_jv_raw(vd_jv_get(it.value, "input")), &values);
    vd_buf out = vd_buf_of(1u << 20);
    enum { ROUNDS = 2000 };
    double best = 1e9;
    for (int round = 0; round < 5; round++) {
        double begun = seconds();
        for (int i = 0; i < ROUNDS / 5; i++) {
            enum vd_policy_state s = VD_POLICY_ABSENT;
            vd_buf_reset(&out);
            assert_ok(vd_policy_eval(p, VD_POLICY_TRUST_CLAIMS, &q, &s, &out, NULL));
        }
        double each = (seconds() - begun) / (ROUNDS / 5);
        best = each < best ? each : best;
    }
    print_message("default_cpu, SNP, warm: %.1f us\n", best * 1e6);
    assert_true(best < 0.01);
    vd_buf_done(&out);
    vd_json_free(j);
    vd_buf_done(&file);
    vd_policy_unref(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_attestation_policy_gives_what_its_cases_say),
        cmocka_unit_test(every_release_policy_gives_what_its_cases_say),
        cmocka_unit_test(the_policies_of_the_quickstart_give_what_their_cases_say),
        cmocka_unit_test(a_warm_evaluation_of_the_snp_default_is_quick),
    };
    if (!test_begin())
        return 1;
    int failed = cmocka_run_group_tests_name("in process", tests, NULL, NULL);
    if (!test_use_workers())
        return 1;
    failed += cmocka_run_group_tests_name("in workers", tests, NULL, NULL);
    test_end();
    return failed;
}
