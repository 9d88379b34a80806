/* The order of checks; see dcap.h. Each row of the specification's table is one function and has an
 * error of its own; every verdict is recorded as "what was checked against what". */
#include <string.h>

#include "issuer/tee/dcap/set_priv.h"
#include "shared/base/clock.h"
#include "shared/crypto/hash.h"

enum { DEBUG_BIT = 1, TEXT = 200 };

struct text {
    char s[TEXT];
};

/* One verification. */
struct run {
    const struct dcap_cfg *cfg;
    const struct dcap_quote *q;
    int64_t now;
    struct iss_claims_list *list;
    struct dcap_trust *trust;
    struct dcap_set *set;
    struct dcap_result *out;
};

static void note(struct run *r, const char *name, bool ok, const char *observed,
                 const char *expected)
{
    if (r->list)
        iss_check_add(r->list, name, ok, observed, expected);
}

static struct text hex(vd_span s)
{
    static const char digit[] = "0123456789abcdef";
    struct text t = { { 0 } };
    for (size_t i = 0; s.p && i < s.n && 2 * i + 2 < TEXT; i++) {
        t.s[2 * i] = digit[s.p[i] >> 4];
        t.s[2 * i + 1] = digit[s.p[i] & 15];
    }
    return t;
}

static struct text when(int64_t at)
{
    struct text t = { { 0 } };
    VD_AUTO_BUF b = vd_buf_of(TEXT - 1);
    vd_time_rfc3339(at, &b);
    for (size_t i = 0; i < b.n; i++)
        t.s[i] = (char)b.p[i];
    return t;
}

static struct text number(uint64_t v)
{
    struct text t;
    (void)snprintf(t.s, TEXT, "%llu", (unsigned long long)v);
    return t;
}

/* A step that has said why in `cause`. */
static vd_rc judged(struct run *r, const char *name, vd_rc_ rc, const vd_err *cause,
                    const char *good, const char *expected, vd_err *err)
{
    bool ok = rc.code == VD_E_OK;
    note(r, name, ok, ok ? good : cause->msg, expected);
    return ok ? VD_OK : vd_fail(err, rc.code, "%s", cause->msg);
}

static vd_rc check_chain(struct run *r, vd_err *err)
{
    vd_err cause = { 0 };
    vd_rc_ rc = VD_OK;
    if (!r->trust)
        rc = dcap_chain_verify(r->cfg->cache, r->q->cert_data, r->now, &r->trust, &cause);
    else if (r->now < r->trust->from || r->now >= r->trust->until)
        rc = vd_fail(&cause, VD_E_CERT_EXPIRED, "PCK chain: a certificate is out of its validity");
    return judged(r, "PCK certificate chain", rc, &cause,
                  r->trust && r->trust->root->simulated ? "to a simulated root of the configuration"
                                                        : "to Intel's root, all dates valid",
                  "PCK certificate, its CA, pinned root", err);
}

static vd_rc check_fmspc(struct run *r, vd_err *err)
{
    const struct dcap_cfg *cfg = r->cfg;
    if (cfg->n_fmspcs == 0)
        return VD_OK;
    struct text have = hex(vd_span_of(r->trust->pck.fmspc, DCAP_FMSPC));
    bool ok = false;
    for (size_t i = 0; i < cfg->n_fmspcs && !ok; i++)
        ok = strcasecmp(have.s, cfg->fmspcs[i]) == 0;
    note(r, "platform family (FMSPC)", ok, have.s, "one of the configuration");
    return ok ? VD_OK
              : vd_fail(err, VD_E_TCB_FLOOR,
                        "FMSPC %s is not one of the platform families that are configured", have.s);
}

static vd_rc check_collateral(struct run *r, const struct dcap_collateral *coll, vd_err *err)
{
    vd_err cause = { 0 };
    vd_rc_ rc = dcap_set_get(r->cfg->cache, r->trust, coll, &r->set, &cause);
    return judged(r, "collateral", rc, &cause, "complete, all signatures good",
                  "TCB info, identity, PCK CRL, root CA CRL, signed by Intel", err);
}

