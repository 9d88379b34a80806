/* Changes of the key ring: opening, rotation, revocation, what time does. Each is one transaction
 * of the ring's document and the private halves, recorded before and after; then readers get the
 * new view. */
#include <stdatomic.h>
#include <stdlib.h>

#include "issuer/passport/keyring_priv.h"
#include "shared/base/file.h"

enum { DOC_BYTES = 4 << 20, COMPLAIN_SECONDS = 60 };

static const struct iss_actor clockwork = { "schedule", "" };

const struct iss_ring_names iss_passport_ring = {
    .ring = "passport-ring",
    .key = "passport-key",
    .other = "revocation-ring",
    .setting = "passport.key_file",
    .noun = "passport key",
};
const struct iss_ring_names iss_statement_ring = {
    .ring = "revocation-ring",
    .key = "revocation-key",
    .other = "passport-ring",
    .setting = "revocation.key_file",
    .noun = "key of revocation statements",
    .old = "key",
    .makes_first = true,
    .any_alg = true,
};

/* One change on its way: the document after it, and the private halves that come and go. */
struct change {
    struct iss_keyring *r;
    struct iss_ringdoc *doc;
    int64_t now;
    int64_t version; /* of the document before */
    struct vd_put put[ISS_RING_KEYS + 2];
    size_t n;
    vd_secret pem;                        /* of the key that comes */
    char destroy[ISS_RING_KEYS][ISS_KID]; /* in the token, afterwards */
    size_t n_destroy;
};

static void change_done(struct change *c)
{
    iss_ringdoc_free(c->doc);
    vd_secret_done(&c->pem);
}
#define AUTO_CHANGE __attribute__((cleanup(change_done))) struct change

static vd_rc load(struct iss_keyring *r, struct iss_ringdoc **ret, int64_t *ret_version,
                  vd_err *err)
{
    VD_AUTO_OBJECT o = { 0 };
    VD_TRY(vd_store_get(r->cfg.store, VD_OWNER_DEFAULT, r->cfg.names->ring, ISS_RING_NAME, 0, &o,
                        err));
    VD_TRY(iss_ringdoc_parse(vd_buf_span(&o.body), ret, err));
    *ret_version = (int64_t)o.version;
    return VD_OK;
}

/* From what is stored, or from nothing when there is no ring yet. */
static vd_rc begin(struct iss_keyring *r, struct change *c, vd_err *err)
{
    vd_err why = { 0 };
    c->r = r;
    c->now = vd_clock_s(&r->cfg.clock);
    c->version = VD_MATCH_NONE;
    vd_rc_ rc = load(r, &c->doc, &c->version, &why);
    if (rc.code == VD_E_OK)
        return VD_OK;
    if (rc.code != VD_E_NOT_FOUND)
        return vd_fail(err, rc.code, "%s", why.msg);
    c->doc = iss_ringdoc_new();
    return c->doc ? VD_OK : vd_fail(err, VD_E_NOMEM, "key ring");
}

static struct vd_put put_of(const struct change *c, const struct iss_actor *who, const char *kind,
                            const char *name)
{
    return (struct vd_put){
        .owner = VD_OWNER_DEFAULT,
        .kind = kind,
        .name = name,
        .match = VD_MATCH_ANY,
        .by = who->identity,
        .now = c->now,
    };
}

/* Writes document and halves together, then shows them. `verb` says what it is in the record. */
static vd_rc commit(struct change *c, const struct iss_actor *who, const char *verb, vd_err *err)
{
    struct iss_keyring *r = c->r;
    char what[64];
    (void)snprintf(what, sizeof what, "%s.%s", r->cfg.names->key, verb);
    VD_AUTO_BUF body = vd_buf_of(DOC_BYTES);
    VD_TRY(iss_ringdoc_write(c->doc, &body, err));
    struct vd_put *ring = &c->put[c->n++];
    *ring = put_of(c, who, r->cfg.names->ring, ISS_RING_NAME);
    ring->body = vd_buf_span(&body);
    ring->match = c->version;
    VD_TRY(
        vd_change(r->cfg.audit, r->cfg.store, what, who->identity, who->role, c->put, c->n, err));
    r->stale = true;
    for (size_t i = 0; i < c->n_destroy && r->cfg.token; i++) {
        vd_err why = { 0 };
        /* The ring has let go of it: a token that refuses keeps a key that nobody asks for. */
        if (vd_p11_destroy(r->cfg.token, c->destroy[i], &why).code != VD_E_OK)
            vd_log_err(r->cfg.log, VD_LOG_WARN, "passport", &why);
    }
    return iss_ring_install(r, VD_TAKE(c->doc), c->now, err);
}

