/* The registry of TEEs: the one list of drivers, their settings and kinds of collateral, and the
 * dispatcher, which enforces what no driver may forget. */
#include "issuer/tee/tee.h"

#include "issuer/collateral/collateral.h"
#include "issuer/tee/dcap/collateral.h"
#include "issuer/tee/sgx/sgx.h"
#include "issuer/tee/snp/snp.h"
#include "issuer/tee/tdx/tdx.h"
#if VD_WITH_SAMPLE
#include "issuer/tee/sample/sample.h"
#endif

/* One line per TEE. */
static const struct iss_tee *const tees[] = {
    &iss_tee_snp,    &iss_tee_tdx,          &iss_tee_sgx,
#if VD_WITH_SAMPLE
    &iss_tee_sample, &iss_tee_sampledevice,
#endif
};
enum { TEES = sizeof tees / sizeof tees[0], CLAIMS_BYTES = 1u << 20, TEXT_BYTES = 65536 };

/* One line per kind of collateral. */
static const struct iss_collateral_kind *const kinds[] = {
    &snp_collateral_vcek,      &snp_collateral_crl,     &dcap_collateral_tcb,
    &dcap_collateral_identity, &dcap_collateral_pckcrl, &dcap_collateral_rootcrl,
};

struct iss_tees {
    struct {
        bool enabled;
        void *state;
    } row[TEES];
};

const struct iss_tee *iss_tee_at(size_t i)
{
    return i < TEES ? tees[i] : NULL;
}

const struct iss_collateral_kind *const *iss_tee_collateral_kinds(size_t *ret_n)
{
    *ret_n = sizeof kinds / sizeof kinds[0];
    return kinds;
}

static size_t put_settings(const struct vd_setting *from, size_t n, struct vd_setting *out,
                           size_t at, size_t max)
{
    for (size_t i = 0; i < n; i++)
        if (at + i < max)
            out[at + i] = from[i];
    return at + n;
}

size_t iss_tee_settings(struct vd_setting *out, size_t max)
{
    size_t n = 0;
    for (size_t i = 0; i < TEES; i++)
        n = put_settings(tees[i]->settings, tees[i]->n_settings, out, n, max);
    n = put_settings(dcap_settings, dcap_settings_n, out, n, max);
    n = put_settings(dcap_collateral_settings, dcap_collateral_settings_n, out, n, max);
    return put_settings(iss_collateral_settings, iss_collateral_settings_n, out, n, max);
}

static size_t index_of(const char *name)
{
    size_t i = 0;
    while (i < TEES && !vd_span_eq_str(vd_span_str(name), tees[i]->name))
        i++;
    return i;
}

/* A row that is wrong is our bug; it must not wait for the first evidence to show. */
static vd_rc check_row(size_t i, vd_err *err)
{
    const struct iss_tee *t = tees[i];
    if (t->abi != ISS_TEE_ABI || !t->name || t->max_evidence == 0 || !t->verify ||
        t->n_settings == 0 || index_of(t->name) != i)
        return vd_fail(err, VD_E_INTERNAL, "driver %zu of the list is not complete", i);
    return VD_OK;
}

vd_rc iss_tees_open(const struct vd_config *config, struct vd_log *log, struct iss_tees **ret,
                    vd_err *err)
{
    VD_AUTO(iss_tees_close) struct iss_tees *t = calloc(1, sizeof *t);
    if (!t)
        return vd_fail(err, VD_E_NOMEM, "registry of TEEs");
    for (size_t i = 0; i < TEES; i++) {
        VD_TRY(check_row(i, err));
        VD_AUTO_BUF key = vd_buf_of(128);
        vd_buf_printf(&key, "tee.%s.enabled", tees[i]->name);
        VD_TRY(vd_buf_check(&key, err));
        if (!vd_config_bool(config, vd_buf_cstr(&key)))
            continue;
        struct iss_tee_cfg cfg = { .config = config, .log = log };
        if (tees[i]->open)
            VD_TRY(tees[i]->open(&cfg, &t->row[i].state, err));
        t->row[i].enabled = true;
        if (!tees[i]->default_enabled)
            vd_log_msg(log, VD_LOG_WARN, "tee",
                       "%s evidence is accepted: it proves nothing and is for trying out",
                       tees[i]->name);
    }
    *ret = VD_TAKE(t);
    return VD_OK;
}

void iss_tees_close(struct iss_tees *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < TEES; i++)
        if (t->row[i].enabled && tees[i]->close)
            tees[i]->close(t->row[i].state);
    free(t);
}

bool iss_tees_enabled(const struct iss_tees *t, const char *name)
{
    size_t i = index_of(name);
    return i < TEES && t->row[i].enabled;
}

