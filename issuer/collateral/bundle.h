/* The offline bundle: collateral of many platforms in one signed file, for sites without a network.
 * A compact JWS of type vidimus-collateral+jwt; the payload lists what is in it and, sorted by
 * time, what stops working when. The signature says who packed it; each thing in it still has its
 * vendor's own signature, which is what counts. */
#pragma once

#include "shared/codec/json.h"
#include "shared/crypto/key.h"

#define ISS_BUNDLE_TYP "vidimus-collateral+jwt"

enum { ISS_BUNDLE_BYTES_MAX = 32 << 20 };

struct iss_bundle_item {
    vd_span kind;
    vd_span key;
    vd_span about; /* what stops working without it */
    int64_t expires;
    vd_span bytes;
};
/* key: a private key of type P-256, P-384 or Ed25519. */
vd_rc iss_bundle_write(const struct iss_bundle_item *item, size_t n, int64_t now,
                       const struct vd_key *key, vd_buf *ret, vd_err *err);

/* Does the file begin as one? */
bool iss_bundle_is(vd_span bytes);
/* signer: NULL checks the signature against the key that the bundle names, which proves only that
 * it is whole. Each item is given to `take`; its spans are valid during the call. VD_E_SYNTAX,
 * VD_E_SIG, or what `take` returned. */
typedef vd_rc (*iss_bundle_take)(void *ctx, const struct iss_bundle_item *item, vd_err *err);
vd_rc iss_bundle_read(vd_span bytes, const struct vd_key *signer, iss_bundle_take take, void *ctx,
                      vd_err *err);
/* The payload alone, whose signature was checked. */
vd_rc iss_bundle_read_payload(vd_span payload, iss_bundle_take take, void *ctx, vd_err *err);

/* The private key that signs bundles, of an owner-only PEM file. VD_E_CONFIG. */
vd_rc iss_bundle_key(const char *file, struct vd_key **ret, vd_err *err);
