/* A check of a record in progress; shared by verify.c and export.c only. */
#pragma once

#include "shared/audit/audit_priv.h"

enum { VD_EXPORT_LINE = 512 };

struct vd_verify;
typedef vd_rc (*vd_verify_each)(void *ctx, const struct vd_verify *v,
                                const struct vd_audit_line *line, vd_err *err);

struct vd_verify {
    struct vd_key *key; /* owned */
    vd_span head;       /* line that somebody kept */
    uint64_t head_seq;
    bool head_found;
    const char *path; /* file at hand */
    char program[VD_AUDIT_PROGRAM + 1];
    char log[VD_AUDIT_LOG_HEX + 1];
    struct vd_merkle tree; /* of the records since the last checkpoint */
    uint64_t from;
    uint64_t export_to;
    uint8_t last[32]; /* hash of the last line of the file before */
    bool torn;
    struct vd_audit_report report;
    vd_verify_each each; /* called for every record, before it is counted; may be NULL */
    void *ctx;
};
/* v is zero but for each and ctx. */
vd_rc vd_verify_run(struct vd_verify *v, const struct vd_audit_check *check, vd_err *err);
void vd_verify_done(struct vd_verify *v);
#define VD_AUTO_VERIFY __attribute__((cleanup(vd_verify_done))) struct vd_verify
