/* Attestation policies by id: stored ones (kind "attestation-policy"), else the defaults that the
 * program carries (policies/attestation), compiled once per version and kept. An id that is neither
 * stored nor built in is a refusal: nothing is appraised without a policy. */
#pragma once

#include "shared/policy/policy.h"
#include "shared/store/store.h"

#define ISS_KIND_POLICY "attestation-policy"

struct iss_policies; /* thread safe */

/* store NULL: only the built-in defaults (the verb `verify`). workers NULL: policies run in this
 * process. Workers and limits outlive the object. */
vd_rc iss_policies_new(struct vd_store *store, struct vd_policy_workers *workers,
                       const struct vd_limits *limits, struct iss_policies **ret, vd_err *err);
/* One policy text for every id (`verify --policy FILE`). VD_E_POLICY_COMPILE. */
vd_rc iss_policies_fixed(vd_span rego, const struct vd_limits *limits, struct iss_policies **ret,
                         vd_err *err);
void iss_policies_free(struct iss_policies *p);
VD_DEFINE_CLEANUP(struct iss_policies, iss_policies_free)

/* A new reference. VD_E_POLICY_MISSING, VD_E_POLICY_COMPILE, VD_E_STORE, VD_E_STORE_CORRUPT,
 * and what vd_policy_compile_in may fail with. */
vd_rc iss_policies_find(struct iss_policies *p, const char *id, struct vd_policy **ret,
                        bool *ret_builtin, vd_err *err);

/* The i-th built-in default: its id and text; false behind the end. */
bool iss_policy_builtin_at(size_t i, const char **ret_id, vd_span *ret_text);
/* Text of a built-in default; empty span if the id is none. */
vd_span iss_policy_builtin(const char *id);
