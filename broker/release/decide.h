/* May this passport have this resource? The issuer's entry decides first (repositories), then the
 * owner's policy over Trustee's documents (spec/wire.md 3.6). No answer depends on whether the
 * resource exists. */
#pragma once

#include "broker/passport/passport.h"
#include "broker/release/policy.h"
#include "shared/wire/resource.h"

enum { BRK_QUERY_PAIRS = 64 };

struct brk_ask {
    const struct brk_passport *passport;
    const struct vd_resource_id *id;
    const char *owner;
    vd_span query; /* raw, behind the '?' */
    int64_t now_ns;
};

/* The data document {"plugin","resource-path","query"} appended to out. A name twice in the query
 * is VD_E_BAD_TARGET: policy and reader could mean different ones. */
vd_rc brk_data_document(const struct vd_resource_id *id, vd_span query, vd_buf *out, vd_err *err);

/* VD_OK: allowed, *ret says under which policy. VD_E_PASSPORT_SCOPE, VD_E_POLICY_DENY,
 * VD_E_POLICY_EVAL, VD_E_POLICY_BUDGET: denied; *ret is set when a policy was evaluated. */
vd_rc brk_decide(struct brk_policies *policies, const struct vd_limits *limits,
                 const struct brk_ask *ask, struct brk_policy_use *ret, vd_err *err);
