/* Revocation statements: read strictly, signed by their own key only, never older than one seen
 * before; what they revoke is refused from the next request on; numbers outlast restarts. */
#include "tests/support/support.h"

#include <stdatomic.h>

#include "broker/passport/trust_priv.h"
#include "shared/store/store.h"
#include "tests/unit/broker/mint.h"

#define HW "00ff00ff"
#define JTI "AAAAAAAAAAAAAAAAAAAAAA"
#define STATEMENT_SUBMODS                                                                          \
    "{\"cpu0\":{\"ear.status\":\"affirming\",\"ear.trustworthiness-vector\":{\"configuration\":2," \
    "\"executables\":3,\"hardware\":2},\"ear.appraisal-policy-id\":\"default\","                   \
    "\"ear.veraison.annotated-evidence\":{\"snp\":{\"measurement\":\"ab01\"},"                     \
    "\"report_data\":\"00\",\"runtime_data_claims\":{\"nonce\":\"bm9uY2U=\",\"tee-"                \
    "pubkey\":" TEE_JWK                                                                            \
    "},\"init_data_claims\":null},\"vidimus\":{\"tee\":\"snp\",\"debug\":false,\"hw_id\":%s}}}"

struct fixture {
    struct mint passport;
    struct mint statement;
    struct mint stranger;
    int64_t now_ns;
    vd_buf jwks;
    struct brk_trust *trust;
};

static struct fixture fx;

static void jwk_of(const struct mint *m, const char *more, vd_buf *out)
{
    VD_AUTO_BUF jwk = vd_buf_of(8192);
    assert_ok(vd_key_to_jwk(m->key, NULL, &jwk, NULL));
    vd_buf_printf(out, "{\"kid\":\"%s\"%s,%.*s", m->thumbprint, more, (int)jwk.n - 1,
                  (const char *)jwk.p + 1);
}

static void set_of(const char *tail, vd_buf *out)
{
    vd_buf_str(out, "{\"keys\":[");
    jwk_of(&fx.passport, "", out);
    vd_buf_u8(out, ',');
    jwk_of(&fx.statement, ",\"vidimus_use\":\"revocation\"", out);
    vd_buf_printf(out, "]%s}", tail);
}

static int setup(void **state)
{
    (void)state;
    assert_ok(vd_base_init(NULL));
    fx.passport = mint_new(VD_KTY_P256, VD_SIG_ES256);
    fx.statement = mint_new(VD_KTY_P256, VD_SIG_ES256);
    fx.stranger = mint_new(VD_KTY_P256, VD_SIG_ES256);
    fx.jwks = vd_buf_of(65536);
    set_of("", &fx.jwks);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    mint_done(&fx.passport);
    mint_done(&fx.statement);
    mint_done(&fx.stranger);
    vd_buf_done(&fx.jwks);
    return 0;
}

static struct brk_issuer_spec spec_with(bool require)
{
    struct brk_issuer_spec spec = spec_of(vd_buf_span(&fx.jwks));
    spec.revocation_url = "https://issuer.test/.well-known/vidimus-revocation";
    spec.require_revocation = require;
    return spec;
}

static int fresh(void **state)
{
    (void)state;
    fx.now_ns = (int64_t)NOW * 1000000000;
    fx.trust = trust_new(&fx.now_ns, NULL, 0);
    struct brk_issuer_spec spec = spec_with(false);
    trust_entry(fx.trust, &spec);
    return 0;
}

static int fresh_done(void **state)
{
    (void)state;
    brk_trust_free(fx.trust);
    return 0;
}

/* ---- the claim set --------------------------------------------------------------------------- */

#define LISTS "\"jti\":[],\"hw_id\":[],\"policy_sha256\":[],\"not_before\":0"
#define TIMES "\"iat\":1800000000,\"exp\":1800000120,\"seq\":7"
#define GOOD                                                                                       \
    "{\"iss\":\"" ISS "\"," TIMES ",\"jti\":[\"b\",\"" JTI "\",\"a\"],\"hw_id\":[\"" HW            \
    "\",\"ab\"],\"policy_sha256\":[\"" SHA "\"],\"not_before\":1799999000}"

