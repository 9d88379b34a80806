/* Options of the program simtdx; see options.h. */
#include "tests/support/simtdx/options.h"

#include <string.h>
#include <time.h>

#include "shared/base/clock.h"

struct hex_row {
    const char *name;
    uint8_t *to;
    size_t n;
};

static bool hex_option(struct simtdx_args *a, const char *name, const char *v)
{
    struct simtdx_td *td = &a->quote.td;
    struct simtdx_enclave *e = &a->quote.enclave;
    const struct hex_row rows[] = {
        { "--tcb-svn", td->tcb_svn, sizeof td->tcb_svn },
        { "--tcb-svn2", td->tcb_svn2, sizeof td->tcb_svn2 },
        { "--mr-td", td->mr_td, sizeof td->mr_td },
        { "--mr-config-id", td->mr_config_id, sizeof td->mr_config_id },
        { "--mr-seam", td->mr_seam, sizeof td->mr_seam },
        { "--mrsigner-seam", td->mrsigner_seam, sizeof td->mrsigner_seam },
        { "--mr-service-td", td->mr_service_td, sizeof td->mr_service_td },
        { "--mrenclave", e->mrenclave, sizeof e->mrenclave },
        { "--mrsigner", e->mrsigner, sizeof e->mrsigner },
        { "--config-id", e->config_id, sizeof e->config_id },
        { "--components", a->pck.component, sizeof a->pck.component },
        { "--qe-mrsigner", a->quote.qe.mrsigner, sizeof a->quote.qe.mrsigner },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(name, rows[i].name) == 0) {
            sim_hex_field(v, rows[i].to, rows[i].n);
            return true;
        }
    if (strcmp(name, "--report-data") == 0) {
        sim_hex_field(v, td->report_data, sizeof td->report_data);
        sim_hex_field(v, e->report_data, sizeof e->report_data);
    } else if (strcmp(name, "--fmspc") == 0) {
        sim_hex_field(v, a->pck.fmspc, sizeof a->pck.fmspc);
        sim_hex_field(v, a->collateral.info[0].fmspc, sizeof a->pck.fmspc);
        sim_hex_field(v, a->collateral.info[1].fmspc, sizeof a->pck.fmspc);
    } else {
        return false;
    }
    return true;
}

static bool number_option(struct simtdx_args *a, const char *name, const char *v)
{
    struct simtdx_collateral *c = &a->collateral;
    if (strcmp(name, "--td-attributes") == 0)
        a->quote.td.td_attributes = sim_number(v);
    else if (strcmp(name, "--seam-attributes") == 0)
        a->quote.td.seam_attributes = sim_number(v);
    else if (strcmp(name, "--xfam") == 0)
        a->quote.td.xfam = sim_number(v);
    else if (strcmp(name, "--sgx-flags") == 0)
        a->quote.enclave.flags = sim_number(v);
    else if (strcmp(name, "--isv-svn") == 0)
        a->quote.enclave.isv_svn = (uint16_t)sim_number(v);
    else if (strcmp(name, "--isv-prod-id") == 0)
        a->quote.enclave.isv_prod_id = (uint16_t)sim_number(v);
    else if (strcmp(name, "--qe-svn") == 0)
        a->quote.qe.isv_svn = (uint16_t)sim_number(v);
    else if (strcmp(name, "--qe-flags") == 0)
        a->quote.qe.flags = sim_number(v);
    else if (strcmp(name, "--pcesvn") == 0)
        a->pck.pcesvn = (uint16_t)sim_number(v);
    else if (strcmp(name, "--serial") == 0)
        a->pck.serial = (uint32_t)sim_number(v);
    else if (strcmp(name, "--chain-order") == 0)
        a->quote.order = (enum simtdx_chain_order)sim_number(v);
    else if (strcmp(name, "--cert-type") == 0)
        a->quote.cert_type = (uint16_t)sim_number(v);
    else if (strcmp(name, "--log-size") == 0)
        a->log_size = (size_t)sim_number(v);
    else if (strcmp(name, "--eval") == 0)
        c->info[0].eval = c->info[1].eval = c->identity[0].eval = c->identity[1].eval =
            (unsigned)sim_number(v);
    else
        return false;
    return true;
}

static void list_revoked(struct simtdx_args *a, const char *who)
{
    static const char *const name[] = {
        [SIMTDX_PLATFORM] = "platform", [SIMTDX_PROCESSOR] = "processor", [SIMTDX_SIGNER] = "signer"
    };
    struct simtdx_crl *root = &a->collateral.root_crl;
    struct simtdx_crl *pck = &a->collateral.pck_crl;
    if (strcmp(who, "pck") == 0) {
        pck->revoked[0] = a->pck.serial;
        pck->n_revoked = 1;
        return;
    }
    for (size_t i = SIMTDX_PLATFORM; i < SIMTDX_CERTS_MAX; i++)
        if (strcmp(who, name[i]) == 0) {
            root->revoked[0] = simtdx_serial((enum simtdx_key)i);
            root->n_revoked = 1;
            return;
        }
    sim_die("--revoke takes pck, platform, processor or signer", who);
}

