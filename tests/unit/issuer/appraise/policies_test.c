/* Policies by id: stored before built in, versions, removal, and change while many threads
 * appraise. */
#include "tests/support/support.h"

#include <pthread.h>
#include <stdatomic.h>

#include "issuer/appraise/appraise.h"
#include "issuer/rvps/rvps.h"
#include "shared/crypto/hash.h"

static const struct vd_limits limits = VD_LIMITS_DEFAULT;

enum { THREADS = 6, CHANGES = 120 };

struct ctx {
    char *dir;
    struct vd_store *store;
    struct iss_policies *policies;
    struct iss_rvps *rvps;
    atomic_bool stop;
    atomic_int bad;
    atomic_int done;
};

static int setup(void **state)
{
    struct ctx *x = calloc(1, sizeof *x);
    assert_non_null(x);
    x->dir = vd_test_dir("policies");
    VD_AUTO_BUF path = vd_buf_of(4096);
    vd_buf_printf(&path, "%s/store", x->dir);
    static const uint8_t root[32] = { 1 };
    const struct vd_store_cfg cfg = { vd_buf_cstr(&path), "issuer", root };
    vd_err err = { 0 };
    assert_ok(vd_store_create(&cfg, &err));
    assert_ok(vd_store_open(&cfg, &x->store, &err));
    assert_ok(iss_policies_new(x->store, NULL, &limits, &x->policies, &err));
    assert_ok(iss_rvps_new(x->store, vd_clock_real(), &x->rvps, &err));
    *state = x;
    return 0;
}

static int teardown(void **state)
{
    struct ctx *x = *state;
    iss_rvps_free(x->rvps);
    iss_policies_free(x->policies);
    vd_store_close(x->store);
    free(x->dir);
    free(x);
    return 0;
}

static void put(struct ctx *x, const char *id, const char *text)
{
    struct vd_put p = { .owner = VD_OWNER_DEFAULT,
                        .kind = ISS_KIND_POLICY,
                        .name = id,
                        .match = VD_MATCH_ANY,
                        .by = "tester",
                        .now = 1780000000,
                        .remove = !text,
                        .body = text ? vd_span_str(text) : VD_SPAN_NONE };
    assert_ok(vd_store_put(x->store, &p, 1, 1, NULL));
}

static void put_value(struct ctx *x, int n)
{
    char json[32];
    (void)snprintf(json, sizeof json, "[%d]", n);
    ISS_AUTO_REFVALUE_SET set = { 0 };
    struct vd_clock clock = vd_clock_real();
    assert_ok(iss_rvps_one(VD_LIT("n"), vd_span_str(json), 0, &limits, "tester", vd_clock_s(&clock),
                           &set, NULL));
    assert_ok(vd_store_put(x->store, set.put, set.n, 1, NULL));
}

static bool is_text(const struct vd_policy *p, vd_span text)
{
    uint8_t sha256[VD_HASH_BYTES_MAX];
    assert_ok(vd_hash_of(VD_SHA256, text, sha256, NULL));
    return vd_span_eq(vd_span_of(sha256, 32), vd_span_of(vd_policy_sha256(p), 32));
}

#define ONE "package policy\ntrust_claims := {\"executables\": 2}\n"
#define TWO "package policy\ntrust_claims := {\"executables\": 3}\n"

static void assert_found(struct ctx *x, const char *id, vd_span text, bool builtin)
{
    VD_AUTO(vd_policy_unref) struct vd_policy *p = NULL;
    bool got = false;
    assert_ok(iss_policies_find(x->policies, id, &p, &got, NULL));
    assert_true(is_text(p, text));
    assert_int_equal(got, builtin);
}

static void a_stored_policy_wins_and_its_removal_brings_the_built_in_one_back(void **state)
{
    struct ctx *x = *state;
    vd_span builtin = iss_policy_builtin("default_cpu");
    assert_true(builtin.n > 0);
    assert_found(x, "default_cpu", builtin, true);
    put(x, "default_cpu", ONE);
    assert_found(x, "default_cpu", VD_LIT(ONE), false);
    assert_found(x, "default_cpu", VD_LIT(ONE), false);
    put(x, "default_cpu", TWO);
    assert_found(x, "default_cpu", VD_LIT(TWO), false);
    put(x, "default_cpu", NULL);
    assert_found(x, "default_cpu", builtin, true);
}

