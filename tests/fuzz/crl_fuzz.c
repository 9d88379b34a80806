/* vd_crl_parse and what is read of a CRL: its number, its dates, the serials in it. */
#include "shared/crypto/x509_facts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { WIDTH = 20 };
    VD_AUTO(vd_crl_unref) struct vd_crl *crl = NULL;
    if (vd_crl_parse(vd_span_of(data, size), &crl, NULL).code != VD_E_OK)
        return 0;
    struct vd_crl_facts f;
    if (vd_crl_facts(crl, &f, NULL).code != VD_E_OK)
        return 0;
    VD_AUTO_BUF serials = vd_buf_of(size * WIDTH + WIDTH);
    if (vd_crl_serials(crl, WIDTH, &serials, NULL).code == VD_E_OK &&
        serials.n != f.revoked * WIDTH)
        __builtin_trap();
    (void)vd_crl_issuer_der(crl);
    return 0;
}
