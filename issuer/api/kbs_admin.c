/* KBS administration on the guest plane, as kbs-client sends it: attestation policies and reference
 * values. Statuses and texts are those of the KBS
 * (spec/wire 1.2, 1.3). */
#include "issuer/api/change.h"
#include "issuer/api/handlers.h"

/* The message that a client may see is one of the table; the cause stays with the operator. */
static vd_rc recode(vd_err *err, const vd_err *why, vd_code code, vd_code as)
{
    bool callers = code == VD_E_SYNTAX || code == VD_E_SETTING || code == VD_E_POLICY_COMPILE ||
                   code == VD_E_TOO_LARGE;
    return vd_fail(err, callers ? as : code, "%.220s", why->msg);
}

vd_rc iss_kbs_policy_set(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    (void)resp;
    const struct vd_limits *l = iss_app_of(req)->server->limits;
    const struct vd_json_limits limits = { req->body.n, (uint32_t)l->json_depth,
                                           (uint32_t)l->json_nodes };
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    vd_err why = { 0 };
    vd_rc_ rc = vd_json_parse(req->body, &limits, &doc, &why);
    if (rc.code == VD_E_OK)
        rc = iss_policy_upload(req, vd_json_root(doc), &why);
    return rc.code == VD_E_OK ? VD_OK : recode(err, &why, rc.code, VD_E_SET_POLICY);
}

vd_rc iss_kbs_refvalue_set(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    ISS_AUTO_REFVALUE_SET set = { 0 };
    const struct vd_limits *l = iss_app_of(req)->server->limits;
    VD_TRY(iss_rvps_message(req->body, l, req->admin.identity, req->now, &set, err));
    VD_TRY(iss_refvalues_store(req, &set, err));
    resp->content_type = "application/json"; /* with an empty body, as Trustee answers */
    return VD_OK;
}

vd_rc iss_kbs_refvalue_get(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    ISS_AUTO_REFVALUE v = { 0 };
    VD_TRY(iss_rvps_get(iss_app_of(req)->rvps, req->param[0], &v, err));
    if (v.expired)
        return vd_fail(err, VD_E_REFVALUE_UNKNOWN, "the reference value has expired");
    vd_buf_add(&resp->body, vd_buf_span(&v.value));
    resp->content_type = "application/json";
    return vd_buf_check(&resp->body, err);
}