static vd_rc check_revocation(struct run *r, vd_err *err)
{
    bool ok = !dcap_crl_lists(&r->set->pck_crl, r->trust->serial);
    note(r, "revocation of the PCK certificate", ok, ok ? "not listed" : "listed in the PCK CRL",
         "not listed");
    return ok ? VD_OK
              : vd_fail(err, VD_E_REVOKED, "the platform's PCK certificate is revoked by its %s CA",
                        dcap_ca_name(r->trust->ca));
}

static vd_rc check_match(struct run *r, vd_err *err)
{
    const struct dcap_tcb_info *info = r->set->info;
    bool ok = info->tee == r->q->tee;
    note(r, "TCB info is of the quote's TEE", ok, dcap_tee_name(info->tee),
         dcap_tee_name(r->q->tee));
    if (!ok)
        return vd_fail(err, VD_E_COLLATERAL_MISMATCH, "TCB info of %s for a quote of %s",
                       dcap_tee_name(info->tee), dcap_tee_name(r->q->tee));
    enum dcap_enclave_id want = r->q->tee == DCAP_TDX ? DCAP_TD_QE : DCAP_QE;
    ok = r->set->identity->id == want;
    note(r, "identity is of the quoting enclave of the TEE", ok,
         dcap_enclave_id_name(r->set->identity->id), dcap_enclave_id_name(want));
    if (!ok)
        return vd_fail(err, VD_E_COLLATERAL_MISMATCH, "identity of %s for a quote that needs %s",
                       dcap_enclave_id_name(r->set->identity->id), dcap_enclave_id_name(want));
    vd_span theirs = vd_span_of(info->fmspc, DCAP_FMSPC);
    vd_span ours = vd_span_of(r->trust->pck.fmspc, DCAP_FMSPC);
    ok = vd_span_eq(theirs, ours);
    note(r, "TCB info is of the platform's FMSPC", ok, hex(theirs).s, hex(ours).s);
    if (!ok)
        return vd_fail(err, VD_E_COLLATERAL_MISMATCH, "TCB info of FMSPC %s, the platform is %s",
                       hex(theirs).s, hex(ours).s);
    theirs = vd_span_of(info->pce_id, DCAP_PCEID);
    ours = vd_span_of(r->trust->pck.pce_id, DCAP_PCEID);
    ok = vd_span_eq(theirs, ours);
    note(r, "TCB info is of the platform's PCEID", ok, hex(theirs).s, hex(ours).s);
    if (!ok)
        return vd_fail(err, VD_E_COLLATERAL_MISMATCH, "TCB info of PCEID %s, the platform is %s",
                       hex(theirs).s, hex(ours).s);
    return VD_OK;
}

static vd_rc check_dates(struct run *r, vd_err *err)
{
    const struct dcap_set *s = r->set;
    for (unsigned i = 0; i < DCAP_ITEM_MAX; i++) {
        const struct dcap_window *w = &s->window[i];
        bool early = r->now < w->begin - r->cfg->skew;
        bool late = r->now >= w->end && r->now - w->end >= r->cfg->grace;
        if (!early && !late)
            continue;
        struct text seen;
        (void)snprintf(seen.s, TEXT, "%s: %s %.24s", dcap_item_name((enum dcap_item)i),
                       early ? "not valid before" : "expired since",
                       when(early ? w->begin : w->end).s);
        note(r, "dates of the collateral", false, seen.s, when(r->now).s);
        return vd_fail(err, VD_E_COLLATERAL_EXPIRED, "collateral: %s", seen.s);
    }
    r->out->collateral_expired = r->now >= s->until;
    struct text seen;
    (void)snprintf(seen.s, TEXT, "%s %.24s",
                   r->out->collateral_expired ? "expired, within the grace, since" : "valid until",
                   when(s->until).s);
    note(r, "dates of the collateral", true, seen.s, when(r->now).s);
    return VD_OK;
}

