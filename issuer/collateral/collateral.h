/* Vendor collateral: certificates, CRLs, TCB info. Sources in order, content-addressed cache, one fetch
 * per key at a time, bounded per source. Knows no TEE by name: kinds are registered in issuer/tee/tee.c.
 * Whatever comes from here is still checked by the driver: a hostile mirror can only deny service. */
#pragma once

#include "shared/base/auto.h"
#include "shared/base/buf.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/program/config.h"

struct iss_collateral; /* thread safe */

struct iss_collateral_kind {
    const char *name; /* "snp.vcek", "snp.crl" */
    /* Path below a configured offline directory, from the key. VD_E_NOT_FOUND when there is none. */
    vd_rc (*offline_path)(vd_span key, vd_buf *ret_path, vd_err *err);
    /* URL below the vendor's base, from the key. */
    vd_rc (*url)(vd_span key, vd_buf *ret_url, vd_err *err);
    const char *base_url;
    /* Cheap check that bytes are of this kind at all (DER certificate...). */
    vd_rc (*verify)(vd_span bytes, vd_err *err);
    /* Unix time after which a cached copy is fetched again; INT64_MAX: never. */
    int64_t (*expiry)(vd_span bytes);
};

struct iss_collateral_cfg {
    const struct vd_config *config; /* [collateral] and [tee.*] sources */
    const struct iss_collateral_kind *const *kinds;
    size_t n_kinds;
    struct vd_clock clock;
    struct vd_log *log;
    const char *dir;      /* --collateral of the verify verb; overrides the configuration; may be NULL */
    bool offline;         /* never fetch */
};
vd_rc iss_collateral_open(const struct iss_collateral_cfg *cfg, struct iss_collateral **ret, vd_err *err);
void iss_collateral_close(struct iss_collateral *c);
VD_DEFINE_CLEANUP(struct iss_collateral, iss_collateral_close)
/* Bytes for kind and key, appended. VD_E_COLLATERAL (not there, or refused by every source), VD_E_TIMEOUT. */
vd_rc iss_collateral_get(struct iss_collateral *c, const char *kind, vd_span key, const char *source,
                         vd_buf *ret, vd_err *err);
