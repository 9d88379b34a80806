/* Native routes of trusted issuers. Entries of the file are read-only but for `suspended`; entries
 * made here live in the store (kind "trusted-issuer"). One object of that kind and the name of a
 * file's entry holds only {"suspended":...}. A change is stored first, then takes effect in memory,
 * under one lock. */
#include <stdatomic.h>

#include "broker/api/app.h"
#include "shared/program/objects.h"

#define KIND "trusted-issuer"

enum { BODY_BYTES = 4 << 20 };

/* ---- bodies -----------------------------------------------------------------------------------
 */

struct state {
    struct vd_json *doc;
    bool only_state; /* no member but `suspended` */
    bool has_suspended;
    bool suspended;
};

static void state_done(struct state *s)
{
    vd_json_free(s->doc);
    s->doc = NULL;
}

static vd_rc state_read(vd_span body, struct state *ret, vd_err *err)
{
    vd_err cause = { 0 };
    if (vd_json_parse(body, VD_JSON_LIMITS(BODY_BYTES), &ret->doc, &cause).code != VD_E_OK)
        return vd_fail(err, VD_E_SYNTAX, "%s", cause.msg);
    vd_jv root = vd_json_root(ret->doc);
    vd_jv suspended = vd_jv_get(root, "suspended");
    if (!vd_jv_is(root, VD_JSON_OBJECT))
        return vd_fail(err, VD_E_SETTING, "a trusted issuer is a JSON object");
    ret->has_suspended = !vd_jv_is(suspended, VD_JSON_NONE);
    ret->only_state = ret->has_suspended && vd_jv_count(root) == 1;
    if (ret->has_suspended && vd_jv_bool(suspended, &ret->suspended, NULL).code != VD_E_OK)
        return vd_fail(err, VD_E_SETTING, "suspended is true or false");
    return VD_OK;
}

/* The same definition with another state. */
static vd_rc with_state(vd_span body, bool suspended, vd_buf *out, vd_err *err)
{
    __attribute__((cleanup(state_done))) struct state old = { 0 };
    VD_TRY(state_read(body, &old, err));
    vd_jw w = vd_jw_of(out);
    vd_jw_obj(&w);
    vd_jv_iter m = vd_jv_iter_of(vd_json_root(old.doc));
    while (vd_jv_next(&m)) {
        VD_AUTO_BUF name = vd_buf_of(1024);
        if (vd_jv_str_eq(m.name, "suspended"))
            continue;
        VD_TRY(vd_jv_str(m.name, &name, err));
        vd_jw_key_span(&w, vd_buf_span(&name));
        vd_jw_raw(&w, vd_jv_raw(m.value));
    }
    vd_jw_kbool(&w, "suspended", suspended);
    vd_jw_end(&w);
    return vd_buf_check(out, err);
}

/* ---- start ------------------------------------------------------------------------------------
 */

/* An older key set of an entry that does not fetch: the start goes on, the entry's passports are
 * refused, and an administrator can say that it is meant. Takes the references over. */
static vd_rc add_loaded(struct brk_app *app, struct brk_trust_row *row, vd_err *err)
{
    vd_err why = { 0 };
    vd_rc_ rc = brk_trust_add(app->trust, row, &why);
    if (rc.code == VD_E_OLDER_SET) {
        vd_context(&why, row->issuer->name);
        vd_log_err(app->server->log, VD_LOG_ERROR, "broker", &why);
        brk_keyset_unref(VD_TAKE(row->keys));
        vd_err_clear(&why);
        rc = brk_trust_add(app->trust, row, &why);
    }
    if (rc.code == VD_E_OK)
        return VD_OK;
    brk_issuer_unref(row->issuer);
    brk_keyset_unref(row->keys);
    return vd_fail(err, VD_E_CONFIG, "%s", why.msg);
}

