/* OpenSSL's error queue belongs to the thread, and libssl reads it: what a refused input leaves
 * there would break the next TLS connection of the thread. Nothing of ours may leave anything. */
#include "tests/unit/shared/crypto/suite.h"

#include <dirent.h>
#include <openssl/err.h>
#include <pthread.h>

#include "shared/crypto/hash.h"
#include "shared/crypto/jose.h"
#include "shared/crypto/x509.h"

static void assert_clean(const char *what, const char *file)
{
    unsigned long left = ERR_peek_error();
    if (left != 0)
        fail_msg("%s of %s leaves: %s", what, file, ERR_reason_error_string(left));
}

static void use_certificate(const struct vd_cert *c, const char *file)
{
    VD_AUTO_BUF text = vd_buf_of(1 << 16);
    vd_span ext = VD_SPAN_NONE;
    struct vd_cert *anchor = vd_cert_ref((struct vd_cert *)(uintptr_t)c);
    const struct vd_chain_opts opts = { .at = 1, .check_time = true };
    (void)(vd_cert_subject_cn(c, &text, NULL).code + vd_cert_issuer_cn(c, &text, NULL).code);
    (void)(vd_cert_ext(c, "1.2.3", &ext, NULL).code + vd_cert_has_san_dns(c, "x"));
    (void)(vd_cert_ext(c, "x", &ext, NULL).code + vd_cert_signed_pss_sha384(c));
    assert_clean("reading", file);
    (void)(vd_chain_verify(c, NULL, 0, &anchor, 1, &opts, NULL).code);
    assert_clean("the chain", file);
    vd_cert_unref(anchor);
}

static void feed(vd_span in, const char *file)
{
    VD_AUTO(vd_key_unref) struct vd_key *jwk = NULL;
    VD_AUTO(vd_key_unref) struct vd_key *pem = NULL;
    VD_AUTO(vd_key_unref) struct vd_key *spki = NULL;
    VD_AUTO(vd_cert_unref) struct vd_cert *c = NULL;
    VD_AUTO(vd_certs_free) struct vd_certs *all = NULL;
    VD_AUTO(vd_crl_unref) struct vd_crl *l = NULL;
    (void)(vd_key_from_jwk_text(in, VD_KEY_ANY, &jwk, NULL).code);
    assert_clean("the JWK reader", file);
    (void)(vd_key_from_pem(in, &pem, NULL).code);
    assert_clean("the PEM reader", file);
    (void)(vd_key_from_spki(in, &spki, NULL).code);
    assert_clean("the SPKI reader", file);
    (void)(vd_cert_parse(in, &c, NULL).code);
    assert_clean("the certificate reader", file);
    (void)(vd_certs_parse_pem(in, 8, &all, NULL).code);
    assert_clean("the bundle reader", file);
    (void)(vd_crl_parse(in, &l, NULL).code);
    assert_clean("the CRL reader", file);
    if (c)
        use_certificate(c, file);
    if (c && l)
        (void)(vd_crl_check(l, c, 0, NULL).code + vd_crl_lists(l, c));
    struct vd_key *k = jwk ? jwk : pem ? pem : spki;
    if (!k)
        return;
    VD_AUTO_BUF out = vd_buf_of(1 << 16);
    VD_AUTO_SECRET secret = { 0 };
    for (int alg = 0; alg < VD_SIG_MAX; alg++)
        (void)(vd_verify(k, (enum vd_sig)alg, in, in, NULL).code +
               vd_sign(k, (enum vd_sig)alg, in, &out, NULL).code);
    assert_clean("signing and verifying", file);
    (void)(vd_jwe_seal(k, NULL, in, &out, NULL).code +
           vd_key_to_pem_private(k, true, &secret, NULL).code);
    assert_clean("sealing and writing", file);
}

static void no_input_leaves_an_error_in_the_queue(void **state)
{
    (void)state;
    static const char *const folders[] = { "jwk", "x509", "jws", "jwe" };
    unsigned n = 0;
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        VD_AUTO_BUF dir = vd_buf_of(4096);
        vd_buf_printf(&dir, "%s/tests/fuzz/corpus/%s", VD_SOURCE_DIR, folders[i]);
        DIR *d = opendir(vd_buf_cstr(&dir));
        assert_non_null(d);
        for (struct dirent *e = readdir(d); e; e = readdir(d)) {
            if (e->d_name[0] == '.')
                continue;
            VD_AUTO_BUF path = vd_buf_of(4096);
            vd_buf_printf(&path, "tests/fuzz/corpus/%s/%s", folders[i], e->d_name);
            VD_AUTO_BUF text = vd_test_file(vd_buf_cstr(&path));
            feed(vd_buf_span(&text), e->d_name);
            feed(vd_span_part(vd_buf_span(&text), 0, text.n / 2), e->d_name);
            n += 2;
        }
        (void)closedir(d);
    }
    print_message("inputs: %u\n", n);
}

