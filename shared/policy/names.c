/* Lists of names that were asked for together; see names.h. */
#include "shared/policy/names.h"

enum { NAME_MAX_BYTES = 1024 };

void vd_names_init(struct vd_names *n)
{
    (void)pthread_mutex_init(&n->lock, NULL);
    for (unsigned i = 0; i < VD_NAMES_LISTS; i++)
        n->list[i] = vd_buf_of(VD_NAMES_BYTES);
    n->n = 0;
    n->last = 0;
}

void vd_names_done(struct vd_names *n)
{
    for (unsigned i = 0; i < VD_NAMES_LISTS; i++)
        vd_buf_done(&n->list[i]);
    (void)pthread_mutex_destroy(&n->lock);
}

void vd_names_add(vd_buf *list, vd_span name)
{
    vd_buf_le(list, name.n, 2);
    vd_buf_add(list, name);
}

bool vd_names_next(vd_rd *r, vd_span *ret)
{
    if (vd_rd_left(r) == 0)
        return false;
    *ret = vd_rd_take(r, vd_rd_u16le(r));
    return !r->bad;
}

static bool has(const vd_buf *list, vd_span name, unsigned *ret_n)
{
    vd_rd r = vd_rd_of(vd_buf_span(list));
    vd_span one;
    for (*ret_n = 0; vd_names_next(&r, &one); (*ret_n)++)
        if (vd_span_eq(one, name))
            return true;
    return false;
}

/* The lock is held. VD_NAMES_LISTS when there is none. */
static unsigned find(const struct vd_names *n, vd_span name)
{
    unsigned count;
    for (unsigned i = 0; i < n->n; i++)
        if (has(&n->list[i], name, &count))
            return i;
    return VD_NAMES_LISTS;
}

void vd_names_likely(struct vd_names *n, vd_buf *ret)
{
    (void)pthread_mutex_lock(&n->lock);
    if (n->n)
        vd_buf_add(ret, vd_buf_span(&n->list[n->last]));
    (void)pthread_mutex_unlock(&n->lock);
}

void vd_names_beside(struct vd_names *n, vd_span name, vd_buf *ret)
{
    (void)pthread_mutex_lock(&n->lock);
    unsigned i = find(n, name);
    if (i < VD_NAMES_LISTS)
        vd_buf_add(ret, vd_buf_span(&n->list[i]));
    (void)pthread_mutex_unlock(&n->lock);
}

/* The lock is held. The list of the first name, or a new one in the place of the next. */
static vd_buf *list_for(struct vd_names *n, vd_span first)
{
    unsigned i = find(n, first);
    if (i == VD_NAMES_LISTS) {
        i = n->n < VD_NAMES_LISTS ? n->n++ : (n->last + 1) % VD_NAMES_LISTS;
        vd_buf_reset(&n->list[i]);
    }
    n->last = i;
    return &n->list[i];
}

void vd_names_learn(struct vd_names *n, vd_span list)
{
    vd_rd r = vd_rd_of(list);
    vd_span name;
    vd_buf *to = NULL;
    (void)pthread_mutex_lock(&n->lock);
    while (vd_names_next(&r, &name)) {
        unsigned count = 0;
        if (name.n > NAME_MAX_BYTES)
            continue;
        if (!to)
            to = list_for(n, name);
        if (!has(to, name, &count) && count < VD_NAMES_EACH && to->n + 2 + name.n <= VD_NAMES_BYTES)
            vd_names_add(to, name);
        if (to->bad) /* no memory: forget it all rather than half a name */
            vd_buf_reset(to);
    }
    (void)pthread_mutex_unlock(&n->lock);
}
