/* Denials that are the same in one minute get one record and a count (SHAPES section 6). The first
 * of a key is recorded at once, the rest when the minute is over; above `sources_recorded` keys all
 * others are one record. Keys are kept as keyed hashes, so that nobody can aim at one place of the
 * table. */
#include "shared/audit/decision.h"

#include <pthread.h>

#include "shared/crypto/seal.h"

enum { MINUTE = 60, DETAIL_KEPT = 4 << 10 };

struct entry {
    uint8_t key[32];
    uint64_t more; /* denials after the recorded one */
    char *event;   /* owned; NULL: the entry is free */
    vd_buf detail;
};

struct table {
    struct entry *entry;
    size_t mask;
    size_t used;
    int64_t minute;
    uint64_t others;
};

struct vd_thinner {
    pthread_mutex_t lock;
    struct vd_audit *audit;
    struct vd_clock clock;
    size_t limit;
    uint8_t secret[32];
    struct table now;
};

static void table_done(struct table *t)
{
    for (size_t i = 0; t->entry && i <= t->mask; i++) {
        free(t->entry[i].event);
        vd_buf_done(&t->entry[i].detail);
    }
    free(t->entry);
    t->entry = NULL;
}

/* Room for twice the limit, so that chains stay short. */
static bool table_init(struct table *t, size_t limit, int64_t minute)
{
    size_t n = 16;
    while (n < 2 * limit)
        n *= 2;
    *t = (struct table){ .entry = calloc(n, sizeof *t->entry), .mask = n - 1, .minute = minute };
    return t->entry != NULL;
}

static int64_t minute_of(const struct vd_thinner *t)
{
    return vd_clock_s(&t->clock) / MINUTE;
}

struct vd_thinner *vd_thinner_new(struct vd_audit *a, const struct vd_limits *limits,
                                  struct vd_clock clock)
{
    VD_AUTO(free) struct vd_thinner *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->audit = a;
    t->clock = clock;
    t->limit = (size_t)limits->sources_recorded;
    vd_random(t->secret, sizeof t->secret);
    if (!table_init(&t->now, t->limit, minute_of(t)))
        return NULL;
    (void)pthread_mutex_init(&t->lock, NULL);
    return VD_TAKE(t);
}

/* The detail with the count, and the minute it belongs to, in front. */
static vd_rc record(struct vd_thinner *t, const char *event, uint64_t count, int64_t minute,
                    vd_span detail, vd_err *err)
{
    VD_AUTO_BUF out = vd_buf_of(detail.n + 256);
    vd_buf_printf(&out, "{\"count\":%llu,\"minute\":\"", (unsigned long long)count);
    vd_time_rfc3339(minute * MINUTE, &out);
    vd_buf_str(&out, "\"");
    vd_span rest = vd_span_part(detail, 1, detail.n);
    if (rest.n > 1)
        vd_buf_str(&out, ",");
    vd_buf_add(&out, rest.n ? rest : VD_LIT("}"));
    VD_TRY(vd_buf_check(&out, err));
    return vd_audit_append(t->audit, event, vd_buf_span(&out), VD_AUDIT_LAZY, NULL, err);
}

/* What a finished minute still has to say. Without the lock: it may write hundreds of records. */
static vd_rc say_rest(struct vd_thinner *t, const struct table *old, vd_err *err)
{
    vd_rc_ rc = VD_OK;
    for (size_t i = 0; old->entry && i <= old->mask; i++) {
        const struct entry *e = &old->entry[i];
        if (!e->event || e->more == 0)
            continue;
        vd_rc_ one = record(t, e->event, e->more, old->minute, vd_buf_span(&e->detail), err);
        rc = rc.code == VD_E_OK ? one : rc;
    }
    if (old->others > 0) {
        vd_rc_ one = record(t, "others", old->others, old->minute, VD_SPAN_NONE, err);
        rc = rc.code == VD_E_OK ? one : rc;
    }
    return rc;
}

/* Lock held. A new minute: hands the old table out and starts an empty one. */
static bool roll_over(struct vd_thinner *t, struct table *ret_old)
{
    int64_t minute = minute_of(t);
    if (minute == t->now.minute || (t->now.used == 0 && t->now.others == 0)) {
        t->now.minute = minute;
        return true;
    }
    struct table fresh;
    if (!table_init(&fresh, t->limit, minute))
        return false; /* the old minute goes on; nothing is lost */
    *ret_old = t->now;
    t->now = fresh;
    return true;
}

static struct entry *find(struct table *t, const uint8_t key[32])
{
    size_t i = 0;
    memcpy(&i, key, sizeof i);
    for (i &= t->mask; t->entry[i].event; i = (i + 1) & t->mask)
        if (vd_span_eq(vd_span_of(t->entry[i].key, 32), vd_span_of(key, 32)))
            break;
    return &t->entry[i];
}

/* Lock held. True: this one gets a record of its own now. */
static bool count_in(struct vd_thinner *t, const char *event, const uint8_t key[32], vd_span detail)
{
    struct entry *e = find(&t->now, key);
    if (e->event) {
        e->more++;
        return false;
    }
    if (t->now.used >= t->limit) {
        t->now.others++;
        return false;
    }
    e->event = strdup(event);
    if (!e->event)
        return true; /* not remembered, so recorded */
    memcpy(e->key, key, 32);
    e->detail = vd_buf_of(DETAIL_KEPT);
    vd_buf_add(&e->detail, detail);
    if (e->detail.bad) {
        vd_buf_reset(&e->detail);
        vd_buf_str(&e->detail, "{\"too_large\":true}");
    }
    t->now.used++;
    return true;
}

vd_rc vd_thinner_denial(struct vd_thinner *t, const char *event, vd_span key, vd_span detail,
                        vd_err *err)
{
    const vd_span parts[] = { vd_span_str(event), key };
    uint8_t hash[32];
    vd_mac_parts(t->secret, parts, 2, hash);
    struct table old = { 0 };
    (void)pthread_mutex_lock(&t->lock);
    (void)roll_over(t, &old);
    int64_t minute = t->now.minute;
    bool now = count_in(t, event, hash, detail);
    (void)pthread_mutex_unlock(&t->lock);
    vd_rc_ rest = say_rest(t, &old, err);
    table_done(&old);
    if (now)
        VD_TRY(record(t, event, 1, minute, detail, err));
    return rest;
}

vd_rc vd_thinner_tick(struct vd_thinner *t, vd_err *err)
{
    struct table old = { 0 };
    (void)pthread_mutex_lock(&t->lock);
    (void)roll_over(t, &old);
    (void)pthread_mutex_unlock(&t->lock);
    vd_rc_ rc = say_rest(t, &old, err);
    table_done(&old);
    return rc;
}

void vd_thinner_free(struct vd_thinner *t)
{
    if (!t)
        return;
    (void)!say_rest(t, &t->now, NULL).code;
    table_done(&t->now);
    (void)pthread_mutex_destroy(&t->lock);
    free(t);
}
