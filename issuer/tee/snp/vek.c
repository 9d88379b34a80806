/* Reading the extensions of a VEK certificate; see vek.h. Unknown extensions are ignored: newer
 * firmware adds some, and none of them can widen what is checked here. */
#include "issuer/tee/snp/vek.h"

#define OID_STRUCT "1.3.6.1.4.1.3704.1.1"
#define OID_PRODUCT "1.3.6.1.4.1.3704.1.2"
#define OID_BOOTLOADER "1.3.6.1.4.1.3704.1.3.1"
#define OID_TEE "1.3.6.1.4.1.3704.1.3.2"
#define OID_SNP "1.3.6.1.4.1.3704.1.3.3"
#define OID_MICROCODE "1.3.6.1.4.1.3704.1.3.8"
#define OID_FMC "1.3.6.1.4.1.3704.1.3.9"
#define OID_HWID "1.3.6.1.4.1.3704.1.4"
#define OID_CSP "1.3.6.1.4.1.3704.1.5"

enum { DER_INTEGER = 0x02, DER_OCTET_STRING = 0x04, DER_IA5STRING = 0x16 };

vd_rc snp_ext_int(vd_span der, uint8_t *ret, vd_err *err)
{
    vd_rd r = vd_rd_of(der);
    uint8_t tag = vd_rd_u8(&r);
    uint8_t n = vd_rd_u8(&r);
    vd_rd v = vd_rd_sub(&r, n);
    uint8_t high = n == 2 ? vd_rd_u8(&v) : 0;
    uint8_t low = vd_rd_u8(&v);
    /* 128 to 255 carry a leading zero byte, and only they */
    bool minimal = n == 1 ? low < 0x80 : n == 2 && high == 0 && low >= 0x80;
    if (!vd_rd_end(&v) || !vd_rd_end(&r) || tag != DER_INTEGER || !minimal)
        return vd_fail(err, VD_E_BAD_EVIDENCE,
                       "snp certificate: an extension is no integer 0 to 255");
    *ret = low;
    return VD_OK;
}

vd_rc snp_ext_text(vd_span der, char *ret, size_t max, vd_err *err)
{
    vd_rd r = vd_rd_of(der);
    uint8_t tag = vd_rd_u8(&r);
    uint8_t n = vd_rd_u8(&r);
    vd_span text = vd_rd_take(&r, n);
    bool ok = vd_rd_end(&r) && tag == DER_IA5STRING && n < 0x80 && text.n > 0 && text.n <= max;
    for (size_t i = 0; ok && i < text.n; i++)
        ok = text.p[i] >= 0x20 && text.p[i] < 0x7f;
    if (!ok)
        return vd_fail(err, VD_E_BAD_EVIDENCE, "snp certificate: an extension is no plain text");
    for (size_t i = 0; i < text.n; i++)
        ret[i] = (char)text.p[i];
    ret[text.n] = '\0';
    return VD_OK;
}

vd_rc snp_ext_hwid(vd_span value, size_t n, vd_span *ret, vd_err *err)
{
    /* Genuine certificates hold the bare bytes, and those may begin with 04: the length decides,
     * not the tag. */
    if (value.n == n) {
        *ret = value;
        return VD_OK;
    }
    vd_rd r = vd_rd_of(value);
    uint8_t tag = vd_rd_u8(&r);
    uint8_t len = vd_rd_u8(&r);
    vd_span inner = vd_rd_take(&r, n);
    if (!vd_rd_end(&r) || tag != DER_OCTET_STRING || len != n)
        return vd_fail(err, VD_E_BAD_EVIDENCE,
                       "snp certificate: hardware id of %zu bytes, wanted %zu", value.n, n);
    *ret = inner;
    return VD_OK;
}

/* *ret_found false when the extension is absent; any other trouble is a failure. */
static vd_rc find_ext(const struct vd_cert *cert, const char *oid, vd_span *ret, bool *ret_found,
                      vd_err *err)
{
    vd_err local = { 0 };
    vd_rc_ rc = vd_cert_ext(cert, oid, ret, &local);
    *ret_found = rc.code == VD_E_OK;
    if (rc.code == VD_E_OK || rc.code == VD_E_NOT_FOUND)
        return VD_OK;
    return vd_fail(err, VD_E_BAD_EVIDENCE, "snp certificate: extension %s: %s", oid, local.msg);
}

static vd_rc need_int(const struct vd_cert *cert, const char *oid, uint8_t *ret, vd_err *err)
{
    vd_span value;
    bool found = false;
    VD_TRY(find_ext(cert, oid, &value, &found, err));
    if (!found)
        return vd_fail(err, VD_E_BAD_EVIDENCE, "snp certificate: extension %s is missing", oid);
    return snp_ext_int(value, ret, err);
}

