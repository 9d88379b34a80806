/* x509-limbo: chains of every kind of wrongness. Vidimus verifies vendors' chains against pinned
 * roots and is no web browser: what it does not do is named below, one by one, with the reason. */
#include "tests/unit/shared/crypto/suite.h"

#include "shared/base/clock.h"
#include "shared/crypto/x509.h"

#define FILE_LIMBO "tests/vectors/x509-limbo/limbo-generated.json"
enum { CERTS_MAX = 64 };

struct chain {
    struct vd_cert *cert[CERTS_MAX];
    size_t n;
    bool bad;
};

static void chain_done(struct chain *c)
{
    for (size_t i = 0; i < c->n; i++)
        vd_cert_unref(c->cert[i]);
}
#define AUTO_CHAIN __attribute__((cleanup(chain_done))) struct chain

static void chain_add(struct chain *c, vd_jv pem)
{
    VD_AUTO_BUF text = vd_buf_of(1 << 20);
    vd_err err = { 0 };
    assert_ok(vd_jv_str(pem, &text, &err));
    if (c->n == CERTS_MAX ||
        vd_cert_parse(vd_buf_span(&text), &c->cert[c->n], NULL).code != VD_E_OK)
        c->bad = true;
    else
        c->n++;
}

static struct chain chain_of(vd_jv list)
{
    struct chain c = { 0 };
    vd_jv_iter it = vd_jv_iter_of(list);
    while (vd_jv_next(&it))
        chain_add(&c, it.value);
    return c;
}

/* A list by any certificate of the case must be sound and must not name a certificate of the chain.
 */
static bool lists_allow(vd_jv list, const struct chain *all, int64_t at)
{
    vd_jv_iter it = vd_jv_iter_of(list);
    while (vd_jv_next(&it)) {
        VD_AUTO_BUF text = vd_buf_of(1 << 20);
        VD_AUTO(vd_crl_unref) struct vd_crl *l = NULL;
        if (vd_jv_str(it.value, &text, NULL).code != VD_E_OK ||
            vd_crl_parse(vd_buf_span(&text), &l, NULL).code != VD_E_OK)
            return false;
        bool signed_by_one = false;
        for (size_t i = 0; i < all->n && !signed_by_one; i++)
            signed_by_one = vd_crl_check(l, all->cert[i], at, NULL).code == VD_E_OK;
        if (!signed_by_one)
            return false;
        for (size_t i = 0; i < all->n; i++)
            if (vd_crl_lists(l, all->cert[i]))
                return false;
    }
    return true;
}

static bool accepts(vd_jv t)
{
    AUTO_CHAIN anchors = chain_of(vd_jv_get(t, "trusted_certs"));
    AUTO_CHAIN untrusted = chain_of(vd_jv_get(t, "untrusted_intermediates"));
    AUTO_CHAIN leaf = { 0 };
    chain_add(&leaf, vd_jv_get(t, "peer_certificate"));
    if (anchors.bad || untrusted.bad || leaf.bad)
        return false;
    struct vd_chain_opts opts = { .check_time = true, .max_depth = 10 };
    uint64_t depth = 0;
    if (vd_jv_u64(vd_jv_get(t, "max_chain_depth"), 100, &depth, NULL).code == VD_E_OK)
        opts.max_depth = (int)depth;
    opts.at = 1780272000;
    vd_jv time = vd_jv_get(t, "validation_time");
    vd_err err = { 0 };
    if (vd_jv_is(time, VD_JSON_STRING))
        assert_ok(vd_time_parse(vd_jv_str_raw(time), &opts.at, &err));
    if (vd_chain_verify(leaf.cert[0], untrusted.cert, untrusted.n, anchors.cert, anchors.n, &opts,
                        NULL)
            .code != VD_E_OK)
        return false;
    /* Our name rule: one dNSName equal to the name, no wildcards. Other kinds of name are not ours.
     */
    vd_jv name = vd_jv_get(t, "expected_peer_name");
    VD_AUTO_BUF dns = vd_buf_of(1024);
    if (vd_jv_str_eq(vd_jv_get(name, "kind"), "DNS")) {
        assert_ok(vd_jv_str(vd_jv_get(name, "value"), &dns, &err));
        if (!vd_cert_has_san_dns(leaf.cert[0], vd_buf_cstr(&dns)))
            return false;
    }
    AUTO_CHAIN all = { 0 };
    const struct chain *parts[] = { &leaf, &untrusted, &anchors };
    for (size_t p = 0; p < 3; p++)
        for (size_t i = 0; i < parts[p]->n && all.n < CERTS_MAX; i++)
            all.cert[all.n++] = vd_cert_ref(parts[p]->cert[i]);
    return lists_allow(vd_jv_get(t, "crls"), &all, opts.at);
}

