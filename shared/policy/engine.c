/* What each kind of policy is to the engine, and what the engine's failures mean. */
#include "shared/policy/engine.h"

#include "shared/policy/policy.h"

enum { MAX_ENTRIES = 2, TEXT_MAX = 200 };

static const struct {
    const char *entry[MAX_ENTRIES];
    unsigned n;
    bool lookups;
} kinds[] = {
    [VD_POLICY_ATTESTATION] = { { "data.policy.trust_claims", "data.policy.extensions" }, 2, true },
    [VD_POLICY_RELEASE] = { { "data.policy.allow" }, 1, false },
};

unsigned vd_engine_kinds(void)
{
    return sizeof kinds / sizeof kinds[0];
}

unsigned vd_engine_entries(unsigned kind)
{
    return kinds[kind].n;
}

bool vd_engine_lookups(unsigned kind)
{
    return kinds[kind].lookups;
}

int vd_engine_compile(unsigned kind, vd_span text, struct vdr_rego **ret, struct vdr_fault *fault)
{
    return vdr_rego_compile(text.p, text.n, kinds[kind].entry, kinds[kind].n, kinds[kind].lookups,
                            ret, fault);
}

static void printable(vd_span in, char out[TEXT_MAX + 1])
{
    size_t n = in.n < TEXT_MAX ? in.n : TEXT_MAX;
    for (size_t i = 0; i < n; i++)
        out[i] = in.p[i] >= ' ' && in.p[i] <= '~' ? (char)in.p[i] : '?';
    out[n] = 0;
}

vd_rc vd_engine_failed(int rc, uint32_t line, uint32_t column, vd_span text, vd_err *err)
{
    static const struct {
        int rc;
        vd_code code;
    } codes[] = {
        { VDR_BUDGET, VD_E_POLICY_BUDGET },   { VDR_NOMEM, VD_E_POLICY_BUDGET },
        { VDR_EVAL, VD_E_POLICY_EVAL },       { VDR_BAD_INPUT, VD_E_POLICY_EVAL },
        { VDR_PANIC, VD_E_POLICY_EVAL },      { VDR_TOO_LARGE, VD_E_POLICY_BUDGET },
        { VDR_COMPILE, VD_E_POLICY_COMPILE },
    };
    vd_code code = VD_E_INTERNAL;
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (codes[i].rc == rc)
            code = codes[i].code;

    char why[TEXT_MAX + 1];
    printable(text, why);
    if (err && err->code == VD_E_OK) {
        err->text_line = line;
        err->text_column = column;
    }
    if (line)
        return vd_fail(err, code, "policy line %u, column %u: %s", line, column, why);
    return vd_fail(err, code, "policy: %s", why[0] ? why : "the engine failed");
}
