/* The driver of AMD SEV-SNP (`snp`): VCEK and VLEK reports of Milan, Genoa and Turin. */
#pragma once

#include "issuer/tee/snp/check.h"
#include "issuer/tee/snp/collateral.h"
#include "issuer/tee/tee.h"

extern const struct iss_tee iss_tee_snp;

/* The driver's state from settings given as a struct: what its `open` does after reading the
 * configuration. cfg is copied; its strings outlive the state. */
struct snp;
vd_rc snp_new(const struct snp_cfg *cfg, struct snp **ret, vd_err *err);
void snp_free(struct snp *s);
VD_DEFINE_CLEANUP(struct snp, snp_free)
vd_rc snp_verify(struct snp *s, const struct iss_evidence *in, struct iss_claims_list *list,
                 vd_err *err);
/* How often a kept chain was used. */
uint64_t snp_chain_hits(struct snp *s);
