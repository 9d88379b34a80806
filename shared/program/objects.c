/* Native routes over versioned objects; see objects.h. The ETag is the version in quotes; a change
 * names the version it replaces, so nobody overwrites what he has not seen. */
#include "shared/program/objects.h"

#include <stdio.h>

#include "shared/codec/json.h"

enum { PAGE_DEFAULT = 100, PAGE_MAX = 1000, NAME_MAX_BYTES = 255, QUERY_MAX = 1024 };

static const char json_type[] = "application/json";

/* ---- small parts ----------------------------------------------------------------------------- */

static vd_rc check_name(const struct vd_object_kind *k, const char *name, vd_err *err)
{
    vd_span s = vd_span_str(name);
    if (k->name_ok)
        return k->name_ok(s, err);
    bool ok = s.n > 0 && s.n <= NAME_MAX_BYTES && s.p[0] != '.';
    for (size_t i = 0; ok && i < s.n; i++) {
        uint8_t c = s.p[i];
        ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
             c == '.' || c == '_' || c == '-';
    }
    if (!ok)
        return vd_fail(err, VD_E_SETTING,
                       "a name has 1 to 255 letters, digits, '.', '_' or '-', no '.' first");
    return VD_OK;
}

/* Digits only, no leading zero, 1 and up. */
static vd_rc read_version(vd_span text, uint64_t *ret, vd_err *err)
{
    uint64_t n = 0;
    bool ok = text.n > 0 && text.n <= 18 && text.p[0] != '0';
    for (size_t i = 0; ok && i < text.n; i++) {
        ok = text.p[i] >= '0' && text.p[i] <= '9';
        n = n * 10 + (uint64_t)(text.p[i] - '0');
    }
    if (!ok)
        return vd_fail(err, VD_E_SETTING, "not a version");
    *ret = n;
    return VD_OK;
}

static vd_rc set_etag(struct vd_resp *resp, uint64_t version, vd_err *err)
{
    char etag[32];
    (void)snprintf(etag, sizeof etag, "\"%llu\"", (unsigned long long)version);
    return vd_resp_field(resp, "ETag", vd_span_str(etag), err);
}

static void metadata(vd_jw *w, const struct vd_object *o, bool with_state)
{
    vd_jw_obj(w);
    vd_jw_kstr(w, "name", o->name);
    vd_jw_ku64(w, "version", o->version);
    if (with_state)
        vd_jw_kstr(w, "state", o->deleted ? "deleted" : "active");
    vd_jw_khex(w, "sha256", vd_span_of(o->sha256, sizeof o->sha256));
    vd_jw_key(w, "created_at");
    vd_jw_time(w, o->created_at);
    vd_jw_kstr(w, "created_by", o->created_by);
    vd_jw_ku64(w, "size", o->size);
    vd_jw_end(w);
}

/* A query member, empty when it is absent. */
static vd_rc query(const struct vd_req *req, const char *name, vd_buf *out, vd_err *err)
{
    vd_err absent = { 0 };
    vd_rc_ rc = vd_req_query(req, name, out, &absent);
    if (rc.code == VD_E_OK || rc.code == VD_E_NOT_FOUND)
        return VD_OK;
    return vd_fail(err, VD_E_SETTING, "query member %s: %.100s", name, absent.msg);
}

vd_rc vd_objects_page(const struct vd_req *req, size_t *ret_limit, vd_err *err)
{
    VD_AUTO_BUF text = vd_buf_of(QUERY_MAX);
    uint64_t n = PAGE_DEFAULT;
    VD_TRY(query(req, "limit", &text, err));
    if (text.n && (read_version(vd_buf_span(&text), &n, err).code != VD_E_OK || n > PAGE_MAX))
        return vd_fail(err, VD_E_SETTING, "limit is 1 to %d", PAGE_MAX);
    *ret_limit = (size_t)n;
    return VD_OK;
}

/* ---- reading --------------------------------------------------------------------------------- */

struct listing {
    vd_jw w;
    size_t n;
    size_t limit;
    bool more;
    char *last; /* name of the last item */
    bool no_memory;
};

static bool list_one(void *ctx, const struct vd_object *o)
{
    struct listing *l = ctx;
    if (l->n == l->limit) {
        l->more = true;
        return false;
    }
    char *name = vd_strdup_span(vd_span_str(o->name));
    if (!name) {
        l->no_memory = true;
        return false;
    }
    free(l->last);
    l->last = name;
    l->n++;
    metadata(&l->w, o, false);
    return true;
}

