/* The DER reader: what is in the shortest form is read, everything else makes the reader bad. */
#include "tests/support/support.h"

#include "shared/codec/der.h"

static void numbers_are_read_in_their_shortest_form_only(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        vd_span in;
        uint64_t max;
        bool good;
        uint64_t value;
    } rows[] = {
        { "zero", VD_LIT("\x02\x01\x00"), 255, true, 0 },
        { "127", VD_LIT("\x02\x01\x7f"), 255, true, 127 },
        { "128", VD_LIT("\x02\x02\x00\x80"), 255, true, 128 },
        { "255", VD_LIT("\x02\x02\x00\xff"), 255, true, 255 },
        { "256 above the maximum", VD_LIT("\x02\x02\x01\x00"), 255, false, 0 },
        { "negative", VD_LIT("\x02\x01\x80"), 255, false, 0 },
        { "needless zero", VD_LIT("\x02\x02\x00\x7f"), 255, false, 0 },
        { "empty", VD_LIT("\x02\x00"), 255, false, 0 },
        { "another tag", VD_LIT("\x0a\x01\x00"), 255, false, 0 },
        { "64 bits", VD_LIT("\x02\x09\x00\xff\xff\xff\xff\xff\xff\xff\xff"), UINT64_MAX, true,
          UINT64_MAX },
        { "65 bits", VD_LIT("\x02\x09\x01\x00\x00\x00\x00\x00\x00\x00\x00"), UINT64_MAX, false, 0 },
        { "long form of a short length", VD_LIT("\x02\x81\x01\x00"), 255, false, 0 },
        { "indefinite length", VD_LIT("\x02\x80\x00\x00\x00"), 255, false, 0 },
        { "short", VD_LIT("\x02\x02\x00"), 255, false, 0 },
        { "nothing", VD_LIT(""), 255, false, 0 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        vd_span in = vd_test_guarded(rows[i].in);
        vd_rd r = vd_rd_of(in);
        uint64_t v = vd_der_uint(&r, VD_DER_INTEGER, rows[i].max);
        if (r.bad == rows[i].good || (rows[i].good && (v != rows[i].value || !vd_rd_end(&r)))) {
            print_error("%s\n", rows[i].name);
            fail();
        }
        vd_test_guarded_free(in);
    }
}

static void lengths_of_all_widths(void **state)
{
    (void)state;
    static const struct {
        size_t n;
        vd_span head;
        bool good;
    } rows[] = {
        { 0, VD_LIT("\x04\x00"), true },
        { 127, VD_LIT("\x04\x7f"), true },
        { 128, VD_LIT("\x04\x81\x80"), true },
        { 255, VD_LIT("\x04\x81\xff"), true },
        { 256, VD_LIT("\x04\x82\x01\x00"), true },
        { 65536, VD_LIT("\x04\x83\x01\x00\x00"), true },
        { 255, VD_LIT("\x04\x82\x00\xff"), false },
        { 256, VD_LIT("\x04\x83\x00\x01\x00"), false },
        { 256, VD_LIT("\x04\x84\x00\x00\x01\x00"), false },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        VD_AUTO_BUF b = vd_buf_of(1 << 17);
        vd_buf_add(&b, rows[i].head);
        uint8_t *p = rows[i].n ? vd_buf_extend(&b, rows[i].n) : NULL;
        for (size_t k = 0; k < rows[i].n; k++)
            p[k] = 7;
        vd_rd r = vd_rd_of(vd_buf_span(&b));
        vd_span v = vd_der_value(&r, VD_DER_OCTETS);
        assert_int_equal(vd_rd_end(&r), rows[i].good);
        if (rows[i].good)
            assert_int_equal(v.n, rows[i].n);
        vd_rd again = vd_rd_of(vd_buf_span(&b));
        vd_span whole = vd_der_element(&again);
        assert_int_equal(whole.n, rows[i].good ? b.n : 0);
    }
}

static void a_child_does_not_see_past_its_end(void **state)
{
    (void)state;
    vd_rd r = vd_rd_of(VD_LIT("\x30\x03\x02\x02\x00\xff"));
    vd_rd in = vd_der_enter(&r, VD_DER_SEQUENCE);
    assert_false(in.bad);
    (void)vd_der_uint(&in, VD_DER_INTEGER, 255);
    assert_true(in.bad);
    assert_false(r.bad);
    r = vd_rd_of(VD_LIT("\x31\x00"));
    in = vd_der_enter(&r, VD_DER_SEQUENCE);
    assert_true(in.bad && r.bad);
}

static void booleans_are_all_ones_or_zero(void **state)
{
    (void)state;
    vd_rd r = vd_rd_of(VD_LIT("\x01\x01\xff\x01\x01\x00"));
    assert_true(vd_der_bool(&r));
    assert_false(vd_der_bool(&r));
    assert_true(vd_rd_end(&r));
    r = vd_rd_of(VD_LIT("\x01\x01\x01"));
    (void)vd_der_bool(&r);
    assert_true(r.bad);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_read_in_their_shortest_form_only),
        cmocka_unit_test(lengths_of_all_widths),
        cmocka_unit_test(a_child_does_not_see_past_its_end),
        cmocka_unit_test(booleans_are_all_ones_or_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
