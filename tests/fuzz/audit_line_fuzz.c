/* Targets: vd_audit_line_parse and vd_audit_line_write (shared/audit/line.c). What parses is
 * exactly what would be written; what is written parses. */
#include <stdlib.h>

#include "shared/audit/audit_priv.h"
#include "shared/base/secret.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void round_trip(const struct vd_audit_line *line, vd_span in)
{
    VD_AUTO_BUF out = vd_buf_of(VD_AUDIT_LINE + 1);
    VD_AUTO(free) char *event = vd_strdup_span(line->event);
    uint8_t hash[32];
    must(event != NULL);
    must(vd_audit_line_write(line->seq, line->time, event, line->prev, line->detail, &out, hash,
                             NULL)
             .code == VD_E_OK);
    must(out.n == in.n + 1 && vd_span_eq(vd_span_part(vd_buf_span(&out), 0, in.n), in));
}

/* The input as a detail: a sum is not guessed by a fuzzer. */
static void as_detail(vd_span in)
{
    static const uint8_t prev[32] = { 1, 2, 3 };
    VD_AUTO_BUF out = vd_buf_of(VD_AUDIT_LINE + 1);
    uint8_t hash[32];
    struct vd_audit_line line;
    if (in.n > VD_AUDIT_DETAIL || !vd_audit_detail_form(in))
        return;
    must(vd_audit_line_write(7, VD_LIT("2026-06-01T00:00:00Z"), "release", prev, in, &out, hash,
                             NULL)
             .code == VD_E_OK);
    out.n--;
    must(vd_audit_line_parse(vd_buf_span(&out), &line, NULL).code == VD_E_OK);
    must(vd_span_eq(line.detail, in) && line.seq == 7);
    (void)vd_audit_line_intent(line.detail);
    out.p[out.n / 2] ^= 1;
    must(vd_audit_line_parse(vd_buf_span(&out), &line, NULL).code == VD_E_SYNTAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (vd_base_init(NULL).code != VD_E_OK)
        abort();
    vd_span in = vd_span_of(data, size);
    struct vd_audit_line line;
    if (vd_audit_line_parse(in, &line, NULL).code == VD_E_OK && line.detail.n <= VD_AUDIT_DETAIL)
        round_trip(&line, in);
    as_detail(in);
    return 0;
}
