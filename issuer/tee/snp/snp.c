/* Driver of SEV-SNP: from evidence to checked claims, in the order parse, binding, certificate,
 * chain, CRL, report. A report alone proves nothing: everything of it that is used before its
 * signature was checked only refuses it, or chooses which certificate is looked at. */
#include "issuer/tee/snp/snp.h"

#include "issuer/tee/snp/claims.h"
#include "issuer/tee/snp/crl.h"
#include "issuer/tee/snp/json.h"

enum { SNP_MAX_EVIDENCE = 65536 };

struct snp {
    struct snp_cfg cfg;
    struct snp_roots *roots;
    struct snp_chains *chains;
    struct snp_crls *crls;
};

static const struct vd_setting settings[] = {
    { .key = "tee.snp.enabled",
      .type = VD_SET_BOOL,
      .def = "true",
      .help = "Accept evidence of AMD SEV-SNP." },
    { .key = "tee.snp.allow_v2",
      .type = VD_SET_BOOL,
      .def = "false",
      .help = "Accept attestation reports of version 2, which do not name their processor; the "
              "product line "
              "is then taken from the certificate chain." },
    { .key = "tee.snp.allow_vmpl",
      .type = VD_SET_U64,
      .def = "0",
      .min = 0,
      .max = 3,
      .help = "Highest VMPL at which a report may have been made. Some clouds need 1." },
    { .key = "tee.snp.permit_provisional",
      .type = VD_SET_BOOL,
      .def = "false",
      .help = "Accept a platform whose running firmware is not committed, so that it can be rolled "
              "back." },
    { .key = "tee.snp.allow_debug",
      .type = VD_SET_BOOL,
      .def = "false",
      .help = "Accept guests that the host may debug. The passport says so." },
    { .key = "tee.snp.allow_migratable",
      .type = VD_SET_BOOL,
      .def = "false",
      .help = "Accept guests whose policy allows a migration agent." },
    { .key = "tee.snp.vlek_csp_ids",
      .type = VD_SET_STRS,
      .def = "[]",
      .help =
          "Cloud providers whose VLEK certificates are accepted, as the certificate spells them "
          "(\"CN=cc-us-east-2.amazonaws.com\"). Empty: none; \"*\": any." },
    { .key = "tee.snp.crl",
      .type = VD_SET_ENUM,
      .def = "if-available",
      .choices = "if-available require",
      .help = "\"require\" refuses when no CRL is at hand. One that is there but expired or bad "
              "always refuses." },
    { .key = "tee.snp.vcek_sources",
      .type = VD_SET_STRS,
      .def = "[\"evidence\", \"offline\", \"vendor\"]",
      .help = "Where a VCEK certificate may come from: the evidence itself, [collateral] dir, "
              "AMD's KDS." },
    { .key = "tee.snp.kds_url",
      .type = VD_SET_STR,
      .def = "https://kdsintf.amd.com",
      .help = "Base address of AMD's key distribution service, or of a mirror." },
    { .key = "tee.snp.extra_roots",
      .type = VD_SET_STRS,
      .def = "[]",
      .help = "PEM files of simulated roots (root, ASK, perhaps ASVK), for tests. Passports of "
              "such guests are "
              "marked as simulated, and default policies refuse them." },
};

vd_rc snp_new(const struct snp_cfg *cfg, struct snp **ret, vd_err *err)
{
    VD_AUTO(snp_free) struct snp *s = calloc(1, sizeof *s);
    if (!s)
        return vd_fail(err, VD_E_NOMEM, "snp driver");
    s->cfg = *cfg;
    VD_TRY(snp_roots_new(cfg->extra_roots, cfg->n_extra_roots, &s->roots, err));
    VD_TRY(snp_chains_new(s->roots, cfg->chain_cache, &s->chains, err));
    VD_TRY(snp_crls_new(&s->crls, err));
    *ret = VD_TAKE(s);
    return VD_OK;
}

void snp_free(struct snp *s)
{
    if (!s)
        return;
    snp_crls_free(s->crls);
    snp_chains_free(s->chains);
    snp_roots_free(s->roots);
    free(s);
}

uint64_t snp_chain_hits(struct snp *s)
{
    return snp_chains_hits(s->chains);
}

static vd_rc read_sources(const struct vd_config *config, struct snp_cfg *cfg, vd_err *err)
{
    size_t n = 0;
    const char *const *name = vd_config_strs(config, "tee.snp.vcek_sources", &n);
    for (size_t i = 0; i < n; i++) {
        vd_span s = vd_span_str(name[i]);
        bool evidence = vd_span_eq_str(s, "evidence");
        if (!evidence && !vd_span_eq_str(s, "offline") && !vd_span_eq_str(s, "vendor"))
            return vd_fail(err, VD_E_CONFIG,
                           "tee.snp.vcek_sources: \"%.40s\" is none of evidence, offline, vendor",
                           name[i]);
        cfg->vcek_from_evidence |= evidence;
        cfg->vcek_from_collateral |= !evidence;
    }
    return VD_OK;
}

