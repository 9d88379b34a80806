/* The disk under the record is full, read-only or broken: nothing is acknowledged that is not in
 * the file, a full disk recovers without a restart and keeps its reserve for administrators, a
 * failed sync ends all writing. */
#include "tests/unit/shared/audit/audit_kit.h"

enum { RESERVE = 1 << 20 };

static uint64_t verified(struct kit *k)
{
    struct vd_audit_report r;
    vd_err err = { 0 };
    vd_rc_ rc = vd_audit_verify(k->path, &r, &err);
    if (rc.code != VD_E_OK)
        print_error("%s\n", err.msg);
    assert_int_equal(rc.code, VD_E_OK);
    assert_int_equal(r.torn, 0);
    return r.records;
}

static bool reserve_exists(const struct kit *k)
{
    VD_AUTO_BUF b = vd_buf_of(4096);
    vd_buf_printf(&b, "%s.reserve", k->path);
    return access(vd_buf_cstr(&b), F_OK) == 0;
}

static void a_full_disk_leaves_whole_records_at_every_byte(void **state)
{
    (void)state;
    static const int causes[] = { ENOSPC, EROFS, EDQUOT, EFBIG };
    KIT k;
    kit_init(&k, 0);
    uint64_t records = 1;
    for (int room = 0; room < 420; room++) {
        k.disk.cause = causes[room % 4];
        k.disk.room = room;
        vd_err err = { 0 };
        uint64_t seq = 0;
        vd_rc_ rc = vd_audit_append(k.a, "release", VD_LIT("{\"a\":\"0123456789\"}"),
                                    VD_AUDIT_DURABLE, &seq, &err);
        if (rc.code == VD_E_OK) {
            records++;
            assert_true(room > 150);
        } else {
            assert_int_equal(rc.code, VD_E_AUDIT);
            assert_non_null(strstr(err.msg, k.path));
            assert_false(vd_audit_ok(k.a));
            assert_int_equal(seq, 0);
        }
        assert_int_equal(verified(&k), records);
        k.disk.room = -1;
        assert_int_equal(kit_append(&k, "release", VD_AUDIT_DURABLE), VD_E_OK);
        assert_true(vd_audit_ok(k.a));
        records++;
        assert_int_equal(verified(&k), records);
    }
    kit_close(&k);
    kit_open(&k);
    assert_int_equal(vd_audit_seq(k.a), records);
}

static void the_reserve_is_for_administrators_until_there_is_space(void **state)
{
    (void)state;
    KIT k;
    kit_init(&k, RESERVE);
    assert_true(reserve_exists(&k));
    assert_int_equal(kit_append(&k, "release", VD_AUDIT_DURABLE), VD_E_OK);
    uint64_t records = 2;

    /* Full: the first release is refused and gives the reserve back, which an administrator then
     * uses. */
    k.disk.room = 100;
    assert_int_equal(kit_append(&k, "release", VD_AUDIT_DURABLE), VD_E_AUDIT);
    assert_false(reserve_exists(&k));
    assert_false(vd_audit_ok(k.a));
    assert_int_equal(verified(&k), records);
    k.disk.room = 5000;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(kit_append(&k, "release", VD_AUDIT_DURABLE), VD_E_AUDIT);
        assert_int_equal(kit_append(&k, "intent", VD_AUDIT_DURABLE | VD_AUDIT_ADMIN), VD_E_OK);
        assert_int_equal(verified(&k), ++records);
    }
    /* The reserve is used up too. */
    k.disk.room = 0;
    assert_int_equal(kit_append(&k, "intent", VD_AUDIT_DURABLE | VD_AUDIT_ADMIN), VD_E_AUDIT);
    assert_int_equal(verified(&k), records);

    /* Space for some records, but not for the whole reserve: still only administrators. */
    k.disk.room = 100000;
    k.disk.space = RESERVE - 1;
    k.now += 2000000000;
    assert_int_equal(kit_append(&k, "release", VD_AUDIT_DURABLE), VD_E_AUDIT);
    assert_false(reserve_exists(&k));
    /* Space again: asked for at most once a second. */
    k.disk.space = RESERVE;
    assert_int_equal(kit_append(&k, "release", VD_AUDIT_DURABLE), VD_E_AUDIT);
    k.now += 1000000000;
    assert_int_equal(kit_append(&k, "release", VD_AUDIT_DURABLE), VD_E_OK);
    assert_true(vd_audit_ok(k.a));
    assert_true(reserve_exists(&k));
    assert_int_equal(verified(&k), ++records);
}