static vd_code parse_code(vd_span text)
{
    VD_AUTO(brk_revocation_unref) struct brk_revocation *r = NULL;
    vd_err err = { 0 };
    vd_rc_ rc = brk_revocation_parse(text, ISS, &r, &err);
    assert_true(rc.code == VD_E_OK || (!r && err.msg[0]));
    return rc.code;
}

static void a_statement_is_read_whole(void **state)
{
    (void)state;
    VD_AUTO(brk_revocation_unref) struct brk_revocation *r = NULL;
    assert_ok(brk_revocation_parse(VD_LIT(GOOD), ISS, &r, NULL));
    assert_int_equal(r->seq, 7);
    assert_int_equal(r->iat, NOW);
    assert_int_equal(r->exp, NOW + 120);
    assert_int_equal(r->not_before, 1799999000);
    assert_int_equal(r->n[BRK_REVOKED_JTI], 3);
    assert_int_equal(r->n[BRK_REVOKED_HW_ID], 2);
    assert_int_equal(r->n[BRK_REVOKED_POLICY], 1);
    assert_span_str(r->list[BRK_REVOKED_JTI][1], "a");
}

static void what_is_not_a_statement_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "[]",
        "null",
        "{}",
        "{\"iss\":\"https://other.test\"," TIMES "," LISTS "}",
        "{\"iss\":[\"" ISS "\"]," TIMES "," LISTS "}",
        "{" TIMES "," LISTS "}",
        "{\"iss\":\"" ISS "\",\"iat\":1800000000,\"exp\":1800000121,\"seq\":7," LISTS "}",
        "{\"iss\":\"" ISS "\",\"iat\":1800000000,\"exp\":1800000000,\"seq\":7," LISTS "}",
        "{\"iss\":\"" ISS "\",\"iat\":1800000000,\"exp\":1799999999,\"seq\":7," LISTS "}",
        "{\"iss\":\"" ISS "\",\"iat\":1800000000,\"exp\":1800000120,\"seq\":0," LISTS "}",
        "{\"iss\":\"" ISS "\",\"iat\":1800000000,\"exp\":1800000120,\"seq\":-1," LISTS "}",
        "{\"iss\":\"" ISS "\",\"iat\":1800000000,\"exp\":1800000120,\"seq\":\"7\"," LISTS "}",
        "{\"iss\":\"" ISS "\",\"iat\":1800000000,\"exp\":1800000120,\"seq\":7.0," LISTS "}",
        "{\"iss\":\"" ISS
        "\",\"iat\":1800000000,\"exp\":1800000120,\"seq\":99999999999999999999," LISTS "}",
        "{\"iss\":\"" ISS "\",\"iat\":\"1800000000\",\"exp\":1800000120,\"seq\":7," LISTS "}",
        "{\"iss\":\"" ISS "\",\"iat\":1800000000,\"exp\":1800000120," LISTS "}",
        "{\"iss\":\"" ISS "\"," TIMES ",\"hw_id\":[],\"policy_sha256\":[],\"not_before\":0}",
        "{\"iss\":\"" ISS "\"," TIMES ",\"jti\":[],\"policy_sha256\":[],\"not_before\":0}",
        "{\"iss\":\"" ISS "\"," TIMES ",\"jti\":[],\"hw_id\":[],\"not_before\":0}",
        "{\"iss\":\"" ISS "\"," TIMES ",\"jti\":[],\"hw_id\":[],\"policy_sha256\":[]}",
        "{\"iss\":\"" ISS "\"," TIMES "," LISTS ",\"kid\":[]}",
        "{\"iss\":\"" ISS "\"," TIMES "," LISTS ",\"seq\":8}",
        "{\"iss\":\"" ISS "\"," TIMES ",\"jti\":{},\"hw_id\":[],\"policy_sha256\":[],"
        "\"not_before\":0}",
        "{\"iss\":\"" ISS "\"," TIMES ",\"jti\":[1],\"hw_id\":[],\"policy_sha256\":[],"
        "\"not_before\":0}",
        "{\"iss\":\"" ISS "\"," TIMES ",\"jti\":[\"\"],\"hw_id\":[],\"policy_sha256\":[],"
        "\"not_before\":0}",
        "{\"iss\":\"" ISS "\"," TIMES ",\"jti\":[\"\\u0041\"],\"hw_id\":[],\"policy_sha256\":[],"
        "\"not_before\":0}",
        "{\"iss\":\"" ISS "\"," TIMES ",\"jti\":[],\"hw_id\":[\"AB\"],\"policy_sha256\":[],"
        "\"not_before\":0}",
        "{\"iss\":\"" ISS "\"," TIMES ",\"jti\":[],\"hw_id\":[null],\"policy_sha256\":[],"
        "\"not_before\":0}",
        "{\"iss\":\"" ISS "\"," TIMES ",\"jti\":[],\"hw_id\":[],\"policy_sha256\":[\"00\"],"
        "\"not_before\":0}",
        "{\"iss\":\"" ISS "\"," TIMES ",\"jti\":[],\"hw_id\":[],\"policy_sha256\":[],"
        "\"not_before\":-5}",
        "{\"iss\":\"" ISS "\"," TIMES ",\"jti\":[],\"hw_id\":[],\"policy_sha256\":[],"
        "\"not_before\":null}",
        GOOD " ,",
        GOOD GOOD,
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (parse_code(vd_span_str(bad[i])) != VD_E_REMOTE)
            print_error("%s\n", bad[i]);
        assert_int_equal(parse_code(vd_span_str(bad[i])), VD_E_REMOTE);
    }
    print_message("bad statements: %zu cases\n", sizeof bad / sizeof *bad);
}

