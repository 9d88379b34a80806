/* simtdx: the simulated TDX and SGX guest as a program. `attest` is an attester command for
 * `vidimus attest`: it reads {"tee","report_data","runtime_data"} and writes evidence; the other
 * verbs make the pieces. */
#include <string.h>

#include "tests/support/simtdx/options.h"

static const char usage[] =
    "simtdx: a simulated TDX or SGX platform under a throw-away root\n"
    "  simtdx pki --pki DIR                     make the keys; prints the file with the root\n"
    "  simtdx attest --pki DIR [options]        attester: {\"tee\",\"report_data\","
    "\"runtime_data\"} in, evidence out\n"
    "  simtdx quote --pki DIR [options]         a raw quote\n"
    "  simtdx evidence --pki DIR [options]      the quote as JSON evidence\n"
    "  simtdx log --pki DIR [--log-size N]      the event log that belongs to it\n"
    "  simtdx collateral --pki DIR --out FOLDER [--bundle] [--at TIME] [options]\n"
    "                                           TCB info, identities, CRLs and chains; --bundle: "
    "one JSON file a TEE\n"
    "Options of the quote:\n"
    "  --tee tdx|sgx   --quote-version 3..5   --body 1..4 (of version 5)\n"
    "  --debug   --migratable   --td-attributes 0xHEX   --seam-attributes 0xHEX   --xfam 0xHEX   "
    "--sgx-flags 0xHEX\n"
    "  --tcb-svn HEX   --tcb-svn2 HEX   --mr-td HEX   --mr-config-id HEX   --mr-seam HEX   "
    "--mrsigner-seam HEX\n"
    "  --mr-service-td HEX   --mrenclave HEX   --mrsigner HEX   --config-id HEX   --isv-svn N   "
    "--isv-prod-id N\n"
    "  --report-data HEX   --init-data FILE (MRCONFIGID or CONFIGID is its digest)\n"
    "  --qe-svn N   --qe-flags 0xHEX   --qe-mrsigner HEX   --unbound   --stranger   "
    "--qe-stranger\n"
    "  --chain-order 0..2   --cert-type N   --without-log   --altered-log   --log-size N\n"
    "Options of the PCK certificate:\n"
    "  --components HEX   --pcesvn N   --fmspc HEX   --serial N   --processor\n"
    "Options of the collateral:\n"
    "  --status S   --module-status S   --qe-status S   --advisories A,B   --eval N   --processor\n"
    "  --revoke pck|platform|processor|signer   --wrong-signer   --fmspc HEX\n"
    "  --out FILE\n";

/* The platform's part of a quote: log and registers. */
static void boot(struct simtdx_args *a, struct simtdx_log *log)
{
    simtdx_log_boot(log, a->log_size);
    if (!a->without_log)
        for (size_t i = 0; i < 4; i++)
            memcpy(a->quote.td.rtmr[i], log->rtmr[i], 48);
    if (a->altered_log)
        simtdx_log_agent(log, "attacker PullImage {}");
    simtdx_log_end(log);
}

static int run(struct simtdx_args *a)
{
    VD_AUTO(simtdx_pki_free) struct simtdx_pki *pki = simtdx_pki_load(a->pki);
    VD_AUTO_BUF out = vd_buf_of(8u << 20);
    VD_AUTO_BUF quote = vd_buf_of(1u << 20);
    struct simtdx_log log;
    if (strcmp(a->verb, "pki") == 0) {
        vd_buf_printf(&out, "%s\n", simtdx_pki_root(pki));
        return sim_write(a->out, vd_buf_span(&out));
    }
    if (strcmp(a->verb, "collateral") == 0) {
        if (!a->out)
            sim_die("--out FOLDER is required", NULL);
        simtdx_folder_write(pki, &a->collateral, a->out, a->bundle);
        return 0;
    }
    boot(a, &log);
    if (strcmp(a->verb, "attest") == 0)
        sim_read_request(a->quote.sgx ? a->quote.enclave.report_data : a->quote.td.report_data);
    simtdx_quote_make(pki, &a->quote, &a->pck, &quote);
    bool json = strcmp(a->verb, "attest") == 0 || strcmp(a->verb, "evidence") == 0;
    if (strcmp(a->verb, "log") == 0)
        vd_buf_add(&out, vd_buf_span(&log.bytes));
    else if (json)
        simtdx_evidence(vd_buf_span(&quote), a->sgx,
                        a->without_log ? VD_SPAN_NONE : vd_buf_span(&log.bytes), &out);
    else
        vd_buf_add(&out, vd_buf_span(&quote));
    simtdx_log_done(&log);
    return sim_write(a->out, vd_buf_span(&out));
}

int main(int argc, char **argv)
{
    static const char *const verbs[] = {
        "pki", "attest", "quote", "evidence", "log", "collateral"
    };
    bool known = false;
    for (size_t i = 0; argc > 1 && i < sizeof verbs / sizeof verbs[0]; i++)
        known = known || strcmp(argv[1], verbs[i]) == 0;
    if (!known) {
        (void)fputs(usage, argc > 1 && strcmp(argv[1], "--help") == 0 ? stdout : stderr);
        return argc > 1 && strcmp(argv[1], "--help") == 0 ? 0 : 1;
    }
    struct simtdx_args a;
    simtdx_options(argc, argv, &a);
    return run(&a);
}
