/* JSON evidence back into the signed bytes; see json.h. Numbers are read from their text: policy
 * and the vectors have 64 bits. Optional members may be null or missing; what a version does not
 * sign must not be there, or a policy could be fed with bytes that nobody vouches for. */
#include "issuer/tee/snp/json.h"

enum field_kind { FIELD_INT, FIELD_BYTES, FIELD_TCB, FIELD_FIRMWARE };

/* Where a member lives in the report. Rows with a version in `since` are present from it on. */
struct field {
    const char *name;
    enum field_kind kind;
    uint16_t at;
    uint8_t size;
    uint8_t since;
};
static const struct field fields[] = {
    { "version", FIELD_INT, 0x000, 4, 0 },
    { "guest_svn", FIELD_INT, 0x004, 4, 0 },
    { "policy", FIELD_INT, 0x008, 8, 0 },
    { "family_id", FIELD_BYTES, 0x010, 16, 0 },
    { "image_id", FIELD_BYTES, 0x020, 16, 0 },
    { "vmpl", FIELD_INT, 0x030, 4, 0 },
    { "sig_algo", FIELD_INT, 0x034, 4, 0 },
    { "current_tcb", FIELD_TCB, 0x038, 8, 0 },
    { "plat_info", FIELD_INT, 0x040, 8, 0 },
    { "key_info", FIELD_INT, 0x048, 4, 0 },
    { "report_data", FIELD_BYTES, 0x050, 64, 0 },
    { "measurement", FIELD_BYTES, 0x090, 48, 0 },
    { "host_data", FIELD_BYTES, 0x0c0, 32, 0 },
    { "id_key_digest", FIELD_BYTES, 0x0e0, 48, 0 },
    { "author_key_digest", FIELD_BYTES, 0x110, 48, 0 },
    { "report_id", FIELD_BYTES, 0x140, 32, 0 },
    { "report_id_ma", FIELD_BYTES, 0x160, 32, 0 },
    { "reported_tcb", FIELD_TCB, 0x180, 8, 0 },
    { "cpuid_fam_id", FIELD_INT, 0x188, 1, 3 },
    { "cpuid_mod_id", FIELD_INT, 0x189, 1, 3 },
    { "cpuid_step", FIELD_INT, 0x18a, 1, 3 },
    { "chip_id", FIELD_BYTES, 0x1a0, 64, 0 },
    { "committed_tcb", FIELD_TCB, 0x1e0, 8, 0 },
    { "current", FIELD_FIRMWARE, 0x1e8, 3, 0 },
    { "committed", FIELD_FIRMWARE, 0x1ec, 3, 0 },
    { "launch_tcb", FIELD_TCB, 0x1f0, 8, 0 },
    { "launch_mit_vector", FIELD_INT, 0x1f8, 8, 5 },
    { "current_mit_vector", FIELD_INT, 0x200, 8, 5 },
};
enum { FIELDS = sizeof fields / sizeof fields[0], SIG_R_AT = 0x2a0, SIG_S_AT = 0x2e8 };

/* The members of the report in one walk: guests send them in the order of the table, so that each
 * is found at the first look. Names are unique, the JSON scan saw to that. */
static void find_members(vd_jv report, vd_jv member[FIELDS])
{
    size_t expected = 0;
    for (size_t i = 0; i < FIELDS; i++)
        member[i] = (vd_jv){ 0 };
    vd_jv_iter it = vd_jv_iter_of(report);
    while (vd_jv_next(&it))
        for (size_t n = 0; n < FIELDS; n++) {
            size_t i = (expected + n) % FIELDS;
            if (!vd_jv_str_eq(it.name, fields[i].name))
                continue;
            member[i] = it.value;
            expected = i + 1;
            break;
        }
}

static vd_rc bad(vd_err *err, const char *member, const char *what)
{
    return vd_fail(err, VD_E_BAD_EVIDENCE, "snp evidence: %s: %s", member, what);
}

static bool absent(vd_jv v)
{
    return !vd_jv_ok(v) || vd_jv_is(v, VD_JSON_NULL);
}

static vd_rc read_int(vd_jv v, const char *name, unsigned width, uint64_t *ret, vd_err *err)
{
    uint64_t max = width >= 8 ? UINT64_MAX : (UINT64_C(1) << (8 * width)) - 1;
    if (vd_jv_u64(v, max, ret, NULL).code != VD_E_OK)
        return bad(err, name, vd_jv_ok(v) ? "no integer within its range" : "missing");
    return VD_OK;
}

