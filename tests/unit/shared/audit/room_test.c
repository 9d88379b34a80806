/* Records are written over blanks: what a crash can leave of that, and what is no such thing. */
#include "tests/unit/shared/audit/audit_kit.h"

#include <fcntl.h>

enum { SECTOR = 512 };

static vd_span tail_of(const vd_buf *all, size_t n)
{
    return vd_span_part(vd_buf_span(all), n, all->n);
}

static bool all_blank(vd_span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] != ' ')
            return false;
    return true;
}

static size_t records_end(const vd_buf *all)
{
    size_t n = all->n;
    while (n > 0 && all->p[n - 1] != '\n')
        n--;
    return n;
}

static void there_are_blanks_behind_the_records_until_it_is_closed(void **state)
{
    (void)state;
    KIT k;
    kit_init(&k, 0);
    struct vd_audit_report r;
    unsigned grown = 0;
    size_t size = 0;
    for (int i = 0; i < 1500; i++) {
        assert_int_equal(kit_append(&k, "release", VD_AUDIT_DURABLE), VD_E_OK);
        VD_AUTO_BUF all = kit_bytes(&k);
        assert_true(all_blank(tail_of(&all, records_end(&all))));
        grown += all.n != size;
        size = all.n;
        if (i % 100 != 0)
            continue;
        assert_ok(vd_audit_verify(k.path, &r, NULL));
        assert_int_equal(r.records, i + 2);
        assert_int_equal(r.torn, 0);
    }
    assert_in_range(grown, 2, 20); /* seldom */
    kit_close(&k);
    VD_AUTO_BUF all = kit_bytes(&k);
    assert_int_equal(records_end(&all), all.n);
    assert_ok(vd_audit_verify(k.path, &r, NULL));
}

/* The file of a writer that was killed, with its blanks: opened, it goes on behind its records. */
static void a_start_goes_on_in_the_blanks(void **state)
{
    (void)state;
    KIT k;
    kit_init(&k, 0);
    for (int i = 0; i < 5; i++)
        assert_int_equal(kit_append(&k, "release", VD_AUDIT_DURABLE), VD_E_OK);
    VD_AUTO_BUF left = kit_bytes(&k);
    uint64_t seq = vd_audit_seq(k.a);
    kit_close(&k);
    kit_write(&k, vd_buf_span(&left));
    kit_open(&k);
    assert_int_equal(vd_audit_seq(k.a), seq);
    assert_int_equal(kit_append(&k, "release", VD_AUDIT_DURABLE), VD_E_OK);
    VD_AUTO_BUF all = kit_bytes(&k);
    assert_int_equal(all.n, left.n);
    kit_close(&k);
    struct vd_audit_report r;
    assert_ok(vd_audit_verify(k.path, &r, NULL));
    assert_int_equal(r.last_seq, seq + 1);
    assert_int_equal(r.torn, 0);
}

/* How many whole records stand before the first sector that is missing. */
static size_t whole_before(const vd_buf *all, size_t n)
{
    size_t lines = 0;
    for (size_t i = 0; i < n; i++)
        lines += all->p[i] == '\n';
    return lines;
}

