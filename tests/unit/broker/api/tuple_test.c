/* One million random targets through parser, router, resource identity and the policy's data
 * document: the policy sees exactly the tuple that the store reads, and both are the bytes that
 * came. The secrets of the store say their own names, so that what is read tells who was read. */
#include "tests/support/support.h"

#include "broker/api/app.h"
#include "broker/release/decide.h"
#include "broker/vault/vault.h"
#include "shared/codec/json.h"

enum { TARGETS = 1000000, READS = 20000, ROOM = 512 };

static const char *const pool[] = { "a", "b", "A", "a.b", "a-", "_", "default", "key", "1", "1." };
enum { POOL = sizeof pool / sizeof *pool };

static struct vd_store *store;

static int setup(void **state)
{
    (void)state;
    static const uint8_t root[32] = { 9 };
    assert_ok(vd_base_init(NULL));
    VD_AUTO(free) char *dir = vd_test_dir("tuple");
    VD_AUTO_BUF path = vd_buf_of(4096);
    vd_buf_printf(&path, "%s/store.db", dir);
    const struct vd_store_cfg cfg = { vd_buf_cstr(&path), "broker", root };
    assert_ok(vd_store_create(&cfg, NULL));
    assert_ok(vd_store_open(&cfg, &store, NULL));
    for (size_t i = 0; i < POOL; i++) {
        struct vd_put put[POOL * POOL];
        char name[POOL * POOL][64];
        for (size_t k = 0; k < POOL * POOL; k++) {
            (void)snprintf(name[k], sizeof name[k], "%s/%s/%s", pool[i], pool[k / POOL],
                           pool[k % POOL]);
            put[k] = (struct vd_put){
                .owner = VD_OWNER_DEFAULT,
                .kind = BRK_KIND_SECRET,
                .name = name[k],
                .body = vd_span_str(name[k]),
                .sealed = true,
                .match = VD_MATCH_ANY,
                .by = "test",
                .now = 1,
            };
        }
        assert_ok(vd_store_put(store, put, POOL * POOL, 1, NULL));
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    vd_store_close(store);
    return 0;
}

/* ---- random targets ---------------------------------------------------------------------------
 */

static uint32_t random32(uint64_t *seed, uint32_t below)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33) % below;
}

/* Mostly what could be a resource, with one thing odd now and then. */
static void random_target(uint64_t *seed, vd_buf *out)
{
    static const char *const prefixes[] = {
        "/kbs/v0/resource/",   "/kbs/v0/resource/",  "/kbs/v0/resource/",  "/kbs/v0/resource/",
        "//kbs/v0/resource/",  "/kbs/v0/resource//", "/kbs/v0/resource",   "/kbs/v0//resource/",
        "//kbs/v0/resource//", "/kbs/v0/",           "/KBS/v0/resource/",  "///kbs/v0/resource/",
        "/kbs/v0/resource///", "/kbs/v0/resource/.", "/kbs/v0/./resource", "/kbs/v0/resource\\",
    };
    static const char *const between[] = { "/", "/", "/",   "/",   "/",     "/",   "/",   "/",
                                           "/", "/", "//",  "\\",  "%2f",   "%2F", "/./", "/../",
                                           "/", "/", "%5c", "/;/", "/%2e/", "",    "/",   "/" };
    static const char *const queries[] = { "",         "",       "",       "?",    "?a=b",
                                           "?a=1&a=2", "?k=%2f", "?/../x", "?%00", "?a&b" };
    static const char soup[] = "ab1.-_/%2e5cf\\;:+~?#&= \x7f\xc3\xa4\x01";
    vd_buf_str(out, prefixes[random32(seed, 16)]);
    uint32_t segments = random32(seed, 8);
    segments = segments < 5 ? 3 : segments - 3; /* 2, 3 and 4 beside a crowd of 3 */
    for (uint32_t i = 0; i < segments; i++) {
        if (i > 0)
            vd_buf_str(out, between[random32(seed, sizeof between / sizeof *between)]);
        if (random32(seed, 12) > 0) {
            vd_buf_str(out, pool[random32(seed, POOL)]);
            continue;
        }
        for (uint32_t k = random32(seed, 6); k > 0; k--)
            vd_buf_u8(out, (uint8_t)soup[random32(seed, sizeof soup - 1)]);
    }
    vd_buf_str(out, queries[random32(seed, 10)]);
    if (random32(seed, 20) == 0)
        out->p[random32(seed, (uint32_t)out->n)] = (uint8_t)random32(seed, 256);
}

