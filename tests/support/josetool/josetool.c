/* Our JOSE on the command line, so that other implementations can be held against it. For tests
 * only: it prints private keys. KEY is a file in PEM or JWK. Exit 0 done, 1 refused, 2 wrong use.
 */
#include <stdio.h>
#include <string.h>

#include "shared/crypto/jose.h"

enum { INPUT_MAX = 16 << 20 };

static const char usage[] =
    "usage: josetool keygen P-256|P-384|P-521|Ed25519|RSA[:BITS] [pkcs1]\n"
    "       josetool jwk KEY [ALG] | pem KEY | thumbprint KEY\n"
    "       josetool sign ALG KEY [HEADER]     payload on stdin\n"
    "       josetool verify ALG KEY            token on stdin, payload on stdout\n"
    "       josetool seal KEY [RSA1_5]         plaintext on stdin\n"
    "       josetool open KEY                  flattened or compact JWE on stdin\n";

static vd_rc read_all(FILE *f, vd_buf *out, vd_err *err)
{
    for (;;) {
        uint8_t *at = vd_buf_reserve(out, 65536);
        if (!at)
            return vd_buf_check(out, err);
        size_t n = fread(at, 1, 65536, f);
        out->n += n;
        if (n == 0)
            return VD_OK;
    }
}

static vd_rc read_key(const char *path, struct vd_key **ret, vd_err *err)
{
    VD_AUTO(fclose) FILE *f = fopen(path, "rb");
    if (!f)
        return vd_fail(err, VD_E_FILE, "%s cannot be read", path);
    VD_AUTO_BUF_WIPED text = vd_buf_of(1 << 20);
    VD_TRY(read_all(f, &text, err));
    if (text.n && text.p[0] == '{')
        return vd_key_from_jwk_text(vd_buf_span(&text), VD_KEY_ANY, ret, err);
    return vd_key_from_pem(vd_buf_span(&text), ret, err);
}

static vd_rc put(vd_span s, vd_err *err)
{
    return fwrite(s.p, 1, s.n, stdout) == s.n ? VD_OK : vd_fail(err, VD_E_FILE, "stdout");
}

static vd_rc run_keygen(int argc, char **argv, vd_err *err)
{
    static const struct {
        const char *name;
        enum vd_kty kty;
        unsigned bits;
    } kinds[] = { { "P-256", VD_KTY_P256, 0 },     { "P-384", VD_KTY_P384, 0 },
                  { "P-521", VD_KTY_P521, 0 },     { "Ed25519", VD_KTY_ED25519, 0 },
                  { "RSA", VD_KTY_RSA, 2048 },     { "RSA:3072", VD_KTY_RSA, 3072 },
                  { "RSA:4096", VD_KTY_RSA, 4096 } };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(argv[2], kinds[i].name) != 0)
            continue;
        VD_AUTO(vd_key_unref) struct vd_key *k = NULL;
        VD_AUTO_SECRET pem = { 0 };
        VD_TRY(vd_key_generate(kinds[i].kty, kinds[i].bits, &k, err));
        VD_TRY(vd_key_to_pem_private(k, argc > 3, &pem, err));
        return put(vd_secret_span(&pem), err);
    }
    return vd_fail(err, VD_E_CONFIG, "%s", usage);
}

static vd_rc run_show(int argc, char **argv, vd_err *err)
{
    VD_AUTO(vd_key_unref) struct vd_key *k = NULL;
    VD_AUTO_BUF out = vd_buf_of(1 << 16);
    VD_TRY(read_key(argv[2], &k, err));
    if (strcmp(argv[1], "pem") == 0) {
        VD_TRY(vd_key_to_pem_public(k, &out, err));
    } else if (strcmp(argv[1], "jwk") == 0) {
        VD_TRY(vd_key_to_jwk(k, argc > 3 ? argv[3] : NULL, &out, err));
    } else {
        char print[44];
        VD_TRY(vd_key_thumbprint(k, print, err));
        vd_buf_str(&out, print);
    }
    return put(vd_buf_span(&out), err);
}

