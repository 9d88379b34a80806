/* Common half of the SGX and TDX drivers; see driver.h. */
#include "issuer/tee/dcap/driver.h"

#include <stdlib.h>

#include "issuer/tee/dcap/collateral.h"
#include "shared/base/secret.h"
#include "shared/codec/b64.h"

enum { SKEW_SECONDS = 300 };

const struct vd_setting dcap_settings[] = {
    { .key = "tee.dcap.collateral_grace",
      .type = VD_SET_U64,
      .def = "0",
      .min = 0,
      .max = 7776000,
      .help = "Seconds for which expired collateral is still accepted. Passports then say so "
              "(collateral_expiration_status \"1\"), and default policies do not affirm them." },
    { .key = "tee.dcap.min_evaluation",
      .type = VD_SET_U64,
      .def = "0",
      .min = 0,
      .max = 4294967295,
      .help = "Lowest tcbEvaluationDataNumber of collateral: older rules are refused although they "
              "have not expired." },
    { .key = "tee.dcap.min_tcb_date",
      .type = VD_SET_STR,
      .help = "TCB levels dated earlier are refused, whatever their status; a time such as "
              "2024-03-13T00:00:00Z." },
    { .key = "tee.dcap.fmspcs",
      .type = VD_SET_STRS,
      .def = "[]",
      .help =
          "Platform families that are accepted, as FMSPC of 12 hexadecimal digits. Empty: any." },
    { .key = "tee.dcap.rejected_advisories",
      .type = VD_SET_STRS,
      .def = "[]",
      .help = "Platforms to which one of these advisories (\"INTEL-SA-00615\") applies are "
              "refused." },
};
const size_t dcap_settings_n = sizeof dcap_settings / sizeof dcap_settings[0];

vd_rc dcap_driver_new(const struct dcap_cfg *cfg, const char *const *extra, size_t n_extra,
                      size_t entries, struct dcap_driver **ret, vd_err *err)
{
    VD_AUTO(dcap_driver_free) struct dcap_driver *d = calloc(1, sizeof *d);
    if (!d)
        return vd_fail(err, VD_E_NOMEM, "dcap driver");
    d->cfg = *cfg;
    VD_TRY(dcap_roots_new(extra, n_extra, &d->roots, err));
    VD_TRY(dcap_cache_new(d->roots, entries, &d->cache, err));
    d->cfg.roots = d->roots;
    d->cfg.cache = d->cache;
    *ret = VD_TAKE(d);
    return VD_OK;
}

void dcap_driver_free(struct dcap_driver *d)
{
    if (!d)
        return;
    dcap_cache_free(d->cache);
    dcap_roots_free(d->roots);
    free(d);
}

static vd_rc check_fmspcs(const struct dcap_cfg *cfg, vd_err *err)
{
    for (size_t i = 0; i < cfg->n_fmspcs; i++) {
        uint8_t bytes[DCAP_FMSPC];
        VD_AUTO_BUF out = vd_buf_of(sizeof bytes);
        if (vd_hex_decode(vd_span_str(cfg->fmspcs[i]), &out, NULL).code != VD_E_OK ||
            out.n != sizeof bytes)
            return vd_fail(err, VD_E_CONFIG,
                           "tee.dcap.fmspcs: \"%.40s\" is no FMSPC of 12 hexadecimal digits",
                           cfg->fmspcs[i]);
    }
    return VD_OK;
}

vd_rc dcap_driver_open(const struct iss_tee_cfg *in, struct dcap_driver **ret, vd_err *err)
{
    const struct vd_config *c = in->config;
    struct dcap_cfg cfg = {
        .grace = (int64_t)vd_config_u64(c, "tee.dcap.collateral_grace"),
        .skew = SKEW_SECONDS,
        .min_eval_num = (uint32_t)vd_config_u64(c, "tee.dcap.min_evaluation"),
    };
    const char *date = vd_config_str(c, "tee.dcap.min_tcb_date");
    if (date && vd_time_parse(vd_span_str(date), &cfg.min_tcb_date, NULL).code != VD_E_OK)
        return vd_fail(err, VD_E_CONFIG,
                       "tee.dcap.min_tcb_date: \"%.40s\" is no time such as 2024-03-13T00:00:00Z",
                       date);
    cfg.fmspcs = vd_config_strs(c, "tee.dcap.fmspcs", &cfg.n_fmspcs);
    cfg.rejected_advisories =
        vd_config_strs(c, "tee.dcap.rejected_advisories", &cfg.n_rejected_advisories);
    VD_TRY(check_fmspcs(&cfg, err));
    size_t n_extra = 0;
    const char *const *extra = vd_config_strs(c, "tee.dcap.extra_roots", &n_extra);
    return dcap_driver_new(&cfg, extra, n_extra, (size_t)vd_config_limits(c)->chain_cache, ret,
                           err);
}

vd_rc dcap_evidence_quote(const struct iss_evidence *in, const char *tee, vd_buf *room,
                          vd_span *ret, vd_err *err)
{
    if (in->raw.n > 0) {
        *ret = in->raw;
        return VD_OK;
    }
    if (!vd_jv_is(in->json, VD_JSON_OBJECT))
        return vd_fail(err, VD_E_BAD_EVIDENCE, "%s evidence: no JSON object", tee);
    *room = vd_buf_of(DCAP_QUOTE_MAX);
    if (vd_jv_b64(vd_jv_get(in->json, "quote"), VD_B64_STD, room, NULL).code != VD_E_OK)
        return vd_fail(err, VD_E_BAD_EVIDENCE,
                       "%s evidence: quote is missing, no base64, or above %d bytes", tee,
                       DCAP_QUOTE_MAX);
    *ret = vd_buf_span(room);
    return VD_OK;
}