/* A key that signs both could be made to say one thing where it means the other. */
static vd_rc check_other(const struct iss_keyring *r, const char *kid, vd_err *err)
{
    VD_AUTO_OBJECT o = { 0 };
    VD_AUTO(iss_ringdoc_free) struct iss_ringdoc *doc = NULL;
    vd_err why = { 0 };
    vd_rc_ rc = vd_store_get(r->cfg.store, VD_OWNER_DEFAULT, r->cfg.names->other, ISS_RING_NAME, 0,
                             &o, &why);
    if (rc.code == VD_E_NOT_FOUND)
        return VD_OK;
    if (rc.code != VD_E_OK)
        return vd_fail(err, rc.code, "%s", why.msg);
    VD_TRY(iss_ringdoc_parse(vd_buf_span(&o.body), &doc, err));
    if (iss_ringdoc_find(doc, vd_span_str(kid)) < doc->n)
        return vd_fail(err, VD_E_CONFIG,
                       "passport.key_file and revocation.key_file hold the same key, or did once; "
                       "give each its own");
    return VD_OK;
}

/* A private half into the store (or it is in the token), its public half and times into the ring.
 */
static vd_rc enter(struct change *c, const struct iss_actor *who, struct vd_key *key,
                   bool from_file, int64_t active_at, char ret_kid[ISS_KID], vd_err *err)
{
    struct iss_keyring *r = c->r;
    bool token = !vd_key_private(key);
    struct iss_ring_key k = { .from_file = from_file, .token = token, .stored = true };
    const struct iss_times t = {
        .published_at = c->now,
        .active_at = active_at,
        .life = r->cfg.lifetime,
    };
    VD_AUTO(iss_signer_free) struct iss_signer *s = NULL;
    VD_TRY(iss_signer_alg(key, &k.alg, err));
    VD_TRY(iss_signer_of(key, k.alg, VD_SPAN_NONE, &s, err));
    if (r->cfg.auth && vd_auth_has_key(r->cfg.auth, key))
        return vd_fail(
            err, VD_E_CONFIG,
            "%s %s is also the key of an [[admin.identity]]: what it signs could be "
            "taken for an administrator's token; give the administrator a key of his own",
            r->cfg.names->setting, r->cfg.key_file ? r->cfg.key_file : "");
    VD_TRY(check_other(r, s->kid, err));
    (void)snprintf(k.kid, sizeof k.kid, "%s", s->kid);
    VD_TRY(iss_ringdoc_add(c->doc, &k, &t, vd_buf_span(&s->jwk), iss_ring_overlap(r), c->now, err));
    if (ret_kid)
        (void)snprintf(ret_kid, ISS_KID, "%s", k.kid);
    if (token)
        return VD_OK;
    VD_TRY(vd_key_to_pem_private(key, false, &c->pem, err));
    struct vd_put *half = &c->put[c->n++];
    *half = put_of(c, who, r->cfg.names->key, c->doc->key[c->doc->n - 1].kid);
    half->body = vd_secret_span(&c->pem);
    half->sealed = true;
    return VD_OK;
}

static vd_rc token_generate(const struct iss_keyring *r, struct vd_key **ret, vd_err *err)
{
    bool es384 = strcmp(r->cfg.alg, "ES384") == 0;
    if (!es384 && strcmp(r->cfg.alg, "ES256") != 0)
        return vd_fail(err, VD_E_CONFIG,
                       "passport.alg of keys in a PKCS#11 token is ES256 or ES384");
    return vd_p11_generate(r->cfg.token, es384 ? VD_KTY_P384 : VD_KTY_P256, ret, err);
}

