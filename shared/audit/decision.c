/* Explanations by id: a fixed number of slots, found by a hash of the id, each owner limited to his
 * quota and all of them to a number of bytes, so that a flood of denials costs memory only up to a
 * bound and takes away nobody else's explanations. */
#include "shared/audit/decision.h"

#include <pthread.h>

#include "shared/base/secret.h"
#include "shared/codec/b64.h"

enum { ID = 22, OWNER = 64, ONE_MAX = 64 << 10, ALL_MAX = 32 << 20 };
static const uint32_t none = UINT32_MAX;

struct slot {
    char id[24];
    uint8_t *text; /* owned */
    size_t n;
    uint32_t bucket_next; /* also the list of free slots */
    uint32_t newer;       /* of the same owner */
};

struct owner {
    char name[OWNER + 1];
    uint32_t oldest;
    uint32_t newest;
    uint32_t count; /* 0: the entry is free for another owner */
};

struct vd_decisions {
    pthread_mutex_t lock;
    struct slot *slot;
    uint32_t *bucket;
    uint32_t n_buckets; /* a power of two */
    uint32_t free;
    uint32_t quota;
    size_t bytes;
    struct owner *owner;
    uint32_t n_owners;
};

struct vd_decisions *vd_decisions_new(const struct vd_limits *limits)
{
    uint32_t cap = (uint32_t)(limits->decisions ? limits->decisions : 1);
    VD_AUTO(vd_decisions_free) struct vd_decisions *d = calloc(1, sizeof *d);
    if (!d)
        return NULL;
    (void)pthread_mutex_init(&d->lock, NULL);
    d->n_buckets = 16;
    while (d->n_buckets < cap)
        d->n_buckets *= 2;
    d->quota = (uint32_t)(limits->decisions_per_owner ? limits->decisions_per_owner : 1);
    d->slot = calloc(cap, sizeof *d->slot);
    d->bucket = calloc(d->n_buckets, sizeof *d->bucket);
    if (!d->slot || !d->bucket)
        return NULL;
    for (uint32_t i = 0; i < d->n_buckets; i++)
        d->bucket[i] = none;
    for (uint32_t i = 0; i < cap; i++)
        d->slot[i].bucket_next = i + 1 < cap ? i + 1 : none;
    return VD_TAKE(d);
}

static void drop_text(struct vd_decisions *d, struct slot *s)
{
    d->bytes -= s->n;
    free(s->text);
    s->text = NULL;
    s->n = 0;
}

void vd_decisions_free(struct vd_decisions *d)
{
    if (!d)
        return;
    for (uint32_t o = 0; o < d->n_owners; o++) {
        uint32_t i = d->owner[o].count ? d->owner[o].oldest : none;
        while (i != none) {
            drop_text(d, &d->slot[i]);
            i = d->slot[i].newer;
        }
    }
    (void)pthread_mutex_destroy(&d->lock);
    free(d->owner);
    free(d->bucket);
    free(d->slot);
    free(d);
}

void vd_decision_id(char ret[24])
{
    uint8_t raw[16];
    VD_AUTO_BUF text = vd_buf_of(64);
    do { /* an id that begins with a dash would read as an option on a command line */
        vd_buf_reset(&text);
        vd_random(raw, sizeof raw);
        vd_b64_encode(vd_span_of(raw, sizeof raw), VD_B64_URL, &text);
    } while (text.n == ID && text.p[0] == '-');
    memset(ret, 0, 24);
    if (text.n == ID)
        memcpy(ret, text.p, ID);
}

/* Ids are random, so their bytes are a hash; a stranger's made-up id only walks one short chain. */
static uint32_t bucket_of(const struct vd_decisions *d, const char *id)
{
    uint32_t h = 2166136261u; /* FNV-1a, 32 bits */
    for (size_t i = 0; id[i]; i++)
        h = (h ^ (uint8_t)id[i]) * 16777619u;
    return h & (d->n_buckets - 1);
}

static void unchain(struct vd_decisions *d, uint32_t i)
{
    uint32_t *at = &d->bucket[bucket_of(d, d->slot[i].id)];
    while (*at != none && *at != i)
        at = &d->slot[*at].bucket_next;
    if (*at == i)
        *at = d->slot[i].bucket_next;
}

