/* The inside of struct vd_key, for the files of this room. */
#pragma once

#include <stdatomic.h>

#include "shared/crypto/key.h"
#include "shared/crypto/ossl_priv.h"

struct vdr_ec_key;
struct vdr_mlkem_key;

enum {
    VD_EC_WIDTH_MAX = 66, /* bytes of a P-521 coordinate */
    VD_EC_POINT_MAX = 1 + 2 * VD_EC_WIDTH_MAX,
    VD_ED25519_PUB = 32,
    VD_ED25519_SECRET = 64, /* libsodium: seed | public key */
    VD_MLKEM768_PUB = 1184,
    VD_MLKEM768_CT = 1088,
    VD_RSA_BITS_MIN = 2048,
    VD_RSA_BITS_MAX = 4096,
    VD_RSA_BYTES_MAX = VD_RSA_BITS_MAX / 8,
};

enum vd_key_sigs {
    VD_SIGS_FITTING, /* every algorithm of the key's type */
    VD_SIGS_ONE,     /* the algorithm in only_sig */
    VD_SIGS_NONE,    /* the JWK said that it is for encryption */
};

struct vd_key {
    atomic_uint refs;
    enum vd_kty kty;
    bool is_private;
    unsigned bits;
    enum vd_key_sigs sigs;
    enum vd_sig only_sig;
    bool may_encrypt;
    struct vdr_ec_key *ec;     /* private EC */
    struct vdr_mlkem_key *kem; /* private ML-KEM */
    vd_secret ed;              /* private Ed25519 */
    EVP_PKEY *rsa;             /* public or private RSA */
    size_t rsa_n;              /* RSA: bytes of the modulus; the exponent follows it in pub */
    size_t pub_n;
    uint8_t pub[]; /* EC 04|x|y; Ed25519 and ML-KEM raw; RSA n|e, both minimal */
};

/* What is known of a curve; index is the vd_kty. */
struct vd_curve {
    const char *crv; /* JWK and OpenSSL ("P-256") */
    int rust;        /* enum vdr_curve */
    size_t width;    /* bytes of a coordinate */
    unsigned bits;
    enum vd_hash hash; /* of its ESxxx */
    vd_span spki;      /* DER before the point */
};
/* NULL for other types. */
const struct vd_curve *vd_curve_of(enum vd_kty kty);

static inline vd_span vd_key_pub(const struct vd_key *k)
{
    return (vd_span){ k->pub, k->pub_n };
}
static inline vd_span vd_key_rsa_n(const struct vd_key *k)
{
    return (vd_span){ k->pub, k->rsa_n };
}
static inline vd_span vd_key_rsa_e(const struct vd_key *k)
{
    return (vd_span){ k->pub + k->rsa_n, k->pub_n - k->rsa_n };
}

/* An object with one reference and the public bytes; the caller adds the rest. */
vd_rc vd_key_alloc(enum vd_kty kty, vd_span pub, vd_span more, struct vd_key **ret, vd_err *err);
/* Ed25519 and ML-KEM public bytes (checked). */
vd_rc vd_key_from_raw(enum vd_kty kty, vd_span pub, struct vd_key **ret, vd_err *err);
/* Ed25519 pair from its 32-byte seed. */
vd_rc vd_key_from_seed(vd_span seed, struct vd_key **ret, vd_err *err);

/* The type of key that an algorithm needs. */
enum vd_kty vd_sig_kty(enum vd_sig alg);

/* rsa.c */
struct vd_rsa_parts {
    vd_span n, e;
    vd_span d, p, q, dp, dq, qi; /* empty: public key; p..qi all or none */
};
vd_rc vd_rsa_from_parts(const struct vd_rsa_parts *in, struct vd_key **ret, vd_err *err);
/* Takes a reference of its own. */
vd_rc vd_rsa_from_pkey(EVP_PKEY *pkey, bool is_private, struct vd_key **ret, vd_err *err);
vd_rc vd_rsa_generate(unsigned bits, struct vd_key **ret, vd_err *err);
vd_rc vd_rsa_sign(const struct vd_key *k, enum vd_hash hash, bool pss, vd_span in, vd_buf *out,
                  vd_err *err);
vd_rc vd_rsa_verify(const struct vd_key *k, enum vd_hash hash, bool pss, vd_span in, vd_span sig,
                    vd_err *err);
/* out has room for VD_RSA_BYTES_MAX bytes. oaep: SHA-256 for hash and MGF1; else PKCS#1 v1.5. */
vd_rc vd_rsa_encrypt(const struct vd_key *k, bool oaep, vd_span in, uint8_t *out, size_t *ret_n,
                     vd_err *err);
vd_rc vd_rsa_decrypt_oaep(const struct vd_key *k, vd_span in, uint8_t *out, size_t *ret_n,
                          vd_err *err);

/* rsa_spki.c */
vd_rc vd_rsa_from_spki(vd_span der, struct vd_key **ret, vd_err *err);
void vd_rsa_to_spki(const struct vd_key *k, vd_buf *out);

/* AWS-LC's answer as ours: VD_OK, or `bad` for a malformed or refused input. */
vd_rc vd_rust_rc(int rc, vd_code bad, const char *what, vd_err *err);