static vd_rc load_file(struct brk_app *app, vd_err *err)
{
    size_t n = vd_config_tables(app->server->config, "trusted_issuer");
    for (size_t i = 0; i < n; i++) {
        VD_AUTO(brk_issuer_unref) struct brk_issuer *issuer = NULL;
        VD_AUTO(brk_keyset_unref) struct brk_keyset *keys = NULL;
        VD_TRY(brk_issuer_from_config(app->server->config, i, &issuer, &keys, err));
        struct brk_trust_row row = { .issuer = VD_TAKE(issuer),
                                     .keys = VD_TAKE(keys),
                                     .from_file = true };
        if (add_loaded(app, &row, err).code != VD_E_OK) {
            vd_context(err, "[[trusted_issuer]]");
            return VD_RC(VD_E_CONFIG);
        }
    }
    return VD_OK;
}

struct loading {
    struct brk_app *app;
    vd_err *err;
    vd_rc_ rc;
};

static vd_rc load_stored(struct brk_app *app, const struct vd_object *o, vd_err *err)
{
    __attribute__((cleanup(state_done))) struct state state = { 0 };
    VD_AUTO(brk_trust_view_unref) struct brk_trust_view *view = brk_trust_view(app->trust);
    VD_AUTO(brk_issuer_unref) struct brk_issuer *issuer = NULL;
    VD_AUTO(brk_keyset_unref) struct brk_keyset *keys = NULL;
    const struct brk_trust_row *there = brk_trust_by_name(view, o->name);
    bool suspended = false;
    VD_TRY(state_read(vd_buf_span(&o->body), &state, err));
    if (state.only_state) {
        /* Kept also while its entry is not in the file: a suspension must survive an edit. */
        return there ? brk_trust_suspend(app->trust, o->name, state.suspended, o->version, err)
                     : VD_OK;
    }
    if (there)
        return vd_fail(err, VD_E_CONFIG,
                       "the trusted issuer %.64s is in the file and in the store; rename or "
                       "remove its [[trusted_issuer]]",
                       o->name);
    VD_TRY(brk_issuer_from_json(o->name, vd_buf_span(&o->body), &issuer, &keys, &suspended, err));
    struct brk_trust_row row = {
        .issuer = VD_TAKE(issuer),
        .keys = VD_TAKE(keys),
        .suspended = suspended,
        .version = o->version,
    };
    return add_loaded(app, &row, err);
}

static bool load_one(void *ctx, const struct vd_object *o)
{
    struct loading *l = ctx;
    l->rc = load_stored(l->app, o, l->err);
    if (l->rc.code != VD_E_OK) {
        char where[96];
        (void)snprintf(where, sizeof where, "trusted issuer %.64s of the store", o->name);
        vd_context(l->err, where);
    }
    return l->rc.code == VD_E_OK;
}

vd_rc brk_issuers_load(struct brk_app *app, vd_err *err)
{
    struct loading l = { .app = app, .err = err };
    VD_TRY(load_file(app, err));
    VD_TRY(vd_store_list(app->server->store, VD_OWNER_DEFAULT, KIND, "", NULL, load_one, &l, err));
    return l.rc;
}

/* ---- reading ----------------------------------------------------------------------------------
 */

/* The highest numbers seen, and the statement in force. */
static void published_to_json(struct brk_trust *t, const struct brk_trust_row *row, vd_jw *w)
{
    struct brk_mark marks[BRK_SEEN_MAX] = { 0 };
    const struct brk_revocation *r = row->revoked;
    if (brk_trust_marks(t, row->issuer, marks, NULL).code == VD_E_OK)
        vd_jw_ku64(w, "jwks_seq", marks[BRK_SEEN_JWKS].seq);
    vd_jw_key(w, "revocation");
    if (!r) {
        vd_jw_null(w);
        return;
    }
    vd_jw_obj(w);
    vd_jw_ku64(w, "seq", r->seq);
    vd_jw_key(w, "expires_at");
    vd_jw_time(w, atomic_load(&row->issuer->statement.good_until));
    vd_jw_ku64(w, "jti", r->n[BRK_REVOKED_JTI]);
    vd_jw_ku64(w, "hw_id", r->n[BRK_REVOKED_HW_ID]);
    vd_jw_ku64(w, "policy_sha256", r->n[BRK_REVOKED_POLICY]);
    vd_jw_key(w, "not_before");
    if (r->not_before)
        vd_jw_time(w, r->not_before);
    else
        vd_jw_null(w);
    vd_jw_end(w);
}