static vd_rc check_eval_num(struct run *r, vd_err *err)
{
    const struct dcap_set *s = r->set;
    uint32_t n =
        s->info->eval_num < s->identity->eval_num ? s->info->eval_num : s->identity->eval_num;
    bool ok = n >= r->cfg->min_eval_num;
    struct text want;
    (void)snprintf(want.s, TEXT, "at least %u", r->cfg->min_eval_num);
    note(r, "TCB evaluation data number", ok, number(n).s, want.s);
    r->out->eval_num = n;
    return ok ? VD_OK
              : vd_fail(err, VD_E_COLLATERAL_OLD,
                        "collateral of TCB evaluation data number %u, %u is the lowest accepted", n,
                        r->cfg->min_eval_num);
}

static vd_rc check_qe_signature(struct run *r, vd_err *err)
{
    bool ok = vd_verify_ecdsa_raw(r->trust->key, VD_SHA256, r->q->qe_raw, r->q->qe_signature, NULL)
                  .code == VD_E_OK;
    note(r, "QE report signature", ok, ok ? "verifies" : "does not verify", "PCK certificate");
    return ok ? VD_OK
              : vd_fail(err, VD_E_QE_SIG,
                        "the QE report's signature does not verify under the PCK certificate");
}

static vd_rc check_qe_binding(struct run *r, vd_err *err)
{
    uint8_t digest[32];
    vd_span parts[] = { r->q->att_key, r->q->qe_auth };
    VD_TRY(vd_hash_parts(VD_SHA256, parts, 2, digest, err));
    vd_span data = r->q->qe.report_data;
    bool ok = vd_ct_equal(vd_span_part(data, 0, 32), vd_span_of(digest, sizeof digest)) &&
              vd_span_zero(vd_span_part(data, 32, 32));
    note(r, "attestation key is the quoting enclave's", ok, hex(data).s,
         hex(vd_span_of(digest, sizeof digest)).s);
    return ok ? VD_OK
              : vd_fail(err, VD_E_QE_BINDING,
                        "the QE report is not about this attestation key and authentication data");
}

/* (value & mask) == want */
static bool masked_equal(vd_span value, const uint8_t *mask, const uint8_t *want)
{
    uint8_t diff = 0;
    for (size_t i = 0; i < value.n; i++)
        diff |= (uint8_t)((value.p[i] & mask[i]) ^ want[i]);
    return diff == 0;
}

static vd_rc check_qe_identity(struct run *r, vd_err *err)
{
    const struct dcap_enclave *qe = &r->q->qe;
    const struct dcap_identity *d = r->set->identity;
    const char *wrong = NULL;
    if (!masked_equal(qe->misc_select, d->misc_mask, d->misc_select))
        wrong = "MISCSELECT";
    else if (!masked_equal(qe->attributes, d->attributes_mask, d->attributes))
        wrong = "ATTRIBUTES";
    else if (!vd_span_eq(qe->mr_signer, vd_span_of(d->mr_signer, sizeof d->mr_signer)))
        wrong = "MRSIGNER";
    else if (dcap_le(qe->isv_prod_id) != d->isv_prod_id)
        wrong = "ISVPRODID";
    else if (dcap_le(qe->flags) >> DEBUG_BIT & 1) /* whatever the mask says */
        wrong = "DEBUG attribute";
    note(r, "quoting enclave", !wrong, wrong ? wrong : "as its identity says",
         dcap_enclave_id_name(d->id));
    return !wrong ? VD_OK
                  : vd_fail(err, VD_E_QE_IDENTITY,
                            "the quoting enclave is not Intel's %s: its %s differs",
                            dcap_enclave_id_name(d->id), wrong);
}

static vd_rc check_module(struct run *r, vd_err *err)
{
    if (r->q->tee != DCAP_TDX)
        return VD_OK;
    const struct dcap_td *td = &r->q->td;
    const struct dcap_module *m = dcap_tcb_module(r->set->info, td->tee_tcb_svn);
    const char *wrong = NULL;
    if (!m)
        wrong = "major version is not in the TCB info";
    else if (!vd_span_eq(td->mr_signer_seam, vd_span_of(m->mr_signer, sizeof m->mr_signer)))
        wrong = "MRSIGNERSEAM differs";
    else if (!vd_span_zero(td->seam_attributes) ||
             !masked_equal(td->seam_attributes, m->mask, m->attributes))
        wrong = "SEAMATTRIBUTES are not zero";
    struct text svn = hex(td->tee_tcb_svn);
    note(r, "TDX module", !wrong, wrong ? wrong : svn.s, "a production module of Intel's");
    return !wrong
               ? VD_OK
               : vd_fail(err, VD_E_TDX_MODULE, "TDX module (TEE_TCB_SVN %s): its %s", svn.s, wrong);
}

