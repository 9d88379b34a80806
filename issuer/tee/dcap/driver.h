/* What the drivers of SGX and TDX share: settings, the way from a quote to a DCAP result, the
 * bindings of report data and init data, and small words for checks. The two drivers have a state
 * each and never know of one another. */
#pragma once

#include "issuer/tee/dcap/dcap.h"

/* Settings "tee.dcap.*" that both drivers read: what collateral and TCB must be like. */
extern const struct vd_setting dcap_settings[];
extern const size_t dcap_settings_n;

struct dcap_driver {
    struct dcap_cfg cfg;
    struct dcap_roots *roots;
    struct dcap_cache *cache;
};
/* extra: PEM files of simulated roots. cfg's strings outlive it; its roots and cache are filled
 * here. */
vd_rc dcap_driver_new(const struct dcap_cfg *cfg, const char *const *extra, size_t n_extra,
                      size_t entries, struct dcap_driver **ret, vd_err *err);
/* From the configuration. VD_E_CONFIG. */
vd_rc dcap_driver_open(const struct iss_tee_cfg *in, struct dcap_driver **ret, vd_err *err);
void dcap_driver_free(struct dcap_driver *d);
VD_DEFINE_CLEANUP(struct dcap_driver, dcap_driver_free)

/* The quote of JSON evidence, member "quote", or the raw bytes. ret points into `room` or into the
 * input. VD_E_BAD_EVIDENCE. */
vd_rc dcap_evidence_quote(const struct iss_evidence *in, const char *tee, vd_buf *room,
                          vd_span *ret, vd_err *err);
/* Chain, collateral, signatures, TCB. VD_E_COLLATERAL also when nothing can be looked up. */
vd_rc dcap_driver_check(struct dcap_driver *d, const struct dcap_quote *quote,
                        const struct iss_evidence *in, struct iss_claims_list *list,
                        struct dcap_result *ret, vd_err *err);

/* Where a TEE keeps what a guest is bound to. */
struct dcap_binding {
    const char *tee;
    vd_span report_data;
    vd_span config; /* filled with the digest of the init data */
    const char *config_name;
};
/* VD_E_BINDING, VD_E_INIT_DATA. */
vd_rc dcap_check_binding(const struct dcap_binding *b, const struct iss_evidence *in,
                         struct iss_claims_list *list, vd_err *err);
/* The members of `to` that both TEEs fill the same way. */
vd_rc dcap_claims_finish(const struct dcap_binding *b, const struct dcap_result *r,
                         struct iss_claims *to, vd_err *err);

/* Lower-case hexadecimal, cut to the length of a check. */
struct dcap_text {
    char s[200];
};
struct dcap_text dcap_hex_text(vd_span bytes);