static vd_rc driver_open(const struct iss_tee_cfg *in, void **ret_state, vd_err *err)
{
    const struct vd_config *c = in->config;
    struct snp_cfg cfg = {
        .allow_v2 = vd_config_bool(c, "tee.snp.allow_v2"),
        .max_vmpl = vd_config_u64(c, "tee.snp.allow_vmpl"),
        .permit_provisional = vd_config_bool(c, "tee.snp.permit_provisional"),
        .allow_debug = vd_config_bool(c, "tee.snp.allow_debug"),
        .allow_migratable = vd_config_bool(c, "tee.snp.allow_migratable"),
        .require_crl = vd_span_eq_str(vd_span_str(vd_config_str(c, "tee.snp.crl")), "require"),
        .chain_cache = (size_t)vd_config_limits(c)->chain_cache,
    };
    cfg.csp_ids = vd_config_strs(c, "tee.snp.vlek_csp_ids", &cfg.n_csp_ids);
    cfg.extra_roots = vd_config_strs(c, "tee.snp.extra_roots", &cfg.n_extra_roots);
    VD_TRY(read_sources(c, &cfg, err));
    struct snp *s = NULL;
    VD_TRY(snp_new(&cfg, &s, err));
    *ret_state = s;
    return VD_OK;
}

static void driver_close(void *state)
{
    snp_free(state);
}

/* By the report's hardware id and TCB, from the offline directory or KDS. */
static vd_rc look_up_vcek(const struct snp_case *c, vd_buf *ret, vd_err *err)
{
    const struct snp_report *r = &c->report;
    if (!c->in->collateral || !c->cfg->vcek_from_collateral)
        return vd_fail(err, VD_E_COLLATERAL,
                       "snp: no VCEK certificate beside the evidence, and no place to look "
                       "for one");
    if (vd_span_zero(r->chip_id))
        return vd_fail(err, VD_E_COLLATERAL,
                       "snp: the chip id is masked, so its VCEK cannot be looked up");
    enum snp_line line = c->line;
    bool turin = line == SNP_TURIN || (line == SNP_LINE_UNKNOWN && snp_report_looks_turin(r));
    struct snp_tcb tcb;
    VD_TRY(snp_tcb_parse(r->reported_tcb, turin ? SNP_TURIN : SNP_MILAN, &tcb, err));
    VD_AUTO_BUF key = vd_buf_of(ISS_COLLATERAL_KEY_MAX);
    snp_vcek_key(line, vd_span_part(r->chip_id, 0, turin ? SNP_TURIN_HWID : SNP_CHIP_ID), &tcb,
                 &key);
    VD_TRY(vd_buf_check(&key, err));
    return iss_collateral_get(c->in->collateral, snp_collateral_vcek.name, vd_buf_span(&key),
                              c->in->source, ret, err);
}

/* The certificate that the report says it is signed with: given by hand, in the evidence, or looked
 * up. */
static vd_rc choose_cert(struct snp_case *c, const struct snp_evidence *e, vd_buf *fetched,
                         vd_span *ret, vd_err *err)
{
    bool vcek = snp_signing_key(&c->report) == SNP_KEY_VCEK;
    const char *kind = vcek ? "VCEK" : "VLEK";
    const char *from = "given beside the evidence";
    *ret = c->in->vcek;
    if (ret->n == 0 && e->has_chain && (c->cfg->vcek_from_evidence || !vcek)) {
        unsigned n = vcek ? e->n_vcek : e->n_vlek;
        if (n != 1)
            return vd_fail(err, VD_E_KEY_TYPE,
                           "snp: cert_chain has %u certificates of type %s, one is needed", n,
                           kind);
        *ret = vd_buf_span(vcek ? &e->vcek : &e->vlek);
        from = "from the evidence";
    }
    if (ret->n == 0 && !vcek)
        return vd_fail(err, VD_E_COLLATERAL,
                       "snp: the report is signed by a VLEK, and the evidence has none");
    if (ret->n == 0) {
        VD_TRY(look_up_vcek(c, fetched, err));
        *ret = vd_buf_span(fetched);
        from = "looked up by chip id and TCB";
    }
    snp_note(c, "signing certificate", true, from, kind);
    return VD_OK;
}

