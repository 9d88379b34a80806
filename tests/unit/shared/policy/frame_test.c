/* Frames between server and worker: genuine ones, cut at every byte, and wrong in every member. */
#include "tests/support/support.h"

#include "shared/policy/frame.h"

enum { GIVEN = 3 };

static const struct vd_frame_fault fault = { 3, 7, { (const uint8_t *)"why", 3 } };
static const uint8_t used[] = { 2, 0, 0, 0 };

static void answer_at(size_t i, struct vd_answer *a)
{
    static const enum vd_answer_op ops[] = { VD_ANSWER_READY,    VD_ANSWER_COMPILED,
                                             VD_ANSWER_FAILED,   VD_ANSWER_UNKNOWN,
                                             VD_ANSWER_LOOKUP,   VD_ANSWER_VALUE,
                                             VD_ANSWER_UNDEFINED };
    *a = (struct vd_answer){ .op = ops[i], .leaving = i % 2 != 0 };
    a->n_entries = 2;
    a->state[0] = 1;
    a->state[1] = 3;
    a->warning[1] = fault;
    a->rc = 6;
    a->fault = fault;
    a->n_used = 2;
    a->used = vd_span_of(used, sizeof used);
    a->bytes = VD_LIT("{\"a\":1}");
}
enum { ANSWERS = 7 };

static vd_span body_of(const vd_buf *frame)
{
    vd_rd r = vd_rd_of(vd_buf_span(frame));
    size_t n = vd_rd_u32le(&r);
    assert_int_equal(n, vd_rd_left(&r));
    return vd_rd_take(&r, n);
}

static void answers_are_read_as_they_were_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < ANSWERS; i++) {
        struct vd_answer a;
        struct vd_answer b = { 0 };
        vd_buf frame = vd_buf_of(4096);
        answer_at(i, &a);
        vd_answer_write(&a, &frame);
        assert_ok(vd_answer_parse(body_of(&frame), GIVEN, &b, NULL));
        assert_int_equal(a.op, b.op);
        assert_int_equal(a.leaving, b.leaving);
        if (a.op == VD_ANSWER_COMPILED) {
            assert_int_equal(b.n_entries, 2);
            assert_int_equal(b.state[1], 3);
            assert_span_str(b.warning[1].text, "why");
        }
        if (a.op == VD_ANSWER_FAILED) {
            assert_int_equal(b.rc, 6);
            assert_int_equal(b.fault.line, 3);
            assert_int_equal(b.fault.column, 7);
        }
        if (a.op == VD_ANSWER_VALUE) {
            assert_span_str(b.bytes, "{\"a\":1}");
            assert_int_equal(b.n_used, 2);
            assert_int_equal(vd_answer_used(&b, 0), 2);
            assert_int_equal(vd_answer_used(&b, 1), 0);
        }
        vd_buf_done(&frame);
    }
}

static void answers_cut_anywhere_or_with_more_behind_are_refused(void **state)
{
    (void)state;
    size_t n = 0;
    for (size_t i = 0; i < ANSWERS; i++) {
        struct vd_answer a;
        struct vd_answer b;
        vd_buf frame = vd_buf_of(4096);
        answer_at(i, &a);
        vd_answer_write(&a, &frame);
        vd_span body = body_of(&frame);
        for (size_t cut = 0; cut < body.n; cut++, n++) {
            vd_span part = vd_test_guarded(vd_span_part(body, 0, cut));
            assert_rc(VD_E_POLICY_EVAL, vd_answer_parse(part, GIVEN, &b, NULL));
            vd_test_guarded_free(part);
        }
        vd_buf_u8(&frame, 0);
        assert_rc(VD_E_POLICY_EVAL,
                  vd_answer_parse(vd_span_part(vd_buf_span(&frame), VD_FRAME_HEAD, SIZE_MAX), GIVEN,
                                  &b, NULL));
        vd_buf_done(&frame);
    }
    print_message("answers cut: %zu\n", n);
}