static void a_start_without_space_for_the_reserve_serves_administrators(void **state)
{
    (void)state;
    KIT k;
    kit_init(&k, 0);
    kit_close(&k);
    k.cfg.reserve = RESERVE;
    k.disk.room = 5000;
    k.disk.space = 0;
    kit_open(&k);
    assert_false(vd_audit_ok(k.a));
    assert_int_equal(kit_append(&k, "release", VD_AUDIT_DURABLE), VD_E_AUDIT);
    assert_int_equal(kit_append(&k, "intent", VD_AUDIT_DURABLE | VD_AUDIT_ADMIN), VD_E_OK);
    assert_int_equal(verified(&k), 2);
}

struct caller {
    struct kit *k;
    unsigned flags;
    vd_code got;
};

static void *append_one(void *ctx)
{
    struct caller *c = ctx;
    c->got = kit_append(c->k, c->flags & VD_AUDIT_ADMIN ? "intent" : "release", c->flags);
    return NULL;
}

static void of_a_mixed_batch_on_a_full_disk_administrators_are_written(void **state)
{
    (void)state;
    enum { N = 16 };
    KIT k;
    kit_init(&k, RESERVE);
    k.disk.sync_us = 20000; /* so that the others queue up behind the first */
    pthread_t t[N];
    struct caller c[N];
    for (size_t round = 0; round < 5; round++) {
        uint64_t before = vd_audit_seq(k.a);
        k.disk.room = -1;
        k.now += 2000000000;
        for (size_t i = 0; i < N; i++) {
            c[i] = (struct caller){ &k, VD_AUDIT_DURABLE | (i % 2 && i ? VD_AUDIT_ADMIN : 0),
                                    VD_E_OK };
            assert_int_equal(pthread_create(&t[i], NULL, append_one, &c[i]), 0);
            if (i == 0) {
                (void)usleep(5000);
                k.disk.room = 800; /* the batch of all does not fit, some of its lines do */
            }
            if (i == N - 1) {
                (void)usleep(30000);
                k.disk.room = 100000;
                k.disk.space = 0;
            }
        }
        unsigned good = 0;
        for (size_t i = 0; i < N; i++) {
            (void)pthread_join(t[i], NULL);
            good += c[i].got == VD_E_OK;
            assert_true(c[i].got == VD_E_OK || c[i].got == VD_E_AUDIT);
        }
        assert_int_equal(vd_audit_seq(k.a), before + good);
        assert_int_equal(verified(&k), before + good);
        k.disk.space = RESERVE;
    }
}

static void after_a_failed_sync_nothing_is_written_until_a_restart(void **state)
{
    (void)state;
    KIT k;
    kit_init(&k, RESERVE);
    assert_int_equal(kit_append(&k, "release", VD_AUDIT_DURABLE), VD_E_OK);
    k.disk.sync_in = 0;
    vd_err err = { 0 };
    assert_rc(VD_E_AUDIT,
              vd_audit_append(k.a, "release", VD_SPAN_NONE, VD_AUDIT_DURABLE, NULL, &err));
    assert_non_null(strstr(err.msg, "restart"));
    assert_false(vd_audit_ok(k.a));
    unsigned writes = k.disk.writes;
    static const unsigned flags[] = { VD_AUDIT_LAZY, VD_AUDIT_DURABLE, VD_AUDIT_ADMIN,
                                      VD_AUDIT_DURABLE | VD_AUDIT_ADMIN };
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(kit_append(&k, "intent", flags[i]), VD_E_AUDIT);
    assert_int_equal(k.disk.writes, writes);
    kit_close(&k);
    kit_open(&k); /* reads it back; the record in doubt stays, as one that was not acknowledged */
    assert_true(vd_audit_ok(k.a));
    assert_int_equal(kit_append(&k, "release", VD_AUDIT_DURABLE), VD_E_OK);
    (void)verified(&k);
}

