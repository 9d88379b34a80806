/* Administrators: the matrix of tokens, roles and routes, and what stops the start. */
#include "tests/support/support.h"

#include <stdio.h>
#include <string.h>

#include "shared/auth/auth.h"
#include "shared/codec/b64.h"
#include "shared/crypto/hash.h"
#include "shared/crypto/jose.h"

enum { NOW = 1000000 };

/* ---- keys and routes ------------------------------------------------------------------------- */

enum who {
    OPS,
    DEV,
    OLD,
    BARE,
    TEAM_A,
    TEAM_B,
    SOLO,
    STRANGER,
    P384,
    KEYS,
    HMAC_PEM,
    NO_SIGNATURE
};

struct fixture {
    char *dir;
    struct vd_key *key[KEYS];
    char file[KEYS][600]; /* PEM of the public half */
    char jwks[2][600];    /* team, solo */
    vd_buf ops_pem;
    struct vd_auth *auth;
};

static vd_rc_ handler(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    (void)req;
    (void)resp;
    (void)err;
    return VD_OK;
}

static const struct vd_route guest[] = {
    { VD_POST, "/kbs/v0/auth", VD_OPEN, VD_NO_BODY, VD_SHAPE_KBS, VD_WORK, handler },
    { VD_GET, "/kbs/v0/resource/{repo}/{type}/{tag}", VD_PASSPORT, VD_NO_BODY, VD_SHAPE_KBS,
      VD_WORK, handler },
    { VD_POST, "/kbs/v0/resource/{repo}/{type}/{tag}", VD_ADMIN, VD_NO_BODY, VD_SHAPE_KBS, VD_WORK,
      handler },
    { VD_DELETE, "/kbs/v0/resource/{repo}/{type}/{tag}", VD_ADMIN, VD_NO_BODY, VD_SHAPE_KBS,
      VD_WORK, handler },
    { VD_POST, "/kbs/v0/resource-policy", VD_ADMIN, VD_NO_BODY, VD_SHAPE_KBS, VD_WORK, handler },
};
static const struct vd_route admin[] = {
    { VD_GET, "/api/v1/status", VD_ADMIN, VD_NO_BODY, VD_SHAPE_NATIVE, VD_WORK, handler },
    { VD_GET, "/api/v1/policies/{id}", VD_ADMIN, VD_NO_BODY, VD_SHAPE_NATIVE, VD_WORK, handler },
    { VD_PUT, "/api/v1/policies/{id}", VD_ADMIN, VD_NO_BODY, VD_SHAPE_NATIVE, VD_WORK, handler },
    { VD_GET, "/metrics", VD_ADMIN, VD_NO_BODY, VD_SHAPE_TEXT, VD_WORK, handler },
};
static const struct vd_router guest_router = { .route = guest,
                                               .n = sizeof guest / sizeof guest[0] };
static const struct vd_router admin_router = { .route = admin,
                                               .n = sizeof admin / sizeof admin[0] };
static const struct vd_router *const routers[] = { &guest_router, &admin_router };

static const char *const all_roles[] = { "owner", "auditor", NULL };
static const char *const auditor_only[] = { "auditor", NULL };
static const char *const kbs_only[] = { "kbs", "one", NULL };

static const char *const allow_owner[] = { "* /*", NULL };
static const char *const allow_auditor[] = { "GET /api/v1/*", NULL };
static const char *const allow_kbs[] = { "POST /kbs/v0/resource/{repo}/*",
                                         "POST /kbs/v0/resource-policy", NULL };
static const char *const allow_one[] = { "POST /kbs/v0/resource/default/key/1", NULL };
static const struct vd_auth_role roles[] = { { "owner", allow_owner },
                                             { "auditor", allow_auditor },
                                             { "kbs", allow_kbs },
                                             { "one", allow_one } };
enum { ROLES = sizeof roles / sizeof roles[0] };

static void write_bytes(const char *path, vd_span s)
{
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(s.p, 1, s.n, out), s.n);
    assert_int_equal(fclose(out), 0);
}

static void add_jwk(vd_jw *w, const struct vd_key *key, const char *kid)
{
    VD_AUTO_BUF jwk = vd_buf_of(4096);
    assert_ok(vd_key_to_jwk(key, NULL, &jwk, NULL));
    if (kid) { /* {"kty":...} -> {"kid":"a","kty":...} */
        VD_AUTO_BUF named = vd_buf_of(4096);
        vd_buf_printf(&named, "{\"kid\":\"%s\",%s", kid, vd_buf_cstr(&jwk) + 1);
        vd_jw_raw(w, vd_buf_span(&named));
    } else {
        vd_jw_raw(w, vd_buf_span(&jwk));
    }
}

static void write_jwks(const char *path, const struct vd_key *a, const char *kid_a,
                       const struct vd_key *b, const char *kid_b)
{
    VD_AUTO_BUF text = vd_buf_of(16384);
    vd_jw w = vd_jw_of(&text);
    vd_jw_obj(&w);
    vd_jw_key(&w, "keys");
    vd_jw_arr(&w);
    add_jwk(&w, a, kid_a);
    if (b)
        add_jwk(&w, b, kid_b);
    vd_jw_end(&w);
    vd_jw_end(&w);
    assert_false(text.bad);
    write_bytes(path, vd_buf_span(&text));
}

