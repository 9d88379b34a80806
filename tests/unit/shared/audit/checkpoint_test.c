/* Checkpoints, receipts, exports, rotation and the head file: what is signed verifies, and whatever
 * is changed, taken away or put back is noticed and named. */
#include "tests/unit/shared/audit/audit_kit.h"

#include <fcntl.h>

#include "shared/codec/json.h"
#include "shared/crypto/hash.h"

static const uint8_t root[32] = { 9, 8, 7 };

static char *beside(const struct kit *k, const char *end)
{
    VD_AUTO_BUF b = vd_buf_of(4096);
    vd_buf_printf(&b, "%s%s", k->path, end);
    return vd_strdup_span(vd_buf_span(&b));
}

/* A record with a key, as init makes it. */
static void signed_init(struct kit *k, uint64_t records, uint64_t rotate)
{
    kit_init(k, 0);
    kit_close(k);
    assert_int_equal(unlink(k->path), 0);
    assert_ok(vd_audit_key_create(k->path, root, NULL));
    assert_ok(vd_audit_key_load(k->path, root, &k->cfg.signer, NULL));
    assert_ok(vd_audit_create(k->path, "broker", k->cfg.signer, 1780272000, NULL));
    k->cfg.checkpoint_records = records;
    k->cfg.rotate_bytes = rotate;
    kit_open(k);
}

static void signed_done(struct kit *k)
{
    vd_key_unref(k->cfg.signer);
    kit_done(k);
}
#define SIGNED_KIT __attribute__((cleanup(signed_done))) struct kit

static void releases(struct kit *k, size_t n)
{
    for (size_t i = 0; i < n; i++)
        assert_int_equal(kit_append(k, "release", VD_AUDIT_DURABLE), VD_E_OK);
}

static vd_code verify(const struct kit *k, struct vd_audit_report *r, vd_err *err)
{
    const char *const file[] = { k->path };
    struct vd_audit_check c = { .file = file, .n = 1, .key = k->cfg.signer };
    *r = (struct vd_audit_report){ 0 };
    *err = (vd_err){ 0 };
    return vd_audit_verify_files(&c, r, err).code;
}

/* ---- trees ----------------------------------------------------------------------------------- */

/* RFC 9162 section 2.1.1 as it is written down there: an oracle with another way to the root. */
static void plain_root(const uint8_t *leaves, size_t n, uint8_t ret[32])
{
    if (n == 1) {
        memcpy(ret, leaves, 32);
        return;
    }
    size_t k = 1;
    while (k * 2 < n)
        k *= 2;
    uint8_t in[65] = { 1 };
    plain_root(leaves, k, in + 1);
    plain_root(leaves + 32 * k, n - k, in + 33);
    assert_ok(vd_hash_of(VD_SHA256, vd_span_of(in, sizeof in), ret, NULL));
}

static void
trees_of_all_sizes_give_the_root_of_the_definition_and_a_path_for_each_leaf(void **state)
{
    (void)state;
    enum { MAX = 70 };
    size_t paths = 0;
    for (size_t n = 1; n <= MAX; n++) {
        uint8_t leaves[32 * MAX], want[32], got[32];
        struct vd_merkle m = { 0 };
        for (size_t i = 0; i < n; i++) {
            uint8_t entry[2] = { (uint8_t)i, (uint8_t)n };
            assert_ok(vd_merkle_leaf(vd_span_of(entry, 2), leaves + 32 * i, NULL));
            assert_ok(vd_merkle_add(&m, leaves + 32 * i, NULL));
        }
        plain_root(leaves, n, want);
        assert_ok(vd_merkle_root(&m, got, NULL));
        assert_memory_equal(got, want, 32);
        for (size_t i = 0; i < n; i++) {
            uint8_t used[32 * MAX];
            VD_AUTO_BUF path = vd_buf_of(4096);
            memcpy(used, leaves, 32 * n);
            assert_ok(vd_merkle_path(used, n, i, &path, NULL));
            vd_span p = vd_buf_span(&path);
            assert_ok(vd_merkle_follow(leaves + 32 * i, i, n, p, got, NULL));
            assert_memory_equal(got, want, 32);
            if (p.n > 0)
                assert_rc(VD_E_STORE_CORRUPT,
                          vd_merkle_follow(leaves + 32 * i, i, n, vd_span_part(p, 0, p.n - 32), got,
                                           NULL));
            vd_buf_add(&path, vd_span_of(want, 32));
            assert_rc(VD_E_STORE_CORRUPT,
                      vd_merkle_follow(leaves + 32 * i, i, n, vd_buf_span(&path), got, NULL));
            paths++;
        }
        assert_rc(VD_E_STORE_CORRUPT, vd_merkle_follow(leaves, n, n, VD_SPAN_NONE, got, NULL));
    }
    print_message("merkle: %zu paths\n", paths);
}