static void a_failed_sync_fails_every_caller_of_its_batch(void **state)
{
    (void)state;
    enum { N = 8 };
    KIT k;
    kit_init(&k, 0);
    k.disk.sync_us = 20000;
    k.disk.sync_in = 1;
    pthread_t t[N];
    struct caller c[N];
    for (size_t i = 0; i < N; i++) {
        c[i] = (struct caller){ &k, VD_AUDIT_DURABLE, VD_E_OK };
        assert_int_equal(pthread_create(&t[i], NULL, append_one, &c[i]), 0);
        if (i == 0)
            (void)usleep(5000);
    }
    unsigned good = 0;
    for (size_t i = 0; i < N; i++) {
        (void)pthread_join(t[i], NULL);
        good += c[i].got == VD_E_OK;
    }
    assert_in_range(good, 1, N - 1); /* those of the first batch */
    kit_close(&k);
    kit_open(&k);
    assert_true(vd_audit_seq(k.a) > good);
}

/* ---- records that nobody waits for, but somebody is told of ---- */

struct told {
    struct vd_waker waker; /* first member */
    sem_t each;
    _Atomic unsigned good;
    _Atomic unsigned bad;
    _Atomic uint64_t last;
};

static struct vd_waker *tell(void *ctx, uint64_t seq, const vd_err *err)
{
    struct told *t = ctx;
    if (err->code == VD_E_OK) {
        t->good++;
        t->last = seq;
    } else {
        assert_int_equal(err->code, VD_E_AUDIT);
        assert_true(err->msg[0] != 0);
        t->bad++;
    }
    return &t->waker;
}

static void ring(struct vd_waker *w, unsigned times)
{
    struct told *t = (struct told *)w;
    while (times-- > 0)
        (void)sem_post(&t->each);
}

static void wait_told(struct told *t, unsigned n)
{
    while (n-- > 0)
        assert_int_equal(sem_wait(&t->each), 0);
}

static vd_code append_then(struct kit *k, struct told *t)
{
    return vd_audit_append_then(k->a, "release", VD_LIT("{\"x\":\"0123456789\"}"), tell, t, NULL)
        .code;
}

static void whoever_does_not_wait_is_told_once_when_the_record_is_durable(void **state)
{
    (void)state;
    enum { N = 500 };
    KIT k;
    kit_init(&k, RESERVE);
    struct told t = { .waker = { ring } };
    assert_int_equal(sem_init(&t.each, 0, 0), 0);
    k.disk.sync_us = 2000;
    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(append_then(&k, &t), VD_E_OK);
        if (i % 50 == 0) /* one that waits, between them */
            assert_int_equal(kit_append(&k, "intent", VD_AUDIT_DURABLE), VD_E_OK);
    }
    wait_told(&t, N);
    assert_int_equal(t.good, N);
    assert_true(k.disk.syncs < N / 2); /* many share one */
    k.disk.sync_us = 0;
    assert_int_equal(verified(&k), vd_audit_seq(k.a));
    assert_true(t.last <= vd_audit_seq(k.a));
    assert_int_equal(append_then(&k, &t), VD_E_OK); /* closing writes it and tells */
    wait_told(&t, 1);
    kit_close(&k);
    (void)sem_destroy(&t.each);
}

