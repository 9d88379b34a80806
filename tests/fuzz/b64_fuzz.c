/* Targets vd_b64_decode in all forms and vd_hex_decode: what is accepted encodes back to itself. */
#include <stdlib.h>

#include "shared/codec/b64.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    enum vd_b64_form form = (enum vd_b64_form)(data[0] & 3);
    vd_span text = vd_span_of(data + 1, size - 1);
    VD_AUTO_BUF plain = vd_buf_of(1u << 20);
    VD_AUTO_BUF back = vd_buf_of(1u << 20);
    if (vd_b64_decode(text, form, &plain, NULL).code == VD_E_OK) {
        vd_b64_encode(vd_buf_span(&plain), form, &back);
        if (!vd_span_eq(vd_buf_span(&back), text))
            abort();
    }
    vd_buf_reset(&plain);
    (void)vd_hex_decode(text, &plain, NULL).code;
    return 0;
}
