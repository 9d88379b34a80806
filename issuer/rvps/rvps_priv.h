/* Inside issuer/rvps only: building of upload sets, limits of administrators' JSON. */
#pragma once

#include "issuer/rvps/rvps.h"
#include "shared/codec/json.h"

/* Bodies of administrators: bounded by their bytes; as many values as fit. */
#define ISS_RVPS_JSON(max_bytes) ((struct vd_json_limits){ (max_bytes), 32, 1000000 })

struct iss_refvalue_meta {
    const char *by;
    int64_t now;
    int64_t expires;
};
/* Room for n values; then up to n calls of _add. */
vd_rc iss_refvalue_set_room(struct iss_refvalue_set *s, size_t n, vd_err *err);
vd_rc iss_refvalue_set_add(struct iss_refvalue_set *s, vd_span name, vd_jv value,
                           const struct iss_refvalue_meta *meta, vd_err *err);

/* What an extractor does: payload (decoded base64) -> values added to the set. */
typedef vd_rc (*iss_extract_fn)(vd_span payload, const struct iss_refvalue_meta *meta,
                                struct iss_refvalue_set *set, vd_err *err);
struct iss_extractor {
    const char *type;
    iss_extract_fn extract;
};
