/* The stored form of a reference value: {"version","name","expiration","value"}, and what an upload
 * makes of it. Members and version are those of Trustee's reference value provider. */
#include "issuer/rvps/rvps_priv.h"

#include <stdlib.h>

#include "shared/codec/json.h"

int64_t iss_rvps_expiry(int64_t now)
{
    VD_AUTO_BUF text = vd_buf_of(64);
    vd_time_rfc3339(now, &text);
    int64_t then = 0;
    if (text.bad || text.n != 20)
        return now + INT64_C(365) * 86400;
    /* the same day of the next year; the 29th of February becomes the 28th */
    for (int i = 3; i >= 0 && ++text.p[i] > '9'; i--)
        text.p[i] = '0';
    if (vd_span_eq(vd_span_part(vd_buf_span(&text), 5, 5), VD_LIT("02-29")))
        text.p[9] = '8';
    if (vd_time_parse(vd_buf_span(&text), &then, NULL).code != VD_E_OK)
        return now + INT64_C(365) * 86400;
    return then;
}

void iss_refvalue_done(struct iss_refvalue *v)
{
    vd_buf_done(&v->value);
}

vd_rc iss_refvalue_parse(vd_span body, int64_t now, struct iss_refvalue *ret, vd_err *err)
{
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    vd_err why = { 0 };
    ISS_AUTO_REFVALUE v = { .value = vd_buf_of(body.n) };
    if (vd_json_parse(body, &ISS_RVPS_JSON(body.n), &doc, &why).code != VD_E_OK)
        return vd_fail(err, VD_E_STORE_CORRUPT, "stored reference value: %.150s", why.msg);
    vd_jv root = vd_json_root(doc);
    vd_jv value = vd_jv_get(root, "value");
    if (!vd_jv_ok(value) ||
        vd_time_parse(vd_jv_str_raw(vd_jv_get(root, "expiration")), &v.expires, &why).code !=
            VD_E_OK)
        return vd_fail(err, VD_E_STORE_CORRUPT,
                       "stored reference value without value or expiration");
    vd_buf_add(&v.value, vd_jv_raw(value));
    VD_TRY(vd_buf_check(&v.value, err));
    v.expired = now >= v.expires;
    *ret = v;
    v = (struct iss_refvalue){ 0 };
    return VD_OK;
}

void iss_refvalue_set_done(struct iss_refvalue_set *s)
{
    for (size_t i = 0; i < s->n; i++) {
        free(s->name[i]);
        vd_buf_done(&s->body[i]);
    }
    free(s->name);
    free(s->body);
    free(s->put);
    *s = (struct iss_refvalue_set){ 0 };
}

vd_rc iss_refvalue_set_room(struct iss_refvalue_set *s, size_t n, vd_err *err)
{
    s->put = calloc(n ? n : 1, sizeof *s->put);
    s->name = calloc(n ? n : 1, sizeof *s->name);
    s->body = calloc(n ? n : 1, sizeof *s->body);
    if (!s->put || !s->name || !s->body)
        return vd_fail(err, VD_E_NOMEM, "%zu reference values", n);
    return VD_OK;
}

vd_rc iss_refvalue_set_add(struct iss_refvalue_set *s, vd_span name, vd_jv value,
                           const struct iss_refvalue_meta *meta, vd_err *err)
{
    if (name.n == 0 || name.n > ISS_REFVALUE_NAME_MAX)
        return vd_fail(err, VD_E_REFVALUE_REFUSED, "name of %zu bytes; 1 to %d are possible",
                       name.n, ISS_REFVALUE_NAME_MAX);
    size_t i = s->n;
    s->body[i] = vd_buf_of(vd_jv_raw(value).n + 6 * name.n + 256);
    s->name[i] = vd_strdup_span(name);
    s->n++;
    if (!s->name[i])
        return vd_fail(err, VD_E_NOMEM, "name of a reference value");
    VD_AUTO_BUF expires = vd_buf_of(64);
    vd_time_rfc3339(meta->expires, &expires);
    vd_jw w = vd_jw_of(&s->body[i]);
    vd_jw_obj(&w);
    vd_jw_kstr(&w, "version", ISS_RVPS_VERSION);
    vd_jw_kspan(&w, "name", name);
    vd_jw_kspan(&w, "expiration", vd_buf_span(&expires));
    vd_jw_key(&w, "value");
    VD_AUTO_BUF compact = vd_buf_of(vd_jv_raw(value).n + 16);
    VD_TRY(vd_json_compact(value, &compact, err));
    vd_jw_raw(&w, vd_buf_span(&compact));
    vd_jw_end(&w);
    VD_TRY(vd_buf_check(&s->body[i], err));
    s->put[i] = (struct vd_put){
        .owner = VD_OWNER_DEFAULT,
        .kind = ISS_KIND_REFVALUE,
        .name = s->name[i],
        .body = vd_buf_span(&s->body[i]),
        .match = VD_MATCH_ANY,
        .by = meta->by,
        .now = meta->now,
    };
    return VD_OK;
}
