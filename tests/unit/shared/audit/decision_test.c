/* The ring of explanations and the thinning of denials. */
#include "tests/unit/shared/audit/audit_kit.h"

#include "shared/audit/decision.h"

static struct vd_limits limits_of(uint64_t all, uint64_t each)
{
    struct vd_limits l = VD_LIMITS_DEFAULT;
    l.decisions = all;
    l.decisions_per_owner = each;
    return l;
}

static void add(struct vd_decisions *d, const char *owner, unsigned n)
{
    char id[24];
    char text[64];
    (void)snprintf(id, sizeof id, "%s-%u", owner, n);
    (void)snprintf(text, sizeof text, "{\"n\":%u}", n);
    vd_decisions_add(d, id, owner, vd_span_str(text));
}

static bool has(struct vd_decisions *d, const char *owner, unsigned n)
{
    char id[24];
    char text[64];
    VD_AUTO_BUF out = vd_buf_of(1 << 20);
    (void)snprintf(id, sizeof id, "%s-%u", owner, n);
    (void)snprintf(text, sizeof text, "{\"n\":%u}", n);
    vd_rc_ rc = vd_decisions_get(d, id, &out, NULL);
    assert_true(rc.code == VD_E_OK || rc.code == VD_E_NOT_FOUND);
    if (rc.code == VD_E_OK)
        assert_span_str(vd_buf_span(&out), text);
    return rc.code == VD_E_OK;
}

static void ids_are_22_fresh_characters(void **state)
{
    (void)state;
    char a[24];
    char b[24];
    vd_decision_id(a);
    vd_decision_id(b);
    assert_int_equal(strlen(a), 22);
    assert_string_not_equal(a, b);
    assert_int_equal(strspn(a, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
                     22);
}

static void an_owner_keeps_his_newest_up_to_his_quota(void **state)
{
    (void)state;
    const struct vd_limits l = limits_of(100, 10);
    VD_AUTO(vd_decisions_free) struct vd_decisions *d = vd_decisions_new(&l);
    assert_non_null(d);
    add(d, "small", 0);
    for (unsigned n = 0; n < 1000; n++)
        add(d, "flood", n);
    assert_true(has(d, "small", 0));
    for (unsigned n = 0; n < 1000; n++)
        assert_int_equal(has(d, "flood", n), n >= 990);
}

static void a_full_ring_takes_from_the_largest_owner(void **state)
{
    (void)state;
    const struct vd_limits l = limits_of(30, 25);
    VD_AUTO(vd_decisions_free) struct vd_decisions *d = vd_decisions_new(&l);
    assert_non_null(d);
    for (unsigned n = 0; n < 3; n++)
        add(d, "small", n);
    for (unsigned n = 0; n < 500; n++) {
        add(d, "flood", n);
        add(d, "torrent", n);
    }
    for (unsigned n = 0; n < 3; n++)
        assert_true(has(d, "small", n));
    assert_true(has(d, "flood", 499));
    assert_true(has(d, "torrent", 499));
    assert_false(has(d, "flood", 400));
    unsigned kept = 0;
    for (unsigned n = 0; n < 500; n++)
        kept += (unsigned)has(d, "flood", n) + (unsigned)has(d, "torrent", n);
    assert_int_equal(kept, 27);
    /* Owners come and go. */
    for (unsigned n = 0; n < 200; n++) {
        char owner[16];
        (void)snprintf(owner, sizeof owner, "o%u", n);
        add(d, owner, 1);
        assert_true(has(d, owner, 1));
    }
}

static void large_explanations_are_bounded_together(void **state)
{
    (void)state;
    const struct vd_limits l = limits_of(10000, 10000);
    VD_AUTO(vd_decisions_free) struct vd_decisions *d = vd_decisions_new(&l);
    assert_non_null(d);
    VD_AUTO_BUF big = vd_buf_of(1 << 20);
    size_t n = 64 << 10;
    memset(vd_buf_extend(&big, n), ' ', n);
    for (unsigned i = 0; i < 1000; i++) {
        char id[24];
        (void)snprintf(id, sizeof id, "big%u", i);
        vd_decisions_add(d, id, "o", vd_buf_span(&big));
    }
    VD_AUTO_BUF out = vd_buf_of(1 << 20);
    assert_ok(vd_decisions_get(d, "big999", &out, NULL));
    assert_int_equal(out.n, n);
    assert_rc(VD_E_NOT_FOUND, vd_decisions_get(d, "big400", &out, NULL));
    vd_buf_reset(&out);
    vd_buf_str(&big, " ");
    vd_decisions_add(d, "huge", "o", vd_buf_span(&big));
    assert_ok(vd_decisions_get(d, "huge", &out, NULL));
    assert_span_str(vd_buf_span(&out), "{\"too_large\":true}");
    VD_AUTO_BUF tight = vd_buf_of(10);
    assert_rc(VD_E_TOO_LARGE, vd_decisions_get(d, "huge", &tight, NULL));
    assert_rc(VD_E_NOT_FOUND, vd_decisions_get(d, "", &out, NULL));
    assert_rc(VD_E_NOT_FOUND,
              vd_decisions_get(d, "an id that is longer than any of ours ever is", &out, NULL));
}

static void *add_on(void *ctx)
{
    struct vd_decisions *d = ctx;
    for (unsigned i = 0; i < 2000; i++) {
        char id[24];
        VD_AUTO_BUF out = vd_buf_of(100);
        vd_decision_id(id);
        vd_decisions_add(d, id, i % 2 ? "a" : "b", VD_LIT("{}"));
        (void)!vd_decisions_get(d, id, &out, NULL).code;
    }
    return NULL;
}

static void threads_may_share_the_ring(void **state)
{
    (void)state;
    const struct vd_limits l = limits_of(50, 40);
    VD_AUTO(vd_decisions_free) struct vd_decisions *d = vd_decisions_new(&l);
    pthread_t t[4];
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&t[i], NULL, add_on, d), 0);
    for (size_t i = 0; i < 4; i++)
        (void)pthread_join(t[i], NULL);
}

