/* Driver of TDX: from evidence to checked claims, in the order parse, binding, chain, collateral,
 * signatures and TCB, attributes, event log. What a quote says before its signature was checked
 * only refuses it, or chooses which collateral is looked at. */
#include "issuer/tee/tdx/tdx.h"

#include <stdlib.h>

#include "issuer/tee/tdx/check.h"
#include "issuer/tee/tdx/claims.h"
#include "shared/base/limits.h"
#include "shared/codec/b64.h"

enum { SERVICE_TD_DIGITS = 96 };

struct tdx {
    struct tdx_cfg cfg;
    struct dcap_driver *dcap;
};

static const struct vd_setting settings[] = {
    { .key = "tee.tdx.enabled",
      .type = VD_SET_BOOL,
      .def = "true",
      .help = "Accept evidence of Intel TDX." },
    { .key = "tee.tdx.allow_debug",
      .type = VD_SET_BOOL,
      .def = "false",
      .help = "Accept TDs that the host can debug or profile. Their passports say so; default "
              "policies "
              "refuse them." },
    { .key = "tee.tdx.allow_migratable",
      .type = VD_SET_BOOL,
      .def = "false",
      .help = "Accept TDs that a service TD can move to another host. Their passports say so; "
              "default policies do not affirm them." },
    { .key = "tee.tdx.service_tds",
      .type = VD_SET_STRS,
      .def = "[]",
      .help = "MRSERVICETD of service TDs that may move a TD, 96 hexadecimal digits each." },
};

vd_rc tdx_new(const struct tdx_cfg *cfg, struct dcap_driver *dcap, struct tdx **ret, vd_err *err)
{
    struct tdx *t = calloc(1, sizeof *t);
    if (!t) {
        dcap_driver_free(dcap);
        return vd_fail(err, VD_E_NOMEM, "tdx driver");
    }
    t->cfg = *cfg;
    t->dcap = dcap;
    *ret = t;
    return VD_OK;
}

void tdx_free(struct tdx *t)
{
    if (t)
        dcap_driver_free(t->dcap);
    free(t);
}

uint64_t tdx_chain_hits(const struct tdx *t)
{
    return dcap_cache_chain_hits(t->dcap->cache);
}

static vd_rc driver_open(const struct iss_tee_cfg *in, void **ret_state, vd_err *err)
{
    const struct vd_config *c = in->config;
    struct tdx_cfg cfg = {
        .allow_debug = vd_config_bool(c, "tee.tdx.allow_debug"),
        .allow_migratable = vd_config_bool(c, "tee.tdx.allow_migratable"),
    };
    cfg.service_tds = vd_config_strs(c, "tee.tdx.service_tds", &cfg.n_service_tds);
    for (size_t i = 0; i < cfg.n_service_tds; i++) {
        VD_AUTO_BUF bytes = vd_buf_of(SERVICE_TD_DIGITS / 2);
        if (vd_hex_decode(vd_span_str(cfg.service_tds[i]), &bytes, NULL).code != VD_E_OK ||
            bytes.n != SERVICE_TD_DIGITS / 2)
            return vd_fail(err, VD_E_CONFIG,
                           "tee.tdx.service_tds: \"%.40s\" is no digest of %d hexadecimal digits",
                           cfg.service_tds[i], SERVICE_TD_DIGITS);
    }
    VD_AUTO(dcap_driver_free) struct dcap_driver *dcap = NULL;
    VD_TRY(dcap_driver_open(in, &dcap, err));
    struct tdx *t = NULL;
    VD_TRY(tdx_new(&cfg, VD_TAKE(dcap), &t, err));
    *ret_state = t;
    return VD_OK;
}

static void driver_close(void *state)
{
    tdx_free(state);
}

/* The log of the evidence, member "cc_eventlog": absent, null and empty are no log. One given
 * beside the evidence takes its place. */
static vd_rc read_log(const struct iss_evidence *in, vd_buf *room, vd_span *ret, vd_err *err)
{
    *ret = in->event_log;
    vd_jv log = vd_jv_get(in->json, "cc_eventlog");
    if (in->event_log.n > 0 || in->raw.n > 0 || !vd_jv_ok(log) || vd_jv_is(log, VD_JSON_NULL))
        return VD_OK;
    *room = vd_buf_of(EVL_BYTES_MAX);
    if (vd_jv_b64(log, VD_B64_STD, room, NULL).code != VD_E_OK)
        return vd_fail(err, VD_E_BAD_EVIDENCE,
                       "tdx evidence: cc_eventlog is no base64, or above %d bytes", EVL_BYTES_MAX);
    *ret = vd_buf_span(room);
    return VD_OK;
}

static vd_rc verify_parsed(struct tdx *t, struct tdx_case *c, vd_span log,
                           struct dcap_result *result, vd_err *err)
{
    const struct dcap_binding b = { .tee = "tdx",
                                    .report_data = c->quote.td.report_data,
                                    .config = c->quote.td.mr_config_id,
                                    .config_name = "MRCONFIGID" };
    VD_TRY(dcap_check_binding(&b, c->in, c->list, err)); /* costs no signature */
    VD_TRY(dcap_driver_check(t->dcap, &c->quote, c->in, c->list, result, err));
    VD_TRY(tdx_check_attributes(c, err));
    VD_TRY(tdx_check_log(c, log, err));
    c->result = result;
    return tdx_claims_add(c, err);
}

/* What a refused quote says of itself, for display only. */
static void keep_unverified(struct tdx_case *c)
{
    c->result = NULL;
    VD_AUTO_BUF claims = vd_buf_of(c->list->unverified.max);
    if (tdx_claims_write(c, &claims, NULL).code == VD_E_OK)
        vd_buf_add(&c->list->unverified, vd_buf_span(&claims));
}

vd_rc tdx_verify(struct tdx *t, const struct iss_evidence *in, struct iss_claims_list *list,
                 vd_err *err)
{
    VD_AUTO_BUF quote_room = vd_buf_of(0);
    VD_AUTO_BUF log_room = vd_buf_of(0);
    vd_span quote;
    vd_span log;
    VD_TRY(dcap_evidence_quote(in, "tdx", &quote_room, &quote, err));
    VD_TRY(read_log(in, &log_room, &log, err));
    struct tdx_case c = { .cfg = &t->cfg, .in = in, .list = list };
    VD_TRY(dcap_quote_parse(quote, &c.quote, err));
    if (c.quote.tee != DCAP_TDX)
        return vd_fail(err, VD_E_EVIDENCE_VERSION, "tdx: the quote is of an SGX enclave");
    DCAP_AUTO_RESULT result = { 0 };
    vd_rc_ rc = verify_parsed(t, &c, log, &result, err);
    /* what another conversation's quote says of itself explains nothing here */
    if (rc.code != VD_E_OK && rc.code != VD_E_BINDING)
        keep_unverified(&c);
    evl_free(c.log);
    return rc;
}

static vd_rc driver_verify(void *state, const struct iss_evidence *in, struct iss_claims_list *list,
                           vd_err *err)
{
    return tdx_verify(state, in, list, err);
}

const struct iss_tee iss_tee_tdx = {
    .name = "tdx",
    .abi = ISS_TEE_ABI,
    .max_evidence = VD_EVIDENCE_MAX,
    .default_enabled = true,
    .primary = true,
    .event_logs = true,
    .settings = settings,
    .n_settings = sizeof settings / sizeof settings[0],
    .open = driver_open,
    .close = driver_close,
    .verify = driver_verify,
};