static vd_rc find_enabled(const struct iss_tees *t, const char *name, size_t *ret, vd_err *err)
{
    size_t i = index_of(name);
    if (i >= TEES || !t->row[i].enabled)
        return vd_fail(err, VD_E_TEE_DISABLED,
                       "%s: tee.%s.enabled is not set, or it is not compiled in", name, name);
    *ret = i;
    return VD_OK;
}

/* Success without claims would be a driver that forgot its work. */
static vd_rc check_result(const struct iss_tee *tee, const struct iss_claims_list *list,
                          size_t before, vd_err *err)
{
    bool ok = list->n > before;
    for (size_t i = before; i < list->n && ok; i++)
        ok = list->item[i].claims.n > 1 && !list->item[i].claims.bad && list->item[i].cls &&
             list->item[i].tee;
    if (!ok)
        return vd_fail(err, VD_E_INTERNAL, "%s: the driver gave no claims", tee->name);
    return VD_OK;
}

vd_rc iss_tees_verify(struct iss_tees *t, const char *name, const struct iss_evidence *in,
                      struct iss_claims_list *list, vd_err *err)
{
    size_t i = 0;
    VD_TRY(find_enabled(t, name, &i, err));
    size_t size = in->raw.n > 0 ? in->raw.n : vd_jv_raw(in->json).n;
    if (size > tees[i]->max_evidence)
        return vd_fail(err, VD_E_BAD_EVIDENCE,
                       "%s: evidence of %zu bytes, at most %zu are looked at", name, size,
                       tees[i]->max_evidence);
    size_t before = list->n;
    VD_TRY(tees[i]->verify(t->row[i].state, in, list, err));
    return check_result(tees[i], list, before, err);
}

vd_rc iss_tees_challenge(struct iss_tees *t, const char *name, vd_jv params, vd_buf *ret_json,
                         vd_err *err)
{
    size_t i = 0;
    VD_TRY(find_enabled(t, name, &i, err));
    return tees[i]->challenge ? tees[i]->challenge(t->row[i].state, params, ret_json, err) : VD_OK;
}

struct iss_claims_list *iss_claims_list_new(void)
{
    /* Claims and checks are filled whole when they are added, so 24 KiB need not be cleared. */
    struct iss_claims_list *l = malloc(sizeof *l);
    if (!l)
        return NULL;
    l->n = 0;
    l->n_checks = 0;
    l->unverified = vd_buf_of(CLAIMS_BYTES);
    return l;
}

void iss_claims_list_free(struct iss_claims_list *l)
{
    if (!l)
        return;
    for (size_t i = 0; i < l->n; i++) {
        vd_buf_done(&l->item[i].claims);
        vd_buf_done(&l->item[i].report_data);
        vd_buf_done(&l->item[i].init_data);
        vd_buf_done(&l->item[i].events);
    }
    vd_buf_done(&l->unverified);
    free(l);
}

struct iss_claims *iss_claims_add(struct iss_claims_list *l, const char *tee, const char *cls)
{
    if (l->n >= ISS_CLAIMS_MAX)
        return NULL;
    struct iss_claims *c = &l->item[l->n++];
    *c = (struct iss_claims){ .tee = tee,
                              .cls = cls,
                              .claims = vd_buf_of(CLAIMS_BYTES),
                              .report_data = vd_buf_of(TEXT_BYTES),
                              .init_data = vd_buf_of(TEXT_BYTES),
                              .events = vd_buf_of(CLAIMS_BYTES) };
    return c;
}

void iss_claims_put_events(vd_span events, vd_buf *out)
{
    if (events.n == 0 || out->bad || out->n < 2)
        return;
    out->n--; /* the object is opened once more */
    vd_buf_str(out, out->p[out->n - 1] == '{' ? "\"uefi_event_logs\":" : ",\"uefi_event_logs\":");
    vd_buf_add(out, events);
    vd_buf_u8(out, '}');
}

static void put_text(char *to, size_t room, const char *from)
{
    size_t n = 0;
    for (; from && from[n] && n + 1 < room; n++)
        to[n] = from[n] >= 0x20 && from[n] < 0x7f ? from[n] : '?';
    to[n] = '\0';
}

void iss_check_add(struct iss_claims_list *l, const char *name, bool ok, const char *observed,
                   const char *expected)
{
    if (l->n_checks >= ISS_CHECKS_MAX)
        return;
    struct iss_check *c = &l->check[l->n_checks++];
    c->name = name;
    c->ok = ok;
    put_text(c->observed, sizeof c->observed, observed);
    put_text(c->expected, sizeof c->expected, expected);
}