static vd_rc read_tcb(const struct vd_cert *cert, enum snp_line line, struct snp_tcb *t,
                      vd_err *err)
{
    VD_TRY(need_int(cert, OID_BOOTLOADER, &t->bootloader, err));
    VD_TRY(need_int(cert, OID_TEE, &t->tee, err));
    VD_TRY(need_int(cert, OID_SNP, &t->snp, err));
    VD_TRY(need_int(cert, OID_MICROCODE, &t->microcode, err));
    vd_span value;
    bool found = false;
    VD_TRY(find_ext(cert, OID_FMC, &value, &found, err));
    t->has_fmc = line == SNP_TURIN;
    if (found != t->has_fmc)
        return vd_fail(err, VD_E_BAD_EVIDENCE, "snp certificate: FMC version is %s on %s",
                       found ? "present" : "missing", snp_line_name(line));
    return found ? snp_ext_int(value, &t->fmc, err) : VD_OK;
}

static vd_rc read_names(const struct vd_cert *cert, enum snp_line line, struct snp_vek *v,
                        vd_err *err)
{
    VD_AUTO_BUF cn = vd_buf_of(SNP_TEXT_MAX + 1);
    vd_rc_ rc = vd_cert_subject_cn(cert, &cn, NULL);
    vd_span name = rc.code == VD_E_OK ? vd_buf_span(&cn) : VD_SPAN_NONE;
    bool vcek = vd_span_eq_str(name, "SEV-VCEK");
    if (!vcek && !vd_span_eq_str(name, "SEV-VLEK"))
        return vd_fail(err, VD_E_KEY_TYPE,
                       "snp certificate: its subject is neither SEV-VCEK nor SEV-VLEK");
    v->kind = vcek ? SNP_KEY_VCEK : SNP_KEY_VLEK;
    for (size_t i = 0; i < name.n; i++)
        v->subject[i] = (char)name.p[i];

    vd_span value;
    bool found = false;
    VD_TRY(find_ext(cert, OID_PRODUCT, &value, &found, err));
    if (!found)
        return vd_fail(err, VD_E_BAD_EVIDENCE, "snp certificate: product name is missing");
    VD_TRY(snp_ext_text(value, v->product, SNP_TEXT_MAX, err));
    /* old certificates append the stepping: Milan-B0 */
    vd_span product = vd_span_str(v->product);
    vd_span want = vd_span_str(snp_line_name(line));
    bool same = vd_span_starts(product, want) && (product.n == want.n || product.p[want.n] == '-');
    if (!same)
        return vd_fail(err, VD_E_PRODUCT, "snp certificate: product %s under the root of %s",
                       v->product, snp_line_name(line));
    return VD_OK;
}

/* A VCEK names a chip, a VLEK names a cloud; each has exactly its own extension. */
static vd_rc read_owner(const struct vd_cert *cert, enum snp_line line, struct snp_vek *v,
                        vd_err *err)
{
    vd_span hwid;
    vd_span csp;
    bool has_hwid = false;
    bool has_csp = false;
    VD_TRY(find_ext(cert, OID_HWID, &hwid, &has_hwid, err));
    VD_TRY(find_ext(cert, OID_CSP, &csp, &has_csp, err));
    bool vcek = v->kind == SNP_KEY_VCEK;
    if (has_hwid != vcek || has_csp == vcek)
        return vd_fail(err, VD_E_KEY_TYPE,
                       "snp certificate: %s with the extensions of the other kind", v->subject);
    if (!vcek)
        return snp_ext_text(csp, v->csp_id, SNP_TEXT_MAX, err);
    v->hwid_n = line == SNP_TURIN ? SNP_TURIN_HWID : SNP_CHIP_ID;
    vd_span id;
    VD_TRY(snp_ext_hwid(hwid, v->hwid_n, &id, err));
    for (size_t i = 0; i < id.n; i++)
        v->hwid[i] = id.p[i];
    return VD_OK;
}

vd_rc snp_vek_parse(const struct vd_cert *cert, enum snp_line line, struct snp_vek *ret,
                    vd_err *err)
{
    struct snp_vek v = { 0 };
    uint8_t layout = 0;
    VD_TRY(read_names(cert, line, &v, err));
    VD_TRY(need_int(cert, OID_STRUCT, &layout, err));
    if (layout > 1)
        return vd_fail(err, VD_E_BAD_EVIDENCE, "snp certificate: structure version %u is not known",
                       (unsigned)layout);
    VD_TRY(read_tcb(cert, line, &v.tcb, err));
    VD_TRY(read_owner(cert, line, &v, err));
    *ret = v;
    return VD_OK;
}
