/* Changes that administrators make through several doors (KBS, attestation service, native API). */
#pragma once

#include "issuer/api/app.h"
#include "shared/program/objects.h"

/* Attestation policies as versioned objects. */
extern const struct vd_object_kind iss_policy_kind;

/* {"policy_id","policy": base64url} compiled and stored, whatever was there before. `type` and
 * further members are ignored. VD_E_POLICY_COMPILE, VD_E_SETTING, VD_E_SYNTAX; store and audit
 * errors. */
vd_rc iss_policy_upload(const struct vd_req *req, vd_jv body, vd_err *err);
/* Stores the set in one transaction, with its audit records. */
vd_rc iss_refvalues_store(const struct vd_req *req, struct iss_refvalue_set *set, vd_err *err);
