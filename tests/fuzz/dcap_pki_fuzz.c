/* Our own reading of Intel's certificates, CRLs and PEM chains, beside OpenSSL's: what we take,
 * OpenSSL must take too, and read the same from it. */
#include "issuer/tee/dcap/pki_priv.h"
#include "shared/crypto/x509_facts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok)
        __builtin_trap();
}

static void same_serial(const struct vd_cert *cert, const uint8_t serial[DCAP_SERIAL])
{
    VD_AUTO_BUF b = vd_buf_of(64);
    must(vd_cert_serial(cert, &b, NULL).code == VD_E_OK && b.n <= DCAP_SERIAL);
    must(vd_span_eq(vd_span_of(serial + DCAP_SERIAL - b.n, b.n), vd_buf_span(&b)));
    must(vd_span_zero(vd_span_of(serial, DCAP_SERIAL - b.n)));
}

static void certificate(vd_span in)
{
    struct dcap_x509 x;
    if (dcap_x509_parse(in, &x, NULL).code != VD_E_OK)
        return;
    VD_AUTO(vd_cert_unref) struct vd_cert *cert = NULL;
    if (vd_cert_parse(in, &cert, NULL).code != VD_E_OK)
        return; /* OpenSSL looks into keys and names that we compare as bytes */
    struct vd_cert_facts f = vd_cert_facts(cert);
    if (f.unknown_critical) /* or an extension malformed that we do not look at */
        return;
    must(f.version == 3 && f.ca == x.ca && f.constraints == x.constraints);
    must(f.key_usage == x.usage && f.cert_sign == x.cert_sign && f.crl_sign == x.crl_sign &&
         f.digital_signature == x.digital_signature);
    must(vd_cert_not_before(cert) == x.from && vd_cert_not_after(cert) == x.until);
    must(vd_span_eq(vd_cert_subject_der(cert), x.subject));
    must(vd_span_eq(vd_cert_issuer_der(cert), x.issuer));
    same_serial(cert, x.serial);
    vd_span sgx;
    must((vd_cert_ext(cert, DCAP_PCK_OID, &sgx, NULL).code == VD_E_OK) == x.has_sgx);
}

static void list(vd_span in)
{
    struct dcap_x509_crl c;
    if (dcap_x509_crl_parse(in, &c, NULL).code != VD_E_OK)
        return;
    uint8_t(*serial)[DCAP_SERIAL] = calloc(c.n_revoked ? c.n_revoked : 1, DCAP_SERIAL);
    if (!serial)
        return;
    dcap_x509_crl_serials(&c, serial);
    free(serial);
    VD_AUTO(vd_crl_unref) struct vd_crl *crl = NULL;
    struct vd_crl_facts f;
    if (vd_crl_parse(in, &crl, NULL).code != VD_E_OK || vd_crl_facts(crl, &f, NULL).code != VD_E_OK)
        return;
    must(f.this_update == c.from && f.next_update == c.until && f.revoked == c.n_revoked);
    must(f.has_number == c.has_number && f.number == c.number);
    must(f.has_authority_key == c.has_authority_key);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vd_span in = vd_span_of(data, size);
    certificate(in);
    list(in);
    DCAP_AUTO_PEM pem = { 0 };
    if (dcap_pem_read(in, &pem, NULL).code == VD_E_OK)
        for (size_t i = 0; i < pem.n; i++)
            certificate(pem.cert[i]);
    return 0;
}
