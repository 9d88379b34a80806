/* The throw-away PKI and its folder; see simsnp.h. A folder is made under another name and renamed,
 * so that tests that start together do not disturb one another. */
#include <errno.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/support/simsnp/sim_priv.h"

static const char *const key_file[] = { "ark.key", "ask.key", "asvk.key", "vcek.key", "vlek.key" };

void sim_must(bool ok, const char *what)
{
    if (ok)
        return;
    (void)fprintf(stderr, "simsnp: %s failed\n", what);
    exit(1);
}

static void path_of(char *to, size_t room, const char *dir, const char *name)
{
    int n = snprintf(to, room, "%s/%s", dir, name);
    sim_must(n > 0 && (size_t)n < room, "a path that is too long");
}

static void write_key(const char *dir, const char *name, EVP_PKEY *key)
{
    char path[4096];
    path_of(path, sizeof path, dir, name);
    FILE *f = fopen(path, "wx");
    sim_must(f && PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) == 1, "writing a key");
    sim_must(fclose(f) == 0, "writing a key");
}

static EVP_PKEY *read_key(const char *dir, const char *name)
{
    char path[4096];
    path_of(path, sizeof path, dir, name);
    FILE *f = fopen(path, "r");
    sim_must(f != NULL, "opening a key");
    EVP_PKEY *key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
    (void)fclose(f);
    sim_must(key != NULL, "reading a key");
    return key;
}

static void make_folder(const char *dir, enum sim_line line)
{
    EVP_PKEY *key[5];
    for (size_t i = 0; i < 5; i++) {
        key[i] = i < SIM_CA_MAX ? EVP_RSA_gen(4096) : EVP_EC_gen("P-384");
        sim_must(key[i] != NULL, "making a key");
        write_key(dir, key_file[i], key[i]);
    }
    X509 *ark = sim_ca_make(line, SIM_ARK, key[SIM_ARK], NULL, key[SIM_ARK]);
    X509 *ask = sim_ca_make(line, SIM_ASK, key[SIM_ASK], ark, key[SIM_ARK]);
    X509 *asvk = sim_ca_make(line, SIM_ASVK, key[SIM_ASVK], ark, key[SIM_ARK]);
    char path[4096];
    path_of(path, sizeof path, dir, "roots.pem");
    FILE *f = fopen(path, "wx");
    sim_must(f && PEM_write_X509(f, ark) == 1 && PEM_write_X509(f, ask) == 1 &&
                 PEM_write_X509(f, asvk) == 1,
             "writing the roots");
    sim_must(fclose(f) == 0, "writing the roots");
    X509_free(ark);
    X509_free(ask);
    X509_free(asvk);
    for (size_t i = 0; i < 5; i++)
        EVP_PKEY_free(key[i]);
}

static void remove_folder(const char *dir)
{
    char path[4096];
    for (size_t i = 0; i < 5; i++) {
        path_of(path, sizeof path, dir, key_file[i]);
        (void)unlink(path);
    }
    path_of(path, sizeof path, dir, "roots.pem");
    (void)unlink(path);
    (void)rmdir(dir);
}

static void make_parents(const char *dir)
{
    char path[4096];
    path_of(path, sizeof path, dir, "");
    for (char *at = path + 1; *at; at++)
        if (*at == '/' && at[1]) {
            *at = '\0';
            if (strcmp(path, dir) != 0)
                (void)mkdir(path, 0700);
            *at = '/';
        }
}

static void ensure_folder(const char *dir, enum sim_line line)
{
    char path[4096];
    struct stat st;
    path_of(path, sizeof path, dir, "roots.pem");
    if (stat(path, &st) == 0)
        return;
    make_parents(dir);
    int n = snprintf(path, sizeof path, "%s.XXXXXX", dir);
    sim_must(n > 0 && (size_t)n < sizeof path && mkdtemp(path) != NULL, "making a folder");
    make_folder(path, line);
    (void)rmdir(dir); /* an empty one may be there */
    if (rename(path, dir) != 0) {
        sim_must(errno == EEXIST || errno == ENOTEMPTY, "naming the folder");
        remove_folder(path); /* somebody else was faster */
    }
}

struct sim_pki *sim_pki_load(const char *dir, enum sim_line line)
{
    ensure_folder(dir, line);
    struct sim_pki *p = calloc(1, sizeof *p);
    sim_must(p != NULL, "memory");
    p->line = line;
    path_of(p->roots, sizeof p->roots, dir, "roots.pem");
    for (size_t i = 0; i < SIM_CA_MAX; i++)
        p->ca_key[i] = read_key(dir, key_file[i]);
    p->vcek = read_key(dir, key_file[3]);
    p->vlek = read_key(dir, key_file[4]);
    FILE *f = fopen(p->roots, "r");
    sim_must(f != NULL, "opening the roots");
    for (size_t i = 0; i < SIM_CA_MAX; i++) {
        p->ca[i] = PEM_read_X509(f, NULL, NULL, NULL);
        sim_must(p->ca[i] != NULL, "reading the roots");
    }
    (void)fclose(f);
    char name[128] = "";
    (void)X509_NAME_get_text_by_NID(X509_get_subject_name(p->ca[SIM_ARK]), NID_commonName, name,
                                    sizeof name);
    sim_must(strstr(name, sim_line_name(line)) != NULL, "using a folder of another line");
    return p;
}

void sim_pki_free(struct sim_pki *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < SIM_CA_MAX; i++) {
        EVP_PKEY_free(p->ca_key[i]);
        X509_free(p->ca[i]);
    }
    EVP_PKEY_free(p->vcek);
    EVP_PKEY_free(p->vlek);
    free(p);
}

enum sim_line sim_pki_line(const struct sim_pki *p)
{
    return p->line;
}

const char *sim_pki_roots(const struct sim_pki *p)
{
    return p->roots;
}

void sim_report_sign(const struct sim_pki *p, bool vlek, uint8_t report[SIM_REPORT])
{
    uint8_t der[160];
    size_t n = sizeof der;
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    sim_must(md &&
                 EVP_DigestSignInit(md, NULL, EVP_sha384(), NULL, vlek ? p->vlek : p->vcek) == 1 &&
                 EVP_DigestSign(md, der, &n, report, SIM_SIGNED) == 1,
             "signing a report");
    EVP_MD_CTX_free(md);
    const uint8_t *at = der;
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &at, (long)n);
    sim_must(sig != NULL, "reading a signature");
    memset(report + 0x2a0, 0, 512);
    sim_must(BN_bn2lebinpad(ECDSA_SIG_get0_r(sig), report + 0x2a0, 72) == 72 &&
                 BN_bn2lebinpad(ECDSA_SIG_get0_s(sig), report + 0x2e8, 72) == 72,
             "writing a signature");
    ECDSA_SIG_free(sig);
}
