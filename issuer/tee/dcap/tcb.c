/* TCB matching and convergence; see tcb.h. The rules are those of Intel's quote verification
 * library of 2026; where its versions differ, the stricter one: a quoting enclave of any status
 * other than UpToDate counts as out of date. */
#include "issuer/tee/dcap/tcb.h"

#include <stdio.h>

enum { MINOR = 0, MAJOR = 1, MODULE_BYTES = 2 };

/* Versions of the module that the first two bytes of TEE_TCB_SVN state; 0 for SGX. */
static unsigned svn_at(vd_span svn, size_t i)
{
    return i < svn.n ? svn.p[i] : 0;
}

static const struct dcap_module_identity *find_identity(const struct dcap_tcb_info *info,
                                                        unsigned major)
{
    for (size_t i = 0; i < info->n_identities; i++)
        if (info->identity[i].major == major)
            return &info->identity[i];
    return NULL;
}

const struct dcap_module *dcap_tcb_module(const struct dcap_tcb_info *info, vd_span tee_tcb_svn)
{
    unsigned major = svn_at(tee_tcb_svn, MAJOR);
    if (major == 0)
        return &info->module;
    const struct dcap_module_identity *m = find_identity(info, major);
    return m ? &m->module : NULL;
}

/* The first component that is below a level. */
struct miss {
    const char *what; /* NULL: nothing missed yet */
    unsigned at;      /* component from 1 on; 0: there is only one */
    unsigned have;
    unsigned want;
};

static void miss_text(const struct miss *m, char ret[64])
{
    ret[0] = '\0';
    if (m->what && m->at)
        (void)snprintf(ret, 64, "%s %u: %u < %u", m->what, m->at, m->have, m->want);
    else if (m->what)
        (void)snprintf(ret, 64, "%s %u < %u", m->what, m->have, m->want);
}

/* Does the platform reach the level? */
static bool reaches(const struct dcap_tcb_in *in, vd_span tee_svn, const struct dcap_tcb_level *l,
                    struct miss *miss)
{
    for (unsigned i = 0; i < DCAP_SVNS; i++)
        if (in->svn[i] < l->sgx[i]) {
            *miss = (struct miss){ "SGX TCB component", i + 1, in->svn[i], l->sgx[i] };
            return false;
        }
    if (in->pce_svn < l->pce_svn) {
        *miss = (struct miss){ "pcesvn", 0, in->pce_svn, l->pce_svn };
        return false;
    }
    if (tee_svn.n == 0)
        return true;
    /* from major version 1 on, the module's identity judges the first two */
    for (unsigned i = svn_at(tee_svn, MAJOR) > 0 ? MODULE_BYTES : 0; i < DCAP_SVNS; i++)
        if (svn_at(tee_svn, i) < l->tdx[i]) {
            *miss = (struct miss){ "TDX TCB component", i + 1, svn_at(tee_svn, i), l->tdx[i] };
            return false;
        }
    return true;
}

static vd_rc match_platform(const struct dcap_tcb_in *in, vd_span tee_svn, struct dcap_part *p,
                            vd_err *err)
{
    struct miss miss = { 0 };
    for (size_t i = 0; i < in->info->n_levels; i++) {
        const struct dcap_tcb_level *l = &in->info->level[i];
        if (!reaches(in, tee_svn, l, &miss))
            continue;
        *p = (struct dcap_part){ .present = true,
                                 .status = l->status,
                                 .date = l->date,
                                 .pool = &in->info->adv,
                                 .adv = l->adv };
        miss_text(&miss, p->limit);
        return VD_OK;
    }
    char why[64];
    miss_text(&miss, why);
    return vd_fail(err, VD_E_TCB_UNSUPPORTED,
                   "TCB not supported: the platform is below every level of its TCB info (lowest: "
                   "%s); its microcode, firmware or PCK certificate must be renewed",
                   why);
}

static vd_rc match_isv(const struct dcap_isv_level *level, size_t n, unsigned svn,
                       const struct dcap_advisories *pool, const char *what, struct dcap_part *p,
                       vd_err *err)
{
    struct miss miss = { 0 };
    for (size_t i = 0; i < n; i++) {
        if (svn < level[i].isvsvn) {
            miss = (struct miss){ "ISVSVN", 0, svn, level[i].isvsvn };
            continue;
        }
        *p = (struct dcap_part){ .present = true,
                                 .status = level[i].status,
                                 .date = level[i].date,
                                 .pool = pool,
                                 .adv = level[i].adv };
        miss_text(&miss, p->limit);
        return VD_OK;
    }
    char why[64];
    miss_text(&miss, why);
    return vd_fail(err, VD_E_TCB_UNSUPPORTED,
                   "TCB not supported: the %s is below every level of its identity (lowest: %s)",
                   what, why);
}

