/* The guest side of the KBS protocol 0.4.0: /auth, evidence, /attest, and the GET of a resource. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "shared/codec/b64.h"
#include "shared/crypto/hash.h"
#include "shared/crypto/jose.h"
#include "shared/wire/ear.h"
#include "shared/wire/kbs.h"
#include "shared/wire/resource.h"

enum { ANSWER_BYTES = 1 << 20, RESOURCE_BYTES = 20 << 20 };

static void join(vd_buf *out, const char *url, const char *path)
{
    vd_span base = vd_span_str(url);
    while (base.n > 0 && base.p[base.n - 1] == '/')
        base.n--;
    vd_buf_add(out, base);
    vd_buf_str(out, "/kbs/v0/");
    vd_buf_str(out, path);
}

/* field: one more header line, or NULL. */
static vd_rc call(struct cli_guest *g, const char *method, const char *path, vd_span body,
                  const char *field, size_t max, struct vd_answer *ret, vd_err *err)
{
    VD_AUTO_BUF url = vd_buf_of(8192);
    join(&url, g->url, path);
    const char *const fields[] = { "Accept: */*", body.n ? "Content-Type: application/json" : field,
                                   body.n ? field : NULL, NULL };
    const char *where = vd_buf_cstr(&url);
    if (!where)
        return vd_fail(err, VD_E_SETTING, "the address is too long");
    const struct vd_call c = { .method = method,
                               .url = where,
                               .body = body,
                               .has_body = body.n > 0,
                               .field = fields,
                               .seconds = 50,
                               .max_bytes = max };
    return vd_client_call(g->client, &c, ret, err);
}

/* The server's refusal as one line: detail, and the decision id that the owner can explain. */
static vd_rc refused(const struct vd_answer *a, const char *what, vd_code code, vd_err *err)
{
    VD_AUTO(vd_json_free) struct vd_json *j = NULL;
    VD_AUTO_BUF detail = vd_buf_of(4096);
    vd_span decision = vd_answer_field(a, "Vidimus-Decision");
    if (vd_json_parse(vd_buf_span(&a->body), VD_JSON_LIMITS(65536), &j, NULL).code == VD_E_OK)
        (void)vd_jv_str(vd_jv_get(vd_json_root(j), "detail"), &detail, NULL).code;
    if (decision.n > 0)
        return vd_fail(err, code, "%s: %d %.*s (decision %.*s)", what, a->status, (int)detail.n,
                       (const char *)detail.p, (int)decision.n, (const char *)decision.p);
    return vd_fail(err, code, "%s: %d %.*s", what, a->status, (int)detail.n,
                   (const char *)detail.p);
}

static void write_auth(struct cli_guest *g, vd_buf *out)
{
    vd_jw w = vd_jw_of(out);
    vd_jw_obj(&w);
    vd_jw_kstr(&w, "version", "0.4.0");
    vd_jw_kstr(&w, "tee", g->tee);
    vd_jw_key(&w, "extra-params");
    vd_jw_obj(&w);
    vd_jw_key(&w, "supported-hash-algorithms");
    vd_jw_raw(&w, VD_LIT("[\"sha256\",\"sha384\",\"sha512\",\"sm3\"]"));
    if (g->audience && g->audience->n > 0) {
        vd_jw_key(&w, "vidimus-audience");
        vd_jw_arr(&w);
        for (size_t i = 0; i < g->audience->n; i++)
            vd_jw_str(&w, g->audience->item[i]);
        vd_jw_end(&w);
    }
    vd_jw_end(&w);
    vd_jw_end(&w);
}

/* name=value of the session cookie. */
static vd_rc keep_cookie(struct cli_guest *g, const struct vd_answer *a, vd_err *err)
{
    vd_span set = vd_answer_field(a, "Set-Cookie");
    vd_span value = vd_span_part(set, 0, vd_span_find(set, ';'));
    if (!vd_span_starts(value, VD_LIT(VD_COOKIE_NAME "=")))
        return vd_fail(err, VD_E_REMOTE, "the server set no " VD_COOKIE_NAME " cookie");
    vd_buf_done(&g->cookie);
    g->cookie = vd_buf_of(8192);
    vd_buf_str(&g->cookie, "Cookie: ");
    vd_buf_add(&g->cookie, value);
    return vd_buf_check(&g->cookie, err);
}

