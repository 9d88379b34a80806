/* The checks of SNP evidence, in their order, each recorded as "what was checked against what". The
 * report and the certificate are parsed already; nothing here reads raw input. */
#pragma once

#include "issuer/tee/snp/chain.h"
#include "issuer/tee/snp/report.h"
#include "issuer/tee/tee.h"

struct snp_cfg {
    bool allow_v2;
    uint64_t max_vmpl;
    bool permit_provisional;
    bool allow_debug;
    bool allow_migratable;
    const char *const *csp_ids; /* "*": any */
    size_t n_csp_ids;
    bool require_crl;
    bool vcek_from_evidence;
    bool vcek_from_collateral;
    const char *const *extra_roots;
    size_t n_extra_roots;
    size_t chain_cache;
};

/* One verification. The caller fills the first four, then `trust` once the chain was good. */
struct snp_case {
    const struct snp_cfg *cfg;
    const struct iss_evidence *in;
    struct iss_claims_list *list;
    struct snp_report report;
    enum snp_line line; /* by CPUID; for version 2 set from the verified chain */
    const struct snp_trust *trust;
    /* Filled by the checks. */
    struct snp_tcb current;
    struct snp_tcb committed;
    struct snp_tcb reported;
    struct snp_tcb launch;
    bool chip_id_masked;
    bool crl_checked;
};

/* What can be refused before a certificate is looked for: VD_E_EVIDENCE_VERSION, VD_E_KEY_TYPE,
 * VD_E_PRODUCT, VD_E_BAD_EVIDENCE. Sets `line`. */
vd_rc snp_check_report(struct snp_case *c, vd_err *err);
/* Report data and host data are what was expected: VD_E_BINDING, VD_E_INIT_DATA. Refusing for it
 * needs no signature; that it holds is worth something only once the signature was checked. */
vd_rc snp_check_binding(struct snp_case *c, vd_err *err);
/* Signature and everything behind it: VD_E_SIG, VD_E_TCB, VD_E_CHIP, VD_E_CSP, VD_E_VMPL,
 * VD_E_DEBUG, VD_E_MIGRATABLE. */
vd_rc snp_check_trusted(struct snp_case *c, vd_err *err);
/* Takes the four TCB versions apart by the map of `line`. */
vd_rc snp_case_tcbs(struct snp_case *c, enum snp_line line, vd_err *err);
/* Records a check. */
void snp_note(struct snp_case *c, const char *name, bool ok, const char *observed,
              const char *expected);
