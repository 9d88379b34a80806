/* /api/v1/collateral: what is held and what stops working when; fetching, bringing in and taking
 * along. What changes the basis of verdicts is in the audit record before it is answered. */
#include "issuer/api/app.h"
#include "issuer/api/handlers.h"
#include "issuer/collateral/bundle.h"
#include "issuer/tee/dcap/fetch.h"

enum { BODY_BYTES = 16384, DETAIL_BYTES = 200 << 10, FETCH_SECONDS = 30, NAME_BYTES = 256 };

static vd_rc end_list(vd_jw *w, struct vd_resp *resp, vd_err *err)
{
    vd_jw_key(w, "next");
    vd_jw_null(w);
    vd_jw_end(w);
    resp->content_type = "application/json";
    return vd_buf_check(&resp->body, err);
}

vd_rc iss_admin_collateral(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    vd_jw w = vd_jw_of(&resp->body);
    vd_jw_obj(&w);
    vd_jw_key(&w, "items");
    VD_TRY(iss_collateral_list(iss_app_of(req)->collateral, &w, err));
    return end_list(&w, resp, err);
}

/* One record of who did what; `result` is JSON. */
static vd_rc record(const struct vd_req *req, const char *event, vd_span result, vd_err *err)
{
    VD_AUTO_BUF detail = vd_buf_of(DETAIL_BYTES);
    uint64_t seq = 0;
    vd_jw w = vd_jw_of(&detail);
    vd_jw_obj(&w);
    vd_jw_kstr(&w, "identity", req->admin.identity);
    vd_jw_kstr(&w, "role", req->admin.role);
    vd_jw_key(&w, "result");
    if (result.n < DETAIL_BYTES / 2)
        vd_jw_raw(&w, result);
    else
        vd_jw_str(&w, "too long for a record");
    vd_jw_end(&w);
    VD_TRY(vd_buf_check(&detail, err));
    return vd_audit_append(iss_app_of(req)->server->audit, event, vd_buf_span(&detail),
                           VD_AUDIT_DURABLE | VD_AUDIT_ADMIN, &seq, err);
}

/* ---- fetch -------------------------------------------------------------------------------------
 */

struct wish {
    struct dcap_wish what;
    char *tee;
    char *ca;
    char *fmspc;
};

static void wish_done(struct wish *w)
{
    free(w->tee);
    free(w->ca);
    free(w->fmspc);
}

static vd_rc read_word(vd_jv root, const char *name, char **ret, size_t *known, vd_err *err)
{
    vd_jv v = vd_jv_get(root, name);
    if (!vd_jv_ok(v))
        return VD_OK;
    ++*known;
    if (vd_jv_strdup(v, ret, NULL).code != VD_E_OK)
        return vd_fail(err, VD_E_SETTING, "%s is no string", name);
    return VD_OK;
}

/* Nothing, or {"fmspc":"a,b","tee":"tdx","ca":"platform"}. */
static vd_rc read_wish(vd_span body, struct wish *ret, vd_err *err)
{
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    size_t known = 0;
    vd_err why = { 0 };
    ret->what.seconds = FETCH_SECONDS;
    if (body.n == 0)
        return VD_OK;
    if (vd_json_parse(body, VD_JSON_LIMITS(BODY_BYTES), &doc, &why).code != VD_E_OK)
        return vd_fail(err, VD_E_SYNTAX, "%s", why.msg);
    vd_jv root = vd_json_root(doc);
    VD_TRY(read_word(root, "tee", &ret->tee, &known, err));
    VD_TRY(read_word(root, "ca", &ret->ca, &known, err));
    VD_TRY(read_word(root, "fmspc", &ret->fmspc, &known, err));
    if (!vd_jv_is(root, VD_JSON_OBJECT) || vd_jv_count(root) != known)
        return vd_fail(err, VD_E_SETTING, "the body is empty or has fmspc, tee and ca");
    ret->what.tee = ret->tee;
    ret->what.ca = ret->ca;
    ret->what.fmspc = ret->fmspc;
    return VD_OK;
}

