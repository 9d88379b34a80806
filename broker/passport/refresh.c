/* Keeps the key sets of JWKS URLs fresh: one background thread, every max-age of the answer, and
 * early when a token names an unknown key, at most once an interval. A set that could not be read
 * again stays in use for a day, then its issuer's passports are refused: a withdrawn key must not
 * live for ever because somebody keeps us from hearing of it. */
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "broker/passport/trust_priv.h"
#include "shared/http/client.h"

enum {
    AGE_MIN = 1, /* an issuer that rotates often says so */
    AGE_MAX = 3600,
    RETRY_FIRST = 2,
    RETRY_MAX = 60,
    STALE_SECONDS = 86400,
    IDLE_SECONDS = 60,
};

/* max-age of a Cache-Control value; the default when it has none. */
static int64_t max_age(vd_span value)
{
    static const char key[] = "max-age=";
    int64_t age = VD_JWKS_MAX_AGE;
    for (size_t i = 0; i + sizeof key - 1 <= value.n; i++) {
        if (!vd_span_starts(vd_span_part(value, i, value.n), VD_LIT("max-age=")))
            continue;
        age = 0;
        for (i += sizeof key - 1; i < value.n && value.p[i] >= '0' && value.p[i] <= '9'; i++)
            if (age < AGE_MAX)
                age = age * 10 + (value.p[i] - '0');
        break;
    }
    return age < AGE_MIN ? AGE_MIN : age > AGE_MAX ? AGE_MAX : age;
}

/* The ETag of an answer, if it is one that can be sent back. */
static void etag_of(const struct vd_answer *a, char ret[BRK_ETAG_MAX + 1])
{
    vd_span v = vd_answer_field(a, "ETag");
    bool ok = v.n >= 2 && v.n <= BRK_ETAG_MAX;
    for (size_t i = 0; i < v.n; i++)
        ok = ok && v.p[i] > 0x20 && v.p[i] < 0x7f;
    (void)snprintf(ret, BRK_ETAG_MAX + 1, "%.*s", ok ? (int)v.n : 0, (const char *)v.p);
}

/* `etag` names the set that is in use, on entry and on return. */
static vd_rc fetch(struct brk_trust *t, const struct brk_issuer *issuer,
                   char etag[BRK_ETAG_MAX + 1], int64_t *ret_age, vd_err *err)
{
    const struct vd_client_cfg cfg = { .ca_file = issuer->url_ca, .connections = 1 };
    char match[BRK_ETAG_MAX + 32];
    (void)snprintf(match, sizeof match, "If-None-Match: %s", etag);
    const char *const fields[] = { "Accept: application/json", etag[0] ? match : NULL, NULL };
    const struct vd_call call = {
        .method = "GET",
        .url = issuer->where,
        .field = fields,
        .seconds = (unsigned)t->cfg.limits->fetch_seconds,
        .max_bytes = (size_t)t->cfg.limits->fetch_bytes,
    };
    VD_AUTO(vd_client_free) struct vd_client *client = NULL;
    VD_AUTO(brk_keyset_unref) struct brk_keyset *keys = NULL;
    __attribute__((cleanup(vd_answer_done))) struct vd_answer answer = { 0 };
    VD_TRY(vd_client_new(&cfg, &client, err));
    VD_TRY(vd_client_call(client, &call, &answer, err));
    *ret_age = max_age(vd_answer_field(&answer, "Cache-Control"));
    if (answer.status == 304 && etag[0])
        return VD_OK;
    if (answer.status != 200)
        return vd_fail(err, VD_E_REMOTE, "status %d", answer.status);
    VD_TRY(brk_keyset_parse(vd_buf_span(&answer.body), &keys, err));
    VD_TRY(brk_trust_set_keys(t, issuer, keys, err));
    etag_of(&answer, etag);
    return VD_OK;
}

static void failed(struct brk_trust *t, struct brk_issuer *issuer, vd_err *err)
{
    char where[128];
    (void)snprintf(where, sizeof where, "key set of %s", issuer->name);
    vd_context(err, where);
    vd_log_err(t->cfg.log, VD_LOG_WARN, "passport", err);
}

