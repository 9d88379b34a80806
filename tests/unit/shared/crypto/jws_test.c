/* JWS: the suites, and what a token must never get away with. */
#include "tests/unit/shared/crypto/suite.h"

#include <time.h>

#include "shared/crypto/hash.h"
#include "shared/crypto/jose.h"

#define WYCHE "tests/vectors/wycheproof/"
#define COOKBOOK "tests/vectors/jose-cookbook/"
enum { TOKEN_MAX = 65536 };

static struct vd_key *key_of_jwk(vd_jv jwk, enum vd_key_purpose purpose)
{
    struct vd_key *k = NULL;
    return vd_key_from_jwk(jwk, purpose, &k, NULL).code == VD_E_OK ? k : NULL;
}

static bool verifies(const struct vd_key *key, enum vd_sig alg, vd_span token)
{
    VD_AUTO(vd_jws_free) struct vd_jws *j = NULL;
    return key && vd_jws_parse(token, TOKEN_MAX, &j, NULL).code == VD_E_OK &&
           vd_jws_verify(j, key, alg, NULL).code == VD_E_OK;
}

/* ---- suites ---- */

/* Algorithms that do not exist here; a key that asks for one is refused when it is read. ES521 is a
 * slip of the suite for ES512: a name that no specification has. */
static const char *const not_ours[] = { "HS256", "HS384", "HS512", "RS384",   "RS512",
                                        "PS512", "ES521", "ES224", "A256GCM", "A256KW" };

static const char *foreign(vd_jv jwk)
{
    vd_jv alg = vd_jv_get(jwk, "alg");
    for (size_t i = 0; i < sizeof not_ours / sizeof not_ours[0]; i++)
        if (vd_jv_str_eq(alg, not_ours[i]))
            return not_ours[i];
    return NULL;
}

/* The algorithm that an operator would have configured for the key. */
static enum vd_sig configured(vd_jv jwk)
{
    enum vd_sig alg = VD_SIG_MAX;
    if (vd_jws_alg_by_name(vd_jv_str_raw(vd_jv_get(jwk, "alg")), &alg, NULL).code == VD_E_OK)
        return alg;
    return vd_jv_str_eq(vd_jv_get(jwk, "kty"), "RSA") ? VD_SIG_RS256 : VD_SIG_ES256;
}

/* Cases 346 and 350 (figure 20 of RFC 7520): the token is PS384, the JWK beside it says PS256. The
 * suite lets that pass; here the key's alg binds (RFC 8725 3.1). */
static bool contradicts(vd_jv jwk, vd_span token)
{
    VD_AUTO(vd_jws_free) struct vd_jws *j = NULL;
    vd_err err = { 0 };
    assert_ok(vd_jws_parse(token, TOKEN_MAX, &j, &err));
    return !vd_span_eq(vd_jv_str_raw(j->alg), vd_jv_str_raw(vd_jv_get(jwk, "alg")));
}

static void run_signature_group(struct suite *s, vd_jv jwk, vd_jv tests)
{
    VD_AUTO(vd_key_unref) struct vd_key *key = key_of_jwk(jwk, VD_KEY_VERIFY);
    vd_jv_iter it = vd_jv_iter_of(tests);
    while (vd_jv_next(&it)) {
        vd_jv jws = vd_jv_get(it.value, "jws");
        if (!vd_jv_ok(jws))
            continue; /* json_web_crypto holds JWE groups too */
        VD_AUTO_BUF token = vd_buf_of(1 << 20);
        vd_err err = { 0 };
        if (vd_jv_is(jws, VD_JSON_STRING))
            assert_ok(vd_jv_str(jws, &token, &err));
        else
            vd_buf_add(
                &token,
                vd_jv_raw(jws)); /* the JSON serialisation, where a compact one is expected */
        bool did = verifies(key, configured(jwk), vd_buf_span(&token));
        if (foreign(jwk))
            suite_refused(s, foreign(jwk), did);
        else if (is_valid(it.value) && contradicts(jwk, vd_buf_span(&token)))
            suite_refused(s, "a key whose alg is not the token's", did);
        else
            suite_case(s, it.value, is_valid(it.value), did);
    }
}