/* Events and counts of the record behind the beginning, sorted by line. */
static void expect_records(struct kit *k, const char *want)
{
    VD_AUTO_BUF lines = vd_buf_of(4 << 20);
    VD_AUTO_BUF got = vd_buf_of(1 << 16);
    assert_ok(vd_audit_read(k->a, 1, 100000, &lines, NULL));
    size_t at = 0;
    while (at < lines.n) {
        vd_span left = vd_span_part(vd_buf_span(&lines), at, lines.n);
        vd_span line = vd_span_part(left, 0, vd_span_find(left, '\n'));
        struct vd_audit_line l;
        assert_ok(vd_audit_line_parse(line, &l, NULL));
        vd_span count = vd_span_part(l.detail, 9, l.detail.n);
        assert_true(vd_span_starts(l.detail, VD_LIT("{\"count\":")));
        vd_buf_printf(&got, "%s%.*s:%.*s", at ? " " : "", (int)l.event.n, (const char *)l.event.p,
                      (int)vd_span_find(count, ','), (const char *)count.p);
        at += line.n + 1;
    }
    assert_span_str(vd_buf_span(&got), want);
}

static void deny(struct vd_thinner *t, const char *event, const char *key)
{
    assert_ok(vd_thinner_denial(t, event, vd_span_str(key), VD_LIT("{\"rule\":\"r\"}"), NULL));
}

