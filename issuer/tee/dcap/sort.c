/* Files of operators, told by content: Intel's documents, CRLs and certificates in every spelling
 * that tools leave behind, alone or inside of JSON (PCCS answers, Intel's PCS client tool, Trustee)
 * and of Open Enclave's dumps. Documents and certificates may lie apart: every document is tried
 * with every signer that lies about, and kept with each that is right. */
#include "issuer/tee/dcap/sort_priv.h"

#include <stdio.h>

#include "issuer/tee/dcap/signed.h"
#include "shared/codec/b64.h"
#include "shared/crypto/x509_facts.h"

enum { KEY_BYTES = 256, CLAIM_BYTES = 64 };

/* ---- chains of the certificates that lie about -------------------------------------------------
 */

/* A certificate under a root, and that root, as PEM. What it may sign is judged with each piece. */
struct chains {
    vd_buf *pem;
    size_t n;
};

static void chains_done(struct chains *c)
{
    for (size_t i = 0; i < c->n; i++)
        vd_buf_done(&c->pem[i]);
    free(c->pem);
}
#define AUTO_CHAINS __attribute__((cleanup(chains_done))) struct chains

static const struct dcap_root *root_of(const struct dcap_family *f, const struct vd_cert *cert)
{
    for (size_t i = 0; i < f->roots->n; i++)
        if (vd_cert_signed_es256(cert, f->roots->item[i].cert, NULL).code == VD_E_OK)
            return &f->roots->item[i];
    return NULL;
}

static vd_rc make_chains(const struct dcap_family *f, const struct dcap_sorter *s,
                         struct chains *ret, vd_err *err)
{
    ret->pem = calloc(s->n_certs + 1, sizeof *ret->pem);
    if (!ret->pem)
        return vd_fail(err, VD_E_NOMEM, "offline collateral");
    for (size_t i = 0; i < s->n_certs; i++) {
        const struct dcap_root *root = root_of(f, s->cert[i]);
        if (!root || vd_span_eq(vd_cert_der(root->cert), vd_cert_der(s->cert[i])))
            continue;
        vd_buf *pem = &ret->pem[ret->n++];
        *pem = vd_buf_of(DCAP_CHAIN_MAX);
        dcap_cert_pem(s->cert[i], pem);
        dcap_cert_pem(root->cert, pem);
        VD_TRY(vd_buf_check(pem, err));
    }
    return VD_OK;
}

/* ---- pieces on the shelf -----------------------------------------------------------------------
 */

static vd_rc put(const struct dcap_family *f, enum dcap_piece piece, vd_span chain, vd_span body,
                 const char *from, struct iss_collateral_shelf *out, vd_err *err)
{
    struct iss_collateral_rank rank = { 0 };
    VD_AUTO_BUF key = vd_buf_of(KEY_BYTES);
    VD_AUTO_BUF bytes = vd_buf_of(ISS_COLLATERAL_BYTES_MAX);
    VD_TRY(dcap_piece_judge(f, piece, chain, body, &key, &rank, err));
    dcap_wrap(chain, body, &bytes);
    VD_TRY(vd_buf_check(&bytes, err));
    iss_collateral_shelf_put(out, dcap_piece_kind(piece), vd_buf_span(&key), vd_buf_span(&bytes),
                             &rank, from);
    return VD_OK;
}

/* The key that a document claims to have, for a refusal by name only. */
static bool claimed_key(enum dcap_piece piece, vd_span body, vd_buf *out)
{
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    VD_AUTO_BUF id = vd_buf_of(CLAIM_BYTES);
    VD_AUTO_BUF digits = vd_buf_of(CLAIM_BYTES);
    VD_AUTO_BUF fmspc = vd_buf_of(CLAIM_BYTES);
    if (vd_json_parse(body, &dcap_json_limits, &doc, NULL).code != VD_E_OK)
        return false;
    vd_jv inner =
        vd_jv_get(vd_json_root(doc), piece == DCAP_PIECE_TCB ? "tcbInfo" : "enclaveIdentity");
    vd_jv name = vd_jv_get(inner, "id"); /* version 2 of TCB info was for SGX only and has none */
    if (vd_jv_ok(name) && vd_jv_str(name, &id, NULL).code != VD_E_OK)
        return false;
    bool tdx = vd_span_eq_str(vd_buf_span(&id), "TDX") || vd_span_eq_str(vd_buf_span(&id), "TD_QE");
    struct dcap_ask ask = { .tee = tdx ? DCAP_TDX : DCAP_SGX };
    if (piece == DCAP_PIECE_IDENTITY) {
        dcap_key_identity(&ask, out);
        return true;
    }
    if (vd_jv_str(vd_jv_get(inner, "fmspc"), &digits, NULL).code != VD_E_OK ||
        vd_hex_decode(vd_buf_span(&digits), &fmspc, NULL).code != VD_E_OK || fmspc.n != DCAP_FMSPC)
        return false;
    memcpy(ask.fmspc, fmspc.p, DCAP_FMSPC);
    dcap_key_tcb(&ask, out);
    return true;
}

