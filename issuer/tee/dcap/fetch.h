/* What an operator wants fetched, turned into kinds and keys: for the verb and for the API. */
#pragma once

#include "issuer/collateral/collateral.h"

struct dcap_wish {
    const char *tee;   /* "tdx", "sgx"; NULL: both */
    const char *fmspc; /* 12 hexadecimal digits, several with commas; NULL: none */
    const char *ca;    /* "platform", "processor"; NULL: both */
    const char *quote; /* file: FMSPC, TEE and CA come from it; NULL: none */
    unsigned seconds;  /* nothing is begun later than that; 0: no limit */
};
/* Called for each thing; why->code is VD_E_OK when it was fetched. */
typedef void (*dcap_fetch_report)(void *ctx, const char *kind, vd_span key, const vd_err *why);
/* Without fmspc and quote: all that is held and can be fetched. VD_E_CONFIG: a wrong wish;
 * VD_E_COLLATERAL: nothing is held that could be renewed. */
vd_rc dcap_fetch_wished(struct iss_collateral *c, const struct vd_config *config,
                        const struct dcap_wish *what, int64_t now, dcap_fetch_report report,
                        void *ctx, vd_err *err);
