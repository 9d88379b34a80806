/* main() of a server: verbs, options, help, exit codes. Errors are one line on standard error. */
#include "shared/program/server.h"

#include <stdio.h>
#include <string.h>

#include "shared/program/server_priv.h"

/* ---- configuration --------------------------------------------------------------------------- */

static void tables_of(const struct vd_program *p, const struct vd_setting *tables[2], size_t n[2])
{
    tables[0] = p->settings;
    n[0] = p->n_settings;
    tables[1] = vd_settings_common;
    n[1] = vd_settings_common_n;
}

vd_rc vd_program_load(const struct vd_program *p, const struct vd_options *o,
                      struct vd_config **ret, vd_err *err)
{
    const struct vd_setting *tables[2];
    size_t n[2];
    tables_of(p, tables, n);
    const struct vd_config_src src = {
        .program = p->program,
        .file = o->config,
        .set = o->set,
        .environment = true,
    };
    return vd_config_load(&src, tables, n, 2, ret, err);
}

/* What a start would refuse, as far as it can be known without the state. */
static vd_rc check_config(const struct vd_program *p, const struct vd_options *o, vd_err *err)
{
    VD_AUTO(vd_config_free) struct vd_config *c = NULL;
    VD_AUTO(vd_auth_free) struct vd_auth *auth = NULL;
    VD_AUTO_TABLES t = { 0 };
    VD_AUTO_STATE paths = { 0 };
    VD_TRY(vd_program_load(p, o, &c, err));
    VD_TRY(vd_planes_check(c, err));
    VD_TRY(vd_state_paths_of(c, &paths, err));
    VD_TRY(p->check ? p->check(c, err) : VD_OK);
    VD_TRY(vd_tables_all(p, &t, err));
    VD_TRY(vd_program_auth(c, vd_config_limits(c), &t, &auth, err));
    (void)printf("%s: good\n", o->config);
    return VD_OK;
}

/* There are no built-in roles; these three fit the routes of both programs. */
static const char proposed_roles[] =
    "\n# Three roles to begin with: the owner of the server, who reads only, and what kbs-client "
    "needs.\n"
    "#[[admin.role]]\n#name = \"owner\"\n#allow = [\"* /*\"]\n"
    "#[[admin.role]]\n#name = \"auditor\"\n#allow = [\"GET /api/v1/*\", \"GET /metrics\"]\n"
    "#[[admin.role]]\n#name = \"kbs-client\"\n#allow = [\"* /kbs/v0/*\"]\n";

static vd_rc config_default(const struct vd_program *p, const struct vd_options *o, vd_err *err)
{
    (void)o;
    const struct vd_setting *tables[2];
    size_t n[2];
    tables_of(p, tables, n);
    VD_AUTO_BUF out = vd_buf_of(1u << 20);
    vd_config_default(p->program, tables, n, 2, &out);
    vd_buf_str(&out, proposed_roles);
    VD_TRY(vd_buf_check(&out, err));
    if (fwrite(out.p, 1, out.n, stdout) != out.n || fflush(stdout) != 0)
        return vd_fail(err, VD_E_FILE, "standard output cannot be written");
    return VD_OK;
}

/* ---- verbs ----------------------------------------------------------------------------------- */

struct own_verb {
    const char *name;
    const char *summary;
    bool ready_file;
    bool configured; /* takes --config and --set */
    bool yes;
    vd_rc_ (*run)(const struct vd_program *p, const struct vd_options *o, vd_err *err);
};

static const struct own_verb own_verbs[] = {
    { "serve", "run the server; makes nothing (the default verb)", true, true, false, vd_serve },
    { "init", "make state folder, root key, store and audit file; refuses if any exists", false,
      true, false, vd_init },
    { "check-config", "say whether the configuration is good", false, true, false, check_config },
    { "config-default", "print the commented default configuration", false, false, false,
      config_default },
    { "accept-rollback", "go on with an older store or audit file that the start refuses", false,
      true, true, vd_accept_rollback },
};
enum { OWN_VERBS = sizeof own_verbs / sizeof own_verbs[0] };

static void help(const struct vd_program *p)
{
    (void)printf("%s %s: %s\n\nusage: %s [VERB] [OPTIONS]\n\nverbs:\n", p->name, VD_VERSION,
                 p->summary, p->name);
    for (size_t i = 0; i < OWN_VERBS; i++)
        (void)printf("  %-16s %s\n", own_verbs[i].name, own_verbs[i].summary);
    for (size_t i = 0; i < p->n_verbs; i++)
        (void)printf("  %-16s %s\n", p->verbs[i].name, p->verbs[i].summary);
    (void)printf(
        "\noptions:\n"
        "  --config FILE    configuration; default /etc/vidimus/%s.toml\n"
        "  --set KEY=VALUE  set one key, such as guest.listen=127.0.0.1:8080; repeatable\n"
        "  --help           help; after a verb, that verb's\n"
        "  --version        version\n\n"
        "exit: 0 done, 1 usage or local error; further codes are told by the verbs that use them\n",
        p->program);
}

