/* Init data (the KBS protocol's initdata document, and the attestation service's handling of it):
 * digest over the raw text, and claims out of its [data] table. */
#include "issuer/appraise/initdata.h"

#include "shared/codec/json.h"
#include "shared/codec/toml.h"

enum {
    /* The claims end up six levels deep in a passport, whose readers stop at 32. */
    CLAIM_DEPTH = 24,
    CLAIM_NODES = 20000,
};

void iss_init_data_done(struct iss_init_data *d)
{
    vd_buf_done(&d->claims);
    *d = (struct iss_init_data){ 0 };
}

static size_t room_for(vd_span text)
{
    return 6 * text.n + 4096;
}

/* The text is one JSON value that a passport can carry. */
static bool is_json_claim(vd_span text, enum vd_json_type type)
{
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    const struct vd_json_limits limits = { text.n, CLAIM_DEPTH, CLAIM_NODES };
    vd_err ignored = { 0 };
    if (vd_json_parse(text, &limits, &doc, &ignored).code != VD_E_OK)
        return false;
    return vd_jv_is(vd_json_root(doc), type);
}

/* cdh.toml and aa.toml: an object when the text is TOML, else the text itself. */
static vd_rc write_toml_claim(vd_jw *w, vd_span text, vd_err *err)
{
    VD_AUTO_BUF json = vd_buf_of(room_for(text));
    vd_err ignored = { 0 };
    vd_rc_ rc = vd_toml_to_json(text, &json, NULL, &ignored);
    if (rc.code == VD_E_NOMEM || rc.code == VD_E_INTERNAL)
        return vd_fail(err, rc.code, "init data: %.180s", ignored.msg);
    if (rc.code == VD_E_OK && is_json_claim(vd_buf_span(&json), VD_JSON_OBJECT))
        vd_jw_raw(w, vd_buf_span(&json));
    else
        vd_jw_str_span(w, text);
    return VD_OK;
}

/* policy.rego: what follows `policy_data := ` up to the very end, when that is a JSON object. */
static vd_span policy_data_of(vd_span text)
{
    const vd_span mark = VD_LIT("policy_data := {");
    for (size_t at = 0; at + mark.n <= text.n; at++) {
        vd_span from = vd_span_part(text, at, text.n);
        if (vd_span_starts(from, mark)) {
            vd_span object = vd_span_part(from, mark.n - 1, from.n);
            return is_json_claim(object, VD_JSON_OBJECT) ? object : VD_SPAN_NONE;
        }
    }
    return VD_SPAN_NONE;
}

static vd_rc write_claim(vd_jw *w, vd_span name, vd_span text, vd_err *err)
{
    if (vd_span_eq_str(name, "policy.rego")) {
        vd_span object = policy_data_of(text);
        if (object.n) {
            vd_jw_key(w, "agent_policy_claims");
            vd_jw_raw(w, object);
            return VD_OK;
        }
    }
    vd_jw_key_span(w, name);
    if (vd_span_eq_str(name, "cdh.toml") || vd_span_eq_str(name, "aa.toml"))
        return write_toml_claim(w, text, err);
    vd_jw_str_span(w, text);
    return VD_OK;
}

static vd_rc make_claims(vd_jv data, vd_buf *out, vd_err *err)
{
    /* an entry of that name would stand beside the claims made of policy.rego */
    vd_jv rego = vd_jv_get(data, "policy.rego");
    VD_AUTO_BUF rego_text = vd_buf_of(out->max);
    if (vd_jv_ok(rego))
        VD_TRY(vd_jv_str(rego, &rego_text, err));
    bool replaced = policy_data_of(vd_buf_span(&rego_text)).n != 0;

    vd_jw w = vd_jw_of(out);
    vd_jw_obj(&w);
    vd_jv_iter it = vd_jv_iter_of(data);
    while (vd_jv_next(&it)) {
        VD_AUTO_BUF name = vd_buf_of(out->max);
        VD_AUTO_BUF text = vd_buf_of(out->max);
        VD_TRY(vd_jv_str(it.name, &name, err));
        VD_TRY(vd_jv_str(it.value, &text, err));
        if (replaced && vd_span_eq_str(vd_buf_span(&name), "agent_policy_claims"))
            continue;
        VD_TRY(write_claim(&w, vd_buf_span(&name), vd_buf_span(&text), err));
    }
    vd_jw_end(&w);
    return vd_buf_check(out, err);
}

static vd_rc check_shape(vd_jv root, enum vd_hash *ret_alg, vd_err *err)
{
    vd_jv algorithm = vd_jv_get(root, "algorithm"), data = vd_jv_get(root, "data");
    vd_err ignored = { 0 };
    if (!vd_jv_is(vd_jv_get(root, "version"), VD_JSON_STRING))
        return vd_fail(err, VD_E_INIT_DATA_SYNTAX, "init data: version is missing or no string");
    if (!vd_jv_is(algorithm, VD_JSON_STRING) ||
        vd_hash_by_name(vd_jv_str_raw(algorithm), ret_alg, &ignored).code != VD_E_OK ||
        !vd_jv_str_eq(algorithm, vd_hash_name(*ret_alg)))
        return vd_fail(err, VD_E_INIT_DATA_SYNTAX,
                       "init data: algorithm is none of sha256 sha384 sha512 sm3");
    if (!vd_jv_is(data, VD_JSON_OBJECT))
        return vd_fail(err, VD_E_INIT_DATA_SYNTAX, "init data: [data] is missing or no table");
    vd_jv_iter it = vd_jv_iter_of(data);
    while (vd_jv_next(&it))
        if (!vd_jv_is(it.value, VD_JSON_STRING))
            return vd_fail(err, VD_E_INIT_DATA_SYNTAX, "init data: a value of [data] is no string");
    return VD_OK;
}

vd_rc iss_init_data_parse(vd_span text, struct iss_init_data *ret, vd_err *err)
{
    VD_AUTO_BUF json = vd_buf_of(room_for(text));
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    vd_err why = { 0 };
    vd_rc_ rc = vd_toml_to_json(text, &json, NULL, &why);
    if (rc.code == VD_E_NOMEM || rc.code == VD_E_INTERNAL)
        return vd_fail(err, rc.code, "init data: %.180s", why.msg);
    if (rc.code != VD_E_OK ||
        vd_json_parse(vd_buf_span(&json), VD_JSON_LIMITS(json.n), &doc, &why).code != VD_E_OK)
        return vd_fail(err, VD_E_INIT_DATA_SYNTAX, "init data is not TOML: %.150s", why.msg);

    ISS_AUTO_INIT_DATA d = { .claims = vd_buf_of(room_for(text)) };
    VD_TRY(check_shape(vd_json_root(doc), &d.alg, err));
    VD_TRY(vd_hash_of(d.alg, text, d.digest, err));
    d.digest_n = vd_hash_size(d.alg);
    VD_TRY(make_claims(vd_jv_get(vd_json_root(doc), "data"), &d.claims, err));
    *ret = d;
    d = (struct iss_init_data){ 0 };
    return VD_OK;
}
