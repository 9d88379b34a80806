/* Certificates, chains and revocation lists: a table of chains each wrong in one way, and AMD's
 * own. */
#include "tests/unit/shared/crypto/suite.h"

#include "shared/crypto/x509.h"

#define DIR "tests/vectors/x509/"
#define NOW 1780272000  /* 2026-06-01T00:00:00Z */
#define FROM 1735689600 /* 2025-01-01 */
#define TO 1893456000   /* 2030-01-01 */

static struct vd_cert *cert(const char *file)
{
    VD_AUTO_BUF path = vd_buf_of(256);
    vd_buf_printf(&path, DIR "%s", file);
    VD_AUTO_BUF text = vd_test_file(vd_buf_cstr(&path));
    struct vd_cert *c = NULL;
    vd_err err = { 0 };
    if (vd_cert_parse(vd_buf_span(&text), &c, &err).code != VD_E_OK)
        fail_msg("%s: %s", file, err.msg);
    return c;
}

static const struct {
    const char *label;
    const char *leaf;
    const char *untrusted; /* or NULL */
    const char *anchor;
    struct vd_chain_opts opts;
    vd_code want;
} chains[] = {
    { "good",
      "leaf.pem",
      "intermediate.pem",
      "root.pem",
      { .at = NOW, .check_time = true },
      VD_E_OK },
    { "good, three certificates",
      "leaf.pem",
      "intermediate.pem",
      "root.pem",
      { .at = NOW, .check_time = true, .exact_length = 3 },
      VD_E_OK },
    { "two wanted",
      "leaf.pem",
      "intermediate.pem",
      "root.pem",
      { .at = NOW, .check_time = true, .exact_length = 2 },
      VD_E_CHAIN },
    { "no intermediate",
      "leaf.pem",
      NULL,
      "root.pem",
      { .at = NOW, .check_time = true },
      VD_E_CHAIN },
    { "root of the same name",
      "leaf.pem",
      "intermediate.pem",
      "other-root.pem",
      { .at = NOW, .check_time = true },
      VD_E_CHAIN },
    { "intermediate as anchor",
      "leaf.pem",
      NULL,
      "intermediate.pem",
      { .at = NOW, .check_time = true },
      VD_E_CHAIN },
    { "intermediate as partial anchor",
      "leaf.pem",
      NULL,
      "intermediate.pem",
      { .at = NOW, .check_time = true, .partial = true, .exact_length = 2 },
      VD_E_OK },
    { "leaf expired",
      "expired.pem",
      "intermediate.pem",
      "root.pem",
      { .at = NOW, .check_time = true },
      VD_E_CERT_EXPIRED },
    { "leaf expired, back then",
      "expired.pem",
      "intermediate.pem",
      "root.pem",
      { .at = FROM + 1, .check_time = true },
      VD_E_OK },
    { "leaf expired, time not looked at",
      "expired.pem",
      "intermediate.pem",
      "root.pem",
      { .at = NOW, .check_time = false },
      VD_E_OK },
    { "leaf of the future",
      "future.pem",
      "intermediate.pem",
      "root.pem",
      { .at = NOW, .check_time = true },
      VD_E_CERT_EXPIRED },
    { "intermediate expired",
      "leaf.pem",
      "expired-intermediate.pem",
      "root.pem",
      { .at = NOW, .check_time = true },
      VD_E_CERT_EXPIRED },
    { "first second",
      "leaf.pem",
      "intermediate.pem",
      "root.pem",
      { .at = FROM, .check_time = true },
      VD_E_OK },
    { "before the first second",
      "leaf.pem",
      "intermediate.pem",
      "root.pem",
      { .at = FROM - 1, .check_time = true },
      VD_E_CERT_EXPIRED },
    { "last second",
      "leaf.pem",
      "intermediate.pem",
      "root.pem",
      { .at = TO - 1, .check_time = true },
      VD_E_OK },
    { "the second of notAfter (OpenSSL counts it as over)",
      "leaf.pem",
      "intermediate.pem",
      "root.pem",
      { .at = TO, .check_time = true },
      VD_E_CERT_EXPIRED },
    { "year 1970",
      "leaf.pem",
      "intermediate.pem",
      "root.pem",
      { .at = 0, .check_time = true },
      VD_E_CERT_EXPIRED },
    { "intermediate is no CA",
      "leaf.pem",
      "not-a-ca.pem",
      "root.pem",
      { .at = NOW, .check_time = true },
      VD_E_CHAIN },
    { "intermediate may not sign",
      "leaf.pem",
      "may-not-sign.pem",
      "root.pem",
      { .at = NOW, .check_time = true },
      VD_E_CHAIN },
    { "signed by a stranger",
      "by-stranger.pem",
      "intermediate.pem",
      "root.pem",
      { .at = NOW, .check_time = true },
      VD_E_CHAIN },
    { "SHA-1",
      "sha1.pem",
      "intermediate.pem",
      "root.pem",
      { .at = NOW, .check_time = true },
      VD_E_CHAIN },
    { "self-signed",
      "self-signed.pem",
      NULL,
      "root.pem",
      { .at = NOW, .check_time = true },
      VD_E_CHAIN },
    { "RSA 1024",
      "rsa1024-leaf.pem",
      "intermediate.pem",
      "root.pem",
      { .at = NOW, .check_time = true },
      VD_E_CHAIN },
    { "RSA 2048",
      "rsa-leaf.pem",
      "intermediate.pem",
      "root.pem",
      { .at = NOW, .check_time = true },
      VD_E_OK },
    { "RSA 2048 at level 3",
      "rsa-leaf.pem",
      "intermediate.pem",
      "root.pem",
      { .at = NOW, .check_time = true, .security_level = 3 },
      VD_E_CHAIN },
    { "the root itself",
      "root.pem",
      NULL,
      "root.pem",
      { .at = NOW, .check_time = true, .exact_length = 1 },
      VD_E_OK },
    { "AMD VCEK",
      "amd-vcek-milan.der",
      "amd-ask-milan.pem",
      "amd-ark-milan.pem",
      { .at = NOW, .check_time = true, .exact_length = 3, .max_depth = 2, .security_level = 3 },
      VD_E_OK },
    { "AMD VCEK of another generation",
      "amd-vcek-milan.der",
      "amd-ask-milan.pem",
      "amd-ark-genoa.pem",
      { .at = NOW, .check_time = true, .exact_length = 3 },
      VD_E_CHAIN },
    { "AMD VLEK under the ASK",
      "amd-vlek-milan.der",
      "amd-ask-milan.pem",
      "amd-ark-milan.pem",
      { .at = NOW, .check_time = true, .exact_length = 3 },
      VD_E_CHAIN },
    { "AMD VCEK in 2040",
      "amd-vcek-milan.der",
      "amd-ask-milan.pem",
      "amd-ark-milan.pem",
      { .at = 2208988800, .check_time = true, .exact_length = 3 },
      VD_E_CERT_EXPIRED },
};

