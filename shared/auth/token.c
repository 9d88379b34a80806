/* Making an administrator's token for `vidimus admin token`: a JWT signed by the identity's own
 * key. */
#include "shared/auth/auth_priv.h"

static vd_rc alg_for(const struct vd_key *priv, enum vd_sig *ret, vd_err *err)
{
    if (!vd_key_private(priv))
        return vd_fail(err, VD_E_CRYPTO, "the key has no private half");
    switch (vd_key_type(priv)) {
    case VD_KTY_ED25519:
        *ret = VD_SIG_EDDSA;
        return VD_OK;
    case VD_KTY_P256:
        *ret = VD_SIG_ES256;
        return VD_OK;
    case VD_KTY_P384:
    case VD_KTY_P521:
    case VD_KTY_RSA:
    case VD_KTY_MLKEM768:
    case VD_KTY_MAX:
        break;
    }
    return vd_fail(err, VD_E_CRYPTO, "administrators' keys are Ed25519 or P-256");
}

vd_rc vd_auth_token(const struct vd_key *priv, const struct vd_token_spec *spec, vd_buf *out,
                    vd_err *err)
{
    enum vd_sig alg = VD_SIG_MAX;
    char kid[44] = "";
    VD_TRY(alg_for(priv, &alg, err));
    VD_TRY(vd_key_thumbprint(priv, kid, err));
    if (spec->role && !vd_auth_name_ok(spec->role))
        return vd_fail(err, VD_E_SETTING, "a role has 1 to 64 letters, digits, '_', '.' or '-'");
    if (spec->life == 0 || spec->life > VD_ADMIN_TOKEN_SECONDS_MAX)
        return vd_fail(err, VD_E_SETTING, "a token lives 1 to %d seconds",
                       VD_ADMIN_TOKEN_SECONDS_MAX);

    VD_AUTO_BUF header = vd_buf_of(1024);
    vd_jw h = vd_jw_of(&header);
    vd_jw_obj(&h);
    vd_jw_kstr(&h, "alg", vd_jws_alg_name(alg));
    vd_jw_kstr(&h, "typ", "JWT");
    vd_jw_kstr(&h, "kid", kid);
    vd_jw_end(&h);

    VD_AUTO_BUF payload = vd_buf_of(VD_AUTH_TOKEN_MAX / 2);
    vd_jw p = vd_jw_of(&payload);
    vd_jw_obj(&p);
    if (spec->issuer)
        vd_jw_kstr(&p, "iss", spec->issuer);
    if (spec->role)
        vd_jw_kstr(&p, "role", spec->role);
    if (spec->audience) {
        vd_jw_key(&p, "aud");
        vd_jw_arr(&p);
        vd_jw_str(&p, spec->audience);
        vd_jw_end(&p);
    }
    vd_jw_ki64(&p, "iat", spec->now);
    vd_jw_ki64(&p, "exp", spec->now + (int64_t)spec->life);
    vd_jw_end(&p);
    VD_TRY(vd_buf_check(&header, err));
    VD_TRY(vd_buf_check(&payload, err));
    return vd_jws_sign_key(vd_buf_span(&header), vd_buf_span(&payload), priv, alg, out, err);
}
