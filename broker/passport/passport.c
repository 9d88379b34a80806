/* Life of an accepted passport; see passport.h. */
#include "broker/passport/passport.h"

#include <stdatomic.h>
#include <stdlib.h>

struct brk_passport *brk_passport_ref(struct brk_passport *p)
{
    if (p)
        atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
    return p;
}

void brk_passport_unref(struct brk_passport *p)
{
    if (!p || atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1)
        return;
    vd_buf_done(&p->payload);
    brk_issuer_unref(p->issuer);
    vd_key_unref(p->tee_key);
    free(p->submod);
    free(p);
}

vd_rc brk_passport_count(struct brk_passport *p, int64_t now, uint64_t max, vd_err *err)
{
    uint64_t minute = (uint64_t)(now / 60) & UINT32_MAX;
    uint64_t seen = atomic_load_explicit(&p->releases, memory_order_relaxed);
    uint64_t next = 0;
    do {
        uint64_t count = seen >> 32 == minute ? seen & UINT32_MAX : 0;
        if (count >= max)
            return vd_fail(err, VD_E_RATE, "more than %llu releases for one passport in a minute",
                           (unsigned long long)max);
        next = minute << 32 | (count + 1);
    } while (!atomic_compare_exchange_weak_explicit(&p->releases, &seen, next, memory_order_relaxed,
                                                    memory_order_relaxed));
    return VD_OK;
}
