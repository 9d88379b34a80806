/* Configuration: precedence, types, limits, and the exact message of everything that can be wrong.
 */
#include "tests/support/support.h"

#include <stdio.h>
#include <string.h>

#include "shared/program/config.h"

static const struct vd_setting own[] = {
    { .key = "passport.issuer",
      .type = VD_SET_STR,
      .def = "https://issuer.example",
      .help = "Name in iss." },
    { .key = "passport.lifetime",
      .type = VD_SET_U64,
      .def = "300",
      .min = 1,
      .max = 900,
      .help = "Seconds." },
    { .key = "passport.event_logs", .type = VD_SET_BOOL, .def = "false", .help = "Whole logs." },
    { .key = "tee.snp.enabled", .type = VD_SET_BOOL, .def = "true", .help = "Take SNP evidence." },
    { .key = "tee.snp.allow_v2", .type = VD_SET_BOOL, .def = "false", .help = "Take version 2." },
    { .key = "tee.snp.crl",
      .type = VD_SET_ENUM,
      .def = "if-available",
      .choices = "if-available require",
      .help = "CRL." },
    { .key = "tee.snp.extra_roots", .type = VD_SET_STRS, .def = "[]", .help = "Further roots." },
    { .key = "accept.audience",
      .type = VD_SET_STRS,
      .def = "[\"a\", \"b\"]",
      .help = "Own names." },
    { .key = "trusted_issuer[].name", .type = VD_SET_STR, .required = true, .help = "Name." },
    { .key = "trusted_issuer[].algs",
      .type = VD_SET_STRS,
      .required = true,
      .help = "Algorithms." },
    { .key = "trusted_issuer[].jwks_file", .type = VD_SET_PATH, .help = "Keys." },
    { .key = "trusted_issuer[].max_lifetime",
      .type = VD_SET_U64,
      .def = "900",
      .min = 1,
      .max = 900,
      .help = "Cap." },
    { .key = "trusted_issuer[].accept_simulated",
      .type = VD_SET_BOOL,
      .def = "false",
      .help = "Simulated." },
    { .key = "guest.listen",
      .type = VD_SET_STR,
      .def = "127.0.0.1:7000",
      .help = "Another default." },
};

struct fixture {
    char *dir;
    char file[512];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->dir = vd_test_dir("config");
    (void)snprintf(f->file, sizeof f->file, "%s/issuer.toml", f->dir);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    free(f->dir);
    free(f);
    return 0;
}

static void write_file(const char *path, const char *text)
{
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(text, 1, strlen(text), out), strlen(text));
    assert_int_equal(fclose(out), 0);
}

static vd_rc_ load(struct fixture *f, const char *text, const char *const *set,
                   struct vd_config **ret, vd_err *err)
{
    const struct vd_setting *tables[] = { own, vd_settings_common };
    const size_t n[] = { sizeof own / sizeof own[0], vd_settings_common_n };
    if (text)
        write_file(f->file, text);
    const struct vd_config_src src = {
        .program = "issuer", .file = text ? f->file : NULL, .set = set, .environment = true
    };
    return vd_config_load(&src, tables, n, 2, ret, err);
}

static struct vd_config *good(struct fixture *f, const char *text, const char *const *set)
{
    struct vd_config *c = NULL;
    vd_err err = { 0 };
    if (load(f, text, set, &c, &err).code != VD_E_OK) {
        print_error("%s\n", err.msg);
        fail();
    }
    return c;
}

static void an_empty_file_means_the_defaults(void **state)
{
    VD_AUTO(vd_config_free) struct vd_config *c = good(*state, "", NULL);
    size_t n = 0;
    assert_string_equal(vd_config_str(c, "passport.issuer"), "https://issuer.example");
    assert_int_equal(vd_config_u64(c, "passport.lifetime"), 300);
    assert_true(vd_config_bool(c, "tee.snp.enabled"));
    assert_string_equal(vd_config_str(c, "tee.snp.crl"), "if-available");
    assert_string_equal(vd_config_strs(c, "accept.audience", &n)[1], "b");
    assert_int_equal(n, 2);
    assert_null(vd_config_strs(c, "tee.snp.extra_roots", &n)[0]);
    assert_int_equal(n, 0);
    assert_int_equal(vd_config_tables(c, "trusted_issuer"), 0);
    assert_int_equal(vd_config_tables(c, "admin.identity"), 0);
    assert_string_equal(vd_config_str(c, "store.path"), "/var/lib/vidimus/issuer/store.db");
    assert_null(vd_config_str(c, "guest.tls_cert"));
    assert_false(vd_config_is_set(c, "guest.listen"));
}