static void chains_verify_exactly_when_sound(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof chains / sizeof chains[0]; i++) {
        VD_AUTO(vd_cert_unref) struct vd_cert *leaf = cert(chains[i].leaf);
        VD_AUTO(vd_cert_unref)
        struct vd_cert *mid = chains[i].untrusted ? cert(chains[i].untrusted) : NULL;
        VD_AUTO(vd_cert_unref) struct vd_cert *anchor = cert(chains[i].anchor);
        vd_err err = { 0 };
        vd_rc_ rc = vd_chain_verify(leaf, &mid, mid ? 1 : 0, &anchor, 1, &chains[i].opts, &err);
        if (rc.code != chains[i].want)
            fail_msg("%s: %s", chains[i].label, rc.code ? err.msg : "accepted");
    }
    print_message("chains: %zu\n", sizeof chains / sizeof chains[0]);
}

static void no_anchor_is_no_trust(void **state)
{
    (void)state;
    VD_AUTO(vd_cert_unref) struct vd_cert *root = cert("root.pem");
    const struct vd_chain_opts opts = { .at = NOW, .check_time = true };
    assert_rc(VD_E_CHAIN, vd_chain_verify(root, NULL, 0, NULL, 0, &opts, NULL));
}

static struct vd_certs *certs(const char *file)
{
    VD_AUTO_BUF path = vd_buf_of(256);
    vd_buf_printf(&path, DIR "%s", file);
    VD_AUTO_BUF text = vd_test_file(vd_buf_cstr(&path));
    struct vd_certs *all = NULL;
    vd_err err = { 0 };
    assert_ok(vd_certs_parse_pem(vd_buf_span(&text), 10, &all, &err));
    return all;
}

