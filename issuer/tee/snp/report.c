/* Parser of the SEV-SNP attestation report; see report.h. Offsets: AMD 56860, ATTESTATION_REPORT.
 */
#include "issuer/tee/snp/report.h"

const char *snp_line_name(enum snp_line line)
{
    static const char *const name[] = {
        [SNP_LINE_UNKNOWN] = "unknown",
        [SNP_MILAN] = "Milan",
        [SNP_GENOA] = "Genoa",
        [SNP_TURIN] = "Turin",
    };
    _Static_assert(sizeof name / sizeof name[0] == SNP_LINE_MAX, "a name for each line");
    return line < SNP_LINE_MAX ? name[line] : name[SNP_LINE_UNKNOWN];
}

enum snp_line snp_line_of_cpuid(uint8_t family, uint8_t model)
{
    static const struct {
        uint8_t family;
        uint8_t first;
        uint8_t last;
        enum snp_line line;
    } models[] = {
        { 0x19, 0x00, 0x0f, SNP_MILAN },
        { 0x19, 0x10, 0x1f, SNP_GENOA },
        { 0x19, 0xa0, 0xaf, SNP_GENOA }, /* Bergamo and Siena share Genoa's root */
        { 0x1a, 0x00, 0x11, SNP_TURIN },
    };
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i++)
        if (family == models[i].family && model >= models[i].first && model <= models[i].last)
            return models[i].line;
    return SNP_LINE_UNKNOWN;
}

vd_rc snp_tcb_parse(vd_span raw, enum snp_line line, struct snp_tcb *ret, vd_err *err)
{
    vd_rd r = vd_rd_of(raw);
    struct snp_tcb t = { .has_fmc = line == SNP_TURIN };
    uint64_t reserved;
    if (t.has_fmc) {
        t.fmc = vd_rd_u8(&r);
        t.bootloader = vd_rd_u8(&r);
        t.tee = vd_rd_u8(&r);
        t.snp = vd_rd_u8(&r);
        reserved = vd_rd_le(&r, 3);
    } else {
        t.bootloader = vd_rd_u8(&r);
        t.tee = vd_rd_u8(&r);
        reserved = vd_rd_le(&r, 4);
        t.snp = vd_rd_u8(&r);
    }
    t.microcode = vd_rd_u8(&r);
    if (!vd_rd_end(&r) || reserved != 0)
        return vd_fail(err, VD_E_BAD_EVIDENCE, "snp: a TCB version has reserved bytes set for %s",
                       snp_line_name(line));
    *ret = t;
    return VD_OK;
}

void snp_tcb_put(const struct snp_tcb *t, enum snp_line line, vd_buf *out)
{
    if (line == SNP_TURIN) {
        vd_buf_u8(out, t->fmc);
        vd_buf_u8(out, t->bootloader);
        vd_buf_u8(out, t->tee);
        vd_buf_u8(out, t->snp);
        vd_buf_le(out, 0, 3);
    } else {
        vd_buf_u8(out, t->bootloader);
        vd_buf_u8(out, t->tee);
        vd_buf_le(out, 0, 4);
        vd_buf_u8(out, t->snp);
    }
    vd_buf_u8(out, t->microcode);
}

bool snp_tcb_eq(const struct snp_tcb *a, const struct snp_tcb *b)
{
    return a->has_fmc == b->has_fmc && a->fmc == b->fmc && a->bootloader == b->bootloader &&
           a->tee == b->tee && a->snp == b->snp && a->microcode == b->microcode;
}

bool snp_tcb_le(const struct snp_tcb *a, const struct snp_tcb *b)
{
    return a->fmc <= b->fmc && a->bootloader <= b->bootloader && a->tee <= b->tee &&
           a->snp <= b->snp && a->microcode <= b->microcode;
}

static struct snp_firmware read_firmware(vd_rd *r)
{
    struct snp_firmware f;
    f.build = vd_rd_u8(r);
    f.minor = vd_rd_u8(r);
    f.major = vd_rd_u8(r);
    return f;
}

/* Reserved fields are collected here: one test, after the whole layout was read. */
struct reserved {
    vd_span part[10];
    size_t at[10];
    size_t n;
};

static void add_reserved(struct reserved *z, size_t at, vd_span part)
{
    z->at[z->n] = at;
    z->part[z->n++] = part;
}

static void take_reserved(struct reserved *z, vd_rd *r, size_t n)
{
    size_t at = r->at;
    add_reserved(z, at, vd_rd_take(r, n));
}

