/* The stored form of the key ring; see ringdoc.h. */
#include "issuer/passport/ringdoc.h"

#include <stdlib.h>

#include "shared/codec/json.h"

enum { DOC_BYTES = 4 << 20, LIFE_MAX = 86400 };

struct iss_ringdoc *iss_ringdoc_new(void)
{
    return calloc(1, sizeof(struct iss_ringdoc));
}

void iss_ringdoc_free(struct iss_ringdoc *d)
{
    if (!d)
        return;
    for (size_t i = 0; i < d->n; i++)
        free(d->key[i].jwk);
    free(d);
}

vd_rc iss_ringdoc_copy(const struct iss_ringdoc *d, struct iss_ringdoc **ret, vd_err *err)
{
    VD_AUTO(iss_ringdoc_free) struct iss_ringdoc *c = iss_ringdoc_new();
    if (!c)
        return vd_fail(err, VD_E_NOMEM, "key ring");
    for (size_t i = 0; i < d->n; i++) {
        c->times[i] = d->times[i];
        c->key[i] = d->key[i];
        c->key[i].jwk = vd_strdup_span(vd_span_str(d->key[i].jwk));
        if (!c->key[i].jwk)
            return vd_fail(err, VD_E_NOMEM, "key ring");
        c->n++;
    }
    *ret = VD_TAKE(c);
    return VD_OK;
}

size_t iss_ringdoc_find(const struct iss_ringdoc *d, vd_span kid)
{
    size_t i = 0;
    while (i < d->n && !vd_span_eq_str(kid, d->key[i].kid))
        i++;
    return i;
}

static void forget(struct iss_ringdoc *d, size_t i)
{
    free(d->key[i].jwk);
    d->n--;
    for (; i < d->n; i++) {
        d->key[i] = d->key[i + 1];
        d->times[i] = d->times[i + 1];
    }
    d->key[d->n] = (struct iss_ring_key){ 0 };
    d->times[d->n] = (struct iss_times){ 0 };
}

static bool over(const struct iss_ringdoc *d, size_t i, uint64_t overlap, int64_t now)
{
    enum iss_phase p = iss_phase_of(d->times, d->n, i, overlap, now);
    return (p == ISS_PHASE_RETIRED || p == ISS_PHASE_REVOKED) && !d->key[i].stored;
}

static bool make_room(struct iss_ringdoc *d, uint64_t overlap, int64_t now)
{
    for (int files = 0; files < 2; files++) {
        for (size_t i = 0; i < d->n; i++) {
            if (d->key[i].from_file == (files == 1) && over(d, i, overlap, now)) {
                forget(d, i);
                return true;
            }
        }
    }
    return false;
}

size_t iss_ringdoc_published(const struct iss_ringdoc *d, uint64_t overlap, int64_t now)
{
    size_t n = 0;
    for (size_t i = 0; i < d->n; i++) {
        enum iss_phase p = iss_phase_of(d->times, d->n, i, overlap, now);
        n += p == ISS_PHASE_NEXT || p == ISS_PHASE_ACTIVE || p == ISS_PHASE_RETIRING;
    }
    return n;
}

vd_rc iss_ringdoc_add(struct iss_ringdoc *d, const struct iss_ring_key *key,
                      const struct iss_times *times, vd_span jwk, uint64_t overlap, int64_t now,
                      vd_err *err)
{
    if (iss_ringdoc_published(d, overlap, now) >= ISS_RING_PUBLISHED ||
        (d->n == ISS_RING_KEYS && !make_room(d, overlap, now)))
        return vd_fail(err, VD_E_KEYS_FULL,
                       "%d keys are published already; wait until old ones have retired",
                       ISS_RING_PUBLISHED);
    char *copy = vd_strdup_span(jwk);
    if (!copy)
        return vd_fail(err, VD_E_NOMEM, "key ring");
    d->key[d->n] = *key;
    d->key[d->n].jwk = copy;
    d->times[d->n] = *times;
    d->n++;
    return VD_OK;
}