static vd_rc check_quote_signature(struct run *r, vd_err *err)
{
    uint8_t point[1 + DCAP_KEY] = { 4 };
    memcpy(point + 1, r->q->att_key.p, DCAP_KEY);
    VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
    vd_rc_ rc = vd_key_from_point(VD_KTY_P256, vd_span_of(point, sizeof point), &key, NULL);
    if (rc.code == VD_E_OK)
        rc = vd_verify_ecdsa_raw(key, VD_SHA256, r->q->signed_part, r->q->signature, NULL);
    bool ok = rc.code == VD_E_OK;
    note(r, "quote signature", ok, ok ? "verifies" : "does not verify", "attestation key");
    return ok ? VD_OK
              : vd_fail(err, VD_E_SIG,
                        "the quote's signature does not verify under its attestation key");
}

static struct text part_text(const struct dcap_part *p)
{
    struct text t;
    (void)snprintf(t.s, TEXT, "%s of %.10s%s%s", dcap_status_name(p->status), when(p->date).s,
                   p->limit[0] ? ", held back by " : "", p->limit);
    return t;
}

static vd_rc check_tcb(struct run *r, vd_err *err)
{
    const struct dcap_pck *pck = &r->trust->pck;
    struct dcap_tcb_in in = { .info = r->set->info,
                              .identity = r->set->identity,
                              .svn = pck->svn,
                              .pce_svn = pck->pce_svn,
                              .qe_svn = (uint16_t)dcap_le(r->q->qe.isv_svn),
                              .tee_tcb_svn = r->q->td.tee_tcb_svn,
                              .tee_tcb_svn2 = r->q->td.tee_tcb_svn2 };
    vd_err cause = { 0 };
    struct dcap_tcb *tcb = &r->out->tcb;
    vd_rc_ rc = dcap_tcb_evaluate(&in, tcb, &cause);
    VD_TRY(judged(r, "TCB status", rc, &cause,
                  rc.code == VD_E_OK ? dcap_status_name(tcb->status) : "", "supported, not revoked",
                  err));
    const struct dcap_eval *e = &tcb->launch;
    note(r, "TCB of the platform", true, part_text(&e->platform).s, "recorded");
    if (e->module.present)
        note(r, "TCB of the TDX module", true, part_text(&e->module).s, "recorded");
    note(r, "TCB of the quoting enclave", true, part_text(&e->qe).s, "recorded");
    return VD_OK;
}

