/* What anybody may read: the key set. */
#include "issuer/api/app.h"
#include "issuer/api/handlers.h"

vd_rc iss_jwks_get(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    char age[32];
    (void)snprintf(age, sizeof age, "max-age=%d", VD_JWKS_MAX_AGE);
    VD_TRY(vd_resp_field(resp, "Cache-Control", vd_span_str(age), err));
    vd_buf_add(&resp->body, vd_buf_span(&iss_app_of(req)->jwks));
    resp->content_type = "application/json";
    return vd_buf_check(&resp->body, err);
}
