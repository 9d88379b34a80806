/* Targets vd_policy_compile and vd_policy_eval over any policy text, with small budgets: every
 * answer is an error of its kind, and a release is allowed only by the boolean true. */
#include <stdlib.h>

#include "shared/policy/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static vd_rc lookup(void *ctx, vd_span name, vd_buf *ret_json, vd_err *err)
{
    (void)ctx;
    (void)err;
    if (name.n % 2)
        vd_buf_str(ret_json, "[1,\"a\",{\"b\":null}]");
    return VD_OK;
}

static void evaluate(enum vd_policy_kind kind, vd_span text)
{
    struct vd_limits limits = VD_LIMITS_DEFAULT;
    limits.policy_instructions = 20000;
    limits.policy_milliseconds = 50;
    limits.policy_memory = 4u << 20;
    VD_AUTO(vd_policy_unref) struct vd_policy *p = NULL;
    if (vd_policy_compile(kind, text, &limits, &p, NULL).code != VD_E_OK)
        return;
    const struct vd_policy_query q = {
        .input =
            VD_LIT("{\"a\":[1,{\"b\":\"c\"}],\"submods\":{\"cpu0\":{\"ear.status\":\"none\"}}}"),
        .data =
            VD_LIT("{\"plugin\":\"resource\",\"resource-path\":[\"a\",\"b\",\"c\"],\"query\":{}}"),
        .now_ns = 1,
        .lookup = kind == VD_POLICY_ATTESTATION ? lookup : NULL,
        .limits = &limits,
    };
    for (unsigned i = 0; i < (kind == VD_POLICY_ATTESTATION ? 2u : 1u); i++) {
        VD_AUTO_BUF out = vd_buf_of(1u << 20);
        enum vd_policy_state state = VD_POLICY_ABSENT;
        vd_err err = { 0 };
        vd_code rc = vd_policy_eval(p, i, &q, &state, &out, &err).code;
        if (rc == VD_E_INTERNAL || (rc != VD_E_OK && out.n))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 8192)
        return 0;
    evaluate(VD_POLICY_ATTESTATION, vd_span_of(data, size));
    evaluate(VD_POLICY_RELEASE, vd_span_of(data, size));
    return 0;
}
