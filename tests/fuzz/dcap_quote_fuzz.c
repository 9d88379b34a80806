/* dcap_quote_parse and dcap_chain_verify: a quote of any version, and the chain in it. What is
 * parsed lies within the input, and a chain of a stranger is never good. */
#include "issuer/tee/dcap/chain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void within(vd_span all, vd_span part, size_t n)
{
    if (part.n != n || (n > 0 && (part.p < all.p || part.p + part.n > all.p + all.n)))
        __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vd_span in = vd_span_of(data, size);
    struct dcap_quote q;
    if (dcap_quote_parse(in, &q, NULL).code != VD_E_OK)
        return 0;
    vd_span used = vd_span_part(in, 0, q.consumed);
    within(in, used, q.consumed);
    within(used, q.signature, DCAP_SIG);
    within(used, q.att_key, DCAP_KEY);
    within(used, q.qe_raw, DCAP_ENCLAVE_REPORT);
    within(used, q.qe_signature, DCAP_SIG);
    within(used, q.qe_auth, q.qe_auth.n);
    within(used, q.cert_data, q.cert_data.n);
    within(used, q.qe.report_data, 64);
    if (q.tee == DCAP_TDX) {
        within(used, q.td.report_data, 64);
        within(used, q.td.rtmr[3], 48);
        within(used, q.td.tee_tcb_svn2, q.body == DCAP_BODY_TD10 ? 0 : 16);
        within(used, q.td.service_td_attr, q.body == DCAP_BODY_TD15EX ? 8 : 0);
    } else {
        within(used, q.enclave.report_data, 64);
    }
    static struct dcap_roots *roots; /* made once: it costs more than all the rest */
    VD_AUTO(dcap_cache_free) struct dcap_cache *cache = NULL;
    if ((!roots && dcap_roots_new(NULL, 0, &roots, NULL).code != VD_E_OK) ||
        dcap_cache_new(roots, 4, &cache, NULL).code != VD_E_OK)
        return 0;
    VD_AUTO(dcap_trust_unref) struct dcap_trust *trust = NULL;
    if (dcap_chain_verify(cache, q.cert_data, INT64_C(1750000000), &trust, NULL).code == VD_E_OK &&
        trust->root->simulated)
        __builtin_trap();
    return 0;
}
