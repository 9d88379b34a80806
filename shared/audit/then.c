/* Appending without a thread that waits: who wrote the record goes on with other work and is called
 * back. A thread of the record leads the group commit for these. */
#include "shared/audit/audit_priv.h"

#include <sys/resource.h>
#include <unistd.h>

#include "shared/base/thread.h"

/* Below the workers: while they have something to do, records gather and share one sync; it runs at
 * once when they have not. */
enum { NICE = 10 };

static void *work(void *arg)
{
    struct vd_audit *a = arg;
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), NICE);
    for (;;) {
        while (sem_wait(&a->writer_wake) != 0)
            ; /* interrupted by a debugger */
        (void)pthread_mutex_lock(&a->lock);
        bool stop = a->writer_stop;
        (void)pthread_mutex_unlock(&a->lock);
        if (stop)
            return NULL;
        vd_audit_lead(a, true);
    }
}

/* Lock held. */
static bool start(struct vd_audit *a)
{
    if (a->has_writer)
        return true;
    if (sem_init(&a->writer_wake, 0, 0) != 0)
        return false;
    a->has_writer = vd_thread_start(&a->writer, NULL, work, a);
    if (!a->has_writer)
        (void)sem_destroy(&a->writer_wake);
    return a->has_writer;
}

void vd_audit_writer_stop(struct vd_audit *a)
{
    if (!a->has_writer)
        return;
    (void)pthread_mutex_lock(&a->lock);
    a->writer_stop = true;
    (void)pthread_mutex_unlock(&a->lock);
    (void)sem_post(&a->writer_wake);
    (void)pthread_join(a->writer, NULL);
    (void)sem_destroy(&a->writer_wake);
    a->has_writer = false;
}

vd_rc vd_audit_append_then(struct vd_audit *a, const char *event, vd_span detail,
                           vd_audit_then then, void *ctx, vd_err *err)
{
    VD_TRY(vd_audit_check_record(a, event, detail, err));
    struct vd_audit_node *n = calloc(1, sizeof *n);
    if (!n)
        return vd_fail(err, VD_E_NOMEM, "audit record");
    n->then = then;
    n->then_ctx = ctx;
    n->event = event;
    n->detail = detail;
    n->flags = VD_AUDIT_DURABLE;
    (void)pthread_mutex_lock(&a->lock);
    bool ok = start(a), first = ok && !a->leading;
    if (ok) {
        a->leading = true;
        vd_audit_enqueue(a, n);
    }
    (void)pthread_mutex_unlock(&a->lock);
    if (!ok) {
        free(n);
        return vd_fail(err, VD_E_NOMEM, "the thread that writes the audit record");
    }
    if (first)
        (void)sem_post(&a->writer_wake);
    return VD_OK;
}