static void every_built_in_default_compiles_and_an_unknown_id_is_refused(void **state)
{
    struct ctx *x = *state;
    const char *id;
    vd_span text;
    size_t n = 0;
    for (; iss_policy_builtin_at(n, &id, &text); n++)
        assert_found(x, id, text, true);
    assert_int_equal(n, 4);
    VD_AUTO(vd_policy_unref) struct vd_policy *p = NULL;
    bool builtin = false;
    assert_rc(VD_E_POLICY_MISSING,
              iss_policies_find(x->policies, "nosuch_cpu", &p, &builtin, NULL));
    assert_rc(VD_E_POLICY_MISSING, iss_policies_find(x->policies, "", &p, &builtin, NULL));
    put(x, "nosuch_cpu", ONE);
    assert_found(x, "nosuch_cpu", VD_LIT(ONE), false);
}

static void more_ids_than_are_kept_still_answer(void **state)
{
    struct ctx *x = *state;
    char id[32];
    for (int i = 0; i < 300; i++) {
        (void)snprintf(id, sizeof id, "p%d_cpu", i);
        put(x, id, i % 2 ? ONE : TWO);
    }
    for (int turn = 0; turn < 2; turn++) {
        for (int i = 0; i < 300; i++) {
            (void)snprintf(id, sizeof id, "p%d_cpu", i);
            assert_found(x, id, i % 2 ? VD_LIT(ONE) : VD_LIT(TWO), false);
        }
    }
}

/* Readers must see whole versions only: of the policy one of the two texts, of the value a list of
 * one. */
static void *reader(void *arg)
{
    struct ctx *x = arg;
    while (!atomic_load(&x->stop)) {
        VD_AUTO(vd_policy_unref) struct vd_policy *p = NULL;
        VD_AUTO_BUF value = vd_buf_of(64);
        bool builtin = false;
        if (iss_policies_find(x->policies, "default_cpu", &p, &builtin, NULL).code != VD_E_OK ||
            !(is_text(p, VD_LIT(ONE)) || is_text(p, VD_LIT(TWO))) ||
            iss_rvps_lookup(x->rvps, VD_LIT("n"), &value, NULL).code != VD_E_OK || value.n < 3 ||
            value.p[0] != '[' || value.p[value.n - 1] != ']')
            atomic_fetch_add(&x->bad, 1);
        atomic_fetch_add(&x->done, 1);
    }
    return NULL;
}

static void changes_under_many_readers_are_seen_whole_and_in_the_end(void **state)
{
    struct ctx *x = *state;
    pthread_t t[THREADS];
    put(x, "default_cpu", ONE);
    put_value(x, 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&t[i], NULL, reader, x), 0);
    for (int i = 0; i < CHANGES; i++) {
        put(x, "default_cpu", i % 2 ? ONE : TWO);
        put_value(x, i);
    }
    atomic_store(&x->stop, true);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(t[i], NULL), 0);
    assert_int_equal(atomic_load(&x->bad), 0);
    assert_found(x, "default_cpu", VD_LIT(ONE), false);
    VD_AUTO_BUF value = vd_buf_of(64);
    assert_ok(iss_rvps_lookup(x->rvps, VD_LIT("n"), &value, NULL));
    assert_span_str(vd_buf_span(&value), "[119]");
    print_message("reads during %d changes: %d\n", 2 * CHANGES, atomic_load(&x->done));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            a_stored_policy_wins_and_its_removal_brings_the_built_in_one_back, setup, teardown),
        cmocka_unit_test_setup_teardown(
            every_built_in_default_compiles_and_an_unknown_id_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(more_ids_than_are_kept_still_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(changes_under_many_readers_are_seen_whole_and_in_the_end,
                                        setup, teardown),
    };
    return vd_base_init(NULL).code == VD_E_OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