/* ---- writing --------------------------------------------------------------------------------- */

static void a_checkpoint_comes_after_so_many_records_and_shares_their_sync(void **state)
{
    (void)state;
    struct vd_audit_report r;
    vd_err err;
    SIGNED_KIT k;
    signed_init(&k, 5, 0);
    unsigned syncs = k.disk.syncs;
    releases(&k, 14); /* the beginning is a record too */
    assert_int_equal(vd_audit_seq(k.a), 18);
    /* 14 records and 3 heads */
    assert_int_equal(k.disk.syncs - syncs, 17);
    assert_int_equal(verify(&k, &r, &err), VD_E_OK);
    assert_int_equal(r.checkpoints, 3);
    assert_int_equal(r.signed_to, 17);
    assert_true(r.key_given);
}

static void a_checkpoint_comes_after_so_long_when_there_is_something_new(void **state)
{
    (void)state;
    SIGNED_KIT k;
    signed_init(&k, 0, 0);
    kit_close(&k);
    k.cfg.checkpoint_seconds = 60;
    kit_open(&k);
    uint64_t seq = vd_audit_seq(k.a); /* the beginning, and the checkpoint of the stop */
    assert_int_equal(seq, 2);
    k.now += 3600ll * 1000000000;
    vd_audit_tick(k.a);
    assert_int_equal(vd_audit_seq(k.a), seq);
    releases(&k, 1);
    vd_audit_tick(k.a);
    assert_int_equal(vd_audit_seq(k.a), seq + 1);
    k.now += 59ll * 1000000000;
    vd_audit_tick(k.a);
    assert_int_equal(vd_audit_seq(k.a), seq + 1);
    k.now += 1ll * 1000000000;
    vd_audit_tick(k.a);
    assert_int_equal(vd_audit_seq(k.a), seq + 2);
    vd_audit_tick(k.a);
    assert_int_equal(vd_audit_seq(k.a), seq + 2);
    /* Without a timer the next record brings it along. */
    releases(&k, 1);
    k.now += 61ll * 1000000000;
    releases(&k, 1);
    assert_int_equal(vd_audit_seq(k.a), seq + 5);
}

static void a_clean_stop_signs_what_is_new_and_nothing_twice(void **state)
{
    (void)state;
    struct vd_audit_report r;
    vd_err err;
    SIGNED_KIT k;
    signed_init(&k, 0, 0);
    releases(&k, 3);
    for (int i = 0; i < 3; i++) {
        kit_close(&k);
        assert_int_equal(verify(&k, &r, &err), VD_E_OK);
        assert_int_equal(r.last_seq, 5);
        assert_int_equal(r.signed_to, 4);
        kit_open(&k);
    }
    VD_AUTO_BUF head = vd_buf_of(8192);
    assert_ok(vd_audit_head(k.a, &head, NULL));
    assert_true(vd_span_starts(vd_buf_span(&head), VD_LIT("{\"seq\":5,")));
}

/* ---- verifying ------------------------------------------------------------------------------- */

static void every_changed_byte_of_a_signed_record_is_noticed(void **state)
{
    (void)state;
    struct vd_audit_report r;
    vd_err err;
    SIGNED_KIT k;
    signed_init(&k, 3, 0);
    releases(&k, 8);
    kit_close(&k);
    VD_AUTO_BUF whole = kit_bytes(&k);
    size_t changed = 0;
    for (size_t i = 0; i < whole.n; i++, changed++) {
        whole.p[i] ^= 1;
        kit_write(&k, vd_buf_span(&whole));
        assert_int_not_equal(verify(&k, &r, &err), VD_E_OK);
        whole.p[i] ^= 1;
    }
    kit_write(&k, vd_buf_span(&whole));
    assert_int_equal(verify(&k, &r, &err), VD_E_OK);
    print_message("checkpoint: %zu changed bytes\n", changed);
}

/* Somebody who can compute the chain again, but has not the key. */
static void rewrite(const struct kit *k, uint64_t leave_out, const char *old, const char *fresh)
{
    VD_AUTO_BUF in = kit_bytes(k);
    VD_AUTO_BUF out = vd_buf_of(1 << 20);
    uint8_t head[32] = { 0 };
    uint64_t seq = 0;
    for (vd_span left = vd_buf_span(&in); left.n > 0;) {
        struct vd_audit_line line;
        size_t n = vd_span_find(left, '\n');
        assert_ok(vd_audit_line_parse(vd_span_part(left, 0, n), &line, NULL));
        left = vd_span_part(left, n + 1, left.n);
        if (line.seq == leave_out)
            continue;
        VD_AUTO(free) char *event = vd_strdup_span(line.event);
        const char *as = strcmp(event, old) == 0 ? fresh : event;
        assert_ok(vd_audit_line_write(++seq, line.time, as, head, line.detail, &out, head, NULL));
    }
    kit_write(k, vd_buf_span(&out));
}

