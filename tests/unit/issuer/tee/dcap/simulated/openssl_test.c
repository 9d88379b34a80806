/* The narrow reader of certificates against OpenSSL: whatever it accepts is what OpenSSL reads as
 * well, over every certificate of x509-limbo and every flip in the certificates of a genuine quote.
 */
#include "tests/support/support.h"

#include <openssl/x509v3.h>
#include <string.h>

#include "issuer/tee/dcap/pki_priv.h"
#include "shared/codec/json.h"
#include "shared/crypto/x509.h"

#define FILE_LIMBO "tests/vectors/x509-limbo/limbo-generated.json"
#define FILE_QUOTE "tests/vectors/intel/go-tdx-guest/ccel/cos-113-tdx-quote.dat"

static vd_span string_of(const ASN1_STRING *s)
{
    return vd_span_of(ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s));
}

static void same_name(X509_NAME *name, vd_span der)
{
    const unsigned char *p = NULL;
    size_t n = 0;
    assert_int_equal(X509_NAME_get0_der(name, &p, &n), 1);
    assert_true(vd_span_eq(der, vd_span_of(p, n)));
}

static void same_cn(X509_NAME *name, vd_span cn)
{
    int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
    bool one = at >= 0 && X509_NAME_get_index_by_NID(name, NID_commonName, at) < 0;
    if (cn.n == 0)
        return; /* no role is given to it */
    assert_true(one);
    assert_true(vd_span_eq(cn, string_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)))));
}

static void same_time(const ASN1_TIME *t, int64_t got)
{
    int days = 0, seconds = 0;
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    assert_int_equal(ASN1_TIME_diff(&days, &seconds, epoch, t), 1);
    assert_int_equal(got, (int64_t)days * 86400 + seconds);
    ASN1_TIME_free(epoch);
}

static void same_facts(X509 *x, const struct dcap_x509 *p)
{
    (void)X509_check_purpose(x, -1, 0);
    uint32_t flags = X509_get_extension_flags(x);
    bool has_usage = (flags & EXFLAG_KUSAGE) != 0;
    uint32_t usage = has_usage ? X509_get_key_usage(x) : 0;
    assert_int_equal(X509_get_version(x), 2);
    assert_int_equal(flags & EXFLAG_CRITICAL, 0);
    assert_int_equal(p->constraints, (flags & EXFLAG_BCONS) != 0);
    assert_int_equal(p->ca, (flags & EXFLAG_CA) != 0);
    assert_int_equal(p->usage, has_usage);
    if (flags & EXFLAG_INVALID) /* an extension that does not count here is broken */
        return;
    assert_int_equal(p->path_limited ? (long)p->path_len : -1, X509_get_pathlen(x));
    assert_int_equal(p->cert_sign, (usage & KU_KEY_CERT_SIGN) != 0);
    assert_int_equal(p->crl_sign, (usage & KU_CRL_SIGN) != 0);
    assert_int_equal(p->digital_signature, (usage & KU_DIGITAL_SIGNATURE) != 0);
}

static void same_rest(X509 *x, const struct dcap_x509 *p)
{
    const ASN1_BIT_STRING *sig = NULL;
    const X509_ALGOR *alg = NULL;
    X509_get0_signature(&sig, &alg, x);
    assert_int_equal(X509_get_signature_nid(x), NID_ecdsa_with_SHA256);
    assert_int_equal(X509_ALGOR_cmp(alg, X509_get0_tbs_sigalg(x)), 0);
    assert_true(vd_span_eq(p->signature, string_of(sig)));
    const ASN1_INTEGER *serial = X509_get0_serialNumber(x);
    vd_span digits = string_of(serial);
    assert_int_equal(ASN1_STRING_type(serial), V_ASN1_INTEGER);
    assert_true(digits.n <= DCAP_SERIAL);
    assert_true(vd_span_zero(vd_span_of(p->serial, DCAP_SERIAL - digits.n)));
    assert_true(vd_span_eq(vd_span_of(p->serial + DCAP_SERIAL - digits.n, digits.n), digits));
    ASN1_OBJECT *oid = OBJ_txt2obj(DCAP_PCK_OID, 1);
    int at = X509_get_ext_by_OBJ(x, oid, -1);
    assert_int_equal(p->has_sgx, at >= 0);
    if (at >= 0) {
        assert_true(X509_get_ext_by_OBJ(x, oid, at) < 0);
        assert_true(vd_span_eq(p->sgx, string_of(X509_EXTENSION_get_data(X509_get_ext(x, at)))));
    }
    ASN1_OBJECT_free(oid);
}

/* Encodings that only BER allows, deep inside of what is opaque here. */
static bool reencoded(X509 *x, vd_span der)
{
    uint8_t *tbs = NULL;
    int n = i2d_re_X509_tbs(x, &tbs);
    vd_span again = vd_span_of(tbs, n > 0 ? (size_t)n : 0);
    bool same = n > 0 && vd_span_eq(vd_span_part(der, 4, again.n), again);
    OPENSSL_free(tbs);
    return !same;
}