#define NO_CN "common names are never compared with anything but what a driver asks for"
#define KEY_IDS "key identifiers may be missing: AMD's genuine leaves have none"
#define NO_EKU "no extended key usage is asked for: the chains are not those of TLS servers"
#define NO_WILDCARDS "a name rule is one exact name"
#define NAME_CONSTRAINTS                                                                           \
    "name constraints are OpenSSL's, without its strict mode; names are compared exactly by the "  \
    "caller"
#define ONE_PATH "OpenSSL builds one path and does not go back for another"
#define LAST_SECOND "OpenSSL counts the second of notAfter as over"
#define DEPTH_COUNT "0 means the default here, and a self-issued certificate counts as any other"
#define PINNED_ROOTS "an anchor is self-signed unless the caller says `partial`"
#define CRL_NUMBER "a list without a number is taken: nothing here compares numbers"
#define ALGORITHMS                                                                                 \
    "which algorithms sign is bounded by the security level, and the pinned roots fix them"
#define PROFILE "a rule for certificate makers that changes nothing in what is trusted"
/* Where we differ: accepted though the suite says FAILURE, or refused though it says SUCCESS. */
static const struct {
    const char *id;
    bool accepted;
    const char *reason;
} differs[] = {
    { "crl::crlnumber-missing", true, CRL_NUMBER },
    { "cve::cve-2024-0567", false, ONE_PATH },
    { "pathlen::max-chain-depth-0-exhausted", true, DEPTH_COUNT },
    { "pathlen::max-chain-depth-1-self-issued", false, DEPTH_COUNT },
    { "rfc5280::aki::leaf-missing-aki", true, KEY_IDS },
    { "rfc5280::aki::intermediate-missing-aki", true, KEY_IDS },
    { "rfc5280::eku::ee-wrong-eku", true, NO_EKU },
    { "rfc5280::eku::ee-eku-empty", true, NO_EKU },
    { "rfc5280::nc::permitted-dns-match-noncritical", true, NAME_CONSTRAINTS },
    { "rfc5280::nc::invalid-dnsname-leading-period", true, NAME_CONSTRAINTS },
    { "rfc5280::nc::not-allowed-in-ee-noncritical", true, NAME_CONSTRAINTS },
    { "rfc5280::nc::not-allowed-in-ee-critical", true, NAME_CONSTRAINTS },
    { "rfc5280::nc::nc-permits-invalid-dns-san", true, NAME_CONSTRAINTS },
    { "rfc5280::nc::nc-permits-invalid-email-san", true, NAME_CONSTRAINTS },
    { "rfc5280::nc::nc-forbids-alternate-chain-ica", false, ONE_PATH },
    { "rfc5280::nc::nc-forbids-same-chain-ica", false, ONE_PATH },
    { "rfc5280::pc::ica-noncritical-pc", true, PROFILE },
    { "rfc5280::san::noncritical-with-empty-subject", true, PROFILE },
    { "rfc5280::san::underscore-dns", true, PROFILE },
    { "rfc5280::san::ip-in-dns", true, PROFILE },
    { "rfc5280::serial::too-long", true, PROFILE },
    { "rfc5280::serial::zero", true, PROFILE },
    { "rfc5280::ski::root-missing-ski", true, KEY_IDS },
    { "rfc5280::ski::intermediate-missing-ski", true, KEY_IDS },
    { "rfc5280::validity::notafter-exact", false, LAST_SECOND },
    { "rfc5280::validity::notafter-fractional", false, LAST_SECOND },
    { "rfc5280::root-missing-basic-constraints", true, PROFILE },
    { "rfc5280::root-non-critical-basic-constraints", true, PROFILE },
    { "rfc5280::leaf-ku-keycertsign", true, PROFILE },
    { "rfc5280::root-and-intermediate-swapped", false, PINNED_ROOTS },
    { "webpki::aki::root-with-aki-missing-keyidentifier", true, KEY_IDS },
    { "webpki::cn::ipv4-hex-mismatch", true, NO_CN },
    { "webpki::cn::ipv4-leading-zeros-mismatch", true, NO_CN },
    { "webpki::cn::ipv6-uppercase-mismatch", true, NO_CN },
    { "webpki::cn::ipv6-uncompressed-mismatch", true, NO_CN },
    { "webpki::cn::ipv6-non-rfc5952-mismatch", true, NO_CN },
    { "webpki::cn::punycode-not-in-san", true, NO_CN },
    { "webpki::cn::utf8-vs-punycode-mismatch", true, NO_CN },
    { "webpki::cn::not-in-san", true, NO_CN },
    { "webpki::cn::case-mismatch", true, NO_CN },
    { "webpki::eku::ee-anyeku", true, NO_EKU },
    { "webpki::eku::ee-critical-eku", true, NO_EKU },
    { "webpki::eku::ee-without-eku", true, NO_EKU },
    { "webpki::eku::root-has-eku", true, NO_EKU },
    { "webpki::nc::intermediate-permitted-excluded-subtrees-both-null", true, NAME_CONSTRAINTS },
    { "webpki::nc::intermediate-permitted-excluded-subtrees-both-empty-sequences", true,
      NAME_CONSTRAINTS },
    { "webpki::nc::nc-permits-dns-san-pattern", false, NO_WILDCARDS },
    { "webpki::san::leftmost-wildcard-san", false, NO_WILDCARDS },
    { "webpki::san::san-critical-with-nonempty-subject", true, PROFILE },
    { "webpki::malformed-aia", true, PROFILE },
    { "webpki::forbidden-dsa-root", true, ALGORITHMS },
    { "webpki::forbidden-dsa-leaf", true, ALGORITHMS },
    { "webpki::forbidden-rsa-not-divisible-by-8-in-root", true, ALGORITHMS },
    { "webpki::forbidden-rsa-key-not-divisible-by-8-in-leaf", true, ALGORITHMS },
    { "webpki::ee-basicconstraints-ca", true, PROFILE },
    { "webpki::ca-as-leaf", true, PROFILE },
};

