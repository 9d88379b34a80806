/* The throw-away PKI and its folder; see simtdx.h. A folder is made under another name and renamed,
 * so that tests that start together do not disturb one another. */
#include <errno.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <string.h>
#include <sys/stat.h>

#include "shared/base/slurp.h"
#include "tests/support/simtdx/priv.h"

static const char *const key_file[SIMTDX_KEYS_MAX] = { "root.key",      "platform.key",
                                                       "processor.key", "signer.key",
                                                       "pck.key",       "attestation.key",
                                                       "stranger.key" };
static const char *const cert_file[SIMTDX_CERTS_MAX] = { "root.pem", "platform.pem",
                                                         "processor.pem", "signer.pem" };

void simtdx_must(bool ok, const char *what)
{
    if (ok)
        return;
    (void)fprintf(stderr, "simtdx: %s failed\n", what);
    exit(1);
}

void simtdx_path(char to[SIMTDX_PATH], const char *dir, const char *name)
{
    int n = snprintf(to, SIMTDX_PATH, "%s/%s", dir, name);
    simtdx_must(n > 0 && n < SIMTDX_PATH, "a path that is too long");
}

void simtdx_write(const char *path, vd_span bytes)
{
    char other[SIMTDX_PATH + 16];
    (void)snprintf(other, sizeof other, "%s.XXXXXX", path);
    int fd = mkstemp(other);
    FILE *f = fd >= 0 ? fdopen(fd, "wb") : NULL;
    simtdx_must(f && fwrite(bytes.p, 1, bytes.n, f) == bytes.n && fclose(f) == 0 &&
                    rename(other, path) == 0,
                path);
}

bool simtdx_read(const char *path, vd_buf *out)
{
    return vd_file_read(path, 1u << 20, out, NULL, NULL).code == VD_E_OK;
}

void simtdx_hex_text(vd_span in, bool upper, vd_buf *out)
{
    static const char digit[2][17] = { "0123456789abcdef", "0123456789ABCDEF" };
    for (size_t i = 0; i < in.n; i++) {
        vd_buf_u8(out, (uint8_t)digit[upper][in.p[i] >> 4]);
        vd_buf_u8(out, (uint8_t)digit[upper][in.p[i] & 15]);
    }
}

static EVP_PKEY *read_key(const char *dir, enum simtdx_key which)
{
    char path[SIMTDX_PATH];
    simtdx_path(path, dir, key_file[which]);
    FILE *f = fopen(path, "r");
    simtdx_must(f != NULL, "opening a key");
    EVP_PKEY *key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
    (void)fclose(f);
    simtdx_must(key != NULL, "reading a key");
    return key;
}

static void make_folder(const char *dir)
{
    EVP_PKEY *key[SIMTDX_KEYS_MAX];
    char path[SIMTDX_PATH];
    for (size_t i = 0; i < SIMTDX_KEYS_MAX; i++) {
        key[i] = EVP_EC_gen("P-256");
        simtdx_path(path, dir, key_file[i]);
        FILE *f = fopen(path, "wx");
        simtdx_must(key[i] && f && PEM_write_PrivateKey(f, key[i], NULL, NULL, 0, NULL, NULL) == 1,
                    "writing a key");
        simtdx_must(fclose(f) == 0, "writing a key");
    }
    X509 *root = NULL;
    for (size_t i = 0; i < SIMTDX_CERTS_MAX; i++) {
        X509 *x = simtdx_cert_make((enum simtdx_key)i, key[i], root, key[SIMTDX_ROOT]);
        VD_AUTO_BUF pem = vd_buf_of(65536);
        simtdx_x509_pem(x, &pem);
        simtdx_path(path, dir, cert_file[i]);
        simtdx_write(path, vd_buf_span(&pem));
        if (i == SIMTDX_ROOT)
            root = x;
        else
            X509_free(x);
    }
    X509_free(root);
    for (size_t i = 0; i < SIMTDX_KEYS_MAX; i++)
        EVP_PKEY_free(key[i]);
}

