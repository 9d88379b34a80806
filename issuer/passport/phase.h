/* Life of the keys that sign passports, as a function of stored times and the clock:
 * next -> active -> retiring -> retired, and revoked from any of them. Nothing here remembers
 * anything, so a restart changes nothing. */
#pragma once

#include "shared/base/err.h"

enum iss_phase {
    ISS_PHASE_NEXT,     /* published, not used yet */
    ISS_PHASE_ACTIVE,   /* signs */
    ISS_PHASE_RETIRING, /* its passports may still be alive: published */
    ISS_PHASE_RETIRED,
    ISS_PHASE_REVOKED,
    ISS_PHASE_MAX
};
const char *iss_phase_name(enum iss_phase p);

struct iss_times {
    int64_t published_at;
    int64_t active_at;
    int64_t revoked_at; /* 0: not revoked */
    uint64_t life;      /* longest passport that the key may have signed, seconds */
};

/* Keys in the order in which they were made; of two with the same active_at the later one counts.
 * `overlap`: what a retiring key stays published for beyond its passports' life: leeway and the
 * age up to which brokers may keep a key set. */
enum iss_phase iss_phase_of(const struct iss_times *k, size_t n, size_t i, uint64_t overlap,
                            int64_t now);
/* Index of the key that signs at `now`; n when there is none. */
size_t iss_phase_active(const struct iss_times *k, size_t n, int64_t now);
/* When key i leaves the set: 0 while nothing will replace it. */
int64_t iss_phase_retires_at(const struct iss_times *k, size_t n, size_t i, uint64_t overlap);
/* The earliest time after `now` at which a phase changes; INT64_MAX when none does by itself. */
int64_t iss_phase_changes_at(const struct iss_times *k, size_t n, uint64_t overlap, int64_t now);

/* When a key that is made now may begin to sign: published for `publish_before` seconds, and
 * behind every other key. */
int64_t iss_phase_activation(const struct iss_times *k, size_t n, uint64_t publish_before,
                             int64_t now);
/* Rotation by schedule: when the next key must be made, so that it can begin `every` seconds after
 * the active one did. INT64_MAX: not by itself (every is 0, or a next key is there). */
int64_t iss_phase_due(const struct iss_times *k, size_t n, uint64_t every, uint64_t publish_before,
                      int64_t now);