static const char *difference(vd_span id, bool accepted)
{
    for (size_t i = 0; i < sizeof differs / sizeof differs[0]; i++)
        if (vd_span_eq_str(id, differs[i].id) && differs[i].accepted == accepted)
            return differs[i].reason;
    return NULL;
}

static void limbo_chains_are_judged_as_listed(void **state)
{
    (void)state;
    struct suite s = suite_open(FILE_LIMBO);
    vd_jv_iter it = vd_jv_iter_of(vd_jv_get(vd_json_root(s.doc), "testcases"));
    while (vd_jv_next(&it)) {
        VD_AUTO_BUF id = vd_buf_of(1024);
        vd_err err = { 0 };
        assert_ok(vd_jv_str(vd_jv_get(it.value, "id"), &id, &err));
        bool want = vd_jv_str_eq(vd_jv_get(it.value, "expected_result"), "SUCCESS");
        bool did = accepts(it.value);
        s.cases++;
        if (want == did)
            s.passed++;
        else if (difference(vd_buf_span(&id), did))
            s.refused++;
        else
            fail_msg("%s: %s", vd_buf_cstr(&id), did ? "accepted" : "refused");
    }
    print_message("(of these, \"refused by name\" are the listed differences)\n");
    assert_int_equal(s.refused, sizeof differs / sizeof differs[0]);
    suite_close(&s, 193);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limbo_chains_are_judged_as_listed),
    };
    if (vd_base_init(NULL).code != VD_E_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
