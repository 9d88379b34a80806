/* The record's promises: one chained line per record, paging, group commit, and what a start
 * accepts. */
#include "tests/unit/shared/audit/audit_kit.h"

#include <fcntl.h>
#include <time.h>

#include "shared/codec/json.h"
#include "shared/crypto/hash.h"

static void a_record_is_one_line_of_the_documented_form(void **state)
{
    (void)state;
    KIT k;
    kit_init(&k, 0);
    uint64_t seq = 0;
    assert_ok(vd_audit_append(k.a, "release", VD_LIT("{\"secret\":\"a/b/c\"}"), VD_AUDIT_DURABLE,
                              &seq, NULL));
    assert_int_equal(seq, 2);
    assert_ok(vd_audit_append(k.a, "attest", VD_SPAN_NONE, VD_AUDIT_DURABLE, &seq, NULL));
    assert_int_equal(seq, 3);
    assert_int_equal(vd_audit_seq(k.a), 3);
    kit_close(&k);
    VD_AUTO_BUF all = kit_bytes(&k);
    uint8_t prev[32] = { 0 };
    size_t at = 0;
    for (uint64_t n = 1; n <= 3; n++) {
        vd_span left = vd_span_part(vd_buf_span(&all), at, all.n);
        vd_span line = vd_span_part(left, 0, vd_span_find(left, '\n'));
        VD_AUTO(vd_json_free) struct vd_json *j = NULL;
        assert_ok(vd_json_parse(line, VD_JSON_LIMITS(4096), &j, NULL));
        vd_jv root = vd_json_root(j);
        uint64_t got = 0;
        assert_ok(vd_jv_u64(vd_jv_get(root, "seq"), UINT64_MAX, &got, NULL));
        assert_int_equal(got, n);
        assert_true(vd_jv_str_eq(vd_jv_get(root, "time"), "2026-06-01T00:00:00Z"));
        assert_true(vd_jv_str_eq(vd_jv_get(root, "event"), n == 1   ? "begin"
                                                           : n == 2 ? "release"
                                                                    : "attest"));
        assert_true(vd_jv_is(vd_jv_get(root, "detail"), VD_JSON_OBJECT));
        VD_AUTO_BUF hex = vd_buf_of(100);
        for (size_t i = 0; i < 32; i++)
            vd_buf_printf(&hex, "%02x", prev[i]);
        assert_true(vd_jv_str_eq(vd_jv_get(root, "prev"), vd_buf_cstr(&hex)));
        assert_ok(vd_hash_of(VD_SHA256, line, prev, NULL));
        at += line.n + 1;
    }
    assert_int_equal(at, all.n);
    struct vd_audit_report r;
    assert_ok(vd_audit_verify(k.path, &r, NULL));
    assert_int_equal(r.records, 3);
    assert_int_equal(r.first_seq, 1);
    assert_int_equal(r.last_seq, 3);
    assert_int_equal(r.torn, 0);
    for (size_t i = 0; i < 32; i++) {
        char two[3];
        (void)snprintf(two, sizeof two, "%02x", prev[i]);
        assert_memory_equal(r.head + 2 * i, two, 2);
    }
}

static void a_restart_continues_the_chain(void **state)
{
    (void)state;
    KIT k;
    kit_init(&k, 0);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(kit_append(&k, "release", VD_AUDIT_DURABLE), VD_E_OK);
        kit_close(&k);
        kit_open(&k);
    }
    struct vd_audit_report r;
    assert_ok(vd_audit_verify(k.path, &r, NULL));
    assert_int_equal(r.records, 6);
}

