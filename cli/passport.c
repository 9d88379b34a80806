/* vidimus passport show, vidimus passport verify: a passport read, and checked against an issuer's
 * keys. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "shared/crypto/jose.h"
#include "shared/wire/ear.h"

enum { PASSPORT_BYTES = 65536, LEEWAY = 60 };

/* A passport taken apart; nothing is verified yet. */
struct passport {
    vd_buf text;
    struct vd_jws *jws;
    struct vd_json *payload;
};

static void passport_done(struct passport *p)
{
    vd_json_free(p->payload);
    vd_jws_free(p->jws);
    vd_buf_done(&p->text);
}

static vd_rc passport_load(const char *path, struct passport *ret, vd_err *err)
{
    VD_TRY(cli_read(path, PASSPORT_BYTES + 16, &ret->text, err));
    VD_TRY(vd_jws_parse(cli_trim(vd_buf_span(&ret->text)), PASSPORT_BYTES, &ret->jws, err));
    return vd_json_parse(vd_buf_span(&ret->jws->payload), VD_JSON_LIMITS(PASSPORT_BYTES),
                         &ret->payload, err);
}

static void put_time(vd_jw *w, const char *name, vd_jv v)
{
    int64_t t = 0;
    if (vd_jv_i64(v, &t, NULL).code != VD_E_OK)
        return;
    vd_jw_key(w, name);
    vd_jw_time(w, t);
}

/* One submodule in few lines: status, vector, policy, what runs there. */
static void put_submod(vd_jw *w, vd_jv name, vd_jv submod)
{
    vd_jw_key_span(w, vd_jv_str_raw(name));
    vd_jw_obj(w);
    static const char *const members[] = { VD_EAR_STATUS, VD_EAR_VECTOR, VD_EAR_POLICY_ID,
                                           VD_EAR_OURS };
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        vd_jv v = vd_jv_get(submod, members[i]);
        if (!vd_jv_ok(v))
            continue;
        vd_jw_key(w, members[i]);
        vd_jw_raw(w, vd_jv_raw(v));
    }
    vd_jw_end(w);
}

static void put_summary(vd_jw *w, vd_jv payload)
{
    vd_jv iss = vd_jv_get(payload, "iss");
    if (vd_jv_ok(iss)) {
        vd_jw_key(w, "issuer");
        vd_jw_raw(w, vd_jv_raw(iss));
    }
    put_time(w, "issued", vd_jv_get(payload, "iat"));
    put_time(w, "expires", vd_jv_get(payload, "exp"));
    static const char *const members[] = { "jti", "aud", VD_EAR_OURS };
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        if (vd_jv_ok(vd_jv_get(payload, members[i]))) {
            vd_jw_key(w, members[i]);
            vd_jw_raw(w, vd_jv_raw(vd_jv_get(payload, members[i])));
        }
    vd_jw_key(w, VD_EAR_SUBMODS);
    vd_jw_obj(w);
    vd_jv_iter it = vd_jv_iter_of(vd_jv_get(payload, VD_EAR_SUBMODS));
    while (it.object && vd_jv_next(&it))
        put_submod(w, it.name, it.value);
    vd_jw_end(w);
}

int cli_passport_show(const struct cli_args *a)
{
    vd_err err = { 0 };
    __attribute__((cleanup(passport_done))) struct passport p = { 0 };
    if (passport_load(a->arg[0], &p, &err).code != VD_E_OK)
        return cli_fail(VD_EXIT_VERIFY, "not a passport: %s", err.msg);
    VD_AUTO_BUF out = vd_buf_of(1u << 18);
    vd_jw w = vd_jw_of(&out);
    vd_jw_obj(&w);
    vd_jw_kbool(&w, "verified", false);
    if (a->json) {
        vd_jw_key(&w, "header");
        vd_jw_raw(&w, vd_jv_raw(vd_json_root(p.jws->header)));
        vd_jw_key(&w, "payload");
        vd_jw_raw(&w, vd_jv_raw(vd_json_root(p.payload)));
    } else {
        vd_jw_key(&w, "algorithm");
        vd_jw_raw(&w, vd_jv_raw(p.jws->alg));
        put_summary(&w, vd_json_root(p.payload));
    }
    vd_jw_end(&w);
    cli_note(a, "shown as it is, not verified: use vidimus passport verify");
    return cli_print(a, vd_buf_span(&out));
}

/* The issuer's key set: a file, or /.well-known/jwks.json of --issuer or --jwks-url. */
static vd_rc load_jwks(const struct cli_args *a, vd_buf *ret, vd_err *err)
{
    if (a->jwks)
        return cli_read(a->jwks, 1u << 20, ret, err);
    if (!a->jwks_url && !a->issuer)
        return vd_fail(err, VD_E_SETTING,
                       "whose keys? add --jwks FILE, --jwks-url URL or --issuer URL");
    VD_AUTO_BUF url = vd_buf_of(4096);
    vd_buf_printf(&url, "%s%s", a->jwks_url ? a->jwks_url : a->issuer,
                  a->jwks_url ? "" : "/.well-known/jwks.json");
    VD_AUTO(vd_client_free) struct vd_client *client = NULL;
    const struct vd_client_cfg cfg = { .ca_file = a->ca_file };
    VD_TRY(vd_client_new(&cfg, &client, err));
    const struct vd_call call = {
        .method = "GET", .url = vd_buf_cstr(&url), .seconds = 10, .max_bytes = 1u << 20
    };
    struct vd_answer answer = { 0 };
    VD_TRY(vd_client_call(client, &call, &answer, err));
    *ret = vd_buf_of(1u << 20);
    vd_buf_add(ret, vd_buf_span(&answer.body));
    int status = answer.status;
    vd_answer_done(&answer);
    if (status != 200)
        return vd_fail(err, VD_E_REMOTE, "the key set could not be read: the server answered %d",
                       status);
    return vd_buf_check(ret, err);
}

