/* Vendor collateral: certificates, CRLs, TCB info. Sources in order, content-addressed cache, one
 * fetch per key at a time, bounded per source. Knows no TEE by name: kinds are registered in
 * issuer/tee/tee.c. Whatever comes from here is still checked by the driver: a hostile mirror can
 * only deny service. */
#pragma once

#include "shared/base/auto.h"
#include "shared/base/buf.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/program/config.h"

struct iss_collateral; /* thread safe */

enum { ISS_COLLATERAL_KEY_MAX = 512, ISS_COLLATERAL_BYTES_MAX = 4u << 20 };

struct iss_collateral_kind {
    const char *name; /* "snp.vcek", "snp.crl" */
    /* The nth path (from 0) below a configured offline directory where the key may lie.
     * VD_E_NOT_FOUND behind the last one. */
    vd_rc (*offline_path)(vd_span key, unsigned nth, vd_buf *ret_path, vd_err *err);
    /* URL below the vendor's base, from the key. VD_E_NOT_FOUND: the vendor does not have such a
     * thing. */
    vd_rc (*url)(vd_span key, vd_buf *ret_url, vd_err *err);
    const char *base_url_key; /* setting that holds the vendor's base URL */
    const char
        *sources_key; /* setting that replaces collateral.sources when it is set; NULL: none */
    /* Cheap check that bytes are of this kind at all (DER certificate...). */
    vd_rc (*verify)(vd_span bytes, vd_err *err);
    /* Unix time after which a cached copy is fetched again; INT64_MAX: never. */
    int64_t (*expiry)(vd_span bytes);
    /* Seconds after which a fetched copy is fetched again although it has not expired; 0: never. */
    int64_t max_age;
};

struct iss_collateral_cfg {
    const struct vd_config *config; /* [collateral] and the keys that the kinds name */
    const struct iss_collateral_kind *const *kinds;
    size_t n_kinds;
    struct vd_clock clock;
    struct vd_log *log;
    const char *dir; /* --collateral of the verify verb; overrides the configuration; may be NULL */
    bool offline;    /* never fetch */
};
/* VD_E_CONFIG: an unknown source, a directory that is none. */
vd_rc iss_collateral_open(const struct iss_collateral_cfg *cfg, struct iss_collateral **ret,
                          vd_err *err);
void iss_collateral_close(struct iss_collateral *c);
VD_DEFINE_CLEANUP(struct iss_collateral, iss_collateral_close)

/* What was found: immutable bytes, reference counted. */
struct iss_collateral_item;
void iss_collateral_item_unref(struct iss_collateral_item *i);
VD_DEFINE_CLEANUP(struct iss_collateral_item, iss_collateral_item_unref)
vd_span iss_collateral_item_bytes(const struct iss_collateral_item *i);
/* Never the same number for different bytes, as long as the process lives: results that a driver
 * keeps can be filed under it. */
uint64_t iss_collateral_item_id(const struct iss_collateral_item *i);

enum iss_collateral_wait {
    ISS_COLLATERAL_WAIT,    /* fetches if need be; ten seconds at most */
    ISS_COLLATERAL_NO_WAIT, /* what is at hand, however old; a missing or old copy is fetched
                               meanwhile */
};
/* VD_E_COLLATERAL (not there, or refused by every source), VD_E_TIMEOUT, VD_E_RATE (too many
 * different fetches for this source), VD_E_BUSY. `source` may be NULL. */
vd_rc iss_collateral_find(struct iss_collateral *c, const char *kind, vd_span key,
                          const char *source, enum iss_collateral_wait wait,
                          struct iss_collateral_item **ret, vd_err *err);
/* The bytes appended; waits. */
vd_rc iss_collateral_get(struct iss_collateral *c, const char *kind, vd_span key,
                         const char *source, vd_buf *ret, vd_err *err);

/* Rows of [collateral], for the program's table of settings. */
extern const struct vd_setting iss_collateral_settings[];
extern const size_t iss_collateral_settings_n;
