/* Claims of SNP evidence; see claims.h. 64-bit vectors are hexadecimal strings: policies read JSON
 * numbers as doubles. */
#include "issuer/tee/snp/claims.h"

#include "shared/codec/b64.h"

static void put_policy(vd_jw *w, uint64_t policy)
{
    static const struct {
        const char *name;
        unsigned bit;
    } rows[] = {
        { "policy_smt_allowed", SNP_POLICY_SMT },
        { "policy_migrate_ma", SNP_POLICY_MIGRATE_MA },
        { "policy_debug_allowed", SNP_POLICY_DEBUG },
        { "policy_single_socket", SNP_POLICY_SINGLE_SOCKET },
        { "policy_cxl_allowed", SNP_POLICY_CXL },
        { "policy_aes_256_xts", SNP_POLICY_AES_256_XTS },
        { "policy_rapl_disabled", SNP_POLICY_RAPL_DIS },
        { "policy_ciphertext_hiding", SNP_POLICY_CIPHERTEXT_HIDING },
        { "policy_page_swap_disabled", SNP_POLICY_PAGE_SWAP_DISABLE },
    };
    vd_jw_ku64(w, "policy_abi_major", policy >> 8 & 0xff);
    vd_jw_ku64(w, "policy_abi_minor", policy & 0xff);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        vd_jw_kbool(w, rows[i].name, snp_bit(policy, rows[i].bit));
}