/* Tries the key whose thumbprint or kid the header names; ours name the thumbprint. */
static vd_rc verify_signature(const struct vd_jws *jws, vd_span jwks, vd_err *err)
{
    VD_AUTO(vd_json_free) struct vd_json *set = NULL;
    VD_TRY(vd_json_parse(jwks, VD_JSON_LIMITS(1u << 20), &set, err));
    enum vd_sig alg;
    VD_TRY(vd_jws_alg_by_name(vd_jv_str_raw(jws->alg), &alg, err));
    vd_jv_iter it = vd_jv_iter_of(vd_jv_get(vd_json_root(set), "keys"));
    while (vd_jv_next(&it)) {
        VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
        if (vd_key_from_jwk(it.value, VD_KEY_VERIFY, &key, NULL).code != VD_E_OK)
            continue;
        char thumbprint[44];
        VD_TRY(vd_key_thumbprint(key, thumbprint, err));
        bool named = vd_jv_str_eq(jws->kid, thumbprint) ||
                     (vd_jv_ok(jws->kid) &&
                      vd_span_eq(vd_jv_raw(jws->kid), vd_jv_raw(vd_jv_get(it.value, "kid"))));
        if (named || !vd_jv_ok(jws->kid)) {
            vd_rc_ rc = vd_jws_verify(jws, key, alg, NULL);
            if (rc.code == VD_E_OK)
                return VD_OK;
            if (named)
                return vd_fail(err, VD_E_SIG,
                               "the signature does not verify under the issuer's key %s",
                               thumbprint);
        }
    }
    return vd_fail(err, VD_E_SIG, "the key set has no key that signed this passport");
}

static vd_rc check_time(vd_jv payload, int64_t now, vd_err *err)
{
    int64_t exp = 0;
    int64_t nbf = 0;
    VD_TRY(vd_jv_i64(vd_jv_get(payload, "exp"), &exp, err));
    if (now > exp + LEEWAY)
        return vd_fail(err, VD_E_PASSPORT_EXPIRED, "it has expired");
    vd_jv v = vd_jv_get(payload, "nbf");
    if (vd_jv_ok(v))
        VD_TRY(vd_jv_i64(v, &nbf, err));
    if (now + LEEWAY < nbf)
        return vd_fail(err, VD_E_PASSPORT_EXPIRED, "it is not valid yet");
    return VD_OK;
}

static vd_rc check_audience(const struct cli_args *a, vd_jv payload, vd_err *err)
{
    vd_jv aud = vd_jv_get(payload, "aud");
    if (!vd_jv_ok(aud))
        return a->audience.n == 0 ? VD_OK
                                  : vd_fail(err, VD_E_PASSPORT_AUDIENCE, "it names no audience");
    for (size_t i = 0; i < a->audience.n; i++) {
        if (vd_jv_str_eq(aud, a->audience.item[i]))
            return VD_OK;
        vd_jv_iter it = vd_jv_iter_of(aud);
        while (vd_jv_next(&it))
            if (vd_jv_str_eq(it.value, a->audience.item[i]))
                return VD_OK;
    }
    return vd_fail(err, VD_E_PASSPORT_AUDIENCE,
                   "it is for another audience (say yours with --audience)");
}

static vd_rc verify(const struct cli_args *a, const struct vd_jws *jws, vd_jv payload, vd_err *err)
{
    int64_t now = 0;
    struct vd_clock clock = vd_clock_real();
    if (a->at)
        VD_TRY(vd_time_parse(vd_span_str(a->at), &now, err));
    else
        now = vd_clock_s(&clock);
    VD_AUTO_BUF jwks = vd_buf_of(0);
    VD_TRY(load_jwks(a, &jwks, err));
    VD_TRY(verify_signature(jws, vd_buf_span(&jwks), err));
    if (vd_jv_ok(jws->typ) && !vd_jv_str_eq(jws->typ, "JWT"))
        return vd_fail(err, VD_E_PASSPORT, "it is another kind of document, not a passport");
    if (!vd_jv_is(vd_jv_get(payload, VD_EAR_SUBMODS), VD_JSON_OBJECT))
        return vd_fail(err, VD_E_PASSPORT, "it has no submods: not a passport");
    if (a->iss && !vd_jv_str_eq(vd_jv_get(payload, "iss"), a->iss))
        return vd_fail(err, VD_E_PASSPORT_ISSUER, "it was issued by somebody else than %s", a->iss);
    VD_TRY(check_time(payload, now, err));
    return check_audience(a, payload, err);
}

int cli_passport_verify(const struct cli_args *a)
{
    vd_err err = { 0 };
    __attribute__((cleanup(passport_done))) struct passport p = { 0 };
    if (passport_load(a->arg[0], &p, &err).code != VD_E_OK)
        return cli_fail(VD_EXIT_VERIFY, "not a passport: %s", err.msg);
    vd_rc_ rc = verify(a, p.jws, vd_json_root(p.payload), &err);
    if (rc.code == VD_E_SETTING || rc.code == VD_E_FILE || rc.code == VD_E_REMOTE ||
        rc.code == VD_E_TIMEOUT)
        return cli_fail_err(&err);
    if (rc.code != VD_E_OK)
        return cli_fail(VD_EXIT_VERIFY, "passport refused: %s", err.msg);
    VD_AUTO_BUF out = vd_buf_of(1u << 18);
    vd_jw w = vd_jw_of(&out);
    vd_jw_obj(&w);
    vd_jw_kbool(&w, "verified", true);
    put_summary(&w, vd_json_root(p.payload));
    vd_jw_end(&w);
    return cli_print(a, vd_buf_span(&out));
}
