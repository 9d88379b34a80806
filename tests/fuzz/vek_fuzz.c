/* The VEK certificate reader: a whole certificate under each line, and the input as the value of
 * each kind of extension. */
#include "issuer/tee/snp/vek.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vd_span in = vd_span_of(data, size);
    uint8_t number = 0;
    char text[SNP_TEXT_MAX + 1];
    vd_span id;
    if (snp_ext_int(in, &number, NULL).code == VD_E_OK && size > 4)
        __builtin_trap();
    if (snp_ext_text(in, text, SNP_TEXT_MAX, NULL).code == VD_E_OK && strlen(text) + 2 != size)
        __builtin_trap();
    if (snp_ext_hwid(in, SNP_TURIN_HWID, &id, NULL).code == VD_E_OK && id.n != SNP_TURIN_HWID)
        __builtin_trap();
    VD_AUTO(vd_cert_unref) struct vd_cert *cert = NULL;
    if (vd_cert_parse(in, &cert, NULL).code != VD_E_OK)
        return 0;
    struct snp_vek v;
    for (int line = SNP_MILAN; line < SNP_LINE_MAX; line++)
        if (snp_vek_parse(cert, (enum snp_line)line, &v, NULL).code == VD_E_OK &&
            (v.kind == SNP_KEY_VCEK) != (v.hwid_n > 0))
            __builtin_trap();
    return 0;
}