static void depth_and_path_length_are_bounds(void **state)
{
    (void)state;
    VD_AUTO(vd_certs_free) struct vd_certs *deep = certs("deep.pem");
    VD_AUTO(vd_certs_free) struct vd_certs *path = certs("pathlen.pem");
    VD_AUTO(vd_cert_unref) struct vd_cert *root = cert("root.pem");
    struct vd_chain_opts opts = { .at = NOW, .check_time = true };
    assert_int_equal(deep->n, 6);
    assert_rc(VD_E_CHAIN, vd_chain_verify(deep->item[0], deep->item + 1, 5, &root, 1, &opts, NULL));
    assert_ok(vd_chain_verify(deep->item[2], deep->item + 3, 3, &root, 1, &opts, NULL));
    opts.max_depth = 5;
    assert_ok(vd_chain_verify(deep->item[0], deep->item + 1, 5, &root, 1, &opts, NULL));
    assert_rc(VD_E_CHAIN, vd_chain_verify(path->item[0], path->item + 1, 2, &root, 1, &opts, NULL));
    assert_ok(vd_chain_verify(path->item[2], NULL, 0, &root, 1, &opts, NULL));
}

static void a_certificate_shows_its_parts(void **state)
{
    (void)state;
    VD_AUTO(vd_cert_unref) struct vd_cert *c = cert("leaf.pem");
    VD_AUTO(vd_cert_unref) struct vd_cert *der = cert("leaf.der");
    VD_AUTO_BUF text = vd_buf_of(256);
    vd_err err = { 0 };
    assert_true(vd_span_eq(vd_cert_der(c), vd_cert_der(der)));
    assert_ok(vd_cert_subject_cn(c, &text, &err));
    assert_span_str(vd_buf_span(&text), "leaf");
    vd_buf_reset(&text);
    assert_ok(vd_cert_issuer_cn(c, &text, &err));
    assert_span_str(vd_buf_span(&text), "intermediate");
    vd_buf_reset(&text);
    assert_ok(vd_cert_serial(c, &text, &err));
    assert_span_str(vd_buf_span(&text), "\x10\x01");
    assert_int_equal(vd_cert_not_before(c), FROM);
    assert_int_equal(vd_cert_not_after(c), TO);
    assert_true(vd_cert_has_san_dns(c, "issuer.example"));
    assert_true(vd_cert_has_san_dns(c, "TWO.example"));
    assert_false(vd_cert_has_san_dns(c, "three.example"));
    assert_false(vd_cert_has_san_dns(c, "https://uri.example"));
    assert_false(vd_cert_has_san_dns(c, "leaf"));
    assert_false(vd_cert_has_san_dns(c, "*.example"));
    assert_false(vd_cert_has_san_dns(c, ""));
    assert_false(vd_cert_signed_pss_sha384(c));
    vd_span ext = VD_SPAN_NONE;
    assert_ok(vd_cert_ext(c, "1.3.6.1.4.1.3704.1.1", &ext, &err));
    assert_span_str(ext, "\x02\x01\x07");
    assert_rc(VD_E_NOT_FOUND, vd_cert_ext(c, "1.3.6.1.4.1.3704.1.2", &ext, NULL));
    assert_rc(VD_E_INTERNAL, vd_cert_ext(c, "not an oid", &ext, NULL));
    VD_AUTO(vd_key_unref) struct vd_key *k = vd_cert_key(c);
    assert_non_null(k);
    assert_int_equal(vd_key_type(k), VD_KTY_P384);
}

