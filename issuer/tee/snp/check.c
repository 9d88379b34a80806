/* The checks; see check.h. Every refusal is recorded before it is returned, so that `verify` and an
 * owner's explanation show the same line that decided. */
#include "issuer/tee/snp/check.h"

#include "shared/codec/b64.h"
#include "shared/crypto/hash.h"

enum { TEXT = 200 };
struct text {
    char s[TEXT];
};

void snp_note(struct snp_case *c, const char *name, bool ok, const char *observed,
              const char *expected)
{
    iss_check_add(c->list, name, ok, observed, expected);
}

static struct text number(uint64_t v)
{
    struct text t;
    (void)snprintf(t.s, TEXT, "%llu", (unsigned long long)v);
    return t;
}

static struct text bits(uint64_t v)
{
    struct text t;
    (void)snprintf(t.s, TEXT, "0x%llx", (unsigned long long)v);
    return t;
}

static struct text hex(vd_span s)
{
    static const char digit[] = "0123456789abcdef";
    struct text t = { { 0 } };
    for (size_t i = 0; i < s.n && 2 * i + 2 < TEXT; i++) {
        t.s[2 * i] = digit[s.p[i] >> 4];
        t.s[2 * i + 1] = digit[s.p[i] & 15];
    }
    return t;
}

static struct text tcb_text(const struct snp_tcb *t)
{
    struct text out;
    int n = snprintf(out.s, TEXT, "bootloader %u tee %u snp %u microcode %u", t->bootloader, t->tee,
                     t->snp, t->microcode);
    if (t->has_fmc && n > 0 && n < TEXT)
        (void)snprintf(out.s + n, TEXT - (size_t)n, " fmc %u", t->fmc);
    return out;
}

static struct text firmware_text(const struct snp_firmware *f)
{
    struct text t;
    (void)snprintf(t.s, TEXT, "%u.%u.%u", f->major, f->minor, f->build);
    return t;
}

static vd_rc check_version(struct snp_case *c, vd_err *err)
{
    uint32_t lowest = c->cfg->allow_v2 ? 2 : 3;
    bool ok = c->report.version >= lowest && c->report.version <= 5;
    snp_note(c, "report version", ok, number(c->report.version).s,
             lowest == 2 ? "2 to 5" : "3 to 5");
    if (!ok)
        return vd_fail(err, VD_E_EVIDENCE_VERSION,
                       "snp: report version %u is refused; tee.snp.allow_v2 allows it",
                       c->report.version);
    ok = c->report.sig_algo == 1;
    snp_note(c, "signature algorithm", ok, number(c->report.sig_algo).s,
             "1 (ECDSA P-384 with SHA-384)");
    if (!ok)
        return vd_fail(err, VD_E_BAD_EVIDENCE,
                       "snp: signature algorithm %u is not 1 (ECDSA P-384 with SHA-384)",
                       c->report.sig_algo);
    return VD_OK;
}

static vd_rc check_product(struct snp_case *c, vd_err *err)
{
    c->line = snp_report_line(&c->report);
    if (!c->report.has_cpuid) /* the chain tells the line of a version 2 report */
        return VD_OK;
    struct text seen;
    (void)snprintf(seen.s, TEXT, "family 0x%02x model 0x%02x stepping %u", c->report.cpuid_fam,
                   c->report.cpuid_mod, c->report.cpuid_step);
    bool ok = c->line != SNP_LINE_UNKNOWN;
    snp_note(c, "processor", ok, seen.s, ok ? snp_line_name(c->line) : "Milan, Genoa or Turin");
    if (!ok)
        return vd_fail(err, VD_E_PRODUCT, "snp: no root is pinned for processor %s", seen.s);
    return VD_OK;
}

