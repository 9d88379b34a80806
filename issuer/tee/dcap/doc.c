/* Members of Intel's documents; see doc_priv.h. */
#include "issuer/tee/dcap/doc_priv.h"

#include "issuer/tee/dcap/tcbinfo.h"
#include "shared/base/clock.h"
#include "shared/codec/b64.h"

vd_rc dcap_doc_parse(vd_span inner, struct vd_json **ret, vd_err *err)
{
    vd_err cause = { 0 };
    vd_rc_ rc = vd_json_parse(inner, &dcap_json_limits, ret, &cause);
    if (rc.code == VD_E_OK || rc.code == VD_E_NOMEM)
        return rc.code == VD_E_OK ? VD_OK : vd_fail(err, rc.code, "%s", cause.msg);
    return vd_fail(err, VD_E_COLLATERAL_SYNTAX, "collateral: %s", cause.msg);
}

vd_rc dcap_doc_bad(vd_err *err, const char *member)
{
    return vd_fail(err, VD_E_COLLATERAL_SYNTAX, "collateral: \"%s\" is missing or malformed",
                   member);
}

vd_rc dcap_doc_hex(vd_jv object, const char *member, uint8_t *ret, size_t n, vd_err *err)
{
    vd_jv v = vd_jv_get(object, member);
    VD_AUTO_BUF raw = vd_buf_of(n);
    if (!vd_jv_is(v, VD_JSON_STRING) || vd_jv_str_raw(v).n != 2 * n ||
        vd_hex_decode(vd_jv_str_raw(v), &raw, NULL).code != VD_E_OK || raw.n != n)
        return dcap_doc_bad(err, member);
    for (size_t i = 0; i < n; i++)
        ret[i] = raw.p[i];
    return VD_OK;
}

vd_rc dcap_doc_u64(vd_jv object, const char *member, uint64_t max, uint64_t *ret, vd_err *err)
{
    if (vd_jv_u64(vd_jv_get(object, member), max, ret, NULL).code != VD_E_OK)
        return dcap_doc_bad(err, member);
    return VD_OK;
}

vd_rc dcap_doc_time(vd_jv object, const char *member, int64_t *ret, vd_err *err)
{
    vd_span text = vd_jv_str_raw(vd_jv_get(object, member));
    bool utc = text.n == 20 && text.p[19] == 'Z';
    if (!utc || vd_time_parse(text, ret, NULL).code != VD_E_OK)
        return dcap_doc_bad(err, member);
    return VD_OK;
}

vd_rc dcap_doc_dates(vd_jv object, int64_t *ret_issue, int64_t *ret_next, vd_err *err)
{
    VD_TRY(dcap_doc_time(object, "issueDate", ret_issue, err));
    VD_TRY(dcap_doc_time(object, "nextUpdate", ret_next, err));
    return *ret_issue < *ret_next ? VD_OK : dcap_doc_bad(err, "nextUpdate");
}

vd_rc dcap_doc_level(vd_jv level, struct dcap_advisories *pool, enum dcap_status *ret_status,
                     int64_t *ret_date, struct dcap_advisory_list *ret_adv, vd_err *err)
{
    vd_jv status = vd_jv_get(level, "tcbStatus");
    if (!vd_jv_is(status, VD_JSON_STRING))
        return dcap_doc_bad(err, "tcbStatus");
    VD_TRY(dcap_status_parse(vd_jv_str_raw(status), ret_status, err));
    VD_TRY(dcap_doc_time(level, "tcbDate", ret_date, err));
    *ret_adv = (struct dcap_advisory_list){ .at = (uint32_t)pool->n_ref };
    vd_jv list = vd_jv_get(level, "advisoryIDs");
    if (vd_jv_ok(list) && !vd_jv_is(list, VD_JSON_ARRAY))
        return dcap_doc_bad(err, "advisoryIDs");
    vd_jv_iter it = vd_jv_iter_of(list);
    while (vd_jv_next(&it)) {
        if (!vd_jv_is(it.value, VD_JSON_STRING))
            return dcap_doc_bad(err, "advisoryIDs");
        VD_TRY(dcap_advisories_add(pool, vd_jv_str_raw(it.value), err));
        ret_adv->n++;
    }
    return VD_OK;
}

static int cmp_isv(const void *a, const void *b)
{
    const struct dcap_isv_level *x = a;
    const struct dcap_isv_level *y = b;
    return (int)y->isvsvn - (int)x->isvsvn;
}

vd_rc dcap_doc_isv_levels(vd_jv object, struct dcap_advisories *pool, struct dcap_isv_level **ret,
                          size_t *ret_n, vd_err *err)
{
    vd_jv list = vd_jv_get(object, "tcbLevels");
    size_t n = vd_jv_is(list, VD_JSON_ARRAY) ? vd_jv_count(list) : 0;
    if (n == 0 || n > DCAP_LEVELS_MAX)
        return dcap_doc_bad(err, "tcbLevels");
    struct dcap_isv_level *level = calloc(n, sizeof *level);
    if (!level)
        return vd_fail(err, VD_E_NOMEM, "collateral: TCB levels");
    *ret = level;
    size_t i = 0;
    vd_jv_iter it = vd_jv_iter_of(list);
    while (vd_jv_next(&it)) {
        struct dcap_isv_level *l = &level[i++];
        uint64_t svn = 0;
        VD_TRY(dcap_doc_u64(vd_jv_get(it.value, "tcb"), "isvsvn", UINT16_MAX, &svn, err));
        l->isvsvn = (uint16_t)svn;
        VD_TRY(dcap_doc_level(it.value, pool, &l->status, &l->date, &l->adv, err));
    }
    qsort(level, n, sizeof *level, cmp_isv);
    for (i = 1; i < n; i++)
        if (level[i].isvsvn == level[i - 1].isvsvn)
            return vd_fail(err, VD_E_COLLATERAL_SYNTAX, "collateral: two TCB levels of ISVSVN %u",
                           level[i].isvsvn);
    *ret_n = n;
    return VD_OK;
}
