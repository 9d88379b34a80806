/* Bound on fetches: what a stranger sends decides which certificate is asked for, so one stranger
 * must not be able to use up the vendor's patience or our workers. Sources share a slot when their
 * hashes meet, which makes the bound stricter for both and keeps the memory fixed. */
#include "issuer/collateral/collateral_priv.h"

enum { SLOTS = 1024, WINDOW = 60, SLOT_AT_ONCE = 8, ALL_AT_ONCE = 16 };

struct slot {
    int64_t start;
    uint64_t count;
    unsigned running;
};
struct coll_bound {
    struct slot slot[SLOTS];
    uint64_t per_minute;
    unsigned running;
};

vd_rc coll_bound_new(uint64_t per_minute, struct coll_bound **ret, vd_err *err)
{
    struct coll_bound *b = calloc(1, sizeof *b);
    if (!b)
        return vd_fail(err, VD_E_NOMEM, "bound on fetches");
    b->per_minute = per_minute;
    *ret = b;
    return VD_OK;
}

void coll_bound_free(struct coll_bound *b)
{
    free(b);
}

static unsigned slot_of(const char *source)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
    for (const char *c = source ? source : ""; *c; c++)
        h = (h ^ (uint8_t)*c) * UINT64_C(0x100000001b3);
    return (unsigned)((h ^ h >> 32) % SLOTS);
}

vd_rc coll_bound_enter(struct coll_bound *b, const char *source, int64_t now, unsigned *ret_slot,
                       vd_err *err)
{
    unsigned at = slot_of(source);
    struct slot *s = &b->slot[at];
    if (now < s->start || now - s->start >= WINDOW) {
        s->start = now;
        s->count = 0;
    }
    if (s->count >= b->per_minute)
        return vd_fail(err, VD_E_RATE,
                       "%llu different fetches of collateral for one source in a minute; "
                       "collateral.fetches_per_source is the limit",
                       (unsigned long long)b->per_minute);
    if (b->running >= ALL_AT_ONCE || s->running >= SLOT_AT_ONCE)
        return vd_fail(err, VD_E_BUSY, "%u fetches of collateral are running", b->running);
    s->count++;
    s->running++;
    b->running++;
    *ret_slot = at;
    return VD_OK;
}

void coll_bound_leave(struct coll_bound *b, unsigned slot)
{
    b->slot[slot].running--;
    b->running--;
}
