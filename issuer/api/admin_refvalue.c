/* /api/v1/reference-values: one value by ?name= (the only way to names with slashes, blanks or
 * non-ASCII), lists by ?prefix=&after=&limit=, and whole registration messages by POST. */
#include "issuer/api/change.h"
#include "issuer/api/handlers.h"

enum { PAGE_DEFAULT = 100, PAGE_MAX = 1000 };

/* A query member; *ret_given false when it is absent. */
static vd_rc query(const struct vd_req *req, const char *name, vd_buf *out, bool *ret_given,
                   vd_err *err)
{
    vd_err why = { 0 };
    vd_buf_done(out);
    *out = vd_buf_of(ISS_REFVALUE_NAME_MAX);
    vd_rc_ rc = vd_req_query(req, name, out, &why);
    *ret_given = rc.code == VD_E_OK;
    if (rc.code == VD_E_OK || rc.code == VD_E_NOT_FOUND)
        return VD_OK;
    return vd_fail(err, VD_E_SETTING, "query member %s: %.150s", name, why.msg);
}

static vd_rc query_name(const struct vd_req *req, vd_buf *out, vd_err *err)
{
    bool given = false;
    VD_TRY(query(req, "name", out, &given, err));
    if (!given || out->n == 0 || vd_span_find(vd_buf_span(out), 0) != out->n)
        return vd_fail(err, VD_E_SETTING, "the query member name is required");
    return VD_OK;
}

static vd_rc set_etag(struct vd_resp *resp, uint64_t version, vd_err *err)
{
    char text[32];
    (void)snprintf(text, sizeof text, "\"%llu\"", (unsigned long long)version);
    return vd_resp_field(resp, "ETag", vd_span_str(text), err);
}

/* ---- reading -----------------------------------------------------------------------------------
 */

static vd_rc write_item(vd_jw *w, const struct vd_object *o, int64_t now, vd_err *err)
{
    ISS_AUTO_REFVALUE v = { 0 };
    VD_TRY(iss_refvalue_parse(vd_buf_span(&o->body), now, &v, err));
    vd_jw_obj(w);
    vd_jw_kstr(w, "name", o->name);
    vd_jw_ku64(w, "version", o->version);
    vd_jw_key(w, "value");
    vd_jw_raw(w, vd_buf_span(&v.value));
    vd_jw_key(w, "expires_at");
    vd_jw_time(w, v.expires);
    vd_jw_kbool(w, "expired", v.expired);
    vd_jw_key(w, "created_at");
    vd_jw_time(w, o->created_at);
    vd_jw_kstr(w, "created_by", o->created_by);
    vd_jw_end(w);
    return VD_OK;
}

struct page {
    vd_jw w;
    int64_t now;
    size_t left;
    bool more;
    vd_buf last;
    vd_rc_ rc;
    vd_err *err;
};

static bool page_item(void *ctx, const struct vd_object *o)
{
    struct page *p = ctx;
    if (p->left == 0) {
        p->more = true;
        return false;
    }
    p->left--;
    vd_buf_reset(&p->last);
    vd_buf_str(&p->last, o->name);
    p->rc = write_item(&p->w, o, p->now, p->err);
    return p->rc.code == VD_E_OK;
}

static vd_rc page_size(const struct vd_req *req, size_t *ret, vd_err *err)
{
    VD_AUTO_BUF text = vd_buf_of(0);
    bool given = false;
    size_t n = 0;
    VD_TRY(query(req, "limit", &text, &given, err));
    for (size_t i = 0; i < text.n && n <= PAGE_MAX; i++)
        n = text.p[i] >= '0' && text.p[i] <= '9' ? n * 10 + (size_t)(text.p[i] - '0')
                                                 : (size_t)PAGE_MAX + 1;
    if (given && (n == 0 || n > PAGE_MAX))
        return vd_fail(err, VD_E_SETTING, "limit is 1 to %d", PAGE_MAX);
    *ret = given ? n : PAGE_DEFAULT;
    return VD_OK;
}

static vd_rc list(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    VD_AUTO_BUF prefix = vd_buf_of(0);
    VD_AUTO_BUF after = vd_buf_of(0);
    VD_AUTO_BUF last = vd_buf_of(ISS_REFVALUE_NAME_MAX);
    bool has_prefix = false, has_after = false;
    struct page p = { .w = vd_jw_of(&resp->body), .now = req->now, .last = last, .err = err };
    VD_TRY(query(req, "prefix", &prefix, &has_prefix, err));
    VD_TRY(query(req, "after", &after, &has_after, err));
    VD_TRY(page_size(req, &p.left, err));
    vd_jw_obj(&p.w);
    vd_jw_key(&p.w, "items");
    vd_jw_arr(&p.w);
    vd_rc_ rc = vd_store_list(iss_app_of(req)->server->store, VD_OWNER_DEFAULT, ISS_KIND_REFVALUE,
                              has_prefix ? vd_buf_cstr(&prefix) : "",
                              has_after ? vd_buf_cstr(&after) : NULL, page_item, &p, err);
    last = p.last; /* it may have been allocated in there */
    VD_TRY(rc);
    VD_TRY(p.rc);
    vd_jw_end(&p.w);
    if (p.more)
        vd_jw_kspan(&p.w, "next", vd_buf_span(&last));
    else {
        vd_jw_key(&p.w, "next");
        vd_jw_null(&p.w);
    }
    vd_jw_end(&p.w);
    resp->content_type = "application/json";
    return vd_buf_check(&resp->body, err);
}

