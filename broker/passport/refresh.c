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
    AGE_MIN = 30,
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

static vd_rc fetch(struct brk_trust *t, const struct brk_issuer *issuer, int64_t *ret_age,
                   vd_err *err)
{
    const struct vd_client_cfg cfg = { .ca_file = issuer->url_ca, .connections = 1 };
    const char *const fields[] = { "Accept: application/json", NULL };
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
    if (answer.status != 200)
        return vd_fail(err, VD_E_REMOTE, "status %d", answer.status);
    VD_TRY(brk_keyset_parse(vd_buf_span(&answer.body), &keys, err));
    *ret_age = max_age(vd_answer_field(&answer, "Cache-Control"));
    return brk_trust_set_keys(t, issuer, keys, err);
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
    bool ok = fetch(t, issuer, &age, &err).code == VD_E_OK;
    int64_t now = vd_clock_s(&t->cfg.clock);
    if (!ok)
        failed(t, issuer, &err);

    (void)pthread_mutex_lock(&t->lock);
    bool stale = !ok && issuer->fetch.last_ok && now - issuer->fetch.last_ok > STALE_SECONDS;
    issuer->fetch.tries = ok ? 0 : issuer->fetch.tries + 1;
    int64_t retry = RETRY_FIRST << (issuer->fetch.tries < 5 ? issuer->fetch.tries : 5);
    issuer->fetch.next = now + (ok ? age : retry < RETRY_MAX ? retry : RETRY_MAX);
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
        if (issuer->fetch.wanted || now >= issuer->fetch.next)
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
    return VD_OK;
}

void brk_refresh_stop(struct brk_trust *t)
{
    if (!t->running)
        return;
    (void)pthread_mutex_lock(&t->lock);
    t->stop = true;
    (void)pthread_cond_signal(&t->wake);
    (void)pthread_cond_broadcast(&t->done);
    (void)pthread_mutex_unlock(&t->lock);
    (void)pthread_join(t->refresher, NULL);
    t->running = false;
}

bool brk_trust_want_keys(struct brk_trust *t, struct brk_issuer *issuer)
{
    struct timespec until;
    bool fetched = false;
    if (issuer->source != BRK_KEYS_URL || !t->running)
        return false;
    deadline(&until, BRK_REFRESH_WAIT);
    (void)pthread_mutex_lock(&t->lock);
    bool recent = vd_clock_s(&t->cfg.clock) - issuer->fetch.last_try < BRK_REFRESH_INTERVAL;
    if (!recent && !issuer->fetch.wanted) {
        issuer->fetch.wanted = true;
        (void)pthread_cond_signal(&t->wake);
        /* Only this request waits; all others with unknown keys are refused at once meanwhile. */
        int rc = 0;
        while (issuer->fetch.wanted && !t->stop && rc == 0)
            rc = pthread_cond_timedwait(&t->done, &t->lock, &until);
        fetched = !issuer->fetch.wanted;
    }
    (void)pthread_mutex_unlock(&t->lock);
    return fetched;
}
