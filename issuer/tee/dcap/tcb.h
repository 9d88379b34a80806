/* TCB matching and convergence: a pure function of two documents and the versions that certificate,
 * quoting enclave and quote state (Intel's quote verification library, 2026). No signature, no
 * clock, no allocation. */
#pragma once

#include "issuer/tee/dcap/identity.h"
#include "issuer/tee/dcap/tcbinfo.h"

struct dcap_tcb_in {
    const struct dcap_tcb_info *info;
    const struct dcap_identity *identity;
    const uint8_t *svn; /* DCAP_SVNS, of the PCK certificate */
    uint16_t pce_svn;
    uint16_t qe_svn;      /* ISVSVN of the QE report */
    vd_span tee_tcb_svn;  /* TDX: 16 bytes; SGX: empty */
    vd_span tee_tcb_svn2; /* TDX body 1.5 and later: 16 bytes; else empty */
};

/* One part of the platform and the level it reached. */
struct dcap_part {
    bool present;
    enum dcap_status status;
    int64_t date;
    const struct dcap_advisories *pool; /* of the document */
    struct dcap_advisory_list adv;
    char limit[64]; /* what keeps it from the next higher level, "pcesvn 11 < 13"; empty: nothing */
};
static inline const char *dcap_part_advisory(const struct dcap_part *p, size_t i)
{
    return dcap_advisory(p->pool, p->adv, i);
}

struct dcap_eval {
    enum dcap_status status; /* converged */
    int64_t date;            /* the older of platform and quoting enclave, as Intel computes it */
    struct dcap_part platform;
    struct dcap_part module; /* TDX modules from major version 1 on */
    struct dcap_part qe;
};
struct dcap_tcb {
    enum dcap_status status; /* with the advice to relaunch */
    struct dcap_eval launch;
    bool has_current;         /* the quote has TEE_TCB_SVN2 */
    struct dcap_eval current; /* without TEE_TCB_SVN2: a copy of launch */
};
/* Spans and pools of *ret live as long as the documents. VD_E_TCB_UNSUPPORTED: no level matches;
 * VD_E_TDX_MODULE: no identity for this module's major version; VD_E_TCB_REVOKED. */
vd_rc dcap_tcb_evaluate(const struct dcap_tcb_in *in, struct dcap_tcb *ret, vd_err *err);
/* The part that decided a status: "platform", "TDX module", "quoting enclave"; "" for UpToDate. */
const char *dcap_eval_limit(const struct dcap_eval *e);
/* Which description of the module counts: of its major version, or the document's own for 0. NULL:
 * none. Pure, too. */
const struct dcap_module *dcap_tcb_module(const struct dcap_tcb_info *info, vd_span tee_tcb_svn);