static void a_chain_computed_anew_without_the_key_fails_at_its_checkpoint(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint64_t leave_out;
        const char *old;
        const char *fresh;
    } cases[] = {
        { "a record left out", 3, "", "" },
        { "events renamed", 0, "release", "attest" },
        { "a checkpoint left out", 5, "", "" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct vd_audit_report r;
        vd_err err;
        SIGNED_KIT k;
        signed_init(&k, 4, 0);
        releases(&k, 9);
        kit_close(&k);
        rewrite(&k, cases[i].leave_out, cases[i].old, cases[i].fresh);
        vd_code code = verify(&k, &r, &err);
        if (code != VD_E_STORE_CORRUPT || !strstr(err.msg, "checkpoint"))
            fail_msg("%s: %d %s", cases[i].name, code, err.msg);
    }
}

static void another_key_did_not_sign(void **state)
{
    (void)state;
    struct vd_audit_report r;
    vd_err err = { 0 };
    VD_AUTO(vd_key_unref) struct vd_key *other = NULL;
    SIGNED_KIT k;
    signed_init(&k, 2, 0);
    releases(&k, 3);
    assert_ok(vd_key_generate(VD_KTY_ED25519, 0, &other, NULL));
    const char *const file[] = { k.path };
    struct vd_audit_check c = { .file = file, .n = 1, .key = other };
    assert_rc(VD_E_STORE_CORRUPT, vd_audit_verify_files(&c, &r, &err));
    assert_non_null(strstr(err.msg, "did not sign"));
    c.key = NULL;
    assert_ok(vd_audit_verify_files(&c, &r, &err));
    assert_false(r.key_given);
}

/* ---- head ------------------------------------------------------------------------------------ */

static void copy(const char *from, const char *to)
{
    uint8_t bytes[65536];
    FILE *in = fopen(from, "rb");
    FILE *out = fopen(to, "wb");
    assert_non_null(in);
    assert_non_null(out);
    size_t n = fread(bytes, 1, sizeof bytes, in);
    assert_int_equal(fwrite(bytes, 1, n, out), n);
    (void)fclose(in);
    (void)fclose(out);
}

static void a_record_behind_its_head_is_refused_until_it_is_accepted(void **state)
{
    (void)state;
    struct vd_audit_report r;
    vd_err err = { 0 };
    SIGNED_KIT k;
    signed_init(&k, 0, 0);
    VD_AUTO(free) char *old = beside(&k, ".yesterday");
    releases(&k, 2);
    kit_close(&k);
    copy(k.path, old);
    kit_open(&k);
    releases(&k, 4);
    kit_close(&k);
    copy(old, k.path);
    assert_rc(VD_E_STORE_CORRUPT, vd_audit_open_ops(&k.cfg, &k.ops, &k.a, &err));
    assert_non_null(strstr(err.msg, "ends at record 4, but its head file tells of 9"));
    assert_non_null(strstr(err.msg, "accept-rollback"));
    /* Looking does not accept. */
    k.cfg.accept_behind = true;
    kit_open(&k);
    assert_non_null(vd_audit_behind(k.a));
    kit_close(&k);
    kit_open(&k);
    assert_ok(vd_change_accept_rollback(k.a, "console", NULL));
    assert_null(vd_audit_behind(k.a));
    kit_close(&k);
    k.cfg.accept_behind = false;
    kit_open(&k);
    assert_int_equal(verify(&k, &r, &err), VD_E_OK);
    VD_AUTO_BUF out = vd_buf_of(65536);
    assert_ok(vd_audit_read(k.a, 4, 1, &out, NULL));
    vd_buf_u8(&out, 0);
    assert_non_null(strstr((char *)out.p, "\"event\":\"rollback-accepted\""));
    assert_non_null(strstr((char *)out.p, "tells of 9"));
}

