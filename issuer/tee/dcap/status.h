/* TCB statuses of Intel's documents, and lists of advisories as one document holds them. */
#pragma once

#include "shared/base/auto.h"
#include "shared/base/buf.h"

enum dcap_status {
    DCAP_UP_TO_DATE,
    DCAP_SW_HARDENING,
    DCAP_CONFIGURATION,
    DCAP_CONFIGURATION_SW_HARDENING,
    DCAP_OUT_OF_DATE,
    DCAP_OUT_OF_DATE_CONFIGURATION,
    DCAP_REVOKED,
    /* results only, never in a document */
    DCAP_RELAUNCH,
    DCAP_RELAUNCH_CONFIGURATION,
    DCAP_STATUS_MAX
};
/* "UpToDate" and so on, as Intel and Trustee spell them. */
const char *dcap_status_name(enum dcap_status s);
/* By the name in a document. VD_E_COLLATERAL_SYNTAX. */
vd_rc dcap_status_parse(vd_span name, enum dcap_status *ret, vd_err *err);

enum { DCAP_ADVISORY_MAX = 47, DCAP_ADVISORIES_MAX = 1024 /* different ones in one document */ };

/* Every advisory of a document once; levels name them by index through `ref`. */
struct dcap_advisories {
    char (*id)[DCAP_ADVISORY_MAX + 1];
    size_t n;
    uint16_t *ref;
    size_t n_ref;
    size_t cap;
    size_t cap_ref;
};
/* A level's part of `ref`. */
struct dcap_advisory_list {
    uint32_t at;
    uint32_t n;
};
/* Appended to ref. VD_E_COLLATERAL_SYNTAX: not 1 to 47 characters of [A-Za-z0-9_.-]. */
vd_rc dcap_advisories_add(struct dcap_advisories *a, vd_span id, vd_err *err);
void dcap_advisories_done(struct dcap_advisories *a);
static inline const char *dcap_advisory(const struct dcap_advisories *a,
                                        struct dcap_advisory_list l, size_t i)
{
    return a->id[a->ref[l.at + i]];
}

/* One level of a document that counts by ISVSVN alone: quoting enclaves, TDX modules. */
struct dcap_isv_level {
    uint16_t isvsvn;
    enum dcap_status status;
    int64_t date;
    struct dcap_advisory_list adv;
};