static vd_rc one(const struct vd_req *req, const char *name, struct vd_resp *resp, vd_err *err)
{
    VD_AUTO_OBJECT o = { 0 };
    vd_err why = { 0 };
    vd_rc_ rc = vd_store_get(iss_app_of(req)->server->store, VD_OWNER_DEFAULT, ISS_KIND_REFVALUE,
                             name, 0, &o, &why);
    if (rc.code == VD_E_NOT_FOUND)
        return vd_fail(err, VD_E_REFVALUE_UNKNOWN, "no reference value of that name");
    if (rc.code != VD_E_OK)
        return vd_fail(err, rc.code, "%.220s", why.msg);
    vd_jw w = vd_jw_of(&resp->body);
    VD_TRY(write_item(&w, &o, req->now, err));
    VD_TRY(set_etag(resp, o.version, err));
    resp->content_type = "application/json";
    return vd_buf_check(&resp->body, err);
}

vd_rc iss_admin_refvalue_get(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    VD_AUTO_BUF name = vd_buf_of(0);
    bool given = false;
    VD_TRY(query(req, "name", &name, &given, err));
    if (!given)
        return list(req, resp, err);
    VD_TRY(query_name(req, &name, err));
    return one(req, vd_buf_cstr(&name), resp, err);
}

/* ---- changing ----------------------------------------------------------------------------------
 */

static vd_rc read_value(const struct vd_req *req, const char *name, struct iss_refvalue_set *set,
                        vd_err *err)
{
    const struct vd_limits *l = iss_app_of(req)->server->limits;
    const struct vd_json_limits limits = { (size_t)l->refvalue_body, 32, 1000000 };
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    VD_TRY(vd_json_parse(req->body, &limits, &doc, err));
    vd_jv value = vd_jv_get(vd_json_root(doc), "value"),
          until = vd_jv_get(vd_json_root(doc), "expires_at");
    int64_t expires = 0;
    if (!vd_jv_ok(value))
        return vd_fail(err, VD_E_SYNTAX,
                       "the body is {\"value\": any JSON, \"expires_at\"?: time}");
    if (vd_jv_ok(until)) {
        vd_err why = { 0 };
        if (vd_time_parse(vd_jv_str_raw(until), &expires, &why).code != VD_E_OK ||
            expires <= req->now)
            return vd_fail(err, VD_E_SETTING, "expires_at is no time in the future");
    }
    return iss_rvps_one(vd_span_str(name), vd_jv_raw(value), expires, l, req->admin.identity,
                        req->now, set, err);
}

vd_rc iss_admin_refvalue_put(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    VD_AUTO_BUF name = vd_buf_of(0);
    ISS_AUTO_REFVALUE_SET set = { 0 };
    int64_t match = VD_MATCH_ANY;
    VD_TRY(query_name(req, &name, err));
    VD_TRY(vd_objects_match(req, &match, err));
    VD_TRY(read_value(req, vd_buf_cstr(&name), &set, err));
    set.put[0].match = match;
    VD_TRY(iss_refvalues_store(req, &set, err));
    VD_TRY(set_etag(resp, set.put[0].ret_version, err));
    resp->status = set.put[0].ret_version == 1 ? 201 : 200;
    vd_jw w = vd_jw_of(&resp->body);
    vd_jw_obj(&w);
    vd_jw_kstr(&w, "name", set.name[0]);
    vd_jw_ku64(&w, "version", set.put[0].ret_version);
    vd_jw_end(&w);
    resp->content_type = "application/json";
    return vd_buf_check(&resp->body, err);
}

/* All values of a registration message or none of them. */
vd_rc iss_admin_refvalue_post(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    ISS_AUTO_REFVALUE_SET set = { 0 };
    const struct vd_limits *l = iss_app_of(req)->server->limits;
    VD_TRY(iss_rvps_message(req->body, l, req->admin.identity, req->now, &set, err));
    VD_TRY(iss_refvalues_store(req, &set, err));
    vd_jw w = vd_jw_of(&resp->body);
    vd_jw_obj(&w);
    vd_jw_key(&w, "items");
    vd_jw_arr(&w);
    for (size_t i = 0; i < set.n; i++) {
        vd_jw_obj(&w);
        vd_jw_kstr(&w, "name", set.name[i]);
        vd_jw_ku64(&w, "version", set.put[i].ret_version);
        vd_jw_end(&w);
    }
    vd_jw_end(&w);
    vd_jw_key(&w, "next");
    vd_jw_null(&w);
    vd_jw_end(&w);
    resp->content_type = "application/json";
    return vd_buf_check(&resp->body, err);
}

vd_rc iss_admin_refvalue_delete(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    VD_AUTO_BUF name = vd_buf_of(0);
    struct vd_server *s = iss_app_of(req)->server;
    int64_t match = VD_MATCH_ANY;
    VD_TRY(query_name(req, &name, err));
    VD_TRY(vd_objects_match(req, &match, err));
    struct vd_put put = {
        .owner = VD_OWNER_DEFAULT,
        .kind = ISS_KIND_REFVALUE,
        .name = vd_buf_cstr(&name),
        .remove = true,
        .match = match,
        .by = req->admin.identity,
        .now = req->now,
    };
    VD_TRY(vd_change(s->audit, s->store, "reference-value.delete", req->admin.identity,
                     req->admin.role, &put, 1, err));
    resp->status = 204;
    return VD_OK;
}