static const struct {
    const char *name;
    const char *body;
    size_t n;
} bad[] = {
    { "kind 0", "\0\0", 2 },
    { "kind 8", "\x08\0", 2 },
    { "kind 255", "\xff\0", 2 },
    { "leaving is 2", "\x01\x02", 2 },
    { "three entries", "\x02\0\x03", 3 },
    { "a state that there is not", "\x02\0\x01\x04\0\0\0\0\0\0\0\0\0\0\0\0", 16 },
    { "failure 0", "\x03\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 17 },
    { "failure 9", "\x03\0\x09\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 17 },
    { "a text of 4 GiB", "\x03\0\x06\0\0\0\0\0\0\0\0\xff\xff\xff\xff\0\0", 17 },
    { "more used than were given", "\x07\0\x04\0\0\0\0\0\0\0\0\0", 12 },
    { "used is not one of the given", "\x07\0\x01\0\x03\0", 6 },
    { "used without end", "\x07\0\xff\xff", 4 },
    { "a result of 4 GiB", "\x06\0\0\0\xff\xff\xff\xff", 8 },
    { "a result longer than it says", "\x06\0\0\0\x01\0\0\0ab", 10 },
    { "a name of 4 GiB", "\x05\0\xff\xff\xff\xff", 6 },
};

static void wrong_answers_are_refused(void **state)
{
    (void)state;
    size_t n = sizeof bad / sizeof bad[0];
    for (size_t i = 0; i < n; i++) {
        struct vd_answer a;
        vd_span in = vd_test_guarded(vd_span_of(bad[i].body, bad[i].n));
        if (vd_answer_parse(in, GIVEN, &a, NULL).code != VD_E_POLICY_EVAL)
            fail_msg("%s", bad[i].name);
        vd_test_guarded_free(in);
    }
    /* as long as a fault's text may be, and one more */
    for (size_t extra = 0; extra < 2; extra++) {
        vd_buf body = vd_buf_of(4096);
        struct vd_answer a;
        vd_buf_add(&body, vd_span_of("\x03\0\x06\0\0\0\0\0\0\0\0", 11));
        vd_buf_le(&body, VD_FRAME_TEXT + extra, 4);
        for (size_t i = 0; i < VD_FRAME_TEXT + extra; i++)
            vd_buf_u8(&body, 'x');
        vd_buf_le(&body, 0, 2);
        vd_code got = vd_answer_parse(vd_buf_span(&body), GIVEN, &a, NULL).code;
        assert_int_equal(got, extra ? VD_E_POLICY_EVAL : VD_E_OK);
        vd_buf_done(&body);
    }
    print_message("wrong answers: %zu\n", n);
}

static void requests_are_read_as_they_were_written_or_not_at_all(void **state)
{
    (void)state;
    for (int op = VD_ASK_COMPILE; op <= VD_ASK_GIVEN; op++) {
        const struct vd_ask a = { .op = (enum vd_ask_op)op,
                                  .policy_kind = 1,
                                  .text = VD_LIT("package policy"),
                                  .entry = 1,
                                  .lookups = true,
                                  .now_ns = -5,
                                  .result = 77,
                                  .input = VD_LIT("{}"),
                                  .data = VD_LIT("[]"),
                                  .n_given = op == VD_ASK_COMPILE ? 0 : 2 };
        struct vd_ask b;
        struct vd_given g;
        vd_buf frame = vd_buf_of(4096);
        vd_ask_write(&a, &frame);
        for (unsigned i = 0; i < a.n_given; i++)
            vd_ask_given(VD_LIT("name"), i ? VD_SPAN_NONE : VD_LIT("1"), &frame);
        vd_frame_close(&frame);
        vd_span body = body_of(&frame);
        assert_true(vd_ask_parse(body, &b));
        assert_int_equal(b.op, op);
        assert_int_equal(b.n_given, a.n_given);
        if (op == VD_ASK_EVAL) {
            assert_int_equal(b.now_ns, -5);
            assert_int_equal(b.result, 77);
            assert_span_str(b.input, "{}");
        }
        for (unsigned i = 0; i < a.n_given; i++) {
            assert_true(vd_ask_next(&b, &g));
            assert_span_str(g.name, "name");
            assert_int_equal(g.value.n, i ? 0 : 1);
        }
        for (size_t cut = 0; cut < body.n; cut++) {
            vd_span part = vd_test_guarded(vd_span_part(body, 0, cut));
            assert_false(vd_ask_parse(part, &b));
            vd_test_guarded_free(part);
        }
        vd_buf_done(&frame);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_read_as_they_were_written),
        cmocka_unit_test(answers_cut_anywhere_or_with_more_behind_are_refused),
        cmocka_unit_test(wrong_answers_are_refused),
        cmocka_unit_test(requests_are_read_as_they_were_written_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