static void drop_oldest(struct vd_decisions *d, struct owner *o)
{
    uint32_t i = o->oldest;
    struct slot *s = &d->slot[i];
    unchain(d, i);
    drop_text(d, s);
    o->oldest = s->newer;
    o->count--;
    s->bucket_next = d->free;
    d->free = i;
}

static struct owner *largest(struct vd_decisions *d)
{
    struct owner *most = NULL;
    for (uint32_t o = 0; o < d->n_owners; o++)
        if (d->owner[o].count > 0 && (!most || d->owner[o].count > most->count))
            most = &d->owner[o];
    return most;
}

/* The owner's entry, or a free one with his name; NULL without memory. */
static struct owner *owner_of(struct vd_decisions *d, const char *name)
{
    struct owner *vacant = NULL;
    for (uint32_t o = 0; o < d->n_owners; o++) {
        if (d->owner[o].count == 0)
            vacant = &d->owner[o];
        else if (strncmp(d->owner[o].name, name, OWNER) == 0)
            return &d->owner[o];
    }
    if (!vacant) {
        struct owner *more = reallocarray(d->owner, d->n_owners + 1, sizeof *more);
        if (!more)
            return NULL;
        d->owner = more;
        vacant = &d->owner[d->n_owners++];
    }
    *vacant = (struct owner){ .oldest = none, .newest = none };
    (void)snprintf(vacant->name, sizeof vacant->name, "%s", name);
    return vacant;
}

static void chain(struct vd_decisions *d, struct owner *o, uint32_t i)
{
    struct slot *s = &d->slot[i];
    uint32_t *bucket = &d->bucket[bucket_of(d, s->id)];
    s->bucket_next = *bucket;
    *bucket = i;
    s->newer = none;
    if (o->count++ == 0)
        o->oldest = i;
    else
        d->slot[o->newest].newer = i;
    o->newest = i;
}

static void add_locked(struct vd_decisions *d, const char *id, const char *owner, uint8_t *text,
                       size_t n)
{
    struct owner *o = owner_of(d, owner);
    if (!o) {
        free(text);
        return;
    }
    if (o->count >= d->quota)
        drop_oldest(d, o);
    while (d->free == none || d->bytes + n > ALL_MAX) {
        struct owner *most = largest(d);
        if (!most)
            break;
        drop_oldest(d, most);
    }
    uint32_t i = d->free;
    d->free = d->slot[i].bucket_next;
    struct slot *s = &d->slot[i];
    (void)snprintf(s->id, sizeof s->id, "%s", id);
    s->text = text;
    s->n = n;
    d->bytes += n;
    chain(d, o, i);
}

void vd_decisions_add(struct vd_decisions *d, const char *id, const char *owner,
                      vd_span explanation_json)
{
    vd_span in = explanation_json.n <= ONE_MAX ? explanation_json : VD_LIT("{\"too_large\":true}");
    uint8_t *text = malloc(in.n ? in.n : 1);
    if (!text)
        return; /* an explanation less; the decision stands */
    if (in.n)
        memcpy(text, in.p, in.n);
    (void)pthread_mutex_lock(&d->lock);
    add_locked(d, id, owner, text, in.n);
    (void)pthread_mutex_unlock(&d->lock);
}

vd_rc vd_decisions_get(struct vd_decisions *d, const char *id, vd_buf *ret, vd_err *err)
{
    bool found = false;
    (void)pthread_mutex_lock(&d->lock);
    for (uint32_t i = d->bucket[bucket_of(d, id)]; i != none && !found; i = d->slot[i].bucket_next)
        if (strcmp(d->slot[i].id, id) == 0) {
            vd_buf_add(ret, vd_span_of(d->slot[i].text, d->slot[i].n));
            found = true;
        }
    (void)pthread_mutex_unlock(&d->lock);
    if (!found)
        return vd_fail(err, VD_E_NOT_FOUND,
                       "no decision %.24s is remembered: it is old, or of before the last start",
                       id);
    return vd_buf_check(ret, err);
}
