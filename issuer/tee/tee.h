/* The driver interface of a TEE, and the registry (SHAPES section 11, style section 5). A driver
 * parses, checks and makes claims; the dispatcher enforces sizes and the list below is the only
 * one. */
#pragma once

#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/codec/json.h"
#include "shared/program/config.h"

enum { ISS_TEE_ABI = 1, ISS_CLAIMS_MAX = 16, ISS_HW_ID_MAX = 128 };

/* An expected value: not provided, provided and empty, provided: three different things. */
struct iss_expected {
    bool given;
    vd_span value;
};

struct iss_collateral; /* issuer/collateral/collateral.h */

struct iss_evidence {
    vd_jv json;        /* the evidence as JSON; missing when `raw` is used */
    vd_span raw;       /* raw binary evidence (verify verb only) */
    vd_span vcek;      /* verify verb: a certificate given beside raw evidence; empty otherwise */
    vd_span event_log; /* verify verb: a log given beside the evidence; empty otherwise */
    struct iss_expected report_data;
    struct iss_expected init_data;     /* digest */
    int64_t now;                       /* unix seconds: evaluation time of certificates and CRLs */
    struct iss_collateral *collateral; /* NULL: nothing can be fetched */
    const char *source;                /* who asked, for the bound on fetches; may be NULL */
};

/* One line of "what was checked against what", for `verify` and explanations. */
struct iss_check {
    const char *name; /* literal: "report signature" */
    char observed[200];
    char expected[200];
    bool ok;
};
enum { ISS_CHECKS_MAX = 48 };

/* What came of an event log. A log that does not replay is a refusal. */
enum iss_event_log {
    ISS_EVENT_LOG_NONE /* of a TEE without logs */,
    ISS_EVENT_LOG_ABSENT,
    ISS_EVENT_LOG_REPLAYED
};

struct iss_claims {
    const char *tee; /* canonical TEE name */
    const char *cls; /* "cpu" "gpu" "switch" "ppcie" "dcu" "nvidia-dpu" */
    vd_buf
        claims; /* JSON object text: Trustee's names plus ours, without report_data and init_data */
    bool has_report_data;
    vd_buf report_data; /* content of the JSON string, without quotes; never needs an escape (hex
                           for hardware TEEs, base64 for sample) */
    bool has_init_data;
    vd_buf init_data; /* the same */
    /* Replayed only: the events as a JSON array, the claim uefi_event_logs; policies get it, a
     * passport only its digest, which is of the log's own bytes up to its end marker. */
    enum iss_event_log event_log;
    vd_buf events;
    uint8_t event_log_sha256[32];
    bool debug;
    bool simulated;                /* chain ends in a configured extra root, or sample */
    char hw_id[ISS_HW_ID_MAX + 1]; /* lower-case hex, or empty when masked or absent */
};

struct iss_claims_list {
    size_t n;
    struct iss_claims item[ISS_CLAIMS_MAX];
    /* Filled as far as verification went, on failure too (the caller allocates the list). */
    size_t n_checks;
    struct iss_check check[ISS_CHECKS_MAX];
    /* Claims parsed before a refusal, for display as "unverified" only; empty if parsing failed. */
    vd_buf unverified;
};
struct iss_claims_list *iss_claims_list_new(void);
void iss_claims_list_free(struct iss_claims_list *l);
VD_DEFINE_CLEANUP(struct iss_claims_list, iss_claims_list_free)
/* The next claims entry, NULL when full. */
struct iss_claims *iss_claims_add(struct iss_claims_list *l, const char *tee, const char *cls);
/* out ends with an object of claims: it gets one member more, uefi_event_logs. Nothing happens
 * when there are no events. */
void iss_claims_put_events(vd_span events, vd_buf *out);
/* Records a check; long values are cut, control characters become '?'. */
void iss_check_add(struct iss_claims_list *l, const char *name, bool ok, const char *observed,
                   const char *expected);

struct iss_tee_cfg {
    const struct vd_config *config; /* keys of [tee.<name>] */
    struct vd_log *log;
};

struct iss_tee {
    const char *name; /* canonical `tee` string of the KBS protocol */
    unsigned abi;
    size_t max_evidence; /* bytes; refused before the driver is called */
    bool default_enabled;
    bool primary;                      /* may be the primary TEE of an attestation */
    bool event_logs;                   /* replays the log of iss_evidence.event_log */
    const struct vd_setting *settings; /* rows "tee.snp.*", `enabled` among them */
    size_t n_settings;

    vd_rc (*open)(const struct iss_tee_cfg *cfg, void **ret_state, vd_err *err);  /* optional */
    void (*close)(void *state);                                                   /* optional */
    vd_rc (*challenge)(void *state, vd_jv params, vd_buf *ret_json, vd_err *err); /* optional */
    /* Appends to `list`; it is allocated by the caller so that checks survive a refusal. */
    vd_rc (*verify)(void *state, const struct iss_evidence *in, struct iss_claims_list *list,
                    vd_err *err);
};

/* The registry: enabled drivers with their state. Thread safe once open. */
struct iss_tees;
vd_rc iss_tees_open(const struct vd_config *config, struct vd_log *log, struct iss_tees **ret,
                    vd_err *err);
void iss_tees_close(struct iss_tees *t);
VD_DEFINE_CLEANUP(struct iss_tees, iss_tees_close)
/* The i-th row of the constant list, enabled or not; NULL behind the end. */
const struct iss_tee *iss_tee_at(size_t i);
bool iss_tees_enabled(const struct iss_tees *t, const char *name);
/* Size ceiling, then the driver. VD_E_TEE_DISABLED when unknown or not enabled. */
vd_rc iss_tees_verify(struct iss_tees *t, const char *name, const struct iss_evidence *in,
                      struct iss_claims_list *list, vd_err *err);
vd_rc iss_tees_challenge(struct iss_tees *t, const char *name, vd_jv params, vd_buf *ret_json,
                         vd_err *err);

/* Settings of every driver and of the collateral, copied to `out` (room for max rows); returns how
 * many there are: call with NULL and 0 to count. */
size_t iss_tee_settings(struct vd_setting *out, size_t max);

struct iss_collateral_kind; /* issuer/collateral/collateral.h */
/* The kinds of collateral that the drivers use, for iss_collateral_open. */
const struct iss_collateral_kind *const *iss_tee_collateral_kinds(size_t *ret_n);