static void a_statement_cut_anywhere_is_refused(void **state)
{
    (void)state;
    vd_span good = VD_LIT(GOOD);
    for (size_t n = 0; n < good.n; n++) {
        VD_AUTO(free) uint8_t *copy = malloc(n + 1);
        assert_non_null(copy);
        memcpy(copy, good.p, n);
        assert_int_equal(parse_code(vd_span_of(copy, n)), VD_E_REMOTE);
    }
    print_message("cuts: %zu cases\n", good.n);
}

/* ---- the token ------------------------------------------------------------------------------- */

struct statement {
    const struct mint *by;
    const char *typ;
    const char *alg; /* NULL: the key's */
    const char *kid; /* NULL: the key's */
    int64_t iat;
    int64_t life;
    unsigned long long seq;
    const char *lists;
};

static struct statement standard_statement(void)
{
    return (struct statement){ .by = &fx.statement,
                               .typ = "vidimus-revocation+jwt",
                               .iat = fx.now_ns / 1000000000,
                               .life = 120,
                               .seq = 1,
                               .lists = LISTS };
}

static char *statement_text(const struct statement *s)
{
    VD_AUTO_BUF header = vd_buf_of(1024);
    VD_AUTO_BUF payload = vd_buf_of(65536);
    vd_buf_printf(&header, "{\"alg\":\"%s\",\"typ\":\"%s\",\"kid\":\"%s\"}",
                  s->alg ? s->alg : vd_jws_alg_name(s->by->alg), s->typ,
                  s->kid ? s->kid : s->by->thumbprint);
    vd_buf_printf(&payload, "{\"iss\":\"" ISS "\",\"iat\":%lld,\"exp\":%lld,\"seq\":%llu,%s}",
                  (long long)s->iat, (long long)(s->iat + s->life), s->seq, s->lists);
    return sign_text(s->by, vd_buf_cstr(&header), vd_buf_span(&payload));
}

static struct brk_issuer *main_issuer(void)
{
    VD_AUTO(brk_trust_view_unref) struct brk_trust_view *v = brk_trust_view(fx.trust);
    return v->row[0].issuer;
}