static void verb_help(const struct vd_program *p, const struct own_verb *v)
{
    (void)printf("%s %s: %s\n\nusage: %s %s%s\n", p->name, v->name, v->summary, p->name, v->name,
                 v->configured ? " [--config FILE] [--set KEY=VALUE]..." : "");
    if (v->configured)
        (void)printf("\n  --config FILE      configuration; default /etc/vidimus/%s.toml\n"
                     "  --set KEY=VALUE    set one key; over VIDIMUS_TABLE__KEY, over the file\n",
                     p->program);
    if (v->yes)
        (void)printf("  --yes              do it; without it only what would be accepted is "
                     "said\n\nThe server must be stopped. What was lost stays lost: policies, "
                     "suspensions and deletions\nmade since then are undone, so look at them "
                     "before anything is released. It is recorded.\n");
    if (v->ready_file)
        (void)printf("  --ready-file FILE  write the line \"ready guest=ADDR:PORT "
                     "admin=ADDR:PORT\" there, once both\n"
                     "                     planes listen\n\nsignals: SIGTERM and SIGINT stop, "
                     "SIGHUP reads the TLS "
                     "certificates again\n");
}

/* ---- options --------------------------------------------------------------------------------- */

/* The value of "--name VALUE" or "--name=VALUE" at argv[*at]; NULL when it is another option. */
static vd_rc option_value(const char *name, int argc, char **argv, int *at, const char **ret,
                          vd_err *err)
{
    size_t n = strlen(name);
    const char *arg = argv[*at];
    *ret = NULL;
    if (!arg || strncmp(arg, name, n) != 0 || (arg[n] != 0 && arg[n] != '='))
        return VD_OK;
    if (arg[n] == '=') {
        *ret = arg + n + 1;
        return VD_OK;
    }
    if (*at + 1 >= argc)
        return vd_fail(err, VD_E_CONFIG, "%s needs a value", name);
    *ret = argv[++*at];
    return VD_OK;
}

static vd_rc parse_one(const struct own_verb *v, int argc, char **argv, int *at,
                       struct vd_options *o, vd_err *err)
{
    const char *value = NULL;
    const char *arg = argv[*at];
    if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0) {
        o->help = true;
        return VD_OK;
    }
    if (v->configured) {
        VD_TRY(option_value("--config", argc, argv, at, &value, err));
        if (value) {
            o->config = value;
            return VD_OK;
        }
        VD_TRY(option_value("--set", argc, argv, at, &value, err));
        if (value) {
            o->set[o->n_set++] = value;
            return VD_OK;
        }
    }
    if (v->yes && strcmp(arg, "--yes") == 0) {
        o->yes = true;
        return VD_OK;
    }
    if (v->ready_file) {
        VD_TRY(option_value("--ready-file", argc, argv, at, &value, err));
        if (value) {
            o->ready_file = value;
            return VD_OK;
        }
    }
    return vd_fail(err, VD_E_CONFIG, "%s does not know %.80s; see: %s --help", v->name, arg,
                   v->name);
}

static vd_rc parse(const struct vd_program *p, const struct own_verb *v, int argc, char **argv,
                   struct vd_options *o, vd_err *err)
{
    (void)snprintf(o->fallback, sizeof o->fallback, "/etc/vidimus/%s.toml", p->program);
    o->config = o->fallback;
    o->set = calloc((size_t)argc + 1, sizeof *o->set);
    if (!o->set)
        return vd_fail(err, VD_E_NOMEM, "options");
    for (int i = 0; i < argc; i++)
        VD_TRY(parse_one(v, argc, argv, &i, o, err));
    return VD_OK;
}

static int run_own(const struct vd_program *p, const struct own_verb *v, int argc, char **argv)
{
    struct vd_options o = { 0 };
    vd_err err = { 0 };
    vd_rc_ rc = parse(p, v, argc, argv, &o, &err);
    if (rc.code == VD_E_OK && o.help)
        verb_help(p, v);
    else if (rc.code == VD_E_OK)
        rc = v->run(p, &o, &err);
    if (rc.code != VD_E_OK)
        (void)fprintf(stderr, "%s: %s\n", p->name, err.msg);
    free(o.set);
    return rc.code == VD_E_OK ? VD_EXIT_OK : VD_EXIT_USAGE;
}

int vd_program_main(const struct vd_program *p, int argc, char **argv)
{
    vd_err err = { 0 };
    if (vd_base_init(&err).code != VD_E_OK) {
        (void)fprintf(stderr, "%s: %s\n", p->name, err.msg);
        return VD_EXIT_USAGE;
    }
    const char *first = argc > 1 ? argv[1] : "serve";
    if (strcmp(first, "--help") == 0 || strcmp(first, "-h") == 0 || strcmp(first, "help") == 0) {
        help(p);
        return VD_EXIT_OK;
    }
    if (strcmp(first, "--version") == 0) {
        (void)printf("%s %s\n", p->name, VD_VERSION);
        return VD_EXIT_OK;
    }
    if (argc < 2 || first[0] == '-')
        return run_own(p, &own_verbs[0], argc > 1 ? argc - 1 : 0, argv + 1);
    for (size_t i = 0; i < OWN_VERBS; i++)
        if (strcmp(own_verbs[i].name, first) == 0)
            return run_own(p, &own_verbs[i], argc - 2, argv + 2);
    for (size_t i = 0; i < p->n_verbs; i++)
        if (strcmp(p->verbs[i].name, first) == 0)
            return p->verbs[i].run(argc - 1, argv + 1);
    (void)fprintf(stderr, "%s: there is no verb %.40s; see: %s --help\n", p->name, first, p->name);
    return VD_EXIT_USAGE;
}
