/* Appraisal: verified claims + runtime data + init data + reference values + policy -> trust
 * vector, status, extensions, the annotated evidence that goes into the passport, and why (spec:
 * the attestation service's evaluation semantics and tiers). Knows no TEE by name and no HTTP.
 * Servers use it for /attest and /attestation, the verb `verify` for one piece of evidence without
 * a server. A policy that is missing, fails, or gives something that is no trust vector is a
 * refusal. */
#pragma once

#include "issuer/appraise/policies.h"
#include "issuer/tee/tee.h"
#include "shared/base/limits.h"
#include "shared/policy/policy.h"
#include "shared/wire/ear.h"

/* Names in the passport: class and running index, "cpu0", "nvidia-dpu12". */
enum { ISS_SUBMOD_NAME = 24, ISS_POLICY_ID = 256, ISS_POLICY_BASE = 200, ISS_TRACE_MAX = 64 };

/* One question of a policy to the reference values, and what it got; places in
 * iss_appraisal.traced. For explanations. */
struct iss_trace {
    uint32_t name, name_n;
    uint32_t value, value_n; /* value_n 0: unknown */
};

struct iss_appraisal {
    char name[ISS_SUBMOD_NAME];
    const struct iss_claims *claims; /* borrowed from the list that was appraised */
    bool set[VD_EAR_CLAIM_MAX];      /* which members of the vector the policy named */
    int8_t value[VD_EAR_CLAIM_MAX];
    enum vd_ear_tier tier;
    char policy_id[ISS_POLICY_ID]; /* the effective one, "default_cpu" */
    uint8_t policy_sha256[32];
    bool builtin;     /* the default that the program carries, nothing stored */
    vd_buf annotated; /* JSON object: the annotated evidence (spec/wire 3.3) */
    vd_buf
        extensions; /* `,"name":value` members of the submod, ready to be appended; may be empty */
    vd_buf event_log; /* JSON of our member about the event log, or empty: there is none */
    size_t n_trace;
    struct iss_trace trace[ISS_TRACE_MAX];
    vd_buf traced; /* names and values of the trace, as texts */
};

static inline vd_span iss_trace_name(const struct iss_appraisal *a, size_t i)
{
    return vd_span_part(vd_buf_span(&a->traced), a->trace[i].name, a->trace[i].name_n);
}
static inline vd_span iss_trace_value(const struct iss_appraisal *a, size_t i)
{
    return vd_span_part(vd_buf_span(&a->traced), a->trace[i].value, a->trace[i].value_n);
}

struct iss_appraisals {
    size_t n;
    struct iss_appraisal item[ISS_CLAIMS_MAX];
};
struct iss_appraisals *iss_appraisals_new(void); /* NULL: no memory */
void iss_appraisals_free(struct iss_appraisals *a);
VD_DEFINE_CLEANUP(struct iss_appraisals, iss_appraisals_free)

/* The plain texts that an entry of the claims list is bound to. Empty: none was given, null in the
 * passport. */
struct iss_plain {
    vd_span runtime; /* runtime_data_claims, a JSON value */
    vd_span init;    /* init_data_claims, a JSON object */
};

struct iss_appraise_in {
    const struct iss_claims_list *list;
    const struct iss_plain *plain; /* one for each entry of the list; NULL: none has any */
    const char *policy_base;       /* "default" */
    struct iss_policies *policies;
    vd_policy_lookup lookup; /* reference values; NULL: none are known */
    void *lookup_ctx;
    int64_t now_ns;
    bool event_logs; /* keep event logs in the annotated evidence (they reach the policy either way)
                      */
    const struct vd_limits *limits;
};
/* Appraises every entry of the list, in order. On failure `out` says how far it came: out->n
 * entries are filled, the last one with policy_id (and its trace) of the policy that refused.
 * VD_E_POLICY_MISSING, VD_E_POLICY_RESULT, VD_E_POLICY_EVAL, VD_E_POLICY_BUDGET. */
vd_rc iss_appraise(const struct iss_appraise_in *in, struct iss_appraisals *out, vd_err *err);

/* The explanation that owners read: appends one JSON array with an element per appraisal:
 * {"submod","tee","status","policy","vector":{..},
 *  "findings":[{"rule","claim","observed","expected","nearest"}]}.
 * Reference values that a policy asked for are compared with the claim that they are about. */
vd_rc iss_explain(const struct iss_appraisals *a, vd_buf *out, vd_err *err);