/* Of a key set the caller takes the one key that has the token's kid; two with the same kid are
 * none. */
static vd_jv pick(vd_jv set, vd_jv tests)
{
    VD_AUTO(vd_jws_free) struct vd_jws *j = NULL;
    vd_jv_iter first = vd_jv_iter_of(tests);
    assert_true(vd_jv_next(&first));
    vd_jv found = { 0 };
    vd_jv_iter it = vd_jv_iter_of(vd_jv_get(set, "keys"));
    if (vd_jv_count(vd_jv_get(set, "keys")) == 1 && vd_jv_next(&it))
        return it.value;
    vd_span token = vd_jv_str_raw(vd_jv_get(first.value, "jws"));
    assert_int_equal(vd_jws_parse(token, TOKEN_MAX, &j, NULL).code, VD_E_OK);
    unsigned n = 0;
    while (vd_jv_next(&it)) {
        if (!vd_span_eq(vd_jv_str_raw(vd_jv_get(it.value, "kid")), vd_jv_str_raw(j->kid)))
            continue;
        found = it.value;
        n++;
    }
    /* Every set of several keys in these files is of HMAC keys. */
    assert_true(n >= 1 && foreign(found));
    return found;
}

static void run_signature_file(const char *path, unsigned cases)
{
    struct suite s = suite_open(path);
    vd_jv_iter it = vd_jv_iter_of(vd_jv_get(vd_json_root(s.doc), "testGroups"));
    while (vd_jv_next(&it)) {
        vd_jv jwk = vd_jv_get(it.value, "public");
        if (!vd_jv_ok(jwk))
            jwk = vd_jv_get(it.value, "private");
        vd_jv tests = vd_jv_get(it.value, "tests");
        if (vd_jv_ok(vd_jv_get(jwk, "keys")))
            jwk = pick(jwk, tests);
        run_signature_group(&s, jwk, tests);
    }
    suite_close(&s, cases);
}

static void wycheproof_tokens_verify_exactly_when_valid(void **state)
{
    (void)state;
    run_signature_file(WYCHE "json_web_signature_test.json", 401);
    run_signature_file(WYCHE "json_web_key_test.json", 26);
    run_signature_file(WYCHE "json_web_crypto_test.json", 49);
}

static const struct {
    const char *path;
    const char *refused; /* why, or NULL: it must verify */
} cookbook[] = {
    { COOKBOOK "jws/4_1.rsa_v15_signature.json", NULL },
    { COOKBOOK "jws/4_2.rsa-pss_signature.json", NULL },
    { COOKBOOK "jws/4_3.ecdsa_signature.json", NULL },
    { COOKBOOK "curve25519/jws.json", NULL },
    { COOKBOOK "jws/4_4.hmac-sha2_integrity_protection.json", "HS256" },
    { COOKBOOK "jws/4_5.signature_with_detached_content.json", "HS256, detached" },
    { COOKBOOK "jws/4_6.protecting_specific_header_fields.json", "HS256, JSON serialisation" },
    { COOKBOOK "jws/4_7.protecting_content_only.json", "HS256, JSON serialisation" },
    { COOKBOOK "jws/4_8.multiple_signatures.json", "several signatures, JSON serialisation" },
    { COOKBOOK "rfc7797/4.2.hmac-sha2_b64_false.json", "HS256, b64" },
    { COOKBOOK "rfc7797/hmac-sha2_b64_false.json", "HS256, b64" },
};

