/* An answer that leaves only when its audit record is durable. The worker that made it goes on with
 * other requests meanwhile, so many records share one sync. */
#pragma once

#include "shared/program/server.h"

/* What is left to do when the record is durable, or cannot be: runs once, on a loop's thread, and
 * must not wait. */
struct vd_recorded {
    /* why NULL: the record is durable. Else it may get the decision's id, if that is explained. */
    void (*outcome)(const struct vd_recorded *r, vd_err *why);
    struct vd_server *server;
    char decision[24];
    const char *owner; /* literal */
    int64_t now;
    const char *about; /* literal, for the outcome's own use */
    vd_buf text;       /* explanation of the decision; owned, may be empty */
};

/* Gives resp this record: event is a literal, detail and r->text are taken over (also on failure).
 * When it is durable resp gets Vidimus-Decision and Vidimus-Audit. VD_E_AUDIT, VD_E_NOMEM. */
vd_rc vd_answer_recorded(struct vd_recorded *r, const char *event, vd_buf *detail,
                         struct vd_resp *resp, vd_err *err);
