/* The key ring as it lies in the store: one JSON object with the public half and the times of every
 * key, oldest first. Private halves are sealed objects of their own. */
#pragma once

#include "issuer/passport/phase.h"
#include "shared/base/auto.h"
#include "shared/crypto/jose.h"

enum {
    ISS_RING_KEYS = 128,     /* remembered, retired and revoked ones included */
    ISS_RING_PUBLISHED = 32, /* in the key set at once: brokers take at most 64 */
    ISS_KID = 44,
};

struct iss_ring_key {
    char kid[ISS_KID]; /* RFC 7638 thumbprint */
    enum vd_sig alg;
    bool from_file; /* came from passport.key_file */
    bool token;     /* the private half is in a PKCS#11 token */
    bool stored;    /* the private half is still there: in the store, or in the token */
    char *jwk;      /* {"alg",["x5c",]"kty",...} */
};

struct iss_ringdoc {
    size_t n;
    struct iss_times times[ISS_RING_KEYS];
    struct iss_ring_key key[ISS_RING_KEYS];
};
struct iss_ringdoc *iss_ringdoc_new(void); /* NULL: no memory */
void iss_ringdoc_free(struct iss_ringdoc *d);
VD_DEFINE_CLEANUP(struct iss_ringdoc, iss_ringdoc_free)
vd_rc iss_ringdoc_copy(const struct iss_ringdoc *d, struct iss_ringdoc **ret, vd_err *err);

/* VD_E_STORE_CORRUPT: not what iss_ringdoc_write makes. */
vd_rc iss_ringdoc_parse(vd_span json, struct iss_ringdoc **ret, vd_err *err);
vd_rc iss_ringdoc_write(const struct iss_ringdoc *d, vd_buf *out, vd_err *err);

size_t iss_ringdoc_find(const struct iss_ringdoc *d, vd_span kid); /* d->n: not there */
/* Appends a key; `jwk` is copied. Forgets the oldest retired or revoked ones when the place runs
 * out: those that the ring made itself first, as a key file that still lies there must not look
 * new. VD_E_KEYS_FULL. */
vd_rc iss_ringdoc_add(struct iss_ringdoc *d, const struct iss_ring_key *key,
                      const struct iss_times *times, vd_span jwk, uint64_t overlap, int64_t now,
                      vd_err *err);
/* How many keys the key set has at `now`. */
size_t iss_ringdoc_published(const struct iss_ringdoc *d, uint64_t overlap, int64_t now);
