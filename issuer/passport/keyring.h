/* The keys that sign passports, and in a ring of their own those that sign revocation statements:
 * which one signs now, which are published, rotation by command and by schedule, revocation. All of
 * it follows from stored times and the clock. Private halves are sealed in the store (kind
 * "passport-key" or "revocation-key"), the ring itself is one object of kind "passport-ring" or
 * "revocation-ring"; a key file is taken in once, as the first key. */
#pragma once

#include "issuer/passport/ringdoc.h"
#include "issuer/passport/signer.h"
#include "shared/audit/audit.h"
#include "shared/auth/auth.h"
#include "shared/crypto/p11.h"
#include "shared/store/store.h"

struct iss_keyring; /* thread safe */

/* What a ring is for: its names in the store, in the record and in messages. */
struct iss_ring_names {
    const char *ring;    /* kind of the document */
    const char *key;     /* kind of private halves; also the first word of its changes */
    const char *other;   /* the other ring's document: no key is in both */
    const char *setting; /* of the key file */
    const char *noun;
    const char *old;  /* name of a private half of before there was a ring; NULL: none */
    bool makes_first; /* a ring without any key makes one */
    bool any_alg;     /* a key file may hold a key for another algorithm than cfg.alg */
};
extern const struct iss_ring_names iss_passport_ring;
extern const struct iss_ring_names iss_statement_ring;

struct iss_keyring_cfg {
    const struct iss_ring_names *names; /* NULL: iss_passport_ring */
    struct vd_store *store;
    struct vd_audit *audit;
    struct vd_clock clock;
    struct vd_log *log;         /* may be NULL */
    const struct vd_auth *auth; /* administrators' keys must be others; may be NULL */
    const char *alg;            /* of new keys */
    const char *key_file;       /* may be missing once it was taken in; NULL: none */
    const char *cert_file;      /* NULL: none */
    struct vd_p11 *token;       /* new keys are made there; lives with the ring; NULL: the store */
    uint64_t lifetime;          /* of what the keys sign */
    uint64_t publish_before;
    uint64_t rotate_every; /* 0: by command only */
    uint64_t max_age;      /* of the key set */
    uint64_t leeway;
    struct iss_keyring
        *statements; /* its keys are published in this ring's set; outlives it; NULL */
};
/* Who changes something, for the audit record. */
struct iss_actor {
    const char *identity;
    const char *role;
};

/* `init` without a key file: a first key straight into the store. */
vd_rc iss_keyring_create(const struct iss_keyring_cfg *cfg, vd_err *err);
/* Loads the ring; takes key_file in when its key was never seen, which makes it the active one.
 * VD_E_CONFIG names key and cure. Strings of cfg live with the ring. */
vd_rc iss_keyring_open(const struct iss_keyring_cfg *cfg, struct iss_keyring **ret, vd_err *err);
void iss_keyring_free(struct iss_keyring *r);
VD_DEFINE_CLEANUP(struct iss_keyring, iss_keyring_free)

/* The active key (a reference). Never waits for a rotation. */
vd_rc iss_keyring_signer(struct iss_keyring *r, int64_t now, struct iss_signer **ret, vd_err *err);
/* The key set document, its ETag with quotes; of a ring of statements only the elements. */
enum { ISS_ETAG = 48 };
vd_rc iss_keyring_jwks(struct iss_keyring *r, vd_buf *out, char ret_etag[ISS_ETAG], vd_err *err);
/* Is `key` one of the ring's, of any state? */
bool iss_keyring_has(struct iss_keyring *r, const struct vd_key *key);

/* A new key, published now, active after publish_before seconds; `at_once`: active now (the key
 * that waits, if there is one), whatever brokers have seen. VD_E_KEYS_FULL, VD_E_KEY_STATE. */
vd_rc iss_keyring_rotate(struct iss_keyring *r, const struct iss_actor *who, bool at_once,
                         char ret_kid[ISS_KID], vd_err *err);
/* Out of the key set at once; the private half is erased. If it is the active one, the key that
 * waits takes over, or a fresh one. VD_E_NOT_FOUND, VD_E_KEY_STATE (it is over already). */
vd_rc iss_keyring_revoke(struct iss_keyring *r, const struct iss_actor *who, vd_span kid,
                         vd_err *err);
/* What time does: retirement, rotation by schedule; what has changed in cfg.statements is
 * published. Every second or so; errors go to the log. */
void iss_keyring_tick(struct iss_keyring *r);

/* Elements of /api/v1/keys. kid empty: all. VD_E_NOT_FOUND. */
vd_rc iss_keyring_to_json(struct iss_keyring *r, vd_span kid, vd_jw *w, vd_err *err);