static void row_to_json(struct brk_trust *t, const struct brk_trust_row *row, vd_jw *w)
{
    vd_jw_obj(w);
    vd_jw_kstr(w, "name", row->issuer->name);
    vd_jw_ku64(w, "version", row->version);
    vd_jw_kstr(w, "origin", row->from_file ? "file" : "store");
    vd_jw_kbool(w, "suspended", row->suspended);
    brk_issuer_to_json(row->issuer, row->keys, w);
    published_to_json(t, row, w);
    vd_jw_end(w);
}

static vd_rc answer_row(struct brk_trust *t, const struct brk_trust_row *row, struct vd_resp *resp,
                        vd_err *err)
{
    char etag[32];
    vd_jw w = vd_jw_of(&resp->body);
    row_to_json(t, row, &w);
    resp->content_type = "application/json";
    (void)snprintf(etag, sizeof etag, "\"%llu\"", (unsigned long long)row->version);
    return vd_resp_field(resp, "ETag", vd_span_str(etag), err);
}

vd_rc brk_issuers_list(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    (void)err;
    const struct brk_app *app = req->app;
    VD_AUTO(brk_trust_view_unref) struct brk_trust_view *view = brk_trust_view(app->trust);
    resp->content_type = "application/json";
    vd_jw w = vd_jw_of(&resp->body);
    vd_jw_obj(&w);
    vd_jw_key(&w, "items");
    vd_jw_arr(&w);
    for (size_t i = 0; i < view->n; i++)
        row_to_json(app->trust, &view->row[i], &w);
    vd_jw_end(&w);
    vd_jw_key(&w, "next");
    vd_jw_null(&w);
    vd_jw_end(&w);
    return VD_OK;
}

static vd_rc name_of(const struct vd_req *req, char name[BRK_NAME_MAX + 1], vd_err *err)
{
    if (req->param[0].n == 0 || req->param[0].n > BRK_NAME_MAX)
        return vd_fail(err, VD_E_NOT_FOUND, "there is no trusted issuer of that name");
    memcpy(name, req->param[0].p, req->param[0].n);
    name[req->param[0].n] = '\0';
    return VD_OK;
}

vd_rc brk_issuers_get(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    char name[BRK_NAME_MAX + 1];
    const struct brk_app *app = req->app;
    VD_AUTO(brk_trust_view_unref) struct brk_trust_view *view = brk_trust_view(app->trust);
    VD_TRY(name_of(req, name, err));
    const struct brk_trust_row *row = brk_trust_by_name(view, name);
    if (!row)
        return vd_fail(err, VD_E_NOT_FOUND, "there is no trusted issuer %s", name);
    return answer_row(app->trust, row, resp, err);
}

/* ---- changing ---------------------------------------------------------------------------------
 */

/* The version that must be the newest; "0" is a file's entry whose state was never changed. */
static vd_rc match_of(const struct vd_req *req, const struct brk_trust_row *row, int64_t *ret,
                      vd_err *err)
{
    if (vd_span_eq_str(vd_req_field(req, "If-Match"), "\"0\""))
        *ret = VD_MATCH_NONE;
    else
        VD_TRY(vd_objects_match(req, ret, err));
    if (*ret != VD_MATCH_ANY)
        return VD_OK;
    if (!row)
        return vd_fail(err, VD_E_VERSION, "If-Match: * and there is no such trusted issuer");
    *ret = (int64_t)row->version;
    return VD_OK;
}