static vd_rc check_chain(struct snp *s, struct snp_case *c, vd_span cert, struct snp_trust **ret,
                         vd_err *err)
{
    enum snp_signing_key kind =
        snp_signing_key(&c->report) == SNP_KEY_VCEK ? SNP_KEY_VCEK : SNP_KEY_VLEK;
    vd_err cause = { 0 };
    vd_rc_ rc = snp_chains_verify(s->chains, cert, kind, c->line, c->in->now, ret, &cause);
    const char *want = c->line == SNP_LINE_UNKNOWN ? "a pinned root" : snp_line_name(c->line);
    if (rc.code != VD_E_OK) {
        snp_note(c, "certificate chain", false, cause.msg, want);
        return vd_fail(err, rc.code, "%s", cause.msg);
    }
    const struct snp_root *root = (*ret)->root;
    c->line = root->line;
    snp_note(c, "certificate chain", true,
             root->simulated ? "to a simulated root of the configuration"
                             : "to AMD's root, all dates valid",
             want);
    return VD_OK;
}

static vd_rc check_crl(struct snp *s, struct snp_case *c, vd_err *err)
{
    struct snp_crl_ask ask = { .root = c->trust->root,
                               .kind = c->trust->vek.kind,
                               .require = c->cfg->require_crl,
                               .now = c->in->now,
                               .collateral = c->in->collateral,
                               .source = c->in->source };
    vd_err cause = { 0 };
    vd_rc_ rc = snp_crls_check(s->crls, &ask, &c->crl_checked, &cause);
    bool ok = rc.code == VD_E_OK;
    const char *seen = !ok              ? cause.msg
                       : c->crl_checked ? "good, does not list it"
                                        : "no CRL at hand";
    snp_note(c, "revocation of the intermediate", ok, seen,
             c->cfg->require_crl ? "a good CRL" : "a good CRL, or none");
    return ok ? VD_OK : vd_fail(err, rc.code, "%s", cause.msg);
}

static vd_rc verify_parsed(struct snp *s, struct snp_case *c, struct snp_evidence *e,
                           struct snp_trust **ret_trust, vd_err *err)
{
    VD_TRY(snp_check_report(c, err));
    VD_TRY(snp_check_binding(c, err)); /* evidence of another conversation costs no signature */
    if (c->in->raw.n == 0)
        VD_TRY(snp_json_certs(c->in->json, e, err));
    VD_AUTO_BUF fetched = vd_buf_of(ISS_COLLATERAL_BYTES_MAX);
    vd_span cert;
    VD_TRY(choose_cert(c, e, &fetched, &cert, err));
    VD_TRY(check_chain(s, c, cert, ret_trust, err));
    c->trust = *ret_trust;
    VD_TRY(check_crl(s, c, err));
    return snp_check_trusted(c, err);
}

/* What a refused report says of itself, for display only. */
static void keep_unverified(struct snp_case *c)
{
    enum snp_line line = c->line;
    if (line == SNP_LINE_UNKNOWN && !c->report.has_cpuid)
        line = snp_report_looks_turin(&c->report) ? SNP_TURIN : SNP_MILAN;
    if (snp_case_tcbs(c, line, NULL).code != VD_E_OK)
        return;
    VD_AUTO_BUF claims = vd_buf_of(c->list->unverified.max);
    if (snp_claims_write(c, &claims, NULL).code == VD_E_OK)
        vd_buf_add(&c->list->unverified, vd_buf_span(&claims));
}

vd_rc snp_verify(struct snp *s, const struct iss_evidence *in, struct iss_claims_list *list,
                 vd_err *err)
{
    SNP_AUTO_EVIDENCE e = { 0 };
    vd_span bytes = in->raw;
    if (bytes.n == 0) {
        VD_TRY(snp_json_report(in->json, &e, err));
        bytes = vd_span_of(e.report, sizeof e.report);
    }
    struct snp_case c = { .cfg = &s->cfg, .in = in, .list = list };
    VD_TRY(snp_report_parse(bytes, &c.report, err));
    VD_AUTO(snp_trust_unref) struct snp_trust *trust = NULL;
    vd_rc_ rc = verify_parsed(s, &c, &e, &trust, err);
    if (rc.code == VD_E_OK)
        rc = snp_claims_add(&c, err);
    /* what another conversation's report says of itself explains nothing here */
    if (rc.code != VD_E_OK && rc.code != VD_E_BINDING)
        keep_unverified(&c);
    return rc;
}

static vd_rc driver_verify(void *state, const struct iss_evidence *in, struct iss_claims_list *list,
                           vd_err *err)
{
    return snp_verify(state, in, list, err);
}

const struct iss_tee iss_tee_snp = {
    .name = "snp",
    .abi = ISS_TEE_ABI,
    .max_evidence = SNP_MAX_EVIDENCE,
    .default_enabled = true,
    .primary = true,
    .settings = settings,
    .n_settings = sizeof settings / sizeof settings[0],
    .open = driver_open,
    .close = driver_close,
    .verify = driver_verify,
};