static vd_code take(const struct statement *s)
{
    VD_AUTO(free) char *text = statement_text(s);
    return brk_statement_take(fx.trust, main_issuer(), vd_span_str(text), NULL).code;
}

static void only_the_key_of_statements_signs_them(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int by; /* 0 statement key, 1 passport key, 2 stranger */
        const char *typ;
        const char *alg;
        bool foreign_kid;
        int64_t shift;
        int64_t life;
        vd_code want;
    } rows[] = {
        { "good", 0, "vidimus-revocation+jwt", NULL, false, 0, 120, VD_E_OK },
        { "typ of passports", 0, "JWT", NULL, false, 0, 120, VD_E_REMOTE },
        { "typ in capitals", 0, "VIDIMUS-REVOCATION+JWT", NULL, false, 0, 120, VD_E_REMOTE },
        { "another alg", 0, "vidimus-revocation+jwt", "ES384", false, 0, 120, VD_E_REMOTE },
        { "no alg", 0, "vidimus-revocation+jwt", "none", false, 0, 120, VD_E_REMOTE },
        { "the key of passports", 1, "vidimus-revocation+jwt", NULL, false, 0, 120,
          VD_E_NOT_FOUND },
        { "the key of passports under the other's kid", 1, "vidimus-revocation+jwt", NULL, true, 0,
          120, VD_E_REMOTE },
        { "a stranger", 2, "vidimus-revocation+jwt", NULL, false, 0, 120, VD_E_NOT_FOUND },
        { "a stranger under the kid", 2, "vidimus-revocation+jwt", NULL, true, 0, 120,
          VD_E_REMOTE },
        { "of the future within leeway", 0, "vidimus-revocation+jwt", NULL, false, 60, 120,
          VD_E_OK },
        { "of the future", 0, "vidimus-revocation+jwt", NULL, false, 61, 120, VD_E_REMOTE },
        { "one second left", 0, "vidimus-revocation+jwt", NULL, false, -119, 120, VD_E_OK },
        { "expired", 0, "vidimus-revocation+jwt", NULL, false, -120, 120, VD_E_REMOTE },
        { "too long a life", 0, "vidimus-revocation+jwt", NULL, false, 0, 121, VD_E_REMOTE },
    };
    const struct mint *const keys[] = { &fx.statement, &fx.passport, &fx.stranger };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct statement s = standard_statement();
        s.by = keys[rows[i].by];
        s.typ = rows[i].typ;
        s.alg = rows[i].alg;
        s.kid = rows[i].foreign_kid ? fx.statement.thumbprint : NULL;
        s.iat += rows[i].shift;
        s.life = rows[i].life;
        s.seq = i + 1;
        vd_code got = take(&s);
        if (got != rows[i].want)
            print_error("%s: %s\n", rows[i].name, vd_error_row(got)->symbol);
        assert_int_equal(got, rows[i].want);
    }
}

static void the_key_of_statements_signs_no_passport(void **state)
{
    (void)state;
    VD_AUTO(free) char *token = token_of(&fx.statement, NULL, 0);
    VD_AUTO(free) char *good = token_of(&fx.passport, NULL, 0);
    assert_int_equal(code_of(fx.trust, token), VD_E_PASSPORT_KEY);
    assert_int_equal(code_of(fx.trust, good), VD_E_OK);
    struct statement s = standard_statement();
    VD_AUTO(free) char *statement = statement_text(&s);
    assert_int_equal(code_of(fx.trust, statement), VD_E_PASSPORT);
}

