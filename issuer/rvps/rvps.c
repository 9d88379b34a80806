/* Lookups of reference values. The table holds what was read, known and unknown names alike, each
 * with the store's epoch of its reading; a write anywhere in the store makes every entry be read
 * once again. The epoch is taken before the row is read, so an entry is never newer than its mark.
 */
#include "issuer/rvps/rvps.h"

#include <pthread.h>
#include <stdlib.h>

#include "issuer/rvps/rvps_priv.h"
#include "shared/base/secret.h"

enum { BUCKETS = 1024, ENTRIES_MAX = 4096 };

struct entry {
    struct entry *next;
    bool known;
    vd_buf value;
    int64_t expires;
    uint64_t epoch;
    size_t name_n;
    char name[];
};

struct iss_rvps {
    struct vd_store *store; /* NULL: a fixed set */
    struct vd_clock clock;
    pthread_rwlock_t lock;
    uint64_t seed; /* names can come out of evidence: buckets are not for strangers to choose */
    size_t n;
    struct entry *bucket[BUCKETS];
};

static void entry_free(struct entry *e)
{
    if (!e)
        return;
    vd_buf_done(&e->value);
    free(e);
}

static void drop_all(struct iss_rvps *r)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        while (r->bucket[i]) {
            struct entry *e = r->bucket[i];
            r->bucket[i] = e->next;
            entry_free(e);
        }
    }
    r->n = 0;
}

static vd_rc rvps_alloc(struct iss_rvps **ret, vd_err *err)
{
    struct iss_rvps *r = calloc(1, sizeof *r);
    if (!r)
        return vd_fail(err, VD_E_NOMEM, "reference values");
    if (pthread_rwlock_init(&r->lock, NULL) != 0) {
        free(r);
        return vd_fail(err, VD_E_INTERNAL, "lock of the reference values");
    }
    vd_random(&r->seed, sizeof r->seed);
    *ret = r;
    return VD_OK;
}

vd_rc iss_rvps_new(struct vd_store *store, struct vd_clock clock, struct iss_rvps **ret,
                   vd_err *err)
{
    VD_TRY(rvps_alloc(ret, err));
    (*ret)->store = store;
    (*ret)->clock = clock;
    return VD_OK;
}

void iss_rvps_free(struct iss_rvps *r)
{
    if (!r)
        return;
    drop_all(r);
    (void)pthread_rwlock_destroy(&r->lock);
    free(r);
}

/* FNV-1a, seeded. */
static size_t bucket_of(const struct iss_rvps *r, vd_span name)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325) ^ r->seed;
    for (size_t i = 0; i < name.n; i++)
        h = (h ^ name.p[i]) * UINT64_C(0x100000001b3);
    return (size_t)((h ^ (h >> 32)) % BUCKETS);
}

static struct entry **find(struct iss_rvps *r, vd_span name)
{
    struct entry **at = &r->bucket[bucket_of(r, name)];
    while (*at && !vd_span_eq(vd_span_of((*at)->name, (*at)->name_n), name))
        at = &(*at)->next;
    return at;
}

static vd_rc entry_new(vd_span name, struct entry **ret, vd_err *err)
{
    struct entry *e = calloc(1, sizeof *e + name.n + 1);
    if (!e)
        return vd_fail(err, VD_E_NOMEM, "reference value");
    e->name_n = name.n;
    if (name.n)
        memcpy(e->name, name.p, name.n);
    *ret = e;
    return VD_OK;
}

/* Takes the entry over; the lock is held for writing. */
static void insert(struct iss_rvps *r, struct entry *e)
{
    struct entry **at = find(r, vd_span_of(e->name, e->name_n));
    if (*at) {
        struct entry *old = *at;
        *at = old->next;
        entry_free(old);
        r->n--;
    }
    if (r->store && r->n >= ENTRIES_MAX)
        drop_all(r);
    at = find(r, vd_span_of(e->name, e->name_n));
    e->next = *at;
    *at = e;
    r->n++;
}

/* A value of a fixed set; takes the value over. */
static vd_rc insert_fixed(struct iss_rvps *r, vd_span name, vd_buf *value, vd_err *err)
{
    struct entry *e = NULL;
    VD_TRY(entry_new(name, &e, err));
    e->value = *value;
    *value = vd_buf_of(0);
    e->known = true;
    e->expires = INT64_MAX;
    insert(r, e);
    return VD_OK;
}

static vd_rc fixed_message(struct iss_rvps *r, vd_span json, const struct vd_limits *limits,
                           vd_err *err)
{
    ISS_AUTO_REFVALUE_SET set = { 0 };
    VD_TRY(iss_rvps_message(json, limits, "", 0, &set, err));
    for (size_t i = 0; i < set.n; i++) {
        ISS_AUTO_REFVALUE v = { 0 };
        VD_TRY(iss_refvalue_parse(vd_buf_span(&set.body[i]), 0, &v, err));
        VD_TRY(insert_fixed(r, vd_span_str(set.name[i]), &v.value, err));
    }
    return VD_OK;
}

static vd_rc fixed_object(struct iss_rvps *r, vd_jv root, vd_err *err)
{
    vd_jv_iter it = vd_jv_iter_of(root);
    while (vd_jv_next(&it)) {
        VD_AUTO_BUF name = vd_buf_of(ISS_REFVALUE_NAME_MAX);
        VD_AUTO_BUF value = vd_buf_of(6 * vd_jv_raw(it.value).n + 16);
        VD_TRY(vd_jv_str(it.name, &name, err));
        VD_TRY(vd_json_compact(it.value, &value, err));
        VD_TRY(insert_fixed(r, vd_buf_span(&name), &value, err));
    }
    return VD_OK;
}

