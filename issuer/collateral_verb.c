/* The verb `collateral`; see collateral_verb.h. Cache folder and sources are those of the server's
 * configuration, so that what is fetched here is what a server uses; both may use the folder at the
 * same time. */
#include "issuer/collateral_verb.h"

#include <stdio.h>
#include <string.h>

#include "issuer/collateral/bundle.h"
#include "issuer/config.h"
#include "issuer/options.h"
#include "issuer/tee/dcap/fetch.h"
#include "issuer/tee/tee.h"
#include "shared/program/server.h"

enum { LIST_BYTES = 64 << 20 };

/* ---- options -----------------------------------------------------------------------------------
 */

struct options {
    const char *action;
    const char *config;
    const char **set; /* NULL-terminated; owned; so is path */
    size_t n_set;
    const char *cache;
    const char *at;
    const char *key;
    const char *out;
    struct dcap_wish what;
    const char **path;
    size_t n_path;
    bool json;
    bool help;
};

#define AT(field) offsetof(struct options, field)
static const struct iss_option rows[] = {
    { "--config", AT(config), "FILE",
      "settings of an issuer; default: /etc/vidimus/issuer.toml if it exists" },
    { "--set", ISS_OPTION_SET, "KEY=VALUE",
      "one setting, such as tee.dcap.tcb_update=standard; repeatable" },
    { "--cache", AT(cache), "DIR", "the folder; default: collateral.cache of the settings" },
    { "--at", AT(at), "TIME", "take it to be that time, 2026-06-01T00:00:00Z; default: now" },
    { "--tee", AT(what.tee), "TEE", "fetch: tdx or sgx; default: both" },
    { "--fmspc", AT(what.fmspc), "HEX", "fetch: platforms, 12 hexadecimal digits each, commas" },
    { "--ca", AT(what.ca), "CA", "fetch: platform or processor; default: both" },
    { "--quote", AT(what.quote), "FILE", "fetch: what this quote needs" },
    { "--key", AT(key), "FILE", "export: private key (PEM); default: collateral.key_file" },
    { "--out", AT(out), "FILE", "export: the bundle; default: standard output" },
};
enum { ROWS = sizeof rows / sizeof rows[0] };

static void help(void)
{
    (void)printf(
        "vidimus-issuer collateral: vendor collateral without a server\n\n"
        "usage: vidimus-issuer collateral fetch  [--quote FILE] [--fmspc HEX] [OPTIONS]\n"
        "       vidimus-issuer collateral import PATH... [OPTIONS]\n"
        "       vidimus-issuer collateral export [--out FILE] [OPTIONS]\n"
        "       vidimus-issuer collateral status [PATH] [OPTIONS]\n\n"
        "fetch   from PCS or a PCCS into the cache folder; without --quote and --fmspc all that "
        "is\n"
        "        there is renewed\n"
        "import  takes what is good out of files and folders: bundles, answers of PCS and PCCS,\n"
        "        files of Intel's PCS client tool; each file is told by its content\n"
        "export  writes what is good now as one signed file, for [collateral] bundle of a site\n"
        "        without a network\n"
        "status  shows what is held and what stops working when; of PATH: what a bundle, a file "
        "or\n"
        "        a folder holds\n\noptions:\n");
    iss_options_print(rows, ROWS, 10);
    (void)printf("  %-10s %-10s machine-readable output\n  %-10s %-10s this help\n\n"
                 "exit: 0 done; 1 wrong options or a local error; 2 a service did not give "
                 "something; 5 nothing is\nheld; 8 what was brought is not good\n",
                 "--json", "", "--help", "");
}

static vd_rc take_rest(struct options *o, const char *arg, vd_err *err)
{
    if (strcmp(arg, "--json") == 0)
        o->json = true;
    else if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0)
        o->help = true;
    else if (arg[0] == '-' && arg[1] != '\0')
        return vd_fail(err, VD_E_CONFIG,
                       "collateral does not know %.80s; see: vidimus-issuer collateral --help",
                       arg);
    else if (!o->action)
        o->action = arg;
    else
        o->path[o->n_path++] = arg;
    return VD_OK;
}

