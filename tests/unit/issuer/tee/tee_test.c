/* The registry and the sample drivers: settings, switches, ceilings, claims of sample evidence, bad
 * input. */
#include "tests/support/support.h"

#include "issuer/collateral/collateral.h"
#include "issuer/tee/tee.h"

struct world {
    struct vd_setting settings[64];
    struct vd_config *config;
    struct iss_tees *tees;
};
static void world_done(struct world *w)
{
    iss_tees_close(w->tees);
    vd_config_free(w->config);
}
#define AUTO_WORLD __attribute__((cleanup(world_done))) struct world

static vd_code open_with(struct world *w, const char *const *set, vd_err *err)
{
    size_t n_rows = iss_tee_settings(w->settings, 64);
    assert_true(n_rows <= 64);
    const struct vd_setting *tables[] = { w->settings, vd_settings_common };
    size_t n[] = { n_rows, vd_settings_common_n };
    struct vd_config_src src = { .program = "issuer", .set = set };
    vd_rc_ rc = vd_config_load(&src, tables, n, 2, &w->config, err);
    return rc.code ? rc.code : iss_tees_open(w->config, NULL, &w->tees, err).code;
}

static const char *const sample_on[] = { "tee.sample.enabled=true", "tee.sampledevice.enabled=true",
                                         NULL };
static const char *const nothing[] = { NULL };

static void drivers_are_unique_and_complete(void **state)
{
    (void)state;
    size_t n = 0;
    for (; iss_tee_at(n); n++) {
        const struct iss_tee *t = iss_tee_at(n);
        assert_int_equal(t->abi, ISS_TEE_ABI);
        assert_non_null(t->verify);
        assert_true(t->max_evidence > 0);
        for (size_t i = 0; i < n; i++)
            assert_string_not_equal(iss_tee_at(i)->name, t->name);
        char key[128];
        (void)snprintf(key, sizeof key, "tee.%s.enabled", t->name);
        assert_string_equal(t->settings[0].key, key);
    }
    assert_true(n >= 1);
    assert_string_equal(iss_tee_at(0)->name, "snp");
    size_t kinds = 0;
    const struct iss_collateral_kind *const *k = iss_tee_collateral_kinds(&kinds);
    for (size_t i = 0; i < kinds; i++)
        assert_true(k[i]->name && (k[i]->offline_path || k[i]->family) &&
                    (k[i]->rank || (k[i]->verify && k[i]->expiry)) &&
                    (k[i]->address || (k[i]->url && k[i]->base_url_key)));
    size_t settings = iss_tee_settings(NULL, 0);
    assert_true(settings > 10);
}

static void hardware_is_on_by_default_and_samples_are_not(void **state)
{
    (void)state;
    AUTO_WORLD w = { 0 };
    assert_int_equal(open_with(&w, nothing, NULL), VD_E_OK);
    assert_true(iss_tees_enabled(w.tees, "snp"));
    assert_true(iss_tees_enabled(w.tees, "tdx"));
    assert_true(iss_tees_enabled(w.tees, "sgx"));
    assert_false(iss_tees_enabled(w.tees, "sample"));
    assert_false(iss_tees_enabled(w.tees, "sampledevice"));
    assert_false(iss_tees_enabled(w.tees, "cca"));
    assert_false(iss_tees_enabled(w.tees, ""));
    VD_AUTO(iss_claims_list_free) struct iss_claims_list *list = iss_claims_list_new();
    struct iss_evidence in = { 0 };
    assert_rc(VD_E_TEE_DISABLED, iss_tees_verify(w.tees, "sample", &in, list, NULL));
    assert_rc(VD_E_TEE_DISABLED, iss_tees_verify(w.tees, "nothing", &in, list, NULL));
    VD_AUTO_BUF b = vd_buf_of(16);
    assert_rc(VD_E_TEE_DISABLED, iss_tees_challenge(w.tees, "sample", (vd_jv){ 0 }, &b, NULL));
    assert_ok(iss_tees_challenge(w.tees, "snp", (vd_jv){ 0 }, &b, NULL));
    assert_int_equal(b.n, 0);
}

static void a_wrong_setting_stops_the_start_and_is_named(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "tee.snp.vcek_sources=[\"internet\"]", "vcek_sources" },
        { "tee.snp.extra_roots=[\"/nonexistent/root.pem\"]", "/nonexistent/root.pem" },
        { "tee.snp.allow_vmpl=4", "tee.snp.allow_vmpl" },
        { "tee.snp.crl=never", "tee.snp.crl" },
        { "tee.snp.allow_v2=maybe", "tee.snp.allow_v2" },
        { "tee.snp.allow_v3=true", "tee.snp.allow_v3" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        AUTO_WORLD w = { 0 };
        vd_err err = { 0 };
        const char *const set[] = { cases[i][0], NULL };
        assert_int_equal(open_with(&w, set, &err), VD_E_CONFIG);
        if (!strstr(err.msg, cases[i][1])) {
            print_error("%s: %s\n", cases[i][0], err.msg);
            fail();
        }
    }
}

