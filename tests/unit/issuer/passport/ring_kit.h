/* A store, an audit file and a settable clock for the tests of keys and revocations. Included by
 * one test program each. */
#pragma once

#include "issuer/passport/keyring.h"
#include "issuer/passport/revocation.h"
#include "shared/base/file.h"

enum { NOW = 1780000000, LIFE = 300, PUBLISH = 600, MAX_AGE = 300, LEEWAY = 60 };

struct kit {
    int64_t ns;
    char *dir;
    char *key_file;
    struct vd_store *store;
    struct vd_audit *audit;
    struct vd_clock clock;
};

static const uint8_t kit_root[32] = { 3 };
static const struct iss_actor kit_admin = { "alice", "owner" };

static inline char *kit_path(const struct kit *k, const char *name)
{
    VD_AUTO_BUF b = vd_buf_of(4096);
    vd_buf_printf(&b, "%s/%s", k->dir, name);
    char *p = vd_strdup_span(vd_buf_span(&b));
    assert_non_null(p);
    return p;
}

static inline void kit_close(struct kit *k)
{
    vd_audit_close(k->audit);
    vd_store_close(k->store);
    k->audit = NULL;
    k->store = NULL;
}

static inline void kit_open(struct kit *k)
{
    VD_AUTO(free) char *store = kit_path(k, "store");
    VD_AUTO(free) char *audit = kit_path(k, "audit");
    const struct vd_store_cfg s = { store, "issuer", kit_root };
    const struct vd_audit_cfg a = { .path = audit, .clock = k->clock, .program = "issuer" };
    assert_ok(vd_store_open(&s, &k->store, NULL));
    assert_ok(vd_audit_open(&a, &k->audit, NULL));
    assert_ok(vd_change_recover(k->audit, k->store, NULL));
}

static inline struct kit *kit_new(void)
{
    struct kit *k = calloc(1, sizeof *k);
    assert_non_null(k);
    assert_ok(vd_base_init(NULL));
    k->ns = NOW * INT64_C(1000000000);
    k->clock = vd_clock_fixed(&k->ns);
    k->dir = vd_test_dir("ring");
    k->key_file = kit_path(k, "passport.key");
    VD_AUTO(free) char *store = kit_path(k, "store");
    VD_AUTO(free) char *audit = kit_path(k, "audit");
    const struct vd_store_cfg s = { store, "issuer", kit_root };
    assert_ok(vd_store_create(&s, NULL));
    assert_ok(vd_audit_create(audit, "issuer", NULL, NOW, NULL));
    kit_open(k);
    return k;
}

static inline void kit_free(struct kit *k)
{
    kit_close(k);
    free(k->key_file);
    free(k->dir);
    free(k);
}

static inline int64_t kit_now(const struct kit *k)
{
    return k->ns / 1000000000;
}

static inline void kit_pass(struct kit *k, int64_t seconds)
{
    k->ns += seconds * 1000000000;
}

static inline struct iss_keyring_cfg kit_cfg(const struct kit *k)
{
    return (struct iss_keyring_cfg){
        .store = k->store,
        .audit = k->audit,
        .clock = k->clock,
        .alg = "ES256",
        .key_file = k->key_file,
        .lifetime = LIFE,
        .publish_before = PUBLISH,
        .max_age = MAX_AGE,
        .leeway = LEEWAY,
    };
}

/* The ring of revocation statements, in the store. */
static inline struct iss_keyring_cfg kit_statements(const struct kit *k)
{
    struct iss_keyring_cfg cfg = kit_cfg(k);
    cfg.names = &iss_statement_ring;
    cfg.key_file = NULL;
    cfg.lifetime = ISS_STATEMENT_SECONDS;
    return cfg;
}

static inline int kit_setup(void **state)
{
    *state = kit_new();
    return 0;
}

static inline int kit_teardown(void **state)
{
    kit_free(*state);
    return 0;
}
