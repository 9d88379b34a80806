/* Identities of quoting enclaves, version 2; see identity.h. */
#include "issuer/tee/dcap/identity.h"

#include "issuer/tee/dcap/doc_priv.h"

enum { VERSION = 2 };

static const char *const ids[] = { [DCAP_QE] = "QE", [DCAP_TD_QE] = "TD_QE", [DCAP_QVE] = "QVE" };

const char *dcap_enclave_id_name(enum dcap_enclave_id id)
{
    return id < DCAP_ENCLAVE_ID_MAX ? ids[id] : "unknown";
}

void dcap_identity_unref(struct dcap_identity *i)
{
    if (!i || __atomic_sub_fetch(&i->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    free(i->level);
    dcap_advisories_done(&i->adv);
    free(i);
}

struct dcap_identity *dcap_identity_ref(struct dcap_identity *i)
{
    __atomic_add_fetch(&i->refs, 1, __ATOMIC_RELAXED);
    return i;
}

static vd_rc read_head(vd_jv root, struct dcap_identity *d, vd_err *err)
{
    uint64_t n = 0;
    VD_TRY(dcap_doc_u64(root, "version", UINT32_MAX, &n, err));
    if (n != VERSION)
        return vd_fail(err, VD_E_COLLATERAL_VERSION,
                       "collateral: enclave identity of version %llu; version 2 is needed",
                       (unsigned long long)n);
    unsigned id = 0;
    while (id < DCAP_ENCLAVE_ID_MAX && !vd_jv_str_eq(vd_jv_get(root, "id"), ids[id]))
        id++;
    if (id == DCAP_ENCLAVE_ID_MAX)
        return dcap_doc_bad(err, "id");
    d->id = (enum dcap_enclave_id)id;
    VD_TRY(dcap_doc_dates(root, &d->issue_date, &d->next_update, err));
    VD_TRY(dcap_doc_u64(root, "tcbEvaluationDataNumber", UINT32_MAX, &n, err));
    d->eval_num = (uint32_t)n;
    return VD_OK;
}

static vd_rc read_enclave(vd_jv root, struct dcap_identity *d, vd_err *err)
{
    VD_TRY(dcap_doc_hex(root, "miscselect", d->misc_select, sizeof d->misc_select, err));
    VD_TRY(dcap_doc_hex(root, "miscselectMask", d->misc_mask, sizeof d->misc_mask, err));
    VD_TRY(dcap_doc_hex(root, "attributes", d->attributes, sizeof d->attributes, err));
    VD_TRY(
        dcap_doc_hex(root, "attributesMask", d->attributes_mask, sizeof d->attributes_mask, err));
    VD_TRY(dcap_doc_hex(root, "mrsigner", d->mr_signer, sizeof d->mr_signer, err));
    uint64_t n = 0;
    VD_TRY(dcap_doc_u64(root, "isvprodid", UINT16_MAX, &n, err));
    d->isv_prod_id = (uint16_t)n;
    return VD_OK;
}

vd_rc dcap_identity_read(vd_jv root, struct dcap_identity **ret, vd_err *err)
{
    VD_AUTO(dcap_identity_unref) struct dcap_identity *d = calloc(1, sizeof *d);
    if (!d)
        return vd_fail(err, VD_E_NOMEM, "collateral: enclave identity");
    d->refs = 1;
    VD_TRY(read_head(root, d, err));
    VD_TRY(read_enclave(root, d, err));
    VD_TRY(dcap_doc_isv_levels(root, &d->adv, &d->level, &d->n_levels, err));
    *ret = VD_TAKE(d);
    return VD_OK;
}

vd_rc dcap_identity_parse(vd_span inner, struct dcap_identity **ret, vd_err *err)
{
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    VD_TRY(dcap_doc_parse(inner, &doc, err));
    return dcap_identity_read(vd_json_root(doc), ret, err);
}
