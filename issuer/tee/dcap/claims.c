/* DCAP claims; see dcap.h. Trustee's names, types and encodings first; ours behind them tell what
 * an operator asks next: which documents, how old, and which part of the platform is behind. */
#include "issuer/tee/dcap/dcap.h"

static void put_strings(vd_jw *w, const char *name, const char *const *s, size_t n)
{
    vd_jw_key(w, name);
    vd_jw_arr(w);
    for (size_t i = 0; i < n; i++)
        vd_jw_str(w, s[i]);
    vd_jw_end(w);
}

static void put_time(vd_jw *w, const char *name, int64_t at)
{
    vd_jw_key(w, name);
    vd_jw_time(w, at);
}

static void put_type(vd_jw *w, const struct dcap_pck *p)
{
    static const char *const names[] = { [DCAP_SGX_STANDARD] = "Standard",
                                         [DCAP_SGX_SCALABLE] = "Scalable",
                                         [DCAP_SGX_SCALABLE_INTEGRITY] =
                                             "Scalable with Integrity" };
    char other[24];
    (void)snprintf(other, sizeof other, "Unknown (%u)", p->sgx_type);
    vd_jw_kstr(w, "sgx_type",
               p->sgx_type < sizeof names / sizeof names[0] ? names[p->sgx_type] : other);
    if (p->sgx_type == DCAP_SGX_STANDARD)
        return;
    vd_jw_kbool(w, "is_dynamic_platform", p->dynamic_platform);
    vd_jw_kbool(w, "is_cached_keys", p->cached_keys);
    vd_jw_kbool(w, "is_smt_enabled", p->smt_enabled);
}

/* Trustee reads the sixteen bytes as one little-endian number. */
static void put_instance(vd_jw *w, const struct dcap_pck *p)
{
    uint8_t reversed[sizeof p->instance_id];
    if (!p->has_platform)
        return;
    for (size_t i = 0; i < sizeof reversed; i++)
        reversed[i] = p->instance_id[sizeof reversed - 1 - i];
    vd_jw_khex(w, "platform_instance_id", vd_span_of(reversed, sizeof reversed));
}

static void put_trustee(vd_jw *w, const struct dcap_result *r)
{
    const struct dcap_pck *p = &r->trust->pck;
    vd_jw_kstr(w, "tcb_status", dcap_status_name(r->tcb.status));
    put_strings(w, "advisory_ids", r->advisories, r->n_advisories);
    put_time(w, "tcb_date", r->tcb.launch.date);
    vd_jw_ku64(w, "tcb_eval_num", r->eval_num);
    vd_jw_kstr(w, "collateral_expiration_status", r->collateral_expired ? "1" : "0");
    put_time(w, "earliest_issue_date", r->earliest_issue);
    put_time(w, "latest_issue_date", r->latest_issue);
    put_time(w, "earliest_expiration_date", r->earliest_expiration);
    vd_jw_ku64(w, "pck_crl_num", r->pck_crl_num);
    vd_jw_ku64(w, "root_ca_crl_num", r->root_crl_num);
    vd_jw_khex(w, "root_key_id", vd_span_of(r->trust->root->key_id, DCAP_ROOT_KEY_ID));
    vd_jw_khex(w, "platform_provider_id", vd_span_of(p->ppid, sizeof p->ppid));
    put_instance(w, p);
    put_type(w, p);
    vd_jw_kstr(w, "tcb_status_current", dcap_status_name(r->tcb.current.status));
    put_time(w, "tcb_date_current", r->tcb.current.date);
    put_strings(w, "advisory_ids_current", r->advisories_current, r->n_advisories_current);
}

static void put_part(vd_jw *w, const char *name, const struct dcap_part *p)
{
    if (!p->present)
        return;
    vd_jw_key(w, name);
    vd_jw_obj(w);
    vd_jw_kstr(w, "status", dcap_status_name(p->status));
    put_time(w, "date", p->date);
    vd_jw_key(w, "advisory_ids");
    vd_jw_arr(w);
    for (size_t i = 0; i < p->adv.n; i++)
        vd_jw_str(w, dcap_part_advisory(p, i));
    vd_jw_end(w);
    if (p->limit[0])
        vd_jw_kstr(w, "held_back_by", p->limit);
    vd_jw_end(w);
}

static void put_window(vd_jw *w, const char *name, const struct dcap_window *win)
{
    vd_jw_key(w, name);
    vd_jw_obj(w);
    put_time(w, "issued", win->begin);
    put_time(w, "next_update", win->end);
    vd_jw_end(w);
}

void dcap_claims_put(vd_jw *w, const struct dcap_result *r)
{
    const struct dcap_pck *p = &r->trust->pck;
    put_trustee(w, r);
    vd_jw_ku64(w, "dcap_algorithm", DCAP_ALGORITHM);
    vd_jw_khex(w, "fmspc", vd_span_of(p->fmspc, sizeof p->fmspc));
    vd_jw_khex(w, "pce_id", vd_span_of(p->pce_id, sizeof p->pce_id));
    vd_jw_kstr(w, "pck_ca", dcap_ca_name(r->trust->ca));
    if (r->tcb.launch.module.present)
        put_time(w, "tcb_date_module", r->tcb.launch.module.date);
    vd_jw_ku64(w, "tcb_info_eval_num", r->tcb_info_eval_num);
    vd_jw_ku64(w, "identity_eval_num", r->identity_eval_num);
    vd_jw_key(w, "tcb_parts");
    vd_jw_obj(w);
    put_part(w, "platform", &r->tcb.launch.platform);
    put_part(w, "tdx_module", &r->tcb.launch.module);
    put_part(w, "quoting_enclave", &r->tcb.launch.qe);
    vd_jw_end(w);
    vd_jw_key(w, "collateral");
    vd_jw_obj(w);
    put_window(w, "tcb_info", &r->tcb_info);
    put_window(w, "identity", &r->identity);
    put_window(w, "pck_crl", &r->pck_crl);
    put_window(w, "root_ca_crl", &r->root_crl);
    vd_jw_end(w);
}