static vd_rc run_sign(int argc, char **argv, vd_span in, vd_err *err)
{
    enum vd_sig alg = VD_SIG_MAX;
    VD_AUTO(vd_key_unref) struct vd_key *k = NULL;
    VD_AUTO_BUF header = vd_buf_of(1 << 16);
    VD_AUTO_BUF out = vd_buf_of(2 * INPUT_MAX);
    VD_TRY(vd_jws_alg_by_name(vd_span_str(argv[2]), &alg, err));
    VD_TRY(read_key(argv[3], &k, err));
    if (argc > 4)
        vd_buf_str(&header, argv[4]);
    else
        vd_buf_printf(&header, "{\"alg\":\"%s\",\"typ\":\"JWT\"}", argv[2]);
    VD_TRY(vd_jws_sign_key(vd_buf_span(&header), in, k, alg, &out, err));
    return put(vd_buf_span(&out), err);
}

static vd_rc run_verify(char **argv, vd_span in, vd_err *err)
{
    enum vd_sig alg = VD_SIG_MAX;
    VD_AUTO(vd_key_unref) struct vd_key *k = NULL;
    VD_AUTO(vd_jws_free) struct vd_jws *j = NULL;
    VD_TRY(vd_jws_alg_by_name(vd_span_str(argv[2]), &alg, err));
    VD_TRY(read_key(argv[3], &k, err));
    VD_TRY(vd_jws_parse(in, INPUT_MAX, &j, err));
    VD_TRY(vd_jws_verify(j, k, alg, err));
    return put(vd_buf_span(&j->payload), err);
}

static vd_rc run_seal(int argc, char **argv, vd_span in, vd_err *err)
{
    const struct vd_jwe_opts opts = { .rsa1_5 = argc > 3 };
    VD_AUTO(vd_key_unref) struct vd_key *k = NULL;
    VD_AUTO_BUF out = vd_buf_of(2 * INPUT_MAX);
    VD_TRY(read_key(argv[2], &k, err));
    VD_TRY(vd_jwe_seal(k, &opts, in, &out, err));
    return put(vd_buf_span(&out), err);
}

static vd_rc run_open(char **argv, vd_span in, vd_err *err)
{
    VD_AUTO(vd_key_unref) struct vd_key *k = NULL;
    VD_AUTO_SECRET plain = { 0 };
    VD_TRY(read_key(argv[2], &k, err));
    if (in.n && in.p[0] == '{')
        VD_TRY(vd_jwe_open(k, in, &plain, err));
    else
        VD_TRY(vd_jwe_open_compact(k, in, &plain, err));
    return put(vd_secret_span(&plain), err);
}

static vd_rc run(int argc, char **argv, vd_err *err)
{
    VD_TRY(vd_base_init(err));
    const char *verb = argc > 2 ? argv[1] : "";
    if (strcmp(verb, "keygen") == 0)
        return run_keygen(argc, argv, err);
    if (strcmp(verb, "jwk") == 0 || strcmp(verb, "pem") == 0 || strcmp(verb, "thumbprint") == 0)
        return run_show(argc, argv, err);
    VD_AUTO_BUF in = vd_buf_of(INPUT_MAX);
    VD_TRY(read_all(stdin, &in, err));
    if (strcmp(verb, "sign") == 0 && argc > 3)
        return run_sign(argc, argv, vd_buf_span(&in), err);
    if (strcmp(verb, "verify") == 0 && argc > 3)
        return run_verify(argv, vd_buf_span(&in), err);
    if (strcmp(verb, "seal") == 0)
        return run_seal(argc, argv, vd_buf_span(&in), err);
    if (strcmp(verb, "open") == 0)
        return run_open(argv, vd_buf_span(&in), err);
    return vd_fail(err, VD_E_CONFIG, "%s", usage);
}

int main(int argc, char **argv)
{
    vd_err err = { 0 };
    vd_rc_ rc = run(argc, argv, &err);
    if (rc.code == VD_E_OK)
        return 0;
    (void)fprintf(stderr, "josetool: %s\n", err.msg);
    return rc.code == VD_E_CONFIG ? 2 : 1;
}