/* One fetch, without the lock; then the times, with it. */
static void refresh(struct brk_trust *t, struct brk_issuer *issuer)
{
    vd_err err = { 0 };
    int64_t age = 0;
    char etag[BRK_ETAG_MAX + 1];
    (void)pthread_mutex_lock(&t->lock);
    memcpy(etag, issuer->fetch.etag, sizeof etag);
    /* Asked for while this fetch runs: it must be done once more. */
    issuer->fetch.next = INT64_MAX;
    (void)pthread_mutex_unlock(&t->lock);
    bool ok = fetch(t, issuer, etag, &age, &err).code == VD_E_OK;
    int64_t now = vd_clock_s(&t->cfg.clock);
    if (!ok)
        failed(t, issuer, &err);

    (void)pthread_mutex_lock(&t->lock);
    bool stale = !ok && issuer->fetch.last_ok && now - issuer->fetch.last_ok > STALE_SECONDS;
    issuer->fetch.tries = ok ? 0 : issuer->fetch.tries + 1;
    int64_t retry = RETRY_FIRST << (issuer->fetch.tries < 5 ? issuer->fetch.tries : 5);
    int64_t wait = ok ? age : retry < RETRY_MAX ? retry : RETRY_MAX;
    /* Who wants to know what is revoked wants to know of a withdrawn key as soon. */
    if (issuer->revocation_url && wait > BRK_STATEMENT_INTERVAL)
        wait = BRK_STATEMENT_INTERVAL;
    bool again = issuer->fetch.next == 0; /* a reset */
    issuer->fetch.next = again ? 0 : now + wait;
    if (again || stale)
        etag[0] = '\0';
    memcpy(issuer->fetch.etag, etag, sizeof etag);
    issuer->fetch.last_try = now;
    if (ok)
        issuer->fetch.last_ok = now;
    issuer->fetch.wanted = false;
    (void)pthread_cond_broadcast(&t->done);
    (void)pthread_mutex_unlock(&t->lock);
    if (stale)
        (void)brk_trust_set_keys(t, issuer, NULL, NULL).code;
}

/* With the lock held: an issuer whose keys are due (a reference), or how long nothing is. */
static struct brk_issuer *due(struct brk_trust *t, int64_t now, int64_t *ret_wait)
{
    int64_t wait = IDLE_SECONDS;
    for (size_t i = 0; i < t->view->n; i++) {
        struct brk_issuer *issuer = t->view->row[i].issuer;
        if (issuer->source != BRK_KEYS_URL)
            continue;
        int64_t next = issuer->fetch.next;
        /* Too far away: the clock was put back. INT64_MAX is a fetch that runs. */
        bool far = next != INT64_MAX && next - now > AGE_MAX;
        if (issuer->fetch.wanted || now >= next || far)
            return brk_issuer_ref(issuer);
        if (issuer->fetch.next - now < wait)
            wait = issuer->fetch.next - now;
    }
    *ret_wait = wait;
    return NULL;
}

static void deadline(struct timespec *at, int64_t seconds)
{
    (void)clock_gettime(CLOCK_MONOTONIC, at);
    at->tv_sec += (time_t)seconds;
}

static void *run(void *arg)
{
    struct brk_trust *t = arg;
    (void)pthread_mutex_lock(&t->lock);
    while (!t->stop) {
        int64_t wait = 0;
        struct timespec until;
        struct brk_issuer *issuer = due(t, vd_clock_s(&t->cfg.clock), &wait);
        if (issuer) {
            (void)pthread_mutex_unlock(&t->lock);
            refresh(t, issuer);
            brk_issuer_unref(issuer);
            (void)pthread_mutex_lock(&t->lock);
            continue;
        }
        deadline(&until, wait);
        (void)pthread_cond_timedwait(&t->wake, &t->lock, &until);
    }
    (void)pthread_mutex_unlock(&t->lock);
    return NULL;
}

vd_rc brk_trust_start(struct brk_trust *t, vd_err *err)
{
    if (pthread_create(&t->refresher, NULL, run, t) != 0)
        return vd_fail(err, VD_E_INTERNAL, "the thread that refreshes key sets cannot be started");
    t->running = true;
    if (pthread_create(&t->statements, NULL, brk_statements_run, t) != 0)
        return vd_fail(err, VD_E_INTERNAL,
                       "the thread that fetches revocation statements cannot be started");
    t->fetching = true;
    return VD_OK;
}

void brk_refresh_stop(struct brk_trust *t)
{
    if (!t->running)
        return;
    (void)pthread_mutex_lock(&t->lock);
    t->stop = true;
    (void)pthread_cond_broadcast(&t->wake);
    (void)pthread_cond_broadcast(&t->done);
    (void)pthread_mutex_unlock(&t->lock);
    (void)pthread_join(t->refresher, NULL);
    if (t->fetching)
        (void)pthread_join(t->statements, NULL);
    t->running = t->fetching = false;
}

bool brk_trust_want_keys(struct brk_trust *t, struct brk_issuer *issuer)
{
    struct timespec until;
    bool fetched = false;
    if (issuer->source != BRK_KEYS_URL || !t->running)
        return false;
    deadline(&until, BRK_REFRESH_WAIT);
    (void)pthread_mutex_lock(&t->lock);
    int64_t since = vd_clock_s(&t->cfg.clock) - issuer->fetch.last_try;
    bool recent = since >= 0 && since < BRK_REFRESH_INTERVAL; /* negative: it was put back */
    if (!recent && !issuer->fetch.wanted) {
        issuer->fetch.wanted = true;
        (void)pthread_cond_broadcast(&t->wake);
        /* Only this request waits; all others with unknown keys are refused at once meanwhile. */
        int rc = 0;
        while (issuer->fetch.wanted && !t->stop && rc == 0)
            rc = pthread_cond_timedwait(&t->done, &t->lock, &until);
        fetched = !issuer->fetch.wanted;
    }
    (void)pthread_mutex_unlock(&t->lock);
    return fetched;
}