static void a_key_of_both_uses_refuses_the_set(void **state)
{
    (void)state;
    static const char *const uses[] = { ",\"vidimus_use\":\"revocation\"", "" };
    for (size_t i = 0; i < 2; i++) {
        VD_AUTO_BUF text = vd_buf_of(65536);
        VD_AUTO(brk_keyset_unref) struct brk_keyset *k = NULL;
        vd_buf_str(&text, "{\"keys\":[");
        jwk_of(&fx.passport, uses[i], &text);
        vd_buf_u8(&text, ',');
        jwk_of(&fx.passport, uses[1 - i], &text);
        vd_buf_str(&text, "]}");
        assert_rc(VD_E_SETTING, brk_keyset_parse(vd_buf_span(&text), &k, NULL));
    }
    /* Keys of statements alone verify no passport; another use is none of ours. */
    static const char *const alone[] = { ",\"vidimus_use\":\"revocation\"",
                                         ",\"vidimus_use\":\"other\"", ",\"vidimus_use\":1" };
    for (size_t i = 0; i < 3; i++) {
        VD_AUTO_BUF text = vd_buf_of(65536);
        VD_AUTO(brk_keyset_unref) struct brk_keyset *k = NULL;
        vd_buf_str(&text, "{\"keys\":[");
        jwk_of(&fx.passport, alone[i], &text);
        vd_buf_str(&text, "]}");
        assert_rc(VD_E_SETTING, brk_keyset_parse(vd_buf_span(&text), &k, NULL));
    }
}

/* ---- acceptance ------------------------------------------------------------------------------ */

static void what_is_revoked_is_refused_from_the_next_request_on(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *lists;
        const char *hw_id; /* of the passport, JSON; NULL: it has none */
        vd_code want;
    } rows[] = {
        { "nothing", LISTS, "\"" HW "\"", VD_E_OK },
        { "its jti",
          "\"jti\":[\"zz\",\"" JTI "\"],\"hw_id\":[],\"policy_sha256\":[],\"not_before\":0", NULL,
          VD_E_PASSPORT_REVOKED },
        { "another jti",
          "\"jti\":[\"BAAAAAAAAAAAAAAAAAAAAA\"],\"hw_id\":[],\"policy_sha256\":[],"
          "\"not_before\":0",
          NULL, VD_E_OK },
        { "its platform",
          "\"jti\":[],\"hw_id\":[\"00\",\"" HW "\"],\"policy_sha256\":[],"
          "\"not_before\":0",
          "\"" HW "\"", VD_E_PASSPORT_REVOKED },
        { "its platform in capitals",
          "\"jti\":[],\"hw_id\":[\"" HW "\"],\"policy_sha256\":[],\"not_before\":0", "\"00FF00FF\"",
          VD_E_PASSPORT_REVOKED },
        { "a platform, and the passport has none",
          "\"jti\":[],\"hw_id\":[\"" HW "\"],\"policy_sha256\":[],\"not_before\":0", NULL,
          VD_E_OK },
        { "a platform that begins alike",
          "\"jti\":[],\"hw_id\":[\"" HW "00\"],\"policy_sha256\":[],\"not_before\":0", "\"" HW "\"",
          VD_E_OK },
        { "a hw_id that is no string", LISTS, "17", VD_E_PASSPORT },
        { "a hw_id that is no hex", LISTS, "\"x\\u0041\"", VD_E_PASSPORT },
        { "its policy", "\"jti\":[],\"hw_id\":[],\"policy_sha256\":[\"" SHA "\"],\"not_before\":0",
          NULL, VD_E_PASSPORT_REVOKED },
        { "before its time",
          "\"jti\":[],\"hw_id\":[],\"policy_sha256\":[],\"not_before\":1800000000", NULL, VD_E_OK },
        { "everything before a later second",
          "\"jti\":[],\"hw_id\":[],\"policy_sha256\":[],\"not_before\":1800000001", NULL,
          VD_E_PASSPORT_REVOKED },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        VD_AUTO_BUF submods = vd_buf_of(65536);
        VD_AUTO(free) char *token = NULL;
        if (rows[i].hw_id) {
            vd_buf_printf(&submods, STATEMENT_SUBMODS, rows[i].hw_id);
            const struct member change = { "submods", vd_buf_cstr(&submods) };
            token = token_of(&fx.passport, &change, 1);
        } else {
            token = token_of(&fx.passport, NULL, 0);
        }
        struct statement none = standard_statement();
        none.seq = 2 * i + 1;
        assert_int_equal(take(&none), VD_E_OK);
        vd_code before = code_of(fx.trust, token);
        assert_true(before == VD_E_OK || before == rows[i].want);
        struct statement s = standard_statement();
        s.lists = rows[i].lists;
        s.seq = 2 * i + 2;
        assert_int_equal(take(&s), VD_E_OK);
        vd_code got = code_of(fx.trust, token);
        if (got != rows[i].want)
            print_error("%s: %s\n", rows[i].name, vd_error_row(got)->symbol);
        assert_int_equal(got, rows[i].want);
    }
    print_message("acceptance: %zu cases\n", sizeof rows / sizeof *rows);
}