/* A batch of records whose sync did not end: any of its sectors may be there or not. */
static void any_sectors_of_a_batch_may_be_lost(void **state)
{
    (void)state;
    enum { DURABLE = 4, BATCH = 30 };
    KIT k;
    kit_init(&k, 0);
    for (int i = 0; i < DURABLE; i++)
        assert_int_equal(kit_append(&k, "release", VD_AUDIT_DURABLE), VD_E_OK);
    VD_AUTO_BUF before = kit_bytes(&k);
    size_t from = records_end(&before);
    for (int i = 0; i < BATCH; i++)
        assert_int_equal(kit_append(&k, "release", VD_AUDIT_DURABLE), VD_E_OK);
    VD_AUTO_BUF all = kit_bytes(&k);
    size_t to = records_end(&all);
    kit_close(&k);
    assert_int_equal(all.n, before.n); /* the batch lies in the room that was there */
    size_t first = from / SECTOR, sectors = (to + SECTOR - 1) / SECTOR - first;
    assert_true(sectors > 8);
    uint32_t random = 12345;
    size_t rounds = 0;
    for (size_t round = 0; round < 600; round++) {
        VD_AUTO_BUF bytes = vd_buf_of(1 << 20);
        vd_buf_add(&bytes, vd_buf_span(&all));
        size_t lost = SIZE_MAX;
        for (size_t s = 0; s < sectors; s++) {
            random = random * 1664525 + 1013904223;
            bool gone = round < sectors ? s == round : (random >> 16) % 3 == 0;
            size_t at = (first + s) * SECTOR;
            if (!gone)
                continue;
            memcpy(bytes.p + at, before.p + at, SECTOR);
            if (round % 3 == 1 && at > from)
                memset(bytes.p + at, 0, SECTOR);
            lost = lost == SIZE_MAX ? (at > from ? at : from) : lost;
        }
        size_t whole = whole_before(&all, lost < to ? lost : to);
        kit_write(&k, vd_buf_span(&bytes));
        struct vd_audit_report r;
        vd_err err = { 0 };
        if (vd_audit_verify(k.path, &r, &err).code != VD_E_OK)
            print_error("round %zu, lost from %zu of %zu to %zu: %s\n", round, lost, from, to,
                        err.msg);
        assert_int_equal(err.code, VD_E_OK);
        assert_int_equal(r.records, whole);
        rounds++;
        if (round % 10 != 0)
            continue;
        kit_open(&k);
        assert_int_equal(vd_audit_seq(k.a), whole);
        assert_int_equal(kit_append(&k, "release", VD_AUDIT_DURABLE), VD_E_OK);
        kit_close(&k);
        assert_ok(vd_audit_verify(k.path, &r, NULL));
        assert_int_equal(r.records, whole + 1);
    }
    print_message("audit: %zu batches with lost sectors\n", rounds);
}

/* Text with many blanks is a record like any other, and damage in it is damage. */
static void blanks_within_a_record_are_none_of_that(void **state)
{
    (void)state;
    KIT k;
    kit_init(&k, 0);
    VD_AUTO_BUF detail = vd_buf_of(8192);
    vd_buf_printf(&detail, "{\"x\":\"%4000s\"}", "");
    assert_ok(vd_audit_append(k.a, "release", vd_buf_span(&detail), VD_AUDIT_DURABLE, NULL, NULL));
    assert_int_equal(kit_append(&k, "release", VD_AUDIT_DURABLE), VD_E_OK);
    kit_close(&k);
    struct vd_audit_report r;
    assert_ok(vd_audit_verify(k.path, &r, NULL));
    assert_int_equal(r.records, 3);
    assert_int_equal(r.torn, 0);
}

/* One byte that became a blank at the beginning of a line is no gap. */
static void a_blank_in_place_of_a_byte_is_damage(void **state)
{
    (void)state;
    KIT k;
    kit_init(&k, 0);
    for (int i = 0; i < 6; i++)
        assert_int_equal(kit_append(&k, "release", VD_AUDIT_DURABLE), VD_E_OK);
    kit_close(&k);
    VD_AUTO_BUF all = kit_bytes(&k);
    VD_AUTO_FD int fd = open(k.path, O_WRONLY);
    assert_true(fd >= 0);
    size_t tried = 0;
    for (size_t at = 0; at < all.n - 1; at++) {
        struct vd_audit_report r;
        if (at % SECTOR == SECTOR - 1 || all.p[at] == ' ')
            continue;
        assert_int_equal(pwrite(fd, " ", 1, (off_t)at), 1);
        assert_rc(VD_E_STORE_CORRUPT, vd_audit_verify(k.path, &r, NULL));
        assert_int_equal(pwrite(fd, &all.p[at], 1, (off_t)at), 1);
        tried++;
    }
    print_message("audit: %zu blanks in place of a byte\n", tried);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_are_blanks_behind_the_records_until_it_is_closed),
        cmocka_unit_test(a_start_goes_on_in_the_blanks),
        cmocka_unit_test(any_sectors_of_a_batch_may_be_lost),
        cmocka_unit_test(blanks_within_a_record_are_none_of_that),
        cmocka_unit_test(a_blank_in_place_of_a_byte_is_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
