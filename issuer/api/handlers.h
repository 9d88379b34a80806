/* The handlers of the route tables, in the order of issuer/api/routes.c. */
#pragma once

#include "shared/http/http.h"

vd_rc iss_session_guard(void *ctx, struct vd_req *req, vd_err *err);

/* kbs.c */
vd_rc iss_kbs_auth(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
vd_rc iss_kbs_attest(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
/* kbs_admin.c */
vd_rc iss_kbs_policy_set(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
vd_rc iss_kbs_refvalue_get(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
vd_rc iss_kbs_refvalue_set(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
/* jwks.c */
vd_rc iss_jwks_get(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
vd_rc iss_revocation_get(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
/* as.c */
struct vd_json;
/* The body of a call to that surface: JSON by its Content-Type. VD_E_SYNTAX. */
vd_rc iss_as_body(const struct vd_req *req, uint64_t max, struct vd_json **ret, vd_err *err);
vd_rc iss_as_challenge(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
vd_rc iss_as_attestation(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
/* as_policy.c */
vd_rc iss_as_policy_list(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
vd_rc iss_as_policy_set(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
/* admin_policy.c */
vd_rc iss_admin_policy_list(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
vd_rc iss_admin_policy_get(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
vd_rc iss_admin_policy_put(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
vd_rc iss_admin_policy_delete(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
vd_rc iss_admin_policy_history(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
vd_rc iss_admin_policy_version(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
/* admin_refvalue.c */
vd_rc iss_admin_refvalue_get(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
vd_rc iss_admin_refvalue_put(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
vd_rc iss_admin_refvalue_post(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
vd_rc iss_admin_refvalue_delete(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
/* admin_keys.c */
vd_rc iss_admin_keys(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
vd_rc iss_admin_keys_rotate(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
vd_rc iss_admin_keys_revoke(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
vd_rc iss_admin_statement_keys(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
vd_rc iss_admin_statement_keys_rotate(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
vd_rc iss_admin_statement_keys_revoke(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
/* admin_revocation.c */
vd_rc iss_admin_revocations(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
vd_rc iss_admin_revocations_add(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
vd_rc iss_admin_revocations_remove(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
/* admin_collateral.c */
vd_rc iss_admin_collateral(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
vd_rc iss_admin_collateral_fetch(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
vd_rc iss_admin_collateral_import(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
vd_rc iss_admin_collateral_export(const struct vd_req *req, struct vd_resp *resp, vd_err *err);
