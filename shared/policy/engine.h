/* The Rego engine as both sides of the process boundary use it: kinds of policies, the bytes it
 * hands out, its failures as errors. Seen by shared/policy only. */
#pragma once

#include "shared/base/auto.h"
#include "shared/base/err.h"
#include "shared/rust/vd_rust.h"

/* Numbers of enum vd_policy_kind. */
unsigned vd_engine_kinds(void);
unsigned vd_engine_entries(unsigned kind);
bool vd_engine_lookups(unsigned kind);
/* enum vdr_rc. */
int vd_engine_compile(unsigned kind, vd_span text, struct vdr_rego **ret, struct vdr_fault *fault);
/* The engine's failure as ours; the text is cut and made printable. */
vd_rc vd_engine_failed(int rc, uint32_t line, uint32_t column, vd_span text, vd_err *err);
static inline vd_rc vd_engine_fault(int rc, const struct vdr_fault *f, vd_err *err)
{
    return vd_engine_failed(rc, f->line, f->column,
                            vd_span_of(f->text, strnlen(f->text, sizeof f->text)), err);
}

struct vd_engine_bytes {
    struct vdr_bytes b;
};
static inline void vd_engine_bytes_done(struct vd_engine_bytes *e)
{
    if (e->b.p)
        vdr_free(e->b);
    e->b = (struct vdr_bytes){ 0 };
}
#define VD_AUTO_ENGINE_BYTES __attribute__((cleanup(vd_engine_bytes_done))) struct vd_engine_bytes
VD_DEFINE_CLEANUP(struct vdr_rego_run, vdr_rego_end)