static bool text_option(struct simtdx_args *a, const char *name, const char *v)
{
    struct simtdx_collateral *c = &a->collateral;
    if (strcmp(name, "--pki") == 0)
        a->pki = v;
    else if (strcmp(name, "--out") == 0)
        a->out = v;
    else if (strcmp(name, "--init-data") == 0) {
        uint8_t digest[64];
        (void)sim_init_data(v, digest);
        memcpy(a->quote.td.mr_config_id, digest, sizeof a->quote.td.mr_config_id);
        memcpy(a->quote.enclave.config_id, digest, sizeof a->quote.enclave.config_id);
    } else if (strcmp(name, "--status") == 0)
        c->info[0].level[0].status = c->info[1].level[0].status = v;
    else if (strcmp(name, "--advisories") == 0)
        c->info[0].level[0].advisories = c->info[1].level[0].advisories = v;
    else if (strcmp(name, "--module-status") == 0)
        c->info[1].module[1].level[0].status = v;
    else if (strcmp(name, "--qe-status") == 0)
        c->identity[0].level[0].status = c->identity[1].level[0].status = v;
    else if (strcmp(name, "--revoke") == 0)
        list_revoked(a, v);
    else
        return strcmp(name, "--tee") == 0 || strcmp(name, "--quote-version") == 0 ||
               strcmp(name, "--body") == 0 || strcmp(name, "--at") == 0; /* read before */
    return true;
}

/* Options without a value; false: none of these. */
static bool flag(struct simtdx_args *a, const char *name)
{
    struct simtdx_collateral *c = &a->collateral;
    if (strcmp(name, "--debug") == 0) {
        a->quote.td.td_attributes |= 1;
        a->quote.enclave.flags |= 2;
    } else if (strcmp(name, "--migratable") == 0)
        a->quote.td.td_attributes |= UINT64_C(1) << 29;
    else if (strcmp(name, "--processor") == 0) {
        a->pck.processor = c->processor = true;
        a->pck.sgx_type = 0;
    } else if (strcmp(name, "--unbound") == 0)
        a->quote.unbound = true;
    else if (strcmp(name, "--stranger") == 0)
        a->quote.quote_signer = SIMTDX_STRANGER;
    else if (strcmp(name, "--qe-stranger") == 0)
        a->quote.qe_signer = SIMTDX_STRANGER;
    else if (strcmp(name, "--wrong-signer") == 0)
        c->info_signer = SIMTDX_PLATFORM;
    else if (strcmp(name, "--without-log") == 0)
        a->without_log = true;
    else if (strcmp(name, "--altered-log") == 0)
        a->altered_log = true;
    else if (strcmp(name, "--bundle") == 0)
        a->bundle = true;
    else
        return false;
    return true;
}

static const char *early(int argc, char **argv, const char *name, const char *otherwise)
{
    for (int i = 2; i + 1 < argc; i++)
        if (strcmp(argv[i], name) == 0)
            return argv[i + 1];
    return otherwise;
}

static int64_t clock_of(const char *text)
{
    int64_t at = 0;
    if (!text)
        return (int64_t)time(NULL);
    if (vd_time_parse(vd_span_str(text), &at, NULL).code != VD_E_OK)
        sim_die("--at takes 2026-06-01T00:00:00Z", text);
    return at;
}

void simtdx_options(int argc, char **argv, struct simtdx_args *a)
{
    *a = (struct simtdx_args){ .verb = argv[1] };
    a->sgx = strcmp(early(argc, argv, "--tee", "tdx"), "sgx") == 0;
    unsigned version =
        (unsigned)sim_number(early(argc, argv, "--quote-version", a->sgx ? "3" : "4"));
    unsigned body = (unsigned)sim_number(early(argc, argv, "--body", a->sgx ? "1" : "3"));
    if (version < 3 || version > 5 || body < 1 || body > 4)
        sim_die("there are quote versions 3 to 5 and body types 1 to 4", NULL);
    simtdx_quote_defaults(version, body, &a->quote);
    a->sgx = a->quote.sgx;
    simtdx_pck_defaults(&a->pck);
    simtdx_collateral_defaults(clock_of(early(argc, argv, "--at", NULL)), &a->collateral);
    for (int i = 2; i < argc; i++) {
        if (flag(a, argv[i]))
            continue;
        if (i + 1 >= argc)
            sim_die("not an option, or its value is missing", argv[i]);
        const char *v = argv[i + 1];
        if (!hex_option(a, argv[i], v) && !number_option(a, argv[i], v) &&
            !text_option(a, argv[i], v))
            sim_die("not an option", argv[i]);
        i++;
    }
    if (!a->pki)
        sim_die("--pki DIR is required", NULL);
}
