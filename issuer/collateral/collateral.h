/* Vendor collateral: certificates, CRLs, TCB info. Sources in order (signed bundle, offline
 * directory, cache, vendor), content-addressed cache, one fetch per key at a time, bounded per
 * source, nothing older than what was held. Knows no TEE by name: kinds are registered in
 * issuer/tee/tee.c. Whatever comes from here is still checked by the driver: a hostile mirror can
 * only deny service. */
#pragma once

#include "shared/base/auto.h"
#include "shared/base/buf.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/codec/json.h"
#include "shared/program/config.h"

struct iss_collateral; /* thread safe */
struct iss_collateral_shelf;
struct iss_collateral_kind;

enum { ISS_COLLATERAL_KEY_MAX = 512, ISS_COLLATERAL_BYTES_MAX = 4u << 20 };

/* How new a thing is, and when it counts: begin <= t < expires. */
struct iss_collateral_rank {
    uint64_t level; /* TCB evaluation number; 0: the kind has none */
    int64_t issued; /* unix seconds; 0: the kind does not say */
    int64_t begin;
    int64_t expires; /* INT64_MAX: never */
    bool unproven;   /* its signature cannot be checked by itself; never stored */
};

/* A file of an offline directory, of a bundle or of an import: what it is follows from its bytes.
 */
struct iss_collateral_file {
    const char *name; /* as the operator knows it */
    vd_span bytes;
    bool taken;    /* set by sort(): something of it is on the shelf, or `why` says why not */
    char why[160]; /* reason for the operator when nothing of it is used */
};

/* Kinds that share state and file formats. */
struct iss_collateral_family {
    const char *name;
    vd_rc (*open)(const struct vd_config *config, void **ret_state, vd_err *err);
    void (*close)(void *state);
    /* Looks at all files at once (what belongs together may lie apart) and puts what it knows on
     * the shelf. Only running out of memory is an error. */
    vd_rc (*sort)(void *state, struct iss_collateral_file *file, size_t n,
                  struct iss_collateral_shelf *out, vd_err *err);
};

struct iss_collateral_kind {
    const char *name;                           /* "snp.vcek", "dcap.tcb" */
    const struct iss_collateral_family *family; /* NULL: none; `state` below is NULL then */
    /* The nth path (from 0) below a configured offline directory where the key may lie.
     * VD_E_NOT_FOUND behind the last one. NULL: files are told by their content (family). */
    vd_rc (*offline_path)(vd_span key, unsigned nth, vd_buf *ret_path, vd_err *err);
    /* URL below the vendor's base, from the key. VD_E_NOT_FOUND: the vendor does not have such a
     * thing. NULL: address() gives the whole URL. */
    vd_rc (*url)(vd_span key, vd_buf *ret_url, vd_err *err);
    vd_rc (*address)(void *state, vd_span key, vd_buf *ret_url, vd_err *err);
    const char *base_url_key; /* setting that holds the vendor's base URL; NULL with address() */
    const char
        *sources_key; /* setting that replaces collateral.sources when it is set; NULL: none */
    /* Response field that is kept with the body (an issuer chain), and how: NULL: the body alone.
     */
    const char *field;
    vd_rc (*pack)(vd_span body, vd_span field, vd_buf *ret, vd_err *err);
    /* Cheap check that bytes are of this kind at all (DER certificate...), and the unix time after
     * which a cached copy is fetched again; INT64_MAX: never. Both NULL with rank(). */
    vd_rc (*verify)(vd_span bytes, vd_err *err);
    int64_t (*expiry)(vd_span bytes);
    /* The full check of everything but dates, before bytes are stored or preferred: the right
     * thing for this key, its chain, its signature. */
    vd_rc (*rank)(void *state, vd_span key, vd_span bytes, struct iss_collateral_rank *ret,
                  vd_err *err);
    /* What stops working without it, as the subject of a sentence: "TDX quotes of FMSPC ...".
     * NULL: none. */
    void (*about)(vd_span key, vd_buf *ret);
    /* Seconds after which a fetched copy is fetched again although it has not expired; 0: never. */
    int64_t max_age;
    int64_t lead; /* seconds before its expiry when it is fetched again at the latest */
};