static void the_first_row_of_a_key_counts(void **state)
{
    VD_AUTO(vd_config_free) struct vd_config *c = good(*state, "", NULL);
    assert_string_equal(vd_config_str(c, "guest.listen"), "127.0.0.1:7000");
}

static void a_whole_file_is_read(void **state)
{
    struct fixture *f = *state;
    VD_AUTO(vd_config_free)
    struct vd_config *c = good(f,
                               "[passport]\nlifetime = 60\n"
                               "[tee.snp]\nallow_v2 = true\nextra_roots = [\"x\", \"y\", \"z\"]\n"
                               "[guest]\ntls_cert = \"tls/cert.pem\"\ntls_key = \"/k.pem\"\n"
                               "[[trusted_issuer]]\nname = \"one\"\nalgs = [\"ES256\"]\n"
                               "jwks_file = \"one.json\"\n"
                               "[[trusted_issuer]]\nname = \"two\"\nalgs = []\n"
                               "max_lifetime = 5\naccept_simulated = true\n",
                               NULL);
    char want[600];
    size_t n = 0;
    assert_int_equal(vd_config_u64(c, "passport.lifetime"), 60);
    assert_true(vd_config_bool(c, "tee.snp.allow_v2"));
    assert_string_equal(vd_config_strs(c, "tee.snp.extra_roots", &n)[2], "z");
    assert_int_equal(n, 3);
    (void)snprintf(want, sizeof want, "%s/tls/cert.pem", f->dir);
    assert_string_equal(vd_config_str(c, "guest.tls_cert"), want);
    assert_string_equal(vd_config_str(c, "guest.tls_key"), "/k.pem");
    assert_int_equal(vd_config_tables(c, "trusted_issuer"), 2);
    assert_string_equal(vd_config_tstr(c, "trusted_issuer", 0, "name"), "one");
    (void)snprintf(want, sizeof want, "%s/one.json", f->dir);
    assert_string_equal(vd_config_tstr(c, "trusted_issuer", 0, "jwks_file"), want);
    assert_int_equal(vd_config_tu64(c, "trusted_issuer", 0, "max_lifetime"), 900);
    assert_false(vd_config_tbool(c, "trusted_issuer", 0, "accept_simulated"));
    assert_null(vd_config_tstr(c, "trusted_issuer", 1, "jwks_file"));
    assert_int_equal(vd_config_tu64(c, "trusted_issuer", 1, "max_lifetime"), 5);
    assert_true(vd_config_tbool(c, "trusted_issuer", 1, "accept_simulated"));
    assert_string_equal(vd_config_tstrs(c, "trusted_issuer", 0, "algs", &n)[0], "ES256");
    VD_AUTO_BUF where = vd_buf_of(512);
    vd_config_where(c, "passport.lifetime", &where);
    assert_non_null(strstr(vd_buf_cstr(&where), "issuer.toml:2 passport.lifetime"));
}

static void set_beats_environment_beats_file_beats_default(void **state)
{
    static const char file[] = "[passport]\nlifetime = 10\n";
    const char *const set[] = { "passport.lifetime=30", NULL };
    VD_AUTO(vd_config_free) struct vd_config *only_file = good(*state, file, NULL);
    assert_int_equal(vd_config_u64(only_file, "passport.lifetime"), 10);
    assert_int_equal(setenv("VIDIMUS_PASSPORT__LIFETIME", "20", 1), 0);
    VD_AUTO(vd_config_free) struct vd_config *env = good(*state, file, NULL);
    VD_AUTO(vd_config_free) struct vd_config *all = good(*state, file, set);
    assert_int_equal(unsetenv("VIDIMUS_PASSPORT__LIFETIME"), 0);
    assert_int_equal(vd_config_u64(env, "passport.lifetime"), 20);
    assert_int_equal(vd_config_u64(all, "passport.lifetime"), 30);
    VD_AUTO_BUF where = vd_buf_of(512);
    vd_config_where(all, "passport.lifetime", &where);
    assert_string_equal(vd_buf_cstr(&where), "--set passport.lifetime");
}

