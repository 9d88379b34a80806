/* What anybody may read: the key set, and the statement of what was revoked. */
#include "issuer/api/app.h"
#include "issuer/api/handlers.h"

enum { DOCUMENT_BYTES = 4 << 20 };

/* If-None-Match names this tag (a list, weak ones and * included). */
static bool has_it(const struct vd_req *req, const char *etag)
{
    vd_span left = vd_req_field(req, "If-None-Match");
    if (vd_span_eq_str(left, "*"))
        return true;
    while (left.n) {
        size_t n = vd_span_find(left, ',');
        vd_span one = vd_span_part(left, 0, n);
        left = vd_span_part(left, n + 1, left.n);
        while (one.n && one.p[0] == ' ')
            one = vd_span_part(one, 1, one.n);
        while (one.n && one.p[one.n - 1] == ' ')
            one.n--;
        if (vd_span_starts(one, VD_LIT("W/")))
            one = vd_span_part(one, 2, one.n);
        if (vd_span_eq_str(one, etag))
            return true;
    }
    return false;
}

vd_rc iss_jwks_get(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    char age[48];
    char etag[ISS_ETAG];
    const struct iss_app *app = iss_app_of(req);
    VD_AUTO_BUF body = vd_buf_of(DOCUMENT_BYTES);
    VD_TRY(iss_keyring_jwks(app->keys, &body, etag, err));
    (void)snprintf(age, sizeof age, "max-age=%llu", (unsigned long long)app->jwks_max_age);
    VD_TRY(vd_resp_field(resp, "Cache-Control", vd_span_str(age), err));
    VD_TRY(vd_resp_field(resp, "ETag", vd_span_str(etag), err));
    if (has_it(req, etag)) {
        resp->status = 304;
        return VD_OK;
    }
    vd_buf_add(&resp->body, vd_buf_span(&body));
    resp->content_type = "application/json";
    return vd_buf_check(&resp->body, err);
}

vd_rc iss_revocation_get(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    VD_TRY(vd_resp_field(resp, "Cache-Control", VD_LIT("no-cache"), err));
    resp->content_type = "application/vidimus-revocation+jwt";
    return iss_revocations_statement(iss_app_of(req)->revocations, &resp->body, err);
}