static vd_rc parse(int argc, char **argv, struct options *o, vd_err *err)
{
    o->set = calloc((size_t)argc + 1, sizeof *o->set);
    o->path = calloc((size_t)argc + 1, sizeof *o->path);
    if (!o->set || !o->path)
        return vd_fail(err, VD_E_NOMEM, "options");
    const struct iss_options table = { rows, ROWS, o, o->set, &o->n_set };
    for (int i = 1; i < argc; i++) {
        bool taken = false;
        VD_TRY(iss_options_take(&table, argc, argv, &i, &taken, err));
        if (!taken)
            VD_TRY(take_rest(o, argv[i], err));
    }
    return VD_OK;
}

/* ---- a run -------------------------------------------------------------------------------------
 */

struct run {
    struct options o;
    struct vd_setting settings[ISS_SETTINGS_MAX];
    struct vd_config *config;
    int64_t at_ns;
    struct vd_clock clock;
    vd_buf out; /* JSON */
    int exit;
};

static void run_free(struct run *r)
{
    if (!r)
        return;
    vd_config_free(r->config);
    vd_buf_done(&r->out);
    free(r->o.set);
    free(r->o.path);
    free(r);
}
VD_DEFINE_CLEANUP(struct run, run_free)

static vd_rc prepare(struct run *r, vd_err *err)
{
    size_t n = iss_settings(r->settings);
    if (n == 0)
        return vd_fail(err, VD_E_INTERNAL, "more settings than ISS_SETTINGS_MAX");
    const struct vd_setting *tables[] = { r->settings, vd_settings_common };
    size_t sizes[] = { n, vd_settings_common_n };
    /* the file that a server reads, when there is one: its folder is meant */
    struct vd_config_src src = { .program = "issuer",
                                 .file = r->o.config ? r->o.config : "/etc/vidimus/issuer.toml",
                                 .file_optional = !r->o.config,
                                 .set = r->o.set,
                                 .environment = true };
    VD_TRY(vd_config_load(&src, tables, sizes, 2, &r->config, err));
    r->out = vd_buf_of(LIST_BYTES);
    r->clock = vd_clock_real();
    if (!r->o.at)
        return VD_OK;
    int64_t at = 0;
    if (vd_time_parse(vd_span_str(r->o.at), &at, NULL).code != VD_E_OK || at < 0 ||
        at > INT64_MAX / 1000000000)
        return vd_fail(err, VD_E_CONFIG, "--at is no time such as 2026-06-01T00:00:00Z");
    r->at_ns = at * 1000000000;
    r->clock = vd_clock_fixed(&r->at_ns);
    return VD_OK;
}

static vd_rc open_store(struct run *r, const char *path, bool fetch, bool need_cache,
                        struct iss_collateral **ret, vd_err *err)
{
    const char *cache = r->o.cache ? r->o.cache : vd_config_str(r->config, "collateral.cache");
    if (need_cache && !cache)
        return vd_fail(err, VD_E_CONFIG,
                       "there is no cache folder; give --cache DIR, or set collateral.cache");
    struct iss_collateral_cfg cfg = { .config = r->config,
                                      .clock = r->clock,
                                      .dir = path,
                                      .cache = path && !need_cache ? NULL : cache,
                                      .offline = !fetch };
    cfg.kinds = iss_tee_collateral_kinds(&cfg.n_kinds);
    return iss_collateral_open(&cfg, ret, err);
}

/* ---- status ------------------------------------------------------------------------------------
 */

static vd_span text_of(vd_jv v, const char *name)
{
    vd_span s = vd_jv_str_raw(vd_jv_get(v, name));
    return s.n > 0 ? s : VD_LIT("-");
}

static void print_line(vd_jv v)
{
    vd_span state = text_of(v, "state");
    vd_span until = text_of(v, "expires");
    vd_span kind = text_of(v, "kind");
    vd_span key = text_of(v, "key");
    vd_span level = vd_jv_raw(vd_jv_get(v, "evaluation_number"));
    (void)printf("%-13.*s %-20.*s %-13.*s %.*s", (int)state.n, (const char *)state.p, (int)until.n,
                 (const char *)until.p, (int)kind.n, (const char *)kind.p, (int)key.n,
                 (const char *)key.p);
    if (level.n > 0)
        (void)printf(" (evaluation %.*s)", (int)level.n, (const char *)level.p);
    const char *what = vd_jv_ok(vd_jv_get(v, "reason")) ? "reason" : "stops";
    vd_span last = text_of(v, what);
    (void)printf("\n%-13s %s %.*s\n", "",
                 strcmp(what, "stops") == 0 ? "without it stop:" : "why:", (int)last.n,
                 (const char *)last.p);
}