static vd_rc check_bits(struct snp_case *c, vd_err *err)
{
    const struct snp_report *r = &c->report;
    bool ok = snp_bit(r->policy, SNP_POLICY_ONE) && r->policy >> SNP_POLICY_RESERVED == 0;
    snp_note(c, "reserved bits of the guest policy", ok, bits(r->policy).s,
             "bit 17 set, 26 to 63 clear");
    if (!ok)
        return vd_fail(err, VD_E_BAD_EVIDENCE, "snp: guest policy 0x%llx has reserved bits wrong",
                       (unsigned long long)r->policy);
    /* newer firmware adds platform bits, and they say nothing that is relied on: recorded, not
     * refused */
    uint64_t unknown = r->plat_info & ~SNP_PLATFORM_KNOWN;
    snp_note(c,
             unknown ? "platform information (unknown bits are ignored)" : "platform information",
             true, bits(r->plat_info).s, "known bits 0 to 5 and 7");
    ok = r->key_info >> 5 == 0;
    snp_note(c, "reserved bits of the key information", ok, bits(r->key_info).s,
             "bits 5 to 31 clear");
    if (!ok)
        return vd_fail(err, VD_E_BAD_EVIDENCE, "snp: key information 0x%x has reserved bits set",
                       r->key_info);
    return VD_OK;
}

static vd_rc check_signing_key(struct snp_case *c, vd_err *err)
{
    bool masked = snp_mask_chip_key(&c->report);
    snp_note(c, "chip key", !masked, masked ? "masked: the report is not signed" : "not masked",
             "not masked");
    if (masked)
        return vd_fail(err, VD_E_KEY_TYPE,
                       "snp: the host masks the chip key (MASK_CHIP_KEY), so reports are "
                       "not signed");
    unsigned key = snp_signing_key(&c->report);
    bool ok = key == SNP_KEY_VCEK || key == SNP_KEY_VLEK;
    snp_note(c, "signing key", ok,
             key == SNP_KEY_VCEK   ? "VCEK"
             : key == SNP_KEY_VLEK ? "VLEK"
                                   : number(key).s,
             "VCEK or VLEK");
    if (!ok)
        return vd_fail(err, VD_E_KEY_TYPE, "snp: signing key %u is neither VCEK nor VLEK", key);
    return VD_OK;
}

vd_rc snp_check_report(struct snp_case *c, vd_err *err)
{
    VD_TRY(check_version(c, err));
    VD_TRY(check_product(c, err));
    VD_TRY(check_bits(c, err));
    return check_signing_key(c, err);
}

vd_rc snp_case_tcbs(struct snp_case *c, enum snp_line line, vd_err *err)
{
    VD_TRY(snp_tcb_parse(c->report.current_tcb, line, &c->current, err));
    VD_TRY(snp_tcb_parse(c->report.committed_tcb, line, &c->committed, err));
    VD_TRY(snp_tcb_parse(c->report.reported_tcb, line, &c->reported, err));
    return snp_tcb_parse(c->report.launch_tcb, line, &c->launch, err);
}

static void reverse(vd_span little, uint8_t *big)
{
    for (size_t i = 0; i < SNP_SIG_USED; i++)
        big[i] = little.p[SNP_SIG_USED - 1 - i];
}

static vd_rc check_signature(struct snp_case *c, vd_err *err)
{
    /* the parser saw to it that the bytes behind the significant ones are zero */
    uint8_t rs[2 * SNP_SIG_USED];
    reverse(c->report.sig_r, rs);
    reverse(c->report.sig_s, rs + SNP_SIG_USED);
    vd_err cause = { 0 };
    vd_rc_ rc = vd_verify_ecdsa_raw(c->trust->key, VD_SHA384, c->report.signed_part,
                                    vd_span_of(rs, sizeof rs), &cause);
    bool ok = rc.code == VD_E_OK;
    snp_note(c, "report signature", ok, ok ? "verifies" : "does not verify", c->trust->vek.subject);
    if (!ok)
        return vd_fail(err, VD_E_SIG, "snp: the report's signature does not verify under its %s",
                       c->trust->vek.subject);
    return VD_OK;
}

