/* The store of collateral over a kind made for the test: "OK <expiry> <text>" is of that kind,
 * anything else is not. The vendor is a service on loopback that misbehaves as each test wants. */
#include "tests/support/support.h"

#include <pthread.h>
#include <sys/stat.h>
#include <time.h>

#include "issuer/collateral/collateral.h"
#include "tests/support/simsnp/kds.h"

/* ---- the kind -----------------------------------------------------------------------------------
 */

static vd_rc thing_path(vd_span key, unsigned nth, vd_buf *ret, vd_err *err)
{
    if (nth > 1)
        return vd_fail(err, VD_E_NOT_FOUND, "no further place");
    vd_buf_str(ret, nth == 0 ? "first/" : "second/");
    vd_buf_add(ret, key);
    return vd_buf_check(ret, err);
}

static vd_rc thing_url(vd_span key, vd_buf *ret, vd_err *err)
{
    if (vd_span_starts(key, VD_LIT("nourl")))
        return vd_fail(err, VD_E_NOT_FOUND, "the vendor has none");
    vd_buf_str(ret, "/thing/");
    vd_buf_add(ret, key);
    return vd_buf_check(ret, err);
}

static vd_rc thing_verify(vd_span bytes, vd_err *err)
{
    return vd_span_starts(bytes, VD_LIT("OK "))
               ? VD_OK
               : vd_fail(err, VD_E_SYNTAX, "it does not begin with OK");
}

/* The number behind OK; 0 stands for never. */
static int64_t thing_expiry(vd_span bytes)
{
    int64_t v = 0;
    for (size_t i = 3; i < bytes.n && bytes.p[i] >= '0' && bytes.p[i] <= '9'; i++)
        v = v * 10 + (bytes.p[i] - '0');
    return v ? v : INT64_MAX;
}

static const struct iss_collateral_kind thing = { .name = "test.thing",
                                                  .offline_path = thing_path,
                                                  .url = thing_url,
                                                  .base_url_key = "test.url",
                                                  .sources_key = "test.sources",
                                                  .verify = thing_verify,
                                                  .expiry = thing_expiry };
static const struct iss_collateral_kind aging = { .name = "test.aging",
                                                  .offline_path = thing_path,
                                                  .url = thing_url,
                                                  .base_url_key = "test.url",
                                                  .verify = thing_verify,
                                                  .expiry = thing_expiry,
                                                  .max_age = 100 };
static const struct iss_collateral_kind *const kinds[] = { &thing, &aging };
static const struct vd_setting rows[] = {
    { .key = "test.url", .type = VD_SET_STR, .help = "x" },
    { .key = "test.sources", .type = VD_SET_STRS, .def = "[]", .help = "x" },
};

/* ---- opening ------------------------------------------------------------------------------------
 */

struct store {
    struct vd_config *config;
    struct iss_collateral *c;
    int64_t ns;
};

static void store_close(struct store *s)
{
    iss_collateral_close(s->c);
    vd_config_free(s->config);
}
#define AUTO_STORE __attribute__((cleanup(store_close))) struct store

static vd_code store_open(struct store *s, const char *const *set, bool offline)
{
    const struct vd_setting *tables[] = { rows, iss_collateral_settings, vd_settings_common };
    size_t n[] = { sizeof rows / sizeof rows[0], iss_collateral_settings_n, vd_settings_common_n };
    struct vd_config_src src = { .program = "issuer", .set = set };
    vd_err err = { 0 };
    vd_rc_ rc = vd_config_load(&src, tables, n, 3, &s->config, &err);
    if (rc.code != VD_E_OK)
        print_error("%s\n", err.msg);
    assert_int_equal(rc.code, VD_E_OK);
    s->ns = INT64_C(1000000) * 1000000000;
    struct iss_collateral_cfg cfg = { .config = s->config,
                                      .kinds = kinds,
                                      .n_kinds = 2,
                                      .clock = vd_clock_fixed(&s->ns),
                                      .offline = offline };
    return iss_collateral_open(&cfg, &s->c, NULL).code;
}

static void pass_seconds(struct store *s, int64_t seconds)
{
    s->ns += seconds * 1000000000;
}