static vd_rc auth(struct cli_guest *g, vd_buf *ret_nonce, enum vd_hash *ret_hash, vd_err *err)
{
    VD_AUTO_BUF body = vd_buf_of(8192);
    write_auth(g, &body);
    struct vd_answer a = { 0 };
    VD_TRY(call(g, "POST", "auth", vd_buf_span(&body), NULL, ANSWER_BYTES, &a, err));
    VD_AUTO(vd_json_free) struct vd_json *j = NULL;
    vd_rc_ rc = VD_OK;
    if (a.status != 200)
        rc = refused(&a, "challenge refused", VD_E_PASSPORT, err);
    else
        rc = vd_json_parse(vd_buf_span(&a.body), VD_JSON_LIMITS(ANSWER_BYTES), &j, err);
    if (rc.code == VD_E_OK)
        rc = vd_jv_str(vd_jv_get(vd_json_root(j), "nonce"), ret_nonce, err);
    *ret_hash = VD_SHA384;
    vd_jv selected =
        j ? vd_jv_pointer(vd_json_root(j), "/extra-params/selected-hash-algorithm") : (vd_jv){ 0 };
    if (rc.code == VD_E_OK && vd_jv_ok(selected))
        rc = vd_hash_by_name(vd_jv_str_raw(selected), ret_hash, err);
    if (rc.code == VD_E_OK)
        rc = keep_cookie(g, &a, err);
    vd_answer_done(&a);
    return rc;
}

static vd_rc tee_key(const struct vd_key *key, vd_buf *ret, vd_err *err)
{
    const char *alg = vd_key_type(key) == VD_KTY_RSA        ? "RSA-OAEP-256"
                      : vd_key_type(key) == VD_KTY_MLKEM768 ? "ML-KEM-768+A192KW"
                                                            : "ECDH-ES+A256KW";
    VD_AUTO_BUF jwk = vd_buf_of(8192);
    VD_AUTO(vd_json_free) struct vd_json *j = NULL;
    VD_TRY(vd_key_to_jwk(key, alg, &jwk, err));
    VD_TRY(vd_json_parse(vd_buf_span(&jwk), VD_JSON_LIMITS(8192), &j, err));
    return vd_kbs_tee_key_canonical(vd_json_root(j), ret, err);
}

static vd_rc write_attest(struct cli_guest *g, vd_span runtime, vd_span evidence, vd_buf *out,
                          vd_err *err)
{
    VD_AUTO_BUF init = vd_buf_of(0);
    if (g->init_data)
        VD_TRY(cli_read(g->init_data, 1u << 20, &init, err));
    vd_jw w = vd_jw_of(out);
    vd_jw_obj(&w);
    vd_jw_key(&w, "init-data");
    if (g->init_data) {
        vd_jw_obj(&w);
        vd_jw_kstr(&w, "format", "toml");
        vd_jw_kspan(&w, "body", vd_buf_span(&init));
        vd_jw_end(&w);
    } else {
        vd_jw_null(&w);
    }
    vd_jw_key(&w, "runtime-data");
    vd_jw_raw(&w, runtime);
    vd_jw_key(&w, "tee-evidence");
    vd_jw_obj(&w);
    vd_jw_key(&w, "primary_evidence");
    vd_jw_raw(&w, evidence);
    vd_jw_kstr(&w, "additional_evidence", "");
    vd_jw_end(&w);
    vd_jw_end(&w);
    return vd_buf_check(out, err);
}

