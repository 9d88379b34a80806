/* Cookies of relayed handshakes; see cookies.h. Entries are in a heap by their end, so the first
 * one is both the next to expire and the one to push out, and in chains by the cookie's digest. */
#include "broker/api/cookies.h"

#include <pthread.h>

#include "shared/base/secret.h"
#include "shared/crypto/hash.h"

struct entry {
    struct entry *next; /* in its chain */
    uint8_t digest[32];
    int64_t exp;
    size_t heap_at;
    size_t n;
    uint8_t token[];
};

struct brk_cookies {
    pthread_mutex_t lock;
    struct entry **chain;
    struct entry **heap;
    size_t max;
    size_t n;
    size_t bytes_max;
    size_t bytes;
};

struct brk_cookies *brk_cookies_new(size_t entries, size_t bytes)
{
    struct brk_cookies *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->max = entries;
    c->bytes_max = bytes;
    c->chain = calloc(entries, sizeof(struct entry *));
    c->heap = calloc(entries, sizeof(struct entry *));
    if (!c->chain || !c->heap) {
        free(c->chain);
        free(c->heap);
        free(c);
        return NULL;
    }
    (void)pthread_mutex_init(&c->lock, NULL);
    return c;
}

static void heap_set(struct brk_cookies *c, size_t at, struct entry *e)
{
    c->heap[at] = e;
    e->heap_at = at;
}

static void sift_up(struct brk_cookies *c, size_t at)
{
    struct entry *e = c->heap[at];
    for (; at > 0 && c->heap[(at - 1) / 2]->exp > e->exp; at = (at - 1) / 2)
        heap_set(c, at, c->heap[(at - 1) / 2]);
    heap_set(c, at, e);
}

static void sift_down(struct brk_cookies *c, size_t at)
{
    struct entry *e = c->heap[at];
    for (;;) {
        size_t kid = 2 * at + 1;
        if (kid + 1 < c->n && c->heap[kid + 1]->exp < c->heap[kid]->exp)
            kid++;
        if (kid >= c->n || c->heap[kid]->exp >= e->exp)
            break;
        heap_set(c, at, c->heap[kid]);
        at = kid;
    }
    heap_set(c, at, e);
}

static struct entry **chain_of(struct brk_cookies *c, const uint8_t digest[32])
{
    vd_rd r = vd_rd_of(vd_span_of(digest, 32));
    return &c->chain[vd_rd_u64le(&r) % c->max];
}

static struct entry *find(struct brk_cookies *c, const uint8_t digest[32])
{
    struct entry *e = *chain_of(c, digest);
    while (e && !vd_ct_equal(vd_span_of(e->digest, 32), vd_span_of(digest, 32)))
        e = e->next;
    return e;
}

static void drop(struct brk_cookies *c, struct entry *e)
{
    struct entry **at = chain_of(c, e->digest);
    while (*at != e)
        at = &(*at)->next;
    *at = e->next;
    struct entry *last = c->heap[--c->n];
    if (last != e) {
        heap_set(c, e->heap_at, last);
        sift_up(c, last->heap_at);
        sift_down(c, last->heap_at);
    }
    c->bytes -= e->n;
    vd_wipe(e->token, e->n);
    free(e);
}

void brk_cookies_free(struct brk_cookies *c)
{
    if (!c)
        return;
    while (c->n)
        drop(c, c->heap[0]);
    (void)pthread_mutex_destroy(&c->lock);
    free(c->chain);
    free(c->heap);
    free(c);
}

static void insert(struct brk_cookies *c, struct entry *e, int64_t now)
{
    struct entry *old = find(c, e->digest);
    if (old)
        drop(c, old);
    while (c->n && (c->n == c->max || c->bytes + e->n > c->bytes_max || c->heap[0]->exp <= now))
        drop(c, c->heap[0]);
    struct entry **chain = chain_of(c, e->digest);
    e->next = *chain;
    *chain = e;
    c->bytes += e->n;
    heap_set(c, c->n, e);
    sift_up(c, c->n++);
}

vd_rc brk_cookies_put(struct brk_cookies *c, vd_span cookie, vd_span token, int64_t exp,
                      int64_t now, vd_err *err)
{
    uint8_t digest[32];
    VD_TRY(vd_hash_of(VD_SHA256, cookie, digest, err));
    struct entry *e = calloc(1, sizeof *e + token.n);
    if (!e)
        return vd_fail(err, VD_E_NOMEM, "session cookie");
    memcpy(e->digest, digest, 32);
    memcpy(e->token, token.p, token.n);
    e->n = token.n;
    e->exp = exp;
    (void)pthread_mutex_lock(&c->lock);
    insert(c, e, now);
    (void)pthread_mutex_unlock(&c->lock);
    return VD_OK;
}

bool brk_cookies_get(struct brk_cookies *c, vd_span cookie, int64_t now, vd_buf *ret_token)
{
    uint8_t digest[32];
    bool found = false;
    if (vd_hash_of(VD_SHA256, cookie, digest, NULL).code != VD_E_OK)
        return false;
    (void)pthread_mutex_lock(&c->lock);
    struct entry *e = find(c, digest);
    if (e && e->exp <= now) {
        drop(c, e);
        e = NULL;
    }
    if (e) {
        vd_buf_add(ret_token, vd_span_of(e->token, e->n));
        found = !ret_token->bad;
    }
    (void)pthread_mutex_unlock(&c->lock);
    return found;
}

size_t brk_cookies_count(struct brk_cookies *c)
{
    (void)pthread_mutex_lock(&c->lock);
    size_t n = c->n;
    (void)pthread_mutex_unlock(&c->lock);
    return n;
}
