/* Binds an answer of shared/http to a record of shared/audit; see recorded.h. */
#include "shared/program/recorded.h"

#include <stdlib.h>

struct waiting {
    struct vd_later later; /* first member */
    struct vd_recorded r;
    const char *event;
    vd_buf detail;
    vd_later_then then;
    void *then_ctx;
    uint64_t seq;
    vd_err err; /* of the record */
};

static struct waiting *of(struct vd_later *l)
{
    return (struct waiting *)l;
}

static struct vd_waker *durable(void *ctx, uint64_t seq, const vd_err *err)
{
    struct waiting *w = ctx;
    w->seq = seq;
    w->err = *err;
    return w->then(w->then_ctx);
}

static void begin(struct vd_later *l, vd_later_then then, void *ctx)
{
    struct waiting *w = of(l);
    w->then = then;
    w->then_ctx = ctx;
    if (vd_audit_append_then(w->r.server->audit, w->event, vd_buf_span(&w->detail), durable, w,
                             &w->err)
            .code != VD_E_OK)
        vd_wake(then(ctx));
}

static vd_rc finish(struct vd_later *l, struct vd_resp *resp, vd_err *err)
{
    struct waiting *w = of(l);
    w->r.outcome(&w->r, w->err.code == VD_E_OK ? NULL : &w->err);
    if (w->err.code != VD_E_OK) {
        *err = w->err;
        return VD_RC(err->code);
    }
    VD_TRY(vd_resp_field(resp, "Vidimus-Decision", vd_span_str(w->r.decision), err));
    return vd_audit_field(resp, w->seq, err);
}

static void waiting_free(struct vd_later *l)
{
    struct waiting *w = of(l);
    vd_buf_done(&w->detail);
    vd_buf_done(&w->r.text);
    free(w);
}

vd_rc vd_answer_recorded(struct vd_recorded *r, const char *event, vd_buf *detail,
                         struct vd_resp *resp, vd_err *err)
{
    struct waiting *w = calloc(1, sizeof *w);
    if (!w) {
        vd_buf_done(detail);
        vd_buf_done(&r->text);
        return vd_fail(err, VD_E_NOMEM, "audit record");
    }
    w->later = (struct vd_later){ begin, finish, waiting_free };
    w->r = *r;
    w->event = event;
    w->detail = *detail;
    *detail = vd_buf_of(0);
    r->text = vd_buf_of(0);
    resp->later = &w->later;
    return VD_OK;
}
