/* Puts an answer on the wire: one system call when the kernel takes it all, libevent's output
 * buffer for the rest. Large and secret bodies are lent to that buffer, not copied. */
#include "shared/http/guest_priv.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum { SMALL = 16 << 10 };

struct lent {
    vd_buf body;
    bool secret;
};

static void give_back(const void *data, size_t n, void *arg)
{
    struct lent *l = arg;
    (void)data;
    (void)n;
    if (l->secret)
        vd_buf_wipe(&l->body);
    else
        vd_buf_done(&l->body);
    free(l);
}

/* Appends body from byte `from` on; small ones are copied. */
static bool add_body(struct evbuffer *out, vd_buf *body, size_t from, bool secret)
{
    if (from >= body->n)
        return true;
    if (!secret && body->n - from <= SMALL)
        return evbuffer_add(out, body->p + from, body->n - from) == 0;
    struct lent *l = calloc(1, sizeof *l);
    if (!l)
        return false;
    l->body = *body;
    l->secret = secret;
    *body = vd_buf_of(body->max);
    if (evbuffer_add_reference(out, l->body.p + from, l->body.n - from, give_back, l) == 0)
        return true;
    give_back(NULL, 0, l);
    return false;
}

/* What the kernel takes now, in bytes. */
static size_t send_now(int fd, const vd_buf *head, const vd_buf *body)
{
    union {
        const uint8_t *in;
        void *out;
    } h = { .in = head->p }, b = { .in = body ? body->p : NULL };
    struct iovec iov[2] = { { h.out, head->n }, { b.out, body ? body->n : 0 } };
    struct msghdr msg = { .msg_iov = iov, .msg_iovlen = body && body->n ? 2 : 1 };
    ssize_t n = sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
    return n > 0 ? (size_t)n : 0; /* an error shows again when libevent writes */
}

bool vd_conn_send(struct vd_conn *c, vd_buf *head, vd_buf *body, bool secret)
{
    struct evbuffer *out = bufferevent_get_output(c->bev);
    size_t total = head->n + (body ? body->n : 0);
    size_t sent = 0;
    if (!c->loop->g->tls && evbuffer_get_length(out) == 0)
        sent = send_now(c->fd, head, body);
    if (sent == total)
        return true;
    /* One append, so that TLS puts small answers into one record. */
    struct evbuffer *rest = evbuffer_new();
    bool ok = rest != NULL;
    if (ok && sent < head->n)
        ok = evbuffer_add(rest, head->p + sent, head->n - sent) == 0;
    if (ok && body)
        ok = add_body(rest, body, sent > head->n ? sent - head->n : 0, secret);
    if (ok)
        ok = bufferevent_write_buffer(c->bev, rest) == 0;
    if (rest)
        evbuffer_free(rest);
    if (!ok) {
        c->dead = true;
        return false;
    }
    /* TLS may have written everything already; libevent tells by on_write all the same. */
    return false;
}
