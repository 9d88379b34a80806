/* Reference values: messages, records, lookups against a real store, expiry, epochs. */
#include "tests/support/support.h"

#include "issuer/rvps/rvps.h"
#include "shared/codec/b64.h"
#include "shared/codec/json.h"

enum { NOW = 1780000000 }; /* 2026-05-28T20:26:40Z */

static const struct vd_limits limits = VD_LIMITS_DEFAULT;

struct ctx {
    int64_t ns;
    char *dir;
    struct vd_store *store;
    struct iss_rvps *rvps;
};

static int setup(void **state)
{
    struct ctx *x = calloc(1, sizeof *x);
    assert_non_null(x);
    assert_ok(vd_base_init(NULL));
    x->ns = NOW * INT64_C(1000000000);
    x->dir = vd_test_dir("rvps");
    VD_AUTO_BUF path = vd_buf_of(4096);
    vd_buf_printf(&path, "%s/store", x->dir);
    static const uint8_t root[32] = { 1 };
    const struct vd_store_cfg cfg = { vd_buf_cstr(&path), "issuer", root };
    vd_err err = { 0 };
    assert_ok(vd_store_create(&cfg, &err));
    assert_ok(vd_store_open(&cfg, &x->store, &err));
    assert_ok(iss_rvps_new(x->store, vd_clock_fixed(&x->ns), &x->rvps, &err));
    *state = x;
    return 0;
}

static int teardown(void **state)
{
    struct ctx *x = *state;
    iss_rvps_free(x->rvps);
    vd_store_close(x->store);
    free(x->dir);
    free(x);
    return 0;
}

static void message_of(const char *payload, vd_buf *out)
{
    vd_jw w = vd_jw_of(out);
    vd_jw_obj(&w);
    vd_jw_kstr(&w, "version", "0.1.0");
    vd_jw_kstr(&w, "type", "sample");
    vd_jw_key(&w, "payload");
    vd_jw_b64(&w, vd_span_str(payload), VD_B64_STD);
    vd_jw_end(&w);
}

static void set_values(struct ctx *x, const char *payload)
{
    VD_AUTO_BUF text = vd_buf_of(1 << 20);
    ISS_AUTO_REFVALUE_SET set = { 0 };
    vd_err err = { 0 };
    message_of(payload, &text);
    assert_ok(
        iss_rvps_message(vd_buf_span(&text), &limits, "tester", x->ns / 1000000000, &set, &err));
    assert_ok(vd_store_put(x->store, set.put, set.n, 1, &err));
}

#define assert_lookup(x, name, want)                                                               \
    do {                                                                                           \
        VD_AUTO_BUF got_ = vd_buf_of(4096);                                                        \
        assert_ok(iss_rvps_lookup((x)->rvps, vd_span_str(name), &got_, NULL));                     \
        assert_span_str(vd_buf_span(&got_), want);                                                 \
    } while (0)

static void values_of_a_message_are_found_and_unknown_ones_are_nothing(void **state)
{
    struct ctx *x = *state;
    assert_lookup(x, "svn", "");
    set_values(x, "{\"svn\":[\"1\"], \"a/b c:\\u00e9\":{\"k\":1.0,\"a\":[true,null]}, \"n\":3}");
    assert_lookup(x, "svn", "[\"1\"]");
    assert_lookup(x, "a/b c:\xc3\xa9", "{\"k\":1.0,\"a\":[true,null]}");
    assert_lookup(x, "n", "3");
    assert_lookup(x, "n", "3"); /* and once more, from the table */
    assert_lookup(x, "SVN", "");
    assert_lookup(x, "", "");
    VD_AUTO_BUF got = vd_buf_of(64);
    assert_ok(iss_rvps_lookup(x->rvps, vd_span_of("svn\0x", 5), &got, NULL));
    assert_int_equal(got.n, 0);
}

static void a_new_value_is_seen_at_once_and_a_removed_one_is_unknown(void **state)
{
    struct ctx *x = *state;
    set_values(x, "{\"svn\":[\"1\"]}");
    assert_lookup(x, "svn", "[\"1\"]");
    assert_lookup(x, "late", "");
    set_values(x, "{\"svn\":[\"2\"],\"late\":true}");
    assert_lookup(x, "svn", "[\"2\"]");
    assert_lookup(x, "late", "true");
    struct vd_put rm = { .owner = VD_OWNER_DEFAULT,
                         .kind = ISS_KIND_REFVALUE,
                         .name = "svn",
                         .remove = true,
                         .match = VD_MATCH_ANY,
                         .by = "tester",
                         .now = NOW };
    assert_ok(vd_store_put(x->store, &rm, 1, 2, NULL));
    assert_lookup(x, "svn", "");
    ISS_AUTO_REFVALUE v = { 0 };
    assert_rc(VD_E_REFVALUE_UNKNOWN, iss_rvps_get(x->rvps, VD_LIT("svn"), &v, NULL));
}

