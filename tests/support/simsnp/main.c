/* simsnp: the simulated SEV-SNP guest as a program. `attest` is an attester command for `vidimus
 * attest`: it reads {"tee","report_data","runtime_data"} and writes evidence; the other verbs make
 * the pieces. */
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "tests/support/simcli/simcli.h"
#include "tests/support/simsnp/simsnp.h"

static const char usage[] =
    "simsnp: a simulated SEV-SNP guest under a throw-away root\n"
    "  simsnp pki --pki DIR [--line L]          make the keys and certificates; prints the file "
    "with the roots\n"
    "  simsnp attest --pki DIR [options]        attester: "
    "{\"tee\",\"report_data\",\"runtime_data\"} in, evidence out\n"
    "  simsnp report --pki DIR [options]        a raw report of 1184 bytes\n"
    "  simsnp cert --pki DIR [options]          the certificate that belongs to the report (DER)\n"
    "  simsnp crl --pki DIR [--revoke ask|asvk] [--expired] [--wrong-issuer]   a CRL (DER)\n"
    "Options of the report:\n"
    "  --line Milan|Genoa|Turin   --report-version 2..5   --guest-svn N   --policy 0xHEX   --vmpl "
    "N\n"
    "  --plat-info 0xHEX   --key-info 0xHEX   --sig-algo N   --debug   --migratable\n"
    "  --tcb BL,TEE,SNP,UCODE[,FMC] (all four)   --reported|--current|--committed|--launch "
    "BL,TEE,SNP,UCODE[,FMC]\n"
    "  --report-data HEX   --measurement HEX   --host-data HEX   --chip-id HEX   --masked-chip-id\n"
    "  --init-data FILE   host data is the digest of this file, by the algorithm it names\n"
    "  --vlek [--csp-id TEXT]   --without-cert   --cert-tcb BL,TEE,SNP,UCODE[,FMC]   "
    "--cert-expired\n"
    "  --out FILE\n";

struct args {
    const char *verb;
    const char *pki;
    const char *out;
    struct sim_report report;
    struct sim_cert cert;
    struct sim_crl crl;
    bool vlek;
    bool masked;
    bool without_cert;
    bool cert_expired;
    const char *csp_id;
    bool has_cert_tcb;
    struct sim_tcb cert_tcb;
};

static struct sim_tcb tcb(const char *text)
{
    uint8_t v[5] = { 0 };
    const char *at = text;
    for (size_t i = 0; i < 5; i++) {
        char *end = NULL;
        unsigned long n = strtoul(at, &end, 10);
        if (end == at || n > 255)
            sim_die("a TCB is BL,TEE,SNP,UCODE[,FMC]", text);
        v[i] = (uint8_t)n;
        if (*end == '\0')
            break;
        at = end + 1;
    }
    return (struct sim_tcb){
        .bootloader = v[0], .tee = v[1], .snp = v[2], .microcode = v[3], .fmc = v[4]
    };
}

/* Host data as a host sets it: the digest of the init data, cut or filled up to 32 bytes. */
static void init_data_field(const char *path, uint8_t host_data[32])
{
    uint8_t digest[64];
    (void)sim_init_data(path, digest);
    memcpy(host_data, digest, 32);
}

/* Options without a value; false: none of these. */
static bool flag(struct args *a, const char *name)
{
    if (strcmp(name, "--debug") == 0)
        a->report.policy |= UINT64_C(1) << 19;
    else if (strcmp(name, "--migratable") == 0)
        a->report.policy |= UINT64_C(1) << 18;
    else if (strcmp(name, "--masked-chip-id") == 0)
        a->masked = true;
    else if (strcmp(name, "--vlek") == 0)
        a->vlek = true;
    else if (strcmp(name, "--without-cert") == 0)
        a->without_cert = true;
    else if (strcmp(name, "--cert-expired") == 0)
        a->cert_expired = true;
    else if (strcmp(name, "--expired") == 0)
        a->crl.until = 1709251200; /* 2024-03-01 */
    else if (strcmp(name, "--wrong-issuer") == 0)
        a->crl.wrong_issuer = true;
    else
        return false;
    return true;
}

static bool report_field(struct sim_report *r, const char *name, const char *v)
{
    if (strcmp(name, "--report-version") == 0)
        r->version = (uint32_t)sim_number(v);
    else if (strcmp(name, "--guest-svn") == 0)
        r->guest_svn = (uint32_t)sim_number(v);
    else if (strcmp(name, "--policy") == 0)
        r->policy = sim_number(v);
    else if (strcmp(name, "--vmpl") == 0)
        r->vmpl = (uint32_t)sim_number(v);
    else if (strcmp(name, "--plat-info") == 0)
        r->plat_info = sim_number(v);
    else if (strcmp(name, "--key-info") == 0)
        r->key_info = (uint32_t)sim_number(v);
    else if (strcmp(name, "--sig-algo") == 0)
        r->sig_algo = (uint32_t)sim_number(v);
    else if (strcmp(name, "--report-data") == 0)
        sim_hex_field(v, r->report_data, sizeof r->report_data);
    else if (strcmp(name, "--measurement") == 0)
        sim_hex_field(v, r->measurement, sizeof r->measurement);
    else if (strcmp(name, "--host-data") == 0)
        sim_hex_field(v, r->host_data, sizeof r->host_data);
    else if (strcmp(name, "--init-data") == 0)
        init_data_field(v, r->host_data);
    else if (strcmp(name, "--chip-id") == 0)
        sim_hex_field(v, r->chip_id, sizeof r->chip_id);
    else
        return false;
    return true;
}