static void set_takes_toml_values_and_plain_text(void **state)
{
    const char *const set[] = { "tee.snp.allow_v2=true",
                                "accept.audience=[\"x\"]",
                                "guest.listen=[::1]:0",
                                "passport.issuer=\"quoted\"",
                                "store.path=relative.db",
                                "audit.path=/a=b",
                                "trusted_issuer=[{name=\"n\",algs=[\"EdDSA\"]}]",
                                NULL };
    const char *const number[] = { "passport.issuer=123", NULL };
    VD_AUTO(vd_config_free) struct vd_config *c = good(*state, "", set);
    VD_AUTO(vd_config_free) struct vd_config *d = good(*state, "", number);
    assert_true(vd_config_bool(c, "tee.snp.allow_v2"));
    assert_string_equal(vd_config_strs(c, "accept.audience", NULL)[0], "x");
    assert_string_equal(vd_config_str(c, "guest.listen"), "[::1]:0");
    assert_string_equal(vd_config_str(c, "passport.issuer"), "quoted");
    assert_string_equal(vd_config_str(c, "store.path"), "relative.db");
    assert_string_equal(vd_config_str(c, "audit.path"), "/a=b");
    assert_string_equal(vd_config_tstr(c, "trusted_issuer", 0, "name"), "n");
    assert_string_equal(vd_config_str(d, "passport.issuer"), "123");
}

static void every_limit_can_be_lowered_and_raised_to_its_hard_value(void **state)
{
    static const struct {
        const char *name;
        uint64_t def, hard;
        size_t at;
    } rows[] = {
#define ROW(field, def, hard, reason) { #field, def, hard, offsetof(struct vd_limits, field) },
        VD_LIMITS(ROW)
#undef ROW
    };
    size_t n = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (int mode = 0; mode < 3; mode++) {
            char text[128];
            uint64_t want = mode == 0 ? 1 : mode == 1 ? rows[i].hard : rows[i].hard + 1;
            (void)snprintf(text, sizeof text, "limits.%s=%llu", rows[i].name,
                           (unsigned long long)want);
            const char *const set[] = { text, NULL };
            VD_AUTO(vd_config_free) struct vd_config *c = NULL;
            vd_err err = { 0 };
            assert_int_equal(load(*state, NULL, set, &c, &err).code,
                             mode == 2 ? VD_E_CONFIG : VD_E_OK);
            n++;
            if (mode == 2)
                continue;
            uint64_t got = 0;
            memcpy(&got, (const uint8_t *)vd_config_limits(c) + rows[i].at, sizeof got);
            assert_int_equal(got, want);
        }
    }
    print_message("limits: %zu cases\n", n);
}

