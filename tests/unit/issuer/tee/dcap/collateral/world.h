/* What the tests of DCAP collateral share: a store over the four kinds, at a clock of the test, and
 * folders of files. */
#pragma once

#include "tests/unit/issuer/tee/dcap/fixture.h"

#include <sys/stat.h>

#include "issuer/tee/dcap/collateral.h"

struct coll_store {
    struct vd_config *config;
    struct iss_collateral *c;
    _Atomic int64_t ns; /* threads of the store read it */
};

UNUSED static int64_t store_now(void *ctx)
{
    const struct coll_store *s = ctx;
    return s->ns;
}

UNUSED static void coll_store_close(struct coll_store *s)
{
    iss_collateral_close(s->c);
    vd_config_free(s->config);
    s->c = NULL;
    s->config = NULL;
}
#define AUTO_COLL_STORE __attribute__((cleanup(coll_store_close))) struct coll_store

UNUSED static void set_clock(struct coll_store *s, int64_t now)
{
    s->ns = now * 1000000000;
}

UNUSED static vd_code coll_store_open(struct coll_store *s, const char *dir, const char *const *set,
                                      vd_err *err)
{
    static const struct iss_collateral_kind *const kinds[] = { &dcap_collateral_tcb,
                                                               &dcap_collateral_identity,
                                                               &dcap_collateral_pckcrl,
                                                               &dcap_collateral_rootcrl };
    const struct vd_setting *tables[] = { dcap_collateral_settings, iss_collateral_settings,
                                          vd_settings_common };
    size_t n[] = { dcap_collateral_settings_n, iss_collateral_settings_n, vd_settings_common_n };
    struct vd_config_src src = { .program = "issuer", .set = set };
    assert_ok(vd_config_load(&src, tables, n, 3, &s->config, err));
    struct iss_collateral_cfg cfg = { .config = s->config,
                                      .kinds = kinds,
                                      .n_kinds = 4,
                                      .clock = { store_now, s },
                                      .dir = dir,
                                      .offline = dir != NULL };
    return iss_collateral_open(&cfg, &s->c, err).code;
}

UNUSED static char *text(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
UNUSED static char *text(const char *fmt, ...)
{
    char b[8192];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(b, sizeof b, fmt, ap);
    va_end(ap);
    return vd_strdup_span(vd_span_str(b));
}

UNUSED static void put_bytes(const char *dir, const char *name, vd_span bytes)
{
    VD_AUTO(free) char *path = text("%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes.p, 1, bytes.n, f), bytes.n);
    (void)fclose(f);
}

UNUSED static void copy_to(const char *dir, const char *name, const char *from)
{
    VD_AUTO_BUF b = vd_test_file(from);
    put_bytes(dir, name, vd_buf_span(&b));
}

/* The collateral of a quote out of the store, and the verdict over both. */
UNUSED static vd_code judge_with(struct coll_store *s, const char *quote_path, int64_t now,
                                 struct dcap_result *ret, vd_err *err)
{
    AUTO_KIT k = kit_new();
    VD_AUTO_BUF quote = vd_test_file(quote_path);
    struct dcap_quote q;
    VD_AUTO(dcap_trust_unref) struct dcap_trust *trust = NULL;
    DCAP_AUTO_FOUND found = { 0 };
    *err = (vd_err){ 0 };
    assert_ok(dcap_quote_parse(vd_buf_span(&quote), &q, err));
    assert_ok(dcap_chain_verify(k.cache, q.cert_data, now, &trust, err));
    struct dcap_ask ask = dcap_ask_of(q.tee, trust);
    ask.root = NULL; /* Intel's; the kit's root does not outlive it */
    vd_rc_ rc = dcap_collateral_find(s->c, &ask, "10.0.0.1", &found, err);
    if (rc.code != VD_E_OK)
        return rc.code;
    rc = dcap_verify_with(&k.cfg, &q, trust, &found.set, now, ret, NULL, err);
    return rc.code;
}