static void the_same_statement_again_keeps_verified_passports(void **state)
{
    (void)state;
    struct statement s = standard_statement();
    assert_int_equal(take(&s), VD_E_OK);
    uint64_t epoch = brk_trust_epoch(fx.trust);
    for (int i = 0; i < 8; i++) {
        fx.now_ns += INT64_C(15000000000);
        s.iat += 15;
        assert_int_equal(take(&s), VD_E_OK);
    }
    assert_int_equal(brk_trust_epoch(fx.trust), epoch);
    assert_int_equal(atomic_load(&main_issuer()->statement.good_until), NOW + 8 * 15 + 120);
    s.seq++;
    assert_int_equal(take(&s), VD_E_OK);
    assert_true(brk_trust_epoch(fx.trust) > epoch);
}

static void an_older_statement_is_refused(void **state)
{
    (void)state;
    struct statement s = standard_statement();
    s.seq = 5;
    assert_int_equal(take(&s), VD_E_OK);
    s.seq = 4;
    assert_int_equal(take(&s), VD_E_OLDER_SET);
    s.seq = 5;
    s.iat -= 1;
    assert_int_equal(take(&s), VD_E_OLDER_SET);
    s.iat += 1;
    assert_int_equal(take(&s), VD_E_OK);
    s.seq = 1;
    assert_int_equal(take(&s), VD_E_OLDER_SET);
    assert_ok(brk_trust_reset(fx.trust, "main", NULL));
    assert_int_equal(take(&s), VD_E_OK);
    assert_rc(VD_E_NOT_FOUND, brk_trust_reset(fx.trust, "nobody", NULL));
}

static void a_required_statement_must_be_there_and_alive(void **state)
{
    (void)state;
    brk_trust_free(fx.trust);
    fx.trust = trust_new(&fx.now_ns, NULL, 0);
    struct brk_issuer_spec spec = spec_with(true);
    trust_entry(fx.trust, &spec);
    VD_AUTO(free) char *token = token_of(&fx.passport, NULL, 0);
    assert_int_equal(code_of(fx.trust, token), VD_E_REVOCATION_STALE);
    struct statement s = standard_statement();
    assert_int_equal(take(&s), VD_E_OK);
    assert_int_equal(code_of(fx.trust, token), VD_E_OK);
    assert_int_equal(code_of(fx.trust, token), VD_E_OK); /* from the cache */
    fx.now_ns += INT64_C(119000000000);
    assert_int_equal(code_of(fx.trust, token), VD_E_OK);
    fx.now_ns += INT64_C(1000000000);
    assert_int_equal(code_of(fx.trust, token), VD_E_REVOCATION_STALE);
    s.iat += 120;
    assert_int_equal(take(&s), VD_E_OK);
    assert_int_equal(code_of(fx.trust, token), VD_E_OK);
}

static void what_was_revoked_stays_so_while_an_entry_is_edited(void **state)
{
    (void)state;
    VD_AUTO(free) char *token = token_of(&fx.passport, NULL, 0);
    struct statement s = standard_statement();
    s.lists = "\"jti\":[\"" JTI "\"],\"hw_id\":[],\"policy_sha256\":[],\"not_before\":0";
    assert_int_equal(take(&s), VD_E_OK);
    assert_int_equal(code_of(fx.trust, token), VD_E_PASSPORT_REVOKED);
    struct brk_issuer_spec spec = spec_with(true);
    struct brk_trust_row row = { 0 };
    assert_ok(brk_issuer_new(&spec, &row.issuer, &row.keys, NULL));
    assert_ok(brk_trust_replace(fx.trust, &row, NULL));
    assert_int_equal(code_of(fx.trust, token), VD_E_PASSPORT_REVOKED);
    assert_int_equal(atomic_load(&main_issuer()->statement.good_until), NOW + 120);
}

