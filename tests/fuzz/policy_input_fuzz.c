/* Targets vd_policy_eval of the default policies over any input document: an answer or an error,
 * and nothing is released for an input that is not a whole good passport. */
#include <stdlib.h>

#include "shared/policy/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

extern const uint8_t vd_fuzz_default_cpu[];
extern const size_t vd_fuzz_default_cpu_n;
extern const uint8_t vd_fuzz_default_release[];
extern const size_t vd_fuzz_default_release_n;

static vd_rc unknown(void *ctx, vd_span name, vd_buf *ret_json, vd_err *err)
{
    (void)ctx;
    (void)name;
    (void)ret_json;
    (void)err;
    return VD_OK;
}

static struct vd_policy *compiled(enum vd_policy_kind kind, const uint8_t *p, size_t n)
{
    static const struct vd_limits limits = VD_LIMITS_DEFAULT;
    struct vd_policy *policy = NULL;
    if (vd_policy_compile(kind, vd_span_of(p, n), &limits, &policy, NULL).code != VD_E_OK)
        abort();
    return policy;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct vd_limits limits = VD_LIMITS_DEFAULT;
    static struct vd_policy *cpu, *release; /* kept for the whole process */
    if (!cpu) {
        cpu = compiled(VD_POLICY_ATTESTATION, vd_fuzz_default_cpu, vd_fuzz_default_cpu_n);
        release = compiled(VD_POLICY_RELEASE, vd_fuzz_default_release, vd_fuzz_default_release_n);
    }
    struct vd_policy_query q = {
        .input = vd_span_of(data, size),
        .data = VD_LIT("{\"plugin\":\"resource\"}"),
        .lookup = unknown,
        .limits = &limits,
    };
    VD_AUTO_BUF out = vd_buf_of(1u << 20);
    for (unsigned i = 0; i < 2; i++) {
        enum vd_policy_state state = VD_POLICY_ABSENT;
        vd_err err = { 0 };
        vd_code rc = vd_policy_eval(cpu, i, &q, &state, &out, &err).code;
        if (rc == VD_E_INTERNAL || (rc == VD_E_OK && state == VD_POLICY_ABSENT))
            abort();
    }
    q.lookup = NULL;
    bool fresh = memmem(data, size, "issuer-nonce", 12) || memchr(data, '\\', size);
    if (vd_policy_allows(release, &q, NULL).code == VD_E_OK && !fresh)
        abort();
    return 0;
}
