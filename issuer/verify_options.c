/* Options and help of `verify`; see verify.h. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "issuer/options.h"
#include "issuer/verify.h"

#define AT(field) offsetof(struct iss_verify_options, field)
static const struct iss_option rows[] = {
    { "--tee", AT(tee), "TEE", "kind of evidence: snp, tdx, sgx, ... (required)" },
    { "--config", AT(config), "FILE", "settings of an issuer; default: the built-in ones" },
    { "--set", ISS_OPTION_SET, "KEY=VALUE",
      "one setting, such as tee.snp.allow_v2=true; repeatable" },
    { "--report-data", AT(report_data), "HEX", "what the guest must have put into the evidence" },
    { "--runtime-data", AT(runtime_data), "FILE",
      "JSON whose SHA-384 (RFC 8785) is the report data; policies see it" },
    { "--init-data", AT(init_data), "FILE",
      "init data (TOML) whose digest the evidence must carry" },
    { "--policy", AT(policy), "FILE",
      "appraisal policy (Rego); default: the built-in one of the class" },
    { "--refvalues", AT(refvalues), "FILE", "reference values: a JSON object, name to value" },
    { "--vcek", AT(vcek), "FILE",
      "signing certificate (DER or PEM) when the evidence brings none" },
    { "--event-log", AT(event_log), "FILE",
      "the guest's event log, replayed against the evidence (tdx)" },
    { "--collateral", AT(collateral), "PATH",
      "certificates, CRLs, TCB info: a bundle, or a directory" },
    { "--at", AT(at), "TIME", "evaluation time, 2026-06-01T00:00:00Z; default: now" },
};
enum { ROWS = sizeof rows / sizeof rows[0] };

void iss_verify_help(void)
{
    (void)printf("vidimus-issuer verify: checks one piece of evidence, without a server and "
                 "without the network\n\n"
                 "usage: vidimus-issuer verify --tee TEE [OPTIONS] EVIDENCE\n\n"
                 "EVIDENCE is a file: JSON as guests send it, the raw binary, or that in "
                 "hexadecimal.\n\noptions:\n");
    iss_options_print(rows, ROWS, 14);
    (void)printf(
        "  %-14s %-10s machine-readable output\n  %-14s %-10s this help\n\n"
        "exit: 0 verified (the status of the appraisal is printed, it is no exit code); 8 refused, "
        "malformed\n"
        "evidence included; 1 wrong options, or a file that cannot be read\n\n"
        "--json prints one object: verified, appraised, tee, at, report_data_bound,\n"
        "  checks[{name, ok, observed, expected}], collateral_not_used[text], and either\n"
        "  submods[{name, tee, class, simulated, debug, hw_id, report_data, init_data, event_log, "
        "claims,\n"
        "           status, policy, policy_sha256, vector}] with explanation (as of a decision), "
        "or\n"
        "  error{slug, reason} and, when the evidence could be read, unverified_claims.\n",
        "--json", "", "--help", "");
}

static vd_rc take_rest(struct iss_verify_options *o, const char *arg, vd_err *err)
{
    if (strcmp(arg, "--json") == 0)
        o->json = true;
    else if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0)
        o->help = true;
    else if (arg[0] == '-')
        return vd_fail(err, VD_E_CONFIG,
                       "verify does not know %.80s; see: vidimus-issuer verify --help", arg);
    else if (o->evidence)
        return vd_fail(err, VD_E_CONFIG, "one file of evidence, not %.80s and %.80s", o->evidence,
                       arg);
    else
        o->evidence = arg;
    return VD_OK;
}

vd_rc iss_verify_options_parse(int argc, char **argv, struct iss_verify_options *ret, vd_err *err)
{
    *ret = (struct iss_verify_options){ .set = calloc((size_t)argc + 1, sizeof *ret->set) };
    if (!ret->set)
        return vd_fail(err, VD_E_NOMEM, "options");
    const struct iss_options table = { rows, ROWS, ret, ret->set, &ret->n_set };
    for (int i = 1; i < argc; i++) {
        bool taken = false;
        VD_TRY(iss_options_take(&table, argc, argv, &i, &taken, err));
        if (!taken)
            VD_TRY(take_rest(ret, argv[i], err));
    }
    if (ret->help)
        return VD_OK;
    if (!ret->tee || !ret->evidence)
        return vd_fail(err, VD_E_CONFIG, "verify needs %s; see: vidimus-issuer verify --help",
                       ret->tee ? "a file of evidence" : "--tee TEE");
    if (ret->report_data && ret->runtime_data)
        return vd_fail(err, VD_E_CONFIG,
                       "--report-data and --runtime-data say the same twice; give one");
    return VD_OK;
}
