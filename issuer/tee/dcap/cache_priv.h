/* What verification keeps: platforms (by the SHA-256 of their chain's text), CAs (by the SHA-256 of
 * their two certificates), sets of collateral (by what they were made of). Objects are immutable
 * and counted; public-key work happens outside the lock. */
#pragma once

#include <pthread.h>

#include "issuer/tee/dcap/chain.h"

enum { DCAP_HASH = 32, DCAP_NAME = 255 };

/* A PCK CA and its root, both good but for their dates. */
struct dcap_issuer {
    unsigned refs; /* atomic */
    enum dcap_ca ca;
    const struct dcap_root *root;
    struct vd_key *key;         /* of the CA */
    uint8_t subject[DCAP_NAME]; /* of the CA */
    size_t subject_n;
    uint8_t hash[DCAP_HASH];     /* of both certificates */
    uint8_t serial[DCAP_SERIAL]; /* of the CA */
    int64_t from;                /* validity of both */
    int64_t until;
    int64_t earliest; /* the older notBefore */
};
static inline vd_span dcap_issuer_subject(const struct dcap_issuer *i)
{
    return vd_span_of(i->subject, i->subject_n);
}
void dcap_issuer_unref(struct dcap_issuer *i);
VD_DEFINE_CLEANUP(struct dcap_issuer, dcap_issuer_unref)

enum dcap_kept { DCAP_KEPT_TRUST, DCAP_KEPT_ISSUER, DCAP_KEPT_SET, DCAP_KEPT_MAX };

struct dcap_slot {
    uint8_t hash[DCAP_HASH];
    void *item; /* NULL: free */
};
struct dcap_slots {
    struct dcap_slot *slot; /* sets of four */
    size_t sets;
    unsigned next; /* way that is replaced next */
    uint64_t hits;
};
struct dcap_cache {
    const struct dcap_roots *roots;
    pthread_mutex_t lock;
    struct dcap_slots kept[DCAP_KEPT_MAX];
};
/* What an issuer is filed under. */
vd_rc dcap_issuer_hash(vd_span ca_der, vd_span root_der, uint8_t ret[DCAP_HASH], vd_err *err);
/* A new reference, or NULL. */
void *dcap_kept_find(struct dcap_cache *c, enum dcap_kept kind, const uint8_t hash[DCAP_HASH]);
/* Keeps a reference of its own; the oldest of four gives way. */
void dcap_kept_add(struct dcap_cache *c, enum dcap_kept kind, const uint8_t hash[DCAP_HASH],
                   void *item);
