/* Revocations in force, read from the store; see revoked.h. Names of the objects are TYPE:VALUE,
 * and come sorted. */
#include "issuer/passport/revoked.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "shared/codec/json.h"

enum {
    LISTS_BYTES = 1 << 20,
    /* An entry of one passport is needed as long as that passport could be accepted: its longest
     * life and twice the largest leeway. */
    JTI_SECONDS = VD_PASSPORT_SECONDS_MAX + 600,
};

static const char *const type_names[] = {
    [ISS_REVOKE_HW_ID] = "hw-id",
    [ISS_REVOKE_JTI] = "jti",
    [ISS_REVOKE_POLICY] = "policy",
    [ISS_REVOKE_BEFORE] = "before",
};
_Static_assert(sizeof type_names / sizeof type_names[0] == ISS_REVOKE_MAX, "one name each");

const char *iss_revoke_name(enum iss_revoke t)
{
    return type_names[t];
}

vd_rc iss_revoke_by_name(vd_span name, enum iss_revoke *ret, vd_err *err)
{
    for (int i = 0; i < ISS_REVOKE_MAX; i++) {
        if (vd_span_eq_str(name, type_names[i])) {
            *ret = (enum iss_revoke)i;
            return VD_OK;
        }
    }
    return vd_fail(err, VD_E_SETTING, "type is jti, hw-id, policy or before");
}

void iss_revoked_unref(struct iss_revoked *v)
{
    if (!v || atomic_fetch_sub_explicit(&v->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t t = 0; t < ISS_REVOKE_BEFORE; t++) {
        for (size_t i = 0; i < v->n[t]; i++) {
            free(v->item[t][i].value);
            free(v->item[t][i].reason);
        }
        free(v->item[t]);
    }
    vd_buf_done(&v->lists);
    free(v);
}

size_t iss_revoked_count(const struct iss_revoked *v)
{
    return v->n[ISS_REVOKE_HW_ID] + v->n[ISS_REVOKE_JTI] + v->n[ISS_REVOKE_POLICY];
}

bool iss_revoked_hit(const struct iss_revoked *v, enum iss_revoke type, vd_span value)
{
    size_t low = 0;
    size_t high = v->n[type];
    char text[ISS_HW_ID_MAX + 1];
    if (value.n == 0 || value.n >= sizeof text)
        return false;
    memcpy(text, value.p, value.n);
    text[value.n] = 0;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = strcmp(v->item[type][mid].value, text);
        if (order == 0)
            return true;
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return false;
}

struct loading {
    struct vd_store *store;
    struct iss_revoked *v;
    int64_t now;
    vd_rc_ rc;
    vd_err *err;
};

static vd_rc take_before(struct loading *l, const struct vd_object *o, vd_jv body, vd_err *err)
{
    if (vd_jv_i64(vd_jv_get(body, "not_before"), &l->v->not_before, NULL).code != VD_E_OK)
        return vd_fail(err, VD_E_STORE_CORRUPT, "revocation %s has no not_before", o->name);
    l->v->before_version = o->version;
    return VD_OK;
}

static vd_rc take_item(struct loading *l, const struct vd_object *o, enum iss_revoke type,
                       vd_span value, vd_jv body, vd_err *err)
{
    struct iss_revoked *v = l->v;
    struct iss_revoked_item it = { .created_at = o->created_at };
    int64_t over = o->created_at + JTI_SECONDS;
    if (type == ISS_REVOKE_JTI && over <= l->now)
        return VD_OK;
    if (type == ISS_REVOKE_JTI && over < v->drops_at)
        v->drops_at = over;
    if (v->n[type] == ISS_REVOKED_MAX)
        return vd_fail(err, VD_E_STORE_CORRUPT, "more than %d revocations", ISS_REVOKED_MAX);
    (void)snprintf(it.created_by, sizeof it.created_by, "%s", o->created_by);
    it.value = vd_strdup_span(value);
    if (vd_jv_is(vd_jv_get(body, "reason"), VD_JSON_STRING))
        (void)vd_jv_strdup(vd_jv_get(body, "reason"), &it.reason, NULL).code;
    else
        it.reason = vd_strdup_span(VD_SPAN_NONE);
    if (!it.value || !it.reason) {
        free(it.value);
        free(it.reason);
        return vd_fail(err, VD_E_NOMEM, "revocations");
    }
    v->item[type][v->n[type]++] = it;
    return VD_OK;
}

static vd_rc take(struct loading *l, const struct vd_object *o, vd_err *err)
{
    enum iss_revoke type = ISS_REVOKE_MAX;
    vd_span name = vd_span_str(o->name);
    size_t colon = vd_span_find(name, ':');
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    if (iss_revoke_by_name(vd_span_part(name, 0, colon), &type, NULL).code != VD_E_OK ||
        vd_json_parse(vd_buf_span(&o->body), VD_JSON_LIMITS(8192), &doc, NULL).code != VD_E_OK)
        return vd_fail(err, VD_E_STORE_CORRUPT, "revocation %.80s is not readable", o->name);
    if (type == ISS_REVOKE_BEFORE)
        return take_before(l, o, vd_json_root(doc), err);
    return take_item(l, o, type, vd_span_part(name, colon + 1, name.n), vd_json_root(doc), err);
}

static bool each(void *ctx, const struct vd_object *o)
{
    struct loading *l = ctx;
    l->rc = take(l, o, l->err);
    return l->rc.code == VD_E_OK;
}

static void write_lists(struct iss_revoked *v)
{
    static const struct {
        const char *member;
        enum iss_revoke type;
    } rows[] = {
        { "jti", ISS_REVOKE_JTI },
        { "hw_id", ISS_REVOKE_HW_ID },
        { "policy_sha256", ISS_REVOKE_POLICY },
    };
    v->lists = vd_buf_of(LISTS_BYTES);
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        vd_buf_printf(&v->lists, "%s\"%s\":", r ? "," : "", rows[r].member);
        vd_jw w = vd_jw_of(&v->lists);
        vd_jw_arr(&w);
        for (size_t i = 0; i < v->n[rows[r].type]; i++)
            vd_jw_str(&w, v->item[rows[r].type][i].value);
        vd_jw_end(&w);
    }
    vd_buf_printf(&v->lists, ",\"not_before\":%lld", (long long)v->not_before);
}

vd_rc iss_revoked_load(struct vd_store *s, int64_t now, struct iss_revoked **ret, vd_err *err)
{
    VD_AUTO(iss_revoked_unref) struct iss_revoked *v = calloc(1, sizeof *v);
    struct loading l = { .store = s, .v = v, .now = now, .err = err };
    if (!v)
        return vd_fail(err, VD_E_NOMEM, "revocations");
    atomic_init(&v->refs, 1);
    v->drops_at = INT64_MAX;
    for (size_t t = 0; t < ISS_REVOKE_BEFORE; t++) {
        v->item[t] = calloc(ISS_REVOKED_MAX, sizeof *v->item[t]);
        if (!v->item[t])
            return vd_fail(err, VD_E_NOMEM, "revocations");
    }
    VD_TRY(vd_store_list(s, VD_OWNER_DEFAULT, ISS_REVOCATION_KIND, "", NULL, each, &l, err));
    VD_TRY(l.rc);
    write_lists(v);
    VD_TRY(vd_buf_check(&v->lists, err));
    VD_TRY(
        iss_edition_of(s, "revocation-statement", vd_buf_span(&v->lists), now, &v->edition, err));
    *ret = VD_TAKE(v);
    return VD_OK;
}
