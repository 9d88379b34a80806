/* Inside of the key ring, for the files of this folder. */
#pragma once

#include <pthread.h>

#include "issuer/passport/keyring.h"

#define ISS_RING_NAME "ring"

/* What readers see; immutable. */
struct iss_ring_view {
    _Atomic unsigned refs;
    int64_t made_at;    /* nobody asks for a time before it: what was revoked stays revoked */
    int64_t changes_at; /* the next change that time brings */
    struct iss_ringdoc *doc;
    struct iss_signer *signer[ISS_RING_KEYS]; /* of next and active keys */
    bool certified;                           /* one of them has the configured certificate */
    struct iss_ring_view *statements; /* whose keys are in the set, too; a reference, or NULL */
    vd_buf jwks;
    char etag[ISS_ETAG];
};

struct iss_keyring {
    struct iss_keyring_cfg cfg;
    vd_buf cert;            /* PEM of cert_file */
    pthread_mutex_t change; /* one change at a time; held over store and audit */
    pthread_mutex_t lock;   /* guards the pointer `view` */
    struct iss_ring_view *view;
    bool stale; /* with `change`: the store is ahead of the view */
    int64_t complained_at;
    uint64_t openings; /* of the token's session, as far as they were logged */
};

static inline uint64_t iss_ring_overlap(const struct iss_keyring *r)
{
    return r->cfg.leeway + r->cfg.max_age;
}
struct iss_ring_view *iss_ring_view(struct iss_keyring *r); /* a reference */
void iss_ring_view_unref(struct iss_ring_view *v);
VD_DEFINE_CLEANUP(struct iss_ring_view, iss_ring_view_unref)

/* Makes the view of a document (taken over) and puts it in place: private halves from the present
 * view or the store, the key set with the next number if it has changed. With `change` held. */
vd_rc iss_ring_install(struct iss_keyring *r, struct iss_ringdoc *doc, int64_t now, vd_err *err);