vd_rc iss_ringdoc_write(const struct iss_ringdoc *d, vd_buf *out, vd_err *err)
{
    vd_jw w = vd_jw_of(out);
    vd_jw_obj(&w);
    vd_jw_ku64(&w, "v", 1);
    vd_jw_key(&w, "keys");
    vd_jw_arr(&w);
    for (size_t i = 0; i < d->n; i++) {
        vd_jw_obj(&w);
        vd_jw_kstr(&w, "kid", d->key[i].kid);
        vd_jw_kstr(&w, "alg", vd_jws_alg_name(d->key[i].alg));
        vd_jw_kbool(&w, "from_file", d->key[i].from_file);
        vd_jw_kbool(&w, "token", d->key[i].token);
        vd_jw_kbool(&w, "stored", d->key[i].stored);
        vd_jw_ki64(&w, "published_at", d->times[i].published_at);
        vd_jw_ki64(&w, "active_at", d->times[i].active_at);
        vd_jw_ki64(&w, "revoked_at", d->times[i].revoked_at);
        vd_jw_ku64(&w, "life", d->times[i].life);
        vd_jw_key(&w, "jwk");
        vd_jw_raw(&w, vd_span_str(d->key[i].jwk));
        vd_jw_end(&w);
    }
    vd_jw_end(&w);
    vd_jw_end(&w);
    return vd_buf_check(out, err);
}

static bool read_times(vd_jv v, struct iss_times *t)
{
    return vd_jv_i64(vd_jv_get(v, "published_at"), &t->published_at, NULL).code == VD_E_OK &&
           vd_jv_i64(vd_jv_get(v, "active_at"), &t->active_at, NULL).code == VD_E_OK &&
           vd_jv_i64(vd_jv_get(v, "revoked_at"), &t->revoked_at, NULL).code == VD_E_OK &&
           vd_jv_u64(vd_jv_get(v, "life"), LIFE_MAX, &t->life, NULL).code == VD_E_OK;
}

static bool read_key(vd_jv v, struct iss_ring_key *k)
{
    VD_AUTO_BUF kid = vd_buf_of(ISS_KID - 1);
    vd_jv jwk = vd_jv_get(v, "jwk");
    vd_jv token = vd_jv_get(v, "token"); /* rings of older versions have none */
    if (vd_jv_str(vd_jv_get(v, "kid"), &kid, NULL).code != VD_E_OK || kid.n != ISS_KID - 1 ||
        vd_jws_alg_by_name(vd_jv_str_raw(vd_jv_get(v, "alg")), &k->alg, NULL).code != VD_E_OK ||
        vd_jv_bool(vd_jv_get(v, "from_file"), &k->from_file, NULL).code != VD_E_OK ||
        vd_jv_bool(vd_jv_get(v, "stored"), &k->stored, NULL).code != VD_E_OK ||
        (vd_jv_ok(token) && vd_jv_bool(token, &k->token, NULL).code != VD_E_OK) ||
        !vd_jv_is(jwk, VD_JSON_OBJECT) || vd_jv_count(jwk) == 0)
        return false;
    (void)snprintf(k->kid, sizeof k->kid, "%s", vd_buf_cstr(&kid));
    k->jwk = vd_strdup_span(vd_jv_raw(jwk));
    return k->jwk != NULL;
}

vd_rc iss_ringdoc_parse(vd_span json, struct iss_ringdoc **ret, vd_err *err)
{
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    VD_AUTO(iss_ringdoc_free) struct iss_ringdoc *d = iss_ringdoc_new();
    uint64_t v = 0;
    vd_err why = { 0 };
    if (!d)
        return vd_fail(err, VD_E_NOMEM, "key ring");
    if (vd_json_parse(json, VD_JSON_LIMITS(DOC_BYTES), &doc, &why).code != VD_E_OK)
        return vd_fail(err, VD_E_STORE_CORRUPT, "key ring: %.120s", why.msg);
    vd_jv root = vd_json_root(doc);
    vd_jv keys = vd_jv_get(root, "keys");
    if (vd_jv_u64(vd_jv_get(root, "v"), 1, &v, NULL).code != VD_E_OK || v != 1 ||
        !vd_jv_is(keys, VD_JSON_ARRAY) || vd_jv_count(keys) > ISS_RING_KEYS)
        return vd_fail(err, VD_E_STORE_CORRUPT, "key ring: of another version, or too long");
    vd_jv_iter each = vd_jv_iter_of(keys);
    while (vd_jv_next(&each)) {
        if (!read_times(each.value, &d->times[d->n]) || !read_key(each.value, &d->key[d->n]))
            return vd_fail(err, VD_E_STORE_CORRUPT, "key ring: key number %zu", d->n + 1);
        d->n++;
    }
    *ret = VD_TAKE(d);
    return VD_OK;
}