static void put_platform(vd_jw *w, uint64_t info)
{
    static const struct {
        const char *name;
        unsigned bit;
    } rows[] = {
        { "platform_smt_enabled", SNP_PLATFORM_SMT },
        { "platform_tsme_enabled", SNP_PLATFORM_TSME },
        { "platform_ecc_enabled", SNP_PLATFORM_ECC },
        { "platform_rapl_disabled", SNP_PLATFORM_RAPL_DIS },
        { "platform_ciphertext_hiding", SNP_PLATFORM_CIPHERTEXT_HIDING },
        { "platform_alias_check_complete", SNP_PLATFORM_ALIAS_CHECK },
        { "platform_tio_enabled", SNP_PLATFORM_TIO },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        vd_jw_kbool(w, rows[i].name, snp_bit(info, rows[i].bit));
}

/* Member names of one TCB version, in the order of struct snp_tcb. */
struct tcb_names {
    const char *fmc;
    const char *bootloader;
    const char *tee;
    const char *snp;
    const char *microcode;
};
#define TCB_NAMES(which)                                                                           \
    &(const struct tcb_names)                                                                      \
    {                                                                                              \
        which "_tcb_fmc", which "_tcb_bootloader", which "_tcb_tee", which "_tcb_snp",             \
            which "_tcb_microcode"                                                                 \
    }

static void put_tcb(vd_jw *w, const struct tcb_names *name, const struct snp_tcb *t)
{
    if (t->has_fmc)
        vd_jw_ku64(w, name->fmc, t->fmc);
    vd_jw_ku64(w, name->bootloader, t->bootloader);
    vd_jw_ku64(w, name->tee, t->tee);
    vd_jw_ku64(w, name->snp, t->snp);
    vd_jw_ku64(w, name->microcode, t->microcode);
}

static void put_version(vd_jw *w, const char *name, const struct snp_firmware *f)
{
    char text[16];
    (void)snprintf(text, sizeof text, "%u.%u.%u", f->major, f->minor, f->build);
    vd_jw_kstr(w, name, text);
}

static void put_vector(vd_jw *w, const char *name, uint64_t v)
{
    char text[20];
    (void)snprintf(text, sizeof text, "%016llx", (unsigned long long)v);
    vd_jw_kstr(w, name, text);
}

static void put_launch(vd_jw *w, const struct snp_report *r)
{
    vd_jw_khex(w, "measurement", r->measurement);
    vd_jw_khex(w, "chip_id", r->chip_id);
    vd_jw_ku64(w, "report_version", r->version);
    vd_jw_ku64(w, "vmpl", r->vmpl);
    vd_jw_ku64(w, "guest_svn", r->guest_svn);
    vd_jw_khex(w, "family_id", r->family_id);
    vd_jw_khex(w, "image_id", r->image_id);
    vd_jw_khex(w, "id_key_digest", r->id_key_digest);
    vd_jw_khex(w, "author_key_digest", r->author_key_digest);
    vd_jw_kbool(w, "author_key_en", snp_author_key_en(r));
    vd_jw_khex(w, "report_id", r->report_id);
    vd_jw_khex(w, "report_id_ma", r->report_id_ma);
    put_version(w, "current_version", &r->current);
    put_version(w, "committed_version", &r->committed);
    if (r->has_mit) {
        put_vector(w, "launch_mit_vector", r->launch_mit_vector);
        put_vector(w, "current_mit_vector", r->current_mit_vector);
    }
    vd_jw_kstr(w, "signing_key",
               snp_signing_key(r) == SNP_KEY_VCEK   ? "vcek"
               : snp_signing_key(r) == SNP_KEY_VLEK ? "vlek"
                                                    : "none");
}

static void put_trust(vd_jw *w, const struct snp_case *c)
{
    const struct snp_trust *t = c->trust;
    vd_jw_kstr(w, "vek_subject", t->vek.subject);
    vd_jw_kstr(w, "vek_product", t->vek.product);
    if (t->vek.kind == SNP_KEY_VLEK)
        vd_jw_kstr(w, "vlek_csp_id", t->vek.csp_id);
    vd_jw_kbool(w, "chip_id_masked", c->chip_id_masked);
    vd_jw_kbool(w, "crl_checked", c->crl_checked);
    vd_jw_kbool(w, "simulated", t->root->simulated);
}

vd_rc snp_claims_write(const struct snp_case *c, vd_buf *out, vd_err *err)
{
    vd_jw w = vd_jw_of(out);
    vd_jw_obj(&w);
    put_policy(&w, c->report.policy);
    put_tcb(&w, TCB_NAMES("reported"), &c->reported);
    put_platform(&w, c->report.plat_info);
    put_launch(&w, &c->report);
    put_tcb(&w, TCB_NAMES("current"), &c->current);
    put_tcb(&w, TCB_NAMES("committed"), &c->committed);
    put_tcb(&w, TCB_NAMES("launch"), &c->launch);
    if (c->line != SNP_LINE_UNKNOWN)
        vd_jw_kstr(&w, "product", snp_line_name(c->line));
    if (c->trust)
        put_trust(&w, c);
    vd_jw_end(&w);
    return vd_buf_check(out, err);
}

static void put_hw_id(struct iss_claims *to, vd_span id)
{
    static const char digit[] = "0123456789abcdef";
    size_t n = 0;
    for (size_t i = 0; i < id.n && n + 2 <= ISS_HW_ID_MAX; i++) {
        to->hw_id[n++] = digit[id.p[i] >> 4];
        to->hw_id[n++] = digit[id.p[i] & 15];
    }
    to->hw_id[n] = '\0';
}

vd_rc snp_claims_add(const struct snp_case *c, vd_err *err)
{
    struct iss_claims *to = iss_claims_add(c->list, "snp", "cpu");
    if (!to)
        return vd_fail(err, VD_E_TOO_LARGE, "snp: more than %d entries of claims", ISS_CLAIMS_MAX);
    VD_TRY(snp_claims_write(c, &to->claims, err));
    vd_hex_encode(c->report.report_data, &to->report_data);
    vd_hex_encode(c->report.host_data, &to->init_data);
    VD_TRY(vd_buf_check(&to->report_data, err));
    VD_TRY(vd_buf_check(&to->init_data, err));
    to->has_report_data = true;
    to->has_init_data = true;
    to->debug = snp_bit(c->report.policy, SNP_POLICY_DEBUG);
    to->simulated = c->trust->root->simulated;
    /* the certificate's id: on Turin eight bytes, which is what names the chip */
    if (!c->chip_id_masked)
        put_hw_id(to, vd_span_of(c->trust->vek.hwid, c->trust->vek.hwid_n));
    return VD_OK;
}