static int cmp_ids(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorted union over the parts. */
static vd_rc collect(const struct dcap_eval *e, const char ***ret, size_t *ret_n, vd_err *err)
{
    const struct dcap_part *part[] = { &e->platform, &e->module, &e->qe };
    size_t max = 1;
    for (size_t k = 0; k < 3; k++)
        max += part[k]->present ? part[k]->adv.n : 0;
    VD_AUTO(free) const char **all = calloc(max, sizeof *all);
    if (!all)
        return vd_fail(err, VD_E_NOMEM, "advisories");
    size_t n = 0;
    for (size_t k = 0; k < 3; k++)
        for (size_t i = 0; part[k]->present && i < part[k]->adv.n; i++)
            all[n++] = dcap_part_advisory(part[k], i);
    qsort(all, n, sizeof *all, cmp_ids);
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (kept == 0 || strcmp(all[kept - 1], all[i]) != 0)
            all[kept++] = all[i];
    *ret = VD_TAKE(all);
    *ret_n = kept;
    return VD_OK;
}

static vd_rc check_floors(struct run *r, vd_err *err)
{
    struct dcap_result *out = r->out;
    VD_TRY(collect(&out->tcb.launch, &out->advisories, &out->n_advisories, err));
    VD_TRY(collect(&out->tcb.current, &out->advisories_current, &out->n_advisories_current, err));
    const struct dcap_cfg *cfg = r->cfg;
    int64_t date = out->tcb.launch.date;
    if (out->tcb.launch.module.present && out->tcb.launch.module.date < date)
        date = out->tcb.launch.module.date;
    if (cfg->min_tcb_date) {
        bool ok = date >= cfg->min_tcb_date;
        note(r, "TCB date", ok, when(date).s, when(cfg->min_tcb_date).s);
        if (!ok)
            return vd_fail(err, VD_E_TCB_FLOOR, "the TCB is of %s, %s is the earliest accepted",
                           when(date).s, when(cfg->min_tcb_date).s);
    }
    for (size_t i = 0; i < out->n_advisories; i++)
        for (size_t k = 0; k < cfg->n_rejected_advisories; k++)
            if (strcmp(out->advisories[i], cfg->rejected_advisories[k]) == 0) {
                note(r, "advisories", false, out->advisories[i],
                     "none that the configuration rejects");
                return vd_fail(err, VD_E_TCB_FLOOR,
                               "advisory %s applies, and the configuration rejects it",
                               out->advisories[i]);
            }
    return VD_OK;
}

static void fill(struct run *r)
{
    struct dcap_result *out = r->out;
    const struct dcap_set *s = r->set;
    const struct dcap_trust *t = r->trust;
    out->simulated = t->root->simulated;
    out->tcb_info_eval_num = s->info->eval_num;
    out->identity_eval_num = s->identity->eval_num;
    out->earliest_issue = s->earliest < t->earliest ? s->earliest : t->earliest;
    out->latest_issue = s->latest > t->from ? s->latest : t->from;
    out->earliest_expiration = s->until < t->until ? s->until : t->until;
    out->tcb_info = s->window[DCAP_TCB_INFO];
    out->identity = s->window[DCAP_IDENTITY];
    out->pck_crl = s->window[DCAP_PCK_CRL];
    out->root_crl = s->window[DCAP_ROOT_CRL];
    out->pck_crl_num = s->pck_crl.number;
    out->root_crl_num = s->root_crl.number;
}

static vd_rc run_all(struct run *r, const struct dcap_collateral *coll, vd_err *err)
{
    VD_TRY(check_chain(r, err));
    VD_TRY(check_fmspc(r, err));
    VD_TRY(check_collateral(r, coll, err));
    VD_TRY(check_revocation(r, err));
    VD_TRY(check_match(r, err));
    VD_TRY(check_dates(r, err));
    VD_TRY(check_eval_num(r, err));
    VD_TRY(check_qe_signature(r, err));
    VD_TRY(check_qe_binding(r, err));
    VD_TRY(check_qe_identity(r, err));
    VD_TRY(check_module(r, err));
    VD_TRY(check_quote_signature(r, err));
    VD_TRY(check_tcb(r, err));
    VD_TRY(check_floors(r, err));
    fill(r);
    return VD_OK;
}

vd_rc dcap_verify_with(const struct dcap_cfg *cfg, const struct dcap_quote *quote,
                       struct dcap_trust *trust, const struct dcap_collateral *coll, int64_t now,
                       struct dcap_result *ret, struct iss_claims_list *checks, vd_err *err)
{
    DCAP_AUTO_RESULT out = { 0 };
    struct run r = { .cfg = cfg,
                     .q = quote,
                     .now = now,
                     .list = checks,
                     .trust = trust ? dcap_trust_ref(trust) : NULL,
                     .out = &out };
    vd_rc_ rc = run_all(&r, coll, err);
    out.trust = r.trust;
    out.set = r.set;
    if (rc.code == VD_E_OK) {
        *ret = out;
        out = (struct dcap_result){ 0 };
    }
    return rc;
}

void dcap_result_done(struct dcap_result *r)
{
    free(r->advisories);
    free(r->advisories_current);
    dcap_trust_unref(r->trust);
    dcap_set_unref(r->set);
    *r = (struct dcap_result){ 0 };
}