static void report(void *ctx, const char *kind, vd_span key, const vd_err *why)
{
    vd_jw *w = ctx;
    vd_jw_obj(w);
    vd_jw_kstr(w, "kind", kind);
    vd_jw_kspan(w, "key", key);
    vd_jw_kbool(w, "fetched", why->code == VD_E_OK);
    if (why->code != VD_E_OK)
        vd_jw_kstr(w, "reason", why->msg);
    vd_jw_end(w);
}

vd_rc iss_admin_collateral_fetch(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    __attribute__((cleanup(wish_done))) struct wish wish = { .tee = NULL };
    struct iss_app *app = iss_app_of(req);
    vd_jw w = vd_jw_of(&resp->body);
    vd_err why = { 0 };
    VD_TRY(read_wish(req->body, &wish, err));
    vd_jw_obj(&w);
    vd_jw_key(&w, "items");
    vd_jw_arr(&w);
    vd_rc_ rc = dcap_fetch_wished(app->collateral, app->server->config, &wish.what, req->now,
                                  report, &w, &why);
    if (rc.code == VD_E_CONFIG)
        return vd_fail(err, VD_E_SETTING, "%s", why.msg);
    if (rc.code != VD_E_OK && rc.code != VD_E_COLLATERAL)
        return vd_fail(err, rc.code, "%s", why.msg);
    vd_jw_end(&w);
    VD_TRY(end_list(&w, resp, err));
    return record(req, "collateral.fetch", vd_buf_span(&resp->body), err);
}

/* ---- import, export ----------------------------------------------------------------------------
 */

vd_rc iss_admin_collateral_import(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    VD_AUTO_BUF name = vd_buf_of(NAME_BYTES);
    vd_err why = { 0 };
    vd_jw w = vd_jw_of(&resp->body);
    if (req->body.n == 0)
        return vd_fail(err, VD_E_SYNTAX, "the body is a file of collateral");
    if (vd_req_query(req, "name", &name, &why).code == VD_E_NOT_FOUND)
        vd_buf_str(&name, "upload");
    VD_TRY(vd_buf_check(&name, err));
    vd_rc_ rc =
        iss_collateral_import(iss_app_of(req)->collateral, vd_buf_cstr(&name), req->body, &w, &why);
    VD_TRY(vd_buf_check(&resp->body, err));
    if (rc.code != VD_E_OK && rc.code != VD_E_COLLATERAL)
        return vd_fail(err, rc.code, "%s", why.msg);
    VD_TRY(record(req, "collateral.import", vd_buf_span(&resp->body), err));
    resp->content_type = "application/json";
    if (rc.code != VD_E_OK) /* the body says what was wrong with each thing */
        resp->status = 422;
    return VD_OK;
}

vd_rc iss_admin_collateral_export(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
    VD_AUTO_BUF bundle = vd_buf_of(ISS_BUNDLE_BYTES_MAX);
    struct iss_app *app = iss_app_of(req);
    const char *file = vd_config_str(app->server->config, "collateral.key_file");
    if (!file)
        return vd_fail(err, VD_E_READ_ONLY,
                       "collateral.key_file is not set, and a bundle must be signed");
    VD_TRY(iss_bundle_key(file, &key, err));
    vd_rc_ rc = iss_collateral_export(app->collateral, key, &bundle, err);
    if (rc.code == VD_E_COLLATERAL) {
        vd_err why = *err;
        *err = (vd_err){ 0 };
        return vd_fail(err, VD_E_NOT_FOUND, "%s", why.msg);
    }
    VD_TRY(rc);
    vd_buf_add(&resp->body, vd_buf_span(&bundle));
    resp->content_type = "application/jose";
    return vd_buf_check(&resp->body, err);
}
