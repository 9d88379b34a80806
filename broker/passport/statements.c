/* Fetches the revocation statements: one background thread, every 15 s for each issuer that has a
 * revocation_url, by a thread of its own so that slow key sets do not delay them. What was had
 * stays in force until there is a newer one. */
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "broker/passport/trust_priv.h"
#include "shared/http/client.h"

enum { RETRY_SECONDS = 5, SOON_TRIES = 5, IDLE_SECONDS = 60 };

static vd_rc download(struct brk_trust *t, const struct brk_issuer *issuer, struct vd_answer *ret,
                      vd_err *err)
{
    const struct vd_client_cfg cfg = { .ca_file = issuer->url_ca, .connections = 1 };
    const struct vd_call call = {
        .method = "GET",
        .url = issuer->revocation_url,
        .seconds = (unsigned)t->cfg.limits->fetch_seconds,
        .max_bytes = (size_t)t->cfg.limits->fetch_bytes,
    };
    VD_AUTO(vd_client_free) struct vd_client *client = NULL;
    VD_TRY(vd_client_new(&cfg, &client, err));
    VD_TRY(vd_client_call(client, &call, ret, err));
    return ret->status == 200 ? VD_OK : vd_fail(err, VD_E_REMOTE, "status %d", ret->status);
}

static vd_span trimmed(const vd_buf *body)
{
    vd_span s = vd_buf_span(body);
    while (s.n && (s.p[s.n - 1] == '\n' || s.p[s.n - 1] == '\r'))
        s.n--;
    return s;
}

vd_rc brk_statement_take(struct brk_trust *t, struct brk_issuer *issuer, vd_span token, vd_err *err)
{
    VD_AUTO(brk_revocation_unref) struct brk_revocation *r = NULL;
    VD_AUTO(brk_trust_view_unref) struct brk_trust_view *view = brk_trust_view(t);
    const struct brk_trust_row *row = brk_trust_by_name(view, issuer->name);
    if (!row || row->issuer != issuer)
        return VD_OK; /* replaced or removed while it was on the way */
    VD_TRY(brk_revocation_open(token, issuer, row->keys, vd_clock_s(&t->cfg.clock),
                               t->cfg.limits->leeway, &r, err));
    const struct brk_mark mark = { .seq = r->seq, .iat = r->iat };
    VD_TRY(brk_seen_pass(t->seen, issuer->issuer, BRK_SEEN_STATEMENT, mark, err));
    VD_TRY(brk_trust_set_revoked(t, issuer, r, err));
    atomic_store_explicit(&issuer->statement.good_until, r->exp, memory_order_release);
    return VD_OK;
}

/* Every failure would fill the log: the first, and then at growing distances. */
static void failed(struct brk_trust *t, struct brk_issuer *issuer, uint64_t tries, vd_err *err)
{
    char where[128];
    if ((tries & (tries + 1)) != 0)
        return;
    (void)snprintf(where, sizeof where, "revocation statement of %s", issuer->name);
    vd_context(err, where);
    vd_log_err(t->cfg.log, VD_LOG_WARN, "passport", err);
}

static void fetch(struct brk_trust *t, struct brk_issuer *issuer)
{
    vd_err err = { 0 };
    __attribute__((cleanup(vd_answer_done))) struct vd_answer answer = { 0 };
    vd_rc_ rc = download(t, issuer, &answer, &err);
    if (rc.code == VD_E_OK)
        rc = brk_statement_take(t, issuer, trimmed(&answer.body), &err);
    int64_t now = vd_clock_s(&t->cfg.clock);
    if (rc.code != VD_E_OK)
        failed(t, issuer, issuer->statement.tries, &err);

    (void)pthread_mutex_lock(&t->lock);
    bool ok = rc.code == VD_E_OK;
    /* A key that the set does not have: the set may be the older one. */
    if (rc.code == VD_E_NOT_FOUND && issuer->source == BRK_KEYS_URL)
        issuer->fetch.wanted = true;
    /* At a start the key set is on its way. */
    bool soon = rc.code == VD_E_NOT_FOUND && issuer->statement.tries < SOON_TRIES;
    issuer->statement.tries = ok ? 0 : issuer->statement.tries + 1;
    issuer->statement.next = now + (ok ? BRK_STATEMENT_INTERVAL : soon ? 1 : RETRY_SECONDS);
    (void)pthread_cond_broadcast(&t->wake);
    (void)pthread_mutex_unlock(&t->lock);
}

/* With the lock held: the issuer whose statement is longest due (a reference), or how long none is.
 */
static struct brk_issuer *due(struct brk_trust *t, int64_t now, int64_t *ret_wait)
{
    struct brk_issuer *first = NULL;
    for (size_t i = 0; i < t->view->n; i++) {
        struct brk_issuer *issuer = t->view->row[i].issuer;
        if (issuer->revocation_url && (!first || issuer->statement.next < first->statement.next))
            first = issuer;
    }
    *ret_wait = !first ? IDLE_SECONDS : first->statement.next - now;
    /* Further away than any wait: the clock was put back. */
    bool far = *ret_wait > BRK_STATEMENT_INTERVAL;
    if (*ret_wait > IDLE_SECONDS)
        *ret_wait = IDLE_SECONDS;
    return first && (far || now >= first->statement.next) ? brk_issuer_ref(first) : NULL;
}

void *brk_statements_run(void *arg)
{
    struct brk_trust *t = arg;
    (void)pthread_mutex_lock(&t->lock);
    while (!t->stop) {
        int64_t wait = 0;
        struct timespec until;
        struct brk_issuer *issuer = due(t, vd_clock_s(&t->cfg.clock), &wait);
        if (issuer) {
            (void)pthread_mutex_unlock(&t->lock);
            fetch(t, issuer);
            brk_issuer_unref(issuer);
            (void)pthread_mutex_lock(&t->lock);
            continue;
        }
        (void)clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += (time_t)wait;
        (void)pthread_cond_timedwait(&t->wake, &t->lock, &until);
    }
    (void)pthread_mutex_unlock(&t->lock);
    return NULL;
}
