/* Views of the key ring: what signers and readers use while changes are on their way. */
#include <stdatomic.h>
#include <stdlib.h>

#include "issuer/passport/edition.h"
#include "issuer/passport/keyring_priv.h"
#include "shared/crypto/x509.h"

enum { JWKS_BYTES = 4 << 20, CHAIN_MAX = 8 };

void iss_ring_view_unref(struct iss_ring_view *v)
{
    if (!v || atomic_fetch_sub_explicit(&v->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < ISS_RING_KEYS; i++)
        iss_signer_free(v->signer[i]);
    iss_ring_view_unref(v->statements);
    iss_ringdoc_free(v->doc);
    vd_buf_done(&v->jwks);
    free(v);
}

struct iss_ring_view *iss_ring_view(struct iss_keyring *r)
{
    (void)pthread_mutex_lock(&r->lock);
    struct iss_ring_view *v = r->view;
    if (v)
        atomic_fetch_add_explicit(&v->refs, 1, memory_order_relaxed);
    (void)pthread_mutex_unlock(&r->lock);
    return v;
}

/* Is the configured certificate one of this key? */
static bool certified(const struct iss_keyring *r, const struct vd_key *key)
{
    VD_AUTO(vd_certs_free) struct vd_certs *chain = NULL;
    if (r->cert.n == 0 ||
        vd_certs_parse_pem(vd_buf_span(&r->cert), CHAIN_MAX, &chain, NULL).code != VD_E_OK)
        return false;
    VD_AUTO(vd_key_unref) struct vd_key *leaf = chain->n ? vd_cert_key(chain->item[0]) : NULL;
    return leaf && vd_key_same(leaf, key);
}

/* A key in a token: what a signer's `sign` needs. */
struct token_key {
    struct vd_p11 *token;
    struct vd_p11_pair pair;
    enum vd_sig alg;
};

static vd_rc sign_there(void *ctx, vd_span in, vd_buf *out, vd_err *err)
{
    struct token_key *t = ctx;
    return vd_p11_sign(t->token, &t->pair, t->alg, in, out, err);
}

static vd_rc open_token_signer(const struct iss_keyring *r, const struct iss_ring_key *k,
                               struct iss_signer **ret, vd_err *err)
{
    vd_err why = { 0 };
    VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
    VD_AUTO(iss_signer_free) struct iss_signer *s = NULL;
    VD_AUTO(free) struct token_key *t = calloc(1, sizeof *t);
    if (!t)
        return vd_fail(err, VD_E_NOMEM, "passport key");
    *t = (struct token_key){ .token = r->cfg.token, .alg = k->alg };
    if (!r->cfg.token)
        return vd_fail(err, VD_E_CONFIG,
                       "the passport key %s is in a PKCS#11 token: set passport.pkcs11_module, "
                       "pkcs11_token, pkcs11_key_label and pkcs11_pin_file",
                       k->kid);
    if (vd_p11_find(t->token, k->kid, &key, &t->pair, &why).code != VD_E_OK)
        return vd_fail(err, VD_E_CONFIG, "passport.pkcs11_key_label: %.180s", why.msg);
    vd_span cert = certified(r, key) ? vd_buf_span(&r->cert) : VD_SPAN_NONE;
    VD_TRY(iss_signer_of(key, k->alg, cert, &s, err));
    s->sign = sign_there;
    s->ctx = VD_TAKE(t);
    s->close = free;
    *ret = VD_TAKE(s);
    return VD_OK;
}

static vd_rc open_signer(const struct iss_keyring *r, const struct iss_ring_key *k,
                         struct iss_signer **ret, vd_err *err)
{
    if (k->token)
        return open_token_signer(r, k, ret, err);
    VD_AUTO_SECRET pem = { 0 };
    VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
    VD_AUTO(iss_signer_free) struct iss_signer *s = NULL;
    uint64_t version = 0;
    vd_err why = { 0 };
    if (vd_store_get_secret(r->cfg.store, VD_OWNER_DEFAULT, r->cfg.names->key, k->kid, &pem,
                            &version, &why)
                .code != VD_E_OK ||
        vd_key_from_pem(vd_secret_span(&pem), &key, &why).code != VD_E_OK || !vd_key_private(key))
        return vd_fail(err, VD_E_STORE_CORRUPT, "the private half of the %s %s: %.120s",
                       r->cfg.names->noun, k->kid, why.msg);
    vd_span cert = certified(r, key) ? vd_buf_span(&r->cert) : VD_SPAN_NONE;
    VD_TRY(iss_signer_of(key, k->alg, cert, &s, err));
    if (strcmp(s->kid, k->kid) != 0)
        return vd_fail(err, VD_E_STORE_CORRUPT, "the %s %s is another key", r->cfg.names->noun,
                       k->kid);
    *ret = VD_TAKE(s);
    return VD_OK;
}

static struct iss_signer *signer_of(const struct iss_ring_view *v, const char *kid)
{
    for (size_t i = 0; v && i < v->doc->n; i++)
        if (v->signer[i] && strcmp(v->doc->key[i].kid, kid) == 0)
            return iss_signer_ref(v->signer[i]);
    return NULL;
}

static vd_rc fill_signers(struct iss_keyring *r, struct iss_ring_view *v, vd_err *err)
{
    VD_AUTO(iss_ring_view_unref) struct iss_ring_view *old = iss_ring_view(r);
    for (size_t i = 0; i < v->doc->n; i++) {
        enum iss_phase p =
            iss_phase_of(v->doc->times, v->doc->n, i, iss_ring_overlap(r), v->made_at);
        if (p != ISS_PHASE_NEXT && p != ISS_PHASE_ACTIVE)
            continue;
        v->signer[i] = signer_of(old, v->doc->key[i].kid);
        if (!v->signer[i])
            VD_TRY(open_signer(r, &v->doc->key[i], &v->signer[i], err));
        v->certified = v->certified || certified(r, v->signer[i]->key);
    }
    return VD_OK;
}

/* The elements of "keys", separated by commas. */
static void fill_items(const struct iss_keyring *r, const struct iss_ring_view *v, vd_buf *out)
{
    const struct iss_ringdoc *d = v->doc;
    for (size_t i = 0; i < d->n; i++) {
        enum iss_phase p = iss_phase_of(d->times, d->n, i, iss_ring_overlap(r), v->made_at);
        if (p != ISS_PHASE_NEXT && p != ISS_PHASE_ACTIVE && p != ISS_PHASE_RETIRING)
            continue;
        if (out->n)
            vd_buf_u8(out, ',');
        /* A signer's own text: the certificate may have come after the key. */
        vd_span jwk = v->signer[i] ? vd_buf_span(&v->signer[i]->jwk) : vd_span_str(d->key[i].jwk);
        iss_jwks_item(jwk, d->key[i].kid, r->cfg.names == &iss_statement_ring ? "revocation" : NULL,
                      out);
    }
    if (v->statements) {
        vd_buf_u8(out, ',');
        vd_buf_add(out, vd_buf_span(&v->statements->jwks));
    }
}

static vd_rc fill_jwks(struct iss_keyring *r, struct iss_ring_view *v, vd_err *err)
{
    struct iss_edition e;
    VD_AUTO_BUF items = vd_buf_of(JWKS_BYTES);
    fill_items(r, v, &items);
    VD_TRY(vd_buf_check(&items, err));
    if (r->cfg.names == &iss_statement_ring) { /* published in the set of the other ring */
        v->jwks = items;
        items = vd_buf_of(0);
        return VD_OK;
    }
    VD_TRY(iss_edition_of(r->cfg.store, "passport-jwks", vd_buf_span(&items), v->made_at, &e, err));
    v->jwks = vd_buf_of(JWKS_BYTES + 256);
    vd_buf_str(&v->jwks, "{\"keys\":[");
    vd_buf_add(&v->jwks, vd_buf_span(&items));
    vd_buf_printf(&v->jwks, "],\"vidimus_seq\":%llu,\"iat\":%lld}", (unsigned long long)e.seq,
                  (long long)e.iat);
    (void)snprintf(v->etag, sizeof v->etag, "\"%llu-%.16s\"", (unsigned long long)e.seq, e.sha256);
    return vd_buf_check(&v->jwks, err);
}

vd_rc iss_ring_install(struct iss_keyring *r, struct iss_ringdoc *doc, int64_t now, vd_err *err)
{
    VD_AUTO(iss_ringdoc_free) struct iss_ringdoc *mine = doc;
    VD_AUTO(iss_ring_view_unref) struct iss_ring_view *v = calloc(1, sizeof *v);
    if (!v)
        return vd_fail(err, VD_E_NOMEM, "key ring");
    atomic_init(&v->refs, 1);
    v->doc = VD_TAKE(mine);
    v->made_at = now;
    v->statements = r->cfg.statements ? iss_ring_view(r->cfg.statements) : NULL;
    v->changes_at = iss_phase_changes_at(v->doc->times, v->doc->n, iss_ring_overlap(r), now);
    VD_TRY(fill_signers(r, v, err));
    VD_TRY(fill_jwks(r, v, err));
    (void)pthread_mutex_lock(&r->lock);
    struct iss_ring_view *old = r->view;
    r->view = VD_TAKE(v);
    (void)pthread_mutex_unlock(&r->lock);
    iss_ring_view_unref(old);
    r->stale = false;
    return VD_OK;
}

vd_rc iss_keyring_signer(struct iss_keyring *r, int64_t now, struct iss_signer **ret, vd_err *err)
{
    VD_AUTO(iss_ring_view_unref) struct iss_ring_view *v = iss_ring_view(r);
    size_t i = iss_phase_active(v->doc->times, v->doc->n, now > v->made_at ? now : v->made_at);
    if (i == v->doc->n || !v->signer[i])
        return vd_fail(err, VD_E_INTERNAL, "no %s is active", r->cfg.names->noun);
    *ret = iss_signer_ref(v->signer[i]);
    return VD_OK;
}

vd_rc iss_keyring_jwks(struct iss_keyring *r, vd_buf *out, char ret_etag[ISS_ETAG], vd_err *err)
{
    VD_AUTO(iss_ring_view_unref) struct iss_ring_view *v = iss_ring_view(r);
    (void)snprintf(ret_etag, ISS_ETAG, "%s", v->etag);
    vd_buf_add(out, vd_buf_span(&v->jwks));
    return vd_buf_check(out, err);
}

bool iss_keyring_has(struct iss_keyring *r, const struct vd_key *key)
{
    char kid[ISS_KID];
    VD_AUTO(iss_ring_view_unref) struct iss_ring_view *v = iss_ring_view(r);
    return vd_key_thumbprint(key, kid, NULL).code != VD_E_OK ||
           iss_ringdoc_find(v->doc, vd_span_str(kid)) < v->doc->n;
}

static void key_to_json(const struct iss_keyring *r, const struct iss_ring_view *v, size_t i,
                        int64_t now, vd_jw *w)
{
    const struct iss_ringdoc *d = v->doc;
    const struct iss_times *t = &d->times[i];
    int64_t retires = iss_phase_retires_at(d->times, d->n, i, iss_ring_overlap(r));
    vd_jw_obj(w);
    vd_jw_kstr(w, "kid", d->key[i].kid);
    vd_jw_kstr(w, "alg", vd_jws_alg_name(d->key[i].alg));
    vd_jw_kstr(w, "state",
               iss_phase_name(iss_phase_of(d->times, d->n, i, iss_ring_overlap(r), now)));
    vd_jw_kstr(w, "origin", d->key[i].token ? "pkcs11" : d->key[i].from_file ? "file" : "store");
    vd_jw_key(w, "published_at");
    vd_jw_time(w, t->published_at);
    vd_jw_key(w, "active_at");
    vd_jw_time(w, t->active_at);
    vd_jw_key(w, "retires_at");
    if (retires && !t->revoked_at)
        vd_jw_time(w, retires);
    else
        vd_jw_null(w);
    vd_jw_key(w, "revoked_at");
    if (t->revoked_at)
        vd_jw_time(w, t->revoked_at);
    else
        vd_jw_null(w);
    vd_jw_key(w, "jwk");
    vd_jw_raw(w, v->signer[i] ? vd_buf_span(&v->signer[i]->jwk) : vd_span_str(d->key[i].jwk));
    vd_jw_end(w);
}

vd_rc iss_keyring_to_json(struct iss_keyring *r, vd_span kid, vd_jw *w, vd_err *err)
{
    VD_AUTO(iss_ring_view_unref) struct iss_ring_view *v = iss_ring_view(r);
    int64_t now = vd_clock_s(&r->cfg.clock);
    now = now > v->made_at ? now : v->made_at;
    bool found = kid.n == 0;
    for (size_t i = 0; i < v->doc->n; i++) {
        if (kid.n && !vd_span_eq_str(kid, v->doc->key[i].kid))
            continue;
        found = true;
        key_to_json(r, v, i, now, w);
    }
    return found ? VD_OK
                 : vd_fail(err, VD_E_NOT_FOUND, "there is no %s of that id", r->cfg.names->noun);
}
