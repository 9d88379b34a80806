/* POST /kbs/v0/attest: the composite evidence of protocol 0.4.0 and the plain one of 0.2.0, the
 * shape of a TEE key, and the hash that binds both to the evidence (spec/wire.md 1.4,
 * spec/clients.md 4). */
#include "shared/wire/kbs.h"

static vd_rc refuse(vd_err *err, const char *what)
{
    return vd_fail(err, VD_E_ATTEST_BODY, "attestation: %s", what);
}

static vd_rc parse_init_data(vd_jv v, struct vd_kbs_attestation *ret, vd_err *err)
{
    if (!vd_jv_ok(v) || vd_jv_is(v, VD_JSON_NULL))
        return VD_OK;
    ret->init_data_body = vd_jv_get(v, "body");
    if (!vd_jv_is(vd_jv_get(v, "format"), VD_JSON_STRING) ||
        !vd_jv_is(ret->init_data_body, VD_JSON_STRING))
        return refuse(err, "init-data needs the strings format and body");
    if (!vd_jv_str_eq(vd_jv_get(v, "format"), "toml"))
        return vd_fail(err, VD_E_INIT_DATA_SYNTAX, "init data is not in the format toml");
    ret->has_init_data = true;
    return VD_OK;
}

static vd_rc add_device(vd_jv name, vd_jv evidence, struct vd_kbs_attestation *ret, vd_err *err)
{
    if (ret->n_devices == VD_KBS_DEVICES_MAX)
        return refuse(err, "too many additional devices");
    VD_AUTO_BUF text = vd_buf_of(64);
    const char *tee = NULL;
    if (vd_jv_str(name, &text, NULL).code == VD_E_OK)
        tee = vd_kbs_tee_name(vd_buf_span(&text));
    if (!tee)
        return refuse(err, "additional evidence of an unknown tee");
    for (size_t i = 0; i < ret->n_devices; i++)
        if (ret->device[i].tee == tee)
            return refuse(err, "additional evidence of one tee under two names");
    ret->device[ret->n_devices++] = (struct vd_kbs_device){ tee, evidence };
    return VD_OK;
}

static vd_rc parse_additional(vd_jv v, struct vd_kbs_attestation *ret, vd_err *err)
{
    if (!vd_jv_is(v, VD_JSON_STRING))
        return refuse(err, "additional_evidence is not a string");
    ret->additional_string = v;
    ret->additional_text = vd_buf_of(vd_jv_str_raw(v).n);
    VD_TRY(vd_jv_str(v, &ret->additional_text, err));
    vd_span text = vd_buf_span(&ret->additional_text);
    if (text.n == 0)
        return VD_OK;
    if (vd_json_parse(text, VD_JSON_LIMITS(text.n), &ret->additional, NULL).code != VD_E_OK ||
        !vd_jv_is(vd_json_root(ret->additional), VD_JSON_OBJECT))
        return refuse(err, "additional_evidence is not the text of a JSON object");
    vd_jv_iter it = vd_jv_iter_of(vd_json_root(ret->additional));
    while (vd_jv_next(&it))
        VD_TRY(add_device(it.name, it.value, ret, err));
    return VD_OK;
}

static vd_rc parse_0_4_0(vd_jv body, struct vd_kbs_attestation *ret, vd_err *err)
{
    VD_TRY(parse_init_data(vd_jv_get(body, "init-data"), ret, err));
    ret->runtime_data = vd_jv_get(body, "runtime-data");
    ret->nonce = vd_jv_get(ret->runtime_data, "nonce");
    ret->tee_pubkey = vd_jv_get(ret->runtime_data, "tee-pubkey");
    if (!vd_jv_is(ret->nonce, VD_JSON_STRING) || !vd_jv_is(ret->tee_pubkey, VD_JSON_OBJECT))
        return refuse(err, "runtime-data needs nonce and tee-pubkey");
    vd_jv evidence = vd_jv_get(body, "tee-evidence");
    ret->primary = vd_jv_get(evidence, "primary_evidence");
    if (!vd_jv_ok(ret->primary))
        return refuse(err, "tee-evidence needs primary_evidence");
    return parse_additional(vd_jv_get(evidence, "additional_evidence"), ret, err);
}