/* The message behind the file's folder; the folder itself differs from run to run. */
static const struct {
    const char *name;
    const char *toml;
    const char *want;
} bad[] = {
    { "unknown key, one letter missing", "[guest]\nlisten = \"a\"\n\nlistn = \"b\"\n",
      "issuer.toml:4: guest.listn: unknown key; did you mean guest.listen?" },
    { "unknown key in a deep table", "[tee.snp]\nallow_v3 = true\n",
      "issuer.toml:2: tee.snp.allow_v3: unknown key; did you mean tee.snp.allow_v2?" },
    { "swapped letters", "[store]\nptah = \"x\"\n",
      "issuer.toml:2: store.ptah: unknown key; did you mean store.path?" },
    { "right key in the wrong table", "[guest]\nlifetime = 3\n",
      "issuer.toml:2: guest.lifetime: unknown key; did you mean passport.lifetime?" },
    { "key at the top", "listen = \"127.0.0.1:1\"\n",
      "issuer.toml:1: listen: unknown key; did you mean guest.listen?" },
    { "nothing like it", "[guest]\nzzzzzzzz = 1\n",
      "issuer.toml:2: guest.zzzzzzzz: unknown key; all keys: vidimus-issuer config-default" },
    { "unknown table", "[gest]\nlisten = \"x\"\n",
      "issuer.toml:1: gest: unknown table; did you mean [guest]?" },
    { "unknown deep table", "[tee.tdx]\nenabled = true\n",
      "issuer.toml:1: tee.tdx: unknown table; all keys: vidimus-issuer config-default" },
    { "unknown array of tables", "[[trusted_issuers]]\nname = \"x\"\n",
      "issuer.toml:1: trusted_issuers: unknown table; did you mean [trusted_issuer]?" },
    { "letter case counts", "[Guest]\nlisten = \"x\"\n",
      "issuer.toml:1: Guest: unknown table; did you mean [guest]?" },
    { "quoted name with a dot", "\"guest.listen\" = \"x\"\n",
      "issuer.toml: (top): unknown key \"guest.listen\"; all keys: vidimus-issuer config-default" },
    { "empty name", "[guest]\n\"\" = 1\n",
      "issuer.toml: guest: unknown key \"\"; all keys: vidimus-issuer config-default" },
    { "string wanted, integer found", "[guest]\nlisten = 8080\n",
      "issuer.toml:2: guest.listen: expected a string, found an integer; write listen = "
      "\"127.0.0.1:7000\"" },
    { "string wanted, boolean found", "[passport]\nissuer = true\n",
      "issuer.toml:2: passport.issuer: expected a string, found a boolean; write issuer = "
      "\"https://issuer.example\"" },
    { "integer wanted, string found", "[passport]\nlifetime = \"300\"\n",
      "issuer.toml:2: passport.lifetime: expected an integer, found a string; write lifetime = "
      "300" },
    { "integer wanted, fraction found", "[passport]\nlifetime = 3.5\n",
      "issuer.toml:2: passport.lifetime: expected an integer, found a number with a fraction; "
      "write lifetime = 300" },
    { "boolean wanted, string found", "[tee.snp]\nenabled = \"yes\"\n",
      "issuer.toml:2: tee.snp.enabled: expected true or false, found a string; write enabled = "
      "true" },
    { "boolean wanted, integer found", "[tee.snp]\nenabled = 1\n",
      "issuer.toml:2: tee.snp.enabled: expected true or false, found an integer; write enabled = "
      "true" },
    { "array wanted, string found", "[accept]\naudience = \"a\"\n",
      "issuer.toml:2: accept.audience: expected an array of strings, found a string; write "
      "audience = [\"a\", \"b\"]" },
    { "array with an integer", "[accept]\naudience = [\"a\", 1]\n",
      "issuer.toml:2: accept.audience: expected an array of strings, found an integer; write "
      "audience = [\"a\", \"b\"]" },
    { "path wanted, integer found", "[guest]\ntls_cert = 1\n",
      "issuer.toml:2: guest.tls_cert: expected a string with a path, found an integer; write "
      "tls_cert = \"/...\"" },
    { "key wanted, table found", "[guest.listen]\nport = 1\n",
      "issuer.toml:1: guest.listen: expected a string, found a table; write listen = "
      "\"127.0.0.1:7000\"" },
    { "key wanted, array found", "[store]\npath = [\"x\"]\n",
      "issuer.toml:2: store.path: expected a string with a path, found an array; write path = "
      "\"/var/lib/vidimus/issuer/store.db\"" },
    { "table wanted, value found", "guest = 1\n",
      "issuer.toml:1: guest: expected a table; write [guest]" },
    { "table wanted, array of tables found", "[[guest]]\nlisten = \"x\"\n",
      "issuer.toml:1: guest: expected a table; write [guest]" },
    { "array of tables wanted, table found", "[trusted_issuer]\nname = \"x\"\n",
      "issuer.toml:1: trusted_issuer: expected an array of tables; write [[trusted_issuer]]" },
    { "array of tables wanted, strings found", "trusted_issuer = [\"x\"]\n",
      "issuer.toml:1: trusted_issuer: expected an array of tables; write [[trusted_issuer]]" },
    { "above the range", "[passport]\nlifetime = 901\n",
      "issuer.toml:2: passport.lifetime: 901 is out of range; allowed are 1 to 900" },
    { "below the range", "[passport]\nlifetime = 0\n",
      "issuer.toml:2: passport.lifetime: 0 is out of range; allowed are 1 to 900" },
    { "negative", "[passport]\nlifetime = -5\n",
      "issuer.toml:2: passport.lifetime: -5 is out of range; allowed are 1 to 900" },
    { "largest TOML integer", "[passport]\nlifetime = 9223372036854775807\n",
      "issuer.toml:2: passport.lifetime: 9223372036854775807 is out of range; allowed are 1 to "
      "900" },
    { "limit above its hard value", "[limits]\nworkers = 257\n",
      "issuer.toml:2: limits.workers: 257 is out of range; allowed are 1 to 256" },
    { "unknown limit", "[limits]\nworker = 2\n",
      "issuer.toml:2: limits.worker: unknown key; did you mean limits.workers?" },
    { "bad choice", "[admin]\nmode = \"open\"\n",
      "issuer.toml:2: admin.mode: \"open\" is not allowed; choose one of: authenticated, deny" },
    { "empty choice", "[tee.snp]\ncrl = \"\"\n",
      "issuer.toml:2: tee.snp.crl: \"\" is not allowed; choose one of: if-available, require" },
    { "two choices", "[tee.snp]\ncrl = \"if-available require\"\n",
      "issuer.toml:2: tee.snp.crl: \"if-available require\" is not allowed; choose one of: "
      "if-available, require" },
    { "control characters are escaped", "[admin]\nmode = \"a\\u001b[31m\"\n",
      "issuer.toml:2: admin.mode: \"a\\u001b[31m\" is not allowed; choose one of: authenticated, "
      "deny" },
    { "empty path", "[store]\npath = \"\"\n",
      "issuer.toml:2: store.path: the path is empty; name a file, or leave the key out" },
    { "required key of a table",
      "\n[[trusted_issuer]]\nname = \"x\"\nalgs = []\n[[trusted_issuer]]\nname = \"y\"\n",
      "issuer.toml:5: trusted_issuer[2].algs: required; add algs = [\"...\"] below "
      "[[trusted_issuer]]" },
    { "required key of an identity", "[[admin.identity]]\nroles = [\"x\"]\n",
      "issuer.toml:1: admin.identity[1].name: required; add name = \"...\" below "
      "[[admin.identity]]" },
    { "unknown key of a table", "[[trusted_issuer]]\nname = \"x\"\nalgs = []\nmaxlifetime = 1\n",
      "issuer.toml:4: trusted_issuer.maxlifetime: unknown key; did you mean "
      "trusted_issuer.max_lifetime?" },
    { "unknown key of the second table",
      "[[trusted_issuer]]\nname = \"x\"\nalgs = []\n[[trusted_issuer]]\nname = \"x\"\nalgs = "
      "[]\njwk_file = \"\"\n",
      "issuer.toml:7: trusted_issuer.jwk_file: unknown key; did you mean "
      "trusted_issuer.jwks_file?" },
    { "wrong type in a table", "[[trusted_issuer]]\nname = \"x\"\nalgs = \"ES256\"\n",
      "issuer.toml:3: trusted_issuer.algs: expected an array of strings, found a string; write "
      "algs = [\"...\"]" },
    { "out of range in a table",
      "[[trusted_issuer]]\nname = \"x\"\nalgs = []\nmax_lifetime = 901\n",
      "issuer.toml:4: trusted_issuer.max_lifetime: 901 is out of range; allowed are 1 to 900" },
    { "date instead of integer", "[passport]\nlifetime = 2026-01-01\n",
      "issuer.toml:2: passport.lifetime: expected an integer, found a string; write lifetime = "
      "300" },
};

