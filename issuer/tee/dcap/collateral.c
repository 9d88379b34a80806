/* The kinds of DCAP collateral, their addresses at PCS or a PCCS (API v4), and the set that a quote
 * needs. Keys are made by judge.c only, of words from a list and hexadecimal digits: nothing a
 * stranger sends reaches an address as it stands. */
#include "issuer/tee/dcap/collateral.h"

#include "issuer/tee/dcap/collateral_priv.h"

enum { MAX_AGE = 86400, LEAD = 3 * 86400 };

const struct vd_setting dcap_collateral_settings[] = {
    { .key = "tee.dcap.extra_roots",
      .type = VD_SET_STRS,
      .def = "[]",
      .help = "PEM files of simulated DCAP roots, for tests. Passports of such guests are marked "
              "as simulated, and default policies refuse them." },
    { .key = "tee.dcap.pcs_url",
      .type = VD_SET_STR,
      .def = "https://api.trustedservices.intel.com",
      .help = "Base address of Intel's provisioning certification service (PCS), or of a caching "
              "service (PCCS) that mirrors it." },
    { .key = "tee.dcap.root_crl_url",
      .type = VD_SET_STR,
      .help = "Address of the root CA's CRL. Unset: Intel's, or, when pcs_url is set to another "
              "service, /sgx/certification/v4/rootcacrl below that." },
    { .key = "tee.dcap.tcb_update",
      .type = VD_SET_ENUM,
      .def = "early",
      .choices = "early standard",
      .help = "Which TCB rules are fetched: \"early\" those that were published last, \"standard\" "
              "those that platforms had months to meet. Going back from early to standard needs "
              "an empty cache folder: evaluation numbers never fall." },
};
const size_t dcap_collateral_settings_n =
    sizeof dcap_collateral_settings / sizeof dcap_collateral_settings[0];

static const char root_crl_of_intel[] =
    "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der";

/* ---- the family --------------------------------------------------------------------------------
 */

static void family_close(void *state)
{
    struct dcap_family *f = state;
    if (!f)
        return;
    dcap_roots_free(f->roots);
    free(f);
}
static void family_free(struct dcap_family *f)
{
    family_close(f);
}
VD_DEFINE_CLEANUP(struct dcap_family, family_free)

static vd_rc family_open(const struct vd_config *config, void **ret_state, vd_err *err)
{
    VD_AUTO(family_free) struct dcap_family *f = calloc(1, sizeof *f);
    if (!f)
        return vd_fail(err, VD_E_NOMEM, "dcap collateral");
    size_t n = 0;
    const char *const *extra = vd_config_strs(config, "tee.dcap.extra_roots", &n);
    VD_TRY(dcap_roots_new(extra, n, &f->roots, err));
    f->pcs_url = vd_config_str(config, "tee.dcap.pcs_url");
    f->update = vd_config_str(config, "tee.dcap.tcb_update");
    f->root_crl_url = vd_config_str(config, "tee.dcap.root_crl_url");
    if (!f->root_crl_url && !vd_config_is_set(config, "tee.dcap.pcs_url"))
        f->root_crl_url = root_crl_of_intel;
    *ret_state = VD_TAKE(f);
    return VD_OK;
}

const struct iss_collateral_family dcap_collateral_family = {
    .name = "dcap", .open = family_open, .close = family_close, .sort = dcap_sort
};

/* ---- addresses ---------------------------------------------------------------------------------
 */

/* What stands before the root's digits; false: the key names no such word. */
static vd_span without_root(vd_span key)
{
    return vd_span_part(key, 0, vd_span_find(key, '@'));
}

static void put_base(const struct dcap_family *f, vd_buf *ret)
{
    vd_span base = vd_span_str(f->pcs_url);
    while (base.n > 0 && base.p[base.n - 1] == '/')
        base.n--;
    vd_buf_add(ret, base);
}