static vd_rc parse_0_2_0(vd_jv body, struct vd_kbs_attestation *ret, vd_err *err)
{
    ret->tee_pubkey = vd_jv_get(body, "tee-pubkey");
    ret->primary = vd_jv_get(body, "tee-evidence");
    if (!vd_jv_is(ret->tee_pubkey, VD_JSON_OBJECT) || !vd_jv_ok(ret->primary))
        return refuse(err, "body needs tee-pubkey and tee-evidence (protocol 0.2.0)");
    return VD_OK;
}

vd_rc vd_kbs_attestation_parse(vd_jv body, enum vd_kbs_version version,
                               struct vd_kbs_attestation *ret, vd_err *err)
{
    *ret = (struct vd_kbs_attestation){ .version = version };
    if (!vd_jv_is(body, VD_JSON_OBJECT))
        return refuse(err, "body is not an object");
    vd_rc_ rc = version == VD_KBS_0_4_0 ? parse_0_4_0(body, ret, err) : parse_0_2_0(body, ret, err);
    if (rc.code != VD_E_OK)
        vd_kbs_attestation_done(ret);
    return rc;
}

void vd_kbs_attestation_done(struct vd_kbs_attestation *a)
{
    vd_json_free(a->additional);
    a->additional = NULL;
    vd_buf_done(&a->additional_text);
}

/* Members of each key type in canonical order; what else a client sends is dropped before hashing.
 */
static const struct {
    const char *kty;
    const char *member[6];
} key_shapes[] = {
    { "EC", { "alg", "crv", "kty", "x", "y", NULL } },
    { "RSA", { "alg", "e", "kty", "n", NULL } },
    { "AKP", { "alg", "kty", "pub", NULL } },
};

vd_rc vd_kbs_tee_key_canonical(vd_jv jwk, vd_buf *out, vd_err *err)
{
    const char *const *member = NULL;
    for (size_t i = 0; i < sizeof key_shapes / sizeof key_shapes[0]; i++)
        if (vd_jv_str_eq(vd_jv_get(jwk, "kty"), key_shapes[i].kty))
            member = key_shapes[i].member;
    if (!member)
        return vd_fail(err, VD_E_TEE_KEY_SHAPE, "tee-pubkey: kty is none of EC, RSA, AKP");
    vd_jw w = vd_jw_of(out);
    vd_jw_obj(&w);
    for (; *member; member++) {
        vd_jv v = vd_jv_get(jwk, *member);
        VD_AUTO_BUF text = vd_buf_of(vd_jv_str_raw(v).n);
        if (!vd_jv_is(v, VD_JSON_STRING))
            return vd_fail(err, VD_E_TEE_KEY_SHAPE, "tee-pubkey: %s is missing or not a string",
                           *member);
        VD_TRY(vd_jv_str(v, &text, err));
        vd_jw_kspan(&w, *member, vd_buf_span(&text));
    }
    vd_jw_end(&w);
    if (out->over)
        return vd_fail(err, VD_E_TEE_KEY_SHAPE, "tee-pubkey: more than %zu bytes", out->max);
    return vd_buf_check(out, err);
}

vd_rc vd_kbs_report_data(enum vd_hash alg, vd_span nonce_text, vd_span tee_key_canonical,
                         const vd_span *additional, uint8_t *ret, vd_err *err)
{
    size_t room = 6 * (nonce_text.n + (additional ? additional->n : 0)) + tee_key_canonical.n + 128;
    VD_AUTO_BUF b = vd_buf_of(room);
    vd_jw w = vd_jw_of(&b);
    vd_jw_obj(&w);
    if (additional)
        vd_jw_kspan(&w, "additional-evidence", *additional);
    vd_jw_kspan(&w, "nonce", nonce_text);
    vd_jw_key(&w, "tee-pubkey");
    vd_jw_raw(&w, tee_key_canonical);
    vd_jw_end(&w);
    VD_TRY(vd_buf_check(&b, err));
    return vd_hash_of(alg, vd_buf_span(&b), ret, err);
}