static char *text(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static char *text(const char *fmt, ...)
{
    char b[8192];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(b, sizeof b, fmt, ap);
    va_end(ap);
    return vd_strdup_span(vd_span_str(b));
}

static void put_file(const char *dir, const char *name, const char *content)
{
    VD_AUTO(free) char *path = text("%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    (void)fputs(content, f);
    (void)fclose(f);
}

static char *offline_dir(void)
{
    char *dir = vd_test_dir("collateral");
    VD_AUTO(free) char *first = text("%s/first", dir);
    VD_AUTO(free) char *second = text("%s/second", dir);
    assert_int_equal(mkdir(first, 0700), 0);
    assert_int_equal(mkdir(second, 0700), 0);
    return dir;
}

static vd_code get(struct store *s, const char *key, vd_buf *ret)
{
    *ret = vd_buf_of(1u << 20);
    return iss_collateral_get(s->c, "test.thing", vd_span_str(key), "10.0.0.1", ret, NULL).code;
}

static void expect_get(struct store *s, const char *key, vd_code want, const char *content)
{
    VD_AUTO_BUF b = vd_buf_of(1);
    vd_code got = get(s, key, &b);
    if (got != want) {
        print_error("%s: got %s\n", key, got ? vd_error_row(got)->symbol : "OK");
        fail();
    }
    if (content)
        assert_span_str(vd_buf_span(&b), content);
}

/* ---- the vendor ---------------------------------------------------------------------------------
 */

struct vendor {
    const char *status;
    const char *body;
    const char *extra; /* head lines */
    size_t huge;
    unsigned delay_ms;
};

static void sleep_ms(unsigned ms)
{
    struct timespec t = { ms / 1000, (long)(ms % 1000) * 1000000 };
    (void)nanosleep(&t, NULL);
}

/* What the vendor does now; its threads read it while tests change it. */
struct mood {
    pthread_mutex_t lock;
    struct vendor vendor;
};

static void set_mood(struct mood *m, struct vendor vendor)
{
    (void)pthread_mutex_lock(&m->lock);
    m->vendor = vendor;
    (void)pthread_mutex_unlock(&m->lock);
}

static void answer(void *ctx, const char *target, vd_buf *response)
{
    struct mood *m = ctx;
    (void)target;
    (void)pthread_mutex_lock(&m->lock);
    const struct vendor now = m->vendor;
    (void)pthread_mutex_unlock(&m->lock);
    const struct vendor *v = &now;
    sleep_ms(v->delay_ms);
    if (v->extra) {
        vd_buf_printf(response, "HTTP/1.1 %s\r\n%sContent-Length: 0\r\nConnection: close\r\n\r\n",
                      v->status, v->extra);
        return;
    }
    if (v->huge) {
        vd_buf_printf(response, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nOK 0 ");
        for (size_t i = 0; i < v->huge; i++)
            vd_buf_u8(response, 'x');
        return;
    }
    if (v->status)
        sim_kds_reply(response, v->status, vd_span_str(v->body));
}

/* ---- offline ------------------------------------------------------------------------------------
 */

static void offline_files_are_found_in_their_order(void **state)
{
    (void)state;
    VD_AUTO(free) char *dir = offline_dir();
    put_file(dir, "first/a", "OK 0 first a");
    put_file(dir, "second/a", "OK 0 second a");
    put_file(dir, "second/b", "OK 0 second b");
    put_file(dir, "first/junk", "nothing of this kind");
    put_file(dir, "second/junk", "OK 0 would be fine");
    VD_AUTO(free) char *set = text("collateral.dir=\"%s\"", dir);
    VD_AUTO(free) char *folder = text("%s/first/folder", dir);
    assert_int_equal(mkdir(folder, 0700), 0);
    const char *const sets[] = { set, "collateral.sources=[\"offline\"]", NULL };
    AUTO_STORE s = { 0 };
    assert_int_equal(store_open(&s, sets, false), VD_E_OK);
    expect_get(&s, "a", VD_E_OK, "OK 0 first a");
    expect_get(&s, "b", VD_E_OK, "OK 0 second b");
    expect_get(&s, "c", VD_E_COLLATERAL, NULL);
    /* there, but not what it should be: that is not "absent", and the next place is not tried */
    expect_get(&s, "junk", VD_E_FILE, NULL);
    expect_get(&s, "folder", VD_E_FILE, NULL);
}

static void an_offline_file_that_changes_is_read_again(void **state)
{
    (void)state;
    VD_AUTO(free) char *dir = offline_dir();
    put_file(dir, "first/a", "OK 9000000 one");
    VD_AUTO(free) char *set = text("collateral.dir=\"%s\"", dir);
    const char *const sets[] = { set, "collateral.sources=[\"offline\"]", NULL };
    AUTO_STORE s = { 0 };
    assert_int_equal(store_open(&s, sets, false), VD_E_OK);
    expect_get(&s, "a", VD_E_OK, "OK 9000000 one");
    expect_get(&s, "b", VD_E_COLLATERAL, NULL);
    put_file(dir, "first/a", "OK 9000000 two");
    put_file(dir, "first/b", "OK 9000000 b");
    expect_get(&s, "a", VD_E_OK, "OK 9000000 one");
    expect_get(&s, "b", VD_E_COLLATERAL, NULL);
    pass_seconds(&s, 11);
    expect_get(&s, "a", VD_E_OK, "OK 9000000 two");
    expect_get(&s, "b", VD_E_OK, "OK 9000000 b");
    put_file(dir, "first/a", "spoilt");
    pass_seconds(&s, 11);
    expect_get(&s, "a", VD_E_FILE, NULL);
    VD_AUTO(free) char *gone = text("%s/first/b", dir);
    assert_int_equal(unlink(gone), 0);
    expect_get(&s, "b", VD_E_COLLATERAL, NULL);
}

/* ---- the vendor ---------------------------------------------------------------------------------
 */

struct world {
    struct mood mood;
    struct sim_kds *kds;
    char *dir;
    char *cache;
    char *set[7];
    struct store s;
};

static void world_close(struct world *w)
{
    store_close(&w->s);
    sim_kds_stop(w->kds);
    for (size_t i = 0; i < 7; i++)
        free(w->set[i]);
    free(w->dir);
    free(w->cache);
}
#define AUTO_WORLD __attribute__((cleanup(world_close))) struct world

static void world_open_with(struct world *w, struct vendor vendor, unsigned workers)
{
    (void)pthread_mutex_init(&w->mood.lock, NULL);
    w->mood.vendor = vendor;
    w->kds = sim_kds_start(answer, &w->mood);
    w->dir = offline_dir();
    w->cache = vd_test_dir("cache");
    w->set[0] = text("test.url=\"%s\"", sim_kds_url(w->kds));
    w->set[1] = text("collateral.dir=\"%s\"", w->dir);
    w->set[2] = text("collateral.cache=\"%s\"", w->cache);
    w->set[3] = text("limits.fetch_seconds=2");
    w->set[4] = text("collateral.fetches_per_source=5");
    w->set[5] = text("limits.workers=%u", workers);
    assert_int_equal(store_open(&w->s, (const char *const *)w->set, false), VD_E_OK);
}

static void world_open(struct world *w, struct vendor vendor)
{
    world_open_with(w, vendor, 8);
}

static void a_thing_is_fetched_once_and_outlasts_restarts(void **state)
{
    (void)state;
    AUTO_WORLD w = { 0 };
    world_open(&w, (struct vendor){ .status = "200 OK", .body = "OK 0 fetched" });
    for (size_t i = 0; i < 5; i++)
        expect_get(&w.s, "a", VD_E_OK, "OK 0 fetched");
    assert_int_equal(sim_kds_requests(w.kds), 1);
    char last[512];
    sim_kds_last(w.kds, last);
    assert_string_equal(last, "/thing/a");
    store_close(&w.s);
    w.s = (struct store){ 0 };
    set_mood(&w.mood, (struct vendor){ .status = "500 No", .body = "" });
    assert_int_equal(store_open(&w.s, (const char *const *)w.set, false), VD_E_OK);
    expect_get(&w.s, "a", VD_E_OK, "OK 0 fetched");
    assert_int_equal(sim_kds_requests(w.kds), 1);
    /* a file that is there goes first, and needs no vendor */
    put_file(w.dir, "first/b", "OK 0 by hand");
    expect_get(&w.s, "b", VD_E_OK, "OK 0 by hand");
    assert_int_equal(sim_kds_requests(w.kds), 1);
}

static void a_failing_vendor_is_not_asked_again_at_once(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct vendor vendor;
        vd_code want;
        int64_t pause;
    } cases[] = {
        { "404", { .status = "404 Not Found", .body = "" }, VD_E_COLLATERAL, 300 },
        { "429", { .status = "429 Too Many Requests", .body = "" }, VD_E_COLLATERAL, 60 },
        { "503", { .status = "503 Later", .body = "" }, VD_E_COLLATERAL, 30 },
        { "redirect",
          { .status = "302 Found", .extra = "Location: /thing/b\r\n" },
          VD_E_COLLATERAL,
          30 },
        { "not of its kind", { .status = "200 OK", .body = "<html>" }, VD_E_COLLATERAL, 30 },
        { "too large", { .huge = 2u << 20 }, VD_E_COLLATERAL, 30 },
        { "closed without an answer", { .status = NULL }, VD_E_COLLATERAL, 30 },
        { "slow", { .status = "200 OK", .body = "OK 0 late", .delay_ms = 1800 }, VD_E_TIMEOUT, 30 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        AUTO_WORLD w = { 0 };
        world_open(&w, cases[i].vendor);
        print_message("%s\n", cases[i].name);
        expect_get(&w.s, "a", cases[i].want, NULL);
        unsigned asked = sim_kds_requests(w.kds);
        assert_true(asked >= 1);
        pass_seconds(&w.s, cases[i].pause - 1);
        expect_get(&w.s, "a", cases[i].want, NULL);
        assert_int_equal(sim_kds_requests(w.kds), asked);
        pass_seconds(&w.s, 2);
        set_mood(&w.mood, (struct vendor){ .status = "200 OK", .body = "OK 0 now" });
        expect_get(&w.s, "a", VD_E_OK, "OK 0 now");
    }
}

static void a_thing_without_an_address_is_not_fetched(void **state)
{
    (void)state;
    AUTO_WORLD w = { 0 };
    world_open(&w, (struct vendor){ .status = "200 OK", .body = "OK 0 x" });
    expect_get(&w.s, "nourl", VD_E_COLLATERAL, NULL);
    assert_int_equal(sim_kds_requests(w.kds), 0);
}

struct getter {
    struct store *s;
    vd_code code;
};
static void *get_in_thread(void *arg)
{
    struct getter *g = arg;
    VD_AUTO_BUF b = vd_buf_of(1);
    g->code = get(g->s, "one", &b);
    return NULL;
}

static void many_who_want_one_thing_make_one_request(void **state)
{
    (void)state;
    AUTO_WORLD w = { 0 };
    const struct vendor slow = { .status = "200 OK", .body = "OK 0 shared", .delay_ms = 300 };
    world_open_with(&w, slow, 64);
    pthread_t t[16];
    struct getter g[16];
    for (size_t i = 0; i < 16; i++) {
        g[i] = (struct getter){ .s = &w.s };
        assert_int_equal(pthread_create(&t[i], NULL, get_in_thread, &g[i]), 0);
    }
    for (size_t i = 0; i < 16; i++) {
        (void)pthread_join(t[i], NULL);
        assert_int_equal(g[i].code, VD_E_OK);
    }
    assert_int_equal(sim_kds_requests(w.kds), 1);
}

static void workers_that_wait_leave_half_of_them_to_others(void **state)
{
    (void)state;
    AUTO_WORLD w = { 0 };
    const struct vendor slow = { .status = "200 OK", .body = "OK 0 shared", .delay_ms = 700 };
    world_open_with(&w, slow, 8);
    put_file(w.dir, "first/near", "OK 0 near");
    pthread_t t[16];
    struct getter g[16];
    for (size_t i = 0; i < 16; i++) {
        g[i] = (struct getter){ .s = &w.s };
        assert_int_equal(pthread_create(&t[i], NULL, get_in_thread, &g[i]), 0);
    }
    sleep_ms(100);
    /* what is at hand does not wait for what is not */
    expect_get(&w.s, "near", VD_E_OK, "OK 0 near");
    size_t good = 0, busy = 0;
    for (size_t i = 0; i < 16; i++) {
        (void)pthread_join(t[i], NULL);
        good += g[i].code == VD_E_OK;
        busy += g[i].code == VD_E_BUSY;
    }
    assert_int_equal(good, 4);
    assert_int_equal(busy, 12);
    assert_int_equal(sim_kds_requests(w.kds), 1);
}

static vd_code get_as(struct store *s, const char *key, const char *source)
{
    VD_AUTO_BUF b = vd_buf_of(1u << 20);
    return iss_collateral_get(s->c, "test.thing", vd_span_str(key), source, &b, NULL).code;
}

static void one_source_cannot_ask_for_everything(void **state)
{
    (void)state;
    AUTO_WORLD w = { 0 };
    world_open(&w, (struct vendor){ .status = "404 No", .body = "" });
    char key[16];
    for (int i = 0; i < 8; i++) {
        (void)snprintf(key, sizeof key, "k%d", i);
        assert_int_equal(get_as(&w.s, key, "10.0.0.1"), i < 5 ? VD_E_COLLATERAL : VD_E_RATE);
    }
    assert_int_equal(sim_kds_requests(w.kds), 5);
    assert_int_equal(get_as(&w.s, "k7", "10.0.0.2"), VD_E_COLLATERAL); /* another source may */
    assert_int_equal(sim_kds_requests(w.kds), 6);
    pass_seconds(&w.s, 61);
    assert_int_equal(get_as(&w.s, "k8", "10.0.0.1"), VD_E_COLLATERAL);
    assert_int_equal(sim_kds_requests(w.kds), 7);
}

/* ---- without waiting ----------------------------------------------------------------------------
 */

static vd_code peek(struct store *s, const char *key, struct iss_collateral_item **ret)
{
    return iss_collateral_find(s->c, "test.aging", vd_span_str(key), NULL, ISS_COLLATERAL_NO_WAIT,
                               ret, NULL)
        .code;
}

/* Until the thread has fetched. */
static struct iss_collateral_item *peek_until(struct store *s, const char *key, uint64_t not_id)
{
    for (int i = 0; i < 500; i++) {
        struct iss_collateral_item *item = NULL;
        if (peek(s, key, &item) == VD_E_OK && iss_collateral_item_id(item) != not_id)
            return item;
        iss_collateral_item_unref(item);
        sleep_ms(10);
    }
    fail();
    return NULL;
}

static void who_does_not_wait_gets_what_is_there(void **state)
{
    (void)state;
    AUTO_WORLD w = { 0 };
    world_open(&w,
               (struct vendor){ .status = "200 OK", .body = "OK 1000500 one", .delay_ms = 100 });
    struct iss_collateral_item *none = NULL;
    assert_int_equal(peek(&w.s, "a", &none), VD_E_COLLATERAL);
    VD_AUTO(iss_collateral_item_unref) struct iss_collateral_item *one = peek_until(&w.s, "a", 0);
    assert_span_str(iss_collateral_item_bytes(one), "OK 1000500 one");
    assert_int_equal(sim_kds_requests(w.kds), 1);
    /* older than its kind may grow: still given, fetched again meanwhile */
    pass_seconds(&w.s, 101);
    set_mood(&w.mood, (struct vendor){ .status = "200 OK", .body = "OK 1000900 two" });
    VD_AUTO(iss_collateral_item_unref) struct iss_collateral_item *old = NULL;
    assert_int_equal(peek(&w.s, "a", &old), VD_E_OK);
    assert_int_equal(iss_collateral_item_id(old), iss_collateral_item_id(one));
    VD_AUTO(iss_collateral_item_unref)
    struct iss_collateral_item *two = peek_until(&w.s, "a", iss_collateral_item_id(one));
    assert_span_str(iss_collateral_item_bytes(two), "OK 1000900 two");
    assert_int_equal(sim_kds_requests(w.kds), 2);
    /* the vendor is gone: the old copy stays, its driver judges it */
    pass_seconds(&w.s, 101);
    set_mood(&w.mood, (struct vendor){ .status = "500 No", .body = "" });
    VD_AUTO(iss_collateral_item_unref) struct iss_collateral_item *kept = NULL;
    assert_int_equal(peek(&w.s, "a", &kept), VD_E_OK);
    assert_int_equal(iss_collateral_item_id(kept), iss_collateral_item_id(two));
}

static void the_same_bytes_keep_their_number(void **state)
{
    (void)state;
    AUTO_WORLD w = { 0 };
    world_open(&w, (struct vendor){ .status = "200 OK", .body = "OK 9000000 same" });
    VD_AUTO(iss_collateral_item_unref) struct iss_collateral_item *one = peek_until(&w.s, "a", 0);
    pass_seconds(&w.s, 101);
    VD_AUTO(iss_collateral_item_unref) struct iss_collateral_item *again = NULL;
    assert_int_equal(peek(&w.s, "a", &again), VD_E_OK);
    for (int i = 0; i < 300 && sim_kds_requests(w.kds) < 2; i++)
        sleep_ms(10);
    sleep_ms(50);
    VD_AUTO(iss_collateral_item_unref) struct iss_collateral_item *after = NULL;
    assert_int_equal(peek(&w.s, "a", &after), VD_E_OK);
    assert_int_equal(iss_collateral_item_id(after), iss_collateral_item_id(one));
}

static void a_store_can_be_closed_while_things_are_fetched(void **state)
{
    (void)state;
    AUTO_WORLD w = { 0 };
    world_open(&w, (struct vendor){ .status = "200 OK", .body = "OK 0 x", .delay_ms = 200 });
    char key[16];
    for (int i = 0; i < 40; i++) { /* more than the queue holds */
        struct iss_collateral_item *none = NULL;
        (void)snprintf(key, sizeof key, "q%d", i);
        assert_int_equal(peek(&w.s, key, &none), VD_E_COLLATERAL);
    }
}

/* ---- limits and configuration -------------------------------------------------------------------
 */

static void thousands_of_absent_things_are_forgotten_again(void **state)
{
    (void)state;
    VD_AUTO(free) char *dir = offline_dir();
    put_file(dir, "first/a", "OK 0 a");
    VD_AUTO(free) char *set = text("collateral.dir=\"%s\"", dir);
    const char *const sets[] = { set, "test.sources=[\"offline\"]", NULL };
    AUTO_STORE s = { 0 };
    assert_int_equal(store_open(&s, sets, false), VD_E_OK);
    expect_get(&s, "a", VD_E_OK, "OK 0 a");
    VD_AUTO(free) char *path = text("%s/first/a", dir);
    assert_int_equal(unlink(path), 0);
    char key[16];
    for (int i = 0; i < 6000; i++) {
        (void)snprintf(key, sizeof key, "n%d", i);
        expect_get(&s, key, VD_E_COLLATERAL, NULL);
    }
    /* what was found is still there: strangers push out only one another's misses */
    expect_get(&s, "a", VD_E_OK, "OK 0 a");
}

static void offline_means_offline(void **state)
{
    (void)state;
    AUTO_WORLD w = { 0 };
    world_open(&w, (struct vendor){ .status = "200 OK", .body = "OK 0 x" });
    store_close(&w.s);
    w.s = (struct store){ 0 };
    assert_int_equal(store_open(&w.s, (const char *const *)w.set, true), VD_E_OK);
    expect_get(&w.s, "a", VD_E_COLLATERAL, NULL);
    put_file(w.dir, "first/b", "OK 0 b");
    expect_get(&w.s, "b", VD_E_OK, "OK 0 b");
    assert_int_equal(sim_kds_requests(w.kds), 0);
}

static void wrong_settings_stop_the_start(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "collateral.dir=\"/nonexistent/collateral\"", NULL },
        { "collateral.cache=\"/nonexistent/cache\"", NULL },
        { "collateral.sources=[\"internet\"]", NULL },
        { "test.sources=[\"offline\",\"kds\"]", NULL },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        AUTO_STORE s = { 0 };
        assert_int_equal(store_open(&s, cases[i], false), VD_E_CONFIG);
    }
}

static void an_unknown_kind_and_a_long_key_are_refused(void **state)
{
    (void)state;
    AUTO_STORE s = { 0 };
    const char *const sets[] = { NULL };
    assert_int_equal(store_open(&s, sets, true), VD_E_OK);
    VD_AUTO_BUF b = vd_buf_of(16);
    assert_rc(VD_E_INTERNAL, iss_collateral_get(s.c, "nothing", VD_LIT("a"), NULL, &b, NULL));
    char key[600];
    memset(key, 'k', sizeof key);
    assert_int_not_equal(
        iss_collateral_get(s.c, "test.thing", vd_span_of(key, sizeof key), NULL, &b, NULL).code,
        VD_E_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offline_files_are_found_in_their_order),
        cmocka_unit_test(an_offline_file_that_changes_is_read_again),
        cmocka_unit_test(a_thing_is_fetched_once_and_outlasts_restarts),
        cmocka_unit_test(a_failing_vendor_is_not_asked_again_at_once),
        cmocka_unit_test(a_thing_without_an_address_is_not_fetched),
        cmocka_unit_test(many_who_want_one_thing_make_one_request),
        cmocka_unit_test(workers_that_wait_leave_half_of_them_to_others),
        cmocka_unit_test(one_source_cannot_ask_for_everything),
        cmocka_unit_test(who_does_not_wait_gets_what_is_there),
        cmocka_unit_test(the_same_bytes_keep_their_number),
        cmocka_unit_test(a_store_can_be_closed_while_things_are_fetched),
        cmocka_unit_test(thousands_of_absent_things_are_forgotten_again),
        cmocka_unit_test(offline_means_offline),
        cmocka_unit_test(wrong_settings_stop_the_start),
        cmocka_unit_test(an_unknown_kind_and_a_long_key_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
