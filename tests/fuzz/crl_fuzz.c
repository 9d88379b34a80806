/* vd_crl_parse and what is read of a CRL: its number, its dates, its issuer. */
#include "shared/crypto/x509_facts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    VD_AUTO(vd_crl_unref) struct vd_crl *crl = NULL;
    if (vd_crl_parse(vd_span_of(data, size), &crl, NULL).code != VD_E_OK)
        return 0;
    struct vd_crl_facts f;
    if (vd_crl_facts(crl, &f, NULL).code != VD_E_OK)
        return 0;
    (void)vd_crl_issuer_der(crl);
    return 0;
}
