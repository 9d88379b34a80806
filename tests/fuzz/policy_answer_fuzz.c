/* Targets vd_answer_parse and vd_ask_parse: what a worker says is read as hostile bytes; what is
 * accepted can be written again and read as the same. */
#include <stdint.h>
#include <stdlib.h>

#include "shared/policy/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vd_answer a;
    struct vd_answer b;
    struct vd_ask q;
    struct vd_given g;
    if (size == 0)
        return 0;
    size_t n_given = data[0] * 4u;
    vd_span body = vd_span_of(data + 1, size - 1);
    if (vd_answer_parse(body, n_given, &a, NULL).code == VD_E_OK) {
        VD_AUTO_BUF again = vd_buf_of(1u << 24);
        for (size_t i = 0; i < a.n_used; i++)
            if (vd_answer_used(&a, i) >= n_given)
                abort();
        vd_answer_write(&a, &again);
        vd_span second = vd_span_part(vd_buf_span(&again), VD_FRAME_HEAD, SIZE_MAX);
        if (vd_answer_parse(second, n_given, &b, NULL).code != VD_E_OK || a.op != b.op ||
            !vd_span_eq(second, body))
            abort();
    }
    if (vd_ask_parse(body, &q))
        for (unsigned i = 0; i < q.n_given; i++)
            if (!vd_ask_next(&q, &g))
                abort();
    return 0;
}
