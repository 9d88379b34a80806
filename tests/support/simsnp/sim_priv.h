/* Keys and certificates behind struct sim_pki. */
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "tests/support/simsnp/simsnp.h"

enum sim_ca { SIM_ARK, SIM_ASK, SIM_ASVK, SIM_CA_MAX };
struct sim_pki {
    enum sim_line line;
    char roots[4096];
    EVP_PKEY *ca_key[SIM_CA_MAX];
    X509 *ca[SIM_CA_MAX];
    EVP_PKEY *vcek;
    EVP_PKEY *vlek;
};
/* Ends the process when `ok` is false: the throw-away PKI must work. */
void sim_must(bool ok, const char *what);
/* A CA certificate of the line; issuer NULL: self-signed. */
X509 *sim_ca_make(enum sim_line line, enum sim_ca which, EVP_PKEY *key, X509 *issuer,
                  EVP_PKEY *issuer_key);
