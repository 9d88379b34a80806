/* Every allocation of a life of store and record fails once: no crash, no leak (LeakSanitizer),
 * nothing wrong is read, and what is on the disk afterwards opens, recovers and verifies. */
#include "tests/unit/shared/audit/audit_kit.h"

#include <sqlite3.h>

#include "shared/audit/decision.h"
#include "shared/store/store.h"

static int64_t countdown = -1; /* 0: this one fails; negative: none does */
static bool lasting;           /* all later ones fail too */

static bool fails(void)
{
    if (countdown < 0)
        return false;
    if (countdown == 0) {
        countdown = lasting ? 0 : -1;
        return true;
    }
    countdown--;
    return false;
}

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__real_reallocarray(void *p, size_t n, size_t size);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_reallocarray(void *p, size_t n, size_t size);
char *__wrap_strdup(const char *s);

void *__wrap_malloc(size_t n)
{
    return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
    return fails() ? NULL : __real_realloc(p, n);
}

void *__wrap_reallocarray(void *p, size_t n, size_t size)
{
    return fails() ? NULL : __real_reallocarray(p, n, size);
}

char *__wrap_strdup(const char *s)
{
    return fails() ? NULL : __real_strdup(s);
}

static sqlite3_mem_methods sqlite_memory;

static void *sqlite_malloc(int n)
{
    return fails() ? NULL : sqlite_memory.xMalloc(n);
}

static void *sqlite_realloc(void *p, int n)
{
    return fails() ? NULL : sqlite_memory.xRealloc(p, n);
}

static const uint8_t root[32] = { 5 };

struct paths {
    char *dir;
    char store[600];
    char audit[600];
    struct vd_store_cfg store_cfg;
    struct vd_audit_cfg audit_cfg;
    int64_t now;
};

static void paths_init(struct paths *p, struct vd_key *signer)
{
    *p = (struct paths){ .dir = vd_test_dir("memory"), .now = 1780272000000000000 };
    (void)snprintf(p->store, sizeof p->store, "%s/store.db", p->dir);
    (void)snprintf(p->audit, sizeof p->audit, "%s/audit.log", p->dir);
    p->store_cfg = (struct vd_store_cfg){ .path = p->store, .program = "broker", .root = root };
    p->audit_cfg = (struct vd_audit_cfg){ .path = p->audit,
                                          .reserve = 4096,
                                          .clock = vd_clock_fixed(&p->now),
                                          .program = "broker",
                                          .signer = signer,
                                          .checkpoint_records = 3,
                                          .rotate_bytes = 3000 };
}

static bool see(void *ctx, const struct vd_object *o)
{
    (*(unsigned *)ctx)++;
    return strcmp(o->name, "p") == 0 || strcmp(o->name, "s") == 0;
}

static vd_rc_ read_all(struct vd_store *s)
{
    unsigned seen = 0;
    VD_AUTO_OBJECT o = { 0 };
    VD_AUTO_BUF_WIPED body = vd_buf_of(4096);
    VD_AUTO_SECRET secret = { 0 };
    VD_TRY(vd_store_get(s, VD_OWNER_DEFAULT, "release-policy", "p", 0, &o, NULL));
    assert_span_str(vd_buf_span(&o.body), "policy");
    VD_TRY(vd_store_get_secret_buf(s, VD_OWNER_DEFAULT, "secret", "s", &body, NULL, NULL));
    assert_span_str(vd_buf_span(&body), "secret 2");
    VD_TRY(vd_store_get_secret(s, VD_OWNER_DEFAULT, "secret", "s", &secret, NULL, NULL));
    assert_span_str(vd_secret_span(&secret), "secret 2");
    VD_TRY(vd_store_list(s, VD_OWNER_DEFAULT, "secret", "", NULL, see, &seen, NULL));
    VD_TRY(vd_store_history(s, VD_OWNER_DEFAULT, "secret", "s", see, &seen, NULL));
    assert_true(seen >= 3);
    return VD_OK;
}

static vd_rc_ change_all(struct vd_audit *a, struct vd_store *s)
{
    struct vd_put put = {
        .owner = VD_OWNER_DEFAULT, .by = "alice", .match = VD_MATCH_ANY, .now = 1
    };
    struct vd_put puts[] = { put, put };
    puts[0].kind = "secret";
    puts[0].name = "s";
    puts[0].body = VD_LIT("secret 1");
    puts[0].sealed = true;
    puts[1].kind = "release-policy";
    puts[1].name = "p";
    puts[1].body = VD_LIT("policy");
    VD_TRY(vd_change(a, s, "bulk.put", "alice", "admin", puts, 2, NULL));
    puts[0].body = VD_LIT("secret 2");
    return vd_change(a, s, "secret.put", "alice", "admin", puts, 1, NULL);
}

static vd_rc_ decide(struct vd_audit *a, int64_t *now)
{
    const struct vd_limits l = VD_LIMITS_DEFAULT;
    VD_AUTO_BUF out = vd_buf_of(4096);
    VD_AUTO(vd_decisions_free) struct vd_decisions *d = vd_decisions_new(&l);
    VD_AUTO(vd_thinner_free) struct vd_thinner *t = vd_thinner_new(a, &l, vd_clock_fixed(now));
    if (!d || !t)
        return VD_RC(VD_E_NOMEM);
    vd_decisions_add(d, "id", "default", VD_LIT("{}"));
    for (int i = 0; i < 3; i++)
        VD_TRY(vd_thinner_denial(t, "denial", VD_LIT("key"), VD_LIT("{\"a\":1}"), NULL));
    *now += 60000000000;
    VD_TRY(vd_thinner_tick(t, NULL));
    /* An explanation may be lost for want of memory; a wrong one may not come. */
    if (vd_decisions_get(d, "id", &out, NULL).code == VD_E_OK)
        assert_span_str(vd_buf_span(&out), "{}");
    return VD_OK;
}