static void the_same_denials_of_a_minute_are_one_record_and_a_count(void **state)
{
    (void)state;
    KIT k;
    kit_init(&k, 0);
    struct vd_limits l = VD_LIMITS_DEFAULT;
    struct vd_thinner *t = vd_thinner_new(k.a, &l, vd_clock_fixed(&k.now));
    for (int i = 0; i < 44; i++)
        deny(t, "denial", "passport+resource+rule");
    deny(t, "refused", "192.0.2.1");
    expect_records(&k, "denial:1 refused:1");
    k.now += 59000000000;
    deny(t, "denial", "passport+resource+rule");
    expect_records(&k, "denial:1 refused:1");
    k.now += 1000000000;
    deny(t, "denial", "passport+resource+rule");
    expect_records(&k, "denial:1 refused:1 denial:44 denial:1");
    deny(t, "denial", "passport+resource+rule");
    k.now += 60000000000;
    assert_ok(vd_thinner_tick(t, NULL));
    assert_ok(vd_thinner_tick(t, NULL));
    expect_records(&k, "denial:1 refused:1 denial:44 denial:1 denial:1");
    deny(t, "denial", "a");
    deny(t, "denial", "a");
    deny(t, "other", "a");
    vd_thinner_free(t);
    expect_records(&k, "denial:1 refused:1 denial:44 denial:1 denial:1 denial:1 other:1 denial:1");
}

static void above_the_limit_all_others_are_one_record(void **state)
{
    (void)state;
    KIT k;
    kit_init(&k, 0);
    struct vd_limits l = VD_LIMITS_DEFAULT;
    l.sources_recorded = 3;
    struct vd_thinner *t = vd_thinner_new(k.a, &l, vd_clock_fixed(&k.now));
    for (int i = 0; i < 1000; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "s%d", i);
        deny(t, "refused", key);
    }
    deny(t, "refused", "s1");
    expect_records(&k, "refused:1 refused:1 refused:1");
    k.now += 60000000000;
    deny(t, "refused", "s999");
    vd_thinner_free(t);
    expect_records(&k, "refused:1 refused:1 refused:1 refused:1 others:997 refused:1");
}

static void details_of_any_size_are_recorded(void **state)
{
    (void)state;
    KIT k;
    kit_init(&k, 0);
    struct vd_limits l = VD_LIMITS_DEFAULT;
    struct vd_thinner *t = vd_thinner_new(k.a, &l, vd_clock_fixed(&k.now));
    VD_AUTO_BUF big = vd_buf_of(1 << 20);
    vd_buf_str(&big, "{\"a\":\"");
    memset(vd_buf_extend(&big, 9000), 'x', 9000);
    vd_buf_str(&big, "\"}");
    for (int i = 0; i < 3; i++) {
        assert_ok(vd_thinner_denial(t, "denial", VD_LIT("big"), vd_buf_span(&big), NULL));
        assert_ok(vd_thinner_denial(t, "denial", VD_LIT("none"), VD_SPAN_NONE, NULL));
        assert_ok(vd_thinner_denial(t, "denial", VD_LIT("empty"), VD_LIT("{}"), NULL));
    }
    vd_thinner_free(t);
    expect_records(&k, "denial:1 denial:1 denial:1 denial:2 denial:2 denial:2");
    struct vd_audit_report r;
    assert_ok(vd_audit_verify(k.path, &r, NULL));
}

static void a_record_that_cannot_be_written_is_told(void **state)
{
    (void)state;
    KIT k;
    kit_init(&k, 0);
    struct vd_limits l = VD_LIMITS_DEFAULT;
    struct vd_thinner *t = vd_thinner_new(k.a, &l, vd_clock_fixed(&k.now));
    k.disk.sync_in = 0;
    assert_int_equal(kit_append(&k, "release", VD_AUDIT_DURABLE), VD_E_AUDIT);
    assert_rc(VD_E_AUDIT, vd_thinner_denial(t, "denial", VD_LIT("a"), VD_SPAN_NONE, NULL));
    vd_thinner_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_22_fresh_characters),
        cmocka_unit_test(an_owner_keeps_his_newest_up_to_his_quota),
        cmocka_unit_test(a_full_ring_takes_from_the_largest_owner),
        cmocka_unit_test(large_explanations_are_bounded_together),
        cmocka_unit_test(threads_may_share_the_ring),
        cmocka_unit_test(the_same_denials_of_a_minute_are_one_record_and_a_count),
        cmocka_unit_test(above_the_limit_all_others_are_one_record),
        cmocka_unit_test(details_of_any_size_are_recorded),
        cmocka_unit_test(a_record_that_cannot_be_written_is_told),
    };
    return cmocka_run_group_tests(tests, kit_setup, NULL);
}
