/* Highest numbers seen; see seen.h. */
#include "broker/passport/seen.h"

#include <pthread.h>
#include <stdlib.h>

#include "shared/codec/json.h"

/* The time of an unchanged number need not be written at each fetch. */
enum { VALUE_BYTES = 512, WRITE_SECONDS = 60 };

struct seen_issuer {
    char *issuer;
    struct brk_mark mark[BRK_SEEN_MAX];
    struct brk_mark written[BRK_SEEN_MAX];
};

struct brk_seen {
    struct vd_store *store;
    struct vd_log *log;
    pthread_mutex_t lock;
    struct seen_issuer *item;
    size_t n;
};

static const char *const names[BRK_SEEN_MAX] = {
    [BRK_SEEN_JWKS] = "jwks",
    [BRK_SEEN_STATEMENT] = "revocation",
};

struct brk_seen *brk_seen_new(struct vd_store *store, struct vd_log *log)
{
    struct brk_seen *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->store = store;
    s->log = log;
    (void)pthread_mutex_init(&s->lock, NULL);
    return s;
}

void brk_seen_free(struct brk_seen *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n; i++)
        free(s->item[i].issuer);
    free(s->item);
    (void)pthread_mutex_destroy(&s->lock);
    free(s);
}

static void key_of(const char *issuer, vd_buf *out)
{
    vd_buf_printf(out, "issuer-seen:%s", issuer);
}

static vd_rc read_value(vd_span text, struct seen_issuer *it, vd_err *err)
{
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    VD_TRY(vd_json_parse(text, VD_JSON_LIMITS(VALUE_BYTES), &doc, err));
    for (int w = 0; w < BRK_SEEN_MAX; w++) {
        vd_jv v = vd_jv_get(vd_json_root(doc), names[w]);
        VD_TRY(vd_jv_u64(vd_jv_get(v, "seq"), INT64_MAX, &it->mark[w].seq, err));
        VD_TRY(vd_jv_i64(vd_jv_get(v, "iat"), &it->mark[w].iat, err));
        it->written[w] = it->mark[w];
    }
    return VD_OK;
}

static vd_rc load(struct brk_seen *s, struct seen_issuer *it, vd_err *err)
{
    VD_AUTO_BUF key = vd_buf_of(1024);
    VD_AUTO_BUF value = vd_buf_of(VALUE_BYTES);
    vd_err why = { 0 };
    if (!s->store)
        return VD_OK;
    key_of(it->issuer, &key);
    VD_TRY(vd_buf_check(&key, err));
    vd_rc_ rc = vd_store_meta_get(s->store, vd_buf_cstr(&key), &value, &why);
    if (rc.code == VD_E_NOT_FOUND)
        return VD_OK;
    if (rc.code == VD_E_OK)
        rc = read_value(vd_buf_span(&value), it, &why);
    if (rc.code != VD_E_OK)
        return vd_fail(err, VD_E_STORE_CORRUPT, "what was seen of issuer %.80s: %.120s", it->issuer,
                       why.msg);
    return VD_OK;
}

static vd_rc save(struct brk_seen *s, struct seen_issuer *it, vd_err *err)
{
    VD_AUTO_BUF key = vd_buf_of(1024);
    VD_AUTO_BUF value = vd_buf_of(VALUE_BYTES);
    if (!s->store)
        return VD_OK;
    key_of(it->issuer, &key);
    vd_jw w = vd_jw_of(&value);
    vd_jw_obj(&w);
    for (int i = 0; i < BRK_SEEN_MAX; i++) {
        vd_jw_key(&w, names[i]);
        vd_jw_obj(&w);
        vd_jw_ku64(&w, "seq", it->mark[i].seq);
        vd_jw_ki64(&w, "iat", it->mark[i].iat);
        vd_jw_end(&w);
    }
    vd_jw_end(&w);
    VD_TRY(vd_buf_check(&key, err));
    VD_TRY(vd_buf_check(&value, err));
    VD_TRY(vd_store_meta_put(s->store, vd_buf_cstr(&key), vd_buf_span(&value), err));
    for (int i = 0; i < BRK_SEEN_MAX; i++)
        it->written[i] = it->mark[i];
    return VD_OK;
}