static void names_that_are_missing_or_double_are_told_apart(void **state)
{
    (void)state;
    VD_AUTO(vd_cert_unref) struct vd_cert *two = cert("two-cn.pem");
    VD_AUTO(vd_cert_unref) struct vd_cert *none = cert("no-cn.pem");
    VD_AUTO_BUF text = vd_buf_of(256);
    assert_rc(VD_E_SYNTAX, vd_cert_subject_cn(two, &text, NULL));
    assert_rc(VD_E_NOT_FOUND, vd_cert_subject_cn(none, &text, NULL));
    assert_int_equal(text.n, 0);
}

static void keys_of_certificates_are_ours_or_none(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        int kty;
    } cases[] = {
        { "leaf.pem", VD_KTY_P384 },
        { "rsa-leaf.pem", VD_KTY_RSA },
        { "rsa1024-leaf.pem", -1 },
        { "ed25519.pem", VD_KTY_ED25519 },
        { "k1-leaf.pem", -1 },
        { "amd-vcek-milan.der", VD_KTY_P384 },
        { "amd-ask-milan.pem", VD_KTY_RSA },
        { "amd-vcek-turin.der", VD_KTY_P384 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        VD_AUTO(vd_cert_unref) struct vd_cert *c = cert(cases[i].file);
        VD_AUTO(vd_key_unref) struct vd_key *k = vd_cert_key(c);
        assert_int_equal(k ? (int)vd_key_type(k) : -1, cases[i].kty);
    }
}

static void rsa_keys_are_written_as_their_certificates_have_them(void **state)
{
    (void)state;
    static const char *const files[] = { "amd-ark-genoa.pem", "amd-ark-milan.pem",
                                         "amd-ask-milan.pem" };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        VD_AUTO(vd_cert_unref) struct vd_cert *c = cert(files[i]);
        VD_AUTO(vd_key_unref) struct vd_key *k = vd_cert_key(c);
        VD_AUTO_BUF spki = vd_buf_of(8192);
        vd_err err = { 0 };
        assert_non_null(k);
        assert_ok(vd_key_to_spki(k, &spki, &err));
        vd_span der = vd_cert_der(c);
        assert_non_null(memmem(der.p, der.n, spki.p, spki.n));
    }
}

static void amd_signs_with_pss_sha384(void **state)
{
    (void)state;
    static const char *const files[] = { "amd-vcek-milan.der", "amd-vlek-milan.der",
                                         "amd-vcek-turin.der", "amd-ask-milan.pem" };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        VD_AUTO(vd_cert_unref) struct vd_cert *c = cert(files[i]);
        assert_true(vd_cert_signed_pss_sha384(c));
    }
}

static void certificates_are_taken_in_der_only(void **state)
{
    (void)state;
    VD_AUTO_BUF der = vd_test_file(DIR "leaf.der");
    for (size_t cut = 0; cut < der.n; cut++) {
        struct vd_cert *c = NULL;
        vd_span part = vd_test_guarded(vd_span_part(vd_buf_span(&der), 0, cut));
        assert_int_equal(vd_cert_parse(part, &c, NULL).code, VD_E_SYNTAX);
        vd_test_guarded_free(part);
    }
    vd_buf_u8(&der, 0);
    struct vd_cert *c = NULL;
    assert_rc(VD_E_SYNTAX, vd_cert_parse(vd_buf_span(&der), &c, NULL));
    /* The outer SEQUENCE with a length in one byte more than it needs: BER, not DER. */
    VD_AUTO_BUF ber = vd_buf_of(8192);
    assert_int_equal(der.p[1], 0x82);
    vd_buf_add(&ber, VD_LIT("\x30\x83\x00"));
    vd_buf_add(&ber, vd_span_part(vd_buf_span(&der), 2, der.n - 3));
    assert_rc(VD_E_SYNTAX, vd_cert_parse(vd_buf_span(&ber), &c, NULL));
}