static vd_rc enter_fresh(struct change *c, const struct iss_actor *who, int64_t active_at,
                         char ret_kid[ISS_KID], vd_err *err)
{
    enum vd_sig alg;
    VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
    if (c->r->cert.n)
        return vd_fail(err, VD_E_KEY_STATE,
                       "passport.cert_file is set and a new key would have no certificate: replace "
                       "passport.key_file and passport.cert_file, then restart");
    if (c->r->cfg.token)
        VD_TRY(token_generate(c->r, &key, err));
    else
        VD_TRY(iss_signer_generate(c->r->cfg.alg, &key, &alg, err));
    return enter(c, who, key, false, active_at, ret_kid, err);
}

/* Private halves that nothing will be signed with again are erased. The last step before a commit:
 * the puts point at the document's names. */
static void erase_old(struct change *c, const struct iss_actor *who)
{
    struct iss_ringdoc *d = c->doc;
    for (size_t i = 0; i < d->n && c->n < ISS_RING_KEYS; i++) {
        enum iss_phase p = iss_phase_of(d->times, d->n, i, iss_ring_overlap(c->r), c->now);
        if (!d->key[i].stored || (p != ISS_PHASE_RETIRED && p != ISS_PHASE_REVOKED))
            continue;
        d->key[i].stored = false;
        if (d->key[i].token) {
            memcpy(c->destroy[c->n_destroy++], d->key[i].kid, ISS_KID);
            continue;
        }
        c->put[c->n] = put_of(c, who, c->r->cfg.names->key, d->key[i].kid);
        c->put[c->n++].remove = true;
    }
}

/* ---- opening --------------------------------------------------------------------------------- */

/* The key that the store had before it had a ring, else a new one. */
static vd_rc take_first_in(struct change *c, vd_err *err)
{
    struct iss_keyring *r = c->r;
    VD_AUTO_SECRET pem = { 0 };
    VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
    uint64_t version = 0;
    vd_err why = { 0 };
    vd_rc_ rc = r->cfg.names->old
                    ? vd_store_get_secret(r->cfg.store, VD_OWNER_DEFAULT, r->cfg.names->key,
                                          r->cfg.names->old, &pem, &version, &why)
                    : VD_RC(VD_E_NOT_FOUND);
    if (rc.code == VD_E_NOT_FOUND) {
        VD_TRY(enter_fresh(c, &clockwork, c->now, NULL, err));
        return commit(c, &clockwork, "create", err);
    }
    if (rc.code != VD_E_OK)
        return vd_fail(err, rc.code, "%s", why.msg);
    VD_TRY(vd_key_from_pem(vd_secret_span(&pem), &key, err));
    VD_TRY(enter(c, &clockwork, key, false, c->now, NULL, err));
    c->put[c->n] = put_of(c, &clockwork, r->cfg.names->key, r->cfg.names->old);
    c->put[c->n++].remove = true;
    return commit(c, &clockwork, "import", err);
}

/* The file's key becomes the active one when it was never seen: at the first start, and when
 * somebody put another file there. */
