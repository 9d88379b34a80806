/* Reading members of Intel's documents: every one is required unless it says so, and of exactly the
 * form that the specification gives it. All refuse with VD_E_COLLATERAL_SYNTAX and the member's
 * name. */
#pragma once

#include "issuer/tee/dcap/signed.h"
#include "issuer/tee/dcap/status.h"

vd_rc dcap_doc_parse(vd_span inner, struct vd_json **ret, vd_err *err);
struct dcap_tcb_info;
struct dcap_identity;
/* The two documents from the tape of their inner object. */
vd_rc dcap_tcb_info_read(vd_jv root, struct dcap_tcb_info **ret, vd_err *err);
vd_rc dcap_identity_read(vd_jv root, struct dcap_identity **ret, vd_err *err);

vd_rc dcap_doc_bad(vd_err *err, const char *member);
/* Hexadecimal text of exactly n bytes, either case. */
vd_rc dcap_doc_hex(vd_jv object, const char *member, uint8_t *ret, size_t n, vd_err *err);
vd_rc dcap_doc_u64(vd_jv object, const char *member, uint64_t max, uint64_t *ret, vd_err *err);
/* YYYY-MM-DDTHH:MM:SSZ. */
vd_rc dcap_doc_time(vd_jv object, const char *member, int64_t *ret, vd_err *err);
/* issueDate < nextUpdate. */
vd_rc dcap_doc_dates(vd_jv object, int64_t *ret_issue, int64_t *ret_next, vd_err *err);
/* tcbStatus, tcbDate, and advisoryIDs, which may be missing. */
vd_rc dcap_doc_level(vd_jv level, struct dcap_advisories *pool, enum dcap_status *ret_status,
                     int64_t *ret_date, struct dcap_advisory_list *ret_adv, vd_err *err);
/* The array "tcbLevels" of object, levels {tcb:{isvsvn}}, not empty; sorted, highest first, no
 * ISVSVN twice. *ret is the caller's to free, also on failure. */
vd_rc dcap_doc_isv_levels(vd_jv object, struct dcap_advisories *pool, struct dcap_isv_level **ret,
                          size_t *ret_n, vd_err *err);
