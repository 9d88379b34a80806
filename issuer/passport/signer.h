/* The key that signs passports: algorithm, key id, public JWK (with x5c when a certificate is
 * configured), and one function that signs. Today the key is in this process; another form (socket,
 * PKCS#11) fills the same struct. */
#pragma once

#include "shared/base/auto.h"
#include "shared/crypto/jose.h"
#include "shared/crypto/key.h"

struct iss_signer {
    _Atomic unsigned refs;
    enum vd_sig alg;
    struct vd_key *key; /* at least the public half */
    char kid[44];       /* RFC 7638 thumbprint */
    vd_buf jwk;         /* {"alg",["x5c",]"kty",...}: the header's `jwk` */
    vd_buf header;      /* the JOSE header of every passport */
    vd_sign_fn sign;    /* thread safe */
    void *ctx;
    void (*close)(void *ctx); /* of another form; NULL: nothing to close */
};

struct iss_signer_cfg {
    const char *alg; /* "ES256", "ES384", "EdDSA" */
    const char *key_file;
    const char *cert_file; /* PEM chain, leaf first; NULL: none */
};
/* `init`: a fresh key for the algorithm in a private PEM file. VD_E_EXISTS. */
vd_rc iss_signer_create(const struct iss_signer_cfg *cfg, vd_err *err);
/* VD_E_CONFIG: the file is missing, of another key type, or the certificate is another key's; the
 * message names the file and the cure. */
vd_rc iss_signer_open(const struct iss_signer_cfg *cfg, struct iss_signer **ret, vd_err *err);
/* The same checks, without a certificate: the private key of a file that fits the algorithm. */
vd_rc iss_signer_key(const struct iss_signer_cfg *cfg, struct vd_key **ret, vd_err *err);
/* The PEM chain of passport.cert_file, or nothing when path is NULL. VD_E_CONFIG. */
vd_rc iss_signer_cert(const char *path, vd_buf *ret, vd_err *err);
/* A fresh key for the algorithm of that name. */
vd_rc iss_signer_generate(const char *alg, struct vd_key **ret, enum vd_sig *ret_alg, vd_err *err);
/* The algorithm that a key signs with here. VD_E_CONFIG: none. */
vd_rc iss_signer_alg(const struct vd_key *key, enum vd_sig *ret, vd_err *err);
/* Takes a reference of the key (tests, the key ring). */
vd_rc iss_signer_of(struct vd_key *key, enum vd_sig alg, vd_span cert_pem, struct iss_signer **ret,
                    vd_err *err);
struct iss_signer *iss_signer_ref(struct iss_signer *s);
void iss_signer_free(struct iss_signer *s); /* gives a reference back */
VD_DEFINE_CLEANUP(struct iss_signer, iss_signer_free)

/* {"keys":[...]}: the public keys of the signers, each with kid and use. */
vd_rc iss_jwks(const struct iss_signer *const *signers, size_t n, vd_buf *out, vd_err *err);
/* One element of that list from a signer's `jwk` text. `use`: value of vidimus_use, NULL: a key of
 * passports. */
void iss_jwks_item(vd_span jwk, const char *kid, const char *use, vd_buf *out);
