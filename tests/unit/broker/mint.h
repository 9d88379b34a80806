/* Makes passports for the broker's tests: a standard one whose members can be replaced one by one,
 * and the trusted issuer that goes with it. Included by one test program each. */
#pragma once

#include <stdio.h>

#include "broker/passport/trust.h"
#include "shared/codec/b64.h"

#define NOW 1800000000
#define ISS "https://issuer.test"
#define SHA "0000000000000000000000000000000000000000000000000000000000000000"
#define TEE_JWK                                                                                    \
    "{\"kty\":\"EC\",\"crv\":\"P-256\",\"alg\":\"ECDH-ES+A256KW\","                                \
    "\"x\":\"weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ\","                                       \
    "\"y\":\"e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck\"}"
#define VIDIMUS                                                                                    \
    "{\"v\":1,\"freshness\":\"issuer-nonce\",\"simulated\":false,\"policies\":"                    \
    "[{\"id\":\"default\",\"class\":\"cpu\",\"sha256\":\"" SHA "\"}]}"
#define SUBMOD(tee, status, policy, key)                                                           \
    "{\"ear.status\":\"" status "\",\"ear.trustworthiness-vector\":{\"configuration\":2,"          \
    "\"executables\":3,\"hardware\":2},\"ear.appraisal-policy-id\":\"" policy "\","                \
    "\"ear.veraison.annotated-evidence\":{\"" tee "\":{\"measurement\":\"ab01\"},"                 \
    "\"report_data\":\"00\",\"runtime_data_claims\":{\"nonce\":\"bm9uY2U=\",\"tee-pubkey\":" key   \
    "},\"init_data_claims\":null},\"vidimus\":{\"tee\":\"" tee "\",\"debug\":false}}"
#define SUBMODS "{\"cpu0\":" SUBMOD("snp", "affirming", "default", TEE_JWK) "}"

struct member {
    const char *name;
    const char *json; /* NULL: left out */
};

static const struct member standard[] = {
    { "eat_profile", "\"tag:github.com,2024:confidential-containers/Trustee\"" },
    { "iss", "\"" ISS "\"" },
    { "iat", "1800000000" },
    { "nbf", "1800000000" },
    { "exp", "1800000300" },
    { "jti", "\"AAAAAAAAAAAAAAAAAAAAAA\"" },
    { "submods", SUBMODS },
    { "vidimus", VIDIMUS },
};
enum { STANDARD = sizeof standard / sizeof *standard };

static const struct member *instead_of(const struct member *change, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(change[i].name, name) == 0)
            return &change[i];
    return NULL;
}

/* The standard claims with `change` applied; a name that is not standard is added. */
static inline void payload_of(const struct member *change, size_t n, vd_buf *out)
{
    const char *comma = "{";
    for (size_t i = 0; i < STANDARD; i++) {
        const struct member *c = instead_of(change, n, standard[i].name);
        const char *json = c ? c->json : standard[i].json;
        if (!json)
            continue;
        vd_buf_printf(out, "%s\"%s\":%s", comma, standard[i].name, json);
        comma = ",";
    }
    for (size_t i = 0; i < n; i++) {
        if (instead_of(standard, STANDARD, change[i].name) || !change[i].json)
            continue;
        vd_buf_printf(out, "%s\"%s\":%s", comma, change[i].name, change[i].json);
        comma = ",";
    }
    vd_buf_str(out, *comma == '{' ? "{}" : "}");
}

struct mint {
    struct vd_key *key;
    enum vd_sig alg;
    char thumbprint[44];
};

static inline struct mint mint_new(enum vd_kty kty, enum vd_sig alg)
{
    struct mint m = { .alg = alg };
    assert_ok(vd_key_generate(kty, 2048, &m.key, NULL));
    assert_ok(vd_key_thumbprint(m.key, m.thumbprint, NULL));
    return m;
}

static inline void mint_done(struct mint *m)
{
    vd_key_unref(m->key);
    m->key = NULL;
}

static inline void jwks_of(const struct mint *const *m, size_t n, vd_buf *out)
{
    vd_buf_str(out, "{\"keys\":[");
    for (size_t i = 0; i < n; i++) {
        VD_AUTO_BUF jwk = vd_buf_of(8192);
        assert_ok(vd_key_to_jwk(m[i]->key, NULL, &jwk, NULL));
        /* {"kty":... -> {"kid":"...","kty":... */
        vd_buf_printf(out, "%s{\"kid\":\"%s\",%.*s", i ? "," : "", m[i]->thumbprint, (int)jwk.n - 1,
                      (const char *)jwk.p + 1);
    }
    vd_buf_str(out, "]}");
}

static inline void header_of(const struct mint *m, vd_buf *out)
{
    VD_AUTO_BUF jwk = vd_buf_of(8192);
    assert_ok(vd_key_to_jwk(m->key, NULL, &jwk, NULL));
    vd_buf_printf(out, "{\"alg\":\"%s\",\"typ\":\"JWT\",\"kid\":\"%s\",\"jwk\":%.*s}",
                  vd_jws_alg_name(m->alg), m->thumbprint, (int)jwk.n, (const char *)jwk.p);
}

/* Signs; `header` NULL: the standard one. Owned text, caller frees. */
static inline char *sign_text(const struct mint *m, const char *header, vd_span payload)
{
    VD_AUTO_BUF head = vd_buf_of(65536);
    VD_AUTO_BUF token = vd_buf_of(1 << 20);
    if (header)
        vd_buf_str(&head, header);
    else
        header_of(m, &head);
    assert_ok(vd_jws_sign_key(vd_buf_span(&head), payload, m->key, m->alg, &token, NULL));
    char *text = vd_strdup_span(vd_buf_span(&token));
    assert_non_null(text);
    return text;
}

static inline char *token_of(const struct mint *m, const struct member *change, size_t n)
{
    VD_AUTO_BUF payload = vd_buf_of(1 << 20);
    payload_of(change, n, &payload);
    return sign_text(m, NULL, vd_buf_span(&payload));
}

static const char *const all[] = { "*", NULL };
static const char *const es256[] = { "ES256", NULL };
static const char *const snp_only[] = { "snp", NULL };

static inline struct brk_issuer_spec spec_of(vd_span jwks)
{
    return (struct brk_issuer_spec){
        .name = "main",
        .issuer = ISS,
        .jwks = jwks,
        .algs = es256,
        .tees = snp_only,
        .repositories = all,
    };
}

static inline void trust_entry(struct brk_trust *t, const struct brk_issuer_spec *spec)
{
    struct brk_trust_row row = { 0 };
    assert_ok(brk_issuer_new(spec, &row.issuer, &row.keys, NULL));
    assert_ok(brk_trust_add(t, &row, NULL));
}

static const struct vd_limits test_limits = VD_LIMITS_DEFAULT;

/* A trust store with a settable clock. */
static inline struct brk_trust *trust_new(const int64_t *now_ns, const char *const *audience,
                                          size_t n_audience)
{
    struct brk_trust *t = NULL;
    const struct brk_trust_cfg cfg = {
        .limits = &test_limits,
        .clock = vd_clock_fixed(now_ns),
        .audience = audience,
        .n_audience = n_audience,
    };
    assert_ok(brk_trust_new(&cfg, &t, NULL));
    return t;
}

/* The code that acceptance gives. */
static inline vd_code code_of(struct brk_trust *t, const char *token)
{
    VD_AUTO(brk_passport_unref) struct brk_passport *p = NULL;
    return brk_accept(t, vd_span_str(token), &p, NULL).code;
}