static void a_broken_jwe_leaves_no_error_in_the_queue(void **state)
{
    (void)state;
    static const enum vd_kty kinds[] = { VD_KTY_P256, VD_KTY_RSA, VD_KTY_MLKEM768 };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        VD_AUTO(vd_key_unref) struct vd_key *k = NULL;
        VD_AUTO_BUF out = vd_buf_of(1 << 16);
        vd_err err = { 0 };
        assert_ok(vd_key_generate(kinds[i], 2048, &k, &err));
        assert_ok(vd_jwe_seal(k, NULL, VD_LIT("secret"), &out, &err));
        for (size_t at = 0; at < out.n; at += 7) {
            VD_AUTO_SECRET plain = { 0 };
            uint8_t was = out.p[at];
            out.p[at] = was == 'A' ? 'B' : 'A';
            (void)(vd_jwe_open(k, vd_buf_span(&out), &plain, NULL).code);
            assert_clean("opening", "a broken JWE");
            out.p[at] = was;
        }
    }
}

/* ---- one key, many threads ---- */

struct shared_keys {
    struct vd_key *key[5];
    struct vd_cert *cert;
};

static void *work(void *arg)
{
    const struct shared_keys *s = arg;
    static const enum vd_sig algs[] = { VD_SIG_ES256, VD_SIG_ES384, VD_SIG_ES512, VD_SIG_PS256,
                                        VD_SIG_EDDSA };
    for (int round = 0; round < 8; round++) {
        for (size_t i = 0; i < 5; i++) {
            struct vd_key *k = vd_key_ref(s->key[i]);
            VD_AUTO_BUF sig = vd_buf_of(4096);
            if (vd_sign(k, algs[i], VD_LIT("m"), &sig, NULL).code != VD_E_OK ||
                vd_verify(k, algs[i], VD_LIT("m"), vd_buf_span(&sig), NULL).code != VD_E_OK)
                return arg;
            VD_AUTO_BUF jwe = vd_buf_of(4096);
            VD_AUTO_SECRET plain = { 0 };
            if (i != 4 && (vd_jwe_seal(k, NULL, VD_LIT("x"), &jwe, NULL).code != VD_E_OK ||
                           vd_jwe_open(k, vd_buf_span(&jwe), &plain, NULL).code != VD_E_OK))
                return arg;
            vd_key_unref(k);
        }
        struct vd_cert *c = vd_cert_ref(s->cert);
        const struct vd_chain_opts opts = { .at = 1780272000, .check_time = true, .partial = true };
        if (vd_chain_verify(c, NULL, 0, &c, 1, &opts, NULL).code != VD_E_OK)
            return arg;
        vd_cert_unref(c);
    }
    return NULL;
}

static void threads_share_keys_and_certificates(void **state)
{
    (void)state;
    struct shared_keys s = { 0 };
    vd_err err = { 0 };
    for (size_t i = 0; i < 5; i++)
        assert_ok(vd_key_generate((enum vd_kty)i, 2048, &s.key[i], &err));
    VD_AUTO_BUF der = vd_test_file("tests/vectors/x509/leaf.der");
    assert_ok(vd_cert_parse(vd_buf_span(&der), &s.cert, &err));
    pthread_t t[4];
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&t[i], NULL, work, &s), 0);
    for (size_t i = 0; i < 4; i++) {
        void *failed = NULL;
        assert_int_equal(pthread_join(t[i], &failed), 0);
        assert_null(failed);
    }
    for (size_t i = 0; i < 5; i++)
        vd_key_unref(s.key[i]);
    vd_cert_unref(s.cert);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_input_leaves_an_error_in_the_queue),
        cmocka_unit_test(a_broken_jwe_leaves_no_error_in_the_queue),
        cmocka_unit_test(threads_share_keys_and_certificates),
    };
    if (vd_base_init(NULL).code != VD_E_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