vd_rc vd_objects_list(const struct vd_object_kind *k, const struct vd_req *req,
                      struct vd_resp *resp, vd_err *err)
{
    VD_AUTO_BUF prefix = vd_buf_of(QUERY_MAX);
    VD_AUTO_BUF after = vd_buf_of(QUERY_MAX);
    struct listing l = { .w = vd_jw_of(&resp->body) };
    VD_TRY(query(req, "prefix", &prefix, err));
    VD_TRY(query(req, "after", &after, err));
    VD_TRY(vd_objects_page(req, &l.limit, err));
    vd_jw_obj(&l.w);
    vd_jw_key(&l.w, "items");
    vd_jw_arr(&l.w);
    vd_rc_ rc = vd_store_list(req->server->store, VD_OWNER_DEFAULT, k->kind,
                              prefix.n ? vd_buf_cstr(&prefix) : "",
                              after.n ? vd_buf_cstr(&after) : NULL, list_one, &l, err);
    vd_jw_end(&l.w);
    vd_jw_key(&l.w, "next");
    if (l.more)
        vd_jw_str(&l.w, l.last);
    else
        vd_jw_null(&l.w);
    vd_jw_end(&l.w);
    free(l.last);
    VD_TRY(rc);
    if (l.no_memory)
        return vd_fail(err, VD_E_NOMEM, "list of %s", k->kind);
    resp->content_type = json_type;
    return VD_OK;
}

static vd_rc answer_object(const struct vd_object_kind *k, const struct vd_object *o,
                           struct vd_resp *resp, vd_err *err)
{
    VD_TRY(set_etag(resp, o->version, err));
    if (k->sealed) {
        resp->content_type = json_type;
        vd_jw w = vd_jw_of(&resp->body);
        metadata(&w, o, false);
        return VD_OK;
    }
    resp->content_type = k->content_type;
    vd_buf_add(&resp->body, vd_buf_span(&o->body));
    return VD_OK;
}

vd_rc vd_objects_get(const struct vd_object_kind *k, const char *name, const struct vd_req *req,
                     struct vd_resp *resp, vd_err *err)
{
    VD_TRY(check_name(k, name, err));
    VD_AUTO_OBJECT o = { 0 };
    VD_TRY(vd_store_get(req->server->store, VD_OWNER_DEFAULT, k->kind, name, 0, &o, err));
    return answer_object(k, &o, resp, err);
}

vd_rc vd_objects_version(const struct vd_object_kind *k, const char *name, vd_span n,
                         const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    uint64_t version = 0;
    VD_TRY(check_name(k, name, err));
    VD_TRY(read_version(n, &version, err));
    VD_AUTO_OBJECT o = { 0 };
    VD_TRY(vd_store_get(req->server->store, VD_OWNER_DEFAULT, k->kind, name, version, &o, err));
    if (o.deleted)
        return vd_fail(err, VD_E_NOT_FOUND, "%s %s version %llu is a deletion", k->kind, name,
                       (unsigned long long)version);
    return answer_object(k, &o, resp, err);
}

static bool history_one(void *ctx, const struct vd_object *o)
{
    metadata(ctx, o, true);
    return true;
}

vd_rc vd_objects_history(const struct vd_object_kind *k, const char *name, const struct vd_req *req,
                         struct vd_resp *resp, vd_err *err)
{
    VD_TRY(check_name(k, name, err));
    vd_jw w = vd_jw_of(&resp->body);
    vd_jw_obj(&w);
    vd_jw_key(&w, "items");
    vd_jw_arr(&w);
    VD_TRY(vd_store_history(req->server->store, VD_OWNER_DEFAULT, k->kind, name, history_one, &w,
                            err));
    vd_jw_end(&w);
    vd_jw_key(&w, "next");
    vd_jw_null(&w);
    vd_jw_end(&w);
    resp->content_type = json_type;
    return VD_OK;
}

/* ---- changing -------------------------------------------------------------------------------- */

