/* Waking somebody once for several things that happened. What happens in a row is told first and
 * the wakers are gathered; they are woken when it is over. One by one, the first who is woken often
 * takes the processor from the one who still has things to tell. */
#pragma once

#include <stddef.h>

/* Embed it in what sleeps. `times`: for how many things that happened. */
struct vd_waker {
    void (*wake)(struct vd_waker *w, unsigned times);
};

enum { VD_WAKERS = 16 };
struct vd_wakers {
    unsigned n;
    struct {
        struct vd_waker *waker;
        unsigned times;
    } item[VD_WAKERS];
};

static inline void vd_wakers_wake(struct vd_wakers *all)
{
    unsigned n = all->n;
    all->n = 0;
    for (unsigned i = 0; i < n; i++)
        all->item[i].waker->wake(all->item[i].waker, all->item[i].times);
}

/* w may be NULL. When there is no more room, all are woken early. */
static inline void vd_wakers_add(struct vd_wakers *all, struct vd_waker *w)
{
    unsigned i = 0;
    while (i < all->n && all->item[i].waker != w)
        i++;
    if (!w)
        return;
    if (i == VD_WAKERS) {
        vd_wakers_wake(all);
        i = 0;
    }
    if (i == all->n) {
        all->item[i].waker = w;
        all->item[i].times = 0;
        all->n++;
    }
    all->item[i].times++;
}

static inline void vd_wake(struct vd_waker *w)
{
    if (w)
        w->wake(w, 1);
}