static int setup(void **state)
{
    static const enum vd_kty kty[KEYS] = {
        [OPS] = VD_KTY_ED25519,  [DEV] = VD_KTY_P256,         [OLD] = VD_KTY_ED25519,
        [BARE] = VD_KTY_ED25519, [TEAM_A] = VD_KTY_ED25519,   [TEAM_B] = VD_KTY_P256,
        [SOLO] = VD_KTY_ED25519, [STRANGER] = VD_KTY_ED25519, [P384] = VD_KTY_P384
    };
    struct fixture *f = calloc(1, sizeof *f);
    f->dir = vd_test_dir("auth");
    f->ops_pem = vd_buf_of(8192);
    for (int i = 0; i < KEYS; i++) {
        VD_AUTO_BUF pem = vd_buf_of(8192);
        assert_ok(vd_key_generate(kty[i], 0, &f->key[i], NULL));
        assert_ok(vd_key_to_pem_public(f->key[i], &pem, NULL));
        (void)snprintf(f->file[i], sizeof f->file[i], "%s/key-%d.pem", f->dir, i);
        write_bytes(f->file[i], vd_buf_span(&pem));
        if (i == OPS)
            vd_buf_add(&f->ops_pem, vd_buf_span(&pem));
    }
    (void)snprintf(f->jwks[0], sizeof f->jwks[0], "%s/team.json", f->dir);
    (void)snprintf(f->jwks[1], sizeof f->jwks[1], "%s/solo.json", f->dir);
    write_jwks(f->jwks[0], f->key[TEAM_A], "a", f->key[TEAM_B], "b");
    write_jwks(f->jwks[1], f->key[SOLO], NULL, NULL, NULL);
    const struct vd_auth_identity id[] = {
        { "ops", f->file[OPS], NULL, "issuer", NULL, all_roles, NULL },
        { "dev", f->file[DEV], NULL, "issuer", "https://idp.example", auditor_only, NULL },
        { "old", f->file[OLD], NULL, "kbs", NULL, kbs_only, "kbs" },
        { "bare", f->file[BARE], NULL, NULL, NULL, kbs_only, "kbs" },
        { "team", NULL, f->jwks[0], "issuer", NULL, auditor_only, NULL },
        { "solo", NULL, f->jwks[1], "issuer", NULL, auditor_only, NULL },
    };
    const struct vd_auth_cfg cfg = { VD_AUTH_AUTHENTICATED,    900,   60,   id,
                                     sizeof id / sizeof id[0], roles, ROLES };
    vd_err err = { 0 };
    if (vd_auth_new(&cfg, routers, 2, &f->auth, &err).code != VD_E_OK) {
        print_error("%s\n", err.msg);
        return 1;
    }
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    vd_auth_free(f->auth);
    for (int i = 0; i < KEYS; i++)
        vd_key_unref(f->key[i]);
    vd_buf_done(&f->ops_pem);
    free(f->dir);
    free(f);
    return 0;
}

/* ---- making tokens and asking ---------------------------------------------------------------- */

static const char *alg_name(enum who k)
{
    if (k == DEV || k == TEAM_B)
        return "ES256";
    return k == P384 ? "ES384" : k == HMAC_PEM ? "HS256" : k == NO_SIGNATURE ? "none" : "EdDSA";
}

static void make_token(struct fixture *f, enum who k, const char *header, const char *payload,
                       vd_buf *out)
{
    char plain[96];
    (void)snprintf(plain, sizeof plain, "{\"alg\":\"%s\",\"typ\":\"JWT\"}", alg_name(k));
    vd_buf_reset(out);
    vd_b64_encode(vd_span_str(header ? header : plain), VD_B64_URL, out);
    vd_buf_u8(out, '.');
    vd_b64_encode(vd_span_str(payload), VD_B64_URL, out);
    VD_AUTO_BUF sig = vd_buf_of(512);
    if (k == HMAC_PEM) {
        uint8_t mac[VD_HASH_BYTES_MAX];
        assert_ok(vd_hmac(VD_SHA256, vd_buf_span(&f->ops_pem), vd_buf_span(out), mac, NULL));
        vd_buf_add(&sig, vd_span_of(mac, 32));
    } else if (k != NO_SIGNATURE) {
        enum vd_sig alg = VD_SIG_EDDSA;
        assert_ok(vd_jws_alg_by_name(vd_span_str(alg_name(k)), &alg, NULL));
        assert_ok(vd_sign(f->key[k], alg, vd_buf_span(out), &sig, NULL));
    }
    vd_buf_u8(out, '.');
    vd_b64_encode(vd_buf_span(&sig), VD_B64_URL, out);
    assert_false(out->bad);
}

static vd_rc_ ask(struct vd_auth *a, enum vd_method method, const char *target,
                  const char *authorization, struct vd_req *req, vd_err *err)
{
    uint8_t rewritten[512];
    VD_AUTO_BUF allow = vd_buf_of(64);
    vd_err none = { 0 };
    *req = (struct vd_req){ .method = method,
                            .now = NOW,
                            .authorization = vd_span_str(authorization) };
    assert_ok(vd_target_parse(vd_span_str(target), rewritten, req, err));
    if (vd_router_find(&guest_router, req, &allow, &none).code != VD_E_OK) {
        vd_err_clear(&none);
        vd_buf_reset(&allow);
        assert_ok(vd_router_find(&admin_router, req, &allow, &none));
    }
    return vd_auth_guard(a, req, err);
}

#define T "\"iat\":999990,\"exp\":1000300"
#define AUD ",\"aud\":\"issuer\""
#define OWNER ",\"role\":\"owner\""
#define AUDITOR ",\"role\":\"auditor\""
#define STATUS VD_GET, "/api/v1/status"
#define IDP ",\"iss\":\"https://idp.example\""

