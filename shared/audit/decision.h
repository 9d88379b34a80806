/* Explanations of decisions: a bounded ring in memory with a quota per owner, read by id at
 * /api/v1/decisions/{id} (SHAPES section 6), and the thinning of denial records for the audit file.
 */
#pragma once

#include "shared/audit/audit.h"
#include "shared/base/limits.h"

struct vd_decisions;                                                   /* thread safe */
struct vd_decisions *vd_decisions_new(const struct vd_limits *limits); /* NULL: no memory */
void vd_decisions_free(struct vd_decisions *d);
VD_DEFINE_CLEANUP(struct vd_decisions, vd_decisions_free)

/* Fresh id: 16 random bytes as 22 base64url characters. */
void vd_decision_id(char ret[24]);
/* Keeps a JSON object under the id; it never holds secrets, tokens or evidence. */
void vd_decisions_add(struct vd_decisions *d, const char *id, const char *owner,
                      vd_span explanation_json);
vd_rc vd_decisions_get(struct vd_decisions *d, const char *id, vd_buf *ret,
                       vd_err *err); /* VD_E_NOT_FOUND */

/* Should this denial get an audit record now? key: what makes denials "the same" in one minute
 * (passport+resource+rule, or source). Appends the record (event, detail, count so far) when it
 * should; above `sources_recorded` keys a minute everything goes to one record "others". */
struct vd_thinner;
struct vd_thinner *vd_thinner_new(struct vd_audit *a, const struct vd_limits *limits,
                                  struct vd_clock clock);
void vd_thinner_free(struct vd_thinner *t); /* records what was counted and not yet recorded */
VD_DEFINE_CLEANUP(struct vd_thinner, vd_thinner_free)
vd_rc vd_thinner_denial(struct vd_thinner *t, const char *event, vd_span key, vd_span detail,
                        vd_err *err);
/* Records the counts of a minute that is over. Denials do it too; a housekeeping timer may call it
 * so that the last count of a burst does not wait for the next denial. */
vd_rc vd_thinner_tick(struct vd_thinner *t, vd_err *err);
