/* The checks of a TD report; see check.h. Every refusal is recorded before it is returned. */
#include "issuer/tee/tdx/check.h"

#include "shared/codec/b64.h"

static struct dcap_text bits(uint64_t v)
{
    struct dcap_text t;
    (void)snprintf(t.s, sizeof t.s, "0x%llx", (unsigned long long)v);
    return t;
}

static vd_rc check_debug(struct tdx_case *c, vd_err *err)
{
    c->under_debug = (c->attributes & 0xff) != 0;
    bool ok = !c->under_debug || c->cfg->allow_debug;
    iss_check_add(c->list, "debugging", ok,
                  c->under_debug ? "the host can read the TD" : "not possible",
                  c->cfg->allow_debug ? "either" : "not possible");
    if (!ok)
        return vd_fail(err, VD_E_DEBUG,
                       "tdx: the TD is under debugging (TDATTRIBUTES 0x%llx): the host can read "
                       "it; tee.tdx.allow_debug lets it pass, marked",
                       (unsigned long long)c->attributes);
    return VD_OK;
}

static bool listed(const struct tdx_cfg *cfg, vd_span service_td)
{
    struct dcap_text hex = dcap_hex_text(service_td);
    for (size_t i = 0; i < cfg->n_service_tds; i++)
        if (strcasecmp(hex.s, cfg->service_tds[i]) == 0)
            return true;
    return false;
}

/* A bound service TD may move the TD to another host; one that may be bound yet, too. */
static vd_rc check_migration(struct tdx_case *c, vd_err *err)
{
    const struct dcap_td *td = &c->quote.td;
    bool bound = !vd_span_zero(td->mr_service_td) || !vd_span_zero(td->service_td_hash) ||
                 !vd_span_zero(td->init_service_td_hash);
    c->migratable = bound || tdx_bit(c->attributes, TDX_MIGRATABLE);
    c->service_td_listed =
        c->migratable && td->mr_service_td.n > 0 && listed(c->cfg, td->mr_service_td) &&
        (vd_span_zero(td->service_td_hash) || listed(c->cfg, td->service_td_hash)) &&
        (vd_span_zero(td->init_service_td_hash) || listed(c->cfg, td->init_service_td_hash));
    bool ok = !c->migratable || c->service_td_listed || c->cfg->allow_migratable;
    struct dcap_text seen = dcap_hex_text(td->mr_service_td);
    iss_check_add(c->list, "migration", ok,
                  !c->migratable ? "not possible"
                  : bound        ? seen.s
                                 : "possible, no service TD is bound",
                  c->cfg->allow_migratable ? "either" : "not possible, or by a listed service TD");
    if (!ok)
        return vd_fail(err, VD_E_MIGRATABLE,
                       "tdx: a service TD (%s) can move the TD to another host; "
                       "tee.tdx.service_tds lists trusted ones, tee.tdx.allow_migratable lets all "
                       "pass, marked",
                       bound ? "it is MRSERVICETD" : "none is bound yet");
    return VD_OK;
}

vd_rc tdx_check_attributes(struct tdx_case *c, vd_err *err)
{
    c->attributes = dcap_le(c->quote.td.td_attributes);
    uint64_t xfam = dcap_le(c->quote.td.xfam);
    bool ok = (xfam & 3) == 3; /* x87 and SSE are always there: the module enforces it */
    iss_check_add(c->list, "extended features (XFAM)", ok, bits(xfam).s, "bits 0 and 1 set");
    if (!ok)
        return vd_fail(err, VD_E_BAD_EVIDENCE, "tdx: XFAM 0x%llx has bits 0 and 1 not both set",
                       (unsigned long long)xfam);
    VD_TRY(check_debug(c, err));
    return check_migration(c, err);
}

static vd_rc replay(struct tdx_case *c, vd_span bytes, vd_err *err)
{
    uint8_t reg[EVL_REGISTERS][VD_HASH_BYTES_MAX];
    VD_TRY(evl_parse(bytes, VD_SHA384, &c->log, err));
    VD_TRY(evl_replay(c->log, reg, err));
    const vd_span *rtmr = c->quote.td.rtmr;
    static const char *const name[] = { "event log gives RTMR0", "event log gives RTMR1",
                                        "event log gives RTMR2", "event log gives RTMR3" };
    for (size_t i = 0; i < EVL_REGISTERS; i++) {
        vd_span got = vd_span_of(reg[i], vd_hash_size(VD_SHA384));
        iss_check_add(c->list, name[i], vd_span_eq(got, rtmr[i]), dcap_hex_text(got).s,
                      dcap_hex_text(rtmr[i]).s);
    }
    return evl_compare(c->log, reg, rtmr, err);
}

vd_rc tdx_check_log(struct tdx_case *c, vd_span bytes, vd_err *err)
{
    if (bytes.n == 0) {
        iss_check_add(c->list, "event log", true, "none came", "none, or one that replays");
        return VD_OK;
    }
    vd_err cause = { 0 };
    vd_rc_ rc = replay(c, bytes, &cause);
    char seen[200];
    (void)snprintf(seen, sizeof seen, "%zu events in %zu bytes", c->log ? c->log->n : 0,
                   c->log ? c->log->used.n : 0);
    bool ok = rc.code == VD_E_OK;
    iss_check_add(c->list, "event log", ok, ok ? seen : cause.msg, "none, or one that replays");
    return ok ? VD_OK : vd_fail(err, rc.code, "%s", cause.msg);
}