static vd_rc store_change(const struct vd_req *req, const char *what, const char *name,
                          vd_span body, int64_t match, uint64_t *ret_version, vd_err *err)
{
    struct vd_put put = {
        .owner = VD_OWNER_DEFAULT,
        .kind = KIND,
        .name = name,
        .body = body,
        .remove = body.n == 0,
        .match = match,
        .by = req->admin.identity,
        .now = req->now,
    };
    VD_TRY(vd_change(req->server->audit, req->server->store, what, req->admin.identity,
                     req->admin.role, &put, 1, err));
    *ret_version = put.ret_version;
    return VD_OK;
}

/* suspended: true or false, for entries of either origin. */
static vd_rc put_state(const struct vd_req *req, const struct brk_trust_row *row, bool suspended,
                       int64_t match, vd_err *err)
{
    struct brk_app *app = req->app;
    uint64_t version = 0;
    const char *what = suspended ? "trusted-issuer.suspend" : "trusted-issuer.resume";
    VD_AUTO_BUF body = vd_buf_of(BODY_BYTES);
    VD_AUTO_OBJECT old = { 0 };
    if (row->from_file) {
        vd_buf_printf(&body, "{\"suspended\":%s}", suspended ? "true" : "false");
    } else {
        VD_TRY(vd_store_get(req->server->store, VD_OWNER_DEFAULT, KIND, row->issuer->name, 0, &old,
                            err));
        VD_TRY(with_state(vd_buf_span(&old.body), suspended, &body, err));
    }
    VD_TRY(vd_buf_check(&body, err));
    VD_TRY(store_change(req, what, row->issuer->name, vd_buf_span(&body), match, &version, err));
    return brk_trust_suspend(app->trust, row->issuer->name, suspended, version, err);
}

static vd_rc put_whole(const struct vd_req *req, const char *name,
                       const struct brk_trust_row *there, int64_t match, vd_err *err)
{
    struct brk_app *app = req->app;
    VD_AUTO(brk_issuer_unref) struct brk_issuer *issuer = NULL;
    VD_AUTO(brk_keyset_unref) struct brk_keyset *keys = NULL;
    bool suspended = false;
    uint64_t version = 0;
    VD_TRY(brk_issuer_from_json(name, req->body, &issuer, &keys, &suspended, err));
    struct brk_trust_row row = { .issuer = issuer, .keys = keys, .suspended = suspended };
    VD_TRY(brk_trust_check(app->trust, &row, err));
    VD_TRY(store_change(req, "trusted-issuer.put", name, req->body, match, &version, err));
    row.version = version;
    VD_TRY(there ? brk_trust_replace(app->trust, &row, err) : brk_trust_add(app->trust, &row, err));
    issuer = NULL;
    keys = NULL;
    return VD_OK;
}

static vd_rc put_locked(const struct vd_req *req, const char *name, bool *ret_created, vd_err *err)
{
    struct brk_app *app = req->app;
    __attribute__((cleanup(state_done))) struct state state = { 0 };
    VD_AUTO(brk_trust_view_unref) struct brk_trust_view *view = brk_trust_view(app->trust);
    const struct brk_trust_row *row = brk_trust_by_name(view, name);
    int64_t match = 0;
    VD_TRY(state_read(req->body, &state, err));
    VD_TRY(match_of(req, row, &match, err));
    *ret_created = !row;
    if (state.only_state) {
        if (!row)
            return vd_fail(err, VD_E_NOT_FOUND, "there is no trusted issuer %s", name);
        return put_state(req, row, state.suspended, match, err);
    }
    if (row && row->from_file)
        return vd_fail(err, VD_E_READ_ONLY,
                       "%s is set by the configuration file; only suspended can be "
                       "changed here",
                       name);
    return put_whole(req, name, row, match, err);
}

vd_rc brk_issuers_put(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    char name[BRK_NAME_MAX + 1];
    bool created = false;
    struct brk_app *app = req->app;
    VD_TRY(name_of(req, name, err));
    (void)pthread_mutex_lock(&app->issuers);
    vd_rc_ rc = put_locked(req, name, &created, err);
    (void)pthread_mutex_unlock(&app->issuers);
    if (rc.code != VD_E_OK)
        return rc;
    VD_TRY(brk_issuers_get(req, resp, err));
    resp->status = created ? 201 : 200;
    return VD_OK;
}

