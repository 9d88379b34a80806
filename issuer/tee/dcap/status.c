/* Names of TCB statuses, and the pool of a document's advisories; see status.h. */
#include "issuer/tee/dcap/status.h"

static const char *const names[] = {
    [DCAP_UP_TO_DATE] = "UpToDate",
    [DCAP_SW_HARDENING] = "SWHardeningNeeded",
    [DCAP_CONFIGURATION] = "ConfigurationNeeded",
    [DCAP_CONFIGURATION_SW_HARDENING] = "ConfigurationAndSWHardeningNeeded",
    [DCAP_OUT_OF_DATE] = "OutOfDate",
    [DCAP_OUT_OF_DATE_CONFIGURATION] = "OutOfDateConfigurationNeeded",
    [DCAP_REVOKED] = "Revoked",
    [DCAP_RELAUNCH] = "TDRelaunchAdvised",
    [DCAP_RELAUNCH_CONFIGURATION] = "TDRelaunchAdvisedConfigurationNeeded",
};
_Static_assert(sizeof names / sizeof names[0] == DCAP_STATUS_MAX, "one name for each status");

const char *dcap_status_name(enum dcap_status s)
{
    return s < DCAP_STATUS_MAX ? names[s] : "unknown";
}

vd_rc dcap_status_parse(vd_span name, enum dcap_status *ret, vd_err *err)
{
    for (unsigned i = 0; i <= DCAP_REVOKED; i++)
        if (vd_span_eq_str(name, names[i])) {
            *ret = (enum dcap_status)i;
            return VD_OK;
        }
    return vd_fail(err, VD_E_COLLATERAL_SYNTAX, "collateral: a TCB status that is not known");
}

static bool plain(vd_span id)
{
    for (size_t i = 0; i < id.n; i++) {
        uint8_t c = id.p[i];
        bool ok = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '-' ||
                  c == '_' || c == '.';
        if (!ok)
            return false;
    }
    return id.n > 0 && id.n <= DCAP_ADVISORY_MAX;
}

/* The array with room for one more entry of `size` bytes; NULL: no memory, the array stays. */
static void *grown(void *p, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return p;
    size_t more = *cap ? *cap * 2 : 16;
    void *q = reallocarray(p, more, size);
    if (q)
        *cap = more;
    return q;
}

static vd_rc add_id(struct dcap_advisories *a, vd_span id, vd_err *err)
{
    if (a->n == DCAP_ADVISORIES_MAX)
        return vd_fail(err, VD_E_COLLATERAL_SYNTAX, "collateral: more than %d advisories",
                       DCAP_ADVISORIES_MAX);
    void *p = grown(a->id, a->n, &a->cap, sizeof *a->id);
    if (!p)
        return vd_fail(err, VD_E_NOMEM, "collateral: advisories");
    a->id = p;
    for (size_t i = 0; i < id.n; i++)
        a->id[a->n][i] = (char)id.p[i];
    a->id[a->n++][id.n] = '\0';
    return VD_OK;
}

vd_rc dcap_advisories_add(struct dcap_advisories *a, vd_span id, vd_err *err)
{
    if (!plain(id))
        return vd_fail(err, VD_E_COLLATERAL_SYNTAX, "collateral: the name of an advisory");
    size_t at = 0;
    while (at < a->n && !vd_span_eq_str(id, a->id[at]))
        at++;
    if (at == a->n)
        VD_TRY(add_id(a, id, err));
    void *p = grown(a->ref, a->n_ref, &a->cap_ref, sizeof *a->ref);
    if (!p)
        return vd_fail(err, VD_E_NOMEM, "collateral: advisories");
    a->ref = p;
    a->ref[a->n_ref++] = (uint16_t)at;
    return VD_OK;
}

void dcap_advisories_done(struct dcap_advisories *a)
{
    free(a->id);
    free(a->ref);
    *a = (struct dcap_advisories){ 0 };
}
