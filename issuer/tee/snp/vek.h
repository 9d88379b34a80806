/* What AMD wrote into a VCEK or VLEK certificate: the firmware it was derived for, and the chip or
 * the cloud it belongs to (AMD 57230, extensions below 1.3.6.1.4.1.3704.1). Reading only; the chain
 * is chain.h's. */
#pragma once

#include "issuer/tee/snp/report.h"
#include "shared/crypto/x509.h"

enum { SNP_TEXT_MAX = 127 };

struct snp_vek {
    enum snp_signing_key kind; /* by the subject's name; the extensions agree */
    char subject[SNP_TEXT_MAX + 1];
    char product[SNP_TEXT_MAX + 1]; /* "Milan-B0", "Genoa", "Turin" */
    struct snp_tcb tcb;
    uint8_t hwid[SNP_CHIP_ID];
    size_t hwid_n;                 /* VCEK: 64, on Turin 8; VLEK: 0 */
    char csp_id[SNP_TEXT_MAX + 1]; /* VLEK */
};
/* `line` is that of the root the certificate chains to. VD_E_KEY_TYPE: neither VCEK nor VLEK, or
 * its extensions are those of the other; VD_E_PRODUCT; VD_E_BAD_EVIDENCE: an extension is
 * malformed. */
vd_rc snp_vek_parse(const struct vd_cert *cert, enum snp_line line, struct snp_vek *ret,
                    vd_err *err);

/* Values of single extensions, whole input. DER INTEGER 0..255; DER IA5String of printable
 * characters into room for max + 1 bytes; hardware id of n bytes, bare or in an OCTET STRING.
 * VD_E_BAD_EVIDENCE. */
vd_rc snp_ext_int(vd_span der, uint8_t *ret, vd_err *err);
vd_rc snp_ext_text(vd_span der, char *ret, size_t max, vd_err *err);
vd_rc snp_ext_hwid(vd_span value, size_t n, vd_span *ret, vd_err *err);