static void a_statement_that_expired_still_revokes(void **state)
{
    (void)state;
    VD_AUTO(free) char *token = token_of(&fx.passport, NULL, 0);
    struct statement s = standard_statement();
    s.lists = "\"jti\":[\"" JTI "\"],\"hw_id\":[],\"policy_sha256\":[],\"not_before\":0";
    assert_int_equal(take(&s), VD_E_OK);
    fx.now_ns += INT64_C(200000000000);
    assert_int_equal(code_of(fx.trust, token), VD_E_PASSPORT_REVOKED);
}

static void entries_say_what_does_not_go_together(void **state)
{
    (void)state;
    static const char *const urls[] = { "http://issuer.test/r", "ftp://x/", "https://u@x/", "" };
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        struct brk_issuer_spec spec = spec_with(false);
        VD_AUTO(brk_issuer_unref) struct brk_issuer *issuer = NULL;
        VD_AUTO(brk_keyset_unref) struct brk_keyset *keys = NULL;
        spec.revocation_url = urls[i];
        assert_rc(VD_E_SETTING, brk_issuer_new(&spec, &issuer, &keys, NULL));
    }
    struct brk_issuer_spec spec = spec_with(true);
    VD_AUTO(brk_issuer_unref) struct brk_issuer *issuer = NULL;
    VD_AUTO(brk_keyset_unref) struct brk_keyset *keys = NULL;
    spec.revocation_url = NULL;
    assert_rc(VD_E_SETTING, brk_issuer_new(&spec, &issuer, &keys, NULL));
}

/* ---- key sets -------------------------------------------------------------------------------- */

static vd_code set_keys(const char *tail)
{
    VD_AUTO_BUF text = vd_buf_of(65536);
    VD_AUTO(brk_keyset_unref) struct brk_keyset *k = NULL;
    set_of(tail, &text);
    vd_rc_ rc = brk_keyset_parse(vd_buf_span(&text), &k, NULL);
    return rc.code == VD_E_OK ? brk_trust_set_keys(fx.trust, main_issuer(), k, NULL).code : rc.code;
}

static void an_older_key_set_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *tail;
        vd_code want;
    } rows[] = {
        { "", VD_E_OK },
        { ",\"vidimus_seq\":3,\"iat\":100", VD_E_OK },
        { ",\"vidimus_seq\":3,\"iat\":100", VD_E_OK },
        { ",\"vidimus_seq\":2,\"iat\":200", VD_E_OLDER_SET },
        { ",\"vidimus_seq\":3,\"iat\":99", VD_E_OLDER_SET },
        { "", VD_E_OLDER_SET },
        { ",\"vidimus_seq\":4,\"iat\":50", VD_E_OK },
        { ",\"vidimus_seq\":4", VD_E_SETTING },
        { ",\"vidimus_seq\":0,\"iat\":50", VD_E_SETTING },
        { ",\"vidimus_seq\":\"5\",\"iat\":50", VD_E_SETTING },
        { ",\"vidimus_seq\":5.0,\"iat\":50", VD_E_SETTING },
        { ",\"vidimus_seq\":5,\"iat\":\"50\"", VD_E_SETTING },
        { ",\"vidimus_seq\":-5,\"iat\":50", VD_E_SETTING },
        { ",\"vidimus_seq\":3,\"iat\":100", VD_E_OLDER_SET },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        vd_code got = set_keys(rows[i].tail);
        if (got != rows[i].want)
            print_error("%zu (%s): %s\n", i, rows[i].tail, vd_error_row(got)->symbol);
        assert_int_equal(got, rows[i].want);
    }
    assert_ok(brk_trust_reset(fx.trust, "main", NULL));
    assert_int_equal(set_keys(",\"vidimus_seq\":1,\"iat\":1"), VD_E_OK);
}