struct iss_collateral_cfg {
    const struct vd_config *config; /* [collateral] and the keys that the kinds name */
    const struct iss_collateral_kind *const *kinds;
    size_t n_kinds;
    struct vd_clock clock;
    struct vd_log *log;
    const char *dir;   /* --collateral of the verify verb, a directory or one file; overrides the
                          configuration; may be NULL */
    const char *cache; /* --cache of the collateral verb; overrides the configuration */
    bool offline;      /* never fetch */
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
    ISS_COLLATERAL_WAIT,    /* fetches if need be; ten seconds at most. A copy that has not expired
                               is given at once and renewed meanwhile */
    ISS_COLLATERAL_NO_WAIT, /* what is at hand, however old; a missing or old copy is fetched
                               meanwhile */
};
/* VD_E_COLLATERAL (not there, or refused by every source), VD_E_TIMEOUT, VD_E_RATE (too many
 * different fetches for this source), VD_E_BUSY. `source` may be NULL. */
vd_rc iss_collateral_find(struct iss_collateral *c, const char *kind, vd_span key,
                          const char *source, enum iss_collateral_wait wait,
                          struct iss_collateral_item **ret, vd_err *err);
/* Several things, fetched at the same time and waited for together: ten seconds for all of them.
 * `item` is set (owned by the caller) for each that was found, whatever is returned; the failure of
 * the first that was not is returned. */
struct iss_collateral_want {
    const char *kind;
    vd_span key;
    struct iss_collateral_item *item;
};
vd_rc iss_collateral_find_all(struct iss_collateral *c, struct iss_collateral_want *want, size_t n,
                              const char *source, enum iss_collateral_wait wait, vd_err *err);
/* The bytes appended; waits. */
vd_rc iss_collateral_get(struct iss_collateral *c, const char *kind, vd_span key,
                         const char *source, vd_buf *ret, vd_err *err);

/* ---- for operators (admin.c, bundle.c) --------------------------------------------------------
 */

/* Fetches now, although a copy is at hand. VD_E_COLLATERAL, VD_E_TIMEOUT. */
vd_rc iss_collateral_fetch(struct iss_collateral *c, const char *kind, vd_span key, vd_err *err);
/* Takes whatever the bytes of one file hold (told by content), after the full check, and nothing
 * older than what is held. Writes {"file","taken":[{"kind","key","file","expires"}],"refused":
 * [{"kind","key","file","reason"}]} as one value to w. VD_E_COLLATERAL when nothing of it was
 * taken. */
vd_rc iss_collateral_import(struct iss_collateral *c, const char *name, vd_span bytes, vd_jw *w,
                            vd_err *err);
/* The same with all that lies in the directory or file that the store was opened with; `name` is
 * for the report. */
vd_rc iss_collateral_import_given(struct iss_collateral *c, const char *name, vd_jw *w,
                                  vd_err *err);
/* Array of what is held in cache, bundle and directory, soonest expiry first: what it is, until
 * when, and what stops working then. */
vd_rc iss_collateral_list(struct iss_collateral *c, vd_jw *w, vd_err *err);
/* When each thing that ends does so (of several copies the last), and what stops working then. */
typedef void (*iss_collateral_end)(void *ctx, const char *kind, vd_span key, int64_t expires,
                                   vd_span stops);
vd_rc iss_collateral_ends(struct iss_collateral *c, iss_collateral_end each, void *ctx,
                          vd_err *err);
/* Warns in the log of what ends soon: within two days although it should have been renewed, within
 * a week when it is brought by hand. For a timer of the program: once a day is enough. */
void iss_collateral_watch(struct iss_collateral *c);
/* Everything that is held and good now as one signed file, see bundle.h. */
struct vd_key;
vd_rc iss_collateral_export(struct iss_collateral *c, const struct vd_key *key, vd_buf *ret,
                            vd_err *err);
/* Lines "file: reason" on what lies in bundle and directory and is not used. */
void iss_collateral_notes(struct iss_collateral *c, vd_buf *ret);
/* Only those of files that hold nothing good, whoever looked for what. */
void iss_collateral_refusals(struct iss_collateral *c, vd_buf *ret);

/* ---- for families ------------------------------------------------------------------------------
 */

/* Puts one thing on the shelf; key and bytes are copied. */
void iss_collateral_shelf_put(struct iss_collateral_shelf *s,
                              const struct iss_collateral_kind *kind, vd_span key, vd_span bytes,
                              const struct iss_collateral_rank *rank, const char *from);
/* There was something for this key, and it is not good: who asks for it and finds nothing better is
 * told so. */
void iss_collateral_shelf_refuse(struct iss_collateral_shelf *s,
                                 const struct iss_collateral_kind *kind, vd_span key,
                                 const vd_err *why, const char *from);

/* Rows of [collateral], for the program's table of settings. */
extern const struct vd_setting iss_collateral_settings[];
extern const size_t iss_collateral_settings_n;