static vd_rc put_int(vd_jv v, const char *name, unsigned width, uint8_t *to, vd_err *err)
{
    uint64_t n = 0;
    VD_TRY(read_int(v, name, width, &n, err));
    for (unsigned i = 0; i < width; i++)
        to[i] = (uint8_t)(n >> (8 * i));
    return VD_OK;
}

static vd_rc put_bytes(vd_jv v, const char *name, size_t n, uint8_t *to, vd_err *err)
{
    if (vd_jv_bytes(v, to, n, NULL).code != VD_E_OK)
        return bad(err, name, vd_jv_ok(v) ? "no array of its length of bytes" : "missing");
    return VD_OK;
}

static vd_rc put_tcb(vd_jv v, const char *name, enum snp_line line, uint8_t *to, vd_err *err)
{
    if (!vd_jv_is(v, VD_JSON_OBJECT))
        return bad(err, name, vd_jv_ok(v) ? "no object" : "missing");
    vd_jv fmc = vd_jv_get(v, "fmc");
    bool turin = line == SNP_TURIN;
    if (absent(fmc) == turin)
        return bad(err, name, turin ? "fmc is missing on Turin" : "fmc on a line that has none");
    if (turin)
        VD_TRY(put_int(fmc, name, 1, to, err));
    VD_TRY(put_int(vd_jv_get(v, "bootloader"), name, 1, to + (turin ? 1 : 0), err));
    VD_TRY(put_int(vd_jv_get(v, "tee"), name, 1, to + (turin ? 2 : 1), err));
    VD_TRY(put_int(vd_jv_get(v, "snp"), name, 1, to + (turin ? 3 : 6), err));
    return put_int(vd_jv_get(v, "microcode"), name, 1, to + 7, err);
}

static vd_rc put_firmware(vd_jv v, const char *name, uint8_t *to, vd_err *err)
{
    if (!vd_jv_is(v, VD_JSON_OBJECT))
        return bad(err, name, vd_jv_ok(v) ? "no object" : "missing");
    VD_TRY(put_int(vd_jv_get(v, "build"), name, 1, to, err));
    VD_TRY(put_int(vd_jv_get(v, "minor"), name, 1, to + 1, err));
    return put_int(vd_jv_get(v, "major"), name, 1, to + 2, err);
}

/* The map of the TCB bytes must be known before they are written. Version 2 has no CPUID: there the
 * attester says by fmc which map it read with, and the signature tells whether it was right. */
static vd_rc find_line(vd_jv report, uint64_t version, enum snp_line *ret, vd_err *err)
{
    if (version < 3) {
        vd_jv fmc = vd_jv_get(vd_jv_get(report, "reported_tcb"), "fmc");
        *ret = absent(fmc) ? SNP_LINE_UNKNOWN : SNP_TURIN;
        return VD_OK;
    }
    uint64_t family = 0;
    uint64_t model = 0;
    VD_TRY(read_int(vd_jv_get(report, "cpuid_fam_id"), "cpuid_fam_id", 1, &family, err));
    VD_TRY(read_int(vd_jv_get(report, "cpuid_mod_id"), "cpuid_mod_id", 1, &model, err));
    *ret = snp_line_of_cpuid((uint8_t)family, (uint8_t)model);
    if (*ret == SNP_LINE_UNKNOWN)
        return vd_fail(err, VD_E_PRODUCT,
                       "snp: no root is pinned for processor family 0x%02x model 0x%02x",
                       (unsigned)family, (unsigned)model);
    return VD_OK;
}

static vd_rc put_field(vd_jv v, const struct field *f, enum snp_line line, uint8_t *report,
                       vd_err *err)
{
    uint8_t *to = report + f->at;
    switch (f->kind) {
    case FIELD_INT:
        return put_int(v, f->name, f->size, to, err);
    case FIELD_BYTES:
        return put_bytes(v, f->name, f->size, to, err);
    case FIELD_TCB:
        return put_tcb(v, f->name, line, to, err);
    case FIELD_FIRMWARE:
        return put_firmware(v, f->name, to, err);
    }
    VD_NEVER(err);
}