static vd_rc tcb_address(void *state, vd_span key, vd_buf *ret, vd_err *err)
{
    const struct dcap_family *f = state;
    vd_span name = without_root(key);
    size_t slash = vd_span_find(name, '/');
    put_base(f, ret);
    vd_buf_str(ret, "/");
    vd_buf_add(ret, vd_span_part(name, 0, slash));
    vd_buf_str(ret, "/certification/v4/tcb?fmspc=");
    vd_span fmspc = vd_span_part(name, slash + 1, name.n);
    for (size_t i = 0; i < fmspc.n; i++) /* the service spells them so */
        vd_buf_u8(ret,
                  fmspc.p[i] >= 'a' && fmspc.p[i] <= 'f' ? (uint8_t)(fmspc.p[i] - 32) : fmspc.p[i]);
    vd_buf_printf(ret, "&update=%s", f->update);
    return vd_buf_check(ret, err);
}

static vd_rc identity_address(void *state, vd_span key, vd_buf *ret, vd_err *err)
{
    const struct dcap_family *f = state;
    put_base(f, ret);
    vd_buf_str(ret, "/");
    vd_buf_add(ret, without_root(key));
    vd_buf_printf(ret, "/certification/v4/qe/identity?update=%s", f->update);
    return vd_buf_check(ret, err);
}

static vd_rc pckcrl_address(void *state, vd_span key, vd_buf *ret, vd_err *err)
{
    put_base(state, ret);
    vd_buf_str(ret, "/sgx/certification/v4/pckcrl?ca=");
    vd_buf_add(ret, without_root(key));
    vd_buf_str(ret, "&encoding=der");
    return vd_buf_check(ret, err);
}

static vd_rc rootcrl_address(void *state, vd_span key, vd_buf *ret, vd_err *err)
{
    const struct dcap_family *f = state;
    (void)key;
    if (f->root_crl_url)
        vd_buf_str(ret, f->root_crl_url);
    else {
        put_base(f, ret);
        vd_buf_str(ret, "/sgx/certification/v4/rootcacrl");
    }
    return vd_buf_check(ret, err);
}

/* ---- from an answer to what is kept ------------------------------------------------------------
 */

static vd_rc pack_document(vd_span body, vd_span field, vd_buf *ret, vd_err *err)
{
    VD_AUTO_BUF chain = vd_buf_of(DCAP_CHAIN_MAX);
    if (field.n == 0)
        return vd_fail(err, VD_E_COLLATERAL_SYNTAX, "the answer has no issuer chain in its head");
    VD_TRY(dcap_chain_text(field, &chain, err));
    dcap_wrap(vd_buf_span(&chain), body, ret);
    return vd_buf_check(ret, err);
}

static vd_rc pack_crl(vd_span body, vd_span field, vd_buf *ret, vd_err *err)
{
    VD_AUTO_BUF der = vd_buf_of(ISS_COLLATERAL_BYTES_MAX);
    VD_TRY(dcap_crl_der(body, &der, err));
    return pack_document(vd_buf_span(&der), field, ret, err);
}

static vd_rc pack_root_crl(vd_span body, vd_span field, vd_buf *ret, vd_err *err)
{
    VD_AUTO_BUF der = vd_buf_of(ISS_COLLATERAL_BYTES_MAX);
    (void)field;
    VD_TRY(dcap_crl_der(body, &der, err));
    dcap_wrap(VD_SPAN_NONE, vd_buf_span(&der), ret);
    return vd_buf_check(ret, err);
}

/* ---- ranks -------------------------------------------------------------------------------------
 */

static vd_rc rank_piece(const struct dcap_family *f, enum dcap_piece piece, vd_span key,
                        vd_span bytes, struct iss_collateral_rank *ret, vd_err *err)
{
    vd_span chain, body;
    VD_AUTO_BUF own = vd_buf_of(ISS_COLLATERAL_KEY_MAX);
    VD_TRY(dcap_unwrap(bytes, &chain, &body, err));
    VD_TRY(dcap_piece_judge(f, piece, chain, body, &own, ret, err));
    if (!vd_span_eq(vd_buf_span(&own), key))
        return vd_fail(err, VD_E_COLLATERAL_MISMATCH, "it is for %.*s, not for %.*s", (int)own.n,
                       (const char *)own.p, (int)key.n, (const char *)key.p);
    return VD_OK;
}