static vd_rc take_file_in(struct iss_keyring *r, vd_err *err)
{
    AUTO_CHANGE c = { 0 };
    char kid[ISS_KID];
    VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
    VD_AUTO_SECRET pem = { 0 };
    const struct iss_signer_cfg file = { .alg = r->cfg.alg, .key_file = r->cfg.key_file };
    VD_TRY(begin(r, &c, err));
    if (!r->cfg.key_file || !vd_file_exists(r->cfg.key_file)) {
        if (c.doc->n || r->cfg.token)
            return VD_OK;
        if (r->cfg.names->makes_first && !r->cfg.key_file)
            return take_first_in(&c, err);
        return vd_fail(err, VD_E_CONFIG,
                       "there is no %s: neither in the store nor in %s (%s); `vidimus-issuer init` "
                       "makes one",
                       r->cfg.names->noun, r->cfg.names->setting,
                       r->cfg.key_file ? r->cfg.key_file : "unset");
    }
    /* A known key is not asked whether it fits passport.alg: that is for new ones. */
    if (vd_secret_read_file(r->cfg.key_file, 65536, true, &pem, NULL).code == VD_E_OK &&
        vd_key_from_pem(vd_secret_span(&pem), &key, NULL).code == VD_E_OK &&
        vd_key_thumbprint(key, kid, NULL).code == VD_E_OK &&
        iss_ringdoc_find(c.doc, vd_span_str(kid)) < c.doc->n)
        return VD_OK;
    if (!r->cfg.names->any_alg) {
        vd_key_unref(VD_TAKE(key));
        VD_TRY(iss_signer_key(&file, &key, err));
    } else if (!key || !vd_key_private(key)) {
        return vd_fail(err, VD_E_CONFIG,
                       "%s %s holds no private key in PEM form, or is no private file",
                       r->cfg.names->setting, r->cfg.key_file);
    }
    VD_TRY(enter(&c, &clockwork, key, true, c.now, kid, err));
    VD_TRY(commit(&c, &clockwork, "import", err));
    if (c.version != VD_MATCH_NONE)
        vd_log_msg(r->cfg.log, VD_LOG_WARN, "passport",
                   "%s holds another key than before: it signs from now on, the others retire",
                   r->cfg.key_file);
    return VD_OK;
}

/* With a token, keys are there: the pair that somebody made under the label, else a new one. It
 * takes over in time from the keys that were in use before. */
static vd_rc take_token_in(struct iss_keyring *r, vd_err *err)
{
    AUTO_CHANGE c = { 0 };
    char kid[ISS_KID];
    struct vd_p11_pair pair;
    VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
    VD_TRY(begin(r, &c, err));
    for (size_t i = 0; i < c.doc->n; i++)
        if (c.doc->key[i].token && c.doc->key[i].stored)
            return VD_OK;
    int64_t at = c.now;
    if (c.doc->n)
        at = iss_phase_activation(c.doc->times, c.doc->n, r->cfg.publish_before, c.now);
    if (vd_p11_find(r->cfg.token, NULL, &key, &pair, NULL).code != VD_E_OK)
        VD_TRY(token_generate(r, &key, err));
    VD_TRY(enter(&c, &clockwork, key, false, at, kid, err));
    return commit(&c, &clockwork, "import", err);
}

/* A longer lifetime in the configuration holds for the keys that will sign under it. */
static vd_rc note_lifetime(struct iss_keyring *r, vd_err *err)
{
    AUTO_CHANGE c = { 0 };
    bool longer = false;
    VD_TRY(begin(r, &c, err));
    for (size_t i = 0; i < c.doc->n; i++) {
        enum iss_phase p = iss_phase_of(c.doc->times, c.doc->n, i, iss_ring_overlap(r), c.now);
        if ((p == ISS_PHASE_NEXT || p == ISS_PHASE_ACTIVE) &&
            c.doc->times[i].life < r->cfg.lifetime) {
            c.doc->times[i].life = r->cfg.lifetime;
            longer = true;
        }
    }
    return longer ? commit(&c, &clockwork, "lifetime", err) : VD_OK;
}

static vd_rc check_view(const struct iss_keyring *r, const struct iss_ring_view *v, vd_err *err)
{
    for (size_t i = 0; i < v->doc->n; i++) {
        const struct iss_signer *s = v->signer[i];
        if (!s)
            continue;
        if (r->cfg.auth && vd_auth_has_key(r->cfg.auth, s->key))
            return vd_fail(err, VD_E_CONFIG,
                           "the %s %s is also the key of an [[admin.identity]]; give the "
                           "administrator a key of his own",
                           r->cfg.names->noun, s->kid);
    }
    if (r->cert.n && !v->certified)
        return vd_fail(
            err, VD_E_CONFIG,
            "passport.cert_file %s: the first certificate is not one of the passport key",
            r->cfg.cert_file);
    return VD_OK;
}

