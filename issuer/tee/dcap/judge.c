/* The full check of each piece of DCAP collateral by itself, dates aside, and the key under which
 * it is filed: both follow from what Intel signed, never from where it was found. */
#include "issuer/tee/dcap/collateral_priv.h"

#include "shared/codec/b64.h"
#include "shared/crypto/x509_facts.h"

enum { SKEW = 300, ID_BYTES = 16 };

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* ---- keys --------------------------------------------------------------------------------------
 */

static void put_root(const struct dcap_root *root, vd_buf *out)
{
    if (!root || !root->simulated)
        return;
    vd_buf_u8(out, '@');
    vd_hex_encode(vd_span_of(root->key_id, ID_BYTES), out);
}

static const char *tee_word(enum dcap_tee tee)
{
    return tee == DCAP_TDX ? "tdx" : "sgx";
}

void dcap_key_tcb(const struct dcap_ask *ask, vd_buf *out)
{
    vd_buf_str(out, tee_word(ask->tee));
    vd_buf_u8(out, '/');
    vd_hex_encode(vd_span_of(ask->fmspc, DCAP_FMSPC), out);
    put_root(ask->root, out);
}

void dcap_key_identity(const struct dcap_ask *ask, vd_buf *out)
{
    vd_buf_str(out, tee_word(ask->tee));
    put_root(ask->root, out);
}

void dcap_key_pckcrl(const struct dcap_ask *ask, vd_buf *out)
{
    vd_buf_str(out, dcap_ca_name(ask->ca));
    put_root(ask->root, out);
}

void dcap_key_rootcrl(const struct dcap_ask *ask, vd_buf *out)
{
    vd_buf_str(out, ask->root && ask->root->simulated ? "simulated" : "intel");
    put_root(ask->root, out);
}

/* ---- pieces ------------------------------------------------------------------------------------
 */

/* Clocks differ a little: what was issued a moment ago by another clock counts already. */
static struct iss_collateral_rank rank_of(uint64_t level, int64_t issued, int64_t until,
                                          const struct dcap_window *chain)
{
    return (struct iss_collateral_rank){ .level = level,
                                         .issued = issued,
                                         .begin = later(issued - SKEW, chain->begin),
                                         .expires = earlier(until, chain->end) };
}

static vd_rc judge_tcb(const struct dcap_family *f, vd_span chain, vd_span body, vd_buf *key,
                       struct iss_collateral_rank *ret, vd_err *err)
{
    VD_AUTO(dcap_tcb_info_unref) struct dcap_tcb_info *t = NULL;
    DCAP_AUTO_SIGNER s = { 0 };
    VD_TRY(dcap_tcb_info_check(f->roots, body, chain, &t, &s, err));
    struct dcap_ask ask = { .tee = t->tee, .root = s.root };
    memcpy(ask.fmspc, t->fmspc, sizeof ask.fmspc);
    dcap_key_tcb(&ask, key);
    *ret = rank_of(t->eval_num, t->issue_date, t->next_update, &s.window);
    return VD_OK;
}

static vd_rc judge_identity(const struct dcap_family *f, vd_span chain, vd_span body, vd_buf *key,
                            struct iss_collateral_rank *ret, vd_err *err)
{
    VD_AUTO(dcap_identity_unref) struct dcap_identity *i = NULL;
    DCAP_AUTO_SIGNER s = { 0 };
    VD_TRY(dcap_identity_check(f->roots, body, chain, &i, &s, err));
    if (i->id != DCAP_QE && i->id != DCAP_TD_QE)
        return vd_fail(err, VD_E_COLLATERAL_MISMATCH,
                       "identity of %s: no quoting enclave of quotes", dcap_enclave_id_name(i->id));
    const struct dcap_ask ask = { .tee = i->id == DCAP_TD_QE ? DCAP_TDX : DCAP_SGX,
                                  .root = s.root };
    dcap_key_identity(&ask, key);
    *ret = rank_of(i->eval_num, i->issue_date, i->next_update, &s.window);
    return VD_OK;
}

/* Does the name hold this text? Names are DER; a CA's common name stands in them as it is. */
static bool name_holds(vd_span name, vd_span text)
{
    for (size_t i = 0; i + text.n <= name.n; i++)
        if (vd_span_eq(vd_span_part(name, i, text.n), text))
            return true;
    return false;
}

