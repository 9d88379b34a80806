/* Accepted passports by the SHA-256 of their token: a fixed number of places, sets of eight, a lock
 * per stripe. A place is found again only while its epoch is the present one. */
#pragma once

#include "broker/passport/passport.h"

struct brk_cache;                                  /* thread safe */
struct brk_cache *brk_cache_new(uint64_t entries); /* NULL: no memory */
void brk_cache_free(struct brk_cache *c);
/* A new reference, or NULL. */
struct brk_passport *brk_cache_get(struct brk_cache *c, const uint8_t sha256[32], uint64_t epoch);
/* Takes a reference of its own; pushes out a place of another epoch, an expired one, or the least
 * used. */
void brk_cache_put(struct brk_cache *c, struct brk_passport *p, int64_t now);