static vd_rc match_module(const struct dcap_tcb_in *in, vd_span tee_svn, struct dcap_part *p,
                          vd_err *err)
{
    unsigned major = svn_at(tee_svn, MAJOR);
    if (major == 0)
        return VD_OK;
    const struct dcap_module_identity *m = find_identity(in->info, major);
    if (!m)
        return vd_fail(err, VD_E_TDX_MODULE,
                       "TDX module of major version %u: the TCB info has no identity TDX_%02X",
                       major, major);
    return match_isv(m->level, m->n_levels, svn_at(tee_svn, MINOR), &in->info->adv, "TDX module", p,
                     err);
}

static bool needs_configuration(enum dcap_status s)
{
    return s == DCAP_CONFIGURATION || s == DCAP_CONFIGURATION_SW_HARDENING ||
           s == DCAP_OUT_OF_DATE_CONFIGURATION;
}

static bool out_of_date(enum dcap_status s)
{
    return s == DCAP_OUT_OF_DATE || s == DCAP_OUT_OF_DATE_CONFIGURATION;
}

/* A part other than the platform that is behind. */
static bool behind(const struct dcap_part *p)
{
    return p->present && p->status != DCAP_UP_TO_DATE;
}

static bool revoked(const struct dcap_part *p)
{
    return p->present && p->status == DCAP_REVOKED;
}

static enum dcap_status converge(const struct dcap_eval *e)
{
    enum dcap_status s = e->platform.status;
    if (!behind(&e->module) && !behind(&e->qe))
        return s;
    return needs_configuration(s) ? DCAP_OUT_OF_DATE_CONFIGURATION : DCAP_OUT_OF_DATE;
}

static vd_rc evaluate(const struct dcap_tcb_in *in, vd_span tee_svn, struct dcap_eval *e,
                      vd_err *err)
{
    *e = (struct dcap_eval){ 0 };
    if (tee_svn.n != (in->info->tee == DCAP_TDX ? DCAP_SVNS : 0))
        return vd_fail(err, VD_E_COLLATERAL_MISMATCH, "TCB info of %s for a quote of the other TEE",
                       dcap_tee_name(in->info->tee));
    VD_TRY(match_platform(in, tee_svn, &e->platform, err));
    VD_TRY(match_module(in, tee_svn, &e->module, err));
    VD_TRY(match_isv(in->identity->level, in->identity->n_levels, in->qe_svn, &in->identity->adv,
                     "quoting enclave", &e->qe, err));
    if (revoked(&e->platform) || revoked(&e->module) || revoked(&e->qe))
        return vd_fail(err, VD_E_TCB_REVOKED, "TCB revoked: the level that the %s has is Revoked",
                       revoked(&e->platform) ? "platform"
                       : revoked(&e->module) ? "TDX module"
                                             : "quoting enclave");
    e->status = converge(e);
    e->date = e->platform.date < e->qe.date ? e->platform.date : e->qe.date;
    return VD_OK;
}

vd_rc dcap_tcb_evaluate(const struct dcap_tcb_in *in, struct dcap_tcb *ret, vd_err *err)
{
    struct dcap_tcb t = { .has_current = in->tee_tcb_svn2.n > 0 };
    VD_TRY(evaluate(in, in->tee_tcb_svn, &t.launch, err));
    t.status = t.launch.status;
    t.current = t.launch;
    if (t.has_current) {
        VD_TRY(evaluate(in, in->tee_tcb_svn2, &t.current, err));
        /* started under an old module that has been replaced since */
        if (out_of_date(t.launch.status) && !out_of_date(t.current.status))
            t.status = needs_configuration(t.launch.status) || needs_configuration(t.current.status)
                           ? DCAP_RELAUNCH_CONFIGURATION
                           : DCAP_RELAUNCH;
    }
    *ret = t;
    return VD_OK;
}

const char *dcap_eval_limit(const struct dcap_eval *e)
{
    if (e->status == DCAP_UP_TO_DATE)
        return "";
    if (e->platform.status == e->status)
        return "platform";
    return behind(&e->module) ? "TDX module" : "quoting enclave";
}
