/* Policies on the attestation service's REST surface. Trustee asks nobody who he is there; here it
 * takes an administrator. GET /policy/{id}, which Trustee forgot to route, gives the Rego text. */
#include "issuer/api/change.h"
#include "issuer/api/handlers.h"

struct listing {
    vd_jw w;
    bool builtin_seen[16];
};

static void list_item(vd_jw *w, const char *id)
{
    vd_jw_obj(w);
    vd_jw_kstr(w, "policy-id", id);
    vd_jw_end(w);
}

static bool list_stored(void *ctx, const struct vd_object *o)
{
    struct listing *l = ctx;
    const char *id;
    vd_span text;
    for (size_t i = 0; i < 16 && iss_policy_builtin_at(i, &id, &text); i++)
        if (strcmp(id, o->name) == 0)
            l->builtin_seen[i] = true;
    list_item(&l->w, o->name);
    return true;
}

vd_rc iss_as_policy_list(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    struct listing l = { .w = vd_jw_of(&resp->body) };
    vd_jw_arr(&l.w);
    VD_TRY(vd_store_list(iss_app_of(req)->server->store, VD_OWNER_DEFAULT, ISS_KIND_POLICY, "",
                         NULL, list_stored, &l, err));
    const char *id;
    vd_span text;
    for (size_t i = 0; i < 16 && iss_policy_builtin_at(i, &id, &text); i++)
        if (!l.builtin_seen[i])
            list_item(&l.w, id);
    vd_jw_end(&l.w);
    resp->content_type = "application/json";
    return vd_buf_check(&resp->body, err);
}

vd_rc iss_as_policy_set(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    (void)resp;
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    VD_TRY(iss_as_body(req, req->body.n, &doc, err));
    return iss_policy_upload(req, vd_json_root(doc), err);
}