static vd_rc ring_new(const struct iss_keyring_cfg *cfg, struct iss_keyring **ret, vd_err *err)
{
    VD_AUTO(iss_keyring_free) struct iss_keyring *r = calloc(1, sizeof *r);
    if (!r)
        return vd_fail(err, VD_E_NOMEM, "key ring");
    r->cfg = *cfg;
    if (!cfg->names)
        r->cfg.names = &iss_passport_ring;
    (void)pthread_mutex_init(&r->change, NULL);
    (void)pthread_mutex_init(&r->lock, NULL);
    VD_TRY(iss_signer_cert(cfg->cert_file, &r->cert, err));
    *ret = VD_TAKE(r);
    return VD_OK;
}

static vd_rc show(struct iss_keyring *r, vd_err *err)
{
    AUTO_CHANGE c = { 0 };
    VD_TRY(begin(r, &c, err));
    return iss_ring_install(r, VD_TAKE(c.doc), c.now, err);
}

vd_rc iss_keyring_open(const struct iss_keyring_cfg *cfg, struct iss_keyring **ret, vd_err *err)
{
    VD_AUTO(iss_keyring_free) struct iss_keyring *r = NULL;
    VD_TRY(ring_new(cfg, &r, err));
    VD_TRY(take_file_in(r, err));
    if (cfg->token)
        VD_TRY(take_token_in(r, err));
    VD_TRY(note_lifetime(r, err));
    VD_TRY(show(r, err));
    VD_AUTO(iss_ring_view_unref) struct iss_ring_view *v = iss_ring_view(r);
    VD_TRY(check_view(r, v, err));
    *ret = VD_TAKE(r);
    return VD_OK;
}

vd_rc iss_keyring_create(const struct iss_keyring_cfg *cfg, vd_err *err)
{
    AUTO_CHANGE c = { 0 };
    VD_AUTO(iss_keyring_free) struct iss_keyring *r = NULL;
    VD_TRY(ring_new(cfg, &r, err));
    VD_TRY(begin(r, &c, err));
    VD_TRY(enter_fresh(&c, &clockwork, c.now, NULL, err));
    return commit(&c, &clockwork, "create", err);
}

void iss_keyring_free(struct iss_keyring *r)
{
    if (!r)
        return;
    iss_ring_view_unref(r->view);
    vd_buf_done(&r->cert);
    (void)pthread_mutex_destroy(&r->change);
    (void)pthread_mutex_destroy(&r->lock);
    free(r);
}

/* ---- changes --------------------------------------------------------------------------------- */

/* The key that waits, the earliest; doc->n: none. */
static size_t waiting(const struct change *c)
{
    const struct iss_ringdoc *d = c->doc;
    size_t found = d->n;
    for (size_t i = 0; i < d->n; i++) {
        if (iss_phase_of(d->times, d->n, i, iss_ring_overlap(c->r), c->now) != ISS_PHASE_NEXT)
            continue;
        if (found == d->n || d->times[i].active_at < d->times[found].active_at)
            found = i;
    }
    return found;
}

/* A key that signs from this second on. */
static vd_rc take_over(struct change *c, const struct iss_actor *who, char ret_kid[ISS_KID],
                       vd_err *err)
{
    size_t i = waiting(c);
    if (i == c->doc->n)
        return enter_fresh(c, who, c->now, ret_kid, err);
    c->doc->times[i].active_at = c->now;
    (void)snprintf(ret_kid, ISS_KID, "%s", c->doc->key[i].kid);
    return VD_OK;
}

static vd_rc rotate(struct iss_keyring *r, const struct iss_actor *who, bool at_once,
                    char ret_kid[ISS_KID], vd_err *err)
{
    AUTO_CHANGE c = { 0 };
    VD_TRY(begin(r, &c, err));
    if (at_once) {
        VD_TRY(take_over(&c, who, ret_kid, err));
    } else {
        int64_t at = iss_phase_activation(c.doc->times, c.doc->n, r->cfg.publish_before, c.now);
        VD_TRY(enter_fresh(&c, who, at, ret_kid, err));
    }
    erase_old(&c, who);
    return commit(&c, who, at_once ? "rotate-now" : "rotate", err);
}

vd_rc iss_keyring_rotate(struct iss_keyring *r, const struct iss_actor *who, bool at_once,
                         char ret_kid[ISS_KID], vd_err *err)
{
    (void)pthread_mutex_lock(&r->change);
    vd_rc_ rc = rotate(r, who, at_once, ret_kid, err);
    (void)pthread_mutex_unlock(&r->change);
    return rc;
}