static vd_rc print_list(const struct run *r, vd_err *err)
{
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    const struct vd_json_limits limits = { LIST_BYTES, 32, 2000000 };
    VD_TRY(vd_json_parse(vd_buf_span(&r->out), &limits, &doc, err));
    vd_jv_iter it = vd_jv_iter_of(vd_json_root(doc));
    while (vd_jv_next(&it))
        print_line(it.value);
    return VD_OK;
}

static vd_rc status(struct run *r, vd_err *err)
{
    VD_AUTO(iss_collateral_close) struct iss_collateral *c = NULL;
    if (r->o.n_path > 1)
        return vd_fail(err, VD_E_CONFIG, "status shows one file or folder at a time");
    VD_TRY(open_store(r, r->o.n_path ? r->o.path[0] : NULL, false, false, &c, err));
    vd_jw w = vd_jw_of(&r->out);
    VD_TRY(iss_collateral_list(c, &w, err));
    VD_TRY(vd_buf_check(&r->out, err));
    if (r->out.n == 2) /* [] */
        r->exit = VD_EXIT_NOT_FOUND;
    if (r->o.json)
        return VD_OK;
    if (r->exit == VD_EXIT_NOT_FOUND)
        (void)fputs("no collateral is held\n", stderr);
    VD_AUTO_BUF notes = vd_buf_of(LIST_BYTES);
    if (r->o.n_path)
        iss_collateral_refusals(c, &notes);
    (void)fwrite(notes.p ? (const char *)notes.p : "", 1, notes.n, stderr);
    return print_list(r, err);
}

/* ---- import ------------------------------------------------------------------------------------
 */

static void print_import(vd_jv v)
{
    static const char *const list[] = { "taken", "refused" };
    for (size_t i = 0; i < 2; i++) {
        vd_jv_iter it = vd_jv_iter_of(vd_jv_get(v, list[i]));
        while (vd_jv_next(&it)) {
            vd_span kind = text_of(it.value, "kind");
            vd_span key = text_of(it.value, "key");
            vd_span last = text_of(it.value, i ? "reason" : "expires");
            (void)printf("%-7s %-13.*s %.*s: %s%.*s\n", list[i], (int)kind.n, (const char *)kind.p,
                         (int)key.n, (const char *)key.p, i ? "" : "good until ", (int)last.n,
                         (const char *)last.p);
        }
    }
}

static vd_rc import_one(struct run *r, const char *path, vd_jw *w, vd_err *err)
{
    VD_AUTO(iss_collateral_close) struct iss_collateral *c = NULL;
    vd_err why = { 0 };
    VD_TRY(open_store(r, path, false, true, &c, err));
    size_t before = r->out.n;
    vd_rc_ rc = iss_collateral_import_given(c, path, w, &why);
    VD_TRY(vd_buf_check(&r->out, err));
    if (rc.code != VD_E_OK)
        r->exit = VD_EXIT_VERIFY;
    if (r->o.json)
        return VD_OK;
    if (rc.code != VD_E_OK)
        (void)fprintf(stderr, "vidimus-issuer: %s\n", why.msg);
    VD_AUTO_BUF notes = vd_buf_of(LIST_BYTES);
    iss_collateral_refusals(c, &notes);
    (void)fwrite(notes.p ? (const char *)notes.p : "", 1, notes.n, stderr);
    vd_span text = vd_span_part(vd_buf_span(&r->out), before, r->out.n);
    if (text.n > 0 && text.p[0] == ',')
        text = vd_span_part(text, 1, text.n);
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    const struct vd_json_limits limits = { LIST_BYTES, 32, 2000000 };
    VD_TRY(vd_json_parse(text, &limits, &doc, err));
    print_import(vd_json_root(doc));
    return VD_OK;
}

static vd_rc import(struct run *r, vd_err *err)
{
    if (r->o.n_path == 0)
        return vd_fail(err, VD_E_CONFIG, "import needs files or folders");
    vd_jw w = vd_jw_of(&r->out);
    vd_jw_arr(&w);
    for (size_t i = 0; i < r->o.n_path; i++)
        VD_TRY(import_one(r, r->o.path[i], &w, err));
    vd_jw_end(&w);
    return VD_OK;
}

