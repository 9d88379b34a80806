/* Verification of DCAP quotes, for SGX and TDX: certificates, revocation, TCB info, quoting
 * enclave, TDX module, both signatures, TCB status. What is in the body is the drivers' to judge.
 * Everything fails closed; every refusal is recorded as a check before it is returned. */
#pragma once

#include "issuer/tee/dcap/chain.h"
#include "issuer/tee/dcap/check.h"
#include "issuer/tee/dcap/tcb.h"
#include "issuer/tee/tee.h"

/* Raised whenever statuses, dates or advisories of the same input could change; a claim. */
enum { DCAP_ALGORITHM = 1 };

struct dcap_cfg {
    const struct dcap_roots *roots;
    struct dcap_cache *cache; /* made with the same roots */
    int64_t grace;         /* seconds for which expired collateral is accepted, marked; 0: never */
    int64_t skew;          /* seconds by which collateral may be dated in the future */
    uint32_t min_eval_num; /* lowest tcbEvaluationDataNumber; 0: any */
    int64_t min_tcb_date;  /* TCB levels dated earlier are refused; 0: any */
    const char *const *fmspcs; /* 12 hex digits each; none: any */
    size_t n_fmspcs;
    const char *const *rejected_advisories;
    size_t n_rejected_advisories;
};

enum dcap_item {
    DCAP_TCB_INFO,
    DCAP_TCB_INFO_CHAIN,
    DCAP_IDENTITY,
    DCAP_IDENTITY_CHAIN,
    DCAP_PCK_CRL,
    DCAP_PCK_CRL_CHAIN,
    DCAP_ROOT_CRL,
    DCAP_ITEM_MAX
};
/* "TCB info", "PCK CRL" and so on, for messages. */
const char *dcap_item_name(enum dcap_item item);

/* What belongs to one platform. Documents as received; chains as PEM, percent-decoded; CRLs as DER.
 * Empty: missing. Only pck_crl_chain may be missing: the PCK CRL is verified by the quote's own CA,
 * a chain that is there must have the same key. */
struct dcap_collateral {
    vd_span tcb_info;
    vd_span tcb_info_chain;
    vd_span identity;
    vd_span identity_chain;
    vd_span pck_crl;
    vd_span pck_crl_chain;
    vd_span root_crl;
    /* Per item: a number that is never the same for different bytes as long as the process lives,
     * so that a verified set is found again without hashing it. All zero: the bytes are hashed. */
    uint64_t id[DCAP_ITEM_MAX];
};

struct dcap_result {
    struct dcap_trust *trust; /* PCK, CA, root; owned */
    bool simulated;           /* the chain ends in a configured extra root */
    struct dcap_tcb tcb;
    /* union over the parts of tcb.launch and of tcb.current, sorted, each once; owned arrays */
    const char **advisories;
    size_t n_advisories;
    const char **advisories_current;
    size_t n_advisories_current;
    uint32_t eval_num; /* the smaller of the two */
    uint32_t tcb_info_eval_num;
    uint32_t identity_eval_num;
    bool collateral_expired; /* within the grace of the configuration */
    int64_t earliest_issue;
    int64_t latest_issue;
    int64_t earliest_expiration;
    struct dcap_window tcb_info;
    struct dcap_window identity;
    struct dcap_window pck_crl;
    struct dcap_window root_crl;
    uint64_t pck_crl_num;
    uint64_t root_crl_num;
    struct dcap_set *set; /* the verified collateral, which the pointers above live in; owned */
};
void dcap_result_done(struct dcap_result *r);
#define DCAP_AUTO_RESULT __attribute__((cleanup(dcap_result_done))) struct dcap_result

/* trust: of dcap_chain_verify for this very quote; NULL: looked up. *ret is released with
 * dcap_result_done whatever the outcome; of a refused quote it holds nothing. checks may be NULL.
 * VD_E_COLLATERAL (names what is missing), VD_E_COLLATERAL_EXPIRED, VD_E_COLLATERAL_SYNTAX,
 * VD_E_COLLATERAL_VERSION, VD_E_COLLATERAL_CHAIN, VD_E_COLLATERAL_SIG, VD_E_COLLATERAL_MISMATCH,
 * VD_E_COLLATERAL_OLD, VD_E_CHAIN, VD_E_CERT_EXPIRED, VD_E_REVOKED, VD_E_QE_SIG, VD_E_QE_BINDING,
 * VD_E_QE_IDENTITY, VD_E_TDX_MODULE, VD_E_SIG, VD_E_TCB_UNSUPPORTED, VD_E_TCB_REVOKED,
 * VD_E_TCB_FLOOR. */
vd_rc dcap_verify_with(const struct dcap_cfg *cfg, const struct dcap_quote *quote,
                       struct dcap_trust *trust, const struct dcap_collateral *coll, int64_t now,
                       struct dcap_result *ret, struct iss_claims_list *checks, vd_err *err);
static inline vd_rc dcap_verify(const struct dcap_cfg *cfg, const struct dcap_quote *quote,
                                const struct dcap_collateral *coll, int64_t now,
                                struct dcap_result *ret, struct iss_claims_list *checks,
                                vd_err *err)
{
    return dcap_verify_with(cfg, quote, NULL, coll, now, ret, checks, err);
}

/* The DCAP claims, as members of the object that is open in w: Trustee's names and types
 * (tcb_status to advisory_ids_current, platform_instance_id), then ours (docs/tee/dcap.md). */
void dcap_claims_put(vd_jw *w, const struct dcap_result *r);