static vd_rc delete_locked(const struct vd_req *req, const char *name, vd_err *err)
{
    struct brk_app *app = req->app;
    VD_AUTO(brk_trust_view_unref) struct brk_trust_view *view = brk_trust_view(app->trust);
    const struct brk_trust_row *row = brk_trust_by_name(view, name);
    int64_t match = 0;
    uint64_t version = 0;
    VD_TRY(match_of(req, row, &match, err));
    if (!row)
        return vd_fail(err, VD_E_NOT_FOUND, "there is no trusted issuer %s", name);
    if (row->from_file)
        return vd_fail(err, VD_E_READ_ONLY,
                       "%s is set by the configuration file; suspend it, or take it out "
                       "of the file",
                       name);
    if (match == VD_MATCH_NONE)
        return vd_fail(err, VD_E_SETTING, "a deletion needs If-Match");
    VD_TRY(store_change(req, "trusted-issuer.delete", name, VD_SPAN_NONE, match, &version, err));
    return brk_trust_remove(app->trust, name, err);
}

vd_rc brk_issuers_delete(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    char name[BRK_NAME_MAX + 1];
    struct brk_app *app = req->app;
    VD_TRY(name_of(req, name, err));
    (void)pthread_mutex_lock(&app->issuers);
    vd_rc_ rc = delete_locked(req, name, err);
    (void)pthread_mutex_unlock(&app->issuers);
    resp->status = 204;
    return rc;
}

/* ---- numbers ----------------------------------------------------------------------------------
 */

/* The record first: afterwards an older key set or statement is taken. */
static vd_rc record_reset(const struct vd_req *req, const char *name, const struct brk_mark *marks,
                          vd_err *err)
{
    uint64_t seq = 0;
    VD_AUTO_BUF detail = vd_buf_of(4096);
    vd_jw w = vd_jw_of(&detail);
    vd_jw_obj(&w);
    vd_jw_kstr(&w, "what", "trusted-issuer.reset");
    vd_jw_kstr(&w, "identity", req->admin.identity);
    vd_jw_kstr(&w, "role", req->admin.role);
    vd_jw_kstr(&w, "name", name);
    vd_jw_ku64(&w, "jwks_seq", marks[BRK_SEEN_JWKS].seq);
    vd_jw_ku64(&w, "revocation_seq", marks[BRK_SEEN_STATEMENT].seq);
    vd_jw_end(&w);
    VD_TRY(vd_buf_check(&detail, err));
    return vd_audit_append(req->server->audit, "issuer-reset", vd_buf_span(&detail),
                           VD_AUDIT_DURABLE | VD_AUDIT_ADMIN, &seq, err);
}

vd_rc brk_issuers_reset(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    char name[BRK_NAME_MAX + 1];
    struct brk_app *app = req->app;
    struct brk_mark marks[BRK_SEEN_MAX] = { 0 };
    VD_TRY(name_of(req, name, err));
    (void)pthread_mutex_lock(&app->issuers);
    VD_AUTO(brk_trust_view_unref) struct brk_trust_view *view = brk_trust_view(app->trust);
    const struct brk_trust_row *row = brk_trust_by_name(view, name);
    vd_rc_ rc = row ? brk_trust_marks(app->trust, row->issuer, marks, err)
                    : vd_fail(err, VD_E_NOT_FOUND, "there is no trusted issuer %s", name);
    if (rc.code == VD_E_OK)
        rc = record_reset(req, name, marks, err);
    if (rc.code == VD_E_OK)
        rc = brk_trust_reset(app->trust, name, err);
    (void)pthread_mutex_unlock(&app->issuers);
    return rc.code == VD_E_OK ? brk_issuers_get(req, resp, err) : rc;
}