static bool cookbook_verifies(vd_jv root)
{
    vd_jv compact = vd_jv_pointer(root, "/output/compact");
    vd_jv jwk = vd_jv_pointer(root, "/input/key");
    VD_AUTO_BUF token = vd_buf_of(TOKEN_MAX);
    enum vd_sig alg = VD_SIG_MAX;
    if (vd_jv_str(compact, &token, NULL).code != VD_E_OK ||
        vd_jws_alg_by_name(vd_jv_str_raw(vd_jv_pointer(root, "/input/alg")), &alg, NULL).code !=
            VD_E_OK)
        return false;
    VD_AUTO(vd_key_unref) struct vd_key *key = key_of_jwk(jwk, VD_KEY_ANY);
    VD_AUTO(vd_jws_free) struct vd_jws *j = NULL;
    VD_AUTO_BUF payload = vd_buf_of(TOKEN_MAX);
    vd_err err = { 0 };
    assert_ok(vd_jv_str(vd_jv_pointer(root, "/input/payload"), &payload, &err));
    assert_ok(vd_jws_parse(vd_buf_span(&token), TOKEN_MAX, &j, &err));
    return key && vd_span_eq(vd_buf_span(&j->payload), vd_buf_span(&payload)) &&
           vd_jws_verify(j, key, alg, NULL).code == VD_E_OK;
}

static void cookbook_signatures_verify_or_are_refused_by_name(void **state)
{
    (void)state;
    unsigned passed = 0, refused = 0;
    for (size_t i = 0; i < sizeof cookbook / sizeof cookbook[0]; i++) {
        struct suite s = suite_open(cookbook[i].path);
        bool did = cookbook_verifies(vd_json_root(s.doc));
        if (did != !cookbook[i].refused)
            fail_msg("%s: %s", cookbook[i].path, did ? "accepted" : "refused");
        passed += did;
        refused += !did;
        vd_json_free(s.doc);
        vd_buf_done(&s.text);
    }
    print_message("suite jose-cookbook JWS: %u cases, %u passed, %u refused by name\n",
                  passed + refused, passed, refused);
    assert_int_equal(passed, 4);
    assert_int_equal(refused, 7);
}

/* ---- own tokens ---- */

enum { KEYS = 5 };
static const enum vd_kty kinds[KEYS] = { VD_KTY_P256, VD_KTY_P384, VD_KTY_P521, VD_KTY_ED25519,
                                         VD_KTY_RSA };
static const enum vd_kty kty_of_alg[VD_SIG_MAX] = {
    [VD_SIG_ES256] = VD_KTY_P256,    [VD_SIG_ES384] = VD_KTY_P384, [VD_SIG_ES512] = VD_KTY_P521,
    [VD_SIG_EDDSA] = VD_KTY_ED25519, [VD_SIG_RS256] = VD_KTY_RSA,  [VD_SIG_PS256] = VD_KTY_RSA,
    [VD_SIG_PS384] = VD_KTY_RSA,
};

struct fixture {
    struct vd_key *key[2][KEYS]; /* two owners */
};

static int make_keys(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    if (!f)
        return 1;
    for (size_t o = 0; o < 2; o++)
        for (size_t i = 0; i < KEYS; i++)
            if (vd_key_generate(kinds[i], 2048, &f->key[o][i], NULL).code != VD_E_OK)
                return 1;
    *state = f;
    return 0;
}

static int drop_keys(void **state)
{
    struct fixture *f = *state;
    for (size_t o = 0; o < 2; o++)
        for (size_t i = 0; i < KEYS; i++)
            vd_key_unref(f->key[o][i]);
    free(f);
    return 0;
}

static struct vd_key *key_for(const struct fixture *f, size_t owner, enum vd_sig alg)
{
    for (size_t i = 0; i < KEYS; i++)
        if (kinds[i] == kty_of_alg[alg])
            return f->key[owner][i];
    return NULL;
}