#if VD_WITH_SAMPLE
static vd_code verify(struct world *w, const char *tee, const char *text,
                      const struct iss_expected *data, const struct iss_expected *init,
                      struct iss_claims_list *list)
{
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    assert_ok(vd_json_parse(vd_span_str(text), VD_JSON_LIMITS(1u << 20), &doc, NULL));
    struct iss_evidence in = { .json = vd_json_root(doc) };
    if (data)
        in.report_data = *data;
    if (init)
        in.init_data = *init;
    return iss_tees_verify(w->tees, tee, &in, list, NULL).code;
}

static void sample_gives_trustees_claims(void **state)
{
    (void)state;
    AUTO_WORLD w = { 0 };
    assert_int_equal(open_with(&w, sample_on, NULL), VD_E_OK);
    VD_AUTO(iss_claims_list_free) struct iss_claims_list *list = iss_claims_list_new();
    struct iss_expected data = { true, VD_LIT("hello") };
    struct iss_expected init = { true, VD_LIT("digest") };
    assert_int_equal(
        verify(&w, "sample", "{\"svn\":\"1\",\"report_data\":\"aGVsbG8=\"}", &data, &init, list),
        VD_E_OK);
    assert_int_equal(list->n, 1);
    const struct iss_claims *c = &list->item[0];
    assert_span_str(vd_buf_span(&c->claims),
                    "{\"svn\":\"1\",\"launch_digest\":\"abcde\",\"platform_version\":"
                    "{\"major\":1,\"minor\":4},\"debug\":false}");
    assert_true(c->has_report_data);
    assert_span_str(vd_buf_span(&c->report_data), "aGVsbG8=");
    assert_true(c->has_init_data);
    assert_span_str(vd_buf_span(&c->init_data), "ZGlnZXN0");
    assert_true(c->simulated);
    assert_false(c->debug);
    assert_string_equal(c->hw_id, "");
    assert_string_equal(c->cls, "cpu");
    /* a device beside it goes into the same list */
    assert_int_equal(verify(&w, "sampledevice", "{\"svn\":\"2\",\"report_data\":\"aGVsbG8=\"}",
                            &data, NULL, list),
                     VD_E_OK);
    assert_int_equal(list->n, 2);
    assert_span_str(vd_buf_span(&list->item[1].claims), "{\"svn\":\"2\"}");
    assert_string_equal(list->item[1].cls, "gpu");
    assert_string_equal(list->item[1].tee, "sampledevice");
    assert_false(list->item[1].has_init_data);
    assert_true(list->item[1].simulated);
}

static void sample_compares_report_data_exactly(void **state)
{
    (void)state;
    AUTO_WORLD w = { 0 };
    assert_int_equal(open_with(&w, sample_on, NULL), VD_E_OK);
    static const struct {
        const char *name;
        const char *text;
        struct iss_expected data;
        vd_code want;
    } rows[] = {
        { "equal",
          "{\"svn\":\"1\",\"report_data\":\"aGVsbG8=\"}",
          { true, VD_LIT("hello") },
          VD_E_OK },
        { "not expected",
          "{\"svn\":\"1\",\"report_data\":\"aGVsbG8=\"}",
          { false, { 0 } },
          VD_E_OK },
        { "another",
          "{\"svn\":\"1\",\"report_data\":\"aGVsbG8=\"}",
          { true, VD_LIT("hellO") },
          VD_E_BINDING },
        { "no padding with zeros",
          "{\"svn\":\"1\",\"report_data\":\"aGVsbG8A\"}",
          { true, VD_LIT("hello") },
          VD_E_BINDING },
        { "expected empty",
          "{\"svn\":\"1\",\"report_data\":\"aGVsbG8=\"}",
          { true, { 0 } },
          VD_E_BINDING },
        { "missing counts as empty", "{\"svn\":\"1\"}", { true, { 0 } }, VD_E_OK },
        { "missing", "{\"svn\":\"1\"}", { true, VD_LIT("hello") }, VD_E_BINDING },
        { "unpadded base64",
          "{\"svn\":\"1\",\"report_data\":\"aGVsbG8\"}",
          { true, VD_LIT("hello") },
          VD_E_BAD_EVIDENCE },
        { "no base64",
          "{\"svn\":\"1\",\"report_data\":\"%%\"}",
          { false, { 0 } },
          VD_E_BAD_EVIDENCE },
        { "report data null",
          "{\"svn\":\"1\",\"report_data\":null}",
          { false, { 0 } },
          VD_E_BAD_EVIDENCE },
        { "report data as number",
          "{\"svn\":\"1\",\"report_data\":1}",
          { false, { 0 } },
          VD_E_BAD_EVIDENCE },
        { "svn missing", "{\"report_data\":\"\"}", { false, { 0 } }, VD_E_BAD_EVIDENCE },
        { "svn as number", "{\"svn\":1}", { false, { 0 } }, VD_E_BAD_EVIDENCE },
        { "an array", "[]", { false, { 0 } }, VD_E_BAD_EVIDENCE },
        { "a string", "\"svn\"", { false, { 0 } }, VD_E_BAD_EVIDENCE },
        { "null", "null", { false, { 0 } }, VD_E_BAD_EVIDENCE },
    };
    static const char *const names[] = { "sample", "sampledevice" };
    for (size_t t = 0; t < 2; t++)
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            VD_AUTO(iss_claims_list_free) struct iss_claims_list *list = iss_claims_list_new();
            vd_code got = verify(&w, names[t], rows[i].text, &rows[i].data, NULL, list);
            if (got != rows[i].want) {
                print_error("%s, %s: got %s\n", names[t], rows[i].name,
                            got ? vd_error_row(got)->symbol : "OK");
                fail();
            }
            assert_int_equal(list->n, got == VD_E_OK ? 1 : 0);
        }
    print_message("sample table: %zu rows\n", 2 * sizeof rows / sizeof rows[0]);
}