static vd_rc put_report(vd_jv v, uint8_t report[SNP_REPORT_BYTES], vd_err *err)
{
    if (!vd_jv_is(v, VD_JSON_OBJECT))
        return bad(err, "attestation_report", "no object");
    uint64_t version = 0;
    VD_TRY(read_int(vd_jv_get(v, "version"), "version", 4, &version, err));
    if (version < 2 || version > 5)
        return vd_fail(err, VD_E_EVIDENCE_VERSION,
                       "snp: report version %u is not known (2 to 5 are)", (unsigned)version);
    enum snp_line line = SNP_LINE_UNKNOWN;
    VD_TRY(find_line(v, version, &line, err));
    vd_jv member[FIELDS];
    find_members(v, member);
    for (size_t i = 0; i < FIELDS; i++) {
        const struct field *f = &fields[i];
        if (version >= f->since)
            VD_TRY(put_field(member[i], f, line, report, err));
        else if (!absent(member[i]))
            return bad(err, f->name, "a report of this version does not sign it");
    }
    vd_jv sig = vd_jv_get(v, "signature");
    VD_TRY(put_bytes(vd_jv_get(sig, "r"), "signature.r", SNP_SIG_PART, report + SIG_R_AT, err));
    return put_bytes(vd_jv_get(sig, "s"), "signature.s", SNP_SIG_PART, report + SIG_S_AT, err);
}

static vd_rc take_cert(vd_jv data, vd_buf *out, vd_err *err)
{
    size_t n = vd_jv_count(data);
    if (n == 0 || n > SNP_CERT_BYTES)
        return bad(err, "cert_chain", "a certificate is empty or too long");
    uint8_t *to = vd_buf_extend(out, n);
    if (!to)
        return vd_buf_check(out, err);
    return put_bytes(data, "cert_chain", n, to, err);
}

/* Only the entries that could have signed the report are read: a root from the evidence is never
 * used. */
static vd_rc take_chain(vd_jv chain, struct snp_evidence *e, vd_err *err)
{
    if (absent(chain))
        return VD_OK;
    if (!vd_jv_is(chain, VD_JSON_ARRAY) || vd_jv_count(chain) > SNP_CERTS_MAX)
        return bad(err, "cert_chain", "no array, or too many entries");
    e->has_chain = true;
    vd_jv_iter it = vd_jv_iter_of(chain);
    while (vd_jv_next(&it)) {
        vd_jv type = vd_jv_get(it.value, "cert_type");
        vd_jv data = vd_jv_get(it.value, "data");
        bool named = vd_jv_is(type, VD_JSON_STRING) || vd_jv_is(type, VD_JSON_OBJECT);
        if (!named || !vd_jv_is(data, VD_JSON_ARRAY))
            return bad(err, "cert_chain", "an entry needs cert_type and data");
        bool vcek = vd_jv_str_eq(type, "VCEK");
        bool vlek = vd_jv_str_eq(type, "VLEK");
        if (vcek && e->n_vcek++ == 0)
            VD_TRY(take_cert(data, &e->vcek, err));
        if (vlek && e->n_vlek++ == 0)
            VD_TRY(take_cert(data, &e->vlek, err));
    }
    return VD_OK;
}

vd_rc snp_json_report(vd_jv evidence, struct snp_evidence *ret, vd_err *err)
{
    *ret = (struct snp_evidence){ .vcek = vd_buf_of(SNP_CERT_BYTES),
                                  .vlek = vd_buf_of(SNP_CERT_BYTES) };
    if (!vd_jv_is(evidence, VD_JSON_OBJECT))
        return bad(err, "evidence", "no JSON object");
    return put_report(vd_jv_get(evidence, "attestation_report"), ret->report, err);
}

vd_rc snp_json_certs(vd_jv evidence, struct snp_evidence *e, vd_err *err)
{
    return take_chain(vd_jv_get(evidence, "cert_chain"), e, err);
}

vd_rc snp_json_parse(vd_jv evidence, struct snp_evidence *ret, vd_err *err)
{
    VD_TRY(snp_json_report(evidence, ret, err));
    return snp_json_certs(evidence, ret, err);
}

void snp_evidence_done(struct snp_evidence *e)
{
    vd_buf_done(&e->vcek);
    vd_buf_done(&e->vlek);
}
