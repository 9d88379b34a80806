/* Counts open connections per source (an IPv4 address or an IPv6 /64) in a table whose size follows
 * the connections there are. Used at accept and close only, so one lock is enough. */
#include "shared/base/secret.h"
#include "shared/http/guest_priv.h"

enum { BUCKETS = 4096 };

struct vd_source {
    struct vd_source *next;
    size_t bucket;
    uint64_t n;
    char text[48];
};

struct vd_sources {
    pthread_mutex_t lock;
    uint64_t all;
    uint64_t key; /* strangers choose their addresses: the bucket must not be guessable */
    struct vd_source *bucket[BUCKETS];
};

struct vd_sources *vd_sources_new(void)
{
    struct vd_sources *s = calloc(1, sizeof *s);
    if (!s || pthread_mutex_init(&s->lock, NULL) != 0) {
        free(s);
        return NULL;
    }
    vd_random(&s->key, sizeof s->key);
    return s;
}

void vd_sources_free(struct vd_sources *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < BUCKETS; i++)
        while (s->bucket[i]) {
            struct vd_source *gone = s->bucket[i];
            s->bucket[i] = gone->next;
            free(gone);
        }
    (void)pthread_mutex_destroy(&s->lock);
    free(s);
}

static size_t bucket_of(const struct vd_sources *s, const char *text)
{
    uint64_t h = s->key;
    for (; *text; text++) {
        h = (h ^ (uint8_t)*text) * 0xff51afd7ed558ccdu;
        h ^= h >> 32;
    }
    return (size_t)(h % BUCKETS);
}

static struct vd_source *find_or_add(struct vd_sources *s, const char *text)
{
    size_t b = bucket_of(s, text);
    for (struct vd_source *at = s->bucket[b]; at; at = at->next)
        if (vd_span_eq_str(vd_span_str(at->text), text))
            return at;
    struct vd_source *fresh = calloc(1, sizeof *fresh);
    if (!fresh)
        return NULL;
    (void)snprintf(fresh->text, sizeof fresh->text, "%s", text);
    fresh->bucket = b;
    fresh->next = s->bucket[b];
    s->bucket[b] = fresh;
    return fresh;
}

static void drop_if_empty(struct vd_sources *s, struct vd_source *source)
{
    if (source->n > 0)
        return;
    struct vd_source **at = &s->bucket[source->bucket];
    while (*at != source)
        at = &(*at)->next;
    *at = source->next;
    free(source);
}

struct vd_source *vd_sources_enter(struct vd_sources *s, const char *text, uint64_t each,
                                   uint64_t all)
{
    (void)pthread_mutex_lock(&s->lock);
    struct vd_source *source = s->all < all ? find_or_add(s, text) : NULL;
    if (source && source->n >= each) {
        drop_if_empty(s, source);
        source = NULL;
    }
    if (source) {
        source->n++;
        s->all++;
    }
    (void)pthread_mutex_unlock(&s->lock);
    return source;
}

void vd_sources_leave(struct vd_sources *s, struct vd_source *source)
{
    (void)pthread_mutex_lock(&s->lock);
    source->n--;
    s->all--;
    drop_if_empty(s, source);
    (void)pthread_mutex_unlock(&s->lock);
}

uint64_t vd_sources_count(struct vd_sources *s)
{
    (void)pthread_mutex_lock(&s->lock);
    uint64_t n = s->all;
    (void)pthread_mutex_unlock(&s->lock);
    return n;
}
