/* Keys and certificates behind struct simtdx_pki. */
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "tests/support/simtdx/simtdx.h"

enum { SIMTDX_PATH = 4096 };
struct simtdx_pki {
    char dir[SIMTDX_PATH];
    char root[SIMTDX_PATH];
    EVP_PKEY *key[SIMTDX_KEYS_MAX];
    X509 *cert[SIMTDX_CERTS_MAX];
};
/* Ends the process when `ok` is false: the throw-away PKI must work. */
void simtdx_must(bool ok, const char *what);
void simtdx_path(char to[SIMTDX_PATH], const char *dir, const char *name);
/* Written under another name, then renamed: programs that start together do not disturb one
 * another. */
void simtdx_write(const char *path, vd_span bytes);
/* False: there is none. */
bool simtdx_read(const char *path, vd_buf *out);
void simtdx_hex_text(vd_span in, bool upper, vd_buf *out);
/* A CA or signer certificate; issuer NULL: self-signed. */
X509 *simtdx_cert_make(enum simtdx_key which, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key);
void simtdx_x509_pem(X509 *x, vd_buf *pem);
void simtdx_x509_read(vd_span pem, X509 **ret);
/* Little helpers for certificates, shared by pck.c and cert.c. */
void simtdx_set_name(X509_NAME *name, const char *cn);
void simtdx_set_times(X509 *x, int64_t from, int64_t until);
void simtdx_add_ext(X509 *x, X509 *issuer, int nid, const char *value);
/* The raw public point X || Y. */
void simtdx_point(EVP_PKEY *key, uint8_t ret[64]);
