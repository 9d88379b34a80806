/* vidimus: the command line for guests, owners and auditors. Options > environment; nouns and verbs
 * come from the table in verbs.c, --help from the same table. */
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

enum option_kind { FLAG, TEXT, LIST };

static const struct option_row {
    const char *name;
    enum option_kind kind;
    size_t at;
    const char *environment;
    const char *help;
} options[] = {
#define AT(field) offsetof(struct cli_args, field)
    { "issuer", TEXT, AT(issuer), "VIDIMUS_ISSUER_URL", "URL of the issuer's guest plane" },
    { "broker", TEXT, AT(broker), "VIDIMUS_BROKER_URL", "URL of the broker's guest plane" },
    { "issuer-admin", TEXT, AT(issuer_admin), "VIDIMUS_ISSUER_ADMIN_URL",
      "URL of the issuer's admin plane" },
    { "broker-admin", TEXT, AT(broker_admin), "VIDIMUS_BROKER_ADMIN_URL",
      "URL of the broker's admin plane" },
    { "server", TEXT, AT(server), NULL, "issuer or broker: which of the two is meant" },
    { "token-file", TEXT, AT(token_file), NULL,
      "file with an administrator's token (VIDIMUS_ISSUER_ADMIN_TOKEN_FILE, "
      "VIDIMUS_BROKER_ADMIN_TOKEN_FILE)" },
    { "ca-file", TEXT, AT(ca_file), "VIDIMUS_CA_FILE",
      "PEM file of the CAs that the servers' certificates come from" },
    { "json", FLAG, AT(json), NULL, "JSON on standard output" },
    { "quiet", FLAG, AT(quiet), NULL, "no notes on standard error" },
    { "tee", TEXT, AT(tee), NULL, "name of the TEE (default sample)" },
    { "attester", TEXT, AT(attester), NULL,
      "command that reads {tee, report_data, runtime_data} and writes evidence JSON" },
    { "key", TEXT, AT(key), NULL, "private key file; of audit verbs the public key, PEM or JWK" },
    { "passport", TEXT, AT(passport), NULL, "file with a passport, - for standard input" },
    { "init-data", TEXT, AT(init_data), NULL, "TOML file with the init data of the guest" },
    { "out", TEXT, AT(out), NULL, "file to write (default standard output)" },
    { "audience", LIST, AT(audience), NULL, "audience; may be repeated" },
    { "role", TEXT, AT(role), NULL, "role of the administrator" },
    { "ttl", TEXT, AT(ttl), NULL, "life of the token: 15m, 1h ... (default 15m)" },
    { "type", TEXT, AT(type), NULL, "ed25519 (default) or p256" },
    { "if-version", TEXT, AT(if_version), NULL,
      "version that must be the newest; 0: must not exist yet" },
    { "version", TEXT, AT(if_version), NULL, "version to show" },
    { "iss", TEXT, AT(iss), NULL, "issuer id as it stands in `iss`" },
    { "jwks", TEXT, AT(jwks), NULL, "file with the issuer's key set" },
    { "jwks-url", TEXT, AT(jwks_url), NULL, "URL of the issuer's key set" },
    { "at", TEXT, AT(at), NULL, "evaluation time, 2026-06-01T00:00:00Z (default now)" },
    { "after", TEXT, AT(after), NULL, "records behind this sequence number" },
    { "limit", TEXT, AT(limit), NULL, "at most so many" },
    { "head", TEXT, AT(head), NULL, "file with a head of the record that was kept" },
    { "record", TEXT, AT(record), NULL, "the record, as its line, that the receipt must be about" },
    { "from", TEXT, AT(from), NULL, "first sequence number (default the first there is)" },
    { "to", TEXT, AT(to), NULL, "last sequence number (default the last that is signed)" },
    { "expires", TEXT, AT(expires), NULL, "end of life, 2027-06-01T00:00:00Z" },
    { "alg", LIST, AT(alg), NULL,
      "accepted signature algorithm (ES256, ES384, EdDSA); may be repeated" },
    { "allow-tee", LIST, AT(tee_allowed), NULL, "accepted TEE, or *; may be repeated" },
    { "repository", LIST, AT(repository), NULL, "repository it may open, or *; may be repeated" },
    { "policy", LIST, AT(policy), NULL,
      "accepted attestation policy id or id@sha256; may be repeated" },
    { "accept-simulated", FLAG, AT(accept_simulated), NULL,
      "accept passports of simulated TEEs (for trials)" },
    { "resume", FLAG, AT(resume), NULL, "take a suspension back" },
    { "revocation", FLAG, AT(revocation), NULL, "keys of revocation statements, not of passports" },
    { "now", FLAG, AT(now), NULL, "at once, without waiting until brokers have the key" },
    { "revocation-url", TEXT, AT(revocation_url), NULL,
      "URL of the issuer's revocation statement" },
    { "require-revocation", FLAG, AT(require_revocation), NULL,
      "refuse its passports while there is no good statement" },
    { "fmspc", TEXT, AT(fmspc), NULL,
      "platform family, 12 hexadecimal digits; several with commas" },
    { "ca", TEXT, AT(ca), NULL, "platform or processor (default both)" },
    { "reason", TEXT, AT(reason), NULL, "why, for the list and the record" },
#undef AT
};
enum { OPTIONS = sizeof options / sizeof options[0] };