static const struct {
    const char *name;
    enum who key;
    const char *header;
    const char *payload;
    enum vd_method method;
    const char *target;
    vd_code want;
    const char *role; /* of the principal, or of err */
} cases[] = {
    { "owner", OPS, NULL, "{" T AUD OWNER "}", STATUS, VD_E_OK, "owner" },
    { "auditor", OPS, NULL, "{" T AUD AUDITOR "}", STATUS, VD_E_OK, "auditor" },
    { "ES256 with issuer", DEV, NULL, "{" T AUD AUDITOR IDP "}", STATUS, VD_E_OK, "auditor" },
    { "aud in an array", OPS, NULL, "{" T ",\"aud\":[\"x\",\"issuer\"]" OWNER "}", STATUS, VD_E_OK,
      "owner" },
    { "typ absent", OPS, "{\"alg\":\"EdDSA\"}", "{" T AUD OWNER "}", STATUS, VD_E_OK, "owner" },
    { "kid of a PEM identity is not looked at", OPS, "{\"alg\":\"EdDSA\",\"kid\":\"b\"}",
      "{" T AUD OWNER "}", STATUS, VD_E_OK, "owner" },
    { "further claims", OPS, NULL, "{" T AUD OWNER ",\"sub\":\"me\",\"jti\":\"1\"}", STATUS,
      VD_E_OK, "owner" },
    { "JWKS, kid a", TEAM_A, "{\"alg\":\"EdDSA\",\"kid\":\"a\"}", "{" T AUD AUDITOR "}", STATUS,
      VD_E_OK, "auditor" },
    { "JWKS, kid b", TEAM_B, "{\"alg\":\"ES256\",\"kid\":\"b\"}", "{" T AUD AUDITOR "}", STATUS,
      VD_E_OK, "auditor" },
    { "JWKS of one key, no kid", SOLO, NULL, "{" T AUD AUDITOR "}", STATUS, VD_E_OK, "auditor" },
    { "default role", OLD, NULL, "{" T "}", VD_POST, "/kbs/v0/resource-policy", VD_E_OK, "kbs" },
    { "default role with aud", OLD, NULL, "{" T ",\"aud\":\"kbs\"}", VD_POST,
      "/kbs/v0/resource-policy", VD_E_OK, "kbs" },
    { "default role, another named", OLD, NULL, "{" T ",\"role\":\"one\"}", VD_POST,
      "/kbs/v0/resource/default/key/1", VD_E_OK, "one" },
    { "no audience configured", BARE, NULL, "{" T "}", VD_POST, "/kbs/v0/resource-policy", VD_E_OK,
      "kbs" },
    { "nbf now", OPS, NULL, "{" T AUD OWNER ",\"nbf\":1000000}", STATUS, VD_E_OK, "owner" },
    { "expired within leeway", OPS, NULL, "{\"iat\":999500,\"exp\":999941" AUD OWNER "}", STATUS,
      VD_E_OK, "owner" },
    { "made ahead within leeway", OPS, NULL, "{\"iat\":1000060,\"exp\":1000100" AUD OWNER "}",
      STATUS, VD_E_OK, "owner" },
    { "longest life", OPS, NULL, "{\"iat\":999900,\"exp\":1000800" AUD OWNER "}", STATUS, VD_E_OK,
      "owner" },
    { "query does not matter", OPS, NULL, "{" T AUD AUDITOR "}", VD_GET,
      "/api/v1/policies/p?x=/../y", VD_E_OK, "auditor" },
    { "parameter in an entry", OLD, NULL, "{" T "}", VD_POST, "/kbs/v0/resource/r/t/g", VD_E_OK,
      "kbs" },
    { "lost slash is routed, then compared", OLD, NULL, "{" T "}", VD_POST,
      "/kbs/v0/resource//t/g/h", VD_E_OK, "kbs" },
    { "leading slashes are routed, then compared", OLD, NULL, "{" T "}", VD_POST,
      "//kbs/v0/resource/r/t/g", VD_E_OK, "kbs" },

    { "unknown key", STRANGER, NULL, "{" T AUD OWNER "}", STATUS, VD_E_ADMIN_TOKEN, "" },
    { "key of another identity", OLD, NULL, "{" T AUD OWNER "}", STATUS, VD_E_ADMIN_TOKEN, "" },
    { "alg none", NO_SIGNATURE, NULL, "{" T AUD OWNER "}", STATUS, VD_E_ADMIN_TOKEN, "" },
    { "HS256 keyed with the PEM", HMAC_PEM, NULL, "{" T AUD OWNER "}", STATUS, VD_E_ADMIN_TOKEN,
      "" },
    { "HMAC signature under EdDSA", HMAC_PEM, "{\"alg\":\"EdDSA\"}", "{" T AUD OWNER "}", STATUS,
      VD_E_ADMIN_TOKEN, "" },
    { "EdDSA signature under ES256", OPS, "{\"alg\":\"ES256\"}", "{" T AUD OWNER "}", STATUS,
      VD_E_ADMIN_TOKEN, "" },
    { "ES256 signature under EdDSA", DEV, "{\"alg\":\"EdDSA\"}", "{" T AUD AUDITOR IDP "}", STATUS,
      VD_E_ADMIN_TOKEN, "" },
    { "alg in lower case", OPS, "{\"alg\":\"eddsa\"}", "{" T AUD OWNER "}", STATUS,
      VD_E_ADMIN_TOKEN, "" },
    { "alg missing", OPS, "{\"typ\":\"JWT\"}", "{" T AUD OWNER "}", STATUS, VD_E_ADMIN_TOKEN, "" },
    { "alg twice", OPS, "{\"alg\":\"EdDSA\",\"alg\":\"EdDSA\"}", "{" T AUD OWNER "}", STATUS,
      VD_E_ADMIN_TOKEN, "" },
    { "crit", OPS, "{\"alg\":\"EdDSA\",\"crit\":[\"x\"],\"x\":1}", "{" T AUD OWNER "}", STATUS,
      VD_E_ADMIN_TOKEN, "" },
    { "typ of a passport list", OPS, "{\"alg\":\"EdDSA\",\"typ\":\"vidimus-revocation+jwt\"}",
      "{" T AUD OWNER "}", STATUS, VD_E_ADMIN_TOKEN, "" },
    { "typ in lower case", OPS, "{\"alg\":\"EdDSA\",\"typ\":\"jwt\"}", "{" T AUD OWNER "}", STATUS,
      VD_E_ADMIN_TOKEN, "" },
    { "own key in the header", STRANGER,
      "{\"alg\":\"EdDSA\",\"jwk\":{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":"
      "\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}}",
      "{" T AUD OWNER "}", STATUS, VD_E_ADMIN_TOKEN, "" },
    { "JWKS, kid of the other key", TEAM_A, "{\"alg\":\"EdDSA\",\"kid\":\"b\"}",
      "{" T AUD AUDITOR "}", STATUS, VD_E_ADMIN_TOKEN, "" },
    { "JWKS, unknown kid", TEAM_A, "{\"alg\":\"EdDSA\",\"kid\":\"c\"}", "{" T AUD AUDITOR "}",
      STATUS, VD_E_ADMIN_TOKEN, "" },
    { "JWKS of two keys, no kid", TEAM_A, NULL, "{" T AUD AUDITOR "}", STATUS, VD_E_ADMIN_TOKEN,
      "" },
    { "kid is a number", TEAM_A, "{\"alg\":\"EdDSA\",\"kid\":1}", "{" T AUD AUDITOR "}", STATUS,
      VD_E_ADMIN_TOKEN, "" },
    { "P-384 is no administrator's key", P384, NULL, "{" T AUD OWNER "}", STATUS, VD_E_ADMIN_TOKEN,
      "" },

    { "expired", OPS, NULL, "{\"iat\":999500,\"exp\":999940" AUD OWNER "}", STATUS,
      VD_E_ADMIN_TOKEN, "" },
    { "made in the future", OPS, NULL, "{\"iat\":1000061,\"exp\":1000100" AUD OWNER "}", STATUS,
      VD_E_ADMIN_TOKEN, "" },
    { "nbf in the future", OPS, NULL, "{" T AUD OWNER ",\"nbf\":1000061}", STATUS, VD_E_ADMIN_TOKEN,
      "" },
    { "life too long by one", OPS, NULL, "{\"iat\":999900,\"exp\":1000801" AUD OWNER "}", STATUS,
      VD_E_ADMIN_TOKEN, "" },
    { "exp before iat", OPS, NULL, "{\"iat\":1000010,\"exp\":1000009" AUD OWNER "}", STATUS,
      VD_E_ADMIN_TOKEN, "" },
    { "exp equals iat", OPS, NULL, "{\"iat\":1000010,\"exp\":1000010" AUD OWNER "}", STATUS,
      VD_E_ADMIN_TOKEN, "" },
    { "no exp", OPS, NULL, "{\"iat\":999990" AUD OWNER "}", STATUS, VD_E_ADMIN_TOKEN, "" },
    { "no iat", OPS, NULL, "{\"exp\":1000300" AUD OWNER "}", STATUS, VD_E_ADMIN_TOKEN, "" },
    { "exp as a string", OPS, NULL, "{\"iat\":999990,\"exp\":\"1000300\"" AUD OWNER "}", STATUS,
      VD_E_ADMIN_TOKEN, "" },
    { "exp with a fraction", OPS, NULL, "{\"iat\":999990,\"exp\":1000300.5" AUD OWNER "}", STATUS,
      VD_E_ADMIN_TOKEN, "" },
    { "exp beyond 64 bits", OPS, NULL, "{\"iat\":999990,\"exp\":99999999999999999999" AUD OWNER "}",
      STATUS, VD_E_ADMIN_TOKEN, "" },
    { "exp at the edge of 63 bits", OPS, NULL,
      "{\"iat\":9223372036854775806,\"exp\":9223372036854775807" AUD OWNER "}", STATUS,
      VD_E_ADMIN_TOKEN, "" },
    { "negative iat", OPS, NULL, "{\"iat\":-1,\"exp\":1000300" AUD OWNER "}", STATUS,
      VD_E_ADMIN_TOKEN, "" },
    { "nbf as a string", OPS, NULL, "{" T AUD OWNER ",\"nbf\":\"1\"}", STATUS, VD_E_ADMIN_TOKEN,
      "" },
    { "exp twice", OPS, NULL, "{" T ",\"exp\":1000300" AUD OWNER "}", STATUS, VD_E_ADMIN_TOKEN,
      "" },

    { "aud missing", OPS, NULL, "{" T OWNER "}", STATUS, VD_E_ADMIN_TOKEN, "" },
    { "aud of another server", OPS, NULL, "{" T ",\"aud\":\"broker\"" OWNER "}", STATUS,
      VD_E_ADMIN_TOKEN, "" },
    { "aud array without ours", OPS, NULL, "{" T ",\"aud\":[\"a\",\"b\"]" OWNER "}", STATUS,
      VD_E_ADMIN_TOKEN, "" },
    { "aud empty array", OPS, NULL, "{" T ",\"aud\":[]" OWNER "}", STATUS, VD_E_ADMIN_TOKEN, "" },
    { "aud null", OPS, NULL, "{" T ",\"aud\":null" OWNER "}", STATUS, VD_E_ADMIN_TOKEN, "" },
    { "aud an object", OPS, NULL, "{" T ",\"aud\":{\"issuer\":1}" OWNER "}", STATUS,
      VD_E_ADMIN_TOKEN, "" },
    { "aud in other letters", OPS, NULL, "{" T ",\"aud\":\"Issuer\"" OWNER "}", STATUS,
      VD_E_ADMIN_TOKEN, "" },
    { "aud only begins like ours", OPS, NULL, "{" T ",\"aud\":\"issuer2\"" OWNER "}", STATUS,
      VD_E_ADMIN_TOKEN, "" },
    { "wrong aud with default role", OLD, NULL, "{" T ",\"aud\":\"x\"}", VD_POST,
      "/kbs/v0/resource-policy", VD_E_ADMIN_TOKEN, "" },
    { "aud though none is configured", BARE, NULL, "{" T ",\"aud\":\"x\"}", VD_POST,
      "/kbs/v0/resource-policy", VD_E_ADMIN_TOKEN, "" },
    { "iss missing", DEV, NULL, "{" T AUD AUDITOR "}", STATUS, VD_E_ADMIN_TOKEN, "" },
    { "iss of another", DEV, NULL, "{" T AUD AUDITOR ",\"iss\":\"https://idp.example/\"}", STATUS,
      VD_E_ADMIN_TOKEN, "" },

    { "role missing", OPS, NULL, "{" T AUD "}", STATUS, VD_E_ADMIN_NO_ROLE, "" },
    { "role null", OPS, NULL, "{" T AUD ",\"role\":null}", STATUS, VD_E_ADMIN_TOKEN, "" },
    { "role a list", OPS, NULL, "{" T AUD ",\"role\":[\"owner\"]}", STATUS, VD_E_ADMIN_TOKEN, "" },
    { "role empty", OPS, NULL, "{" T AUD ",\"role\":\"\"}", STATUS, VD_E_ADMIN_TOKEN, "" },
    { "role with markup is not repeated", OPS, NULL, "{" T AUD ",\"role\":\"<b>\"}", STATUS,
      VD_E_ADMIN_TOKEN, "" },
    { "role of 65 letters", OPS, NULL,
      "{" T AUD ",\"role\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}",
      STATUS, VD_E_ADMIN_TOKEN, "" },
    { "role that is not the identity's", DEV, NULL, "{" T AUD OWNER IDP "}", STATUS,
      VD_E_ADMIN_ROLE, "owner" },
    { "role that does not exist", OPS, NULL, "{" T AUD ",\"role\":\"root\"}", STATUS,
      VD_E_ADMIN_ROLE, "root" },
    { "role in other letters", OPS, NULL, "{" T AUD ",\"role\":\"Owner\"}", STATUS, VD_E_ADMIN_ROLE,
      "Owner" },
    { "method not allowed", OPS, NULL, "{" T AUD AUDITOR "}", VD_PUT, "/api/v1/policies/p",
      VD_E_ADMIN_ROLE, "auditor" },
    { "path not allowed", OPS, NULL, "{" T AUD AUDITOR "}", VD_GET, "/metrics", VD_E_ADMIN_ROLE,
      "auditor" },
    { "query that looks like an allowed path", OPS, NULL, "{" T AUD AUDITOR "}", VD_GET,
      "/metrics?/api/v1/status", VD_E_ADMIN_ROLE, "auditor" },
    { "another resource", OLD, NULL, "{" T ",\"role\":\"one\"}", VD_POST,
      "/kbs/v0/resource/default/key/2", VD_E_ADMIN_ROLE, "one" },
    { "another method on it", OLD, NULL, "{" T ",\"role\":\"one\"}", VD_DELETE,
      "/kbs/v0/resource/default/key/1", VD_E_ADMIN_ROLE, "one" },
    { "default role elsewhere", OLD, NULL, "{" T "}", STATUS, VD_E_ADMIN_ROLE, "kbs" },
    { "a passport", OPS, NULL, "{" T AUD OWNER ",\"submods\":{}}", STATUS, VD_E_ADMIN_TOKEN, "" },
    { "a passport without role", OLD, NULL, "{" T ",\"submods\":{\"cpu0\":{}}}", VD_POST,
      "/kbs/v0/resource-policy", VD_E_ADMIN_TOKEN, "" },
    { "payload an array", OPS, NULL, "[1]", STATUS, VD_E_ADMIN_TOKEN, "" },
    { "payload empty", OPS, NULL, "", STATUS, VD_E_ADMIN_TOKEN, "" },
    { "payload with bytes behind", OPS, NULL, "{" T AUD OWNER "}x", STATUS, VD_E_ADMIN_TOKEN, "" },
};