static void whoever_does_not_wait_is_told_of_a_full_disk_and_of_a_failed_sync(void **state)
{
    (void)state;
    KIT k;
    kit_init(&k, RESERVE);
    struct told t = { .waker = { ring } };
    assert_int_equal(sem_init(&t.each, 0, 0), 0);
    k.disk.room = 0;
    k.disk.space = 0;
    assert_int_equal(append_then(&k, &t), VD_E_OK);
    wait_told(&t, 1);
    assert_int_equal(t.bad, 1);
    k.disk.room = -1;
    k.disk.space = RESERVE;
    k.now += 2000000000;
    assert_int_equal(append_then(&k, &t), VD_E_OK); /* there is space again */
    wait_told(&t, 1);
    assert_int_equal(t.good, 1);
    k.disk.sync_in = 0;
    assert_int_equal(append_then(&k, &t), VD_E_OK);
    wait_told(&t, 1);
    assert_int_equal(t.bad, 2);
    unsigned writes = k.disk.writes;
    assert_int_equal(append_then(&k, &t), VD_E_AUDIT); /* refused at once, and nobody is told */
    assert_int_equal(k.disk.writes, writes);
    assert_int_equal(t.bad, 2);
    (void)sem_destroy(&t.each);
}

static void a_part_that_cannot_be_cut_off_ends_writing(void **state)
{
    (void)state;
    KIT k;
    kit_init(&k, 0);
    k.disk.room = 50;
    k.disk.no_truncate = true;
    assert_int_equal(kit_append(&k, "release", VD_AUDIT_DURABLE), VD_E_AUDIT);
    k.disk.room = -1;
    assert_int_equal(kit_append(&k, "release", VD_AUDIT_DURABLE), VD_E_AUDIT);
    kit_close(&k);
    k.disk.no_truncate = false;
    kit_open(&k);
    assert_int_equal(kit_append(&k, "release", VD_AUDIT_DURABLE), VD_E_OK);
    assert_int_equal(verified(&k), 2);
}

static void another_write_error_ends_writing(void **state)
{
    (void)state;
    KIT k;
    kit_init(&k, 0);
    k.disk.room = 0;
    k.disk.cause = EIO;
    assert_int_equal(kit_append(&k, "release", VD_AUDIT_DURABLE | VD_AUDIT_ADMIN), VD_E_AUDIT);
    k.disk.room = -1;
    assert_int_equal(kit_append(&k, "release", VD_AUDIT_DURABLE | VD_AUDIT_ADMIN), VD_E_AUDIT);
}

static void the_reserve_follows_its_setting(void **state)
{
    (void)state;
    KIT k;
    kit_init(&k, 0);
    assert_false(reserve_exists(&k));
    VD_AUTO_BUF b = vd_buf_of(4096);
    vd_buf_printf(&b, "%s.reserve", k.path);
    static const uint64_t sizes[] = { 1 << 20, 4 << 20, 1 << 16, 1 << 16 };
    for (size_t i = 0; i < 4; i++) {
        struct stat st;
        kit_close(&k);
        k.cfg.reserve = sizes[i];
        assert_ok(vd_audit_open(&k.cfg, &k.a, NULL)); /* the real disk */
        assert_int_equal(stat(vd_buf_cstr(&b), &st), 0);
        assert_int_equal(st.st_size, sizes[i]);
        assert_true((uint64_t)st.st_blocks * 512 >= sizes[i]);
        assert_int_equal(st.st_mode & 0777, 0600);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_disk_leaves_whole_records_at_every_byte),
        cmocka_unit_test(the_reserve_is_for_administrators_until_there_is_space),
        cmocka_unit_test(a_start_without_space_for_the_reserve_serves_administrators),
        cmocka_unit_test(of_a_mixed_batch_on_a_full_disk_administrators_are_written),
        cmocka_unit_test(after_a_failed_sync_nothing_is_written_until_a_restart),
        cmocka_unit_test(a_failed_sync_fails_every_caller_of_its_batch),
        cmocka_unit_test(whoever_does_not_wait_is_told_once_when_the_record_is_durable),
        cmocka_unit_test(whoever_does_not_wait_is_told_of_a_full_disk_and_of_a_failed_sync),
        cmocka_unit_test(a_part_that_cannot_be_cut_off_ends_writing),
        cmocka_unit_test(another_write_error_ends_writing),
        cmocka_unit_test(the_reserve_follows_its_setting),
    };
    return cmocka_run_group_tests(tests, kit_setup, NULL);
}
