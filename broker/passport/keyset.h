/* The public keys of one issuer: a JWK set (RFC 7517), parsed once, looked up by kid or thumbprint
 * within this issuer only. Immutable, reference counted. */
#pragma once

#include "shared/codec/json.h"
#include "shared/crypto/key.h"

enum { BRK_KID_MAX = 128, BRK_KEYS_PER_SET = 64, BRK_JWKS_BYTES = 1 << 20 };

struct brk_jwk {
    struct vd_key *key;
    char thumbprint[44];
    char kid[BRK_KID_MAX + 1]; /* empty: none */
    bool has_alg;
    enum vd_sig alg; /* the JWK's own restriction */
};

struct brk_keyset {
    _Atomic unsigned refs;
    struct brk_jwk *item;
    size_t n;
    struct brk_jwk *statement; /* "vidimus_use":"revocation": verify statements, never passports */
    size_t n_statement;
    uint64_t seq; /* vidimus_seq; 0: the set has none */
    int64_t iat;
};

/* Keys for encryption and of types that we do not have are left out; two equal kids, a private key,
 * a key that does not parse, or no usable key at all refuse the whole set. Keys with another
 * vidimus_use than "revocation" are left out too. VD_E_SETTING. */
vd_rc brk_keyset_parse(vd_span jwks, struct brk_keyset **ret, vd_err *err);
vd_rc brk_keyset_read(const char *path, struct brk_keyset **ret, vd_err *err);
struct brk_keyset *brk_keyset_ref(struct brk_keyset *k);
void brk_keyset_unref(struct brk_keyset *k);
VD_DEFINE_CLEANUP(struct brk_keyset, brk_keyset_unref)

/* NULL when there is none. A kid of a token also finds a key without kid by its thumbprint. */
const struct brk_jwk *brk_keyset_by_kid(const struct brk_keyset *k, vd_span kid);
const struct brk_jwk *brk_keyset_by_thumbprint(const struct brk_keyset *k, const char *thumbprint);
/* NULL when there is none; keys of passports are not looked at. */
const struct brk_jwk *brk_keyset_statement(const struct brk_keyset *k, vd_span kid);
/* The same keys with the same names? (a refresh that changes nothing keeps the epoch) */
bool brk_keyset_same(const struct brk_keyset *a, const struct brk_keyset *b);

/* May `key` make signatures with `alg`? */
bool brk_alg_fits(const struct vd_key *key, enum vd_sig alg);
