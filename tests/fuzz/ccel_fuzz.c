/* Targets evl_parse, evl_replay and evl_json: whatever a guest calls its event log. What is
 * accepted has only events that the replay covers, and its claims are one JSON text that every
 * reader of ours takes. */
#include <stdlib.h>

#include "issuer/tee/eventlog/eventlog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    VD_AUTO(evl_free) struct evl_log *l = NULL;
    if (evl_parse(vd_span_of(data, size), VD_SHA384, &l, NULL).code != VD_E_OK)
        return 0;
    if (l->used.n > size)
        abort();
    for (size_t i = 0; i < l->n; i++) {
        const struct evl_event *e = &l->event[i];
        bool covered = e->index >= 1 && e->index <= EVL_REGISTERS && e->type != 3;
        if ((!covered && (e->index != 0 || !vd_span_zero(e->digest))) || e->digest.n != 48)
            abort();
    }
    uint8_t reg[EVL_REGISTERS][VD_HASH_BYTES_MAX];
    VD_AUTO_BUF json = vd_buf_of(8u << 20);
    if (evl_replay(l, reg, NULL).code != VD_E_OK || evl_json(l, &json, NULL).code != VD_E_OK)
        abort();
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    const struct vd_json_limits limits = { json.n, 24, UINT32_MAX / 64 };
    if (vd_json_parse(vd_buf_span(&json), &limits, &doc, NULL).code != VD_E_OK)
        abort();
    return 0;
}