/* One strong entity tag, as we made it: "N". */
static vd_rc read_etag(vd_span value, int64_t *ret, vd_err *err)
{
    uint64_t n = 0;
    if (value.n < 3 || value.p[0] != '"' || value.p[value.n - 1] != '"' ||
        read_version(vd_span_part(value, 1, value.n - 2), &n, NULL).code != VD_E_OK)
        return vd_fail(err, VD_E_SETTING, "If-Match is the version in quotes, such as \"3\", or *");
    *ret = (int64_t)n;
    return VD_OK;
}

vd_rc vd_objects_match(const struct vd_req *req, int64_t *ret, vd_err *err)
{
    vd_span match = vd_req_field(req, "If-Match");
    vd_span none = vd_req_field(req, "If-None-Match");
    if (match.n && none.n)
        return vd_fail(err, VD_E_SETTING, "If-Match and If-None-Match exclude one another");
    if (none.n) {
        if (!vd_span_eq_str(none, "*"))
            return vd_fail(err, VD_E_SETTING, "If-None-Match must be *");
        *ret = VD_MATCH_NONE;
        return VD_OK;
    }
    if (match.n == 0)
        return vd_fail(err, VD_E_PRECONDITION, "neither If-Match nor If-None-Match");
    if (vd_span_eq_str(match, "*")) {
        *ret = VD_MATCH_ANY;
        return VD_OK;
    }
    return read_etag(match, ret, err);
}

/* If-Match: * means "whatever it is, but it must be": the version it has now stands in for it. */
static vd_rc resolve_any(const struct vd_object_kind *k, const char *name, const struct vd_req *req,
                         int64_t *match, vd_err *err)
{
    if (*match != VD_MATCH_ANY)
        return VD_OK;
    VD_AUTO_OBJECT o = { 0 };
    vd_err cause = { 0 };
    vd_rc_ rc = vd_store_get(req->server->store, VD_OWNER_DEFAULT, k->kind, name, 0, &o, &cause);
    if (rc.code == VD_E_NOT_FOUND)
        return vd_fail(err, VD_E_VERSION, "If-Match: * and there is no %s %s", k->kind, name);
    if (rc.code != VD_E_OK)
        return vd_fail(err, rc.code, "%s", cause.msg);
    *match = (int64_t)o.version;
    return VD_OK;
}

static vd_rc change(const struct vd_object_kind *k, const char *what, const struct vd_req *req,
                    struct vd_put *put, vd_err *err)
{
    put->owner = VD_OWNER_DEFAULT;
    put->kind = k->kind;
    put->sealed = k->sealed;
    put->by = req->admin.identity;
    put->now = req->now;
    return vd_change(req->server->audit, req->server->store, what, req->admin.identity,
                     req->admin.role, put, 1, err);
}

vd_rc vd_objects_put(const struct vd_object_kind *k, const char *name, const struct vd_req *req,
                     struct vd_resp *resp, vd_err *err)
{
    struct vd_put put = { .name = name, .body = req->body };
    VD_TRY(check_name(k, name, err));
    VD_TRY(vd_objects_match(req, &put.match, err));
    if (k->check)
        VD_TRY(k->check(req->server, name, req->body, err));
    VD_TRY(resolve_any(k, name, req, &put.match, err));
    bool created = put.match == VD_MATCH_NONE;
    VD_TRY(change(k, k->what_put, req, &put, err));
    VD_AUTO_OBJECT o = { 0 };
    VD_TRY(vd_store_get(req->server->store, VD_OWNER_DEFAULT, k->kind, name, put.ret_version, &o,
                        err));
    VD_TRY(set_etag(resp, o.version, err));
    resp->status = created ? 201 : 200;
    resp->content_type = json_type;
    vd_jw w = vd_jw_of(&resp->body);
    metadata(&w, &o, false);
    return VD_OK;
}

vd_rc vd_objects_delete(const struct vd_object_kind *k, const char *name, const struct vd_req *req,
                        struct vd_resp *resp, vd_err *err)
{
    struct vd_put put = { .name = name, .remove = true };
    VD_TRY(check_name(k, name, err));
    VD_TRY(vd_objects_match(req, &put.match, err));
    if (put.match == VD_MATCH_NONE)
        return vd_fail(err, VD_E_SETTING, "a deletion needs If-Match");
    VD_TRY(resolve_any(k, name, req, &put.match, err));
    VD_TRY(change(k, k->what_delete, req, &put, err));
    resp->status = 204;
    return VD_OK;
}
