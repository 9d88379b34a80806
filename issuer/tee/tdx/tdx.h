/* The driver of Intel TDX (`tdx`): DCAP quotes with TD reports, and the guest's event log. */
#pragma once

#include "issuer/tee/dcap/driver.h"

extern const struct iss_tee iss_tee_tdx;

struct tdx_cfg {
    bool allow_debug;
    bool allow_migratable;
    const char *const *service_tds; /* MRSERVICETD of 96 hex digits each */
    size_t n_service_tds;
};
/* The driver's state from settings given as structs: what its `open` does after reading the
 * configuration. cfg is copied, dcap is taken over; strings outlive the state. */
struct tdx;
vd_rc tdx_new(const struct tdx_cfg *cfg, struct dcap_driver *dcap, struct tdx **ret, vd_err *err);
void tdx_free(struct tdx *t);
VD_DEFINE_CLEANUP(struct tdx, tdx_free)
vd_rc tdx_verify(struct tdx *t, const struct iss_evidence *in, struct iss_claims_list *list,
                 vd_err *err);
/* How often a kept chain was used. */
uint64_t tdx_chain_hits(const struct tdx *t);