static vd_buf token_of(const struct vd_key *key, enum vd_sig alg, const char *header,
                       const char *payload)
{
    vd_buf out = vd_buf_of(1 << 20);
    vd_err err = { 0 };
    VD_AUTO_BUF text = vd_buf_of(65536);
    if (header)
        vd_buf_str(&text, header);
    else
        vd_buf_printf(&text, "{\"alg\":\"%s\",\"typ\":\"JWT\",\"kid\":\"k1\"}",
                      vd_jws_alg_name(alg));
    assert_ok(vd_jws_sign_key(vd_buf_span(&text), vd_span_str(payload), key, alg, &out, &err));
    return out;
}

static void every_algorithm_verifies_with_its_own_key_and_no_other(void **state)
{
    const struct fixture *f = *state;
    unsigned cells = 0;
    for (enum vd_sig signer = 0; signer < VD_SIG_MAX; signer++) {
        VD_AUTO_BUF token = token_of(key_for(f, 0, signer), signer, NULL, "{\"a\":1}");
        for (enum vd_sig alg = 0; alg < VD_SIG_MAX; alg++) {
            for (size_t o = 0; o < 2; o++) {
                for (size_t k = 0; k < KEYS; k++, cells++) {
                    bool want = alg == signer && o == 0 && kinds[k] == kty_of_alg[alg];
                    assert_int_equal(verifies(f->key[o][k], alg, vd_buf_span(&token)), want);
                }
            }
        }
    }
    print_message("algorithm x configured algorithm x key: %u cells\n", cells);
}

static void a_parsed_token_shows_its_parts(void **state)
{
    const struct fixture *f = *state;
    VD_AUTO_BUF token = token_of(
        f->key[0][0], VD_SIG_ES256,
        "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"k1\",\"jwk\":{\"kty\":\"EC\"}}", "hello");
    VD_AUTO(vd_jws_free) struct vd_jws *j = NULL;
    vd_err err = { 0 };
    assert_ok(vd_jws_parse(vd_buf_span(&token), TOKEN_MAX, &j, &err));
    assert_span_str(vd_buf_span(&j->payload), "hello");
    assert_true(vd_jv_str_eq(j->alg, "ES256"));
    assert_true(vd_jv_str_eq(j->typ, "JWT"));
    assert_true(vd_jv_str_eq(j->kid, "k1"));
    assert_true(vd_jv_is(j->jwk, VD_JSON_OBJECT));
    assert_int_equal(j->signature.n, 64);
    assert_ok(vd_jws_verify(j, f->key[0][0], VD_SIG_ES256, &err));
}

/* header.payload.signature of texts that need not be JSON */
static vd_buf raw_token(const char *header, vd_span signature)
{
    vd_buf out = vd_buf_of(1 << 20);
    vd_b64_encode(vd_span_str(header), VD_B64_URL, &out);
    vd_buf_str(&out, ".e30.");
    vd_b64_encode(signature, VD_B64_URL, &out);
    return out;
}

static void none_is_refused_in_every_spelling(void **state)
{
    const struct fixture *f = *state;
    unsigned n = 0;
    for (unsigned bits = 0; bits < 16; bits++) {
        char name[5] = "none";
        for (unsigned i = 0; i < 4; i++)
            if (bits & (1u << i))
                name[i] = (char)(name[i] - 'a' + 'A');
        char header[64];
        (void)snprintf(header, sizeof header, "{\"alg\":\"%s\"}", name);
        static const vd_span signatures[] = { { NULL, 0 }, { (const uint8_t *)"x", 1 } };
        for (size_t s = 0; s < 2; s++) {
            VD_AUTO_BUF token = raw_token(header, signatures[s]);
            for (enum vd_sig alg = 0; alg < VD_SIG_MAX; alg++, n++)
                assert_false(verifies(key_for(f, 0, alg), alg, vd_buf_span(&token)));
        }
    }
    static const char *const odd[] = { "{\"alg\":\"\"}",
                                       "{\"alg\":null}",
                                       "{\"alg\":[\"ES256\"]}",
                                       "{}",
                                       "{\"alg\":\"ES256 \"}",
                                       "{\"alg\":\"es256\"}",
                                       "{\"alg\":\"\\u0045S256\"}",
                                       "{\"Alg\":\"ES256\"}" };
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++, n++) {
        VD_AUTO_BUF signed_token = token_of(f->key[0][0], VD_SIG_ES256, odd[i], "{}");
        assert_false(verifies(f->key[0][0], VD_SIG_ES256, vd_buf_span(&signed_token)));
    }
    print_message("none and misspelt algorithms: %u tokens\n", n);
}