static void what_the_head_file_says_is_compared(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int what;
        const char *says;
    } cases[] = {
        { "the head file is gone", 0, "is missing" },
        { "a byte of it is changed", 1, ".head: " },
        { "it is empty", 2, "is no line" },
        { "its signature is another's", 3, "another record" },
        { "the record has another line there", 4, "is not the checkpoint" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        vd_err err = { 0 };
        SIGNED_KIT k;
        SIGNED_KIT other;
        signed_init(&k, 0, 0);
        releases(&k, 2);
        kit_close(&k);
        VD_AUTO(free) char *head = beside(&k, ".head");
        if (cases[i].what == 0)
            assert_int_equal(unlink(head), 0);
        if (cases[i].what == 1) {
            VD_AUTO_FD int fd = open(head, O_RDWR | O_CLOEXEC);
            assert_int_equal(pwrite(fd, "X", 1, 60), 1);
        }
        if (cases[i].what == 2)
            assert_int_equal(truncate(head, 0), 0);
        signed_init(&other, 0, 0);
        releases(&other, 2);
        kit_close(&other);
        if (cases[i].what == 3) {
            VD_AUTO(free) char *theirs = beside(&other, ".head");
            copy(theirs, head);
        }
        if (cases[i].what == 4) { /* the last line is taken away and others put in its place */
            VD_AUTO_BUF whole = kit_bytes(&k);
            size_t n = whole.n - 1;
            while (n > 0 && whole.p[n - 1] != '\n')
                n--;
            kit_write(&k, vd_span_of(whole.p, n));
            VD_AUTO(free) char *away = beside(&k, ".away");
            assert_int_equal(rename(head, away), 0);
            struct vd_key *signer = k.cfg.signer;
            k.cfg.signer = NULL;
            kit_open(&k);
            releases(&k, 3);
            kit_close(&k);
            k.cfg.signer = signer;
            assert_int_equal(rename(away, head), 0);
        }
        vd_rc_ rc = vd_audit_open_ops(&k.cfg, &k.ops, &k.a, &err);
        if (rc.code != VD_E_STORE_CORRUPT || !strstr(err.msg, cases[i].says))
            fail_msg("%s: %d %s", cases[i].name, rc.code, err.msg);
    }
}

static void a_kept_head_must_be_in_the_record(void **state)
{
    (void)state;
    struct vd_audit_report r;
    vd_err err = { 0 };
    VD_AUTO_BUF head = vd_buf_of(8192);
    SIGNED_KIT k;
    signed_init(&k, 4, 0);
    releases(&k, 5);
    assert_ok(vd_audit_head(k.a, &head, NULL));
    VD_AUTO_BUF shorter = kit_bytes(&k);
    releases(&k, 20);
    const char *const file[] = { k.path };
    struct vd_audit_check c = {
        .file = file, .n = 1, .key = k.cfg.signer, .head = vd_buf_span(&head)
    };
    assert_ok(vd_audit_verify_files(&c, &r, &err));
    kit_close(&k);
    vd_span cut = vd_buf_span(&shorter);
    for (int lines = 0; lines < 4; lines++) {
        cut.n--;
        while (cut.n > 0 && cut.p[cut.n - 1] != '\n')
            cut.n--;
    }
    kit_write(&k, cut);
    assert_rc(VD_E_STORE_CORRUPT, vd_audit_verify_files(&c, &r, &err));
    assert_non_null(strstr(err.msg, "head that was kept"));
}

/* ---- rotation -------------------------------------------------------------------------------- */

static size_t older_files(const struct kit *k)
{
    uint64_t *list = NULL;
    size_t n = 0;
    assert_ok(vd_audit_older_find(k->path, &list, &n, NULL));
    free(list);
    return n;
}

