/* TCB info version 3; see tcbinfo.h. Unknown members are Intel's to add: they are signed, and
 * ignored. */
#include "issuer/tee/dcap/tcbinfo.h"

#include "issuer/tee/dcap/doc_priv.h"

enum { VERSION = 3 };

void dcap_tcb_info_unref(struct dcap_tcb_info *t)
{
    if (!t || __atomic_sub_fetch(&t->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    for (size_t i = 0; i < t->n_identities; i++)
        free(t->identity[i].level);
    free(t->identity);
    free(t->level);
    dcap_advisories_done(&t->adv);
    free(t);
}

struct dcap_tcb_info *dcap_tcb_info_ref(struct dcap_tcb_info *t)
{
    __atomic_add_fetch(&t->refs, 1, __ATOMIC_RELAXED);
    return t;
}

static vd_rc read_version(vd_jv root, vd_err *err)
{
    uint64_t version = 0;
    VD_TRY(dcap_doc_u64(root, "version", UINT32_MAX, &version, err));
    if (version != VERSION)
        return vd_fail(err, VD_E_COLLATERAL_VERSION,
                       "collateral: TCB info of version %llu; version 3 is needed, which the API "
                       "serves below /sgx/certification/v4",
                       (unsigned long long)version);
    return VD_OK;
}

static vd_rc read_head(vd_jv root, struct dcap_tcb_info *t, vd_err *err)
{
    vd_jv id = vd_jv_get(root, "id");
    t->tee = vd_jv_str_eq(id, "TDX") ? DCAP_TDX : DCAP_SGX;
    if (t->tee == DCAP_SGX && !vd_jv_str_eq(id, "SGX"))
        return dcap_doc_bad(err, "id");
    VD_TRY(dcap_doc_dates(root, &t->issue_date, &t->next_update, err));
    VD_TRY(dcap_doc_hex(root, "fmspc", t->fmspc, sizeof t->fmspc, err));
    VD_TRY(dcap_doc_hex(root, "pceId", t->pce_id, sizeof t->pce_id, err));
    uint64_t n = 0;
    VD_TRY(dcap_doc_u64(root, "tcbType", UINT32_MAX, &n, err));
    if (n != 0) /* how levels compare; 0 is the only one that is specified */
        return vd_fail(err, VD_E_COLLATERAL_VERSION, "collateral: tcbType %llu is not known",
                       (unsigned long long)n);
    VD_TRY(dcap_doc_u64(root, "tcbEvaluationDataNumber", UINT32_MAX, &n, err));
    t->eval_num = (uint32_t)n;
    return VD_OK;
}

static vd_rc read_module(vd_jv v, struct dcap_module *m, vd_err *err)
{
    VD_TRY(dcap_doc_hex(v, "mrsigner", m->mr_signer, sizeof m->mr_signer, err));
    VD_TRY(dcap_doc_hex(v, "attributes", m->attributes, sizeof m->attributes, err));
    return dcap_doc_hex(v, "attributesMask", m->mask, sizeof m->mask, err);
}

static bool hex_digit(uint8_t c, uint8_t *ret)
{
    if (c >= '0' && c <= '9')
        *ret = (uint8_t)(c - '0');
    else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
        *ret = (uint8_t)((c | 0x20) - 'a' + 10);
    else
        return false;
    return true;
}

/* "TDX_0A": 10. */
static vd_rc read_major(vd_jv v, uint8_t *ret, vd_err *err)
{
    vd_span id = vd_jv_str_raw(vd_jv_get(v, "id"));
    uint8_t high = 0;
    uint8_t low = 0;
    if (id.n != 6 || !vd_span_starts(id, VD_LIT("TDX_")) || !hex_digit(id.p[4], &high) ||
        !hex_digit(id.p[5], &low))
        return dcap_doc_bad(err, "tdxModuleIdentities id");
    *ret = (uint8_t)(high << 4 | low);
    return VD_OK;
}

static vd_rc read_identities(vd_jv list, struct dcap_tcb_info *t, vd_err *err)
{
    if (!vd_jv_ok(list))
        return VD_OK;
    size_t n = vd_jv_is(list, VD_JSON_ARRAY) ? vd_jv_count(list) : 0;
    if (!vd_jv_is(list, VD_JSON_ARRAY) || n > DCAP_MODULES_MAX)
        return dcap_doc_bad(err, "tdxModuleIdentities");
    t->identity = calloc(n ? n : 1, sizeof *t->identity);
    if (!t->identity)
        return vd_fail(err, VD_E_NOMEM, "collateral: TDX module identities");
    vd_jv_iter it = vd_jv_iter_of(list);
    while (vd_jv_next(&it)) {
        struct dcap_module_identity *m = &t->identity[t->n_identities++];
        VD_TRY(read_major(it.value, &m->major, err));
        for (size_t i = 0; i + 1 < t->n_identities; i++)
            if (t->identity[i].major == m->major)
                return dcap_doc_bad(err, "tdxModuleIdentities id");
        VD_TRY(read_module(it.value, &m->module, err));
        VD_TRY(dcap_doc_isv_levels(it.value, &t->adv, &m->level, &m->n_levels, err));
        for (size_t i = 0; i < m->n_levels; i++)
            if (m->level[i].status != DCAP_UP_TO_DATE && m->level[i].status != DCAP_OUT_OF_DATE &&
                m->level[i].status != DCAP_REVOKED)
                return dcap_doc_bad(err, "tdxModuleIdentities tcbStatus");
    }
    return VD_OK;
}

static vd_rc read_components(vd_jv tcb, const char *member, uint8_t ret[DCAP_SVNS], vd_err *err)
{
    vd_jv list = vd_jv_get(tcb, member);
    if (!vd_jv_is(list, VD_JSON_ARRAY) || vd_jv_count(list) != DCAP_SVNS)
        return dcap_doc_bad(err, member);
    size_t i = 0;
    vd_jv_iter it = vd_jv_iter_of(list);
    while (vd_jv_next(&it)) {
        uint64_t svn = 0;
        VD_TRY(dcap_doc_u64(it.value, "svn", UINT8_MAX, &svn, err));
        ret[i++] = (uint8_t)svn;
    }
    return VD_OK;
}

static int cmp_bytes(const uint8_t *a, const uint8_t *b)
{
    for (size_t i = 0; i < DCAP_SVNS; i++)
        if (a[i] != b[i])
            return (int)a[i] - (int)b[i];
    return 0;
}

static int cmp_levels(const void *a, const void *b)
{
    const struct dcap_tcb_level *x = a;
    const struct dcap_tcb_level *y = b;
    int d = cmp_bytes(y->sgx, x->sgx);
    if (d == 0)
        d = (int)y->pce_svn - (int)x->pce_svn;
    return d ? d : cmp_bytes(y->tdx, x->tdx);
}

static vd_rc read_level(vd_jv v, struct dcap_tcb_info *t, struct dcap_tcb_level *l, vd_err *err)
{
    vd_jv tcb = vd_jv_get(v, "tcb");
    VD_TRY(read_components(tcb, "sgxtcbcomponents", l->sgx, err));
    if (t->tee == DCAP_TDX)
        VD_TRY(read_components(tcb, "tdxtcbcomponents", l->tdx, err));
    else if (vd_jv_ok(vd_jv_get(tcb, "tdxtcbcomponents")))
        return dcap_doc_bad(err, "tdxtcbcomponents");
    uint64_t n = 0;
    VD_TRY(dcap_doc_u64(tcb, "pcesvn", UINT16_MAX, &n, err));
    l->pce_svn = (uint16_t)n;
    return dcap_doc_level(v, &t->adv, &l->status, &l->date, &l->adv, err);
}

static vd_rc read_levels(vd_jv root, struct dcap_tcb_info *t, vd_err *err)
{
    vd_jv list = vd_jv_get(root, "tcbLevels");
    size_t n = vd_jv_is(list, VD_JSON_ARRAY) ? vd_jv_count(list) : 0;
    if (n == 0 || n > DCAP_LEVELS_MAX)
        return dcap_doc_bad(err, "tcbLevels");
    t->level = calloc(n, sizeof *t->level);
    if (!t->level)
        return vd_fail(err, VD_E_NOMEM, "collateral: TCB levels");
    vd_jv_iter it = vd_jv_iter_of(list);
    while (vd_jv_next(&it))
        VD_TRY(read_level(it.value, t, &t->level[t->n_levels++], err));
    qsort(t->level, n, sizeof *t->level, cmp_levels);
    for (size_t i = 1; i < n; i++)
        if (cmp_levels(&t->level[i - 1], &t->level[i]) == 0)
            return vd_fail(err, VD_E_COLLATERAL_SYNTAX, "collateral: a TCB level occurs twice");
    return VD_OK;
}

vd_rc dcap_tcb_info_read(vd_jv root, struct dcap_tcb_info **ret, vd_err *err)
{
    VD_AUTO(dcap_tcb_info_unref) struct dcap_tcb_info *t = calloc(1, sizeof *t);
    if (!t)
        return vd_fail(err, VD_E_NOMEM, "collateral: TCB info");
    t->refs = 1;
    VD_TRY(read_version(root, err));
    VD_TRY(read_head(root, t, err));
    vd_jv module = vd_jv_get(root, "tdxModule");
    vd_jv identities = vd_jv_get(root, "tdxModuleIdentities");
    if (t->tee == DCAP_TDX) {
        VD_TRY(read_module(module, &t->module, err));
        VD_TRY(read_identities(identities, t, err));
    } else if (vd_jv_ok(module) || vd_jv_ok(identities)) {
        return dcap_doc_bad(err, "tdxModule");
    }
    VD_TRY(read_levels(root, t, err));
    *ret = VD_TAKE(t);
    return VD_OK;
}

vd_rc dcap_tcb_info_parse(vd_span inner, struct dcap_tcb_info **ret, vd_err *err)
{
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    VD_TRY(dcap_doc_parse(inner, &doc, err));
    return dcap_tcb_info_read(vd_json_root(doc), ret, err);
}
