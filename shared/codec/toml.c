/* TOML 1.0 to JSON for configuration and init data. The parser is the toml_edit crate behind
 * shared/rust; here its answer becomes a vd_buf and its fault a vd_err with a place. */
#include "shared/codec/toml.h"

#include "shared/rust/vd_rust.h"

struct rust_bytes {
    struct vdr_bytes b;
};
static void rust_bytes_done(struct rust_bytes *r)
{
    if (r->b.p)
        vdr_free(r->b);
    r->b = (struct vdr_bytes){ 0 };
}
#define AUTO_RUST_BYTES __attribute__((cleanup(rust_bytes_done))) struct rust_bytes

static vd_rc refuse(int rc, const struct vdr_fault *fault, vd_err *err)
{
    switch (rc) {
    case VDR_BAD_INPUT:
        if (err && err->code == VD_E_OK) {
            err->text_line = fault->line;
            err->text_column = fault->column;
        }
        return vd_fail(err, VD_E_SYNTAX, "toml: line %u, column %u: %s", fault->line, fault->column,
                       fault->text);
    case VDR_TOO_LARGE:
        return vd_fail(err, VD_E_TOO_LARGE, "toml: %s", fault->text);
    default:
        return vd_fail(err, VD_E_INTERNAL, "toml: the parser failed (%d)", rc);
    }
}

/* What the output may still take: its own maximum and nothing else. */
static size_t room(const vd_buf *b)
{
    return b->bad || b->n >= b->max ? 0 : b->max - b->n;
}

vd_rc vd_toml_to_json(vd_span toml, vd_buf *ret_json, vd_buf *ret_lines, vd_err *err)
{
    AUTO_RUST_BYTES json = { 0 };
    AUTO_RUST_BYTES lines = { 0 };
    struct vdr_fault fault = { 0 };
    size_t max = room(ret_json);
    if (ret_lines && room(ret_lines) < max)
        max = room(ret_lines);

    int rc = vdr_toml_to_json(toml.p, toml.n, max, &json.b, ret_lines ? &lines.b : NULL, &fault);
    if (rc != VDR_OK)
        return refuse(rc, &fault, err);

    vd_buf_add(ret_json, vd_span_of(json.b.p, json.b.n));
    VD_TRY(vd_buf_check(ret_json, err));
    if (!ret_lines)
        return VD_OK;
    vd_buf_add(ret_lines, vd_span_of(lines.b.p, lines.b.n));
    return vd_buf_check(ret_lines, err);
}
