/* Wishes of operators as kinds and keys; see fetch.h. */
#include "issuer/tee/dcap/fetch.h"

#include <string.h>
#include <time.h>

#include "issuer/tee/dcap/collateral.h"
#include "shared/base/slurp.h"
#include "shared/codec/b64.h"

enum { QUOTE_FILE = 4 << 20, LIST_BYTES = 64 << 20, FMSPCS_MAX = 64 };

/* ---- one thing ---------------------------------------------------------------------------------
 */

struct fetching {
    struct iss_collateral *c;
    dcap_fetch_report report;
    void *ctx;
    time_t end; /* of the monotonic clock; 0: never */
};

static time_t seconds_now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec;
}

static void fetch_one(const struct fetching *f, const char *kind, vd_span key)
{
    vd_err why = { 0 };
    if (f->end && seconds_now() >= f->end)
        (void)vd_fail(&why, VD_E_TIMEOUT, "not begun: the time of one request is over").code;
    else
        (void)iss_collateral_fetch(f->c, kind, key, &why).code;
    f->report(f->ctx, kind, key, &why);
}

static vd_rc fetch_key(const struct fetching *f, const struct iss_collateral_kind *kind,
                       void (*key_of)(const struct dcap_ask *, vd_buf *),
                       const struct dcap_ask *ask, vd_err *err)
{
    VD_AUTO_BUF key = vd_buf_of(ISS_COLLATERAL_KEY_MAX);
    key_of(ask, &key);
    VD_TRY(vd_buf_check(&key, err));
    fetch_one(f, kind->name, vd_buf_span(&key));
    return VD_OK;
}

/* ---- what a quote needs ------------------------------------------------------------------------
 */

static vd_rc read_quote(const char *file, vd_buf *ret, vd_err *err)
{
    VD_AUTO_BUF text = vd_buf_of(QUOTE_FILE + 65536);
    VD_TRY(vd_file_read(file, QUOTE_FILE, &text, NULL, err));
    if (text.n == 0 || text.p[0] != '{') {
        vd_buf_add(ret, vd_buf_span(&text));
        return vd_buf_check(ret, err);
    }
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    vd_err why = { 0 };
    if (vd_json_parse(vd_buf_span(&text), VD_JSON_LIMITS(QUOTE_FILE), &doc, &why).code != VD_E_OK ||
        vd_jv_b64(vd_jv_get(vd_json_root(doc), "quote"), VD_B64_STD, ret, &why).code != VD_E_OK)
        return vd_fail(err, VD_E_CONFIG, "%s: is JSON without a quote in base64: %s", file,
                       why.msg);
    return VD_OK;
}

static vd_rc fetch_for_quote(const struct fetching *f, const struct vd_config *config,
                             const char *file, int64_t now, vd_err *err)
{
    VD_AUTO_BUF bytes = vd_buf_of(QUOTE_FILE);
    VD_AUTO(dcap_roots_free) struct dcap_roots *roots = NULL;
    VD_AUTO(dcap_cache_free) struct dcap_cache *cache = NULL;
    VD_AUTO(dcap_trust_unref) struct dcap_trust *trust = NULL;
    struct dcap_quote q;
    vd_err why = { 0 };
    size_t n = 0;
    const char *const *extra = vd_config_strs(config, "tee.dcap.extra_roots", &n);
    VD_TRY(read_quote(file, &bytes, err));
    VD_TRY(dcap_roots_new(extra, n, &roots, err));
    VD_TRY(dcap_cache_new(roots, 1, &cache, err));
    vd_rc_ rc = dcap_quote_parse(vd_buf_span(&bytes), &q, &why);
    if (rc.code == VD_E_OK)
        rc = dcap_chain_verify(cache, q.cert_data, now, &trust, &why);
    if (rc.code != VD_E_OK)
        return vd_fail(err, VD_E_CONFIG, "%s: %s", file, why.msg);
    const struct dcap_ask ask = dcap_ask_of(q.tee, trust);
    VD_TRY(fetch_key(f, &dcap_collateral_tcb, dcap_key_tcb, &ask, err));
    VD_TRY(fetch_key(f, &dcap_collateral_identity, dcap_key_identity, &ask, err));
    VD_TRY(fetch_key(f, &dcap_collateral_pckcrl, dcap_key_pckcrl, &ask, err));
    return fetch_key(f, &dcap_collateral_rootcrl, dcap_key_rootcrl, &ask, err);
}

/* ---- what names say ----------------------------------------------------------------------------
 */