static void what_is_wrong_in_a_file_is_said_in_one_line(void **state)
{
    struct fixture *f = *state;
    size_t failed = 0;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        VD_AUTO(vd_config_free) struct vd_config *c = NULL;
        vd_err err = { 0 };
        assert_rc(VD_E_CONFIG, load(f, bad[i].toml, NULL, &c, &err));
        assert_null(c);
        const char *end = strstr(err.msg, "issuer.toml");
        if (!end || strcmp(end, bad[i].want) != 0) {
            print_error("%s:\n got  %s\n want %s\n", bad[i].name, err.msg, bad[i].want);
            failed++;
        }
        assert_null(strchr(err.msg, '\n'));
    }
    print_message("bad files: %zu cases\n", sizeof bad / sizeof bad[0]);
    assert_int_equal(failed, 0);
}

static void broken_toml_is_refused_with_its_line(void **state)
{
    static const struct {
        const char *name, *toml, *where;
    } rows[] = {
        { "no value", "[guest]\nlisten =\n", "issuer.toml:2: not valid TOML: " },
        { "open string", "[guest]\nlisten = \"x\n", "issuer.toml:2: not valid TOML: " },
        { "key twice", "[guest]\nlisten = \"x\"\nlisten = \"y\"\n",
          "issuer.toml:3: not valid TOML: " },
        { "table twice", "[guest]\nlisten = \"x\"\n[store]\n[guest]\n",
          "issuer.toml:4: not valid TOML: " },
        { "JSON", "{\"guest\": 1}\n", "issuer.toml:1: not valid TOML: " },
        { "not UTF-8", "[guest]\nlisten = \"\xff\"\n", "not valid TOML" },
        { "infinity", "[passport]\nlifetime = inf\n", "not valid TOML" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        VD_AUTO(vd_config_free) struct vd_config *c = NULL;
        vd_err err = { 0 };
        assert_rc(VD_E_CONFIG, load(*state, rows[i].toml, NULL, &c, &err));
        if (!strstr(err.msg, rows[i].where) || strchr(err.msg, '\n')) {
            print_error("%s: %s\n", rows[i].name, err.msg);
            fail();
        }
    }
}

static void what_is_wrong_outside_the_file_names_its_origin(void **state)
{
    static const struct {
        const char *env, *value, *set, *want;
    } rows[] = {
        { NULL, NULL, "guest.listn=x",
          "--set guest.listn: unknown key; did you mean guest.listen?" },
        { NULL, NULL, "passport.lifetime=abc",
          "--set passport.lifetime: expected an integer, found a string; write lifetime = 300" },
        { NULL, NULL, "passport.lifetime=0",
          "--set passport.lifetime: 0 is out of range; allowed are 1 to 900" },
        { NULL, NULL, "passport.lifetime", "--set passport.lifetime: write table.key=value" },
        { NULL, NULL, "=3", "--set =3: write table.key=value" },
        { NULL, NULL, "guest=1",
          "--set guest: unknown key; all keys: vidimus-issuer config-default" },
        { NULL, NULL, "accept.audience=a",
          "--set accept.audience: expected an array of strings, found a string; write audience = "
          "[\"a\", \"b\"]" },
        { NULL, NULL, "passport.lifetime=5\nx = 1",
          "--set passport.lifetime: expected an integer, found a string; write lifetime = 300" },
        { NULL, NULL, "trusted_issuer=x",
          "--set trusted_issuer: expected an array of tables, such as [{ name = \"...\" }]" },
        { NULL, NULL, "trusted_issuer=[{name=\"x\"}]",
          "--set trusted_issuer[1].algs: required; add algs = [\"...\"] below [[trusted_issuer]]" },
        { NULL, NULL, "trusted_issuer[].name=x",
          "--set trusted_issuer[].name: unknown key; did you mean trusted_issuer.name?" },
        { "VIDIMUS_GUEST__LISTN", "x", NULL,
          "VIDIMUS_GUEST__LISTN: guest.listn: unknown key; did you mean guest.listen?" },
        { "VIDIMUS_TEE__SNP__ALLOW_V2", "maybe", NULL,
          "VIDIMUS_TEE__SNP__ALLOW_V2: tee.snp.allow_v2: expected true or false, found a string; "
          "write allow_v2 = "
          "false" },
        { "VIDIMUS_ADMIN__MODE", "open", NULL,
          "VIDIMUS_ADMIN__MODE: admin.mode: \"open\" is not allowed; choose one of: authenticated, "
          "deny" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *const set[] = { rows[i].set, NULL };
        VD_AUTO(vd_config_free) struct vd_config *c = NULL;
        vd_err err = { 0 };
        if (rows[i].env)
            assert_int_equal(setenv(rows[i].env, rows[i].value, 1), 0);
        vd_rc_ rc = load(*state, "", set, &c, &err);
        if (rows[i].env)
            assert_int_equal(unsetenv(rows[i].env), 0);
        assert_rc(VD_E_CONFIG, rc);
        assert_string_equal(err.msg, rows[i].want);
    }
    print_message("bad values outside the file: %zu cases\n", sizeof rows / sizeof rows[0]);
}

static void variables_of_other_forms_are_left_alone(void **state)
{
    assert_int_equal(setenv("VIDIMUS_ISSUER_URL", "http://x", 1), 0);
    assert_int_equal(setenv("VIDIMUSX__Y", "1", 1), 0);
    VD_AUTO(vd_config_free) struct vd_config *c = good(*state, "", NULL);
    assert_int_equal(unsetenv("VIDIMUS_ISSUER_URL"), 0);
    assert_int_equal(unsetenv("VIDIMUSX__Y"), 0);
    assert_false(vd_config_is_set(c, "guest.listen"));
}

static void a_missing_file_is_named_with_the_cure(void **state)
{
    const struct vd_setting *tables[] = { vd_settings_common };
    const size_t n[] = { vd_settings_common_n };
    struct fixture *f = *state;
    struct vd_config_src src = { .program = "broker", .file = "/nonexistent/broker.toml" };
    VD_AUTO(vd_config_free) struct vd_config *c = NULL;
    vd_err err = { 0 };
    assert_rc(VD_E_CONFIG, vd_config_load(&src, tables, n, 1, &c, &err));
    assert_string_equal(
        err.msg,
        "/nonexistent/broker.toml: No such file or directory; make one with: vidimus-broker "
        "config-default");
    vd_err_clear(&err);
    src.file_optional = true;
    assert_ok(vd_config_load(&src, tables, n, 1, &c, &err));
    assert_string_equal(vd_config_str(c, "store.path"), "/var/lib/vidimus/broker/store.db");
    VD_AUTO(vd_config_free) struct vd_config *d = NULL;
    src.file = f->dir;
    assert_rc(VD_E_CONFIG, vd_config_load(&src, tables, n, 1, &d, &err));
    assert_non_null(
        strstr(err.msg, "Is a directory; vidimus-broker must be able to read its configuration"));
}

static void a_required_key_is_asked_for(void **state)
{
    static const struct vd_setting rows[] = {
        { .key = "passport.issuer", .type = VD_SET_STR, .required = true }
    };
    const struct vd_setting *tables[] = { rows };
    const size_t n[] = { 1 };
    const struct vd_config_src src = { .program = "issuer" };
    (void)state;
    VD_AUTO(vd_config_free) struct vd_config *c = NULL;
    vd_err err = { 0 };
    assert_rc(VD_E_CONFIG, vd_config_load(&src, tables, n, 1, &c, &err));
    assert_string_equal(
        err.msg, "configuration: passport.issuer: required; add issuer = \"...\" below [passport]");
}

static void a_refused_file_at_every_truncation_leaks_nothing(void **state)
{
    static const char whole[] =
        "[guest]\nlisten = \"127.0.0.1:1\"\ninsecure_http = true\n[tee.snp]\n"
        "extra_roots = [\"a\", \"b\"]\n[[trusted_issuer]]\nname = \"one\"\nalgs = [\"ES256\"]\n";
    size_t ok = 0;
    for (size_t n = 0; n < sizeof whole; n++) {
        char text[sizeof whole] = "";
        memcpy(text, whole, n);
        VD_AUTO(vd_config_free) struct vd_config *c = NULL;
        vd_err err = { 0 };
        ok += load(*state, text, NULL, &c, &err).code == VD_E_OK;
    }
    assert_true(ok > 0);
}

/* ---- default file ---------------------------------------------------------------------------- */

static void print_default(vd_buf *out)
{
    const struct vd_setting *tables[] = { own, vd_settings_common };
    const size_t n[] = { sizeof own / sizeof own[0], vd_settings_common_n };
    vd_config_default("issuer", tables, n, 2, out);
    assert_false(out->bad);
}

static void the_default_file_is_the_same_each_time_and_means_the_defaults(void **state)
{
    VD_AUTO_BUF a = vd_buf_of(1u << 20);
    VD_AUTO_BUF b = vd_buf_of(1u << 20);
    print_default(&a);
    print_default(&b);
    assert_true(vd_span_eq(vd_buf_span(&a), vd_buf_span(&b)));
    VD_AUTO(vd_config_free) struct vd_config *c = good(*state, vd_buf_cstr(&a), NULL);
    assert_int_equal(vd_config_u64(c, "passport.lifetime"), 300);
    assert_false(vd_config_is_set(c, "passport.lifetime"));
    assert_int_equal(vd_config_tables(c, "admin.role"), 0);
}

static void every_key_stands_in_the_default_file(void **state)
{
    (void)state;
    VD_AUTO_BUF text = vd_buf_of(1u << 20);
    print_default(&text);
    const char *all = vd_buf_cstr(&text);
    for (size_t i = 0; i < vd_settings_common_n; i++) {
        char line[128];
        const char *dot = strrchr(vd_settings_common[i].key, '.');
        (void)snprintf(line, sizeof line, "\n#%s =", dot + 1);
        if (!strstr(all, line)) {
            print_error("%s is missing\n", vd_settings_common[i].key);
            fail();
        }
    }
    assert_non_null(strstr(all, "\n[guest]\n"));
    assert_non_null(strstr(all, "\n[tee.snp]\n"));
    assert_non_null(strstr(all, "\n#[[admin.identity]]\n"));
    assert_null(strstr(strstr(all, "\n[guest]\n") + 1, "\n[guest]\n"));
}

/* Every key with a default, uncommented: the values must be those of an empty file. */
static void the_default_file_uncommented_gives_the_defaults(void **state)
{
    VD_AUTO_BUF text = vd_buf_of(1u << 20);
    VD_AUTO_BUF bare = vd_buf_of(1u << 20);
    print_default(&text);
    size_t lines = 0;
    bool group = false;
    for (vd_span rest = vd_buf_span(&text); rest.n;) {
        size_t end = vd_span_find(rest, '\n');
        vd_span line = vd_span_part(rest, 0, end);
        rest = vd_span_part(rest, end + 1, rest.n);
        if (line.n && line.p[0] == '[')
            group = false;
        group = group || vd_span_starts(line, VD_LIT("#[["));
        size_t eq = vd_span_find(line, '=');
        bool key = !group && line.n > 2 && line.p[0] == '#' && line.p[1] != ' ' &&
                   eq + 2 < line.n && !vd_span_eq_str(vd_span_part(line, eq, line.n), "= \"\"");
        lines += key;
        vd_buf_add(&bare, key ? vd_span_part(line, 1, line.n) : line);
        vd_buf_u8(&bare, '\n');
    }
    VD_AUTO(vd_config_free) struct vd_config *c = good(*state, vd_buf_cstr(&bare), NULL);
    VD_AUTO(vd_config_free) struct vd_config *d = good(*state, "", NULL);
    assert_true(lines > 50);
    assert_true(vd_config_is_set(c, "limits.workers"));
    assert_memory_equal(vd_config_limits(c), vd_config_limits(d), sizeof(struct vd_limits));
    assert_string_equal(vd_config_str(c, "root_key.file"), vd_config_str(d, "root_key.file"));
    assert_string_equal(vd_config_str(c, "guest.listen"), vd_config_str(d, "guest.listen"));
    assert_int_equal(vd_config_u64(c, "audit.reserve"), vd_config_u64(d, "audit.reserve"));
    assert_string_equal(vd_config_strs(c, "accept.audience", NULL)[1], "b");
    print_message("default file: %zu keys uncommented\n", lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_file_means_the_defaults),
        cmocka_unit_test(the_first_row_of_a_key_counts),
        cmocka_unit_test(a_whole_file_is_read),
        cmocka_unit_test(set_beats_environment_beats_file_beats_default),
        cmocka_unit_test(set_takes_toml_values_and_plain_text),
        cmocka_unit_test(every_limit_can_be_lowered_and_raised_to_its_hard_value),
        cmocka_unit_test(what_is_wrong_in_a_file_is_said_in_one_line),
        cmocka_unit_test(broken_toml_is_refused_with_its_line),
        cmocka_unit_test(what_is_wrong_outside_the_file_names_its_origin),
        cmocka_unit_test(variables_of_other_forms_are_left_alone),
        cmocka_unit_test(a_missing_file_is_named_with_the_cure),
        cmocka_unit_test(a_required_key_is_asked_for),
        cmocka_unit_test(a_refused_file_at_every_truncation_leaks_nothing),
        cmocka_unit_test(the_default_file_is_the_same_each_time_and_means_the_defaults),
        cmocka_unit_test(every_key_stands_in_the_default_file),
        cmocka_unit_test(the_default_file_uncommented_gives_the_defaults),
    };
    vd_err err = { 0 };
    if (vd_base_init(&err).code != VD_E_OK)
        return 1;
    return cmocka_run_group_tests(tests, setup, teardown);
}
