/* Inside of PKCS#11 tokens: p11_session.c opens, and opens again; p11.c finds, makes, uses and
 * destroys keys in what is open. */
#pragma once

#include <p11-kit/pkcs11.h>
#include <pthread.h>

#include "shared/crypto/p11.h"

struct vd_p11 {
    CK_FUNCTION_LIST *f;
    CK_SESSION_HANDLE session;
    bool initialized; /* the module, by us */
    bool opened;
    bool lost;        /* the session is gone: the next call opens another */
    bool refused;     /* the token took the PIN no longer: asking again would lock it */
    uint64_t opening; /* how often a session was opened: handles are those of one opening */
    char *label;
    char *token;
    vd_secret pin;
    pthread_mutex_t lock;
};

/* Fails, and notes in `lost` whether this is an error after which the session is no longer good. */
vd_rc vd_p11_failed(struct vd_p11 *p, vd_err *err, vd_code code, const char *what, CK_RV rv);
/* Asked after a failure: does the session live, and is it logged in? Without a login private halves
 * look as if they were not there. */
bool vd_p11_lost(struct vd_p11 *p);
/* A session in place of the lost one, with the lock held. VD_E_CRYPTO. */
vd_rc vd_p11_reopen(struct vd_p11 *p, vd_err *err);