/* ---- export ------------------------------------------------------------------------------------
 */

static vd_rc write_out(const char *path, vd_span bytes, vd_err *err)
{
    VD_AUTO(fclose) FILE *f = path && strcmp(path, "-") != 0 ? fopen(path, "w") : NULL;
    FILE *to = f ? f : stdout;
    if (path && strcmp(path, "-") != 0 && !f)
        return vd_fail(err, VD_E_FILE, "%s cannot be written", path);
    if (fwrite(bytes.p, 1, bytes.n, to) != bytes.n || fflush(to) != 0)
        return vd_fail(err, VD_E_FILE, "%s cannot be written", path ? path : "standard output");
    return VD_OK;
}

static vd_rc export(struct run *r, vd_err *err)
{
    VD_AUTO(iss_collateral_close) struct iss_collateral *c = NULL;
    VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
    VD_AUTO_BUF bundle = vd_buf_of(LIST_BYTES);
    const char *file = r->o.key ? r->o.key : vd_config_str(r->config, "collateral.key_file");
    if (!file)
        return vd_fail(err, VD_E_CONFIG,
                       "a bundle is signed; give --key FILE (make one: vidimus admin keygen), or "
                       "set collateral.key_file");
    VD_TRY(iss_bundle_key(file, &key, err));
    VD_TRY(open_store(r, NULL, false, true, &c, err));
    VD_TRY(iss_collateral_export(c, key, &bundle, err));
    return write_out(r->o.out, vd_buf_span(&bundle), err);
}

/* ---- fetch -------------------------------------------------------------------------------------
 */

static void report(void *ctx, const char *kind, vd_span key, const vd_err *why)
{
    struct run *r = ctx;
    bool ok = why->code == VD_E_OK;
    if (!ok)
        r->exit = VD_EXIT_REMOTE;
    if (!r->o.json)
        (void)fprintf(ok ? stdout : stderr, "%s %s %.*s%s%s\n", ok ? "fetched" : "failed ", kind,
                      (int)key.n, (const char *)key.p, ok ? "" : ": ", ok ? "" : why->msg);
}

static vd_rc fetch(struct run *r, vd_err *err)
{
    VD_AUTO(iss_collateral_close) struct iss_collateral *c = NULL;
    VD_TRY(open_store(r, NULL, true, true, &c, err));
    VD_TRY(dcap_fetch_wished(c, r->config, &r->o.what, vd_clock_s(&r->clock), report, r, err));
    if (!r->o.json)
        return VD_OK;
    vd_jw w = vd_jw_of(&r->out);
    VD_TRY(iss_collateral_list(c, &w, err));
    return vd_buf_check(&r->out, err);
}

/* ---- the verb ----------------------------------------------------------------------------------
 */

static vd_rc act(struct run *r, vd_err *err)
{
    static const struct {
        const char *name;
        vd_rc_ (*run)(struct run *r, vd_err *err);
    } actions[] = {
        { "fetch", fetch }, { "import", import }, { "export", export }, { "status", status }
    };
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++)
        if (r->o.action && strcmp(r->o.action, actions[i].name) == 0) {
            VD_TRY(prepare(r, err));
            return actions[i].run(r, err);
        }
    return vd_fail(err, VD_E_CONFIG,
                   "collateral takes fetch, import, export or status; see: vidimus-issuer "
                   "collateral --help");
}

int iss_collateral_verb(int argc, char **argv)
{
    vd_err err = { 0 };
    VD_AUTO(run_free) struct run *r = calloc(1, sizeof *r);
    vd_rc_ rc = r ? parse(argc, argv, &r->o, &err) : vd_fail(&err, VD_E_NOMEM, "collateral");
    if (rc.code == VD_E_OK && r->o.help) {
        help();
        return VD_EXIT_OK;
    }
    if (rc.code == VD_E_OK)
        rc = act(r, &err);
    if (rc.code == VD_E_OK && r->o.json && r->out.n > 0) {
        vd_buf_u8(&r->out, '\n');
        rc = write_out(NULL, vd_buf_span(&r->out), &err);
    }
    if (rc.code == VD_E_OK)
        return r->exit;
    (void)fprintf(stderr, "vidimus-issuer: %s\n", err.msg);
    return rc.code == VD_E_COLLATERAL ? VD_EXIT_NOT_FOUND : VD_EXIT_USAGE;
}