static void the_chain_goes_on_over_many_files(void **state)
{
    (void)state;
    struct vd_audit_report r;
    vd_err err;
    SIGNED_KIT k;
    signed_init(&k, 7, 4096);
    for (int i = 0; i < 10; i++) {
        releases(&k, 13);
        kit_close(&k);
        kit_open(&k);
    }
    uint64_t last = vd_audit_seq(k.a);
    size_t files = older_files(&k);
    assert_true(files > 5);
    if (verify(&k, &r, &err) != VD_E_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(r.files, files + 1);
    assert_int_equal(r.first_seq, 1);
    assert_int_equal(r.last_seq, last);
    assert_int_equal(r.records, last);
    for (uint64_t after = 0; after < last; after++) {
        VD_AUTO_BUF out = vd_buf_of(1 << 20);
        assert_ok(vd_audit_read(k.a, after, 3, &out, NULL));
        char want[40];
        (void)snprintf(want, sizeof want, "{\"seq\":%llu,", (unsigned long long)(after + 1));
        assert_true(vd_span_starts(vd_buf_span(&out), vd_span_str(want)));
    }
    VD_AUTO_BUF all = vd_buf_of(1 << 20);
    assert_ok(vd_audit_read(k.a, 0, 100000, &all, NULL));
    uint64_t lines = 0;
    for (size_t i = 0; i < all.n; i++)
        lines += all.p[i] == '\n';
    assert_int_equal(lines, last);
}

static void a_file_that_is_missing_or_changed_breaks_the_chain(void **state)
{
    (void)state;
    struct vd_audit_report r;
    vd_err err;
    SIGNED_KIT k;
    signed_init(&k, 7, 4096);
    releases(&k, 60);
    kit_close(&k);
    uint64_t *list = NULL;
    size_t n = 0;
    assert_ok(vd_audit_older_find(k.path, &list, &n, NULL));
    assert_true(n >= 3);
    VD_AUTO_BUF name = vd_buf_of(4096);
    assert_ok(vd_audit_older_name(k.path, list[1], &name, NULL));
    VD_AUTO(free) char *away = beside(&k, ".away");
    assert_int_equal(rename(vd_buf_cstr(&name), away), 0);
    assert_int_equal(verify(&k, &r, &err), VD_E_STORE_CORRUPT);
    assert_non_null(strstr(err.msg, "a file is missing"));
    /* The server goes on: files may be put away. What is asked of them is not there. */
    kit_open(&k);
    VD_AUTO_BUF receipt = vd_buf_of(1 << 20);
    assert_rc(VD_E_NOT_FOUND, vd_audit_receipt(k.a, list[1] + 1, &receipt, NULL));
    assert_ok(vd_audit_receipt(k.a, list[2] + 1, &receipt, NULL));
    VD_AUTO_BUF out = vd_buf_of(1 << 20);
    assert_ok(vd_audit_read(k.a, list[1], 5, &out, NULL));
    kit_close(&k);
    assert_int_equal(rename(away, vd_buf_cstr(&name)), 0);
    assert_int_equal(verify(&k, &r, &err), VD_E_OK);
    free(list);
}

static void open_intents_and_the_last_change_are_known_in_the_next_file(void **state)
{
    (void)state;
    SIGNED_KIT k;
    signed_init(&k, 100, 4096);
    uint64_t intent = 0;
    uint64_t closed = 0;
    char done[64];
    assert_ok(vd_audit_append(k.a, "intent", VD_LIT("{}"), VD_AUDIT_DURABLE, &closed, NULL));
    (void)snprintf(done, sizeof done, "{\"intent\":%llu}", (unsigned long long)closed);
    assert_ok(vd_audit_append(k.a, "done", vd_span_str(done), VD_AUDIT_DURABLE, NULL, NULL));
    assert_ok(vd_audit_append(k.a, "intent", VD_LIT("{}"), VD_AUDIT_DURABLE, &intent, NULL));
    releases(&k, 60);
    assert_true(older_files(&k) > 1);
    kit_close(&k);
    kit_open(&k);
    assert_int_equal(k.a->n_intents, 1);
    assert_int_equal(k.a->intents[0], intent);
    assert_int_equal(k.a->last_done, closed);
}

static void a_rotation_that_was_cut_short_is_done_again(void **state)
{
    (void)state;
    struct vd_audit_report r;
    vd_err err;
    SIGNED_KIT k;
    signed_init(&k, 100, 4096);
    releases(&k, 3);
    kit_close(&k);
    VD_AUTO(free) char *first = beside(&k, ".000000000001");
    VD_AUTO(free) char *fresh = beside(&k, ".new");
    assert_int_equal(link(k.path, first), 0);
    copy(k.path, fresh);
    kit_open(&k);
    assert_int_equal(k.a->n_older, 0);
    releases(&k, 40);
    assert_true(k.a->n_older > 0);
    assert_int_equal(verify(&k, &r, &err), VD_E_OK);
    assert_int_equal(r.last_seq, vd_audit_seq(k.a));
}

/* The disk fails in one way or another during a rotation: never a gap, never two beginnings. */
static void a_disk_that_fails_in_a_rotation_costs_no_record(void **state)
{
    (void)state;
    size_t broken = 0;
    for (int fail = 0; fail < 40; fail++) {
        struct vd_audit_report r;
        vd_err err;
        SIGNED_KIT k;
        signed_init(&k, 5, 4096);
        uint64_t good = 0;
        assert_ok(vd_audit_checkpoint(k.a, NULL)); /* as init does, so that there is a head */
        k.disk.sync_in = fail;
        for (int i = 0; i < 30; i++)
            good += kit_append(&k, "release", VD_AUDIT_DURABLE) == VD_E_OK;
        broken += atomic_load(&k.a->broken);
        k.disk.sync_in = -1;
        kit_close(&k);
        if (verify(&k, &r, &err) != VD_E_OK)
            fail_msg("sync %d: %s", fail, err.msg);
        assert_true(r.records > good);
        kit_open(&k);
        releases(&k, 1);
    }
    assert_true(broken > 20);
}

static void a_full_disk_puts_a_rotation_off(void **state)
{
    (void)state;
    for (int64_t room = 0; room < 9000; room += 97) {
        struct vd_audit_report r;
        vd_err err;
        SIGNED_KIT k;
        signed_init(&k, 5, 4096);
        uint64_t good = 0;
        k.disk.room = room;
        for (int i = 0; i < 20; i++)
            good += kit_append(&k, "release", VD_AUDIT_DURABLE) == VD_E_OK;
        k.disk.room = -1;
        k.now += 2ll * 1000000000;
        releases(&k, 20);
        kit_close(&k);
        if (verify(&k, &r, &err) != VD_E_OK)
            fail_msg("room %lld: %s", (long long)room, err.msg);
        assert_true(r.records > good + 20);
        assert_int_equal(r.torn, 0);
    }
}

/* ---- receipts -------------------------------------------------------------------------------- */

static void every_record_has_a_receipt_that_verifies_alone(void **state)
{
    (void)state;
    SIGNED_KIT k;
    signed_init(&k, 6, 4096);
    releases(&k, 50);
    size_t good = 0;
    size_t checkpoints = 0;
    uint64_t last = vd_audit_seq(k.a);
    for (uint64_t seq = 1; seq <= last; seq++) {
        vd_err err = { 0 };
        struct vd_audit_receipt_facts f;
        VD_AUTO_BUF receipt = vd_buf_of(1 << 20);
        VD_AUTO_BUF line = vd_buf_of(1 << 20);
        vd_rc_ rc = vd_audit_receipt(k.a, seq, &receipt, &err);
        assert_ok(vd_audit_read(k.a, seq - 1, 1, &line, NULL));
        vd_buf_u8(&line, 0);
        if (strstr((char *)line.p, "\"event\":\"checkpoint\"")) {
            assert_rc(VD_E_NOT_FOUND, rc);
            checkpoints++;
            continue;
        }
        assert_rc(VD_E_OK, rc);
        vd_span record = vd_span_of(line.p, line.n - 2);
        assert_ok(vd_audit_receipt_check(vd_buf_span(&receipt), k.cfg.signer, record, &f, &err));
        assert_int_equal(f.seq, seq);
        assert_rc(VD_E_STORE_CORRUPT, vd_audit_receipt_check(vd_buf_span(&receipt), k.cfg.signer,
                                                             VD_LIT("{}"), &f, NULL));
        good++;
    }
    assert_int_equal(good + checkpoints, last);
    assert_rc(VD_E_NOT_FOUND, vd_audit_receipt(k.a, 0, &(vd_buf){ 0 }, NULL));
    assert_rc(VD_E_NOT_FOUND, vd_audit_receipt(k.a, vd_audit_seq(k.a) + 1, &(vd_buf){ 0 }, NULL));
    print_message("receipts: %zu verified\n", good);
}

static void a_receipt_with_any_changed_byte_fails_or_says_the_same(void **state)
{
    (void)state;
    struct vd_audit_receipt_facts f;
    VD_AUTO(vd_key_unref) struct vd_key *other = NULL;
    SIGNED_KIT k;
    signed_init(&k, 6, 0);
    releases(&k, 10);
    VD_AUTO_BUF receipt = vd_buf_of(1 << 20);
    assert_ok(vd_audit_receipt(k.a, 3, &receipt, NULL));
    size_t refused = 0;
    for (size_t i = 0; i < receipt.n; i++)
        for (int bit = 0; bit < 8; bit++) {
            receipt.p[i] ^= (uint8_t)(1 << bit);
            vd_rc_ rc =
                vd_audit_receipt_check(vd_buf_span(&receipt), k.cfg.signer, VD_SPAN_NONE, &f, NULL);
            /* Hex of either case says the same. */
            if (rc.code == VD_E_OK)
                assert_true(bit == 5 && f.seq == 3);
            refused += rc.code != VD_E_OK;
            receipt.p[i] ^= (uint8_t)(1 << bit);
        }
    for (size_t n = 0; n < receipt.n; n++)
        assert_rc(VD_E_STORE_CORRUPT, vd_audit_receipt_check(vd_span_of(receipt.p, n), k.cfg.signer,
                                                             VD_SPAN_NONE, &f, NULL));
    assert_ok(vd_key_generate(VD_KTY_ED25519, 0, &other, NULL));
    assert_rc(VD_E_STORE_CORRUPT,
              vd_audit_receipt_check(vd_buf_span(&receipt), other, VD_SPAN_NONE, &f, NULL));
    print_message("receipt: %zu changed bits refused\n", refused);
}

static void a_receipt_brings_its_checkpoint_forward(void **state)
{
    (void)state;
    VD_AUTO_BUF receipt = vd_buf_of(1 << 20);
    SIGNED_KIT k;
    signed_init(&k, 1000, 0);
    releases(&k, 3);
    assert_ok(vd_audit_receipt(k.a, 3, &receipt, NULL));
    assert_int_equal(vd_audit_seq(k.a), 5);
    vd_buf_reset(&receipt);
    assert_ok(vd_audit_receipt(k.a, 2, &receipt, NULL));
    assert_int_equal(vd_audit_seq(k.a), 5);
}

/* ---- exports --------------------------------------------------------------------------------- */

static vd_rc to_buf(void *ctx, vd_span bytes, vd_err *err)
{
    vd_buf_add(ctx, bytes);
    return vd_buf_check(ctx, err);
}

static void a_range_is_exported_as_a_file_that_verifies_by_itself(void **state)
{
    (void)state;
    SIGNED_KIT k;
    signed_init(&k, 6, 4096);
    releases(&k, 60);
    kit_close(&k);
    VD_AUTO(free) char *out = beside(&k, ".export");
    const char *const record[] = { k.path };
    const char *const exported[] = { out };
    struct vd_audit_check c = { .file = record, .n = 1, .key = k.cfg.signer };
    struct vd_audit_check e = { .file = exported, .n = 1, .key = k.cfg.signer };
    struct vd_audit_report r;
    assert_ok(vd_audit_verify_files(&c, &r, NULL));
    uint64_t signed_to = r.signed_to;
    size_t ranges = 0;
    for (uint64_t from = 1; from <= signed_to; from += 5)
        for (uint64_t to = from; to <= signed_to; to += 11, ranges++) {
            struct vd_audit_report said;
            VD_AUTO_BUF bytes = vd_buf_of(1 << 20);
            assert_ok(vd_audit_export(&c, from, to, to_buf, &bytes, &said, NULL));
            FILE *f = fopen(out, "wb");
            assert_int_equal(fwrite(bytes.p, 1, bytes.n, f), bytes.n);
            (void)fclose(f);
            assert_ok(vd_audit_verify_files(&e, &r, NULL));
            assert_true(r.part && r.first_seq <= from && r.last_seq >= to);
            assert_int_equal(r.records, said.records);
            assert_int_equal(r.checkpoints, said.checkpoints);
            assert_int_equal(r.signed_to, said.signed_to);
            /* Without its last line it is not what it says. */
            size_t n = bytes.n - 1;
            while (bytes.p[n - 1] != '\n')
                n--;
            assert_int_equal(truncate(out, (off_t)n), 0);
            assert_rc(VD_E_STORE_CORRUPT, vd_audit_verify_files(&e, &r, NULL));
        }
    VD_AUTO_BUF bytes = vd_buf_of(1 << 20);
    assert_rc(VD_E_NOT_FOUND, vd_audit_export(&c, 1, signed_to + 100, to_buf, &bytes, &r, NULL));
    assert_rc(VD_E_NOT_FOUND, vd_audit_export(&c, 5, 4, to_buf, &bytes, &r, NULL));
    print_message("exports: %zu ranges\n", ranges);
}

/* ---- all at once ----------------------------------------------------------------------------- */

struct crowd {
    struct kit *k;
    _Atomic int writing;
    _Atomic size_t receipts;
    _Atomic size_t bad;
};

static void *write_much(void *ctx)
{
    struct crowd *c = ctx;
    for (int i = 0; i < 400; i++) {
        unsigned flags = i % 5 == 0 ? VD_AUDIT_LAZY : VD_AUDIT_DURABLE;
        c->bad += kit_append(c->k, "release", flags) != VD_E_OK;
    }
    c->writing--;
    return NULL;
}

static void *read_much(void *ctx)
{
    struct crowd *c = ctx;
    uint32_t r = 1;
    while (c->writing > 0) {
        char want[40];
        VD_AUTO_BUF out = vd_buf_of(1 << 20);
        uint64_t last = vd_audit_seq(c->k->a);
        r = r * 1664525 + 1013904223;
        uint64_t after = (r >> 8) % last;
        bool good = vd_audit_read(c->k->a, after, 7, &out, NULL).code == VD_E_OK;
        (void)snprintf(want, sizeof want, "{\"seq\":%llu,", (unsigned long long)(after + 1));
        c->bad += !good || !vd_span_starts(vd_buf_span(&out), vd_span_str(want));
    }
    return NULL;
}

static void *ask_much(void *ctx)
{
    struct crowd *c = ctx;
    while (c->writing > 0) {
        struct vd_audit_receipt_facts f;
        VD_AUTO_BUF receipt = vd_buf_of(1 << 20);
        VD_AUTO_BUF head = vd_buf_of(8192);
        uint64_t seq = vd_audit_seq(c->k->a);
        vd_code code = vd_audit_receipt(c->k->a, seq, &receipt, NULL).code;
        if (code == VD_E_OK)
            c->bad += vd_audit_receipt_check(vd_buf_span(&receipt), c->k->cfg.signer, VD_SPAN_NONE,
                                             &f, NULL)
                              .code != VD_E_OK ||
                      f.seq != seq;
        c->receipts += code == VD_E_OK;
        c->bad += code != VD_E_OK && code != VD_E_NOT_FOUND; /* a checkpoint has none */
        c->bad += vd_audit_head(c->k->a, &head, NULL).code != VD_E_OK || head.n == 0;
        vd_audit_tick(c->k->a);
    }
    return NULL;
}

static void writers_readers_and_receipts_go_on_over_rotations(void **state)
{
    (void)state;
    enum { WRITERS = 4, THREADS = WRITERS + 3 };
    struct vd_audit_report r;
    vd_err err;
    pthread_t t[THREADS];
    SIGNED_KIT k;
    signed_init(&k, 25, 16384);
    struct crowd c = { .k = &k, .writing = WRITERS };
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&t[i], NULL,
                                        i < WRITERS       ? write_much
                                        : i < WRITERS + 2 ? read_much
                                                          : ask_much,
                                        &c),
                         0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(t[i], NULL), 0);
    assert_int_equal(c.bad, 0);
    kit_close(&k);
    if (verify(&k, &r, &err) != VD_E_OK)
        fail_msg("%s", err.msg);
    assert_true(r.records >= WRITERS * 400);
    assert_true(r.files > 5);
    print_message("crowd: %llu records in %zu files, %zu receipts\n", (unsigned long long)r.records,
                  r.files, (size_t)c.receipts);
}

