/* Reference values: what measurements and versions are expected to be. Objects of the store (kind
 * "reference-value"), any name, a JSON value, an expiry that is enforced: an expired value is
 * unknown. Lookups of policies are served from a bounded table of values read before, valid for the
 * store's epoch, so their cost does not grow with the number of values. */
#pragma once

#include "shared/base/auto.h"
#include "shared/base/clock.h"
#include "shared/base/limits.h"
#include "shared/store/store.h"

#define ISS_KIND_REFVALUE "reference-value"
#define ISS_RVPS_VERSION "0.1.0"
enum { ISS_REFVALUE_NAME_MAX = 1024 };

struct iss_rvps; /* thread safe */

vd_rc iss_rvps_new(struct vd_store *store, struct vd_clock clock, struct iss_rvps **ret,
                   vd_err *err);
/* A fixed set without a store and without expiry, from a JSON object name -> value, or from a
 * registration message (`verify --refvalues FILE`). VD_E_REFVALUE_REFUSED. */
vd_rc iss_rvps_fixed(vd_span json, const struct vd_limits *limits, struct iss_rvps **ret,
                     vd_err *err);
void iss_rvps_free(struct iss_rvps *r);
VD_DEFINE_CLEANUP(struct iss_rvps, iss_rvps_free)

/* Answers query_reference_value (a vd_policy_lookup; ctx is the iss_rvps): appends the value, or
 * nothing when it is unknown or expired. */
vd_rc iss_rvps_lookup(void *ctx, vd_span name, vd_buf *ret_json, vd_err *err);

struct iss_refvalue {
    vd_buf value; /* JSON */
    int64_t expires;
    uint64_t version; /* of the stored object */
    bool expired;
};
void iss_refvalue_done(struct iss_refvalue *v);
#define ISS_AUTO_REFVALUE __attribute__((cleanup(iss_refvalue_done))) struct iss_refvalue
/* One value as stored, expired or not. VD_E_REFVALUE_UNKNOWN. */
vd_rc iss_rvps_get(struct iss_rvps *r, vd_span name, struct iss_refvalue *ret, vd_err *err);
/* The stored body of a value, taken apart (lists of the native API). VD_E_STORE_CORRUPT. */
vd_rc iss_refvalue_parse(vd_span body, int64_t now, struct iss_refvalue *ret, vd_err *err);

/* What one upload sets: rows for vd_change, and the memory they point into. */
struct iss_refvalue_set {
    struct vd_put *put;
    size_t n;
    char **name;  /* owned */
    vd_buf *body; /* owned */
};
void iss_refvalue_set_done(struct iss_refvalue_set *s);
#define ISS_AUTO_REFVALUE_SET                                                                      \
    __attribute__((cleanup(iss_refvalue_set_done))) struct iss_refvalue_set
/* A registration message {"version"?,"type","payload"}: the extractor `type` makes values of the
 * payload. `by` outlives the set. VD_E_REFVALUE_REFUSED: wrong shape, version other than 0.1.0, an
 * extractor that this program does not have. */
vd_rc iss_rvps_message(vd_span json, const struct vd_limits *limits, const char *by, int64_t now,
                       struct iss_refvalue_set *ret, vd_err *err);
/* One value (native API). expires 0: 12 months from now. */
vd_rc iss_rvps_one(vd_span name, vd_span value_json, int64_t expires,
                   const struct vd_limits *limits, const char *by, int64_t now,
                   struct iss_refvalue_set *ret, vd_err *err);
/* now + 12 calendar months. */
int64_t iss_rvps_expiry(int64_t now);