static void tokens_are_taken_or_refused_as_the_matrix_says(void **state)
{
    struct fixture *f = *state;
    size_t failed = 0;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        VD_AUTO_BUF token = vd_buf_of(16384);
        VD_AUTO_BUF header = vd_buf_of(16384);
        make_token(f, cases[i].key, cases[i].header, cases[i].payload, &token);
        vd_buf_printf(&header, "Bearer %s", vd_buf_cstr(&token));
        struct vd_req req;
        vd_err err = { 0 };
        vd_rc_ rc =
            ask(f->auth, cases[i].method, cases[i].target, vd_buf_cstr(&header), &req, &err);
        const char *role = rc.code == VD_E_OK ? req.admin.role : err.role;
        if (rc.code != cases[i].want || strcmp(role, cases[i].role) != 0 ||
            (rc.code != VD_E_OK && req.admin.identity[0]) || strstr(err.msg, vd_buf_cstr(&token))) {
            print_error("%s: got %s role '%s' (%s)\n", cases[i].name, vd_error_row(rc.code)->symbol,
                        role, err.msg);
            failed++;
        }
    }
    print_message("tokens: %zu cases\n", sizeof cases / sizeof cases[0]);
    assert_int_equal(failed, 0);
}

static void the_header_must_be_one_bearer_token(void **state)
{
    struct fixture *f = *state;
    VD_AUTO_BUF token = vd_buf_of(16384);
    make_token(f, OPS, NULL, "{" T AUD OWNER "}", &token);
    static const struct {
        const char *name, *before, *behind;
        vd_code want;
    } rows[] = {
        { "as it should be", "Bearer ", "", VD_E_OK },
        { "empty", NULL, NULL, VD_E_ADMIN_MISSING },
        { "scheme in lower case", "bearer ", "", VD_E_ADMIN_MISSING },
        { "another scheme", "Basic ", "", VD_E_ADMIN_MISSING },
        { "no blank", "Bearer", "", VD_E_ADMIN_MISSING },
        { "two blanks", "Bearer  ", "", VD_E_ADMIN_MISSING },
        { "token and more", "Bearer ", " x", VD_E_ADMIN_MISSING },
        { "a fourth part", "Bearer ", ".x", VD_E_ADMIN_TOKEN },
        { "padding", "Bearer ", "=", VD_E_ADMIN_TOKEN },
        { "a letter behind", "Bearer ", "A", VD_E_ADMIN_TOKEN },
        { "only dots", "Bearer ..", "", VD_E_ADMIN_TOKEN },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        VD_AUTO_BUF header = vd_buf_of(16384);
        if (rows[i].before)
            vd_buf_printf(&header, "%s%s%s", rows[i].before, vd_buf_cstr(&token), rows[i].behind);
        struct vd_req req;
        vd_err err = { 0 };
        vd_rc_ rc = ask(f->auth, STATUS, vd_buf_cstr(&header), &req, &err);
        if (rc.code != rows[i].want)
            print_error("%s\n", rows[i].name);
        assert_int_equal(rc.code, rows[i].want);
    }
}