/* ---- key ------------------------------------------------------------------------------------- */

static void the_key_opens_under_its_root_key_only(void **state)
{
    (void)state;
    static const uint8_t other[32] = { 1 };
    struct vd_key *key = NULL;
    vd_err err = { 0 };
    SIGNED_KIT k;
    signed_init(&k, 0, 0);
    assert_rc(VD_E_EXISTS, vd_audit_key_create(k.path, root, NULL));
    assert_rc(VD_E_STORE_CORRUPT, vd_audit_key_load(k.path, other, &key, &err));
    VD_AUTO(free) char *name = beside(&k, ".key");
    struct stat st;
    assert_int_equal(stat(name, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    for (off_t i = 0; i < st.st_size; i++) {
        uint8_t byte;
        VD_AUTO_FD int fd = open(name, O_RDWR | O_CLOEXEC);
        assert_int_equal(pread(fd, &byte, 1, i), 1);
        byte ^= 4;
        assert_int_equal(pwrite(fd, &byte, 1, i), 1);
        assert_rc(VD_E_STORE_CORRUPT, vd_audit_key_load(k.path, root, &key, NULL));
        byte ^= 4;
        assert_int_equal(pwrite(fd, &byte, 1, i), 1);
    }
    assert_ok(vd_audit_key_load(k.path, root, &key, NULL));
    assert_true(vd_key_same(key, k.cfg.signer));
    vd_key_unref(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            trees_of_all_sizes_give_the_root_of_the_definition_and_a_path_for_each_leaf),
        cmocka_unit_test(a_checkpoint_comes_after_so_many_records_and_shares_their_sync),
        cmocka_unit_test(a_checkpoint_comes_after_so_long_when_there_is_something_new),
        cmocka_unit_test(a_clean_stop_signs_what_is_new_and_nothing_twice),
        cmocka_unit_test(every_changed_byte_of_a_signed_record_is_noticed),
        cmocka_unit_test(a_chain_computed_anew_without_the_key_fails_at_its_checkpoint),
        cmocka_unit_test(another_key_did_not_sign),
        cmocka_unit_test(a_record_behind_its_head_is_refused_until_it_is_accepted),
        cmocka_unit_test(what_the_head_file_says_is_compared),
        cmocka_unit_test(a_kept_head_must_be_in_the_record),
        cmocka_unit_test(the_chain_goes_on_over_many_files),
        cmocka_unit_test(a_file_that_is_missing_or_changed_breaks_the_chain),
        cmocka_unit_test(open_intents_and_the_last_change_are_known_in_the_next_file),
        cmocka_unit_test(a_rotation_that_was_cut_short_is_done_again),
        cmocka_unit_test(a_disk_that_fails_in_a_rotation_costs_no_record),
        cmocka_unit_test(a_full_disk_puts_a_rotation_off),
        cmocka_unit_test(every_record_has_a_receipt_that_verifies_alone),
        cmocka_unit_test(a_receipt_with_any_changed_byte_fails_or_says_the_same),
        cmocka_unit_test(a_receipt_brings_its_checkpoint_forward),
        cmocka_unit_test(a_range_is_exported_as_a_file_that_verifies_by_itself),
        cmocka_unit_test(writers_readers_and_receipts_go_on_over_rotations),
        cmocka_unit_test(the_key_opens_under_its_root_key_only),
    };
    return cmocka_run_group_tests(tests, kit_setup, NULL);
}
