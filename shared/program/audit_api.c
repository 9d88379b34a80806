/* The audit record over the native API: pages of it, its signed head, the key that signs, receipts.
 */
#include "shared/codec/json.h"
#include "shared/program/objects.h"
#include "shared/program/server_priv.h"

enum { RECORD_MAX = 300 << 10, AUDIT_OUT_MAX = 16 << 20 };

static const char json_type[] = "application/json";

/* 1 to 18 digits. */
static bool number_of(vd_span text, uint64_t *ret)
{
    bool ok = text.n > 0 && text.n <= 18;
    *ret = 0;
    for (size_t i = 0; ok && i < text.n; i++) {
        ok = text.p[i] >= '0' && text.p[i] <= '9';
        *ret = *ret * 10 + (uint64_t)(text.p[i] - '0');
    }
    return ok;
}

static vd_rc query_u64(const struct vd_req *req, const char *name, uint64_t *ret, vd_err *err)
{
    VD_AUTO_BUF text = vd_buf_of(64);
    vd_err none = { 0 };
    vd_rc_ rc = vd_req_query(req, name, &text, &none);
    *ret = 0;
    if (rc.code == VD_E_NOT_FOUND)
        return VD_OK;
    if (rc.code != VD_E_OK || !number_of(vd_buf_span(&text), ret))
        return vd_fail(err, VD_E_SETTING, "%s is a sequence number", name);
    return VD_OK;
}

static uint64_t seq_of(vd_span record)
{
    VD_AUTO(vd_json_free) struct vd_json *j = NULL;
    vd_err none = { 0 };
    uint64_t seq = 0;
    if (vd_json_parse(record, VD_JSON_LIMITS(RECORD_MAX), &j, &none).code != VD_E_OK ||
        vd_jv_u64(vd_jv_get(vd_json_root(j), "seq"), INT64_MAX, &seq, &none).code != VD_E_OK)
        return 0;
    return seq;
}

vd_rc vd_audit_list(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    struct vd_server *s = req->server;
    uint64_t after = 0;
    size_t limit = 0;
    VD_TRY(query_u64(req, "after", &after, err));
    VD_TRY(vd_objects_page(req, &limit, err));
    VD_AUTO_BUF lines = vd_buf_of(AUDIT_OUT_MAX);
    VD_TRY(vd_audit_read(s->audit, after, limit, &lines, err));
    VD_TRY(vd_buf_check(&lines, err));
    vd_jw w = vd_jw_of(&resp->body);
    vd_jw_obj(&w);
    vd_jw_key(&w, "items");
    vd_jw_arr(&w);
    size_t n = 0;
    vd_span last = VD_SPAN_NONE;
    for (vd_span rest = vd_buf_span(&lines); rest.n > 0;) {
        size_t end = vd_span_find(rest, '\n');
        last = vd_span_part(rest, 0, end);
        rest = vd_span_part(rest, end + 1, rest.n);
        vd_jw_raw(&w, last);
        n++;
    }
    vd_jw_end(&w);
    vd_jw_key(&w, "next");
    uint64_t seq = n == limit ? seq_of(last) : 0;
    if (seq && seq < vd_audit_seq(s->audit))
        vd_jw_u64(&w, seq);
    else
        vd_jw_null(&w);
    vd_jw_end(&w);
    resp->content_type = json_type;
    return VD_OK;
}

vd_rc vd_audit_head_get(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    resp->content_type = json_type;
    return vd_audit_head(req->server->audit, &resp->body, err);
}

vd_rc vd_audit_key_get(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    const struct vd_key *key = vd_audit_signer(req->server->audit);
    if (!key)
        return vd_fail(err, VD_E_UNAVAILABLE, "the audit record has no key");
    resp->content_type = "application/jwk+json";
    return vd_key_to_jwk(key, NULL, &resp->body, err);
}

vd_rc vd_audit_receipt_get(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    uint64_t seq = 0;
    if (!number_of(req->param[0], &seq))
        return vd_fail(err, VD_E_NOT_FOUND, "not a sequence number");
    resp->content_type = json_type;
    return vd_audit_receipt(req->server->audit, seq, &resp->body, err);
}

vd_rc vd_audit_field(struct vd_resp *resp, uint64_t seq, vd_err *err)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)seq);
    return vd_resp_field(resp, "Vidimus-Audit", vd_span_str(text), err);
}