/* With the lock held: the entry, made from the store when it is not there. */
static vd_rc find(struct brk_seen *s, const char *issuer, struct seen_issuer **ret, vd_err *err)
{
    for (size_t i = 0; i < s->n; i++) {
        if (strcmp(s->item[i].issuer, issuer) == 0) {
            *ret = &s->item[i];
            return VD_OK;
        }
    }
    struct seen_issuer it = { .issuer = vd_strdup_span(vd_span_str(issuer)) };
    struct seen_issuer *more = realloc(s->item, (s->n + 1) * sizeof *more);
    if (more)
        s->item = more;
    vd_rc_ rc = more && it.issuer ? load(s, &it, err) : vd_fail(err, VD_E_NOMEM, "issuers seen");
    if (rc.code != VD_E_OK) {
        free(it.issuer);
        return rc;
    }
    s->item[s->n] = it;
    *ret = &s->item[s->n++];
    return VD_OK;
}

static vd_rc compare(const struct seen_issuer *it, enum brk_seen_what what, struct brk_mark m,
                     vd_err *err)
{
    const struct brk_mark *seen = &it->mark[what];
    if (m.seq > seen->seq || (m.seq == seen->seq && m.iat >= seen->iat))
        return VD_OK;
    return vd_fail(err, VD_E_OLDER_SET,
                   "%s number %llu of time %lld is older than one seen before (%llu, %lld); if the "
                   "issuer was set up anew: vidimus issuer reset NAME",
                   what == BRK_SEEN_JWKS ? "key set" : "revocation statement",
                   (unsigned long long)m.seq, (long long)m.iat, (unsigned long long)seen->seq,
                   (long long)seen->iat);
}

vd_rc brk_seen_get(struct brk_seen *s, const char *issuer, struct brk_mark ret[BRK_SEEN_MAX],
                   vd_err *err)
{
    struct seen_issuer *it = NULL;
    (void)pthread_mutex_lock(&s->lock);
    vd_rc_ rc = find(s, issuer, &it, err);
    for (int i = 0; rc.code == VD_E_OK && i < BRK_SEEN_MAX; i++)
        ret[i] = it->mark[i];
    (void)pthread_mutex_unlock(&s->lock);
    return rc;
}

vd_rc brk_seen_check(struct brk_seen *s, const char *issuer, enum brk_seen_what what,
                     struct brk_mark m, vd_err *err)
{
    struct seen_issuer *it = NULL;
    (void)pthread_mutex_lock(&s->lock);
    vd_rc_ rc = find(s, issuer, &it, err);
    if (rc.code == VD_E_OK)
        rc = compare(it, what, m, err);
    (void)pthread_mutex_unlock(&s->lock);
    return rc;
}

static void note(struct brk_seen *s, struct seen_issuer *it, enum brk_seen_what what,
                 struct brk_mark m)
{
    vd_err why = { 0 };
    it->mark[what] = m;
    if (m.seq == it->written[what].seq && m.iat - it->written[what].iat < WRITE_SECONDS)
        return;
    if (save(s, it, &why).code == VD_E_OK)
        return;
    vd_context(&why, "the highest number of an issuer could not be kept");
    vd_log_err(s->log, VD_LOG_ERROR, "passport", &why);
}

vd_rc brk_seen_pass(struct brk_seen *s, const char *issuer, enum brk_seen_what what,
                    struct brk_mark m, vd_err *err)
{
    struct seen_issuer *it = NULL;
    (void)pthread_mutex_lock(&s->lock);
    vd_rc_ rc = find(s, issuer, &it, err);
    if (rc.code == VD_E_OK)
        rc = compare(it, what, m, err);
    if (rc.code == VD_E_OK && m.seq)
        note(s, it, what, m);
    (void)pthread_mutex_unlock(&s->lock);
    return rc;
}

vd_rc brk_seen_reset(struct brk_seen *s, const char *issuer, vd_err *err)
{
    struct seen_issuer *it = NULL;
    (void)pthread_mutex_lock(&s->lock);
    vd_rc_ rc = find(s, issuer, &it, err);
    if (rc.code == VD_E_OK) {
        struct seen_issuer before = *it;
        for (int i = 0; i < BRK_SEEN_MAX; i++)
            it->mark[i] = (struct brk_mark){ 0 };
        rc = save(s, it, err);
        if (rc.code != VD_E_OK)
            *it = before;
    }
    (void)pthread_mutex_unlock(&s->lock);
    return rc;
}
