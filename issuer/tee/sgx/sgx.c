/* Driver of SGX: from evidence to checked claims, in the order parse, binding, chain, collateral,
 * signatures and TCB, attributes. What a quote says before its signature was checked only refuses
 * it, or chooses which collateral is looked at. */
#include "issuer/tee/sgx/sgx.h"

#include <stdlib.h>

#include "issuer/tee/sgx/claims.h"

enum { SGX_MAX_EVIDENCE = 2 * DCAP_QUOTE_MAX };

struct sgx {
    struct sgx_cfg cfg;
    struct dcap_driver *dcap;
};

static const struct vd_setting settings[] = {
    { .key = "tee.sgx.enabled",
      .type = VD_SET_BOOL,
      .def = "true",
      .help = "Accept evidence of Intel SGX." },
    { .key = "tee.sgx.allow_debug",
      .type = VD_SET_BOOL,
      .def = "false",
      .help = "Accept enclaves that the host can debug. Their passports say so; default policies "
              "refuse them." },
    { .key = "tee.sgx.allow_provisioning",
      .type = VD_SET_BOOL,
      .def = "false",
      .help = "Accept enclaves with the attribute PROVISION_KEY or EINITTOKEN_KEY, which ordinary "
              "applications have no use for." },
};

vd_rc sgx_new(const struct sgx_cfg *cfg, struct dcap_driver *dcap, struct sgx **ret, vd_err *err)
{
    struct sgx *s = calloc(1, sizeof *s);
    if (!s) {
        dcap_driver_free(dcap);
        return vd_fail(err, VD_E_NOMEM, "sgx driver");
    }
    s->cfg = *cfg;
    s->dcap = dcap;
    *ret = s;
    return VD_OK;
}

void sgx_free(struct sgx *s)
{
    if (s)
        dcap_driver_free(s->dcap);
    free(s);
}

static vd_rc driver_open(const struct iss_tee_cfg *in, void **ret_state, vd_err *err)
{
    const struct sgx_cfg cfg = {
        .allow_debug = vd_config_bool(in->config, "tee.sgx.allow_debug"),
        .allow_provisioning = vd_config_bool(in->config, "tee.sgx.allow_provisioning"),
    };
    VD_AUTO(dcap_driver_free) struct dcap_driver *dcap = NULL;
    VD_TRY(dcap_driver_open(in, &dcap, err));
    struct sgx *s = NULL;
    VD_TRY(sgx_new(&cfg, VD_TAKE(dcap), &s, err));
    *ret_state = s;
    return VD_OK;
}

static void driver_close(void *state)
{
    sgx_free(state);
}

static vd_rc check_flags(const struct sgx *s, const struct dcap_enclave *e,
                         struct iss_claims_list *list, vd_err *err)
{
    uint64_t flags = dcap_le(e->flags);
    bool ok = sgx_flag(flags, SGX_INIT);
    iss_check_add(list, "enclave is initialised", ok, dcap_hex_text(e->flags).s, "INIT set");
    if (!ok)
        return vd_fail(err, VD_E_BAD_EVIDENCE, "sgx: the enclave is not initialised");
    bool debug = sgx_flag(flags, SGX_DEBUG);
    ok = !debug || s->cfg.allow_debug;
    iss_check_add(list, "debugging", ok, debug ? "the host can read the enclave" : "not possible",
                  s->cfg.allow_debug ? "either" : "not possible");
    if (!ok)
        return vd_fail(err, VD_E_DEBUG,
                       "sgx: a debug enclave: the host can read it; tee.sgx.allow_debug lets it "
                       "pass, marked");
    bool special = sgx_flag(flags, SGX_PROVISION_KEY) || sgx_flag(flags, SGX_EINITTOKEN_KEY);
    ok = !special || s->cfg.allow_provisioning;
    iss_check_add(list, "PROVISION_KEY, EINITTOKEN_KEY", ok, special ? "set" : "clear",
                  s->cfg.allow_provisioning ? "either" : "clear");
    if (!ok)
        return vd_fail(err, VD_E_KEY_TYPE,
                       "sgx: the enclave has access to provisioning or launch keys; "
                       "tee.sgx.allow_provisioning lets it pass");
    return VD_OK;
}

static vd_rc verify_parsed(struct sgx *s, const struct dcap_quote *q, const struct iss_evidence *in,
                           struct iss_claims_list *list, vd_err *err)
{
    const struct dcap_binding b = { .tee = "sgx",
                                    .report_data = q->enclave.report_data,
                                    .config = q->enclave.config_id,
                                    .config_name = "CONFIGID" };
    DCAP_AUTO_RESULT result = { 0 };
    VD_TRY(dcap_check_binding(&b, in, list, err)); /* costs no signature */
    VD_TRY(dcap_driver_check(s->dcap, q, in, list, &result, err));
    VD_TRY(check_flags(s, &q->enclave, list, err));
    return sgx_claims_add(q, &result, in, list, err);
}

vd_rc sgx_verify(struct sgx *s, const struct iss_evidence *in, struct iss_claims_list *list,
                 vd_err *err)
{
    VD_AUTO_BUF room = vd_buf_of(0);
    vd_span quote;
    struct dcap_quote q;
    VD_TRY(dcap_evidence_quote(in, "sgx", &room, &quote, err));
    VD_TRY(dcap_quote_parse(quote, &q, err));
    if (q.tee != DCAP_SGX)
        return vd_fail(err, VD_E_EVIDENCE_VERSION, "sgx: the quote is of a TD");
    vd_rc_ rc = verify_parsed(s, &q, in, list, err);
    /* what another conversation's quote says of itself explains nothing here */
    if (rc.code != VD_E_OK && rc.code != VD_E_BINDING) {
        VD_AUTO_BUF claims = vd_buf_of(list->unverified.max);
        if (sgx_claims_write(&q, NULL, in, &claims, NULL).code == VD_E_OK)
            vd_buf_add(&list->unverified, vd_buf_span(&claims));
    }
    return rc;
}

static vd_rc driver_verify(void *state, const struct iss_evidence *in, struct iss_claims_list *list,
                           vd_err *err)
{
    return sgx_verify(state, in, list, err);
}

const struct iss_tee iss_tee_sgx = {
    .name = "sgx",
    .abi = ISS_TEE_ABI,
    .max_evidence = SGX_MAX_EVIDENCE,
    .default_enabled = true,
    .primary = true,
    .settings = settings,
    .n_settings = sizeof settings / sizeof settings[0],
    .open = driver_open,
    .close = driver_close,
    .verify = driver_verify,
};
