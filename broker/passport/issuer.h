/* A trusted issuer: whose passports count, for which TEEs, repositories and policies, and where its
 * keys come from. Made from a [[trusted_issuer]] table or from an object of the store (kind
 * "trusted-issuer"); the same checks for both (SHAPES sections 2 and 4). Immutable after creation
 * (but for the times of its fetches). */
#pragma once

#include "shared/codec/json.h"
#include "shared/crypto/key.h"
#include "shared/crypto/x509.h"
#include "shared/program/config.h"

enum {
    BRK_NAME_MAX = 64,
    BRK_ISSUER_MAX = 255,
    BRK_LIFETIME_DEFAULT = VD_PASSPORT_SECONDS_MAX,
    BRK_LIFETIME_MAX =
        631152000,     /* 20 years: recorded tokens are replayed; a warning above a day */
    BRK_LIST_MAX = 64, /* entries of one list of an issuer */
    BRK_ETAG_MAX = 127,
};

enum brk_freshness { BRK_FRESH_ISSUER_NONCE, BRK_FRESH_CALLER_DATA, BRK_FRESH_NONE, BRK_FRESH_MAX };
const char *brk_freshness_name(enum brk_freshness f);
/* VD_E_SETTING. */
vd_rc brk_freshness_by_name(vd_span name, enum brk_freshness *ret, vd_err *err);

enum brk_key_source { BRK_KEYS_FILE, BRK_KEYS_URL, BRK_KEYS_INLINE, BRK_KEYS_CA, BRK_KEYS_MAX };

/* What an entry says; strings are borrowed. Lists end with NULL; NULL for a list means "not given".
 */
struct brk_issuer_spec {
    const char *name;
    const char *issuer;
    const char *jwks_file;
    const char *jwks_url;
    const char *jwks_url_ca; /* PEM file: the CA of the server behind jwks_url */
    const char *ca_file;
    const char *leaf_name;
    const char *revocation_url; /* NULL: its statements are not asked for */
    vd_span jwks;               /* inline JWKS text (native API) */
    vd_span ca;                 /* inline PEM (native API) */
    const char *const *algs;
    const char *const *tees;
    const char *const *repositories;
    const char *const *policies;
    const char *const *accept_freshness;
    const char *assume_freshness;
    bool require_audience;
    bool accept_simulated;
    bool require_revocation;
    uint64_t max_lifetime; /* 0: the default */
};

struct brk_policy_pin {
    char id[129];
    bool any;    /* "*" */
    bool hashed; /* "id@sha256" */
    uint8_t sha256[32];
};

struct brk_chains; /* verified x5c chains of one issuer, see x5c.h */

struct brk_issuer {
    _Atomic unsigned refs;
    char name[BRK_NAME_MAX + 1];
    char issuer[BRK_ISSUER_MAX + 1]; /* "": passports without iss (Trustee before v0.21) */
    enum brk_key_source source;
    char *where; /* file or URL, for messages; NULL for inline */
    char *url_ca;
    char *revocation_url; /* NULL: none */
    char leaf_name[BRK_ISSUER_MAX + 1];
    struct vd_certs *anchors; /* BRK_KEYS_CA */
    struct brk_chains *chains;
    bool alg[VD_SIG_MAX];
    const char *tee[BRK_LIST_MAX]; /* canonical, static */
    size_t n_tees;
    bool any_tee;
    char **repository;
    size_t n_repositories;
    bool any_repository;
    struct brk_policy_pin *policy;
    size_t n_policies;
    bool fresh[BRK_FRESH_MAX];
    bool assumes;
    enum brk_freshness assumed;
    bool require_audience;
    bool accept_simulated;
    bool require_revocation;
    uint64_t max_lifetime;
    struct { /* BRK_KEYS_URL: when keys were fetched; guarded by the lock of trust.c */
        int64_t last_try;
        int64_t last_ok;
        int64_t next;
        uint64_t tries;
        bool wanted;
        char etag[BRK_ETAG_MAX + 1]; /* of the set in use; empty: unknown */
    } fetch;
    struct { /* revocation_url; `next` and `tries` are guarded by the same lock */
        int64_t next;
        uint64_t tries;
        _Atomic int64_t good_until; /* exp of the newest statement; 0: none was had */
    } statement;
};

struct brk_keyset;

/* Checks the whole entry and reads its files. `ret_keys` gets the key set of a file or inline
 * source, NULL for a URL or a CA. `where` names the entry in messages. VD_E_SETTING for a value,
 * VD_E_FILE. */
vd_rc brk_issuer_new(const struct brk_issuer_spec *spec, struct brk_issuer **ret,
                     struct brk_keyset **ret_keys, vd_err *err);
struct brk_issuer *brk_issuer_ref(struct brk_issuer *i);
void brk_issuer_unref(struct brk_issuer *i);
VD_DEFINE_CLEANUP(struct brk_issuer, brk_issuer_unref)

bool brk_issuer_has_tee(const struct brk_issuer *i, const char *tee);
bool brk_issuer_has_repository(const struct brk_issuer *i, const char *repo);
/* sha256 NULL: the passport does not say (another issuer's); then a pinned digest refuses it. */
bool brk_issuer_has_policy(const struct brk_issuer *i, const char *id, const uint8_t *sha256);

/* The i-th [[trusted_issuer]] of the configuration. VD_E_CONFIG names key and cure. */
vd_rc brk_issuer_from_config(const struct vd_config *c, size_t i, struct brk_issuer **ret,
                             struct brk_keyset **ret_keys, vd_err *err);
/* Body of the native API and of the store. An unknown member or a wrong type is VD_E_SETTING. */
vd_rc brk_issuer_from_json(const char *name, vd_span body, struct brk_issuer **ret,
                           struct brk_keyset **ret_keys, bool *ret_suspended, vd_err *err);
/* The entry as the native API shows it: members of one object, without braces' name and state. */
void brk_issuer_to_json(const struct brk_issuer *i, const struct brk_keyset *keys, vd_jw *w);
