/* Forty wrong kinds of exp, iat and nbf in an administrator's token: a claim that is there and not
 * a whole number refuses the token, it is never taken for absent. */
#include "tests/support/support.h"

#include <stdio.h>

#include "shared/auth/auth.h"
#include "shared/codec/b64.h"
#include "shared/crypto/jose.h"

enum { NOW = 1000000 };

static const char *const wrong[] = {
    "\"1000100\"",
    "1000100.0",
    "1000100.5",
    "1.0001e6",
    "1000100e0",
    "-1",
    "-1000100",
    "-0",
    "-0.0",
    "null",
    "true",
    "false",
    "[]",
    "[1000100]",
    "[[]]",
    "[null]",
    "{}",
    "{\"exp\":1}",
    "{\"$numberLong\":\"1\"}",
    "1e400",
    "1e-400",
    "18446744073709551615",
    "18446744073709551616",
    "9223372036854775807",
    "9223372036854775808",
    "99999999999999999999",
    "\"\"",
    "\"0\"",
    "\"NaN\"",
    "\"\\u0031\"",
    "NaN",
    "Infinity",
    "0x1",
    "01000100",
    "+1000100",
    "1_000_100",
    "1000100.",
    "1000100 1",
    "1000100,",
    "'1000100'",
};

static vd_rc_ handler(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    (void)req;
    (void)resp;
    (void)err;
    return VD_OK;
}

static const struct vd_route route[] = {
    { VD_GET, "/api/v1/status", VD_ADMIN, VD_NO_BODY, VD_SHAPE_NATIVE, VD_WORK, handler },
};

struct fixture {
    struct vd_key *key;
    struct vd_auth *auth;
};

static int setup(void **state)
{
    static const struct vd_router router = { .route = route, .n = 1 };
    static const struct vd_router *const routers[] = { &router };
    static const char *const roles[] = { "owner", NULL };
    static const char *const allow[] = { "* /*", NULL };
    static struct fixture f;
    assert_ok(vd_base_init(NULL));
    VD_AUTO(free) char *dir = vd_test_dir("times");
    VD_AUTO_BUF pem = vd_buf_of(8192);
    VD_AUTO_BUF path = vd_buf_of(4096);
    assert_ok(vd_key_generate(VD_KTY_ED25519, 0, &f.key, NULL));
    assert_ok(vd_key_to_pem_public(f.key, &pem, NULL));
    vd_buf_printf(&path, "%s/owner.pem", dir);
    FILE *out = fopen(vd_buf_cstr(&path), "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(pem.p, 1, pem.n, out), pem.n);
    assert_int_equal(fclose(out), 0);
    const struct vd_auth_identity who = { "owner", vd_buf_cstr(&path), NULL, "issuer", NULL, roles,
                                          NULL };
    const struct vd_auth_role role = { "owner", allow };
    const struct vd_auth_cfg cfg = { VD_AUTH_AUTHENTICATED, 900, 60, &who, 1, &role, 1 };
    assert_ok(vd_auth_new(&cfg, routers, 1, &f.auth, NULL));
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    vd_auth_free(f->auth);
    vd_key_unref(f->key);
    return 0;
}

/* The standard token with one time as `json` says; NULL leaves it out. */
static vd_code code_of(struct fixture *f, const char *name, const char *json)
{
    static const struct {
        const char *name;
        const char *json;
    } times[] = { { "iat", "1000000" }, { "nbf", "1000000" }, { "exp", "1000100" } };
    VD_AUTO_BUF payload = vd_buf_of(8192);
    VD_AUTO_BUF header = vd_buf_of(16384);
    vd_buf_str(&payload, "{\"aud\":\"issuer\",\"role\":\"owner\"");
    for (size_t i = 0; i < 3; i++) {
        bool mine = strcmp(times[i].name, name) == 0;
        const char *value = mine ? json : times[i].json;
        if (value)
            vd_buf_printf(&payload, ",\"%s\":%s", times[i].name, value);
    }
    vd_buf_u8(&payload, '}');
    vd_buf_str(&header, "Bearer ");
    assert_ok(vd_jws_sign_key(VD_LIT("{\"alg\":\"EdDSA\",\"typ\":\"JWT\"}"), vd_buf_span(&payload),
                              f->key, VD_SIG_EDDSA, &header, NULL));
    static const struct vd_router router = { .route = route, .n = 1 };
    VD_AUTO_BUF allow = vd_buf_of(64);
    struct vd_req req = { .method = VD_GET,
                          .now = NOW,
                          .path = VD_LIT("/api/v1/status"),
                          .authorization = vd_buf_span(&header) };
    assert_ok(vd_router_find(&router, &req, &allow, NULL));
    return vd_auth_guard(f->auth, &req, NULL).code;
}

static void wrong_kinds_of_times_are_refused(void **state)
{
    static const char *const names[] = { "exp", "iat", "nbf" };
    size_t n = 0;
    assert_int_equal(code_of(*state, "exp", "1000100"), VD_E_OK);
    assert_int_equal(code_of(*state, "nbf", NULL), VD_E_OK);
    assert_int_equal(code_of(*state, "exp", NULL), VD_E_ADMIN_TOKEN);
    assert_int_equal(code_of(*state, "iat", NULL), VD_E_ADMIN_TOKEN);
    for (size_t c = 0; c < 3; c++) {
        for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++, n++) {
            vd_code got = code_of(*state, names[c], wrong[i]);
            if (got != VD_E_ADMIN_TOKEN)
                print_error("%s = %s: %s\n", names[c], wrong[i], vd_error_row(got)->symbol);
            assert_int_equal(got, VD_E_ADMIN_TOKEN);
        }
    }
    print_message("times of administrators' tokens: %zu variants refused\n", n);
    assert_true(n >= 120);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(wrong_kinds_of_times_are_refused) };
    return cmocka_run_group_tests(tests, setup, teardown);
}