vd_rc iss_rvps_fixed(vd_span json, const struct vd_limits *limits, struct iss_rvps **ret,
                     vd_err *err)
{
    VD_AUTO(iss_rvps_free) struct iss_rvps *r = NULL;
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    vd_err why = { 0 };
    VD_TRY(rvps_alloc(&r, err));
    if (vd_json_parse(json, &ISS_RVPS_JSON((size_t)limits->refvalue_body), &doc, &why).code !=
        VD_E_OK)
        return vd_fail(err, VD_E_REFVALUE_REFUSED, "reference values: %.150s", why.msg);
    vd_jv root = vd_json_root(doc);
    if (!vd_jv_is(root, VD_JSON_OBJECT))
        return vd_fail(err, VD_E_REFVALUE_REFUSED,
                       "reference values are no JSON object of name: value");
    bool message = vd_jv_is(vd_jv_get(root, "payload"), VD_JSON_STRING) &&
                   vd_jv_is(vd_jv_get(root, "type"), VD_JSON_STRING);
    if (message)
        VD_TRY(fixed_message(r, json, limits, err));
    else
        VD_TRY(fixed_object(r, root, err));
    *ret = VD_TAKE(r);
    return VD_OK;
}

static vd_rc read_store(struct iss_rvps *r, vd_span name, struct entry **ret, vd_err *err)
{
    uint64_t epoch = vd_store_epoch(r->store);
    VD_AUTO_OBJECT o = { 0 };
    ISS_AUTO_REFVALUE v = { 0 };
    VD_AUTO(free) char *text = vd_strdup_span(name);
    if (!text)
        return vd_fail(err, VD_E_NOMEM, "name of a reference value");
    vd_err why = { 0 };
    vd_rc_ rc = vd_store_get(r->store, VD_OWNER_DEFAULT, ISS_KIND_REFVALUE, text, 0, &o, &why);
    if (rc.code == VD_E_OK)
        VD_TRY(iss_refvalue_parse(vd_buf_span(&o.body), 0, &v, err));
    else if (rc.code != VD_E_NOT_FOUND)
        return vd_fail(err, rc.code, "reference value: %.180s", why.msg);

    struct entry *e = NULL;
    VD_TRY(entry_new(name, &e, err));
    e->epoch = epoch;
    e->known = rc.code == VD_E_OK;
    e->expires = v.expires;
    e->value = v.value;
    v.value = vd_buf_of(0);
    *ret = e;
    return VD_OK;
}

static void append_if_good(const struct iss_rvps *r, const struct entry *e, vd_buf *ret_json)
{
    if (e->known && (!r->store || vd_clock_s(&r->clock) < e->expires))
        vd_buf_add(ret_json, vd_buf_span(&e->value));
}

vd_rc iss_rvps_lookup(void *ctx, vd_span name, vd_buf *ret_json, vd_err *err)
{
    struct iss_rvps *r = ctx;
    /* a name that could not have been set is unknown; a NUL would cut it short on its way to the
     * store */
    if (name.n == 0 || name.n > ISS_REFVALUE_NAME_MAX || vd_span_find(name, 0) != name.n)
        return VD_OK;
    uint64_t epoch = r->store ? vd_store_epoch(r->store) : 0;
    (void)pthread_rwlock_rdlock(&r->lock);
    const struct entry *e = *find(r, name);
    bool hit = !r->store || (e && e->epoch == epoch);
    if (hit && e)
        append_if_good(r, e, ret_json);
    (void)pthread_rwlock_unlock(&r->lock);
    if (!hit) {
        struct entry *fresh = NULL;
        VD_TRY(read_store(r, name, &fresh, err));
        append_if_good(r, fresh, ret_json);
        (void)pthread_rwlock_wrlock(&r->lock);
        insert(r, fresh);
        (void)pthread_rwlock_unlock(&r->lock);
    }
    return vd_buf_check(ret_json, err);
}

vd_rc iss_rvps_get(struct iss_rvps *r, vd_span name, struct iss_refvalue *ret, vd_err *err)
{
    VD_AUTO(free) char *text = vd_strdup_span(name);
    if (!text)
        return vd_fail(err, VD_E_NOMEM, "name of a reference value");
    if (name.n == 0 || name.n > ISS_REFVALUE_NAME_MAX || vd_span_find(name, 0) != name.n ||
        !r->store)
        return vd_fail(err, VD_E_REFVALUE_UNKNOWN, "no reference value of that name");
    VD_AUTO_OBJECT o = { 0 };
    vd_err why = { 0 };
    vd_rc_ rc = vd_store_get(r->store, VD_OWNER_DEFAULT, ISS_KIND_REFVALUE, text, 0, &o, &why);
    if (rc.code == VD_E_NOT_FOUND)
        return vd_fail(err, VD_E_REFVALUE_UNKNOWN, "no reference value of that name");
    if (rc.code != VD_E_OK)
        return vd_fail(err, rc.code, "reference value: %.180s", why.msg);
    VD_TRY(iss_refvalue_parse(vd_buf_span(&o.body), vd_clock_s(&r->clock), ret, err));
    ret->version = o.version;
    return VD_OK;
}
