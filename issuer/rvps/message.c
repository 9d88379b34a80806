/* Registration messages {"version"?, "type", "payload"}: the payload is standard base64 of whatever
 * the extractor of that type reads. Extractors stand in one table; a type that is not in it is
 * refused. */
#include "issuer/rvps/rvps_priv.h"

#include "shared/codec/b64.h"

/* `sample`: a JSON object, each member is one value. */
static vd_rc extract_sample(vd_span payload, const struct iss_refvalue_meta *meta,
                            struct iss_refvalue_set *set, vd_err *err)
{
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    vd_err why = { 0 };
    if (vd_json_parse(payload, &ISS_RVPS_JSON(payload.n), &doc, &why).code != VD_E_OK)
        return vd_fail(err, VD_E_REFVALUE_REFUSED, "payload of a `sample` message: %.150s",
                       why.msg);
    vd_jv root = vd_json_root(doc);
    if (!vd_jv_is(root, VD_JSON_OBJECT))
        return vd_fail(err, VD_E_REFVALUE_REFUSED,
                       "payload of a `sample` message is no JSON object");
    VD_TRY(iss_refvalue_set_room(set, vd_jv_count(root), err));
    vd_jv_iter it = vd_jv_iter_of(root);
    while (vd_jv_next(&it)) {
        VD_AUTO_BUF name = vd_buf_of(ISS_REFVALUE_NAME_MAX);
        if (vd_jv_str(it.name, &name, &why).code != VD_E_OK)
            return vd_fail(err, VD_E_REFVALUE_REFUSED, "a name is longer than %d bytes",
                           ISS_REFVALUE_NAME_MAX);
        VD_TRY(iss_refvalue_set_add(set, vd_buf_span(&name), it.value, meta, err));
    }
    return VD_OK;
}

static const struct iss_extractor extractors[] = {
    { "sample", extract_sample },
};

static vd_rc message_read(vd_jv root, const struct vd_limits *limits,
                          const struct iss_extractor **ret_extractor, vd_buf *ret_payload,
                          vd_err *err)
{
    vd_jv version = vd_jv_get(root, "version");
    if (vd_jv_ok(version) && !vd_jv_str_eq(version, ISS_RVPS_VERSION))
        return vd_fail(err, VD_E_REFVALUE_REFUSED, "message version is not %s", ISS_RVPS_VERSION);
    VD_AUTO_BUF type = vd_buf_of(64);
    vd_err why = { 0 };
    if (vd_jv_str(vd_jv_get(root, "type"), &type, &why).code != VD_E_OK)
        return vd_fail(err, VD_E_REFVALUE_REFUSED, "message without a type");
    for (size_t i = 0; i < sizeof extractors / sizeof extractors[0]; i++)
        if (vd_span_eq_str(vd_buf_span(&type), extractors[i].type))
            *ret_extractor = &extractors[i];
    if (!*ret_extractor)
        return vd_fail(err, VD_E_REFVALUE_REFUSED, "no extractor for messages of that type");
    *ret_payload = vd_buf_of((size_t)limits->refvalue_body);
    if (vd_jv_b64(vd_jv_get(root, "payload"), VD_B64_STD, ret_payload, &why).code != VD_E_OK)
        return vd_fail(err, VD_E_REFVALUE_REFUSED, "payload is no standard base64: %.120s",
                       why.msg);
    return VD_OK;
}

vd_rc iss_rvps_message(vd_span json, const struct vd_limits *limits, const char *by, int64_t now,
                       struct iss_refvalue_set *ret, vd_err *err)
{
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    vd_err why = { 0 };
    if (vd_json_parse(json, &ISS_RVPS_JSON((size_t)limits->refvalue_body), &doc, &why).code !=
        VD_E_OK)
        return vd_fail(err, VD_E_REFVALUE_REFUSED, "message: %.150s", why.msg);
    const struct iss_extractor *x = NULL;
    VD_AUTO_BUF payload = vd_buf_of(0);
    VD_TRY(message_read(vd_json_root(doc), limits, &x, &payload, err));
    struct iss_refvalue_meta meta = { .by = by, .now = now, .expires = iss_rvps_expiry(now) };
    ISS_AUTO_REFVALUE_SET set = { 0 };
    VD_TRY(x->extract(vd_buf_span(&payload), &meta, &set, err));
    *ret = set;
    set = (struct iss_refvalue_set){ 0 };
    return VD_OK;
}

vd_rc iss_rvps_one(vd_span name, vd_span value_json, int64_t expires,
                   const struct vd_limits *limits, const char *by, int64_t now,
                   struct iss_refvalue_set *ret, vd_err *err)
{
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    vd_err why = { 0 };
    if (vd_json_parse(value_json, &ISS_RVPS_JSON((size_t)limits->refvalue_body), &doc, &why).code !=
        VD_E_OK)
        return vd_fail(err, VD_E_REFVALUE_REFUSED, "value: %.150s", why.msg);
    struct iss_refvalue_meta meta = { .by = by,
                                      .now = now,
                                      .expires = expires ? expires : iss_rvps_expiry(now) };
    ISS_AUTO_REFVALUE_SET set = { 0 };
    VD_TRY(iss_refvalue_set_room(&set, 1, err));
    VD_TRY(iss_refvalue_set_add(&set, name, vd_json_root(doc), &meta, err));
    *ret = set;
    set = (struct iss_refvalue_set){ 0 };
    return VD_OK;
}
