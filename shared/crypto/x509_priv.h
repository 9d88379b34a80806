/* The inside of certificates, for the files of this room. */
#pragma once

#include <openssl/err.h>
#include <stdatomic.h>

#include "shared/crypto/ossl_priv.h"
#include "shared/crypto/x509.h"

struct vd_cert {
    atomic_uint refs;
    X509 *x;
    struct vd_key *key; /* NULL: a type that we do not use */
    int64_t not_before;
    int64_t not_after;
    uint8_t sha256[32];
    size_t der_n;
    uint8_t der[];
};

struct vd_crl {
    atomic_uint refs;
    X509_CRL *x;
    int64_t this_update;
    int64_t next_update;
};

/* Unix seconds. VD_E_SYNTAX. */
vd_rc vd_asn1_time(const ASN1_TIME *t, int64_t *ret, vd_err *err);