static void remove_folder(const char *dir)
{
    char path[SIMTDX_PATH];
    for (size_t i = 0; i < SIMTDX_KEYS_MAX; i++) {
        simtdx_path(path, dir, key_file[i]);
        (void)unlink(path);
    }
    for (size_t i = 0; i < SIMTDX_CERTS_MAX; i++) {
        simtdx_path(path, dir, cert_file[i]);
        (void)unlink(path);
    }
    (void)rmdir(dir);
}

static void make_parents(const char *dir)
{
    char path[SIMTDX_PATH];
    simtdx_path(path, dir, "");
    for (char *at = path + 1; *at; at++)
        if (*at == '/' && at[1]) {
            *at = '\0';
            if (strcmp(path, dir) != 0)
                (void)mkdir(path, 0700);
            *at = '/';
        }
}

static void ensure_folder(const char *dir)
{
    char path[SIMTDX_PATH];
    struct stat st;
    simtdx_path(path, dir, cert_file[SIMTDX_ROOT]);
    if (stat(path, &st) == 0)
        return;
    make_parents(dir);
    int n = snprintf(path, sizeof path, "%s.XXXXXX", dir);
    simtdx_must(n > 0 && n < SIMTDX_PATH && mkdtemp(path) != NULL, "making a folder");
    make_folder(path);
    (void)rmdir(dir); /* an empty one may be there */
    if (rename(path, dir) != 0) {
        simtdx_must(errno == EEXIST || errno == ENOTEMPTY, "naming the folder");
        remove_folder(path); /* somebody else was faster */
    }
}

struct simtdx_pki *simtdx_pki_load(const char *dir)
{
    ensure_folder(dir);
    struct simtdx_pki *p = calloc(1, sizeof *p);
    simtdx_must(p && strlen(dir) < sizeof p->dir, "memory");
    memcpy(p->dir, dir, strlen(dir));
    simtdx_path(p->root, dir, cert_file[SIMTDX_ROOT]);
    for (size_t i = 0; i < SIMTDX_KEYS_MAX; i++)
        p->key[i] = read_key(dir, (enum simtdx_key)i);
    for (size_t i = 0; i < SIMTDX_CERTS_MAX; i++) {
        char path[SIMTDX_PATH];
        VD_AUTO_BUF pem = vd_buf_of(65536);
        simtdx_path(path, dir, cert_file[i]);
        simtdx_must(simtdx_read(path, &pem), "reading a certificate");
        simtdx_x509_read(vd_buf_span(&pem), &p->cert[i]);
    }
    return p;
}

void simtdx_pki_free(struct simtdx_pki *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < SIMTDX_KEYS_MAX; i++)
        EVP_PKEY_free(p->key[i]);
    for (size_t i = 0; i < SIMTDX_CERTS_MAX; i++)
        X509_free(p->cert[i]);
    free(p);
}

const char *simtdx_pki_root(const struct simtdx_pki *p)
{
    return p->root;
}

void simtdx_sign(const struct simtdx_pki *p, enum simtdx_key key, vd_span bytes, uint8_t ret[64])
{
    uint8_t der[80];
    size_t n = sizeof der;
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    simtdx_must(md && EVP_DigestSignInit(md, NULL, EVP_sha256(), NULL, p->key[key]) == 1 &&
                    EVP_DigestSign(md, der, &n, bytes.p, bytes.n) == 1,
                "signing");
    EVP_MD_CTX_free(md);
    const uint8_t *at = der;
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &at, (long)n);
    simtdx_must(sig != NULL, "reading a signature");
    simtdx_must(BN_bn2binpad(ECDSA_SIG_get0_r(sig), ret, 32) == 32 &&
                    BN_bn2binpad(ECDSA_SIG_get0_s(sig), ret + 32, 32) == 32,
                "writing a signature");
    ECDSA_SIG_free(sig);
}

void simtdx_point(EVP_PKEY *key, uint8_t ret[64])
{
    uint8_t point[65];
    size_t n = 0;
    simtdx_must(EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point,
                                                &n) == 1 &&
                    n == sizeof point && point[0] == 4,
                "writing a public key");
    memcpy(ret, point + 1, 64);
}

void simtdx_sha384(vd_span bytes, uint8_t ret[48])
{
    unsigned n = 0;
    simtdx_must(EVP_Digest(bytes.p, bytes.n, ret, &n, EVP_sha384(), NULL) == 1 && n == 48,
                "hashing");
}
