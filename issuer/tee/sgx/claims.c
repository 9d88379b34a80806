/* Claims of SGX evidence; see claims.h. Bytes are lower-case hexadecimal in the order of memory, so
 * numbers of the body are little-endian texts; ours repeat the ones that policies compare. */
#include "issuer/tee/sgx/claims.h"

static void put_header(vd_jw *w, const struct dcap_quote *q)
{
    vd_jw_key(w, "header");
    vd_jw_obj(w);
    vd_jw_khex(w, "version", q->raw_version);
    vd_jw_khex(w, "att_key_type", q->att_key_type);
    vd_jw_khex(w, "att_key_data_0", q->tee_type);
    vd_jw_khex(w, "qe_svn", q->qe_svn);
    vd_jw_khex(w, "pce_svn", q->pce_svn);
    vd_jw_khex(w, "vendor_id", q->vendor_id);
    vd_jw_khex(w, "user_data", q->user_data);
    vd_jw_end(w);
}

static void put_body(vd_jw *w, const struct dcap_enclave *e)
{
    vd_jw_key(w, "body");
    vd_jw_obj(w);
    vd_jw_khex(w, "cpu_svn", e->cpu_svn);
    vd_jw_khex(w, "misc_select", e->misc_select);
    vd_jw_khex(w, "reserved1", e->reserved1);
    vd_jw_khex(w, "isv_ext_prod_id", e->ext_prod_id);
    vd_jw_khex(w, "attributes.flags", e->flags);
    vd_jw_khex(w, "attributes.xfrm", e->xfrm);
    vd_jw_khex(w, "mr_enclave", e->mr_enclave);
    vd_jw_khex(w, "reserved2", e->reserved2);
    vd_jw_khex(w, "mr_signer", e->mr_signer);
    vd_jw_khex(w, "reserved3", e->reserved3);
    vd_jw_khex(w, "config_id", e->config_id);
    vd_jw_khex(w, "isv_prod_id", e->isv_prod_id);
    vd_jw_khex(w, "isv_svn", e->isv_svn);
    vd_jw_khex(w, "config_svn", e->config_svn);
    vd_jw_khex(w, "reserved4", e->reserved4);
    vd_jw_khex(w, "isv_family_id", e->family_id);
    vd_jw_khex(w, "report_data", e->report_data);
    vd_jw_end(w);
}

static void put_ours(vd_jw *w, const struct dcap_enclave *e, const struct iss_evidence *in)
{
    static const struct {
        const char *name;
        enum sgx_flag bit;
    } rows[] = {
        { "init", SGX_INIT },
        { "debug", SGX_DEBUG },
        { "mode64bit", SGX_MODE64BIT },
        { "provision_key", SGX_PROVISION_KEY },
        { "einittoken_key", SGX_EINITTOKEN_KEY },
        { "cet", SGX_CET },
        { "kss", SGX_KSS },
        { "aex_notify", SGX_AEX_NOTIFY },
    };
    uint64_t flags = dcap_le(e->flags);
    vd_jw_key(w, "attributes");
    vd_jw_obj(w);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        vd_jw_kbool(w, rows[i].name, sgx_flag(flags, rows[i].bit));
    vd_jw_end(w);
    vd_jw_ku64(w, "isv_prod_id", dcap_le(e->isv_prod_id));
    vd_jw_ku64(w, "isv_svn", dcap_le(e->isv_svn));
    vd_jw_ku64(w, "config_svn", dcap_le(e->config_svn));
    vd_jw_kbool(w, "config_id_unexplained", !in->init_data.given && !vd_span_zero(e->config_id));
}

vd_rc sgx_claims_write(const struct dcap_quote *q, const struct dcap_result *result,
                       const struct iss_evidence *in, vd_buf *out, vd_err *err)
{
    vd_jw w = vd_jw_of(out);
    vd_jw_obj(&w);
    put_header(&w, q);
    put_body(&w, &q->enclave);
    if (result)
        dcap_claims_put(&w, result);
    put_ours(&w, &q->enclave, in);
    vd_jw_end(&w);
    return vd_buf_check(out, err);
}

vd_rc sgx_claims_add(const struct dcap_quote *q, const struct dcap_result *result,
                     const struct iss_evidence *in, struct iss_claims_list *list, vd_err *err)
{
    struct iss_claims *to = iss_claims_add(list, "sgx", "cpu");
    if (!to)
        return vd_fail(err, VD_E_TOO_LARGE, "sgx: more than %d entries of claims", ISS_CLAIMS_MAX);
    const struct dcap_binding b = { .report_data = q->enclave.report_data,
                                    .config = q->enclave.config_id };
    VD_TRY(sgx_claims_write(q, result, in, &to->claims, err));
    to->debug = sgx_flag(dcap_le(q->enclave.flags), SGX_DEBUG);
    return dcap_claims_finish(&b, result, to, err);
}