static vd_rc check_tcb(struct snp_case *c, vd_err *err)
{
    VD_TRY(snp_case_tcbs(c, c->line, err));
    bool ok = snp_tcb_eq(&c->trust->vek.tcb, &c->reported);
    snp_note(c, "reported TCB is the certificate's", ok, tcb_text(&c->reported).s,
             tcb_text(&c->trust->vek.tcb).s);
    if (!ok)
        return vd_fail(err, VD_E_TCB, "snp: reported TCB (%s) is not that of the certificate (%s)",
                       tcb_text(&c->reported).s, tcb_text(&c->trust->vek.tcb).s);
    return VD_OK;
}

static vd_rc check_chip(struct snp_case *c, vd_err *err)
{
    const struct snp_vek *v = &c->trust->vek;
    c->chip_id_masked = v->kind == SNP_KEY_VCEK && vd_span_zero(c->report.chip_id);
    vd_span seen = c->report.chip_id;
    if (v->kind == SNP_KEY_VLEK) {
        bool ok = vd_span_zero(seen);
        snp_note(c, "chip id under a VLEK", ok, hex(seen).s, "all zero");
        return ok ? VD_OK : vd_fail(err, VD_E_CHIP, "snp: a report signed by a VLEK names a chip");
    }
    if (c->chip_id_masked) {
        snp_note(c, "chip id", true, "masked by the host", "not compared");
        return VD_OK;
    }
    vd_span hwid = vd_span_of(v->hwid, v->hwid_n);
    vd_span head = vd_span_part(seen, 0, v->hwid_n);
    vd_span rest = vd_span_part(seen, v->hwid_n, SNP_CHIP_ID);
    bool ok = vd_span_eq(head, hwid) && vd_span_zero(rest);
    snp_note(c, "chip id is the certificate's", ok, hex(seen).s, hex(hwid).s);
    if (!ok)
        return vd_fail(err, VD_E_CHIP, "snp: the report names another chip than its certificate");
    return VD_OK;
}

static vd_rc check_cloud(struct snp_case *c, vd_err *err)
{
    const struct snp_vek *v = &c->trust->vek;
    if (v->kind != SNP_KEY_VLEK)
        return VD_OK;
    bool ok = false;
    for (size_t i = 0; i < c->cfg->n_csp_ids && !ok; i++)
        ok = vd_span_eq_str(VD_LIT("*"), c->cfg->csp_ids[i]) ||
             vd_span_eq_str(vd_span_str(v->csp_id), c->cfg->csp_ids[i]);
    snp_note(c, "cloud provider of the VLEK", ok, v->csp_id, "listed in tee.snp.vlek_csp_ids");
    if (!ok)
        return vd_fail(err, VD_E_CSP,
                       "snp: cloud provider %s is not listed in tee.snp.vlek_csp_ids", v->csp_id);
    return VD_OK;
}

static vd_rc check_vmpl(struct snp_case *c, vd_err *err)
{
    bool ok = c->report.vmpl <= 3 && c->report.vmpl <= c->cfg->max_vmpl;
    struct text want;
    (void)snprintf(want.s, TEXT, "at most %llu", (unsigned long long)c->cfg->max_vmpl);
    snp_note(c, "VMPL", ok, number(c->report.vmpl).s, want.s);
    if (!ok)
        return vd_fail(err, VD_E_VMPL,
                       "snp: the report was made at VMPL %u, tee.snp.allow_vmpl is %llu",
                       c->report.vmpl, (unsigned long long)c->cfg->max_vmpl);
    return VD_OK;
}

/* expected, filled up with zeros to the width of the field, is what the guest or the host put there
 */
static bool padded_equal(vd_span field, vd_span expected)
{
    vd_span head = vd_span_part(field, 0, expected.n);
    vd_span rest = vd_span_part(field, expected.n, field.n);
    return vd_ct_equal(head, expected) && vd_span_zero(rest);
}