static void pem_bundles_keep_their_order_and_bound(void **state)
{
    (void)state;
    VD_AUTO_BUF text = vd_test_file(DIR "bundle.pem");
    VD_AUTO(vd_certs_free) struct vd_certs *all = NULL;
    vd_err err = { 0 };
    assert_ok(vd_certs_parse_pem(vd_buf_span(&text), 3, &all, &err));
    static const char *const names[] = { "leaf", "intermediate", "root" };
    assert_int_equal(all->n, 3);
    for (size_t i = 0; i < 3; i++) {
        VD_AUTO_BUF cn = vd_buf_of(64);
        assert_ok(vd_cert_subject_cn(all->item[i], &cn, &err));
        assert_span_str(vd_buf_span(&cn), names[i]);
    }
    struct vd_certs *none = NULL;
    assert_rc(VD_E_SYNTAX, vd_certs_parse_pem(vd_buf_span(&text), 2, &none, NULL));
    struct vd_cert *one = NULL;
    assert_rc(VD_E_SYNTAX, vd_cert_parse(vd_buf_span(&text), &one, NULL));
    assert_rc(VD_E_SYNTAX, vd_certs_parse_pem(VD_LIT("nothing"), 2, &none, NULL));
    assert_rc(VD_E_SYNTAX, vd_certs_parse_pem(VD_SPAN_NONE, 2, &none, NULL));
    VD_AUTO_BUF list = vd_test_file(DIR "crl.pem");
    assert_rc(VD_E_SYNTAX, vd_certs_parse_pem(vd_buf_span(&list), 2, &none, NULL));
}

static const struct {
    const char *label;
    const char *file;
    vd_code parse;
    vd_code check;
    int64_t at;
} crls[] = {
    { "good", "crl.pem", VD_E_OK, VD_E_OK, NOW },
    { "good in DER", "crl.der", VD_E_OK, VD_E_OK, NOW },
    { "empty", "crl-empty.pem", VD_E_OK, VD_E_OK, NOW },
    { "out of date", "crl-old.pem", VD_E_OK, VD_E_COLLATERAL_EXPIRED, NOW },
    { "not yet", "crl.pem", VD_E_OK, VD_E_COLLATERAL_EXPIRED, FROM - 1 },
    { "last second", "crl.pem", VD_E_OK, VD_E_COLLATERAL_EXPIRED, TO },
    { "by a stranger", "crl-by-stranger.pem", VD_E_OK, VD_E_SIG, NOW },
    { "of another issuer", "crl-other-name.pem", VD_E_OK, VD_E_SIG, NOW },
    { "delta", "crl-delta.pem", VD_E_SYNTAX, VD_E_OK, NOW },
    { "partial", "crl-partial.pem", VD_E_SYNTAX, VD_E_OK, NOW },
    { "critical extension", "crl-critical.pem", VD_E_SYNTAX, VD_E_OK, NOW },
    { "a certificate", "leaf.pem", VD_E_SYNTAX, VD_E_OK, NOW },
};

static struct vd_crl *crl(const char *file, vd_code want)
{
    VD_AUTO_BUF path = vd_buf_of(256);
    vd_buf_printf(&path, DIR "%s", file);
    VD_AUTO_BUF text = vd_test_file(vd_buf_cstr(&path));
    struct vd_crl *c = NULL;
    vd_err err = { 0 };
    vd_rc_ rc = vd_crl_parse(vd_buf_span(&text), &c, &err);
    if (rc.code != want)
        fail_msg("%s: %s", file, err.msg);
    return c;
}

