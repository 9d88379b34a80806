/* Starting threads; see thread.h. */
#include "shared/base/thread.h"

#include <signal.h>

bool vd_thread_start(pthread_t *ret, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
    sigset_t all, old;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_BLOCK, &all, &old); /* a new thread inherits the mask */
    bool ok = pthread_create(ret, attr, run, arg) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    return ok;
}