/* HMAC with whatever of a public key an attacker has: no algorithm name of HMAC is known, and a
 * token that says ES256 or RS256 over an HMAC is just a bad signature. */
static void hmac_with_public_key_bytes_is_refused(void **state)
{
    const struct fixture *f = *state;
    unsigned n = 0;
    for (size_t k = 0; k < KEYS; k++) {
        VD_AUTO_BUF pem = vd_buf_of(8192);
        VD_AUTO_BUF der = vd_buf_of(8192);
        VD_AUTO_BUF jwk = vd_buf_of(8192);
        vd_err err = { 0 };
        assert_ok(vd_key_to_pem_public(f->key[0][k], &pem, &err));
        assert_ok(vd_key_to_spki(f->key[0][k], &der, &err));
        assert_ok(vd_key_to_jwk(f->key[0][k], NULL, &jwk, &err));
        const vd_span secrets[] = { vd_buf_span(&pem),
                                    vd_buf_span(&der),
                                    vd_buf_span(&jwk),
                                    VD_SPAN_NONE,
                                    vd_span_part(vd_buf_span(&der), der.n - 64, 64),
                                    VD_LIT("\0") };
        static const char *const names[] = { "HS256", "HS384", "HS512", "ES256", "RS256", "EdDSA" };
        for (size_t s = 0; s < sizeof secrets / sizeof secrets[0]; s++) {
            for (size_t a = 0; a < sizeof names / sizeof names[0]; a++) {
                char header[64];
                (void)snprintf(header, sizeof header, "{\"alg\":\"%s\"}", names[a]);
                VD_AUTO_BUF token = raw_token(header, VD_SPAN_NONE);
                token.n--; /* the last dot */
                uint8_t tag[VD_HASH_BYTES_MAX];
                enum vd_hash h = a == 1 ? VD_SHA384 : a == 2 ? VD_SHA512 : VD_SHA256;
                assert_ok(vd_hmac(h, secrets[s], vd_buf_span(&token), tag, &err));
                vd_buf_u8(&token, '.');
                vd_b64_encode(vd_span_of(tag, vd_hash_size(h)), VD_B64_URL, &token);
                for (enum vd_sig alg = 0; alg < VD_SIG_MAX; alg++, n++)
                    assert_false(verifies(key_for(f, 0, alg), alg, vd_buf_span(&token)));
            }
        }
    }
    print_message("HMAC confusion: %u tries\n", n);
}