static vd_rc tcb_rank(void *state, vd_span key, vd_span bytes, struct iss_collateral_rank *ret,
                      vd_err *err)
{
    return rank_piece(state, DCAP_PIECE_TCB, key, bytes, ret, err);
}

static vd_rc identity_rank(void *state, vd_span key, vd_span bytes, struct iss_collateral_rank *ret,
                           vd_err *err)
{
    return rank_piece(state, DCAP_PIECE_IDENTITY, key, bytes, ret, err);
}

static vd_rc pckcrl_rank(void *state, vd_span key, vd_span bytes, struct iss_collateral_rank *ret,
                         vd_err *err)
{
    return rank_piece(state, DCAP_PIECE_PCKCRL, key, bytes, ret, err);
}

static vd_rc rootcrl_rank(void *state, vd_span key, vd_span bytes, struct iss_collateral_rank *ret,
                          vd_err *err)
{
    return rank_piece(state, DCAP_PIECE_ROOTCRL, key, bytes, ret, err);
}

/* ---- what stops working ------------------------------------------------------------------------
 */

static void put_tee(vd_span key, vd_buf *ret)
{
    vd_buf_str(ret, vd_span_starts(key, VD_LIT("tdx")) ? "TDX" : "SGX");
    vd_buf_str(ret, vd_span_find(key, '@') < key.n ? " quotes (simulated)" : " quotes");
}

static void tcb_about(vd_span key, vd_buf *ret)
{
    vd_span name = without_root(key);
    put_tee(key, ret);
    vd_buf_str(ret, " of FMSPC ");
    vd_buf_add(ret, vd_span_part(name, vd_span_find(name, '/') + 1, name.n));
}

static void identity_about(vd_span key, vd_buf *ret)
{
    vd_buf_str(ret, "all ");
    put_tee(key, ret);
}

static void pckcrl_about(vd_span key, vd_buf *ret)
{
    vd_buf_str(ret, "SGX and TDX quotes of platforms under the ");
    vd_buf_add(ret, without_root(key));
    vd_buf_str(ret, " CA");
}

static void rootcrl_about(vd_span key, vd_buf *ret)
{
    vd_buf_str(ret, vd_span_find(key, '@') < key.n ? "all simulated SGX and TDX quotes"
                                                   : "all SGX and TDX quotes");
}

/* ---- the kinds ---------------------------------------------------------------------------------
 */

const struct iss_collateral_kind dcap_collateral_tcb = {
    .name = "dcap.tcb",
    .family = &dcap_collateral_family,
    .address = tcb_address,
    .field = "TCB-Info-Issuer-Chain",
    .pack = pack_document,
    .rank = tcb_rank,
    .about = tcb_about,
    .max_age = MAX_AGE,
    .lead = LEAD,
};
const struct iss_collateral_kind dcap_collateral_identity = {
    .name = "dcap.identity",
    .family = &dcap_collateral_family,
    .address = identity_address,
    .field = "SGX-Enclave-Identity-Issuer-Chain",
    .pack = pack_document,
    .rank = identity_rank,
    .about = identity_about,
    .max_age = MAX_AGE,
    .lead = LEAD,
};
const struct iss_collateral_kind dcap_collateral_pckcrl = {
    .name = "dcap.pckcrl",
    .family = &dcap_collateral_family,
    .address = pckcrl_address,
    .field = "SGX-PCK-CRL-Issuer-Chain",
    .pack = pack_crl,
    .rank = pckcrl_rank,
    .about = pckcrl_about,
    .max_age = MAX_AGE,
    .lead = LEAD,
};
const struct iss_collateral_kind dcap_collateral_rootcrl = {
    .name = "dcap.rootcrl",
    .family = &dcap_collateral_family,
    .address = rootcrl_address,
    .pack = pack_root_crl,
    .rank = rootcrl_rank,
    .about = rootcrl_about,
    .max_age = MAX_AGE,
    .lead = LEAD,
};

