/* POST /kbs/v0/auth: version, tee, extra-params (spec/wire.md 1.4; the audience is ours, SHAPES 4).
 */
#include "shared/wire/kbs.h"

static bool digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* A numeric identifier without leading zeros; returns its length, 0 when there is none. */
static size_t number_at(vd_span s, size_t at)
{
    size_t n = 0;
    while (at + n < s.n && digit(s.p[at + n]))
        n++;
    return n > 1 && s.p[at] == '0' ? 0 : n;
}

static bool identifier_char(uint8_t c)
{
    return digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '.';
}

/* Semantic versioning 2.0.0: three numbers, then -prerelease and +build. ret_core: the three
 * numbers. */
static bool semver(vd_span s, vd_span *ret_core, bool *ret_prerelease)
{
    size_t at = 0;
    for (int i = 0; i < 3; i++) {
        size_t n = number_at(s, at);
        if (n == 0)
            return false;
        at += n;
        if (i < 2 && (at >= s.n || s.p[at++] != '.'))
            return false;
    }
    *ret_core = vd_span_part(s, 0, at);
    *ret_prerelease = false;
    for (const char *mark = "-+"; *mark; mark++) {
        if (at >= s.n || s.p[at] != (uint8_t)*mark)
            continue;
        size_t from = ++at;
        while (at < s.n && identifier_char(s.p[at]))
            at++;
        if (at == from || s.p[at - 1] == '.' || s.p[from] == '.')
            return false;
        *ret_prerelease |= *mark == '-';
    }
    return at == s.n;
}

static vd_rc parse_version(vd_jv v, enum vd_kbs_version *ret, vd_err *err)
{
    VD_AUTO_BUF text = vd_buf_of(256);
    if (!vd_jv_is(v, VD_JSON_STRING) || vd_jv_str(v, &text, NULL).code != VD_E_OK)
        return vd_fail(err, VD_E_AUTH_BODY, "version is not a string of at most 256 bytes");
    vd_span core = VD_SPAN_NONE;
    bool prerelease = false;
    if (!semver(vd_buf_span(&text), &core, &prerelease))
        return vd_fail(err, VD_E_KBS_VERSION_SYNTAX, "version is not a semantic version");
    if (!prerelease && vd_span_eq_str(core, "0.4.0")) {
        *ret = VD_KBS_0_4_0;
        return VD_OK;
    }
    if (!prerelease && vd_span_eq_str(core, "0.2.0")) {
        *ret = VD_KBS_0_2_0;
        return VD_OK;
    }
    if (err && err->code == VD_E_OK && text.n < sizeof err->client_version)
        memcpy(err->client_version, text.p, text.n);
    return vd_fail(err, VD_E_KBS_VERSION,
                   "client speaks another protocol version than 0.4.0 or 0.2.0");
}

static vd_rc add_audience(vd_jv v, struct vd_kbs_request *ret, vd_err *err)
{
    VD_AUTO_BUF text = vd_buf_of(VD_KBS_AUDIENCE_BYTES);
    bool ok = ret->n_audience < VD_KBS_AUDIENCES_MAX && vd_jv_is(v, VD_JSON_STRING) &&
              vd_jv_str(v, &text, NULL).code == VD_E_OK && text.n > 0;
    for (size_t i = 0; ok && i < text.n; i++)
        ok = text.p[i] > 0x20 && text.p[i] < 0x7f;
    if (!ok)
        return vd_fail(err, VD_E_AUDIENCE,
                       "vidimus-audience: 1 to %d strings of 1 to %d printable ASCII characters",
                       VD_KBS_AUDIENCES_MAX, VD_KBS_AUDIENCE_BYTES);
    memcpy(ret->audience[ret->n_audience], text.p, text.n);
    ret->audience[ret->n_audience++][text.n] = 0;
    return VD_OK;
}

static vd_rc parse_audience(vd_jv extra, struct vd_kbs_request *ret, vd_err *err)
{
    vd_jv audience = vd_jv_get(extra, "vidimus-audience");
    if (!vd_jv_is(extra, VD_JSON_OBJECT) || !vd_jv_ok(audience))
        return VD_OK;
    if (vd_jv_is(audience, VD_JSON_STRING))
        return add_audience(audience, ret, err);
    if (vd_jv_count(audience) == 0 || !vd_jv_is(audience, VD_JSON_ARRAY))
        return vd_fail(err, VD_E_AUDIENCE,
                       "vidimus-audience is neither a string nor a filled array");
    vd_jv_iter it = vd_jv_iter_of(audience);
    while (vd_jv_next(&it))
        VD_TRY(add_audience(it.value, ret, err));
    return VD_OK;
}

vd_rc vd_kbs_request_parse(vd_jv body, struct vd_kbs_request *ret, vd_err *err)
{
    *ret = (struct vd_kbs_request){ 0 };
    vd_jv version = vd_jv_get(body, "version");
    vd_jv tee = vd_jv_get(body, "tee");
    ret->extra_params = vd_jv_get(body, "extra-params");
    if (!vd_jv_is(body, VD_JSON_OBJECT) || !vd_jv_ok(version) || !vd_jv_is(tee, VD_JSON_STRING) ||
        !vd_jv_ok(ret->extra_params))
        return vd_fail(err, VD_E_AUTH_BODY, "body needs version, tee and extra-params");
    VD_AUTO_BUF name = vd_buf_of(64);
    if (vd_jv_str(tee, &name, NULL).code == VD_E_OK)
        ret->tee = vd_kbs_tee_name(vd_buf_span(&name));
    if (!ret->tee)
        return vd_fail(err, VD_E_TEE_UNKNOWN, "tee is none of the protocol's names");
    VD_TRY(parse_version(version, &ret->version, err));
    return parse_audience(ret->extra_params, ret, err);
}
