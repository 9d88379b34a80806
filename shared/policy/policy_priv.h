/* A compiled policy: here, or as a text that workers compile and keep. */
#pragma once

#include <stdatomic.h>

#include "shared/policy/engine.h"
#include "shared/policy/names.h"
#include "shared/policy/policy.h"

enum { VD_POLICY_ENTRIES = 2 };

struct vd_policy {
    atomic_uint refs;
    enum vd_policy_kind kind;
    uint8_t sha256[32];
    unsigned n_entries;
    uint8_t state[VD_POLICY_ENTRIES]; /* enum vdr_rego_entry */
    char warning[VD_POLICY_ENTRIES][240];
    struct vdr_rego *rego; /* compiled in this process, or NULL and: */
    struct vd_policy_workers *workers;
    vd_buf text;
    struct vd_names names[VD_POLICY_ENTRIES];
    /* An evaluation had to be stopped: until one ends well it must leave a worker to others. */
    atomic_bool suspect;
};

/* An empty one of a text that is not too large, with its digest. */
vd_rc vd_policy_new(enum vd_policy_kind kind, vd_span rego, const struct vd_limits *limits,
                    struct vd_policy **ret, vd_err *err);
void vd_policy_warn(struct vd_policy *p, unsigned entry, uint32_t line, uint32_t column,
                    vd_span text);
/* One evaluation in a worker; the entry is there and not broken. */
vd_rc vd_policy_eval_apart(const struct vd_policy *p, unsigned entry,
                           const struct vd_policy_query *q, enum vd_policy_state *ret_state,
                           vd_buf *ret_json, vd_err *err);