const struct iss_collateral_kind *dcap_piece_kind(enum dcap_piece piece)
{
    static const struct iss_collateral_kind *const kind[] = {
        [DCAP_PIECE_TCB] = &dcap_collateral_tcb,
        [DCAP_PIECE_IDENTITY] = &dcap_collateral_identity,
        [DCAP_PIECE_PCKCRL] = &dcap_collateral_pckcrl,
        [DCAP_PIECE_ROOTCRL] = &dcap_collateral_rootcrl,
    };
    return kind[piece];
}

/* ---- the set of a quote ------------------------------------------------------------------------
 */

void dcap_found_done(struct dcap_found *f)
{
    for (size_t i = 0; i < sizeof f->item / sizeof f->item[0]; i++)
        iss_collateral_item_unref(f->item[i]);
    *f = (struct dcap_found){ 0 };
}

static vd_rc fill(struct dcap_found *f, vd_err *err)
{
    struct dcap_collateral *s = &f->set;
    vd_span none = VD_SPAN_NONE;
    const struct {
        vd_span *chain;
        vd_span *body;
        enum dcap_item chain_id;
        enum dcap_item body_id;
    } place[] = {
        { &s->tcb_info_chain, &s->tcb_info, DCAP_TCB_INFO_CHAIN, DCAP_TCB_INFO },
        { &s->identity_chain, &s->identity, DCAP_IDENTITY_CHAIN, DCAP_IDENTITY },
        { &s->pck_crl_chain, &s->pck_crl, DCAP_PCK_CRL_CHAIN, DCAP_PCK_CRL },
        { &none, &s->root_crl, DCAP_ROOT_CRL, DCAP_ROOT_CRL },
    };
    for (size_t i = 0; i < sizeof place / sizeof place[0]; i++) {
        if (!f->item[i])
            continue;
        VD_TRY(
            dcap_unwrap(iss_collateral_item_bytes(f->item[i]), place[i].chain, place[i].body, err));
        f->id[i] = iss_collateral_item_id(f->item[i]);
        s->id[place[i].chain_id] = f->id[i];
        s->id[place[i].body_id] = f->id[i];
    }
    return VD_OK;
}

vd_rc dcap_collateral_find(struct iss_collateral *c, const struct dcap_ask *ask, const char *source,
                           struct dcap_found *ret, vd_err *err)
{
    static void (*const key_of[])(const struct dcap_ask *,
                                  vd_buf *) = { dcap_key_tcb, dcap_key_identity, dcap_key_pckcrl,
                                                dcap_key_rootcrl };
    enum { N = sizeof key_of / sizeof key_of[0] };
    uint8_t room[N][96];
    struct iss_collateral_want want[N];
    *ret = (struct dcap_found){ 0 };
    for (size_t i = 0; i < N; i++) {
        VD_AUTO_BUF key = vd_buf_of(sizeof room[i]);
        key_of[i](ask, &key);
        VD_TRY(vd_buf_check(&key, err));
        memcpy(room[i], key.p, key.n);
        want[i] = (struct iss_collateral_want){ .kind = dcap_piece_kind((enum dcap_piece)i)->name,
                                                .key = vd_span_of(room[i], key.n) };
    }
    vd_rc_ rc = iss_collateral_find_all(c, want, N, source, ISS_COLLATERAL_WAIT, err);
    for (size_t i = 0; i < N; i++)
        ret->item[i] = want[i].item;
    vd_err why = { 0 };
    vd_rc_ filled = fill(ret, &why);
    if (rc.code != VD_E_OK)
        return rc;
    return filled.code == VD_E_OK ? VD_OK : vd_fail(err, filled.code, "%s", why.msg);
}