static void an_expired_value_is_unknown_to_policies_but_still_shown(void **state)
{
    struct ctx *x = *state;
    set_values(x, "{\"svn\":[\"1\"]}");
    int64_t expires = iss_rvps_expiry(NOW);
    x->ns = (expires - 1) * 1000000000;
    assert_lookup(x, "svn", "[\"1\"]");
    x->ns = expires * 1000000000;
    assert_lookup(x, "svn", "");
    ISS_AUTO_REFVALUE v = { 0 };
    assert_ok(iss_rvps_get(x->rvps, VD_LIT("svn"), &v, NULL));
    assert_true(v.expired);
    assert_int_equal(v.expires, expires);
    assert_int_equal(v.version, 1);
    assert_span_str(vd_buf_span(&v.value), "[\"1\"]");
}

static void twelve_months_are_counted_by_the_calendar(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to;
    } cases[] = {
        { "2026-05-28T20:26:40Z", "2027-05-28T20:26:40Z" },
        { "2028-02-29T00:00:00Z", "2029-02-28T00:00:00Z" },
        { "2027-02-28T23:59:59Z", "2028-02-28T23:59:59Z" },
        { "2029-12-31T23:59:59Z", "2030-12-31T23:59:59Z" },
        { "1999-01-01T00:00:00Z", "2000-01-01T00:00:00Z" },
        { "2099-01-01T00:00:00Z", "2100-01-01T00:00:00Z" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t from = 0, to = 0;
        assert_ok(vd_time_parse(vd_span_str(cases[i].from), &from, NULL));
        assert_ok(vd_time_parse(vd_span_str(cases[i].to), &to, NULL));
        assert_int_equal(iss_rvps_expiry(from), to);
    }
}

static void the_stored_record_has_trustees_members(void **state)
{
    (void)state;
    VD_AUTO_BUF text = vd_buf_of(4096);
    ISS_AUTO_REFVALUE_SET set = { 0 };
    message_of("{\"a \\\"b\\\"\":[\"x\", 2]}", &text);
    assert_ok(iss_rvps_message(vd_buf_span(&text), &limits, "tester", NOW, &set, NULL));
    assert_int_equal(set.n, 1);
    assert_string_equal(set.put[0].name, "a \"b\"");
    assert_string_equal(set.put[0].by, "tester");
    assert_span_str(set.put[0].body,
                    "{\"version\":\"0.1.0\",\"name\":\"a \\\"b\\\"\","
                    "\"expiration\":\"2027-05-28T20:26:40Z\",\"value\":[\"x\",2]}");
}

