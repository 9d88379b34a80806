/* Files of operators that are told by content: dcap_sort over one file, with every spelling that it
 * knows; and dcap_unwrap, dcap_chain_text, dcap_crl_der alone. */
#include "issuer/tee/dcap/collateral_priv.h"
#include "issuer/tee/dcap/sort_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vd_span in = vd_span_of(data, size);
    DCAP_AUTO_SORTER s = { 0 };
    VD_AUTO_BUF out = vd_buf_of(1 << 20);
    VD_AUTO_BUF der = vd_buf_of(1 << 20);
    vd_span chain, body;
    bool known = false;
    (void)dcap_sorter_file(&s, 0, in, &known, NULL).code;
    (void)dcap_chain_text(in, &out, NULL).code;
    (void)dcap_crl_der(in, &der, NULL).code;
    if (dcap_unwrap(in, &chain, &body, NULL).code == VD_E_OK && chain.n + body.n + 8 != size)
        __builtin_trap();
    return 0;
}