static void every_flip_and_truncation_of_a_token_is_refused(void **state)
{
    struct fixture *f = *state;
    VD_AUTO_BUF token = vd_buf_of(16384);
    make_token(f, OPS, NULL, "{" T AUD OWNER "}", &token);
    size_t n = 0;
    for (size_t cut = 0; cut < token.n; cut++) {
        for (int mode = 0; mode < 2; mode++) {
            VD_AUTO_BUF header = vd_buf_of(16384);
            vd_buf_str(&header, "Bearer ");
            vd_buf_add(&header, vd_span_part(vd_buf_span(&token), 0, mode ? token.n : cut));
            /* The last sign of a 64-byte signature carries 2 of 6 bits: its flip must be refused as
             * well. */
            if (mode)
                header.p[7 + cut] ^= 1;
            struct vd_req req;
            vd_err err = { 0 };
            vd_rc_ rc = ask(f->auth, STATUS, vd_buf_cstr(&header), &req, &err);
            assert_true(rc.code == VD_E_ADMIN_TOKEN || rc.code == VD_E_ADMIN_MISSING);
            n++;
        }
    }
    print_message("changed tokens: %zu cases\n", n);
}

static void a_huge_token_is_refused_before_it_is_looked_at(void **state)
{
    struct fixture *f = *state;
    VD_AUTO_BUF header = vd_buf_of(2u << 20);
    vd_buf_str(&header, "Bearer ");
    for (size_t i = 0; i < 1u << 20; i++)
        vd_buf_u8(&header, '.');
    struct vd_req req;
    vd_err err = { 0 };
    assert_rc(VD_E_ADMIN_TOKEN, ask(f->auth, STATUS, vd_buf_cstr(&header), &req, &err));
}