/* Bytes 0x000 to 0x18B: the same in every version but for the CPUID bytes at the end. */
static void read_first(vd_rd *r, struct snp_report *q, struct reserved *z)
{
    q->version = vd_rd_u32le(r);
    q->guest_svn = vd_rd_u32le(r);
    q->policy = vd_rd_u64le(r);
    q->family_id = vd_rd_take(r, 16);
    q->image_id = vd_rd_take(r, 16);
    q->vmpl = vd_rd_u32le(r);
    q->sig_algo = vd_rd_u32le(r);
    q->current_tcb = vd_rd_take(r, 8);
    q->plat_info = vd_rd_u64le(r);
    q->key_info = vd_rd_u32le(r);
    take_reserved(z, r, 4);
    q->report_data = vd_rd_take(r, 64);
    q->measurement = vd_rd_take(r, 48);
    q->host_data = vd_rd_take(r, 32);
    q->id_key_digest = vd_rd_take(r, 48);
    q->author_key_digest = vd_rd_take(r, 48);
    q->report_id = vd_rd_take(r, 32);
    q->report_id_ma = vd_rd_take(r, 32);
    q->reported_tcb = vd_rd_take(r, 8);
    q->has_cpuid = q->version >= 3;
    if (q->has_cpuid) {
        q->cpuid_fam = vd_rd_u8(r);
        q->cpuid_mod = vd_rd_u8(r);
        q->cpuid_step = vd_rd_u8(r);
        take_reserved(z, r, 21);
    } else {
        take_reserved(z, r, 24);
    }
}

/* Bytes 0x1A0 to the end. */
static void read_second(vd_rd *r, struct snp_report *q, struct reserved *z)
{
    q->chip_id = vd_rd_take(r, SNP_CHIP_ID);
    q->committed_tcb = vd_rd_take(r, 8);
    q->current = read_firmware(r);
    take_reserved(z, r, 1);
    q->committed = read_firmware(r);
    take_reserved(z, r, 1);
    q->launch_tcb = vd_rd_take(r, 8);
    q->has_mit = q->version >= 5;
    if (q->has_mit) {
        q->launch_mit_vector = vd_rd_u64le(r);
        q->current_mit_vector = vd_rd_u64le(r);
        take_reserved(z, r, 152);
    } else {
        take_reserved(z, r, 168);
    }
    size_t at = r->at + SNP_SIG_USED;
    q->sig_r = vd_rd_take(r, SNP_SIG_PART);
    q->sig_s = vd_rd_take(r, SNP_SIG_PART);
    add_reserved(z, at, vd_span_part(q->sig_r, SNP_SIG_USED, SNP_SIG_PART));
    add_reserved(z, at + SNP_SIG_PART, vd_span_part(q->sig_s, SNP_SIG_USED, SNP_SIG_PART));
    take_reserved(z, r, 368);
}

vd_rc snp_report_parse(vd_span in, struct snp_report *ret, vd_err *err)
{
    struct snp_report q = { 0 };
    struct reserved z = { 0 };
    vd_rd r = vd_rd_of(in);
    read_first(&r, &q, &z);
    if (!r.bad && (q.version < 2 || q.version > 5))
        return vd_fail(err, VD_E_EVIDENCE_VERSION,
                       "snp: report version %u is not known (2 to 5 are)", q.version);
    read_second(&r, &q, &z);
    if (!vd_rd_end(&r))
        return vd_fail(err, VD_E_BAD_EVIDENCE, "snp report: %s at byte %zu of %zu",
                       r.bad ? "short" : "trailing bytes", r.bad ? r.bad_at : r.at, in.n);
    for (size_t i = 0; i < z.n; i++)
        if (!vd_span_zero(z.part[i]))
            return vd_fail(err, VD_E_BAD_EVIDENCE,
                           "snp report: reserved bytes at 0x%zx are not zero", z.at[i]);
    q.signed_part = vd_span_part(in, 0, SNP_SIGNED_BYTES);
    *ret = q;
    return VD_OK;
}

enum snp_line snp_report_line(const struct snp_report *r)
{
    return r->has_cpuid ? snp_line_of_cpuid(r->cpuid_fam, r->cpuid_mod) : SNP_LINE_UNKNOWN;
}

bool snp_report_looks_turin(const struct snp_report *r)
{
    vd_span head = vd_span_part(r->chip_id, 0, SNP_TURIN_HWID);
    vd_span rest = vd_span_part(r->chip_id, SNP_TURIN_HWID, SNP_CHIP_ID - SNP_TURIN_HWID);
    return !vd_span_zero(head) && vd_span_zero(rest);
}