/* That it is good is recorded by dcap_verify_with, together with what depends on it. */
static vd_rc check_chain(struct dcap_driver *d, const struct dcap_quote *quote, int64_t now,
                         struct iss_claims_list *list, struct dcap_trust **ret, vd_err *err)
{
    vd_err cause = { 0 };
    vd_rc_ rc = dcap_chain_verify(d->cache, quote->cert_data, now, ret, &cause);
    if (rc.code == VD_E_OK)
        return VD_OK;
    iss_check_add(list, "PCK certificate chain", false, cause.msg, "to a pinned root");
    return vd_fail(err, rc.code, "%s", cause.msg);
}

static vd_rc find_collateral(const struct iss_evidence *in, enum dcap_tee tee,
                             const struct dcap_trust *trust, struct iss_claims_list *list,
                             struct dcap_found *ret, vd_err *err)
{
    vd_err cause = { 0 };
    struct dcap_ask ask = dcap_ask_of(tee, trust);
    vd_rc_ rc = in->collateral
                    ? dcap_collateral_find(in->collateral, &ask, in->source, ret, &cause)
                    : vd_fail(&cause, VD_E_COLLATERAL, "no place to look for collateral");
    VD_AUTO_BUF name = vd_buf_of(128);
    vd_buf_str(&name, "for FMSPC ");
    vd_hex_encode(vd_span_of(trust->pck.fmspc, DCAP_FMSPC), &name);
    vd_buf_printf(&name, " and the %s CA", dcap_ca_name(trust->ca));
    VD_TRY(vd_buf_check(&name, err));
    bool ok = rc.code == VD_E_OK;
    iss_check_add(list, "collateral at hand", ok,
                  ok ? "TCB info, identity and both CRLs" : cause.msg, vd_buf_cstr(&name));
    return ok ? VD_OK : vd_fail(err, rc.code, "%s", cause.msg);
}

vd_rc dcap_driver_check(struct dcap_driver *d, const struct dcap_quote *quote,
                        const struct iss_evidence *in, struct iss_claims_list *list,
                        struct dcap_result *ret, vd_err *err)
{
    VD_AUTO(dcap_trust_unref) struct dcap_trust *trust = NULL;
    DCAP_AUTO_FOUND found = { 0 };
    VD_TRY(check_chain(d, quote, in->now, list, &trust, err));
    VD_TRY(find_collateral(in, quote->tee, trust, list, &found, err));
    return dcap_verify_with(&d->cfg, quote, trust, &found.set, in->now, ret, list, err);
}

/* expected, filled up with zeros to the width of the field, is what the guest or the host put
 * there. */
static bool padded_equal(vd_span field, vd_span expected)
{
    vd_span head = vd_span_part(field, 0, expected.n);
    vd_span rest = vd_span_part(field, expected.n, field.n);
    return vd_ct_equal(head, expected) && vd_span_zero(rest);
}

vd_rc dcap_check_binding(const struct dcap_binding *b, const struct iss_evidence *in,
                         struct iss_claims_list *list, vd_err *err)
{
    const struct iss_expected *want = &in->report_data;
    if (want->given) {
        bool ok = want->value.n <= b->report_data.n && padded_equal(b->report_data, want->value);
        iss_check_add(list, "report data", ok, dcap_hex_text(b->report_data).s,
                      dcap_hex_text(want->value).s);
        if (!ok)
            return vd_fail(err, VD_E_BINDING,
                           "%s: report data is not what was expected (%zu bytes, padded with "
                           "zeros)",
                           b->tee, want->value.n);
    }
    want = &in->init_data;
    if (!want->given)
        return VD_OK;
    /* whoever fills the field cuts a longer digest (SHA-512 for TDX) to it */
    vd_span value = vd_span_part(want->value, 0, b->config.n);
    bool ok = padded_equal(b->config, value);
    iss_check_add(list, "init data's digest", ok, dcap_hex_text(b->config).s,
                  dcap_hex_text(value).s);
    if (!ok)
        return vd_fail(err, VD_E_INIT_DATA, "%s: %s is not the digest of the init data", b->tee,
                       b->config_name);
    return VD_OK;
}

vd_rc dcap_claims_finish(const struct dcap_binding *b, const struct dcap_result *r,
                         struct iss_claims *to, vd_err *err)
{
    vd_hex_encode(b->report_data, &to->report_data);
    vd_hex_encode(b->config, &to->init_data);
    VD_TRY(vd_buf_check(&to->report_data, err));
    VD_TRY(vd_buf_check(&to->init_data, err));
    to->has_report_data = true;
    to->has_init_data = true;
    to->simulated = r->simulated;
    /* the PPID: it stays when a platform is registered anew, unlike its instance id */
    struct dcap_text id = dcap_hex_text(vd_span_of(r->trust->pck.ppid, DCAP_PPID));
    (void)snprintf(to->hw_id, sizeof to->hw_id, "%.*s", ISS_HW_ID_MAX, id.s);
    return VD_OK;
}

struct dcap_text dcap_hex_text(vd_span bytes)
{
    static const char digit[] = "0123456789abcdef";
    struct dcap_text t = { { 0 } };
    for (size_t i = 0; i < bytes.n && 2 * i + 2 < sizeof t.s; i++) {
        t.s[2 * i] = digit[bytes.p[i] >> 4];
        t.s[2 * i + 1] = digit[bytes.p[i] & 15];
    }
    return t;
}