static void deny_mode_refuses_good_tokens(void **state)
{
    struct fixture *f = *state;
    const struct vd_auth_identity id = {
        "ops", f->file[OPS], NULL, "issuer", NULL, all_roles, NULL
    };
    const struct vd_auth_cfg cfg = { VD_AUTH_DENY, 900, 60, &id, 1, roles, ROLES };
    VD_AUTO(vd_auth_free) struct vd_auth *a = NULL;
    VD_AUTO_BUF token = vd_buf_of(16384);
    VD_AUTO_BUF header = vd_buf_of(16384);
    vd_err err = { 0 };
    struct vd_req req;
    assert_ok(vd_auth_new(&cfg, routers, 2, &a, &err));
    make_token(f, OPS, NULL, "{" T AUD OWNER "}", &token);
    vd_buf_printf(&header, "Bearer %s", vd_buf_cstr(&token));
    assert_rc(VD_E_ADMIN_DENY_ALL, ask(a, STATUS, vd_buf_cstr(&header), &req, &err));
}

static void without_identities_all_is_closed(void **state)
{
    struct fixture *f = *state;
    const struct vd_auth_cfg cfg = { .mode = VD_AUTH_AUTHENTICATED,
                                     .max_token_life = 900,
                                     .leeway = 60 };
    VD_AUTO(vd_auth_free) struct vd_auth *a = NULL;
    VD_AUTO_BUF token = vd_buf_of(16384);
    VD_AUTO_BUF header = vd_buf_of(16384);
    vd_err err = { 0 };
    struct vd_req req;
    assert_ok(vd_auth_new(&cfg, routers, 2, &a, &err));
    assert_rc(VD_E_ADMIN_MISSING, ask(a, STATUS, "", &req, &err));
    vd_err_clear(&err);
    make_token(f, OPS, NULL, "{" T AUD OWNER "}", &token);
    vd_buf_printf(&header, "Bearer %s", vd_buf_cstr(&token));
    assert_rc(VD_E_ADMIN_TOKEN, ask(a, STATUS, vd_buf_cstr(&header), &req, &err));
}