/* True when it is accepted: then OpenSSL, if it reads it, must say the same. */
static bool compare(vd_span der, size_t *only_here)
{
    struct dcap_x509 p = { 0 };
    VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
    if (dcap_x509_parse(der, &p, NULL).code != VD_E_OK)
        return false;
    bool has_key = dcap_x509_key(&p, &key, NULL).code == VD_E_OK;
    const unsigned char *at = der.p;
    X509 *x = d2i_X509(NULL, &at, (long)der.n);
    if (!x || reencoded(x, der)) {
        X509_free(x);
        ++*only_here;
        return true;
    }
    assert_ptr_equal(at, der.p + der.n);
    same_name(X509_get_issuer_name(x), p.issuer);
    same_name(X509_get_subject_name(x), p.subject);
    same_cn(X509_get_subject_name(x), p.cn);
    same_time(X509_get0_notBefore(x), p.from);
    same_time(X509_get0_notAfter(x), p.until);
    same_facts(x, &p);
    same_rest(x, &p);
    if (has_key) {
        EVP_PKEY *theirs = X509_get0_pubkey(x);
        VD_AUTO_BUF ours = vd_buf_of(256);
        uint8_t *spki = NULL;
        int n = theirs ? i2d_PUBKEY(theirs, &spki) : 0;
        assert_ok(vd_key_to_spki(key, &ours, NULL));
        assert_true(n > 0 && vd_span_eq(vd_buf_span(&ours), vd_span_of(spki, (size_t)n)));
        OPENSSL_free(spki);
    }
    X509_free(x);
    return true;
}

struct counts {
    size_t all;
    size_t accepted;
    size_t only_here;
};

static void compare_pem(vd_jv text, struct counts *n)
{
    VD_AUTO_BUF pem = vd_buf_of(1 << 20);
    VD_AUTO(vd_cert_unref) struct vd_cert *c = NULL;
    if (!vd_jv_is(text, VD_JSON_STRING) || vd_jv_str(text, &pem, NULL).code != VD_E_OK ||
        vd_cert_parse(vd_buf_span(&pem), &c, NULL).code != VD_E_OK)
        return;
    n->all++;
    n->accepted += compare(vd_cert_der(c), &n->only_here);
}

static void compare_list(vd_jv list, struct counts *n)
{
    vd_jv_iter it = vd_jv_iter_of(list);
    while (vd_jv_next(&it))
        compare_pem(it.value, n);
}

static void certificates_of_limbo_are_read_as_openssl_reads_them(void **state)
{
    (void)state;
    struct counts n = { 0 };
    vd_buf file = vd_test_file(FILE_LIMBO);
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    const struct vd_json_limits limits = { file.n, 64, 4000000 };
    assert_ok(vd_json_parse(vd_buf_span(&file), &limits, &doc, NULL));
    vd_jv_iter it = vd_jv_iter_of(vd_jv_get(vd_json_root(doc), "testcases"));
    while (vd_jv_next(&it)) {
        compare_pem(vd_jv_get(it.value, "peer_certificate"), &n);
        compare_list(vd_jv_get(it.value, "trusted_certs"), &n);
        compare_list(vd_jv_get(it.value, "untrusted_intermediates"), &n);
    }
    assert_int_equal(n.only_here, 0);
    print_message("x509-limbo: %zu certificates, %zu of them in the profile\n", n.all, n.accepted);
    vd_buf_done(&file);
}

static struct vd_certs *genuine_chain(void)
{
    struct vd_certs *all = NULL;
    vd_buf quote = vd_test_file(FILE_QUOTE);
    const char *from = memmem(quote.p, quote.n, "-----BEGIN", 10);
    assert_non_null(from);
    vd_span pem =
        vd_span_part(vd_buf_span(&quote), (size_t)((const uint8_t *)from - quote.p), quote.n);
    pem.n = vd_span_find(pem, 0);
    assert_ok(vd_certs_parse_pem(pem, 3, &all, NULL));
    vd_buf_done(&quote);
    return all;
}

static void every_flip_is_refused_or_read_as_openssl_reads_it(void **state)
{
    (void)state;
    VD_AUTO(vd_certs_free) struct vd_certs *all = genuine_chain();
    size_t flips = 0, accepted = 0, only_here = 0;
    assert_int_equal(all->n, 3);
    for (size_t k = 0; k < all->n; k++) {
        VD_AUTO_BUF copy = vd_buf_of(8192);
        vd_buf_add(&copy, vd_cert_der(all->item[k]));
        assert_true(compare(vd_buf_span(&copy), &only_here));
        for (size_t i = 0; i < copy.n; i++)
            for (unsigned bit = 0; bit < 8; bit++, flips++) {
                copy.p[i] ^= (uint8_t)(1u << bit);
                accepted += compare(vd_buf_span(&copy), &only_here);
                copy.p[i] ^= (uint8_t)(1u << bit);
            }
    }
    print_message("genuine certificates: %zu flips, %zu accepted: %zu that OpenSSL does not read "
                  "or would write otherwise, "
                  "the others the same\n",
                  flips, accepted, only_here);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(certificates_of_limbo_are_read_as_openssl_reads_them),
        cmocka_unit_test(every_flip_is_refused_or_read_as_openssl_reads_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