static bool takes(const struct cli_verb *v, const char *name)
{
    vd_span left = vd_span_str(v->options);
    while (left.n > 0) {
        size_t n = vd_span_find(left, ' ');
        if (vd_span_eq_str(vd_span_part(left, 0, n), name))
            return true;
        left = vd_span_part(left, n + 1, left.n);
    }
    return false;
}

static void help_verb(const struct cli_verb *v)
{
    (void)printf("usage: vidimus %s%s%s%s%s [options]\n\n%s\n\n", v->noun, v->verb ? " " : "",
                 v->verb ? v->verb : "", v->synopsis[0] ? " " : "", v->synopsis, v->help);
    for (size_t i = 0; i < OPTIONS; i++) {
        const struct option_row *o = &options[i];
        if (!takes(v, o->name))
            continue;
        char left[40];
        (void)snprintf(left, sizeof left, "--%s%s", o->name, o->kind == FLAG ? "" : " VALUE");
        (void)printf("  %-24s %s", left, o->help);
        if (o->environment)
            (void)printf(" [%s]", o->environment);
        (void)putchar('\n');
    }
}

static void help_all(FILE *to)
{
    (void)fputs(
        "vidimus: attestation passports and the secrets they open\n\n"
        "usage: vidimus NOUN [VERB] [arguments] [options]      vidimus NOUN VERB --help\n\n",
        to);
    for (size_t i = 0; i < cli_verbs_n; i++) {
        const struct cli_verb *v = &cli_verbs[i];
        char left[64];
        (void)snprintf(left, sizeof left, "%s%s%s %s", v->noun, v->verb ? " " : "",
                       v->verb ? v->verb : "", v->synopsis);
        vd_span help = vd_span_str(v->help);
        (void)fprintf(to, "  %-36s %.*s\n", left, (int)vd_span_find(help, '\n'), v->help);
    }
    (void)fputs("\nexit codes: 0 done, 1 usage or local error, 2 remote, 3 authentication, 4 "
                "denied by policy,\n"
                "            5 not found, 6 version conflict, 7 waits for approval, 8 verification "
                "failed\n",
                to);
}

static void *field_of(struct cli_args *a, const struct option_row *o)
{
    return (char *)a + o->at;
}

static int set_option(struct cli_args *a, const struct option_row *o, const char *value)
{
    if (o->kind == FLAG) {
        *(bool *)field_of(a, o) = true;
    } else if (o->kind == TEXT) {
        *(const char **)field_of(a, o) = value;
    } else {
        struct cli_list *l = field_of(a, o);
        if (l->n == CLI_LIST_MAX)
            return cli_fail(VD_EXIT_USAGE, "--%s: at most %d times", o->name, CLI_LIST_MAX);
        l->item[l->n++] = value;
    }
    return VD_EXIT_OK;
}