static void sample_text_is_escaped_in_claims(void **state)
{
    (void)state;
    AUTO_WORLD w = { 0 };
    assert_int_equal(open_with(&w, sample_on, NULL), VD_E_OK);
    VD_AUTO(iss_claims_list_free) struct iss_claims_list *list = iss_claims_list_new();
    assert_int_equal(verify(&w, "sample", "{\"svn\":\"1\\\",\\\"debug\\\":true,\\\"x\\\":\\\"\"}",
                            NULL, NULL, list),
                     VD_E_OK);
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    assert_ok(
        vd_json_parse(vd_buf_span(&list->item[0].claims), VD_JSON_LIMITS(1u << 20), &doc, NULL));
    assert_int_equal(vd_jv_count(vd_json_root(doc)), 4);
    assert_true(vd_jv_is(vd_jv_get(vd_json_root(doc), "debug"), VD_JSON_FALSE));
}

static void evidence_above_the_ceiling_is_not_looked_at(void **state)
{
    (void)state;
    AUTO_WORLD w = { 0 };
    assert_int_equal(open_with(&w, sample_on, NULL), VD_E_OK);
    VD_AUTO_BUF text = vd_buf_of(1u << 20);
    vd_buf_str(&text, "{\"svn\":\"1\",\"more\":\"");
    for (size_t i = 0; i < 70000; i++)
        vd_buf_u8(&text, 'a');
    vd_buf_str(&text, "\"}");
    static const char *const names[] = { "sample", "sampledevice", "snp" };
    for (size_t t = 0; t < 3; t++) {
        VD_AUTO(iss_claims_list_free) struct iss_claims_list *list = iss_claims_list_new();
        assert_int_equal(verify(&w, names[t], vd_buf_cstr(&text), NULL, NULL, list),
                         VD_E_BAD_EVIDENCE);
        struct iss_evidence raw = { .raw = vd_buf_span(&text) };
        assert_rc(VD_E_BAD_EVIDENCE, iss_tees_verify(w.tees, names[t], &raw, list, NULL));
    }
}
#endif

static void a_list_takes_so_many_claims_and_checks(void **state)
{
    (void)state;
    VD_AUTO(iss_claims_list_free) struct iss_claims_list *list = iss_claims_list_new();
    for (size_t i = 0; i < ISS_CLAIMS_MAX; i++)
        assert_non_null(iss_claims_add(list, "snp", "cpu"));
    assert_null(iss_claims_add(list, "snp", "cpu"));
    char text[400];
    memset(text, 'x', sizeof text - 1);
    text[399] = '\0';
    text[3] = '\n';
    for (size_t i = 0; i < ISS_CHECKS_MAX + 5; i++)
        iss_check_add(list, "a check", i % 2 == 0, text, NULL);
    assert_int_equal(list->n_checks, ISS_CHECKS_MAX);
    assert_int_equal(strlen(list->check[0].observed), sizeof list->check[0].observed - 1);
    assert_int_equal(list->check[0].observed[3], '?');
    assert_string_equal(list->check[0].expected, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(drivers_are_unique_and_complete),
        cmocka_unit_test(hardware_is_on_by_default_and_samples_are_not),
        cmocka_unit_test(a_wrong_setting_stops_the_start_and_is_named),
#if VD_WITH_SAMPLE
        cmocka_unit_test(sample_gives_trustees_claims),
        cmocka_unit_test(sample_compares_report_data_exactly),
        cmocka_unit_test(sample_text_is_escaped_in_claims),
        cmocka_unit_test(evidence_above_the_ceiling_is_not_looked_at),
#endif
        cmocka_unit_test(a_list_takes_so_many_claims_and_checks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