static void bad_messages_are_refused_whole(void **state)
{
    (void)state;
    static const struct {
        const char *label, *text;
    } cases[] = {
        { "no JSON", "nope" },
        { "no object", "[]" },
        { "null", "null" },
        { "no type", "{\"payload\":\"e30=\"}" },
        { "type is a number", "{\"type\":1,\"payload\":\"e30=\"}" },
        { "unknown extractor", "{\"type\":\"nosuch\",\"payload\":\"e30=\"}" },
        { "extractor of a later version", "{\"type\":\"swid\",\"payload\":\"e30=\"}" },
        { "no payload", "{\"type\":\"sample\"}" },
        { "payload is an object", "{\"type\":\"sample\",\"payload\":{}}" },
        { "payload is base64url", "{\"type\":\"sample\",\"payload\":\"_-8\"}" },
        { "payload without padding", "{\"type\":\"sample\",\"payload\":\"e30\"}" },
        { "payload is no JSON", "{\"type\":\"sample\",\"payload\":\"bm9wZQ==\"}" },
        { "payload is an array", "{\"type\":\"sample\",\"payload\":\"W10=\"}" },
        { "payload repeats a name", "{\"type\":\"sample\",\"payload\":\"eyJhIjoxLCJhIjoyfQ==\"}" },
        { "payload has an empty name", "{\"type\":\"sample\",\"payload\":\"eyIiOjF9\"}" },
        { "other version", "{\"version\":\"0.2.0\",\"type\":\"sample\",\"payload\":\"e30=\"}" },
        { "version is a number", "{\"version\":1,\"type\":\"sample\",\"payload\":\"e30=\"}" },
        { "version is null", "{\"version\":null,\"type\":\"sample\",\"payload\":\"e30=\"}" },
        { "repeated member", "{\"type\":\"sample\",\"type\":\"sample\",\"payload\":\"e30=\"}" },
        { "trailing bytes", "{\"type\":\"sample\",\"payload\":\"e30=\"}x" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct iss_refvalue_set set = { 0 };
        vd_rc_ rc = iss_rvps_message(vd_span_str(cases[i].text), &limits, "t", NOW, &set, NULL);
        if (rc.code != VD_E_REFVALUE_REFUSED)
            fail_msg("%s: %s", cases[i].label, vd_error_row(rc.code)->symbol);
        assert_null(set.put);
    }
    ISS_AUTO_REFVALUE_SET empty = { 0 };
    assert_ok(iss_rvps_message(VD_LIT("{\"type\":\"sample\",\"payload\":\"e30=\"}"), &limits, "t",
                               NOW, &empty, NULL));
    assert_int_equal(empty.n, 0);
    print_message("messages refused: %zu\n", sizeof cases / sizeof cases[0]);
}

static void a_message_cut_anywhere_is_refused(void **state)
{
    (void)state;
    VD_AUTO_BUF text = vd_buf_of(4096);
    message_of("{\"svn\":[\"1\"]}", &text);
    for (size_t n = 0; n < text.n; n++) {
        struct iss_refvalue_set set = { 0 };
        vd_span cut = vd_test_guarded(vd_span_of(text.p, n));
        assert_rc(VD_E_REFVALUE_REFUSED, iss_rvps_message(cut, &limits, "t", NOW, &set, NULL));
        vd_test_guarded_free(cut);
    }
}

static void a_fixed_set_needs_no_store_and_does_not_expire(void **state)
{
    (void)state;
    VD_AUTO(iss_rvps_free) struct iss_rvps *r = NULL;
    VD_AUTO_BUF got = vd_buf_of(4096);
    assert_ok(vd_base_init(NULL));
    assert_ok(iss_rvps_fixed(VD_LIT("{\"svn\":[\"1\"],\"n\": 7}"), &limits, &r, NULL));
    assert_ok(iss_rvps_lookup(r, VD_LIT("svn"), &got, NULL));
    assert_span_str(vd_buf_span(&got), "[\"1\"]");
    vd_buf_reset(&got);
    assert_ok(iss_rvps_lookup(r, VD_LIT("m"), &got, NULL));
    assert_int_equal(got.n, 0);

    VD_AUTO(iss_rvps_free) struct iss_rvps *m = NULL;
    VD_AUTO_BUF text = vd_buf_of(4096);
    message_of("{\"svn\":\"2\"}", &text);
    assert_ok(iss_rvps_fixed(vd_buf_span(&text), &limits, &m, NULL));
    assert_ok(iss_rvps_lookup(m, VD_LIT("svn"), &got, NULL));
    assert_span_str(vd_buf_span(&got), "\"2\"");
    struct iss_rvps *no = NULL;
    assert_rc(VD_E_REFVALUE_REFUSED, iss_rvps_fixed(VD_LIT("[1]"), &limits, &no, NULL));
}

static void twenty_thousand_asked_names_leave_a_bounded_table(void **state)
{
    struct ctx *x = *state;
    set_values(x, "{\"svn\":1}");
    for (unsigned i = 0; i < 20000; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "no-%u", i);
        assert_lookup(x, name, "");
    }
    assert_lookup(x, "svn", "1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(values_of_a_message_are_found_and_unknown_ones_are_nothing,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_new_value_is_seen_at_once_and_a_removed_one_is_unknown,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(an_expired_value_is_unknown_to_policies_but_still_shown,
                                        setup, teardown),
        cmocka_unit_test(twelve_months_are_counted_by_the_calendar),
        cmocka_unit_test(the_stored_record_has_trustees_members),
        cmocka_unit_test(bad_messages_are_refused_whole),
        cmocka_unit_test(a_message_cut_anywhere_is_refused),
        cmocka_unit_test(a_fixed_set_needs_no_store_and_does_not_expire),
        cmocka_unit_test_setup_teardown(twenty_thousand_asked_names_leave_a_bounded_table, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