/* ---- the property -----------------------------------------------------------------------------
 */

/* The tuple in the raw target, found without our parsers: what stands behind the prefix and before
 * the query, when the two known slashes too many are taken away. */
static vd_span tuple_in_text(vd_span target)
{
    vd_span path = vd_span_part(target, 0, vd_span_find(target, '?'));
    if (vd_span_starts(path, VD_LIT("//")))
        path = vd_span_part(path, 1, path.n);
    assert_true(vd_span_starts(path, VD_LIT("/kbs/v0/resource/")));
    path = vd_span_part(path, 17, path.n);
    return vd_span_starts(path, VD_LIT("/")) ? vd_span_part(path, 1, path.n) : path;
}

/* The three names in the data document, joined. */
static void tuple_of_policy(vd_span document, vd_buf *out)
{
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    assert_ok(vd_json_parse(document, VD_JSON_LIMITS(document.n), &doc, NULL));
    vd_jv path = vd_jv_get(vd_json_root(doc), "resource-path");
    assert_true(vd_jv_is(path, VD_JSON_ARRAY));
    assert_int_equal(vd_jv_count(path), 3);
    for (vd_jv_iter it = vd_jv_iter_of(path); vd_jv_next(&it);) {
        if (out->n > 0)
            vd_buf_u8(out, '/');
        assert_ok(vd_jv_str(it.value, out, NULL));
    }
}

static bool in_pool(const char *s)
{
    for (size_t i = 0; i < POOL; i++)
        if (vd_span_eq_str(vd_span_str(s), pool[i]))
            return true;
    return false;
}

struct counts {
    size_t routed, accepted, read, absent;
};

static void check(vd_span target, struct counts *n)
{
    static const struct vd_router guest = { .route = brk_guest_routes };
    struct vd_router router = guest;
    router.n = brk_guest_routes_n;
    uint8_t rewritten[ROOM];
    struct vd_req req = { .method = VD_GET };
    VD_AUTO_BUF allow = vd_buf_of(256);
    if (vd_target_parse(target, rewritten, &req, NULL).code != VD_E_OK ||
        vd_router_find(&router, &req, &allow, NULL).code != VD_E_OK ||
        req.route->handler != brk_resource_get)
        return;
    n->routed++;
    struct vd_resource_id id;
    VD_AUTO_BUF document = vd_buf_of(8192);
    if (vd_resource_id_of(req.param[0], req.param[1], req.param[2], &id, NULL).code != VD_E_OK ||
        brk_data_document(&id, req.query, &document, NULL).code != VD_E_OK)
        return;
    n->accepted++;
    char name[VD_RESOURCE_NAME];
    VD_AUTO_BUF seen = vd_buf_of(1024);
    vd_resource_id_name(&id, name);
    tuple_of_policy(vd_buf_span(&document), &seen);
    assert_span_str(vd_buf_span(&seen), name);
    assert_true(vd_span_eq(vd_buf_span(&seen), tuple_in_text(target)));
    if (n->read + n->absent >= READS)
        return;
    VD_AUTO_BUF body = vd_buf_of(1024);
    uint64_t version = 0;
    vd_rc_ rc = brk_vault_get(store, VD_OWNER_DEFAULT, &id, &body, &version, NULL);
    bool there = in_pool(id.repo) && in_pool(id.type) && in_pool(id.tag);
    assert_int_equal(rc.code, there ? VD_E_OK : VD_E_SECRET_UNKNOWN);
    if (there)
        assert_true(vd_span_eq(vd_buf_span(&body), vd_buf_span(&seen)));
    n->read += there;
    n->absent += !there;
}

static void the_policy_sees_exactly_the_tuple_that_the_store_reads(void **state)
{
    (void)state;
    uint64_t seed = 20;
    struct counts n = { 0 };
    VD_AUTO_BUF target = vd_buf_of(ROOM);
    for (size_t i = 0; i < TARGETS; i++) {
        vd_buf_reset(&target);
        random_target(&seed, &target);
        assert_false(target.bad);
        check(vd_buf_span(&target), &n);
    }
    print_message("random targets: %d, routed to a release %zu, taken %zu, of these read from the "
                  "store %zu, absent there %zu; 0 differences\n",
                  TARGETS, n.routed, n.accepted, n.read, n.absent);
    assert_true(n.accepted > TARGETS / 20 && n.read > 1000 && n.absent > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_policy_sees_exactly_the_tuple_that_the_store_reads),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
