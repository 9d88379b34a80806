/* /api/v1/keys: the keys that sign passports. Public halves only. */
#include "issuer/api/app.h"
#include "issuer/api/handlers.h"

vd_rc iss_admin_keys(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    const struct iss_signer *s = iss_app_of(req)->signer;
    vd_jw w = vd_jw_of(&resp->body);
    vd_jw_obj(&w);
    vd_jw_key(&w, "items");
    vd_jw_arr(&w);
    vd_jw_obj(&w);
    vd_jw_kstr(&w, "kid", s->kid);
    vd_jw_kstr(&w, "alg", vd_jws_alg_name(s->alg));
    vd_jw_kstr(&w, "state", "active");
    vd_jw_key(&w, "jwk");
    vd_jw_raw(&w, vd_buf_span(&s->jwk));
    vd_jw_end(&w);
    vd_jw_end(&w);
    vd_jw_key(&w, "next");
    vd_jw_null(&w);
    vd_jw_end(&w);
    resp->content_type = "application/json";
    return vd_buf_check(&resp->body, err);
}