static vd_rc_ life(struct paths *p)
{
    VD_AUTO(vd_store_close) struct vd_store *s = NULL;
    VD_AUTO(vd_audit_close) struct vd_audit *a = NULL;
    VD_AUTO_BUF out = vd_buf_of(1 << 16);
    VD_TRY(vd_store_create(&p->store_cfg, NULL));
    VD_TRY(vd_audit_create(p->audit, "broker", p->audit_cfg.signer, 1, NULL));
    VD_TRY(vd_store_open(&p->store_cfg, &s, NULL));
    VD_TRY(vd_audit_open(&p->audit_cfg, &a, NULL));
    VD_TRY(vd_change_recover(a, s, NULL));
    VD_TRY(change_all(a, s));
    VD_TRY(vd_store_meta_put(s, "k", VD_LIT("v"), NULL));
    VD_TRY(vd_store_meta_get(s, "k", &out, NULL));
    VD_TRY(vd_audit_append(a, "release", VD_LIT("{\"a\":1}"), VD_AUDIT_DURABLE, NULL, NULL));
    VD_TRY(read_all(s));
    VD_TRY(decide(a, &p->now));
    VD_TRY(vd_audit_read(a, 0, 100, &out, NULL));
    vd_buf_reset(&out);
    VD_TRY(vd_audit_receipt(a, 2, &out, NULL));
    vd_buf_reset(&out);
    return vd_audit_head(a, &out, NULL);
}

/* What the failure left is whole or was never there. */
static void check_rest(struct paths *p)
{
    VD_AUTO(vd_store_close) struct vd_store *s = NULL;
    VD_AUTO(vd_audit_close) struct vd_audit *a = NULL;
    struct vd_audit_report r;
    char head[620];
    (void)snprintf(head, sizeof head, "%s.head", p->audit);
    /* Without its first head the record was not made: init ends with one, or takes all back. */
    if (access(p->store, F_OK) != 0 || access(p->audit, F_OK) != 0 || access(head, F_OK) != 0)
        return;
    vd_err err = { 0 };
    const char *const file[] = { p->audit };
    const struct vd_audit_check all = { .file = file, .n = 1, .key = p->audit_cfg.signer };
    vd_rc_ rc = vd_audit_verify_files(&all, &r, &err);
    if (rc.code != VD_E_OK)
        print_error("%s\n", err.msg);
    assert_int_equal(rc.code, VD_E_OK);
    assert_ok(vd_store_open(&p->store_cfg, &s, NULL));
    assert_ok(vd_audit_open(&p->audit_cfg, &a, NULL));
    assert_ok(vd_change_recover(a, s, NULL));
    VD_AUTO_OBJECT o = { 0 };
    vd_code policy = vd_store_get(s, VD_OWNER_DEFAULT, "release-policy", "p", 0, &o, NULL).code;
    VD_AUTO_BUF_WIPED body = vd_buf_of(4096);
    vd_code secret =
        vd_store_get_secret_buf(s, VD_OWNER_DEFAULT, "secret", "s", &body, NULL, NULL).code;
    assert_true(policy == VD_E_OK || policy == VD_E_NOT_FOUND);
    assert_int_equal(secret, policy);
    assert_ok(change_all(a, s));
    assert_ok(read_all(s));
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    size_t failed = 0;
    size_t tried = 0;
    VD_AUTO(vd_key_unref) struct vd_key *signer = NULL;
    assert_ok(vd_key_generate(VD_KTY_ED25519, 0, &signer, NULL));
    for (int l = 0; l < 2; l++)
        for (int64_t n = 0;; n += 1 + n / 40) {
            struct paths p;
            paths_init(&p, signer);
            lasting = l;
            countdown = n;
            vd_rc_ rc = life(&p);
            bool reached = lasting ? countdown == 0 : countdown < 0;
            countdown = -1;
            assert_true(rc.code == VD_E_OK || reached);
            assert_true(rc.code == VD_E_OK || rc.code == VD_E_NOMEM || rc.code == VD_E_STORE ||
                        rc.code == VD_E_FILE || rc.code == VD_E_AUDIT ||
                        rc.code == VD_E_TOO_LARGE || rc.code == VD_E_CRYPTO ||
                        rc.code == VD_E_STORE_CORRUPT);
            failed += rc.code != VD_E_OK;
            tried += reached;
            check_rest(&p);
            free(p.dir);
            if (!reached)
                break;
        }
    print_message("memory: %zu allocations failed, %zu of them ended the call\n", tried, failed);
    assert_true(failed > 50);
}

static int setup(void **state)
{
    if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &sqlite_memory) != SQLITE_OK)
        return 1;
    sqlite3_mem_methods ours = sqlite_memory;
    ours.xMalloc = sqlite_malloc;
    ours.xRealloc = sqlite_realloc;
    return sqlite3_config(SQLITE_CONFIG_MALLOC, &ours) == SQLITE_OK ? kit_setup(state) : 1;
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_allocation_may_fail) };
    return cmocka_run_group_tests(tests, setup, NULL);
}