static void revocation_lists_count_only_when_sound(void **state)
{
    (void)state;
    VD_AUTO(vd_cert_unref) struct vd_cert *mid = cert("intermediate.pem");
    for (size_t i = 0; i < sizeof crls / sizeof crls[0]; i++) {
        VD_AUTO(vd_crl_unref) struct vd_crl *c = crl(crls[i].file, crls[i].parse);
        if (c && vd_crl_check(c, mid, crls[i].at, NULL).code != crls[i].check)
            fail_msg("%s", crls[i].label);
    }
}

static void an_issuer_that_may_not_sign_lists_is_refused(void **state)
{
    (void)state;
    VD_AUTO(vd_cert_unref)
    struct vd_cert *other = cert("no-crl-sign.pem"); /* same name and key */
    VD_AUTO(vd_cert_unref) struct vd_cert *may_not = cert("may-not-sign.pem");
    VD_AUTO(vd_crl_unref) struct vd_crl *c = crl("crl.pem", VD_E_OK);
    assert_ok(
        vd_crl_check(c, may_not, NOW, NULL)); /* keyCertSign is what it lacks; cRLSign it has */
    assert_rc(VD_E_SIG, vd_crl_check(c, other, NOW, NULL));
}

static void a_list_names_what_it_revokes(void **state)
{
    (void)state;
    VD_AUTO(vd_crl_unref) struct vd_crl *c = crl("crl.pem", VD_E_OK);
    VD_AUTO(vd_crl_unref) struct vd_crl *empty = crl("crl-empty.pem", VD_E_OK);
    VD_AUTO(vd_cert_unref) struct vd_cert *revoked = cert("revoked.pem");
    VD_AUTO(vd_cert_unref) struct vd_cert *leaf = cert("leaf.pem");
    assert_true(vd_crl_lists(c, revoked));
    assert_false(vd_crl_lists(c, leaf));
    assert_false(vd_crl_lists(empty, revoked));
    assert_int_equal(vd_crl_next_update(c), TO);
}

static void revocation_lists_are_taken_whole(void **state)
{
    (void)state;
    VD_AUTO_BUF der = vd_test_file(DIR "crl.der");
    for (size_t cut = 0; cut < der.n; cut++) {
        struct vd_crl *c = NULL;
        vd_span part = vd_test_guarded(vd_span_part(vd_buf_span(&der), 0, cut));
        assert_int_equal(vd_crl_parse(part, &c, NULL).code, VD_E_SYNTAX);
        vd_test_guarded_free(part);
    }
    vd_buf_u8(&der, 0);
    struct vd_crl *c = NULL;
    assert_rc(VD_E_SYNTAX, vd_crl_parse(vd_buf_span(&der), &c, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chains_verify_exactly_when_sound),
        cmocka_unit_test(no_anchor_is_no_trust),
        cmocka_unit_test(depth_and_path_length_are_bounds),
        cmocka_unit_test(a_certificate_shows_its_parts),
        cmocka_unit_test(names_that_are_missing_or_double_are_told_apart),
        cmocka_unit_test(keys_of_certificates_are_ours_or_none),
        cmocka_unit_test(rsa_keys_are_written_as_their_certificates_have_them),
        cmocka_unit_test(amd_signs_with_pss_sha384),
        cmocka_unit_test(certificates_are_taken_in_der_only),
        cmocka_unit_test(pem_bundles_keep_their_order_and_bound),
        cmocka_unit_test(revocation_lists_count_only_when_sound),
        cmocka_unit_test(an_issuer_that_may_not_sign_lists_is_refused),
        cmocka_unit_test(a_list_names_what_it_revokes),
        cmocka_unit_test(revocation_lists_are_taken_whole),
    };
    if (vd_base_init(NULL).code != VD_E_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