static vd_rc revoke_key(struct iss_keyring *r, const struct iss_actor *who, vd_span kid,
                        vd_err *err)
{
    AUTO_CHANGE c = { 0 };
    char fresh[ISS_KID];
    VD_TRY(begin(r, &c, err));
    size_t i = iss_ringdoc_find(c.doc, kid);
    if (i == c.doc->n)
        return vd_fail(err, VD_E_NOT_FOUND, "there is no key of that id");
    enum iss_phase p = iss_phase_of(c.doc->times, c.doc->n, i, iss_ring_overlap(r), c.now);
    if (p == ISS_PHASE_RETIRED || p == ISS_PHASE_REVOKED)
        return vd_fail(err, VD_E_KEY_STATE, "the key is %s already", iss_phase_name(p));
    /* First, so that it makes room for the one that takes over. */
    c.doc->times[i].revoked_at = c.now;
    if (p == ISS_PHASE_ACTIVE)
        VD_TRY(take_over(&c, who, fresh, err));
    erase_old(&c, who);
    return commit(&c, who, "revoke", err);
}

vd_rc iss_keyring_revoke(struct iss_keyring *r, const struct iss_actor *who, vd_span kid,
                         vd_err *err)
{
    (void)pthread_mutex_lock(&r->change);
    vd_rc_ rc = revoke_key(r, who, kid, err);
    (void)pthread_mutex_unlock(&r->change);
    return rc;
}

/* ---- time ------------------------------------------------------------------------------------ */

static bool has_old_halves(const struct iss_keyring *r, const struct iss_ringdoc *d, int64_t now)
{
    for (size_t i = 0; i < d->n; i++) {
        enum iss_phase p = iss_phase_of(d->times, d->n, i, iss_ring_overlap(r), now);
        if (d->key[i].stored && (p == ISS_PHASE_RETIRED || p == ISS_PHASE_REVOKED))
            return true;
    }
    return false;
}

static vd_rc tick(struct iss_keyring *r, int64_t now, vd_err *err)
{
    char kid[ISS_KID];
    VD_AUTO(iss_ring_view_unref) struct iss_ring_view *v = iss_ring_view(r);
    const struct iss_ringdoc *d = v->doc;
    uint64_t every = r->cert.n ? 0 : r->cfg.rotate_every;
    if (now >= iss_phase_due(d->times, d->n, every, r->cfg.publish_before, now))
        return rotate(r, &clockwork, false, kid, err);
    if (has_old_halves(r, d, now)) {
        AUTO_CHANGE c = { 0 };
        VD_TRY(begin(r, &c, err));
        erase_old(&c, &clockwork);
        return commit(&c, &clockwork, "retire", err);
    }
    VD_AUTO(iss_ring_view_unref)
    struct iss_ring_view *s = r->cfg.statements ? iss_ring_view(r->cfg.statements) : NULL;
    return r->stale || s != v->statements || now >= v->changes_at ? show(r, err) : VD_OK;
}

static void note_token(struct iss_keyring *r)
{
    uint64_t n = r->cfg.token ? vd_p11_openings(r->cfg.token) : 0;
    if (r->openings && n != r->openings)
        vd_log_msg(r->cfg.log, VD_LOG_WARN, "passport",
                   "the session with the PKCS#11 token was lost, and opened again");
    r->openings = n;
}

void iss_keyring_tick(struct iss_keyring *r)
{
    vd_err err = { 0 };
    int64_t now = vd_clock_s(&r->cfg.clock);
    (void)pthread_mutex_lock(&r->change);
    note_token(r);
    if (tick(r, now, &err).code != VD_E_OK &&
        (now - r->complained_at >= COMPLAIN_SECONDS || now < r->complained_at)) {
        r->complained_at = now;
        vd_context(&err, "key ring");
        vd_log_err(r->cfg.log, VD_LOG_ERROR, "passport", &err);
    }
    (void)pthread_mutex_unlock(&r->change);
}