static void tokens_of_the_tool_are_taken(void **state)
{
    struct fixture *f = *state;
    static const enum who keys[] = { OPS, DEV };
    for (size_t i = 0; i < 2; i++) {
        VD_AUTO_BUF header = vd_buf_of(16384);
        const struct vd_token_spec spec = { "auditor", "issuer", "https://idp.example", NOW, 900 };
        struct vd_req req;
        vd_err err = { 0 };
        vd_buf_str(&header, "Bearer ");
        assert_ok(vd_auth_token(f->key[keys[i]], &spec, &header, &err));
        assert_ok(ask(f->auth, STATUS, vd_buf_cstr(&header), &req, &err));
        assert_string_equal(req.admin.identity, i == 0 ? "ops" : "dev");
    }
}

static void the_tool_refuses_keys_and_lives_that_no_server_takes(void **state)
{
    struct fixture *f = *state;
    VD_AUTO_BUF out = vd_buf_of(16384);
    VD_AUTO(vd_key_unref) struct vd_key *public_half = NULL;
    struct vd_token_spec spec = { "auditor", "issuer", NULL, NOW, 900 };
    vd_err err = { 0 };
    assert_rc(VD_E_CRYPTO, vd_auth_token(f->key[P384], &spec, &out, &err));
    vd_err_clear(&err);
    assert_ok(vd_key_from_pem(vd_buf_span(&f->ops_pem), &public_half, &err));
    assert_rc(VD_E_CRYPTO, vd_auth_token(public_half, &spec, &out, &err));
    vd_err_clear(&err);
    spec.life = VD_ADMIN_TOKEN_SECONDS_MAX + 1;
    assert_rc(VD_E_SETTING, vd_auth_token(f->key[OPS], &spec, &out, &err));
    vd_err_clear(&err);
    spec.life = 0;
    assert_rc(VD_E_SETTING, vd_auth_token(f->key[OPS], &spec, &out, &err));
    vd_err_clear(&err);
    spec.life = 900;
    spec.role = "a b";
    assert_rc(VD_E_SETTING, vd_auth_token(f->key[OPS], &spec, &out, &err));
    assert_int_equal(out.n, 0);
}

static void keys_of_administrators_are_known(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < KEYS; i++)
        assert_int_equal(vd_auth_has_key(f->auth, f->key[i]), i != STRANGER && i != P384);
}

/* ---- what stops the start -------------------------------------------------------------------- */

static void expect_refused(const struct vd_auth_identity *id, size_t n_id,
                           const struct vd_auth_role *role, size_t n_role, const char *want)
{
    const struct vd_auth_cfg cfg = { VD_AUTH_AUTHENTICATED, 900, 60, id, n_id, role, n_role };
    VD_AUTO(vd_auth_free) struct vd_auth *a = NULL;
    vd_err err = { 0 };
    assert_rc(VD_E_CONFIG, vd_auth_new(&cfg, routers, 2, &a, &err));
    if (!strstr(err.msg, want)) {
        print_error("got  %s\nwant %s\n", err.msg, want);
        fail();
    }
}