static void a_withdrawn_key_takes_its_verified_passports_along(void **state)
{
    (void)state;
    VD_AUTO(free) char *token = token_of(&fx.passport, NULL, 0);
    VD_AUTO_BUF text = vd_buf_of(65536);
    VD_AUTO(brk_keyset_unref) struct brk_keyset *k = NULL;
    assert_int_equal(code_of(fx.trust, token), VD_E_OK);
    assert_int_equal(code_of(fx.trust, token), VD_E_OK);
    vd_buf_str(&text, "{\"keys\":[");
    jwk_of(&fx.stranger, "", &text);
    vd_buf_str(&text, "],\"vidimus_seq\":1,\"iat\":1}");
    assert_ok(brk_keyset_parse(vd_buf_span(&text), &k, NULL));
    assert_ok(brk_trust_set_keys(fx.trust, main_issuer(), k, NULL));
    assert_int_equal(code_of(fx.trust, token), VD_E_PASSPORT_KEY);
}

/* ---- over restarts --------------------------------------------------------------------------- */

static void highest_numbers_outlast_restarts(void **state)
{
    (void)state;
    static const uint8_t root[32] = { 9 };
    VD_AUTO(free) char *dir = vd_test_dir("seen");
    VD_AUTO_BUF path = vd_buf_of(4096);
    vd_buf_printf(&path, "%s/store", dir);
    const struct vd_store_cfg cfg = { vd_buf_cstr(&path), "broker", root };
    struct brk_mark marks[BRK_SEEN_MAX];
    assert_ok(vd_store_create(&cfg, NULL));
    for (int round = 0; round < 3; round++) {
        VD_AUTO(vd_store_close) struct vd_store *store = NULL;
        assert_ok(vd_store_open(&cfg, &store, NULL));
        VD_AUTO(brk_seen_free) struct brk_seen *seen = brk_seen_new(store, NULL);
        assert_non_null(seen);
        const struct brk_mark low = { 4, 100 };
        const struct brk_mark high = { 5, 100 };
        if (round == 0) {
            assert_ok(brk_seen_pass(seen, "a", BRK_SEEN_JWKS, high, NULL));
            assert_ok(brk_seen_pass(seen, "a", BRK_SEEN_STATEMENT, low, NULL));
        }
        vd_code want = round == 2 ? VD_E_OK : VD_E_OLDER_SET;
        assert_rc(want, brk_seen_check(seen, "a", BRK_SEEN_JWKS, low, NULL));
        assert_ok(brk_seen_check(seen, "a", BRK_SEEN_JWKS, high, NULL));
        assert_ok(brk_seen_check(seen, "b", BRK_SEEN_JWKS, low, NULL));
        assert_ok(brk_seen_get(seen, "a", marks, NULL));
        assert_int_equal(marks[BRK_SEEN_JWKS].seq, round == 2 ? 0 : 5);
        assert_int_equal(marks[BRK_SEEN_STATEMENT].seq, round == 2 ? 0 : 4);
        if (round == 1)
            assert_ok(brk_seen_reset(seen, "a", NULL));
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, fresh, fresh_done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_statement_is_read_whole),
        T(what_is_not_a_statement_is_refused),
        T(a_statement_cut_anywhere_is_refused),
        T(only_the_key_of_statements_signs_them),
        T(the_key_of_statements_signs_no_passport),
        T(a_key_of_both_uses_refuses_the_set),
        T(what_is_revoked_is_refused_from_the_next_request_on),
        T(the_same_statement_again_keeps_verified_passports),
        T(an_older_statement_is_refused),
        T(a_required_statement_must_be_there_and_alive),
        T(what_was_revoked_stays_so_while_an_entry_is_edited),
        T(a_statement_that_expired_still_revokes),
        T(entries_say_what_does_not_go_together),
        T(an_older_key_set_is_refused),
        T(a_withdrawn_key_takes_its_verified_passports_along),
        T(highest_numbers_outlast_restarts),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