static vd_rc attest(struct cli_guest *g, vd_span body, vd_buf *ret_passport, vd_err *err)
{
    struct vd_answer a = { 0 };
    VD_TRY(call(g, "POST", "attest", body, vd_buf_cstr(&g->cookie), ANSWER_BYTES, &a, err));
    VD_AUTO(vd_json_free) struct vd_json *j = NULL;
    vd_rc_ rc = VD_OK;
    if (a.status != 200)
        rc = refused(&a, "evidence refused", VD_E_PASSPORT, err);
    else
        rc = vd_json_parse(vd_buf_span(&a.body), VD_JSON_LIMITS(ANSWER_BYTES), &j, err);
    if (rc.code == VD_E_OK)
        rc = vd_jv_str(vd_jv_get(vd_json_root(j), "token"), ret_passport, err);
    vd_answer_done(&a);
    return rc;
}

vd_rc cli_guest_attest(struct cli_guest *g, const struct vd_key *key, vd_buf *ret_passport,
                       vd_err *err)
{
    VD_AUTO_BUF nonce = vd_buf_of(65536);
    enum vd_hash alg = VD_SHA384;
    VD_TRY(auth(g, &nonce, &alg, err));
    VD_AUTO_BUF jwk = vd_buf_of(8192);
    VD_TRY(tee_key(key, &jwk, err));
    uint8_t digest[VD_HASH_BYTES_MAX];
    const vd_span no_devices = VD_SPAN_NONE;
    VD_TRY(
        vd_kbs_report_data(alg, vd_buf_span(&nonce), vd_buf_span(&jwk), &no_devices, digest, err));
    VD_AUTO_BUF runtime = vd_buf_of(1u << 18);
    vd_jw w = vd_jw_of(&runtime);
    vd_jw_obj(&w);
    vd_jw_kspan(&w, "nonce", vd_buf_span(&nonce));
    vd_jw_key(&w, "tee-pubkey");
    vd_jw_raw(&w, vd_buf_span(&jwk));
    vd_jw_end(&w);
    VD_TRY(vd_buf_check(&runtime, err));
    VD_AUTO_BUF evidence = vd_buf_of(0);
    VD_TRY(cli_evidence(g->tee, g->attester, vd_span_of(digest, vd_hash_size(alg)),
                        vd_buf_span(&runtime), &evidence, err));
    VD_AUTO_BUF body = vd_buf_of(8u << 20);
    VD_TRY(write_attest(g, vd_buf_span(&runtime), vd_buf_span(&evidence), &body, err));
    return attest(g, vd_buf_span(&body), ret_passport, err);
}

static int exit_of_get(int status)
{
    return status == 401   ? VD_EXIT_AUTH
           : status == 403 ? VD_EXIT_DENIED
           : status == 404 ? VD_EXIT_NOT_FOUND
                           : VD_EXIT_REMOTE;
}

vd_rc cli_guest_get(struct cli_guest *g, vd_span passport, const char *resource,
                    const struct vd_key *key, vd_secret *ret, int *ret_exit, vd_err *err)
{
    struct vd_resource_id id;
    *ret_exit = VD_EXIT_USAGE;
    VD_TRY(vd_resource_id_parse(vd_span_str(resource), &id, err));
    char name[VD_RESOURCE_NAME];
    vd_resource_id_name(&id, name);
    char path[VD_RESOURCE_NAME + 16];
    (void)snprintf(path, sizeof path, "resource/%s", name);
    VD_AUTO_BUF_WIPED bearer = vd_buf_of(131072);
    if (passport.n > 0) {
        vd_buf_str(&bearer, "Authorization: Bearer ");
        vd_buf_add(&bearer, passport);
    }
    const char *field = passport.n > 0 ? vd_buf_cstr(&bearer) : vd_buf_cstr(&g->cookie);
    struct vd_answer a = { 0 };
    *ret_exit = VD_EXIT_REMOTE;
    VD_TRY(call(g, "GET", path, VD_SPAN_NONE, field, RESOURCE_BYTES, &a, err));
    vd_rc_ rc = VD_OK;
    if (a.status != 200) {
        *ret_exit = exit_of_get(a.status);
        rc = refused(&a, "the secret was not released", VD_E_POLICY_DENY, err);
    } else {
        *ret_exit = VD_EXIT_VERIFY;
        rc = vd_jwe_open(key, vd_buf_span(&a.body), ret, err);
    }
    vd_answer_done(&a);
    return rc;
}