static void bad_identities_stop_the_start(void **state)
{
    struct fixture *f = *state;
    static const char *const none[] = { NULL };
    static const char *const unknown[] = { "root", NULL };
    char missing[600], text[600], both[600], twice[600], kids[600], secret[600], empty[600];
    (void)snprintf(missing, sizeof missing, "%s/missing.pem", f->dir);
    (void)snprintf(text, sizeof text, "%s/text.pem", f->dir);
    (void)snprintf(both, sizeof both, "%s/nokid.json", f->dir);
    (void)snprintf(twice, sizeof twice, "%s/twice.json", f->dir);
    (void)snprintf(kids, sizeof kids, "%s/kids.json", f->dir);
    (void)snprintf(secret, sizeof secret, "%s/secret.pem", f->dir);
    (void)snprintf(empty, sizeof empty, "%s/empty.json", f->dir);
    write_bytes(text, VD_LIT("no key\n"));
    write_bytes(empty, VD_LIT("{\"keys\":[]}"));
    write_jwks(both, f->key[TEAM_A], "a", f->key[TEAM_B], NULL);
    write_jwks(twice, f->key[TEAM_A], "a", f->key[TEAM_A], "b");
    write_jwks(kids, f->key[TEAM_A], "a", f->key[TEAM_B], "a");
    VD_AUTO_SECRET pem = { 0 };
    assert_ok(vd_key_to_pem_private(f->key[OPS], false, &pem, NULL));
    write_bytes(secret, vd_secret_span(&pem));
    const struct {
        struct vd_auth_identity id;
        const char *want;
    } rows[] = {
        { { "ops", missing, NULL, "a", NULL, all_roles, NULL },
          "missing.pem: No such file or directory; make a pair with: vidimus admin keygen" },
        { { "ops", text, NULL, "a", NULL, all_roles, NULL }, "text.pem: holds no PEM public key" },
        { { "ops", secret, NULL, "a", NULL, all_roles, NULL },
          "secret.pem: holds a private key; give the public half" },
        { { "ops", f->file[P384], NULL, "a", NULL, all_roles, NULL },
          "is neither an Ed25519 nor a P-256 key" },
        { { "ops", NULL, NULL, "a", NULL, all_roles, NULL },
          "admin.identity ops: give public_key_file or jwks_file, one of them" },
        { { "ops", text, text, "a", NULL, all_roles, NULL },
          "give public_key_file or jwks_file, not both" },
        { { "ops", NULL, text, "a", NULL, all_roles, NULL }, "text.pem: is not valid JSON" },
        { { "ops", NULL, empty, "a", NULL, all_roles, NULL },
          "has no keys; a JWK set is {\"keys\":[...]}" },
        { { "ops", NULL, both, "a", NULL, all_roles, NULL },
          "several keys, and one has no kid; give each a kid" },
        { { "ops", NULL, twice, "a", NULL, all_roles, NULL },
          "admin.identity ops: a key stands twice in its file" },
        { { "ops", NULL, kids, "a", NULL, all_roles, NULL }, "two keys have the same kid" },
        { { "ops", f->file[OPS], NULL, NULL, NULL, all_roles, NULL },
          "admin.identity ops: audience is missing; only an identity with default_role may go "
          "without" },
        { { "ops", f->file[OPS], NULL, "a", NULL, none, NULL },
          "admin.identity ops: roles is empty" },
        { { "ops", f->file[OPS], NULL, "a", NULL, unknown, NULL },
          "admin.identity ops: there is no role root; add [[admin.role]]" },
        { { "ops", f->file[OPS], NULL, "a", NULL, auditor_only, "owner" },
          "admin.identity ops: default_role owner is not one of its roles" },
        { { "o p s", f->file[OPS], NULL, "a", NULL, all_roles, NULL },
          "admin.identity 1: the name must have" },
        { { "", f->file[OPS], NULL, "a", NULL, all_roles, NULL },
          "admin.identity 1: the name must have" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        expect_refused(&rows[i].id, 1, roles, ROLES, rows[i].want);
    const struct vd_auth_identity same_key[] = {
        { "a", f->file[OPS], NULL, "x", NULL, all_roles, NULL },
        { "b", f->file[OPS], NULL, "x", NULL, all_roles, NULL }
    };
    const struct vd_auth_identity same_name[] = {
        { "a", f->file[OPS], NULL, "x", NULL, all_roles, NULL },
        { "a", f->file[DEV], NULL, "x", NULL, all_roles, NULL }
    };
    expect_refused(same_key, 2, roles, ROLES,
                   "admin.identity a and b have the same key; give each its own");
    expect_refused(same_name, 2, roles, ROLES, "admin.identity a stands twice; rename one");
    print_message("bad identities: %zu cases\n", sizeof rows / sizeof rows[0] + 2);
}

static void bad_roles_stop_the_start(void **state)
{
    (void)state;
    static const struct {
        const char *entry;
        bool good;
    } rows[] = {
        { "GET /api/v1/status", true },
        { "* /api/v1/*", true },
        { "PUT /api/v1/policies/mine", true },
        { "POST /kbs/v0/resource/{repo}/*", true },
        { "GET /api/v1/{anything}", true },
        { "* /{a}", true },
        { "GET /api/v2/status", false },
        { "DELETE /api/v1/status", false },
        { "GET /api/v1", false },
        { "GET /api/v1/status/more", false },
        { "POST /kbs/v0/resource/a/b", false },
        { "get /api/v1/status", false },
        { "PATCH /api/v1/status", false },
        { "GET", false },
        { "GET ", false },
        { "GET  /api/v1/status", false },
        { "GET /api/v1/status ", false },
        { "/api/v1/status", false },
        { "GET api/v1/status", false },
        { "GET /api/*/status", false },
        { "GET /api/v1/status?x", false },
        { "GET /api/v1/%73tatus", false },
        { "GET //api/v1/status", false },
        { "GET /api/v1/status/", false },
        { "GET /", false },
        { "GET /api/v1/stat{us}", false },
        { "^/kbs/.*$", false },
        { "", false },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *const allow[] = { rows[i].entry, NULL };
        const struct vd_auth_role role = { "r", allow };
        const struct vd_auth_cfg cfg = { VD_AUTH_AUTHENTICATED, 900, 60, NULL, 0, &role, 1 };
        VD_AUTO(vd_auth_free) struct vd_auth *a = NULL;
        vd_err err = { 0 };
        vd_rc_ rc = vd_auth_new(&cfg, routers, 2, &a, &err);
        if ((rc.code == VD_E_OK) != rows[i].good)
            print_error("%s: %s\n", rows[i].entry, err.msg);
        assert_int_equal(rc.code == VD_E_OK, rows[i].good);
    }
    static const char *const none[] = { NULL };
    const struct vd_auth_role empty = { "r", none };
    const struct vd_auth_role strange = { "r r", allow_owner };
    const struct vd_auth_role twice[] = { { "r", allow_owner }, { "r", allow_owner } };
    expect_refused(NULL, 0, &empty, 1, "admin.role r: allow is empty");
    expect_refused(NULL, 0, &strange, 1, "admin.role 1: the name must have");
    expect_refused(NULL, 0, twice, 2, "admin.role r stands twice");
    print_message("role entries: %zu cases\n", sizeof rows / sizeof rows[0] + 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_are_taken_or_refused_as_the_matrix_says),
        cmocka_unit_test(the_header_must_be_one_bearer_token),
        cmocka_unit_test(every_flip_and_truncation_of_a_token_is_refused),
        cmocka_unit_test(a_huge_token_is_refused_before_it_is_looked_at),
        cmocka_unit_test(deny_mode_refuses_good_tokens),
        cmocka_unit_test(without_identities_all_is_closed),
        cmocka_unit_test(tokens_of_the_tool_are_taken),
        cmocka_unit_test(the_tool_refuses_keys_and_lives_that_no_server_takes),
        cmocka_unit_test(keys_of_administrators_are_known),
        cmocka_unit_test(bad_identities_stop_the_start),
        cmocka_unit_test(bad_roles_stop_the_start),
    };
    vd_err err = { 0 };
    if (vd_base_init(&err).code != VD_E_OK)
        return 1;
    return cmocka_run_group_tests(tests, setup, teardown);
}
