/* Targets vd_head_scan and vd_head_parse. The first byte chooses how the rest is split into reads;
 * the verdict and the values must not depend on it. */
#include <stdlib.h>

#include "shared/http/head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct vd_head_limits limits = { .bytes = 2048, .authorization = 4096, .fields = 16 };

struct result {
    vd_code code;
    bool done;
    size_t n;
    struct vd_head head;
    struct vd_field field[16];
};

static void feed(vd_span in, size_t step, struct result *r)
{
    struct vd_head_scan scan = { 0 };
    vd_err err = { 0 };
    memset(r, 0, sizeof *r);
    size_t have = 0;
    do {
        have = in.n - have > step ? have + step : in.n;
        r->code = vd_head_scan(&scan, vd_span_part(in, 0, have), &limits, &r->done, &err).code;
    } while (r->code == VD_E_OK && !r->done && have < in.n);
    if (r->code != VD_E_OK || !r->done)
        return;
    r->n = scan.at;
    r->code = vd_head_parse(vd_span_part(in, 0, r->n), r->field, 16, &r->head, &err).code;
}

static void check(bool ok)
{
    if (!ok)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    vd_span in = { data + 1, size - 1 };
    struct result whole, parts;
    feed(in, in.n, &whole);
    feed(in, 1u + data[0] % 64u, &parts);
    check(whole.code == parts.code && whole.done == parts.done && whole.n == parts.n);
    if (whole.code != VD_E_OK || !whole.done)
        return 0;
    const struct vd_head *h = &whole.head;
    check(h->length == parts.head.length && h->n_field == parts.head.n_field);
    check(h->target.n > 0 && vd_span_eq(h->target, parts.head.target));
    check(h->n_field <= limits.fields && whole.n <= in.n &&
          h->authorization.n <= limits.authorization + 16);
    for (size_t i = 0; i < h->n_field; i++) {
        check(h->field[i].name.n > 0);
        check(vd_span_find(h->field[i].value, '\n') == h->field[i].value.n);
        check(vd_span_find(h->field[i].value, '\r') == h->field[i].value.n);
        check(!vd_span_eq_nocase(h->field[i].name, "transfer-encoding"));
    }
    return 0;
}