vd_rc snp_check_binding(struct snp_case *c, vd_err *err)
{
    const struct iss_expected *want = &c->in->report_data;
    if (want->given) {
        bool ok = want->value.n <= c->report.report_data.n &&
                  padded_equal(c->report.report_data, want->value);
        snp_note(c, "report data", ok, hex(c->report.report_data).s, hex(want->value).s);
        if (!ok)
            return vd_fail(err, VD_E_BINDING,
                           "snp: report data is not what was expected (%zu bytes, padded "
                           "with zeros)",
                           want->value.n);
    }
    want = &c->in->init_data;
    if (want->given) {
        /* a longer digest is cut to the field by everybody who fills it: 32 bytes are what the host
         * can set */
        vd_span value = vd_span_part(want->value, 0, c->report.host_data.n);
        bool ok = padded_equal(c->report.host_data, value);
        snp_note(c, "host data is the init data's digest", ok, hex(c->report.host_data).s,
                 hex(value).s);
        if (!ok)
            return vd_fail(err, VD_E_INIT_DATA,
                           "snp: host data is not the digest of the init data");
    }
    return VD_OK;
}

static vd_rc check_rollback(struct snp_case *c, vd_err *err)
{
    bool ok = snp_tcb_le(&c->reported, &c->current);
    snp_note(c, "reported TCB at most the current", ok, tcb_text(&c->reported).s,
             tcb_text(&c->current).s);
    if (!ok)
        return vd_fail(err, VD_E_TCB, "snp: reported TCB is above the current one");
    ok = snp_tcb_le(&c->committed, &c->current);
    snp_note(c, "committed TCB at most the current", ok, tcb_text(&c->committed).s,
             tcb_text(&c->current).s);
    if (!ok)
        return vd_fail(err, VD_E_TCB, "snp: committed TCB is above the current one");
    if (c->cfg->permit_provisional)
        return VD_OK;
    const struct snp_firmware *now = &c->report.current;
    const struct snp_firmware *kept = &c->report.committed;
    ok = snp_tcb_eq(&c->committed, &c->current);
    snp_note(c, "firmware is committed (TCB)", ok, tcb_text(&c->committed).s,
             tcb_text(&c->current).s);
    if (ok) {
        ok = now->major == kept->major && now->minor == kept->minor && now->build == kept->build;
        snp_note(c, "firmware is committed (version)", ok, firmware_text(kept).s,
                 firmware_text(now).s);
    }
    if (!ok)
        return vd_fail(err, VD_E_TCB,
                       "snp: the running firmware is provisional and can be rolled back; "
                       "tee.snp.permit_provisional allows it");
    return VD_OK;
}

static vd_rc check_guest_policy(struct snp_case *c, vd_err *err)
{
    bool debug = snp_bit(c->report.policy, SNP_POLICY_DEBUG);
    bool ok = !debug || c->cfg->allow_debug;
    snp_note(c, "debugging", ok,
             debug ? "allowed by the guest policy" : "forbidden by the guest policy",
             c->cfg->allow_debug ? "either" : "forbidden");
    if (!ok)
        return vd_fail(err, VD_E_DEBUG,
                       "snp: the guest policy allows debugging: the host can read the guest; "
                       "tee.snp.allow_debug lets it pass, marked");
    bool migratable = snp_bit(c->report.policy, SNP_POLICY_MIGRATE_MA);
    ok = !migratable || c->cfg->allow_migratable;
    snp_note(c, "migration agent", ok,
             migratable ? "allowed by the guest policy" : "forbidden by the guest policy",
             c->cfg->allow_migratable ? "either" : "forbidden");
    if (!ok)
        return vd_fail(err, VD_E_MIGRATABLE,
                       "snp: the guest policy allows a migration agent, which could clone "
                       "the guest; tee.snp.allow_migratable lets it pass");
    return VD_OK;
}

vd_rc snp_check_trusted(struct snp_case *c, vd_err *err)
{
    VD_TRY(check_signature(c, err));
    VD_TRY(check_tcb(c, err));
    VD_TRY(check_chip(c, err));
    VD_TRY(check_cloud(c, err));
    VD_TRY(check_vmpl(c, err));
    VD_TRY(check_rollback(c, err));
    return check_guest_policy(c, err);
}