/* Comma-separated; VD_E_CONFIG. */
static vd_rc read_fmspcs(const char *text, uint8_t ret[FMSPCS_MAX][DCAP_FMSPC], size_t *ret_n,
                         vd_err *err)
{
    vd_span left = vd_span_str(text);
    *ret_n = 0;
    while (left.n > 0) {
        size_t n = vd_span_find(left, ',');
        VD_AUTO_BUF bytes = vd_buf_of(DCAP_FMSPC);
        if (vd_hex_decode(vd_span_part(left, 0, n), &bytes, NULL).code != VD_E_OK ||
            bytes.n != DCAP_FMSPC || *ret_n == FMSPCS_MAX)
            return vd_fail(err, VD_E_CONFIG,
                           "\"%.40s\" is no FMSPC of 12 hexadecimal digits (%d at most)", text,
                           FMSPCS_MAX);
        memcpy(ret[(*ret_n)++], bytes.p, DCAP_FMSPC);
        left = vd_span_part(left, n + 1, left.n);
    }
    return VD_OK;
}

static vd_rc check_words(const struct dcap_wish *w, vd_err *err)
{
    if (w->tee && strcmp(w->tee, "tdx") != 0 && strcmp(w->tee, "sgx") != 0)
        return vd_fail(err, VD_E_CONFIG, "\"%.40s\" is neither tdx nor sgx", w->tee);
    if (w->ca && strcmp(w->ca, "platform") != 0 && strcmp(w->ca, "processor") != 0)
        return vd_fail(err, VD_E_CONFIG, "\"%.40s\" is neither platform nor processor", w->ca);
    return VD_OK;
}

static vd_rc fetch_named(const struct fetching *f, const struct dcap_wish *w, vd_err *err)
{
    uint8_t fmspc[FMSPCS_MAX][DCAP_FMSPC];
    size_t n = 0;
    VD_TRY(read_fmspcs(w->fmspc, fmspc, &n, err));
    for (enum dcap_tee tee = DCAP_SGX; tee < DCAP_TEE_MAX; tee++) {
        struct dcap_ask ask = { .tee = tee };
        if (w->tee && strcmp(w->tee, tee == DCAP_TDX ? "tdx" : "sgx") != 0)
            continue;
        for (size_t i = 0; i < n; i++) {
            memcpy(ask.fmspc, fmspc[i], DCAP_FMSPC);
            VD_TRY(fetch_key(f, &dcap_collateral_tcb, dcap_key_tcb, &ask, err));
        }
        VD_TRY(fetch_key(f, &dcap_collateral_identity, dcap_key_identity, &ask, err));
    }
    for (enum dcap_ca ca = DCAP_CA_PROCESSOR; ca < DCAP_CA_MAX; ca++) {
        const struct dcap_ask ask = { .ca = ca };
        if (!w->ca || strcmp(w->ca, dcap_ca_name(ca)) == 0)
            VD_TRY(fetch_key(f, &dcap_collateral_pckcrl, dcap_key_pckcrl, &ask, err));
    }
    const struct dcap_ask ask = { .ca = DCAP_CA_PROCESSOR };
    return fetch_key(f, &dcap_collateral_rootcrl, dcap_key_rootcrl, &ask, err);
}

/* ---- all that is held --------------------------------------------------------------------------
 */

static vd_rc renew_held(const struct fetching *f, vd_err *err)
{
    VD_AUTO_BUF text = vd_buf_of(LIST_BYTES);
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    const struct vd_json_limits limits = { LIST_BYTES, 32, 2000000 };
    size_t n = 0;
    vd_jw w = vd_jw_of(&text);
    VD_TRY(iss_collateral_list(f->c, &w, err));
    VD_TRY(vd_buf_check(&text, err));
    VD_TRY(vd_json_parse(vd_buf_span(&text), &limits, &doc, err));
    vd_jv_iter it = vd_jv_iter_of(vd_json_root(doc));
    while (vd_jv_next(&it)) {
        VD_AUTO(free) char *kind = NULL;
        VD_AUTO_BUF key = vd_buf_of(ISS_COLLATERAL_KEY_MAX);
        if (vd_jv_str_eq(vd_jv_get(it.value, "source"), "offline") ||
            !vd_jv_ok(vd_jv_get(it.value, "expires")))
            continue; /* of files, or for ever */
        VD_TRY(vd_jv_strdup(vd_jv_get(it.value, "kind"), &kind, err));
        VD_TRY(vd_jv_str(vd_jv_get(it.value, "key"), &key, err));
        fetch_one(f, kind, vd_buf_span(&key));
        n++;
    }
    return n > 0 ? VD_OK
                 : vd_fail(err, VD_E_COLLATERAL,
                           "nothing is held that could be renewed; name a platform by its FMSPC, "
                           "or give a quote");
}

vd_rc dcap_fetch_wished(struct iss_collateral *c, const struct vd_config *config,
                        const struct dcap_wish *what, int64_t now, dcap_fetch_report report,
                        void *ctx, vd_err *err)
{
    const struct fetching f = { .c = c,
                                .report = report,
                                .ctx = ctx,
                                .end = what->seconds ? seconds_now() + (time_t)what->seconds : 0 };
    VD_TRY(check_words(what, err));
    if (what->quote)
        return fetch_for_quote(&f, config, what->quote, now, err);
    return what->fmspc ? fetch_named(&f, what, err) : renew_held(&f, err);
}
