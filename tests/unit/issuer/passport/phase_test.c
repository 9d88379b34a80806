/* The life of passport keys as a table of times: who signs, who is published, what happens next. */
#include "tests/support/support.h"

#include "issuer/passport/phase.h"

enum { OVERLAP = 360, LIFE = 300, KEYS = 4 };

struct row {
    const char *name;
    struct iss_times key[KEYS];
    size_t n;
    struct {
        int64_t now;
        const char *phases; /* n a r - x, one letter a key: next active retiring retired revoked */
    } at[8];
};

#define K(published, active, revoked)                                                              \
    {                                                                                              \
        (published), (active), (revoked), LIFE                                                     \
    }

static const struct row rows[] = {
    { "one key", { K(100, 100, 0) }, 1, { { 99, "n" }, { 100, "a" }, { 1 << 30, "a" } } },
    { "a rotation: published, active, retiring, retired",
      { K(0, 0, 0), K(1000, 1600, 0) },
      2,
      { { 1000, "an" },
        { 1599, "an" },
        { 1600, "ra" },
        { 1600 + 659, "ra" },
        { 1600 + 660, "-a" },
        { 1 << 30, "-a" } } },
    { "two rotations on the way at once",
      { K(0, 0, 0), K(1000, 1600, 0), K(1100, 1700, 0) },
      3,
      { { 1100, "ann" },
        { 1600, "ran" },
        { 1700, "rra" },
        { 2259, "rra" },
        { 2260, "-ra" },
        { 2360, "--a" } } },
    { "the active key is revoked and the next one takes over at once",
      { K(0, 0, 1500), K(1000, 1500, 0) },
      2,
      { { 1500, "xa" }, { 1 << 30, "xa" }, { 1499, "xn" } } },
    { "a key revoked before its time replaces nobody",
      { K(0, 0, 0), K(1000, 1600, 1200) },
      2,
      { { 1300, "ax" }, { 1600, "ax" }, { 1 << 30, "ax" } } },
    { "the middle key is revoked: the first does not come back",
      { K(0, 0, 0), K(100, 700, 1000), K(1000, 1000, 0) },
      3,
      { { 1000, "rxa" }, { 700 + 659, "rxa" }, { 700 + 660, "-xa" } } },
    { "two keys of one second: the later one counts",
      { K(0, 0, 0), K(50, 50, 0), K(50, 50, 0) },
      3,
      { { 50, "rra" }, { 49, "ann" } } },
    { "at once, before a key that is waiting",
      { K(0, 0, 0), K(1000, 1600, 0), K(1200, 1200, 0) },
      3,
      { { 1200, "rna" }, { 1600, "rar" }, { 1600 + 660, "-a-" } } },
    { "a clock that steps back gives the same answers as before the step",
      { K(0, 0, 0), K(1000, 1600, 0) },
      2,
      { { 1700, "ra" }, { 1500, "an" }, { 1700, "ra" } } },
};

static char letter(enum iss_phase p)
{
    static const char letters[] = { 'n', 'a', 'r', '-', 'x' };
    _Static_assert(sizeof letters == ISS_PHASE_MAX, "one each");
    return letters[p];
}

static void keys_are_what_the_table_says(void **state)
{
    (void)state;
    size_t cases = 0;
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        const struct row *row = &rows[r];
        for (size_t t = 0; t < 8 && row->at[t].phases; t++, cases++) {
            char got[KEYS + 1] = "";
            for (size_t i = 0; i < row->n; i++)
                got[i] = letter(iss_phase_of(row->key, row->n, i, OVERLAP, row->at[t].now));
            if (strcmp(got, row->at[t].phases) != 0)
                print_error("%s, at %lld\n", row->name, (long long)row->at[t].now);
            assert_string_equal(got, row->at[t].phases);
        }
    }
    print_message("phases: %zu cases\n", cases);
}

static void there_is_always_exactly_one_that_signs(void **state)
{
    (void)state;
    for (size_t r = 1; r < sizeof rows / sizeof rows[0]; r++) {
        int64_t from = rows[r].key[0].revoked_at ? rows[r].key[0].revoked_at : 0;
        for (int64_t now = from; now < 3000; now++) {
            size_t active = 0;
            for (size_t i = 0; i < rows[r].n; i++)
                active += iss_phase_of(rows[r].key, rows[r].n, i, OVERLAP, now) == ISS_PHASE_ACTIVE;
            /* Time before a revocation is not asked for: the ring never looks back behind it. */
            if (active != 1 && now >= 1000)
                print_error("%s, at %lld\n", rows[r].name, (long long)now);
            assert_true(active == 1 || now < 1000);
            if (active == 1)
                assert_true(iss_phase_active(rows[r].key, rows[r].n, now) < rows[r].n);
        }
    }
}

static void changes_come_when_they_are_said_to(void **state)
{
    (void)state;
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        const struct row *row = &rows[r];
        int64_t next = iss_phase_changes_at(row->key, row->n, OVERLAP, 0);
        for (int64_t now = 1; now < 3000; now++) {
            bool changed = false;
            for (size_t i = 0; i < row->n; i++)
                changed = changed || iss_phase_of(row->key, row->n, i, OVERLAP, now) !=
                                         iss_phase_of(row->key, row->n, i, OVERLAP, now - 1);
            if (changed && now != next)
                print_error("%s, at %lld\n", row->name, (long long)now);
            assert_true(!changed || now == next);
            if (now == next)
                next = iss_phase_changes_at(row->key, row->n, OVERLAP, now);
        }
    }
}

static void a_new_key_is_published_before_it_signs(void **state)
{
    (void)state;
    static const struct iss_times two[] = { K(0, 0, 0), K(1000, 1600, 0) };
    static const struct iss_times gone[] = { K(0, 0, 0), K(1000, 1600, 1100) };
    assert_int_equal(iss_phase_activation(two, 0, 600, 5), 605);
    assert_int_equal(iss_phase_activation(two, 1, 600, 1000), 1600);
    assert_int_equal(iss_phase_activation(two, 2, 600, 1000), 1601);
    assert_int_equal(iss_phase_activation(two, 2, 0, 1000), 1601);
    assert_int_equal(iss_phase_activation(two, 2, 600, 5000), 5600);
    assert_int_equal(iss_phase_activation(gone, 2, 600, 1000), 1600);
    assert_int_equal(iss_phase_activation(two, 1, 0, 0), 1);
}

static void the_schedule_survives_pauses(void **state)
{
    (void)state;
    static const struct iss_times one[] = { K(0, 1000, 0) };
    static const struct iss_times two[] = { K(0, 1000, 0), K(4000, 4600, 0) };
    assert_true(iss_phase_due(one, 1, 0, 600, 2000) == INT64_MAX);
    assert_int_equal(iss_phase_due(one, 1, 3600, 600, 2000), 4000);
    /* Off for a day: due since long, so at once. */
    assert_int_equal(iss_phase_due(one, 1, 3600, 600, 90000), 4000);
    assert_true(iss_phase_due(two, 2, 3600, 600, 4500) == INT64_MAX);
    assert_int_equal(iss_phase_due(two, 2, 3600, 600, 4600), 4600 + 3000);
    assert_true(iss_phase_due(one, 1, 3600, 600, 10) == INT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_what_the_table_says),
        cmocka_unit_test(there_is_always_exactly_one_that_signs),
        cmocka_unit_test(changes_come_when_they_are_said_to),
        cmocka_unit_test(a_new_key_is_published_before_it_signs),
        cmocka_unit_test(the_schedule_survives_pauses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