/* Without its chain a PCK CRL can only be filed by the name it bears: the quote's own CA will prove
 * it or refuse it. */
static vd_rc judge_pckcrl_alone(vd_span body, vd_buf *key, struct iss_collateral_rank *ret,
                                vd_err *err)
{
    VD_AUTO(vd_crl_unref) struct vd_crl *crl = NULL;
    struct vd_crl_facts facts = { 0 };
    vd_err cause = { 0 };
    if (vd_crl_parse(body, &crl, &cause).code != VD_E_OK ||
        vd_crl_facts(crl, &facts, &cause).code != VD_E_OK)
        return vd_fail(err, VD_E_COLLATERAL_SYNTAX, "PCK CRL: %s", cause.msg);
    vd_span name = vd_crl_issuer_der(crl);
    bool platform = name_holds(name, VD_LIT("Intel SGX PCK Platform CA"));
    if (!platform && !name_holds(name, VD_LIT("Intel SGX PCK Processor CA")))
        return vd_fail(err, VD_E_COLLATERAL_MISMATCH,
                       "CRL of neither Intel's root nor its Platform or Processor CA");
    const struct dcap_ask ask = { .ca = platform ? DCAP_CA_PLATFORM : DCAP_CA_PROCESSOR };
    dcap_key_pckcrl(&ask, key);
    *ret = (struct iss_collateral_rank){ .issued = facts.this_update,
                                         .begin = facts.this_update - SKEW,
                                         .expires = facts.next_update,
                                         .unproven = true };
    return VD_OK;
}

static vd_rc judge_pckcrl(const struct dcap_family *f, vd_span chain, vd_span body, vd_buf *key,
                          struct iss_collateral_rank *ret, vd_err *err)
{
    if (chain.n == 0)
        return judge_pckcrl_alone(body, key, ret, err);
    VD_AUTO(vd_certs_free) struct vd_certs *certs = NULL;
    DCAP_AUTO_CRL crl = { 0 };
    struct dcap_ask ask = { .root = NULL };
    struct dcap_window window = { 0 };
    VD_TRY(dcap_pck_crl_check(f->roots, body, chain, &crl, &ask.ca, &window, err));
    VD_TRY(vd_certs_parse_pem(chain, 2, &certs, err));
    for (size_t i = 0; i < certs->n && !ask.root; i++)
        ask.root = dcap_roots_find(f->roots, certs->item[i]);
    dcap_key_pckcrl(&ask, key);
    *ret = rank_of(0, crl.window.begin, crl.window.end, &window);
    return VD_OK;
}

static vd_rc judge_rootcrl(const struct dcap_family *f, vd_span body, vd_buf *key,
                           struct iss_collateral_rank *ret, vd_err *err)
{
    DCAP_AUTO_CRL crl = { 0 };
    struct dcap_ask ask = { .root = NULL };
    VD_TRY(dcap_root_crl_check(f->roots, body, &crl, &ask.root, err));
    dcap_key_rootcrl(&ask, key);
    const struct dcap_window root = { vd_cert_not_before(ask.root->cert),
                                      vd_cert_not_after(ask.root->cert) };
    *ret = rank_of(0, crl.window.begin, crl.window.end, &root);
    return VD_OK;
}

vd_rc dcap_piece_judge(const struct dcap_family *f, enum dcap_piece piece, vd_span chain,
                       vd_span body, vd_buf *ret_key, struct iss_collateral_rank *ret, vd_err *err)
{
    switch (piece) {
    case DCAP_PIECE_TCB:
        VD_TRY(judge_tcb(f, chain, body, ret_key, ret, err));
        break;
    case DCAP_PIECE_IDENTITY:
        VD_TRY(judge_identity(f, chain, body, ret_key, ret, err));
        break;
    case DCAP_PIECE_PCKCRL:
        VD_TRY(judge_pckcrl(f, chain, body, ret_key, ret, err));
        break;
    case DCAP_PIECE_ROOTCRL:
        VD_TRY(judge_rootcrl(f, body, ret_key, ret, err));
        break;
    }
    return vd_buf_check(ret_key, err);
}
