/* Claims of TDX evidence; see claims.h. Bytes are lower-case hexadecimal in the order of memory. */
#include "issuer/tee/tdx/claims.h"

static void put_header(vd_jw *w, const struct dcap_quote *q)
{
    vd_jw_key(w, "header");
    vd_jw_obj(w);
    vd_jw_khex(w, "version", q->raw_version);
    vd_jw_khex(w, "att_key_type", q->att_key_type);
    vd_jw_khex(w, "tee_type", q->tee_type);
    vd_jw_khex(w, "reserved", q->reserved);
    vd_jw_khex(w, "vendor_id", q->vendor_id);
    vd_jw_khex(w, "user_data", q->user_data);
    vd_jw_end(w);
}

/* Members that are empty in older bodies are left out. */
static void put_later(vd_jw *w, const char *name, vd_span bytes)
{
    if (bytes.n > 0)
        vd_jw_khex(w, name, bytes);
}

static void put_body(vd_jw *w, const struct dcap_td *td)
{
    vd_jw_key(w, "body");
    vd_jw_obj(w);
    vd_jw_khex(w, "tcb_svn", td->tee_tcb_svn);
    vd_jw_khex(w, "mr_seam", td->mr_seam);
    vd_jw_khex(w, "mrsigner_seam", td->mr_signer_seam);
    vd_jw_khex(w, "seam_attributes", td->seam_attributes);
    vd_jw_khex(w, "td_attributes", td->td_attributes);
    vd_jw_khex(w, "xfam", td->xfam);
    vd_jw_khex(w, "mr_td", td->mr_td);
    vd_jw_khex(w, "mr_config_id", td->mr_config_id);
    vd_jw_khex(w, "mr_owner", td->mr_owner);
    vd_jw_khex(w, "mr_owner_config", td->mr_owner_config);
    vd_jw_khex(w, "rtmr_0", td->rtmr[0]);
    vd_jw_khex(w, "rtmr_1", td->rtmr[1]);
    vd_jw_khex(w, "rtmr_2", td->rtmr[2]);
    vd_jw_khex(w, "rtmr_3", td->rtmr[3]);
    vd_jw_khex(w, "report_data", td->report_data);
    put_later(w, "tee_tcb_svn2", td->tee_tcb_svn2);
    put_later(w, "mr_servicetd", td->mr_service_td);
    put_later(w, "vmid", td->vmid);
    put_later(w, "td_id", td->td_id);
    put_later(w, "device_info_hash", td->device_info_hash);
    put_later(w, "init_servicetd_hash", td->init_service_td_hash);
    put_later(w, "init_servicetd_attr", td->init_service_td_attr);
    put_later(w, "init_cpu_svn", td->init_cpu_svn);
    put_later(w, "init_tee_tcb_svn", td->init_tee_tcb_svn);
    put_later(w, "init_fmspc", td->init_fmspc);
    put_later(w, "servicetd_hash", td->service_td_hash);
    put_later(w, "servicetd_attr", td->service_td_attr);
    vd_jw_end(w);
}

static void put_attributes(vd_jw *w, uint64_t v)
{
    vd_jw_key(w, "td_attributes");
    vd_jw_obj(w);
    vd_jw_kbool(w, "debug", tdx_bit(v, TDX_DEBUG));
    vd_jw_kbool(w, "septve_disable", tdx_bit(v, TDX_SEPT_VE_DISABLE));
    vd_jw_kbool(w, "protection_keys", tdx_bit(v, TDX_PKS));
    vd_jw_kbool(w, "key_locker", tdx_bit(v, TDX_KEY_LOCKER));
    vd_jw_kbool(w, "perfmon", tdx_bit(v, TDX_PERFMON));
    vd_jw_end(w);
}

static void put_ours(vd_jw *w, const struct tdx_case *c)
{
    vd_jw_key(w, "td_attribute_bits");
    vd_jw_arr(w);
    for (unsigned i = 0; i < 64; i++)
        if (c->attributes >> i & 1)
            vd_jw_u64(w, i);
    vd_jw_end(w);
    vd_jw_kbool(w, "migratable", c->migratable);
    vd_jw_kbool(w, "service_td_listed", c->service_td_listed);
    vd_jw_kbool(w, "event_log_present", c->log != NULL);
    /* somebody configured this TD with a document that we have not seen */
    vd_jw_kbool(w, "mr_config_id_unexplained",
                !c->in->init_data.given && !vd_span_zero(c->quote.td.mr_config_id));
}

vd_rc tdx_claims_write(const struct tdx_case *c, vd_buf *out, vd_err *err)
{
    const struct dcap_quote *q = &c->quote;
    vd_jw w = vd_jw_of(out);
    vd_jw_obj(&w);
    vd_jw_key(&w, "quote");
    vd_jw_obj(&w);
    put_header(&w, q);
    put_later(&w, "type", q->raw_body_type);
    put_later(&w, "size", q->raw_body_size);
    put_body(&w, &q->td);
    vd_jw_end(&w);
    put_attributes(&w, dcap_le(q->td.td_attributes));
    if (c->result) {
        dcap_claims_put(&w, c->result);
        put_ours(&w, c);
    }
    vd_jw_end(&w);
    return vd_buf_check(out, err);
}

static vd_rc put_log(const struct tdx_case *c, struct iss_claims *to, vd_err *err)
{
    to->event_log = c->log ? ISS_EVENT_LOG_REPLAYED : ISS_EVENT_LOG_ABSENT;
    if (!c->log)
        return VD_OK;
    uint8_t sha256[VD_HASH_BYTES_MAX];
    VD_TRY(vd_hash_of(VD_SHA256, c->log->used, sha256, err));
    memcpy(to->event_log_sha256, sha256, sizeof to->event_log_sha256);
    vd_err cause = { 0 };
    vd_rc_ rc = evl_json(c->log, &to->events, &cause);
    if (rc.code == VD_E_TOO_LARGE) /* of the guest's making, unlike a failure of ours */
        return vd_fail(err, VD_E_BAD_EVIDENCE, "event log: its claims are above %zu bytes",
                       to->events.max);
    return rc.code == VD_E_OK ? VD_OK : vd_fail(err, rc.code, "%s", cause.msg);
}

vd_rc tdx_claims_add(const struct tdx_case *c, vd_err *err)
{
    struct iss_claims *to = iss_claims_add(c->list, "tdx", "cpu");
    if (!to)
        return vd_fail(err, VD_E_TOO_LARGE, "tdx: more than %d entries of claims", ISS_CLAIMS_MAX);
    const struct dcap_binding b = { .report_data = c->quote.td.report_data,
                                    .config = c->quote.td.mr_config_id };
    VD_TRY(tdx_claims_write(c, &to->claims, err));
    VD_TRY(put_log(c, to, err));
    to->debug = c->under_debug;
    return dcap_claims_finish(&b, c->result, to, err);
}
