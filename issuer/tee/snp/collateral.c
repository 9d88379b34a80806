/* Keys, offline paths and KDS addresses of AMD collateral; see collateral.h. Keys are made by this
 * file only, of hexadecimal digits, names from a list and small numbers: nothing a stranger sends
 * reaches a path. */
#include "issuer/tee/snp/collateral.h"

#include "shared/codec/b64.h"
#include "shared/crypto/x509.h"

enum { CRL_MAX_AGE = 86400 };

void snp_vcek_key(enum snp_line line, vd_span hwid, const struct snp_tcb *tcb, vd_buf *out)
{
    vd_buf_printf(out, "%s/", snp_line_name(line));
    vd_hex_encode(hwid, out);
    vd_buf_printf(out, "/bl%02u_tee%02u_snp%02u_ucode%02u", tcb->bootloader, tcb->tee, tcb->snp,
                  tcb->microcode);
    if (tcb->has_fmc)
        vd_buf_printf(out, "_fmc%02u", tcb->fmc);
}

void snp_crl_key(enum snp_line line, bool vlek, const char *simulated_ark_sha256, vd_buf *out)
{
    if (simulated_ark_sha256)
        vd_buf_printf(out, "root/%s", simulated_ark_sha256);
    else
        vd_buf_printf(out, "%s/%s", vlek ? "vlek" : "vcek", snp_line_name(line));
}

/* The next part of a key, up to the separator. */
static vd_span next_part(vd_span *left, uint8_t separator)
{
    size_t n = vd_span_find(*left, separator);
    vd_span part = vd_span_part(*left, 0, n);
    *left = vd_span_part(*left, n + 1, left->n);
    return part;
}

static vd_rc vcek_path(vd_span key, unsigned nth, vd_buf *ret, vd_err *err)
{
    (void)next_part(&key, '/');
    vd_span hwid = next_part(&key, '/');
    if (nth > 1)
        return vd_fail(err, VD_E_NOT_FOUND, "no further place");
    vd_buf_str(ret, "vcek/");
    vd_buf_add(ret, hwid);
    vd_buf_str(ret, "/");
    if (nth == 0) {
        vd_buf_add(ret, key);
        vd_buf_str(ret, "_");
    }
    vd_buf_str(ret, "vcek.der");
    return vd_buf_check(ret, err);
}

/* "bl10" gives the number behind the letters. */
static vd_span number_of(vd_span part)
{
    size_t at = 0;
    while (at < part.n && (part.p[at] < '0' || part.p[at] > '9'))
        at++;
    return vd_span_part(part, at, part.n);
}

static vd_rc vcek_url(vd_span key, vd_buf *ret, vd_err *err)
{
    vd_span line = next_part(&key, '/');
    vd_span hwid = next_part(&key, '/');
    if (vd_span_eq_str(line, snp_line_name(SNP_LINE_UNKNOWN)))
        return vd_fail(err, VD_E_NOT_FOUND,
                       "KDS needs the product line, which a version 2 report does not tell");
    static const char *const name[] = { "blSPL=", "&teeSPL=", "&snpSPL=", "&ucodeSPL=" };
    vd_span value[4];
    for (size_t i = 0; i < 4; i++)
        value[i] = number_of(next_part(&key, '_'));
    vd_buf_str(ret, "/vcek/v1/");
    vd_buf_add(ret, line);
    vd_buf_str(ret, "/");
    vd_buf_add(ret, hwid);
    vd_buf_str(ret, "?");
    if (key.n > 0) {
        vd_buf_str(ret, "fmcSPL=");
        vd_buf_add(ret, number_of(key));
        vd_buf_str(ret, "&");
    }
    for (size_t i = 0; i < 4; i++) {
        vd_buf_str(ret, name[i]);
        vd_buf_add(ret, value[i]);
    }
    return vd_buf_check(ret, err);
}

static vd_rc vcek_verify(vd_span bytes, vd_err *err)
{
    VD_AUTO(vd_cert_unref) struct vd_cert *cert = NULL;
    return vd_cert_parse(bytes, &cert, err);
}

/* A VCEK of one firmware never changes. */
static int64_t vcek_expiry(vd_span bytes)
{
    (void)bytes;
    return INT64_MAX;
}

const struct iss_collateral_kind snp_collateral_vcek = {
    .name = "snp.vcek",
    .offline_path = vcek_path,
    .url = vcek_url,
    .base_url_key = "tee.snp.kds_url",
    .sources_key = "tee.snp.vcek_sources",
    .verify = vcek_verify,
    .expiry = vcek_expiry,
};

static vd_rc crl_path(vd_span key, unsigned nth, vd_buf *ret, vd_err *err)
{
    vd_span family = next_part(&key, '/');
    if (nth > 0)
        return vd_fail(err, VD_E_NOT_FOUND, "no further place");
    vd_buf_str(ret, "crl/");
    vd_buf_add(ret, key);
    vd_buf_str(ret, vd_span_eq_str(family, "vlek") ? "_vlek.crl" : ".crl");
    return vd_buf_check(ret, err);
}

static vd_rc crl_url(vd_span key, vd_buf *ret, vd_err *err)
{
    vd_span family = next_part(&key, '/');
    if (vd_span_eq_str(family, "root"))
        return vd_fail(err, VD_E_NOT_FOUND,
                       "the CRL of a simulated root comes from the offline directory only");
    vd_buf_str(ret, "/");
    vd_buf_add(ret, family);
    vd_buf_str(ret, "/v1/");
    vd_buf_add(ret, key);
    vd_buf_str(ret, "/crl");
    return vd_buf_check(ret, err);
}

static vd_rc crl_verify(vd_span bytes, vd_err *err)
{
    VD_AUTO(vd_crl_unref) struct vd_crl *crl = NULL;
    return vd_crl_parse(bytes, &crl, err);
}

static int64_t crl_expiry(vd_span bytes)
{
    VD_AUTO(vd_crl_unref) struct vd_crl *crl = NULL;
    return vd_crl_parse(bytes, &crl, NULL).code == VD_E_OK ? vd_crl_next_update(crl) : 0;
}

const struct iss_collateral_kind snp_collateral_crl = {
    .name = "snp.crl",
    .offline_path = crl_path,
    .url = crl_url,
    .base_url_key = "tee.snp.kds_url",
    .verify = crl_verify,
    .expiry = crl_expiry,
    .max_age = CRL_MAX_AGE,
};
