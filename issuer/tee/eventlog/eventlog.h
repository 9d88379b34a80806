/* Event logs of a guest's start: the CCEL of ACPI and the log that the attestation agent continues
 * (TCG PC Client Platform Firmware Profile 1.06, section 10; UEFI 2.11, chapter 38). A log is
 * hearsay until its digests are extended again and give the registers of a signed quote. What that
 * does not cover is refused when a log is read, so that no claim can come from it; labels and data
 * of an event are covered only where digest_matches_event says so. */
#pragma once

#include "shared/codec/json.h"
#include "shared/crypto/hash.h"

enum {
    EVL_REGISTERS = 4,       /* CC measurement registers 1 to 4: RTMR0 to RTMR3 */
    EVL_USED_MAX = 262144,   /* bytes before the end marker; genuine logs have 2 to 100 KiB */
    EVL_BYTES_MAX = 1048576, /* with what follows the end marker: the tables of firmware */
    EVL_EVENTS_MAX = 4096,
};

struct evl_event {
    uint32_t index; /* measurement register, 1 to EVL_REGISTERS; 0 for EV_NO_ACTION */
    uint32_t type;
    vd_span digest; /* of the log's algorithm */
    vd_span data;
};

/* Valid while the input lives. */
struct evl_log {
    enum vd_hash alg;
    vd_span used; /* what was read: the input up to the end marker */
    struct evl_event *event;
    size_t n;
    size_t cap;
};

/* Reads a log whose registers are extended with alg. VD_E_BAD_EVIDENCE: not framed as a log, or
 * above a ceiling. VD_E_EVENT_LOG: an event that no replay covers: a register that is none of the
 * four, no digest of alg, or more than one digest. */
vd_rc evl_parse(vd_span in, enum vd_hash alg, struct evl_log **ret, vd_err *err);
void evl_free(struct evl_log *l);
VD_DEFINE_CLEANUP(struct evl_log, evl_free)

/* What the registers hold after all events; vd_hash_size(alg) bytes of each row are written. */
vd_rc evl_replay(const struct evl_log *l, uint8_t ret[EVL_REGISTERS][VD_HASH_BYTES_MAX],
                 vd_err *err);
/* All four are compared, whatever the first says. VD_E_EVENT_LOG names the first that differs. */
vd_rc evl_compare(const struct evl_log *l, const uint8_t replayed[EVL_REGISTERS][VD_HASH_BYTES_MAX],
                  const vd_span reg[EVL_REGISTERS], vd_err *err);

/* Appends the JSON array of the events, with Trustee's names and forms. */
vd_rc evl_json(const struct evl_log *l, vd_buf *out, vd_err *err);
/* "EV_IPL"; NULL for a type that no specification names. */
const char *evl_type_name(uint32_t type);
