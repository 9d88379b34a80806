/* Reading of policy results: the trust vector (AR4SI names, signed 8-bit values) and the
 * extensions. */
#include "issuer/appraise/appraise_priv.h"

enum { EXTENSIONS_MAX = 64, EXTENSION_NAME_MAX = 128, RESULT_DEPTH = 24 };

static vd_rc parse_result(vd_span json, struct vd_json **ret, vd_err *err)
{
    const struct vd_json_limits limits = { json.n, RESULT_DEPTH, 20000 };
    vd_err why = { 0 };
    if (vd_json_parse(json, &limits, ret, &why).code != VD_E_OK)
        return vd_fail(err, VD_E_POLICY_RESULT, "result of the policy: %.150s", why.msg);
    return VD_OK;
}

/* 2 and 2.0 are the same number; anything that is none, or does not fit, is a refusal. */
static vd_rc claim_value(vd_jv v, const char *name, int8_t *ret, vd_err *err)
{
    int64_t whole = 0;
    double number = 0;
    vd_err ignored = { 0 };
    if (!vd_jv_is(v, VD_JSON_NUMBER))
        return vd_fail(err, VD_E_POLICY_RESULT, "trust_claims: %s is no number", name);
    if (vd_jv_i64(v, &whole, &ignored).code != VD_E_OK) {
        if (vd_jv_double(v, &number, &ignored).code != VD_E_OK || number < -128 || number > 127 ||
            (double)(int64_t)number != number)
            return vd_fail(err, VD_E_POLICY_RESULT, "trust_claims: %s is no integer of -128 to 127",
                           name);
        whole = (int64_t)number;
    }
    if (whole < -128 || whole > 127)
        return vd_fail(err, VD_E_POLICY_RESULT, "trust_claims: %s is no integer of -128 to 127",
                       name);
    *ret = (int8_t)whole;
    return VD_OK;
}

static enum vd_ear_tier worst_tier(const int8_t value[VD_EAR_CLAIM_MAX])
{
    enum vd_ear_tier worst = VD_EAR_NONE;
    for (int i = 0; i < VD_EAR_CLAIM_MAX; i++) {
        enum vd_ear_tier t = vd_ear_tier_of(value[i]);
        if (t > worst)
            worst = t;
    }
    return worst;
}

vd_rc iss_vector_read(enum vd_policy_state state, vd_span json, struct iss_appraisal *a,
                      vd_err *err)
{
    if (state == VD_POLICY_ABSENT) { /* no such rule: nothing is claimed, eight times */
        for (int i = 0; i < VD_EAR_CLAIM_MAX; i++) {
            a->set[i] = true;
            a->value[i] = 0;
        }
        a->tier = VD_EAR_NONE;
        return VD_OK;
    }
    if (state != VD_POLICY_DEFINED)
        return vd_fail(err, VD_E_POLICY_RESULT, "trust_claims is undefined");
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    VD_TRY(parse_result(json, &doc, err));
    vd_jv root = vd_json_root(doc);
    if (!vd_jv_is(root, VD_JSON_OBJECT) || vd_jv_count(root) == 0)
        return vd_fail(err, VD_E_POLICY_RESULT, "trust_claims is no object with members");
    vd_jv_iter it = vd_jv_iter_of(root);
    while (vd_jv_next(&it)) {
        int claim = vd_ear_claim_by_name(vd_jv_str_raw(it.name));
        if (claim < 0)
            return vd_fail(err, VD_E_POLICY_RESULT,
                           "trust_claims has a member that is none of the vector");
        VD_TRY(claim_value(it.value, vd_ear_claim_name((enum vd_ear_claim)claim), &a->value[claim],
                           err));
        a->set[claim] = true;
    }
    a->tier = worst_tier(a->value);
    return VD_OK;
}

/* Names whose meaning is not the policy's to give. */
static bool is_reserved(vd_span name)
{
    static const char *const reserved[] = {
        VD_EAR_STATUS,  VD_EAR_VECTOR,         VD_EAR_POLICY_ID, VD_EAR_ANNOTATED,  VD_EAR_OURS,
        VD_EAR_TEE_KEY, VD_EAR_RUNTIME_CLAIMS, VD_EAR_SUBMODS,   VD_EAR_VERIFIER_ID
    };
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++)
        if (vd_span_eq_str(name, reserved[i]))
            return true;
    return false;
}

struct seen {
    size_t n;
    int64_t key[EXTENSIONS_MAX];
    char name[EXTENSIONS_MAX][EXTENSION_NAME_MAX + 1];
};

static vd_rc note_extension(struct seen *s, vd_span name, int64_t key, vd_err *err)
{
    if (s->n == EXTENSIONS_MAX || name.n == 0 || name.n > EXTENSION_NAME_MAX || is_reserved(name))
        return vd_fail(err, VD_E_POLICY_RESULT,
                       "extensions: too many, or a name that is too long or reserved");
    for (size_t i = 0; i < s->n; i++)
        if (s->key[i] == key || vd_span_eq_str(name, s->name[i]))
            return vd_fail(err, VD_E_POLICY_RESULT, "extensions: a name or key occurs twice");
    memcpy(s->name[s->n], name.p, name.n);
    s->name[s->n][name.n] = '\0';
    s->key[s->n++] = key;
    return VD_OK;
}

static vd_rc one_extension(vd_jv v, struct seen *s, vd_buf *out, vd_err *err)
{
    vd_jv value = vd_jv_get(v, "value");
    VD_AUTO_BUF name = vd_buf_of(EXTENSION_NAME_MAX + 1);
    int64_t key = 0;
    vd_err ignored = { 0 };
    if (vd_jv_str(vd_jv_get(v, "name"), &name, &ignored).code != VD_E_OK ||
        vd_jv_i64(vd_jv_get(v, "key"), &key, &ignored).code != VD_E_OK || key < INT32_MIN ||
        key > INT32_MAX || !vd_jv_ok(value))
        return vd_fail(err, VD_E_POLICY_RESULT, "extensions: an element is not {name, key, value}");
    VD_TRY(note_extension(s, vd_buf_span(&name), key, err));
    if (vd_jv_is(value, VD_JSON_NULL))
        return VD_OK;
    vd_buf_u8(out, ',');
    vd_jw w = vd_jw_of(out);
    vd_jw_str_span(&w, vd_buf_span(&name));
    vd_buf_u8(out, ':');
    return vd_json_compact(value, out, err);
}

vd_rc iss_extensions_read(enum vd_policy_state state, vd_span json, struct iss_appraisal *a,
                          vd_err *err)
{
    if (state != VD_POLICY_DEFINED)
        return VD_OK;
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    struct seen seen = { .n = 0 };
    VD_TRY(parse_result(json, &doc, err));
    vd_jv root = vd_json_root(doc);
    if (!vd_jv_is(root, VD_JSON_ARRAY))
        return vd_fail(err, VD_E_POLICY_RESULT, "extensions is no array");
    a->extensions = vd_buf_of(2 * json.n + 64);
    vd_jv_iter it = vd_jv_iter_of(root);
    while (vd_jv_next(&it))
        VD_TRY(one_extension(it.value, &seen, &a->extensions, err));
    return vd_buf_check(&a->extensions, err);
}
