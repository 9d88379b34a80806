/* What the tests of the store share: a fresh store in a folder of its own, and short puts. */
#pragma once

#include "tests/support/support.h"

#include "shared/store/store.h"

static const uint8_t kit_root[32] = { 7, 7, 7 };

struct kit {
    char *dir;
    char *path;
    struct vd_store *s;
    struct vd_store_cfg cfg;
};

static inline char *kit_path(const char *dir, const char *name)
{
    VD_AUTO_BUF b = vd_buf_of(4096);
    vd_buf_printf(&b, "%s/%s", dir, name);
    char *p = vd_strdup_span(vd_buf_span(&b));
    assert_non_null(p);
    return p;
}

static inline void kit_open(struct kit *k)
{
    vd_err err = { 0 };
    vd_rc_ rc = vd_store_open(&k->cfg, &k->s, &err);
    if (rc.code != VD_E_OK)
        print_error("open: %s\n", err.msg);
    assert_int_equal(rc.code, VD_E_OK);
}

static inline struct kit kit_new(void)
{
    struct kit k = { .dir = vd_test_dir("store") };
    k.path = kit_path(k.dir, "store.db");
    k.cfg = (struct vd_store_cfg){ .path = k.path, .program = "broker", .root = kit_root };
    assert_ok(vd_store_create(&k.cfg, NULL));
    kit_open(&k);
    return k;
}

static inline void kit_close(struct kit *k)
{
    vd_store_close(k->s);
    k->s = NULL;
}

static inline void kit_done(struct kit *k)
{
    kit_close(k);
    free(k->path);
    free(k->dir);
}
#define KIT __attribute__((cleanup(kit_done))) struct kit

static inline struct vd_put kit_put_of(const char *kind, const char *name, const char *body)
{
    return (struct vd_put){ .owner = VD_OWNER_DEFAULT,
                            .kind = kind,
                            .name = name,
                            .body = vd_span_str(body),
                            .sealed = strcmp(kind, "secret") == 0,
                            .match = VD_MATCH_ANY,
                            .by = "tester",
                            .now = 1780272000 };
}

static inline void kit_put(struct kit *k, const char *kind, const char *name, const char *body)
{
    struct vd_put p = kit_put_of(kind, name, body);
    assert_ok(vd_store_put(k->s, &p, 1, 0, NULL));
}

static inline void kit_remove(struct kit *k, const char *kind, const char *name)
{
    struct vd_put p = kit_put_of(kind, name, NULL);
    p.remove = true;
    assert_ok(vd_store_put(k->s, &p, 1, 0, NULL));
}

static inline void kit_expect(struct kit *k, const char *kind, const char *name, const char *body)
{
    if (strcmp(kind, "secret") == 0) {
        VD_AUTO_BUF_WIPED out = vd_buf_of(1 << 20);
        assert_ok(vd_store_get_secret_buf(k->s, VD_OWNER_DEFAULT, kind, name, &out, NULL, NULL));
        assert_span_str(vd_buf_span(&out), body);
        return;
    }
    VD_AUTO_OBJECT o = { 0 };
    assert_ok(vd_store_get(k->s, VD_OWNER_DEFAULT, kind, name, 0, &o, NULL));
    assert_span_str(vd_buf_span(&o.body), body);
}

static inline int kit_setup(void **state)
{
    (void)state;
    return vd_base_init(NULL).code == VD_E_OK ? 0 : 1;
}