/* "--name value" or "--name=value" at argv[*i]; moves *i. */
static int parse_option(const struct cli_verb *v, struct cli_args *a, int argc, char **argv, int *i)
{
    const char *text = argv[*i] + 2;
    vd_span name = vd_span_part(vd_span_str(text), 0, vd_span_find(vd_span_str(text), '='));
    const char *value = text[name.n] == '=' ? text + name.n + 1 : NULL;
    for (size_t k = 0; k < OPTIONS; k++) {
        const struct option_row *o = &options[k];
        if (!vd_span_eq_str(name, o->name) || !takes(v, o->name))
            continue;
        if (o->kind == FLAG && value)
            return cli_fail(VD_EXIT_USAGE, "--%s takes no value", o->name);
        if (o->kind != FLAG && !value) {
            if (*i + 1 >= argc)
                return cli_fail(VD_EXIT_USAGE, "--%s needs a value", o->name);
            value = argv[++*i];
        }
        return set_option(a, o, value);
    }
    return cli_fail(VD_EXIT_USAGE, "unknown option %s; see vidimus %s%s%s --help", argv[*i],
                    v->noun, v->verb ? " " : "", v->verb ? v->verb : "");
}

static void from_environment(struct cli_args *a)
{
    for (size_t i = 0; i < OPTIONS; i++) {
        const char **field = field_of(a, &options[i]);
        if (options[i].kind != TEXT || !options[i].environment || *field)
            continue;
        const char *value = secure_getenv(options[i].environment);
        if (value && value[0])
            *field = value;
    }
}

static int run_verb(const struct cli_verb *v, int argc, char **argv)
{
    struct cli_args a = { 0 };
    bool only_arguments = false;
    for (int i = 0; i < argc; i++) {
        bool option = !only_arguments && argv[i][0] == '-' && argv[i][1] != 0;
        if (option && (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)) {
            help_verb(v);
            return VD_EXIT_OK;
        }
        if (option && strcmp(argv[i], "--") == 0) {
            only_arguments = true;
        } else if (option && argv[i][1] == '-') {
            int rc = parse_option(v, &a, argc, argv, &i);
            if (rc != VD_EXIT_OK)
                return rc;
        } else if (option) {
            return cli_fail(VD_EXIT_USAGE, "unknown option %s; options are written --name",
                            argv[i]);
        } else if (a.n_arg == v->max_args) {
            return cli_fail(VD_EXIT_USAGE, "one argument too many: %s", argv[i]);
        } else {
            a.arg[a.n_arg++] = argv[i];
        }
    }
    if (a.n_arg < v->min_args)
        return cli_fail(VD_EXIT_USAGE, "usage: vidimus %s%s%s %s", v->noun, v->verb ? " " : "",
                        v->verb ? v->verb : "", v->synopsis);
    from_environment(&a);
    return v->run(&a);
}

static int find_and_run(int argc, char **argv)
{
    bool noun_known = false;
    for (size_t i = 0; i < cli_verbs_n; i++) {
        const struct cli_verb *v = &cli_verbs[i];
        if (strcmp(v->noun, argv[1]) != 0)
            continue;
        noun_known = true;
        if (!v->verb)
            return run_verb(v, argc - 2, argv + 2);
        if (argc > 2 && strcmp(v->verb, argv[2]) == 0)
            return run_verb(v, argc - 3, argv + 3);
    }
    if (!noun_known)
        return cli_fail(VD_EXIT_USAGE, "unknown noun %s; see vidimus --help", argv[1]);
    (void)fprintf(argc > 2 && strcmp(argv[2], "--help") == 0 ? stdout : stderr,
                  "vidimus %s: one of\n", argv[1]);
    for (size_t i = 0; i < cli_verbs_n; i++)
        if (strcmp(cli_verbs[i].noun, argv[1]) == 0)
            (void)fprintf(argc > 2 && strcmp(argv[2], "--help") == 0 ? stdout : stderr,
                          "  vidimus %s %s %s\n", argv[1], cli_verbs[i].verb,
                          cli_verbs[i].synopsis);
    return argc > 2 && strcmp(argv[2], "--help") == 0 ? VD_EXIT_OK : VD_EXIT_USAGE;
}

int main(int argc, char **argv)
{
    vd_err err = { 0 };
    struct sigaction ignore = { .sa_handler = SIG_IGN };
    (void)sigaction(SIGPIPE, &ignore, NULL);
    if (vd_base_init(&err).code != VD_E_OK || vd_base_harden(&err).code != VD_E_OK)
        return cli_fail_err(&err);
    if (argc < 2) {
        help_all(stderr);
        return VD_EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        help_all(stdout);
        return VD_EXIT_OK;
    }
    if (strcmp(argv[1], "--version") == 0) {
        (void)puts("vidimus " VD_VERSION);
        return VD_EXIT_OK;
    }
    return find_and_run(argc, argv);
}
