/* OpenSSL inside this room: ownership of its types, and the algorithms that are fetched once per
 * process. Nothing here leaves shared/crypto. */
#pragma once

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "shared/base/auto.h"
#include "shared/crypto/hash.h"

VD_DEFINE_CLEANUP(BIO, BIO_free_all)
VD_DEFINE_CLEANUP(BIGNUM, BN_clear_free)
VD_DEFINE_CLEANUP(EVP_PKEY, EVP_PKEY_free)
VD_DEFINE_CLEANUP(EVP_PKEY_CTX, EVP_PKEY_CTX_free)
VD_DEFINE_CLEANUP(EVP_MD_CTX, EVP_MD_CTX_free)
VD_DEFINE_CLEANUP(EVP_CIPHER_CTX, EVP_CIPHER_CTX_free)
VD_DEFINE_CLEANUP(EVP_MAC_CTX, EVP_MAC_CTX_free)
VD_DEFINE_CLEANUP(OSSL_PARAM_BLD, OSSL_PARAM_BLD_free)
VD_DEFINE_CLEANUP(OSSL_PARAM, OSSL_PARAM_free)
VD_DEFINE_CLEANUP(X509, X509_free)
VD_DEFINE_CLEANUP(X509_STORE, X509_STORE_free)
VD_DEFINE_CLEANUP(X509_STORE_CTX, X509_STORE_CTX_free)
VD_DEFINE_CLEANUP(X509_CRL, X509_CRL_free)
VD_DEFINE_CLEANUP(PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free)
VD_DEFINE_CLEANUP(ASN1_OBJECT, ASN1_OBJECT_free)
VD_DEFINE_CLEANUP(ASN1_TIME, ASN1_TIME_free)

struct vd_algs {
    EVP_MD *md[VD_HASH_MAX]; /* NULL: this build of OpenSSL lacks it */
    EVP_CIPHER *aes256gcm;
    EVP_CIPHER *aes256wrap;
    EVP_CIPHER *aes192wrap;
    EVP_MAC *hmac;
    EVP_MAC *kmac256;
};

/* Fetched on the first call and kept for the life of the process. */
const struct vd_algs *vd_algs(void);

/* vd_fail with OpenSSL's last reason appended. Empties OpenSSL's error queue of this thread: a
 * stale entry there would be taken for a TLS failure of the next connection that the thread serves.
 */
vd_rc vd_ossl_fail(vd_err *err, vd_code code, const char *what);
/* The queue only, where a failure is expected and handled. */
void vd_ossl_forget(void);