static void headers_that_try_something_are_refused(void **state)
{
    const struct fixture *f = *state;
    static const struct {
        const char *label;
        const char *header;
        bool want;
    } cases[] = {
        { "plain", "{\"alg\":\"ES256\"}", true },
        { "white space is JSON", "{ \"alg\" : \"ES256\" }", true },
        { "unknown member", "{\"alg\":\"ES256\",\"x\":1}", true },
        { "keys in the header change nothing",
          "{\"alg\":\"ES256\",\"jku\":\"https://x\",\"x5u\":\"https://x\"}", true },
        { "duplicate alg", "{\"alg\":\"none\",\"alg\":\"ES256\"}", false },
        { "duplicate alg by escape", "{\"alg\":\"ES256\",\"\\u0061lg\":\"ES256\"}", false },
        { "duplicate kid", "{\"alg\":\"ES256\",\"kid\":\"a\",\"kid\":\"b\"}", false },
        { "crit", "{\"alg\":\"ES256\",\"crit\":[\"exp\"],\"exp\":1}", false },
        { "empty crit", "{\"alg\":\"ES256\",\"crit\":[]}", false },
        { "b64 false", "{\"alg\":\"ES256\",\"b64\":false}", false },
        { "b64 true", "{\"alg\":\"ES256\",\"b64\":true}", false },
        { "kid not a string", "{\"alg\":\"ES256\",\"kid\":7}", false },
        { "typ not a string", "{\"alg\":\"ES256\",\"typ\":null}", false },
        { "jwk not an object", "{\"alg\":\"ES256\",\"jwk\":\"x\"}", false },
        { "array", "[\"ES256\"]", false },
        { "string", "\"ES256\"", false },
        { "empty", "", false },
        { "trailing bytes", "{\"alg\":\"ES256\"}x", false },
        { "not UTF-8", "{\"alg\":\"ES256\",\"kid\":\"\xff\"}", false },
        { "NUL in a string", "{\"alg\":\"ES256\",\"kid\":\"a\\u0000\"}", false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        VD_AUTO_BUF token = token_of(f->key[0][0], VD_SIG_ES256, cases[i].header, "{}");
        if (verifies(f->key[0][0], VD_SIG_ES256, vd_buf_span(&token)) != cases[i].want)
            fail_msg("%s", cases[i].label);
    }
}

static void a_deeply_nested_header_is_refused(void **state)
{
    const struct fixture *f = *state;
    VD_AUTO_BUF header = vd_buf_of(65536);
    vd_buf_str(&header, "{\"alg\":\"ES256\",\"x\":");
    for (int i = 0; i < 10000; i++)
        vd_buf_u8(&header, '[');
    for (int i = 0; i < 10000; i++)
        vd_buf_u8(&header, ']');
    vd_buf_u8(&header, '}');
    VD_AUTO_BUF token = token_of(f->key[0][0], VD_SIG_ES256, vd_buf_cstr(&header), "{}");
    assert_false(verifies(f->key[0][0], VD_SIG_ES256, vd_buf_span(&token)));
}

static void framing_of_a_token_is_exact(void **state)
{
    const struct fixture *f = *state;
    VD_AUTO_BUF good = token_of(f->key[0][0], VD_SIG_ES256, NULL, "{}");
    vd_span t = vd_buf_span(&good);
    assert_true(verifies(f->key[0][0], VD_SIG_ES256, t));
    static const struct {
        const char *label;
        const char *before;
        const char *after;
    } around[] = {
        { "leading blank", " ", "" },
        { "trailing blank", "", " " },
        { "newline", "", "\n" },
        { "padding", "", "=" },
        { "padding twice", "", "==" },
        { "fourth part", "", ".e30" },
        { "trailing dot", "", "." },
        { "leading dot", ".", "" },
        { "trailing letter", "", "A" },
        { "four letters more", "", "AAAA" },
        { "NUL", "", "\0" },
        { "standard alphabet", "", "+/+/" },
        { "scheme", "Bearer ", "" },
        { "quotes", "\"", "\"" },
    };
    for (size_t i = 0; i < sizeof around / sizeof around[0]; i++) {
        VD_AUTO_BUF bad = vd_buf_of(65536);
        vd_buf_str(&bad, around[i].before);
        vd_buf_add(&bad, t);
        if (strcmp(around[i].label, "NUL") == 0)
            vd_buf_u8(&bad, 0);
        vd_buf_str(&bad, around[i].after);
        if (verifies(f->key[0][0], VD_SIG_ES256, vd_buf_span(&bad)))
            fail_msg("%s", around[i].label);
    }
    for (size_t cut = 0; cut < t.n; cut++) {
        vd_span part = vd_test_guarded(vd_span_part(t, 0, cut));
        assert_false(verifies(f->key[0][0], VD_SIG_ES256, part));
        vd_test_guarded_free(part);
    }
}

static void every_changed_character_is_refused(void **state)
{
    const struct fixture *f = *state;
    static const uint8_t others[] = { 'A', '_', '.', '=', 0, 0xff };
    unsigned n = 0;
    VD_AUTO_BUF good = token_of(f->key[0][0], VD_SIG_ES256, NULL, "{\"sub\":\"x\"}");
    for (size_t at = 0; at < good.n; at++) {
        for (size_t i = 0; i < sizeof others; i++) {
            uint8_t was = good.p[at];
            if (was == others[i])
                continue;
            good.p[at] = others[i];
            assert_false(verifies(f->key[0][0], VD_SIG_ES256, vd_buf_span(&good)));
            good.p[at] = was;
            n++;
        }
    }
    print_message("changed characters: %u tokens\n", n);
    assert_true(verifies(f->key[0][0], VD_SIG_ES256, vd_buf_span(&good)));
}

static void a_megabyte_of_dots_is_refused_at_once(void **state)
{
    (void)state;
    VD_AUTO_BUF dots = vd_buf_of(2 << 20);
    uint8_t *p = vd_buf_extend(&dots, 1 << 20);
    assert_non_null(p);
    memset(p, '.', 1 << 20);
    VD_AUTO(vd_jws_free) struct vd_jws *j = NULL;
    struct timespec a, b;
    (void)clock_gettime(CLOCK_MONOTONIC, &a);
    assert_int_equal(vd_jws_parse(vd_buf_span(&dots), TOKEN_MAX, &j, NULL).code, VD_E_TOO_LARGE);
    assert_int_equal(vd_jws_parse(vd_buf_span(&dots), dots.n, &j, NULL).code, VD_E_SYNTAX);
    dots.p[0] = 'A'; /* the first part is not empty now */
    assert_int_equal(vd_jws_parse(vd_buf_span(&dots), dots.n, &j, NULL).code, VD_E_SYNTAX);
    dots.p[2] = 'A';
    assert_int_equal(vd_jws_parse(vd_buf_span(&dots), dots.n, &j, NULL).code, VD_E_SYNTAX);
    (void)clock_gettime(CLOCK_MONOTONIC, &b);
    long us = (b.tv_sec - a.tv_sec) * 1000000 + (b.tv_nsec - a.tv_nsec) / 1000;
    print_message("a megabyte of dots, four ways: %ld us\n", us);
    assert_true(us < 100000);
}

static vd_rc failing_signer(void *ctx, vd_span in, vd_buf *out, vd_err *err)
{
    (void)ctx;
    (void)in;
    (void)out;
    return vd_fail(err, VD_E_CRYPTO, "no");
}

static void a_signer_that_fails_leaves_no_token(void **state)
{
    (void)state;
    VD_AUTO_BUF out = vd_buf_of(4096);
    vd_buf_str(&out, "before");
    vd_err err = { 0 };
    assert_rc(VD_E_CRYPTO,
              vd_jws_sign(VD_LIT("{}"), VD_LIT("{}"), failing_signer, NULL, &out, &err));
    assert_span_str(vd_buf_span(&out), "before");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wycheproof_tokens_verify_exactly_when_valid),
        cmocka_unit_test(cookbook_signatures_verify_or_are_refused_by_name),
        cmocka_unit_test(every_algorithm_verifies_with_its_own_key_and_no_other),
        cmocka_unit_test(a_parsed_token_shows_its_parts),
        cmocka_unit_test(none_is_refused_in_every_spelling),
        cmocka_unit_test(hmac_with_public_key_bytes_is_refused),
        cmocka_unit_test(headers_that_try_something_are_refused),
        cmocka_unit_test(a_deeply_nested_header_is_refused),
        cmocka_unit_test(framing_of_a_token_is_exact),
        cmocka_unit_test(every_changed_character_is_refused),
        cmocka_unit_test(a_megabyte_of_dots_is_refused_at_once),
        cmocka_unit_test(a_signer_that_fails_leaves_no_token),
    };
    if (vd_base_init(NULL).code != VD_E_OK)
        return 1;
    return cmocka_run_group_tests(tests, make_keys, drop_keys);
}