/* Of several refusals the one that says most: a good signature over something unusable counts more
 * than a signer that was the wrong one. */
static void keep_worst(vd_err *worst, const vd_err *why)
{
    bool weak = worst->code == VD_E_OK || worst->code == VD_E_COLLATERAL_CHAIN ||
                (worst->code == VD_E_COLLATERAL_SIG && why->code != VD_E_COLLATERAL_CHAIN);
    if (weak)
        *worst = *why;
}

static vd_rc shelve_document(const struct dcap_family *f, const struct dcap_found_piece *p,
                             const struct chains *chains, struct iss_collateral_file *file,
                             struct iss_collateral_shelf *out, vd_err *err)
{
    vd_err worst = { 0 };
    bool good = false;
    for (size_t i = 0; i < chains->n; i++) {
        vd_err why = { 0 };
        vd_rc_ rc = put(f, p->piece, vd_buf_span(&chains->pem[i]), vd_buf_span(&p->body),
                        file->name, out, &why);
        if (rc.code == VD_E_NOMEM)
            return vd_fail(err, VD_E_NOMEM, "offline collateral");
        good = good || rc.code == VD_E_OK;
        if (rc.code != VD_E_OK)
            keep_worst(&worst, &why);
    }
    if (good)
        return VD_OK;
    if (worst.code == VD_E_OK)
        (void)vd_fail(&worst, VD_E_COLLATERAL_CHAIN,
                      "no certificate of a TCB signer lies beside it")
            .code;
    VD_AUTO_BUF key = vd_buf_of(KEY_BYTES);
    if (claimed_key(p->piece, vd_buf_span(&p->body), &key))
        iss_collateral_shelf_refuse(out, dcap_piece_kind(p->piece), vd_buf_span(&key), &worst,
                                    file->name);
    else
        (void)snprintf(file->why, sizeof file->why, "%.150s", worst.msg);
    return VD_OK;
}

static vd_rc shelve_crl(const struct dcap_family *f, const struct dcap_found_piece *p,
                        const struct chains *chains, struct iss_collateral_file *file,
                        struct iss_collateral_shelf *out, vd_err *err)
{
    vd_span der = vd_buf_span(&p->body);
    vd_err why = { 0 };
    vd_rc_ rc = put(f, DCAP_PIECE_ROOTCRL, VD_SPAN_NONE, der, file->name, out, &why);
    for (size_t i = 0; i < chains->n && rc.code != VD_E_OK && rc.code != VD_E_NOMEM; i++)
        rc = put(f, DCAP_PIECE_PCKCRL, vd_buf_span(&chains->pem[i]), der, file->name, out, &why);
    if (rc.code != VD_E_OK && rc.code != VD_E_NOMEM) {
        vd_err alone = { 0 };
        rc = put(f, DCAP_PIECE_PCKCRL, VD_SPAN_NONE, der, file->name, out, &alone);
        if (rc.code != VD_E_OK)
            (void)snprintf(file->why, sizeof file->why, "%.150s", alone.msg);
    }
    return rc.code == VD_E_NOMEM ? vd_fail(err, VD_E_NOMEM, "offline collateral") : VD_OK;
}

vd_rc dcap_sort(void *state, struct iss_collateral_file *file, size_t n,
                struct iss_collateral_shelf *out, vd_err *err)
{
    const struct dcap_family *f = state;
    DCAP_AUTO_SORTER s = { 0 };
    AUTO_CHAINS chains = { 0 };
    for (size_t i = 0; i < n; i++)
        if (!file[i].taken)
            VD_TRY(dcap_sorter_file(&s, i, file[i].bytes, &file[i].taken, err));
    VD_TRY(make_chains(f, &s, &chains, err));
    for (size_t i = 0; i < s.n_pieces; i++) {
        const struct dcap_found_piece *p = &s.piece[i];
        struct iss_collateral_file *from = &file[p->file];
        if (p->piece == DCAP_PIECE_TCB || p->piece == DCAP_PIECE_IDENTITY)
            VD_TRY(shelve_document(f, p, &chains, from, out, err));
        else
            VD_TRY(shelve_crl(f, p, &chains, from, out, err));
    }
    return VD_OK;
}