static void creating_never_overwrites_and_opening_never_creates(void **state)
{
    (void)state;
    KIT k;
    kit_init(&k, 0);
    kit_close(&k);
    struct stat st;
    vd_err err = { 0 };
    assert_int_equal(stat(k.path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_rc(VD_E_EXISTS, vd_audit_create(k.path, "broker", NULL, 0, NULL));
    k.cfg.program = "issuer";
    assert_rc(VD_E_CONFIG, vd_audit_open(&k.cfg, &k.a, &err));
    assert_non_null(strstr(err.msg, "vidimus-issuer"));
    k.cfg.program = "broker";
    assert_int_equal(unlink(k.path), 0);
    vd_err_clear(&err);
    assert_rc(VD_E_FILE, vd_audit_open(&k.cfg, &k.a, &err));
    assert_non_null(strstr(err.msg, k.path));
    assert_non_null(strstr(err.msg, "init"));
    struct vd_audit_report r;
    assert_rc(VD_E_FILE, vd_audit_verify(k.path, &r, NULL));
    assert_rc(VD_E_FILE, vd_audit_verify(k.dir, &r, NULL));
    k.cfg.path = k.dir;
    assert_rc(VD_E_FILE, vd_audit_open(&k.cfg, &k.a, NULL));
    k.cfg.path = k.path;
    kit_write(&k, VD_SPAN_NONE);
    assert_rc(VD_E_STORE_CORRUPT, vd_audit_open(&k.cfg, &k.a, NULL));
    assert_rc(VD_E_STORE_CORRUPT, vd_audit_verify(k.path, &r, NULL));
}

static void records_that_are_not_one_object_on_one_line_are_refused(void **state)
{
    (void)state;
    KIT k;
    kit_init(&k, 0);
    static const struct {
        const char *event;
        const char *detail;
    } cases[] = {
        { "", "{}" },
        { "an-event-name-that-is-much-too-long-x", "{}" },
        { "release", "x" },
        { "release", "[]" },
        { "release", "{" },
        { "release", "{} " },
        { "release", "{\"a\":1,\n\"b\":2}" },
        { "release", "{\"a\":\"\t\"}" },
        { "Release", "{}" },
        { "re\"lease", "{}" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (unsigned flags = 0; flags < 4; flags++)
            assert_rc(VD_E_AUDIT, vd_audit_append(k.a, cases[i].event, vd_span_str(cases[i].detail),
                                                  flags, NULL, NULL));
    VD_AUTO_BUF big = vd_buf_of(1 << 20);
    vd_buf_str(&big, "{\"a\":\"");
    memset(vd_buf_extend(&big, VD_AUDIT_DETAIL - 8), 'x', VD_AUDIT_DETAIL - 8);
    vd_buf_str(&big, "\"}");
    assert_int_equal(big.n, VD_AUDIT_DETAIL);
    assert_ok(vd_audit_append(k.a, "release", vd_buf_span(&big), VD_AUDIT_DURABLE, NULL, NULL));
    big.n -= 2;
    vd_buf_str(&big, "x\"}");
    assert_rc(VD_E_AUDIT,
              vd_audit_append(k.a, "release", vd_buf_span(&big), VD_AUDIT_DURABLE, NULL, NULL));
    kit_close(&k);
    kit_open(&k);
    assert_int_equal(vd_audit_seq(k.a), 2);
}

static void fill_small(struct kit *k)
{
    for (int i = 0; i < 12; i++)
        assert_int_equal(kit_append(k, i % 3 ? "release" : "intent", VD_AUDIT_DURABLE), VD_E_OK);
    kit_close(k);
}

static size_t line_of(vd_span all, size_t at)
{
    size_t n = 1;
    for (size_t i = 0; i < at; i++)
        n += all.p[i] == '\n';
    return n;
}

/* Damage is told at the line itself or, when only the chain shows it, at the next one. */
static void every_flipped_bit_is_found_and_its_line_is_named(void **state)
{
    (void)state;
    KIT k;
    kit_init(&k, 0);
    fill_small(&k);
    VD_AUTO_BUF all = kit_bytes(&k);
    VD_AUTO_FD int fd = open(k.path, O_WRONLY);
    assert_true(fd >= 0);
    struct vd_audit_report r;
    for (size_t bit = 0; bit < all.n * 8; bit++) {
        size_t at = bit / 8;
        vd_err err = { 0 };
        char want[40];
        (void)snprintf(want, sizeof want, "line %zu ", line_of(vd_buf_span(&all), at));
        uint8_t bad = (uint8_t)(all.p[at] ^ 1u << bit % 8);
        assert_int_equal(pwrite(fd, &bad, 1, (off_t)at), 1);
        assert_rc(VD_E_STORE_CORRUPT, vd_audit_verify(k.path, &r, &err));
        if (!strstr(err.msg, want))
            print_error("bit %zu: %s, wanted %s\n", bit, err.msg, want);
        assert_non_null(strstr(err.msg, want));
        if (bit % 61 == 0)
            assert_rc(VD_E_STORE_CORRUPT, vd_audit_open_ops(&k.cfg, &k.ops, &k.a, NULL));
        assert_int_equal(pwrite(fd, &all.p[at], 1, (off_t)at), 1);
    }
    assert_ok(vd_audit_verify(k.path, &r, NULL));
    print_message("audit: %zu flipped bits found\n", all.n * 8);
}

static void a_cut_at_every_byte_is_a_torn_last_line(void **state)
{
    (void)state;
    KIT k;
    kit_init(&k, 0);
    fill_small(&k);
    VD_AUTO_BUF all = kit_bytes(&k);
    size_t first = vd_span_find(vd_buf_span(&all), '\n') + 1;
    struct vd_audit_report r;
    for (size_t cut = 0; cut < all.n; cut++) {
        size_t whole = line_of(vd_buf_span(&all), cut) - 1;
        size_t end = cut;
        while (end > 0 && all.p[end - 1] != '\n')
            end--;
        kit_write(&k, vd_span_part(vd_buf_span(&all), 0, cut));
        if (cut < first) {
            assert_rc(VD_E_STORE_CORRUPT, vd_audit_verify(k.path, &r, NULL));
            assert_rc(VD_E_STORE_CORRUPT, vd_audit_open_ops(&k.cfg, &k.ops, &k.a, NULL));
            continue;
        }
        assert_ok(vd_audit_verify(k.path, &r, NULL));
        assert_int_equal(r.records, whole);
        assert_int_equal(r.torn, cut - end);
        if (cut % 7 != 0 && cut != end)
            continue;
        kit_open(&k);
        struct stat st;
        assert_int_equal(stat(k.path, &st), 0);
        assert_int_equal(st.st_size, end);
        assert_int_equal(vd_audit_seq(k.a), whole);
        assert_int_equal(kit_append(&k, "release", VD_AUDIT_DURABLE), VD_E_OK);
        kit_close(&k);
        assert_ok(vd_audit_verify(k.path, &r, NULL));
        assert_int_equal(r.records, whole + 1);
    }
    print_message("audit: %zu cuts\n", all.n);
}

static void lines_taken_away_doubled_or_swapped_are_found(void **state)
{
    (void)state;
    KIT k;
    kit_init(&k, 0);
    fill_small(&k);
    VD_AUTO_BUF all = kit_bytes(&k);
    vd_span line[13];
    size_t at = 0;
    for (size_t i = 0; i < 13; i++) {
        vd_span left = vd_span_part(vd_buf_span(&all), at, all.n);
        line[i] = vd_span_part(left, 0, vd_span_find(left, '\n') + 1);
        at += line[i].n;
    }
    struct vd_audit_report r;
    size_t tried = 0;
    for (size_t i = 0; i < 13; i++)
        for (size_t j = 0; j < 14; j++) {
            /* j < 13: i and j swapped (i == j: i doubled); j == 13: i taken away. */
            VD_AUTO_BUF out = vd_buf_of(1 << 20);
            for (size_t n = 0; n < 13; n++) {
                size_t use = n == i && j < 13 ? j : n == j ? i : n;
                if (!(j == 13 && n == i))
                    vd_buf_add(&out, line[use]);
                if (n == i && i == j)
                    vd_buf_add(&out, line[n]);
            }
            kit_write(&k, vd_buf_span(&out));
            vd_code want =
                i == 12 && j == 13 ? VD_E_OK : VD_E_STORE_CORRUPT; /* the end: nothing shows it */
            assert_rc(want, vd_audit_verify(k.path, &r, NULL));
            tried++;
        }
    print_message("audit: %zu orders of lines\n", tried);
}

static size_t lines_in(const vd_buf *b)
{
    size_t n = 0;
    for (size_t i = 0; i < b->n; i++)
        n += b->p[i] == '\n';
    return n;
}

static void pages_of_records_are_read_from_anywhere(void **state)
{
    (void)state;
    enum { N = 5000 };
    KIT k;
    kit_init(&k, 0);
    for (int i = 1; i < N; i++)
        assert_int_equal(kit_append(&k, "release", VD_AUDIT_LAZY), VD_E_OK);
    static const struct {
        uint64_t after;
        size_t n;
        size_t want;
    } cases[] = { { 0, 10, 10 },         { 0, 0, 0 },         { 1023, 3, 3 },   { 1024, 3, 3 },
                  { 1025, 2000, 2000 },  { 4990, 100, 10 },   { 4999, 100, 1 }, { 5000, 10, 0 },
                  { UINT64_MAX, 10, 0 }, { 0, 100000, 5000 }, { 4096, 1, 1 } };
    for (int restart = 0; restart < 2; restart++) {
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            VD_AUTO_BUF out = vd_buf_of(64 << 20);
            assert_ok(vd_audit_read(k.a, cases[i].after, cases[i].n, &out, NULL));
            assert_int_equal(lines_in(&out), cases[i].want);
            if (cases[i].want == 0)
                continue;
            char first[32];
            (void)snprintf(first, sizeof first, "{\"seq\":%llu,",
                           (unsigned long long)cases[i].after + 1);
            assert_true(vd_span_starts(vd_buf_span(&out), vd_span_str(first)));
        }
        kit_close(&k);
        kit_open(&k);
    }
    VD_AUTO_BUF tight = vd_buf_of(100);
    assert_rc(VD_E_TOO_LARGE, vd_audit_read(k.a, 0, 10, &tight, NULL));
}

struct crowd {
    struct kit *k;
    unsigned n;
    uint64_t *seqs;
};

static void *append_on(void *ctx)
{
    struct crowd *c = ctx;
    for (unsigned i = 0; i < c->n; i++) {
        bool lazy = i % 10 == 9;
        unsigned flags = lazy ? VD_AUDIT_LAZY : VD_AUDIT_DURABLE;
        if (vd_audit_append(c->k->a, "release", VD_LIT("{\"a\":1}"), flags, &c->seqs[i], NULL)
                .code != VD_E_OK)
            return "append";
        if (!lazy && c->seqs[i] == 0)
            return "sequence";
    }
    return NULL;
}

static void many_callers_share_the_syncs(void **state)
{
    (void)state;
    enum { THREADS = 32, EACH = 200 };
    KIT k;
    kit_init(&k, 0);
    k.disk.sync_us = 100;
    k.disk.syncs = 0;
    pthread_t t[THREADS];
    struct crowd c[THREADS];
    static uint64_t seqs[THREADS][EACH];
    for (size_t i = 0; i < THREADS; i++) {
        c[i] = (struct crowd){ &k, EACH, seqs[i] };
        assert_int_equal(pthread_create(&t[i], NULL, append_on, &c[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        void *bad = NULL;
        (void)pthread_join(t[i], &bad);
        assert_null(bad);
    }
    assert_int_equal(vd_audit_seq(k.a), 1 + THREADS * EACH);
    unsigned syncs = k.disk.syncs;
    kit_close(&k);
    struct vd_audit_report r;
    assert_ok(vd_audit_verify(k.path, &r, NULL));
    assert_int_equal(r.records, 1 + THREADS * EACH);
    static uint8_t seen[THREADS * EACH + 2];
    for (size_t i = 0; i < THREADS; i++)
        for (size_t j = 0; j < EACH; j++) {
            assert_true(seqs[i][j] <= THREADS * EACH + 1);
            assert_true(seqs[i][j] == 0 || seen[seqs[i][j]]++ == 0);
        }
    print_message("audit: %d records, %u syncs\n", THREADS * EACH, syncs);
    assert_true(syncs < THREADS * EACH / 4);
}

static void a_durable_record_is_synced_and_a_lazy_one_only_written(void **state)
{
    (void)state;
    KIT k;
    kit_init(&k, 0);
    k.disk.syncs = 0;
    assert_int_equal(kit_append(&k, "release", VD_AUDIT_LAZY), VD_E_OK);
    assert_int_equal(k.disk.syncs, 0);
    VD_AUTO_BUF out = vd_buf_of(4096);
    assert_ok(vd_audit_read(k.a, 1, 10, &out, NULL));
    assert_int_equal(lines_in(&out), 1);
    assert_int_equal(kit_append(&k, "release", VD_AUDIT_DURABLE), VD_E_OK);
    assert_int_equal(k.disk.syncs, 1);
    assert_int_equal(kit_append(&k, "release", VD_AUDIT_LAZY), VD_E_OK);
    kit_close(&k);
    assert_int_equal(k.disk.syncs, 2);
}

static double s_now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void a_long_record_is_read_back_fast(void **state)
{
    (void)state;
    enum { N = 100000 };
    KIT k;
    kit_init(&k, 0);
    static const vd_span detail =
        VD_LIT("{\"secret\":\"default/key/"
               "1\",\"passport\":\"0123456789012345678901\",\"issuer\":\"https://issuer.example\","
               "\"policy\":\"default\",\"policy_sha256\":"
               "\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"}");
    for (int i = 0; i < N; i++)
        assert_ok(vd_audit_append(k.a, "release", detail, VD_AUDIT_LAZY, NULL, NULL));
    kit_close(&k);
    double start = s_now();
    kit_open(&k);
    print_message("audit: %.2f s to read %d records back\n", s_now() - start, N);
    assert_int_equal(vd_audit_seq(k.a), N + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_is_one_line_of_the_documented_form),
        cmocka_unit_test(a_restart_continues_the_chain),
        cmocka_unit_test(creating_never_overwrites_and_opening_never_creates),
        cmocka_unit_test(records_that_are_not_one_object_on_one_line_are_refused),
        cmocka_unit_test(every_flipped_bit_is_found_and_its_line_is_named),
        cmocka_unit_test(a_cut_at_every_byte_is_a_torn_last_line),
        cmocka_unit_test(lines_taken_away_doubled_or_swapped_are_found),
        cmocka_unit_test(pages_of_records_are_read_from_anywhere),
        cmocka_unit_test(many_callers_share_the_syncs),
        cmocka_unit_test(a_durable_record_is_synced_and_a_lazy_one_only_written),
        cmocka_unit_test(a_long_record_is_read_back_fast),
    };
    return cmocka_run_group_tests(tests, kit_setup, NULL);
}