static bool tcb_field(struct args *a, const char *name, const char *v)
{
    struct sim_report *r = &a->report;
    if (strcmp(name, "--tcb") == 0)
        r->current = r->reported = r->committed = r->launch = tcb(v);
    else if (strcmp(name, "--reported") == 0)
        r->reported = tcb(v);
    else if (strcmp(name, "--current") == 0)
        r->current = tcb(v);
    else if (strcmp(name, "--committed") == 0)
        r->committed = tcb(v);
    else if (strcmp(name, "--launch") == 0)
        r->launch = tcb(v);
    else if (strcmp(name, "--cert-tcb") == 0) {
        a->cert_tcb = tcb(v);
        a->has_cert_tcb = true;
    } else
        return false;
    return true;
}

static bool other_field(struct args *a, const char *name, const char *v)
{
    if (strcmp(name, "--pki") == 0)
        a->pki = v;
    else if (strcmp(name, "--out") == 0)
        a->out = v;
    else if (strcmp(name, "--csp-id") == 0)
        a->csp_id = v;
    else if (strcmp(name, "--line") == 0)
        return true; /* read before the others: it sets their defaults */
    else if (strcmp(name, "--revoke") == 0) {
        a->crl.revoke_ask = strcmp(v, "ask") == 0;
        a->crl.revoke_asvk = strcmp(v, "asvk") == 0;
    } else
        return false;
    return true;
}

static enum sim_line find_line(int argc, char **argv)
{
    for (int i = 2; i + 1 < argc; i++)
        if (strcmp(argv[i], "--line") == 0) {
            int line = sim_line_by_name(argv[i + 1]);
            if (line < 0)
                sim_die("no such line", argv[i + 1]);
            return (enum sim_line)line;
        }
    return SIM_MILAN;
}

static void parse(int argc, char **argv, struct args *a)
{
    *a = (struct args){ .verb = argv[1] };
    sim_report_defaults(find_line(argc, argv), &a->report);
    for (int i = 2; i < argc; i++) {
        if (flag(a, argv[i]))
            continue;
        if (i + 1 >= argc)
            sim_die("not an option, or its value is missing", argv[i]);
        const char *v = argv[i + 1];
        if (!report_field(&a->report, argv[i], v) && !tcb_field(a, argv[i], v) &&
            !other_field(a, argv[i], v))
            sim_die("not an option", argv[i]);
        i++;
    }
    if (!a->pki)
        sim_die("--pki DIR is required", NULL);
    /* the certificate names the chip also when the host masks the report's chip id */
    sim_cert_defaults(&a->report, a->vlek, &a->cert);
    if (a->vlek)
        sim_report_vlek(&a->report);
    if (a->masked)
        memset(a->report.chip_id, 0, sizeof a->report.chip_id);
    if (a->csp_id)
        a->cert.csp_id = a->csp_id;
    if (a->has_cert_tcb)
        a->cert.tcb = a->cert_tcb;
    if (a->cert_expired)
        a->cert.until = 1709251200;
}

static int run(struct args *a)
{
    VD_AUTO(sim_pki_free) struct sim_pki *pki = sim_pki_load(a->pki, a->report.line);
    VD_AUTO_BUF cert = vd_buf_of(8192);
    VD_AUTO_BUF out = vd_buf_of(1u << 20);
    uint8_t report[SIM_REPORT];
    if (strcmp(a->verb, "pki") == 0) {
        vd_buf_printf(&out, "%s\n", sim_pki_roots(pki));
        return sim_write(a->out, vd_buf_span(&out));
    }
    if (strcmp(a->verb, "crl") == 0) {
        sim_crl_make(pki, &a->crl, &out);
        return sim_write(a->out, vd_buf_span(&out));
    }
    sim_cert_make(pki, &a->cert, &cert);
    if (strcmp(a->verb, "cert") == 0)
        return sim_write(a->out, vd_buf_span(&cert));
    bool attest = strcmp(a->verb, "attest") == 0;
    if (attest)
        sim_read_request(a->report.report_data);
    sim_report_bytes(&a->report, report);
    sim_report_sign(pki, a->vlek, report);
    if (!attest)
        return sim_write(a->out, vd_span_of(report, sizeof report));
    sim_evidence_json(vd_span_of(report, sizeof report), a->report.line, a->vlek ? "VLEK" : "VCEK",
                      a->without_cert ? VD_SPAN_NONE : vd_buf_span(&cert), &out);
    return sim_write(a->out, vd_buf_span(&out));
}

int main(int argc, char **argv)
{
    static const char *const verbs[] = { "pki", "attest", "report", "cert", "crl" };
    bool known = false;
    for (size_t i = 0; argc > 1 && i < sizeof verbs / sizeof verbs[0]; i++)
        known = known || strcmp(argv[1], verbs[i]) == 0;
    if (!known) {
        (void)fputs(usage, argc > 1 && strcmp(argv[1], "--help") == 0 ? stdout : stderr);
        return argc > 1 && strcmp(argv[1], "--help") == 0 ? 0 : 1;
    }
    struct args a;
    parse(argc, argv, &a);
    return run(&a);
}
